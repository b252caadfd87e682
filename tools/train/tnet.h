/* SPDX-License-Identifier: MIT */
/*
 * A network that learns: struct net's layers with master weights, gradients and, behind
 * convolutions, batch normalization.
 *
 * What a convolution computes with is `used`: the master weights themselves, or `projected`, which
 * pruning and quantization fill. Gradients are by what was used (straight-through: fq.h, prune.h
 * say what reaches the master weights).
 *
 * Three ways to run: TNET_TRAIN normalizes by the batch, TNET_EVAL by running means, TNET_INTEGER
 * computes what the card computes, bit for bit, with the normalization inside the
 * 16-bit requantization (FORMAT.md section 7). TNET_TRAIN and TNET_EVAL round activations where
 * `bounds[].step` says so.
 */
#ifndef TRAIN_TNET_H
#define TRAIN_TNET_H

#include "dnn.h"
#include "net/quantize.h"
#include "ops.h"

enum tnet_mode { TNET_TRAIN, TNET_EVAL, TNET_INTEGER };

#define TNET_NORM_EPS		1e-5f

struct tnet_norm {
	float *gamma, *beta, *gamma_grad, *beta_grad;	/* by channel */
	/* Running ones, of the convolution's sums before any bias; var is the unbiased variance. */
	float *mean, *var;
};

struct tnet_layer {
	const struct net_layer *l;
	size_t weights;		/* 0: a layer without */
	uint32_t channels;	/* of the output */
	float *weight;		/* master weights, as net_layer.weight */
	float *projected;
	const float *used;	/* weight or projected */
	float *grad;		/* of the loss by *used, a mean over the batch */
	float *bias, *bias_grad;	/* weighted layers without norm, NET_AFFINE; else NULL */
	float *scale, *scale_grad;	/* NET_AFFINE; else NULL */
	bool fixed;		/* NET_AFFINE on the picture itself: is not trained */
	struct tnet_norm *norm;	/* NULL: none */
	/*
	 * TNET_INTEGER: gradients by lower_channels()' factor and bias, real values; NULL for layers
	 * without and for fixed ones. Then grad is by the integer weights, and the gradients by
	 * gamma, beta, bias and scale are left as they were.
	 */
	float *factor_grad, *offset_grad;
};

struct tnet_options {
	uint32_t batch;		/* pictures in a forward pass, at least 1 */
	enum dnn_type type;
	bool norm;		/* a batch normalization behind each weighted layer, unless the net ends there */
	float norm_momentum;	/* share of the batch's moments in the running ones, 0.1 */
};

struct tnet {
	const struct net *net;
	struct tnet_options o;
	struct dnn *dnn;
	struct tnet_layer *layers;	/* net->layer_count */
	struct ops_bound *bounds;	/* by layer: net_layer's bounds; steps are 0 at first */
	size_t classes;
	float *logits;			/* [batch][classes] of the last forward pass, real values */
	const struct qnet *integer;	/* TNET_INTEGER computes with it */
	struct tnet_state *state;	/* tensors and primitives: tnet_private.h */
};

/**
 * tnet_create() - from a simplified network with normalization of pictures in it
 * @net: must outlive the result; its weights and biases are copied. Its output has one row and column
 * @dnn: must outlive the result
 * @t:   to be closed with tnet_destroy()
 *
 * With o->norm gamma is 1, beta the bias, mean 0, var 1 - eps: the function is the network's, up
 * to rounding, until tnet_norm_measure() or training change it.
 *
 * Return: 0, -ENOMEM, or -EINVAL with @err.
 */
int tnet_create(const struct net *net, struct dnn *dnn, const struct tnet_options *o,
		struct tnet **t, struct net_error *err);

/** tnet_destroy() - NULL is allowed. */
void tnet_destroy(struct tnet *t);

/**
 * tnet_norm_measure() - give the normalizations the statistics of data, keeping the function
 *
 * One forward pass in TNET_EVAL's manner, in which each normalization takes its input's moments
 * as mean and var, and gamma and beta such that it computes what it did before.
 *
 * Return: 0, or -EIO with dnn_error().
 */
int tnet_norm_measure(struct tnet *t, const uint8_t *pixels, float pixel_scale);

/**
 * tnet_init() - random weights: He et al. 2015 (normal, fan in), by (seed, layer, weight); biases and
 *               betas 0, gammas 1, running moments 0 and 1
 */
void tnet_init(struct tnet *t, uint64_t seed);

/**
 * tnet_forward() - run a whole batch
 * @pixels: [batch][c][h][w] bytes as the card takes them
 * @scale:  real value of a pixel step; not read in TNET_INTEGER, whose network knows it
 *
 * TNET_TRAIN moves the running moments by o.norm_momentum towards the batch's mean and unbiased
 * variance. TNET_INTEGER looks first how the sums of the weights as they are now stay exact.
 *
 * Return: 0 (t->logits holds the result), -EIO with dnn_error(), -EINVAL without an integer network,
 * -ENOMEM, or -ERANGE where tnet_integer_check() has something to say.
 */
int tnet_forward(struct tnet *t, enum tnet_mode mode, const uint8_t *pixels, float scale);

/**
 * tnet_backward() - all gradients, from the gradient by the logits of the last forward pass, which
 *                   was in TNET_TRAIN or TNET_INTEGER
 * @dlogits: [batch][classes]
 *
 * What `used` points to must be as it was then. After TNET_INTEGER gradients pass all roundings as if
 * these were not there, and stop where a value before its clamp lies outside its bounds.
 *
 * Return: 0, -EIO with dnn_error(), or -EINVAL after another pass or none.
 */
int tnet_backward(struct tnet *t, const float *dlogits);

/**
 * tnet_tensor() - a tensor of the last forward pass, which must have worked, as [batch][c][h][w] real
 *                 values (integers after TNET_INTEGER); for tests
 */
void tnet_tensor(const struct tnet *t, uint32_t tensor, float *out);

/**
 * tnet_integer_set() - what TNET_INTEGER computes with
 * @q: of t->net or a network of its shape; must outlive the result. Its layers' integers may change
 *     from run to run, its tensors' types and scales too. `used` holds the integer weights
 *
 * Beside bfloat16 this makes tensors in single precision. After an error what was set before holds.
 *
 * Return: 0, -ENOMEM, -EINVAL with @err where @q does not fit, or -ERANGE with @err as
 * tnet_integer_check() or where the sum of a pool's window may pass 2^24.
 */
int tnet_integer_set(struct tnet *t, const struct qnet *q, struct net_error *err);

/**
 * tnet_integer_check() - whether the card's sums can be computed
 *
 * In single precision a sum is exact below 2^24. Where sum |w| * max |x| of an output channel is not,
 * the input and the weights are taken in digits of fewer bits, the fewest pairs of which do, each pair
 * with a convolution of its own, added in 64 bits.
 *
 * Return: 0, or -ERANGE with @err that names a layer whose sums can pass 48 bits or whose weights are
 * beyond 2^20 (FORMAT.md sections 7 and 6.1).
 */
int tnet_integer_check(const struct tnet *t, struct net_error *err);

/**
 * tnet_fold() - the float network as the card's lowering wants it: normalizations folded
 * @out: a copy of t->net with used weights times gamma / sqrt(var + eps), and biases; to be destroyed
 *       with net_destroy()
 * @factors: NULL, or by layer an array that gets what each channel's weights were multiplied with (1
 *           without norm); not read for layers without weights
 *
 * Return: 0, or -ENOMEM or -EINVAL with @err; then *out is NULL.
 */
int tnet_fold(const struct tnet *t, struct net **out, float **factors, struct net_error *err);

/** struct tnet_param - what gradient descent moves. */
struct tnet_param {
	float *value, *grad;
	size_t n;
	uint32_t layer;
	bool decays;		/* weight decay applies: weights only */
	const char *what;	/* "weight", "gamma", "beta", "bias", "scale" */
};

/** tnet_params() - all of them, in a fixed order; *out is to be freed. Return: how many, or -ENOMEM. */
int tnet_params(struct tnet *t, struct tnet_param **out);

#endif
