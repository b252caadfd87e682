/* SPDX-License-Identifier: MIT */
/*
 * Data sets: pictures with or without a class label, in a fixed order.
 *
 * A path may be
 *   - a picture: no label;
 *   - a CIFAR-10 batch, a file named *.bin of 3073-byte records: a label and 32 x 32 pixels;
 *   - an IDX file of 8-bit gray pictures, as MNIST has: told by its first bytes. If the name holds
 *     "images" and "idx3", the labels are those of the file beside it whose name has "labels" and
 *     "idx1" there; else there are none;
 *   - a folder of pictures: a name of digits alone, such as 0042.jpg, is the class; others have
 *     no label;
 *   - a folder of CIFAR-10 batches: all of them in a row;
 *   - a folder with one IDX file of pictures, whose name ends in idx3-ubyte;
 *   - a folder of folders, one for each class, with pictures in them. If all folders' names are
 *     digits these are the classes, else the class is the folder's place
 *     in the order; dataset_match_classes() goes by the network's class names instead.
 *
 * Names are ordered bytewise. Hidden files, and files whose names do not end like a
 * picture's (.jpg .jpeg .png .ppm .pgm .pnm), a batch's (.bin) or an IDX file's, are passed over.
 */
#ifndef TOOLS_DATASET_H
#define TOOLS_DATASET_H

#include <stddef.h>

#include "image.h"

#define DATASET_MAX_PICTURES	(1u << 24)

struct dataset;

/**
 * dataset_open() - list what is there; no picture is decoded yet
 * @ds:  to be closed with dataset_close()
 * @err: one line that begins with a path, or with "data set" where there is none
 *
 * Return: 0, -ENOENT (nothing, or no picture), -EBADMSG (a broken batch or IDX file), -EINVAL (a
 * mixture, several IDX files), -EOPNOTSUPP (compressed, or another kind of IDX file), -EFBIG (too
 * many), -ENOMEM, or what the system said.
 */
int dataset_open(const char *path, struct dataset **ds, char *err, size_t errlen);

/** dataset_close() - NULL is allowed. */
void dataset_close(struct dataset *ds);

/** dataset_size() - pictures. */
size_t dataset_size(const struct dataset *ds);

/** dataset_labeled() - whether every picture has a label. */
int dataset_labeled(const struct dataset *ds);

/**
 * dataset_get() - read a picture; any number of threads may, at the same time
 * @i:     below dataset_size()
 * @out:   to be freed with img_free()
 * @label: -1 for none; may be NULL
 */
int dataset_get(const struct dataset *ds, size_t i, struct img *out, int *label, char *err,
		size_t errlen);

/** dataset_label() - a picture's label, or -1, without reading it. */
int dataset_label(const struct dataset *ds, size_t i);

/**
 * dataset_name() - a picture's file, or "batch.bin:7" for picture 7, from 0, of such a file
 *
 * Lives as long as the data set.
 */
const char *dataset_name(const struct dataset *ds, size_t i);

/**
 * dataset_match_classes() - go by the network's class names
 * @names: @count class names
 *
 * Only for a folder of class folders, else it does nothing. If the folders' names are class
 * names (letter case aside, '_' stands for a space; "tabby, tabby cat" also goes by
 * "tabby"), they become the labels; if none is, the labels stay.
 *
 * Return: 0, or -EINVAL where some names match and others do not, or one matches two classes:
 * @err says which.
 */
int dataset_match_classes(struct dataset *ds, const char *const *names, size_t count,
			  char *err, size_t errlen);

#endif
