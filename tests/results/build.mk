# SPDX-License-Identifier: MIT
#
# `make results` trains and measures what doc/results.md tells, `make results-doc` writes that
# document from what is there. Both take hours of results only as far as they are done.

RESULTS := $(or $(FQACCEL_RESULTS),$(O)/results)

.PHONY: results results-doc
results:
	@scripts/deps.sh run compress train results
	@+$(MAKE) -s -j$(JOBS) build-all
	@LIST='$(LIST)' ONLY='$(ONLY)' O='$(O)' tests/results/run.sh

results-doc:
	tests/results/results.py document '$(RESULTS)' doc/results.md

# The scripts, on a small stand-in for the programs.
TESTS += tests/results/results.t
