// SPDX-License-Identifier: MIT
/* Tensor types and scales, layer fields, 16-bit requantization (quantize.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantize.h"

#define LOWER_MAX_SCALE		32767
#define LOWER_MAX_SHIFT		62
#define LOWER_MAX_BIAS_SHIFT	44
#define LOWER_MAX_ADD_SHIFT	46
#define LOWER_MAX_AREA		((size_t)1 << 19)
#define LOWER_LEAST		0x1p-106f	/* by an area of 2^19 still a normal number */
#define LOWER_OUTPUT_BITS	22	/* of the largest output seen; leaves 2^9 of headroom */

/* Tensors that must share type and scale, as a forest: root[t] leads to the group's number. */
static uint32_t root_of(uint32_t *root, uint32_t t)
{
	while (root[t] != t)
		t = root[t] = root[root[t]];
	return t;
}

static void join(uint32_t *root, uint32_t a, uint32_t b)
{
	a = root_of(root, a);
	b = root_of(root, b);
	if (a < b)
		root[b] = a;
	else
		root[a] = b;
}

/*
 * A global pool keeps its sum where only weights or nobody read it, and their sums stay
 * within FORMAT.md section 7: a weight is below 2^20, a pixel below 2^8, which leaves 2^19
 * of 2^47 for area times inputs.
 */
static bool keeps_sum(const struct net *net, const struct net_layer *l)
{
	size_t area, sum;
	uint32_t i, k;

	if (l->kind != NET_GLOBALPOOL)
		return false;
	area = (size_t)net->tensors[l->in[0]].h * net->tensors[l->in[0]].w;
	if (area > LOWER_MAX_AREA)
		return false;
	for (i = 0; i < net->layer_count; i++)
		for (k = 0; k < net->layers[i].in_count; k++) {
			if (net->layers[i].in[k] != l->out)
				continue;
			sum = net_layer_sum(net, &net->layers[i]);
			if (!sum || area * sum > LOWER_MAX_AREA)
				return false;
		}
	return true;
}

static bool shares_scale(const struct net *net, const struct net_layer *l)
{
	return l->kind == NET_MAXPOOL || l->kind == NET_AVGPOOL || l->kind == NET_CONCAT ||
	       (l->kind == NET_GLOBALPOOL && !keeps_sum(net, l));
}

/* Never negative by construction, whatever the picture. */
static bool is_unsigned(const struct net_layer *l, const bool *unsigned_)
{
	uint32_t k;
	bool all = true;

	if (l->act_min >= 0)
		return true;
	if (net_layer_has_weights(l) || l->kind == NET_AFFINE || l->act_max < 0)
		return false;
	for (k = 0; k < l->in_count; k++)
		all &= unsigned_[l->in[k]];
	return all;
}

/* A tensor that was always 0, or as good as that, gets any scale that can be divided by. */
static float scale_of(float scale)
{
	return scale >= LOWER_LEAST ? scale : 1.0f;
}

static void set_scale(struct fqz_tensor *t, bool is_u8, const struct calib_range *range,
		      enum calib_rule rule, float bound)
{
	unsigned int levels = is_u8 ? 255 : 127;
	float clip = calib_clip(range, rule, levels);

	if (clip > bound)
		clip = bound;
	t->type = is_u8 ? FQZ_U8 : FQZ_S8;
	t->scale = scale_of(clip / (float)levels);
}

/* Scales of the groups: each by the values of all its tensors. */
static int group_scales(struct qnet *q, const struct calib *c, enum calib_rule rule,
			uint32_t *root, bool *unsigned_, float pixel_scale,
			struct net_error *err)
{
	const struct net *net = q->net;
	struct calib_range *sum = malloc(sizeof(*sum));
	uint32_t g, t;

	if (!sum)
		return net_nomem(err);
	for (g = 0; g < net->tensor_count; g++) {
		bool all = true;
		float bound = 0;

		if (root_of(root, g) != g)
			continue;
		memset(sum, 0, sizeof(*sum));
		for (t = g; t < net->tensor_count; t++) {
			if (root_of(root, t) != g)
				continue;
			all &= unsigned_[t];
			calib_range_add(sum, &c->ranges[t]);
			if (t && !shares_scale(net, &net->layers[t - 1]))
				bound = fmaxf(bound, fmaxf(fabsf(net->layers[t - 1].act_min),
							   fabsf(net->layers[t - 1].act_max)));
		}
		set_scale(&q->tensors[g], all, sum, rule, bound);
		if (!g && !all) {
			free(sum);
			return net_fail(err,
					"the picture itself is joined with signed values; give "
					"--mean and --std, so that it is normalized first");
		}
		if (!g) {
			/* The picture's own scale holds, whatever is joined with it. */
			q->tensors[0].type = FQZ_U8;
			q->tensors[0].scale = pixel_scale;
		}
		for (t = g; t < net->tensor_count; t++)
			if (root_of(root, t) == g) {
				q->tensors[t].type = q->tensors[g].type;
				q->tensors[t].scale = q->tensors[g].scale;
			}
	}
	free(sum);
	return 0;
}

int lower_tensors(struct qnet *q, const struct calib *c, enum calib_rule rule,
		  float pixel_scale, struct net_error *err)
{
	const struct net *net = q->net;
	uint32_t *root = malloc(net->tensor_count * sizeof(*root)), i, k;
	bool *unsigned_ = calloc(net->tensor_count, sizeof(*unsigned_));
	int rc = root && unsigned_ ? 0 : net_nomem(err);

	for (i = 0; !rc && i < net->tensor_count; i++) {
		root[i] = i;
		q->tensors[i].c = net->tensors[i].c;
		q->tensors[i].h = net->tensors[i].h;
		q->tensors[i].w = net->tensors[i].w;
	}
	for (i = 0; !rc && i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];

		unsigned_[0] = true;
		unsigned_[l->out] = is_unsigned(l, unsigned_);
		for (k = 0; shares_scale(net, l) && k < l->in_count; k++)
			join(root, l->in[k], l->out);
	}
	if (!rc)
		rc = group_scales(q, c, rule, root, unsigned_, pixel_scale, err);
	for (i = 0; !rc && i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];
		struct fqz_tensor *t = &q->tensors[l->out], *x = &q->tensors[l->in[0]];

		if (keeps_sum(net, l)) {
			t->type = FQZ_S32;
			t->scale = x->scale / (float)(x->h * x->w);
		} else if (l->out == net->output && net_layer_has_weights(l)) {
			t->type = FQZ_S32;
			t->scale = scale_of(ldexpf(c->largest_output, -LOWER_OUTPUT_BITS));
		}
	}
	free(root);
	free(unsigned_);
	return rc;
}

/* A real bound in the output's integers, within its type. */
static int32_t bound_of(const struct fqz_tensor *t, float bound, bool upper)
{
	double lo = t->type == FQZ_U8 ? 0 : t->type == FQZ_S8 ? -128 : INT32_MIN;
	double hi = t->type == FQZ_U8 ? 255 : t->type == FQZ_S8 ? 127 : INT32_MAX;
	double v;

	if (isinf(bound))
		return (int32_t)(upper ? hi : lo);
	v = round((double)bound / t->scale);
	return (int32_t)(v < lo ? lo : v > hi ? hi : v);
}

static int lower_add(struct qnet *q, struct fqz_layer *f, struct net_error *err)
{
	double r0 = (double)q->tensors[f->inputs[0]].scale / q->tensors[f->output].scale;
	double r1 = (double)q->tensors[f->inputs[1]].scale / q->tensors[f->output].scale;
	int shift = LOWER_MAX_ADD_SHIFT;

	while (shift >= 0 && ldexp(fmax(r0, r1), shift) > LOWER_MAX_SCALE)
		shift--;
	if (shift < 0)
		return net_fail(err,
				"an addition whose output is 2^15 times smaller than its inputs");
	f->out_shift = (uint32_t)shift;
	f->add_scale[0] = (int16_t)lrint(ldexp(r0, shift));
	f->add_scale[1] = (int16_t)lrint(ldexp(r1, shift));
	return 0;
}

static void lower_window(struct fqz_layer *f, const struct net_layer *l)
{
	f->kernel_h = l->kernel_h;
	f->kernel_w = l->kernel_w;
	f->stride_h = l->stride_h;
	f->stride_w = l->stride_w;
	f->pad_top = l->pad_top;
	f->pad_left = l->pad_left;
	f->pad_bottom = l->pad_bottom;
	f->pad_right = l->pad_right;
}

static int lower_kind(struct qnet *q, const struct net_layer *l, struct fqz_layer *f,
		      struct net_error *err)
{
	switch (l->kind) {
	case NET_AFFINE:
		f->kind = FQZ_AFFINE;
		return 0;
	case NET_CONV:
		f->kind = FQZ_CONV;
		lower_window(f, l);
		f->dilation_h = l->dilation_h;
		f->dilation_w = l->dilation_w;
		f->groups = l->groups;
		return 0;
	case NET_FC:
		f->kind = FQZ_FC;
		return 0;
	case NET_ADD:
		f->kind = FQZ_ADD;
		return lower_add(q, f, err);
	case NET_CONCAT:
		f->kind = FQZ_CONCAT;
		return 0;
	case NET_MAXPOOL:
		f->kind = FQZ_MAXPOOL;
		lower_window(f, l);
		return 0;
	case NET_AVGPOOL:
		f->kind = FQZ_AVGPOOL;
		lower_window(f, l);
		f->pool_rule = l->divisor ? FQZ_POOL_DIVISOR :
			       l->count_padding ? FQZ_POOL_PADDED : FQZ_POOL_IN_BOUNDS;
		f->divisor = l->divisor;
		return 0;
	case NET_GLOBALPOOL:
		if (keeps_sum(q->net, l)) {
			f->kind = FQZ_SUMPOOL;
			return 0;
		}
		f->kind = FQZ_AVGPOOL;
		f->kernel_h = q->tensors[l->in[0]].h;
		f->kernel_w = q->tensors[l->in[0]].w;
		f->stride_h = f->stride_w = 1;
		if (f->kernel_h > 1024 || f->kernel_w > 1024)
			return net_fail(err, "layer '%.200s': a global pool over more than 1024 "
					"rows or columns", l->name);
		return 0;
	case NET_PAD:
		break;
	}
	return -EINVAL;
}

static int lower_affine(struct qnet *q, uint32_t layer, struct net_error *err)
{
	const struct net_layer *l = &q->net->layers[layer];
	uint32_t channels = q->tensors[l->out].c, c;
	double *factor = malloc(channels * sizeof(*factor));
	double *bias = malloc(channels * sizeof(*bias));
	int rc;

	for (c = 0; factor && bias && c < channels; c++) {
		factor[c] = (double)l->scale[c] * q->tensors[l->in[0]].scale;
		bias[c] = l->bias[c];
	}
	rc = factor && bias ? lower_channels(q, layer, factor, bias, err) : net_nomem(err);
	free(factor);
	free(bias);
	return rc;
}

int lower_layer(struct qnet *q, uint32_t layer, struct net_error *err)
{
	const struct net_layer *l = &q->net->layers[layer];
	struct fqz_layer *f = &q->layers[layer].f;
	const struct fqz_tensor *out = &q->tensors[l->out];
	uint32_t k;
	int rc;

	f->name = l->name;
	f->input_count = l->in_count;
	for (k = 0; k < l->in_count; k++)
		f->inputs[k] = l->in[k];
	f->output = l->out;
	if (l->kind != NET_CONCAT && l->kind != NET_MAXPOOL) {
		f->act_min = bound_of(out, l->act_min, false);
		f->act_max = bound_of(out, l->act_max, true);
	}
	rc = lower_kind(q, l, f, err);
	return rc || l->kind != NET_AFFINE ? rc : lower_affine(q, layer, err);
}

void lower_weights(struct fqz_layer *f, const struct quant_alphabet *a)
{
	f->mode = a->mode;
	f->bits = a->bits;
	f->exponent_count = a->exponent_count;
	f->first_exponent = a->first_exponent;
	f->mean_neg = a->mean_neg;
	f->mean_pos = a->mean_pos;
}

/* A channel's 16-bit integers for bias shift @b; returns the error that they leave. */
static double channel_params(double factor, double bias, int b, double range, int16_t *scale,
			     int16_t *offset, uint8_t *shift)
{
	int s = LOWER_MAX_SHIFT, e;

	if (factor != 0) {
		frexp(LOWER_MAX_SCALE / fabs(factor), &e);
		s = e - 1 < s ? e - 1 : s;
	}
	if (bias != 0) {
		frexp(LOWER_MAX_SCALE / fabs(bias), &e);
		s = b + e - 1 < s ? b + e - 1 : s;
	}
	if (s < 0)
		return INFINITY;
	*shift = (uint8_t)s;
	*scale = (int16_t)lrint(ldexp(factor, s));
	*offset = (int16_t)lrint(ldexp(bias, s - b));
	return fabs(ldexp(*scale, -s) - factor) * range + fabs(ldexp(*offset, b - s) - bias);
}

/* All channels with one bias shift; the sum of their squared errors, or a part of it above @enough. */
static double channels_try(const struct qnet *q, struct qlayer *l, const double *factor,
			   const double *bias, int b, double enough)
{
	const struct fqz_tensor *t = &q->tensors[l->f.output];
	/* Outputs that matter are at most this large, so accumulators are (top + bias) / factor. */
	double top = t->type == FQZ_S32 ? ldexp(1, LOWER_OUTPUT_BITS) : 256, loss = 0;
	uint32_t c;

	for (c = 0; c < t->c && !(loss > enough); c++) {
		double f = factor[c] / t->scale, o = bias[c] / t->scale, e;
		double range = f != 0 ? (top + fabs(o)) / fabs(f) : 0;

		e = channel_params(f, o, b, range, &l->scale[c], &l->bias[c], &l->shift[c]);
		loss += e * e;
	}
	return loss;
}

int lower_channels(struct qnet *q, uint32_t layer, const double *factor, const double *bias,
		   struct net_error *err)
{
	struct qlayer *l = &q->layers[layer];
	const struct fqz_tensor *t = &q->tensors[l->f.output];
	int b, chosen = -1, first = l->f.scale ? (int)l->f.bias_shift : 0;
	double best = INFINITY, loss;

	/* One may be there from a time when memory did not suffice for all. */
	l->scale = l->scale ? l->scale : calloc(t->c, sizeof(*l->scale));
	l->bias = l->bias ? l->bias : calloc(t->c, sizeof(*l->bias));
	l->shift = l->shift ? l->shift : calloc(t->c, sizeof(*l->shift));
	if (!l->scale || !l->bias || !l->shift)
		return net_nomem(err);
	/* The least error, of equal ones the smallest shift; the last best first, so that most others are
	 * given up after a few channels. */
	for (b = -1; b <= LOWER_MAX_BIAS_SHIFT; b++) {
		int use = b < 0 ? first : b;

		loss = channels_try(q, l, factor, bias, use, best);
		if (loss < best || (loss == best && use < chosen)) {
			best = loss;
			chosen = use;
		}
	}
	if (chosen < 0)
		return net_fail(err, "layer '%.200s': its scales or biases are beyond 16 bits",
				l->f.name);
	channels_try(q, l, factor, bias, chosen, INFINITY);
	l->f.bias_shift = (uint32_t)chosen;
	l->f.scale = l->scale;
	l->f.bias = l->bias;
	l->f.shift = l->shift;
	return 0;
}
