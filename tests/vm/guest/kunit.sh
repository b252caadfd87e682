#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In the guest: loads the KUnit tests of the driver, which run at once, and shows the
# results that the kernel keeps in debugfs: one for each test case.

. "$(dirname "$0")/../../tap.sh"

results=/sys/kernel/debug/kunit

if ! modinfo fqaccel-kunit >/dev/null 2>&1; then
	echo '1..0 # SKIP this kernel has no KUnit'
	exit 0
fi
tap_log=$(mktemp)
modprobe fqaccel-kunit >"$tap_log" 2>&1
result $? 'the module with the tests can be loaded'

# Cases are indented by one level; what says more of them, by two.
for suite in ring sglist slots account fair; do
	log=$results/fqaccel-$suite/results
	cp "$log" "$tap_log" 2>/dev/null || : >"$tap_log"
	cases=0
	while IFS= read -r line; do
		case $line in
		'    ok '*)		status=0 ;;
		'    not ok '*)	status=1 ;;
		*)			continue ;;
		esac
		name=${line#*ok }
		name=${name#* }
		result $status "$suite: ${name#- }"
		cases=$((cases + 1))
	done <"$tap_log"
	test $cases -gt 0
	result $? "$suite has test cases"
done
ok 'the module can be unloaded' rmmod fqaccel-kunit
tap_done
