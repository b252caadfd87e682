/* SPDX-License-Identifier: MIT */
/* A small network with a layer of each kind that matters to the quantizer, and pictures for it. */
#ifndef QUANT_NET_H
#define QUANT_NET_H

#include "net/quantize.h"

#define QUANT_NET_PIXELS	(3 * 12 * 12)
#define QUANT_NET_PICTURES	64

/* Layers with weights of quant_net(), in order: 3 x 3, 3 x 3, 1 x 1, classifier. */
extern const uint32_t quant_net_weighted[4];

/** quant_net() - convolution, pool, residual, concatenation, classifier on 3 channels. */
struct net *quant_net(void);

/** quant_net_pictures() - the first @n of its pictures. */
struct calib_set quant_net_pictures(size_t n);

/** quant_net_same() - whether two quantized networks have the same bits. */
bool quant_net_same(const struct qnet *a, const struct qnet *b);

/** quant_net_fill() - @n weights by key, malloc()ed. */
float *quant_net_fill(size_t n, uint64_t stream, float scale);

/** quant_net_uniform() - in -1 .. 1, by key. */
float quant_net_uniform(uint64_t stream, uint64_t i);

#endif
