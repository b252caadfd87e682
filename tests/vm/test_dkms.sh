#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What make dkms installs is all that DKMS needs: the module builds out of it with the
# command of dkms.conf, and says nothing.

cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tap_log=$tmp/log
kernel=$(scripts/guest-kernel.sh) || {
	echo 'Bail out! there are no kernel headers to build against'
	exit 1
}
unset MAKEFLAGS MFLAGS MAKELEVEL

make -s dkms DESTDIR="$tmp" >"$tap_log" 2>&1
result $? 'make dkms'
conf=$(echo "$tmp"/usr/src/fqaccel-*/dkms.conf)
ok 'dkms.conf is where DKMS looks' test -e "$conf"
ok 'so is the udev rule' test -e "$tmp/usr/lib/udev/rules.d/99-fqaccel.rules"

# DKMS reads the file with bash, and builds in a copy of its own.
cat >"$tmp/build" <<'EOT'
set -eu
kernel_source_dir=$1 dkms_tree=$2
. "$3"
[ "${3%/*}" = "${3%/usr/*}/usr/src/$PACKAGE_NAME-$PACKAGE_VERSION" ]
build=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build
mkdir -p "${build%/*}"
cp -r "${3%/*}" "$build"
eval "${MAKE[0]}"
modinfo -F description "$build/${BUILT_MODULE_NAME[0]}.ko"
eval "$CLEAN" >/dev/null
[ ! -e "$build/${BUILT_MODULE_NAME[0]}.ko" ]
EOT
bash "$tmp/build" "$kernel/kdir" "$tmp/dkms" "$conf" >"$tap_log" 2>&1
result $? 'its commands build the module, and clean up'
ok 'it is our module' grep -q '^fqaccel: a card' "$tap_log"
ok 'without a warning' sh -c '! grep -qi warning: "$1"' sh "$tap_log"
tap_done
