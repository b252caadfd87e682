/* SPDX-License-Identifier: MIT */
/*
 * Focused quantization in the training loop (paper, sections 2 to 4): for each weighted layer what
 * was estimated of its weights, which of them are quantized already, and alpha.
 *
 * A quantized weight is alpha * S * w, w an integer of FORMAT.md section 6.1. Weights that are 0 are
 * pruned and stay so.
 */
#ifndef TRAIN_FQ_H
#define TRAIN_FQ_H

#include "net/quant.h"

struct fq_layer {
	struct quant_options o;		/* bits, mode, w_sep, seed; feedback's fields unused */
	size_t n, outputs, sum;
	uint32_t layer;			/* keys the random components */
	/* Estimated: */
	struct gmm gmm;
	struct quant_alphabet alphabet;
	double sigma;			/* S: a level is a real weight of alpha * sigma * level */
	uint8_t *component;		/* m_t by weight; in shift mode all 0 */
	uint8_t *quantized;		/* by weight: the forward pass takes its quantized value */
	float share;			/* of the weights that are not pruned, quantized */
	float alpha, alpha_grad, alpha_momentum;
	/* Of the last fq_project(): */
	uint8_t *symbols;
};

/** fq_create() - nothing estimated, nothing quantized, alpha 1. Return: 0 or -ENOMEM. */
int fq_create(struct fq_layer *q, size_t outputs, size_t sum, uint32_t layer,
	      const struct quant_options *o);

/** fq_free() - the arrays. */
void fq_free(struct fq_layer *q);

/**
 * fq_estimate() - mixture, mode, components and b from the weights as they are
 * @w:     master weights, 0: pruned
 * @round: how many estimates were made before: with the layer and the weight the key of the draw of
 *         m_t
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
 * @share: of the weights that are not 0, 0 to 1; what is quantized stays so
 */
int fq_advance(struct fq_layer *q, const float *w, float share);

/** fq_project() - what the forward pass uses: quantized where q->quantized, else w; 0 stays 0. */
void fq_project(struct fq_layer *q, const float *w, float *used);

/** fq_project_integers() - all weights as integers (q->share is 1), their symbols in q->symbols. */
void fq_project_integers(struct fq_layer *q, const float *w, float *integers);

/**
 * fq_gradient() - straight through
 * @grad: by what fq_project() gave; becomes the master weights' gradient: the same where a weight is
 *        not 0, else 0
 *
 * q->alpha_grad becomes the sum of grad * used / alpha over the quantized weights, as
 * used = z * alpha * Q(t).
 */
void fq_gradient(struct fq_layer *q, const float *w, const float *used, float *grad);

/** fq_export() - the layer for an image: symbols, alphabet, gmm, scale alpha * S. */
int fq_export(struct fq_layer *q, const float *w, struct quant_weights *out);

#endif
