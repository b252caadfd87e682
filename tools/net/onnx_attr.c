// SPDX-License-Identifier: MIT
/* Attributes and inputs of the node that is being imported. */
#include <string.h>

#include "onnx_private.h"

const Onnx__AttributeProto *onnx_attr(const struct onnx_import *im, const char *name)
{
	size_t i;

	for (i = 0; i < im->node->n_attribute; i++) {
		const Onnx__AttributeProto *a = im->node->attribute[i];

		if (a->name && !strcmp(a->name, name))
			return a;
	}
	return NULL;
}

/* onnx_op_check() saw to the type; writers of proto3 leave a value of 0 out. */
int64_t onnx_attr_int(const struct onnx_import *im, const char *name, int64_t preset)
{
	const Onnx__AttributeProto *a = onnx_attr(im, name);

	return !a ? preset : a->has_i ? a->i : 0;
}

float onnx_attr_float(const struct onnx_import *im, const char *name, float preset)
{
	const Onnx__AttributeProto *a = onnx_attr(im, name);

	return !a ? preset : a->has_f ? a->f : 0;
}

bool onnx_attr_is(const Onnx__AttributeProto *a, const char *text)
{
	return a->has_s && a->s.len == strlen(text) && !memcmp(a->s.data, text, a->s.len);
}

/* A list of exactly @count integers from @min to @max; absent: all @preset. */
int onnx_attr_ints(struct onnx_import *im, const char *name, size_t count, int64_t *v,
		   int64_t preset, int64_t min, int64_t max)
{
	const Onnx__AttributeProto *a = onnx_attr(im, name);
	size_t i;

	if (a && a->n_ints && a->n_ints != count)
		return onnx_refuse(im, "attribute %s has %zu values, %zu are supported", name,
				   a->n_ints, count);
	for (i = 0; i < count; i++) {
		v[i] = a && a->n_ints ? a->ints[i] : preset;
		if (v[i] < min || v[i] > max)
			return onnx_refuse(im, "attribute %s: %lld is not from %lld to %lld", name,
					   (long long)v[i], (long long)min, (long long)max);
	}
	return ONNX_OK;
}

/* Input @i of the node, NULL where it is left out. */
struct onnx_value *onnx_input(struct onnx_import *im, size_t i)
{
	if (i >= im->node->n_input || !im->node->input[i] || !im->node->input[i][0])
		return NULL;
	return onnx_find(im, im->node->input[i]);
}

const struct onnx_array *onnx_const_input(struct onnx_import *im, size_t i)
{
	struct onnx_value *v = onnx_input(im, i);

	return v && v->kind == ONNX_CONST ? &v->array : NULL;
}

/*
 * The axes of Squeeze, Unsqueeze and ReduceMean, an attribute in their older versions, the second
 * input in the newer ones. @rank is that of the side where they count; *count 0: none are given.
 */
int onnx_axes(struct onnx_import *im, int rank, unsigned int *mask, size_t *count)
{
	const Onnx__AttributeProto *attr = onnx_attr(im, "axes");
	const struct onnx_array *in = onnx_const_input(im, 1);
	int64_t axis;
	size_t i;

	*mask = 0;
	*count = attr ? attr->n_ints : in ? in->count : 0;
	if (onnx_input(im, 1) && (!in || !in->is_int))
		return onnx_refuse(im, "axes that are not constant integers");
	if (*count > ONNX_MAX_RANK || rank > ONNX_MAX_RANK)
		return onnx_refuse(im, "more than %d axes", ONNX_MAX_RANK);
	for (i = 0; i < *count; i++) {
		axis = attr ? attr->ints[i] : in->i[i];
		if (axis < -rank || axis >= rank)
			return onnx_refuse(im, "a bad axis");
		axis += axis < 0 ? rank : 0;
		if (*mask & 1u << axis)
			return onnx_refuse(im, "an axis given twice");
		*mask |= 1u << axis;
	}
	return ONNX_OK;
}

/* The shape that a Reshape of @count elements gives: 0 takes over a size, -1 takes what is left. */
int onnx_reshape_dims(struct onnx_import *im, const int64_t *from, int from_rank, size_t count,
		      int *rank, int64_t *dims)
{
	const struct onnx_array *shape = onnx_const_input(im, 1);
	bool keep = !onnx_attr_int(im, "allowzero", 0);
	int64_t known = 1;
	int d, hole = -1;

	if (!shape || !shape->is_int || shape->count > ONNX_MAX_RANK)
		return onnx_refuse(im, "the shape is not a constant list of at most %d integers",
				   ONNX_MAX_RANK);
	*rank = (int)shape->count;
	for (d = 0; d < *rank; d++) {
		dims[d] = shape->i[d];
		if (!dims[d] && keep && d < from_rank)
			dims[d] = from[d];
		if (dims[d] == -1 && hole < 0)
			hole = d;
		else if (dims[d] < 0 || __builtin_mul_overflow(known, dims[d], &known))
			return onnx_refuse(im, "a bad shape");
	}
	if (hole >= 0) {
		if (!known || count % (size_t)known)
			return onnx_refuse(im, "a shape that does not fit its input");
		dims[hole] = (int64_t)count / known;
	}
	return ONNX_OK;
}
