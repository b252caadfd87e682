// SPDX-License-Identifier: MIT
/*
 * What a screenshot shows, for scripts: width, height, the upper left pixel's brightness (0 to
 * 255), per cent of the pixels that have another color, and the number of different colors.
 *
 * Usage: page_pixels PICTURE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/image.h"

int main(int argc, char **argv)
{
	size_t n, i, other = 0, colors = 0;
	struct img img = { 0 };
	uint8_t *seen;
	char err[512];

	if (argc != 2)
		return 2;
	if (img_load(argv[1], &img, err, sizeof(err))) {
		fprintf(stderr, "page_pixels: %s\n", err);
		return 1;
	}
	seen = calloc(1 << 21, 1);
	if (!seen) {
		img_free(&img);
		return 1;
	}
	n = (size_t)img.w * (size_t)img.h;
	for (i = 0; i < n; i++) {
		const uint8_t *p = img.rgb + 3 * i;
		uint32_t color = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

		other += memcmp(p, img.rgb, 3) != 0;
		colors += !(seen[color >> 3] & 1 << (color & 7));
		seen[color >> 3] |= (uint8_t)(1 << (color & 7));
	}
	printf("%d %d %d %.1f %zu\n", img.w, img.h, (img.rgb[0] + img.rgb[1] + img.rgb[2]) / 3,
	       100 * (double)other / (double)n, colors);
	free(seen);
	img_free(&img);
	return 0;
}
