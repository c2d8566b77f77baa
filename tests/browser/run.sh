#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/browser/run.sh BUILD - makes a small report whose labels hold markup, and checks it in a browser. Needs the
# packages of group `browser`, and npm's registry for playwright-core.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
work=$build/browser
mkdir -p "$work"
cp "$here/package.json" "$here/package-lock.json" "$here/check_page.js" "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --silent)

markup='<img src=x onerror=alert(1)>'
python3 - "$work" "$markup" << 'EOF'
import csv
import random
import struct
import sys

random.seed(1)
rows = [[random.gauss(0, 1) for _ in range(9)] for _ in range(300)]
for view, first in (('left', 0), ('right', 4)):
    with open(f'{sys.argv[1]}/{view}.csv', 'w', newline='') as out:
        w = csv.writer(out)
        w.writerow(['id'] + [f'{sys.argv[2]} {j}' for j in range(5)])
        for i, r in enumerate(rows):
            w.writerow([f'{sys.argv[2]} {i}'] + [round(x + 0.5 * random.gauss(0, 1), 4) for x in r[first:first + 5]])
# Pictures of 6 x 5 whose first row goes with the columns of a table.
table = [[random.gauss(0, 1) for _ in range(5)] for _ in rows]
with open(f'{sys.argv[1]}/table.csv', 'w', newline='') as out:
    w = csv.writer(out)
    w.writerow([f'{sys.argv[2]} {j}' for j in range(5)])
    w.writerows([[round(x, 4) for x in r] for r in table])
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 6, 5), }"
head += ' ' * (117 - len(head)) + '\n'
with open(f'{sys.argv[1]}/grey.npy', 'wb') as out:
    out.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head.encode())
    for r in table:
        out.write(struct.pack('<30f', *[x + 0.3 * random.gauss(0, 1) for x in r + [0] * 25]))
EOF
mucmm=$build/cli/mucmm
"$mucmm" fit --view left="$work/left.csv" --view right="$work/right.csv" --key id --common 2 --individual 2 \
    --hidden 16 --epochs 20 --seed 1 -o "$work/pair.mucmm" > /dev/null 2>&1
"$mucmm" report "$work/pair.mucmm" --view left="$work/left.csv" --view right="$work/right.csv" --key id \
    -o "$work/report.html" 2> /dev/null
node "$work/check_page.js" "$work/report.html" "$markup" "$(command -v chromium)" "$work"
"$mucmm" fit --view grey="$work/grey.npy" --view table="$work/table.csv" --common 3 --individual 2 --head linear --seed 1 \
    -o "$work/grey.mucmm" > /dev/null 2>&1
"$mucmm" report "$work/grey.mucmm" --view grey="$work/grey.npy" --view table="$work/table.csv" -o "$work/grey.html" 2> /dev/null
node "$work/check_page.js" "$work/grey.html" "$markup" "$(command -v chromium)"
