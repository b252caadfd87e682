/* SPDX-License-Identifier: MIT */
/* From a float network to the integers of an .fqz image. */
#ifndef NET_QUANTIZE_H
#define NET_QUANTIZE_H

#include "calib.h"
#include "fqz.h"
#include "quant.h"

/* A layer of the image: f's pointers lead into the arrays below it. */
struct qlayer {
	struct fqz_layer f;
	int16_t *scale, *bias;
	uint8_t *shift;
	struct quant_weights weights;
	double snr;		/* of its output against the float network's, dB */
	double weight_snr;	/* of its weights, dB */
	uint64_t pruned;	/* symbols that are 0 */
};

struct qnet {
	const struct net *net;
	struct fqz_tensor *tensors;
	struct qlayer *layers;
	uint32_t *top1;		/* by calibration picture, as computed while quantizing */
	double agreement;	/* of top1 with the float network's, 0 to 1 */
};

enum quantize_prune {
	QUANTIZE_PRUNE_NONE,
	QUANTIZE_PRUNE_MAGNITUDE,
	QUANTIZE_PRUNE_DNS,		/* by Dynamic Network Surgery's threshold */
	QUANTIZE_PRUNE_FEEDBACK,	/* within the error feedback, by what a weight is worth */
};

/* What may differ by layer. */
struct quantize_layer_options {
	unsigned int bits;
	enum quant_mode mode;
	double sparsity;		/* below 0: as quantize_options says */
	enum fqz_coder coder;
};

struct quantize_options {
	struct quant_options weights;
	bool feedback;		/* else nearest, to the letter of the paper */
	enum quantize_prune prune;
	bool prune_network;	/* one threshold for all layers that have no sparsity of their own */
	/* 0 to below 1, of the weights of a layer or of those layers; with QUANTIZE_PRUNE_DNS 0 is
	 * the threshold at the mean. Weights that are 0 count. */
	double sparsity;
	enum calib_rule range;	/* of activations */
	/* By layer of the network, or NULL: bits, mode and sparsity above for all. */
	const struct quantize_layer_options *layers;
	/* Called before each layer, may be NULL. */
	void (*progress)(void *arg, uint32_t layer, uint32_t count);
	void *progress_arg;
};

/**
 * quantize_network() - quantize weights and activations
 * @net: simplified; must outlive the result. With feedback its weights are changed the first
 *       time, but not what it computes (net_equalize()). It is not pruned
 * @set: calibration pictures, at least 1
 * @q:   to be freed with qnet_destroy()
 *
 * Return: 0, -ENOMEM, or -EINVAL with @err.
 */
int quantize_network(struct net *net, const struct calib_set *set,
		     const struct quantize_options *o, struct qnet **q, struct net_error *err);

/** qnet_destroy() - free; NULL is allowed. */
void qnet_destroy(struct qnet *q);

/** quantize_memory() - bytes that each calibration picture takes while quantizing. */
size_t quantize_memory(const struct net *net);

/* lower.c: the integers around the weights. */

/**
 * lower_tensors() - types and scales of all tensors from the ranges that were seen
 */
int lower_tensors(struct qnet *q, const struct calib *c, enum calib_rule rule,
		  float pixel_scale, struct net_error *err);

/** lower_layer() - geometry and bounds of a layer, and all of it for kinds without weights. */
int lower_layer(struct qnet *q, uint32_t layer, struct net_error *err);

/** lower_weights() - a layer's fields that say what its symbols stand for. */
void lower_weights(struct fqz_layer *f, const struct quant_alphabet *a);

/**
 * lower_channels() - 16-bit requantization of a CONV, FC or AFFINE layer
 * @factor: real value of one unit of the accumulator, by channel
 * @bias:   real value to add, by channel
 *
 * Quicker where the layer had nearly the same before.
 */
int lower_channels(struct qnet *q, uint32_t layer, const double *factor, const double *bias,
		   struct net_error *err);

/* simulate.c: the image's arithmetic on pictures, sums in float. */

/** simulate_bytes() - bytes of an element of a tensor. */
size_t simulate_bytes(enum fqz_type type);

/** simulate_load() - a tensor's integers as floats. */
void simulate_load(const struct fqz_tensor *t, const void *x, float *out);

/** simulate_sums() - a CONV's or FC's accumulators: @weight holds the integers. */
int simulate_sums(const struct qnet *q, uint32_t layer, const float *weight, const float *in,
		  float *out, struct net_work *w);

/**
 * simulate_layer() - compute a layer
 * @in:     its input tensors, as integers of their types
 * @weight: the layer's integer weights as floats, or NULL
 * @x, @y:  scratch for the largest input and output tensor
 */
int simulate_layer(const struct qnet *q, uint32_t layer, const void *const *in,
		   const float *weight, void *out, float *x, float *y, struct net_work *w);

#endif
