#!/bin/sh
# SPDX-License-Identifier: MIT
# fqaccel-compress from the command line: a golden network and the sample pictures to an image that the
# soft card runs; the same bytes for any number of threads; each refusal with its status and its text.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${O:-build}
compress=$build/fqaccel-compress
golden=tests/golden/onnx
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
. tests/tap.sh
tap_log=$tmp/log
pictures=$(find demo -name '*.ppm' | wc -l)

# refuses STATUS TEXT WHAT ARGUMENT...: exit status, a text, and no output file
refuses() {
	want=$1 text=$2 what=$3
	shift 3
	rm -f "$tmp/no.fqz"
	"$compress" "$@" >"$tmp/log" 2>&1
	[ $? -eq "$want" ] && grep -q -e "$text" "$tmp/log" && [ ! -e "$tmp/no.fqz" ]
	result $? "$what: exit status $want, \"$text\""
}

small="$golden/small.onnx --calibrate demo --mean 0.49,0.48,0.45 --std 0.25,0.24,0.26"

"$compress" $small -o "$tmp/a.fqz" --classes demo/cifar10.classes --bits 5 >"$tmp/log" 2>&1
result $? 'a network is compressed'
grep -q '^.*/a.fqz: [0-9]* bytes, CR [0-9.]* (dense: [0-9]* bytes' "$tmp/log"
result $? 'size and compression rate are told'
grep -q "top-1 agreement with the float network: [0-9.]* % of $pictures calibration pictures" "$tmp/log"
result $? 'so is the agreement with the float network'
grep -q '^farthest from the float network: [^ ]* (-*[0-9.]* dB), [^ ]* (-*[0-9.]* dB), ' "$tmp/log"
result $? 'and the layers that are farthest from it'
agree=$(sed -n 's/^top-1 agreement.*: \([0-9]*\)\..*/\1/p' "$tmp/log")
[ "$agree" -ge 85 ]
result $? "they agree on all pictures but one at most: $agree %"
"$compress" $small -o "$tmp/b.fqz" --classes demo/cifar10.classes --bits 5 --threads 1 -q >"$tmp/log" 2>&1
"$compress" $small -o "$tmp/c.fqz" --classes demo/cifar10.classes --bits 5 --threads 3 -q >>"$tmp/log" 2>&1
cmp "$tmp/b.fqz" "$tmp/c.fqz" && cmp "$tmp/a.fqz" "$tmp/b.fqz"
result $? 'any number of threads writes the same bytes'
[ ! -s "$tmp/log" ]
result $? 'quiet is quiet'
"$build/san/fqaccel-compress" $small -o "$tmp/s.fqz" --classes demo/cifar10.classes --bits 5 -q >"$tmp/log" 2>&1 &&
	cmp "$tmp/a.fqz" "$tmp/s.fqz"
result $? 'with sanitizers too'

for options in '--bits 3' '--bits 8 --mode recentralized' '--mode shift --sparsity 0.5' \
	'--wsep 1.5' '--bgr --range255' '--rounding nearest --seed 4' '--resize 40 --pictures 3' \
	'--prune dns-threshold --calibration minmax' '--prune-scope network --sparsity 0.3' \
	'--rounding nearest --assign nearest --calibration percentile'; do
	"$build/san/fqaccel-compress" $small -o "$tmp/o.fqz" $options >"$tmp/log" 2>&1
	result $? "$options"
done
"$compress" $golden/small.onnx -o "$tmp/d.fqz" >"$tmp/log" 2>&1 && grep -q '% of 16 random pictures' "$tmp/log"
result $? 'without pictures'

# What decides the image is told in it, whatever the model's name is.
latin1=$tmp/$(printf 'caf\351').onnx
cp $golden/small.onnx "$latin1"
"$build/san/fqaccel-compress" "$latin1" -o "$tmp/m.fqz" -q --coder tans --resize 36 --keep c2=7 >"$tmp/log" 2>&1 &&
	"$build/fqaccel-info" --json "$tmp/m.fqz" >"$tmp/log" 2>&1 && grep -q '"source.name": "caf_.onnx"' "$tmp/log" &&
	grep -q '"encoder.options": ".* --coder tans .* --resize 36, by layer: c2 bits=7 mode=auto coder=tans"' \
		"$tmp/log"
result $? 'metadata: coder, size of pictures, layers of their own, a name that is no UTF-8'

"$build/san/fqaccel-compress" $small -o "$tmp/p.fqz" --sparsity 0.999 >"$tmp/log" 2>&1 &&
	grep -q 'warning: only .* lower --sparsity' "$tmp/log"
result $? 'agreement is with the network before pruning'

# One picture per class, named by its number.
mkdir "$tmp/labeled"
i=0
for picture in demo/*.ppm; do
	cp "$picture" "$tmp/labeled/$i.ppm"
	i=$((i + 1))
done
"$compress" $small -o "$tmp/e.fqz" --evaluate "$tmp/labeled" >"$tmp/log" 2>&1 &&
	grep -q 'on the evaluation pictures: top-1 [0-9.]* %, top-5 [0-9.]* %' "$tmp/log"
result $? '--evaluate measures the accuracy'

# No file that the command names may be written over.
cp $golden/small.onnx "$tmp/model.onnx"
echo 'nowhere bits=4' >"$tmp/layers"
for options in '-o TMP/labeled/../model.onnx' '-o TMP/no.fqz --report TMP/model.onnx' \
	'-o TMP/no.fqz --export-onnx TMP/labeled/../no.fqz' '-o TMP/no.fqz --report TMP/r --export-onnx TMP/r' \
	'-o TMP/no.fqz --config TMP/layers --report TMP/layers'; do
	refuses 2 'would take the place of' "writes over another: $options" "$tmp/model.onnx" \
		$(echo "$options" | sed "s,TMP,$tmp,g")
done
ok 'the model is as it was' cmp $golden/small.onnx "$tmp/model.onnx"

refuses 2 '--json is of no use with --list-ops' 'JSON of a list' --list-ops --json $golden/small.onnx
refuses 2 'calibrate is of no use .* add -o' 'a forgotten output' $small --export-onnx "$tmp/no.fqz"
refuses 2 'UTF-8' 'a description that is no text' $small -o "$tmp/no.fqz" --description "$latin1"
(head -n 2 demo/cifar10.classes; printf 'caf\351\n'; tail -n 7 demo/cifar10.classes) >"$tmp/names"
refuses 1 'names:3: a name of UTF-8' 'a class whose name is no text' $small -o "$tmp/no.fqz" \
	--classes "$tmp/names"

refuses 2 'what is to be compressed' 'no model'
refuses 2 'no output' 'no output' $golden/small.onnx
refuses 2 'not both' 'a sparsity, but no pruning' $small -o "$tmp/no.fqz" --sparsity 0.5 --prune none
refuses 2 'needs --sparsity' 'a scope of nothing' $small -o "$tmp/no.fqz" --prune-scope network
refuses 1 "there is no layer 'nowhere'" 'an unknown layer' $small -o "$tmp/no.fqz" --keep nowhere=4
refuses 1 "layers:1: there is no layer 'nowhere'" 'a line about one' $small -o "$tmp/no.fqz" --config "$tmp/layers"
refuses 2 '3 to 8' 'bits out of range' $small -o "$tmp/no.fqz" --bits 9
refuses 2 'feedback or nearest' 'an unknown rounding' $small -o "$tmp/no.fqz" --rounding up
refuses 2 'three numbers' 'a mean that is no color' $small -o "$tmp/no.fqz" --mean 1,x,2
refuses 2 'needs --calibrate' 'feedback without pictures' $golden/small.onnx -o "$tmp/no.fqz" \
	--rounding feedback
refuses 2 'only with --mode auto' 'a separation that nothing asks for' $small -o "$tmp/no.fqz" \
	--mode shift --wsep 3
refuses 2 'not --mode shift' 'components that no weight has' $small -o "$tmp/no.fqz" \
	--rounding nearest --mode shift --assign nearest
refuses 2 '--pictures needs' 'a number of no pictures' $golden/small.onnx -o "$tmp/no.fqz" --pictures 3
refuses 1 'absent' 'absent evaluation pictures without --calibrate' $golden/small.onnx \
	-o "$tmp/no.fqz" --evaluate "$tmp/absent"
"$compress" --help 2>"$tmp/log" >/dev/full
[ $? -eq 1 ] && grep -q 'standard output' "$tmp/log"
result $? '--help: a full disk is told of'
# A limit on a file's size stands for a disk that is full: neither the image nor part of it remains.
mkdir "$tmp/disk"
(trap '' XFSZ; ulimit -f 1; exec "$compress" $small -o "$tmp/disk/full.fqz" -q) >"$tmp/log" 2>&1
[ $? -eq 1 ] && grep -q 'full.fqz: cannot be written' "$tmp/log" && [ -z "$(ls -A "$tmp/disk")" ]
result $? 'no half-written image on a full disk'
refuses 1 'No such file' 'an absent model' "$tmp/absent.onnx" -o "$tmp/no.fqz"
refuses 1 'not a usable ONNX file' 'a picture as a model' demo/ship.ppm -o "$tmp/no.fqz"
refuses 1 "'s' (Sigmoid)" 'an unsupported operator' $golden/unsupported.onnx -o "$tmp/no.fqz"
refuses 1 "'e' (Einsum)" 'another one in the same message' $golden/unsupported.onnx -o "$tmp/no.fqz"
refuses 1 'absent' 'absent pictures' $golden/small.onnx -o "$tmp/no.fqz" --calibrate "$tmp/absent"
refuses 1 '10 classes' 'too few class names' $small -o "$tmp/no.fqz" --classes README.md
refuses 1 'No such file' 'an output in an absent folder' $small -o "$tmp/absent/no.fqz"
refuses 1 'labeled' 'evaluation pictures without labels' $small -o "$tmp/no.fqz" --evaluate demo
head -c 3000 $golden/small.onnx >"$tmp/cut.onnx"
refuses 1 'length beyond the end' 'a truncated model' "$tmp/cut.onnx" -o "$tmp/no.fqz"
head -c 900 demo/ship.ppm >"$tmp/cut.ppm"
refuses 1 'cut.ppm' 'a truncated picture' $golden/small.onnx -o "$tmp/no.fqz" --calibrate "$tmp/cut.ppm"

tap_done
