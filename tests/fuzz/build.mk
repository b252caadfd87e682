# SPDX-License-Identifier: MIT
#
# `make fuzz` runs each target for FUZZ_SECONDS; corpora are kept in build/fuzz, findings too.

FUZZ_SECONDS ?= 60
FUZZ_CFLAGS := -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

FUZZ_fqz_SRCS := tests/fuzz/fuzz_fqz.c $(FQZ_SRCS)
FUZZ_fqz_SEEDS := tests/golden/fqz

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

FUZZ_TARGETS := fqz exec card img onnx

define fuzz_target
$(O)/fuzz/$(1): $(FUZZ_$(1)_SRCS)
	@mkdir -p $(O)/fuzz/$(1)-corpus
	clang $(filter-out -Werror,$(BASE_CFLAGS)) $(FUZZ_CFLAGS) -o $$@ $$^ $(FUZZ_$(1)_LIBS)
endef

$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_target,$(t))))

.PHONY: fuzz
fuzz:
	@scripts/deps.sh run compress fuzz
	@+$(MAKE) $(FUZZ_TARGETS:%=$(O)/fuzz/%)
	$(foreach t,$(FUZZ_TARGETS),$(O)/fuzz/$(t) -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
		-artifact_prefix=$(O)/fuzz/$(t)- $(O)/fuzz/$(t)-corpus $(FUZZ_$(t)_SEEDS) &&) :
