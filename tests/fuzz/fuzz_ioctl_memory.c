// SPDX-License-Identifier: MIT
/*
 * Mappings. Each has a place of its own that is never given back, so that a stale address
 * leads to another mapping of the driver's or to nothing, never into the fuzzer.
 */
#include "fuzz_ioctl_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define PLACE	(64ul << 20)

static uint8_t *places;
static size_t lengths[FUZZ_MAPS];
static int zero_fd;

void fuzz_memory_init(void)
{
	zero_fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	places = mmap(NULL, FUZZ_MAPS * PLACE, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (zero_fd < 0 || places == MAP_FAILED)
		abort();
}

static uint8_t *place(unsigned int at)
{
	return places + at * PLACE;
}

/* Unmaps it, and keeps the place. */
static int vacate(void *addr, size_t length)
{
	void *ret = mmap(addr, length, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return ret == MAP_FAILED ? -errno : 0;
}

void fuzz_memory_end(void)
{
	/* All of them: a race between the lanes may have left a mapping whose length is 0 here. */
	vacate(places, FUZZ_MAPS * PLACE);
	memset(lengths, 0, sizeof(lengths));
}

void *fuzz_mapped(uint8_t pick)
{
	return place(pick % FUZZ_MAPS);
}

/* The part of a mapping that a call means; NULL: there is none. */
static void *map_part(struct lane *l, const struct fuzz_call *call, size_t *length)
{
	unsigned int at = call->pick[0] % FUZZ_MAPS;
	size_t pages = lengths[at] / FUZZ_PAGE, skip;

	if (!pages)
		return NULL;
	skip = value(l, call, 0) % pages;
	*length = (pages - skip) * FUZZ_PAGE;
	if (call->value[1] && value(l, call, 1) < *length / FUZZ_PAGE)
		*length = value(l, call, 1) * FUZZ_PAGE ?: FUZZ_PAGE;
	return place(at) + skip * FUZZ_PAGE;
}

static size_t map_length(struct lane *l, const struct fuzz_call *call)
{
	uint64_t length = value(l, call, 0) ?: FUZZ_PAGE;

	return length < PLACE ? (length + FUZZ_PAGE - 1) / FUZZ_PAGE * FUZZ_PAGE : PLACE;
}

int fuzz_mmap(struct lane *l, const struct fuzz_call *call)
{
	const struct open_file *f = the_file(call);
	int prot = call->bits & 7, flags = call->bits & 8 ? MAP_PRIVATE : MAP_SHARED;
	size_t length = map_length(l, call);
	unsigned int at = call->pick[2] % FUZZ_MAPS;
	uint64_t offset;

	offset = f->offsets[pick_index(f, BUFFERS, call->pick[0])];
	if (call->pick[0] >= 0xf0)
		offset = value(l, call, 2) * FUZZ_PAGE;
	offset += value(l, call, 1) * FUZZ_PAGE;
	if (call->bits & 0x10)
		flags |= MAP_POPULATE;
	if (call->bits & 0x20)
		flags |= MAP_LOCKED;
	if (mmap(place(at), length, prot ?: PROT_READ | PROT_WRITE, flags | MAP_FIXED,
		 call->bits & 0x40 ? fuzz_fd_pick(DMABUFS, call->pick[1]) : f->fd,
		 (off_t)offset) == MAP_FAILED)
		return -errno;
	lengths[at] = length;
	return 0;
}

int fuzz_munmap(struct lane *l, const struct fuzz_call *call)
{
	size_t length;
	void *part = map_part(l, call, &length);

	return part ? vacate(part, length) : -ENOENT;
}

/* Into another place, perhaps larger; from a length of 0 a second mapping of the same. */
int fuzz_mremap(struct lane *l, const struct fuzz_call *call)
{
	unsigned int at = call->pick[0] % FUZZ_MAPS, to = call->pick[1] % FUZZ_MAPS;
	size_t length = map_length(l, call), old = lengths[at];
	int ret;

	if (!old || at == to)
		return -ENOENT;
	if (mremap(place(at), call->bits & 1 ? 0 : old, length, MREMAP_MAYMOVE | MREMAP_FIXED,
		   place(to)) == MAP_FAILED) {
		ret = -errno;
		/* It may have made room already. */
		vacate(place(to), PLACE);
		lengths[to] = 0;
		return ret;
	}
	lengths[to] = length;
	if (call->bits & 1)
		return 0;
	lengths[at] = 0;
	return vacate(place(at), PLACE);
}

int fuzz_advise(struct lane *l, const struct fuzz_call *call)
{
	static const int advice[] = { MADV_DONTNEED, MADV_WILLNEED, MADV_DONTFORK, MADV_DOFORK,
				      MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ,
				      MADV_POPULATE_WRITE };
	size_t length;
	void *part = map_part(l, call, &length);
	int ret;

	if (!part)
		return -ENOENT;
	if (call->bits & 1)
		ret = mprotect(part, length, call->bits >> 4 & 7);
	else if (call->bits & 2)
		ret = msync(part, length, MS_SYNC);
	else if (call->bits & 4)
		ret = mlock(part, length);
	else
		ret = madvise(part, length, advice[call->bits >> 4 & 7]);
	return ret ? -errno : 0;
}

/* Read it or write it, by way of the kernel: no signal comes where it ends. */
int fuzz_touch(struct lane *l, const struct fuzz_call *call)
{
	struct iovec iov;
	ssize_t n;

	iov.iov_base = map_part(l, call, &iov.iov_len);
	if (!iov.iov_base)
		return -ENOENT;
	if (iov.iov_len > TOUCHED)
		iov.iov_len = TOUCHED;
	if (call->bits & 1)
		n = read(zero_fd, iov.iov_base, iov.iov_len);
	else if (call->bits & 2)
		n = vmsplice(l->pipe[1], &iov, 1, SPLICE_F_NONBLOCK);
	else
		n = write(l->pipe[1], iov.iov_base, iov.iov_len);
	n = n < 0 ? -errno : 0;
	while (!(call->bits & 1) && read(l->pipe[0], l->bytes, TOUCHED) > 0)
		;
	return (int)n;
}
