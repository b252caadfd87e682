// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every access to user memory of a whole life of an open file fails
 * once: the call says so, the rest of the life is cut short, and nothing is left. Needs a
 * kernel with CONFIG_FAULT_INJECTION, FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_USERCOPY;
 * skipped elsewhere.
 */
#include <sys/syscall.h>

#include "fqaccel_test.h"
#include "kselftest_harness.h"

#define MAX_NTH	2000

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int n, len = strlen(text);

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	close(fd);
	return n == len ? 0 : -EIO;
}

FIXTURE(fail_nth)
{
	int proc, fd;
	bool usable;
	struct test_data data;
	struct fqaccel_info before;
};

FIXTURE_SETUP(fail_nth)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	self->proc = open(path, O_RDWR | O_CLOEXEC);
	self->usable = self->proc >= 0 &&
		!write_text("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") &&
		!write_text("/sys/kernel/debug/failslab/verbose", "0") &&
		!write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N") &&
		!write_text("/sys/kernel/debug/fail_page_alloc/min-order", "0") &&
		!write_text("/sys/kernel/debug/fail_page_alloc/verbose", "0") &&
		!write_text("/sys/kernel/debug/fail_usercopy/verbose", "0");
	ASSERT_EQ(0, test_data_read(&self->data));
	self->fd = test_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, test_info(self->fd, &self->before));
}

FIXTURE_TEARDOWN(fail_nth)
{
	close(self->fd);
	close(self->proc);
}

/*
 * No more failures, and how many were left. Reading and writing the number fail, too, where
 * it was the next, which uses it up.
 */
static int stop_failures(int proc)
{
	char text[16] = "";
	ssize_t n = pread(proc, text, sizeof(text) - 1, 0);

	if (n < 0 && errno != EFAULT)
		return -errno;
	if (pwrite(proc, "0", 1, 0) != 1 && pwrite(proc, "0", 1, 0) != 1)
		return -errno;
	return n < 0 ? 1 : atoi(text);
}

/* 0 or the error of whatever failed first. */
static int life(const struct test_data *data, struct test_rig *rig)
{
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct fqaccel_run runs[2];
	int ret;

	memset(rig, 0, sizeof(*rig));
	ret = test_rig_open(rig, data, data->pictures);
	if (!ret) {
		memcpy(rig->in.data, data->input, data->input_bytes * data->pictures);
		runs[0] = test_rig_run(rig, data->pictures);
		runs[1] = runs[0];
		ret = test_submit(rig->fd, rig->queue, 0, runs, 2, &arg);
	}
	if (!ret)
		ret = test_wait(rig->fd, rig->queue, 2, -1, &wait) ?: wait.status;
	if (!ret && memcmp(rig->out.data, data->output, data->output_bytes * data->pictures))
		ret = -EILSEQ;
	return ret;
}

/* Without failures: munmap() takes memory too, and a mapping holds its file. */
static void life_end(struct test_rig *rig)
{
	if (rig->in.data && rig->in.data != MAP_FAILED)
		munmap(rig->in.data, rig->in.length);
	if (rig->out.data && rig->out.data != MAP_FAILED)
		munmap(rig->out.data, rig->out.length);
	if (rig->fd > 0)
		close(rig->fd);
}

TEST_F_TIMEOUT(fail_nth, life, 600)
{
	int nth, ret, left, failures = 0;
	struct test_rig rig;
	char text[16];

	/* Not in the setup: older harnesses run a test all the same. */
	if (!self->usable)
		SKIP(return, "this kernel has no fault injection");
	for (nth = 1; nth < MAX_NTH; nth++) {
		snprintf(text, sizeof(text), "%d", nth);
		ASSERT_EQ((ssize_t)strlen(text), pwrite(self->proc, text, strlen(text), 0));
		ret = life(&self->data, &rig);
		left = stop_failures(self->proc);
		ASSERT_LE(0, left);
		life_end(&rig);
		/* What fails is told, and only as what it is. */
		EXPECT_TRUE(!ret || ret == -ENOMEM || ret == -EFAULT || ret == -EINTR)
			TH_LOG("failure %d: error %d", nth, ret);
		failures += ret != 0;
		/* Not reached: there are no more. */
		if (left)
			break;
	}
	EXPECT_LT(10, failures);
	EXPECT_GT(MAX_NTH, nth);
	EXPECT_EQ(0, life(&self->data, &rig));
	life_end(&rig);
	TH_LOG("%d allocations, %d failures", nth, failures);
	EXPECT_TRUE(test_memory_settles(self->fd, self->before.memory_free));
}

TEST_HARNESS_MAIN
