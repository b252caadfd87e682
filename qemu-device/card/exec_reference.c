/* SPDX-License-Identifier: MIT */
/*
 * The judge: every layer kind as plain loops, to be checked by eye against
 * FORMAT.md sections 4 and 7 and, for the dot product, against the paper's Figure 4:
 * inputs gathered by component and summed, scaled by the means; beside them the
 * shifted inputs, summed; all added; one scale at the end.
 */
#include "exec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int64_t get(const struct card_tensor *t, const uint8_t *arena, uint64_t i)
{
	const uint8_t *p = arena + t->offset;

	switch (t->type) {
	case FQZ_U8:
		return p[i];
	case FQZ_S8:
		return (int8_t)p[i];
	default:
		return card_get_s32(p + 4 * i);
	}
}

static void put(const struct card_tensor *t, uint8_t *arena, uint64_t i, int64_t value)
{
	if (t->type == FQZ_S32)
		card_put_s32(arena + t->offset + 4 * i, (int32_t)value);
	else
		arena[t->offset + i] = (uint8_t)value;
}

static int64_t shift_left(int64_t v, uint32_t s)
{
	return v < 0 ? -(-v << s) : v << s;
}

static int64_t rshift(int64_t v, uint32_t s)
{
	int64_t half = s ? INT64_C(1) << (s - 1) : 0;

	return v < 0 ? -((-v + half) >> s) : (v + half) >> s;
}

static int64_t rdiv(int64_t v, int64_t d)
{
	return v < 0 ? -((-2 * v + d) / (2 * d)) : (2 * v + d) / (2 * d);
}

static int64_t clamp(const struct fqz_layer *l, int64_t v)
{
	return v < l->act_min ? l->act_min : v > l->act_max ? l->act_max : v;
}

static int64_t requantize(const struct fqz_layer *l, uint32_t c, int64_t acc)
{
	return clamp(l, rshift(acc * l->scale[c] + shift_left(l->bias[c], l->bias_shift),
			       l->shift[c]));
}

/* The three sums of a dot product. */
struct sums {
	int64_t shifted;	/* sum of s * (x << e) */
	int64_t neg, pos;	/* sums of x in component - and + */
};

/* Add one product, of input @x and the weight that @symbol names (FORMAT.md 6.1). */
static void sums_add(struct sums *a, const struct fqz_layer *l, uint32_t symbol, int64_t x)
{
	uint32_t levels = 1 + 2 * l->exponent_count, level;

	if (!symbol)
		return;
	if (l->mode == FQZ_SHIFT) {
		level = symbol;
	} else if (symbol <= levels) {
		a->neg += x;
		level = symbol - 1;
	} else {
		a->pos += x;
		level = symbol - 1 - levels;
	}
	/* Levels: 0 nothing, 1 + 2e: +2^(e0+e), 2 + 2e: -2^(e0+e). */
	if (level % 2)
		a->shifted += shift_left(x, l->first_exponent + (level - 1) / 2);
	else if (level)
		a->shifted -= shift_left(x, l->first_exponent + (level - 2) / 2);
}

static int64_t sums_total(const struct sums *a, const struct fqz_layer *l)
{
	if (l->mode == FQZ_SHIFT)
		return a->shifted;
	return a->shifted + shift_left(a->pos, l->mean_pos) - shift_left(a->neg, l->mean_neg);
}

/* The output element (o, i, j) of a convolution. */
static int64_t convolve(const struct card_model *m, const struct card_layer *layer,
			const uint8_t *arena, uint32_t o, uint32_t i, uint32_t j)
{
	const struct fqz_layer *l = &layer->desc;
	const struct card_tensor *in = &m->tensors[l->inputs[0]];
	uint32_t channels = in->c / l->groups, group = o / (l->outputs / l->groups);
	const uint8_t *symbol = (uint8_t *)layer->prepared + (size_t)o * l->inputs_per_output;
	struct sums sums = { 0, 0, 0 };
	uint32_t c, p, q;

	for (c = group * channels; c < (group + 1) * channels; c++) {
		for (p = 0; p < l->kernel_h; p++) {
			int64_t y = (int64_t)i * l->stride_h - l->pad_top + p * l->dilation_h;

			for (q = 0; q < l->kernel_w; q++, symbol++) {
				int64_t x = (int64_t)j * l->stride_w - l->pad_left +
					    q * l->dilation_w;

				if (y >= 0 && y < in->h && x >= 0 && x < in->w)
					sums_add(&sums, l, *symbol,
						 get(in, arena, ((uint64_t)c * in->h + y) *
						     in->w + x));
			}
		}
	}
	return requantize(l, o, sums_total(&sums, l));
}

/* The output element (c, i, j) of a max or average pooling. */
static int64_t pool(const struct card_model *m, const struct card_layer *layer,
		    const uint8_t *arena, uint32_t c, uint32_t i, uint32_t j)
{
	const struct fqz_layer *l = &layer->desc;
	const struct card_tensor *in = &m->tensors[l->inputs[0]];
	int64_t y0 = (int64_t)i * l->stride_h - l->pad_top;
	int64_t x0 = (int64_t)j * l->stride_w - l->pad_left;
	int64_t y, x, v, largest = INT64_MIN, sum = 0, in_bounds = 0, in_padded = 0;

	for (y = y0; y < y0 + l->kernel_h; y++) {
		for (x = x0; x < x0 + l->kernel_w; x++) {
			if (y < in->h + l->pad_bottom && x < in->w + l->pad_right)
				in_padded++;
			if (y < 0 || y >= in->h || x < 0 || x >= in->w)
				continue;
			v = get(in, arena, ((uint64_t)c * in->h + y) * in->w + x);
			largest = v > largest ? v : largest;
			sum += v;
			in_bounds++;
		}
	}
	if (l->kind == FQZ_MAXPOOL)
		return largest;
	if (l->pool_rule == FQZ_POOL_IN_BOUNDS)
		return clamp(l, rdiv(sum, in_bounds));
	if (l->pool_rule == FQZ_POOL_PADDED)
		return clamp(l, rdiv(sum, in_padded));
	return clamp(l, rdiv(sum, l->divisor));
}

static int64_t sum_channel(const struct card_tensor *in, const uint8_t *arena, uint32_t c)
{
	uint64_t area = (uint64_t)in->h * in->w, i;
	int64_t sum = 0;

	for (i = c * area; i < (c + 1) * area; i++)
		sum += get(in, arena, i);
	return sum;
}

/* The element at (c, i, j) of the inputs laid one after another. */
static int64_t concat(const struct card_model *m, const struct card_layer *layer,
		      const uint8_t *arena, uint32_t c, uint64_t in_channel)
{
	const struct card_tensor *in;
	uint32_t k = 0;

	while (c >= m->tensors[layer->desc.inputs[k]].c)
		c -= m->tensors[layer->desc.inputs[k++]].c;
	in = &m->tensors[layer->desc.inputs[k]];
	return get(in, arena, (uint64_t)c * in->h * in->w + in_channel);
}

static int64_t element(const struct card_model *m, const struct card_layer *layer,
		       const uint8_t *arena, uint32_t c, uint32_t i, uint32_t j)
{
	const struct fqz_layer *l = &layer->desc;
	const struct card_tensor *in = &m->tensors[l->inputs[0]], *out = &m->tensors[l->output];
	uint64_t in_channel = (uint64_t)i * out->w + j;
	uint64_t at = (uint64_t)c * out->h * out->w + in_channel;

	switch (l->kind) {
	case FQZ_AFFINE:
		return requantize(l, c, get(in, arena, at));
	case FQZ_CONV:
	case FQZ_FC:
		return convolve(m, layer, arena, c, i, j);
	case FQZ_ADD:
		return clamp(l, rshift(l->add_scale[0] * get(in, arena, at) + l->add_scale[1] *
				       get(&m->tensors[l->inputs[1]], arena, at), l->out_shift));
	case FQZ_CONCAT:
		return concat(m, layer, arena, c, in_channel);
	case FQZ_SUMPOOL:
		return clamp(l, sum_channel(in, arena, c));
	default:
		return pool(m, layer, arena, c, i, j);
	}
}

static uint64_t element_units(const struct card_model *m, const struct fqz_layer *l)
{
	switch (l->kind) {
	case FQZ_CONV:
	case FQZ_FC:
		return 4 * (uint64_t)l->inputs_per_output;
	case FQZ_MAXPOOL:
	case FQZ_AVGPOOL:
		return 4 * (uint64_t)l->kernel_h * l->kernel_w;
	case FQZ_SUMPOOL:
		return 4 * (uint64_t)m->tensors[l->inputs[0]].h * m->tensors[l->inputs[0]].w;
	default:
		return 4;
	}
}

static int reference_run(const struct card_model *m, const struct card_layer *layer,
			 uint8_t *arena, void *scratch, struct card_tick *tick)
{
	const struct card_tensor *out = &m->tensors[layer->desc.output];
	uint64_t at = 0, units = element_units(m, &layer->desc);
	uint32_t c, i, j;

	(void)scratch;
	for (c = 0; c < out->c; c++) {
		for (i = 0; i < out->h; i++) {
			for (j = 0; j < out->w; j++, at++) {
				if (card_tick(tick, units))
					return -ECANCELED;
				put(out, arena, at, element(m, layer, arena, c, i, j));
			}
		}
	}
	return 0;
}

static int reference_prepare(struct card_model *m, struct card_layer *l, const uint8_t *symbols,
			     struct card_tick *tick)
{
	size_t count = (size_t)l->desc.outputs * l->desc.inputs_per_output;

	if (card_tick(tick, count))
		return -ECANCELED;
	l->prepared = malloc(count);
	if (!l->prepared)
		return -ENOMEM;
	memcpy(l->prepared, symbols, count);
	m->decoded += count;
	return 0;
}

static void reference_unprepare(struct card_layer *l)
{
	free(l->prepared);
	l->prepared = NULL;
}

static size_t reference_scratch(const struct card_model *m, const struct card_layer *l)
{
	(void)m;
	(void)l;
	return 0;
}

static const struct card_exec reference = {
	.name = "reference",
	.prepare = reference_prepare,
	.unprepare = reference_unprepare,
	.scratch = reference_scratch,
	.run = reference_run,
};

const struct card_exec *card_exec_reference(void)
{
	return &reference;
}
