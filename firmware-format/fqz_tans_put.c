// SPDX-License-Identifier: MIT
/* Coder 3, tabled asymmetric numeral systems, encoded: FORMAT.md section 6.6. */
#include "fqz_coder.h"

#include <stdlib.h>

/* Larger tables gain less than a thousandth, and four of 8 KiB fit a first-level cache. */
#define MOST_TABLE_LOG2	11

/* A table's frequencies, and what they cost in bits of 1/65536: tokens and table. */
struct table {
	uint16_t freq[FQZ_MAX_ALPHABET];
	uint32_t order;
	uint64_t cost;
};

/* The places of each symbol, for the encoder. */
struct places {
	uint16_t freq[FQZ_MAX_ALPHABET];
	uint16_t start[FQZ_MAX_ALPHABET];
	uint16_t place[1 << FQZ_MAX_TABLE_LOG2];
};

struct put {
	uint32_t limit, run_log2, value_log2, contexts;
	struct table runs, values[FQZ_CONTEXTS];
	struct places run_places, value_places[FQZ_CONTEXTS];
	struct fqz_kernel kernel;
	struct fqz_tokens tokens;
	uint16_t *steps;	/* count of bits << 12 | bits, last token first */
};

static uint32_t floor_log2(uint32_t v)
{
	return 31u - (uint32_t)__builtin_clz(v);
}

/* log2(v) * 65536, the same on every machine. */
static uint32_t log2_16(uint32_t v)
{
	uint32_t whole = floor_log2(v), result = whole << 16, bit;
	uint64_t x = (uint64_t)v << (31 - whole);

	for (bit = 1u << 15; bit; bit >>= 1) {
		x = x * x >> 31;
		if (x >> 32) {
			x >>= 1;
			result |= bit;
		}
	}
	return result;
}

/*
 * Frequencies near counts / total * 2^log2, at least 1 for what occurs. The rest goes, one
 * by one, where it saves most: a step up from f saves about count / (f + 1/2) bits.
 */
static void quantize(const uint64_t *counts, uint32_t symbols, uint32_t log2, uint16_t *freq)
{
	uint64_t total = 0;
	int32_t left = 1 << log2;
	uint32_t i, best;

	memset(freq, 0, FQZ_MAX_ALPHABET * sizeof(*freq));
	for (i = 0; i < symbols; i++)
		total += counts[i];
	for (i = 0; i < symbols; i++) {
		if (!counts[i])
			continue;
		freq[i] = (uint16_t)((counts[i] << log2) / total);
		freq[i] += !freq[i];
		left -= freq[i];
	}
	for (; left > 0; left--) {
		for (i = 0, best = 0; i < symbols; i++)
			if (counts[i] * (2 * freq[best] + 1u) > counts[best] * (2 * freq[i] + 1u))
				best = i;
		freq[best]++;
	}
	for (; left < 0; left++) {
		for (i = 0, best = FQZ_MAX_ALPHABET; i < symbols; i++)
			if (freq[i] > 1 && (best == FQZ_MAX_ALPHABET ||
					    counts[i] * (2 * freq[best] - 1u) <
						    counts[best] * (2 * freq[i] - 1u)))
				best = i;
		freq[best]--;
	}
}

static uint32_t frequency_bits(uint32_t f, uint32_t order)
{
	return 2 * floor_log2((f >> order) + 1) + 1 + order;
}

static uint32_t table_bits(const uint16_t *freq, uint32_t log2, uint32_t order)
{
	uint32_t left = 1u << log2, bits = 4, i;

	for (i = 0; left; left -= freq[i++])
		bits += frequency_bits(freq[i], order);
	return bits;
}

static void table_order(struct table *t, uint32_t log2)
{
	uint32_t order;

	for (order = 1, t->order = 0; order <= FQZ_MAX_ORDER; order++)
		if (table_bits(t->freq, log2, order) < table_bits(t->freq, log2, t->order))
			t->order = order;
}

static void table_make(struct table *t, const uint64_t *counts, uint32_t symbols, uint32_t log2)
{
	uint64_t any = 0;
	uint32_t i;

	for (i = 0; i < symbols; i++)
		any |= counts[i];
	if (any) {
		quantize(counts, symbols, log2, t->freq);
	} else {
		/* A table must be whole, even if nothing uses it. */
		memset(t->freq, 0, sizeof(t->freq));
		t->freq[0] = (uint16_t)(1u << log2);
	}
	table_order(t, log2);
	t->cost = (uint64_t)table_bits(t->freq, log2, t->order) << 16;
	for (i = 0; i < symbols; i++)
		if (counts[i])
			t->cost += counts[i] * ((log2 << 16) - log2_16(t->freq[i]));
}

static bool table_holds(const uint64_t *counts, uint32_t symbols, uint32_t log2)
{
	uint32_t used = 0, i;

	for (i = 0; i < symbols; i++)
		used += !!counts[i];
	return used <= 1u << log2;
}

/* The best size of a table for these counts; its cost. */
static uint64_t choose_runs(struct table *best, uint32_t *best_log2, const uint64_t *counts,
			    uint32_t symbols)
{
	struct table t;
	uint32_t log2;

	best->cost = UINT64_MAX;
	for (log2 = FQZ_MIN_TABLE_LOG2; log2 <= MOST_TABLE_LOG2; log2++) {
		if (!table_holds(counts, symbols, log2))
			continue;
		table_make(&t, counts, symbols, log2);
		if (t.cost < best->cost) {
			*best = t;
			*best_log2 = log2;
		}
	}
	return best->cost;
}

/* As many tables of one size as there are contexts. */
static uint64_t choose_values(struct table *best, uint32_t *best_log2,
			      const uint64_t counts[FQZ_CONTEXTS][256], uint32_t contexts,
			      uint32_t first, uint32_t alphabet)
{
	uint64_t least = UINT64_MAX, cost;
	struct table t[FQZ_CONTEXTS];
	uint32_t log2, i;

	for (log2 = FQZ_MIN_TABLE_LOG2; log2 <= MOST_TABLE_LOG2; log2++) {
		for (i = 0, cost = 0; i < contexts; i++) {
			if (!table_holds(counts[i] + first, alphabet - first, log2))
				break;
			table_make(&t[i], counts[i] + first, alphabet - first, log2);
			cost += t[i].cost;
		}
		if (i == contexts && cost < least) {
			least = cost;
			*best_log2 = log2;
			memcpy(best, t, contexts * sizeof(*t));
		}
	}
	return least;
}

/* Values with or without contexts; R = 0 (first 0) or above. */
static uint64_t choose_contexts(struct put *p, const struct fqz_token_counts *c, uint32_t first,
				uint32_t alphabet)
{
	uint64_t all[FQZ_CONTEXTS][256] = { { 0 } }, cost, least;
	struct table t[FQZ_CONTEXTS];
	uint32_t log2 = 0, i, k;

	for (i = 0; i < alphabet; i++)
		for (k = 0; k < FQZ_CONTEXTS; k++)
			all[0][i] += c->values[k][i];
	p->contexts = 1;
	least = choose_values(p->values, &p->value_log2, all, 1, first, alphabet);
	if (p->kernel.size == 1)
		return least;
	cost = choose_values(t, &log2, c->values, FQZ_CONTEXTS, first, alphabet);
	if (cost >= least)
		return least;
	memcpy(p->values, t, sizeof(t));
	p->value_log2 = log2;
	p->contexts = FQZ_CONTEXTS;
	return cost;
}

static void choose(struct put *p, const struct fqz_token_counts *c, uint32_t alphabet)
{
	uint64_t values = choose_contexts(p, c, 1, alphabet), least = UINT64_MAX, cost;
	uint32_t log2 = 0, i;
	struct table t;

	for (i = 0; i < FQZ_RUN_LIMITS; i++) {
		cost = values + choose_runs(&t, &log2, c->runs[i], fqz_run_limits[i] + 1u);
		if (fqz_is_smaller(cost, least)) {
			least = cost;
			p->limit = fqz_run_limits[i];
			p->runs = t;
			p->run_log2 = log2;
		}
	}
	if (!fqz_is_smaller(choose_contexts(p, c, 0, alphabet), least)) {
		choose_contexts(p, c, 1, alphabet);
		return;
	}
	p->limit = 0;
	p->run_log2 = 0;
}

/*
 * Each run in at least a bit, so that section 6.4's limit holds: a symbol with more than
 * half of the table gives what is above to another one.
 */
static void choose_bounded(struct put *p, const struct fqz_token_counts *c, uint32_t alphabet)
{
	uint32_t half, i;

	p->limit = FQZ_MAX_RUN;
	choose_contexts(p, c, 1, alphabet);
	choose_runs(&p->runs, &p->run_log2, c->runs[0], FQZ_MAX_RUN + 1);
	half = 1u << (p->run_log2 - 1);
	for (i = 0; i <= FQZ_MAX_RUN; i++) {
		if (p->runs.freq[i] > half) {
			p->runs.freq[i ? 0 : 1] += (uint16_t)(p->runs.freq[i] - half);
			p->runs.freq[i] = (uint16_t)half;
			break;
		}
	}
	table_order(&p->runs, p->run_log2);
}

static void places_init(struct places *p, const struct table *t, uint32_t symbols, uint32_t log2)
{
	uint8_t spread[1 << FQZ_MAX_TABLE_LOG2];
	uint16_t next[FQZ_MAX_ALPHABET];
	uint32_t start = 0, x;

	memcpy(p->freq, t->freq, sizeof(p->freq));
	for (x = 0; x < symbols; x++) {
		p->start[x] = next[x] = (uint16_t)start;
		start += t->freq[x];
	}
	fqz_tans_spread(spread, t->freq, symbols, log2);
	for (x = 0; x < 1u << log2; x++)
		p->place[next[spread[x]]++] = (uint16_t)x;
}

/* The state before a symbol was decoded, from the one after; the bits read between. */
static FQZ_ALWAYS_INLINE uint32_t state_before(const struct places *p, uint32_t log2,
					       uint32_t symbol, uint32_t state, uint16_t *step)
{
	uint32_t x = state + (1u << log2), f = p->freq[symbol], bits = log2 - floor_log2(f);

	if (x >> bits < f)
		bits--;
	*step = (uint16_t)(bits << 12 | (x & ((1u << bits) - 1)));
	return p->place[p->start[symbol] + (x >> bits) - f];
}

/* Backwards, as tANS must; returns the steps, leaves the initial states in states[]. */
static size_t encode_tokens(struct put *p, uint32_t states[2])
{
	const struct fqz_tokens *t = &p->tokens;
	size_t i = t->count, n = 0;
	uint32_t first = p->limit ? 1 : 0;

	states[0] = states[1] = 0;
	while (i--) {
		unsigned int which = p->limit ? 1 : i & 1;
		uint32_t context = p->contexts > 1 ? t->contexts[i] : 0;

		if (t->values[i] != FQZ_NO_VALUE)
			states[which] = state_before(&p->value_places[context], p->value_log2,
						     t->values[i] - first, states[which],
						     &p->steps[n++]);
		if (p->limit)
			states[0] = state_before(&p->run_places, p->run_log2, t->runs[i],
						 states[0], &p->steps[n++]);
	}
	return n;
}

/* Bits into bytes, the least significant first; to may be NULL. */
struct writer {
	uint8_t *to;
	uint64_t bits, total;
	uint32_t held;
};

static FQZ_ALWAYS_INLINE void put_bits(struct writer *w, uint32_t bits, uint32_t count)
{
	w->bits |= (uint64_t)bits << w->held;
	w->held += count;
	w->total += count;
	for (; w->held >= 8; w->held -= 8, w->bits >>= 8)
		if (w->to)
			*w->to++ = (uint8_t)w->bits;
}

static void put_end(struct writer *w)
{
	if (w->held && w->to)
		*w->to++ = (uint8_t)w->bits;
}

static void put_segment(void *coder, struct fqz_buffer *b, const struct fqz_source *s,
			size_t first, size_t count)
{
	struct put *p = coder;
	struct writer w = { 0 };
	uint32_t states[2], log2 = p->limit ? p->run_log2 : p->value_log2;
	uint64_t bits = log2 + p->value_log2;
	size_t n, i;

	fqz_tokens_fill(&p->tokens, s, p->contexts > 1 ? &p->kernel : NULL, p->limit, first,
			count);
	n = encode_tokens(p, states);
	for (i = 0; i < n; i++)
		bits += p->steps[i] >> 12;
	w.to = fqz_buffer_add(b, (size_t)((bits + 7) / 8));
	if (!w.to)
		return;
	put_bits(&w, states[0], log2);
	put_bits(&w, states[1], p->value_log2);
	while (n--)
		put_bits(&w, p->steps[n] & 0xfff, p->steps[n] >> 12);
	put_end(&w);
}

static void put_table(struct writer *w, const struct table *t, uint32_t log2)
{
	uint32_t left = 1u << log2, i, q, zeros;

	put_bits(w, t->order, 4);
	for (i = 0; left; left -= t->freq[i++]) {
		q = (t->freq[i] >> t->order) + 1u;
		zeros = floor_log2(q);
		put_bits(w, 0, zeros);
		put_bits(w, 1, 1);
		put_bits(w, q & ((1u << zeros) - 1), zeros);
		put_bits(w, t->freq[i] & ((1u << t->order) - 1), t->order);
	}
}

static void put_tables(struct fqz_buffer *b, const struct put *p)
{
	uint8_t head[FQZ_TANS_HEAD];
	struct writer w = { 0 };
	unsigned int pass;
	uint32_t i;

	head[0] = (uint8_t)p->limit;
	head[1] = (uint8_t)(p->run_log2 | p->value_log2 << 4);
	head[2] = (uint8_t)p->contexts;
	fqz_buffer_put(b, head, sizeof(head));
	/* First only to learn the size. */
	for (pass = 0; pass < 2; pass++) {
		if (pass) {
			uint8_t *to = fqz_buffer_add(b, (size_t)((w.total + 7) / 8));

			w = (struct writer){ .to = to };
		}
		if (p->limit)
			put_table(&w, &p->runs, p->run_log2);
		for (i = 0; i < p->contexts; i++)
			put_table(&w, &p->values[i], p->value_log2);
		put_end(&w);
	}
}

static void put_stream(struct fqz_buffer *b, const struct fqz_source *s, struct put *p)
{
	uint32_t log2 = fqz_source_segment_log2(s), first = p->limit ? 1 : 0, i;

	if (p->limit)
		places_init(&p->run_places, &p->runs, p->limit + 1, p->run_log2);
	for (i = 0; i < p->contexts; i++)
		places_init(&p->value_places[i], &p->values[i], s->alphabet - first,
			    p->value_log2);
	fqz_put_head(b, s, log2);
	put_tables(b, p);
	fqz_put_segments(b, s, log2, put_segment, p);
}

void fqz_tans_put(struct fqz_buffer *b, const struct fqz_source *s)
{
	size_t segment = (size_t)1 << fqz_source_segment_log2(s);
	struct fqz_token_counts *counts = malloc(sizeof(*counts));
	struct put *p = calloc(1, sizeof(*p));

	if (!counts || !p || !fqz_tokens_alloc(&p->tokens, segment))
		goto free_put;
	/* A symbol is at most a run and a value. */
	p->steps = malloc(2 * segment * sizeof(*p->steps));
	if (!p->steps)
		goto free_tokens;
	fqz_kernel_init(&p->kernel, s->layer);
	fqz_source_count(s, &p->kernel, counts);
	choose(p, counts, s->alphabet);
	put_stream(b, s, p);
	if (!b->failed && s->count > FQZ_WEIGHTS_PER_BYTE * (uint64_t)b->len) {
		b->len = 0;
		choose_bounded(p, counts, s->alphabet);
		put_stream(b, s, p);
	}
	free(p->steps);
	fqz_tokens_free(&p->tokens);
	free(p);
	free(counts);
	return;

free_tokens:
	fqz_tokens_free(&p->tokens);
free_put:
	free(p);
	free(counts);
	b->failed = true;
}
