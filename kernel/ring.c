// SPDX-License-Identifier: GPL-2.0
/* A submission and a completion ring (CARD.md section 4). */
#include <linux/dma-mapping.h>
#include <linux/error-injection.h>
#include <linux/pci.h>

#include "fqa.h"

int fqa_ring_alloc(struct fqa_ring *ring, struct fqa_card *card, u16 qid, u16 entries)
{
	struct device *dev = &card->pdev->dev;

	ring->card = card;
	ring->qid = qid;
	ring->entries = entries;
	ring->phase = 1;
	ring->sq = dma_alloc_coherent(dev, entries * sizeof(*ring->sq), &ring->sq_dma,
				      GFP_KERNEL);
	if (!ring->sq)
		return -ENOMEM;
	ring->cq = dma_alloc_coherent(dev, entries * sizeof(*ring->cq), &ring->cq_dma,
				      GFP_KERNEL);
	if (!ring->cq) {
		dma_free_coherent(dev, entries * sizeof(*ring->sq), ring->sq, ring->sq_dma);
		ring->sq = NULL;
		return -ENOMEM;
	}
	return 0;
}
ALLOW_ERROR_INJECTION(fqa_ring_alloc, ERRNO);

void fqa_ring_free(struct fqa_ring *ring)
{
	struct device *dev;

	if (!ring->sq)
		return;
	dev = &ring->card->pdev->dev;
	dma_free_coherent(dev, ring->entries * sizeof(*ring->cq), ring->cq, ring->cq_dma);
	dma_free_coherent(dev, ring->entries * sizeof(*ring->sq), ring->sq, ring->sq_dma);
	ring->sq = NULL;
	ring->cq = NULL;
}

/* Back to the state of a new ring; only while the card does not know it. */
void fqa_ring_reset(struct fqa_ring *ring)
{
	memset(ring->sq, 0, ring->entries * sizeof(*ring->sq));
	memset(ring->cq, 0, ring->entries * sizeof(*ring->cq));
	ring->tail = 0;
	ring->head = 0;
	ring->phase = 1;
}

/*
 * Hand a command to the card. There is always room: who owns the ring has fewer
 * unfinished commands than it has entries, and the card has read those it completed.
 */
void fqa_ring_push(struct fqa_ring *ring, const struct fqa_hw_command *cmd)
{
	ring->sq[ring->tail] = *cmd;
	if (++ring->tail == ring->entries)
		ring->tail = 0;
	/* writel() orders the command before the doorbell. */
	fqa_hw_write(ring->card, FQA_REG_SQ_TAIL(ring->qid), ring->tail);
}

/* Whether there is a completion that has not been taken. */
bool fqa_ring_waiting(const struct fqa_ring *ring)
{
	u16 status = le16_to_cpu(READ_ONCE(ring->cq[ring->head].status));

	return FQA_PHASE(status) == ring->phase;
}

/* Take the next completion, if there is one. */
bool fqa_ring_pop(struct fqa_ring *ring, struct fqa_verdict *verdict)
{
	struct fqa_hw_completion *cqe = &ring->cq[ring->head];
	u16 status;

	if (!fqa_ring_waiting(ring))
		return false;
	/* The phase is written last: nothing of the entry is read before it. */
	dma_rmb();

	status = le16_to_cpu(READ_ONCE(cqe->status));
	verdict->result = le64_to_cpu(READ_ONCE(cqe->result));
	verdict->layer = le32_to_cpu(READ_ONCE(cqe->layer));
	verdict->offset = le32_to_cpu(READ_ONCE(cqe->offset));
	verdict->reason = le32_to_cpu(READ_ONCE(cqe->reason));
	verdict->qid = le16_to_cpu(READ_ONCE(cqe->qid));
	verdict->cid = le16_to_cpu(READ_ONCE(cqe->cid));
	verdict->code = FQA_STATUS_CODE(status);

	if (++ring->head == ring->entries) {
		ring->head = 0;
		ring->phase ^= 1;
	}
	return true;
}

/* Give the entries that were taken back to the card. */
void fqa_ring_ack(struct fqa_ring *ring)
{
	fqa_hw_write(ring->card, FQA_REG_CQ_HEAD(ring->qid), ring->head);
}
