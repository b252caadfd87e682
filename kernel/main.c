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

static unsigned int user_limit_mb;
module_param(user_limit_mb, uint, 0644);
MODULE_PARM_DESC(user_limit_mb,
		 "the same for all open files of a user without CAP_SYS_RESOURCE (0: half of the RAM)");

/*
 * The card promises progress every 100 ms (CARD.md section 3.3), and an emulated one
 * needs its share of a processor for that.
 */
#define FQA_HANG_MIN_MS	200
#define FQA_HANG_MAX_MS	(60 * 60 * 1000)

static int fqa_set_hang_ms(const char *value, const struct kernel_param *kp)
{
	return param_set_uint_minmax(value, kp, FQA_HANG_MIN_MS, FQA_HANG_MAX_MS);
}

static const struct kernel_param_ops fqa_hang_ms_ops = {
	.set = fqa_set_hang_ms,
	.get = param_get_uint,
};

static unsigned int hang_ms = 2000;
module_param_cb(hang_ms, &fqa_hang_ms_ops, &hang_ms, 0644);
MODULE_PARM_DESC(hang_ms,
		 "the card hangs when it makes no progress with a run for so many ms (200 to 3600000)");

static unsigned int run_limit_ms;
module_param(run_limit_ms, uint, 0644);
MODULE_PARM_DESC(run_limit_ms,
		 "a run on which the card works for longer than so many ms is aborted (0: never)");

static unsigned int part_ms = 100;
module_param(part_ms, uint, 0644);
MODULE_PARM_DESC(part_ms,
		 "runs that will take longer than so many ms go to the card in parts (0: never)");

static unsigned int backoff_max_ms = 4000;
module_param(backoff_max_ms, uint, 0644);
MODULE_PARM_DESC(backoff_max_ms,
		 "the longest that a card is left alone between resets in quick succession, in ms");

static unsigned int max_segment_kb;
module_param(max_segment_kb, uint, 0444);
MODULE_PARM_DESC(max_segment_kb,
		 "for tests: KiB of the largest piece of memory that the card is told of (0: 1 GiB)");

struct class fqa_class = {
	.name = FQA_NAME,
	.dev_groups = fqa_card_groups,
};

/* Teardown of contexts and models. Everything here ends in bounded time. */
struct workqueue_struct *fqa_wq;

/* The watchdog and the reset work: they never wait for memory, nor for fqa_wq's workers. */
struct workqueue_struct *fqa_recovery_wq;

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

static u64 fqa_limit(unsigned int mb)
{
	if (mb)
		return (u64)mb << 20;
	return (u64)totalram_pages() << (PAGE_SHIFT - 1);
}

u64 fqa_buffer_limit(void)
{
	return fqa_limit(READ_ONCE(buffer_limit_mb));
}

u64 fqa_user_limit(void)
{
	return fqa_limit(READ_ONCE(user_limit_mb));
}

unsigned int fqa_hang_ms(void)
{
	return READ_ONCE(hang_ms);
}

unsigned int fqa_run_limit_ms(void)
{
	return READ_ONCE(run_limit_ms);
}

unsigned int fqa_part_ms(void)
{
	return READ_ONCE(part_ms);
}

unsigned int fqa_backoff_max_ms(void)
{
	return READ_ONCE(backoff_max_ms);
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
	ret = -ENOMEM;
	fqa_recovery_wq = alloc_workqueue(FQA_NAME "_recovery", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!fqa_recovery_wq)
		goto err_destroy_wq;
	ret = alloc_chrdev_region(&fqa_first_devt, 0, FQA_MAX_CARDS, FQA_NAME);
	if (ret)
		goto err_destroy_recovery_wq;
	ret = class_register(&fqa_class);
	if (ret)
		goto err_unregister_region;
	fqa_debugfs_init();
	ret = fqa_pci_register();
	if (ret)
		goto err_exit_debugfs;
	return 0;

err_exit_debugfs:
	fqa_debugfs_exit();
	class_unregister(&fqa_class);
err_unregister_region:
	unregister_chrdev_region(fqa_first_devt, FQA_MAX_CARDS);
err_destroy_recovery_wq:
	destroy_workqueue(fqa_recovery_wq);
err_destroy_wq:
	destroy_workqueue(fqa_wq);
	return ret;
}

static void __exit fqa_module_exit(void)
{
	fqa_pci_unregister();
	/* No file is open, but teardown works may run and hold contexts and cards. */
	destroy_workqueue(fqa_wq);
	destroy_workqueue(fqa_recovery_wq);
	fqa_cards_wait_gone();
	/* Whatever frees the last fence still runs our code. */
	rcu_barrier();
	fqa_debugfs_exit();
	class_unregister(&fqa_class);
	unregister_chrdev_region(fqa_first_devt, FQA_MAX_CARDS);
	ida_destroy(&fqa_minors);
}

module_init(fqa_module_init);
module_exit(fqa_module_exit);

MODULE_DESCRIPTION("fqaccel: a card that runs networks with focused quantization");
MODULE_AUTHOR("The fqaccel developers");
MODULE_LICENSE("GPL");
