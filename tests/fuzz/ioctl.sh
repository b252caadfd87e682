#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Fuzzes the driver's ioctls in a guest with the kernel that watches, for which the driver is built
# so that it tells what of it has run. Inputs are kept in build/fuzz/ioctl/corpus.
#
# Usage: tests/fuzz/ioctl.sh SECONDS		look for new inputs
#        tests/fuzz/ioctl.sh 0 FILE...		run these once each
# Environment: FUZZ_CARD=1, with faults, resets and unbinding of the card; that of
# scripts/vm-run.sh.
#
# When the kernel complains, build/fuzz/ioctl/console.log says what of, and the inputs that ran
# last are put into build/fuzz/ioctl/last.N, the very last one with the highest N. Run
# these again in that order.

set -eu

cd "$(dirname "$0")/../.."
if [ $# -eq 0 ]; then
	sed -n 's/^# \(Usage: .*\)/\1/p' "$0" >&2
	exit 2
fi
seconds=$1
shift
out=$PWD/build/fuzz/ioctl
export FQACCEL_KERNEL=debug FQACCEL_KCOV=1 FQACCEL_VM="$PWD/build/vm-fuzz" FQACCEL_OUT="$out"
# What KASAN finds these need not look for, too; they take most of the time.
export KERNEL_ARGS="kmemleak=off slub_debug=- page_poison=0 ${KERNEL_ARGS-}"
export FQACCEL_VM_TIMEOUT="${FQACCEL_VM_TIMEOUT:-$((seconds + 900))}"
[ -z "${FUZZ_CARD-}" ] || export FQACCEL_MONITOR=1

scripts/guest-build.sh
mkdir -p "$out/corpus"
cp -n tests/golden/ioctl/* "$out/corpus" 2>/dev/null || :
rm -f "$out"/last*
rc=0
scripts/vm-run.sh "FUZZ_CARD=${FUZZ_CARD-} tests/fuzz/ioctl_guest.sh $seconds $*" || rc=$?

# Each of the last inputs behind its serial number and length (fuzz_ioctl.c).
if [ $rc -ne 0 ] && [ -s "$out/last" ]; then
	at=0
	size=$(wc -c <"$out/last")
	while [ $at -lt "$size" ]; do
		set -- $(od -A n -t u8 -j $at -N 16 "$out/last")
		tail -c "+$((at + 17))" "$out/last" | head -c "$2" >"$out/last.$(printf %08d "$1")"
		at=$((at + 2048))
	done
	echo "fuzz: the inputs that ran last are $out/last.*" >&2
fi

# How much of the driver that is: compiled code tells of each of its blocks by a call.
module=build/module-$(cat "$FQACCEL_VM/release")-kcov/fqaccel.ko
if [ -s "$out/cover" ]; then
	all=$(objdump -d -r -j .text "$module" | grep -c __sanitizer_cov_trace_pc)
	echo "fuzz: $(wc -l <"$out/cover") of $all blocks of the driver were reached by ioctls"
fi
exit $rc
