// SPDX-License-Identifier: MIT
/* Resizing against a floating-point triangle filter, cropping, and the network's layout. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/image.h"
#include "tap.h"

static struct img make(int w, int h, uint32_t seed)
{
	struct img img = { w, h, malloc((size_t)w * (size_t)h * 3) };
	size_t i;

	for (i = 0; i < (size_t)w * (size_t)h * 3; i++) {
		seed = seed * 1664525u + 1013904223u;
		img.rgb[i] = (uint8_t)(seed >> 24);
	}
	return img;
}

/* Value of one output pixel, straight from the filter's definition. */
static double filter(const struct img *src, double rw, double rh, int x, int y, int channel)
{
	double sx = src->w / rw, sy = src->h / rh, cx = (x + 0.5) * sx, cy = (y + 0.5) * sy;
	double reach_x = fmax(sx, 1), reach_y = fmax(sy, 1), sum = 0, weights = 0, w;
	int i, j;

	for (j = 0; j < src->h; j++) {
		for (i = 0; i < src->w; i++) {
			w = fmax(0, 1 - fabs(i + 0.5 - cx) / reach_x) *
			    fmax(0, 1 - fabs(j + 0.5 - cy) / reach_y);
			sum += w * src->rgb[3 * (j * src->w + i) + channel];
			weights += w;
		}
	}
	return sum / weights;
}

static void compare(int sw, int sh, int w, int h, int shorter, int rw, int rh)
{
	struct img src = make(sw, sh, (uint32_t)(sw * 7 + sh)), out;
	double worst = 0, d;
	int x, y, c;

	if (!ok(!img_fit(&src, w, h, shorter, &out), "%d x %d to %d x %d, shorter side %d", sw, sh,
		w, h, shorter))
		bail("resizing failed");
	ok(out.w == w && out.h == h, "its size");
	for (y = 0; y < h; y++) {
		for (x = 0; x < w; x++) {
			for (c = 0; c < 3; c++) {
				d = filter(&src, rw, rh, x + (rw - w) / 2, y + (rh - h) / 2, c);
				worst = fmax(worst, fabs(d - out.rgb[3 * (y * w + x) + c]));
			}
		}
	}
	ok(worst < 0.52, "%d x %d to %d x %d: within rounding of the filter (%.3f)", sw, sh, w, h,
	   worst);
	img_free(&src);
	img_free(&out);
}

static void test_crop(void)
{
	struct img src = make(11, 8, 3), out;
	int x, y, same = 1;

	is_int(img_fit(&src, 5, 6, 8, &out), 0, "a picture of the right size is only cropped");
	for (y = 0; y < 6; y++)
		for (x = 0; x < 5; x++)
			same &= !memcmp(out.rgb + 3 * (y * 5 + x),
					src.rgb + 3 * ((y + 1) * 11 + x + 3), 3);
	ok(same, "at its center, bit for bit");
	img_free(&out);
	is_int(img_fit(&src, 11, 8, 0, &out), 0, "the whole picture");
	ok_mem(out.rgb, src.rgb, 11 * 8 * 3, "comes back as it is");
	img_free(&out);
	img_free(&src);
}

static void test_flat(void)
{
	struct img src = { 301, 97, malloc(301 * 97 * 3) }, out;
	size_t i;
	int flat = 1, pass;

	for (pass = 0; pass < 2; pass++) {
		memset(src.rgb, pass ? 255 : 1, 301 * 97 * 3);
		is_int(img_fit(&src, 64, 64, 77, &out), 0, "a flat picture");
		for (i = 0; i < 64 * 64 * 3; i++)
			flat &= out.rgb[i] == (pass ? 255 : 1);
		img_free(&out);
	}
	ok(flat, "stays flat");
	img_free(&src);
}

static void test_extremes(void)
{
	struct img thin = make(1, 65535, 1), wide = make(65535, 1, 2), out;

	is_int(img_fit(&thin, 8, 8, 256, &out), 0, "1 x 65535 pixels");
	img_free(&out);
	is_int(img_fit(&wide, 8, 8, 0, &out), 0, "65535 x 1 pixels");
	img_free(&out);
	is_int(img_fit(&thin, 3, 60000, 65535, &out), 0, "the largest shorter side");
	img_free(&out);
	is_int(img_fit(&thin, 0, 8, 8, &out), -EINVAL, "a crop without pixels");
	is_int(img_fit(&thin, 8, 65536, 8, &out), -EINVAL, "a crop that is too high");
	is_int(img_fit(&thin, 8, 8, -1, &out), -EINVAL, "a negative side");
	is_int(img_fit(&thin, 65535, 65535, 0, &out), -EINVAL, "a crop of too many pixels");
	img_free(&thin);
	img_free(&wide);
}

static void test_layout(void)
{
	static uint8_t rgb[] = { 10, 20, 30, 40, 50, 60 };
	struct img img = { 2, 1, rgb };
	uint8_t chw[6];

	img_to_chw(&img, IMG_RGB, chw);
	ok_mem(chw, "\12\50\24\62\36\74", 6, "planes of red, green, blue");
	img_to_chw(&img, IMG_BGR, chw);
	ok_mem(chw, "\36\74\24\62\12\50", 6, "planes of blue, green, red");
	img_to_chw(&img, IMG_GRAY, chw);
	/* 2.99 + 11.74 + 3.42 = 18.15; 11.96 + 29.35 + 6.84 = 48.15 */
	ok_mem(chw, "\22\60", 2, "luminance");
	is_int(img_prepare(&img, IMG_GRAY, 3, 1, 2, 0, chw), -EINVAL, "gray has one channel");
	is_int(img_prepare(&img, IMG_RGB, 1, 1, 2, 0, chw), -EINVAL, "RGB has three");
	is_int(img_prepare(&img, IMG_RGB, 3, 1, 2, 0, chw), 0, "resize, crop and reorder in one");
	ok_mem(chw, "\12\50\24\62\36\74", 6, "its planes");
}

int main(void)
{
	compare(40, 30, 16, 16, 20, 26, 20);
	compare(30, 41, 24, 24, 24, 24, 32);
	compare(7, 5, 24, 17, 0, 24, 17);
	compare(9, 9, 6, 12, 0, 12, 12);
	compare(33, 200, 8, 8, 11, 11, 66);
	compare(10, 10, 30, 5, 8, 30, 30);
	test_crop();
	test_flat();
	test_extremes();
	test_layout();
	return tap_done();
}
