#!/bin/sh
# SPDX-License-Identifier: MIT
# install_peers.sh DIR PACKAGE@VERSION ... - npm packages into DIR/node_modules, without running their scripts; says
# nothing when they are there.
set -eu

dir=$1
shift
missing=
for package in "$@"; do
    manifest=$dir/node_modules/${package%@*}/package.json
    grep -q "\"version\": *\"${package##*@}\"" "$manifest" 2> /dev/null || missing="${missing:+$missing }$package"
done
[ -n "$missing" ] || exit 0

command -v npm > /dev/null || "$(dirname "$0")"/install_packages.sh npm
echo "Installing with npm into $dir: $missing"
mkdir -p "$dir"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if ! npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --no-save "$@" > "$log" 2>&1 < /dev/null; then
    tail -n 15 "$log" >&2
    echo "npm could not install: $missing" >&2
    exit 1
fi
