// SPDX-License-Identifier: MIT
/*
 * What the administrator or fate does to the card: resets, unbinding, faults. Seldom, as
 * each takes long, and only where FUZZ_CARD says so.
 */
#include "fuzz_ioctl_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MONITOR		"/dev/virtio-ports/fqaccel.monitor"
#define DRIVER		"/sys/bus/pci/drivers/fqaccel"
#define PAUSE_S		2	/* between two of these */

static int monitor = -1;
static char address[32];
static time_t last;

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

void fuzz_card_init(void)
{
	char link[200];
	ssize_t n = readlink("/sys/class/fqaccel/fqaccel0/device", link, sizeof(link) - 1);

	chmod(DEVICE, 0666);
	if (!getenv("FUZZ_CARD") || n < 0)
		return;
	link[n] = 0;
	snprintf(address, sizeof(address), "%s", strrchr(link, '/') + 1);
	monitor = open(MONITOR, O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

/* The monitor's answers are not waited for; what has come is thrown away. */
static int set_fault(struct lane *l, const char *name, unsigned int n)
{
	char line[100];
	int length = snprintf(line, sizeof(line), "qom-set card %s %u\n", name, n);

	if (monitor < 0)
		return -ENODEV;
	while (read(monitor, l->bytes, sizeof(l->bytes)) > 0)
		;
	return write(monitor, line, (size_t)length) == length ? 0 : -EIO;
}

int fuzz_card(struct lane *l, const struct fuzz_call *call)
{
	static const char * const faults[] = {
		"hang-next", "drop-irq", "corrupt-cqe", "fail-dma",
	};
	struct timespec now;
	char path[100];

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!address[0] || now.tv_sec - last < PAUSE_S)
		return 0;
	last = now.tv_sec;
	switch (call->pick[0] % 8) {
	case 0:
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
		return write_text(path, "1");
	case 1:
		write_text(DRIVER "/unbind", address);
		usleep(call->pick[1] * 100u);
		return write_text(DRIVER "/bind", address);
	default:
		return set_fault(l, faults[call->pick[0] % 4], call->pick[1] % 3 + 1);
	}
}
