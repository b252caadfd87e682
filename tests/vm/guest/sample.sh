#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: fqaccel-run on the sample pictures, on the card and on the soft
# card: the same reports, and raw outputs that are equal byte for byte.

. tests/vm/tap.sh

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
	check "$name on the soft card" run soft --card soft
	check "$name on the card" run card --card /dev/fqaccel0
	check 'the same bytes' cmp /tmp/soft.raw /tmp/card.raw
	check 'the same report' diff /tmp/soft.txt /tmp/card.txt
done

# With a card there, it is the one that is taken unless told otherwise.
irqs=$(grep fqaccel /proc/interrupts)
check 'a run without --card' run auto
check 'the same report' diff /tmp/auto.txt /tmp/card.txt
check 'it interrupted: the card did it' test "$irqs" != "$(grep fqaccel /proc/interrupts)"

# A card that is there and can't be used is an error, not a reason for the soft one.
# What nobody runs and reads has to lie where nobody may look.
chmod 0 /dev/fqaccel0
mkdir /tmp/nobody
cp build/fqaccel-run $model "$picture" /tmp/nobody/
chmod -R a+rX /tmp/nobody
(cd /tmp/nobody && setpriv --reuid=nobody --clear-groups --no-new-privs \
	./fqaccel-run "${model##*/}" "${picture##*/}" >/tmp/denied.txt 2>&1)
is $? 1 'no permission: status 1'
check 'and a line that names the device' grep -q /dev/fqaccel0 /tmp/denied.txt
chmod 600 /dev/fqaccel0
fqaccel-run --card /dev/fqaccel9 $model "$picture" >/tmp/absent.txt 2>&1
is $? 1 'no such card: status 1'
check 'and a line that names it' grep -q /dev/fqaccel9 /tmp/absent.txt
tap_done
