#!/bin/sh
# SPDX-License-Identifier: MIT
# fqaccel-compress --target-cr and --max-loss: the constraint is met by the image that is written, layers
# differ where it pays, what cannot be met is refused; the file of --resume makes an interrupted search
# end as the whole one does, and is refused where it is of something else or damaged.
set -u
. "$(dirname "$0")/cli.sh"
golden=tests/golden/onnx/small.onnx
input="$golden --calibrate demo --mean 0.49,0.48,0.45 --std 0.25,0.24,0.26"
# Most of it without sanitizers: a search takes its time.
search="$build/fqaccel-compress $input"
checked="fqaccel-compress $input"

# Rate that an image has, the file as a whole: the network has 2112 weights and 58 biases.
rate()
{
	echo "$((100 * 4 * 2170 / $(wc -c <"$1")))"
}

run $search --target-cr 3 -o "$tmp/cr.fqz" --resume "$tmp/cr.txt"
ok 'a rate is searched for' exits 0
ok 'the image has it' test "$(rate "$tmp/cr.fqz")" -ge 300
ok 'and not much more' test "$(rate "$tmp/cr.fqz")" -lt 340
ok 'the plans are listed' prints 'search: the plans that were measured'
is "$(grep -c '^\* *[0-9]' "$tmp/out")" 1 'one of them is the chosen one'
size=$(sed -n 's/^\* *\([0-9]*\) .*/\1/p' "$tmp/out")
is "$size" "$(wc -c <"$tmp/cr.fqz")" 'which has the size of the image'
ok 'that calibrating and scoring on the same pictures flatters is said' prints 'flatters'
ok 'passes are told of as they end' grep -q '^search: pass 1: CR ' "$tmp/err"
run fqaccel-info --json "$tmp/cr.fqz"
ok 'layers have different widths' json '
	my %bits = map { $_->{bits} => 1 } grep { defined $_->{bits} } @{$j->{layers}};
	keys %bits > 1'
ok 'the plan is in the metadata' json '
	$j->{metadata}{"encoder.options"} =~ m{by a search bits/sparsity in % by layer: [3-8]/\d}'
ok 'which tell of no width or sparsity for all layers' json '
	$j->{metadata}{"encoder.options"} =~ /^--mode auto --rounding feedback --prune feedback --cal/'

run $checked --target-cr 3 -o "$tmp/again.fqz" -q -j 3
ok 'the same search with sanitizers and three threads' exits 0
ok 'quiet is quiet' test ! -s "$tmp/out"
ok 'the same bytes' cmp "$tmp/cr.fqz" "$tmp/again.fqz"

# The file grows record by record and is always whole, so what an interruption leaves is a beginning of it.
lines=$(wc -l <"$tmp/cr.txt")
ok 'the file holds key, sensitivities, effects and passes' test "$lines" -ge 14
for kept in 2 5 9 13 "$lines"; do
	head -n "$kept" "$tmp/cr.txt" >"$tmp/part.txt"
	run $search --target-cr 3 -o "$tmp/part.fqz" --resume "$tmp/part.txt" -q
	ok "resumed after $kept records: the same image" cmp "$tmp/cr.fqz" "$tmp/part.fqz"
	ok "resumed after $kept records: the same file" cmp "$tmp/cr.txt" "$tmp/part.txt"
done
# Killed for true, at the same place however fast the machine is: by SIGXFSZ, when the file outgrows 3 KiB
# (6 in some shells).
(ulimit -c 0; ulimit -f 6; exec $search --target-cr 3 -o "$tmp/killed.fqz" --resume "$tmp/killed.txt" -q) \
	>"$tmp/out" 2>"$tmp/err"
ok 'a signal ends it' test $? -gt 128
ok 'an interrupted search has kept what it measured' grep -q '^layer' "$tmp/killed.txt"
ok 'but not all' test "$(wc -l <"$tmp/killed.txt")" -lt "$lines"
ok 'and leaves no image' test ! -e "$tmp/killed.fqz"
ok 'nor anything but its file' test "$(find "$tmp" -name 'killed*' | wc -l)" -eq 1
run $search --target-cr 3 -o "$tmp/killed.fqz" --resume "$tmp/killed.txt" -q
ok 'goes on from there to the same image' cmp "$tmp/cr.fqz" "$tmp/killed.fqz"

run $search --target-cr 2.7 -o "$tmp/other.fqz" --resume "$tmp/part.txt"
ok 'another constraint uses the same measurements' exits 0
ok 'and has its image' test "$(rate "$tmp/other.fqz")" -ge 270
ok 'of less loss than the smaller one' test "$(wc -c <"$tmp/other.fqz")" -gt "$(wc -c <"$tmp/cr.fqz")"

# Of the labels that the float network gives it loses none.
run $search --bits 8 -o "$tmp/wide.fqz" -q
run $search --max-loss 0 -o "$tmp/loss.fqz" --json --resume "$tmp/part.txt"
ok 'the smallest image without a loss' exits 0
ok 'it is smaller than 8 bits throughout' \
	test "$(wc -c <"$tmp/loss.fqz")" -lt "$(wc -c <"$tmp/wide.fqz")"
ok 'JSON tells all passes' json '
	my @chosen = grep { $_->{chosen} } @{$j->{search}{passes}};
	@chosen == 1 && $chosen[0]{loss} <= 0 && $j->{search}{max_loss} == 0 &&
	@{$chosen[0]{plan}} == 5 && !grep { $_->{loss} <= 0 && $_->{bytes} < $chosen[0]{bytes} }
		@{$j->{search}{passes}}'
run $search --max-loss 100 -o "$tmp/all.fqz" -q --resume "$tmp/part.txt"
ok 'any loss: a smaller one' test "$(wc -c <"$tmp/all.fqz")" -lt "$(wc -c <"$tmp/loss.fqz")"

for options in '--rounding nearest' '--prune none' '--prune magnitude --mode shift'; do
	run $search --target-cr 2.6 -o "$tmp/way.fqz" $options -q
	ok "$options: exit status" exits 0
	ok "$options: the rate" test "$(rate "$tmp/way.fqz")" -ge 260
done

mkdir "$tmp/labeled"
i=0
for picture in demo/*.ppm; do
	cp "$picture" "$tmp/labeled/$i.ppm"
	i=$((i + 1))
done
run $search --target-cr 2.6 -o "$tmp/eval.fqz" --evaluate "$tmp/labeled"
ok 'with --evaluate' exits 0
ok 'top-1 is listed' prints 'top-1   loss'
ok 'and nothing flatters' test "$(grep -c flatters "$tmp/out")" -eq 0

no="$tmp/no.fqz"
fails 1 '--target-cr 50 cannot be met: the most that was seen is' 'a rate beyond reach' \
	$search --target-cr 50 -o "$no" -q --resume "$tmp/part.txt"
fails 1 '--max-loss 0 cannot be met: the least that was seen is' 'a loss below reach' \
	$search --max-loss 0 --rounding nearest --mode shift -o "$no" -q
{ cat $golden; printf '\022\001x'; } >"$tmp/other.onnx"
fails 1 'of another network' 'measurements of another network' fqaccel-compress "$tmp/other.onnx" \
	--calibrate demo --target-cr 3 -o "$no" -q --resume "$tmp/cr.txt"
fails 1 'other calibration pictures' 'of other pictures' \
	$checked --pictures 3 --target-cr 3 -o "$no" -q --resume "$tmp/cr.txt"
fails 1 'other evaluation pictures' 'of other evaluation pictures' \
	$checked --evaluate "$tmp/labeled" --target-cr 3 -o "$no" -q --resume "$tmp/cr.txt"
fails 1 'other options' 'of other options' \
	$checked --seed 2 --target-cr 3 -o "$no" -q --resume "$tmp/cr.txt"
fails 1 'other options' 'of an image whose metadata is longer' \
	$checked --pictures 1000 --target-cr 3 -o "$no" -q --resume "$tmp/cr.txt"
head -c 700 "$tmp/cr.txt" >"$tmp/cut.txt"
fails 1 'damaged' 'a file that was cut' $checked --target-cr 3 -o "$no" -q --resume "$tmp/cut.txt"
sed '4s/ #/0 #/' "$tmp/cr.txt" >"$tmp/changed.txt"
fails 1 'line 4: it is damaged' 'a file that was changed' \
	$checked --target-cr 3 -o "$no" -q --resume "$tmp/changed.txt"
# Lines whose CRC32C is right, and nothing else.
sealed()
{
	perl -e 'my $c = 0xffffffff;
		for my $b (unpack "C*", $ARGV[0]) {
			$c ^= $b;
			$c = $c & 1 ? $c >> 1 ^ 0x82f63b78 : $c >> 1 for 1 .. 8;
		}
		printf "%s #%08x\n", $ARGV[0], $c ^ 0xffffffff' "$1"
}
is "$(sealed 'fqaccel-search 1')" "$(head -n 1 "$tmp/cr.txt")" 'the CRC is that of the lines'
layer=$(sed -n '4s/ #.*//p' "$tmp/cr.txt")
for line in 'what 1' 'layer 1' "layer 99${layer#layer ?}" "layer -1${layer#layer ?}" "$layer 1" \
	"layer 1 nan${layer#layer ? * }" "layer 1 -1${layer#layer ? * }" 'effect 0 inf' 'effect 0 -1' \
	'effect 7 1' 'pass 0,0,0,0,0 1,1,1,1 9 1 1 1' 'pass 0,0,0,0,99 1,1,1,1,1 9 1 1 1' 'pass '; do
	{ head -n 2 "$tmp/cr.txt"; sealed "$line"; } >"$tmp/sealed.txt"
	fails 1 'line 3: it makes no sense' "$(echo "$line" | cut -c 1-20)" \
		$checked --target-cr 3 -o "$no" -q --resume "$tmp/sealed.txt"
done
{ head -n 2 "$tmp/cr.txt"; grep '^pass' "$tmp/cr.txt"; } >"$tmp/sealed.txt"
fails 1 'passes without sensitivities' 'passes alone' \
	$checked --target-cr 3 -o "$no" -q --resume "$tmp/sealed.txt"
fails 1 'not a file that --resume wrote' 'some other file' \
	$checked --target-cr 3 -o "$no" -q --resume README.md
fails 1 'No such file' 'a file in an absent folder' \
	$checked --target-cr 3 -o "$no" -q --resume "$tmp/absent/r.txt"
ok 'none of them left an image' test ! -e "$no"

fails 2 'not both' 'both constraints' $checked --target-cr 3 --max-loss 1 -o "$no"
fails 2 'needs --calibrate' 'no pictures' fqaccel-compress $golden --target-cr 3 -o "$no"
fails 2 'goes with' '--resume without a search' $checked --resume "$tmp/cr.txt" -o "$no"
for options in '--bits 5' '--sparsity 0.5' '--keep c1=8' "--config $tmp/cr.txt"; do
	fails 2 'chooses bits and sparsity itself' "the search with ${options%% *}" \
		$checked --target-cr 3 -o "$no" $options
done

tap_done
