/* SPDX-License-Identifier: MIT */
/*
 * Labeled pictures in memory and the batches that an epoch makes of them. Which picture comes when,
 * and how it is cropped and flipped, is a function of (seed, epoch, place): nothing is carried from
 * batch to batch.
 */
#ifndef TRAIN_SAMPLES_H
#define TRAIN_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dataset.h"
#include "net/graph.h"

#define SAMPLES_MAX_BYTES	((size_t)4 << 30)

struct samples {
	uint8_t *pixels;	/* [count][c][h][w], as the card takes them */
	uint16_t *labels;
	size_t count;
	uint32_t c, h, w;
};

/**
 * samples_load() - all pictures of one or more data sets (common/dataset.h), in their order
 * @input:   the network's input tensor: size and number of channels
 * @classes: of the network: a label from there on is an error that names the picture
 * @names:   the network's class names or NULL: dataset_match_classes()
 *
 * Return: 0, or a negative errno with @err: -EINVAL (a picture without a label, an input that is no
 * picture), -ERANGE (a label from @classes on), -EFBIG (above SAMPLES_MAX_BYTES), -ENOMEM, or what
 * dataset_open() and dataset_get() return.
 */
int samples_load(const char *const *paths, size_t path_count, const struct net_tensor *input,
		 enum img_color color, uint32_t resize, size_t classes, const char *const *names,
		 unsigned int threads, struct samples *s, char *err, size_t errlen);

/** samples_free() - the arrays. */
void samples_free(struct samples *s);

/** struct samples_augment - how training pictures vary. */
struct samples_augment {
	unsigned int crop;	/* pixels of padding on each side before a random crop; 0: none */
	bool flip;		/* left to right, half of them */
	uint8_t fill[3];	/* of the padding, by channel */
	unsigned int cutout;	/* side of a square of fill around a random pixel; 0: none */
};

/**
 * samples_order() - the epoch's permutation of 0 .. count - 1 (Fisher and Yates)
 * @order: s->count entries
 */
void samples_order(const struct samples *s, uint64_t seed, uint32_t epoch, uint32_t *order);

/**
 * samples_batch() - the pictures order[first] .. order[first + n - 1], augmented
 * @order:  its places first .. first + n - 1 are what the changes are functions of
 * @a:      NULL: as they are
 * @pixels: n * c * h * w
 */
void samples_batch(const struct samples *s, const uint32_t *order, size_t first, size_t n,
		   const struct samples_augment *a, uint64_t seed, uint32_t epoch,
		   uint8_t *pixels, uint16_t *labels);

#endif
