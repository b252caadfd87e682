// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>

#include "tap.h"
#include "train/bf16.h"
#include "train_loops.h"

size_t loops_x(const struct dnn_shape *s)
{
	return (size_t)s->batch * s->in_c * s->in_h * s->in_w;
}

size_t loops_y(const struct dnn_shape *s)
{
	return (size_t)s->batch * s->out_c * s->out_h * s->out_w;
}

size_t loops_w(const struct dnn_shape *s)
{
	return (size_t)s->out_c * (s->in_c / s->groups) * s->kernel_h * s->kernel_w;
}

static uint32_t output_size(uint32_t in, uint32_t kernel, uint32_t stride, uint32_t dilation,
			    uint32_t pads, bool up)
{
	uint32_t room = in + pads - ((kernel - 1) * dilation + 1);

	return (room + (up ? stride - 1 : 0)) / stride + 1;
}

void loops_shape(struct dnn_shape *s, bool up)
{
	s->out_h = output_size(s->in_h, s->kernel_h, s->stride_h, s->dilation_h,
			       s->pad_top + s->pad_bottom, up);
	s->out_w = output_size(s->in_w, s->kernel_w, s->stride_w, s->dilation_w,
			       s->pad_left + s->pad_right, up);
}

/* A product of a convolution: where its three factors lie. */
struct product {
	size_t x, y, w;
};

/* Index into the input, or -1 in the padding. */
static int64_t input_at(const struct dnn_shape *s, uint32_t n, uint32_t i, uint32_t j, uint32_t p,
			uint32_t q, uint32_t c)
{
	int64_t r = (int64_t)i * s->stride_h + (int64_t)p * s->dilation_h - s->pad_top;
	int64_t k = (int64_t)j * s->stride_w + (int64_t)q * s->dilation_w - s->pad_left;

	if (r < 0 || r >= s->in_h || k < 0 || k >= s->in_w)
		return -1;
	return (((int64_t)n * s->in_h + r) * s->in_w + k) * s->in_c + c;
}

/* The products of output @y: calls fn for each. */
static void output_products(const struct dnn_shape *s, size_t y,
			    void (*fn)(void *arg, const struct product *p), void *arg)
{
	uint32_t o = y % s->out_c, j = y / s->out_c % s->out_w;
	uint32_t i = y / s->out_c / s->out_w % s->out_h, n = y / s->out_c / s->out_w / s->out_h;
	uint32_t share = s->in_c / s->groups, first = o / (s->out_c / s->groups) * share, c, p, q;

	for (c = 0; c < share; c++)
		for (p = 0; p < s->kernel_h; p++)
			for (q = 0; q < s->kernel_w; q++) {
				int64_t x = input_at(s, n, i, j, p, q, first + c);
				struct product at = { .y = y };

				if (x < 0)
					continue;
				at.x = (size_t)x;
				at.w = (((size_t)o * share + c) * s->kernel_h + p) * s->kernel_w + q;
				fn(arg, &at);
			}
}

struct factors {
	const double *x, *y, *w;
	double *out;
};

static void add_y(void *arg, const struct product *p)
{
	struct factors *f = arg;

	f->out[p->y] += f->x[p->x] * f->w[p->w];
}

static void add_x(void *arg, const struct product *p)
{
	struct factors *f = arg;

	f->out[p->x] += f->y[p->y] * f->w[p->w];
}

static void add_w(void *arg, const struct product *p)
{
	struct factors *f = arg;

	f->out[p->w] += f->x[p->x] * f->y[p->y];
}

static void all_products(const struct dnn_shape *s, void (*fn)(void *, const struct product *),
			 struct factors *f, size_t n)
{
	size_t i;

	memset(f->out, 0, n * sizeof(double));
	for (i = 0; i < loops_y(s); i++)
		output_products(s, i, fn, f);
}

void loops_conv(const struct dnn_shape *s, const double *x, const double *w, double *y)
{
	all_products(s, add_y, &(struct factors){ .x = x, .w = w, .out = y }, loops_y(s));
}

void loops_conv_data(const struct dnn_shape *s, const double *dy, const double *w, double *dx)
{
	all_products(s, add_x, &(struct factors){ .y = dy, .w = w, .out = dx }, loops_x(s));
}

void loops_conv_weights(const struct dnn_shape *s, const double *x, const double *dy, double *dw)
{
	all_products(s, add_w, &(struct factors){ .x = x, .y = dy, .out = dw }, loops_w(s));
}

/* Of the window of output (i, j): elements within the input and its padding. */
static uint32_t window_area(const struct dnn_shape *s, uint32_t i, uint32_t j)
{
	uint32_t p, q, area = 0;

	for (p = 0; p < s->kernel_h; p++)
		for (q = 0; q < s->kernel_w; q++)
			area += i * s->stride_h + p < s->pad_top + s->in_h + s->pad_bottom &&
				j * s->stride_w + q < s->pad_left + s->in_w + s->pad_right;
	return area;
}

/* Each output of a pool, forward (dx NULL) or backward. */
static void pool_output(const struct dnn_shape *s, const struct loops_pool *l, size_t y,
			const double *x, double *out, const double *dy, double *dx)
{
	uint32_t c = y % s->out_c, j = y / s->out_c % s->out_w, p, q, count = 0;
	uint32_t i = y / s->out_c / s->out_w % s->out_h, n = y / s->out_c / s->out_w / s->out_h;
	int64_t at, best = -1;
	double sum = 0, divisor;

	for (p = 0; p < s->kernel_h; p++)
		for (q = 0; q < s->kernel_w; q++) {
			at = input_at(s, n, i, j, p, q, c);
			if (at < 0)
				continue;
			count++;
			sum += x[at];
			if (best < 0 || x[at] > x[best])
				best = at;
		}
	divisor = l->divisor ? l->divisor : l->count_padding ? window_area(s, i, j) : count;
	if (!dx) {
		out[y] = l->max ? x[best] : sum / divisor;
		return;
	}
	if (l->max) {
		dx[best] += dy[y];
		return;
	}
	for (p = 0; p < s->kernel_h; p++)
		for (q = 0; q < s->kernel_w; q++) {
			at = input_at(s, n, i, j, p, q, c);
			if (at >= 0)
				dx[at] += dy[y] / divisor;
		}
}

void loops_pool(const struct dnn_shape *s, const struct loops_pool *p, const double *x, double *y)
{
	size_t i;

	for (i = 0; i < loops_y(s); i++)
		pool_output(s, p, i, x, y, NULL, NULL);
}

void loops_pool_back(const struct dnn_shape *s, const struct loops_pool *p, const double *x,
		     const double *dy, double *dx)
{
	size_t i;

	memset(dx, 0, loops_x(s) * sizeof(double));
	for (i = 0; i < loops_y(s); i++)
		pool_output(s, p, i, x, NULL, dy, dx);
}

double *loops_random(size_t n, uint64_t seed, enum dnn_type type)
{
	double *v = loops_zeros(n);
	uint64_t h;
	size_t i;

	for (i = 0; i < n; i++) {
		h = (i + 1) * 0x9e3779b97f4a7c15u ^ seed * 0xbf58476d1ce4e5b9u;
		h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
		h = (h ^ h >> 27) * 0x94d049bb133111ebu;
		v[i] = (float)((double)(h >> 11) / (double)(1ull << 52) - 1);
		if (type == DNN_BF16)
			v[i] = bf16_load(bf16_store((float)v[i]));
	}
	return v;
}

double *loops_zeros(size_t n)
{
	double *v = calloc(n, sizeof(*v));

	if (!v)
		bail("out of memory");
	return v;
}

void *loops_tensor(const double *v, size_t n, enum dnn_type type)
{
	void *t = malloc(n * dnn_type_bytes(type));
	size_t i;

	if (!t)
		bail("out of memory");
	for (i = 0; i < n; i++)
		if (type == DNN_BF16)
			((uint16_t *)t)[i] = bf16_store((float)v[i]);
		else
			((float *)t)[i] = (float)v[i];
	return t;
}

double loops_error(const void *got, enum dnn_type type, const double *want, size_t n)
{
	double worst = 0, scale = 0, g;
	size_t i;

	for (i = 0; i < n; i++) {
		g = type == DNN_BF16 ? (double)bf16_load(((const uint16_t *)got)[i]) :
				       (double)((const float *)got)[i];
		if (isnan(g))
			return NAN;
		worst = fmax(worst, fabs(g - want[i]));
		scale = fmax(scale, fabs(want[i]));
	}
	return scale > 0 ? worst / scale : worst;
}
