// SPDX-License-Identifier: GPL-2.0
/*
 * Which run starts next. Runs wait in their user queue; queues whose first run may start
 * are in their context's ring, contexts in the card's, and both rings are served in turn, so
 * that no open file waits for more than one run of each other one.
 */
#include "fence.h"
#include "fqa.h"

/* Runs of a queue start in order: one that waits for a fence holds up those behind it. */
static bool fqa_queue_may_start(struct fqa_queue *queue)
{
	const struct fqa_run *run;

	run = list_first_entry_or_null(&queue->pending, struct fqa_run, node);
	return run && fqa_run_may_start(run);
}

/* Its first run may start now, or there is a first one. */
void fqa_sched_wake_queue(struct fqa_queue *queue)
{
	struct fqa_context *ctx = queue->obj.ctx;

	lockdep_assert_held(&ctx->card->lock);
	if (!fqa_queue_may_start(queue))
		return;
	if (list_empty(&queue->ready_node))
		list_add_tail(&queue->ready_node, &ctx->ready);
	if (list_empty(&ctx->ready_node))
		list_add_tail(&ctx->ready_node, &ctx->card->ready);
}

/* Card state, and so whether runs start, is the dispatcher's affair. */
void fqa_sched_add(struct fqa_run *run)
{
	struct fqa_queue *queue = run->queue;

	lockdep_assert_held(&queue->obj.ctx->card->lock);
	list_add_tail(&run->node, &queue->pending);
	fqa_sched_wake_queue(queue);
}

/*
 * A run that the card has lost: before all of its queue that have not started, and its
 * open file's next. There are never more of these than the card has room for.
 */
void fqa_sched_return(struct fqa_run *run)
{
	struct fqa_queue *queue = run->queue;
	struct fqa_context *ctx = queue->obj.ctx;
	struct fqa_run *other;

	lockdep_assert_held(&ctx->card->lock);
	list_for_each_entry(other, &queue->pending, node)
		if (other->sequence > run->sequence)
			break;
	list_add_tail(&run->node, &other->node);
	if (list_empty(&queue->ready_node))
		list_add(&queue->ready_node, &ctx->ready);
	if (list_empty(&ctx->ready_node))
		list_add(&ctx->ready_node, &ctx->card->ready);
}

static void fqa_sched_rotate(struct list_head *node, struct list_head *ring, bool stays)
{
	if (stays)
		list_move_tail(node, ring);
	else
		list_del_init(node);
}

static struct fqa_run *fqa_sched_next(struct fqa_card *card)
{
	struct fqa_context *ctx;
	struct fqa_queue *queue;
	struct fqa_run *run;

	ctx = list_first_entry_or_null(&card->ready, struct fqa_context, ready_node);
	if (!ctx)
		return NULL;
	queue = list_first_entry(&ctx->ready, struct fqa_queue, ready_node);
	run = list_first_entry(&queue->pending, struct fqa_run, node);
	list_del(&run->node);
	fqa_sched_rotate(&queue->ready_node, &ctx->ready, fqa_queue_may_start(queue));
	fqa_sched_rotate(&ctx->ready_node, &card->ready, !list_empty(&ctx->ready));
	return run;
}

/* The status of a run that is not worth starting, or 0. */
static int fqa_run_hopeless(const struct fqa_run *run)
{
	if (run->model && run->model->dead)
		return -EIO;
	return run->wait && run->wait->error ? -ECANCELED : 0;
}

/* Start what the card has room for. Runs that end at once go to @done. */
void fqa_sched_dispatch(struct fqa_card *card, struct list_head *done)
{
	struct fqa_hwq *hwq;
	struct fqa_run *run;
	int status;

	lockdep_assert_held(&card->lock);
	if (card->state != FQA_STATE_LIVE)
		return;
	while ((hwq = fqa_hwq_pick(card)) && (run = fqa_sched_next(card))) {
		status = fqa_run_hopeless(run);
		if (status) {
			fqa_run_set_status(run, status);
			list_add_tail(&run->node, done);
			continue;
		}
		fqa_hwq_start(hwq, run);
	}
}

void fqa_sched_kick(struct fqa_card *card)
{
	LIST_HEAD(done);

	spin_lock(&card->lock);
	fqa_sched_dispatch(card, &done);
	spin_unlock(&card->lock);
	fqa_sched_finish(card, &done);
}

/* Take back the runs of a queue that have not started. */
void fqa_sched_take_queue(struct fqa_queue *queue, int status, struct list_head *done)
{
	struct fqa_context *ctx = queue->obj.ctx;
	struct fqa_run *run;

	lockdep_assert_held(&ctx->card->lock);
	list_for_each_entry(run, &queue->pending, node)
		fqa_run_set_status(run, status);
	list_splice_tail_init(&queue->pending, done);
	list_del_init(&queue->ready_node);
	if (list_empty(&ctx->ready))
		list_del_init(&ctx->ready_node);
}

/* Take back those of one SUBMIT. Others of the queue may get their turn by that. */
void fqa_sched_take_group(struct fqa_group *group, int status, struct list_head *done)
{
	struct fqa_queue *queue = group->queue;
	struct fqa_context *ctx = queue->obj.ctx;
	struct fqa_run *run, *next;

	lockdep_assert_held(&ctx->card->lock);
	list_for_each_entry_safe(run, next, &queue->pending, node) {
		if (run->group != group)
			continue;
		fqa_run_set_status(run, status);
		list_move_tail(&run->node, done);
	}
	if (!fqa_queue_may_start(queue))
		list_del_init(&queue->ready_node);
	if (list_empty(&ctx->ready))
		list_del_init(&ctx->ready_node);
	fqa_sched_wake_queue(queue);
}

static void fqa_sched_finish_run(struct fqa_card *card, struct fqa_run *run)
{
	struct fqa_queue *queue = run->queue;
	struct fqa_context *ctx = queue->obj.ctx;
	LIST_HEAD(ended);

	/* Output must be the CPU's before anybody is told. */
	if (run->started && run->out)
		fqa_memory_sync_cpu(run->out->memory, run->out_offset, run->out_length);
	/* These two outlive the run until the waiters are woken. */
	fqa_object_get(&queue->obj);

	spin_lock(&card->lock);
	fqa_queue_record(queue, run);
	fqa_groups_take(queue, &ended);
	spin_unlock(&card->lock);
	fqa_groups_tell(&ended);
	wake_up_all(&queue->wait);
	wake_up_all(&ctx->poll_wait);

	fqa_run_free(run);
	spin_lock(&card->lock);
	/* Whoever waits for this may take down what the run has used. */
	if (!--ctx->unfinished)
		wake_up_all(&ctx->idle_wait);
	spin_unlock(&card->lock);
	fqa_object_put(&queue->obj);
}

/* Tell waiters of runs that have ended, and free them. */
void fqa_sched_finish(struct fqa_card *card, struct list_head *done)
{
	struct fqa_run *run, *next;

	list_for_each_entry_safe(run, next, done, node)
		fqa_sched_finish_run(card, run);
	INIT_LIST_HEAD(done);
}
