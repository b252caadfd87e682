// SPDX-License-Identifier: GPL-2.0
/* User queues: results by sequence number, waiting, closing. */
#include <linux/capability.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "fence.h"
#include "fqa.h"
#include "trace.h"

static struct fqa_queue *fqa_to_queue(struct fqa_object *obj)
{
	return container_of(obj, struct fqa_queue, obj);
}

static void fqa_queue_free(struct fqa_object *obj)
{
	struct fqa_queue *queue = fqa_to_queue(obj);

	WARN_ON(!list_empty(&queue->groups));
	kvfree(queue->results);
	fqa_context_put(obj->ctx);
	kfree(queue);
}

static struct fqa_queue *fqa_queue_alloc(struct fqa_context *ctx, u32 depth, u32 priority)
{
	struct fqa_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);

	if (!queue)
		return NULL;
	queue->flow = &ctx->flows[priority];
	queue->depth = depth;
	queue->kept = FQA_KEPT_RESULTS * depth;
	queue->results = kvcalloc(queue->kept, sizeof(*queue->results), GFP_KERNEL_ACCOUNT);
	if (!queue->results) {
		kfree(queue);
		return NULL;
	}
	INIT_LIST_HEAD(&queue->node);
	INIT_LIST_HEAD(&queue->ready_node);
	INIT_LIST_HEAD(&queue->pending);
	INIT_LIST_HEAD(&queue->groups);
	init_waitqueue_head(&queue->wait);
	fqa_object_init(&queue->obj, ctx, FQA_OBJECT_QUEUE, fqa_queue_free);
	return queue;
}

static int fqa_queue_link(struct fqa_queue *queue)
{
	struct fqa_context *ctx = queue->obj.ctx;
	int ret = -ENOSPC;

	spin_lock(&ctx->card->lock);
	if (ctx->nr_queues < FQA_MAX_QUEUES) {
		ctx->nr_queues++;
		list_add_tail(&queue->node, &ctx->queues);
		ret = 0;
	}
	spin_unlock(&ctx->card->lock);
	return ret;
}

int fqa_queue_create(struct fqa_call *call)
{
	struct fqaccel_queue_create *arg = call->arg;
	struct fqa_queue *queue;
	int ret;

	if (arg->flags || arg->pad)
		return -EOPNOTSUPP;
	if (arg->depth > FQA_MAX_DEPTH || arg->priority >= FQA_PRIORITIES)
		return -EINVAL;
	if (arg->priority == FQACCEL_PRIORITY_HIGH && !capable(CAP_SYS_NICE))
		return -EPERM;

	queue = fqa_queue_alloc(call->ctx, arg->depth ?: FQA_DEFAULT_DEPTH, arg->priority);
	if (!queue)
		return -ENOMEM;
	ret = fqa_queue_link(queue);
	if (ret)
		goto err_put_queue;
	ret = fqa_object_reserve(&queue->obj);
	if (ret)
		goto err_close_queue;
	arg->handle = queue->obj.handle;
	ret = fqa_object_publish(&queue->obj, call);
	if (ret)
		goto err_close_queue;
	return 0;

err_close_queue:
	fqa_queue_close(queue);
err_put_queue:
	fqa_object_put(&queue->obj);
	return ret;
}

/* Drop what has not started; what has is left to end by itself. Once for each queue. */
void fqa_queue_close(struct fqa_queue *queue)
{
	struct fqa_context *ctx = queue->obj.ctx;
	LIST_HEAD(done);

	spin_lock(&ctx->card->lock);
	queue->closed = true;
	list_del_init(&queue->node);
	ctx->nr_queues--;
	fqa_sched_take_queue(queue, -ECANCELED, &done);
	spin_unlock(&ctx->card->lock);
	fqa_sched_finish(ctx->card, &done);
	wake_up_all(&queue->wait);
}

/*
 * How many runs may be accepted. Besides the depth, results limit how far
 * ahead of the oldest unfinished run the queue may be.
 */
u32 fqa_queue_room(const struct fqa_queue *queue)
{
	lockdep_assert_held(&queue->obj.ctx->card->lock);
	return min_t(u64, queue->depth - queue->unfinished,
		     queue->kept - (queue->last - queue->completed));
}

void fqa_queue_record(struct fqa_queue *queue, const struct fqa_run *run)
{
	struct fqa_result *result = &queue->results[run->sequence % queue->kept];

	lockdep_assert_held(&queue->obj.ctx->card->lock);
	*result = run->result;
	result->finished = true;
	fqa_usage_count(queue->obj.ctx, result);
	fqa_group_record(run);
	trace_fqa_run_complete(run);
	queue->unfinished--;
	while (queue->completed < queue->last &&
	       queue->results[(queue->completed + 1) % queue->kept].finished)
		queue->completed++;
}

/* 0: not finished; 1: it and all before it are, @result and @completed are set; else an errno. */
static int fqa_queue_look(struct fqa_queue *queue, u64 sequence, struct fqa_result *result,
			  u64 *completed)
{
	struct fqa_card *card = queue->obj.ctx->card;
	int ret;

	spin_lock(&card->lock);
	*completed = queue->completed;
	*result = queue->results[sequence % queue->kept];
	if (queue->closed)
		ret = -ECANCELED;
	else if (!sequence || sequence > queue->last)
		ret = -EINVAL;
	else if (queue->last - sequence >= queue->kept)
		ret = -ENODATA;
	else if (queue->completed >= sequence)
		ret = 1;
	else
		ret = card->state == FQA_STATE_DEAD ? -ENODEV : 0;
	spin_unlock(&card->lock);
	return ret;
}

static int fqa_queue_sleep(struct fqa_queue *queue, s64 deadline_ns, u64 sequence,
			   struct fqa_result *result, u64 *completed)
{
	ktime_t left;
	int found = 0;
	int ret;

	if (deadline_ns < 0) {
		ret = wait_event_interruptible(queue->wait,
					       (found = fqa_queue_look(queue, sequence, result,
								       completed)));
		return ret ?: found;
	}
	found = fqa_queue_look(queue, sequence, result, completed);
	left = ktime_sub(ns_to_ktime(deadline_ns), ktime_get());
	if (found || !deadline_ns || left <= 0)
		return found;
	ret = wait_event_interruptible_hrtimeout(queue->wait,
						 (found = fqa_queue_look(queue, sequence, result,
									 completed)), left);
	return found ?: ret == -ETIME ? 0 : ret;
}

static int fqa_queue_arm(struct fqa_queue *queue, struct fqaccel_wait *arg)
{
	struct fqa_context *ctx = queue->obj.ctx;
	int ret = 0;

	spin_lock(&ctx->card->lock);
	if (queue->closed)
		ret = -ECANCELED;
	else if (arg->sequence > queue->last)
		ret = -EINVAL;
	else
		queue->armed = arg->sequence;
	arg->completed = queue->completed;
	spin_unlock(&ctx->card->lock);
	/* Somebody may be in poll() already. */
	if (!ret)
		wake_up_all(&ctx->poll_wait);
	return ret;
}

static int fqa_queue_wait_for(struct fqa_queue *queue, struct fqaccel_wait *arg)
{
	struct fqa_result result;
	int ret;

	ret = fqa_queue_sleep(queue, arg->deadline_ns, arg->sequence, &result,
			      &arg->completed);
	if (ret < 0)
		return ret;
	if (!ret)
		return -ETIME;
	arg->status = result.status;
	arg->cycles = result.cycles;
	arg->card_status = result.card_status;
	arg->layer = result.layer;
	arg->offset = result.offset;
	return 0;
}

int fqa_queue_wait(struct fqa_call *call)
{
	struct fqaccel_wait *arg = call->arg;
	struct fqa_object *obj;
	int ret;

	if (arg->flags & ~FQACCEL_WAIT_ARM || arg->pad)
		return -EOPNOTSUPP;
	obj = fqa_object_find(call->ctx, arg->queue, FQA_OBJECT_QUEUE);
	if (!obj)
		return -ENOENT;
	arg->status = 0;
	arg->cycles = 0;
	arg->card_status = 0;
	arg->layer = FQA_NO_LAYER;
	arg->offset = 0;
	if (arg->flags & FQACCEL_WAIT_ARM)
		ret = fqa_queue_arm(fqa_to_queue(obj), arg);
	else
		ret = fqa_queue_wait_for(fqa_to_queue(obj), arg);
	fqa_object_put(obj);
	if (!ret || ret == -ETIME)
		return fqa_call_respond(call) ?: ret;
	return ret;
}
