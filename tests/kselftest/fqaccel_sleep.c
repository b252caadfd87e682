// SPDX-License-Identifier: GPL-2.0
/*
 * The system sleeps in the middle of work, and nobody notices but by the clock. It puts the machine
 * to sleep, so it is not among those that run by themselves.
 *
 * FQACCEL_TEST_WAKE  a terminal: somebody reads there, and wakes the machine after a line
 *                    "falling asleep: s2idle" or "s3" until there is "awake"; without it there
 *                    is an alarm for S3, and nothing ends s2idle
 * FQACCEL_TEST_RESUME  a command to run at once after each S3
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "fqaccel_power.h"
#include "kselftest_harness.h"

#define SLEEPS		2
#define ALARM_S		15	/* far longer than falling asleep takes */
#define RIGS		3
#define LONG_BATCH	32768
#define LONG_RUNS	3	/* of a rig: seconds of work */
#define CROWD		4

FIXTURE(sleep)
{
	struct test_data data;
	struct fqaccel_info info;
	unsigned long long resets, hangs, replays;
};

FIXTURE_VARIANT(sleep)
{
	const char *name;
	const char *pm_test, *state;
};

/* Drivers' callbacks alone: quick, and the card keeps its power. */
FIXTURE_VARIANT_ADD(sleep, devices)
{
	.name = "devices", .pm_test = "devices", .state = "mem",
};

FIXTURE_VARIANT_ADD(sleep, s2idle)
{
	.name = "s2idle", .pm_test = "none", .state = "freeze",
};

FIXTURE_VARIANT_ADD(sleep, s3)
{
	.name = "s3", .pm_test = "none", .state = "mem",
};

FIXTURE_SETUP(sleep)
{
	if (!strcmp(variant->name, "s2idle") && !getenv("FQACCEL_TEST_WAKE"))
		SKIP(return, "nobody wakes the machine");
	if (access("/sys/power/pm_test", W_OK))
		SKIP(return, "this kernel has no pm_test");
	ASSERT_EQ(0, test_card_info(&self->info));
	ASSERT_EQ(0, test_data_read(&self->data));
	self->resets = get_counter("resets");
	self->hangs = get_counter("hangs");
	self->replays = get_counter("replays");
	ASSERT_EQ(0, write_file("/sys/power/pm_test", variant->pm_test));
	write_file("/sys/module/suspend/parameters/pm_test_delay", "1");
	if (!strcmp(variant->name, "s3"))
		ASSERT_EQ(0, write_file("/sys/power/mem_sleep", "deep"));
}

FIXTURE_TEARDOWN(sleep)
{
	write_file("/sys/power/pm_test", "none");
	EXPECT_TRUE(test_card_settles(&self->info));
	/* Nobody hears of it. */
	EXPECT_EQ(self->resets, get_counter("resets"));
	EXPECT_EQ(self->hangs, get_counter("hangs"));
	EXPECT_EQ(self->replays, get_counter("replays"));
}

static unsigned long long sleeps(void)
{
	unsigned long long count = 0;

	read_number("/sys/power/suspend_stats/success", &count);
	return count;
}

/* It is out before we go on: who would forward it may be frozen already. */
static void say(const char *text)
{
	const char *path = getenv("FQACCEL_TEST_WAKE");
	int fd = path ? open(path, O_WRONLY | O_NOCTTY) : -1;

	if (fd < 0)
		return;
	dprintf(fd, "\r\n%s\r\n", text);
	tcdrain(fd);
	close(fd);
}

/* One sleep. A wakeup that comes too early makes the kernel refuse: again, then. */
static bool fall_asleep(const char *name, const char *state)
{
	int64_t end = test_now() + POWER_SOON_MS * 1000000LL;
	unsigned long long before = sleeps();
	char text[40];

	while (sleeps() == before && test_now() < end) {
		if (!strcmp(name, "s3") && !getenv("FQACCEL_TEST_WAKE")) {
			write_file("/sys/class/rtc/rtc0/wakealarm", "0");
			snprintf(text, sizeof(text), "+%d", ALARM_S);
			if (write_file("/sys/class/rtc/rtc0/wakealarm", text))
				return false;
		}
		snprintf(text, sizeof(text), "falling asleep: %s", name);
		say(text);
		write_file("/sys/power/state", state);
		if (!strcmp(name, "s3") && getenv("FQACCEL_TEST_RESUME") &&
		    system(getenv("FQACCEL_TEST_RESUME")))
			return false;
		say("awake");
	}
	return sleeps() > before;
}

/* Runs in flight and behind them. */
TEST_F_TIMEOUT(sleep, work, 600)
{
	struct test_rig rigs[RIGS];
	struct fqaccel_submit arg[RIGS];
	struct fqaccel_run runs[LONG_RUNS];
	struct fqaccel_wait wait;
	unsigned int i, j, met = 0;

	for (i = 0; i < RIGS; i++) {
		ASSERT_EQ(0, test_rig_open(&rigs[i], &self->data, LONG_BATCH));
		fill_input(&rigs[i], &self->data);
		for (j = 0; j < LONG_RUNS; j++)
			runs[j] = test_rig_run(&rigs[i], LONG_BATCH);
		ASSERT_EQ(0, test_submit(rigs[i].fd, rigs[i].queue, 0, runs, LONG_RUNS, &arg[i]));
		ASSERT_EQ(LONG_RUNS, arg[i].accepted);
	}
	for (i = 0; i < SLEEPS; i++) {
		bool busy;

		usleep(37000 * (i + 1));
		busy = test_wait(rigs[0].fd, rigs[0].queue, arg[0].sequence, 0, &wait) == -ETIME;
		ASSERT_TRUE(fall_asleep(variant->name, variant->state));
		met += busy;
	}
	/* Or else this has tested nothing. */
	EXPECT_LT(0, met);
	for (i = 0; i < RIGS; i++) {
		for (j = 0; j < LONG_RUNS; j++) {
			ASSERT_EQ(0, test_wait(rigs[i].fd, rigs[i].queue, arg[i].sequence - j,
					       4 * POWER_SOON_MS, &wait));
			EXPECT_EQ(0, wait.status);
		}
		EXPECT_TRUE(output_right(&rigs[i], &self->data, LONG_BATCH));
		/* The models are back. */
		EXPECT_EQ(0, run_right(&rigs[i], &self->data));
		test_rig_close(&rigs[i]);
	}
}

/* Opens, loads, runs, waits in a full queue, closes with runs in flight, until told to end. */
static int crowd_member(const struct test_data *data, unsigned int number, const int *stop)
{
	struct fqaccel_submit arg;
	struct fqaccel_run runs[8];
	struct test_rig rig;
	unsigned int i, round;
	uint32_t queue;
	int ret = 0;

	for (round = 0; !ret && !__atomic_load_n(stop, __ATOMIC_RELAXED); round++) {
		ret = test_rig_open(&rig, data, 4096);
		if (ret)
			break;
		fill_input(&rig, data);
		for (i = 0; !ret && i < 5; i++)
			ret = run_right(&rig, data);
		fill_input(&rig, data);
		for (i = 0; i < 8; i++)
			runs[i] = test_rig_run(&rig, 4096);
		/* More than it has room for: SUBMIT waits. */
		ret = ret ?: test_queue(rig.fd, 2, &queue);
		/* Sleep ends its wait, as a signal would, and what it has accepted it has. */
		for (i = 0; !ret && i < 8; i += arg.accepted)
			ret = test_submit(rig.fd, queue, 0, runs + i, 8 - i, &arg);
		if (!ret && (round + number) % 2) {
			struct fqaccel_wait wait;

			ret = test_wait(rig.fd, queue, arg.sequence, -1, &wait) ?: wait.status;
			if (!ret && !output_right(&rig, data, 4096))
				ret = -EILSEQ;
		}
		test_rig_close(&rig);
	}
	return ret;
}

TEST_F_TIMEOUT(sleep, crowd, 300)
{
	pid_t pids[CROWD];
	int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int i;
	int status;

	ASSERT_NE(MAP_FAILED, stop);
	for (i = 0; i < CROWD; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(-crowd_member(&self->data, i, stop));
		}
	}
	for (i = 0; i < SLEEPS; i++) {
		usleep(300000 + 123000 * i);
		EXPECT_TRUE(fall_asleep(variant->name, variant->state));
	}
	usleep(300000);
	__atomic_store_n(stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	munmap(stop, 4096);
}

/* Whose owner has just been killed: the teardown meets the sleep. */
TEST_F_TIMEOUT(sleep, killed, 300)
{
	struct test_rig rig;
	unsigned int i;
	int fds[2];
	pid_t pid;
	char byte;

	for (i = 0; i < SLEEPS; i++) {
		ASSERT_EQ(0, pipe(fds));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			struct fqaccel_run run;
			struct fqaccel_submit arg;
			struct test_rig victim;

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (test_rig_open(&victim, &self->data, LONG_BATCH))
				_exit(1);
			run = test_rig_run(&victim, LONG_BATCH);
			if (test_submit(victim.fd, victim.queue, 0, &run, 1, &arg) ||
			    test_submit(victim.fd, victim.queue, 0, &run, 1, &arg) ||
			    write(fds[1], "x", 1) != 1)
				_exit(1);
			pause();
		}
		close(fds[1]);
		EXPECT_EQ(1, read(fds[0], &byte, 1));
		close(fds[0]);
		usleep(20000);
		kill(pid, SIGKILL);
		EXPECT_TRUE(fall_asleep(variant->name, variant->state));
		EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	}
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
	fill_input(&rig, &self->data);
	EXPECT_EQ(0, run_right(&rig, &self->data));
	test_rig_close(&rig);
}

/* The card slept already. */
TEST_F_TIMEOUT(sleep, asleep, 300)
{
	char control[32], delay[32];
	struct test_rig rig;
	unsigned int i;

	device_read(&self->info, "power/control", control, sizeof(control));
	device_read(&self->info, "power/autosuspend_delay_ms", delay, sizeof(delay));
	ASSERT_EQ(0, device_write(&self->info, "power/autosuspend_delay_ms", "20"));
	ASSERT_EQ(0, device_write(&self->info, "power/control", "auto"));
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
	fill_input(&rig, &self->data);
	for (i = 0; i < SLEEPS; i++) {
		EXPECT_TRUE(device_becomes(&self->info, "power/runtime_status", "suspended"));
		EXPECT_TRUE(fall_asleep(variant->name, variant->state));
		EXPECT_TRUE(device_becomes(&self->info, "power/runtime_status", "suspended"));
		EXPECT_EQ(0, run_right(&rig, &self->data));
	}
	test_rig_close(&rig);
	EXPECT_EQ(0, device_write(&self->info, "power/control", control));
	EXPECT_EQ(0, device_write(&self->info, "power/autosuspend_delay_ms", delay));
}

TEST_HARNESS_MAIN
