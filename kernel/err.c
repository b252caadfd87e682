// SPDX-License-Identifier: GPL-2.0
/*
 * What the PCI core tells of: errors on the link (AER, DPC) and resets that somebody
 * else asked it for. The card rests meanwhile, as in a reset of ours, and starts anew
 * when the core is done: what it had in flight goes back to its queue. Nobody is guilty.
 *
 * All but cor_error_detected() come under the device lock, so never beside probe or
 * removal.
 */
#include <linux/jiffies.h>
#include <linux/pci.h>

#include "compat.h"
#include "fqa.h"

/*
 * Before 6.18 the core does not tell when its recovery has failed, of another function on the
 * same link for one. So long after an error we try for ourselves.
 */
#define FQA_ERR_TIMEOUT_MS	20000

/* The PCI core is at work: the card rests until fqa_err_release(). */
static void fqa_err_hold(struct fqa_card *card)
{
	bool held;

	spin_lock(&card->lock);
	card->stats.pci_errors++;
	held = card->err_held;
	card->err_held = true;
	spin_unlock(&card->lock);
	/* A second error may come before the first one's recovery has ended. */
	if (!held)
		fqa_reset_hold(card);
	spin_lock(&card->lock);
	strscpy(card->reset_why, "met an error of PCI Express", sizeof(card->reset_why));
	spin_unlock(&card->lock);
	mod_delayed_work(fqa_recovery_wq, &card->err_work, msecs_to_jiffies(FQA_ERR_TIMEOUT_MS));
}

/* False: the card does not rest because of an error. */
static bool fqa_err_release(struct fqa_card *card)
{
	bool held;

	spin_lock(&card->lock);
	held = card->err_held;
	card->err_held = false;
	spin_unlock(&card->lock);
	if (held)
		fqa_reset_release(card);
	return held;
}

/* What probe has saved; restoring it uses it up on some kernels. */
static void fqa_err_restore(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	pci_save_state(pdev);
}

void fqa_err_work(struct work_struct *work)
{
	struct fqa_card *card = container_of(to_delayed_work(work), struct fqa_card, err_work);
	struct pci_dev *pdev = card->pdev;

	if (!fqa_card_is_dead(card))
		dev_warn(&pdev->dev,
			 "the kernel has not recovered the link; trying without it\n");
	/* Removal waits for us under that lock. */
	if (device_trylock(&pdev->dev)) {
		/* A dead card stays cut off from memory. */
		if (!fqa_card_is_dead(card))
			fqa_err_restore(pdev);
		device_unlock(&pdev->dev);
	}
	fqa_err_release(card);
}

/* With the card at rest: no reset will help, so everything ends with -ENODEV. */
static void fqa_err_give_up(struct fqa_card *card)
{
	if (fqa_card_is_dead(card))
		return;
	dev_err(&card->pdev->dev, "the card is dead: unbind the driver or pull it out\n");
	fqa_card_kill(card);
	queue_work(fqa_wq, &card->announce_work);
}

static pci_ers_result_t fqa_err_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct fqa_card *card = pci_get_drvdata(pdev);

	if (!fqa_card_is_dead(card))
		fqa_err_hold(card);
	switch (state) {
	case pci_channel_io_normal:
		/* Something was lost, and it may have been of a run: these start anew. */
		dev_warn(&pdev->dev, "an error on the link, which still works\n");
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		dev_warn(&pdev->dev, "an error on the link, which is to be reset\n");
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		fqa_err_give_up(card);
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

static bool fqa_err_answers(struct fqa_card *card)
{
	return fqa_hw_read(card, FQA_REG_ID) == FQA_ID;
}

static pci_ers_result_t fqa_err_mmio_enabled(struct pci_dev *pdev)
{
	struct fqa_card *card = pci_get_drvdata(pdev);

	if (fqa_card_is_dead(card) || fqa_err_answers(card))
		return PCI_ERS_RESULT_RECOVERED;
	return PCI_ERS_RESULT_NEED_RESET;
}

/* The card may be as after power on: it has no address, and must not reach memory. */
static pci_ers_result_t fqa_err_slot_reset(struct pci_dev *pdev)
{
	struct fqa_card *card = pci_get_drvdata(pdev);

	/* Other functions on the link need not suffer for one that is dead anyway. */
	if (fqa_card_is_dead(card))
		return PCI_ERS_RESULT_RECOVERED;
	fqa_err_restore(pdev);
	if (fqa_err_answers(card))
		return PCI_ERS_RESULT_RECOVERED;
	dev_err(&pdev->dev, "the card does not answer after a reset of the link\n");
	fqa_err_give_up(card);
	return PCI_ERS_RESULT_DISCONNECT;
}

static void fqa_err_resume(struct pci_dev *pdev)
{
	struct fqa_card *card = pci_get_drvdata(pdev);

	cancel_delayed_work_sync(&card->err_work);
	/* If we were too impatient, the card has lost its state once more. */
	if (!fqa_err_release(card))
		fqa_reset_request(card, "has been recovered by the kernel late");
}

static void fqa_err_reset_prepare(struct pci_dev *pdev)
{
	fqa_reset_hold(pci_get_drvdata(pdev));
}

static void fqa_err_reset_done(struct pci_dev *pdev)
{
	fqa_reset_release(pci_get_drvdata(pdev));
}

#ifdef FQA_HAS_COR_ERROR_DETECTED
/* Without any lock of the PCI core, hence fqa_err_unbind(). */
static DEFINE_SPINLOCK(fqa_err_lock);

static void fqa_err_corrected(struct pci_dev *pdev)
{
	struct fqa_card *card;

	spin_lock(&fqa_err_lock);
	card = pci_get_drvdata(pdev);
	if (card) {
		spin_lock(&card->lock);
		card->stats.pci_corrected++;
		spin_unlock(&card->lock);
	}
	spin_unlock(&fqa_err_lock);
}

/* Before the card goes: it is not found any more. */
void fqa_err_unbind(struct pci_dev *pdev)
{
	spin_lock(&fqa_err_lock);
	pci_set_drvdata(pdev, NULL);
	spin_unlock(&fqa_err_lock);
}
#else
void fqa_err_unbind(struct pci_dev *pdev)
{
	pci_set_drvdata(pdev, NULL);
}
#endif

const struct pci_error_handlers fqa_err_handlers = {
	.error_detected = fqa_err_detected,
	.mmio_enabled = fqa_err_mmio_enabled,
	.slot_reset = fqa_err_slot_reset,
	.resume = fqa_err_resume,
	.reset_prepare = fqa_err_reset_prepare,
	.reset_done = fqa_err_reset_done,
#ifdef FQA_HAS_COR_ERROR_DETECTED
	.cor_error_detected = fqa_err_corrected,
#endif
};
