// SPDX-License-Identifier: MIT
/* The card's registers, enabling, resets, power and fault knobs that need no image. */
#include "card_host.h"
#include "tap.h"

#include <endian.h>
#include <errno.h>

static void test_create(void)
{
	static const struct card_config bad[] = {
		{ 1 << 19, 1, 1, 1000 },
		{ (1 << 20) + 512, 1, 1, 1000 },
		{ (UINT64_C(64) << 30) + 4096, 1, 1, 1000 },
		{ 1 << 20, 0, 1, 1000 },
		{ 1 << 20, 65, 1, 1000 },
		{ 1 << 20, 1, 0, 1000 },
		{ 1 << 20, 1, 65537, 1000 },
		{ 1 << 20, 1, 1, 999 },
		{ 1 << 20, 1, 1, 10000001 },
	};
	static const struct card_host none;
	struct card *card;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(card_create(&bad[i], &none, NULL, &card), -EINVAL,
		       "a configuration out of range");
	card_destroy(NULL);
}

static void test_values(void)
{
	struct card_config config = { .memory = 64 << 20, .io_queues = 5, .lanes = 77,
				      .clock_khz = 123456 };
	struct host h;
	uint64_t cap;

	host_init(&h, &config, 1 << 20, 0);
	is_int(host_read(&h, FQA_REG_ID, 4), FQA_ID, "ID");
	is_int(host_read(&h, FQA_REG_VERSION, 4), 0x10000, "VERSION");
	cap = host_read(&h, FQA_REG_CAP, 8);
	is_int(FQA_CAP_MAX_ENTRIES(cap), 4096, "CAP: entries");
	is_int(FQA_CAP_IO_QUEUES(cap), 5, "CAP: queues");
	ok(FQA_CAP_READY_MS(cap) >= 100, "CAP: time to READY");
	is_int(host_read(&h, FQA_REG_FEATURES, 8), 0, "FEATURES");
	is_int(host_read(&h, FQA_REG_MEM_SIZE, 8), 64 << 20, "MEM_SIZE");
	is_int(host_read(&h, FQA_REG_MEM_SIZE, 4), 64 << 20, "MEM_SIZE, low half");
	is_int(host_read(&h, FQA_REG_MEM_SIZE + 4, 4), 0, "MEM_SIZE, high half");
	is_int(host_read(&h, FQA_REG_MEM_FREE, 8), 64 << 20, "MEM_FREE");
	is_int(host_read(&h, FQA_REG_LANES, 4), 77, "LANES");
	is_int(host_read(&h, FQA_REG_CLOCK_KHZ, 4), 123456, "CLOCK_KHZ");
	is_int(host_read(&h, FQA_REG_FORMAT, 4), 0x10001, "FORMAT");
	ok(host_read(&h, FQA_REG_FIRMWARE, 4) != 0, "FIRMWARE");
	is_int(host_read(&h, FQA_REG_SLOTS, 4), FQA_MAX_SLOTS, "SLOTS");
	is_int(host_read(&h, FQA_REG_CONTROL, 4), 0, "CONTROL");
	is_int(host_read(&h, FQA_REG_STATUS, 4), 0, "STATUS");
	is_int(h.guest_errors, 0, "no complaint");
	host_exit(&h);
}

static void test_accesses(void)
{
	static const struct {
		uint64_t offset;
		unsigned int size;
	} bad[] = {
		{ FQA_REG_ID, 8 }, { FQA_REG_ID, 2 }, { FQA_REG_ID, 1 }, { 2, 4 }, { 12, 8 },
		{ FQA_REG_MEM_FREE + 8, 4 }, { 0xffc, 4 }, { FQA_REG_PROGRESS(65), 4 },
		{ FQA_REG_PROGRESS(0), 8 }, { FQA_REG_PROGRESS(0) + 4, 4 },
		{ FQA_REG_SQ_TAIL(0), 4 }, { FQA_REG_CQ_HEAD(0), 4 }, { 0x4000, 4 },
		{ UINT64_MAX - 3, 4 }, { 0x1234567890ull * 8, 8 },
	};
	struct card_config config = CARD_CONFIG_DEFAULT;
	struct host h;
	unsigned int i;

	host_init(&h, &config, 1 << 20, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		h.guest_errors = 0;
		is_int(host_read(&h, bad[i].offset, bad[i].size), 0, "a bad read gives 0");
		is_int(h.guest_errors, 1, "and is logged");
	}
	h.guest_errors = 0;
	host_write(&h, FQA_REG_ID, 1, 4);
	host_write(&h, FQA_REG_CONTROL, 1, 8);
	host_write(&h, FQA_REG_ADMIN_SIZE, 1, 8);
	host_write(&h, FQA_REG_SQ_TAIL(0), 1, 8);
	host_write(&h, FQA_REG_SQ_TAIL(65), 1, 4);
	host_write(&h, FQA_REG_SQ_TAIL(0), 1, 4);
	is_int(h.guest_errors, 6, "bad writes are logged");
	is_int(host_read(&h, FQA_REG_ID, 4), FQA_ID, "and write nothing");
	is_int(host_read(&h, FQA_REG_CONTROL, 4), 0, "not even CONTROL");
	host_write(&h, FQA_REG_ADMIN_SQ, 0x1122334455667740, 8);
	is_int(host_read(&h, FQA_REG_ADMIN_SQ, 8), 0x1122334455667740, "a 64-bit write");
	host_write(&h, FQA_REG_ADMIN_SQ, 0x80, 4);
	host_write(&h, FQA_REG_ADMIN_SQ + 4, 0x99, 4);
	is_int(host_read(&h, FQA_REG_ADMIN_SQ, 8), 0x9900000080, "a write by halves");
	is_int(host_read(&h, FQA_REG_ADMIN_SQ + 4, 4), 0x99, "a read of a half");
	host_exit(&h);
}

static void test_enable(void)
{
	static const struct {
		uint32_t size;
		uint64_t sq, cq;
	} bad[] = {
		{ 0, 0x100000, 0x101000 },
		{ 7, 0x100000, 0x101000 },
		{ 7 << 16, 0x100000, 0x101000 },
		{ 0x10070007, 0x100000, 0x101000 },
		{ 0x00071007, 0x100000, 0x101000 },
		{ 0x00070007, 0x100020, 0x101000 },
		{ 0x00070007, 0x100000, 0x101001 },
	};
	struct card_config config = CARD_CONFIG_DEFAULT;
	struct host_ring admin;
	struct host h;
	unsigned int i;

	host_init(&h, &config, 1 << 20, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		host_write(&h, FQA_REG_ADMIN_SIZE, bad[i].size, 4);
		host_write(&h, FQA_REG_ADMIN_SQ, bad[i].sq, 8);
		host_write(&h, FQA_REG_ADMIN_CQ, bad[i].cq, 8);
		h.irqs[0] = 0;
		host_write(&h, FQA_REG_CONTROL, 1, 4);
		host_pump(&h);
		is_int(host_read(&h, FQA_REG_STATUS, 4),
		       FQA_STATUS_FATAL | FQA_FATAL_ADMIN << 8, "a bad admin queue is FATAL");
		is_int(h.irqs[0], 1, "with one interrupt");
		host_write(&h, FQA_REG_CONTROL, 0, 4);
		is_int(host_read(&h, FQA_REG_STATUS, 4), 0, "until it is reset");
	}
	is_int(h.dma_count, 0, "without any DMA");
	ok(host_enable(&h, &admin, 8), "then a good one is READY");
	h.guest_errors = 0;
	host_write(&h, FQA_REG_ADMIN_SIZE, 0, 4);
	host_write(&h, FQA_REG_ADMIN_SQ, 0, 8);
	host_write(&h, FQA_REG_ADMIN_CQ + 4, 0, 4);
	is_int(h.guest_errors, 3, "ADMIN registers are not written while enabled");
	is_int(host_read(&h, FQA_REG_ADMIN_SQ, 8), (int64_t)admin.sq, "and keep their values");
	host_exit(&h);
}

static int nop(struct host *h, struct host_ring *admin)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP, .cid = htole16(9) };

	return host_do(h, admin, &cmd, NULL);
}

static void test_power(void)
{
	struct card_config config = CARD_CONFIG_DEFAULT;
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP };
	struct host_ring admin;
	struct host h;

	host_init(&h, &config, 1 << 20, 0);
	ok(host_enable(&h, &admin, 8) && !nop(&h, &admin), "a card that works");
	host_submit(&h, &admin, &cmd);
	card_power(h.card, false);
	h.forbid_dma = true;
	host_pump(&h);
	is_int(host_read(&h, FQA_REG_ID, 4), 0xffffffff, "D3hot: ones in 32 bits");
	ok(host_read(&h, FQA_REG_CAP, 8) == UINT64_MAX, "D3hot: ones in 64 bits");
	host_write(&h, FQA_REG_CONTROL, 1, 4);
	host_write(&h, FQA_REG_SQ_TAIL(0), 5, 4);
	host_pump(&h);
	is_int(h.violations, 0, "D3hot: no DMA and no interrupt");
	card_power(h.card, true);
	host_pump(&h);
	is_int(host_read(&h, FQA_REG_STATUS, 4), 0, "back in D0 it is off");
	is_int(host_read(&h, FQA_REG_ADMIN_SQ, 8), 0, "and forgot its admin queue");
	h.forbid_dma = false;
	ok(host_enable(&h, &admin, 8) && !nop(&h, &admin), "and can be started");
	host_submit(&h, &admin, &cmd);
	card_reset(h.card);
	h.forbid_dma = true;
	host_pump(&h);
	is_int(h.violations, 0, "after a function level reset: no DMA");
	is_int(host_read(&h, FQA_REG_CONTROL, 4), 0, "ENABLE is 0");
	is_int(host_read(&h, FQA_REG_ADMIN_SIZE, 4), 0, "ADMIN_SIZE is 0");
	h.forbid_dma = false;
	ok(host_enable(&h, &admin, 8) && !nop(&h, &admin), "and it can be started");
	host_exit(&h);
}

static void test_gone(void)
{
	struct card_config config = CARD_CONFIG_DEFAULT;
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP };
	struct host_ring admin;
	struct host h;

	host_init(&h, &config, 1 << 20, 0);
	ok(host_enable(&h, &admin, 8), "a card that works");
	host_submit(&h, &admin, &cmd);
	is_int(card_fault_set(h.card, CARD_FAULT_GONE, 1), 0, "is pulled out");
	h.forbid_dma = true;
	host_pump(&h);
	is_int(host_read(&h, FQA_REG_STATUS, 4), 0xffffffff, "all ones");
	is_int(h.violations, 0, "no DMA and no interrupt");
	is_int(card_fault_get(h.card, CARD_FAULT_GONE), 1, "the knob reads back");
	is_int(card_fault_set(h.card, CARD_FAULT_GONE, 2), -EINVAL, "it is 0 or 1");
	h.forbid_dma = false;
	card_fault_set(h.card, CARD_FAULT_GONE, 0);
	is_int(host_read(&h, FQA_REG_STATUS, 4), 0, "back again, it is off");
	ok(host_enable(&h, &admin, 8) && !nop(&h, &admin), "and can be started");
	host_exit(&h);
}

static void test_knobs(void)
{
	struct card_config config = { .memory = 1 << 20, .io_queues = 1, .lanes = 1,
				      .clock_khz = 1000 };
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP, .cid = htole16(0xffff) };
	struct fqa_hw_completion c;
	struct host_ring admin;
	struct host h;

	host_init(&h, &config, 1 << 20, 0);
	ok(host_enable(&h, &admin, 8), "a card that works");
	card_fault_set(h.card, CARD_FAULT_DROP_IRQ, 1);
	h.irqs[0] = 0;
	is_int(nop(&h, &admin), 0, "a command completes");
	is_int(h.irqs[0], 0, "but its interrupt is dropped");
	is_int(card_fault_get(h.card, CARD_FAULT_DROP_IRQ), 0, "the knob counted down");
	is_int(nop(&h, &admin), 0, "the next one completes");
	is_int(h.irqs[0], 1, "with an interrupt");
	card_fault_set(h.card, CARD_FAULT_CORRUPT_COMPLETION, 1);
	host_submit(&h, &admin, &cmd);
	ok(host_wait(&h, &admin, &c) && c.cid != cmd.cid, "a completion of an unknown command");
	ok(!host_take(&h, &admin, &c), "instead of the right one");
	is_int(nop(&h, &admin), 0, "the next one is right");
	is_int(card_fault_set(h.card, CARD_FAULT_FLIP_BIT, 8 << 20), -EINVAL,
	       "no bit beyond card memory");
	is_int(card_fault_set(h.card, CARD_FAULT_FLIP_BIT, (8 << 20) - 1), 0, "the last bit flips");
	is_int(card_fault_set(h.card, (enum card_fault)99, 1), -EINVAL, "an unknown knob");
	is_int(card_fault_get(h.card, (enum card_fault)99), 0, "reads 0");
	host_exit(&h);
}

int main(void)
{
	test_create();
	test_values();
	test_accesses();
	test_enable();
	test_power();
	test_gone();
	test_knobs();
	return tap_done();
}
