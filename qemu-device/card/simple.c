/* SPDX-License-Identifier: MIT */
/* The fast executor's layers without weights: plain loops that compilers vectorize. */
#include "conv.h"

#include <errno.h>
#include <string.h>

#define CHUNK	256u

struct simple {
	const struct gemm_kernel *kernel;
	const struct fqz_layer *l;
	const struct card_tensor *in, *out;
	const uint8_t *x;
	uint8_t *y;
	int32_t *columns;		/* pools: a value for each column of the input */
	struct card_tick *tick;
};

size_t card_simple_scratch(const struct card_model *m, const struct card_layer *l)
{
	if (l->desc.kind != FQZ_MAXPOOL && l->desc.kind != FQZ_AVGPOOL)
		return 0;
	return m->tensors[l->desc.inputs[0]].w * sizeof(int32_t);
}

static void widen(const struct card_tensor *t, const uint8_t *from, uint32_t count, int32_t *to)
{
	uint32_t i;

	if (t->type == FQZ_U8)
		for (i = 0; i < count; i++)
			to[i] = from[i];
	else
		for (i = 0; i < count; i++)
			to[i] = (int8_t)from[i];
}

static int run_affine(const struct simple *s)
{
	uint64_t area = (uint64_t)s->in->h * s->in->w, at, count;
	int32_t x[CHUNK];
	uint32_t c;

	for (c = 0; c < s->in->c; c++) {
		struct gemm_finish f = card_finish_channel(s->l, c);

		if (card_tick(s->tick, area))
			return -ECANCELED;
		for (at = c * area; at < (c + 1) * area; at += count) {
			count = (c + 1) * area - at < CHUNK ? (c + 1) * area - at : CHUNK;
			widen(s->in, s->x + at, (uint32_t)count, x);
			s->kernel->finish(&f, x, (uint32_t)count, s->y + at);
		}
	}
	return 0;
}

static int run_add(const struct simple *s, const struct card_tensor *other, const uint8_t *z)
{
	struct gemm_finish f = { .scale = 1, .shift = s->l->out_shift, .min = s->l->act_min,
				 .max = s->l->act_max };
	uint32_t at, count, i;
	int32_t x[CHUNK], y[CHUNK];

	for (at = 0; at < s->out->elements; at += count) {
		if (card_tick(s->tick, CHUNK))
			return -ECANCELED;
		count = s->out->elements - at < CHUNK ? s->out->elements - at : CHUNK;
		widen(s->in, s->x + at, count, x);
		widen(other, z + at, count, y);
		for (i = 0; i < count; i++)
			x[i] = s->l->add_scale[0] * x[i] + s->l->add_scale[1] * y[i];
		s->kernel->finish(&f, x, count, s->y + at);
	}
	return 0;
}

static int run_concat(const struct simple *s, const struct card_model *m, const uint8_t *arena)
{
	uint64_t at = 0;
	uint32_t i;

	for (i = 0; i < s->l->input_count; i++) {
		const struct card_tensor *t = &m->tensors[s->l->inputs[i]];

		if (card_tick(s->tick, t->bytes / 16))
			return -ECANCELED;
		memcpy(s->y + at, arena + t->offset, t->bytes);
		at += t->bytes;
	}
	return 0;
}

static int run_sumpool(const struct simple *s)
{
	uint64_t area = (uint64_t)s->in->h * s->in->w, i;
	uint32_t c;

	for (c = 0; c < s->in->c; c++) {
		const uint8_t *x = s->x + c * area;
		int32_t sum = 0;

		if (card_tick(s->tick, area))
			return -ECANCELED;
		if (s->in->type == FQZ_U8)
			for (i = 0; i < area; i++)
				sum += x[i];
		else
			for (i = 0; i < area; i++)
				sum += (int8_t)x[i];
		card_put_s32(s->y + 4 * (size_t)c, sum);
	}
	return 0;
}

/* [low, high) of the window's rows or columns that are in bounds. */
struct span {
	int32_t start, low, high;
};

static struct span window(uint32_t index, uint32_t stride, uint32_t pad, uint32_t kernel,
			  uint32_t size)
{
	struct span w;

	w.start = (int32_t)(index * stride) - (int32_t)pad;
	w.low = w.start < 0 ? 0 : w.start;
	w.high = w.start + (int32_t)kernel;
	if (w.high > (int32_t)size)
		w.high = (int32_t)size;
	return w;
}

/* Add or compare one row of the input into the columns. */
static void fold_row(const struct simple *s, const uint8_t *row, bool first)
{
	bool largest = s->l->kind == FQZ_MAXPOOL;
	uint32_t j, w = s->in->w;
	int32_t *col = s->columns;

	if (first) {
		widen(s->in, row, w, col);
	} else if (largest && s->in->type == FQZ_U8) {
		for (j = 0; j < w; j++)
			col[j] = row[j] > col[j] ? row[j] : col[j];
	} else if (largest) {
		for (j = 0; j < w; j++)
			col[j] = (int8_t)row[j] > col[j] ? (int8_t)row[j] : col[j];
	} else if (s->in->type == FQZ_U8) {
		for (j = 0; j < w; j++)
			col[j] += row[j];
	} else {
		for (j = 0; j < w; j++)
			col[j] += (int8_t)row[j];
	}
}

static uint32_t in_padded(struct span w, uint32_t kernel, uint32_t size, uint32_t pad)
{
	int32_t end = w.start + (int32_t)kernel, limit = (int32_t)(size + pad);

	return (uint32_t)((end < limit ? end : limit) - w.start);
}

/* The divisor of an average, FORMAT.md section 4.1. */
static int64_t divisor(const struct simple *s, struct span y, struct span x)
{
	const struct fqz_layer *l = s->l;

	if (l->pool_rule == FQZ_POOL_IN_BOUNDS)
		return (int64_t)(y.high - y.low) * (x.high - x.low);
	if (l->pool_rule == FQZ_POOL_PADDED)
		return (int64_t)in_padded(y, l->kernel_h, s->in->h, l->pad_bottom) *
		       in_padded(x, l->kernel_w, s->in->w, l->pad_right);
	return l->divisor;
}

static int64_t average(const struct simple *s, int64_t sum, int64_t d)
{
	int64_t v = sum < 0 ? -((-2 * sum + d) / (2 * d)) : (2 * sum + d) / (2 * d);

	v = v < s->l->act_min ? s->l->act_min : v;
	return v > s->l->act_max ? s->l->act_max : v;
}

static void pool_row(const struct simple *s, struct span y, uint8_t *to)
{
	const struct fqz_layer *l = s->l;
	uint32_t j;
	int32_t i;

	for (j = 0; j < s->out->w; j++) {
		struct span x = window(j, l->stride_w, l->pad_left, l->kernel_w, s->in->w);
		int32_t v = s->columns[x.low];

		if (l->kind == FQZ_MAXPOOL) {
			for (i = x.low + 1; i < x.high; i++)
				v = s->columns[i] > v ? s->columns[i] : v;
			to[j] = (uint8_t)v;
		} else {
			for (i = x.low + 1; i < x.high; i++)
				v += s->columns[i];
			to[j] = (uint8_t)average(s, v, divisor(s, y, x));
		}
	}
}

static int run_pool(const struct simple *s)
{
	const struct fqz_layer *l = s->l;
	uint64_t units = (uint64_t)l->kernel_h * s->in->w / 4 + (uint64_t)l->kernel_w * s->out->w;
	uint8_t *to = s->y;
	uint32_t c, i;
	int32_t r;

	for (c = 0; c < s->in->c; c++) {
		const uint8_t *plane = s->x + (uint64_t)c * s->in->h * s->in->w;

		for (i = 0; i < s->out->h; i++, to += s->out->w) {
			struct span y = window(i, l->stride_h, l->pad_top, l->kernel_h, s->in->h);

			if (card_tick(s->tick, units))
				return -ECANCELED;
			for (r = y.low; r < y.high; r++)
				fold_row(s, plane + (uint64_t)r * s->in->w, r == y.low);
			pool_row(s, y, to);
		}
	}
	return 0;
}

int card_simple_run(const struct gemm_kernel *kernel, const struct card_model *m,
		    const struct card_layer *layer, uint8_t *arena, void *scratch,
		    struct card_tick *tick)
{
	const struct fqz_layer *l = &layer->desc;
	struct simple s = {
		.kernel = kernel,
		.l = l,
		.in = &m->tensors[l->inputs[0]],
		.out = &m->tensors[l->output],
		.columns = scratch,
		.tick = tick,
	};
	const struct card_tensor *other = &m->tensors[l->inputs[1]];

	s.x = arena + s.in->offset;
	s.y = arena + s.out->offset;
	switch (l->kind) {
	case FQZ_AFFINE:
		return run_affine(&s);
	case FQZ_ADD:
		return run_add(&s, other, arena + other->offset);
	case FQZ_CONCAT:
		return run_concat(&s, m, arena);
	case FQZ_SUMPOOL:
		return run_sumpool(&s);
	default:
		return run_pool(&s);
	}
}
