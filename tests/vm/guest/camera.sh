#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: frames of the kernel's test camera go to the card without a copy. The program
# is tests/vm/guest/camera.c.

modprobe vivid n_devs=1 node_types=1 num_inputs=1 input_types=0 || {
	echo 'Bail out! there is no test camera'
	exit 1
}
name=$(grep -l vivid-000-vid-cap /sys/class/video4linux/*/name) || {
	echo 'Bail out! the test camera has no device'
	exit 1
}
name=${name%/name}
build/guest/camera "/dev/${name##*/}" || exit 1
# Nothing of it is held any more; what lies with the card's driver goes in the background.
n=0
until rmmod vivid 2>/dev/null; do
	n=$((n + 1))
	[ $n -lt 100 ] || { echo 'Bail out! the test camera is still in use'; exit 1; }
	sleep 0.2
done
