// SPDX-License-Identifier: MIT
/* libfqz piece by piece: CRC32C, alphabets, Huffman codes, live tensors, bounds. */
#include "tap.h"
#include "test_fqz_net.h"

#include "fqz_coder.h"

#include <errno.h>

static uint32_t crc_bitwise(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xffffffff;
	int bit;

	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void check_crc(void)
{
	uint8_t data[300];
	bool same = true, pieces = true;
	uint64_t seed = 1;
	uint32_t start, len, cut;

	is_int(fqz_crc32c(0, "123456789", 9), 0xe3069283, "CRC32C of 123456789");
	is_int(fqz_crc32c(0, NULL, 0), 0, "CRC32C of nothing");
	for (start = 0; start < sizeof(data); start++)
		data[start] = (uint8_t)net_random(&seed, 256);
	for (start = 0; start < 9; start++) {
		for (len = 0; len < sizeof(data) - start; len++) {
			uint32_t want = crc_bitwise(data + start, len);

			cut = net_random(&seed, len + 1);
			same &= fqz_crc32c(0, data + start, len) == want;
			pieces &= fqz_crc32c(fqz_crc32c(0, data + start, cut),
					     data + start + cut, len - cut) == want;
		}
	}
	ok(same, "CRC32C is that of the bitwise definition");
	ok(pieces, "CRC32C goes on from a first piece");
}

/* Section 6.1's table, row by row. */
static bool is_weight(const struct fqz_layer *l, uint32_t symbol, int32_t weight)
{
	uint32_t E = l->exponent_count, e;

	if (!symbol)
		return !weight;
	for (e = 0; e < E; e++) {
		int32_t p = 1 << (l->first_exponent + e), neg = 1 << l->mean_neg,
			pos = 1 << l->mean_pos;

		if (l->mode == FQZ_SHIFT) {
			if (symbol == 1 + 2 * e)
				return weight == p;
			if (symbol == 2 + 2 * e)
				return weight == -p;
			continue;
		}
		if (symbol == 1)
			return weight == -neg;
		if (symbol == 2 + 2 * e)
			return weight == -neg + p;
		if (symbol == 3 + 2 * e)
			return weight == -neg - p;
		if (symbol == 2 + 2 * E)
			return weight == pos;
		if (symbol == 3 + 2 * E + 2 * e)
			return weight == pos + p;
		if (symbol == 4 + 2 * E + 2 * e)
			return weight == pos - p;
	}
	return false;
}

static void check_alphabets(void)
{
	static const uint8_t want[2][6] = { { 2, 4, 8, 16, 16, 16 }, { 1, 2, 4, 8, 16, 16 } };
	int32_t weights[FQZ_MAX_ALPHABET];
	enum fqz_mode mode;
	uint32_t bits, s;

	for (mode = FQZ_SHIFT; mode <= FQZ_RECENTRALIZED; mode++) {
		for (bits = 3; bits <= 8; bits++) {
			struct fqz_layer l = net_fc(0, mode, bits);
			uint32_t size = fqz_layer_alphabet(&l);
			bool right = true;

			ok(l.exponent_count == want[mode - 1][bits - 3],
			   "E of mode %d, %u bits", (int)mode, bits);
			ok(size == (mode == FQZ_SHIFT ? 1 : 3) +
				   (mode == FQZ_SHIFT ? 2 : 4) * l.exponent_count,
			   "A of mode %d, %u bits", (int)mode, bits);
			fqz_layer_weights(&l, weights);
			for (s = 0; s < size; s++)
				right &= is_weight(&l, s, weights[s]);
			ok(right, "weights of mode %d, %u bits", (int)mode, bits);
		}
	}
	is_int(fqz_exponent_count(FQZ_SHIFT, 2), 0, "no alphabet of 2 bits");
	is_int(fqz_exponent_count(FQZ_SHIFT, 9), 0, "no alphabet of 9 bits");
	is_int(fqz_exponent_count((enum fqz_mode)3, 5), 0, "no alphabet of mode 3");
}

/* Cost of an optimal code without a limit on length, by Huffman's own algorithm. */
static uint64_t huffman_cost(const uint64_t *counts, uint32_t n)
{
	uint64_t nodes[FQZ_MAX_ALPHABET], cost = 0;
	uint32_t live = 0, i;

	for (i = 0; i < n; i++)
		if (counts[i])
			nodes[live++] = counts[i];
	while (live > 1) {
		uint32_t a = 0, b;

		for (i = 1; i < live; i++)
			if (nodes[i] < nodes[a])
				a = i;
		b = a ? 0 : 1;
		for (i = 0; i < live; i++)
			if (i != a && nodes[i] < nodes[b])
				b = i;
		nodes[a] += nodes[b];
		cost += nodes[a];
		nodes[b] = nodes[--live];
	}
	return cost;
}

/* A segment by itself. */
static enum fqz_segment_result run(const struct fqz_huffman *d, const uint8_t *in, size_t size,
				   uint8_t *out, size_t count, size_t *where)
{
	struct fqz_lane lane;

	fqz_lane_init(&lane, in, size, out, count, 0);
	while (lane.result == FQZ_SEGMENT_MORE) {
		/* Stops on the way change nothing. */
		fqz_lane_budget(&lane, 100);
		fqz_huffman_run(d, &lane);
	}
	*where = lane.where;
	return lane.result;
}

static void check_code(const uint64_t *counts, uint32_t n, bool limited, const char *what)
{
	uint8_t in[4000], packed[8000] = { 0 }, out[4000];
	struct fqz_huffman *d = malloc(sizeof(*d));
	uint64_t cost = 0, size, seed = 9;
	struct fqz_encoder e;
	uint32_t i, longest = 0, used = 0;
	size_t where;

	fqz_encoder_init(&e, counts, n);
	for (i = 0; i < n; i++) {
		cost += counts[i] * e.lengths[i];
		longest = e.lengths[i] > longest ? e.lengths[i] : longest;
		used += !!counts[i];
		if (!counts[i] != !e.lengths[i])
			used = 1000;
	}
	ok(used <= n && longest <= FQZ_MAX_CODE, "%s: just the symbols that occur, at most 15 bits",
	   what);
	if (limited)
		ok(cost > huffman_cost(counts, n), "%s: the limit was felt", what);
	else if (used > 1)
		ok(cost == huffman_cost(counts, n), "%s: an optimal code", what);
	ok(fqz_huffman_init(d, e.lengths, n), "%s: a complete code", what);
	for (i = 0; i < sizeof(in); i++) {
		do
			in[i] = (uint8_t)net_random(&seed, n);
		while (!counts[in[i]]);
	}
	size = fqz_encoder_size(&e, in, sizeof(in));
	fqz_encoder_run(&e, in, sizeof(in), packed);
	is_int(run(d, packed, size, out, sizeof(out), &where), FQZ_SEGMENT_OK, what);
	ok_mem(out, in, sizeof(in), what);
	is_int(run(d, packed, size - 1, out, sizeof(out), &where), FQZ_SEGMENT_EARLY,
	       "a byte too few");
	is_int(where, size - 1, "where the segment ends early");
	is_int(run(d, packed, size + 1, out, sizeof(out), &where), FQZ_SEGMENT_BYTES,
	       "a byte too many");
	is_int(where, size, "where the byte too many is");
	free(d);
}

static void check_huffman(void)
{
	uint64_t counts[FQZ_MAX_ALPHABET], seed = 5;
	char what[64];
	uint32_t i, k, n;

	for (i = 0; i < 30; i++)
		counts[i] = i < 2 ? 1 : counts[i - 1] + counts[i - 2];
	check_code(counts, 30, true, "Fibonacci counts");
	check_code(counts, 15, false, "short Fibonacci counts");
	for (i = 0; i < FQZ_MAX_ALPHABET; i++)
		counts[i] = 7;
	check_code(counts, FQZ_MAX_ALPHABET, false, "equal counts");
	memset(counts, 0, sizeof(counts));
	counts[4] = 12;
	check_code(counts, 19, false, "one symbol");
	for (k = 0; k < 20; k++) {
		n = 2 + net_random(&seed, FQZ_MAX_ALPHABET - 1);
		for (i = 0; i < n; i++)
			counts[i] = net_random(&seed, 3) ? net_random(&seed, 200) : 0;
		counts[n - 1] = counts[0] = 1;
		snprintf(what, sizeof(what), "random counts %u", k);
		check_code(counts, n, false, what);
	}
}

static void check_bad_codes(void)
{
	static const uint8_t incomplete[] = { 1, 2, 0 }, over[] = { 1, 1, 1 }, none[] = { 0, 0, 0 },
			     two_bits[] = { 0, 2, 0 }, one[] = { 0, 1, 0 };
	struct fqz_huffman *d = malloc(sizeof(*d));
	uint8_t bits = 0x20, symbols[4], long_run[40] = { [5] = 0x10 }, many[320];
	size_t where = 9;

	ok(!fqz_huffman_init(d, incomplete, 3), "an incomplete code");
	ok(!fqz_huffman_init(d, over, 3), "an oversubscribed code");
	ok(!fqz_huffman_init(d, none, 3), "a code of no symbols");
	ok(!fqz_huffman_init(d, two_bits, 3), "a single symbol of length 2");
	ok(fqz_huffman_init(d, one, 3), "a single symbol of length 1");
	is_int(run(d, &bits, 1, symbols, 4, &where), FQZ_SEGMENT_NO_CODE,
	       "a single symbol's code is 0");
	is_int(where, 0, "where it is not");
	is_int(run(d, &bits, 1, symbols, 2, &where), FQZ_SEGMENT_BITS,
	       "bits that fill up must be zero");
	is_int(symbols[1], 1, "the single symbol");
	is_int(run(d, long_run, sizeof(long_run), many, sizeof(many), &where),
	       FQZ_SEGMENT_NO_CODE, "no such code, far from the end");
	is_int(where, 5, "where it is not");
	free(d);
}

static void check_live(void)
{
	struct fqz_error err;
	struct fqz_image *img;
	uint32_t ids[16], count;
	uint64_t bytes;
	uint8_t *image;
	struct net n;
	size_t len;

	net_every_kind(&n);
	image = net_write(&n, &len);
	if (fqz_image_open(image, len, &img, &err))
		bail("a layer of every kind does not open");
	count = fqz_image_live(img, 0, ids, &bytes);
	ok(count == 1 && ids[0] == 0 && bytes == 270, "before the first layer: the input");
	count = fqz_image_live(img, 3, ids, &bytes);
	ok(count == 2 && ids[0] == 2 && ids[1] == 3 && bytes == 400, "before ADD: its inputs");
	count = fqz_image_live(img, 5, ids, NULL);
	ok(count == 2 && ids[0] == 4 && ids[1] == 5, "a tensor lives until its last reader");
	count = fqz_image_live(img, 8, NULL, &bytes);
	ok(count == 1 && bytes == 64, "32-bit elements have four bytes");
	count = fqz_image_live(img, 9, ids, &bytes);
	ok(count == 1 && ids[0] == 9 && bytes == 20, "after the last layer: the output");
	ok(img->tensors[0].first_layer == FQZ_NO_LAYER && img->tensors[4].first_layer == 3 &&
	   img->tensors[4].last_layer == 5 && img->tensors[9].last_layer == 9,
	   "first and last layer of tensors");
	ok(img->tensors[0].bound == 255 && img->tensors[1].bound == 128 &&
	   img->tensors[8].bound == 255 * 4, "bounds");
	is_str(fqz_image_meta(img, "encoder"), "test", "a metadata value");
	is_str(fqz_image_meta(img, "enc"), NULL, "a key that is not there");
	is_int(img->channel_count, 3 + 8 + 8 + 5, "channels of all layers");
	is_int(img->weight_count, 8 * 27 + 8 * 9 + 5 * 16, "weights of all layers");
	fqz_image_close(img);
	free(image);
	net_free(&n);
}

static void check_bound(void)
{
	struct fqz_error err;
	struct fqz_image *img;
	uint8_t *image;
	int64_t largest;
	struct net n;
	size_t len;

	net_example(&n);
	image = net_write(&n, &len);
	if (fqz_image_open(image, len, &img, &err))
		bail("the example does not open");
	ok(!fqz_layer_check_bound(img, 0, n.layers[0].symbols, &largest, &err), "bound holds");
	is_int(largest, (15 + 8 + 24 + 24 + 18 + 12 + 8) * 255, "sum |w| * bound(x)");
	fqz_image_close(img);
	free(image);
	net_free(&n);
}

static void check_names(void)
{
	is_str(fqz_kind_name(FQZ_AFFINE), "affine", "a kind's name");
	is_str(fqz_kind_name(FQZ_SUMPOOL), "sumpool", "the last kind's name");
	is_str(fqz_kind_name((enum fqz_kind)0), "unknown", "no kind's name");
	is_str(fqz_kind_name((enum fqz_kind)9), "unknown", "nor this");
	is_str(fqz_reason_name(FQZ_TRUNCATED), "TRUNCATED", "a reason's name");
	is_str(fqz_reason_name(FQZ_NO_MEMORY), "NO_MEMORY", "the last reason's name");
	is_str(fqz_reason_name((enum fqz_reason)99), "unknown", "no reason's name");
	is_int(FQZ_NO_MEMORY, 19, "numbers of section 10");
}

int main(void)
{
	check_crc();
	check_alphabets();
	check_huffman();
	check_bad_codes();
	check_live();
	check_bound();
	check_names();
	return tap_done();
}
