#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What tests/fuzz/ioctl.sh runs in the guest: the fuzzer of the driver's ioctls.
#
# Usage: tests/fuzz/ioctl_guest.sh SECONDS [FILE...]
#   FILE: inputs that are run once each, instead of looking for new ones

seconds=$1
shift
# Short hangs, little memory: what is waited for or cleared takes time.
echo 1000 >/sys/module/fqaccel/parameters/hang_ms
echo 64 >/sys/module/fqaccel/parameters/buffer_limit_mb
export FUZZ_LAST=/out/last FUZZ_COVER=/out/cover
[ -n "${FUZZ_CARD-}" ] || unset FUZZ_CARD
# Results, coverage and what takes long are files; libFuzzer's log is our output.
fuzz()
{
	exec build/fuzz/ioctl-fuzzer -timeout=240 -rss_limit_mb=0 -max_len=1024 -len_control=0 -reload=0 \
		-detect_leaks=0 -handle_usr1=0 -artifact_prefix=/out/ "$@"
}

[ $# -eq 0 ] || fuzz "$@"
fuzz -max_total_time="$seconds" -print_final_stats=1 /out/corpus
