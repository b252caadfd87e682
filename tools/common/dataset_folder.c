// SPDX-License-Identifier: MIT
/* Data sets in folders: pictures, files of many pictures, or one folder for each class. */
#include "dataset_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A sorted list of names in a folder. */
struct names {
	char **name;
	size_t count, room;
};

enum what {
	WHAT_OTHER,
	WHAT_PICTURE,
	WHAT_CIFAR,
	WHAT_IDX,
	WHAT_IDX_GZ,	/* compressed: what one gets by downloading */
	WHAT_FOLDER,
	WHAT_KINDS
};

static enum what what_by_name(const char *name)
{
	static const char *const ends[] = { ".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".pnm" };
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ds_ends_with(name, ends[i]))
			return WHAT_PICTURE;
	if (ds_ends_with(name, ".bin"))
		return WHAT_CIFAR;
	if (ds_ends_with(name, "idx3-ubyte.gz"))
		return WHAT_IDX_GZ;
	return ds_idx_name(name) ? WHAT_IDX : WHAT_OTHER;
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
		ret = ds_grow((void **)&list->name, list->count, &list->room, sizeof(char *));
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

static char *join(const char *folder, const char *name)
{
	size_t n = strlen(folder);
	char *path;

	if (asprintf(&path, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name) < 0)
		return NULL;
	return path;
}

static int add_class_folder(struct dataset *ds, const char *path, int folder, int label,
			    char *err, size_t errlen)
{
	struct entry e = { .folder = folder, .label = label, .batch = -1 };
	struct names list;
	size_t i;
	int ret;

	ret = names_read(path, &list, err, errlen);
	for (i = 0; !ret && i < list.count; i++) {
		if (what_by_name(list.name[i]) != WHAT_PICTURE)
			continue;
		e.path = join(path, list.name[i]);
		ret = ds_add(ds, e, err, errlen);
	}
	names_free(&list);
	return ret;
}

/* The folder's names by what they are: counts them, and keeps in @kind what each is. */
static int sort_names(const char *path, const struct names *list, uint8_t *kind,
		      size_t counts[WHAT_KINDS], char *err, size_t errlen)
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
		    ds_label(list->name[i], strchr(list->name[i], 0)) < 0)
			numbers = false;
	ds->folders = calloc(folders, sizeof(char *));
	if (!ds->folders)
		return ds_fail_errno(err, errlen, path, ENOMEM);
	for (i = 0; !ret && i < list->count; i++) {
		if (kind[i] != WHAT_FOLDER)
			continue;
		full = join(path, list->name[i]);
		ds->folders[ds->folder_count] = strdup(list->name[i]);
		label = numbers ? ds_label(list->name[i], strchr(list->name[i], 0))
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
	struct entry e = { .folder = -1, .batch = -1 };
	char *full;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < list->count; i++) {
		if (kind[i] != WHAT_PICTURE && kind[i] != WHAT_CIFAR && kind[i] != WHAT_IDX)
			continue;
		full = join(path, list->name[i]);
		if (!full)
			return ds_fail_errno(err, errlen, path, ENOMEM);
		if (kind[i] != WHAT_PICTURE) {
			ret = kind[i] == WHAT_IDX ? ds_add_idx(ds, full, err, errlen) :
						    ds_add_cifar(ds, full, err, errlen);
			free(full);
			continue;
		}
		e.path = full;
		e.label = ds_label(list->name[i], strrchr(list->name[i], '.'));
		ret = ds_add(ds, e, err, errlen);
	}
	return ret;
}

/*
 * Whether what is in the folder is clear. Pictures win over folders beside them, so a folder of
 * results does no harm; two IDX files are most likely for training and for tests.
 */
static int check_counts(const char *path, const size_t counts[WHAT_KINDS], char *err, size_t errlen)
{
	bool idx = counts[WHAT_IDX] || counts[WHAT_IDX_GZ];

	if (counts[WHAT_PICTURE] && counts[WHAT_CIFAR])
		return ds_fail(-EINVAL, err, errlen, path,
			       "holds pictures and .bin batches; name one of them");
	if (idx && (counts[WHAT_PICTURE] || counts[WHAT_CIFAR]))
		return ds_fail(-EINVAL, err, errlen, path,
			       "holds IDX files and others with pictures; name one of them");
	if (counts[WHAT_IDX] > 1)
		return ds_fail(-EINVAL, err, errlen, path,
			       "holds several IDX files of pictures; name one of them");
	if (idx && !counts[WHAT_IDX])
		return ds_fail(-EOPNOTSUPP, err, errlen, path,
			       "holds compressed IDX files only; gunzip them first");
	return 0;
}

int ds_add_folder(struct dataset *ds, const char *path, char *err, size_t errlen)
{
	size_t counts[WHAT_KINDS] = { 0 };
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
	ret = check_counts(path, counts, err, errlen);
	if (ret)
		goto free_kind;
	if (counts[WHAT_PICTURE] || counts[WHAT_CIFAR] || counts[WHAT_IDX])
		ret = add_files(ds, path, &list, kind, err, errlen);
	else if (counts[WHAT_FOLDER])
		ret = add_class_folders(ds, path, &list, kind, counts[WHAT_FOLDER], err, errlen);
	if (!ret && !ds->count)
		ret = ds_fail(-ENOENT, err, errlen, path,
			      "holds no pictures (.jpg, .png, .ppm, .pgm), no CIFAR-10 batches (.bin) "
			      "and no IDX file (images-idx3-ubyte)");
free_kind:
	free(kind);
free_names:
	names_free(&list);
	return ret;
}

