#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Boots one guest, runs in it every program that build/guest-tests lists, and
# shows their results as one: the driver's ioctls, the card against the soft
# card, crowds, kills, unloading, unplugging.
#
# What may be skipped is listed in tests/vm/kernels: any other skip is a failure, and so is one
# that is listed and does not come.
#
# Usage: tests/vm/test_guest.sh [PROGRAM...]	default: those of build/guest-tests
# Environment: that of scripts/vm-run.sh; FQACCEL_SKIPS, a list of tests/vm/kernels (default
# native); FQACCEL_TEST_TIMEOUT, seconds for each program (300)

cd "$(dirname "$0")/../.." || exit 1
skips=tests/vm/kernels/${FQACCEL_SKIPS:-native}
if [ ! -r "$skips" ]; then
	echo "Bail out! there is no list of skips $skips"
	exit 1
fi

[ $# -gt 0 ] || set -- $(cat build/guest-tests)
if [ $# -eq 0 ]; then
	echo 'Bail out! build/guest-tests names no program; run make check'
	exit 1
fi

FQACCEL_OUT=$(mktemp -d)
export FQACCEL_OUT FQACCEL_MONITOR=1
export FQACCEL_VM_TIMEOUT="${FQACCEL_VM_TIMEOUT:-1200}"
trap 'rm -rf "$FQACCEL_OUT"' EXIT

scripts/vm-run.sh "FQACCEL_TEST_TIMEOUT=${FQACCEL_TEST_TIMEOUT:-300} \
	tests/vm/guest-all.sh $*" >"$FQACCEL_OUT/stdout" 2>"$FQACCEL_OUT/stderr"
vm=$?

# Renumbers one program's results; a plan that is missing or not kept, a status
# that does not fit, silence: each is a failure of its own.
results()
{
	awk -v name="$1" -v status="$2" -v n="$count" '
	FILENAME == skips {
		sub(/#.*/, "")
		sub(/[ \t]+$/, "")
		if (index($0, name ": ") == 1)
			expected[substr($0, length(name) + 3)] = 1
		next
	}
	/^(not )?ok/ {
		bad = /^not/
		sub(/^(not )?ok *[0-9]* *-? */, "")
		test = $0
		skipped = !bad && sub(/ *# *SKIP.*/, "", test)
		# The kselftest harness does not name what it skips, but says why.
		if (skipped && test == "") {
			test = $0
			sub(/^# *SKIP */, "", test)
		}
		if (skipped && !(test in expected)) {
			bad = 1
			sub(/ *# *SKIP/, ": skipped, which this kernel should not:")
		}
		if (skipped)
			delete expected[test]
		failed += bad
		seen++
		print (bad ? "not ok " : "ok ") ++n " - " name ": " $0
		next
	}
	/^[0-9]+\.\.[0-9]+/ { sub(/^[0-9]+\.\./, ""); plan = $0 + 0; planned = 1; next }
	/^Bail out!/ { bail = 1; print "# " name ": " $0; next }
	/^TAP version/ { next }
	{ sub(/^# */, ""); print "# " $0 }
	END {
		why = ""
		if (status == "")
			why = "did not run"
		else if (bail)
			why = "gave up"
		else if (!planned)
			why = "died without a plan, status " status
		else if (plan != seen)
			why = "planned " plan " results and gave " seen + 0
		else if (status != 0 && !failed)
			why = "ended with status " status
		for (test in expected)
			if (why == "")
				why = "did not skip, though listed: " test
		if (why != "")
			print "not ok " ++n " - " name ": " why
		print n + 0 >counter
	}' counter="$FQACCEL_OUT/counter" skips="$skips" "$skips" "$3"
}

# How long each took.
grep '^# ' "$FQACCEL_OUT/stdout" >&2
count=0
number=1
for program; do
	out=$FQACCEL_OUT/$number
	[ -e "$out" ] || : >"$out"
	results "${program##*/}" "$(cat "$out.status" 2>/dev/null)" "$out"
	count=$(cat "$FQACCEL_OUT/counter")
	[ ! -s "$out.err" ] || sed 's/^#* */# /' "$out.err" >&2
	number=$((number + 1))
done

count=$((count + 1))
if [ $vm -eq 0 ]; then
	echo "ok $count - the guest's kernel has nothing to complain of"
else
	sed 's/^/# /' "$FQACCEL_OUT/stderr" >&2
	echo "not ok $count - the guest ended with status $vm"
fi
echo "1..$count"
