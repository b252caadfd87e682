/* SPDX-License-Identifier: MIT */
/* Small networks for the tests of the library and the tools, written by fqz_image_write(). */
#ifndef SMALLNET_H
#define SMALLNET_H

#include <stddef.h>
#include <stdint.h>

#define SMALL_CLASSES	10

#define SMALL_FC_INPUTS	(3 * 4 * 4)

/* Each returns 0 and a malloc()ed image, or a negative errno (and says why on stderr). */

/** small_fc() - input 3 x 4 x 4, one FC layer whose outputs are plain sums; classes, metadata. */
int small_fc(void **data, size_t *len);

/** small_fc_expect() - what it gives by its definition, after small_fc(): SMALL_CLASSES sums. */
void small_fc_expect(const uint8_t x[SMALL_FC_INPUTS], int32_t y[SMALL_CLASSES]);

/**
 * small_residual() - AFFINE, CONV, CONV, ADD, MAXPOOL, SUMPOOL, FC on 3 x @side x @side, with
 * @channels channels: a range of its layers has one or two live tensors
 */
int small_residual(uint32_t side, uint32_t channels, void **data, size_t *len);

/** small_gray() - input 1 x 4 x 4 gray, an AFFINE layer; the output is no list of classes. */
int small_gray(void **data, size_t *len);

/** small_huge() - a tiny file whose arena is larger than any card of 256 MiB. */
int small_huge(void **data, size_t *len);

#endif
