# SPDX-License-Identifier: MIT
#
# `make soak`: eight processes and a card that is disturbed in every way, for
# SOAK_MINUTES (30) in a guest. SOAK_SEED repeats a soak's decisions.

SOAK_MODELS := demo/cifar10.fqz $(addprefix tests/golden/fqz/,alive.fqz rle-segments.fqz tans-segments.fqz)
SOAK_DATA := $(patsubst %.fqz,$(O)/soak/%/output,$(notdir $(SOAK_MODELS)))

$(O)/tests/soak: $(patsubst %,$(O)/obj/tests/soak/%.o,soak worker judge disturb)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

$(SOAK_DATA): $(O)/soak/%/output: $(O)/kselftest/expect
	@mkdir -p $(@D)
	$(O)/kselftest/expect $(filter %/$*.fqz,$(SOAK_MODELS)) $(@D)

.PHONY: soak
soak:
	@scripts/deps.sh vm
	@+$(MAKE) -s -j$(JOBS) qemu guest $(O)/tests/soak $(SOAK_DATA)
	tests/soak/soak.sh
