#!/bin/sh
# SPDX-License-Identifier: MIT
# libfqaccel as others see it: header, symbols, linking, manual pages.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${O:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
. tests/tap.sh
so=$build/libfqaccel.so.0

# --- header ---
cat >"$tmp/header.c" <<'END'
#include "fqaccel.h"
#include "fqaccel.h"
int main(void) { return fqaccel_version()[0] == '0' ? 0 : 1; }
END
cp "$tmp/header.c" "$tmp/header.cc"
for std in c99 c11; do
	ok "the header compiles alone as $std" \
		cc -std=$std -pedantic -Wall -Wextra -Werror -Ilib -fsyntax-only "$tmp/header.c"
done
ok "the header compiles alone as C++" \
	g++ -std=c++98 -Wall -Wextra -Werror -Wno-long-long -Ilib -fsyntax-only "$tmp/header.cc"

# --- symbols ---
nm -D --defined-only "$so" | awk '$2 != "A" { print $3 }' | sort >"$tmp/symbols"
ok "every exported symbol has the library's version" sh -c "! grep -vq '@@FQACCEL_0\\.1\$' '$tmp/symbols'"
sed 's/@@.*//' "$tmp/symbols" >"$tmp/names"
sed -n 's/^[^*]*[ *]\(fqaccel_[a-z_]*\)(.*/\1/p' lib/fqaccel.h | grep -v '^ \*' | sort -u >"$tmp/declared"
ok "exported is what the header declares, no more and no less" cmp "$tmp/names" "$tmp/declared"
ok "there are some" test "$(wc -l <"$tmp/names")" -ge 20
ok "the soname" sh -c "readelf -d '$so' | grep -qF '[libfqaccel.so.0]'"
nm -D --undefined-only "$so" | awk '{ print $2 }' | sed 's/@.*//' >"$tmp/undefined"
for name in printf fprintf vfprintf puts fputs perror exit _exit stdout stderr; do
	ok "a library prints nothing and never exits: no $name" sh -c "! grep -qx $name '$tmp/undefined'"
done
ok "it never links libpci" sh -c "! readelf -d '$so' | grep -q libpci"

# --- linking, by the pkg-config file ---
sed "s|@PREFIX@|$tmp|; s|@VERSION@|0.1.0|" lib/fqaccel.pc.in >"$tmp/fqaccel.pc"
mkdir "$tmp/include" "$tmp/lib"
cp lib/fqaccel.h "$tmp/include"
cp "$so" "$build/libfqaccel.a" "$tmp/lib"
ln -s libfqaccel.so.0 "$tmp/lib/libfqaccel.so"
PKG_CONFIG_PATH=$tmp
export PKG_CONFIG_PATH
ok "pkg-config knows the version" test "$(pkg-config --modversion fqaccel)" = 0.1.0
ok "a program links the shared library" sh -c \
	"cc \$(pkg-config --cflags fqaccel) -o '$tmp/shared' '$tmp/header.c' \$(pkg-config --libs fqaccel)"
ok "and runs" env LD_LIBRARY_PATH="$tmp/lib" "$tmp/shared"
rm "$tmp"/lib/*.so*
ok "a program links the static library" sh -c \
	"cc \$(pkg-config --cflags fqaccel) -o '$tmp/static' '$tmp/header.c' \$(pkg-config --static --libs fqaccel)"
ok "and runs, too" "$tmp/static"

# --- manual pages ---
while read -r name; do
	ok "$name has a manual page" test -e "doc/man/$name.3"
done <"$tmp/names"
for page in doc/man/*.[13]; do
	# A page that only names another one needs an installed tree to be formatted.
	if grep -q '^\.so ' "$page"; then
		ok "$page names a page" test -e "doc/man/$(sed -n 's,^\.so man3/,,p' "$page")"
	else
		ok "$page is well-formed" sh -c "groff -ww -man -Tutf8 -z '$page' 2>&1 | { ! grep .; }"
	fi
done
for tool in run eval info compress; do
	"$build/fqaccel-$tool" --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z0-9-]+' |
		grep -oE -- '--[a-z0-9-]+' | sort -u >"$tmp/help"
	sed 's/\\-/-/g' "doc/man/fqaccel-$tool.1" | grep -E '^\.BR? ' |
		grep -oE -- '--[a-z0-9-]+' | sort -u >"$tmp/page"
	ok "fqaccel-$tool(1) has the options that --help has" diff "$tmp/help" "$tmp/page"
	ok "there are some" test -s "$tmp/help"
done
tap_done
