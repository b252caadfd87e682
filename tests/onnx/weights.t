#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Weights out of the ordinary (weights.py): each network is compressed and its image runs, or it is
# refused in one line and nothing is written.

. tests/tap.sh

build=${O:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tap_log=$work/log

ok 'networks' /usr/bin/python3 tests/onnx/weights.py "$work"

for name in zero zero-last single single-zero positive negative equal huge tiny one-outlier; do
	for rounding in nearest sample; do
		"$build/san/fqaccel-compress" -q --rounding nearest --assign $rounding \
			-o "$work/$name.fqz" "$work/$name.onnx" >"$work/log" 2>&1 &&
			"$build/fqaccel-run" --card soft "$work/$name.fqz" demo/ship.ppm \
				>>"$work/log" 2>&1
		result $? "$name, --assign $rounding"
	done
done

refused()
{
	"$build/san/fqaccel-compress" -q --rounding nearest -o "$work/$1.fqz" "$work/$1.onnx" \
		>"$work/log" 2>&1
	is "$? $(wc -l <"$work/log")" '1 1' "$1 is refused in one line"
	ok "$1: $2" grep -q "$2" "$work/log"
	ok "$1: nothing is written" test ! -e "$work/$1.fqz"
}

refused nan "tensor 'w0' holds not-a-number values"
refused infinite "layer 'conv0' has infinite weights"

tap_done
