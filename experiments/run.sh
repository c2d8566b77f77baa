#!/bin/sh
# SPDX-License-Identifier: MIT
# experiments/run.sh NAME [OPTION ...] - installs the programs to compare with (Debian) and runs one experiment; without a name
# it lists them. Options: experiments/run.sh NAME --help. Builds nothing: it expects build/cli/mucmm.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
wanted=experiments
[ "${1-}" != prompts ] || wanted="$wanted prompts"
# shellcheck disable=SC2086
"$here"/../tools/install_packages.sh $wanted
# Debian's Python: another one in PATH does not see Debian's packages.
exec env OMP_WAIT_POLICY=passive /usr/bin/python3 -B "$here/experiments.py" "$@"
