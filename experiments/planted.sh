#!/bin/sh
# SPDX-License-Identifier: MIT
# experiments/planted.sh [-o DIR] [--pairs N] [--samples N] [--null-models N] [--null-rows N] [--threads T]
# - are maps right where the truth is known? On the composite of `mucmm demo fashion` (left halves of a
# pair share a class, right halves are random) it prints for every kind of map and both scores: the share of the map's
# energy in the proper half, how often the strongest pixel lies there (pointing game), deletion and insertion, the tests
# with random heads and permuted pairs; and what is left of all that when the map is masked to p <= 0.05 under null
# models. The composite and its model are made once a DIR. Expects build/cli/mucmm and python3.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
mucmm=$root/build/cli/mucmm
out=$root/build/planted pairs=20000 samples=100 models=19 rows=5000 threads=
while [ $# -gt 0 ]; do
    case $1 in
    -o) out=$2 ;;
    --pairs) pairs=$2 ;;
    --samples) samples=$2 ;;
    --null-models) models=$2 ;;
    --null-rows) rows=$2 ;;
    --threads) threads="--threads $2" ;;
    *)
        echo "experiments/planted.sh: there is no option $1" >&2
        exit 2
        ;;
    esac
    shift 2
done

# shellcheck disable=SC2086
if [ ! -f "$out/demo/model.mucmm" ]; then
    mkdir -p "$out"
    echo "\$ mucmm demo fashion --pairs $pairs -o $out/demo"
    "$mucmm" demo fashion --pairs "$pairs" $threads -o "$out/demo" > "$out/demo.txt"
fi
echo "\$ mucmm explain model.mucmm ... --check --json --samples 0-$((samples - 1)) --null-models $models --null-rows $rows"
# shellcheck disable=SC2086
"$mucmm" explain "$out/demo/model.mucmm" --view left="$out/demo/left.test.npy" --view right="$out/demo/right.test.npy" \
    --training left="$out/demo/left.train.npy" --training right="$out/demo/right.train.npy" \
    --samples "0-$((samples - 1))" --check --json --null-models "$models" --null-rows "$rows" $threads -o "$out/maps" \
    > "$out/check.json"
python3 "$root/experiments/planted_table.py" "$out/check.json" "$out/maps"
