// SPDX-License-Identifier: MIT
/* What else can be done with descriptors: the open file's own, dma-bufs, fences, timelines. */
#include "fuzz_ioctl_state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int fds[FD_KINDS][FUZZ_FDS];
static unsigned int counts[FD_KINDS];
static int null_fd;

void fuzz_fds_init(void)
{
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	fuzz_fds_forget();
}

void fuzz_fds_forget(void)
{
	memset(fds, 0xff, sizeof(fds));
	memset(counts, 0, sizeof(counts));
}

/* The oldest one goes. */
void fuzz_fd_add(enum fd_kind kind, int fd)
{
	unsigned int at = __atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED) % FUZZ_FDS;
	int old = __atomic_exchange_n(&fds[kind][at], fd, __ATOMIC_RELAXED);

	if (old >= 0)
		close(old);
}

/* One that there is, or, seldom, something else. */
int fuzz_fd_pick(enum fd_kind kind, uint8_t pick)
{
	unsigned int n = counts[kind] < FUZZ_FDS ? counts[kind] : FUZZ_FDS;

	if (pick < 0xe0)
		return n ? fds[kind][pick % n] : -1;
	if (pick < 0xf0)
		return fds[(kind + 1) % FD_KINDS][pick % FUZZ_FDS];
	return pick & 1 ? fuzz_files[0].fd : null_fd;
}

/* Of memory of the process'. */
int fuzz_foreign(struct lane *l, const struct fuzz_call *call)
{
	struct udmabuf_create create = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = (call->pick[0] % 16 + 1) * FUZZ_PAGE,
	};
	int memory, device, ret = -1;

	(void)l;
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	memory = memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	create.memfd = (uint32_t)memory;
	if (memory >= 0 && device >= 0 && !ftruncate(memory, (off_t)create.size) &&
	    !fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK))
		ret = ioctl(device, UDMABUF_CREATE, &create);
	if (ret > 2)
		fuzz_fd_add(DMABUFS, ret);
	if (memory >= 0)
		close(memory);
	if (device >= 0)
		close(device);
	return ret < 0 ? -ENODEV : 0;
}

/* linux/sw_sync.h, which is the kernel's own: drivers/dma-buf/sw_sync.c. */
struct timeline_fence {
	uint32_t value;
	char name[32];
	int32_t fence;
};

#define TIMELINE_FENCE	_IOWR('W', 0, struct timeline_fence)
#define TIMELINE_STEP	_IOW('W', 1, uint32_t)

/* A fence of a timeline, which is signaled by a step on, or never. */
int fuzz_timeline(struct lane *l, const struct fuzz_call *call)
{
	struct timeline_fence fence = { .value = call->pick[1] % 4 };
	uint32_t step = call->pick[2] % 4;
	int fd, ret = 0;

	(void)l;
	if (call->bits & 1) {
		fd = fuzz_fd_pick(FENCES, call->pick[0]);
		return ioctl(fd, TIMELINE_STEP, &step) ? -errno : 0;
	}
	fd = open("/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, TIMELINE_FENCE, &fence))
		ret = -errno;
	else
		fuzz_fd_add(FENCES, fence.fence);
	if (call->bits & 2)
		fuzz_fd_add(FENCES, fd);
	else
		close(fd);
	return ret;
}

static int merge(int fd, int other)
{
	struct sync_merge_data data = { .name = "fuzz", .fd2 = other };

	if (ioctl(fd, SYNC_IOC_MERGE, &data))
		return -errno;
	fuzz_fd_add(FENCES, data.fence);
	return 0;
}

int fuzz_fd(struct lane *l, const struct fuzz_call *call)
{
	struct dma_buf_sync sync = { .flags = call->bits & 7 };
	struct sync_fence_info infos[4];
	struct sync_file_info info = {
		.num_fences = call->pick[2] % 5, .sync_fence_info = (uintptr_t)infos,
	};
	enum fd_kind kind = call->pick[1] % 8 < 3 ? FENCES : DMABUFS;
	int fd = fuzz_fd_pick(kind, call->pick[0]), ret;

	switch (call->pick[1] % 8) {
	case 0:
		return merge(fd, fuzz_fd_pick(FENCES, call->pick[2]));
	case 1:
		ret = ioctl(fd, SYNC_IOC_FILE_INFO, &info);
		break;
	case 3:
		ret = ioctl(fd, DMA_BUF_SET_NAME_B, l->bytes);
		break;
	case 4:
		ret = (int)lseek(fd, (off_t)value(l, call, 0), call->bits % 3);
		break;
	case 5:
		ret = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (ret > 2)
			fuzz_fd_add(kind, ret);
		break;
	case 2:
	case 6:
		fuzz_fd_add(kind, -1);
		return 0;
	default:
		ret = ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
		break;
	}
	return ret < 0 ? -errno : 0;
}

int fuzz_poll(struct lane *l, const struct fuzz_call *call)
{
	struct pollfd p[2] = {
		{ .fd = the_file(call)->fd, .events = (short)(call->value[0] ?: POLLIN) },
		{ .fd = fuzz_fd_pick(call->pick[2] % FD_KINDS, call->pick[0]), .events = POLLIN | POLLOUT },
	};
	int ret;

	(void)l;
	ret = poll(p, call->bits & 1 ? 2 : 1, call->pick[1] % 8);
	return ret < 0 ? -errno : 0;
}

static int read_path(const char *path, void *to, size_t length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, to, length);
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

/* What an open file is not for. */
int fuzz_other(struct lane *l, const struct fuzz_call *call)
{
	static const char * const attributes[] = {
		"memory_free", "state", "clients", "runs", "busy_ns", "resets", "errors", "cycles",
	};
	int fd = the_file(call)->fd, ret;
	char path[100];

	switch (call->pick[0] % 8) {
	case 0:
		ret = (int)read(fd, l->bytes, sizeof(l->bytes));
		break;
	case 1:
		ret = (int)write(fd, l->bytes, sizeof(l->bytes));
		break;
	case 2:
		ret = (int)lseek(fd, (off_t)value(l, call, 0), call->bits % 3);
		break;
	case 3:
		ret = fsync(fd);
		break;
	case 4:
		ret = ftruncate(fd, (off_t)value(l, call, 0));
		break;
	case 5:
		snprintf(path, sizeof(path), "/sys/class/fqaccel/fqaccel0/%s",
			 attributes[call->bits % 8]);
		return read_path(path, l->bytes, sizeof(l->bytes));
	case 6:
		ret = fcntl(fd, F_SETFL, call->bits & 1 ? O_NONBLOCK | O_ASYNC : 0);
		break;
	default:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		return read_path(path, l->bytes, sizeof(l->bytes));
	}
	return ret < 0 ? -errno : 0;
}

int fuzz_pause(struct lane *l, const struct fuzz_call *call)
{
	(void)l;
	usleep(call->pick[0] * 20u);
	return 0;
}
