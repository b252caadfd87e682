// SPDX-License-Identifier: MIT
/*
 * Dynamic Network Surgery against sorting: thresholds, the two limits, exact numbers, and what the
 * masks become when weights move.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fail_alloc.h"
#include "net/rng.h"
#include "tap.h"
#include "train/prune.h"

#define LAYERS	4

/* Box and Muller: a normal variate by key. */
static double normal(uint64_t stream, uint64_t i)
{
	double u = 1 - rng_uniform(11, stream, 2 * i), v = rng_uniform(11, stream, 2 * i + 1);

	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

struct sample {
	struct prune_layer p[LAYERS];
	float *w[LAYERS];
	uint8_t *before[LAYERS];	/* masks before the last update() */
};

/* Layers of different sizes, widths and shapes; the last one has a sparsity of its own. */
static void sample_init(struct sample *s)
{
	static const size_t sizes[LAYERS] = { 3000, 41000, 997, 5000 };
	static const double widths[LAYERS] = { 0.3, 0.01, 1e-4, 2 };
	size_t l, i;

	memset(s, 0, sizeof(*s));
	for (l = 0; l < LAYERS; l++) {
		struct prune_layer *p = &s->p[l];

		p->n = sizes[l];
		s->w[l] = malloc(p->n * sizeof(float));
		p->w = s->w[l];
		p->mask = malloc(p->n);
		s->before[l] = malloc(p->n);
		p->sparsity = l == LAYERS - 1 ? 0.3 : -1;
		for (i = 0; i < p->n; i++) {
			double v = normal(l, i);

			/* Long tails, several equal ones, and some of 0. */
			s->w[l][i] = (float)(widths[l] * (l == 1 ? v * v * v : v));
			if (i % 50 == 7)
				s->w[l][i] = s->w[l][i - 1];
			if (i % 101 == 5)
				s->w[l][i] = 0;
		}
		prune_start(p);
	}
}

static void sample_free(struct sample *s)
{
	size_t l;

	for (l = 0; l < LAYERS; l++) {
		free(s->w[l]);
		free(s->p[l].mask);
		free(s->before[l]);
	}
}

static void update(struct sample *s, double sparsity, int exact)
{
	size_t l;

	for (l = 0; l < LAYERS; l++)
		memcpy(s->before[l], s->p[l].mask, s->p[l].n);
	if (prune_update(s->p, LAYERS, sparsity, exact))
		bail("no update");
}

static void random_masks(struct sample *s, uint64_t seed)
{
	size_t l, i;

	for (l = 0; l < LAYERS; l++)
		for (i = 0; i < s->p[l].n; i++)
			s->p[l].mask[i] = rng_bits(seed, l, i) & 1;
}

static size_t shared_weights(const struct sample *s)
{
	return s->p[0].n + s->p[1].n + s->p[2].n;
}

/* A weight as the sorting sees it. */
struct entry {
	double key;
	size_t layer, i;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	return x->i < y->i ? -1 : 1;
}

/* Of the magnitudes that are not 0, in two passes. */
static void plain_moments(const struct prune_layer *p, double *mean, double *deviation)
{
	double sum = 0, count = 0;
	size_t i;

	for (i = 0; i < p->n; i++) {
		sum += fabs(p->w[i]);
		count += p->w[i] != 0;
	}
	*mean = sum / count;
	for (i = 0, sum = 0; i < p->n; i++)
		if (p->w[i] != 0)
			sum += (fabs(p->w[i]) - *mean) * (fabs(p->w[i]) - *mean);
	*deviation = sqrt(sum / count);
}

/* All weights of layers @first to @last, by the c that cut them or left them so in the last update(). */
static struct entry *sorted(const struct sample *s, size_t first, size_t last, size_t *n)
{
	struct entry *e = NULL;
	size_t l, i;

	*n = 0;
	for (l = first; l <= last; l++)
		*n += s->p[l].n;
	e = malloc(*n * sizeof(*e));
	*n = 0;
	for (l = first; l <= last; l++) {
		const struct prune_layer *p = &s->p[l];
		const double d = p->deviation, factor[2] = { 1 / (1.1 * d), 1 / (0.9 * d) };

		for (i = 0; i < p->n; i++) {
			double m = fabs(p->w[i]);
			float key = (float)(m * factor[s->before[l][i]] - p->mean / d);

			e[(*n)++] = (struct entry){ m == 0 ? -INFINITY : (double)key, l, i };
		}
	}
	qsort(e, *n, sizeof(*e), compare_entries);
	return e;
}

/* Thresholds from the c that sorting finds, for layers @first to @last. */
static void check_thresholds(const struct sample *s, size_t first, size_t last, double sparsity)
{
	double mean, deviation, t, worst = 0;
	size_t n, l, i, cut = 0, zeros = 0, wanted;
	struct entry *e = sorted(s, first, last, &n);

	wanted = (size_t)(sparsity * (double)n + 1e-6);
	for (l = first; l <= last; l++) {
		plain_moments(&s->p[l], &mean, &deviation);
		t = wanted ? fmax(0, mean + e[wanted].key * deviation) : 0;
		worst = fmax(worst, fabs(s->p[l].threshold - t) / mean);
		for (i = 0; i < s->p[l].n; i++)
			zeros += s->p[l].w[i] == 0;
		cut += s->p[l].cut;
	}
	free(e);
	wanted = wanted < zeros ? zeros : wanted;
	ok(worst < 1e-6, "%g %%: thresholds as sorting finds them, but for %.1g", 100 * sparsity, worst);
	/* Equal weights, and those whose c is equal in single precision: many where many are near 0. */
	ok(fabs((double)cut - (double)wanted) < 2e-4 * (double)n, "%zu are cut, %zu were asked for", cut,
	   wanted);
}

static void test_thresholds(void)
{
	static const double sparsities[] = { 0, 0.005, 0.05, 0.5, 0.75, 0.8, 0.95, 0.9999 };
	struct sample s;
	size_t k;

	sample_init(&s);
	for (k = 0; k < sizeof(sparsities) / sizeof(*sparsities); k++) {
		update(&s, sparsities[k], 0);
		check_thresholds(&s, 0, 2, sparsities[k]);
	}
	random_masks(&s, 5);
	update(&s, 0.6, 0);
	check_thresholds(&s, 0, 2, 0.6);
	check_thresholds(&s, 3, 3, 0.3);
	sample_free(&s);
}

/* Any mask before: below 0.9 it is cut, above 1.1 spliced, between as it was. */
static void test_limits(void)
{
	size_t l, i, wrong = 0, between[2] = { 0, 0 }, cut, miscounted = 0;
	struct sample s;

	sample_init(&s);
	random_masks(&s, 1);
	update(&s, 0.7, 0);
	for (l = 0; l < LAYERS; l++) {
		double t = s.p[l].threshold;

		for (i = 0, cut = 0; i < s.p[l].n; i++) {
			double m = fabs(s.p[l].w[i]);
			uint8_t want = m < 0.9 * t ? 0 : m > 1.1 * t ? 1 : s.before[l][i];

			if (m >= 0.9 * t && m <= 1.1 * t)
				between[want]++;
			wrong += s.p[l].mask[i] != want;
			cut += !s.p[l].mask[i];
		}
		miscounted += cut != s.p[l].cut;
	}
	ok(!wrong && between[0] > 500 && between[1] > 500,
	   "cut below 0.9, spliced above 1.1 of the threshold, %zu and %zu between stay", between[0],
	   between[1]);
	is_int((int64_t)miscounted, 0, "what is cut is counted");
	sample_free(&s);
}

/* The dense weight under the mask grows: it comes back. */
static void test_splice(void)
{
	struct sample s;
	size_t i, at = 0;
	float t;

	sample_init(&s);
	prune_update(s.p, LAYERS, 0.7, 0);
	t = (float)s.p[1].threshold;
	for (i = 0; i < s.p[1].n; i++)
		if (!s.p[1].mask[i])
			at = i;
	s.w[1][at] = -1.05f * t;
	prune_update(s.p, LAYERS, 0.7, 0);
	ok(!s.p[1].mask[at], "a cut weight that grows a little stays cut");
	s.w[1][at] = -1.15f * t;
	prune_update(s.p, LAYERS, 0.7, 0);
	ok(s.p[1].mask[at], "one that grows beyond 1.1 of the threshold is spliced");
	s.w[1][at] = 0.95f * t;
	prune_update(s.p, LAYERS, 0.7, 0);
	ok(s.p[1].mask[at], "then it may shrink a little");
	/* Another one was cut in its place, so the threshold is lower when they change places again. */
	s.w[1][at] = 0.7f * t;
	prune_update(s.p, LAYERS, 0.7, 0);
	ok(!s.p[1].mask[at], "until it is below 0.9 of it");
	sample_free(&s);
}

static size_t differs_from_sorted(const struct sample *s, size_t first, size_t last, size_t cut)
{
	size_t n, i, differ = 0;
	struct entry *e = sorted(s, first, last, &n);

	for (i = 0; i < n; i++)
		differ += s->p[e[i].layer].mask[e[i].i] != (i >= cut);
	free(e);
	return differ;
}

static void test_exact(void)
{
	static const double sparsities[] = { 0, 0.005, 0.2, 0.29, 0.75, 0.8, 0.999 };
	size_t k, l, i, wrong = 0, differ = 0;
	struct sample s;

	sample_init(&s);
	for (k = 0; k < sizeof(sparsities) / sizeof(*sparsities); k++) {
		size_t cut[LAYERS], wanted;

		wanted = (size_t)(sparsities[k] * (double)shared_weights(&s) + 1e-6);
		random_masks(&s, k);
		update(&s, sparsities[k], 1);
		for (l = 0; l < LAYERS; l++)
			for (i = 0, cut[l] = 0; i < s.p[l].n; i++)
				cut[l] += !s.p[l].mask[i];
		wrong += cut[0] + cut[1] + cut[2] != wanted || cut[3] != 1500;
		wrong += s.p[0].cut != cut[0] || s.p[3].cut != 1500;
		if (sparsities[k] > 0)
			differ += differs_from_sorted(&s, 0, 2, wanted);
		differ += differs_from_sorted(&s, 3, 3, 1500);
	}
	is_int((int64_t)wrong, 0, "exactly as many as asked for are cut");
	is_int((int64_t)differ, 0, "those that their limits cut first, of equal ones the first");
	/* The network that learned so far is left as it is. */
	random_masks(&s, 3);
	update(&s, 0.8, 0);
	update(&s, 0.8, 1);
	for (l = 0, wrong = 0; l < LAYERS; l++)
		for (i = 0; i < s.p[l].n; i++)
			wrong += s.p[l].mask[i] != s.before[l][i];
	ok(wrong < 10, "at the end of a ramp %zu masks change", wrong);
	sample_free(&s);
}

/* Weights of one magnitude, all 0, a single one, none. */
static void test_degenerate(void)
{
	float same[10] = { 1, -1, 1, 1, -1, -1, 1, 1, 1, 1 }, zero[10] = { 0 }, one[1] = { 0.5f };
	uint8_t mask[3][10];
	struct prune_layer p[3] = {
		{ .w = same, .n = 10, .sparsity = -1, .mask = mask[0] },
		{ .w = zero, .n = 10, .sparsity = 0.5, .mask = mask[1] },
		{ .w = one, .n = 1, .sparsity = 0.5, .mask = mask[2] },
	};
	static const uint8_t want[10] = { 0, 0, 0, 0, 1, 1, 1, 1, 1, 1 };

	memset(mask, 1, sizeof(mask));
	is_int(prune_update(p, 3, 0.4, 1), 0, "layers with next to nothing in them are pruned");
	ok(p[0].cut == 4 && !memcmp(mask[0], want, 10), "of equal weights the first");
	ok(p[1].cut == 5 && p[2].cut == 0, "of weights of 0 as many, of one weight none");
	is_int(prune_update(p, 3, 0.4, 0), 0, "and with the two limits");
	ok(isfinite(p[0].threshold) && p[0].cut == 4, "equal weights are between, so stay");
	ok(p[1].threshold == 0 && p[1].cut == 10, "all weights of 0 are cut");
	is_int(prune_update(p + 2, 1, 0.4, 1), 0, "no layer that shares");
	is_int(prune_update(NULL, 0, 0.4, 1), 0, "no layer at all");
}

static void test_start(void)
{
	float w[4] = { 0, 1, -0.0f, -1e-30f }, used[4];
	uint8_t mask[4] = { 7, 7, 7, 7 };
	static const uint8_t want[4] = { 0, 1, 0, 1 };
	struct prune_layer p = { .w = w, .n = 4, .sparsity = -1, .mask = mask };

	prune_start(&p);
	ok(!memcmp(mask, want, 4) && p.cut == 2, "a network may have been pruned before");
	w[0] = NAN;
	prune_apply(w, mask, 4, used);
	ok(used[0] == 0 && used[1] == 1 && used[2] == 0 && used[3] == -1e-30f, "masked weights are 0");
	p.cut = 0;
	ok(prune_restore(&p) == 0 && p.cut == 2, "a mask from a file");
	mask[3] = 2;
	is_int(prune_restore(&p), -EBADMSG, "must be one");
}

static void test_ramp(void)
{
	double last = -1;
	int i, bad = 0;

	for (i = 0; i <= 100; i++) {
		double s = prune_ramp(0.8, (uint64_t)i, 100), rest = (100 - i) / 100.0;

		bad += s <= last || fabs(s - (0.8 - 0.8 * pow(rest, 3))) > 1e-12;
		last = s;
	}
	is_int(bad, 0, "the ramp is cubic");
	ok(prune_ramp(0.8, 0, 100) == 0 && prune_ramp(0.8, 100, 100) == 0.8 &&
	   prune_ramp(0.8, 1000, 100) == 0.8 && prune_ramp(0.8, 0, 0) == 0.8, "from 0 to the target");
}

static void test_refusals(void)
{
	static const double wrong[] = { -0.1, 1, 1.5, NAN };
	struct sample s;
	size_t k;
	int bad = 0, after, rc = -ENOMEM;

	sample_init(&s);
	for (k = 0; k < 4; k++)
		bad += prune_update(s.p, LAYERS, wrong[k], 0) != -EINVAL;
	for (k = 1; k < 4; k++) {
		s.p[3].sparsity = wrong[k];
		bad += prune_update(s.p, LAYERS, 0.5, 0) != -EINVAL;
	}
	is_int(bad, 0, "other sparsities are refused");
	s.p[3].sparsity = 0.3;
	for (after = 0; rc; after++) {
		fail_alloc(after);
		rc = prune_update(s.p, LAYERS, 0.5, 1);
		bad += (rc != 0) != fail_alloc_end() || (rc && rc != -ENOMEM);
	}
	ok(!bad && after > 1, "out of memory %d times", after - 1);
	sample_free(&s);
}

/* Steps of a whole pruning, with weights that move: what is cut follows the ramp. */
static void test_ramped(void)
{
	struct sample s, again;
	size_t l, i, same = 0;
	int step, run;
	double off = 0;

	for (run = 0; run < 2; run++) {
		struct sample *p = run ? &again : &s;

		sample_init(p);
		for (step = 0; step <= 20; step++) {
			double wanted = prune_ramp(0.8, (uint64_t)step, 20);
			size_t cut;

			for (l = 0; l < LAYERS; l++)
				for (i = 0; i < p->p[l].n; i++)
					p->w[l][i] *= (float)(1 + 0.05 * normal(100 + (uint64_t)step, i));
			if (prune_update(p->p, LAYERS, wanted, 0))
				bail("no update");
			cut = p->p[0].cut + p->p[1].cut + p->p[2].cut;
			off = fmax(off, fabs((double)cut / (double)shared_weights(p) - wanted));
		}
	}
	/* But for the weights of 0 at its start, 1 %. */
	ok(off < 0.011, "sparsity follows the ramp to within %.4f", off);
	for (l = 0; l < LAYERS; l++)
		same += !memcmp(s.p[l].mask, again.p[l].mask, s.p[l].n);
	is_int((int64_t)same, LAYERS, "the same weights get the same masks");
	sample_free(&s);
	sample_free(&again);
}

int main(void)
{
	test_thresholds();
	test_limits();
	test_splice();
	test_exact();
	test_degenerate();
	test_start();
	test_ramp();
	test_ramped();
	test_refusals();
	return tap_done();
}
