// SPDX-License-Identifier: GPL-2.0
/* ioctl(FQACCEL_IOC_SUBMIT). */
#include <linux/overflow.h>
#include <linux/uaccess.h>

#include "fqa.h"

static void fqa_submit_drop(struct list_head *runs)
{
	struct fqa_run *run, *next;

	list_for_each_entry_safe(run, next, runs, node)
		fqa_run_free(run);
	INIT_LIST_HEAD(runs);
}

/* All runs are checked and made before the first is accepted. */
static int fqa_submit_prepare(struct fqa_context *ctx, struct fqa_queue *queue,
			      const struct fqaccel_submit *arg, struct list_head *runs)
{
	struct fqaccel_run user;
	struct fqa_run *run;
	u64 addr = arg->runs;
	u32 i;
	int ret;

	for (i = 0; i < arg->count; i++) {
		ret = copy_struct_from_user(&user, sizeof(user), u64_to_user_ptr(addr),
					    arg->run_size);
		if (ret)
			return ret;
		run = fqa_run_prepare(ctx, queue, &user);
		if (IS_ERR(run))
			return PTR_ERR(run);
		list_add_tail(&run->node, runs);
		if (check_add_overflow(addr, (u64)arg->run_size, &addr))
			return -EFAULT;
	}
	return 0;
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
	} else if (fqa_queue_has_room(queue)) {
		list_del(&run->node);
		run->sequence = ++queue->last;
		queue->results[run->sequence % queue->kept].finished = false;
		queue->unfinished++;
		ctx->unfinished++;
		*sequence = run->sequence;
		fqa_sched_add(run);
		fqa_sched_dispatch(card, &done);
		ret = 1;
	}
	spin_unlock(&card->lock);
	fqa_sched_finish(card, &done);
	return ret;
}

static int fqa_submit_all(struct fqa_queue *queue, struct fqaccel_submit *arg,
			  struct list_head *runs)
{
	int ret, found;

	while (!list_empty(runs)) {
		found = fqa_submit_accept(queue, runs, &arg->sequence);
		if (!found) {
			if (arg->flags & FQACCEL_SUBMIT_NONBLOCK)
				return -EAGAIN;
			ret = wait_event_interruptible(queue->wait,
						       (found = fqa_submit_accept(queue, runs,
							&arg->sequence)));
			if (ret)
				return ret;
		}
		if (found < 0)
			return found;
		arg->accepted++;
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

int fqa_submit(struct fqa_call *call)
{
	struct fqaccel_submit *arg = call->arg;
	struct fqa_object *obj;
	struct fqa_queue *queue;
	LIST_HEAD(runs);
	int ret, err;

	ret = fqa_submit_check(arg);
	if (ret)
		return ret;
	obj = fqa_object_find(call->ctx, arg->queue, FQA_OBJECT_QUEUE);
	if (!obj)
		return -ENOENT;
	queue = container_of(obj, struct fqa_queue, obj);
	arg->accepted = 0;
	arg->sequence = 0;
	ret = fqa_submit_prepare(call->ctx, queue, arg, &runs);
	if (!ret)
		ret = fqa_submit_all(queue, arg, &runs);
	fqa_submit_drop(&runs);
	fqa_object_put(obj);
	if (arg->accepted)
		ret = 0;
	err = fqa_call_respond(call);
	return err ?: ret;
}
