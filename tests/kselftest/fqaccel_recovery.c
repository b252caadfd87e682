// SPDX-License-Identifier: GPL-2.0
/*
 * Hangs: they are seen in time, the guilty run ends with an error, the innocent ones start
 * anew and end well, and whoever hangs the card again and again is shut out. The emulated card
 * hangs on request, through QEMU's monitor; the tests are skipped where there is none.
 */
#include <dirent.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "fqaccel_monitor.h"
#include "kselftest_harness.h"

#define HANG_MS		400
#define SLOW_HANG_MS	4000	/* where the test has to do something before it is seen */
#define SOON_MS		15000	/* a hang is over by then, on any kernel and busy machine */

/* Batches: far longer than HANG_MS, on a card of any speed that QEMU has. */
#define ENDLESS_BATCH	65536
#define LONG_BATCH	32768

#define SC_ABORTED	0x30	/* CARD.md section 7 */

static const char * const parameters[] = { "hang_ms", "run_limit_ms", "part_ms",
					   "backoff_max_ms" };

TEST_PROGRAM_NEEDS(test_monitor_there(), "no monitor")

FIXTURE(recovery)
{
	int monitor, log;
	struct test_data data;
	struct test_rig rig;
	struct fqaccel_info before;
	unsigned long long parameters[ARRAY_SIZE(parameters)];
	unsigned long long resets, hangs, replays;
};

FIXTURE_SETUP(recovery)
{
	unsigned int i;

	self->monitor = test_monitor_open();
	ASSERT_LE(0, self->monitor);
	self->log = test_log_open();
	ASSERT_LE(0, self->log);
	ASSERT_EQ(0, test_card_info(&self->before));
	for (i = 0; i < ARRAY_SIZE(parameters); i++)
		ASSERT_EQ(0, get_parameter(parameters[i], &self->parameters[i]));
	ASSERT_EQ(0, set_parameter("hang_ms", HANG_MS));
	ASSERT_EQ(0, set_parameter("backoff_max_ms", 1));
	/* A long run is to be one command, so that the next one to hang is another's. */
	ASSERT_EQ(0, set_parameter("part_ms", 0));
	self->resets = get_counter("resets");
	self->hangs = get_counter("hangs");
	self->replays = get_counter("replays");
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, ENDLESS_BATCH));
	fill_input(&self->rig, &self->data);
}

FIXTURE_TEARDOWN(recovery)
{
	unsigned int i;

	test_rig_close(&self->rig);
	/* Whatever happened, the card works afterwards and has all its memory. */
	EXPECT_TRUE(test_card_settles(&self->before));
	for (i = 0; i < ARRAY_SIZE(parameters); i++)
		EXPECT_EQ(0, set_parameter(parameters[i], self->parameters[i]));
	close(self->log);
	close(self->monitor);
}

/* Start a run that ends after no less than seconds. Returns when the card is at it. */
static int start_run(struct test_rig *rig, uint32_t batch, uint64_t *sequence)
{
	struct fqaccel_run run = test_rig_run(rig, batch);
	struct fqaccel_submit arg;
	int ret = test_submit(rig->fd, rig->queue, 0, &run, 1, &arg);

	*sequence = arg.sequence;
	usleep(200000);
	return ret;
}

/* Start the run that hangs, which no other may come before; its status. */
static int hang_once(int monitor, struct test_rig *rig, struct fqaccel_wait *wait)
{
	int ret = set_fault(monitor, "hang-next", 1) ?: run_once(rig, 1, wait);

	return ret ?: wait->status;
}

TEST_F_TIMEOUT(recovery, hang, 60)
{
	int64_t start = test_now(), ms;
	struct fqaccel_wait wait;

	EXPECT_EQ(-ETIMEDOUT, hang_once(self->monitor, &self->rig, &wait));
	ms = (test_now() - start) / 1000000;
	EXPECT_EQ(0, wait.card_status);
	EXPECT_EQ(0xffffffff, wait.layer);
	EXPECT_EQ(0, wait.cycles);
	EXPECT_LE(HANG_MS, ms);
	EXPECT_GE(SOON_MS, ms);
	EXPECT_EQ(self->hangs + 1, get_counter("hangs"));
	EXPECT_EQ(self->resets + 1, get_counter("resets"));
	EXPECT_EQ(self->replays, get_counter("replays"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	EXPECT_EQ(self->resets + 1, get_counter("resets"));
}

/* In a process of its own: more NOPs than the card has queues, again and again. */
static pid_t flood_with_nops(void)
{
	struct fqaccel_run runs[64];
	struct fqaccel_submit arg;
	uint32_t queue;
	pid_t pid = fork();
	unsigned int i;
	int fd;

	if (pid)
		return pid;
	for (i = 0; i < ARRAY_SIZE(runs); i++)
		runs[i] = (struct fqaccel_run){ .flags = FQACCEL_RUN_NOP };
	fd = test_open();
	if (fd < 0 || test_queue(fd, 0, &queue))
		_exit(1);
	while (!test_submit(fd, queue, 0, runs, ARRAY_SIZE(runs), &arg))
		;
	_exit(1);
}

/* Others' NOPs overtake the run that hangs, on its own queue of the card, too. */
TEST_F_TIMEOUT(recovery, nops_do_not_hide_a_hang, 90)
{
	struct fqaccel_wait wait;
	pid_t pid = flood_with_nops();
	int status;

	ASSERT_LT(0, pid);
	EXPECT_EQ(-ETIMEDOUT, hang_once(self->monitor, &self->rig, &wait));
	EXPECT_EQ(self->hangs + 1, get_counter("hangs"));
	/* It was at it all the time. */
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* Others' runs, and those of the same file behind the one that hangs, know nothing of it. */
TEST_F_TIMEOUT(recovery, innocent_runs_start_anew, 90)
{
	struct test_rig others[3];
	uint64_t sequence[3];
	struct fqaccel_wait wait;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, test_rig_open(&others[i], &self->data, LONG_BATCH));
		fill_input(&others[i], &self->data);
		ASSERT_EQ(0, start_run(&others[i], LONG_BATCH, &sequence[i]));
	}
	EXPECT_EQ(-ETIMEDOUT, hang_once(self->monitor, &self->rig, &wait));
	EXPECT_LT(self->replays, get_counter("replays"));
	EXPECT_GE(self->replays + 3, get_counter("replays"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, test_wait(others[i].fd, others[i].queue, sequence[i], 60000, &wait));
		EXPECT_EQ(0, wait.status);
		EXPECT_TRUE(output_right(&others[i], &self->data, LONG_BATCH));
		test_rig_close(&others[i]);
	}
	EXPECT_EQ(self->hangs + 1, get_counter("hangs"));
	EXPECT_EQ(self->resets + 1, get_counter("resets"));
}

/* A run that two resets have met is not tried a third time. */
TEST_F_TIMEOUT(recovery, second_reset_cancels, 90)
{
	struct fqaccel_wait wait;
	struct test_rig other;
	uint64_t sequence;

	ASSERT_EQ(0, test_rig_open(&other, &self->data, self->data.pictures));
	fill_input(&other, &self->data);
	ASSERT_EQ(0, start_run(&self->rig, ENDLESS_BATCH, &sequence));
	EXPECT_EQ(-ETIMEDOUT, hang_once(self->monitor, &other, &wait));
	EXPECT_EQ(self->replays + 1, get_counter("replays"));
	EXPECT_EQ(-ETIME, test_wait(self->rig.fd, self->rig.queue, sequence, 0, &wait));
	/* The card has the replay before it gets this one, so that the next hang is not its. */
	EXPECT_EQ(0, run_right(&other, &self->data));
	EXPECT_EQ(-ETIMEDOUT, hang_once(self->monitor, &other, &wait));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, sequence, SOON_MS, &wait));
	EXPECT_EQ(-ECANCELED, wait.status);
	EXPECT_EQ(0, wait.card_status);
	EXPECT_EQ(self->replays + 1, get_counter("replays"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	test_rig_close(&other);
}

/* What lasts long is not hung: the card makes progress. */
TEST_F_TIMEOUT(recovery, long_run_is_no_hang, 120)
{
	int64_t start = test_now();
	struct fqaccel_wait wait;

	EXPECT_EQ(-EINVAL, set_parameter("hang_ms", 0));
	ASSERT_EQ(0, set_parameter("hang_ms", 200));
	ASSERT_EQ(0, run_once(&self->rig, ENDLESS_BATCH, &wait));
	EXPECT_EQ(0, wait.status);
	/* Or else this has tested nothing. */
	EXPECT_LT(5 * 200 * 1000000LL, test_now() - start);
	EXPECT_TRUE(output_right(&self->rig, &self->data, ENDLESS_BATCH));
	EXPECT_EQ(self->resets, get_counter("resets"));
}

/* Nor is a part of a network on many pictures. */
TEST_F_TIMEOUT(recovery, long_part_is_no_hang, 120)
{
	struct fqaccel_run run = test_rig_run(&self->rig, ENDLESS_BATCH);
	int64_t start = test_now();
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct test_buffer mid;

	if (!self->data.cut)
		SKIP(return, "the model has one layer only");
	ASSERT_EQ(0, test_buffer(self->rig.fd, self->data.cut_bytes * ENDLESS_BATCH,
				 FQACCEL_BUFFER_CARD_WRITES, &mid));
	run.layer_count = self->data.cut;
	run.out_buffer = mid.handle;
	run.out_length = self->data.cut_bytes * ENDLESS_BATCH;
	ASSERT_EQ(0, set_parameter("hang_ms", 200));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, 1, 100000, &wait));
	EXPECT_EQ(0, wait.status);
	EXPECT_LT(5 * 200 * 1000000LL, test_now() - start);
	EXPECT_EQ(self->resets, get_counter("resets"));
	munmap(mid.data, mid.length);
}

/* An interrupt that never comes: the run ends a moment later. */
TEST_F_TIMEOUT(recovery, lost_interrupt, 60)
{
	unsigned long long lost = get_counter("lost_interrupts");
	int64_t start;

	ASSERT_EQ(0, set_parameter("hang_ms", 10 * SOON_MS));
	ASSERT_EQ(0, set_fault(self->monitor, "drop-irq", 1));
	start = test_now();
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	EXPECT_GT(SOON_MS, (test_now() - start) / 1000000);
	/* On a busy machine one that comes late may be taken for another. */
	EXPECT_LE(lost + 1, get_counter("lost_interrupts"));
	EXPECT_EQ(self->resets, get_counter("resets"));
	/* Told of once. */
	if (!lost)
		EXPECT_LE(0, test_log_find(self->log, "got lost"));
	ASSERT_EQ(0, set_fault(self->monitor, "drop-irq", 1));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	EXPECT_LE(lost + 2, get_counter("lost_interrupts"));
	EXPECT_GT(0, test_log_find(self->log, "got lost"));
}

/* A limit on a run's time ends that run, and no other's. */
TEST_F_TIMEOUT(recovery, run_limit, 60)
{
	struct fqaccel_wait wait;
	int64_t start;

	ASSERT_EQ(0, set_parameter("run_limit_ms", 500));
	start = test_now();
	ASSERT_EQ(0, run_once(&self->rig, ENDLESS_BATCH, &wait));
	EXPECT_EQ(-ETIMEDOUT, wait.status);
	EXPECT_EQ(SC_ABORTED, wait.card_status);
	EXPECT_LE(500, (test_now() - start) / 1000000);
	EXPECT_GE(SOON_MS, (test_now() - start) / 1000000);
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	EXPECT_EQ(self->resets, get_counter("resets"));
	EXPECT_EQ(self->hangs, get_counter("hangs"));
	ASSERT_EQ(0, set_parameter("run_limit_ms", 0));
	ASSERT_EQ(0, run_once(&self->rig, LONG_BATCH, &wait));
	EXPECT_EQ(0, wait.status);
}

/* A run that hangs does not answer to an ABORT either. */
TEST_F_TIMEOUT(recovery, run_limit_of_a_hung_run, 60)
{
	struct fqaccel_wait wait;

	ASSERT_EQ(0, set_parameter("hang_ms", 2000));
	ASSERT_EQ(0, set_parameter("run_limit_ms", 300));
	EXPECT_EQ(-ETIMEDOUT, hang_once(self->monitor, &self->rig, &wait));
	EXPECT_EQ(0, wait.card_status);
	EXPECT_EQ(self->hangs + 1, get_counter("hangs"));
	ASSERT_EQ(0, set_parameter("run_limit_ms", 0));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* A model that does not come back after a reset: its runs fail, until another reset. */
TEST_F_TIMEOUT(recovery, model_lost, 60)
{
	struct fqaccel_run run = test_rig_run(&self->rig, 1);
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;

	ASSERT_EQ(0, set_parameter("hang_ms", SLOW_HANG_MS));
	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	usleep(200000);
	/* The next transfer of data is the image's. */
	ASSERT_EQ(0, set_fault(self->monitor, "fail-dma", 1));
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, 1, SOON_MS, &wait));
	EXPECT_EQ(-ETIMEDOUT, wait.status);
	ASSERT_EQ(0, run_once(&self->rig, 1, &wait));
	EXPECT_EQ(-EIO, wait.status);
	EXPECT_EQ(0, wait.card_status);
	ASSERT_EQ(0, write_device("reset", &self->before));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* In a process of its own that shares the file: waits for room in a full queue. */
static pid_t start_submitter(struct test_rig *rig, uint32_t queue)
{
	struct fqaccel_run run = test_rig_run(rig, 1);
	struct fqaccel_submit arg;
	pid_t pid = fork();

	if (pid)
		return pid;
	_exit(test_submit(rig->fd, queue, 0, &run, 1, &arg) == -EBADFD ? 0 : 1);
}

static void check_banned(struct __test_metadata *_metadata, struct test_rig *rig)
{
	struct pollfd p = { .fd = rig->fd, .events = POLLIN };
	struct fqaccel_run run = test_rig_run(rig, 1);
	struct fqaccel_model_load model;
	struct fqaccel_submit arg;
	struct fqaccel_info info;
	struct fqaccel_wait wait;
	struct test_buffer buf;
	uint32_t queue;

	EXPECT_EQ(-EBADFD, test_submit(rig->fd, rig->queue, 0, &run, 1, &arg));
	EXPECT_EQ(0, arg.accepted);
	EXPECT_EQ(-EBADFD, test_load(rig->fd, "x", 1, &model));
	EXPECT_EQ(-EBADFD, test_buffer(rig->fd, 1, 1, &buf));
	EXPECT_EQ(-EBADFD, test_queue(rig->fd, 1, &queue));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLERR, p.revents & (POLLERR | POLLHUP));
	EXPECT_EQ(0, test_info(rig->fd, &info));
	EXPECT_EQ(0, test_wait(rig->fd, rig->queue, 1, 0, &wait));
	EXPECT_EQ(-ETIMEDOUT, wait.status);
	EXPECT_EQ(0, test_destroy(rig->fd, rig->in.handle));
}

/* Three hangs, and the file is closed for work; what it has queued is dropped. */
TEST_F_TIMEOUT(recovery, repeated_guilt, 120)
{
	struct fqaccel_run run;
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	int i, status, dropped = 0;
	struct test_rig other;
	uint32_t full;
	pid_t pid;

	ASSERT_EQ(0, test_rig_open(&other, &self->data, LONG_BATCH));
	ASSERT_EQ(0, test_queue(other.fd, 1, &full));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-ETIMEDOUT, hang_once(self->monitor, &other, &wait));
	ASSERT_EQ(0, set_parameter("hang_ms", SLOW_HANG_MS));
	ASSERT_EQ(0, set_fault(self->monitor, "hang-next", 1));
	run = test_rig_run(&other, 1);
	ASSERT_EQ(0, test_submit(other.fd, full, 0, &run, 1, &arg));
	pid = start_submitter(&other, full);
	ASSERT_LT(0, pid);
	run = test_rig_run(&other, LONG_BATCH);
	for (i = 0; i < 40; i++)
		ASSERT_EQ(0, test_submit(other.fd, other.queue, 0, &run, 1, &arg));

	ASSERT_EQ(0, test_wait(other.fd, full, 1, SOON_MS, &wait));
	EXPECT_EQ(-ETIMEDOUT, wait.status);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	check_banned(_metadata, &other);
	for (i = 3; i < 43; i++) {
		ASSERT_EQ(0, test_wait(other.fd, other.queue, i, SOON_MS, &wait));
		EXPECT_TRUE(wait.status == 0 || wait.status == -ECANCELED);
		dropped += wait.status != 0;
	}
	EXPECT_LE(40 - 2 * (int)self->before.hw_queues, dropped);
	EXPECT_LE(0, test_log_find(self->log, "closing its open file"));
	/* It is nobody else's affair. */
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	test_rig_close(&other);
}

/* Resets in quick succession are spaced out. */
TEST_F_TIMEOUT(recovery, back_off, 120)
{
	long long start = -1, end = -1, at;
	struct fqaccel_wait wait;
	struct test_rig rigs[3];
	int i, log;

	log = test_log_open();
	ASSERT_LE(0, log);
	ASSERT_EQ(0, set_parameter("backoff_max_ms", 1000));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, test_rig_open(&rigs[i], &self->data, 1));
	/* Two for each, lest they be shut out. */
	for (i = 0; i < 6; i++)
		EXPECT_EQ(-ETIMEDOUT, hang_once(self->monitor, &rigs[i / 2], &wait));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	while ((at = test_log_find(self->log, "resetting it")) >= 0)
		start = at;
	while ((at = test_log_find(log, "reset done")) >= 0)
		end = at;
	EXPECT_LE(0, start);
	EXPECT_LE(1000000, end - start);
	EXPECT_GE(SOON_MS * 1000, end - start);
	for (i = 0; i < 3; i++)
		test_rig_close(&rigs[i]);
	close(log);
}

/* In a process of its own: more runs than the card takes at once; tells when it has begun. */
static pid_t start_user(const struct test_data *data, int monitor)
{
	struct fqaccel_submit arg;
	struct fqaccel_run run;
	struct test_rig rig;
	int i, pipes[2];
	char byte;
	pid_t pid;

	if (pipe(pipes))
		return -1;
	pid = fork();
	if (pid) {
		close(pipes[1]);
		if (read(pipes[0], &byte, 1) != 1)
			pid = -1;
		close(pipes[0]);
		return pid;
	}
	if (test_rig_open(&rig, data, LONG_BATCH))
		_exit(1);
	run = test_rig_run(&rig, 1);
	/* The further ones are met by the reset, whose first tries so take two seconds each. */
	if (set_fault(monitor, "corrupt-cqe", 3))
		_exit(2);
	for (i = 0; i < 40; i++) {
		if (test_submit(rig.fd, rig.queue, 0, &run, 1, &arg))
			_exit(3);
		run = test_rig_run(&rig, LONG_BATCH);
	}
	if (write(pipes[1], "x", 1) == 1)
		pause();
	_exit(4);
}

/* Wait until a reset has begun; false if it is over already. */
static bool in_recovery(int log)
{
	int64_t end = test_now() + SOON_MS * 1000000LL;

	while (test_log_find(log, "resetting it") < 0)
		if (test_now() > end)
			return false;
	return test_log_find(log, "reset done") < 0;
}

TEST_F_TIMEOUT(recovery, killed_during_recovery, 90)
{
	pid_t pid = start_user(&self->data, self->monitor);
	int status;

	ASSERT_LT(0, pid);
	EXPECT_TRUE(in_recovery(self->log));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	/* Death does not wait for the card. */
	EXPECT_GT(0, test_log_find(self->log, "reset done"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	EXPECT_EQ(self->resets + 1, get_counter("resets"));
}

TEST_F_TIMEOUT(recovery, unbound_during_recovery, 90)
{
	pid_t pid = start_user(&self->data, self->monitor);
	struct test_rig rig;
	int64_t start;

	ASSERT_LT(0, pid);
	EXPECT_TRUE(in_recovery(self->log));
	start = test_now();
	EXPECT_EQ(0, write_driver("unbind", &self->before));
	EXPECT_GT(SOON_MS, (test_now() - start) / 1000000);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	/* What is left of it is not for the new start. */
	ASSERT_EQ(0, set_fault(self->monitor, "corrupt-cqe", 0));
	ASSERT_EQ(0, write_driver("bind", &self->before));
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
	fill_input(&rig, &self->data);
	EXPECT_EQ(0, run_right(&rig, &self->data));
	test_rig_close(&rig);
}

/* A file of the coredump that lies there, or NULL. */
static FILE *open_dump(const char *mode)
{
	DIR *dir = opendir("/sys/class/devcoredump");
	struct dirent *entry;
	FILE *file = NULL;
	char path[PATH_MAX];

	while (dir && !file && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/devcoredump/%s/data", entry->d_name);
		if (!strncmp(entry->d_name, "devcd", 5))
			file = fopen(path, mode);
	}
	if (dir)
		closedir(dir);
	return file;
}

static void drop_dumps(void)
{
	FILE *file;

	while ((file = open_dump("w"))) {
		fputs("0", file);
		fclose(file);
		usleep(100000);
	}
}

/* What a dump must tell; lines are counted by how they begin. */
struct dump {
	unsigned int head, registers, queues, commands, runs, guilty, innocent, lines;
	bool ended;		/* by the last line */
};

static void read_dump(FILE *file, struct dump *dump)
{
	char line[512], role[16];

	memset(dump, 0, sizeof(*dump));
	while (fgets(line, sizeof(line), file)) {
		dump->lines++;
		dump->head += !strcmp(line, "fqaccel-coredump 1\n");
		dump->registers += !strncmp(line, "register ", 9);
		dump->queues += !strncmp(line, "queue ", 6);
		dump->commands += !strncmp(line, "command ", 8);
		if (sscanf(line, "run %*u cid %*u %15s", role) == 1) {
			dump->runs++;
			dump->guilty += !strcmp(role, "guilty");
			dump->innocent += !strcmp(role, "innocent");
		}
		dump->ended = !strcmp(line, "end\n");
	}
	fclose(file);
}

static int open_uevents(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -1 : fd;
}

/* Whether user space has been told of a reset by an event of the card's device. */
static bool find_uevent(int fd)
{
	char text[4096];
	ssize_t n, i;
	bool event, device, reason;

	while ((n = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = 0;
		event = false;
		device = false;
		reason = false;
		for (i = 0; i < n; i += strlen(text + i) + 1) {
			event |= !strcmp(text + i, "FQACCEL_EVENT=reset");
			device |= !strcmp(text + i, "SUBSYSTEM=fqaccel");
			reason |= !strncmp(text + i, "FQACCEL_REASON=made no progress", 31);
		}
		if (event && device && reason)
			return true;
	}
	return false;
}

TEST_F_TIMEOUT(recovery, coredump, 90)
{
	struct fqaccel_wait wait;
	struct dump dump;
	uint64_t sequence;
	FILE *file = NULL;
	int i, events;

	drop_dumps();
	if (access("/sys/class/devcoredump", F_OK))
		SKIP(return, "this kernel has no coredumps of devices");
	events = open_uevents();
	ASSERT_LE(0, events);
	ASSERT_EQ(0, start_run(&self->rig, ENDLESS_BATCH, &sequence));
	EXPECT_EQ(-ETIMEDOUT, hang_once(self->monitor, &self->rig, &wait));
	for (i = 0; i < 50 && !file; i++) {
		usleep(100000);
		file = open_dump("r");
	}
	ASSERT_NE(NULL, file);
	read_dump(file, &dump);
	EXPECT_EQ(1, dump.head);
	EXPECT_EQ(16, dump.registers);
	EXPECT_EQ(1 + self->before.hw_queues, dump.queues);
	EXPECT_EQ(2, dump.runs);
	EXPECT_EQ(2, dump.commands);
	EXPECT_EQ(1, dump.guilty);
	EXPECT_EQ(1, dump.innocent);
	EXPECT_LT(40, dump.lines);
	EXPECT_TRUE(dump.ended);
	EXPECT_TRUE(find_uevent(events));
	close(events);
	drop_dumps();
}

TEST_HARNESS_MAIN
