# SPDX-License-Identifier: MIT
#
# Unit tests are programs from the sanitizer tree: unit_test NAME, sources and libraries.

comma := ,

# $(call unit_test,NAME,further sources,libraries): build/tests/NAME from tests/unit/NAME.c.
define unit_test
TESTS += $(O)/tests/$(1)
$(O)/tests/$(1): $(patsubst %.c,$(O)/san/%.o,tests/unit/$(1).c $(2)) $(3)
	@mkdir -p $$(@D)
	$$(CC) $$(SAN_LDFLAGS) -pthread -o $$@ $$^ $(4) -lm
endef

# Link flags of programs that include tests/unit/fail_alloc.h.
FAIL_ALLOC := $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc reallocarray aligned_alloc strdup \
	mmap)

include $(wildcard tests/unit/*.mk tests/vm/build.mk tests/fuzz/build.mk tests/kselftest/build.mk tests/qtest/build.mk tests/bench/build.mk tests/results/build.mk tests/soak/build.mk tests/onnx/build.mk tests/ort/build.mk)
