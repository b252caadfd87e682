#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds what the guest needs: the kernel (from the cache), fqaccel.ko for it,
# and build/vm/initrd: busybox, a few modules and the scripts of scripts/guest. Kernels with
# KUnit get fqaccel-kunit.ko, too.
#
# Usage: scripts/guest-build.sh
# Environment: FQACCEL_KERNEL, see scripts/guest-kernel.sh; FQACCEL_VM, a folder instead of
# build/vm, for vm-run.sh to find another kernel's guest in; FQACCEL_KCOV=1, a driver that tells
# which of its code has run, if the kernel has KCOV.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
kernel=$("$top/scripts/guest-kernel.sh")
release=$(cat "$kernel/release")
vm=${FQACCEL_VM:-$top/build/vm}
module=$top/build/module-$release${FQACCEL_KCOV:+-kcov}
mkdir -p "$vm"

"$top/scripts/module-build.sh" "$kernel/kdir" "$module" ${FQACCEL_KCOV:+KCOV_INSTRUMENT=y}

exec 9>"$vm/lock"
flock 9

root=$vm/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/lib/modules/$release/updates"
cp /bin/busybox "$root/bin/busybox"
for applet in sh mount modprobe mkdir mv cp switch_root; do
	ln -s busybox "$root/bin/$applet"
done
cp "$top/scripts/guest/init" "$root/init"
chmod 755 "$root/init"

list=$(sed 's/#.*//' "$top/scripts/guest/modules")
for m in $list; do
	modprobe -d "$kernel/root" -S "$release" --show-depends "$m"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while IFS= read -r ko; do
	path=lib/modules/${ko##*/lib/modules/}
	mkdir -p "$root/${path%/*}"
	# Newer kernels compress their modules, which busybox need not understand.
	case $ko in
	*.xz)	xz -dc "$ko" >"$root/${path%.xz}" ;;
	*)	cp "$ko" "$root/$path" ;;
	esac
done
for f in modules.builtin modules.builtin.modinfo modules.order; do
	cp "$kernel/root/lib/modules/$release/$f" "$root/lib/modules/$release/"
done
cp "$module"/*.ko "$root/lib/modules/$release/updates/"
depmod -b "$root" "$release"

(cd "$root" && find . | sort | cpio --quiet -o -H newc -R 0:0) >"$vm/initrd.new"
mv "$vm/initrd.new" "$vm/initrd"
ln -sfn "$kernel/vmlinuz" "$vm/vmlinuz"
echo "$release" >"$vm/release"
