// SPDX-License-Identifier: GPL-2.0
/*
 * The form of every ioctl: sizes, unknown numbers, reserved fields, handles that
 * are stale, foreign or of another kind; and that a refusal changes nothing.
 */
#include <stddef.h>

#include "fqaccel_test.h"
#include "kselftest_harness.h"

#define ROOM	256	/* more than any structure of the interface */

FIXTURE(ioctl)
{
	int fd;
	struct fqaccel_info before;
};

FIXTURE_SETUP(ioctl)
{
	self->fd = test_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, test_info(self->fd, &self->before));
}

/* Nothing that these tests do may have made anything. */
FIXTURE_TEARDOWN(ioctl)
{
	struct fqaccel_info after;

	EXPECT_EQ(0, test_info(self->fd, &after));
	EXPECT_EQ(self->before.buffer_used, after.buffer_used);
	EXPECT_EQ(self->before.memory_used, after.memory_used);
	EXPECT_EQ(0, close(self->fd));
}

struct form {
	unsigned long cmd;
	uint32_t size;
	int error;	/* for zeroes, with the right size */
	uint32_t first;	/* size of the first version, if it has grown since */
};

static const struct form forms[] = {
	{ FQACCEL_IOC_INFO, sizeof(struct fqaccel_info), 0 },
	{ FQACCEL_IOC_DESTROY, sizeof(struct fqaccel_destroy), -ENOENT },
	{ FQACCEL_IOC_BUFFER_CREATE, sizeof(struct fqaccel_buffer_create), -EINVAL },
	{ FQACCEL_IOC_MODEL_LOAD, sizeof(struct fqaccel_model_load), -EINVAL },
	{ FQACCEL_IOC_SUBMIT, sizeof(struct fqaccel_submit), -EINVAL,
	  offsetof(struct fqaccel_submit, in_fence) },
	{ FQACCEL_IOC_WAIT, sizeof(struct fqaccel_wait), -ENOENT },
	{ FQACCEL_IOC_BUFFER_EXPORT, sizeof(struct fqaccel_buffer_export), -ENOENT },
	{ FQACCEL_IOC_BUFFER_IMPORT, sizeof(struct fqaccel_buffer_import), -EINVAL },
};

static int call(int fd, unsigned long cmd, uint32_t size, uint8_t *room)
{
	memcpy(room, &size, sizeof(size));
	return test_ioctl(fd, cmd, room);
}

TEST_F(ioctl, exact_size)
{
	uint8_t room[ROOM];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		memset(room, 0, sizeof(room));
		EXPECT_EQ(forms[i].error, call(self->fd, forms[i].cmd, forms[i].size, room))
			TH_LOG("ioctl 0x%lx", forms[i].cmd);
	}
}

TEST_F(ioctl, short_size)
{
	uint8_t room[ROOM], poison[ROOM];
	unsigned int i;
	uint32_t size;

	memset(poison, TEST_POISON, sizeof(poison));
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		for (size = 0; size < (forms[i].first ?: forms[i].size); size++) {
			memset(room, TEST_POISON, sizeof(room));
			ASSERT_EQ(-EINVAL, call(self->fd, forms[i].cmd, size, room))
				TH_LOG("ioctl 0x%lx, size %u", forms[i].cmd, size);
			/* Refused, so not written to. */
			ASSERT_EQ(0, memcmp(room + 4, poison + 4, ROOM - 4));
		}
	}
}

/* A caller that knows an older, shorter structure: what it does not know is 0. */
TEST_F(ioctl, old_size)
{
	uint8_t room[ROOM];
	unsigned int i;
	uint32_t size;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		for (size = forms[i].first ?: forms[i].size; size < forms[i].size; size++) {
			memset(room, 0, size);
			memset(room + size, TEST_POISON, sizeof(room) - size);
			EXPECT_EQ(forms[i].error, call(self->fd, forms[i].cmd, size, room))
				TH_LOG("ioctl 0x%lx, size %u", forms[i].cmd, size);
			EXPECT_EQ(TEST_POISON, room[size]);
		}
	}
}

TEST_F(ioctl, long_size)
{
	uint8_t room[ROOM];
	unsigned int i;
	uint32_t at;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		memset(room, 0, sizeof(room));
		EXPECT_EQ(forms[i].error, call(self->fd, forms[i].cmd, ROOM, room))
			TH_LOG("ioctl 0x%lx", forms[i].cmd);
		for (at = forms[i].size; at < ROOM; at++) {
			memset(room, 0, sizeof(room));
			room[at] = 1;
			ASSERT_EQ(-E2BIG, call(self->fd, forms[i].cmd, ROOM, room))
				TH_LOG("ioctl 0x%lx, byte %u", forms[i].cmd, at);
		}
	}
}

TEST_F(ioctl, huge_size)
{
	uint8_t room[ROOM] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(forms); i++)
		EXPECT_EQ(-E2BIG, call(self->fd, forms[i].cmd, UINT32_MAX, room));
}

TEST_F(ioctl, bad_address)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, page);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		EXPECT_EQ(-EFAULT, test_ioctl(self->fd, forms[i].cmd, page));
		EXPECT_EQ(-EFAULT, test_ioctl(self->fd, forms[i].cmd, NULL));
		EXPECT_EQ(-EFAULT, test_ioctl(self->fd, forms[i].cmd, (void *)-8L));
	}
	munmap(page, 4096);
}

/* An answer that can't be delivered leaves no object behind. */
TEST_F(ioctl, read_only_answer)
{
	struct fqaccel_buffer_create buffer = {
		.size = sizeof(buffer), .flags = FQACCEL_BUFFER_CARD_READS, .length = 4096,
	};
	struct fqaccel_queue_create queue = { .size = sizeof(queue) };
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	ASSERT_NE(MAP_FAILED, page);
	memcpy(page, &buffer, sizeof(buffer));
	memcpy(page + 1024, &queue, sizeof(queue));
	ASSERT_EQ(0, mprotect(page, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, test_ioctl(self->fd, FQACCEL_IOC_BUFFER_CREATE, page));
	/* More often than an open file may have queues. */
	for (i = 0; i < 100; i++)
		EXPECT_EQ(-EFAULT, test_ioctl(self->fd, FQACCEL_IOC_QUEUE_CREATE, page + 1024));
	munmap(page, 4096);
	/* Handles start again at 1: none of those was used up. */
	EXPECT_EQ(-ENOENT, test_destroy(self->fd, 1));
}

TEST_F(ioctl, unknown)
{
	uint8_t room[ROOM] = {};
	unsigned int nr;

	for (nr = 9; nr < 256; nr++)
		EXPECT_EQ(-ENOTTY, call(self->fd, _IO(FQACCEL_IOC_TYPE, nr), 64, room));
	EXPECT_EQ(-ENOTTY, call(self->fd, _IO('F', 0), 64, room));
	/* The right number with a size in it is another one. */
	EXPECT_EQ(-ENOTTY, call(self->fd, _IOWR(FQACCEL_IOC_TYPE, 0, struct fqaccel_info),
				sizeof(struct fqaccel_info), room));
}

TEST_F(ioctl, reserved)
{
	struct fqaccel_info info;
	struct fqaccel_buffer_create buffer;
	struct fqaccel_model_load model;
	struct fqaccel_queue_create queue;
	struct fqaccel_submit submit;
	struct fqaccel_wait wait;

#define REFUSED(_arg, _cmd, _field, _value) do {			\
	memset(&(_arg), 0, sizeof(_arg));				\
	(_arg).size = sizeof(_arg);					\
	(_arg)._field = (_value);					\
	EXPECT_EQ(-EOPNOTSUPP, test_ioctl(self->fd, _cmd, &(_arg)))	\
		TH_LOG(#_cmd ": " #_field);				\
	EXPECT_EQ(_value, (_arg)._field);				\
} while (0)

	REFUSED(info, FQACCEL_IOC_INFO, flags, 1);
	REFUSED(info, FQACCEL_IOC_INFO, pad, 1);
	REFUSED(buffer, FQACCEL_IOC_BUFFER_CREATE, flags, 4);
	REFUSED(buffer, FQACCEL_IOC_BUFFER_CREATE, flags, 0x80000001);
	REFUSED(buffer, FQACCEL_IOC_BUFFER_CREATE, pad, 1);
	REFUSED(model, FQACCEL_IOC_MODEL_LOAD, flags, 1);
	REFUSED(model, FQACCEL_IOC_MODEL_LOAD, pad, 0xcccccccc);
	REFUSED(queue, FQACCEL_IOC_QUEUE_CREATE, flags, 1);
	REFUSED(queue, FQACCEL_IOC_QUEUE_CREATE, pad, 1);
	REFUSED(submit, FQACCEL_IOC_SUBMIT, flags, 8);
	REFUSED(submit, FQACCEL_IOC_SUBMIT, in_fence, 1);
	REFUSED(submit, FQACCEL_IOC_SUBMIT, out_fence, 1);
	REFUSED(wait, FQACCEL_IOC_WAIT, flags, 2);
	REFUSED(wait, FQACCEL_IOC_WAIT, pad, 1);
#undef REFUSED
}

TEST_F(ioctl, info)
{
	struct fqaccel_info info;

	memset(&info, TEST_POISON, sizeof(info));
	info.size = sizeof(info);
	info.flags = 0;
	info.pad = 0;
	ASSERT_EQ(0, test_ioctl(self->fd, FQACCEL_IOC_INFO, &info));
	EXPECT_EQ(sizeof(info), info.size);
	EXPECT_EQ(FQACCEL_ABI_VERSION, info.abi_version);
	EXPECT_EQ(1, info.hw_version >> 16);
	EXPECT_EQ(1, info.format >> 16);
	EXPECT_EQ(FQACCEL_FEATURE_NOP, info.features & FQACCEL_FEATURE_NOP);
	EXPECT_LT(0, info.memory_size);
	EXPECT_LE(info.memory_free, info.memory_size);
	EXPECT_LE(info.memory_quota, info.memory_size);
	EXPECT_EQ(0, info.memory_used);
	EXPECT_LT(0, info.buffer_limit);
	EXPECT_EQ(0, info.buffer_used);
	EXPECT_LT(0, info.lanes);
	EXPECT_LT(0, info.clock_khz);
	EXPECT_LT(0, info.hw_queues);
	EXPECT_LT(0, info.max_queues);
	EXPECT_LE(256, info.max_depth);
	EXPECT_LT(0, info.max_runs);
	EXPECT_LT(0, info.max_batch);
	EXPECT_EQ(0, info.pad);
}

TEST_F(ioctl, queues)
{
	uint32_t handle, first, i;

	EXPECT_EQ(-EINVAL, test_queue(self->fd, self->before.max_depth + 1, &handle));
	EXPECT_EQ(-EINVAL, test_queue(self->fd, UINT32_MAX, &handle));
	ASSERT_EQ(0, test_queue(self->fd, self->before.max_depth, &first));
	EXPECT_LT(0, first);
	for (i = 1; i < self->before.max_queues; i++)
		ASSERT_EQ(0, test_queue(self->fd, 1, &handle));
	EXPECT_EQ(-ENOSPC, test_queue(self->fd, 1, &handle));
	EXPECT_EQ(0, test_destroy(self->fd, first));
	EXPECT_EQ(0, test_queue(self->fd, 1, &handle));
}

TEST_F(ioctl, handles)
{
	struct fqaccel_submit submit;
	struct fqaccel_run run = {};
	struct fqaccel_wait wait;
	struct test_buffer buf;
	uint32_t queue;
	int other;

	ASSERT_EQ(0, test_queue(self->fd, 0, &queue));
	ASSERT_EQ(0, test_buffer(self->fd, 4096, FQACCEL_BUFFER_CARD_READS, &buf));

	/* Another open file's. */
	other = test_open();
	ASSERT_LE(0, other);
	EXPECT_EQ(-ENOENT, test_destroy(other, queue));
	EXPECT_EQ(-ENOENT, test_destroy(other, buf.handle));
	EXPECT_EQ(-ENOENT, test_wait(other, queue, 1, 0, &wait));
	EXPECT_EQ(-ENOENT, test_submit(other, queue, 0, &run, 1, &submit));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, other, buf.offset));
	EXPECT_EQ(EINVAL, errno);
	close(other);

	/* Of another kind. */
	EXPECT_EQ(-ENOENT, test_wait(self->fd, buf.handle, 1, 0, &wait));
	EXPECT_EQ(-ENOENT, test_submit(self->fd, buf.handle, 0, &run, 1, &submit));
	/* How many were accepted is told on any error. */
	submit.accepted = 9;
	submit.sequence = 9;
	EXPECT_EQ(-ENOENT, test_ioctl(self->fd, FQACCEL_IOC_SUBMIT, &submit));
	EXPECT_EQ(0, submit.accepted);
	EXPECT_EQ(0, submit.sequence);

	/* Never given out. */
	EXPECT_EQ(-ENOENT, test_destroy(self->fd, 0));
	EXPECT_EQ(-ENOENT, test_destroy(self->fd, 12345));
	EXPECT_EQ(-ENOENT, test_destroy(self->fd, UINT32_MAX));

	/* Stale. */
	EXPECT_EQ(0, test_destroy(self->fd, queue));
	EXPECT_EQ(-ENOENT, test_destroy(self->fd, queue));
	EXPECT_EQ(-ENOENT, test_wait(self->fd, queue, 1, 0, &wait));
	EXPECT_EQ(0, test_destroy(self->fd, buf.handle));
	EXPECT_EQ(-ENOENT, test_destroy(self->fd, buf.handle));
	munmap(buf.data, buf.length);
}

TEST_F(ioctl, not_seekable)
{
	char byte;

	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(-1, read(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
}

TEST_HARNESS_MAIN
