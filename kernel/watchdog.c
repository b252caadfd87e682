// SPDX-License-Identifier: GPL-2.0
/*
 * The watchdog looks after a card that has runs: for progress (CARD.md section 3.3),
 * for runs that take too long, and for completions whose interrupt got lost.
 */
#include <linux/dma-fence.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/pci.h>

#include "fqa.h"

/* A hang is noticed within 1 1/2 times its timeout, a lost interrupt within two looks. */
#define FQA_LOOKS_PER_HANG	4
#define FQA_LOOK_MAX_MS		250

static unsigned int fqa_watchdog_ms(void)
{
	return min_t(unsigned int, fqa_hang_ms() / FQA_LOOKS_PER_HANG, FQA_LOOK_MAX_MS);
}

/* In jiffies, between two looks. */
unsigned long fqa_watchdog_interval(void)
{
	return msecs_to_jiffies(fqa_watchdog_ms());
}

/*
 * Whether a completion waits that waited already when we last looked. A late interrupt
 * thread is no lost interrupt yet.
 */
static bool fqa_watch_interrupt(struct fqa_card *card, struct fqa_hwq *hwq)
{
	bool lost = false, first = false;

	spin_lock(&card->lock);
	if (card->state == FQA_STATE_LIVE) {
		bool waiting = fqa_ring_waiting(&hwq->ring);

		lost = waiting && hwq->waiting && hwq->waiting_at == hwq->ring.head;
		hwq->waiting = waiting && !lost;
		hwq->waiting_at = hwq->ring.head;
	}
	if (lost)
		first = !card->stats.lost_interrupts++;
	spin_unlock(&card->lock);
	if (first)
		dev_warn(&card->pdev->dev,
			 "an interrupt of queue %u got lost or is very late; further ones are only counted\n",
			 hwq->ring.qid);
	return lost;
}

/*
 * Whether the queue's first run has taken so long, with its earlier parts, that it is to
 * end, or to end at last.
 */
static bool fqa_watch_limit(struct fqa_hwq *hwq, struct fqa_run *run)
{
	s64 ms = ktime_to_ms(ktime_get() - hwq->began + run->worked_ns);
	unsigned int limit = fqa_run_limit_ms();

	if (limit && ms > limit)
		fqa_hwq_limit(hwq, run);
	return run->limited && ms > (s64)limit + FQA_ADMIN_TIMEOUT_MS;
}

/*
 * Whether the queue's register has stood still for too long. Only time that we were
 * looking counts: if we did not run, maybe the card, or an emulator, did not either.
 */
static bool fqa_watch_progress(struct fqa_hwq *hwq)
{
	u32 progress = fqa_hw_read(hwq->ring.card, FQA_REG_PROGRESS(hwq->ring.qid));
	ktime_t now = ktime_get();

	if (progress != hwq->progress)
		hwq->still = 0;
	else
		hwq->still += min(now - hwq->looked, ms_to_ktime(2 * fqa_watchdog_ms()));
	hwq->progress = progress;
	hwq->looked = now;
	return ktime_to_ms(hwq->still) >= fqa_hang_ms();
}

/* True: the run that the card executes is guilty, and a reset has been claimed. */
static bool fqa_watch_run(struct fqa_card *card, struct fqa_hwq *hwq)
{
	struct fqa_run *run = list_first_entry_or_null(&hwq->order, struct fqa_run, node);

	lockdep_assert_held(&card->lock);
	/* What has completed is not what it is at. */
	if (card->state != FQA_STATE_LIVE || !run || fqa_ring_waiting(&hwq->ring))
		return false;
	if (fqa_watch_progress(hwq)) {
		if (!fqa_reset_claim(card, "made no progress with a run of process %d for %lld ms",
				     run->queue->obj.ctx->pid, ktime_to_ms(hwq->still)))
			return false;
	} else if (fqa_watch_limit(hwq, run)) {
		if (!fqa_reset_claim(card, "does not end a run of process %d in spite of an ABORT",
				     run->queue->obj.ctx->pid))
			return false;
	} else {
		return false;
	}
	run->guilty = true;
	card->stats.hangs++;
	return true;
}

/* True: there is reason to look again. */
static bool fqa_watch_queue(struct fqa_card *card, struct fqa_hwq *hwq)
{
	bool hung, busy;

	if (fqa_watch_interrupt(card, hwq))
		fqa_hwq_poll(card, hwq);
	spin_lock(&card->lock);
	hung = fqa_watch_run(card, hwq);
	busy = !list_empty(&hwq->order);
	spin_unlock(&card->lock);
	if (hung)
		fqa_reset_queue(card);
	return busy;
}

/*
 * Queued by the start of a run, and by itself while there are any. Of a dead card it is
 * stopped before the registers go.
 */
void fqa_watchdog_work(struct work_struct *work)
{
	struct fqa_card *card = container_of(to_delayed_work(work), struct fqa_card, watchdog);
	bool cookie = dma_fence_begin_signalling();
	bool busy = false;
	unsigned int i;

	/* Its interrupt may have got lost, too. */
	fqa_reset_check(card);
	for (i = 0; i < card->nr_hwqs; i++)
		busy |= fqa_watch_queue(card, &card->hwqs[i]);
	if (busy && !fqa_card_is_dead(card))
		queue_delayed_work(fqa_recovery_wq, &card->watchdog, fqa_watchdog_interval());
	dma_fence_end_signalling(cookie);
}
