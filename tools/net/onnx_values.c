// SPDX-License-Identifier: MIT
/*
 * The named values of a graph, and what is said about nodes that can't be imported.
 *
 * All names are known before the first node is read: they are sorted once and found by
 * bisection, so that no choice of names makes looking them up slow.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_private.h"

#define VALUES_MAX	((size_t)1 << 20)

const char *onnx_node_name(const Onnx__NodeProto *n)
{
	if (n->name && n->name[0])
		return n->name;
	return n->n_output && n->output[0] ? n->output[0] : "";
}

static int value_compare(const void *a, const void *b)
{
	return strcmp(((const struct onnx_value *)a)->name, ((const struct onnx_value *)b)->name);
}

static struct onnx_value *value_lookup(struct onnx_import *im, const char *name)
{
	const struct onnx_value key = { .name = name };

	return bsearch(&key, im->values, im->value_count, sizeof(key), value_compare);
}

static void value_add(struct onnx_import *im, const char *name)
{
	if (name && name[0])
		im->values[im->value_count++].name = name;
}

static void values_sort(struct onnx_import *im)
{
	size_t i, n = 0;

	qsort(im->values, im->value_count, sizeof(*im->values), value_compare);
	for (i = 0; i < im->value_count; i++)
		if (!n || strcmp(im->values[n - 1].name, im->values[i].name))
			im->values[n++] = im->values[i];
	im->value_count = n;
}

/* Every name of the graph as an undefined value, with the number of its readers. */
int onnx_values_create(struct onnx_import *im)
{
	const Onnx__GraphProto *g = im->graph;
	size_t i, k, n = g->n_initializer + g->n_input;

	for (i = 0; i < g->n_node; i++)
		n += g->node[i]->n_output;
	if (n > VALUES_MAX)
		return net_fail(im->err, "not a usable ONNX file: %zu values", n);
	im->values = calloc(n + 1, sizeof(*im->values));
	if (!im->values)
		return net_nomem(im->err);
	for (i = 0; i < g->n_initializer; i++)
		value_add(im, g->initializer[i]->name);
	for (i = 0; i < g->n_input; i++)
		value_add(im, g->input[i]->name);
	for (i = 0; i < g->n_node; i++)
		for (k = 0; k < g->node[i]->n_output; k++)
			value_add(im, g->node[i]->output[k]);
	values_sort(im);
	for (i = 0; i < g->n_node; i++)
		for (k = 0; k < g->node[i]->n_input; k++) {
			struct onnx_value *v = value_lookup(im, g->node[i]->input[k]);

			if (v)
				v->readers++;
		}
	return 0;
}

void onnx_values_destroy(struct onnx_import *im)
{
	size_t i;

	for (i = 0; im->values && i < im->value_count; i++)
		onnx_array_free(&im->values[i].array);
	free(im->values);
	for (i = 0; i < im->refusal_count && i < im->refusal_max; i++)
		free(im->refusals[i].text);
	free(im->refusals);
}

/* The value of that name, if something has written it. */
struct onnx_value *onnx_find(struct onnx_import *im, const char *name)
{
	struct onnx_value *v = value_lookup(im, name);

	return v && v->kind != ONNX_UNDEFINED ? v : NULL;
}

/* A value that nothing has written before; @name is one of the graph's. */
struct onnx_value *onnx_define(struct onnx_import *im, const char *name,
			       enum onnx_value_kind kind)
{
	struct onnx_value *v = value_lookup(im, name);

	v->kind = kind;
	return v;
}

int onnx_refuse(struct onnx_import *im, const char *fmt, ...)
{
	struct onnx_refusal *r;
	char what[512];
	va_list ap;

	if (im->refusal_count >= im->refusal_max) {
		im->refusal_count++;
		return ONNX_REFUSED;
	}
	if (im->refusal_count == im->refusal_room) {
		size_t room = im->refusal_room ? im->refusal_room * 2 : 16;

		r = realloc(im->refusals, room * sizeof(*r));
		if (!r)
			goto no_memory;
		im->refusals = r;
		im->refusal_room = room;
	}
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	r = &im->refusals[im->refusal_count];
	r->node = im->node;
	r->text = strdup(what);
	if (!r->text)
		goto no_memory;
	im->refusal_count++;
	return ONNX_REFUSED;
no_memory:
	im->no_memory = true;
	return net_nomem(im->err);
}

/* One line; names come from the file: no byte of theirs may do anything to a terminal. */
void onnx_refusal_print(const struct onnx_refusal *r, char *buf, size_t len)
{
	char *p;

	if (r->node)
		snprintf(buf, len, "node '%.60s' (%.40s): %.160s", onnx_node_name(r->node),
			 r->node->op_type ? r->node->op_type : "?", r->text);
	else
		snprintf(buf, len, "%.240s", r->text);
	for (p = buf; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '_';
}
