// SPDX-License-Identifier: MIT
/* See train_nets.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/rng.h"
#include "train_nets.h"

const char *const train_nets_names[TRAIN_NETS_ALL] = {
	"plain", "residual", "branches", "pools", "wide", "long",
};

/* A layer of a list: it writes the tensor after the last one's. Sizes follow from the fields. */
struct entry {
	enum net_kind kind;
	uint32_t in[3], in_count;	/* in_count 0: one */
	uint32_t c;			/* of a convolution's output */
	uint32_t k, stride, dilation, groups;	/* 0: 1 */
	uint32_t k_w, stride_w;			/* 0: as k and stride */
	uint32_t pad[4];		/* top, left, bottom, right */
	float max;			/* 0: no bounds; INFINITY: ReLU; 6: ReLU6 */
	bool count_padding, ceil;
	uint32_t divisor;
};

#define RELU	.max = INFINITY
#define RELU6	.max = 6
#define SAME	.pad = { 1, 1, 1, 1 }

static const struct entry plain[] = {
	{ .kind = NET_AFFINE, .in = { 0 } },
	{ .kind = NET_CONV, .in = { 1 }, .c = 6, .k = 3, SAME, RELU },
	{ .kind = NET_MAXPOOL, .in = { 2 }, .k = 2, .stride = 2 },
	{ .kind = NET_CONV, .in = { 3 }, .c = 8, .k = 3, .stride = 2, .pad = { 0, 1, 1, 0 }, RELU6 },
	{ .kind = NET_FC, .in = { 4 }, .c = 12, RELU },
	{ .kind = NET_FC, .in = { 5 }, .c = TRAIN_NETS_CLASSES },
};

static const struct entry residual[] = {
	{ .kind = NET_AFFINE, .in = { 0 } },
	{ .kind = NET_CONV, .in = { 1 }, .c = 8, .k = 3, SAME, RELU },
	{ .kind = NET_CONV, .in = { 2 }, .c = 8, .k = 3, SAME, RELU },
	{ .kind = NET_CONV, .in = { 3 }, .c = 8, .k = 3, SAME },
	{ .kind = NET_ADD, .in = { 2, 4 }, .in_count = 2, RELU },
	{ .kind = NET_CONV, .in = { 5 }, .c = 12, .k = 3, .stride = 2, SAME, RELU },
	{ .kind = NET_CONV, .in = { 6 }, .c = 12, .k = 3, SAME },
	{ .kind = NET_CONV, .in = { 5 }, .c = 12, .k = 1, .stride = 2 },
	{ .kind = NET_ADD, .in = { 7, 8 }, .in_count = 2, RELU },
	{ .kind = NET_GLOBALPOOL, .in = { 9 } },
	{ .kind = NET_CONV, .in = { 10 }, .c = TRAIN_NETS_CLASSES, .k = 1 },
};

static const struct entry branches[] = {
	{ .kind = NET_AFFINE, .in = { 0 } },
	{ .kind = NET_CONV, .in = { 1 }, .c = 8, .k = 3, .stride = 2, .pad = { 1, 1, 0, 0 }, RELU6 },
	{ .kind = NET_CONV, .in = { 2 }, .c = 8, .k = 3, .groups = 8, SAME, RELU6 },
	{ .kind = NET_CONV, .in = { 2 }, .c = 4, .k = 3, .dilation = 2, .groups = 2,
	  .pad = { 2, 2, 2, 2 }, RELU },
	{ .kind = NET_AVGPOOL, .in = { 2 }, .k = 3, SAME },
	{ .kind = NET_CONCAT, .in = { 3, 4, 5 }, .in_count = 3 },
	{ .kind = NET_CONV, .in = { 6 }, .c = 6, .k = 1, RELU },
	{ .kind = NET_CONCAT, .in = { 7, 7 }, .in_count = 2 },
	{ .kind = NET_ADD, .in = { 8, 8 }, .in_count = 2, RELU6 },
	{ .kind = NET_AFFINE, .in = { 9 }, RELU },
	{ .kind = NET_GLOBALPOOL, .in = { 10 } },
	{ .kind = NET_FC, .in = { 11 }, .c = TRAIN_NETS_CLASSES },
};

static const struct entry pools[] = {
	{ .kind = NET_AFFINE, .in = { 0 } },
	{ .kind = NET_CONV, .in = { 1 }, .c = 8, .k = 3, SAME, RELU },
	{ .kind = NET_MAXPOOL, .in = { 2 }, .k = 3, .stride = 2, SAME, .ceil = true },
	{ .kind = NET_CONV, .in = { 3 }, .c = 9, .k = 3, .pad = { 1, 0, 1, 2 }, RELU },
	{ .kind = NET_AVGPOOL, .in = { 4 }, .k = 3, .stride = 2, .pad = { 1, 0, 0, 1 }, .ceil = true,
	  .count_padding = true },
	{ .kind = NET_AVGPOOL, .in = { 5 }, .k = 2, .divisor = 3, RELU },
	{ .kind = NET_CONV, .in = { 6 }, .c = 12, .k = 2, .k_w = 3, .stride = 1, .stride_w = 2,
	  .pad = { 1, 1, 0, 1 }, RELU },
	{ .kind = NET_AVGPOOL, .in = { 7 }, .k = 2, .stride = 2, .ceil = true },
	{ .kind = NET_CONV, .in = { 8 }, .c = TRAIN_NETS_CLASSES, .k = 1 },
	{ .kind = NET_GLOBALPOOL, .in = { 9 } },
};

static const struct entry wide[] = {
	{ .kind = NET_AFFINE, .in = { 0 } },
	{ .kind = NET_CONV, .in = { 1 }, .c = 32, .k = 3, SAME, RELU },
	{ .kind = NET_CONV, .in = { 2 }, .c = 64, .k = 3, .stride = 2, SAME, RELU },
	{ .kind = NET_CONV, .in = { 3 }, .c = 64, .k = 3, .groups = 64, SAME, RELU6 },
	{ .kind = NET_CONV, .in = { 4 }, .c = 48, .k = 1, RELU },
	{ .kind = NET_CONV, .in = { 5 }, .c = 48, .k = 3, SAME },
	{ .kind = NET_ADD, .in = { 5, 6 }, .in_count = 2, RELU },
	{ .kind = NET_MAXPOOL, .in = { 7 }, .k = 2, .stride = 2 },
	{ .kind = NET_CONV, .in = { 8 }, .c = 64, .k = 3, .groups = 2, SAME, RELU },
	{ .kind = NET_GLOBALPOOL, .in = { 9 } },
	{ .kind = NET_FC, .in = { 10 }, .c = TRAIN_NETS_CLASSES },
};

static const struct entry longest[] = {
	{ .kind = NET_AFFINE, .in = { 0 }, RELU },
	{ .kind = NET_FC, .in = { 1 }, .c = TRAIN_NETS_CLASSES },
};

static const struct {
	const struct entry *entries;
	uint32_t count, h, w;
} lists[TRAIN_NETS_ALL] = {
	{ plain, sizeof(plain) / sizeof(plain[0]), 9, 10 },
	{ residual, sizeof(residual) / sizeof(residual[0]), 8, 8 },
	{ branches, sizeof(branches) / sizeof(branches[0]), 10, 9 },
	{ pools, sizeof(pools) / sizeof(pools[0]), 12, 13 },
	{ wide, sizeof(wide) / sizeof(wide[0]), 16, 16 },
	{ longest, sizeof(longest) / sizeof(longest[0]), 64, 64 },
};

double train_net_normal(uint64_t seed, uint64_t stream, uint64_t i)
{
	double u = 1 - rng_uniform(seed, stream, 2 * i), v = rng_uniform(seed, stream, 2 * i + 1);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

void train_net_pixels(uint8_t *pixels, size_t n, uint64_t seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		pixels[i] = (uint8_t)(256 * rng_uniform(seed, 1000, i));
}

void train_net_labels(uint16_t *labels, size_t n, uint64_t seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		labels[i] = (uint16_t)(TRAIN_NETS_CLASSES * rng_uniform(seed, 1001, i));
}

static float *values(size_t n, uint64_t seed, uint64_t stream, double mean, double deviation)
{
	float *v = malloc(n * sizeof(*v));
	size_t i;

	if (!v)
		abort();
	for (i = 0; i < n; i++)
		v[i] = (float)(mean + deviation * train_net_normal(seed, stream, i));
	return v;
}

static uint32_t positions(uint32_t size, uint32_t pads, uint32_t kernel, uint32_t dilation,
			  uint32_t stride, bool ceil)
{
	return (size + pads - dilation * (kernel - 1) - 1 + (ceil ? stride - 1 : 0)) / stride + 1;
}

static void layer_values(const struct net *n, struct net_layer *l, uint32_t c, uint64_t seed)
{
	uint64_t stream = 10 * (uint64_t)l->out;
	size_t sum;

	if (net_layer_has_weights(l)) {
		sum = (size_t)n->tensors[l->in[0]].c / l->groups * l->kernel_h * l->kernel_w;
		l->weight = values(c * sum, seed, stream, 0, sqrt(2.0 / (double)sum));
	} else if (l->kind != NET_AFFINE) {
		return;
	} else if (l->in[0] == n->input) {
		/* What makes pictures of mean 0 and deviation 1. */
		l->scale = values(c, seed, stream + 1, 3.5, 0.1);
		l->bias = values(c, seed, stream + 2, -1.75, 0.1);
		return;
	} else {
		l->scale = values(c, seed, stream + 1, 0.5, 0.7);
	}
	l->bias = values(c, seed, stream + 2, 0.1, 0.3);
}

static void add(struct net *n, const struct entry *e, uint64_t seed)
{
	static struct net_error err;
	const struct net_tensor *ti = &n->tensors[e->in[0]];
	uint32_t c = e->c ? e->c : ti->c, h = ti->h, w = ti->w, i;
	struct net_layer l;
	char name[16];

	net_layer_init(&l, e->kind);
	snprintf(name, sizeof(name), "t%u", n->tensor_count);
	l.name = name;
	l.in_count = e->in_count ? e->in_count : 1;
	for (i = 0; i < l.in_count; i++)
		l.in[i] = e->in[i];
	l.kernel_h = e->kind == NET_FC ? h : e->k ? e->k : 1;
	l.kernel_w = e->kind == NET_FC ? w : e->k_w ? e->k_w : l.kernel_h;
	l.stride_h = e->stride ? e->stride : 1;
	l.stride_w = e->stride_w ? e->stride_w : l.stride_h;
	l.dilation_h = l.dilation_w = e->dilation ? e->dilation : 1;
	l.groups = e->groups ? e->groups : 1;
	l.pad_top = e->pad[0];
	l.pad_left = e->pad[1];
	l.pad_bottom = e->pad[2];
	l.pad_right = e->pad[3];
	l.count_padding = e->count_padding;
	l.divisor = e->divisor;
	if (e->max > 0) {
		l.act_min = 0;
		l.act_max = e->max;
	}
	h = positions(h, l.pad_top + l.pad_bottom, l.kernel_h, l.dilation_h, l.stride_h, e->ceil);
	w = positions(w, l.pad_left + l.pad_right, l.kernel_w, l.dilation_w, l.stride_w, e->ceil);
	if (e->kind == NET_GLOBALPOOL)
		h = w = 1;
	for (i = 1; e->kind == NET_CONCAT && i < l.in_count; i++)
		c += n->tensors[l.in[i]].c;
	l.out = n->tensor_count;
	layer_values(n, &l, c, seed);
	if (net_add_tensor(n, "t", c, h, w, &err) < 0 || net_add_layer(n, &l, &err))
		abort();
}

struct net *train_net(enum train_nets which, uint64_t seed)
{
	static struct net_error err;
	struct net *n = net_create();
	uint32_t i;

	if (!n || net_add_tensor(n, "x", 3, lists[which].h, lists[which].w, &err) < 0)
		abort();
	for (i = 0; i < lists[which].count; i++)
		add(n, &lists[which].entries[i], seed);
	n->output = n->tensor_count - 1;
	return n;
}
