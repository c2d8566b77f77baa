#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_structure.py [ROOT]

Checks the rules that a compiler does not: which folder includes which, that the library neither prints, exits nor
reads its environment, and a few habits. Prints TAP; every violation names file, line and rule.
"""
import os
import re
import shutil
import subprocess
import sys

# What each folder of src/ may use directly; what those use is allowed too. docs/architecture.md explains the order.
USES = {
    'core': [],
    'linalg': ['core'],
    'io': ['core'],
    'nn': ['linalg'],
    'correlate': ['linalg'],
    'graph': ['linalg', 'io'],
    'encode': ['graph', 'io'],
    'model': ['encode', 'nn', 'correlate'],
    'explain': ['model'],
    'report': ['core'],
    'present': ['explain', 'report'],
}
SKIPPED_FOLDERS = re.compile(r'^(build.*|demo|node_modules|subprojects|__pycache__|\..*)$')
KEPT_HIDDEN = {'.ci'}
ROOT = '.'

# (what, pattern) on C code of src/ without comments and strings
LIBRARY_BANS = [
    ('ends the process', r'\b(abort|exit|_exit|_Exit|quick_exit)\s*\('),
    ('prints', r'\b(printf|vprintf|puts|putchar|perror)\s*\(|\bf(printf|puts|putc|write|flush)\s*\([^;]*\bstd(out|err)\b'
               r'|\bstd(out|err)\b'),
    ('reads the environment', r'\b(secure_)?getenv\s*\(|\b(__)?environ\b'),
    ('changes the locale', r'\b(setlocale|uselocale)\s*\('),  # newlocale for strtod_l changes nothing
]
# (what, names of the files, pattern) on whole lines of any file
HABITS = [
    ('no code switched off with #if 0', r'\.[ch]$', r'^\s*#\s*if\s+0\b'),
    ('no variable-length arrays, alloca or their flags', r'(\.[ch]|meson\.build|Makefile)$',
     r'\balloca\s*\(|-Wno-vla\b|-fstack-arrays\b'),
    ('no -ffast-math, -Ofast or -march=native', r'(meson\.build|Makefile|\.sh)$', r'-ffast-math|-Ofast|-march=native'),
    ('a section ruler is one line', r'\.[ch]$', r'^/\* ---- (?!.*\*/$).*'),
    ('no path of one machine', r'.',
     r'(?<![\w.)}>*$/-])/(?:home|root|Users|mnt|media|work|workspace|builds)/[\w.]'),
]
MAX_FUNCTION = 56  # lines from brace to brace
MAX_P90 = 30
FORMATTER = 14  # version of clang-format
SPDX_FILES = re.compile(r'\.(c|h|py|sh)$|(^|/)meson\.build$')
SPDX = 'SPDX-License-Identifier: MIT'
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def files_under(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f in KEPT_HIDDEN or not SKIPPED_FOLDERS.match(f))
        for name in sorted(n for n in names if n != '.git'):  # a file in a linked work tree
            yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, '/')


def read(root, path):
    """The text, or None of a file that is no text."""
    with open(os.path.join(root, path), 'rb') as f:
        data = f.read()
    return None if b'\0' in data else data.decode('utf-8', 'replace')


def without_comments_and_strings(text):
    """C code with comments and literals blanked; line breaks stay, so that line numbers hold."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return token.sub(lambda m: '\n' * m[0].count('\n') or ' ', text)


def allowed(station):
    """The folders a station may include: itself and everything reached through USES."""
    found, todo = {station}, list(USES[station])
    while todo:
        s = todo.pop()
        if s not in found:
            found.add(s)
            todo += USES[s]
    return found


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        m = INCLUDE.match(line)
        if m:
            yield number, m[1], m[2]


def check_library_includes(files):
    for path, text in files.items():
        m = re.match(r'src/([^/]+)/.*\.[ch]$', path)
        if not m:
            if re.match(r'src/[^/]*\.[ch]$', path):
                yield f'{path}:1: a source file belongs in a folder of src/'
            continue
        station = m[1]
        if station not in USES:
            yield f'{path}:1: src/{station}/ is not in the table of tools/check_structure.py'
            continue
        for line, quote, name in includes(text):
            yield from check_library_include(files, path, station, line, quote, name)


def check_library_include(files, path, station, line, quote, name):
    folder = name.split('/')[0]
    if quote == '<' and folder not in USES:
        return
    if '..' in name.split('/') or 'src/' + name not in files:
        if quote == '"':
            yield f'{path}:{line}: "{name}": a quoted include names folder/file.h of src/'
    elif folder not in allowed(station):
        rule = ', '.join(sorted(allowed(station) - {station})) or 'no other folder'
        yield f'{path}:{line}: "{name}": {station}/ may use {rule}'


def check_client_includes(files):
    """cli/, demos/ and python/ see the public header alone, and their own; demos/ also those of cli/."""
    for path, text in files.items():
        if not re.match(r'(cli|demos|python)/.*\.(c|h|cc|cpp|pyx)$', path):
            continue
        own = path.split('/')[0]
        for line, quote, name in includes(text):
            beside = os.path.normpath(os.path.join(os.path.dirname(path), name)).replace(os.sep, '/')
            is_own = quote == '"' and (beside in files and beside.startswith(own + '/') or f'{own}/{name}' in files
                                       or own == 'demos' and f'cli/{name}' in files)
            if is_own or (quote == '<' and name.split('/')[0] not in USES):
                continue
            yield f'{path}:{line}: {name}: {own}/ includes <mucmm.h> and its own headers, nothing of src/'
        for number, code in enumerate(without_comments_and_strings(text).splitlines(), 1):
            if re.search(r'\bmucmm__\w', code):
                yield f'{path}:{number}: mucmm__ is internal to the library'


def check_library_bans(files):
    for path, text in files.items():
        if not re.match(r'src/.*\.[ch]$', path):
            continue
        for number, code in enumerate(without_comments_and_strings(text).splitlines(), 1):
            for what, pattern in LIBRARY_BANS:
                m = re.search(pattern, code)
                if m:
                    yield f'{path}:{number}: the library {what}: {m[0].strip()}'


def check_option_words(files):
    """What the command line calls an option is a parameter to the library. A property of a style sheet may be --name:."""
    for path, text in files.items():
        if not re.match(r'src/.*\.[ch]$', path):
            continue
        property_too = path.startswith('src/report/')
        for m in re.finditer(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', text, re.S):
            for word in re.finditer(r'--[a-z][\w-]*(:?)', m[0] if m[0][0] == '"' else ''):
                if not (property_too and word[1]):
                    yield f'{path}:{text.count(chr(10), 0, m.start()) + 1}: {word[0]} in a message: name the parameter'


def habit_check(names, pattern):
    def check(files):
        for path, text in files.items():
            if re.search(names, path):
                for number, line in enumerate(text.splitlines(), 1):
                    m = re.search(pattern, line)
                    if m and path != 'tools/check_structure.py':
                        yield f'{path}:{number}: {m[0].strip()}'
    return check


# Files of one folder that may call each other, and why. docs/architecture.md tells the same.
DEFENDED_CYCLES = {}
DEFINITION = re.compile(r'^(?!static\b|typedef\b|extern\b|return\b|else\b)[A-Za-z_][\w \t*\n]*?\b(\w+)\(([^;{}]*?)\)\s*\{', re.M)
STATIC = re.compile(r'^static\b[^;{}()]*?\b(\w+)\(', re.M)


def uses_name(code, name):
    """Does C code call or mention a function? Fields and variables of the same name are no mention."""
    found = [m for m in re.finditer(rf'(?<![\w.]){name}\b(\s*\()?', code) if code[max(0, m.start() - 2):m.start()] != '->']
    if any(m[1] for m in found) or (found and name.startswith('mucmm_')):
        return True
    return bool(found) and not re.search(rf'[\w*]\s+\**{name}\s*[;=,)\[:]', code)


def call_graph(files, folder):
    """{file: the files of the same folder whose functions it uses}."""
    code = {p: without_comments_and_strings(t) for p, t in files.items()
            if os.path.dirname(p) == folder and p.endswith('.c')}
    owner = {m[1]: p for p, t in code.items() for m in DEFINITION.finditer(t)}
    graph = {}
    for path, text in code.items():
        words, own = set(re.findall(r'\w+', text)), set(STATIC.findall(text))
        graph[path] = {p for name, p in owner.items()
                       if p != path and name in words and name not in own and uses_name(text, name)}
    return graph


def cycles(graph):
    """Sets of files that reach each other."""
    def reached(start):
        found, todo = set(), [start]
        while todo:
            for p in graph[todo.pop()] - found:
                found.add(p)
                todo.append(p)
        return found

    reach = {p: reached(p) for p in graph}
    return {frozenset(q for q in reach[p] if p in reach[q]) for p in graph if p in reach[p]}


def check_cycles(files):
    folders = sorted({os.path.dirname(p) for p in files if re.match(r'(src|cli|demos)/.*\.c$', p)})
    for folder in folders:
        graph = call_graph(files, folder)
        for cycle in sorted(cycles(graph), key=sorted):
            if any(cycle <= defended for defended in DEFENDED_CYCLES):
                continue
            edges = ', '.join(f'{os.path.basename(a)} -> {" ".join(sorted(os.path.basename(b) for b in graph[a] & cycle))}'
                              for a in sorted(cycle))
            yield f'{sorted(cycle)[0]}:1: files of {folder}/ call each other: {edges}'


def check_spdx(files):
    for path, text in files.items():
        if SPDX_FILES.search(path) and SPDX not in '\n'.join(text.splitlines()[:3]):
            yield f'{path}:1: the first lines need "{SPDX}"'


def check_purpose(files):
    """The first comment of a C file says what the file is for."""
    for path, text in files.items():
        if re.search(r'\.[ch]$', path) and not re.match(r'/\* ' + SPDX + r'[^\n*]*\n \*\n \* \S.*', text):
            yield f'{path}:1: the first comment needs the licence line, a blank one, and the purpose of the file'


def check_named_files(files):
    """A file that a document names is there."""
    named = re.compile(r'`((?:src|include|cli|demos|tests|tools|docs|experiments|bench|examples)/[\w./-]+\.\w+)`'
                       r'|\]\((?!https?:|#)([\w./-]+)(?:#[\w-]*)?\)')
    for path, text in files.items():
        if not path.endswith('.md'):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for m in named.finditer(line):
                if m[1] and re.search(r'[A-Z]{4}', m[1]):  # a placeholder, such as test_NAME.c
                    continue
                name = m[1] or os.path.normpath(os.path.join(os.path.dirname(path), m[2])).replace(os.sep, '/')
                if name not in files and not os.path.exists(os.path.join(ROOT, name)):
                    yield f'{path}:{number}: there is no {name}'


def check_test_list(files):
    listed = files.get('tests/meson.build', '')
    for path in files:
        m = re.match(r'tests/test_(\w+)\.c$', path)
        if m and f"'{m[1]}'" not in listed:
            yield f"{path}:1: '{m[1]}' is not in the list of tests/meson.build, so it never runs"


def function_lengths(text):
    """(lines from brace to brace, line of the opening one) of every function of a formatted file."""
    lines, start = text.splitlines(), None
    for number, line in enumerate(lines, 1):
        if line == '{':
            start = number
        elif line == '}' and start:
            yield number - start + 1, start
            start = None


def check_function_lengths(files):
    """Prints the figures; src/ and cli/ count."""
    found = sorted((n, path, line) for path, text in files.items() if re.match(r'(src|cli|demos)/.*\.[ch]$', path)
                   for n, line in function_lengths(text))
    if not found:
        return
    p90, longest = found[int(.9 * len(found))][0], found[-1]
    print(f'# {len(found)} functions: median {found[len(found) // 2][0]} lines, p90 {p90}, '
          f'longest {longest[0]} ({longest[1]}:{longest[2]})')
    for n, path, line in found:
        if n > MAX_FUNCTION:
            yield f'{path}:{line}: a function of {n} lines; the most is {MAX_FUNCTION}'
    if p90 >= MAX_P90:
        yield f'src:1: one function in ten has {p90} lines or more; it should stay below {MAX_P90}'


def find_formatter():
    """clang-format of the version whose layout this is, or None: other versions break lines elsewhere."""
    for name in (f'clang-format-{FORMATTER}', 'clang-format'):
        path = shutil.which(name)
        if path:
            version = subprocess.run([path, '--version'], capture_output=True, text=True, check=False).stdout
            if re.search(rf'version {FORMATTER}\.', version):
                return path
    return None


def format_check(formatter, root):
    def check(files):
        paths = [p for p in files if re.match(r'(include|src|cli|tests|bench|examples)/.*\.[ch]$', p)
                 and not p.endswith('/font.h')]
        run = subprocess.run([formatter, '--dry-run'] + paths, cwd=root, capture_output=True, text=True, check=False)
        for m in re.finditer(r'^(\S+?:\d+):\d+: warning: ', run.stderr, re.M):
            yield f'{m[1]}: not as clang-format {FORMATTER} lays it out: make format'
    return check


def main(arguments):
    global ROOT
    ROOT = root = arguments[0] if arguments else os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
    files = {}
    for path in files_under(root):
        text = read(root, path)
        if text is not None:
            files[path] = text
    checks = [
        ('folders of src/ include only what docs/architecture.md allows', check_library_includes),
        ('cli/, demos/ and python/ use the public header alone', check_client_includes),
        ('the library never prints, exits, reads the environment or changes the locale', check_library_bans),
        ('no message of the library names an option of the command line', check_option_words),
        ('every source file has its licence line', check_spdx),
        ('every C file says what it is for', check_purpose),
        ('files that documents name are there', check_named_files),
        ('every test program is run', check_test_list),
        ('files of one folder do not call each other in circles', check_cycles),
        (f'no function has more than {MAX_FUNCTION} lines, nine in ten fewer than {MAX_P90}', check_function_lengths),
    ] + [(what, habit_check(names, pattern)) for what, names, pattern in HABITS]
    formatter = find_formatter()
    checks.append(('C files are laid out by clang-format', format_check(formatter, root) if formatter else None))

    status = 0
    print(f'1..{len(checks)}')
    for number, (name, check) in enumerate(checks, 1):
        if not check:
            print(f'ok {number} - {name} # SKIP there is no clang-format {FORMATTER}')
            continue
        violations = list(check(files))
        print(f'{"not " if violations else ""}ok {number} - {name.replace("#if", "if")}')
        for v in violations:
            print(f'# {v}')
            status = 1
    return status


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
