// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the data that the tests compare with: pictures for a model and what the
 * soft card makes of them. Runs where the tests are built, not where they run.
 *
 * Usage: fqaccel_expect MODEL.fqz FOLDER
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fqaccel.h"

#define PICTURES	8

static void die(const char *what, const char *why)
{
	fprintf(stderr, "fqaccel_expect: %s: %s\n", what, why);
	exit(1);
}

static void *alloc(size_t length)
{
	void *p = calloc(1, length);

	if (!p)
		die("memory", "none left");
	return p;
}

static void write_file(const char *folder, const char *name, const void *data, size_t length)
{
	char path[4096];
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		die(folder, "path too long");
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, length, f) != length || fclose(f))
		die(path, "can't be written");
}

static uint8_t *read_file(const char *path, size_t *length)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long end = -1;

	if (f && !fseek(f, 0, SEEK_END))
		end = ftell(f);
	if (end < 0 || fseek(f, 0, SEEK_SET))
		die(path, "can't be read");
	data = alloc(end + 1);
	if (fread(data, 1, end, f) != (size_t)end)
		die(path, "can't be read");
	fclose(f);
	*length = end;
	return data;
}

/* A network that gives the same for every picture would hide wrong input. */
static void check_pictures(const char *what, const uint8_t *out, uint64_t bytes)
{
	unsigned int i, j;

	for (i = 1; i < PICTURES; i++)
		for (j = 0; j < i; j++)
			if (!memcmp(out + i * bytes, out + j * bytes, bytes))
				die(what, "two pictures give the same");
}

/* Where to cut the network in two, and what passes from one part to the other. */
static void write_cut(struct fqaccel_model *model, uint32_t layers, const char *folder)
{
	uint32_t cut = layers / 2;
	uint64_t in, out = 0;
	char text[128];
	int n;

	if (cut && fqaccel_model_range(model, 0, cut, &in, &out))
		die("range of layers", fqaccel_error());
	n = snprintf(text, sizeof(text), "pictures %u layers %u cut %u bytes %llu\n", PICTURES,
		     layers, cut, (unsigned long long)out);
	write_file(folder, "cut", text, n);
}

int main(int argc, char **argv)
{
	struct fqaccel_model_info info;
	struct fqaccel_model *model;
	struct fqaccel_card *card;
	uint8_t *image, *in, *out;
	size_t length, i;
	uint32_t x = 1;

	if (argc != 3) {
		fprintf(stderr, "usage: fqaccel_expect MODEL.fqz FOLDER\n");
		return 2;
	}
	image = read_file(argv[1], &length);
	if (fqaccel_card_open("soft", &card) ||
	    fqaccel_model_load(card, image, length, &model) ||
	    fqaccel_model_info(model, &info, sizeof(info)))
		die(argv[1], fqaccel_error());
	in = alloc(info.input_bytes * PICTURES);
	out = alloc(info.output_bytes * PICTURES);
	for (i = 0; i < info.input_bytes * PICTURES; i++) {
		x = x * 1664525 + 1013904223;
		in[i] = x >> 24;
	}
	if (fqaccel_infer(model, in, out, PICTURES))
		die(argv[1], fqaccel_error());
	check_pictures(argv[1], out, info.output_bytes);
	write_file(argv[2], "model.fqz", image, length);
	write_file(argv[2], "input", in, info.input_bytes * PICTURES);
	write_file(argv[2], "output", out, info.output_bytes * PICTURES);
	write_cut(model, info.layers, argv[2]);
	fqaccel_model_close(model);
	fqaccel_card_close(card);
	free(image);
	free(in);
	free(out);
	return 0;
}
