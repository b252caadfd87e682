# SPDX-License-Identifier: MIT
# The tools. What they share (pictures, data sets, files, messages) is $(TOOLS_COMMON_OBJS); programs
# that use it link $(IMG_LIBS).

TOOLS_COMMON_SRCS := \
	tools/common/dataset.c \
	tools/common/dataset_cifar.c \
	tools/common/dataset_folder.c \
	tools/common/dataset_idx.c \
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
TOOLS_RUN_SRCS := $(TOOLS_COMMON_SRCS) tools/common/classify.c tools/common/cli.c tools/common/option.c \
	tools/common/pipeline.c

RUN_SRCS := tools/fqaccel-run.c tools/fqaccel-run-profile.c $(TOOLS_RUN_SRCS)
# The last four are the float execution that --compare-float judges by.
EVAL_SRCS := tools/fqaccel-eval.c $(TOOLS_RUN_SRCS) \
	tools/net/conv.c tools/net/exec.c tools/net/fqz_float.c tools/net/graph.c
INFO_SRCS := tools/fqaccel-info.c tools/fqaccel-info-cards.c tools/fqaccel-info-model.c \
	tools/common/cli.c tools/common/file.c tools/common/option.c

SMI_SRCS := tools/fqaccel-smi.c tools/fqaccel-smi-read.c tools/common/cli.c \
	tools/common/option.c

RUN_LIBS := $(IMG_LIBS) -lm
EVAL_LIBS := $(IMG_LIBS) -lopenblas -lm
INFO_LIBS := -lpci -lm

# $(call tool,name,sources,libraries): the program, and the same from the sanitizer tree for the tests.
# The library comes in statically: a tool runs from the build folder and inside a guest as it is.
define tool
PROGRAMS += $(O)/fqaccel-$(1)
$(O)/fqaccel-$(1): $(2:%.c=$(O)/obj/%.o) $(O)/libfqaccel.a
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -pthread -o $$@ $$^ $(3)

TEST_DEPS += $(O)/san/fqaccel-$(1)
$(O)/san/fqaccel-$(1): $(2:%.c=$(O)/san/%.o) $(LIB_SAN_OBJS) $(CARD_SAN_OBJS) $(FQZ_SAN_OBJS)
	$$(CC) $$(SAN_LDFLAGS) -pthread -o $$@ $$^ $(3)
endef

$(eval $(call tool,run,$(RUN_SRCS),$(RUN_LIBS)))
$(eval $(call tool,eval,$(EVAL_SRCS),$(EVAL_LIBS)))
$(eval $(call tool,info,$(INFO_SRCS),$(INFO_LIBS)))
$(eval $(call tool,smi,$(SMI_SRCS)))

MANPAGES += doc/man/fqaccel-run.1 doc/man/fqaccel-eval.1 doc/man/fqaccel-info.1 doc/man/fqaccel-smi.1
