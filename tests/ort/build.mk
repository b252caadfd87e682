# SPDX-License-Identifier: MIT
# Exported networks on an independent engine.

$(eval $(call unit_test,test_export_memory,$(filter tools/compress/export_%,$(COMPRESS_SRCS)) \
	tools/net/onnx_pieces.c tools/common/cli.c tools/common/file.c,$(O)/san/gen/onnx.pb-c.o $(FQZ_SAN_OBJS),-lprotobuf-c $(FAIL_ALLOC)))

TESTS += tests/ort/export.t tests/ort/write.t
TEST_DEPS += $(O)/tests/ort_card $(O)/tests/ort_nets

$(O)/tests/ort_card: $(patsubst %.c,$(O)/san/%.o,tests/ort/card_tensors.c tools/common/cli.c \
		tools/net/pictures.c) \
		$(NET_SAN_OBJS) $(TOOLS_COMMON_SAN_OBJS) $(LIB_SAN_OBJS) $(CARD_SAN_OBJS) $(FQZ_SAN_OBJS)
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -pthread -o $@ $^ $(NET_LIBS) $(IMG_LIBS) -lm

$(O)/tests/ort_nets: $(patsubst %.c,$(O)/san/%.o,tests/ort/make_nets.c tools/common/file.c \
		$(FQZ_TEST_SRCS))
	@mkdir -p $(@D)
	$(CC) $(SAN_LDFLAGS) -o $@ $^
