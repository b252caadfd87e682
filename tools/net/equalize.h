/* SPDX-License-Identifier: MIT */
/* Channel equalization: the same float function, better suited to one scale for each tensor. */
#ifndef NET_EQUALIZE_H
#define NET_EQUALIZE_H

#include "calib.h"

/**
 * net_equalize() - give the channels of a tensor like ranges
 * @net: its weights are changed, not what it computes
 * @c:   ranges that were seen; no longer true afterwards
 *
 * A channel that a convolution writes and that only convolutions read, through pools at
 * most, is scaled up where it is written and down where it is read: its rounding error
 * shrinks by that much. Return: how many tensors were changed.
 */
unsigned int net_equalize(struct net *net, const struct calib *c);

/**
 * net_channels_are_free() - whether all that read @tensor, through pools at most, are
 *                           convolutions: what a channel is scaled by they can take back
 */
bool net_channels_are_free(const struct net *net, uint32_t tensor);

#endif
