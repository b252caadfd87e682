# SPDX-License-Identifier: MIT
# Tests of the ONNX reader, the float executor and the quantizer, built with sanitizers.

NET_TEST_OBJS := $(NET_SAN_OBJS) $(FQZ_SAN_OBJS)
ONNX_TEST_SRCS := tests/unit/onnx_build.c

$(eval $(call unit_test,test_onnx_import,$(ONNX_TEST_SRCS),$(NET_TEST_OBJS),$(NET_LIBS)))
$(foreach t,refuse external,\
	$(eval $(call unit_test,test_onnx_$(t),$(ONNX_TEST_SRCS),$(NET_TEST_OBJS),$(NET_LIBS))))
$(eval $(call unit_test,test_onnx_memory,$(ONNX_TEST_SRCS),$(NET_TEST_OBJS),$(NET_LIBS) $(FAIL_ALLOC)))
$(eval $(call unit_test,test_onnx_write,tests/unit/train_nets.c,$(NET_TEST_OBJS),\
	$(NET_LIBS) $(FAIL_ALLOC)))
QUANT_TEST_SRCS := tests/unit/quant_net.c
$(foreach t,paper feedback knobs,\
	$(eval $(call unit_test,test_quant_$(t),$(QUANT_TEST_SRCS),$(NET_TEST_OBJS),$(NET_LIBS))))
$(eval $(call unit_test,test_quant_memory,$(QUANT_TEST_SRCS),$(NET_TEST_OBJS),\
	$(NET_LIBS) $(FAIL_ALLOC)))
$(eval $(call unit_test,test_quant_plan,$(QUANT_TEST_SRCS),\
	$(patsubst %,$(O)/san/tools/%.o,compress/plan common/option common/cli) $(NET_TEST_OBJS),$(NET_LIBS)))

$(O)/san/tests/unit/onnx_build.o $(O)/san/tests/unit/test_onnx_import.o \
$(patsubst %,$(O)/san/tests/unit/test_onnx_%.o,refuse external memory) $(O)/obj/tests/unit/onnx_build.o: | $(O)/gen/onnx.pb-c.h

# From ONNX to the card.
KINDS_TEST_OBJS = $(O)/san/tools/net/image_make.o $(O)/san/tools/common/cli.o $(NET_SAN_OBJS) $(LIB_SAN_OBJS) \
	$(CARD_SAN_OBJS) $(FQZ_SAN_OBJS)
$(eval $(call unit_test,test_quant_kinds,$(ONNX_TEST_SRCS),$(KINDS_TEST_OBJS),$(NET_LIBS)))
$(O)/san/tests/unit/test_quant_kinds.o: | $(O)/gen/onnx.pb-c.h

# The command line, plain and with sanitizers, on the golden files.
COMPRESS_SAN_OBJS := $(COMPRESS_SRCS:%.c=$(O)/san/%.o) $(NET_IMAGE_SAN_OBJS)

$(O)/san/fqaccel-compress: $(COMPRESS_SAN_OBJS) $(NET_SAN_OBJS) $(TOOLS_COMMON_SAN_OBJS) \
		$(LIB_SAN_OBJS) $(CARD_SAN_OBJS) $(FQZ_SAN_OBJS)
	$(CC) $(SAN_LDFLAGS) -pthread -o $@ $^ $(NET_LIBS) $(IMG_LIBS) -lm

TESTS += tests/unit/compare.t tests/unit/compress.t tests/unit/search.t tests/unit/report.t
TEST_DEPS += $(O)/san/fqaccel-compress $(O)/tests/page_pixels

$(O)/tests/page_pixels: $(O)/san/tests/unit/page_pixels.o $(TOOLS_COMMON_SAN_OBJS)
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -pthread -o $@ $^ $(IMG_LIBS) -lm

# `make golden-onnx` writes the golden files anew.
.PHONY: golden-onnx
golden-onnx: $(O)/tests/make_golden_onnx
	$< tests/golden/onnx

$(O)/san/tests/golden/onnx/make_golden.o: | $(O)/gen/onnx.pb-c.h

$(O)/tests/make_golden_onnx: $(patsubst %.c,$(O)/san/%.o,tests/golden/onnx/make_golden.c \
		$(ONNX_TEST_SRCS)) $(O)/san/gen/onnx.pb-c.o
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -o $@ $^ -lprotobuf-c -lm
