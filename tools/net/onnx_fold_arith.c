// SPDX-License-Identifier: MIT
/* Constant folding: arithmetic, broadcasts, casts. */
#include <math.h>
#include <string.h>

#include "onnx_private.h"

/* To the nearest number that the type can hold, ties to even. */
static float round_to(float v, int64_t type)
{
	uint32_t bits;
	int exponent;

	if (!isfinite(v))
		return v;
	if (type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16) {
		memcpy(&bits, &v, sizeof(bits));
		bits += 0x7fff + (bits >> 16 & 1);
		bits &= 0xffff0000;
		memcpy(&v, &bits, sizeof(bits));
	} else if (type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16) {
		if (fabsf(v) >= 65520)
			return copysignf(INFINITY, v);
		/* 11 bits of mantissa, subnormal below 2^-14 */
		exponent = fabsf(v) < 0x1p-14f ? -24 : ilogbf(v) - 10;
		v = ldexpf(rintf(ldexpf(v, -exponent)), exponent);
	}
	return v;
}

int onnx_fold_cast(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0);
	int64_t to = onnx_attr_int(im, "to", 0);
	bool is_int;
	size_t i;
	int rc;

	switch (to) {
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
	case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
	case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
		is_int = false;
		break;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
	case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
		is_int = true;
		break;
	default:
		return onnx_refuse(im, "a cast to element type %lld", (long long)to);
	}
	rc = onnx_result_alloc(im, out, is_int, a->rank, a->dims);
	for (i = 0; !rc && i < a->count; i++) {
		double v = onnx_array_get(a, i);

		if (!is_int)
			out->f[i] = round_to((float)v, to);
		else if (to == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL)
			out->i[i] = v != 0;
		else if (a->is_int)
			out->i[i] = a->i[i];
		else
			out->i[i] = isfinite(v) && fabs(v) < 9e18 ? (int64_t)v : 0;
	}
	return rc;
}

/* Broadcast shape of two arrays; steps are 0 along broadcast dimensions. */
static int broadcast(struct onnx_import *im, const struct onnx_array *a,
		     const struct onnx_array *b, int *rank, int64_t *dims)
{
	int d, da, db;

	*rank = a->rank > b->rank ? a->rank : b->rank;
	for (d = 0; d < *rank; d++) {
		int64_t na, nb;

		da = d - (*rank - a->rank);
		db = d - (*rank - b->rank);
		na = da < 0 ? 1 : a->dims[da];
		nb = db < 0 ? 1 : b->dims[db];
		if (na != nb && na != 1 && nb != 1)
			return onnx_refuse(im, "shapes that can't be broadcast");
		dims[d] = na == 1 ? nb : na;
	}
	return ONNX_OK;
}

static int expanded(struct onnx_import *im, const struct onnx_array *a, int rank,
		    const int64_t *dims, struct onnx_array *out)
{
	size_t strides[ONNX_MAX_RANK];
	int64_t step[ONNX_MAX_RANK];
	int d, da, rc;

	onnx_strides(a, strides);
	for (d = 0; d < rank; d++) {
		da = d - (rank - a->rank);
		step[d] = da < 0 || a->dims[da] == 1 ? 0 : (int64_t)strides[da];
	}
	rc = onnx_result_alloc(im, out, a->is_int, rank, dims);
	if (!rc && out->count)
		onnx_copy_strided(out, a, 0, step);
	return rc;
}

int onnx_fold_expand(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0), *shape = onnx_const_input(im, 1);
	struct onnx_array want = { 0 };
	int64_t dims[ONNX_MAX_RANK];
	int rank, rc;

	if (!shape || !shape->is_int || shape->count > ONNX_MAX_RANK)
		return onnx_refuse(im, "a shape that is not a list of integers");
	want.rank = (int)shape->count;
	memcpy(want.dims, shape->i, shape->count * sizeof(int64_t));
	rc = broadcast(im, a, &want, &rank, dims);
	return rc ? rc : expanded(im, a, rank, dims, out);
}

static int int_binary(struct onnx_import *im, char op, int64_t x, int64_t y, int64_t *z)
{
	bool bad = false;

	if (op == '+')
		bad = __builtin_add_overflow(x, y, z);
	else if (op == '-')
		bad = __builtin_sub_overflow(x, y, z);
	else if (op == '*')
		bad = __builtin_mul_overflow(x, y, z);
	else if (!y || (x == INT64_MIN && y == -1))
		bad = true;
	else
		*z = x / y;
	return bad ? onnx_refuse(im, "integer overflow or division by 0 in constants") : ONNX_OK;
}

int onnx_fold_binary(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0), *b = onnx_const_input(im, 1);
	const char *name = im->node->op_type;
	char op = name[0] == 'A' ? '+' : name[0] == 'S' ? '-' : name[0] == 'M' ? '*' : '/';
	struct onnx_array y = { 0 };
	int64_t dims[ONNX_MAX_RANK];
	int rank, rc;
	size_t i;

	if (!b || a->is_int != b->is_int)
		return onnx_refuse(im, "operands of different types");
	rc = broadcast(im, a, b, &rank, dims);
	if (!rc)
		rc = expanded(im, a, rank, dims, out);
	if (rc)
		return rc;
	rc = expanded(im, b, rank, dims, &y);
	for (i = 0; !rc && i < out->count; i++) {
		if (out->is_int)
			rc = int_binary(im, op, out->i[i], y.i[i], &out->i[i]);
		else if (op == '+')
			out->f[i] += y.f[i];
		else if (op == '-')
			out->f[i] -= y.f[i];
		else if (op == '*')
			out->f[i] *= y.f[i];
		else
			out->f[i] /= y.f[i];
	}
	onnx_array_free(&y);
	if (rc)
		onnx_array_free(out);
	return rc;
}

int onnx_fold_unary(struct onnx_import *im, struct onnx_array *out)
{
	const struct onnx_array *a = onnx_const_input(im, 0);
	const char *op = im->node->op_type;
	size_t i;
	int rc = onnx_reshaped(im, a, out, a->rank, a->dims);

	if (rc || !strcmp(op, "Identity"))
		return rc;
	for (i = 0; i < out->count; i++) {
		if (out->is_int && !strcmp(op, "Neg"))
			out->i[i] = (int64_t)(0 - (uint64_t)out->i[i]);
		else if (out->is_int)
			continue;	/* rounding leaves integers as they are */
		else if (!strcmp(op, "Neg"))
			out->f[i] = -out->f[i];
		else if (!strcmp(op, "Sqrt"))
			out->f[i] = sqrtf(out->f[i]);
		else if (!strcmp(op, "Floor"))
			out->f[i] = floorf(out->f[i]);
		else
			out->f[i] = ceilf(out->f[i]);
	}
	return ONNX_OK;
}
