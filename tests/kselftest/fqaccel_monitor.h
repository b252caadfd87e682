/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of a misbehaving card share: the emulated card's fault knobs, the
 * driver's parameters and counters, the kernel's log.
 *
 * FQACCEL_TEST_MONITOR  default /dev/virtio-ports/fqaccel.monitor: QEMU's monitor
 */
#ifndef FQACCEL_MONITOR_H
#define FQACCEL_MONITOR_H

#include <poll.h>

#include "fqaccel_test.h"

static inline int test_monitor_open(void)
{
	return open(getenv("FQACCEL_TEST_MONITOR") ?: "/dev/virtio-ports/fqaccel.monitor", O_RDWR);
}

/* For TEST_PROGRAM_NEEDS(). */
static inline bool test_monitor_there(void)
{
	int fd = test_monitor_open();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The monitor takes a line, with its newline, and answers with text that nobody needs. */
static inline int tell_monitor(int monitor, const char *line)
{
	struct pollfd p = { .fd = monitor, .events = POLLIN };
	ssize_t n = strlen(line);
	char answer[1000];

	if (write(monitor, line, n) != n)
		return -errno;
	/* It echoes the line; the prompt after it tells that the command was done. */
	while (poll(&p, 1, 300) > 0)
		if (read(monitor, answer, sizeof(answer)) <= 0)
			return -EIO;
	return 0;
}

static inline int set_fault(int monitor, const char *name, unsigned int value)
{
	char line[100];

	snprintf(line, sizeof(line), "qom-set card %s %u\n", name, value);
	return tell_monitor(monitor, line);
}

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static inline int read_number(const char *path, unsigned long long *value)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 && sscanf(text, "%llu", value) == 1 ? 0 : -EINVAL;
}

static inline int set_parameter(const char *name, unsigned long long value)
{
	char path[100], text[32];

	snprintf(path, sizeof(path), "/sys/module/fqaccel/parameters/%s", name);
	snprintf(text, sizeof(text), "%llu", value);
	return write_file(path, text);
}

static inline int get_parameter(const char *name, unsigned long long *value)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/module/fqaccel/parameters/%s", name);
	return read_number(path, value);
}

/* What it was goes to @before, for set_parameter() to put back. */
static inline int change_parameter(const char *name, unsigned long long value,
				   unsigned long long *before)
{
	return get_parameter(name, before) ?: set_parameter(name, value);
}

/* One of the card's counters; all ones if it cannot be read. */
static inline unsigned long long get_counter(const char *name)
{
	unsigned long long value;
	char path[100];

	snprintf(path, sizeof(path), "/sys/class/fqaccel/%s/%s", strrchr(test_device(), '/') + 1,
		 name);
	return read_number(path, &value) ? ~0ULL : value;
}

static inline void card_address(const struct fqaccel_info *info, char *text, size_t size)
{
	snprintf(text, size, "%04x:%02x:%02x.%x", info->pci_domain, info->pci_bdf >> 8,
		 (info->pci_bdf >> 3) & 31, info->pci_bdf & 7);
}

/* Bind the driver to the card that @info is of, or unbind it. */
static inline int write_driver(const char *what, const struct fqaccel_info *info)
{
	char path[100], address[32];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/fqaccel/%s", what);
	card_address(info, address, sizeof(address));
	return write_file(path, address);
}

static inline int write_device(const char *what, const struct fqaccel_info *info)
{
	char path[100], address[32];

	card_address(info, address, sizeof(address));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, what);
	return write_file(path, "1");
}

/* The kernel's log from now on. */
static inline int test_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * Read on in the log to the next message that contains @who and @text. Its time in
 * microseconds, or -1: there is none so far.
 */
static inline long long test_log_find_of(int fd, const char *who, const char *text)
{
	char line[2000];
	long long us;
	ssize_t n;

	while ((n = read(fd, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		line[n] = 0;
		if (strstr(line, who) && strstr(line, text) &&
		    sscanf(line, "%*u,%*u,%lld", &us) == 1)
			return us;
	}
	return -1;
}

static inline long long test_log_find(int fd, const char *text)
{
	return test_log_find_of(fd, "fqaccel", text);
}

static inline int run_once(struct test_rig *rig, uint32_t batch, struct fqaccel_wait *wait)
{
	struct fqaccel_run run = test_rig_run(rig, batch);
	struct fqaccel_submit arg;

	return test_submit(rig->fd, rig->queue, 0, &run, 1, &arg) ?:
	       test_wait(rig->fd, rig->queue, arg.sequence, 60000, wait);
}

/* The test's pictures again and again, as many as the rig has room for. */
static inline void fill_input(struct test_rig *rig, const struct test_data *data)
{
	size_t one = data->input_bytes * data->pictures, at;

	for (at = 0; at < rig->in.length; at += one)
		memcpy(rig->in.data + at, data->input,
		       rig->in.length - at < one ? rig->in.length - at : one);
	memset(rig->out.data, TEST_POISON, rig->out.length);
}

static inline bool output_right(const struct test_rig *rig, const struct test_data *data,
				uint32_t batch)
{
	uint32_t i;

	for (i = 0; i < batch; i++)
		if (memcmp(rig->out.data + i * data->output_bytes,
			   data->output + i % data->pictures * data->output_bytes,
			   data->output_bytes))
			return false;
	return true;
}

/* 0 if a run ends well and with the right bytes. */
static inline int run_right(struct test_rig *rig, const struct test_data *data)
{
	struct fqaccel_wait wait;
	int ret;

	memset(rig->out.data, TEST_POISON, data->output_bytes * data->pictures);
	ret = run_once(rig, data->pictures, &wait) ?: wait.status;
	if (!ret && !output_right(rig, data, data->pictures))
		ret = -EILSEQ;
	return ret;
}

#endif
