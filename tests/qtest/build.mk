# SPDX-License-Identifier: MIT
#
# Register-level tests of the card in QEMU: no guest, the test plays the processor.

define qtest_test
TESTS += $(O)/tests/qtest_$(1)
$(O)/tests/qtest_$(1): $(patsubst %.c,$(O)/san/%.o,tests/qtest/test_$(1).c \
		tests/qtest/bench.c tests/qtest/qtest.c)
	@mkdir -p $$(@D)
	$$(CC) $$(SAN_LDFLAGS) -pthread -o $$@ $$^
endef

$(eval $(call qtest_test,pci))
$(eval $(call qtest_test,registers))
$(eval $(call qtest_test,commands))
$(eval $(call qtest_test,run))
