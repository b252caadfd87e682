// SPDX-License-Identifier: MIT
/* Networks: making, growing and freeing them (graph.h). */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

/* Names in it come from files: no byte of theirs may do anything to a terminal. */
int net_fail(struct net_error *err, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	for (p = err->text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '_';
	return -EINVAL;
}

int net_nomem(struct net_error *err)
{
	net_fail(err, "out of memory");
	return -ENOMEM;
}

struct net *net_create(void)
{
	return calloc(1, sizeof(struct net));
}

static void layer_free(struct net_layer *l)
{
	free(l->name);
	free(l->weight);
	free(l->bias);
	free(l->scale);
}

void net_destroy(struct net *net)
{
	uint32_t i;

	if (!net)
		return;
	for (i = 0; i < net->layer_count; i++)
		layer_free(&net->layers[i]);
	for (i = 0; i < net->tensor_count; i++)
		free(net->tensors[i].name);
	free(net->layers);
	free(net->tensors);
	free(net);
}

char *net_name(const char *name)
{
	char *copy = strndup(name ? name : "", 200), *p;

	for (p = copy; p && *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '_';
	return copy;
}

void net_layer_init(struct net_layer *l, enum net_kind kind)
{
	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->kernel_h = l->kernel_w = 1;
	l->stride_h = l->stride_w = 1;
	l->dilation_h = l->dilation_w = 1;
	l->groups = 1;
	l->act_min = -INFINITY;
	l->act_max = INFINITY;
}

/* Make room for one more element of @size bytes. */
static int array_grow(void **array, uint32_t count, uint32_t *room, size_t size)
{
	uint32_t want;
	void *p;

	if (count < *room)
		return 0;
	want = *room ? *room * 2 : 64;
	p = realloc(*array, want * size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = want;
	return 0;
}

int net_add_tensor(struct net *net, const char *name, uint64_t c, uint64_t h, uint64_t w,
		   struct net_error *err)
{
	struct net_tensor *t;

	if (net->tensor_count > 4 * NET_MAX_LAYERS)
		return net_fail(err, "more than %u tensors", 4 * NET_MAX_LAYERS);
	if (!c || !h || !w || c > NET_MAX_DIM || h > NET_MAX_DIM || w > NET_MAX_DIM ||
	    c * h * w > NET_MAX_ELEMENTS)
		return net_fail(err, "tensor '%.200s': %llu x %llu x %llu is outside the limits "
				"(each at most %u, %u elements)", name, (unsigned long long)c,
				(unsigned long long)h, (unsigned long long)w, NET_MAX_DIM,
				NET_MAX_ELEMENTS);
	if (array_grow((void **)&net->tensors, net->tensor_count, &net->tensor_room,
		       sizeof(*net->tensors)))
		return net_nomem(err);
	t = &net->tensors[net->tensor_count];
	t->name = net_name(name);
	if (!t->name)
		return net_nomem(err);
	t->c = (uint32_t)c;
	t->h = (uint32_t)h;
	t->w = (uint32_t)w;
	return (int)net->tensor_count++;
}

int net_add_layer(struct net *net, const struct net_layer *layer, struct net_error *err)
{
	struct net_layer *l, copy = *layer;
	int rc = 0;

	copy.name = net_name(layer->name);
	if (!copy.name)
		rc = net_nomem(err);
	else if (net->layer_count >= 4 * NET_MAX_LAYERS)
		rc = net_fail(err, "more than %u layers", 4 * NET_MAX_LAYERS);
	else if (array_grow((void **)&net->layers, net->layer_count, &net->layer_room,
			    sizeof(*net->layers)))
		rc = net_nomem(err);
	if (rc) {
		layer_free(&copy);
		return rc;
	}
	l = &net->layers[net->layer_count++];
	*l = copy;
	return 0;
}

size_t net_tensor_elements(const struct net_tensor *t)
{
	return (size_t)t->c * t->h * t->w;
}

bool net_layer_has_weights(const struct net_layer *l)
{
	return l->kind == NET_CONV || l->kind == NET_FC;
}

size_t net_layer_sum(const struct net *net, const struct net_layer *l)
{
	if (!net_layer_has_weights(l))
		return 0;
	return (size_t)net->tensors[l->in[0]].c / l->groups * l->kernel_h * l->kernel_w;
}

size_t net_layer_weights(const struct net *net, const struct net_layer *l)
{
	if (!net_layer_has_weights(l))
		return 0;
	return net_layer_sum(net, l) * net->tensors[l->out].c;
}

uint64_t net_dense_bytes(const struct net *net)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < net->layer_count; i++)
		if (net_layer_has_weights(&net->layers[i]))
			sum += net_layer_weights(net, &net->layers[i]) +
			       net->tensors[net->layers[i].out].c;
	return 4 * sum;
}
