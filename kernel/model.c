// SPDX-License-Identifier: GPL-2.0
/*
 * Models: the driver's copy of an image, and its slot on the card. The copy stays,
 * mapped for the card, as long as the model, so that it can be loaded again after a reset.
 */
#include <linux/dmapool.h>
#include <linux/slab.h>

#include "pm.h"

static void fqa_model_free_work(struct work_struct *work);

static void fqa_model_free(struct fqa_object *obj)
{
	struct fqa_model *model = container_of(obj, struct fqa_model, obj);

	/* May be called in an interrupt thread, and UNLOAD waits for the card. */
	atomic_inc(&obj->ctx->card->unloading);
	queue_work(fqa_wq, &model->free_work);
}

/* Without an image, and with nothing on the card yet; NULL without memory. */
struct fqa_model *fqa_model_create(struct fqa_context *ctx, u64 length)
{
	struct fqa_model *model = kzalloc(sizeof(*model), GFP_KERNEL_ACCOUNT);

	if (!model)
		return NULL;
	model->slot = -1;
	model->length = length;
	INIT_LIST_HEAD(&model->node);
	INIT_WORK(&model->free_work, fqa_model_free_work);
	fqa_object_init(&model->obj, ctx, FQA_OBJECT_MODEL, fqa_model_free);
	return model;
}

/* The driver's copy of the image. -ENOSPC: above the open file's buffer_limit. */
int fqa_model_copy_in(struct fqa_model *model, const void __user *from)
{
	struct fqa_memory *image = fqa_memory_alloc(model->obj.ctx, model->length);

	if (IS_ERR(image))
		return PTR_ERR(image);
	model->image = image;
	return fqa_memory_copy_in(image, from, model->length);
}

/* Free what lies in DMA pools. Under models_lock, unless the model is not in card->models. */
static void fqa_model_unmap(struct fqa_model *model)
{
	struct fqa_card *card = model->obj.ctx->card;

	fqa_sglist_free(model->obj.ctx, &model->list);
	if (model->hw_info)
		dma_pool_free(card->small_pool, model->hw_info, model->hw_info_dma);
	model->hw_info = NULL;
}

/* Of a user without privileges, half of the slots are the most. */
static int fqa_model_take_slot(struct fqa_model *model)
{
	struct fqa_user *user = model->obj.ctx->user;
	struct fqa_card *card = model->obj.ctx->card;
	int ret;

	if (!fqa_user_charge_slot(user, max(card->slots / 2, 1U)))
		return -ENOSPC;
	ret = ida_alloc_max(&card->model_slots, card->slots - 1, GFP_KERNEL);
	if (ret < 0) {
		fqa_user_uncharge_slot(user);
		return ret;
	}
	model->slot = ret;
	return 0;
}

static void fqa_model_give_slot(struct fqa_model *model)
{
	struct fqa_context *ctx = model->obj.ctx;

	if (model->slot < 0)
		return;
	ida_free(&ctx->card->model_slots, model->slot);
	fqa_user_uncharge_slot(ctx->user);
}

/* With the image filled in: get ready all that a LOAD needs. Within fqa_card_enter(). */
int fqa_model_prepare(struct fqa_model *model)
{
	struct fqa_context *ctx = model->obj.ctx;
	struct fqa_card *card = ctx->card;
	int ret;

	ret = fqa_model_take_slot(model);
	if (ret)
		return ret;
	ret = fqa_memory_map(model->image, DMA_TO_DEVICE);
	if (ret)
		return ret;
	/* Removal finds the lists through card->models: they are in there, or nowhere. */
	model->hw_info = dma_pool_zalloc(card->small_pool, GFP_KERNEL, &model->hw_info_dma);
	ret = -ENOMEM;
	if (model->hw_info)
		ret = fqa_sglist_build(ctx, &model->list, model->image, 0, model->length);
	if (!ret)
		ret = mutex_lock_killable(&card->models_lock);
	if (ret) {
		fqa_model_unmap(model);
		return ret;
	}
	list_add_tail(&model->node, &card->models);
	mutex_unlock(&card->models_lock);
	return 0;
}

/* Removal: the pools go away before the models do. */
void fqa_models_unmap(struct fqa_card *card)
{
	struct fqa_model *model;

	mutex_lock(&card->models_lock);
	list_for_each_entry(model, &card->models, node)
		fqa_model_unmap(model);
	mutex_unlock(&card->models_lock);
}

/*
 * Empty the model's slot. It is no error that a reset has emptied it already;
 * a card that keeps the image is reset.
 */
static void fqa_model_unload(struct fqa_model *model)
{
	struct fqa_card *card = model->obj.ctx->card;
	struct fqa_admin_cmd *cmd;
	u16 code;

	/* No LOAD is under way: it would hold the model. */
	if (!model->on_card)
		return;
	cmd = fqa_admin_alloc(card, FQA_OP_UNLOAD, false);
	if (!cmd) {
		fqa_reset_request(card, "could not be told to unload a model: no memory");
		return;
	}
	cmd->hw.slot = cpu_to_le32(model->slot);
	if (fqa_admin_exec(cmd))
		return;
	code = cmd->verdict.code;
	fqa_admin_put(cmd);
	if (code != FQA_SC_OK && code != FQA_SC_BAD_SLOT)
		fqa_reset_request(card, "does not unload a model");
}

static void fqa_model_free_work(struct work_struct *work)
{
	struct fqa_model *model = container_of(work, struct fqa_model, free_work);
	struct fqa_context *ctx = model->obj.ctx;
	struct fqa_card *card = ctx->card;
	int idx;

	idx = fqa_card_enter(card);
	if (!fqa_card_is_dead(card))
		fqa_model_unload(model);
	fqa_card_exit(card, idx);
	fqa_pm_model_gone(model);
	mutex_lock(&card->models_lock);
	fqa_model_unmap(model);
	list_del(&model->node);
	mutex_unlock(&card->models_lock);

	if (model->image)
		fqa_memory_put(model->image);
	fqa_model_give_slot(model);
	fqa_context_uncharge_memory(ctx, model->charged);
	kfree(model);
	if (atomic_dec_and_test(&card->unloading))
		wake_up_all(&card->unload_wait);
	fqa_context_put(ctx);
}

static void fqa_model_load_complete(struct fqa_admin_cmd *cmd)
{
	struct fqa_model *model = cmd->data;

	fqa_object_put(&model->obj);
}

/* A LOAD of the model; NULL without memory. */
struct fqa_admin_cmd *fqa_model_load_cmd(struct fqa_model *model, bool internal)
{
	struct fqa_admin_cmd *cmd = fqa_admin_alloc(model->obj.ctx->card, FQA_OP_LOAD, internal);

	if (!cmd)
		return NULL;
	cmd->hw.slot = cpu_to_le32(model->slot);
	fqa_sglist_describe(&model->list, &cmd->hw.load.image);
	cmd->hw.load.length = cpu_to_le64(model->length);
	cmd->hw.load.info = cpu_to_le64(model->hw_info_dma);
	cmd->ok = &model->on_card;
	cmd->complete = fqa_model_load_complete;
	cmd->data = model;
	return cmd;
}

/* The ring holds the model until the LOAD completes. Takes over @cmd's reference on failure. */
int fqa_model_load_submit(struct fqa_model *model, struct fqa_admin_cmd *cmd)
{
	int ret;

	fqa_object_get(&model->obj);
	ret = fqa_admin_submit(cmd);
	if (ret) {
		fqa_object_put(&model->obj);
		fqa_admin_put(cmd);
	}
	return ret;
}

/* After a LOAD has succeeded. What the card says is bounded here, once. */
int fqa_model_read_info(struct fqa_model *model)
{
	const struct fqa_hw_model_info *hw = model->hw_info;
	struct fqa_card *card = model->obj.ctx->card;
	struct fqa_model_info *info = &model->info;

	info->image_bytes = le64_to_cpu(READ_ONCE(hw->image_bytes));
	info->arena_bytes = le64_to_cpu(READ_ONCE(hw->arena_bytes));
	info->input_bytes = le64_to_cpu(READ_ONCE(hw->input_bytes));
	info->output_bytes = le64_to_cpu(READ_ONCE(hw->output_bytes));
	info->cycles = le64_to_cpu(READ_ONCE(hw->cycles));
	info->weights = le64_to_cpu(READ_ONCE(hw->weights));
	info->layers = le32_to_cpu(READ_ONCE(hw->layers));
	info->classes = le32_to_cpu(READ_ONCE(hw->classes));

	if (info->image_bytes > card->mem_size || info->arena_bytes > card->mem_size ||
	    !info->input_bytes || info->input_bytes > card->mem_size ||
	    !info->output_bytes || info->output_bytes > card->mem_size || !info->layers) {
		dev_warn_ratelimited(&card->pdev->dev, "implausible model information\n");
		return -EIO;
	}
	return 0;
}

/* The card has lost its images. With the admin ring closed: no LOAD sets on_card then. */
void fqa_models_forget(struct fqa_card *card)
{
	struct fqa_model *model;

	mutex_lock(&card->models_lock);
	list_for_each_entry(model, &card->models, node) {
		if (!model->on_card)
			continue;
		model->on_card = false;
		spin_lock(&card->lock);
		model->dead = true;
		spin_unlock(&card->lock);
	}
	mutex_unlock(&card->models_lock);
}

/* A model whose reload fails stays dead, and its runs end with -EIO. */
static int fqa_model_reload(struct fqa_model *model)
{
	struct fqa_card *card = model->obj.ctx->card;
	struct fqa_admin_cmd *cmd = fqa_model_load_cmd(model, true);
	int ret;

	if (!cmd)
		return -ENOMEM;
	ret = fqa_model_load_submit(model, cmd);
	if (ret)
		return ret;
	ret = fqa_admin_wait(cmd);
	if (!ret && cmd->verdict.code != FQA_SC_OK)
		ret = -EIO;
	fqa_admin_put(cmd);
	if (ret)
		return ret;
	spin_lock(&card->lock);
	model->dead = false;
	spin_unlock(&card->lock);
	return 0;
}

/* In the reset work: put every model that was on the card back there. */
int fqa_models_reload(struct fqa_card *card)
{
	struct fqa_model *model;
	int ret = 0;

	mutex_lock(&card->models_lock);
	list_for_each_entry(model, &card->models, node) {
		/* One that is being freed, or was never loaded, is not wanted. */
		if (!model->dead || !kref_get_unless_zero(&model->obj.ref))
			continue;
		ret = fqa_model_reload(model);
		if (ret)
			dev_warn(&card->pdev->dev, "a model could not be loaded again: error %d\n",
				 ret);
		fqa_object_put(&model->obj);
		/* The card does not answer: another reset. */
		if (ret == -ETIMEDOUT)
			break;
		ret = 0;
	}
	mutex_unlock(&card->models_lock);
	return ret;
}
