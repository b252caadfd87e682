// SPDX-License-Identifier: MIT
/*
 * A card on a bench. See CARD.md for what is written where, and the PCI and
 * Q35 specifications for the rest.
 */
#include <time.h>

#include <linux/pci_regs.h>

#include "bench.h"
#include "../unit/tap.h"

#define BENCH_ECAM	0xb0000000u
#define BENCH_DEVICE	(BENCH_ECAM + (4 << 15))
#define BENCH_WAIT_MS	10000
#define BENCH_SILENCE_MS 150

static uint64_t bench_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void bench_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
}

uint8_t bench_cfg_readb(struct bench *b, unsigned int offset)
{
	return qtest_readb(b->q, BENCH_DEVICE + offset);
}

uint16_t bench_cfg_readw(struct bench *b, unsigned int offset)
{
	return qtest_readw(b->q, BENCH_DEVICE + offset);
}

uint32_t bench_cfg_readl(struct bench *b, unsigned int offset)
{
	return qtest_readl(b->q, BENCH_DEVICE + offset);
}

void bench_cfg_writew(struct bench *b, unsigned int offset, uint16_t value)
{
	qtest_writew(b->q, BENCH_DEVICE + offset, value);
}

void bench_cfg_writel(struct bench *b, unsigned int offset, uint32_t value)
{
	qtest_writel(b->q, BENCH_DEVICE + offset, value);
}

uint8_t bench_cap(struct bench *b, uint8_t id)
{
	unsigned int at = bench_cfg_readb(b, PCI_CAPABILITY_LIST);
	unsigned int n;

	for (n = 0; at && n < 48; n++) {
		if (bench_cfg_readb(b, at) == id)
			return at;
		at = bench_cfg_readb(b, at + PCI_CAP_LIST_NEXT);
	}
	return 0;
}

uint32_t bench_reg(struct bench *b, uint32_t reg)
{
	return qtest_readl(b->q, BENCH_REGS + reg);
}

uint64_t bench_reg64(struct bench *b, uint32_t reg)
{
	return qtest_readq(b->q, BENCH_REGS + reg);
}

void bench_reg_set(struct bench *b, uint32_t reg, uint32_t value)
{
	qtest_writel(b->q, BENCH_REGS + reg, value);
}

void bench_reg_set64(struct bench *b, uint32_t reg, uint64_t value)
{
	qtest_writeq(b->q, BENCH_REGS + reg, value);
}

/* What vector @v's message says. */
static uint32_t bench_message_data(unsigned int v)
{
	return 0x4600 + v;
}

void bench_setup(struct bench *b)
{
	unsigned int v;

	bench_cfg_writel(b, PCI_BASE_ADDRESS_0, BENCH_REGS);
	bench_cfg_writel(b, PCI_BASE_ADDRESS_0 + 4, 0);
	bench_cfg_writel(b, PCI_BASE_ADDRESS_4, BENCH_MSIX);
	bench_cfg_writew(b, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	/* On a bench a message is a write to memory like any other. */
	for (v = 0; v < BENCH_QUEUES; v++) {
		qtest_writel(b->q, BENCH_MSIX + 16 * v + PCI_MSIX_ENTRY_LOWER_ADDR,
			     BENCH_MESSAGES + 4 * v);
		qtest_writel(b->q, BENCH_MSIX + 16 * v + PCI_MSIX_ENTRY_UPPER_ADDR, 0);
		qtest_writel(b->q, BENCH_MSIX + 16 * v + PCI_MSIX_ENTRY_DATA,
			     bench_message_data(v));
		qtest_writel(b->q, BENCH_MSIX + 16 * v + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
		qtest_writel(b->q, BENCH_MESSAGES + 4 * v, 0);
	}
	bench_cfg_writew(b, b->msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
}

void bench_start(struct bench *b, const char *device)
{
	char option[256];

	memset(b, 0, sizeof(*b));
	snprintf(option, sizeof(option), "%s,addr=04.0", device);
	b->q = qtest_start(option);
	/* PCIEXBAR of the host bridge (00:00.0, 0x60): the window to all configuration space. */
	qtest_outl(b->q, 0xcf8, 0x80000064);
	qtest_outl(b->q, 0xcfc, 0);
	qtest_outl(b->q, 0xcf8, 0x80000060);
	qtest_outl(b->q, 0xcfc, BENCH_ECAM | 1);
	b->pcie = bench_cap(b, PCI_CAP_ID_EXP);
	b->pm = bench_cap(b, PCI_CAP_ID_PM);
	b->msix = bench_cap(b, PCI_CAP_ID_MSIX);
	bench_setup(b);
}

int bench_stop(struct bench *b)
{
	return qtest_stop(b->q);
}

bool bench_status_is(struct bench *b, uint32_t mask, uint32_t want)
{
	uint64_t end = bench_ms() + BENCH_WAIT_MS;
	uint32_t status;

	do {
		status = bench_reg(b, FQA_REG_STATUS);
		if ((status & mask) == want)
			return true;
		bench_pause();
	} while (bench_ms() < end);
	diag("STATUS is 0x%x", status);
	return false;
}

static void bench_queue_reset(struct bench *b, unsigned int qid, unsigned int entries)
{
	struct bench_queue *queue = &b->queue[qid];

	queue->sq = BENCH_RINGS + 0x40000 * qid;
	queue->cq = queue->sq + 0x20000;
	queue->entries = entries;
	queue->tail = 0;
	queue->head = 0;
	queue->phase = 1;
	qtest_fill(b->q, queue->sq, 0, 0x40000);
}

bool bench_enable(struct bench *b, unsigned int entries)
{
	bench_queue_reset(b, 0, entries);
	bench_reg_set(b, FQA_REG_ADMIN_SIZE, (entries - 1) << 16 | (entries - 1));
	bench_reg_set64(b, FQA_REG_ADMIN_SQ, b->queue[0].sq);
	bench_reg_set64(b, FQA_REG_ADMIN_CQ, b->queue[0].cq);
	bench_reg_set(b, FQA_REG_CONTROL, FQA_CONTROL_ENABLE);
	return bench_status_is(b, FQA_STATUS_READY | FQA_STATUS_FATAL, FQA_STATUS_READY);
}

bool bench_disable(struct bench *b)
{
	bench_reg_set(b, FQA_REG_CONTROL, 0);
	return bench_status_is(b, FQA_STATUS_READY | FQA_STATUS_FATAL, 0);
}

int bench_create_queue(struct bench *b, unsigned int qid, unsigned int entries)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_CREATE_QUEUE };
	struct fqa_hw_completion cqe;

	bench_queue_reset(b, qid, entries);
	cmd.create_queue.sq = b->queue[qid].sq;
	cmd.create_queue.cq = b->queue[qid].cq;
	cmd.create_queue.qid = qid;
	cmd.create_queue.sq_entries = entries;
	cmd.create_queue.cq_entries = entries;
	cmd.create_queue.vector = qid;
	return bench_command(b, 0, &cmd, &cqe);
}

uint16_t bench_put(struct bench *b, unsigned int qid, struct fqa_hw_command *cmd)
{
	struct bench_queue *queue = &b->queue[qid];

	cmd->cid = ++b->next_cid;
	qtest_write(b->q, queue->sq + queue->tail * sizeof(*cmd), cmd, sizeof(*cmd));
	queue->tail = (queue->tail + 1) % queue->entries;
	return cmd->cid;
}

void bench_ring(struct bench *b, unsigned int qid)
{
	bench_reg_set(b, FQA_REG_SQ_TAIL(qid), b->queue[qid].tail);
}

static bool bench_poll(struct bench *b, unsigned int qid, struct fqa_hw_completion *cqe,
		       unsigned int ms)
{
	struct bench_queue *queue = &b->queue[qid];
	uint64_t end = bench_ms() + ms;

	do {
		qtest_read(b->q, queue->cq + queue->head * sizeof(*cqe), cqe, sizeof(*cqe));
		if (FQA_PHASE(cqe->status) == queue->phase)
			return true;
		bench_pause();
	} while (bench_ms() < end);
	return false;
}

bool bench_get(struct bench *b, unsigned int qid, struct fqa_hw_completion *cqe)
{
	struct bench_queue *queue = &b->queue[qid];

	if (!bench_poll(b, qid, cqe, BENCH_WAIT_MS))
		return false;
	if (++queue->head == queue->entries) {
		queue->head = 0;
		queue->phase ^= 1;
	}
	bench_reg_set(b, FQA_REG_CQ_HEAD(qid), queue->head);
	return true;
}

bool bench_silent(struct bench *b, unsigned int qid)
{
	struct fqa_hw_completion cqe;

	return !bench_poll(b, qid, &cqe, BENCH_SILENCE_MS);
}

int bench_command(struct bench *b, unsigned int qid, struct fqa_hw_command *cmd,
		  struct fqa_hw_completion *cqe)
{
	uint16_t cid = bench_put(b, qid, cmd);

	bench_ring(b, qid);
	if (!bench_get(b, qid, cqe)) {
		diag("no completion of opcode 0x%x on queue %u", cmd->opcode, qid);
		return -1;
	}
	if (cqe->cid != cid || cqe->qid != qid) {
		diag("a completion of queue %u, cid %u; expected queue %u, cid %u",
		     cqe->qid, cqe->cid, qid, cid);
		return -1;
	}
	return FQA_STATUS_CODE(cqe->status);
}

bool bench_message(struct bench *b, unsigned int vector)
{
	uint64_t end = bench_ms() + BENCH_SILENCE_MS;
	uint32_t data;

	/* The message follows the completion: it may take a moment longer. */
	do {
		data = qtest_readl(b->q, BENCH_MESSAGES + 4 * vector);
		if (data)
			break;
		bench_pause();
	} while (bench_ms() < end);
	qtest_writel(b->q, BENCH_MESSAGES + 4 * vector, 0);
	return data == bench_message_data(vector);
}
