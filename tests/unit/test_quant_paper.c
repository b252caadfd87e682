// SPDX-License-Identifier: MIT
/*
 * Focused quantization to the letter: the paper's worked example (its Figure 2),
 * the mixture and its separation, the choice of b, the alphabet's integers.
 */
#include <errno.h>
#include <math.h>

#include "net/quant_prune.h"
#include "net/rng.h"
#include "tap.h"

#define MANY	60000

/* Box and Muller: a normal variate by key. */
static double normal(uint64_t stream, uint64_t i)
{
	double u = 1 - rng_uniform(11, stream, 2 * i), v = rng_uniform(11, stream, 2 * i + 1);

	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static void test_figure2(void)
{
	/* In units of 1/128; 0: pruned. */
	static const float before[9] = { 0, -3.81f, 1.50f, 5.63f, 0, -5.69f, 4.54f, -3.13f, 2.44f };
	static const double value[9] = { 0, -3.75, 2, 6, 0, -6, 4.5, -3, 2 };
	static const uint8_t component[9] = { 0, 0, 1, 1, 0, 0, 1, 0, 1 };
	const int means[2] = { 2, 2 };	/* 4/128 = S * 2^2, S = 1/128 */
	struct quant_alphabet a;
	uint8_t symbols[9];
	float w[9], scale;
	int i, bad = 0;

	for (i = 0; i < 9; i++)
		w[i] = before[i] / 128;
	/* 5 bits: 1 for the component, 4 for shift values 2^(e - 2), e = 0 .. 3 */
	is_int(quant_recentralize(w, 9, 5, 1.0 / 128, means, 2, component, &a, &scale, symbols), 0,
	       "the filter of Figure 2 is quantized");
	for (i = 0; i < 9; i++)
		if (128.0 * (double)scale * a.weight[symbols[i]] != value[i]) {
			diag("weight %d: %g, expected %g", i, 128.0 * scale * a.weight[symbols[i]],
			     value[i]);
			bad++;
		}
	is_int(bad, 0, "to the values that the paper prints");
	ok(symbols[0] == 0 && symbols[4] == 0, "pruned weights stay pruned");
	/* Denominator 4 * 128: means 16, shift values 1, 2, 4, 8. */
	ok(a.exponent_count == 4 && a.first_exponent == 0 && a.mean_neg == 4 && a.mean_pos == 4 &&
	   scale == 1.0f / 512, "as integers over 512");
}

static void test_mixture(void)
{
	static float w[MANY];
	struct gmm g;
	double d;
	size_t i;

	for (i = 0; i < MANY; i++)
		w[i] = (float)(rng_uniform(12, 0, i) < 0.4 ? -0.3 + 0.05 * normal(1, i) :
			       0.5 + 0.10 * normal(1, i));
	is_int(gmm_fit(w, MANY, &g), 0, "a mixture of two is fitted");
	ok(fabs(g.mean[0] + 0.3) < 0.002 && fabs(g.mean[1] - 0.5) < 0.002, "its means: %.4f %.4f",
	   g.mean[0], g.mean[1]);
	ok(fabs(g.sigma[0] - 0.05) < 0.001 && fabs(g.sigma[1] - 0.1) < 0.002,
	   "its widths: %.4f %.4f", g.sigma[0], g.sigma[1]);
	ok(fabs(g.lambda[0] - 0.4) < 0.01, "its shares: %.4f", g.lambda[0]);
	d = (0.8 * 0.8 + 0.05 * 0.05) / (0.4 * 0.6 * 0.64 + 0.4 * 0.0025 + 0.6 * 0.01);
	ok(g.usable && fabs(g.separation - d) < 0.03, "W = %.3f, %.3f by its formula",
	   g.separation, d);
	ok(fabs(gmm_sigma(&g) - sqrt(0.4 * 0.0025 + 0.6 * 0.01)) < 0.002, "the pooled sigma");
	ok(gmm_posterior(&g, -0.3) < 1e-6 && gmm_posterior(&g, 0.5) > 1 - 1e-6,
	   "weights at the means belong to them");

	for (i = 0; i < MANY; i++)
		w[i] = (float)normal(2, i);
	gmm_fit(w, MANY, &g);
	ok(g.separation < 2, "one normal distribution is not separated: W = %.3f", g.separation);
	for (i = 0; i < MANY; i++)
		w[i] = fabsf(w[i]);
	gmm_fit(w, MANY, &g);
	ok(!g.usable, "positive weights alone have no two components");
	memset(w, 0, sizeof(w));
	ok(!gmm_fit(w, MANY, &g) && !g.usable, "nor do pruned ones");
	ok(!gmm_fit(w, 0, &g) && !g.usable, "nor none");
}

/* Binned and exact sums must tell the same story. */
static void test_bins(void)
{
	static float w[2 * MANY];
	struct gmm exact, binned;
	size_t i;

	for (i = 0; i < 2 * MANY; i++)
		w[i] = (float)((i % 3 ? 1 : -1) * 0.2 + 0.06 * normal(3, i % MANY));
	gmm_fit(w, MANY, &exact);
	gmm_fit(w, 2 * MANY, &binned);
	ok(fabs(exact.mean[0] - binned.mean[0]) < 1e-3 &&
	   fabs(exact.separation - binned.separation) < 0.01, "large layers are binned unharmed");
}

/* The share above the largest level is at most 1 / (2^n' + 1), and b can't be one larger. */
static void test_overflow(void)
{
	static float w[MANY];
	struct quant_options o = { .bits = 5, .mode = QUANT_SHIFT, .seed = 1 };
	unsigned int bits;
	size_t i;
	int bad = 0;

	for (i = 0; i < MANY; i++)
		w[i] = (float)(0.07 * normal(4, i));
	for (bits = 3; bits <= 8; bits++) {
		struct quant_weights q = { 0 };
		size_t above = 0, half = 0;
		double top, share = MANY / (exp2(bits) + 1);

		o.bits = bits;
		if (quant_nearest(w, 1, MANY, 0, &o, &q))
			bad++;
		top = (double)q.scale[0] * q.alphabet.level[q.alphabet.count - 1];
		for (i = 0; i < MANY; i++) {
			above += fabs(w[i]) > top;
			half += fabs(w[i]) > top / 2;
		}
		if ((double)above > share || (double)half <= share) {
			diag("%u bits: %zu above %g, %zu above half of it", bits, above, top, half);
			bad++;
		}
		quant_weights_free(&q);
	}
	is_int(bad, 0, "b leaves at most a share of 1 / (2^n + 1) above the largest level");
}

static void test_choice(void)
{
	static float w[MANY];
	struct quant_options o = { .bits = 5, .mode = QUANT_AUTO, .separation = 2.0, .seed = 1 };
	struct quant_weights q = { 0 }, again = { 0 };
	size_t i, differ = 0, far = 0, revived = 0;

	for (i = 0; i < MANY; i++)
		w[i] = i % 4 ? 0 : (float)((i % 8 ? 0.4 : -0.4) + 0.1 * normal(5, i));
	is_int(quant_nearest(w, 100, MANY / 100, 3, &o, &q), 0, "a two-peaked layer");
	is_int(q.alphabet.mode, FQZ_RECENTRALIZED, "is recentralized");
	for (i = 0; i < MANY; i++) {
		double v = (double)q.scale[0] * q.alphabet.weight[q.symbols[i]];

		revived += w[i] == 0 && q.symbols[i];
		far += w[i] != 0 && fabs(v - w[i]) > 0.25 * fabs(w[i]) + 0.1;
	}
	is_int(revived, 0, "pruned weights are symbol 0");
	/* The tails, and the few that drew the far component. */
	ok(far < MANY / 4 / 500, "the others come close, but for %zu", far);
	quant_nearest(w, 100, MANY / 100, 3, &o, &again);
	is_int(memcmp(q.symbols, again.symbols, MANY), 0,
	       "the same seed draws the same components");
	quant_weights_free(&again);
	/* Where the components overlap, the draw shows. */
	for (i = 0; i < MANY; i++)
		w[i] = (float)((i % 2 ? 0.1 : -0.1) + 0.08 * normal(6, i));
	o.mode = QUANT_RECENTRALIZED;
	quant_weights_free(&q);
	memset(&q, 0, sizeof(q));
	memset(&again, 0, sizeof(again));
	quant_nearest(w, 1, MANY, 3, &o, &q);
	o.seed = 2;
	quant_nearest(w, 1, MANY, 3, &o, &again);
	for (i = 0; i < MANY; i++)
		differ += q.symbols[i] != again.symbols[i];
	ok(differ > MANY / 100, "another seed draws others: %zu", differ);
	quant_weights_free(&q);
	quant_weights_free(&again);
	o.mode = QUANT_AUTO;
	for (i = 0; i < 2; i++) {
		o.separation = q.gmm.separation * (i ? 1.001 : 1);
		memset(&again, 0, sizeof(again));
		quant_nearest(w, 1, MANY, 3, &o, &again);
		is_int(again.alphabet.mode, i ? FQZ_SHIFT : FQZ_RECENTRALIZED,
		       i ? "just below w_sep means shift" : "W = w_sep means recentralized");
		quant_weights_free(&again);
	}
	quant_weights_free(&q);
}

static double squared_error(const float *w, size_t n, const struct quant_weights *q)
{
	double error = 0, d;
	size_t i;

	for (i = 0; i < n; i++) {
		d = w[i] - (double)q->scale[0] * q->alphabet.weight[q->symbols[i]];
		error += d * d;
	}
	return error;
}

/* --assign nearest: of the two components the one that errs less, whatever the seed. */
static void test_assign(void)
{
	static float w[MANY];
	struct quant_options o = { .bits = 5, .mode = QUANT_RECENTRALIZED, .seed = 1 };
	struct quant_weights drawn = { 0 }, q = { 0 }, again = { 0 };
	size_t i, k, e, worse = 0;

	for (i = 0; i < MANY; i++)
		w[i] = (float)((i % 2 ? 0.1 : -0.1) + 0.08 * normal(6, i));
	quant_nearest(w, 1, MANY, 0, &o, &drawn);
	o.assign_nearest = true;
	quant_nearest(w, 1, MANY, 0, &o, &q);
	o.seed = 2;
	quant_nearest(w, 1, MANY, 0, &o, &again);
	is_int(memcmp(q.symbols, again.symbols, MANY), 0, "nearest assignment draws nothing");
	ok(squared_error(w, MANY, &q) < 0.85 * squared_error(w, MANY, &drawn),
	   "and errs less: %.3f, drawn %.3f", squared_error(w, MANY, &q),
	   squared_error(w, MANY, &drawn));
	/* By brute force over all symbols but "pruned". */
	e = 2 + 4 * q.alphabet.exponent_count + 1;
	for (i = 0; i < MANY; i += 7) {
		double mine = fabs(w[i] - (double)q.scale[0] * q.alphabet.weight[q.symbols[i]]);

		for (k = 1; k < e; k++)
			worse += fabs(w[i] - (double)q.scale[0] * q.alphabet.weight[k]) <
				 mine - 1e-9;
	}
	is_int((int64_t)worse, 0, "no symbol is nearer");
	quant_weights_free(&drawn);
	quant_weights_free(&q);
	quant_weights_free(&again);
}

/* Layers on which EM has little to go by: shift, and no weight is lost. */
static void test_degenerate(const char *what, const float *w, size_t n)
{
	struct quant_options o = { .bits = 6, .separation = 0, .seed = 1 };
	struct gmm g;
	int mode, bad = 0;
	size_t i;

	gmm_fit(w, n, &g);
	bad += !isfinite(g.mean[0]) || !isfinite(g.mean[1]) || !isfinite(g.sigma[0]) ||
	       !isfinite(g.sigma[1]) || !isfinite(g.separation) || !isfinite(g.variance);
	ok(!bad && !g.usable, "%s: no two components, all numbers finite", what);
	for (mode = QUANT_AUTO; mode <= QUANT_RECENTRALIZED; mode++) {
		struct quant_weights q = { 0 };

		o.mode = (enum quant_mode)mode;
		bad += quant_nearest(w, 1, n, 0, &o, &q) || q.alphabet.mode != FQZ_SHIFT ||
		       !isfinite(q.scale[0]) || q.scale[0] == 0;
		for (i = 0; i < n; i++) {
			double v = (double)q.scale[0] * q.alphabet.weight[q.symbols[i]];

			/* Powers of two are at most a third from any value in their range. */
			if (fabs(v - w[i]) > 0.34 * fabs(w[i])) {
				diag("%g became %g", (double)w[i], v);
				bad++;
			}
		}
		quant_weights_free(&q);
	}
	is_int(bad, 0, "and shift values within a third");
}

static void test_degenerates(void)
{
	static const float one[] = { -0.3f }, equal[] = { 0.2f, 0.2f, 0.2f, 0.2f, 0.2f },
			   zero[6] = { 0 }, tiny[] = { 1e-30f, 2e-30f, 4e-30f, 1e-30f },
			   huge[] = { 1e30f, 3e30f, 2e30f },
			   lone[] = { 0.5f, 0.4f, 0.3f, 0.6f, -0.1f, 0.45f },
			   two[] = { -0.25f, 0.25f };
	static float positive[200], drift[3000];
	size_t i;

	for (i = 0; i < 200; i++)
		positive[i] = (float)(1 + 0.3 * rng_uniform(8, 0, i));
	/* Negative weights that are the tail of one component. */
	for (i = 0; i < 3000; i++)
		drift[i] = (float)(1 + 0.5 * normal(9, i));
	test_degenerate("a single weight", one, 1);
	test_degenerate("equal weights", equal, 5);
	test_degenerate("nothing but 0", zero, 6);
	test_degenerate("tiny weights", tiny, 4);
	test_degenerate("huge weights", huge, 3);
	test_degenerate("one negative weight", lone, 6);
	test_degenerate("one of each sign", two, 2);
	test_degenerate("only positive weights", positive, 200);
	test_degenerate("a component that drifts away", drift, 3000);
}

static void test_alphabets(void)
{
	struct quant_alphabet a;
	int offset, bits, i, bad = 0;

	for (bits = 3; bits <= 8; bits++)
		for (i = 0; i < 2; i++) {
			enum fqz_mode mode = i ? FQZ_RECENTRALIZED : FQZ_SHIFT;
			int e = (int)fqz_exponent_count(mode, (unsigned int)bits), k;

			if (quant_alphabet_init(&a, mode, (unsigned int)bits, 1 - e, 1, 0, &offset))
				bad++;
			for (k = 0; k + 1 < (int)a.count; k++)
				bad += a.level[k] >= a.level[k + 1] ||
				       (float)a.weight[a.symbol[k]] != a.level[k];
			for (k = 0; k < (int)a.count; k++)
				bad += quant_nearest_level(&a, a.level[k]) != (unsigned int)k;
			bad += fminf((float)a.first_exponent, i ? fminf((float)a.mean_neg,
				     (float)a.mean_pos) : (float)a.first_exponent) != 0;
		}
	is_int(bad, 0, "levels ascend, name their symbols, and the smallest exponent is 0");
	is_int(quant_alphabet_init(&a, FQZ_RECENTRALIZED, 8, -15, 7, 0, &offset), -ERANGE,
	       "a mean 2^22 times the smallest level is out of the format's range");
}

static void test_prune(void)
{
	float w[10] = { 3, -1, 2, -2, 5, 0, 1, -7, 2, 9 };
	int i, zeros = 0;

	is_int(quant_prune(w, 10, 5), 0, "pruning by magnitude");
	for (i = 0; i < 10; i++)
		zeros += w[i] == 0;
	is_int(zeros, 5, "meets the share exactly, ties included");
	ok(w[7] == -7 && w[9] == 9 && w[4] == 5 && w[0] == 3, "and keeps the large ones");
}

int main(void)
{
	test_figure2();
	test_mixture();
	test_bins();
	test_overflow();
	test_choice();
	test_assign();
	test_degenerates();
	test_alphabets();
	test_prune();
	return tap_done();
}
