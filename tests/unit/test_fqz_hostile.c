// SPDX-License-Identifier: MIT
/*
 * Damaged images: cut short anywhere, any bit flipped, many bytes changed with
 * the CRCs made right again. Each copy lies in a block of exactly its size, so
 * that the sanitizers see a read outside of it.
 */
#include "tap.h"
#include "test_fqz_net.h"

#include <errno.h>

#define MUTATIONS	20000

/* Uses whatever was accepted; false where that goes wrong. */
static bool use(const struct fqz_image *img)
{
	uint32_t ids[NET_MAX_LAYERS + 1], i;
	uint8_t *symbols;
	size_t count;
	bool good;

	for (i = 0; i <= img->layer_count; i++)
		if (!fqz_image_live(img, i, ids, NULL))
			return false;
	for (i = 0; i < img->layer_count; i++) {
		if (!fqz_layer_has_weights(&img->layers[i]))
			continue;
		count = (size_t)img->layers[i].outputs * img->layers[i].inputs_per_output;
		symbols = malloc(count);
		good = !fqz_layer_decode(img, i, symbols, count, NULL);
		while (good && count--)
			good = symbols[count] < fqz_layer_alphabet(&img->layers[i]);
		free(symbols);
		if (!good)
			return false;
	}
	return true;
}

/* 1 accepted and usable, 0 refused as it should be, -1 neither. */
static int try(const uint8_t *image, size_t len, struct fqz_error *err)
{
	struct fqz_image *img;
	int ret;

	memset(err, 0, sizeof(*err));
	ret = fqz_image_open(image, len, &img, err);
	if (!ret) {
		ret = fqz_image_verify(img, err);
		if (!ret && !use(img))
			ret = -EIO;
		fqz_image_close(img);
	}
	if (!ret)
		return 1;
	if (ret != -EBADMSG || err->reason < FQZ_TRUNCATED || err->reason > FQZ_TEXT ||
	    !err->what || err->offset > len)
		return -1;
	return 0;
}

static void check_truncations(const uint8_t *image, size_t len)
{
	uint32_t right = 0, refused = 0;
	struct fqz_error err;
	uint8_t *copy;
	size_t n, i;

	for (n = 0; n < len; n++) {
		copy = malloc(n ? n : 1);
		memcpy(copy, image, n);
		right += try(copy, n, &err) == 0 && err.reason == FQZ_TRUNCATED &&
			 err.offset == n;
		/* As if the file had been written so. */
		if (n >= 64) {
			for (i = 0; i < 8; i++)
				copy[16 + i] = (uint8_t)(n >> 8 * i);
			image_fix_crcs(copy, n);
			refused += try(copy, n, &err) == 0;
		}
		free(copy);
	}
	is_int(right, len, "every shorter length is TRUNCATED, at its end");
	is_int(refused, len - 64, "so with a File_Size to match it is refused");
	copy = malloc(len + 1);
	memcpy(copy, image, len);
	copy[len] = 0;
	ok(try(copy, len + 1, &err) == 0 && err.reason == FQZ_LAYOUT && err.offset == 16,
	   "a byte more is refused");
	free(copy);
}

static void check_flips(const uint8_t *image, size_t len)
{
	uint32_t refused = 0, wrong = 0, accepted = 0;
	uint8_t *copy = malloc(len);
	struct fqz_error err;
	size_t bit;

	for (bit = 0; bit < 8 * len; bit++) {
		memcpy(copy, image, len);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		refused += try(copy, len, &err) == 0;
		image_fix_crcs(copy, len);
		switch (try(copy, len, &err)) {
		case 1:
			accepted++;
			break;
		case -1:
			wrong++;
			diag("bit %zu: %s at %llu", bit, fqz_reason_name(err.reason),
			     (unsigned long long)err.offset);
		}
	}
	is_int(refused, 8 * len, "every flipped bit is refused");
	is_int(wrong, 0, "with right CRCs it is refused or harmless");
	ok(accepted > 0 && accepted < 8 * len, "some are harmless (%u of %zu)", accepted, 8 * len);
	free(copy);
}

static void check_mutations(const uint8_t *image, size_t len)
{
	static const uint8_t tempting[] = { 0, 1, 2, 3, 0x10, 0x7f, 0x80, 0xff };
	uint8_t *copy = malloc(len);
	struct fqz_error err;
	uint32_t wrong = 0, i, k;
	uint64_t seed = 11;

	for (i = 0; i < MUTATIONS; i++) {
		memcpy(copy, image, len);
		for (k = 1 + net_random(&seed, 4); k; k--)
			copy[net_random(&seed, (uint32_t)len)] =
				tempting[net_random(&seed, sizeof(tempting))];
		image_fix_crcs(copy, len);
		wrong += try(copy, len, &err) < 0;
	}
	is_int(wrong, 0, "changed bytes with right CRCs are refused or harmless");
	free(copy);
}

int main(void)
{
	static void (*const nets[])(struct net *n) = { net_small, net_example, net_every_kind,
							 net_rle_fc, net_tans_fc };
	uint8_t *image;
	struct net n;
	size_t len, i;

	for (i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		nets[i](&n);
		image = net_write(&n, &len);
		diag("an image of %zu bytes", len);
		check_truncations(image, len);
		check_flips(image, len);
		check_mutations(image, len);
		free(image);
		net_free(&n);
	}
	return tap_done();
}
