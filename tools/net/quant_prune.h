/* SPDX-License-Identifier: MIT */
/*
 * Which weights become 0: how many of each layer, and which of a layer by magnitude.
 * feedback_prune.c chooses within the error feedback instead.
 */
#ifndef NET_QUANT_PRUNE_H
#define NET_QUANT_PRUNE_H

#include <stddef.h>
#include <stdint.h>

#include "graph.h"
#include "quantize.h"

/* Dynamic Network Surgery cuts a weight below this share of the threshold. */
#define QUANT_PRUNE_CUT	0.9

/**
 * quant_prune() - zero the @zeros smallest of @n weights; those that are 0 count
 *
 * Of equal ones the first go. Return: 0 or -ENOMEM.
 */
int quant_prune(float *w, size_t n, size_t zeros);

/**
 * quant_prune_count() - a share of @n weights as a number of them, rounded down
 */
size_t quant_prune_count(double sparsity, size_t n);

/**
 * quant_prune_moments() - mean and standard deviation of |w| over the weights that are not 0
 */
void quant_prune_moments(const float *w, size_t n, double *mean, double *sigma);

/**
 * quant_prune_plan() - how many weights of each layer are to be 0
 * @o:       sparsities, scope and method
 * @columns: network scope by what weights are worth, else NULL: for each layer, by group and
 *           weight of an output channel, what |w| is multiplied by to be compared
 * @zeros:   result by layer; 0 for layers without weights
 *
 * A share of weights is rounded down to a number of them. One threshold over all layers is
 * of |w| over the layer's root mean square (magnitude), or is Dynamic Network Surgery's c in
 * mean + c * standard deviation of |w|. Return: 0 or -ENOMEM.
 */
int quant_prune_plan(const struct net *net, const struct quantize_options *o,
		     float *const *columns, size_t *zeros);

/*
 * Selection of the @wanted smallest keys in two passes over them: the first counts the upper
 * halves of their codes, the second the lower halves of those that share the upper half found.
 */
struct quant_select {
	uint64_t count[1 << 16];
	uint64_t wanted, below;		/* keys to take; of them, below @code */
	uint32_t code;			/* of the last key that is taken */
	bool low;			/* second pass */
};

/** quant_select_code() - a key as an integer of the same order. */
uint32_t quant_select_code(float key);

/** quant_select_key() - the key of a code. */
float quant_select_key(uint32_t code);

/** quant_select_count() - a key of the pass. */
static inline void quant_select_count(struct quant_select *s, uint32_t code)
{
	if (!s->low)
		s->count[code >> 16]++;
	else if (code >> 16 == s->code >> 16)
		s->count[code & 0xffff]++;
}

/** quant_select_end() - end of a pass. */
void quant_select_end(struct quant_select *s);

#endif
