# SPDX-License-Identifier: MIT
# The tools. What they share (pictures, data sets, files) is $(TOOLS_COMMON_OBJS); programs that use it
# link $(IMG_LIBS).

TOOLS_COMMON_SRCS := \
	tools/common/dataset.c \
	tools/common/file.c \
	tools/common/image.c \
	tools/common/image_fit.c \
	tools/common/image_jpeg.c \
	tools/common/image_png.c \
	tools/common/image_pnm.c

TOOLS_COMMON_OBJS := $(TOOLS_COMMON_SRCS:%.c=$(O)/obj/%.o)
TOOLS_COMMON_SAN_OBJS := $(TOOLS_COMMON_SRCS:%.c=$(O)/san/%.o)

IMG_LIBS := -lpng -ljpeg
