/* SPDX-License-Identifier: MIT */
/*
 * Dynamic Network Surgery (Guo et al. 2016; paper, section 4, step 1): a weight is cut when its
 * magnitude falls below 0.9 of a threshold and spliced back above 1.1 of it; the dense weight keeps
 * learning under the mask, by the gradient of the masked network.
 *
 * A layer's threshold is max(0, mean + c * standard deviation) of the magnitudes of its weights that
 * are not 0. c is one for all layers, or a layer's own where it has a sparsity of its own. A weight of 0
 * is cut.
 */
#ifndef TRAIN_PRUNE_H
#define TRAIN_PRUNE_H

#include <stddef.h>
#include <stdint.h>

struct prune_layer {
	const float *w;		/* master weights */
	size_t n;
	double sparsity;	/* of its own; below 0: shares the network's */
	uint8_t *mask;		/* by weight: 1 kept, 0 cut; the caller's array, all 1 at first */
	double mean, deviation, threshold;	/* of the last update */
	size_t cut;
};

/** prune_start() - the mask of a network that may be pruned already: 0 where a weight is 0, else 1. */
void prune_start(struct prune_layer *p);

/**
 * prune_update() - new thresholds and masks
 * @sparsity: of the weights of all layers that have none of their own, 0 to below 1
 * @exact:    at the end of pruning: exactly floor(sparsity * weights) are cut, of equal ones the
 *            first. Likewise of each layer that has a sparsity of its own
 *
 * c is searched so that what the two limits cut, with the masks as they are, comes to @sparsity: a threshold
 * that share of the magnitudes lies below would leave the weights between the limits, some points of
 * it, to the end. Return: 0, -ENOMEM, or -EINVAL for another sparsity.
 */
int prune_update(struct prune_layer *layers, size_t count, double sparsity, int exact);

/**
 * prune_ramp() - sparsity to ask for at a step of pruning: cubic, 0 at 0, @target from @steps on (Zhu
 *                and Gupta 2017)
 */
double prune_ramp(double target, uint64_t step, uint64_t steps);

/** prune_apply() - used = w where mask is 1, else 0. */
void prune_apply(const float *w, const uint8_t *mask, size_t n, float *used);

/** prune_restore() - after the mask was read from a file. Return: 0, or -EBADMSG where it is not one. */
int prune_restore(struct prune_layer *p);

#endif
