#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Takes files from the distribution's kernel source package. The large package
# itself is not kept.
#
# Usage: scripts/linux-source.sh
#		what our checks need, checkpatch.pl, the semantic patches, and the headers
#		and makefiles of kselftest, into the user's cache; prints the folder
#        scripts/linux-source.sh --unpack DIR [PATTERN...]
#		all of it, or what matches tar's patterns (and options), into DIR
# Environment: FQACCEL_LINUX_SOURCE, the package (default linux-source-6.1), or PACKAGE/SUITE.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fqaccel
package=${FQACCEL_LINUX_SOURCE:-linux-source-6.1}
suite=
case $package in */*) suite=${package#*/} package=${package%%/*} ;; esac
. "$top/scripts/apt-private.sh"

# unpack DIR [PATTERN...]
unpack()
(
	dir=$1
	shift
	mkdir -p "$dir/.deb"
	# Lists of its own: other scripts may be at the common ones.
	cache=$dir/.deb
	apt_private_setup linux-source $suite
	apt_private apt-get update >&2 || echo "linux-source: apt-get update had errors; going on" >&2
	if ! (cd "$dir/.deb" && apt_private apt-get download "$package" >&2); then
		echo "linux-source: could not download $package" >&2
		rm -rf "$dir/.deb"
		exit 1
	fi
	echo "linux-source: unpacking $package" >&2
	deb=$(echo "$dir/.deb/"*.deb)
	dpkg-deb -f "$deb" Version >"$dir/.version"
	dpkg-deb --fsys-tarfile "$deb" |
		tar -xOf - "./usr/src/$package.tar.xz" | xz -dc |
		tar -xf - -C "$dir" --strip-components=1 --wildcards "$@"
	rm -rf "$dir/.deb"
)

if [ "${1-}" = --unpack ]; then
	shift
	unpack "$@"
	exit 0
fi

dir=$cache/$package
mkdir -p "$cache"
exec 9>"$cache/$package.lock"
flock 9

# has_all DIR: fails, and says what it lacks.
has_all()
{
	for f in scripts/checkpatch.pl scripts/spelling.txt scripts/coccinelle \
		 tools/testing/selftests/lib.mk tools/testing/selftests/kselftest_harness.h; do
		[ -e "$1/$f" ] || { echo "$f"; return 1; }
	done
}

if [ -e "$dir/complete" ] && has_all "$dir" >/dev/null; then
	echo "$dir"
	exit 0
fi

tmp=$dir.tmp
rm -rf "$tmp" "$dir"
trap 'rm -rf "$tmp"' EXIT
unpack "$tmp" '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
	'*/scripts/const_structs.checkpatch' '*/scripts/subarch.include' \
	'*/scripts/coccinelle/*' \
	'*/tools/testing/selftests/lib.mk' \
	'*/tools/testing/selftests/kselftest.h' \
	'*/tools/testing/selftests/kselftest_harness.h' \
	'*/tools/testing/selftests/kselftest/*'
missing=$(has_all "$tmp") || {
	echo "linux-source: $package has no $missing" >&2
	exit 1
}
touch "$tmp/complete"
mv "$tmp" "$dir"
echo "$dir"
