// SPDX-License-Identifier: MIT
/* Zero runs and contexts: FORMAT.md sections 6.4 and 6.6. */
#include "fqz_coder.h"

#include <stdlib.h>

/* The longer the runs, the faster the decoder; the shorter, the smaller a table. */
const uint8_t fqz_run_limits[FQZ_RUN_LIMITS] = { 63, 31, 15, 7, 3 };

void fqz_kernel_init(struct fqz_kernel *k, const struct fqz_layer *l)
{
	uint32_t alphabet = fqz_layer_alphabet(l), size = l->kernel_h * l->kernel_w, i;
	int32_t weights[FQZ_MAX_ALPHABET];

	memset(k, 0, sizeof(*k));
	k->size = k->w = 1;
	if (l->kind == FQZ_CONV && size > 1 && size <= FQZ_MAX_KERNEL) {
		k->size = size;
		k->w = l->kernel_w;
	}
	fqz_layer_weights(l, weights);
	for (i = 0; i < alphabet; i++)
		k->sign[i] = (int8_t)((weights[i] > 0) - (weights[i] < 0));
}

uint32_t fqz_kernel_context(const struct fqz_kernel *k, const uint8_t *segment, size_t first,
			    size_t n)
{
	uint32_t place = (uint32_t)((first + n) % k->size);
	int sum = 0;

	if (place % k->w && n)
		sum += k->sign[segment[n - 1]];
	if (place >= k->w && n >= k->w)
		sum += k->sign[segment[n - k->w]];
	return sum < 0 ? 0 : sum > 0 ? 2 : 1;
}

/* Zeros before a value, or before the segment's end. */
static void count_zeros(struct fqz_token_counts *c, size_t zeros, bool end)
{
	uint32_t i;

	for (i = 0; i < FQZ_RUN_LIMITS; i++) {
		uint32_t limit = fqz_run_limits[i];

		c->runs[i][limit] += zeros / limit;
		if (!end || zeros % limit)
			c->runs[i][zeros % limit]++;
	}
}

static void count_segment(const struct fqz_source *s, const struct fqz_kernel *k,
			  struct fqz_token_counts *c, size_t first, size_t count)
{
	const uint8_t *segment = s->symbols + first;
	size_t i, zeros = 0;

	for (i = 0; i < count; i++) {
		uint32_t context = k->size > 1 ? fqz_kernel_context(k, segment, first, i) : 0;

		c->values[context][segment[i]]++;
		if (segment[i]) {
			count_zeros(c, zeros, false);
			zeros = 0;
		} else {
			zeros++;
		}
	}
	count_zeros(c, zeros, true);
}

void fqz_source_count(const struct fqz_source *s, const struct fqz_kernel *k,
		      struct fqz_token_counts *c)
{
	size_t segment = (size_t)1 << fqz_source_segment_log2(s), first;

	memset(c, 0, sizeof(*c));
	for (first = 0; first < s->count; first += segment)
		count_segment(s, k, c, first,
			      s->count - first < segment ? s->count - first : segment);
}

bool fqz_tokens_alloc(struct fqz_tokens *t, size_t segment_symbols)
{
	t->runs = malloc(3 * segment_symbols);
	if (!t->runs)
		return false;
	t->values = t->runs + segment_symbols;
	t->contexts = t->values + segment_symbols;
	return true;
}

void fqz_tokens_free(struct fqz_tokens *t)
{
	free(t->runs);
}

void fqz_tokens_fill(struct fqz_tokens *t, const struct fqz_source *s, const struct fqz_kernel *k,
		     uint32_t limit, size_t first, size_t count)
{
	const uint8_t *segment = s->symbols + first;
	size_t n = 0;

	t->count = 0;
	while (n < count) {
		size_t at = t->count++, zeros = 0;

		while (zeros < limit && n + zeros < count && !segment[n + zeros])
			zeros++;
		n += zeros;
		t->runs[at] = (uint8_t)zeros;
		t->values[at] = FQZ_NO_VALUE;
		t->contexts[at] = 0;
		if ((limit && zeros == limit) || n == count)
			continue;
		t->values[at] = segment[n];
		if (k)
			t->contexts[at] = (uint8_t)fqz_kernel_context(k, segment, first, n);
		n++;
	}
}
