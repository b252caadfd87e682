/* SPDX-License-Identifier: MIT */
/*
 * The soft card: qemu-device/card in this process, driven as a driver drives the
 * real one (CARD.md): an admin queue, I/O queues, commands, doorbells.
 *
 * One lock, soft_card.lock, is the card's ("the host has one lock for a card",
 * card.h) and guards everything here. It is held by every function that takes a
 * struct soft_card, but for those that say otherwise. Only card_work_run() runs without it.
 *
 * Nobody steps the card from inside a callback: kick() sets a flag, and whoever made the card
 * kick calls soft_pump(). Who unlocks or sleeps wakes workers for what is left to do. A thread
 * that waits for its own run anyway does a worker's work itself, if there are not as many at it as
 * there are workers: so fqaccel_infer() costs no switch of threads.
 */
#ifndef LIB_SOFT_H
#define LIB_SOFT_H

#include <card/card.h>

#include "fqaccel_hw.h"
#include "private.h"

#define SOFT_ADMIN_ENTRIES	32u	/* of the admin rings; one less can be in flight */
#define SOFT_ADMIN_COMMANDS	16u
#define SOFT_IO_ENTRIES		8u
#define SOFT_RUNS		2u	/* in flight on a hardware queue: one works, one is ready */
#define SOFT_MAX_WORKERS	64u
#define SOFT_MAX_SGES		20u	/* of one list: 2^36 bytes in pieces below 2^32 */

/* Memory that the card may reach. DMA addresses are pointers of this process. */
struct soft_region {
	uint64_t addr, len;
	unsigned int directions;	/* FQACCEL_CARD_* */
};

struct soft_regions {
	struct soft_region *list;	/* in ascending order of addr */
	size_t count, room;
};

/* What a command of the admin queue was asked and answered. */
struct soft_command {
	struct fqa_hw_completion done;
	bool taken, finished;
};

/* A hardware queue: its two rings, in memory that the card reaches. */
struct soft_ring {
	uint32_t qid, entries;
	struct fqa_hw_command *sq;
	struct fqa_hw_completion *cq;
	uint32_t sq_tail, cq_head;
	bool phase;
	/* I/O queues: */
	struct soft_slot *slots;	/* SOFT_RUNS, by command identifier */
	struct soft_queue *queues;	/* a circle; the next to be served */
	unsigned int queue_count;
};

/* A command in flight on an I/O queue. */
struct soft_slot {
	struct soft_queue *queue;	/* NULL: free */
	uint64_t sequence;
	struct fqa_hw_sge *in, *out;	/* SOFT_MAX_SGES each */
};

/* A run's state from acceptance on; kept for FQACCEL_RESULTS depths. */
struct soft_run {
	struct fqaccel_run_item item;
	struct fqaccel_run_result result;
	bool done;
};

struct soft_queue {
	struct soft_ring *ring;
	struct soft_queue *next, *prev;	/* of the ring's circle */
	uint32_t depth, kept;
	struct soft_run *runs;		/* kept entries, run s in place s % kept */
	uint64_t accepted;		/* sequence of the last run accepted */
	uint64_t started;		/* of the last one given to the card */
	uint64_t completed;		/* all runs up to this one are finished */
	pthread_cond_t changed;		/* a run finished */
};

struct soft_card {
	pthread_mutex_t lock;
	struct card *card;
	bool kicked;
	bool dead;			/* the card stopped for good: FATAL */
	uint64_t irqs[2];		/* vectors raised and not served, a bit each */
	struct soft_regions regions;
	uint32_t io_queues, slots;
	uint64_t memory_size;
	struct soft_ring admin, io[FQA_MAX_IO_QUEUES];
	void *rings;			/* their memory, and its size */
	size_t rings_len;
	struct soft_command commands[SOFT_ADMIN_COMMANDS];
	bool slot_used[FQA_MAX_SLOTS];
	pthread_cond_t changed;		/* an admin command finished, an object became idle */
	/* Workers */
	pthread_t workers[SOFT_MAX_WORKERS];
	unsigned int worker_count;
	unsigned int idle;		/* workers that sleep and were not woken */
	unsigned int running;		/* work items being worked on, at most worker_count */
	bool stopping;
	pthread_cond_t work_ready;
	/*
	 * A ring of work items. The card has one for each command in work at most: fewer than the
	 * entries of all submission rings.
	 */
	struct card_work *work[SOFT_ADMIN_ENTRIES + FQA_MAX_IO_QUEUES * SOFT_IO_ENTRIES];
	size_t work_head, work_count;
};

/* --- soft_dma.c: needs no lock but the caller's --- */

int soft_region_add(struct soft_regions *r, const void *addr, size_t len, unsigned int directions);
void soft_region_remove(struct soft_regions *r, const void *addr);
/** soft_region_check() - 0, or -EFAULT where a byte is outside what the card may reach so. */
int soft_region_check(const struct soft_regions *r, uint64_t addr, uint64_t len,
		      unsigned int direction);

/* --- soft_work.c --- */

/** soft_host - the callbacks for card_create(), with the soft card as opaque. */
extern const struct card_host soft_host;

/** soft_workers_start() - without the lock; sets the error. */
int soft_workers_start(struct soft_card *s);
/** soft_workers_stop() - without the lock; work in progress is finished. */
void soft_workers_stop(struct soft_card *s);

/** soft_lock() / soft_unlock() - the card's lock; unlocking wakes workers for what is undone. */
void soft_lock(struct soft_card *s);
void soft_unlock(struct soft_card *s);

/** soft_work_once() - do a work item, without the lock meanwhile; false if there is none to do. */
bool soft_work_once(struct soft_card *s);

/** soft_pump() - let the card work until it wants nothing more, or @steps are over. */
void soft_pump(struct soft_card *s, unsigned int steps);

/** soft_sleep() - pump if there is need, else wait on @cond; -ETIME after @deadline, or NULL. */
int soft_sleep(struct soft_card *s, pthread_cond_t *cond, const struct timespec *deadline);

/* --- soft_ring.c --- */

/** soft_rings_create() - memory for the rings; soft_rings_destroy() frees it. */
int soft_rings_create(struct soft_card *s);
void soft_rings_destroy(struct soft_card *s);

/** soft_rings_enable() - switch the card on and create its queues. */
int soft_rings_enable(struct soft_card *s);

/** soft_rings_disable() - reset the card; work in progress ends first. */
void soft_rings_disable(struct soft_card *s);

/** soft_admin() - do an admin command; its cid is filled in. -ENODEV if the card is dead. */
int soft_admin(struct soft_card *s, struct fqa_hw_command *cmd, struct fqa_hw_completion *done);

/** soft_ring_start() - give runs that wait to the card, as far as there is room. */
void soft_ring_start(struct soft_card *s, struct soft_ring *ring);

/** soft_irqs_serve() - look at the completion rings of the vectors that were raised. */
void soft_irqs_serve(struct soft_card *s);

/* --- soft_queue.c --- */

/** soft_queue_finish() - a run has a result; wakes who waits. */
void soft_queue_finish(struct soft_card *s, struct soft_queue *q, uint64_t sequence,
		       const struct fqaccel_run_result *result);

int soft_queue_create(struct fqaccel_queue *queue);
void soft_queue_close(struct fqaccel_queue *queue);
int soft_queue_submit(struct fqaccel_queue *queue, const struct fqaccel_run_item *items,
		      uint32_t count, uint64_t *sequence);
int soft_queue_wait(struct fqaccel_queue *queue, uint64_t sequence, int64_t timeout_ms,
		    struct fqaccel_run_result *result);
int soft_queue_run(struct fqaccel_queue *queue, const struct fqaccel_run_item *item,
		   struct fqaccel_run_result *result);

#endif
