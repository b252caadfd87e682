// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that another driver has exported as a dma-buf. Its exporter maps it for the card,
 * once for all who import it: two mappings of one page that the card writes are a mistake
 * for the DMA API. Only DMA addresses are used of it; there may be no pages behind them.
 */
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "compat.h"
#include "fqa.h"

/* Give the mapping back, unless that has been done. */
static void fqa_import_release(struct fqa_memory *mem)
{
	lockdep_assert_held(&mem->card->import_lock);
	if (!mem->dmabuf)
		return;
	list_del_init(&mem->node);
	dma_buf_unmap_attachment_unlocked(mem->attachment, mem->sgt, mem->dir);
	dma_buf_detach(mem->dmabuf, mem->attachment);
	dma_buf_put(mem->dmabuf);
	mem->sgt = NULL;
	mem->attachment = NULL;
	mem->dmabuf = NULL;
}

static void fqa_import_free_work(struct work_struct *work)
{
	struct fqa_memory *mem = container_of(work, struct fqa_memory, free_work);
	struct fqa_card *card = mem->card;

	mutex_lock(&card->import_lock);
	fqa_import_release(mem);
	mutex_unlock(&card->import_lock);
	kfree(mem);
	put_device(&card->dev);
}

/* Nobody uses it any more. May be called in an interrupt thread, and exporters allocate. */
void fqa_import_free(struct fqa_memory *mem)
{
	queue_work(fqa_wq, &mem->free_work);
}

/* The card goes away: what it had of others goes back to them now. */
void fqa_imports_release(struct fqa_card *card)
{
	struct fqa_memory *mem, *next;

	mutex_lock(&card->import_lock);
	list_for_each_entry_safe(mem, next, &card->imports, node)
		fqa_import_release(mem);
	mutex_unlock(&card->import_lock);
}

/* Whether the exporter has mapped all that it says the dma-buf holds. */
static bool fqa_import_is_whole(const struct sg_table *sgt, u64 length)
{
	struct scatterlist *sg;
	u64 sum = 0;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (!sg_dma_len(sg) || check_add_overflow(sum, (u64)sg_dma_len(sg), &sum))
			return false;
	}
	return sum >= length;
}

/* What an exporter may say is without number; users are told what our header lists. */
static int fqa_import_errno(struct fqa_card *card, int error)
{
	if (error == -ENOMEM || error == -EINTR || error == -ERESTARTSYS)
		return error;
	dev_dbg(&card->pdev->dev, "a dma-buf cannot be mapped: error %d\n", error);
	return -EIO;
}

static int fqa_import_map(struct fqa_memory *mem, struct dma_buf *dmabuf,
			  enum dma_data_direction dir)
{
	struct fqa_card *card = mem->card;
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	int ret;

	attachment = dma_buf_attach(dmabuf, &card->pdev->dev);
	if (IS_ERR(attachment))
		return fqa_import_errno(card, PTR_ERR(attachment));
	sgt = dma_buf_map_attachment_unlocked(attachment, dir);
	if (IS_ERR(sgt)) {
		ret = fqa_import_errno(card, PTR_ERR(sgt));
		goto err_detach;
	}
	ret = -EIO;
	if (!dmabuf->size || !fqa_import_is_whole(sgt, dmabuf->size))
		goto err_unmap;
	get_dma_buf(dmabuf);
	mem->dmabuf = dmabuf;
	mem->attachment = attachment;
	mem->sgt = sgt;
	mem->dir = dir;
	mem->length = dmabuf->size;
	list_add_tail(&mem->node, &card->imports);
	return 0;

err_unmap:
	dma_buf_unmap_attachment_unlocked(attachment, sgt, dir);
err_detach:
	dma_buf_detach(dmabuf, attachment);
	return ret;
}

static struct fqa_memory *fqa_import_new(struct fqa_card *card, struct dma_buf *dmabuf,
					 const void *origin, enum dma_data_direction dir)
{
	struct fqa_memory *mem = kzalloc(sizeof(*mem), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!mem)
		return ERR_PTR(-ENOMEM);
	kref_init(&mem->ref);
	INIT_LIST_HEAD(&mem->node);
	INIT_WORK(&mem->free_work, fqa_import_free_work);
	mem->card = card;
	mem->origin = origin;
	ret = fqa_import_map(mem, dmabuf, dir);
	if (ret) {
		kfree(mem);
		return ERR_PTR(ret);
	}
	get_device(&card->dev);
	return mem;
}

/* The same memory, imported before: a reference, or NULL. */
static struct fqa_memory *fqa_import_find(struct fqa_card *card, const void *origin)
{
	struct fqa_memory *mem;

	lockdep_assert_held(&card->import_lock);
	list_for_each_entry(mem, &card->imports, node) {
		if (mem->origin != origin)
			continue;
		if (kref_get_unless_zero(&mem->ref))
			return mem;
		/* Its work has not come to it yet; not to be mapped twice, it goes now. */
		fqa_import_release(mem);
		break;
	}
	return NULL;
}

/*
 * A reference to the memory behind a dma-buf. Within fqa_card_enter().
 *
 *   -EACCES  memory of this very card, which was made without that direction
 *   -EBUSY   the card has it mapped, without that direction
 *   -EIO     its exporter does not give it to the card
 */
struct fqa_memory *fqa_import(struct fqa_card *card, struct dma_buf *dmabuf,
			      enum dma_data_direction dir)
{
	struct fqa_memory *own = fqa_dmabuf_memory(dmabuf);
	const void *origin = own ? (const void *)own : dmabuf;
	struct fqa_memory *mem;

	if (own && own->card == card) {
		if (!fqa_memory_allows(own, dir))
			return ERR_PTR(-EACCES);
		fqa_memory_get(own);
		return own;
	}
	if (mutex_lock_killable(&card->import_lock))
		return ERR_PTR(-EINTR);
	mem = fqa_import_find(card, origin);
	if (!mem) {
		mem = fqa_import_new(card, dmabuf, origin, dir);
	} else if (!fqa_memory_allows(mem, dir)) {
		fqa_memory_put(mem);
		mem = ERR_PTR(-EBUSY);
	}
	mutex_unlock(&card->import_lock);
	return mem;
}
