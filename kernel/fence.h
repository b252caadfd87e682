/* SPDX-License-Identifier: GPL-2.0 */
/* fqaccel: what runs wait for, and who is told of their end. */
#ifndef FQA_FENCE_H
#define FQA_FENCE_H

#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/workqueue.h>

#include "fqa.h"

struct io_uring_cmd;
struct sync_file;

/*
 * The in-fence of one SUBMIT, which all of its runs wait for. Its users are these runs and the
 * SUBMIT while it is under way; the callback goes when the last of them does.
 */
struct fqa_wait {
	struct kref ref;		/* of the users together, and of the callback */
	refcount_t users;
	struct fqa_queue *queue;	/* a reference */
	struct dma_fence *fence;	/* likewise */
	struct dma_fence_cb cb;
	struct work_struct work;	/* for the callback, which may be in any context */
	bool over;			/* under card->lock */
	int error;			/* of the fence; likewise */
};

/*
 * The runs of one SUBMIT whose end somebody else than WAIT is told of. Kref: the runs,
 * the SUBMIT while it is under way, the queue's list, and the io_uring command.
 */
struct fqa_group {
	struct kref ref;
	struct fqa_queue *queue;	/* a reference */
	struct dma_fence *fence;	/* a reference to the out-fence, or NULL */

	/* Under card->lock. */
	struct list_head node;		/* in queue->groups, by last, once that is known */
	u64 last;			/* sequence number of the last accepted run */
	u64 failed;			/* of the first that has not ended well, or 0 */
	int status;			/* its status */
	struct io_uring_cmd *uring;	/* to be completed by whoever takes it, or NULL */
};

/* An out-fence's file that user space does not have yet. */
struct fqa_fence_file {
	int fd;
	struct sync_file *sync;		/* NULL: there is none */
};

/* How SUBMIT was called through io_uring; kernel/uring.c. */
struct fqa_uring {
	struct io_uring_cmd *cmd;
	unsigned int issue_flags;
	bool nonblock;			/* -EAGAIN makes io_uring try again where it may block */
};

/* Under card->lock: whether the run waits for nothing but the card. */
static inline bool fqa_run_may_start(const struct fqa_run *run)
{
	return !run->wait || run->wait->over;
}

/* fence.c */
struct fqa_wait *fqa_wait_create(struct fqa_queue *queue, int fd);
void fqa_wait_put(struct fqa_wait *wait);
bool fqa_queue_waits(struct fqa_queue *queue);
struct fqa_group *fqa_group_create(struct fqa_queue *queue);
void fqa_group_put(struct fqa_group *group);
int fqa_group_add_fence(struct fqa_group *group, struct fqa_fence_file *file);
void fqa_fence_file_end(struct fqa_fence_file *file, bool install);
void fqa_group_record(const struct fqa_run *run);
void fqa_group_close(struct fqa_group *group, u64 last);
void fqa_groups_take(struct fqa_queue *queue, struct list_head *ended);
void fqa_groups_tell(struct list_head *ended);

/* What a run holds of its SUBMIT. */
static inline void fqa_run_join(struct fqa_run *run, struct fqa_wait *wait,
				struct fqa_group *group)
{
	run->wait = wait;
	if (wait)
		refcount_inc(&wait->users);
	run->group = group;
	if (group)
		kref_get(&group->ref);
}

/* uring.c */
#ifdef FQA_HAS_URING
int fqa_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
void fqa_uring_attach(struct fqa_uring *uring, struct fqa_group *group);
void fqa_uring_complete(struct io_uring_cmd *cmd);
#define FQA_FEATURE_URING	FQACCEL_FEATURE_URING
#else
#define fqa_uring_cmd		NULL
static inline void fqa_uring_attach(struct fqa_uring *uring, struct fqa_group *group)
{
}

static inline void fqa_uring_complete(struct io_uring_cmd *cmd)
{
}

#define FQA_FEATURE_URING	0
#endif

#endif
