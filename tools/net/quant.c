// SPDX-License-Identifier: MIT
/* Alphabets, pruning and quantization to the letter of the paper (quant.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quant.h"
#include "rng.h"

#define ALPHABET_MAX_EXPONENT	18
#define ALPHABET_MAX_WEIGHT	(1 << 20)

void quant_weights_free(struct quant_weights *q)
{
	free(q->symbols);
	free(q->scale);
	q->symbols = NULL;
	q->scale = NULL;
}

/* Sort the alphabet's weights; of equal ones the lowest symbol is kept, 0 is "pruned". */
static void alphabet_sort(struct quant_alphabet *a, unsigned int symbols)
{
	unsigned int s, i, j;

	a->count = 0;
	for (s = 0; s < symbols; s++) {
		float v = (float)a->weight[s];

		for (i = 0; i < a->count && a->level[i] < v; i++)
			;
		if (i < a->count && a->level[i] == v)
			continue;
		for (j = a->count; j > i; j--) {
			a->level[j] = a->level[j - 1];
			a->symbol[j] = a->symbol[j - 1];
		}
		a->level[i] = v;
		a->symbol[i] = (uint8_t)s;
		a->count++;
	}
	for (i = 0; i + 1 < a->count; i++)
		a->border[i] = 0.5f * (a->level[i] + a->level[i + 1]);
}

int quant_alphabet_init(struct quant_alphabet *a, enum fqz_mode mode, unsigned int bits,
			int low, int mean_neg, int mean_pos, int *offset)
{
	bool two = mode == FQZ_RECENTRALIZED;
	struct fqz_layer l = { .kind = FQZ_CONV, .mode = mode, .bits = bits };
	int top;

	memset(a, 0, sizeof(*a));
	*offset = low;
	if (two && mean_neg < *offset)
		*offset = mean_neg;
	if (two && mean_pos < *offset)
		*offset = mean_pos;
	a->mode = mode;
	a->bits = bits;
	a->exponent_count = fqz_exponent_count(mode, bits);
	a->first_exponent = (uint32_t)(low - *offset);
	a->mean_neg = two ? (uint32_t)(mean_neg - *offset) : 0;
	a->mean_pos = two ? (uint32_t)(mean_pos - *offset) : 0;
	top = (int)(a->first_exponent + a->exponent_count) - 1;
	if (!a->exponent_count || a->first_exponent > ALPHABET_MAX_EXPONENT ||
	    a->mean_neg > ALPHABET_MAX_EXPONENT || a->mean_pos > ALPHABET_MAX_EXPONENT || top > 19)
		return -ERANGE;
	if ((1 << top) + (two ? 1 << a->mean_neg : 0) >= ALPHABET_MAX_WEIGHT ||
	    (1 << top) + (two ? 1 << a->mean_pos : 0) >= ALPHABET_MAX_WEIGHT)
		return -ERANGE;
	l.exponent_count = a->exponent_count;
	l.first_exponent = a->first_exponent;
	l.mean_neg = a->mean_neg;
	l.mean_pos = a->mean_pos;
	fqz_layer_weights(&l, a->weight);
	alphabet_sort(a, fqz_layer_alphabet(&l));
	return 0;
}

enum fqz_mode quant_choose_mode(const struct quant_options *o, const struct gmm *g)
{
	if (!g->usable || o->mode == QUANT_SHIFT)
		return FQZ_SHIFT;
	if (o->mode == QUANT_RECENTRALIZED || g->separation >= o->separation)
		return FQZ_RECENTRALIZED;
	return FQZ_SHIFT;
}

/*
 * The smallest top exponent T such that at most a share 1 / (2^n + 1) of the values
 * is above 2^T (paper, section 2, step 3). @center gives what to subtract.
 */
static int top_exponent(const float *w, size_t n, const double *center, const uint8_t *component,
			double scale, unsigned int bits)
{
	size_t above[256] = { 0 }, i, total = 0, over = 0;
	int t;

	for (i = 0; i < n; i++) {
		double v;
		int e;

		if (w[i] == 0.0f)
			continue;
		total++;
		v = fabs(w[i] - (component ? center[component[i]] : 0)) / scale;
		if (v == 0)
			continue;
		/* v is in (2^(e-1), 2^e]: above every T < e */
		frexp(v, &e);
		if (v == ldexp(1, e - 1))
			e--;
		e = e < -120 ? -120 : e > 120 ? 120 : e;
		above[e + 128]++;
	}
	for (t = 121; t > -120; t--) {
		over += above[t + 128];
		if ((double)over * (ldexp(1, (int)bits) + 1) > (double)total)
			break;
	}
	return t;
}

/*
 * Nearest of 0 and +-2^e, e = low .. low + count - 1: 0, or 1 + 2 * (e - low) + (v < 0). Half way
 * the smaller one.
 */
static unsigned int shift_symbol(double v, int low, unsigned int count)
{
	double m = fabs(v);
	int e;

	if (m <= ldexp(1, low - 1))
		return 0;
	/* m = f * 2^e, f from 1/2 on: 2^(e-1), or 2^e from 3/4 on */
	if (frexp(m, &e) <= 0.75)
		e--;
	e -= low;
	e = e < 0 ? 0 : e >= (int)count ? (int)count - 1 : e;
	return 1 + 2 * (unsigned int)e + (v < 0);
}

/* FORMAT.md 6.1: component c starts at 1 or 2 + 2E, then its shift values. */
static uint8_t recentralized_symbol(double t, int c, const int exponents[2], int low,
				    unsigned int kept, double *error)
{
	double v = t - ldexp(c ? 1 : -1, exponents[c]);
	unsigned int s = shift_symbol(v, low, kept);

	*error = fabs(s ? fabs(v) - ldexp(1, low + (int)(s - 1) / 2) : v);
	return (uint8_t)((c ? 2 + 2 * kept : 1) + s);
}

/* Of equally near ones that of the weight's sign. */
static uint8_t nearer_symbol(double t, const int exponents[2], int low, unsigned int kept)
{
	double error[2];
	uint8_t symbol[2];
	int c;

	for (c = 0; c < 2; c++)
		symbol[c] = recentralized_symbol(t, c, exponents, low, kept, &error[c]);
	return symbol[error[0] == error[1] ? t > 0 : error[1] < error[0]];
}

int quant_recentralize(const float *w, size_t n, unsigned int bits, double sigma,
		       const int exponents[2], int bias, const uint8_t *component,
		       struct quant_alphabet *a, float *scale, uint8_t *symbols)
{
	/* E of 2^k exponents are kept, the highest ones. */
	unsigned int all = 1u << (bits - 3), kept = fqz_exponent_count(FQZ_RECENTRALIZED, bits);
	int low = (int)(all - kept) - bias, offset, rc;
	double error;
	size_t i;

	rc = quant_alphabet_init(a, FQZ_RECENTRALIZED, bits, low, exponents[0], exponents[1],
				 &offset);
	if (rc)
		return rc;
	*scale = (float)ldexp(sigma, offset);
	for (i = 0; i < n; i++) {
		double t = w[i] / sigma;

		if (w[i] == 0.0f)
			symbols[i] = 0;
		else if (component)
			symbols[i] = recentralized_symbol(t, component[i], exponents, low, kept,
							  &error);
		else
			symbols[i] = nearer_symbol(t, exponents, low, kept);
	}
	return 0;
}

static int shift_layer(const float *w, size_t n, unsigned int bits, struct quant_alphabet *a,
		       float *scale, uint8_t *symbols)
{
	unsigned int kept = fqz_exponent_count(FQZ_SHIFT, bits);
	int low = top_exponent(w, n, NULL, NULL, 1, bits) - (int)kept + 1, offset, rc;
	size_t i;

	rc = quant_alphabet_init(a, FQZ_SHIFT, bits, low, 0, 0, &offset);
	*scale = (float)ldexp(1, offset);
	for (i = 0; !rc && i < n; i++)
		symbols[i] = w[i] == 0.0f ? 0 : (uint8_t)shift_symbol(w[i], low, kept);
	return rc;
}

static int recentralize_layer(const float *w, size_t n, uint32_t layer,
			      const struct quant_options *o, const struct gmm *g,
			      struct quant_alphabet *a, float *scale, uint8_t *symbols)
{
	double sigma = gmm_sigma(g), center[2];
	uint8_t *component = malloc(n);
	int exponents[2], c, top, rc;
	size_t i;

	if (!component)
		return -ENOMEM;
	/* The ratio of mean and scale is rounded in the log domain, so both share a denominator. */
	for (c = 0; c < 2; c++) {
		exponents[c] = (int)lrint(log2(fabs(g->mean[c]) / sigma));
		center[c] = ldexp(c ? sigma : -sigma, exponents[c]);
	}
	for (i = 0; i < n; i++)
		component[i] = (o->assign_nearest ? 0.5 : rng_uniform(o->seed, layer, i)) <
			       gmm_posterior(g, w[i]);
	top = top_exponent(w, n, center, component, sigma, o->bits - 1);
	/* top = 2^k - 1 - b, k = (n - 1) - 2 */
	rc = quant_recentralize(w, n, o->bits, sigma, exponents,
				(1 << (o->bits - 3)) - 1 - top,
				o->assign_nearest ? NULL : component, a, scale, symbols);
	free(component);
	return rc;
}

int quant_nearest(const float *w, size_t outputs, size_t sum, uint32_t layer,
		  const struct quant_options *o, struct quant_weights *q)
{
	size_t n = outputs * sum, i;
	float scale = 1;
	int rc;

	q->cut = 0;
	q->symbols = malloc(n);
	q->scale = malloc(outputs * sizeof(*q->scale));
	if (!q->symbols || !q->scale)
		return -ENOMEM;
	rc = gmm_fit(w, n, &q->gmm);
	if (rc)
		return rc;
	rc = -ERANGE;
	if (quant_choose_mode(o, &q->gmm) == FQZ_RECENTRALIZED)
		rc = recentralize_layer(w, n, layer, o, &q->gmm, &q->alphabet, &scale, q->symbols);
	/* Means too far from the scale for the format's integers: shift. */
	if (rc == -ERANGE)
		rc = shift_layer(w, n, o->bits, &q->alphabet, &scale, q->symbols);
	for (i = 0; i < outputs; i++)
		q->scale[i] = scale;
	for (i = 0; i < n; i++)
		q->cut += w[i] == 0;
	return rc;
}
