// SPDX-License-Identifier: GPL-2.0
/*
 * What the card was at when it had to be reset: a text, made into memory that is there
 * since probe, and handed on when the reset is over, since that takes memory. Its
 * form is in doc/coredump.md.
 */
#include <linux/devcoredump.h>
#include <linux/error-injection.h>
#include <linux/kobject.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>

#include "fqa.h"

/* Room for the longest text: head, registers and the admin queue; and for each I/O queue. */
#define FQA_DUMP_HEAD	(64 * 1024)
#define FQA_DUMP_QUEUE	(24 * 1024)
#define FQA_DUMP_END	16	/* kept for the last line */

const struct fqa_register fqa_registers[] = {
	{ "ID", FQA_REG_ID },
	{ "VERSION", FQA_REG_VERSION },
	{ "CAP", FQA_REG_CAP, true },
	{ "FEATURES", FQA_REG_FEATURES, true },
	{ "MEM_SIZE", FQA_REG_MEM_SIZE, true },
	{ "LANES", FQA_REG_LANES },
	{ "CLOCK_KHZ", FQA_REG_CLOCK_KHZ },
	{ "FORMAT", FQA_REG_FORMAT },
	{ "FIRMWARE", FQA_REG_FIRMWARE },
	{ "CONTROL", FQA_REG_CONTROL },
	{ "STATUS", FQA_REG_STATUS },
	{ "ADMIN_SIZE", FQA_REG_ADMIN_SIZE },
	{ "SLOTS", FQA_REG_SLOTS },
	{ "ADMIN_SQ", FQA_REG_ADMIN_SQ, true },
	{ "ADMIN_CQ", FQA_REG_ADMIN_CQ, true },
	{ "MEM_FREE", FQA_REG_MEM_FREE, true },
	{ }
};

int fqa_coredump_init(struct fqa_card *card)
{
	size_t size = FQA_DUMP_HEAD + card->nr_hwqs * FQA_DUMP_QUEUE;

	if (!IS_ENABLED(CONFIG_DEV_COREDUMP))
		return 0;
	card->dump.text = vzalloc(size);
	if (!card->dump.text)
		return -ENOMEM;
	card->dump.size = size;
	return 0;
}
ALLOW_ERROR_INJECTION(fqa_coredump_init, ERRNO);

void fqa_coredump_exit(struct fqa_card *card)
{
	vfree(card->dump.text);
}

static __printf(2, 3) void fqa_dump_put(struct fqa_dump *dump, const char *fmt, ...)
{
	size_t room = dump->size - FQA_DUMP_END - dump->length;
	va_list args;
	int n;

	if (dump->cut)
		return;
	va_start(args, fmt);
	n = vsnprintf(dump->text + dump->length, room, fmt, args);
	va_end(args);
	/* Whole lines only. */
	if (n >= room)
		dump->cut = true;
	else
		dump->length += n;
}

static void fqa_dump_head(struct fqa_dump *dump, struct fqa_card *card)
{
	fqa_dump_put(dump, "fqaccel-coredump 1\n");
	fqa_dump_put(dump, "card %s %s\n", dev_name(&card->dev), pci_name(card->pdev));
	fqa_dump_put(dump, "reason %s\n", card->reset_why);
	fqa_dump_put(dump, "time %lld\n", ktime_get_real_seconds());
	fqa_dump_put(dump, "kernel %s\n", init_utsname()->release);
	fqa_dump_put(dump, "abi %u\n", FQACCEL_ABI_VERSION);
	fqa_dump_put(dump, "hardware %u.%u\n", card->hw_version >> 16,
		     card->hw_version & 0xffff);
	fqa_dump_put(dump, "firmware %u.%u.%u\n", card->firmware >> 24,
		     (card->firmware >> 16) & 0xff, card->firmware & 0xffff);
	fqa_dump_put(dump, "format %u.%u\n", card->format >> 16, card->format & 0xffff);
	fqa_dump_put(dump, "resets %llu\n", card->stats.resets);
	fqa_dump_put(dump, "hangs %llu\n", card->stats.hangs);
	fqa_dump_put(dump, "replays %llu\n", card->stats.replays);
	fqa_dump_put(dump, "lost_interrupts %llu\n", card->stats.lost_interrupts);
}

static void fqa_dump_registers(struct fqa_dump *dump, struct fqa_card *card)
{
	const struct fqa_register *reg;

	for (reg = fqa_registers; reg->name; reg++) {
		if (reg->wide)
			fqa_dump_put(dump, "register 0x%04x %s 0x%016llx\n", reg->reg, reg->name,
				     fqa_hw_read64(card, reg->reg));
		else
			fqa_dump_put(dump, "register 0x%04x %s 0x%08x\n", reg->reg, reg->name,
				     fqa_hw_read(card, reg->reg));
	}
}

/* Entries that are all zero have never been written, and are left out. */
static void fqa_dump_ring(struct fqa_dump *dump, const struct fqa_ring *ring)
{
	unsigned int i;

	fqa_dump_put(dump, "queue %u entries %u tail %u head %u phase %u progress %u\n",
		     ring->qid, ring->entries, ring->tail, ring->head, ring->phase,
		     fqa_hw_read(ring->card, FQA_REG_PROGRESS(ring->qid)));
	for (i = 0; i < ring->entries; i++)
		if (memchr_inv(&ring->sq[i], 0, sizeof(ring->sq[i])))
			fqa_dump_put(dump, "sq %u %u %*phN\n", ring->qid, i,
				     (int)sizeof(ring->sq[i]), &ring->sq[i]);
	for (i = 0; i < ring->entries; i++)
		if (memchr_inv(&ring->cq[i], 0, sizeof(ring->cq[i])))
			fqa_dump_put(dump, "cq %u %u %*phN\n", ring->qid, i,
				     (int)sizeof(ring->cq[i]), &ring->cq[i]);
}

static void fqa_dump_admin(struct fqa_dump *dump, struct fqa_card *card)
{
	struct fqa_admin *admin = &card->admin;
	struct fqa_admin_cmd *cmd;
	unsigned int slot;

	spin_lock(&admin->lock);
	fqa_dump_ring(dump, &admin->ring);
	for (slot = 0; slot < FQA_ADMIN_SLOTS; slot++) {
		cmd = admin->cmds[slot];
		if (cmd && cmd->pending)
			fqa_dump_put(dump, "command 0 cid %u opcode 0x%02x %*phN\n", cmd->cid,
				     cmd->hw.opcode, (int)sizeof(cmd->hw), &cmd->hw);
	}
	spin_unlock(&admin->lock);
}

static const char *fqa_dump_verdict(const struct fqa_run *run)
{
	if (run->guilty)
		return "guilty";
	if (run->limited)
		return "limited";
	return run->replayed ? "replayed" : "innocent";
}

static void fqa_dump_run(struct fqa_dump *dump, const struct fqa_hwq *hwq,
			 const struct fqa_run *run)
{
	struct fqa_hw_command cmd;

	fqa_run_command(run, &cmd);
	cmd.cid = cpu_to_le16(run->cid);
	fqa_dump_put(dump, "command %u cid %u opcode 0x%02x %*phN\n", hwq->ring.qid, run->cid,
		     cmd.opcode, (int)sizeof(cmd), &cmd);
	fqa_dump_put(dump, "run %u cid %u %s process %d queue %u sequence %llu", hwq->ring.qid,
		     run->cid, fqa_dump_verdict(run), run->queue->obj.ctx->pid,
		     run->queue->obj.handle, run->sequence);
	fqa_dump_put(dump, " layers %u+%u batch %u part %u/%u\n", run->first_layer,
		     run->layer_count, run->batch, run->part + 1, max(run->nr_parts, 1U));
}

static void fqa_dump_queue(struct fqa_dump *dump, struct fqa_card *card, struct fqa_hwq *hwq)
{
	struct fqa_run *run;

	spin_lock(&card->lock);
	fqa_dump_ring(dump, &hwq->ring);
	list_for_each_entry(run, &hwq->order, node)
		fqa_dump_run(dump, hwq, run);
	spin_unlock(&card->lock);
}

/*
 * Before a reset that the driver asked for: describe the card. The text of an
 * earlier one that has not been handed on stays.
 */
void fqa_coredump_take(struct fqa_card *card)
{
	struct fqa_dump *dump = &card->dump;
	unsigned int i;
	bool busy;

	spin_lock(&card->lock);
	busy = dump->busy;
	spin_unlock(&card->lock);
	if (busy || !dump->text || !card->reset_why[0] ||
	    fqa_hw_read(card, FQA_REG_STATUS) == U32_MAX)
		return;
	dump->length = 0;
	dump->cut = false;
	fqa_dump_head(dump, card);
	fqa_dump_registers(dump, card);
	fqa_dump_admin(dump, card);
	for (i = 0; i < card->nr_hwqs; i++)
		fqa_dump_queue(dump, card, &card->hwqs[i]);
	dump->length += scnprintf(dump->text + dump->length, FQA_DUMP_END,
				  dump->cut ? "cut\n" : "end\n");
	spin_lock(&card->lock);
	dump->busy = true;
	spin_unlock(&card->lock);
}

/* If one of this card lies there already, the device core drops the new one. */
static void fqa_coredump_hand_on(struct fqa_card *card)
{
	struct fqa_dump *dump = &card->dump;
	void *copy;
	bool busy;

	spin_lock(&card->lock);
	busy = dump->busy;
	spin_unlock(&card->lock);
	if (!busy)
		return;
	/* A copy, which does not keep the module from being unloaded. */
	copy = vmalloc(dump->length);
	if (copy) {
		memcpy(copy, dump->text, dump->length);
		dev_coredumpv(&card->pdev->dev, copy, dump->length, GFP_KERNEL);
	}
	spin_lock(&card->lock);
	dump->busy = false;
	spin_unlock(&card->lock);
}

/* After a reset, or after a card has been given up: tell user space. */
void fqa_announce_work(struct work_struct *work)
{
	struct fqa_card *card = container_of(work, struct fqa_card, announce_work);
	char event[24], why[sizeof(card->reset_why) + 16];
	char *env[3] = { };

	fqa_coredump_hand_on(card);
	snprintf(event, sizeof(event), "FQACCEL_EVENT=%s",
		 fqa_card_is_dead(card) ? "dead" : "reset");
	spin_lock(&card->lock);
	snprintf(why, sizeof(why), "FQACCEL_REASON=%s",
		 card->reset_why[0] ? card->reset_why : "was reset from outside");
	spin_unlock(&card->lock);
	env[0] = event;
	env[1] = why;
	kobject_uevent_env(&card->dev.kobj, KOBJ_CHANGE, env);
}
