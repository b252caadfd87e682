// SPDX-License-Identifier: GPL-2.0
/*
 * Runs that go to the card in parts: they are one run all the same, for results,
 * resets, limits, hangs, closing and memory. As root, with tracefs where it usually is.
 */
#include "fqaccel_look.h"
#include "fqaccel_monitor.h"
#include "kselftest_harness.h"

#define BATCH		20000
#define PART_MS		5
#define SOON_MS		120000
#define SC_ABORTED	0x30	/* CARD.md section 7 */

static char text[1 << 20];	/* of the trace */

static const char * const parameters[] = { "part_ms", "run_limit_ms", "hang_ms",
					   "buffer_limit_mb" };

TEST_PROGRAM_NEEDS(!access(TRACING "/events/fqaccel", F_OK), "this kernel has no tracepoints")

FIXTURE(part)
{
	struct test_data data;
	struct test_rig rig;
	struct fqaccel_info before;
	unsigned long long parameters[ARRAY_SIZE(parameters)];
	uint64_t cycles;	/* of BATCH pictures at once */
	int fd;
};

FIXTURE_SETUP(part)
{
	struct fqaccel_wait wait;
	unsigned int i;

	ASSERT_EQ(0, test_data_read(&self->data));
	self->fd = test_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, test_info(self->fd, &self->before));
	for (i = 0; i < ARRAY_SIZE(parameters); i++)
		ASSERT_EQ(0, get_parameter(parameters[i], &self->parameters[i]));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, BATCH));
	fill_input(&self->rig, &self->data);
	ASSERT_EQ(0, set_parameter("part_ms", 0));
	ASSERT_EQ(0, run_once(&self->rig, BATCH, &wait));
	ASSERT_EQ(0, wait.status);
	ASSERT_TRUE(output_right(&self->rig, &self->data, BATCH));
	self->cycles = wait.cycles;
	memset(self->rig.out.data, TEST_POISON, self->rig.out.length);
	ASSERT_EQ(0, set_parameter("part_ms", PART_MS));
	ASSERT_EQ(0, write_text(TRACING "/trace", "\n"));
	ASSERT_EQ(0, write_text(TRACING "/events/fqaccel/fqa_run_start/enable", "1"));
}

FIXTURE_TEARDOWN(part)
{
	unsigned int i;

	if (!self->cycles)
		return;
	EXPECT_EQ(0, write_text(TRACING "/events/fqaccel/fqa_run_start/enable", "0"));
	for (i = 0; i < ARRAY_SIZE(parameters); i++)
		EXPECT_EQ(0, set_parameter(parameters[i], self->parameters[i]));
	if (self->rig.fd >= 0)
		test_rig_close(&self->rig);
	EXPECT_TRUE(test_memory_settles(self->fd, self->before.memory_free));
	close(self->fd);
}

static int submit(struct test_rig *rig, uint32_t batch, uint64_t *sequence)
{
	struct fqaccel_run run = test_rig_run(rig, batch);
	struct fqaccel_submit arg;
	int ret = test_submit(rig->fd, rig->queue, 0, &run, 1, &arg);

	*sequence = arg.sequence;
	return ret;
}

struct starts {
	unsigned int parts;	/* of the run */
	unsigned int all;	/* times that a part was started */
	unsigned int highest, missing;
};

/* Which parts of a run the card has been given so far. */
static int read_starts(const struct test_rig *rig, uint64_t sequence, struct starts *starts)
{
	static unsigned char started[5000];
	unsigned int part, parts, i;
	char who[100], *at, *line;

	snprintf(who, sizeof(who), "client=%llu queue=%u sequence=%llu ",
		 fdinfo_value(rig->fd, "drm-client-id"), rig->queue,
		 (unsigned long long)sequence);
	memset(starts, 0, sizeof(*starts));
	memset(started, 0, sizeof(started));
	if (read_text(TRACING "/trace", text, sizeof(text)))
		return -EIO;
	for (line = strstr(text, "fqa_run_start:"); line; line = strstr(line, "fqa_run_start:")) {
		at = strstr(line, "part=");
		i = strcspn(line, "\n");
		line[i] = 0;
		if (strstr(line, who) && at &&
		    sscanf(at, "part=%u/%u", &part, &parts) == 2 && part < sizeof(started)) {
			starts->parts = parts;
			starts->all++;
			started[part] = 1;
			if (part > starts->highest)
				starts->highest = part;
		}
		line += i + 1;
	}
	for (i = 1; i <= starts->highest; i++)
		starts->missing += !started[i];
	return 0;
}

/* Returns when the card is at the run's second part or a later one. */
static bool wait_for_parts(const struct test_rig *rig, uint64_t sequence)
{
	int64_t end = test_now() + SOON_MS * 1000000LL;
	struct starts starts;

	while (test_now() < end) {
		if (read_starts(rig, sequence, &starts))
			return false;
		if (starts.highest > 1)
			return true;
		usleep(1000);
	}
	return false;
}

/* The run ends well, and all of it was done. */
static int check_right(struct test_rig *rig, const struct test_data *data, uint64_t sequence,
		       uint64_t cycles)
{
	struct fqaccel_wait wait;
	int ret = test_wait(rig->fd, rig->queue, sequence, SOON_MS, &wait) ?: wait.status;

	if (ret)
		return ret;
	return wait.cycles == cycles && output_right(rig, data, BATCH) ? 0 : -EILSEQ;
}

TEST_F_TIMEOUT(part, one_result, 180)
{
	struct starts starts;
	uint64_t sequence;

	ASSERT_EQ(0, submit(&self->rig, BATCH, &sequence));
	EXPECT_EQ(0, check_right(&self->rig, &self->data, sequence, self->cycles));
	ASSERT_EQ(0, read_starts(&self->rig, sequence, &starts));
	EXPECT_LT(2, starts.parts);
	EXPECT_EQ(starts.parts, starts.all);
	EXPECT_EQ(starts.parts, starts.highest);
	EXPECT_EQ(0, starts.missing);
	EXPECT_EQ(2, fdinfo_value(self->rig.fd, "fqaccel-runs"));
	EXPECT_EQ(2 * self->cycles, fdinfo_value(self->rig.fd, "drm-cycles-compute"));
}

/* What passes between two ranges of layers lies picture by picture, too. */
TEST_F_TIMEOUT(part, ranges_of_layers, 180)
{
	struct fqaccel_run first = test_rig_run(&self->rig, BATCH), second = first;
	struct fqaccel_submit arg;
	struct fqaccel_wait wait[2];
	struct starts starts;
	struct test_buffer mid;

	if (!self->data.cut)
		SKIP(return, "the model has one layer only");
	ASSERT_EQ(0, test_buffer(self->rig.fd, self->data.cut_bytes * BATCH,
				 FQACCEL_BUFFER_CARD_READS | FQACCEL_BUFFER_CARD_WRITES, &mid));
	first.layer_count = self->data.cut;
	first.out_buffer = mid.handle;
	first.out_length = self->data.cut_bytes * BATCH;
	second.first_layer = self->data.cut;
	second.layer_count = self->data.layers - self->data.cut;
	second.in_buffer = mid.handle;
	second.in_length = first.out_length;
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &first, 1, &arg));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, arg.sequence, SOON_MS, &wait[0]));
	EXPECT_EQ(0, wait[0].status);
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &second, 1, &arg));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, arg.sequence, SOON_MS, &wait[1]));
	EXPECT_EQ(0, wait[1].status);
	EXPECT_EQ(self->cycles, wait[0].cycles + wait[1].cycles);
	EXPECT_TRUE(output_right(&self->rig, &self->data, BATCH));
	ASSERT_EQ(0, read_starts(&self->rig, arg.sequence, &starts));
	EXPECT_LT(2, starts.parts);
	/* The first part says what is wrong, and no other is started. */
	first.out_length -= BATCH;
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &first, 1, &arg));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, arg.sequence, SOON_MS, &wait[0]));
	EXPECT_EQ(-EINVAL, wait[0].status);
	EXPECT_EQ(0x12, wait[0].card_status);
	EXPECT_EQ(1, wait[0].offset);
	EXPECT_EQ(0, wait[0].cycles);
	ASSERT_EQ(0, read_starts(&self->rig, arg.sequence, &starts));
	EXPECT_LT(2, starts.parts);
	EXPECT_EQ(1, starts.all);
	munmap(mid.data, mid.length);
}

/* A reset in the middle: only what the card had is repeated. */
TEST_F_TIMEOUT(part, reset, 180)
{
	unsigned long long replays = get_counter("replays");
	struct starts starts;
	uint64_t sequence;

	ASSERT_EQ(0, submit(&self->rig, BATCH, &sequence));
	ASSERT_TRUE(wait_for_parts(&self->rig, sequence));
	ASSERT_EQ(0, write_device("reset", &self->before));
	EXPECT_EQ(0, check_right(&self->rig, &self->data, sequence, self->cycles));
	ASSERT_EQ(0, read_starts(&self->rig, sequence, &starts));
	EXPECT_EQ(0, starts.missing);
	EXPECT_EQ(starts.parts, starts.highest);
	/* Between two parts the card has none. */
	EXPECT_EQ(starts.parts + get_counter("replays") - replays, starts.all);
	EXPECT_GE(replays + 1, get_counter("replays"));
}

/* A part hangs: the run is guilty, and over. */
TEST_F_TIMEOUT(part, hang, 180)
{
	int monitor = test_monitor_open();
	struct fqaccel_wait wait;
	struct starts starts;
	uint64_t sequence;

	if (monitor < 0)
		SKIP(return, "no monitor");
	ASSERT_EQ(0, set_parameter("hang_ms", 400));
	ASSERT_EQ(0, submit(&self->rig, BATCH, &sequence));
	ASSERT_TRUE(wait_for_parts(&self->rig, sequence));
	ASSERT_EQ(0, set_fault(monitor, "hang-next", 1));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, SOON_MS, &wait));
	/* If it was quicker than the monitor, the next one hangs. */
	if (!wait.status) {
		ASSERT_EQ(0, submit(&self->rig, BATCH, &sequence));
		ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, SOON_MS, &wait));
	}
	EXPECT_EQ(-ETIMEDOUT, wait.status);
	EXPECT_EQ(0, wait.card_status);
	EXPECT_EQ(0, wait.cycles);
	ASSERT_EQ(0, read_starts(&self->rig, sequence, &starts));
	EXPECT_EQ(starts.highest, starts.all);
	EXPECT_GE(starts.parts, starts.all);
	ASSERT_EQ(0, submit(&self->rig, BATCH, &sequence));
	EXPECT_EQ(0, check_right(&self->rig, &self->data, sequence, self->cycles));
	close(monitor);
}

/* The limit is that of the whole run, and none of its parts is as long. */
TEST_F_TIMEOUT(part, limit, 180)
{
	struct fqaccel_wait wait;
	struct starts starts;
	uint64_t sequence;

	ASSERT_EQ(0, set_parameter("run_limit_ms", 3 * PART_MS));
	ASSERT_EQ(0, submit(&self->rig, BATCH, &sequence));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, SOON_MS, &wait));
	EXPECT_EQ(-ETIMEDOUT, wait.status);
	EXPECT_EQ(SC_ABORTED, wait.card_status);
	EXPECT_EQ(0, wait.cycles);
	ASSERT_EQ(0, read_starts(&self->rig, sequence, &starts));
	EXPECT_GT(starts.parts, starts.all);
	ASSERT_EQ(0, set_parameter("run_limit_ms", 0));
	ASSERT_EQ(0, submit(&self->rig, BATCH, &sequence));
	EXPECT_EQ(0, check_right(&self->rig, &self->data, sequence, self->cycles));
}

/* Neither a destroyed queue nor a closed file goes on to the end. */
TEST_F_TIMEOUT(part, closed_in_the_middle, 180)
{
	struct starts starts;
	struct test_rig rig;
	uint64_t sequence;

	rig = self->rig;
	ASSERT_EQ(0, test_queue(rig.fd, 0, &rig.queue));
	ASSERT_EQ(0, submit(&rig, BATCH, &sequence));
	ASSERT_TRUE(wait_for_parts(&rig, sequence));
	ASSERT_EQ(0, test_destroy(rig.fd, rig.queue));
	while (fdinfo_value(rig.fd, "fqaccel-unfinished"))
		usleep(10000);
	ASSERT_EQ(0, read_starts(&rig, sequence, &starts));
	EXPECT_GT(starts.parts, starts.all);

	ASSERT_EQ(0, test_rig_open(&rig, &self->data, BATCH));
	fill_input(&rig, &self->data);
	ASSERT_EQ(0, submit(&rig, BATCH, &sequence));
	ASSERT_TRUE(wait_for_parts(&rig, sequence));
	test_rig_close(&rig);
	ASSERT_EQ(0, submit(&self->rig, BATCH, &sequence));
	EXPECT_EQ(0, check_right(&self->rig, &self->data, sequence, self->cycles));
}

/* A run's memory is given back a moment after its end was told. */
static bool memory_comes_back(int fd, uint64_t used)
{
	struct fqaccel_info info;
	int i;

	for (i = 0; i < 1000; i++) {
		if (!test_info(fd, &info) && info.buffer_used == used)
			return true;
		usleep(10000);
	}
	return false;
}

/* Parts take memory, which is charged; what was charged comes back. */
TEST_F_TIMEOUT(part, memory, 180)
{
	struct fqaccel_info info, full;
	struct test_buffer rest;
	struct test_rig rig;
	uint64_t sequence;

	ASSERT_EQ(0, set_parameter("buffer_limit_mb", 16));
	ASSERT_EQ(0, set_parameter("part_ms", 1));
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, BATCH));
	fill_input(&rig, &self->data);
	ASSERT_EQ(0, test_info(rig.fd, &info));
	ASSERT_EQ(0, test_buffer(rig.fd, info.buffer_limit - info.buffer_used - 8192,
				 FQACCEL_BUFFER_CARD_READS, &rest));
	ASSERT_EQ(0, test_info(rig.fd, &info));
	EXPECT_EQ(-ENOSPC, submit(&rig, BATCH, &sequence));
	ASSERT_EQ(0, test_info(rig.fd, &full));
	EXPECT_EQ(info.buffer_used, full.buffer_used);
	munmap(rest.data, rest.length);
	ASSERT_EQ(0, test_destroy(rig.fd, rest.handle));
	ASSERT_EQ(0, test_info(rig.fd, &info));
	ASSERT_EQ(0, submit(&rig, BATCH, &sequence));
	ASSERT_EQ(0, test_info(rig.fd, &full));
	EXPECT_LT(info.buffer_used, full.buffer_used);
	EXPECT_EQ(0, check_right(&rig, &self->data, sequence, self->cycles));
	EXPECT_TRUE(memory_comes_back(rig.fd, info.buffer_used));
	test_rig_close(&rig);
}

TEST_HARNESS_MAIN
