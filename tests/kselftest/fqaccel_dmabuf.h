/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of dma-bufs share. */
#ifndef FQACCEL_DMABUF_H
#define FQACCEL_DMABUF_H

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "fqaccel_test.h"

/* A descriptor, or a negative errno. */
static inline int test_export(int fd, uint32_t handle)
{
	struct fqaccel_buffer_export arg = { .size = sizeof(arg), .handle = handle };

	return test_ioctl(fd, FQACCEL_IOC_BUFFER_EXPORT, &arg) ?: arg.fd;
}

static inline int test_import(int fd, int dmabuf, uint32_t flags, uint32_t *handle)
{
	struct fqaccel_buffer_import arg = {
		.size = sizeof(arg), .flags = flags, .fd = dmabuf,
	};
	int ret = test_ioctl(fd, FQACCEL_IOC_BUFFER_IMPORT, &arg);

	if (!ret && arg.length != (uint64_t)lseek(dmabuf, 0, SEEK_END))
		return -EMSGSIZE;
	*handle = arg.handle;
	return ret;
}

static inline int test_sync(int dmabuf, uint64_t flags)
{
	struct dma_buf_sync arg = { .flags = flags };

	return test_ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &arg);
}

static inline void *test_map(int fd, size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* A dma-buf that is not of our driver: a memfd's, -ENOENT where the kernel has no such. */
static inline int test_udmabuf(size_t length)
{
	struct udmabuf_create arg = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = length };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int ret;

	if (dev < 0)
		return -errno;
	arg.memfd = memfd_create("fqaccel", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (ftruncate(arg.memfd, length) || fcntl(arg.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		ret = -errno;
	else
		ret = ioctl(dev, UDMABUF_CREATE, &arg);
	if (ret == -1)
		ret = -errno;
	close(arg.memfd);
	close(dev);
	return ret;
}

/* Likewise, of the system's heap. */
static inline int test_heap(size_t length, uint32_t mode)
{
	struct dma_heap_allocation_data arg = { .len = length, .fd_flags = mode | O_CLOEXEC };
	int dev = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
	int ret;

	if (dev < 0)
		return -errno;
	ret = ioctl(dev, DMA_HEAP_IOCTL_ALLOC, &arg) ? -errno : (int)arg.fd;
	close(dev);
	return ret;
}

#endif
