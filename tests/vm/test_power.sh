#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The guest goes to sleep in the middle of work, and wakes up: drivers' callbacks alone, s2idle,
# S3. It is one without this machine's files, since 9p does not survive that.

cd "$(dirname "$0")/../.." || exit 1
out=$(mktemp -d)
waker=
cleanup()
{
	[ -z "$waker" ] || kill "$waker" 2>/dev/null
	rm -rf "$out"
}
trap cleanup EXIT

# A root of its own: the program, its data and libraries.
root=$out/root
program=build/kselftest/fqaccel_sleep
mkdir -p "$root/test"
cp -R "$program" build/kselftest/data "$root/test"
ldd "$program" | grep -o '/[^ ]*' | while IFS= read -r lib; do
	mkdir -p "$root${lib%/*}"
	cp -L "$lib" "$root$lib"
done

# After S3, QEMU's chipset has forgotten where the registers of ACPI are, among them the timer
# that the kernel reads time from, and nobody in the guest tells it: not so on a real machine.
cat >"$root/test/run" <<'EOT'
modprobe button
dd if=/sys/bus/pci/devices/0000:00:1f.0/config of=/tmp/acpi bs=4 skip=16 count=2 2>/dev/null
export FQACCEL_TEST_WAKE=/dev/ttyS0 FQACCEL_TEST_RESUME=/test/resume
exec "$@"
EOT
cat >"$root/test/resume" <<'EOT'
exec dd if=/tmp/acpi of=/sys/bus/pci/devices/0000:00:1f.0/config bs=4 seek=16 count=2 2>/dev/null
EOT
sed -i '1i #!/bin/sh' "$root/test/run" "$root/test/resume"
chmod +x "$root/test/run" "$root/test/resume"

# The guest says on its console when it is time to wake it. Nothing but the power button ends s2idle.
cat >"$out/wake" <<'EOT'
use strict;
use IO::Socket::UNIX;
my ($log, $socket) = @ARGV;
while (1) {
	sleep 2;
	open(my $fh, '<', $log) or next;
	my ($what) = (grep { /^(falling asleep|awake)/ } <$fh>)[-1] =~ /asleep: (s2idle|s3)/;
	next unless $what;
	my $hmp = IO::Socket::UNIX->new(Peer => $socket) or next;
	print $hmp $what eq 's3' ? "system_wakeup\n" : "system_powerdown\n";
	$hmp->flush;
	sleep 1;
}
EOT
perl "$out/wake" "$out/console.log" "$out/hmp" &
waker=$!

export FQACCEL_OUT="$out" FQACCEL_BARE="$root" FQACCEL_VM_TIMEOUT="${FQACCEL_VM_TIMEOUT:-900}"
export QEMU_ARGS="-monitor unix:$out/hmp,server=on,wait=off ${QEMU_ARGS-}"
scripts/vm-run.sh "./run ./${program##*/}" 2>"$out/err"
vm=$?
if [ $vm -eq 125 ]; then
	sed 's/^/# /' "$out/err" >&2
	echo "Bail out! the guest ended with status $vm"
	exit 1
fi
