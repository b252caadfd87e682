// SPDX-License-Identifier: MIT
/*
 * The card as a PCI Express function, CARD.md section 2: identity, BARs,
 * capabilities, function level reset, power states, reset of the machine,
 * properties that are refused.
 */
#include <unistd.h>

#include <linux/pci_regs.h>

#include "bench.h"
#include "../unit/tap.h"

/* Sizes a BAR as firmware does, and puts it back. */
static uint32_t bar_size(struct bench *b, unsigned int bar)
{
	unsigned int at = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint32_t before = bench_cfg_readl(b, at);
	uint32_t mask;

	bench_cfg_writel(b, at, 0xffffffff);
	mask = bench_cfg_readl(b, at) & PCI_BASE_ADDRESS_MEM_MASK;
	bench_cfg_writel(b, at, before);
	return -mask;
}

static void test_identity(void)
{
	struct bench b;

	bench_start(&b, "fqaccel,queues=5");
	is_int(bench_cfg_readw(&b, PCI_VENDOR_ID), FQA_PCI_VENDOR, "vendor");
	is_int(bench_cfg_readw(&b, PCI_DEVICE_ID), FQA_PCI_DEVICE, "device");
	is_int(bench_cfg_readl(&b, PCI_CLASS_REVISION),
	       (int64_t)FQA_PCI_CLASS << 8 | FQA_PCI_REVISION, "class and revision");
	is_int(bench_cfg_readb(&b, PCI_HEADER_TYPE), 0, "an endpoint of one function");
	is_int(bench_cfg_readb(&b, PCI_INTERRUPT_PIN), 0, "no INTx");

	is_int(bench_cfg_readl(&b, PCI_BASE_ADDRESS_0) & 0xf, PCI_BASE_ADDRESS_MEM_TYPE_64,
	       "BAR0 is 64-bit memory, not prefetchable");
	is_int(bar_size(&b, FQA_BAR_REGS), FQA_BAR_REGS_SIZE, "size of BAR0");
	is_int(bench_cfg_readl(&b, PCI_BASE_ADDRESS_4) & 0xf, 0, "BAR4 is memory");
	ok(bar_size(&b, FQA_BAR_MSIX) >= 16 * 6 + 8, "BAR4 holds table and pending bits");

	ok(b.msix, "MSI-X capability");
	is_int((bench_cfg_readw(&b, b.msix + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1, 6,
	       "a vector for each of 5 I/O queues and one for the admin queue");
	is_int(bench_cfg_readl(&b, b.msix + PCI_MSIX_TABLE) & PCI_MSIX_TABLE_BIR, FQA_BAR_MSIX,
	       "the MSI-X table is in BAR4");
	is_int(bench_cfg_readl(&b, b.msix + PCI_MSIX_PBA) & PCI_MSIX_PBA_BIR, FQA_BAR_MSIX,
	       "and so are the pending bits");
	is_int(bench_cap(&b, PCI_CAP_ID_MSI), 0, "no MSI");

	ok(b.pcie, "PCI Express capability");
	ok(bench_cfg_readl(&b, b.pcie + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR,
	   "function level reset");
	ok(b.pm, "power management capability");
	is_int(bench_cfg_readw(&b, b.pm + PCI_PM_PMC) & (PCI_PM_CAP_D1 | PCI_PM_CAP_D2), 0,
	       "no D1, no D2");
	is_int(bench_cfg_readw(&b, b.pm + PCI_PM_CTRL) & PCI_PM_CTRL_NO_SOFT_RESET, 0,
	       "D3hot to D0 resets");
	is_int(bench_cfg_readw(&b, 0x100), PCI_EXT_CAP_ID_ERR, "AER capability");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static int nop(struct bench *b, unsigned int qid)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP };
	struct fqa_hw_completion cqe;

	return bench_command(b, qid, &cmd, &cqe);
}

static void flr(struct bench *b)
{
	uint16_t control = bench_cfg_readw(b, b->pcie + PCI_EXP_DEVCTL);

	bench_cfg_writew(b, b->pcie + PCI_EXP_DEVCTL, control | PCI_EXP_DEVCTL_BCR_FLR);
}

/* The state after any reset of the function; then it works like new. */
static void check_fresh(struct bench *b, const char *what)
{
	is_int(bench_cfg_readw(b, PCI_COMMAND), 0, "decoding and bus mastering are off");
	is_int(bench_cfg_readw(b, b->msix + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE, 0,
	       "MSI-X is off");
	bench_setup(b);
	is_int(bench_reg(b, FQA_REG_CONTROL), 0, "CONTROL is 0");
	is_int(bench_reg64(b, FQA_REG_ADMIN_SQ), 0, "ADMIN_SQ is 0");
	ok(bench_status_is(b, ~0u, 0), "STATUS becomes 0");
	ok(bench_enable(b, 16), "can be enabled after %s", what);
	is_int(nop(b, 0), FQA_SC_OK, "NOP");
	ok(bench_message(b, 0), "its message");
}

static void test_flr(void)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_NOP };
	struct bench b;
	unsigned int i;

	bench_start(&b, "fqaccel");
	ok(bench_enable(&b, 16), "enabled");
	is_int(bench_create_queue(&b, 1, 16), FQA_SC_OK, "an I/O queue");
	is_int(nop(&b, 1), FQA_SC_OK, "NOP on it");

	/* Commands that have been rung for but not answered are forgotten. */
	for (i = 0; i < 8; i++)
		bench_put(&b, 1, &cmd);
	bench_ring(&b, 1);
	flr(&b);
	check_fresh(&b, "a function level reset");
	is_int(bench_create_queue(&b, 1, 16), FQA_SC_OK, "the I/O queue is gone: made again");
	is_int(nop(&b, 1), FQA_SC_OK, "NOP on it");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

#define LOAD_BYTES	(32u << 20)

/* A function level reset in the middle of a LOAD: no DMA and no completion follow. */
static void test_flr_busy(void)
{
	struct fqa_hw_command cmd = { .opcode = FQA_OP_LOAD };
	struct fqa_hw_sge sge = { .addr = BENCH_DATA + 4096, .len = LOAD_BYTES };
	struct bench b;

	bench_start(&b, "fqaccel");
	ok(bench_enable(&b, 16), "enabled");
	qtest_write(b.q, BENCH_DATA, &sge, sizeof(sge));
	cmd.load.image.addr = BENCH_DATA;
	cmd.load.image.len = sizeof(sge);
	cmd.load.length = LOAD_BYTES;
	bench_put(&b, 0, &cmd);
	bench_ring(&b, 0);
	flr(&b);
	ok(bench_silent(&b, 0), "no completion of a LOAD after a reset");
	check_fresh(&b, "a reset in the middle of LOAD");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static void test_power(void)
{
	struct bench b;

	bench_start(&b, "fqaccel");
	ok(bench_enable(&b, 16), "enabled");
	bench_cfg_writew(&b, b.pm + PCI_PM_CTRL, 1);
	is_int(bench_cfg_readw(&b, b.pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK, 0,
	       "there is no D1");
	is_int(bench_reg(&b, FQA_REG_STATUS), FQA_STATUS_READY, "still ready");

	bench_cfg_writew(&b, b.pm + PCI_PM_CTRL, 3);
	is_int(bench_cfg_readw(&b, b.pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK, 3, "D3hot");
	is_int(bench_reg(&b, FQA_REG_ID), 0xffffffff, "registers read all ones");
	ok(bench_reg64(&b, FQA_REG_CAP) == ~0ull, "64-bit ones too");
	bench_reg_set(&b, FQA_REG_SQ_TAIL(0), 1);
	ok(bench_silent(&b, 0), "a doorbell in D3hot does nothing");

	bench_cfg_writew(&b, b.pm + PCI_PM_CTRL, 0);
	check_fresh(&b, "D3hot");

	/* A function level reset gets a card out of D3hot, too. */
	bench_cfg_writew(&b, b.pm + PCI_PM_CTRL, 3);
	flr(&b);
	is_int(bench_cfg_readw(&b, b.pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK, 0,
	       "D0 after a reset in D3hot");
	check_fresh(&b, "a reset in D3hot");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static void test_machine_reset(void)
{
	struct bench b;

	bench_start(&b, "fqaccel");
	ok(bench_enable(&b, 16), "enabled");
	qtest_outb(b.q, 0xcf9, 0x06);
	/* The window to configuration space goes with the reset: open it again. */
	usleep(200000);
	qtest_outl(b.q, 0xcf8, 0x80000060);
	qtest_outl(b.q, 0xcfc, 0xb0000001);
	check_fresh(&b, "a reset of the machine");
	is_int(bench_stop(&b), 0, "the emulator ends in good order");
}

static void test_properties(void)
{
	static const char *const bad[] = {
		"fqaccel,queues=0", "fqaccel,queues=65", "fqaccel,memory=4096",
		"fqaccel,memory=1048577", "fqaccel,memory=1T", "fqaccel,lanes=0",
		"fqaccel,clock-khz=999", "fqaccel,workers=257", "fqaccel,hang-next=x",
	};
	char text[1024];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		is_int(qtest_run(bad[i], text, sizeof(text)), 1, bad[i]);
		ok(strstr(text, "-device fqaccel"), "says: %s", text);
	}
}

int main(void)
{
	test_identity();
	test_flr();
	test_flr_busy();
	test_power();
	test_machine_reset();
	test_properties();
	return tap_done();
}
