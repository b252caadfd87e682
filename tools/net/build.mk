# SPDX-License-Identifier: MIT
# What the tools that change networks share: graph, ONNX, float executor, quantizer. Programs that use
# it link $(NET_OBJS) (or $(NET_SAN_OBJS)) and $(NET_LIBS).

# The reader of ONNX files, and the writer.
NET_ONNX_SRCS := \
	tools/net/onnx_arith.c \
	tools/net/onnx_array.c \
	tools/net/onnx_attr.c \
	tools/net/onnx_dense.c \
	tools/net/onnx_emit.c \
	tools/net/onnx_external.c \
	tools/net/onnx_fold.c \
	tools/net/onnx_fold_arith.c \
	tools/net/onnx_import.c \
	tools/net/onnx_ops.c \
	tools/net/onnx_pieces.c \
	tools/net/onnx_scan.c \
	tools/net/onnx_survey.c \
	tools/net/onnx_values.c \
	tools/net/onnx_view.c \
	tools/net/onnx_window.c \
	tools/net/onnx_write.c

NET_SRCS := \
	tools/net/calib.c \
	tools/net/conv.c \
	tools/net/equalize.c \
	tools/net/exec.c \
	tools/net/feedback.c \
	tools/net/feedback_alphabet.c \
	tools/net/feedback_block.c \
	tools/net/feedback_prune.c \
	tools/net/fqz_float.c \
	tools/net/gmm.c \
	tools/net/gram.c \
	tools/net/graph.c \
	tools/net/lower.c \
	tools/net/normalize.c \
	$(NET_ONNX_SRCS) \
	tools/net/quant.c \
	tools/net/quant_prune.c \
	tools/net/quantize.c \
	tools/net/simplify.c \
	tools/net/simulate.c

# What makes and judges images; programs that use it link $(TOOLS_COMMON_OBJS), tools/common/cli.o and
# libfqaccel too.
NET_IMAGE_SRCS := \
	tools/net/card_score.c \
	tools/net/image_make.c \
	tools/net/pictures.c

NET_IMAGE_OBJS := $(NET_IMAGE_SRCS:%.c=$(O)/obj/%.o)
NET_IMAGE_SAN_OBJS := $(NET_IMAGE_SRCS:%.c=$(O)/san/%.o)

NET_OBJS := $(NET_SRCS:%.c=$(O)/obj/%.o) $(O)/obj/gen/onnx.pb-c.o
NET_SAN_OBJS := $(NET_SRCS:%.c=$(O)/san/%.o) $(O)/san/gen/onnx.pb-c.o
NET_LIBS := -lprotobuf-c -llapacke -lopenblas

# The schema is the distribution's, the code is generated at build time.
ONNX_PROTO := /usr/include/onnx/onnx.proto

$(O)/gen/onnx.pb-c.c: $(ONNX_PROTO)
	@mkdir -p $(@D)
	protoc-c --c_out=$(@D) -I$(dir $(ONNX_PROTO)) $<

$(O)/gen/onnx.pb-c.h: $(O)/gen/onnx.pb-c.c ;

$(ONNX_PROTO):
	@echo '$@ is missing; scripts/deps.sh compress installs it' >&2; exit 1

$(NET_ONNX_SRCS:%.c=$(O)/obj/%.o) $(NET_ONNX_SRCS:%.c=$(O)/san/%.o): | $(O)/gen/onnx.pb-c.h

$(O)/obj/gen/%.o: $(O)/gen/%.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -w -MMD -MP -c -o $@ $<

$(O)/san/gen/%.o: $(O)/gen/%.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(SAN_CFLAGS) -w -MMD -MP -c -o $@ $<
