// SPDX-License-Identifier: MIT
/* The soft card's driver: rings, doorbells, commands, completions (CARD.md sections 3 to 7). */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "soft.h"

#define RING_ALIGN	4096u

static size_t round_up(size_t n)
{
	return (n + RING_ALIGN - 1) / RING_ALIGN * RING_ALIGN;
}

/* Carves a piece of the rings' memory out and lets the card reach it. */
static int carve(struct soft_card *s, size_t *used, size_t len, unsigned int directions,
		 void *out)
{
	void *piece = (char *)s->rings + *used;

	*used += round_up(len);
	memcpy(out, &piece, sizeof(piece));
	return soft_region_add(&s->regions, piece, len, directions);
}

static int ring_create(struct soft_card *s, struct soft_ring *ring, uint32_t qid,
		       uint32_t entries, size_t *used)
{
	struct fqa_hw_sge *sges;
	uint32_t i;
	int ret;

	ring->qid = qid;
	ring->entries = entries;
	ring->phase = true;
	ret = carve(s, used, entries * sizeof(*ring->sq), FQACCEL_CARD_READS, &ring->sq);
	if (!ret)
		ret = carve(s, used, entries * sizeof(*ring->cq), FQACCEL_CARD_WRITES, &ring->cq);
	if (ret || !qid)
		return ret;
	ret = carve(s, used, 2 * SOFT_RUNS * SOFT_MAX_SGES * sizeof(*sges), FQACCEL_CARD_READS,
		    &sges);
	if (ret)
		return ret;
	ring->slots = calloc(SOFT_RUNS, sizeof(*ring->slots));
	if (!ring->slots)
		return -ENOMEM;
	for (i = 0; i < SOFT_RUNS; i++) {
		ring->slots[i].in = sges + 2 * i * SOFT_MAX_SGES;
		ring->slots[i].out = ring->slots[i].in + SOFT_MAX_SGES;
	}
	return 0;
}

int soft_rings_create(struct soft_card *s)
{
	size_t used = 0;
	uint32_t q;
	int ret;

	/* Three pieces for each queue, of at most a page but for the larger ones below. */
	s->rings_len = (s->io_queues + 1) * 3 *
		       round_up(SOFT_ADMIN_ENTRIES * sizeof(struct fqa_hw_command));
	s->rings = aligned_alloc(RING_ALIGN, s->rings_len);
	if (!s->rings)
		return -ENOMEM;
	memset(s->rings, 0, s->rings_len);
	ret = ring_create(s, &s->admin, 0, SOFT_ADMIN_ENTRIES, &used);
	for (q = 1; !ret && q <= s->io_queues; q++)
		ret = ring_create(s, &s->io[q - 1], q, SOFT_IO_ENTRIES, &used);
	return ret;
}

_Static_assert(2 * SOFT_RUNS * SOFT_MAX_SGES * sizeof(struct fqa_hw_sge) <= RING_ALIGN &&
	       SOFT_IO_ENTRIES * sizeof(struct fqa_hw_command) <= RING_ALIGN &&
	       SOFT_ADMIN_ENTRIES * sizeof(struct fqa_hw_command) <= RING_ALIGN,
	       "a piece of the rings' memory is a page");
/* No ring can be full, since fewer commands are ever in flight. */
_Static_assert(SOFT_ADMIN_COMMANDS < SOFT_ADMIN_ENTRIES && SOFT_RUNS < SOFT_IO_ENTRIES,
	       "rings hold what can be in flight");

void soft_rings_destroy(struct soft_card *s)
{
	uint32_t q;

	for (q = 0; q < s->io_queues; q++)
		free(s->io[q].slots);
	free(s->rings);
	free(s->regions.list);
}

static void reg_write32(struct soft_card *s, uint64_t reg, uint32_t value)
{
	card_mmio_write(s->card, reg, value, 4);
}

/* Puts a command into the ring and rings its bell. */
static void ring_put(struct soft_card *s, struct soft_ring *ring, const struct fqa_hw_command *cmd)
{
	ring->sq[ring->sq_tail] = *cmd;
	ring->sq_tail = (ring->sq_tail + 1) % ring->entries;
	reg_write32(s, FQA_REG_SQ_TAIL(ring->qid), ring->sq_tail);
}

static int create_queue(struct soft_card *s, const struct soft_ring *ring)
{
	struct fqa_hw_command cmd = {
		.opcode = FQA_OP_CREATE_QUEUE,
		.create_queue = {
			.sq = htole64((uintptr_t)ring->sq),
			.cq = htole64((uintptr_t)ring->cq),
			.qid = htole16((uint16_t)ring->qid),
			.sq_entries = htole16((uint16_t)ring->entries),
			.cq_entries = htole16((uint16_t)ring->entries),
			.vector = htole16((uint16_t)ring->qid),
		},
	};
	struct fqa_hw_completion done;
	int ret = soft_admin(s, &cmd, &done);

	if (!ret && FQA_STATUS_CODE(le16toh(done.status)))
		ret = -EIO;
	return ret;
}

int soft_rings_enable(struct soft_card *s)
{
	uint32_t q, status;
	int ret = 0;

	reg_write32(s, FQA_REG_ADMIN_SIZE,
		    (SOFT_ADMIN_ENTRIES - 1) << 16 | (SOFT_ADMIN_ENTRIES - 1));
	card_mmio_write(s->card, FQA_REG_ADMIN_SQ, (uintptr_t)s->admin.sq, 8);
	card_mmio_write(s->card, FQA_REG_ADMIN_CQ, (uintptr_t)s->admin.cq, 8);
	reg_write32(s, FQA_REG_CONTROL, FQA_CONTROL_ENABLE);
	soft_pump(s, 64);
	status = (uint32_t)card_mmio_read(s->card, FQA_REG_STATUS, 4);
	if (status != FQA_STATUS_READY)
		return -EIO;
	for (q = 0; !ret && q < s->io_queues; q++)
		ret = create_queue(s, &s->io[q]);
	return ret;
}

void soft_rings_disable(struct soft_card *s)
{
	reg_write32(s, FQA_REG_CONTROL, 0);
	soft_pump(s, 64);
}

/* The command that a completion is for; -1 where the card names none in flight. */
static void admin_complete(struct soft_card *s, const struct fqa_hw_completion *done)
{
	uint32_t cid = le16toh(done->cid);

	if (cid >= SOFT_ADMIN_COMMANDS || !s->commands[cid].taken || s->commands[cid].finished)
		return;
	s->commands[cid].done = *done;
	s->commands[cid].finished = true;
	pthread_cond_broadcast(&s->changed);
}

static void io_complete(struct soft_card *s, struct soft_ring *ring,
			const struct fqa_hw_completion *done)
{
	uint32_t cid = le16toh(done->cid), code = FQA_STATUS_CODE(le16toh(done->status));
	struct fqaccel_run_result result = {
		.status = fqaccel_status_errno(code),
		.card_status = code,
		.layer = le32toh(done->layer),
		.offset = le32toh(done->offset),
		.cycles = code ? 0 : le64toh(done->result),
	};
	struct soft_queue *q;

	if (cid >= SOFT_RUNS || !ring->slots[cid].queue)
		return;
	q = ring->slots[cid].queue;
	ring->slots[cid].queue = NULL;
	soft_queue_finish(s, q, ring->slots[cid].sequence, &result);
}

static void ring_reap(struct soft_card *s, struct soft_ring *ring)
{
	const struct fqa_hw_completion *done;
	bool any = false;

	for (;;) {
		done = &ring->cq[ring->cq_head];
		if (FQA_PHASE(le16toh(done->status)) != ring->phase)
			break;
		if (ring->qid)
			io_complete(s, ring, done);
		else
			admin_complete(s, done);
		any = true;
		ring->cq_head = (ring->cq_head + 1) % ring->entries;
		if (!ring->cq_head)
			ring->phase = !ring->phase;
	}
	if (!any)
		return;
	reg_write32(s, FQA_REG_CQ_HEAD(ring->qid), ring->cq_head);
	if (ring->qid)
		soft_ring_start(s, ring);
}

/* The card stopped for good, by an error of ours or its own: nobody may wait for it. */
static void card_died(struct soft_card *s)
{
	const struct fqaccel_run_result gone = {
		.status = -ENODEV, .card_status = FQA_SC_INTERNAL, .layer = FQA_NO_LAYER,
	};
	struct soft_slot *slot;
	uint32_t q, i;

	s->dead = true;
	for (q = 0; q < s->io_queues; q++) {
		for (i = 0; i < SOFT_RUNS; i++) {
			slot = &s->io[q].slots[i];
			if (!slot->queue)
				continue;
			soft_queue_finish(s, slot->queue, slot->sequence, &gone);
			slot->queue = NULL;
		}
		soft_ring_start(s, &s->io[q]);
	}
	pthread_cond_broadcast(&s->changed);
}

void soft_irqs_serve(struct soft_card *s)
{
	uint32_t vector;

	while (s->irqs[0] | s->irqs[1]) {
		vector = s->irqs[0] ? (uint32_t)__builtin_ctzll(s->irqs[0])
				    : 64 + (uint32_t)__builtin_ctzll(s->irqs[1]);
		s->irqs[vector / 64] &= ~(1ull << vector % 64);
		if (vector > s->io_queues)
			continue;
		ring_reap(s, vector ? &s->io[vector - 1] : &s->admin);
		if (!vector && !s->dead &&
		    card_mmio_read(s->card, FQA_REG_STATUS, 4) & FQA_STATUS_FATAL)
			card_died(s);
	}
}

int soft_admin(struct soft_card *s, struct fqa_hw_command *cmd, struct fqa_hw_completion *done)
{
	struct soft_command *c;
	uint32_t cid;
	int ret = 0;

	for (;;) {
		for (cid = 0; cid < SOFT_ADMIN_COMMANDS && s->commands[cid].taken; cid++)
			;
		if (cid < SOFT_ADMIN_COMMANDS || s->dead)
			break;
		soft_sleep(s, &s->changed, NULL);
	}
	if (s->dead)
		return -ENODEV;
	c = &s->commands[cid];
	c->taken = true;
	c->finished = false;
	cmd->cid = htole16((uint16_t)cid);
	ring_put(s, &s->admin, cmd);
	while (!c->finished && !s->dead)
		soft_sleep(s, &s->changed, NULL);
	if (c->finished)
		*done = c->done;
	else
		ret = -ENODEV;
	c->taken = false;
	/* Somebody may wait for a free identifier. */
	pthread_cond_broadcast(&s->changed);
	return ret;
}

/* A contiguous range as entries below 2^32 bytes; returns the list's bytes. */
static uint32_t fill_list(struct fqa_hw_sge *list, const char *addr, uint64_t len)
{
	const uint64_t most = 0xffff0000;
	uint32_t n = 0, piece;

	while (len) {
		piece = (uint32_t)(len < most ? len : most);
		list[n++] = (struct fqa_hw_sge){
			.addr = htole64((uintptr_t)addr), .len = htole32(piece),
		};
		addr += piece;
		len -= piece;
	}
	return n * (uint32_t)sizeof(*list);
}

_Static_assert(FQACCEL_MAX_BUFFER / 0xffff0000 < SOFT_MAX_SGES, "a buffer fits its list");

static void slot_start(struct soft_card *s, struct soft_ring *ring, uint32_t cid,
		       const struct fqaccel_run_item *item)
{
	struct soft_slot *slot = &ring->slots[cid];
	uint32_t in_len, out_len;
	struct fqa_hw_command cmd;

	in_len = fill_list(slot->in, (char *)item->input->data + item->input_offset,
			   item->input_length);
	out_len = fill_list(slot->out, (char *)item->output->data + item->output_offset,
			    item->output_length);
	cmd = (struct fqa_hw_command){
		.opcode = FQA_OP_RUN,
		.cid = htole16((uint16_t)cid),
		.slot = htole32(item->model->handle),
		.run = {
			.first_layer = htole32(item->first_layer),
			.layer_count = htole32(item->layer_count),
			.batch = htole32(item->batch),
			.in = { .addr = htole64((uintptr_t)slot->in), .len = htole32(in_len) },
			.out = { .addr = htole64((uintptr_t)slot->out), .len = htole32(out_len) },
		},
	};
	ring_put(s, ring, &cmd);
}

/* The next queue of the circle that has a run to start, NULL if there is none. */
static struct soft_queue *next_queue(struct soft_ring *ring)
{
	unsigned int i;

	for (i = 0; i < ring->queue_count; i++) {
		ring->queues = ring->queues->next;
		if (ring->queues->started < ring->queues->accepted)
			return ring->queues;
	}
	return NULL;
}

void soft_ring_start(struct soft_card *s, struct soft_ring *ring)
{
	const struct fqaccel_run_result gone = {
		.status = -ENODEV, .card_status = FQA_SC_INTERNAL, .layer = FQA_NO_LAYER,
	};
	struct soft_queue *q;
	uint32_t cid;

	for (cid = 0; cid < SOFT_RUNS; cid++) {
		if (ring->slots[cid].queue)
			continue;
		do {
			q = next_queue(ring);
			if (q && s->dead)
				soft_queue_finish(s, q, ++q->started, &gone);
		} while (q && s->dead);
		if (!q)
			return;
		ring->slots[cid].queue = q;
		ring->slots[cid].sequence = ++q->started;
		slot_start(s, ring, cid, &q->runs[q->started % q->kept].item);
	}
}
