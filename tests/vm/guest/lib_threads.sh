#!/bin/sh
# SPDX-License-Identifier: MIT
# The library's own test on the device.
FQACCEL_TEST_CARD=/dev/fqaccel0 exec build/tests/test_lib_threads
