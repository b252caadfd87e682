// SPDX-License-Identifier: MIT
/* Thresholds of pruning (quant_prune.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quant_prune.h"

/* A layer's weights and how they compare with other layers': |w| * column * scale - offset. */
struct ranks {
	const float *w;
	const float *column;	/* NULL: 1 */
	size_t n, sum, per_group;
	float scale, offset;
};

uint32_t quant_select_code(float key)
{
	uint32_t bits;

	memcpy(&bits, &key, sizeof(bits));
	return bits >> 31 ? ~bits : bits | 0x80000000u;
}

float quant_select_key(uint32_t code)
{
	uint32_t bits = code >> 31 ? code & 0x7fffffffu : ~code;
	float key;

	memcpy(&key, &bits, sizeof(key));
	return key;
}

void quant_select_end(struct quant_select *s)
{
	uint32_t bin = 0;

	while (bin < 0xffff && s->below + s->count[bin] < s->wanted)
		s->below += s->count[bin++];
	memset(s->count, 0, sizeof(s->count));
	s->code = s->low ? s->code | bin : bin << 16;
	s->low = true;
}

/* What is 0 comes before all else. */
static uint32_t rank_code(const struct ranks *r, size_t i)
{
	float v = fabsf(r->w[i]) * r->scale;

	if (v == 0)
		return 0;
	if (r->column)
		v *= r->column[i / (r->sum * r->per_group) * r->sum + i % r->sum];
	return quant_select_code(v - r->offset);
}

/* Find the code below which the wanted weights of all @layers lie. */
static void rank_select(const struct ranks *layers, size_t count, struct quant_select *s)
{
	size_t l, i;
	int pass;

	for (pass = 0; pass < 2; pass++) {
		for (l = 0; l < count; l++)
			for (i = 0; i < layers[l].n; i++)
				quant_select_count(s, rank_code(&layers[l], i));
		quant_select_end(s);
	}
}

int quant_prune(float *w, size_t n, size_t zeros)
{
	struct ranks r = { .w = w, .n = n, .scale = 1 };
	struct quant_select *s;
	size_t i, ties;

	if (!zeros)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->wanted = zeros;
	rank_select(&r, 1, s);
	ties = zeros - s->below;
	for (i = 0; i < n; i++) {
		uint32_t code = rank_code(&r, i);

		if (code < s->code) {
			w[i] = 0;
		} else if (code == s->code && ties) {
			w[i] = 0;
			ties--;
		}
	}
	free(s);
	return 0;
}

void quant_prune_moments(const float *w, size_t n, double *mean, double *sigma)
{
	double sum = 0, square = 0;
	size_t count = 0, i;

	for (i = 0; i < n; i++)
		if (w[i] != 0) {
			sum += fabs(w[i]);
			square += (double)w[i] * w[i];
			count++;
		}
	*mean = count ? sum / (double)count : 0;
	*sigma = count ? sqrt(fmax(square / (double)count - *mean * *mean, 0)) : 0;
}

/* Dynamic Network Surgery with c = 0. */
static size_t below_threshold(const float *w, size_t n)
{
	double mean, sigma;
	size_t i, below = 0;

	quant_prune_moments(w, n, &mean, &sigma);
	for (i = 0; i < n; i++)
		below += fabs(w[i]) < QUANT_PRUNE_CUT * mean;
	return below;
}

static void rank_layer(struct ranks *r, const struct net *net, const struct net_layer *l,
		       const struct quantize_options *o, const float *column)
{
	double mean, sigma;

	r->w = l->weight;
	r->n = net_layer_weights(net, l);
	r->sum = net_layer_sum(net, l);
	r->per_group = net->tensors[l->out].c / l->groups;
	r->column = column;
	r->scale = 1;
	r->offset = 0;
	quant_prune_moments(l->weight, r->n, &mean, &sigma);
	if (mean == 0)
		return;
	if (o->prune == QUANTIZE_PRUNE_DNS) {
		/* |w| < 0.9 (mean + c sigma): a weight is cut from this c on. */
		sigma = fmax(sigma, 1e-6 * mean);
		r->scale = (float)(1 / (QUANT_PRUNE_CUT * sigma));
		r->offset = (float)(mean / sigma);
	} else if (!column) {
		r->scale = (float)(1 / sqrt(mean * mean + sigma * sigma));
	}
}

size_t quant_prune_count(double sparsity, size_t n)
{
	/* A product such as 0.29 * 100 may come out just below what was meant. */
	return (size_t)(sparsity * (double)n + 1e-6);
}

/* One threshold for the layers of @index. */
static void plan_network(const struct ranks *r, const uint32_t *index, size_t count,
			 double sparsity, struct quant_select *s, size_t *zeros)
{
	size_t total = 0, ties, l, i;

	for (l = 0; l < count; l++)
		total += r[l].n;
	s->wanted = quant_prune_count(sparsity, total);
	rank_select(r, count, s);
	ties = s->wanted - s->below;
	for (l = 0; l < count; l++)
		for (i = 0; i < r[l].n; i++) {
			uint32_t code = rank_code(&r[l], i);

			if (code < s->code) {
				zeros[index[l]]++;
			} else if (code == s->code && ties) {
				zeros[index[l]]++;
				ties--;
			}
		}
}

int quant_prune_plan(const struct net *net, const struct quantize_options *o,
		     float *const *columns, size_t *zeros)
{
	struct ranks *r = calloc(net->layer_count, sizeof(*r));
	uint32_t *index = calloc(net->layer_count, sizeof(*index)), i;
	struct quant_select *s = calloc(1, sizeof(*s));
	size_t count = 0;
	int rc = r && index && s ? 0 : -ENOMEM;

	for (i = 0; !rc && i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];
		double own = o->layers ? o->layers[i].sparsity : -1;
		size_t n = net_layer_weights(net, l);

		zeros[i] = 0;
		if (!net_layer_has_weights(l) || o->prune == QUANTIZE_PRUNE_NONE)
			continue;
		if (own >= 0) {
			zeros[i] = quant_prune_count(own, n);
		} else if (o->prune == QUANTIZE_PRUNE_DNS && o->sparsity == 0) {
			zeros[i] = below_threshold(l->weight, n);
		} else if (!o->prune_network) {
			zeros[i] = quant_prune_count(o->sparsity, n);
		} else {
			rank_layer(&r[count], net, l, o, columns ? columns[i] : NULL);
			index[count++] = i;
		}
	}
	if (!rc && count)
		plan_network(r, index, count, o->sparsity, s, zeros);
	free(r);
	free(index);
	free(s);
	return rc;
}
