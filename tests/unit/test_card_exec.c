// SPDX-License-Identifier: MIT
/*
 * The executors: each layer of random networks against sums in long double that are
 * computed another way (from inputs to outputs, weights as numbers), and every
 * executor against the reference, byte for byte.
 */
#include "netgen.h"
#include "tap.h"

#include "card/conv.h"

#include <errno.h>
#include <math.h>

#define MAX_EXECS	5

static const struct card_exec *execs[MAX_EXECS];
static unsigned int exec_count;

struct subject {
	void *image;
	size_t len;
	struct fqz_image *img;		/* for the weights */
	struct card_model *m[MAX_EXECS];
	uint8_t *arena[MAX_EXECS];
	void *scratch[MAX_EXECS];
};

static void tick_init(struct card_tick *t)
{
	t->units = 0;
	atomic_init(&t->cancel, false);
	atomic_init(&t->progress, 0);
}

static void *dirty_alloc(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 64) / 64 * 64);

	if (!p)
		bail("out of memory");
	memset(p, 0xa5, bytes);
	return p;
}

static bool subject_init(struct subject *s, const struct netgen_options *opt)
{
	struct fqz_error err;
	struct card_tick tick;
	const char *what;
	unsigned int e;

	memset(s, 0, sizeof(*s));
	if (netgen_image(opt, &s->image, &s->len, &what)) {
		ok(false, "seed %u: a network: %s", opt->seed, what);
		return false;
	}
	if (fqz_image_open(s->image, s->len, &s->img, &err))
		bail("fqz_image_open: %s", err.what);
	for (e = 0; e < exec_count; e++) {
		tick_init(&tick);
		if (card_model_build(s->image, s->len, execs[e], 1024, UINT64_MAX, &tick,
				     &s->m[e], &err))
			bail("card_model_build: %s", err.what);
		s->arena[e] = dirty_alloc(s->m[e]->arena_bytes);
		s->scratch[e] = dirty_alloc(s->m[e]->scratch_bytes);
	}
	return true;
}

static void subject_exit(struct subject *s)
{
	unsigned int e;

	for (e = 0; e < exec_count; e++) {
		card_model_free(s->m[e]);
		free(s->arena[e]);
		free(s->scratch[e]);
	}
	fqz_image_close(s->img);
	free(s->image);
}

static void random_input(struct subject *s, uint64_t seed)
{
	const struct card_tensor *t = &s->m[0]->tensors[0];
	uint32_t i;

	for (i = 0; i < t->bytes; i++)
		s->arena[0][t->offset + i] = (uint8_t)netgen_random(&seed);
	for (i = 1; i < exec_count; i++)
		memcpy(s->arena[i] + t->offset, s->arena[0] + t->offset, t->bytes);
}

static long double value(const struct card_tensor *t, const uint8_t *arena, uint64_t i)
{
	int32_t wide;

	if (t->type == FQZ_U8)
		return arena[t->offset + i];
	if (t->type == FQZ_S8)
		return (int8_t)arena[t->offset + i];
	memcpy(&wide, arena + t->offset + 4 * i, 4);
	return wide;
}

/* Convolution by scattering: each input element goes to all outputs that it touches. */
static void expect_conv(const struct subject *s, const struct card_layer *layer, long double *y)
{
	const struct card_model *m = s->m[0];
	const struct fqz_layer *l = &layer->desc;
	const struct card_tensor *in = &m->tensors[l->inputs[0]], *out = &m->tensors[l->output];
	size_t count = (size_t)l->outputs * l->inputs_per_output, k;
	uint8_t *symbols = malloc(count);
	int32_t weights[FQZ_MAX_ALPHABET];
	uint32_t cg = in->c / l->groups, og = out->c / l->groups;

	if (!symbols || fqz_layer_decode(s->img, layer->index, symbols, count, NULL))
		bail("fqz_layer_decode");
	fqz_layer_weights(&s->img->layers[layer->index], weights);
	for (k = 0; k < out->elements; k++)
		y[k] = 0;
	for (k = 0; k < count; k++) {
		uint32_t o = (uint32_t)(k / l->inputs_per_output);
		uint32_t r = (uint32_t)(k % l->inputs_per_output);
		uint32_t q = r % l->kernel_w, p = r / l->kernel_w % l->kernel_h;
		uint32_t c = r / l->kernel_w / l->kernel_h + o / og * cg;
		long yi, xi;

		for (yi = 0; yi < in->h; yi++) {
			long top = yi + (long)l->pad_top - (long)(p * l->dilation_h);

			if (top < 0 || top % l->stride_h || top / l->stride_h >= out->h)
				continue;
			for (xi = 0; xi < in->w; xi++) {
				long left = xi + (long)l->pad_left - (long)(q * l->dilation_w);

				if (left < 0 || left % l->stride_w ||
				    left / l->stride_w >= out->w)
					continue;
				y[((uint64_t)o * out->h + top / l->stride_h) * out->w +
				  left / l->stride_w] += weights[symbols[k]] *
					value(in, s->arena[0],
					      ((uint64_t)c * in->h + yi) * in->w + xi);
			}
		}
	}
	free(symbols);
}

static void expect_pool(const struct subject *s, const struct fqz_layer *l, long double *y)
{
	const struct card_model *m = s->m[0];
	const struct card_tensor *in = &m->tensors[l->inputs[0]], *out = &m->tensors[l->output];
	uint64_t n;

	for (n = 0; n < out->elements; n++) {
		long c = n / out->w / out->h, i = n / out->w % out->h, j = n % out->w, p, q;
		long double sum = 0, most = -INFINITY, inside = 0, padded = 0;

		for (p = 0; p < l->kernel_h; p++) {
			for (q = 0; q < l->kernel_w; q++) {
				long a = i * l->stride_h + p - l->pad_top;
				long b = j * l->stride_w + q - l->pad_left;
				long double v;

				padded += a < (long)(in->h + l->pad_bottom) &&
					  b < (long)(in->w + l->pad_right);
				if (a < 0 || b < 0 || a >= in->h || b >= in->w)
					continue;
				v = value(in, s->arena[0], ((uint64_t)c * in->h + a) * in->w + b);
				sum += v;
				inside++;
				most = v > most ? v : most;
			}
		}
		if (l->kind == FQZ_MAXPOOL)
			y[n] = most;
		else
			y[n] = roundl(sum / (l->pool_rule == FQZ_POOL_IN_BOUNDS ? inside :
					     l->pool_rule == FQZ_POOL_PADDED ? padded :
					     (long double)l->divisor));
	}
}

static void expect_concat(const struct subject *s, const struct fqz_layer *l, long double *y)
{
	uint32_t i, k;

	for (i = 0; i < l->input_count; i++) {
		const struct card_tensor *t = &s->m[0]->tensors[l->inputs[i]];

		for (k = 0; k < t->elements; k++)
			*y++ = value(t, s->arena[0], k);
	}
}

/* roundl() rounds half away from zero; long double holds 64 bits, so all is exact. */
static void expect_requantized(const struct subject *s, const struct fqz_layer *l, long double *y)
{
	const struct card_tensor *out = &s->m[0]->tensors[l->output];
	uint32_t i;

	for (i = 0; i < out->elements; i++) {
		uint32_t c = i / (out->h * out->w);

		y[i] = roundl(ldexpl(y[i] * l->scale[c] +
				     ldexpl(l->bias[c], (int)l->bias_shift), -(int)l->shift[c]));
	}
}

static void expect(const struct subject *s, const struct card_layer *layer, long double *y)
{
	const struct card_model *m = s->m[0];
	const struct fqz_layer *l = &layer->desc;
	const struct card_tensor *in = &m->tensors[l->inputs[0]], *out = &m->tensors[l->output];
	uint64_t i, area = (uint64_t)in->h * in->w;

	for (i = 0; i < out->elements && l->kind == FQZ_AFFINE; i++)
		y[i] = value(in, s->arena[0], i);
	for (i = 0; i < out->elements && l->kind == FQZ_ADD; i++)
		y[i] = roundl(ldexpl(l->add_scale[0] * value(in, s->arena[0], i) + l->add_scale[1] *
				     value(&m->tensors[l->inputs[1]], s->arena[0], i),
				     -(int)l->out_shift));
	for (i = 0; i < out->elements && l->kind == FQZ_SUMPOOL; i++)
		y[i] = 0;
	for (i = 0; i < in->elements && l->kind == FQZ_SUMPOOL; i++)
		y[i / area] += value(in, s->arena[0], i);
	if (l->kind == FQZ_CONV || l->kind == FQZ_FC)
		expect_conv(s, layer, y);
	if (l->kind == FQZ_MAXPOOL || l->kind == FQZ_AVGPOOL)
		expect_pool(s, l, y);
	if (l->kind == FQZ_CONCAT)
		expect_concat(s, l, y);
	if (l->kind == FQZ_CONV || l->kind == FQZ_FC || l->kind == FQZ_AFFINE)
		expect_requantized(s, l, y);
	for (i = 0; i < out->elements && l->kind != FQZ_MAXPOOL && l->kind != FQZ_CONCAT; i++)
		y[i] = y[i] < l->act_min ? l->act_min : y[i] > l->act_max ? l->act_max : y[i];
}

/* How often each kind was met, to be sure that all of them were. */
static unsigned int met[FQZ_SUMPOOL + 1];

static unsigned int forms[CONV_DIRECT + 1], parts[CONV_HIGH + 1], extras, wides;

static void count_forms(const struct card_model *m)
{
	uint32_t i, r;

	for (i = 0; i < m->layer_count; i++) {
		const struct conv *cv = m->layers[i].prepared;

		if (!cv)
			continue;
		forms[cv->form]++;
		wides += cv->wide_count;
		extras += cv->extra_count;
		for (r = 0; r < cv->row_count; r++)
			parts[cv->row[r].part]++;
	}
}

static bool check_layer(const struct subject *s, uint32_t index, unsigned int seed)
{
	const struct card_layer *l = &s->m[0]->layers[index];
	const struct card_tensor *out = &s->m[0]->tensors[l->desc.output];
	long double *y = calloc(out->elements, sizeof(*y));
	uint32_t i;
	bool same = true;

	if (!y)
		bail("out of memory");
	met[l->desc.kind]++;
	expect(s, l, y);
	for (i = 0; i < out->elements && same; i++) {
		same = value(out, s->arena[0], i) == y[i];
		if (!same)
			diag("seed %u layer %u kind %u element %u: %.0Lf, expected %.0Lf", seed,
			     index, l->desc.kind, i, value(out, s->arena[0], i), y[i]);
	}
	free(y);
	return same;
}

static bool same_tensor(const struct subject *s, uint32_t id, unsigned int e, unsigned int seed)
{
	const struct card_tensor *t = &s->m[0]->tensors[id];
	const struct card_layer *l = id ? &s->m[0]->layers[id - 1] : NULL;
	uint32_t i;

	for (i = 0; i < t->bytes; i++) {
		if (s->arena[0][t->offset + i] == s->arena[e][t->offset + i])
			continue;
		diag("seed %u layer %u kind %u byte %u of %u: %s says %u, %s %u", seed, id - 1,
		     l ? l->desc.kind : 0, i, t->bytes, execs[0]->name,
		     s->arena[0][t->offset + i], execs[e]->name, s->arena[e][t->offset + i]);
		return false;
	}
	return true;
}

/* Layer by layer: the reference against long double, the others against the reference. */
static bool check_network(const struct netgen_options *opt, bool floats)
{
	struct subject s;
	struct card_tick tick;
	uint32_t i;
	unsigned int e;
	bool good = true;

	if (!subject_init(&s, opt))
		return false;
	random_input(&s, opt->seed);
	tick_init(&tick);
	count_forms(s.m[1]);
	for (i = 0; i < s.m[0]->layer_count && good; i++) {
		for (e = 0; e < exec_count; e++)
			good &= !card_model_run(s.m[e], i, 1, s.arena[e], s.scratch[e], &tick);
		if (floats)
			good = good && check_layer(&s, i, opt->seed);
		for (e = 1; e < exec_count; e++)
			good = good && same_tensor(&s, i + 1, e, opt->seed);
	}
	subject_exit(&s);
	return good;
}

static void test_small(void)
{
	struct netgen_options opt = { .channels = 12, .size = 9 };
	unsigned int good = 0, i;

	for (i = 0; i < 400; i++) {
		opt.seed = i;
		opt.layers = 1 + i % 10;
		opt.kind = i % 9;
		good += check_network(&opt, true);
	}
	is_int(good, 400, "small random networks, each layer against long double");
	for (i = FQZ_AFFINE; i <= FQZ_SUMPOOL; i++)
		ok(met[i] >= 20, "kind %u was met %u times", i, met[i]);
}

static void test_large(void)
{
	struct netgen_options opt = { .channels = 90, .size = 24 };
	unsigned int good = 0, i;

	for (i = 0; i < 24; i++) {
		opt.seed = 5000 + i;
		opt.layers = 4;
		opt.kind = i % 2 ? FQZ_CONV : 0;
		good += check_network(&opt, false);
	}
	is_int(good, 24, "larger random networks, executors alike");
	opt.kind = FQZ_SUMPOOL;
	opt.size = 40;
	for (good = 0, i = 0; i < 6; i++) {
		opt.seed = 5100 + i;
		good += check_network(&opt, true);
	}
	is_int(good, 6, "sums of channels that int16 does not hold");
	opt.extreme = true;
	opt.kind = FQZ_CONV;
	for (good = 0, i = 0; i < 40; i++) {
		opt.seed = 5200 + i;
		opt.layers = 1 + i % 4;
		opt.channels = i % 4 ? 16 : 200;
		opt.size = i % 4 ? 12 : 8;
		good += check_network(&opt, true);
	}
	is_int(good, 40, "weights near 2^19");
}

/* A run of all layers against runs of two ranges, live tensors handed over. */
static bool check_ranges(unsigned int seed, unsigned int e)
{
	struct netgen_options opt = { .seed = seed, .layers = 8, .channels = 10, .size = 8 };
	struct subject s;
	struct card_tick tick;
	uint8_t *second;
	uint32_t cut, id;
	bool good = true;

	if (!subject_init(&s, &opt))
		return false;
	tick_init(&tick);
	second = dirty_alloc(s.m[e]->arena_bytes);
	for (cut = 1; cut < s.m[e]->layer_count; cut++) {
		const struct card_model *m = s.m[e];
		const struct card_tensor *t;

		random_input(&s, seed);
		memset(second, 0x5a, m->arena_bytes);
		good &= !card_model_run(m, 0, cut, s.arena[e], s.scratch[e], &tick);
		for (id = 0; id < m->tensor_count; id++) {
			t = &m->tensors[id];
			if (card_model_live(m, cut, id))
				memcpy(second + t->offset, s.arena[e] + t->offset, t->bytes);
		}
		good &= !card_model_run(m, cut, m->layer_count - cut, second, s.scratch[e], &tick);
		random_input(&s, seed);
		good &= !card_model_run(m, 0, m->layer_count, s.arena[e], s.scratch[e], &tick);
		t = &m->tensors[m->tensor_count - 1];
		good &= !memcmp(second + t->offset, s.arena[e] + t->offset, t->bytes);
	}
	free(second);
	subject_exit(&s);
	return good;
}

static void test_ranges(void)
{
	unsigned int good = 0, i;

	for (i = 0; i < 40; i++)
		good += check_ranges(9000 + i, i % exec_count);
	is_int(good, 40, "two ranges of layers give what the whole gives");
}

/* Tensors that live at the same time do not share a byte, each is aligned and inside. */
static void test_plan(void)
{
	struct netgen_options opt = { .channels = 10, .size = 8, .layers = 30 };
	unsigned int i, bad = 0;
	uint32_t a, b;

	for (i = 0; i < 20; i++) {
		struct subject s;
		const struct card_model *m;

		opt.seed = 700 + i;
		if (!subject_init(&s, &opt))
			return;
		m = s.m[0];
		for (a = 0; a < m->tensor_count; a++) {
			const struct card_tensor *x = &m->tensors[a], *y;

			bad += x->offset % 64 || x->offset + x->bytes > m->arena_bytes;
			for (b = 0; b < a; b++) {
				y = &m->tensors[b];
				bad += x->written <= y->read && x->offset < y->offset + y->bytes &&
				       y->offset < x->offset + x->bytes;
			}
		}
		subject_exit(&s);
	}
	is_int(bad, 0, "arena plans");
}

static long double at_least(long double a, long double b)
{
	return a > b ? a : b;
}

/* CARD.md section 8 once more, from the image. */
static long double expect_cycles(const struct subject *s, uint32_t index, uint32_t lanes)
{
	const struct fqz_layer *l = &s->img->layers[index];
	const struct fqz_tensor *out = &s->img->tensors[l->output];
	long double compute = fqz_tensor_elements(out), memory = fqz_tensor_bytes(out), decode = 0;
	size_t i, count = (size_t)l->outputs * l->inputs_per_output;

	for (i = 0; i < l->input_count; i++)
		memory += fqz_tensor_bytes(&s->img->tensors[l->inputs[i]]);
	if (l->kind == FQZ_MAXPOOL || l->kind == FQZ_AVGPOOL)
		compute *= l->kernel_h * l->kernel_w;
	if (l->kind == FQZ_SUMPOOL)
		compute = fqz_tensor_elements(&s->img->tensors[l->inputs[0]]);
	if (l->kind == FQZ_CONV || l->kind == FQZ_FC) {
		uint8_t *symbols = malloc(count);

		if (!symbols || fqz_layer_decode(s->img, index, symbols, count, NULL))
			bail("fqz_layer_decode");
		for (compute = 0, i = 0; i < count; i++)
			compute += symbols[i] ? (long double)out->h * out->w : 0;
		free(symbols);
		decode = (long double)count / 64;
		memory += l->stream_size;
	}
	return 32 + ceill(at_least(at_least(compute / lanes, decode), memory / 64));
}

static void test_cycles(void)
{
	struct netgen_options opt = { .channels = 40, .size = 12, .layers = 20 };
	unsigned int i, bad = 0;
	uint32_t k;

	for (i = 0; i < 18; i++) {
		static const uint32_t lanes[] = { 1, 7, 1024 };
		struct card_tick tick;
		struct fqz_error err;
		struct card_model *m;
		struct subject s;
		uint64_t sum = 0;

		opt.seed = 60 + i;
		opt.kind = i % 9;
		if (!subject_init(&s, &opt))
			return;
		tick_init(&tick);
		if (card_model_build(s.image, s.len, execs[0], lanes[i % 3], UINT64_MAX, &tick, &m,
				     &err))
			bail("card_model_build: %s", err.what);
		for (k = 0; k < m->layer_count; k++) {
			bad += m->layers[k].cycles != expect_cycles(&s, k, lanes[i % 3]);
			sum += m->layers[k].cycles;
		}
		bad += sum != card_model_cycles(m, 0, m->layer_count);
		card_model_free(m);
		subject_exit(&s);
	}
	is_int(bad, 0, "the cycle model");
}

/* Each layer of each kind and form stops at the first look. */
static void test_cancel(void)
{
	struct netgen_options opt = { .layers = 30, .channels = 16, .size = 20 };
	unsigned int e, i, bad = 0;
	struct card_tick tick;
	struct subject s;
	uint32_t k;

	for (i = 0; i < 10; i++) {
		opt.seed = 90 + i;
		opt.extreme = i % 2;
		if (!subject_init(&s, &opt))
			return;
		random_input(&s, opt.seed);
		for (k = 0; k < s.m[0]->layer_count; k++) {
			for (e = 0; e < exec_count; e++) {
				tick_init(&tick);
				tick.units = CARD_TICK_UNITS;	/* due at once */
				atomic_store(&tick.cancel, true);
				bad += card_model_run(s.m[e], k, 1, s.arena[e], s.scratch[e],
						      &tick) != -ECANCELED;
				bad += atomic_load(&tick.progress) != 1;
			}
		}
		subject_exit(&s);
	}
	is_int(bad, 0, "layers stop when they are told to");
}

/* Pads that make much of little: the padded copy would be a thousand times the tensor. */
static void test_pads(void)
{
	static int16_t scale[8] = { 3, -5, 7, 9, 11, 13, -15, 17 }, bias[8];
	static uint8_t shift[8] = { 9, 9, 9, 9, 9, 9, 9, 9 }, symbols[8 * 16 * 4];
	struct fqz_tensor t[2] = {
		{ .type = FQZ_U8, .c = 16, .h = 1, .w = 1, .scale = 1 },
		{ .type = FQZ_S8, .c = 8, .h = 256, .w = 256, .scale = 1 },
	};
	struct fqz_layer l = {
		.kind = FQZ_CONV, .input_count = 1, .output = 1, .kernel_h = 2, .kernel_w = 2,
		.stride_h = 1, .stride_w = 1, .dilation_h = 255, .dilation_w = 255,
		.pad_top = 255, .pad_left = 255, .pad_bottom = 255, .pad_right = 255, .groups = 1,
		.act_min = -128, .act_max = 127, .mode = FQZ_SHIFT, .bits = 5,
		.exponent_count = 8, .coder = FQZ_HUFFMAN, .scale = scale, .bias = bias,
		.shift = shift, .symbols = symbols,
	};
	struct fqz_image img = { .tensors = t, .layers = &l, .tensor_count = 2, .layer_count = 1,
				 .std = { 1, 1, 1 }, .color = FQZ_NOT_A_PICTURE };
	struct card_model *m[2];
	uint8_t *arena[2];
	struct fqz_error err;
	unsigned int i;
	void *data;
	size_t len;

	for (i = 0; i < sizeof(symbols); i++)
		symbols[i] = (uint8_t)(i * 7 % 17);
	if (fqz_image_write(&img, &data, &len, &err))
		bail("fqz_image_write: %s", err.what);
	for (i = 0; i < 2; i++) {
		struct card_tick tick;
		void *scratch;

		tick_init(&tick);
		if (card_model_build(data, len, execs[i], 1, UINT64_MAX, &tick, &m[i], &err))
			bail("card_model_build: %s", err.what);
		arena[i] = dirty_alloc(m[i]->arena_bytes);
		scratch = dirty_alloc(m[i]->scratch_bytes);
		memset(arena[i] + m[i]->tensors[0].offset, 200, 16);
		card_model_run(m[i], 0, 1, arena[i], scratch, &tick);
		free(scratch);
	}
	ok(m[1]->scratch_bytes < (1u << 20), "hostile pads take %zu bytes", m[1]->scratch_bytes);
	ok_mem(arena[1] + m[1]->tensors[1].offset, arena[0] + m[0]->tensors[1].offset,
	       m[0]->tensors[1].bytes, "and are computed rightly");
	for (i = 0; i < 2; i++) {
		card_model_free(m[i]);
		free(arena[i]);
	}
	free(data);
}

int main(void)
{
	execs[exec_count++] = card_exec_reference();
	while (exec_count < MAX_EXECS && card_exec_gemm(exec_count - 1)) {
		execs[exec_count] = card_exec_gemm(exec_count - 1);
		exec_count++;
	}
	diag("%u executors", exec_count);
	test_small();
	test_large();
	ok(forms[CONV_ROWS] >= 100 && forms[CONV_COLUMNS] >= 100 && forms[CONV_DIRECT] >= 100,
	   "all forms were met: %u rows, %u columns, %u direct", forms[CONV_ROWS],
	   forms[CONV_COLUMNS], forms[CONV_DIRECT]);
	ok(parts[CONV_SINGLE] >= 1000 && parts[CONV_LOW] >= 100 && parts[CONV_HIGH] >= 100,
	   "all rows were met: %u single, %u low, %u high", parts[CONV_SINGLE],
	   parts[CONV_LOW], parts[CONV_HIGH]);
	ok(extras >= 100 && wides >= 100, "%u remainders, %u wide channels", extras, wides);
	test_ranges();
	test_plan();
	test_cycles();
	test_cancel();
	test_pads();
	return tap_done();
}
