// SPDX-License-Identifier: GPL-2.0
/*
 * Parts: a run that would keep others from the card for long is given to it as several
 * RUNs of whole pictures, one after another. Inputs and outputs lie picture by picture
 * (FORMAT.md section 9), for ranges of layers too, so each part's are a piece of the run's.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "fqa.h"

/* Of part of the network it is no more than of all; how much, only the card knows. */
static u64 fqa_run_ns(struct fqa_run *run, u32 batch)
{
	struct fqa_card *card = run->queue->obj.ctx->card;
	struct fqa_model *model = run->model;

	lockdep_assert_held(&card->lock);
	return fqa_rate_estimate(model->rate.cycles ? &model->rate : &card->rate,
				 model->info.cycles, batch);
}

/* How long the card will take for what it is to get next of the run; 0 of a NOP. */
u64 fqa_part_ns(struct fqa_run *run)
{
	return run->model ? fqa_run_ns(run, run->parts[run->part].batch) : 0;
}

/* The card says that it took so many cycles for what it had of the run. */
void fqa_part_learn(struct fqa_run *run, u64 cycles)
{
	struct fqa_card *card = run->queue->obj.ctx->card;

	lockdep_assert_held(&card->lock);
	if (!run->model)
		return;
	fqa_rate_learn(&run->model->rate, run->part_ns, cycles);
	fqa_rate_learn(&card->rate, run->part_ns, cycles);
}

static bool fqa_is_multiple(u64 length, u32 batch)
{
	u32 rest;

	div_u64_rem(length, batch, &rest);
	return !rest;
}

/* Pictures of each part but perhaps the last. */
static u32 fqa_parts_choose(struct fqa_run *run, const struct fqaccel_run *user)
{
	struct fqa_card *card = run->queue->obj.ctx->card;
	u64 ns;

	/* Otherwise the lengths are wrong, as the card will say. */
	if (!fqa_is_multiple(user->in_length, run->batch) ||
	    !fqa_is_multiple(user->out_length, run->batch))
		return run->batch;
	spin_lock(&card->lock);
	ns = fqa_run_ns(run, run->batch);
	spin_unlock(&card->lock);
	return fqa_part_batch(ns, run->batch, (u64)fqa_part_ms() * NSEC_PER_MSEC);
}

static int fqa_parts_alloc(struct fqa_context *ctx, struct fqa_run *run, u32 count)
{
	u64 bytes = array_size(count, sizeof(*run->parts));
	int ret;

	if (count == 1) {
		run->parts = &run->whole;
		return 0;
	}
	ret = fqa_context_charge_buffer(ctx, bytes);
	if (ret)
		return ret;
	run->parts_charged = bytes;
	run->parts = kvcalloc(count, sizeof(*run->parts), GFP_KERNEL_ACCOUNT);
	if (!run->parts)
		return -ENOMEM;
	return fqa_pack_init(&run->pack, 2 * count);
}

static u64 fqa_part_length(const struct fqa_run *run, const struct fqa_part *part, u64 length)
{
	return part->batch == run->batch ? length : div_u64(length, run->batch) * part->batch;
}

/*
 * Cut the run into parts and build the scatter lists of them all. -ENOSPC, -ENOMEM, or
 * -EINTR if the task is being killed; what has been built is for fqa_parts_free().
 */
int fqa_parts_build(struct fqa_context *ctx, struct fqa_run *run,
		    const struct fqaccel_run *user)
{
	u32 each = fqa_parts_choose(run, user), left;
	struct fqa_pack *pack = each == run->batch ? NULL : &run->pack;
	struct fqa_pieces in, out;
	struct fqa_part *part;
	int ret;

	ret = fqa_parts_alloc(ctx, run, DIV_ROUND_UP(run->batch, each));
	if (ret)
		return ret;
	fqa_pieces_init(&in, run->in->memory, user->in_offset, 0);
	fqa_pieces_init(&out, run->out->memory, user->out_offset, 0);
	for (left = run->batch; left; left -= part->batch) {
		if (fatal_signal_pending(current))
			return -EINTR;
		part = &run->parts[run->nr_parts++];
		part->batch = min(each, left);
		ret = fqa_sglist_build_next(ctx, &part->in, pack, &in,
					    fqa_part_length(run, part, user->in_length));
		if (ret)
			return ret;
		ret = fqa_sglist_build_next(ctx, &part->out, pack, &out,
					    fqa_part_length(run, part, user->out_length));
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/* Also of a run that has none, or not all. */
void fqa_parts_free(struct fqa_context *ctx, struct fqa_run *run)
{
	while (run->nr_parts) {
		run->nr_parts--;
		fqa_sglist_free(ctx, &run->parts[run->nr_parts].in);
		fqa_sglist_free(ctx, &run->parts[run->nr_parts].out);
	}
	fqa_pack_free(ctx, &run->pack);
	if (run->parts != &run->whole)
		kvfree(run->parts);
	run->parts = NULL;
	fqa_context_uncharge_buffer(ctx, run->parts_charged);
	run->parts_charged = 0;
}

/* Whether the card did the last part well and is to get another one; else the run is over. */
bool fqa_part_next(struct fqa_run *run)
{
	struct fqa_queue *queue = run->queue;
	struct fqa_context *ctx = queue->obj.ctx;
	u64 limit = (u64)fqa_run_limit_ms() * NSEC_PER_MSEC;

	lockdep_assert_held(&ctx->card->lock);
	run->worked_ns += run->part_ns;
	if (run->result.status || run->part + 1 >= run->nr_parts)
		return false;
	if (run->limited || (limit && run->worked_ns > limit)) {
		fqa_run_set_status(run, -ETIMEDOUT);
		run->result.card_status = FQA_SC_ABORTED;
		return false;
	}
	if (queue->closed || ctx->closed || ctx->banned) {
		fqa_run_set_status(run, -ECANCELED);
		return false;
	}
	run->part++;
	return true;
}
