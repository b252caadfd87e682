#!/bin/sh
# SPDX-License-Identifier: MIT
# fqaccel-run: exit statuses, messages, pictures, JSON, raw output, profile. Built with sanitizers.
set -u
. "$(dirname "$0")/cli.sh"

# --- usage ---
fails 2 "which model?" "no argument" fqaccel-run
fails 2 "which pictures?" "no picture" fqaccel-run $sample
fails 2 "unrecognized option '--foo'" "an unknown option" fqaccel-run --foo
fails 2 "--top takes a whole number" "--top 0" fqaccel-run --top 0 $sample demo/ship.ppm
fails 2 "--top takes a whole number" "--top -1" fqaccel-run --top -1 $sample demo/ship.ppm
fails 2 "--batch takes a whole number" "--batch x" fqaccel-run --batch x $sample demo/ship.ppm
run fqaccel-run --help
ok "--help: exit status 0" exits 0
ok "--help: prints the usage" prints "Usage: fqaccel-run"
run fqaccel-run --version
ok "--version" prints "fqaccel-run 0.1.0"

# --- the sample ---
for class in $(ls demo/*.ppm | sed 's,demo/,,; s,\.ppm,,'); do
	run fqaccel-run --card soft --top 1 $sample "demo/$class.ppm"
	ok "demo/$class.ppm is classified as $class" grep -qE "^ +[0-9.]+ %  $class\$" "$tmp/out"
done
run fqaccel-run $sample demo/ship.ppm
ok "five classes by default" test "$(wc -l <"$tmp/out")" -eq 6
run fqaccel-run --top 99 $sample demo/ship.ppm
ok "no more than there are" test "$(wc -l <"$tmp/out")" -eq 11
cp demo/ship.ppm "$tmp/-ship.ppm"
run sh -c "cd '$tmp' && fqaccel-run -- '$PWD/$sample' -ship.ppm"
ok "-- ends the options" prints "-ship.ppm"
run fqaccel-run --json $sample demo
ok "a folder of pictures: exit status 0" exits 0
ok "JSON of every picture" json '@{$j->{results}} == 7 && $j->{card} eq "soft"'
ok "JSON of classes" json '$j->{results}[0]{picture} eq "demo/airplane.ppm" &&
	$j->{results}[0]{top}[0]{name} eq "airplane" && $j->{results}[0]{top}[0]{score} > 50'
ok "scores fall" json '!grep { my $t = $_->{top}; grep { $t->[$_]{score} > $t->[$_ - 1]{score} } 1 .. 4 }
	@{$j->{results}}'

run fqaccel-run --json $sample tests/golden/img
ok "PNG, JPEG and PPM of many kinds" json '@{$j->{results}} == 10 && !grep { $_->{error} } @{$j->{results}}'
if command -v script >/dev/null; then
	run script -qec "fqaccel-run --json $sample demo >/dev/null" /dev/null
	ok "a progress bar on a terminal" prints "] 7/7"
	run script -qec "fqaccel-run --json $sample demo/ship.ppm >/dev/null" /dev/null
	ok "none for one picture" test ! -s "$tmp/out"
else
	skip "a progress bar on a terminal" "no script(1)"
fi

# --- the raw output ---
run fqaccel-run --output "$tmp/a.raw" --batch 1 $sample demo
ok "the raw output of 7 pictures is 7 x 10 x 4 bytes" test "$(stat -c %s "$tmp/a.raw")" -eq 280
fqaccel-run --json --output /dev/stdout $sample demo | head -c 280 >"$tmp/b.raw"
ok "into a pipe" cmp "$tmp/a.raw" "$tmp/b.raw"
run fqaccel-run --output "$tmp/b.raw" --batch 7 $sample demo
ok "whatever the batch" cmp "$tmp/a.raw" "$tmp/b.raw"
run env FQACCEL_SOFT_WORKERS=1 fqaccel-run --output "$tmp/b.raw" $sample demo
ok "whatever the number of workers" cmp "$tmp/a.raw" "$tmp/b.raw"
run fqaccel-run --output "$tmp/b.raw" $sample demo/ship.ppm demo/truck.ppm
ok "pictures in the order of the arguments" sh -c \
	"{ head -c 240 '$tmp/a.raw' | tail -c 40; tail -c 40 '$tmp/a.raw'; } | cmp - '$tmp/b.raw'"
run fqaccel-run --json --top 1 $sample demo/ship.ppm
logit=$(head -c 240 "$tmp/a.raw" | tail -c 8 | od -An -td4 | awk '{print $1}')
ok "element 8 of ship's tensor is its logit" json '$j->{results}[0]{top}[0]{logit} == '"$logit"
echo old >"$tmp/keep"
fails 1 "keep/x: cannot be written" "an output that cannot be written" \
	fqaccel-run --output "$tmp/keep/x" $sample demo/ship.ppm

# --- pictures that cannot be read ---
printf 'P6 9 9 255 abc' >"$tmp/short.ppm"
run fqaccel-run --output "$tmp/keep" $sample demo/ship.ppm "$tmp/short.ppm" demo/truck.ppm
ok "a truncated picture among others: exit status 1" exits 1
ok "it is named" says "$tmp/short.ppm: truncated"
ok "the others are classified" prints "demo/truck.ppm"
ok "an output file is not replaced then" grep -qx old "$tmp/keep"
ok "and no temporary is left" sh -c "! ls '$tmp'/keep.tmp-*"
fails 1 "$tmp/absent.png: No such file" "an absent picture" fqaccel-run $sample "$tmp/absent.png"
mkdir "$tmp/empty"
fails 1 "holds no pictures" "an empty folder" fqaccel-run $sample "$tmp/empty"
run fqaccel-run $sample /etc/passwd
ok "a text for a picture: exit status 1" exits 1
ok "a text for a picture: the message" says "not a picture"
run fqaccel-run --json $sample demo/ship.ppm "$tmp/short.ppm"
ok "JSON with an error: exit status 1" exits 1
ok "JSON tells which" json '@{$j->{results}} == 2 && $j->{results}[1]{error} =~ /truncated/'
hard=$(printf 'a"b\\c\td\001\377.ppm')
cp demo/ship.ppm "$tmp/$hard"
run fqaccel-run --json $sample "$tmp/$hard"
ok "a hostile file name is escaped in JSON" json '$j->{results}[0]{picture} =~ /a"b\\c\td\x01\x{fffd}\.ppm$/'

# --- models that cannot be run ---
fails 1 "$tmp/absent.fqz: cannot be opened" "an absent model" fqaccel-run "$tmp/absent.fqz" demo/ship.ppm
fails 1 "refuses the image: MAGIC" "a text for a model" fqaccel-run /etc/passwd demo/ship.ppm
head -c 5000 $sample >"$tmp/cut.fqz"
fails 1 "refuses the image: TRUNCATED" "a truncated model" fqaccel-run "$tmp/cut.fqz" demo/ship.ppm
{ head -c 20000 $sample; printf '\377'; tail -c +20002 $sample; } >"$tmp/flip.fqz"
fails 1 "refuses the image: CRC" "a flipped byte in a model" fqaccel-run "$tmp/flip.fqz" demo/ship.ppm
fails 1 "use a smaller network" "a model larger than the card" fqaccel-run "$tmp/huge.fqz" demo/ship.ppm
fails 1 "modprobe fqaccel" "an absent card" fqaccel-run --card /dev/fqaccel99 $sample demo/ship.ppm
fails 1 "is no card" "an unknown card" fqaccel-run --card hard $sample demo/ship.ppm

# --- other networks ---
run fqaccel-run --output "$tmp/gray.raw" "$tmp/gray.fqz" demo/ship.ppm
ok "a gray network without classes" exits 0
ok "says how to get its output" prints "--output FILE"
ok "its 16 bytes" test "$(stat -c %s "$tmp/gray.raw")" -eq 16
run fqaccel-run --json "$tmp/gray.fqz" demo/ship.ppm
ok "its JSON" json '$j->{results}[0]{picture} && !$j->{results}[0]{top}'

# --- profile ---
run fqaccel-run --json --profile $sample demo/ship.ppm
ok "a profile: exit status 0" exits 0
ok "a profile has each layer and their sum" json 'my $s = 0; $s += $_->{cycles} for @{$j->{profile}};
	@{$j->{profile}} == 17 && $s == $j->{cycles} && $j->{profile}[16]{kind} eq "fc" &&
	!grep { $_->{cycles} < 32 || $_->{host_ms} <= 0 } @{$j->{profile}}'
run fqaccel-run --profile $sample demo/ship.ppm
ok "a profile as a table" grep -qE '^ +1  conv +32x32x32' "$tmp/out"

if [ -w /dev/full ]; then
	fqaccel-run $sample demo/ship.ppm >/dev/full 2>"$tmp/err"
	status=$?
	ok "a full disk behind stdout: exit status 1" exits 1
	ok "a full disk behind stdout: the message" says "standard output cannot be written: No space left"
	ln -s /dev/full "$tmp/full"
	run fqaccel-run --json --output "$tmp/full" $sample "$tmp/short.ppm" demo/ship.ppm
	ok "a full disk behind --output: exit status 1" exits 1
	ok "a full disk behind --output: the message" grep -q "full: cannot be written: No space left" "$tmp/err"
	ok "a full disk behind --output: no JSON of some pictures" test ! -s "$tmp/out"
else
	skip "a full disk" "no /dev/full"
fi
tap_done
