// SPDX-License-Identifier: MIT
/* Coder 3, tabled asymmetric numeral systems, decoded: FORMAT.md section 6.6. */
#include "fqz_coder.h"

#define ROUND_TOKENS	2	/* of a loaded 64-bit word: 4 * 12 of 57 bits */
#define ROUND_BYTES	8

void fqz_tans_spread(uint8_t *places, const uint16_t *freq, uint32_t symbols, uint32_t log2)
{
	uint32_t size = 1u << log2, step = size / 2 + size / 8 + 3, at = 0, s, i;

	for (s = 0; s < symbols; s++) {
		for (i = 0; i < freq[s]; i++) {
			places[at] = (uint8_t)s;
			at = (at + step) & (size - 1);
		}
	}
}

/* Bits of Tables, the least significant first. */
struct reader {
	const uint8_t *in;
	uint64_t pos, end;
	bool early;
};

static uint32_t read_bits(struct reader *r, uint32_t count)
{
	uint32_t v = 0, i;

	if (count > r->end - r->pos) {
		r->early = true;
		return 0;
	}
	for (i = 0; i < count; i++, r->pos++)
		v |= (uint32_t)(r->in[r->pos >> 3] >> (r->pos & 7) & 1) << i;
	return v;
}

/* At most 2^12: more zero bits than that needs are of a table that is wrong anyway. */
static uint32_t read_frequency(struct reader *r, uint32_t order)
{
	uint32_t zeros = 0, q;

	while (!r->early && zeros <= FQZ_MAX_TABLE_LOG2 && !read_bits(r, 1))
		zeros++;
	if (r->early || zeros > FQZ_MAX_TABLE_LOG2)
		return UINT32_MAX;
	q = 1u << zeros | read_bits(r, zeros);
	return (q - 1) << order | read_bits(r, order);
}

static enum fqz_tans_result read_table(struct reader *r, uint32_t symbols, uint32_t log2,
				       uint16_t *freq)
{
	uint32_t left = 1u << log2, order = read_bits(r, 4), f, i;

	memset(freq, 0, FQZ_MAX_ALPHABET * sizeof(*freq));
	if (order > FQZ_MAX_ORDER)
		return FQZ_TANS_SUM;
	for (i = 0; i < symbols && left; i++) {
		f = read_frequency(r, order);
		if (r->early)
			return FQZ_TANS_EARLY;
		if (f > left)
			return FQZ_TANS_SUM;
		freq[i] = (uint16_t)f;
		left -= f;
	}
	return left ? FQZ_TANS_SUM : FQZ_TANS_OK;
}

static uint32_t floor_log2(uint32_t v)
{
	return 31u - (uint32_t)__builtin_clz(v);
}

/* The entries of a table; marks[] is the byte that they hold for each symbol. */
static void build(uint32_t *table, uint16_t *freq, uint32_t symbols, uint32_t log2,
		  const uint8_t *marks)
{
	uint8_t places[1 << FQZ_MAX_TABLE_LOG2];
	uint32_t size = 1u << log2, x;

	fqz_tans_spread(places, freq, symbols, log2);
	for (x = 0; x < size; x++) {
		uint32_t j = freq[places[x]]++, bits = log2 - floor_log2(j);

		table[x] = bits | (uint32_t)marks[places[x]] << 8 | ((j << bits) - size) << 16;
	}
}

static void init_steps(struct fqz_tans *d)
{
	const struct fqz_kernel *k = &d->kernel;
	uint32_t place = 0, column = 0, i;

	for (i = 0; i < k->size + FQZ_MAX_RUN + 1; i++) {
		uint32_t left = column ? 0xff : 0, up = place >= k->w ? 0xff : 0;

		place = place + 1 == k->size ? 0 : place + 1;
		column = column + 1 == k->w ? 0 : column + 1;
		d->steps[i] = left | up << 8 | place << 16;
	}
	for (i = 0; i < 256; i++)
		d->signs[i] = (uint8_t)(4 * k->sign[i] + 4);
}

enum fqz_tans_result fqz_tans_init(struct fqz_tans *d, const struct fqz_layer *l,
				   const uint8_t *tables, size_t room, size_t *size)
{
	struct reader r = { .in = tables, .end = 8 * (uint64_t)room };
	uint32_t first = d->limit ? 1 : 0, alphabet = fqz_layer_alphabet(l), i;
	uint16_t freq[FQZ_MAX_ALPHABET];
	uint8_t marks[256];
	enum fqz_tans_result result = FQZ_TANS_OK;

	if (d->limit)
		result = read_table(&r, d->limit + 1, d->run_log2, freq);
	for (i = 0; i <= d->limit; i++)
		marks[i] = i < d->limit ? (uint8_t)(i + 1) : 0;
	if (d->limit && !result)
		build(d->runs, freq, d->limit + 1, d->run_log2, marks);
	for (i = 0; i + first < alphabet; i++)
		marks[i] = (uint8_t)(i + first);
	for (i = 0; i < d->contexts && !result; i++) {
		result = read_table(&r, alphabet - first, d->value_log2, freq);
		if (!result)
			build(d->values + (i << FQZ_MAX_TABLE_LOG2), freq, alphabet - first,
			      d->value_log2, marks);
	}
	if (!result && read_bits(&r, (uint32_t)(-r.pos & 7)))
		result = FQZ_TANS_BITS;
	*size = (size_t)((r.pos + 7) >> 3);
	fqz_kernel_init(&d->kernel, l);
	init_steps(d);
	return result;
}

/* A lane in registers: a round begins as long as neither end is passed. */
struct cursor {
	const uint8_t *in;
	uint64_t bits, pos, pos_end;
	uint8_t *out, *out_end;
	uint32_t states[2], place;
};

/* What the loops are compiled for; all of it is constant where they are inlined. */
struct kind {
	bool runs, contexts, bmi2;
};

static FQZ_ALWAYS_INLINE uint32_t round_symbols(const struct fqz_tans *d, struct kind kind,
						uint32_t tokens)
{
	return kind.runs ? tokens * d->limit : 2 * tokens;
}

static FQZ_ALWAYS_INLINE bool cursor_init(struct cursor *c, const struct fqz_tans *d,
					  const struct fqz_lane *lane, struct kind kind,
					  uint32_t tokens)
{
	size_t most = round_symbols(d, kind, tokens), room = lane->stop - lane->n;

	if (lane->result != FQZ_SEGMENT_MORE || lane->size < ROUND_BYTES || lane->n > lane->stop ||
	    room < most || !lane->pos)
		return false;
	/* Contexts look back that far; without runs the states take turns from an even symbol on. */
	if ((kind.contexts && lane->n < d->kernel.w) || (!kind.runs && lane->n & 1))
		return false;
	c->in = lane->in;
	c->pos = lane->pos;
	c->pos_end = 8 * (uint64_t)(lane->size - ROUND_BYTES);
	c->out = lane->out + lane->n;
	c->out_end = c->out + (room - most);
	c->states[0] = lane->states[0];
	c->states[1] = lane->states[1];
	c->place = (uint32_t)((lane->first + lane->n) % d->kernel.size);
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
	lane->states[0] = c->states[0];
	lane->states[1] = c->states[1];
}

static FQZ_ALWAYS_INLINE void cursor_load(struct cursor *c)
{
	c->bits = fqz_load_le64(c->in + (c->pos >> 3)) >> (c->pos & 7);
}

/* The lowest bits, as many as an entry's lowest byte says. */
static FQZ_ALWAYS_INLINE uint32_t low_bits(uint64_t v, uint64_t e, bool bmi2)
{
#ifdef FQZ_HAS_BMI2
	/* Compilers share the 1 of the shift below among all lookups, and so miss this. */
	if (bmi2) {
		__asm__("bzhi %1, %0, %0" : "+r"(v) : "r"(e) : "cc");
		return (uint32_t)v;
	}
#endif
	(void)bmi2;
	return (uint32_t)(v & ((UINT64_C(1) << (e & 255)) - 1));
}

static FQZ_ALWAYS_INLINE uint32_t next_state(struct cursor *c, uint32_t e, bool bmi2)
{
	uint32_t bits = low_bits(c->bits, e, bmi2);
	uint8_t count = (uint8_t)e;

	c->bits >>= count;
	c->pos += count;
	return (e >> 16) + bits;
}

/* A value at out[0]; step is that of its place in the kernel. */
static FQZ_ALWAYS_INLINE uint8_t cursor_value(struct cursor *c, const struct fqz_tans *d,
					      unsigned int state, struct kind kind,
					      const uint8_t *out, uint32_t step)
{
	const uint32_t *table = d->values;
	uint32_t e;

	if (kind.contexts) {
		/* Nibbles: contexts of the sums -2 to 2, which are multiples of 4 from 0 on. */
		uint32_t sum = d->signs[out[-1] & step] +
			       d->signs[*(out - d->kernel.w) & step >> 8];

		table += (0x22100u >> sum & 3) << FQZ_MAX_TABLE_LOG2;
	}
	e = table[c->states[state]];
	c->states[state] = next_state(c, e, kind.bmi2);
	return (uint8_t)(e >> 8);
}

static FQZ_ALWAYS_INLINE void cursor_token(struct cursor *c, const struct fqz_tans *d,
					   struct kind kind)
{
	uint32_t e = d->runs[c->states[0]], advance = e >> 8 & 255, step = 0;

	c->states[0] = next_state(c, e, kind.bmi2);
	if (__builtin_expect(!advance, 0)) {
		c->out += d->limit;
		if (kind.contexts)
			c->place = d->steps[c->place + d->limit - 1] >> 16;
		return;
	}
	c->out += advance;
	if (kind.contexts) {
		step = d->steps[c->place + advance - 1];
		c->place = step >> 16;
	}
	c->out[-1] = cursor_value(c, d, 1, kind, c->out - 1, step);
}

static FQZ_ALWAYS_INLINE void cursor_symbol(struct cursor *c, const struct fqz_tans *d,
					    unsigned int state, struct kind kind)
{
	uint32_t step = 0;

	if (kind.contexts) {
		step = d->steps[c->place];
		c->place = step >> 16;
	}
	*c->out = cursor_value(c, d, state, kind, c->out, step);
	c->out++;
}

/* A token, or two symbols. */
static FQZ_ALWAYS_INLINE void cursor_step(struct cursor *c, const struct fqz_tans *d,
					  struct kind kind)
{
	if (kind.runs) {
		cursor_token(c, d, kind);
	} else {
		cursor_symbol(c, d, 0, kind);
		cursor_symbol(c, d, 1, kind);
	}
}

/* Until one of the lanes comes near its end. */
static FQZ_ALWAYS_INLINE void run_lanes(const struct fqz_tans *d, struct fqz_lane *lanes,
					struct kind kind)
{
	struct cursor a, b, c, e;
	unsigned int i;

	if (!cursor_init(&a, d, lanes, kind, ROUND_TOKENS) ||
	    !cursor_init(&b, d, lanes + 1, kind, ROUND_TOKENS) ||
	    !cursor_init(&c, d, lanes + 2, kind, ROUND_TOKENS) ||
	    !cursor_init(&e, d, lanes + 3, kind, ROUND_TOKENS))
		return;
	while (cursor_fits(&a) && cursor_fits(&b) && cursor_fits(&c) && cursor_fits(&e)) {
		cursor_load(&a);
		cursor_load(&b);
		cursor_load(&c);
		cursor_load(&e);
		for (i = 0; i < ROUND_TOKENS; i++) {
			cursor_step(&a, d, kind);
			cursor_step(&b, d, kind);
			cursor_step(&c, d, kind);
			cursor_step(&e, d, kind);
		}
	}
	cursor_save(&a, lanes);
	cursor_save(&b, lanes + 1);
	cursor_save(&c, lanes + 2);
	cursor_save(&e, lanes + 3);
}

static FQZ_ALWAYS_INLINE void run_lane(const struct fqz_tans *d, struct fqz_lane *lane,
				       struct kind kind)
{
	struct cursor c;

	if (!cursor_init(&c, d, lane, kind, 1))
		return;
	while (cursor_fits(&c)) {
		cursor_load(&c);
		cursor_step(&c, d, kind);
	}
	cursor_save(&c, lane);
}

/* Bits of a segment at any place; false where it ends before. */
static bool lane_bits(struct fqz_lane *lane, uint32_t count, uint32_t *bits)
{
	struct reader r = { .in = lane->in, .pos = lane->pos, .end = 8 * (uint64_t)lane->size };

	*bits = read_bits(&r, count);
	lane->pos = r.pos;
	if (r.early)
		fqz_lane_stop(lane, FQZ_SEGMENT_EARLY, lane->size);
	return !r.early;
}

static bool lane_state(struct fqz_lane *lane, unsigned int state, const uint32_t *table,
		       uint32_t *byte)
{
	uint32_t e = table[lane->states[state]], bits;

	if (!lane_bits(lane, e & 255, &bits))
		return false;
	*byte = e >> 8 & 255;
	lane->states[state] = (e >> 16) + bits;
	return true;
}

static void lane_value(const struct fqz_tans *d, struct fqz_lane *lane, unsigned int state)
{
	const uint32_t *table = d->values;
	uint32_t value;

	if (d->contexts > 1)
		table += fqz_kernel_context(&d->kernel, lane->out, lane->first, lane->n)
			 << FQZ_MAX_TABLE_LOG2;
	if (lane_state(lane, state, table, &value))
		lane->out[lane->n++] = (uint8_t)value;
}

static void check_end(struct fqz_lane *lane)
{
	if (fqz_lane_check_end(lane, false) && (lane->states[0] || lane->states[1]))
		fqz_lane_stop(lane, FQZ_SEGMENT_STATES, 0);
}

/* A token at any place, with every check. */
static void run_token(const struct fqz_tans *d, struct fqz_lane *lane)
{
	size_t begin = (size_t)(lane->pos >> 3), left = lane->count - lane->n;
	uint32_t advance, r;

	if (!d->limit) {
		lane_value(d, lane, lane->n & 1);
		return;
	}
	if (!lane_state(lane, 0, d->runs, &advance))
		return;
	r = advance ? advance - 1 : d->limit;
	if (r > left) {
		fqz_lane_stop(lane, FQZ_SEGMENT_RUN, begin);
		return;
	}
	lane->n += r;
	if (advance && r < left)
		lane_value(d, lane, 1);
}

static FQZ_ALWAYS_INLINE void run(const struct fqz_tans *d, struct fqz_lane *lanes,
				  uint32_t count, struct kind kind, bool fast)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct fqz_lane *lane = &lanes[i];

		/* The initial states; then up to where the loop over all lanes can begin. */
		if (!lane->pos && lane->result == FQZ_SEGMENT_MORE &&
		    lane_bits(lane, kind.runs ? d->run_log2 : d->value_log2, &lane->states[0]))
			lane_bits(lane, d->value_log2, &lane->states[1]);
		while (kind.contexts && lane->result == FQZ_SEGMENT_MORE &&
		       lane->n < lane->stop && (lane->n < d->kernel.w || (!kind.runs && lane->n & 1)))
			run_token(d, lane);
	}
	if (fast && count == FQZ_LANES)
		run_lanes(d, lanes, kind);
	for (i = 0; i < count; i++) {
		struct fqz_lane *lane = &lanes[i];

		while (lane->result == FQZ_SEGMENT_MORE && lane->n < lane->stop) {
			if (fast)
				run_lane(d, lane, kind);
			if (lane->n < lane->stop)
				run_token(d, lane);
		}
		if (lane->result == FQZ_SEGMENT_MORE && lane->n == lane->count)
			check_end(lane);
	}
}

static FQZ_ALWAYS_INLINE void run_kind(const struct fqz_tans *d, struct fqz_lane *lanes,
				       uint32_t count, bool fast, bool bmi2)
{
	if (d->limit && d->contexts > 1)
		run(d, lanes, count, (struct kind){ true, true, bmi2 }, fast);
	else if (d->limit)
		run(d, lanes, count, (struct kind){ true, false, bmi2 }, fast);
	else if (d->contexts > 1)
		run(d, lanes, count, (struct kind){ false, true, bmi2 }, fast);
	else
		run(d, lanes, count, (struct kind){ false, false, bmi2 }, fast);
}

#ifdef FQZ_HAS_BMI2
FQZ_BMI2 static void run_bmi2(const struct fqz_tans *d, struct fqz_lane *lanes, uint32_t count)
{
	run_kind(d, lanes, count, true, true);
}
#endif

void fqz_tans_run(const struct fqz_tans *d, struct fqz_lane *lanes, uint32_t count,
		  enum fqz_speed speed)
{
#ifdef FQZ_HAS_BMI2
	if (speed == FQZ_FASTEST && fqz_has_bmi2()) {
		run_bmi2(d, lanes, count);
		return;
	}
#endif
	if (speed == FQZ_CAREFUL)
		run_kind(d, lanes, count, false, false);
	else
		run_kind(d, lanes, count, true, false);
}
