// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs, fqaccel/fqaccelN: what the card and the driver are at, for whoever looks
 * for a mistake in them. Its form may change with every version.
 */
#include <linux/debugfs.h>
#include <linux/pci.h>
#include <linux/seq_file.h>

#include "fence.h"
#include "fqa.h"
#include "pm.h"

static struct dentry *fqa_debugfs_root;

void fqa_debugfs_init(void)
{
	fqa_debugfs_root = debugfs_create_dir(FQA_NAME, NULL);
}

void fqa_debugfs_exit(void)
{
	debugfs_remove(fqa_debugfs_root);
}

static void fqa_debugfs_registers(struct seq_file *m, struct fqa_card *card)
{
	const struct fqa_register *reg;
	unsigned int i;

	for (reg = fqa_registers; reg->name; reg++)
		seq_printf(m, "%-12s 0x%llx\n", reg->name,
			   reg->wide ? fqa_hw_read64(card, reg->reg) :
				       fqa_hw_read(card, reg->reg));
	for (i = 0; i <= card->nr_hwqs; i++)
		seq_printf(m, "PROGRESS(%u) %*s0x%x\n", i, i < 10, "",
			   fqa_hw_read(card, FQA_REG_PROGRESS(i)));
}

static int fqa_registers_show(struct seq_file *m, void *v)
{
	struct fqa_card *card = m->private;
	int idx, ret = -ENODEV;

	idx = fqa_card_enter(card);
	if (!fqa_card_is_dead(card)) {
		/* To look is no reason to wake it. */
		if (fqa_pm_get_awake(card)) {
			fqa_debugfs_registers(m, card);
			fqa_pm_put(card);
		} else {
			seq_puts(m, "suspended\n");
		}
		ret = 0;
	}
	fqa_card_exit(card, idx);
	return ret;
}
DEFINE_SHOW_ATTRIBUTE(fqa_registers);

static void fqa_debugfs_hwqs(struct seq_file *m, struct fqa_card *card)
{
	const struct fqa_hwq *hwq;
	unsigned int i;

	seq_puts(m, "qid vector inflight sq_tail cq_head phase\n");
	for (i = 0; i < card->nr_hwqs; i++) {
		hwq = &card->hwqs[i];
		seq_printf(m, "%3u %6u %8u %7u %7u %5u\n", hwq->ring.qid, hwq->vector,
			   hwq->inflight, hwq->ring.tail, hwq->ring.head, hwq->ring.phase);
	}
}

static int fqa_queues_show(struct seq_file *m, void *v)
{
	struct fqa_card *card = m->private;
	const struct fqa_context *ctx;
	struct fqa_queue *queue;
	int idx;

	idx = fqa_card_enter(card);
	spin_lock(&card->lock);
	if (card->state != FQA_STATE_DEAD)
		fqa_debugfs_hwqs(m, card);
	seq_puts(m, "\nclient pid queue depth unfinished last completed armed waits priority\n");
	list_for_each_entry(ctx, &card->contexts, node)
		list_for_each_entry(queue, &ctx->queues, node)
			seq_printf(m, "%6llu %3d %5u %5u %10u %4llu %9llu %5llu %5u %8u\n", ctx->id,
				   ctx->pid, queue->obj.handle, queue->depth,
				   queue->unfinished, queue->last, queue->completed,
				   queue->armed, fqa_queue_waits(queue),
				   (unsigned int)(queue->flow - ctx->flows));
	spin_unlock(&card->lock);
	fqa_card_exit(card, idx);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(fqa_queues);

static int fqa_runs_show(struct seq_file *m, void *v)
{
	struct fqa_card *card = m->private;
	const struct fqa_run *run;
	unsigned int i;
	int idx;

	seq_puts(m, "qid cid    client queue sequence model layers batch part\n");
	idx = fqa_card_enter(card);
	spin_lock(&card->lock);
	for (i = 0; i < card->nr_hwqs && card->state != FQA_STATE_DEAD; i++)
		list_for_each_entry(run, &card->hwqs[i].order, node)
			seq_printf(m, "%3u 0x%04x %6llu %5u %8llu %5u %u+%u %5u %u/%u\n",
				   card->hwqs[i].ring.qid, run->cid, run->queue->obj.ctx->id,
				   run->queue->obj.handle, run->sequence,
				   fqa_run_model(run), run->first_layer,
				   run->layer_count, run->batch, run->part + 1,
				   max(run->nr_parts, 1U));
	spin_unlock(&card->lock);
	fqa_card_exit(card, idx);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(fqa_runs);

static int fqa_models_show(struct seq_file *m, void *v)
{
	struct fqa_card *card = m->private;
	const struct fqa_model *model;
	const char *lost;

	seq_puts(m, "slot client model state   bytes layers arena\n");
	mutex_lock(&card->models_lock);
	/* What the card gets back when it wakes is not lost. */
	lost = READ_ONCE(card->state) == FQA_STATE_SUSPENDED ? "saved" : "lost";
	list_for_each_entry(model, &card->models, node)
		seq_printf(m, "%4d %6llu %5u %-7s %llu %u %llu\n", model->slot,
			   model->obj.ctx->id, model->obj.handle,
			   model->on_card ? "loaded" : READ_ONCE(model->dead) ? lost : "none",
			   model->length, model->info.layers, model->info.arena_bytes);
	mutex_unlock(&card->models_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(fqa_models);

static int fqa_clients_show(struct seq_file *m, void *v)
{
	struct fqa_card *card = m->private;
	struct fqa_context *ctx;

	seq_puts(m, "client pid state  runs errors busy_ns memory buffers unfinished\n");
	spin_lock(&card->lock);
	list_for_each_entry(ctx, &card->contexts, node) {
		spin_lock(&ctx->lock);
		seq_printf(m, "%6llu %3d %-6s %llu %llu %llu %llu %llu %u\n", ctx->id, ctx->pid,
			   ctx->banned ? "banned" : ctx->closed ? "closed" : "open",
			   ctx->usage.runs, ctx->usage.errors, ctx->usage.busy_ns,
			   ctx->memory_used, ctx->buffer_used, ctx->unfinished);
		spin_unlock(&ctx->lock);
	}
	spin_unlock(&card->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(fqa_clients);

/* What is read holds the file, and fqa_debugfs_hide() waits for it. */
void fqa_debugfs_show(struct fqa_card *card)
{
	struct dentry *dir = debugfs_create_dir(dev_name(&card->dev), fqa_debugfs_root);

	card->debugfs = dir;
	debugfs_create_file("registers", 0400, dir, card, &fqa_registers_fops);
	debugfs_create_file("queues", 0400, dir, card, &fqa_queues_fops);
	debugfs_create_file("runs", 0400, dir, card, &fqa_runs_fops);
	debugfs_create_file("models", 0400, dir, card, &fqa_models_fops);
	debugfs_create_file("clients", 0400, dir, card, &fqa_clients_fops);
}

void fqa_debugfs_hide(struct fqa_card *card)
{
	debugfs_remove(card->debugfs);
}
