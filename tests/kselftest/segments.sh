#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on memory in single pages, so that scatter lists have more entries than
# one segment holds. In the guest; the driver is loaded anew.

cd "$(dirname "$0")/../.." || exit 1

if ! rmmod fqaccel || ! modprobe fqaccel max_segment_kb=4; then
	echo 'Bail out! the driver could not be loaded with max_segment_kb=4'
	exit 1
fi
build/kselftest/fqaccel_run
status=$?
if ! rmmod fqaccel || ! modprobe fqaccel; then
	echo 'Bail out! the driver could not be loaded again'
	exit 1
fi
exit $status
