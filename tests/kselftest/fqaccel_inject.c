// SPDX-License-Identifier: GPL-2.0
/*
 * Functions of the driver fail on request (debugfs, fail_function): each step of probe, DMA
 * mappings, the card's start and stop. What has been done is undone, the error is
 * told, and the next try works. Needs a kernel with FAIL_FUNCTION.
 */
#include "fqaccel_monitor.h"
#include "kselftest_harness.h"

#define FAIL	"/sys/kernel/debug/fail_function/"

TEST_PROGRAM_NEEDS(!access(FAIL "inject", W_OK), "this kernel cannot make functions fail")

FIXTURE(inject)
{
	struct test_data data;
	struct fqaccel_info info;
};

static int set(const char *name, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), FAIL "%s", name);
	return write_file(path, text);
}

/* The function's next @times calls return @error without doing anything. */
static int fail_next(const char *function, int error, int times)
{
	char name[100], text[40];
	int ret;

	snprintf(text, sizeof(text), "%d", times);
	ret = set("probability", "0") ?: set("inject", "\n") ?: set("inject", function);
	if (ret)
		return ret;
	snprintf(name, sizeof(name), "%s/retval", function);
	ret = set("interval", "1") ?: set("times", text) ?: set("verbose", "0");
	snprintf(text, sizeof(text), "%#llx", (unsigned long long)error);
	return ret ?: set(name, text) ?: set("probability", "100");
}

static void fail_no_more(void)
{
	set("probability", "0");
	set("inject", "\n");
}

FIXTURE_SETUP(inject)
{
	fail_no_more();
	ASSERT_EQ(0, test_card_info(&self->info));
	ASSERT_EQ(0, test_data_read(&self->data));
}

/* The card works, and nobody holds its memory. */
FIXTURE_TEARDOWN(inject)
{
	struct test_rig rig;
	int ret;

	fail_no_more();
	EXPECT_TRUE(test_card_settles(&self->info));
	ret = test_rig_open(&rig, &self->data, self->data.pictures);
	EXPECT_EQ(0, ret);
	if (ret)
		return;
	memcpy(rig.in.data, self->data.input, self->data.input_bytes * self->data.pictures);
	EXPECT_EQ(0, run_right(&rig, &self->data));
	test_rig_close(&rig);
}

/* Every step of probe fails once: the driver does not bind, and does the next time. */
TEST_F_TIMEOUT(inject, probe, 300)
{
	static const struct {
		const char *function;
		int error;
	} steps[] = {
		{ "fqa_hw_identify", -EIO }, { "fqa_hw_disable", -ETIMEDOUT },
		{ "fqa_ring_alloc", -ENOMEM }, { "fqa_hwqs_alloc", -ENOMEM },
		{ "fqa_coredump_init", -ENOMEM }, { "fqa_hw_enable", -EIO },
		{ "fqa_hwqs_create", -EIO }, { "fqa_admin_submit", -EIO },
		{ "fqa_card_start", -ENOMEM },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		ASSERT_EQ(0, write_driver("unbind", &self->info));
		ASSERT_EQ(0, fail_next(steps[i].function, steps[i].error, 1)) {
			TH_LOG("%s", steps[i].function);
		}
		EXPECT_EQ(steps[i].error, write_driver("bind", &self->info)) {
			TH_LOG("%s", steps[i].function);
		}
		EXPECT_EQ(-1, test_open());
		fail_no_more();
		ASSERT_EQ(0, write_driver("bind", &self->info));
	}
}

/* No room in the IOMMU, say. */
TEST_F(inject, mapping)
{
	struct fqaccel_model_load model;
	struct test_buffer buf;
	int fd = test_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fail_next("fqa_memory_map", -EIO, 1));
	EXPECT_EQ(-EIO, test_buffer(fd, 4096, FQACCEL_BUFFER_CARD_READS, &buf));
	EXPECT_EQ(0, test_buffer(fd, 4096, FQACCEL_BUFFER_CARD_READS, &buf));
	ASSERT_EQ(0, fail_next("fqa_memory_map", -EIO, 1));
	EXPECT_EQ(-EIO, test_load(fd, self->data.model, self->data.model_length, &model));
	EXPECT_EQ(0, test_load(fd, self->data.model, self->data.model_length, &model));
	munmap(buf.data, 4096);
	close(fd);
}

/* SUBMIT finds no memory for a scatter list: nothing of the run stays. */
TEST_F(inject, scatter_list)
{
	struct fqaccel_submit arg;
	struct fqaccel_run run;
	struct test_rig rig;

	ASSERT_EQ(0, test_rig_open(&rig, &self->data, 1));
	run = test_rig_run(&rig, 1);
	ASSERT_EQ(0, fail_next("fqa_sglist_build_next", -ENOMEM, 1));
	EXPECT_EQ(-ENOMEM, test_submit(rig.fd, rig.queue, 0, &run, 1, &arg));
	EXPECT_EQ(0, arg.accepted);
	EXPECT_EQ(0, test_submit(rig.fd, rig.queue, 0, &run, 1, &arg));
	test_rig_close(&rig);
}

/* A card that does not start at once after a reset does so at the second try. */
TEST_F_TIMEOUT(inject, start, 120)
{
	unsigned long long resets = get_counter("resets");
	struct test_rig rig;

	ASSERT_EQ(0, test_rig_open(&rig, &self->data, self->data.pictures));
	memcpy(rig.in.data, self->data.input, self->data.input_bytes * self->data.pictures);
	ASSERT_EQ(0, fail_next("fqa_hw_enable", -EIO, 1));
	ASSERT_EQ(0, write_device("reset", &self->info));
	EXPECT_EQ(0, run_right(&rig, &self->data));
	EXPECT_EQ(resets + 1, get_counter("resets"));
	test_rig_close(&rig);
}

/* One that never stops is cut off from memory and dead, until it is bound anew. */
TEST_F_TIMEOUT(inject, never_stops, 120)
{
	struct fqaccel_wait wait;
	struct fqaccel_info info;
	struct test_rig rig;
	int log = test_log_open();

	ASSERT_LE(0, log);
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, 1));
	ASSERT_EQ(0, fail_next("fqa_hw_disable", -ETIMEDOUT, 1000000));
	ASSERT_EQ(0, write_device("reset", &self->info));
	EXPECT_EQ(-ENODEV, run_once(&rig, 1, &wait));
	EXPECT_EQ(-ENODEV, test_info(rig.fd, &info));
	EXPECT_LE(0, test_log_find(log, "the card is dead"));
	EXPECT_LE(0, test_log_find(log, "cutting it off from memory"));
	fail_no_more();
	test_rig_close(&rig);
	ASSERT_EQ(0, write_driver("unbind", &self->info));
	ASSERT_EQ(0, write_driver("bind", &self->info));
	close(log);
}

TEST_HARNESS_MAIN
