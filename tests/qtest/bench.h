/* SPDX-License-Identifier: MIT */
/*
 * A card on a bench: the emulator with one card at 00:04.0, its BARs mapped, and
 * just enough of a driver to send it commands and look at what comes back.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "fqaccel_hw.h"
#include "qtest.h"

/* Where things lie in the machine. RAM is 128 MiB at 0. */
#define BENCH_REGS	0xe0000000u	/* BAR0 */
#define BENCH_MSIX	0xe0010000u	/* BAR4 */
#define BENCH_MESSAGES	0x00100000u	/* vector v's message lands at + 4 * v */
#define BENCH_RINGS	0x00200000u	/* queue q: at + 0x40000 * q, completions + 0x20000 */
#define BENCH_DATA	0x01000000u	/* free for tests */
#define BENCH_NO_RAM	0x40000000u	/* nothing there */

#define BENCH_QUEUES	4

struct bench_queue {
	uint32_t sq, cq;		/* addresses of the rings */
	unsigned int entries;		/* of each */
	unsigned int tail, head;
	unsigned int phase;		/* that the next completion has */
};

struct bench {
	struct qtest *q;
	uint16_t next_cid;
	uint8_t pcie, pm, msix;		/* capabilities in configuration space */
	struct bench_queue queue[BENCH_QUEUES];
};

/** bench_start() - start the emulator, map the BARs, enable bus mastering and MSI-X. */
void bench_start(struct bench *b, const char *device);
/** bench_stop() - end the emulator. Return: 0 if it was still in good order. */
int bench_stop(struct bench *b);
/** bench_setup() - map BARs and so on again, after a reset of the function. */
void bench_setup(struct bench *b);

/* Configuration space, all 4 KiB of it. */
uint8_t bench_cfg_readb(struct bench *b, unsigned int offset);
uint16_t bench_cfg_readw(struct bench *b, unsigned int offset);
uint32_t bench_cfg_readl(struct bench *b, unsigned int offset);
void bench_cfg_writew(struct bench *b, unsigned int offset, uint16_t value);
void bench_cfg_writel(struct bench *b, unsigned int offset, uint32_t value);
/** bench_cap() - offset of a capability, 0 if there is none. */
uint8_t bench_cap(struct bench *b, uint8_t id);

/* Registers. */
uint32_t bench_reg(struct bench *b, uint32_t reg);
uint64_t bench_reg64(struct bench *b, uint32_t reg);
void bench_reg_set(struct bench *b, uint32_t reg, uint32_t value);
void bench_reg_set64(struct bench *b, uint32_t reg, uint64_t value);

/** bench_status_is() - wait until STATUS & @mask is @want. */
bool bench_status_is(struct bench *b, uint32_t mask, uint32_t want);
/** bench_enable() - admin queue of @entries entries, ENABLE; true once READY. */
bool bench_enable(struct bench *b, unsigned int entries);
/** bench_disable() - clear ENABLE; true once READY is 0. */
bool bench_disable(struct bench *b);
/** bench_create_queue() - I/O queue @qid with vector @qid. Return: FQA_SC_*, or -1 */
int bench_create_queue(struct bench *b, unsigned int qid, unsigned int entries);

/** bench_put() - write @cmd at the ring's tail, give it a CID (returned), ring no bell. */
uint16_t bench_put(struct bench *b, unsigned int qid, struct fqa_hw_command *cmd);
/** bench_ring() - the submission doorbell. */
void bench_ring(struct bench *b, unsigned int qid);
/** bench_get() - wait for the next completion, consume it. Return: it came. */
bool bench_get(struct bench *b, unsigned int qid, struct fqa_hw_completion *cqe);
/** bench_silent() - true if no completion of @qid comes within a while. */
bool bench_silent(struct bench *b, unsigned int qid);
/** bench_command() - put, ring, get. Return: FQA_SC_* of the completion, -1 if none or not ours. */
int bench_command(struct bench *b, unsigned int qid, struct fqa_hw_command *cmd,
		  struct fqa_hw_completion *cqe);
/** bench_message() - take the MSI-X message of @vector. Return: it was there, and right. */
bool bench_message(struct bench *b, unsigned int vector);

#endif
