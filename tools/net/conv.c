// SPDX-License-Identifier: MIT
/* Convolutions of the float executor: im2col and a matrix product, depthwise directly. */
#include <cblas.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

#define CONV_CHUNK	((size_t)1 << 20)	/* floats of im2col at once */

void net_work_free(struct net_work *w)
{
	free(w->columns);
	w->columns = NULL;
	w->room = 0;
}

float *net_work_columns(struct net_work *w, size_t n)
{
	if (n > w->room) {
		net_work_free(w);
		w->columns = malloc(n * sizeof(float));
		w->room = w->columns ? n : 0;
	}
	return w->columns;
}

/* One kernel element's row of the column matrix: output rows r0 to r1 - 1. */
static void im2col_row(const struct net_tensor *t, const struct net_layer *l, const float *plane,
		       uint32_t p, uint32_t q, uint32_t ow, uint32_t r0, uint32_t r1, float *dst)
{
	int64_t ix0 = (int64_t)q * l->dilation_w - l->pad_left;
	uint32_t r, j;

	for (r = r0; r < r1; r++, dst += ow) {
		int64_t iy = (int64_t)r * l->stride_h + (int64_t)p * l->dilation_h - l->pad_top;
		const float *src = plane + iy * t->w;

		if (iy < 0 || iy >= t->h) {
			memset(dst, 0, ow * sizeof(float));
			continue;
		}
		for (j = 0; j < ow; j++) {
			int64_t ix = ix0 + (int64_t)j * l->stride_w;

			dst[j] = ix >= 0 && ix < t->w ? src[ix] : 0.0f;
		}
	}
}

static void im2col(const struct net_tensor *t, const struct net_layer *l, const float *x,
		   uint32_t channels, uint32_t ow, uint32_t r0, uint32_t r1, float *dst)
{
	uint32_t c, p, q;

	for (c = 0; c < channels; c++)
		for (p = 0; p < l->kernel_h; p++)
			for (q = 0; q < l->kernel_w; q++) {
				im2col_row(t, l, x + (size_t)c * t->h * t->w, p, q, ow, r0, r1,
					   dst);
				dst += (size_t)ow * (r1 - r0);
			}
}

static bool is_pointwise(const struct net_layer *l)
{
	return l->kernel_h == 1 && l->kernel_w == 1 && l->stride_h == 1 && l->stride_w == 1 &&
	       !l->pad_top && !l->pad_left && !l->pad_bottom && !l->pad_right;
}

/* One input channel, one output channel: no matrix to speak of. */
static void conv_depthwise(const struct net_tensor *ti, const struct net_tensor *to,
			   const struct net_layer *l, const float *w, const float *x, float *y)
{
	uint32_t i, j, p, q;

	memset(y, 0, (size_t)to->h * to->w * sizeof(float));
	for (p = 0; p < l->kernel_h; p++)
		for (q = 0; q < l->kernel_w; q++) {
			float v = w[p * l->kernel_w + q];
			int64_t ix0 = (int64_t)q * l->dilation_w - l->pad_left, lo, hi;

			/* Columns whose input lies inside: ix0 + j * stride in 0 .. w - 1. */
			lo = ix0 < 0 ? (-ix0 + l->stride_w - 1) / l->stride_w : 0;
			hi = (int64_t)ti->w - 1 - ix0;
			hi = hi < 0 ? 0 : hi / l->stride_w + 1;
			if (hi > to->w)
				hi = to->w;
			for (i = 0; i < to->h; i++) {
				int64_t iy = (int64_t)i * l->stride_h +
					     (int64_t)p * l->dilation_h - l->pad_top;
				const float *src = x + iy * ti->w + ix0;
				float *dst = y + (size_t)i * to->w;

				if (iy < 0 || iy >= ti->h)
					continue;
				for (j = (uint32_t)lo; j < hi; j++)
					dst[j] += v * src[(size_t)j * l->stride_w];
			}
		}
}

static int conv_group(const struct net_tensor *ti, const struct net_tensor *to,
		      const struct net_layer *l, uint32_t ci, uint32_t co, const float *w,
		      const float *x, float *y, struct net_work *work)
{
	size_t k = (size_t)ci * l->kernel_h * l->kernel_w, area = (size_t)to->h * to->w;
	uint32_t rows, r0, r1;
	float *columns;

	if (is_pointwise(l)) {
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)co, (int)area, (int)k,
			    1.0f, w, (int)k, x, (int)area, 0.0f, y, (int)area);
		return 0;
	}
	rows = (uint32_t)(CONV_CHUNK / (k * to->w));
	rows = rows < 1 ? 1 : rows > to->h ? to->h : rows;
	columns = net_work_columns(work, k * to->w * rows);
	if (!columns)
		return -ENOMEM;
	for (r0 = 0; r0 < to->h; r0 = r1) {
		size_t n;

		r1 = r0 + rows < to->h ? r0 + rows : to->h;
		n = (size_t)(r1 - r0) * to->w;
		im2col(ti, l, x, ci, to->w, r0, r1, columns);
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)co, (int)n, (int)k,
			    1.0f, w, (int)k, columns, (int)n, 0.0f, y + (size_t)r0 * to->w,
			    (int)area);
	}
	return 0;
}

int net_layer_sums(const struct net *net, const struct net_layer *l, const float *weight,
		   const float *in, float *out, struct net_work *w)
{
	const struct net_tensor *ti = &net->tensors[l->in[0]], *to = &net->tensors[l->out];
	uint32_t ci = ti->c / l->groups, co = to->c / l->groups, g;
	size_t k = net_layer_sum(net, l), plane = (size_t)ti->h * ti->w;
	size_t area = (size_t)to->h * to->w;
	int rc = 0;

	if (l->kind == NET_FC || (area == 1 && l->groups == 1 && is_pointwise(l))) {
		cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)to->c, (int)k, 1.0f, weight, (int)k,
			    in, 1, 0.0f, out, 1);
		return 0;
	}
	for (g = 0; !rc && g < l->groups; g++) {
		const float *wg = weight + g * co * k, *xg = in + g * ci * plane;

		if (ci == 1 && co == 1)
			conv_depthwise(ti, to, l, wg, xg, out + g * area);
		else
			rc = conv_group(ti, to, l, ci, co, wg, xg, out + g * co * area, w);
	}
	return rc;
}

void net_gather(const struct net *net, const struct net_layer *l, const float *x,
		uint32_t group, const uint32_t *positions, size_t n, float *columns,
		size_t stride)
{
	const struct net_tensor *t = &net->tensors[l->in[0]];
	uint32_t ow = net->tensors[l->out].w, ci = t->c / l->groups, c, p, q;
	size_t j;

	for (c = 0; c < ci; c++) {
		const float *plane = x + ((size_t)group * ci + c) * t->h * t->w;

		for (p = 0; p < l->kernel_h; p++)
			for (q = 0; q < l->kernel_w; q++, columns += stride)
				for (j = 0; j < n; j++) {
					int64_t iy = (int64_t)(positions[j] / ow) * l->stride_h +
						     (int64_t)p * l->dilation_h - l->pad_top;
					int64_t ix = (int64_t)(positions[j] % ow) * l->stride_w +
						     (int64_t)q * l->dilation_w - l->pad_left;

					columns[j] = iy < 0 || ix < 0 || iy >= t->h || ix >= t->w ?
						     0.0f : plane[iy * t->w + ix];
				}
	}
}
