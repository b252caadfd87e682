/* SPDX-License-Identifier: MIT */
/* What the files of the learning network (tnet.h) share. */
#ifndef TRAIN_TNET_PRIVATE_H
#define TRAIN_TNET_PRIVATE_H

#include "tnet.h"

/* Tensors of one type, N x H x W x C, their gradients, and the primitives that compute them. */
struct tnet_buffers {
	enum dnn_type type;
	void **tensor;		/* by tensor */
	/* By layer, what the gradient must know before bounds: a convolution's sums, averages; else
	 * NULL. */
	void **sums;
	/* By tensor, NULL where none is computed. Tensors whose gradients do not live at the same time
	 * share one slot. */
	void **grad;
	void **slot;
	uint32_t slots;
	void *again;		/* a gradient to be added to the one that is there, or NULL */
	struct dnn_conv **conv;	/* by layer */
	struct dnn_pool **pool;
};

struct tnet_layer_state {
	/* By channel: of the last batch, and y = sums * a + b. */
	float *mean, *var, *a, *b;
	float *ignored;		/* where a gradient goes that nobody asks for */
	/* By channel, TNET_INTEGER: a requantization as sums * unit + offset before rounding. */
	double *unit, *offset;
	float *unit_single, *offset_single;
};

struct tnet_state {
	struct tnet_layer_state *layers;
	bool *needed;			/* by tensor: its gradient is wanted */
	bool *written;			/* by tensor: its gradient has been begun */
	struct tnet_buffers real, single;	/* single: for TNET_INTEGER beside bfloat16 */
	struct tnet_buffers *integer;	/* of the two the one with DNN_F32, NULL before it is made */
	struct tnet_buffers *last;	/* of the last forward pass, NULL before one */
	enum tnet_mode mode;		/* of it */
	/* TNET_INTEGER where sums need 64 bits: room for a layer's digits (of
	 * its input, of its weights) and sums. */
	float *digit, *weight_digit;
	int64_t *exact;
	size_t digit_room, weight_room, exact_room;
};

/* tnet_buffers.c */

/** tnet_buffers_create() - all of @type; undone by tnet_buffers_destroy(), also after an error. */
int tnet_buffers_create(struct tnet *t, enum dnn_type type, struct tnet_buffers *b,
			struct net_error *err);

/** tnet_buffers_destroy() - also of zeroed ones. */
void tnet_buffers_destroy(const struct tnet *t, struct tnet_buffers *b);

/** tnet_alloc() - @n bytes for vectors; NULL when out of memory. */
void *tnet_alloc(size_t n);

/** tnet_elements() - of tensor @i for the whole batch. */
size_t tnet_elements(const struct tnet *t, uint32_t i);

/** tnet_rows() - of tensor @i: batch * h * w. */
size_t tnet_rows(const struct tnet *t, uint32_t i);

/* tnet_backward.c */

/**
 * tnet_grad_begin() - where the gradient by tensor @i is to be written: in place, or to be added
 * Return: NULL where none is wanted. After writing call tnet_grad_end().
 */
void *tnet_grad_begin(struct tnet *t, uint32_t i);

/** tnet_grad_end() - @g from tnet_grad_begin() is written. */
void tnet_grad_end(struct tnet *t, uint32_t i, void *g);

/** tnet_concat_backward() - the same for all kinds of numbers. */
void tnet_concat_backward(struct tnet *t, uint32_t layer);

/** tnet_conv_backward() - from the gradient by the sums on. */
int tnet_conv_backward(struct tnet *t, uint32_t layer);

/** tnet_pool_backward() - from the gradient by averages or maxima, before any bound, on. */
int tnet_pool_backward(struct tnet *t, uint32_t layer);

/** tnet_concat() - forward, for all kinds of numbers. */
void tnet_concat(struct tnet *t, uint32_t layer);

/* tnet_digits.c */

#define TNET_WEIGHT_BITS	20	/* FORMAT.md section 6.1 has no larger weights */
#define TNET_INPUT_BITS		24	/* of what a float holds exactly */

/** struct tnet_digit - some bits of an integer's magnitude, with its sign */
struct tnet_digit {
	unsigned int from, bits;
};

/** struct tnet_part - a convolution of digits; it counts 2^(x.from + w.from) times */
struct tnet_part {
	struct tnet_digit x, w;
};

/** struct tnet_digits - how a layer's sums are computed exactly */
struct tnet_digits {
	unsigned int count;	/* of convolutions; 0: one, of input and weights as they are */
	uint64_t largest;	/* of the sums' magnitudes */
	struct tnet_part part[TNET_INPUT_BITS * TNET_WEIGHT_BITS];
};

/**
 * tnet_digits_plan() - the fewest convolutions whose sums stay below 2^24, where single precision is exact
 * @w:     integers, outputs * sum
 * @bound: the largest magnitude of the input
 *
 * Parts with the same digit of the input come one after another. Return: 0, or -ERANGE where sums pass
 * 48 bits (FORMAT.md section 7), or weights or input the bits above.
 */
int tnet_digits_plan(const float *w, size_t outputs, size_t sum, uint64_t bound,
		     struct tnet_digits *d);

/* tnet_integer.c, tnet_integer_pool.c, tnet_integer_backward.c */

/** tnet_integer_forward() - one layer. Return: 0, -EIO, -ENOMEM or -ERANGE. */
int tnet_integer_forward(struct tnet *t, uint32_t layer);

/** tnet_integer_pool() - one that averages or adds. */
void tnet_integer_pool(struct tnet *t, uint32_t layer);

/** tnet_integer_bound() - the largest magnitude of a tensor's integers. */
uint64_t tnet_integer_bound(const struct tnet *t, uint32_t tensor);

/** tnet_integer_backward() - one layer. */
int tnet_integer_backward(struct tnet *t, uint32_t layer);

#endif
