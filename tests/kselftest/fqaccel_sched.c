// SPDX-License-Identifier: GPL-2.0
/*
 * Who gets how much of the card: equal opens the same time, priorities their weights,
 * newcomers their turn soon, and every run exactly one end. Shares are compared, not
 * times, so that a busy machine does no harm. As root, for the driver's parameters.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fqaccel_look.h"
#include "fqaccel_monitor.h"
#include "kselftest_harness.h"

#define PART_MS		20
#define SHORT_BATCH	512	/* some ms on any emulated card */
#define LONG_BATCH	16384	/* many parts */
#define DEPTH		64	/* enough to keep the card busy */
#define ROOM		8	/* runs of one SUBMIT */
#define SOON_MS		120000
#define THREADS		8
#define RUNS_EACH	60

FIXTURE(sched)
{
	struct test_data data;
	struct fqaccel_info before;
	unsigned long long part_ms;
	unsigned int in_flight;	/* what the card has at once */
	int fd;
};

FIXTURE_SETUP(sched)
{
	ASSERT_EQ(0, test_data_read(&self->data));
	self->fd = test_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, test_info(self->fd, &self->before));
	self->in_flight = 2 * self->before.hw_queues;
	ASSERT_EQ(0, change_parameter("part_ms", PART_MS, &self->part_ms));
}

FIXTURE_TEARDOWN(sched)
{
	EXPECT_EQ(0, set_parameter("part_ms", self->part_ms));
	EXPECT_TRUE(test_memory_settles(self->fd, self->before.memory_free));
	close(self->fd);
}

static int queue_create(int fd, uint32_t depth, uint32_t priority, uint32_t *handle)
{
	struct fqaccel_queue_create arg = {
		.size = sizeof(arg), .depth = depth, .priority = priority,
	};
	int ret = test_ioctl(fd, FQACCEL_IOC_QUEUE_CREATE, &arg);

	*handle = arg.handle;
	return ret;
}

/* An open file that always has more to do than the card takes. */
struct feeder {
	pthread_t thread;
	struct test_rig rig;
	uint32_t queue, batch;
	int error;
	unsigned long long busy, runs;	/* when the measurement began */
};

/* Ends when its queue is destroyed. */
static void *feed(void *opaque)
{
	struct feeder *f = opaque;
	struct fqaccel_run runs[ROOM];
	struct fqaccel_submit arg;
	int i;

	for (i = 0; i < ROOM; i++)
		runs[i] = test_rig_run(&f->rig, f->batch);
	do {
		f->error = test_submit(f->rig.fd, f->queue, 0, runs, ROOM, &arg);
	} while (!f->error);
	return NULL;
}

static int feeder_start(struct feeder *f, const struct test_data *data, uint32_t batch,
			uint32_t priority)
{
	int ret = test_rig_open(&f->rig, data, batch);

	if (ret)
		return ret;
	fill_input(&f->rig, data);
	f->batch = batch;
	ret = queue_create(f->rig.fd, DEPTH, priority, &f->queue);
	if (ret)
		return ret;
	return -pthread_create(&f->thread, NULL, feed, f);
}

static int feeder_stop(struct feeder *f)
{
	int ret = test_destroy(f->rig.fd, f->queue);

	pthread_join(f->thread, NULL);
	test_rig_close(&f->rig);
	/* A SUBMIT that waited, or one that came after. */
	return ret ?: f->error == -ECANCELED || f->error == -ENOENT ? 0 : f->error;
}

static unsigned long long busy_of(const struct feeder *f)
{
	return fdinfo_value(f->rig.fd, "drm-engine-compute") - f->busy;
}

static unsigned long long runs_of(const struct feeder *f)
{
	return fdinfo_value(f->rig.fd, "fqaccel-runs") - f->runs;
}

/* Wait until @f has ended so many runs since it was measured. */
static bool feeder_settle(struct feeder *f, unsigned long long runs)
{
	int64_t end = test_now() + SOON_MS * 1000000LL;

	while (runs_of(f) < runs) {
		if (test_now() > end)
			return false;
		usleep(20000);
	}
	return true;
}

static void feeders_measure(struct feeder *f, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		f[i].busy = 0;
		f[i].runs = 0;
		f[i].busy = busy_of(&f[i]);
		f[i].runs = runs_of(&f[i]);
	}
}

/* Runs against batches that go in many parts. */
TEST_F_TIMEOUT(sched, equal_shares, 300)
{
	static struct feeder f[2];
	unsigned long long a, b;

	ASSERT_EQ(0, feeder_start(&f[0], &self->data, SHORT_BATCH, FQACCEL_PRIORITY_NORMAL));
	ASSERT_EQ(0, feeder_start(&f[1], &self->data, LONG_BATCH, FQACCEL_PRIORITY_NORMAL));
	EXPECT_TRUE(feeder_settle(&f[0], self->in_flight));
	EXPECT_TRUE(feeder_settle(&f[1], 1));
	feeders_measure(f, 2);
	/* What the card has at the moment may be anybody's. */
	EXPECT_TRUE(feeder_settle(&f[0], 20 * self->in_flight));
	a = busy_of(&f[0]);
	b = busy_of(&f[1]);
	TH_LOG("%llu and %llu ms", a / 1000000, b / 1000000);
	EXPECT_LT(a * 9, b * 10);
	EXPECT_LT(b * 9, a * 10);
	EXPECT_EQ(0, feeder_stop(&f[0]));
	EXPECT_EQ(0, feeder_stop(&f[1]));
}

TEST_F_TIMEOUT(sched, priorities, 300)
{
	static const uint32_t priorities[] = {
		FQACCEL_PRIORITY_LOW, FQACCEL_PRIORITY_NORMAL, FQACCEL_PRIORITY_HIGH,
	};
	static struct feeder f[3];
	unsigned long long busy[3];
	unsigned int i;

	/* High first: low would pay for long for what it got while it was alone. */
	for (i = 3; i-- > 0; )
		ASSERT_EQ(0, feeder_start(&f[i], &self->data, SHORT_BATCH, priorities[i]));
	EXPECT_TRUE(feeder_settle(&f[0], 2));
	feeders_measure(f, 3);
	/* Low gets somewhere, too. */
	EXPECT_TRUE(feeder_settle(&f[0], 2 * self->in_flight));
	for (i = 0; i < 3; i++)
		busy[i] = busy_of(&f[i]) / 1000000;
	TH_LOG("low %llu, normal %llu, high %llu ms", busy[0], busy[1], busy[2]);
	/* One to four, and four to sixteen. */
	for (i = 0; i < 2; i++) {
		EXPECT_LT(busy[i] * 3, busy[i + 1]);
		EXPECT_GT(busy[i] * 16, busy[i + 1] * 3);
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, feeder_stop(&f[i]));
}

/* Without CAP_SYS_NICE, in a process of its own; the errno of creating such a queue. */
static int queue_without_nice(uint32_t priority)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};
	pid_t pid = fork();
	uint32_t queue;
	int status, fd;

	if (!pid) {
		fd = test_open();
		if (fd < 0 || syscall(SYS_capget, &header, data))
			_exit(255);
		data[0].effective &= ~(1U << CAP_SYS_NICE);
		if (syscall(SYS_capset, &header, data))
			_exit(255);
		_exit(-queue_create(fd, 0, priority, &queue));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

TEST_F(sched, who_may)
{
	uint32_t queue;

	EXPECT_TRUE(self->before.features & FQACCEL_FEATURE_PRIORITY);
	EXPECT_EQ(0, queue_create(self->fd, 0, FQACCEL_PRIORITY_HIGH, &queue));
	EXPECT_EQ(-EINVAL, queue_create(self->fd, 0, FQACCEL_PRIORITY_HIGH + 1, &queue));
	EXPECT_EQ(-EINVAL, queue_create(self->fd, 0, UINT32_MAX, &queue));
	EXPECT_EQ(-EPERM, queue_without_nice(FQACCEL_PRIORITY_HIGH));
	EXPECT_EQ(-EINVAL, queue_without_nice(FQACCEL_PRIORITY_HIGH + 1));
	EXPECT_EQ(0, queue_without_nice(FQACCEL_PRIORITY_NORMAL));
	EXPECT_EQ(0, queue_without_nice(FQACCEL_PRIORITY_LOW));
}

/* How often @hog started something between the newcomer's submission and its start. */
static int starts_between(const char *text, unsigned long long newcomer,
			  unsigned long long hog)
{
	char line[512], who[64], other[64];
	int starts = -1;

	snprintf(who, sizeof(who), "client=%llu ", newcomer);
	snprintf(other, sizeof(other), "client=%llu ", hog);
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
		if (strstr(line, "fqa_run_submit:") && strstr(line, who))
			starts = 0;
		else if (strstr(line, "fqa_run_start:") && strstr(line, who))
			return starts;
		else if (strstr(line, "fqa_run_start:") && strstr(line, other) && starts >= 0)
			starts++;
	}
	return -1;
}

/* All of the card is busy with long batches, and more are queued: a newcomer waits for none. */
TEST_F_TIMEOUT(sched, newcomer, 300)
{
	static struct feeder hog;
	static char text[1 << 20];
	unsigned long long runs;
	struct fqaccel_wait wait;
	struct fqaccel_run run;
	struct fqaccel_submit arg;
	struct test_rig rig;
	unsigned int i;

	if (access(TRACING "/events/fqaccel", F_OK))
		SKIP(return, "this kernel has no tracepoints");
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
	fill_input(&rig, &self->data);
	run = test_rig_run(&rig, self->data.pictures);
	ASSERT_EQ(0, feeder_start(&hog, &self->data, LONG_BATCH, FQACCEL_PRIORITY_NORMAL));
	EXPECT_TRUE(feeder_settle(&hog, 1));
	ASSERT_EQ(0, write_text(TRACING "/events/fqaccel/enable", "1"));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, write_text(TRACING "/trace", "\n"));
		runs = fdinfo_value(hog.rig.fd, "fqaccel-runs");
		ASSERT_EQ(0, test_submit(rig.fd, rig.queue, 0, &run, 1, &arg));
		ASSERT_EQ(0, test_wait(rig.fd, rig.queue, arg.sequence, SOON_MS, &wait));
		EXPECT_EQ(0, wait.status);
		runs = fdinfo_value(hog.rig.fd, "fqaccel-runs") - runs;
		/* As many as the card had at the time end meanwhile, by chance. */
		EXPECT_GE(self->in_flight, runs);
		ASSERT_EQ(0, read_text(TRACING "/trace", text, sizeof(text)));
		EXPECT_EQ(0, starts_between(text, fdinfo_value(rig.fd, "drm-client-id"),
					    fdinfo_value(hog.rig.fd, "drm-client-id")));
	}
	EXPECT_EQ(0, write_text(TRACING "/events/fqaccel/enable", "0"));
	EXPECT_EQ(0, fdinfo_value(hog.rig.fd, "fqaccel-errors"));
	EXPECT_EQ(0, feeder_stop(&hog));
	test_rig_close(&rig);
}

/* Somebody who was idle for long has no claim to the time that others have used meanwhile. */
TEST_F_TIMEOUT(sched, idle_time_is_no_credit, 300)
{
	static struct feeder f[2];
	struct fqaccel_wait wait;
	unsigned long long a, b;

	ASSERT_EQ(0, test_rig_open(&f[1].rig, &self->data, SHORT_BATCH));
	fill_input(&f[1].rig, &self->data);
	ASSERT_EQ(0, run_once(&f[1].rig, 1, &wait));
	ASSERT_EQ(0, feeder_start(&f[0], &self->data, SHORT_BATCH, FQACCEL_PRIORITY_NORMAL));
	EXPECT_TRUE(feeder_settle(&f[0], 10 * self->in_flight));
	/* The one that was there early comes back. */
	f[1].batch = SHORT_BATCH;
	ASSERT_EQ(0, queue_create(f[1].rig.fd, DEPTH, FQACCEL_PRIORITY_NORMAL, &f[1].queue));
	feeders_measure(f, 2);
	ASSERT_EQ(0, pthread_create(&f[1].thread, NULL, feed, &f[1]));
	EXPECT_TRUE(feeder_settle(&f[1], 5 * self->in_flight));
	a = busy_of(&f[0]);
	b = busy_of(&f[1]);
	EXPECT_LT(b * 2, a * 3) TH_LOG("%llu and %llu ms", a / 1000000, b / 1000000);
	EXPECT_EQ(0, feeder_stop(&f[0]));
	EXPECT_EQ(0, feeder_stop(&f[1]));
}

struct counter {
	pthread_t thread;
	struct test_rig *rig;
	uint32_t queue;
	unsigned int index;
	unsigned char *given;		/* by sequence number */
	int error;
};

/* Runs of all kinds: nothing, one command, several parts. */
static void *count(void *opaque)
{
	struct counter *c = opaque;
	struct fqaccel_run run;
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	unsigned int i;

	for (i = 0; i < RUNS_EACH && !c->error; i++) {
		run = test_rig_run(c->rig, (i + c->index) % 3 == 1 ? 1 : SHORT_BATCH);
		if ((i + c->index) % 3 == 0)
			run = (struct fqaccel_run){ .flags = FQACCEL_RUN_NOP };
		c->error = test_submit(c->rig->fd, c->queue, 0, &run, 1, &arg);
		if (!c->error)
			__atomic_fetch_add(&c->given[arg.sequence], 1, __ATOMIC_RELAXED);
		if (!c->error && i % 4 == 0)
			c->error = test_wait(c->rig->fd, c->queue, arg.sequence, SOON_MS, &wait) ?:
				   wait.status;
	}
	return NULL;
}

/* How often the tracepoint was met by each sequence number. */
static void count_completions(const char *text, const char *who, unsigned char *ended)
{
	unsigned long long sequence;
	char line[512], *at;

	while ((text = strstr(text, "fqa_run_complete:"))) {
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
		text += strlen(line);
		at = strstr(line, who);
		if (at && sscanf(at + strlen(who), "%llu", &sequence) == 1 &&
		    sequence <= THREADS * RUNS_EACH)
			ended[sequence]++;
	}
}

TEST_F_TIMEOUT(sched, every_run_ends_once, 300)
{
	static unsigned char given[THREADS * RUNS_EACH + 1], ended[THREADS * RUNS_EACH + 1];
	static struct counter counters[THREADS];
	static char text[1 << 20];
	bool traced = !access(TRACING "/events/fqaccel", F_OK);
	struct fqaccel_wait wait;
	struct test_rig rig;
	uint32_t queue;
	char who[64];
	unsigned int i;

	ASSERT_EQ(0, set_parameter("part_ms", 1));
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, SHORT_BATCH));
	fill_input(&rig, &self->data);
	ASSERT_EQ(0, queue_create(rig.fd, 16, FQACCEL_PRIORITY_NORMAL, &queue));
	if (traced) {
		ASSERT_EQ(0, write_text(TRACING "/trace", "\n"));
		ASSERT_EQ(0, write_text(TRACING "/events/fqaccel/fqa_run_complete/enable", "1"));
	}
	for (i = 0; i < THREADS; i++) {
		counters[i] = (struct counter){ .rig = &rig, .queue = queue, .index = i,
						.given = given };
		ASSERT_EQ(0, pthread_create(&counters[i].thread, NULL, count, &counters[i]));
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(counters[i].thread, NULL);
		EXPECT_EQ(0, counters[i].error);
	}
	ASSERT_EQ(0, test_wait(rig.fd, queue, THREADS * RUNS_EACH, SOON_MS, &wait));
	EXPECT_EQ(THREADS * RUNS_EACH, wait.completed);
	EXPECT_EQ(-EINVAL, test_wait(rig.fd, queue, THREADS * RUNS_EACH + 1, 0, &wait));
	EXPECT_EQ(THREADS * RUNS_EACH, fdinfo_value(rig.fd, "fqaccel-runs"));
	EXPECT_EQ(0, fdinfo_value(rig.fd, "fqaccel-errors"));
	EXPECT_EQ(0, fdinfo_value(rig.fd, "fqaccel-unfinished"));
	EXPECT_TRUE(output_right(&rig, &self->data, SHORT_BATCH));
	for (i = 1; i <= THREADS * RUNS_EACH; i++)
		EXPECT_EQ(1, given[i]);
	if (traced) {
		EXPECT_EQ(0, write_text(TRACING "/events/fqaccel/fqa_run_complete/enable", "0"));
		EXPECT_EQ(0, read_text(TRACING "/trace", text, sizeof(text)));
		snprintf(who, sizeof(who), "client=%llu queue=%u sequence=",
			 fdinfo_value(rig.fd, "drm-client-id"), queue);
		count_completions(text, who, ended);
		for (i = 1; i <= THREADS * RUNS_EACH; i++)
			EXPECT_EQ(1, ended[i]) TH_LOG("run %u", i);
	}
	test_rig_close(&rig);
}

TEST_HARNESS_MAIN
