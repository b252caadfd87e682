/* SPDX-License-Identifier: MIT */
/*
 * The kernels for one type: included by ops_loops.h with TYPE (an element), LOAD, STORE and NAME().
 * Not a header of its own, so without a guard.
 *
 * "omp simd" says that an output may be an input, but only the same element: no loop carries a
 * dependency. It allows no other order of sums.
 */

static void NAME(accumulate)(const void *px, void *py, size_t n)
{
	const TYPE *x = px;
	TYPE *y = py;
	size_t i;

#pragma omp simd
	for (i = 0; i < n; i++)
		y[i] = STORE(LOAD(y[i]) + LOAD(x[i]));
}

static inline void NAME(bound_loop)(const TYPE *x, size_t n, const struct ops_limits *l, TYPE *y,
				    int kind)
{
	const struct ops_limits m = *l;
	size_t i;

#pragma omp simd
	for (i = 0; i < n; i++)
		y[i] = STORE(bounded(LOAD(x[i]), &m, kind));
}

static void NAME(bound)(const void *x, size_t n, const struct ops_limits *l, void *y)
{
	BY_KIND(l, NAME(bound_loop)(x, n, l, y, KIND));
}

static inline void NAME(bound_backward_loop)(const TYPE *x, const TYPE *dy, size_t n,
					     const struct ops_limits *l, TYPE *dx, int kind)
{
	const struct ops_limits m = *l;
	size_t i;

#pragma omp simd
	for (i = 0; i < n; i++)
		dx[i] = STORE(passed(LOAD(x[i]), LOAD(dy[i]), &m, kind));
}

static void NAME(bound_backward)(const void *x, const void *dy, size_t n,
				 const struct ops_limits *l, void *dx)
{
	BY_BOUND(l, NAME(bound_backward_loop)(x, dy, n, l, dx, KIND));
}

static inline void NAME(add_loop)(const TYPE *x0, const TYPE *x1, size_t n,
				  const struct ops_limits *l, TYPE *y, int kind)
{
	const struct ops_limits m = *l;
	size_t i;

#pragma omp simd
	for (i = 0; i < n; i++)
		y[i] = STORE(bounded(LOAD(x0[i]) + LOAD(x1[i]), &m, kind));
}

static void NAME(add)(const void *x0, const void *x1, size_t n, const struct ops_limits *l, void *y)
{
	BY_KIND(l, NAME(add_loop)(x0, x1, n, l, y, KIND));
}

static inline void NAME(add_backward_loop)(const TYPE *x0, const TYPE *x1, const TYPE *dy, size_t n,
					   const struct ops_limits *l, TYPE *d, int kind)
{
	const struct ops_limits m = *l;
	size_t i;

#pragma omp simd
	for (i = 0; i < n; i++)
		d[i] = STORE(passed(LOAD(x0[i]) + LOAD(x1[i]), LOAD(dy[i]), &m, kind));
}

static void NAME(add_backward)(const void *x0, const void *x1, const void *dy, size_t n,
			       const struct ops_limits *l, void *d)
{
	BY_BOUND(l, NAME(add_backward_loop)(x0, x1, dy, n, l, d, KIND));
}

static void NAME(moments)(const void *px, const struct ops_block *k, double *sum, double *squares)
{
	const TYPE *x = px;
	size_t r, j, width = k->width;

	for (r = 0; r < k->rows; r++, x += k->stride)
#pragma omp simd
		for (j = 0; j < width; j++) {
			double v = (double)LOAD(x[j]);

			sum[j] += v;
			squares[j] += v * v;
		}
}

static void NAME(sums)(const void *px, const struct ops_block *k, double *sum)
{
	const TYPE *x = px;
	size_t r, j, width = k->width;

	for (r = 0; r < k->rows; r++, x += k->stride)
#pragma omp simd
		for (j = 0; j < width; j++)
			sum[j] += (double)LOAD(x[j]);
}

static inline void NAME(affine_loop)(const TYPE *x, const struct ops_block *k, const float *a,
				     const float *b, const struct ops_limits *l, TYPE *y, int kind)
{
	const struct ops_limits m = *l;
	size_t r, j, width = k->width;

	for (r = 0; r < k->rows; r++, x += k->stride, y += k->stride)
#pragma omp simd
		for (j = 0; j < width; j++)
			y[j] = STORE(bounded(LOAD(x[j]) * a[j] + b[j], &m, kind));
}

static void NAME(affine)(const void *x, const struct ops_block *k, const float *a, const float *b,
			 const struct ops_limits *l, void *y)
{
	BY_KIND(l, NAME(affine_loop)(x, k, a, b, l, y, KIND));
}

static inline void NAME(affine_backward_loop)(const TYPE *x, const TYPE *dy,
					      const struct ops_block *k, const float *a,
					      const float *b, const struct ops_limits *l, TYPE *dx,
					      double *da, double *db, int kind)
{
	const struct ops_limits m = *l;
	size_t r, j, width = k->width;

	for (r = 0; r < k->rows; r++, x += k->stride, dy += k->stride) {
#pragma omp simd
		for (j = 0; j < width; j++) {
			float v = LOAD(x[j]);
			float g = passed(v * a[j] + b[j], LOAD(dy[j]), &m, kind);

			da[j] += (double)g * (double)v;
			db[j] += (double)g;
		}
		if (!dx)
			continue;
		/* The row is in the cache. */
#pragma omp simd
		for (j = 0; j < width; j++)
			dx[j] = STORE(passed(LOAD(x[j]) * a[j] + b[j], LOAD(dy[j]), &m, kind) *
				      a[j]);
		dx += k->stride;
	}
}

static void NAME(affine_backward)(const void *x, const void *dy, const struct ops_block *k,
				  const float *a, const float *b, const struct ops_limits *l,
				  void *dx, double *da, double *db)
{
	BY_BOUND(l, NAME(affine_backward_loop)(x, dy, k, a, b, l, dx, da, db, KIND));
}

static inline void NAME(norm_sums_loop)(const TYPE *x, const TYPE *dy, const struct ops_block *k,
					const struct ops_norm *n, const struct ops_limits *l,
					double *dot, double *sum, int kind)
{
	const struct ops_limits m = *l;
	const float *a = n->a, *b = n->b, *mean = n->mean;
	size_t r, j, width = k->width;

	for (r = 0; r < k->rows; r++, x += k->stride, dy += k->stride)
#pragma omp simd
		for (j = 0; j < width; j++) {
			float v = LOAD(x[j]);
			float g = passed(v * a[j] + b[j], LOAD(dy[j]), &m, kind);

			dot[j] += (double)g * (double)(v - mean[j]);
			sum[j] += (double)g;
		}
}

static void NAME(norm_sums)(const void *x, const void *dy, const struct ops_block *k,
			    const struct ops_norm *n, const struct ops_limits *l, double *dot,
			    double *sum)
{
	BY_BOUND(l, NAME(norm_sums_loop)(x, dy, k, n, l, dot, sum, KIND));
}

static inline void NAME(norm_backward_loop)(const TYPE *x, const TYPE *dy,
					    const struct ops_block *k, const struct ops_norm *n,
					    const struct ops_limits *l, TYPE *dx, int kind)
{
	const struct ops_limits m = *l;
	const float *a = n->a, *b = n->b, *mean = n->mean, *slope = n->slope, *offset = n->offset;
	size_t r, j, width = k->width;

	for (r = 0; r < k->rows; r++, x += k->stride, dy += k->stride, dx += k->stride)
#pragma omp simd
		for (j = 0; j < width; j++) {
			float v = LOAD(x[j]);
			float g = passed(v * a[j] + b[j], LOAD(dy[j]), &m, kind);

			dx[j] = STORE(g * a[j] + (v - mean[j]) * slope[j] + offset[j]);
		}
}

static void NAME(norm_backward)(const void *x, const void *dy, const struct ops_block *k,
				const struct ops_norm *n, const struct ops_limits *l, void *dx)
{
	BY_BOUND(l, NAME(norm_backward_loop)(x, dy, k, n, l, dx, KIND));
}

static void NAME(mean)(const double *sum, size_t n, double area, void *py)
{
	TYPE *y = py;
	size_t i;

	for (i = 0; i < n; i++)
		y[i] = STORE((float)(sum[i] / area));
}

static void NAME(spread)(const void *py, const struct ops_block *k, float factor, void *px)
{
	const TYPE *y = py;
	TYPE *x = px;
	size_t r, j, width = k->width;

	for (r = 0; r < k->rows; r++, x += k->stride)
#pragma omp simd
		for (j = 0; j < width; j++)
			x[j] = STORE(LOAD(y[j]) * factor);
}

static void NAME(from_float)(const float *x, size_t n, void *py)
{
	TYPE *y = py;
	size_t i;

#pragma omp simd
	for (i = 0; i < n; i++)
		y[i] = STORE(x[i]);
}

static void NAME(to_float)(const void *px, size_t n, float *y)
{
	const TYPE *x = px;
	size_t i;

#pragma omp simd
	for (i = 0; i < n; i++)
		y[i] = LOAD(x[i]);
}
