// SPDX-License-Identifier: MIT
/* The integers of a network that learns (integer.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "integer.h"

#define INTEGER_BEST_SNR	99	/* dB: no difference */

void integer_destroy(struct integer *in)
{
	if (!in)
		return;
	if (in->t->integer == in->q)
		in->t->integer = NULL;
	qnet_destroy(in->q);
	free(in->factor);
	free(in->offset);
	free(in);
}

/* With a qnet that has room for everything but no content. */
static int integer_new(struct tnet *t, struct fq_layer *fq, struct integer **in,
		       struct net_error *err)
{
	const struct net *net = t->net;
	struct integer *n = calloc(1, sizeof(*n));
	uint32_t i, most = 0;

	*in = NULL;
	if (!n)
		return net_nomem(err);
	n->t = t;
	n->fq = fq;
	for (i = 0; i < net->tensor_count; i++)
		most = net->tensors[i].c > most ? net->tensors[i].c : most;
	n->factor = calloc(most, sizeof(*n->factor));
	n->offset = calloc(most, sizeof(*n->offset));
	n->q = calloc(1, sizeof(*n->q));
	if (n->q) {
		n->q->net = net;
		n->q->tensors = calloc(net->tensor_count, sizeof(*n->q->tensors));
		n->q->layers = calloc(net->layer_count, sizeof(*n->q->layers));
	}
	if (!n->factor || !n->offset || !n->q || !n->q->tensors || !n->q->layers) {
		integer_destroy(n);
		return net_nomem(err);
	}
	*in = n;
	return 0;
}

/* All that lower.c knows of the layers from the scales alone. */
static int integer_layers(struct integer **in, int rc, struct net_error *err)
{
	uint32_t i;

	for (i = 0; !rc && i < (*in)->t->net->layer_count; i++)
		rc = lower_layer((*in)->q, i, err);
	if (!rc)
		return 0;
	integer_destroy(*in);
	*in = NULL;
	return rc;
}

/* A network that diverged has no scales. */
static int check_finite(const struct net *net, const struct calib *c, struct net_error *err)
{
	uint32_t i;

	for (i = 0; i < net->layer_count; i++) {
		const struct calib_range *r = &c->ranges[net->layers[i].out];

		if (!isfinite(r->largest[0]) || !isfinite(r->largest[1]))
			return net_fail(err, "layer '%.200s': its values are infinite on the "
					"calibration pictures", net->layers[i].name);
	}
	return 0;
}

int integer_create(struct tnet *t, struct fq_layer *fq, const struct calib_set *set,
		   enum calib_rule rule, unsigned int threads, struct integer **in,
		   struct net_error *err)
{
	struct calib calib = { 0 };
	struct net *folded = NULL;
	int rc = integer_new(t, fq, in, err);

	if (rc)
		return rc;
	rc = tnet_fold(t, &folded, NULL, err);
	if (!rc && calib_run(folded, set, threads, &calib))
		rc = net_nomem(err);
	if (!rc)
		rc = check_finite(folded, &calib, err);
	if (!rc)
		rc = lower_tensors((*in)->q, &calib, rule, set->pixel_scale, err);
	if (folded)
		calib_free(folded, &calib);
	net_destroy(folded);
	return integer_layers(in, rc, err);
}

int integer_restore(struct tnet *t, struct fq_layer *fq, const float *scales,
		    struct integer **in, struct net_error *err)
{
	struct calib calib = { 0 };
	uint32_t i;
	int rc = integer_new(t, fq, in, err);

	if (rc)
		return rc;
	/* Types follow from the layers, whatever values there were. */
	calib.ranges = calloc(t->net->tensor_count, sizeof(*calib.ranges));
	rc = calib.ranges ? lower_tensors((*in)->q, &calib, CALIB_MINMAX, 1, err) : net_nomem(err);
	free(calib.ranges);
	for (i = 0; !rc && i < t->net->tensor_count; i++) {
		(*in)->q->tensors[i].scale = scales[i];
		if (!isnormal(scales[i]) || scales[i] < 0) {
			net_fail(err, "tensor %u: %g can't be the scale of its values", i, scales[i]);
			rc = -EBADMSG;
		}
	}
	return integer_layers(in, rc, err);
}

void integer_scales(const struct integer *in, float *scales)
{
	uint32_t i;

	for (i = 0; i < in->t->net->tensor_count; i++)
		scales[i] = in->q->tensors[i].scale;
}

void integer_bounds(struct integer *in)
{
	uint32_t i;

	for (i = 0; i < in->t->net->layer_count; i++) {
		const struct fqz_layer *f = &in->q->layers[i].f;
		const struct fqz_tensor *y = &in->q->tensors[f->output];
		struct ops_bound *b = &in->t->bounds[i];

		b->step = 0;
		if (y->type == FQZ_S32 || f->kind == FQZ_CONCAT || f->kind == FQZ_MAXPOOL)
			continue;
		b->step = y->scale;
		b->low = (float)f->act_min;
		b->high = (float)f->act_max;
	}
}

/* Real value of a unit of a weighted layer's sums, before normalization. */
static double unit_of(const struct integer *in, uint32_t i)
{
	const struct fq_layer *q = &in->fq[i];

	return (double)fq_scale(q) * in->q->tensors[in->t->net->layers[i].in[0]].scale;
}

/* 1 / sqrt(var + eps) */
static double inverse_deviation(const struct tnet_norm *n, uint32_t c)
{
	return 1 / sqrt((double)n->var[c] + TNET_NORM_EPS);
}

static bool all_pruned(const uint8_t *mask, size_t n)
{
	return !memchr(mask, 1, n);
}

/* Their weights in p->used are integers already. */
static void weighted_channels(struct integer *in, uint32_t i)
{
	const struct tnet_layer *p = &in->t->layers[i];
	size_t sum = p->weights / p->channels;
	double unit = unit_of(in, i);
	uint32_t c;

	for (c = 0; c < p->channels; c++) {
		double k = p->norm ? p->norm->gamma[c] * inverse_deviation(p->norm, c) : 1;

		in->factor[c] = unit * k;
		in->offset[c] = p->norm ? p->norm->beta[c] - p->norm->mean[c] * k : p->bias[c];
		/* Nothing is multiplied in a pruned channel, so its shift is left to the offset. */
		if (all_pruned(in->fq[i].mask + c * sum, sum))
			in->factor[c] = 0;
	}
}

static int layer_refresh(struct integer *in, uint32_t i, struct net_error *err)
{
	struct tnet_layer *p = &in->t->layers[i];
	uint32_t c;

	if (p->weights) {
		fq_project_integers(&in->fq[i], p->weight, p->projected);
		p->used = p->projected;
		weighted_channels(in, i);
	} else if (p->scale) {
		for (c = 0; c < p->channels; c++) {
			in->factor[c] = (double)p->scale[c] * in->q->tensors[p->l->in[0]].scale;
			in->offset[c] = p->bias[c];
		}
	} else {
		return 0;
	}
	return lower_channels(in->q, i, in->factor, in->offset, err);
}

int integer_refresh(struct integer *in, struct net_error *err)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; !rc && i < in->t->net->layer_count; i++)
		rc = layer_refresh(in, i, err);
	return rc;
}

/* The alphabet's part of the layer's fields, which is the same until the end. */
static int check_quantized(struct integer *in, uint32_t i, struct net_error *err)
{
	const struct fq_layer *q = &in->fq[i];

	if (!in->t->layers[i].weights)
		return 0;
	if (!(q->share >= 1))
		return net_fail(err, "layer '%.200s': %s of its weights %s quantized; stage integer comes "
				"after stage quantize", in->t->net->layers[i].name,
				q->share > 0 ? "not all" : "none", q->share > 0 ? "are" : "is");
	lower_weights(&in->q->layers[i].f, &q->grid.alphabet);
	return 0;
}

int integer_start(struct integer *in, struct net_error *err)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; !rc && i < in->t->net->layer_count; i++)
		rc = check_quantized(in, i, err);
	if (!rc)
		rc = integer_refresh(in, err);
	return rc ? rc : tnet_integer_set(in->t, in->q, err);
}

/* p->grad is by integers; factors and offsets are those of weighted_channels(). */
static void weighted_gradients(struct integer *in, uint32_t i)
{
	struct tnet_layer *p = &in->t->layers[i];
	struct fq_layer *q = &in->fq[i];
	float to_real = 1 / fq_scale(q);
	double unit = unit_of(in, i), alpha = 0;
	size_t k;
	uint32_t c;

	for (k = 0; k < p->weights; k++)
		p->grad[k] *= to_real;
	fq_gradient(q, p->used, p->grad);
	for (c = 0; c < p->channels; c++) {
		struct tnet_norm *n = p->norm;
		double d = n ? inverse_deviation(n, c) : 1;

		alpha += p->factor_grad[c] * unit * (n ? n->gamma[c] * d : 1);
		if (n) {
			n->gamma_grad[c] = (float)((p->factor_grad[c] * unit -
						    p->offset_grad[c] * (double)n->mean[c]) * d);
			n->beta_grad[c] = p->offset_grad[c];
		} else {
			p->bias_grad[c] = p->offset_grad[c];
		}
	}
	q->alpha_grad = (float)(alpha / q->alpha);
}

void integer_gradients(struct integer *in)
{
	uint32_t i, c;

	for (i = 0; i < in->t->net->layer_count; i++) {
		struct tnet_layer *p = &in->t->layers[i];

		if (p->weights)
			weighted_gradients(in, i);
		else if (p->scale && !p->fixed)
			for (c = 0; c < p->channels; c++) {
				p->scale_grad[c] = p->factor_grad[c] *
						   in->q->tensors[p->l->in[0]].scale;
				p->bias_grad[c] = p->offset_grad[c];
			}
	}
}

/* What rounding costs the weights that are kept, and how many are 0. */
static void layer_statistics(const struct tnet_layer *p, const uint8_t *mask, struct qlayer *l)
{
	size_t sum = p->weights / p->channels, i;
	double signal = 0, noise = 0;

	l->pruned = 0;
	for (i = 0; i < p->weights; i++) {
		uint8_t symbol = l->weights.symbols[i];
		double w = mask[i] ? p->weight[i] : 0;
		double d = w - (double)l->weights.alphabet.weight[symbol] * l->weights.scale[i / sum];

		l->pruned += !symbol;
		signal += w * w;
		noise += d * d;
	}
	l->weight_snr = noise > 0 ? fmin(10 * log10(signal / noise), INTEGER_BEST_SNR) :
			INTEGER_BEST_SNR;
}

int integer_finish(struct integer *in, struct net_error *err)
{
	uint32_t i;
	int rc = integer_refresh(in, err);

	for (i = 0; !rc && i < in->t->net->layer_count; i++) {
		const struct tnet_layer *p = &in->t->layers[i];
		struct qlayer *l = &in->q->layers[i];

		if (!p->weights)
			continue;
		quant_weights_free(&l->weights);
		rc = fq_export(&in->fq[i], p->weight, &l->weights);
		if (rc) {
			quant_weights_free(&l->weights);
			return net_nomem(err);
		}
		lower_weights(&l->f, &l->weights.alphabet);
		l->f.symbols = l->weights.symbols;
		layer_statistics(p, in->fq[i].mask, l);
	}
	return rc;
}
