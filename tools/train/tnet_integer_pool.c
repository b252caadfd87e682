// SPDX-License-Identifier: MIT
/* Average and sum pools in integers (FORMAT.md section 4.1): sums of integers are exact in any order. */
#include "tnet_private.h"

/* The window of output (i, j): its elements in bounds, and what their sum is divided by. */
struct window {
	uint32_t y0, y1, x0, x1, divisor;
};

static int64_t at_most(int64_t v, int64_t most)
{
	return v < most ? v : most;
}

static struct window window_of(const struct fqz_layer *f, const struct net_tensor *ti, uint32_t i,
			       uint32_t j)
{
	int64_t y = (int64_t)i * f->stride_h - f->pad_top, x = (int64_t)j * f->stride_w - f->pad_left;
	int64_t bottom = y + f->kernel_h, right = x + f->kernel_w;
	struct window w;

	if (f->kind == FQZ_SUMPOOL)
		return (struct window){ 0, ti->h, 0, ti->w, 1 };
	w.y0 = y < 0 ? 0 : (uint32_t)y;
	w.x0 = x < 0 ? 0 : (uint32_t)x;
	w.y1 = (uint32_t)at_most(bottom, ti->h);
	w.x1 = (uint32_t)at_most(right, ti->w);
	if (f->pool_rule == FQZ_POOL_DIVISOR)
		w.divisor = f->divisor;
	else if (f->pool_rule == FQZ_POOL_PADDED)
		w.divisor = (uint32_t)((at_most(bottom, ti->h + f->pad_bottom) - y) *
				       (at_most(right, ti->w + f->pad_right) - x));
	else
		w.divisor = (w.y1 - w.y0) * (w.x1 - w.x0);
	return w;
}

static void window_sum(const struct window *w, const struct net_tensor *ti, const float *x, float *sum)
{
	uint32_t c = ti->c, p, q, k;

	for (k = 0; k < c; k++)
		sum[k] = 0;
	for (p = w->y0; p < w->y1; p++)
		for (q = w->x0; q < w->x1; q++) {
			const float *from = x + ((size_t)p * ti->w + q) * c;

#pragma omp simd
			for (k = 0; k < c; k++)
				sum[k] += from[k];
		}
}

/* rdiv() and clamp of @sum; the average as it is goes to @mean. */
static void window_divide(const struct fqz_layer *f, uint32_t divisor, uint32_t c, float *sum,
			  float *mean)
{
	int32_t d = (int32_t)divisor, v, q;
	uint32_t k;

	for (k = 0; k < c; k++) {
		v = (int32_t)sum[k];
		q = (2 * (v < 0 ? -v : v) + d) / (2 * d);
		q = v < 0 ? -q : q;
		mean[k] = sum[k] / (float)d;
		sum[k] = (float)(q < f->act_min ? f->act_min : q > f->act_max ? f->act_max : q);
	}
}

void tnet_integer_pool(struct tnet *t, uint32_t layer)
{
	const struct net_layer *l = &t->net->layers[layer];
	const struct net_tensor *ti = &t->net->tensors[l->in[0]], *to = &t->net->tensors[l->out];
	const struct fqz_layer *f = &t->integer->layers[layer].f;
	struct tnet_buffers *b = t->state->integer;
	const float *x = b->tensor[l->in[0]];
	float *y = b->tensor[l->out], *means = b->sums[layer];
	size_t area = (size_t)to->h * to->w, n = t->o.batch * area, r;

#pragma omp parallel for
	for (r = 0; r < n; r++) {
		uint32_t at = (uint32_t)(r % area);
		struct window w = window_of(f, ti, at / to->w, at % to->w);

		window_sum(&w, ti, x + r / area * net_tensor_elements(ti), y + r * to->c);
		if (f->kind != FQZ_SUMPOOL)
			window_divide(f, w.divisor, to->c, y + r * to->c, means + r * to->c);
	}
}
