/* SPDX-License-Identifier: MIT */
/* Calibration and test pictures in memory, and class names. */
#ifndef NET_PICTURES_H
#define NET_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dataset.h"
#include "graph.h"

/* Pictures as the network takes them, N * C * H * W bytes, and their labels. */
struct picture_set {
	size_t count;
	uint8_t *pixels;
	int *labels;
	bool labeled;
};

/**
 * pictures_load() - read and fit at most @limit pictures, evenly taken from the set
 * @color: channel order of the network's input
 * Return: 0 or a negative errno, @err is one line.
 */
int pictures_load(const char *path, size_t limit, const struct net_tensor *t,
		  enum img_color color, int resize, unsigned int threads,
		  const char *const *classes, size_t class_count, struct picture_set *set,
		  char *err, size_t errlen);

/**
 * pictures_get() - read one and fit it; any number of threads may, at the same time
 * @pixels: result, as many as @t has elements
 * @label:  as dataset_get()
 * Return: 0 or a negative errno, @err is one line that names the picture.
 */
int pictures_get(const struct dataset *ds, size_t i, const struct net_tensor *t,
		 enum img_color color, int resize, uint8_t *pixels, int *label, char *err,
		 size_t errlen);

/** pictures_synthetic() - random soft-edged pictures, for want of real ones. */
int pictures_synthetic(const struct net_tensor *t, uint64_t seed, struct picture_set *set);

/** pictures_free() - free the arrays. */
void pictures_free(struct picture_set *set);

/** pictures_resize() - for an input of this size, by default: what FORMAT.md calls Resize_Shorter. */
uint32_t pictures_resize(const struct net_tensor *t);

/** classes_load() - one name in a line; @count must be met. */
int classes_load(const char *path, size_t count, char ***names, char *err, size_t errlen);

/** classes_number() - "0", "1", ... for want of names. */
int classes_number(size_t count, char ***names);

/** classes_free() - free the names. */
void classes_free(char **names, size_t count);

#endif
