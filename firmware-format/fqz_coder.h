/* SPDX-License-Identifier: MIT */
/* What the coders of FORMAT.md sections 6.2 to 6.6 share. Not installed. */
#ifndef FQZ_CODER_H
#define FQZ_CODER_H

#include "fqz_private.h"

#define FQZ_ALWAYS_INLINE	inline __attribute__((always_inline))

/* Loops are compiled a second time for processors that have its shifts. */
#if defined(__x86_64__)
#define FQZ_HAS_BMI2		1
#define FQZ_BMI2		__attribute__((target("bmi,bmi2")))

/* A virtual machine may have one without the other. */
static inline bool fqz_has_bmi2(void)
{
	return __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
#endif

/* fqz_stream.c, section 6.2 */
#define FQZ_STREAM_HEAD		2u	/* Segment_Log2, Alphabet */
#define FQZ_MIN_SEGMENT_LOG2	10
#define FQZ_MAX_SEGMENT_LOG2	24

/* Section 6.4 */
#define FQZ_MAX_RUN		63u
#define FQZ_WEIGHTS_PER_BYTE	512u

enum fqz_segment_result {
	FQZ_SEGMENT_MORE,	/* not at its end yet */
	FQZ_SEGMENT_OK,
	FQZ_SEGMENT_EARLY,
	FQZ_SEGMENT_NO_CODE,
	FQZ_SEGMENT_RUN,
	FQZ_SEGMENT_BYTES,
	FQZ_SEGMENT_BITS,
	FQZ_SEGMENT_STATES,
};

/*
 * A segment while it is decoded. Segments do not depend on each other, so that coders
 * 2 and 3 decode FQZ_LANES of them in one loop: each hides the latency of the others.
 */
#define FQZ_LANES		4u

struct fqz_lane {
	const uint8_t *in;
	size_t size;
	uint8_t *out;
	size_t count;		/* its symbols */
	size_t first;		/* index of its first symbol in the layer */
	size_t n;		/* symbols decoded */
	size_t stop;		/* decode to here, and at most FQZ_MAX_RUN - 1 further */
	size_t cleared;		/* coders 2 and 3: symbols made zero */
	uint64_t pos;		/* bits read */
	uint32_t states[2];	/* coder 3 */
	enum fqz_segment_result result;
	size_t where;		/* of a refusal: the byte at fault in the segment */
};

void fqz_lane_init(struct fqz_lane *lane, const uint8_t *in, size_t size, uint8_t *out,
		   size_t count, size_t first);
void fqz_lane_stop(struct fqz_lane *lane, enum fqz_segment_result result, size_t where);
/* Sets stop, at most budget symbols away. */
void fqz_lane_budget(struct fqz_lane *lane, size_t budget);
/* Zero runs are not written: makes zero what is decoded until the lane stops. */
void fqz_lane_clear(struct fqz_lane *lane);
/* After the last symbol: the segment must end with the byte that it is in. */
bool fqz_lane_check_end(struct fqz_lane *lane, bool msb_first);

/* Which variant of the loops runs; they give the same bytes and refusals. */
enum fqz_speed { FQZ_CAREFUL, FQZ_PLAIN, FQZ_FASTEST };

/* For tests: a stream is opened as FQZ_FASTEST. */
void fqz_stream_set_speed(struct fqz_stream *s, enum fqz_speed speed);

static inline uint64_t fqz_load_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static inline uint64_t fqz_load_be64(const uint8_t *p)
{
	return __builtin_bswap64(fqz_load_le64(p));
}

/* fqz_huffman.c: canonical codes of section 6.3. */
#define FQZ_MAX_CODE		15
#define FQZ_LOOKUP_BITS		11
#define FQZ_LOOKUP_SYMBOLS	6

struct fqz_code {
	uint16_t first[FQZ_MAX_CODE + 1];	/* code of each length */
	uint8_t count[FQZ_MAX_CODE + 1];
	uint8_t index[FQZ_MAX_CODE + 1];	/* of that code in sorted[] */
	uint8_t sorted[FQZ_MAX_ALPHABET];
};

bool fqz_code_init(struct fqz_code *c, const uint8_t *lengths, uint32_t alphabet);
/* The symbol that the next 15 bits begin with; its length, 0 where there is none. */
uint32_t fqz_code_next(const struct fqz_code *c, uint32_t bits, uint8_t *symbol);
/* The next symbol of a lane at any place; false where that ends the lane. */
bool fqz_lane_code(struct fqz_lane *lane, const struct fqz_code *c, uint8_t *symbol);

struct fqz_lookup {
	uint8_t count;		/* whole symbols in the next bits; 0: a longer code */
	uint8_t bits;		/* that they take */
	uint8_t symbols[FQZ_LOOKUP_SYMBOLS];
};

struct fqz_huffman {
	struct fqz_code code;
	struct fqz_lookup lookup[1 << FQZ_LOOKUP_BITS];
};

bool fqz_huffman_init(struct fqz_huffman *d, const uint8_t *lengths, uint32_t alphabet);
/* Goes on to lane->stop. */
void fqz_huffman_run(const struct fqz_huffman *d, struct fqz_lane *lane);

struct fqz_encoder {
	uint8_t lengths[FQZ_MAX_ALPHABET];
	uint16_t codes[FQZ_MAX_ALPHABET];
};

void fqz_encoder_init(struct fqz_encoder *e, const uint64_t *counts, uint32_t alphabet);
uint64_t fqz_encoder_size(const struct fqz_encoder *e, const uint8_t *symbols, size_t count);
void fqz_encoder_run(const struct fqz_encoder *e, const uint8_t *symbols, size_t count,
		     uint8_t *out);

/* fqz_rle.c: section 6.5. */
#define FQZ_JOINT_BITS		12

/* A lookup's entry: bits, advance, value from its lowest byte on, and flags. */
#define FQZ_JOINT_RUN		(1u << 24)	/* the run alone: its value's code is longer */
#define FQZ_JOINT_NONE		(1u << 25)	/* no code that short */

struct fqz_rle {
	uint32_t limit;				/* R */
	struct fqz_code runs, values;		/* values: symbol - 1 */
	uint32_t joint[1 << FQZ_JOINT_BITS];
	uint32_t value[1 << FQZ_JOINT_BITS];
};

bool fqz_rle_init(struct fqz_rle *d, const uint8_t *lengths, uint32_t limit, uint32_t alphabet);
/* Each lane that is not at its end goes on to its stop. */
void fqz_rle_run(const struct fqz_rle *d, struct fqz_lane *lanes, uint32_t count,
		 enum fqz_speed speed);

/* fqz_token.c: kernels for contexts, and tokens of section 6.4. */
#define FQZ_CONTEXTS		3u
#define FQZ_MAX_KERNEL		256u

struct fqz_kernel {
	uint32_t size, w;		/* Kernel_H * Kernel_W, Kernel_W; size 1: no contexts */
	int8_t sign[256];		/* by symbol; 0 beyond the alphabet */
};

void fqz_kernel_init(struct fqz_kernel *k, const struct fqz_layer *l);
/* Context of symbol n of a segment that begins with the layer's symbol number first. */
uint32_t fqz_kernel_context(const struct fqz_kernel *k, const uint8_t *segment, size_t first,
			    size_t n);

/* fqz_tans.c: section 6.6. */
#define FQZ_MIN_TABLE_LOG2	5
#define FQZ_MAX_TABLE_LOG2	12
#define FQZ_MAX_ORDER		12
#define FQZ_TANS_HEAD		3u	/* Run_Limit, Table_Log2, Contexts */

/*
 * A place of a table: Bits, then a byte, then Base in the upper half. The byte is a
 * value's symbol; of runs r + 1, or 0 for a run of R.
 */
struct fqz_tans {
	uint32_t limit;			/* R */
	uint32_t run_log2, value_log2, contexts;
	struct fqz_kernel kernel;
	/*
	 * For the place in the kernel plus r: a mask of left, one of up, and in the upper
	 * half the place in the kernel after that.
	 */
	uint32_t steps[FQZ_MAX_KERNEL + FQZ_MAX_RUN + 1];
	uint8_t signs[256];		/* by symbol: sign * 4 + 4 */
	uint32_t runs[1 << FQZ_MAX_TABLE_LOG2];
	uint32_t values[FQZ_CONTEXTS << FQZ_MAX_TABLE_LOG2];
};

/* The symbol of each place. */
void fqz_tans_spread(uint8_t *places, const uint16_t *freq, uint32_t symbols, uint32_t log2);

enum fqz_tans_result {
	FQZ_TANS_OK,
	FQZ_TANS_EARLY,		/* the stream ends */
	FQZ_TANS_SUM,		/* frequencies of another sum, or an order above 12 */
	FQZ_TANS_BITS,		/* bits that fill up are not zero */
};

/*
 * Reads Tables; limit, run_log2, value_log2 and contexts are set and in range. *size
 * becomes the bytes they take.
 */
enum fqz_tans_result fqz_tans_init(struct fqz_tans *d, const struct fqz_layer *l,
				   const uint8_t *tables, size_t room, size_t *size);
void fqz_tans_run(const struct fqz_tans *d, struct fqz_lane *lanes, uint32_t count,
		  enum fqz_speed speed);

/* What is encoded. */
struct fqz_source {
	const struct fqz_layer *layer;
	const uint8_t *symbols;
	size_t count;
	uint32_t alphabet;
};

/*
 * fqz_encode.c: segments of 2^log2 symbols, each put by a coder, and Segment_Size before
 * them. Coder 1 has log2 FQZ_SEGMENT_LOG2, as 1.0 wrote it.
 */
typedef void fqz_put_segment(void *coder, struct fqz_buffer *b, const struct fqz_source *s,
			     size_t first, size_t count);
uint32_t fqz_source_segment_log2(const struct fqz_source *s);
void fqz_put_head(struct fqz_buffer *b, const struct fqz_source *s, uint32_t log2);
void fqz_put_segments(struct fqz_buffer *b, const struct fqz_source *s, uint32_t log2,
		      fqz_put_segment *put, void *coder);

/* A whole stream in a coder's way; b->failed where memory ran out. */
void fqz_huffman_put(struct fqz_buffer *b, const struct fqz_source *s);
void fqz_rle_put(struct fqz_buffer *b, const struct fqz_source *s);
void fqz_tans_put(struct fqz_buffer *b, const struct fqz_source *s);

/* fqz_token.c: the tokens of a segment, one byte each; a token of R has value 0. */
struct fqz_tokens {
	uint8_t *runs, *values, *contexts;
	size_t count;
};

#define FQZ_NO_VALUE		255u	/* in values[] */

/* Run limits that a writer tries, descending. */
#define FQZ_RUN_LIMITS		5u
extern const uint8_t fqz_run_limits[FQZ_RUN_LIMITS];

/* Whether a size is enough below another one to be worth a slower decoder. */
static inline bool fqz_is_smaller(uint64_t bits, uint64_t than)
{
	return bits + bits / 128 < than;
}

struct fqz_token_counts {
	uint64_t runs[FQZ_RUN_LIMITS][FQZ_MAX_RUN + 1];
	uint64_t values[FQZ_CONTEXTS][256];	/* 0, too, as with R = 0 */
};

void fqz_source_count(const struct fqz_source *s, const struct fqz_kernel *k,
		      struct fqz_token_counts *c);
/* Room for a segment's tokens in one block; false without memory. */
bool fqz_tokens_alloc(struct fqz_tokens *t, size_t segment_symbols);
void fqz_tokens_free(struct fqz_tokens *t);
/* contexts[] is filled where k is not NULL. */
void fqz_tokens_fill(struct fqz_tokens *t, const struct fqz_source *s, const struct fqz_kernel *k,
		     uint32_t limit, size_t first, size_t count);

#endif
