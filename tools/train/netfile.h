/* SPDX-License-Identifier: MIT */
/*
 * Descriptions of networks that are trained from scratch: a line for each layer
 * (fqaccel-train-net(5)).
 */
#ifndef TRAIN_NETFILE_H
#define TRAIN_NETFILE_H

#include <stddef.h>

#include "net/graph.h"

#define NETFILE_MAX_BYTES	((size_t)1 << 20)

/**
 * netfile_parse() - the network that a text describes
 * @text: @len bytes, any; at most NETFILE_MAX_BYTES of them
 * @path: what messages call it
 * @net:  simplified, weights and biases 0; to be destroyed with net_destroy(). Its output has one
 *        row and column
 *
 * Return: 0, -ENOMEM, or -EINVAL with @err, which begins with @path and the line.
 */
int netfile_parse(const char *text, size_t len, const char *path, struct net **net,
		  struct net_error *err);

/** netfile_load() - the same of a file. Return: also what the system said, or -EFBIG. */
int netfile_load(const char *path, struct net **net, struct net_error *err);

#endif
