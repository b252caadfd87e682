/* SPDX-License-Identifier: MIT */
/* What fuzz targets that take images share. */
#ifndef FUZZ_IMAGE_H
#define FUZZ_IMAGE_H

#include <string.h>

#include "../unit/image_fix.h"

/* Magic, File_Size and the CRCs made right. */
static inline void image_fix_up(uint8_t *p, size_t len)
{
	if (len < 64)
		return;
	memcpy(p, "\x89" "FQZ\r\n\x1a\n", 8);
	image_put(p + 16, 8, len);
	image_fix_crcs(p, len);
}

#endif
