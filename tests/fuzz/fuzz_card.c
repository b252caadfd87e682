// SPDX-License-Identifier: MIT
/*
 * libFuzzer target for the card's registers, rings and lists. The input is a
 * series of a host's deeds, good and bad: commands, doorbells, changes of memory,
 * steps, work, faults, resets. The card must neither fault nor do DMA when it may not.
 */
#include "../unit/card_host.h"
#include "../unit/netgen.h"
#include "card/exec.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY		(256u << 10)
#define RINGS		4
#define ENTRIES		8
#define STEP_DMA	96	/* transfers of one step: bounded, whatever the host does */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

struct input {
	const uint8_t *at;
	size_t left;
};

struct world {
	struct host h;
	struct host_ring rings[RINGS];
	uint64_t image, list, data;	/* places in memory */
	bool on;
};

static void *image;
static size_t image_len;
static uint32_t layers;
static uint32_t live[8];	/* bytes before each layer */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct netgen_options opt = { .seed = 1, .layers = 4, .channels = 4, .size = 5 };
	struct card_tick tick = { .units = 0 };
	struct card_model *m;
	struct fqz_error err;
	const char *what;
	uint32_t i;

	(void)argc;
	(void)argv;
	if (netgen_image(&opt, &image, &image_len, &what))
		abort();
	if (card_model_build(image, image_len, card_exec_default(), 1, 1 << 24, &tick, &m, &err))
		abort();
	layers = m->layer_count;
	if (layers + 1 > sizeof(live) / sizeof(live[0]))
		abort();
	for (i = 0; i <= layers; i++)
		live[i] = (uint32_t)card_model_live_bytes(m, i);
	card_model_free(m);
	return 0;
}

static void demand(bool condition)
{
	if (!condition)
		abort();
}

static uint8_t byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

static uint32_t word(struct input *in)
{
	uint32_t v = 0, n = byte(in) % 5;

	while (n--)
		v = v << 8 | byte(in);
	return v;
}

/* Rings, an image, a list over it and one over room for data. */
static void world_init(struct world *w)
{
	static const struct card_config config = { .memory = 1 << 20, .io_queues = 3,
						   .lanes = 16, .clock_khz = 1000 };
	struct fqa_hw_sge *sge;
	unsigned int i;

	host_init(&w->h, &config, MEMORY, 0);
	w->h.hold = true;
	for (i = 0; i < RINGS; i++)
		host_ring_init(&w->h, &w->rings[i], i, ENTRIES, ENTRIES);
	w->image = host_alloc(&w->h, image_len, 8);
	memcpy(host_at(&w->h, w->image), image, image_len);
	w->data = host_alloc(&w->h, 4096, 4096);
	w->list = host_alloc(&w->h, 4096, 4096);
	sge = host_at(&w->h, w->list);
	sge[0] = (struct fqa_hw_sge){ htole64(w->image), htole32((uint32_t)image_len), 0 };
	for (i = 1; i < 64; i++)
		sge[i] = (struct fqa_hw_sge){ htole64(w->data), htole32(i), 0 };
}

static void enable(struct world *w)
{
	unsigned int i;

	for (i = 0; i < RINGS; i++) {
		w->rings[i].sq_tail = 0;
		w->rings[i].cq_head = 0;
		w->rings[i].phase = true;
		memset(host_at(&w->h, w->rings[i].cq), 0, ENTRIES * 32);
	}
	w->h.forbid_dma = false;
	host_write(&w->h, FQA_REG_ADMIN_SIZE, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
	host_write(&w->h, FQA_REG_ADMIN_SQ, w->rings[0].sq, 8);
	host_write(&w->h, FQA_REG_ADMIN_CQ, w->rings[0].cq, 8);
	host_write(&w->h, FQA_REG_CONTROL, FQA_CONTROL_ENABLE, 4);
}

static struct fqa_hw_list pick_list(struct world *w, struct input *in)
{
	uint32_t entry = byte(in) % 64, count = byte(in) % 8 + 1;

	return (struct fqa_hw_list){ .addr = htole64(w->list + 16 * entry),
				     .len = htole32(16 * count) };
}

static void fill(struct world *w, struct input *in, struct fqa_hw_command *cmd)
{
	struct host_ring *r = &w->rings[byte(in) % RINGS];

	switch (cmd->opcode) {
	case FQA_OP_CREATE_QUEUE:
		cmd->create_queue.sq = htole64(r->sq);
		cmd->create_queue.cq = htole64(r->cq);
		cmd->create_queue.qid = htole16((uint16_t)r->id);
		cmd->create_queue.sq_entries = htole16(ENTRIES);
		cmd->create_queue.cq_entries = htole16(ENTRIES);
		cmd->create_queue.vector = htole16(byte(in) % 4);
		break;
	case FQA_OP_DELETE_QUEUE:
		cmd->delete_queue.qid = htole16((uint16_t)r->id);
		break;
	case FQA_OP_LOAD:
		cmd->slot = htole32(byte(in) % 3);
		cmd->load.image = (struct fqa_hw_list){ .addr = htole64(w->list),
							.len = htole32(16) };
		cmd->load.length = htole64(image_len);
		cmd->load.info = htole64(byte(in) % 2 ? w->data : 0);
		break;
	case FQA_OP_UNLOAD:
		cmd->slot = htole32(byte(in) % 3);
		break;
	case FQA_OP_ABORT:
		cmd->abort.qid = htole16((uint16_t)r->id);
		cmd->abort.cid = htole16(byte(in) % 16);
		break;
	case FQA_OP_GET_LOG:
	case FQA_OP_GET_STATS:
		cmd->get.addr = htole64(w->data);
		cmd->get.len = htole32(128);
		break;
	case FQA_OP_RUN:
		cmd->slot = htole32(byte(in) % 3);
		cmd->run.first_layer = htole32(byte(in) % 4);
		cmd->run.layer_count = htole32(byte(in) % 6);
		cmd->run.batch = htole32(byte(in) % 4);
		cmd->run.in = pick_list(w, in);
		cmd->run.out = pick_list(w, in);
		break;
	}
}

/* A command that makes sense, then up to three of its bytes changed. */
static void submit(struct world *w, struct input *in)
{
	static const uint8_t opcodes[] = { FQA_OP_NOP, FQA_OP_CREATE_QUEUE, FQA_OP_DELETE_QUEUE,
					   FQA_OP_LOAD, FQA_OP_UNLOAD, FQA_OP_ABORT,
					   FQA_OP_GET_LOG, FQA_OP_GET_STATS, FQA_OP_RUN };
	struct host_ring *r = &w->rings[byte(in) % RINGS];
	struct fqa_hw_command cmd = { .opcode = opcodes[byte(in) % sizeof(opcodes)] };
	unsigned int changes;

	cmd.cid = htole16(byte(in) % 16);
	fill(w, in, &cmd);
	changes = byte(in);
	for (changes = changes < 192 ? 0 : changes % 4; changes; changes--)
		((uint8_t *)&cmd)[byte(in) % 64] = byte(in);
	host_submit(&w->h, r, &cmd);
}

/* A RUN that fits the image: lists of just the right length, for a picture or two. */
static void submit_good_run(struct world *w, struct input *in)
{
	uint32_t first = byte(in) % layers, count = 1 + byte(in) % (layers - first), i;
	uint32_t batch = 1 + byte(in) % 2;
	struct fqa_hw_command cmd = {
		.opcode = FQA_OP_RUN,
		.cid = htole16(byte(in) % 16),
		.slot = htole32(byte(in) % 3),
		.run = { .first_layer = htole32(first), .layer_count = htole32(count),
			 .batch = htole32(batch) },
	};
	uint64_t at = w->list + 2048 + 64 * (byte(in) % 8);
	struct fqa_hw_sge *sge = host_at(&w->h, at);

	for (i = 0; i < 2; i++) {	/* two entries each: a byte, and the rest */
		uint32_t len = batch * live[i ? first + count : first];

		sge[2 * i] = (struct fqa_hw_sge){ htole64(w->data + 2048 * i), htole32(1), 0 };
		sge[2 * i + 1] = (struct fqa_hw_sge){ htole64(w->data + 2048 * i + 1),
						      htole32(len - 1), 0 };
	}
	cmd.run.in = (struct fqa_hw_list){ .addr = htole64(at), .len = htole32(32) };
	cmd.run.out = (struct fqa_hw_list){ .addr = htole64(at + 32), .len = htole32(32) };
	host_submit(&w->h, &w->rings[1 + byte(in) % (RINGS - 1)], &cmd);
}

static void step(struct world *w, unsigned int n)
{
	uint64_t before;

	while (n--) {
		before = w->h.dma_count;
		host_steps(&w->h, 1);
		demand(w->h.dma_count - before <= STEP_DMA);
	}
}

static void take(struct world *w, struct input *in)
{
	struct fqa_hw_completion c;
	unsigned int n = byte(in) % 8;
	struct host_ring *r = &w->rings[byte(in) % RINGS];

	while (n-- && host_take(&w->h, r, &c))
		;
}

static void poke(struct world *w, struct input *in)
{
	uint32_t at = word(in) % w->h.used, n = byte(in) % 32;

	while (n-- && at < w->h.used)
		w->h.mem[at++] = byte(in);
}

static void fault(struct world *w, struct input *in)
{
	static const enum card_fault faults[] = { CARD_FAULT_HANG, CARD_FAULT_DROP_IRQ,
						  CARD_FAULT_CORRUPT_COMPLETION,
						  CARD_FAULT_FAIL_DMA, CARD_FAULT_FLIP_BIT };
	enum card_fault f = faults[byte(in) % 5];

	card_fault_set(w->h.card, f, f == CARD_FAULT_FLIP_BIT ? word(in) : byte(in) % 3);
	if (byte(in) % 4 == 0) {
		w->h.fault_from = HOST_BASE + word(in) % MEMORY;
		w->h.fault_to = w->h.fault_from + byte(in);
	}
}

/* From here to the next enable the card has to be still. */
static void stop(struct world *w, struct input *in)
{
	switch (byte(in) % 4) {
	case 0:
		host_write(&w->h, FQA_REG_CONTROL, 0, 4);
		break;
	case 1:
		card_reset(w->h.card);
		break;
	case 2:
		card_power(w->h.card, false);
		step(w, 1);
		card_power(w->h.card, true);
		break;
	default:
		card_fault_set(w->h.card, CARD_FAULT_GONE, 1);
		step(w, 1);
		card_fault_set(w->h.card, CARD_FAULT_GONE, 0);
		break;
	}
	w->h.forbid_dma = true;
}

static void registers(struct world *w, struct input *in)
{
	uint32_t offset = byte(in) % 2 ? 4u * (byte(in) % 24) : word(in);
	unsigned int size = byte(in) % 8 ? 4 : byte(in);

	if (byte(in) % 2) {
		host_read(&w->h, offset, size ? size : 1);
	} else if (offset != FQA_REG_CONTROL || !w->h.forbid_dma) {
		/* ENABLE is written by enable() alone, so that it is known when DMA may be. */
		host_write(&w->h, offset, word(in), size ? size : 1);
	}
}

static void deed(struct world *w, struct input *in)
{
	switch (byte(in) % 16) {
	case 0:
		enable(w);
		break;
	case 1:
	case 2:
	case 3:
	case 4:
		submit(w, in);
		break;
	case 5:
	case 6:
		submit_good_run(w, in);
		break;
	case 7:
	case 8:
		step(w, byte(in) % 32);
		break;
	case 9:
	case 10:
		host_work(&w->h);
		break;
	case 11:
		take(w, in);
		break;
	case 12:
		poke(w, in);
		break;
	case 13:
		fault(w, in);
		break;
	case 14:
		stop(w, in);
		break;
	default:
		registers(w, in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct world w;

	world_init(&w);
	enable(&w);
	while (in.left) {
		deed(&w, &in);
		demand(!w.h.violations && w.h.largest_dma <= FQA_DMA_PIECE);
	}
	w.h.hold = false;
	card_fault_set(w.h.card, CARD_FAULT_GONE, 0);
	host_exit(&w.h);
	return 0;
}
