/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints: everything that training needs to go on with the same bits, in one file that is
 * written to a temporary, synced and renamed. A file of named records with lengths and CRC32C; what reads
 * one trusts nothing in it.
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

/** struct checkpoint_record - one named array of bytes. */
struct checkpoint_record {
	const char *name;	/* "layer.3.weight"; at most 63 printable characters */
	void *data;
	size_t len;
};

/**
 * checkpoint_write() - all records; the old file stays until the new one is complete
 * Return: 0 or a negative errno with @err, which begins with the path.
 */
int checkpoint_write(const char *path, const struct checkpoint_record *records, size_t count,
		     char *err, size_t errlen);

/** struct checkpoint - a file that was read. */
struct checkpoint;

/**
 * checkpoint_open() - read and check all of it
 * Return: 0, -ENOENT, -EBADMSG (cut off, a wrong CRC, not a checkpoint), -EPROTONOSUPPORT (of another
 * version), -EFBIG, -ENOMEM; @err says what and where.
 */
int checkpoint_open(const char *path, struct checkpoint **c, char *err, size_t errlen);

/** checkpoint_close() - NULL is allowed. */
void checkpoint_close(struct checkpoint *c);

/** checkpoint_find() - a record's bytes, inside @c; NULL where there is none. */
const void *checkpoint_find(const struct checkpoint *c, const char *name, size_t *len);

/**
 * checkpoint_read() - fill the arrays of @records, each of which must be there with just its length
 * Return: 0, or -EBADMSG with @err that names the record; then some arrays may have been filled.
 */
int checkpoint_read(const struct checkpoint *c, const struct checkpoint_record *records,
		    size_t count, char *err, size_t errlen);

#endif
