#!/bin/sh
# SPDX-License-Identifier: MIT
# fqaccel-smi: usage, a machine without cards, and one whose sys/ and proc/ are made here.
# What it says of real processes, tests/vm/guest/smi.sh asks. Built with sanitizers.
set -u
. "$(dirname "$0")/cli.sh"

# --- usage ---
fails 2 "takes no argument" "an argument" fqaccel-smi fqaccel0
fails 2 "unrecognized option" "an unknown option" fqaccel-smi --foo
fails 2 "--count goes with --loop" "a count without a loop" fqaccel-smi --count 2
fails 2 "--interval takes a whole number" "no time to measure over" fqaccel-smi -i 0
fails 2 "--count takes a whole number" "a negative count" fqaccel-smi -l -n -1
fails 1 "$tmp/absent: cannot be read" "an absent root" fqaccel-smi --root "$tmp/absent"
run fqaccel-smi --help
ok "--help" prints "Usage: fqaccel-smi"
run fqaccel-smi --version
ok "--version" prints "fqaccel-smi 0.1.0"

# --- a machine without cards ---
mkdir -p "$tmp/none"
run fqaccel-smi --root "$tmp/none"
ok "no card: exit status 0" exits 0
ok "no card: it says so" prints "no fqaccel card with a driver"
run fqaccel-smi --json --root "$tmp/none"
ok "no card: as JSON" json '!@{$j->{cards}} && !@{$j->{processes}} && !$j->{hidden_processes}'
run fqaccel-smi
ok "this machine: exit status 0" exits 0

# --- two cards, one of an older driver that tells less ---
# card NUMBER ADDRESS NAME=VALUE...
card()
{
	dir=$tmp/two/sys/class/fqaccel/fqaccel$1
	mkdir -p "$dir"
	ln -s "../../../devices/pci0000:00/$2" "$dir/device"
	shift 2
	for attribute; do
		echo "${attribute#*=}" >"$dir/${attribute%%=*}"
	done
}
card 10 0000:03:00.0 memory_size=1048576 state=resetting memory_free=garbage
card 2 0000:01:00.0 firmware=1.2.3 hw_version=1.0 format=1.1 memory_size=268435456 \
	memory_free=201326592 lanes=1024 clock_khz=500000 queues=8 numa_node=-1 state=live \
	clients=2 runs=12345 errors=7 cycles=99 busy_ns=1000000 resets=3 hangs=2 replays=1 \
	lost_interrupts=4
# open_file PID FD CLIENT RUNS
open_file()
{
	mkdir -p "$tmp/two/proc/$1/fdinfo"
	echo "worker \"$1\"" >"$tmp/two/proc/$1/comm"
	printf 'pos:\t0\nflags:\t02\ndrm-driver:\tfqaccel\ndrm-pdev:\t0000:01:00.0\n' \
		>"$tmp/two/proc/$1/fdinfo/$2"
	printf 'drm-client-id:\t%s\ndrm-engine-compute:\t5000 ns\ndrm-engine-capacity-compute:\t8\n' "$3" \
		>>"$tmp/two/proc/$1/fdinfo/$2"
	printf 'drm-total-memory:\t2048 KiB\ndrm-total-system:\t1 MiB\nfqaccel-runs:\t%s\n' "$4" \
		>>"$tmp/two/proc/$1/fdinfo/$2"
}
open_file 20 3 1 100
open_file 20 4 1 100
open_file 100 3 1 100
open_file 100 5 2 200
mkdir -p "$tmp/two/proc/7/fdinfo" "$tmp/two/proc/self/fdinfo"
printf 'drm-driver:\ti915\ndrm-client-id:\t1\n' >"$tmp/two/proc/7/fdinfo/0"

run fqaccel-smi --json -i 1 --root "$tmp/two"
ok "two cards: exit status 0" exits 0
ok "in the order of their numbers" json '@{$j->{cards}} == 2 && $j->{cards}[0]{name} eq "fqaccel2" &&
	$j->{cards}[1]{name} eq "fqaccel10"'
ok "what the driver tells" json 'my $c = $j->{cards}[0]; $c->{address} eq "0000:01:00.0" &&
	$c->{firmware} eq "1.2.3" && $c->{memory_free} == 201326592 && $c->{runs} == 12345 &&
	$c->{errors} == 7 && $c->{resets} == 3 && $c->{hangs} == 2 && $c->{lost_interrupts} == 4 &&
	$c->{numa_node} == -1 && $c->{state} eq "live" && $c->{load} == 0'
ok "what it does not tell is null" json 'my $c = $j->{cards}[1]; !defined $c->{memory_free} &&
	!defined $c->{firmware} && !defined $c->{load} && $c->{state} eq "resetting"'
ok "an open file counts once, under its first process" json '@{$j->{processes}} == 2 &&
	$j->{processes}[0]{pid} == 20 && $j->{processes}[0]{client} == 1 &&
	$j->{processes}[1]{pid} == 100 && $j->{processes}[1]{client} == 2'
ok "what it says of itself" json 'my $p = $j->{processes}[1]; $p->{memory} == 2 << 20 &&
	$p->{buffers} == 1 << 20 && $p->{runs} == 200 && !defined $p->{errors} &&
	$p->{card} eq "fqaccel2" && $p->{command} eq "worker \"100\""'
run fqaccel-smi -i 1 --root "$tmp/two"
ok "as text: a card" grep -qE '^fqaccel2 +0000:01:00.0 +live +0.0 +64 +256 +12345 +7 +3 +2 +4 +1.2.3$' "$tmp/out"
ok "as text: what is unknown" grep -qE '^fqaccel10 +0000:03:00.0 +resetting +- +- +1 +- ' "$tmp/out"
ok "as text: a process" grep -qE '^ +100 .* fqaccel2 +0.0 +2 +1 +200 +- +- +worker "100"$' "$tmp/out"

run fqaccel-smi --json --loop -n 3 -i 1 --root "$tmp/two"
is "$(grep -c '^{"cards": \[{.*}$' "$tmp/out")" 3 "--loop: a document in each line"
run fqaccel-smi --loop -n 2 -i 1 --root "$tmp/two"
is "$(grep -c '^CARD' "$tmp/out")" 2 "--loop: as text, without a terminal's codes"
ok "a reader that goes away" sh -c 'fqaccel-smi --json -l -i 1 --root "$1" | head -n 1 >/dev/null' sh "$tmp/two"
tap_done
