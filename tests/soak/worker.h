/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process of the soak: what it has and does (worker.c), and how what it submitted
 * ended (judge.c).
 */
#ifndef SOAK_WORKER_H
#define SOAK_WORKER_H

#include "soak.h"

#define QUEUES		3
#define SLOTS		12	/* runs of a queue at once */
#define GUARD		64	/* bytes between outputs that nobody may write */

enum kind {
	KIND_WHOLE,
	KIND_FIRST_PART,
	KIND_SECOND_PART,
	KIND_NOP,
	KIND_WRONG,	/* the output's length is */
};

struct slot {
	bool busy;
	enum kind kind;
	uint32_t first, batch;		/* pictures */
	uint64_t sequence;
	int64_t since;
};

/* A user queue with the buffers of its runs. */
struct queue {
	uint32_t handle;		/* 0: none */
	unsigned int model;
	uint32_t room;			/* pictures of a slot */
	unsigned int slots;
	struct test_buffer in, mid, out;
	struct slot slot[SLOTS];
	uint64_t last, completed;
};

struct worker {
	struct soak_shared *shared;
	struct soak_record *record;
	struct soak_random random;
	int fd;				/* -1: none */
	uint64_t features;
	int fence;			/* -1: none */
	struct queue *fence_queue;	/* whose runs it stands for, up to ... */
	uint64_t fence_sequence;	/* ... this one; NULL: that queue has gone */
	struct fqaccel_model_load models[SOAK_MODELS];	/* handle 0: not loaded */
	struct queue queues[QUEUES];
};

#define note(w, ...)	soak_note((w)->shared, (w)->record, __VA_ARGS__)
#define fail(w, ...)	soak_fail((w)->shared, (w)->record, __VA_ARGS__)

static inline uint32_t below(struct worker *w, uint32_t limit)
{
	return soak_below(&w->random, limit);
}

static inline void count(struct worker *w, enum soak_count which)
{
	w->record->counts[which]++;
}

static inline const struct test_data *data_of(const struct queue *q)
{
	return &soak_models[q->model].data;
}

static inline size_t out_room(const struct queue *q)
{
	return q->room * data_of(q)->output_bytes + GUARD;
}

static inline uint8_t *slot_out(const struct queue *q, const struct slot *s)
{
	return q->out.data + (s - q->slot) * out_room(q);
}

/* worker.c */

void worker_drop_file(struct worker *w, enum soak_count outcome);
/* An ioctl failed with what may happen to any. True: the file is gone. */
bool worker_handle_error(struct worker *w, const char *what, int ret);
void worker_submit(struct worker *w, struct queue *q, struct slot **slots, uint32_t count_);

/* judge.c */

/* Runs whose end nobody will see. */
void judge_abandon(struct worker *w, struct queue *q, enum soak_count outcome);
/* All that the fence at hand stands for has ended. */
void judge_fence(struct worker *w);
/* Nothing has been written to the slot's output since it was last looked at. */
void judge_untouched(struct worker *w, struct queue *q, const struct slot *s);
/* Waits for one of the queue's runs, or for some time, and looks at what has ended. */
void judge_wait(struct worker *w, struct queue *q);
/* Waits for all of the runs, and looks at how they ended. */
void judge_wait_all(struct worker *w, struct queue *q);

#endif
