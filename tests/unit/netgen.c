// SPDX-License-Identifier: MIT
/*
 * Random networks. A chain, so every tensor is read: each layer takes the newest
 * tensor, ADD and CONCAT one or more older ones as well.
 */
#include "netgen.h"
#include "fqz.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GEN_SCALE	(1.0f / 32)	/* of all 8-bit tensors, so that any two may be joined */
#define GEN_MAX_LAYERS	210

struct gen {
	uint64_t state;
	const struct netgen_options *opt;
	struct fqz_image img;
	struct fqz_tensor tensors[GEN_MAX_LAYERS + 1];
	struct fqz_layer layers[GEN_MAX_LAYERS];
	const char *classes[65536];
	int failed;
};

uint32_t netgen_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(x >> 32);
}

/* [low, high] */
static uint32_t pick(struct gen *g, uint32_t low, uint32_t high)
{
	return low + (uint32_t)((uint64_t)netgen_random(&g->state) * (high - low + 1) >> 32);
}

static bool chance(struct gen *g, uint32_t percent)
{
	return pick(g, 0, 99) < percent;
}

static struct fqz_tensor *newest(struct gen *g)
{
	return &g->tensors[g->img.tensor_count - 1];
}

static struct fqz_layer *add_layer(struct gen *g, enum fqz_kind kind, enum fqz_type type,
				   uint32_t c, uint32_t h, uint32_t w)
{
	struct fqz_layer *l = &g->layers[g->img.layer_count];

	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->input_count = 1;
	l->inputs[0] = g->img.tensor_count - 1;
	l->output = g->img.tensor_count;
	g->tensors[l->output] = (struct fqz_tensor){ .type = type, .c = c, .h = h, .w = w,
						     .scale = GEN_SCALE };
	g->img.layer_count++;
	g->img.tensor_count++;
	return l;
}

static enum fqz_type random_type(struct gen *g)
{
	return chance(g, 50) ? FQZ_U8 : FQZ_S8;
}

static void random_clamp(struct gen *g, struct fqz_layer *l)
{
	enum fqz_type type = g->tensors[l->output].type;

	if (type == FQZ_S32) {
		l->act_min = INT32_MIN;
		l->act_max = INT32_MAX;
		return;
	}
	l->act_min = type == FQZ_U8 ? 0 : -128;
	l->act_max = type == FQZ_U8 ? 255 : 127;
	if (chance(g, 20)) {
		l->act_min += (int32_t)pick(g, 0, 20);
		l->act_max -= (int32_t)pick(g, 0, 60);
	}
}

/*
 * Scale, bias and shift so that a channel whose sums spread by about @spread[c] fills the
 * output's range; some channels flipped, dead, or with an arbitrary shift.
 */
static void random_channels(struct gen *g, struct fqz_layer *l, const double *spread)
{
	uint32_t c, count = g->tensors[l->output].c;
	int16_t *scale = calloc(count, 2), *bias = calloc(count, 2);
	uint8_t *shift = calloc(count, 1);
	double target = g->tensors[l->output].type == FQZ_S32 ? 1e5 : 50, factor;
	int s;

	l->scale = scale;
	l->bias = bias;
	l->shift = shift;
	l->bias_shift = pick(g, 0, 12);
	if (!scale || !bias || !shift) {
		g->failed = -ENOMEM;
		return;
	}
	for (c = 0; c < count; c++) {
		scale[c] = (int16_t)pick(g, 1, 32767);
		factor = spread[c] * scale[c] / target;
		s = factor > 1 ? (int)log2(factor) : 0;
		shift[c] = (uint8_t)(s > 62 ? 62 : s);
		bias[c] = (int16_t)pick(g, 0, 65535);
		if (chance(g, 20))
			scale[c] = (int16_t)-scale[c];
		if (chance(g, 5))
			scale[c] = chance(g, 50) ? 0 : -32768;
		if (chance(g, 5))
			shift[c] = (uint8_t)pick(g, 0, 62);
	}
}

static void random_alphabet(struct gen *g, struct fqz_layer *l)
{
	uint32_t *least, room;

	l->mode = chance(g, 50) && !g->opt->extreme ? FQZ_SHIFT : FQZ_RECENTRALIZED;
	l->bits = pick(g, 3, 8);
	l->coder = FQZ_HUFFMAN;
	l->exponent_count = fqz_exponent_count(l->mode, l->bits);
	if (g->opt->extreme) {	/* e0 = 0, so only m- and m+ can be large */
		l->mean_neg = 18;
		l->mean_pos = 18;
		return;
	}
	if (l->mode == FQZ_SHIFT)
		return;
	/* 2^(e0+E-1) + 2^m stays below 2^20. */
	room = 18 - (l->exponent_count - 1);
	l->first_exponent = pick(g, 0, room < 18 ? room : 18);
	l->mean_neg = pick(g, 0, chance(g, 80) ? 7 : 18);
	l->mean_pos = pick(g, 0, chance(g, 80) ? 7 : 18);
	least = &l->first_exponent;
	if (l->mean_neg < *least)
		least = &l->mean_neg;
	if (l->mean_pos < *least)
		least = &l->mean_pos;
	*least = 0;
}

static void random_weights(struct gen *g, struct fqz_layer *l, uint32_t inputs)
{
	uint32_t outputs = g->tensors[l->output].c, alphabet, sparsity, o, k;
	size_t count = (size_t)outputs * inputs;
	int32_t weights[FQZ_MAX_ALPHABET];
	uint8_t *symbols = malloc(count);
	double *spread = malloc(outputs * sizeof(*spread)), energy;

	random_alphabet(g, l);
	alphabet = fqz_layer_alphabet(l);
	fqz_layer_weights(l, weights);
	sparsity = g->opt->extreme ? 2 : pick(g, 0, 90);
	l->symbols = symbols;
	if (!symbols || !spread) {
		g->failed = -ENOMEM;
		free(spread);
		return;
	}
	for (o = 0; o < outputs; o++) {
		energy = 1;
		for (k = 0; k < inputs; k++) {
			uint32_t s = chance(g, sparsity) ? 0 : pick(g, 0, alphabet - 1);

			symbols[(size_t)o * inputs + k] = (uint8_t)s;
			energy += (double)weights[s] * weights[s];
		}
		spread[o] = sqrt(energy) * 60;
	}
	random_channels(g, l, spread);
	free(spread);
}

static uint32_t out_size(uint32_t size, uint32_t pads, uint32_t window, uint32_t stride)
{
	return (size + pads - window) / stride + 1;
}

static void gen_conv(struct gen *g, bool last)
{
	struct fqz_tensor in = *newest(g);
	uint32_t groups = 1, c = pick(g, 1, g->opt->channels), kh, kw, dh, dw, pads[4], sh, sw, i;
	struct fqz_layer *l;

	if (chance(g, 40)) {	/* groups, often as many as channels */
		groups = chance(g, 60) ? in.c : pick(g, 1, in.c);
		while (in.c % groups)
			groups--;
		c = (c + groups - 1) / groups * groups;
	}
	kh = chance(g, 30) ? 1 : pick(g, 1, in.h < 5 ? in.h : 5);
	kw = chance(g, 60) && kh <= in.w ? kh : pick(g, 1, in.w < 5 ? in.w : 5);
	dh = chance(g, 80) ? 1 : pick(g, 1, 3);
	dw = chance(g, 80) ? 1 : pick(g, 1, 3);
	for (i = 0; i < 4; i++) {
		uint32_t window = i % 2 ? dw * (kw - 1) + 1 : dh * (kh - 1) + 1;

		pads[i] = chance(g, 40) ? 0 : pick(g, 0, window - 1);
	}
	if (in.h + pads[0] + pads[2] < dh * (kh - 1) + 1)
		dh = 1, pads[0] = pads[2] = 0;
	if (in.w + pads[1] + pads[3] < dw * (kw - 1) + 1)
		dw = 1, pads[1] = pads[3] = 0;
	if (pads[0] > dh * (kh - 1) || pads[2] > dh * (kh - 1))
		pads[0] = pads[2] = 0;
	sh = chance(g, 60) ? 1 : pick(g, 1, 3);
	sw = chance(g, 60) ? 1 : pick(g, 1, 3);
	l = add_layer(g, FQZ_CONV, last ? FQZ_S32 : random_type(g), c,
		      out_size(in.h, pads[0] + pads[2], dh * (kh - 1) + 1, sh),
		      out_size(in.w, pads[1] + pads[3], dw * (kw - 1) + 1, sw));
	l->kernel_h = kh;
	l->kernel_w = kw;
	l->stride_h = sh;
	l->stride_w = sw;
	l->dilation_h = dh;
	l->dilation_w = dw;
	l->pad_top = pads[0];
	l->pad_left = pads[1];
	l->pad_bottom = pads[2];
	l->pad_right = pads[3];
	l->groups = groups;
	random_clamp(g, l);
	random_weights(g, l, in.c / groups * kh * kw);
}

static void gen_fc(struct gen *g, bool last)
{
	struct fqz_tensor in = *newest(g);
	uint32_t c = last ? pick(g, 2, 20) : pick(g, 1, g->opt->channels);
	enum fqz_type type = last && chance(g, 70) ? FQZ_S32 : random_type(g);
	struct fqz_layer *l = add_layer(g, FQZ_FC, type, c, 1, 1);

	random_clamp(g, l);
	random_weights(g, l, in.c * in.h * in.w);
}

static void gen_affine(struct gen *g)
{
	struct fqz_tensor in = *newest(g);
	struct fqz_layer *l = add_layer(g, FQZ_AFFINE, random_type(g), in.c, in.h, in.w);
	double *spread = malloc(in.c * sizeof(*spread));
	uint32_t c;

	if (!spread) {
		g->failed = -ENOMEM;
		return;
	}
	for (c = 0; c < in.c; c++)
		spread[c] = 60;
	random_clamp(g, l);
	random_channels(g, l, spread);
	free(spread);
}

static void gen_add(struct gen *g)
{
	struct fqz_tensor in = *newest(g);
	uint32_t newest_id = g->img.tensor_count - 1, other = newest_id, i;
	struct fqz_layer *l;

	for (i = 0; i < newest_id; i++)
		if (g->tensors[i].c == in.c && g->tensors[i].h == in.h &&
		    g->tensors[i].w == in.w && g->tensors[i].type != FQZ_S32 && chance(g, 60))
			other = i;
	if (other == newest_id) {	/* a sibling that can be added */
		gen_affine(g);
		other = newest_id;
	}
	l = add_layer(g, FQZ_ADD, random_type(g), in.c, in.h, in.w);
	l->input_count = 2;
	l->inputs[1] = other;
	l->add_scale[0] = (int16_t)pick(g, 0, 32767);
	l->add_scale[1] = (int16_t)pick(g, 0, 32767);
	l->out_shift = chance(g, 80) ? pick(g, 13, 17) : pick(g, 0, 46);
	random_clamp(g, l);
}

static void gen_concat(struct gen *g)
{
	struct fqz_tensor in = *newest(g);
	uint32_t newest_id = g->img.tensor_count - 1, c = in.c, count = 1, want = pick(g, 2, 8), i;
	uint32_t inputs[FQZ_MAX_INPUTS] = { newest_id };
	struct fqz_layer *l;

	for (i = newest_id; i-- > 0 && count < want;) {
		const struct fqz_tensor *t = &g->tensors[i];

		if (t->h == in.h && t->w == in.w && t->type == in.type && c + t->c < 4096) {
			inputs[count++] = i;
			c += t->c;
		}
	}
	if (count == 1) {
		inputs[count++] = newest_id;
		c += in.c;
	}
	l = add_layer(g, FQZ_CONCAT, in.type, c, in.h, in.w);
	l->input_count = count;
	memcpy(l->inputs, inputs, count * sizeof(inputs[0]));
}

/* One more row in ceil mode, if its window has an element in bounds. */
static uint32_t pool_out(struct gen *g, uint32_t size, uint32_t before, uint32_t after,
			 uint32_t kernel, uint32_t stride)
{
	uint32_t n = out_size(size, before + after, kernel, stride);

	while (n > 1 && (n - 1) * stride >= size + before)
		n--;
	if (n * stride < size + before && n * stride + kernel > before && chance(g, 50) &&
	    n == out_size(size, before + after, kernel, stride))
		n++;
	return n;
}

static void gen_pool(struct gen *g, enum fqz_kind kind)
{
	struct fqz_tensor in = *newest(g);
	uint32_t kh = pick(g, 1, in.h < 4 ? in.h : 4), kw = pick(g, 1, in.w < 4 ? in.w : 4);
	uint32_t top = pick(g, 0, kh - 1), left = pick(g, 0, kw - 1);
	uint32_t sh = pick(g, 1, kh + 1), sw = pick(g, 1, kw + 1);
	uint32_t bottom = pick(g, 0, kh - 1), right = pick(g, 0, kw - 1), h, w;
	struct fqz_layer *l;

	h = out_size(in.h, top + bottom, kh, sh);
	w = out_size(in.w, left + right, kw, sw);
	if ((h - 1) * sh >= in.h + top)
		bottom = 0;
	if ((w - 1) * sw >= in.w + left)
		right = 0;
	h = pool_out(g, in.h, top, bottom, kh, sh);
	w = pool_out(g, in.w, left, right, kw, sw);
	l = add_layer(g, kind, kind == FQZ_MAXPOOL ? in.type : random_type(g), in.c, h, w);
	l->kernel_h = kh;
	l->kernel_w = kw;
	l->stride_h = sh;
	l->stride_w = sw;
	l->pad_top = top;
	l->pad_left = left;
	l->pad_bottom = bottom;
	l->pad_right = right;
	if (kind == FQZ_MAXPOOL)
		return;
	l->pool_rule = (enum fqz_pool_rule)pick(g, 0, 2);
	if (l->pool_rule == FQZ_POOL_DIVISOR)
		l->divisor = pick(g, 1, 20);
	random_clamp(g, l);
}

/* The whole channel summed, then a layer that takes 32-bit sums. */
static void gen_sumpool(struct gen *g)
{
	struct fqz_tensor in = *newest(g);
	struct fqz_layer *l = add_layer(g, FQZ_SUMPOOL, FQZ_S32, in.c, 1, 1);

	l->act_min = INT32_MIN;
	l->act_max = INT32_MAX;
	if (chance(g, 50))
		gen_fc(g, false);
	else
		gen_conv(g, false);
}

static void gen_layer(struct gen *g)
{
	uint32_t kind = g->opt->kind && chance(g, 70) ? g->opt->kind : pick(g, 1, 8);

	/* Keep pictures to look at: pools and dense layers seldom, unless asked for. */
	if (kind != g->opt->kind && (kind == FQZ_FC || kind == FQZ_SUMPOOL) && chance(g, 85))
		kind = FQZ_CONV;
	switch (kind) {
	case FQZ_AFFINE:
		gen_affine(g);
		break;
	case FQZ_CONV:
		gen_conv(g, false);
		break;
	case FQZ_FC:
		gen_fc(g, false);
		break;
	case FQZ_ADD:
		gen_add(g);
		break;
	case FQZ_CONCAT:
		if (newest(g)->c < 512)
			gen_concat(g);
		break;
	case FQZ_SUMPOOL:
		gen_sumpool(g);
		break;
	default:
		gen_pool(g, (enum fqz_kind)kind);
		break;
	}
}

static void gen_classes(struct gen *g)
{
	const struct fqz_tensor *out = newest(g);
	uint32_t i;

	if (out->h != 1 || out->w != 1)
		return;
	g->img.class_count = out->c;
	g->img.classes = g->classes;
	for (i = 0; i < out->c; i++)
		g->classes[i] = i % 2 ? "odd" : "even";
}

static struct gen *gen_new(const struct netgen_options *opt)
{
	struct gen *g = calloc(1, sizeof(*g));
	uint32_t low = opt->size > 3 ? opt->size - opt->size / 3 : opt->size, i;

	if (!g)
		return NULL;
	g->opt = opt;
	g->state = opt->seed;
	g->img.tensors = g->tensors;
	g->img.layers = g->layers;
	g->img.tensor_count = 1;
	for (i = 0; i < 3; i++) {
		g->img.mean[i] = 0.5f;
		g->img.std[i] = 0.25f;
	}
	g->img.resize_shorter = opt->size;
	g->tensors[0] = (struct fqz_tensor){ .type = FQZ_U8, .c = 3, .h = pick(g, low, opt->size),
					     .w = pick(g, low, opt->size), .scale = GEN_SCALE };
	return g;
}

static void gen_free(struct gen *g)
{
	uint32_t i;

	for (i = 0; i < g->img.layer_count; i++) {
		free((void *)(uintptr_t)g->layers[i].scale);
		free((void *)(uintptr_t)g->layers[i].bias);
		free((void *)(uintptr_t)g->layers[i].shift);
		free((void *)(uintptr_t)g->layers[i].symbols);
	}
	free(g);
}

int netgen_image(const struct netgen_options *opt, void **data, size_t *len,
		 const char **what)
{
	struct fqz_error err = { .what = "out of memory" };
	struct gen *g;
	int ret;

	*what = err.what;
	if (!opt->layers || opt->layers > 200 || opt->channels < 2 || opt->channels > 4096 ||
	    !opt->size || opt->size > 1024) {
		*what = "an option is out of its range";
		return -EINVAL;
	}
	g = gen_new(opt);
	if (!g)
		return -ENOMEM;
	while (g->img.layer_count < opt->layers && !g->failed)
		gen_layer(g);
	if (!g->failed && chance(g, 60)) {
		if (chance(g, 70))
			gen_fc(g, true);
		else
			gen_conv(g, true);
	}
	gen_classes(g);
	ret = g->failed;
	if (!ret)
		ret = fqz_image_write(&g->img, data, len, &err);
	*what = err.what;
	gen_free(g);
	return ret;
}
