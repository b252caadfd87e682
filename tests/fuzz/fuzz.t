#!/bin/sh
# SPDX-License-Identifier: MIT
# Each fuzz target runs for a few seconds from its seeds; two at a time.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${O:-build}
seconds=5
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
. tests/tap.sh
tap_log=$tmp/log

# run TARGET [SEEDS]: its output and exit status in $tmp/TARGET.log and $tmp/TARGET.rc
run() {
	mkdir -p "$tmp/$1"
	"$build/fuzz/$1" -max_total_time=$seconds -seed=1 -print_final_stats=1 \
		-artifact_prefix="$build/fuzz/$1-" "$tmp/$@" >"$tmp/$1.log" 2>&1
	echo $? >"$tmp/$1.rc"
}

# told TARGET: a test for what run() left
told() {
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/$1.log")
	cp "$tmp/$1.log" "$tap_log"
	[ "$(cat "$tmp/$1.rc")" -eq 0 ] && [ "${runs:-0}" -gt 0 ]
	result $? "$1: nothing found in ${runs:-no} runs"
}

pair() {
	run $1 &
	run $2
	wait
	told ${1%% *}
	told ${2%% *}
}

pair 'fqz tests/golden/fqz' 'huffman tests/golden/streams/huffman'
pair 'rle tests/golden/streams/rle-huffman' 'tans tests/golden/streams/tans'
pair 'exec tests/golden/fqz' card
pair 'img tests/golden/img' 'onnx tests/golden/onnx'
run train tests/golden/train
told train
tap_done
