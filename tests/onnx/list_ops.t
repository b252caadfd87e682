#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fqaccel-compress --list-ops: what a network uses and what is not supported, without compressing.

. tests/tap.sh

build=${O:-build}
golden=tests/golden/onnx
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tap_log=$work/log

list()
{
	"$build/san/fqaccel-compress" --list-ops "$@" >"$work/log" 2>"$work/err"
	status=$?
}

# has LINE: the words of it, whatever is between them
has()
{
	grep -Eq "^$(echo "$1" | sed 's/ / +/g')" "$work/log"
}

list $golden/mobilenet_v1-tiny.onnx
is $status 0 'a supported network gives status 0'
ok 'each operator is counted' has 'BatchNormalization 27 15 yes'
ok 'with the version in force' has 'ReduceMean 1 13 yes'
ok 'all of them' has "all $(awk '/yes/ { n += $2 } END { print n }' "$work/log") nodes are supported"
ok 'nothing is said beside' test ! -s "$work/err"

list $golden/lenet5-tiny.onnx
ok 'the same operator has another version in an older operator set' has 'Relu 4 6 yes'

list $golden/unsupported.onnx
is $status 1 'an unsupported one gives status 1'
ok 'unknown operators' has 'Einsum 1 - no +unknown'
ok 'are named node by node' has " node 's' \(Sigmoid\): operator Sigmoid is not supported"
ok 'each of them' has " node 'e' \(Einsum\): "
ok 'others are still listed' has 'Conv 4 11 yes'
is "$(cat "$work/err")" "fqaccel-compress: $golden/unsupported.onnx: 2 of 18 nodes are not supported" \
	'one line says so'

head -c 5000 $golden/small.onnx >"$work/cut.onnx"
list "$work/cut.onnx"
is "$status $(wc -l <"$work/err")" '1 1' 'a file cut short is refused in one line'
list "$work/none.onnx"
is "$status $(wc -l <"$work/err")" '1 1' 'so is one that is not there'
is "$(ls "$work")" 'cut.onnx
err
log' 'nothing is written'

tap_done
