// SPDX-License-Identifier: MIT
/*
 * Writes the golden files into a folder: valid images, and one invalid image for
 * each reason of FORMAT.md section 10 that a file can have. verdicts.txt, what
 * a reader must say of each, is written by hand.
 *
 * The files are part of the format: they are made anew only for a new version.
 */
#include "../../unit/test_fqz_net.h"

#include <stdio.h>
#include <stdlib.h>

enum section { NETWORK = 1, TENSORS, LAYERS, CHANNELS, WEIGHTS, METADATA };

static const char *folder;

/* Takes the image. */
static void save(const char *name, uint8_t *image, size_t len)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.fqz", folder, name);
	f = fopen(path, "wb");
	if (!f || fwrite(image, 1, len, f) != len || fclose(f)) {
		perror(path);
		exit(1);
	}
	free(image);
}

static void valid(const char *name, void (*fill)(struct net *n))
{
	size_t len;
	uint8_t *image = net_build(fill, &len);

	save(name, image, len);
}

/* A network with a little-endian value put into a section (0: the file), CRCs made right. */
static void patched(const char *name, void (*fill)(struct net *n), unsigned int section,
		    size_t at, unsigned int bytes, uint64_t value)
{
	size_t len;
	uint8_t *image = net_build(fill, &len);

	at += section ? image_section(image, section, NULL) : 0;
	for (; bytes--; value >>= 8)
		image[at++] = (uint8_t)value;
	image_fix_crcs(image, len);
	save(name, image, len);
}

static void resized(const char *name, void (*fill)(struct net *n), unsigned int type,
		    uint32_t flags, const char *data, size_t size)
{
	uint8_t *image, *out;
	size_t len;

	image = net_build(fill, &len);
	out = image_with_section(image, type, flags, data, size, &len);
	free(image);
	save(name, out, len);
}

static void damaged(void)
{
	uint8_t *image;
	size_t len;

	image = net_build(net_example, &len);
	save("truncated", image, 300);
	image = net_build(net_example, &len);
	image[image_section(image, WEIGHTS, NULL) + 12] ^= 0x10;
	save("crc", image, len);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_golden FOLDER\n");
		return 2;
	}
	folder = argv[1];
	valid("example", net_example);
	valid("small", net_small);
	valid("every-kind", net_every_kind);
	valid("alive", net_alive);
	valid("widths", net_widths);
	valid("segments", net_segments);
	valid("pool", net_pool);
	valid("largest-sum", net_sum);
	valid("rle", net_rle_kinds);
	valid("rle-segments", net_rle_segments);
	valid("tans", net_tans_kinds);
	valid("tans-segments", net_tans_segments);
	valid("contexts", net_contexts);
	patched("minor", net_small, 0, 10, 2, 1);
	resized("skippable", net_small, 1000, 1, "of a later version", 18);

	damaged();
	patched("magic", net_example, 0, 4, 2, 0x0a0a);
	patched("version", net_example, 0, 8, 2, 2);
	patched("feature", net_example, LAYERS, 54, 1, 2);
	resized("layout", net_example, WEIGHTS, 0, NULL, 0);
	patched("reserved", net_example, 0, 500, 1, 1);
	patched("limit", net_example, LAYERS, 34, 1, 45);
	patched("network", net_example, NETWORK, 28, 4, 0);
	patched("tensor", net_example, TENSORS, 8, 4, 0x7f800000);
	patched("layer", net_example, LAYERS, 25, 1, 0);
	patched("shape", net_example, TENSORS, 16 + 4, 2, 2);
	patched("channel", net_example, CHANNELS, 4, 1, 63);
	patched("alphabet", net_example, LAYERS, 50, 1, 8);
	patched("code", net_example, WEIGHTS, 2, 1, 2);
	patched("stream", net_example, WEIGHTS, 15, 1, 1);
	patched("overflow", net_sum, LAYERS, 64 + 53, 1, 17);
	resized("text", net_small, METADATA, 0, "A\0v", 4);
	/* 2^20 weights in a stream of 7 bytes. */
	patched("bomb", net_one_fc, TENSORS, 4, 4, 0x01000400);
	patched("rle-code", net_rle_fc, WEIGHTS, 2, 1, 0);
	patched("rle-stream", net_rle_fc, WEIGHTS, 50, 1, 0xff);
	patched("tans-code", net_tans_fc, WEIGHTS, 4, 1, 3);
	patched("tans-stream", net_tans_fc, WEIGHTS, 50, 1, 0xff);
	/* 2^20 weights in a stream that is long enough for fewer. */
	patched("sparse-bomb", net_rle_fc, TENSORS, 4, 4, 0x02000200);
	return 0;
}
