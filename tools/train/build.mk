# SPDX-License-Identifier: MIT
# fqaccel-train.

TRAIN_SRCS := \
	tools/train/checkpoint.c \
	tools/train/curves.c \
	tools/train/curves_svg.c \
	tools/train/dnn.c \
	tools/train/dnn_conv.c \
	tools/train/dnn_pool.c \
	tools/train/fq.c \
	tools/train/integer.c \
	tools/train/netfile.c \
	tools/train/ops.c \
	tools/train/ops_loss.c \
	tools/train/ops_v1.c \
	tools/train/ops_v3.c \
	tools/train/ops_v4.c \
	tools/train/prune.c \
	tools/train/samples.c \
	tools/train/tnet.c \
	tools/train/tnet_backward.c \
	tools/train/tnet_buffers.c \
	tools/train/tnet_digits.c \
	tools/train/tnet_fold.c \
	tools/train/tnet_forward.c \
	tools/train/tnet_integer.c \
	tools/train/tnet_integer_backward.c \
	tools/train/tnet_integer_pool.c

# The program around them.
TRAIN_PROGRAM_SRCS := \
	tools/common/cli.c \
	tools/common/option.c \
	tools/common/svg.c \
	tools/train/finish.c \
	tools/train/loop.c \
	tools/train/main.c \
	tools/train/options.c \
	tools/train/options_check.c \
	tools/train/progress.c \
	tools/train/report.c \
	tools/train/setup.c \
	tools/train/stages.c \
	tools/train/state.c

# Programs that link any of it need these; oneDNN's threads are the compiler's OpenMP.
TRAIN_LIBS := -ldnnl -fopenmp

# The kernels, one object for each level of the instruction set: loops become vectors, but no sum is
# taken in another order or contracted, so that all levels give the same bits.
TRAIN_FLAGS_ops := -ffp-contract=off
TRAIN_FLAGS_ops_loss := -ffp-contract=off
TRAIN_LOOP_FLAGS := -O3 -ffp-contract=off -fno-trapping-math -fno-math-errno
TRAIN_FLAGS_tnet_digits := $(TRAIN_LOOP_FLAGS)
TRAIN_FLAGS_tnet_integer := $(TRAIN_LOOP_FLAGS)
TRAIN_FLAGS_tnet_integer_backward := $(TRAIN_LOOP_FLAGS)
TRAIN_FLAGS_ops_v1 := $(TRAIN_LOOP_FLAGS)
TRAIN_FLAGS_ops_v3 := $(TRAIN_LOOP_FLAGS) -march=x86-64-v3
TRAIN_FLAGS_ops_v4 := $(TRAIN_LOOP_FLAGS) -march=x86-64-v4

$(O)/obj/tools/train/%.o: tools/train/%.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -fopenmp $(TRAIN_FLAGS_$*) -MMD -MP -c -o $@ $<

$(O)/san/tools/train/%.o: tools/train/%.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(SAN_CFLAGS) -fopenmp $(TRAIN_FLAGS_$*) -MMD -MP -c -o $@ $<

MANPAGES += doc/man/fqaccel-train-net.5

$(O)/fqaccel-train: $(TRAIN_PROGRAM_SRCS:%.c=$(O)/obj/%.o) $(TRAIN_SRCS:%.c=$(O)/obj/%.o) $(NET_IMAGE_OBJS) $(NET_OBJS) \
		$(TOOLS_COMMON_OBJS) $(O)/libfqaccel.a
	$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(NET_LIBS) $(TRAIN_LIBS) $(IMG_LIBS) -lm

$(O)/san/fqaccel-train: $(TRAIN_PROGRAM_SRCS:%.c=$(O)/san/%.o) $(TRAIN_SRCS:%.c=$(O)/san/%.o) \
		$(NET_IMAGE_SAN_OBJS) $(NET_SAN_OBJS) $(TOOLS_COMMON_SAN_OBJS) $(LIB_SAN_OBJS) $(CARD_SAN_OBJS) $(FQZ_SAN_OBJS)
	$(CC) $(SAN_LDFLAGS) -pthread -o $@ $^ $(NET_LIBS) $(TRAIN_LIBS) $(IMG_LIBS) -lm

PROGRAMS += $(O)/fqaccel-train
MANPAGES += doc/man/fqaccel-train.1
