// SPDX-License-Identifier: GPL-2.0
/* Runs: checking what a user asks for, the card's command, its verdict. */
#include <linux/overflow.h>
#include <linux/slab.h>

#include "fence.h"
#include "fqa.h"

static bool fqa_range_fits(u64 offset, u64 length, u64 size)
{
	u64 end;

	return length && !check_add_overflow(offset, length, &end) && end <= size;
}

/* -ENOENT, -EACCES, or a reference in *@out. */
static int fqa_run_find_buffer(struct fqa_context *ctx, u32 handle, u32 direction,
			       struct fqa_buffer **out)
{
	struct fqa_object *obj = fqa_object_find(ctx, handle, FQA_OBJECT_BUFFER);
	struct fqa_buffer *buffer;

	if (!obj)
		return -ENOENT;
	buffer = container_of(obj, struct fqa_buffer, obj);
	if (!(buffer->flags & direction)) {
		fqa_object_put(obj);
		return -EACCES;
	}
	*out = buffer;
	return 0;
}

static int fqa_run_find(struct fqa_context *ctx, struct fqa_run *run,
			const struct fqaccel_run *user)
{
	struct fqa_object *obj = fqa_object_find(ctx, user->model, FQA_OBJECT_MODEL);
	int ret;

	if (!obj)
		return -ENOENT;
	run->model = container_of(obj, struct fqa_model, obj);
	ret = fqa_run_find_buffer(ctx, user->in_buffer, FQACCEL_BUFFER_CARD_READS, &run->in);
	if (ret)
		return ret;
	return fqa_run_find_buffer(ctx, user->out_buffer, FQACCEL_BUFFER_CARD_WRITES,
				   &run->out);
}

static int fqa_run_check_layers(struct fqa_run *run, const struct fqaccel_run *user)
{
	const struct fqa_model_info *info = &run->model->info;
	bool whole = !user->first_layer && !user->layer_count;
	u64 in, out;
	u32 end;

	if (!user->batch || user->batch > FQA_MAX_BATCH)
		return -EINVAL;
	run->batch = user->batch;
	run->first_layer = user->first_layer;
	run->layer_count = whole ? info->layers : user->layer_count;
	if (!run->layer_count ||
	    check_add_overflow(run->first_layer, run->layer_count, &end) || end > info->layers)
		return -EINVAL;
	/* What part of a network needs, only the card knows: it checks the lengths. */
	if (run->layer_count != info->layers)
		return 0;
	if (check_mul_overflow(info->input_bytes, (u64)run->batch, &in) ||
	    check_mul_overflow(info->output_bytes, (u64)run->batch, &out) ||
	    user->in_length != in || user->out_length != out)
		return -EINVAL;
	return 0;
}

static int fqa_run_check_ranges(struct fqa_run *run, const struct fqaccel_run *user)
{
	if (!fqa_range_fits(user->in_offset, user->in_length, run->in->length) ||
	    !fqa_range_fits(user->out_offset, user->out_length, run->out->length))
		return -EINVAL;
	/*
	 * The sums do not overflow: both ranges fit. A memory has one fqa_memory on a card,
	 * however often it is imported, and every buffer begins at its start.
	 */
	if (run->in->memory == run->out->memory &&
	    user->in_offset < user->out_offset + user->out_length &&
	    user->out_offset < user->in_offset + user->in_length)
		return -EINVAL;
	run->use = (struct fqa_use){
		.in = run->in->memory,
		.out = run->out->memory,
		.in_offset = user->in_offset,
		.in_length = user->in_length,
		.out_offset = user->out_offset,
		.out_length = user->out_length,
	};
	return 0;
}

/* Give it to the card as it is now, once nobody else writes to it. */
void fqa_use_sync_device(const struct fqa_use *use)
{
	if (!use->in)
		return;
	fqa_memory_sync_device(use->in, use->in_offset, use->in_length);
	fqa_memory_sync_device(use->out, use->out_offset, use->out_length);
}

/* A run that does nothing: FQACCEL_RUN_NOP. It has no model and no buffers. */
static bool fqa_run_is_nop(const struct fqa_run *run)
{
	return !run->model;
}

/* What messages call the model; 0 of a NOP, which no object's handle is. */
u32 fqa_run_model(const struct fqa_run *run)
{
	return fqa_run_is_nop(run) ? 0 : run->model->obj.handle;
}

static int fqa_run_check_flags(const struct fqaccel_run *user)
{
	struct fqaccel_run nop = { .flags = FQACCEL_RUN_NOP };

	if (user->flags & ~FQACCEL_RUN_NOP || user->pad)
		return -EOPNOTSUPP;
	/* There is no hole in it. */
	if (user->flags & FQACCEL_RUN_NOP && memcmp(user, &nop, sizeof(nop)))
		return -EOPNOTSUPP;
	return 0;
}

static int fqa_run_fill(struct fqa_context *ctx, struct fqa_run *run,
			const struct fqaccel_run *user)
{
	int ret;

	ret = fqa_run_find(ctx, run, user);
	if (ret)
		return ret;
	ret = fqa_run_check_layers(run, user);
	if (ret)
		return ret;
	ret = fqa_run_check_ranges(run, user);
	if (ret)
		return ret;
	return fqa_parts_build(ctx, run, user);
}

/*
 * A run that is checked and has all that it needs, so that starting it takes no
 * memory. Holds its queue, model and buffers. Within fqa_card_enter().
 */
struct fqa_run *fqa_run_prepare(struct fqa_context *ctx, struct fqa_queue *queue,
				const struct fqaccel_run *user)
{
	struct fqa_run *run;
	int ret;

	ret = fqa_run_check_flags(user);
	if (ret)
		return ERR_PTR(ret);
	run = kzalloc(sizeof(*run), GFP_KERNEL_ACCOUNT);
	if (!run)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&run->node);
	fqa_object_get(&queue->obj);
	run->queue = queue;
	if (user->flags & FQACCEL_RUN_NOP)
		return run;
	ret = fqa_run_fill(ctx, run, user);
	if (ret) {
		fqa_run_free(run);
		return ERR_PTR(ret);
	}
	return run;
}

/* The card must not have it. May sleep. */
void fqa_run_free(struct fqa_run *run)
{
	struct fqa_context *ctx = run->queue->obj.ctx;

	fqa_parts_free(ctx, run);
	if (run->in)
		fqa_object_put(&run->in->obj);
	if (run->out)
		fqa_object_put(&run->out->obj);
	if (run->model)
		fqa_object_put(&run->model->obj);
	fqa_wait_put(run->wait);
	fqa_group_put(run->group);
	fqa_object_put(&run->queue->obj);
	kfree(run);
}

/* All but the CID, of the part that is the run's next. */
void fqa_run_command(const struct fqa_run *run, struct fqa_hw_command *cmd)
{
	const struct fqa_part *part;

	memset(cmd, 0, sizeof(*cmd));
	cmd->opcode = FQA_OP_NOP;
	if (fqa_run_is_nop(run))
		return;
	part = &run->parts[run->part];
	cmd->opcode = FQA_OP_RUN;
	cmd->slot = cpu_to_le32(run->model->slot);
	cmd->run.first_layer = cpu_to_le32(run->first_layer);
	cmd->run.layer_count = cpu_to_le32(run->layer_count);
	cmd->run.batch = cpu_to_le32(part->batch);
	fqa_sglist_describe(&part->in, &cmd->run.in);
	fqa_sglist_describe(&part->out, &cmd->run.out);
}

static int fqa_run_errno(u16 code)
{
	switch (code) {
	case FQA_SC_OK:
		return 0;
	case FQA_SC_DMA_FAULT:
		return -EFAULT;
	case FQA_SC_BAD_LENGTH:
	case FQA_SC_BAD_RANGE:
		return -EINVAL;
	default:
		return -EIO;
	}
}

/* Of a run in parts, the first one that fails decides, as no other is started after it. */
void fqa_run_set_verdict(struct fqa_run *run, const struct fqa_verdict *verdict)
{
	struct fqa_result *result = &run->result;

	result->status = fqa_run_errno(verdict->code);
	if (verdict->code == FQA_SC_ABORTED && run->limited)
		result->status = -ETIMEDOUT;
	result->card_status = verdict->code;
	result->layer = verdict->layer;
	result->offset = verdict->offset;
	if (verdict->code != FQA_SC_OK)
		result->cycles = 0;
	else if (check_add_overflow(result->cycles, verdict->result, &result->cycles))
		result->cycles = U64_MAX;
}

/* The card has not answered. */
void fqa_run_set_status(struct fqa_run *run, int status)
{
	run->result.status = status;
	run->result.cycles = 0;
	run->result.layer = FQA_NO_LAYER;
}
