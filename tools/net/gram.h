/* SPDX-License-Identifier: MIT */
/* Second moments of a layer's inputs over the calibration pictures. */
#ifndef NET_GRAM_H
#define NET_GRAM_H

#include "exec.h"
#include "quant.h"

/** struct gram_source - where a layer's inputs come from */
struct gram_source {
	size_t pictures;
	/* Fill @x with the layer's input tensor of @picture; called by several threads. */
	void (*input)(void *arg, size_t picture, float *x);
	/* Likewise with the float network's, in the same unit; NULL: no cross moments. */
	void (*target)(void *arg, size_t picture, float *x);
	bool center;	/* subtract the means */
	void *arg;
};

/**
 * gram_compute() - moments over sampled output positions of all pictures
 * @layer: number that keys the choice of positions, with @seed
 * @g:     to be freed with gram_free()
 *
 * The result is the same whatever @threads is. Return: 0, -ENOMEM, or -ERANGE
 * where products of inputs are beyond single precision.
 */
int gram_compute(const struct net *net, const struct net_layer *l, uint32_t layer,
		 const struct gram_source *source, uint64_t seed, unsigned int threads,
		 struct gram *g);

/**
 * gram_blocks() - cut the matrices of g->groups groups of g->sum inputs into blocks
 *
 * They are whole up to 4608 inputs, and at most about 2^26 elements together.
 */
void gram_blocks(struct gram *g);

/** gram_free() - free the matrices. */
void gram_free(struct gram *g);

/** gram_block_size() - rows of block @b of a group. */
static inline size_t gram_block_size(const struct gram *g, size_t b)
{
	size_t left = g->sum - b * g->block;

	return left < g->block ? left : g->block;
}

#endif
