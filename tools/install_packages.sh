#!/bin/sh
# SPDX-License-Identifier: MIT
# install_packages.sh GROUP ... - installs what is missing of the groups of tools/packages.txt,
# after saying what it installs; says nothing when nothing is missing.
set -eu

list=$(dirname "$0")/packages.txt

wanted=
for group in "$@"; do
    line=$(sed -n "s/^$group: *//p" "$list")
    if [ -z "$line" ]; then
        echo "install_packages.sh: no group '$group' in $list" >&2
        exit 2
    fi
    wanted="$wanted $line"
done

# Not Debian: the libraries come from somewhere else. Say which are missing and let the build decide.
check_by_hand() {
    missing=
    for tool in meson ninja cc pkg-config protoc-c; do
        command -v "$tool" > /dev/null || missing="$missing $tool"
    done
    modules='openblas lapacke libpng zlib jansson libprotobuf-c libjpeg sndfile samplerate libutf8proc hdf5 cairo-pdf cairo-svg'
    case " $* " in *" test "*) modules="$modules cmocka" ;; esac
    for module in $modules; do
        pkg-config --exists "$module" 2> /dev/null || missing="$missing $module"
    done
    echo '#include <oneapi/dnnl/dnnl.h>' | cc -E - > /dev/null 2>&1 || missing="$missing oneDNN"
    [ -z "$missing" ] && return
    echo "This is not a Debian system, so nothing is installed. Not found here:$missing." >&2
    echo "Needed:$wanted (names of the Debian packages). Trying to build all the same." >&2
}

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
    check_by_hand "$@"
    exit 0
fi

# A package counts as there when it, or one that provides it, is installed.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' |
    sed -n 's/^installed //p' | tr ',' '\n' | sed 's/(.*//; s/ //g' | sort -u)
missing=
for package in $wanted; do
    case " $missing " in *" $package "*) continue ;; esac
    echo "$installed" | grep -qxF "$package" || missing="${missing:+$missing }$package"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo > /dev/null; then
        echo "These packages are missing: as root, run: apt-get install $missing" >&2
        exit 1
    fi
    sudo='sudo'
fi

echo "Installing with ${sudo:+sudo }apt-get: $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 "$@" >> "$log" 2>&1 < /dev/null
}
# shellcheck disable=SC2086
if ! { apt update && apt --no-install-recommends install $missing; }; then
    tail -n 15 "$log" >&2
    echo "apt-get could not install them (its last lines are above). Check the network and the package" \
        "sources, run 'apt-get update && apt-get install $missing' as root, then try again." >&2
    exit 1
fi
