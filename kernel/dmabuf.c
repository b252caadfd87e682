// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of ours as a dma-buf for others: their devices, their mappings, their CPU access.
 *
 * The card's own mapping has no part in CPU access: SUBMIT gives each run's ranges to the
 * card and the run's end gives its output back, byte for byte. To sync all of the mapping when
 * somebody looks would, where it bounces, put old bytes over what users or other
 * devices have written, and over the input of runs in flight.
 *
 * What other devices' mappings need is done when they are made and ended, and at the begin
 * and end of CPU access. They are mapped with DMA_ATTR_SKIP_CPU_SYNC and synced by
 * hand, since debugging of the DMA API takes a second mapping of a page for a mistake.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "fqa.h"

FQA_IMPORT_NS(DMA_BUF);

struct fqa_dmabuf {
	struct fqa_memory *memory;	/* a reference */
	struct mutex lock;		/* protects mappings */
	struct list_head mappings;
};

/* Another device's. */
struct fqa_mapping {
	struct list_head node;
	struct sg_table table;
	struct device *dev;
	enum dma_data_direction dir;
};

static struct sg_table *fqa_dmabuf_map(struct dma_buf_attachment *attachment,
				       enum dma_data_direction dir)
{
	struct fqa_dmabuf *export = attachment->dmabuf->priv;
	struct device *dev = attachment->dev;
	struct fqa_mapping *mapping;
	int ret;

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	ret = fqa_memory_fill_table(export->memory, dev, &mapping->table);
	if (ret)
		goto err_free_mapping;
	ret = dma_map_sgtable(dev, &mapping->table, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		goto err_free_table;
	dma_sync_sgtable_for_device(dev, &mapping->table, dir);
	mapping->dev = dev;
	mapping->dir = dir;
	mutex_lock(&export->lock);
	list_add_tail(&mapping->node, &export->mappings);
	mutex_unlock(&export->lock);
	return &mapping->table;

err_free_table:
	sg_free_table(&mapping->table);
err_free_mapping:
	kfree(mapping);
	return ERR_PTR(ret);
}

static void fqa_dmabuf_unmap(struct dma_buf_attachment *attachment, struct sg_table *table,
			     enum dma_data_direction dir)
{
	struct fqa_mapping *mapping = container_of(table, struct fqa_mapping, table);
	struct fqa_dmabuf *export = attachment->dmabuf->priv;

	mutex_lock(&export->lock);
	list_del(&mapping->node);
	mutex_unlock(&export->lock);
	dma_sync_sgtable_for_cpu(mapping->dev, &mapping->table, mapping->dir);
	dma_unmap_sgtable(mapping->dev, &mapping->table, mapping->dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(&mapping->table);
	kfree(mapping);
}

/* @dir is as if the CPU were a device: FROM_DEVICE means that it reads. */
static int fqa_dmabuf_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct fqa_dmabuf *export = dmabuf->priv;
	struct fqa_mapping *mapping;

	mutex_lock(&export->lock);
	list_for_each_entry(mapping, &export->mappings, node)
		if (dir != DMA_TO_DEVICE && mapping->dir != DMA_TO_DEVICE)
			dma_sync_sgtable_for_cpu(mapping->dev, &mapping->table, mapping->dir);
	mutex_unlock(&export->lock);
	return 0;
}

static int fqa_dmabuf_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct fqa_dmabuf *export = dmabuf->priv;
	struct fqa_mapping *mapping;

	mutex_lock(&export->lock);
	list_for_each_entry(mapping, &export->mappings, node)
		if (dir != DMA_FROM_DEVICE)
			dma_sync_sgtable_for_device(mapping->dev, &mapping->table, mapping->dir);
	mutex_unlock(&export->lock);
	return 0;
}

/* A mapping can grow by mremap(): past the end there is SIGBUS, as in a file. */
static vm_fault_t fqa_dmabuf_fault(struct vm_fault *vmf)
{
	struct fqa_memory *mem = vmf->vma->vm_private_data;

	if (vmf->pgoff >= mem->count)
		return VM_FAULT_SIGBUS;
	vmf->page = mem->pages[vmf->pgoff];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct fqa_dmabuf_vm_ops = {
	.fault = fqa_dmabuf_fault,
};

/* The bounds were checked. The mapping holds the file, and so the memory. */
static int fqa_dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct fqa_dmabuf *export = dmabuf->priv;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	vma->vm_private_data = export->memory;
	vma->vm_ops = &fqa_dmabuf_vm_ops;
	return 0;
}

/* Once at a time: the core counts. */
static int fqa_dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct fqa_dmabuf *export = dmabuf->priv;
	struct fqa_memory *mem = export->memory;
	void *addr = vmap(mem->pages, mem->count, VM_MAP, PAGE_KERNEL);

	if (!addr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, addr);
	return 0;
}

static void fqa_dmabuf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static void fqa_dmabuf_release(struct dma_buf *dmabuf)
{
	struct fqa_dmabuf *export = dmabuf->priv;

	fqa_memory_put(export->memory);
	kfree(export);
}

static const struct dma_buf_ops fqa_dmabuf_ops = {
	.map_dma_buf = fqa_dmabuf_map,
	.unmap_dma_buf = fqa_dmabuf_unmap,
	.begin_cpu_access = fqa_dmabuf_begin_cpu_access,
	.end_cpu_access = fqa_dmabuf_end_cpu_access,
	.mmap = fqa_dmabuf_mmap,
	.vmap = fqa_dmabuf_vmap,
	.vunmap = fqa_dmabuf_vunmap,
	.release = fqa_dmabuf_release,
};

/* A dma-buf of memory of ours. It also holds the module. */
struct dma_buf *fqa_dmabuf_export(struct fqa_memory *mem)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct fqa_dmabuf *export;
	struct dma_buf *dmabuf;

	export = kzalloc(sizeof(*export), GFP_KERNEL_ACCOUNT);
	if (!export)
		return ERR_PTR(-ENOMEM);
	mutex_init(&export->lock);
	INIT_LIST_HEAD(&export->mappings);
	export->memory = mem;
	info.ops = &fqa_dmabuf_ops;
	info.size = mem->length;
	info.flags = O_RDWR;
	info.priv = export;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		kfree(export);
	else
		fqa_memory_get(mem);
	return dmabuf;
}

/* The memory behind a dma-buf of ours, or NULL: it is another's. */
struct fqa_memory *fqa_dmabuf_memory(struct dma_buf *dmabuf)
{
	struct fqa_dmabuf *export = dmabuf->priv;

	return dmabuf->ops == &fqa_dmabuf_ops ? export->memory : NULL;
}
