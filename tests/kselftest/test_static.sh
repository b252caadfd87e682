#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The driver's source: no warning of the compiler (W=1), none of sparse, none of
# checkpatch.pl --strict but for the exceptions in .checkpatch.conf, none of the
# kernel's semantic patches.

cd "$(dirname "$0")/../.." || exit 1

log=$(mktemp)
trap 'rm -f "$log"' EXIT
. tests/tap.sh
tap_log=$log

kernel=$(scripts/guest-kernel.sh) || {
	echo 'Bail out! there are no kernel headers to build against'
	exit 1
}

# C=2 runs sparse over every file, whether it must be compiled or not.
scripts/module-build.sh "$kernel/kdir" build/module-static C=2 >"$log" 2>&1
result $? 'the module builds with W=1'
# Warnings are all that a build prints which succeeds.
test ! -s "$log"
result $? 'neither the compiler nor sparse warns'

scripts/checkpatch.sh >"$log" 2>&1
result $? 'checkpatch.pl --strict is content'

scripts/coccicheck.sh >"$log" 2>&1
result $? 'the semantic patches of the kernel find nothing'
tap_done
