// SPDX-License-Identifier: MIT
/* Focused quantization in the training loop (fq.h). */
#include "fq.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/quant_prune.h"
#include "prune.h"

/* It goes into files as it is. */
static_assert(sizeof(struct fq_state) == 120, "no padding");

int fq_create(struct fq_layer *q, size_t outputs, size_t sum, uint32_t layer, const uint8_t *mask,
	      const struct quant_options *o)
{
	int rc;

	memset(q, 0, sizeof(*q));
	q->o = *o;
	q->outputs = outputs;
	q->sum = sum;
	q->n = outputs * sum;
	q->layer = layer;
	q->mask = mask;
	q->alpha = 1;
	if (o->bits < 3 || o->bits > 8)
		return -ERANGE;
	rc = quant_grid_init(&q->grid, FQZ_SHIFT, o->bits, 1, NULL, 0);
	if (rc)
		return rc;
	q->component = calloc(q->n, 1);
	q->quantized = calloc(q->n, 1);
	q->symbols = calloc(q->n, 1);
	if (q->component && q->quantized && q->symbols)
		return 0;
	fq_free(q);
	return -ENOMEM;
}

void fq_free(struct fq_layer *q)
{
	free(q->component);
	free(q->quantized);
	free(q->symbols);
	q->component = NULL;
	q->quantized = NULL;
	q->symbols = NULL;
}

int fq_estimate(struct fq_layer *q, const float *w, uint32_t round)
{
	float *kept = malloc(q->n * sizeof(*kept));
	int rc;

	if (!kept)
		return -ENOMEM;
	prune_apply(w, q->mask, q->n, kept);
	/* Round 0 draws what fqaccel-compress would. */
	rc = quant_estimate(kept, q->n, (uint64_t)round << 32 | q->layer, &q->o, &q->gmm, &q->grid,
			    q->component);
	free(kept);
	return rc;
}

bool fq_due(unsigned int epoch)
{
	return !(epoch & (epoch + 1));
}

static bool waits(const struct fq_layer *q, size_t i)
{
	return q->mask[i] && !q->quantized[i];
}

/* The largest come first. */
static uint32_t rank(float w)
{
	return quant_select_code(-fabsf(w));
}

/* Quantize @more of the weights that wait, of which there are as many. */
static int quantize_more(struct fq_layer *q, const float *w, size_t more)
{
	struct quant_select *s = calloc(1, sizeof(*s));
	uint64_t ties;
	size_t i;
	int pass;

	if (!s)
		return -ENOMEM;
	s->wanted = more;
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < q->n; i++)
			if (waits(q, i))
				quant_select_count(s, rank(w[i]));
		quant_select_end(s);
	}
	ties = s->wanted - s->below;
	for (i = 0; i < q->n; i++) {
		uint32_t code = rank(w[i]);

		if (!waits(q, i) || code > s->code || (code == s->code && !ties))
			continue;
		ties -= code == s->code;
		q->quantized[i] = 1;
	}
	free(s);
	return 0;
}

int fq_advance(struct fq_layer *q, const float *w, float share)
{
	size_t kept = 0, done = 0, wanted, i;
	int rc = 0;

	if (!(share >= 0 && share <= 1))
		return -EINVAL;
	for (i = 0; i < q->n; i++) {
		kept += q->mask[i];
		done += q->mask[i] & q->quantized[i];
	}
	wanted = quant_prune_count(share, kept);
	if (wanted > done)
		rc = quantize_more(q, w, wanted - done);
	if (!rc && share > q->share)
		q->share = share;
	return rc;
}

static void project(struct fq_layer *q, const float *w)
{
	quant_project(&q->grid, w, q->mask, q->n, q->o.assign_nearest ? NULL : q->component,
		      q->symbols);
}

void fq_project(struct fq_layer *q, const float *w, float *used)
{
	float value[FQZ_MAX_ALPHABET], scale = fq_scale(q);
	size_t i;

	for (i = 0; i < FQZ_MAX_ALPHABET; i++)
		value[i] = scale * (float)q->grid.alphabet.weight[i];
	project(q, w);
	/* A pruned weight's symbol is 0. What is taken can't be foreseen, so no branch. */
	for (i = 0; i < q->n; i++) {
		const float *from[2] = { &w[i], &value[q->symbols[i]] };

		used[i] = *from[q->quantized[i] | !q->mask[i]];
	}
}

void fq_project_integers(struct fq_layer *q, const float *w, float *integers)
{
	size_t i;

	project(q, w);
	for (i = 0; i < q->n; i++)
		integers[i] = (float)q->grid.alphabet.weight[q->symbols[i]];
}

void fq_gradient(struct fq_layer *q, const float *used, float *grad)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < q->n; i++) {
		const float from[2] = { 0, grad[i] };

		grad[i] = from[q->mask[i]];
		sum += (double)grad[i] * used[i] * q->quantized[i];
	}
	q->alpha_grad = (float)(sum / q->alpha);
}

void fq_step(struct fq_layer *q, float rate, float momentum)
{
	q->alpha_momentum = momentum * q->alpha_momentum + q->alpha_grad;
	q->alpha -= rate * q->alpha_momentum;
	if (q->alpha < FQ_MIN_ALPHA) {
		q->alpha = FQ_MIN_ALPHA;
		q->alpha_momentum = 0;
	}
}

/* The lowest symbol of the same integer. */
static void lowest_symbols(const struct quant_alphabet *a, uint8_t *lowest)
{
	unsigned int count = 1 + 2 * a->exponent_count, s, k;

	if (a->mode == FQZ_RECENTRALIZED)
		count = 3 + 4 * a->exponent_count;
	for (s = 0; s < count; s++) {
		for (k = 0; a->weight[k] != a->weight[s]; k++)
			;
		lowest[s] = (uint8_t)k;
	}
}

int fq_export(struct fq_layer *q, const float *w, struct quant_weights *out)
{
	uint8_t lowest[FQZ_MAX_ALPHABET];
	size_t i;

	out->symbols = malloc(q->n);
	out->scale = malloc(q->outputs * sizeof(*out->scale));
	if (!out->symbols || !out->scale)
		return -ENOMEM;
	out->alphabet = q->grid.alphabet;
	out->gmm = q->gmm;
	out->cut = 0;
	for (i = 0; i < q->outputs; i++)
		out->scale[i] = fq_scale(q);
	project(q, w);
	lowest_symbols(&q->grid.alphabet, lowest);
	for (i = 0; i < q->n; i++) {
		out->symbols[i] = lowest[q->symbols[i]];
		out->cut += !q->mask[i];
	}
	return 0;
}

void fq_records(struct fq_layer *q, struct checkpoint_record *r)
{
	static const char *const parts[FQ_RECORDS] = { "state", "component", "quantized" };
	struct fq_state *s = &q->state;
	int i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < 2; i++) {
		s->mean[i] = q->gmm.mean[i];
		s->deviation[i] = q->gmm.sigma[i];
		s->lambda[i] = q->gmm.lambda[i];
		s->exponents[i] = q->grid.exponents[i];
	}
	s->count = q->gmm.count;
	s->variance = q->gmm.variance;
	s->separation = q->gmm.separation;
	s->steps = q->gmm.steps;
	s->usable = q->gmm.usable;
	s->sigma = q->grid.sigma;
	s->low = q->grid.low;
	s->mode = q->grid.alphabet.mode;
	s->bits = q->grid.alphabet.bits;
	s->share = q->share;
	s->alpha = q->alpha;
	s->alpha_momentum = q->alpha_momentum;
	for (i = 0; i < FQ_RECORDS; i++) {
		snprintf(q->names[i], sizeof(q->names[i]), "layer.%u.fq.%s", q->layer, parts[i]);
		r[i] = (struct checkpoint_record){ q->names[i], q->component, q->n };
	}
	r[0].data = s;
	r[0].len = sizeof(*s);
	r[2].data = q->quantized;
}

/* Far beyond any weights' in single precision, near enough not to overflow. */
static bool exponent_is_sane(int32_t e)
{
	return e >= -512 && e <= 512;
}

static int restore_grid(struct fq_layer *q)
{
	const struct fq_state *s = &q->state;
	const int exponents[2] = { s->exponents[0], s->exponents[1] };

	if ((s->mode != FQZ_SHIFT && s->mode != FQZ_RECENTRALIZED) || s->bits < 3 || s->bits > 8 ||
	    !(s->sigma > 0 && isfinite(s->sigma)) || !exponent_is_sane(s->low) ||
	    !exponent_is_sane(exponents[0]) || !exponent_is_sane(exponents[1]))
		return -EBADMSG;
	return quant_grid_init(&q->grid, (enum fqz_mode)s->mode, s->bits, s->sigma, exponents,
			       s->low) ? -EBADMSG : 0;
}

int fq_restore(struct fq_layer *q)
{
	const struct fq_state *s = &q->state;
	size_t i;
	int c, rc;

	if (!(s->share >= 0 && s->share <= 1) || !(s->alpha >= FQ_MIN_ALPHA) ||
	    !isfinite(s->alpha) || !isfinite(s->alpha_momentum) || s->usable > 1)
		return -EBADMSG;
	for (i = 0; i < q->n; i++)
		if (q->component[i] > 1 || q->quantized[i] > 1)
			return -EBADMSG;
	for (c = 0; c < 2; c++) {
		q->gmm.mean[c] = s->mean[c];
		q->gmm.sigma[c] = s->deviation[c];
		q->gmm.lambda[c] = s->lambda[c];
	}
	q->gmm.count = s->count;
	q->gmm.variance = s->variance;
	q->gmm.separation = s->separation;
	q->gmm.steps = s->steps;
	q->gmm.usable = s->usable;
	q->share = s->share;
	q->alpha = s->alpha;
	q->alpha_momentum = s->alpha_momentum;
	rc = restore_grid(q);
	return rc || (fq_scale(q) > 0 && isfinite(fq_scale(q))) ? rc : -EBADMSG;
}
