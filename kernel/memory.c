// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that the card reads or writes. Pages of ours are charged to their open file and
 * mapped for the card here; memory of others is mapped by its exporter (import.c).
 */
#include <linux/dma-mapping.h>
#include <linux/error-injection.h>
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
#define FQA_TABLE_GFP		(GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)
#define FQA_MEMORY_GFP		(FQA_TABLE_GFP | __GFP_ZERO)
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
	kref_init(&mem->ref);
	mem->length = (u64)count << PAGE_SHIFT;
	INIT_LIST_HEAD(&mem->node);
	mem->pages = kvcalloc(count, sizeof(*mem->pages), FQA_TABLE_GFP);
	if (!mem->pages)
		goto err_free_mem;
	ret = fqa_memory_alloc_pages(mem, count);
	if (ret)
		goto err_free_pages;
	mem->ctx = ctx;
	fqa_context_get(ctx);
	mem->card = ctx->card;
	get_device(&mem->card->dev);
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

/* A table of the pages, in pieces that @dev can have mapped. sg_free_table() undoes it. */
int fqa_memory_fill_table(struct fqa_memory *mem, struct device *dev, struct sg_table *table)
{
	size_t max = min_t(size_t, dma_get_max_seg_size(dev), dma_max_mapping_size(dev));

	max = max_t(size_t, max & PAGE_MASK, PAGE_SIZE);
	return sg_alloc_table_from_pages_segment(table, mem->pages, mem->count, 0, mem->length,
						 max, FQA_TABLE_GFP);
}

/* Pages of ours. Within fqa_card_enter(). */
int fqa_memory_map(struct fqa_memory *mem, enum dma_data_direction dir)
{
	struct fqa_card *card = mem->card;
	int ret;

	ret = fqa_memory_fill_table(mem, &card->pdev->dev, &mem->table);
	if (ret)
		return ret;
	ret = dma_map_sgtable(&card->pdev->dev, &mem->table, dir, 0);
	if (ret) {
		sg_free_table(&mem->table);
		/* Room for mappings, or for bounce buffers, is memory as well. */
		return ret == -EIO ? -ENOMEM : ret;
	}
	mem->sgt = &mem->table;
	mem->dir = dir;
	mutex_lock(&card->memory_lock);
	mem->mapped = true;
	list_add_tail(&mem->node, &card->memories);
	mutex_unlock(&card->memory_lock);
	return 0;
}
ALLOW_ERROR_INJECTION(fqa_memory_map, ERRNO);

/*
 * What runs have written the CPU has got when they ended. Bounce buffers must not be
 * copied over everything once more: the rest of them is older than what users have written.
 */
static void fqa_memory_unmap(struct fqa_memory *mem)
{
	lockdep_assert_held(&mem->card->memory_lock);
	if (!mem->mapped)
		return;
	list_del_init(&mem->node);
	dma_unmap_sgtable(&mem->card->pdev->dev, &mem->table, mem->dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(&mem->table);
	mem->sgt = NULL;
	mem->mapped = false;
}

/* Whether the card may use the memory in that direction. */
bool fqa_memory_allows(const struct fqa_memory *mem, enum dma_data_direction dir)
{
	return mem->dir == dir || mem->dir == DMA_BIDIRECTIONAL;
}

void fqa_memory_get(struct fqa_memory *mem)
{
	kref_get(&mem->ref);
}

static void fqa_memory_free(struct fqa_memory *mem)
{
	struct fqa_card *card = mem->card;

	mutex_lock(&card->memory_lock);
	fqa_memory_unmap(mem);
	mutex_unlock(&card->memory_lock);
	fqa_memory_free_pages(mem);
	fqa_context_uncharge_buffer(mem->ctx, mem->length);
	fqa_context_put(mem->ctx);
	kvfree(mem->pages);
	kfree(mem);
	put_device(&card->dev);
}

static void fqa_memory_release(struct kref *ref)
{
	struct fqa_memory *mem = container_of(ref, struct fqa_memory, ref);

	if (mem->ctx)
		fqa_memory_free(mem);
	else
		fqa_import_free(mem);
}

/* With the last reference the card must be done with it. May sleep. */
void fqa_memory_put(struct fqa_memory *mem)
{
	kref_put(&mem->ref, fqa_memory_release);
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

/*
 * The range must lie within the mapped memory. When it has been walked, setting length
 * makes it go on behind it.
 */
void fqa_pieces_init(struct fqa_pieces *it, struct fqa_memory *mem, u64 offset, u64 length)
{
	it->sg = mem->sgt->sgl;
	it->left = mem->sgt->nents;
	it->skip = offset;
	it->length = length;
	it->max = dma_get_max_seg_size(&mem->card->pdev->dev);
}

/* The next piece that is contiguous for the card, and not longer than it may be. */
bool fqa_pieces_next(struct fqa_pieces *it)
{
	u32 bytes;

	while (it->length && it->left) {
		bytes = sg_dma_len(it->sg);
		if (it->skip >= bytes) {
			it->skip -= bytes;
			it->sg = sg_next(it->sg);
			it->left--;
			continue;
		}
		it->addr = sg_dma_address(it->sg) + it->skip;
		it->bytes = min_t(u64, bytes - it->skip, min_t(u64, it->length, it->max));
		it->skip += it->bytes;
		it->length -= it->bytes;
		return true;
	}
	return false;
}

/* Give a range to the card: what the CPU wrote is in memory afterwards. */
void fqa_memory_sync_device(struct fqa_memory *mem, u64 offset, u64 length)
{
	struct device *dev = &mem->card->pdev->dev;
	struct fqa_pieces it;

	fqa_pieces_init(&it, mem, offset, length);
	while (fqa_pieces_next(&it))
		dma_sync_single_for_device(dev, it.addr, it.bytes, mem->dir);
}

/* Take a range back: the CPU sees what the card wrote. */
void fqa_memory_sync_cpu(struct fqa_memory *mem, u64 offset, u64 length)
{
	struct device *dev = &mem->card->pdev->dev;
	struct fqa_pieces it;

	fqa_pieces_init(&it, mem, offset, length);
	while (fqa_pieces_next(&it))
		dma_sync_single_for_cpu(dev, it.addr, it.bytes, mem->dir);
}
