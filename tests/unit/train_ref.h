/* SPDX-License-Identifier: MIT */
/*
 * The judge of the trainer: a network forward and backward in double precision, as plain nested
 * loops over [batch][c][h][w] that can be checked by eye. It shares no code with dnn.c, ops.c or
 * tnet.c.
 *
 * Functions end the program where memory is short: this is for tests.
 */
#ifndef TRAIN_REF_H
#define TRAIN_REF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/tnet.h"

enum train_ref_kind { REF_WEIGHT, REF_BIAS, REF_SCALE, REF_GAMMA, REF_BETA, REF_KINDS };

extern const char *const train_ref_kind_names[REF_KINDS];

struct train_ref_layer {
	bool norm;				/* gamma and beta in place of the bias */
	size_t count[REF_KINDS];		/* 0: the layer has none */
	double *param[REF_KINDS], *grad[REF_KINDS];
	double *mean, *var;			/* what normalization takes in eval */
	double *batch_mean, *batch_var;		/* of the last forward pass */
	double min, max, step, low, high;	/* as struct ops_bound */
	double *sums, *before;			/* by output: before normalization, before bounds */
	size_t *from;				/* NET_MAXPOOL: by output, which input was taken */
};

struct train_ref {
	const struct net *net;
	uint32_t batch;
	struct train_ref_layer *layers;
	double **value, **grad;			/* by tensor */
	/*
	 * Where a program with less precision stands at a kink, on which side is its own matter:
	 * with its numbers here (the caller's arrays) the backward pass takes its side.
	 */
	double **follow;			/* by tensor: its values decide maxima */
	double **follow_before;			/* by layer: its values before bounds decide these */
	/*
	 * Of the last forward pass: a hash of which bounds acted and which inputs were maxima, and the
	 * smallest distance from another choice. While the pattern is one the loss is smooth.
	 */
	uint64_t pattern;
	double margin;
};

/**
 * train_ref_create() - with the net's weights, biases, scales and bounds
 * @norm: batch normalization behind each convolution but the last layer, gamma 1, beta the bias
 */
struct train_ref *train_ref_create(const struct net *net, uint32_t batch, bool norm);

void train_ref_destroy(struct train_ref *r);

/** train_ref_load() - take over the parameters of @t: what it computes with, bounds, running moments. */
void train_ref_load(struct train_ref *r, const struct tnet *t);

/** train_ref_elements() - of a tensor, of all pictures. */
size_t train_ref_elements(const struct train_ref *r, uint32_t tensor);

/** train_ref_forward() - from r->value[net->input]; @eval: normalize by mean and var. */
void train_ref_forward(struct train_ref *r, bool eval);

/**
 * train_ref_loss() - softmax cross entropy of the output, label smoothing @smoothing, mean over the
 *                    batch; its gradient goes to r->grad[net->output]
 */
double train_ref_loss(struct train_ref *r, const uint16_t *labels, double smoothing);

/** train_ref_backward() - all gradients of what train_ref_loss() left; after a pass without eval. */
void train_ref_backward(struct train_ref *r);

#endif
