// SPDX-License-Identifier: MIT
/* Canonical Huffman codes of at most 15 bits: FORMAT.md section 6.3. */
#include "fqz_coder.h"

/*
 * Code lengths by package-merge (Larmore and Hirschberg): optimal among the
 * codes of at most FQZ_MAX_CODE bits. A package's cost is its symbols' counts;
 * uses[] says how often it holds each, which in the end is the code's length.
 */
struct package {
	uint64_t cost;
	uint8_t uses[FQZ_MAX_ALPHABET];
};

struct package_list {
	struct package items[2 * FQZ_MAX_ALPHABET];
	uint32_t count;
};

/* The symbols that occur, in order of count, then of symbol. */
static void list_symbols(struct package_list *list, const uint64_t *counts, uint32_t alphabet)
{
	uint32_t symbol, at;

	list->count = 0;
	for (symbol = 0; symbol < alphabet; symbol++) {
		if (!counts[symbol])
			continue;
		at = list->count++;
		for (; at && list->items[at - 1].cost > counts[symbol]; at--)
			list->items[at] = list->items[at - 1];
		memset(&list->items[at], 0, sizeof(list->items[at]));
		list->items[at].cost = counts[symbol];
		list->items[at].uses[symbol] = 1;
	}
}

static void add_uses(struct package *to, const struct package *from)
{
	uint32_t i;

	to->cost += from->cost;
	for (i = 0; i < FQZ_MAX_ALPHABET; i++)
		to->uses[i] += from->uses[i];
}

/* Pairs up what a level holds, and merges the pairs with the symbols anew. */
static void merge_level(struct package_list *level, const struct package_list *symbols)
{
	static const struct package none;
	struct package_list out = { .count = 0 };
	uint32_t pairs = level->count / 2, i = 0, k = 0;
	struct package pair = none;

	while (i < pairs || k < symbols->count) {
		if (i < pairs) {
			pair = level->items[2 * i];
			add_uses(&pair, &level->items[2 * i + 1]);
		}
		if (k < symbols->count && (i == pairs || symbols->items[k].cost <= pair.cost))
			out.items[out.count++] = symbols->items[k++];
		else
			out.items[out.count++] = pair, i++;
	}
	*level = out;
}

static void find_lengths(uint8_t *lengths, const uint64_t *counts, uint32_t alphabet)
{
	struct package_list symbols, level;
	struct package sum;
	uint32_t i;

	memset(lengths, 0, FQZ_MAX_ALPHABET);
	list_symbols(&symbols, counts, alphabet);
	if (symbols.count == 1) {
		memcpy(lengths, symbols.items[0].uses, FQZ_MAX_ALPHABET);
		return;
	}
	level = symbols;
	for (i = 1; i < FQZ_MAX_CODE; i++)
		merge_level(&level, &symbols);
	memset(&sum, 0, sizeof(sum));
	for (i = 0; symbols.count && i < 2 * symbols.count - 2; i++)
		add_uses(&sum, &level.items[i]);
	memcpy(lengths, sum.uses, FQZ_MAX_ALPHABET);
}

void fqz_encoder_init(struct fqz_encoder *e, const uint64_t *counts, uint32_t alphabet)
{
	uint32_t length, symbol, code = 0;

	find_lengths(e->lengths, counts, alphabet);
	memset(e->codes, 0, sizeof(e->codes));
	for (length = 1; length <= FQZ_MAX_CODE; length++) {
		code <<= 1;
		for (symbol = 0; symbol < alphabet; symbol++)
			if (e->lengths[symbol] == length)
				e->codes[symbol] = (uint16_t)code++;
	}
}

uint64_t fqz_encoder_size(const struct fqz_encoder *e, const uint8_t *symbols, size_t count)
{
	uint64_t bits = 0;
	size_t i;

	for (i = 0; i < count; i++)
		bits += e->lengths[symbols[i]];
	return (bits + 7) / 8;
}

void fqz_encoder_run(const struct fqz_encoder *e, const uint8_t *symbols, size_t count,
		     uint8_t *out)
{
	uint64_t bits = 0;
	uint32_t held = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		bits = bits << e->lengths[symbols[i]] | e->codes[symbols[i]];
		held += e->lengths[symbols[i]];
		while (held >= 8) {
			held -= 8;
			*out++ = (uint8_t)(bits >> held);
		}
	}
	if (held)
		*out = (uint8_t)(bits << (8 - held));
}

static bool is_complete(const uint8_t *count)
{
	uint32_t length, used = 0, symbols = 0;

	for (length = 1; length <= FQZ_MAX_CODE; length++) {
		used += (uint32_t)count[length] << (FQZ_MAX_CODE - length);
		symbols += count[length];
	}
	return used == 1u << FQZ_MAX_CODE || (symbols == 1 && count[1] == 1);
}

uint32_t fqz_code_next(const struct fqz_code *c, uint32_t bits, uint8_t *symbol)
{
	uint32_t length, code;

	for (length = 1; length <= FQZ_MAX_CODE; length++) {
		code = (bits >> (FQZ_MAX_CODE - length)) - c->first[length];
		/* Below first[length] the difference wraps to a large number. */
		if (code < c->count[length]) {
			*symbol = c->sorted[c->index[length] + code];
			return length;
		}
	}
	return 0;
}

bool fqz_code_init(struct fqz_code *c, const uint8_t *lengths, uint32_t alphabet)
{
	uint32_t length, symbol, code = 0, n = 0;

	memset(c, 0, sizeof(*c));
	for (symbol = 0; symbol < alphabet; symbol++)
		if (lengths[symbol])
			c->count[lengths[symbol]]++;
	if (!is_complete(c->count))
		return false;
	for (length = 1; length <= FQZ_MAX_CODE; length++) {
		code <<= 1;
		c->first[length] = (uint16_t)code;
		c->index[length] = (uint8_t)n;
		for (symbol = 0; symbol < alphabet; symbol++)
			if (lengths[symbol] == length)
				c->sorted[n++] = (uint8_t)symbol;
		code += c->count[length];
	}
	return true;
}

/* The first symbol of each index and its length, 0 where that is a longer code or none. */
static void fill_single(const struct fqz_code *c, uint8_t *symbols, uint8_t *lengths)
{
	uint32_t length, i;

	memset(lengths, 0, 1 << FQZ_LOOKUP_BITS);
	for (length = 1; length <= FQZ_LOOKUP_BITS; length++) {
		for (i = 0; i < c->count[length]; i++) {
			uint32_t shift = FQZ_LOOKUP_BITS - length;
			size_t at = (size_t)(c->first[length] + i) << shift;

			memset(symbols + at, c->sorted[c->index[length] + i], (size_t)1 << shift);
			memset(lengths + at, (int)length, (size_t)1 << shift);
		}
	}
}

static void fill_lookup(struct fqz_huffman *d)
{
	uint8_t symbols[1 << FQZ_LOOKUP_BITS], lengths[1 << FQZ_LOOKUP_BITS];
	uint32_t i;

	fill_single(&d->code, symbols, lengths);
	for (i = 0; i < 1u << FQZ_LOOKUP_BITS; i++) {
		struct fqz_lookup *entry = &d->lookup[i];
		uint32_t left = i;

		memset(entry, 0, sizeof(*entry));
		while (entry->count < FQZ_LOOKUP_SYMBOLS && lengths[left] &&
		       entry->bits + lengths[left] <= FQZ_LOOKUP_BITS) {
			entry->symbols[entry->count++] = symbols[left];
			entry->bits = (uint8_t)(entry->bits + lengths[left]);
			left = i << entry->bits & ((1u << FQZ_LOOKUP_BITS) - 1);
		}
	}
}

bool fqz_huffman_init(struct fqz_huffman *d, const uint8_t *lengths, uint32_t alphabet)
{
	if (!fqz_code_init(&d->code, lengths, alphabet))
		return false;
	fill_lookup(d);
	return true;
}

/* 15 bits from bit pos on, zeros after the end. */
static uint32_t peek(const uint8_t *in, size_t size, uint64_t pos)
{
	size_t at = (size_t)(pos >> 3);
	uint32_t v = 0, i;

	for (i = 0; i < 3; i++)
		v = v << 8 | (at + i < size ? in[at + i] : 0u);
	return v >> (24 - FQZ_MAX_CODE - (pos & 7)) & ((1u << FQZ_MAX_CODE) - 1);
}

bool fqz_lane_code(struct fqz_lane *lane, const struct fqz_code *c, uint8_t *symbol)
{
	uint64_t end = 8 * (uint64_t)lane->size;
	uint32_t length = fqz_code_next(c, peek(lane->in, lane->size, lane->pos), symbol);

	if (!length && lane->pos < end) {
		fqz_lane_stop(lane, FQZ_SEGMENT_NO_CODE, (size_t)(lane->pos >> 3));
		return false;
	}
	if (!length || lane->pos + length > end) {
		fqz_lane_stop(lane, FQZ_SEGMENT_EARLY, lane->size);
		return false;
	}
	lane->pos += length;
	return true;
}

/*
 * As long as eight bytes can be loaded and three lookups cannot write past
 * lane->stop. Three codes of 15 bits fit the 57 bits that a load gives.
 */
static void run_fast(const struct fqz_huffman *d, struct fqz_lane *lane)
{
	const struct fqz_lookup *entry;
	uint8_t *out = lane->out;
	uint64_t pos = lane->pos;
	size_t n = lane->n;
	unsigned int i;

	while (n + 3 * FQZ_LOOKUP_SYMBOLS <= lane->stop && (pos >> 3) + 8 <= lane->size) {
		uint64_t bits = fqz_load_be64(lane->in + (pos >> 3)) << (pos & 7);

		for (i = 0; i < 3; i++) {
			uint32_t length;

			entry = &d->lookup[bits >> (64 - FQZ_LOOKUP_BITS)];
			if (entry->count) {
				memcpy(out + n, entry->symbols, FQZ_LOOKUP_SYMBOLS);
				n += entry->count;
				length = entry->bits;
			} else {
				length = fqz_code_next(&d->code,
						       (uint32_t)(bits >> (64 - FQZ_MAX_CODE)),
						       out + n);
				if (!length)
					goto out;
				n++;
			}
			bits <<= length;
			pos += length;
		}
	}
out:
	lane->n = n;
	lane->pos = pos;
}

void fqz_huffman_run(const struct fqz_huffman *d, struct fqz_lane *lane)
{
	run_fast(d, lane);
	for (; lane->n < lane->stop; lane->n++)
		if (!fqz_lane_code(lane, &d->code, lane->out + lane->n))
			return;
	if (lane->n == lane->count)
		fqz_lane_check_end(lane, true);
}

static void put_segment(void *coder, struct fqz_buffer *b, const struct fqz_source *s,
			size_t first, size_t count)
{
	const struct fqz_encoder *e = coder;
	const uint8_t *symbols = s->symbols + first;
	uint8_t *to = fqz_buffer_add(b, (size_t)fqz_encoder_size(e, symbols, count));

	if (to)
		fqz_encoder_run(e, symbols, count, to);
}

void fqz_huffman_put(struct fqz_buffer *b, const struct fqz_source *s)
{
	uint8_t table[(FQZ_MAX_ALPHABET + 1) / 2] = { 0 };
	uint64_t counts[256] = { 0 };
	struct fqz_encoder e;
	size_t i;

	for (i = 0; i < s->count; i++)
		counts[s->symbols[i]]++;
	fqz_encoder_init(&e, counts, s->alphabet);
	for (i = 0; i < s->alphabet; i++)
		table[i / 2] |= (uint8_t)(e.lengths[i] << (i % 2 ? 4 : 0));
	fqz_put_head(b, s, FQZ_SEGMENT_LOG2);
	fqz_buffer_put(b, table, (s->alphabet + 1) / 2);
	fqz_put_segments(b, s, FQZ_SEGMENT_LOG2, put_segment, &e);
}
