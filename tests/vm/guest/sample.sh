#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: fqaccel-run on the sample pictures, on the card and on the soft
# card: the same reports, and raw outputs that are equal byte for byte.

. tests/tap.sh

model=demo/cifar10.fqz
cd "$(dirname "$0")/../../.." || exit 1

# run OUTPUT ARGUMENT...: the report in OUTPUT.txt, the tensor in OUTPUT.raw
run()
{
	out=/tmp/$1
	shift
	fqaccel-run --output "$out.raw" "$@" $model "$picture" >"$out.txt"
}

for picture in demo/*.ppm; do
	name=${picture##*/}
	ok "$name on the soft card" run soft --card soft
	ok "$name on the card" run card --card /dev/fqaccel0
	ok 'the same bytes' cmp /tmp/soft.raw /tmp/card.raw
	ok 'the same report' diff /tmp/soft.txt /tmp/card.txt
done

# With a card there, it is the one that is taken unless told otherwise.
irqs=$(grep fqaccel /proc/interrupts)
ok 'a run without --card' run auto
ok 'the same report' diff /tmp/auto.txt /tmp/card.txt
ok 'it interrupted: the card did it' test "$irqs" != "$(grep fqaccel /proc/interrupts)"

# A card that is there and can't be used is an error, not a reason for the soft one.
# What nobody runs and reads has to lie where nobody may look.
chmod 0 /dev/fqaccel0
mkdir /tmp/nobody
cp build/fqaccel-run $model "$picture" /tmp/nobody/
chmod -R a+rX /tmp/nobody
(cd /tmp/nobody && setpriv --reuid=nobody --clear-groups --no-new-privs \
	./fqaccel-run "${model##*/}" "${picture##*/}" >/tmp/denied.txt 2>&1)
is $? 1 'no permission: status 1'
ok 'and a line that names the device' grep -q /dev/fqaccel0 /tmp/denied.txt
chmod 600 /dev/fqaccel0
fqaccel-run --card /dev/fqaccel9 $model "$picture" >/tmp/absent.txt 2>&1
is $? 1 'no such card: status 1'
ok 'and a line that names it' grep -q /dev/fqaccel9 /tmp/absent.txt
tap_done
