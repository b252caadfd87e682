# SPDX-License-Identifier: MIT
#
# The driver's kselftest: built here with the kernel source package's harness,
# run in the guest.

KSFT_GUEST := $(addprefix $(O)/kselftest/fqaccel_,ioctl buffer model run dmabuf memory process fault err \
	sched part fence uring recovery visible power hostile inject fail_nth)
# What unplugs the card comes last.
KSFT_LAST := $(O)/kselftest/fqaccel_remove
KSFT_PROGRAMS := $(KSFT_GUEST) $(KSFT_LAST) $(O)/kselftest/fqaccel_sleep
# The ioctls and their structures are the same for a 32-bit program.
KSFT_32 := $(addprefix $(O)/kselftest32/fqaccel_,ioctl buffer model run dmabuf)
KSFT_DATA := $(O)/kselftest/data
KSFT_MODEL ?= tests/golden/fqz/alive.fqz

.PHONY: kselftest
kselftest: $(KSFT_PROGRAMS) $(KSFT_DATA)/output

# Grouped, so that two makes of lib.mk do not meet.
$(KSFT_PROGRAMS) &: $(wildcard tests/kselftest/*.[ch]) tests/kselftest/Makefile \
		kernel/uapi/fqaccel.h scripts/linux-source.sh
	@mkdir -p $(O)/kselftest
	ksft=$$(scripts/linux-source.sh)/tools/testing/selftests && \
	$(MAKE) --no-print-directory -s -C tests/kselftest KSFT="$$ksft" \
		OUTPUT="$(abspath $(O)/kselftest)" KHDR_INCLUDES=

# The compiler's own headers know of no asm/ for 32 bits; those of 64 will do. The harness
# prints pointers as long longs.
$(KSFT_32) &: $(wildcard tests/kselftest/*.[ch]) tests/kselftest/Makefile \
		kernel/uapi/fqaccel.h scripts/linux-source.sh $(KSFT_DATA)/output
	@mkdir -p $(O)/kselftest32
	@ln -sfn ../kselftest/data $(O)/kselftest32/data
	ksft=$$(scripts/linux-source.sh)/tools/testing/selftests && \
	$(MAKE) --no-print-directory -s -C tests/kselftest KSFT="$$ksft" \
		CC="gcc -m32 -idirafter /usr/include/$$(gcc -dumpmachine) -Wno-pointer-to-int-cast" \
		OUTPUT="$(abspath $(O)/kselftest32)" KHDR_INCLUDES= $(abspath $(KSFT_32))

$(O)/kselftest/expect: $(O)/obj/tests/kselftest/fqaccel_expect.o $(O)/libfqaccel.a
	@mkdir -p $(@D)
	$(CC) -pthread $(LDFLAGS) -o $@ $^ -lm

$(KSFT_DATA)/output: $(O)/kselftest/expect $(KSFT_MODEL)
	@mkdir -p $(@D)
	$(O)/kselftest/expect $(KSFT_MODEL) $(KSFT_DATA)

GUEST_TESTS += $(KSFT_GUEST) tests/kselftest/segments.sh
GUEST_TESTS_LAST += $(KSFT_LAST)
GUEST_TESTS_DEBUG += $(KSFT_32)
guest-tests: kselftest

TESTS += tests/kselftest/test_static.sh
