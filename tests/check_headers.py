#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_headers.py ROOT C_COMPILER [CXX_COMPILER]

The public header compiles alone as C17 and as C++17, and every header of src/ alone as C17 with the flags of the
library. Prints TAP.
"""
import glob
import os
import subprocess
import sys

STRICT = ['-fsyntax-only', '-Wall', '-Wextra', '-pedantic', '-Werror']


def compile_alone(compiler, language, flags, include, folders):
    """The compiler's complaints, '' if it has none. Included twice: the guard is checked too."""
    command = [compiler, '-x', language, '-'] + flags + STRICT + ['-I' + f for f in folders]
    r = subprocess.run(command, input=f'#include {include}\n' * 2, capture_output=True, text=True, check=False)
    return r.stderr.strip() or ('' if r.returncode == 0 else f'{compiler} ended with {r.returncode}')


def main(root, cc, cxx=None):
    include, src = os.path.join(root, 'include'), os.path.join(root, 'src')
    cases = [('mucmm.h alone as C17', cc, 'c', ['-std=c17'], '<mucmm.h>', [include])]
    cases.append(('mucmm.h alone as C++17', cxx, 'c++', ['-std=c++17'], '<mucmm.h>', [include]))
    for path in sorted(glob.glob(os.path.join(src, '*', '**', '*.h'), recursive=True)):
        name = os.path.relpath(path, src)
        cases.append((f'{name} alone', cc, 'c', ['-std=gnu17', '-D_GNU_SOURCE', '-DMUCMM_BUILD'], f'"{name}"',
                      [include, src]))

    status = 0
    print(f'1..{len(cases)}')
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
