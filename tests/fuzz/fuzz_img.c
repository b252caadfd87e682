// SPDX-License-Identifier: MIT
/* Whatever is taken for a picture: decoded, resized and brought into a network's layout. */
#include <stdlib.h>

#include "common/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t chw[3 * 7 * 9];
	struct img img;
	char err[256];

	if (img_decode(data, len, &img, err, sizeof(err)))
		return 0;
	/* The filter is the same for large pictures, but takes its time. */
	if ((uint64_t)img.w * (uint64_t)img.h <= 1u << 16 &&
	    (img_prepare(&img, IMG_RGB, 3, 9, 7, 8, chw) ||
	     img_prepare(&img, IMG_GRAY, 1, 9, 7, 0, chw)))
		abort();
	img_free(&img);
	return 0;
}
