// SPDX-License-Identifier: MIT
/*
 * From the layers of a file to those of an .fqz image: folding, fusing,
 * dropping what nothing reads, renumbering (graph.h, net_simplify()).
 *
 * A merged layer is marked by in_count 0 until net_compact() drops it. A layer
 * is looked up by the tensor that it writes; each tensor has one writer. Layers
 * are merged in their order, each into one before it, so one pass does: what a
 * layer reads is final when its turn comes. All of it takes time that grows with
 * the number of layers and inputs, no faster: files may be hostile.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

struct uses {
	int32_t *writer;	/* by tensor: layer, -1 for the input */
	uint32_t *readers;	/* by tensor: how often it is read */
	uint32_t *stands_for;	/* by tensor: the one to read instead, mostly itself */
};

static bool layer_is_dead(const struct net_layer *l)
{
	return !l->in_count;
}

static void uses_count(const struct net *net, struct uses *u)
{
	uint32_t i, k;

	for (i = 0; i < net->tensor_count; i++) {
		u->writer[i] = -1;
		u->readers[i] = 0;
		u->stands_for[i] = i;
	}
	for (i = 0; i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];

		u->writer[l->out] = (int32_t)i;
		for (k = 0; k < l->in_count; k++)
			u->readers[l->in[k]]++;
	}
	u->readers[net->output]++;
}

/* The layer is no more; what it read is read less. */
static void layer_kill(struct uses *u, struct net_layer *l)
{
	uint32_t k;

	for (k = 0; k < l->in_count; k++)
		u->readers[l->in[k]]--;
	l->in_count = 0;
}

/* Layers that nothing reads, from the last on so that those before them follow. */
static void unread_drop(struct net *net, struct uses *u)
{
	uint32_t i;

	for (i = net->layer_count; i--;)
		if (!layer_is_dead(&net->layers[i]) && !u->readers[net->layers[i].out])
			layer_kill(u, &net->layers[i]);
}

/* The layer that writes input @k of @l, if @l alone reads it. */
static struct net_layer *only_producer(struct net *net, const struct uses *u,
				       const struct net_layer *l, uint32_t k)
{
	uint32_t t = l->in[k];

	if (u->writer[t] < 0 || u->readers[t] != 1)
		return NULL;
	return &net->layers[u->writer[t]];
}

static bool has_bounds(const struct net_layer *l)
{
	return l->act_min != -INFINITY || l->act_max != INFINITY;
}

static bool is_clamp(const struct net *net, const struct net_layer *l)
{
	uint32_t c;

	if (l->kind != NET_AFFINE)
		return false;
	for (c = 0; c < net->tensors[l->out].c; c++)
		if (l->scale[c] != 1.0f || l->bias[c] != 0.0f)
			return false;
	return true;
}

/* @p takes over @l's output, @l disappears. */
static void absorb(struct net *net, struct uses *u, struct net_layer *p, struct net_layer *l)
{
	layer_kill(u, l);
	p->out = l->out;
	u->writer[p->out] = (int32_t)(p - net->layers);
}

/* y = scale * (w x + b) + bias: into the weights of the convolution before. */
static void fold_affine(struct net *net, struct uses *u, struct net_layer *p,
			struct net_layer *l)
{
	uint32_t c, channels = net->tensors[l->out].c;
	size_t i, sum = net_layer_sum(net, p);

	for (c = 0; c < channels; c++) {
		if (p->kind != NET_AFFINE)
			for (i = 0; i < sum; i++)
				p->weight[c * sum + i] *= l->scale[c];
		else
			p->scale[c] *= l->scale[c];
		p->bias[c] = p->bias[c] * l->scale[c] + l->bias[c];
	}
	p->act_min = l->act_min;
	p->act_max = l->act_max;
	absorb(net, u, p, l);
}

/* Intersect bounds, as clamp(clamp(x)) does where the second interval meets the first. */
static void fuse_clamp(struct net_layer *p, const struct net_layer *l)
{
	float lo = fmaxf(p->act_min, l->act_min), hi = fminf(p->act_max, l->act_max);

	p->act_min = fminf(fmaxf(p->act_min, l->act_min), l->act_max);
	p->act_max = fmaxf(fminf(p->act_max, l->act_max), l->act_min);
	if (lo <= hi) {
		p->act_min = lo;
		p->act_max = hi;
	}
}

static bool takes_bounds(const struct net_layer *l)
{
	return net_layer_has_weights(l) || l->kind == NET_ADD || l->kind == NET_AFFINE ||
	       l->kind == NET_AVGPOOL;
}

/* clamp(max(x)) = max(clamp(x)), clamp(concat(x)) = concat(clamp(x)): move the clamp up. */
static bool clamp_lift(struct net *net, struct uses *u, struct net_layer *p,
		       struct net_layer *l)
{
	struct net_layer *above;
	uint32_t k;

	if (p->kind != NET_MAXPOOL && p->kind != NET_CONCAT)
		return false;
	for (k = 0; k < p->in_count; k++) {
		above = only_producer(net, u, p, k);
		if (!above || !takes_bounds(above))
			return false;
	}
	for (k = 0; k < p->in_count; k++)
		fuse_clamp(only_producer(net, u, p, k), l);
	absorb(net, u, p, l);
	return true;
}

static bool layer_fuse(struct net *net, struct uses *u, struct net_layer *l)
{
	struct net_layer *p;

	if (l->kind != NET_AFFINE)
		return false;
	p = only_producer(net, u, l, 0);
	if (!p)
		return false;
	if (!has_bounds(p) && (net_layer_has_weights(p) || p->kind == NET_AFFINE)) {
		fold_affine(net, u, p, l);
		return true;
	}
	if (!is_clamp(net, l))
		return false;
	if (takes_bounds(p)) {
		fuse_clamp(p, l);
		absorb(net, u, p, l);
		return true;
	}
	return clamp_lift(net, u, p, l);
}

/* Whether zeros around the input of @l are the same as padding of its own. */
static bool takes_zeros(const struct net *net, const struct uses *u, const struct net_layer *l,
			const struct net_layer *pad)
{
	int32_t above;

	switch (l->kind) {
	case NET_CONV:
	case NET_PAD:
		return true;
	case NET_AVGPOOL:
		/* They are counted, so padding of its own must be, too. */
		return l->count_padding ||
		       (!l->pad_top && !l->pad_left && !l->pad_bottom && !l->pad_right);
	case NET_MAXPOOL:
		/* No zero is larger than what a ReLU lets through. */
		above = u->writer[pad->in[0]];
		return above >= 0 && net->layers[above].act_min >= 0;
	default:
		return false;
	}
}

static void pad_join(const struct net *net, struct uses *u, struct net_layer *l)
{
	struct net_layer *p;

	if (u->writer[l->in[0]] < 0)
		return;
	p = &net->layers[u->writer[l->in[0]]];
	if (p->kind != NET_PAD || !takes_zeros(net, u, l, p))
		return;
	/* The pad may have several layers after it: each takes its own copy. */
	l->pad_top += p->pad_top;
	l->pad_left += p->pad_left;
	l->pad_bottom += p->pad_bottom;
	l->pad_right += p->pad_right;
	l->count_padding |= l->kind == NET_AVGPOOL;
	u->readers[p->in[0]]++;
	u->readers[p->out]--;
	l->in[0] = p->in[0];
	if (!u->readers[p->out])
		layer_kill(u, p);
}

/* An AFFINE that scales nothing and bounds nothing. */
static bool identity_drop(struct net *net, struct uses *u, struct net_layer *l)
{
	if (l->kind != NET_AFFINE || has_bounds(l) || !is_clamp(net, l))
		return false;
	if (l->out == net->output) {
		if (u->writer[l->in[0]] < 0)
			return false;
		net->output = l->in[0];
	}
	u->stands_for[l->out] = l->in[0];
	u->readers[l->in[0]] += u->readers[l->out];
	layer_kill(u, l);
	return true;
}

static void layers_merge(struct net *net, struct uses *u)
{
	uint32_t i, k;

	for (i = 0; i < net->layer_count; i++) {
		struct net_layer *l = &net->layers[i];

		for (k = 0; k < l->in_count; k++)
			l->in[k] = u->stands_for[l->in[k]];
		if (layer_is_dead(l) || identity_drop(net, u, l))
			continue;
		pad_join(net, u, l);
		layer_fuse(net, u, l);
	}
}

static int check_left_over(const struct net *net, struct net_error *err)
{
	const struct net_tensor *ti, *to;
	uint32_t i;

	for (i = 0; i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];

		if (layer_is_dead(l))
			continue;
		if (l->kind == NET_PAD)
			return net_fail(err, "layer '%.200s': Pad is supported only right before a "
					"convolution, AveragePool, or MaxPool after a ReLU",
					l->name);
		if (l->kind != NET_CONV && l->kind != NET_AVGPOOL && l->kind != NET_MAXPOOL)
			continue;
		if (l->pad_top > 255 || l->pad_left > 255 || l->pad_bottom > 255 ||
		    l->pad_right > 255 ||
		    l->pad_top >= (l->kernel_h - 1) * l->dilation_h + 1 ||
		    l->pad_bottom >= (l->kernel_h - 1) * l->dilation_h + 1 ||
		    l->pad_left >= (l->kernel_w - 1) * l->dilation_w + 1 ||
		    l->pad_right >= (l->kernel_w - 1) * l->dilation_w + 1)
			return net_fail(err,
					"layer '%.200s': the padding is as large as the kernel, "
					"which the card can't do",
					l->name);
		/* A pool's last window must reach an element (FORMAT.md section 4.1). */
		to = &net->tensors[l->out];
		ti = &net->tensors[l->in[0]];
		if (l->kind != NET_CONV &&
		    ((to->h - 1) * l->stride_h >= ti->h + l->pad_top ||
		     (to->w - 1) * l->stride_w >= ti->w + l->pad_left))
			return net_fail(err, "layer '%.200s': a window that lies in the padding "
					"alone, which the card can't do", l->name);
	}
	return 0;
}

/* Drop dead layers; tensor 0 becomes the input, tensor i + 1 layer i's output. */
static int net_compact(struct net *net, struct net_error *err)
{
	struct net_tensor *tensors;
	uint32_t *number, i, k, n = 0;

	number = calloc(net->tensor_count, sizeof(*number));
	tensors = calloc((size_t)net->layer_count + 1, sizeof(*tensors));
	if (!number || !tensors) {
		free(number);
		free(tensors);
		return net_nomem(err);
	}
	tensors[0] = net->tensors[net->input];
	net->tensors[net->input].name = NULL;
	number[net->input] = 0;
	for (i = 0; i < net->layer_count; i++) {
		struct net_layer *l = &net->layers[i];

		if (layer_is_dead(l)) {
			free(l->name);
			free(l->weight);
			free(l->bias);
			free(l->scale);
			continue;
		}
		for (k = 0; k < l->in_count; k++)
			l->in[k] = number[l->in[k]];
		tensors[n + 1] = net->tensors[l->out];
		net->tensors[l->out].name = NULL;
		number[l->out] = n + 1;
		l->out = n + 1;
		net->layers[n++] = *l;
	}
	net->output = number[net->output];
	net->input = 0;
	for (i = 0; i < net->tensor_count; i++)
		free(net->tensors[i].name);
	free(net->tensors);
	free(number);
	net->tensors = tensors;
	net->layer_count = n;
	net->tensor_count = net->tensor_room = n + 1;
	return 0;
}

/* A small file can describe work without end; and weights may have become infinite by folding. */
static int check_size(const struct net *net, struct net_error *err)
{
	uint64_t activations = 0, products = 0;
	uint32_t i;
	size_t k, n;

	for (i = 0; i < net->tensor_count; i++)
		activations += net_tensor_elements(&net->tensors[i]);
	for (i = 0; i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];
		const struct net_tensor *t = &net->tensors[l->out];

		n = net_layer_weights(net, l);
		products += (uint64_t)n * t->h * t->w;
		/* The executor gathers them, on each thread. */
		if (net_layer_sum(net, l) * t->w > NET_MAX_COLUMNS)
			return net_fail(err, "layer '%.200s' is too large: %u columns that sum %zu "
					"values each", l->name, t->w, net_layer_sum(net, l));
		for (k = 0; k < n; k++)
			if (!isfinite(l->weight[k]))
				break;
		if (k < n)
			return net_fail(err, "layer '%.200s' has infinite weights", l->name);
		for (k = 0; l->bias && k < t->c; k++)
			if (!isfinite(l->bias[k]) || (l->scale && !isfinite(l->scale[k])))
				return net_fail(err, "layer '%.200s' has an infinite scale or bias",
						l->name);
	}
	if (activations > NET_MAX_ACTIVATIONS || products > NET_MAX_PRODUCTS)
		return net_fail(err, "the network is too large: %llu activations, %llu "
				"multiplications; at most 2^28 and 2^40 are supported",
				(unsigned long long)activations, (unsigned long long)products);
	return 0;
}

int net_simplify(struct net *net, struct net_error *err)
{
	struct uses u = { NULL, NULL, NULL };
	int rc;

	u.writer = calloc(net->tensor_count, sizeof(*u.writer));
	u.readers = calloc(net->tensor_count, sizeof(*u.readers));
	u.stands_for = calloc(net->tensor_count, sizeof(*u.stands_for));
	if (!u.writer || !u.readers || !u.stands_for) {
		rc = net_nomem(err);
		goto out;
	}
	uses_count(net, &u);
	unread_drop(net, &u);
	layers_merge(net, &u);
	unread_drop(net, &u);
	rc = check_left_over(net, err);
	if (!rc)
		rc = net_compact(net, err);
	if (!rc && !net->layer_count)
		rc = net_fail(err, "no layer is left: the output does not depend on the input");
	if (!rc && net->layer_count > NET_MAX_LAYERS)
		rc = net_fail(err, "%u layers, at most %u are supported", net->layer_count,
			      NET_MAX_LAYERS);
	if (!rc && net->output != net->layer_count)
		rc = net_fail(err, "the output is not written by the last layer");
	if (!rc)
		rc = check_size(net, err);
out:
	free(u.writer);
	free(u.readers);
	free(u.stands_for);
	return rc;
}
