// SPDX-License-Identifier: GPL-2.0
/*
 * Which run starts next. Runs wait in their user queue. Queues whose first run may start
 * are in the ring of their flow, which is an open file's share of the card for one priority, and
 * are served in turn. Flows get the card's time by their weights; kernel/fair.c.
 */
#include "fence.h"
#include "fqa.h"
#include "pm.h"

/* Runs of a queue start in order: one that waits for a fence holds up those behind it. */
static bool fqa_queue_may_start(struct fqa_queue *queue)
{
	const struct fqa_run *run;

	run = list_first_entry_or_null(&queue->pending, struct fqa_run, node);
	return run && fqa_run_may_start(run);
}

/* Its first run may start now: behind the flow's other queues, or @first. */
static void fqa_sched_ready(struct fqa_queue *queue, bool first)
{
	struct fqa_flow *flow = queue->flow;

	if (list_empty(&queue->ready_node) && first)
		list_add(&queue->ready_node, &flow->ready);
	else if (list_empty(&queue->ready_node))
		list_add_tail(&queue->ready_node, &flow->ready);
	fqa_fair_enter(&queue->obj.ctx->card->fair, &flow->share);
}

/* Nothing of the queue may start now. */
static void fqa_sched_unready(struct fqa_queue *queue)
{
	struct fqa_flow *flow = queue->flow;

	list_del_init(&queue->ready_node);
	if (list_empty(&flow->ready))
		fqa_fair_leave(&queue->obj.ctx->card->fair, &flow->share);
}

/* Its first run may start now, or there is a first one. */
void fqa_sched_wake_queue(struct fqa_queue *queue)
{
	lockdep_assert_held(&queue->obj.ctx->card->lock);
	if (fqa_queue_may_start(queue))
		fqa_sched_ready(queue, false);
}

/* Card state, and so whether runs start, is the dispatcher's affair. */
void fqa_sched_add(struct fqa_run *run)
{
	struct fqa_queue *queue = run->queue;

	lockdep_assert_held(&queue->obj.ctx->card->lock);
	list_add_tail(&run->node, &queue->pending);
	fqa_sched_wake_queue(queue);
}

/* A run that has started before: in front of all of its queue that have not. */
static void fqa_sched_put_back(struct fqa_run *run, bool first)
{
	struct fqa_queue *queue = run->queue;
	struct fqa_run *other;

	lockdep_assert_held(&queue->obj.ctx->card->lock);
	list_for_each_entry(other, &queue->pending, node)
		if (other->sequence > run->sequence)
			break;
	list_add_tail(&run->node, &other->node);
	fqa_sched_ready(queue, first);
}

/*
 * A run that the card has lost is its open file's next. There are never more of these than
 * the card has room for.
 */
void fqa_sched_return(struct fqa_run *run)
{
	fqa_sched_put_back(run, true);
}

/* A part of the run is done: the others' turn, then the next part's. */
void fqa_sched_go_on(struct fqa_run *run)
{
	fqa_sched_put_back(run, false);
}

/* The next run of who waits for a share of the card's time. */
static struct fqa_run *fqa_share_run(struct fqa_share *share)
{
	struct fqa_flow *flow = container_of(share, struct fqa_flow, share);
	struct fqa_queue *queue;

	queue = list_first_entry(&flow->ready, struct fqa_queue, ready_node);
	return list_first_entry(&queue->pending, struct fqa_run, node);
}

static struct fqa_run *fqa_sched_next(struct fqa_card *card)
{
	struct fqa_share *share = fqa_fair_first(&card->fair);
	struct fqa_queue *queue;
	struct fqa_flow *flow;
	struct fqa_run *run;

	while (share && !fqa_user_may_start(card, fqa_share_run(share)))
		share = fqa_fair_next(share);
	if (!share)
		return NULL;
	run = fqa_share_run(share);
	queue = run->queue;
	flow = queue->flow;
	list_del(&run->node);
	if (fqa_queue_may_start(queue))
		list_move_tail(&queue->ready_node, &flow->ready);
	else
		fqa_sched_unready(queue);
	return run;
}

/* The card gets the run, or a part of it. */
void fqa_sched_start(struct fqa_run *run)
{
	run->expected = fqa_part_ns(run);
	run->cost = fqa_fair_start(&run->queue->obj.ctx->card->fair, &run->queue->flow->share,
				   run->expected);
}

/* The card no longer has it, and took run->part_ns. */
void fqa_sched_end(struct fqa_run *run)
{
	fqa_fair_end(&run->queue->obj.ctx->card->fair, &run->queue->flow->share, run->cost,
		     run->part_ns);
}

/* The open file's shares of the card. */
void fqa_sched_init_context(struct fqa_context *ctx)
{
	/* Of 16. */
	static const unsigned int shifts[FQA_PRIORITIES] = {
		[FQACCEL_PRIORITY_HIGH] = 0,
		[FQACCEL_PRIORITY_NORMAL] = 2,
		[FQACCEL_PRIORITY_LOW] = 4,
	};
	unsigned int i;

	for (i = 0; i < FQA_PRIORITIES; i++) {
		fqa_share_init(&ctx->flows[i].share, shifts[i]);
		INIT_LIST_HEAD(&ctx->flows[i].ready);
	}
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
	fqa_sched_unready(queue);
}

/* Take back those of one SUBMIT. Others of the queue may get their turn by that. */
void fqa_sched_take_group(struct fqa_group *group, int status, struct list_head *done)
{
	struct fqa_queue *queue = group->queue;
	struct fqa_run *run, *next;

	lockdep_assert_held(&queue->obj.ctx->card->lock);
	list_for_each_entry_safe(run, next, &queue->pending, node) {
		/* One that is between two parts has started. */
		if (run->group != group || run->started)
			continue;
		fqa_run_set_status(run, status);
		list_move_tail(&run->node, done);
	}
	if (fqa_queue_may_start(queue))
		fqa_sched_ready(queue, false);
	else
		fqa_sched_unready(queue);
}

/* What ends at once by this goes to the end of @done. */
static void fqa_sched_finish_run(struct fqa_card *card, struct fqa_run *run,
				 struct list_head *done)
{
	struct fqa_queue *queue = run->queue;
	struct fqa_context *ctx = queue->obj.ctx;
	LIST_HEAD(ended);

	/* Output must be the CPU's before anybody is told. */
	if (run->started && run->out)
		fqa_memory_sync_cpu(run->use.out, run->use.out_offset, run->use.out_length);
	/* These two outlive the run until the waiters are woken. */
	fqa_object_get(&queue->obj);

	spin_lock(&card->lock);
	fqa_queue_record(queue, run);
	fqa_groups_take(queue, &ended);
	if (fqa_user_settle(card, run))
		fqa_sched_dispatch(card, done);
	spin_unlock(&card->lock);
	fqa_groups_tell(&ended);
	wake_up_all(&queue->wait);
	wake_up_all(&ctx->poll_wait);

	fqa_run_free(run);
	spin_lock(&card->lock);
	/* Whoever waits for this may take down what the run has used. */
	if (!--ctx->unfinished)
		wake_up_all(&ctx->idle_wait);
	fqa_pm_idle(card);
	spin_unlock(&card->lock);
	fqa_object_put(&queue->obj);
}

/* Tell waiters of runs that have ended, and free them. */
void fqa_sched_finish(struct fqa_card *card, struct list_head *done)
{
	struct fqa_run *run;

	while (!list_empty(done)) {
		run = list_first_entry(done, struct fqa_run, node);
		list_del_init(&run->node);
		fqa_sched_finish_run(card, run, done);
	}
}
