// SPDX-License-Identifier: GPL-2.0
/*
 * Memory in its large: buffers of scattered pages, whom they are charged to, and whose they
 * are while runs wait for fences (which shows where DMA bounces: test_swiotlb.sh). As root,
 * with cgroup2 at /sys/fs/cgroup.
 */
#include <sys/wait.h>

#include "fqaccel_fence.h"
#include "kselftest_harness.h"

#define CGROUP	"/sys/fs/cgroup/fqaccel-test"
#define MIB	1048576ULL

static unsigned long long charged(void)
{
	unsigned long long bytes;

	return read_number(CGROUP "/memory.current", &bytes) ? 0 : bytes;
}

/* How often the kernel has killed somebody in the group for its memory. */
static int kills(void)
{
	char text[1000] = "", *p;
	int fd = open(CGROUP "/memory.events", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -1;
	close(fd);
	p = strstr(text, "oom_kill ");
	return p ? atoi(p + strlen("oom_kill ")) : -1;
}

FIXTURE(memory)
{
	int fd;
};

FIXTURE_SETUP(memory)
{
	self->fd = test_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(memory)
{
	close(self->fd);
	rmdir(CGROUP);
}

static int create(int fd, uint64_t length, uint32_t *handle)
{
	struct fqaccel_buffer_create arg = {
		.size = sizeof(arg), .length = length, .flags = FQACCEL_BUFFER_CARD_READS,
	};
	int ret = test_ioctl(fd, FQACCEL_IOC_BUFFER_CREATE, &arg);

	*handle = arg.handle;
	return ret;
}

/* In the group: 0, or how far it got. */
static int charged_child(void)
{
	int fd = test_open(), i, ret;
	unsigned long long before;
	uint32_t handle;

	if (fd < 0 || write_file(CGROUP "/cgroup.procs", "0"))
		return 1;
	before = charged();
	if (create(fd, 16 * MIB, &handle))
		return 2;
	if (charged() < before + 16 * MIB)
		return 3;
	if (test_destroy(fd, handle))
		return 4;
	/* Charges are given back by the batch. */
	for (i = 0; i < 400 && charged() >= before + 8 * MIB; i++)
		usleep(50000);
	if (charged() >= before + 8 * MIB)
		return 5;
	if (write_file(CGROUP "/memory.max", "33554432"))
		return 6;
	/* Refused, again and again, and nobody pays for it with its life. */
	for (i = 0; i < 5; i++) {
		ret = create(fd, 64 * MIB, &handle);
		if (ret != -ENOMEM)
			return 7;
	}
	return create(fd, 16 * MIB, &handle) ? 8 : 0;
}

TEST_F_TIMEOUT(memory, cgroup, 300)
{
	int status;
	pid_t pid;

	if (access("/sys/fs/cgroup/cgroup.controllers", R_OK))
		SKIP(return, "there is no cgroup2 at /sys/fs/cgroup");
	ASSERT_EQ(0, write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(charged_child());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("step %d", WEXITSTATUS(status));
	EXPECT_EQ(0, kills());
}

/*
 * More than any contiguous block that the kernel has, with holes in what it takes it from:
 * zeroed, written by the CPU up to its end, and read by the card there.
 */
TEST_F_TIMEOUT(memory, scattered, 300)
{
	const size_t length = 48 * MIB, page = sysconf(_SC_PAGESIZE), hole = 256 * page;
	struct test_buffer buf, small[64];
	struct test_data data;
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct fqaccel_run run;
	struct test_rig rig;
	uint32_t batch, i;
	size_t n;

	ASSERT_EQ(0, test_data_read(&data));
	/* One after the other, and every other one goes. */
	for (i = 0; i < 64; i++) {
		ASSERT_EQ(0, test_buffer(self->fd, hole, FQACCEL_BUFFER_CARD_READS, &small[i]));
		munmap(small[i].data, hole);
	}
	for (i = 0; i < 64; i += 2)
		ASSERT_EQ(0, test_destroy(self->fd, small[i].handle));
	ASSERT_EQ(0, test_rig_open(&rig, &data, 65536));
	ASSERT_EQ(0, test_buffer(rig.fd, length, FQACCEL_BUFFER_CARD_READS, &buf));
	for (n = 0; n < length; n += page)
		ASSERT_EQ(0, buf.data[n + n / page % page]);
	/* As many pictures as one run takes, at its very end. */
	batch = 65536;
	if (batch > length / data.input_bytes)
		batch = length / data.input_bytes;
	batch -= batch % data.pictures;
	run = test_rig_run(&rig, batch);
	run.in_buffer = buf.handle;
	run.in_offset = length - run.in_length;
	for (n = 0; n < batch / data.pictures; n++)
		memcpy(buf.data + run.in_offset + n * data.pictures * data.input_bytes,
		       data.input, data.pictures * data.input_bytes);
	ASSERT_EQ(0, test_submit(rig.fd, rig.queue, 0, &run, 1, &arg));
	ASSERT_EQ(0, test_wait(rig.fd, rig.queue, arg.sequence, -1, &wait));
	EXPECT_EQ(0, wait.status);
	EXPECT_TRUE(output_right(&rig, &data, batch));
	munmap(buf.data, length);
	test_rig_close(&rig);
}

/* A run reads what is written after its SUBMIT, but before its in-fence is signaled. */
TEST_F_TIMEOUT(memory, late_input, 300)
{
	struct test_data data;
	struct test_rig rig;
	struct gate gate;
	bool late = false;
	int fence, i;

	ASSERT_EQ(0, test_data_read(&data));
	ASSERT_EQ(0, test_rig_open(&rig, &data, data.pictures));
	/* On a busy machine the gate may open too early to test anything. */
	for (i = 0; i < 10 && !late; i++) {
		ASSERT_EQ(0, gate_make(&gate, &data, LONG_BATCH));
		memset(rig.in.data, 0, rig.in.length);
		fence = fence_run(&rig, rig.queue, data.pictures, gate.fence, NULL);
		ASSERT_LE(0, fence);
		fill_input(&rig, &data);
		late = !fence_status(gate.fence);
		EXPECT_EQ(1, fence_wait(fence, SOON_MS));
		if (late)
			EXPECT_TRUE(output_right(&rig, &data, data.pictures));
		close(fence);
		gate_drop(&gate);
	}
	EXPECT_TRUE(late);
	test_rig_close(&rig);
}

/* SUBMIT of runs that will read an output that is being written does nothing to it. */
TEST_F_TIMEOUT(memory, chained, 300)
{
	struct fqaccel_run writes, reads;
	struct fqaccel_submit arg;
	struct test_buffer middle;
	struct test_data data;
	struct test_rig rig;
	uint32_t queue, i;
	int fence;

	ASSERT_EQ(0, test_data_read(&data));
	ASSERT_EQ(0, test_rig_open(&rig, &data, LONG_BATCH));
	ASSERT_EQ(0, test_queue(rig.fd, 0, &queue));
	ASSERT_EQ(0, test_buffer(rig.fd, LONG_BATCH * data.output_bytes,
				 FQACCEL_BUFFER_CARD_READS | FQACCEL_BUFFER_CARD_WRITES, &middle));
	fill_input(&rig, &data);
	memset(middle.data, TEST_POISON, middle.length);
	writes = test_rig_run(&rig, LONG_BATCH);
	writes.out_buffer = middle.handle;
	ASSERT_EQ(0, fence_submit(rig.fd, rig.queue, FQACCEL_SUBMIT_OUT_FENCE, -1, &writes, 1,
				  &arg));
	fence = arg.out_fence;
	reads = test_rig_run(&rig, LONG_BATCH * data.output_bytes / data.input_bytes);
	reads.in_buffer = middle.handle;
	for (i = 0; i < 200 && !fence_status(fence); i++) {
		ASSERT_EQ(0, fence_submit(rig.fd, queue, 0, fence, &reads, 1, &arg));
		usleep(10000);
	}
	EXPECT_EQ(1, fence_wait(fence, SOON_MS));
	for (i = 0; i < LONG_BATCH; i++)
		ASSERT_EQ(0, memcmp(middle.data + i * data.output_bytes,
				    data.output + i % data.pictures * data.output_bytes,
				    data.output_bytes));
	close(fence);
	munmap(middle.data, middle.length);
	test_rig_close(&rig);
}

TEST_HARNESS_MAIN
