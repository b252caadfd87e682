/* SPDX-License-Identifier: MIT */
/*
 * A machine for the card to be plugged into: a flat range of memory, workers, a
 * clock, and the few driver routines that tests need. Not thread-safe but for its
 * own workers.
 */
#ifndef CARD_HOST_H
#define CARD_HOST_H

#include <card/card.h>
#include "fqaccel_hw.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_BASE	0x100000ull	/* address of the first byte of memory */
#define HOST_WORKS	1024
#define HOST_NO_ADDRESS	0xdead00000000ull

struct host {
	struct card *card;
	uint8_t *mem;
	uint64_t size, used;
	/* DMA that touches [fault_from, fault_to) fails. */
	uint64_t fault_from, fault_to;
	bool forbid_dma;		/* any DMA or interrupt is counted as a violation */
	unsigned int violations, largest_dma;
	uint64_t dma_count;
	unsigned int irqs[FQA_MAX_IO_QUEUES + 1];
	unsigned int logs, guest_errors;
	bool kicked;
	uint64_t clock_offset;
	/* Called after each DMA write by the card, may change memory; or NULL. */
	void (*on_dma)(struct host *h, uint64_t addr, size_t len, bool write);
	/* Work: held back (hold), done by host_pump(), or by threads. */
	bool hold;
	unsigned int thread_count;
	pthread_t threads[8];
	pthread_mutex_t lock;
	pthread_cond_t wake, changed;
	struct card_work *works[HOST_WORKS];
	unsigned int work_first, work_last;
	bool quit;
};

/* A queue as a driver sees it. */
struct host_ring {
	unsigned int id;
	uint64_t sq, cq;
	unsigned int sq_entries, cq_entries, sq_tail, cq_head;
	bool phase;
};

/** host_init() - a machine with @size bytes of memory, a card and @threads workers. */
void host_init(struct host *h, const struct card_config *config, uint64_t size,
	       unsigned int threads);
void host_exit(struct host *h);

/** host_alloc() - zeroed memory; an address for the card. host_at() - as a pointer. */
uint64_t host_alloc(struct host *h, uint64_t size, uint64_t align);
void *host_at(struct host *h, uint64_t addr);

uint64_t host_read(struct host *h, uint64_t reg, unsigned int size);
void host_write(struct host *h, uint64_t reg, uint64_t value, unsigned int size);

/** host_pump() - let the card step, and without threads its work run, until all is quiet. */
void host_pump(struct host *h);
/** host_steps() - at most @n calls of card_step(), no work. */
void host_steps(struct host *h, unsigned int n);
/** host_work() - run one piece of work that was held back; false: there is none. */
bool host_work(struct host *h);

/** host_enable() - set up the admin queue and enable; true: READY. */
bool host_enable(struct host *h, struct host_ring *admin, unsigned int entries);
/** host_ring_init() - take memory for a queue's rings. */
void host_ring_init(struct host *h, struct host_ring *r, unsigned int id,
		    unsigned int sq_entries, unsigned int cq_entries);
/** host_create_queue() - rings and the CREATE_QUEUE command. Its status. */
int host_create_queue(struct host *h, struct host_ring *admin, struct host_ring *r,
		      unsigned int id, unsigned int entries);

/** host_submit() - put a command into the ring and ring the doorbell; does not pump. */
void host_submit(struct host *h, struct host_ring *r, const struct fqa_hw_command *cmd);
/** host_take() - the next completion, if there is one; rings CQ_HEAD. */
bool host_take(struct host *h, struct host_ring *r, struct fqa_hw_completion *c);
/** host_wait() - pump until a completion comes (10 s at most). */
bool host_wait(struct host *h, struct host_ring *r, struct fqa_hw_completion *c);
/** host_do() - submit, wait; the status code or -1. @c may be NULL. */
int host_do(struct host *h, struct host_ring *r, const struct fqa_hw_command *cmd,
	    struct fqa_hw_completion *c);

/** host_list() - a list over @len bytes at @addr in entries of at most @piece bytes. */
struct fqa_hw_list host_list(struct host *h, uint64_t addr, uint64_t len, uint32_t piece);
/** host_load() - copy an image into memory and LOAD it. Status code. @info may be NULL. */
int host_load(struct host *h, struct host_ring *admin, uint32_t slot, const void *image,
	      size_t len, struct fqa_hw_model_info *info, struct fqa_hw_completion *c);
/** host_run_command() - a RUN over contiguous buffers. */
struct fqa_hw_command host_run_command(struct host *h, uint16_t cid, uint32_t slot,
				       uint32_t first, uint32_t count, uint32_t batch,
				       uint64_t in, uint64_t in_len, uint64_t out,
				       uint64_t out_len);

#endif
