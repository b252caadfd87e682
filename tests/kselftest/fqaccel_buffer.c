// SPDX-License-Identifier: GPL-2.0
/* Buffers: contents, limits, mappings and their ends. */
#include <signal.h>
#include <sys/wait.h>

#include "fqaccel_test.h"
#include "kselftest_harness.h"

FIXTURE(buffer)
{
	int fd;
	size_t page;
	struct fqaccel_info info;
};

FIXTURE_SETUP(buffer)
{
	self->page = sysconf(_SC_PAGESIZE);
	self->fd = test_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, test_info(self->fd, &self->info));
}

FIXTURE_TEARDOWN(buffer)
{
	EXPECT_EQ(0, close(self->fd));
}

static uint64_t used(int fd)
{
	struct fqaccel_info info;

	return test_info(fd, &info) ? UINT64_MAX : info.buffer_used;
}

TEST_F(buffer, zeroed)
{
	size_t length = 1 << 20, i;
	struct test_buffer buf;
	int round;

	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, test_buffer(self->fd, length, FQACCEL_BUFFER_CARD_WRITES, &buf));
		for (i = 0; i < length; i++)
			ASSERT_EQ(0, buf.data[i]);
		memset(buf.data, TEST_POISON, length);
		munmap(buf.data, length);
		ASSERT_EQ(0, test_destroy(self->fd, buf.handle));
	}
}

TEST_F(buffer, keeps_what_is_written)
{
	struct test_buffer buf;
	uint8_t *again;
	size_t i;

	ASSERT_EQ(0, test_buffer(self->fd, 40 * self->page, FQACCEL_BUFFER_CARD_READS, &buf));
	for (i = 0; i < buf.length; i++)
		buf.data[i] = i * 7 + i / self->page;
	again = mmap(NULL, 3 * self->page, PROT_READ, MAP_SHARED, self->fd,
		     buf.offset + 17 * self->page);
	ASSERT_NE(MAP_FAILED, again);
	EXPECT_EQ(0, memcmp(again, buf.data + 17 * self->page, 3 * self->page));
	munmap(again, 3 * self->page);
	munmap(buf.data, buf.length);
}

TEST_F(buffer, directions)
{
	struct test_buffer buf;

	EXPECT_EQ(-EINVAL, test_buffer(self->fd, 1, 0, &buf));
	EXPECT_EQ(0, test_buffer(self->fd, 1, FQACCEL_BUFFER_CARD_READS, &buf));
	EXPECT_EQ(0, test_buffer(self->fd, 1, FQACCEL_BUFFER_CARD_WRITES, &buf));
	EXPECT_EQ(0, test_buffer(self->fd, 1, FQACCEL_BUFFER_CARD_READS |
				 FQACCEL_BUFFER_CARD_WRITES, &buf));
}

TEST_F(buffer, limit)
{
	struct fqaccel_buffer_create arg = {
		.size = sizeof(arg), .flags = FQACCEL_BUFFER_CARD_READS,
	};
	struct test_buffer buf;

	arg.length = 0;
	EXPECT_EQ(-EINVAL, test_ioctl(self->fd, FQACCEL_IOC_BUFFER_CREATE, &arg));
	arg.length = self->info.buffer_limit + 1;
	EXPECT_EQ(-ENOSPC, test_ioctl(self->fd, FQACCEL_IOC_BUFFER_CREATE, &arg));
	arg.length = UINT64_MAX;
	EXPECT_EQ(-ENOSPC, test_ioctl(self->fd, FQACCEL_IOC_BUFFER_CREATE, &arg));
	arg.length = UINT64_MAX - self->page;
	EXPECT_EQ(-ENOSPC, test_ioctl(self->fd, FQACCEL_IOC_BUFFER_CREATE, &arg));
	arg.length = 1ULL << 63;
	EXPECT_EQ(-ENOSPC, test_ioctl(self->fd, FQACCEL_IOC_BUFFER_CREATE, &arg));
	EXPECT_EQ(0, used(self->fd));

	/* What is charged counts, and comes back. */
	ASSERT_EQ(0, test_buffer(self->fd, 1, FQACCEL_BUFFER_CARD_READS, &buf));
	EXPECT_EQ(self->page, used(self->fd));
	arg.length = self->info.buffer_limit;
	EXPECT_EQ(-ENOSPC, test_ioctl(self->fd, FQACCEL_IOC_BUFFER_CREATE, &arg));
	EXPECT_EQ(0, test_destroy(self->fd, buf.handle));
	/* The mapping still holds the page. */
	EXPECT_EQ(self->page, used(self->fd));
	munmap(buf.data, buf.length);
	EXPECT_EQ(0, used(self->fd));
}

TEST_F(buffer, mmap_bounds)
{
	size_t page = self->page;
	struct test_buffer buf;
	void *p;

#define REFUSED(_length, _flags, _offset) do {					\
	EXPECT_EQ(MAP_FAILED, mmap(NULL, _length, PROT_READ | PROT_WRITE,	\
				   _flags, self->fd, _offset));			\
	EXPECT_EQ(EINVAL, errno);						\
} while (0)

	/* 2 pages and a byte: 3 pages can be mapped. */
	ASSERT_EQ(0, test_buffer(self->fd, 2 * page + 1, FQACCEL_BUFFER_CARD_READS, &buf));
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
		 buf.offset + 2 * page);
	EXPECT_NE(MAP_FAILED, p);
	munmap(p, page);
	REFUSED(4 * page, MAP_SHARED, buf.offset);
	REFUSED(2 * page, MAP_SHARED, buf.offset + 2 * page);
	REFUSED(page, MAP_SHARED, buf.offset + 3 * page);
	REFUSED(page, MAP_PRIVATE, buf.offset);
	REFUSED(page, MAP_SHARED, 0);
	REFUSED(page, MAP_SHARED, buf.offset * 2);
	REFUSED(page, MAP_SHARED, (off_t)1 << 62);
	EXPECT_EQ(0, test_destroy(self->fd, buf.handle));
	REFUSED(page, MAP_SHARED, buf.offset);
#undef REFUSED
	munmap(buf.data, buf.length);
}

/* Every handle's buffer lies where a 32-bit process can map it, unless it is very large. */
TEST_F(buffer, offsets)
{
	const size_t large = (128 << 20) + self->page;
	struct test_buffer bufs[400], big;
	unsigned int i;

	for (i = 0; i < 400; i++) {
		ASSERT_EQ(0, test_buffer(self->fd, 1, FQACCEL_BUFFER_CARD_READS, &bufs[i]));
		ASSERT_GT(1ULL << 44, bufs[i].offset);
		bufs[i].data[0] = i;
	}
	for (i = 0; i < 400; i++) {
		EXPECT_EQ((uint8_t)i, bufs[i].data[0]);
		munmap(bufs[i].data, 1);
		ASSERT_EQ(0, test_destroy(self->fd, bufs[i].handle));
	}
	ASSERT_EQ(0, test_buffer(self->fd, large, FQACCEL_BUFFER_CARD_READS, &big));
	ASSERT_GT(1ULL << 44, big.offset);
	big.data[0] = 1;
	big.data[large - 1] = 2;
	/* Where it would lie if it were small. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->fd,
				   (off_t)big.handle << 27));
	EXPECT_EQ(EINVAL, errno);
	munmap(big.data, large);
}

/* A mapping outlives its handle and even its file descriptor. */
TEST_F(buffer, mapping_outlives)
{
	struct test_buffer buf;
	int fd = test_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, test_buffer(fd, 20 * self->page, FQACCEL_BUFFER_CARD_READS, &buf));
	memset(buf.data, 0x5a, buf.length);
	ASSERT_EQ(0, test_destroy(fd, buf.handle));
	close(fd);
	EXPECT_EQ(0x5a, buf.data[0]);
	EXPECT_EQ(0x5a, buf.data[buf.length - 1]);
	munmap(buf.data + self->page, self->page);
	EXPECT_EQ(0x5a, buf.data[2 * self->page]);
	munmap(buf.data, buf.length);
}

TEST_F(buffer, grown_mapping)
{
	struct test_buffer buf;
	uint8_t *p;
	int status;
	pid_t pid;

	ASSERT_EQ(0, test_buffer(self->fd, self->page, FQACCEL_BUFFER_CARD_READS, &buf));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		p = mremap(buf.data, self->page, 2 * self->page, MREMAP_MAYMOVE);
		if (p == MAP_FAILED)
			raise(SIGBUS);
		p[0] = 1;
		/* Another buffer's page, or anything else, must not show. */
		p[self->page] = 1;
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGBUS, WTERMSIG(status));
	/* The child's mapping was shared. */
	EXPECT_EQ(1, buf.data[0]);
	munmap(buf.data, buf.length);
}

TEST_F(buffer, fork_shares)
{
	struct test_buffer buf;
	int status;
	pid_t pid;

	ASSERT_EQ(0, test_buffer(self->fd, self->page, FQACCEL_BUFFER_CARD_READS, &buf));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* The open file, and so its handles, are the child's too. */
		buf.data[1] = 0x77;
		_exit(test_destroy(self->fd, buf.handle) ? 1 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0x77, buf.data[1]);
	EXPECT_EQ(-ENOENT, test_destroy(self->fd, buf.handle));
	munmap(buf.data, buf.length);
}

TEST_HARNESS_MAIN
