// SPDX-License-Identifier: MIT
/* Pictures: every format that is read, and what is refused. */
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <zlib.h>

#include "common/image.h"
#include "tap.h"

struct bytes {
	uint8_t *data;
	size_t len;
};

static char err[256];

static int decode(const void *data, size_t len, struct img *img)
{
	/* A copy of exactly this size: a read past its end is seen by the sanitizer. */
	void *copy = malloc(len ? len : 1);
	int ret;

	memcpy(copy, data, len);
	err[0] = '\0';
	ret = img_decode(copy, len, img, err, sizeof(err));
	free(copy);
	return ret;
}

/* A text that decodes to given pixels. */
static void expect(const char *what, const void *data, size_t len, int w, int h, const uint8_t *rgb)
{
	struct img img;
	int ret = decode(data, len, &img);

	if (!ok(!ret, "%s is read", what)) {
		diag("%s", err);
		return;
	}
	ok(img.w == w && img.h == h, "%s: %d x %d", what, w, h);
	ok_mem(img.rgb, rgb, (size_t)w * (size_t)h * 3, "its pixels");
	img_free(&img);
}

static void refuse(const char *what, const void *data, size_t len, int code, const char *text)
{
	struct img img;

	is_int(decode(data, len, &img), code, what);
	ok(!img.rgb, "%s: no pixels are left", what);
	if (!ok(strstr(err, text), "%s: the text says \"%s\"", what, text))
		diag("it says: %s", err);
}

#define EXPECT(what, text, w, h, ...) do {					\
	static const uint8_t rgb[] = { __VA_ARGS__ };				\
	expect(what, text, sizeof(text) - 1, w, h, rgb);			\
} while (0)

#define REFUSE(what, text, code, why)	refuse(what, text, sizeof(text) - 1, code, why)

static void test_pnm(void)
{
	EXPECT("P6", "P6\n2 1\n255\n\x01\x02\x03\xff\x00\x80", 2, 1, 1, 2, 3, 255, 0, 128);
	EXPECT("P6 with comments", "P6 # one\n#two\n1 # 3\n1\n255\n\x0a\x0b\x0c", 1, 1, 10, 11, 12);
	EXPECT("P6 whose first sample is white space", "P6 1 1 255 \n\t ", 1, 1, 10, 9, 32);
	EXPECT("P5", "P5 2 1 255 \x07\xfe", 2, 1, 7, 7, 7, 254, 254, 254);
	EXPECT("P5 with maxval 1", "P5 2 1 1 \x00\x01", 2, 1, 0, 0, 0, 255, 255, 255);
	EXPECT("P5 with maxval 100", "P5 2 1 100 \x32\x64", 2, 1, 128, 128, 128, 255, 255, 255);
	EXPECT("P6 of 16 bits", "P6 1 1 65535 \xff\xff\x80\x00\x00\x80", 1, 1, 255, 128, 0);
	EXPECT("P5 with maxval 256", "P5 1 1 256 \x01\x00", 1, 1, 255, 255, 255);
	EXPECT("P3", "P3\n1 2\n255\n1 2 3\n4 5 6", 1, 2, 1, 2, 3, 4, 5, 6);
	EXPECT("P3 with comments among pixels", "P3 1 1 9 0 # black\n9 # full\n3\n", 1, 1, 0, 255, 85);
	EXPECT("P2", "P2 3 1 3 0 1 3", 3, 1, 0, 0, 0, 85, 85, 85, 255, 255, 255);
	REFUSE("a truncated P6", "P6 2 1 255 \x01\x02\x03\xff\x00", -EBADMSG, "truncated");
	REFUSE("a truncated P5 of 16 bits", "P5 2 1 256 \x01\x02\x03", -EBADMSG, "truncated");
	REFUSE("a truncated P3", "P3 1 2 255 1 2 3 4 5 ", -EBADMSG, "ends before a pixel");
	REFUSE("a P3 of two pixels for a million", "P3 1000 1000 255 1 2", -EBADMSG, "truncated");
	REFUSE("a header alone", "P6", -EBADMSG, "ends before the width");
	REFUSE("a header without height", "P6 12 ", -EBADMSG, "ends before the height");
	REFUSE("no white space after the largest value", "P6 1 1 255", -EBADMSG, "white space");
	REFUSE("a letter for a width", "P6 x 1 255 ", -EBADMSG, "not a number");
	REFUSE("a negative width", "P6 -1 1 255 abc", -EBADMSG, "not a number");
	REFUSE("maxval 0", "P6 1 1 0 abc", -EBADMSG, "largest value");
	REFUSE("maxval 65536", "P6 1 1 65536 abcdef", -EBADMSG, "largest value");
	REFUSE("a pixel above maxval", "P5 1 1 3 \x04", -EBADMSG, "above the largest");
	REFUSE("a plain pixel above maxval", "P2 1 1 3 4", -EBADMSG, "above the largest");
	REFUSE("a width of 0", "P6 0 1 255 abc", -EBADMSG, "without pixels");
	REFUSE("a bomb", "P6 65535 65535 255 abc", -EFBIG, "above the limits");
	REFUSE("a wide bomb", "P5 65536 1 255 abc", -EFBIG, "above the limits");
	REFUSE("a number of many digits", "P6 99999999999999999999 1 255 abc", -EBADMSG,
	       "too large");
	REFUSE("P4", "P4 1 1 x", -EOPNOTSUPP, "convert it");
	REFUSE("P7", "P7\nWIDTH 1\n", -EOPNOTSUPP, "convert it");
	REFUSE("P6x", "P6x1 1 255 abc", -EBADMSG, "header");
	REFUSE("an empty file", "", -EBADMSG, "empty");
	REFUSE("a text", "hello", -EBADMSG, "not a picture");
}

/* --- PNG, written by libpng --- */

static void png_append(png_structp png, png_bytep data, size_t len)
{
	struct bytes *b = png_get_io_ptr(png);

	b->data = realloc(b->data, b->len + len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void png_no_flush(png_structp png)
{
	(void)png;
}

static struct bytes png_make(int w, int h, int depth, int type, int interlace, const uint8_t *rows,
			     size_t row)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	png_color palette[2] = { { 1, 2, 3 }, { 250, 251, 252 } };
	png_bytep lines[16];
	struct bytes b = { NULL, 0 };
	int y;

	png_set_write_fn(png, &b, png_append, png_no_flush);
	png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, depth, type, interlace,
		     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (type == PNG_COLOR_TYPE_PALETTE)
		png_set_PLTE(png, info, palette, 2);
	for (y = 0; y < h; y++)
		lines[y] = (png_bytep)rows + (size_t)y * row;
	png_set_rows(png, info, lines);
	png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
	png_destroy_write_struct(&png, &info);
	return b;
}

#define PNG_CASE(what, w, h, depth, type, interlace, row, pixels, ...) do {	\
	static const uint8_t rgb[] = { __VA_ARGS__ };				\
	struct bytes b = png_make(w, h, depth, type, interlace,			\
				  (const uint8_t *)(pixels), row);		\
	expect(what, b.data, b.len, w, h, rgb);					\
	free(b.data);								\
} while (0)

static void test_png(void)
{
	static const uint8_t ramp[8 * 8 * 3] = { 9, 8, 7, 6 };
	size_t i, accepted = 0;
	struct bytes b;
	struct img img;

	PNG_CASE("PNG of RGB", 2, 1, 8, PNG_COLOR_TYPE_RGB, 0, 6, "\1\2\3\4\5\6", 1, 2, 3, 4, 5, 6);
	PNG_CASE("PNG of RGB, 16 bits", 1, 1, 16, PNG_COLOR_TYPE_RGB, 0, 6,
		 "\xff\xff\x80\x80\x00\x00", 255, 128, 0);
	PNG_CASE("PNG with transparency", 1, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, 0, 4, "\1\2\3\0",
		 1, 2, 3);
	PNG_CASE("PNG of gray", 2, 1, 8, PNG_COLOR_TYPE_GRAY, 0, 2, "\5\377", 5, 5, 5, 255, 255, 255);
	PNG_CASE("PNG of gray, 1 bit", 2, 1, 1, PNG_COLOR_TYPE_GRAY, 0, 1, "\x40",
		 0, 0, 0, 255, 255, 255);
	PNG_CASE("PNG of gray with transparency", 1, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, 0, 2, "\7\1",
		 7, 7, 7);
	PNG_CASE("PNG with a palette", 2, 1, 1, PNG_COLOR_TYPE_PALETTE, 0, 1, "\x40",
		 1, 2, 3, 250, 251, 252);
	b = png_make(8, 8, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7, ramp, 24);
	expect("an interlaced PNG", b.data, b.len, 8, 8, ramp);
	free(b.data);

	b = png_make(8, 8, 8, PNG_COLOR_TYPE_RGB, 0, ramp, 24);
	for (i = 8; i < b.len - 12; i++) {
		if (!decode(b.data, i, &img)) {
			accepted++;
			img_free(&img);
		}
	}
	is_int(accepted, 0, "no truncated PNG is accepted");
	refuse("a PNG cut in its data", b.data, b.len - 20, -EBADMSG, "PNG");
	b.data[b.len - 14] ^= 1;
	refuse("a PNG with a wrong checksum", b.data, b.len, -EBADMSG, "CRC");
	/* Width and height of 65535, with the checksum of that header. */
	memcpy(b.data + 16, "\0\0\xff\xff\0\0\xff\xff", 8);
	{
		uint32_t crc = (uint32_t)crc32(0, b.data + 12, 17);
		uint8_t be[4] = { (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
				  (uint8_t)crc };

		memcpy(b.data + 29, be, 4);
	}
	refuse("a PNG bomb", b.data, b.len, -EBADMSG, "cannot hold");
	free(b.data);
}

/* --- JPEG, written by libjpeg --- */

static struct bytes jpeg_make(int w, int h, int components, J_COLOR_SPACE space, bool progressive)
{
	struct jpeg_compress_struct enc;
	struct jpeg_error_mgr mgr;
	unsigned long len = 0;
	struct bytes b = { NULL, 0 };
	uint8_t line[64 * 4];
	JSAMPROW row = line;
	int x;

	enc.err = jpeg_std_error(&mgr);
	jpeg_create_compress(&enc);
	jpeg_mem_dest(&enc, &b.data, &len);
	enc.image_width = (JDIMENSION)w;
	enc.image_height = (JDIMENSION)h;
	enc.input_components = components;
	enc.in_color_space = space;
	jpeg_set_defaults(&enc);
	jpeg_set_quality(&enc, 100, TRUE);
	if (progressive)
		jpeg_simple_progression(&enc);
	jpeg_start_compress(&enc, TRUE);
	while (enc.next_scanline < enc.image_height) {
		for (x = 0; x < w * components; x++)
			line[x] = (uint8_t)(100 + 20 * (x % components));
		jpeg_write_scanlines(&enc, &row, 1);
	}
	jpeg_finish_compress(&enc);
	jpeg_destroy_compress(&enc);
	b.len = len;
	return b;
}

static void expect_flat(const char *what, struct bytes b, int r, int g, int blue)
{
	struct img img;

	if (ok(!decode(b.data, b.len, &img), "%s is read", what)) {
		ok(img.w == 20 && img.h == 12, "%s: 20 x 12", what);
		ok(abs(img.rgb[3 * 130] - r) <= 2 && abs(img.rgb[3 * 130 + 1] - g) <= 2 &&
		   abs(img.rgb[3 * 130 + 2] - blue) <= 2, "%s: its color", what);
	} else {
		diag("%s", err);
	}
	img_free(&img);
	free(b.data);
}

/* The frame header's height, two bytes after its marker, length and precision. */
static void jpeg_set_size(struct bytes b, const char *size)
{
	size_t i;

	for (i = 0; i + 9 < b.len; i++)
		if (b.data[i] == 0xff && (b.data[i + 1] == 0xc0 || b.data[i + 1] == 0xc2))
			break;
	memcpy(b.data + i + 5, size, 4);
}

static void test_jpeg(void)
{
	struct bytes b;
	struct img img;
	size_t i, accepted = 0;

	expect_flat("JPEG of color", jpeg_make(20, 12, 3, JCS_RGB, false), 100, 120, 140);
	expect_flat("JPEG of gray", jpeg_make(20, 12, 1, JCS_GRAYSCALE, false), 100, 100, 100);
	expect_flat("a progressive JPEG", jpeg_make(20, 12, 3, JCS_RGB, true), 100, 120, 140);
	b = jpeg_make(20, 12, 4, JCS_CMYK, false);
	refuse("JPEG of CMYK", b.data, b.len, -EOPNOTSUPP, "convert it to RGB");
	free(b.data);
	b = jpeg_make(64, 64, 3, JCS_RGB, false);
	for (i = 3; i < b.len - 2; i++) {
		if (!decode(b.data, i, &img)) {
			accepted++;
			img_free(&img);
		}
	}
	is_int(accepted, 0, "no truncated JPEG is accepted");
	refuse("a JPEG cut in its data", b.data, b.len - 20, -EBADMSG, "damaged JPEG");
	jpeg_set_size(b, "\x80\x00\x80\x00");
	refuse("a JPEG above the limits", b.data, b.len, -EBADMSG, "cannot hold");
	jpeg_set_size(b, "\xff\xff\xff\xff");
	refuse("a JPEG bomb", b.data, b.len, -EBADMSG, "JPEG");
	free(b.data);
}

/* A flipped byte does no harm: there is a picture, or a text and nothing else. */
static void test_flips(void)
{
	struct bytes b[2] = {
		jpeg_make(64, 16, 3, JCS_RGB, true),
		png_make(8, 8, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7,
			 (const uint8_t[192]){ 1, 2, 3 }, 24),
	};
	size_t i, k, neither = 0, refused = 0;
	struct img img;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < b[k].len; i++) {
			b[k].data[i] ^= (uint8_t)(1u << i % 8);
			if (decode(b[k].data, b[k].len, &img)) {
				refused++;
				neither += img.rgb || !err[0];
			} else {
				neither += !img.rgb || img.w < 1 || img.h < 1;
			}
			img_free(&img);
			b[k].data[i] ^= (uint8_t)(1u << i % 8);
		}
		free(b[k].data);
	}
	is_int(neither, 0, "each byte flipped: a picture, or a text and no pixels");
	ok(refused > 0, "%zu of them were refused", refused);
}

static void test_files(void)
{
	char text[256];
	struct img img;

	is_int(img_load("/nonexistent/x.png", &img, text, sizeof(text)), -ENOENT, "an absent file");
	ok(!strncmp(text, "/nonexistent/x.png: ", 20), "the text begins with the path");
	is_int(img_load("/dev/null", &img, text, sizeof(text)), -EINVAL, "a device");
	is_int(img_load("/", &img, text, sizeof(text)), -EINVAL, "a folder");
}

int main(void)
{
	test_pnm();
	test_png();
	test_jpeg();
	test_flips();
	test_files();
	return tap_done();
}
