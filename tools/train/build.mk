# SPDX-License-Identifier: MIT
# fqaccel-train.

TRAIN_SRCS := \
	tools/train/checkpoint.c \
	tools/train/dnn.c \
	tools/train/dnn_conv.c \
	tools/train/dnn_pool.c \
	tools/train/fq.c \
	tools/train/integer.c \
	tools/train/netfile.c \
	tools/train/prune.c \
	tools/train/samples.c \
	tools/train/tnet.c \
	tools/train/tnet_backward.c \
	tools/train/tnet_buffers.c \
	tools/train/tnet_fold.c \
	tools/train/tnet_forward.c \
	tools/train/tnet_integer.c \
	tools/train/tnet_integer_backward.c \
	tools/train/tnet_integer_pool.c

# Programs that link any of it need these; oneDNN's threads are the compiler's OpenMP.
TRAIN_LIBS := -ldnnl -fopenmp

$(O)/obj/tools/train/%.o: tools/train/%.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) -fopenmp -MMD -MP -c -o $@ $<

$(O)/san/tools/train/%.o: tools/train/%.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(SAN_CFLAGS) -fopenmp -MMD -MP -c -o $@ $<

MANPAGES += doc/man/fqaccel-train-net.5
