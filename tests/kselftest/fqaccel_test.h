/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the driver share: thin wrappers of the ioctls, which return
 * 0 or a negative errno, and the data that they compare with.
 *
 * FQACCEL_TEST_DEVICE  default /dev/fqaccel0
 * FQACCEL_TEST_DATA    folder with what fqaccel_expect writes: model.fqz, input
 *                      and output of several pictures, cut (see struct test_data);
 *                      default: data, beside the program
 */
#ifndef FQACCEL_TEST_H
#define FQACCEL_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "uapi/fqaccel.h"

#define TEST_POISON	0xcc

/*
 * Where @condition does not hold nothing of this program can be tested, for the reason @why. Told
 * before the harness runs: SKIP() in a FIXTURE_SETUP() does not keep older ones from the test.
 */
#define TEST_PROGRAM_NEEDS(condition, why)				\
static void __attribute__((constructor)) test_program_needs(void)	\
{									\
	if (condition)							\
		return;							\
	printf("TAP version 13\n1..1\nok 1 # SKIP " why "\n");		\
	exit(0);							\
}

static inline const char *test_device(void)
{
	return getenv("FQACCEL_TEST_DEVICE") ?: "/dev/fqaccel0";
}

static inline int test_open(void)
{
	return open(test_device(), O_RDWR | O_CLOEXEC);
}

static inline int test_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

static inline int test_info(int fd, struct fqaccel_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return test_ioctl(fd, FQACCEL_IOC_INFO, info);
}

static inline int test_destroy(int fd, uint32_t handle)
{
	struct fqaccel_destroy arg = { .size = sizeof(arg), .handle = handle };

	return test_ioctl(fd, FQACCEL_IOC_DESTROY, &arg);
}

static inline int test_queue(int fd, uint32_t depth, uint32_t *handle)
{
	struct fqaccel_queue_create arg = { .size = sizeof(arg), .depth = depth };
	int ret = test_ioctl(fd, FQACCEL_IOC_QUEUE_CREATE, &arg);

	*handle = arg.handle;
	return ret;
}

struct test_buffer {
	uint32_t handle;
	uint8_t *data;
	size_t length;
	uint64_t offset;
};

static inline int test_buffer(int fd, size_t length, uint32_t flags, struct test_buffer *buf)
{
	struct fqaccel_buffer_create arg = {
		.size = sizeof(arg), .flags = flags, .length = length,
	};
	int ret = test_ioctl(fd, FQACCEL_IOC_BUFFER_CREATE, &arg);

	if (ret)
		return ret;
	buf->handle = arg.handle;
	buf->length = length;
	buf->offset = arg.offset;
	buf->data = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, arg.offset);
	return buf->data == MAP_FAILED ? -errno : 0;
}

static inline int test_load(int fd, const void *image, uint64_t length,
			    struct fqaccel_model_load *arg)
{
	memset(arg, 0, sizeof(*arg));
	arg->size = sizeof(*arg);
	arg->image = (uintptr_t)image;
	arg->length = length;
	return test_ioctl(fd, FQACCEL_IOC_MODEL_LOAD, arg);
}

static inline struct fqaccel_submit test_submit_arg(uint32_t queue, uint32_t flags,
						    const struct fqaccel_run *runs, uint32_t count)
{
	struct fqaccel_submit arg = {
		.size = sizeof(arg), .flags = flags, .queue = queue, .count = count,
		.runs = (uintptr_t)runs, .run_size = sizeof(*runs),
	};

	return arg;
}

static inline int test_submit(int fd, uint32_t queue, uint32_t flags,
			      const struct fqaccel_run *runs, uint32_t count,
			      struct fqaccel_submit *arg)
{
	*arg = test_submit_arg(queue, flags, runs, count);
	return test_ioctl(fd, FQACCEL_IOC_SUBMIT, arg);
}

static inline int64_t test_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* @ms: 0: do not wait; negative: for ever. */
static inline int test_wait(int fd, uint32_t queue, uint64_t sequence, int64_t ms,
			    struct fqaccel_wait *arg)
{
	memset(arg, 0, sizeof(*arg));
	arg->size = sizeof(*arg);
	arg->queue = queue;
	arg->sequence = sequence;
	arg->deadline_ns = ms > 0 ? test_now() + ms * 1000000 : ms;
	return test_ioctl(fd, FQACCEL_IOC_WAIT, arg);
}

static inline int test_arm(int fd, uint32_t queue, uint64_t sequence)
{
	struct fqaccel_wait arg = {
		.size = sizeof(arg), .flags = FQACCEL_WAIT_ARM,
		.queue = queue, .sequence = sequence,
	};

	return test_ioctl(fd, FQACCEL_IOC_WAIT, &arg);
}

/* Waits until the card has as much memory free as @memory: teardown is in the background. */
static inline bool test_memory_settles(int fd, uint64_t memory)
{
	struct fqaccel_info info;
	int i;

	for (i = 0; i < 400; i++) {
		if (!test_info(fd, &info) && info.memory_free == memory)
			return true;
		usleep(50000);
	}
	return false;
}

/* What the card says to somebody who has only come to ask. */
static inline int test_card_info(struct fqaccel_info *info)
{
	int fd = test_open();
	int ret;

	if (fd < 0)
		return -errno;
	ret = test_info(fd, info);
	close(fd);
	return ret;
}

/* Likewise: whether there is a card, and as much memory free as before. */
static inline bool test_card_settles(const struct fqaccel_info *before)
{
	int fd = test_open();
	bool settles;

	if (fd < 0)
		return false;
	settles = test_memory_settles(fd, before->memory_free);
	close(fd);
	return settles;
}

/* What the soft card says of a model: fqaccel_expect wrote it. */
struct test_data {
	uint8_t *model, *input, *output;
	size_t model_length;
	uint32_t pictures, layers, cut;	/* cut: the second part's first layer */
	uint64_t input_bytes, output_bytes, cut_bytes;	/* of one picture */
};

static inline int test_read_file(const char *name, uint8_t **data, size_t *length)
{
	char path[PATH_MAX + 32], self[PATH_MAX];
	const char *folder = getenv("FQACCEL_TEST_DATA");
	struct stat st;
	ssize_t n;
	int fd;

	if (folder) {
		snprintf(path, sizeof(path), "%s/%s", folder, name);
	} else {
		n = readlink("/proc/self/exe", self, sizeof(self) - 1);
		if (n < 0)
			return -errno;
		self[n] = 0;
		*strrchr(self, '/') = 0;
		snprintf(path, sizeof(path), "%s/data/%s", self, name);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		fprintf(stderr, "# %s: %s\n", path, strerror(errno));
		return -errno;
	}
	*length = st.st_size;
	*data = calloc(1, st.st_size + 1);
	n = *data ? read(fd, *data, st.st_size) : -1;
	close(fd);
	return n == st.st_size ? 0 : -EIO;
}

static inline int test_data_read(struct test_data *data)
{
	unsigned long long cut_bytes;
	uint8_t *text;
	size_t length;
	int ret;

	ret = test_read_file("model.fqz", &data->model, &data->model_length);
	if (ret)
		return ret;
	ret = test_read_file("cut", &text, &length);
	if (ret)
		return ret;
	if (sscanf((char *)text, "pictures %u layers %u cut %u bytes %llu", &data->pictures,
		   &data->layers, &data->cut, &cut_bytes) != 4)
		return -EINVAL;
	data->cut_bytes = cut_bytes;
	free(text);
	ret = test_read_file("input", &data->input, &length);
	if (ret)
		return ret;
	data->input_bytes = length / data->pictures;
	ret = test_read_file("output", &data->output, &length);
	data->output_bytes = length / data->pictures;
	return ret;
}

/* An open file with a model, a queue, and room for all pictures. */
struct test_rig {
	int fd;
	struct fqaccel_model_load model;
	uint32_t queue;
	struct test_buffer in, out;
};

static inline int test_rig_open(struct test_rig *rig, const struct test_data *data,
				uint32_t pictures)
{
	int ret;

	rig->fd = test_open();
	if (rig->fd < 0)
		return -errno;
	ret = test_load(rig->fd, data->model, data->model_length, &rig->model);
	if (ret)
		return ret;
	ret = test_queue(rig->fd, 0, &rig->queue);
	if (ret)
		return ret;
	ret = test_buffer(rig->fd, data->input_bytes * pictures, FQACCEL_BUFFER_CARD_READS,
			  &rig->in);
	if (ret)
		return ret;
	return test_buffer(rig->fd, data->output_bytes * pictures, FQACCEL_BUFFER_CARD_WRITES,
			   &rig->out);
}

static inline void test_rig_close(struct test_rig *rig)
{
	munmap(rig->in.data, rig->in.length);
	munmap(rig->out.data, rig->out.length);
	close(rig->fd);
}

/* The whole network on @batch pictures from the start of the buffers. */
static inline struct fqaccel_run test_rig_run(const struct test_rig *rig, uint32_t batch)
{
	struct fqaccel_run run = {
		.model = rig->model.handle,
		.batch = batch,
		.in_buffer = rig->in.handle,
		.out_buffer = rig->out.handle,
		.in_length = rig->model.input_bytes * batch,
		.out_length = rig->model.output_bytes * batch,
	};

	return run;
}

#endif
