/* SPDX-License-Identifier: MIT */
/* Submission and completion rings, CARD.md section 4. */
#include "card_private.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_QUOTA	8	/* of each thing that one step does for one queue */

void card_queue_create(struct card *card, uint32_t id, uint64_t sq, uint32_t sq_entries,
		       uint64_t cq, uint32_t cq_entries, uint16_t vector)
{
	struct card_queue *q = &card->queues[id];

	q->exists = true;
	q->deleting = false;
	q->interrupt = false;
	q->vector = vector;
	q->sq = sq;
	q->cq = cq;
	q->sq_entries = sq_entries;
	q->cq_entries = cq_entries;
	q->sq_head = 0;
	q->sq_tail = 0;
	q->cq_head = 0;
	q->cq_tail = 0;
	q->cq_used = 0;
	q->phase = true;
}

static void queue_drop(struct card *card, struct card_queue *q, struct card_command_list *list)
{
	struct card_command *cmd;

	while ((cmd = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, cmd, link);
		q->outstanding--;
		card_command_free(card, cmd);
	}
}

/* Forget all of a queue's commands, without completions. */
void card_queue_destroy(struct card *card, struct card_queue *q)
{
	queue_drop(card, q, &q->active);
	queue_drop(card, q, &q->finished);
	q->exists = false;
	q->deleting = false;
	q->interrupt = false;
}

/*
 * DELETE_QUEUE. The card's DMA comes from card_step() alone, so a forgotten command
 * does none, even where its worker has not stopped yet. A command that hangs on
 * purpose cannot be forgotten: false, the deletion hangs with it.
 */
bool card_queue_delete(struct card *card, struct card_queue *q)
{
	struct card_command *cmd = TAILQ_FIRST(&q->active);

	q->deleting = true;
	if (cmd && cmd->hung)
		return false;
	card_queue_destroy(card, q);
	return true;
}

/* A new SQ_TAIL or CQ_HEAD; false where the value cannot be (section 3.2). */
bool card_queue_doorbell(struct card_queue *q, bool completion, uint32_t value)
{
	uint32_t consumed;

	if (!completion) {
		if (value >= q->sq_entries)
			return false;
		q->sq_tail = value;
		return true;
	}
	if (value >= q->cq_entries)
		return false;
	consumed = (value + q->cq_entries - q->cq_head) % q->cq_entries;
	if (consumed > q->cq_used)
		return false;
	q->cq_used -= consumed;
	q->cq_head = value;
	return true;
}

/* While the worker of a command is at it, its own count is a part of the queue's. */
uint32_t card_queue_progress(const struct card *card, const struct card_queue *q)
{
	const struct card_command *cmd;
	uint32_t progress = q->progress;

	TAILQ_FOREACH(cmd, &q->active, link) {
		if (!cmd->work)
			continue;
		progress += atomic_load_explicit(&cmd->work->tick.progress, memory_order_relaxed);
		/* Not hung: it waits for memory that other commands hold. */
		if (cmd->work->waiting)
			progress += (uint32_t)((card->host.clock_ns(card->opaque) -
						cmd->work->waiting_since) / 50000000);
	}
	return progress;
}

struct card_command *card_queue_find(const struct card_queue *q, uint16_t cid,
				     const struct card_command *except)
{
	struct card_command *cmd;

	TAILQ_FOREACH(cmd, &q->active, link)
		if (cmd->cid == cid && cmd != except)
			return cmd;
	TAILQ_FOREACH(cmd, &q->finished, link)
		if (cmd->cid == cid && cmd != except)
			return cmd;
	return NULL;
}

static uint16_t queue_unused_cid(const struct card_queue *q)
{
	uint16_t cid = 0xffff;

	while (card_queue_find(q, cid, NULL))
		cid--;
	return cid;
}

/*
 * Something has become of a command, in front of which is @first. Behind a RUN that the
 * card executes it is no progress, CARD.md section 3.3.
 */
void card_queue_moved(struct card_queue *q, const struct card_command *first)
{
	if (!q->id || !first)
		q->progress++;
}

/* Read one command from the ring; false: nothing could be read. */
static bool queue_fetch(struct card *card, struct card_queue *q)
{
	struct card_command *cmd;

	cmd = calloc(1, sizeof(*cmd));
	if (!cmd)
		return false;
	if (card_dma_read(card, q->sq + (uint64_t)q->sq_head * sizeof(cmd->hw), &cmd->hw,
			  sizeof(cmd->hw))) {
		free(cmd);
		card_fatal(card, FQA_FATAL_SQ_DMA);
		return false;
	}
	q->sq_head = (q->sq_head + 1) % q->sq_entries;
	q->outstanding++;
	card_queue_moved(q, TAILQ_FIRST(&q->active));
	card->stats.commands++;
	cmd->queue = q;
	cmd->cid = le16toh(cmd->hw.cid);
	cmd->done.layer = FQA_NO_LAYER;
	TAILQ_INSERT_TAIL(&q->active, cmd, link);
	if (card_command_start(card, cmd) == CARD_DONE)
		card_command_finish(card, cmd);
	return true;
}

/*
 * Write one completion. Its last 8 bytes hold the phase and go last, so a host
 * that sees the phase sees the rest.
 */
static bool queue_post(struct card *card, struct card_queue *q, const struct card_command *cmd)
{
	uint64_t addr = q->cq + (uint64_t)q->cq_tail * sizeof(struct fqa_hw_completion);
	struct fqa_hw_completion hw = {
		.result = htole64(cmd->done.result),
		.layer = htole32(cmd->done.layer),
		.offset = htole32(cmd->done.offset),
		.reason = htole32(cmd->done.reason),
		.sq_head = htole16((uint16_t)q->sq_head),
		.qid = htole16(q->id),
		.cid = htole16(cmd->cid),
		.status = htole16((uint16_t)(cmd->done.status << 1 | q->phase)),
	};

	if (card_fault_take(card, CARD_FAULT_CORRUPT_COMPLETION))
		hw.cid = htole16(queue_unused_cid(q));
	if (card_dma_write(card, addr, &hw, 24) ||
	    card_dma_write(card, addr + 24, (uint8_t *)&hw + 24, 8)) {
		card_fatal(card, FQA_FATAL_CQ_DMA);
		return false;
	}
	q->cq_tail++;
	if (q->cq_tail == q->cq_entries) {
		q->cq_tail = 0;
		q->phase = !q->phase;
	}
	q->cq_used++;
	q->interrupt = true;
	return true;
}

/*
 * A full ring is one of n - 1 entries: with n, its head and tail would be equal as
 * they are in an empty one, and CQ_HEAD could not tell the two apart.
 */
static bool queue_may_post(const struct card_queue *q)
{
	return !TAILQ_EMPTY(&q->finished) && q->cq_used < q->cq_entries - 1;
}

static void queue_post_some(struct card *card, struct card_queue *q)
{
	struct card_command *cmd;
	int quota = QUEUE_QUOTA;

	while (quota-- && queue_may_post(q)) {
		cmd = TAILQ_FIRST(&q->finished);
		if (!queue_post(card, q, cmd))
			return;
		TAILQ_REMOVE(&q->finished, cmd, link);
		q->outstanding--;
		card_command_free(card, cmd);
		card->again = true;	/* an ABORT may wait for it */
	}
}

/* One command, a few transfers; true: it can do more at once. */
static bool queue_advance_one(struct card *card, struct card_command *cmd)
{
	int quota = QUEUE_QUOTA;

	while (quota--) {
		switch (cmd->advance(card, cmd)) {
		case CARD_WAIT:
			return false;
		case CARD_DONE:
			if (card->phase == CARD_READY)
				card_command_finish(card, cmd);
			return false;
		case CARD_AGAIN:
			if (card->phase != CARD_READY)
				return false;
		}
	}
	return true;
}

/*
 * An I/O queue's active commands are RUNs, executed one after another: only the
 * oldest advances. The admin queue's go on side by side.
 */
static bool queue_advance(struct card *card, struct card_queue *q)
{
	struct card_command *cmd, *next;
	bool more = false;

	for (cmd = TAILQ_FIRST(&q->active); cmd; cmd = next) {
		next = q->id ? NULL : TAILQ_NEXT(cmd, link);
		if (queue_advance_one(card, cmd))
			more = true;
		if (card->phase != CARD_READY)
			return false;
		if (card->budget <= 0)
			return true;
	}
	return more;
}

static bool queue_may_fetch(const struct card_queue *q)
{
	return q->sq_head != q->sq_tail && q->outstanding < CARD_MAX_OUTSTANDING;
}

/*
 * Quotas, not the step's budget, bound each part, so that a host that keeps one
 * part busy does not starve the others.
 */
bool card_queue_step(struct card *card, struct card_queue *q)
{
	int quota = QUEUE_QUOTA;
	bool more;

	if (!q->exists || q->deleting)
		return false;
	queue_post_some(card, q);
	if (card->phase != CARD_READY)
		return false;
	more = queue_advance(card, q);
	while (quota-- && card->phase == CARD_READY && queue_may_fetch(q)) {
		if (!queue_fetch(card, q))
			break;
		more = true;	/* what was read can be advanced or posted */
	}
	if (card->phase != CARD_READY)
		return false;
	/* A NOP is done with already. */
	queue_post_some(card, q);
	if (card->phase != CARD_READY)
		return false;
	return more || queue_may_fetch(q) || queue_may_post(q);
}

void card_queue_interrupt(struct card *card, struct card_queue *q)
{
	if (!q->interrupt)
		return;
	q->interrupt = false;
	if (card_fault_take(card, CARD_FAULT_DROP_IRQ))
		return;
	card->stats.interrupts++;
	card->host.raise_irq(card->opaque, q->vector);
}
