// SPDX-License-Identifier: MIT
/*
 * Writes a CIFAR-10 batch of pictures that a small network learns in seconds: ten classes, each a
 * shape in one of two colors, at a random place on a random ground, for the tests of fqaccel-train.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "net/rng.h"

#define SIDE	32
#define RECORD	(1 + 3 * SIDE * SIDE)
#define SHAPES	5

/* Whether a shape of half size @r covers the pixel (@x, @y) from its center. */
static int covers(unsigned int shape, int x, int y, int r)
{
	switch (shape) {
	case 0:
		return abs(x) <= r && abs(y) <= r;			/* square */
	case 1:
		return abs(x) <= r && abs(y) <= r && (abs(x) > r / 2 || abs(y) > r / 2);
	case 2:
		return abs(x) <= r && abs(y) <= r / 3;			/* bar */
	case 3:
		return abs(y) <= r && abs(x) <= r / 3;			/* upright bar */
	default:
		return (abs(x) <= r / 3 || abs(y) <= r / 3) && abs(x) <= r && abs(y) <= r;
	}
}

static void draw(uint64_t seed, uint64_t picture, uint8_t *record)
{
	unsigned int label = (unsigned int)(picture % (2 * SHAPES)), k = 0;
	double v[4 + 3 * SIDE * SIDE];
	int r, cx, cy, x, y, c;

	for (k = 0; k < sizeof(v) / sizeof(v[0]); k++)
		v[k] = rng_uniform(seed, picture, k);
	r = 6 + (int)(v[0] * 5);
	cx = r + (int)(v[1] * (SIDE - 2 * r));
	cy = r + (int)(v[2] * (SIDE - 2 * r));
	record[0] = (uint8_t)label;
	for (c = 0; c < 3; c++)
		for (y = 0; y < SIDE; y++)
			for (x = 0; x < SIDE; x++) {
				double p = 40 + 60 * v[3] + 50 * v[4 + (c * SIDE + y) * SIDE + x];

				/* One color is red, the other blue. */
				if (covers(label % SHAPES, x - cx, y - cy, r))
					p += c == (label < SHAPES ? 0 : 2) ? 90 : 20;
				record[1 + (c * SIDE + y) * SIDE + x] = (uint8_t)(p < 255 ? p : 255);
			}
}

int main(int argc, char **argv)
{
	long count, seed, i;
	uint8_t *data;
	char err[512];

	if (argc != 4) {
		fputs("usage: make_shapes FILE.bin PICTURES SEED\n", stderr);
		return 2;
	}
	count = strtol(argv[2], NULL, 10);
	seed = strtol(argv[3], NULL, 10);
	if (count < 1 || count > 1000000)
		return 2;
	data = malloc((size_t)count * RECORD);
	for (i = 0; data && i < count; i++)
		draw((uint64_t)seed, (uint64_t)i, data + (size_t)i * RECORD);
	if (!data || file_write(argv[1], data, (size_t)count * RECORD, err, sizeof(err))) {
		fprintf(stderr, "make_shapes: %s\n", data ? err : "out of memory");
		return 1;
	}
	free(data);
	return 0;
}
