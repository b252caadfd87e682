#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Boots a guest with the card and runs a command in it.
#
# Usage: scripts/vm-run.sh 'COMMAND ...'	exits with the command's status
#        scripts/vm-run.sh --shell		a prompt on the guest's console
#
# The command sees this machine's files read-only at their usual paths, the
# tools of build/ on its PATH, a /tmp of its own, and a folder /out that is
# build/vm-out here. It runs as root in the checkout with the driver loaded.
#
# Success is told out of band: the guest writes the status and what its kernel
# complained of to a port of its own. No verdict (a hang, a panic, a warning,
# which panics too) is a failure, with status 125; so is a complaint.
#
# Environment:
#   FQACCEL_CARD=ARGS		the card's -device arguments (default: fqaccel); "none": no card
#   FQACCEL_IOMMU=1		behind an IOMMU, strict
#   FQACCEL_KVM=1		KVM instead of TCG
#   FQACCEL_BARE=DIR		none of this machine's files: DIR is copied into the guest's root,
#				and the command runs in /test there, with busybox's tools. Such
#				a guest can sleep, which 9p does not survive
#   FQACCEL_NO_MODPROBE=1	leave the driver unloaded
#   FQACCEL_MONITOR=1		QEMU's monitor at /dev/virtio-ports/fqaccel.monitor; it
#				lets the guest reach beyond itself, so for tests only
#   FQACCEL_OUT=DIR		instead of build/vm-out
#   FQACCEL_VM=DIR		the guest that scripts/guest-build.sh put there, not build/vm's
#   FQACCEL_VM_TIMEOUT=SECONDS	default 600; FQACCEL_VM_MEMORY=MiB, default 1536
#   FQACCEL_VM_CPUS=N		default 2
#   QEMU_ARGS, KERNEL_ARGS	further arguments

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
vm=${FQACCEL_VM:-$top/build/vm}
out=${FQACCEL_OUT:-$top/build/vm-out}
qemu=$top/build/qemu-system-x86_64

die()
{
	echo "vm: $*" >&2
	exit 125
}

case ${1-} in
--shell)	mode=shell ;;
'')		echo "usage: scripts/vm-run.sh 'COMMAND ...' | --shell" >&2; exit 2 ;;
*)		mode=run; command=$* ;;
esac
[ -x "$qemu" ] || die "$qemu is missing; run make qemu"
[ -e "$vm/initrd" ] || die "$vm/initrd is missing; run scripts/guest-build.sh"

mkdir -p "$out"
out=$(cd "$out" && pwd)
# Paths in QEMU's options: a comma would have to be doubled.
case $top$out in *,*) die "a comma in the path $top or $out is not supported" ;; esac

work=$(mktemp -d "${TMPDIR:-/tmp}/fqaccel-vm.XXXXXX")
children=
cleanup()
{
	[ -z "$children" ] || kill $children 2>/dev/null || :
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What the guest is to do rides behind the initrd, as an archive of its own.
seed=$work/seed/fqaccel
mkdir -p "$seed"
cp "$top/scripts/guest/main" "$seed/main"
quoted_top=$(printf '%s' "$top" | sed "s/'/'\\\\''/g")
if [ -n "${FQACCEL_BARE-}" ]; then
	cp -R "$FQACCEL_BARE" "$seed/root"
	quoted_top=/test
fi
{
	echo "top='$quoted_top'"
	[ -z "${FQACCEL_BARE-}" ] || echo bare=1
	echo "mode=$mode"
	[ -n "${FQACCEL_NO_MODPROBE-}" ] && echo modprobe=0 || echo modprobe=1
	if [ "$mode" = shell ]; then
		stty size 2>/dev/null | sed 's/\(.*\) \(.*\)/rows=\1 columns=\2/'
		echo "term='${TERM:-dumb}'"
	fi
} >"$seed/env"
[ "$mode" = shell ] || printf '%s\n' "$command" >"$seed/command"
(cd "$work/seed" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/seed.cpio"
cat "$vm/initrd" "$work/seed.cpio" >"$work/initrd"

append="console=ttyS0 rdinit=/init loglevel=4 panic=-1 oops=panic panic_on_warn=1"
append="$append softlockup_panic=1 sysctl.kernel.watchdog_thresh=30 sysctl.kernel.hung_task_panic=1"
append="$append log_buf_len=4M mitigations=off nokaslr no_timer_check"

set -- -nodefaults -no-user-config -display none -no-reboot \
	-smp "${FQACCEL_VM_CPUS:-2}" -m "${FQACCEL_VM_MEMORY:-1536}" \
	-kernel "$vm/vmlinuz" -initrd "$work/initrd"
machine=q35
if [ -n "${FQACCEL_KVM-}" ]; then
	set -- "$@" -accel kvm -cpu host
	machine=$machine,kernel-irqchip=split
else
	# 5-level page tables only make TCG slower.
	set -- "$@" -accel tcg,thread=multi -cpu max,la57=off
fi
set -- "$@" -machine "$machine"
if [ -n "${FQACCEL_IOMMU-}" ]; then
	# First of all devices, so that it serves those behind it. Debian leaves the
	# IOMMU off, and lazy when on, which hides DMA that comes too late.
	set -- "$@" -device intel-iommu,intremap=on
	append="$append intel_iommu=on iommu.strict=1"
fi
append="$append ${KERNEL_ARGS-}"
[ -n "${FQACCEL_BARE-}" ] || set -- "$@" \
	-fsdev "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap" \
	-device virtio-9p-pci,fsdev=host,mount_tag=host \
	-fsdev "local,id=out,path=$out,security_model=none" \
	-device virtio-9p-pci,fsdev=out,mount_tag=out
set -- "$@" -append "$append" \
	-device virtio-serial-pci \
	-chardev "file,id=verdict,path=$work/verdict" \
	-device virtserialport,chardev=verdict,name=fqaccel.verdict \
	-device pcie-root-port,id=rp0,slot=1,chassis=1
card=${FQACCEL_CARD:-fqaccel}
[ "$card" = none ] || set -- "$@" -device "$card,id=card,bus=rp0"
if [ -n "${FQACCEL_MONITOR-}" ]; then
	set -- "$@" -chardev "socket,id=hmp,path=$work/hmp,server=on,wait=off" \
		-mon chardev=hmp,mode=readline \
		-chardev "socket,id=hmpguest,path=$work/hmp" \
		-device virtserialport,chardev=hmpguest,name=fqaccel.monitor
fi

if [ "$mode" = shell ]; then
	"$qemu" "$@" -serial mon:stdio ${QEMU_ARGS-} || :
	[ "$(tail -n 1 "$work/verdict")" = end ] || die "the guest stopped without a verdict"
	grep '^kernel ' "$work/verdict" >&2 && exit 125
	exit 0
fi

# QEMU writes into pipes, so that stdout and stderr may be anything here.
mkfifo "$work/out" "$work/err"
cat "$work/out" &
children="$children $!"
copies=$!
cat "$work/err" >&2 &
children="$children $!"
copies="$copies $!"
console=$out/console.log
rm -f "$console" "$out/dmesg"
rc=0
timeout --foreground --kill-after=10 "${FQACCEL_VM_TIMEOUT:-600}" "$qemu" "$@" \
	-chardev "file,id=out0,path=$work/out" \
	-device virtserialport,chardev=out0,name=fqaccel.out \
	-chardev "file,id=err0,path=$work/err" \
	-device virtserialport,chardev=err0,name=fqaccel.err \
	-serial "file:$console" ${QEMU_ARGS-} </dev/null 2>"$work/qemu.log" &
children="$children $!"
wait $! || rc=$?
# Ends of file come with QEMU's end; if it never opened them, there is none.
[ -s "$work/verdict" ] && wait $copies

# The console from where things went wrong, or else its end.
console_tail()
{
	start=$(grep -n -m 1 -E 'Kernel panic|BUG:|WARNING:|Oops' "$console" 2>/dev/null | cut -d: -f1)
	if [ -n "$start" ]; then
		tail -n "+$start" "$console" | head -n 80
	elif [ -e "$console" ]; then
		tail -n 40 "$console"
	fi
}

cat "$work/qemu.log" >&2
if [ "$(tail -n 1 "$work/verdict" 2>/dev/null)" != end ]; then
	console_tail >&2
	[ $rc -ne 124 ] || die "no verdict within ${FQACCEL_VM_TIMEOUT:-600} s; the console is in $console"
	die "the guest died without a verdict (qemu's status $rc); the console is in $console"
fi
if grep '^kernel ' "$work/verdict" >&2; then
	[ ! -e "$out/dmesg" ] || grep -m 1 -A 80 -E 'BUG:|WARNING:|Oops|Call Trace|UBSAN:|DMA-API: [^pd]' \
		"$out/dmesg" >&2
	die "the guest's kernel complained"
fi
[ $rc -eq 0 ] || die "qemu ended with status $rc"
exit "$(sed -n 's/^status //p' "$work/verdict")"
