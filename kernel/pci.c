// SPDX-License-Identifier: GPL-2.0
/* Binding to the PCI function: resources, interrupts, probe and remove. */
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "pm.h"

static irqreturn_t fqa_irq_thread(int irq, void *data)
{
	struct fqa_vector *vector = data;
	struct fqa_card *card = vector->card;
	bool cookie = dma_fence_begin_signalling();
	unsigned int i;

	if (!vector->index) {
		fqa_admin_poll(card);
		fqa_reset_check(card);
	}
	for (i = 0; i < card->nr_hwqs; i++)
		if (card->hwqs[i].vector == vector->index)
			fqa_hwq_poll(card, &card->hwqs[i]);
	dma_fence_end_signalling(cookie);
	return IRQ_HANDLED;
}

/* Returns when no interrupt thread runs any more. */
void fqa_irqs_disable(struct fqa_card *card)
{
	unsigned int i;

	for (i = 0; i < card->nr_vectors; i++)
		disable_irq(card->vectors[i].irq);
}

void fqa_irqs_enable(struct fqa_card *card)
{
	unsigned int i;

	for (i = 0; i < card->nr_vectors; i++)
		enable_irq(card->vectors[i].irq);
}

/*
 * Each queue's interrupt to a CPU of its own, as far as there are any. Not for good: the admin
 * or a CPU that goes may move it.
 */
static void fqa_irq_place(struct fqa_vector *vector)
{
	int node = dev_to_node(&vector->card->pdev->dev);
	int cpu;

	vector->cpu = -1;
	if (!vector->index)
		return;
	cpu = cpumask_local_spread(vector->index - 1, node);
	if (!irq_set_affinity_and_hint(vector->irq, cpumask_of(cpu)))
		vector->cpu = cpu;
}

static void fqa_irqs_free(struct fqa_card *card)
{
	struct fqa_vector *vector;
	unsigned int i;

	for (i = 0; i < card->nr_vectors; i++) {
		vector = &card->vectors[i];
		if (!vector->irq)
			continue;
		irq_update_affinity_hint(vector->irq, NULL);
		free_irq(vector->irq, vector);
	}
	pci_free_irq_vectors(card->pdev);
}

static int fqa_irqs_request(struct fqa_card *card)
{
	struct pci_dev *pdev = card->pdev;
	struct fqa_vector *vector;
	unsigned int i;
	int ret, irq;

	ret = pci_alloc_irq_vectors(pdev, 1, card->nr_hwqs + 1, PCI_IRQ_MSIX);
	if (ret < 0) {
		dev_err(&pdev->dev, "no MSI-X vector: error %d (booted with pci=nomsi?)\n", ret);
		return ret;
	}
	card->nr_vectors = ret;
	card->vectors = kcalloc(card->nr_vectors, sizeof(*card->vectors), GFP_KERNEL);
	if (!card->vectors) {
		pci_free_irq_vectors(pdev);
		return -ENOMEM;
	}
	for (i = 0; i < card->nr_vectors; i++) {
		vector = &card->vectors[i];
		vector->card = card;
		vector->index = i;
		snprintf(vector->name, sizeof(vector->name), "%s-%u", dev_name(&card->dev), i);
		irq = pci_irq_vector(pdev, i);
		ret = request_threaded_irq(irq, NULL, fqa_irq_thread, IRQF_ONESHOT,
					   vector->name, vector);
		if (ret) {
			fqa_irqs_free(card);
			return ret;
		}
		/* pci_irq_vector() takes a mutex that the reset work must not wait for. */
		vector->irq = irq;
		fqa_irq_place(vector);
	}
	return 0;
}

static int fqa_pools_create(struct fqa_card *card)
{
	struct device *dev = &card->pdev->dev;

	card->small_pool = dma_pool_create("fqaccel small", dev, FQA_SEGMENT_SMALL, 64, 0);
	if (!card->small_pool)
		return -ENOMEM;
	card->large_pool = dma_pool_create("fqaccel large", dev, FQA_SEGMENT_LARGE, 64, 0);
	if (!card->large_pool) {
		dma_pool_destroy(card->small_pool);
		return -ENOMEM;
	}
	return 0;
}

static void fqa_pools_destroy(struct fqa_card *card)
{
	dma_pool_destroy(card->large_pool);
	dma_pool_destroy(card->small_pool);
}

static int fqa_pci_enable(struct fqa_card *card)
{
	struct pci_dev *pdev = card->pdev;
	int ret;

	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;
	ret = pci_request_mem_regions(pdev, FQA_NAME);
	if (ret)
		goto err_disable_device;
	if (pci_resource_len(pdev, FQA_BAR_REGS) < FQA_BAR_REGS_SIZE) {
		dev_err(&pdev->dev, "BAR %d has no room for the registers (see pci=realloc)\n",
			FQA_BAR_REGS);
		ret = -ENODEV;
		goto err_release_regions;
	}
	card->regs = pci_ioremap_bar(pdev, FQA_BAR_REGS);
	if (!card->regs) {
		ret = -ENOMEM;
		goto err_release_regions;
	}
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		goto err_unmap_regs;
	dma_set_max_seg_size(&pdev->dev, fqa_max_segment());
	return 0;

err_unmap_regs:
	iounmap(card->regs);
err_release_regions:
	pci_release_mem_regions(pdev);
err_disable_device:
	pci_disable_device(pdev);
	return ret;
}

static void fqa_pci_disable(struct fqa_card *card)
{
	iounmap(card->regs);
	card->regs = NULL;
	pci_release_mem_regions(card->pdev);
	pci_disable_device(card->pdev);
}

/* From registers that can be read to a card that takes runs. */
static int fqa_pci_start(struct fqa_card *card)
{
	struct pci_dev *pdev = card->pdev;
	int ret;

	/* Whoever used the card before may have left it running. */
	ret = fqa_hw_disable(card);
	if (ret) {
		dev_err(&pdev->dev,
			"the card does not reset: error %d; try its file reset in sysfs, or power\n",
			ret);
		return ret;
	}
	ret = fqa_pools_create(card);
	if (ret)
		return ret;
	ret = fqa_ring_alloc(&card->admin.ring, card, 0, FQA_ADMIN_ENTRIES);
	if (ret)
		goto err_destroy_pools;
	ret = fqa_hwqs_alloc(card);
	if (ret)
		goto err_free_admin_ring;
	ret = fqa_coredump_init(card);
	if (ret)
		goto err_free_hwqs;
	ret = fqa_irqs_request(card);
	if (ret)
		goto err_free_hwqs;
	pci_set_master(pdev);
	ret = fqa_reset_start(card);
	if (ret) {
		dev_err(&pdev->dev, "the card does not start: error %d\n", ret);
		goto err_kill;
	}
	return 0;

err_kill:
	fqa_card_kill(card);
	fqa_irqs_free(card);
err_free_hwqs:
	fqa_hwqs_free(card);
err_free_admin_ring:
	fqa_ring_free(&card->admin.ring);
err_destroy_pools:
	fqa_pools_destroy(card);
	return ret;
}

/* Nothing of the driver's own accord touches the card any more. */
static void fqa_pci_quiet(struct fqa_card *card)
{
	fqa_reset_forbid(card);
	fqa_card_kill(card);
	cancel_delayed_work_sync(&card->watchdog);
	fqa_hwqs_cancel_limits(card);
}

/* Undoes fqa_pci_start(); with files open or not. */
static void fqa_pci_stop(struct fqa_card *card)
{
	fqa_pci_quiet(card);
	fqa_card_drain(card);
	fqa_irqs_free(card);
	fqa_hwqs_free(card);
	fqa_ring_free(&card->admin.ring);
	fqa_pools_destroy(card);
}

static int fqa_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct fqa_card *card = fqa_card_create(pdev);
	int ret;

	if (IS_ERR(card))
		return PTR_ERR(card);
	ret = fqa_pci_enable(card);
	if (ret)
		goto err_put_card;
	ret = fqa_hw_identify(card);
	if (ret)
		goto err_disable;
	ret = fqa_pci_start(card);
	if (ret)
		goto err_disable;
	/* For after a reset of the link. */
	pci_save_state(pdev);
	pci_set_drvdata(pdev, card);
	ret = fqa_card_start(card);
	if (ret)
		goto err_stop;
	fqa_pm_start(card);
	dev_info(&pdev->dev, "%s: firmware %u.%u.%u, %u queues, %llu MiB\n",
		 dev_name(&card->dev), card->firmware >> 24, (card->firmware >> 16) & 0xff,
		 card->firmware & 0xffff, card->nr_hwqs, card->mem_size >> 20);
	return 0;

err_stop:
	fqa_err_unbind(pdev);
	fqa_pci_stop(card);
err_disable:
	fqa_pci_disable(card);
err_put_card:
	put_device(&card->dev);
	return ret;
}

static void fqa_pci_remove(struct pci_dev *pdev)
{
	struct fqa_card *card = pci_get_drvdata(pdev);

	fqa_err_unbind(pdev);
	fqa_pm_stop(card);
	/* The last reset is told of under the card's name. */
	fqa_reset_forbid(card);
	fqa_card_hide(card);
	fqa_pci_stop(card);
	fqa_pci_disable(card);
	put_device(&card->dev);
}

/* Reboot or kexec: the card must not write to memory that is no longer ours. */
static void fqa_pci_shutdown(struct pci_dev *pdev)
{
	fqa_pci_quiet(pci_get_drvdata(pdev));
}

static const struct pci_device_id fqa_pci_ids[] = {
	{ PCI_DEVICE(FQA_PCI_VENDOR, FQA_PCI_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, fqa_pci_ids);

static struct pci_driver fqa_pci_driver = {
	.name = FQA_NAME,
	.id_table = fqa_pci_ids,
	.probe = fqa_pci_probe,
	.remove = fqa_pci_remove,
	.shutdown = fqa_pci_shutdown,
	.err_handler = &fqa_err_handlers,
	.driver.pm = pm_ptr(&fqa_pm_ops),
};

int fqa_pci_register(void)
{
	return pci_register_driver(&fqa_pci_driver);
}

void fqa_pci_unregister(void)
{
	pci_unregister_driver(&fqa_pci_driver);
}
