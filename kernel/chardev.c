// SPDX-License-Identifier: GPL-2.0
/* The character device: open, release, mmap, poll, and the table of ioctls. */
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "fence.h"
#include "fqa.h"
#include "pm.h"

static int fqa_info(struct fqa_call *call)
{
	struct fqaccel_info *arg = call->arg;
	struct fqa_context *ctx = call->ctx;
	struct fqa_card *card = ctx->card;

	if (arg->flags || arg->pad)
		return -EOPNOTSUPP;
	arg->abi_version = FQACCEL_ABI_VERSION;
	arg->hw_version = card->hw_version;
	arg->firmware = card->firmware;
	arg->format = card->format;
	arg->features = FQACCEL_FEATURE_FENCES | FQACCEL_FEATURE_DMABUF |
			FQACCEL_FEATURE_PRIORITY | FQACCEL_FEATURE_NOP | FQA_FEATURE_URING;
	arg->memory_size = card->mem_size;
	arg->memory_free = fqa_pm_memory_free(card);
	spin_lock(&ctx->lock);
	arg->memory_quota = ctx->memory_quota;
	arg->memory_used = ctx->memory_used;
	arg->buffer_limit = ctx->buffer_limit;
	arg->buffer_used = ctx->buffer_used;
	spin_unlock(&ctx->lock);
	arg->lanes = card->lanes;
	arg->clock_khz = card->clock_khz;
	arg->hw_queues = card->nr_hwqs;
	arg->max_queues = FQA_MAX_QUEUES;
	arg->max_depth = FQA_MAX_DEPTH;
	arg->max_runs = FQA_MAX_RUNS;
	arg->max_batch = FQA_MAX_BATCH;
	arg->pci_domain = pci_domain_nr(card->pdev->bus);
	arg->pci_bdf = pci_dev_id(card->pdev);
	return fqa_call_respond(call);
}

struct fqa_ioctl {
	unsigned int cmd;
	u32 size;	/* of the structure as this driver knows it */
	u32 min_size;	/* of its first version */
	bool banned;	/* works for a context that is banned, too */
	int (*fn)(struct fqa_call *call);
};

#define FQA_IOCTL(_cmd, _fn, _struct, _last, _banned)			\
	[_IOC_NR(_cmd)] = {						\
		.cmd = _cmd,						\
		.size = sizeof(struct _struct),				\
		.min_size = offsetofend(struct _struct, _last),		\
		.banned = _banned,					\
		.fn = _fn,						\
	}

static const struct fqa_ioctl fqa_ioctls[] = {
	FQA_IOCTL(FQACCEL_IOC_INFO, fqa_info, fqaccel_info, pad, true),
	FQA_IOCTL(FQACCEL_IOC_DESTROY, fqa_object_destroy, fqaccel_destroy, handle, true),
	FQA_IOCTL(FQACCEL_IOC_BUFFER_CREATE, fqa_buffer_create, fqaccel_buffer_create, offset,
		  false),
	FQA_IOCTL(FQACCEL_IOC_MODEL_LOAD, fqa_model_load, fqaccel_model_load, needed, false),
	FQA_IOCTL(FQACCEL_IOC_QUEUE_CREATE, fqa_queue_create, fqaccel_queue_create, pad, false),
	FQA_IOCTL(FQACCEL_IOC_SUBMIT, fqa_submit, fqaccel_submit, sequence, false),
	FQA_IOCTL(FQACCEL_IOC_WAIT, fqa_queue_wait, fqaccel_wait, pad, true),
	FQA_IOCTL(FQACCEL_IOC_BUFFER_EXPORT, fqa_buffer_export, fqaccel_buffer_export, fd, false),
	FQA_IOCTL(FQACCEL_IOC_BUFFER_IMPORT, fqa_buffer_import, fqaccel_buffer_import, length,
		  false),
};

union fqa_ioctl_arg {
	struct fqaccel_info info;
	struct fqaccel_destroy destroy;
	struct fqaccel_buffer_create buffer_create;
	struct fqaccel_model_load model_load;
	struct fqaccel_queue_create queue_create;
	struct fqaccel_submit submit;
	struct fqaccel_wait wait;
	struct fqaccel_buffer_export buffer_export;
	struct fqaccel_buffer_import buffer_import;
};

/*
 * User memory may take for ever to come (userfaultfd), and removal must not wait
 * for it: it is accessed outside of fqa_card_enter(). Nothing that the
 * card's removal would not find may be held meanwhile.
 */
void fqa_call_pause(struct fqa_call *call)
	__releases(&call->ctx->card->srcu)
{
	fqa_card_exit(call->ctx->card, call->idx);
}

/* Inside again, even if the card has gone: -ENODEV then. */
int fqa_call_resume(struct fqa_call *call)
	__acquires(&call->ctx->card->srcu)
{
	call->idx = fqa_card_enter(call->ctx->card);
	return fqa_card_is_dead(call->ctx->card) ? -ENODEV : 0;
}

/* copy_struct_from_user(), outside. */
int fqa_call_copy(struct fqa_call *call, void *to, const void __user *from, u32 size,
		  u32 user_size)
	__must_hold(&call->ctx->card->srcu)
{
	int ret, gone;

	fqa_call_pause(call);
	ret = copy_struct_from_user(to, size, from, user_size);
	gone = fqa_call_resume(call);
	return ret ?: gone;
}

/* Write the structure back, as much of it as the caller knows. */
int fqa_call_respond(struct fqa_call *call)
	__must_hold(&call->ctx->card->srcu)
{
	unsigned long left;
	int gone;

	fqa_call_pause(call);
	left = copy_to_user(call->user, call->arg, min(call->size, call->user_size));
	gone = fqa_call_resume(call);
	return left ? -EFAULT : gone;
}

static long fqa_ioctl_do(struct fqa_context *ctx, const struct fqa_ioctl *ioctl,
			 void __user *user, struct fqa_uring *uring)
{
	union fqa_ioctl_arg arg;
	struct fqa_call call = {
		.ctx = ctx,
		.user = user,
		.size = ioctl->size,
		.arg = &arg,
		.uring = uring,
	};
	int ret;

	if (get_user(call.user_size, (u32 __user *)user))
		return -EFAULT;
	if (call.user_size < ioctl->min_size)
		return -EINVAL;
	if (call.user_size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&arg, ioctl->size, user, call.user_size);
	if (ret)
		return ret;
	/* The caller may have changed it in between. */
	*(u32 *)&arg = call.user_size;
	ret = fqa_call_resume(&call);
	if (!ret)
		ret = ioctl->fn(&call);
	fqa_call_pause(&call);
	return ret;
}

/* An ioctl, or what io_uring asks for in its place. */
long fqa_chardev_call(struct file *file, unsigned int cmd, void __user *user,
		      struct fqa_uring *uring)
{
	struct fqa_context *ctx = file->private_data;
	unsigned int nr = _IOC_NR(cmd);

	if (nr >= ARRAY_SIZE(fqa_ioctls))
		return -ENOTTY;
	nr = array_index_nospec(nr, ARRAY_SIZE(fqa_ioctls));
	if (fqa_ioctls[nr].cmd != cmd)
		return -ENOTTY;
	if (fqa_card_is_dead(ctx->card))
		return -ENODEV;
	if (!fqa_ioctls[nr].banned && READ_ONCE(ctx->banned))
		return -EBADFD;
	return fqa_ioctl_do(ctx, &fqa_ioctls[nr], user, uring);
}

static long fqa_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	return fqa_chardev_call(file, cmd, (void __user *)user, NULL);
}

static int fqa_open(struct inode *inode, struct file *file)
{
	struct fqa_card *card = container_of(inode->i_cdev, struct fqa_card, cdev);
	struct fqa_context *ctx;

	if (fqa_card_is_dead(card))
		return -ENODEV;
	ctx = fqa_context_create(card);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	file->private_data = ctx;
	return nonseekable_open(inode, file);
}

static int fqa_release(struct inode *inode, struct file *file)
{
	fqa_context_close(file->private_data);
	return 0;
}

static int fqa_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct fqa_context *ctx = file->private_data;

	if (fqa_card_is_dead(ctx->card))
		return -ENODEV;
	return fqa_buffer_mmap(ctx, vma);
}

static __poll_t fqa_poll(struct file *file, struct poll_table_struct *wait)
{
	struct fqa_context *ctx = file->private_data;
	struct fqa_card *card = ctx->card;
	struct fqa_queue *queue;
	__poll_t mask = 0;

	poll_wait(file, &ctx->poll_wait, wait);
	spin_lock(&card->lock);
	if (card->state == FQA_STATE_DEAD)
		mask |= EPOLLERR | EPOLLHUP;
	if (ctx->banned)
		mask |= EPOLLERR;
	list_for_each_entry(queue, &ctx->queues, node)
		if (queue->armed && queue->completed >= queue->armed)
			mask |= EPOLLIN | EPOLLRDNORM;
	spin_unlock(&card->lock);
	return mask;
}

const struct file_operations fqa_fops = {
	.owner = THIS_MODULE,
	.open = fqa_open,
	.release = fqa_release,
	.mmap = fqa_mmap,
	.poll = fqa_poll,
	.unlocked_ioctl = fqa_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = fqa_uring_cmd,
	.show_fdinfo = fqa_show_fdinfo,
};
