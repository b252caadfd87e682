/* SPDX-License-Identifier: MIT */
/*
 * Focused quantization in the training loop (paper, sections 2 to 4): for each weighted layer what
 * was estimated of its weights, which of them are quantized already, and alpha.
 *
 * A quantized weight is alpha * S * w, w an integer of FORMAT.md section 6.1. alpha multiplies the
 * level that a master weight is rounded to and does not move the borders between levels.
 *
 * What is pruned is said by a mask, not by weights of 0: what a pruned weight holds is of no
 * consequence, and one that is kept may pass through 0.
 */
#ifndef TRAIN_FQ_H
#define TRAIN_FQ_H

#include "checkpoint.h"
#include "net/quant.h"

/*
 * alpha stays at or above this. With an alpha of 0 all gradients of the layer would stay 0, below 0
 * the straight-through gradients would point the wrong way.
 */
#define FQ_MIN_ALPHA	0x1p-6f

#define FQ_RECORDS	3

/* A layer's scalars in a checkpoint, in the machine's byte order. */
struct fq_state {
	double mean[2], deviation[2], lambda[2], count, variance, separation, sigma;
	int32_t exponents[2], low;
	uint32_t mode, steps, usable;
	float share, alpha, alpha_momentum;
	uint32_t bits;
};

struct fq_layer {
	struct quant_options o;		/* bits, mode, separation, assign_nearest, seed are used */
	size_t n, outputs, sum;
	uint32_t layer;			/* keys the random components */
	const uint8_t *mask;		/* by weight: 1 kept, 0 pruned; the caller's, as prune.h's */
	/* Estimated: */
	struct gmm gmm;
	struct quant_grid grid;		/* S is grid.scale */
	uint8_t *component;		/* m_t by weight; in shift mode all 0 */
	uint8_t *quantized;		/* by weight: the forward pass takes its quantized value */
	float share;			/* of the weights that are not pruned, quantized */
	float alpha, alpha_grad, alpha_momentum;
	/* Of the last fq_project() or fq_project_integers(): */
	uint8_t *symbols;
	/* For fq_records(): */
	struct fq_state state;
	char names[FQ_RECORDS][32];
};

/**
 * fq_create() - nothing estimated, nothing quantized, alpha 1
 * @mask: must outlive the result
 *
 * Return: 0, -ENOMEM, or -ERANGE where FORMAT.md has no such number of bits.
 */
int fq_create(struct fq_layer *q, size_t outputs, size_t sum, uint32_t layer, const uint8_t *mask,
	      const struct quant_options *o);

/** fq_free() - the arrays. */
void fq_free(struct fq_layer *q);

/** fq_scale() - real value of the alphabet's 1, alpha * S. */
static inline float fq_scale(const struct fq_layer *q)
{
	return (float)(q->alpha * q->grid.scale);
}

/**
 * fq_estimate() - mixture, mode, components and b from the weights as they are
 * @w:     master weights
 * @round: how many estimates were made before: with the layer and the weight the key of the draw of
 *         m_t
 *
 * A weight keeps its component until the next estimate, even where it moves over to the other one's
 * side: then it is rounded to the nearest, so the outermost, value of its own. With
 * o.assign_nearest it goes by the nearest value at each projection instead.
 *
 * Where the integers would pass FORMAT.md's limits, shift quantization. alpha is kept.
 * Return: 0 or -ENOMEM.
 */
int fq_estimate(struct fq_layer *q, const float *w, uint32_t round);

/**
 * fq_due() - whether to estimate anew: the intervals grow exponentially
 * @epoch: since quantization began, from 0; due in epochs 0, 1, 3, 7, 15, ... (each interval twice
 *         the one before)
 */
bool fq_due(unsigned int epoch);

/**
 * fq_advance() - quantize more: the largest weights first (incremental network quantization)
 * @share: of the weights that are not pruned, 0 to 1, rounded down to a number of them; what is
 *         quantized stays so
 *
 * Of equally large ones the first go. Return: 0, -ENOMEM, or -EINVAL for another share.
 */
int fq_advance(struct fq_layer *q, const float *w, float share);

/** fq_project() - what the forward pass uses: quantized where q->quantized, else w; 0 where pruned. */
void fq_project(struct fq_layer *q, const float *w, float *used);

/** fq_project_integers() - all weights as integers (q->share is 1), their symbols in q->symbols. */
void fq_project_integers(struct fq_layer *q, const float *w, float *integers);

/**
 * fq_gradient() - straight through
 * @used: of fq_project()
 * @grad: by @used; becomes the master weights' gradient: the same where a weight is not pruned, else 0
 *
 * q->alpha_grad becomes the sum of grad * used / alpha over the quantized weights, as
 * used = z * alpha * Q(t). It is summed in double precision in order.
 */
void fq_gradient(struct fq_layer *q, const float *used, float *grad);

/**
 * fq_step() - gradient descent on alpha: v = momentum * v + alpha_grad; alpha -= rate * v
 *
 * Where that passes FQ_MIN_ALPHA, alpha stops there and v becomes 0. What is not a number stays so.
 */
void fq_step(struct fq_layer *q, float rate, float momentum);

/**
 * fq_export() - the layer for an image: symbols, alphabet, gmm, scale alpha * S
 * @out: to be freed with quant_weights_free(), also after an error
 *
 * The integers are fq_project_integers()'; where several symbols stand for one of them, the lowest
 * is taken, so an integer of 0 is a pruned weight. Return: 0 or -ENOMEM.
 */
int fq_export(struct fq_layer *q, const float *w, struct quant_weights *out);

/**
 * fq_records() - what a checkpoint keeps of the layer: "layer.3.fq.state", ".component", ".quantized"
 * @r: FQ_RECORDS of them, which point into @q
 *
 * To write, call it when all is to be written. To read, call it after fq_create(), read, and call
 * fq_restore(). The options are the caller's to compare: bits and mode of what was estimated are kept
 * until the next estimate.
 */
void fq_records(struct fq_layer *q, struct checkpoint_record *r);

/**
 * fq_restore() - take over what was read into fq_records()' places
 * Return: 0, or -EBADMSG where it can't be a layer's state; then @q is only good for fq_free().
 */
int fq_restore(struct fq_layer *q);

#endif
