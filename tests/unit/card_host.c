// SPDX-License-Identifier: MIT
/* A machine for the card to be plugged into. */
#include "card_host.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool in_memory(const struct host *h, uint64_t addr, size_t len)
{
	return addr >= HOST_BASE && addr - HOST_BASE <= h->size &&
	       len <= h->size - (addr - HOST_BASE);
}

static int dma(struct host *h, uint64_t addr, size_t len)
{
	h->dma_count++;
	if (len > h->largest_dma)
		h->largest_dma = (unsigned int)len;
	if (h->forbid_dma)
		h->violations++;
	if (!in_memory(h, addr, len))
		return -EFAULT;
	if (addr < h->fault_to && addr + len > h->fault_from)
		return -EIO;
	return 0;
}

static int on_read(void *opaque, uint64_t addr, void *buf, size_t len)
{
	struct host *h = opaque;
	int err = dma(h, addr, len);

	if (err)
		return err;
	memcpy(buf, h->mem + (addr - HOST_BASE), len);
	if (h->on_dma)
		h->on_dma(h, addr, len, false);
	return 0;
}

static int on_write(void *opaque, uint64_t addr, const void *buf, size_t len)
{
	struct host *h = opaque;
	int err = dma(h, addr, len);

	if (err)
		return err;
	memcpy(h->mem + (addr - HOST_BASE), buf, len);
	if (h->on_dma)
		h->on_dma(h, addr, len, true);
	return 0;
}

static void on_irq(void *opaque, unsigned int vector)
{
	struct host *h = opaque;

	if (h->forbid_dma)
		h->violations++;
	assert(vector <= FQA_MAX_IO_QUEUES);
	h->irqs[vector]++;
}

static void on_kick(void *opaque)
{
	struct host *h = opaque;

	h->kicked = true;
	pthread_cond_signal(&h->changed);
}

static void on_work(void *opaque, struct card_work *work)
{
	struct host *h = opaque;

	assert(h->work_last - h->work_first < HOST_WORKS);
	h->works[h->work_last++ % HOST_WORKS] = work;
	pthread_cond_signal(&h->wake);
}

static uint64_t on_clock(void *opaque)
{
	struct host *h = opaque;
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec + h->clock_offset;
}

static void on_log(void *opaque, enum card_log_level level, const char *text)
{
	struct host *h = opaque;

	assert(!strchr(text, '\n'));
	h->logs++;
	h->guest_errors += level == CARD_LOG_GUEST_ERROR;
}

static const struct card_host callbacks = {
	.dma_read = on_read,
	.dma_write = on_write,
	.raise_irq = on_irq,
	.kick = on_kick,
	.work_start = on_work,
	.clock_ns = on_clock,
	.log = on_log,
};

static void *worker(void *arg)
{
	struct host *h = arg;
	struct card_work *work;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		while (h->work_first == h->work_last && !h->quit)
			pthread_cond_wait(&h->wake, &h->lock);
		if (h->work_first == h->work_last)
			break;
		work = h->works[h->work_first++ % HOST_WORKS];
		pthread_mutex_unlock(&h->lock);
		card_work_run(work);
		pthread_mutex_lock(&h->lock);
		card_work_end(h->card, work);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

void host_init(struct host *h, const struct card_config *config, uint64_t size,
	       unsigned int threads)
{
	unsigned int i;

	memset(h, 0, sizeof(*h));
	h->mem = calloc(1, size);
	h->size = size;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	pthread_cond_init(&h->changed, NULL);
	if (!h->mem || card_create(config, &callbacks, h, &h->card))
		abort();
	h->thread_count = threads;
	for (i = 0; i < threads; i++)
		if (pthread_create(&h->threads[i], NULL, worker, h))
			abort();
}

void host_exit(struct host *h)
{
	unsigned int i;

	pthread_mutex_lock(&h->lock);
	card_reset(h->card);
	h->quit = true;
	pthread_cond_broadcast(&h->wake);
	pthread_mutex_unlock(&h->lock);
	for (i = 0; i < h->thread_count; i++)
		pthread_join(h->threads[i], NULL);
	while (host_work(h))
		;
	assert(!card_work_pending(h->card));
	card_destroy(h->card);
	pthread_cond_destroy(&h->wake);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h->mem);
}

uint64_t host_alloc(struct host *h, uint64_t size, uint64_t align)
{
	uint64_t at = (h->used + align - 1) / align * align;

	if (at + size > h->size)
		abort();
	h->used = at + size;
	memset(h->mem + at, 0, size);
	return HOST_BASE + at;
}

void *host_at(struct host *h, uint64_t addr)
{
	return h->mem + (addr - HOST_BASE);
}

uint64_t host_read(struct host *h, uint64_t reg, unsigned int size)
{
	uint64_t value;

	pthread_mutex_lock(&h->lock);
	value = card_mmio_read(h->card, reg, size);
	pthread_mutex_unlock(&h->lock);
	return value;
}

void host_write(struct host *h, uint64_t reg, uint64_t value, unsigned int size)
{
	pthread_mutex_lock(&h->lock);
	card_mmio_write(h->card, reg, value, size);
	pthread_mutex_unlock(&h->lock);
}

bool host_work(struct host *h)
{
	struct card_work *work;

	if (h->work_first == h->work_last)
		return false;
	work = h->works[h->work_first++ % HOST_WORKS];
	card_work_run(work);
	card_work_end(h->card, work);
	return true;
}

void host_steps(struct host *h, unsigned int n)
{
	pthread_mutex_lock(&h->lock);
	while (n--) {
		h->kicked = false;
		card_step(h->card);
	}
	pthread_mutex_unlock(&h->lock);
}

void host_pump(struct host *h)
{
	bool more;

	pthread_mutex_lock(&h->lock);
	do {
		h->kicked = false;
		more = card_step(h->card) || h->kicked;
		if (!more && !h->thread_count && !h->hold)
			more = host_work(h);
		if (!more && h->thread_count && card_work_pending(h->card)) {
			pthread_cond_wait(&h->changed, &h->lock);
			more = true;
		}
	} while (more);
	pthread_mutex_unlock(&h->lock);
}

void host_ring_init(struct host *h, struct host_ring *r, unsigned int id,
		    unsigned int sq_entries, unsigned int cq_entries)
{
	r->id = id;
	r->sq_entries = sq_entries;
	r->cq_entries = cq_entries;
	r->sq = host_alloc(h, sq_entries * sizeof(struct fqa_hw_command), 64);
	r->cq = host_alloc(h, cq_entries * sizeof(struct fqa_hw_completion), 64);
	r->sq_tail = 0;
	r->cq_head = 0;
	r->phase = true;
}

bool host_enable(struct host *h, struct host_ring *admin, unsigned int entries)
{
	host_ring_init(h, admin, 0, entries, entries);
	host_write(h, FQA_REG_ADMIN_SIZE, (entries - 1) << 16 | (entries - 1), 4);
	host_write(h, FQA_REG_ADMIN_SQ, admin->sq, 8);
	host_write(h, FQA_REG_ADMIN_CQ, admin->cq, 8);
	host_write(h, FQA_REG_CONTROL, FQA_CONTROL_ENABLE, 4);
	host_pump(h);
	return host_read(h, FQA_REG_STATUS, 4) == FQA_STATUS_READY;
}

int host_create_queue(struct host *h, struct host_ring *admin, struct host_ring *r,
		      unsigned int id, unsigned int entries)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_CREATE_QUEUE, .cid = htole16(0x7000) };

	host_ring_init(h, r, id, entries, entries);
	cmd.create_queue.sq = htole64(r->sq);
	cmd.create_queue.cq = htole64(r->cq);
	cmd.create_queue.qid = htole16((uint16_t)id);
	cmd.create_queue.sq_entries = htole16((uint16_t)entries);
	cmd.create_queue.cq_entries = htole16((uint16_t)entries);
	cmd.create_queue.vector = htole16((uint16_t)id);
	return host_do(h, admin, &cmd, NULL);
}

void host_submit(struct host *h, struct host_ring *r, const struct fqa_hw_command *cmd)
{
	memcpy(host_at(h, r->sq + r->sq_tail * sizeof(*cmd)), cmd, sizeof(*cmd));
	r->sq_tail = (r->sq_tail + 1) % r->sq_entries;
	host_write(h, FQA_REG_SQ_TAIL(r->id), r->sq_tail, 4);
}

bool host_take(struct host *h, struct host_ring *r, struct fqa_hw_completion *c)
{
	memcpy(c, host_at(h, r->cq + r->cq_head * sizeof(*c)), sizeof(*c));
	if (FQA_PHASE(le16toh(c->status)) != r->phase)
		return false;
	if (++r->cq_head == r->cq_entries) {
		r->cq_head = 0;
		r->phase = !r->phase;
	}
	host_write(h, FQA_REG_CQ_HEAD(r->id), r->cq_head, 4);
	return true;
}

bool host_wait(struct host *h, struct host_ring *r, struct fqa_hw_completion *c)
{
	host_pump(h);
	return host_take(h, r, c);
}

int host_do(struct host *h, struct host_ring *r, const struct fqa_hw_command *cmd,
	    struct fqa_hw_completion *c)
{
	struct fqa_hw_completion mine;

	if (!c)
		c = &mine;
	host_submit(h, r, cmd);
	if (!host_wait(h, r, c) || c->cid != cmd->cid)
		return -1;
	return FQA_STATUS_CODE(le16toh(c->status));
}

#define SEGMENT	4096u

struct fqa_hw_list host_list(struct host *h, uint64_t addr, uint64_t len, uint32_t piece)
{
	uint64_t count = (len + piece - 1) / piece, links = count / (SEGMENT - 1), i, at = 0;
	uint64_t base = host_alloc(h, (count + links + 1) * 16, 16);
	struct fqa_hw_sge *sge = host_at(h, base);
	struct fqa_hw_list list = { .addr = htole64(base) };
	uint64_t slots = 0;
	uint32_t *segment_len = &list.len;

	for (i = 0; i < count; i++) {
		if (slots % SEGMENT == SEGMENT - 1 && i + 1 < count) {
			sge[slots].addr = htole64(base + (slots + 1) * 16);
			sge[slots].flags = htole32(FQA_SGE_LINK);
			*segment_len = htole32(SEGMENT * 16);
			segment_len = &sge[slots].len;
			slots++;
		}
		sge[slots].addr = htole64(addr + at);
		sge[slots].len = htole32((uint32_t)(len - at < piece ? len - at : piece));
		at += piece;
		slots++;
	}
	*segment_len = htole32((uint32_t)((slots % SEGMENT ? slots % SEGMENT : SEGMENT) * 16));
	return list;
}

int host_load(struct host *h, struct host_ring *admin, uint32_t slot, const void *image,
	      size_t len, struct fqa_hw_model_info *info, struct fqa_hw_completion *c)
{
	uint64_t at = host_alloc(h, len, 1), info_at = host_alloc(h, sizeof(*info), 8);
	struct fqa_hw_command cmd = {
		.opcode = FQA_OP_LOAD,
		.cid = htole16(0x7001),
		.slot = htole32(slot),
		.load = {
			.image = host_list(h, at, len, 65536),
			.length = htole64(len),
			.info = htole64(info ? info_at : 0),
		},
	};
	int status;

	memcpy(host_at(h, at), image, len);
	status = host_do(h, admin, &cmd, c);
	if (info)
		memcpy(info, host_at(h, info_at), sizeof(*info));
	return status;
}

struct fqa_hw_command host_run_command(struct host *h, uint16_t cid, uint32_t slot,
				       uint32_t first, uint32_t count, uint32_t batch,
				       uint64_t in, uint64_t in_len, uint64_t out,
				       uint64_t out_len)
{
	return (struct fqa_hw_command){
		.opcode = FQA_OP_RUN,
		.cid = htole16(cid),
		.slot = htole32(slot),
		.run = {
			.first_layer = htole32(first),
			.layer_count = htole32(count),
			.batch = htole32(batch),
			.in = host_list(h, in, in_len, 4096),
			.out = host_list(h, out, out_len, 4096),
		},
	};
}
