#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: the card is unplugged and plugged in again through QEMU's monitor.
# What happens to work in progress, and without warning, fqaccel_fault tests.

. tests/tap.sh

monitor=/dev/virtio-ports/fqaccel.monitor

hmp()
{
	echo "$1" >&4
}

# until SECONDS COMMAND...: waits until it succeeds.
until_true()
{
	n=$(($1 * 10))
	shift
	while ! "$@"; do
		[ $n -gt 0 ] || return 1
		n=$((n - 1))
		sleep 0.1
	done
}

# The port is opened once; what the monitor says goes to a file.
exec 4<>$monitor
cat <&4 >/tmp/monitor.log &
reader=$!

ok 'the device is there' test -c /dev/fqaccel0
hmp 'device_del card'
ok 'unplugged: the device goes' until_true 20 test ! -e /dev/fqaccel0
ok 'and the function' until_true 20 test ! -e /sys/bus/pci/devices/0000:01:00.0
# The slot is powered off a moment later, and only then takes another card.
sleep 2
hmp 'device_add fqaccel,id=card,bus=rp0'
ok 'plugged in: the device comes' until_true 20 test -c /dev/fqaccel0
ok 'and works' fqaccel-run --card /dev/fqaccel0 demo/cifar10.fqz demo/ship.ppm
# Others may want to open it, too.
kill $reader
wait $reader
exec 4>&-
tap_done
