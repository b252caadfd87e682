// SPDX-License-Identifier: GPL-2.0
/*
 * In-fences and out-fences: what waits for them and what does not, the errors that they carry,
 * and that each is signaled, whatever becomes of its run.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fqaccel_fence.h"
#include "kselftest_harness.h"

#define OUT	FQACCEL_SUBMIT_OUT_FENCE

FIXTURE(fence)
{
	struct test_data data;
	struct test_rig rig;
	struct fqaccel_info before;
	uint32_t other;			/* a second queue */
	int files;
};

FIXTURE_SETUP(fence)
{
	ASSERT_EQ(0, test_card_info(&self->before));
	ASSERT_NE(0, self->before.features & FQACCEL_FEATURE_FENCES);
	ASSERT_EQ(0, test_data_read(&self->data));
	self->files = count_files();
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, self->data.pictures));
	ASSERT_EQ(0, test_queue(self->rig.fd, 0, &self->other));
	fill_input(&self->rig, &self->data);
}

/* Whatever happened, the card works afterwards and has all its memory. */
FIXTURE_TEARDOWN(fence)
{
	if (self->rig.fd >= 0)
		test_rig_close(&self->rig);
	EXPECT_EQ(self->files, count_files());
	EXPECT_TRUE(test_card_settles(&self->before));
}

/* A run that the card itself refuses: -EINVAL. */
static struct fqaccel_run bad_run(const struct test_rig *rig)
{
	struct fqaccel_run run = test_rig_run(rig, 1);

	run.layer_count = 1;
	run.in_length = 1;
	return run;
}

/* The status of a finished run, or a positive errno of WAIT. */
static int status_of(struct test_rig *rig, uint32_t queue, uint64_t sequence, int ms)
{
	struct fqaccel_wait wait;
	int ret = test_wait(rig->fd, queue, sequence, ms, &wait);

	return ret ? -ret : wait.status;
}

TEST_F_TIMEOUT(fence, out_fence, 120)
{
	struct fqaccel_run run = test_rig_run(&self->rig, self->data.pictures);
	struct fqaccel_run runs[] = { run, run, run };
	struct fqaccel_submit arg;

	ASSERT_EQ(0, fence_submit(self->rig.fd, self->rig.queue, OUT, -1, runs, 3, &arg));
	EXPECT_EQ(3, arg.accepted);
	EXPECT_EQ(3, arg.sequence);
	EXPECT_EQ(FD_CLOEXEC, fcntl(arg.out_fence, F_GETFD));
	ASSERT_EQ(1, fence_wait(arg.out_fence, SOON_MS));
	/* What it tells of is what WAIT does, and the output is there. */
	EXPECT_EQ(0, status_of(&self->rig, self->rig.queue, 3, 0));
	EXPECT_TRUE(output_right(&self->rig, &self->data, self->data.pictures));
	close(arg.out_fence);
}

/* Whose it is; newer kernels no longer say so when it is signaled. */
TEST_F_TIMEOUT(fence, names, 60)
{
	struct sync_fence_info fence = {};
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&fence };
	struct gate gate;

	ASSERT_EQ(0, gate_make(&gate, &self->data, ENDLESS_BATCH));
	ASSERT_EQ(0, ioctl(gate.fence, SYNC_IOC_FILE_INFO, &info));
	EXPECT_EQ(1, info.num_fences);
	EXPECT_EQ(0, fence.status);
	EXPECT_STREQ("fqaccel", fence.driver_name);
	EXPECT_EQ(0, strncmp(fence.obj_name, "fqaccel", 7));
	gate_drop(&gate);
}

/* Before those before it have ended it is not signaled, though its own run may have. */
TEST_F_TIMEOUT(fence, out_fence_in_order, 120)
{
	struct test_rig big;
	uint64_t sequence;
	int first, second;

	ASSERT_EQ(0, test_rig_open(&big, &self->data, LONG_BATCH));
	fill_input(&big, &self->data);
	first = fence_run(&big, big.queue, LONG_BATCH, -1, NULL);
	ASSERT_LE(0, first);
	second = fence_run(&big, big.queue, 1, -1, &sequence);
	ASSERT_LE(0, second);
	EXPECT_EQ(1, fence_wait(second, SOON_MS));
	EXPECT_EQ(1, fence_status(first));
	EXPECT_EQ(0, status_of(&big, big.queue, sequence, 0));
	close(first);
	close(second);
	test_rig_close(&big);
}

TEST_F_TIMEOUT(fence, out_fence_error, 120)
{
	struct fqaccel_run good = test_rig_run(&self->rig, 1), bad = bad_run(&self->rig);
	struct fqaccel_run runs[] = { good, bad, good };
	struct fqaccel_submit arg;
	int fence;

	ASSERT_EQ(0, fence_submit(self->rig.fd, self->rig.queue, OUT, -1, runs, 3, &arg));
	EXPECT_EQ(-EINVAL, fence_wait(arg.out_fence, SOON_MS));
	EXPECT_EQ(0, status_of(&self->rig, self->rig.queue, 1, 0));
	EXPECT_EQ(-EINVAL, status_of(&self->rig, self->rig.queue, 2, 0));
	close(arg.out_fence);
	/* It is not that of the queue, but of the SUBMIT. */
	fence = fence_run(&self->rig, self->rig.queue, 1, -1, NULL);
	EXPECT_EQ(1, fence_wait(fence, SOON_MS));
	close(fence);
}

TEST_F_TIMEOUT(fence, refused, 60)
{
	struct fqaccel_run run = test_rig_run(&self->rig, 1), wrong = run;
	struct rlimit limit, none = { .rlim_cur = self->files, .rlim_max = self->files };
	int files = count_files(), pipes[2], fd = self->rig.fd;
	uint32_t queue = self->rig.queue;
	struct fqaccel_submit arg;

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EBADF, fence_submit(fd, queue, 0, 1000, &run, 1, &arg));
	EXPECT_EQ(-EBADF, fence_submit(fd, queue, OUT, INT_MAX, &run, 1, &arg));
	EXPECT_EQ(-1, arg.out_fence);
	EXPECT_EQ(-EINVAL, fence_submit(fd, queue, OUT, pipes[0], &run, 1, &arg));
	EXPECT_EQ(-1, arg.out_fence);
	EXPECT_EQ(-EINVAL, fence_submit(fd, queue, 0, fd, &run, 1, &arg));
	close(pipes[0]);
	close(pipes[1]);
	arg.in_fence = -1;
	EXPECT_EQ(-EBADF, test_ioctl(fd, FQACCEL_IOC_SUBMIT, &arg));

	/* Fields without their flag, flags without their field. */
	arg.flags = 0;
	EXPECT_EQ(-EOPNOTSUPP, test_ioctl(fd, FQACCEL_IOC_SUBMIT, &arg));
	arg.in_fence = 0;
	arg.out_fence = -1;
	EXPECT_EQ(-EOPNOTSUPP, test_ioctl(fd, FQACCEL_IOC_SUBMIT, &arg));
	arg.flags = OUT | FQACCEL_SUBMIT_IN_FENCE;
	arg.size = offsetof(struct fqaccel_submit, in_fence);
	EXPECT_EQ(-EINVAL, test_ioctl(fd, FQACCEL_IOC_SUBMIT, &arg));
	arg.flags = OUT;
	arg.size = offsetof(struct fqaccel_submit, out_fence);
	EXPECT_EQ(-EINVAL, test_ioctl(fd, FQACCEL_IOC_SUBMIT, &arg));

	/* Runs that are refused, and no file for the fence: nothing is left of either. */
	wrong.out_length++;
	EXPECT_EQ(-EINVAL, fence_submit(fd, queue, OUT, -1, &wrong, 1, &arg));
	EXPECT_EQ(-1, arg.out_fence);
	EXPECT_EQ(-ENOENT, fence_submit(fd, 12345, OUT, -1, &run, 1, &arg));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none.rlim_max = limit.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, fence_submit(fd, queue, OUT, -1, &run, 1, &arg));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(0, arg.accepted);
	EXPECT_EQ(files, count_files());

	/* An older caller, who knows of no fences. */
	memset(&arg, TEST_POISON, sizeof(arg));
	arg.size = offsetof(struct fqaccel_submit, in_fence);
	arg.flags = 0;
	arg.queue = queue;
	arg.count = 1;
	arg.runs = (uintptr_t)&run;
	arg.run_size = sizeof(run);
	EXPECT_EQ(0, test_ioctl(fd, FQACCEL_IOC_SUBMIT, &arg));
	EXPECT_EQ(1, arg.sequence);
	EXPECT_EQ((int32_t)0xcccccccc, arg.in_fence);
	EXPECT_EQ(0, status_of(&self->rig, queue, 1, SOON_MS));
}

/* An answer that cannot be delivered: the runs go on, the fence is nobody's. */
TEST_F_TIMEOUT(fence, read_only_answer, 60)
{
	struct fqaccel_run run = test_rig_run(&self->rig, 1);
	int files = count_files();
	struct fqaccel_submit arg;
	void *page;

	fence_submit(-1, self->rig.queue, OUT, -1, &run, 1, &arg);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	memcpy(page, &arg, sizeof(arg));
	ASSERT_EQ(0, mprotect(page, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, test_ioctl(self->rig.fd, FQACCEL_IOC_SUBMIT, page));
	EXPECT_EQ(files, count_files());
	EXPECT_EQ(0, status_of(&self->rig, self->rig.queue, 1, SOON_MS));
	munmap(page, 4096);
}

/* How many queues wait for fences, as fdinfo has it. */
static int waiting_queues(int fd)
{
	char path[64], line[200];
	int count = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "fqaccel-waiting-queues: %d", &count);
	if (f)
		fclose(f);
	return count;
}

/* A queue waits for another open file's fence; nobody else does. */
TEST_F_TIMEOUT(fence, in_fence, 180)
{
	struct gate gate;
	uint64_t sequence;
	int fence;

	ASSERT_EQ(0, gate_make(&gate, &self->data, LONG_BATCH));
	fence = fence_run(&self->rig, self->rig.queue, 1, gate.fence, &sequence);
	ASSERT_LE(0, fence);
	/* Signaled later than the gate, however soon we look. */
	EXPECT_EQ(ETIME, status_of(&self->rig, self->rig.queue, sequence, 0));
	EXPECT_EQ(ETIME, status_of(&self->rig, self->rig.queue, sequence, 20));
	EXPECT_EQ(1, waiting_queues(self->rig.fd));
	EXPECT_EQ(0, fence_status(fence));
	EXPECT_EQ(1, fence_wait(fence, SOON_MS));
	EXPECT_EQ(1, fence_status(gate.fence));
	EXPECT_EQ(0, status_of(&self->rig, self->rig.queue, sequence, 0));
	EXPECT_EQ(0, waiting_queues(self->rig.fd));
	close(fence);
	/* One that is signaled already holds up nothing. */
	fence = fence_run(&self->rig, self->rig.queue, 1, gate.fence, &sequence);
	EXPECT_EQ(1, fence_wait(fence, SOON_MS));
	close(fence);
	gate_drop(&gate);
}

/* Other queues go on; runs behind the one that waits do not, fence or none. */
TEST_F_TIMEOUT(fence, only_the_queue_waits, 180)
{
	struct fqaccel_run run = test_rig_run(&self->rig, 1);
	struct fqaccel_submit arg, behind;
	struct gate gate;
	int i, fence;

	ASSERT_EQ(0, gate_make(&gate, &self->data, ENDLESS_BATCH));
	ASSERT_EQ(0, fence_submit(self->rig.fd, self->rig.queue, OUT, gate.fence, &run, 1, &arg));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &behind));
	for (i = 0; i < 8; i++) {
		fence = fence_run(&self->rig, self->other, 1, -1, NULL);
		EXPECT_EQ(1, fence_wait(fence, SOON_MS));
		close(fence);
	}
	/* Or else this has tested nothing. */
	ASSERT_EQ(0, fence_status(gate.fence));
	EXPECT_EQ(0, fence_status(arg.out_fence));
	EXPECT_EQ(ETIME, status_of(&self->rig, self->rig.queue, behind.sequence, 0));
	/* A fence that fails ends the runs that wait for it, and not those behind them. */
	gate_close_file(&gate);
	EXPECT_EQ(-ECANCELED, fence_wait(arg.out_fence, SOON_MS));
	EXPECT_GT(0, fence_status(gate.fence));
	EXPECT_EQ(-ECANCELED, status_of(&self->rig, self->rig.queue, arg.sequence, 0));
	EXPECT_EQ(0, status_of(&self->rig, self->rig.queue, behind.sequence, SOON_MS));
	close(arg.out_fence);
	/* Likewise if it has failed long ago. */
	fence = fence_run(&self->rig, self->rig.queue, 1, gate.fence, NULL);
	EXPECT_EQ(-ECANCELED, fence_wait(fence, SOON_MS));
	close(fence);
	gate_drop(&gate);
}

/* Depth and NONBLOCK hold for runs that wait, too; a part of a SUBMIT has its fence. */
TEST_F_TIMEOUT(fence, full_queue, 180)
{
	struct fqaccel_run run = test_rig_run(&self->rig, 1);
	struct fqaccel_run runs[] = { run, run, run, run };
	struct fqaccel_submit arg, none;
	struct gate gate;
	uint32_t queue;

	ASSERT_EQ(0, test_queue(self->rig.fd, 2, &queue));
	ASSERT_EQ(0, gate_make(&gate, &self->data, LONG_BATCH));
	ASSERT_EQ(0, fence_submit(self->rig.fd, queue, OUT | FQACCEL_SUBMIT_NONBLOCK, gate.fence,
				  runs, 4, &arg));
	EXPECT_EQ(2, arg.accepted);
	EXPECT_EQ(-EAGAIN, fence_submit(self->rig.fd, queue, OUT | FQACCEL_SUBMIT_NONBLOCK, -1,
					runs, 1, &none));
	EXPECT_EQ(-1, none.out_fence);
	EXPECT_EQ(1, fence_wait(arg.out_fence, SOON_MS));
	close(arg.out_fence);
	/* More than there is room for at once: it blocks, and the fence is that of all. */
	ASSERT_EQ(0, fence_submit(self->rig.fd, queue, OUT, gate.fence, runs, 4, &arg));
	EXPECT_EQ(4, arg.accepted);
	EXPECT_EQ(1, fence_wait(arg.out_fence, SOON_MS));
	EXPECT_EQ(0, status_of(&self->rig, queue, arg.sequence, 0));
	close(arg.out_fence);
	gate_drop(&gate);
}

/* Hundreds in flight, each waiting for the one before it in another queue. */
TEST_F_TIMEOUT(fence, chain, 300)
{
	enum { QUEUES = 3, LENGTH = 300 };
	uint64_t sequences[LENGTH];
	uint32_t queues[QUEUES];
	int fences[LENGTH], i;
	struct gate gate;

	for (i = 0; i < QUEUES; i++)
		ASSERT_EQ(0, test_queue(self->rig.fd, 0, &queues[i]));
	ASSERT_EQ(0, gate_make(&gate, &self->data, LONG_BATCH));
	for (i = 0; i < LENGTH; i++) {
		fences[i] = fence_run(&self->rig, queues[i % QUEUES], 1,
				      i ? fences[i - 1] : gate.fence, &sequences[i]);
		ASSERT_LE(0, fences[i]);
	}
	EXPECT_EQ(1, fence_wait(fences[LENGTH - 1], 2 * SOON_MS));
	for (i = 0; i < LENGTH; i++) {
		EXPECT_EQ(1, fence_status(fences[i]));
		EXPECT_EQ(0, status_of(&self->rig, queues[i % QUEUES], sequences[i], 0));
		close(fences[i]);
	}
	gate_drop(&gate);
}

TEST_F_TIMEOUT(fence, merge, 180)
{
	struct sync_merge_data merge = { .name = "both" };
	struct gate first, second;
	uint64_t sequence;
	int fence;

	ASSERT_EQ(0, gate_make(&first, &self->data, LONG_BATCH));
	ASSERT_EQ(0, gate_make(&second, &self->data, LONG_BATCH));
	merge.fd2 = second.fence;
	ASSERT_EQ(0, ioctl(first.fence, SYNC_IOC_MERGE, &merge));
	fence = fence_run(&self->rig, self->rig.queue, 1, merge.fence, &sequence);
	/* What waits has its own hold on the fence. */
	close(merge.fence);
	EXPECT_EQ(1, fence_wait(fence, SOON_MS));
	EXPECT_EQ(1, fence_status(first.fence));
	EXPECT_EQ(1, fence_status(second.fence));
	close(fence);
	gate_drop(&first);
	gate_drop(&second);
}

/* Send a file to another process, or get one. */
static int pass_file(int socket, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	if (fd < 0) {
		if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
			return -1;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		return fd;
	}
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -1;
}

/* Another process's fence; it is killed, and so its run ends, and with it ours. */
TEST_F_TIMEOUT(fence, other_process, 180)
{
	int pair[2], theirs, fence;
	struct gate gate;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* What the parent has open must not be kept open by us. */
		close(self->rig.fd);
		if (gate_make(&gate, &self->data, ENDLESS_BATCH) || pass_file(pair[1], gate.fence))
			_exit(1);
		pause();
		_exit(1);
	}
	theirs = pass_file(pair[0], -1);
	ASSERT_LE(0, theirs);
	fence = fence_run(&self->rig, self->rig.queue, 1, theirs, NULL);
	ASSERT_LE(0, fence);
	ASSERT_EQ(0, fence_status(theirs));
	EXPECT_EQ(0, fence_status(fence));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(-ECANCELED, fence_wait(fence, SOON_MS));
	EXPECT_GT(0, fence_status(theirs));
	close(theirs);
	close(fence);
	close(pair[0]);
	close(pair[1]);
}

/* DESTROY and close drop what waits, at once, and its fence tells. */
TEST_F_TIMEOUT(fence, destroy_and_close, 180)
{
	struct gate gate;
	int first, second, behind;

	ASSERT_EQ(0, gate_make(&gate, &self->data, ENDLESS_BATCH));
	first = fence_run(&self->rig, self->rig.queue, 1, gate.fence, NULL);
	second = fence_run(&self->rig, self->other, 1, gate.fence, NULL);
	behind = fence_run(&self->rig, self->other, 1, first, NULL);
	ASSERT_LE(0, behind);
	EXPECT_EQ(0, test_destroy(self->rig.fd, self->rig.queue));
	EXPECT_EQ(-ECANCELED, fence_wait(first, SOON_MS));
	EXPECT_EQ(0, fence_status(second));
	test_rig_close(&self->rig);
	self->rig.fd = -1;
	EXPECT_EQ(-ECANCELED, fence_wait(second, SOON_MS));
	EXPECT_EQ(-ECANCELED, fence_wait(behind, SOON_MS));
	/* Or else this has tested nothing. */
	EXPECT_EQ(0, fence_status(gate.fence));
	close(first);
	close(second);
	close(behind);
	gate_drop(&gate);
}

/* Fences of a killed process, held by another one. */
TEST_F_TIMEOUT(fence, kill_who_waits, 180)
{
	int pair[2], fence;
	struct test_rig rig;
	struct gate gate;
	pid_t pid;

	ASSERT_EQ(0, gate_make(&gate, &self->data, ENDLESS_BATCH));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(gate.rig.fd);
		close(self->rig.fd);
		if (test_rig_open(&rig, &self->data, 1))
			_exit(1);
		fence = fence_run(&rig, rig.queue, 1, gate.fence, NULL);
		if (fence < 0 || pass_file(pair[1], fence))
			_exit(1);
		pause();
		_exit(1);
	}
	fence = pass_file(pair[0], -1);
	ASSERT_LE(0, fence);
	EXPECT_EQ(0, fence_status(fence));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(-ECANCELED, fence_wait(fence, SOON_MS));
	EXPECT_EQ(0, fence_status(gate.fence));
	close(fence);
	close(pair[0]);
	close(pair[1]);
	gate_drop(&gate);
}

/*
 * The driver is unbound while fences wait, and bound again. They outlive their card, and
 * keep the module, whose code they need.
 */
TEST_F_TIMEOUT(fence, unbind, 180)
{
	struct test_rig rig;
	struct gate gate;
	int fence, late;

	ASSERT_EQ(0, gate_make(&gate, &self->data, ENDLESS_BATCH));
	fence = fence_run(&self->rig, self->rig.queue, 1, gate.fence, NULL);
	ASSERT_LE(0, fence);
	ASSERT_EQ(0, fence_status(fence));
	ASSERT_EQ(0, write_driver("unbind", &self->before));
	EXPECT_EQ(-ENODEV, fence_wait(gate.fence, SOON_MS));
	/* Dropped before or after its own fence had failed. */
	EXPECT_GT(0, fence_wait(fence, SOON_MS));
	gate_close_file(&gate);
	test_rig_close(&self->rig);
	self->rig.fd = -1;
	/* The files' teardown holds the module only if it were not flushed by its exit. */
	EXPECT_EQ(-1, syscall(SYS_delete_module, "fqaccel", O_NONBLOCK));
	EXPECT_EQ(-ENODEV, fence_status(gate.fence));
	ASSERT_EQ(0, write_driver("bind", &self->before));
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
	fill_input(&rig, &self->data);
	late = fence_run(&rig, rig.queue, 1, gate.fence, NULL);
	EXPECT_EQ(-ECANCELED, fence_wait(late, SOON_MS));
	EXPECT_EQ(0, run_right(&rig, &self->data));
	test_rig_close(&rig);
	close(late);
	close(fence);
	gate_drop(&gate);
}

FIXTURE(fault)
{
	int monitor;
	struct test_data data;
	struct test_rig rig;
	unsigned long long hang_ms, backoff_ms;
};

FIXTURE_SETUP(fault)
{
	self->monitor = test_monitor_open();
	/* The tests are skipped. */
	if (self->monitor < 0)
		return;
	ASSERT_EQ(0, change_parameter("hang_ms", 400, &self->hang_ms));
	ASSERT_EQ(0, change_parameter("backoff_max_ms", 1, &self->backoff_ms));
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, self->data.pictures));
	fill_input(&self->rig, &self->data);
}

FIXTURE_TEARDOWN(fault)
{
	if (self->monitor < 0)
		return;
	test_rig_close(&self->rig);
	EXPECT_EQ(0, set_parameter("hang_ms", self->hang_ms));
	EXPECT_EQ(0, set_parameter("backoff_max_ms", self->backoff_ms));
	close(self->monitor);
}

/*
 * What waits has not started: resets are nothing to it. What hangs fails, and its fence, but
 * not that of the innocent run behind it.
 */
TEST_F_TIMEOUT(fault, reset, 240)
{
	unsigned long long resets = get_counter("resets");
	int innocent, fence, doomed;
	struct gate bad;
	uint32_t other;

	if (self->monitor < 0)
		SKIP(return, "no monitor");
	/* There is time for all of this before the hang is seen. */
	ASSERT_EQ(0, set_parameter("hang_ms", 5000));
	ASSERT_EQ(0, test_queue(self->rig.fd, 0, &other));
	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	ASSERT_EQ(0, gate_make(&bad, &self->data, 1));
	innocent = fence_run(&bad.rig, bad.rig.queue, 1, -1, NULL);
	ASSERT_LE(0, innocent);
	fence = fence_run(&self->rig, self->rig.queue, self->data.pictures, innocent, NULL);
	doomed = fence_run(&self->rig, other, 1, bad.fence, NULL);
	ASSERT_LE(0, doomed);
	EXPECT_EQ(resets, get_counter("resets"));
	EXPECT_EQ(0, fence_status(fence));
	EXPECT_EQ(0, fence_status(doomed));

	EXPECT_EQ(-ETIMEDOUT, fence_wait(bad.fence, SOON_MS));
	EXPECT_EQ(-ECANCELED, fence_wait(doomed, SOON_MS));
	EXPECT_EQ(1, fence_wait(innocent, SOON_MS));
	EXPECT_EQ(1, fence_wait(fence, SOON_MS));
	EXPECT_TRUE(output_right(&self->rig, &self->data, self->data.pictures));
	EXPECT_EQ(resets + 1, get_counter("resets"));
	close(innocent);
	close(fence);
	close(doomed);
	gate_drop(&bad);
}

/* An open file that is shut out: what waits in it ends, too. */
TEST_F_TIMEOUT(fault, ban, 240)
{
	int i, hangs, next, behind;
	uint32_t other;

	if (self->monitor < 0)
		SKIP(return, "no monitor");
	ASSERT_EQ(0, test_queue(self->rig.fd, 0, &other));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
		hangs = fence_run(&self->rig, self->rig.queue, 1, -1, NULL);
		ASSERT_LE(0, hangs);
		next = fence_run(&self->rig, self->rig.queue, 1, hangs, NULL);
		behind = fence_run(&self->rig, other, 1, next, NULL);
		ASSERT_LE(0, behind);
		EXPECT_EQ(-ETIMEDOUT, fence_wait(hangs, SOON_MS));
		EXPECT_EQ(-ECANCELED, fence_wait(next, SOON_MS));
		EXPECT_EQ(-ECANCELED, fence_wait(behind, SOON_MS));
		close(hangs);
		close(next);
		close(behind);
	}
	EXPECT_EQ(-EBADFD, fence_run(&self->rig, self->rig.queue, 1, -1, NULL));
}

/* A timeline of the kernel's own, which signals when we say. */
struct sw_fence {
	uint32_t value;
	char name[32];
	int32_t fence;
};

#define SW_SYNC_CREATE	_IOWR('W', 0, struct sw_fence)
#define SW_SYNC_INC	_IOW('W', 1, uint32_t)

TEST_F_TIMEOUT(fence, other_driver, 180)
{
	struct sw_fence points[] = { { .value = 1, .name = "one" }, { .value = 2, .name = "two" } };
	int timeline = open("/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC);
	int fences[2], i;
	uint32_t one = 1;

	if (timeline < 0)
		SKIP(return, "no sw_sync");
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ioctl(timeline, SW_SYNC_CREATE, &points[i]));
		fences[i] = fence_run(&self->rig, i ? self->other : self->rig.queue, 1,
				      points[i].fence, NULL);
		ASSERT_LE(0, fences[i]);
		close(points[i].fence);
	}
	EXPECT_EQ(0, fence_wait(fences[0], 200));
	ASSERT_EQ(0, ioctl(timeline, SW_SYNC_INC, &one));
	EXPECT_EQ(1, fence_wait(fences[0], SOON_MS));
	EXPECT_EQ(0, fence_wait(fences[1], 200));
	/* A timeline that goes fails its fences. */
	close(timeline);
	EXPECT_EQ(-ECANCELED, fence_wait(fences[1], SOON_MS));
	close(fences[0]);
	close(fences[1]);
}

TEST_HARNESS_MAIN
