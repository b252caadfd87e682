// SPDX-License-Identifier: MIT
/*
 * Focused quantization in the training loop: rounding against plain comparisons, what is quantized
 * when, straight-through gradients, what reaches an image and what comes back from a checkpoint.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fail_alloc.h"
#include "net/rng.h"
#include "tap.h"
#include "train/fq.h"
#include "train/prune.h"

#define OUTPUTS	20
#define SUM	300
#define MANY	(OUTPUTS * SUM)

static const struct quant_options five = { .bits = 5, .separation = 2.0, .seed = 7 };

/* Box and Muller: a normal variate by key. */
static double normal(uint64_t stream, uint64_t i)
{
	double u = 1 - rng_uniform(11, stream, 2 * i), v = rng_uniform(11, stream, 2 * i + 1);

	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/*
 * A layer of two peaks, three quarters of it pruned. What the pruned weights hold is their matter:
 * the dense weights of Dynamic Network Surgery, or worse.
 */
struct sample {
	float w[MANY], used[MANY], grad[MANY];
	uint8_t mask[MANY];
	struct fq_layer q;
};

static struct sample *sample_new(double peak, double width, const struct quant_options *o,
				 uint32_t layer)
{
	struct sample *s = calloc(1, sizeof(*s));
	size_t i;

	for (i = 0; i < MANY; i++) {
		s->mask[i] = rng_bits(1, 1, i) % 4 == 0;
		s->w[i] = (float)((rng_bits(1, 2, i) % 2 ? peak : -peak) + width * normal(3, i));
		s->grad[i] = (float)normal(4, i);
		if (!s->mask[i] && i % 5 == 0)
			s->w[i] = i % 10 ? NAN : 1e30f;
	}
	if (fq_create(&s->q, OUTPUTS, SUM, layer, s->mask, o))
		bail("no layer");
	return s;
}

static void sample_free(struct sample *s)
{
	fq_free(&s->q);
	free(s);
}

/* All weights quantized, by an estimate of them. */
static struct sample *sample_quantized(double peak, double width, const struct quant_options *o,
				       uint32_t layer)
{
	struct sample *s = sample_new(peak, width, o, layer);

	if (fq_estimate(&s->q, s->w, 0) || fq_advance(&s->q, s->w, 1))
		bail("no estimate");
	return s;
}

/* The integer that a weight is rounded to, by comparing with each border in turn. */
static int32_t plain_integer(const struct quant_grid *g, float w, int component)
{
	double t = w / g->sigma, v, m, unit = g->scale / g->sigma;
	double center = g->alphabet.mode == FQZ_SHIFT ? 0 :
			ldexp(component ? 1 : -1, g->exponents[component]);
	double level = 0;
	unsigned int e;

	v = t - center;
	m = fabs(v);
	if (m > ldexp(0.5, g->low))
		level = ldexp(1, g->low);
	for (e = 0; e + 1 < g->alphabet.exponent_count; e++)
		if (m > ldexp(1.5, g->low + (int)e))
			level = ldexp(2, g->low + (int)e);
	return (int32_t)((center + (v < 0 ? -level : level)) / unit);
}

static size_t count_wrong(struct sample *s)
{
	struct fq_layer *q = &s->q;
	size_t i, wrong = 0;

	fq_project_integers(q, s->w, s->used);
	for (i = 0; i < MANY; i++) {
		int32_t want = s->mask[i] ? plain_integer(&q->grid, s->w[i], q->component[i]) : 0;

		if ((int32_t)s->used[i] != want && !wrong++)
			diag("weight %zu, %a of component %d: %g, expected %d", i, (double)s->w[i],
			     q->component[i], (double)s->used[i], want);
	}
	return wrong;
}

/* On the borders between levels, on levels, and next to them; then what is far from all. */
static void set_adversarial(struct sample *s)
{
	static const float odd[] = { 0, -0.0f, FLT_TRUE_MIN, -FLT_TRUE_MIN, FLT_MIN, -FLT_MIN, FLT_MAX,
				     -FLT_MAX, 1, -1, 1e-20f, 1e20f, -1e20f };
	const struct quant_grid *g = &s->q.grid;
	size_t i;

	for (i = 0; i < MANY; i++) {
		int c = (int)(i & 1), sign = i & 2 ? 1 : -1, away = (int)(i / 4 % 7) - 3;
		unsigned int e = (unsigned int)(i / 28) % (g->alphabet.exponent_count + 2);
		double center = g->alphabet.mode == FQZ_SHIFT ? 0 :
				ldexp(c ? 1 : -1, g->exponents[c]);
		double border = ldexp(i / 28 % 3 ? 1.5 : 1, g->low + (int)e - 1);
		float w = (float)((center + sign * border) * g->sigma);

		for (; away > 0; away--)
			w = nextafterf(w, INFINITY);
		for (; away < 0; away++)
			w = nextafterf(w, -INFINITY);
		if (i >= MANY - 4 * sizeof(odd) / sizeof(*odd))
			w = odd[i % (sizeof(odd) / sizeof(*odd))];
		s->w[i] = w;
		s->q.component[i] = g->alphabet.mode == FQZ_SHIFT ? 0 : (uint8_t)(i / 3 & 1);
		s->mask[i] = i % 11 != 0;
	}
}

static void test_rounding(void)
{
	static const int means[][2] = { { 2, 2 }, { 1, 3 }, { 0, 5 } };
	struct quant_options o = five;
	size_t wrong = 0, k;
	unsigned int bits;
	int mode;

	for (bits = 3; bits <= 8; bits++)
		for (mode = FQZ_SHIFT; mode <= FQZ_RECENTRALIZED; mode++)
			for (k = 0; k < 3; k++) {
				/* Powers of two give ties of their own, the others those by chance. */
				double sigma = k == 1 ? 0x1p-7 : 0.0123 * (double)(k + 1);
				struct sample *s;
				size_t i;

				o.bits = bits;
				s = sample_new(0.05, 0.02, &o, 3);
				if (quant_grid_init(&s->q.grid, (enum fqz_mode)mode, bits, sigma, means[k],
						    (int)k - 3))
					bail("no grid");
				for (i = 0; i < MANY; i++)
					s->q.component[i] = mode == FQZ_SHIFT ? 0 : i & 1;
				wrong += count_wrong(s);
				set_adversarial(s);
				wrong += count_wrong(s);
				sample_free(s);
			}
	is_int((int64_t)wrong, 0, "weights, also those on and next to borders, are rounded as "
	       "comparisons with each border say");
}

/* With the weights that it was estimated from, it is what fqaccel-compress does. */
static void test_same_as_compress(void)
{
	static const struct { unsigned int bits; enum quant_mode mode; bool nearest; } ways[] = {
		{ 5, QUANT_AUTO, false }, { 5, QUANT_SHIFT, false }, { 3, QUANT_RECENTRALIZED, false },
		{ 8, QUANT_RECENTRALIZED, false }, { 5, QUANT_RECENTRALIZED, true },
	};
	size_t k, i, other = 0;

	for (k = 0; k < sizeof(ways) / sizeof(*ways); k++) {
		struct quant_options o = five;
		struct quant_weights q = { 0 };
		float kept[MANY];
		struct sample *s;

		o.bits = ways[k].bits;
		o.mode = ways[k].mode;
		o.assign_nearest = ways[k].nearest;
		s = sample_quantized(0.05, 0.02, &o, 3);
		prune_apply(s->w, s->mask, MANY, kept);
		if (quant_nearest(kept, OUTPUTS, SUM, 3, &o, &q))
			bail("not quantized");
		fq_project(&s->q, s->w, s->used);
		other += memcmp(&q.alphabet, &s->q.grid.alphabet, sizeof(q.alphabet)) != 0;
		other += memcmp(q.symbols, s->q.symbols, MANY) != 0;
		for (i = 0; i < MANY; i++)
			other += s->used[i] != q.scale[0] * (float)q.alphabet.weight[q.symbols[i]];
		quant_weights_free(&q);
		sample_free(s);
	}
	is_int((int64_t)other, 0, "freshly estimated layers are quantized as fqaccel-compress does");
}

/* The paper's worked example, its Figure 2. */
static void test_figure2(void)
{
	/* In units of 1/128; 0: pruned. */
	static const float before[9] = { 0, -3.81f, 1.50f, 5.63f, 0, -5.69f, 4.54f, -3.13f, 2.44f };
	static const double value[9] = { 0, -3.75, 2, 6, 0, -6, 4.5, -3, 2 };
	static const uint8_t component[9] = { 0, 0, 1, 1, 0, 0, 1, 0, 1 };
	const int means[2] = { 2, 2 };	/* 4/128 = S * 2^2, S = 1/128 */
	float w[9], used[9];
	struct fq_layer q;
	uint8_t mask[9];
	int i, bad = 0;

	for (i = 0; i < 9; i++) {
		w[i] = before[i] / 128;
		mask[i] = w[i] != 0;
	}
	if (fq_create(&q, 1, 9, 0, mask, &five) ||
	    quant_grid_init(&q.grid, FQZ_RECENTRALIZED, 5, 1.0 / 128, means, -2))
		bail("no layer");
	memcpy(q.component, component, 9);
	is_int(fq_advance(&q, w, 1), 0, "the filter of Figure 2 is quantized");
	fq_project(&q, w, used);
	for (i = 0; i < 9; i++)
		bad += 128.0 * (double)used[i] != value[i];
	is_int(bad, 0, "to the values that the paper prints");
	q.alpha = 0.75f;
	fq_project(&q, w, used);
	for (i = 0; i < 9; i++)
		bad += 128.0 * (double)used[i] != 0.75 * value[i];
	is_int(bad, 0, "which alpha multiplies");
	fq_free(&q);
}

/* alpha * S times a level where quantized, the weight itself where not, 0 where pruned. */
static size_t off_grid(const struct sample *s)
{
	const struct quant_alphabet *a = &s->q.grid.alphabet;
	float scale = (float)(s->q.alpha * s->q.grid.scale);
	size_t i, off = 0;
	unsigned int k;

	for (i = 0; i < MANY; i++) {
		if (!s->mask[i]) {
			off += s->used[i] != 0;
		} else if (!s->q.quantized[i]) {
			off += s->used[i] != s->w[i];
		} else {
			for (k = 0; k < a->count && s->used[i] != scale * a->level[k]; k++)
				;
			off += k == a->count;
		}
	}
	return off;
}

static void move(struct sample *s, uint64_t step)
{
	size_t i;

	for (i = 0; i < MANY; i++)
		s->w[i] += (float)(0.01 * normal(100 + step, i));
}

/* Every weight that waits is at most as large as every one that was just quantized. */
static bool largest_first(const struct sample *s, const uint8_t *before)
{
	float least = INFINITY, most = 0;
	size_t i;

	for (i = 0; i < MANY; i++) {
		if (!s->mask[i] || before[i])
			continue;
		if (s->q.quantized[i])
			least = fminf(least, fabsf(s->w[i]));
		else
			most = fmaxf(most, fabsf(s->w[i]));
	}
	return most <= least;
}

static void test_shares(void)
{
	static const float shares[] = { 0.25f, 0.5f, 0.75f, 0.875f, 1 };
	struct sample *s = sample_new(0.05, 0.02, &five, 3);
	size_t kept = 0, k, i, off = 0, wrong = 0, lost = 0;
	uint8_t before[MANY] = { 0 };

	for (i = 0; i < MANY; i++)
		kept += s->mask[i];
	for (k = 0; k < 5; k++) {
		size_t now = 0;

		/* Some steps come with new estimates. */
		if (k % 2 == 0 && fq_estimate(&s->q, s->w, (uint32_t)k))
			bail("no estimate");
		if (fq_advance(&s->q, s->w, shares[k]))
			bail("not quantized");
		for (i = 0; i < MANY; i++) {
			now += s->q.quantized[i];
			lost += before[i] && !s->q.quantized[i];
			lost += s->q.quantized[i] && !s->mask[i];
		}
		wrong += now != (size_t)(shares[k] * (double)kept) || s->q.share != shares[k];
		wrong += !largest_first(s, before);
		s->q.alpha = 1 + 0.125f * (float)k;
		fq_project(&s->q, s->w, s->used);
		off += off_grid(s);
		memcpy(before, s->q.quantized, MANY);
		move(s, k);
		fq_project(&s->q, s->w, s->used);
		off += off_grid(s);
	}
	is_int((int64_t)wrong, 0, "25, 50, 75, 87.5 and 100 % of the weights, the largest first");
	is_int((int64_t)lost, 0, "what is quantized stays so, and nothing that is pruned is");
	is_int((int64_t)off, 0, "quantized weights are alpha * S times a level, others themselves, "
	       "pruned ones 0");
	fq_advance(&s->q, s->w, 0.5f);
	ok(!memcmp(before, s->q.quantized, MANY) && s->q.share == 1, "a share never shrinks");
	ok(fq_advance(&s->q, s->w, -0.1f) == -EINVAL && fq_advance(&s->q, s->w, 1.1f) == -EINVAL &&
	   fq_advance(&s->q, s->w, NAN) == -EINVAL, "other shares are refused");
	sample_free(s);
}

static void test_ties(void)
{
	static const float w[8] = { 0.5f, -1, 0.25f, 1, -0.5f, 1, 0, -0.5f };
	static const uint8_t mask[8] = { 1, 1, 1, 1, 1, 0, 1, 1 };
	static const uint8_t want[3][8] = {
		{ 0, 1, 0, 1, 0, 0, 0, 0 }, { 1, 1, 0, 1, 1, 0, 0, 0 }, { 1, 1, 1, 1, 1, 0, 1, 1 },
	};
	static const float shares[3] = { 2.9f / 7, 4.5f / 7, 1 };
	struct fq_layer q;
	int k, bad = 0;

	if (fq_create(&q, 2, 4, 0, mask, &five))
		bail("no layer");
	for (k = 0; k < 3; k++)
		bad += fq_advance(&q, w, shares[k]) || memcmp(q.quantized, want[k], 8);
	is_int(bad, 0, "of equally large weights the first are quantized first, and those of 0, too");
	fq_free(&q);
}

/* A weight that is kept may be 0; one that is pruned may hold anything. */
static void test_zero(void)
{
	struct sample *s = sample_quantized(0.05, 0.02, &five, 3);
	size_t i, lost = 0, revived = 0, blocked = 0, passed = 0;

	ok(s->q.grid.alphabet.mode == FQZ_RECENTRALIZED, "a layer of two peaks is recentralized");
	for (i = 0; i < MANY; i += 2)
		if (s->mask[i])
			s->w[i] = i % 4 ? 0.0f : -0.0f;
	fq_project(&s->q, s->w, s->used);
	fq_gradient(&s->q, s->used, s->grad);
	for (i = 0; i < MANY; i++) {
		lost += s->mask[i] && !s->q.symbols[i];
		revived += !s->mask[i] && (s->q.symbols[i] || s->used[i] != 0);
		blocked += s->mask[i] && s->grad[i] != (float)normal(4, i);
		passed += !s->mask[i] && s->grad[i] != 0;
	}
	ok(!lost && !blocked, "a kept weight that becomes 0 is not pruned by that");
	ok(!revived && !passed, "pruned weights stay so, whatever they hold");
	is_int((int64_t)count_wrong(s), 0, "and all are rounded as comparisons say");
	sample_free(s);
}

static void test_shift(void)
{
	struct quant_options o = five;
	struct sample *s;
	size_t i, zeros = 0, blocked = 0, components = 0;

	o.mode = QUANT_SHIFT;
	s = sample_quantized(0.05, 0.02, &o, 3);
	for (i = 0; i < MANY; i += 2)
		s->w[i] = s->mask[i] ? 1e-9f : 0;
	fq_project(&s->q, s->w, s->used);
	fq_gradient(&s->q, s->used, s->grad);
	for (i = 0; i < MANY; i++) {
		zeros += s->mask[i] && !(i % 2) && !s->q.symbols[i] && s->used[i] == 0;
		blocked += s->mask[i] && s->grad[i] == 0;
		components += s->q.component[i];
	}
	ok(zeros > MANY / 10 && !blocked, "shift rounds small weights to 0, and they go on learning");
	is_int((int64_t)components, 0, "it has no components");
	is_int((int64_t)count_wrong(s), 0, "and rounds as comparisons say");
	sample_free(s);
}

/* Until the next estimate a weight keeps its component. */
static void test_component_stays(void)
{
	struct sample *s = sample_quantized(0.05, 0.02, &five, 3);
	const struct quant_alphabet *a = &s->q.grid.alphabet;
	int32_t inner[2] = { INT32_MIN, INT32_MAX };	/* of a component on the other one's side */
	size_t i, wrong = 0;

	inner[0] = -(1 << a->mean_neg) + (1 << (a->first_exponent + a->exponent_count - 1));
	inner[1] = (1 << a->mean_pos) - (1 << (a->first_exponent + a->exponent_count - 1));
	for (i = 0; i < MANY; i++)
		s->w[i] = s->q.component[i] ? -3 : 3;
	fq_project_integers(&s->q, s->w, s->used);
	for (i = 0; i < MANY; i++)
		wrong += s->mask[i] && s->used[i] != (float)inner[s->q.component[i]];
	is_int((int64_t)wrong, 0, "a weight on the other component's side takes its own one's last value");
	if (fq_estimate(&s->q, s->w, 1))
		bail("no estimate");
	fq_project(&s->q, s->w, s->used);
	wrong = 0;
	for (i = 0; i < MANY; i++)
		wrong += s->mask[i] && fabsf(s->used[i] - s->w[i]) > 1;
	is_int((int64_t)wrong, 0, "until the next estimate");
	sample_free(s);
}

/* The draw of m_t is a function of seed, layer, weight and round. */
static void test_draws(void)
{
	struct quant_options o = five;
	uint8_t first[MANY];
	struct sample *s;
	size_t i, high = 0, wrong = 0;
	int k;

	o.mode = QUANT_RECENTRALIZED;
	s = sample_quantized(0.03, 0.03, &o, 3);
	memcpy(first, s->q.component, MANY);
	fq_estimate(&s->q, s->w, 1);
	ok(memcmp(first, s->q.component, MANY), "another round draws other components");
	fq_estimate(&s->q, s->w, 0);
	ok_mem(s->q.component, first, MANY, "the same round draws the same");
	for (i = 0; i < MANY; i++) {
		if (!s->mask[i] || fabsf(s->w[i]) > 0.003f)
			continue;
		high += s->q.component[i];
		wrong++;
	}
	ok(high > wrong / 4 && high < 3 * wrong / 4, "between the peaks about half: %zu of %zu", high,
	   wrong);
	sample_free(s);
	for (k = 0; k < 2; k++) {
		o.seed = k ? 8 : 7;
		s = sample_quantized(0.03, 0.03, &o, k ? 3 : 4);
		ok(memcmp(first, s->q.component, MANY), "so does another %s", k ? "seed" : "layer");
		sample_free(s);
	}
}

static void test_due(void)
{
	unsigned int epoch, due[8] = { 0 }, n = 0;
	static const unsigned int want[8] = { 0, 1, 3, 7, 15, 31, 63, 127 };

	for (epoch = 0; epoch < 200; epoch++)
		if (fq_due(epoch) && n < 8)
			due[n++] = epoch;
	ok(n == 8 && !memcmp(due, want, sizeof(want)), "estimates are due in epochs 0, 1, 3, 7, 15 ...");
}

/* alpha's gradient as a sum, and by a difference of a loss that is linear in what is used. */
static void test_alpha(void)
{
	struct sample *s = sample_new(0.05, 0.02, &five, 3);
	double sum = 0, high = 0, low = 0, step = 1.0 / 64;
	size_t i;
	float h = (float)step;

	if (fq_estimate(&s->q, s->w, 0) || fq_advance(&s->q, s->w, 0.5f))
		bail("no estimate");
	for (i = 0; i < MANY; i++)
		s->grad[i] = (float)(normal(4, i) + 10 * (double)s->w[i]);
	s->q.alpha = 0.75f + h;
	fq_project(&s->q, s->w, s->used);
	for (i = 0; i < MANY; i++)
		high += s->mask[i] ? (double)s->grad[i] * s->used[i] : 0;
	s->q.alpha = 0.75f - h;
	fq_project(&s->q, s->w, s->used);
	for (i = 0; i < MANY; i++)
		low += s->mask[i] ? (double)s->grad[i] * s->used[i] : 0;
	s->q.alpha = 0.75f;
	fq_project(&s->q, s->w, s->used);
	for (i = 0; i < MANY; i++)
		if (s->mask[i] && s->q.quantized[i])
			sum += (double)s->grad[i] * s->used[i] / 0.75;
	fq_gradient(&s->q, s->used, s->grad);
	ok(fabs(s->q.alpha_grad - sum) < 1e-6 * fabs(sum), "alpha's gradient %g, as a sum %g",
	   (double)s->q.alpha_grad, sum);
	ok(fabs(s->q.alpha_grad - (high - low) / (2 * step)) < 1e-4 * fabs(sum), "by a difference %g",
	   (high - low) / (2 * step));
	sample_free(s);
}

static void test_step(void)
{
	struct sample *s = sample_new(0.05, 0.02, &five, 3);
	struct fq_layer *q = &s->q;

	q->alpha_grad = 2;
	fq_step(q, 0.125f, 0.5f);
	ok(q->alpha == 0.75f && q->alpha_momentum == 2, "a step of alpha");
	fq_step(q, 0.125f, 0.5f);
	ok(q->alpha == 0.375f && q->alpha_momentum == 3, "with momentum");
	fq_step(q, 1, 0.5f);
	ok(q->alpha == FQ_MIN_ALPHA && q->alpha_momentum == 0, "it stays above 0");
	q->alpha_grad = -1;
	fq_step(q, 0.5f, 0.5f);
	ok(q->alpha == 0.5f + FQ_MIN_ALPHA, "and comes back from there");
	q->alpha_grad = NAN;
	fq_step(q, 0.5f, 0.5f);
	ok(isnan(q->alpha), "what is not a number is not hidden");
	sample_free(s);
}

/* What an image says of the layer, taken apart as the card does. */
static size_t differs_in_image(struct sample *s, size_t *needless)
{
	int32_t weight[FQZ_MAX_ALPHABET];
	struct quant_weights out = { 0 };
	struct fqz_layer l = { .kind = FQZ_CONV };
	size_t i, differ = 0, pruned = 0;

	if (fq_export(&s->q, s->w, &out))
		bail("not exported");
	fq_project_integers(&s->q, s->w, s->used);
	l.mode = out.alphabet.mode;
	l.bits = out.alphabet.bits;
	l.exponent_count = out.alphabet.exponent_count;
	l.first_exponent = out.alphabet.first_exponent;
	l.mean_neg = out.alphabet.mean_neg;
	l.mean_pos = out.alphabet.mean_pos;
	fqz_layer_weights(&l, weight);
	for (i = 0; i < MANY; i++) {
		differ += (float)weight[out.symbols[i]] != s->used[i];
		*needless += !weight[out.symbols[i]] && out.symbols[i];
		pruned += !s->mask[i];
	}
	for (i = 0; i < OUTPUTS; i++)
		differ += out.scale[i] != (float)(s->q.alpha * s->q.grid.scale);
	differ += out.cut != pruned || memcmp(&out.gmm, &s->q.gmm, sizeof(out.gmm));
	fq_project(&s->q, s->w, s->used);
	for (i = 0; i < MANY; i++)
		differ += s->used[i] != out.scale[i / SUM] * (float)weight[out.symbols[i]];
	quant_weights_free(&out);
	return differ;
}

static void test_export(void)
{
	static const int means[2] = { 1, 0 };
	size_t differ = 0, needless = 0, i, zeros = 0;
	struct sample *s = sample_quantized(0.05, 0.02, &five, 3);

	s->q.alpha = 1.1f;
	differ += differs_in_image(s, &needless);
	/* Means among the shift values: -2 + 2 and 1 - 1 are 0, -2 + 1 is also 1 - 2, and so on. */
	if (quant_grid_init(&s->q.grid, FQZ_RECENTRALIZED, 5, 0.02, means, 0))
		bail("no grid");
	differ += differs_in_image(s, &needless);
	for (i = 0; i < MANY; i++)
		zeros += s->mask[i] && s->used[i] == 0;
	ok(zeros > 0, "%zu weights are rounded to an integer of 0", zeros);
	sample_free(s);
	is_int((int64_t)differ, 0, "an image's layer has the integers and the scale of the forward pass");
	is_int((int64_t)needless, 0, "and an integer of 0 has no symbol but that of pruned weights");
}

/* What was read differs in one thing. */
static int refused(const struct sample *s, void (*spoil)(struct fq_layer *q))
{
	struct checkpoint_record from[FQ_RECORDS], to[FQ_RECORDS];
	struct fq_layer q, copy = s->q;
	int i, rc;

	if (fq_create(&q, OUTPUTS, SUM, 3, s->mask, &s->q.o))
		bail("no layer");
	fq_records(&copy, from);
	fq_records(&q, to);
	for (i = 0; i < FQ_RECORDS; i++)
		memcpy(to[i].data, from[i].data, from[i].len);
	spoil(&q);
	rc = fq_restore(&q);
	fq_free(&q);
	if (rc != -EBADMSG)
		diag("got %d", rc);
	return rc == -EBADMSG;
}

static void spoil_mode(struct fq_layer *q) { q->state.mode = 3; }
static void spoil_bits(struct fq_layer *q) { q->state.bits = 9; }
static void spoil_sigma(struct fq_layer *q) { q->state.sigma = NAN; }
static void spoil_scale(struct fq_layer *q) { q->state.sigma = 0; }
static void spoil_infinite(struct fq_layer *q) { q->state.sigma = 1e300; }
static void spoil_nothing(struct fq_layer *q) { q->state.sigma = 1e-300; }
static void spoil_low(struct fq_layer *q) { q->state.low = INT32_MIN; }
static void spoil_mean(struct fq_layer *q) { q->state.exponents[1] = INT32_MAX; }
static void spoil_far(struct fq_layer *q) { q->state.exponents[0] = q->state.low + 40; }
static void spoil_alpha(struct fq_layer *q) { q->state.alpha = 0; }
static void spoil_huge(struct fq_layer *q) { q->state.alpha = INFINITY; }
static void spoil_momentum(struct fq_layer *q) { q->state.alpha_momentum = NAN; }
static void spoil_share(struct fq_layer *q) { q->state.share = 1.5f; }
static void spoil_usable(struct fq_layer *q) { q->state.usable = 2; }
static void spoil_component(struct fq_layer *q) { q->component[MANY - 1] = 2; }
static void spoil_quantized(struct fq_layer *q) { q->quantized[0] = 255; }

static void test_refusals(void)
{
	void (*const spoils[])(struct fq_layer *) = {
		spoil_mode, spoil_bits, spoil_sigma, spoil_scale, spoil_infinite, spoil_nothing, spoil_low, spoil_mean, spoil_far, spoil_alpha,
		spoil_huge, spoil_momentum, spoil_share, spoil_usable, spoil_component, spoil_quantized,
	};
	struct sample *s = sample_quantized(0.05, 0.02, &five, 3);
	struct quant_options o = five;
	struct fq_layer q;
	size_t i, bad = 0;

	for (i = 0; i < sizeof(spoils) / sizeof(*spoils); i++)
		if (!refused(s, spoils[i])) {
			diag("spoil %zu", i);
			bad++;
		}
	is_int((int64_t)bad, 0, "what can't be a layer's state is refused");
	o.bits = 2;
	ok(fq_create(&q, 1, 1, 0, s->mask, &o) == -ERANGE, "2 bits are refused");
	o.bits = 9;
	ok(fq_create(&q, 1, 1, 0, s->mask, &o) == -ERANGE, "9 bits are refused");
	sample_free(s);
}

/* A layer that came back goes on as the one that stayed. */
static void test_restore(void)
{
	struct sample *s = sample_new(0.05, 0.02, &five, 3);
	struct checkpoint_record from[FQ_RECORDS], to[FQ_RECORDS];
	static const char *const names[] = { "layer.3.fq.state", "layer.3.fq.component",
					     "layer.3.fq.quantized" };
	struct quant_options o = five;
	float used[MANY];
	struct fq_layer q;
	int i, bad = 0;

	if (fq_estimate(&s->q, s->w, 2) || fq_advance(&s->q, s->w, 0.5f))
		bail("no estimate");
	s->q.alpha = 1.3f;
	s->q.alpha_momentum = -0.01f;
	if (fq_create(&q, OUTPUTS, SUM, 3, s->mask, &five))
		bail("no layer");
	fq_records(&s->q, from);
	fq_records(&q, to);
	for (i = 0; i < FQ_RECORDS; i++) {
		bad += strcmp(from[i].name, names[i]) || strcmp(to[i].name, names[i]) ||
		       from[i].len != to[i].len;
		memcpy(to[i].data, from[i].data, from[i].len);
	}
	is_int(bad, 0, "a layer's records have their names");
	is_int(fq_restore(&q), 0, "a layer comes back");
	ok(!memcmp(&q.gmm, &s->q.gmm, sizeof(q.gmm)) && !memcmp(&q.grid, &s->q.grid, sizeof(q.grid)) &&
	   q.share == 0.5f && q.alpha == 1.3f && q.alpha_momentum == -0.01f, "with all that it was");
	move(s, 1);
	for (i = 0; i < 2; i++) {
		fq_project(&s->q, s->w, s->used);
		fq_project(&q, s->w, used);
		ok_mem(used, s->used, sizeof(used), i ? "to the end" : "and goes on alike");
		fq_gradient(&s->q, s->used, s->grad);
		memcpy(&q.alpha_grad, &s->q.alpha_grad, sizeof(float));
		fq_step(&s->q, 0.01f, 0.9f);
		fq_step(&q, 0.01f, 0.9f);
		if (fq_advance(&s->q, s->w, 1) || fq_advance(&q, s->w, 1))
			bail("not quantized");
	}
	fq_free(&q);
	/* Read by one who asks for other bits. */
	o.bits = 3;
	if (fq_create(&q, OUTPUTS, SUM, 3, s->mask, &o))
		bail("no layer");
	fq_records(&s->q, from);
	fq_records(&q, to);
	for (i = 0; i < FQ_RECORDS; i++)
		memcpy(to[i].data, from[i].data, from[i].len);
	is_int(fq_restore(&q), 0, "a layer comes back where other bits are asked for");
	fq_project(&q, s->w, used);
	fq_project(&s->q, s->w, s->used);
	ok_mem(used, s->used, sizeof(used), "with those that it had");
	ok(!fq_estimate(&q, s->w, 0) && q.grid.alphabet.bits == 3, "until the next estimate");
	fq_free(&q);
	sample_free(s);
}

/* All pruned, all one sign, one weight, one value. */
static void test_degenerate(void)
{
	static const float w[4] = { 0.3f, 0.3f, 0.3f, 0.3f };
	uint8_t mask[4] = { 0 };
	float used[4];
	struct fq_layer q;
	int k, i, bad = 0;

	for (k = 0; k < 3; k++) {
		if (k)
			memset(mask, 1, k == 1 ? 1 : 4);
		if (fq_create(&q, 2, 2, 0, mask, &five) || fq_estimate(&q, w, 0) ||
		    fq_advance(&q, w, 1))
			bail("no estimate");
		fq_project(&q, w, used);
		for (i = 0; i < 4; i++)
			bad += mask[i] ? !(fabsf(used[i] - 0.3f) <= 0.1f) : used[i] != 0;
		bad += q.grid.alphabet.mode != FQZ_SHIFT;
		fq_free(&q);
	}
	is_int(bad, 0, "layers with next to nothing in them are quantized by shift");
}

static void test_memory(void)
{
	struct quant_weights out;
	struct fq_layer q;
	struct sample *s = sample_new(0.05, 0.02, &five, 3);
	long after;
	int rc = -ENOMEM, runs = 0, bad = 0;

	for (after = 0; rc; after++, runs++) {
		memset(&out, 0, sizeof(out));
		fail_alloc(after);
		rc = fq_create(&q, OUTPUTS, SUM, 3, s->mask, &five);
		if (!rc) {
			rc = fq_estimate(&q, s->w, 0);
			if (!rc)
				rc = fq_advance(&q, s->w, 1);
			if (!rc)
				rc = fq_export(&q, s->w, &out);
			quant_weights_free(&out);
			fq_free(&q);
		}
		bad += (rc != 0) != fail_alloc_end() || (rc && rc != -ENOMEM);
	}
	ok(!bad && runs > 8, "out of memory %d times", runs - 1);
	sample_free(s);
}

int main(void)
{
	test_rounding();
	test_same_as_compress();
	test_figure2();
	test_shares();
	test_ties();
	test_zero();
	test_shift();
	test_component_stays();
	test_draws();
	test_due();
	test_alpha();
	test_step();
	test_export();
	test_restore();
	test_refusals();
	test_degenerate();
	test_memory();
	return tap_done();
}
