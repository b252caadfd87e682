// SPDX-License-Identifier: MIT
#include "test_fqz_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t net_random(uint64_t *seed, uint32_t below)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) >> 32) % below;
}

static void *net_alloc(struct net *n, size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	n->owned[n->owned_count++] = p;
	return p;
}

void net_init(struct net *n, uint64_t seed, uint32_t c, uint32_t h, uint32_t w)
{
	memset(n, 0, sizeof(*n));
	n->seed = seed;
	n->img.tensors = n->tensors;
	n->img.layers = n->layers;
	n->img.tensor_count = 1;
	n->img.color = c == 3 ? FQZ_RGB : c == 1 ? FQZ_GRAY : FQZ_NOT_A_PICTURE;
	n->img.std[0] = n->img.std[1] = n->img.std[2] = 1;
	n->tensors[0] = (struct fqz_tensor){
		.type = FQZ_U8, .c = c, .h = h, .w = w, .scale = 1 / 256.0f,
	};
}

void net_free(struct net *n)
{
	while (n->owned_count)
		free(n->owned[--n->owned_count]);
}

static void draw_channels(struct net *n, struct fqz_layer *l, uint32_t count)
{
	int16_t *scale = net_alloc(n, count * sizeof(*scale));
	int16_t *bias = net_alloc(n, count * sizeof(*bias));
	uint8_t *shift = net_alloc(n, count);
	uint32_t i;

	for (i = 0; i < count; i++) {
		scale[i] = (int16_t)(net_random(&n->seed, 65536) - 32768);
		bias[i] = (int16_t)(net_random(&n->seed, 65536) - 32768);
		shift[i] = (uint8_t)net_random(&n->seed, 63);
	}
	l->scale = scale;
	l->bias = bias;
	l->shift = shift;
	l->bias_shift = net_random(&n->seed, 45);
}

static void draw_symbols(struct net *n, struct fqz_layer *l, size_t count)
{
	uint32_t alphabet = fqz_layer_alphabet(l);
	uint8_t *symbols = net_alloc(n, count);
	size_t i;

	for (i = 0; i < count; i++)
		if (!net_random(&n->seed, 4))
			symbols[i] = (uint8_t)(1 + net_random(&n->seed, alphabet - 1));
	l->symbols = symbols;
}

uint32_t net_add(struct net *n, struct fqz_layer l, enum fqz_type type, uint32_t c,
		 uint32_t h, uint32_t w)
{
	const struct fqz_tensor *in = &n->tensors[l.inputs[0]];
	uint32_t output = n->img.tensor_count++;
	bool keeps_scale = l.kind == FQZ_CONCAT || l.kind == FQZ_MAXPOOL ||
			   l.kind == FQZ_AVGPOOL;

	l.output = output;
	if (l.kind != FQZ_CONCAT && l.kind != FQZ_MAXPOOL && !l.act_min && !l.act_max) {
		l.act_min = type == FQZ_U8 ? 0 : type == FQZ_S8 ? -128 : INT32_MIN;
		l.act_max = type == FQZ_U8 ? 255 : type == FQZ_S8 ? 127 : INT32_MAX;
	}
	if (fqz_layer_has_channels(&l))
		draw_channels(n, &l, c);
	if (l.kind == FQZ_CONV)
		draw_symbols(n, &l, (size_t)c * (in->c / l.groups) * l.kernel_h * l.kernel_w);
	if (l.kind == FQZ_FC)
		draw_symbols(n, &l, (size_t)c * fqz_tensor_elements(in));
	n->tensors[output] = (struct fqz_tensor){
		.type = type, .c = c, .h = h, .w = w,
		.scale = keeps_scale ? in->scale : 1 / (float)(1 + net_random(&n->seed, 1000)),
	};
	n->layers[n->img.layer_count++] = l;
	return output;
}

struct fqz_layer net_layer(enum fqz_kind kind, uint32_t input)
{
	struct fqz_layer l = { .kind = kind, .input_count = 1, .inputs = { input } };

	return l;
}

struct fqz_layer net_fc(uint32_t input, enum fqz_mode mode, uint32_t bits)
{
	struct fqz_layer l = net_layer(FQZ_FC, input);

	l.mode = mode;
	l.bits = bits;
	l.exponent_count = fqz_exponent_count(mode, bits);
	if (mode == FQZ_RECENTRALIZED) {
		l.mean_neg = 2;
		l.mean_pos = 3;
	}
	l.coder = FQZ_HUFFMAN;
	return l;
}

struct fqz_layer net_conv(uint32_t input, uint32_t kernel, uint32_t stride, uint32_t pad,
			  enum fqz_mode mode, uint32_t bits)
{
	struct fqz_layer l = net_fc(input, mode, bits);

	l.kind = FQZ_CONV;
	l.kernel_h = l.kernel_w = kernel;
	l.stride_h = l.stride_w = stride;
	l.dilation_h = l.dilation_w = 1;
	l.pad_top = l.pad_left = l.pad_bottom = l.pad_right = pad;
	l.groups = 1;
	return l;
}

static struct fqz_layer pool(enum fqz_kind kind, uint32_t input)
{
	struct fqz_layer l = net_layer(kind, input);

	l.kernel_h = l.kernel_w = 2;
	l.stride_h = l.stride_w = 2;
	return l;
}

void net_every_kind(struct net *n)
{
	static const char *classes[] = { "cat", "dog", "boat", "wood", "\xc3\xa9tang" };
	static const struct fqz_meta meta[] = {
		{ "accuracy.top1", "67.0" }, { "description", "a layer\nof every kind" },
		{ "encoder", "test" },
	};
	struct fqz_layer l;
	uint32_t i;

	net_init(n, 1, 3, 9, 10);
	net_add(n, net_layer(FQZ_AFFINE, 0), FQZ_S8, 3, 9, 10);
	l = net_conv(1, 3, 2, 1, FQZ_RECENTRALIZED, 5);
	l.first_exponent = 1;
	l.mean_neg = 3;
	l.mean_pos = 0;
	net_add(n, l, FQZ_U8, 8, 5, 5);
	l = net_conv(2, 3, 1, 2, FQZ_SHIFT, 3);
	l.groups = 8;
	l.dilation_h = l.dilation_w = 2;
	net_add(n, l, FQZ_S8, 8, 5, 5);
	l = net_layer(FQZ_ADD, 2);
	l.input_count = 2;
	l.inputs[1] = 3;
	l.add_scale[0] = 12345;
	l.add_scale[1] = 321;
	l.out_shift = 14;
	net_add(n, l, FQZ_U8, 8, 5, 5);
	net_add(n, pool(FQZ_MAXPOOL, 4), FQZ_U8, 8, 2, 2);
	/* Ceil mode with a pad before: the second window begins at row 1. */
	l = pool(FQZ_AVGPOOL, 4);
	l.kernel_h = l.kernel_w = 4;
	l.pad_top = 3;
	l.pad_left = 3;
	l.stride_h = l.stride_w = 4;
	l.pool_rule = FQZ_POOL_DIVISOR;
	l.divisor = 7;
	net_add(n, l, FQZ_U8, 8, 2, 2);
	n->tensors[5].scale = n->tensors[6].scale;
	l = net_layer(FQZ_CONCAT, 5);
	l.input_count = 2;
	l.inputs[1] = 6;
	net_add(n, l, FQZ_U8, 16, 2, 2);
	net_add(n, net_layer(FQZ_SUMPOOL, 7), FQZ_S32, 16, 1, 1);
	net_add(n, net_fc(8, FQZ_SHIFT, 8), FQZ_S32, 5, 1, 1);
	n->img.class_count = 5;
	n->img.classes = net_alloc(n, sizeof(classes));
	memcpy(n->img.classes, classes, sizeof(classes));
	n->img.meta = net_alloc(n, sizeof(meta));
	memcpy(n->img.meta, meta, sizeof(meta));
	n->img.meta_count = 3;
	n->img.resize_shorter = 256;
	for (i = 0; i < 3; i++)
		n->img.mean[i] = 0.5f;
	n->layers[1].name = "conv1";
	n->layers[8].name = "fc";
}

/* Outputs of a layer spread over their type: about 2^14 * sum / 2^shift. */
static void set_factors(struct net *n, struct fqz_layer *l, uint8_t shift)
{
	uint32_t count = n->tensors[l->output].c;
	int16_t *scales = net_alloc(n, count * sizeof(*scales));
	int16_t *biases = net_alloc(n, count * sizeof(*biases));
	uint8_t *shifts = net_alloc(n, count);
	uint32_t i;

	for (i = 0; i < count; i++) {
		scales[i] = (int16_t)(16384 + net_random(&n->seed, 4096));
		biases[i] = (int16_t)net_random(&n->seed, 64);
		shifts[i] = shift;
	}
	l->scale = scales;
	l->bias = biases;
	l->shift = shifts;
	l->bias_shift = 12;
}

void net_alive(struct net *n)
{
	net_every_kind(n);
	set_factors(n, &n->layers[0], 15);
	set_factors(n, &n->layers[1], 18);
	set_factors(n, &n->layers[2], 16);
	set_factors(n, &n->layers[8], 14);
}

void net_example(struct net *n)
{
	static const uint8_t symbols[] = { 0, 2, 18, 17, 0, 9, 13, 6, 18 };
	struct fqz_layer l;

	net_init(n, 2, 1, 3, 3);
	n->tensors[0].scale = 1 / 128.0f;
	l = net_conv(0, 3, 1, 0, FQZ_RECENTRALIZED, 5);
	l.mean_neg = 4;
	l.mean_pos = 4;
	net_add(n, l, FQZ_S32, 1, 1, 1);
	n->tensors[1].scale = 1 / 65536.0f;
	n->layers[0].bias_shift = 3;
	memcpy((uint8_t *)n->layers[0].symbols, symbols, sizeof(symbols));
	*(int16_t *)n->layers[0].scale = 3;
	*(int16_t *)n->layers[0].bias = -50;
	*(uint8_t *)n->layers[0].shift = 1;
}

void net_small(struct net *n)
{
	static const struct fqz_meta meta[] = { { "a", "1" }, { "b", "" } };
	static const char *classes[] = { "x", "y" };
	struct fqz_layer l;

	net_init(n, 3, 1, 4, 4);
	l = net_conv(0, 2, 2, 0, FQZ_RECENTRALIZED, 4);
	net_add(n, l, FQZ_U8, 2, 2, 2);
	net_add(n, net_layer(FQZ_SUMPOOL, 1), FQZ_S32, 2, 1, 1);
	net_add(n, net_fc(2, FQZ_SHIFT, 4), FQZ_S8, 2, 1, 1);
	n->img.class_count = 2;
	n->img.classes = net_alloc(n, sizeof(classes));
	memcpy(n->img.classes, classes, sizeof(classes));
	n->img.meta = net_alloc(n, sizeof(meta));
	memcpy(n->img.meta, meta, sizeof(meta));
	n->img.meta_count = 2;
	n->layers[0].name = "n";
}

void net_segments(struct net *n)
{
	net_init(n, 4, 3, 50, 50);
	net_add(n, net_fc(0, FQZ_RECENTRALIZED, 3), FQZ_S32, 20, 1, 1);
}

void net_pool(struct net *n)
{
	struct fqz_layer l = net_layer(FQZ_MAXPOOL, 0);

	l.kernel_h = l.kernel_w = l.stride_h = l.stride_w = 2;
	net_init(n, 6, 3, 4, 4);
	net_add(n, l, FQZ_U8, 3, 2, 2);
}

void net_one_fc(struct net *n)
{
	struct fqz_layer l = net_fc(0, FQZ_RECENTRALIZED, 3);

	l.mean_neg = 0;
	l.mean_pos = 0;
	net_init(n, 7, 4, 1, 1);
	net_add(n, l, FQZ_S32, 1, 1, 1);
}

void net_sum(struct net *n)
{
	struct fqz_layer l = net_fc(1, FQZ_RECENTRALIZED, 3);

	l.mean_neg = 0;
	l.mean_pos = 0;
	net_init(n, 9, 1, 2900, 2900);
	net_add(n, net_layer(FQZ_SUMPOOL, 0), FQZ_S32, 1, 1, 1);
	net_add(n, l, FQZ_S32, 1, 1, 1);
	/* +2^m+ */
	*(uint8_t *)n->layers[1].symbols = 4;
}

void net_widths(struct net *n)
{
	enum fqz_mode mode;
	uint32_t bits, last = 0;

	net_init(n, 10, 4, 3, 3);
	for (mode = FQZ_SHIFT; mode <= FQZ_RECENTRALIZED; mode++)
		for (bits = 3; bits <= 8; bits++)
			last = net_add(n, net_conv(last, 1, 1, 0, mode, bits), FQZ_U8, 4, 3, 3);
	net_add(n, net_fc(last, FQZ_SHIFT, 5), FQZ_S32, 3, 1, 1);
}

void net_set_coder(struct net *n, enum fqz_coder coder)
{
	uint32_t i;

	for (i = 0; i < n->img.layer_count; i++)
		if (fqz_layer_has_weights(&n->layers[i]))
			n->layers[i].coder = coder;
}

#define IN_CODER(_name, _base, _coder)			\
	void _name(struct net *n)			\
	{						\
		_base(n);				\
		net_set_coder(n, _coder);		\
	}

IN_CODER(net_rle_example, net_example, FQZ_RLE_HUFFMAN)
IN_CODER(net_tans_example, net_example, FQZ_TANS)
IN_CODER(net_rle_kinds, net_every_kind, FQZ_RLE_HUFFMAN)
IN_CODER(net_tans_kinds, net_every_kind, FQZ_TANS)
IN_CODER(net_rle_segments, net_segments, FQZ_RLE_HUFFMAN)
IN_CODER(net_tans_segments, net_segments, FQZ_TANS)

static void net_fc_400(struct net *n)
{
	net_init(n, 12, 4, 10, 10);
	net_add(n, net_fc(0, FQZ_SHIFT, 4), FQZ_S32, 1, 1, 1);
}

IN_CODER(net_rle_fc, net_fc_400, FQZ_RLE_HUFFMAN)
IN_CODER(net_tans_fc, net_fc_400, FQZ_TANS)

void net_contexts(struct net *n)
{
	uint32_t i, side = 0, half;
	uint8_t *symbols;

	net_init(n, 11, 48, 4, 4);
	net_add(n, net_conv(0, 3, 1, 1, FQZ_RECENTRALIZED, 4), FQZ_U8, 48, 4, 4);
	net_add(n, net_layer(FQZ_SUMPOOL, 1), FQZ_S32, 48, 1, 1);
	symbols = (uint8_t *)n->layers[0].symbols;
	half = fqz_layer_alphabet(&n->layers[0]) / 2;
	for (i = 0; i < 48 * 48 * 9; i++) {
		side ^= net_random(&n->seed, 8) == 0;
		if (symbols[i])
			symbols[i] = (uint8_t)(1 + side * half + net_random(&n->seed, half));
	}
	net_set_coder(n, FQZ_TANS);
}

uint8_t *net_write(const struct net *n, size_t *len)
{
	struct fqz_error err;
	void *data;

	if (fqz_image_write(&n->img, &data, len, &err)) {
		printf("Bail out! cannot write a test network: %s, layer %u, offset %llu\n",
		       err.what, err.layer, (unsigned long long)err.offset);
		exit(1);
	}
	return data;
}

uint8_t *net_build(void (*fill)(struct net *n), size_t *len)
{
	uint8_t *image;
	struct net n;

	fill(&n);
	image = net_write(&n, len);
	net_free(&n);
	return image;
}

int image_verify(const uint8_t *image, size_t len, struct fqz_error *err)
{
	struct fqz_image *img;
	int ret;

	ret = fqz_image_open(image, len, &img, err);
	if (ret)
		return ret;
	ret = fqz_image_verify(img, err);
	fqz_image_close(img);
	return ret;
}

size_t image_entry(const uint8_t *image, uint32_t type)
{
	uint32_t count = (uint32_t)image_get(image + 40, 4), i;

	for (i = 0; i < count; i++)
		if (image_get(image + 64 + 32 * i, 4) == type)
			return 64 + 32 * i;
	return 0;
}

size_t image_section(const uint8_t *image, uint32_t type, size_t *size)
{
	size_t entry = image_entry(image, type);

	if (!entry)
		return 0;
	if (size)
		*size = image_get(image + entry + 16, 8);
	return image_get(image + entry + 8, 8);
}

uint8_t *image_with_section(const uint8_t *image, uint32_t type, uint32_t flags,
			    const void *data, size_t size, size_t *len)
{
	uint32_t count = (uint32_t)image_get(image + 40, 4), entries = 0, i;
	size_t room = image_get(image + 16, 8) + size + 64 * (count + 2), at;
	uint8_t *out = calloc(1, room), *entry;
	bool placed = !data;

	if (!out)
		abort();
	memcpy(out, image, 64);
	entries = count - !!image_entry(image, type) + !!data;
	image_put(out + 40, 4, entries);
	at = 64 + 32 * entries;
	entry = out + 64;
	for (i = 0; i < count || !placed; entry += 32) {
		const uint8_t *from = image + 64 + 32 * i;
		bool mine = !placed && (i == count || image_get(from, 4) >= type);
		const uint8_t *bytes = mine ? data : image + image_get(from + 8, 8);
		size_t n = mine ? size : image_get(from + 16, 8);

		if (!mine && image_get(from, 4) == type) {
			i++;
			entry -= 32;
			continue;
		}
		at += -at % 64;
		image_put(entry, 4, mine ? type : image_get(from, 4));
		image_put(entry + 4, 4, mine ? flags : image_get(from + 4, 4));
		image_put(entry + 8, 8, at);
		image_put(entry + 16, 8, n);
		if (n)
			memcpy(out + at, bytes, n);
		at += n;
		placed |= mine;
		i += !mine;
	}
	*len = at;
	image_put(out + 16, 8, at);
	image_fix_crcs(out, at);
	return out;
}
