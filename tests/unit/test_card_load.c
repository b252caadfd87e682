// SPDX-License-Identifier: MIT
/* LOAD, UNLOAD and what they refuse. */
#include "card_model.h"
#include "tap.h"

#include <endian.h>

struct bench {
	struct host h;
	struct host_ring admin;
};

static void bench_init(struct bench *b, uint64_t memory)
{
	struct card_config config = CARD_CONFIG_DEFAULT;

	config.memory = memory;
	host_init(&b->h, &config, 64 << 20, 0);
	if (!host_enable(&b->h, &b->admin, 16))
		bail("the card is not ready");
}

static uint64_t memory_free(struct bench *b)
{
	return host_read(&b->h, FQA_REG_MEM_FREE, 8);
}

static int unload(struct bench *b, uint32_t slot)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_UNLOAD, .slot = htole32(slot) };

	return host_do(&b->h, &b->admin, &cmd, NULL);
}

static uint64_t pages(uint64_t bytes)
{
	return (bytes + 4095) / 4096 * 4096;
}

static void test_good(void)
{
	struct netgen_options opt = { .seed = 11, .layers = 9, .channels = 20, .size = 12 };
	struct fqa_hw_model_info info;
	struct fqa_hw_completion c;
	struct bench b;
	struct model t;
	uint64_t free_before;

	bench_init(&b, 16 << 20);
	model_init(&t, &opt, 1);
	free_before = memory_free(&b);
	is_int(host_load(&b.h, &b.admin, 255, t.image, t.len, &info, &c), 0, "LOAD");
	is_int(le64toh(info.image_bytes), (int64_t)pages(t.len), "card memory of the image");
	is_int(le64toh(info.arena_bytes), (int64_t)pages(t.m->arena_bytes), "of one arena");
	is_int(le64toh(info.input_bytes), (int64_t)t.in_bytes, "input bytes");
	is_int(le64toh(info.output_bytes), (int64_t)t.out_bytes, "output bytes");
	is_int(le64toh(info.cycles), (int64_t)card_model_cycles(t.m, 0, t.m->layer_count),
	       "cycles");
	is_int(le64toh(info.weights), (int64_t)t.m->weights, "weights");
	is_int(le32toh(info.layers), t.m->layer_count, "layers");
	is_int(le32toh(info.classes), t.m->class_count, "classes");
	is_int(memory_free(&b), (int64_t)(free_before - le64toh(info.image_bytes) -
					  le64toh(info.arena_bytes)), "MEM_FREE");
	is_int(host_load(&b.h, &b.admin, 255, t.image, t.len, NULL, &c), FQA_SC_SLOT_IN_USE,
	       "the slot is in use");
	is_int(host_load(&b.h, &b.admin, 0, t.image, t.len, NULL, &c), 0,
	       "LOAD of it again, without Info");
	is_int(unload(&b, 255), 0, "UNLOAD");
	is_int(unload(&b, 255), FQA_SC_BAD_SLOT, "an empty slot");
	is_int(unload(&b, 256), FQA_SC_BAD_SLOT, "no slot");
	is_int(unload(&b, 0), 0, "UNLOAD of the other");
	is_int(memory_free(&b), (int64_t)free_before, "all memory is back");
	is_int(b.h.largest_dma <= FQA_DMA_PIECE, 1, "no transfer above 64 KiB");
	model_exit(&t);
	host_exit(&b.h);
}

static struct fqa_hw_command load_command(struct bench *b, const struct model *t, uint32_t piece)
{
	uint64_t at = host_alloc(&b->h, t->len, 1);
	struct fqa_hw_command cmd = {
		.opcode = FQA_OP_LOAD,
		.slot = htole32(3),
		.load = { .image = host_list(&b->h, at, t->len, piece),
			  .length = htole64(t->len) },
	};

	memcpy(host_at(&b->h, at), t->image, t->len);
	return cmd;
}

static void refuse(struct bench *b, const struct fqa_hw_command *cmd, int status, uint32_t offset,
		   const char *what)
{
	struct fqa_hw_completion c;
	uint64_t before = memory_free(b);
	int got = host_do(&b->h, &b->admin, cmd, &c);

	ok(got == status && le32toh(c.offset) == offset, "%s: status 0x%02x, offset %u", what,
	   status, offset);
	if (got != status || le32toh(c.offset) != offset)
		diag("got 0x%02x, offset %u", got, le32toh(c.offset));
	is_int(memory_free(b), (int64_t)before, "no memory is lost");
}

static void test_fields(void)
{
	struct netgen_options opt = { .seed = 12, .layers = 3, .channels = 4, .size = 5 };
	struct fqa_hw_command good, cmd;
	struct bench b;
	struct model t;
	unsigned int i;

	bench_init(&b, 4 << 20);
	model_init(&t, &opt, 1);
	good = load_command(&b, &t, 4096);
	cmd = good;
	cmd.slot = htole32(256);
	refuse(&b, &cmd, FQA_SC_BAD_SLOT, 0, "no slot");
	cmd = good;
	cmd.load.length = 0;
	refuse(&b, &cmd, FQA_SC_BAD_FIELD, 24, "no length");
	cmd.load.length = htole64(UINT64_C(1) << 32);
	refuse(&b, &cmd, FQA_SC_BAD_FIELD, 24, "too long");
	cmd.load.length = htole64(t.len + 1);
	refuse(&b, &cmd, FQA_SC_BAD_LENGTH, 0, "a length above the list's");
	cmd.load.length = htole64(t.len - 1);
	refuse(&b, &cmd, FQA_SC_BAD_LENGTH, 0, "a length below the list's");
	cmd = good;
	cmd.load.info = htole64(HOST_BASE + 4);
	refuse(&b, &cmd, FQA_SC_BAD_FIELD, 32, "Info misaligned");
	cmd.load.info = htole64(UINT64_MAX - 7);
	refuse(&b, &cmd, FQA_SC_BAD_FIELD, 32, "Info over the edge");
	cmd.load.info = htole64(HOST_NO_ADDRESS);
	refuse(&b, &cmd, FQA_SC_DMA_FAULT, 0, "Info to nowhere");
	cmd = good;
	cmd.load.image.addr = htole64(le64toh(good.load.image.addr) + 8);
	refuse(&b, &cmd, FQA_SC_BAD_FIELD, 8, "a list misaligned");
	cmd = good;
	cmd.load.image.reserved = 1;
	refuse(&b, &cmd, FQA_SC_BAD_FIELD, 20, "a list's reserved field");
	for (i = 0; i < 4; i++) {
		static const uint32_t lengths[] = { 0, 8, 65536 + 16, 0xfffffff0 };

		cmd = good;
		cmd.load.image.len = htole32(lengths[i]);
		refuse(&b, &cmd, FQA_SC_BAD_FIELD, 16, "a list's length");
	}
	for (i = 40; i < 64; i++) {
		cmd = good;
		((uint8_t *)&cmd)[i] = 1;
		refuse(&b, &cmd, FQA_SC_BAD_FIELD, i, "a reserved byte");
	}
	is_int(host_do(&b.h, &b.admin, &good, NULL), 0, "the good command works");
	model_exit(&t);
	host_exit(&b.h);
}

/* A damaged image: the card says what libfqz says. */
static void test_damage(void)
{
	struct netgen_options opt = { .seed = 14, .layers = 4, .channels = 6, .size = 6 };
	unsigned int bad = 0, refused = 0, i;
	struct fqa_hw_completion c;
	struct bench b;
	struct model t;
	uint64_t seed = 1, before;

	bench_init(&b, 4 << 20);
	model_init(&t, &opt, 1);
	before = memory_free(&b);
	for (i = 0; i < 300; i++) {
		uint8_t *bytes = t.image;
		size_t at = netgen_random(&seed) % t.len;
		uint8_t mask = (uint8_t)(1 + netgen_random(&seed) % 255);
		struct fqz_image *img;
		struct fqz_error err;
		int status;

		b.h.used = 1 << 20;	/* the same memory again */
		bytes[at] ^= mask;
		status = host_load(&b.h, &b.admin, 0, t.image, t.len, NULL, &c);
		if (fqz_image_open(t.image, t.len, &img, &err)) {
			refused++;
			bad += status != FQA_SC_BAD_IMAGE || le32toh(c.reason) != err.reason ||
			       le32toh(c.layer) != err.layer || le32toh(c.offset) != err.offset;
		} else {
			fqz_image_close(img);
			bad += status != 0;
			unload(&b, 0);
		}
		bytes[at] ^= mask;
	}
	is_int(bad, 0, "damaged images are refused as libfqz refuses them");
	ok(refused > 290, "%u of them", refused);
	is_int(memory_free(&b), (int64_t)before, "no memory is lost");
	model_exit(&t);
	host_exit(&b.h);
}

static void test_memory(void)
{
	struct netgen_options opt = { .seed = 15, .layers = 6, .channels = 30, .size = 40 };
	struct fqa_hw_model_info info;
	struct fqa_hw_completion c;
	struct bench b;
	struct model t;
	uint64_t before, need;
	uint32_t slot = 0;
	int status;

	bench_init(&b, 1 << 20);
	model_init(&t, &opt, 1);
	before = memory_free(&b);
	do {
		status = host_load(&b.h, &b.admin, slot, t.image, t.len, &info, &c);
	} while (!status && ++slot < 200);
	ok(slot > 0 && slot < 200, "%u images fit", slot);
	is_int(status, FQA_SC_NO_MEMORY, "one more does not");
	need = le64toh(c.result);
	ok(need == pages(t.len) || need == pages(t.len) + pages(t.m->arena_bytes),
	   "it needs %llu bytes", (unsigned long long)need);
	ok(need > memory_free(&b), "more than there are");
	while (slot--)
		is_int(unload(&b, slot), 0, "UNLOAD");
	is_int(memory_free(&b), (int64_t)before, "all memory is back");
	model_exit(&t);
	host_exit(&b.h);
}

static void scribble(struct host *h, uint64_t addr, size_t len, bool write)
{
	/* What the card has read changes at once, and so does what follows. */
	if (!write && len >= 1024)
		memset(h->mem + (addr - HOST_BASE), 0xee, len);
}

/* A host that changes its memory while the card reads it. */
static void test_change(void)
{
	struct netgen_options opt = { .seed = 16, .layers = 6, .channels = 30, .size = 10 };
	struct fqa_hw_command cmd;
	struct bench b;
	struct model t;

	bench_init(&b, 4 << 20);
	model_init(&t, &opt, 1);
	cmd = load_command(&b, &t, 2048);
	b.h.on_dma = scribble;
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), 0,
	       "list and image are read once: changing them later changes nothing");
	b.h.on_dma = NULL;
	unload(&b, 3);
	is_int(host_do(&b.h, &b.admin, &cmd, NULL), FQA_SC_BAD_IMAGE, "what is there now is bad");
	model_exit(&t);
	host_exit(&b.h);
}

/* A bit flipped on purpose waits until no worker checks an image: that may not change. */
static void test_flip(void)
{
	struct netgen_options opt = { .seed = 18, .layers = 3, .channels = 9, .size = 9 };
	struct fqa_hw_completion c;
	struct fqa_hw_command cmd;
	struct bench b;
	struct model t;

	bench_init(&b, 4 << 20);
	model_init(&t, &opt, 1);
	cmd = load_command(&b, &t, 4096);
	b.h.hold = true;
	host_submit(&b.h, &b.admin, &cmd);
	host_pump(&b.h);
	is_int(card_work_pending(b.h.card), 1, "a LOAD is at its worker");
	is_int(card_fault_set(b.h.card, CARD_FAULT_FLIP_BIT, 8 * 100), 0, "a bit is to flip");
	b.h.hold = false;
	ok(host_wait(&b.h, &b.admin, &c) && !FQA_STATUS_CODE(le16toh(c.status)),
	   "it does so after the check");
	model_exit(&t);
	host_exit(&b.h);
}

static void test_limit(void)
{
	struct netgen_options opt = { .seed = 17, .layers = 3, .channels = 9, .size = 9,
				      .kind = FQZ_CONV };
	struct card_tick tick = { .units = 0 };
	struct card_model *m;
	struct fqz_error err;
	struct model t;

	model_init(&t, &opt, 1);
	ok(card_model_build(t.image, t.len, card_exec_default(), 1024, t.m->weights, &tick, &m,
			    &err) == -12, "decoded weights above a limit");
	tick.units = CARD_TICK_UNITS;
	atomic_store(&tick.cancel, true);
	ok(card_model_build(t.image, t.len, card_exec_default(), 1024, UINT64_MAX, &tick, &m,
			    &err) == -125, "a LOAD that was aborted");
	model_exit(&t);
}

int main(void)
{
	test_good();
	test_fields();
	test_damage();
	test_memory();
	test_change();
	test_flip();
	test_limit();
	return tap_done();
}
