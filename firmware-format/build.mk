# SPDX-License-Identifier: MIT
# libfqz: reader, writer and validator of .fqz images. Others link $(O)/libfqz.a, or
# $(FQZ_SAN_OBJS) where they are built with sanitizers.

FQZ_SRCS := \
	firmware-format/fqz_alphabet.c \
	firmware-format/fqz_buffer.c \
	firmware-format/fqz_channel.c \
	firmware-format/fqz_crc.c \
	firmware-format/fqz_encode.c \
	firmware-format/fqz_error.c \
	firmware-format/fqz_huffman.c \
	firmware-format/fqz_image.c \
	firmware-format/fqz_lane.c \
	firmware-format/fqz_layer.c \
	firmware-format/fqz_network.c \
	firmware-format/fqz_read.c \
	firmware-format/fqz_rle.c \
	firmware-format/fqz_shape.c \
	firmware-format/fqz_stream.c \
	firmware-format/fqz_tans.c \
	firmware-format/fqz_tans_put.c \
	firmware-format/fqz_text.c \
	firmware-format/fqz_token.c \
	firmware-format/fqz_write.c

FQZ_OBJS := $(FQZ_SRCS:%.c=$(O)/obj/%.o)
FQZ_SAN_OBJS := $(FQZ_SRCS:%.c=$(O)/san/%.o)

LIBS += $(O)/libfqz.a

$(O)/libfqz.a: $(FQZ_OBJS)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^
