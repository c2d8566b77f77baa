#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/run.sh [OPTION ...] - installs the programs to compare with (Debian), then measures; what
# `make bench` calls. Builds nothing: it expects build/cli/mucmm. Options: bench/run.sh --help.
set -eu

here=$(dirname "$0")
packages='python3-numpy python3-scipy python3-sklearn python3-statsmodels python3-torch
    libopenblas0-pthread libopenblas0-openmp dataset-fashion-mnist'

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
    echo 'bench/run.sh: this is not a Debian system, so nothing is installed. Needed:' $packages >&2
else
    missing=
    for package in $packages; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] ||
            missing="${missing:+$missing }$package"
    done
    if [ -n "$missing" ]; then
        sudo=
        [ "$(id -u)" -eq 0 ] || sudo=sudo
        echo "Installing with ${sudo:+sudo }apt-get: $missing"
        log=$(mktemp)
        trap 'rm -f "$log"' EXIT
        # shellcheck disable=SC2086
        if ! { $sudo apt-get -q update && $sudo env DEBIAN_FRONTEND=noninteractive \
            apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install $missing; } \
            > "$log" 2>&1 < /dev/null; then
            tail -n 15 "$log" >&2
            echo "bench/run.sh: apt-get could not install: $missing" >&2
            exit 1
        fi
    fi
fi

# Debian's Python: another one in PATH does not see Debian's packages.
exec /usr/bin/python3 "$here/bench.py" "$@"
