# SPDX-License-Identifier: MIT
# fqaccel-train.

TRAIN_SRCS := \
	tools/train/samples.c
