// SPDX-License-Identifier: MIT
/* What ONNX operators on activations have in common: inputs, views, layers and their arrays. */
#include <stdlib.h>
#include <string.h>

#include "onnx_private.h"

/* Input @i must be an activation; NULL after onnx_refuse(). */
struct onnx_value *onnx_activation(struct onnx_import *im, size_t i)
{
	struct onnx_value *v = onnx_input(im, i);

	if (!v || v->kind != ONNX_ACTIVATION) {
		onnx_refuse(im, "input %zu is not computed from the network's input", i);
		return NULL;
	}
	if (v->final) {
		onnx_refuse(im, "something computes with the output of a Softmax; Softmax is "
			    "supported only at the end");
		return NULL;
	}
	return v;
}

/*
 * The same, as a picture [1, C, H, W] just as the tensor lies in memory, or as one of a single
 * row, [1, C, W].
 */
struct onnx_value *onnx_picture(struct onnx_import *im, size_t i)
{
	struct onnx_value *v = onnx_activation(im, i);
	const struct net_tensor *t;
	int last;

	if (!v)
		return NULL;
	t = &im->net->tensors[v->tensor];
	last = v->rank - 1;
	if ((v->rank != 4 && v->rank != 3) || v->dims[0] != 1 || v->dims[1] != t->c ||
	    (v->rank == 4 ? v->dims[2] != t->h : t->h != 1) || v->dims[last] != t->w) {
		onnx_refuse(im, v->rank > 4 ? "only rows and columns are supported, not volumes" :
			    "its input is not a picture of [1, channels, rows, columns]");
		return NULL;
	}
	return v;
}

/* The node's output becomes a view of @tensor. */
int onnx_define_view(struct onnx_import *im, uint32_t tensor, int rank, const int64_t *dims)
{
	struct onnx_value *v = onnx_define(im, im->node->output[0], ONNX_ACTIVATION);

	v->tensor = tensor;
	v->rank = rank;
	memcpy(v->dims, dims, (size_t)rank * sizeof(*dims));
	return ONNX_OK;
}

/* Add the layer and its C x H x W output, which no name of the graph stands for. */
int onnx_emit_hidden(struct onnx_import *im, struct net_layer *l, uint64_t c, uint64_t h,
		     uint64_t w)
{
	int t = net_add_tensor(im->net, im->node->output[0], c, h, w, im->err);

	if (t < 0) {
		free(l->weight);
		free(l->bias);
		free(l->scale);
		return t;
	}
	l->out = (uint32_t)t;
	l->name = (char *)onnx_node_name(im->node);
	return net_add_layer(im->net, l, im->err);
}

/* Add the layer, its output and the value, seen as @rank and @dims. */
int onnx_emit_as(struct onnx_import *im, struct net_layer *l, uint64_t c, uint64_t h, uint64_t w,
		 int rank, const int64_t *dims)
{
	int rc = onnx_emit_hidden(im, l, c, h, w);

	return rc ? rc : onnx_define_view(im, l->out, rank, dims);
}

/* Output like input @v: shape and view. */
int onnx_emit_like(struct onnx_import *im, struct net_layer *l, const struct onnx_value *v)
{
	const struct net_tensor t = im->net->tensors[v->tensor];

	return onnx_emit_as(im, l, t.c, t.h, t.w, v->rank, v->dims);
}

static float *new_floats(size_t n, float value)
{
	float *p = malloc(n * sizeof(*p));
	size_t i;

	for (i = 0; p && i < n; i++)
		p[i] = value;
	return p;
}

/* An AFFINE that changes nothing yet. */
int onnx_affine_init(struct onnx_import *im, struct net_layer *l, uint32_t tensor)
{
	uint32_t c = im->net->tensors[tensor].c;
	int rc = onnx_reserve(im, 2 * c * sizeof(float));

	if (rc)
		return rc;
	net_layer_init(l, NET_AFFINE);
	l->in[0] = tensor;
	l->in_count = 1;
	l->scale = new_floats(c, 1.0f);
	l->bias = new_floats(c, 0.0f);
	if (l->scale && l->bias)
		return ONNX_OK;
	free(l->scale);
	free(l->bias);
	return net_nomem(im->err);
}

/* The layer's own weights and bias, the bias zeroed. */
int onnx_weights_alloc(struct onnx_import *im, struct net_layer *l, size_t weights,
		       size_t outputs)
{
	int rc = onnx_reserve(im, (weights + outputs) * sizeof(float));

	if (rc)
		return rc;
	l->weight = malloc(weights * sizeof(float));
	l->bias = new_floats(outputs, 0.0f);
	if (l->weight && l->bias)
		return ONNX_OK;
	free(l->weight);
	free(l->bias);
	return net_nomem(im->err);
}

/*
 * The same with the values of @w and @b (NULL: zeros). Weights that no other node reads are not
 * copied: the layer takes them over.
 */
int onnx_weights_init(struct onnx_import *im, struct net_layer *l, struct onnx_value *w,
		      const struct onnx_array *b, size_t outputs)
{
	size_t count = w->array.count;
	bool take = w->readers == 1;
	int rc;

	if (take) {
		rc = onnx_reserve(im, outputs * sizeof(float));
		if (rc)
			return rc;
		l->bias = new_floats(outputs, 0.0f);
		if (!l->bias)
			return net_nomem(im->err);
		l->weight = w->array.f;
		w->array.f = NULL;
		w->kind = ONNX_UNKNOWN;
	} else {
		rc = onnx_weights_alloc(im, l, count, outputs);
		if (rc)
			return rc;
		memcpy(l->weight, w->array.f, count * sizeof(float));
	}
	if (b)
		memcpy(l->bias, b->f, outputs * sizeof(float));
	return ONNX_OK;
}
