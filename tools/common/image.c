// SPDX-License-Identifier: MIT
/* Pictures: which format, limits, and the layout that a network takes. */
#include "image.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "image_private.h"

int img_fail(int code, char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return code;
}

int img_check(uint64_t w, uint64_t h, char *err, size_t errlen)
{
	if (!w || !h)
		return img_fail(-EBADMSG, err, errlen, "a picture without pixels");
	if (w > IMG_MAX_SIDE || h > IMG_MAX_SIDE || w * h > IMG_MAX_PIXELS)
		return img_fail(-EFBIG, err, errlen,
				"%llu x %llu pixels are above the limits (%d on a side, %u in all); reduce the picture",
				(unsigned long long)w, (unsigned long long)h, IMG_MAX_SIDE,
				IMG_MAX_PIXELS);
	return 0;
}

int img_alloc(struct img *img, uint64_t w, uint64_t h, char *err, size_t errlen)
{
	int ret = img_check(w, h, err, errlen);

	if (ret)
		return ret;
	img->rgb = malloc((size_t)w * h * 3);
	if (!img->rgb)
		return img_fail(-ENOMEM, err, errlen, "no memory for %llu x %llu pixels",
				(unsigned long long)w, (unsigned long long)h);
	img->w = (int)w;
	img->h = (int)h;
	return 0;
}

int img_decode(const void *data, size_t len, struct img *out, char *err, size_t errlen)
{
	static const uint8_t png[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
	const uint8_t *p = data;

	memset(out, 0, sizeof(*out));
	if (len >= 8 && !memcmp(p, png, 8))
		return img_decode_png(p, len, out, err, errlen);
	if (len >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff)
		return img_decode_jpeg(p, len, out, err, errlen);
	if (len >= 2 && p[0] == 'P' && p[1] >= '1' && p[1] <= '7')
		return img_decode_pnm(p, len, out, err, errlen);
	if (!len)
		return img_fail(-EBADMSG, err, errlen, "the file is empty");
	return img_fail(-EBADMSG, err, errlen,
			"not a picture that can be read (PPM, PGM, PNG and JPEG can)");
}

int img_load(const char *path, struct img *out, char *err, size_t errlen)
{
	char why[256];
	void *data;
	size_t len;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = file_read(path, IMG_MAX_FILE, &data, &len, err, errlen);
	if (ret)
		return ret;
	ret = img_decode(data, len, out, why, sizeof(why));
	if (ret)
		snprintf(err, errlen, "%s: %s", path, why);
	free(data);
	return ret;
}

void img_free(struct img *img)
{
	free(img->rgb);
	memset(img, 0, sizeof(*img));
}

void img_to_chw(const struct img *img, enum img_color color, uint8_t *chw)
{
	size_t n = (size_t)img->w * (size_t)img->h, i;
	const uint8_t *p = img->rgb;
	uint8_t *r = color == IMG_BGR ? chw + 2 * n : chw;
	uint8_t *b = color == IMG_BGR ? chw : chw + 2 * n;

	if (color == IMG_GRAY) {
		for (i = 0; i < n; i++, p += 3)
			chw[i] = (uint8_t)((299u * p[0] + 587u * p[1] + 114u * p[2] + 500) / 1000);
		return;
	}
	for (i = 0; i < n; i++, p += 3) {
		r[i] = p[0];
		chw[n + i] = p[1];
		b[i] = p[2];
	}
}

int img_prepare(const struct img *src, enum img_color color, int c, int h, int w, int shorter,
		uint8_t *chw)
{
	struct img fitted;
	int ret;

	if (c != (color == IMG_GRAY ? 1 : 3))
		return -EINVAL;
	ret = img_fit(src, w, h, shorter, &fitted);
	if (ret)
		return ret;
	img_to_chw(&fitted, color, chw);
	img_free(&fitted);
	return 0;
}
