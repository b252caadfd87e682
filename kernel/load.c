// SPDX-License-Identifier: GPL-2.0
/* ioctl(FQACCEL_IOC_MODEL_LOAD). */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pm.h"

/* How often a LOAD that finds the card full tries again, and for how long it waits before. */
#define FQA_LOAD_TRIES		3
#define FQA_LOAD_WAIT_MS	3000

/* What the card counts for an image of @length bytes (CARD.md section 6.4). */
static u64 fqa_image_bytes(u64 length)
{
	return ALIGN(length, 4096);
}

static void fqa_model_reap_work(struct work_struct *work)
{
	struct fqa_model *model = container_of(work, struct fqa_model, reap_work);
	struct fqa_card *card = model->obj.ctx->card;
	int idx;

	idx = fqa_card_enter(card);
	if (!fqa_card_is_dead(card)) {
		fqa_admin_abort(card, 0, model->load->cid);
		/* Ends in any case: a card that does not answer is reset. */
		fqa_admin_wait(model->load);
	}
	fqa_card_exit(card, idx);
	fqa_admin_put(model->load);
	fqa_object_put(&model->obj);
}

/* Its caller is being killed; the card may go on reading the image until it has answered. */
static void fqa_model_reap(struct fqa_model *model, struct fqa_admin_cmd *cmd)
{
	fqa_object_get(&model->obj);
	model->load = cmd;
	INIT_WORK(&model->reap_work, fqa_model_reap_work);
	queue_work(fqa_wq, &model->reap_work);
}

/* One LOAD. -EAGAIN: a reset came in between. @verdict is valid where 0 is returned. */
static int fqa_model_send(struct fqa_model *model, struct fqa_verdict *verdict)
{
	struct fqa_card *card = model->obj.ctx->card;
	struct fqa_admin_cmd *cmd;
	int ret;

	if (down_killable(&card->loads))
		return -EINTR;
	cmd = fqa_model_load_cmd(model, false);
	if (!cmd) {
		up(&card->loads);
		return -ENOMEM;
	}
	ret = fqa_model_load_submit(model, cmd);
	if (ret)
		return ret;
	ret = fqa_admin_wait(cmd);
	if (ret == -EINTR) {
		fqa_model_reap(model, cmd);
		return ret;
	}
	*verdict = cmd->verdict;
	fqa_admin_put(cmd);
	return ret == -EIO ? -EAGAIN : ret;
}

/* A LOAD past at most two resets: the first may be another's fault. */
static int fqa_model_try(struct fqa_model *model, struct fqa_verdict *verdict)
{
	struct fqa_card *card = model->obj.ctx->card;
	unsigned int tries;
	int ret = -EAGAIN;

	/* Or else it might fall asleep again between two steps. */
	fqa_pm_get(card);
	for (tries = 0; tries < 3 && ret == -EAGAIN; tries++) {
		ret = fqa_card_wait_live(card);
		if (!ret)
			ret = fqa_model_send(model, verdict);
	}
	fqa_pm_put(card);
	return ret == -EAGAIN ? -EIO : ret;
}

/* A user without privileges has a few LOADs at once, so that others find room for theirs. */
static int fqa_model_ask(struct fqa_model *model, struct fqa_verdict *verdict)
{
	struct fqa_user *user = model->obj.ctx->user;
	int ret;

	if (user && down_killable(&user->loads))
		return -EINTR;
	ret = fqa_model_try(model, verdict);
	if (user)
		up(&user->loads);
	return ret;
}

static int fqa_load_no_memory(struct fqa_context *ctx, struct fqaccel_model_load *arg,
			      u64 needed)
{
	arg->needed = needed;
	if (needed > ctx->card->mem_size)
		return -EFBIG;
	if (needed > ctx->memory_quota)
		return -EDQUOT;
	return -ENOSPC;
}

static int fqa_load_verdict(struct fqa_context *ctx, struct fqaccel_model_load *arg,
			    const struct fqa_verdict *verdict)
{
	arg->card_status = verdict->code;
	switch (verdict->code) {
	case FQA_SC_OK:
		return 0;
	case FQA_SC_BAD_IMAGE:
		arg->reason = verdict->reason;
		arg->layer = verdict->layer;
		arg->offset = verdict->offset;
		return -EBADMSG;
	case FQA_SC_NO_MEMORY:
		return fqa_load_no_memory(ctx, arg, verdict->result);
	default:
		arg->layer = verdict->layer;
		arg->offset = verdict->offset;
		return -EIO;
	}
}

/*
 * Charge what the image needs before it is loaded and what the card says of its
 * arena afterwards.
 */
static int fqa_load_charge(struct fqa_model *model, struct fqaccel_model_load *arg,
			   u64 bytes, u64 needed)
{
	int ret = fqa_context_charge_memory(model->obj.ctx, bytes);

	if (ret)
		arg->needed = needed;
	else
		model->charged += bytes;
	return ret;
}

static void fqa_load_report(const struct fqa_model *model, struct fqaccel_model_load *arg)
{
	const struct fqa_model_info *info = &model->info;

	arg->handle = model->obj.handle;
	arg->layers = info->layers;
	arg->classes = info->classes;
	arg->weights = info->weights;
	arg->input_bytes = info->input_bytes;
	arg->output_bytes = info->output_bytes;
	arg->image_bytes = info->image_bytes;
	arg->arena_bytes = info->arena_bytes;
	arg->cycles = info->cycles;
	arg->needed = info->image_bytes + info->arena_bytes;
}

static int fqa_load_copy_in(struct fqa_call *call, struct fqa_model *model)
	__must_hold(&call->ctx->card->srcu)
{
	struct fqaccel_model_load *arg = call->arg;
	int ret, gone;

	fqa_call_pause(call);
	ret = fqa_model_copy_in(model, u64_to_user_ptr(arg->image));
	gone = fqa_call_resume(call);
	return ret ?: gone;
}

/* Everything up to a model that is on the card and paid for. */
static int fqa_load_do(struct fqa_call *call, struct fqa_model *model)
{
	struct fqaccel_model_load *arg = call->arg;
	struct fqa_verdict verdict = {};
	u64 image_bytes = fqa_image_bytes(arg->length);
	struct fqa_model_info *info = &model->info;
	u64 total;
	int ret;

	ret = fqa_load_charge(model, arg, image_bytes, image_bytes);
	if (ret)
		return ret;
	ret = fqa_load_copy_in(call, model);
	if (ret)
		return ret;
	ret = fqa_model_prepare(model);
	if (ret)
		return ret;
	ret = fqa_model_ask(model, &verdict);
	if (ret)
		return ret;
	ret = fqa_load_verdict(model->obj.ctx, arg, &verdict);
	if (ret)
		return ret;
	ret = fqa_model_read_info(model);
	if (ret)
		return ret;
	/* Both are at most card memory: no overflow. */
	total = info->image_bytes + info->arena_bytes;
	if (total <= image_bytes)
		return 0;
	return fqa_load_charge(model, arg, total - image_bytes, total);
}

static int fqa_load_try(struct fqa_call *call, struct fqa_model **out)
{
	struct fqaccel_model_load *arg = call->arg;
	struct fqa_card *card = call->ctx->card;
	struct fqa_model *model = fqa_model_create(call->ctx, arg->length);
	int ret;

	if (!model)
		return -ENOMEM;
	atomic_inc(&card->loading);
	ret = fqa_load_do(call, model);
	if (atomic_dec_and_test(&card->loading))
		wake_up_all(&card->unload_wait);
	if (ret) {
		fqa_object_put(&model->obj);
		return ret;
	}
	*out = model;
	return 0;
}

/* It is full, and may not be so for long. */
static bool fqa_load_may_wait(struct fqa_card *card, int ret)
{
	return (ret == -ENOSPC || ret == -EDQUOT) &&
	       (atomic_read(&card->unloading) || atomic_read(&card->loading));
}

/*
 * Models are freed in the background: what looks full may have room in a moment, and a
 * program that replaces a model should not have to know. Also, who loads more than its
 * quota has it on the card until that is known. Not for ever: others may go on with it.
 */
static int fqa_load_retry(struct fqa_call *call, struct fqa_model **out)
{
	struct fqaccel_model_load *arg = call->arg;
	struct fqa_card *card = call->ctx->card;
	bool freeing = atomic_read(&card->unloading);
	unsigned int tries;
	long left;
	int ret;

	for (tries = 0; tries < FQA_LOAD_TRIES; tries++) {
		ret = fqa_load_try(call, out);
		if (ret != -ENOSPC && ret != -EDQUOT)
			return ret;
		if (!freeing && !fqa_load_may_wait(card, ret))
			return ret;
		freeing = false;
		left = wait_event_killable_timeout(card->unload_wait,
						   fqa_card_is_dead(card) ||
						   (!atomic_read(&card->unloading) &&
						    !atomic_read(&card->loading)),
						   msecs_to_jiffies(FQA_LOAD_WAIT_MS));
		if (left < 0)
			return -EINTR;
		arg->card_status = 0;
		arg->needed = 0;
	}
	return fqa_load_try(call, out);
}

static int fqa_load_check(struct fqa_card *card, struct fqaccel_model_load *arg)
{
	if (arg->flags || arg->pad)
		return -EOPNOTSUPP;
	if (!arg->length || arg->length > U32_MAX)
		return -EINVAL;
	arg->card_status = 0;
	arg->reason = 0;
	arg->layer = FQA_NO_LAYER;
	arg->offset = 0;
	arg->needed = 0;
	return 0;
}

int fqa_model_load(struct fqa_call *call)
{
	struct fqaccel_model_load *arg = call->arg;
	struct fqa_context *ctx = call->ctx;
	struct fqa_model *model = NULL;
	int ret;

	ret = fqa_load_check(ctx->card, arg);
	if (ret)
		return ret;
	if (fqa_image_bytes(arg->length) > ctx->card->mem_size) {
		arg->needed = fqa_image_bytes(arg->length);
		ret = -EFBIG;
	} else {
		ret = fqa_load_retry(call, &model);
	}
	if (ret)
		/* The caller learns why from the structure. */
		return fqa_call_respond(call) ?: ret;

	ret = fqa_object_reserve(&model->obj);
	if (ret)
		goto err_put_model;
	fqa_load_report(model, arg);
	ret = fqa_object_publish(&model->obj, call);
	if (ret)
		goto err_put_model;
	return 0;

err_put_model:
	fqa_object_put(&model->obj);
	return ret;
}
