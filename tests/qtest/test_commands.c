// SPDX-License-Identifier: MIT
/*
 * Commands, queues, completions and interrupts, CARD.md sections 4 to 7 and 10,
 * with rings and lists in the machine's memory.
 */
#include "bench.h"
#include "../unit/tap.h"

static void start(struct bench *b, const char *device)
{
	bench_start(b, device);
	if (!bench_enable(b, 16))
		bail("the card can't be enabled");
}

static int nop(struct bench *b, unsigned int qid)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP };
	struct fqa_hw_completion cqe;

	return bench_command(b, qid, &cmd, &cqe);
}

static void test_nop(void)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP };
	struct fqa_hw_completion cqe;
	struct bench b;
	uint32_t progress;

	start(&b, "fqaccel");
	progress = bench_reg(&b, FQA_REG_PROGRESS(0));
	is_int(bench_command(&b, 0, &cmd, &cqe), FQA_SC_OK, "NOP on the admin queue");
	is_int(cqe.sq_head, 1, "SQ_Head");
	is_int(cqe.layer, FQA_NO_LAYER, "no layer");
	is_int(cqe.reserved, 0, "reserved");
	ok(bench_message(&b, 0), "message 0");
	ok(bench_reg(&b, FQA_REG_PROGRESS(0)) != progress, "PROGRESS moves");
	progress = bench_reg(&b, FQA_REG_PROGRESS(0));
	is_int(bench_reg(&b, FQA_REG_PROGRESS(0)), progress, "and stands still when idle");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static void test_queues(void)
{
	struct fqa_hw_command nops = { .opcode = FQA_OP_NOP };
	struct fqa_hw_command cmd = { .opcode = FQA_OP_DELETE_QUEUE };
	struct fqa_hw_completion cqe;
	struct bench b;
	unsigned int i, right = 0;
	uint16_t first;

	start(&b, "fqaccel,queues=3");
	is_int(bench_create_queue(&b, 1, 3), FQA_SC_OK, "an I/O queue of three entries");
	is_int(bench_create_queue(&b, 3, 4096), FQA_SC_OK, "one of 4096");
	for (i = 0; i < 20; i++)
		right += nop(&b, 1) == FQA_SC_OK;
	is_int(right, 20, "20 NOPs go round its rings");
	ok(bench_message(&b, 1), "message 1");
	is_int(nop(&b, 3), FQA_SC_OK, "NOP on the other");
	ok(bench_message(&b, 3), "message 3");
	ok(!bench_message(&b, 2), "no message 2");

	/* Two at once, and a third while the completions have not been consumed. */
	first = bench_put(&b, 1, &nops);
	bench_put(&b, 1, &nops);
	bench_ring(&b, 1);
	ok(bench_get(&b, 1, &cqe), "the first of two");
	is_int(cqe.cid, first, "by order");
	bench_put(&b, 1, &nops);
	bench_ring(&b, 1);
	ok(bench_get(&b, 1, &cqe), "the second");
	ok(bench_get(&b, 1, &cqe), "a third");
	is_int(cqe.cid, first + 2, "all of them");

	is_int(bench_create_queue(&b, 1, 4), FQA_SC_BAD_QUEUE, "queue 1 exists");
	cmd.delete_queue.qid = 2;
	is_int(bench_command(&b, 0, &cmd, &cqe), FQA_SC_BAD_QUEUE, "queue 2 does not");
	cmd.delete_queue.qid = 1;
	is_int(bench_command(&b, 0, &cmd, &cqe), FQA_SC_OK, "delete queue 1");
	bench_reg_set(&b, FQA_REG_SQ_TAIL(1), 1);
	is_int(bench_reg(&b, FQA_REG_STATUS), FQA_STATUS_READY, "its doorbell is dead");
	is_int(bench_create_queue(&b, 1, 4), FQA_SC_OK, "and it can be made again");
	is_int(nop(&b, 1), FQA_SC_OK, "NOP");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

/* A ring of completions is never run over: the card waits for the host. */
static void test_full_ring(void)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_CREATE_QUEUE };
	struct fqa_hw_completion cqe[4], got;
	struct bench b;
	unsigned int i, n = 0;

	start(&b, "fqaccel");
	is_int(bench_create_queue(&b, 1, 16), FQA_SC_OK, "a queue");
	cmd.create_queue.sq = BENCH_DATA;
	cmd.create_queue.cq = BENCH_DATA + 0x1000;
	cmd.create_queue.qid = 2;
	cmd.create_queue.sq_entries = 16;
	cmd.create_queue.cq_entries = 4;
	cmd.create_queue.vector = 2;
	is_int(bench_command(&b, 0, &cmd, &got), FQA_SC_OK, "one with 4 completions");
	memset(&cmd, 0, sizeof(cmd));
	for (i = 0; i < 10; i++) {
		cmd.cid = 100 + i;
		qtest_write(b.q, BENCH_DATA + 64 * i, &cmd, sizeof(cmd));
	}
	bench_reg_set(&b, FQA_REG_SQ_TAIL(2), 10);
	/* Whatever the queue 2 got to do, it did before queue 1's answer to the second NOP. */
	nop(&b, 1);
	is_int(nop(&b, 1), FQA_SC_OK, "another queue goes on meanwhile");
	for (i = 0; i < 3 && bench_status_is(&b, FQA_STATUS_FATAL, 0); i++)
		nop(&b, 1);
	qtest_read(b.q, BENCH_DATA + 0x1000, cqe, sizeof(cqe));
	for (i = 0; i < 4; i++)
		n += FQA_PHASE(cqe[i].status) && cqe[i].cid == 100 + i;
	ok(n == 3 || n == 4, "%u of 10 completions written", n);
	bench_reg_set(&b, FQA_REG_CQ_HEAD(2), n % 4);
	nop(&b, 1);
	nop(&b, 1);
	qtest_read(b.q, BENCH_DATA + 0x1000, cqe, sizeof(cqe));
	is_int(cqe[n % 4].cid, 100 + n, "the next one when there is room");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

struct refusal {
	const char *what;
	unsigned int qid;
	int status;
	struct fqa_hw_command cmd;
};

static const struct refusal refusals[] = {
	{ "an unknown admin opcode", 0, FQA_SC_BAD_OPCODE, { .opcode = 0x7f } },
	{ "an unknown I/O opcode", 1, FQA_SC_BAD_OPCODE, { .opcode = 0xff } },
	{ "RUN on the admin queue", 0, FQA_SC_BAD_OPCODE, { .opcode = FQA_OP_RUN } },
	{ "LOAD on an I/O queue", 1, FQA_SC_BAD_OPCODE, { .opcode = FQA_OP_LOAD } },
	{ "flags", 0, FQA_SC_BAD_FIELD, { .flags = 1 } },
	{ "a slot in NOP", 0, FQA_SC_BAD_FIELD, { .slot = 1 } },
	{ "a reserved byte of NOP", 1, FQA_SC_BAD_FIELD, { .raw = { [55] = 1 } } },
	{ "queue 0 made", 0, FQA_SC_BAD_QUEUE, { .opcode = FQA_OP_CREATE_QUEUE,
	  .create_queue = { BENCH_DATA, BENCH_DATA, 0, 4, 4, 0 } } },
	{ "queue 9 of 8 made", 0, FQA_SC_BAD_QUEUE, { .opcode = FQA_OP_CREATE_QUEUE,
	  .create_queue = { BENCH_DATA, BENCH_DATA, 9, 4, 4, 0 } } },
	{ "a ring that is not aligned", 0, FQA_SC_BAD_FIELD, { .opcode = FQA_OP_CREATE_QUEUE,
	  .create_queue = { BENCH_DATA + 4, BENCH_DATA, 2, 4, 4, 0 } } },
	{ "a ring of one entry", 0, FQA_SC_BAD_FIELD, { .opcode = FQA_OP_CREATE_QUEUE,
	  .create_queue = { BENCH_DATA, BENCH_DATA, 2, 1, 4, 0 } } },
	{ "a ring of 4097 entries", 0, FQA_SC_BAD_FIELD, { .opcode = FQA_OP_CREATE_QUEUE,
	  .create_queue = { BENCH_DATA, BENCH_DATA, 2, 4, 4097, 0 } } },
	{ "vector 9 of 8", 0, FQA_SC_BAD_FIELD, { .opcode = FQA_OP_CREATE_QUEUE,
	  .create_queue = { BENCH_DATA, BENCH_DATA, 2, 4, 4, 9 } } },
	{ "queue 0 deleted", 0, FQA_SC_BAD_QUEUE, { .opcode = FQA_OP_DELETE_QUEUE } },
	{ "an empty slot unloaded", 0, FQA_SC_BAD_SLOT, { .opcode = FQA_OP_UNLOAD, .slot = 3 } },
	{ "a slot too high", 0, FQA_SC_BAD_SLOT, { .opcode = FQA_OP_UNLOAD, .slot = 1u << 31 } },
	{ "an empty slot run", 1, FQA_SC_BAD_SLOT, { .opcode = FQA_OP_RUN, .slot = 3,
	  .run = { .layer_count = 1, .batch = 1, .in = { BENCH_DATA, 16, 0 },
		   .out = { BENCH_DATA, 16, 0 } } } },
	{ "nothing aborted", 0, FQA_SC_NOT_FOUND, { .opcode = FQA_OP_ABORT,
	  .abort = { .qid = 1, .cid = 1 } } },
	{ "a log of odd length", 0, FQA_SC_BAD_FIELD, { .opcode = FQA_OP_GET_LOG,
	  .get = { .addr = BENCH_DATA, .len = 65 } } },
	{ "statistics of another length", 0, FQA_SC_BAD_FIELD, { .opcode = FQA_OP_GET_STATS,
	  .get = { .addr = BENCH_DATA, .len = 64 } } },
	{ "statistics to nowhere", 0, FQA_SC_DMA_FAULT, { .opcode = FQA_OP_GET_STATS,
	  .get = { .addr = BENCH_NO_RAM, .len = 128 } } },
	{ "statistics into the card's registers", 0, FQA_SC_DMA_FAULT, {
	  .opcode = FQA_OP_GET_STATS, .get = { .addr = BENCH_REGS + 0x2000, .len = 128 } } },
};

#define REFUSALS	(sizeof(refusals) / sizeof(refusals[0]))

static void test_refusals(void)
{
	struct fqa_hw_log_entry log[FQA_LOG_ENTRIES];
	struct fqa_hw_command cmd = { .opcode = FQA_OP_GET_LOG };
	struct fqa_hw_completion cqe;
	const struct refusal *last = &refusals[REFUSALS - 1];
	struct fqa_hw_stats stats;
	struct bench b;
	size_t i;

	start(&b, "fqaccel");
	is_int(bench_create_queue(&b, 1, 16), FQA_SC_OK, "an I/O queue");
	for (i = 0; i < REFUSALS; i++) {
		cmd = refusals[i].cmd;
		is_int(bench_command(&b, refusals[i].qid, &cmd, &cqe), refusals[i].status,
		       refusals[i].what);
	}
	is_int(nop(&b, 0), FQA_SC_OK, "NOP after all of it");

	memset(&cmd, 0, sizeof(cmd));
	cmd.opcode = FQA_OP_GET_LOG;
	cmd.get.addr = BENCH_DATA;
	cmd.get.len = sizeof(log);
	is_int(bench_command(&b, 0, &cmd, &cqe), FQA_SC_OK, "the log");
	qtest_read(b.q, BENCH_DATA, log, sizeof(log));
	is_int(log[0].sequence, REFUSALS, "has each of them, the newest first");
	is_int(log[0].status, last->status, "its status");
	is_int(log[0].opcode, last->cmd.opcode, "its opcode");
	is_int(log[1].sequence, REFUSALS - 1, "the one before");

	cmd.opcode = FQA_OP_GET_STATS;
	cmd.get.len = sizeof(stats);
	is_int(bench_command(&b, 0, &cmd, &cqe), FQA_SC_OK, "the statistics");
	qtest_read(b.q, BENCH_DATA, &stats, sizeof(stats));
	is_int(stats.errors, REFUSALS, "count the errors");
	ok(stats.commands >= REFUSALS + 3, "and the commands");
	is_int(stats.images, 0, "no image");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

/* LOAD of @len bytes from a list at @list of @list_len bytes. */
static int load(struct bench *b, uint64_t list, uint32_t list_len, uint64_t len,
		struct fqa_hw_completion *cqe)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_LOAD };

	cmd.load.image.addr = list;
	cmd.load.image.len = list_len;
	cmd.load.length = len;
	return bench_command(b, 0, &cmd, cqe);
}

static void test_lists(void)
{
	const uint32_t list = BENCH_DATA, data = BENCH_DATA + 0x10000;
	struct fqa_hw_sge sge[2] = { { .addr = data, .len = 100 }, { .addr = data, .len = 28 } };
	struct fqa_hw_completion cqe;
	struct bench b;

	start(&b, "fqaccel");
	qtest_fill(b.q, data, 0x5a, 4096);
	qtest_write(b.q, list, sge, sizeof(sge));
	is_int(load(&b, list, sizeof(sge), 128, &cqe), FQA_SC_BAD_IMAGE, "garbage as an image");
	ok(cqe.reason != 0, "with a reason");
	is_int(load(&b, list, sizeof(sge), 129, &cqe), FQA_SC_BAD_LENGTH,
	       "a list that is too short");
	is_int(load(&b, list, sizeof(sge), 127, &cqe), FQA_SC_BAD_LENGTH,
	       "a list that is too long");
	is_int(load(&b, list + 8, 16, 128, &cqe), FQA_SC_BAD_FIELD, "a list not aligned");
	is_int(load(&b, list, 17, 128, &cqe), FQA_SC_BAD_FIELD, "a list of 17 bytes");
	is_int(load(&b, list, 0, 128, &cqe), FQA_SC_BAD_FIELD, "a list of no bytes");
	is_int(load(&b, BENCH_NO_RAM, 16, 128, &cqe), FQA_SC_DMA_FAULT, "a list nowhere");
	is_int(cqe.layer, 0xfffffffe, "the fault was in the list");

	sge[1].addr = BENCH_NO_RAM;
	qtest_write(b.q, list, sge, sizeof(sge));
	is_int(load(&b, list, sizeof(sge), 128, &cqe), FQA_SC_DMA_FAULT, "data nowhere");
	is_int(cqe.offset, 100, "at byte 100");
	sge[1].len = 0;
	qtest_write(b.q, list, sge, sizeof(sge));
	is_int(load(&b, list, sizeof(sge), 100, &cqe), FQA_SC_BAD_LIST, "an entry of no bytes");
	is_int(cqe.offset, 1, "entry 1");
	sge[1].len = 28;
	sge[1].flags = 2;
	qtest_write(b.q, list, sge, sizeof(sge));
	is_int(load(&b, list, sizeof(sge), 128, &cqe), FQA_SC_BAD_LIST, "unknown flags");

	/* A chain that leads to itself ends somewhere. */
	sge[0].len = 1;
	sge[1].addr = list;
	sge[1].len = sizeof(sge);
	sge[1].flags = FQA_SGE_LINK;
	qtest_write(b.q, list, sge, sizeof(sge));
	ok(load(&b, list, sizeof(sge), 1u << 20, &cqe) > 0, "a chain in a circle: status 0x%x",
	   FQA_STATUS_CODE(cqe.status));
	sge[0] = sge[1];
	qtest_write(b.q, list, sge, sizeof(sge));
	is_int(load(&b, list, 16, 1u << 20, &cqe), FQA_SC_BAD_LIST, "a circle of links alone");
	is_int(nop(&b, 0), FQA_SC_OK, "NOP");
	is_int(bench_reg64(&b, FQA_REG_MEM_FREE), bench_reg64(&b, FQA_REG_MEM_SIZE),
	       "no card memory is lost");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static void test_faults(void)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP };
	struct fqa_hw_sge sge = { .addr = BENCH_DATA + 4096, .len = 64 };
	struct fqa_hw_completion cqe;
	struct bench b;
	uint16_t cid;

	start(&b, "fqaccel,drop-irq=1");
	is_int(nop(&b, 0), FQA_SC_OK, "drop-irq: a completion");
	ok(!bench_message(&b, 0), "without a message");
	is_int(nop(&b, 0), FQA_SC_OK, "another");
	ok(bench_message(&b, 0), "with one");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");

	start(&b, "fqaccel,corrupt-cqe=1");
	cid = bench_put(&b, 0, &cmd);
	bench_ring(&b, 0);
	ok(bench_get(&b, 0, &cqe), "corrupt-cqe: a completion");
	ok(cqe.cid != cid, "of nothing");
	is_int(nop(&b, 0), FQA_SC_OK, "the next is right");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");

	start(&b, "fqaccel,fail-dma=1");
	qtest_write(b.q, BENCH_DATA, &sge, sizeof(sge));
	is_int(load(&b, BENCH_DATA, 16, 64, &cqe), FQA_SC_DMA_FAULT, "fail-dma: a fault");
	is_int(load(&b, BENCH_DATA, 16, 64, &cqe), FQA_SC_BAD_IMAGE, "just one");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");

	bench_start(&b, "fqaccel,gone=1");
	is_int(bench_reg(&b, FQA_REG_ID), 0xffffffff, "gone: all ones");
	bench_reg_set(&b, FQA_REG_CONTROL, FQA_CONTROL_ENABLE);
	is_int(bench_reg(&b, FQA_REG_STATUS), 0xffffffff, "whatever is written");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

int main(void)
{
	test_nop();
	test_queues();
	test_full_ring();
	test_refusals();
	test_lists();
	test_faults();
	return tap_done();
}
