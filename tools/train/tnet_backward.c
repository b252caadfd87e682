// SPDX-License-Identifier: MIT
/* The learning network backward: all layers after TNET_TRAIN, what both ways share (tnet.h). */
#include <errno.h>
#include <string.h>

#include "tnet_private.h"

void *tnet_grad_begin(struct tnet *t, uint32_t i)
{
	struct tnet_state *s = t->state;

	if (!s->needed[i])
		return NULL;
	return s->written[i] ? s->last->again : s->last->grad[i];
}

void tnet_grad_end(struct tnet *t, uint32_t i, void *g)
{
	struct tnet_state *s = t->state;

	if (g != s->last->grad[i])
		ops_accumulate(s->last->type, g, s->last->grad[i], tnet_elements(t, i));
	s->written[i] = true;
}

void tnet_concat_backward(struct tnet *t, uint32_t layer)
{
	const struct net_layer *l = &t->net->layers[layer];
	struct tnet_buffers *b = t->state->last;
	uint32_t at = 0, k;

	for (k = 0; k < l->in_count; k++) {
		uint32_t c = t->net->tensors[l->in[k]].c;
		void *dx = tnet_grad_begin(t, l->in[k]);

		if (dx) {
			ops_split(b->type, b->grad[l->out], tnet_rows(t, l->out),
				  t->layers[layer].channels, at, c, dx);
			tnet_grad_end(t, l->in[k], dx);
		}
		at += c;
	}
}

int tnet_conv_backward(struct tnet *t, uint32_t layer)
{
	const struct net_layer *l = &t->net->layers[layer];
	struct tnet_buffers *b = t->state->last;
	struct tnet_layer *p = &t->layers[layer];
	const void *dy = b->grad[l->out];
	void *dx = tnet_grad_begin(t, l->in[0]);

	if (dnn_conv_backward_weights(b->conv[layer], b->tensor[l->in[0]], dy, p->grad))
		return -EIO;
	if (!dx)
		return 0;
	if (dnn_conv_backward_data(b->conv[layer], dy, p->used, dx))
		return -EIO;
	tnet_grad_end(t, l->in[0], dx);
	return 0;
}

int tnet_pool_backward(struct tnet *t, uint32_t layer)
{
	const struct net_layer *l = &t->net->layers[layer];
	const struct net_tensor *ti = &t->net->tensors[l->in[0]];
	struct tnet_buffers *b = t->state->last;
	const void *dy = b->grad[l->out];
	void *dx = tnet_grad_begin(t, l->in[0]);

	if (!dx)
		return 0;
	if (l->kind == NET_GLOBALPOOL)
		ops_mean_backward(b->type, dy, t->o.batch, (size_t)ti->h * ti->w, ti->c, dx);
	else if (dnn_pool_backward(b->pool[layer], dy, dx))
		return -EIO;
	tnet_grad_end(t, l->in[0], dx);
	return 0;
}

/* dy becomes the gradient by the sums. */
static int backward_conv(struct tnet *t, uint32_t i)
{
	const struct net_layer *l = &t->net->layers[i];
	struct tnet_buffers *b = t->state->last;
	struct tnet_layer_state *s = &t->state->layers[i];
	struct tnet_layer *p = &t->layers[i];
	size_t rows = tnet_rows(t, l->out);
	void *dy = b->grad[l->out];

	if (p->norm)
		ops_norm_backward(b->type, b->sums[i], dy, rows, p->channels, s->mean, s->var,
				  TNET_NORM_EPS, p->norm->gamma, p->norm->beta, &t->bounds[i], dy,
				  p->norm->gamma_grad, p->norm->beta_grad);
	else
		ops_affine_backward(b->type, b->sums[i], dy, rows, p->channels, s->a, p->bias,
				    &t->bounds[i], dy, s->ignored, p->bias_grad);
	return tnet_conv_backward(t, i);
}

static void backward_affine(struct tnet *t, uint32_t i)
{
	const struct net_layer *l = &t->net->layers[i];
	struct tnet_buffers *b = t->state->last;
	struct tnet_layer *p = &t->layers[i];
	void *dx;

	if (p->fixed)
		return;
	dx = tnet_grad_begin(t, l->in[0]);
	ops_affine_backward(b->type, b->tensor[l->in[0]], b->grad[l->out], tnet_rows(t, l->out),
			    p->channels, p->scale, p->bias, &t->bounds[i], dx, p->scale_grad,
			    p->bias_grad);
	if (dx)
		tnet_grad_end(t, l->in[0], dx);
}

/* Both inputs have the same gradient: it is made once, in place. */
static void backward_add(struct tnet *t, uint32_t i)
{
	const struct net_layer *l = &t->net->layers[i];
	struct tnet_buffers *b = t->state->last;
	size_t n = tnet_elements(t, l->out);
	void *dy = b->grad[l->out];
	uint32_t k;

	ops_add_backward(b->type, b->tensor[l->in[0]], b->tensor[l->in[1]], dy, n, &t->bounds[i], dy);
	for (k = 0; k < 2; k++) {
		if (!t->state->needed[l->in[k]])
			continue;
		if (t->state->written[l->in[k]])
			ops_accumulate(b->type, dy, b->grad[l->in[k]], n);
		else
			ops_copy(b->type, dy, b->type, b->grad[l->in[k]], n);
		t->state->written[l->in[k]] = true;
	}
}

static int backward_layer(struct tnet *t, uint32_t i)
{
	const struct net_layer *l = &t->net->layers[i];
	struct tnet_buffers *b = t->state->last;
	void *dy = b->grad[l->out];

	switch (l->kind) {
	case NET_CONV:
	case NET_FC:
		return backward_conv(t, i);
	case NET_AFFINE:
		backward_affine(t, i);
		return 0;
	case NET_ADD:
		backward_add(t, i);
		return 0;
	case NET_CONCAT:
		tnet_concat_backward(t, i);
		return 0;
	case NET_AVGPOOL:
	case NET_GLOBALPOOL:
		ops_bound_backward(b->type, b->sums[i], dy, tnet_elements(t, l->out),
				   &t->bounds[i], dy);
		return tnet_pool_backward(t, i);
	case NET_MAXPOOL:
		return tnet_pool_backward(t, i);
	case NET_PAD:
		break;
	}
	return -EIO;
}

int tnet_backward(struct tnet *t, const float *dlogits)
{
	struct tnet_state *s = t->state;
	struct tnet_buffers *b = s->last;
	uint32_t out = t->net->output, i;
	size_t n = t->o.batch * t->classes, k;
	int rc = 0;

	if (!b || s->mode == TNET_EVAL)
		return -EINVAL;
	memset(s->written, 0, t->net->tensor_count * sizeof(*s->written));
	ops_copy(DNN_F32, dlogits, b->type, b->grad[out], n);
	if (s->mode == TNET_INTEGER)
		for (k = 0; k < n; k++)
			((float *)b->grad[out])[k] *= t->integer->tensors[out].scale;
	s->written[out] = true;
	for (i = t->net->layer_count; !rc && i--;) {
		if (!s->needed[t->net->layers[i].out])
			continue;
		rc = s->mode == TNET_INTEGER ? tnet_integer_backward(t, i) : backward_layer(t, i);
	}
	return rc;
}
