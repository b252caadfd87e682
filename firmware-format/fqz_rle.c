// SPDX-License-Identifier: MIT
/* Coder 2, zero runs and values in canonical Huffman codes: FORMAT.md section 6.5. */
#include "fqz_coder.h"

#define ROUND_TOKENS	4	/* of a loaded 64-bit word: 4 * 12 of 57 bits */
#define ROUND_BYTES	20	/* 3 * 24 + 12 bits, where each token takes two lookups, and a load */

static uint32_t entry(uint32_t bits, uint32_t advance, uint32_t value, uint32_t flags)
{
	return bits | advance << 8 | value << 16 | flags;
}

static void fill(uint32_t *table, uint32_t code, uint32_t length, uint32_t e)
{
	uint32_t shift = FQZ_JOINT_BITS - length, i;

	for (i = 0; i < 1u << shift; i++)
		table[(code << shift) + i] = e;
}

/* All values after a run of r zeros, whose code is the joint table's index's first bits. */
static void fill_values(struct fqz_rle *d, uint32_t *table, uint32_t code, uint32_t length,
			uint32_t r)
{
	const struct fqz_code *c = &d->values;
	uint32_t bits, i;

	for (bits = 1; bits <= FQZ_MAX_CODE && length + bits <= FQZ_JOINT_BITS; bits++)
		for (i = 0; i < c->count[bits]; i++)
			fill(table, code << bits | (c->first[bits] + i), length + bits,
			     entry(length + bits, r + 1, c->sorted[c->index[bits] + i] + 1u, 0));
}

static void fill_joint(struct fqz_rle *d)
{
	const struct fqz_code *c = &d->runs;
	uint32_t bits, i;

	for (i = 0; i < 1u << FQZ_JOINT_BITS; i++)
		d->joint[i] = d->value[i] = FQZ_JOINT_NONE;
	fill_values(d, d->value, 0, 0, 0);
	for (bits = 1; bits <= FQZ_JOINT_BITS; bits++) {
		for (i = 0; i < c->count[bits]; i++) {
			uint32_t code = c->first[bits] + i, r = c->sorted[c->index[bits] + i];

			if (r == d->limit) {
				/* Writes the last of its zeros. */
				fill(d->joint, code, bits, entry(bits, r, 0, 0));
				continue;
			}
			fill(d->joint, code, bits, entry(bits, r, 0, FQZ_JOINT_RUN));
			fill_values(d, d->joint, code, bits, r);
		}
	}
}

bool fqz_rle_init(struct fqz_rle *d, const uint8_t *lengths, uint32_t limit, uint32_t alphabet)
{
	d->limit = limit;
	if (!fqz_code_init(&d->runs, lengths, limit + 1) ||
	    !fqz_code_init(&d->values, lengths + limit + 1, alphabet - 1))
		return false;
	fill_joint(d);
	return true;
}

/* A lane in registers: a round begins as long as neither end is passed. */
struct cursor {
	const uint8_t *in;
	uint64_t bits, pos, pos_end;
	uint8_t *out, *out_end;
};

/* A run's zeros and its value are at most R symbols. */
static FQZ_ALWAYS_INLINE bool cursor_init(struct cursor *c, const struct fqz_rle *d,
					  const struct fqz_lane *lane, uint32_t tokens)
{
	size_t most = (size_t)tokens * d->limit, room = lane->stop - lane->n;

	if (lane->result != FQZ_SEGMENT_MORE || lane->size < ROUND_BYTES || lane->n > lane->stop ||
	    room < most)
		return false;
	c->in = lane->in;
	c->pos = lane->pos;
	c->pos_end = 8 * (uint64_t)(lane->size - ROUND_BYTES);
	c->out = lane->out + lane->n;
	c->out_end = c->out + (room - most);
	return true;
}

static FQZ_ALWAYS_INLINE bool cursor_fits(const struct cursor *c)
{
	return c->pos <= c->pos_end && c->out <= c->out_end;
}

static FQZ_ALWAYS_INLINE void cursor_save(const struct cursor *c, struct fqz_lane *lane)
{
	lane->pos = c->pos;
	lane->n = (size_t)(c->out - lane->out);
}

static FQZ_ALWAYS_INLINE void cursor_load(struct cursor *c)
{
	c->bits = fqz_load_be64(c->in + (c->pos >> 3)) << (c->pos & 7);
}

static FQZ_ALWAYS_INLINE void cursor_take(struct cursor *c, uint32_t e)
{
	c->bits <<= e & 63;
	c->pos += e & 255;
	c->out += e >> 8 & 255;
}

/*
 * A run whose value's code does not fit the same lookup. The value is looked up in bits
 * loaded anew: after three other tokens and the run those that are held may not suffice.
 */
static FQZ_ALWAYS_INLINE bool cursor_long_token(struct cursor *c, const struct fqz_rle *d,
						uint32_t run)
{
	struct cursor next = *c;
	uint32_t v;

	next.pos += run & 255;
	next.out += run >> 8 & 255;
	cursor_load(&next);
	v = d->value[next.bits >> (64 - FQZ_JOINT_BITS)];
	if (v & FQZ_JOINT_NONE)
		return false;
	cursor_take(&next, v);
	next.out[-1] = (uint8_t)(v >> 16);
	*c = next;
	return true;
}

/* False, with nothing taken, where a code is longer than the tables' index, or none. */
static FQZ_ALWAYS_INLINE bool cursor_token(struct cursor *c, const struct fqz_rle *d)
{
	uint32_t e = d->joint[c->bits >> (64 - FQZ_JOINT_BITS)];

	if (__builtin_expect(e >> 24, 0))
		return !(e & FQZ_JOINT_NONE) && cursor_long_token(c, d, e);
	cursor_take(c, e);
	c->out[-1] = (uint8_t)(e >> 16);
	return true;
}

/*
 * Until one of the lanes comes near its end; true where that was a code which the tables
 * lack.
 */
static FQZ_ALWAYS_INLINE bool run_lanes(const struct fqz_rle *d, struct fqz_lane *lanes)
{
	struct cursor a, b, c, e;
	bool lacks = true;
	unsigned int i;

	if (!cursor_init(&a, d, lanes, ROUND_TOKENS) ||
	    !cursor_init(&b, d, lanes + 1, ROUND_TOKENS) ||
	    !cursor_init(&c, d, lanes + 2, ROUND_TOKENS) ||
	    !cursor_init(&e, d, lanes + 3, ROUND_TOKENS))
		return false;
	while (cursor_fits(&a) && cursor_fits(&b) && cursor_fits(&c) && cursor_fits(&e)) {
		cursor_load(&a);
		cursor_load(&b);
		cursor_load(&c);
		cursor_load(&e);
		for (i = 0; i < ROUND_TOKENS; i++)
			if (!cursor_token(&a, d) || !cursor_token(&b, d) ||
			    !cursor_token(&c, d) || !cursor_token(&e, d))
				goto save;
	}
	lacks = false;
save:
	cursor_save(&a, lanes);
	cursor_save(&b, lanes + 1);
	cursor_save(&c, lanes + 2);
	cursor_save(&e, lanes + 3);
	return lacks;
}

static FQZ_ALWAYS_INLINE void run_lane(const struct fqz_rle *d, struct fqz_lane *lane)
{
	struct cursor c;

	if (!cursor_init(&c, d, lane, 1))
		return;
	while (cursor_fits(&c)) {
		cursor_load(&c);
		if (!cursor_token(&c, d))
			break;
	}
	cursor_save(&c, lane);
}

/* A token at any place, with every check. */
static void run_token(const struct fqz_rle *d, struct fqz_lane *lane)
{
	size_t begin = (size_t)(lane->pos >> 3), left = lane->count - lane->n;
	uint8_t r, value;

	if (!fqz_lane_code(lane, &d->runs, &r))
		return;
	if (r > left) {
		fqz_lane_stop(lane, FQZ_SEGMENT_RUN, begin);
		return;
	}
	if (r < d->limit && r < left) {
		if (!fqz_lane_code(lane, &d->values, &value))
			return;
		lane->out[lane->n + r] = (uint8_t)(value + 1);
		lane->n++;
	}
	lane->n += r;
}

static FQZ_ALWAYS_INLINE void run(const struct fqz_rle *d, struct fqz_lane *lanes, uint32_t count,
				  bool fast)
{
	uint32_t i;

	while (fast && count == FQZ_LANES && run_lanes(d, lanes))
		for (i = 0; i < FQZ_LANES; i++)
			if (lanes[i].result == FQZ_SEGMENT_MORE && lanes[i].n < lanes[i].stop)
				run_token(d, &lanes[i]);
	for (i = 0; i < count; i++) {
		struct fqz_lane *lane = &lanes[i];

		while (lane->result == FQZ_SEGMENT_MORE && lane->n < lane->stop) {
			if (fast)
				run_lane(d, lane);
			if (lane->n < lane->stop)
				run_token(d, lane);
		}
		if (lane->result == FQZ_SEGMENT_MORE && lane->n == lane->count)
			fqz_lane_check_end(lane, true);
	}
}

#ifdef FQZ_HAS_BMI2
FQZ_BMI2 static void run_bmi2(const struct fqz_rle *d, struct fqz_lane *lanes, uint32_t count)
{
	run(d, lanes, count, true);
}
#endif

void fqz_rle_run(const struct fqz_rle *d, struct fqz_lane *lanes, uint32_t count,
		 enum fqz_speed speed)
{
#ifdef FQZ_HAS_BMI2
	if (speed == FQZ_FASTEST && fqz_has_bmi2()) {
		run_bmi2(d, lanes, count);
		return;
	}
#endif
	if (speed == FQZ_CAREFUL)
		run(d, lanes, count, false);
	else
		run(d, lanes, count, true);
}

/* What a segment is put with. */
struct put {
	struct fqz_encoder runs, values;
	struct fqz_tokens tokens;
	uint32_t limit;
};

static uint64_t code_bits(const struct fqz_encoder *e, const uint64_t *counts, uint32_t symbols)
{
	uint64_t bits = 0;
	uint32_t i;

	for (i = 0; i < symbols; i++)
		bits += counts[i] * e->lengths[i];
	return bits;
}

/* The limit with the least bits, values and code lengths included, and its code. */
static void choose_limit(struct put *p, const struct fqz_token_counts *c, uint64_t values)
{
	uint64_t least = UINT64_MAX, bits;
	struct fqz_encoder e;
	uint32_t i;

	for (i = 0; i < FQZ_RUN_LIMITS; i++) {
		uint32_t limit = fqz_run_limits[i];

		fqz_encoder_init(&e, c->runs[i], limit + 1);
		bits = values + code_bits(&e, c->runs[i], limit + 1) + 4 * (uint64_t)limit;
		if (fqz_is_smaller(bits, least)) {
			least = bits;
			p->limit = limit;
			p->runs = e;
		}
	}
}

static uint64_t token_bits(const struct put *p)
{
	const struct fqz_tokens *t = &p->tokens;
	uint64_t bits = 0;
	size_t i;

	for (i = 0; i < t->count; i++) {
		bits += p->runs.lengths[t->runs[i]];
		if (t->values[i] != FQZ_NO_VALUE)
			bits += p->values.lengths[t->values[i] - 1];
	}
	return bits;
}

static void put_segment(void *coder, struct fqz_buffer *b, const struct fqz_source *s,
			size_t first, size_t count)
{
	struct put *p = coder;
	const struct fqz_tokens *t = &p->tokens;
	uint64_t bits = 0;
	uint32_t held = 0;
	uint8_t *to;
	size_t i;

	fqz_tokens_fill(&p->tokens, s, NULL, p->limit, first, count);
	to = fqz_buffer_add(b, (size_t)((token_bits(p) + 7) / 8));
	for (i = 0; to && i < t->count; i++) {
		uint8_t r = t->runs[i], value = t->values[i];

		bits = bits << p->runs.lengths[r] | p->runs.codes[r];
		held += p->runs.lengths[r];
		if (value != FQZ_NO_VALUE) {
			bits = bits << p->values.lengths[value - 1] | p->values.codes[value - 1];
			held += p->values.lengths[value - 1];
		}
		for (; held >= 8; held -= 8)
			*to++ = (uint8_t)(bits >> (held - 8));
	}
	if (to && held)
		*to = (uint8_t)(bits << (8 - held));
}

static void put_lengths(struct fqz_buffer *b, const struct put *p, uint32_t alphabet)
{
	uint32_t count = p->limit + alphabet, i;
	uint8_t lengths[FQZ_MAX_RUN + FQZ_MAX_ALPHABET], *to;

	memcpy(lengths, p->runs.lengths, p->limit + 1);
	memcpy(lengths + p->limit + 1, p->values.lengths, alphabet - 1);
	to = fqz_buffer_add(b, 1 + (count + 1) / 2);
	if (!to)
		return;
	*to++ = (uint8_t)p->limit;
	for (i = 0; i < count; i++)
		to[i / 2] |= (uint8_t)(lengths[i] << (i % 2 ? 4 : 0));
}

void fqz_rle_put(struct fqz_buffer *b, const struct fqz_source *s)
{
	uint32_t log2 = fqz_source_segment_log2(s);
	/* Contexts do not matter here: all values are counted together. */
	struct fqz_kernel none = { .size = 1, .w = 1 };
	struct fqz_token_counts counts;
	uint64_t any = 0;
	struct put p;
	uint32_t i;

	if (!fqz_tokens_alloc(&p.tokens, (size_t)1 << log2)) {
		b->failed = true;
		return;
	}
	fqz_source_count(s, &none, &counts);
	for (i = 1; i < s->alphabet; i++)
		any |= counts.values[0][i];
	/* A code must be complete, even if there is no value. */
	if (!any)
		counts.values[0][1] = 1;
	fqz_encoder_init(&p.values, counts.values[0] + 1, s->alphabet - 1);
	choose_limit(&p, &counts, code_bits(&p.values, counts.values[0] + 1, s->alphabet - 1));
	fqz_put_head(b, s, log2);
	put_lengths(b, &p, s->alphabet);
	fqz_put_segments(b, s, log2, put_segment, &p);
	fqz_tokens_free(&p.tokens);
}
