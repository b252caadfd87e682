// SPDX-License-Identifier: MIT
/*
 * libFuzzer target for libfqz: whatever the bytes, opening, verifying, decoding
 * and writing again must neither fault nor disagree. The CRCs are made right
 * first (unless the last byte is odd), or nearly nothing would get past them.
 */
#include "fuzz_image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(int condition)
{
	if (!condition)
		abort();
}

static size_t weights(const struct fqz_layer *l)
{
	return (size_t)l->outputs * l->inputs_per_output;
}

/* Decodes all layers; writes what was read, and reads it back, the same. */
static void write_again(struct fqz_image *img)
{
	struct fqz_image *back;
	uint8_t **symbols = calloc(img->layer_count, sizeof(*symbols)), *other;
	struct fqz_error err;
	size_t len, count;
	uint32_t i;
	void *data;

	for (i = 0; i < img->layer_count; i++) {
		if (!fqz_layer_has_weights(&img->layers[i]))
			continue;
		count = weights(&img->layers[i]);
		symbols[i] = malloc(count);
		demand(symbols[i] && !fqz_layer_decode(img, i, symbols[i], count, &err));
		img->layers[i].symbols = symbols[i];
	}
	demand(!fqz_image_write(img, &data, &len, &err));
	demand(!fqz_image_open(data, len, &back, &err));
	for (i = 0; i < img->layer_count; i++) {
		if (!symbols[i])
			continue;
		count = weights(&back->layers[i]);
		other = malloc(count);
		demand(count == weights(&img->layers[i]));
		demand(other && !fqz_layer_decode(back, i, other, count, &err));
		demand(!memcmp(other, symbols[i], count));
		free(other);
		free(symbols[i]);
	}
	fqz_image_close(back);
	free(data);
	free(symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fqz_error err = { 0 };
	struct fqz_image *img;
	uint32_t i;
	uint8_t *copy;
	int ret;

	/* A block of its own size: no read beyond its end goes unseen. */
	copy = malloc(len ? len : 1);
	if (!copy)
		return 0;
	if (len)
		memcpy(copy, data, len);
	if (len && !(data[len - 1] & 1))
		image_fix_up(copy, len);
	ret = fqz_image_open(copy, len, &img, &err);
	if (!ret) {
		for (i = 0; i <= img->layer_count; i++)
			demand(fqz_image_live(img, i, NULL, NULL) > 0);
		ret = fqz_image_verify(img, &err);
		if (!ret)
			write_again(img);
		fqz_image_close(img);
	}
	if (ret)
		demand(err.what && err.reason > FQZ_OK && err.reason <= FQZ_NO_MEMORY &&
		       err.offset <= len && *fqz_reason_name(err.reason));
	free(copy);
	return 0;
}
