// SPDX-License-Identifier: MIT
/*
 * Writes seeds for the fuzz targets of the decoders into a folder of a coder's name each: the
 * four bytes that tests/fuzz/fuzz_stream.h takes first, then a stream.
 */
#include "../../unit/test_fqz_net.h"

#include "fqz_coder.h"

#include <stdio.h>
#include <stdlib.h>

struct seed {
	uint8_t head[4];	/* mode and bits, kernel, count - 1 */
	uint32_t density;	/* of values, in a hundred */
};

static const struct seed seeds[] = {
	{ { 1 | 2 << 1, 0x22, 8, 0 }, 80 },
	{ { 0 | 1 << 1, 0, 200, 0 }, 20 },
	{ { 1 | 2 << 1, 0x22, 0, 4 }, 25 },
	{ { 1 | 0 << 1, 0x22, 0, 2 }, 100 },
	{ { 0 | 5 << 1, 0x04, 99, 1 }, 60 },
	{ { 0 | 0 << 1, 0, 255, 3 }, 0 },
	{ { 1 | 2 << 1, 0x22, 0x0f, 0x50 }, 10 },
};

static void write_seed(const char *folder, uint32_t index, enum fqz_coder coder)
{
	const struct seed *s = &seeds[index];
	size_t count = 1u + s->head[2] + (s->head[3] << 8), i;
	struct fqz_layer l = net_conv(0, 1, 1, 0, s->head[0] & 1 ? FQZ_RECENTRALIZED : FQZ_SHIFT,
				      3 + (s->head[0] >> 1) % 6);
	uint64_t random = index, side = 0;
	struct fqz_buffer b = { 0 };
	uint32_t half = fqz_layer_alphabet(&l) / 2;
	uint8_t *symbols = calloc(count, 1);
	const char *what;
	char path[4096];
	FILE *f;

	l.kernel_h = 1 + (s->head[1] & 15);
	l.kernel_w = 1 + (s->head[1] >> 4);
	for (i = 0; i < count; i++) {
		side ^= net_random(&random, 8) == 0;
		if (net_random(&random, 100) < s->density)
			symbols[i] = (uint8_t)(1 + side * half + net_random(&random, half));
	}
	l.coder = coder;
	l.symbols = symbols;
	snprintf(path, sizeof(path), "%s/%s/%u.bin", folder, fqz_coder_name(coder), index);
	f = fopen(path, "wb");
	if (fqz_stream_put(&b, &l, count, &coder, &what) || b.failed || !f ||
	    fwrite(s->head, 1, 4, f) != 4 || fwrite(b.data, 1, b.len, f) != b.len || fclose(f)) {
		perror(path);
		exit(1);
	}
	free(b.data);
	free(symbols);
}

int main(int argc, char **argv)
{
	enum fqz_coder coder;
	uint32_t i;

	if (argc != 2) {
		fprintf(stderr, "usage: make_golden FOLDER\n");
		return 2;
	}
	for (coder = FQZ_HUFFMAN; coder <= FQZ_TANS; coder++)
		for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
			write_seed(argv[1], i, coder);
	return 0;
}
