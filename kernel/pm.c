// SPDX-License-Identifier: GPL-2.0
/*
 * Sleep: of the system, and of a card that nobody has used for a while (runtime PM). The card
 * forgets everything in D3hot (CARD.md section 2), so what it had is taken back as by a
 * reset from outside, and waking is a start by the reset work: queues are made, models
 * loaded from the driver's copies, runs go on. User space sees nothing but time.
 *
 * The card's own state, and not what the PM core thinks, says whether it is asleep: it becomes
 * FQA_STATE_SUSPENDED under card->lock, and whoever looks there first touches no register of
 * a card without power. The PCI core changes the power state after us, and before us on the
 * way back.
 *
 * Runs that have not ended and admin commands that exist keep the card awake: fqa_card.pm.users
 * counts them and holds one reference of runtime PM for all. A card that sleeps when it is
 * needed is woken by a work of fqa_recovery_wq, and not by the PM core's own workqueue, which
 * may wait for memory and for the end of a freeze.
 */
#include <linux/delay.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "pm.h"

/* With nothing to do for this long a card falls asleep, where power/control is auto. */
#define FQA_AUTOSUSPEND_MS	2000

static struct device *fqa_pm_dev(struct fqa_card *card)
{
	return &card->pdev->dev;
}

/* Something needs the card awake from now on, and may have to wait: fqa_card_wait_live(). */
void fqa_pm_busy(struct fqa_card *card)
{
	lockdep_assert_held(&card->lock);
	if (card->pm.users++ || !card->pm.on)
		return;
	pm_runtime_get_noresume(fqa_pm_dev(card));
	if (card->state == FQA_STATE_SUSPENDED)
		queue_work(fqa_recovery_wq, &card->pm.wake_work);
}

void fqa_pm_idle(struct fqa_card *card)
{
	lockdep_assert_held(&card->lock);
	if (--card->pm.users || !card->pm.on)
		return;
	pm_runtime_mark_last_busy(fqa_pm_dev(card));
	pm_runtime_put_autosuspend(fqa_pm_dev(card));
}

void fqa_pm_get(struct fqa_card *card)
{
	spin_lock(&card->lock);
	fqa_pm_busy(card);
	spin_unlock(&card->lock);
}

void fqa_pm_put(struct fqa_card *card)
{
	spin_lock(&card->lock);
	fqa_pm_idle(card);
	spin_unlock(&card->lock);
}

/* For who only wants to look: false if the card is asleep, which it may go on to be. */
bool fqa_pm_get_awake(struct fqa_card *card)
{
	bool awake;

	spin_lock(&card->lock);
	awake = card->state != FQA_STATE_SUSPENDED;
	if (awake)
		fqa_pm_busy(card);
	spin_unlock(&card->lock);
	return awake;
}

/* MEM_FREE, also of a card that is asleep: with the models that it will have again. */
u64 fqa_pm_memory_free(struct fqa_card *card)
{
	u64 bytes;

	spin_lock(&card->lock);
	if (card->state == FQA_STATE_SUSPENDED || card->pm.waking)
		bytes = card->pm.memory_free;
	else
		bytes = fqa_hw_read64(card, FQA_REG_MEM_FREE);
	spin_unlock(&card->lock);
	return min(bytes, card->mem_size);
}

/* A model is being freed that a sleeping card would have got back. */
void fqa_pm_model_gone(const struct fqa_model *model)
{
	struct fqa_card *card = model->obj.ctx->card;

	spin_lock(&card->lock);
	if (model->dead)
		card->pm.memory_free += model->info.image_bytes + model->info.arena_bytes;
	spin_unlock(&card->lock);
}

/*
 * 0: from now on the card counts as asleep, and nobody but the caller touches it. 1: it is dead.
 * -EBUSY: a reset is under way, or @idle and it has something to do.
 */
static int fqa_pm_claim(struct fqa_card *card, bool idle)
{
	int ret = 0;

	spin_lock(&card->lock);
	if (card->state == FQA_STATE_DEAD) {
		ret = 1;
	} else if (card->state != FQA_STATE_LIVE || (idle && card->pm.users)) {
		ret = -EBUSY;
	} else {
		card->pm.memory_free = fqa_hw_read64(card, FQA_REG_MEM_FREE);
		WRITE_ONCE(card->state, FQA_STATE_SUSPENDED);
	}
	spin_unlock(&card->lock);
	return ret;
}

/* After fqa_pm_claim(): ready for D3hot. */
static void fqa_pm_quiesce(struct fqa_card *card)
{
	/* Neither looks at a register again: the last reset at its very end, the watchdog. */
	flush_work(&card->reset_work);
	cancel_delayed_work_sync(&card->watchdog);
	fqa_reset_stop(card);
}

/*
 * In D0 again: have the reset work start the card, unless it is not asleep. While others
 * reset the function it has to wait for them.
 */
static void fqa_pm_wake(struct fqa_card *card)
{
	bool wake;

	spin_lock(&card->lock);
	wake = card->state == FQA_STATE_SUSPENDED && !card->removing;
	card->pm.deferred = wake && card->holds;
	wake = wake && !card->holds;
	if (wake) {
		WRITE_ONCE(card->state, FQA_STATE_RESETTING);
		card->pm.waking = true;
		/* Told only if it never gets there. */
		strscpy(card->reset_why, "does not wake up", sizeof(card->reset_why));
	}
	spin_unlock(&card->lock);
	if (!wake)
		return;
	pci_set_master(card->pdev);
	/* For after a reset of the link. */
	pci_save_state(card->pdev);
	fqa_irqs_enable(card);
	queue_work(fqa_recovery_wq, &card->reset_work);
}

/* The reset work has come to an end: a card that was too young to sleep may have nothing to do. */
void fqa_pm_awake(struct fqa_card *card)
{
	pm_runtime_mark_last_busy(fqa_pm_dev(card));
	pm_request_autosuspend(fqa_pm_dev(card));
}

static void fqa_pm_wake_work(struct work_struct *work)
{
	struct fqa_card *card = container_of(work, struct fqa_card, pm.wake_work);
	int ret = pm_runtime_resume(fqa_pm_dev(card));

	/* -EACCES: the whole system sleeps, and wakes the card when it wakes. */
	if (ret >= 0 || ret == -EACCES || READ_ONCE(card->state) != FQA_STATE_SUSPENDED)
		return;
	/* Runs may not wait for ever. */
	dev_err(fqa_pm_dev(card), "the card cannot be powered up: error %d; it is dead\n", ret);
	fqa_card_kill(card);
}

/*
 * The function is about to be reset by others: until fqa_pm_release() it neither falls asleep
 * nor, if it sleeps, wakes up. Resetting it asleep is of no harm.
 */
void fqa_pm_hold(struct fqa_card *card)
{
	lockdep_assert_held(&card->lock);
	if (!card->pm.held)
		pm_runtime_get_noresume(fqa_pm_dev(card));
	card->pm.held = true;
}

/* Not if others have begun since to hold it: then their release is the last. */
void fqa_pm_release(struct fqa_card *card)
{
	bool last;

	if (READ_ONCE(card->pm.deferred))
		fqa_pm_wake(card);
	spin_lock(&card->lock);
	last = card->pm.held && !(card->holds && card->pm.on);
	if (last) {
		card->pm.held = false;
		card->pm.deferred = false;
	}
	spin_unlock(&card->lock);
	if (!last)
		return;
	pm_runtime_mark_last_busy(fqa_pm_dev(card));
	pm_runtime_put_autosuspend(fqa_pm_dev(card));
}

/*
 * The system goes to sleep. User space is frozen, which ends waits and lets LOADs finish;
 * runs may be in flight, and works of ours may be at an ABORT or UNLOAD.
 */
static int fqa_pm_suspend(struct device *dev)
{
	struct fqa_card *card = dev_get_drvdata(dev);
	int ret;

	for (;;) {
		flush_work(&card->reset_work);
		ret = fqa_pm_claim(card, false);
		if (ret != -EBUSY)
			break;
		/*
		 * Who resets the function from outside needs the device lock to end that. The
		 * PCI core has woken the card, or never will.
		 */
		if (READ_ONCE(card->pm.held) || READ_ONCE(card->state) == FQA_STATE_SUSPENDED)
			return ret;
		usleep_range(500, 1000);
	}
	if (!ret)
		fqa_pm_quiesce(card);
	return 0;
}

/* The start goes on in the background; if it fails, the card is dead, as after any reset. */
static int fqa_pm_resume(struct device *dev)
{
	fqa_pm_wake(dev_get_drvdata(dev));
	return 0;
}

static int fqa_pm_runtime_suspend(struct device *dev)
{
	struct fqa_card *card = dev_get_drvdata(dev);
	int ret = fqa_pm_claim(card, true);

	/* The end of what keeps it busy, a reset included, asks again. */
	if (ret < 0)
		return ret;
	if (!ret)
		fqa_pm_quiesce(card);
	return 0;
}

static int fqa_pm_runtime_resume(struct device *dev)
{
	fqa_pm_wake(dev_get_drvdata(dev));
	return 0;
}

const struct dev_pm_ops fqa_pm_ops = {
	SYSTEM_SLEEP_PM_OPS(fqa_pm_suspend, fqa_pm_resume)
	RUNTIME_PM_OPS(fqa_pm_runtime_suspend, fqa_pm_runtime_resume, NULL)
};

void fqa_pm_init(struct fqa_card *card)
{
	INIT_WORK(&card->pm.wake_work, fqa_pm_wake_work);
}

/* The end of probe, during which the PCI core keeps the card awake. */
void fqa_pm_start(struct fqa_card *card)
{
	struct device *dev = fqa_pm_dev(card);

	/*
	 * A card that sleeps is woken before the system does: else nobody would wake it for a
	 * work that needs it when the system wakes.
	 */
	dev_pm_set_driver_flags(dev, DPM_FLAG_NO_DIRECT_COMPLETE);
	pm_runtime_set_autosuspend_delay(dev, FQA_AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);
	spin_lock(&card->lock);
	card->pm.on = true;
	if (card->pm.users)
		pm_runtime_get_noresume(dev);
	spin_unlock(&card->lock);
	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
}

/* The first step of removal: the card is awake, kept so by the PCI core, and stays so. */
void fqa_pm_stop(struct fqa_card *card)
{
	struct device *dev = fqa_pm_dev(card);

	pm_runtime_get_noresume(dev);
	spin_lock(&card->lock);
	card->pm.on = false;
	if (card->pm.users)
		pm_runtime_put_noidle(dev);
	spin_unlock(&card->lock);
	cancel_work_sync(&card->pm.wake_work);
	fqa_pm_release(card);
	pm_runtime_dont_use_autosuspend(dev);
	dev_pm_set_driver_flags(dev, 0);
}
