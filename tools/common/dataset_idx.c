// SPDX-License-Identifier: MIT
/*
 * IDX files, in which MNIST and its likes come: big-endian numbers, the magic 0x00000803 (bytes, three
 * dimensions), pictures, rows and columns, then the gray pictures. Labels are in a file of their own,
 * magic 0x00000801, then how many.
 */
#include "dataset_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define IDX_PICTURES	0x00000803u
#define IDX_LABELS	0x00000801u
#define IDX_HEAD	16u		/* of pictures */
#define IDX_LABELS_HEAD	8u

static uint32_t big32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool ds_idx_name(const char *name)
{
	return ds_ends_with(name, "-idx3-ubyte") || ds_ends_with(name, ".idx3-ubyte");
}

int ds_idx_probe(const char *path, char *err, size_t errlen)
{
	uint8_t head[4] = { 0 };
	struct stat st;
	bool got;
	int fd;

	/* What can't be read here can't be read as a picture either, which says why. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	got = !fstat(fd, &st) && S_ISREG(st.st_mode) && pread(fd, head, 4, 0) == 4;
	close(fd);
	if (!got)
		return 0;
	if (head[0] == 0x1f && head[1] == 0x8b)
		return ds_fail(-EOPNOTSUPP, err, errlen, path, "is compressed; gunzip it first");
	if (big32(head) == IDX_PICTURES)
		return 1;
	if (big32(head) == IDX_LABELS)
		return ds_fail(-EOPNOTSUPP, err, errlen, path,
			       "an IDX file of labels; name the one of pictures");
	/* No kind of picture begins with two zero bytes. */
	if (!head[0] && !head[1])
		return ds_fail(-EOPNOTSUPP, err, errlen, path,
			       "an IDX file, if it is one, of another kind than 8-bit gray pictures");
	return 0;
}

/* @path with the last @from in its file's name replaced by @to, which is as long. */
static bool replace_last(char *path, const char *from, const char *to)
{
	char *slash = strrchr(path, '/'), *at = slash ? slash + 1 : path, *last = NULL;

	while ((at = strstr(at, from)))
		last = at++;
	if (last)
		memcpy(last, to, strlen(to));
	return last;
}

/* The labels' file of the usual name; NULL where there is none, and that is no error. */
static int find_labels(const char *path, char **labels, char *err, size_t errlen)
{
	char *name = strdup(path), *gz = NULL;
	struct stat st;
	int ret = 0;

	*labels = NULL;
	if (!name)
		return ds_fail_errno(err, errlen, path, ENOMEM);
	if (replace_last(name, "images", "labels") && replace_last(name, "idx3", "idx1")) {
		if (!stat(name, &st) || errno != ENOENT) {
			*labels = name;
			return 0;
		}
		if (asprintf(&gz, "%s.gz", name) < 0)
			ret = ds_fail_errno(err, errlen, path, ENOMEM);
		else if (!stat(gz, &st))
			ret = ds_fail(-EOPNOTSUPP, err, errlen, gz, "is compressed; gunzip it first");
		free(gz);
	}
	free(name);
	return ret;
}

/* The labels of @count pictures, in *@bytes behind a header; *@bytes is NULL where there are none. */
static int read_labels(const char *path, size_t count, uint8_t **bytes, char *err, size_t errlen)
{
	void *data = NULL;
	char *labels;
	size_t len;
	int ret;

	*bytes = NULL;
	ret = find_labels(path, &labels, err, errlen);
	if (ret || !labels)
		return ret;
	ret = file_read(labels, IDX_LABELS_HEAD + (size_t)DATASET_MAX_PICTURES, &data, &len, err,
			errlen);
	if (ret)
		goto free_labels;
	if (len < IDX_LABELS_HEAD || big32(data) != IDX_LABELS)
		ret = ds_fail(-EBADMSG, err, errlen, labels, "not an IDX file of labels");
	else if (big32((uint8_t *)data + 4) != count || len != IDX_LABELS_HEAD + count)
		ret = ds_fail(-EBADMSG, err, errlen, labels,
			      "has not one label for each of the pictures");
	if (ret)
		free(data);
	else
		*bytes = data;
free_labels:
	free(labels);
	return ret;
}

/* How many pictures there are, and their size in @b; @size is the file's. */
static int read_head(struct batch *b, const char *path, uint64_t size, size_t *count, char *err,
		     size_t errlen)
{
	uint8_t head[IDX_HEAD];
	uint32_t n, h, w;

	if (size < IDX_HEAD || pread(b->fd, head, IDX_HEAD, 0) != IDX_HEAD ||
	    big32(head) != IDX_PICTURES)
		return ds_fail(-EBADMSG, err, errlen, path, "not an IDX file of 8-bit gray pictures");
	n = big32(head + 4);
	h = big32(head + 8);
	w = big32(head + 12);
	if (!n || !h || !w)
		return ds_fail(-EBADMSG, err, errlen, path, "an IDX file without pictures");
	if (n > DATASET_MAX_PICTURES || h > IMG_MAX_SIDE || w > IMG_MAX_SIDE ||
	    (uint64_t)h * w > IMG_MAX_PIXELS)
		return ds_fail(-EFBIG, err, errlen, path,
			       "an IDX file whose header has too many pictures, rows or columns");
	if (size != IDX_HEAD + (uint64_t)n * h * w) {
		snprintf(err, errlen, "%s: an IDX file of %u pictures of %u x %u pixels has %llu bytes, "
			 "not %llu", path, n, h, w, (unsigned long long)(IDX_HEAD + (uint64_t)n * h * w),
			 (unsigned long long)size);
		return -EBADMSG;
	}
	b->w = (int)w;
	b->h = (int)h;
	b->planes = 1;
	*count = n;
	return 0;
}

int ds_add_idx(struct dataset *ds, const char *path, char *err, size_t errlen)
{
	uint8_t *labels = NULL;
	size_t count = 0, i;
	int batch, ret;
	uint64_t size;
	off_t area;

	batch = ds_add_batch(ds, path, &size, err, errlen);
	if (batch < 0)
		return batch;
	ret = read_head(&ds->batches[batch], path, size, &count, err, errlen);
	if (!ret)
		ret = read_labels(path, count, &labels, err, errlen);
	area = (off_t)ds->batches[batch].w * ds->batches[batch].h;
	for (i = 0; !ret && i < count; i++)
		ret = ds_add_record(ds, path, batch, i, (off_t)IDX_HEAD + (off_t)i * area,
				    labels ? labels[IDX_LABELS_HEAD + i] : -1, err, errlen);
	free(labels);
	return ret;
}
