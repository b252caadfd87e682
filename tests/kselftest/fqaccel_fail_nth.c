// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every access to user memory of a whole life of an open file fails
 * once: the call says so, the rest of the life is cut short, and nothing is left. Needs a
 * kernel with CONFIG_FAULT_INJECTION, FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_USERCOPY;
 * skipped elsewhere.
 */
#include <sys/syscall.h>

#include "fqaccel_dmabuf.h"
#include "fqaccel_fence.h"
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

struct setting {
	int proc, fd;
	int foreign;			/* a dma-buf that is not ours, or negative */
	bool usable;
	struct test_data data;
	struct fqaccel_info before;
};

FIXTURE(fail_nth)
{
	struct setting s;
};

FIXTURE_SETUP(fail_nth)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	self->s.proc = open(path, O_RDWR | O_CLOEXEC);
	self->s.usable = self->s.proc >= 0 &&
		!write_text("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") &&
		!write_text("/sys/kernel/debug/failslab/verbose", "0") &&
		!write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N") &&
		!write_text("/sys/kernel/debug/fail_page_alloc/min-order", "0") &&
		!write_text("/sys/kernel/debug/fail_page_alloc/verbose", "0") &&
		!write_text("/sys/kernel/debug/fail_usercopy/verbose", "0");
	self->s.foreign = test_udmabuf(8 * 4096);
	ASSERT_EQ(0, test_data_read(&self->s.data));
	self->s.fd = test_open();
	ASSERT_LE(0, self->s.fd);
	ASSERT_EQ(0, test_info(self->s.fd, &self->s.before));
}

FIXTURE_TEARDOWN(fail_nth)
{
	if (self->s.foreign >= 0)
		close(self->s.foreign);
	close(self->s.fd);
	close(self->s.proc);
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

/* What a life has opened; 0 where it has not got that far. */
struct life {
	const struct test_data *data;
	int foreign;			/* a dma-buf of somebody else's, for all lives */
	struct test_rig rig;
	int other, dmabuf, fence[2];
};

/* 0 or the error of whatever failed first. */
static int life_of_runs(struct life *l)
{
	const struct test_data *data = l->data;
	struct test_rig *rig = &l->rig;
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct fqaccel_run runs[2];
	int ret;

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

/* A chain of two runs that do nothing, by their fences. */
static int life_of_fences(struct life *l)
{
	struct fqaccel_run nop = { .flags = FQACCEL_RUN_NOP };
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	uint32_t queue;
	int i, ret;

	l->rig.fd = test_open();
	if (l->rig.fd < 0)
		return -errno;
	ret = test_queue(l->rig.fd, 0, &queue);
	for (i = 0; !ret && i < 2; i++) {
		ret = fence_submit(l->rig.fd, queue, FQACCEL_SUBMIT_OUT_FENCE,
				   i ? l->fence[0] : -1, &nop, 1, &arg);
		if (!ret)
			l->fence[i] = arg.out_fence;
	}
	if (!ret)
		ret = test_wait(l->rig.fd, queue, 2, -1, &wait) ?: wait.status;
	return ret;
}

/* A buffer that two open files share, and one that is somebody else's. */
static int life_of_imports(struct life *l)
{
	struct test_buffer buffer;
	uint32_t handle;
	int ret;

	l->rig.fd = test_open();
	if (l->rig.fd < 0)
		return -errno;
	l->other = test_open();
	if (l->other < 0)
		return -errno;
	ret = test_buffer(l->rig.fd, 3 * 4096, FQACCEL_BUFFER_CARD_READS, &l->rig.in);
	if (ret)
		return ret;
	buffer = l->rig.in;
	l->dmabuf = test_export(l->rig.fd, buffer.handle);
	if (l->dmabuf < 0)
		return l->dmabuf;
	ret = test_import(l->rig.fd, l->dmabuf, FQACCEL_BUFFER_CARD_READS, &handle);
	if (!ret)
		ret = test_import(l->other, l->dmabuf, FQACCEL_BUFFER_CARD_READS, &handle);
	if (!ret && l->foreign >= 0)
		ret = test_import(l->other, l->foreign, FQACCEL_BUFFER_CARD_WRITES, &handle);
	return ret;
}

static void close_fd(int fd)
{
	if (fd > 0)
		close(fd);
}

/* Without failures: munmap() takes memory too, and a mapping holds its file. */
static void life_end(struct life *l)
{
	if (l->rig.in.data && l->rig.in.data != MAP_FAILED)
		munmap(l->rig.in.data, l->rig.in.length);
	if (l->rig.out.data && l->rig.out.data != MAP_FAILED)
		munmap(l->rig.out.data, l->rig.out.length);
	close_fd(l->dmabuf);
	close_fd(l->fence[0]);
	close_fd(l->fence[1]);
	close_fd(l->other);
	close_fd(l->rig.fd);
}

static void each_fails(struct __test_metadata *_metadata, const struct setting *s,
		       int (*live)(struct life *l), int least)
{
	struct life none = { .data = &s->data, .foreign = s->foreign }, l;
	int nth, ret, left, failures = 0;
	char text[16];

	for (nth = 1; nth < MAX_NTH; nth++) {
		l = none;
		snprintf(text, sizeof(text), "%d", nth);
		ASSERT_EQ((ssize_t)strlen(text), pwrite(s->proc, text, strlen(text), 0));
		ret = live(&l);
		left = stop_failures(s->proc);
		ASSERT_LE(0, left);
		life_end(&l);
		/* What fails is told, and only as what it is. */
		EXPECT_TRUE(!ret || ret == -ENOMEM || ret == -EFAULT || ret == -EINTR)
			TH_LOG("failure %d: error %d", nth, ret);
		failures += ret != 0;
		/* Not reached: there are no more. */
		if (left)
			break;
	}
	EXPECT_LT(least, failures);
	EXPECT_GT(MAX_NTH, nth);
	l = none;
	EXPECT_EQ(0, live(&l));
	life_end(&l);
	TH_LOG("%d allocations, %d failures", nth, failures);
	EXPECT_TRUE(test_memory_settles(s->fd, s->before.memory_free));
}

TEST_F_TIMEOUT(fail_nth, life, 1200)
{
	/* Not in the setup: older harnesses run a test all the same. */
	if (!self->s.usable)
		SKIP(return, "this kernel has no fault injection");
	each_fails(_metadata, &self->s, life_of_runs, 10);
	each_fails(_metadata, &self->s, life_of_fences, 10);
	each_fails(_metadata, &self->s, life_of_imports, 10);
}

TEST_HARNESS_MAIN
