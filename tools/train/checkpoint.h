/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints: everything that training needs to go on with the same bits, in one file that is
 * written to a temporary, synced and renamed. A file of named records with lengths and CRC32C; what reads
 * one trusts nothing in it.
 *
 * All numbers are little-endian, the records' bytes are the caller's matter. The file is a header of 32
 * bytes,
 *	0	8	"FQCKPT\r\n"
 *	8	4	version, 1
 *	12	4	records
 *	16	8	bytes of the file
 *	24	4	0
 *	28	4	CRC32C of bytes 0 to 27
 * and the records, each of them a header of 80 bytes,
 *	0	64	name, padded with zeros, of which there is at least one
 *	64	8	bytes of data
 *	72	4	CRC32C of the data
 *	76	4	CRC32C of bytes 0 to 75
 * and the data, with zeros up to the next multiple of 16.
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_MAX_RECORDS	(1u << 20)
#define CHECKPOINT_MAX_BYTES	((uint64_t)1 << 36)

/** struct checkpoint_record - one named array of bytes. */
struct checkpoint_record {
	const char *name;	/* "layer.3.weight"; 1 to 63 printable characters, each once */
	void *data;
	size_t len;
};

/**
 * checkpoint_write() - all records; the old file stays until the new one is complete
 *
 * What a program that was killed in it has left beside the file is removed.
 *
 * Return: 0 or a negative errno with @err, which begins with the path; -EINVAL for names or sizes that
 * checkpoint_open() would refuse.
 */
int checkpoint_write(const char *path, const struct checkpoint_record *records, size_t count,
		     char *err, size_t errlen);

/** struct checkpoint - a file that was read. */
struct checkpoint;

/**
 * checkpoint_open() - read and check all of it
 * Return: 0, -ENOENT, -EBADMSG (cut off, a wrong CRC, not a checkpoint), -EPROTONOSUPPORT (of another
 * version), -EFBIG, -ENOMEM, or what the system said; @err says what and where.
 */
int checkpoint_open(const char *path, struct checkpoint **c, char *err, size_t errlen);

/** checkpoint_close() - NULL is allowed. */
void checkpoint_close(struct checkpoint *c);

/**
 * checkpoint_find() - a record's bytes, inside @c, at a multiple of 16; NULL where there is none
 * @len: may be NULL
 */
const void *checkpoint_find(const struct checkpoint *c, const char *name, size_t *len);

/**
 * checkpoint_read() - fill the arrays of @records, each of which must be there with just its length
 * Return: 0, or -EBADMSG with @err that names the record; then some arrays may have been filled.
 */
int checkpoint_read(const struct checkpoint *c, const struct checkpoint_record *records,
		    size_t count, char *err, size_t errlen);

#endif
