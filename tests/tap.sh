# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced by test scripts, those in the guest too: the Test Anything Protocol.
#
#	ok 'what holds' COMMAND...	passes if the command succeeds, else shows what it says
#	is "$got" "$want" 'what it is'
#	result STATUS 'what was done'	passes if the status is 0, else shows the file $tap_log
#	skip 'what cannot be tested' 'why'
#	tap_done			the plan; exits

tap_count=0
tap_failures=0
tap_log=

tap_result()
{
	tap_count=$((tap_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_count - $2"
	else
		tap_failures=$((tap_failures + 1))
		echo "not ok $tap_count - $2"
	fi
	return "$1"
}

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /' >&2
}

# The command runs in a subshell: variables that it sets are lost.
ok()
{
	tap_what=$1
	shift
	tap_said=$("$@" 2>&1)
	tap_result $? "$tap_what" || diag "failed: $*
$tap_said"
}

is()
{
	if [ "$1" = "$2" ]; then
		tap_result 0 "$3"
	else
		tap_result 1 "$3" || diag "got '$1', expected '$2'"
	fi
}

result()
{
	tap_result "$1" "$2" || [ ! -s "$tap_log" ] || sed 's/^/# /' "$tap_log" >&2
}

skip()
{
	tap_result 0 "$1 # SKIP $2"
}

tap_done()
{
	echo "1..$tap_count"
	[ "$tap_failures" -eq 0 ] && [ "$tap_count" -gt 0 ]
	exit
}
