/* SPDX-License-Identifier: MIT */
/* What the readers of the picture formats share. */
#ifndef TOOLS_IMAGE_PRIVATE_H
#define TOOLS_IMAGE_PRIVATE_H

#include "image.h"

/** img_fail() - fill @err; returns @code so that callers can return it. */
int img_fail(int code, char *err, size_t errlen, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** img_check() - refuse sizes above the limits, or none. */
int img_check(uint64_t w, uint64_t h, char *err, size_t errlen);

/** img_alloc() - check the limits, then take memory. */
int img_alloc(struct img *img, uint64_t w, uint64_t h, char *err, size_t errlen);

/* img_decode() for one format; on failure *out holds nothing. */
int img_decode_pnm(const uint8_t *data, size_t len, struct img *out, char *err, size_t errlen);
int img_decode_png(const uint8_t *data, size_t len, struct img *out, char *err, size_t errlen);
int img_decode_jpeg(const uint8_t *data, size_t len, struct img *out, char *err, size_t errlen);

#endif
