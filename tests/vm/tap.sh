# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced by test scripts: a small emitter of the Test Anything Protocol.
#
#	check 'what holds' COMMAND ...		passes if the command succeeds
#	is "$got" "$want" 'what it is'
#	tap_done				the plan; exits

tap_count=0
tap_failures=0

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

check()
{
	what=$1
	shift
	if "$@"; then
		tap_result 0 "$what"
	else
		tap_result 1 "$what" || diag "failed: $*"
	fi
}

is()
{
	if [ "$1" = "$2" ]; then
		tap_result 0 "$3"
	else
		tap_result 1 "$3" || diag "got '$1', expected '$2'"
	fi
}

tap_done()
{
	echo "1..$tap_count"
	[ "$tap_failures" -eq 0 ] && [ "$tap_count" -gt 0 ]
	exit
}
