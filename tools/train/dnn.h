/* SPDX-License-Identifier: MIT */
/*
 * Convolutions and pools, forward and backward, by oneDNN. Only dnn*.c know that library: what lies
 * outside them neither includes its header nor sees its layouts.
 *
 * Activations and their gradients are N x H x W x C without gaps, in single precision or bfloat16;
 * weights and their gradients are always single precision, [out c][in c / groups][kernel h][kernel w]
 * as in struct net_layer. A fully connected layer is a convolution whose kernel is its whole
 * input. Results depend on the number of threads and the instruction set, on nothing else.
 *
 * All calls come from the thread that called dnn_open(): OpenMP keeps the number of threads there.
 */
#ifndef TRAIN_DNN_H
#define TRAIN_DNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/graph.h"

enum dnn_type { DNN_F32, DNN_BF16 };

/** dnn_type_bytes() - of an element. */
static inline size_t dnn_type_bytes(enum dnn_type type)
{
	return type == DNN_BF16 ? 2 : 4;
}

/** struct dnn - the library's engine and stream. */
struct dnn;

/**
 * dnn_open() - start the library
 * @threads: at least 1; the process's OpenMP threads
 * @d:       to be closed with dnn_close()
 *
 * Return: 0, -ENOMEM, or -EINVAL with @err.
 */
int dnn_open(unsigned int threads, struct dnn **d, struct net_error *err);

/** dnn_close() - after all that was made from it; NULL is allowed. */
void dnn_close(struct dnn *d);

/** dnn_error() - what failed in the last call that returned -EIO, naming oneDNN's status; before one "". */
const char *dnn_error(const struct dnn *d);

/** dnn_isa() - the instruction set that is used, "AVX-512 + BF16" and the like. */
const char *dnn_isa(void);

/** dnn_version() - the library's version, "2.6.3". */
const char *dnn_version(void);

/** dnn_has_amx() - whether the processor multiplies bfloat16 matrices. */
bool dnn_has_amx(void);

/** dnn_has_bf16() - whether bfloat16 is computed by the processor at all. */
bool dnn_has_bf16(void);

/** struct dnn_shape - of a convolution or pool with its tensors. */
struct dnn_shape {
	uint32_t batch, in_c, in_h, in_w, out_c, out_h, out_w;
	uint32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
	uint32_t pad_top, pad_left, pad_bottom, pad_right, groups;
};

/** dnn_shape_of() - of layer @l of @net (NET_CONV, NET_FC, a pool) for a batch. */
void dnn_shape_of(const struct net *net, const struct net_layer *l, uint32_t batch,
		  struct dnn_shape *s);

/** struct dnn_conv - a convolution's primitives for one shape. */
struct dnn_conv;

/**
 * dnn_conv_create() - prepare the three directions
 * @data: whether dnn_conv_backward_data() is needed (not for the first layer)
 * @c:    to be closed with dnn_conv_destroy(), before dnn_close()
 *
 * Return: 0, -ENOMEM, or -EINVAL with @err where oneDNN has no such convolution.
 */
int dnn_conv_create(struct dnn *d, const struct dnn_shape *s, enum dnn_type type, bool data,
		    struct dnn_conv **c, struct net_error *err);

/** dnn_conv_destroy() - NULL is allowed. */
void dnn_conv_destroy(struct dnn_conv *c);

/**
 * dnn_conv_forward() - y = x * weight, without bias
 *
 * With DNN_F32 and integers as values, every sum of which stays below 2^24, the result is exact.
 * Return: 0, or -EIO with dnn_error().
 */
int dnn_conv_forward(struct dnn_conv *c, const void *x, const float *weight, void *y);

/** dnn_conv_backward_data() - dx from dy; overwrites dx. Return: 0, or -EIO with dnn_error(). */
int dnn_conv_backward_data(struct dnn_conv *c, const void *dy, const float *weight, void *dx);

/** dnn_conv_backward_weights() - dweight from x and dy; overwrites dweight. Return: likewise. */
int dnn_conv_backward_weights(struct dnn_conv *c, const void *x, const void *dy, float *dweight);

/** struct dnn_pool - a pool's primitives for one shape. */
struct dnn_pool;

/**
 * dnn_pool_create() - NET_MAXPOOL or NET_AVGPOOL
 * @count_padding, @divisor: as in struct net_layer, for NET_AVGPOOL
 * @p: to be closed with dnn_pool_destroy(); it keeps where the maxima were from forward to backward
 *
 * Return: 0, -ENOMEM, or -EINVAL with @err where oneDNN has no such pool.
 */
int dnn_pool_create(struct dnn *d, const struct dnn_shape *s, enum dnn_type type,
		    enum net_kind kind, bool count_padding, uint32_t divisor,
		    struct dnn_pool **p, struct net_error *err);

/** dnn_pool_destroy() - NULL is allowed. */
void dnn_pool_destroy(struct dnn_pool *p);

/**
 * dnn_pool_forward() - Return: 0, or -EIO with dnn_error().
 *
 * oneDNN's maxima pass over NaNs; a window of nothing else gives the type's lowest number.
 */
int dnn_pool_forward(struct dnn_pool *p, const void *x, void *y);

/** dnn_pool_backward() - dx from dy; overwrites dx. Return: 0, or -EIO with dnn_error(). */
int dnn_pool_backward(struct dnn_pool *p, const void *dy, void *dx);

#endif
