// SPDX-License-Identifier: GPL-2.0
/*
 * SUBMIT through io_uring: one thread keeps the card busy, and nothing keeps a process that ends.
 * Where the kernel cannot cancel such commands, they are refused.
 */
#include <linux/io_uring.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fqaccel_fence.h"
#include "kselftest_harness.h"

#define ENTRIES		128
#define OUT		FQACCEL_SUBMIT_OUT_FENCE

/* No more than these tests need of io_uring; with SQEs and CQEs of either size. */
struct ring {
	int fd;
	unsigned int flags;
	void *rings;
	size_t rings_length;
	struct io_uring_sqe *sqes;
	size_t sqes_length;
	unsigned int *sq_tail, *sq_array, *cq_head, *cq_tail, sq_mask, cq_mask;
	struct io_uring_cqe *cqes;
};

static int ring_open(struct ring *ring, unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };
	size_t sq, cq;

	ring->fd = syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (ring->fd < 0)
		return -errno;
	ring->flags = flags;
	sq = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe) *
	     (flags & IORING_SETUP_CQE32 ? 2 : 1);
	ring->rings_length = sq > cq ? sq : cq;
	ring->rings = mmap(NULL, ring->rings_length, PROT_READ | PROT_WRITE, MAP_SHARED,
			   ring->fd, IORING_OFF_SQ_RING);
	ring->sqes_length = p.sq_entries * sizeof(struct io_uring_sqe) *
			    (flags & IORING_SETUP_SQE128 ? 2 : 1);
	ring->sqes = mmap(NULL, ring->sqes_length, PROT_READ | PROT_WRITE, MAP_SHARED,
			  ring->fd, IORING_OFF_SQES);
	if (ring->rings == MAP_FAILED || ring->sqes == MAP_FAILED)
		return -errno;
	ring->sq_tail = ring->rings + p.sq_off.tail;
	ring->sq_array = ring->rings + p.sq_off.array;
	ring->sq_mask = p.sq_entries - 1;
	ring->cq_head = ring->rings + p.cq_off.head;
	ring->cq_tail = ring->rings + p.cq_off.tail;
	ring->cq_mask = p.cq_entries - 1;
	ring->cqes = ring->rings + p.cq_off.cqes;
	return 0;
}

static void ring_close(struct ring *ring)
{
	munmap(ring->sqes, ring->sqes_length);
	munmap(ring->rings, ring->rings_length);
	close(ring->fd);
}

/* A command for the next ring_enter(); whoever wants another form changes the SQE. */
static struct io_uring_sqe *ring_command(struct ring *ring, int fd, struct fqaccel_submit *submit,
					 uint64_t data)
{
	unsigned int tail = *ring->sq_tail, at = tail & ring->sq_mask;
	struct fqaccel_uring_cmd cmd = { .arg = (uintptr_t)submit };
	unsigned int wide = !!(ring->flags & IORING_SETUP_SQE128);
	struct io_uring_sqe *sqe = &ring->sqes[at << wide];

	memset(sqe, 0, sizeof(*sqe) << wide);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = FQACCEL_IOC_SUBMIT;
	sqe->user_data = data;
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
	ring->sq_array[at] = at;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	return sqe;
}

/* Submit @count commands; how many the kernel has taken, or a negative errno. */
static int ring_enter(struct ring *ring, unsigned int count)
{
	int ret = syscall(SYS_io_uring_enter, ring->fd, count, 0, 0, NULL, 0);

	return ret < 0 ? -errno : ret;
}

/* The next completion, or false after @ms. */
static bool ring_wait(struct ring *ring, struct io_uring_cqe *cqe, uint64_t *extra, int ms)
{
	unsigned int wide = !!(ring->flags & IORING_SETUP_CQE32), head = *ring->cq_head;
	struct pollfd p = { .fd = ring->fd, .events = POLLIN };
	int64_t end = test_now() + ms * 1000000LL;
	struct io_uring_cqe *found;

	while (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) {
		if (test_now() >= end)
			return false;
		/* Completions are posted by this task when it is in the kernel. */
		poll(&p, 1, 20);
		syscall(SYS_io_uring_enter, ring->fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
	}
	found = &ring->cqes[(head & ring->cq_mask) << wide];
	*cqe = *found;
	if (wide && extra)
		*extra = ((uint64_t *)(found + 1))[0];
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

/* Whether the kernel has what the driver needs for this. */
static bool kernel_can_cancel(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	bool found = false;
	char line[500];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " io_uring_cmd_mark_cancelable\n");
	if (f)
		fclose(f);
	return found;
}

FIXTURE(uring)
{
	struct test_data data;
	struct test_rig rig;
	struct fqaccel_info before;
	struct ring ring;
	struct fqaccel_run run;
	bool refused;
};

FIXTURE_SETUP(uring)
{
	struct fqaccel_submit none = {};
	struct io_uring_cqe cqe;

	ASSERT_EQ(0, test_card_info(&self->before));
	ASSERT_EQ(kernel_can_cancel(), !!(self->before.features & FQACCEL_FEATURE_URING));
	ASSERT_EQ(0, ring_open(&self->ring, 0));
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, self->data.pictures));
	fill_input(&self->rig, &self->data);
	self->run = test_rig_run(&self->rig, 1);
	if (self->before.features & FQACCEL_FEATURE_URING)
		return;
	/* Then the feature is not only hidden. */
	ring_command(&self->ring, self->rig.fd, &none, 1);
	ASSERT_EQ(1, ring_enter(&self->ring, 1));
	ASSERT_TRUE(ring_wait(&self->ring, &cqe, NULL, SOON_MS));
	ASSERT_EQ(-EOPNOTSUPP, cqe.res);
	self->refused = true;
}

FIXTURE_TEARDOWN(uring)
{
	ring_close(&self->ring);
	test_rig_close(&self->rig);
	/* A command that pins its file would keep what the file holds. */
	EXPECT_TRUE(test_card_settles(&self->before));
}

/* One thread, one system call, as many commands as the ring has; results in full. */
TEST_F_TIMEOUT(uring, batch, 180)
{
	struct fqaccel_submit args[ENTRIES];
	bool seen[ENTRIES] = {};
	struct fqaccel_wait wait;
	struct io_uring_cqe cqe;
	int i;

	if (self->refused)
		return;
	for (i = 0; i < ENTRIES; i++) {
		args[i] = test_submit_arg(self->rig.queue, 0, &self->run, 1);
		ring_command(&self->ring, self->rig.fd, &args[i], i);
	}
	ASSERT_EQ(ENTRIES, ring_enter(&self->ring, ENTRIES));
	for (i = 0; i < ENTRIES; i++) {
		ASSERT_TRUE(ring_wait(&self->ring, &cqe, NULL, SOON_MS));
		ASSERT_LT(cqe.user_data, ENTRIES);
		EXPECT_EQ(0, cqe.res);
		EXPECT_FALSE(seen[cqe.user_data]);
		seen[cqe.user_data] = true;
		EXPECT_EQ(1, args[cqe.user_data].accepted);
		/* When it has completed, so has the run. */
		ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue,
				       args[cqe.user_data].sequence, 0, &wait));
		EXPECT_EQ(0, wait.status);
	}
	EXPECT_TRUE(output_right(&self->rig, &self->data, 1));
}

/* Wide SQEs and CQEs; a wide CQE has the sequence number. Fences work as well. */
TEST_F_TIMEOUT(uring, wide, 120)
{
	struct fqaccel_submit arg, waits;
	struct io_uring_cqe cqe;
	struct ring ring;
	uint64_t extra;

	if (self->refused)
		return;
	ASSERT_EQ(0, ring_open(&ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32));
	arg = test_submit_arg(self->rig.queue, OUT, &self->run, 1);
	ring_command(&ring, self->rig.fd, &arg, 1);
	ASSERT_EQ(1, ring_enter(&ring, 1));
	ASSERT_TRUE(ring_wait(&ring, &cqe, &extra, SOON_MS));
	EXPECT_EQ(0, cqe.res);
	EXPECT_EQ(1, extra);
	EXPECT_EQ(1, fence_wait(arg.out_fence, SOON_MS));
	waits = test_submit_arg(self->rig.queue, FQACCEL_SUBMIT_IN_FENCE, &self->run, 1);
	waits.in_fence = arg.out_fence;
	ring_command(&ring, self->rig.fd, &waits, 2);
	ASSERT_EQ(1, ring_enter(&ring, 1));
	ASSERT_TRUE(ring_wait(&ring, &cqe, &extra, SOON_MS));
	EXPECT_EQ(0, cqe.res);
	EXPECT_EQ(2, extra);
	close(arg.out_fence);
	ring_close(&ring);
}

/* One command; what it completes with. */
static int one_result(struct ring *ring, struct io_uring_sqe *sqe)
{
	struct io_uring_cqe cqe;

	(void)sqe;
	if (ring_enter(ring, 1) != 1)
		return 1;
	return ring_wait(ring, &cqe, NULL, SOON_MS) ? cqe.res : 2;
}

TEST_F_TIMEOUT(uring, refused, 120)
{
	struct fqaccel_submit arg = test_submit_arg(self->rig.queue, 0, &self->run, 1), bad = arg;
	struct fqaccel_run wrong = self->run;
	struct ring *ring = &self->ring;
	struct fqaccel_uring_cmd cmd;
	struct io_uring_sqe *sqe;
	int fd = self->rig.fd;

	if (self->refused)
		return;
	bad.queue = 12345;
	EXPECT_EQ(-ENOENT, one_result(ring, ring_command(ring, fd, &bad, 0)));
	bad = arg;
	bad.flags = 0x80000000;
	EXPECT_EQ(-EOPNOTSUPP, one_result(ring, ring_command(ring, fd, &bad, 0)));
	bad = arg;
	bad.size = 4;
	EXPECT_EQ(-EINVAL, one_result(ring, ring_command(ring, fd, &bad, 0)));
	EXPECT_EQ(-EFAULT, one_result(ring, ring_command(ring, fd, NULL, 0)));
	sqe = ring_command(ring, fd, &arg, 0);
	sqe->cmd_op = FQACCEL_IOC_INFO;
	EXPECT_EQ(-ENOTTY, one_result(ring, sqe));
	sqe = ring_command(ring, fd, &arg, 0);
	cmd = (struct fqaccel_uring_cmd){ .arg = (uintptr_t)&arg, .pad = 1 };
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
	EXPECT_EQ(-EOPNOTSUPP, one_result(ring, sqe));
	/* Nothing of these was accepted. A run that fails is another matter. */
	wrong.layer_count = 1;
	wrong.in_length = 1;
	bad = test_submit_arg(self->rig.queue, 0, &wrong, 1);
	EXPECT_EQ(-EINVAL, one_result(ring, ring_command(ring, fd, &bad, 0)));
	EXPECT_EQ(1, bad.sequence);
	EXPECT_EQ(0, one_result(ring, ring_command(ring, fd, &arg, 0)));
	EXPECT_EQ(2, arg.sequence);
}

/* A full queue: commands wait in io_uring, unless they are not to; none blocks the thread. */
TEST_F_TIMEOUT(uring, full_queue, 180)
{
	struct fqaccel_run runs[] = { self->run, self->run, self->run, self->run };
	struct fqaccel_submit args[8], now;
	struct io_uring_cqe cqe;
	struct gate gate;
	uint32_t queue;
	int i, again = 0;

	if (self->refused)
		return;
	ASSERT_EQ(0, test_queue(self->rig.fd, 2, &queue));
	ASSERT_EQ(0, gate_make(&gate, &self->data, LONG_BATCH));
	for (i = 0; i < 8; i++) {
		/* The last one has more runs than the queue ever has room for. */
		args[i] = test_submit_arg(queue, FQACCEL_SUBMIT_IN_FENCE, runs, i < 7 ? 1 : 4);
		args[i].in_fence = gate.fence;
		ring_command(&self->ring, self->rig.fd, &args[i], i);
	}
	ASSERT_EQ(8, ring_enter(&self->ring, 8));
	ASSERT_EQ(0, fence_status(gate.fence));
	now = test_submit_arg(queue, FQACCEL_SUBMIT_NONBLOCK, &self->run, 1);
	ring_command(&self->ring, self->rig.fd, &now, 100);
	ASSERT_EQ(1, ring_enter(&self->ring, 1));
	for (i = 0; i < 9; i++) {
		ASSERT_TRUE(ring_wait(&self->ring, &cqe, NULL, SOON_MS));
		again += cqe.user_data == 100;
		EXPECT_EQ(cqe.user_data == 100 ? -EAGAIN : 0, cqe.res);
		if (cqe.user_data < 8)
			EXPECT_EQ(args[cqe.user_data].count, args[cqe.user_data].accepted);
	}
	EXPECT_EQ(1, again);
	gate_drop(&gate);
}

/* A ring that goes takes its commands along, and the runs that have not started. */
TEST_F_TIMEOUT(uring, close_ring, 180)
{
	struct fqaccel_submit args[4];
	struct fqaccel_wait wait;
	struct gate gate;
	struct ring ring;
	uint32_t queue;
	int i;

	if (self->refused)
		return;
	ASSERT_EQ(0, test_queue(self->rig.fd, 2, &queue));
	ASSERT_EQ(0, gate_make(&gate, &self->data, ENDLESS_BATCH));
	ASSERT_EQ(0, ring_open(&ring, 0));
	for (i = 0; i < 4; i++) {
		args[i] = test_submit_arg(queue, FQACCEL_SUBMIT_IN_FENCE, &self->run, 1);
		args[i].in_fence = gate.fence;
		ring_command(&ring, self->rig.fd, &args[i], i);
	}
	ASSERT_EQ(4, ring_enter(&ring, 4));
	ring_close(&ring);
	for (i = 1; i <= 2; i++) {
		ASSERT_EQ(0, test_wait(self->rig.fd, queue, i, SOON_MS, &wait));
		EXPECT_EQ(-ECANCELED, wait.status);
	}
	EXPECT_EQ(0, fence_status(gate.fence));
	gate_drop(&gate);
}

/* A process is killed with commands of all kinds in flight: on the card, waiting, without room. */
TEST_F_TIMEOUT(uring, kill, 240)
{
	struct fqaccel_submit args[8];
	struct fqaccel_run endless;
	struct test_rig rig;
	struct gate gate;
	struct ring ring;
	uint32_t queue;
	int pair[2], i, out;
	int64_t start;
	pid_t pid;
	char byte;

	if (self->refused)
		return;
	ASSERT_EQ(0, gate_make(&gate, &self->data, ENDLESS_BATCH));
	ASSERT_EQ(0, pipe(pair));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(gate.rig.fd);
		close(self->rig.fd);
		close(self->ring.fd);
		if (test_rig_open(&rig, &self->data, ENDLESS_BATCH) ||
		    test_queue(rig.fd, 2, &queue) || ring_open(&ring, 0))
			_exit(1);
		endless = test_rig_run(&rig, ENDLESS_BATCH);
		for (i = 0; i < 8; i++) {
			args[i] = test_submit_arg(i < 2 ? rig.queue : queue,
						  i < 2 ? 0 : FQACCEL_SUBMIT_IN_FENCE, &endless, 1);
			if (i >= 2)
				args[i].in_fence = gate.fence;
			ring_command(&ring, rig.fd, &args[i], i);
		}
		if (ring_enter(&ring, 8) != 8)
			_exit(1);
		usleep(200000);
		if (write(pair[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	close(pair[1]);
	ASSERT_EQ(1, read(pair[0], &byte, 1));
	start = test_now();
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &out, 0));
	EXPECT_TRUE(WIFSIGNALED(out));
	/* Its exit has not waited for the card, which is at the gate for longer. */
	EXPECT_GT(SOON_MS, (test_now() - start) / 1000000);
	EXPECT_EQ(0, fence_status(gate.fence));
	close(pair[0]);
	gate_drop(&gate);
}

/* The driver is unbound: every command completes. */
TEST_F_TIMEOUT(uring, unbind, 180)
{
	struct fqaccel_submit args[8];
	struct io_uring_cqe cqe;
	struct gate gate;
	uint32_t queue;
	int i;

	if (self->refused)
		return;
	ASSERT_EQ(0, test_queue(self->rig.fd, 4, &queue));
	ASSERT_EQ(0, gate_make(&gate, &self->data, ENDLESS_BATCH));
	for (i = 0; i < 8; i++) {
		args[i] = test_submit_arg(queue, FQACCEL_SUBMIT_IN_FENCE, &self->run, 1);
		args[i].in_fence = gate.fence;
		ring_command(&self->ring, self->rig.fd, &args[i], i);
	}
	ASSERT_EQ(8, ring_enter(&self->ring, 8));
	ASSERT_EQ(0, write_driver("unbind", &self->before));
	for (i = 0; i < 8; i++) {
		ASSERT_TRUE(ring_wait(&self->ring, &cqe, NULL, SOON_MS));
		EXPECT_TRUE(cqe.res == -ENODEV || cqe.res == -ECANCELED)
			TH_LOG("%d", cqe.res);
	}
	gate_drop(&gate);
	EXPECT_EQ(0, write_driver("bind", &self->before));
}

TEST_HARNESS_MAIN
