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

/* A grid as the rounding of many weights wants it. */
struct rounder {
	double sigma, center[2];
	double half, least, largest;	/* half of the smallest shift value, it, the largest */
	double value[17];		/* 0 and the shift values */
	uint64_t exponent;		/* of the smallest, as in a double */
	unsigned int base[2];		/* FORMAT.md 6.1: symbol of a component's mean */
};

static void rounder_init(struct rounder *r, const struct quant_grid *g)
{
	bool two = g->alphabet.mode == FQZ_RECENTRALIZED;
	unsigned int e, count = g->alphabet.exponent_count;

	r->sigma = g->sigma;
	r->value[0] = 0;
	for (e = 0; e < count; e++)
		r->value[1 + e] = ldexp(1, g->low + (int)e);
	r->least = r->value[1];
	r->half = r->least / 2;
	r->largest = r->value[count];
	r->exponent = (uint64_t)(g->low + 1023);
	r->center[0] = two ? ldexp(-1, g->exponents[0]) : 0;
	r->center[1] = two ? ldexp(1, g->exponents[1]) : 0;
	r->base[0] = two ? 1 : 0;
	r->base[1] = two ? 2 + 2 * count : 0;
}

static inline uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/*
 * Nearest of 0 and the shift values: 0, or 1 + 2 * (e - low) + (v < 0). Half way the smaller one.
 * Training calls it for each weight at each step, so it looks at bits and does not branch.
 */
static inline unsigned int shift_symbol(const struct rounder *r, double v)
{
	double m = fabs(v), bound = m > r->least ? m : r->least;
	uint64_t e, negative = bits_of(v) >> 63;

	bound = bound < r->largest ? bound : r->largest;
	/* From above 1.5 * 2^e on, where 2^(e+1) is nearer, the sum carries into the exponent. */
	e = ((bits_of(bound) + (((uint64_t)1 << 51) - 1)) >> 52) - r->exponent;
	return (unsigned int)(1 + 2 * e + negative) & -(unsigned int)(m > r->half);
}

/* Of equally near components that of the weight's sign. */
static unsigned int nearer_symbol(const struct rounder *r, double t)
{
	double error[2];
	unsigned int s[2];
	int c;

	for (c = 0; c < 2; c++) {
		double v = t - r->center[c];

		s[c] = shift_symbol(r, v);
		error[c] = fabs(fabs(v) - r->value[(s[c] + 1) / 2]);
	}
	c = error[0] == error[1] ? t > 0 : error[1] < error[0];
	return r->base[c] + s[c];
}

/* 0 where a weight is pruned. */
static inline uint8_t keep(unsigned int symbol, const float *w, const uint8_t *mask, size_t i)
{
	unsigned int kept = mask ? mask[i] : w[i] != 0;

	return (uint8_t)(symbol & -kept);
}

void quant_project(const struct quant_grid *g, const float *w, const uint8_t *mask, size_t n,
		   const uint8_t *component, uint8_t *symbols)
{
	struct rounder r;
	size_t i;

	rounder_init(&r, g);
	if (g->alphabet.mode == FQZ_SHIFT)
		for (i = 0; i < n; i++)
			symbols[i] = keep(shift_symbol(&r, w[i]), w, mask, i);
	else if (component)
		for (i = 0; i < n; i++) {
			double v = w[i] / r.sigma - r.center[component[i]];

			symbols[i] = keep(r.base[component[i]] + shift_symbol(&r, v), w, mask, i);
		}
	else
		for (i = 0; i < n; i++)
			symbols[i] = keep(nearer_symbol(&r, w[i] / r.sigma), w, mask, i);
}

int quant_grid_init(struct quant_grid *g, enum fqz_mode mode, unsigned int bits, double sigma,
		    const int exponents[2], int low)
{
	bool two = mode == FQZ_RECENTRALIZED;
	int offset, rc;

	g->sigma = two ? sigma : 1;
	g->exponents[0] = two ? exponents[0] : 0;
	g->exponents[1] = two ? exponents[1] : 0;
	g->low = low;
	rc = quant_alphabet_init(&g->alphabet, mode, bits, low, g->exponents[0], g->exponents[1],
				 &offset);
	g->scale = ldexp(g->sigma, offset);
	return rc;
}

/* E of 2^k exponents are kept, the highest ones. */
static int recentralize_init(struct quant_grid *g, unsigned int bits, double sigma,
			     const int exponents[2], int bias)
{
	unsigned int all = 1u << (bits - 3), kept = fqz_exponent_count(FQZ_RECENTRALIZED, bits);

	return quant_grid_init(g, FQZ_RECENTRALIZED, bits, sigma, exponents,
			       (int)(all - kept) - bias);
}

int quant_recentralize(const float *w, size_t n, unsigned int bits, double sigma,
		       const int exponents[2], int bias, const uint8_t *component,
		       struct quant_alphabet *a, float *scale, uint8_t *symbols)
{
	struct quant_grid g;
	int rc = recentralize_init(&g, bits, sigma, exponents, bias);

	if (rc)
		return rc;
	*a = g.alphabet;
	*scale = (float)g.scale;
	quant_project(&g, w, NULL, n, component, symbols);
	return 0;
}

static int estimate_shift(const float *w, size_t n, unsigned int bits, struct quant_grid *g,
			  uint8_t *component)
{
	int top = top_exponent(w, n, NULL, NULL, 1, bits);

	memset(component, 0, n);
	return quant_grid_init(g, FQZ_SHIFT, bits, 1, NULL,
			       top - (int)fqz_exponent_count(FQZ_SHIFT, bits) + 1);
}

static int estimate_recentralized(const float *w, size_t n, uint64_t stream,
				  const struct quant_options *o, const struct gmm *gmm,
				  struct quant_grid *g, uint8_t *component)
{
	double sigma = gmm_sigma(gmm), center[2];
	int exponents[2], c, top;
	size_t i;

	/* The ratio of mean and scale is rounded in the log domain, so both share a denominator. */
	for (c = 0; c < 2; c++) {
		exponents[c] = (int)lrint(log2(fabs(gmm->mean[c]) / sigma));
		center[c] = ldexp(c ? sigma : -sigma, exponents[c]);
	}
	for (i = 0; i < n; i++)
		component[i] = (o->assign_nearest ? 0.5 : rng_uniform(o->seed, stream, i)) <
			       gmm_posterior(gmm, w[i]);
	top = top_exponent(w, n, center, component, sigma, o->bits - 1);
	/* top = 2^k - 1 - b, k = (n - 1) - 2 */
	return recentralize_init(g, o->bits, sigma, exponents, (1 << (o->bits - 3)) - 1 - top);
}

int quant_estimate(const float *w, size_t n, uint64_t stream, const struct quant_options *o,
		   struct gmm *gmm, struct quant_grid *g, uint8_t *component)
{
	int rc = gmm_fit(w, n, gmm);

	if (rc)
		return rc;
	rc = -ERANGE;
	if (quant_choose_mode(o, gmm) == FQZ_RECENTRALIZED)
		rc = estimate_recentralized(w, n, stream, o, gmm, g, component);
	/* Means too far from the scale for the format's integers: shift. */
	if (rc == -ERANGE)
		rc = estimate_shift(w, n, o->bits, g, component);
	return rc;
}

int quant_nearest(const float *w, size_t outputs, size_t sum, uint32_t layer,
		  const struct quant_options *o, struct quant_weights *q)
{
	size_t n = outputs * sum, i;
	uint8_t *component = malloc(n);
	struct quant_grid g;
	int rc = -ENOMEM;

	q->cut = 0;
	q->symbols = malloc(n);
	q->scale = malloc(outputs * sizeof(*q->scale));
	if (!component || !q->symbols || !q->scale)
		goto out;
	rc = quant_estimate(w, n, layer, o, &q->gmm, &g, component);
	if (rc)
		goto out;
	quant_project(&g, w, NULL, n, o->assign_nearest ? NULL : component, q->symbols);
	q->alphabet = g.alphabet;
	for (i = 0; i < outputs; i++)
		q->scale[i] = (float)g.scale;
	for (i = 0; i < n; i++)
		q->cut += w[i] == 0;
out:
	free(component);
	return rc;
}
