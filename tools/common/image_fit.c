// SPDX-License-Identifier: MIT
/*
 * Resizing by a triangle filter, and the center crop.
 *
 * Output pixel o of a side that goes from `in` to `out` pixels lies at (o + 1/2) * in / out. An
 * input pixel i counts by its distance from there, falling to 0 at max(1, in / out). Everything is
 * multiplied by 2 * out, so that weights are integers; then they are scaled to a sum of 2^16.
 */
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIT_ONE		65536u		/* sum of the weights of one output pixel */

/* The window [first, first + count) of `out` pixels made of `in` pixels. */
struct fit_axis {
	uint32_t in, out;
	uint32_t first, count;
};

/* Where an output pixel's input pixels begin, how many they are, and their weights. */
struct fit_taps {
	uint32_t first, count;
	uint32_t *weight;
};

static uint64_t fit_raw_weight(const struct fit_axis *a, uint32_t o, uint32_t i)
{
	uint64_t reach = 2 * (uint64_t)(a->in > a->out ? a->in : a->out);
	uint64_t center = (2 * (uint64_t)o + 1) * a->in;
	uint64_t at = (2 * (uint64_t)i + 1) * a->out;
	uint64_t distance = at > center ? at - center : center - at;

	return distance < reach ? reach - distance : 0;
}

/* Largest number of input pixels that one output pixel can need. */
static size_t fit_max_taps(const struct fit_axis *a)
{
	return a->in > a->out ? 2 * (size_t)(a->in / a->out) + 4 : 4;
}

static void fit_find_taps(const struct fit_axis *a, uint32_t o, struct fit_taps *t)
{
	uint64_t reach = 2 * (uint64_t)(a->in > a->out ? a->in : a->out);
	uint64_t center = (2 * (uint64_t)o + 1) * a->in;
	uint64_t low = center > reach ? (center - reach) / (2 * (uint64_t)a->out) : 0;
	uint64_t sum = 0, used = 0;
	uint32_t i, n = 0, largest = 0;

	while (low < a->in && !fit_raw_weight(a, o, (uint32_t)low))
		low++;
	t->first = (uint32_t)low;
	for (i = t->first; i < a->in && fit_raw_weight(a, o, i); i++)
		sum += fit_raw_weight(a, o, i);
	for (i = t->first; i < a->in && fit_raw_weight(a, o, i); i++, n++) {
		/* The triangle's area, sum, is about 2 * max(in * in / out, out): below 2^34. */
		t->weight[n] = (uint32_t)(fit_raw_weight(a, o, i) * FIT_ONE / sum);
		used += t->weight[n];
		if (t->weight[n] > t->weight[largest])
			largest = n;
	}
	t->count = n;
	/* What rounding down left over goes to the largest weight: a flat area stays flat. */
	t->weight[largest] += FIT_ONE - (uint32_t)used;
}

/* Sum of rows [taps] of the picture, columns [left, left + columns), as 8.8 fixed point. */
static void fit_sum_rows(const struct img *src, const struct fit_taps *t, uint32_t left,
			 uint32_t columns, uint32_t *acc, uint16_t *row)
{
	size_t n = (size_t)columns * 3, i;
	const uint8_t *p;
	uint32_t y;

	memset(acc, 0, n * sizeof(*acc));
	for (y = 0; y < t->count; y++) {
		p = src->rgb + ((size_t)(t->first + y) * (size_t)src->w + left) * 3;
		for (i = 0; i < n; i++)
			acc[i] += p[i] * t->weight[y];
	}
	for (i = 0; i < n; i++)
		row[i] = (uint16_t)((acc[i] + 128) >> 8);
}

/* One pixel from a row of 8.8 fixed point; the sum is at most 255.0 * 2^16: it fits 32 bits. */
static void fit_sum_columns(const uint16_t *row, const struct fit_taps *t, uint8_t *pixel)
{
	uint32_t r = 1u << 23, g = 1u << 23, b = 1u << 23, i;

	for (i = 0; i < t->count; i++, row += 3) {
		r += row[0] * t->weight[i];
		g += row[1] * t->weight[i];
		b += row[2] * t->weight[i];
	}
	pixel[0] = (uint8_t)(r >> 24);
	pixel[1] = (uint8_t)(g >> 24);
	pixel[2] = (uint8_t)(b >> 24);
}

static int fit_resize(const struct img *src, const struct fit_axis *ax,
		      const struct fit_axis *ay, struct img *out)
{
	size_t room = fit_max_taps(ax), columns;
	struct fit_taps *tx = calloc(ax->count, sizeof(*tx)), ty;
	uint32_t *wx = calloc((size_t)ax->count * room, sizeof(*wx));
	uint32_t *acc = NULL, left, right, x, y;
	uint16_t *row = NULL;
	int ret = -ENOMEM;

	ty.weight = calloc(fit_max_taps(ay), sizeof(*ty.weight));
	if (!tx || !wx || !ty.weight)
		goto free_all;
	for (x = 0; x < ax->count; x++) {
		tx[x].weight = wx + x * room;
		fit_find_taps(ax, ax->first + x, &tx[x]);
	}
	left = tx[0].first;
	right = tx[ax->count - 1].first + tx[ax->count - 1].count;
	columns = right - left;
	acc = calloc(columns * 3, sizeof(*acc));
	row = calloc(columns * 3, sizeof(*row));
	if (!acc || !row)
		goto free_all;
	for (y = 0; y < ay->count; y++) {
		fit_find_taps(ay, ay->first + y, &ty);
		fit_sum_rows(src, &ty, left, (uint32_t)columns, acc, row);
		for (x = 0; x < ax->count; x++)
			fit_sum_columns(row + (size_t)(tx[x].first - left) * 3, &tx[x],
					out->rgb + ((size_t)y * ax->count + x) * 3);
	}
	ret = 0;
free_all:
	free(row);
	free(acc);
	free(ty.weight);
	free(wx);
	free(tx);
	return ret;
}

static void fit_crop(const struct img *src, uint32_t left, uint32_t top, struct img *out)
{
	size_t y, line = (size_t)out->w * 3;

	for (y = 0; y < (size_t)out->h; y++)
		memcpy(out->rgb + y * line,
		       src->rgb + ((top + y) * (size_t)src->w + left) * 3, line);
}

/* The size of the whole resized picture, of which the crop is a window. */
static void fit_size(const struct img *src, uint64_t w, uint64_t h, uint64_t shorter,
		     uint64_t *rw, uint64_t *rh)
{
	uint64_t sw = (uint64_t)src->w, sh = (uint64_t)src->h;

	if (shorter) {
		*rw = sw <= sh ? shorter : sw * shorter / sh;
		*rh = sw <= sh ? sh * shorter / sw : shorter;
		if (*rw >= w && *rh >= h)
			return;
	}
	/* The smallest one that covers the crop: one side fits exactly. */
	if (w * sh >= h * sw) {
		*rw = w;
		*rh = sh * w / sw;
	} else {
		*rw = sw * h / sh;
		*rh = h;
	}
}

int img_fit(const struct img *src, int w, int h, int shorter, struct img *out)
{
	struct fit_axis ax, ay;
	uint64_t rw, rh;
	int ret = 0;

	memset(out, 0, sizeof(*out));
	if (w < 1 || h < 1 || w > IMG_MAX_SIDE || h > IMG_MAX_SIDE || shorter < 0 ||
	    shorter > IMG_MAX_SIDE || src->w < 1 || src->h < 1 || src->w > IMG_MAX_SIDE ||
	    src->h > IMG_MAX_SIDE || (uint64_t)w * (uint64_t)h > IMG_MAX_PIXELS)
		return -EINVAL;
	/* At most 65535 * 65535: the resized sides fit 32 bits. */
	fit_size(src, (uint64_t)w, (uint64_t)h, (uint64_t)shorter, &rw, &rh);
	out->rgb = malloc((size_t)w * (size_t)h * 3);
	if (!out->rgb)
		return -ENOMEM;
	out->w = w;
	out->h = h;
	ax = (struct fit_axis){ (uint32_t)src->w, (uint32_t)rw,
				(uint32_t)(rw - (uint64_t)w) / 2, (uint32_t)w };
	ay = (struct fit_axis){ (uint32_t)src->h, (uint32_t)rh,
				(uint32_t)(rh - (uint64_t)h) / 2, (uint32_t)h };
	if (ax.in == ax.out && ay.in == ay.out)
		fit_crop(src, ax.first, ay.first, out);
	else
		ret = fit_resize(src, &ax, &ay, out);
	if (ret)
		img_free(out);
	return ret;
}
