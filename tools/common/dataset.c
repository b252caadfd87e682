// SPDX-License-Identifier: MIT
/* Data sets: pictures with or without a class label, in a fixed order. */
#include "dataset.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define CIFAR_SIDE	32
#define CIFAR_PLANE	(CIFAR_SIDE * CIFAR_SIDE)
#define CIFAR_RECORD	(1 + 3 * CIFAR_PLANE)
#define CIFAR_CLASSES	10

struct entry {
	char *path;	/* what dataset_name() says */
	int label;
	int folder;	/* index of the class folder, or -1 */
	int fd;		/* of the batch file, or -1 */
	off_t offset;	/* of the record in it */
};

struct dataset {
	struct entry *entries;
	size_t count, room;
	char **folders;	/* names of the class folders */
	int folder_count;
	int *fds;	/* open batch files */
	int fd_count;
};

/* A sorted list of names in a folder. */
struct names {
	char **name;
	size_t count, room;
};

enum what { WHAT_OTHER, WHAT_PICTURE, WHAT_BATCH, WHAT_FOLDER };

static int ds_fail(int code, char *err, size_t errlen, const char *path, const char *what)
{
	snprintf(err, errlen, "%s: %s", path, what);
	return code;
}

static int ds_fail_errno(char *err, size_t errlen, const char *path, int code)
{
	return ds_fail(-code, err, errlen, path, strerror(code));
}

/* Room for one more element; doubles, so that adding is cheap. */
static int grow(void **array, size_t count, size_t *room, size_t size)
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

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && !strcasecmp(name + n - m, end);
}

static enum what what_by_name(const char *name)
{
	static const char *const ends[] = { ".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".pnm" };
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends_with(name, ends[i]))
			return WHAT_PICTURE;
	return ends_with(name, ".bin") ? WHAT_BATCH : WHAT_OTHER;
}

/* A number of 1 to 8 digits that ends at `end`, else -1. */
static int parse_label(const char *s, const char *end)
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

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(struct names *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		free(list->name[i]);
	free(list->name);
	memset(list, 0, sizeof(*list));
}

static int names_read(const char *path, struct names *list, char *err, size_t errlen)
{
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	memset(list, 0, sizeof(*list));
	dir = opendir(path);
	if (!dir)
		return ds_fail_errno(err, errlen, path, errno);
	while (!ret) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			ret = -errno;
			break;
		}
		if (entry->d_name[0] == '.')
			continue;
		if (list->count >= DATASET_MAX_PICTURES) {
			ret = -EFBIG;
			break;
		}
		ret = grow((void **)&list->name, list->count, &list->room, sizeof(char *));
		if (!ret) {
			list->name[list->count] = strdup(entry->d_name);
			if (list->name[list->count])
				list->count++;
			else
				ret = -ENOMEM;
		}
	}
	closedir(dir);
	if (ret) {
		names_free(list);
		return ds_fail_errno(err, errlen, path, -ret);
	}
	if (list->count)
		qsort(list->name, list->count, sizeof(char *), name_compare);
	return 0;
}

/* Takes over @path; NULL means that making it failed. */
static int add_entry(struct dataset *ds, struct entry e, char *err, size_t errlen)
{
	if (!e.path)
		return ds_fail(-ENOMEM, err, errlen, "data set", "out of memory");
	if (ds->count >= DATASET_MAX_PICTURES) {
		ds_fail(-EFBIG, err, errlen, e.path, "one picture too many for a data set");
		free(e.path);
		return -EFBIG;
	}
	if (grow((void **)&ds->entries, ds->count, &ds->room, sizeof(e))) {
		free(e.path);
		return ds_fail(-ENOMEM, err, errlen, "data set", "out of memory");
	}
	ds->entries[ds->count++] = e;
	return 0;
}

static char *join(const char *folder, const char *name)
{
	size_t n = strlen(folder);
	char *path;

	if (asprintf(&path, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name) < 0)
		return NULL;
	return path;
}

static int add_batch(struct dataset *ds, const char *path, char *err, size_t errlen)
{
	struct entry e = { .folder = -1, .label = -1 };
	struct stat st;
	uint8_t label;
	int *fds, ret;

	fds = reallocarray(ds->fds, (size_t)ds->fd_count + 1, sizeof(int));
	if (!fds)
		return ds_fail_errno(err, errlen, path, ENOMEM);
	ds->fds = fds;
	e.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (e.fd < 0)
		return ds_fail_errno(err, errlen, path, errno);
	ds->fds[ds->fd_count++] = e.fd;
	if (fstat(e.fd, &st))
		return ds_fail_errno(err, errlen, path, errno);
	if (!S_ISREG(st.st_mode) || !st.st_size || st.st_size % CIFAR_RECORD)
		return ds_fail(-EBADMSG, err, errlen, path,
			       "not a CIFAR-10 batch: its size is not a multiple of 3073 bytes");
	for (e.offset = 0; e.offset < st.st_size; e.offset += CIFAR_RECORD) {
		if (pread(e.fd, &label, 1, e.offset) != 1)
			return ds_fail(-EIO, err, errlen, path, "cannot be read");
		if (label >= CIFAR_CLASSES)
			return ds_fail(-EBADMSG, err, errlen, path,
				       "not a CIFAR-10 batch: a label is above 9");
		e.label = label;
		if (asprintf(&e.path, "%s:%lld", path,
			     (long long)(e.offset / CIFAR_RECORD)) < 0)
			e.path = NULL;
		ret = add_entry(ds, e, err, errlen);
		if (ret)
			return ret;
	}
	return 0;
}

static int add_class_folder(struct dataset *ds, const char *path, int folder, int label,
			    char *err, size_t errlen)
{
	struct entry e = { .folder = folder, .label = label, .fd = -1 };
	struct names list;
	size_t i;
	int ret;

	ret = names_read(path, &list, err, errlen);
	for (i = 0; !ret && i < list.count; i++) {
		if (what_by_name(list.name[i]) != WHAT_PICTURE)
			continue;
		e.path = join(path, list.name[i]);
		ret = add_entry(ds, e, err, errlen);
	}
	names_free(&list);
	return ret;
}

/* The folder's names by what they are: counts them, and keeps in @kind what each is. */
static int sort_names(const char *path, const struct names *list, uint8_t *kind,
		      size_t counts[4], char *err, size_t errlen)
{
	struct stat st;
	char *full;
	size_t i;

	for (i = 0; i < list->count; i++) {
		full = join(path, list->name[i]);
		if (!full)
			return ds_fail_errno(err, errlen, path, ENOMEM);
		/* What cannot be examined is no folder; reading it as a picture fails. */
		if (!stat(full, &st) && S_ISDIR(st.st_mode))
			kind[i] = WHAT_FOLDER;
		else
			kind[i] = (uint8_t)what_by_name(list->name[i]);
		free(full);
		counts[kind[i]]++;
	}
	return 0;
}

static int add_class_folders(struct dataset *ds, const char *path, const struct names *list,
			     const uint8_t *kind, size_t folders, char *err, size_t errlen)
{
	bool numbers = true;
	char *full;
	size_t i;
	int ret = 0, label;

	for (i = 0; i < list->count; i++)
		if (kind[i] == WHAT_FOLDER &&
		    parse_label(list->name[i], strchr(list->name[i], 0)) < 0)
			numbers = false;
	ds->folders = calloc(folders, sizeof(char *));
	if (!ds->folders)
		return ds_fail_errno(err, errlen, path, ENOMEM);
	for (i = 0; !ret && i < list->count; i++) {
		if (kind[i] != WHAT_FOLDER)
			continue;
		full = join(path, list->name[i]);
		ds->folders[ds->folder_count] = strdup(list->name[i]);
		label = numbers ? parse_label(list->name[i], strchr(list->name[i], 0))
				: ds->folder_count;
		if (full && ds->folders[ds->folder_count])
			ret = add_class_folder(ds, full, ds->folder_count, label, err, errlen);
		else
			ret = ds_fail_errno(err, errlen, path, ENOMEM);
		free(full);
		ds->folder_count++;
	}
	return ret;
}

static int add_files(struct dataset *ds, const char *path, const struct names *list,
		     const uint8_t *kind, char *err, size_t errlen)
{
	struct entry e = { .folder = -1, .fd = -1 };
	char *full;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < list->count; i++) {
		if (kind[i] != WHAT_PICTURE && kind[i] != WHAT_BATCH)
			continue;
		full = join(path, list->name[i]);
		if (!full)
			return ds_fail_errno(err, errlen, path, ENOMEM);
		if (kind[i] == WHAT_BATCH) {
			ret = add_batch(ds, full, err, errlen);
			free(full);
			continue;
		}
		e.path = full;
		e.label = parse_label(list->name[i], strrchr(list->name[i], '.'));
		ret = add_entry(ds, e, err, errlen);
	}
	return ret;
}

static int add_folder(struct dataset *ds, const char *path, char *err, size_t errlen)
{
	size_t counts[4] = { 0 };
	struct names list;
	uint8_t *kind;
	int ret;

	ret = names_read(path, &list, err, errlen);
	if (ret)
		return ret;
	kind = calloc(list.count + 1, 1);
	if (!kind) {
		ret = ds_fail_errno(err, errlen, path, ENOMEM);
		goto free_names;
	}
	ret = sort_names(path, &list, kind, counts, err, errlen);
	if (ret)
		goto free_kind;
	/* Pictures win over folders beside them, so a folder of results does no harm. */
	if (counts[WHAT_PICTURE] && counts[WHAT_BATCH])
		ret = ds_fail(-EINVAL, err, errlen, path,
			      "holds pictures and .bin batches; name one of them");
	else if (counts[WHAT_PICTURE] || counts[WHAT_BATCH])
		ret = add_files(ds, path, &list, kind, err, errlen);
	else if (counts[WHAT_FOLDER])
		ret = add_class_folders(ds, path, &list, kind, counts[WHAT_FOLDER], err, errlen);
	if (!ret && !ds->count)
		ret = ds_fail(-ENOENT, err, errlen, path,
			      "holds no pictures (.jpg, .png, .ppm, .pgm) and no CIFAR-10 batches (.bin)");
free_kind:
	free(kind);
free_names:
	names_free(&list);
	return ret;
}

int dataset_open(const char *path, struct dataset **out, char *err, size_t errlen)
{
	struct entry e = { .label = -1, .folder = -1, .fd = -1 };
	struct dataset *ds;
	struct stat st;
	int ret;

	if (stat(path, &st))
		return ds_fail_errno(err, errlen, path, errno);
	ds = calloc(1, sizeof(*ds));
	if (!ds)
		return ds_fail_errno(err, errlen, path, ENOMEM);
	if (S_ISDIR(st.st_mode)) {
		ret = add_folder(ds, path, err, errlen);
	} else if (what_by_name(path) == WHAT_BATCH) {
		ret = add_batch(ds, path, err, errlen);
	} else {
		e.path = strdup(path);
		ret = add_entry(ds, e, err, errlen);
	}
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
	for (j = 0; j < ds->fd_count; j++)
		close(ds->fds[j]);
	free(ds->entries);
	free(ds->folders);
	free(ds->fds);
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

static int read_record(const struct entry *e, struct img *out, char *err, size_t errlen)
{
	uint8_t record[CIFAR_RECORD];
	ssize_t n;
	size_t i;

	do
		n = pread(e->fd, record, sizeof(record), e->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return ds_fail_errno(err, errlen, e->path, errno);
	if (n != CIFAR_RECORD)
		return ds_fail(-EBADMSG, err, errlen, e->path, "truncated since it was opened");
	out->rgb = malloc(3 * CIFAR_PLANE);
	if (!out->rgb)
		return ds_fail_errno(err, errlen, e->path, ENOMEM);
	out->w = CIFAR_SIDE;
	out->h = CIFAR_SIDE;
	for (i = 0; i < CIFAR_PLANE; i++) {
		out->rgb[3 * i] = record[1 + i];
		out->rgb[3 * i + 1] = record[1 + CIFAR_PLANE + i];
		out->rgb[3 * i + 2] = record[1 + 2 * CIFAR_PLANE + i];
	}
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
	if (e->fd >= 0)
		return read_record(e, out, err, errlen);
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
