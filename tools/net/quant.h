/* SPDX-License-Identifier: MIT */
/*
 * Focused quantization of one layer's weights: the alphabet, nearest rounding to
 * the letter of the paper, and error feedback.
 *
 * A quantized weight is S * w with w an integer of FORMAT.md section 6.1 and S a
 * scale, one for the layer (nearest) or for each output channel (feedback).
 */
#ifndef NET_QUANT_H
#define NET_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fqz.h"
#include "gmm.h"
#include "graph.h"

enum quant_mode { QUANT_AUTO, QUANT_SHIFT, QUANT_RECENTRALIZED };

struct quant_options {
	unsigned int bits;		/* 3 to 8 */
	enum quant_mode mode;
	double separation;		/* w_sep: recentralized from here on */
	bool by_error;			/* feedback, QUANT_AUTO: the mode that errs least instead */
	bool assign_nearest;		/* the nearer component rather than a draw */
	uint64_t seed;
	unsigned int threads;
};

/* What FORMAT.md says of a layer's alphabet, and its weights in ascending order. */
struct quant_alphabet {
	enum fqz_mode mode;
	uint32_t bits, exponent_count, first_exponent, mean_neg, mean_pos;
	unsigned int count;
	float level[FQZ_MAX_ALPHABET];		/* ascending, each once */
	float border[FQZ_MAX_ALPHABET];		/* halfway between level[i] and level[i + 1] */
	uint8_t symbol[FQZ_MAX_ALPHABET];	/* of level[i] */
	int32_t weight[FQZ_MAX_ALPHABET];	/* by symbol */
};

/**
 * quant_alphabet_init() - from exponents over any common denominator
 * @low:      exponent of the smallest shift value
 * @mean_neg: of -2^mean_neg, @mean_pos: of 2^mean_pos; not read in shift mode
 * @offset:   gets what was taken from each, so that the smallest is 0
 *
 * Return: 0, or -ERANGE where it is beyond FORMAT.md's limits.
 */
int quant_alphabet_init(struct quant_alphabet *a, enum fqz_mode mode, unsigned int bits,
			int low, int mean_neg, int mean_pos, int *offset);

/** quant_nearest_level() - index of the level nearest to @v. */
static inline unsigned int quant_nearest_level(const struct quant_alphabet *a, float v)
{
	unsigned int lo = 0, hi = a->count - 1;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (v > a->border[mid])
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/** struct quant_weights - a quantized layer */
struct quant_weights {
	struct quant_alphabet alphabet;
	struct gmm gmm;
	size_t cut;		/* weights that were pruned or 0 before; rounding makes more 0 */
	uint8_t *symbols;	/* as the layer's weights lie */
	float *scale;		/* S by output channel; may be negative */
};

/** quant_weights_free() - free the arrays. */
void quant_weights_free(struct quant_weights *q);

/**
 * quant_choose_mode() - the layer's mode by its fitted mixture
 *
 * Shift where a component is empty or both means have one sign.
 */
enum fqz_mode quant_choose_mode(const struct quant_options *o, const struct gmm *g);

/**
 * quant_nearest() - to the letter of the paper's sections 1 to 3
 * @w:       outputs * sum weights, 0: pruned
 * @layer:   number that keys the random component of each weight
 * @q:       to be freed with quant_weights_free(), also after an error
 *
 * Return: 0 or -ENOMEM.
 */
int quant_nearest(const float *w, size_t outputs, size_t sum, uint32_t layer,
		  const struct quant_options *o, struct quant_weights *q);

/*
 * Where a layer's quantized weights lie: at sigma * 2^e on both sides of 0 (shift) or of the two
 * means, or there.
 */
struct quant_grid {
	struct quant_alphabet alphabet;
	double sigma;		/* S; 1 in shift mode */
	int exponents[2];	/* log2(|mean| / S) of the two components; 0 in shift mode */
	int low;		/* e of the smallest shift value */
	double scale;		/* a weight is this times its integer */
};

/**
 * quant_grid_init() - with its alphabet
 * @exponents: not read in shift mode
 *
 * Return: 0, or -ERANGE where the integers would be beyond FORMAT.md's limits.
 */
int quant_grid_init(struct quant_grid *g, enum fqz_mode mode, unsigned int bits, double sigma,
		    const int exponents[2], int low);

/**
 * quant_estimate() - mixture, mode, components and b of the paper's sections 2 and 3
 * @w:         0: pruned
 * @stream:    with o->seed and the weight's number the key of its draw
 * @component: result for each of @n weights, 0 or 1; 0 in shift mode
 *
 * Where the integers would be beyond FORMAT.md's limits, shift. Return: 0 or -ENOMEM.
 */
int quant_estimate(const float *w, size_t n, uint64_t stream, const struct quant_options *o,
		   struct gmm *gmm, struct quant_grid *g, uint8_t *component);

/**
 * quant_project() - round to the grid
 * @mask:      0 where a weight is pruned, else 1; NULL: those that are 0 are
 * @component: of each weight, not read in shift mode; NULL: the one whose values come nearer
 * @symbols:   result, 0 for pruned weights
 *
 * Half way between two values of a component the one nearer to its mean is taken.
 */
void quant_project(const struct quant_grid *g, const float *w, const uint8_t *mask, size_t n,
		   const uint8_t *component, uint8_t *symbols);

/**
 * quant_recentralize() - the inner step: round with given components
 * @sigma:     S, the common scale
 * @exponents: log2(|mean| / S) of the two components, integers
 * @bias:      b: the shift values are 2^(e - b)
 * @component: of each weight, 0 or 1; NULL: the one whose values come nearer
 * @symbols:   result, 0 where w is 0
 */
int quant_recentralize(const float *w, size_t n, unsigned int bits, double sigma,
		       const int exponents[2], int bias, const uint8_t *component,
		       struct quant_alphabet *a, float *scale, uint8_t *symbols);

/**
 * struct gram - second moments of a layer's inputs, in blocks along the diagonal
 *
 * x is the input as the card will see it, t the float network's, in the same unit. All
 * sums run over the same samples; less the means where the bias makes up for these.
 */
struct gram {
	size_t groups, sum;		/* of the layer */
	size_t blocks, block;		/* for each group: count, and size of all but the last */
	double *matrix;			/* sum x x^T: groups * blocks times block * block */
	double *cross;			/* sum t x^T, likewise; NULL: t is taken to be x */
	size_t samples;
};

/**
 * quant_feedback() - error feedback through the inputs' Gram matrix
 * @w:     all weights; those that are 0 stay so
 * @kept:  the same, 0 also where pruned already
 * @zeros: so many weights are pruned here, those that are 0 counted; 0: none
 * @gram:  of the layer's inputs
 *
 * What pruning loses is made up for like what rounding loses.
 *
 * The weights are first fitted so that on the card's inputs they give what the float ones
 * give on the float network's. The means' places relative to the shift values are
 * searched, not taken from the mixture, so QUANT_RECENTRALIZED is obeyed whatever the
 * mixture looks like.
 *
 * Return: 0 or -ENOMEM.
 */
int quant_feedback(const float *w, const float *kept, size_t zeros, size_t outputs, size_t sum,
		   const struct gram *gram, const struct quant_options *o,
		   struct quant_weights *q);

/**
 * quant_feedback_worth() - what weights are worth to the layer's output
 * @columns: result, by group and weight of an output channel: |w| times it is the root of the
 *           loss that pruning w costs, the others making up for it, over the output's energy
 *
 * Return: 0 or -ENOMEM.
 */
int quant_feedback_worth(const float *w, size_t outputs, size_t sum, const struct gram *gram,
			 unsigned int threads, float *columns);

#endif
