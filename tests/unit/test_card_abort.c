// SPDX-License-Identifier: MIT
/* ABORT, DELETE_QUEUE, resets and power with work in progress; hangs. */
#include "card_model.h"
#include "tap.h"

#include <endian.h>

struct bench {
	struct host h;
	struct host_ring admin, q[2];
	struct model t;
	struct fqa_hw_model_info info;
};

static void bench_start(struct bench *b)
{
	struct fqa_hw_completion c;
	unsigned int i;

	if (!host_enable(&b->h, &b->admin, 64))
		bail("the card is not ready");
	for (i = 0; i < 2; i++)
		if (host_create_queue(&b->h, &b->admin, &b->q[i], i + 1, 64))
			bail("no queue");
	if (host_load(&b->h, &b->admin, 0, b->t.image, b->t.len, &b->info, &c))
		bail("LOAD failed");
}

static void bench_init(struct bench *b, unsigned int threads)
{
	struct netgen_options opt = { .seed = 31, .layers = 8, .channels = 12, .size = 10 };
	struct card_config config = CARD_CONFIG_DEFAULT;

	config.memory = 16 << 20;
	host_init(&b->h, &config, 64 << 20, threads);
	model_init(&b->t, &opt, 4);
	bench_start(b);
}

static void bench_exit(struct bench *b)
{
	model_exit(&b->t);
	host_exit(&b->h);
}

static struct fqa_hw_command whole(struct bench *b, uint16_t cid, uint64_t *out)
{
	uint64_t in = host_alloc(&b->h, b->t.in_bytes, 1);

	*out = host_alloc(&b->h, b->t.out_bytes, 1);
	memcpy(host_at(&b->h, in), b->t.in, b->t.in_bytes);
	return host_run_command(&b->h, cid, 0, 0, b->t.m->layer_count, 1, in, b->t.in_bytes, *out,
				b->t.out_bytes);
}

static bool run_works(struct bench *b, unsigned int q)
{
	struct fqa_hw_command cmd;
	uint64_t out;

	cmd = whole(b, 0x6000, &out);
	return !host_do(&b->h, &b->q[q], &cmd, NULL) &&
	       !memcmp(host_at(&b->h, out), b->t.out, b->t.out_bytes);
}

static void submit_run(struct bench *b, unsigned int q, uint16_t cid)
{
	uint64_t out;
	struct fqa_hw_command cmd = whole(b, cid, &out);

	host_submit(&b->h, &b->q[q], &cmd);
}

static struct fqa_hw_command abort_command(uint16_t qid, uint16_t cid)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_ABORT, .cid = htole16(0x5000 + cid) };

	cmd.abort.qid = htole16(qid);
	cmd.abort.cid = htole16(cid);
	return cmd;
}

static void is_completion(const struct fqa_hw_completion *c, uint16_t cid, unsigned int status,
			  const char *what)
{
	ok(le16toh(c->cid) == cid && FQA_STATUS_CODE(le16toh(c->status)) == status, "%s", what);
}

/* Where the last two completions were written, to see their order. */
static uint64_t last_posts[2];

static void note(struct host *h, uint64_t addr, size_t len, bool write)
{
	(void)h;
	if (write && len == 8) {
		last_posts[0] = last_posts[1];
		last_posts[1] = addr;
	}
}

static bool in_ring(const struct host_ring *r, uint64_t addr)
{
	return addr >= r->cq && addr < r->cq + r->cq_entries * sizeof(struct fqa_hw_completion);
}

static void test_abort_computing(void)
{
	struct fqa_hw_completion c;
	struct fqa_hw_command cmd;
	struct bench b;
	uint64_t dma;

	bench_init(&b, 0);
	b.h.hold = true;
	submit_run(&b, 0, 1);
	submit_run(&b, 0, 2);
	host_pump(&b.h);
	is_int(card_work_pending(b.h.card), 1, "one run computes");
	b.h.on_dma = note;
	cmd = abort_command(1, 1);
	host_submit(&b.h, &b.admin, &cmd);
	host_pump(&b.h);
	b.h.on_dma = NULL;
	ok(host_take(&b.h, &b.q[0], &c), "the aborted run completes");
	is_completion(&c, 1, FQA_SC_ABORTED, "as ABORTED");
	ok(host_take(&b.h, &b.admin, &c), "the ABORT completes");
	is_completion(&c, 0x5001, FQA_SC_OK, "well");
	ok(in_ring(&b.q[0], last_posts[0]) && in_ring(&b.admin, last_posts[1]), "after it");
	is_int(card_work_pending(b.h.card), 2, "the next run has started");
	dma = b.h.dma_count;
	host_work(&b.h);	/* the aborted one's worker stops only now */
	host_steps(&b.h, 10);
	is_int(b.h.dma_count, (int64_t)dma, "the aborted run sends no DMA");
	b.h.hold = false;
	ok(host_wait(&b.h, &b.q[0], &c), "the next run completes");
	is_completion(&c, 2, FQA_SC_OK, "well");
	cmd = abort_command(1, 2);
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), FQA_SC_NOT_FOUND,
	       "an ABORT of a completed run");
	bench_exit(&b);
}

static void test_abort_waiting(void)
{
	struct fqa_hw_completion c;
	struct fqa_hw_command cmd;
	struct bench b;
	unsigned int i;

	bench_init(&b, 0);
	b.h.hold = true;
	for (i = 1; i <= 4; i++)
		submit_run(&b, 0, (uint16_t)i);
	host_pump(&b.h);
	cmd = abort_command(1, 3);
	host_submit(&b.h, &b.admin, &cmd);
	cmd.cid = htole16(0x5100);
	host_submit(&b.h, &b.admin, &cmd);
	host_pump(&b.h);
	ok(host_take(&b.h, &b.q[0], &c), "a run that waits for its turn is aborted");
	is_completion(&c, 3, FQA_SC_ABORTED, "as ABORTED");
	ok(host_take(&b.h, &b.admin, &c), "the first ABORT completes");
	is_completion(&c, 0x5003, FQA_SC_OK, "well");
	ok(host_take(&b.h, &b.admin, &c), "so does the second");
	is_int(le16toh(c.cid), 0x5100, "of the same run");
	b.h.hold = false;
	for (i = 1; i <= 4; i++)
		if (i != 3 && host_wait(&b.h, &b.q[0], &c))
			is_completion(&c, (uint16_t)i, FQA_SC_OK, "the others complete in order");
	bench_exit(&b);
}

/* The aborted run's completion finds no room: the ABORT waits with it. */
static void test_abort_full(void)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP };
	struct fqa_hw_completion c;
	struct host_ring small;
	struct bench b;
	uint64_t out;
	unsigned int i;

	bench_init(&b, 0);
	is_int(host_create_queue(&b.h, &b.admin, &small, 3, 2), 0, "a queue of one completion");
	b.h.hold = true;
	host_submit(&b.h, &small, &cmd);
	host_pump(&b.h);
	cmd = whole(&b, 9, &out);
	host_submit(&b.h, &small, &cmd);
	host_pump(&b.h);
	cmd = abort_command(3, 9);
	host_submit(&b.h, &b.admin, &cmd);
	host_pump(&b.h);
	ok(!host_take(&b.h, &b.admin, &c), "the ABORT waits for room in the other ring");
	for (i = 0; i < 2; i++)
		ok(host_wait(&b.h, &small, &c), "completion %u is taken", i);
	is_completion(&c, 9, FQA_SC_ABORTED, "the run was aborted");
	ok(host_wait(&b.h, &b.admin, &c), "then the ABORT completes");
	bench_exit(&b);
}

static struct fqa_hw_command load_command(struct bench *b, uint16_t cid, uint32_t slot)
{
	uint64_t at = host_alloc(&b->h, b->t.len, 1);
	struct fqa_hw_command cmd = {
		.opcode = FQA_OP_LOAD,
		.cid = htole16(cid),
		.slot = htole32(slot),
		.load = { .image = host_list(&b->h, at, b->t.len, 256),
			  .length = htole64(b->t.len) },
	};

	memcpy(host_at(&b->h, at), b->t.image, b->t.len);
	return cmd;
}

static void test_abort_load(void)
{
	struct fqa_hw_command cmd, unload = { .opcode = FQA_OP_UNLOAD, .slot = htole32(7) };
	struct fqa_hw_completion c[2];
	struct bench b;
	uint64_t before;
	unsigned int steps;

	bench_init(&b, 0);
	before = host_read(&b.h, FQA_REG_MEM_FREE, 8);
	b.h.hold = true;
	for (steps = 1; steps < 40; steps += steps / 4 + 1) {
		cmd = load_command(&b, 50, 7);
		host_submit(&b.h, &b.admin, &cmd);
		host_steps(&b.h, steps);
		cmd = abort_command(0, 50);
		host_submit(&b.h, &b.admin, &cmd);
		host_pump(&b.h);
		if (!host_take(&b.h, &b.admin, &c[0]) || !host_take(&b.h, &b.admin, &c[1])) {
			ok(false, "two completions after %u steps", steps);
			break;
		}
		ok(le16toh(c[0].cid) == 50 && le16toh(c[1].cid) == 0x5000 + 50 &&
		   FQA_STATUS_CODE(le16toh(c[0].status)) == FQA_SC_ABORTED &&
		   FQA_STATUS_CODE(le16toh(c[1].status)) == FQA_SC_OK,
		   "a LOAD aborted after %u steps", steps);
		unload.cid = htole16(51);
		is_int(host_do(&b.h, &b.admin, &unload, NULL), FQA_SC_BAD_SLOT,
		       "its slot is empty");
	}
	b.h.hold = false;
	host_pump(&b.h);
	is_int(host_read(&b.h, FQA_REG_MEM_FREE, 8), (int64_t)before, "no memory is lost");
	cmd = load_command(&b, 52, 7);
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), 0, "the slot can be used");
	bench_exit(&b);
}

/* The worker has decoded the image, but the card does not know it yet. */
static void test_abort_load_decoded(void)
{
	struct fqa_hw_command cmd;
	struct fqa_hw_completion c[2];
	struct card_work *work;
	struct bench b;
	int i;

	bench_init(&b, 0);
	b.h.hold = true;
	/* More often than there are images, whose decoded bytes would make up for it. */
	for (i = 0; i < 2; i++) {
		cmd = load_command(&b, 50, 7);
		host_submit(&b.h, &b.admin, &cmd);
		host_pump(&b.h);
		if (b.h.work_first == b.h.work_last)
			bail("the LOAD has no work");
		work = b.h.works[b.h.work_first++ % HOST_WORKS];
		card_work_run(work);
		cmd = abort_command(0, 50);
		host_submit(&b.h, &b.admin, &cmd);
		host_pump(&b.h);
		ok(host_take(&b.h, &b.admin, &c[0]) && host_take(&b.h, &b.admin, &c[1]) &&
		   FQA_STATUS_CODE(le16toh(c[0].status)) == FQA_SC_ABORTED,
		   "a LOAD aborted when it was decoded");
		card_work_end(b.h.card, work);
	}
	b.h.hold = false;
	cmd = load_command(&b, 52, 7);
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), 0, "further images are taken");
	bench_exit(&b);
}

static void test_busy(void)
{
	struct fqa_hw_command cmd, unload = { .opcode = FQA_OP_UNLOAD, .cid = htole16(3) };
	struct fqa_hw_completion c;
	struct bench b;

	bench_init(&b, 0);
	b.h.hold = true;
	submit_run(&b, 0, 1);
	submit_run(&b, 0, 2);
	host_pump(&b.h);
	is_int(host_do(&b.h, &b.admin, &unload, NULL), FQA_SC_SLOT_BUSY, "a slot in use");
	cmd = load_command(&b, 4, 9);
	host_submit(&b.h, &b.admin, &cmd);
	host_pump(&b.h);
	unload.slot = htole32(9);
	is_int(host_do(&b.h, &b.admin, &unload, NULL), FQA_SC_SLOT_BUSY, "a slot being filled");
	cmd = load_command(&b, 5, 9);
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), FQA_SC_SLOT_IN_USE, "nor can it be filled twice");
	cmd = abort_command(1, 1);
	host_submit(&b.h, &b.admin, &cmd);
	cmd = abort_command(1, 2);
	host_submit(&b.h, &b.admin, &cmd);
	host_pump(&b.h);
	while (host_take(&b.h, &b.admin, &c))
		;
	unload.slot = 0;
	is_int(host_do(&b.h, &b.admin, &unload, NULL), 0,
	       "after ABORTs it is unloaded, though a worker has not stopped");
	b.h.hold = false;
	host_pump(&b.h);
	bench_exit(&b);
}

static void test_delete(void)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_DELETE_QUEUE, .cid = htole16(3) };
	struct fqa_hw_completion c;
	struct host_ring again;
	struct bench b;
	uint64_t dma;

	bench_init(&b, 0);
	b.h.hold = true;
	submit_run(&b, 0, 1);
	submit_run(&b, 0, 2);
	host_pump(&b.h);
	cmd.delete_queue.qid = htole16(1);
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), 0, "DELETE_QUEUE with runs in it");
	dma = b.h.dma_count;
	ok(host_work(&b.h), "their worker stops later");
	host_pump(&b.h);
	is_int(b.h.dma_count, (int64_t)dma, "no DMA follows");
	ok(!host_take(&b.h, &b.q[0], &c), "they get no completion");
	b.h.hold = false;
	is_int(host_create_queue(&b.h, &b.admin, &again, 1, 8), 0, "the queue is made anew");
	b.q[0] = again;
	ok(run_works(&b, 0), "and runs");
	bench_exit(&b);
}

/* Everything stops at a reset, whatever was going on. */
static void check_reset(unsigned int steps, unsigned int how)
{
	struct bench b;
	struct fqa_hw_command cmd;
	uint64_t out;
	unsigned int pending;

	bench_init(&b, 0);
	b.h.hold = true;
	submit_run(&b, 0, 1);
	submit_run(&b, 1, 2);
	submit_run(&b, 1, 3);
	cmd = load_command(&b, 4, 5);
	host_submit(&b.h, &b.admin, &cmd);
	host_steps(&b.h, steps);
	b.h.forbid_dma = true;
	if (how == 0) {
		host_write(&b.h, FQA_REG_CONTROL, 0, 4);
	} else if (how == 1) {
		card_reset(b.h.card);
	} else {
		card_power(b.h.card, false);
		card_power(b.h.card, true);
	}
	host_pump(&b.h);
	pending = card_work_pending(b.h.card);
	is_int(host_read(&b.h, FQA_REG_STATUS, 4), 0, "READY is 0 at once");
	/* Enabled at once: starts when the workers have stopped. */
	host_ring_init(&b.h, &b.admin, 0, 64, 64);
	host_write(&b.h, FQA_REG_ADMIN_SIZE, 63 << 16 | 63, 4);
	host_write(&b.h, FQA_REG_ADMIN_SQ, b.admin.sq, 8);
	host_write(&b.h, FQA_REG_ADMIN_CQ, b.admin.cq, 8);
	host_write(&b.h, FQA_REG_CONTROL, 1, 4);
	host_pump(&b.h);
	is_int(host_read(&b.h, FQA_REG_STATUS, 4), pending ? 0 : FQA_STATUS_READY,
	       "enabled meanwhile");
	b.h.hold = false;
	host_pump(&b.h);
	is_int(host_read(&b.h, FQA_REG_STATUS, 4), FQA_STATUS_READY, "ready when they have stopped");
	is_int(host_read(&b.h, FQA_REG_MEM_FREE, 8), 16 << 20, "all memory is free");
	is_int(b.h.violations, 0, "no DMA and no interrupt since the reset");
	b.h.forbid_dma = false;
	cmd = whole(&b, 7, &out);
	host_write(&b.h, FQA_REG_CONTROL, 0, 4);
	bench_start(&b);
	ok(run_works(&b, 1), "and all works");
	bench_exit(&b);
}

static void test_reset(void)
{
	unsigned int steps, how;

	for (how = 0; how < 3; how++)
		for (steps = 0; steps < 30; steps = 2 * steps + 1)
			check_reset(steps, how);
}

static void test_fatal_busy(void)
{
	struct bench b;

	bench_init(&b, 0);
	b.h.hold = true;
	submit_run(&b, 0, 1);
	host_pump(&b.h);
	host_write(&b.h, FQA_REG_SQ_TAIL(2), 9999, 4);
	host_pump(&b.h);
	is_int(host_read(&b.h, FQA_REG_STATUS, 4),
	       FQA_STATUS_FATAL | FQA_FATAL_DOORBELL << 8, "FATAL while a run computes");
	b.h.forbid_dma = true;
	host_work(&b.h);
	host_pump(&b.h);
	is_int(b.h.violations, 0, "its result is dropped");
	host_write(&b.h, FQA_REG_CONTROL, 0, 4);
	b.h.forbid_dma = false;
	b.h.hold = false;
	bench_start(&b);
	ok(run_works(&b, 0), "a reset makes it work");
	bench_exit(&b);
}

static void test_hang(void)
{
	struct fqa_hw_command cmd;
	struct fqa_hw_completion c;
	struct bench b;
	uint32_t progress;

	bench_init(&b, 0);
	card_fault_set(b.h.card, CARD_FAULT_HANG, 1);
	submit_run(&b, 0, 1);
	submit_run(&b, 0, 2);
	host_pump(&b.h);
	ok(!host_take(&b.h, &b.q[0], &c), "a run hangs, and the one behind it waits");
	is_int(card_fault_get(b.h.card, CARD_FAULT_HANG), 0, "the knob counted down");
	progress = (uint32_t)host_read(&b.h, FQA_REG_PROGRESS(1), 4);
	b.h.clock_offset += 10000000000;
	ok(run_works(&b, 1), "another queue goes on");
	is_int(host_read(&b.h, FQA_REG_PROGRESS(1), 4), progress, "the hung queue's progress stands");
	cmd = abort_command(1, 2);
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), 0, "the run behind it can be aborted");
	ok(host_take(&b.h, &b.q[0], &c) && le16toh(c.cid) == 2, "and completes");
	cmd = (struct fqa_hw_command){ .opcode = FQA_OP_NOP, .cid = htole16(5) };
	host_submit(&b.h, &b.q[0], &cmd);
	host_pump(&b.h);
	ok(host_take(&b.h, &b.q[0], &c) && le16toh(c.cid) == 5, "a NOP overtakes it");
	is_int(host_read(&b.h, FQA_REG_PROGRESS(1), 4), progress,
	       "neither of them is progress of the queue");
	cmd = abort_command(1, 1);
	host_submit(&b.h, &b.admin, &cmd);
	cmd = (struct fqa_hw_command){ .opcode = FQA_OP_DELETE_QUEUE, .cid = htole16(3) };
	cmd.delete_queue.qid = htole16(1);
	host_submit(&b.h, &b.admin, &cmd);
	host_pump(&b.h);
	ok(!host_take(&b.h, &b.admin, &c), "ABORT and DELETE_QUEUE of the hung one hang");
	b.h.forbid_dma = true;
	host_write(&b.h, FQA_REG_CONTROL, 0, 4);
	is_int(host_read(&b.h, FQA_REG_STATUS, 4), 0, "a reset ends it");
	b.h.forbid_dma = false;
	bench_start(&b);
	ok(run_works(&b, 0), "and all works");
	bench_exit(&b);
}

/* Runs, aborts and resets at random with workers on threads. */
static void test_storm(void)
{
	struct fqa_hw_command cmd;
	struct fqa_hw_completion c;
	unsigned int i, done = 0, resets = 0;
	struct bench b;
	uint64_t seed = 5, mark;

	bench_init(&b, 3);
	mark = b.h.used;
	for (i = 0; i < 1500; i++) {
		uint32_t dice = netgen_random(&seed) % 100;
		unsigned int q = netgen_random(&seed) % 2;

		if (b.h.used > (48 << 20)) {
			host_pump(&b.h);
			b.h.used = mark;
		}
		if (dice < 50) {
			submit_run(&b, q, (uint16_t)i);
		} else if (dice < 70) {
			cmd = abort_command((uint16_t)(q + 1), (uint16_t)(i - 1 - dice % 4));
			cmd.cid = htole16((uint16_t)i);
			host_submit(&b.h, &b.admin, &cmd);
		} else if (dice < 72) {
			host_write(&b.h, FQA_REG_CONTROL, 0, 4);
			host_pump(&b.h);
			bench_start(&b);
			resets++;
		} else {
			host_steps(&b.h, dice % 5);
		}
		if (dice % 10 == 0)
			host_pump(&b.h);
		while (host_take(&b.h, &b.q[0], &c) || host_take(&b.h, &b.q[1], &c) ||
		       host_take(&b.h, &b.admin, &c))
			done++;
		if (i % 8 == 0)
			host_pump(&b.h);
	}
	host_pump(&b.h);
	while (host_take(&b.h, &b.q[0], &c) || host_take(&b.h, &b.q[1], &c) ||
	       host_take(&b.h, &b.admin, &c))
		done++;
	ok(done > 300 && resets > 5, "%u completions, %u resets in a storm", done, resets);
	ok(run_works(&b, 0) && run_works(&b, 1), "then all works");
	bench_exit(&b);
}

int main(void)
{
	test_abort_computing();
	test_abort_waiting();
	test_abort_full();
	test_abort_load();
	test_abort_load_decoded();
	test_busy();
	test_delete();
	test_reset();
	test_fatal_busy();
	test_hang();
	test_storm();
	return tap_done();
}
