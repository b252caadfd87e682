#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Classifies a picture on the soft card here, then on /dev/fqaccel0 in a guest,
# and compares: the same report, and raw outputs that are equal byte for byte.
#
# Usage: scripts/vm-demo.sh MODEL.fqz PICTURE

set -eu

if [ $# -ne 2 ]; then
	echo "usage: scripts/vm-demo.sh MODEL.fqz PICTURE" >&2
	exit 2
fi
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
out=$top/build/vm-out
mkdir -p "$out"
rm -f "$out"/soft.* "$out"/card.*

quote()
{
	printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

build/fqaccel-run --card soft --output "$out/soft.raw" "$1" "$2" >"$out/soft.txt"
scripts/vm-run.sh "fqaccel-run --card /dev/fqaccel0 --output /out/card.raw \
	$(quote "$1") $(quote "$2")" >"$out/card.txt"
cat "$out/card.txt"

if ! cmp "$out/soft.raw" "$out/card.raw"; then
	echo "vm-demo: the card's raw output differs from the soft card's" >&2
	exit 1
fi
if ! diff "$out/soft.txt" "$out/card.txt"; then
	echo "vm-demo: the card's report differs from the soft card's" >&2
	exit 1
fi
echo "vm: /dev/fqaccel0 and the soft card agree, $(stat -c %s "$out/card.raw") bytes of output"
