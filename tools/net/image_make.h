/* SPDX-License-Identifier: MIT */
/* From the quantized network to the bytes of an .fqz image, with its metadata. */
#ifndef NET_IMAGE_MAKE_H
#define NET_IMAGE_MAKE_H

#include "card_score.h"
#include "normalize.h"
#include "quantize.h"

/** struct image_info - the image being made. */
struct image_info {
	const struct qnet *q;
	struct normalization normal;	/* for programs that read the image; a layer of q does it */
	enum fqz_color color;
	uint32_t resize;		/* FORMAT.md's Resize_Shorter */
	char **classes;			/* NULL: none */
	uint32_t class_count;
	/* By layer of the network, of which only coder is read, or NULL: coder below for all. */
	const struct quantize_layer_options *layers;
	enum fqz_coder coder;
	const char *encoder;		/* the program and its version */
	const char *options;		/* that decided the image */
	const char *description;	/* NULL: none */
	const char *source;		/* path of the float network's file; NULL: there is none */
	uint32_t source_crc;		/* its CRC32C */
	const struct score *score;	/* NULL: not measured yet */
	bool no_agreement;		/* the score's agreement was not measured */
	const char *score_data;		/* what it was measured on */
};

/**
 * image_make() - the .fqz image in memory
 * @data: malloc()ed
 *
 * Return: 0 or a negative errno, @err is one line.
 */
int image_make(const struct image_info *info, void **data, size_t *len, char *err,
	       size_t errlen);

#endif
