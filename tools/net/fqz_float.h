/* SPDX-License-Identifier: MIT */
/*
 * A float execution of an .fqz image: the same quantized weights, scales and
 * bounds, but activations are not rounded. What separates it from the card is the
 * 8-bit rounding of activations alone.
 */
#ifndef NET_FQZ_FLOAT_H
#define NET_FQZ_FLOAT_H

#include <stdint.h>

#include "fqz.h"
#include "graph.h"

struct netf;

/**
 * netf_open() - make a float network of an image
 * @img: opened; need not outlive the result
 * @out: to be closed with netf_close()
 *
 * Return: 0 or a negative errno with @err.
 */
int netf_open(const struct fqz_image *img, struct netf **out, struct net_error *err);

/** netf_network() - its layers: those of the image, weights and bounds as real values. */
const struct net *netf_network(const struct netf *n);

/** netf_close() - free; NULL is allowed. */
void netf_close(struct netf *n);

/**
 * netf_run() - run one picture
 * @chw:    the input tensor as the card takes it, C x H x W bytes
 * @output: real values of the output tensor
 *
 * One thread at a time for each netf. Return: 0 or -ENOMEM.
 */
int netf_run(struct netf *n, const uint8_t *chw, float *output);

#endif
