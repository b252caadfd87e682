// SPDX-License-Identifier: GPL-2.0
/* Registers of the card: identity, enabling, reset (CARD.md section 3). */
#include <linux/error-injection.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>
#include <linux/pci.h>

#include "fqa.h"

/* Reading all ones is how a card that was pulled out shows. */
#define FQA_ALL_ONES	0xffffffff

/* At least this long for READY, whatever the card promises: it may be emulated. */
#define FQA_READY_MIN_MS	5000

u32 fqa_hw_read(struct fqa_card *card, u32 reg)
{
	return readl(card->regs + reg);
}

u64 fqa_hw_read64(struct fqa_card *card, u32 reg)
{
	return lo_hi_readq(card->regs + reg);
}

/* Of a card that may have gone to sleep meanwhile: 0 then. */
u32 fqa_hw_progress(struct fqa_card *card, u16 qid)
{
	u32 progress = 0;

	spin_lock(&card->lock);
	if (card->state != FQA_STATE_SUSPENDED)
		progress = fqa_hw_read(card, FQA_REG_PROGRESS(qid));
	spin_unlock(&card->lock);
	return progress;
}

void fqa_hw_write(struct fqa_card *card, u32 reg, u32 value)
{
	writel(value, card->regs + reg);
}

void fqa_hw_write64(struct fqa_card *card, u32 reg, u64 value)
{
	lo_hi_writeq(value, card->regs + reg);
}

static int fqa_hw_check_version(struct fqa_card *card)
{
	struct device *dev = &card->pdev->dev;
	u32 id = fqa_hw_read(card, FQA_REG_ID);

	if (id != FQA_ID) {
		dev_err(dev, "not an fqaccel card: ID register reads 0x%08x\n", id);
		return -ENODEV;
	}
	card->hw_version = fqa_hw_read(card, FQA_REG_VERSION);
	if (card->hw_version >> 16 != FQA_VERSION_MAJOR) {
		dev_err(dev, "card has interface version %u.%u, this driver knows %u.x\n",
			card->hw_version >> 16, card->hw_version & 0xffff, FQA_VERSION_MAJOR);
		return -ENODEV;
	}
	return 0;
}

int fqa_hw_identify(struct fqa_card *card)
{
	struct device *dev = &card->pdev->dev;
	u32 entries;
	u64 cap;
	int ret;

	ret = fqa_hw_check_version(card);
	if (ret)
		return ret;

	cap = fqa_hw_read64(card, FQA_REG_CAP);
	entries = FQA_CAP_MAX_ENTRIES(cap);
	card->nr_hwqs = FQA_CAP_IO_QUEUES(cap);
	card->ready_ms = max_t(u32, FQA_CAP_READY_MS(cap), FQA_READY_MIN_MS);
	card->mem_size = fqa_hw_read64(card, FQA_REG_MEM_SIZE);
	card->slots = fqa_hw_read(card, FQA_REG_SLOTS);
	card->firmware = fqa_hw_read(card, FQA_REG_FIRMWARE);
	card->format = fqa_hw_read(card, FQA_REG_FORMAT);
	card->lanes = fqa_hw_read(card, FQA_REG_LANES);
	card->clock_khz = fqa_hw_read(card, FQA_REG_CLOCK_KHZ);
	fqa_rate_init(&card->rate, card->clock_khz);

	if (entries < FQA_ADMIN_ENTRIES || !card->nr_hwqs ||
	    card->nr_hwqs > FQA_MAX_IO_QUEUES || !card->slots ||
	    card->slots > FQA_MAX_SLOTS || !card->mem_size || card->mem_size > S64_MAX) {
		dev_err(dev, "implausible card: CAP 0x%llx, %u slots, memory 0x%llx\n",
			cap, card->slots, card->mem_size);
		return -ENODEV;
	}
	return 0;
}
ALLOW_ERROR_INJECTION(fqa_hw_identify, ERRNO);

static int fqa_hw_poll_status(struct fqa_card *card, u32 mask, u32 want)
{
	u32 status;
	int ret;

	ret = read_poll_timeout(fqa_hw_read, status,
				(status & mask) == want || status == FQA_ALL_ONES ||
				(want && (status & FQA_STATUS_FATAL)),
				1000, card->ready_ms * 1000, false, card, FQA_REG_STATUS);
	if (status == FQA_ALL_ONES)
		return -ENODEV;
	if (want && (status & FQA_STATUS_FATAL))
		return -EIO;
	return ret;
}

/* Start the card with the admin ring, which must be as after fqa_ring_reset(). */
int fqa_hw_enable(struct fqa_card *card)
{
	struct fqa_ring *ring = &card->admin.ring;
	u32 size = ring->entries - 1;

	fqa_hw_write(card, FQA_REG_ADMIN_SIZE, size << 16 | size);
	fqa_hw_write64(card, FQA_REG_ADMIN_SQ, ring->sq_dma);
	fqa_hw_write64(card, FQA_REG_ADMIN_CQ, ring->cq_dma);
	fqa_hw_write(card, FQA_REG_CONTROL, FQA_CONTROL_ENABLE);
	return fqa_hw_poll_status(card, FQA_STATUS_READY, FQA_STATUS_READY);
}
ALLOW_ERROR_INJECTION(fqa_hw_enable, ERRNO);

/*
 * Reset the controller. The card does no DMA from the write on (CARD.md section
 * 3.1); reading STATUS back makes sure that the write has arrived.
 */
int fqa_hw_disable(struct fqa_card *card)
{
	fqa_hw_write(card, FQA_REG_CONTROL, 0);
	return fqa_hw_poll_status(card, FQA_STATUS_READY, 0);
}
ALLOW_ERROR_INJECTION(fqa_hw_disable, ERRNO);
