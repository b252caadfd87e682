#!/bin/sh
# SPDX-License-Identifier: MIT
# fqaccel-eval: kinds of data, what it counts, refusals. Built with sanitizers.
set -u
. "$(dirname "$0")/cli.sh"

# --- usage ---
fails 2 "a model and the data" "no argument" fqaccel-eval
fails 2 "a model and the data" "three arguments" fqaccel-eval a b c
fails 2 "unrecognized option" "an unknown option" fqaccel-eval --foo
fails 2 "--limit takes a whole number" "--limit 0" fqaccel-eval --limit 0 $sample demo
fails 2 "--jobs takes a whole number" "--jobs 1000" fqaccel-eval --jobs 1000 $sample demo
run fqaccel-eval --help
ok "--help" prints "Usage: fqaccel-eval"
run fqaccel-eval --version
ok "--version" prints "fqaccel-eval 0.1.0"

# --- folders named after classes: right ones, and one wrong one ---
mkdir "$tmp/named" "$tmp/numbered"
for class in airplane automobile bird deer frog ship; do
	mkdir "$tmp/named/$class"
	cp "demo/$class.ppm" "$tmp/named/$class/x.ppm"
done
run fqaccel-eval --json $sample "$tmp/named"
ok "folders named after classes: exit status 0" exits 0
ok "all six are right" json '$j->{images} == 6 && $j->{top1} == 100 && $j->{top5} == 100'
mkdir "$tmp/named/dog"
cp demo/truck.ppm "$tmp/named/dog/tru
ck.ppm"
run fqaccel-eval --json --jobs 3 --batch 2 $sample "$tmp/named"
ok "a truck that is labeled a dog is wrong" json '$j->{images} == 7 && abs($j->{top1} - 600 / 7) < 0.001'
run fqaccel-eval $sample "$tmp/named"
ok "as text" prints "top-1       85.71 %"
run fqaccel-eval --json --limit 2 $sample "$tmp/named"
ok "--limit" json '$j->{images} == 2'

# --- a line for each picture ---
run fqaccel-eval --jobs 2 --per-picture "$tmp/lines" $sample "$tmp/named"
ok "--per-picture" exits 0
sed "s,$tmp/,," "$tmp/lines" >"$tmp/got"
cat >"$tmp/want" <<-EOF
	0 0 named/airplane/x.ppm
	1 1 named/automobile/x.ppm
	2 2 named/bird/x.ppm
	4 4 named/deer/x.ppm
	5 9 named/dog/tru_ck.ppm
	6 6 named/frog/x.ppm
	8 8 named/ship/x.ppm
EOF
ok "a line for each picture: label, class, name" cmp "$tmp/got" "$tmp/want"
echo before >"$tmp/lines"
fails 1 "No such file" "absent data" fqaccel-eval --per-picture "$tmp/lines" $sample "$tmp/absent"
ok "after a failure the file is as it was" grep -qx before "$tmp/lines"
fails 1 "cannot be" "a folder that is not there" fqaccel-eval --per-picture "$tmp/no/lines" $sample "$tmp/named"

# --- pictures named after classes' numbers: those of demo/cifar10.classes ---
n=0
while read -r class; do
	[ ! -e "demo/$class.ppm" ] || cp "demo/$class.ppm" "$tmp/numbered/000$n.ppm"
	n=$((n + 1))
done <demo/cifar10.classes
run fqaccel-eval --json --compare-float $sample "$tmp/numbered"
ok "pictures named after numbers" json '$j->{images} == 7 && $j->{top1} == 100'
ok "the float execution of the same network agrees" json '$j->{float_top1} == 100 && $j->{agreement} == 100'
run fqaccel-eval --compare-float $sample "$tmp/numbered"
ok "as text" prints "agreement   100.00 %"

# --- a CIFAR-10 batch of one record: the ship, 96 x 96, every third pixel, as planes ---
perl -e 'local $/; open F, "<", "demo/ship.ppm"; binmode F; binmode STDOUT; my $d = <F>;
	my $p = substr($d, length($d) - 96 * 96 * 3); print chr 8;
	for my $c (0 .. 2) { for my $y (0 .. 31) { for my $x (0 .. 31) {
		print substr($p, 3 * (96 * (3 * $y + 1) + 3 * $x + 1) + $c, 1) } } }' >"$tmp/one.bin"
run fqaccel-eval --json $sample "$tmp/one.bin"
ok "a CIFAR-10 batch" json '$j->{images} == 1 && $j->{top5} == 100'

# --- an IDX file of it, in gray; the labels lie beside it ---
perl -e 'local $/; open F, "<", "demo/ship.ppm"; binmode F; binmode STDOUT; my $d = <F>;
	my $p = substr($d, length($d) - 96 * 96 * 3); print pack "N4", 0x803, 2, 96, 96;
	for (1, 2) { for my $i (0 .. 96 * 96 - 1) { print substr($p, 3 * $i + 1, 1) } }' >"$tmp/one-images-idx3-ubyte"
fails 1 "has no label" "an IDX file without labels" fqaccel-eval $sample "$tmp/one-images-idx3-ubyte"
printf '\0\0\010\001\0\0\0\002\010\010' >"$tmp/one-labels-idx1-ubyte"
run fqaccel-eval --json $sample "$tmp/one-images-idx3-ubyte"
ok "an IDX file" json '$j->{images} == 2 && $j->{top5} == 100'
gzip -n "$tmp/one-images-idx3-ubyte"
fails 1 "gunzip it first" "a compressed one" fqaccel-eval $sample "$tmp/one-images-idx3-ubyte.gz"

# --- refusals ---
fails 1 "has no label" "pictures without a label" fqaccel-eval $sample demo
cp demo/ship.ppm "$tmp/numbered/0010.ppm"
fails 1 "the network knows 0 to 9 only" "a label above the classes" fqaccel-eval $sample "$tmp/numbered"
rm "$tmp/numbered/0010.ppm"
printf 'P6 9 9 255 abc' >"$tmp/numbered/0001.ppm"
fails 1 "0001.ppm: truncated" "a picture that cannot be read" fqaccel-eval $sample "$tmp/numbered"
mkdir "$tmp/named/bat"
cp demo/truck.ppm "$tmp/named/bat"
fails 1 "bat: this folder's name is none" "a folder that is no class" fqaccel-eval $sample "$tmp/named"
head -c 3072 "$tmp/one.bin" >"$tmp/short.bin"
fails 1 "3073" "a batch of a wrong size" fqaccel-eval $sample "$tmp/short.bin"
fails 1 "not a list of classes" "a network without classes" fqaccel-eval "$tmp/gray.fqz" "$tmp/one.bin"
fails 1 "cannot be opened" "an absent model" fqaccel-eval "$tmp/absent" "$tmp/one.bin"
fails 1 "No such file" "absent data" fqaccel-eval $sample "$tmp/absent"
fails 1 "refuses the image" "a text for a model" fqaccel-eval /etc/passwd "$tmp/one.bin"
tap_done
