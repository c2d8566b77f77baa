#!/bin/sh
# SPDX-License-Identifier: MIT
# experiments/run.sh NAME [OPTION ...] - installs the programs to compare with (Debian) and runs one experiment; without a name
# it lists them. Options: experiments/run.sh NAME --help. Builds nothing: it expects build/cli/mucmm.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
"$here"/../tools/install_packages.sh experiments
# Debian's Python: another one in PATH does not see Debian's packages.
exec env OMP_WAIT_POLICY=passive /usr/bin/python3 -B "$here/experiments.py" "$@"
