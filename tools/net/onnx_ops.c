// SPDX-License-Identifier: MIT
/*
 * The operators, and the operator sets that changed them (onnx/docs/Changelog.md up to operator
 * set 25). Each version from onnx_op.first on means what the functions here compute; what a newer
 * one added beside element types is an attribute or an input that they know or refuse:
 *
 *	AveragePool 19	dilations
 *	BatchNormalization 14	training_mode instead of further outputs
 *	Clip 11, Dropout 12, Pad 11, Slice 10, Squeeze 13, Unsqueeze 13, ReduceMean 18
 *			inputs instead of attributes
 *	Pad 18, 19	the axes input, the mode "wrap"
 *	Reshape 14	allowzero
 *	Shape 15	start, end
 *	Softmax, LogSoftmax 13	one axis alone
 *	Cast 19, 24	saturate, round_mode: for 8-bit floats
 */
#include <stdio.h>
#include <string.h>

#include "onnx_private.h"

#define WINDOW_ATTRS	"auto_pad:s kernel_shape:I pads:I strides:I"

static const struct onnx_op ops[] = {
	{ "Add", onnx_fold_binary, onnx_op_arithmetic, { 1, 6, 7, 13, 14 }, 7, "",
	  "sum of two activations of one shape, or with a constant for each channel" },
	{ "AveragePool", NULL, onnx_op_pool, { 1, 7, 10, 11, 19, 22 }, 1,
	  WINDOW_ATTRS " ceil_mode:i count_include_pad:i dilations:I",
	  "mean of windows of rows and columns" },
	{ "BatchNormalization", NULL, onnx_op_batch_norm, { 1, 6, 7, 9, 14, 15 }, 6,
	  "epsilon:f is_test:i momentum:f spatial:i training_mode:i",
	  "inference: scale and shift for each channel" },
	{ "Cast", onnx_fold_cast, onnx_op_cast, { 1, 6, 9, 13, 19, 21, 23, 24, 25 }, 6,
	  "to:i saturate:i round_mode:s", "of constants; of activations between floats" },
	{ "Ceil", onnx_fold_unary, NULL, { 1, 6, 13 }, 6, "", "of constants" },
	{ "Clip", NULL, onnx_op_clamp, { 1, 6, 11, 12, 13 }, 6, "min:f max:f",
	  "bounds that are constants" },
	{ "Concat", onnx_fold_concat, onnx_op_concat, { 1, 4, 11, 13 }, 4, "axis:i",
	  "channels of activations of one height and width" },
	{ "Constant", onnx_fold_constant, NULL, { 1, 9, 11, 12, 13, 19, 21, 23, 24, 25 }, 1,
	  "value:t value_float:f value_floats:F value_int:i value_ints:I", "numbers" },
	{ "ConstantOfShape", onnx_fold_constant_of_shape, NULL, { 9, 20, 21, 23, 24, 25 }, 9,
	  "value:t", "numbers" },
	{ "Conv", NULL, onnx_op_conv, { 1, 11, 22 }, 1, WINDOW_ATTRS " dilations:I group:i",
	  "constant weights, groups, dilations, padding smaller than the kernel" },
	{ "Div", onnx_fold_binary, onnx_op_arithmetic, { 1, 6, 7, 13, 14 }, 7, "",
	  "of an activation by a constant for each channel" },
	{ "Dropout", NULL, onnx_op_same, { 1, 6, 7, 10, 12, 13, 22 }, 7, "ratio:f seed:i",
	  "inference: nothing" },
	{ "Expand", onnx_fold_expand, NULL, { 8, 13 }, 8, "", "of constants" },
	{ "Flatten", onnx_fold_flatten, onnx_op_flatten, { 1, 9, 11, 13, 21, 23, 24, 25 }, 1,
	  "axis:i", "another shape" },
	{ "Floor", onnx_fold_unary, NULL, { 1, 6, 13 }, 6, "", "of constants" },
	{ "Gather", onnx_fold_gather, NULL, { 1, 11, 13 }, 1, "axis:i", "of constants" },
	{ "Gemm", NULL, onnx_op_gemm, { 1, 6, 7, 9, 11, 13 }, 6,
	  "alpha:f beta:f broadcast:i transA:i transB:i", "fully connected layer with constant weights" },
	{ "GlobalAveragePool", NULL, onnx_op_global_pool, { 1, 22 }, 1, "",
	  "mean of each channel" },
	{ "GlobalMaxPool", NULL, onnx_op_global_pool, { 1, 22 }, 1, "",
	  "maximum of each channel" },
	{ "Identity", onnx_fold_unary, onnx_op_same, { 1, 13, 14, 16, 19, 21, 23, 24, 25 }, 1, "",
	  "nothing" },
	{ "LogSoftmax", NULL, onnx_op_softmax, { 1, 11, 13 }, 1, "axis:i",
	  "at the end: left out, the order of the classes stays" },
	{ "MatMul", NULL, onnx_op_gemm, { 1, 9, 13 }, 1, "",
	  "fully connected layer with constant weights" },
	{ "MaxPool", NULL, onnx_op_pool, { 1, 8, 10, 11, 12, 22 }, 1,
	  WINDOW_ATTRS " ceil_mode:i dilations:I storage_order:i",
	  "maximum of windows of rows and columns, without dilations" },
	{ "Mul", onnx_fold_binary, onnx_op_arithmetic, { 1, 6, 7, 13, 14 }, 7, "",
	  "of an activation with a constant for each channel" },
	{ "Neg", onnx_fold_unary, onnx_op_neg, { 1, 6, 13 }, 6, "", "the sign turned" },
	{ "Pad", NULL, onnx_op_pad, { 1, 2, 11, 13, 18, 19, 21, 23, 24, 25 }, 2,
	  "mode:s pads:I value:f",
	  "zeros around rows and columns, right before Conv, AveragePool or MaxPool" },
	{ "ReduceMean", NULL, onnx_op_reduce_mean, { 1, 11, 13, 18 }, 1,
	  "axes:I keepdims:i noop_with_empty_axes:i", "over all rows and columns" },
	{ "Relu", NULL, onnx_op_clamp, { 1, 6, 13, 14 }, 6, "", "lower bound 0" },
	{ "Reshape", onnx_fold_reshape, onnx_op_reshape,
	  { 1, 5, 13, 14, 19, 21, 23, 24, 25 }, 5, "allowzero:i", "another shape" },
	{ "Shape", onnx_fold_shape, NULL, { 1, 13, 15, 19, 21, 23, 24, 25 }, 1, "start:i end:i",
	  "numbers: shapes are known" },
	{ "Slice", onnx_fold_slice, NULL, { 1, 10, 11, 13 }, 1, "axes:I starts:I ends:I",
	  "of constants" },
	{ "Softmax", NULL, onnx_op_softmax, { 1, 11, 13 }, 1, "axis:i",
	  "at the end: left out, the order of the classes stays" },
	{ "Sqrt", onnx_fold_unary, NULL, { 1, 6, 13 }, 6, "", "of constants" },
	{ "Squeeze", onnx_fold_squeeze, onnx_op_axes, { 1, 11, 13, 21, 23, 24, 25 }, 1, "axes:I",
	  "another shape" },
	{ "Sub", onnx_fold_binary, onnx_op_arithmetic, { 1, 6, 7, 13, 14 }, 7, "",
	  "difference of two activations of one shape, or with a constant for each channel" },
	{ "Sum", NULL, onnx_op_sum, { 1, 6, 8, 13 }, 6, "", "sum of activations of one shape" },
	{ "Transpose", onnx_fold_transpose, onnx_op_transpose, { 1, 13, 21, 23, 24, 25 }, 1,
	  "perm:I", "of constants; of activations where no element moves" },
	{ "Unsqueeze", onnx_fold_unsqueeze, onnx_op_axes, { 1, 11, 13, 21, 23, 24, 25 }, 1,
	  "axes:I", "another shape" },
};

#define OPS	(sizeof(ops) / sizeof(ops[0]))

const struct onnx_op *onnx_op_find(const Onnx__NodeProto *n)
{
	size_t i;

	if (!n->op_type || (n->domain && n->domain[0] && strcmp(n->domain, "ai.onnx")))
		return NULL;
	for (i = 0; i < OPS; i++)
		if (!strcmp(ops[i].name, n->op_type))
			return &ops[i];
	return NULL;
}

/* The version of the operator that is in force in @opset, 0: it came later. */
int onnx_op_since(const struct onnx_op *op, int64_t opset)
{
	int since = 0;
	size_t i;

	for (i = 0; op->versions[i] && op->versions[i] <= opset; i++)
		since = op->versions[i];
	return since;
}

/* The field that an attribute of that type is in; an absent number is 0. */
static bool attribute_is(const Onnx__AttributeProto *a, char type)
{
	static const struct {
		char code;
		Onnx__AttributeProto__AttributeType type;
	} types[] = {
		{ 'f', ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT },
		{ 'i', ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT },
		{ 's', ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING },
		{ 't', ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR },
		{ 'F', ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS },
		{ 'I', ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS },
	};
	size_t i;

	/* Files from before IR version 2 state no type. */
	if (!a->has_type || !a->type)
		return (type == 'f' && a->has_f) || (type == 'i' && a->has_i) ||
		       (type == 's' && a->has_s) || (type == 't' && a->t) || type == 'F' ||
		       type == 'I';
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].code == type)
			return a->type == types[i].type && (type != 't' || a->t);
	return false;
}

static int attribute_check(struct onnx_import *im, const struct onnx_op *op,
			   const Onnx__AttributeProto *a)
{
	size_t len = a->name ? strlen(a->name) : 0;
	const char *p = op->attributes;

	while (len && (p = strstr(p, a->name))) {
		bool start = p == op->attributes || p[-1] == ' ';

		p += len;
		if (!start || *p != ':')
			continue;
		if (a->ref_attr_name && a->ref_attr_name[0])
			return onnx_refuse(im, "attribute %.40s stands for one of a function",
					   a->name);
		return attribute_is(a, p[1]) ? ONNX_OK :
		       onnx_refuse(im, "attribute %.40s is of another type", a->name);
	}
	return onnx_refuse(im, "attribute '%.40s' is not supported", len ? a->name : "");
}

/* Version and attributes are known. */
int onnx_op_check(struct onnx_import *im, const struct onnx_op *op)
{
	int since = onnx_op_since(op, im->opset), rc;
	size_t i;

	if (!since)
		return onnx_refuse(im, "operator set %lld has no such operator yet",
				   (long long)im->opset);
	if (since < op->first)
		return onnx_refuse(im, "its version of operator set %lld is not supported, that of "
				   "%d and later are", (long long)im->opset, op->first);
	for (i = 0; i < im->node->n_attribute; i++) {
		rc = attribute_check(im, op, im->node->attribute[i]);
		if (rc)
			return rc;
	}
	return ONNX_OK;
}
