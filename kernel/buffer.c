// SPDX-License-Identifier: GPL-2.0
/* Buffers: DMA memory that user space maps, or that comes from a dma-buf. */
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "fqa.h"

#define FQA_BUFFER_FLAGS	(FQACCEL_BUFFER_CARD_READS | FQACCEL_BUFFER_CARD_WRITES)

static struct fqa_buffer *fqa_to_buffer(struct fqa_object *obj)
{
	return container_of(obj, struct fqa_buffer, obj);
}

static void fqa_buffer_free(struct fqa_object *obj)
{
	struct fqa_buffer *buffer = fqa_to_buffer(obj);

	fqa_memory_put(buffer->memory);
	fqa_context_put(obj->ctx);
	kfree(buffer);
}

static enum dma_data_direction fqa_buffer_direction(u32 flags)
{
	if (flags == FQACCEL_BUFFER_CARD_READS)
		return DMA_TO_DEVICE;
	if (flags == FQACCEL_BUFFER_CARD_WRITES)
		return DMA_FROM_DEVICE;
	return DMA_BIDIRECTIONAL;
}

static struct fqa_buffer *fqa_buffer_alloc(struct fqa_context *ctx, u64 length, u32 flags)
{
	struct fqa_buffer *buffer;
	int ret;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	buffer->memory = fqa_memory_alloc(ctx, length);
	if (IS_ERR(buffer->memory)) {
		ret = PTR_ERR(buffer->memory);
		goto err_free_buffer;
	}
	ret = fqa_memory_map(buffer->memory, fqa_buffer_direction(flags));
	if (ret)
		goto err_put_memory;
	buffer->length = buffer->memory->length;
	buffer->flags = flags;
	fqa_object_init(&buffer->obj, ctx, FQA_OBJECT_BUFFER, fqa_buffer_free);
	return buffer;

err_put_memory:
	fqa_memory_put(buffer->memory);
err_free_buffer:
	kfree(buffer);
	return ERR_PTR(ret);
}

/* Where in the device file it is mapped. */
static u64 fqa_buffer_offset(const struct fqa_buffer *buffer)
{
	if (buffer->length <= BIT_ULL(FQA_MMAP_SMALL_SHIFT))
		return (u64)buffer->obj.handle << FQA_MMAP_SMALL_SHIFT;
	return FQA_MMAP_LARGE + ((u64)buffer->obj.handle << FQA_MMAP_LARGE_SHIFT);
}

int fqa_buffer_create(struct fqa_call *call)
{
	struct fqaccel_buffer_create *arg = call->arg;
	struct fqa_buffer *buffer;
	int ret;

	if (arg->flags & ~FQA_BUFFER_FLAGS || arg->pad)
		return -EOPNOTSUPP;
	if (!arg->flags || !arg->length)
		return -EINVAL;
	if (arg->length > FQA_MAX_BUFFER)
		return -ENOSPC;

	buffer = fqa_buffer_alloc(call->ctx, arg->length, arg->flags);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	ret = fqa_object_reserve(&buffer->obj);
	if (ret)
		goto err_put_buffer;
	arg->handle = buffer->obj.handle;
	arg->offset = fqa_buffer_offset(buffer);
	ret = fqa_object_publish(&buffer->obj, call);
	if (ret)
		goto err_put_buffer;
	return 0;

err_put_buffer:
	fqa_object_put(&buffer->obj);
	return ret;
}

/*
 * The descriptor is taken before user space is told, and given its file afterwards:
 * nobody can use or close it until then.
 */
static int fqa_buffer_install(struct fqa_call *call, struct dma_buf *dmabuf)
{
	struct fqaccel_buffer_export *arg = call->arg;
	int fd = get_unused_fd_flags(O_CLOEXEC);
	int ret;

	if (fd < 0)
		return fd;
	arg->fd = fd;
	ret = fqa_call_respond(call);
	if (ret) {
		put_unused_fd(fd);
		return ret;
	}
	fd_install(fd, dmabuf->file);
	return 0;
}

int fqa_buffer_export(struct fqa_call *call)
{
	struct fqaccel_buffer_export *arg = call->arg;
	struct fqa_buffer *buffer;
	struct dma_buf *dmabuf;
	struct fqa_object *obj;
	int ret;

	if (arg->flags)
		return -EOPNOTSUPP;
	obj = fqa_object_find(call->ctx, arg->handle, FQA_OBJECT_BUFFER);
	if (!obj)
		return -ENOENT;
	buffer = fqa_to_buffer(obj);
	ret = -EINVAL;
	if (buffer->imported)
		goto out_put_object;
	dmabuf = fqa_dmabuf_export(buffer->memory);
	ret = PTR_ERR_OR_ZERO(dmabuf);
	if (ret)
		goto out_put_object;
	ret = fqa_buffer_install(call, dmabuf);
	if (ret)
		dma_buf_put(dmabuf);
out_put_object:
	fqa_object_put(obj);
	return ret;
}

/* A descriptor that its owner may only read through gives the card no other right. */
static bool fqa_buffer_may(const struct dma_buf *dmabuf, u32 flags)
{
	fmode_t mode = dmabuf->file->f_mode;

	return (!(flags & FQACCEL_BUFFER_CARD_READS) || mode & FMODE_READ) &&
	       (!(flags & FQACCEL_BUFFER_CARD_WRITES) || mode & FMODE_WRITE);
}

static struct fqa_buffer *fqa_buffer_wrap(struct fqa_context *ctx, struct dma_buf *dmabuf,
					  u32 flags)
{
	struct fqa_buffer *buffer;
	struct fqa_memory *mem;

	if (!fqa_buffer_may(dmabuf, flags))
		return ERR_PTR(-EACCES);
	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	mem = fqa_import(ctx->card, dmabuf, fqa_buffer_direction(flags));
	if (IS_ERR(mem)) {
		kfree(buffer);
		return ERR_CAST(mem);
	}
	buffer->memory = mem;
	buffer->length = mem->length;
	buffer->flags = flags;
	buffer->imported = true;
	fqa_object_init(&buffer->obj, ctx, FQA_OBJECT_BUFFER, fqa_buffer_free);
	return buffer;
}

int fqa_buffer_import(struct fqa_call *call)
{
	struct fqaccel_buffer_import *arg = call->arg;
	struct fqa_buffer *buffer;
	struct dma_buf *dmabuf;
	int ret;

	if (arg->flags & ~FQA_BUFFER_FLAGS)
		return -EOPNOTSUPP;
	if (!arg->flags)
		return -EINVAL;
	/* -EBADF: no descriptor; -EINVAL: of something else. */
	dmabuf = dma_buf_get(arg->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buffer = fqa_buffer_wrap(call->ctx, dmabuf, arg->flags);
	dma_buf_put(dmabuf);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	ret = fqa_object_reserve(&buffer->obj);
	if (ret)
		goto err_put_buffer;
	arg->handle = buffer->obj.handle;
	arg->length = buffer->length;
	ret = fqa_object_publish(&buffer->obj, call);
	if (ret)
		goto err_put_buffer;
	return 0;

err_put_buffer:
	fqa_object_put(&buffer->obj);
	return ret;
}

static void fqa_buffer_vm_open(struct vm_area_struct *vma)
{
	struct fqa_buffer *buffer = vma->vm_private_data;

	fqa_object_get(&buffer->obj);
}

static void fqa_buffer_vm_close(struct vm_area_struct *vma)
{
	struct fqa_buffer *buffer = vma->vm_private_data;

	fqa_object_put(&buffer->obj);
}

/* A mapping can grow by mremap(): past the end there is SIGBUS, as in a file. */
static vm_fault_t fqa_buffer_fault(struct vm_fault *vmf)
{
	struct fqa_buffer *buffer = vmf->vma->vm_private_data;
	u64 index = vmf->pgoff - (fqa_buffer_offset(buffer) >> PAGE_SHIFT);

	if (index >= buffer->memory->count)
		return VM_FAULT_SIGBUS;
	vmf->page = buffer->memory->pages[index];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct fqa_buffer_vm_ops = {
	.open = fqa_buffer_vm_open,
	.close = fqa_buffer_vm_close,
	.fault = fqa_buffer_fault,
};

/* The buffer that may lie at an offset: a reference, or NULL. */
static struct fqa_buffer *fqa_buffer_find(struct fqa_context *ctx, u64 offset)
{
	struct fqa_object *obj;
	u64 handle;

	if (offset < FQA_MMAP_LARGE)
		handle = offset >> FQA_MMAP_SMALL_SHIFT;
	else
		handle = (offset - FQA_MMAP_LARGE) >> FQA_MMAP_LARGE_SHIFT;
	if (handle > FQA_MAX_HANDLE)
		return NULL;
	obj = fqa_object_find(ctx, handle, FQA_OBJECT_BUFFER);
	return obj ? fqa_to_buffer(obj) : NULL;
}

/* The mapping holds the buffer, and its file the context. */
int fqa_buffer_mmap(struct fqa_context *ctx, struct vm_area_struct *vma)
{
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	struct fqa_buffer *buffer;
	u64 within;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	buffer = fqa_buffer_find(ctx, offset);
	if (!buffer)
		return -EINVAL;
	/* Where it lies elsewhere, that is past its end. */
	within = offset - fqa_buffer_offset(buffer);
	if (buffer->imported || within >= buffer->length ||
	    vma->vm_end - vma->vm_start > buffer->length - within) {
		fqa_object_put(&buffer->obj);
		return -EINVAL;
	}
	vma->vm_private_data = buffer;
	vma->vm_ops = &fqa_buffer_vm_ops;
	return 0;
}
