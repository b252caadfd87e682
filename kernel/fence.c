// SPDX-License-Identifier: GPL-2.0
/*
 * Explicit synchronization. An in-fence holds up the runs of a SUBMIT, and so their
 * queue; an out-fence is signaled when they and all before them have finished. Both
 * are sync_files. Our fences are never signaled under a lock of ours: the callback may be
 * that of one of our own in-fences, and calls into other drivers.
 */
#include <linux/dma-fence.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sync_file.h>

#include "fence.h"
#include "fqa.h"

/* It may live on in a sync_file without queue, card and driver binding: it refers to none. */
struct fqa_fence {
	struct dma_fence base;
	spinlock_t lock;		/* of base */
	char name[32];
};

static struct fqa_fence *fqa_to_fence(struct dma_fence *base)
{
	return container_of(base, struct fqa_fence, base);
}

static const char *fqa_fence_driver_name(struct dma_fence *base)
{
	return FQA_NAME;
}

static const char *fqa_fence_timeline_name(struct dma_fence *base)
{
	return fqa_to_fence(base)->name;
}

/* The module may go from here on; its exit waits for this to return by rcu_barrier(). */
static void fqa_fence_free(struct rcu_head *rcu)
{
	kfree(fqa_to_fence(container_of(rcu, struct dma_fence, rcu)));
	module_put(THIS_MODULE);
}

static void fqa_fence_release(struct dma_fence *base)
{
	call_rcu(&base->rcu, fqa_fence_free);
}

static const struct dma_fence_ops fqa_fence_ops = {
	.get_driver_name = fqa_fence_driver_name,
	.get_timeline_name = fqa_fence_timeline_name,
	.release = fqa_fence_release,
};

/*
 * Each has a context of its own: fences of one context are signaled in the order of their
 * numbers, which SUBMITs of several threads do not know beforehand.
 */
static struct dma_fence *fqa_fence_create(struct fqa_queue *queue)
{
	struct fqa_context *ctx = queue->obj.ctx;
	struct fqa_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL_ACCOUNT);

	if (!fence)
		return NULL;
	/* Its ops are in the module. The caller's open file holds that, too. */
	__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	snprintf(fence->name, sizeof(fence->name), "%s:%llu:%u", dev_name(&ctx->card->dev),
		 ctx->id, queue->obj.handle);
	dma_fence_init(&fence->base, &fqa_fence_ops, &fence->lock,
		       dma_fence_context_alloc(1), 1);
	return &fence->base;
}

static void fqa_wait_free(struct kref *ref)
{
	struct fqa_wait *wait = container_of(ref, struct fqa_wait, ref);

	dma_fence_put(wait->fence);
	fqa_object_put(&wait->queue->obj);
	kfree(wait);
}

/* A run of the in-fence whose memory the card has not been given. */
static struct fqa_run *fqa_wait_find(struct fqa_wait *wait)
{
	struct fqa_run *run;

	list_for_each_entry(run, &wait->queue->pending, node)
		if (run->wait == wait && !run->given)
			return run;
	return NULL;
}

/* Give all of them theirs. Meanwhile a run may be dropped, but not its memory. */
static void fqa_wait_sync(struct fqa_wait *wait)
	__must_hold(&wait->queue->obj.ctx->card->lock)
{
	struct fqa_card *card = wait->queue->obj.ctx->card;
	struct fqa_run *run;
	struct fqa_use use;

	lockdep_assert_held(&card->lock);
	while ((run = fqa_wait_find(wait))) {
		run->given = true;
		use = run->use;
		if (!use.in)
			continue;
		fqa_memory_get(use.in);
		fqa_memory_get(use.out);
		spin_unlock(&card->lock);
		fqa_use_sync_device(&use);
		fqa_memory_put(use.in);
		fqa_memory_put(use.out);
		spin_lock(&card->lock);
	}
}

/* The fence is signaled: the runs may start, or are to end if it has failed. */
static void fqa_wait_work(struct work_struct *work)
{
	struct fqa_wait *wait = container_of(work, struct fqa_wait, work);
	struct fqa_card *card = wait->queue->obj.ctx->card;
	int error = min(dma_fence_get_status(wait->fence), 0);
	LIST_HEAD(done);
	bool cookie;
	int idx;

	idx = fqa_card_enter(card);
	cookie = dma_fence_begin_signalling();
	spin_lock(&card->lock);
	if (!error)
		fqa_wait_sync(wait);
	wait->error = error;
	wait->over = true;
	fqa_sched_wake_queue(wait->queue);
	fqa_sched_dispatch(card, &done);
	spin_unlock(&card->lock);
	fqa_sched_finish(card, &done);
	dma_fence_end_signalling(cookie);
	fqa_card_exit(card, idx);
	kref_put(&wait->ref, fqa_wait_free);
}

/* In any context, with interrupts off: card->lock is not for it. */
static void fqa_wait_signaled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct fqa_wait *wait = container_of(cb, struct fqa_wait, cb);

	queue_work(fqa_recovery_wq, &wait->work);
}

/* The fence of a user's file: a reference, -EBADF or -EINVAL. */
static struct dma_fence *fqa_fence_find(int fd)
{
	struct file *file = fget(fd);
	struct dma_fence *fence;

	if (!file)
		return ERR_PTR(-EBADF);
	fput(file);
	fence = sync_file_get_fence(fd);
	return fence ?: ERR_PTR(-EINVAL);
}

/* fqa_wait_put() undoes it. */
struct fqa_wait *fqa_wait_create(struct fqa_queue *queue, int fd)
{
	struct fqa_wait *wait;
	int ret;

	wait = kzalloc(sizeof(*wait), GFP_KERNEL_ACCOUNT);
	if (!wait)
		return ERR_PTR(-ENOMEM);
	wait->fence = fqa_fence_find(fd);
	if (IS_ERR(wait->fence)) {
		ret = PTR_ERR(wait->fence);
		kfree(wait);
		return ERR_PTR(ret);
	}
	kref_init(&wait->ref);
	refcount_set(&wait->users, 1);
	fqa_object_get(&queue->obj);
	wait->queue = queue;
	INIT_LIST_HEAD(&wait->cb.node);
	INIT_WORK(&wait->work, fqa_wait_work);

	/* For the callback, which hands it to the work. */
	kref_get(&wait->ref);
	ret = dma_fence_add_callback(wait->fence, &wait->cb, fqa_wait_signaled);
	if (!ret)
		return wait;
	kref_put(&wait->ref, fqa_wait_free);
	if (ret == -ENOENT) {
		wait->error = min(dma_fence_get_status(wait->fence), 0);
		wait->over = true;
		return wait;
	}
	fqa_wait_put(wait);
	return ERR_PTR(ret);
}

/* Of a user; NULL is none. May sleep. */
void fqa_wait_put(struct fqa_wait *wait)
{
	if (!wait || !refcount_dec_and_test(&wait->users))
		return;
	/* This takes the fence's lock: the callback has run, or never will. */
	if (dma_fence_remove_callback(wait->fence, &wait->cb))
		kref_put(&wait->ref, fqa_wait_free);
	kref_put(&wait->ref, fqa_wait_free);
}

/* Whether an in-fence holds up the queue. */
bool fqa_queue_waits(struct fqa_queue *queue)
{
	const struct fqa_run *run;

	lockdep_assert_held(&queue->obj.ctx->card->lock);
	run = list_first_entry_or_null(&queue->pending, struct fqa_run, node);
	return run && !fqa_run_may_start(run);
}

struct fqa_group *fqa_group_create(struct fqa_queue *queue)
{
	struct fqa_group *group = kzalloc(sizeof(*group), GFP_KERNEL_ACCOUNT);

	if (!group)
		return NULL;
	kref_init(&group->ref);
	INIT_LIST_HEAD(&group->node);
	fqa_object_get(&queue->obj);
	group->queue = queue;
	return group;
}

static void fqa_group_free(struct kref *ref)
{
	struct fqa_group *group = container_of(ref, struct fqa_group, ref);

	/* One of a SUBMIT that has failed: nobody has it, and nobody is to be told. */
	dma_fence_put(group->fence);
	fqa_object_put(&group->queue->obj);
	kfree(group);
}

/* NULL is none. May sleep. */
void fqa_group_put(struct fqa_group *group)
{
	if (group)
		kref_put(&group->ref, fqa_group_free);
}

/* All that telling of the end takes, before there is anything to tell. */
int fqa_group_add_fence(struct fqa_group *group, struct fqa_fence_file *file)
{
	int ret;

	group->fence = fqa_fence_create(group->queue);
	if (!group->fence)
		return -ENOMEM;
	file->fd = get_unused_fd_flags(O_CLOEXEC);
	if (file->fd < 0)
		return file->fd;
	file->sync = sync_file_create(group->fence);
	if (!file->sync) {
		ret = -ENOMEM;
		goto err_put_fd;
	}
	return 0;

err_put_fd:
	put_unused_fd(file->fd);
	return ret;
}

/* Give the file to user space, or drop it. */
void fqa_fence_file_end(struct fqa_fence_file *file, bool install)
{
	if (!file->sync)
		return;
	if (install) {
		fd_install(file->fd, file->sync->file);
	} else {
		put_unused_fd(file->fd);
		fput(file->sync->file);
	}
	file->sync = NULL;
}

/* A run of a group has ended, not necessarily the first one. */
void fqa_group_record(const struct fqa_run *run)
{
	struct fqa_group *group = run->group;

	lockdep_assert_held(&run->queue->obj.ctx->card->lock);
	if (!group || !run->result.status ||
	    (group->failed && group->failed < run->sequence))
		return;
	group->failed = run->sequence;
	group->status = run->result.status;
}

/* The SUBMIT accepts no more runs; @last is the last one. Tells of the end, now or later. */
void fqa_group_close(struct fqa_group *group, u64 last)
{
	struct fqa_queue *queue = group->queue;
	struct fqa_card *card = queue->obj.ctx->card;
	struct fqa_group *other;
	LIST_HEAD(ended);

	kref_get(&group->ref);
	spin_lock(&card->lock);
	group->last = last;
	/* Another thread's SUBMIT may have overtaken this one. */
	list_for_each_entry_reverse(other, &queue->groups, node)
		if (other->last < last)
			break;
	list_add(&group->node, &other->node);
	fqa_groups_take(queue, &ended);
	spin_unlock(&card->lock);
	fqa_groups_tell(&ended);
}

/* Those whose last run and all before it have finished; for fqa_groups_tell(). */
void fqa_groups_take(struct fqa_queue *queue, struct list_head *ended)
{
	struct fqa_group *group, *next;

	lockdep_assert_held(&queue->obj.ctx->card->lock);
	list_for_each_entry_safe(group, next, &queue->groups, node) {
		if (group->last > queue->completed)
			break;
		list_move_tail(&group->node, ended);
	}
}

static void fqa_group_tell(struct fqa_group *group)
{
	struct fqa_card *card = group->queue->obj.ctx->card;
	struct io_uring_cmd *uring;

	if (group->fence) {
		if (group->status)
			dma_fence_set_error(group->fence, group->status);
		dma_fence_signal(group->fence);
	}
	spin_lock(&card->lock);
	uring = group->uring;
	group->uring = NULL;
	spin_unlock(&card->lock);
	if (uring)
		fqa_uring_complete(uring);
}

/* Without card->lock, and after what the runs have done is seen. */
void fqa_groups_tell(struct list_head *ended)
{
	struct fqa_group *group, *next;

	list_for_each_entry_safe(group, next, ended, node) {
		list_del_init(&group->node);
		fqa_group_tell(group);
		fqa_group_put(group);
	}
}
