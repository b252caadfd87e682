// SPDX-License-Identifier: GPL-2.0
/* Pages that the card reads or writes, charged to their open file, and their DMA mapping. */
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "fqa.h"

/* Contiguous runs of up to 64 KiB keep the scatter lists short. */
#define FQA_MEMORY_ORDER	(ilog2(FQA_DMA_PIECE) - PAGE_SHIFT)

/* Users ask for this memory: fail, rather than call the OOM killer. */
#define FQA_MEMORY_GFP		(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | \
				 __GFP_RETRY_MAYFAIL)
#define FQA_MEMORY_GFP_LARGE	((FQA_MEMORY_GFP & ~__GFP_RETRY_MAYFAIL) | __GFP_NORETRY)

static void fqa_memory_free_pages(struct fqa_memory *mem)
{
	unsigned long i;

	for (i = 0; i < mem->count; i++)
		put_page(mem->pages[i]);
	mem->count = 0;
}

static int fqa_memory_alloc_pages(struct fqa_memory *mem, unsigned long count)
{
	unsigned int order = FQA_MEMORY_ORDER;
	struct page *page;
	unsigned int i;

	while (mem->count < count) {
		if (fatal_signal_pending(current))
			return -EINTR;
		order = min_t(unsigned int, order, ilog2(count - mem->count));
		page = alloc_pages(order ? FQA_MEMORY_GFP_LARGE : FQA_MEMORY_GFP, order);
		if (!page) {
			if (!order)
				return -ENOMEM;
			order--;
			continue;
		}
		/* User mappings and frees are page by page. */
		if (order)
			split_page(page, order);
		for (i = 0; i < 1U << order; i++)
			mem->pages[mem->count++] = page + i;
		cond_resched();
	}
	return 0;
}

/* -ENOSPC: above the open file's limit. */
struct fqa_memory *fqa_memory_alloc(struct fqa_context *ctx, u64 length)
{
	unsigned long count = PAGE_ALIGN(length) >> PAGE_SHIFT;
	struct fqa_memory *mem;
	int ret;

	ret = fqa_context_charge_buffer(ctx, (u64)count << PAGE_SHIFT);
	if (ret)
		return ERR_PTR(ret);
	ret = -ENOMEM;
	mem = kzalloc(sizeof(*mem), GFP_KERNEL_ACCOUNT);
	if (!mem)
		goto err_uncharge;
	mem->ctx = ctx;
	INIT_LIST_HEAD(&mem->node);
	mem->pages = kvcalloc(count, sizeof(*mem->pages), GFP_KERNEL_ACCOUNT);
	if (!mem->pages)
		goto err_free_mem;
	ret = fqa_memory_alloc_pages(mem, count);
	if (ret)
		goto err_free_pages;
	return mem;

err_free_pages:
	fqa_memory_free_pages(mem);
	kvfree(mem->pages);
err_free_mem:
	kfree(mem);
err_uncharge:
	fqa_context_uncharge_buffer(ctx, (u64)count << PAGE_SHIFT);
	return ERR_PTR(ret);
}

/* Before the memory is mapped. */
int fqa_memory_copy_in(struct fqa_memory *mem, const void __user *from, u64 length)
{
	unsigned long i;
	size_t bytes;
	size_t left;

	for (i = 0; length; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		bytes = min_t(u64, length, PAGE_SIZE);
		left = copy_from_user(page_address(mem->pages[i]), from, bytes);
		if (left)
			return -EFAULT;
		from += bytes;
		length -= bytes;
		cond_resched();
	}
	return 0;
}

/* Within fqa_card_enter(). */
int fqa_memory_map(struct fqa_memory *mem, enum dma_data_direction dir)
{
	struct fqa_card *card = mem->ctx->card;
	struct device *dev = &card->pdev->dev;
	size_t max = min_t(size_t, dma_get_max_seg_size(dev), dma_max_mapping_size(dev));
	int ret;

	ret = sg_alloc_table_from_pages_segment(&mem->sgt, mem->pages, mem->count, 0,
						mem->count << PAGE_SHIFT, max & PAGE_MASK,
						GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	ret = dma_map_sgtable(dev, &mem->sgt, dir, 0);
	if (ret) {
		sg_free_table(&mem->sgt);
		return ret;
	}
	mem->dir = dir;
	mutex_lock(&card->memory_lock);
	mem->mapped = true;
	list_add_tail(&mem->node, &card->memories);
	mutex_unlock(&card->memory_lock);
	return 0;
}

static void fqa_memory_unmap(struct fqa_memory *mem)
{
	struct fqa_card *card = mem->ctx->card;

	lockdep_assert_held(&card->memory_lock);
	if (!mem->mapped)
		return;
	list_del_init(&mem->node);
	dma_unmap_sgtable(&card->pdev->dev, &mem->sgt, mem->dir, 0);
	sg_free_table(&mem->sgt);
	mem->mapped = false;
}

/* The card must be done with it. User mappings keep their pages. */
void fqa_memory_free(struct fqa_memory *mem)
{
	struct fqa_card *card = mem->ctx->card;
	u64 bytes = (u64)mem->count << PAGE_SHIFT;

	mutex_lock(&card->memory_lock);
	fqa_memory_unmap(mem);
	mutex_unlock(&card->memory_lock);
	fqa_memory_free_pages(mem);
	fqa_context_uncharge_buffer(mem->ctx, bytes);
	kvfree(mem->pages);
	kfree(mem);
}

/* The card goes away; the pages stay until their owners free them. */
void fqa_memory_unmap_all(struct fqa_card *card)
{
	struct fqa_memory *mem, *next;

	mutex_lock(&card->memory_lock);
	list_for_each_entry_safe(mem, next, &card->memories, node)
		fqa_memory_unmap(mem);
	mutex_unlock(&card->memory_lock);
}

/* The range must lie within the mapped memory. */
void fqa_pieces_init(struct fqa_pieces *it, struct fqa_memory *mem, u64 offset, u64 length)
{
	it->sg = mem->sgt.sgl;
	it->left = mem->sgt.nents;
	it->skip = offset;
	it->length = length;
}

/* The next piece that is contiguous for the card. */
bool fqa_pieces_next(struct fqa_pieces *it)
{
	u32 bytes;

	while (it->length && it->left) {
		bytes = sg_dma_len(it->sg);
		if (it->skip < bytes) {
			it->addr = sg_dma_address(it->sg) + it->skip;
			it->bytes = min_t(u64, bytes - it->skip, it->length);
			it->skip = 0;
			it->length -= it->bytes;
			it->sg = sg_next(it->sg);
			it->left--;
			return true;
		}
		it->skip -= bytes;
		it->sg = sg_next(it->sg);
		it->left--;
	}
	return false;
}

/* Give a range to the card: what the CPU wrote is in memory afterwards. */
void fqa_memory_sync_device(struct fqa_memory *mem, u64 offset, u64 length)
{
	struct device *dev = &mem->ctx->card->pdev->dev;
	struct fqa_pieces it;

	fqa_pieces_init(&it, mem, offset, length);
	while (fqa_pieces_next(&it))
		dma_sync_single_for_device(dev, it.addr, it.bytes, mem->dir);
}

/* Take a range back: the CPU sees what the card wrote. */
void fqa_memory_sync_cpu(struct fqa_memory *mem, u64 offset, u64 length)
{
	struct device *dev = &mem->ctx->card->pdev->dev;
	struct fqa_pieces it;

	fqa_pieces_init(&it, mem, offset, length);
	while (fqa_pieces_next(&it))
		dma_sync_single_for_cpu(dev, it.addr, it.bytes, mem->dir);
}
