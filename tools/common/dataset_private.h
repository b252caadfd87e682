/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the data sets share: dataset.c what a set is, dataset_folder.c folders, and one
 * file for each kind of file with many pictures.
 */
#ifndef TOOLS_DATASET_PRIVATE_H
#define TOOLS_DATASET_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dataset.h"

/* A file of many pictures, each of them @planes planes of @h x @w bytes. */
struct batch {
	int fd;
	int w, h;
	int planes;	/* 3, or 1: gray */
};

struct entry {
	char *path;	/* what dataset_name() says */
	int label;
	int folder;	/* index of the class folder, or -1 */
	int batch;	/* index of the file that it is in, or -1: it is a file of its own */
	off_t offset;	/* of its planes there */
};

struct dataset {
	struct entry *entries;
	size_t count, room;
	char **folders;	/* names of the class folders */
	int folder_count;
	struct batch *batches;
	int batch_count;
};

/* ds_fail() - "path: what"; returns @code. */
int ds_fail(int code, char *err, size_t errlen, const char *path, const char *what);

/* ds_fail_errno() - the same with what errno @code means; returns -@code. */
int ds_fail_errno(char *err, size_t errlen, const char *path, int code);

/* ds_grow() - room for one more element; doubles, so that adding is cheap. 0 or -ENOMEM. */
int ds_grow(void **array, size_t count, size_t *room, size_t size);

/* ds_label() - a number of 1 to 8 digits that ends at @end, else -1 */
int ds_label(const char *s, const char *end);

/* ds_ends_with() - whether a longer name ends so, letter case aside */
bool ds_ends_with(const char *name, const char *end);

/* ds_add() - an entry; takes over its path, NULL means that making it failed. */
int ds_add(struct dataset *ds, struct entry e, char *err, size_t errlen);

/*
 * ds_add_batch() - open a file of many pictures
 * @size: of the file, which is a regular one
 * Return: its index, or a negative errno; the data set closes it.
 */
int ds_add_batch(struct dataset *ds, const char *path, uint64_t *size, char *err, size_t errlen);

/* ds_add_record() - picture @i of batch @batch, in file @path */
int ds_add_record(struct dataset *ds, const char *path, int batch, size_t i, off_t offset, int label,
		  char *err, size_t errlen);

/* ds_add_cifar() - all records of a CIFAR-10 batch */
int ds_add_cifar(struct dataset *ds, const char *path, char *err, size_t errlen);

/* ds_add_idx() - all pictures of an IDX file, with the labels of the file beside it */
int ds_add_idx(struct dataset *ds, const char *path, char *err, size_t errlen);

/* ds_idx_name() - whether a file's name is one of an IDX file of pictures */
bool ds_idx_name(const char *name);

/*
 * ds_idx_probe() - look at a file's first bytes
 * Return: 1 for an IDX file of pictures, 0 for none, a negative errno with @err for one that can't be
 * read: compressed, or of another kind.
 */
int ds_idx_probe(const char *path, char *err, size_t errlen);

/* ds_add_folder() - what is in a folder */
int ds_add_folder(struct dataset *ds, const char *path, char *err, size_t errlen);

#endif
