#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Boots guests of one and of two CPUs with the card and an NVMe device that does nothing
# (null-co behind it), and runs build/tests/latency in them.
#
# Usage: tests/bench/latency.sh [LATENCY'S ARGUMENTS]
# Environment: FQACCEL_VM_CPUS: "1 2" unless told; that of scripts/vm-run.sh

set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
cpus=${FQACCEL_VM_CPUS:-1 2}
export FQACCEL_VM_CPUS
export QEMU_ARGS="-blockdev driver=null-co,node-name=null,size=1048576,read-zeroes=on \
-device nvme,serial=null,drive=null ${QEMU_ARGS-}"

for FQACCEL_VM_CPUS in $cpus; do
	"$top/scripts/vm-run.sh" "modprobe -q nvme; n=0
while [ ! -b /dev/nvme0n1 ] && [ \$n -lt 100 ]; do sleep 0.1; n=\$((n + 1)); done
build/tests/latency $* /dev/nvme0n1"
done
