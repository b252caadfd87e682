/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of power management share: the PCI function's files in power/. */
#ifndef FQACCEL_POWER_H
#define FQACCEL_POWER_H

#include "fqaccel_monitor.h"

#define POWER_SOON_MS	60000	/* a condition holds by then, on any kernel and busy machine */

/* The text of a file without the newline at its end; "" if it cannot be read. */
static inline void read_line(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	if (fd >= 0)
		close(fd);
}

static inline void device_path(const struct fqaccel_info *info, const char *name, char *path,
			       size_t size)
{
	char address[32];

	card_address(info, address, sizeof(address));
	snprintf(path, size, "/sys/bus/pci/devices/%s/%s", address, name);
}

static inline void device_read(const struct fqaccel_info *info, const char *name, char *text,
			       size_t size)
{
	char path[128];

	device_path(info, name, path, sizeof(path));
	read_line(path, text, size);
}

static inline int device_write(const struct fqaccel_info *info, const char *name,
			       const char *text)
{
	char path[128];

	device_path(info, name, path, sizeof(path));
	return write_file(path, text);
}

static inline bool device_is(const struct fqaccel_info *info, const char *name,
			     const char *want)
{
	char text[32];

	device_read(info, name, text, sizeof(text));
	return !strcmp(text, want);
}

/* Waits until the file says so. */
static inline bool device_becomes(const struct fqaccel_info *info, const char *name,
				  const char *want)
{
	int64_t end = test_now() + POWER_SOON_MS * 1000000LL;

	while (!device_is(info, name, want)) {
		if (test_now() > end)
			return false;
		usleep(5000);
	}
	return true;
}

#endif
