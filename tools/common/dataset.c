// SPDX-License-Identifier: MIT
/* Data sets: pictures with or without a class label, in a fixed order. */
#include "dataset_private.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

int ds_fail(int code, char *err, size_t errlen, const char *path, const char *what)
{
	snprintf(err, errlen, "%s: %s", path, what);
	return code;
}

int ds_fail_errno(char *err, size_t errlen, const char *path, int code)
{
	return ds_fail(-code, err, errlen, path, strerror(code));
}

int ds_grow(void **array, size_t count, size_t *room, size_t size)
{
	size_t want = *room ? *room * 2 : 64;
	void *p;

	if (count < *room)
		return 0;
	p = reallocarray(*array, want, size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = want;
	return 0;
}

bool ds_ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && !strcasecmp(name + n - m, end);
}

int ds_label(const char *s, const char *end)
{
	int v = 0;

	if (s == end || end - s > 8)
		return -1;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		v = v * 10 + (*s - '0');
	}
	return v;
}

int ds_add(struct dataset *ds, struct entry e, char *err, size_t errlen)
{
	if (!e.path)
		return ds_fail(-ENOMEM, err, errlen, "data set", "out of memory");
	if (ds->count >= DATASET_MAX_PICTURES) {
		ds_fail(-EFBIG, err, errlen, e.path, "one picture too many for a data set");
		free(e.path);
		return -EFBIG;
	}
	if (ds_grow((void **)&ds->entries, ds->count, &ds->room, sizeof(e))) {
		free(e.path);
		return ds_fail(-ENOMEM, err, errlen, "data set", "out of memory");
	}
	ds->entries[ds->count++] = e;
	return 0;
}

int ds_add_batch(struct dataset *ds, const char *path, uint64_t *size, char *err, size_t errlen)
{
	struct batch *batches;
	struct stat st;
	int fd;

	batches = reallocarray(ds->batches, (size_t)ds->batch_count + 1, sizeof(*batches));
	if (!batches)
		return ds_fail_errno(err, errlen, path, ENOMEM);
	ds->batches = batches;
	/* O_NONBLOCK: a named pipe must be refused, not waited for. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return ds_fail_errno(err, errlen, path, errno);
	ds->batches[ds->batch_count++] = (struct batch){ .fd = fd };
	if (fstat(fd, &st))
		return ds_fail_errno(err, errlen, path, errno);
	if (!S_ISREG(st.st_mode))
		return ds_fail(-EBADMSG, err, errlen, path, "is not a regular file");
	*size = (uint64_t)st.st_size;
	return ds->batch_count - 1;
}

int ds_add_record(struct dataset *ds, const char *path, int batch, size_t i, off_t offset, int label,
		  char *err, size_t errlen)
{
	struct entry e = { .label = label, .folder = -1, .batch = batch, .offset = offset };

	if (asprintf(&e.path, "%s:%zu", path, i) < 0)
		e.path = NULL;
	return ds_add(ds, e, err, errlen);
}

/* A file by itself: of many pictures, or a picture. */
static int add_file(struct dataset *ds, const char *path, char *err, size_t errlen)
{
	struct entry e = { .label = -1, .folder = -1, .batch = -1 };
	int ret;

	if (ds_ends_with(path, ".bin"))
		return ds_add_cifar(ds, path, err, errlen);
	ret = ds_idx_probe(path, err, errlen);
	if (ret < 0)
		return ret;
	if (ret)
		return ds_add_idx(ds, path, err, errlen);
	e.path = strdup(path);
	return ds_add(ds, e, err, errlen);
}

int dataset_open(const char *path, struct dataset **out, char *err, size_t errlen)
{
	struct dataset *ds;
	struct stat st;
	int ret;

	if (stat(path, &st))
		return ds_fail_errno(err, errlen, path, errno);
	ds = calloc(1, sizeof(*ds));
	if (!ds)
		return ds_fail_errno(err, errlen, path, ENOMEM);
	if (S_ISDIR(st.st_mode))
		ret = ds_add_folder(ds, path, err, errlen);
	else
		ret = add_file(ds, path, err, errlen);
	if (ret) {
		dataset_close(ds);
		return ret;
	}
	*out = ds;
	return 0;
}

void dataset_close(struct dataset *ds)
{
	size_t i;
	int j;

	if (!ds)
		return;
	for (i = 0; i < ds->count; i++)
		free(ds->entries[i].path);
	for (j = 0; j < ds->folder_count; j++)
		free(ds->folders[j]);
	for (j = 0; j < ds->batch_count; j++)
		close(ds->batches[j].fd);
	free(ds->entries);
	free(ds->folders);
	free(ds->batches);
	free(ds);
}

size_t dataset_size(const struct dataset *ds)
{
	return ds->count;
}

int dataset_labeled(const struct dataset *ds)
{
	size_t i;

	for (i = 0; i < ds->count; i++)
		if (ds->entries[i].label < 0)
			return 0;
	return 1;
}

/* All of @len bytes; what is missing is said of @path. */
static int read_at(int fd, uint8_t *to, size_t len, off_t offset, const char *path, char *err,
		   size_t errlen)
{
	ssize_t n;

	while (len) {
		n = pread(fd, to, len, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ds_fail_errno(err, errlen, path, errno);
		if (!n)
			return ds_fail(-EBADMSG, err, errlen, path, "truncated since it was opened");
		to += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_record(const struct batch *b, const struct entry *e, struct img *out, char *err,
		       size_t errlen)
{
	size_t area = (size_t)b->w * (size_t)b->h, i;
	size_t step = b->planes == 3 ? area : 0;	/* to the next channel; gray is all three */
	uint8_t *planes = malloc((size_t)b->planes * area);
	int ret;

	out->rgb = malloc(3 * area);
	if (!planes || !out->rgb)
		ret = ds_fail_errno(err, errlen, e->path, ENOMEM);
	else
		ret = read_at(b->fd, planes, (size_t)b->planes * area, e->offset, e->path, err, errlen);
	for (i = 0; !ret && i < area; i++) {
		out->rgb[3 * i] = planes[i];
		out->rgb[3 * i + 1] = planes[i + step];
		out->rgb[3 * i + 2] = planes[i + 2 * step];
	}
	free(planes);
	if (ret) {
		img_free(out);
		return ret;
	}
	out->w = b->w;
	out->h = b->h;
	return 0;
}

int dataset_get(const struct dataset *ds, size_t i, struct img *out, int *label, char *err,
		size_t errlen)
{
	const struct entry *e;

	memset(out, 0, sizeof(*out));
	if (i >= ds->count)
		return ds_fail(-EINVAL, err, errlen, "data set", "no picture of that number");
	e = &ds->entries[i];
	if (label)
		*label = e->label;
	if (e->batch >= 0)
		return read_record(&ds->batches[e->batch], e, out, err, errlen);
	return img_load(e->path, out, err, errlen);
}

int dataset_label(const struct dataset *ds, size_t i)
{
	return i < ds->count ? ds->entries[i].label : -1;
}

const char *dataset_name(const struct dataset *ds, size_t i)
{
	return i < ds->count ? ds->entries[i].path : NULL;
}

/* Whether a folder's name stands for a class: the whole of its name, or up to the first comma. */
static bool class_matches(const char *folder, const char *name)
{
	for (; *folder; folder++, name++) {
		char f = *folder == '_' ? ' ' : *folder, n = *name == '_' ? ' ' : *name;

		if (tolower((unsigned char)f) != tolower((unsigned char)n))
			return false;
	}
	return !*name || *name == ',';
}

/* A folder's class, -1 for none, -2 for more than one. A whole name wins over a part of one. */
static int find_class(const char *folder, const char *const *names, size_t count)
{
	int found = -1, whole = -1;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!names[i] || !class_matches(folder, names[i]))
			continue;
		found = found == -1 ? (int)i : -2;
		if (strlen(names[i]) == strlen(folder))
			whole = whole == -1 ? (int)i : -2;
	}
	return whole != -1 ? whole : found;
}

int dataset_match_classes(struct dataset *ds, const char *const *names, size_t count,
			  char *err, size_t errlen)
{
	int i, *found, misses = 0, matches = 0, ret = 0;
	const char *why = NULL;
	size_t k;

	if (!ds->folder_count || !count)
		return 0;
	found = calloc((size_t)ds->folder_count, sizeof(int));
	if (!found)
		return ds_fail(-ENOMEM, err, errlen, "data set", "out of memory");
	for (i = 0; i < ds->folder_count; i++) {
		found[i] = find_class(ds->folders[i], names, count);
		if (found[i] == -1) {
			misses++;
			why = why ? why : ds->folders[i];
		} else {
			matches++;
		}
	}
	for (i = 0; i < ds->folder_count && !ret; i++)
		if (found[i] == -2)
			ret = ds_fail(-EINVAL, err, errlen, ds->folders[i],
				      "this folder's name stands for more than one class");
	if (!ret && matches && misses)
		ret = ds_fail(-EINVAL, err, errlen, why,
			      "this folder's name is none of the network's classes, as others' are");
	for (k = 0; !ret && matches && k < ds->count; k++)
		ds->entries[k].label = found[ds->entries[k].folder];
	free(found);
	return ret;
}
