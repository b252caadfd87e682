// SPDX-License-Identifier: MIT
/* Weight streams, read, and the bounds of what they sum: FORMAT.md sections 6.2 and 7. */
#include "fqz_coder.h"

#include <stdlib.h>

#define MAX_SUM			((INT64_C(1) << 47) - 1)
/*
 * Of each lane between two go_on(): 2^20 of all, though a token may go beyond. Even, so that
 * fqz_tans.c's loop over all lanes, which decodes pairs, goes on.
 */
#define GO_ON_SYMBOLS		((((size_t)1 << 20) / FQZ_LANES) - FQZ_MAX_RUN - 1)

struct fqz_stream {
	const struct fqz_layer *layer;
	uint32_t index;
	size_t count;			/* symbols */
	size_t segment_symbols;		/* of each segment but the last */
	size_t segments;
	const uint8_t *sizes;		/* Segment_Size */
	size_t data;			/* of the first segment, in the stream */
	enum fqz_speed speed;
	union {
		struct fqz_huffman huffman;
		struct fqz_rle rle;
		struct fqz_tans tans;
	};
};

static int refuse(const struct fqz_stream *s, struct fqz_error *err, enum fqz_reason reason,
		  uint64_t at, const char *what)
{
	return fqz_refuse(err, reason, s->index, s->layer->stream_offset + at, what);
}

/* Code lengths, of which there are count, at a place in the stream. */
static int read_lengths(const struct fqz_stream *s, size_t at, uint32_t count, uint8_t *lengths,
			struct fqz_error *err)
{
	const struct fqz_layer *l = s->layer;
	uint32_t i;

	if (l->stream_size < at + (count + 1) / 2)
		return refuse(s, err, FQZ_STREAM, l->stream_size,
			      "a stream ends in its Huffman table");
	for (i = 0; i < count; i++)
		lengths[i] = i % 2 ? l->stream[at + i / 2] >> 4 : l->stream[at + i / 2] & 15;
	if (count % 2 && l->stream[at + count / 2] >> 4)
		return refuse(s, err, FQZ_RESERVED, at + count / 2,
			      "the last half byte of a Huffman table is not zero");
	return 0;
}

/* The coders' heads and tables; *at is where they begin, then where they end. */
static int read_huffman(struct fqz_stream *s, size_t *at, struct fqz_error *err)
{
	uint32_t alphabet = fqz_layer_alphabet(s->layer);
	uint8_t lengths[FQZ_MAX_ALPHABET];
	int ret;

	ret = read_lengths(s, *at, alphabet, lengths, err);
	if (ret)
		return ret;
	if (!fqz_huffman_init(&s->huffman, lengths, alphabet))
		return refuse(s, err, FQZ_CODE, *at, "a Huffman code is not complete");
	*at += (alphabet + 1) / 2;
	return 0;
}

static int read_rle(struct fqz_stream *s, size_t *at, struct fqz_error *err)
{
	uint8_t lengths[FQZ_MAX_RUN + FQZ_MAX_ALPHABET];
	uint32_t alphabet = fqz_layer_alphabet(s->layer), limit;
	int ret;

	if (s->layer->stream_size == *at)
		return refuse(s, err, FQZ_STREAM, *at, "a stream ends in its head");
	limit = s->layer->stream[(*at)++];
	if (!limit || limit > FQZ_MAX_RUN)
		return refuse(s, err, FQZ_CODE, *at - 1, "Run_Limit is not 1 to 63");
	ret = read_lengths(s, *at, limit + alphabet, lengths, err);
	if (ret)
		return ret;
	if (!fqz_rle_init(&s->rle, lengths, limit, alphabet))
		return refuse(s, err, FQZ_CODE, *at, "a Huffman code is not complete");
	*at += (limit + alphabet + 1) / 2;
	return 0;
}

static bool is_table_log2(uint32_t log2)
{
	return log2 >= FQZ_MIN_TABLE_LOG2 && log2 <= FQZ_MAX_TABLE_LOG2;
}

static int read_tans_head(struct fqz_stream *s, size_t at, struct fqz_error *err)
{
	const struct fqz_layer *l = s->layer;
	struct fqz_tans *t = &s->tans;
	uint32_t kernel = l->kernel_h * l->kernel_w;

	if (l->stream_size < at + FQZ_TANS_HEAD)
		return refuse(s, err, FQZ_STREAM, l->stream_size, "a stream ends in its head");
	t->limit = l->stream[at];
	t->run_log2 = l->stream[at + 1] & 15;
	t->value_log2 = l->stream[at + 1] >> 4;
	t->contexts = l->stream[at + 2];
	if (t->limit > FQZ_MAX_RUN)
		return refuse(s, err, FQZ_CODE, at, "Run_Limit is above 63");
	if ((t->limit ? !is_table_log2(t->run_log2) : t->run_log2) ||
	    !is_table_log2(t->value_log2))
		return refuse(s, err, FQZ_CODE, at + 1, "Table_Log2 is out of range");
	if (t->contexts != 1 && (t->contexts != FQZ_CONTEXTS || l->kind != FQZ_CONV ||
				 kernel < 2 || kernel > FQZ_MAX_KERNEL))
		return refuse(s, err, FQZ_CODE, at + 2, "Contexts is not what the layer can have");
	return 0;
}

static int read_tans(struct fqz_stream *s, size_t *at, struct fqz_error *err)
{
	const struct fqz_layer *l = s->layer;
	size_t size;
	int ret;

	ret = read_tans_head(s, *at, err);
	if (ret)
		return ret;
	*at += FQZ_TANS_HEAD;
	switch (fqz_tans_init(&s->tans, l, l->stream + *at, l->stream_size - *at, &size)) {
	case FQZ_TANS_OK:
		*at += size;
		return 0;
	case FQZ_TANS_EARLY:
		return refuse(s, err, FQZ_STREAM, l->stream_size, "a stream ends in its tables");
	case FQZ_TANS_SUM:
		return refuse(s, err, FQZ_CODE, *at,
			      "the frequencies of a table do not sum to its size");
	default:
		return refuse(s, err, FQZ_RESERVED, *at + size - 1,
			      "the bits that fill up the tables are not zero");
	}
}

static int read_coder(struct fqz_stream *s, size_t *at, struct fqz_error *err)
{
	switch (s->layer->coder) {
	case FQZ_HUFFMAN:
		return read_huffman(s, at, err);
	case FQZ_RLE_HUFFMAN:
		return read_rle(s, at, err);
	default:
		return read_tans(s, at, err);
	}
}

static int read_head(struct fqz_stream *s, struct fqz_error *err)
{
	const struct fqz_layer *l = s->layer;
	size_t at = FQZ_STREAM_HEAD;
	uint32_t log2;
	int ret;

	if (l->stream_size < FQZ_STREAM_HEAD)
		return refuse(s, err, FQZ_STREAM, l->stream_size, "a stream ends in its head");
	log2 = l->stream[0];
	if (log2 && (log2 < FQZ_MIN_SEGMENT_LOG2 || log2 > FQZ_MAX_SEGMENT_LOG2))
		return refuse(s, err, FQZ_STREAM, 0, "Segment_Log2 is neither 0 nor 10 to 24");
	s->segment_symbols = log2 ? (size_t)1 << log2 : s->count;
	s->segments = (s->count - 1) / s->segment_symbols + 1;
	if (log2 && s->segments < 2)
		return refuse(s, err, FQZ_STREAM, 0, "Segment_Log2 is not 0 for one segment");
	if (l->stream[1] != fqz_layer_alphabet(l))
		return refuse(s, err, FQZ_ALPHABET, 1, "Alphabet is not that of the layer");
	ret = read_coder(s, &at, err);
	if (ret)
		return ret;
	s->sizes = l->stream + at;
	s->data = at + 4 * (s->segments - 1);
	if (s->data > l->stream_size)
		return refuse(s, err, FQZ_STREAM, l->stream_size,
			      "a stream ends in its Segment_Size");
	return 0;
}

int fqz_stream_open(const struct fqz_image *img, uint32_t index, struct fqz_stream **out,
		    struct fqz_error *err)
{
	struct fqz_stream *s;
	int ret;

	*out = NULL;
	if (index >= img->layer_count || !fqz_layer_has_weights(&img->layers[index]))
		return fqz_invalid(err, "no layer with weights has this number");
	s = malloc(sizeof(*s));
	if (!s)
		return fqz_no_memory(err);
	s->layer = &img->layers[index];
	s->index = index;
	s->speed = FQZ_FASTEST;
	s->count = (size_t)s->layer->outputs * s->layer->inputs_per_output;
	ret = read_head(s, err);
	if (ret) {
		free(s);
		return ret;
	}
	*out = s;
	return 0;
}

void fqz_stream_close(struct fqz_stream *s)
{
	free(s);
}

void fqz_stream_set_speed(struct fqz_stream *s, enum fqz_speed speed)
{
	s->speed = speed;
}

uint32_t fqz_stream_segments(const struct fqz_stream *s)
{
	return (uint32_t)s->segments;
}

size_t fqz_stream_start(const struct fqz_stream *s, uint32_t segment)
{
	return segment < s->segments ? segment * s->segment_symbols : s->count;
}

static const char *segment_text(enum fqz_segment_result result)
{
	switch (result) {
	case FQZ_SEGMENT_EARLY:
		return "a segment ends before its symbols";
	case FQZ_SEGMENT_NO_CODE:
		return "a code that the table does not have";
	case FQZ_SEGMENT_RUN:
		return "a run of zeros goes past the end of its segment";
	case FQZ_SEGMENT_BYTES:
		return "a segment has bytes after its symbols";
	case FQZ_SEGMENT_STATES:
		return "a segment's states do not end in 0";
	default:
		return "the bits that fill up a segment are not zero";
	}
}

/*
 * Sets up lanes for segments from first on, the first of which begins at *at in the stream;
 * how many there are. Less than wanted where the next one's Segment_Size is wrong.
 */
static uint32_t set_lanes(const struct fqz_stream *s, struct fqz_lane *lanes, uint32_t wanted,
			  size_t first, uint8_t *symbols, size_t *at, size_t starts[FQZ_LANES])
{
	const struct fqz_layer *l = s->layer;
	uint32_t i;

	for (i = 0; i < wanted; i++) {
		size_t start = fqz_stream_start(s, (uint32_t)first + i);
		size_t count = fqz_stream_start(s, (uint32_t)first + i + 1) - start;
		size_t size = first + i + 1 == s->segments ?
				      l->stream_size - *at :
				      fqz_le32(s->sizes + 4 * (first + i));

		if (size > l->stream_size - *at)
			break;
		fqz_lane_init(&lanes[i], l->stream + *at, size, symbols + start, count, start);
		starts[i] = *at;
		*at += size;
	}
	return i;
}

static void run_lanes(const struct fqz_stream *s, struct fqz_lane *lanes, uint32_t count)
{
	if (s->layer->coder == FQZ_HUFFMAN)
		fqz_huffman_run(&s->huffman, lanes);
	else if (s->layer->coder == FQZ_RLE_HUFFMAN)
		fqz_rle_run(&s->rle, lanes, count, s->speed);
	else
		fqz_tans_run(&s->tans, lanes, count, s->speed);
}

/* To the end of all lanes. */
static bool finish_lanes(const struct fqz_stream *s, struct fqz_lane *lanes, uint32_t count,
			 bool (*go_on)(void *arg), void *arg)
{
	bool more = true;
	uint32_t i;

	while (more) {
		for (i = 0; i < count; i++) {
			fqz_lane_budget(&lanes[i], GO_ON_SYMBOLS);
			/* Not a whole segment at once: that may be 2^28 symbols. */
			if (s->layer->coder != FQZ_HUFFMAN)
				fqz_lane_clear(&lanes[i]);
		}
		run_lanes(s, lanes, count);
		if (go_on && !go_on(arg))
			return false;
		for (i = 0, more = false; i < count; i++)
			more |= lanes[i].result == FQZ_SEGMENT_MORE;
	}
	return true;
}

static int refuse_size(const struct fqz_stream *s, size_t segment, struct fqz_error *err)
{
	return refuse(s, err, FQZ_STREAM, (uint64_t)(s->sizes - s->layer->stream) + 4 * segment,
		      "a segment ends after its stream");
}

/* Where a segment begins in the stream. */
static int find_segment(const struct fqz_stream *s, size_t segment, size_t *at,
			struct fqz_error *err)
{
	size_t i;

	for (i = 0, *at = s->data; i < segment; i++) {
		uint32_t size = fqz_le32(s->sizes + 4 * i);

		if (size > s->layer->stream_size - *at)
			return refuse_size(s, i, err);
		*at += size;
	}
	return 0;
}

int fqz_stream_decode(const struct fqz_stream *s, uint32_t first, uint32_t count,
		      uint8_t *symbols, bool (*go_on)(void *arg), void *arg,
		      struct fqz_error *err)
{
	uint32_t most = s->layer->coder == FQZ_HUFFMAN ? 1 : FQZ_LANES, wanted, n, i;
	struct fqz_lane lanes[FQZ_LANES];
	size_t starts[FQZ_LANES], at;
	int ret;

	if (first > s->segments || count > s->segments - first)
		return fqz_invalid(err, "the stream has no such segments");
	/* Behind the last segment there is no Segment_Size to look for. */
	if (!count)
		return 0;
	ret = find_segment(s, first, &at, err);
	for (; count && !ret; first += n, count -= n) {
		wanted = count < most ? count : most;
		n = set_lanes(s, lanes, wanted, first, symbols, &at, starts);
		if (n && !finish_lanes(s, lanes, n, go_on, arg))
			return -ECANCELED;
		for (i = 0; i < n && !ret; i++)
			if (lanes[i].result != FQZ_SEGMENT_OK)
				ret = refuse(s, err, FQZ_STREAM, starts[i] + lanes[i].where,
					     segment_text(lanes[i].result));
		if (!ret && n < wanted)
			ret = refuse_size(s, first + n, err);
	}
	return ret;
}

int fqz_layer_decode(const struct fqz_image *img, uint32_t index, uint8_t *symbols,
		     size_t count, struct fqz_error *err)
{
	return fqz_layer_decode_while(img, index, symbols, count, NULL, NULL, err);
}

int fqz_layer_decode_while(const struct fqz_image *img, uint32_t index, uint8_t *symbols,
			   size_t count, bool (*go_on)(void *arg), void *arg,
			   struct fqz_error *err)
{
	struct fqz_stream *s;
	int ret;

	if (index >= img->layer_count || !fqz_layer_has_weights(&img->layers[index]))
		return fqz_invalid(err, "no layer with weights has this number");
	if (count !=
	    (uint64_t)img->layers[index].outputs * img->layers[index].inputs_per_output)
		return fqz_invalid(err, "the layer has another number of weights");
	ret = fqz_stream_open(img, index, &s, err);
	if (ret)
		return ret;
	ret = fqz_stream_decode(s, 0, (uint32_t)s->segments, symbols, go_on, arg, err);
	fqz_stream_close(s);
	return ret;
}

int fqz_layer_check_bound(const struct fqz_image *img, uint32_t index,
			  const uint8_t *symbols, int64_t *largest, struct fqz_error *err)
{
	int32_t weights[FQZ_MAX_ALPHABET];
	int64_t magnitudes[256] = { 0 };
	const struct fqz_layer *l;
	int64_t most = 0, product;
	uint32_t o, i;

	if (index >= img->layer_count || !fqz_layer_has_weights(&img->layers[index]))
		return fqz_invalid(err, "no layer with weights has this number");
	l = &img->layers[index];
	fqz_layer_weights(l, weights);
	for (i = 0; i < FQZ_MAX_ALPHABET; i++)
		magnitudes[i] = weights[i] < 0 ? -(int64_t)weights[i] : weights[i];
	for (o = 0; o < l->outputs; o++) {
		/* At most 2^20 weights below 2^20. */
		int64_t sum = 0;

		for (i = 0; i < l->inputs_per_output; i++)
			sum += magnitudes[*symbols++];
		if (sum > most)
			most = sum;
	}
	if (__builtin_mul_overflow(most, img->tensors[l->inputs[0]].bound, &product))
		product = INT64_MAX;
	if (largest)
		*largest = product;
	if (product > MAX_SUM)
		return fqz_refuse(err, FQZ_OVERFLOW, index, l->stream_offset,
				  "a sum can be above 2^47 - 1");
	return 0;
}

int fqz_image_verify(const struct fqz_image *img, struct fqz_error *err)
{
	size_t largest = 0, count;
	uint8_t *symbols;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < img->layer_count; i++) {
		count = (size_t)img->layers[i].outputs * img->layers[i].inputs_per_output;
		if (count > largest)
			largest = count;
	}
	if (!largest)
		return 0;
	symbols = malloc(largest);
	if (!symbols)
		return fqz_no_memory(err);
	for (i = 0; i < img->layer_count && !ret; i++) {
		if (!fqz_layer_has_weights(&img->layers[i]))
			continue;
		count = (size_t)img->layers[i].outputs * img->layers[i].inputs_per_output;
		ret = fqz_layer_decode(img, i, symbols, count, err);
		if (!ret)
			ret = fqz_layer_check_bound(img, i, symbols, NULL, err);
	}
	free(symbols);
	return ret;
}
