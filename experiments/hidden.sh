#!/bin/sh
# SPDX-License-Identifier: MIT
# experiments/hidden.sh [-o DIR] [--seeds 1,2,3,4,5] [--threads T] [FIT OPTION ...] - are shared latents found that linear
# methods and harmonics hide? Two views of 16 latents each through a nonlinear mixing: eight are shared, four of these
# reach the second view by their cosine alone, eight are private. For every seed it fits `mucmm fit --common 8
# --individual 8 --stages 5` and prints how well a small network reads each kind of latent from each representation of rows that were
# not fitted (R2). Installs PyTorch (Debian). Expects build/cli/mucmm.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
"$root"/tools/install_packages.sh crosscheck
exec /usr/bin/python3 -B "$root"/experiments/hidden.py --mucmm "$root"/build/cli/mucmm --output "$root"/build/hidden "$@"
