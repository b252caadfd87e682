/* SPDX-License-Identifier: MIT */
/* Networks of ResNet's shapes with pruned Gaussian weights, quantized as fqaccel-compress does. */
#ifndef BENCH_RESNET_H
#define BENCH_RESNET_H

#include <stdbool.h>

#include "fqz.h"

/* A network that fqz_image_write() takes; it owns what its layers point to. */
struct resnet {
	struct fqz_image img;
	unsigned int room;
	double sparsity;
	uint64_t seed;
};

/**
 * resnet_init() - draw a network's weights and quantize them to 5 bits
 * @depth:      18 or 50
 * @classifier: the last layer, 1000 classes, is in
 * @sparsity:   of each layer, by magnitude
 * Return: 0 or a negative errno.
 */
int resnet_init(struct resnet *r, unsigned int depth, bool classifier, double sparsity);

/** resnet_free() - free all of it, also after an error. */
void resnet_free(struct resnet *r);

#endif
