/* SPDX-License-Identifier: MIT */
/*
 * The judge of TNET_INTEGER's gradients: the card's arithmetic in double precision without its roundings.
 * What each rounding and each clamp did at one point is kept as it was there, so at this point the
 * function has the card's values, and its slopes are those that pass straight through.
 */
#ifndef TRAIN_SMOOTH_H
#define TRAIN_SMOOTH_H

#include "train/tnet.h"

enum train_smooth_kind { SMOOTH_WEIGHT, SMOOTH_FACTOR, SMOOTH_OFFSET, SMOOTH_KINDS };

/* Tensors are [batch][c][h][w]. */
struct train_smooth {
	const struct tnet *t;
	const struct qnet *q;
	double **value, **residue;	/* by tensor */
	bool **passes;			/* by tensor and element: not clamped */
	uint32_t **from;		/* by tensor and element: which input a maximum was, in its channel */
	double *step[SMOOTH_KINDS];	/* the layer's parameters are moved by these */
	uint32_t moved;			/* that layer */
	double rounded_most;		/* largest difference that a rounding made, in steps */
};

/** train_smooth_create() - at the point of the last TNET_INTEGER forward pass of @t. */
struct train_smooth *train_smooth_create(const struct tnet *t);

void train_smooth_destroy(struct train_smooth *s);

/** train_smooth_run() - with the parameters of s->moved moved by @h times s->step. */
void train_smooth_run(struct train_smooth *s, double h);

#endif
