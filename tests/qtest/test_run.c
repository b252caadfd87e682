// SPDX-License-Identifier: MIT
/*
 * LOAD and RUN with a real image, CARD.md sections 5, 6.4 and 6.9: scattered
 * lists, what is written and what is not, commands that hang, are aborted or
 * overtaken by a reset.
 */
#include <unistd.h>

#include <linux/pci_regs.h>

#include "bench.h"
#include "../unit/tap.h"

#define IMAGE		"demo/cifar10.fqz"
#define IMAGE_MAX	(4u << 20)

/* Where things lie in the machine's memory. */
#define LISTS		(BENCH_DATA)			/* 4 KiB for each list */
#define INFO		(BENCH_DATA + 0x10000)
#define IMAGE_AT	(BENCH_DATA + 0x100003)		/* no alignment is needed */
#define INPUT		(BENCH_DATA + 0x1000005)
#define OUTPUT		(BENCH_DATA + 0x3000007)

#define GUARD		64	/* bytes beside the output that must not change */
#define SLOT		5
#define HUGE_BATCH	2000	/* pictures, seconds of work */

static uint8_t image[IMAGE_MAX];
static size_t image_len;
static struct fqa_hw_model_info info;

static void read_image(void)
{
	FILE *f = fopen(IMAGE, "rb");

	if (!f)
		bail(IMAGE " is missing");
	image_len = fread(image, 1, sizeof(image), f);
	fclose(f);
}

static uint32_t put_list(struct bench *b, unsigned int number, const struct fqa_hw_sge *sge,
			 unsigned int count)
{
	uint32_t at = LISTS + 4096 * number;

	qtest_write(b->q, at, sge, count * sizeof(*sge));
	return at;
}

/* The image in four pieces, the last two behind a link. */
static int load(struct bench *b)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_LOAD, .slot = SLOT };
	struct fqa_hw_sge second[2] = {
		{ .addr = IMAGE_AT + 102, .len = 1 },
		{ .addr = IMAGE_AT + 103, .len = image_len - 103 },
	};
	struct fqa_hw_sge first[3] = {
		{ .addr = IMAGE_AT, .len = 101 },
		{ .addr = IMAGE_AT + 101, .len = 1 },
		{ .addr = put_list(b, 1, second, 2), .len = sizeof(second), .flags = FQA_SGE_LINK },
	};
	struct fqa_hw_completion cqe;

	qtest_write(b->q, IMAGE_AT, image, image_len);
	cmd.load.image.addr = put_list(b, 0, first, 3);
	cmd.load.image.len = sizeof(first);
	cmd.load.length = image_len;
	cmd.load.info = INFO;
	return bench_command(b, 0, &cmd, &cqe);
}

static void start(struct bench *b, const char *device)
{
	bench_start(b, device);
	if (!bench_enable(b, 16) || bench_create_queue(b, 1, 16) != FQA_SC_OK)
		bail("no queues");
	is_int(load(b), FQA_SC_OK, "LOAD");
	qtest_read(b->q, INFO, &info, sizeof(info));
}

/* RUN of the whole network on @batch pictures at INPUT; the output goes to OUTPUT. */
static struct fqa_hw_command run_command(struct bench *b, uint32_t batch)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_RUN, .slot = SLOT };
	struct fqa_hw_sge in = { .addr = INPUT, .len = info.input_bytes * batch };
	struct fqa_hw_sge out = { .addr = OUTPUT, .len = info.output_bytes * batch };

	cmd.run.layer_count = info.layers;
	cmd.run.batch = batch;
	cmd.run.in.addr = put_list(b, 2, &in, 1);
	cmd.run.in.len = sizeof(in);
	cmd.run.out.addr = put_list(b, 3, &out, 1);
	cmd.run.out.len = sizeof(out);
	return cmd;
}

static void put_input(struct bench *b)
{
	uint8_t *in = malloc(2 * info.input_bytes);
	size_t i;

	for (i = 0; i < 2 * info.input_bytes; i++)
		in[i] = i * 2654435761u >> 24;
	qtest_write(b->q, INPUT, in, 2 * info.input_bytes);
	free(in);
}

static void test_load(void)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_UNLOAD, .slot = SLOT };
	struct fqa_hw_completion cqe;
	struct bench b;
	uint64_t all;

	start(&b, "fqaccel");
	all = bench_reg64(&b, FQA_REG_MEM_SIZE);
	ok(info.layers > 3 && info.weights > 1000 && info.classes == 10, "%u layers, %llu weights",
	   info.layers, (unsigned long long)info.weights);
	is_int(info.input_bytes, 3 * 32 * 32, "bytes of a picture");
	is_int(info.output_bytes, 40, "bytes of its output");
	ok(info.image_bytes >= image_len && info.image_bytes % 4096 == 0, "card memory of the image");
	is_int(all - bench_reg64(&b, FQA_REG_MEM_FREE), info.image_bytes + info.arena_bytes,
	       "card memory taken");
	is_int(load(&b), FQA_SC_SLOT_IN_USE, "the slot is in use");
	is_int(bench_command(&b, 0, &cmd, &cqe), FQA_SC_OK, "UNLOAD");
	is_int(bench_reg64(&b, FQA_REG_MEM_FREE), all, "card memory is free again");
	is_int(load(&b), FQA_SC_OK, "LOAD again");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");

	bench_start(&b, "fqaccel,memory=1M");
	ok(bench_enable(&b, 16), "a card with 1 MiB");
	is_int(load(&b), info.image_bytes + info.arena_bytes > 1 << 20 ? FQA_SC_NO_MEMORY : FQA_SC_OK,
	       "takes what fits");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

/* Whatever the lists look like, the same pictures give the same output, and only there. */
static void test_scatter(void)
{
	uint8_t want[2 * 40], got[2 * 40 + 2 * GUARD], guard[GUARD];
	struct fqa_hw_command cmd;
	struct fqa_hw_completion cqe;
	struct fqa_hw_sge out[4], in[2];
	struct bench b;

	start(&b, "fqaccel");
	put_input(&b);
	memset(guard, 0xa5, sizeof(guard));
	qtest_fill(b.q, OUTPUT - GUARD, 0xa5, sizeof(got));
	cmd = run_command(&b, 2);
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_OK, "RUN of two pictures");
	is_int(cqe.result, 2 * info.cycles, "cycles");
	ok(bench_message(&b, 1), "its message");
	qtest_read(b.q, OUTPUT - GUARD, got, sizeof(got));
	memcpy(want, got + GUARD, sizeof(want));
	ok(memcmp(want, want + 40, 40), "two different outputs");
	ok_mem(got, guard, GUARD, "nothing written before the output");
	ok_mem(got + GUARD + 80, guard, GUARD, "nor after it");

	/* The second picture, then the first; the output in four pieces, back to front. */
	in[0] = (struct fqa_hw_sge){ .addr = INPUT + info.input_bytes, .len = info.input_bytes };
	in[1] = (struct fqa_hw_sge){ .addr = INPUT, .len = info.input_bytes };
	out[0] = (struct fqa_hw_sge){ .addr = OUTPUT + 47, .len = 33 };
	out[1] = (struct fqa_hw_sge){ .addr = OUTPUT + 46, .len = 1 };
	out[2] = (struct fqa_hw_sge){ .addr = OUTPUT + 20, .len = 26 };
	out[3] = (struct fqa_hw_sge){ .addr = OUTPUT, .len = 20 };
	cmd.run.in.addr = put_list(&b, 2, in, 2);
	cmd.run.in.len = sizeof(in);
	cmd.run.out.addr = put_list(&b, 3, out, 4);
	cmd.run.out.len = sizeof(out);
	qtest_fill(b.q, OUTPUT - GUARD, 0xa5, sizeof(got));
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_OK, "the same in pieces");
	qtest_read(b.q, OUTPUT - GUARD, got, sizeof(got));
	ok_mem(got, guard, GUARD, "nothing written before the output");
	ok_mem(got + GUARD + 80, guard, GUARD, "nor after it");
	ok_mem(got + GUARD + 47, want + 40, 33, "bytes 0 to 32 of the second picture");
	ok_mem(got + GUARD + 46, want + 73, 1, "byte 33");
	ok_mem(got + GUARD + 20, want + 74, 6, "bytes 34 to 39");
	ok_mem(got + GUARD + 26, want, 20, "bytes 0 to 19 of the first picture");
	ok_mem(got + GUARD, want + 20, 20, "bytes 20 to 39");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static void test_refusals(void)
{
	struct fqa_hw_command good, cmd;
	struct fqa_hw_completion cqe;
	struct fqa_hw_sge sge;
	struct bench b;

	start(&b, "fqaccel");
	put_input(&b);
	good = run_command(&b, 1);

	cmd = good;
	cmd.run.layer_count = info.layers + 1;
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_BAD_RANGE, "a layer too many");
	cmd = good;
	cmd.run.first_layer = 0xffffffff;
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_BAD_RANGE, "a sum that wraps");
	cmd = good;
	cmd.run.layer_count = 0;
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_BAD_RANGE, "no layer");
	cmd = good;
	cmd.run.batch = 0;
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_BAD_FIELD, "no picture");
	cmd.run.batch = 65537;
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_BAD_FIELD, "too many");
	cmd.run.batch = 2;
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_BAD_LENGTH, "an input too short");
	is_int(cqe.offset, 0, "it was the input");
	is_int(cqe.result, 2 * info.input_bytes, "bytes needed");

	sge = (struct fqa_hw_sge){ .addr = OUTPUT, .len = info.output_bytes - 1 };
	put_list(&b, 3, &sge, 1);
	is_int(bench_command(&b, 1, &good, &cqe), FQA_SC_BAD_LENGTH, "an output too short");
	is_int(cqe.offset, 1, "it was the output");
	sge = (struct fqa_hw_sge){ .addr = BENCH_NO_RAM, .len = info.output_bytes };
	put_list(&b, 3, &sge, 1);
	is_int(bench_command(&b, 1, &good, &cqe), FQA_SC_DMA_FAULT, "an output nowhere");
	sge = (struct fqa_hw_sge){ .addr = BENCH_NO_RAM, .len = info.input_bytes };
	put_list(&b, 2, &sge, 1);
	is_int(bench_command(&b, 1, &good, &cqe), FQA_SC_DMA_FAULT, "an input nowhere");

	good = run_command(&b, 1);
	is_int(bench_command(&b, 1, &good, &cqe), FQA_SC_OK, "and a good one");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static int abort_command(struct bench *b, uint16_t cid)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_ABORT, .abort = { .qid = 1, .cid = cid } };
	struct fqa_hw_completion cqe;

	return bench_command(b, 0, &cmd, &cqe);
}

/* CARD.md section 10: a card that hangs does not even acknowledge an ABORT. */
static void test_hang(void)
{
	struct fqa_hw_command unload = { .opcode = FQA_OP_UNLOAD, .slot = SLOT };
	struct fqa_hw_command stop = { .opcode = FQA_OP_ABORT };
	struct fqa_hw_command cmd, nop = { .opcode = FQA_OP_NOP };
	struct fqa_hw_completion cqe;
	struct bench b;
	uint32_t progress;

	start(&b, "fqaccel,hang-next=1");
	put_input(&b);
	cmd = run_command(&b, 1);
	stop.abort.qid = 1;
	stop.abort.cid = bench_put(&b, 1, &cmd);
	bench_ring(&b, 1);
	ok(bench_silent(&b, 1), "hang-next: no completion");
	progress = bench_reg(&b, FQA_REG_PROGRESS(1));
	usleep(200000);
	is_int(bench_reg(&b, FQA_REG_PROGRESS(1)), progress, "no progress");
	is_int(bench_command(&b, 0, &unload, &cqe), FQA_SC_SLOT_BUSY, "its image is busy");
	bench_put(&b, 0, &stop);
	bench_ring(&b, 0);
	ok(bench_silent(&b, 0), "ABORT is not acknowledged");
	is_int(bench_command(&b, 0, &nop, &cqe), FQA_SC_OK, "other admin commands are");
	is_int(bench_create_queue(&b, 2, 16), FQA_SC_OK, "another queue");
	is_int(bench_command(&b, 2, &cmd, &cqe), FQA_SC_OK, "runs the same");

	ok(bench_disable(&b), "a reset of the controller ends it");
	ok(bench_silent(&b, 1), "without a completion");
	ok(bench_enable(&b, 16), "enabled again");
	is_int(bench_command(&b, 0, &unload, &cqe), FQA_SC_BAD_SLOT, "the image is gone");
	is_int(bench_reg64(&b, FQA_REG_MEM_FREE), bench_reg64(&b, FQA_REG_MEM_SIZE),
	       "all card memory is free");
	is_int(load(&b), FQA_SC_OK, "LOAD");
	is_int(bench_create_queue(&b, 1, 16), FQA_SC_OK, "a queue");
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_OK, "RUN");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

/* Starts a run of seconds, and returns while it is at work. */
static uint16_t start_long(struct bench *b)
{
	struct fqa_hw_command cmd = run_command(b, HUGE_BATCH);
	uint16_t cid = bench_put(b, 1, &cmd);
	uint32_t progress = bench_reg(b, FQA_REG_PROGRESS(1));

	qtest_fill(b->q, OUTPUT, 0, info.output_bytes * HUGE_BATCH);
	bench_ring(b, 1);
	while (bench_reg(b, FQA_REG_PROGRESS(1)) == progress)
		usleep(1000);
	usleep(20000);
	return cid;
}

/* True if nothing writes to the output any more. */
static bool output_stands(struct bench *b)
{
	size_t len = info.output_bytes * HUGE_BATCH;
	uint8_t *one = malloc(len), *two = malloc(len);
	bool same;

	qtest_read(b->q, OUTPUT, one, len);
	usleep(300000);
	qtest_read(b->q, OUTPUT, two, len);
	same = !memcmp(one, two, len);
	free(one);
	free(two);
	return same;
}

static void test_interrupted(void)
{
	struct fqa_hw_completion cqe;
	struct fqa_hw_command cmd;
	struct bench b;
	uint16_t cid;

	start(&b, "fqaccel");
	put_input(&b);
	cid = start_long(&b);
	ok(!output_stands(&b), "the output grows picture by picture");
	is_int(abort_command(&b, cid), FQA_SC_OK, "ABORT of a long run");
	ok(output_stands(&b), "no DMA after it");
	ok(bench_get(&b, 1, &cqe), "the run's completion");
	is_int(FQA_STATUS_CODE(cqe.status), FQA_SC_ABORTED, "aborted");

	start_long(&b);
	ok(bench_disable(&b), "a reset of the controller in a long run");
	ok(output_stands(&b), "no DMA after it");
	if (!bench_enable(&b, 16) || bench_create_queue(&b, 1, 16) != FQA_SC_OK)
		bail("no queues");
	is_int(load(&b), FQA_SC_OK, "LOAD");

	start_long(&b);
	bench_cfg_writew(&b, b.pcie + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR);
	ok(output_stands(&b), "no DMA after a function level reset in a long run");
	bench_setup(&b);
	if (!bench_enable(&b, 16) || bench_create_queue(&b, 1, 16) != FQA_SC_OK)
		bail("no queues");
	is_int(load(&b), FQA_SC_OK, "LOAD");

	start_long(&b);
	bench_cfg_writew(&b, b.pm + PCI_PM_CTRL, 3);
	ok(output_stands(&b), "no DMA after D3hot in a long run");
	bench_cfg_writew(&b, b.pm + PCI_PM_CTRL, 0);
	bench_setup(&b);
	if (!bench_enable(&b, 16) || bench_create_queue(&b, 1, 16) != FQA_SC_OK)
		bail("no queues");
	is_int(load(&b), FQA_SC_OK, "LOAD");
	cmd = run_command(&b, 1);
	is_int(bench_command(&b, 1, &cmd, &cqe), FQA_SC_OK, "RUN");

	/* The emulator can be ended while the card is at work. */
	start_long(&b);
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

int main(void)
{
	read_image();
	test_load();
	test_scatter();
	test_refusals();
	test_hang();
	test_interrupted();
	return tap_done();
}
