// SPDX-License-Identifier: MIT
/* Weight streams, written: FORMAT.md section 6.2. */
#include "fqz_coder.h"

#include <stdlib.h>

#define LEAST_SEGMENT_LOG2	14

/*
 * Segments enough for the decoder's lanes, unless they become so short that their
 * sizes and states count.
 */
uint32_t fqz_source_segment_log2(const struct fqz_source *s)
{
	uint32_t log2 = FQZ_SEGMENT_LOG2;

	while (log2 > LEAST_SEGMENT_LOG2 && s->count >> log2 < FQZ_LANES)
		log2--;
	return log2;
}

void fqz_put_head(struct fqz_buffer *b, const struct fqz_source *s, uint32_t log2)
{
	uint8_t head[FQZ_STREAM_HEAD];

	head[0] = s->count > (size_t)1 << log2 ? (uint8_t)log2 : 0;
	head[1] = (uint8_t)s->alphabet;
	fqz_buffer_put(b, head, sizeof(head));
}

void fqz_put_segments(struct fqz_buffer *b, const struct fqz_source *s, uint32_t log2,
		      fqz_put_segment *put, void *coder)
{
	size_t each = (size_t)1 << log2, sizes = b->len, first, start;

	/* Without symbols the tensor is refused when the image is read back. */
	if (!s->count)
		return;
	fqz_buffer_add(b, 4 * ((s->count - 1) >> log2));
	for (first = 0; first < s->count; first += each) {
		bool last = s->count - first <= each;

		start = b->len;
		put(coder, b, s, first, last ? s->count - first : each);
		if (last || b->failed)
			continue;
		fqz_put_le32(b->data + sizes, (uint32_t)(b->len - start));
		sizes += 4;
	}
}

static bool is_of_alphabet(const struct fqz_source *s)
{
	bool seen[256] = { false };
	uint32_t symbol;
	size_t i;

	for (i = 0; i < s->count; i++)
		seen[s->symbols[i]] = true;
	for (symbol = s->alphabet; symbol < 256; symbol++)
		if (seen[symbol])
			return false;
	return true;
}

/* The smallest of the coders' streams in best, the first of equal ones. */
static void put_smallest(struct fqz_buffer *best, const struct fqz_source *s,
			 enum fqz_coder *coder)
{
	static void (*const puts[])(struct fqz_buffer *b, const struct fqz_source *s) = {
		[FQZ_HUFFMAN] = fqz_huffman_put,
		[FQZ_RLE_HUFFMAN] = fqz_rle_put,
		[FQZ_TANS] = fqz_tans_put,
	};
	enum fqz_coder wanted = *coder, id;

	for (id = FQZ_HUFFMAN; id <= FQZ_TANS; id++) {
		struct fqz_buffer b = { 0 }, other;

		if (wanted != FQZ_CODER_AUTO && wanted != id)
			continue;
		puts[id](&b, s);
		if (b.failed || !best->data || b.len < best->len) {
			*coder = id;
			other = *best;
			*best = b;
			b = other;
		}
		free(b.data);
		if (best->failed)
			return;
	}
}

int fqz_stream_put(struct fqz_buffer *b, const struct fqz_layer *l, size_t count,
		   enum fqz_coder *coder, const char **what)
{
	struct fqz_source s = { .layer = l, .symbols = l->symbols, .count = count,
				.alphabet = fqz_layer_alphabet(l) };

	*coder = l->coder;
	*what = "unknown Coder";
	if (l->coder > FQZ_TANS)
		return -EINVAL;
	*what = "a symbol is not of the alphabet";
	if (!is_of_alphabet(&s))
		return -EINVAL;
	put_smallest(b, &s, coder);
	return 0;
}

int fqz_stream_size(const struct fqz_layer *l, const uint8_t *symbols, size_t count,
		    enum fqz_coder coder, uint64_t *bytes, enum fqz_coder *chosen,
		    struct fqz_error *err)
{
	struct fqz_buffer b = { 0 };
	struct fqz_layer layer = *l;
	const char *what;
	int ret = 0;

	if (!fqz_layer_has_weights(l) || !count || count > FQZ_MAX_WEIGHTS)
		return fqz_invalid(err, "not a layer with weights, or too many of them");
	if (!l->exponent_count || fqz_alphabet_check(l, &what))
		return fqz_invalid(err, "not an alphabet of section 6.1");
	layer.symbols = symbols;
	layer.coder = coder;
	if (fqz_stream_put(&b, &layer, count, &coder, &what))
		return fqz_invalid(err, what);
	if (b.failed)
		ret = fqz_no_memory(err);
	*bytes = b.len;
	if (chosen)
		*chosen = coder;
	free(b.data);
	return ret;
}
