# SPDX-License-Identifier: MIT
# The tools. What they share (pictures, data sets, files, messages) is $(TOOLS_COMMON_OBJS); programs
# that use it link $(IMG_LIBS).

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

# Those that run networks share these too.
TOOLS_RUN_SRCS := tools/common/classify.c tools/common/cli.c tools/common/pipeline.c
TOOLS_RUN_OBJS := $(TOOLS_COMMON_OBJS) $(TOOLS_RUN_SRCS:%.c=$(O)/obj/%.o)

# The library comes in statically: a tool runs from the build folder and inside a guest as it is.
$(O)/fqaccel-run: $(O)/obj/tools/fqaccel-run.o $(O)/obj/tools/fqaccel-run-profile.o \
		$(TOOLS_RUN_OBJS) $(O)/libfqaccel.a
	$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(IMG_LIBS) -lm

PROGRAMS += $(O)/fqaccel-run
