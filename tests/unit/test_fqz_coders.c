// SPDX-License-Identifier: MIT
/*
 * The coders of FORMAT.md sections 6.3 to 6.6: what is encoded is decoded, by the library in
 * each of its variants, by threads and by a slow decoder written from the document; and
 * damaged streams get the same verdict from all of them.
 */
#include "fqz_reference.h"
#include "tap.h"
#include "test_fqz_net.h"

#include "fqz_coder.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>

static const enum fqz_speed speeds[] = { FQZ_CAREFUL, FQZ_PLAIN, FQZ_FASTEST };

/* A layer whose stream was encoded, as a reader sees it. */
struct sample {
	struct fqz_layer layer;
	struct fqz_image img;
	struct fqz_buffer stream;
	uint8_t *symbols;
	size_t count;
};

static struct fqz_layer conv(uint32_t h, uint32_t w, uint32_t bits)
{
	struct fqz_layer l = net_conv(0, h, 1, 0, FQZ_RECENTRALIZED, bits);

	l.kernel_w = w;
	return l;
}

static void sample_encode(struct sample *s, enum fqz_coder coder)
{
	enum fqz_coder chosen;
	const char *what;

	s->stream = (struct fqz_buffer){ 0 };
	s->layer.coder = coder;
	s->layer.symbols = s->symbols;
	if (fqz_stream_put(&s->stream, &s->layer, s->count, &chosen, &what) || s->stream.failed)
		bail("fqz_stream_put: %s", what);
	s->layer.coder = chosen;
	s->layer.stream = s->stream.data;
	s->layer.stream_size = (uint32_t)s->stream.len;
	s->layer.outputs = 1;
	s->layer.inputs_per_output = (uint32_t)s->count;
	s->img = (struct fqz_image){ .layers = &s->layer, .layer_count = 1 };
}

/* Decodes with one of the variants; the reason, FQZ_OK where it is accepted. */
static enum fqz_reason decode(const struct sample *s, enum fqz_speed speed, uint8_t *out,
			      struct fqz_error *err)
{
	struct fqz_stream *stream;
	int ret;

	*err = (struct fqz_error){ 0 };
	ret = fqz_stream_open(&s->img, 0, &stream, err);
	if (ret)
		return err->reason;
	fqz_stream_set_speed(stream, speed);
	ret = fqz_stream_decode(stream, 0, fqz_stream_segments(stream), out, NULL, NULL, err);
	fqz_stream_close(stream);
	return ret ? err->reason : FQZ_OK;
}

struct job {
	const struct fqz_stream *stream;
	uint32_t first, count;
	uint8_t *out;
	int ret;
};

static void *decode_part(void *arg)
{
	struct job *j = arg;

	j->ret = fqz_stream_decode(j->stream, j->first, j->count, j->out, NULL, NULL, NULL);
	return NULL;
}

/* Segments in three threads at once. */
static bool decode_in_threads(const struct sample *s, uint8_t *out)
{
	struct fqz_stream *stream;
	struct job jobs[3];
	pthread_t threads[3];
	uint32_t segments, i;
	bool good = true;

	if (fqz_stream_open(&s->img, 0, &stream, NULL))
		return false;
	segments = fqz_stream_segments(stream);
	for (i = 0; i < 3; i++) {
		jobs[i] = (struct job){ .stream = stream, .first = segments * i / 3, .out = out };
		jobs[i].count = segments * (i + 1) / 3 - jobs[i].first;
		if (pthread_create(&threads[i], NULL, decode_part, &jobs[i]))
			bail("pthread_create");
	}
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		good &= !jobs[i].ret;
	}
	fqz_stream_close(stream);
	return good;
}

static void check_sample(struct sample *s, enum fqz_coder coder, const char *what)
{
	uint8_t *out = malloc(s->count);
	struct fqz_error err;
	enum fqz_coder chosen;
	uint64_t bytes = 0;
	bool same = true;
	uint32_t i;

	sample_encode(s, coder);
	for (i = 0; i < 3; i++) {
		memset(out, 0x55, s->count);
		same &= !decode(s, speeds[i], out, &err) && !memcmp(out, s->symbols, s->count);
	}
	ok(same, "%s, %s: each variant decodes it", what, fqz_coder_name(coder));
	memset(out, 0x55, s->count);
	ok(decode_in_threads(s, out) && !memcmp(out, s->symbols, s->count),
	   "%s, %s: threads decode it", what, fqz_coder_name(coder));
	/* The reference looks through a whole table for each symbol. */
	if (s->count <= 40000) {
		memset(out, 0x55, s->count);
		ok(reference_decode(&s->layer, out, s->count, NULL, 0, NULL) &&
		   !memcmp(out, s->symbols, s->count), "%s, %s: the document decodes it", what,
		   fqz_coder_name(coder));
	}
	ok(!fqz_stream_size(&s->layer, s->symbols, s->count, coder, &bytes, &chosen, &err) &&
	   bytes == s->layer.stream_size && chosen == s->layer.coder,
	   "%s, %s: fqz_stream_size() knows", what, fqz_coder_name(coder));
	ok(s->count <= 512 * (uint64_t)s->layer.stream_size,
	   "%s, %s: at most 512 weights a byte", what, fqz_coder_name(coder));
	free(s->stream.data);
	free(out);
}

/* AUTO is the smallest of the three, the first of equal ones. */
static void check_auto(struct sample *s, const char *what)
{
	enum fqz_coder coder, best = FQZ_HUFFMAN, chosen;
	uint64_t bytes, least = UINT64_MAX;
	bool same = true;

	for (coder = FQZ_HUFFMAN; coder <= FQZ_TANS; coder++) {
		same &= !fqz_stream_size(&s->layer, s->symbols, s->count, coder, &bytes, NULL,
					 NULL);
		if (bytes < least) {
			least = bytes;
			best = coder;
		}
	}
	same &= !fqz_stream_size(&s->layer, s->symbols, s->count, FQZ_CODER_AUTO, &bytes, &chosen,
				 NULL);
	ok(same && bytes == least && chosen == best, "%s: auto takes the smallest, %s", what,
	   fqz_coder_name(best));
}

enum shape { UNIFORM, SKEWED, SIGNED, ZERO, ONE, ALTERNATING, LAST };

/* density: non-zero symbols in a thousand */
static void fill(struct sample *s, enum shape shape, uint32_t density, uint64_t seed)
{
	uint32_t alphabet = fqz_layer_alphabet(&s->layer), half = alphabet / 2, side = 0;
	size_t i;

	for (i = 0; i < s->count; i++) {
		uint32_t r = net_random(&seed, 1u << 16), v = 1 + net_random(&seed, alphabet - 1);

		s->symbols[i] = 0;
		if (shape == ZERO || net_random(&seed, 1000) >= density)
			continue;
		if (shape == SKEWED)
			v = 1 + (uint32_t)__builtin_clz(r << 15 | 1) % (alphabet - 1);
		if (shape == SIGNED) {
			/* As neighbors of a trained kernel: most often the sign before. */
			side ^= net_random(&seed, 8) == 0;
			v = 1 + side * half + net_random(&seed, half);
		}
		if (shape == ONE)
			v = alphabet - 1;
		if (shape == ALTERNATING)
			v = 1 + (uint32_t)(i & 1);
		if (shape == LAST)
			v = i + 1 == s->count ? 1 : 0;
		s->symbols[i] = (uint8_t)v;
	}
}

static size_t put_token(uint8_t *symbols, size_t count, size_t n, uint32_t zeros, uint8_t value)
{
	for (; zeros && n < count; zeros--)
		symbols[n++] = 0;
	if (n < count)
		symbols[n++] = value;
	return n;
}

/*
 * A run of k zeros and value k + 1 both have codes of about k + 1 bits. Now and then three
 * tokens that fill a lookup of 12 bits come before one whose two codes do not fit one.
 */
static void fill_long_codes(struct sample *s, uint64_t seed)
{
	size_t n = 0;

	while (n < s->count) {
		uint32_t k = (uint32_t)__builtin_ctz(net_random(&seed, 1u << 16) | 1u << 13), i;

		for (i = 0; k > 9 && i < 3; i++)
			n = put_token(s->symbols, s->count, n, 5, 6);
		n = put_token(s->symbols, s->count, n, k, (uint8_t)(k + 1));
	}
}

static void check_long_codes(void)
{
	struct sample s = { .layer = net_fc(0, FQZ_SHIFT, 5), .count = 600000 };
	enum fqz_coder coder;

	s.symbols = malloc(s.count);
	fill_long_codes(&s, 21);
	for (coder = FQZ_HUFFMAN; coder <= FQZ_TANS; coder++)
		check_sample(&s, coder, "long codes");
	free(s.symbols);
}

static void check_shape(struct fqz_layer layer, enum shape shape, uint32_t density, size_t count,
			const char *what)
{
	struct sample s = { .layer = layer, .count = count };
	enum fqz_coder coder;
	char text[128];

	s.symbols = malloc(count);
	fill(&s, shape, density, count + density);
	snprintf(text, sizeof(text), "%s, %zu symbols, kernel %u x %u", what, count,
		 layer.kind == FQZ_CONV ? layer.kernel_h : 1,
		 layer.kind == FQZ_CONV ? layer.kernel_w : 1);
	for (coder = FQZ_CODER_AUTO; coder <= FQZ_TANS; coder++)
		check_sample(&s, coder, text);
	check_auto(&s, text);
	free(s.symbols);
}

static void check_shapes(void)
{
	static const size_t counts[] = { 1, 2, 63, 64, 1000, 40000 };
	static const struct { uint32_t h, w; } kernels[] = { { 1, 1 }, { 3, 3 }, { 5, 1 }, { 7, 7 },
							      { 1, 4 }, { 16, 16 }, { 17, 16 } };
	struct fqz_layer fc = net_fc(0, FQZ_SHIFT, 5);
	uint32_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		size_t n = counts[i];

		check_shape(fc, UNIFORM, 1000, n, "random");
		check_shape(fc, SKEWED, 200, n, "skewed");
		check_shape(fc, ZERO, 0, n, "all zero");
		check_shape(fc, ONE, 1000, n, "one symbol");
		check_shape(fc, ONE, 300, n, "two symbols");
		check_shape(fc, LAST, 1000, n, "one value at the end");
		check_shape(fc, ALTERNATING, 1000, n, "no zero");
		check_shape(conv(3, 3, 5), SIGNED, 1, n, "99.9 % zero");
	}
	for (i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		struct fqz_layer l = conv(kernels[i].h, kernels[i].w, 5);

		check_shape(l, SIGNED, 250, 30000, "sparse, signs alike");
		check_shape(l, SIGNED, 1000, 30000, "dense, signs alike");
	}
	check_shape(conv(3, 3, 8), SKEWED, 200, 300000, "segments of 2^16");
	check_shape(conv(3, 3, 5), SIGNED, 300, 600000, "more than a group of lanes");
	check_shape(conv(3, 3, 5), SIGNED, 950, 600000, "the same, dense");
	check_shape(net_fc(0, FQZ_SHIFT, 3), ZERO, 0, 3000000, "all zero");
}

/* Each coder does what it is there for. */
static void check_sizes(void)
{
	struct sample s = { .layer = conv(3, 3, 5), .count = 200000 };
	uint64_t bytes[4], counts[256] = { 0 };
	double entropy = 0;
	uint32_t i;

	s.symbols = malloc(s.count);
	fill(&s, UNIFORM, 200, 3);
	for (i = 0; i < s.count; i++)
		counts[s.symbols[i]]++;
	for (i = 0; i < 256; i++)
		if (counts[i])
			entropy += (double)counts[i] * log2((double)s.count / (double)counts[i]) / 8;
	for (i = FQZ_HUFFMAN; i <= FQZ_TANS; i++)
		if (fqz_stream_size(&s.layer, s.symbols, s.count, (enum fqz_coder)i, &bytes[i],
				    NULL, NULL))
			bail("fqz_stream_size");
	ok((double)bytes[FQZ_HUFFMAN] > 1.1 * entropy, "huffman is a tenth above the entropy");
	ok((double)bytes[FQZ_RLE_HUFFMAN] < 1.02 * entropy, "rle-huffman within 2 %% of it");
	ok((double)bytes[FQZ_TANS] < 1.005 * entropy, "tans within 0.5 %%");
	fill(&s, SIGNED, 300, 4);
	sample_encode(&s, FQZ_TANS);
	is_int(s.stream.data[4], 3, "signs alike are worth contexts");
	free(s.stream.data);
	s.layer = conv(1, 1, 5);
	sample_encode(&s, FQZ_TANS);
	is_int(s.stream.data[4], 1, "a kernel of one has none");
	free(s.stream.data);
	free(s.symbols);
}

/* One bit of a stream flipped: the same verdict, or the same symbols, from everyone. */
static uint32_t disagreements(struct sample *s, size_t bit, uint32_t *accepted)
{
	uint8_t *out[4], *copy = malloc(s->stream.len);
	struct fqz_error err, first = { 0 };
	enum fqz_reason reason = FQZ_OK, other;
	uint32_t wrong = 0, i;
	bool good;

	memcpy(copy, s->stream.data, s->stream.len);
	copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
	s->layer.stream = copy;
	for (i = 0; i < 4; i++)
		out[i] = malloc(s->count);
	for (i = 0; i < 3; i++) {
		other = decode(s, speeds[i], out[i], &err);
		if (!i) {
			reason = other;
			first = err;
		}
		wrong += other != reason || err.offset != first.offset ||
			 err.offset > s->stream.len;
		wrong += !reason && memcmp(out[0], out[i], s->count);
	}
	good = reference_decode(&s->layer, out[3], s->count, NULL, 0, NULL);
	wrong += good != !reason;
	wrong += good && memcmp(out[0], out[3], s->count);
	*accepted += good;
	for (i = 0; i < 4; i++)
		free(out[i]);
	free(copy);
	s->layer.stream = s->stream.data;
	return wrong;
}

static void check_flips(struct fqz_layer layer, enum shape shape, uint32_t density, size_t count,
			size_t step, const char *what)
{
	struct sample s = { .layer = layer, .count = count };
	enum fqz_coder coder;

	s.symbols = malloc(count);
	fill(&s, shape, density, 77);
	for (coder = FQZ_HUFFMAN; coder <= FQZ_TANS; coder++) {
		uint32_t wrong = 0, accepted = 0;
		size_t bit;

		sample_encode(&s, coder);
		for (bit = 0; bit < 8 * s.stream.len; bit += coder == FQZ_HUFFMAN ? 11 * step : step)
			wrong += disagreements(&s, bit, &accepted);
		ok(!wrong, "%s, %s: flipped bits get one verdict from all (%u accepted)", what,
		   fqz_coder_name(coder), accepted);
		free(s.stream.data);
	}
	free(s.symbols);
}

/*
 * By hand. Coder 2: R = 2, runs 0, 10, 11 and values 0, 10, 110, 111. Coder 3: tables of 32,
 * R = 2, all of one symbol: runs of 2, and value 1; a state stays as it is.
 */
#define RLE(...)	FQZ_RLE_HUFFMAN, { 0, 5, 2, 0x21, 0x12, 0x32, 0x03, __VA_ARGS__ }
#define RLE_HEAD	7
/* Run 0 and value 1 alone, each by a 0. */
#define RLE_ONE(...)	FQZ_RLE_HUFFMAN, { 0, 5, 2, 0x01, 0x10, 0, 0, __VA_ARGS__ }
#define TANS(...)	FQZ_TANS, { 0, 5, 2, 0x55, 1, 0x30, 0x18, 0x00, 0x0c, __VA_ARGS__ }
#define TANS_HEAD	9

static const struct {
	const char *what;
	size_t count;
	enum fqz_coder coder;
	uint8_t stream[24];
	uint32_t size;
	enum fqz_reason reason;
	uint64_t offset;
} by_hand[] = {
	{ "runs of 2 and 0, value 1", 3, RLE(0xc0), RLE_HEAD + 1, FQZ_OK, 0 },
	{ "a run of 1 at the end", 3, RLE(0xe0), RLE_HEAD + 1, FQZ_OK, 0 },
	{ "two runs of 2, nothing after them", 4, RLE(0xf0), RLE_HEAD + 1, FQZ_OK, 0 },
	{ "a run past the end", 3, RLE(0xf0), RLE_HEAD + 1, FQZ_STREAM, RLE_HEAD },
	{ "one run and one value", 4, RLE_ONE(0), RLE_HEAD + 1, FQZ_OK, 0 },
	{ "a run that has no code", 8, RLE_ONE(0, 0x80), RLE_HEAD + 2, FQZ_STREAM, RLE_HEAD + 1 },
	{ "a value that has no code", 8, RLE_ONE(0, 0x40), RLE_HEAD + 2, FQZ_STREAM, RLE_HEAD + 1 },
	{ "no value at all", 2, FQZ_RLE_HUFFMAN, { 0, 5, 2, 0x21, 0x02, 0, 0, 0xc0 },
	  RLE_HEAD + 1, FQZ_CODE, 3 },
	{ "a value and a run past the end", 8, RLE(0x7f, 0xff), RLE_HEAD + 2, FQZ_STREAM,
	  RLE_HEAD + 1 },
	{ "no bits", 3, RLE(0), RLE_HEAD, FQZ_STREAM, RLE_HEAD },
	{ "a code cut short", 9, RLE(0xff), RLE_HEAD + 1, FQZ_STREAM, RLE_HEAD + 1 },
	{ "a byte too many", 3, RLE(0xc0, 0), RLE_HEAD + 2, FQZ_STREAM, RLE_HEAD + 1 },
	{ "a bit too many", 3, RLE(0xc1), RLE_HEAD + 1, FQZ_STREAM, RLE_HEAD },
	{ "a head cut short", 3, RLE(0), 2, FQZ_STREAM, 2 },
	{ "lengths cut short", 3, RLE(0), 6, FQZ_STREAM, 6 },
	{ "two zeros", 2, TANS(0, 0), TANS_HEAD + 2, FQZ_OK, 0 },
	{ "sixty zeros", 60, TANS(0, 0), TANS_HEAD + 2, FQZ_OK, 0 },
	{ "a run past the end", 3, TANS(0, 0), TANS_HEAD + 2, FQZ_STREAM, TANS_HEAD + 1 },
	{ "a first state that is not 0", 2, TANS(1, 0), TANS_HEAD + 2, FQZ_STREAM, TANS_HEAD },
	{ "a second state that is not 0", 2, TANS(0, 2), TANS_HEAD + 2, FQZ_STREAM, TANS_HEAD },
	{ "a state cut short", 2, TANS(0), TANS_HEAD + 1, FQZ_STREAM, TANS_HEAD + 1 },
	{ "no bits", 2, TANS(0), TANS_HEAD, FQZ_STREAM, TANS_HEAD },
	{ "a byte too many", 2, TANS(0, 0, 0), TANS_HEAD + 3, FQZ_STREAM, TANS_HEAD + 2 },
	{ "a bit too many", 2, TANS(0, 4), TANS_HEAD + 2, FQZ_STREAM, TANS_HEAD + 1 },
	{ "a head cut short", 2, TANS(0), 4, FQZ_STREAM, 4 },
	{ "tables cut short", 2, TANS(0), 8, FQZ_STREAM, 8 },
	{ "an order of 13", 2, FQZ_TANS, { 0, 5, 2, 0x55, 1, 0x3d, 0x18, 0, 0x0c, 0, 0 },
	  TANS_HEAD + 2, FQZ_CODE, 5 },
	{ "a frequency above the table", 2,
	  FQZ_TANS, { 0, 5, 2, 0x55, 1, 0x30, 0x38, 0, 0x0c, 0, 0 }, TANS_HEAD + 2, FQZ_CODE, 5 },
	{ "frequencies below it", 2, FQZ_TANS, { 0, 5, 2, 0x55, 1, 0xf0, 0xff, 0xff, 0xff, 0, 0 },
	  TANS_HEAD + 2, FQZ_CODE, 5 },
	{ "a frequency of 13 zeros", 2, FQZ_TANS, { 0, 5, 2, 0x55, 1, 0, 0, 0, 0x0c, 0, 0 },
	  TANS_HEAD + 2, FQZ_CODE, 5 },
};

static void check_by_hand(void)
{
	struct sample s = { .layer = net_fc(0, FQZ_SHIFT, 3) };
	uint8_t out[64], slow[64];
	struct fqz_error err;
	uint32_t i, k;

	for (i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++) {
		/* In a block of its own size: the sanitizer sees a byte too many. */
		uint8_t *stream = malloc(by_hand[i].size);
		bool right = true;

		memcpy(stream, by_hand[i].stream, by_hand[i].size);
		s.layer.coder = by_hand[i].coder;
		s.layer.stream = stream;
		s.layer.stream_size = by_hand[i].size;
		s.layer.outputs = 1;
		s.layer.inputs_per_output = (uint32_t)by_hand[i].count;
		s.img = (struct fqz_image){ .layers = &s.layer, .layer_count = 1 };
		for (k = 0; k < 3; k++)
			right &= decode(&s, speeds[k], out, &err) == by_hand[i].reason &&
				 err.offset == by_hand[i].offset;
		right &= reference_decode(&s.layer, slow, by_hand[i].count, NULL, 0, NULL) ==
			 !by_hand[i].reason;
		right &= by_hand[i].reason || !memcmp(out, slow, by_hand[i].count);
		if (!ok(right, "%s, by hand: %s", fqz_coder_name(by_hand[i].coder), by_hand[i].what))
			diag("%s at %u: %s", fqz_reason_name(err.reason), (unsigned int)err.offset,
			     err.what ? err.what : "accepted");
		free(stream);
	}
}

#define UNTOUCHED	0x55

/* What go_on() sees: how much is decoded, or made ready for it. */
struct watch {
	const uint8_t *out;
	size_t count, calls, last;	/* false in call number last */
	bool ahead;			/* there was more than 2^20 symbols for each call */
};

static bool watch_go_on(void *arg)
{
	struct watch *w = arg;
	size_t touched = 0, i;

	for (i = 0; i < w->count; i++)
		touched += w->out[i] != UNTOUCHED;
	w->calls++;
	w->ahead |= touched > w->calls << 20;
	return w->calls != w->last;
}

static int decode_watched(const struct sample *s, uint8_t *out, struct watch *w, size_t last)
{
	struct fqz_stream *stream;
	int ret;

	memset(out, UNTOUCHED, s->count);
	*w = (struct watch){ .out = out, .count = s->count, .last = last };
	if (fqz_stream_open(&s->img, 0, &stream, NULL))
		bail("fqz_stream_open");
	ret = fqz_stream_decode(stream, 0, fqz_stream_segments(stream), out, watch_go_on, w, NULL);
	fqz_stream_close(stream);
	return ret;
}

/* Zeros in few long segments, so that a segment can be stopped on the way. */
static const struct {
	const char *what;
	enum fqz_coder coder;
	uint8_t head[32];
	size_t head_size, count, symbols_a_byte;
	uint8_t fill;
} long_segments[] = {
	{ "one code of one bit", FQZ_HUFFMAN, { 0, 5, 0x01 }, 5, 2500000, 8, 0 },
	{ "runs of 2", RLE(0), RLE_HEAD, 2500000, 8, 0xff },
	{ "runs of 2 in no bits", TANS(0, 0), TANS_HEAD + 2, 2500000, 0, 0 },
	{ "four segments", FQZ_TANS, { 20, 5, 2, 0x55, 1, 0x30, 0x18, 0, 0x0c, 2, 0, 0, 0, 2, 0, 0,
				       0, 2 }, TANS_HEAD + 4 * 3 + 4 * 2, 4 << 20, 0, 0 },
};

static void check_go_on(void)
{
	struct sample s = { .layer = net_fc(0, FQZ_SHIFT, 3) };
	size_t i, n;

	for (i = 0; i < sizeof(long_segments) / sizeof(long_segments[0]); i++) {
		const char *coder = fqz_coder_name(long_segments[i].coder);
		uint8_t *out, *stream;
		struct watch w;
		bool zero = true;

		s.count = long_segments[i].count;
		n = long_segments[i].symbols_a_byte ? s.count / long_segments[i].symbols_a_byte : 0;
		out = malloc(s.count);
		stream = malloc(long_segments[i].head_size + n);
		memcpy(stream, long_segments[i].head, long_segments[i].head_size);
		memset(stream + long_segments[i].head_size, long_segments[i].fill, n);
		s.layer.coder = long_segments[i].coder;
		s.layer.stream = stream;
		s.layer.stream_size = (uint32_t)(long_segments[i].head_size + n);
		s.layer.outputs = 1;
		s.layer.inputs_per_output = (uint32_t)s.count;
		s.img = (struct fqz_image){ .layers = &s.layer, .layer_count = 1 };
		ok(decode_watched(&s, out, &w, 2) == -ECANCELED, "%s, %s: go_on() can stop it",
		   coder, long_segments[i].what);
		is_int(w.calls, 2, "when it says so");
		is_int(decode_watched(&s, out, &w, 0), 0, "or let it go on");
		ok(!w.ahead, "it is called at least once for 2^20 symbols (%zu calls)", w.calls);
		for (n = 0; n < s.count; n++)
			zero &= !out[n];
		ok(zero, "and all are zeros");
		free(stream);
		free(out);
	}
}

static void check_segment_numbers(void)
{
	struct sample s = { .layer = conv(3, 3, 5), .count = 200000 };
	uint8_t *out = malloc(s.count);
	struct fqz_stream *stream;
	enum fqz_coder coder;
	uint32_t n;

	s.symbols = malloc(s.count);
	fill(&s, SKEWED, 300, 5);
	for (coder = FQZ_HUFFMAN; coder <= FQZ_TANS; coder++) {
		sample_encode(&s, coder);
		if (fqz_stream_open(&s.img, 0, &stream, NULL))
			bail("fqz_stream_open");
		n = fqz_stream_segments(stream);
		is_int(fqz_stream_decode(stream, 0, n + 1, out, NULL, NULL, NULL), -EINVAL,
		       "a segment too many");
		is_int(fqz_stream_decode(stream, n + 1, 0, out, NULL, NULL, NULL), -EINVAL,
		       "a first segment too high");
		is_int(fqz_stream_decode(stream, n, 0, out, NULL, NULL, NULL), 0,
		       "no segments behind the last one");
		fqz_stream_close(stream);
		free(s.stream.data);
	}
	/* Nothing follows the one segment: Segment_Size is not there to be read. */
	s.count = 4;
	sample_encode(&s, FQZ_HUFFMAN);
	if (fqz_stream_open(&s.img, 0, &stream, NULL))
		bail("fqz_stream_open");
	is_int(fqz_stream_decode(stream, 1, 0, out, NULL, NULL, NULL), 0,
	       "no segments behind the only one");
	fqz_stream_close(stream);
	free(s.stream.data);
	fqz_stream_close(NULL);
	free(s.symbols);
	free(out);
}

static void check_arguments(void)
{
	struct fqz_layer l = net_fc(0, FQZ_SHIFT, 5), pool = net_layer(FQZ_MAXPOOL, 0), bad = l;
	uint8_t symbols[4] = { 0, 1, 2, 17 };
	uint64_t bytes;

	bad.exponent_count = 3;
	is_int(fqz_stream_size(&l, symbols, 4, FQZ_TANS, &bytes, NULL, NULL), -EINVAL,
	       "a symbol that is not of the alphabet");
	is_int(fqz_stream_size(&l, symbols, 0, FQZ_TANS, &bytes, NULL, NULL), -EINVAL, "no symbols");
	is_int(fqz_stream_size(&l, symbols, 3, (enum fqz_coder)4, &bytes, NULL, NULL), -EINVAL,
	       "no such coder");
	is_int(fqz_stream_size(&pool, symbols, 3, FQZ_TANS, &bytes, NULL, NULL), -EINVAL,
	       "a layer without weights");
	is_int(fqz_stream_size(&bad, symbols, 3, FQZ_TANS, &bytes, NULL, NULL), -EINVAL,
	       "no such alphabet");
	is_str(fqz_coder_name(FQZ_RLE_HUFFMAN), "rle-huffman", "a coder's name");
	is_str(fqz_coder_name((enum fqz_coder)4), "unknown", "no coder's name");
}

int main(void)
{
	check_shapes();
	check_long_codes();
	check_sizes();
	check_by_hand();
	check_flips(conv(3, 3, 4), SIGNED, 300, 700, 1, "contexts");
	check_flips(conv(3, 3, 4), SIGNED, 1000, 200, 1, "dense contexts");
	check_flips(net_fc(0, FQZ_SHIFT, 4), SKEWED, 200, 900, 1, "sparse");
	check_flips(net_fc(0, FQZ_SHIFT, 4), SKEWED, 900, 300, 1, "dense");
	check_flips(net_fc(0, FQZ_SHIFT, 4), ZERO, 0, 300, 1, "all zero");
	check_flips(conv(3, 3, 5), SIGNED, 200, 70000, 997, "several segments");
	check_go_on();
	check_segment_numbers();
	check_arguments();
	return tap_done();
}
