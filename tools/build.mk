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

# The float execution that --compare-float judges by.
EVAL_OBJS := $(addprefix $(O)/obj/tools/,fqaccel-eval.o net/conv.o net/exec.o net/fqz_float.o net/graph.o)

$(O)/fqaccel-eval: $(EVAL_OBJS) $(TOOLS_RUN_OBJS) $(O)/libfqaccel.a
	$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(IMG_LIBS) -lopenblas -lm

INFO_OBJS := $(addprefix $(O)/obj/tools/,fqaccel-info.o fqaccel-info-cards.o fqaccel-info-model.o \
	common/cli.o common/file.o)

$(O)/fqaccel-info: $(INFO_OBJS) $(O)/libfqaccel.a
	$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ -lpci -lm

PROGRAMS += $(O)/fqaccel-run $(O)/fqaccel-eval $(O)/fqaccel-info
