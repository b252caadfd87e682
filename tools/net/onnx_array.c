// SPDX-License-Identifier: MIT
/* Constants of an ONNX file. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onnx_private.h"

/*
 * A small file can ask for arrays without end: all that it makes of its constants, and the layers'
 * own arrays, must fit a room that grows with it (onnx_import_start()).
 */
int onnx_reserve(struct onnx_import *im, size_t bytes)
{
	if (bytes > im->const_room - im->const_bytes)
		return onnx_refuse(im, "more than %zu MiB of constants and weights out of a file of "
				   "this size", im->const_room >> 20);
	im->const_bytes += bytes;
	return ONNX_OK;
}

/* The shape; count * 8 does not overflow. */
static int array_shape(struct onnx_import *im, struct onnx_array *a, bool is_int, int rank,
		       const int64_t *dims)
{
	size_t count = 1;
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
	a->rank = rank;
	a->count = count;
	a->is_int = is_int;
	return ONNX_OK;
}

/* Room for the elements of a shape. */
static int array_room(struct onnx_import *im, struct onnx_array *a)
{
	size_t size = a->is_int ? sizeof(*a->i) : sizeof(*a->f);
	int rc = onnx_reserve(im, a->count * size);

	if (rc)
		return rc;
	if (a->is_int)
		a->i = calloc(a->count ? a->count : 1, size);
	else
		a->f = calloc(a->count ? a->count : 1, size);
	return a->i || a->f ? ONNX_OK : net_nomem(im->err);
}

int onnx_array_alloc(struct onnx_import *im, struct onnx_array *a, bool is_int, int rank,
		     const int64_t *dims)
{
	int rc = array_shape(im, a, is_int, rank, dims);

	return rc ? rc : array_room(im, a);
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

/* The upper half of a float. */
static float bfloat_to_float(uint16_t b)
{
	uint32_t bits = (uint32_t)b << 16;
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
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
	case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
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
		case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
			memcpy(&h, p + 2 * i, 2);
			a->f[i] = bfloat_to_float(h);
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
		case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
			a->f[i] = bfloat_to_float((uint16_t)t->int32_data[i]);
			break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
			a->i[i] = t->int64_data[i];
			break;
		default:
			a->i[i] = t->int32_data[i];
		}
	}
}

/*
 * What protobuf-c allocated just as the array needs it becomes the array's, so that a network's
 * weights are not there twice.
 */
static bool array_take(struct onnx_array *a, Onnx__TensorProto *t)
{
	if (!a->count)
		return false;
	if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT && t->has_raw_data) {
		a->f = (float *)t->raw_data.data;
		t->raw_data.data = NULL;
		t->raw_data.len = 0;
	} else if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 && t->has_raw_data) {
		a->i = (int64_t *)t->raw_data.data;
		t->raw_data.data = NULL;
		t->raw_data.len = 0;
	} else if (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
		a->f = t->float_data;
		t->float_data = NULL;
		t->n_float_data = 0;
	}
	return a->f || a->i;
}

/* Elements that lie in the file of the network itself. */
static int array_from_file(struct onnx_import *im, Onnx__TensorProto *t, size_t size,
			   struct onnx_array *a)
{
	size_t have = t->has_raw_data ? t->raw_data.len / size : typed_count(t);
	int rc;

	/* What the file holds bounds what is allocated. */
	if (a->count != have || (t->has_raw_data && t->raw_data.len != have * size))
		return onnx_refuse(im, "tensor '%.100s': its shape needs %zu elements, the file "
				   "holds %zu", t->name ? t->name : "", a->count, have);
	if (array_take(a, t))
		return ONNX_OK;
	rc = array_room(im, a);
	if (rc)
		return rc;
	if (t->has_raw_data)
		array_from_raw(a, t->data_type, t->raw_data.data);
	else
		array_from_typed(a, t);
	return ONNX_OK;
}

/* Elements in a file beside; those of 4-byte floats are read where they stay. */
static int array_from_external(struct onnx_import *im, const Onnx__TensorProto *t, size_t size,
			       struct onnx_array *a)
{
	size_t bytes = a->count * size;
	uint64_t offset;
	uint8_t *raw = NULL;
	int fd, rc;

	rc = onnx_external_open(im, t, bytes, &fd, &offset);
	if (rc)
		return rc;
	rc = array_room(im, a);
	if (!rc && t->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
		raw = malloc(bytes ? bytes : 1);
		if (!raw)
			rc = net_nomem(im->err);
	}
	if (!rc)
		rc = onnx_external_read(im, t, fd, offset, raw ? raw : (uint8_t *)a->f, bytes);
	if (!rc && raw)
		array_from_raw(a, t->data_type, raw);
	free(raw);
	close(fd);
	return rc;
}

int onnx_array_from_proto(struct onnx_import *im, Onnx__TensorProto *t, struct onnx_array *a)
{
	const char *name = t->name ? t->name : "";
	size_t size;
	bool is_int;
	int rc;

	memset(a, 0, sizeof(*a));
	if (t->segment)
		return onnx_refuse(im, "tensor '%.100s' is segmented", name);
	size = type_size(t->data_type, &is_int);
	if (!size)
		return onnx_refuse(im,
				   "tensor '%.100s' has element type %d, which is not supported",
				   name, (int)t->data_type);
	if (t->n_dims > ONNX_MAX_RANK)
		return onnx_refuse(im, "tensor '%.100s' has %zu dimensions", name, t->n_dims);
	rc = array_shape(im, a, is_int, (int)t->n_dims, t->dims);
	if (rc)
		return rc;
	if (t->n_external_data || (t->has_data_location && t->data_location ==
				   ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL))
		rc = array_from_external(im, t, size, a);
	else
		rc = array_from_file(im, t, size, a);
	if (rc)
		onnx_array_free(a);
	return rc;
}
