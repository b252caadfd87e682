#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Native hot-plug: the kernel's pciehp serves the slot, not the firmware's ACPI code, which
# all other guests have. The kernel can reset the link there, too.

cd "$(dirname "$0")/../.." || exit 1
export QEMU_ARGS="-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off ${QEMU_ARGS-}"
exec tests/vm/test_guest.sh build/kselftest/fqaccel_err build/kselftest/fqaccel_remove \
	tests/vm/guest/unplug.sh
