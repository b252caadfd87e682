// SPDX-License-Identifier: MIT
/* The learning network as a plain one: normalizations folded into weights (tnet.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tnet_private.h"

static int floats_dup(const float *from, size_t n, float **to)
{
	*to = NULL;
	if (!from)
		return 0;
	*to = malloc(n * sizeof(**to));
	if (!*to)
		return -ENOMEM;
	memcpy(*to, from, n * sizeof(**to));
	return 0;
}

/* The layer with arrays of its own. */
static int layer_copy(const struct tnet *t, uint32_t i, struct net *out, struct net_error *err)
{
	const struct tnet_layer *p = &t->layers[i];
	struct net_layer l = *p->l;

	if (floats_dup(p->used, p->weights, &l.weight) |
	    floats_dup(p->norm ? p->norm->beta : p->bias, p->channels, &l.bias) |
	    floats_dup(p->scale, p->channels, &l.scale)) {
		free(l.weight);
		free(l.bias);
		free(l.scale);
		return net_nomem(err);
	}
	return net_add_layer(out, &l, err);
}

static void layer_fold(const struct tnet *t, uint32_t i, struct net_layer *l, float *factors)
{
	const struct tnet_layer *p = &t->layers[i];
	size_t sum = net_layer_sum(t->net, p->l), k;
	uint32_t c;

	for (c = 0; c < p->channels; c++) {
		double a = 1;

		if (p->norm) {
			a = p->norm->gamma[c] / sqrt((double)p->norm->var[c] + TNET_NORM_EPS);
			l->bias[c] = (float)(p->norm->beta[c] - a * p->norm->mean[c]);
			for (k = c * sum; k < (c + 1) * sum; k++)
				l->weight[k] = (float)(a * l->weight[k]);
		}
		if (factors)
			factors[c] = (float)a;
	}
}

int tnet_fold(const struct tnet *t, struct net **out, float **factors, struct net_error *err)
{
	const struct net *net = t->net;
	struct net *n = net_create();
	uint32_t i;
	int rc = n ? 0 : net_nomem(err);

	*out = NULL;
	for (i = 0; !rc && i < net->tensor_count; i++) {
		const struct net_tensor *s = &net->tensors[i];

		rc = net_add_tensor(n, s->name, s->c, s->h, s->w, err);
		rc = rc < 0 ? rc : 0;
	}
	for (i = 0; !rc && i < net->layer_count; i++) {
		rc = layer_copy(t, i, n, err);
		if (!rc && net_layer_has_weights(&net->layers[i]))
			layer_fold(t, i, &n->layers[i], factors ? factors[i] : NULL);
	}
	if (rc) {
		net_destroy(n);
		return rc;
	}
	n->input = net->input;
	n->output = net->output;
	/* Weights that were equalized once stay so, as far as that can be said of trained ones. */
	n->equalized = net->equalized;
	*out = n;
	return 0;
}
