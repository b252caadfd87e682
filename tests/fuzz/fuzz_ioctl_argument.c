// SPDX-License-Identifier: MIT
/*
 * The argument of an ioctl, which starts with its size: as it should be, or too small, too
 * large, of zero and non-zero tails, with flags that nobody knows, or where it cannot be read or written.
 */
#include "fuzz_ioctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LANES	2

/* For each lane: a page, a page that can only be read, a page, and nothing. */
static uint8_t *places[LANES];
/* By way of it bytes get into mappings without a fault where these have an end. */
static int staging;

void fuzz_argument_init(void)
{
	unsigned int lane;

	staging = memfd_create("argument", MFD_CLOEXEC);
	if (staging < 0)
		abort();
	for (lane = 0; lane < LANES; lane++) {
		places[lane] = mmap(NULL, 4 * FUZZ_PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (places[lane] == MAP_FAILED || munmap(places[lane] + 3 * FUZZ_PAGE, FUZZ_PAGE))
			abort();
	}
}

enum how {
	HOW_FINE,
	HOW_SMALLER,
	HOW_NO_SIZE,
	HOW_LARGER,
	HOW_LARGER_NOT_ZERO,
	HOW_HUGE,
	HOW_NULL,
	HOW_KERNEL,
	HOW_CROSSING,
	HOW_READ_ONLY,
	HOW_MAPPED,
	HOW_FLAG,
	HOW_SHORTER,
	HOW_UNALIGNED,
	HOW_LAST_BYTE,
	HOW_MIDDLE,
	HOWS
};

/* What is wrong with the bytes. */
static void spoil(uint8_t *arg, uint32_t size, uint8_t how)
{
	uint32_t said = size, flags;

	switch (how % HOWS) {
	case HOW_SMALLER:
		said = size - 1;
		break;
	case HOW_NO_SIZE:
		said = 0;
		break;
	case HOW_LARGER:
		said = size + 8;
		break;
	case HOW_LARGER_NOT_ZERO:
		said = size + 8;
		arg[size + how % 8] = how;
		break;
	case HOW_HUGE:
		said = how & 16 ? UINT32_MAX : FUZZ_PAGE + 1;
		break;
	case HOW_FLAG:
		memcpy(&flags, arg + 4, 4);
		flags |= 1u << (how >> 4) << 4;
		memcpy(arg + 4, &flags, 4);
		break;
	case HOW_SHORTER:
		said = size > 16 ? size - 8 : 8;
		break;
	case HOW_LAST_BYTE:
		arg[size - 1 - how / HOWS % 8] ^= 0x80;
		break;
	case HOW_MIDDLE:
		arg[4 + how / HOWS * 4u % (size - 4)] ^= 1u << how % 8;
		break;
	}
	memcpy(arg, &said, 4);
}

/* Where it lies; @mapped: memory of the card's that may be used, or NULL. */
static void *place(uint8_t how, uint32_t size, void *mapped, unsigned int lane)
{
	switch (how % HOWS) {
	case HOW_NULL:
		return NULL;
	case HOW_KERNEL:
		return (void *)(uintptr_t)(0xffff888000000000ull + how * 8u);
	case HOW_CROSSING:
		return places[lane] + 3 * FUZZ_PAGE - size / 2 / 8 * 8;
	case HOW_READ_ONLY:
		return places[lane] + FUZZ_PAGE;
	case HOW_MAPPED:
		return mapped ? mapped : places[lane];
	case HOW_UNALIGNED:
		return places[lane] + 1 + how / HOWS;
	default:
		return places[lane];
	}
}

/* False: it cannot be written there, which may be what is wanted. */
static bool put(void *at, const void *arg, size_t bytes, unsigned int lane)
{
	off_t offset = (off_t)lane * FUZZ_PAGE;

	return pwrite(staging, arg, bytes, offset) == (ssize_t)bytes &&
	       pread(staging, at, bytes, offset) == (ssize_t)bytes;
}

/*
 * @arg: FUZZ_ARGUMENT bytes, which start with the structure's right size; what the driver
 * has written comes back in it. A result, or a negative errno.
 */
int fuzz_argument_ioctl(int fd, unsigned long cmd, void *arg, uint8_t how, void *mapped,
			unsigned int lane)
{
	bool whole = how % HOWS != HOW_CROSSING, read_only = how % HOWS == HOW_READ_ONLY;
	uint32_t size;
	uint8_t *at;
	int ret;

	memcpy(&size, arg, 4);
	spoil(arg, size, how);
	at = place(how, size, mapped, lane);
	put(at, arg, whole ? FUZZ_ARGUMENT : size / 2 / 8 * 8, lane);
	if (read_only)
		mprotect(at, FUZZ_PAGE, PROT_READ);
	ret = ioctl(fd, cmd, at);
	ret = ret < 0 ? -errno : ret;
	if (read_only)
		mprotect(at, FUZZ_PAGE, PROT_READ | PROT_WRITE);
	if (!ret && at >= places[lane] && at < places[lane] + FUZZ_PAGE)
		memcpy(arg, at, FUZZ_ARGUMENT);
	return ret;
}
