#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: runs the programs named on the command line one after another;
# /out/NUMBER gets what each of them said, /out/NUMBER.status how it ended.
# tests/vm/test_guest.sh reads them. FQACCEL_TEST_TIMEOUT: seconds for each, default 300.

number=1
for program; do
	start=$(cut -d. -f1 /proc/uptime)
	timeout -k 5 "${FQACCEL_TEST_TIMEOUT:-300}" "$program" \
		>/out/$number 2>/out/$number.err </dev/null
	echo $? >/out/$number.status
	echo "# ${program##*/}: $(($(cut -d. -f1 /proc/uptime) - start)) s"
	number=$((number + 1))
done
