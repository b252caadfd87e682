// SPDX-License-Identifier: GPL-2.0
/* Models: loading, refusals with their reasons, limits, and room that comes back. */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/capability.h>

#include "fqaccel_test.h"
#include "kselftest_harness.h"

/* FORMAT.md section 10. */
#define REASON_TRUNCATED	1
#define REASON_MAGIC		2
#define REASON_CRC		5

#define SC_BAD_IMAGE		0x20	/* CARD.md section 7 */

FIXTURE(model)
{
	int fd;
	struct test_data data;
	struct fqaccel_info info;
};

FIXTURE_SETUP(model)
{
	ASSERT_EQ(0, test_data_read(&self->data));
	self->fd = test_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, test_info(self->fd, &self->info));
}

FIXTURE_TEARDOWN(model)
{
	struct fqaccel_info info;
	int i;

	/* Whatever was refused or destroyed has left nothing. */
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(0, test_info(self->fd, &info));
		if (!info.memory_used && !info.buffer_used)
			break;
		usleep(50000);
	}
	EXPECT_EQ(0, info.memory_used);
	EXPECT_EQ(0, info.buffer_used);
	EXPECT_TRUE(test_memory_settles(self->fd, self->info.memory_free));
	EXPECT_EQ(0, close(self->fd));
}

TEST_F(model, load)
{
	struct fqaccel_model_load model;
	struct fqaccel_info info;

	ASSERT_EQ(0, test_load(self->fd, self->data.model, self->data.model_length, &model));
	EXPECT_LT(0, model.handle);
	EXPECT_EQ(self->data.layers, model.layers);
	EXPECT_EQ(self->data.input_bytes, model.input_bytes);
	EXPECT_EQ(self->data.output_bytes, model.output_bytes);
	EXPECT_LE(self->data.model_length, model.image_bytes);
	EXPECT_LT(0, model.arena_bytes);
	EXPECT_LT(0, model.cycles);
	EXPECT_EQ(0, model.card_status);
	EXPECT_EQ(model.image_bytes + model.arena_bytes, model.needed);

	ASSERT_EQ(0, test_info(self->fd, &info));
	EXPECT_EQ(model.needed, info.memory_used);
	EXPECT_EQ(self->info.memory_free - model.needed, info.memory_free);
	EXPECT_LE(self->data.model_length, info.buffer_used);
	EXPECT_EQ(0, test_destroy(self->fd, model.handle));
	EXPECT_EQ(-ENOENT, test_destroy(self->fd, model.handle));
}

TEST_F(model, garbage)
{
	struct fqaccel_model_load model;
	uint8_t image[3000];

	memset(image, TEST_POISON, sizeof(image));
	EXPECT_EQ(-EBADMSG, test_load(self->fd, image, sizeof(image), &model));
	EXPECT_EQ(SC_BAD_IMAGE, model.card_status);
	EXPECT_EQ(REASON_MAGIC, model.reason);
	EXPECT_EQ(0, model.offset);
	EXPECT_EQ(UINT32_MAX, model.layer);
	EXPECT_EQ(0, model.handle);
}

TEST_F(model, truncated)
{
	static const size_t lengths[] = { 1, 7, 63, 64, 200 };
	struct fqaccel_model_load model;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		EXPECT_EQ(-EBADMSG, test_load(self->fd, self->data.model, lengths[i], &model));
		EXPECT_EQ(REASON_TRUNCATED, model.reason);
		EXPECT_EQ(lengths[i], model.offset);
	}
}

TEST_F(model, flipped_bit)
{
	struct fqaccel_model_load model;
	size_t at = self->data.model_length / 2;

	/* In the middle lie weights or layers, which a CRC covers. */
	self->data.model[at] ^= 0x10;
	EXPECT_EQ(-EBADMSG, test_load(self->fd, self->data.model, self->data.model_length,
				      &model));
	EXPECT_EQ(SC_BAD_IMAGE, model.card_status);
	EXPECT_EQ(REASON_CRC, model.reason);
}

TEST_F(model, bad_arguments)
{
	struct fqaccel_model_load model;

	EXPECT_EQ(-EINVAL, test_load(self->fd, self->data.model, 0, &model));
	EXPECT_EQ(-EINVAL, test_load(self->fd, self->data.model, 1ULL << 32, &model));
	EXPECT_EQ(-EINVAL, test_load(self->fd, self->data.model, UINT64_MAX, &model));
	EXPECT_EQ(-EFAULT, test_load(self->fd, NULL, 4096, &model));
	EXPECT_EQ(-EFAULT, test_load(self->fd, (void *)-4096L, 4096, &model));
	EXPECT_EQ(0, model.card_status);
}

TEST_F(model, larger_than_card)
{
	struct fqaccel_model_load model;

	EXPECT_EQ(-EFBIG, test_load(self->fd, self->data.model, self->info.memory_size + 1,
				    &model));
	EXPECT_LT(self->info.memory_size, model.needed);
	EXPECT_EQ(0, model.card_status);
}

/* Without CAP_SYS_RESOURCE half of the card is the most that an open file may take. */
TEST_F(model, quota)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = {};
	struct fqaccel_model_load model;
	struct fqaccel_info info;
	int fd;

	EXPECT_EQ(self->info.memory_size, self->info.memory_quota);
	ASSERT_EQ(0, syscall(SYS_capset, &header, caps));
	fd = open(test_device(), O_RDWR);
	if (fd < 0 && errno == EACCES)
		SKIP(return, "%s is not for everybody", test_device());
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, test_info(fd, &info));
	EXPECT_EQ(info.memory_size / 2, info.memory_quota);
	EXPECT_EQ(-EDQUOT, test_load(fd, self->data.model, info.memory_quota + 1, &model));
	EXPECT_LT(info.memory_quota, model.needed);
	close(fd);
}

TEST_F(model, slots)
{
	struct fqaccel_model_load model;
	uint32_t handles[512], n;
	int ret = 0;

	for (n = 0; n < 512; n++) {
		ret = test_load(self->fd, self->data.model, self->data.model_length, &model);
		if (ret)
			break;
		handles[n] = model.handle;
	}
	EXPECT_EQ(-ENOSPC, ret);
	EXPECT_LT(0, n);
	ASSERT_EQ(0, test_destroy(self->fd, handles[0]));
	/* Destroying does not wait for the card; loading waits for what is being freed. */
	EXPECT_EQ(0, test_load(self->fd, self->data.model, self->data.model_length, &model));
	while (--n)
		ASSERT_EQ(0, test_destroy(self->fd, handles[n]));
	ASSERT_EQ(0, test_destroy(self->fd, model.handle));
}

/* Refusals in a row do not use anything up. */
TEST_F(model, many_refusals)
{
	struct fqaccel_model_load model;
	uint8_t image[100] = {};
	int i;

	for (i = 0; i < 600; i++)
		ASSERT_EQ(-EBADMSG, test_load(self->fd, image, sizeof(image), &model));
}

TEST_HARNESS_MAIN
