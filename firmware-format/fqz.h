/* SPDX-License-Identifier: MIT */
/*
 * libfqz: reads, checks and writes .fqz images (FORMAT.md).
 *
 * The library neither prints nor exits and has no global state; every function
 * may be called from any thread, on different objects at the same time. A
 * struct fqz_image is read-only once opened and may be shared by threads.
 *
 * Functions that can fail return 0 or a negative errno (-EBADMSG: the image is
 * refused, -ENOMEM, -EINVAL: the caller's argument) and then fill *err, which may
 * be NULL. With -EINVAL the reason is FQZ_OK, and what says which argument.
 */
#ifndef FQZ_H
#define FQZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FQZ_VERSION_MAJOR	1
#define FQZ_VERSION_MINOR	1

/* FORMAT.md section 10; the numbers are part of the format. */
enum fqz_reason {
	FQZ_OK = 0,
	FQZ_TRUNCATED,
	FQZ_MAGIC,
	FQZ_VERSION,
	FQZ_FEATURE,
	FQZ_CRC,
	FQZ_LAYOUT,
	FQZ_RESERVED,
	FQZ_LIMIT,
	FQZ_NETWORK,
	FQZ_TENSOR,
	FQZ_LAYER,
	FQZ_SHAPE,
	FQZ_CHANNEL,
	FQZ_ALPHABET,
	FQZ_CODE,
	FQZ_STREAM,
	FQZ_OVERFLOW,
	FQZ_TEXT,
	FQZ_NO_MEMORY,
};

#define FQZ_NO_LAYER	UINT32_MAX

struct fqz_error {
	enum fqz_reason reason;
	uint32_t layer;		/* FQZ_NO_LAYER where there is none */
	uint64_t offset;	/* byte in the image */
	const char *what;	/* one static phrase, e.g. "Act_Min is above Act_Max" */
};

enum fqz_type { FQZ_U8 = 1, FQZ_S8 = 2, FQZ_S32 = 3 };

enum fqz_kind {
	FQZ_AFFINE = 1,
	FQZ_CONV,
	FQZ_FC,
	FQZ_ADD,
	FQZ_CONCAT,
	FQZ_MAXPOOL,
	FQZ_AVGPOOL,
	FQZ_SUMPOOL,
};

enum fqz_mode { FQZ_SHIFT = 1, FQZ_RECENTRALIZED = 2 };
enum fqz_color { FQZ_RGB, FQZ_BGR, FQZ_GRAY, FQZ_NOT_A_PICTURE };
/* AUTO is the writer's only: the smallest stream, the first of equal ones. */
enum fqz_coder { FQZ_CODER_AUTO = 0, FQZ_HUFFMAN = 1, FQZ_RLE_HUFFMAN, FQZ_TANS };
enum fqz_pool_rule { FQZ_POOL_IN_BOUNDS, FQZ_POOL_PADDED, FQZ_POOL_DIVISOR };

#define FQZ_MAX_INPUTS		8
#define FQZ_MAX_ALPHABET	67
#define FQZ_MAX_TENSORS		4096
#define FQZ_MAX_WEIGHTS		(1u << 28)

/* FORMAT.md section 3. */
struct fqz_tensor {
	enum fqz_type type;
	uint32_t c, h, w;
	float scale;
	/* Filled by the reader, ignored by the writer: */
	int64_t bound;		/* section 7: largest |x| that can occur */
	uint32_t first_layer;	/* layer that writes it; FQZ_NO_LAYER for the input */
	uint32_t last_layer;	/* last layer that reads it; layer_count for the output */
};

/*
 * FORMAT.md section 4, with a layer's channel parameters and weight stream.
 * Names follow the format's fields.
 */
struct fqz_layer {
	enum fqz_kind kind;
	uint32_t input_count;
	uint32_t inputs[FQZ_MAX_INPUTS];
	uint32_t output;
	uint32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
	uint32_t pad_top, pad_left, pad_bottom, pad_right;
	uint32_t groups;
	uint32_t bias_shift, out_shift;
	int32_t act_min, act_max;
	int16_t add_scale[2];
	uint32_t divisor;
	enum fqz_pool_rule pool_rule;
	enum fqz_mode mode;
	uint32_t bits, exponent_count, first_exponent, mean_neg, mean_pos;
	enum fqz_coder coder;

	/* C entries each, C = channels of the output; NULL where the kind has none. */
	const int16_t *scale, *bias;
	const uint8_t *shift;

	/* CONV and FC: outputs = C, inputs_per_output = weights summed for one output. */
	uint32_t outputs, inputs_per_output;	/* filled by the reader */
	const uint8_t *stream;			/* reader: inside the image */
	uint32_t stream_size;
	uint64_t stream_offset;			/* of the stream, in the image */
	const uint8_t *symbols;			/* writer: outputs * inputs_per_output */
	const char *name;			/* NULL where it has none */
};

struct fqz_meta {
	const char *key, *value;
};

/* A whole network: what the reader fills and the writer takes. */
struct fqz_image {
	struct fqz_tensor *tensors;
	struct fqz_layer *layers;
	uint32_t tensor_count, layer_count;
	float mean[3], std[3];
	enum fqz_color color;
	bool range255;
	uint32_t resize_shorter;
	uint32_t class_count;
	const char **classes;		/* class_count names, or NULL */
	struct fqz_meta *meta;		/* ascending keys */
	uint32_t meta_count;
	/* Filled by the reader, ignored by the writer: */
	uint64_t file_size;
	uint64_t weight_count;		/* symbols of all layers */
	uint64_t channel_count;		/* channel parameters of all layers */
};

/**
 * fqz_image_open() - check an image and describe it
 * @data: the image; must stay readable and unchanged until fqz_image_close()
 * @len:  its bytes
 * @out:  the description, to be closed with fqz_image_close()
 * @err:  why it was refused
 *
 * Checks everything but the weight streams' contents (fqz_image_verify() or
 * fqz_layer_decode() do that). Memory use is bounded by a small multiple of @len.
 */
int fqz_image_open(const void *data, size_t len, struct fqz_image **out,
		   struct fqz_error *err);

/** fqz_image_close() - free a description; NULL is allowed. */
void fqz_image_close(struct fqz_image *img);

/**
 * fqz_image_verify() - decode every stream and check every accumulator bound
 *
 * After 0, an executor needs no further check (FORMAT.md sections 6 and 7).
 */
int fqz_image_verify(const struct fqz_image *img, struct fqz_error *err);

/**
 * fqz_layer_decode() - decode a layer's symbols
 * @index:   of a CONV or FC layer
 * @symbols: outputs * inputs_per_output bytes, each below the alphabet's size
 * @count:   that product, as the caller sees it; -EINVAL where it differs
 */
int fqz_layer_decode(const struct fqz_image *img, uint32_t index, uint8_t *symbols,
		     size_t count, struct fqz_error *err);

/**
 * fqz_layer_decode_while() - as fqz_layer_decode(), but can be stopped
 * @go_on: called with @arg at least once for every 2^20 symbols; where it returns false,
 *         decoding ends with -ECANCELED, and *err is as it was
 */
int fqz_layer_decode_while(const struct fqz_image *img, uint32_t index, uint8_t *symbols,
			   size_t count, bool (*go_on)(void *arg), void *arg,
			   struct fqz_error *err);

/*
 * A layer's stream with its decoding tables, for those who decode its segments (FORMAT.md
 * section 6.2) in several threads. It does not change once opened.
 */
struct fqz_stream;

/**
 * fqz_stream_open() - check the head and tables of a layer's stream
 * @index: of a CONV or FC layer
 * @out:   to be closed with fqz_stream_close(), before the image
 */
int fqz_stream_open(const struct fqz_image *img, uint32_t index, struct fqz_stream **out,
		    struct fqz_error *err);

/** fqz_stream_close() - free it; NULL is allowed. */
void fqz_stream_close(struct fqz_stream *s);

/** fqz_stream_segments() - how many segments there are, at least 1. */
uint32_t fqz_stream_segments(const struct fqz_stream *s);

/** fqz_stream_start() - a segment's first symbol; the number of symbols for @segment = segments. */
size_t fqz_stream_start(const struct fqz_stream *s, uint32_t segment);

/**
 * fqz_stream_decode() - decode some segments of a layer
 * @first, @count: which; -EINVAL where there are no such
 * @symbols:       of the whole layer, outputs * inputs_per_output bytes; those of the segments
 *                 are written
 * @go_on, @arg:   as in fqz_layer_decode_while(), or NULL
 *
 * Threads may decode different segments at the same time. Four segments in one call are
 * faster than one in each of four.
 */
int fqz_stream_decode(const struct fqz_stream *s, uint32_t first, uint32_t count,
		      uint8_t *symbols, bool (*go_on)(void *arg), void *arg,
		      struct fqz_error *err);

/**
 * fqz_stream_size() - bytes of the stream that fqz_image_write() would make of symbols
 * @l:       kind, kernel and alphabet are read, nothing else
 * @count:   of @symbols, at least 1
 * @coder:   AUTO for the smallest
 * @bytes:   Stream_Size
 * @chosen:  the coder that it is; may be NULL
 */
int fqz_stream_size(const struct fqz_layer *l, const uint8_t *symbols, size_t count,
		    enum fqz_coder coder, uint64_t *bytes, enum fqz_coder *chosen,
		    struct fqz_error *err);

/**
 * fqz_layer_check_bound() - refuse a layer whose sums could overflow (section 7)
 * @symbols: as fqz_layer_decode() filled them
 * @largest: the largest sum |w| * bound(x) over the output channels; may be NULL
 */
int fqz_layer_check_bound(const struct fqz_image *img, uint32_t index,
			  const uint8_t *symbols, int64_t *largest, struct fqz_error *err);

/** fqz_layer_alphabet() - A of section 6.1: symbols are 0 to A - 1. */
uint32_t fqz_layer_alphabet(const struct fqz_layer *l);

/**
 * fqz_layer_weights() - the alphabet's weights (section 6.1)
 * @weights: weights[symbol] for each of the alphabet's symbols
 */
void fqz_layer_weights(const struct fqz_layer *l, int32_t weights[FQZ_MAX_ALPHABET]);

/** fqz_exponent_count() - E of section 6.1 for a mode and n bits, 0 if there is none. */
uint32_t fqz_exponent_count(enum fqz_mode mode, uint32_t bits);

/** fqz_layer_has_weights() / fqz_layer_has_channels() - by kind. */
bool fqz_layer_has_weights(const struct fqz_layer *l);
bool fqz_layer_has_channels(const struct fqz_layer *l);

/** fqz_tensor_elements() / fqz_tensor_bytes() - size of a tensor in memory. */
uint32_t fqz_tensor_elements(const struct fqz_tensor *t);
uint32_t fqz_tensor_bytes(const struct fqz_tensor *t);

/**
 * fqz_image_live() - tensors live before a layer (section 9)
 * @layer: 0 to layer_count; layer_count gives the output tensor alone
 * @ids:   room for tensor_count numbers, filled in ascending order; may be NULL
 * Return: how many they are; @bytes, if not NULL, gets the sum of their sizes.
 */
uint32_t fqz_image_live(const struct fqz_image *img, uint32_t layer, uint32_t *ids,
			uint64_t *bytes);

/** fqz_image_meta() - a metadata value, or NULL. */
const char *fqz_image_meta(const struct fqz_image *img, const char *key);

/**
 * fqz_image_write() - write an image
 * @img:  the network; layers' symbols are encoded with the layer's coder (segments of at
 *        most 2^16 symbols).
 *        Derived fields (bound, outputs, ...), and members that a layer's kind
 *        has no use for, are not read.
 * @data: malloc()ed image, the caller frees it
 * @len:  its bytes
 *
 * What is written was read back with fqz_image_open() and fqz_image_verify()
 * first: a network that breaks FORMAT.md is refused with the reader's own error.
 */
int fqz_image_write(const struct fqz_image *img, void **data, size_t *len,
		    struct fqz_error *err);

/** fqz_kind_name() - e.g. "conv". */
const char *fqz_kind_name(enum fqz_kind kind);

/** fqz_coder_name() - "auto", "huffman", "rle-huffman" or "tans". */
const char *fqz_coder_name(enum fqz_coder coder);

/** fqz_reason_name() - e.g. "TRUNCATED". */
const char *fqz_reason_name(enum fqz_reason reason);

/** fqz_crc32c() - CRC32C of @len bytes, going on from @crc (0 to start). */
uint32_t fqz_crc32c(uint32_t crc, const void *data, size_t len);

#endif
