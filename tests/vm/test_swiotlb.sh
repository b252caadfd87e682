#!/bin/sh
# SPDX-License-Identifier: MIT
#
# All DMA through bounce buffers, as where a device does not reach all memory: what is not
# synced, or is synced in the wrong direction or at the wrong time, is seen as wrong
# bytes. A mapping is at most 256 KiB there, and there is room for 256 MiB of them.

cd "$(dirname "$0")/../.." || exit 1
export KERNEL_ARGS="swiotlb=131072,force ${KERNEL_ARGS-}"
exec tests/vm/test_guest.sh \
	build/kselftest/fqaccel_ioctl build/kselftest/fqaccel_buffer \
	build/kselftest/fqaccel_model build/kselftest/fqaccel_run \
	build/kselftest/fqaccel_dmabuf build/kselftest/fqaccel_memory \
	tests/vm/guest/camera.sh build/guest/compare
