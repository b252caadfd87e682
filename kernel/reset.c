// SPDX-License-Identifier: GPL-2.0
/*
 * Resetting the card. The reset bit makes the card forget everything at once
 * (CARD.md section 3.1); where that does not help, the function is reset. Who is guilty is
 * ended, what else was in flight goes back to its queue, queues are made
 * anew, models are loaded again from the driver's copies, and the runs go on. If
 * nothing helps, the card is cut off and stays dead.
 */
#include <linux/dma-fence.h>
#include <linux/jiffies.h>
#include <linux/pci.h>
#include <linux/user_namespace.h>

#include "fqa.h"
#include "pm.h"
#include "trace.h"

/* Resets with less than this between them are in quick succession. */
#define FQA_CALM_MS		10000
/* Of these, so many are done at once, ... */
#define FQA_RESETS_AT_ONCE	3
/* ... and then the card is left alone for a while, twice as long each time. */
#define FQA_BACKOFF_MS		250
#define FQA_BACKOFF_DOUBLINGS	6

/*
 * Under card->lock: from now on nothing that the card completes counts. True: the
 * caller goes on with fqa_reset_queue(), without the lock. "The card" and @fmt make a sentence.
 */
bool fqa_reset_claim(struct fqa_card *card, const char *fmt, ...)
{
	va_list args;

	lockdep_assert_held(&card->lock);
	if (card->state != FQA_STATE_LIVE || card->removing)
		return false;
	card->state = FQA_STATE_RESETTING;
	va_start(args, fmt);
	vscnprintf(card->reset_why, sizeof(card->reset_why), fmt, args);
	va_end(args);
	return true;
}

void fqa_reset_queue(struct fqa_card *card)
{
	dev_warn(&card->pdev->dev, "the card %s; resetting it\n", card->reset_why);
	queue_work(fqa_recovery_wq, &card->reset_work);
}

/* Ask for a reset. Any context that may sleep or not; at most one is under way. */
void fqa_reset_request(struct fqa_card *card, const char *why)
{
	bool claimed;

	spin_lock(&card->lock);
	claimed = fqa_reset_claim(card, "%s", why);
	spin_unlock(&card->lock);
	if (claimed)
		fqa_reset_queue(card);
}

/* Removal: no reset is under way any more, none will be, and the last has been told of. */
void fqa_reset_forbid(struct fqa_card *card)
{
	spin_lock(&card->lock);
	WRITE_ONCE(card->removing, true);
	spin_unlock(&card->lock);
	wake_up_all(&card->state_wait);
	cancel_delayed_work_sync(&card->err_work);
	cancel_work_sync(&card->reset_work);
	flush_work(&card->announce_work);
}

/*
 * The PCI core is about to reset the function: as if a reset had been asked for, but
 * without one until fqa_reset_release(). Under the device lock, so not during removal.
 * Held more than once, the card waits for the last release.
 */
void fqa_reset_hold(struct fqa_card *card)
{
	bool again;

	if (READ_ONCE(card->resetter) == current)
		return;
	spin_lock(&card->lock);
	again = !card->holds++;
	if (again)
		fqa_pm_hold(card);
	spin_unlock(&card->lock);
	while (again) {
		/* One that is under way ends first, and finds the card answering. */
		flush_work(&card->reset_work);
		spin_lock(&card->lock);
		again = card->state == FQA_STATE_RESETTING;
		if (card->state == FQA_STATE_LIVE) {
			card->state = FQA_STATE_RESETTING;
			card->reset_why[0] = 0;
		}
		spin_unlock(&card->lock);
	}
}

/* The card has lost everything: the reset that finds out what, unless it is dead or asleep. */
void fqa_reset_release(struct fqa_card *card)
{
	bool last, ours;

	if (READ_ONCE(card->resetter) == current)
		return;
	spin_lock(&card->lock);
	last = !--card->holds;
	ours = card->state == FQA_STATE_RESETTING;
	spin_unlock(&card->lock);
	if (last)
		fqa_pm_release(card);
	if (!last || !ours)
		return;
	dev_warn(&card->pdev->dev, "the card %s; starting it anew\n",
		 card->reset_why[0] ? card->reset_why : "was reset from outside");
	queue_work(fqa_recovery_wq, &card->reset_work);
}

/* The admin interrupt may mean that the card has stopped (CARD.md section 3.4). */
void fqa_reset_check(struct fqa_card *card)
{
	u32 status = fqa_hw_read(card, FQA_REG_STATUS);

	if (!(status & FQA_STATUS_FATAL) || READ_ONCE(card->state) != FQA_STATE_LIVE)
		return;
	if (status == U32_MAX) {
		fqa_reset_request(card, "does not answer (has it been pulled out?)");
		return;
	}
	dev_warn_ratelimited(&card->pdev->dev, "fatal error, cause %u\n",
			     FQA_STATUS_CAUSE(status));
	fqa_reset_request(card, "has stopped");
}

/*
 * From a disabled card with nothing in flight to one with all its queues. Also
 * used by probe. Interrupts must be on.
 */
int fqa_reset_start(struct fqa_card *card)
{
	int ret;

	ret = fqa_hw_enable(card);
	if (ret)
		return ret;
	fqa_admin_set_mode(card, FQA_ADMIN_INTERNAL);
	return fqa_hwqs_create(card);
}

/*
 * Reset the function, unless somebody holds the device lock: removal, which will wait for
 * us, or another reset.
 */
static void fqa_reset_function(struct fqa_card *card)
{
	int ret;

	dev_warn(&card->pdev->dev, "the reset bit has not helped; resetting the function\n");
	/* So that the PCI core's calls of fqa_reset_hold() and _release() are known as ours. */
	WRITE_ONCE(card->resetter, current);
	ret = pci_try_reset_function(card->pdev);
	WRITE_ONCE(card->resetter, NULL);
	if (ret)
		dev_warn(&card->pdev->dev, "the function cannot be reset: error %d\n", ret);
}

/* Stop the card. On failure it may still do DMA. */
static int fqa_reset_disable(struct fqa_card *card, bool again)
{
	int ret;

	fqa_admin_set_mode(card, FQA_ADMIN_CLOSED);
	ret = fqa_hw_disable(card);
	/* A card that was pulled out has no function to reset. */
	if (ret == -ENODEV || (!ret && !again))
		return ret;
	fqa_reset_function(card);
	return fqa_hw_disable(card);
}

/*
 * What becomes of a run that the card has lost: 0: it starts once more, else its status.
 * A run is replayed after one reset, since after two it may well be what brings the card down.
 * Sleep says nothing of the run, and whoever submitted it has no part in it: it starts anew as
 * often as there is sleep, and after a reset all the same.
 */
static int fqa_reset_status(const struct fqa_run *run, bool sleep)
{
	const struct fqa_context *ctx = run->queue->obj.ctx;

	if (run->guilty || run->limited)
		return -ETIMEDOUT;
	if ((run->replayed && !sleep) || run->queue->closed || ctx->closed || ctx->banned)
		return -ECANCELED;
	return 0;
}

/* All open files of a user whose runs have hung the card too often. */
static void fqa_reset_ban(struct fqa_card *card, struct fqa_user *user, struct list_head *done)
{
	struct fqa_context *ctx;

	list_for_each_entry(ctx, &card->contexts, node)
		if (ctx->user == user)
			fqa_context_ban(ctx, done);
	dev_warn(&card->pdev->dev,
		 "runs of user %u hang the card again and again; closing all its open files\n",
		 from_kuid(&init_user_ns, user->uid));
}

static void fqa_reset_blame(struct fqa_card *card, struct list_head *lost,
			    struct list_head *done)
{
	struct fqa_context *ctx;
	struct fqa_run *run;

	list_for_each_entry(run, lost, node) {
		ctx = run->queue->obj.ctx;
		if (run->guilty && fqa_user_blame(card, ctx->user))
			fqa_reset_ban(card, ctx->user, done);
		if (run->guilty && fqa_context_blame(ctx, done))
			dev_warn(&card->pdev->dev,
				 "runs of process %d hang the card again and again; closing its open file\n",
				 ctx->pid);
	}
}

/* The card has forgotten its runs: end them, or give them back to their queues. */
static void fqa_reset_judge(struct fqa_card *card, bool sleep, struct list_head *done)
{
	struct fqa_run *run, *next;
	LIST_HEAD(lost);
	int status;

	spin_lock(&card->lock);
	fqa_hwqs_take(card, &lost);
	fqa_reset_blame(card, &lost, done);
	list_for_each_entry_safe(run, next, &lost, node) {
		list_del(&run->node);
		status = fqa_reset_status(run, sleep);
		if (!status) {
			if (!sleep) {
				fqa_user_owe(card, run);
				card->stats.replays++;
			}
			fqa_sched_return(run);
			continue;
		}
		fqa_run_set_status(run, status);
		if (run->limited && !run->guilty)
			run->result.card_status = FQA_SC_ABORTED;
		list_add_tail(&run->node, done);
	}
	spin_unlock(&card->lock);
}

/* With the card stopped and interrupts off: what it had. Runs that end go to @done. */
static void fqa_reset_forget(struct fqa_card *card, bool sleep, struct list_head *done)
{
	fqa_models_forget(card);
	fqa_admin_fail_all(card, -EIO);
	fqa_reset_judge(card, sleep, done);
	fqa_ring_reset(&card->admin.ring);
	fqa_hwqs_reset(card);
}

/* With the card stopped: settle what it had. */
static void fqa_reset_settle(struct fqa_card *card)
{
	LIST_HEAD(done);

	fqa_irqs_disable(card);
	fqa_reset_forget(card, false, &done);
	fqa_irqs_enable(card);
	fqa_sched_finish(card, &done);
}

/*
 * The card goes to sleep: stopped, without interrupts, cut off from memory. A card that does
 * not stop is stopped by the loss of power, or by the reset when it wakes.
 */
void fqa_reset_stop(struct fqa_card *card)
{
	bool cookie = dma_fence_begin_signalling();
	LIST_HEAD(done);

	fqa_admin_set_mode(card, FQA_ADMIN_CLOSED);
	if (fqa_hw_disable(card))
		dev_warn(&card->pdev->dev, "does not stop; cutting it off from memory\n");
	pci_clear_master(card->pdev);
	fqa_irqs_disable(card);
	fqa_reset_forget(card, true, &done);
	fqa_sched_finish(card, &done);
	dma_fence_end_signalling(cookie);
}

/*
 * A card that needs one reset after the other is started later and later. After
 * runs have been told their end, so it is only the others that wait.
 */
static void fqa_reset_back_off(struct fqa_card *card)
{
	unsigned int ms = 0, doublings;

	if (card->reset_streak &&
	    time_after(jiffies, card->reset_last + msecs_to_jiffies(FQA_CALM_MS)))
		card->reset_streak = 0;
	if (card->reset_streak >= FQA_RESETS_AT_ONCE) {
		doublings = min_t(unsigned int, card->reset_streak - FQA_RESETS_AT_ONCE,
				  FQA_BACKOFF_DOUBLINGS);
		ms = min_t(unsigned int, FQA_BACKOFF_MS << doublings, fqa_backoff_max_ms());
	}
	card->reset_streak++;
	if (ms)
		wait_event_timeout(card->state_wait, READ_ONCE(card->removing),
				   msecs_to_jiffies(ms));
}

static int fqa_reset_try(struct fqa_card *card, unsigned int tries)
{
	bool cookie;
	int ret;

	ret = fqa_reset_disable(card, tries);
	if (ret)
		return ret;
	/* Not around the PCI core's reset, which is seldom needed and none of our code. */
	cookie = dma_fence_begin_signalling();
	fqa_reset_settle(card);
	if (!tries && !card->pm.waking)
		fqa_reset_back_off(card);
	ret = fqa_reset_start(card);
	if (!ret)
		ret = fqa_models_reload(card);
	dma_fence_end_signalling(cookie);
	return ret;
}

static void fqa_reset_done(struct fqa_card *card, bool waking)
{
	bool dead;

	fqa_admin_set_mode(card, FQA_ADMIN_OPEN);
	if (!waking)
		card->reset_last = jiffies;
	spin_lock(&card->lock);
	dead = card->state == FQA_STATE_DEAD;
	if (!dead)
		card->state = FQA_STATE_LIVE;
	card->pm.waking = false;
	spin_unlock(&card->lock);
	/* The PCI core's recovery, coming late, has given the card up meanwhile. */
	if (dead) {
		fqa_admin_set_mode(card, FQA_ADMIN_CLOSED);
		fqa_admin_fail_all(card, -ENODEV);
		return;
	}
	wake_up_all(&card->state_wait);
	if (!waking)
		dev_info(&card->pdev->dev, "reset done\n");
	fqa_sched_kick(card);
	/* A failure while the state was not LIVE has gone unnoticed. */
	fqa_reset_check(card);
}

static void fqa_reset_do(struct fqa_card *card, bool waking)
{
	unsigned int tries;
	int ret = -EIO;

	for (tries = 0; tries < FQA_RESET_TRIES && !READ_ONCE(card->removing); tries++) {
		ret = fqa_reset_try(card, tries);
		if (!ret || ret == -ENODEV)
			break;
		dev_warn(&card->pdev->dev, "%s failed: error %d\n",
			 waking ? "waking up" : "reset", ret);
	}
	if (!ret) {
		fqa_reset_done(card, waking);
		return;
	}
	/* Removal does this itself. */
	if (READ_ONCE(card->removing))
		return;
	if (waking)
		dev_err(&card->pdev->dev, "the card does not wake up: error %d\n", ret);
	dev_err(&card->pdev->dev, "the card is dead: unbind the driver or pull it out\n");
	fqa_card_kill(card);
}

void fqa_reset_work(struct work_struct *work)
{
	struct fqa_card *card = container_of(work, struct fqa_card, reset_work);
	bool waking;

	spin_lock(&card->lock);
	waking = card->pm.waking;
	if (!waking)
		card->stats.resets++;
	spin_unlock(&card->lock);
	if (!waking) {
		trace_fqa_reset(card);
		fqa_coredump_take(card);
	}
	fqa_reset_do(card, waking);
	if (!waking || fqa_card_is_dead(card)) {
		trace_fqa_reset_done(card, fqa_card_is_dead(card) ? -ENODEV : 0);
		queue_work(fqa_wq, &card->announce_work);
	}
	fqa_pm_awake(card);
}
