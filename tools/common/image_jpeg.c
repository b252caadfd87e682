// SPDX-License-Identifier: MIT
/* JPEG, by libjpeg-turbo. */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "image_private.h"

/*
 * Each scan of a progressive file costs a pass over the whole picture: a small file of
 * many scans would keep a reader busy for hours.
 */
#define JPEG_MAX_SCANS	200

/*
 * A block of 64 pixels takes at least one bit in Huffman coding; larger claims are
 * refused before memory is taken (arithmetic coding takes a little less, hence the factor).
 */
#define JPEG_MAX_PIXELS_PER_BYTE	(4 * 64 * 8)

/* What changes between setjmp() and longjmp() lives here, not in automatic variables. */
struct jpeg_job {
	struct jpeg_decompress_struct dec;
	struct jpeg_error_mgr mgr;
	struct jpeg_progress_mgr progress;
	jmp_buf out;
	struct img img;
	int ret;
	char *err;
	size_t errlen;
};

static void jpeg_on_error(j_common_ptr dec)
{
	struct jpeg_job *job = dec->client_data;
	char text[JMSG_LENGTH_MAX];

	dec->err->format_message(dec, text);
	job->ret = img_fail(-EBADMSG, job->err, job->errlen, "damaged JPEG: %s", text);
	longjmp(job->out, 1);
}

/*
 * libjpeg goes on after a warning and makes pixels up. Only what leaves every
 * pixel as it was meant is let pass.
 */
static void jpeg_on_message(j_common_ptr dec, int level)
{
	if (level >= 0)
		return;
	switch (dec->err->msg_code) {
	case JWRN_EXTRANEOUS_DATA:
	case JWRN_ADOBE_XFORM:
	case JWRN_JFIF_MAJOR:
	case JWRN_TOO_MUCH_DATA:
		return;
	default:
		jpeg_on_error(dec);
	}
}

static void jpeg_on_progress(j_common_ptr dec)
{
	struct jpeg_job *job = dec->client_data;

	if (((j_decompress_ptr)dec)->input_scan_number <= JPEG_MAX_SCANS)
		return;
	job->ret = img_fail(-EBADMSG, job->err, job->errlen,
			    "damaged JPEG: more than %d scans", JPEG_MAX_SCANS);
	longjmp(job->out, 1);
}

static int jpeg_check(struct jpeg_job *job, size_t len)
{
	uint64_t pixels = (uint64_t)job->dec.image_width * job->dec.image_height;

	if (pixels / JPEG_MAX_PIXELS_PER_BYTE > len)
		return img_fail(-EBADMSG, job->err, job->errlen,
				"damaged JPEG: its %zu bytes cannot hold %u x %u pixels", len,
				job->dec.image_width, job->dec.image_height);
	switch (job->dec.jpeg_color_space) {
	case JCS_GRAYSCALE:
	case JCS_RGB:
	case JCS_YCbCr:
		return 0;
	default:
		return img_fail(-EOPNOTSUPP, job->err, job->errlen,
				"a JPEG in CMYK or an unknown color space; convert it to RGB");
	}
}

static void jpeg_decode(struct jpeg_job *job, const uint8_t *data, size_t len)
{
	struct jpeg_decompress_struct *dec = &job->dec;
	JSAMPROW row;

	if (setjmp(job->out))
		return;
	jpeg_create_decompress(dec);
	dec->progress = &job->progress;
	jpeg_mem_src(dec, data, len);
	jpeg_read_header(dec, TRUE);
	job->ret = jpeg_check(job, len);
	if (job->ret)
		return;
	dec->out_color_space = JCS_RGB;
	dec->dct_method = JDCT_ISLOW;
	job->ret = img_alloc(&job->img, dec->image_width, dec->image_height, job->err,
			     job->errlen);
	if (job->ret)
		return;
	jpeg_start_decompress(dec);
	while (dec->output_scanline < dec->output_height) {
		row = job->img.rgb + (size_t)dec->output_scanline * dec->output_width * 3;
		jpeg_read_scanlines(dec, &row, 1);
	}
	jpeg_finish_decompress(dec);
}

int img_decode_jpeg(const uint8_t *data, size_t len, struct img *out, char *err, size_t errlen)
{
	struct jpeg_job job;

	memset(&job, 0, sizeof(job));
	job.err = err;
	job.errlen = errlen;
	job.dec.err = jpeg_std_error(&job.mgr);
	job.dec.client_data = &job;
	job.mgr.error_exit = jpeg_on_error;
	job.mgr.emit_message = jpeg_on_message;
	job.progress.progress_monitor = jpeg_on_progress;
	jpeg_decode(&job, data, len);
	jpeg_destroy_decompress(&job.dec);
	if (job.ret)
		img_free(&job.img);
	*out = job.img;
	return job.ret;
}
