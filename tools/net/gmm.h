/* SPDX-License-Identifier: MIT */
/* The two-component Gaussian mixture of a layer's weights (paper, sections 2 and 3). */
#ifndef NET_GMM_H
#define NET_GMM_H

#include <stdbool.h>
#include <stddef.h>

struct gmm {
	double mean[2], sigma[2], lambda[2];	/* 0: the negative component, 1: the positive */
	double count;		/* of the non-zero weights */
	double variance;	/* of them */
	double separation;	/* W of section 3 */
	unsigned int steps;
	bool usable;		/* neither component is empty and the means have two signs */
};

/**
 * gmm_fit() - expectation maximization over the non-zero weights
 *
 * Starts from the negative and the positive weights; ends when the log likelihood
 * changes by less than 1e-6 of itself, or after 500 steps. Sums run in a fixed
 * order. More than 2^16 weights are put into 2^14 equal bins first.
 *
 * Return: 0 or -ENOMEM.
 */
int gmm_fit(const float *w, size_t n, struct gmm *g);

/** gmm_posterior() - probability that weight @t belongs to the positive component. */
double gmm_posterior(const struct gmm *g, double t);

/** gmm_sigma() - the pooled sigma: sqrt(sum lambda_c sigma_c^2). */
double gmm_sigma(const struct gmm *g);

#endif
