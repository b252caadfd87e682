// SPDX-License-Identifier: GPL-2.0
/*
 * Errors on the card's PCI Express link: the kernel recovers the link, the driver the card,
 * and all that was in flight goes on, without guilt. QEMU's monitor makes the errors.
 *
 * Where the kernel can't reset the link (QEMU's hot-plug by ACPI), its recovery of
 * a fatal error fails. Before 6.18 the driver is not told and helps itself after 20 s; since
 * then it is, and the card is dead until it is found anew.
 */
#include "fqaccel_monitor.h"
#include "kselftest_harness.h"

#define LONG_BATCH	2000
#define RUNS		20

#define NON_FATAL	"pcie_aer_inject_error card COMP_TIME\n"
#define FATAL		"pcie_aer_inject_error card DLP\n"

TEST_PROGRAM_NEEDS(test_monitor_there(), "no monitor")

FIXTURE(link)
{
	int monitor;
	struct test_data data;
	struct test_rig rig;
	struct fqaccel_info before;
	unsigned long long backoff, hang_ms;
	bool given_up;			/* by the kernel, and its rig closed */
};

FIXTURE_SETUP(link)
{
	self->monitor = test_monitor_open();
	ASSERT_LE(0, self->monitor);
	ASSERT_EQ(0, test_card_info(&self->before));
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, LONG_BATCH));
	fill_input(&self->rig, &self->data);
	ASSERT_EQ(0, change_parameter("backoff_max_ms", 1, &self->backoff));
	/* Hangs are the tests' means, and not to be noticed. */
	ASSERT_EQ(0, change_parameter("hang_ms", 600000, &self->hang_ms));
}

FIXTURE_TEARDOWN(link)
{
	if (!self->given_up)
		test_rig_close(&self->rig);
	EXPECT_EQ(0, set_parameter("backoff_max_ms", self->backoff));
	EXPECT_EQ(0, set_parameter("hang_ms", self->hang_ms));
	EXPECT_TRUE(test_card_settles(&self->before));
	close(self->monitor);
}

/* The first of them does not end without a reset. */
static void start_runs(struct __test_metadata *_metadata, struct _test_data_link *self)
{
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_submit arg;
	int i;

	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	usleep(300000);
	for (i = 1; i < RUNS; i++)
		ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
}

static void end_runs(struct __test_metadata *_metadata, struct _test_data_link *self)
{
	struct fqaccel_wait wait;
	int i;

	for (i = 1; i <= RUNS; i++) {
		ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, i, 90000, &wait));
		EXPECT_EQ(0, wait.status);
	}
	EXPECT_TRUE(output_right(&self->rig, &self->data, LONG_BATCH));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* All runs end with their card, which works once it is found anew. */
static void check_given_up(struct __test_metadata *_metadata, struct _test_data_link *self)
{
	struct fqaccel_wait wait;
	int i;

	for (i = 1; i <= RUNS; i++)
		EXPECT_EQ(-ENODEV, test_wait(self->rig.fd, self->rig.queue, i, 90000, &wait));
	test_rig_close(&self->rig);
	self->given_up = true;
	ASSERT_EQ(0, write_device("remove", &self->before));
	ASSERT_EQ(0, write_file("/sys/bus/pci/rescan", "1"));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, LONG_BATCH));
	self->given_up = false;
	fill_input(&self->rig, &self->data);
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

static void check_error(struct __test_metadata *_metadata, struct _test_data_link *self,
			const char *error)
{
	unsigned long long replays = get_counter("replays"), hangs = get_counter("hangs");
	unsigned long long errors = get_counter("pci_errors");
	int log = test_log_open(), failed = test_log_open();
	struct fqaccel_wait wait;

	ASSERT_LE(0, log);
	ASSERT_LE(0, failed);
	start_runs(_metadata, self);
	ASSERT_EQ(0, tell_monitor(self->monitor, error));
	if (test_wait(self->rig.fd, self->rig.queue, 1, 90000, &wait) == -ENODEV) {
		EXPECT_LE(0, test_log_find_of(failed, "AER", "device reset failed"));
		check_given_up(_metadata, self);
		close(failed);
		close(log);
		return;
	}
	close(failed);
	end_runs(_metadata, self);
	EXPECT_EQ(errors + 1, get_counter("pci_errors"));
	EXPECT_LT(replays, get_counter("replays"));
	EXPECT_GE(replays + 2 * self->before.hw_queues, get_counter("replays"));
	EXPECT_EQ(hangs, get_counter("hangs"));
	EXPECT_LE(0, test_log_find(log, "met an error of PCI Express; starting it anew"));
	close(log);
}

/* Something on the link got lost, nobody knows what. */
TEST_F_TIMEOUT(link, non_fatal, 120)
{
	check_error(_metadata, self, NON_FATAL);
}

/* The second finds the first one's recovery anywhere. All runs end, and the card works. */
TEST_F_TIMEOUT(link, one_after_the_other, 120)
{
	struct fqaccel_wait wait;
	int i;

	start_runs(_metadata, self);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, tell_monitor(self->monitor, NON_FATAL));
	for (i = 1; i <= RUNS; i++) {
		ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, i, 90000, &wait));
		EXPECT_TRUE(!wait.status || wait.status == -ECANCELED);
	}
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* An error in the middle of the driver's own reset. */
TEST_F_TIMEOUT(link, during_a_reset, 120)
{
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	unsigned long long resets = get_counter("resets");
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;

	ASSERT_EQ(0, set_fault(self->monitor, "corrupt-cqe", 2));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	ASSERT_EQ(0, tell_monitor(self->monitor, NON_FATAL));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, 1, 90000, &wait));
	EXPECT_TRUE(!wait.status || wait.status == -ECANCELED);
	EXPECT_LT(resets, get_counter("resets"));
	/* Some of the corrupt ones may be left. */
	ASSERT_EQ(0, set_fault(self->monitor, "corrupt-cqe", 0));
	run_once(&self->rig, 1, &wait);
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* The link's error is of a card that is dead already: nothing comes of it. */
TEST_F_TIMEOUT(link, of_a_dead_card, 120)
{
	struct fqaccel_model_load model;
	struct fqaccel_info info;

	ASSERT_EQ(0, test_info(self->rig.fd, &info));
	ASSERT_EQ(0, set_fault(self->monitor, "gone", 1));
	EXPECT_EQ(-ENODEV, test_load(self->rig.fd, self->data.model, self->data.model_length,
				     &model));
	ASSERT_EQ(0, tell_monitor(self->monitor, NON_FATAL));
	EXPECT_EQ(-ENODEV, test_info(self->rig.fd, &info));
	ASSERT_EQ(0, set_fault(self->monitor, "gone", 0));
	EXPECT_EQ(-ENODEV, test_info(self->rig.fd, &info));
	info = self->before;
	ASSERT_EQ(0, write_driver("unbind", &info));
	ASSERT_EQ(0, write_driver("bind", &info));
}

/*
 * The link is reset, and the card with it. The last test, since a port whose recovery has failed
 * tells of no further errors.
 */
TEST_F_TIMEOUT(link, fatal, 120)
{
	check_error(_metadata, self, FATAL);
}

TEST_HARNESS_MAIN
