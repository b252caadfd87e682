// SPDX-License-Identifier: GPL-2.0
/* Contexts: what belongs to one open file, its handles, its charges, its end. */
#include <linux/capability.h>
#include <linux/jiffies.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "fqa.h"

static void fqa_context_teardown(struct work_struct *work);

/* -ENOMEM, -EMFILE or -EBUSY. */
struct fqa_context *fqa_context_create(struct fqa_card *card)
{
	struct fqa_context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	bool privileged = capable(CAP_SYS_RESOURCE);
	struct fqa_user *user;

	if (!ctx)
		return ERR_PTR(-ENOMEM);
	user = privileged ? NULL : fqa_user_get(card);
	if (IS_ERR(user)) {
		kfree(ctx);
		return ERR_CAST(user);
	}
	ctx->user = user;
	kref_init(&ctx->ref);
	ctx->card = card;
	ctx->pid = task_tgid_nr(current);
	get_device(&card->dev);
	xa_init_flags(&ctx->objects, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	INIT_WORK(&ctx->teardown, fqa_context_teardown);
	init_waitqueue_head(&ctx->poll_wait);
	init_waitqueue_head(&ctx->idle_wait);
	INIT_LIST_HEAD(&ctx->queues);
	fqa_sched_init_context(ctx);
	spin_lock_init(&ctx->lock);
	ctx->memory_quota = privileged ? card->mem_size : card->mem_size / 2;
	ctx->buffer_limit = fqa_buffer_limit();

	spin_lock(&card->lock);
	ctx->id = ++card->last_client;
	list_add_tail(&ctx->node, &card->contexts);
	spin_unlock(&card->lock);
	return ctx;
}

void fqa_context_get(struct fqa_context *ctx)
{
	kref_get(&ctx->ref);
}

static void fqa_context_free(struct kref *ref)
{
	struct fqa_context *ctx = container_of(ref, struct fqa_context, ref);
	struct fqa_card *card = ctx->card;

	spin_lock(&card->lock);
	list_del(&ctx->node);
	spin_unlock(&card->lock);
	WARN_ON(ctx->memory_used || ctx->buffer_used || ctx->unfinished);
	xa_destroy(&ctx->objects);
	fqa_user_put(card, ctx->user);
	kfree(ctx);
	put_device(&card->dev);
}

void fqa_context_put(struct fqa_context *ctx)
{
	kref_put(&ctx->ref, fqa_context_free);
}

/* No run of the context starts any more; those that had not started are dropped. */
static void fqa_context_stop(struct fqa_context *ctx)
{
	struct fqa_card *card = ctx->card;
	struct fqa_queue *queue;
	LIST_HEAD(done);

	spin_lock(&card->lock);
	ctx->closed = true;
	list_for_each_entry(queue, &ctx->queues, node) {
		queue->closed = true;
		fqa_sched_take_queue(queue, -ECANCELED, &done);
	}
	spin_unlock(&card->lock);
	fqa_sched_finish(card, &done);
}

/* Nothing of it starts any more; runs that have not are dropped. */
void fqa_context_ban(struct fqa_context *ctx, struct list_head *done)
{
	struct fqa_queue *queue;

	lockdep_assert_held(&ctx->card->lock);
	if (ctx->banned)
		return;
	WRITE_ONCE(ctx->banned, true);
	list_for_each_entry(queue, &ctx->queues, node) {
		fqa_sched_take_queue(queue, -ECANCELED, done);
		/* Who waits for room is to hear of it. */
		wake_up_all(&queue->wait);
	}
}

/* A run of the context has hung the card. True: that was once too often, and it is banned. */
bool fqa_context_blame(struct fqa_context *ctx, struct list_head *done)
{
	unsigned long window = msecs_to_jiffies(FQA_GUILT_WINDOW_MS);

	lockdep_assert_held(&ctx->card->lock);
	if (ctx->banned)
		return false;
	if (ctx->guilt < ARRAY_SIZE(ctx->guilty_at) ||
	    time_after(jiffies, ctx->guilty_at[0] + window)) {
		ctx->guilt = min_t(unsigned int, ctx->guilt + 1, ARRAY_SIZE(ctx->guilty_at));
		memmove(ctx->guilty_at, ctx->guilty_at + 1,
			sizeof(ctx->guilty_at) - sizeof(ctx->guilty_at[0]));
		ctx->guilty_at[ARRAY_SIZE(ctx->guilty_at) - 1] = jiffies;
		return false;
	}
	fqa_context_ban(ctx, done);
	return true;
}

static void fqa_context_teardown(struct work_struct *work)
{
	struct fqa_context *ctx = container_of(work, struct fqa_context, teardown);
	struct fqa_card *card = ctx->card;
	struct fqa_object *obj;
	unsigned long handle;
	int idx;

	idx = fqa_card_enter(card);
	fqa_context_stop(ctx);
	/* A dead card's runs are ended by whoever finds it dead. */
	if (!fqa_card_is_dead(card))
		fqa_hwqs_abort(card, ctx);
	fqa_card_exit(card, idx);
	xa_for_each(&ctx->objects, handle, obj) {
		xa_erase(&ctx->objects, handle);
		if (obj->type == FQA_OBJECT_QUEUE)
			fqa_queue_close(container_of(obj, struct fqa_queue, obj));
		fqa_object_put(obj);
	}
	fqa_context_put(ctx);
}

/* The file has no user left: neither an ioctl nor a mapping. Does not wait for anything. */
void fqa_context_close(struct fqa_context *ctx)
{
	fqa_user_close(ctx->card, ctx->user);
	queue_work(fqa_wq, &ctx->teardown);
}

static int fqa_charge(struct fqa_context *ctx, u64 *used, u64 limit, u64 bytes, int error)
{
	int ret = error;
	u64 sum;

	spin_lock(&ctx->lock);
	if (!check_add_overflow(*used, bytes, &sum) && sum <= limit) {
		*used = sum;
		ret = 0;
	}
	spin_unlock(&ctx->lock);
	return ret;
}

static void fqa_uncharge(struct fqa_context *ctx, u64 *used, u64 bytes)
{
	spin_lock(&ctx->lock);
	WARN_ON(*used < bytes);
	*used -= bytes;
	spin_unlock(&ctx->lock);
}

int fqa_context_charge_buffer(struct fqa_context *ctx, u64 bytes)
{
	int ret = fqa_charge(ctx, &ctx->buffer_used, ctx->buffer_limit, bytes, -ENOSPC);

	if (!ret && !fqa_user_charge_buffer(ctx->user, bytes)) {
		fqa_uncharge(ctx, &ctx->buffer_used, bytes);
		ret = -ENOSPC;
	}
	return ret;
}

void fqa_context_uncharge_buffer(struct fqa_context *ctx, u64 bytes)
{
	fqa_uncharge(ctx, &ctx->buffer_used, bytes);
	fqa_user_uncharge_buffer(ctx->user, bytes);
}

int fqa_context_charge_memory(struct fqa_context *ctx, u64 bytes)
{
	int ret = fqa_charge(ctx, &ctx->memory_used, ctx->memory_quota, bytes, -EDQUOT);

	if (!ret && !fqa_user_charge_memory(ctx->user, bytes, ctx->memory_quota)) {
		fqa_uncharge(ctx, &ctx->memory_used, bytes);
		ret = -EDQUOT;
	}
	return ret;
}

void fqa_context_uncharge_memory(struct fqa_context *ctx, u64 bytes)
{
	fqa_uncharge(ctx, &ctx->memory_used, bytes);
	fqa_user_uncharge_memory(ctx->user, bytes);
}

/* The new object's reference is its handle's; it is the caller's until it is published. */
void fqa_object_init(struct fqa_object *obj, struct fqa_context *ctx,
		     enum fqa_object_type type, void (*free)(struct fqa_object *obj))
{
	kref_init(&obj->ref);
	obj->type = type;
	obj->free = free;
	obj->ctx = ctx;
	fqa_context_get(ctx);
}

/* Get a handle that nobody can find anything behind yet. */
int fqa_object_reserve(struct fqa_object *obj)
{
	int ret = xa_alloc(&obj->ctx->objects, &obj->handle, NULL,
			   XA_LIMIT(1, FQA_MAX_HANDLE), GFP_KERNEL_ACCOUNT);

	return ret == -EBUSY ? -ENOSPC : ret;
}

/*
 * Tell the ioctl's caller, and have the handle name the object: in this order, since others may
 * guess a handle, and where the caller cannot be told there is to be no object. On success the
 * reference is the handle's, which else is given up.
 */
int fqa_object_publish(struct fqa_object *obj, struct fqa_call *call)
	__must_hold(&call->ctx->card->srcu)
{
	int ret = fqa_call_respond(call);

	if (ret) {
		xa_release(&obj->ctx->objects, obj->handle);
		return ret;
	}
	/* Cannot fail: the entry's memory is there since fqa_object_reserve(). */
	xa_store(&obj->ctx->objects, obj->handle, obj, GFP_KERNEL_ACCOUNT);
	return 0;
}

/* NULL, or a reference. */
struct fqa_object *fqa_object_find(struct fqa_context *ctx, u32 handle,
				   enum fqa_object_type type)
{
	struct fqa_object *obj;

	xa_lock(&ctx->objects);
	obj = xa_load(&ctx->objects, handle);
	if (obj && obj->type == type)
		fqa_object_get(obj);
	else
		obj = NULL;
	xa_unlock(&ctx->objects);
	return obj;
}

void fqa_object_get(struct fqa_object *obj)
{
	kref_get(&obj->ref);
}

static void fqa_object_release(struct kref *ref)
{
	struct fqa_object *obj = container_of(ref, struct fqa_object, ref);

	obj->free(obj);
}

/* May sleep. */
void fqa_object_put(struct fqa_object *obj)
{
	kref_put(&obj->ref, fqa_object_release);
}

int fqa_object_destroy(struct fqa_call *call)
{
	struct fqaccel_destroy *arg = call->arg;
	struct xarray *objects = &call->ctx->objects;
	struct fqa_object *obj;

	/* A handle that is only reserved is not anybody's yet, and stays. */
	xa_lock(objects);
	obj = xa_load(objects, arg->handle);
	if (obj)
		__xa_erase(objects, arg->handle);
	xa_unlock(objects);
	if (!obj)
		return -ENOENT;
	if (obj->type == FQA_OBJECT_QUEUE)
		fqa_queue_close(container_of(obj, struct fqa_queue, obj));
	fqa_object_put(obj);
	return 0;
}
