#!/bin/sh
# SPDX-License-Identifier: MIT
# The sample: demo-draw, plain and with sanitizers, draws the committed pictures byte for byte and says so
# when it cannot; the sample network names each of them rightly on the soft card.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${O:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
. tests/tap.sh

for program in "$build/demo-draw" "$build/san/demo-draw"; do
	out=$tmp/$(echo "$program" | tr / _)
	mkdir "$out"
	"$program" "$out"
	result $? "$program draws"
	for name in $( (ls "$out"; cd demo && ls ./*.ppm) | sed 's,^\./,,' | sort -u); do
		cmp "$out/$name" "demo/$name"
		result $? "$program: $name is the committed one"
	done

	"$program" >"$tmp/log" 2>&1
	[ $? -eq 2 ] && grep -q '^usage:' "$tmp/log"
	result $? "$program without a folder: usage, exit status 2"

	"$program" "$tmp/absent" >"$tmp/log" 2>&1
	[ $? -eq 1 ] && grep -q "$tmp/absent/.*No such file" "$tmp/log"
	result $? "$program into an absent folder: exit status 1 and the path"

	rm -rf "$out"/*
	mkdir "$out/ship.ppm"
	"$program" "$out" >"$tmp/log" 2>&1
	[ $? -eq 1 ] && grep -q 'ship.ppm' "$tmp/log" && [ ! -e "$out/ship.ppm.tmp" ]
	result $? "$program where a file cannot be renamed: exit status 1, nothing left behind"
done

# A picture that is named by a number is of that class.
mkdir "$tmp/labeled"
for picture in demo/*.ppm; do
	line=$(grep -nx "$(basename "$picture" .ppm)" demo/cifar10.classes)
	result $? "$picture bears the name of a class"
	cp "$picture" "$tmp/labeled/$((${line%%:*} - 1)).ppm"
done
"$build/fqaccel-eval" --json demo/cifar10.fqz "$tmp/labeled" >"$tmp/log"
result $? 'the sample network runs on the soft card'
grep -q '"top1": 100.0000,' "$tmp/log"
result $? 'it names all pictures rightly'
tap_done
