// SPDX-License-Identifier: MIT
/* Small networks for the tests of the library and the tools, written by fqz_image_write(). */
#include "smallnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fqz.h"

#define MAX_LAYERS	16

static int32_t small_fc_weights[SMALL_CLASSES][SMALL_FC_INPUTS];

/* A network under construction: layer i writes tensor i + 1. */
struct builder {
	struct fqz_tensor tensors[MAX_LAYERS + 1];
	struct fqz_layer layers[MAX_LAYERS];
	void *owned[4 * MAX_LAYERS];
	uint32_t owned_count, seed;
	struct fqz_image img;
};

static const char *classes[SMALL_CLASSES] = {
	"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
};

static void *own(struct builder *b, size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p || b->owned_count == 4 * MAX_LAYERS)
		abort();
	b->owned[b->owned_count++] = p;
	return p;
}

/* A linear congruential generator: the same networks on every machine. */
static uint32_t next(struct builder *b)
{
	b->seed = b->seed * 1664525u + 1013904223u;
	return b->seed >> 8;
}

static void begin(struct builder *b, uint32_t c, uint32_t h, uint32_t w)
{
	int i;

	memset(b, 0, sizeof(*b));
	b->seed = 1;
	b->img.tensors = b->tensors;
	b->img.layers = b->layers;
	b->img.tensor_count = 1;
	b->img.color = c == 3 ? FQZ_RGB : c == 1 ? FQZ_GRAY : FQZ_NOT_A_PICTURE;
	for (i = 0; i < 3; i++)
		b->img.std[i] = 1;
	b->tensors[0] = (struct fqz_tensor){ FQZ_U8, c, h, w, 1.0f / 255, 0, 0, 0 };
}

static struct fqz_layer *add(struct builder *b, enum fqz_kind kind, uint32_t input,
			     enum fqz_type type, uint32_t c, uint32_t h, uint32_t w)
{
	struct fqz_layer *l = &b->layers[b->img.layer_count++];

	l->kind = kind;
	l->input_count = 1;
	l->inputs[0] = input;
	l->output = b->img.tensor_count++;
	b->tensors[l->output] = (struct fqz_tensor){ type, c, h, w, 0.125f, 0, 0, 0 };
	switch (type) {
	case FQZ_U8:
		l->act_max = 255;
		break;
	case FQZ_S8:
		l->act_min = -128;
		l->act_max = 127;
		break;
	default:
		l->act_min = INT32_MIN;
		l->act_max = INT32_MAX;
	}
	return l;
}

static void set_channels(struct builder *b, struct fqz_layer *l, int16_t scale, uint8_t shift)
{
	uint32_t c = b->tensors[l->output].c, i;
	int16_t *scales = own(b, c, sizeof(*scales)), *biases = own(b, c, sizeof(*biases));
	uint8_t *shifts = own(b, c, 1);

	for (i = 0; i < c; i++) {
		scales[i] = scale;
		biases[i] = (int16_t)(shift ? next(b) % 64 : 0);
		shifts[i] = shift;
	}
	l->scale = scales;
	l->bias = biases;
	l->shift = shifts;
}

/* Weights of 5 bits, +-1 to +-128, every third one pruned. */
static void set_weights(struct builder *b, struct fqz_layer *l, size_t count)
{
	uint8_t *symbols = own(b, count, 1);
	size_t i;

	l->mode = FQZ_SHIFT;
	l->bits = 5;
	l->exponent_count = fqz_exponent_count(FQZ_SHIFT, 5);
	l->coder = FQZ_HUFFMAN;
	for (i = 0; i < count; i++)
		symbols[i] = (uint8_t)(i % 3 ? 1 + next(b) % (fqz_layer_alphabet(l) - 1) : 0);
	l->symbols = symbols;
}

static struct fqz_layer *add_conv(struct builder *b, uint32_t input, uint32_t c, uint32_t kernel)
{
	const struct fqz_tensor *x = &b->tensors[input];
	struct fqz_layer *l = add(b, FQZ_CONV, input, FQZ_U8, c, x->h, x->w);

	l->kernel_h = l->kernel_w = kernel;
	l->stride_h = l->stride_w = 1;
	l->dilation_h = l->dilation_w = 1;
	l->pad_top = l->pad_left = l->pad_bottom = l->pad_right = kernel / 2;
	l->groups = 1;
	set_weights(b, l, (size_t)c * x->c * kernel * kernel);
	set_channels(b, l, 3, 9);
	return l;
}

static void add_classes(struct builder *b)
{
	b->img.class_count = SMALL_CLASSES;
	b->img.classes = classes;
}

static int finish(struct builder *b, void **data, size_t *len)
{
	struct fqz_error err;
	uint32_t i;
	int ret;

	ret = fqz_image_write(&b->img, data, len, &err);
	if (ret)
		fprintf(stderr, "# smallnet: %s, layer %u: %s\n", fqz_reason_name(err.reason),
			err.layer, err.what);
	for (i = 0; i < b->owned_count; i++)
		free(b->owned[i]);
	return ret;
}

int small_fc(void **data, size_t *len)
{
	static struct fqz_meta meta[] = {
		{ "accuracy.top1", "91.5" },
		{ "description", "a \"quoted\" \\ text" },
	};
	int32_t weights[FQZ_MAX_ALPHABET];
	struct fqz_layer *l;
	struct builder b;
	uint32_t o, k;

	begin(&b, 3, 4, 4);
	l = add(&b, FQZ_FC, 0, FQZ_S32, SMALL_CLASSES, 1, 1);
	l->name = "classifier";
	set_weights(&b, l, SMALL_CLASSES * SMALL_FC_INPUTS);
	set_channels(&b, l, 1, 0);
	fqz_layer_weights(l, weights);
	for (o = 0; o < SMALL_CLASSES; o++)
		for (k = 0; k < SMALL_FC_INPUTS; k++)
			small_fc_weights[o][k] = weights[l->symbols[o * SMALL_FC_INPUTS + k]];
	b.tensors[1].scale = 0.0001f;
	add_classes(&b);
	b.img.meta = meta;
	b.img.meta_count = 2;
	return finish(&b, data, len);
}

void small_fc_expect(const uint8_t x[SMALL_FC_INPUTS], int32_t y[SMALL_CLASSES])
{
	int o, k;

	for (o = 0; o < SMALL_CLASSES; o++)
		for (y[o] = 0, k = 0; k < SMALL_FC_INPUTS; k++)
			y[o] += small_fc_weights[o][k] * x[k];
}

int small_residual(uint32_t side, uint32_t channels, void **data, size_t *len)
{
	struct fqz_layer *l;
	struct builder b;

	begin(&b, 3, side, side);
	l = add(&b, FQZ_AFFINE, 0, FQZ_S8, 3, side, side);	/* tensor 1 */
	set_channels(&b, l, 1, 1);
	add_conv(&b, 1, channels, 3);				/* 2 */
	add_conv(&b, 2, channels, 3);				/* 3 */
	l = add(&b, FQZ_ADD, 2, FQZ_U8, channels, side, side);	/* 4 */
	l->input_count = 2;
	l->inputs[1] = 3;
	l->add_scale[0] = 1;
	l->add_scale[1] = 1;
	l->out_shift = 1;
	l = add(&b, FQZ_MAXPOOL, 4, FQZ_U8, channels, side / 2, side / 2);	/* 5 */
	l->kernel_h = l->kernel_w = l->stride_h = l->stride_w = 2;
	l->act_min = l->act_max = 0;
	add(&b, FQZ_SUMPOOL, 5, FQZ_S32, channels, 1, 1);	/* 6 */
	l = add(&b, FQZ_FC, 6, FQZ_S32, SMALL_CLASSES, 1, 1);	/* 7 */
	set_weights(&b, l, (size_t)SMALL_CLASSES * channels);
	set_channels(&b, l, 1, 4);
	b.tensors[7].scale = 0.0001f;
	add_classes(&b);
	return finish(&b, data, len);
}

int small_gray(void **data, size_t *len)
{
	struct fqz_layer *l;
	struct builder b;

	begin(&b, 1, 4, 4);
	l = add(&b, FQZ_AFFINE, 0, FQZ_U8, 1, 4, 4);
	set_channels(&b, l, 1, 0);
	return finish(&b, data, len);
}

int small_huge(void **data, size_t *len)
{
	struct fqz_layer *l;
	struct builder b;
	uint32_t i;

	/* 64 MiB for each tensor, five of which are alive at once. */
	begin(&b, 3, 4096, 4096);
	for (i = 0; i < 4; i++) {
		l = add(&b, FQZ_AFFINE, i, FQZ_U8, 3, 4096, 4096);
		set_channels(&b, l, 1, 0);
		b.tensors[l->output].scale = b.tensors[0].scale;
	}
	for (i = 0; i < 4; i++) {
		l = add(&b, FQZ_ADD, 4 + i, FQZ_U8, 3, 4096, 4096);
		l->input_count = 2;
		l->inputs[1] = 3 - i;
		l->add_scale[0] = 1;
		l->add_scale[1] = 1;
	}
	return finish(&b, data, len);
}
