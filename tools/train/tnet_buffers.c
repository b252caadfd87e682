// SPDX-License-Identifier: MIT
/* Memory and primitives of the learning network (tnet_private.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tnet_private.h"

#define TNET_ALIGN	64	/* a cache line, and the widest vector */

void *tnet_alloc(size_t n)
{
	return aligned_alloc(TNET_ALIGN, (n + TNET_ALIGN) / TNET_ALIGN * TNET_ALIGN);
}

size_t tnet_elements(const struct tnet *t, uint32_t i)
{
	return t->o.batch * net_tensor_elements(&t->net->tensors[i]);
}

size_t tnet_rows(const struct tnet *t, uint32_t i)
{
	return (size_t)t->o.batch * t->net->tensors[i].h * t->net->tensors[i].w;
}

static void *buffer_alloc(const struct tnet_buffers *b, size_t elements)
{
	return tnet_alloc(elements * dnn_type_bytes(b->type));
}

static bool keeps_sums(const struct net_layer *l)
{
	return net_layer_has_weights(l) || l->kind == NET_AVGPOOL || l->kind == NET_GLOBALPOOL;
}

static int primitive_create(struct tnet *t, uint32_t i, struct tnet_buffers *b,
			    struct net_error *err)
{
	const struct net_layer *l = &t->net->layers[i];
	struct dnn_shape s;
	char text[256];
	int rc;

	if (!net_layer_has_weights(l) && l->kind != NET_MAXPOOL && l->kind != NET_AVGPOOL)
		return 0;
	dnn_shape_of(t->net, l, t->o.batch, &s);
	if (net_layer_has_weights(l))
		rc = dnn_conv_create(t->dnn, &s, b->type, t->state->needed[l->in[0]], &b->conv[i],
				     err);
	else
		rc = dnn_pool_create(t->dnn, &s, b->type, l->kind, l->count_padding, l->divisor,
				     &b->pool[i], err);
	if (rc == -EINVAL) {
		snprintf(text, sizeof(text), "%.255s", err->text);
		net_fail(err, "layer '%.200s': %s", l->name, text);
	}
	return rc;
}

/* A slot that is free for @elements: the smallest that is large enough, else the largest. */
static uint32_t slot_choose(const size_t *room, const bool *busy, uint32_t slots, size_t elements)
{
	uint32_t i, best = slots;

	for (i = 0; i < slots; i++) {
		if (busy[i])
			continue;
		if (best == slots ||
		    (room[i] >= elements ? room[best] < elements || room[i] < room[best]
					 : room[i] > room[best]))
			best = i;
	}
	return best;
}

/*
 * A gradient lives from the last layer that reads its tensor to the one that writes it. @of gets
 * each tensor's slot, @room the slots' sizes.
 */
static uint32_t slots_plan(const struct tnet *t, uint32_t *of, size_t *room, bool *busy,
			   bool *again)
{
	const struct net *net = t->net;
	uint32_t i, k, slots = 0, s;

	for (i = 0; i < net->tensor_count; i++)
		of[i] = UINT32_MAX;
	for (i = net->layer_count + 1; i--;) {
		const struct net_layer *l = i < net->layer_count ? &net->layers[i] : NULL;
		uint32_t in_count = l ? l->in_count : 1;

		/* Before the first layer: the output's own. */
		if (l && !t->state->needed[l->out])
			continue;
		for (k = 0; k < in_count; k++) {
			uint32_t x = l ? l->in[k] : net->output;

			if (!t->state->needed[x])
				continue;
			if (of[x] != UINT32_MAX) {
				again[x] = true;
				continue;
			}
			s = slot_choose(room, busy, slots, tnet_elements(t, x));
			slots += s == slots;
			if (room[s] < tnet_elements(t, x))
				room[s] = tnet_elements(t, x);
			busy[s] = true;
			of[x] = s;
		}
		if (l)
			busy[of[l->out]] = false;
	}
	return slots;
}

static int grads_alloc(struct tnet *t, struct tnet_buffers *b)
{
	uint32_t n = t->net->tensor_count, i, *of = calloc(n, sizeof(*of));
	size_t *room = calloc(n, sizeof(*room)), most = 0;
	bool *busy = calloc(n, sizeof(*busy)), *again = calloc(n, sizeof(*again));
	int rc = of && room && busy && again ? 0 : -ENOMEM;

	if (!rc) {
		b->slots = slots_plan(t, of, room, busy, again);
		b->slot = calloc(b->slots + 1, sizeof(*b->slot));
		rc = b->slot ? 0 : -ENOMEM;
	}
	for (i = 0; !rc && i < b->slots; i++) {
		b->slot[i] = buffer_alloc(b, room[i]);
		rc = b->slot[i] ? 0 : -ENOMEM;
	}
	for (i = 0; !rc && i < n; i++) {
		if (of[i] != UINT32_MAX)
			b->grad[i] = b->slot[of[i]];
		if (again[i] && tnet_elements(t, i) > most)
			most = tnet_elements(t, i);
	}
	if (!rc && most) {
		b->again = buffer_alloc(b, most);
		rc = b->again ? 0 : -ENOMEM;
	}
	free(of);
	free(room);
	free(busy);
	free(again);
	return rc;
}

static int tensors_alloc(struct tnet *t, struct tnet_buffers *b)
{
	const struct net *net = t->net;
	uint32_t i;

	for (i = 0; i < net->tensor_count; i++) {
		b->tensor[i] = buffer_alloc(b, tnet_elements(t, i));
		if (!b->tensor[i])
			return -ENOMEM;
	}
	for (i = 0; i < net->layer_count; i++) {
		if (!keeps_sums(&net->layers[i]))
			continue;
		b->sums[i] = buffer_alloc(b, tnet_elements(t, net->layers[i].out));
		if (!b->sums[i])
			return -ENOMEM;
	}
	return grads_alloc(t, b);
}

int tnet_buffers_create(struct tnet *t, enum dnn_type type, struct tnet_buffers *b,
			struct net_error *err)
{
	uint32_t layers = t->net->layer_count, tensors = t->net->tensor_count, i;
	int rc = 0;

	memset(b, 0, sizeof(*b));
	b->type = type;
	b->tensor = calloc(tensors, sizeof(*b->tensor));
	b->grad = calloc(tensors, sizeof(*b->grad));
	b->sums = calloc(layers, sizeof(*b->sums));
	b->conv = calloc(layers, sizeof(*b->conv));
	b->pool = calloc(layers, sizeof(*b->pool));
	if (!b->tensor || !b->grad || !b->sums || !b->conv || !b->pool)
		return net_nomem(err);
	for (i = 0; !rc && i < layers; i++)
		rc = primitive_create(t, i, b, err);
	if (!rc && tensors_alloc(t, b))
		rc = -ENOMEM;
	return rc == -ENOMEM ? net_nomem(err) : rc;
}

void tnet_buffers_destroy(const struct tnet *t, struct tnet_buffers *b)
{
	uint32_t i;

	for (i = 0; i < t->net->layer_count; i++) {
		if (b->conv)
			dnn_conv_destroy(b->conv[i]);
		if (b->pool)
			dnn_pool_destroy(b->pool[i]);
		if (b->sums)
			free(b->sums[i]);
	}
	for (i = 0; b->tensor && i < t->net->tensor_count; i++)
		free(b->tensor[i]);
	for (i = 0; b->slot && i < b->slots; i++)
		free(b->slot[i]);
	free(b->tensor);
	free(b->grad);
	free(b->slot);
	free(b->again);
	free(b->sums);
	free(b->conv);
	free(b->pool);
	memset(b, 0, sizeof(*b));
}
