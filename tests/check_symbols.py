#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_symbols.py LIBRARY [NM]

Every symbol that the shared library exports starts with mucmm_, and none with mucmm__ (internal). Prints TAP.
"""
import re
import subprocess
import sys

SANITIZER = ('__asan', '__odr_asan', '__ubsan', '__lsan')
# What clang 14 makes of its own and does not hide: locks of OpenMP, and the choosers of target_clones.
CLANG = re.compile(r'^\.gomp_critical_user_\.var$|^[a-z_0-9]+\.resolver$')


def report(number, name, bad, why):
    print(f'{"not " if bad else ""}ok {number} - {name}')
    for symbol in bad:
        print(f'# {symbol}: {why}')


def main(library, nm=None):
    print('1..3')
    if not nm:
        for number in (1, 2, 3):
            print(f'ok {number} - exported symbols, {number} # SKIP no nm on this machine')
        return 0
    out = subprocess.run([nm, '-D', '--defined-only', library], capture_output=True, text=True, check=True).stdout
    symbols = [line.split()[-1].split('@')[0] for line in out.splitlines() if line.strip()]
    symbols = [s for s in symbols if not s.startswith(SANITIZER) and not CLANG.match(s)]
    foreign = [s for s in symbols if not s.startswith('mucmm_')]
    internal = [s for s in symbols if s.startswith('mucmm__')]
    empty = [] if 'mucmm_version' in symbols else ['mucmm_version']
    report(1, 'every exported symbol starts with mucmm_', foreign, 'hide it or name it mucmm_...')
    report(2, 'no internal symbol is exported', internal, 'mucmm__ is internal; drop MUCMM_API')
    report(3, 'the public interface is exported', empty, 'not exported; is MUCMM_API in front of it?')
    return 1 if foreign or internal or empty else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
