// SPDX-License-Identifier: MIT
/* Data sets: what they hold, in which order, with which labels; and files written whole. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/dataset.h"
#include "common/file.h"
#include "tap.h"

static char root[] = "/tmp/fqaccel-dataset-XXXXXX";
static char err[512];

static const char *path(const char *name)
{
	static char text[4][600];
	static int turn;
	char *p = text[turn++ % 4];

	snprintf(p, sizeof(text[0]), "%s/%s", root, name);
	return p;
}

static void folder(const char *name)
{
	if (mkdir(path(name), 0777))
		bail("mkdir %s", name);
}

/* A gray picture of one pixel. */
static void picture(const char *name, int value)
{
	char text[32];

	snprintf(text, sizeof(text), "P2 1 1 255 %d\n", value);
	if (file_write(path(name), text, strlen(text), err, sizeof(err)))
		bail("%s", err);
}

static struct dataset *open_set(const char *name)
{
	struct dataset *ds;

	if (dataset_open(path(name), &ds, err, sizeof(err)))
		bail("%s", err);
	return ds;
}

/* Pixel value of picture i, which stands for which file it was. */
static int value(struct dataset *ds, size_t i)
{
	struct img img;
	int v, label;

	if (dataset_get(ds, i, &img, &label, err, sizeof(err)))
		return -1;
	v = label == dataset_label(ds, i) ? img.rgb[0] : -2;
	img_free(&img);
	return v;
}

static void refuse(const char *name, int code, const char *text)
{
	struct dataset *ds;

	is_int(dataset_open(path(name), &ds, err, sizeof(err)), code, name);
	if (!ok(strstr(err, text) && !strncmp(err, root, strlen(root)),
		"%s: the text begins with a path and says \"%s\"", name, text))
		diag("it says: %s", err);
}

static void test_flat(void)
{
	struct dataset *ds;

	folder("flat");
	picture("flat/0010.ppm", 1);
	picture("flat/0002.PGM", 2);
	picture("flat/ship.pnm", 3);
	picture("flat/.hidden.ppm", 9);
	picture("flat/notes.txt", 9);
	ds = open_set("flat");
	is_int(dataset_size(ds), 3, "hidden files and other endings are passed over");
	is_int(dataset_labeled(ds), 0, "not all have a label");
	ok(value(ds, 0) == 2 && value(ds, 1) == 1 && value(ds, 2) == 3, "in order of names");
	ok(dataset_label(ds, 0) == 2 && dataset_label(ds, 1) == 10 && dataset_label(ds, 2) == -1,
	   "digits are the label");
	is_str(strrchr(dataset_name(ds, 2), '/'), "/ship.pnm", "a picture's name");
	is_str(dataset_name(ds, 3), NULL, "no name past the end");
	is_int(value(ds, 3), -1, "no picture past the end");
	unlink(path("flat/0010.ppm"));
	is_int(value(ds, 1), -1, "a picture that went away");
	ok(strstr(err, "0010.ppm"), "is named");
	dataset_close(ds);
	ds = open_set("flat/0002.PGM");
	ok(dataset_size(ds) == 1 && dataset_label(ds, 0) == -1, "a single picture has no label");
	dataset_close(ds);
}

static void test_folders(void)
{
	static const char *const names[] = { "cat", "dog", "tabby, tabby cat", "polar bear" };
	static const char *const twice[] = { "cat", "Cat", "dog", "polar bear", "tabby" };
	struct dataset *ds;

	folder("classes");
	folder("classes/dog");
	folder("classes/Polar_Bear");
	folder("classes/tabby");
	picture("classes/dog/b.ppm", 1);
	picture("classes/dog/a.ppm", 2);
	picture("classes/Polar_Bear/1.ppm", 3);
	picture("classes/tabby/1.ppm", 4);
	ds = open_set("classes");
	is_int(dataset_size(ds), 4, "pictures of three folders");
	ok(value(ds, 0) == 3 && value(ds, 1) == 2 && value(ds, 2) == 1 && value(ds, 3) == 4,
	   "in order of folders, then names");
	ok(dataset_label(ds, 0) == 0 && dataset_label(ds, 1) == 1 && dataset_label(ds, 3) == 2,
	   "a folder's place is the label");
	is_int(dataset_labeled(ds), 1, "all have one");
	is_int(dataset_match_classes(ds, names, 4, err, sizeof(err)), 0, "class names match");
	ok(dataset_label(ds, 0) == 3 && dataset_label(ds, 1) == 1 && dataset_label(ds, 3) == 2,
	   "and are the labels now");
	is_int(dataset_match_classes(ds, names, 2, err, sizeof(err)), -EINVAL,
	       "some match and others do not");
	ok(strstr(err, "Polar_Bear"), "the text names one that does not");
	is_int(dataset_match_classes(ds, names, 1, err, sizeof(err)), 0, "none matches");
	is_int(dataset_label(ds, 0), 3, "then the labels stay");
	dataset_close(ds);
	folder("classes/cat");
	picture("classes/cat/1.ppm", 5);
	ds = open_set("classes");
	is_int(dataset_match_classes(ds, twice, 5, err, sizeof(err)), -EINVAL,
	       "a name of two classes");
	ok(strstr(err, "cat"), "is named");
	dataset_close(ds);
	folder("numbers");
	folder("numbers/12");
	folder("numbers/3");
	picture("numbers/12/1.ppm", 1);
	picture("numbers/3/1.ppm", 2);
	ds = open_set("numbers");
	ok(dataset_label(ds, 0) == 12 && dataset_label(ds, 1) == 3,
	   "folders named by numbers are these classes");
	dataset_close(ds);
}

static void test_cifar(void)
{
	static uint8_t records[2 * 3073];
	struct dataset *ds;
	struct img img;

	records[0] = 7;
	records[1] = 11;
	records[1 + 1024] = 12;
	records[1 + 2048] = 13;
	records[3073] = 9;
	records[3073 + 1 + 33] = 200;
	folder("cifar");
	file_write(path("cifar/b.bin"), records, sizeof(records), err, sizeof(err));
	file_write(path("cifar/a.bin"), records + 3073, 3073, err, sizeof(err));
	ds = open_set("cifar/b.bin");
	is_int(dataset_size(ds), 2, "records of a batch");
	is_int(dataset_get(ds, 0, &img, NULL, err, sizeof(err)), 0, "the first");
	ok(img.w == 32 && img.h == 32 && !memcmp(img.rgb, "\13\14\15", 3), "its first pixel");
	img_free(&img);
	is_int(dataset_get(ds, 1, &img, NULL, err, sizeof(err)), 0, "the second");
	is_int(img.rgb[3 * 33], 200, "a pixel of its second row");
	img_free(&img);
	ok(dataset_label(ds, 0) == 7 && dataset_label(ds, 1) == 9, "labels");
	is_str(strrchr(dataset_name(ds, 1), '/'), "/b.bin:1", "a record's name");
	if (truncate(path("cifar/b.bin"), 3073))
		bail("truncate");
	is_int(value(ds, 1), -1, "a record that went away");
	ok(strstr(err, "truncated"), "the text says so");
	dataset_close(ds);
	ds = open_set("cifar");
	ok(dataset_size(ds) == 2 && dataset_label(ds, 0) == 9 && dataset_label(ds, 1) == 7,
	   "a folder of batches");
	dataset_close(ds);
	records[0] = 10;
	file_write(path("bad_label.bin"), records, 3073, err, sizeof(err));
	refuse("bad_label.bin", -EBADMSG, "label");
	file_write(path("bad_size.bin"), records, 3072, err, sizeof(err));
	refuse("bad_size.bin", -EBADMSG, "3073");
	file_write(path("empty.bin"), records, 0, err, sizeof(err));
	refuse("empty.bin", -EBADMSG, "3073");
	picture("cifar/x.ppm", 1);
	refuse("cifar", -EINVAL, "name one");
}

/* An IDX file of @count pictures of 2 rows and 3 columns; returns its length. */
static size_t idx_pictures(uint8_t *to, uint8_t count)
{
	const uint8_t head[16] = { 0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 3 };
	size_t i;

	memcpy(to, head, 16);
	for (i = 0; i < (size_t)count * 6; i++)
		to[16 + i] = (uint8_t)(10 * (i / 6) + i % 6);
	return 16 + (size_t)count * 6;
}

static void write_bytes(const char *name, const void *data, size_t len)
{
	if (file_write(path(name), data, len, err, sizeof(err)))
		bail("%s", err);
}

static void test_idx(void)
{
	static const uint8_t labels[] = { 0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 255 };
	uint8_t pictures[64];
	size_t len = idx_pictures(pictures, 3), i;
	struct dataset *ds;
	struct img img;
	bool gray = true;

	folder("idx");
	write_bytes("idx/t10k-images-idx3-ubyte", pictures, len);
	ds = open_set("idx/t10k-images-idx3-ubyte");
	ok(dataset_size(ds) == 3 && !dataset_labeled(ds), "an IDX file without labels");
	dataset_close(ds);
	write_bytes("idx/t10k-labels-idx1-ubyte", labels, sizeof(labels));
	ds = open_set("idx/t10k-images-idx3-ubyte");
	ok(dataset_size(ds) == 3 && dataset_labeled(ds), "the file of labels beside it is found");
	ok(dataset_label(ds, 0) == 7 && dataset_label(ds, 1) == 0 && dataset_label(ds, 2) == 255,
	   "labels");
	is_int(dataset_get(ds, 1, &img, NULL, err, sizeof(err)), 0, "a picture");
	ok(img.w == 3 && img.h == 2, "its size");
	for (i = 0; i < 18; i++)
		gray &= img.rgb[i] == 10 + i / 3;
	ok(gray, "its pixels are gray");
	img_free(&img);
	is_str(strrchr(dataset_name(ds, 2), '/'), "/t10k-images-idx3-ubyte:2", "its name");
	if (truncate(path("idx/t10k-images-idx3-ubyte"), (off_t)len - 1))
		bail("truncate");
	is_int(value(ds, 2), -1, "a picture that went away");
	ok(strstr(err, "truncated"), "the text says so");
	dataset_close(ds);
	write_bytes("idx/t10k-images-idx3-ubyte", pictures, len);
	ds = open_set("idx");
	ok(dataset_size(ds) == 3 && dataset_label(ds, 2) == 255, "a folder of one IDX file");
	dataset_close(ds);
	/* The other usual name, and any name at all. */
	folder("idx/other");
	write_bytes("idx/other/train-images.idx3-ubyte", pictures, len);
	write_bytes("idx/other/train-labels.idx1-ubyte", labels, sizeof(labels));
	ds = open_set("idx/other/train-images.idx3-ubyte");
	ok(dataset_size(ds) == 3 && dataset_label(ds, 0) == 7, "names with dots");
	dataset_close(ds);
	write_bytes("idx/other/some pictures", pictures, len);
	ds = open_set("idx/other/some pictures");
	ok(dataset_size(ds) == 3 && dataset_label(ds, 0) == -1, "an unusual name");
	dataset_close(ds);
}

/* The IDX file with @len bytes @data at @at. */
static void refuse_idx(size_t at, const void *data, size_t len, int code, const char *text)
{
	uint8_t pictures[64];
	size_t whole = idx_pictures(pictures, 3);

	memcpy(pictures + at, data, len);
	write_bytes("hostile/x-images-idx3-ubyte", pictures, whole);
	refuse("hostile/x-images-idx3-ubyte", code, text);
}

static void test_idx_refusals(void)
{
	static const uint8_t labels[] = { 0, 0, 8, 1, 0, 0, 0, 4, 7, 0, 255, 0 };
	uint8_t pictures[64];
	size_t len = idx_pictures(pictures, 3);

	folder("hostile");
	refuse_idx(4, "\0\0\0\2", 4, -EBADMSG, "2 pictures of 2 x 3 pixels has 28 bytes, not 34");
	refuse_idx(4, "\0\0\0\4", 4, -EBADMSG, "4 pictures of 2 x 3 pixels has 40 bytes, not 34");
	refuse_idx(4, "\0\0\0\0", 4, -EBADMSG, "without pictures");
	refuse_idx(8, "\0\0\0\0", 4, -EBADMSG, "without pictures");
	refuse_idx(12, "\0\0\0\0", 4, -EBADMSG, "without pictures");
	refuse_idx(4, "\377\377\377\377\377\377\377\377\377\377\377\377", 12, -EFBIG, "too many");
	refuse_idx(4, "\1\0\0\1", 4, -EFBIG, "too many");
	refuse_idx(8, "\0\1\0\0", 4, -EFBIG, "too many");
	refuse_idx(8, "\0\0\377\377\0\0\377\377", 8, -EFBIG, "too many");
	/* A product that 64 bits would hold, but 32 would not: 2^24 x 2^8 x 2^8 + 34 is 34 there. */
	refuse_idx(4, "\1\0\0\0\0\0\1\0\0\0\1\0", 12, -EBADMSG, "1099511627792 bytes");
	refuse_idx(3, "\1", 1, -EOPNOTSUPP, "of labels");
	refuse_idx(3, "\4", 1, -EOPNOTSUPP, "of another kind");
	refuse_idx(2, "\15", 1, -EOPNOTSUPP, "of another kind");
	refuse_idx(0, "\37\213", 2, -EOPNOTSUPP, "gunzip");
	write_bytes("hostile/x-images-idx3-ubyte", pictures, 15);
	refuse("hostile/x-images-idx3-ubyte", -EBADMSG, "not an IDX file");
	write_bytes("hostile/x-images-idx3-ubyte", pictures, len);
	write_bytes("hostile/x-labels-idx1-ubyte.gz", "\37\213", 2);
	refuse("hostile/x-images-idx3-ubyte", -EOPNOTSUPP, "x-labels-idx1-ubyte.gz: is compressed");
	write_bytes("hostile/x-labels-idx1-ubyte", labels, sizeof(labels));
	refuse("hostile/x-images-idx3-ubyte", -EBADMSG, "one label for each");
	write_bytes("hostile/x-labels-idx1-ubyte", labels, sizeof(labels) - 1);
	refuse("hostile/x-images-idx3-ubyte", -EBADMSG, "one label for each");
	write_bytes("hostile/x-labels-idx1-ubyte", labels, 7);
	refuse("hostile/x-images-idx3-ubyte", -EBADMSG, "not an IDX file of labels");
	write_bytes("hostile/x-labels-idx1-ubyte", pictures, len);
	refuse("hostile/x-images-idx3-ubyte", -EBADMSG, "not an IDX file of labels");
	unlink(path("hostile/x-labels-idx1-ubyte"));
	unlink(path("hostile/x-labels-idx1-ubyte.gz"));
	write_bytes("hostile/y-images-idx3-ubyte", pictures, len);
	refuse("hostile", -EINVAL, "several IDX files of pictures; name one");
	unlink(path("hostile/y-images-idx3-ubyte"));
	picture("hostile/1.ppm", 1);
	refuse("hostile", -EINVAL, "name one");
	folder("compressed");
	write_bytes("compressed/train-images-idx3-ubyte.gz", "\37\213", 2);
	refuse("compressed", -EOPNOTSUPP, "gunzip");
}

/* Gray pictures reach a gray network as they are, a color network three times. */
static void test_gray(void)
{
	static uint8_t pictures[16 + 256], chw[3 * 256];
	const uint8_t head[16] = { 0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0, 16 };
	struct dataset *ds;
	struct img img;
	size_t i;

	memcpy(pictures, head, 16);
	for (i = 0; i < 256; i++)
		pictures[16 + i] = (uint8_t)i;
	write_bytes("all-values", pictures, sizeof(pictures));
	ds = open_set("all-values");
	if (dataset_get(ds, 0, &img, NULL, err, sizeof(err)))
		bail("%s", err);
	ok(!img_prepare(&img, IMG_GRAY, 1, 16, 16, 0, chw) && !memcmp(chw, pictures + 16, 256),
	   "a gray network takes a gray picture as it is");
	ok(!img_prepare(&img, IMG_BGR, 3, 16, 16, 0, chw) && !memcmp(chw, pictures + 16, 256) &&
	   !memcmp(chw + 256, chw, 256) && !memcmp(chw + 512, chw, 256), "a color network as three");
	img_free(&img);
	dataset_close(ds);
}

static void test_refusals(void)
{
	refuse("absent", -ENOENT, "No such file");
	folder("nothing");
	refuse("nothing", -ENOENT, "no pictures");
	folder("nothing/inside");
	refuse("nothing", -ENOENT, "no pictures");
}

static void test_files(void)
{
	struct file_writer *w;
	struct stat st;
	void *data;
	size_t len;

	file_write(path("file"), "old", 3, err, sizeof(err));
	if (file_create(path("file"), &w, err, sizeof(err)))
		bail("%s", err);
	file_append(w, "new and longer", 14, err, sizeof(err));
	is_int(file_read(path("file"), 100, &data, &len, err, sizeof(err)), 0, "a file being written");
	is_str(data, "old", "has its old contents");
	free(data);
	is_int(file_commit(w, err, sizeof(err)), 0, "until it is complete");
	is_int(file_read(path("file"), 14, &data, &len, err, sizeof(err)), 0, "then");
	is_str(data, "new and longer", "it has the new ones");
	free(data);
	ok(!stat(path("file"), &st) && (st.st_mode & 0777) == (0666 & ~022), "its mode is as the mask says");
	is_int(file_read(path("file"), 13, &data, &len, err, sizeof(err)), -EFBIG, "above a limit");
	file_create(path("file2"), &w, err, sizeof(err));
	file_abandon(w);
	is_int(stat(path("file2"), &st), -1, "an abandoned file is not there");
	is_int(file_write(path("no/file"), "x", 1, err, sizeof(err)), -ENOENT, "an absent folder");
	folder("target");
	is_int(file_write(path("target"), "x", 1, err, sizeof(err)), -EISDIR, "a folder in its place");
}

/* A pipe, like /dev/null, is written to; a file in its place would be a surprise to others. */
static void test_pipe(void)
{
	char got[8] = "";
	struct stat st;
	int fd;

	if (mkfifo(path("pipe"), 0600))
		bail("mkfifo");
	fd = open(path("pipe"), O_RDONLY | O_NONBLOCK);
	is_int(file_write(path("pipe"), "through", 7, err, sizeof(err)), 0, "a pipe is written to");
	is_int(read(fd, got, 7), 7, "its reader gets the bytes");
	is_str(got, "through", "all of them");
	ok(!stat(path("pipe"), &st) && S_ISFIFO(st.st_mode), "it is a pipe still");
	close(fd);
}

/* A link, like /dev/stdout, stays one: what it leads to is replaced. */
static void test_link(void)
{
	struct stat st;
	void *data;
	size_t len;

	if (file_write(path("leads"), "old", 3, err, sizeof(err)) || symlink("leads", path("link")))
		bail("symlink");
	is_int(file_write(path("link"), "new", 3, err, sizeof(err)), 0, "a link is written to");
	ok(!lstat(path("link"), &st) && S_ISLNK(st.st_mode), "it is a link still");
	is_int(file_read(path("leads"), 9, &data, &len, err, sizeof(err)), 0, "where it leads");
	is_str(data, "new", "the bytes are");
	free(data);
}

/* An interrupted program leaves no temporary; test_leftovers() would find it. */
static void test_signal(int sig, bool ignored)
{
	struct file_writer *w;
	struct stat st;
	int status;
	pid_t pid;

	if (file_write(path("kept"), "old", 3, err, sizeof(err)) || chmod(path("kept"), 0640))
		bail("%s", err);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		signal(sig, ignored ? SIG_IGN : SIG_DFL);
		if (file_create(path("kept"), &w, err, sizeof(err)) ||
		    file_append(w, "new", 3, err, sizeof(err)))
			_exit(2);
		raise(sig);
		_exit(file_commit(w, err, sizeof(err)) ? 2 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		bail("fork");
	if (ignored)
		ok(WIFEXITED(status) && !WEXITSTATUS(status), "signal %d is ignored still", sig);
	else
		ok(WIFSIGNALED(status) && WTERMSIG(status) == sig, "signal %d ends the program", sig);
	ok(!stat(path("kept"), &st) && (st.st_mode & 0777) == 0640,
	   "the file keeps the rights that it had");
}

/* Nothing may be left beside what the tests made: no temporary file. */
static void test_leftovers(void)
{
	char command[600];

	snprintf(command, sizeof(command), "test -z \"$(find %s -name '*.tmp-*')\"", root);
	is_int(system(command), 0, "no temporary file is left");
	snprintf(command, sizeof(command), "rm -rf %s", root);
	if (system(command))
		diag("%s could not be removed", root);
}

int main(void)
{
	umask(022);
	if (!mkdtemp(root))
		bail("no folder");
	test_flat();
	test_folders();
	test_cifar();
	test_idx();
	test_idx_refusals();
	test_gray();
	test_refusals();
	test_files();
	test_pipe();
	test_link();
	test_signal(SIGINT, false);
	test_signal(SIGPIPE, false);
	test_signal(SIGHUP, true);
	test_leftovers();
	return tap_done();
}
