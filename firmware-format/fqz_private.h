/* SPDX-License-Identifier: MIT */
/* What libfqz's files share. Not installed. */
#ifndef FQZ_PRIVATE_H
#define FQZ_PRIVATE_H

#include "fqz.h"

#include <errno.h>
#include <string.h>

#define FQZ_ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* FORMAT.md section 1. */
#define FQZ_MAGIC_BYTES		"\x89" "FQZ\r\n\x1a\n"
#define FQZ_HEADER_SIZE		64u
#define FQZ_ENTRY_SIZE		32u
#define FQZ_MAX_SECTIONS	16u
#define FQZ_ALIGNMENT		64u

enum fqz_header_field {
	FQZ_H_MAGIC = 0,
	FQZ_H_VERSION_MAJOR = 8,
	FQZ_H_VERSION_MINOR = 10,
	FQZ_H_HEADER_SIZE = 12,
	FQZ_H_FILE_SIZE = 16,
	FQZ_H_INCOMPAT = 24,
	FQZ_H_COMPAT = 32,
	FQZ_H_SECTION_COUNT = 40,
	FQZ_H_TABLE_CRC = 44,
	FQZ_H_RESERVED = 48,
	FQZ_H_HEADER_CRC = 60,
};

enum fqz_entry_field {
	FQZ_E_TYPE = 0,
	FQZ_E_FLAGS = 4,
	FQZ_E_OFFSET = 8,
	FQZ_E_SIZE = 16,
	FQZ_E_CRC = 24,
	FQZ_E_RESERVED = 28,
};

enum fqz_section_type {
	FQZ_S_NETWORK = 1,
	FQZ_S_TENSORS,
	FQZ_S_LAYERS,
	FQZ_S_CHANNELS,
	FQZ_S_WEIGHTS,
	FQZ_S_METADATA,
	FQZ_S_CLASSES,
	FQZ_S_NAMES,
	FQZ_S_COUNT,
};

#define FQZ_SKIPPABLE		1u
#define FQZ_FEATURE_CODERS	1u	/* in Incompat_Features: a layer's Coder is 2 or 3 */

/* FORMAT.md sections 2 to 5. */
#define FQZ_NETWORK_SIZE	64u
#define FQZ_TENSOR_SIZE		16u
#define FQZ_LAYER_SIZE		64u
#define FQZ_CHANNEL_SIZE	5u
#define FQZ_MAX_ELEMENTS	(1u << 26)
#define FQZ_MAX_INPUTS_SUMMED	(1u << 20)
#define FQZ_MAX_CHANNEL_SHIFT	62
#define FQZ_MAX_TEXT		(1u << 20)
#define FQZ_MAX_KEY		64u

enum fqz_network_field {
	FQZ_N_TENSOR_COUNT = 0,
	FQZ_N_LAYER_COUNT = 4,
	FQZ_N_OUTPUT_TENSOR = 8,
	FQZ_N_CLASS_COUNT = 12,
	FQZ_N_MEAN = 16,
	FQZ_N_STD = 28,
	FQZ_N_COLOR = 40,
	FQZ_N_RANGE = 41,
	FQZ_N_RESIZE_SHORTER = 42,
	FQZ_N_RESERVED = 44,
};

enum fqz_tensor_field {
	FQZ_T_TYPE = 0,
	FQZ_T_RESERVED = 1,
	FQZ_T_C = 2,
	FQZ_T_H = 4,
	FQZ_T_W = 6,
	FQZ_T_SCALE = 8,
	FQZ_T_RESERVED2 = 12,
};

enum fqz_layer_field {
	FQZ_L_KIND = 0,
	FQZ_L_INPUT_COUNT = 1,
	FQZ_L_OUTPUT = 2,
	FQZ_L_INPUTS = 4,
	FQZ_L_KERNEL_H = 20,
	FQZ_L_KERNEL_W = 22,
	FQZ_L_STRIDE_H = 24,
	FQZ_L_STRIDE_W = 25,
	FQZ_L_DILATION_H = 26,
	FQZ_L_DILATION_W = 27,
	FQZ_L_PAD = 28,
	FQZ_L_GROUPS = 32,
	FQZ_L_BIAS_SHIFT = 34,
	FQZ_L_OUT_SHIFT = 35,
	FQZ_L_ACT_MIN = 36,
	FQZ_L_ACT_MAX = 40,
	FQZ_L_ADD_SCALE = 44,
	FQZ_L_DIVISOR = 44,
	FQZ_L_WEIGHT_MODE = 48,
	FQZ_L_WEIGHT_BITS = 49,
	FQZ_L_EXPONENT_COUNT = 50,
	FQZ_L_FIRST_EXPONENT = 51,
	FQZ_L_MEAN_NEG = 52,
	FQZ_L_MEAN_POS = 53,
	FQZ_L_CODER = 54,
	FQZ_L_POOL_RULE = 55,
	FQZ_L_STREAM_SIZE = 56,
	FQZ_L_RESERVED = 60,
};

struct fqz_section {
	uint64_t offset;	/* of the section; 0: the image has none of this type */
	uint64_t size;
	uint64_t entry;		/* of its entry in the section table */
};

/* What fqz_image_open() makes; img comes first, so that the one is the other. */
struct fqz_reader {
	struct fqz_image img;
	const uint8_t *data;
	size_t len;
	uint64_t features;	/* Incompat_Features */
	uint32_t section_count;
	struct fqz_section sections[FQZ_S_COUNT];
	void *channels;		/* one block for all layers' channel parameters */
	struct fqz_error *err;	/* the caller's, while opening */
};

/* Little-endian fields at any alignment. */
static inline uint16_t fqz_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t fqz_le32(const uint8_t *p)
{
	return fqz_le16(p) | (uint32_t)fqz_le16(p + 2) << 16;
}

static inline uint64_t fqz_le64(const uint8_t *p)
{
	return fqz_le32(p) | (uint64_t)fqz_le32(p + 4) << 32;
}

static inline void fqz_put_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void fqz_put_le32(uint8_t *p, uint32_t v)
{
	fqz_put_le16(p, (uint16_t)v);
	fqz_put_le16(p + 2, (uint16_t)(v >> 16));
}

static inline void fqz_put_le64(uint8_t *p, uint64_t v)
{
	fqz_put_le32(p, (uint32_t)v);
	fqz_put_le32(p + 4, (uint32_t)(v >> 32));
}

static inline float fqz_float(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static inline uint32_t fqz_float_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

/* fqz_error.c: fill *err, return -EBADMSG, -ENOMEM or -EINVAL. */
int fqz_refuse(struct fqz_error *err, enum fqz_reason reason, uint32_t layer,
	       uint64_t offset, const char *what);
int fqz_no_memory(struct fqz_error *err);
int fqz_invalid(struct fqz_error *err, const char *what);
int fqz_reader_refuse(const struct fqz_reader *r, enum fqz_reason reason, uint64_t offset,
		      const char *what);
int fqz_layer_refuse(const struct fqz_reader *r, uint32_t layer, unsigned int field,
		     enum fqz_reason reason, const char *what);

/* The reader's steps, in order of section 10; each fills r->img. */
int fqz_read_network(struct fqz_reader *r);		/* fqz_network.c */
int fqz_read_tensors(struct fqz_reader *r);
int fqz_read_layers(struct fqz_reader *r);		/* fqz_layer.c */
int fqz_check_shapes(struct fqz_reader *r, uint32_t index);	/* fqz_shape.c */
int fqz_check_flow(struct fqz_reader *r);		/* fqz_network.c */
int fqz_read_channels(struct fqz_reader *r);		/* fqz_channel.c */
int fqz_read_weights(struct fqz_reader *r);
int fqz_read_text(struct fqz_reader *r);		/* fqz_text.c */
int fqz_reader_missing(const struct fqz_reader *r, const char *what);
bool fqz_is_zero(const uint8_t *p, size_t len, size_t *where);

/* fqz_layer.c: the record of section 4. */
int fqz_layer_put(const struct fqz_layer *l, uint8_t record[FQZ_LAYER_SIZE], const char **what);

/* fqz_alphabet.c: 0, or the field of section 4 at fault. */
unsigned int fqz_alphabet_check(const struct fqz_layer *l, const char **what);

/*
 * fqz_shape.c: the sizes that follow from a layer's fields and tensors; false
 * where a product is above section 6.1's limits.
 */
bool fqz_layer_weight_sizes(const struct fqz_layer *l, const struct fqz_tensor *in,
			    const struct fqz_tensor *out, uint32_t *outputs,
			    uint32_t *inputs_per_output);

/* fqz_buffer.c: grows; after a failed allocation every call does nothing. */
struct fqz_buffer {
	uint8_t *data;
	size_t len, room;
	bool failed;
};

/* Appends len zero bytes; the pointer holds until the next call, NULL on failure. */
uint8_t *fqz_buffer_add(struct fqz_buffer *b, size_t len);
void fqz_buffer_put(struct fqz_buffer *b, const void *data, size_t len);

/*
 * fqz_encode.c: appends the stream of a layer whose symbols are set, in the layer's coder or
 * the smallest; which one it was. b is empty.
 */
#define FQZ_SEGMENT_LOG2	16
int fqz_stream_put(struct fqz_buffer *b, const struct fqz_layer *l, size_t count,
		   enum fqz_coder *coder, const char **what);

#endif
