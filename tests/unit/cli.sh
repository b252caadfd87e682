# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced by tests of command-line tools, those built with sanitizers: a folder of their own, $tmp,
# with small networks in it, and what a command may be asked to say. They end with tap_done.

cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
build=${O:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
PATH=$PWD/$build/san:$PATH
# shellcheck disable=SC2034 # for those who source this
sample=demo/cifar10.fqz
"$build/tests/make_smallnet" "$tmp" || exit 1

# run COMMAND...: its output goes to $tmp/out and $tmp/err, its exit status to $status
run()
{
	"$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

# The last run did not do as expected: why, and what it said.
unexpected()
{
	echo "$1"
	cat "$tmp/out"
	sed 's/^/stderr: /' "$tmp/err"
	return 1
}

# exits N: the last run's exit status was N
exits()
{
	[ "$status" -eq "$1" ] || unexpected "exit status $status, expected $1"
}

# says TEXT: the last run's stderr is one line with TEXT in it (usage errors: and a hint)
says()
{
	grep -qF -- "$1" "$tmp/err" || unexpected "stderr does not say: $1" || return
	[ "$(grep -cv '^Try ' "$tmp/err")" -eq 1 ] || unexpected 'stderr is not one line'
}

# prints TEXT: the last run's stdout has TEXT in it
prints()
{
	grep -qF -- "$1" "$tmp/out" || unexpected "stdout does not say: $1"
}

# fails STATUS TEXT WHAT COMMAND...: exit status, one line of stderr, nothing on stdout
fails()
{
	fails_status=$1 fails_text=$2 fails_what=$3
	shift 3
	run "$@"
	ok "$fails_what: exit status $fails_status" exits "$fails_status"
	ok "$fails_what: the message" says "$fails_text"
	ok "$fails_what: nothing on stdout" test ! -s "$tmp/out"
}

# json EXPRESSION: a Perl expression holds for the last run's stdout, read as JSON into $j
json()
{
	perl -MJSON::PP -e '
		local $/; my $j = JSON::PP->new->utf8->decode(<STDIN>);
		my $r = eval $ARGV[0]; die $@ if $@;
		exit($r ? 0 : 1)' "$1" <"$tmp/out" || unexpected "JSON: not $1"
}
