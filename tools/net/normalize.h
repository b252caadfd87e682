/* SPDX-License-Identifier: MIT */
/* The network as the card takes its pictures: normalization included. */
#ifndef NET_NORMALIZE_H
#define NET_NORMALIZE_H

#include "graph.h"

/** struct normalization - of the pictures that a network was trained on. */
struct normalization {
	float mean[3], std[3];	/* R, G, B, or the first for gray; of values in 0..1 */
	bool range255;		/* the network takes 0..255 rather than 0..1 */
	bool bgr;		/* the network takes blue first */
};

/**
 * net_normalize() - y = (x - mean) / std in front of the network, x in 0..1; times 255 with
 *                   range255
 * @net: simplified, and so it is afterwards; its input has 1 or 3 channels
 *
 * Return: 0, or a negative errno with @err.
 */
int net_normalize(struct net *net, const struct normalization *n, struct net_error *err);

#endif
