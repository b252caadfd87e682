#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Says what would keep this machine from loading a module that was just
# installed, and what to do about it. Silent where there is nothing to say.
#
# Usage: scripts/module-hints.sh MODULE.ko

set -eu

module=$1
release=$(modinfo -F vermagic "$module" | cut -d' ' -f1)
if [ "$release" != "$(uname -r)" ]; then
	echo "$module is for kernel $release; this one is $(uname -r)"
fi
# The last byte of an EFI variable's file is its value.
secure=$(cat /sys/firmware/efi/efivars/SecureBoot-* 2>/dev/null | tail -c 1 | od -An -tu1 | tr -d ' ')
lockdown=$(sed -n 's/.*\[\(.*\)\].*/\1/p' /sys/kernel/security/lockdown 2>/dev/null || :)
if [ -z "$(modinfo -F signer "$module")" ] &&
   { [ "$secure" = 1 ] || [ "${lockdown:-none}" != none ]; }; then
	echo "Secure Boot or lockdown is on and $module is not signed: modprobe will say"
	echo "\"Key was rejected by service\". Sign it with a key that the firmware knows (README.md,"
	echo "Install the driver), or use make dkms, which signs with the machine's own key."
fi
