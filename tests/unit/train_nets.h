/* SPDX-License-Identifier: MIT */
/* Small networks for tests of the trainer: between them every kind of layer, and tensors that several share. */
#ifndef TRAIN_NETS_H
#define TRAIN_NETS_H

#include "net/graph.h"

enum train_nets {
	TRAIN_NET_PLAIN,	/* AFFINE, strides, asymmetric pads, max pool, two FC */
	TRAIN_NET_RESIDUAL,	/* two residual blocks, one with a convolution beside it */
	TRAIN_NET_BRANCHES,	/* groups, depthwise, dilation, CONCAT of three and of one twice, ADD of one twice */
	TRAIN_NET_POOLS,	/* all divisors, windows that pass the pads, global pool as output */
	TRAIN_NETS,
	/* By name only: channels in the numbers for which oneDNN has its quick code, and many products. */
	TRAIN_NET_WIDE = TRAIN_NETS,
	TRAIN_NET_LONG,		/* sums of 12288 products */
	TRAIN_NETS_ALL
};

#define TRAIN_NETS_CLASSES	5

extern const char *const train_nets_names[TRAIN_NETS_ALL];

/** train_net() - as net_simplify() leaves one; weights by @seed; to be destroyed with net_destroy(). */
struct net *train_net(enum train_nets which, uint64_t seed);

/** train_net_pixels() - @n deterministic bytes. */
void train_net_pixels(uint8_t *pixels, size_t n, uint64_t seed);

/** train_net_labels() - @n of them, below TRAIN_NETS_CLASSES. */
void train_net_labels(uint16_t *labels, size_t n, uint64_t seed);

/** train_net_normal() - the i-th of a stream of normally distributed numbers. */
double train_net_normal(uint64_t seed, uint64_t stream, uint64_t i);

#endif
