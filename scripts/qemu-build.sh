#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds qemu-system-x86_64 with the fqaccel card in it, from the
# distribution's own QEMU source package, into build/qemu-system-x86_64.
#
# Two phases. The source is downloaded, patched and configured once into the
# user's cache, keyed by its version and by how it is configured. Then our own
# sources are copied in where they differ and ninja rebuilds what depends on
# them, which takes seconds. No root needed; packages: scripts/deps.sh vm.
#
# Usage: scripts/qemu-build.sh
# Environment: XDG_CACHE_HOME, JOBS (default: the number of processors).

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fqaccel
jobs=${JOBS:-$(nproc)}
. "$top/scripts/apt-private.sh"

die()
{
	echo "qemu-build: $*" >&2
	exit 1
}

# Roms (qemu-system-data) and emulator are of one version, so that a fresh
# machine and an old one both find the source that fits.
version=$(dpkg-query -W -f '${source:Version}' qemu-system-data 2>/dev/null) ||
	die "the package qemu-system-data is missing; run scripts/deps.sh vm"

set -- --target-list=x86_64-softmmu --enable-system --without-default-features \
	--without-default-devices --with-devices-x86_64=fqaccel \
	--enable-tcg --enable-kvm --enable-fdt --enable-virtfs --enable-attr \
	--enable-cap-ng --enable-trace-backends=log \
	--firmwarepath=/usr/share/qemu:/usr/share/seabios \
	'--cc=ccache gcc'

glue=$top/qemu-device/qemu
key=$({ echo "$version $*"; cat "$glue/devices.mak"; } | sha256sum | cut -c1-12)
base=$cache/qemu/$(echo "$version" | tr -c 'A-Za-z0-9.\n' _)-$key
mkdir -p "$cache/qemu"

# One build at a time for all checkouts that share the cache.
exec 9>"$cache/qemu/lock"
if ! flock -n 9; then
	echo "qemu-build: waiting for another build" >&2
	flock 9
fi

# Copies only what differs, so that ninja sees only what changed.
copy_if_changed()
{
	cmp -s "$1" "$2" || cp "$1" "$2"
}

fetch_source()
{
	echo "qemu-build: downloading the source of qemu $version"
	apt_private_setup qemu
	dl=$base.tmp/download
	mkdir -p "$dl"
	apt_private apt-get update ||
		echo "qemu-build: apt-get update had errors; going on" >&2
	if ! (cd "$dl" && apt_private apt-get source --download-only "qemu=$version") 2>"$dl/log"; then
		cat "$dl/log" >&2
		echo "qemu-build: $version is not offered any more, taking the newest" >&2
		(cd "$dl" && apt_private apt-get source --download-only qemu) ||
			die "no source package qemu; check that apt's sources can be reached"
	fi
	dpkg-source --no-check -x "$dl"/qemu_*.dsc "$base.tmp/src" >"$dl/log" 2>&1 || {
		cat "$dl/log" >&2
		die "dpkg-source could not unpack qemu"
	}
}

patch_source()
{
	src=$base.tmp/src
	mkdir -p "$src/hw/misc/fqaccel"
	echo 'source fqaccel/Kconfig' >>"$src/hw/misc/Kconfig"
	echo "subdir('fqaccel')" >>"$src/hw/misc/meson.build"
	sed -i "s|^\( *\)'hw/misc',|&\n\1'hw/misc/fqaccel',|" "$src/meson.build"
	grep -q "'hw/misc/fqaccel'," "$src/meson.build" ||
		die "qemu's meson.build has no list of trace-events that names hw/misc"
	cp "$glue/devices.mak" "$src/configs/devices/x86_64-softmmu/fqaccel.mak"
}

# Our sources, as they lie in the checkout, into hw/misc/fqaccel.
sync_source()
{
	dst=$1/hw/misc/fqaccel
	mkdir -p "$dst/card" "$dst/format"
	for f in Kconfig trace-events trace.h; do
		copy_if_changed "$glue/$f" "$dst/$f"
	done
	copy_if_changed "$top/qemu-device/fqaccel-pci.c" "$dst/fqaccel-pci.c"
	for f in "$top"/qemu-device/card/*.[ch]; do
		copy_if_changed "$f" "$dst/card/${f##*/}"
	done
	for f in "$top"/firmware-format/*.[ch]; do
		copy_if_changed "$f" "$dst/format/${f##*/}"
	done
	for f in "$dst"/card/*.[ch]; do
		[ -e "$top/qemu-device/card/${f##*/}" ] || rm "$f"
	done
	for f in "$dst"/format/*.[ch]; do
		[ -e "$top/firmware-format/${f##*/}" ] || rm "$f"
	done
	list=$(cd "$dst" && printf "'%s', " card/*.c format/*.c)
	sed "s|@SOURCES@|${list%, }|" "$glue/meson.build" >"$dst/meson.build.new"
	copy_if_changed "$dst/meson.build.new" "$dst/meson.build"
	rm "$dst/meson.build.new"
}

# Debian's meson goes with Debian's python3, whatever else is on the PATH.
export PATH="/usr/bin:/bin:$PATH"
export CCACHE_DIR="$cache/ccache"
if [ ! -d "$base" ]; then
	rm -rf "$base.tmp"
	fetch_source
	patch_source
	mv "$base.tmp" "$base"
fi

sync_source "$base/src"
mkdir -p "$base/build" "$top/build"
cd "$base/build"
if [ ! -e configured ]; then
	echo "qemu-build: configuring"
	../src/configure "$@" >configure.log 2>&1 || {
		tail -n 30 configure.log >&2
		die "configure failed; the whole log is $base/build/configure.log"
	}
	touch configured
	echo "qemu-build: building, a few minutes the first time"
fi
ninja -j "$jobs" qemu-system-x86_64 >ninja.log 2>&1 || {
	# A linker's command line is as long as the rest of the log.
	grep -E -A 12 'error:|FAILED|ERROR|undefined' ninja.log | grep -v '^c[a+]' |
		cut -c 1-300 | head -n 60 >&2 || :
	die "the build failed; the whole log is $base/build/ninja.log"
}
if ! cmp -s qemu-system-x86_64 "$top/build/qemu-system-x86_64"; then
	cp qemu-system-x86_64 "$top/build/qemu-system-x86_64.new"
	mv "$top/build/qemu-system-x86_64.new" "$top/build/qemu-system-x86_64"
fi
