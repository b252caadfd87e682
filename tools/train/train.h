/* SPDX-License-Identifier: MIT */
/*
 * What the files of fqaccel-train share: the options, and the stages that a network goes through.
 *
 *   float      train, or fine-tune, in floating point
 *   prune      Dynamic Network Surgery to the sparsity asked for, then training with the mask fixed
 *   quantize   25, 50, 75, 87.5, 100 % of the weights, the steps of incremental network quantization
 *   activate   8-bit activations in the forward pass, ranges calibrated at its start
 *   integer    running means fixed, 16-bit requantization: the forward pass is the card's, bit for bit
 *
 * Each is given epochs and a learning rate; one with 0 epochs only transforms the network; stages that
 * are not named are left out. Masks hold from prune on, weights lie on the grid from quantize on.
 */
#ifndef TRAIN_H
#define TRAIN_H

#include "checkpoint.h"
#include "fq.h"
#include "prune.h"
#include "samples.h"
#include "tnet.h"

enum train_stage {
	TRAIN_FLOAT, TRAIN_PRUNE, TRAIN_QUANTIZE, TRAIN_ACTIVATE, TRAIN_INTEGER,
	TRAIN_STAGES
};

/** enum train_decay - how the learning rate of a stage falls. */
enum train_decay { TRAIN_COSINE, TRAIN_STEP, TRAIN_CONSTANT };

struct train_stage_options {
	bool on;
	double epochs;		/* whole ones; quantize: at each of the first four steps */
	double last_epochs;	/* quantize: at the last step */
	double rate;
	enum train_decay decay;	/* STEP: times 0.1 every third of the stage (quantize: every 3 epochs) */
	double warmup;		/* epochs of linear growth of the rate at the start */
};

/** train_rate() - the learning rate in the middle of a stage; @at from 0 to 1 of its epochs. */
double train_rate(const struct train_stage_options *o, double at, double epochs);

#endif
