// SPDX-License-Identifier: MIT
/*
 * Registers, CARD.md section 3: what they say, accesses of the wrong shape,
 * enabling, doorbells, fatal errors, DMA to where there is no memory.
 */
#include <linux/pci_regs.h>

#include "bench.h"
#include "../unit/tap.h"

static void test_values(void)
{
	struct bench b;
	uint64_t cap;

	bench_start(&b, "fqaccel,memory=64M,queues=3,lanes=77,clock-khz=123456");
	is_int(bench_reg(&b, FQA_REG_ID), FQA_ID, "ID");
	is_int(bench_reg(&b, FQA_REG_VERSION), FQA_VERSION_MAJOR << 16 | FQA_VERSION_MINOR,
	       "VERSION");
	cap = bench_reg64(&b, FQA_REG_CAP);
	is_int(FQA_CAP_IO_QUEUES(cap), 3, "I/O queues");
	is_int(FQA_CAP_MAX_ENTRIES(cap), FQA_MAX_ENTRIES, "entries of a ring");
	ok(FQA_CAP_READY_MS(cap) >= 100, "time to become ready");
	ok(bench_reg64(&b, FQA_REG_FEATURES) == 0, "FEATURES");
	is_int(bench_reg64(&b, FQA_REG_MEM_SIZE), 64 << 20, "MEM_SIZE");
	is_int(bench_reg64(&b, FQA_REG_MEM_FREE), 64 << 20, "MEM_FREE");
	is_int(bench_reg(&b, FQA_REG_LANES), 77, "LANES");
	is_int(bench_reg(&b, FQA_REG_CLOCK_KHZ), 123456, "CLOCK_KHZ");
	is_int(bench_reg(&b, FQA_REG_FORMAT) >> 16, 1, "FORMAT");
	ok(bench_reg(&b, FQA_REG_SLOTS) >= 1 && bench_reg(&b, FQA_REG_SLOTS) <= FQA_MAX_SLOTS,
	   "SLOTS");
	is_int(bench_reg(&b, FQA_REG_STATUS), 0, "STATUS");
	is_int(bench_reg(&b, FQA_REG_CONTROL), 0, "CONTROL");

	bench_reg_set(&b, FQA_REG_ID, 0x12345678);
	is_int(bench_reg(&b, FQA_REG_ID), FQA_ID, "ID can't be written");
	bench_reg_set(&b, FQA_REG_LANES, 1);
	is_int(bench_reg(&b, FQA_REG_LANES), 77, "LANES can't be written");
	bench_reg_set64(&b, FQA_REG_ADMIN_SQ, 0x123456789abcdec0);
	ok(bench_reg64(&b, FQA_REG_ADMIN_SQ) == 0x123456789abcdec0, "ADMIN_SQ is kept");
	is_int(bench_reg(&b, FQA_REG_ADMIN_SQ), 0x9abcdec0, "its lower half");
	is_int(bench_reg(&b, FQA_REG_ADMIN_SQ + 4), 0x12345678, "its upper half");
	bench_reg_set(&b, FQA_REG_ADMIN_SQ + 4, 0x55);
	ok(bench_reg64(&b, FQA_REG_ADMIN_SQ) == 0x559abcdec0, "written by half");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

/* Any access that the table does not have reads 0 and writes nothing. */
static void test_shapes(void)
{
	struct bench b;
	uint32_t at;

	bench_start(&b, "fqaccel");
	is_int(qtest_readb(b.q, BENCH_REGS + FQA_REG_ID), 0, "a byte of ID");
	is_int(qtest_readw(b.q, BENCH_REGS + FQA_REG_ID), 0, "a word of ID");
	is_int(qtest_readl(b.q, BENCH_REGS + FQA_REG_ID + 2), 0, "ID, not aligned");
	ok(qtest_readq(b.q, BENCH_REGS + FQA_REG_ID) == 0, "8 bytes of a 32-bit register");
	ok(qtest_readq(b.q, BENCH_REGS + FQA_REG_CAP + 4) == 0, "CAP, not aligned");
	bench_reg_set64(&b, FQA_REG_ADMIN_SQ, 0x1000);
	qtest_writeb(b.q, BENCH_REGS + FQA_REG_ADMIN_SQ + 1, 0x77);
	qtest_writew(b.q, BENCH_REGS + FQA_REG_ADMIN_SQ, 0x7777);
	qtest_writel(b.q, BENCH_REGS + FQA_REG_ADMIN_SQ + 2, 0x77777777);
	ok(bench_reg64(&b, FQA_REG_ADMIN_SQ) == 0x1000, "odd writes change nothing");
	for (at = 0x58; at < FQA_BAR_REGS_SIZE; at = at < 0x1000 ? at * 2 : at + 0xd58)
		is_int(qtest_readl(b.q, BENCH_REGS + at), 0, "no register, reads 0");
	is_int(qtest_readl(b.q, BENCH_REGS + FQA_BAR_REGS_SIZE - 4), 0, "the last word");
	is_int(bench_reg(&b, FQA_REG_SQ_TAIL(0)), 0, "doorbells can't be read");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static void check_fatal(struct bench *b, unsigned int cause, const char *what)
{
	uint32_t status;

	ok(bench_status_is(b, FQA_STATUS_FATAL, FQA_STATUS_FATAL), "%s is fatal", what);
	status = bench_reg(b, FQA_REG_STATUS);
	is_int(FQA_STATUS_CAUSE(status), cause, "its cause");
	ok(bench_disable(b), "a reset clears it");
	is_int(bench_reg(b, FQA_REG_STATUS), 0, "wholly");
}

/* Whatever went before: the card can be used. */
static void check_works(struct bench *b)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP };
	struct fqa_hw_completion cqe;

	ok(bench_enable(b, 8), "it can be enabled");
	is_int(bench_command(b, 0, &cmd, &cqe), FQA_SC_OK, "and answers NOP");
}

static void test_enable(void)
{
	struct bench b;

	bench_start(&b, "fqaccel");
	bench_reg_set(&b, FQA_REG_CONTROL, FQA_CONTROL_ENABLE);
	check_fatal(&b, FQA_FATAL_ADMIN, "an admin queue of one entry");

	bench_reg_set(&b, FQA_REG_ADMIN_SIZE, 7 << 16 | 7);
	bench_reg_set64(&b, FQA_REG_ADMIN_SQ, BENCH_RINGS + 8);
	bench_reg_set64(&b, FQA_REG_ADMIN_CQ, BENCH_RINGS + 0x20000);
	bench_reg_set(&b, FQA_REG_CONTROL, FQA_CONTROL_ENABLE);
	check_fatal(&b, FQA_FATAL_ADMIN, "a submission ring that is not aligned");

	bench_reg_set64(&b, FQA_REG_ADMIN_SQ, BENCH_RINGS);
	bench_reg_set64(&b, FQA_REG_ADMIN_CQ, BENCH_RINGS + 0x20020);
	bench_reg_set(&b, FQA_REG_CONTROL, FQA_CONTROL_ENABLE);
	check_fatal(&b, FQA_FATAL_ADMIN, "a completion ring that is not aligned");

	check_works(&b);
	bench_reg_set64(&b, FQA_REG_ADMIN_SQ, 0);
	ok(bench_reg64(&b, FQA_REG_ADMIN_SQ) == b.queue[0].sq, "ADMIN_SQ stays while enabled");
	ok(bench_disable(&b), "disabled");
	check_works(&b);
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static void test_doorbells(void)
{
	struct bench b;

	bench_start(&b, "fqaccel");
	bench_reg_set(&b, FQA_REG_SQ_TAIL(0), 1);
	is_int(bench_reg(&b, FQA_REG_STATUS), 0, "a doorbell before enabling is ignored");
	check_works(&b);
	bench_reg_set(&b, FQA_REG_SQ_TAIL(1), 1);
	bench_reg_set(&b, FQA_REG_CQ_HEAD(8), 1);
	bench_reg_set(&b, FQA_REG_SQ_TAIL(64), 1);
	is_int(bench_reg(&b, FQA_REG_STATUS), FQA_STATUS_READY,
	       "doorbells of queues that do not exist are ignored");

	qtest_writel(b.q, BENCH_MESSAGES, 0);
	bench_reg_set(&b, FQA_REG_SQ_TAIL(0), 8);
	ok(bench_status_is(&b, FQA_STATUS_FATAL, FQA_STATUS_FATAL), "past the ring");
	ok(bench_message(&b, 0), "a fatal error interrupts");
	check_fatal(&b, FQA_FATAL_DOORBELL, "a submission doorbell past the ring");
	check_works(&b);
	bench_reg_set(&b, FQA_REG_CQ_HEAD(0), 0xffffffff);
	check_fatal(&b, FQA_FATAL_DOORBELL, "a completion doorbell past the ring");
	check_works(&b);
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

/* Enables with the admin rings where they are told, and rings. */
static void enable_at(struct bench *b, uint64_t sq, uint64_t cq)
{
	bench_reg_set(b, FQA_REG_ADMIN_SIZE, 7 << 16 | 7);
	bench_reg_set64(b, FQA_REG_ADMIN_SQ, sq);
	bench_reg_set64(b, FQA_REG_ADMIN_CQ, cq);
	bench_reg_set(b, FQA_REG_CONTROL, FQA_CONTROL_ENABLE);
	ok(bench_status_is(b, FQA_STATUS_READY, FQA_STATUS_READY), "enabled");
	bench_reg_set(b, FQA_REG_SQ_TAIL(0), 1);
}

static void test_dma_faults(void)
{
	const uint32_t sq = BENCH_RINGS, cq = BENCH_RINGS + 0x20000;
	struct bench b;

	bench_start(&b, "fqaccel");
	qtest_fill(b.q, sq, 0, 64);
	enable_at(&b, BENCH_NO_RAM, cq);
	check_fatal(&b, FQA_FATAL_SQ_DMA, "a submission ring where there is no memory");
	enable_at(&b, sq, BENCH_NO_RAM);
	check_fatal(&b, FQA_FATAL_CQ_DMA, "a completion ring where there is no memory");
	enable_at(&b, 0xffffffffffffffc0, cq);
	check_fatal(&b, FQA_FATAL_SQ_DMA, "a submission ring at the end of all addresses");
	enable_at(&b, sq, 0xffffffffffffffc0);
	check_fatal(&b, FQA_FATAL_CQ_DMA, "a completion ring at the end of all addresses");
	/* The card must not be led to operate itself, or an interrupt controller. */
	enable_at(&b, BENCH_REGS, cq);
	check_fatal(&b, FQA_FATAL_SQ_DMA, "a submission ring in the card's own registers");
	enable_at(&b, sq, BENCH_REGS + FQA_REG_SQ_TAIL(0));
	check_fatal(&b, FQA_FATAL_CQ_DMA, "a completion ring in the card's own doorbells");
	enable_at(&b, sq, 0xfec00000);
	check_fatal(&b, FQA_FATAL_CQ_DMA, "a completion ring in the I/O APIC");

	bench_cfg_writew(&b, PCI_COMMAND, PCI_COMMAND_MEMORY);
	enable_at(&b, sq, cq);
	check_fatal(&b, FQA_FATAL_SQ_DMA, "a command without bus mastering");
	bench_cfg_writew(&b, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	check_works(&b);
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

int main(void)
{
	test_values();
	test_shapes();
	test_enable();
	test_doorbells();
	test_dma_faults();
	return tap_done();
}
