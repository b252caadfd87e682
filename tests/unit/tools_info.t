#!/bin/sh
# SPDX-License-Identifier: MIT
# fqaccel-info: images and cards. Built with sanitizers.
set -u
. "$(dirname "$0")/cli.sh"

# --- usage ---
fails 2 "one model at a time" "two models" fqaccel-info a b
fails 2 "unrecognized option" "an unknown option" fqaccel-info --foo
fails 2 "takes no model" "--dump with a model" fqaccel-info --dump x a
run fqaccel-info --help
ok "--help" prints "Usage: fqaccel-info"
run fqaccel-info --version
ok "--version" prints "fqaccel-info 0.1.0"

# --- images ---
run fqaccel-info --json $sample
ok "an image: exit status 0" exits 0
ok "bytes are the file's" json '$j->{bytes} == '"$(stat -c %s $sample)"
ok "dense_bytes are the layers'" json 'my $s = 0; $s += $_->{dense_bytes} || 0 for @{$j->{layers}};
	$s == $j->{dense_bytes} && $s > 4 * $j->{weights}'
ok "cr is their quotient" json 'abs($j->{cr} - $j->{dense_bytes} / $j->{bytes}) < 0.001'
ok "layers, metadata" json '@{$j->{layers}} == 17 && $j->{metadata}{"accuracy.top1"} > 50'
run fqaccel-info $sample
ok "as text" grep -qE '^ +1  conv +32x32x32 u8 +3x3/1 +864 ' "$tmp/out"
ok "where the input's own size is what counts" prints "rgb, resized to cover it, center crop"
run fqaccel-info --json "$tmp/fc.fqz"
ok "10 x 48 weights and 10 biases of 4 bytes" json '$j->{dense_bytes} == 4 * (480 + 10) && $j->{zeros} == 160'
ok "metadata with quotes" json '$j->{metadata}{description} eq "a \"quoted\" \\ text"'
run fqaccel-info "$tmp/residual.fqz"
ok "every kind of a residual network" sh -c \
	"for k in affine conv add maxpool sumpool fc; do grep -q \" \$k \" '$tmp/out' || exit 1; done"
fails 1 "cannot be opened" "an absent model" fqaccel-info "$tmp/absent"
fails 1 "MAGIC at byte 0" "a text for a model" fqaccel-info /etc/passwd
head -c 5000 $sample >"$tmp/cut.fqz"
fails 1 "TRUNCATED" "a truncated model" fqaccel-info "$tmp/cut.fqz"

# --- cards ---
run fqaccel-info
ok "this machine's cards: exit status 0" exits 0
run fqaccel-info --json
ok "as JSON" json 'ref $j->{cards} eq "ARRAY"'

# A machine with another device and our card: an express capability at 0x40, link 8 GT/s x4 of 16 GT/s x8.
perl -e '
	sub device { my ($slot, %bytes) = @_; print "0000:00:$slot Device\n";
		for my $row (0 .. 15) { printf "%x0: %s\n", $row,
			join " ", map { sprintf "%02x", $bytes{16 * $row + $_} || 0 } 0 .. 15 } print "\n" }
	my %ours = (0, 0x34, 1, 0x12, 2, 0x51, 3, 0x46, 6, 0x10, 8, 1, 11, 0x12, 0x34, 0x40,
		0x40, 0x10, 0x42, 2, 0x4c, 0x84, 0x52, 0x43);
	device("02.0", %ours, 2, 0x52);
	device("03.0", %ours)' >"$tmp/dump"
run fqaccel-info --json --dump "$tmp/dump"
ok "a machine described by lspci: exit status 0" exits 0
ok "one card, at its address" json '@{$j->{cards}} == 1 && $j->{cards}[0]{address} eq "0000:00:03.0" &&
	$j->{cards}[0]{revision} == 1'
ok "its link" json 'my $l = $j->{cards}[0]{link}; $l->{speed} eq "8 GT/s" && $l->{width} == 4 &&
	$l->{max_speed} eq "16 GT/s" && $l->{max_width} == 8'
ok "what is not known is null" json '!defined $j->{cards}[0]{driver} && !defined $j->{cards}[0]{memory}'
run fqaccel-info --dump "$tmp/dump"
ok "as text" prints "8 GT/s x4 (of 16 GT/s x8)"
run fqaccel-info --dump /etc/passwd
ok "a dump without our card" prints "No fqaccel card"
fails 1 "$tmp/absent: cannot be opened" "an absent dump" fqaccel-info --dump "$tmp/absent"
tap_done
