/* SPDX-License-Identifier: MIT */
/*
 * The loops of ops.h, on one thread. They are compiled for several instruction sets and for each of
 * both types from one source; all give the same bits, as nothing is reassociated or contracted.
 */
#ifndef TRAIN_OPS_KERNELS_H
#define TRAIN_OPS_KERNELS_H

#include "ops.h"

/** struct ops_limits - a struct ops_bound, prepared. */
struct ops_limits {
	enum { OPS_FREE, OPS_CLAMPED, OPS_ROUNDED } kind;
	float min, max;			/* of the clamp before rounding */
	float step, low, high;
	float inner_min, inner_max;	/* gradients pass strictly between them */
};

/** struct ops_block - some channels of some rows. */
struct ops_block {
	size_t rows, width, stride;	/* stride: elements from row to row */
};

/** struct ops_norm - by channel: what turns dy into dx. */
struct ops_norm {
	const float *a, *b, *mean;
	const float *slope, *offset;	/* dx = g * a + (x - mean) * slope + offset */
};

/** struct ops_kernels - for one type and instruction set. */
struct ops_kernels {
	void (*accumulate)(const void *x, void *y, size_t n);
	void (*bound)(const void *x, size_t n, const struct ops_limits *l, void *y);
	void (*bound_backward)(const void *x, const void *dy, size_t n,
			       const struct ops_limits *l, void *dx);
	void (*add)(const void *x0, const void *x1, size_t n, const struct ops_limits *l, void *y);
	void (*add_backward)(const void *x0, const void *x1, const void *dy, size_t n,
			     const struct ops_limits *l, void *d);
	/* Sums over the rows are added to what is there. */
	void (*moments)(const void *x, const struct ops_block *k, double *sum, double *squares);
	void (*sums)(const void *x, const struct ops_block *k, double *sum);
	void (*affine)(const void *x, const struct ops_block *k, const float *a, const float *b,
		       const struct ops_limits *l, void *y);
	void (*affine_backward)(const void *x, const void *dy, const struct ops_block *k,
				const float *a, const float *b, const struct ops_limits *l,
				void *dx, double *da, double *db);
	/* sum dy * (x - mean) and sum dy */
	void (*norm_sums)(const void *x, const void *dy, const struct ops_block *k,
			  const struct ops_norm *m, const struct ops_limits *l, double *dot,
			  double *sum);
	void (*norm_backward)(const void *x, const void *dy, const struct ops_block *k,
			      const struct ops_norm *m, const struct ops_limits *l, void *dx);
	/* y = sum / area */
	void (*mean)(const double *sum, size_t n, double area, void *y);
	/* Each row of x is y * factor. */
	void (*spread)(const void *y, const struct ops_block *k, float factor, void *x);
	void (*from_float)(const float *x, size_t n, void *y);
	void (*to_float)(const void *x, size_t n, float *y);
	void (*sgd)(float *w, float *v, const float *grad, const uint8_t *mask, size_t n,
		    float rate, float momentum, float decay);	/* no matter which type */
	/* In single precision, whichever type. */
	void (*requantize)(const float *x, const struct ops_block *k, const double *a,
			   const double *b, double min, double max, float *y);
	void (*requantize_add)(const float *x0, const float *x1, size_t n, double a0, double a1,
			       double min, double max, float *y);
};

/* By x86-64 level and type. */
extern const struct ops_kernels ops_v1[2], ops_v3[2], ops_v4[2];

/** ops_level() - the highest x86-64 level whose kernels the processor runs: 1, 3 or 4. */
unsigned int ops_level(void);

/** ops_use() - let all calls use these kernels, NULL: the processor's best; for tests. */
void ops_use(const struct ops_kernels *kernels);

#endif
