// SPDX-License-Identifier: GPL-2.0
/* The card's I/O queues: starting runs, taking their completions, aborting them. */
#include <linux/error-injection.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/slab.h>

#include "fqa.h"
#include "trace.h"

/* How often an ABORT is repeated that came too early (the card had not read the RUN). */
#define FQA_ABORT_POLL_MS	20

static void fqa_hwq_limit_work(struct work_struct *work);

int fqa_hwqs_alloc(struct fqa_card *card)
{
	unsigned int i;
	int ret;

	card->hwqs = kcalloc(card->nr_hwqs, sizeof(*card->hwqs), GFP_KERNEL);
	if (!card->hwqs)
		return -ENOMEM;
	for (i = 0; i < card->nr_hwqs; i++) {
		INIT_LIST_HEAD(&card->hwqs[i].order);
		INIT_WORK(&card->hwqs[i].limit_work, fqa_hwq_limit_work);
		ret = fqa_ring_alloc(&card->hwqs[i].ring, card, i + 1, FQA_IO_ENTRIES);
		if (ret) {
			fqa_hwqs_free(card);
			return ret;
		}
	}
	return 0;
}
ALLOW_ERROR_INJECTION(fqa_hwqs_alloc, ERRNO);

void fqa_hwqs_free(struct fqa_card *card)
{
	unsigned int i;

	for (i = 0; i < card->nr_hwqs; i++)
		fqa_ring_free(&card->hwqs[i].ring);
	kfree(card->hwqs);
	card->hwqs = NULL;
}

/* With interrupts off, and after fqa_hwqs_take(). */
void fqa_hwqs_reset(struct fqa_card *card)
{
	unsigned int i;

	spin_lock(&card->lock);
	for (i = 0; i < card->nr_hwqs; i++) {
		fqa_ring_reset(&card->hwqs[i].ring);
		card->hwqs[i].waiting = false;
		card->hwqs[i].unacked = 0;
	}
	spin_unlock(&card->lock);
}

static int fqa_hwq_create(struct fqa_card *card, struct fqa_hwq *hwq, unsigned int index)
{
	struct fqa_admin_cmd *cmd = fqa_admin_alloc(card, FQA_OP_CREATE_QUEUE, true);
	int ret;

	if (!cmd)
		return -ENOMEM;
	hwq->vector = card->nr_vectors > 1 ? 1 + index % (card->nr_vectors - 1) : 0;
	hwq->cpu = card->vectors[hwq->vector].cpu;
	cmd->hw.create_queue.sq = cpu_to_le64(hwq->ring.sq_dma);
	cmd->hw.create_queue.cq = cpu_to_le64(hwq->ring.cq_dma);
	cmd->hw.create_queue.qid = cpu_to_le16(hwq->ring.qid);
	cmd->hw.create_queue.sq_entries = cpu_to_le16(hwq->ring.entries);
	cmd->hw.create_queue.cq_entries = cpu_to_le16(hwq->ring.entries);
	cmd->hw.create_queue.vector = cpu_to_le16(hwq->vector);
	ret = fqa_admin_exec(cmd);
	if (ret)
		return ret;
	if (cmd->verdict.code != FQA_SC_OK) {
		dev_err(&card->pdev->dev, "the card refuses queue %u: status 0x%02x\n",
			hwq->ring.qid, cmd->verdict.code);
		ret = -EIO;
	}
	fqa_admin_put(cmd);
	return ret;
}

int fqa_hwqs_create(struct fqa_card *card)
{
	unsigned int i;
	int ret;

	for (i = 0; i < card->nr_hwqs; i++) {
		ret = fqa_hwq_create(card, &card->hwqs[i], i);
		if (ret)
			return ret;
	}
	return 0;
}
ALLOW_ERROR_INJECTION(fqa_hwqs_create, ERRNO);

static int fqa_hwq_free_slot(const struct fqa_hwq *hwq)
{
	int slot;

	for (slot = 0; slot < FQA_IO_SLOTS; slot++)
		if (!hwq->runs[slot] && !hwq->held[slot])
			return slot;
	return -EBUSY;
}

/* How long a queue will be busy. A run that takes longer than expected may go on for as long. */
static u64 fqa_hwq_backlog(const struct fqa_hwq *hwq, u64 now)
{
	u64 spent = now - hwq->since;

	if (!hwq->inflight)
		return 0;
	return 1 + (spent < hwq->expected ? hwq->expected - spent : spent - hwq->expected);
}

/*
 * The queue with the least to do that can take a run, or NULL. Of those with nothing to do, one
 * whose interrupt comes to this CPU: whoever waits is likely to be woken here then.
 */
struct fqa_hwq *fqa_hwq_pick(struct fqa_card *card)
{
	struct fqa_hwq *best = NULL, *hwq;
	u64 now = ktime_get_ns(), least = 0, backlog;
	int cpu = raw_smp_processor_id();
	unsigned int i;

	lockdep_assert_held(&card->lock);
	for (i = 0; i < card->nr_hwqs; i++) {
		hwq = &card->hwqs[i];
		if (hwq->inflight >= FQA_IO_INFLIGHT || fqa_hwq_free_slot(hwq) < 0)
			continue;
		backlog = fqa_hwq_backlog(hwq, now);
		if (!best || backlog < least ||
		    (backlog == least && best->cpu != cpu && hwq->cpu == cpu)) {
			best = hwq;
			least = backlog;
		}
	}
	return best;
}

/* @hwq is from fqa_hwq_pick() under the same hold of card->lock. */
void fqa_hwq_start(struct fqa_hwq *hwq, struct fqa_run *run)
{
	struct fqa_card *card = hwq->ring.card;
	int slot = fqa_hwq_free_slot(hwq);
	struct fqa_hw_command cmd;

	lockdep_assert_held(&card->lock);
	run->cid = hwq->generation++ * FQA_IO_SLOTS + slot;
	run->started = true;
	fqa_sched_start(run);
	hwq->runs[slot] = run;
	hwq->inflight++;
	hwq->expected += run->expected;
	if (list_empty(&hwq->order)) {
		hwq->began = ktime_get();
		hwq->looked = hwq->began;
		hwq->still = 0;
		fqa_usage_begin(hwq);
	}
	list_add_tail(&run->node, &hwq->order);
	trace_fqa_run_start(run, hwq->ring.qid);
	fqa_run_command(run, &cmd);
	cmd.cid = cpu_to_le16(run->cid);
	fqa_ring_push(&hwq->ring, &cmd);
	/* Nothing happens if it is on its way already. */
	queue_delayed_work(fqa_recovery_wq, &card->watchdog, fqa_watchdog_interval());
}

static struct fqa_run *fqa_hwq_take(struct fqa_hwq *hwq, unsigned int slot)
{
	struct fqa_run *run = hwq->runs[slot];

	hwq->runs[slot] = NULL;
	hwq->inflight--;
	hwq->expected -= run->expected;
	run->part_ns = 0;
	/* The next one's turn. */
	if (list_is_first(&run->node, &hwq->order)) {
		run->part_ns = fqa_usage_end(hwq, run);
		hwq->began = ktime_get();
	}
	list_del(&run->node);
	fqa_sched_end(run);
	return run;
}

/* Take completions off a queue; in its interrupt thread, or when one may have got lost. */
void fqa_hwq_poll(struct fqa_card *card, struct fqa_hwq *hwq)
{
	struct fqa_verdict verdict;
	bool bogus = false, any = false;
	struct fqa_run *run;
	LIST_HEAD(done);

	spin_lock(&card->lock);
	/* In a reset, what the card has written no longer counts. */
	while (card->state == FQA_STATE_LIVE && !bogus &&
	       fqa_ring_pop(&hwq->ring, &verdict)) {
		hwq->unacked++;
		any = true;
		run = hwq->runs[verdict.cid % FQA_IO_SLOTS];
		if (!run || run->cid != verdict.cid || verdict.qid != hwq->ring.qid) {
			bogus = true;
			continue;
		}
		fqa_hwq_take(hwq, verdict.cid % FQA_IO_SLOTS);
		if (verdict.code == FQA_SC_OK)
			fqa_part_learn(run, verdict.result);
		fqa_run_set_verdict(run, &verdict);
		if (fqa_part_next(run))
			fqa_sched_go_on(run);
		else
			list_add_tail(&run->node, &done);
	}
	if (hwq->unacked >= FQA_IO_UNACKED) {
		fqa_ring_ack(&hwq->ring);
		hwq->unacked = 0;
	}
	if (any)
		fqa_sched_dispatch(card, &done);
	spin_unlock(&card->lock);

	fqa_sched_finish(card, &done);
	if (bogus)
		fqa_reset_request(card, "completed a run that does not exist");
}

/* The card has forgotten its runs, or can't reach memory any more: take them back. */
void fqa_hwqs_take(struct fqa_card *card, struct list_head *runs)
{
	struct fqa_run *run, *next;
	struct fqa_hwq *hwq;
	unsigned int i;

	lockdep_assert_held(&card->lock);
	for (i = 0; i < card->nr_hwqs; i++) {
		hwq = &card->hwqs[i];
		list_for_each_entry_safe(run, next, &hwq->order, node) {
			fqa_hwq_take(hwq, run->cid % FQA_IO_SLOTS);
			list_add_tail(&run->node, runs);
		}
	}
}

/* Find a run of @ctx that the card has, and keep its CID from being reused. */
static struct fqa_hwq *fqa_hwq_hold(struct fqa_card *card, struct fqa_context *ctx,
				    unsigned int from, unsigned int *at, u16 *cid)
{
	struct fqa_hwq *hwq;
	struct fqa_run *run;

	spin_lock(&card->lock);
	for (; from < card->nr_hwqs * FQA_IO_SLOTS; from++) {
		hwq = &card->hwqs[from / FQA_IO_SLOTS];
		run = hwq->runs[from % FQA_IO_SLOTS];
		if (!run || run->queue->obj.ctx != ctx)
			continue;
		hwq->held[from % FQA_IO_SLOTS]++;
		*cid = run->cid;
		*at = from;
		spin_unlock(&card->lock);
		return hwq;
	}
	spin_unlock(&card->lock);
	return NULL;
}

static void fqa_hwq_unhold(struct fqa_card *card, struct fqa_hwq *hwq, u16 cid)
{
	spin_lock(&card->lock);
	hwq->held[cid % FQA_IO_SLOTS]--;
	spin_unlock(&card->lock);
	/* A run may have waited for the slot. */
	fqa_sched_kick(card);
}

/* ABORT a run whose CID is held. */
static void fqa_hwq_abort(struct fqa_card *card, struct fqa_hwq *hwq, u16 cid)
{
	/* Its own failure shows in the run not ending. */
	fqa_admin_abort(card, hwq->ring.qid, cid);
	fqa_hwq_unhold(card, hwq, cid);
	fqa_hwq_poll(card, hwq);
}

static void fqa_hwqs_abort_once(struct fqa_card *card, struct fqa_context *ctx)
{
	unsigned int at = 0;
	struct fqa_hwq *hwq;
	u16 cid;

	while ((hwq = fqa_hwq_hold(card, ctx, at, &at, &cid))) {
		fqa_hwq_abort(card, hwq, cid);
		at++;
	}
}

static bool fqa_context_is_idle(struct fqa_context *ctx)
{
	bool idle;

	spin_lock(&ctx->card->lock);
	idle = !ctx->unfinished;
	spin_unlock(&ctx->card->lock);
	return idle;
}

/*
 * End every run of @ctx that the card has. Its other runs must have been taken
 * back. Returns when the last has ended, which a reset enforces after a while.
 * Within fqa_card_enter(), from the workqueue.
 */
void fqa_hwqs_abort(struct fqa_card *card, struct fqa_context *ctx)
{
	unsigned long limit = jiffies + msecs_to_jiffies(FQA_ADMIN_TIMEOUT_MS);

	while (!fqa_context_is_idle(ctx)) {
		fqa_hwqs_abort_once(card, ctx);
		if (wait_event_timeout(ctx->idle_wait, fqa_context_is_idle(ctx),
				       msecs_to_jiffies(FQA_ABORT_POLL_MS)))
			break;
		if (time_after(jiffies, limit)) {
			fqa_reset_request(card, "does not end a run in spite of an ABORT");
			limit = jiffies + msecs_to_jiffies(FQA_ADMIN_TIMEOUT_MS);
		}
	}
}

static void fqa_hwq_limit_work(struct work_struct *work)
{
	struct fqa_hwq *hwq = container_of(work, struct fqa_hwq, limit_work);
	struct fqa_card *card = hwq->ring.card;
	int idx;

	idx = fqa_card_enter(card);
	if (!fqa_card_is_dead(card))
		fqa_hwq_abort(card, hwq, hwq->limit_cid);
	fqa_card_exit(card, idx);
	spin_lock(&card->lock);
	hwq->limiting = false;
	spin_unlock(&card->lock);
}

/*
 * Abort a run that the card has worked on for too long. In the background, as an ABORT
 * takes memory: the run makes progress, so it ends without one as well.
 */
void fqa_hwq_limit(struct fqa_hwq *hwq, struct fqa_run *run)
{
	lockdep_assert_held(&hwq->ring.card->lock);
	run->limited = true;
	if (hwq->limiting)
		return;
	hwq->limiting = true;
	hwq->limit_cid = run->cid;
	hwq->held[run->cid % FQA_IO_SLOTS]++;
	queue_work(fqa_wq, &hwq->limit_work);
}

/* Of a dead card whose watchdog has stopped. */
void fqa_hwqs_cancel_limits(struct fqa_card *card)
{
	unsigned int i;

	for (i = 0; i < card->nr_hwqs; i++)
		cancel_work_sync(&card->hwqs[i].limit_work);
}
