#!/bin/sh
# SPDX-License-Identifier: MIT
# fqaccel-compress --export-onnx: ONNX Runtime gives what the card gives, layer by layer and in all, on
# networks of every kind of layer; and what cannot be exported is refused.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${O:-build}
compress=$build/san/fqaccel-compress
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
. tests/tap.sh
tap_log=$tmp/log
sample=demo/cifar10.fqz

modules=$(tests/ort/engine.sh 2>"$tmp/log")
result $? 'ONNX Runtime is there'
[ -n "$modules" ] || tap_done

# export_net NAME VARIETY COUNT IMAGE.fqz [PICTURES]: export, run on the card, and compare later
nets=
export_net()
{
	mkdir "$tmp/$1"
	"$compress" -q --export-onnx "$tmp/$1.onnx" "$4" >"$tmp/log" 2>&1 &&
		count=$("$build/tests/ort_card" "$4" "$tmp/$1" "$3" ${5:+"$5"} 2>"$tmp/log")
	result $? "$1: exported, and run on the card"
	nets="$nets $1 $count $2"
}

# --- networks whose tensors fill their ranges ---
mkdir "$tmp/nets"
"$build/tests/ort_nets" "$tmp/nets" >"$tmp/log" 2>&1 && "$build/tests/make_smallnet" "$tmp/nets"
result $? 'networks are made'
for net in kinds widths pools convs halves residual; do
	export_net "$net" 40 64 "$tmp/nets/$net.fqz"
done
export_net sample 40 96 $sample
export_net sample-demo 40 96 $sample demo
for bits in 5 8; do
	"$build/fqaccel-compress" -q tests/golden/onnx/small.onnx -o "$tmp/made.fqz" --rounding nearest \
		--export-onnx "$tmp/made.onnx" --bits $bits --bgr --range255 >"$tmp/log" 2>&1
	result $? "compressed and exported at once, $bits bits"
	export_net "small-$bits" 40 96 "$tmp/made.fqz"
	ok 'the same file from the image' cmp "$tmp/made.onnx" "$tmp/small-$bits.onnx"
done

# --- every valid golden image ---
# minor and skippable are small once more.
for image in $(awk '$2 == "OK" && !/minor|skippable/ { print $1 }' tests/golden/fqz/verdicts.txt) \
		fc.fqz gray.fqz; do
	path=tests/golden/fqz/$image
	[ -e "$path" ] || path=$tmp/nets/$image
	if [ "$image" = largest-sum.fqz ]; then
		# It takes 2900 x 2900 pixels: drawing that many takes longer than resizing a picture.
		export_net "$image" 1 2 "$path" demo
	else
		export_net "$image" 1 32 "$path"
	fi
done

# --- the engine's answers ---
/usr/bin/python3 tests/ort/compare.py "$modules" "$tmp" $nets >"$tmp/said" 2>"$tmp/log"
result $? 'ONNX Runtime runs all of them'
while IFS= read -r line; do
	case $line in
	'ok - '*)	tap_result 0 "${line#ok - }" ;;
	'not ok - '*)	tap_result 1 "${line#not ok - }" ;;
	*)		printf '%s\n' "$line" ;;
	esac
done <"$tmp/said"

# --- what is refused ---
refuses()
{
	what=$1 text=$2
	shift 2
	"$compress" "$@" >"$tmp/log" 2>&1
	[ $? -eq 1 ] && grep -qF -e "$text" "$tmp/log" && [ "$(wc -l <"$tmp/log")" -eq 1 ]
	result $? "$what: \"$text\""
}

refuses 'constants beyond single precision' 'beyond.fqz: layer 3 (conv): its constants are beyond' \
	--export-onnx "$tmp/no.onnx" "$tmp/nets/beyond.fqz"
refuses 'a damaged image' 'crc.fqz: CRC at byte 216' --export-onnx "$tmp/no.onnx" tests/golden/fqz/crc.fqz
refuses 'damaged weights' 'stream.fqz: layer 0 (conv): its weights cannot be decoded' \
	--export-onnx "$tmp/no.onnx" tests/golden/fqz/stream.fqz
refuses 'no image' 'No such file' --export-onnx "$tmp/no.onnx" "$tmp/absent.fqz"
ok 'nothing is left of them' test ! -e "$tmp/no.onnx"
refuses 'an absent folder' 'No such file' --export-onnx "$tmp/absent/no.onnx" $sample
refuses 'a full disk' 'No space left' --export-onnx /dev/full $sample
cp $sample "$tmp/own.fqz"
"$compress" --export-onnx "$tmp/nets/../own.fqz" "$tmp/own.fqz" >"$tmp/log" 2>&1
[ $? -eq 2 ] && grep -q 'own.fqz would take the place of the image' "$tmp/log"
result $? 'the image itself is no place for it'
ok 'which stays as it was' cmp $sample "$tmp/own.fqz"

# An exported network is for checking: it is no model to compress again.
"$compress" "$tmp/sample.onnx" -o "$tmp/again.fqz" >"$tmp/log" 2>&1
[ $? -eq 1 ] && grep -q "input 'picture' is of element type 2" "$tmp/log" && [ ! -e "$tmp/again.fqz" ]
result $? 'compressing it again is refused by name'

tap_done
