#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh BUILD SECONDS [TARGET ...] - runs fuzz targets, all unless some are named, for so long each. The corpus grows
# in BUILD/corpus; an input that fails is left in BUILD/failed, to be mended and then kept in tests/fuzz/found.
set -eu
cd "$(dirname "$0")/../.."
build=$1
seconds=$2
shift 2
targets=$*
[ -n "$targets" ] || targets=$(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')

failed=
for target in $targets; do
    corpus=$build/corpus/$target
    mkdir -p "$corpus" "$build/failed"
    seeds="$build/tests/fuzz/seeds/$target"
    [ ! -d "tests/fuzz/found/$target" ] || seeds="$seeds tests/fuzz/found/$target"
    # shellcheck disable=SC2086
    if ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
        LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0" \
        "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=8192 -timeout=30 -rss_limit_mb=3000 \
        -artifact_prefix="$build/failed/$target-" "$corpus" $seeds > "$build/fuzz_$target.log" 2>&1; then
        echo "$target: $(grep -c NEW "$build/fuzz_$target.log" || true) new inputs, $(tail -n 1 "$build/fuzz_$target.log")"
    else
        failed="$failed $target"
        echo "$target: FAILED, see $build/fuzz_$target.log"
        grep -m 3 -E 'ERROR|SUMMARY|runtime error|does not hold|Test unit written' "$build/fuzz_$target.log" || true
    fi
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
