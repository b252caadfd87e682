// SPDX-License-Identifier: MIT
/*
 * Every allocation of the picture readers, the resizing, data sets and files fails once: an error
 * with a text, and nothing is leaked (LeakSanitizer looks at the end).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/dataset.h"
#include "common/file.h"
#include "fail_alloc.h"
#include "tap.h"

static char err[512];

static int read_picture(const char *path)
{
	struct img img;
	uint8_t chw[3 * 8 * 6];
	int ret;

	ret = img_load(path, &img, err, sizeof(err));
	if (ret)
		return ret;
	ret = img_prepare(&img, IMG_BGR, 3, 8, 6, 10, chw);
	img_free(&img);
	/* It has no text of its own. */
	if (ret)
		strcpy(err, path);
	return ret;
}

static int open_set(const char *path)
{
	static const char *const names[] = { "a", "b" };
	struct dataset *ds;
	int ret;

	ret = dataset_open(path, &ds, err, sizeof(err));
	if (ret)
		return ret;
	ret = dataset_match_classes(ds, names, 2, err, sizeof(err));
	dataset_close(ds);
	return ret;
}

static int read_idx(const char *path)
{
	struct dataset *ds;
	struct img img;
	int ret;

	ret = dataset_open(path, &ds, err, sizeof(err));
	if (ret)
		return ret;
	ret = dataset_get(ds, 1, &img, NULL, err, sizeof(err));
	if (!ret)
		img_free(&img);
	dataset_close(ds);
	return ret;
}

/* Two pictures of one pixel. */
static void write_idx(void)
{
	static const char pictures[] = "\0\0\10\3\0\0\0\2\0\0\0\1\0\0\0\1ab";
	static const char labels[] = "\0\0\10\1\0\0\0\2\0\1";

	if (file_write("x-images-idx3-ubyte", pictures, sizeof(pictures) - 1, err, sizeof(err)) ||
	    file_write("x-labels-idx1-ubyte", labels, sizeof(labels) - 1, err, sizeof(err)))
		bail("%s", err);
}

static int write_file(const char *path)
{
	return file_write(path, "text", 4, err, sizeof(err));
}

static void each(int (*call)(const char *path), const char *path)
{
	long i, told = 0;
	bool failed = true;
	int ret = 0;

	for (i = 0; failed; i++) {
		err[0] = '\0';
		fail_alloc(i);
		ret = call(path);
		failed = fail_alloc_end();
		told += failed && ret == -ENOMEM && err[0];
	}
	ok(!ret && i > 1 && told == i - 1, "%s: %ld of %ld failed allocations were told", path, told,
	   i - 1);
}

int main(void)
{
	static const char *const pictures[] = {
		"p5.pgm", "p3.ppm", "rgba.png", "gray16.png", "palette.png", "baseline.jpg",
		"progressive.jpg",
	};
	char root[] = "/tmp/fqaccel-memory-XXXXXX", path[600];
	size_t i;

	for (i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		snprintf(path, sizeof(path), "tests/golden/img/%s", pictures[i]);
		each(read_picture, path);
	}
	each(open_set, "demo");
	if (!mkdtemp(root) || chdir(root) || mkdir("a", 0777) || mkdir("b", 0777) ||
	    write_file("a/1.ppm") || write_file("b/2.ppm"))
		bail("no folder");
	each(open_set, ".");
	each(write_file, "new");
	each(write_file, "new");
	write_idx();
	each(read_idx, "x-images-idx3-ubyte");
	each(open_set, ".");
	if (system("rm x-* new a/1.ppm b/2.ppm && rmdir a b"))
		bail("there is something else");
	is_int(rmdir(root), 0, "no temporary file is left");
	return tap_done();
}
