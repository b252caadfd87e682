#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The whole guest suite on another kernel: the module is built for it without a
# warning, then tests/vm/test_guest.sh boots it.
#
# Usage: tests/vm/test_kernel.sh tests/vm/kernels/NAME
#   NAME: native, the distribution's own kernel; debug, that of scripts/debug-kernel.sh;
#   or the suite of the same archive to take linux-image-amd64 from. The file
#   lists what is skipped there.

cd "$(dirname "$0")/../.." || exit 1
name=${1##*/}
case $name in
native)	FQACCEL_KERNEL=linux-image-amd64 ;;
debug)	FQACCEL_KERNEL=debug ;;
*)	FQACCEL_KERNEL=linux-image-amd64/$name ;;
esac
FQACCEL_VM=$PWD/build/vm-$name FQACCEL_SKIPS=$name
export FQACCEL_KERNEL FQACCEL_VM FQACCEL_SKIPS
set --
if [ "$name" = debug ]; then
	# It is some five times slower, keeps a record of every mapping, and can do more.
	export FQACCEL_VM_MEMORY="${FQACCEL_VM_MEMORY:-3072}" FQACCEL_TEST_TIMEOUT=1500
	export FQACCEL_VM_TIMEOUT="${FQACCEL_VM_TIMEOUT:-7200}"
	export KERNEL_ARGS="kmemleak=on dma_debug_entries=200000 ${KERNEL_ARGS-}"
	set -- $(cat build/guest-tests-debug)
fi

bail()
{
	sed 's/^/# /' "$log" >&2
	echo "Bail out! $*"
	exit 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
kernel=$(scripts/guest-kernel.sh) || bail "there is no kernel $name"
echo "# $(cat "$kernel/release")"
# From scratch, since what is up to date does not warn again.
rm -rf "build/module-$(cat "$kernel/release")"
scripts/guest-build.sh 2>"$log" || bail "the module or the guest cannot be built for $name"
[ ! -s "$log" ] || bail "building the module for $name warns"
tests/vm/test_guest.sh "$@"
