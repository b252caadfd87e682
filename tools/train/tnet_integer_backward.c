// SPDX-License-Identifier: MIT
/*
 * Gradients of the card's arithmetic, in units of its integers, straight through the roundings: as if
 * y = clamp(acc * scale / 2^shift + bias * 2^B / 2^shift) were real (tnet.h).
 */
#include <math.h>

#include "tnet_private.h"

static struct ops_bound bound_of(const struct fqz_layer *f)
{
	return (struct ops_bound){ .min = (float)f->act_min, .max = (float)f->act_max };
}

/* By lower_channels()' factor and bias: the integers are these over the output's scale. */
static void real_units(struct tnet *t, uint32_t layer)
{
	float unit = t->integer->tensors[layer + 1].scale;
	struct tnet_layer *p = &t->layers[layer];
	uint32_t c;

	for (c = 0; c < p->channels; c++) {
		p->factor_grad[c] /= unit;
		p->offset_grad[c] /= unit;
	}
}

/* @x: accumulators; dy becomes or gives the gradient by them. */
static void requantize_backward(struct tnet *t, uint32_t layer, const float *x, float *dx)
{
	const struct ops_bound bound = bound_of(&t->integer->layers[layer].f);
	const struct tnet_layer_state *s = &t->state->layers[layer];
	struct tnet_layer *p = &t->layers[layer];

	ops_affine_backward(DNN_F32, x, t->state->integer->grad[layer + 1], tnet_rows(t, layer + 1),
			    p->channels, s->unit_single, s->offset_single, &bound, dx,
			    p->factor_grad, p->offset_grad);
	real_units(t, layer);
}

static void affine_backward(struct tnet *t, uint32_t layer)
{
	uint32_t in = t->net->layers[layer].in[0];
	float *dx;

	if (t->layers[layer].fixed)
		return;
	dx = tnet_grad_begin(t, in);
	requantize_backward(t, layer, t->state->integer->tensor[in], dx);
	if (dx)
		tnet_grad_end(t, in, dx);
}

static void add_backward(struct tnet *t, uint32_t layer)
{
	const struct fqz_layer *f = &t->integer->layers[layer].f;
	const struct net_layer *l = &t->net->layers[layer];
	const struct fqz_tensor *in0 = &t->integer->tensors[l->in[0]];
	const struct fqz_tensor *in1 = &t->integer->tensors[l->in[1]];
	struct tnet_buffers *b = t->state->integer;
	const float *x0 = b->tensor[l->in[0]], *x1 = b->tensor[l->in[1]], *dy = b->grad[l->out];
	float a0 = (float)ldexp(f->add_scale[0], -(int)f->out_shift);
	float a1 = (float)ldexp(f->add_scale[1], -(int)f->out_shift);
	float lo = (float)f->act_min, hi = (float)f->act_max;
	size_t n = tnet_elements(t, l->out), i;
	uint32_t k;

	/* The type's end is no bound for what can't pass it. */
	if (in0->type == FQZ_U8 && in1->type == FQZ_U8 && f->act_min <= 0)
		lo = -INFINITY;
	for (k = 0; k < 2; k++) {
		float *dx = tnet_grad_begin(t, l->in[k]), scale = k ? a1 : a0;

		if (!dx)
			continue;
#pragma omp parallel for simd
		for (i = 0; i < n; i++) {
			float v = x0[i] * a0 + x1[i] * a1, g = dy[i] * scale;
			bool inside = (v > lo) & (v < hi);

			dx[i] = inside ? g : 0;
		}
		tnet_grad_end(t, l->in[k], dx);
	}
}

static int pool_backward(struct tnet *t, uint32_t layer)
{
	const struct fqz_layer *f = &t->integer->layers[layer].f;
	const struct fqz_tensor *in = &t->integer->tensors[t->net->layers[layer].in[0]];
	struct ops_bound bound = bound_of(f);
	struct tnet_buffers *b = t->state->integer;
	size_t n = tnet_elements(t, layer + 1), i;
	float *dy = b->grad[layer + 1];

	if (f->kind == FQZ_AVGPOOL) {
		bool within = f->pool_rule != FQZ_POOL_DIVISOR, u8 = in->type == FQZ_U8;

		/* Averages stay within the type of what is averaged, whatever its end says. */
		if (u8 ? f->act_min <= 0 : within && f->act_min <= -128)
			bound.min = -INFINITY;
		if (within && f->act_max >= (u8 ? 255 : 127))
			bound.max = INFINITY;
		ops_bound_backward(DNN_F32, b->sums[layer], dy, n, &bound, dy);
	} else if (f->kind == FQZ_SUMPOOL) {
		for (i = 0; i < n; i++)
			dy[i] *= (float)(in->h * in->w);
	}
	return tnet_pool_backward(t, layer);
}

int tnet_integer_backward(struct tnet *t, uint32_t layer)
{
	struct tnet_buffers *b = t->state->integer;

	switch (t->net->layers[layer].kind) {
	case NET_CONV:
	case NET_FC:
		requantize_backward(t, layer, b->sums[layer], b->grad[layer + 1]);
		return tnet_conv_backward(t, layer);
	case NET_AFFINE:
		affine_backward(t, layer);
		return 0;
	case NET_ADD:
		add_backward(t, layer);
		return 0;
	case NET_CONCAT:
		tnet_concat_backward(t, layer);
		return 0;
	default:
		return pool_backward(t, layer);
	}
}
