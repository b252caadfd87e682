/* SPDX-License-Identifier: MIT */
/* Images that were changed on purpose: little-endian fields, and checksums made right again. */
#ifndef IMAGE_FIX_H
#define IMAGE_FIX_H

#include <stdint.h>

#include "fqz.h"

static inline uint64_t image_get(const uint8_t *p, unsigned int bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static inline void image_put(uint8_t *p, unsigned int bytes, uint64_t v)
{
	for (; bytes--; v >>= 8)
		*p++ = (uint8_t)v;
}

/* All CRCs, as far as the section table can be followed. */
static inline void image_fix_crcs(uint8_t *image, size_t len)
{
	uint64_t count, i;

	if (len < 64)
		return;
	count = image_get(image + 40, 4);
	if (count > (len - 64) / 32)
		count = (len - 64) / 32;
	for (i = 0; i < count; i++) {
		uint8_t *entry = image + 64 + 32 * i;
		uint64_t offset = image_get(entry + 8, 8), size = image_get(entry + 16, 8);

		if (offset <= len && size <= len - offset)
			image_put(entry + 24, 4, fqz_crc32c(0, image + offset, size));
	}
	image_put(image + 44, 4, fqz_crc32c(0, image + 64, 32 * count));
	image_put(image + 60, 4, fqz_crc32c(0, image, 60));
}

#endif
