// SPDX-License-Identifier: GPL-2.0
/* ioctl(FQACCEL_IOC_SUBMIT). */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "fence.h"
#include "fqa.h"
#include "pm.h"
#include "trace.h"

/* One SUBMIT under way. */
struct fqa_submission {
	struct fqa_queue *queue;	/* a reference, or NULL */
	struct list_head runs;		/* that are not accepted yet */
	struct fqa_wait *wait;		/* the in-fence, or NULL */
	struct fqa_group *group;	/* NULL: nobody wants to be told of the end */
	struct fqa_fence_file file;	/* the out-fence's */
};

static void fqa_submit_drop(struct list_head *runs)
{
	struct fqa_run *run, *next;

	list_for_each_entry_safe(run, next, runs, node)
		fqa_run_free(run);
	INIT_LIST_HEAD(runs);
}

static int fqa_submit_copy(struct fqa_call *call, struct fqaccel_run *users)
{
	const struct fqaccel_submit *arg = call->arg;
	u64 addr = arg->runs;
	u32 i;
	int ret;

	for (i = 0; i < arg->count; i++) {
		ret = fqa_call_copy(call, &users[i], u64_to_user_ptr(addr), sizeof(*users),
				    arg->run_size);
		if (ret)
			return ret;
		if (check_add_overflow(addr, (u64)arg->run_size, &addr))
			return -EFAULT;
	}
	return 0;
}

/* All runs are checked and made before the first is accepted. */
static int fqa_submit_prepare(struct fqa_call *call, struct fqa_submission *sub)
{
	const struct fqaccel_submit *arg = call->arg;
	struct fqaccel_run *users;
	struct fqa_run *run;
	int ret;
	u32 i;

	users = kcalloc(arg->count, sizeof(*users), GFP_KERNEL_ACCOUNT);
	if (!users)
		return -ENOMEM;
	ret = fqa_submit_copy(call, users);
	for (i = 0; !ret && i < arg->count; i++) {
		run = fqa_run_prepare(call->ctx, sub->queue, &users[i]);
		if (IS_ERR(run)) {
			ret = PTR_ERR(run);
			continue;
		}
		fqa_run_join(run, sub->wait, sub->group);
		list_add_tail(&run->node, &sub->runs);
	}
	kfree(users);
	return ret;
}

/* What is checked and made before the runs are; fqa_submit_end() undoes it. */
static int fqa_submit_begin(struct fqa_call *call, struct fqa_submission *sub)
{
	const struct fqaccel_submit *arg = call->arg;
	struct fqa_object *obj;
	struct fqa_wait *wait;

	obj = fqa_object_find(call->ctx, arg->queue, FQA_OBJECT_QUEUE);
	if (!obj)
		return -ENOENT;
	sub->queue = container_of(obj, struct fqa_queue, obj);
	if (arg->flags & FQACCEL_SUBMIT_IN_FENCE) {
		wait = fqa_wait_create(sub->queue, arg->in_fence);
		if (IS_ERR(wait))
			return PTR_ERR(wait);
		sub->wait = wait;
	}
	if (call->uring || arg->flags & FQACCEL_SUBMIT_OUT_FENCE) {
		sub->group = fqa_group_create(sub->queue);
		if (!sub->group)
			return -ENOMEM;
	}
	if (arg->flags & FQACCEL_SUBMIT_OUT_FENCE)
		return fqa_group_add_fence(sub->group, &sub->file);
	return 0;
}

/*
 * Whoever signals a fence may write to what runs that wait for it use until then, and where that
 * bounces, a sync would undo it if the writer is the card. So fqa_wait_work() does it.
 */
static bool fqa_submit_must_sync(const struct fqa_submission *sub)
{
	const struct fqa_run *run = list_first_entry(&sub->runs, struct fqa_run, node);

	lockdep_assert_held(&sub->queue->obj.ctx->card->lock);
	return !run->given && fqa_run_may_start(run);
}

static void fqa_submit_sync(struct fqa_submission *sub)
{
	struct fqa_run *run;

	list_for_each_entry(run, &sub->runs, node) {
		fqa_use_sync_device(&run->use);
		run->given = true;
	}
}

/*
 * Give the first of the runs, as many as there is room for but none if it is less than
 * @need, their sequence numbers. How many, or an errno.
 */
static int fqa_submit_accept(struct fqa_submission *sub, u32 need, u64 *sequence)
{
	struct fqa_queue *queue = sub->queue;
	struct fqa_context *ctx = queue->obj.ctx;
	struct fqa_run *run, *next;
	LIST_HEAD(done);
	int ret = 0;
	u32 room;

	spin_lock(&ctx->card->lock);
	if (fqa_submit_must_sync(sub)) {
		spin_unlock(&ctx->card->lock);
		fqa_submit_sync(sub);
		spin_lock(&ctx->card->lock);
	}
	room = fqa_queue_room(queue);
	if (ctx->card->state == FQA_STATE_DEAD)
		ret = -ENODEV;
	else if (queue->closed || ctx->closed)
		ret = -ECANCELED;
	else if (ctx->banned)
		ret = -EBADFD;
	if (ret || room < need)
		goto out_unlock;
	list_for_each_entry_safe(run, next, &sub->runs, node) {
		if (!room--)
			break;
		list_del(&run->node);
		run->sequence = ++queue->last;
		queue->results[run->sequence % queue->kept].finished = false;
		queue->unfinished++;
		ctx->unfinished++;
		fqa_pm_busy(ctx->card);
		*sequence = run->sequence;
		trace_fqa_run_submit(run);
		fqa_sched_add(run);
		ret++;
	}
	fqa_sched_dispatch(ctx->card, &done);
out_unlock:
	spin_unlock(&ctx->card->lock);
	fqa_sched_finish(ctx->card, &done);
	return ret;
}

/* Whether another try to accept a run makes sense. */
static bool fqa_submit_may_go_on(struct fqa_queue *queue)
{
	struct fqa_card *card = queue->obj.ctx->card;
	bool ret;

	spin_lock(&card->lock);
	ret = card->state == FQA_STATE_DEAD || queue->closed || queue->obj.ctx->banned ||
	      fqa_queue_room(queue);
	spin_unlock(&card->lock);
	return ret;
}

static int fqa_submit_all(struct fqa_call *call, struct fqa_submission *sub)
{
	struct fqaccel_submit *arg = call->arg;
	/* All or none, where io_uring is going to try again. */
	bool once = call->uring && call->uring->nonblock;
	int ret;

	while (!list_empty(&sub->runs)) {
		ret = fqa_submit_accept(sub, once ? arg->count : 1, &arg->sequence);
		if (ret < 0)
			return ret;
		arg->accepted += ret;
		if (ret)
			continue;
		if (once || arg->flags & FQACCEL_SUBMIT_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(sub->queue->wait,
					       fqa_submit_may_go_on(sub->queue));
		if (ret)
			return ret;
	}
	return 0;
}

static int fqa_submit_check(const struct fqaccel_submit *arg)
{
	if (arg->flags & ~(FQACCEL_SUBMIT_NONBLOCK | FQACCEL_SUBMIT_IN_FENCE |
			   FQACCEL_SUBMIT_OUT_FENCE))
		return -EOPNOTSUPP;
	if ((arg->in_fence && !(arg->flags & FQACCEL_SUBMIT_IN_FENCE)) ||
	    (arg->out_fence && !(arg->flags & FQACCEL_SUBMIT_OUT_FENCE)))
		return -EOPNOTSUPP;
	/* A field that the caller does not know must not be asked for. */
	if (arg->flags & FQACCEL_SUBMIT_IN_FENCE &&
	    arg->size < offsetofend(struct fqaccel_submit, in_fence))
		return -EINVAL;
	if (arg->flags & FQACCEL_SUBMIT_OUT_FENCE &&
	    arg->size < offsetofend(struct fqaccel_submit, out_fence))
		return -EINVAL;
	if (!arg->count || arg->count > FQA_MAX_RUNS)
		return -EINVAL;
	if (arg->run_size < offsetofend(struct fqaccel_run, pad))
		return -EINVAL;
	if (arg->run_size > PAGE_SIZE)
		return -E2BIG;
	return 0;
}

static int fqa_submit_do(struct fqa_call *call, struct fqa_submission *sub)
{
	struct fqaccel_submit *arg = call->arg;
	int ret;

	ret = fqa_submit_check(arg);
	if (ret)
		return ret;
	ret = fqa_submit_begin(call, sub);
	if (!ret)
		ret = fqa_submit_prepare(call, sub);
	if (!ret)
		ret = fqa_submit_all(call, sub);
	fqa_submit_drop(&sub->runs);
	return arg->accepted ? 0 : ret;
}

/* After @ret has become final: who waits for the end is told of it from now on. */
static int fqa_submit_end(struct fqa_call *call, struct fqa_submission *sub, int ret)
	__must_hold(&call->ctx->card->srcu)
{
	const struct fqaccel_submit *arg = call->arg;
	bool accepted = !ret;

	fqa_fence_file_end(&sub->file, accepted);
	if (accepted && call->uring) {
		/* It takes io_uring's lock, which is held over accesses to user memory. */
		fqa_call_pause(call);
		fqa_uring_attach(call->uring, sub->group);
		fqa_call_resume(call);
		ret = -EIOCBQUEUED;
	}
	if (accepted && sub->group)
		fqa_group_close(sub->group, arg->sequence);
	fqa_group_put(sub->group);
	fqa_wait_put(sub->wait);
	if (sub->queue)
		fqa_object_put(&sub->queue->obj);
	return ret;
}

int fqa_submit(struct fqa_call *call)
{
	struct fqaccel_submit *arg = call->arg;
	struct fqa_submission sub = { .runs = LIST_HEAD_INIT(sub.runs) };
	int ret;

	arg->accepted = 0;
	arg->sequence = 0;
	ret = fqa_submit_do(call, &sub);
	if (arg->flags & FQACCEL_SUBMIT_OUT_FENCE)
		arg->out_fence = ret ? -1 : sub.file.fd;
	/* io_uring tries again, with what user space has written. */
	if (ret == -EAGAIN && call->uring && call->uring->nonblock)
		return fqa_submit_end(call, &sub, ret);
	/* How many runs were accepted is told on an error, too. */
	ret = fqa_call_respond(call) ?: ret;
	return fqa_submit_end(call, &sub, ret);
}
