/* SPDX-License-Identifier: MIT */
/* What the files of the ioctl fuzzer that do calls share, and nobody else. */
#ifndef FUZZ_IOCTL_STATE_H
#define FUZZ_IOCTL_STATE_H

#include "fuzz_ioctl.h"

#include "uapi/fqaccel.h"

#define LANES		2
#define RUNS		64
#define TOUCHED		(4 * FUZZ_PAGE)
#define IMAGE_ROOM	(1 << 20)
#define DEVICE		"/dev/fqaccel0"
#define USER		1000

enum kind { BUFFERS, MODELS, QUEUES, KINDS };

struct open_file {
	int fd;
	uint32_t handles[KINDS][FUZZ_OBJECTS];
	unsigned int count[KINDS];
	uint64_t offsets[FUZZ_OBJECTS];		/* of buffers, for mmap() */
	uint8_t images[FUZZ_OBJECTS];		/* of models */
	uint64_t last[FUZZ_OBJECTS];		/* sequence numbers of queues */
};

struct lane {
	unsigned int index;
	int pipe[2];
	struct fqaccel_run runs[RUNS];
	unsigned int run_count;
	struct fuzz_units units;
	union {
		uint8_t bytes[FUZZ_ARGUMENT];
		struct fqaccel_info info;
		struct fqaccel_destroy destroy;
		struct fqaccel_buffer_create buffer;
		struct fqaccel_model_load load;
		struct fqaccel_queue_create queue;
		struct fqaccel_submit submit;
		struct fqaccel_wait wait;
#ifdef FQACCEL_IOC_BUFFER_EXPORT
		struct fqaccel_buffer_export export;
		struct fqaccel_buffer_import import;
#endif
	} arg;
	uint8_t *image;				/* IMAGE_ROOM bytes */
	uint8_t bytes[TOUCHED];
};

extern struct open_file fuzz_files[FUZZ_FILES];

static inline struct open_file *the_file(const struct fuzz_call *call)
{
	return &fuzz_files[call->file % FUZZ_FILES];
}

static inline unsigned int pick_index(const struct open_file *f, enum kind kind, uint8_t pick)
{
	unsigned int n = f->count[kind] < FUZZ_OBJECTS ? f->count[kind] : FUZZ_OBJECTS;

	return n ? pick % n : 0;
}

static inline uint64_t value(const struct lane *l, const struct fuzz_call *call, unsigned int i)
{
	return fuzz_value(call->value[i], &l->units);
}

/* A call's result is 0 or a negative errno. */
typedef int fuzz_deed(struct lane *l, const struct fuzz_call *call);

/* fuzz_ioctl_calls.c */
void fuzz_calls_init(struct lane *l);
void fuzz_calls_forget(void);
fuzz_deed fuzz_open, fuzz_close, fuzz_dup, fuzz_info, fuzz_buffer, fuzz_load, fuzz_queue, fuzz_run,
	fuzz_submit, fuzz_wait, fuzz_destroy, fuzz_raw, fuzz_export, fuzz_import;

/* fuzz_ioctl_memory.c */
fuzz_deed fuzz_mmap, fuzz_munmap, fuzz_mremap, fuzz_advise, fuzz_touch;
void fuzz_memory_init(void);
void fuzz_memory_end(void);
void *fuzz_mapped(uint8_t pick);

/* fuzz_ioctl_card.c: what the administrator, or fate, does to the card */
fuzz_deed fuzz_card;
void fuzz_card_init(void);

/* fuzz_ioctl_fds.c */
enum fd_kind { DMABUFS, FENCES, FD_KINDS };
fuzz_deed fuzz_poll, fuzz_other, fuzz_pause, fuzz_fd, fuzz_timeline, fuzz_foreign;
void fuzz_fds_init(void);
void fuzz_fds_forget(void);
void fuzz_fd_add(enum fd_kind kind, int fd);
int fuzz_fd_pick(enum fd_kind kind, uint8_t pick);

#endif
