/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzer of the driver's ioctls and its seeds share: a sequence of calls as
 * records of one size, so that every input means something, and what was cut, doubled
 * or moved still does.
 */
#ifndef FUZZ_IOCTL_H
#define FUZZ_IOCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUZZ_CALLS	64	/* of an input */
#define FUZZ_FILES	4	/* open files at once */
#define FUZZ_OBJECTS	8	/* of each kind that an open file's calls can name, the last ones */
#define FUZZ_MAPS	8
#define FUZZ_FDS	8	/* dma-bufs, fences and timelines */
#define FUZZ_PAGE	4096u

enum fuzz_op {
	FUZZ_OPEN,
	FUZZ_CLOSE,
	FUZZ_DUP,
	FUZZ_INFO,
	FUZZ_BUFFER,
	FUZZ_LOAD,
	FUZZ_QUEUE,
	FUZZ_RUN,	/* adds a run to those that the next SUBMIT takes */
	FUZZ_SUBMIT,
	FUZZ_WAIT,
	FUZZ_DESTROY,
	FUZZ_MMAP,
	FUZZ_MUNMAP,
	FUZZ_MREMAP,
	FUZZ_ADVISE,	/* mprotect, madvise, msync, mlock */
	FUZZ_TOUCH,
	FUZZ_POLL,
	FUZZ_FORK,	/* a child does the next few calls, and exits */
	FUZZ_RAW,	/* any ioctl with any bytes */
	FUZZ_OTHER,	/* read, lseek, fsync, fdinfo, attributes: what is not for ioctls */
	FUZZ_PAUSE,
	FUZZ_BARRIER,	/* from here on the two lanes go at once */
	FUZZ_EXPORT,
	FUZZ_IMPORT,
	FUZZ_FD,	/* something with a dma-buf or a fence */
	FUZZ_TIMELINE,	/* a fence that somebody else signals */
	FUZZ_CARD,	/* a fault, a reset, an unbinding: seldom done */
	FUZZ_FOREIGN,	/* a dma-buf that is not ours */
	FUZZ_OPS
};

#define FUZZ_LANE	0x80	/* of op: the second thread's */

/* Bits of a call, by its op. */
#define FUZZ_OPEN_USER		0x01	/* as somebody without privileges */
#define FUZZ_LOAD_FLIP		0x01	/* flip bits of the byte value[0] */
#define FUZZ_LOAD_LENGTH	0x02	/* say that it is value[1] bytes long */
#define FUZZ_RUN_LENGTHS	0x01	/* add value[3] to the right length */
#define FUZZ_RUN_LAYERS		0x02	/* a part: pick[3], first layer and count, 4 bits each */
#define FUZZ_SUBMIT_NONBLOCK	0x01
#define FUZZ_SUBMIT_KEEP	0x02	/* the same runs are for the next one, too */
#define FUZZ_SUBMIT_COUNT	0x04	/* value[0] as count */
#define FUZZ_SUBMIT_STRIDE	0x08	/* value[1] as run_size */
#define FUZZ_SUBMIT_IN		0x10	/* with a fence */
#define FUZZ_SUBMIT_OUT		0x20
#define FUZZ_WAIT_ARM		0x01
#define FUZZ_WAIT_EVER		0x02	/* until a signal comes */

struct fuzz_call {
	uint8_t op;
	uint8_t file;
	uint8_t how;		/* what is wrong with the argument; 0: nothing */
	uint8_t bits;
	uint8_t pick[4];	/* objects */
	uint16_t value[4];	/* fuzz_value() */
};

/* Kinds of a value: its upper four bits. The rest is n. */
enum fuzz_kind {
	FUZZ_V_PLAIN,
	FUZZ_V_PAGES,
	FUZZ_V_INPUTS,		/* bytes of n pictures */
	FUZZ_V_OUTPUTS,
	FUZZ_V_POWER,		/* 2^(n % 64) and its neighbors */
	FUZZ_V_MINUS,
	FUZZ_V_MINUS32,
	FUZZ_V_64K,
	FUZZ_V_MIB,
	FUZZ_V_SCATTER,
	FUZZ_V_NEAR,		/* n - 2048 from where it counts: the last sequence number */
	FUZZ_V_KINDS
};

#define FUZZ_V(kind, n)	((uint16_t)((kind) << 12 | ((n) & 0xfff)))
#define FUZZ_NEAR	2048

struct fuzz_units {
	uint64_t input_bytes;
	uint64_t output_bytes;
	uint64_t near;
};

static inline uint64_t fuzz_value(uint16_t v, const struct fuzz_units *units)
{
	uint64_t n = v & 0xfff;

	switch (v >> 12) {
	case FUZZ_V_PAGES:
		return n * FUZZ_PAGE;
	case FUZZ_V_INPUTS:
		return n * units->input_bytes;
	case FUZZ_V_OUTPUTS:
		return n * units->output_bytes;
	case FUZZ_V_POWER:
		return (1ull << (n & 63)) + (n >> 6) % 3 - 1;
	case FUZZ_V_MINUS:
		return -n;
	case FUZZ_V_MINUS32:
		return (uint32_t)-n;
	case FUZZ_V_64K:
		return n << 16;
	case FUZZ_V_MIB:
		return n << 20;
	case FUZZ_V_SCATTER:
		return (n + 1) * 0x9e3779b97f4a7c15ull;
	case FUZZ_V_NEAR:
		return units->near + n - FUZZ_NEAR;
	default:
		return n;
	}
}

/* fuzz_ioctl_argument.c: an ioctl whose argument may be anywhere and any size */
#define FUZZ_ARGUMENT	512	/* bytes of the largest */
void fuzz_argument_init(void);
int fuzz_argument_ioctl(int fd, unsigned long cmd, void *arg, uint8_t how, void *mapped,
			unsigned int lane);

/* fuzz_ioctl_objects.c: images */
struct fuzz_image {
	const char *name;
	uint8_t *data;
	size_t length;
	uint32_t layers;	/* 0: the card refuses it */
	uint64_t live[32];	/* bytes before each layer, of one picture */
};
const struct fuzz_image *fuzz_image(uint8_t pick);
int fuzz_images_read(void);

/* fuzz_ioctl_cover.c */
void fuzz_cover_init(void);
void fuzz_cover_begin(unsigned int lane);
void fuzz_cover_end(unsigned int lane);
void fuzz_cover_collect(unsigned int lane);
void fuzz_cover_result(uint8_t op, uint8_t how, int result);
void fuzz_cover_write(const char *path);

#endif
