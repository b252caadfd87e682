#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The guest's harness itself: what a command says and returns comes back, and
# whatever goes wrong in the guest's kernel is a failure, silence included.

cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh

FQACCEL_OUT=$(mktemp -d)
export FQACCEL_OUT FQACCEL_NO_MODPROBE=1 FQACCEL_VM_TIMEOUT=120
trap 'rm -rf "$FQACCEL_OUT"' EXIT

# vm NAME COMMAND: sets status; output goes to NAME.out and NAME.err.
vm()
{
	scripts/vm-run.sh "$2" >"$FQACCEL_OUT/$1.out" 2>"$FQACCEL_OUT/$1.err"
	status=$?
}

says()
{
	grep -q -- "$2" "$FQACCEL_OUT/$1"
}

# shellcheck disable=SC2016 # expanded in the guest
vm plain 'echo "to stdout: $((6 * 7))"; echo "to stderr" >&2; pwd >/out/pwd; id -u >/out/uid
	  touch Makefile 2>/out/touch; echo x >/tmp/x && cat /tmp/x; ls /usr/bin/env
	  cat /sys/bus/pci/devices/0000:01:00.0/device; exit 7'
is $status 7 "the command's exit status"
ok 'its stdout' says plain.out '^to stdout: 42$'
ok 'its stderr' says plain.err '^to stderr$'
is "$(cat "$FQACCEL_OUT/pwd")" "$(pwd)" 'it runs in the checkout'
is "$(cat "$FQACCEL_OUT/uid")" 0 'as root'
ok 'the checkout is read-only' says touch 'Read-only file system'
ok '/tmp can be written' says plain.out '^x$'
ok "this machine's programs are there" says plain.out '^/usr/bin/env$'
ok 'so is the card' says plain.out '^0x4651$'

vm panic 'echo before; echo c >/proc/sysrq-trigger; sleep 60'
is $status 125 'a panic'
ok 'is reported as what it is' says panic.err 'without a verdict'
ok 'with the console' says panic.err 'Kernel panic'

vm complaint 'echo "BUG: on purpose" >/dev/kmsg; exit 0'
is $status 125 'a complaint in the log of a kernel that lives on'
ok 'is shown' says complaint.err '^kernel .*BUG: on purpose'

FQACCEL_VM_TIMEOUT=15 vm hang 'sleep 600'
is $status 125 'a command that does not end'
ok 'is told from a crash' says hang.err 'no verdict within 15 s'

# What may be skipped is listed, and has to be.
cat >build/skips.sh <<'EOT'
#!/bin/sh
echo 'ok 1 - one # SKIP for a reason'
echo 'ok 2 # SKIP without a name'
echo 'ok 3 - two # SKIP for no reason'
echo 'ok 4 - three'
echo 1..4
EOT
chmod 755 build/skips.sh
printf '# a list\nskips.sh: one\nskips.sh: without a name  # why\nskips.sh: three\n' >build/skips
FQACCEL_SKIPS=../../../build/skips tests/vm/test_guest.sh build/skips.sh \
	>"$FQACCEL_OUT/skips.out" 2>"$FQACCEL_OUT/skips.err"
ok 'a skip that is listed' says skips.out '^ok 1 - skips.sh: one # SKIP for a reason$'
ok 'one that is listed by its reason' says skips.out '^ok 2 - skips.sh: # SKIP without a name$'
ok 'one that is not listed fails' says skips.out '^not ok 3 - skips.sh: two: skipped'
ok 'a listed one that does not come, too' says skips.out 'not ok 5 .*did not skip.*: three$'

FQACCEL_CARD=no-such-device vm nocard true
is $status 125 'an emulator that does not start'
ok 'says why' says nocard.err 'no-such-device'
tap_done
