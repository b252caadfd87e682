/* SPDX-License-Identifier: MIT */
/*
 * Pictures: PPM and PGM (plain and raw, maxval 1 to 65535), PNG, JPEG; resizing, cropping, and the
 * layout that a network takes.
 *
 * Files may be hostile: dimensions are checked before memory is taken for them. Every
 * function may be called from any thread.
 */
#ifndef TOOLS_IMAGE_H
#define TOOLS_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define IMG_MAX_SIDE	65535
#define IMG_MAX_PIXELS	(1u << 27)
#define IMG_MAX_FILE	(1u << 30)	/* bytes */

/* 8-bit sRGB values as stored, 3 * w * h bytes, row by row; nothing is done about gamma. */
struct img {
	int w, h;
	uint8_t *rgb;
};

/* The same numbers as enum fqaccel_color and FORMAT.md section 2. */
enum img_color { IMG_RGB, IMG_BGR, IMG_GRAY };

/**
 * img_load() - read a picture
 * @path: file; its contents tell the format, not its name
 * @out:  to be freed with img_free()
 * @err:  one line that begins with @path
 *
 * Gray pictures become R = G = B; 16 bits are rounded to 8; transparency is dropped;
 * the EXIF orientation is not applied.
 *
 * Return: 0, -EBADMSG (damaged or no picture), -EOPNOTSUPP (a kind that is not read,
 * e.g. CMYK), -EFBIG (above the limits), -ENOMEM, or what the system said.
 */
int img_load(const char *path, struct img *out, char *err, size_t errlen);

/** img_decode() - the same from memory; @err does not name a file. */
int img_decode(const void *data, size_t len, struct img *out, char *err, size_t errlen);

/** img_free() - free the pixels; safe twice, and on a zeroed struct. */
void img_free(struct img *img);

/**
 * img_fit() - resize and take the center crop
 * @src:     picture
 * @w, @h:   of the crop, 1 to IMG_MAX_SIDE
 * @shorter: resize the picture's shorter side to this, the longer one in proportion (rounded
 *           down); 0, or where that does not cover @w x @h: to the smallest size that does
 *           (FORMAT.md section 2)
 * @out:     @w x @h, to be freed with img_free()
 *
 * A triangle filter as wide as the reduction demands (so it does not alias),
 * in integer arithmetic: the same bits on every machine. A picture that needs no resizing is
 * cropped only, at ((W - w) / 2, (H - h) / 2) rounded down.
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int img_fit(const struct img *src, int w, int h, int shorter, struct img *out);

/**
 * img_to_chw() - the network's input: planes of channels
 * @chw: 3 * w * h bytes, or w * h for IMG_GRAY (0.299 R + 0.587 G + 0.114 B, rounded)
 */
void img_to_chw(const struct img *img, enum img_color color, uint8_t *chw);

/**
 * img_prepare() - img_fit() and img_to_chw() in one
 * @c: channels that the network takes: 3, or 1 for IMG_GRAY; -EINVAL otherwise
 */
int img_prepare(const struct img *src, enum img_color color, int c, int h, int w, int shorter,
		uint8_t *chw);

#endif
