#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Unpacks a Debian kernel, its modules and its headers into the user's cache,
# for the guest to boot and for our module to be built against. Nothing is
# installed on this machine. Prints the folder, which holds
#
#   vmlinuz		the kernel
#   release		its release, e.g. 6.1.0-50-amd64
#   root/lib/modules/	its modules
#   kdir		a link to what `make -C` wants for external modules
#
# Usage: scripts/guest-kernel.sh [--latest]
#   --latest: ask the archive for a newer kernel than the one in the cache
# Environment: FQACCEL_KERNEL, the package to take (default linux-image-amd64).

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fqaccel
package=${FQACCEL_KERNEL:-linux-image-amd64}
. "$top/scripts/apt-private.sh"

die()
{
	echo "guest-kernel: $*" >&2
	exit 1
}

dir=$cache/kernel
link=$dir/$package
mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9

if [ -e "$link/release" ] && [ "${1-}" != --latest ]; then
	readlink -f "$link"
	exit 0
fi

echo "guest-kernel: looking for $package" >&2
apt_private_setup kernel
apt_private apt-get update >&2 ||
	echo "guest-kernel: apt-get update had errors; going on" >&2

# A meta package names the kernel of the day in its Depends.
case $package in
linux-image-[0-9]*)
	image=$package ;;
*)
	image=$(apt_private apt-cache --no-all-versions show "$package" |
		sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p' | head -n 1)
	[ -n "$image" ] || die "no kernel found behind the package $package" ;;
esac
# linux-image-6.1.0-1-amd64-unsigned is the same kernel without signatures.
release=${image#linux-image-}
release=${release%-unsigned}
version=$(apt_private apt-cache --no-all-versions show "$image" |
	sed -n 's/^Version: //p' | head -n 1)
[ -n "$version" ] || die "the package $image is not offered"
final=$dir/$release-$(echo "$version" | tr -c 'A-Za-z0-9.\n' _)

# The headers depend on a common part, on the build tools (linux-kbuild-X.Y),
# and on the compiler, which the machine has.
unpack()
{
	tmp=$1
	headers=linux-headers-$release
	deps=$(apt_private apt-cache --no-all-versions show "$headers" |
		sed -n 's/^Depends: //p' | head -n 1 | tr ',' '\n' |
		sed -n 's/^ *\(linux-headers-[^ ]*\|linux-kbuild-[^ ]*\).*/\1/p')
	mkdir -p "$tmp/deb" "$tmp/root"
	(cd "$tmp/deb" && apt_private apt-get download "$image" "$headers" $deps >&2) ||
		die "could not download $image and its headers"
	for deb in "$tmp"/deb/*.deb; do
		dpkg-deb -x "$deb" "$tmp/root"
	done
	rm -r "$tmp/deb"
	rm -rf "$tmp/root/usr/share/doc" "$tmp/root/usr/lib/debug"
	# Kernels of a merged /usr carry their modules below usr.
	if [ ! -d "$tmp/root/lib/modules" ]; then
		mkdir -p "$tmp/root/lib"
		ln -s ../usr/lib/modules "$tmp/root/lib/modules"
	fi
	rm -f "$tmp/root/lib/modules/$release/build" "$tmp/root/lib/modules/$release/source"
	ln -s "root/boot/vmlinuz-$release" "$tmp/vmlinuz"
	ln -s "root/usr/src/$headers" "$tmp/kdir"
	# The only absolute path in the headers packages.
	sed -i "s|/usr/src/|$final/root/usr/src/|" "$tmp/root/usr/src/$headers/Makefile"
	depmod -b "$tmp/root" "$release"
	echo "$release" >"$tmp/release"
}

if [ ! -e "$final/release" ]; then
	echo "guest-kernel: unpacking $image $version" >&2
	rm -rf "$final.tmp" "$final"
	unpack "$final.tmp"
	mv "$final.tmp" "$final"
fi
ln -sfn "${final##*/}" "$link"
readlink -f "$link"
