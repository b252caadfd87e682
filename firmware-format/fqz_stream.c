// SPDX-License-Identifier: MIT
/* Weight streams and the bounds of what they sum: FORMAT.md sections 6.2 and 7. */
#include "fqz_private.h"

#include <stdlib.h>

#define STREAM_HEAD		2u	/* Segment_Log2, Alphabet */
#define MIN_SEGMENT_LOG2	10
#define MAX_SEGMENT_LOG2	24
#define MAX_SUM			((INT64_C(1) << 47) - 1)

/* A stream while it is decoded. */
struct stream {
	const struct fqz_layer *layer;
	uint32_t index;
	struct fqz_error *err;
	size_t count;			/* symbols */
	size_t segment_symbols;		/* of each segment but the last */
	size_t segments;
	const uint8_t *sizes;		/* Segment_Size */
	size_t data;			/* of the first segment, in the stream */
	bool (*go_on)(void *arg);	/* or NULL */
	void *arg;
};

static int refuse(const struct stream *s, enum fqz_reason reason, uint64_t at, const char *what)
{
	return fqz_refuse(s->err, reason, s->index, s->layer->stream_offset + at, what);
}

static int read_lengths(const struct stream *s, uint32_t alphabet, uint8_t *lengths)
{
	const uint8_t *table = s->layer->stream + STREAM_HEAD;
	uint32_t i;

	for (i = 0; i < alphabet; i++)
		lengths[i] = i % 2 ? table[i / 2] >> 4 : table[i / 2] & 15;
	if (alphabet % 2 && table[alphabet / 2] >> 4)
		return refuse(s, FQZ_RESERVED, STREAM_HEAD + alphabet / 2,
			      "the last half byte of a Huffman table is not zero");
	return 0;
}

static int read_head(struct stream *s, uint8_t *lengths)
{
	const struct fqz_layer *l = s->layer;
	uint32_t alphabet = fqz_layer_alphabet(l), log2;
	size_t table = (alphabet + 1) / 2;
	int ret;

	if (l->stream_size < STREAM_HEAD + table)
		return refuse(s, FQZ_STREAM, l->stream_size, "a stream ends in its Huffman table");
	log2 = l->stream[0];
	if (log2 && (log2 < MIN_SEGMENT_LOG2 || log2 > MAX_SEGMENT_LOG2))
		return refuse(s, FQZ_STREAM, 0, "Segment_Log2 is neither 0 nor 10 to 24");
	if (l->stream[1] != alphabet)
		return refuse(s, FQZ_ALPHABET, 1, "Alphabet is not that of the layer");
	ret = read_lengths(s, alphabet, lengths);
	if (ret)
		return ret;

	s->segment_symbols = log2 ? (size_t)1 << log2 : s->count;
	s->segments = (s->count - 1) / s->segment_symbols + 1;
	if (log2 && s->segments < 2)
		return refuse(s, FQZ_STREAM, 0, "Segment_Log2 is not 0 for one segment");
	s->sizes = l->stream + STREAM_HEAD + table;
	s->data = STREAM_HEAD + table + 4 * (s->segments - 1);
	if (s->data > l->stream_size)
		return refuse(s, FQZ_STREAM, l->stream_size, "a stream ends in its Segment_Size");
	return 0;
}

static int check_segment(const struct stream *s, enum fqz_segment_result result, uint64_t at)
{
	switch (result) {
	case FQZ_SEGMENT_OK:
		return 0;
	case FQZ_SEGMENT_EARLY:
		return refuse(s, FQZ_STREAM, at, "a segment ends before its symbols");
	case FQZ_SEGMENT_NO_CODE:
		return refuse(s, FQZ_STREAM, at, "a code that the table does not have");
	case FQZ_SEGMENT_BYTES:
		return refuse(s, FQZ_STREAM, at, "a segment has bytes after its symbols");
	default:
		return refuse(s, FQZ_STREAM, at, "the bits that fill up a segment are not zero");
	}
}

static int run_segments(const struct stream *s, const struct fqz_decoder *d, uint8_t *symbols)
{
	const struct fqz_layer *l = s->layer;
	size_t at = s->data, left = s->count, i, where;
	enum fqz_segment_result result;
	int ret;

	for (i = 0; i < s->segments; i++) {
		bool last = i + 1 == s->segments;
		size_t count = last ? left : s->segment_symbols;
		size_t size = last ? l->stream_size - at : fqz_le32(s->sizes + 4 * i);

		if (size > l->stream_size - at)
			return refuse(s, FQZ_STREAM, (uint64_t)(s->sizes - l->stream) + 4 * i,
				      "a segment ends after its stream");
		result = fqz_decoder_run(d, l->stream + at, size, symbols, count, &where);
		ret = check_segment(s, result, at + where);
		if (ret)
			return ret;
		at += size;
		left -= count;
		symbols += count;
		if (s->go_on && !s->go_on(s->arg))
			return -ECANCELED;
	}
	return 0;
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
	struct stream s = { .index = index, .err = err, .count = count, .go_on = go_on,
			    .arg = arg };
	uint8_t lengths[FQZ_MAX_ALPHABET];
	struct fqz_decoder decoder;
	int ret;

	if (index >= img->layer_count || !fqz_layer_has_weights(&img->layers[index]))
		return fqz_invalid(err, "no layer with weights has this number");
	s.layer = &img->layers[index];
	if (count != (uint64_t)s.layer->outputs * s.layer->inputs_per_output)
		return fqz_invalid(err, "the layer has another number of weights");
	ret = read_head(&s, lengths);
	if (ret)
		return ret;
	if (!fqz_decoder_init(&decoder, lengths, fqz_layer_alphabet(s.layer)))
		return refuse(&s, FQZ_CODE, STREAM_HEAD, "a Huffman code is not complete");
	return run_segments(&s, &decoder, symbols);
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

static void put_segments(struct fqz_buffer *b, const struct fqz_encoder *e,
			 const uint8_t *symbols, size_t count, size_t segment_symbols)
{
	while (count) {
		size_t n = count < segment_symbols ? count : segment_symbols;
		uint8_t *to = fqz_buffer_add(b, (size_t)fqz_encoder_size(e, symbols, n));

		if (to)
			fqz_encoder_run(e, symbols, n, to);
		symbols += n;
		count -= n;
	}
}

static void put_sizes(struct fqz_buffer *b, const struct fqz_encoder *e,
		      const uint8_t *symbols, size_t count, size_t segment_symbols)
{
	uint8_t *to;

	for (; count > segment_symbols; count -= segment_symbols) {
		to = fqz_buffer_add(b, 4);
		if (to)
			fqz_put_le32(to, (uint32_t)fqz_encoder_size(e, symbols, segment_symbols));
		symbols += segment_symbols;
	}
}

int fqz_stream_put(struct fqz_buffer *b, uint32_t alphabet, const uint8_t *symbols,
		   size_t count, const char **what)
{
	size_t segment_symbols = (size_t)1 << FQZ_SEGMENT_LOG2, i;
	uint8_t head[STREAM_HEAD + (FQZ_MAX_ALPHABET + 1) / 2] = { 0 };
	uint64_t counts[256] = { 0 };
	struct fqz_encoder e;

	for (i = 0; i < count; i++)
		counts[symbols[i]]++;
	*what = "a symbol is not of the alphabet";
	for (i = alphabet; i < 256; i++)
		if (counts[i])
			return -EINVAL;
	fqz_encoder_init(&e, counts, alphabet);

	head[0] = count > segment_symbols ? FQZ_SEGMENT_LOG2 : 0;
	head[1] = (uint8_t)alphabet;
	for (i = 0; i < alphabet; i++)
		head[STREAM_HEAD + i / 2] |= (uint8_t)(e.lengths[i] << (i % 2 ? 4 : 0));
	fqz_buffer_put(b, head, STREAM_HEAD + (alphabet + 1) / 2);
	put_sizes(b, &e, symbols, count, segment_symbols);
	put_segments(b, &e, symbols, count, segment_symbols);
	return 0;
}
