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
# Environment: FQACCEL_KERNEL, the package to take (default linux-image-amd64);
#   PACKAGE/SUITE takes it from another suite of the same archive, such as sid;
#   "debug" is the kernel of scripts/debug-kernel.sh.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fqaccel
package=${FQACCEL_KERNEL:-linux-image-amd64}
suite=
case $package in
debug)	exec "$top/scripts/debug-kernel.sh" "$@" ;;
*/*)	suite=${package#*/} package=${package%%/*} ;;
esac
. "$top/scripts/apt-private.sh"

die()
{
	echo "guest-kernel: $*" >&2
	exit 1
}

dir=$cache/kernel
name=$package${suite:+@$suite}
link=$dir/$name
mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9

if [ -e "$link/release" ] && [ "${1-}" != --latest ]; then
	readlink -f "$link"
	exit 0
fi

echo "guest-kernel: looking for $package${suite:+ of $suite}" >&2
apt_private_setup "kernel${suite:+-$suite}" $suite
apt_private apt-get update >&2 ||
	echo "guest-kernel: apt-get update had errors; going on" >&2

# depends PACKAGE: the names it depends on, one in each line.
depends()
{
	apt_private apt-cache --no-all-versions show "$1" | sed -n 's/^Depends: //p' |
		head -n 1 | tr ',' '\n' | sed 's/^ *//; s/[ (:].*//'
}

# A meta package names the kernel of the day in its Depends.
case $package in
linux-image-[0-9]*)
	image=$package ;;
*)
	image=$(depends "$package" | grep '^linux-image-[0-9]' | head -n 1)
	[ -n "$image" ] || die "no kernel found behind the package $package" ;;
esac
# linux-image-6.1.0-1-amd64-unsigned is the same kernel without signatures.
release=${image#linux-image-}
release=${release%-unsigned}
version=$(apt_private apt-cache --no-all-versions show "$image" |
	sed -n 's/^Version: //p' | head -n 1)
[ -n "$version" ] || die "the package $image is not offered"
final=$dir/$release-$(echo "$version" | tr -c 'A-Za-z0-9.\n' _)

# The build tools of a newer suite may want its libraries: those go beside them, and a
# script in each one's place starts it with them.
wrap_tools()
{
	kbuild=$(echo "$tmp/root/usr/lib/"linux-kbuild-*)
	tools=$(find "$kbuild" -type f -perm -u+x -exec sh -c '
		for f; do ldd "$f" 2>&1 | grep -q -e "not found" && echo "$f"; done' sh {} + || :)
	[ -n "$tools" ] || return 0
	mkdir "$tmp/libs" "$tmp/libs/deb"
	libs=$(apt_private apt-cache depends --recurse --important "${kbuild##*/}" |
		grep '^lib[^:]*$' | sort -u)
	(cd "$tmp/libs/deb" && apt_private apt-get download $libs >&2) ||
		die "could not download the libraries that ${kbuild##*/} needs"
	for deb in "$tmp"/libs/deb/*.deb; do
		dpkg-deb -x "$deb" "$tmp/libs"
	done
	rm -r "$tmp/libs/deb"
	folder=usr/lib/$(gcc -dumpmachine)
	loader=$(cd "$tmp/libs" && find "$folder" -name 'ld-linux*.so.*' | head -n 1)
	for tool in $tools; do
		mv "$tool" "$tool.elf"
		here=$final/${tool#"$tmp"/}
		printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' \
			"$final/libs/$loader" "$final/libs/$folder" "$here.elf" >"$tool"
		chmod 755 "$tool"
	done
}

# The kernel's configuration speaks of the compiler that it was built with. Where ours lacks
# what that one has, the build does without. What is called vmlinux there holds only types, for
# a pahole of that suite; without it a module goes without them.
fit_compiler()
{
	vars=$tmp/root/usr/src/linux-headers-$release/.kernelvariables
	rm -f "${vars%/*}/vmlinux"
	[ -e "$vars" ] || return 0
	try=$tmp/try.c
	{
		echo 'CC = $(CROSS_COMPILE)gcc'
		: >"$try"
		gcc -fmin-function-alignment=16 -c -o "$try.o" "$try" 2>/dev/null ||
			echo 'override CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT :='
		echo 'struct s { int n; char a[] __attribute__((__counted_by__(n))); };' >"$try"
		gcc -Werror=attributes -c -o "$try.o" "$try" 2>/dev/null ||
			echo 'KCFLAGS += -Wno-attributes'
	} >>"$vars"
	rm -f "$try" "$try.o"
}

# The headers depend on a common part, on the build tools (linux-kbuild-X.Y),
# and on the compiler, which the machine has. Newer images are in several packages.
unpack()
{
	tmp=$1
	headers=linux-headers-$release
	parts=$(depends "$headers" | grep -E '^linux-(headers|kbuild)-' || :)
	parts="$parts $(depends "$image" | grep -E '^linux-(base|binary|modules)-[0-9]' || :)"
	mkdir -p "$tmp/deb" "$tmp/root"
	(cd "$tmp/deb" && apt_private apt-get download "$image" "$headers" $parts >&2) ||
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
	for vmlinuz in "boot/vmlinuz-$release" "lib/modules/$release/vmlinuz"; do
		[ ! -e "$tmp/root/$vmlinuz" ] || ln -sfn "root/$vmlinuz" "$tmp/vmlinuz"
	done
	[ -e "$tmp/vmlinuz" ] || die "$image holds no kernel"
	ln -s "root/usr/src/$headers" "$tmp/kdir"
	# The only absolute path in the headers packages.
	sed -i "s|/usr/src/|$final/root/usr/src/|" "$tmp/root/usr/src/$headers/Makefile"
	if [ -n "$suite" ]; then
		wrap_tools
		fit_compiler
	fi
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
