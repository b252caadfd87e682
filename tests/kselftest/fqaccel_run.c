// SPDX-License-Identifier: GPL-2.0
/* Runs: results byte for byte, what SUBMIT refuses, and the ways to wait. */
#include <poll.h>
#include <signal.h>
#include <sys/time.h>

#include "fqaccel_test.h"
#include "kselftest_harness.h"

#define LONG_BATCH	20000	/* pictures: takes a while on any card */

FIXTURE(run)
{
	struct test_data data;
	struct test_rig rig;
};

FIXTURE_SETUP(run)
{
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, LONG_BATCH));
	memcpy(self->rig.in.data, self->data.input,
	       self->data.input_bytes * self->data.pictures);
}

FIXTURE_TEARDOWN(run)
{
	test_rig_close(&self->rig);
}

static int submit(struct test_rig *rig, const struct fqaccel_run *run, uint64_t *sequence)
{
	struct fqaccel_submit arg;
	int ret = test_submit(rig->fd, rig->queue, 0, run, 1, &arg);

	*sequence = arg.sequence;
	return ret;
}

TEST_F(run, whole_network)
{
	struct fqaccel_run run = test_rig_run(&self->rig, self->data.pictures);
	struct fqaccel_wait wait;
	uint64_t sequence;

	ASSERT_EQ(0, submit(&self->rig, &run, &sequence));
	EXPECT_EQ(1, sequence);
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, -1, &wait));
	EXPECT_EQ(0, wait.status);
	EXPECT_EQ(0, wait.card_status);
	EXPECT_EQ(1, wait.completed);
	EXPECT_EQ(self->rig.model.cycles * self->data.pictures, wait.cycles);
	EXPECT_EQ(0, memcmp(self->rig.out.data, self->data.output,
			    self->data.output_bytes * self->data.pictures));
	/* Observed, not consumed. */
	EXPECT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, 0, &wait));
	EXPECT_EQ(0, wait.status);
}

/* Many pictures at once, each of them right. */
TEST_F(run, long_batch)
{
	size_t in = self->data.input_bytes * self->data.pictures;
	size_t out = self->data.output_bytes * self->data.pictures;
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_wait wait;
	uint64_t sequence;
	size_t i;

	for (i = 0; i < LONG_BATCH / self->data.pictures; i++)
		memcpy(self->rig.in.data + i * in, self->data.input, in);
	ASSERT_EQ(0, submit(&self->rig, &run, &sequence));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, -1, &wait));
	EXPECT_EQ(0, wait.status);
	for (i = 0; i < LONG_BATCH / self->data.pictures; i++)
		ASSERT_EQ(0, memcmp(self->rig.out.data + i * out, self->data.output, out));
}

/* At odd addresses, across pages, and nothing beside the range is written. */
TEST_F(run, odd_offsets)
{
	size_t in = 4096 - 3, out = 3 * 4096 - 5;
	struct fqaccel_run run = test_rig_run(&self->rig, self->data.pictures);
	struct fqaccel_wait wait;
	struct test_buffer buf;
	uint64_t sequence;
	size_t i;

	ASSERT_EQ(0, test_buffer(self->rig.fd, (1 << 16) + run.in_length + run.out_length,
				 FQACCEL_BUFFER_CARD_READS | FQACCEL_BUFFER_CARD_WRITES, &buf));
	out += in + run.in_length;
	memset(buf.data, TEST_POISON, buf.length);
	memcpy(buf.data + in, self->data.input, run.in_length);
	run.in_buffer = buf.handle;
	run.out_buffer = buf.handle;
	run.in_offset = in;
	run.out_offset = out;
	ASSERT_EQ(0, submit(&self->rig, &run, &sequence));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, -1, &wait));
	ASSERT_EQ(0, wait.status);
	EXPECT_EQ(0, memcmp(buf.data + out, self->data.output, run.out_length));
	EXPECT_EQ(0, memcmp(buf.data + in, self->data.input, run.in_length));
	for (i = 0; i < buf.length; i++)
		if ((i < in || i >= in + run.in_length) &&
		    (i < out || i >= out + run.out_length))
			ASSERT_EQ(TEST_POISON, buf.data[i]);
	munmap(buf.data, buf.length);
}

/* The first layers, then the rest on what they gave, is the whole. */
TEST_F(run, parts)
{
	struct fqaccel_run first = test_rig_run(&self->rig, self->data.pictures);
	struct fqaccel_run second = first;
	struct fqaccel_wait wait;
	struct test_buffer mid;
	uint64_t sequence;

	if (!self->data.cut)
		SKIP(return, "the model has one layer only");
	ASSERT_EQ(0, test_buffer(self->rig.fd, self->data.cut_bytes * self->data.pictures,
				 FQACCEL_BUFFER_CARD_READS | FQACCEL_BUFFER_CARD_WRITES, &mid));
	first.layer_count = self->data.cut;
	first.out_buffer = mid.handle;
	first.out_length = self->data.cut_bytes * self->data.pictures;
	second.first_layer = self->data.cut;
	second.layer_count = self->data.layers - self->data.cut;
	second.in_buffer = mid.handle;
	second.in_length = first.out_length;
	ASSERT_EQ(0, submit(&self->rig, &first, &sequence));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, -1, &wait));
	ASSERT_EQ(0, wait.status);
	ASSERT_EQ(0, submit(&self->rig, &second, &sequence));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, -1, &wait));
	ASSERT_EQ(0, wait.status);
	EXPECT_EQ(0, memcmp(self->rig.out.data, self->data.output,
			    self->data.output_bytes * self->data.pictures));

	/* The card knows what a part needs, and says so when it is asked. */
	first.out_length--;
	ASSERT_EQ(0, submit(&self->rig, &first, &sequence));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, -1, &wait));
	EXPECT_EQ(-EINVAL, wait.status);
	EXPECT_EQ(0x12, wait.card_status);
	EXPECT_EQ(0, wait.cycles);
	munmap(mid.data, mid.length);
}

TEST_F(run, refused)
{
	const struct fqaccel_run good = test_rig_run(&self->rig, self->data.pictures);
	struct fqaccel_run run;
	struct fqaccel_wait wait;
	struct test_buffer both;
	uint64_t sequence;

	ASSERT_EQ(0, test_buffer(self->rig.fd, 1 << 20, FQACCEL_BUFFER_CARD_READS |
				 FQACCEL_BUFFER_CARD_WRITES, &both));

#define REFUSED(_error, ...) do {						\
	run = good;								\
	__VA_ARGS__;								\
	EXPECT_EQ(_error, submit(&self->rig, &run, &sequence))			\
		TH_LOG(#__VA_ARGS__);						\
	EXPECT_EQ(0, sequence);							\
} while (0)

	REFUSED(-EOPNOTSUPP, run.flags = 2);
	REFUSED(-EOPNOTSUPP, run.flags = 1U << 31);
	REFUSED(-EOPNOTSUPP, run.pad = 1);
	REFUSED(-ENOENT, run.model = 0);
	REFUSED(-ENOENT, run.model = run.in_buffer);
	REFUSED(-ENOENT, run.in_buffer = run.model);
	REFUSED(-ENOENT, run.out_buffer = 9999);
	REFUSED(-EACCES, run.in_buffer = run.out_buffer);
	REFUSED(-EACCES, run.out_buffer = run.in_buffer);
	REFUSED(-EINVAL, run.batch = 0);
	REFUSED(-EINVAL, run.batch = 65537);
	REFUSED(-EINVAL, run.batch = UINT32_MAX);
	REFUSED(-EINVAL, run.batch++);
	REFUSED(-EINVAL, run.first_layer = 1);
	REFUSED(-EINVAL, run.layer_count = self->data.layers + 1);
	REFUSED(-EINVAL, run.first_layer = self->data.layers; run.layer_count = 1);
	REFUSED(-EINVAL, run.first_layer = UINT32_MAX; run.layer_count = 2);
	REFUSED(-EINVAL, run.in_length--);
	REFUSED(-EINVAL, run.out_length++);
	REFUSED(-EINVAL, run.in_length = 0);
	REFUSED(-EINVAL, run.in_offset = self->rig.in.length + 4096);
	REFUSED(-EINVAL, run.in_offset = UINT64_MAX);
	REFUSED(-EINVAL, run.in_offset = UINT64_MAX - run.in_length + 1);
	REFUSED(-EINVAL, run.out_offset = 1ULL << 63);
	/* Input and output overlap by one byte, either way round. */
	REFUSED(-EINVAL, run.in_buffer = both.handle; run.out_buffer = both.handle;
		run.out_offset = run.in_length - 1);
	REFUSED(-EINVAL, run.in_buffer = both.handle; run.out_buffer = both.handle;
		run.in_offset = run.out_length - 1);
#undef REFUSED
	/* None of them was accepted. */
	EXPECT_EQ(-EINVAL, test_wait(self->rig.fd, self->rig.queue, 1, 0, &wait));
	munmap(both.data, both.length);
}

/* All that a NOP does not use is reserved. */
TEST_F(run, nop_refused)
{
	const struct fqaccel_run good = { .flags = FQACCEL_RUN_NOP };
	struct fqaccel_wait wait;
	struct fqaccel_run run;
	uint64_t sequence;
	size_t i;

	for (i = 0; i < sizeof(run); i++) {
		run = good;
		((uint8_t *)&run)[i] ^= 0x80;
		EXPECT_EQ(-EOPNOTSUPP, submit(&self->rig, &run, &sequence))
			TH_LOG("byte %zu", i);
	}
	run = test_rig_run(&self->rig, 1);
	run.flags = FQACCEL_RUN_NOP;
	EXPECT_EQ(-EOPNOTSUPP, submit(&self->rig, &run, &sequence));
	EXPECT_EQ(-EINVAL, test_wait(self->rig.fd, self->rig.queue, 1, 0, &wait));
}

/* With no model and no buffer in the open file. */
TEST_F(run, nop)
{
	struct fqaccel_run runs[64];
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	uint32_t queue;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(runs); i++)
		runs[i] = (struct fqaccel_run){ .flags = FQACCEL_RUN_NOP };
	fd = test_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, test_queue(fd, 0, &queue));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, test_submit(fd, queue, 0, runs, ARRAY_SIZE(runs), &arg));
	EXPECT_EQ(100 * ARRAY_SIZE(runs), arg.sequence);
	ASSERT_EQ(0, test_wait(fd, queue, arg.sequence, -1, &wait));
	EXPECT_EQ(arg.sequence, wait.completed);
	EXPECT_EQ(0, wait.status);
	EXPECT_EQ(0, wait.card_status);
	EXPECT_EQ(0, wait.cycles);
	EXPECT_EQ(UINT32_MAX, wait.layer);
	EXPECT_EQ(0, close(fd));
}

/* Its end tells that of all before it. */
TEST_F(run, nop_after_runs)
{
	struct fqaccel_run runs[3] = {
		test_rig_run(&self->rig, LONG_BATCH),
		test_rig_run(&self->rig, self->data.pictures),
		{ .flags = FQACCEL_RUN_NOP },
	};
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;

	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, runs, 3, &arg));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, 3, -1, &wait));
	EXPECT_EQ(0, wait.status);
	EXPECT_EQ(3, wait.completed);
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, 1, 0, &wait));
	EXPECT_EQ(0, wait.status);
	EXPECT_EQ(0, memcmp(self->rig.out.data, self->data.output,
			    self->data.output_bytes * self->data.pictures));
}

TEST_F(run, array)
{
	struct fqaccel_run runs[3];
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct fqaccel_info info;
	uint8_t strided[3 * 128] = {};
	unsigned int i;

	ASSERT_EQ(0, test_info(self->rig.fd, &info));
	for (i = 0; i < 3; i++) {
		runs[i] = test_rig_run(&self->rig, 1);
		runs[i].in_offset = i * self->data.input_bytes;
		runs[i].out_offset = i * self->data.output_bytes;
	}
	EXPECT_EQ(-EINVAL, test_submit(self->rig.fd, self->rig.queue, 0, runs, 0, &arg));
	EXPECT_EQ(-EINVAL, test_submit(self->rig.fd, self->rig.queue, 0, runs,
				       info.max_runs + 1, &arg));
	EXPECT_EQ(-EFAULT, test_submit(self->rig.fd, self->rig.queue, 0, NULL, 1, &arg));

	/* The last is wrong, so none is accepted. */
	runs[2].batch = 0;
	EXPECT_EQ(-EINVAL, test_submit(self->rig.fd, self->rig.queue, 0, runs, 3, &arg));
	EXPECT_EQ(0, arg.accepted);
	EXPECT_EQ(-EINVAL, test_wait(self->rig.fd, self->rig.queue, 1, 0, &wait));
	runs[2].batch = 1;
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, runs, 3, &arg));
	EXPECT_EQ(3, arg.accepted);
	EXPECT_EQ(3, arg.sequence);
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, i, -1, &wait));
		EXPECT_EQ(0, wait.status);
	}
	EXPECT_EQ(0, memcmp(self->rig.out.data, self->data.output,
			    self->data.output_bytes * 3));

	/* A newer caller's longer elements. */
	for (i = 0; i < 3; i++)
		memcpy(strided + i * 128, &runs[i], sizeof(runs[i]));
	arg = (struct fqaccel_submit){
		.size = sizeof(arg), .queue = self->rig.queue, .count = 3,
		.runs = (uintptr_t)strided, .run_size = 128,
	};
	EXPECT_EQ(0, test_ioctl(self->rig.fd, FQACCEL_IOC_SUBMIT, &arg));
	EXPECT_EQ(6, arg.sequence);
	strided[2 * 128 + sizeof(runs[0])] = 1;
	EXPECT_EQ(-E2BIG, test_ioctl(self->rig.fd, FQACCEL_IOC_SUBMIT, &arg));
	arg.run_size = sizeof(runs[0]) - 1;
	EXPECT_EQ(-EINVAL, test_ioctl(self->rig.fd, FQACCEL_IOC_SUBMIT, &arg));
}

TEST_F(run, full_queue)
{
	struct fqaccel_run runs[3] = {
		test_rig_run(&self->rig, LONG_BATCH), test_rig_run(&self->rig, 1),
		test_rig_run(&self->rig, 1),
	};
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	uint32_t queue;

	ASSERT_EQ(0, test_queue(self->rig.fd, 2, &queue));
	ASSERT_EQ(0, test_submit(self->rig.fd, queue, FQACCEL_SUBMIT_NONBLOCK,
				 (struct fqaccel_run[]){ runs[0], runs[0], runs[0] }, 3, &arg));
	EXPECT_EQ(2, arg.accepted);
	EXPECT_EQ(2, arg.sequence);
	EXPECT_EQ(-EAGAIN, test_submit(self->rig.fd, queue, FQACCEL_SUBMIT_NONBLOCK, runs, 1,
				       &arg));
	EXPECT_EQ(0, arg.accepted);
	/* Waits for room. */
	EXPECT_EQ(0, test_submit(self->rig.fd, queue, 0, runs + 1, 2, &arg));
	EXPECT_EQ(2, arg.accepted);
	EXPECT_EQ(4, arg.sequence);
	ASSERT_EQ(0, test_wait(self->rig.fd, queue, 4, -1, &wait));
	EXPECT_EQ(0, wait.status);
}

TEST_F(run, deadline)
{
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_wait wait;
	uint64_t sequence;
	int64_t start;

	ASSERT_EQ(0, submit(&self->rig, &run, &sequence));
	EXPECT_EQ(-ETIME, test_wait(self->rig.fd, self->rig.queue, sequence, 0, &wait));
	EXPECT_EQ(0, wait.completed);
	start = test_now();
	EXPECT_EQ(-ETIME, test_wait(self->rig.fd, self->rig.queue, sequence, 20, &wait));
	EXPECT_LE(20000000, test_now() - start);
	EXPECT_EQ(-EINVAL, test_wait(self->rig.fd, self->rig.queue, 0, -1, &wait));
	EXPECT_EQ(-EINVAL, test_wait(self->rig.fd, self->rig.queue, sequence + 1, -1, &wait));
	EXPECT_EQ(-EINVAL, test_wait(self->rig.fd, self->rig.queue, UINT64_MAX, -1, &wait));
	EXPECT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, 60000, &wait));
	EXPECT_EQ(0, wait.status);
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST_F(run, signal)
{
	struct itimerval timer = { .it_value.tv_usec = 50000 };
	struct sigaction action = { .sa_handler = on_alarm };
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	uint32_t queue;

	ASSERT_EQ(0, test_queue(self->rig.fd, 1, &queue));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, test_submit(self->rig.fd, queue, 0, &run, 1, &arg));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(-EINTR, test_wait(self->rig.fd, queue, 1, -1, &wait));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(-EINTR, test_submit(self->rig.fd, queue, 0, &run, 1, &arg));
	EXPECT_EQ(0, arg.accepted);
	/* With SA_RESTART the wait goes on. */
	action.sa_flags = SA_RESTART;
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(0, test_wait(self->rig.fd, queue, 1, -1, &wait));
	EXPECT_EQ(0, wait.status);
}

static int polled(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) < 0 ? -errno : p.revents;
}

TEST_F(run, poll)
{
	struct fqaccel_run run = test_rig_run(&self->rig, 1);
	uint64_t sequence;

	EXPECT_EQ(0, polled(self->rig.fd, 0));
	EXPECT_EQ(-EINVAL, test_arm(self->rig.fd, self->rig.queue, 1));
	run = test_rig_run(&self->rig, LONG_BATCH);
	ASSERT_EQ(0, submit(&self->rig, &run, &sequence));
	EXPECT_EQ(0, polled(self->rig.fd, 0));
	ASSERT_EQ(0, test_arm(self->rig.fd, self->rig.queue, sequence));
	EXPECT_EQ(0, polled(self->rig.fd, 0));
	EXPECT_EQ(POLLIN, polled(self->rig.fd, 60000));
	/* Until it is armed anew. */
	EXPECT_EQ(POLLIN, polled(self->rig.fd, 0));
	ASSERT_EQ(0, test_arm(self->rig.fd, self->rig.queue, 0));
	EXPECT_EQ(0, polled(self->rig.fd, 0));
	/* Of a run that has finished before. */
	ASSERT_EQ(0, test_arm(self->rig.fd, self->rig.queue, sequence));
	EXPECT_EQ(POLLIN, polled(self->rig.fd, 0));
}

TEST_F(run, old_results)
{
	struct fqaccel_run run = test_rig_run(&self->rig, 1);
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	uint32_t queue;
	int i;

	ASSERT_EQ(0, test_queue(self->rig.fd, 2, &queue));
	for (i = 0; i < 12; i++)
		ASSERT_EQ(0, test_submit(self->rig.fd, queue, 0, &run, 1, &arg));
	ASSERT_EQ(0, test_wait(self->rig.fd, queue, 12, -1, &wait));
	/* 4 times the depth are kept. */
	EXPECT_EQ(0, test_wait(self->rig.fd, queue, 5, -1, &wait));
	EXPECT_EQ(-ENODATA, test_wait(self->rig.fd, queue, 4, -1, &wait));
	EXPECT_EQ(-ENODATA, test_wait(self->rig.fd, queue, 1, 0, &wait));
}

/* Destroyed objects stay for the runs that use them. */
TEST_F(run, destroyed_objects)
{
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_wait wait;
	uint64_t sequence;

	memset(self->rig.out.data, TEST_POISON, self->rig.out.length);
	ASSERT_EQ(0, submit(&self->rig, &run, &sequence));
	EXPECT_EQ(0, test_destroy(self->rig.fd, self->rig.model.handle));
	EXPECT_EQ(0, test_destroy(self->rig.fd, self->rig.in.handle));
	EXPECT_EQ(0, test_destroy(self->rig.fd, self->rig.out.handle));
	EXPECT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, -1, &wait));
	EXPECT_EQ(0, wait.status);
	EXPECT_EQ(0, memcmp(self->rig.out.data, self->data.output,
			    self->data.output_bytes * self->data.pictures));
}

TEST_HARNESS_MAIN
