// SPDX-License-Identifier: MIT
/*
 * Refusals that one changed field cannot show (test_fqz_refuse.c has those):
 * sections too few or too many, CRCs, texts, limits, streams; and what must be
 * accepted though it is unknown.
 */
#include "tap.h"
#include "test_fqz_net.h"

#include <errno.h>

enum section { NETWORK = 1, TENSORS, LAYERS, CHANNELS, WEIGHTS, METADATA, CLASSES, NAMES };

#define NONE	FQZ_NO_LAYER

/* FQZ_OK: accepted. Takes the image. */
static void check(uint8_t *image, size_t len, enum fqz_reason reason, uint64_t offset,
		  uint32_t layer, const char *what)
{
	struct fqz_error err = { .reason = FQZ_OK, .what = "accepted", .layer = NONE };
	uint8_t *exact = malloc(len);
	int ret;

	memcpy(exact, image, len);
	ret = image_verify(exact, len, &err);
	free(exact);
	free(image);
	if (reason == FQZ_OK) {
		ok(!ret, "accepted: %s", what);
	} else {
		ok(ret == -EBADMSG && err.reason == reason && err.offset == offset &&
		   err.layer == layer, "refused: %s", what);
	}
	if (err.reason != reason || (ret && (err.offset != offset || err.layer != layer)))
		diag("%s at %llu, layer %d: %s; expected %s at %llu, layer %d",
		     fqz_reason_name(err.reason), (unsigned long long)err.offset,
		     (int)err.layer, err.what, fqz_reason_name(reason),
		     (unsigned long long)offset, (int)layer);
}

static void put(uint8_t *p, unsigned int bytes, uint64_t v)
{
	for (; bytes--; v >>= 8)
		*p++ = (uint8_t)v;
}

static uint8_t *at(uint8_t *image, enum section section, size_t offset)
{
	return image + image_section(image, section, NULL) + offset;
}

/* Takes the image. */
static uint8_t *replace(uint8_t *image, enum section type, uint32_t flags, const void *data,
			size_t size, size_t *len)
{
	uint8_t *out = image_with_section(image, type, flags, data, size, len);

	free(image);
	return out;
}

static void check_missing(void)
{
	static const enum section required[] = {
		NETWORK, TENSORS, LAYERS, CHANNELS, WEIGHTS, CLASSES,
	};
	uint8_t *image;
	char what[32];
	size_t len, i;

	for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		snprintf(what, sizeof(what), "no section of type %d", (int)required[i]);
		image = replace(net_build(net_small, &len), required[i], 0, NULL, 0, &len);
		check(image, len, FQZ_LAYOUT, 64, NONE, what);
	}
	image = replace(net_build(net_small, &len), METADATA, 0, NULL, 0, &len);
	check(image, len, FQZ_OK, 0, NONE, "no METADATA");
	image = replace(net_build(net_small, &len), NAMES, 0, NULL, 0, &len);
	check(image, len, FQZ_OK, 0, NONE, "no NAMES");
}

static void check_superfluous(void)
{
	uint8_t *image;
	size_t len;

	image = net_build(net_pool, &len);
	check(image, len, FQZ_OK, 0, NONE, "a network without weights");
	image = replace(net_build(net_pool, &len), CHANNELS, 0, "12345", 5, &len);
	check(image, len, FQZ_LAYOUT, image_entry(image, CHANNELS) + 16, NONE,
	      "CHANNELS without such layers");
	image = replace(net_build(net_pool, &len), WEIGHTS, 0, "12345", 5, &len);
	check(image, len, FQZ_LAYOUT, image_entry(image, WEIGHTS) + 16, NONE,
	      "WEIGHTS without such layers");
	image = replace(net_build(net_pool, &len), CLASSES, 0, "x", 2, &len);
	check(image, len, FQZ_TEXT, image_section(image, CLASSES, NULL), NONE,
	      "CLASSES with Class_Count 0");
	image = net_build(net_small, &len);
	image = replace(image, CHANNELS, 0, at(image, CHANNELS, 0), 19, &len);
	check(image, len, FQZ_LAYOUT, image_entry(image, CHANNELS) + 16, NONE,
	      "CHANNELS one byte too short");
}

static void check_unknown(void)
{
	uint8_t *image;
	size_t len;

	image = replace(net_build(net_small, &len), (enum section)77, 1, "what is this", 12, &len);
	check(image, len, FQZ_OK, 0, NONE, "an unknown section that is skippable");
	image = replace(net_build(net_small, &len), (enum section)77, 0, "what is this", 12, &len);
	check(image, len, FQZ_FEATURE, image_entry(image, 77), NONE,
	      "an unknown section that is not");
	image = replace(net_build(net_small, &len), (enum section)77, 1, "what is this", 12, &len);
	put(image + image_entry(image, NAMES), 4, 77);
	put(image + image_entry(image, 77) + 4, 4, 1);
	image_fix_crcs(image, len);
	check(image, len, FQZ_LAYOUT, 64 + 8 * 32, NONE, "two sections of an unknown type");
	image = net_build(net_small, &len);
	image = replace(image, METADATA, 1, "k\0v", 4, &len);
	check(image, len, FQZ_OK, 0, NONE, "a known section that is skippable");
	image = net_build(net_small, &len);
	put(image + 10, 2, 7);
	image_fix_crcs(image, len);
	check(image, len, FQZ_OK, 0, NONE, "a larger Version_Minor");
	image = net_build(net_small, &len);
	put(image + 32, 8, UINT64_MAX);
	image_fix_crcs(image, len);
	check(image, len, FQZ_OK, 0, NONE, "unknown Compat_Features");
}

static void check_crcs(void)
{
	enum section type;
	uint8_t *image;
	char what[32];
	size_t len;

	image = net_build(net_small, &len);
	image[32] ^= 1;
	check(image, len, FQZ_CRC, 60, NONE, "Header_CRC");
	image = net_build(net_small, &len);
	image[64 + 28] ^= 1;
	check(image, len, FQZ_CRC, 44, NONE, "Table_CRC");
	for (type = NETWORK; type <= NAMES; type++) {
		snprintf(what, sizeof(what), "Section_CRC of type %d", (int)type);
		image = net_build(net_small, &len);
		*at(image, type, 0) ^= 0x80;
		check(image, len, FQZ_CRC, image_entry(image, type) + 24, NONE, what);
	}
}

static void check_metadata(const char *data, size_t size, enum fqz_reason reason, size_t offset,
			   const char *what)
{
	uint8_t *image;
	size_t len;

	image = replace(net_build(net_small, &len), METADATA, 0, data, size, &len);
	check(image, len, reason, image_section(image, METADATA, NULL) + offset, NONE, what);
}

static void check_texts(void)
{
	char *key = calloc(1, 70), *large = calloc(1, (1 << 20) + 1);
	uint8_t *image;
	size_t len;

	check_metadata("\0v", 3, FQZ_TEXT, 0, "an empty key");
	check_metadata("a", 2, FQZ_TEXT, 1, "a key without a value");
	check_metadata("a\0v\0b", 6, FQZ_TEXT, 5, "a second key without a value");
	check_metadata("a\0v\0a\0w", 8, FQZ_TEXT, 4, "a key twice");
	check_metadata("b\0v\0a\0w", 8, FQZ_TEXT, 4, "keys in descending order");
	check_metadata("a\0v\0ab\0w", 9, FQZ_OK, 0, "a key that begins as the one before");
	check_metadata("a b\0v", 6, FQZ_TEXT, 1, "a space in a key");
	check_metadata("a\0" "1\t2\n\xf0\x9f\x98\x80", 11, FQZ_OK, 0, "a value of many kinds");
	memset(key, 'k', 64);
	check_metadata(key, 66, FQZ_OK, 0, "a key of 64 characters");
	memset(key, 'k', 65);
	check_metadata(key, 67, FQZ_TEXT, 64, "a key of 65 characters");
	large[0] = 'a';
	memset(large + 2, 'v', (1 << 20) - 3);
	check_metadata(large, 1 << 20, FQZ_OK, 0, "metadata of 1 MiB");
	large[(1 << 20) - 1] = 'v';
	image = replace(net_build(net_small, &len), METADATA, 0, large, (1 << 20) + 1, &len);
	check(image, len, FQZ_LIMIT, image_entry(image, METADATA) + 16, NONE,
	      "metadata above 1 MiB");
	free(large);
	free(key);
}

static void check_limits(void)
{
	uint8_t *image;
	size_t len;

	image = net_build(net_one_fc, &len);
	put(at(image, TENSORS, 4), 2, 1024);
	put(at(image, TENSORS, 6), 2, 257);
	image_fix_crcs(image, len);
	check(image, len, FQZ_LIMIT, image_section(image, LAYERS, NULL), 0,
	      "a sum of more than 2^20 weights");
	image = net_build(net_one_fc, &len);
	put(at(image, TENSORS, 4), 2, 1024);
	put(at(image, TENSORS, 6), 2, 256);
	put(at(image, TENSORS, 16 + 2), 2, 257);
	image_fix_crcs(image, len);
	check(image, len, FQZ_LIMIT, image_section(image, LAYERS, NULL), 0,
	      "a layer of more than 2^28 weights");
	image = net_build(net_one_fc, &len);
	put(at(image, TENSORS, 4), 2, 256);
	image_fix_crcs(image, len);
	check(image, len, FQZ_STREAM,
	      image_section(image, WEIGHTS, NULL) + 2 + 4 + 1, 0, "fewer bits than symbols");
}

static void net_two_fc(struct net *n)
{
	net_init(n, 8, 4, 1, 1);
	net_add(n, net_fc(0, FQZ_SHIFT, 3), FQZ_U8, 1, 1, 1);
	net_add(n, net_fc(1, FQZ_SHIFT, 3), FQZ_S32, 1, 1, 1);
}

static void check_fc_rows(void)
{
	uint8_t *image;
	size_t len;

	image = net_build(net_one_fc, &len);
	put(at(image, TENSORS, 16 + 4), 2, 2);
	image_fix_crcs(image, len);
	check(image, len, FQZ_SHAPE, image_section(image, LAYERS, NULL) + 2, 0, "FC with rows");
}

static void check_image_limit(void)
{
	uint8_t *image;
	size_t len;

	image = net_build(net_two_fc, &len);
	put(at(image, TENSORS, 2), 6, UINT64_C(0x000100041000));
	put(at(image, TENSORS, 16 + 2), 2, 0x4000);
	put(at(image, TENSORS, 32 + 2), 2, 1);
	image_fix_crcs(image, len);
	check(image, len, FQZ_LIMIT, image_section(image, LAYERS, NULL) + 64, 1,
	      "layers of more than 2^28 weights together");
}

static void check_overflow(void)
{
	uint8_t *image;
	size_t len;

	image = net_build(net_sum, &len);
	check(image, len, FQZ_OK, 0, NONE, "the largest sums");
	image = net_build(net_sum, &len);
	put(at(image, TENSORS, 4), 2, 2910);
	image_fix_crcs(image, len);
	check(image, len, FQZ_OVERFLOW, image_section(image, LAYERS, NULL), 0,
	      "a SUMPOOL above 2^31 - 1");
	image = net_build(net_sum, &len);
	put(at(image, LAYERS, 64 + 53), 1, 16);
	image_fix_crcs(image, len);
	check(image, len, FQZ_OK, 0, NONE, "a weight of 2^16");
	image = net_build(net_sum, &len);
	put(at(image, LAYERS, 64 + 53), 1, 17);
	image_fix_crcs(image, len);
	check(image, len, FQZ_OVERFLOW, image_section(image, WEIGHTS, NULL), 1,
	      "a sum above 2^47 - 1");
}

/* A kernel that is all padding but for one element, on a sum of 32 bits. */
static void net_wide_sum(struct net *n)
{
	struct fqz_layer l = net_conv(1, 511, 1, 255, FQZ_RECENTRALIZED, 3);

	l.mean_neg = 0;
	l.mean_pos = 0;
	net_init(n, 12, 1, 2900, 2900);
	net_add(n, net_layer(FQZ_SUMPOOL, 0), FQZ_S32, 1, 1, 1);
	net_add(n, l, FQZ_S32, 1, 1, 1);
	memset((uint8_t *)n->layers[1].symbols, 0, 511 * 511);
}

static void check_wide_overflow(void)
{
	int64_t largest = 0;
	struct fqz_error err;
	struct fqz_image *img;
	uint8_t *image, *symbols = malloc(511 * 511);
	size_t len;

	image = net_build(net_wide_sum, &len);
	put(at(image, LAYERS, 64 + 53), 1, 18);
	image_fix_crcs(image, len);
	if (fqz_image_open(image, len, &img, &err))
		bail("the wide sum does not open: %s", err.what);
	memset(symbols, 4, 511 * 511);
	ok(fqz_layer_check_bound(img, 1, symbols, &largest, &err) == -EBADMSG &&
	   err.reason == FQZ_OVERFLOW && largest == INT64_MAX, "refused: a sum above 2^63");
	fqz_image_close(img);
	free(symbols);
	free(image);
}

/* log2 16, A = 7, 4 bytes of lengths, 2 Segment_Size, three segments from 14 on. */
static void check_segments(void)
{
	uint32_t first, stream;
	uint8_t *image, *sizes;
	size_t len;

	image = net_build(net_segments, &len);
	sizes = at(image, WEIGHTS, 6);
	stream = (uint32_t)image_section(image, WEIGHTS, NULL);
	first = sizes[0] | sizes[1] << 8 | sizes[2] << 16;
	ok(*at(image, WEIGHTS, 0) == 16, "segments of 2^16 symbols");
	put(sizes, 4, first + 1);
	image_fix_crcs(image, len);
	check(image, len, FQZ_STREAM, stream + 14 + first, 0, "a segment with a byte too many");

	image = net_build(net_segments, &len);
	put(at(image, WEIGHTS, 6), 4, first - 1);
	image_fix_crcs(image, len);
	check(image, len, FQZ_STREAM, stream + 14 + first - 1, 0, "a segment that ends early");

	image = net_build(net_segments, &len);
	put(at(image, WEIGHTS, 6), 4, 0);
	image_fix_crcs(image, len);
	check(image, len, FQZ_STREAM, stream + 14, 0, "an empty segment");

	image = net_build(net_segments, &len);
	put(at(image, WEIGHTS, 10), 4, UINT32_MAX);
	image_fix_crcs(image, len);
	check(image, len, FQZ_STREAM, stream + 10, 0, "a segment that ends after its stream");

	image = net_build(net_segments, &len);
	put(at(image, WEIGHTS, 0), 1, 10);
	image_fix_crcs(image, len);
	ok(image_verify(image, len, NULL) == -EBADMSG, "other segments than there are");
	free(image);
}

static void net_pruned(struct net *n)
{
	net_small(n);
	memset((uint8_t *)n->layers[2].symbols, 0, 4);
}

static void check_short_streams(void)
{
	uint8_t *image;
	size_t len, start, size;

	/* All pruned: one symbol of code 0. */
	image = net_build(net_pruned, &len);
	check(image, len, FQZ_OK, 0, NONE, "a layer that is all pruned");
	image = net_build(net_pruned, &len);
	start = image_section(image, WEIGHTS, &size) + size - 1;
	image[start] = 0x40;
	image_fix_crcs(image, len);
	check(image, len, FQZ_STREAM, start, 2, "a code that the table does not have");

	image = net_build(net_pruned, &len);
	image = replace(image, WEIGHTS, 0, at(image, WEIGHTS, 0), size - 1, &len);
	put(at(image, LAYERS, 2 * 64 + 56), 4, 2 + 5);
	image_fix_crcs(image, len);
	check(image, len, FQZ_STREAM, start, 2, "a stream without segments");

	image = net_build(net_one_fc, &len);
	image = replace(image, WEIGHTS, 0, at(image, WEIGHTS, 0), 5, &len);
	put(at(image, LAYERS, 56), 4, 5);
	image_fix_crcs(image, len);
	check(image, len, FQZ_STREAM, image_section(image, WEIGHTS, NULL) + 5, 0,
	      "a stream that ends in its table");
}

int main(void)
{
	check_missing();
	check_superfluous();
	check_unknown();
	check_crcs();
	check_texts();
	check_limits();
	check_fc_rows();
	check_image_limit();
	check_overflow();
	check_wide_overflow();
	check_segments();
	check_short_streams();
	return tap_done();
}
