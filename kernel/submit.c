// SPDX-License-Identifier: GPL-2.0
/* ioctl(FQACCEL_IOC_SUBMIT). */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "fqa.h"
#include "trace.h"

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
static int fqa_submit_prepare(struct fqa_call *call, struct fqa_queue *queue,
			      struct list_head *runs)
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
		run = fqa_run_prepare(call->ctx, queue, &users[i]);
		if (IS_ERR(run))
			ret = PTR_ERR(run);
		else
			list_add_tail(&run->node, runs);
	}
	kfree(users);
	return ret;
}

/* Give one run its sequence number: 1, 0 if there is no room, or an errno. */
static int fqa_submit_accept(struct fqa_queue *queue, struct list_head *runs, u64 *sequence)
{
	struct fqa_context *ctx = queue->obj.ctx;
	struct fqa_card *card = ctx->card;
	struct fqa_run *run = list_first_entry(runs, struct fqa_run, node);
	LIST_HEAD(done);
	int ret = 0;

	spin_lock(&card->lock);
	if (card->state == FQA_STATE_DEAD) {
		ret = -ENODEV;
	} else if (queue->closed || ctx->closed) {
		ret = -ECANCELED;
	} else if (ctx->banned) {
		ret = -EBADFD;
	} else if (fqa_queue_has_room(queue)) {
		list_del(&run->node);
		run->sequence = ++queue->last;
		queue->results[run->sequence % queue->kept].finished = false;
		queue->unfinished++;
		ctx->unfinished++;
		*sequence = run->sequence;
		trace_fqa_run_submit(run);
		fqa_sched_add(run);
		fqa_sched_dispatch(card, &done);
		ret = 1;
	}
	spin_unlock(&card->lock);
	fqa_sched_finish(card, &done);
	return ret;
}

/* Whether another try to accept a run makes sense. */
static bool fqa_submit_may_go_on(struct fqa_queue *queue)
{
	struct fqa_card *card = queue->obj.ctx->card;
	bool ret;

	spin_lock(&card->lock);
	ret = card->state == FQA_STATE_DEAD || queue->closed || queue->obj.ctx->banned ||
	      fqa_queue_has_room(queue);
	spin_unlock(&card->lock);
	return ret;
}

static int fqa_submit_all(struct fqa_queue *queue, struct fqaccel_submit *arg,
			  struct list_head *runs)
{
	int ret;

	while (!list_empty(runs)) {
		ret = fqa_submit_accept(queue, runs, &arg->sequence);
		if (ret < 0)
			return ret;
		if (ret) {
			arg->accepted++;
			continue;
		}
		if (arg->flags & FQACCEL_SUBMIT_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(queue->wait, fqa_submit_may_go_on(queue));
		if (ret)
			return ret;
	}
	return 0;
}

static int fqa_submit_check(const struct fqaccel_submit *arg)
{
	if (arg->flags & ~FQACCEL_SUBMIT_NONBLOCK)
		return -EOPNOTSUPP;
	if (!arg->count || arg->count > FQA_MAX_RUNS)
		return -EINVAL;
	if (arg->run_size < offsetofend(struct fqaccel_run, pad))
		return -EINVAL;
	if (arg->run_size > PAGE_SIZE)
		return -E2BIG;
	return 0;
}

static int fqa_submit_do(struct fqa_call *call)
{
	struct fqaccel_submit *arg = call->arg;
	struct fqa_object *obj;
	struct fqa_queue *queue;
	LIST_HEAD(runs);
	int ret;

	ret = fqa_submit_check(arg);
	if (ret)
		return ret;
	obj = fqa_object_find(call->ctx, arg->queue, FQA_OBJECT_QUEUE);
	if (!obj)
		return -ENOENT;
	queue = container_of(obj, struct fqa_queue, obj);
	ret = fqa_submit_prepare(call, queue, &runs);
	if (!ret)
		ret = fqa_submit_all(queue, arg, &runs);
	fqa_submit_drop(&runs);
	fqa_object_put(obj);
	return arg->accepted ? 0 : ret;
}

int fqa_submit(struct fqa_call *call)
{
	struct fqaccel_submit *arg = call->arg;
	int ret;

	arg->accepted = 0;
	arg->sequence = 0;
	ret = fqa_submit_do(call);
	/* How many runs were accepted is told on an error, too. */
	return fqa_call_respond(call) ?: ret;
}
