/* SPDX-License-Identifier: MIT */
/*
 * libfqaccel: run networks compressed by focused quantization, on an fqaccel
 * card or on the soft card (the same card in this process).
 *
 * Functions return 0 or a positive result, or a negative errno. fqaccel_error()
 * tells in words what the calling thread's last failed call met, and what to do.
 * The library prints nothing and never exits.
 *
 * Threads: any function may be called from any thread. A handle may be used by
 * many threads at once, but not be closed while another call uses it.
 *
 * Tensors lie in memory picture by picture, and in each (C, H, W); 32-bit elements are in
 * the machine's byte order (FORMAT.md sections 3 and 9).
 */
#ifndef FQACCEL_H
#define FQACCEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FQACCEL_VERSION_MAJOR	0
#define FQACCEL_VERSION_MINOR	1
#define FQACCEL_VERSION_PATCH	0

struct fqaccel_card;
struct fqaccel_model;
struct fqaccel_queue;
struct fqaccel_buffer;

/** fqaccel_version() - version of the library at run time, e.g. "0.1.0". */
const char *fqaccel_version(void);

/** fqaccel_strerror() - a short text for a negative errno that the library returned. */
const char *fqaccel_strerror(int err);

/**
 * fqaccel_error() - the calling thread's last failure, in one line
 *
 * Valid until the thread's next call that can fail, "" if the last one did not; closing
 * things does not change it.
 */
const char *fqaccel_error(void);

/* --- cards --- */

/**
 * fqaccel_card_open() - open a card
 * @which: NULL or "auto": the /dev/fqaccelN of the lowest number, or the soft card if the machine
 *         has no card; "soft"; or a path such as "/dev/fqaccel1"
 * @out:   to be closed with fqaccel_card_close()
 *
 * With "auto" a card that is there and cannot be used is an error.
 * -EINVAL: no card's name; -ENOENT: no such device; -EACCES: no permission; -ENODEV: gone, or on
 * the bus without its driver, or another device; -EPROTO: the driver's ABI is another; -ENOMEM.
 */
int fqaccel_card_open(const char *which, struct fqaccel_card **out);

/**
 * fqaccel_card_close() - close a card; NULL is allowed
 *
 * Its models, queues and buffers must be closed before.
 */
void fqaccel_card_close(struct fqaccel_card *card);

struct fqaccel_card_info {
	char name[64];		/* "soft" or the device's path */
	char address[32];	/* PCI address "0000:00:03.0", or "" */
	uint32_t hw_version;	/* major << 16 | minor */
	uint32_t firmware;	/* major << 24 | minor << 16 | patch */
	uint32_t format;	/* newest .fqz version, major << 16 | minor */
	uint32_t lanes;
	uint32_t clock_khz;
	uint32_t hw_queues;
	uint64_t memory_size;	/* bytes */
	uint64_t memory_free;
};

/**
 * fqaccel_card_info() - what a card is
 * @size: sizeof(struct fqaccel_card_info) as the caller knows it
 *
 * -EINVAL: a NULL, or a @size below that of the name; -ENODEV: the card is gone.
 */
int fqaccel_card_info(struct fqaccel_card *card, struct fqaccel_card_info *info, size_t size);

/* --- models --- */

/**
 * fqaccel_model_load() - load a .fqz image from memory
 * @image: @len bytes; copied
 *
 * -EBADMSG: the image is refused (fqaccel_error() says what and where); -EFBIG: larger than the
 * card's memory; -ENOSPC: does not fit now; -EDQUOT: above the quota.
 */
int fqaccel_model_load(struct fqaccel_card *card, const void *image, size_t len,
		       struct fqaccel_model **out);

/** fqaccel_model_load_file() - likewise from a file; also what the system said of it. */
int fqaccel_model_load_file(struct fqaccel_card *card, const char *path,
			    struct fqaccel_model **out);

/** fqaccel_model_close() - NULL is allowed. Runs that use it finish first. */
void fqaccel_model_close(struct fqaccel_model *model);

enum fqaccel_type { FQACCEL_U8 = 1, FQACCEL_S8 = 2, FQACCEL_S32 = 3 };
enum fqaccel_color { FQACCEL_RGB, FQACCEL_BGR, FQACCEL_GRAY, FQACCEL_NOT_A_PICTURE };

struct fqaccel_tensor_info {
	enum fqaccel_type type;
	uint32_t c, h, w;
	float scale;		/* real value = integer * scale */
};

struct fqaccel_model_info {
	uint32_t layers;
	uint32_t classes;		/* 0: the output is not a list of classes */
	uint64_t weights;
	uint64_t input_bytes;		/* of one picture */
	uint64_t output_bytes;
	uint64_t image_bytes;		/* card memory taken by the image */
	uint64_t arena_bytes;		/* and by one run */
	uint64_t cycles;		/* of the card for one picture */
	struct fqaccel_tensor_info input;
	struct fqaccel_tensor_info output;
	enum fqaccel_color color;	/* order of the input's channels */
	uint32_t resize_shorter;	/* FORMAT.md section 2 */
};

/**
 * fqaccel_model_info() - what a model is
 * @size: sizeof(struct fqaccel_model_info) as the caller knows it
 *
 * -EINVAL: a NULL, or a @size that has no room for a member.
 */
int fqaccel_model_info(struct fqaccel_model *model, struct fqaccel_model_info *info, size_t size);

/*
 * Texts of the image: UTF-8 without control characters, though a metadata value may have tabs and
 * line feeds. They live as long as the model.
 */

/** fqaccel_model_class() - name of a class, NULL if there is none. */
const char *fqaccel_model_class(struct fqaccel_model *model, uint32_t index);

/** fqaccel_model_meta() - a metadata value (FORMAT.md section 8) or NULL. */
const char *fqaccel_model_meta(struct fqaccel_model *model, const char *key);

/** fqaccel_model_layer_name() - NULL if there is none. */
const char *fqaccel_model_layer_name(struct fqaccel_model *model, uint32_t index);

/**
 * fqaccel_model_range() - bytes of input and output of one picture for a range of layers
 *
 * 0, 0 is the whole network. -EINVAL: a NULL, or layers that are not in the network.
 */
int fqaccel_model_range(struct fqaccel_model *model, uint32_t first_layer, uint32_t layer_count,
			uint64_t *input_bytes, uint64_t *output_bytes);

/* --- the one-call form --- */

/**
 * fqaccel_infer() - run the whole network on pictures in ordinary memory and wait
 * @input:  input_bytes * batch bytes
 * @output: output_bytes * batch bytes
 * @batch:  pictures, at least 1
 *
 * Copies through buffers of its own; threads do not wait for each other as long as the card has
 * queues. Errors as those of fqaccel_queue_wait() with no result.
 */
int fqaccel_infer(struct fqaccel_model *model, const void *input, void *output, uint32_t batch);

/* --- asynchronous runs --- */

#define FQACCEL_CARD_READS	0x1u
#define FQACCEL_CARD_WRITES	0x2u

/**
 * fqaccel_buffer_create() - zeroed memory that the card reaches
 * @len:        bytes, 1 to 2^36
 * @directions: FQACCEL_CARD_READS for inputs, FQACCEL_CARD_WRITES for outputs, or both
 *
 * -EINVAL; -ENOSPC: above what one open card may have; -ENOMEM; -ENODEV.
 */
int fqaccel_buffer_create(struct fqaccel_card *card, size_t len, unsigned int directions,
			  struct fqaccel_buffer **out);
/** fqaccel_buffer_data() - its address, for the program; fqaccel_buffer_size(): its bytes. */
void *fqaccel_buffer_data(struct fqaccel_buffer *buf);
size_t fqaccel_buffer_size(struct fqaccel_buffer *buf);
/**
 * fqaccel_buffer_close() - give the memory up; NULL is allowed
 *
 * Runs that use it still finish; their output is lost.
 */
void fqaccel_buffer_close(struct fqaccel_buffer *buf);

/**
 * fqaccel_queue_create() - create a queue, whose runs start in the order of submission
 * @depth: unfinished runs that it holds, at most 4096; 0: 256
 *
 * -EINVAL; -ENOSPC: an open card has no more queues; -ENOMEM; -ENODEV.
 */
int fqaccel_queue_create(struct fqaccel_card *card, uint32_t depth, struct fqaccel_queue **out);
/**
 * fqaccel_queue_close() - close a queue; NULL is allowed
 *
 * Runs that have not started are dropped, those in progress finish.
 */
void fqaccel_queue_close(struct fqaccel_queue *queue);

struct fqaccel_run_desc {
	struct fqaccel_model *model;
	struct fqaccel_buffer *input;
	struct fqaccel_buffer *output;
	uint64_t input_offset, output_offset;	/* bytes */
	uint32_t first_layer, layer_count;	/* 0, 0: the whole network */
	uint32_t batch;				/* pictures, at least 1 */
	uint32_t reserved;			/* 0 */
};

/**
 * fqaccel_queue_submit() - start runs; returns before they are done
 * @runs:     all are checked before the first is taken
 * @count:    at least 1
 * @sequence: gets that of the last run accepted; may be NULL
 * Return: how many were accepted, from the first on; waits while the queue is full.
 * -EINVAL: a range, batch or place is wrong, or input and output overlap; -EACCES: a buffer has
 * not the direction that the run needs; -EBADFD: this open card takes no more runs, as
 * earlier ones have hung it; -ENODEV: the card is gone.
 */
int fqaccel_queue_submit(struct fqaccel_queue *queue, const struct fqaccel_run_desc *runs,
			 uint32_t count, uint64_t *sequence);

struct fqaccel_run_result {
	int status;		/* 0 or a negative errno */
	uint32_t card_status;	/* CARD.md section 7 */
	uint32_t layer;		/* where it failed, or UINT32_MAX */
	uint32_t offset;
	uint64_t cycles;	/* of the card */
};

/**
 * fqaccel_queue_wait() - wait for a run
 * @sequence:   of the run
 * @timeout_ms: 0: do not wait; negative: for ever
 * @result:     its result; may be NULL
 *
 * Observes, consumes nothing. Return: 0 when it and all runs before it are finished, or
 * result->status if @result is NULL; -ETIME if it is not; -EINVAL if it was never submitted;
 * -ENODATA if it is finished, but not among the last 4 * depth runs, whose results are kept;
 * -ENODEV: the card is gone.
 */
int fqaccel_queue_wait(struct fqaccel_queue *queue, uint64_t sequence, int64_t timeout_ms,
		       struct fqaccel_run_result *result);

#ifdef __cplusplus
}
#endif

#endif
