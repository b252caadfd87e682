// SPDX-License-Identifier: MIT
/* The learning network forward: TNET_TRAIN and TNET_EVAL, and normalizations from data (tnet.h). */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "tnet_private.h"

/* The running variance is the unbiased one: it estimates what TNET_EVAL's single pictures come from. */
static void running_update(const struct tnet *t, struct tnet_norm *n, const struct tnet_layer_state *s,
			   size_t rows, uint32_t channels)
{
	float share = t->o.norm_momentum;
	float unbiased = rows > 1 ? (float)((double)rows / (double)(rows - 1)) : 1;
	uint32_t c;

	for (c = 0; c < channels; c++) {
		n->mean[c] += share * (s->mean[c] - n->mean[c]);
		n->var[c] += share * (s->var[c] * unbiased - n->var[c]);
	}
}

/* Other moments for a normalization, with gamma and beta such that a and b stay. */
static void norm_exchange(struct tnet_norm *n, const struct tnet_layer_state *s, uint32_t channels)
{
	uint32_t c;

	for (c = 0; c < channels; c++) {
		n->gamma[c] = s->a[c] * sqrtf(s->var[c] + TNET_NORM_EPS);
		n->beta[c] = s->b[c] + s->mean[c] * s->a[c];
		n->mean[c] = s->mean[c];
		n->var[c] = s->var[c];
	}
}

static void norm_affine(const struct tnet_layer *p, struct tnet_layer_state *s, const float *mean,
			const float *var)
{
	ops_norm_affine(p->channels, mean, var, TNET_NORM_EPS, p->norm->gamma, p->norm->beta, s->a,
			s->b);
}

static int forward_conv(struct tnet *t, uint32_t i, enum tnet_mode mode, bool measure)
{
	const struct net_layer *l = &t->net->layers[i];
	struct tnet_buffers *buf = &t->state->real;
	struct tnet_layer_state *s = &t->state->layers[i];
	struct tnet_layer *p = &t->layers[i];
	size_t rows = tnet_rows(t, l->out);
	void *sums = buf->sums[i];
	const float *b = s->b;

	if (dnn_conv_forward(buf->conv[i], buf->tensor[l->in[0]], p->used, sums))
		return -EIO;
	if (!p->norm) {
		b = p->bias;
	} else if (mode == TNET_TRAIN) {
		ops_moments(buf->type, sums, rows, p->channels, s->mean, s->var);
		norm_affine(p, s, s->mean, s->var);
		running_update(t, p->norm, s, rows, p->channels);
	} else {
		norm_affine(p, s, p->norm->mean, p->norm->var);
	}
	if (measure && p->norm) {
		ops_moments(buf->type, sums, rows, p->channels, s->mean, s->var);
		norm_exchange(p->norm, s, p->channels);
	}
	ops_affine(buf->type, sums, rows, p->channels, s->a, b, &t->bounds[i], buf->tensor[l->out]);
	return 0;
}

static int forward_pool(struct tnet *t, uint32_t i)
{
	const struct net_layer *l = &t->net->layers[i];
	struct tnet_buffers *buf = &t->state->real;
	const struct net_tensor *ti = &t->net->tensors[l->in[0]];
	const void *x = buf->tensor[l->in[0]];
	void *y = buf->tensor[l->out], *sums = buf->sums[i];

	if (l->kind == NET_MAXPOOL)
		return dnn_pool_forward(buf->pool[i], x, y);
	if (l->kind == NET_GLOBALPOOL)
		ops_mean(buf->type, x, t->o.batch, (size_t)ti->h * ti->w, ti->c, sums);
	else if (dnn_pool_forward(buf->pool[i], x, sums))
		return -EIO;
	ops_bound(buf->type, sums, tnet_elements(t, l->out), &t->bounds[i], y);
	return 0;
}

void tnet_concat(struct tnet *t, uint32_t layer)
{
	const struct net_layer *l = &t->net->layers[layer];
	struct tnet_buffers *b = t->state->last;
	uint32_t at = 0, k;

	for (k = 0; k < l->in_count; k++) {
		uint32_t c = t->net->tensors[l->in[k]].c;

		ops_concat(b->type, b->tensor[l->in[k]], tnet_rows(t, l->out), c, b->tensor[l->out],
			   t->layers[layer].channels, at);
		at += c;
	}
}

static int forward_layer(struct tnet *t, uint32_t i, enum tnet_mode mode, bool measure)
{
	const struct net_layer *l = &t->net->layers[i];
	struct tnet_buffers *b = &t->state->real;
	const void *x = b->tensor[l->in[0]];
	struct tnet_layer *p = &t->layers[i];

	switch (l->kind) {
	case NET_CONV:
	case NET_FC:
		return forward_conv(t, i, mode, measure);
	case NET_AFFINE:
		ops_affine(b->type, x, tnet_rows(t, l->out), p->channels, p->scale, p->bias,
			   &t->bounds[i], b->tensor[l->out]);
		return 0;
	case NET_ADD:
		ops_add(b->type, x, b->tensor[l->in[1]], tnet_elements(t, l->out), &t->bounds[i],
			b->tensor[l->out]);
		return 0;
	case NET_CONCAT:
		tnet_concat(t, i);
		return 0;
	case NET_MAXPOOL:
	case NET_AVGPOOL:
	case NET_GLOBALPOOL:
		return forward_pool(t, i);
	case NET_PAD:
		break;	/* tnet_create() takes none */
	}
	return -EIO;
}

static int forward_real(struct tnet *t, enum tnet_mode mode, bool measure, const uint8_t *pixels,
			float scale)
{
	const struct net_tensor *in = &t->net->tensors[0];
	struct tnet_buffers *b = &t->state->real;
	uint32_t i;
	int rc = 0;

	ops_from_pixels(b->type, pixels, t->o.batch, in->c, (size_t)in->h * in->w, scale,
			b->tensor[0]);
	for (i = 0; !rc && i < t->net->layer_count; i++)
		rc = forward_layer(t, i, mode, measure);
	if (!rc)
		ops_copy(b->type, b->tensor[t->net->output], DNN_F32, t->logits,
			 t->o.batch * t->classes);
	return rc;
}

static int forward_integer(struct tnet *t, const uint8_t *pixels)
{
	const struct net_tensor *in = &t->net->tensors[0];
	struct tnet_buffers *b = t->state->integer;
	float scale, *y;
	size_t i;
	uint32_t k;
	int rc = 0;

	if (!t->integer || !b)
		return -EINVAL;
	ops_from_pixels(DNN_F32, pixels, t->o.batch, in->c, (size_t)in->h * in->w, 1, b->tensor[0]);
	for (k = 0; !rc && k < t->net->layer_count; k++)
		rc = tnet_integer_forward(t, k);
	y = b->tensor[t->net->output];
	scale = t->integer->tensors[t->net->output].scale;
	for (i = 0; !rc && i < t->o.batch * t->classes; i++)
		t->logits[i] = y[i] * scale;
	return rc;
}

/* A pass that failed leaves nothing to go back from. */
static int forward(struct tnet *t, enum tnet_mode mode, bool measure, const uint8_t *pixels,
		   float scale)
{
	struct tnet_state *s = t->state;
	int rc;

	s->mode = mode;
	s->last = mode == TNET_INTEGER ? s->integer : &s->real;
	rc = mode == TNET_INTEGER ? forward_integer(t, pixels)
				  : forward_real(t, mode, measure, pixels, scale);
	if (rc)
		s->last = NULL;
	return rc;
}

int tnet_forward(struct tnet *t, enum tnet_mode mode, const uint8_t *pixels, float scale)
{
	return forward(t, mode, false, pixels, scale);
}

int tnet_norm_measure(struct tnet *t, const uint8_t *pixels, float pixel_scale)
{
	return forward(t, TNET_EVAL, true, pixels, pixel_scale);
}
