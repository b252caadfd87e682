#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: runs the programs named on the command line one after another;
# /out/NUMBER gets what each of them said, /out/NUMBER.status how it ended.
# tests/vm/test_guest.sh reads them.

number=1
for program; do
	echo "# $program" >&2
	timeout -k 5 120 "$program" >/out/$number 2>/out/$number.err </dev/null
	echo $? >/out/$number.status
	number=$((number + 1))
done
