#!/bin/sh
# SPDX-License-Identifier: MIT
# fqaccel-compress --compare: an image beside its network, layer by layer. A layer that was broken on
# purpose is named; factors of channels that equalization left in the image are seen through; what
# was not made of the network is refused.
set -u
. "$(dirname "$0")/cli.sh"
golden=tests/golden/onnx/small.onnx
compress="fqaccel-compress $golden --calibrate demo --mean 0.49,0.48,0.45 --std 0.25,0.24,0.26 -q"
compare="fqaccel-compress --compare $golden"
pictures=$(find demo -name '*.ppm' | wc -l)

for layer in c1 c2 c3 c4 y; do
	echo "$layer bits=3 sparsity=0.9" >"$tmp/$layer.config"
	run $compress -o "$tmp/$layer.fqz" --config "$tmp/$layer.config" --bits 8
	ok "layer $layer is broken" exits 0
	run $compare "$tmp/$layer.fqz" demo
	ok "layer $layer: compared" exits 0
	ok "layer $layer is what most is lost at" prints "most is lost at '$layer'"
	ok 'and pruning it less is the advice' prints "'$layer sparsity="
	run $compare "$tmp/$layer.fqz" demo --json
	ok "layer $layer is the first of the worst, and its weights are as bad as its output" json "
		my (\$l) = grep { \$_->{name} eq '$layer' } @{\$j->{layers}};
		\$j->{worst}[0]{name} eq '$layer' && \$j->{worst}[0]{layer} == \$l->{layer} &&
		\$l->{bits} == 3 && \$l->{pruned} > 0.85 && \$l->{pruned} < 0.95 &&
		\$l->{weights_db} < 10 && \$l->{fall_db} > 5 && \$l->{isolated_db} < 24"
	# Those behind it were fitted to what it spoils.
	ok 'the layers before it are as they should be' json "
		my \$at = \$j->{worst}[0]{layer};
		@{\$j->{layers}} == 11 && !grep { \$_->{layer} < \$at &&
			(\$_->{isolated_db} < 25 || \$_->{cumulative_db} < 25) } @{\$j->{layers}}"
done

# With feedback the quantizer scales channels where the network lets it, with nearest rounding not.
for rounding in feedback nearest; do
	run $compress -o "$tmp/whole.fqz" --bits 8 --rounding $rounding
	run $compare "$tmp/whole.fqz" demo --json -j 1
	cp "$tmp/out" "$tmp/one"
	ok "$rounding: every layer is good in isolation" json \
		"@{\$j->{layers}} == 11 && !grep { \$_->{isolated_db} < 15 } @{\$j->{layers}}"
	ok "$rounding: the same source, all pictures" json "\$j->{same_source} &&
		\$j->{pictures} == $pictures && \$j->{same_top1} > 50"
	run $compare "$tmp/whole.fqz" demo --json -j 3
	ok "$rounding: any number of threads says the same" cmp "$tmp/one" "$tmp/out"
done
ok 'nothing on stderr' test ! -s "$tmp/err"
run $compare "$tmp/whole.fqz" demo --pictures 3
ok 'fewer pictures' prints 'over 3 pictures'
ok 'each layer with weights has its bits' test "$(grep -c '^\(conv\|fc\) *8 ' "$tmp/out")" -eq 5

# A field that changes nothing about the network: another file all the same.
{ cat $golden; printf '\022\001x'; } >"$tmp/other.onnx"
run fqaccel-compress --compare "$tmp/other.onnx" "$tmp/whole.fqz" demo
ok 'a file of the same layers is compared' exits 0
ok 'with a warning' says 'was made from another file'
run fqaccel-compress --compare "$tmp/other.onnx" "$tmp/whole.fqz" demo --json
ok 'which JSON tells too' json '!$j->{same_source}'

fails 1 'was not made from' 'an image of another network' $compare demo/cifar10.fqz demo
run fqaccel-compress --compare tests/golden/onnx/unsupported.onnx "$tmp/whole.fqz" demo
ok 'a network that is not supported' exits 1
ok 'and its operators' grep -q Sigmoid "$tmp/err"
head -c 700 "$tmp/whole.fqz" >"$tmp/cut.fqz"
fails 1 'TRUNCATED' 'a truncated image' $compare "$tmp/cut.fqz" demo
fails 1 'absent' 'an absent image' $compare "$tmp/absent.fqz" demo
fails 1 'absent' 'absent pictures' $compare "$tmp/whole.fqz" "$tmp/absent"
fails 2 'MODEL.onnx MODEL.fqz PICTURES' 'too few files' $compare "$tmp/whole.fqz"
fails 2 'of no use' 'an option that has no effect' $compare "$tmp/whole.fqz" demo --bits 5
fails 2 'of no use' 'the normalization, which the image holds' $compare "$tmp/whole.fqz" demo --mean 0.5
for json in '' --json; do
	run sh -c "$compare '$tmp/whole.fqz' demo $json >/dev/full"
	ok "a full disk${json:+ with }$json: exit status 1" exits 1
	ok 'and the message' says 'standard output'
done

tap_done
