// SPDX-License-Identifier: MIT
/*
 * What training reads: checkpoints ('c'; 'C' with right CRCs, which no mutation would find), the log
 * inside one ('l') and IDX files ('i'), by the first byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/dataset.h"
#include "fqz.h"
#include "train/checkpoint.h"
#include "train/curves.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

/* Magic, version, size and CRCs of checkpoint.h, as far as the records' lengths lead. */
static void seal(uint8_t *p, size_t len)
{
	size_t at = 32, n;

	if (len < 32)
		return;
	memcpy(p, "FQCKPT\r\n\1\0\0", 12);
	put32(p + 16, (uint32_t)len);
	memset(p + 20, 0, 8);
	put32(p + 28, fqz_crc32c(0, p, 28));
	for (; at + 80 <= len; at += 80 + n + -n % 16) {
		n = get32(p + at + 64);
		if (n > len - at - 80)
			n = 0;
		put32(p + at + 72, fqz_crc32c(0, p + at + 80, n));
		put32(p + at + 76, fqz_crc32c(0, p + at, 76));
	}
}

static void try_checkpoint(const char *path)
{
	struct checkpoint *c;
	const void *data;
	char err[512];
	size_t n;

	if (checkpoint_open(path, &c, err, sizeof(err)))
		return;
	data = checkpoint_find(c, "epoch", &n);
	/* All bytes are looked at. */
	if (data && fqz_crc32c(0, data, n) && n > CHECKPOINT_MAX_BYTES)
		abort();
	checkpoint_close(c);
}

static void try_idx(const char *path)
{
	struct dataset *ds;
	struct img img;
	char err[512];

	if (dataset_open(path, &ds, err, sizeof(err)))
		return;
	if (!dataset_get(ds, dataset_size(ds) - 1, &img, NULL, err, sizeof(err)))
		img_free(&img);
	dataset_close(ds);
}

/* What is taken for a log can be written, and plotted. */
static void try_log(const uint8_t *data, size_t len)
{
	size_t n = len / sizeof(struct curves_epoch), i;
	struct curves_epoch *e = malloc(len + 1);
	FILE *null = fopen("/dev/null", "w");
	char err[512];

	if (!e || !null)
		abort();
	memcpy(e, data, len);
	if (n && curves_check(e, n)) {
		for (i = 0; i < n; i++)
			if (curves_log(null, &e[i]))
				abort();
		if (curves_svg("/dev/null", e, n, err, sizeof(err)))
			abort();
	}
	fclose(null);
	free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int fd = -1;
	static char path[64];
	uint8_t *copy;

	if (!len)
		return 0;
	if (data[0] == 'l') {
		try_log(data + 1, len - 1);
		return 0;
	}
	if (fd < 0) {
		fd = memfd_create("input", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	copy = malloc(len);
	if (!copy)
		abort();
	memcpy(copy, data, len);
	if (data[0] == 'C')
		seal(copy + 1, len - 1);
	if (ftruncate(fd, 0) || pwrite(fd, copy + 1, len - 1, 0) != (ssize_t)len - 1)
		abort();
	free(copy);
	if (data[0] == 'c' || data[0] == 'C')
		try_checkpoint(path);
	else if (data[0] == 'i')
		try_idx(path);
	return 0;
}
