#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds fqaccel.ko with kbuild, out of a copy of its sources, so that several
# kernels can be built for at once and the checkout stays clean.
#
# Usage: scripts/module-build.sh KDIR OUTDIR [MAKE ARGUMENTS...]
#   KDIR: a kernel's build folder; OUTDIR: becomes the home of fqaccel.ko

set -eu

if [ $# -lt 2 ]; then
	echo "usage: scripts/module-build.sh KDIR OUTDIR [MAKE ARGUMENTS...]" >&2
	exit 2
fi
top=$(cd "$(dirname "$0")/.." && pwd)
kdir=$(readlink -m "$1")
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2

if [ ! -e "$kdir/Makefile" ]; then
	echo "module-build: $kdir is not a kernel's build folder; install linux-headers-$(uname -r)" >&2
	exit 1
fi

exec 9>"$out/.lock"
flock 9

# Only what differs is copied, so that kbuild rebuilds no more than it must;
# what has gone from the checkout goes from the copy.
sync_files()
{
	(cd "$top" && find Kbuild kernel firmware-format/fqaccel_hw.h -type f \
		\( -name '*.[chS]' -o -name 'Kbuild*' -o -name 'Makefile' \)) | sort >"$out/.files.new"
	if [ -e "$out/.files" ]; then
		comm -23 "$out/.files" "$out/.files.new" | while IFS= read -r f; do
			rm -f "$out/$f" "$out/${f%.c}.o"
		done
	fi
	while IFS= read -r f; do
		mkdir -p "$out/$(dirname "$f")"
		cmp -s "$top/$f" "$out/$f" || cp "$top/$f" "$out/$f"
	done <"$out/.files.new"
	mv "$out/.files.new" "$out/.files"
}
sync_files

# Our make's flags and job server are not for kbuild.
unset MAKEFLAGS MFLAGS MAKELEVEL
log=$out/build.log
if ! make -s -j"$(nproc)" -C "$kdir" M="$out" W=1 "$@" modules >"$log" 2>&1; then
	cat "$log" >&2
	echo "module-build: fqaccel.ko could not be built against $kdir" >&2
	exit 1
fi
# Without vmlinux or pahole kbuild can't add BTF, and says so.
sed -e '/pahole version differs/,+2d' -e '/BTF/d' -e '/^$/d' "$log" >&2
