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

# refused NAME TEXT OPTION...
refused()
{
	name=$1
	text=$2
	shift 2
	"$build/san/fqaccel-compress" -q "$@" -o "$work/no.fqz" "$work/$name.onnx" \
		>"$work/log" 2>&1
	is "$? $(wc -l <"$work/log")" '1 1' "$name is refused in one line"
	ok "$name: $text" grep -q "$text" "$work/log"
	ok "$name: nothing is written" test ! -e "$work/no.fqz"
}

refused nan "tensor 'w0' holds not-a-number values" --rounding nearest
refused infinite "layer 'conv0' has infinite weights" --rounding nearest
# Their squares are infinite: what is made of such moments would never be definite.
for options in '--target-cr 3' '--sparsity 0.5 --prune-scope network'; do
	# shellcheck disable=SC2086 # options are words
	refused huge "layer 'conv1': products of its inputs are beyond" --calibrate demo $options
done

tap_done
