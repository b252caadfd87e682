// SPDX-License-Identifier: MIT
/*
 * forge_checkpoint FILE RECORD OFFSET TEXT: write TEXT over bytes of a checkpoint's record, with CRCs that
 * fit (tools/train/checkpoint.h); "\xHH" in it is a byte.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "fqz.h"

#define HEAD	32u
#define RECORD	80u

static void put32(uint8_t *p, uint32_t v)
{
	int i;

	for (i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static size_t length(const uint8_t *record)
{
	size_t n;

	memcpy(&n, record + 64, sizeof(n));
	return n;
}

static void overwrite(uint8_t *to, const char *text)
{
	unsigned int byte;

	while (*text) {
		bool hex = !strncmp(text, "\\x", 2) && sscanf(text + 2, "%2x", &byte) == 1;

		*to++ = (uint8_t)(hex ? byte : (unsigned char)*text);
		text += hex ? 4 : 1;
	}
}

int main(int argc, char **argv)
{
	size_t len, at = HEAD, offset;
	char err[512] = "usage";
	uint8_t *bytes;
	void *p;

	if (argc != 5 || file_read(argv[1], 1 << 24, &p, &len, err, sizeof(err)))
		goto fail;
	bytes = p;
	while (at + RECORD < len && strcmp((char *)bytes + at, argv[2]))
		at += RECORD + (length(bytes + at) + 15) / 16 * 16;
	offset = strtoul(argv[3], NULL, 0);
	snprintf(err, sizeof(err), "%s: no such record, or it is shorter", argv[2]);
	if (at + RECORD >= len || offset + strlen(argv[4]) > length(bytes + at))
		goto fail;
	overwrite(bytes + at + RECORD + offset, argv[4]);
	put32(bytes + at + 72, fqz_crc32c(0, bytes + at + RECORD, length(bytes + at)));
	put32(bytes + at + 76, fqz_crc32c(0, bytes + at, 76));
	if (file_write(argv[1], bytes, len, err, sizeof(err)))
		goto fail;
	free(bytes);
	return 0;
fail:
	fprintf(stderr, "forge_checkpoint: %s\n", err);
	return 1;
}
