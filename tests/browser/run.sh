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
import sys

random.seed(1)
rows = [[random.gauss(0, 1) for _ in range(9)] for _ in range(300)]
for view, first in (('left', 0), ('right', 4)):
    with open(f'{sys.argv[1]}/{view}.csv', 'w', newline='') as out:
        w = csv.writer(out)
        w.writerow(['id'] + [f'{sys.argv[2]} {j}' for j in range(5)])
        for i, r in enumerate(rows):
            w.writerow([f'{sys.argv[2]} {i}'] + [round(x + 0.5 * random.gauss(0, 1), 4) for x in r[first:first + 5]])
EOF
mucmm=$build/cli/mucmm
"$mucmm" fit --view left="$work/left.csv" --view right="$work/right.csv" --key id --common 2 --individual 2 \
    --hidden 16 --epochs 20 --seed 1 -o "$work/pair.mucmm" > /dev/null 2>&1
"$mucmm" report "$work/pair.mucmm" --view left="$work/left.csv" --view right="$work/right.csv" --key id \
    -o "$work/report.html" 2> /dev/null
node "$work/check_page.js" "$work/report.html" "$markup" "$(command -v chromium)" "$work"
