/* SPDX-License-Identifier: GPL-2.0 */
/* fqaccel: the way to the card: registers, rings, admin commands, hardware queues. */
#ifndef FQA_RINGS_H
#define FQA_RINGS_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "fqaccel_hw.h"

struct fqa_card;
struct fqa_context;
struct fqa_run;

#define FQA_ADMIN_ENTRIES	128	/* of the admin rings */
#define FQA_ADMIN_SLOTS		128	/* commands with a CID, a power of two */
#define FQA_IO_ENTRIES		64	/* of an I/O queue's rings */
#define FQA_IO_SLOTS		16	/* CIDs of an I/O queue, a power of two */
#define FQA_IO_INFLIGHT		2	/* runs that the card has of a queue at once */
/* Completions taken before the card is told; it has room for those of all slots besides. */
#define FQA_IO_UNACKED		(FQA_IO_ENTRIES / 4)

/*
 * Never more admin commands than ring entries. LOADs are limited by a semaphore, and
 * they and the reset's one command always find a slot. All others come from the
 * workqueue, whose limit may hold for each NUMA node or cache by itself: they take the
 * slots from FQA_ADMIN_RESERVED on, and wait while these are taken.
 */
#define FQA_MAX_LOADS		32
#define FQA_MAX_WORKERS		64
#define FQA_ADMIN_RESERVED	(FQA_MAX_LOADS + 2)	/* one entry of a ring stays empty */

/* One pair of rings in memory that the card shares; its owner's lock serializes. */
struct fqa_ring {
	struct fqa_card *card;
	struct fqa_hw_command *sq;
	struct fqa_hw_completion *cq;
	dma_addr_t sq_dma;
	dma_addr_t cq_dma;
	u16 qid;
	u16 entries;
	u16 tail;		/* next submission entry to write */
	u16 head;		/* next completion entry to read */
	u8 phase;		/* what a new completion there has */
};

/* A completion in the CPU's byte order. Nothing in it is to be trusted. */
struct fqa_verdict {
	u64 result;
	u32 layer;
	u32 offset;
	u32 reason;
	u16 qid;
	u16 cid;
	u16 code;		/* FQA_SC_* */
};

struct fqa_admin_cmd {
	struct kref ref;
	struct fqa_card *card;
	struct list_head node;
	struct completion done;
	struct fqa_hw_command hw;
	struct fqa_verdict verdict;	/* valid where error is 0 */
	int error;
	bool pending;		/* the card has it; under admin->lock */
	bool internal;		/* of the reset itself; from card->reset_cmds */
	u16 cid;
	/*
	 * Set where the card completes it with OK; under admin->lock, so that nothing
	 * is set any more once the ring is closed for a reset.
	 */
	bool *ok;
	/* Called by whoever takes the completion or drops the command, before waiters wake. */
	void (*complete)(struct fqa_admin_cmd *cmd);
	void *data;
};

enum fqa_admin_mode {
	FQA_ADMIN_CLOSED,
	FQA_ADMIN_INTERNAL,	/* the reset work's commands only */
	FQA_ADMIN_OPEN,
};

struct fqa_admin {
	spinlock_t lock;		/* protects all of it */
	struct fqa_ring ring;
	enum fqa_admin_mode mode;
	u16 generation;
	/* By CID modulo FQA_ADMIN_SLOTS; an entry stays until its command is freed. */
	struct fqa_admin_cmd *cmds[FQA_ADMIN_SLOTS];
};

/* A hardware I/O queue; under card->lock. */
struct fqa_hwq {
	struct fqa_ring ring;
	u16 vector;
	int cpu;		/* its vector's */
	u16 generation;
	unsigned int inflight;
	unsigned int unacked;	/* completions taken that the card has not been told of */
	u64 expected;		/* ns that the runs were estimated to take */
	struct fqa_run *runs[FQA_IO_SLOTS];	/* by CID modulo FQA_IO_SLOTS */
	struct list_head order;	/* the same runs as the card got them: it executes the first */
	/* ABORTs under way that name a CID of the slot, which is not reused until then. */
	unsigned int held[FQA_IO_SLOTS];

	/* The watchdog's. Times are of ktime_get(), and mean something while there are runs. */
	u32 progress;			/* the register, when last looked at */
	ktime_t looked;
	ktime_t still;			/* for how long it has not changed */
	ktime_t began;			/* when the first run's turn came */
	u64 since;			/* the same in ns, or when its time was last counted */
	bool waiting;			/* a completion at waiting_at had not been taken */
	u16 waiting_at;
	struct work_struct limit_work;	/* aborts the run limit_cid */
	bool limiting;
	u16 limit_cid;
};

/* hw.c */
u32 fqa_hw_read(struct fqa_card *card, u32 reg);
u64 fqa_hw_read64(struct fqa_card *card, u32 reg);
void fqa_hw_write(struct fqa_card *card, u32 reg, u32 value);
void fqa_hw_write64(struct fqa_card *card, u32 reg, u64 value);
int fqa_hw_identify(struct fqa_card *card);
int fqa_hw_enable(struct fqa_card *card);
int fqa_hw_disable(struct fqa_card *card);
u32 fqa_hw_progress(struct fqa_card *card, u16 qid);

/* ring.c */
int fqa_ring_alloc(struct fqa_ring *ring, struct fqa_card *card, u16 qid, u16 entries);
void fqa_ring_free(struct fqa_ring *ring);
void fqa_ring_reset(struct fqa_ring *ring);
void fqa_ring_push(struct fqa_ring *ring, const struct fqa_hw_command *cmd);
bool fqa_ring_waiting(const struct fqa_ring *ring);
bool fqa_ring_pop(struct fqa_ring *ring, struct fqa_verdict *verdict);
void fqa_ring_ack(struct fqa_ring *ring);

/* admin.c */
void fqa_admin_init(struct fqa_admin *admin);
void fqa_admin_set_mode(struct fqa_card *card, enum fqa_admin_mode mode);
struct fqa_admin_cmd *fqa_admin_alloc(struct fqa_card *card, u8 opcode, bool internal);
int fqa_admin_submit(struct fqa_admin_cmd *cmd);
int fqa_admin_wait(struct fqa_admin_cmd *cmd);
int fqa_admin_exec(struct fqa_admin_cmd *cmd);
int fqa_admin_abort(struct fqa_card *card, u16 qid, u16 cid);
void fqa_admin_put(struct fqa_admin_cmd *cmd);
void fqa_admin_poll(struct fqa_card *card);
void fqa_admin_fail_all(struct fqa_card *card, int error);

/* hwq.c */
int fqa_hwqs_alloc(struct fqa_card *card);
void fqa_hwqs_free(struct fqa_card *card);
void fqa_hwqs_reset(struct fqa_card *card);
int fqa_hwqs_create(struct fqa_card *card);
struct fqa_hwq *fqa_hwq_pick(struct fqa_card *card);
void fqa_hwq_start(struct fqa_hwq *hwq, struct fqa_run *run);
void fqa_hwq_poll(struct fqa_card *card, struct fqa_hwq *hwq);
void fqa_hwqs_take(struct fqa_card *card, struct list_head *runs);
void fqa_hwqs_abort(struct fqa_card *card, struct fqa_context *ctx);
void fqa_hwq_limit(struct fqa_hwq *hwq, struct fqa_run *run);
void fqa_hwqs_cancel_limits(struct fqa_card *card);

#endif
