#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: fqaccel-smi sees a process at work, its load and what it has, and
# nobody may see it without being let.

. tests/tap.sh

# json EXPRESSION: a Perl expression holds for /tmp/smi, read as JSON into $j
json()
{
	perl -MJSON::PP -e '
		local $/; my $j = JSON::PP->new->utf8->decode(<STDIN>);
		my $r = eval $ARGV[0]; die $@ if $@;
		exit($r ? 0 : 1)' "$1" </tmp/smi || { cat /tmp/smi; return 1; }
}

ok 'nobody is there' sh -c 'fqaccel-smi -i 50 --json >/tmp/smi'
ok 'an idle card' json '@{$j->{cards}} == 1 && $j->{cards}[0]{state} eq "live" &&
	$j->{cards}[0]{load} == 0 && !@{$j->{processes}}'

# Busy for long, with every picture of the folder again and again.
pictures=$(i=0; while [ $i -lt 3000 ]; do echo demo/ship.ppm; i=$((i + 1)); done)
# shellcheck disable=SC2086
fqaccel-run --card /dev/fqaccel0 demo/cifar10.fqz $pictures >/dev/null &
worker=$!
n=0
while [ $n -lt 100 ]; do
	fqaccel-smi -i 300 --json >/tmp/smi
	! json '@{$j->{processes}} && $j->{processes}[0]{runs} > 0 && $j->{cards}[0]{load} > 0' \
		>/dev/null || break
	n=$((n + 1))
done
ok 'its load' json '$j->{cards}[0]{load} > 0 && $j->{cards}[0]{load} <= 1'
ok 'the process' json 'my $p = $j->{processes}[0]; @{$j->{processes}} == 1 &&
	$p->{pid} == '$worker' && $p->{command} eq "fqaccel-run" && $p->{card} eq "fqaccel0"'
ok 'what it has' json 'my $p = $j->{processes}[0]; $p->{memory} > 0 && $p->{buffers} > 0 &&
	$p->{load} > 0 && $p->{errors} == 0'
ok 'its memory is of the card' json 'my $c = $j->{cards}[0];
	$c->{memory} - $c->{memory_free} > 0 && $c->{clients} == 1'

mkdir /tmp/smi-nobody
cp build/fqaccel-smi /tmp/smi-nobody/
chmod -R a+rX /tmp/smi-nobody
(cd /tmp/smi-nobody && setpriv --reuid=nobody --clear-groups --no-new-privs \
	./fqaccel-smi -i 50 --json >/tmp/smi)
is $? 0 'without permission on the card'
ok 'the card is shown' json '$j->{cards}[0]{firmware} && $j->{cards}[0]{clients} == 1'
ok "others' processes are not" json '!@{$j->{processes}} && $j->{hidden_processes}'
kill $worker
wait $worker 2>/dev/null
tap_done
