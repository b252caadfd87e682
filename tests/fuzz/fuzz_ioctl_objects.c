// SPDX-License-Identifier: MIT
/* Images to load: good ones, and some that the card refuses for various reasons. */
#include "fuzz_ioctl.h"

#include "card/exec.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLDER	"tests/golden/fqz/"

static struct fuzz_image images[] = {
	{ .name = "every-kind" }, { .name = "small" }, { .name = "example" },
	{ .name = "contexts" }, { .name = "segments" }, { .name = "tans" },
	{ .name = "crc" }, { .name = "stream" }, { .name = "truncated" },
	{ .name = "bomb" }, { .name = "sparse-bomb" }, { .name = "overflow" },
};

#define IMAGES	(sizeof(images) / sizeof(images[0]))

const struct fuzz_image *fuzz_image(uint8_t pick)
{
	return &images[pick % IMAGES];
}

static int read_image(struct fuzz_image *image)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), FOLDER "%s.fqz", image->name);
	f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return -1;
	}
	image->data = malloc(1 << 20);
	if (image->data)
		image->length = fread(image->data, 1, 1 << 20, f);
	fclose(f);
	return image->length ? 0 : -1;
}

/* What each part of it takes and gives. */
static void look_into(struct fuzz_image *image)
{
	struct card_tick tick = { .units = 0 };
	struct card_model *m;
	struct fqz_error err;
	uint32_t i;

	if (card_model_build(image->data, image->length, card_exec_default(), 1, 1 << 28, &tick, &m,
			     &err))
		return;
	if (m->layer_count < sizeof(image->live) / sizeof(image->live[0])) {
		image->layers = m->layer_count;
		for (i = 0; i <= m->layer_count; i++)
			image->live[i] = card_model_live_bytes(m, i);
	}
	card_model_free(m);
}

int fuzz_images_read(void)
{
	size_t i;

	for (i = 0; i < IMAGES; i++) {
		if (read_image(&images[i]))
			return -1;
		look_into(&images[i]);
	}
	return images[0].layers ? 0 : -1;
}
