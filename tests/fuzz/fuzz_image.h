/* SPDX-License-Identifier: MIT */
/* What fuzz targets that take images share. */
#ifndef FUZZ_IMAGE_H
#define FUZZ_IMAGE_H

#include "fqz.h"

#include <string.h>

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

/* Magic, File_Size and the CRCs made right, as far as the section table can be followed. */
static inline void image_fix_up(uint8_t *p, size_t len)
{
	uint64_t count, i;

	if (len < 64)
		return;
	memcpy(p, "\x89" "FQZ\r\n\x1a\n", 8);
	image_put(p + 16, 8, len);
	count = image_get(p + 40, 4);
	if (count > (len - 64) / 32)
		count = (len - 64) / 32;
	for (i = 0; i < count; i++) {
		uint8_t *entry = p + 64 + 32 * i;
		uint64_t offset = image_get(entry + 8, 8), size = image_get(entry + 16, 8);

		if (offset <= len && size <= len - offset)
			image_put(entry + 24, 4, fqz_crc32c(0, p + offset, size));
	}
	image_put(p + 44, 4, fqz_crc32c(0, p + 64, 32 * count));
	image_put(p + 60, 4, fqz_crc32c(0, p, 60));
}

#endif
