// SPDX-License-Identifier: MIT
/* Scaling channels between convolutions (equalize.h). */
#include <math.h>

#include "equalize.h"

#define EQUALIZE_MOST	8.0f	/* by which a channel is scaled */

static bool is_pool(const struct net_layer *l)
{
	return l->kind == NET_MAXPOOL || l->kind == NET_GLOBALPOOL ||
	       (l->kind == NET_AVGPOOL && l->act_min == -INFINITY && l->act_max == INFINITY);
}

/* f(a x) = a f(x) for a > 0 */
static bool is_homogeneous(const struct net_layer *l)
{
	return (l->act_min == 0 || l->act_min == -INFINITY) && l->act_max == INFINITY;
}

bool net_channels_are_free(const struct net *net, uint32_t tensor)
{
	uint32_t i, k;

	if (tensor == net->output)
		return false;
	for (i = tensor; i < net->layer_count; i++)
		for (k = 0; k < net->layers[i].in_count; k++) {
			const struct net_layer *l = &net->layers[i];

			if (l->in[k] != tensor || net_layer_has_weights(l))
				continue;
			if (!is_pool(l) || !net_channels_are_free(net, l->out))
				return false;
		}
	return true;
}

/* Weights of @l that read channel @c, by 1 / @factor. */
static void scale_readers(struct net *net, struct net_layer *l, uint32_t c, float factor)
{
	size_t sum = net_layer_sum(net, l), kernel = (size_t)l->kernel_h * l->kernel_w, k;
	uint32_t in = net->tensors[l->in[0]].c / l->groups;
	uint32_t out = net->tensors[l->out].c / l->groups, o;

	for (o = c / in * out; o < (c / in + 1) * out; o++)
		for (k = 0; k < kernel; k++)
			l->weight[o * sum + c % in * kernel + k] /= factor;
}

static void scale_channel(struct net *net, uint32_t tensor, uint32_t c, float factor)
{
	uint32_t i;

	for (i = tensor; i < net->layer_count; i++) {
		struct net_layer *l = &net->layers[i];

		if (l->in[0] != tensor)
			continue;
		if (net_layer_has_weights(l))
			scale_readers(net, l, c, factor);
		else
			scale_channel(net, l->out, c, factor);
	}
}

unsigned int net_equalize(struct net *net, const struct calib *c)
{
	unsigned int changed = 0;
	uint32_t i, k;
	size_t sum, j;

	for (i = 0; i < net->layer_count; i++) {
		struct net_layer *l = &net->layers[i];
		const float *top = c->channel_top[l->out];
		float largest = 0, factor;

		if (!net_layer_has_weights(l) || !is_homogeneous(l) ||
		    !net_channels_are_free(net, l->out))
			continue;
		sum = net_layer_sum(net, l);
		for (k = 0; k < net->tensors[l->out].c; k++)
			largest = fmaxf(largest, top[k]);
		for (k = 0; k < net->tensors[l->out].c; k++) {
			/*
			 * Half way, by the logarithm: the weights that read it spread by
			 * as much. A channel that was always 0 stays as it is.
			 */
			factor = top[k] > 0 ? fminf(sqrtf(largest / top[k]), EQUALIZE_MOST) : 1;
			for (j = 0; j < sum; j++)
				l->weight[k * sum + j] *= factor;
			l->bias[k] *= factor;
			scale_channel(net, l->out, k, factor);
		}
		changed++;
	}
	net->equalized = true;
	return changed;
}
