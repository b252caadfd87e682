/* SPDX-License-Identifier: MIT */
/* What the files of error feedback share; quant.h has what others call. */
#ifndef NET_FEEDBACK_H
#define NET_FEEDBACK_H

#include "exec.h"
#include "gram.h"
#include "quant.h"

#define FEEDBACK_GRID	28	/* scales that are tried by their diagonal error */

/* One diagonal block of H, columns in the order in which they are rounded. */
struct block {
	size_t n, first;	/* weights first .. first + n - 1 of an output channel */
	uint32_t *order;
	float *h, *u;		/* n x n; H^-1 = U^T U */
	float *cost;		/* 1 / U[k][k]^2: of an error that only later weights make up for */
	float *worth;		/* 1 / H^-1[k][k]: of one that all others make up for */
};

/* Scratch of one thread for one output channel; arrays of sum elements in rounding order. */
struct row {
	float *w, *t, *q, *best, *hw, *hq, *memory;
	uint8_t *keep;		/* 0: pruned */
};

struct feedback {
	float *target;		/* what is rounded, all weights */
	uint8_t *keep;		/* of each weight: 0 is pruned */
	size_t outputs, sum, per_group, blocks;
	bool swap;		/* which weights are pruned may still change */
	struct block *block;	/* groups * blocks */
	const struct gram *gram;
	const struct quant_options *o;
	struct quant_weights *q;
	struct row *rows;	/* by worker */
	struct quant_alphabet *candidates;
	double *candidate_loss;
	size_t candidate_count;
};

/* A number to sort by, largest first. */
struct ranked {
	double value;
	uint32_t index;
};

/** feedback_rank() - sort; of equal values the lower index first. */
void feedback_rank(struct ranked *r, size_t n);

/** feedback_row_blocks() - the blocks of an output channel. */
static inline const struct block *feedback_row_blocks(const struct feedback *f, size_t output)
{
	return &f->block[output / f->per_group * f->blocks];
}

/** feedback_row_load() - a channel's weights in rounding order: row->w, row->keep. */
void feedback_row_load(const struct feedback *f, size_t output, struct row *r);

/**
 * feedback_scales() - scales to try for a channel, best first by the error of its weights
 * rounded each by itself
 * @r: 2 * FEEDBACK_GRID of them, as are @scales that their indices lead to
 *
 * Return: how many; 0 where all weights are 0.
 */
unsigned int feedback_scales(const struct feedback *f, const struct quant_alphabet *a,
			     const struct block *b, const struct row *row, struct ranked *r,
			     float *scales);

/* feedback_block.c */

/** feedback_target() - see there; net_parallel()'s function over blocks. */
int feedback_target(void *arg, size_t i, unsigned int worker);

/** feedback_block_prepare() - order and factor a block; net_parallel()'s function. */
int feedback_block_prepare(void *arg, size_t i, unsigned int worker);

/** feedback_blocks_free() - free the blocks. */
void feedback_blocks_free(struct feedback *f);

/* feedback_alphabet.c */

/** feedback_alphabet_choose() - the mode and the means' places. */
int feedback_alphabet_choose(struct feedback *f);

/* feedback_prune.c */

/** feedback_prune() - clear f->keep of @zeros weights in all, those of 0 first. */
int feedback_prune(struct feedback *f, size_t zeros);

/** feedback_swap() - exchange pruned weights of a channel for others while that pays. */
bool feedback_swap(const struct quant_alphabet *a, const struct block *b, size_t blocks,
		   struct row *r, float scale);

#endif
