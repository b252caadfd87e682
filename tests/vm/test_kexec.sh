#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Another kernel takes over in the middle of work: tests/vm/guest/kexec.sh.

cd "$(dirname "$0")/../.." || exit 1
FQACCEL_OUT=$(mktemp -d)
export FQACCEL_OUT FQACCEL_VM_TIMEOUT="${FQACCEL_VM_TIMEOUT:-300}"
trap 'rm -rf "$FQACCEL_OUT"' EXIT
vm=${FQACCEL_VM:-$PWD/build/vm}
scripts/vm-run.sh "exec tests/vm/guest/kexec.sh '$(readlink -f "$vm/vmlinuz")' '$vm/initrd'"
