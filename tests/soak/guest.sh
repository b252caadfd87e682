#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: a soak, and what is left of it when the driver has gone.
#
# Usage: tests/soak/guest.sh SOAK'S ARGUMENTS

. tests/tap.sh

# Memory that is neither free nor a cache that can be dropped, in KiB.
used()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemTotal/ { used = $2 } /^(MemFree|Buffers|Cached|SReclaimable)/ { used -= $2 }
		END { print used }' /proc/meminfo
}

# The driver is loaded: what it brings along does not count.
rmmod fqaccel && modprobe fqaccel && rmmod fqaccel
before=$(used)
modprobe fqaccel
# Its results come first, then those of here.
{ build/tests/soak "$@"; echo $? >/tmp/status; } | tee /tmp/soak | grep -v '^1\.\.'
status=$(cat /tmp/status)
tap_count=$(grep -c -E '^(not )?ok' /tmp/soak)
tap_failures=$(grep -c '^not ok' /tmp/soak)
is $status 0 'the soak is content'
is "$(grep -c '^fqaccel ' /proc/modules)" 1 'the driver is still there'
ok 'and goes' rmmod fqaccel
is "$(grep -c fqaccel /proc/interrupts)" 0 'no interrupt is left'
after=$(used)
echo "# used memory in KiB: $before before, $after after"
ok 'no memory is left' test $((after - before)) -lt 16384
tap_done
