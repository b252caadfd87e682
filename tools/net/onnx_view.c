// SPDX-License-Identifier: MIT
/*
 * ONNX operators that see an activation under another shape, or under another name: nothing is
 * computed, and where elements would have to move, they are refused.
 */
#include <string.h>

#include "onnx_private.h"

/* The input under another shape; that it went through a Softmax goes with it. */
static int view_as(struct onnx_import *im, const struct onnx_value *x, int rank,
		   const int64_t *dims)
{
	size_t elements = net_tensor_elements(&im->net->tensors[x->tensor]), count = 1;
	bool final = x->final;
	int d, rc;

	for (d = 0; d < rank; d++)
		if (dims[d] < 1 || dims[d] > (int64_t)elements ||
		    __builtin_mul_overflow(count, (size_t)dims[d], &count))
			return onnx_refuse(im, "a shape that does not fit its input");
	if (count != elements)
		return onnx_refuse(im, "a shape that does not fit its input");
	rc = onnx_define_view(im, x->tensor, rank, dims);
	if (!rc)
		onnx_find(im, im->node->output[0])->final = final;
	return rc;
}

static bool is_zero(const struct onnx_array *a)
{
	return a && a->count == 1 && onnx_array_get(a, 0) == 0;
}

/* Identity, and Dropout when it is not trained */
int onnx_op_same(struct onnx_import *im)
{
	const struct onnx_array *ratio = onnx_const_input(im, 1), *training = onnx_const_input(im, 2);
	struct onnx_value *x = onnx_input(im, 0);
	bool drops = onnx_input(im, 2) && !is_zero(training);

	if (drops && !is_zero(ratio))
		return onnx_refuse(im, "only inference is supported, not training_mode");
	return view_as(im, x, x->rank, x->dims);
}

int onnx_op_flatten(struct onnx_import *im)
{
	struct onnx_value *x = onnx_input(im, 0);
	int64_t axis = onnx_attr_int(im, "axis", 1), dims[2] = { 1, 1 };
	int d;

	if (axis < -x->rank || axis > x->rank)
		return onnx_refuse(im, "a bad axis");
	axis += axis < 0 ? x->rank : 0;
	for (d = 0; d < x->rank; d++)
		dims[d >= axis] *= x->dims[d];
	return view_as(im, x, 2, dims);
}

int onnx_op_reshape(struct onnx_import *im)
{
	struct onnx_value *x = onnx_input(im, 0);
	int64_t dims[ONNX_MAX_RANK];
	int rank, rc;

	rc = onnx_reshape_dims(im, x->dims, x->rank,
			       net_tensor_elements(&im->net->tensors[x->tensor]), &rank, dims);
	return rc ? rc : view_as(im, x, rank, dims);
}

/* Squeeze and Unsqueeze */
int onnx_op_axes(struct onnx_import *im)
{
	bool insert = im->node->op_type[0] == 'U';
	struct onnx_value *x = onnx_input(im, 0);
	int64_t dims[ONNX_MAX_RANK];
	unsigned int mask;
	size_t count;
	int d, from = 0, rank = 0, total = x->rank, rc;

	/* How many axes there are is needed to know how they count. */
	if (insert) {
		const Onnx__AttributeProto *a = onnx_attr(im, "axes");
		const struct onnx_array *in = onnx_const_input(im, 1);

		count = a ? a->n_ints : in ? in->count : 0;
		total += count > ONNX_MAX_RANK ? ONNX_MAX_RANK : (int)count;
	}
	rc = onnx_axes(im, total, &mask, &count);
	if (rc)
		return rc;
	for (d = 0; d < total; d++) {
		if (insert)
			dims[rank++] = mask & 1u << d ? 1 : x->dims[from++];
		else if (count ? !(mask & 1u << d) : x->dims[d] != 1)
			dims[rank++] = x->dims[d];
	}
	return view_as(im, x, rank, dims);
}

int onnx_op_transpose(struct onnx_import *im)
{
	const Onnx__AttributeProto *perm = onnx_attr(im, "perm");
	struct onnx_value *x = onnx_input(im, 0);
	int64_t dims[ONNX_MAX_RANK], axis;
	unsigned int seen = 0;
	int d, last = -1;

	if (perm && perm->n_ints != (size_t)x->rank)
		return onnx_refuse(im, "not a permutation");
	for (d = 0; d < x->rank; d++) {
		axis = perm ? perm->ints[d] : x->rank - 1 - d;
		if (axis < 0 || axis >= x->rank || seen & 1u << axis)
			return onnx_refuse(im, "not a permutation");
		seen |= 1u << axis;
		dims[d] = x->dims[axis];
		/* Dimensions of 1 may go anywhere. */
		if (dims[d] != 1 && axis < last)
			return onnx_refuse(im,
					   "the data would have to be moved; only NCHW networks "
					   "are supported");
		last = dims[d] != 1 ? (int)axis : last;
	}
	return view_as(im, x, x->rank, dims);
}

/* Dropped, which keeps the order of the classes if it is they that add up to 1. */
int onnx_op_softmax(struct onnx_import *im)
{
	struct onnx_value *x = onnx_input(im, 0);
	const struct net_tensor *t = &im->net->tensors[x->tensor];
	/* Up to operator set 12 all dimensions from the axis on, later one: the last by default. */
	bool flat = im->opset < 13;
	int64_t axis = onnx_attr_int(im, "axis", flat ? 1 : -1), together = 1;
	int d, rc;

	if (axis < -x->rank || axis >= x->rank)
		return onnx_refuse(im, "a bad axis");
	axis += axis < 0 ? x->rank : 0;
	for (d = (int)axis; d < (flat ? x->rank : (int)axis + 1); d++)
		together *= x->dims[d];
	/* Either everything is one group, or the channels of each position are. */
	if ((size_t)together != net_tensor_elements(t) &&
	    (flat || axis != 1 || x->dims[0] != 1 || x->dims[1] != t->c))
		return onnx_refuse(im, "only over the channels is it supported");
	rc = onnx_define_view(im, x->tensor, x->rank, x->dims);
	if (!rc)
		onnx_find(im, im->node->output[0])->final = true;
	return rc;
}

/* Between floats of different size: activations are rounded to 8 bits anyway. */
int onnx_op_cast(struct onnx_import *im)
{
	int64_t to = onnx_attr_int(im, "to", 0);
	struct onnx_value *x = onnx_input(im, 0);

	if (to != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT &&
	    to != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 &&
	    to != ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE)
		return onnx_refuse(im, "activations are floats; they can't be cast to element type "
				   "%lld", (long long)to);
	return view_as(im, x, x->rank, x->dims);
}
