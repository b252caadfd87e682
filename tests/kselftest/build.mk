# SPDX-License-Identifier: MIT
#
# The driver's kselftest: built here with the kernel source package's harness,
# run in the guest.

# fail_nth needs a kernel with fault injection, which the distribution's has not.
KSFT_GUEST := $(addprefix $(O)/kselftest/fqaccel_,ioctl buffer model run process fault recovery)
KSFT_PROGRAMS := $(KSFT_GUEST) $(O)/kselftest/fqaccel_fail_nth
KSFT_DATA := $(O)/kselftest/data
KSFT_MODEL ?= tests/golden/fqz/every-kind.fqz

.PHONY: kselftest
kselftest: $(KSFT_PROGRAMS) $(KSFT_DATA)/output

# Grouped, so that two makes of lib.mk do not meet.
$(KSFT_PROGRAMS) &: $(wildcard tests/kselftest/*.[ch]) tests/kselftest/Makefile \
		kernel/uapi/fqaccel.h scripts/linux-source.sh
	@mkdir -p $(O)/kselftest
	ksft=$$(scripts/linux-source.sh)/tools/testing/selftests && \
	$(MAKE) --no-print-directory -s -C tests/kselftest KSFT="$$ksft" \
		OUTPUT="$(abspath $(O)/kselftest)" KHDR_INCLUDES=

$(O)/kselftest/expect: $(O)/obj/tests/kselftest/fqaccel_expect.o $(O)/libfqaccel.a
	@mkdir -p $(@D)
	$(CC) -pthread $(LDFLAGS) -o $@ $^ -lm

$(KSFT_DATA)/output: $(O)/kselftest/expect $(KSFT_MODEL)
	@mkdir -p $(@D)
	$(O)/kselftest/expect $(KSFT_MODEL) $(KSFT_DATA)

GUEST_TESTS += $(KSFT_GUEST) tests/kselftest/segments.sh
guest-tests: kselftest

TESTS += tests/kselftest/test_static.sh
