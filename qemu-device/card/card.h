/* SPDX-License-Identifier: MIT */
/*
 * The fqaccel card as plain C11: register file, queue engine, image loader and
 * datapath (firmware-format/CARD.md). It is hosted by QEMU, by libfqaccel (the
 * soft card) and by tests, which give it a struct card_host.
 *
 * Threads. The host has one lock for a card (QEMU: the big lock). Every function
 * here but card_work_run() is called with it held, and so is every callback.
 * card_work_run() runs on a worker thread without the lock; it touches card
 * memory and its own work item only.
 *
 * card_mmio_*() only set state and ask for card_step() through host->kick(); they may
 * log and read the clock. All DMA and all interrupts come from card_step(), in bounded
 * pieces, so a host stays responsive; so does all handing out of work.
 */
#ifndef CARD_CARD_H
#define CARD_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct card;
struct card_work;

enum card_log_level {
	CARD_LOG_GUEST_ERROR,	/* the host's driver broke CARD.md */
	CARD_LOG_WARNING,
	CARD_LOG_DEBUG,
};

/* How a card reaches the machine that it is plugged into. */
struct card_host {
	/*
	 * Read or write @len bytes (at most FQA_DMA_PIECE) of the host's memory.
	 * Return 0, or a negative errno for a fault.
	 */
	int (*dma_read)(void *opaque, uint64_t addr, void *buf, size_t len);
	int (*dma_write)(void *opaque, uint64_t addr, const void *buf, size_t len);
	/* Send MSI-X message @vector. */
	void (*raise_irq)(void *opaque, unsigned int vector);
	/* Call card_step() soon, from a context of its own, never from inside this. */
	void (*kick)(void *opaque);
	/*
	 * Have a worker call card_work_run(@work), then call card_work_end(card, @work)
	 * with the lock held. Cannot fail.
	 */
	void (*work_start)(void *opaque, struct card_work *work);
	/* Nanoseconds of a clock that never goes back. */
	uint64_t (*clock_ns)(void *opaque);
	/* One line without a newline. */
	void (*log)(void *opaque, enum card_log_level level, const char *text);
};

struct card_config {
	uint64_t memory;	/* bytes, 1 MiB to 64 GiB, a multiple of 4096 */
	uint32_t io_queues;	/* 1 to 64 */
	uint32_t lanes;		/* 1 to 65536 */
	uint32_t clock_khz;	/* 1000 to 10000000 */
};

#define CARD_CONFIG_DEFAULT { .memory = 256u << 20, .io_queues = 8, \
			      .lanes = 1024, .clock_khz = 500000 }

/**
 * card_create() - power a card on
 * @config: -EINVAL where a value is out of its range
 * @host:   callbacks; copied
 * @opaque: handed to each of them
 * Return: 0, -EINVAL or -ENOMEM. Card memory is taken from the system as it is used.
 */
int card_create(const struct card_config *config, const struct card_host *host,
		void *opaque, struct card **out);

/** card_destroy() - power off; all work must have ended (card_work_pending() == 0). */
void card_destroy(struct card *card);

/**
 * card_mmio_read() / card_mmio_write() - an access to BAR0
 * @offset: in the BAR
 * @size:   4 or 8, naturally aligned; other accesses read 0, write nothing and are logged
 */
uint64_t card_mmio_read(struct card *card, uint64_t offset, unsigned int size);
void card_mmio_write(struct card *card, uint64_t offset, uint64_t value, unsigned int size);

/**
 * card_step() - do a bounded piece of work: fetch commands, move at most a few
 * pieces of DMA, post completions
 * Return: true if there is more to do at once (call again soon).
 */
bool card_step(struct card *card);

/** card_work_run() - compute; on a worker thread, without the lock. */
void card_work_run(struct card_work *work);

/** card_work_end() - take a finished work item back; with the lock. @work is gone after it. */
void card_work_end(struct card *card, struct card_work *work);

/** card_work_pending() - work items handed to work_start() and not ended. */
unsigned int card_work_pending(const struct card *card);

/**
 * card_reset() - function level or system reset: as power-on, but for the
 * statistics, the log and the fault knobs. Work in progress is told to stop and its result will
 * be dropped; memory that it uses is kept until card_work_end(). Returns at once.
 */
void card_reset(struct card *card);

/**
 * card_power() - D0 (true) or D3hot (false). In D3hot registers read all ones, writes are
 * dropped, and there is no DMA and no interrupt. Going back to D0 resets.
 */
void card_power(struct card *card, bool on);

/*
 * Fault knobs, CARD.md section 10. A real card has none of these. They survive a
 * reset. One-shot knobs count down: @value = how many times.
 */
enum card_fault {
	CARD_FAULT_HANG,		/* the next @value RUNs neither progress nor complete */
	CARD_FAULT_DROP_IRQ,		/* the next @value interrupts are not sent */
	CARD_FAULT_CORRUPT_COMPLETION,	/* the next @value completions carry an unknown CID */
	CARD_FAULT_FAIL_DMA,		/* the next @value data transfers fail */
	CARD_FAULT_FLIP_BIT,		/* flips bit @value of card memory, once, now; a bit of an */
					/* image shows in no RUN, as LOAD decodes the weights */
	CARD_FAULT_GONE,		/* 1: as if pulled out: all ones, no DMA, no interrupt */
};

int card_fault_set(struct card *card, enum card_fault fault, uint64_t value);
uint64_t card_fault_get(const struct card *card, enum card_fault fault);

#endif
