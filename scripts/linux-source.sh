#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Takes what our checks need from the distribution's kernel source package,
# checkpatch.pl and the headers and makefiles of kselftest, into the user's cache, and prints
# the folder. The large package itself is not kept.
#
# Usage: scripts/linux-source.sh
# Environment: FQACCEL_LINUX_SOURCE, the package (default linux-source-6.1).

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fqaccel
package=${FQACCEL_LINUX_SOURCE:-linux-source-6.1}
dir=$cache/$package
mkdir -p "$cache"
exec 9>"$cache/$package.lock"
flock 9

if [ -e "$dir/complete" ]; then
	echo "$dir"
	exit 0
fi

. "$top/scripts/apt-private.sh"
tmp=$dir.tmp
rm -rf "$tmp" "$dir"
mkdir -p "$tmp/deb"
trap 'rm -rf "$tmp"' EXIT

# Other scripts use the same private lists; this one has its own, so as not to meet them.
(
	cache=$tmp
	apt_private_setup linux-source
	apt_private apt-get update >&2 || echo "linux-source: apt-get update had errors; going on" >&2
	cd "$tmp/deb"
	apt_private apt-get download "$package" >&2
) || {
	echo "linux-source: could not download $package" >&2
	exit 1
}

echo "linux-source: unpacking parts of $package" >&2
dpkg-deb --fsys-tarfile "$tmp/deb/"*.deb |
	tar -xOf - "./usr/src/$package.tar.xz" | xz -dc |
	tar -xf - -C "$tmp" --strip-components=1 --wildcards \
		'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
		'*/scripts/const_structs.checkpatch' '*/scripts/subarch.include' \
		'*/tools/testing/selftests/lib.mk' \
		'*/tools/testing/selftests/kselftest.h' \
		'*/tools/testing/selftests/kselftest_harness.h' \
		'*/tools/testing/selftests/kselftest/*'
for f in scripts/checkpatch.pl scripts/spelling.txt tools/testing/selftests/lib.mk \
	 tools/testing/selftests/kselftest_harness.h; do
	if [ ! -e "$tmp/$f" ]; then
		echo "linux-source: $package has no $f" >&2
		exit 1
	fi
done
rm -rf "$tmp/deb" "$tmp/apt"
touch "$tmp/complete"
mv "$tmp" "$dir"
echo "$dir"
