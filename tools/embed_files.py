#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed_files.py OUT.c NAME=FILE ...  -  files as C arrays that end in 0: mucmm__page_NAME."""
import pathlib
import sys

with open(sys.argv[1], 'w') as out:
    out.write('/* SPDX-License-Identifier: MIT */\n#include "report/page.h"\n')
    for pair in sys.argv[2:]:
        name, path = pair.split('=', 1)
        data = pathlib.Path(path).read_bytes() + b'\0'
        out.write(f'\nconst char mucmm__page_{name}[] = {{\n')
        for i in range(0, len(data), 32):
            out.write(','.join(str(b if b < 128 else b - 256) for b in data[i:i + 32]) + ',\n')
        out.write('};\n')
