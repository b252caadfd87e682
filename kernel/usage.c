// SPDX-License-Identifier: GPL-2.0
/*
 * What the card has done, in all and for each open file: runs, errors, time. The card
 * executes the first run of each queue; it has the card from when it becomes the
 * first until it is taken off, so that times of one queue never add up to more than has passed.
 */
#include <linux/ktime.h>
#include <linux/pci.h>
#include <linux/seq_file.h>

#include "fence.h"
#include "fqa.h"

static u64 fqa_usage_now(void)
{
	return ktime_get_ns();
}

/* @hwq had nothing to do until now. */
void fqa_usage_begin(struct fqa_hwq *hwq)
{
	lockdep_assert_held(&hwq->ring.card->lock);
	hwq->since = fqa_usage_now();
}

/* @run is at the head of @hwq and about to leave it: for how long it was there, in ns. */
u64 fqa_usage_end(struct fqa_hwq *hwq, const struct fqa_run *run)
{
	struct fqa_card *card = hwq->ring.card;
	u64 now = fqa_usage_now();
	u64 ns = now - hwq->since;

	lockdep_assert_held(&card->lock);
	run->queue->obj.ctx->usage.busy_ns += ns;
	card->usage.busy_ns += ns;
	hwq->since = now;
	return ns;
}

/* A run has ended, whether it had started or not. */
void fqa_usage_count(struct fqa_context *ctx, const struct fqa_result *result)
{
	struct fqa_card *card = ctx->card;

	lockdep_assert_held(&card->lock);
	ctx->usage.runs++;
	card->usage.runs++;
	ctx->usage.cycles += result->cycles;
	card->usage.cycles += result->cycles;
	if (result->status) {
		ctx->usage.errors++;
		card->usage.errors++;
	}
}

/* With what is being executed as far as it has got; @ctx NULL: of the whole card. */
void fqa_usage_read(struct fqa_card *card, const struct fqa_context *ctx,
		    struct fqa_usage *usage)
{
	struct fqa_run *run;
	unsigned int i;
	u64 now;
	int idx;

	idx = fqa_card_enter(card);
	spin_lock(&card->lock);
	now = fqa_usage_now();
	*usage = ctx ? ctx->usage : card->usage;
	/* A dead card executes nothing, and its queues may be gone. */
	for (i = 0; i < card->nr_hwqs && card->state != FQA_STATE_DEAD; i++) {
		run = list_first_entry_or_null(&card->hwqs[i].order, struct fqa_run, node);
		if (run && (!ctx || run->queue->obj.ctx == ctx))
			usage->busy_ns += now - card->hwqs[i].since;
	}
	spin_unlock(&card->lock);
	fqa_card_exit(card, idx);
}

/* /proc/PID/fdinfo/N, with the keys of Documentation/gpu/drm-usage-stats.rst. */
void fqa_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct fqa_context *ctx = file->private_data;
	struct fqa_card *card = ctx->card;
	u64 card_bytes, system_bytes;
	struct fqa_usage usage;
	unsigned int unfinished, waiting = 0;
	struct fqa_queue *queue;

	fqa_usage_read(card, ctx, &usage);
	spin_lock(&ctx->lock);
	card_bytes = ctx->memory_used;
	system_bytes = ctx->buffer_used;
	spin_unlock(&ctx->lock);
	spin_lock(&card->lock);
	unfinished = ctx->unfinished;
	list_for_each_entry(queue, &ctx->queues, node)
		waiting += fqa_queue_waits(queue);
	spin_unlock(&card->lock);

	seq_puts(m, "drm-driver:\t" FQA_NAME "\n");
	seq_printf(m, "drm-pdev:\t%s\n", pci_name(card->pdev));
	seq_printf(m, "drm-client-id:\t%llu\n", ctx->id);
	seq_printf(m, "drm-engine-compute:\t%llu ns\n", usage.busy_ns);
	seq_printf(m, "drm-engine-capacity-compute:\t%u\n", card->nr_hwqs);
	seq_printf(m, "drm-cycles-compute:\t%llu\n", usage.cycles);
	seq_printf(m, "drm-maxfreq-compute:\t%u KHz\n", card->clock_khz);
	seq_printf(m, "drm-total-memory:\t%llu KiB\n", card_bytes >> 10);
	seq_printf(m, "drm-resident-memory:\t%llu KiB\n", card_bytes >> 10);
	seq_printf(m, "drm-total-system:\t%llu KiB\n", system_bytes >> 10);
	seq_printf(m, "drm-resident-system:\t%llu KiB\n", system_bytes >> 10);
	seq_printf(m, FQA_NAME "-runs:\t%llu\n", usage.runs);
	seq_printf(m, FQA_NAME "-errors:\t%llu\n", usage.errors);
	seq_printf(m, FQA_NAME "-unfinished:\t%u\n", unfinished);
	seq_printf(m, FQA_NAME "-waiting-queues:\t%u\n", waiting);
}
