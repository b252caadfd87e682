// SPDX-License-Identifier: GPL-2.0
/* Scatter lists in the card's form: chained segments from DMA pools (CARD.md section 5). */
#include <linux/dmapool.h>
#include <linux/error-injection.h>
#include <linux/slab.h>

#include "fqa.h"

#define FQA_SMALL_ENTRIES	(FQA_SEGMENT_SMALL / sizeof(struct fqa_hw_sge))
#define FQA_LARGE_ENTRIES	(FQA_SEGMENT_LARGE / sizeof(struct fqa_hw_sge))

static unsigned int fqa_sglist_count(struct fqa_pieces it)
{
	unsigned int n = 0;

	while (fqa_pieces_next(&it))
		n++;
	return n;
}

/* Each segment but the last gives one entry to the link. */
static unsigned int fqa_sglist_segments(unsigned int entries)
{
	if (entries <= FQA_LARGE_ENTRIES)
		return 1;
	return 1 + DIV_ROUND_UP(entries - FQA_LARGE_ENTRIES, FQA_LARGE_ENTRIES - 1);
}

static void fqa_sglist_fill(struct fqa_sglist *list, struct fqa_pieces *it,
			    unsigned int entries)
{
	unsigned int capacity = entries <= FQA_SMALL_ENTRIES ? FQA_SMALL_ENTRIES :
							       FQA_LARGE_ENTRIES;
	struct fqa_segment *segment = list->segments;
	struct fqa_hw_sge *sge = segment->cpu;
	unsigned int at = 0;

	list->first_bytes = min(entries, capacity) * sizeof(*sge);
	while (fqa_pieces_next(it)) {
		if (at == capacity - 1 && entries > 1) {
			segment++;
			sge[at].addr = cpu_to_le64(segment->dma);
			sge[at].len = cpu_to_le32(min(entries, capacity) * sizeof(*sge));
			sge[at].flags = cpu_to_le32(FQA_SGE_LINK);
			sge = segment->cpu;
			at = 0;
		}
		sge[at].addr = cpu_to_le64(it->addr);
		sge[at].len = cpu_to_le32(it->bytes);
		sge[at].flags = 0;
		at++;
		entries--;
	}
}

static int fqa_sglist_alloc(struct fqa_sglist *list, unsigned int count)
{
	list->segments = &list->one;
	if (count > 1) {
		list->segments = kcalloc(count, sizeof(*list->segments), GFP_KERNEL_ACCOUNT);
		if (!list->segments)
			return -ENOMEM;
	}
	for (list->count = 0; list->count < count; list->count++) {
		struct fqa_segment *segment = &list->segments[list->count];

		segment->cpu = dma_pool_alloc(list->pool, GFP_KERNEL, &segment->dma);
		if (!segment->cpu)
			return -ENOMEM;
	}
	return 0;
}

/* Room for @lists lists that are short enough for a pack. */
int fqa_pack_init(struct fqa_pack *pack, unsigned int lists)
{
	/* Of each block less is left over than the longest of them takes. */
	pack->max = DIV_ROUND_UP(lists, FQA_SEGMENT_LARGE / FQA_SEGMENT_SMALL - 1);
	pack->blocks = kvcalloc(pack->max, sizeof(*pack->blocks), GFP_KERNEL_ACCOUNT);
	return pack->blocks ? 0 : -ENOMEM;
}

/* Also of one that is zeroed only. After all of its lists. */
void fqa_pack_free(struct fqa_context *ctx, struct fqa_pack *pack)
{
	fqa_context_uncharge_buffer(ctx, (u64)pack->count * FQA_SEGMENT_LARGE);
	while (pack->count) {
		pack->count--;
		dma_pool_free(ctx->card->large_pool, pack->blocks[pack->count].cpu,
			      pack->blocks[pack->count].dma);
	}
	kvfree(pack->blocks);
	pack->blocks = NULL;
}

static int fqa_pack_grow(struct fqa_context *ctx, struct fqa_pack *pack)
{
	struct fqa_segment *block = &pack->blocks[pack->count];
	int ret;

	if (WARN_ON_ONCE(pack->count == pack->max))
		return -ENOMEM;
	ret = fqa_context_charge_buffer(ctx, FQA_SEGMENT_LARGE);
	if (ret)
		return ret;
	block->cpu = dma_pool_alloc(ctx->card->large_pool, GFP_KERNEL, &block->dma);
	if (!block->cpu) {
		fqa_context_uncharge_buffer(ctx, FQA_SEGMENT_LARGE);
		return -ENOMEM;
	}
	pack->count++;
	pack->used = 0;
	return 0;
}

/* The only segment of a list. */
static int fqa_pack_take(struct fqa_context *ctx, struct fqa_pack *pack,
			 struct fqa_segment *segment, unsigned int bytes)
{
	struct fqa_segment *block;
	int ret;

	if (!pack->count || pack->used + bytes > FQA_SEGMENT_LARGE) {
		ret = fqa_pack_grow(ctx, pack);
		if (ret)
			return ret;
	}
	block = &pack->blocks[pack->count - 1];
	segment->cpu = block->cpu + pack->used;
	segment->dma = block->dma + pack->used;
	pack->used += bytes;
	return 0;
}

/*
 * A list of the next @length bytes of mapped memory behind what @it has walked, charged to
 * the context. @list must be zeroed; a short one goes into @pack, unless that is NULL. -ENOSPC:
 * above the open file's limit; -ENOMEM: no memory, or the range is in more pieces than the
 * card takes.
 */
int fqa_sglist_build_next(struct fqa_context *ctx, struct fqa_sglist *list,
			  struct fqa_pack *pack, struct fqa_pieces *it, u64 length)
{
	unsigned int entries, count;
	bool small;
	u64 bytes;
	int ret;

	it->length = length;
	entries = fqa_sglist_count(*it);
	small = entries <= FQA_SMALL_ENTRIES;
	count = fqa_sglist_segments(entries);
	bytes = (u64)count * (small ? FQA_SEGMENT_SMALL : FQA_SEGMENT_LARGE);
	if (!entries || entries > FQA_MAX_SCATTER)
		return -ENOMEM;
	if (small && pack) {
		list->segments = &list->one;
		ret = fqa_pack_take(ctx, pack, &list->one, entries * sizeof(struct fqa_hw_sge));
		if (!ret)
			fqa_sglist_fill(list, it, entries);
		return ret;
	}
	ret = fqa_context_charge_buffer(ctx, bytes);
	if (ret)
		return ret;
	list->charged = bytes;
	list->pool = small ? ctx->card->small_pool : ctx->card->large_pool;
	ret = fqa_sglist_alloc(list, count);
	if (ret) {
		fqa_sglist_free(ctx, list);
		return ret;
	}
	fqa_sglist_fill(list, it, entries);
	return 0;
}
ALLOW_ERROR_INJECTION(fqa_sglist_build_next, ERRNO);

/* Likewise, of a range by itself. */
int fqa_sglist_build(struct fqa_context *ctx, struct fqa_sglist *list,
		     struct fqa_memory *mem, u64 offset, u64 length)
{
	struct fqa_pieces it;

	fqa_pieces_init(&it, mem, offset, length);
	return fqa_sglist_build_next(ctx, list, NULL, &it, length);
}

/* Also of a list that was never built. */
void fqa_sglist_free(struct fqa_context *ctx, struct fqa_sglist *list)
{
	while (list->count) {
		list->count--;
		dma_pool_free(list->pool, list->segments[list->count].cpu,
			      list->segments[list->count].dma);
	}
	if (list->segments != &list->one)
		kfree(list->segments);
	list->segments = NULL;
	fqa_context_uncharge_buffer(ctx, list->charged);
	list->charged = 0;
}

void fqa_sglist_describe(const struct fqa_sglist *list, struct fqa_hw_list *hw)
{
	hw->addr = cpu_to_le64(list->segments[0].dma);
	hw->len = cpu_to_le32(list->first_bytes);
	hw->reserved = 0;
}
