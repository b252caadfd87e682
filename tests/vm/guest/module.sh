#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: the module is refused to go while it is in use, goes when it is
# not, comes back, and leaves neither memory nor interrupts behind.

. tests/tap.sh

loaded()
{
	grep -q '^fqaccel ' /proc/modules
}

vectors()
{
	grep -c fqaccel /proc/interrupts
}

ok 'the module is loaded' loaded
ok 'the device is there' test -c /dev/fqaccel0
ok 'it is bound to the card' test -e /sys/bus/pci/drivers/fqaccel/0000:01:00.0

exec 3<>/dev/fqaccel0
rmmod fqaccel 2>/tmp/rmmod
is $? 1 'it does not go while the device is open'
ok 'and says why' grep -q 'in use' /tmp/rmmod
exec 3>&-
ok 'it goes when nobody uses it' rmmod fqaccel
ok 'the device goes with it' test ! -e /dev/fqaccel0
is "$(vectors)" 0 'no interrupt is left'
ok 'fqaccel-info finds the card all the same' \
	sh -c 'fqaccel-info --json | grep -q "0000:01:00.0.*\"driver\": null.*\"memory\": 268435456"'

# Leaks show in the slab and page counters after many rounds.
rounds=0
while [ $rounds -lt 10 ]; do
	modprobe fqaccel && rmmod fqaccel || break
	rounds=$((rounds + 1))
done
is $rounds 10 'ten times in and out'
ok 'and in again' modprobe fqaccel
ok 'the device is back' test -c /dev/fqaccel0
ok 'fqaccel-info names the driver' \
	sh -c 'fqaccel-info --json | grep -q "\"driver\": \"fqaccel\", \"node\": \"/dev/fqaccel0\""'

# The driver lets go of the card and takes it again.
address=0000:01:00.0
driver=/sys/bus/pci/drivers/fqaccel
echo $address >$driver/unbind
ok 'unbound: no device' test ! -e /dev/fqaccel0
echo $address >$driver/bind
ok 'bound: a device' test -c /dev/fqaccel0
tap_done
