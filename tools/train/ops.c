// SPDX-License-Identifier: MIT
/*
 * What is computed besides convolutions, over threads: elements and rows are cut into pieces whose
 * bounds do not depend on the number of threads, and sums of pieces are added in their order.
 */
#include <math.h>
#include <string.h>

#include "bf16.h"
#include "ops_kernels.h"

#define PIECE		((size_t)16384)	/* elements at once */
/* Sums: rows in so many pieces, so many channels at a time; their sums lie on the stack. */
#define SUM_PIECES	32
#define SUM_CHANNELS	((size_t)256)

static const struct ops_kernels *forced;

void ops_use(const struct ops_kernels *k)
{
	forced = k;
}

/* By the features that both gcc and clang can ask for; whatever has these has the rest of a level. */
unsigned int ops_level(void)
{
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
	    !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2"))
		return 1;
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
	    !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
	    !__builtin_cpu_supports("avx512vl"))
		return 3;
	return 4;
}

static const struct ops_kernels *kernels(enum dnn_type type)
{
	unsigned int level = ops_level();

	if (forced)
		return &forced[type];
	return level == 4 ? &ops_v4[type] : level == 3 ? &ops_v3[type] : &ops_v1[type];
}

static const void *at(const void *x, enum dnn_type type, size_t i)
{
	return (const char *)x + i * dnn_type_bytes(type);
}

static void *at_out(void *x, enum dnn_type type, size_t i)
{
	return (char *)x + i * dnn_type_bytes(type);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Rows of a piece of about PIECE elements. */
static size_t piece_rows(size_t c)
{
	return c < PIECE ? PIECE / c : 1;
}

static struct ops_limits limits_of(const struct ops_bound *b)
{
	struct ops_limits l = { .kind = OPS_FREE };

	if (!b)
		return l;
	l.min = l.inner_min = b->min;
	l.max = l.inner_max = b->max;
	l.step = b->step;
	l.low = b->low;
	l.high = b->high;
	if (b->step > 0) {
		l.kind = OPS_ROUNDED;
		l.inner_min = fmaxf(b->min, b->low * b->step);
		l.inner_max = fminf(b->max, b->high * b->step);
	} else if (b->min > -INFINITY || b->max < INFINITY) {
		l.kind = OPS_CLAMPED;
	}
	return l;
}

void ops_from_pixels(enum dnn_type type, const uint8_t *pixels, size_t n, size_t c, size_t area,
		     float scale, void *x)
{
	uint16_t *half = type == DNN_BF16 ? x : NULL;
	float *whole = type == DNN_F32 ? x : NULL;
	size_t p, k, i;

#pragma omp parallel for schedule(static) private(k, i)
	for (p = 0; p < n; p++)
		for (k = 0; k < c; k++) {
			const uint8_t *from = pixels + (p * c + k) * area;
			size_t to = p * area * c + k;

			if (whole)
				for (i = 0; i < area; i++)
					whole[to + i * c] = (float)from[i] * scale;
			else
				for (i = 0; i < area; i++)
					half[to + i * c] = bf16_store((float)from[i] * scale);
		}
}

void ops_copy(enum dnn_type from, const void *x, enum dnn_type to, void *y, size_t n)
{
	const struct ops_kernels *k = kernels(DNN_BF16);
	size_t i;

#pragma omp parallel for schedule(static) if (n > PIECE)
	for (i = 0; i < n; i += PIECE) {
		size_t len = least(PIECE, n - i);

		if (from == to)
			memcpy(at_out(y, to, i), at(x, from, i), len * dnn_type_bytes(to));
		else if (to == DNN_BF16)
			k->from_float(at(x, from, i), len, at_out(y, to, i));
		else
			k->to_float(at(x, from, i), len, at_out(y, to, i));
	}
}

void ops_accumulate(enum dnn_type type, const void *x, void *y, size_t n)
{
	const struct ops_kernels *k = kernels(type);
	size_t i;

#pragma omp parallel for schedule(static) if (n > PIECE)
	for (i = 0; i < n; i += PIECE)
		k->accumulate(at(x, type, i), at_out(y, type, i), least(PIECE, n - i));
}

void ops_bound(enum dnn_type type, const void *x, size_t n, const struct ops_bound *b, void *y)
{
	const struct ops_kernels *k = kernels(type);
	struct ops_limits l = limits_of(b);
	size_t i;

#pragma omp parallel for schedule(static) if (n > PIECE)
	for (i = 0; i < n; i += PIECE)
		k->bound(at(x, type, i), least(PIECE, n - i), &l, at_out(y, type, i));
}

void ops_bound_backward(enum dnn_type type, const void *x, const void *dy, size_t n,
			const struct ops_bound *b, void *dx)
{
	const struct ops_kernels *k = kernels(type);
	struct ops_limits l = limits_of(b);
	size_t i;

#pragma omp parallel for schedule(static) if (n > PIECE)
	for (i = 0; i < n; i += PIECE)
		k->bound_backward(at(x, type, i), at(dy, type, i), least(PIECE, n - i), &l,
				  at_out(dx, type, i));
}

void ops_add(enum dnn_type type, const void *x0, const void *x1, size_t n,
	     const struct ops_bound *bound, void *y)
{
	const struct ops_kernels *k = kernels(type);
	struct ops_limits l = limits_of(bound);
	size_t i;

#pragma omp parallel for schedule(static) if (n > PIECE)
	for (i = 0; i < n; i += PIECE)
		k->add(at(x0, type, i), at(x1, type, i), least(PIECE, n - i), &l,
		       at_out(y, type, i));
}

void ops_add_backward(enum dnn_type type, const void *x0, const void *x1, const void *dy, size_t n,
		      const struct ops_bound *bound, void *d)
{
	const struct ops_kernels *k = kernels(type);
	struct ops_limits l = limits_of(bound);
	size_t i;

#pragma omp parallel for schedule(static) if (n > PIECE)
	for (i = 0; i < n; i += PIECE)
		k->add_backward(at(x0, type, i), at(x1, type, i), at(dy, type, i),
				least(PIECE, n - i), &l, at_out(d, type, i));
}

/* A piece of the rows for a sum, of some channels; *at is its first element. */
static struct ops_block sum_block(size_t piece, size_t rows, size_t c, size_t channel, size_t *at)
{
	size_t share = (rows + SUM_PIECES - 1) / SUM_PIECES, from = least(piece * share, rows);

	*at = from * c + channel;
	return (struct ops_block){
		.rows = least(share, rows - from),
		.width = least(SUM_CHANNELS, c - channel),
		.stride = c,
	};
}

/* Two sums for each channel of a block, of each piece. */
struct sums {
	double v[SUM_PIECES][2][SUM_CHANNELS];
};

/* The pieces' sums, added in their order, lie in the first. */
static void sums_join(struct sums *s, size_t width)
{
	size_t p, j;

	for (p = 1; p < SUM_PIECES; p++)
		for (j = 0; j < width; j++) {
			s->v[0][0][j] += s->v[p][0][j];
			s->v[0][1][j] += s->v[p][1][j];
		}
}

void ops_moments(enum dnn_type type, const void *x, size_t rows, size_t c, float *mean,
		 float *var)
{
	const struct ops_kernels *k = kernels(type);
	size_t channel, p, j, i;
	struct sums s;

	for (channel = 0; channel < c; channel += SUM_CHANNELS) {
		size_t width = least(SUM_CHANNELS, c - channel);

#pragma omp parallel for schedule(static) private(i) if (rows * width > PIECE)
		for (p = 0; p < SUM_PIECES; p++) {
			struct ops_block b = sum_block(p, rows, c, channel, &i);

			memset(s.v[p], 0, sizeof(s.v[p]));
			k->moments(at(x, type, i), &b, s.v[p][0], s.v[p][1]);
		}
		sums_join(&s, width);
		for (j = 0; j < width; j++) {
			double m = s.v[0][0][j] / (double)rows;
			double v = s.v[0][1][j] / (double)rows - m * m;

			mean[channel + j] = (float)m;
			var[channel + j] = (float)(v < 0 ? 0 : v);
		}
	}
}

void ops_affine(enum dnn_type type, const void *x, size_t rows, size_t c, const float *a,
		const float *b, const struct ops_bound *bound, void *y)
{
	const struct ops_kernels *k = kernels(type);
	struct ops_limits l = limits_of(bound);
	size_t step = piece_rows(c), r;

#pragma omp parallel for schedule(static) if (rows > step)
	for (r = 0; r < rows; r += step) {
		struct ops_block q = { least(step, rows - r), c, c };

		k->affine(at(x, type, r * c), &q, a, b, &l, at_out(y, type, r * c));
	}
}

void ops_affine_backward(enum dnn_type type, const void *x, const void *dy, size_t rows, size_t c,
			 const float *a, const float *b, const struct ops_bound *bound, void *dx,
			 float *da, float *db)
{
	const struct ops_kernels *k = kernels(type);
	struct ops_limits l = limits_of(bound);
	size_t channel, p, j, i;
	struct sums s;

	for (channel = 0; channel < c; channel += SUM_CHANNELS) {
		size_t width = least(SUM_CHANNELS, c - channel);

#pragma omp parallel for schedule(static) private(i) if (rows * width > PIECE)
		for (p = 0; p < SUM_PIECES; p++) {
			struct ops_block q = sum_block(p, rows, c, channel, &i);

			memset(s.v[p], 0, sizeof(s.v[p]));
			k->affine_backward(at(x, type, i), at(dy, type, i), &q, a + channel,
					   b + channel, &l, dx ? at_out(dx, type, i) : NULL,
					   s.v[p][0], s.v[p][1]);
		}
		sums_join(&s, width);
		for (j = 0; j < width; j++) {
			da[channel + j] = (float)s.v[0][0][j];
			db[channel + j] = (float)s.v[0][1][j];
		}
	}
}

void ops_norm_affine(size_t c, const float *mean, const float *var, float eps, const float *gamma,
		     const float *beta, float *a, float *b)
{
	size_t j;

	for (j = 0; j < c; j++) {
		a[j] = (float)((double)gamma[j] / sqrt((double)var[j] + (double)eps));
		b[j] = (float)((double)beta[j] - (double)mean[j] * (double)a[j]);
	}
}

/* By channel, of a block of them. */
struct norm_block {
	float a[SUM_CHANNELS], b[SUM_CHANNELS], slope[SUM_CHANNELS], offset[SUM_CHANNELS];
};

/* What the sums make of gamma's and beta's gradients and of dx. */
static void norm_block_set(struct norm_block *n, const struct sums *s, size_t width, size_t rows,
			   const float *var, float eps, float *dgamma, float *dbeta)
{
	size_t j;

	for (j = 0; j < width; j++) {
		double inv = 1 / sqrt((double)var[j] + (double)eps);
		double dot = s->v[0][0][j], sum = s->v[0][1][j];

		dgamma[j] = (float)(dot * inv);
		dbeta[j] = (float)sum;
		n->slope[j] = (float)(-(double)n->a[j] * dot * inv * inv / (double)rows);
		n->offset[j] = (float)(-(double)n->a[j] * sum / (double)rows);
	}
}

void ops_norm_backward(enum dnn_type type, const void *x, const void *dy, size_t rows, size_t c,
		       const float *mean, const float *var, float eps, const float *gamma,
		       const float *beta, const struct ops_bound *bound, void *dx, float *dgamma,
		       float *dbeta)
{
	const struct ops_kernels *k = kernels(type);
	struct ops_limits l = limits_of(bound);
	size_t channel, p, i;
	struct norm_block n;
	struct sums s;

	for (channel = 0; channel < c; channel += SUM_CHANNELS) {
		size_t width = least(SUM_CHANNELS, c - channel);
		struct ops_norm m = { n.a, n.b, mean + channel, n.slope, n.offset };

		ops_norm_affine(width, mean + channel, var + channel, eps, gamma + channel,
				beta + channel, n.a, n.b);
#pragma omp parallel for schedule(static) private(i) if (rows * width > PIECE)
		for (p = 0; p < SUM_PIECES; p++) {
			struct ops_block q = sum_block(p, rows, c, channel, &i);

			memset(s.v[p], 0, sizeof(s.v[p]));
			k->norm_sums(at(x, type, i), at(dy, type, i), &q, &m, &l, s.v[p][0],
				     s.v[p][1]);
		}
		sums_join(&s, width);
		norm_block_set(&n, &s, width, rows, var + channel, eps, dgamma + channel,
			       dbeta + channel);
#pragma omp parallel for schedule(static) private(i) if (rows * width > PIECE)
		for (p = 0; p < SUM_PIECES; p++) {
			struct ops_block q = sum_block(p, rows, c, channel, &i);

			k->norm_backward(at(x, type, i), at(dy, type, i), &q, &m, &l,
					 at_out(dx, type, i));
		}
	}
}

void ops_concat(enum dnn_type type, const void *x, size_t rows, size_t c, void *y, size_t total,
		size_t channel)
{
	size_t r;

#pragma omp parallel for schedule(static) if (rows * c > PIECE)
	for (r = 0; r < rows; r++)
		memcpy(at_out(y, type, r * total + channel), at(x, type, r * c),
		       c * dnn_type_bytes(type));
}

void ops_split(enum dnn_type type, const void *y, size_t rows, size_t total, size_t channel,
	       size_t c, void *x)
{
	size_t r;

#pragma omp parallel for schedule(static) if (rows * c > PIECE)
	for (r = 0; r < rows; r++)
		memcpy(at_out(x, type, r * c), at(y, type, r * total + channel),
		       c * dnn_type_bytes(type));
}

void ops_mean(enum dnn_type type, const void *x, size_t n, size_t area, size_t c, void *y)
{
	const struct ops_kernels *k = kernels(type);
	size_t p;

#pragma omp parallel for schedule(static) if (n * area * c > PIECE)
	for (p = 0; p < n; p++) {
		double sum[SUM_CHANNELS];
		size_t channel;

		for (channel = 0; channel < c; channel += SUM_CHANNELS) {
			struct ops_block q = { area, least(SUM_CHANNELS, c - channel), c };

			memset(sum, 0, sizeof(sum));
			k->sums(at(x, type, p * area * c + channel), &q, sum);
			k->mean(sum, q.width, (double)area, at_out(y, type, p * c + channel));
		}
	}
}

void ops_mean_backward(enum dnn_type type, const void *dy, size_t n, size_t area, size_t c,
		       void *dx)
{
	const struct ops_kernels *k = kernels(type);
	struct ops_block q = { area, c, c };
	size_t p;

#pragma omp parallel for schedule(static) if (n * area * c > PIECE)
	for (p = 0; p < n; p++)
		k->spread(at(dy, type, p * c), &q, 1.0f / (float)area,
			  at_out(dx, type, p * area * c));
}

void ops_sgd(float *w, float *v, const float *grad, const uint8_t *mask, size_t n, float rate,
	     float momentum, float decay)
{
	const struct ops_kernels *k = kernels(DNN_F32);
	size_t i;

#pragma omp parallel for schedule(static) if (n > PIECE)
	for (i = 0; i < n; i += PIECE)
		k->sgd(w + i, v + i, grad + i, mask ? mask + i : NULL, least(PIECE, n - i), rate,
		       momentum, decay);
}

void ops_requantize(const float *x, size_t rows, size_t c, const double *a, const double *b, double min,
		    double max, float *y)
{
	const struct ops_kernels *k = kernels(DNN_F32);
	size_t step = piece_rows(c), r;

#pragma omp parallel for schedule(static) if (rows > step)
	for (r = 0; r < rows; r += step) {
		struct ops_block q = { least(step, rows - r), c, c };

		k->requantize(x + r * c, &q, a, b, min, max, y + r * c);
	}
}

void ops_requantize_add(const float *x0, const float *x1, size_t n, double a0, double a1, double min,
			double max, float *y)
{
	const struct ops_kernels *k = kernels(DNN_F32);
	size_t i;

#pragma omp parallel for schedule(static) if (n > PIECE)
	for (i = 0; i < n; i += PIECE)
		k->requantize_add(x0 + i, x1 + i, least(PIECE, n - i), a0, a1, min, max, y + i);
}
