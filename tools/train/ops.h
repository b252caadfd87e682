/* SPDX-License-Identifier: MIT */
/*
 * What the trainer computes besides convolutions and pools, over N x H x W x C tensors of @type: a
 * tensor is @rows = N * H * W rows of @c channels.
 *
 * Sums over rows are taken in double precision in a fixed number of pieces, in a fixed order: the
 * result does not depend on the number of threads (OpenMP's, as dnn_open() set it). A NaN stays one.
 */
#ifndef TRAIN_OPS_H
#define TRAIN_OPS_H

#include "dnn.h"

/** ops_from_pixels() - [n][c][h][w] bytes to rows, times @scale. */
void ops_from_pixels(enum dnn_type type, const uint8_t *pixels, size_t n, size_t c, size_t area,
		     float scale, void *x);

/** ops_copy() - between types. */
void ops_copy(enum dnn_type from, const void *x, enum dnn_type to, void *y, size_t n);

/** ops_accumulate() - y += x. */
void ops_accumulate(enum dnn_type type, const void *x, void *y, size_t n);

/** struct ops_bound - an activation and, behind it, a rounding to 8 bits that training sees. */
struct ops_bound {
	float min, max;		/* -INFINITY, INFINITY: none */
	float step;		/* > 0: round to multiples of it, half away from zero; 0: do not */
	float low, high;	/* with a step: clamp to low * step .. high * step */
};

/**
 * ops_bound() - y = round(clamp(x)); in place allowed
 */
void ops_bound(enum dnn_type type, const void *x, size_t n, const struct ops_bound *b, void *y);

/**
 * ops_bound_backward() - dx = dy where x lies strictly within all bounds, else 0 (rounding counts
 *                        as the identity); in place allowed
 * @x: what ops_bound() was given
 */
void ops_bound_backward(enum dnn_type type, const void *x, const void *dy, size_t n,
			const struct ops_bound *b, void *dx);

/** ops_moments() - mean and variance (over rows, not the unbiased one) of each channel. */
void ops_moments(enum dnn_type type, const void *x, size_t rows, size_t c, float *mean,
		 float *var);

/** ops_affine() - y = x * a[c] + b[c], then @bound (NULL: none); in place allowed. */
void ops_affine(enum dnn_type type, const void *x, size_t rows, size_t c, const float *a,
		const float *b, const struct ops_bound *bound, void *y);

/**
 * ops_affine_backward() - of y = bound(x * a[c] + b[c]), a and b constants of the data
 * @dx: dy * a within the bounds; NULL: not wanted; may be dy
 * @da: sum dy * x, @db: sum dy by channel, within the bounds
 */
void ops_affine_backward(enum dnn_type type, const void *x, const void *dy, size_t rows, size_t c,
			 const float *a, const float *b, const struct ops_bound *bound, void *dx,
			 float *da, float *db);

/**
 * ops_norm_affine() - a batch normalization as ops_affine()'s @a and @b
 *
 * a = gamma / sqrt(var + eps), b = beta - mean * a. ops_norm_backward() takes the same, so that
 * both agree on what lies within bounds.
 */
void ops_norm_affine(size_t c, const float *mean, const float *var, float eps, const float *gamma,
		     const float *beta, float *a, float *b);

/**
 * ops_norm_backward() - of y = bound(gamma * (x - mean) / sqrt(var + eps) + beta) where mean and var
 *                       are ops_moments() of x (Ioffe and Szegedy 2015, section 3)
 * @dx: may be dy
 */
void ops_norm_backward(enum dnn_type type, const void *x, const void *dy, size_t rows, size_t c,
		       const float *mean, const float *var, float eps, const float *gamma,
		       const float *beta, const struct ops_bound *bound, void *dx, float *dgamma,
		       float *dbeta);

/** ops_add() - y = bound(x0 + x1). */
void ops_add(enum dnn_type type, const void *x0, const void *x1, size_t n,
	     const struct ops_bound *bound, void *y);

/** ops_add_backward() - d = dy where x0 + x1 lies within the bounds: of either input; may be dy. */
void ops_add_backward(enum dnn_type type, const void *x0, const void *x1, const void *dy, size_t n,
		      const struct ops_bound *bound, void *d);

/** ops_concat() - rows of @c channels into rows of @total from channel @at on. */
void ops_concat(enum dnn_type type, const void *x, size_t rows, size_t c, void *y, size_t total,
		size_t at);

/** ops_split() - the way back: x from y. */
void ops_split(enum dnn_type type, const void *y, size_t rows, size_t total, size_t at, size_t c,
	       void *x);

/** ops_mean() - y[n][c] = mean over area of x. */
void ops_mean(enum dnn_type type, const void *x, size_t n, size_t area, size_t c, void *y);

/** ops_mean_backward() - dx = dy / area. */
void ops_mean_backward(enum dnn_type type, const void *dy, size_t n, size_t area, size_t c,
		       void *dx);

/**
 * ops_softmax_loss() - cross entropy of @n rows of logits, mean over the rows
 * @labels:    below @classes
 * @smoothing: label smoothing: the target is 1 - s + s / classes and s / classes elsewhere
 * @dx:        its gradient by the logits; NULL: not wanted
 * @correct:   NULL, or rows whose largest logit, the lowest of equal ones, is the label's
 *
 * Return: the loss.
 */
double ops_softmax_loss(const float *logits, const uint16_t *labels, size_t n, size_t classes,
			float smoothing, float *dx, size_t *correct);

/**
 * ops_sgd() - v = momentum * v + (grad + decay * w); w -= rate * v, where mask is not 0
 * @mask: NULL: everywhere; where it is 0 neither w nor v changes
 */
void ops_sgd(float *w, float *v, const float *grad, const uint8_t *mask, size_t n, float rate,
	     float momentum, float decay);

/**
 * ops_requantize() - y = round(clamp(x * a[c] + b[c])), half away from zero, in double precision
 * @min, @max: integers within 32 bits
 *
 * Exact where x * a + b and that plus a half are numbers of double precision. In place allowed.
 */
void ops_requantize(const float *x, size_t rows, size_t c, const double *a, const double *b, double min,
		    double max, float *y);

/** ops_requantize_add() - y = round(clamp(x0 * a0 + x1 * a1)), likewise. */
void ops_requantize_add(const float *x0, const float *x1, size_t n, double a0, double a1, double min,
			double max, float *y);

#endif
