# SPDX-License-Identifier: MIT
# fqaccel-compress.

include tools/net/build.mk

COMPRESS_SRCS := \
	tools/common/cli.c \
	tools/common/option.c \
	tools/common/svg.c \
	tools/compress/compare.c \
	tools/compress/compare_report.c \
	tools/compress/compare_run.c \
	tools/compress/export_layers.c \
	tools/compress/export_onnx.c \
	tools/compress/image.c \
	tools/compress/list_ops.c \
	tools/compress/main.c \
	tools/compress/options.c \
	tools/compress/plan.c \
	tools/compress/report.c \
	tools/compress/report_collect.c \
	tools/compress/report_html.c \
	tools/compress/report_json.c \
	tools/compress/report_style.c \
	tools/compress/report_svg.c \
	tools/compress/search.c \
	tools/compress/search_file.c \
	tools/compress/search_plan.c \
	tools/compress/search_probe.c \
	tools/compress/search_report.c

$(foreach t,obj san,$(patsubst %.c,$(O)/$(t)/%.o,$(filter tools/compress/export_%,$(COMPRESS_SRCS)))): \
	| $(O)/gen/onnx.pb-c.h

COMPRESS_OBJS := $(COMPRESS_SRCS:%.c=$(O)/obj/%.o) $(NET_IMAGE_OBJS)

$(O)/fqaccel-compress: $(COMPRESS_OBJS) $(NET_OBJS) $(TOOLS_COMMON_OBJS) $(O)/libfqaccel.a
	$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(NET_LIBS) $(IMG_LIBS) -lm

PROGRAMS += $(O)/fqaccel-compress
MANPAGES += doc/man/fqaccel-compress.1
