# SPDX-License-Identifier: MIT
# The Test Anything Protocol for shell scripts. A script sets tmp to a folder of its own and ends
# with tap_done.

tap_count=0
tap_failures=0

# ok WHAT COMMAND...: one test, passed if the command succeeds
ok() {
	tap_what=$1
	shift
	tap_count=$((tap_count + 1))
	if "$@" >"$tmp/tap.log" 2>&1; then
		echo "ok $tap_count - $tap_what"
	else
		tap_failures=$((tap_failures + 1))
		echo "not ok $tap_count - $tap_what"
		sed 's/^/# /' "$tmp/tap.log" >&2
		[ ! -s "$tmp/err" ] || sed 's/^/# stderr: /' "$tmp/err" >&2
	fi
}

# skip WHAT WHY: a test that cannot run here
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# run COMMAND...: its output goes to $tmp/out and $tmp/err, its exit status to $status
run() {
	"$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

# exits N: the last run's exit status was N
exits() {
	[ "$status" -eq "$1" ] || { echo "exit status $status, expected $1"; return 1; }
}

# says TEXT: the last run's stderr is one line with TEXT in it (usage errors: and a hint)
says() {
	grep -qF -- "$1" "$tmp/err" || { echo "stderr does not say: $1"; return 1; }
	[ "$(grep -cv '^Try ' "$tmp/err")" -eq 1 ] || { echo "stderr is not one line"; return 1; }
}

# prints TEXT: the last run's stdout has TEXT in it
prints() {
	grep -qF -- "$1" "$tmp/out" || { echo "stdout does not say: $1"; cat "$tmp/out"; return 1; }
}

# fails STATUS TEXT WHAT COMMAND...: exit status, one line of stderr, nothing on stdout
fails() {
	tap_want=$1 tap_text=$2 tap_name=$3
	shift 3
	run "$@"
	ok "$tap_name: exit status $tap_want" exits "$tap_want"
	ok "$tap_name: the message" says "$tap_text"
	ok "$tap_name: nothing on stdout" test ! -s "$tmp/out"
}

# json EXPRESSION: a Perl expression holds for the last run's stdout, read as JSON into $j
json() {
	perl -MJSON::PP -e '
		local $/; my $j = JSON::PP->new->utf8->decode(<STDIN>);
		my $r = eval $ARGV[0]; die $@ if $@;
		exit($r ? 0 : 1)' "$1" <"$tmp/out" || { echo "JSON: not $1"; cat "$tmp/out"; return 1; }
}

tap_done() {
	echo "1..$tap_count"
	[ "$tap_failures" -eq 0 ]
}
