// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the driver's rings and bookkeeping. There is no card: registers are
 * memory, and the tests play the card's part as CARD.md says.
 */
#include <linux/module.h>

#include "kunit.h"

#define FQA_KUNIT_REGS	0x3000		/* up to and with the doorbells */

/* Test-managed; live, with no queues. */
struct fqa_card *fqa_kunit_card(struct kunit *test)
{
	struct fqa_card *card = kunit_kzalloc(test, sizeof(*card), GFP_KERNEL);
	void *regs = kunit_kzalloc(test, FQA_KUNIT_REGS, GFP_KERNEL);
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, card);
	KUNIT_ASSERT_NOT_NULL(test, regs);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	card->pdev = pdev;
	card->regs = (void __iomem __force *)regs;
	card->state = FQA_STATE_LIVE;
	spin_lock_init(&card->lock);
	INIT_LIST_HEAD(&card->contexts);
	fqa_fair_init(&card->fair);
	return card;
}

void fqa_kunit_ring_init(struct kunit *test, struct fqa_ring *ring, struct fqa_card *card,
			 u16 qid, u16 entries)
{
	ring->sq = kunit_kcalloc(test, entries, sizeof(*ring->sq), GFP_KERNEL);
	ring->cq = kunit_kcalloc(test, entries, sizeof(*ring->cq), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ring->sq);
	KUNIT_ASSERT_NOT_NULL(test, ring->cq);
	ring->card = card;
	ring->qid = qid;
	ring->entries = entries;
	fqa_ring_reset(ring);
}

/* Its references are not counted: it goes with the test. */
struct fqa_context *fqa_kunit_context(struct kunit *test, struct fqa_card *card)
{
	struct fqa_context *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->card = card;
	spin_lock_init(&ctx->lock);
	init_waitqueue_head(&ctx->poll_wait);
	init_waitqueue_head(&ctx->idle_wait);
	INIT_LIST_HEAD(&ctx->node);
	INIT_LIST_HEAD(&ctx->queues);
	fqa_sched_init_context(ctx);
	ctx->memory_quota = U64_MAX;
	ctx->buffer_limit = U64_MAX;
	return ctx;
}

kunit_test_suites(&fqa_kunit_ring, &fqa_kunit_sglist, &fqa_kunit_slots, &fqa_kunit_account,
		  &fqa_kunit_fair);

MODULE_DESCRIPTION("KUnit tests of fqaccel");
MODULE_LICENSE("GPL");
