// SPDX-License-Identifier: GPL-2.0
/*
 * Several processes and threads: all at once, sharing an open file, closing a
 * queue under a waiter, being killed at any moment. Afterwards nothing is left.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fqaccel_test.h"
#include "kselftest_harness.h"

#define PROCESSES	2
#define THREADS		8
#define ROUNDS		20
#define LONG_BATCH	20000

FIXTURE(process)
{
	int fd;	/* to look at the card; idle otherwise */
	struct test_data data;
	struct fqaccel_info before;
};

FIXTURE_SETUP(process)
{
	ASSERT_EQ(0, test_data_read(&self->data));
	self->fd = test_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, test_info(self->fd, &self->before));
}

FIXTURE_TEARDOWN(process)
{
	EXPECT_TRUE(test_memory_settles(self->fd, self->before.memory_free));
	EXPECT_EQ(0, close(self->fd));
}

struct worker {
	pthread_t thread;
	const struct test_data *data;
	struct test_rig *shared;	/* use its file and model */
	int error;
};

static int check_rounds(struct worker *w, struct test_rig *rig, int rounds)
{
	struct fqaccel_run run = test_rig_run(rig, w->data->pictures);
	size_t bytes = w->data->output_bytes * w->data->pictures;
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	int i, ret;

	memcpy(rig->in.data, w->data->input, w->data->input_bytes * w->data->pictures);
	for (i = 0; i < rounds; i++) {
		memset(rig->out.data, TEST_POISON, bytes);
		ret = test_submit(rig->fd, rig->queue, 0, &run, 1, &arg);
		if (ret)
			return ret;
		ret = test_wait(rig->fd, rig->queue, arg.sequence, -1, &wait);
		if (ret || wait.status)
			return ret ?: wait.status;
		if (memcmp(rig->out.data, w->data->output, bytes))
			return -EILSEQ;
	}
	return 0;
}

static void *worker_shared(void *opaque)
{
	struct worker *w = opaque;
	struct test_rig rig = *w->shared;

	w->error = test_queue(rig.fd, 4, &rig.queue) ?:
		   test_buffer(rig.fd, rig.in.length, FQACCEL_BUFFER_CARD_READS, &rig.in) ?:
		   test_buffer(rig.fd, rig.out.length, FQACCEL_BUFFER_CARD_WRITES, &rig.out) ?:
		   check_rounds(w, &rig, ROUNDS);
	return NULL;
}

static void *worker_alone(void *opaque)
{
	struct worker *w = opaque;
	struct test_rig rig;

	w->error = test_rig_open(&rig, w->data, w->data->pictures) ?: check_rounds(w, &rig, ROUNDS);
	if (!w->error)
		test_rig_close(&rig);
	return NULL;
}

/* Half of the threads share an open file, the others have one each. */
static int crowd(const struct test_data *data)
{
	struct worker workers[THREADS] = {};
	struct test_rig rig;
	int i, ret;

	ret = test_rig_open(&rig, data, data->pictures);
	if (ret)
		return ret;
	for (i = 0; i < THREADS; i++) {
		workers[i].data = data;
		workers[i].shared = &rig;
		if (pthread_create(&workers[i].thread, NULL,
				   i % 2 ? worker_shared : worker_alone, &workers[i]))
			return -EAGAIN;
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].error) {
			fprintf(stderr, "# thread %d: %s\n", i, strerror(-workers[i].error));
			ret = workers[i].error;
		}
	}
	test_rig_close(&rig);
	return ret;
}

TEST_F_TIMEOUT(process, crowd, 120)
{
	pid_t pids[PROCESSES];
	int i, status;

	for (i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			_exit(crowd(&self->data) ? 1 : 0);
	}
	for (i = 0; i < PROCESSES; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
}

/* A child that never waits for the runs which it starts. Tells on @fd when it has. */
static void victim(const struct test_data *data, int fd)
{
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct fqaccel_run run;
	struct test_rig rig;
	int i;

	if (test_rig_open(&rig, data, LONG_BATCH))
		_exit(1);
	run = test_rig_run(&rig, LONG_BATCH);
	for (i = 0; i < 40; i++)
		if (test_submit(rig.fd, rig.queue, 0, &run, 1, &arg))
			_exit(2);
	if (write(fd, "x", 1) != 1)
		_exit(3);
	test_wait(rig.fd, rig.queue, arg.sequence, -1, &wait);
	_exit(4);
}

TEST_F_TIMEOUT(process, kill_in_run, 120)
{
	int fds[2], i, status;
	struct test_rig rig;
	struct worker w = { .data = &self->data };
	int64_t start;
	char byte;
	pid_t pid;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, pipe(fds));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			victim(&self->data, fds[1]);
		close(fds[1]);
		ASSERT_EQ(1, read(fds[0], &byte, 1));
		close(fds[0]);
		usleep(i * 7000);
		start = test_now();
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		/* Neither the exit nor anybody else waits for its 40 long runs. */
		EXPECT_GT(2000000000, test_now() - start);
		ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
		EXPECT_EQ(0, check_rounds(&w, &rig, ROUNDS));
		test_rig_close(&rig);
	}
}

/* Killed at a random moment of a busy life: loading, mapping, submitting, waiting. */
static void busy_life(const struct test_data *data)
{
	struct worker w = { .data = data };
	struct test_rig rig;

	for (;;) {
		if (test_rig_open(&rig, data, data->pictures))
			_exit(1);
		if (check_rounds(&w, &rig, ROUNDS))
			_exit(2);
		test_rig_close(&rig);
	}
}

TEST_F_TIMEOUT(process, kill_any_time, 180)
{
	pid_t pids[4];
	int round, i, status;

	for (round = 0; round < 15; round++) {
		for (i = 0; i < 4; i++) {
			pids[i] = fork();
			ASSERT_LE(0, pids[i]);
			if (!pids[i])
				busy_life(&self->data);
		}
		usleep(5000 + round * 4000);
		for (i = 0; i < 4; i++) {
			kill(pids[i], SIGKILL);
			ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
			EXPECT_TRUE(WIFSIGNALED(status));
		}
	}
}

/* An open file that a child shares goes on when the parent's descriptor is closed. */
TEST_F(process, fork_with_open_file)
{
	struct worker w = { .data = &self->data };
	struct test_rig rig;
	int status;
	pid_t pid;

	ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		usleep(50000);
		_exit(check_rounds(&w, &rig, ROUNDS) ? 1 : 0);
	}
	test_rig_close(&rig);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

struct waiter {
	pthread_t thread;
	struct test_rig *rig;
	uint64_t sequence;
	pid_t tid;	/* 0 until it runs */
	int result;
};

static void *waiter_thread(void *opaque)
{
	struct waiter *w = opaque;
	struct fqaccel_wait wait;

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	w->result = test_wait(w->rig->fd, w->rig->queue, w->sequence, -1, &wait);
	return NULL;
}

static void *submitter_thread(void *opaque)
{
	struct waiter *w = opaque;
	struct fqaccel_run run = test_rig_run(w->rig, 1);
	struct fqaccel_submit arg;

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	w->result = test_submit(w->rig->fd, w->rig->queue, 0, &run, 1, &arg);
	return NULL;
}

/* Until the thread sleeps in its ioctl. */
static void wait_until_blocked(struct waiter *w)
{
	char path[64], call[16];
	pid_t tid;
	int fd, n;

	for (;;) {
		usleep(5000);
		tid = __atomic_load_n(&w->tid, __ATOMIC_ACQUIRE);
		if (!tid)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
		fd = open(path, O_RDONLY);
		n = read(fd, call, sizeof(call) - 1);
		close(fd);
		call[n > 0 ? n : 0] = 0;
		if (atoi(call) == SYS_ioctl)
			return;
	}
}

TEST_F(process, closed_queue)
{
	struct waiter waiters[THREADS] = {};
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct fqaccel_run run;
	struct test_rig rig;
	int i;

	ASSERT_EQ(0, test_rig_open(&rig, &self->data, LONG_BATCH));
	ASSERT_EQ(0, test_destroy(rig.fd, rig.queue));
	ASSERT_EQ(0, test_queue(rig.fd, 4, &rig.queue));
	run = test_rig_run(&rig, LONG_BATCH);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, test_submit(rig.fd, rig.queue, 0, &run, 1, &arg));
	for (i = 0; i < THREADS; i++) {
		waiters[i].rig = &rig;
		waiters[i].sequence = 1 + i % 4;
		ASSERT_EQ(0, pthread_create(&waiters[i].thread, NULL,
					    i == 3 ? submitter_thread : waiter_thread,
					    &waiters[i]));
	}
	for (i = 0; i < THREADS; i++)
		wait_until_blocked(&waiters[i]);
	ASSERT_EQ(0, test_destroy(rig.fd, rig.queue));
	for (i = 0; i < THREADS; i++) {
		pthread_join(waiters[i].thread, NULL);
		EXPECT_EQ(-ECANCELED, waiters[i].result)
			TH_LOG("thread %d", i);
	}
	EXPECT_EQ(-ENOENT, test_wait(rig.fd, rig.queue, 1, -1, &wait));
	test_rig_close(&rig);
}

/* One open file with a full queue does not keep another from its turn. */
TEST_F_TIMEOUT(process, fair, 120)
{
	struct worker w = { .data = &self->data };
	struct test_rig greedy, rig;
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct fqaccel_run run;
	int i;

	ASSERT_EQ(0, test_rig_open(&greedy, &self->data, LONG_BATCH));
	run = test_rig_run(&greedy, LONG_BATCH / 4);
	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, test_submit(greedy.fd, greedy.queue, 0, &run, 1, &arg));
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
	/* Each waits for what the card has already, two runs of each hardware queue. */
	EXPECT_EQ(0, check_rounds(&w, &rig, 2));
	EXPECT_EQ(-ETIME, test_wait(greedy.fd, greedy.queue, 200, 0, &wait));
	test_rig_close(&rig);
	test_rig_close(&greedy);
}

TEST_HARNESS_MAIN
