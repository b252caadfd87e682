// SPDX-License-Identifier: MIT
/* Constants of an ONNX file, and the attributes and inputs of its nodes. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_private.h"

int onnx_array_alloc(struct onnx_import *im, struct onnx_array *a, bool is_int, int rank,
		     const int64_t *dims)
{
	size_t count = 1, bytes;
	int d;

	memset(a, 0, sizeof(*a));
	if (rank < 0 || rank > ONNX_MAX_RANK)
		return onnx_refuse(im, "a constant of %d dimensions, at most %d are supported",
				   rank, ONNX_MAX_RANK);
	for (d = 0; d < rank; d++) {
		if (dims[d] < 0 || (uint64_t)dims[d] > ONNX_MAX_CONST ||
		    __builtin_mul_overflow(count, (size_t)dims[d], &count) ||
		    count > ONNX_MAX_CONST)
			return onnx_refuse(im, "a constant of more than 2^28 elements");
		a->dims[d] = dims[d];
	}
	bytes = count * (is_int ? sizeof(int64_t) : sizeof(float));
	if (bytes > ONNX_MAX_CONST_BYTES - im->const_bytes)
		return onnx_refuse(im, "more than 4 GiB of constants");
	a->rank = rank;
	a->count = count;
	a->is_int = is_int;
	if (is_int)
		a->i = calloc(count ? count : 1, sizeof(*a->i));
	else
		a->f = calloc(count ? count : 1, sizeof(*a->f));
	if (!a->i && !a->f)
		return net_nomem(im->err);
	im->const_bytes += bytes;
	return ONNX_OK;
}

void onnx_array_free(struct onnx_array *a)
{
	free(a->f);
	free(a->i);
	memset(a, 0, sizeof(*a));
}

double onnx_array_get(const struct onnx_array *a, size_t i)
{
	return a->is_int ? (double)a->i[i] : (double)a->f[i];
}

static float half_to_float(uint16_t h)
{
	int exponent = h >> 10 & 31, mantissa = h & 1023;
	float v;

	if (exponent == 31)
		v = mantissa ? NAN : INFINITY;
	else if (exponent)
		v = ldexpf((float)(mantissa | 1024), exponent - 25);
	else
		v = ldexpf((float)mantissa, -24);
	return h & 0x8000 ? -v : v;
}

/* Bytes of an element in raw_data, 0: a type that is not supported. */
static size_t type_size(int32_t type, bool *is_int)
{
	*is_int = true;
	switch (type) {
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
		*is_int = false;
		return 4;
	case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
		*is_int = false;
		return 8;
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
		*is_int = false;
		return 2;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
		return 8;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
		return 4;
	case ONNX__TENSOR_PROTO__DATA_TYPE__UINT8:
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
	case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
		return 1;
	default:
		return 0;
	}
}

/* raw_data is little-endian, as is every machine that this runs on (checked by the build). */
static void array_from_raw(struct onnx_array *a, int32_t type, const uint8_t *p)
{
	size_t i;
	double d;
	int32_t s32;
	uint16_t h;

	for (i = 0; i < a->count; i++) {
		switch (type) {
		case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
			memcpy(&a->f[i], p + 4 * i, 4);
			break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
			memcpy(&d, p + 8 * i, 8);
			a->f[i] = (float)d;
			break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
			memcpy(&h, p + 2 * i, 2);
			a->f[i] = half_to_float(h);
			break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
			memcpy(&a->i[i], p + 8 * i, 8);
			break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
			memcpy(&s32, p + 4 * i, 4);
			a->i[i] = s32;
			break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
			a->i[i] = (int8_t)p[i];
			break;
		default:
			a->i[i] = p[i];
		}
	}
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw tensors are read as they lie");

static size_t typed_count(const Onnx__TensorProto *t)
{
	switch (t->data_type) {
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
		return t->n_float_data;
	case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
		return t->n_double_data;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
		return t->n_int64_data;
	default:
		return t->n_int32_data;
	}
}

static void array_from_typed(struct onnx_array *a, const Onnx__TensorProto *t)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		switch (t->data_type) {
		case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
			a->f[i] = t->float_data[i];
			break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
			a->f[i] = (float)t->double_data[i];
			break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
			a->f[i] = half_to_float((uint16_t)t->int32_data[i]);
			break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
			a->i[i] = t->int64_data[i];
			break;
		default:
			a->i[i] = t->int32_data[i];
		}
	}
}

int onnx_array_from_proto(struct onnx_import *im, const Onnx__TensorProto *t,
			  struct onnx_array *a)
{
	const char *name = t->name ? t->name : "";
	size_t size, have;
	bool is_int;
	int rc;

	memset(a, 0, sizeof(*a));
	if (t->n_external_data || (t->has_data_location && t->data_location ==
				   ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL))
		return onnx_refuse(im, "tensor '%.100s' lies in an external file; save the model "
				   "with its data inside", name);
	if (t->segment)
		return onnx_refuse(im, "tensor '%.100s' is segmented", name);
	size = type_size(t->data_type, &is_int);
	if (!size)
		return onnx_refuse(im,
				   "tensor '%.100s' has element type %d, which is not supported",
				   name, (int)t->data_type);
	if (t->n_dims > ONNX_MAX_RANK)
		return onnx_refuse(im, "tensor '%.100s' has %zu dimensions", name, t->n_dims);
	/* What the file holds bounds what is allocated. */
	have = t->has_raw_data ? t->raw_data.len / size : typed_count(t);
	rc = onnx_array_alloc(im, a, is_int, (int)t->n_dims, t->dims);
	if (rc)
		return rc;
	if (a->count != have || (t->has_raw_data && t->raw_data.len != have * size)) {
		rc = onnx_refuse(im, "tensor '%.100s': its shape needs %zu elements, the file "
				 "holds %zu", name, a->count, have);
		onnx_array_free(a);
		return rc;
	}
	if (t->has_raw_data)
		array_from_raw(a, t->data_type, t->raw_data.data);
	else
		array_from_typed(a, t);
	return ONNX_OK;
}

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

int64_t onnx_attr_int(const struct onnx_import *im, const char *name, int64_t preset)
{
	const Onnx__AttributeProto *a = onnx_attr(im, name);

	return a && a->has_i ? a->i : preset;
}

float onnx_attr_float(const struct onnx_import *im, const char *name, float preset)
{
	const Onnx__AttributeProto *a = onnx_attr(im, name);

	return a && a->has_f ? a->f : preset;
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
