/* SPDX-License-Identifier: MIT */
/*
 * Between a network that learns and the integers of an .fqz image: scales of its tensors, the 16-bit
 * normalization of its channels, and the way back for gradients. Stage activate takes the tensors'
 * roundings from here, stage integer all of it, so both round alike and the image computes what
 * the last forward pass computed.
 *
 * A channel of a weighted layer is y = acc * factor + offset, acc the sum of the card's integers:
 *
 *   factor = alpha * S * (scale of the input) * gamma / sqrt(var + eps)
 *   offset = beta - mean * gamma / sqrt(var + eps)
 *
 * without normalization factor = alpha * S * (scale of the input), offset = bias.
 */
#ifndef TRAIN_INTEGER_H
#define TRAIN_INTEGER_H

#include "fq.h"
#include "tnet.h"

struct integer {
	struct tnet *t;
	struct fq_layer *fq;		/* by layer of t->net; those without weights are not read */
	struct qnet *q;			/* of t->net */
	double *factor, *offset;	/* scratch: the channels of a layer */
};

/**
 * integer_create() - types and scales of all tensors, from the values that the network has now
 * @t, @fq: must outlive the result; nothing needs to be quantized yet
 * @set:    calibration pictures, at least 1
 * @in:     to be closed with integer_destroy()
 *
 * Return: 0, -ENOMEM, or -EINVAL with @err.
 */
int integer_create(struct tnet *t, struct fq_layer *fq, const struct calib_set *set,
		   enum calib_rule rule, unsigned int threads, struct integer **in,
		   struct net_error *err);

/**
 * integer_restore() - the same from scales that integer_scales() gave
 * @scales: of all t->net->tensor_count tensors
 *
 * Return: also -EBADMSG where one can't be a scale.
 */
int integer_restore(struct tnet *t, struct fq_layer *fq, const float *scales,
		    struct integer **in, struct net_error *err);

/** integer_destroy() - NULL is allowed. TNET_INTEGER can't be run any more. */
void integer_destroy(struct integer *in);

/** integer_scales() - for a checkpoint: a step's real value, by tensor. */
void integer_scales(const struct integer *in, float *scales);

/**
 * integer_bounds() - let TNET_TRAIN and TNET_EVAL round as the card does: t->bounds
 *
 * Not what the card keeps in 32 bits, which is the last layer and sums of global pools, and not what
 * only passes on rounded values.
 */
void integer_bounds(struct integer *in);

/**
 * integer_start() - integers of everything, and tnet_integer_set()
 *
 * The layers' projected weights are used from then on, and hold integers. Estimates (fq_estimate())
 * must not change until the end.
 *
 * Return: 0, -ENOMEM, -EINVAL with @err: a layer whose weights are not all quantized, or numbers beyond 16
 * bits; -ERANGE as tnet_integer_set().
 */
int integer_start(struct integer *in, struct net_error *err);

/** integer_refresh() - the same integers after a step of gradient descent. */
int integer_refresh(struct integer *in, struct net_error *err);

/**
 * integer_gradients() - from tnet_backward()'s gradients after TNET_INTEGER to the parameters'
 *
 * By the chain rule of the formulas above, rounding taken as the identity and mean and var as constants.
 * A master weight's gradient is that of the real weight it is quantized to, 0 where it is pruned; alpha's
 * is that of its factors; fq[].alpha_grad gets it.
 */
void integer_gradients(struct integer *in);

/**
 * integer_finish() - in->q as image_make() takes it, of the parameters as they are
 *
 * Does integer_refresh(): a TNET_INTEGER forward pass after it gives the image's bits.
 */
int integer_finish(struct integer *in, struct net_error *err);

#endif
