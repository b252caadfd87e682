// SPDX-License-Identifier: GPL-2.0
/* The module: its class, its character device numbers, its workqueue. */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "fqa.h"

static unsigned int buffer_limit_mb;
module_param(buffer_limit_mb, uint, 0644);
MODULE_PARM_DESC(buffer_limit_mb,
		 "MiB of buffers and images that one open file may have (0: half of the RAM)");

static unsigned int max_segment_kb;
module_param(max_segment_kb, uint, 0444);
MODULE_PARM_DESC(max_segment_kb,
		 "for tests: KiB of the largest piece of memory that the card is told of (0: 1 GiB)");

struct class fqa_class = {
	.name = FQA_NAME,
};

/* Teardown of contexts and models. Everything here ends in bounded time. */
struct workqueue_struct *fqa_wq;

static dev_t fqa_first_devt;
static DEFINE_IDA(fqa_minors);

int fqa_minor_alloc(void)
{
	return ida_alloc_max(&fqa_minors, FQA_MAX_CARDS - 1, GFP_KERNEL);
}

void fqa_minor_free(int minor)
{
	ida_free(&fqa_minors, minor);
}

dev_t fqa_devt(int minor)
{
	return MKDEV(MAJOR(fqa_first_devt), MINOR(fqa_first_devt) + minor);
}

u64 fqa_buffer_limit(void)
{
	unsigned int mb = READ_ONCE(buffer_limit_mb);

	if (mb)
		return (u64)mb << 20;
	return (u64)totalram_pages() << (PAGE_SHIFT - 1);
}

/* Whole pages, and a power of two, so that the IOMMU's mapping can keep to it. */
unsigned int fqa_max_segment(void)
{
	if (!max_segment_kb || max_segment_kb >= SZ_1G / SZ_1K)
		return SZ_1G;
	return max_t(unsigned int, PAGE_SIZE, rounddown_pow_of_two(max_segment_kb * SZ_1K));
}

static int __init fqa_module_init(void)
{
	int ret;

	fqa_wq = alloc_workqueue(FQA_NAME, WQ_UNBOUND, FQA_MAX_WORKERS);
	if (!fqa_wq)
		return -ENOMEM;
	ret = alloc_chrdev_region(&fqa_first_devt, 0, FQA_MAX_CARDS, FQA_NAME);
	if (ret)
		goto err_destroy_wq;
	ret = class_register(&fqa_class);
	if (ret)
		goto err_unregister_region;
	ret = fqa_pci_register();
	if (ret)
		goto err_unregister_class;
	return 0;

err_unregister_class:
	class_unregister(&fqa_class);
err_unregister_region:
	unregister_chrdev_region(fqa_first_devt, FQA_MAX_CARDS);
err_destroy_wq:
	destroy_workqueue(fqa_wq);
	return ret;
}

static void __exit fqa_module_exit(void)
{
	fqa_pci_unregister();
	/* No file is open, but teardown works may run and hold contexts and cards. */
	destroy_workqueue(fqa_wq);
	fqa_cards_wait_gone();
	class_unregister(&fqa_class);
	unregister_chrdev_region(fqa_first_devt, FQA_MAX_CARDS);
	ida_destroy(&fqa_minors);
}

module_init(fqa_module_init);
module_exit(fqa_module_exit);

MODULE_DESCRIPTION("fqaccel: a card that runs networks with focused quantization");
MODULE_AUTHOR("The fqaccel developers");
MODULE_LICENSE("GPL");
