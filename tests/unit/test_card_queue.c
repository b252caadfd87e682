// SPDX-License-Identifier: MIT
/* Rings, doorbells, FATAL, and the admin commands but LOAD and UNLOAD. */
#include "card_host.h"
#include "tap.h"

#include <endian.h>
#include <stddef.h>

struct bench {
	struct host h;
	struct host_ring admin;
};

static void bench_init(struct bench *b)
{
	struct card_config config = CARD_CONFIG_DEFAULT;

	host_init(&b->h, &config, 8 << 20, 0);
	if (!host_enable(&b->h, &b->admin, 16))
		bail("the card is not ready");
}

static struct fqa_hw_command command(uint8_t opcode, uint16_t cid)
{
	return (struct fqa_hw_command){ .opcode = opcode, .cid = htole16(cid) };
}

static unsigned int status_of(const struct fqa_hw_completion *c)
{
	return FQA_STATUS_CODE(le16toh(c->status));
}

/* Thousands of commands through small rings of unlike size. */
static void test_wrap(void)
{
	struct bench b;
	struct fqa_hw_command cmd = command(FQA_OP_CREATE_QUEUE, 1);
	struct fqa_hw_completion c;
	struct host_ring q;
	unsigned int bad = 0, i, sent = 0, done = 0;

	bench_init(&b);
	host_ring_init(&b.h, &q, 3, 5, 3);
	cmd.create_queue.sq = htole64(q.sq);
	cmd.create_queue.cq = htole64(q.cq);
	cmd.create_queue.qid = htole16(3);
	cmd.create_queue.sq_entries = htole16(5);
	cmd.create_queue.cq_entries = htole16(3);
	cmd.create_queue.vector = htole16(7);
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), 0, "a queue of 5 and 3 entries");
	for (i = 0; i < 3000; i++) {
		cmd = command(FQA_OP_NOP, (uint16_t)sent);
		if (sent - done < 4) {
			host_submit(&b.h, &q, &cmd);
			sent++;
		}
		if (i % 3)
			host_pump(&b.h);
		while (i % 2 && host_take(&b.h, &q, &c)) {
			bad += le16toh(c.cid) != (uint16_t)done || le16toh(c.qid) != 3 ||
			       status_of(&c) || le16toh(c.sq_head) >= 5 || c.reserved;
			done++;
		}
	}
	while (host_wait(&b.h, &q, &c))
		done++;
	is_int(done, sent, "all commands completed");
	ok(sent > 2000, "%u of them", sent);
	is_int(bad, 0, "in order and whole");
	ok(b.h.irqs[7] > 0 && b.h.irqs[7] <= done, "%u interrupts on its vector", b.h.irqs[7]);
	host_exit(&b.h);
}

static void test_full(void)
{
	struct bench b;
	struct fqa_hw_completion c;
	struct host_ring q;
	unsigned int i, seen;
	struct fqa_hw_completion *ring;

	bench_init(&b);
	is_int(host_create_queue(&b.h, &b.admin, &q, 1, 4), 0, "a queue of 4 entries");
	for (i = 0; i < 3; i++) {
		struct fqa_hw_command cmd = command(FQA_OP_NOP, (uint16_t)(100 + i));

		host_submit(&b.h, &q, &cmd);
	}
	host_pump(&b.h);
	/* The card has read them all, so the ring is free for more. */
	for (i = 3; i < 6; i++) {
		struct fqa_hw_command cmd = command(FQA_OP_NOP, (uint16_t)(100 + i));

		host_submit(&b.h, &q, &cmd);
	}
	host_pump(&b.h);
	ring = host_at(&b.h, q.cq);
	for (i = 0, seen = 0; i < 4; i++)
		seen += FQA_PHASE(le16toh(ring[i].status));
	is_int(seen, 3, "3 completions are written, then the card waits");
	is_int(le16toh(ring[3].status), 0, "the last entry stays as it was");
	for (i = 0; i < 6; i++)
		ok(host_wait(&b.h, &q, &c) && le16toh(c.cid) == 100 + i,
		   "command %u completes as room is made", i);
	ok(!host_wait(&b.h, &q, &c), "and no more");
	host_exit(&b.h);
}

static void fatal(struct bench *b, unsigned int cause, const char *what)
{
	uint64_t dma;

	b->h.irqs[0] = 0;
	host_pump(&b->h);
	ok(host_read(&b->h, FQA_REG_STATUS, 4) == (FQA_STATUS_FATAL | cause << 8), "%s", what);
	is_int(b->h.irqs[0], 1, "the admin interrupt, once");
	dma = b->h.dma_count;
	host_write(&b->h, FQA_REG_SQ_TAIL(0), 1, 4);
	host_pump(&b->h);
	is_int(b->h.dma_count, (int64_t)dma, "no DMA after it");
	host_write(&b->h, FQA_REG_CONTROL, 0, 4);
	b->h.fault_from = 0;
	b->h.fault_to = 0;
	ok(host_enable(&b->h, &b->admin, 16), "a reset makes it work again");
}

static void test_fatal(void)
{
	struct fqa_hw_command cmd = command(FQA_OP_NOP, 5);
	struct host_ring q;
	struct bench b;

	bench_init(&b);
	host_write(&b.h, FQA_REG_SQ_TAIL(0), 16, 4);
	fatal(&b, FQA_FATAL_DOORBELL, "SQ_TAIL outside the ring");
	host_write(&b.h, FQA_REG_CQ_HEAD(0), 16, 4);
	fatal(&b, FQA_FATAL_DOORBELL, "CQ_HEAD outside the ring");
	host_write(&b.h, FQA_REG_CQ_HEAD(0), 1, 4);
	fatal(&b, FQA_FATAL_DOORBELL, "CQ_HEAD beyond what was written");
	is_int(host_create_queue(&b.h, &b.admin, &q, 2, 8), 0, "an I/O queue");
	host_write(&b.h, FQA_REG_SQ_TAIL(2), 0xffffffff, 4);
	fatal(&b, FQA_FATAL_DOORBELL, "SQ_TAIL of an I/O queue outside the ring");
	b.h.fault_from = b.admin.sq;
	b.h.fault_to = b.admin.sq + 64;
	host_submit(&b.h, &b.admin, &cmd);
	fatal(&b, FQA_FATAL_SQ_DMA, "a submission ring that cannot be read");
	b.h.fault_from = b.admin.cq;
	b.h.fault_to = b.admin.cq + 32;
	host_submit(&b.h, &b.admin, &cmd);
	fatal(&b, FQA_FATAL_CQ_DMA, "a completion ring that cannot be written");
	b.h.fault_from = b.admin.cq + 24;
	b.h.fault_to = b.admin.cq + 32;
	host_submit(&b.h, &b.admin, &cmd);
	fatal(&b, FQA_FATAL_CQ_DMA, "nor its last 8 bytes");
	b.h.guest_errors = 0;
	host_write(&b.h, FQA_REG_SQ_TAIL(5), 1, 4);
	host_write(&b.h, FQA_REG_CQ_HEAD(64), 1, 4);
	is_int(b.h.guest_errors, 2, "doorbells of queues that do not exist are logged");
	is_int(host_read(&b.h, FQA_REG_STATUS, 4), FQA_STATUS_READY, "and ignored");
	host_exit(&b.h);
}

struct last_write {
	uint64_t addr;
	size_t len;
};

static struct last_write writes[2];

static void note_writes(struct host *h, uint64_t addr, size_t len, bool write)
{
	(void)h;
	if (!write)
		return;
	writes[0] = writes[1];
	writes[1] = (struct last_write){ addr, len };
}

static void test_order(void)
{
	struct fqa_hw_command cmd = command(FQA_OP_NOP, 5);
	struct bench b;

	bench_init(&b);
	b.h.on_dma = note_writes;
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), 0, "a command");
	ok(writes[1].addr == b.admin.cq + 24 && writes[1].len == 8,
	   "the phase is in the last 8 bytes written");
	ok(writes[0].addr == b.admin.cq && writes[0].len == 24, "the rest is written before");
	host_exit(&b.h);
}

static int refused(struct bench *b, const struct fqa_hw_command *cmd, uint32_t *offset)
{
	struct fqa_hw_completion c;
	int status = host_do(&b->h, &b->admin, cmd, &c);

	*offset = le32toh(c.offset);
	return status;
}

/* Each byte of a command that must be 0 is refused if it is not, and named. */
static void check_reserved(struct bench *b, const struct fqa_hw_command *good, uint32_t from,
			   uint32_t to, const char *what)
{
	unsigned int bad = 0;
	uint32_t i, offset;

	for (i = from; i < to; i++) {
		struct fqa_hw_command cmd = *good;

		((uint8_t *)&cmd)[i] = 0x40;
		bad += refused(b, &cmd, &offset) != FQA_SC_BAD_FIELD || offset != i;
	}
	ok(!bad, "%s: bytes %u to %u must be 0", what, from, to - 1);
}

static void test_reserved(void)
{
	static const struct {
		uint8_t opcode;
		const char *what;
		struct {
			uint32_t from, to;
		} ranges[2];
	} table[] = {
		{ FQA_OP_NOP, "NOP", { { 1, 2 }, { 4, 64 } } },
		{ FQA_OP_CREATE_QUEUE, "CREATE_QUEUE", { { 4, 8 }, { 32, 64 } } },
		{ FQA_OP_DELETE_QUEUE, "DELETE_QUEUE", { { 4, 8 }, { 10, 64 } } },
		{ FQA_OP_UNLOAD, "UNLOAD", { { 8, 64 } } },
		{ FQA_OP_ABORT, "ABORT", { { 4, 8 }, { 12, 64 } } },
		{ FQA_OP_GET_LOG, "GET_LOG", { { 4, 8 }, { 20, 64 } } },
		{ FQA_OP_GET_STATS, "GET_STATS", { { 20, 64 } } },
	};
	struct fqa_hw_command cmd;
	unsigned int i, k;
	struct bench b;

	bench_init(&b);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cmd = command(table[i].opcode, 1);
		for (k = 0; k < 2 && table[i].ranges[k].to; k++)
			check_reserved(&b, &cmd, table[i].ranges[k].from, table[i].ranges[k].to,
				       table[i].what);
	}
	host_exit(&b.h);
}

static void test_opcodes(void)
{
	struct fqa_hw_command cmd;
	struct host_ring q;
	unsigned int op, bad = 0;
	struct bench b;

	bench_init(&b);
	is_int(host_create_queue(&b.h, &b.admin, &q, 1, 16), 0, "an I/O queue");
	for (op = FQA_OP_GET_STATS + 1; op < 256; op++) {
		cmd = command((uint8_t)op, (uint16_t)op);
		bad += host_do(&b.h, &b.admin, &cmd, NULL) != FQA_SC_BAD_OPCODE;
	}
	is_int(bad, 0, "the admin queue refuses other opcodes");
	for (bad = 0, op = 1; op < 256; op++) {
		cmd = command((uint8_t)op, (uint16_t)op);
		if (op != FQA_OP_RUN)
			bad += host_do(&b.h, &q, &cmd, NULL) != FQA_SC_BAD_OPCODE;
	}
	is_int(bad, 0, "I/O queues refuse all but NOP and RUN");
	host_exit(&b.h);
}

static void test_create(void)
{
	static const struct {
		uint64_t sq, cq;
		uint16_t qid, sq_entries, cq_entries, vector;
		int status;
		uint32_t offset;
	} cases[] = {
		{ 0x100020, 0x100000, 1, 8, 8, 1, FQA_SC_BAD_FIELD, 8 },
		{ 0x100000, 0x100004, 1, 8, 8, 1, FQA_SC_BAD_FIELD, 16 },
		{ 0x100000, 0x100000, 0, 8, 8, 1, FQA_SC_BAD_QUEUE, 0 },
		{ 0x100000, 0x100000, 9, 8, 8, 1, FQA_SC_BAD_QUEUE, 0 },
		{ 0x100000, 0x100000, 1, 1, 8, 1, FQA_SC_BAD_FIELD, 26 },
		{ 0x100000, 0x100000, 1, 4097, 8, 1, FQA_SC_BAD_FIELD, 26 },
		{ 0x100000, 0x100000, 1, 8, 0, 1, FQA_SC_BAD_FIELD, 28 },
		{ 0x100000, 0x100000, 1, 8, 8, 9, FQA_SC_BAD_FIELD, 30 },
		{ 0x100000, 0x100000, 1, 4096, 2, 8, FQA_SC_OK, 0 },
		{ 0x100000, 0x100000, 1, 8, 8, 1, FQA_SC_BAD_QUEUE, 0 },
		{ 0x100000, 0x100000, 8, 2, 4096, 0, FQA_SC_OK, 0 },
	};
	struct fqa_hw_command cmd;
	unsigned int i;
	uint32_t offset;
	struct bench b;

	bench_init(&b);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cmd = command(FQA_OP_CREATE_QUEUE, 1);
		cmd.create_queue.sq = htole64(cases[i].sq);
		cmd.create_queue.cq = htole64(cases[i].cq);
		cmd.create_queue.qid = htole16(cases[i].qid);
		cmd.create_queue.sq_entries = htole16(cases[i].sq_entries);
		cmd.create_queue.cq_entries = htole16(cases[i].cq_entries);
		cmd.create_queue.vector = htole16(cases[i].vector);
		ok(refused(&b, &cmd, &offset) == cases[i].status && offset == cases[i].offset,
		   "CREATE_QUEUE, case %u", i);
	}
	cmd = command(FQA_OP_DELETE_QUEUE, 1);
	cmd.delete_queue.qid = htole16(0);
	is_int(refused(&b, &cmd, &offset), FQA_SC_BAD_QUEUE, "the admin queue is not deleted");
	cmd.delete_queue.qid = htole16(2);
	is_int(refused(&b, &cmd, &offset), FQA_SC_BAD_QUEUE, "nor one that does not exist");
	cmd.delete_queue.qid = htole16(999);
	is_int(refused(&b, &cmd, &offset), FQA_SC_BAD_QUEUE, "nor one that cannot");
	cmd.delete_queue.qid = htole16(8);
	is_int(refused(&b, &cmd, &offset), FQA_SC_OK, "one that exists is");
	is_int(refused(&b, &cmd, &offset), FQA_SC_BAD_QUEUE, "once");
	cmd = command(FQA_OP_ABORT, 1);
	cmd.abort.qid = htole16(2);
	is_int(refused(&b, &cmd, &offset), FQA_SC_BAD_QUEUE, "ABORT on no queue");
	cmd.abort.qid = htole16(999);
	is_int(refused(&b, &cmd, &offset), FQA_SC_BAD_QUEUE, "ABORT on an impossible one");
	cmd.abort.qid = htole16(1);
	is_int(refused(&b, &cmd, &offset), FQA_SC_NOT_FOUND, "ABORT of no command");
	cmd.abort.qid = htole16(0);
	cmd.abort.cid = cmd.cid;
	is_int(refused(&b, &cmd, &offset), FQA_SC_NOT_FOUND, "ABORT of itself");
	host_exit(&b.h);
}

/* Two commands of one name: the second is refused while the first is not completed. */
static void test_cid(void)
{
	struct fqa_hw_command cmd = command(FQA_OP_NOP, 77);
	struct fqa_hw_completion c[4];
	struct host_ring q;
	struct bench b;
	unsigned int i;

	bench_init(&b);
	is_int(host_create_queue(&b.h, &b.admin, &q, 1, 2), 0, "a queue of one completion");
	for (i = 0; i < 3; i++) {
		cmd.cid = htole16(i == 0 ? 1 : 77);
		host_submit(&b.h, &q, &cmd);
		host_pump(&b.h);
	}
	for (i = 0; i < 3; i++)
		ok(host_wait(&b.h, &q, &c[i]), "completion %u", i);
	is_int(status_of(&c[1]), FQA_SC_OK, "the first of a name");
	is_int(status_of(&c[2]), FQA_SC_CID_IN_USE, "the second of a name");
	host_submit(&b.h, &q, &cmd);
	ok(host_wait(&b.h, &q, &c[3]) && !status_of(&c[3]), "afterwards the name is free");
	host_exit(&b.h);
}

static void test_log(void)
{
	struct bench b;
	struct fqa_hw_command bad = command(0x55, 3), get = command(FQA_OP_GET_LOG, 4);
	struct fqa_hw_log_entry *log;
	struct fqa_hw_completion c;
	uint64_t at;
	unsigned int i;
	uint32_t offset;

	bench_init(&b);
	at = host_alloc(&b.h, 2048, 8);
	log = host_at(&b.h, at);
	get.get.addr = htole64(at);
	for (i = 0; i < 3; i++) {
		bad.cid = htole16((uint16_t)(10 + i));
		host_do(&b.h, &b.admin, &bad, NULL);
	}
	memset(log, 0xff, 2048);
	get.get.len = htole32(4 * 64);
	is_int(refused(&b, &get, &offset), FQA_SC_OK, "GET_LOG of 4 entries");
	ok(le64toh(log[0].sequence) == 3 && le16toh(log[0].cid) == 12 && log[0].opcode == 0x55 &&
	   le16toh(log[0].status) == FQA_SC_BAD_OPCODE && !log[0].qid, "the newest first");
	ok(le64toh(log[2].sequence) == 1 && le16toh(log[2].cid) == 10, "the oldest last");
	is_int(log[3].sequence, 0, "no fourth one");
	is_int(log[4].sequence, -1, "nothing is written beyond the length");
	for (i = 0; i < 40; i++)
		host_do(&b.h, &b.admin, &bad, NULL);
	get.get.len = htole32(2048);
	is_int(refused(&b, &get, &offset), FQA_SC_OK, "GET_LOG of all entries");
	ok(le64toh(log[0].sequence) == 43 && le64toh(log[31].sequence) == 12, "the last 32");
	for (i = 0; i < 4; i++) {
		static const uint32_t lengths[] = { 0, 63, 2048 + 64, 0xffffffc0 };

		get.get.len = htole32(lengths[i]);
		ok(refused(&b, &get, &offset) == FQA_SC_BAD_FIELD && offset == 16,
		   "GET_LOG of %u bytes", lengths[i]);
	}
	get.get.len = htole32(64);
	get.get.addr = htole64(HOST_NO_ADDRESS);
	is_int(host_do(&b.h, &b.admin, &get, &c), FQA_SC_DMA_FAULT, "GET_LOG to nowhere");
	get.get.addr = htole64(UINT64_MAX - 10);
	ok(refused(&b, &get, &offset) == FQA_SC_BAD_FIELD && offset == 8, "GET_LOG over the edge");
	host_exit(&b.h);
}

static void test_stats(void)
{
	struct bench b;
	struct fqa_hw_command get = command(FQA_OP_GET_STATS, 4), bad = command(0x66, 1);
	struct fqa_hw_stats *s;
	uint64_t at;
	uint32_t offset;

	bench_init(&b);
	at = host_alloc(&b.h, sizeof(*s), 8);
	s = host_at(&b.h, at);
	get.get.addr = htole64(at);
	host_do(&b.h, &b.admin, &bad, NULL);
	get.get.len = htole32(127);
	ok(refused(&b, &get, &offset) == FQA_SC_BAD_FIELD && offset == 16, "a wrong length");
	get.get.len = htole32(128);
	is_int(refused(&b, &get, &offset), FQA_SC_OK, "GET_STATS");
	is_int(le64toh(s->commands), 3, "commands");
	is_int(le64toh(s->errors), 2, "errors");
	is_int(le64toh(s->interrupts), 2, "interrupts");
	is_int(le64toh(s->images), 0, "images");
	host_write(&b.h, FQA_REG_CONTROL, 0, 4);
	host_enable(&b.h, &b.admin, 8);
	refused(&b, &get, &offset);
	is_int(le64toh(s->commands), 4, "counters survive a reset");
	is_int(le64toh(s->resets), 1, "which is counted");
	host_exit(&b.h);
}

int main(void)
{
	test_wrap();
	test_full();
	test_fatal();
	test_order();
	test_reserved();
	test_opcodes();
	test_create();
	test_cid();
	test_log();
	test_stats();
	return tap_done();
}
