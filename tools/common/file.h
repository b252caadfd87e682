/* SPDX-License-Identifier: MIT */
/* Whole files: read within a limit, written so that nobody sees half of one. */
#ifndef TOOLS_FILE_H
#define TOOLS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * file_read() - read a regular file into memory
 * @path:  file
 * @limit: bytes that it may have
 * @data:  malloc()ed, with a zero byte after the end; the caller frees it
 * @len:   its bytes
 * @err:   one line that begins with @path
 *
 * Return: 0, -EFBIG above @limit, -EINVAL where it is not a regular file, or
 * what the system said.
 */
int file_read(const char *path, size_t limit, void **data, size_t *len,
	      char *err, size_t errlen);

/** file_same() - whether two names are of one file, be it there or not; never for pipes and devices. */
bool file_same(const char *a, const char *b);

/*
 * A file being written: bytes go to a temporary in the same folder, which takes the
 * name only when everything is there. A pipe or a device is written to directly; of a symbolic
 * link, what it leads to is replaced.
 */
struct file_writer;

/**
 * file_create() - begin; @path keeps its old contents until file_commit()
 *
 * A signal that ends the program, such as SIGINT, removes the temporary first: that of one writer
 * at a time.
 */
int file_create(const char *path, struct file_writer **out, char *err, size_t errlen);

/** file_append() - add bytes. */
int file_append(struct file_writer *w, const void *data, size_t len, char *err, size_t errlen);

/** file_commit() - flush, rename, free the writer (on failure too: nothing is left behind). */
int file_commit(struct file_writer *w, char *err, size_t errlen);

/**
 * file_commit_synced() - the same, with the bytes and then the name on the disk when it returns: after a
 * power failure there is the old file or the new one
 */
int file_commit_synced(struct file_writer *w, char *err, size_t errlen);

/** file_abandon() - remove the temporary and free the writer; NULL is allowed. */
void file_abandon(struct file_writer *w);

/**
 * file_sweep() - remove the temporaries of @path that killed programs left behind
 *
 * For files that only one program at a time writes: another's temporary goes, too.
 */
void file_sweep(const char *path);

/** file_write() - the three in one. */
int file_write(const char *path, const void *data, size_t len, char *err, size_t errlen);

#endif
