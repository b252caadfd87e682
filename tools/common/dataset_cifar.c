// SPDX-License-Identifier: MIT
/* CIFAR-10 batches: records of a label and three planes of 32 x 32 pixels. */
#include "dataset_private.h"

#include <errno.h>
#include <unistd.h>

#define CIFAR_SIDE	32
#define CIFAR_RECORD	(1 + 3 * CIFAR_SIDE * CIFAR_SIDE)
#define CIFAR_CLASSES	10

int ds_add_cifar(struct dataset *ds, const char *path, char *err, size_t errlen)
{
	int batch, ret = 0;
	struct batch *b;
	uint64_t size;
	uint8_t label;
	off_t offset;
	size_t i;

	batch = ds_add_batch(ds, path, &size, err, errlen);
	if (batch < 0)
		return batch;
	b = &ds->batches[batch];
	b->w = CIFAR_SIDE;
	b->h = CIFAR_SIDE;
	b->planes = 3;
	if (!size || size % CIFAR_RECORD)
		return ds_fail(-EBADMSG, err, errlen, path,
			       "not a CIFAR-10 batch: its size is not a multiple of 3073 bytes");
	for (i = 0; !ret && i < size / CIFAR_RECORD; i++) {
		offset = (off_t)(i * CIFAR_RECORD);
		if (pread(b->fd, &label, 1, offset) != 1)
			return ds_fail(-EIO, err, errlen, path, "cannot be read");
		if (label >= CIFAR_CLASSES)
			return ds_fail(-EBADMSG, err, errlen, path,
				       "not a CIFAR-10 batch: a label is above 9");
		ret = ds_add_record(ds, path, batch, i, offset + 1, label, err, errlen);
	}
	return ret;
}
