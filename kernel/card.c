// SPDX-License-Identifier: GPL-2.0
/* A card's life: made by probe, perhaps dead early, freed with its last open file. */
#include <linux/dma-fence.h>
#include <linux/dmapool.h>
#include <linux/error-injection.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "pm.h"

static atomic_t fqa_nr_cards = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(fqa_cards_wait);

static void fqa_card_release(struct device *dev)
{
	struct fqa_card *card = container_of(dev, struct fqa_card, dev);

	fqa_users_free(card);
	ida_destroy(&card->model_slots);
	cleanup_srcu_struct(&card->srcu);
	pci_dev_put(card->pdev);
	if (card->minor >= 0)
		fqa_minor_free(card->minor);
	fqa_coredump_exit(card);
	mempool_destroy(card->reset_cmds);
	kfree(card->vectors);
	kfree(card);
	if (atomic_dec_and_test(&fqa_nr_cards))
		wake_up_all(&fqa_cards_wait);
}

/* For module exit: the last reference to a card may be put by a work item. */
void fqa_cards_wait_gone(void)
{
	wait_event(fqa_cards_wait, !atomic_read(&fqa_nr_cards));
}

static void fqa_card_init(struct fqa_card *card)
{
	spin_lock_init(&card->lock);
	card->state = FQA_STATE_STARTING;
	init_waitqueue_head(&card->state_wait);
	fqa_admin_init(&card->admin);
	sema_init(&card->loads, FQA_MAX_LOADS);
	fqa_fair_init(&card->fair);
	INIT_LIST_HEAD(&card->contexts);
	INIT_LIST_HEAD(&card->users);
	INIT_DELAYED_WORK(&card->watchdog, fqa_watchdog_work);
	INIT_WORK(&card->reset_work, fqa_reset_work);
	INIT_WORK(&card->announce_work, fqa_announce_work);
	INIT_DELAYED_WORK(&card->err_work, fqa_err_work);
	fqa_pm_init(card);
	mutex_init(&card->models_lock);
	INIT_LIST_HEAD(&card->models);
	ida_init(&card->model_slots);
	atomic_set(&card->unloading, 0);
	atomic_set(&card->loading, 0);
	init_waitqueue_head(&card->unload_wait);
	mutex_init(&card->memory_lock);
	INIT_LIST_HEAD(&card->memories);
	mutex_init(&card->import_lock);
	INIT_LIST_HEAD(&card->imports);
}

/* A card that is not visible yet. put_device(&card->dev) undoes it. */
struct fqa_card *fqa_card_create(struct pci_dev *pdev)
{
	struct fqa_card *card = kzalloc(sizeof(*card), GFP_KERNEL);
	int ret;

	if (!card)
		return ERR_PTR(-ENOMEM);
	fqa_card_init(card);
	ret = init_srcu_struct(&card->srcu);
	if (ret)
		goto err_free_card;
	card->reset_cmds = mempool_create_kmalloc_pool(FQA_RESET_CMDS,
						       sizeof(struct fqa_admin_cmd));
	if (!card->reset_cmds) {
		ret = -ENOMEM;
		goto err_cleanup_srcu;
	}
	card->minor = fqa_minor_alloc();
	if (card->minor < 0) {
		ret = card->minor;
		goto err_destroy_reset_cmds;
	}
	card->pdev = pci_dev_get(pdev);
	device_initialize(&card->dev);
	card->dev.class = &fqa_class;
	card->dev.parent = &pdev->dev;
	card->dev.devt = fqa_devt(card->minor);
	card->dev.release = fqa_card_release;
	atomic_inc(&fqa_nr_cards);
	ret = dev_set_name(&card->dev, FQA_NAME "%d", card->minor);
	if (ret) {
		put_device(&card->dev);
		return ERR_PTR(ret);
	}
	cdev_init(&card->cdev, &fqa_fops);
	card->cdev.owner = THIS_MODULE;
	return card;

err_destroy_reset_cmds:
	mempool_destroy(card->reset_cmds);
err_cleanup_srcu:
	cleanup_srcu_struct(&card->srcu);
err_free_card:
	kfree(card);
	return ERR_PTR(ret);
}

/* The last step of probe: users may come. */
int fqa_card_start(struct fqa_card *card)
{
	int ret;

	fqa_admin_set_mode(card, FQA_ADMIN_OPEN);
	spin_lock(&card->lock);
	card->state = FQA_STATE_LIVE;
	spin_unlock(&card->lock);
	ret = cdev_device_add(&card->cdev, &card->dev);
	if (!ret)
		fqa_debugfs_show(card);
	return ret;
}
ALLOW_ERROR_INJECTION(fqa_card_start, ERRNO);

/* The first step of removal: nobody opens it any more, and its name may be used again. */
void fqa_card_hide(struct fqa_card *card)
{
	fqa_debugfs_hide(card);
	cdev_device_del(&card->cdev, &card->dev);
	fqa_minor_free(card->minor);
	card->minor = -1;
}

/* Wake whoever waits for something that a dead card will not do. */
static void fqa_card_wake_all(struct fqa_card *card)
{
	struct fqa_context *ctx;
	struct fqa_queue *queue;

	wake_up_all(&card->state_wait);
	wake_up_all(&card->unload_wait);
	spin_lock(&card->lock);
	list_for_each_entry(ctx, &card->contexts, node) {
		list_for_each_entry(queue, &ctx->queues, node)
			wake_up_all(&queue->wait);
		wake_up_all(&ctx->poll_wait);
		wake_up_all(&ctx->idle_wait);
	}
	spin_unlock(&card->lock);
}

/* Everything that has not finished. */
static void fqa_card_take_runs(struct fqa_card *card, struct list_head *done)
{
	struct fqa_context *ctx;
	struct fqa_queue *queue;
	struct fqa_run *run;

	spin_lock(&card->lock);
	fqa_hwqs_take(card, done);
	list_for_each_entry(run, done, node)
		fqa_run_set_status(run, -ENODEV);
	list_for_each_entry(ctx, &card->contexts, node)
		list_for_each_entry(queue, &ctx->queues, node)
			fqa_sched_take_queue(queue, -ENODEV, done);
	spin_unlock(&card->lock);
}

/*
 * The card is of no use any more: stop it by whatever means work, and end
 * everything with -ENODEV. From the reset work, or when that can't run.
 */
void fqa_card_kill(struct fqa_card *card)
{
	LIST_HEAD(done);
	bool cookie, asleep;

	spin_lock(&card->lock);
	if (card->state == FQA_STATE_DEAD) {
		spin_unlock(&card->lock);
		return;
	}
	asleep = card->state == FQA_STATE_SUSPENDED;
	card->pm.waking = false;
	WRITE_ONCE(card->state, FQA_STATE_DEAD);
	spin_unlock(&card->lock);
	cookie = dma_fence_begin_signalling();
	fqa_admin_set_mode(card, FQA_ADMIN_CLOSED);

	if (!asleep && fqa_hw_disable(card))
		dev_warn(&card->pdev->dev, "does not stop; cutting it off from memory\n");
	/* Without bus mastering it reaches no memory, so pages may be freed. */
	pci_clear_master(card->pdev);
	fqa_irqs_disable(card);

	fqa_models_forget(card);
	fqa_admin_fail_all(card, -ENODEV);
	fqa_card_take_runs(card, &done);
	fqa_sched_finish(card, &done);
	fqa_card_wake_all(card);
	dma_fence_end_signalling(cookie);
}

/*
 * Removal, after fqa_card_kill(): wait for whoever is inside the driver, then
 * take back all that the card had of memory. Objects live on without it.
 */
void fqa_card_drain(struct fqa_card *card)
{
	synchronize_srcu(&card->srcu);
	fqa_models_unmap(card);
	fqa_memory_unmap_all(card);
	fqa_imports_release(card);
}

/*
 * Keep the hardware and its memory from being taken down until fqa_card_exit(),
 * unless fqa_card_is_dead() says after this call that it has begun.
 */
int fqa_card_enter(struct fqa_card *card)
	__acquires(&card->srcu)
{
	return srcu_read_lock(&card->srcu);
}

void fqa_card_exit(struct fqa_card *card, int idx)
	__releases(&card->srcu)
{
	srcu_read_unlock(&card->srcu, idx);
}

static bool fqa_card_is_coming(const struct fqa_card *card)
{
	enum fqa_state state = READ_ONCE(card->state);

	return state == FQA_STATE_RESETTING || state == FQA_STATE_SUSPENDED;
}

/*
 * Wait for a reset or sleep to end: 0, -ENODEV, or -EINTR if the task is being killed. The caller
 * holds something that keeps the card awake (fqa_pm_get()).
 */
int fqa_card_wait_live(struct fqa_card *card)
{
	if (wait_event_killable(card->state_wait, !fqa_card_is_coming(card)))
		return -EINTR;
	return fqa_card_is_dead(card) ? -ENODEV : 0;
}
