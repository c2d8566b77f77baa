#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_installed.py SOURCE BUILD MESON CC [FLAG...]

Installs the build into an empty folder and builds the C programs that a newcomer sees against it, with the commands that
README.md prints: examples/ and the program of README.md, which are run, and the lines of the header's first comment. The
example is linked to the shared and to the static library. FLAGs are the sanitizers of the build. Prints TAP.
"""
import os
import random
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import traceback

SOURCE, BUILD, MESON, CC = sys.argv[1:5]
FLAGS = sys.argv[5:]
WARNINGS = ['-std=c11', '-Wall', '-Wextra', '-Wpedantic', '-Werror']
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as f:
        return f.read()


def run(command, **options):
    shell = isinstance(command, str)
    result = subprocess.run(command, shell=shell, capture_output=True, text=True, **options)
    if result.returncode != 0:
        raise AssertionError('%s: exit %d\n%s%s' % (command, result.returncode, result.stdout, result.stderr))
    return result.stdout


def install(root):
    """Into root; returns the environment of someone who has told pkg-config where it is."""
    run([MESON, 'install', '-C', BUILD, '--no-rebuild', '--destdir', root])
    (folder,) = [folder for folder, _, names in os.walk(root) if 'mucmm.pc' in names]
    path = os.path.join(folder, 'mucmm.pc')
    text = re.sub(r'^prefix=', 'prefix=' + root, read(path), flags=re.M)  # what the folder would be without DESTDIR
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    return dict(os.environ, PKG_CONFIG_PATH=folder, OMP_WAIT_POLICY='PASSIVE')


def printed_commands(text):
    """The lines of README.md's section that compile: {'shared': ..., 'static': ...}"""
    lines = [line.strip() for line in text.splitlines() if line.startswith('    cc ')]
    assert len(lines) == 2, lines
    return {'static' if '.a ' in line else 'shared': line for line in lines}


def compile_with(line, source, program, env):
    """The printed line, for this file and compiler, with more warnings."""
    assert line.startswith('cc report.c -o report '), line
    rest = line[len('cc report.c -o report '):]
    run('%s %s %s -o %s %s' % (CC, ' '.join(shlex.quote(f) for f in WARNINGS + FLAGS), shlex.quote(source),
                               shlex.quote(program), rest), env=env)


def section(text, title):
    return text.split('## %s\n' % title, 1)[1].split('\n## ', 1)[0]


def code_of(text):
    """The indented C program in a section of Markdown."""
    blocks = re.findall(r'(?:^(?:    .*)?\n)+', text, re.M)
    programs = [b for b in blocks if '#include <mucmm.h>' in b]
    assert len(programs) == 1, '%d programs' % len(programs)
    return re.sub(r'^    ', '', programs[0], flags=re.M)


def write_npy(path, rows):
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    head += ' ' * (-(len(head) + 11) % 64) + '\n'
    with open(path, 'wb') as f:
        f.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head.encode() +
                b''.join(struct.pack('<%df' % len(row), *row) for row in rows))


def write_views(folder):
    """left.npy and right.npy, which share 4 numbers."""
    r = random.Random(1)
    left, right = [], []
    for _ in range(240):
        z = [r.gauss(0, 1) for _ in range(4)]
        left.append([z[j % 4] + 0.5 * r.gauss(0, 1) for j in range(30)])
        right.append([z[j % 4] + 0.5 * r.gauss(0, 1) for j in range(26)])
    write_npy(os.path.join(folder, 'left.npy'), left)
    write_npy(os.path.join(folder, 'right.npy'), right)


def written(folder, name):
    """A file that the program has written: its size; it is removed."""
    path = os.path.join(folder, name)
    size = os.path.getsize(path)
    os.remove(path)
    return size


def needs_library(program):
    return 'libmucmm.so' in run(['ldd', program])


@test
def the_example_writes_a_report_from_arrays(env, folder, lines):
    source = os.path.join(SOURCE, 'examples', 'report.c')
    assert len(read(source).splitlines()) < 60, 'the example has grown'
    pages = []
    for kind, line in sorted(lines.items()):
        program = os.path.join(folder, 'report_' + kind)
        compile_with(line, source, program, env)
        assert needs_library(program) == (kind == 'shared'), kind
        run([program, 'page.html'], cwd=folder, env=env)
        page = read(folder, 'page.html')
        for words in ('200 samples, 2 views.', '1 of 2 components are shared', 'Report on a model', 'Samples whose views agree most', 'Component 0', 'picture', 'numbers'):
            assert words in page, words
        assert 'Make it again' not in page and '--' not in re.sub(r'(?s)<(style|script).*?</\1>|<!--|-->', '', page), 'options'
        pages.append(page)
    assert pages[0] == pages[1], 'static and shared differ'


@test
def the_program_of_the_readme_compiles_as_printed(env, folder, lines):
    source = os.path.join(folder, 'readme.c')
    with open(source, 'w', encoding='utf-8') as f:
        f.write(code_of(section(read(SOURCE, 'README.md'), 'From C')))
    compile_with(lines['shared'], source, os.path.join(folder, 'readme'), env)
    run(['./readme'], cwd=folder, env=env)
    assert written(folder, 'report.html') > 10000


@test
def the_lines_of_the_header_compile_in_a_function(env, folder, lines):
    comment = read(SOURCE, 'include', 'mucmm.h').split('True for every function', 1)[0]
    code = re.findall(r'^ \*   (.*)$', comment, re.M)
    assert len(code) > 10, code
    source = os.path.join(folder, 'header.c')
    with open(source, 'w', encoding='utf-8') as f:
        f.write('#include <mucmm.h>\n#include <stdio.h>\nint main(void)\n{\n%s\nreturn 0;\n}\n' % '\n'.join(code))
    compile_with(lines['shared'], source, os.path.join(folder, 'header'), env)
    assert needs_library(os.path.join(folder, 'header'))


@test
def the_program_is_there(env, folder, lines):
    (program,) = [os.path.join(f, 'mucmm') for f, _, names in os.walk(os.path.join(folder, 'root')) if 'mucmm' in names]
    assert os.access(program, os.X_OK)


def main():
    folder = tempfile.mkdtemp(prefix='mucmm_installed_')
    status = 0
    print('1..%d' % len(TESTS), flush=True)
    try:
        env = install(os.path.join(folder, 'root'))
        lines = printed_commands(section(read(SOURCE, 'README.md'), 'From C'))
        write_views(folder)
        for number, function in enumerate(TESTS, 1):
            name = function.__name__.replace('_', ' ')
            try:
                function(env, folder, lines)
                print('ok %d - %s' % (number, name), flush=True)
            except Exception:
                status = 1
                print('not ok %d - %s' % (number, name), flush=True)
                print('# ' + traceback.format_exc().replace('\n', '\n# '), flush=True)
    finally:
        shutil.rmtree(folder)
    return status


if __name__ == '__main__':
    sys.exit(main())
