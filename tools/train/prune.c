// SPDX-License-Identifier: MIT
/* Dynamic Network Surgery (prune.h). */
#include "prune.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "net/quant_prune.h"

#define SPLICE	1.1	/* of the threshold, and QUANT_PRUNE_CUT: the limits */

/* Layers with one c: all that share the network's sparsity, or one with its own. */
struct group {
	struct prune_layer *layers;
	size_t count, weights;
	bool shared;
};

static bool belongs(const struct group *g, const struct prune_layer *p)
{
	return !g->shared || p->sparsity < 0;
}

/*
 * How a layer's weights compare with others': by the c from which on one is cut or stays so, which is
 * where |w| meets its limit's share of mean + c * deviation.
 */
struct ranks {
	double factor[2], offset;	/* factor by mask */
};

static struct ranks layer_ranks(const struct prune_layer *p)
{
	double width = p->deviation > 0 ? p->deviation : 1;	/* 0: all of one magnitude */

	return (struct ranks){ .factor = { 1 / (SPLICE * width), 1 / (QUANT_PRUNE_CUT * width) },
			       .offset = p->mean / width };
}

/* What is 0 comes before all else. */
static inline uint32_t rank(const struct ranks *r, const struct prune_layer *p, size_t i)
{
	double c = fabs(p->w[i]) * r->factor[p->mask[i]] - r->offset;

	return p->w[i] == 0 ? 0 : quant_select_code((float)c);
}

/* Find the code of the last of the s->wanted weights that come first. */
static void select_weights(const struct group *g, struct quant_select *s)
{
	struct ranks r;
	size_t l, i;
	int pass;

	for (pass = 0; pass < 2; pass++) {
		for (l = 0; l < g->count; l++) {
			const struct prune_layer *p = &g->layers[l];

			if (!belongs(g, p))
				continue;
			r = layer_ranks(p);
			for (i = 0; i < p->n; i++)
				quant_select_count(s, rank(&r, p, i));
		}
		quant_select_end(s);
	}
}

/* c such that @wanted weights, fewer than all, are cut by their limits. */
static void set_thresholds(struct group *g, size_t wanted, struct quant_select *s)
{
	double c;
	size_t l;

	for (l = 0; l < g->count; l++) {
		struct prune_layer *p = &g->layers[l];

		if (belongs(g, p))
			quant_prune_moments(p->w, p->n, &p->mean, &p->deviation);
	}
	memset(s, 0, sizeof(*s));
	s->wanted = wanted + 1;
	select_weights(g, s);
	/* Code 0: weights of 0 are enough. */
	c = s->code ? quant_select_key(s->code) : -INFINITY;
	for (l = 0; l < g->count; l++) {
		struct prune_layer *p = &g->layers[l];

		if (belongs(g, p))
			p->threshold = wanted && s->code ? fmax(0, p->mean + c * p->deviation) : 0;
	}
}

/* The last ones that tie are kept. */
static void cut_exactly(struct group *g, size_t wanted, struct quant_select *s)
{
	struct ranks r;
	uint64_t ties;
	size_t l, i;

	memset(s, 0, sizeof(*s));
	s->wanted = wanted;
	if (wanted)
		select_weights(g, s);
	ties = wanted - s->below;
	for (l = 0; l < g->count; l++) {
		struct prune_layer *p = &g->layers[l];

		if (!belongs(g, p))
			continue;
		r = layer_ranks(p);
		for (i = 0; i < p->n; i++) {
			uint32_t code = rank(&r, p, i);
			bool tie = code == s->code && ties;

			p->mask[i] = !(code < s->code || tie);
			ties -= tie;
		}
	}
}

static void cut_and_splice(struct prune_layer *p)
{
	double low = QUANT_PRUNE_CUT * p->threshold, high = SPLICE * p->threshold;
	size_t i;

	for (i = 0; i < p->n; i++) {
		double m = fabs(p->w[i]);

		p->mask[i] = m > high || (p->mask[i] && m >= low && m > 0);
	}
}

static void count_cut(struct prune_layer *p)
{
	size_t i;

	p->cut = p->n;
	for (i = 0; i < p->n; i++)
		p->cut -= p->mask[i];
}

static void update(struct group *g, double sparsity, bool exact, struct quant_select *s)
{
	size_t wanted = quant_prune_count(sparsity, g->weights), l;

	if (!g->weights)
		return;
	set_thresholds(g, wanted, s);
	if (exact)
		cut_exactly(g, wanted, s);
	for (l = 0; l < g->count; l++) {
		if (!belongs(g, &g->layers[l]))
			continue;
		if (!exact)
			cut_and_splice(&g->layers[l]);
		count_cut(&g->layers[l]);
	}
}

int prune_update(struct prune_layer *layers, size_t count, double sparsity, int exact)
{
	struct group shared = { .layers = layers, .count = count, .shared = true };
	struct quant_select *s;
	size_t l;

	if (!(sparsity >= 0 && sparsity < 1))
		return -EINVAL;
	for (l = 0; l < count; l++) {
		if (!(layers[l].sparsity < 1))
			return -EINVAL;
		if (layers[l].sparsity < 0)
			shared.weights += layers[l].n;
	}
	s = malloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	update(&shared, sparsity, exact, s);
	for (l = 0; l < count; l++) {
		struct group own = { .layers = &layers[l], .count = 1, .weights = layers[l].n };

		if (layers[l].sparsity >= 0)
			update(&own, layers[l].sparsity, exact, s);
	}
	free(s);
	return 0;
}

double prune_ramp(double target, uint64_t step, uint64_t steps)
{
	double rest = step < steps ? 1 - (double)step / (double)steps : 0;

	return target * (1 - rest * rest * rest);
}

void prune_start(struct prune_layer *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		p->mask[i] = p->w[i] != 0;
	p->threshold = 0;
	count_cut(p);
}

void prune_apply(const float *w, const uint8_t *mask, size_t n, float *used)
{
	size_t i;

	for (i = 0; i < n; i++)
		used[i] = mask[i] ? w[i] : 0;
}

int prune_restore(struct prune_layer *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->mask[i] > 1)
			return -EBADMSG;
	count_cut(p);
	return 0;
}
