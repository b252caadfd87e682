// SPDX-License-Identifier: MIT
#include "fqz_reference.h"

#include <stdlib.h>
#include <string.h>

struct bits {
	const uint8_t *p;
	size_t pos, end;
	bool msb_first, bad;
};

struct decoder {
	const struct fqz_layer *l;
	uint32_t alphabet, limit, log2[2], contexts;
	uint8_t lengths[2][256];		/* coders 1 and 2: runs, values */
	uint16_t freq[4][256];			/* coder 3: runs, values by context */
	uint8_t place[4][4096];
	uint16_t rank[4][4096];
	int32_t weights[FQZ_MAX_ALPHABET];
	struct bits in;
	uint32_t states[2];
	const uint8_t *segment;
	size_t first, n;
	struct reference_step *steps;
	size_t room, step_count;
};

static uint32_t bit(struct bits *b)
{
	uint32_t v;

	if (b->pos == b->end) {
		b->bad = true;
		return 0;
	}
	v = b->p[b->pos / 8] >> (b->msb_first ? 7 - b->pos % 8 : b->pos % 8) & 1;
	b->pos++;
	return v;
}

static uint32_t number(struct bits *b, uint32_t count)
{
	uint32_t v = 0, i;

	for (i = 0; i < count; i++)
		v |= bit(b) << i;
	return v;
}

static bool rest_is_zero(struct bits *b)
{
	while (b->pos % 8)
		if (bit(b))
			return false;
	return true;
}

static uint32_t log2_of(uint32_t v)
{
	uint32_t n = 0;

	while (v >>= 1)
		n++;
	return n;
}

static bool is_complete(const uint8_t *lengths, uint32_t count)
{
	uint32_t sum = 0, used = 0, i;

	for (i = 0; i < count; i++) {
		used += !!lengths[i];
		sum += lengths[i] ? 1u << (15 - lengths[i]) : 0;
	}
	return sum == 1u << 15 || (used == 1 && sum == 1u << 14);
}

/* Codes are counted up, one length after the other, until one is what comes next. */
static uint32_t code(struct bits *b, const uint8_t *lengths, uint32_t count)
{
	uint32_t value = 0, next = 0, length, i;

	for (length = 1; length <= 15; length++) {
		value = value << 1 | bit(b);
		next <<= 1;
		for (i = 0; i < count; i++)
			if (lengths[i] == length && next++ == value)
				return i;
	}
	b->bad = true;
	return 0;
}

/* Puts the symbols into their places; rank is the j of each place. */
static void spread(struct decoder *d, uint32_t table)
{
	uint32_t log2 = d->log2[table ? 1 : 0], size = 1u << log2, at = 0, s, i, x;
	uint16_t seen[256] = { 0 };

	for (s = 0; s < 256; s++)
		for (i = 0; i < d->freq[table][s]; i++, at = (at + size / 2 + size / 8 + 3) % size)
			d->place[table][at] = (uint8_t)s;
	for (x = 0; x < size; x++)
		d->rank[table][x] = seen[d->place[table][x]]++;
}

static uint32_t tans(struct decoder *d, uint32_t which, uint32_t table)
{
	uint32_t log2 = d->log2[table ? 1 : 0], state = d->states[which];
	uint32_t s = d->place[table][state], j = d->rank[table][state];
	uint32_t bits = log2 - log2_of(d->freq[table][s] + j), value = number(&d->in, bits);

	d->states[which] = ((d->freq[table][s] + j) << bits) - (1u << log2) + value;
	if (d->step_count < d->room)
		d->steps[d->step_count++] =
			(struct reference_step){ state, s, bits, value };
	return s;
}

static int sign(const struct decoder *d, uint32_t symbol)
{
	return (d->weights[symbol] > 0) - (d->weights[symbol] < 0);
}

static uint32_t context(const struct decoder *d)
{
	uint32_t w = d->l->kernel_w, i = (uint32_t)(d->first + d->n);
	int sum = 0;

	if (d->contexts == 1)
		return 1;
	if (i % w > 0 && d->n >= 1)
		sum += sign(d, d->segment[d->n - 1]);
	if (i / w % d->l->kernel_h > 0 && d->n >= w)
		sum += sign(d, d->segment[d->n - w]);
	return sum < 0 ? 1 : sum == 0 ? 2 : 3;
}

static uint32_t run(struct decoder *d)
{
	if (d->l->coder == FQZ_TANS)
		return tans(d, 0, 0);
	return code(&d->in, d->lengths[0], d->limit + 1);
}

static uint32_t value(struct decoder *d)
{
	uint32_t first = d->limit ? 1 : 0;

	if (d->l->coder == FQZ_TANS)
		return first + tans(d, d->limit ? 1 : d->n % 2, context(d));
	return first + code(&d->in, d->lengths[1], d->alphabet - first);
}

static bool segment(struct decoder *d, const uint8_t *in, size_t size, uint8_t *out, size_t count)
{
	d->in = (struct bits){ .p = in, .end = 8 * size, .msb_first = d->l->coder != FQZ_TANS };
	d->segment = out;
	d->n = 0;
	memset(d->states, 0, sizeof(d->states));
	if (d->l->coder == FQZ_TANS) {
		d->states[0] = number(&d->in, d->limit ? d->log2[0] : d->log2[1]);
		d->states[1] = number(&d->in, d->log2[1]);
	}
	while (d->n < count && !d->in.bad) {
		uint32_t r = d->limit ? run(d) : 0, i;

		if (d->in.bad || r > count - d->n)
			return false;
		for (i = 0; i < r; i++)
			out[d->n++] = 0;
		if (d->n == count || (d->limit && r == d->limit))
			continue;
		out[d->n] = (uint8_t)value(d);
		d->n++;
	}
	return !d->in.bad && rest_is_zero(&d->in) && d->in.pos == d->in.end &&
	       !d->states[0] && !d->states[1];
}

static bool frequencies(struct bits *b, uint16_t *freq, uint32_t symbols, uint32_t log2)
{
	uint32_t order = number(b, 4), left = 1u << log2, zeros, q, f, i;

	if (order > 12)
		return false;
	for (i = 0; i < symbols && left; i++) {
		for (zeros = 0; !b->bad && zeros < 13 && !bit(b); zeros++)
			;
		if (b->bad || zeros > 12)
			return false;
		q = 1u << zeros | number(b, zeros);
		f = ((q - 1) << order) + number(b, order);
		if (f > left)
			return false;
		freq[i] = (uint16_t)f;
		left -= f;
	}
	return !left && !b->bad;
}

static bool tans_tables(struct decoder *d, size_t *at)
{
	const struct fqz_layer *l = d->l;
	uint32_t kernel = l->kind == FQZ_CONV ? l->kernel_h * l->kernel_w : 1, i;
	struct bits b = { .p = l->stream, .pos = 8 * (*at + 3), .end = 8 * (size_t)l->stream_size };

	if (l->stream_size < *at + 3)
		return false;
	d->limit = l->stream[*at];
	d->log2[0] = l->stream[*at + 1] % 16;
	d->log2[1] = l->stream[*at + 1] / 16;
	d->contexts = l->stream[*at + 2];
	if (d->limit > 63 || (d->limit ? d->log2[0] < 5 || d->log2[0] > 12 : d->log2[0]) ||
	    d->log2[1] < 5 || d->log2[1] > 12 ||
	    !(d->contexts == 1 || (d->contexts == 3 && kernel >= 2 && kernel <= 256)))
		return false;
	if (d->limit && !frequencies(&b, d->freq[0], d->limit + 1, d->log2[0]))
		return false;
	for (i = 1; i <= d->contexts; i++)
		if (!frequencies(&b, d->freq[i], d->alphabet - (d->limit ? 1 : 0), d->log2[1]))
			return false;
	for (i = d->limit ? 0 : 1; i <= d->contexts; i++)
		spread(d, i);
	*at = b.pos / 8 + !!(b.pos % 8);
	return rest_is_zero(&b);
}

static bool huffman_tables(struct decoder *d, size_t *at)
{
	const struct fqz_layer *l = d->l;
	uint32_t values = d->alphabet, count, i;

	if (l->coder == FQZ_RLE_HUFFMAN) {
		if (l->stream_size < *at + 1)
			return false;
		d->limit = l->stream[(*at)++];
		if (!d->limit || d->limit > 63)
			return false;
		values--;
	}
	count = values + (d->limit ? d->limit + 1 : 0);
	if (l->stream_size < *at + (count + 1) / 2)
		return false;
	for (i = 0; i < (count + 1) / 2 * 2; i++) {
		uint8_t length = l->stream[*at + i / 2] >> 4 * (i % 2) & 15;

		if (i == count && length)
			return false;
		if (d->limit && i <= d->limit)
			d->lengths[0][i] = length;
		else
			d->lengths[1][i - (d->limit ? d->limit + 1 : 0)] = length;
	}
	*at += (count + 1) / 2;
	return is_complete(d->lengths[1], values) &&
	       (!d->limit || is_complete(d->lengths[0], d->limit + 1));
}

static bool segments(struct decoder *d, size_t at, uint8_t *symbols, size_t count)
{
	const struct fqz_layer *l = d->l;
	uint32_t log2 = l->stream[0];
	size_t each = count, sizes = at, n, size;

	if (log2 && (log2 < 10 || log2 > 24))
		return false;
	if (log2)
		each = (size_t)1 << log2;
	if (log2 && count <= each)
		return false;
	at += 4 * ((count - 1) / each);
	if (at > l->stream_size)
		return false;
	for (d->first = 0; d->first < count; d->first += each, sizes += 4, at += size) {
		n = count - d->first < each ? count - d->first : each;
		size = l->stream_size - at;
		if (d->first + n < count)
			size = l->stream[sizes] | l->stream[sizes + 1] << 8 |
			       l->stream[sizes + 2] << 16 | (size_t)l->stream[sizes + 3] << 24;
		if (size > l->stream_size - at ||
		    !segment(d, l->stream + at, size, symbols + d->first, n))
			return false;
	}
	return true;
}

bool reference_decode(const struct fqz_layer *l, uint8_t *symbols, size_t count,
		      struct reference_step *steps, size_t room, size_t *step_count)
{
	struct decoder *d = calloc(1, sizeof(*d));
	size_t at = 2;
	bool good;

	if (!d)
		abort();
	d->l = l;
	d->alphabet = fqz_layer_alphabet(l);
	d->contexts = 1;
	d->steps = steps;
	d->room = room;
	fqz_layer_weights(l, d->weights);
	good = l->stream_size >= 2 && l->stream[1] == d->alphabet &&
	       (l->coder == FQZ_TANS ? tans_tables(d, &at) : huffman_tables(d, &at)) &&
	       segments(d, at, symbols, count);
	if (step_count)
		*step_count = d->step_count;
	free(d);
	return good;
}
