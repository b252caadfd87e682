// SPDX-License-Identifier: MIT
/* Expectation maximization in one dimension (gmm.h). */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gmm.h"

#define GMM_EXACT	((size_t)1 << 16)
#define GMM_BINS	((size_t)1 << 14)
#define GMM_STEPS	500
#define GMM_TOLERANCE	1e-6

/* Points with multiplicities. */
struct sample {
	double *x, *count;
	size_t n;
	double total;
};

static int sample_exact(const float *w, size_t n, struct sample *s)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (w[i] != 0.0f) {
			s->x[s->n] = w[i];
			s->count[s->n++] = 1;
		}
	s->total = (double)s->n;
	return 0;
}

/* Each bin is represented by the mean of its members. */
static int sample_bins(const float *w, size_t n, struct sample *s)
{
	double lo = INFINITY, hi = -INFINITY, step, at;
	size_t i, b, kept = 0;

	for (i = 0; i < n; i++) {
		lo = fmin(lo, w[i]);
		hi = fmax(hi, w[i]);
	}
	step = (hi - lo) / (double)GMM_BINS;
	memset(s->x, 0, GMM_BINS * sizeof(*s->x));
	memset(s->count, 0, GMM_BINS * sizeof(*s->count));
	for (i = 0; i < n; i++) {
		if (w[i] == 0.0f)
			continue;
		/* Weights of a network that diverged may be infinite or no numbers. */
		at = step > 0 ? (w[i] - lo) / step : 0;
		b = at < GMM_BINS ? (size_t)at : GMM_BINS - 1;
		s->x[b] += w[i];
		s->count[b]++;
	}
	for (b = 0; b < GMM_BINS; b++) {
		if (!s->count[b])
			continue;
		s->x[kept] = s->x[b] / s->count[b];
		s->count[kept++] = s->count[b];
		s->total += s->count[kept - 1];
	}
	s->n = kept;
	return 0;
}

/* Mean and standard deviation of the points of one sign, or of all (@sign 0). */
static double moments(const struct sample *s, int sign, double *mean, double *sigma)
{
	double sum = 0, square = 0, count = 0;
	size_t i;

	for (i = 0; i < s->n; i++)
		if (!sign || (s->x[i] > 0) == (sign > 0)) {
			sum += s->count[i] * s->x[i];
			count += s->count[i];
		}
	*mean = count ? sum / count : 0;
	for (i = 0; i < s->n; i++)
		if (!sign || (s->x[i] > 0) == (sign > 0))
			square += s->count[i] * (s->x[i] - *mean) * (s->x[i] - *mean);
	*sigma = count ? sqrt(square / count) : 0;
	return count;
}

/* log of lambda_c f(t | mu_c, sigma_c), without the common factor 1 / sqrt(2 pi) */
static double log_density(const struct gmm *g, int c, double t)
{
	double z = (t - g->mean[c]) / g->sigma[c];

	return log(g->lambda[c]) - log(g->sigma[c]) - 0.5 * z * z;
}

double gmm_posterior(const struct gmm *g, double t)
{
	return 1.0 / (1.0 + exp(log_density(g, 0, t) - log_density(g, 1, t)));
}

double gmm_sigma(const struct gmm *g)
{
	return sqrt(g->lambda[0] * g->sigma[0] * g->sigma[0] +
		    g->lambda[1] * g->sigma[1] * g->sigma[1]);
}

/* One E and M step; returns the log likelihood before it. */
static double step(struct gmm *g, const struct sample *s, double floor)
{
	double n[2] = { 0, 0 }, sum[2] = { 0, 0 }, square[2] = { 0, 0 }, likelihood = 0;
	double constant[2], half[2];
	size_t i;
	int c;

	for (c = 0; c < 2; c++) {
		constant[c] = log(g->lambda[c]) - log(g->sigma[c]);
		half[c] = 0.5 / (g->sigma[c] * g->sigma[c]);
	}
	for (i = 0; i < s->n; i++) {
		double d0 = s->x[i] - g->mean[0], d1 = s->x[i] - g->mean[1];
		double l0 = constant[0] - half[0] * d0 * d0, l1 = constant[1] - half[1] * d1 * d1;
		double top = fmax(l0, l1), rest = exp(-fabs(l0 - l1));
		double p1 = l1 >= l0 ? 1 / (1 + rest) : rest / (1 + rest);
		double w0 = s->count[i] * (1 - p1), w1 = s->count[i] * p1;

		likelihood += s->count[i] * (top + log1p(rest));
		n[0] += w0;
		n[1] += w1;
		sum[0] += w0 * d0;
		sum[1] += w1 * d1;
		square[0] += w0 * d0 * d0;
		square[1] += w1 * d1 * d1;
	}
	for (c = 0; c < 2; c++) {
		double shift = n[c] > 0 ? sum[c] / n[c] : 0;

		g->lambda[c] = fmax(n[c] / s->total, 1e-12);
		g->mean[c] += shift;
		g->sigma[c] = fmax(sqrt(fmax(n[c] > 0 ? square[c] / n[c] - shift * shift : 0, 0)),
				   floor);
	}
	return likelihood;
}

int gmm_fit(const float *w, size_t n, struct gmm *g)
{
	struct sample s = { 0 };
	double mean, sigma, before, after, dm, ds;
	size_t room = n > GMM_EXACT ? GMM_BINS : n ? n : 1;
	int rc = 0;

	memset(g, 0, sizeof(*g));
	s.x = malloc(room * sizeof(*s.x));
	s.count = malloc(room * sizeof(*s.count));
	if (!s.x || !s.count) {
		rc = -ENOMEM;
		goto out;
	}
	rc = n > GMM_EXACT ? sample_bins(w, n, &s) : sample_exact(w, n, &s);
	moments(&s, 0, &mean, &sigma);
	g->count = s.total;
	g->variance = sigma * sigma;
	g->lambda[0] = g->lambda[1] = 0.5;
	/* A component needs two different weights to have a width. */
	if (moments(&s, -1, &g->mean[0], &g->sigma[0]) < 2 ||
	    moments(&s, 1, &g->mean[1], &g->sigma[1]) < 2 || sigma <= 0)
		goto out;
	g->sigma[0] = fmax(g->sigma[0], 1e-6 * sigma);
	g->sigma[1] = fmax(g->sigma[1], 1e-6 * sigma);
	after = step(g, &s, 1e-6 * sigma);
	for (g->steps = 1; g->steps < GMM_STEPS; g->steps++) {
		before = after;
		after = step(g, &s, 1e-6 * sigma);
		if (fabs(after - before) <= GMM_TOLERANCE * fabs(after))
			break;
	}
	dm = g->mean[0] - g->mean[1];
	ds = g->sigma[0] - g->sigma[1];
	g->separation = (dm * dm + ds * ds) / g->variance;
	g->usable = g->mean[0] < 0 && g->mean[1] > 0 && g->lambda[0] * s.total >= 1 &&
		    g->lambda[1] * s.total >= 1;
out:
	free(s.x);
	free(s.count);
	return rc;
}
