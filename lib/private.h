/* SPDX-License-Identifier: MIT */
/* What the parts of libfqaccel share. Nothing here is exported (libfqaccel.map). */
#ifndef LIB_PRIVATE_H
#define LIB_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Objects are built with -fvisibility=hidden; the public functions are not. */
#pragma GCC visibility push(default)
#include "fqaccel.h"
#pragma GCC visibility pop

#include "fqz.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the card is little-endian and so must be the machine: tensors are not converted"
#endif

#define FQACCEL_MAX_BATCH	65536u		/* CARD.md section 6.9 */
#define FQACCEL_MAX_DEPTH	4096u
#define FQACCEL_DEFAULT_DEPTH	256u
#define FQACCEL_MAX_BUFFER	(1ull << 36)	/* bytes */
#define FQACCEL_RESULTS		4u		/* results kept, in depths of the queue */
#define FQACCEL_SUBMIT_RUNS	32u		/* handed to a back end at once, at most */

struct fqaccel_backend;
struct fqaccel_infer_pool;

struct fqaccel_card {
	const struct fqaccel_backend *backend;
	atomic_uint refs;	/* the open handle, and each object of the card */
	char name[64];
	int fd;			/* backend_dev.c */
	struct soft_card *soft;	/* backend_soft.c */
	pthread_mutex_t lock;	/* guards pool */
	struct fqaccel_infer_pool *pool;
};

/* What a card says of an image that it took. */
struct fqaccel_model_facts {
	uint64_t image_bytes, arena_bytes, input_bytes, output_bytes, cycles, weights;
	uint32_t layers, classes;
};

struct fqaccel_model {
	struct fqaccel_card *card;
	void *data;		/* the library's copy of the image */
	size_t len;
	struct fqz_image *image;
	struct fqaccel_model_facts facts;
	uint32_t handle;	/* of the driver, or the card's slot */
	unsigned int busy;	/* backend_soft.c: unfinished runs, under its lock */
	/* fqaccel_infer()'s buffers that wait for the next call */
	pthread_mutex_t lock;
	struct fqaccel_infer_buffers *spare;
};

struct fqaccel_buffer {
	struct fqaccel_card *card;
	void *data;
	size_t len, mapped;
	unsigned int directions;
	uint32_t handle;	/* backend_dev.c */
	unsigned int busy;	/* backend_soft.c: unfinished runs, under its lock */
};

struct fqaccel_queue {
	struct fqaccel_card *card;
	uint32_t depth;
	uint32_t handle;	/* backend_dev.c */
	struct soft_queue *soft;	/* backend_soft.c */
};

/* A checked run with its lengths. */
struct fqaccel_run_item {
	struct fqaccel_model *model;
	struct fqaccel_buffer *input, *output;
	uint64_t input_offset, input_length, output_offset, output_length;
	uint32_t first_layer, layer_count, batch;
};

/*
 * What a back end does. All but card_close(), and the close functions of objects, set
 * the error's text on failure. Arguments were checked by the callers.
 */
struct fqaccel_backend {
	int (*card_info)(struct fqaccel_card *card, struct fqaccel_card_info *info);
	void (*card_close)(struct fqaccel_card *card);
	/* Loads model->data; fills facts and handle. */
	int (*model_load)(struct fqaccel_model *model);
	void (*model_close)(struct fqaccel_model *model);
	/* Fills data, mapped and handle from len and directions. */
	int (*buffer_create)(struct fqaccel_buffer *buf);
	void (*buffer_close)(struct fqaccel_buffer *buf);
	int (*queue_create)(struct fqaccel_queue *queue);
	void (*queue_close)(struct fqaccel_queue *queue);
	/* @count <= FQACCEL_SUBMIT_RUNS. Return how many were accepted, at least 1, or an error. */
	int (*queue_submit)(struct fqaccel_queue *queue, const struct fqaccel_run_item *runs,
			    uint32_t count, uint64_t *sequence);
	/* 0: finished, *result is filled; else *result is not. */
	int (*queue_wait)(struct fqaccel_queue *queue, uint64_t sequence, int64_t timeout_ms,
			  struct fqaccel_run_result *result);
	/* Submits one run and waits for it, on a queue that nobody else uses meanwhile. */
	int (*queue_run)(struct fqaccel_queue *queue, const struct fqaccel_run_item *item,
			 struct fqaccel_run_result *result);
};

/* --- error.c --- */

/** fqaccel_fail() - set the calling thread's error text; returns @err. */
int fqaccel_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** fqaccel_fail_memory() - the same for -ENOMEM. */
int fqaccel_fail_memory(void);

/**
 * fqaccel_error_clear() - at the start of a public call that can fail
 *
 * Those that cannot leave the text: closing things after an error must not lose it.
 */
void fqaccel_error_clear(void);

/** fqaccel_fail_prefix() - put "@path: " before the text. */
void fqaccel_fail_prefix(const char *path);

/** fqaccel_fail_image() - the text for an image that was refused; returns -EBADMSG. */
int fqaccel_fail_image(const char *who, uint32_t reason, uint32_t layer, uint64_t offset,
		       const char *what);

/** fqaccel_fail_load() - error and text for a card's status of LOAD; @memory: of the card. */
int fqaccel_fail_load(struct fqaccel_model *model, uint32_t card_status, uint32_t reason,
		      uint32_t layer, uint32_t offset, uint64_t needed, uint64_t memory);

/** fqaccel_status_errno() - errno of a card's status of RUN (the kernel's table). */
int fqaccel_status_errno(uint32_t card_status);

/** fqaccel_status_name() - e.g. "BAD_LENGTH". */
const char *fqaccel_status_name(uint32_t card_status);

/* --- find.c --- */

/**
 * fqaccel_find_node() - the device node fqaccelN of the lowest N in a folder
 * Return: 1 found, 0 there is none, or a negative errno.
 */
int fqaccel_find_node(const char *folder, char *path, size_t len);

/**
 * fqaccel_find_pci() - the first card among the PCI devices of a sysfs folder
 * @driver: gets the bound driver's name, or ""
 * Return: 1 found, 0 there is none.
 */
int fqaccel_find_pci(const char *folder, char *address, size_t address_len, char *driver,
		     size_t driver_len);

/* --- card.c --- */

void fqaccel_card_ref(struct fqaccel_card *card);
void fqaccel_card_unref(struct fqaccel_card *card);

/* --- queue.c --- */

/** fqaccel_fail_run() - the text for a run that failed; returns its status. */
int fqaccel_fail_run(const struct fqaccel_run_result *result);

/* --- infer.c --- */

void fqaccel_infer_pool_free(struct fqaccel_infer_pool *pool);
void fqaccel_infer_buffers_free(struct fqaccel_infer_buffers *list);

/* --- back ends: fill card->backend and what is theirs, or set the error --- */

int fqaccel_dev_open(struct fqaccel_card *card, const char *path);
int fqaccel_soft_open(struct fqaccel_card *card);

#endif
