#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: in the middle of work another kernel is started, without a reset of the
# machine. The card must be quiet then, as its rings belong to nobody any more; the
# other kernel's driver takes it. That kernel runs this script again, as kexec.sh second.
#
# Usage: tests/vm/guest/kexec.sh VMLINUZ INITRD | second

. tests/tap.sh

node=/dev/fqaccel0

# A register of the card, whether there is a driver or not.
register()
{
	base=$(cut -d' ' -f1 /sys/bus/pci/devices/0000:01:00.0/resource | head -n 1)
	/run/fqaccel/busybox devmem $((base + $1)) 32
}

picture()
{
	fqaccel-run --card $node demo/cifar10.fqz demo/ship.ppm
}

if [ "$1" = second ]; then
	ok 'another kernel was started' grep -q fqaccel.second /proc/cmdline
	ok 'which has not touched the card' test ! -e $node
	is "$(register 0x00)" 0x31415146 'the registers can be read'
	is "$(register 0x30)" 0x00000000 'the card is not enabled'
	is "$(register 0x34)" 0x00000000 'and has nothing to do'
	ok 'the driver takes it' modprobe fqaccel
	ok 'there is a device' test -c $node
	ok 'which works' picture
	tap_done
fi

set -e
mkdir -p /tmp/seed
cp -r /run/fqaccel /tmp/seed/fqaccel
sed -i 's/^modprobe=.*/modprobe=0/' /tmp/seed/fqaccel/env
echo 'exec tests/vm/guest/kexec.sh second' >/tmp/seed/fqaccel/command
# The pipes of our output are no part of it.
(cd /tmp/seed && find . -type f -o -type d | cpio --quiet -o -H newc) >/tmp/seed.cpio
cat "$2" /tmp/seed.cpio >/tmp/initrd
kexec -l "$1" --initrd=/tmp/initrd --append="$(cat /proc/cmdline) fqaccel.second"

for i in 1 2 3; do
	while :; do picture >/dev/null; done &
done
while [ "$(cat /sys/class/fqaccel/fqaccel0/runs)" -lt 5 ]; do
	sleep 0.1
done
# What the other kernel is to find changed.
grep -q '^CONTROL *0x1$' /sys/kernel/debug/fqaccel/fqaccel0/registers
kexec -e
sleep 60
echo 'the other kernel was not started' >&2
exit 1
