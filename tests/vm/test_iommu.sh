#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The card behind an IOMMU that translates and is strict: memory that the driver
# has not mapped, or has unmapped, cannot be reached, so DMA that comes too late
# or goes astray fails here.

cd "$(dirname "$0")/../.." || exit 1
export FQACCEL_IOMMU=1
exec tests/vm/test_guest.sh build/guest/compare build/guest/crowd build/guest/kill
