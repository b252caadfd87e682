/* SPDX-License-Identifier: GPL-2.0 */
/* What tests read of the driver beside its ioctls: fdinfo, debugfs, tracefs. */
#ifndef FQACCEL_LOOK_H
#define FQACCEL_LOOK_H

#include "fqaccel_test.h"

#define TRACING	"/sys/kernel/tracing"

/* The text of a file, or "" and a failure. */
static inline int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n = 1;

	text[0] = 0;
	if (fd < 0)
		return -errno;
	while (have < size - 1 && (n = read(fd, text + have, size - 1 - have)) > 0)
		have += n;
	text[have] = 0;
	close(fd);
	return n < 0 ? -errno : 0;
}

/* Truncated first, which is what empties a trace. */
static inline int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* "key:\tvalue" of fdinfo; all ones where there is none. */
static inline unsigned long long fdinfo_value(int fd, const char *key)
{
	unsigned long long value = -1;
	char path[64], text[4096], *at;
	size_t len = strlen(key);

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (read_text(path, text, sizeof(text)))
		return -1;
	for (at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, key, len) && at[len] == ':')
			sscanf(at + len + 1, " %llu", &value);
		if (!*at)
			break;
	}
	return value;
}

#endif
