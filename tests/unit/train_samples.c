// SPDX-License-Identifier: MIT
/* Labeled pictures for training: loading, the order of an epoch, crops, flips and cutouts. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "fail_alloc.h"
#include "tap.h"
#include "train/samples.h"

#define RECORD	3073

static char root[] = "/tmp/fqaccel-samples-XXXXXX";
static char err[512];

static const char *path(const char *name)
{
	static char text[4][600];
	static int turn;
	char *p = text[turn++ % 4];

	snprintf(p, sizeof(text[0]), "%s/%s", root, name);
	return p;
}

static void write_text(const char *name, const void *text, size_t len)
{
	if (file_write(path(name), text, len, err, sizeof(err)))
		bail("%s", err);
}

/* A CIFAR-10 batch; channel k of record i is all @first + i + 50 * k, its label (i + 3) % 10. */
static void batch(const char *name, int first, int count)
{
	static uint8_t records[20 * RECORD];
	int i, k;

	for (i = 0; i < count; i++) {
		records[i * RECORD] = (uint8_t)((i + 3) % 10);
		for (k = 0; k < 3; k++)
			memset(records + i * RECORD + 1 + 1024 * k, first + i + 50 * k, 1024);
	}
	write_text(name, records, (size_t)count * RECORD);
}

static int load(const char *const *paths, size_t n, struct net_tensor input, enum img_color color,
		size_t classes, struct samples *s)
{
	return samples_load(paths, n, &input, color, 0, classes, NULL, 3, s, err, sizeof(err));
}

static const struct net_tensor color32 = { .c = 3, .h = 32, .w = 32 };

static void test_load(void)
{
	const char *paths[] = { path("a.bin"), path("b.bin") };
	struct samples s;
	bool right = true;
	size_t i;

	is_int(load(paths, 2, color32, IMG_RGB, 10, &s), 0, "two batches");
	ok(s.count == 16 && s.c == 3 && s.h == 32 && s.w == 32, "all of them");
	for (i = 0; i < s.count; i++) {
		int v = i < 12 ? 1 + (int)i : 101 + (int)i - 12;

		right &= s.pixels[i * 3072] == v && s.pixels[i * 3072 + 3071] == v + 100;
		right &= s.labels[i] == ((i < 12 ? i : i - 12) + 3) % 10;
	}
	ok(right, "in their order, as planes of channels, with their labels");
	samples_free(&s);
	is_int(load(paths, 2, color32, IMG_BGR, 10, &s), 0, "the same");
	ok(s.pixels[0] == 101 && s.pixels[3071] == 1 && s.pixels[12 * 3072] == 201, "blue first");
	samples_free(&s);
	is_int(load(paths, 1, (struct net_tensor){ .c = 1, .h = 16, .w = 8 }, IMG_GRAY, 10, &s), 0,
	       "color pictures for a smaller gray network");
	/* 0.299 v + 0.587 (v + 50) + 0.114 (v + 100), v = 1 */
	ok(s.count == 12 && s.c == 1 && s.pixels[0] == 42 && s.pixels[127] == 42, "are its brightness");
	samples_free(&s);
}

/* A folder of class folders goes by the names, too. */
static void test_names(void)
{
	static const char *const names[] = { "cat", "dog" };
	struct net_tensor input = { .c = 3, .h = 1, .w = 1 };
	const char *paths[] = { path("animals") };
	struct samples s;

	mkdir(path("animals"), 0777);
	mkdir(path("animals/dog"), 0777);
	write_text("animals/dog/1.pgm", "P2 1 1 255 9\n", 13);
	is_int(samples_load(paths, 1, &input, IMG_RGB, 0, 2, names, 1, &s, err, sizeof(err)), 0,
	       "a folder of a class");
	ok(s.labels[0] == 1, "has the class's number");
	ok(s.pixels[0] == 9 && s.pixels[2] == 9, "a gray picture for a color network");
	samples_free(&s);
}

static void refuse(const char *name, struct net_tensor input, int code, const char *text)
{
	const char *paths[] = { path("a.bin"), path(name) };
	struct samples s;

	is_int(load(paths, 2, input, IMG_RGB, 10, &s), code, name);
	if (!ok(strstr(err, text), "says \"%s\"", text))
		diag("it says: %s", err);
	ok(!s.pixels && !s.labels, "and leaves nothing behind");
}

static void test_refusals(void)
{
	struct net_tensor huge = { .c = 3, .h = 40000, .w = 40000 };
	const char *none[] = { path("absent") };
	struct samples s;

	mkdir(path("unlabeled"), 0777);
	write_text("unlabeled/3.ppm", "P3 1 1 255 1 2 3\n", 17);
	write_text("unlabeled/frog.ppm", "P3 1 1 255 1 2 3\n", 17);
	refuse("unlabeled", color32, -EINVAL, "unlabeled/frog.ppm: has no label");
	mkdir(path("range"), 0777);
	write_text("range/0009.ppm", "P3 1 1 255 1 2 3\n", 17);
	write_text("range/0010.ppm", "P3 1 1 255 1 2 3\n", 17);
	refuse("range", color32, -ERANGE, "range/0010.ppm: its label is 10");
	mkdir(path("broken"), 0777);
	write_text("broken/1.ppm", "P3 1 1 255 1 2 3\n", 17);
	write_text("broken/2.ppm", "P3 1 1 255 1 2\n", 15);
	write_text("broken/3.ppm", "P3 1 1 255 1\n", 13);
	refuse("broken", color32, -EBADMSG, "broken/2.ppm");
	refuse("absent", color32, -ENOENT, "absent");
	refuse("range", huge, -EFBIG, "4 GiB");
	refuse("range", (struct net_tensor){ .c = 1, .h = 8, .w = 8 }, -EINVAL, "is not a color picture");
	refuse("range", (struct net_tensor){ .c = 4, .h = 8, .w = 8 }, -EINVAL, "is not a color picture");
	refuse("range", (struct net_tensor){ .c = 3, .h = 65536, .w = 8 }, -EINVAL, "is not a color");
	is_int(load(none, 0, color32, IMG_RGB, 10, &s), -EINVAL, "no data set at all");
}

/* Every allocation fails once. */
static void test_memory(void)
{
	const char *paths[] = { path("a.bin"), path("animals") };
	struct samples s;
	long i, told = 0;
	bool failed = true;
	int ret = 0;

	for (i = 0; failed; i++) {
		err[0] = '\0';
		fail_alloc(i);
		ret = load(paths, 2, color32, IMG_RGB, 10, &s);
		failed = fail_alloc_end();
		told += failed && ret == -ENOMEM && err[0] && !s.pixels;
	}
	ok(!ret && i > 10 && told == i - 1, "%ld of %ld failed allocations were told", told, i - 1);
	samples_free(&s);
}

/* Pictures whose bytes differ; no file is needed. */
static void make(struct samples *s, size_t count, uint32_t c, uint32_t h, uint32_t w)
{
	size_t i, n = count * c * h * w;
	uint32_t x = 12345;

	*s = (struct samples){ .count = count, .c = c, .h = h, .w = w };
	s->pixels = malloc(n);
	s->labels = malloc(count * sizeof(*s->labels));
	if (!s->pixels || !s->labels)
		bail("out of memory");
	for (i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		s->pixels[i] = (uint8_t)(x >> 24) | 1;	/* never the fill, which is even */
	}
	for (i = 0; i < count; i++)
		s->labels[i] = (uint16_t)(i % 10);
}

static void test_order(void)
{
	static uint32_t a[1000], b[1000], first[10], at;
	struct samples s = { .count = 1000 };
	static bool seen[1000];
	size_t i, moved = 0, all = 0;
	bool even = true;

	samples_order(&s, 7, 3, a);
	for (i = 0; i < 1000; i++) {
		if (a[i] < 1000 && !seen[a[i]])
			all++;
		seen[a[i] % 1000] = true;
		moved += a[i] != i;
	}
	ok(all == 1000 && moved > 990, "an order has each picture once, elsewhere");
	samples_order(&s, 7, 3, b);
	ok(!memcmp(a, b, sizeof(a)), "it is the same each time");
	samples_order(&s, 7, 4, b);
	ok(memcmp(a, b, sizeof(a)), "another one in another epoch");
	samples_order(&s, 8, 3, b);
	ok(memcmp(a, b, sizeof(a)), "and for another seed");
	s.count = 10;
	for (i = 0; i < 5000; i++) {
		samples_order(&s, i, 0, a);
		for (at = 0; at < 10 && a[at] != 0; at++)
			;
		first[at]++;
	}
	/* 500 each; the standard deviation is 21. */
	for (i = 0; i < 10; i++)
		even &= first[i] > 400 && first[i] < 600;
	ok(even, "a picture comes anywhere about as often");
	s.count = 1;
	samples_order(&s, 1, 1, a);
	is_int(a[0], 0, "one picture");
}

/* What a pixel of a changed picture must be. */
static int expected(const struct samples *s, size_t i, uint32_t k, int y, int x, int down, int right,
		    bool flip, const uint8_t *fill)
{
	y += down;
	x = (flip ? (int)s->w - 1 - x : x) + right;
	if (y < 0 || x < 0 || y >= (int)s->h || x >= (int)s->w)
		return fill[k];
	return s->pixels[((i * s->c + k) * s->h + (uint32_t)y) * s->w + (uint32_t)x];
}

static bool is_changed(const struct samples *s, size_t i, const uint8_t *got, int down, int right,
		       bool flip, const uint8_t *fill)
{
	uint32_t k, y, x;

	for (k = 0; k < s->c; k++)
		for (y = 0; y < s->h; y++)
			for (x = 0; x < s->w; x++)
				if (*got++ != expected(s, i, k, (int)y, (int)x, down, right, flip,
						       fill))
					return false;
	return true;
}

/* Which change picture @i underwent, as a number; -1: none of them. */
static int find_change(const struct samples *s, size_t i, const uint8_t *got, int crop,
		       const uint8_t *fill)
{
	int down, right, flip, side = 2 * crop + 1;

	for (flip = 0; flip < 2; flip++)
		for (down = -crop; down <= crop; down++)
			for (right = -crop; right <= crop; right++)
				if (is_changed(s, i, got, down, right, flip, fill))
					return (flip * side + down + crop) * side + right + crop;
	return -1;
}

/* Narrow and wide rows take different ways through a flip. */
static void test_widths(void)
{
	struct samples_augment a = { .flip = true };
	static uint8_t got[16 * 40];
	uint32_t order[16], w, i;
	uint16_t labels[16];
	struct samples s;
	size_t wrong = 0;
	int flipped = 0, change;

	for (w = 1; w <= 40; w++) {
		make(&s, 16, 1, 1, w);
		samples_order(&s, w, 0, order);
		samples_batch(&s, order, 0, 16, &a, w, 0, got, labels);
		for (i = 0; i < 16; i++) {
			change = find_change(&s, order[i], got + i * w, 0, a.fill);
			wrong += change < 0;
			flipped += change == 1;
		}
		samples_free(&s);
	}
	ok(!wrong && flipped > 260 && flipped < 380, "rows of 1 to 40 pixels are flipped");
}

static void test_crop_and_flip(void)
{
	struct samples_augment a = { .crop = 2, .flip = true, .fill = { 2, 4, 6 } };
	enum { N = 1500, SIZE = 3 * 6 * 5 };
	static uint8_t got[N * SIZE], again[N * SIZE];
	static uint16_t labels[N];
	static uint32_t order[N];
	int seen[50] = { 0 }, flipped = 0, change;
	size_t i, wrong = 0, rare = 0, label = 0;
	struct samples s;

	make(&s, N, 3, 6, 5);
	samples_order(&s, 5, 9, order);
	samples_batch(&s, order, 0, N, &a, 5, 9, got, labels);
	for (i = 0; i < N; i++) {
		change = find_change(&s, order[i], got + i * SIZE, 2, a.fill);
		wrong += change < 0;
		seen[change < 0 ? 0 : change]++;
		flipped += change >= 25;
		label += labels[i] != order[i] % 10;
	}
	ok(!wrong && !label, "each picture is cropped or flipped, and keeps its label");
	for (i = 0; i < 50; i++)
		rare += seen[i] < 8 || seen[i] > 60;	/* 30 expected */
	ok(!rare && flipped > 650 && flipped < 850, "all changes come about as often");
	for (i = 0; i < N; i += 125)
		samples_batch(&s, order, i, 125, &a, 5, 9, again + i * SIZE, labels + i);
	ok(!memcmp(got, again, sizeof(got)), "the batch's size changes nothing");
	samples_batch(&s, order, 0, N, &a, 5, 10, again, labels);
	ok(memcmp(got, again, sizeof(got)), "another epoch does");
	samples_batch(&s, order, 0, N, &a, 6, 9, again, labels);
	ok(memcmp(got, again, sizeof(got)), "so does another seed");
	samples_batch(&s, order, 3, 2, NULL, 5, 9, got, labels);
	ok(!memcmp(got, s.pixels + order[3] * SIZE, SIZE) &&
	   !memcmp(got + SIZE, s.pixels + order[4] * SIZE, SIZE), "unchanged without augmentation");
	memset(&a, 0, sizeof(a));
	samples_batch(&s, order, 3, 1, &a, 5, 9, got, labels);
	ok(!memcmp(got, s.pixels + order[3] * SIZE, SIZE), "and with one that does nothing");
	samples_free(&s);
}

/* The rectangle of fill in a picture is what the square leaves within its edges. */
static void test_cutout(void)
{
	struct samples_augment a = { .cutout = 4, .fill = { 8 } };
	enum { N = 400, H = 9, W = 7 };
	static uint8_t got[N * H * W];
	static uint16_t labels[N];
	static uint32_t order[N];
	size_t i, at, wrong = 0, whole = 0;
	struct samples s;

	make(&s, N, 1, H, W);
	samples_order(&s, 1, 1, order);
	samples_batch(&s, order, 0, N, &a, 1, 1, got, labels);
	for (i = 0; i < N; i++) {
		uint32_t top = H, left = W, bottom = 0, end = 0, n = 0;

		for (at = 0; at < H * W; at++) {
			uint32_t y = (uint32_t)(at / W), x = (uint32_t)(at % W);

			if (got[i * H * W + at] != 8) {
				wrong += got[i * H * W + at] != s.pixels[order[i] * H * W + at];
				continue;
			}
			n++;
			top = y < top ? y : top;
			left = x < left ? x : left;
			bottom = y + 1 > bottom ? y + 1 : bottom;
			end = x + 1 > end ? x + 1 : end;
		}
		wrong += n != (bottom - top) * (end - left) || !n;
		wrong += bottom - top != 4 && top && bottom != H;
		wrong += end - left != 4 && left && end != W;
		whole += n == 16;
	}
	is_int(wrong, 0, "a square is cut out, nothing else changes");
	/* 6 of 9 rows and 4 of 7 columns: 152. */
	ok(whole > 100 && whole < 210, "its center is anywhere");
	samples_free(&s);
}

/* More padding than there is picture, and a square larger than it. */
static void test_extremes(void)
{
	struct samples_augment a = { .crop = 0xffffffff, .flip = true, .fill = { 2, 4, 6 } };
	uint8_t got[3 * 4 * 4];
	uint32_t order[1] = { 0 };
	uint16_t label;
	struct samples s;
	uint32_t epoch;
	bool right = true;

	make(&s, 1, 3, 4, 4);
	for (epoch = 0; epoch < 50; epoch++) {
		samples_batch(&s, order, 0, 1, &a, 1, epoch, got, &label);
		right &= got[0] == 2 && got[16] == 4 && got[47] == 6;
	}
	ok(right, "a crop beyond the picture is fill");
	a = (struct samples_augment){ .cutout = 0xffffffff, .fill = { 2, 4, 6 } };
	samples_batch(&s, order, 0, 1, &a, 1, 1, got, &label);
	ok(got[0] == 2 && got[15] == 2 && got[47] == 6, "so is a square that covers it");
	samples_free(&s);
}

int main(void)
{
	char command[600];

	if (!mkdtemp(root))
		bail("no folder");
	batch("a.bin", 1, 12);
	batch("b.bin", 101, 4);
	test_load();
	test_names();
	test_refusals();
	test_memory();
	test_order();
	test_widths();
	test_crop_and_flip();
	test_cutout();
	test_extremes();
	snprintf(command, sizeof(command), "rm -rf %s", root);
	if (system(command))
		diag("%s could not be removed", root);
	return tap_done();
}
