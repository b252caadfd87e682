/* SPDX-License-Identifier: MIT */
/*
 * The float executor: one picture at a time on one thread, pictures spread
 * over threads. The results do not depend on the number of threads: a picture
 * is computed by one thread with a single-threaded BLAS, and whoever sums over
 * pictures does so in a fixed order.
 */
#ifndef NET_EXEC_H
#define NET_EXEC_H

#include <stddef.h>
#include <stdint.h>

#include "graph.h"

/** struct net_work - scratch memory of one thread; zero it before the first use. */
struct net_work {
	float *columns;
	size_t room;
};

/** net_work_free() - free the scratch memory. */
void net_work_free(struct net_work *w);

/** net_work_columns() - room for @n floats, NULL when out of memory. */
float *net_work_columns(struct net_work *w, size_t n);

/**
 * net_layer_run() - compute one layer
 * @in:  l->in_count tensors, C x H x W
 * @out: the output tensor
 * Return: 0 or -ENOMEM.
 */
int net_layer_run(const struct net *net, const struct net_layer *l, const float *const *in,
		  float *out, struct net_work *w);

/** net_layer_sums() - the same for NET_CONV and NET_FC without bias and bounds. */
int net_layer_sums(const struct net *net, const struct net_layer *l, const float *weight,
		   const float *in, float *out, struct net_work *w);

/**
 * net_gather() - the inputs that outputs at given positions sum
 * @group:     of the convolution
 * @positions: row * output width + column, @n of them
 * @columns:   net_layer_sum() rows of @n values, row stride @stride
 */
void net_gather(const struct net *net, const struct net_layer *l, const float *x,
		uint32_t group, const uint32_t *positions, size_t n, float *columns,
		size_t stride);

/** struct net_state - all tensors of one picture in flight. */
struct net_state {
	const struct net *net;
	float **tensors;
	struct net_work work;
};

/** net_state_create() - for a simplified network; NULL when out of memory. */
struct net_state *net_state_create(const struct net *net);

/** net_state_destroy() - free; NULL is allowed. */
void net_state_destroy(struct net_state *s);

/**
 * net_state_run() - run the network on the picture in s->tensors[0]
 *
 * Afterwards s->tensors[] holds every tensor. Return: 0 or -ENOMEM.
 */
int net_state_run(struct net_state *s);

/**
 * net_parallel() - call fn(arg, i, worker) for i in 0 .. n - 1
 * @threads: worker is 0 .. threads - 1, and no two calls with the same worker overlap
 * Return: 0 or the error of the lowest i that failed.
 */
int net_parallel(size_t n, unsigned int threads,
		 int (*fn)(void *arg, size_t i, unsigned int worker), void *arg);

/** net_cpu_count() - processors that this process may use. */
unsigned int net_cpu_count(void);

#endif
