// SPDX-License-Identifier: MIT
/* RUN: results, ranges, batches, lists, faults, queues side by side. */
#include "card_model.h"
#include "tap.h"

#include <endian.h>

#define GUARD	64

struct bench {
	struct host h;
	struct host_ring admin, q[3];
	struct model t;
	struct fqa_hw_model_info info;
};

static const struct netgen_options usual = { .seed = 21, .layers = 8, .channels = 12, .size = 10 };

static void bench_init(struct bench *b, const struct netgen_options *opt, uint64_t memory,
		       unsigned int threads)
{
	struct card_config config = CARD_CONFIG_DEFAULT;
	struct fqa_hw_completion c;
	unsigned int i;

	config.memory = memory;
	host_init(&b->h, &config, 64 << 20, threads);
	model_init(&b->t, opt, 4);
	if (!host_enable(&b->h, &b->admin, 16))
		bail("the card is not ready");
	for (i = 0; i < 3; i++)
		if (host_create_queue(&b->h, &b->admin, &b->q[i], i + 1, 64))
			bail("no queue");
	if (host_load(&b->h, &b->admin, 0, b->t.image, b->t.len, &b->info, &c))
		bail("LOAD failed");
}

static void bench_exit(struct bench *b)
{
	model_exit(&b->t);
	host_exit(&b->h);
}

/* A RUN of all layers and @batch pictures; *out gets where the results go. */
static struct fqa_hw_command whole(struct bench *b, uint16_t cid, uint32_t batch, uint64_t *out)
{
	uint64_t in_len = b->t.in_bytes * batch, out_len = b->t.out_bytes * batch;
	uint64_t in = host_alloc(&b->h, in_len, 1);

	*out = host_alloc(&b->h, out_len + 2 * GUARD, 1) + GUARD;
	memset(host_at(&b->h, *out - GUARD), 0xcc, out_len + 2 * GUARD);
	memcpy(host_at(&b->h, in), b->t.in, in_len);
	return host_run_command(&b->h, cid, 0, 0, b->t.m->layer_count, batch, in, in_len, *out,
				out_len);
}

static bool guards(struct bench *b, uint64_t out, uint64_t len)
{
	const uint8_t *p = host_at(&b->h, out);
	unsigned int i;

	for (i = 0; i < GUARD; i++)
		if (p[-1 - (int)i] != 0xcc || p[len + i] != 0xcc)
			return false;
	return true;
}

static bool right(struct bench *b, uint64_t out, uint32_t batch)
{
	return !memcmp(host_at(&b->h, out), b->t.out, b->t.out_bytes * batch);
}

static void test_whole(void)
{
	struct fqa_hw_completion c;
	struct fqa_hw_command cmd;
	struct bench b;
	uint64_t out;
	uint32_t batch;

	bench_init(&b, &usual, 16 << 20, 0);
	for (batch = 1; batch <= 4; batch++) {
		cmd = whole(&b, 1, batch, &out);
		is_int(host_do(&b.h, &b.q[0], &cmd, &c), 0, "RUN");
		ok(right(&b, out, batch), "a batch of %u gives what the reference gives", batch);
		ok(guards(&b, out, b.t.out_bytes * batch), "and nothing around it");
		is_int(le64toh(c.result), (int64_t)(batch * le64toh(b.info.cycles)), "cycles");
	}
	bench_exit(&b);
}

static void test_networks(void)
{
	unsigned int good = 0, i;

	for (i = 0; i < 60; i++) {
		struct netgen_options opt = { .seed = 300 + i, .layers = 1 + i % 12,
					      .channels = 14, .size = 9, .kind = i % 9 };
		struct fqa_hw_command cmd;
		struct bench b;
		uint64_t out;

		bench_init(&b, &opt, 16 << 20, 0);
		cmd = whole(&b, 7, 2, &out);
		good += !host_do(&b.h, &b.q[0], &cmd, NULL) && right(&b, out, 2) &&
			guards(&b, out, 2 * b.t.out_bytes);
		bench_exit(&b);
	}
	is_int(good, 60, "random networks give what the reference gives");
}

/* Each layer as a RUN of its own: the output list of one is the input list of the next. */
static void test_layers(void)
{
	struct fqa_hw_completion c;
	struct bench b;
	uint64_t in, out = 0, in_len, out_len, cycles = 0;
	uint32_t i, bad = 0;

	bench_init(&b, &usual, 16 << 20, 0);
	in = host_alloc(&b.h, b.t.in_bytes, 1);
	in_len = b.t.in_bytes;
	memcpy(host_at(&b.h, in), b.t.in, in_len);
	for (i = 0; i < b.t.m->layer_count; i++) {
		struct fqa_hw_command cmd;

		out_len = card_model_live_bytes(b.t.m, i + 1);
		out = host_alloc(&b.h, out_len, 1);
		cmd = host_run_command(&b.h, 1, 0, i, 1, 1, in, in_len, out, out_len);
		bad += host_do(&b.h, &b.q[0], &cmd, &c) != 0;
		cycles += le64toh(c.result);
		in = out;
		in_len = out_len;
	}
	is_int(bad, 0, "each layer as a RUN of its own");
	ok(right(&b, out, 1), "the last one's output is the network's");
	is_int(cycles, (int64_t)le64toh(b.info.cycles), "their cycles add up");
	bench_exit(&b);
}

static void test_pieces(void)
{
	static const uint32_t pieces[] = { 1, 7, 64, 4097, 1 << 20 };
	struct fqa_hw_command cmd;
	struct bench b;
	uint64_t out;
	unsigned int i;

	bench_init(&b, &usual, 16 << 20, 0);
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		uint64_t in;

		cmd = whole(&b, 1, 3, &out);
		in = host_alloc(&b.h, 3 * b.t.in_bytes, 1);
		memcpy(host_at(&b.h, in), b.t.in, 3 * b.t.in_bytes);
		cmd.run.in = host_list(&b.h, in, 3 * b.t.in_bytes, pieces[i]);
		cmd.run.out = host_list(&b.h, out, 3 * b.t.out_bytes, pieces[i]);
		ok(!host_do(&b.h, &b.q[0], &cmd, NULL) && right(&b, out, 3) &&
		   guards(&b, out, 3 * b.t.out_bytes), "entries of %u bytes", pieces[i]);
	}
	bench_exit(&b);
}

static void refuse(struct bench *b, const struct fqa_hw_command *cmd, int status, uint32_t layer,
		   uint32_t offset, uint64_t result, const char *what)
{
	struct fqa_hw_completion c;
	int got = host_do(&b->h, &b->q[0], cmd, &c);

	if (!ok(got == status && le32toh(c.layer) == layer && le32toh(c.offset) == offset &&
		le64toh(c.result) == result, "%s: status 0x%02x", what, status))
		diag("got 0x%02x layer 0x%x offset %u result %llu", got, le32toh(c.layer),
		     le32toh(c.offset), (unsigned long long)le64toh(c.result));
}

static void test_fields(void)
{
	struct fqa_hw_command good, cmd;
	struct bench b;
	uint64_t out;
	unsigned int i;

	bench_init(&b, &usual, 16 << 20, 0);
	good = whole(&b, 1, 1, &out);
#define REFUSE(field, value, status, offset, result) do {				\
	cmd = good;									\
	cmd.field = (value);								\
	refuse(&b, &cmd, status, FQA_NO_LAYER, offset, result, #field " = " #value);	\
} while (0)
	REFUSE(slot, htole32(1), FQA_SC_BAD_SLOT, 0, 0);
	REFUSE(slot, htole32(256), FQA_SC_BAD_SLOT, 0, 0);
	REFUSE(slot, 0xffffffff, FQA_SC_BAD_SLOT, 0, 0);
	REFUSE(run.layer_count, 0, FQA_SC_BAD_RANGE, 0, 0);
	REFUSE(run.layer_count, htole32(b.t.m->layer_count + 1), FQA_SC_BAD_RANGE, 0, 0);
	REFUSE(run.layer_count, 0xffffffff, FQA_SC_BAD_RANGE, 0, 0);
	REFUSE(run.first_layer, htole32(1), FQA_SC_BAD_RANGE, 0, 0);
	REFUSE(run.first_layer, 0xffffffff, FQA_SC_BAD_RANGE, 0, 0);
	REFUSE(run.batch, 0, FQA_SC_BAD_FIELD, 16, 0);
	REFUSE(run.batch, htole32(65537), FQA_SC_BAD_FIELD, 16, 0);
	REFUSE(run.batch, htole32(2), FQA_SC_BAD_LENGTH, 0, 2 * b.t.in_bytes);
	REFUSE(run.batch, htole32(65536), FQA_SC_BAD_LENGTH, 0, 65536 * b.t.in_bytes);
	REFUSE(run.out, good.run.in, FQA_SC_BAD_LENGTH, 1, b.t.out_bytes);
	REFUSE(run.in.len, 0, FQA_SC_BAD_FIELD, 32, 0);
	REFUSE(run.out.len, htole32(17), FQA_SC_BAD_FIELD, 48, 0);
	REFUSE(run.in.reserved, 1, FQA_SC_BAD_FIELD, 36, 0);
	REFUSE(run.out.reserved, 1, FQA_SC_BAD_FIELD, 52, 0);
	REFUSE(run.in.addr, htole64(HOST_BASE + 1), FQA_SC_BAD_FIELD, 24, 0);
	REFUSE(run.out.addr, htole64(HOST_BASE + 8), FQA_SC_BAD_FIELD, 40, 0);
	REFUSE(run.out.addr, htole64(UINT64_MAX - 15), FQA_SC_BAD_FIELD, 48, 0);
	REFUSE(flags, 1, FQA_SC_BAD_FIELD, 1, 0);
	for (i = 0; i < 12; i++) {
		cmd = good;
		((uint8_t *)&cmd)[i < 4 ? 20 + i : 52 + i] = 1;
		refuse(&b, &cmd, FQA_SC_BAD_FIELD, FQA_NO_LAYER, i < 4 ? 20 + i : 52 + i, 0,
		       "a reserved byte");
	}
	ok(!host_do(&b.h, &b.q[0], &good, NULL) && right(&b, out, 1), "the good one works");
	bench_exit(&b);
}

static struct fqa_hw_list list_of(struct bench *b, const struct fqa_hw_sge *sge, uint32_t count)
{
	uint64_t at = host_alloc(&b->h, count * sizeof(*sge), 16);

	memcpy(host_at(&b->h, at), sge, count * sizeof(*sge));
	return (struct fqa_hw_list){ .addr = htole64(at), .len = htole32(count * 16) };
}

static void test_lists(void)
{
	struct fqa_hw_command cmd;
	struct fqa_hw_sge e[4] = { { 0 } };
	struct bench b;
	uint64_t out, in;
	uint32_t half;

	bench_init(&b, &usual, 16 << 20, 0);
	cmd = whole(&b, 1, 1, &out);
	in = host_alloc(&b.h, b.t.in_bytes, 1);
	half = (uint32_t)(b.t.in_bytes / 2);
	e[0] = (struct fqa_hw_sge){ htole64(in), htole32(half), 0 };
	e[1] = (struct fqa_hw_sge){ htole64(in + half), 0, 0 };
	cmd.run.in = list_of(&b, e, 2);
	refuse(&b, &cmd, FQA_SC_BAD_LIST, FQA_NO_LAYER, 1, 0, "an entry of no bytes");
	e[1].len = htole32(half);
	e[1].flags = htole32(2);
	cmd.run.in = list_of(&b, e, 2);
	refuse(&b, &cmd, FQA_SC_BAD_LIST, FQA_NO_LAYER, 1, 0, "an unknown flag");
	e[1].flags = htole32(FQA_SGE_LINK);
	e[2] = e[0];
	cmd.run.in = list_of(&b, e, 3);
	refuse(&b, &cmd, FQA_SC_BAD_LIST, FQA_NO_LAYER, 1, 0, "a link that is not the last");
	e[1] = (struct fqa_hw_sge){ htole64(UINT64_MAX - 3), htole32(half), 0 };
	cmd.run.in = list_of(&b, e, 2);
	refuse(&b, &cmd, FQA_SC_BAD_LIST, FQA_NO_LAYER, 1, 0, "an entry over the edge");
	e[1] = (struct fqa_hw_sge){ htole64(in + 1), htole32(16), htole32(FQA_SGE_LINK) };
	cmd.run.in = list_of(&b, e, 2);
	refuse(&b, &cmd, FQA_SC_BAD_LIST, FQA_NO_LAYER, 1, 0, "a link misaligned");
	e[1] = (struct fqa_hw_sge){ htole64(HOST_NO_ADDRESS), htole32(16), htole32(FQA_SGE_LINK) };
	cmd.run.in = list_of(&b, e, 2);
	refuse(&b, &cmd, FQA_SC_DMA_FAULT, 0xfffffffe, 2, 0, "a link to nowhere");
	cmd.run.in = (struct fqa_hw_list){ .addr = htole64(HOST_NO_ADDRESS), .len = htole32(16) };
	refuse(&b, &cmd, FQA_SC_DMA_FAULT, 0xfffffffe, 0, 0, "a list nowhere");
	e[1].addr = htole64(in / 16 * 16);
	cmd.run.in = list_of(&b, e + 1, 1);
	refuse(&b, &cmd, FQA_SC_BAD_LIST, FQA_NO_LAYER, 0, 0, "a segment of a link alone");
	bench_exit(&b);
}

/* A list that links back to itself ends at the largest number of entries. */
static void test_loop(void)
{
	struct fqa_hw_command cmd;
	struct fqa_hw_sge *e;
	struct bench b;
	uint64_t out, at;

	bench_init(&b, &usual, 16 << 20, 0);
	cmd = whole(&b, 1, 1, &out);
	at = host_alloc(&b.h, 32, 16);
	e = host_at(&b.h, at);
	e[0] = (struct fqa_hw_sge){ htole64(out), htole32(1), 0 };
	e[1] = (struct fqa_hw_sge){ htole64(at), htole32(32), htole32(FQA_SGE_LINK) };
	cmd.run.in = (struct fqa_hw_list){ .addr = htole64(at), .len = htole32(32) };
	refuse(&b, &cmd, FQA_SC_BAD_LIST, FQA_NO_LAYER, 2 * 65536, 0, "an endless list");
	bench_exit(&b);
}

static void test_faults(void)
{
	struct fqa_hw_command cmd;
	struct fqa_hw_sge e[2];
	struct bench b;
	uint64_t out;

	bench_init(&b, &usual, 16 << 20, 0);
	cmd = whole(&b, 1, 1, &out);
	e[0] = (struct fqa_hw_sge){ htole64(out), htole32(10), 0 };
	e[1] = (struct fqa_hw_sge){ htole64(HOST_NO_ADDRESS), htole32((uint32_t)b.t.in_bytes - 10),
				    0 };
	cmd.run.in = list_of(&b, e, 2);
	refuse(&b, &cmd, FQA_SC_DMA_FAULT, FQA_NO_LAYER, 10, 0, "input that cannot be read");
	cmd = whole(&b, 1, 4, &out);
	e[0] = (struct fqa_hw_sge){ htole64(out), htole32((uint32_t)b.t.out_bytes * 3 + 1), 0 };
	e[1] = (struct fqa_hw_sge){ htole64(HOST_NO_ADDRESS),
				    htole32((uint32_t)b.t.out_bytes - 1), 0 };
	if (b.t.out_bytes > 1) {
		cmd.run.out = list_of(&b, e, 2);
		refuse(&b, &cmd, FQA_SC_DMA_FAULT, FQA_NO_LAYER,
		       (uint32_t)b.t.out_bytes * 3 + 1, 0, "output that cannot be written");
	}
	cmd = whole(&b, 1, 1, &out);
	card_fault_set(b.h.card, CARD_FAULT_FAIL_DMA, 1);
	refuse(&b, &cmd, FQA_SC_DMA_FAULT, FQA_NO_LAYER, 0, 0, "a transfer that fails on purpose");
	ok(!host_do(&b.h, &b.q[0], &cmd, NULL) && right(&b, out, 1), "the next one is right");
	bench_exit(&b);
}

static uint64_t scribble_from, scribble_to;

static void scribble(struct host *h, uint64_t addr, size_t len, bool write)
{
	if (!write && addr >= scribble_from && addr + len <= scribble_to)
		memset(h->mem + (addr - HOST_BASE), 0xee, len);
}

static void test_change(void)
{
	struct fqa_hw_command cmd;
	struct bench b;
	uint64_t out;

	bench_init(&b, &usual, 16 << 20, 0);
	scribble_from = HOST_BASE + b.h.used;
	cmd = whole(&b, 1, 4, &out);
	scribble_to = HOST_BASE + b.h.used;
	b.h.on_dma = scribble;
	ok(!host_do(&b.h, &b.q[0], &cmd, NULL) && right(&b, out, 4),
	   "lists and inputs are read once: changing them later changes nothing");
	b.h.on_dma = NULL;
	bench_exit(&b);
}

/* Many runs on several queues with several workers; one arena is reserved. */
static void test_queues(void)
{
	struct fqa_hw_completion c;
	struct fqa_hw_command cmd;
	unsigned int i, bad = 0, done = 0;
	uint64_t out[60];
	struct bench b;

	bench_init(&b, &usual, 16 << 20, 3);
	for (i = 0; i < 60; i++) {
		cmd = whole(&b, (uint16_t)i, 1 + i % 4, &out[i]);
		host_submit(&b.h, &b.q[i % 3], &cmd);
	}
	host_pump(&b.h);
	for (i = 0; i < 3; i++)
		while (host_take(&b.h, &b.q[i], &c)) {
			uint16_t cid = le16toh(c.cid);

			done++;
			bad += FQA_STATUS_CODE(le16toh(c.status)) != 0 || cid % 3 != i ||
			       !right(&b, out[cid], 1 + cid % 4);
		}
	is_int(done, 60, "60 runs on three queues and three workers");
	is_int(bad, 0, "all right");
	is_int(host_read(&b.h, FQA_REG_MEM_FREE, 8),
	       (int64_t)((16 << 20) - le64toh(b.info.image_bytes) - le64toh(b.info.arena_bytes)),
	       "extra arenas are free again");
	bench_exit(&b);
}

/* A network whose arena fills most of a card; what image and arena take. */
static uint64_t large_init(struct bench *b, unsigned int images)
{
	struct netgen_options opt = { .seed = 22, .layers = 1, .channels = 4, .size = 512,
				      .kind = FQZ_AFFINE };
	uint64_t need;

	bench_init(b, &opt, 16 << 20, 0);
	need = le64toh(b->info.image_bytes) + le64toh(b->info.arena_bytes);
	bench_exit(b);
	if (need < (1 << 20))
		bail("a network too small for this test");
	bench_init(b, &opt, images * need, 0);
	return need;
}

/* Memory for one arena only: the second queue's run waits. */
static void test_arenas(void)
{
	struct fqa_hw_completion c;
	struct fqa_hw_command first, second;
	uint32_t before, after;
	uint64_t out[2];
	struct bench b;

	large_init(&b, 1);
	is_int(host_read(&b.h, FQA_REG_MEM_FREE, 8), 0, "room for one arena");
	b.h.hold = true;
	first = whole(&b, 1, 1, &out[0]);
	second = whole(&b, 2, 1, &out[1]);
	host_submit(&b.h, &b.q[0], &first);
	host_submit(&b.h, &b.q[1], &second);
	host_pump(&b.h);
	is_int(card_work_pending(b.h.card), 1, "one run computes, the other waits");
	before = (uint32_t)host_read(&b.h, FQA_REG_PROGRESS(2), 4);
	b.h.clock_offset += 200000000;
	after = (uint32_t)host_read(&b.h, FQA_REG_PROGRESS(2), 4);
	ok(before != after, "the waiting queue's progress moves");
	before = (uint32_t)host_read(&b.h, FQA_REG_PROGRESS(1), 4);
	b.h.clock_offset += 200000000;
	is_int(host_read(&b.h, FQA_REG_PROGRESS(1), 4), before,
	       "that of a worker that does not run stands");
	b.h.hold = false;
	ok(host_wait(&b.h, &b.q[0], &c) && !FQA_STATUS_CODE(le16toh(c.status)), "the first ends");
	ok(host_wait(&b.h, &b.q[1], &c) && !FQA_STATUS_CODE(le16toh(c.status)), "so does the second");
	ok(right(&b, out[0], 1) && right(&b, out[1], 1), "both right");
	bench_exit(&b);
}

/* Room for two images with their arenas; a RUN borrows the second image's. */
static void test_load_waits(void)
{
	struct fqa_hw_completion c, load;
	struct fqa_hw_command cmd;
	uint64_t out[2], at;
	struct bench b;

	large_init(&b, 2);
	b.h.hold = true;
	cmd = whole(&b, 1, 1, &out[0]);
	host_submit(&b.h, &b.q[0], &cmd);
	cmd = whole(&b, 2, 4, &out[1]);	/* still at it when the LOAD is decoded */
	host_submit(&b.h, &b.q[1], &cmd);
	host_pump(&b.h);
	is_int(card_work_pending(b.h.card), 2, "two runs, one of them with an extra arena");
	at = host_alloc(&b.h, b.t.len, 1);
	memcpy(host_at(&b.h, at), b.t.image, b.t.len);
	cmd = (struct fqa_hw_command){ .opcode = FQA_OP_LOAD, .slot = htole32(1),
		.load = { .image = host_list(&b.h, at, b.t.len, 4096),
			  .length = htole64(b.t.len) } };
	host_submit(&b.h, &b.admin, &cmd);
	host_pump(&b.h);
	b.h.hold = false;
	ok(host_wait(&b.h, &b.admin, &load) && !FQA_STATUS_CODE(le16toh(load.status)),
	   "a LOAD waits for the extra arena");
	ok(host_take(&b.h, &b.q[0], &c) && host_take(&b.h, &b.q[1], &c), "the runs complete");
	ok(right(&b, out[0], 1) && right(&b, out[1], 4), "both right");
	bench_exit(&b);
}

static struct {
	uint64_t from, to;
	unsigned int posts, at;		/* completions so far; when the first came to the ring */
} watched;

static void watch(struct host *h, uint64_t addr, size_t len, bool write)
{
	(void)h;
	if (!write || len != 8)
		return;
	watched.posts++;
	if (addr >= watched.from && addr < watched.to && !watched.at)
		watched.at = watched.posts;
}

/* A LOAD that waits for memory gets it before a RUN that wants one more arena. */
static void test_load_first(void)
{
	struct fqa_hw_completion c;
	struct fqa_hw_command cmd;
	uint64_t out, at;
	struct bench b;
	unsigned int i;

	large_init(&b, 2);
	b.h.hold = true;
	for (i = 0; i < 3; i++) {
		static const uint32_t batches[] = { 4, 2, 1 };

		cmd = whole(&b, 1, batches[i], &out);
		host_submit(&b.h, &b.q[i], &cmd);
	}
	host_pump(&b.h);
	is_int(card_work_pending(b.h.card), 2, "two runs compute, a third waits");
	at = host_alloc(&b.h, b.t.len, 1);
	memcpy(host_at(&b.h, at), b.t.image, b.t.len);
	cmd = (struct fqa_hw_command){ .opcode = FQA_OP_LOAD, .slot = htole32(1),
		.load = { .image = host_list(&b.h, at, b.t.len, 4096),
			  .length = htole64(b.t.len) } };
	host_submit(&b.h, &b.admin, &cmd);
	host_pump(&b.h);
	memset(&watched, 0, sizeof(watched));
	watched.from = b.admin.cq;
	watched.to = b.admin.cq + b.admin.cq_entries * sizeof(c);
	b.h.on_dma = watch;
	b.h.hold = false;
	host_pump(&b.h);
	b.h.on_dma = NULL;
	is_int(watched.posts, 4, "all complete");
	is_int(watched.at, 2, "the LOAD just after the run whose arena it got");
	bench_exit(&b);
}

static void test_stats(void)
{
	struct fqa_hw_command cmd, get = { .opcode = FQA_OP_GET_STATS };
	struct fqa_hw_stats *s;
	struct bench b;
	uint64_t out, at;

	bench_init(&b, &usual, 16 << 20, 0);
	at = host_alloc(&b.h, sizeof(*s), 8);
	s = host_at(&b.h, at);
	get.get.addr = htole64(at);
	get.get.len = htole32(sizeof(*s));
	cmd = whole(&b, 1, 3, &out);
	is_int(host_do(&b.h, &b.q[0], &cmd, NULL), 0, "RUN of 3 pictures");
	card_fault_set(b.h.card, CARD_FAULT_FAIL_DMA, 1);
	host_do(&b.h, &b.q[0], &cmd, NULL);
	is_int(host_do(&b.h, &b.admin, &get, NULL), 0, "GET_STATS");
	is_int(le64toh(s->runs), 1, "runs");
	is_int(le64toh(s->pictures), 3, "pictures");
	is_int(le64toh(s->cycles), (int64_t)(3 * le64toh(b.info.cycles)), "cycles");
	is_int(le64toh(s->bytes_read), (int64_t)(b.t.len + 3 * b.t.in_bytes), "bytes read");
	is_int(le64toh(s->bytes_written), (int64_t)(sizeof(b.info) + 3 * b.t.out_bytes),
	       "bytes written");
	is_int(le64toh(s->images), 1, "images");
	bench_exit(&b);
}

static void test_progress(void)
{
	struct fqa_hw_command cmd;
	struct bench b;
	uint64_t out;
	uint32_t p[3];

	bench_init(&b, &usual, 16 << 20, 0);
	b.h.hold = true;
	p[0] = (uint32_t)host_read(&b.h, FQA_REG_PROGRESS(1), 4);
	cmd = whole(&b, 1, 1, &out);
	host_submit(&b.h, &b.q[0], &cmd);
	host_pump(&b.h);
	p[1] = (uint32_t)host_read(&b.h, FQA_REG_PROGRESS(1), 4);
	b.h.hold = false;
	host_pump(&b.h);
	p[2] = (uint32_t)host_read(&b.h, FQA_REG_PROGRESS(1), 4);
	ok(p[0] != p[1] && p[1] != p[2], "progress at the start and at the end: %u %u %u", p[0],
	   p[1], p[2]);
	bench_exit(&b);
}

/* A flipped bit of the arena, between input and computation, is seen in the output. */
static void test_flip(void)
{
	struct netgen_options opt = { .seed = 2, .layers = 1, .channels = 4, .size = 8,
				      .kind = FQZ_CONCAT };
	struct fqa_hw_completion c;
	struct fqa_hw_command cmd;
	struct bench b;
	uint64_t out, bit;

	while (opt.seed < 100) {
		bench_init(&b, &opt, 4 << 20, 0);
		if (b.t.m->layers[0].desc.kind == FQZ_CONCAT && b.t.m->layer_count == 1)
			break;
		bench_exit(&b);
		opt.seed++;
	}
	b.h.hold = true;
	cmd = whole(&b, 1, 1, &out);
	host_submit(&b.h, &b.q[0], &cmd);
	host_pump(&b.h);
	bit = 8 * (le64toh(b.info.image_bytes) + b.t.m->tensors[0].offset) + 3;
	is_int(card_fault_set(b.h.card, CARD_FAULT_FLIP_BIT, bit), 0, "a bit flips");
	b.h.hold = false;
	ok(host_wait(&b.h, &b.q[0], &c) && !FQA_STATUS_CODE(le16toh(c.status)), "the run completes");
	ok(!right(&b, out, 1), "with a wrong result");
	*(uint8_t *)host_at(&b.h, out) ^= 8;
	*((uint8_t *)host_at(&b.h, out) + b.t.in_bytes) ^= 8;
	ok(right(&b, out, 1), "in just that bit");
	cmd = whole(&b, 1, 1, &out);
	ok(!host_do(&b.h, &b.q[0], &cmd, NULL) && right(&b, out, 1), "the next one is right");
	bench_exit(&b);
}

int main(void)
{
	test_whole();
	test_networks();
	test_layers();
	test_pieces();
	test_fields();
	test_lists();
	test_loop();
	test_faults();
	test_change();
	test_queues();
	test_arenas();
	test_load_waits();
	test_load_first();
	test_stats();
	test_progress();
	test_flip();
	return tap_done();
}
