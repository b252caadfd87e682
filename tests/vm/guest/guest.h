/* SPDX-License-Identifier: MIT */
/*
 * What the programs of this folder share. They run in the guest, on the card's
 * device and on the soft card beside it, which is the judge.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fqaccel.h"

#define GUEST_DEVICE	"/dev/fqaccel0"
#define GUEST_SAMPLE	"demo/cifar10.fqz"

/* A model on one card; bail() where something fails. */
struct guest_model {
	struct fqaccel_card *card;
	struct fqaccel_model *model;
	struct fqaccel_model_info info;
};

/** guest_open() - open the card @which and load the image @path there. */
void guest_open(struct guest_model *m, const char *which, const char *path);
void guest_close(struct guest_model *m);

/** guest_fill() - the same bytes for the same @seed. */
void guest_fill(void *buf, size_t len, uint64_t seed);

/** guest_alloc() - zeroed memory, never NULL. */
void *guest_alloc(size_t len);

/** guest_memory_free() - card memory that is free. */
uint64_t guest_memory_free(struct fqaccel_card *card);

#endif
