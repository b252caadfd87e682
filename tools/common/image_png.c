// SPDX-License-Identifier: MIT
/* PNG, by libpng. */
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "image_private.h"

/*
 * Everything that is changed between setjmp() and longjmp() lives here, not in
 * automatic variables, whose values would be lost.
 */
struct png_job {
	png_structp png;
	png_infop info;
	const uint8_t *data;
	size_t len, pos;
	struct img img;
	png_bytep *rows;
	int ret;
	char *err;
	size_t errlen;
};

static void png_on_error(png_structp png, png_const_charp text)
{
	struct png_job *job = png_get_error_ptr(png);

	if (!job->ret)
		job->ret = img_fail(-EBADMSG, job->err, job->errlen, "damaged PNG: %s", text);
	png_longjmp(png, 1);
}

static void png_on_warning(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

static void png_on_read(png_structp png, png_bytep buf, size_t len)
{
	struct png_job *job = png_get_io_ptr(png);

	if (len > job->len - job->pos)
		png_error(png, "truncated");
	memcpy(buf, job->data + job->pos, len);
	job->pos += len;
}

/* Deflate makes at most 1032 bytes of one: larger claims are refused before memory is taken. */
static int png_check_claim(struct png_job *job, png_uint_32 h)
{
	uint64_t raw = ((uint64_t)png_get_rowbytes(job->png, job->info) + 1) * h;

	if (raw / 1032 > job->len)
		return img_fail(-EBADMSG, job->err, job->errlen,
				"damaged PNG: its %zu bytes cannot hold that many pixels",
				job->len);
	return 0;
}

/* Whatever the file holds becomes 8-bit RGB. */
static void png_set_transforms(struct png_job *job)
{
	png_byte color = png_get_color_type(job->png, job->info);

	png_set_scale_16(job->png);
	png_set_expand(job->png);
	png_set_strip_alpha(job->png);
	if (color == PNG_COLOR_TYPE_GRAY || color == PNG_COLOR_TYPE_GRAY_ALPHA)
		png_set_gray_to_rgb(job->png);
	png_set_interlace_handling(job->png);
	png_read_update_info(job->png, job->info);
}

static void png_decode(struct png_job *job)
{
	png_uint_32 w, h, y;

	if (setjmp(png_jmpbuf(job->png)))
		return;
	png_set_user_limits(job->png, IMG_MAX_SIDE, IMG_MAX_SIDE);
	png_set_chunk_cache_max(job->png, 64);
	png_set_chunk_malloc_max(job->png, 8u << 20);
	png_set_read_fn(job->png, job, png_on_read);
	png_read_info(job->png, job->info);
	w = png_get_image_width(job->png, job->info);
	h = png_get_image_height(job->png, job->info);
	job->ret = png_check_claim(job, h);
	if (!job->ret)
		job->ret = img_alloc(&job->img, w, h, job->err, job->errlen);
	if (job->ret)
		return;
	png_set_transforms(job);
	if (png_get_rowbytes(job->png, job->info) != (size_t)w * 3)
		png_error(job->png, "rows of an unexpected size");
	job->rows = calloc(h, sizeof(*job->rows));
	if (!job->rows) {
		job->ret = img_fail(-ENOMEM, job->err, job->errlen, "out of memory");
		return;
	}
	for (y = 0; y < h; y++)
		job->rows[y] = job->img.rgb + (size_t)y * w * 3;
	png_read_image(job->png, job->rows);
	png_read_end(job->png, NULL);
}

int img_decode_png(const uint8_t *data, size_t len, struct img *out, char *err, size_t errlen)
{
	struct png_job job = { .data = data, .len = len, .err = err, .errlen = errlen };

	job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, png_on_error,
					 png_on_warning);
	if (job.png)
		job.info = png_create_info_struct(job.png);
	if (job.info)
		png_decode(&job);
	else
		job.ret = img_fail(-ENOMEM, err, errlen, "out of memory");
	png_destroy_read_struct(&job.png, &job.info, NULL);
	free(job.rows);
	if (job.ret)
		img_free(&job.img);
	*out = job.img;
	return job.ret;
}
