#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_headers.py ROOT C_COMPILER [CXX_COMPILER]

The public header compiles alone as C17 and as C++17, and every header of src/ alone as C17 with the flags of the
library; functions take the objects that threads may share by pointers to const. Prints TAP.
"""
import glob
import os
import re
import subprocess
import sys

STRICT = ['-fsyntax-only', '-Wall', '-Wextra', '-pedantic', '-Werror']


def compile_alone(compiler, language, flags, include, folders):
    """The compiler's complaints, '' if it has none. Included twice: the guard is checked too."""
    command = [compiler, '-x', language, '-'] + flags + STRICT + ['-I' + f for f in folders]
    r = subprocess.run(command, input=f'#include {include}\n' * 2, capture_output=True, text=True, check=False)
    return r.stderr.strip() or ('' if r.returncode == 0 else f'{compiler} ended with {r.returncode}')


# Read-only after creation; what the functions listed beside them change is what they are for.
SHARED = {'data': [], 'model': [], 'views': [], 'graph': [], 'source': [], 'encoder': [], 'tokens': [], 'table': [], 'relate': [], 'loadings': [], 'matches': [],
          'study': ['mucmm_study_encode']}


def without_const(header):
    """Functions of the public header that could change an object that is shared, other than to free it."""
    with open(header, encoding='utf-8') as f:
        text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
    for name, parameters in re.findall(r'MUCMM_API\s[^;(]*?\b(\w+)\(([^;]*)\);', text):
        for kind in re.findall(r'(?<!const )\bmucmm_(\w+) \*(?!\*)', parameters):
            if kind in SHARED and name not in SHARED[kind] + [f'mucmm_{kind}_free']:
                yield f'{name}: mucmm_{kind} * without const'


def main(root, cc, cxx=None):
    include, src = os.path.join(root, 'include'), os.path.join(root, 'src')
    cases = [('mucmm.h alone as C17', cc, 'c', ['-std=c17'], '<mucmm.h>', [include])]
    cases.append(('mucmm.h alone as C++17', cxx, 'c++', ['-std=c++17'], '<mucmm.h>', [include]))
    for path in sorted(glob.glob(os.path.join(src, '*', '**', '*.h'), recursive=True)):
        name = os.path.relpath(path, src)
        cases.append((f'{name} alone', cc, 'c', ['-std=gnu17', '-D_GNU_SOURCE', '-DMUCMM_BUILD'], f'"{name}"',
                      [include, src]))

    status = 0
    print(f'1..{len(cases) + 1}')
    faults = list(without_const(os.path.join(include, 'mucmm.h')))
    print(f'{"not " if faults else ""}ok {len(cases) + 1} - shared objects are taken by pointers to const')
    for line in faults:
        print(f'# {line}')
        status = 1
    for number, (name, compiler, language, flags, header, folders) in enumerate(cases, 1):
        if not compiler:
            print(f'ok {number} - {name} # SKIP no C++ compiler on this machine')
            continue
        errors = compile_alone(compiler, language, flags, header, folders)
        print(f'{"not " if errors else ""}ok {number} - {name}')
        for line in errors.splitlines():
            print(f'# {line}')
            status = 1
    return status


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
