// SPDX-License-Identifier: MIT
/*
 * Coverage: what KCOV saw of the driver in our calls becomes libFuzzer's, and so do their results,
 * which is all there is on a kernel without KCOV. Only what a thread does itself counts, not
 * interrupts or works.
 */
#include "fuzz_ioctl.h"

#include <fcntl.h>
#include <linux/kcov.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LANES		2
#define WORDS		(1u << 16)
#define EDGES		(3u << 14)
#define RESULTS		(1u << 14)
#define BLOCKS		(1u << 15)	/* at most; the driver has less than half of it */

static uint8_t counters[EDGES + RESULTS]
	__attribute__((section("__libfuzzer_extra_counters"), used));

static struct {
	int fd;
	unsigned long *words;
} kcov[LANES];

static unsigned long blocks[BLOCKS];
static unsigned int block_count, blocks_written;
static unsigned long text;

static int kcov_open(unsigned int lane)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (ioctl(fd, KCOV_INIT_TRACE, (unsigned long)WORDS))
		goto err_close;
	kcov[lane].words = mmap(NULL, WORDS * sizeof(unsigned long), PROT_READ | PROT_WRITE,
				MAP_SHARED, fd, 0);
	if (kcov[lane].words == MAP_FAILED)
		goto err_close;
	kcov[lane].fd = fd;
	return 0;

err_close:
	close(fd);
	return -1;
}

void fuzz_cover_init(void)
{
	unsigned int lane;
	FILE *f;

	for (lane = 0; lane < LANES; lane++) {
		kcov[lane].fd = -1;
		if (kcov_open(lane))
			fprintf(stderr, "fuzz_ioctl: no KCOV here; results alone guide\n");
	}
	f = fopen("/sys/module/fqaccel/sections/.text", "r");
	if (f && fscanf(f, "%lx", &text) != 1)
		text = 0;
	if (f)
		fclose(f);
}

/* By the thread whose calls are to count. */
void fuzz_cover_begin(unsigned int lane)
{
	if (kcov[lane].fd < 0)
		return;
	__atomic_store_n(kcov[lane].words, 0, __ATOMIC_RELAXED);
	ioctl(kcov[lane].fd, KCOV_ENABLE, KCOV_TRACE_PC);
}

static uint32_t mix(unsigned long v)
{
	return (uint32_t)((v * 0x9e3779b97f4a7c15ul) >> 32);
}

static void count(uint8_t *counter)
{
	if (*counter < UINT8_MAX)
		++*counter;
}

static void note_block(unsigned long pc)
{
	uint32_t at = mix(pc) % BLOCKS;

	while (blocks[at] && blocks[at] != pc)
		at = (at + 1) % BLOCKS;
	if (blocks[at] || block_count >= BLOCKS / 2)
		return;
	blocks[at] = pc;
	block_count++;
}

/* By the same thread. */
void fuzz_cover_end(unsigned int lane)
{
	if (kcov[lane].fd >= 0)
		ioctl(kcov[lane].fd, KCOV_DISABLE, 0);
}

/* By the main thread, once the lane has ended. */
void fuzz_cover_collect(unsigned int lane)
{
	unsigned long *words = kcov[lane].words;
	unsigned long n, i, last = 0;

	if (kcov[lane].fd < 0)
		return;
	n = __atomic_load_n(words, __ATOMIC_RELAXED);
	for (i = 1; i <= n && i < WORDS; i++) {
		count(&counters[(mix(words[i]) ^ mix(last) >> 1) % EDGES]);
		last = words[i];
		note_block(words[i]);
	}
	*words = 0;
}

void fuzz_cover_result(uint8_t op, uint8_t how, int result)
{
	unsigned long key = (unsigned long)op << 40 | (unsigned long)(how & 15) << 32 |
			    (uint32_t)(result < 0 ? result : 0);

	count(&counters[EDGES + mix(key) % RESULTS]);
}

/* The blocks that were reached, as offsets into the module's text. */
void fuzz_cover_write(const char *path)
{
	unsigned int i;
	FILE *f;

	if (block_count == blocks_written)
		return;
	f = fopen(path, "w");
	if (!f)
		return;
	for (i = 0; i < BLOCKS; i++)
		if (blocks[i])
			fprintf(f, "0x%lx\n", blocks[i] - text);
	fclose(f);
	blocks_written = block_count;
	fprintf(stderr, "fuzz_ioctl: %u blocks of the driver reached\n", block_count);
}
