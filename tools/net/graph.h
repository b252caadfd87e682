/* SPDX-License-Identifier: MIT */
/*
 * A float convolutional network as the tools see it: a list of layers in an
 * order in which they can run, batch 1, activations as C x H x W.
 *
 * After net_simplify() the list has the shape of an .fqz image: tensor 0 is the
 * input, layer i writes tensor i + 1, the last layer writes the output, each
 * layer is of a kind that FORMAT.md section 4.1 knows and carries its
 * activation as bounds.
 */
#ifndef NET_GRAPH_H
#define NET_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of FORMAT.md sections 2 to 6, which a network must fit anyway. */
#define NET_MAX_LAYERS		4095
#define NET_MAX_INPUTS		64
#define NET_MAX_CONCAT		8	/* inputs of one NET_CONCAT */
#define NET_MAX_DIM		65535
#define NET_MAX_ELEMENTS	(1u << 26)
#define NET_MAX_WEIGHTS		(1u << 28)
#define NET_MAX_SUM		(1u << 20)
/* Limits of our own, far above any network that fits the card. */
#define NET_MAX_ACTIVATIONS	((uint64_t)1 << 28)	/* elements of all tensors */
#define NET_MAX_PRODUCTS	((uint64_t)1 << 40)	/* multiplications of all layers */
#define NET_MAX_COLUMNS		((size_t)1 << 26)	/* inputs of all sums of an output row */

/** struct net_error - one or more lines of printable text, the last without a line feed. */
struct net_error {
	char text[8192];
};

/** net_fail() - set the text, one line; returns -EINVAL so that callers can return it. */
int net_fail(struct net_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** net_nomem() - set "out of memory" and return -ENOMEM. */
int net_nomem(struct net_error *err);

enum net_kind {
	NET_AFFINE,	/* y = clamp(x * scale[c] + bias[c]) */
	NET_CONV,	/* also every fully connected layer over a 1 x 1 input */
	NET_FC,		/* a convolution whose kernel is the whole input */
	NET_ADD,
	NET_CONCAT,
	NET_MAXPOOL,
	NET_AVGPOOL,
	NET_GLOBALPOOL,	/* mean of each channel */
	NET_PAD,	/* only before net_simplify() */
};

struct net_tensor {
	char *name;
	uint32_t c, h, w;
};

struct net_layer {
	enum net_kind kind;
	char *name;
	uint32_t in[NET_MAX_INPUTS], in_count, out;
	/* NET_CONV, NET_FC, pools; NET_PAD uses the pads only. */
	uint32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
	uint32_t pad_top, pad_left, pad_bottom, pad_right;
	uint32_t groups;
	bool count_padding;	/* NET_AVGPOOL: the divisor counts the padding */
	uint32_t divisor;	/* NET_AVGPOOL: instead of any count, 0: none */
	float *weight;		/* [out c][in c / groups][kernel_h][kernel_w] */
	float *bias;		/* [out c]: NET_CONV, NET_FC, NET_AFFINE */
	float *scale;		/* [out c]: NET_AFFINE */
	float act_min, act_max;	/* -INFINITY and INFINITY: no bound */
};

struct net {
	struct net_tensor *tensors;
	struct net_layer *layers;
	uint32_t tensor_count, layer_count, tensor_room, layer_room;
	uint32_t input, output;
	bool equalized;		/* by net_equalize() */
};

/** net_create() - an empty network, NULL when out of memory. */
struct net *net_create(void);

/** net_name() - a copy for texts of an image: printable ASCII, at most 200 characters. */
char *net_name(const char *name);

/** net_destroy() - free a network with all its arrays; NULL is allowed. */
void net_destroy(struct net *net);

/**
 * net_add_tensor() - add a tensor
 * Return: its number, or a negative errno (-EINVAL above a limit).
 */
int net_add_tensor(struct net *net, const char *name, uint64_t c, uint64_t h, uint64_t w,
		   struct net_error *err);

/**
 * net_add_layer() - append a layer, taking over its arrays
 * @layer: name is copied; weight, bias and scale belong to the network even
 *         where this fails
 * Return: 0 or a negative errno.
 */
int net_add_layer(struct net *net, const struct net_layer *layer, struct net_error *err);

/** net_layer_init() - zero a layer, set strides, dilations, groups to 1, no bounds. */
void net_layer_init(struct net_layer *l, enum net_kind kind);

/** net_tensor_elements() - C * H * W. */
size_t net_tensor_elements(const struct net_tensor *t);

/** net_layer_weights() - number of weights, 0 for kinds without. */
size_t net_layer_weights(const struct net *net, const struct net_layer *l);

/** net_layer_sum() - weights that one output channel sums. */
size_t net_layer_sum(const struct net *net, const struct net_layer *l);

/** net_layer_has_weights() - NET_CONV or NET_FC. */
bool net_layer_has_weights(const struct net_layer *l);

/**
 * net_simplify() - fold, fuse, drop dead layers, renumber
 *
 * Batch normalization goes into convolutions, activation bounds into the layer
 * before, padding into the convolution after; what can't be expressed is an error.
 */
int net_simplify(struct net *net, struct net_error *err);

/** net_dense_bytes() - 4 x (weights + biases) of the convolutions. */
uint64_t net_dense_bytes(const struct net *net);

#endif
