// SPDX-License-Identifier: MIT
/* What a stage does to the network: at its start, before an epoch, at each step, at its end. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

#define STAGE_FIX	0.6	/* of the prune stage's epochs: from there on the mask is fixed */
#define STAGE_RAMP	0.8	/* of those before: until the whole sparsity is asked for */
#define STAGE_UPDATE	16	/* steps from one update of the masks to the next */
#define STAGE_BLAS_BYTES	((size_t)132 << 20)	/* what OpenBLAS takes in each thread */
#define STAGE_CALIBRATE	512	/* pictures that ranges of activations are taken from */

/* Shares of the weights that are quantized, step by step (paper, section 4). */
static const float stage_shares[TRAIN_SHARES] = { 0.25f, 0.5f, 0.75f, 0.875f, 1.0f };

unsigned int train_share_at(const struct train_stage_options *o, unsigned int epoch)
{
	unsigned int step = o->epochs ? epoch / o->epochs : TRAIN_SHARES - 1;

	return step < TRAIN_SHARES - 1 ? step : TRAIN_SHARES - 1;
}

double train_rate(const struct train_stage_options *o, enum train_stage stage, unsigned int epoch,
		  double part)
{
	double at = epoch + part, all = train_stage_epochs(o, stage), grown = 1;
	unsigned int first;

	if (at < o->warmup)
		grown = at / o->warmup;
	switch (o->decay) {
	case TRAIN_COSINE:
		return o->rate * grown * 0.5 * (1 + cos(M_PI * at / all));
	case TRAIN_STEP:
		if (stage != TRAIN_QUANTIZE)
			return o->rate * grown * pow(0.1, floor(3 * at / all));
		first = train_share_at(o, epoch) * o->epochs;
		return o->rate * grown * pow(0.1, (epoch - first) / 3);
	default:
		return o->rate * grown;
	}
}

bool run_begun(const struct run *r, enum train_stage stage)
{
	return r->at.begun >> stage & 1;
}

static const struct train_stage_options *stage_options(const struct run *r)
{
	return &r->o.stages[r->at.stage];
}

static struct tnet_layer *layer_of(const struct run *r, uint32_t i)
{
	return r->t->layers[i].weights ? &r->t->layers[i] : NULL;
}

/* What a layer has of its own; NULL: nothing. */
static const struct train_own *own_of(const struct run *r, uint32_t i)
{
	size_t k;

	for (k = 0; k < r->o.own_count; k++)
		if (!strcmp(r->o.own[k].layer, r->net->layers[i].name))
			return &r->o.own[k];
	return NULL;
}

/* Pruning. */

/* All weights are kept, until a stage or a checkpoint says otherwise. */
static void attach_masks(struct run *r)
{
	uint32_t i;

	r->prune_count = 0;
	for (i = 0; i < r->net->layer_count; i++) {
		struct tnet_layer *l = layer_of(r, i);
		const struct train_own *own = own_of(r, i);

		if (!l)
			continue;
		memset(r->masks[i], 1, l->weights);
		r->prune[r->prune_count++] = (struct prune_layer){
			.w = l->weight, .n = l->weights, .mask = r->masks[i],
			.sparsity = own ? own->sparsity : -1,
		};
	}
}

/* Epochs of the prune stage before the mask is fixed. */
static unsigned int fix_epoch(const struct run *r)
{
	return (unsigned int)ceil(STAGE_FIX * r->o.stages[TRAIN_PRUNE].epochs);
}

static bool mask_fixed(const struct run *r)
{
	return run_begun(r, TRAIN_QUANTIZE) ||
	       (run_begun(r, TRAIN_PRUNE) &&
		(r->at.stage > TRAIN_PRUNE || r->at.epoch >= fix_epoch(r)));
}

static int update_masks(struct run *r, double sparsity, bool exact)
{
	if (prune_update(r->prune, r->prune_count, sparsity, exact))
		return run_fail(r, -ENOMEM, "out of memory");
	return 0;
}

/* From here on what is cut is 0 in the master weights, too, and has no momentum. */
static int fix_masks(struct run *r)
{
	int rc = update_masks(r, r->o.sparsity, true), k;
	size_t i;

	for (k = 0; !rc && k < r->param_count; k++) {
		struct tnet_param *p = &r->params[k];
		const uint8_t *mask = r->masks[p->layer];

		if (strcmp(p->what, "weight"))
			continue;
		for (i = 0; i < p->n; i++)
			if (!mask[i])
				p->value[i] = r->momenta[k][i] = 0;
	}
	return rc;
}

/* A network that was pruned elsewhere stays as it is. */
static void keep_zeros(struct run *r)
{
	size_t i;

	for (i = 0; i < r->prune_count; i++)
		prune_start(&r->prune[i]);
}

/* Quantization. */

static int attach_fq(struct run *r)
{
	uint32_t i;

	for (i = 0; i < r->net->layer_count; i++) {
		const struct net_layer *n = &r->net->layers[i];
		const struct train_own *own = own_of(r, i);
		struct quant_options o = r->o.weights;

		if (!layer_of(r, i))
			continue;
		if (own && own->mode >= 0)
			o.mode = (enum quant_mode)own->mode;
		fq_free(&r->fq[i]);
		if (fq_create(&r->fq[i], r->net->tensors[n->out].c,
			      net_layer_sum(r->net, n), i, r->masks[i], &o))
			return run_fail(r, -ENOMEM, "out of memory");
	}
	return 0;
}

static int estimate(struct run *r)
{
	uint32_t i;

	for (i = 0; i < r->net->layer_count; i++)
		if (layer_of(r, i) &&
		    fq_estimate(&r->fq[i], r->t->layers[i].weight, r->at.rounds))
			return run_fail(r, -ENOMEM, "out of memory");
	r->at.rounds++;
	return 0;
}

static int advance(struct run *r, float share)
{
	uint32_t i;

	for (i = 0; i < r->net->layer_count; i++)
		if (layer_of(r, i) && fq_advance(&r->fq[i], r->t->layers[i].weight, share))
			return run_fail(r, -ENOMEM, "out of memory");
	return 0;
}

/* An epoch of the quantize stage. */
static int quantize_epoch(struct run *r)
{
	const struct train_stage_options *o = stage_options(r);
	unsigned int share = train_share_at(o, r->at.epoch);
	int rc = 0;

	if (fq_due(r->at.epoch))
		rc = estimate(r);
	if (!rc && (!r->at.epoch || share != train_share_at(o, r->at.epoch - 1)))
		rc = advance(r, stage_shares[share]);
	return rc;
}

/* Stages. */

int run_attach(struct run *r, uint32_t begun)
{
	int rc = 0;

	attach_masks(r);
	if (begun >> TRAIN_QUANTIZE & 1)
		rc = attach_fq(r);
	r->at.begun = begun;
	return rc;
}

/* The card's arithmetic. */

static int start_integer(struct run *r)
{
	static struct net_error err;
	int rc = integer_start(r->integer, &err);

	return rc ? run_fail(r, rc, "%s", err.text) : 0;
}

int run_attached(struct run *r)
{
	static struct net_error err;
	int rc;

	if (!run_begun(r, TRAIN_ACTIVATE))
		return 0;
	rc = integer_restore(r->t, r->fq, r->scales, &r->integer, &err);
	if (rc)
		return run_fail(r, rc, "%s", err.text);
	integer_bounds(r->integer);
	return run_begun(r, TRAIN_INTEGER) ? start_integer(r) : 0;
}

static void detach_integer(struct run *r)
{
	uint32_t i;

	integer_destroy(r->integer);
	r->integer = NULL;
	for (i = 0; i < r->net->layer_count; i++)
		r->t->bounds[i].step = 0;
}

/* OpenBLAS waits forever for memory that it does not get. */
static bool has_blas_memory(unsigned int threads)
{
	void *p = malloc(threads * STAGE_BLAS_BYTES);

	free(p);
	return p != NULL;
}

/* Ranges of activations, from training pictures as they are. */
static int begin_activate(struct run *r)
{
	size_t picture = (size_t)r->data.c * r->data.h * r->data.w, i;
	struct calib_set set = { .pixel_scale = r->pixel_scale };
	static struct net_error err;
	uint8_t *pixels;
	int rc;

	set.pictures = r->data.count < STAGE_CALIBRATE ? r->data.count : STAGE_CALIBRATE;
	pixels = malloc(set.pictures * picture);
	if (!pixels || !has_blas_memory(r->o.threads)) {
		free(pixels);
		return run_fail(r, -ENOMEM, "out of memory");
	}
	for (i = 0; i < set.pictures; i++)
		memcpy(pixels + i * picture,
		       r->data.pixels + i * r->data.count / set.pictures * picture, picture);
	set.pixels = pixels;
	rc = run_step_begin(r, 0, false);
	if (!rc) {
		rc = integer_create(r->t, r->fq, &set, CALIB_MSE, r->o.threads, &r->integer, &err);
		if (rc)
			run_fail(r, rc, "%s", err.text);
	}
	free(pixels);
	if (rc)
		return rc;
	integer_scales(r->integer, r->scales);
	integer_bounds(r->integer);
	return 0;
}

static int begin_integer(struct run *r)
{
	if (!run_begun(r, TRAIN_QUANTIZE) || !run_begun(r, TRAIN_ACTIVATE))
		return run_fail(r, -EINVAL, "%s: stage integer goes on from a network that went through "
				"quantize and activate", r->o.start);
	return start_integer(r);
}

/* What later stages set up does not hold any more. */
static void forget(struct run *r, enum train_stage stage)
{
	uint32_t i;

	r->at.begun &= (1u << stage) - 1;
	for (i = 0; i < r->net->layer_count; i++) {
		if (!layer_of(r, i))
			continue;
		if (!run_begun(r, TRAIN_QUANTIZE))
			fq_free(&r->fq[i]);
		r->t->layers[i].used = r->t->layers[i].weight;
	}
	if (!run_begun(r, TRAIN_PRUNE) && !run_begun(r, TRAIN_QUANTIZE))
		attach_masks(r);
	if (!run_begun(r, TRAIN_ACTIVATE))
		detach_integer(r);
}

int run_stage_begin(struct run *r, enum train_stage stage)
{
	int rc = 0, k;

	forget(r, stage);
	for (k = 0; k < r->param_count; k++)
		memset(r->momenta[k], 0, r->params[k].n * sizeof(float));
	switch (stage) {
	case TRAIN_QUANTIZE:
		r->at.rounds = 0;
		if (!run_begun(r, TRAIN_PRUNE))
			keep_zeros(r);
		rc = attach_fq(r);
		break;
	case TRAIN_ACTIVATE:
		rc = begin_activate(r);
		break;
	case TRAIN_INTEGER:
		rc = begin_integer(r);
		break;
	default:
		break;
	}
	r->at.begun |= 1u << stage;
	return rc;
}

int run_stage_epoch(struct run *r)
{
	if (r->at.stage == TRAIN_QUANTIZE)
		return quantize_epoch(r);
	if (r->at.stage == TRAIN_PRUNE && r->at.epoch == fix_epoch(r))
		return fix_masks(r);
	return 0;
}

int run_stage_end(struct run *r)
{
	const struct train_stage_options *o = stage_options(r);
	int rc = 0;

	if (r->at.stage == TRAIN_PRUNE && o->epochs <= fix_epoch(r)) {
		rc = fix_masks(r);
		return rc ? rc : 1;
	}
	if (r->at.stage != TRAIN_QUANTIZE || o->last_epochs)
		return 0;
	/* The last steps may have no epochs. */
	if (!o->epochs)
		rc = estimate(r);
	if (!rc)
		rc = advance(r, 1);
	return rc ? rc : 1;
}

/* Steps. */

static int prune_step(struct run *r, uint64_t step)
{
	uint64_t ramp = (uint64_t)(STAGE_RAMP * fix_epoch(r) * r->steps);

	if (mask_fixed(r) || step % STAGE_UPDATE)
		return 0;
	return update_masks(r, prune_ramp(r->o.sparsity, step, ramp), false);
}

int run_step_begin(struct run *r, uint64_t step, bool train)
{
	static struct net_error err;
	bool fixed = mask_fixed(r);
	uint32_t i;
	int rc = 0;

	if (run_begun(r, TRAIN_INTEGER)) {
		rc = integer_refresh(r->integer, &err);
		return rc ? run_fail(r, rc, "%s", err.text) : 0;
	}
	if (train && r->at.stage == TRAIN_PRUNE)
		rc = prune_step(r, step);
	for (i = 0; !rc && i < r->net->layer_count; i++) {
		struct tnet_layer *l = layer_of(r, i);

		if (!l)
			continue;
		l->used = l->projected;
		if (run_begun(r, TRAIN_QUANTIZE))
			fq_project(&r->fq[i], l->weight, l->projected);
		else if (run_begun(r, TRAIN_PRUNE) && !fixed)
			prune_apply(l->weight, r->masks[i], l->weights, l->projected);
		else
			l->used = l->weight;
	}
	return rc;
}

void run_step_end(struct run *r, float rate)
{
	bool fixed = mask_fixed(r), quantized = run_begun(r, TRAIN_QUANTIZE);
	int k;

	if (run_begun(r, TRAIN_INTEGER))
		integer_gradients(r->integer);
	for (k = 0; k < r->param_count; k++) {
		struct tnet_param *p = &r->params[k];
		struct fq_layer *q = &r->fq[p->layer];
		bool weight = !strcmp(p->what, "weight");

		if (weight && quantized && !run_begun(r, TRAIN_INTEGER))
			fq_gradient(q, r->t->layers[p->layer].used, p->grad);
		if (weight && quantized)
			fq_step(q, rate, (float)r->o.momentum);
		ops_sgd(p->value, r->momenta[k], p->grad,
			weight && fixed ? r->masks[p->layer] : NULL, p->n, rate,
			(float)r->o.momentum, p->decays ? (float)r->o.weight_decay : 0);
	}
}

enum tnet_mode run_mode(const struct run *r, bool train)
{
	if (run_begun(r, TRAIN_INTEGER))
		return TNET_INTEGER;
	return train ? TNET_TRAIN : TNET_EVAL;
}

void run_count(const struct run *r, uint64_t *zeros, uint64_t *weights, uint64_t *quantized)
{
	bool quantizing = run_begun(r, TRAIN_QUANTIZE);
	uint32_t i;
	size_t k;

	*zeros = *weights = *quantized = 0;
	for (i = 0; i < r->net->layer_count; i++) {
		const struct tnet_layer *l = layer_of(r, i);

		if (!l)
			continue;
		*weights += l->weights;
		for (k = 0; k < l->weights; k++) {
			/* What is only rounded to 0 goes on learning. */
			*zeros += quantizing ? !r->masks[i][k] : l->used[k] == 0;
			*quantized += quantizing && r->masks[i][k] && r->fq[i].quantized[k];
		}
	}
}
