/* SPDX-License-Identifier: MIT */
/* Convolutions and pools as plain loops in double precision over N x H x W x C, and arrays to feed them. */
#ifndef TRAIN_LOOPS_H
#define TRAIN_LOOPS_H

#include "train/dnn.h"

size_t loops_x(const struct dnn_shape *s);	/* elements of the input, */
size_t loops_y(const struct dnn_shape *s);	/* of the output, */
size_t loops_w(const struct dnn_shape *s);	/* of the weights */

/** loops_shape() - the output's size from the rest, rounded down, or up for pools with @up. */
void loops_shape(struct dnn_shape *s, bool up);

void loops_conv(const struct dnn_shape *s, const double *x, const double *w, double *y);
void loops_conv_data(const struct dnn_shape *s, const double *dy, const double *w, double *dx);
void loops_conv_weights(const struct dnn_shape *s, const double *x, const double *dy, double *dw);

struct loops_pool {
	bool max, count_padding;
	uint32_t divisor;
};

void loops_pool(const struct dnn_shape *s, const struct loops_pool *p, const double *x, double *y);
void loops_pool_back(const struct dnn_shape *s, const struct loops_pool *p, const double *x,
		     const double *dy, double *dx);

/** loops_random() - @n values in -1 .. 1 that @type holds, malloc()ed. */
double *loops_random(size_t n, uint64_t seed, enum dnn_type type);

/** loops_zeros() - calloc()ed. */
double *loops_zeros(size_t n);

/** loops_tensor() - as @type holds it, malloc()ed. */
void *loops_tensor(const double *v, size_t n, enum dnn_type type);

/** loops_error() - largest difference of @got from @want by the largest of @want; NAN if any is. */
double loops_error(const void *got, enum dnn_type type, const double *want, size_t n);

#endif
