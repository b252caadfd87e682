# SPDX-License-Identifier: MIT
#
# `make fuzz` runs each target for FUZZ_SECONDS; corpora are kept in build/fuzz, findings too.
# `make check` runs each for a few seconds (fuzz.t). `make fuzz-ioctl` is the driver's.

FUZZ_SECONDS ?= 60
FUZZ_CFLAGS := -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

FUZZ_fqz_SRCS := tests/fuzz/fuzz_fqz.c $(FQZ_SRCS)
FUZZ_fqz_SEEDS := tests/golden/fqz

FUZZ_STREAM_SRCS := tests/unit/fqz_reference.c $(FQZ_SRCS)

FUZZ_huffman_SRCS := tests/fuzz/fuzz_huffman.c $(FUZZ_STREAM_SRCS)
FUZZ_huffman_SEEDS := tests/golden/streams/huffman

FUZZ_rle_SRCS := tests/fuzz/fuzz_rle.c $(FUZZ_STREAM_SRCS)
FUZZ_rle_SEEDS := tests/golden/streams/rle-huffman

FUZZ_tans_SRCS := tests/fuzz/fuzz_tans.c $(FUZZ_STREAM_SRCS)
FUZZ_tans_SEEDS := tests/golden/streams/tans

FUZZ_exec_SRCS := tests/fuzz/fuzz_exec.c $(CARD_SRCS) $(FQZ_SRCS)
FUZZ_exec_SEEDS := tests/golden/fqz

FUZZ_card_SRCS := tests/fuzz/fuzz_card.c tests/unit/card_host.c tests/unit/netgen.c \
	$(CARD_SRCS) $(FQZ_SRCS)

FUZZ_img_SRCS := tests/fuzz/fuzz_img.c $(TOOLS_COMMON_SRCS)
FUZZ_img_LIBS := $(IMG_LIBS)
FUZZ_img_SEEDS := tests/golden/img

FUZZ_onnx_SRCS := tests/fuzz/fuzz_onnx.c $(NET_SRCS) $(O)/gen/onnx.pb-c.c $(FQZ_SRCS)
FUZZ_onnx_LIBS := $(NET_LIBS) -lm
FUZZ_onnx_SEEDS := tests/golden/onnx

FUZZ_train_SRCS := tests/fuzz/fuzz_train.c tools/train/checkpoint.c tools/train/curves.c \
	tools/train/curves_svg.c tools/common/cli.c tools/common/svg.c $(TOOLS_COMMON_SRCS) $(FQZ_SRCS)
FUZZ_train_LIBS := $(IMG_LIBS) -lm
FUZZ_train_SEEDS := tests/golden/train

FUZZ_TARGETS := fqz huffman rle tans exec card img onnx train

$(O)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	clang $(filter-out -Werror,$(BASE_CFLAGS)) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(O)/fuzz/obj -name '*.d' 2>/dev/null)

define fuzz_target
$(O)/fuzz/$(1): $(FUZZ_$(1)_SRCS:%.c=$(O)/fuzz/obj/%.o)
	@mkdir -p $(O)/fuzz/$(1)-corpus
	clang -fsanitize=fuzzer,address,undefined -pthread -o $$@ $$^ $(FUZZ_$(1)_LIBS)
endef

$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_target,$(t))))

TESTS += tests/fuzz/fuzz.t
TEST_DEPS += $(FUZZ_TARGETS:%=$(O)/fuzz/%)

.PHONY: fuzz
fuzz:
	@scripts/deps.sh run compress fuzz
	@+$(MAKE) $(FUZZ_TARGETS:%=$(O)/fuzz/%)
	$(foreach t,$(FUZZ_TARGETS),$(O)/fuzz/$(t) -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
		-artifact_prefix=$(O)/fuzz/$(t)- $(O)/fuzz/$(t)-corpus $(FUZZ_$(t)_SEEDS) &&) :

# The driver's ioctls, in a guest; the driver is what is instrumented, not the fuzzer.
FUZZ_IOCTL_SRCS := $(sort $(wildcard tests/fuzz/fuzz_ioctl*.c))

$(O)/fuzz/ioctl-fuzzer: $(FUZZ_IOCTL_SRCS:%.c=$(O)/obj/%.o) $(O)/libcard.a $(O)/libfqz.a
	@mkdir -p $(@D)
	clang -fsanitize=fuzzer -pthread -o $@ $^ -lm

# Preloaded, makes seeds for it of what programs do: FUZZ_RECORD=folder.
$(O)/fuzz/record_ioctl.so: $(O)/obj/tests/fuzz/record_ioctl.o
	@mkdir -p $(@D)
	$(CC) -shared -pthread -o $@ $^ -ldl

.PHONY: fuzz-ioctl
fuzz-ioctl:
	@scripts/deps.sh run vm debug fuzz
	@+$(MAKE) qemu $(O)/fuzz/ioctl-fuzzer
	tests/fuzz/ioctl.sh $(FUZZ_SECONDS)
