#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Boots a guest with the card and keeps it busy and disturbed for a while: tests/soak/soak.c.
#
# Usage: tests/soak/soak.sh [-v]
# Environment: SOAK_MINUTES (30), SOAK_SEED (from the clock), and that of scripts/vm-run.sh

cd "$(dirname "$0")/../.." || exit 1
minutes=${SOAK_MINUTES:-30}
export FQACCEL_MONITOR=1
# Little, so that it can be filled quickly.
export FQACCEL_VM_MEMORY="${FQACCEL_VM_MEMORY:-768}"
export FQACCEL_VM_TIMEOUT="${FQACCEL_VM_TIMEOUT:-$((minutes * 60 + 1200))}"
exec scripts/vm-run.sh "tests/soak/guest.sh $* -m $minutes ${SOAK_SEED:+-s $SOAK_SEED} build/soak/*"
