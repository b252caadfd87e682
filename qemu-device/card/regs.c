/* SPDX-License-Identifier: MIT */
/* The register file, CARD.md section 3. */
#include "card_private.h"

#define REGS_PROGRESS_END	FQA_REG_PROGRESS(CARD_QUEUES)
#define REGS_DOORBELL_END	FQA_REG_SQ_TAIL(CARD_QUEUES)

static uint32_t regs_status(const struct card *card)
{
	switch (card->phase) {
	case CARD_READY:
		return FQA_STATUS_READY;
	case CARD_FATAL:
		return FQA_STATUS_FATAL | (uint32_t)card->fatal_cause << 8;
	default:
		return 0;
	}
}

static uint64_t regs_cap(const struct card *card)
{
	return (FQA_MAX_ENTRIES - 1) | (uint64_t)card->config.io_queues << 16 |
	       (uint64_t)CARD_READY_UNITS << 24;
}

/* A 64-bit register's value, or a 32-bit one's with @size set to 4; false: none is there. */
static bool regs_get(struct card *card, uint64_t offset, uint64_t *value, unsigned int *size)
{
	*size = 4;
	switch (offset) {
	case FQA_REG_ID:
		*value = FQA_ID;
		return true;
	case FQA_REG_VERSION:
		*value = FQA_VERSION_MAJOR << 16 | FQA_VERSION_MINOR;
		return true;
	case FQA_REG_LANES:
		*value = card->config.lanes;
		return true;
	case FQA_REG_CLOCK_KHZ:
		*value = card->config.clock_khz;
		return true;
	case FQA_REG_FORMAT:
		*value = FQZ_VERSION_MAJOR << 16 | FQZ_VERSION_MINOR;
		return true;
	case FQA_REG_FIRMWARE:
		*value = CARD_FIRMWARE;
		return true;
	case FQA_REG_CONTROL:
		*value = card->enable ? FQA_CONTROL_ENABLE : 0;
		return true;
	case FQA_REG_STATUS:
		*value = regs_status(card);
		return true;
	case FQA_REG_ADMIN_SIZE:
		*value = card->admin_size;
		return true;
	case FQA_REG_SLOTS:
		*value = FQA_MAX_SLOTS;
		return true;
	}
	*size = 8;
	switch (offset) {
	case FQA_REG_CAP:
		*value = regs_cap(card);
		return true;
	case FQA_REG_FEATURES:
		*value = 0;
		return true;
	case FQA_REG_MEM_SIZE:
		*value = card->memory.size;
		return true;
	case FQA_REG_ADMIN_SQ:
		*value = card->admin_sq;
		return true;
	case FQA_REG_ADMIN_CQ:
		*value = card->admin_cq;
		return true;
	case FQA_REG_MEM_FREE:
		*value = card->memory.free;
		return true;
	}
	return false;
}

static bool regs_aligned(uint64_t offset, unsigned int size)
{
	return (size == 4 || size == 8) && offset % size == 0 && offset < FQA_BAR_REGS_SIZE;
}

uint64_t card_mmio_read(struct card *card, uint64_t offset, unsigned int size)
{
	uint64_t value;
	unsigned int width;

	if (card_dead(card))
		return size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
	if (!regs_aligned(offset, size))
		goto bad;
	if (offset >= FQA_REG_PROGRESS(0) && offset < REGS_PROGRESS_END && size == 4 &&
	    offset % 8 == 0)
		return card_queue_progress(card, &card->queues[(offset - 0x1000) / 8]);
	if (regs_get(card, offset, &value, &width) && size <= width)
		return size == 4 ? (uint32_t)value : value;
	if (size == 4 && offset % 8 == 4 && regs_get(card, offset - 4, &value, &width) &&
	    width == 8)
		return value >> 32;
bad:
	card_log(card, CARD_LOG_GUEST_ERROR, "bad read of %u bytes at 0x%llx", size,
		 (unsigned long long)offset);
	return 0;
}

/* Write the half of a 64-bit register, or all of it. */
static uint64_t regs_merge(uint64_t old, uint64_t offset, uint64_t value, unsigned int size)
{
	if (size == 8)
		return value;
	if (offset % 8)
		return (old & 0xffffffff) | value << 32;
	return (old & ~UINT64_C(0xffffffff)) | (uint32_t)value;
}

static void regs_control(struct card *card, uint32_t value)
{
	bool enable = value & FQA_CONTROL_ENABLE;

	if (enable == card->enable)
		return;
	if (enable)
		card_controller_start(card);
	else
		card_controller_stop(card);
}

static void regs_doorbell(struct card *card, uint64_t offset, uint32_t value)
{
	struct card_queue *q = &card->queues[(offset - FQA_REG_SQ_TAIL(0)) / 8];

	if (card->phase != CARD_READY || !q->exists || q->deleting) {
		card_log(card, CARD_LOG_GUEST_ERROR, "doorbell 0x%llx of no queue",
			 (unsigned long long)offset);
		return;
	}
	if (!card_queue_doorbell(q, offset % 8 != 0, value)) {
		card_log(card, CARD_LOG_GUEST_ERROR, "doorbell 0x%llx: bad value %u",
			 (unsigned long long)offset, value);
		card_fatal(card, FQA_FATAL_DOORBELL);
		return;
	}
	card_kick(card);
}

/* ADMIN_*: only while ENABLE is 0. */
static bool regs_admin(struct card *card, uint64_t offset, uint64_t value, unsigned int size)
{
	uint64_t base = offset & ~UINT64_C(7);

	if (base != FQA_REG_ADMIN_SQ && base != FQA_REG_ADMIN_CQ &&
	    (offset != FQA_REG_ADMIN_SIZE || size != 4))
		return false;
	if (card->enable) {
		card_log(card, CARD_LOG_GUEST_ERROR, "write to 0x%llx while enabled",
			 (unsigned long long)offset);
		return true;
	}
	if (base == FQA_REG_ADMIN_SQ)
		card->admin_sq = regs_merge(card->admin_sq, offset, value, size);
	else if (base == FQA_REG_ADMIN_CQ)
		card->admin_cq = regs_merge(card->admin_cq, offset, value, size);
	else
		card->admin_size = (uint32_t)value;
	return true;
}

void card_mmio_write(struct card *card, uint64_t offset, uint64_t value, unsigned int size)
{
	if (card_dead(card))
		return;
	if (!regs_aligned(offset, size))
		goto bad;
	if (offset == FQA_REG_CONTROL && size == 4) {
		regs_control(card, (uint32_t)value);
		return;
	}
	if (regs_admin(card, offset, value, size))
		return;
	if (offset >= FQA_REG_SQ_TAIL(0) && offset < REGS_DOORBELL_END && size == 4) {
		regs_doorbell(card, offset, (uint32_t)value);
		return;
	}
bad:
	card_log(card, CARD_LOG_GUEST_ERROR, "bad write of %u bytes at 0x%llx", size,
		 (unsigned long long)offset);
}
