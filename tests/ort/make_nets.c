// SPDX-License-Identifier: MIT
/*
 * Writes images into a folder whose activations fill their ranges, so that an engine that computes
 * anything else shows: a layer of every kind, every width of weights, every rule of pooling, every place
 * of an 8-bit and a 32-bit tensor. And beyond.fqz, whose real values no single precision holds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "../unit/test_fqz_net.h"

/* The sum of a channel's |weights| as real activations make it: signs and small inputs take most of it. */
static double usual_sum(const struct fqz_layer *l, const int32_t *weights, uint32_t per, uint32_t c)
{
	double sum = 0;
	uint32_t k;

	if (l->kind == FQZ_AFFINE)
		return 1;
	for (k = 0; k < per; k++)
		sum += abs(weights[l->symbols[(size_t)c * per + k]]);
	return sum / 3;
}

static uint32_t per_output(const struct net *n, const struct fqz_layer *l)
{
	const struct fqz_tensor *x = &n->tensors[l->inputs[0]];

	if (l->kind == FQZ_CONV)
		return x->c / l->groups * l->kernel_h * l->kernel_w;
	return x->c * x->h * x->w;
}

/* 16-bit scales of 15 bits, biases and shifts that take the usual sum to about the output's range. */
static void fill_range(struct net *n, struct fqz_layer *l)
{
	const struct fqz_tensor *x = &n->tensors[l->inputs[0]], *y = &n->tensors[l->output];
	double area = 1, range = y->type == FQZ_S32 ? 1 << 20 : 200, sum;
	int32_t weights[FQZ_MAX_ALPHABET];
	uint32_t c;

	if (x->type == FQZ_S32)
		area = (double)n->tensors[n->layers[l->inputs[0] - 1].inputs[0]].h *
		       n->tensors[n->layers[l->inputs[0] - 1].inputs[0]].w;
	if (fqz_layer_has_weights(l))
		fqz_layer_weights(l, weights);
	for (c = 0; c < y->c; c++) {
		int16_t scale = (int16_t)(16384 + net_random(&n->seed, 16384));
		uint8_t shift = 0;

		if (y->type == FQZ_S8 && c % 3 == 0)
			scale = (int16_t)-scale;
		sum = usual_sum(l, weights, per_output(n, l), c) * 128 * area;
		while (shift < 62 && sum * abs(scale) / (double)(UINT64_C(1) << shift) > range)
			shift++;
		((int16_t *)l->scale)[c] = scale;
		((uint8_t *)l->shift)[c] = shift;
		/* Up to a quarter of the range, in units of 2^(shift - 10). */
		l->bias_shift = shift > 10 && (!c || shift - 10u < l->bias_shift) ? shift - 10u :
				c ? l->bias_shift : 0;
		((int16_t *)l->bias)[c] = (int16_t)((int32_t)net_random(&n->seed, 16384) - 4096);
	}
}

static void fill_ranges(struct net *n)
{
	uint32_t i;

	for (i = 0; i < n->img.layer_count; i++)
		if (fqz_layer_has_channels(&n->layers[i]))
			fill_range(n, &n->layers[i]);
}

static struct fqz_layer window(enum fqz_kind kind, uint32_t input, uint32_t kernel, uint32_t stride,
			       uint32_t pad, enum fqz_pool_rule rule)
{
	struct fqz_layer l = net_layer(kind, input);

	l.kernel_h = l.kernel_w = kernel;
	l.stride_h = l.stride_w = stride;
	l.pad_top = l.pad_left = l.pad_bottom = l.pad_right = pad;
	l.pool_rule = rule;
	return l;
}

static struct fqz_layer two(enum fqz_kind kind, uint32_t a, uint32_t b)
{
	struct fqz_layer l = net_layer(kind, a);

	l.input_count = 2;
	l.inputs[1] = b;
	return l;
}

/* Windows over 11 x 13 S8 elements: every rule with and without pads, in ceil mode, and halves. */
static void pools(struct net *n)
{
	struct fqz_layer l;

	net_init(n, 21, 4, 11, 13);
	net_add(n, net_layer(FQZ_AFFINE, 0), FQZ_S8, 4, 11, 13);			/* 1 */
	net_add(n, window(FQZ_AVGPOOL, 1, 3, 2, 1, FQZ_POOL_IN_BOUNDS), FQZ_S8, 4, 6, 7);
	net_add(n, window(FQZ_AVGPOOL, 1, 3, 2, 1, FQZ_POOL_PADDED), FQZ_S8, 4, 6, 7);
	net_add(n, window(FQZ_AVGPOOL, 1, 2, 2, 0, FQZ_POOL_PADDED), FQZ_S8, 4, 6, 7);	/* 4: ceil */
	net_add(n, window(FQZ_MAXPOOL, 1, 2, 2, 0, FQZ_POOL_IN_BOUNDS), FQZ_S8, 4, 6, 7);
	l = window(FQZ_AVGPOOL, 1, 3, 2, 1, FQZ_POOL_DIVISOR);
	l.divisor = 14;
	l.act_min = -20;
	l.act_max = 33;
	net_add(n, l, FQZ_S8, 4, 6, 7);							/* 6 */
	l = two(FQZ_CONCAT, 2, 3);
	l.input_count = 5;
	l.inputs[2] = 4;
	l.inputs[3] = 5;
	l.inputs[4] = 6;
	net_add(n, l, FQZ_S8, 20, 6, 7);						/* 7 */
	net_add(n, window(FQZ_AVGPOOL, 7, 4, 3, 1, FQZ_POOL_IN_BOUNDS), FQZ_S8, 20, 2, 3);
	l = two(FQZ_ADD, 8, 8);
	l.add_scale[0] = 3;
	l.add_scale[1] = 2;
	l.out_shift = 3;
	net_add(n, l, FQZ_S8, 20, 2, 3);						/* 9: eighths */
	net_add(n, net_fc(9, FQZ_RECENTRALIZED, 6), FQZ_U8, 12, 1, 1);
	net_add(n, net_conv(10, 1, 1, 0, FQZ_SHIFT, 5), FQZ_S8, 9, 1, 1);
	fill_ranges(n);
}

/* Convolutions of every form, U8 and S8, a residual addition, the mean of all pixels, a classifier. */
static void convs(struct net *n)
{
	static const char *classes[] = { "a", "b", "c", "d", "e", "f", "g" };
	struct fqz_layer l;

	net_init(n, 22, 3, 17, 15);
	n->img.classes = classes;
	n->img.class_count = 7;
	l = net_conv(0, 3, 2, 1, FQZ_RECENTRALIZED, 5);
	net_add(n, l, FQZ_U8, 8, 9, 8);							/* 1 */
	l = net_conv(1, 3, 1, 1, FQZ_SHIFT, 4);
	l.groups = 8;
	net_add(n, l, FQZ_S8, 8, 9, 8);							/* 2: depthwise */
	l = net_conv(2, 3, 1, 2, FQZ_SHIFT, 6);
	l.dilation_h = l.dilation_w = 2;
	l.groups = 2;
	l.act_min = 10;
	l.act_max = 200;
	net_add(n, l, FQZ_U8, 8, 9, 8);							/* 3: dilated, clamped */
	l = two(FQZ_ADD, 1, 3);
	l.add_scale[0] = 12345;
	l.add_scale[1] = 4321;
	l.out_shift = 14;
	net_add(n, l, FQZ_U8, 8, 9, 8);							/* 4 */
	l = net_conv(4, 5, 3, 0, FQZ_RECENTRALIZED, 8);
	l.kernel_w = 2;
	l.pad_left = 1;
	l.stride_w = 2;
	net_add(n, l, FQZ_U8, 24, 2, 4);						/* 5 */
	net_add(n, net_layer(FQZ_SUMPOOL, 5), FQZ_S32, 24, 1, 1);			/* 6 */
	net_add(n, net_fc(6, FQZ_SHIFT, 8), FQZ_S32, 7, 1, 1);
	fill_ranges(n);
}

/* Inputs that are often 0, and biases of 2.5, 4.5 ...: the card rounds them up, half to even is down. */
static void halves(struct net *n)
{
	struct fqz_layer l = net_conv(1, 1, 1, 0, FQZ_SHIFT, 5), *affine, *conv;
	uint32_t c;

	net_init(n, 24, 6, 8, 8);
	net_add(n, net_layer(FQZ_AFFINE, 0), FQZ_U8, 6, 8, 8);
	l.groups = 6;
	net_add(n, l, FQZ_S8, 6, 8, 8);
	net_add(n, net_fc(2, FQZ_SHIFT, 5), FQZ_S32, 4, 1, 1);
	fill_ranges(n);
	affine = &n->layers[0];
	conv = &n->layers[1];
	affine->bias_shift = 13;
	conv->bias_shift = 20;
	for (c = 0; c < 6; c++) {
		/* 2 x - 256 */
		((int16_t *)affine->scale)[c] = 1 << 14;
		((int16_t *)affine->bias)[c] = -256;
		((uint8_t *)affine->shift)[c] = 13;
		/* About 64 x / 1000, alternately negative. */
		((uint8_t *)conv->symbols)[c] = (uint8_t)(13 + c % 2);
		((int16_t *)conv->scale)[c] = (int16_t)(20001 + 2 * c);
		((int16_t *)conv->bias)[c] = (int16_t)(16 * (2 * c + 2) + 8);
		((uint8_t *)conv->shift)[c] = 24;
	}
}

static void kinds(struct net *n)
{
	net_every_kind(n);
	fill_ranges(n);
}

/* Every mode and width side by side on the picture, which is none: it has 5 channels. */
static void widths(struct net *n)
{
	struct fqz_layer l[2] = { two(FQZ_CONCAT, 1, 2), two(FQZ_CONCAT, 7, 8) };
	uint32_t i;

	net_init(n, 23, 5, 6, 6);
	for (i = 0; i < 12; i++)
		net_add(n, net_conv(0, 3, 1, 1, i < 6 ? FQZ_SHIFT : FQZ_RECENTRALIZED, 3 + i % 6),
			FQZ_U8, 4, 6, 6);
	for (i = 0; i < 12; i++) {
		n->tensors[1 + i].scale = 0.03f;
		l[i / 6].inputs[i % 6] = 1 + i;
	}
	for (i = 0; i < 2; i++) {
		l[i].input_count = 6;
		net_add(n, l[i], FQZ_U8, 24, 6, 6);
	}
	net_add(n, two(FQZ_CONCAT, 13, 14), FQZ_U8, 48, 6, 6);
	net_add(n, net_fc(15, FQZ_SHIFT, 5), FQZ_S32, 3, 1, 1);
	fill_ranges(n);
}

/* Weights in real values are 2^200 of the image's. */
static void beyond(struct net *n)
{
	net_widths(n);
	n->tensors[3].scale = 0x1p-100f;
	n->tensors[4].scale = 0x1p100f;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fill)(struct net *n);
	} nets[] = {
		{ "kinds", kinds }, { "widths", widths }, { "pools", pools }, { "convs", convs },
		{ "halves", halves }, { "beyond", beyond },
	};
	char path[4096], err[512];
	uint8_t *image;
	size_t len, i;

	if (argc != 2) {
		fputs("usage: make_nets FOLDER\n", stderr);
		return 2;
	}
	for (i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		image = net_build(nets[i].fill, &len);
		snprintf(path, sizeof(path), "%s/%s.fqz", argv[1], nets[i].name);
		if (file_write(path, image, len, err, sizeof(err))) {
			fprintf(stderr, "make_nets: %s\n", err);
			return 1;
		}
		free(image);
	}
	return 0;
}
