# SPDX-License-Identifier: MIT
# fqaccel-train.

TRAIN_SRCS := \
	tools/train/checkpoint.c \
	tools/train/samples.c
