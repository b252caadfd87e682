// SPDX-License-Identifier: MIT
/* See quant_net.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/graph.h"
#include "net/rng.h"
#include "quant_net.h"

const uint32_t quant_net_weighted[4] = { 0, 2, 4, 7 };

float quant_net_uniform(uint64_t stream, uint64_t i)
{
	return (float)(2 * rng_uniform(21, stream, i) - 1);
}

float *quant_net_fill(size_t n, uint64_t stream, float scale)
{
	float *v = malloc(n * sizeof(*v));
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = scale * quant_net_uniform(stream, i) *
		       fabsf(quant_net_uniform(stream + 100, i));
	return v;
}

/* Convolution, pool, residual, concatenation, classifier on 3-channel pictures. */
struct net *quant_net(void)
{
	static struct net_error err;
	struct net *n = net_create();
	struct net_layer l;
	static const struct {
		enum net_kind kind;
		uint32_t in[2], c, side, k, stride;
		bool relu;
	} list[] = {
		{ NET_CONV, { 0 }, 8, 12, 3, 1, true }, { NET_MAXPOOL, { 1 }, 8, 6, 2, 2, false },
		{ NET_CONV, { 2 }, 8, 6, 3, 1, false }, { NET_ADD, { 2, 3 }, 8, 6, 1, 1, true },
		{ NET_CONV, { 4 }, 6, 6, 1, 1, true }, { NET_CONCAT, { 4, 5 }, 14, 6, 1, 1, false },
		{ NET_GLOBALPOOL, { 6 }, 14, 1, 1, 1, false }, { NET_FC, { 7 }, 5, 1, 1, 1, false },
	};
	uint32_t i;

	net_add_tensor(n, "x", 3, 12, 12, &err);
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		net_add_tensor(n, "t", list[i].c, list[i].side, list[i].side, &err);
		net_layer_init(&l, list[i].kind);
		l.in_count = list[i].kind == NET_ADD || list[i].kind == NET_CONCAT ? 2 : 1;
		l.in[0] = list[i].in[0];
		l.in[1] = list[i].in[1];
		l.out = i + 1;
		l.kernel_h = l.kernel_w = list[i].k;
		l.stride_h = l.stride_w = list[i].stride;
		if (list[i].kind == NET_CONV)
			l.pad_top = l.pad_left = l.pad_bottom = l.pad_right = list[i].k / 2;
		if (list[i].relu)
			l.act_min = 0;
		if (net_layer_has_weights(&l)) {
			size_t sum = n->tensors[l.in[0]].c * list[i].k * list[i].k;

			l.weight = quant_net_fill(list[i].c * sum, 40 + i, 3.0f / sqrtf((float)sum));
			l.bias = quant_net_fill(list[i].c, 60 + i, 0.2f);
		}
		net_add_layer(n, &l, &err);
	}
	n->output = i;
	return n;
}

struct calib_set quant_net_pictures(size_t n)
{
	static uint8_t pixels[QUANT_NET_PICTURES * QUANT_NET_PIXELS];
	size_t i;

	for (i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(128 + 100 * quant_net_uniform(50, i / 12) +
				      27 * quant_net_uniform(51, i));
	return (struct calib_set){ n, pixels, 1.0f / 255 };
}

bool quant_net_same(const struct qnet *a, const struct qnet *b)
{
	uint32_t i;

	for (i = 0; i < a->net->layer_count; i++) {
		const struct fqz_layer *f = &a->layers[i].f, *g = &b->layers[i].f;
		uint32_t c = a->tensors[f->output].c;

		if (a->tensors[i].scale != b->tensors[i].scale || f->bias_shift != g->bias_shift)
			return false;
		if (f->scale && (memcmp(f->scale, g->scale, 2 * c) ||
				 memcmp(f->bias, g->bias, 2 * c) || memcmp(f->shift, g->shift, c)))
			return false;
		if (f->symbols && memcmp(f->symbols, g->symbols,
					 net_layer_weights(a->net, &a->net->layers[i])))
			return false;
	}
	return true;
}
