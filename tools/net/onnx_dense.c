// SPDX-License-Identifier: MIT
/* ONNX operators that become fully connected layers: Gemm and MatMul. */
#include "onnx_private.h"

struct dense {
	bool by_output;		/* weights are [outputs][inputs] */
	float alpha, beta;
	size_t inputs, outputs;
};

static int dense_check(struct onnx_import *im, const struct onnx_value *x,
		       const struct onnx_array *w, const struct onnx_array *b, struct dense *d)
{
	const struct net_tensor *t = &im->net->tensors[x->tensor];

	d->inputs = net_tensor_elements(t);
	d->outputs = (size_t)w->dims[d->by_output ? 0 : 1];
	if (x->rank != 2 || x->dims[0] != 1)
		return onnx_refuse(im, "its input is not [1, values]");
	if ((size_t)w->dims[d->by_output ? 1 : 0] != d->inputs)
		return onnx_refuse(im, "weights of %lld x %lld do not fit an input of %zu values",
				   (long long)w->dims[0], (long long)w->dims[1], d->inputs);
	if (b && (b->is_int || (b->count != 1 && (b->count != d->outputs || !b->rank ||
						  b->dims[b->rank - 1] != (int64_t)d->outputs))))
		return onnx_refuse(im, "the bias does not fit the outputs");
	if (!w->count || w->count > NET_MAX_WEIGHTS || d->inputs > NET_MAX_SUM || t->h > 1024 ||
	    t->w > 1024 || d->outputs > NET_MAX_DIM)
		return onnx_refuse(im, "more than 2^28 weights, or 2^20 for one output");
	return ONNX_OK;
}

/* Weights as they lie are taken over, others are transposed. */
static int dense_weights(struct onnx_import *im, struct net_layer *l, struct onnx_value *w,
			 const struct dense *d)
{
	const float *from = w->array.f;
	size_t o, i;
	int rc;

	if (d->by_output && d->alpha == 1)
		return onnx_weights_init(im, l, w, NULL, d->outputs);
	rc = onnx_weights_alloc(im, l, w->array.count, d->outputs);
	if (rc)
		return rc;
	for (o = 0; o < d->outputs; o++)
		for (i = 0; i < d->inputs; i++)
			l->weight[o * d->inputs + i] = d->alpha *
				from[d->by_output ? o * d->inputs + i : i * d->outputs + o];
	return ONNX_OK;
}

/* y = alpha * x * w + beta * b over the whole input */
int onnx_op_gemm(struct onnx_import *im)
{
	const struct onnx_array *w = onnx_const_input(im, 1), *b = onnx_const_input(im, 2);
	bool gemm = im->node->op_type[0] == 'G';
	struct onnx_value *x = onnx_activation(im, 0);
	int64_t dims[2] = { 1, 0 };
	struct net_tensor t;
	struct net_layer l;
	struct dense d;
	size_t o;
	int rc;

	if (!x)
		return ONNX_REFUSED;
	if (!w || w->is_int || w->rank != 2 || (gemm && onnx_input(im, 2) && !b))
		return onnx_refuse(im,
				   "weights must be constants of 2 dimensions, the bias constant");
	if (onnx_attr_int(im, "transA", 0))
		return onnx_refuse(im, "transA is not supported");
	d.by_output = onnx_attr_int(im, "transB", 0) != 0;
	d.alpha = onnx_attr_float(im, "alpha", 1);
	d.beta = onnx_attr_float(im, "beta", 1);
	rc = dense_check(im, x, w, gemm ? b : NULL, &d);
	if (rc)
		return rc;
	t = im->net->tensors[x->tensor];
	net_layer_init(&l, NET_FC);
	l.kernel_h = t.h;
	l.kernel_w = t.w;
	l.in[0] = x->tensor;
	l.in_count = 1;
	rc = dense_weights(im, &l, onnx_input(im, 1), &d);
	if (rc)
		return rc;
	for (o = 0; gemm && b && o < d.outputs; o++)
		l.bias[o] = d.beta * b->f[b->count == 1 ? 0 : o];
	dims[1] = (int64_t)d.outputs;
	return onnx_emit_as(im, &l, d.outputs, 1, 1, 2, dims);
}
