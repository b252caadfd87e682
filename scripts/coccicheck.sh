#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the kernel's semantic patches (scripts/coccinelle of its source) over the driver,
# in report mode, and fails if one of them says anything.
#
# Usage: scripts/coccicheck.sh [FOLDER]		default kernel

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
source=$("$top/scripts/linux-source.sh")
cd "$top"
folder=${1:-kernel}

work=$(mktemp -d "${TMPDIR:-/tmp}/fqaccel-cocci.XXXXXX")
trap 'rm -rf "$work"' EXIT

# check PATCH: what it says on stdout. A patch with OCaml in it would need a compiler for
# that; those of the kernel are about other things than drivers like ours.
cat >"$work/check" <<'SCRIPT'
options=$(sed -n 's,^// Options: *,,p' "$1")
spatch -D report --no-show-diff --very-quiet --cocci-file "$1" $options --dir "$2" \
	>"$3.out" 2>"$3.err" || { cat "$3.err" "$3.out"; echo "$1: spatch failed"; }
sed "s,\$, [${1##*/}]," "$3.out"
SCRIPT

find "$source/scripts/coccinelle" -name '*.cocci' -exec grep -l '^virtual report' {} + |
	xargs grep -L '^@.*script:ocaml\|^@.*initialize:ocaml' | sort >"$work/patches"
count=$(wc -l <"$work/patches")
[ "$count" -gt 0 ] || { echo "coccicheck: there are no semantic patches" >&2; exit 1; }
xargs -P "$(nproc)" -I PATCH sh -c 'sh "$0" "$1" "$2" "$3/$(basename "$1")" >"$3/$(basename "$1").said"' \
	"$work/check" PATCH "$folder" "$work" <"$work/patches"
if [ -n "$(cat "$work"/*.said)" ]; then
	cat "$work"/*.said >&2
	echo "coccicheck: see above" >&2
	exit 1
fi
echo "coccicheck: $count semantic patches have nothing to say"
