// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver lets others see agrees with what it does: attributes, counters,
 * fdinfo, tracepoints, debugfs. As root, with debugfs and tracefs where they usually are.
 */
#include <dirent.h>
#include <sys/sysmacros.h>

#include "fqaccel_look.h"
#include "kselftest_harness.h"

#define RUNS	5

FIXTURE(visible)
{
	char class[64], debugfs[64];
	struct test_data data;
	struct test_rig rig;
};

FIXTURE_SETUP(visible)
{
	const char *name = strrchr(test_device(), '/') + 1;

	snprintf(self->class, sizeof(self->class), "/sys/class/fqaccel/%s", name);
	snprintf(self->debugfs, sizeof(self->debugfs), "/sys/kernel/debug/fqaccel/%s", name);
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, self->data.pictures));
	memcpy(self->rig.in.data, self->data.input, self->rig.in.length);
}

FIXTURE_TEARDOWN(visible)
{
	test_rig_close(&self->rig);
}

static int attribute_text(const char *class, const char *name, char *text, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", class, name);
	return read_text(path, text, size);
}

static unsigned long long attribute(const char *class, const char *name)
{
	char text[64], *end;
	unsigned long long value;

	if (attribute_text(class, name, text, sizeof(text)))
		return -1;
	value = strtoull(text, &end, 10);
	return end > text && *end == '\n' ? value : -1;
}

/* The status of @count runs, the last of which has ended with all others. */
static int run_some(const struct test_rig *rig, const struct fqaccel_run *run, int count)
{
	struct fqaccel_run runs[RUNS];
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	int i, ret;

	for (i = 0; i < count; i++)
		runs[i] = *run;
	ret = test_submit(rig->fd, rig->queue, 0, runs, count, &arg);
	return ret ?: test_wait(rig->fd, rig->queue, arg.sequence, -1, &wait) ?: wait.status;
}

TEST_F(visible, facts)
{
	struct fqaccel_info info;
	char text[64], want[64];

	ASSERT_EQ(0, test_info(self->rig.fd, &info));
	EXPECT_EQ(info.memory_size, attribute(self->class, "memory_size"));
	EXPECT_EQ(info.memory_free, attribute(self->class, "memory_free"));
	EXPECT_EQ(info.hw_queues, attribute(self->class, "queues"));
	EXPECT_EQ(info.lanes, attribute(self->class, "lanes"));
	EXPECT_EQ(info.clock_khz, attribute(self->class, "clock_khz"));
	snprintf(want, sizeof(want), "%u.%u.%u\n", info.firmware >> 24,
		 info.firmware >> 16 & 0xff, info.firmware & 0xffff);
	EXPECT_EQ(0, attribute_text(self->class, "firmware", text, sizeof(text)));
	EXPECT_STREQ(want, text);
	snprintf(want, sizeof(want), "%u.%u\n", info.hw_version >> 16, info.hw_version & 0xffff);
	EXPECT_EQ(0, attribute_text(self->class, "hw_version", text, sizeof(text)));
	EXPECT_STREQ(want, text);
	snprintf(want, sizeof(want), "%u.%u\n", info.format >> 16, info.format & 0xffff);
	EXPECT_EQ(0, attribute_text(self->class, "format", text, sizeof(text)));
	EXPECT_STREQ(want, text);
	EXPECT_EQ(0, attribute_text(self->class, "state", text, sizeof(text)));
	EXPECT_STREQ("live\n", text);
	EXPECT_EQ(0, attribute_text(self->class, "numa_node", text, sizeof(text)));
	EXPECT_LE(1, attribute(self->class, "clients"));
}

TEST_F(visible, nothing_to_write)
{
	char path[400];
	struct dirent *entry;
	struct stat st;
	int count = 0;
	DIR *dir;

	dir = opendir(self->class);
	ASSERT_TRUE(!!dir);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", self->class, entry->d_name);
		ASSERT_EQ(0, lstat(path, &st));
		if (!S_ISREG(st.st_mode) || !strcmp(entry->d_name, "uevent"))
			continue;
		EXPECT_EQ(0444, st.st_mode & 0777) TH_LOG("%s", path);
		count++;
	}
	closedir(dir);
	EXPECT_LE(20, count);
}

TEST_F(visible, counters)
{
	unsigned long long runs = attribute(self->class, "runs");
	unsigned long long errors = attribute(self->class, "errors");
	unsigned long long cycles = attribute(self->class, "cycles");
	unsigned long long busy = attribute(self->class, "busy_ns");
	struct fqaccel_run run = test_rig_run(&self->rig, 1);

	ASSERT_EQ(0, run_some(&self->rig, &run, RUNS));
	EXPECT_EQ(runs + RUNS, attribute(self->class, "runs"));
	EXPECT_EQ(errors, attribute(self->class, "errors"));
	EXPECT_EQ(cycles + RUNS * self->rig.model.cycles, attribute(self->class, "cycles"));
	EXPECT_LT(busy, attribute(self->class, "busy_ns"));

	/* The card refuses a range whose tensors have another length. */
	run.layer_count = 1;
	run.in_length = 1;
	run.out_length = 1;
	ASSERT_EQ(-EINVAL, run_some(&self->rig, &run, 1));
	EXPECT_EQ(runs + RUNS + 1, attribute(self->class, "runs"));
	EXPECT_EQ(errors + 1, attribute(self->class, "errors"));
}

TEST_F(visible, fdinfo)
{
	struct fqaccel_run run = test_rig_run(&self->rig, self->data.pictures);
	struct fqaccel_info info;
	char path[64], text[4096];
	int64_t start;
	int fd, other;

	fd = self->rig.fd;
	other = test_open();
	ASSERT_LE(0, other);
	start = test_now();
	ASSERT_EQ(0, run_some(&self->rig, &run, RUNS));

	ASSERT_EQ(0, test_info(fd, &info));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	ASSERT_EQ(0, read_text(path, text, sizeof(text)));
	EXPECT_TRUE(!!strstr(text, "drm-driver:\tfqaccel\n"));
	snprintf(path, sizeof(path), "drm-pdev:\t%04x:%02x:%02x.%x\n", info.pci_domain,
		 info.pci_bdf >> 8, info.pci_bdf >> 3 & 0x1f, info.pci_bdf & 7);
	EXPECT_TRUE(!!strstr(text, path)) TH_LOG("no %s in %s", path, text);
	EXPECT_NE(fdinfo_value(fd, "drm-client-id"), fdinfo_value(other, "drm-client-id"));
	EXPECT_EQ(RUNS, fdinfo_value(fd, "fqaccel-runs"));
	EXPECT_EQ(0, fdinfo_value(fd, "fqaccel-errors"));
	EXPECT_EQ(0, fdinfo_value(fd, "fqaccel-unfinished"));
	EXPECT_EQ(info.memory_used >> 10, fdinfo_value(fd, "drm-total-memory"));
	EXPECT_EQ(info.buffer_used >> 10, fdinfo_value(fd, "drm-total-system"));
	EXPECT_EQ(info.hw_queues, fdinfo_value(fd, "drm-engine-capacity-compute"));
	EXPECT_EQ(RUNS * self->rig.model.cycles * self->data.pictures,
		  fdinfo_value(fd, "drm-cycles-compute"));
	/* Not more than has passed on all queues. */
	EXPECT_LT(0, fdinfo_value(fd, "drm-engine-compute"));
	EXPECT_GE((unsigned long long)(test_now() - start) * info.hw_queues,
		  fdinfo_value(fd, "drm-engine-compute"));
	EXPECT_EQ(0, fdinfo_value(other, "fqaccel-runs"));
	EXPECT_EQ(0, fdinfo_value(other, "drm-engine-compute"));
	EXPECT_EQ(0, fdinfo_value(other, "drm-total-memory"));
	close(other);
}

/* Where @text has the event with all of @what in its line, or NULL. */
static const char *find_event(const char *text, const char *event, const char *what)
{
	char line[512];
	size_t length;

	while ((text = strstr(text, event))) {
		length = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)length, text);
		if (strstr(line, what))
			return text;
		text += length;
	}
	return NULL;
}

TEST_F(visible, tracepoints)
{
	static char text[1 << 20];
	struct fqaccel_run run = test_rig_run(&self->rig, 1);
	const char *submit, *start, *complete, *reset, *done;
	char who[64], path[128];

	if (access(TRACING "/events/fqaccel", F_OK))
		SKIP(return, "this kernel has no tracepoints");
	ASSERT_EQ(0, write_text(TRACING "/trace", "\n"));
	ASSERT_EQ(0, write_text(TRACING "/events/fqaccel/enable", "1"));
	EXPECT_EQ(0, run_some(&self->rig, &run, 1));
	snprintf(path, sizeof(path), "%s/device/reset", self->class);
	EXPECT_EQ(0, write_text(path, "1"));
	/* It goes on in the background; the next run waits for it. */
	EXPECT_EQ(0, run_some(&self->rig, &run, 1));
	usleep(200000);
	ASSERT_EQ(0, write_text(TRACING "/events/fqaccel/enable", "0"));
	ASSERT_EQ(0, read_text(TRACING "/trace", text, sizeof(text)));
	snprintf(who, sizeof(who), "client=%llu queue=%u sequence=1 ",
		 fdinfo_value(self->rig.fd, "drm-client-id"), self->rig.queue);
	submit = find_event(text, "fqa_run_submit:", who);
	start = find_event(text, "fqa_run_start:", who);
	complete = find_event(text, "fqa_run_complete:", who);
	EXPECT_TRUE(!!submit);
	EXPECT_TRUE(submit < start);
	EXPECT_TRUE(start < complete);
	EXPECT_TRUE(!!find_event(text, "fqa_run_complete:", "status=0 "));
	reset = find_event(text, "fqa_reset:", "dev=fqaccel");
	done = find_event(text, "fqa_reset_done:", "error=0");
	EXPECT_TRUE(complete < reset);
	EXPECT_TRUE(reset < done);
}

TEST_F(visible, debugfs)
{
	static char text[1 << 16];
	char path[128], want[64];
	unsigned long long client = fdinfo_value(self->rig.fd, "drm-client-id");

	if (access("/sys/kernel/debug/fqaccel", F_OK))
		SKIP(return, "no debugfs");
	snprintf(path, sizeof(path), "%s/registers", self->debugfs);
	ASSERT_EQ(0, read_text(path, text, sizeof(text)));
	EXPECT_EQ(0, strncmp(text, "ID ", 3));
	EXPECT_TRUE(!!strstr(text, "PROGRESS(1)"));
	snprintf(path, sizeof(path), "%s/queues", self->debugfs);
	ASSERT_EQ(0, read_text(path, text, sizeof(text)));
	snprintf(want, sizeof(want), "\n%6llu %3d %5u ", client, getpid(), self->rig.queue);
	EXPECT_TRUE(!!strstr(text, want)) TH_LOG("no '%s' in %s", want + 1, text);
	snprintf(path, sizeof(path), "%s/models", self->debugfs);
	ASSERT_EQ(0, read_text(path, text, sizeof(text)));
	snprintf(want, sizeof(want), " %6llu %5u loaded ", client, self->rig.model.handle);
	EXPECT_TRUE(!!strstr(text, want)) TH_LOG("no '%s' in %s", want, text);
	snprintf(path, sizeof(path), "%s/clients", self->debugfs);
	ASSERT_EQ(0, read_text(path, text, sizeof(text)));
	snprintf(want, sizeof(want), "\n%6llu %3d open ", client, getpid());
	EXPECT_TRUE(!!strstr(text, want)) TH_LOG("no '%s' in %s", want + 1, text);
	snprintf(path, sizeof(path), "%s/runs", self->debugfs);
	ASSERT_EQ(0, read_text(path, text, sizeof(text)));
	EXPECT_EQ(0, strncmp(text, "qid ", 4));
}

TEST_HARNESS_MAIN
