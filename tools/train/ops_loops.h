/* SPDX-License-Identifier: MIT */
/*
 * All kernels, for the instruction set that the including file is compiled for, as OPS_TABLE. Not a
 * header of its own.
 */
#include <math.h>

#include "bf16.h"
#include "ops_kernels.h"

/* What bounds are, a constant in each loop; gradients do not ask whether there is rounding. */
#define BY_BOUND(l, loop)				\
	do {						\
		if ((l)->kind == OPS_FREE) {		\
			enum { KIND = OPS_FREE };	\
			loop;				\
		} else {				\
			enum { KIND = OPS_CLAMPED };	\
			loop;				\
		}					\
	} while (0)

#define BY_KIND(l, loop)				\
	do {						\
		if ((l)->kind == OPS_ROUNDED) {		\
			enum { KIND = OPS_ROUNDED };	\
			loop;				\
		} else {				\
			BY_BOUND(l, loop);		\
		}					\
	} while (0)

/* A NaN fails both comparisons and stays. */
static inline float clamped(float v, float min, float max)
{
	v = v < min ? min : v;
	return v > max ? max : v;
}

static inline float bounded(float v, const struct ops_limits *l, int kind)
{
	float level, whole;

	if (kind == OPS_FREE)
		return v;
	v = clamped(v, l->min, l->max);
	if (kind == OPS_CLAMPED)
		return v;
	/* Half away from zero; v + 0.5 would round itself. */
	level = v / l->step;
	whole = truncf(level);
	whole += fabsf(level - whole) >= 0.5f ? copysignf(1.0f, level) : 0.0f;
	return clamped(whole, l->low, l->high) * l->step;
}

/* The gradient @g by a value @v before its bounds. */
static inline float passed(float v, float g, const struct ops_limits *l, int kind)
{
	return kind != OPS_FREE && (v <= l->inner_min || v >= l->inner_max) ? 0.0f : g;
}

#define TYPE		float
#define LOAD(v)		(v)
#define STORE(v)	(v)
#define NAME(f)		f32_##f
#include "ops_type.h"
#undef TYPE
#undef LOAD
#undef STORE
#undef NAME

#define TYPE		uint16_t
#define LOAD(v)		bf16_load(v)
#define STORE(v)	bf16_store(v)
#define NAME(f)		bf16_##f
#include "ops_type.h"
#undef NAME

static void sgd(float *w, float *v, const float *grad, const uint8_t *mask, size_t n, float rate,
		float momentum, float decay)
{
	size_t i;

	if (!mask) {
#pragma omp simd
		for (i = 0; i < n; i++) {
			v[i] = momentum * v[i] + (grad[i] + decay * w[i]);
			w[i] -= rate * v[i];
		}
		return;
	}
#pragma omp simd
	for (i = 0; i < n; i++) {
		float next = momentum * v[i] + (grad[i] + decay * w[i]);

		w[i] = mask[i] ? w[i] - rate * next : w[i];
		v[i] = mask[i] ? next : v[i];
	}
}

/* Bounds are integers, so rounding may come after them; conversion cuts off: half away from zero. */
static inline float requantized(double v, double min, double max)
{
	v = v < min ? min : v > max ? max : v;
	return (float)(int32_t)(v + (v < 0 ? -0.5 : 0.5));
}

static void requantize(const float *x, const struct ops_block *k, const double *a, const double *b,
		       double min, double max, float *y)
{
	size_t r, j, width = k->width;

	for (r = 0; r < k->rows; r++, x += k->stride, y += k->stride)
#pragma omp simd
		for (j = 0; j < width; j++)
			y[j] = requantized((double)x[j] * a[j] + b[j], min, max);
}

static void requantize_add(const float *x0, const float *x1, size_t n, double a0, double a1, double min,
			   double max, float *y)
{
	size_t i;

#pragma omp simd
	for (i = 0; i < n; i++)
		y[i] = requantized((double)x0[i] * a0 + (double)x1[i] * a1, min, max);
}

#define TABLE(type)						\
	{							\
		.accumulate = type##_accumulate,		\
		.bound = type##_bound,				\
		.bound_backward = type##_bound_backward,	\
		.add = type##_add,				\
		.add_backward = type##_add_backward,		\
		.moments = type##_moments,			\
		.sums = type##_sums,				\
		.affine = type##_affine,			\
		.affine_backward = type##_affine_backward,	\
		.norm_sums = type##_norm_sums,			\
		.norm_backward = type##_norm_backward,		\
		.mean = type##_mean,				\
		.spread = type##_spread,			\
		.from_float = type##_from_float,		\
		.to_float = type##_to_float,			\
		.sgd = sgd,					\
		.requantize = requantize,			\
		.requantize_add = requantize_add,		\
	}

const struct ops_kernels OPS_TABLE[2] = { [DNN_F32] = TABLE(f32), [DNN_BF16] = TABLE(bf16) };
