// SPDX-License-Identifier: MIT
/*
 * Constant folding: the shape arithmetic and weight rearrangements that
 * exporters leave in a graph, evaluated while it is read.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_private.h"

#define FOLD_MAX_ELEMENTS	((size_t)1 << 26)

/* Room for a result; results are computed, not stored in the file, so bounded tighter. */
int onnx_result_alloc(struct onnx_import *im, struct onnx_array *out, bool is_int, int rank,
			const int64_t *dims)
{
	double count = 1;
	int d;

	for (d = 0; d < rank && d < ONNX_MAX_RANK; d++)
		count *= (double)dims[d];
	if (count > (double)FOLD_MAX_ELEMENTS)
		return onnx_refuse(im, "a computed constant of more than 2^26 elements");
	return onnx_array_alloc(im, out, is_int, rank, dims);
}

static void copy_element(struct onnx_array *dst, size_t i, const struct onnx_array *src, size_t j)
{
	if (dst->is_int)
		dst->i[i] = src->i[j];
	else
		dst->f[i] = src->f[j];
}

/* The same elements under another shape. */
int onnx_reshaped(struct onnx_import *im, const struct onnx_array *a, struct onnx_array *out,
		    int rank, const int64_t *dims)
{
	size_t i;
	int rc = onnx_result_alloc(im, out, a->is_int, rank, dims);

	if (rc)
		return rc;
	if (out->count != a->count) {
		onnx_array_free(out);
		return onnx_refuse(im, "a reshape that changes the number of elements");
	}
	for (i = 0; i < a->count; i++)
		copy_element(out, i, a, i);
	return ONNX_OK;
}

/* An axis of @rank, counted from the end if negative; -1 if it is outside. */
static int axis_of(int64_t axis, int rank)
{
	if (axis < -rank || axis >= rank)
		return -1;
	return (int)(axis < 0 ? axis + rank : axis);
}

/* All 0 without elements: the other dimensions' product may be beyond any integer then. */
void onnx_strides(const struct onnx_array *a, size_t *strides)
{
	size_t s = a->count ? 1 : 0;
	int d;

	for (d = a->rank - 1; d >= 0; d--) {
		strides[d] = s;
		s *= (size_t)a->dims[d];
	}
}

/*
 * Visit each element of @out with the offset sum(start[d] + index[d] * step[d]) into
 * a source: what Slice, Transpose, Gather of one axis and broadcasts have in common.
 */
void onnx_copy_strided(struct onnx_array *out, const struct onnx_array *a, int64_t offset,
			 const int64_t *step)
{
	int64_t index[ONNX_MAX_RANK] = { 0 };
	size_t i;
	int d;

	for (i = 0; i < out->count; i++) {
		copy_element(out, i, a, (size_t)offset);
		for (d = out->rank - 1; d >= 0; d--) {
			offset += step[d];
			if (++index[d] < out->dims[d])
				break;
			offset -= step[d] * index[d];
			index[d] = 0;
		}
	}
}

int onnx_fold_constant(struct onnx_import *im, struct onnx_array *out)
{
	const Onnx__AttributeProto *a = onnx_attr(im, "value");
	int64_t dims[1];
	size_t i;
	int rc;

	if (a && a->t)
		return onnx_array_from_proto(im, a->t, out);
	a = onnx_attr(im, "value_float");
	if (a && a->has_f) {
		rc = onnx_array_alloc(im, out, false, 0, NULL);
		if (!rc)
			out->f[0] = a->f;
		return rc;
	}
	a = onnx_attr(im, "value_int");
	if (a && a->has_i) {
		rc = onnx_array_alloc(im, out, true, 0, NULL);
		if (!rc)
			out->i[0] = a->i;
		return rc;
	}
	a = onnx_attr(im, "value_ints");
	if (a) {
		dims[0] = (int64_t)a->n_ints;
		rc = onnx_array_alloc(im, out, true, 1, dims);
		for (i = 0; !rc && i < a->n_ints; i++)
			out->i[i] = a->ints[i];
		return rc;
	}
	a = onnx_attr(im, "value_floats");
	if (a) {
		dims[0] = (int64_t)a->n_floats;
		rc = onnx_array_alloc(im, out, false, 1, dims);
		for (i = 0; !rc && i < a->n_floats; i++)
			out->f[i] = a->floats[i];
		return rc;
	}
	return onnx_refuse(im, "a constant of an unsupported type");
}

int onnx_fold_constant_of_shape(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *shape = onnx_const_input(im, 0);
	const Onnx__AttributeProto *attr = onnx_attr(im, "value");
	struct onnx_array value = { 0 };
	size_t i;
	int rc = ONNX_OK;

	if (!shape->is_int || shape->rank != 1 || shape->count > ONNX_MAX_RANK)
		return onnx_refuse(im, "a shape that is not a list of integers");
	if (attr && attr->t)
		rc = onnx_array_from_proto(im, attr->t, &value);
	if (rc)
		return rc;
	if (attr && attr->t && value.count != 1) {
		onnx_array_free(&value);
		return onnx_refuse(im, "a fill value that is not one element");
	}
	rc = onnx_result_alloc(im, out, value.is_int, (int)shape->count, shape->i);
	for (i = 0; !rc && value.count && i < out->count; i++)
		copy_element(out, i, &value, 0);
	onnx_array_free(&value);
	return rc;
}

int onnx_fold_transpose(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0);
	const Onnx__AttributeProto *attr = onnx_attr(im, "perm");
	int64_t dims[ONNX_MAX_RANK], step[ONNX_MAX_RANK];
	size_t strides[ONNX_MAX_RANK];
	unsigned int seen = 0;
	int d, from, rc;

	if (attr && attr->n_ints != (size_t)a->rank)
		return onnx_refuse(im, "a permutation of the wrong length");
	onnx_strides(a, strides);
	for (d = 0; d < a->rank; d++) {
		from = attr ? axis_of(attr->ints[d], a->rank) : a->rank - 1 - d;
		if (from < 0 || seen & 1u << from)
			return onnx_refuse(im, "not a permutation");
		seen |= 1u << from;
		dims[d] = a->dims[from];
		step[d] = (int64_t)strides[from];
	}
	rc = onnx_result_alloc(im, out, a->is_int, a->rank, dims);
	if (!rc && out->count)
		onnx_copy_strided(out, a, 0, step);
	return rc;
}

int onnx_fold_unsqueeze(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0), *in = onnx_const_input(im, 1);
	const Onnx__AttributeProto *attr = onnx_attr(im, "axes");
	size_t n = attr ? attr->n_ints : in ? in->count : 0;
	int64_t dims[ONNX_MAX_RANK];
	unsigned int mask;
	int d, from = 0, rank, rc;

	if (n > ONNX_MAX_RANK || a->rank + (int)n > ONNX_MAX_RANK)
		return onnx_refuse(im, "more than %d dimensions", ONNX_MAX_RANK);
	rank = a->rank + (int)n;
	rc = onnx_axes(im, rank, &mask, &n);
	if (rc)
		return rc;
	for (d = 0; d < rank; d++)
		dims[d] = mask & 1u << d ? 1 : a->dims[from++];
	return onnx_reshaped(im, a, out, rank, dims);
}

int onnx_fold_squeeze(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0);
	int64_t dims[ONNX_MAX_RANK];
	unsigned int mask;
	int d, rank = 0, rc;
	size_t n;

	rc = onnx_axes(im, a->rank, &mask, &n);
	if (rc)
		return rc;
	for (d = 0; d < a->rank; d++)
		if (n ? !(mask & 1u << d) : a->dims[d] != 1)
			dims[rank++] = a->dims[d];
	return onnx_reshaped(im, a, out, rank, dims);
}

int onnx_fold_reshape(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0);
	int64_t dims[ONNX_MAX_RANK];
	int rank, rc;

	rc = onnx_reshape_dims(im, a->dims, a->rank, a->count, &rank, dims);
	return rc ? rc : onnx_reshaped(im, a, out, rank, dims);
}

int onnx_fold_flatten(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0);
	int64_t axis = onnx_attr_int(im, "axis", 1), dims[2] = { 1, 1 };
	int d;

	if (axis < -a->rank || axis > a->rank)
		return onnx_refuse(im, "a bad axis");
	if (axis < 0)
		axis += a->rank;
	for (d = 0; d < a->rank; d++)
		if (__builtin_mul_overflow(dims[d >= axis], a->dims[d], &dims[d >= axis]))
			return onnx_refuse(im, "a bad shape");
	return onnx_reshaped(im, a, out, 2, dims);
}

int onnx_fold_concat(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *first = onnx_const_input(im, 0), *a;
	int64_t dims[ONNX_MAX_RANK];
	size_t k, i, inner = 1, outer = 1, row, at = 0, o;
	int d, axis, rc;

	axis = axis_of(onnx_attr_int(im, "axis", 0), first->rank);
	if (axis < 0)
		return onnx_refuse(im, "a bad axis");
	memcpy(dims, first->dims, sizeof(dims));
	for (k = 1; k < im->node->n_input; k++) {
		a = onnx_const_input(im, k);
		if (!a || a->rank != first->rank || a->is_int != first->is_int)
			return onnx_refuse(im, "inputs of different kinds");
		for (d = 0; d < a->rank; d++)
			if (d != axis && a->dims[d] != first->dims[d])
				return onnx_refuse(im, "inputs of different shapes");
		dims[axis] += a->dims[axis];
	}
	rc = onnx_result_alloc(im, out, first->is_int, first->rank, dims);
	if (rc)
		return rc;
	for (d = 0; d < first->rank; d++)
		if (d < axis)
			outer *= (size_t)dims[d];
		else if (d > axis)
			inner *= (size_t)dims[d];
	row = inner * (size_t)dims[axis];
	/* Input after input: empty ones, however many rows they have, take no time. */
	for (k = 0; k < im->node->n_input; k++) {
		size_t n;

		a = onnx_const_input(im, k);
		n = a->count ? inner * (size_t)a->dims[axis] : 0;
		for (o = 0; n && o < outer; o++)
			for (i = 0; i < n; i++)
				copy_element(out, o * row + at + i, a, o * n + i);
		at += n;
	}
	return ONNX_OK;
}

int onnx_fold_gather(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0), *idx = onnx_const_input(im, 1);
	int64_t dims[ONNX_MAX_RANK];
	size_t inner = 1, outer = 1, o, i, k, at = 0;
	int d, axis, rank = 0, rc;

	if (!idx || !idx->is_int)
		return onnx_refuse(im, "indices that are not integers");
	axis = axis_of(onnx_attr_int(im, "axis", 0), a->rank);
	if (axis < 0 || a->rank - 1 + idx->rank > ONNX_MAX_RANK)
		return onnx_refuse(im, "a bad axis");
	for (d = 0; d < axis; d++, rank++)
		outer *= (size_t)(dims[rank] = a->dims[d]);
	for (d = 0; d < idx->rank; d++)
		dims[rank++] = idx->dims[d];
	for (d = axis + 1; d < a->rank; d++, rank++)
		inner *= (size_t)(dims[rank] = a->dims[d]);
	for (k = 0; k < idx->count; k++)
		if (idx->i[k] < -a->dims[axis] || idx->i[k] >= a->dims[axis])
			return onnx_refuse(im, "an index out of range");
	rc = onnx_result_alloc(im, out, a->is_int, rank, dims);
	if (rc)
		return rc;
	/* Without elements the loops would have nothing to do, but might do it 2^56 times. */
	for (o = 0; out->count && o < outer; o++)
		for (k = 0; k < idx->count; k++) {
			int64_t j = idx->i[k] < 0 ? idx->i[k] + a->dims[axis] : idx->i[k];

			for (i = 0; i < inner; i++)
				copy_element(out, at++, a,
					     (o * (size_t)a->dims[axis] + (size_t)j) * inner + i);
		}
	return ONNX_OK;
}

/* Element @i of a list that is an input (from opset 10 on) or an attribute. */
static int64_t slice_param(struct onnx_import *im, const char *attr, size_t input, size_t i,
			   int64_t preset)
{
	const Onnx__AttributeProto *a = onnx_attr(im, attr);
	const struct onnx_array *in = onnx_const_input(im, input);

	if (a)
		return i < a->n_ints ? a->ints[i] : preset;
	return in && in->is_int && i < in->count ? in->i[i] : preset;
}

static int64_t clamp64(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

int onnx_fold_slice(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0), *in = onnx_const_input(im, 1);
	const Onnx__AttributeProto *attr = onnx_attr(im, "starts");
	size_t strides[ONNX_MAX_RANK], i, n = attr ? attr->n_ints : in ? in->count : 0;
	int64_t dims[ONNX_MAX_RANK], step[ONNX_MAX_RANK], offset = 0;
	unsigned int seen = 0;
	int d, axis, rc;

	onnx_strides(a, strides);
	for (d = 0; d < a->rank; d++) {
		dims[d] = a->dims[d];
		step[d] = (int64_t)strides[d];
	}
	if (n > ONNX_MAX_RANK)
		return onnx_refuse(im, "more axes than dimensions");
	for (i = 1; i < im->node->n_input; i++)
		if (onnx_const_input(im, i) && !onnx_const_input(im, i)->is_int)
			return onnx_refuse(im, "starts, ends, axes or steps that are not integers");
	for (i = 0; i < n; i++) {
		int64_t start, end, by, size;

		axis = axis_of(slice_param(im, "axes", 3, i, (int64_t)i), a->rank);
		by = slice_param(im, "steps", 4, i, 1);
		if (axis < 0 || !by || by < -ONNX_MAX_RANK * 65536 || by > ONNX_MAX_RANK * 65536)
			return onnx_refuse(im, "a bad axis or step");
		/* An axis sliced twice would add up two offsets. */
		if (seen & 1u << axis)
			return onnx_refuse(im, "an axis given twice");
		seen |= 1u << axis;
		size = a->dims[axis];
		if (!size)
			continue;
		start = clamp64(slice_param(im, "starts", 1, i, 0), -size - 1, size);
		end = clamp64(slice_param(im, "ends", 2, i, size), -size - 1, size);
		start += start < 0 ? size : 0;
		end += end < 0 ? size : 0;
		start = clamp64(start, 0, by > 0 ? size : size - 1);
		end = clamp64(end, by > 0 ? 0 : -1, size);
		if (by > 0)
			dims[axis] = end > start ? (end - start + by - 1) / by : 0;
		else
			dims[axis] = start > end ? (start - end - by - 1) / -by : 0;
		offset += start * (int64_t)strides[axis];
		step[axis] = by * (int64_t)strides[axis];
	}
	rc = onnx_result_alloc(im, out, a->is_int, a->rank, dims);
	if (!rc && out->count)
		onnx_copy_strided(out, a, offset, step);
	return rc;
}

/* Shapes are known, those of activations too. */
int onnx_fold_shape(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_value *v = onnx_input(im, 0);
	bool constant = v->kind == ONNX_CONST;
	int rank = constant ? v->array.rank : v->rank;
	const int64_t *dims = constant ? v->array.dims : v->dims;
	int64_t start = onnx_attr_int(im, "start", 0), end = onnx_attr_int(im, "end", rank), count;
	int rc;

	start = clamp64(start < 0 ? start + rank : start, 0, rank);
	end = clamp64(end < 0 ? end + rank : end, 0, rank);
	count = end > start ? end - start : 0;
	rc = onnx_array_alloc(im, out, true, 1, &count);
	if (!rc)
		memcpy(out->i, dims + start, (size_t)count * sizeof(*dims));
	return rc;
}
