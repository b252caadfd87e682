// SPDX-License-Identifier: MIT
/* A normalization in front of a network (normalize.h). */
#include <stdlib.h>
#include <string.h>

#include "normalize.h"

int net_normalize(struct net *net, const struct normalization *n, struct net_error *err)
{
	uint32_t channels = net->tensors[0].c, k;
	double range = n->range255 ? 255 : 1;
	bool needed = n->range255;
	struct net_layer l;
	int t, rc;

	for (k = 0; k < 3; k++)
		needed |= n->mean[k] != 0 || n->std[k] != 1;
	if (!needed)
		return 0;
	net_layer_init(&l, NET_AFFINE);
	l.name = (char *)"normalize";
	l.scale = malloc(channels * sizeof(float));
	l.bias = malloc(channels * sizeof(float));
	if (!l.scale || !l.bias) {
		free(l.scale);
		free(l.bias);
		return net_nomem(err);
	}
	for (k = 0; k < channels; k++) {
		/* Given as R, G, B whatever the network's order is. */
		uint32_t color = channels == 1 ? 0 : n->bgr ? channels - 1 - k : k;

		l.scale[k] = (float)(range / n->std[color]);
		l.bias[k] = (float)(-range * n->mean[color] / n->std[color]);
	}
	t = net_add_tensor(net, "picture", channels, net->tensors[0].h, net->tensors[0].w, err);
	if (t < 0) {
		free(l.scale);
		free(l.bias);
		return t;
	}
	l.in[0] = (uint32_t)t;
	l.in_count = 1;
	l.out = 0;
	rc = net_add_layer(net, &l, err);
	if (rc)
		return rc;
	/* It comes first. */
	l = net->layers[net->layer_count - 1];
	memmove(&net->layers[1], &net->layers[0], (net->layer_count - 1) * sizeof(net->layers[0]));
	net->layers[0] = l;
	net->input = (uint32_t)t;
	return net_simplify(net, err);
}
