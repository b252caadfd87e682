// SPDX-License-Identifier: GPL-2.0
/*
 * Runtime power management: a card with nothing to do falls asleep, which costs it all that it
 * has, and nobody notices. As root.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include "fqaccel_power.h"
#include "kselftest_harness.h"

#define CYCLES		10
#define CROWD		4
#define CROWD_RUNS	60
#define LONG_BATCH	32768
#define HANG_MS		400

FIXTURE(power)
{
	struct test_data data;
	struct test_rig rig;
	struct fqaccel_info info;
	char control[32], delay[32];
	unsigned long long resets, replays;
};

FIXTURE_SETUP(power)
{
	ASSERT_EQ(0, test_card_info(&self->info));
	device_read(&self->info, "power/control", self->control, sizeof(self->control));
	device_read(&self->info, "power/autosuspend_delay_ms", self->delay, sizeof(self->delay));
	ASSERT_NE(0, strlen(self->delay));
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, LONG_BATCH));
	fill_input(&self->rig, &self->data);
	self->resets = get_counter("resets");
	self->replays = get_counter("replays");
	ASSERT_EQ(0, device_write(&self->info, "power/autosuspend_delay_ms", "20"));
	ASSERT_EQ(0, device_write(&self->info, "power/control", "auto"));
}

FIXTURE_TEARDOWN(power)
{
	EXPECT_EQ(0, device_write(&self->info, "power/control", self->control));
	EXPECT_EQ(0, device_write(&self->info, "power/autosuspend_delay_ms", self->delay));
	test_rig_close(&self->rig);
	/* Whatever happened, the card works afterwards and has all its memory. */
	EXPECT_TRUE(test_card_settles(&self->info));
}

static bool asleep(const struct fqaccel_info *info)
{
	return device_becomes(info, "power/runtime_status", "suspended");
}

static bool state_is(const char *want)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/sys/class/fqaccel/%s/state",
		 strrchr(test_device(), '/') + 1);
	read_line(path, text, sizeof(text));
	return !strcmp(text, want);
}

/* Asleep it has no power, and what it does afterwards is right. */
TEST_F_TIMEOUT(power, sleeps_and_wakes, 300)
{
	unsigned long long slept = 0, now = 0;
	char path[128];
	int i;

	device_path(&self->info, "power/runtime_suspended_time", path, sizeof(path));
	for (i = 0; i < CYCLES; i++) {
		ASSERT_TRUE(asleep(&self->info));
		EXPECT_TRUE(device_is(&self->info, "power_state", "D3hot"));
		EXPECT_TRUE(state_is("suspended"));
		usleep(2000 * i);
		ASSERT_EQ(0, run_right(&self->rig, &self->data));
	}
	EXPECT_EQ(0, read_number(path, &now));
	EXPECT_LT(slept, now);
	/* Nobody hears of it. */
	EXPECT_EQ(self->resets, get_counter("resets"));
	EXPECT_EQ(self->replays, get_counter("replays"));
}

/* As the PCI core wants it: nothing sleeps unless the administrator says so. */
TEST_F_TIMEOUT(power, on_does_not_sleep, 120)
{
	ASSERT_TRUE(asleep(&self->info));
	ASSERT_EQ(0, device_write(&self->info, "power/control", "on"));
	EXPECT_TRUE(device_is(&self->info, "power/runtime_status", "active"));
	usleep(300000);
	EXPECT_TRUE(device_is(&self->info, "power/runtime_status", "active"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* Reads all files of a folder; how many. */
static int read_folder(const char *folder)
{
	char path[PATH_MAX], text[4096];
	struct dirent *entry;
	DIR *dir = opendir(folder);
	int count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_REG)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		read_line(path, text, sizeof(text));
		count += text[0] != 0;
	}
	closedir(dir);
	return count;
}

TEST_F_TIMEOUT(power, looking_does_not_wake, 120)
{
	const char *name = strrchr(test_device(), '/') + 1;
	struct fqaccel_info before, info;
	struct test_buffer buffer;
	char path[96], text[4096];
	uint32_t queue;
	int fd;

	ASSERT_EQ(0, test_info(self->rig.fd, &before));
	ASSERT_TRUE(asleep(&self->info));
	snprintf(path, sizeof(path), "/sys/class/fqaccel/%s", name);
	EXPECT_LT(10, read_folder(path));
	EXPECT_EQ(before.memory_free, get_counter("memory_free"));
	snprintf(path, sizeof(path), "/sys/kernel/debug/fqaccel/%s", name);
	if (!access(path, F_OK))
		EXPECT_EQ(5, read_folder(path));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->rig.fd);
	read_line(path, text, sizeof(text));
	EXPECT_NE(0, strlen(text));

	fd = test_open();
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, test_info(fd, &info));
	EXPECT_EQ(before.memory_free, info.memory_free);
	EXPECT_EQ(0, test_queue(fd, 0, &queue));
	EXPECT_EQ(0, test_buffer(fd, 4096, FQACCEL_BUFFER_CARD_READS, &buffer));
	munmap(buffer.data, buffer.length);
	close(fd);
	usleep(100000);
	EXPECT_TRUE(device_is(&self->info, "power/runtime_status", "suspended"));
	EXPECT_TRUE(state_is("suspended"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* Models are given back without the card, which then does not get them again. */
TEST_F_TIMEOUT(power, close_asleep, 120)
{
	struct fqaccel_info before, info;
	struct test_rig other;

	ASSERT_EQ(0, test_info(self->rig.fd, &before));
	ASSERT_EQ(0, test_rig_open(&other, &self->data, 1));
	ASSERT_EQ(0, test_info(self->rig.fd, &info));
	EXPECT_GT(before.memory_free, info.memory_free);
	ASSERT_TRUE(asleep(&self->info));
	test_rig_close(&other);
	EXPECT_TRUE(test_memory_settles(self->rig.fd, before.memory_free));
	EXPECT_TRUE(device_is(&self->info, "power/runtime_status", "suspended"));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	ASSERT_EQ(0, test_info(self->rig.fd, &info));
	EXPECT_EQ(before.memory_free, info.memory_free);
}

TEST_F_TIMEOUT(power, load_asleep, 120)
{
	struct fqaccel_model_load arg;
	struct test_rig other;

	/* Not even a moment of rest between two steps. */
	ASSERT_EQ(0, device_write(&self->info, "power/autosuspend_delay_ms", "0"));
	ASSERT_TRUE(asleep(&self->info));
	ASSERT_EQ(0, test_rig_open(&other, &self->data, self->data.pictures));
	fill_input(&other, &self->data);
	ASSERT_TRUE(asleep(&self->info));
	/* One that is refused wakes it as well, and gets the card's own words. */
	EXPECT_EQ(-EBADMSG, test_load(other.fd, self->data.input, 4096, &arg));
	EXPECT_NE(0, arg.reason);
	ASSERT_TRUE(asleep(&self->info));
	EXPECT_EQ(0, run_right(&other, &self->data));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	ASSERT_TRUE(asleep(&self->info));
	EXPECT_EQ(0, test_destroy(other.fd, other.model.handle));
	test_rig_close(&other);
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* Work keeps it awake, however long it takes. */
TEST_F_TIMEOUT(power, awake_at_work, 120)
{
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	int looks = 0;

	ASSERT_EQ(0, device_write(&self->info, "power/autosuspend_delay_ms", "0"));
	ASSERT_TRUE(asleep(&self->info));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	ASSERT_TRUE(device_becomes(&self->info, "power/runtime_status", "active"));
	while (test_wait(self->rig.fd, self->rig.queue, arg.sequence, 0, &wait) == -ETIME) {
		bool active = device_is(&self->info, "power/runtime_status", "active");

		if (test_wait(self->rig.fd, self->rig.queue, arg.sequence, 0, &wait) != -ETIME)
			break;
		ASSERT_TRUE(active);
		looks++;
		usleep(20000);
	}
	/* Or else this has tested nothing. */
	EXPECT_LT(5, looks);
	ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, arg.sequence, POWER_SOON_MS, &wait));
	EXPECT_EQ(0, wait.status);
	EXPECT_TRUE(output_right(&self->rig, &self->data, LONG_BATCH));
	EXPECT_TRUE(asleep(&self->info));
}

/* Who resets the function wakes it first, and it sleeps again. */
TEST_F_TIMEOUT(power, reset_asleep, 120)
{
	int i;

	for (i = 1; i <= 3; i++) {
		ASSERT_TRUE(asleep(&self->info));
		ASSERT_EQ(0, write_device("reset", &self->info));
		EXPECT_EQ(0, run_right(&self->rig, &self->data));
		EXPECT_EQ(self->resets + i, get_counter("resets"));
	}
	ASSERT_TRUE(asleep(&self->info));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

/* The driver takes hold of the card, which works and sleeps for who opens it anew. */
static void bind_again(struct __test_metadata *_metadata, struct _test_data_power *self)
{
	ASSERT_EQ(0, write_driver("bind", &self->info));
	test_rig_close(&self->rig);
	ASSERT_EQ(0, device_write(&self->info, "power/autosuspend_delay_ms", "20"));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, LONG_BATCH));
	fill_input(&self->rig, &self->data);
	/* It would not sleep if references were left over. */
	ASSERT_TRUE(asleep(&self->info));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

TEST_F_TIMEOUT(power, unbind_asleep, 120)
{
	struct fqaccel_info info;

	ASSERT_TRUE(asleep(&self->info));
	ASSERT_EQ(0, write_driver("unbind", &self->info));
	EXPECT_EQ(-ENODEV, test_info(self->rig.fd, &info));
	bind_again(_metadata, self);
	ASSERT_TRUE(asleep(&self->info));
}

/* Unbound at work, and while it wakes up. */
TEST_F_TIMEOUT(power, unbind_waking, 120)
{
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;

	ASSERT_TRUE(asleep(&self->info));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	ASSERT_EQ(0, write_driver("unbind", &self->info));
	EXPECT_EQ(-ENODEV, test_wait(self->rig.fd, self->rig.queue, arg.sequence, 1000, &wait));
	bind_again(_metadata, self);
}

/* The watchdog is as sharp as ever. */
TEST_F_TIMEOUT(power, hang_after_waking, 120)
{
	unsigned long long hangs = get_counter("hangs"), hang_ms;
	struct fqaccel_wait wait;
	int monitor = test_monitor_open();

	if (monitor < 0)
		SKIP(return, "no monitor");
	ASSERT_EQ(0, change_parameter("hang_ms", HANG_MS, &hang_ms));
	ASSERT_TRUE(asleep(&self->info));
	ASSERT_EQ(0, set_fault(monitor, "hang-next", 1));
	EXPECT_EQ(0, run_once(&self->rig, 1, &wait));
	EXPECT_EQ(-ETIMEDOUT, wait.status);
	EXPECT_EQ(hangs + 1, get_counter("hangs"));
	ASSERT_TRUE(asleep(&self->info));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
	EXPECT_EQ(0, set_parameter("hang_ms", hang_ms));
	EXPECT_EQ(hangs + 1, get_counter("hangs"));
	close(monitor);
}

/* A card that does not come back is dead, and nobody waits for it. */
TEST_F_TIMEOUT(power, gone_asleep, 120)
{
	struct fqaccel_run run = test_rig_run(&self->rig, 1);
	int monitor = test_monitor_open();
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	int ret, log;

	if (monitor < 0)
		SKIP(return, "no monitor");
	log = test_log_open();
	ASSERT_TRUE(asleep(&self->info));
	ASSERT_EQ(0, set_fault(monitor, "gone", 1));
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	/* What has ended can still be asked for, unless the card was found dead already. */
	ret = test_wait(self->rig.fd, self->rig.queue, arg.sequence, POWER_SOON_MS, &wait);
	EXPECT_EQ(-ENODEV, ret ?: wait.status);
	EXPECT_TRUE(state_is("dead"));
	EXPECT_LE(0, test_log_find(log, "does not wake up"));
	EXPECT_LE(0, test_log_find(log, "the card is dead"));
	ASSERT_EQ(0, set_fault(monitor, "gone", 0));
	ASSERT_EQ(0, write_driver("unbind", &self->info));
	bind_again(_metadata, self);
	close(log);
	close(monitor);
}

static int crowd_member(const struct test_data *data, unsigned int number)
{
	struct test_rig rig;
	int i, ret = 0;

	srand(number);
	for (i = 0; !ret && i < CROWD_RUNS; i++) {
		if (i % 20 == 0) {
			if (i)
				test_rig_close(&rig);
			ret = test_rig_open(&rig, data, data->pictures);
			if (ret)
				break;
			fill_input(&rig, data);
		}
		ret = run_right(&rig, data);
		usleep(rand() % 30000);
	}
	return ret;
}

/* Falling asleep and being needed at about the same time, again and again. */
TEST_F_TIMEOUT(power, crowd, 300)
{
	pid_t pids[CROWD];
	unsigned int i;
	int status;

	ASSERT_EQ(0, device_write(&self->info, "power/autosuspend_delay_ms", "3"));
	for (i = 0; i < CROWD; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			_exit(-crowd_member(&self->data, i));
	}
	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(self->resets, get_counter("resets"));
	ASSERT_TRUE(asleep(&self->info));
	EXPECT_EQ(0, run_right(&self->rig, &self->data));
}

TEST_HARNESS_MAIN
