// SPDX-License-Identifier: MIT
/*
 * The loops of coders 2 and 3 over several segments (FORMAT.md sections 6.5 and 6.6), on random
 * bits in random tables: an encoder's streams seldom have the longest codes side by side. Each
 * variant, stopped wherever, must get as far as the one that looks at each bit.
 */
#include "tap.h"
#include "test_fqz_net.h"

#include "fqz_coder.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS		400
#define MOST_BYTES	6000
#define MOST_SYMBOLS	40000

static uint64_t seed = 5;

static uint32_t below(uint32_t limit)
{
	return net_random(&seed, limit);
}

/*
 * A complete code: leaves are split until there are enough, more or less often the deepest. Codes
 * of up to 12 bits are what the tables hold, longer ones what they lack.
 */
static void draw_lengths(uint8_t *lengths, uint32_t alphabet)
{
	uint32_t used = 2 + below(alphabet - 1), deep = 2 + below(4), most = 12 + 3 * below(2);
	uint32_t n = 2, i;

	memset(lengths, 0, alphabet);
	lengths[0] = lengths[1] = 1;
	while (n < used) {
		i = below(5) < deep ? n - 1 : below(n);
		if (lengths[i] == most)
			i = below(n);
		if (lengths[i] < most)
			lengths[n++] = ++lengths[i];
	}
	for (i = alphabet - 1; i; i--) {
		uint32_t other = below(i + 1);
		uint8_t length = lengths[i];

		lengths[i] = lengths[other];
		lengths[other] = length;
	}
}

struct bits {
	uint8_t bytes[4096];
	size_t count;
};

static void put(struct bits *b, uint32_t v, uint32_t count)
{
	for (; count--; v >>= 1, b->count++)
		b->bytes[b->count / 8] |= (uint8_t)((v & 1) << b->count % 8);
}

/* Frequencies of order 0 that sum to a table's size, a few of them large. */
static void put_table(struct bits *b, uint32_t symbols, uint32_t log2)
{
	uint32_t left = 1u << log2, f, zeros, i;

	put(b, 0, 4);
	for (i = 0; i < symbols && left; i++, left -= f) {
		f = i + 1 == symbols || !below(64) ? left : below(below(3) ? 4 : left + 1);
		f = f < left ? f : left;
		zeros = 31u - (uint32_t)__builtin_clz(f + 1);
		put(b, 0, zeros);
		put(b, 1, 1);
		put(b, f + 1, zeros);
	}
}

static void draw_tans(struct fqz_tans *d, const struct fqz_layer *l)
{
	uint32_t alphabet = fqz_layer_alphabet(l), i;
	struct bits b = { .count = 0 };
	size_t size;

	d->limit = below(3) ? 1 + below(FQZ_MAX_RUN) : 0;
	d->run_log2 = d->limit ? FQZ_MIN_TABLE_LOG2 + below(8) : 0;
	d->value_log2 = FQZ_MIN_TABLE_LOG2 + below(8);
	d->contexts = l->kernel_h * l->kernel_w > 1 && below(2) ? FQZ_CONTEXTS : 1;
	if (d->limit)
		put_table(&b, d->limit + 1, d->run_log2);
	for (i = 0; i < d->contexts; i++)
		put_table(&b, alphabet - (d->limit ? 1 : 0), d->value_log2);
	if (fqz_tans_init(d, l, b.bytes, sizeof(b.bytes), &size) || size != (b.count + 7) / 8)
		bail("random tables are refused");
}

static void draw_rle(struct fqz_rle *d, const struct fqz_layer *l)
{
	uint32_t alphabet = fqz_layer_alphabet(l), limit = 1 + below(FQZ_MAX_RUN);
	uint8_t lengths[FQZ_MAX_RUN + FQZ_MAX_ALPHABET];

	draw_lengths(lengths, limit + 1);
	draw_lengths(lengths + limit + 1, alphabet - 1);
	if (!fqz_rle_init(d, lengths, limit, alphabet))
		bail("a random code is refused");
}

/* Any of a code's symbols; bits from the most significant, as far as there is room. */
static uint8_t put_code(uint8_t *in, size_t size, size_t *at, const struct fqz_code *c)
{
	uint32_t symbols = 0, length, i, code;

	for (length = 1; length <= FQZ_MAX_CODE; length++)
		symbols += c->count[length];
	i = below(symbols);
	for (length = 1; i - c->index[length] >= c->count[length]; length++)
		;
	code = c->first[length] + i - c->index[length];
	while (length-- && *at < 8 * size) {
		in[*at / 8] |= (uint8_t)((code >> length & 1) << (7 - *at % 8));
		++*at;
	}
	return c->sorted[i];
}

/* For coder 2 each code as often as another, or the long ones would be too rare. */
static void draw_bits(uint8_t *in, size_t size, const struct fqz_rle *rle)
{
	size_t at = 0, k;

	for (k = 0; k < size; k++)
		in[k] = rle ? 0 : (uint8_t)below(256);
	while (rle && at < 8 * size)
		if (put_code(in, size, &at, &rle->runs) < rle->limit)
			put_code(in, size, &at, &rle->values);
}

/* Either, tans where it is not NULL; to the end, with stops after step symbols. */
static void run(const struct fqz_rle *rle, const struct fqz_tans *tans, struct fqz_lane *lanes,
		uint32_t count, enum fqz_speed speed, size_t step)
{
	bool more = true;
	uint32_t i;

	while (more) {
		for (i = 0; i < count; i++) {
			fqz_lane_budget(&lanes[i], step);
			fqz_lane_clear(&lanes[i]);
		}
		if (tans)
			fqz_tans_run(tans, lanes, count, speed);
		else
			fqz_rle_run(rle, lanes, count, speed);
		for (i = 0, more = false; i < count; i++)
			more |= lanes[i].result == FQZ_SEGMENT_MORE;
	}
}

static bool is_same(const struct fqz_lane *a, const struct fqz_lane *b)
{
	return a->result == b->result && a->where == b->where && a->n == b->n &&
	       a->pos == b->pos && !memcmp(a->out, b->out, a->n);
}

/* Random bits in all variants: how many lanes differ, how many were decoded to the end. */
static uint32_t differences(const struct fqz_rle *rle, const struct fqz_tans *tans,
			    uint32_t *decoded)
{
	struct fqz_lane right[FQZ_LANES], lanes[FQZ_LANES];
	size_t size = below(8) ? 1 + below(MOST_BYTES) : below(30), first, count;
	uint32_t wrong = 0, i;
	enum fqz_speed speed;
	uint8_t *in, *out;

	for (i = 0; i < FQZ_LANES; i++) {
		in = malloc(size ? size : 1);
		draw_bits(in, size, rle);
		first = below(1000);
		count = 1 + below(MOST_SYMBOLS);
		fqz_lane_init(&right[i], in, size, malloc(count), count, first);
		run(rle, tans, &right[i], 1, FQZ_CAREFUL, MOST_SYMBOLS);
		*decoded += right[i].n == count;
	}
	for (speed = FQZ_CAREFUL; speed <= FQZ_FASTEST; speed++) {
		for (i = 0; i < FQZ_LANES; i++) {
			count = right[i].count;
			/* In a block of its own size: the sanitizer sees a byte too many. */
			in = malloc(size ? size : 1);
			memcpy(in, right[i].in, size);
			out = malloc(count);
			fqz_lane_init(&lanes[i], in, size, out, count, right[i].first);
		}
		run(rle, tans, lanes, FQZ_LANES, speed, 1 + below(MOST_SYMBOLS));
		for (i = 0; i < FQZ_LANES; i++) {
			wrong += !is_same(&right[i], &lanes[i]);
			free((void *)lanes[i].in);
			free(lanes[i].out);
		}
	}
	for (i = 0; i < FQZ_LANES; i++) {
		free((void *)right[i].in);
		free(right[i].out);
	}
	return wrong;
}

static void check(bool is_tans)
{
	struct fqz_tans *tans = is_tans ? calloc(1, sizeof(*tans)) : NULL;
	struct fqz_rle *rle = is_tans ? NULL : calloc(1, sizeof(*rle));
	uint32_t wrong = 0, decoded = 0, i;
	struct fqz_layer l;

	for (i = 0; i < ROUNDS; i++) {
		l = net_conv(0, 1 + below(5), 1, 0, FQZ_RECENTRALIZED, 3 + below(6));
		l.kernel_w = 1 + below(5);
		if (is_tans)
			draw_tans(tans, &l);
		else
			draw_rle(rle, &l);
		wrong += differences(rle, tans, &decoded);
	}
	is_int(wrong, 0, is_tans ? "tans: each variant gets as far" : "rle: each variant gets as far");
	ok(decoded > ROUNDS / 4 && decoded < ROUNDS * FQZ_LANES,
	   "some segments have bits enough, others not (%u)", decoded);
	free(tans);
	free(rle);
}

int main(void)
{
	check(false);
	check(true);
	return tap_done();
}
