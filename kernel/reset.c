// SPDX-License-Identifier: GPL-2.0
/*
 * Resetting the card. The reset bit makes the card forget everything at once
 * (CARD.md section 3.1): commands in flight are ended with -EIO, queues are made
 * anew, models are loaded again from the driver's copies, and what had not
 * started goes on. If that does not help, the card is cut off and stays dead.
 */
#include <linux/pci.h>

#include "fqa.h"

/* Ask for a reset. Any context that may sleep or not; at most one is under way. */
void fqa_reset_request(struct fqa_card *card, const char *why)
{
	bool queue = false;

	spin_lock(&card->lock);
	if (card->state == FQA_STATE_LIVE && !card->removing) {
		card->state = FQA_STATE_RESETTING;
		queue = true;
	}
	spin_unlock(&card->lock);
	if (!queue)
		return;
	dev_warn(&card->pdev->dev, "the card %s; resetting it\n", why);
	/* Not fqa_wq: its workers may all be waiting for this. */
	queue_work(system_unbound_wq, &card->reset_work);
}

/*
 * The PCI core is about to reset the function: as if a reset had been asked for, but
 * without one until fqa_reset_release(). Under the device lock, so not during removal.
 */
void fqa_reset_hold(struct fqa_card *card)
{
	bool again;

	do {
		/* One that is under way ends first, and finds the card answering. */
		flush_work(&card->reset_work);
		spin_lock(&card->lock);
		again = card->state == FQA_STATE_RESETTING;
		if (card->state == FQA_STATE_LIVE)
			card->state = FQA_STATE_RESETTING;
		spin_unlock(&card->lock);
	} while (again);
}

/* The card has lost everything: the reset that finds out what, unless it is dead. */
void fqa_reset_release(struct fqa_card *card)
{
	if (fqa_card_is_dead(card))
		return;
	dev_warn(&card->pdev->dev, "the card was reset from outside; starting it anew\n");
	queue_work(system_unbound_wq, &card->reset_work);
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

/* Stop the card and end what it had. On failure the card may still do DMA. */
static int fqa_reset_stop(struct fqa_card *card, struct list_head *done)
{
	int ret;

	fqa_admin_set_mode(card, FQA_ADMIN_CLOSED);
	ret = fqa_hw_disable(card);
	if (ret)
		return ret;
	fqa_irqs_disable(card);
	fqa_models_forget(card);
	fqa_admin_fail_all(card, -EIO);
	fqa_hwqs_take(card, -EIO, done);
	fqa_ring_reset(&card->admin.ring);
	fqa_hwqs_reset(card);
	fqa_irqs_enable(card);
	return 0;
}

static int fqa_reset_try(struct fqa_card *card)
{
	LIST_HEAD(done);
	int ret;

	ret = fqa_reset_stop(card, &done);
	fqa_sched_finish(card, &done);
	if (ret)
		return ret;
	ret = fqa_reset_start(card);
	if (ret)
		return ret;
	return fqa_models_reload(card);
}

static void fqa_reset_done(struct fqa_card *card)
{
	fqa_admin_set_mode(card, FQA_ADMIN_OPEN);
	spin_lock(&card->lock);
	card->state = FQA_STATE_LIVE;
	spin_unlock(&card->lock);
	wake_up_all(&card->state_wait);
	dev_info(&card->pdev->dev, "reset done\n");
	fqa_sched_kick(card);
	/* A failure while the state was not LIVE has gone unnoticed. */
	fqa_reset_check(card);
}

void fqa_reset_work(struct work_struct *work)
{
	struct fqa_card *card = container_of(work, struct fqa_card, reset_work);
	unsigned int tries;
	int ret = -EIO;

	for (tries = 0; tries < FQA_RESET_TRIES && !READ_ONCE(card->removing); tries++) {
		ret = fqa_reset_try(card);
		if (!ret || ret == -ENODEV)
			break;
		dev_warn(&card->pdev->dev, "reset failed: error %d\n", ret);
	}
	if (!ret) {
		fqa_reset_done(card);
		return;
	}
	/* Removal does this itself. */
	if (READ_ONCE(card->removing))
		return;
	dev_err(&card->pdev->dev, "the card is dead: unbind the driver or pull it out\n");
	fqa_card_kill(card);
}
