// SPDX-License-Identifier: GPL-2.0
/*
 * A card that misbehaves, is taken away, or is reset by somebody else: the driver resets it,
 * and all goes on. The emulated card does so on request, through QEMU's monitor;
 * the tests are skipped where there is none. Hangs have fqaccel_recovery.c.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "fqaccel_monitor.h"
#include "kselftest_harness.h"

#define LONG_BATCH	4000	/* pictures: takes a while on any card */

#define SC_DMA_FAULT	0x10	/* CARD.md section 7 */

TEST_PROGRAM_NEEDS(test_monitor_there(), "no monitor")

FIXTURE(fault)
{
	int monitor;
	struct test_data data;
	struct test_rig rig;
	struct fqaccel_info before;
	unsigned long long backoff;
};

FIXTURE_SETUP(fault)
{
	self->monitor = test_monitor_open();
	ASSERT_LE(0, self->monitor);
	ASSERT_EQ(0, test_card_info(&self->before));
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, LONG_BATCH));
	fill_input(&self->rig, &self->data);
	ASSERT_EQ(0, change_parameter("backoff_max_ms", 1, &self->backoff));
}

FIXTURE_TEARDOWN(fault)
{
	test_rig_close(&self->rig);
	EXPECT_EQ(0, set_parameter("backoff_max_ms", self->backoff));
	/* Whatever happened, the card works afterwards and has all its memory. */
	EXPECT_TRUE(test_card_settles(&self->before));
	close(self->monitor);
}

TEST_F(fault, failed_dma)
{
	struct fqaccel_wait wait;

	ASSERT_EQ(0, set_fault(self->monitor, "fail-dma", 1));
	ASSERT_EQ(0, run_once(&self->rig, 1, &wait));
	EXPECT_EQ(-EFAULT, wait.status);
	EXPECT_EQ(SC_DMA_FAULT, wait.card_status);
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* A completion that names no command: whose was it? The card is reset, and the run starts anew. */
TEST_F_TIMEOUT(fault, corrupt_completion, 60)
{
	unsigned long long resets = get_counter("resets"), replays = get_counter("replays");

	ASSERT_EQ(0, set_fault(self->monitor, "corrupt-cqe", 1));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	EXPECT_EQ(resets + 1, get_counter("resets"));
	EXPECT_EQ(replays + 1, get_counter("replays"));
	/* The model was loaded again without its owner's help. */
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* The reset itself meets one too: it is tried again, with a reset of the function. */
TEST_F_TIMEOUT(fault, corrupt_completions_in_reset, 60)
{
	unsigned long long resets = get_counter("resets");
	int log = test_log_open();

	ASSERT_LE(0, log);
	ASSERT_EQ(0, set_fault(self->monitor, "corrupt-cqe", 2));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	EXPECT_EQ(resets + 1, get_counter("resets"));
	EXPECT_LE(0, test_log_find(log, "resetting the function"));
	EXPECT_LE(0, test_log_find(log, "reset done"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	close(log);
}

/* What is queued outlives a reset, its own open file's and another's, and so does what runs. */
TEST_F_TIMEOUT(fault, queued_runs_survive, 60)
{
	unsigned long long replays = get_counter("replays");
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct test_rig other;
	int i;

	ASSERT_EQ(0, test_rig_open(&other, &self->data, 1));
	ASSERT_EQ(0, set_fault(self->monitor, "corrupt-cqe", 1));
	for (i = 0; i < 40; i++)
		ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	EXPECT_EQ(0, run_once(&other, 1, &wait));
	EXPECT_EQ(0, wait.status);
	for (i = 1; i <= 40; i++) {
		ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, i, -1, &wait));
		EXPECT_EQ(0, wait.status);
	}
	EXPECT_TRUE(output_right(&self->rig, &self->data, LONG_BATCH));
	/* At most two on each hardware queue. */
	EXPECT_LT(replays, get_counter("replays"));
	EXPECT_GE(replays + 2 * self->before.hw_queues, get_counter("replays"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	test_rig_close(&other);
}

/* A lost interrupt of an admin command is noticed after a while. */
TEST_F_TIMEOUT(fault, lost_interrupt, 60)
{
	struct fqaccel_model_load model;

	ASSERT_EQ(0, set_fault(self->monitor, "drop-irq", 1));
	EXPECT_EQ(0, test_load(self->rig.fd, self->data.model, self->data.model_length,
			       &model));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* A run that hangs, and with it its ABORT: the owner's end takes a reset to clean up. */
TEST_F_TIMEOUT(fault, hung_run_of_killed_process, 90)
{
	struct fqaccel_wait wait;
	struct test_rig rig;
	int64_t start;
	int status;
	pid_t pid;

	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (test_rig_open(&rig, &self->data, 1))
			_exit(1);
		run_once(&rig, 1, &wait);
		_exit(2);
	}
	usleep(500000);
	start = test_now();
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_GT(2000000000, test_now() - start);
	/* Others go on meanwhile, on the queues that do not hang. */
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* Someone else resets the function: what was in flight starts anew, all else goes on. */
TEST_F_TIMEOUT(fault, function_reset, 60)
{
	unsigned long long replays = get_counter("replays");
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	int i;

	/* The card gets one that would never end, before any other. */
	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	usleep(500000);
	for (i = 1; i < 40; i++)
		ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	ASSERT_EQ(0, write_device("reset", &self->before));
	for (i = 1; i <= 40; i++) {
		ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, i, 30000, &wait));
		EXPECT_EQ(0, wait.status);
	}
	EXPECT_LT(replays, get_counter("replays"));
	EXPECT_GE(replays + 2 * self->before.hw_queues, get_counter("replays"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

static int polled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

static void check_gone(struct __test_metadata *_metadata, struct test_rig *rig)
{
	struct fqaccel_info info;
	struct fqaccel_wait wait;
	struct fqaccel_model_load model;
	struct test_buffer buf;

	EXPECT_EQ(-ENODEV, test_info(rig->fd, &info));
	EXPECT_EQ(-ENODEV, test_wait(rig->fd, rig->queue, 1, -1, &wait));
	EXPECT_EQ(-ENODEV, test_buffer(rig->fd, 1, 1, &buf));
	EXPECT_EQ(-ENODEV, test_load(rig->fd, "x", 1, &model));
	EXPECT_EQ(POLLERR | POLLHUP, polled(rig->fd) & (POLLERR | POLLHUP));
	/* The pages stay as long as they are mapped. */
	memset(rig->in.data, 0x5a, rig->in.length);
	EXPECT_EQ(0x5a, rig->in.data[rig->in.length - 1]);
}

/* In a process of its own: wait for a run, or submit another to a queue that is full. */
static pid_t start_waiter(struct test_rig *rig, uint32_t queue, const struct fqaccel_run *run)
{
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	pid_t pid = fork();
	int ret;

	if (pid)
		return pid;
	if (run)
		ret = test_submit(rig->fd, queue, 0, run, 1, &arg);
	else
		ret = test_wait(rig->fd, queue, 1, -1, &wait);
	_exit(ret == -ENODEV ? 0 : 1);
}

/* The driver lets go of a card that is in use, and takes it again. */
TEST_F_TIMEOUT(fault, unbind_in_use, 60)
{
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_submit arg;
	unsigned long long hang_ms;
	struct fqaccel_info info;
	uint32_t full;
	pid_t pids[2];
	int i, status;

	ASSERT_EQ(0, test_info(self->rig.fd, &info));
	ASSERT_EQ(0, test_queue(self->rig.fd, 1, &full));
	/* Its run does not end for long, so only the unbinding can end the waits. */
	ASSERT_EQ(0, change_parameter("hang_ms", 60000, &hang_ms));
	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	ASSERT_EQ(0, test_submit(self->rig.fd, full, 0, &run, 1, &arg));
	usleep(500000);
	for (i = 0; i < 40; i++)
		ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	pids[0] = start_waiter(&self->rig, full, NULL);
	pids[1] = start_waiter(&self->rig, full, &run);
	usleep(500000);
	for (i = 0; i < 2; i++) {
		ASSERT_LT(0, pids[i]);
		ASSERT_EQ(0, waitpid(pids[i], &status, WNOHANG));
	}
	ASSERT_EQ(0, write_driver("unbind", &info));
	EXPECT_EQ(0, set_parameter("hang_ms", hang_ms));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	check_gone(_metadata, &self->rig);
	EXPECT_EQ(-1, test_open());
	ASSERT_EQ(0, write_driver("bind", &info));
	/* The old open file stays with the card that is gone. */
	check_gone(_metadata, &self->rig);
}

/* Pulled out: every register reads as ones. No reset helps; the card is dead. */
TEST_F_TIMEOUT(fault, gone, 90)
{
	struct fqaccel_model_load model;
	struct fqaccel_wait wait;
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_submit arg;
	struct fqaccel_info info;

	ASSERT_EQ(0, test_info(self->rig.fd, &info));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	ASSERT_EQ(0, set_fault(self->monitor, "gone", 1));
	/* The LOAD is not answered, so the driver looks and finds out. */
	EXPECT_EQ(-ENODEV, test_load(self->rig.fd, self->data.model, self->data.model_length,
				     &model));
	EXPECT_EQ(-ENODEV, test_wait(self->rig.fd, self->rig.queue, 1, -1, &wait));
	check_gone(_metadata, &self->rig);

	/* Plugged in again: bound anew it works. */
	ASSERT_EQ(0, set_fault(self->monitor, "gone", 0));
	ASSERT_EQ(0, write_driver("unbind", &info));
	ASSERT_EQ(0, write_driver("bind", &info));
}

TEST_HARNESS_MAIN
