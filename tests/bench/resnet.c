// SPDX-License-Identifier: MIT
#include "resnet.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/quant.h"

#define ROOM	128	/* layers, more than ResNet-50 has */

static double uniform(struct resnet *r)
{
	uint64_t z = r->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* |w| of a standard normal below which that share of weights lies. */
static double threshold(double share)
{
	double low = 0, high = 10, middle;

	while (high - low > 1e-12) {
		middle = (low + high) / 2;
		if (erf(middle / sqrt(2)) < share)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void draw(struct resnet *r, float *w, size_t count)
{
	double cut = threshold(r->sparsity);
	size_t i;

	for (i = 0; i < count; i++) {
		double v = sqrt(-2 * log(1 - uniform(r))) * cos(2 * M_PI * uniform(r));

		w[i] = fabs(v) < cut ? 0 : (float)v;
	}
}

static int fill_weights(struct resnet *r, struct fqz_layer *l, size_t outputs, size_t sum)
{
	struct quant_options o = { .bits = 5, .mode = QUANT_AUTO, .separation = 2, .threads = 2 };
	float *w = malloc(outputs * sum * sizeof(*w));
	struct quant_weights q;
	int ret;

	if (!w)
		return -ENOMEM;
	draw(r, w, outputs * sum);
	ret = quant_nearest(w, outputs, sum, l->output, &o, &q);
	if (!ret) {
		l->mode = q.alphabet.mode;
		l->bits = q.alphabet.bits;
		l->exponent_count = q.alphabet.exponent_count;
		l->first_exponent = q.alphabet.first_exponent;
		l->mean_neg = q.alphabet.mean_neg;
		l->mean_pos = q.alphabet.mean_pos;
		l->symbols = q.symbols;
		q.symbols = NULL;
	}
	quant_weights_free(&q);
	free(w);
	return ret;
}

/* Random channel parameters: their bytes are not compressed, but they count. */
static int fill_channels(struct resnet *r, struct fqz_layer *l, size_t count)
{
	int16_t *scale = malloc(count * sizeof(*scale)), *bias = malloc(count * sizeof(*bias));
	uint8_t *shift = malloc(count);
	size_t i;

	l->scale = scale;
	l->bias = bias;
	l->shift = shift;
	if (!scale || !bias || !shift)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		scale[i] = (int16_t)(16384 + uniform(r) * 16383);
		bias[i] = (int16_t)(uniform(r) * 1000);
		shift[i] = 30;
	}
	return 0;
}

/* Adds a layer whose input is @input; the tensor that it writes, or a negative errno. */
static int add(struct resnet *r, struct fqz_layer l, int input, enum fqz_type type, uint32_t c,
	       uint32_t size)
{
	struct fqz_image *img = &r->img;
	const struct fqz_tensor *in;
	struct fqz_layer *to;
	int ret = 0;

	if (input < 0 || img->layer_count == r->room)
		return input < 0 ? input : -ENOSPC;
	in = &img->tensors[input];
	l.inputs[0] = (uint32_t)input;
	l.input_count = l.kind == FQZ_ADD ? 2 : 1;
	l.output = img->tensor_count;
	if (l.kind != FQZ_MAXPOOL) {
		l.act_min = type == FQZ_U8 ? 0 : type == FQZ_S8 ? -128 : INT32_MIN;
		l.act_max = type == FQZ_U8 ? 255 : type == FQZ_S8 ? 127 : INT32_MAX;
	}
	img->tensors[img->tensor_count++] = (struct fqz_tensor){ .type = type, .c = c, .h = size,
								  .w = size, .scale = 1 };
	to = &img->layers[img->layer_count++];
	*to = l;
	if (fqz_layer_has_weights(to))
		ret = fill_weights(r, to, c, (size_t)in->c * (l.kind == FQZ_FC ? in->h * in->w :
							      l.kernel_h * l.kernel_w));
	if (!ret && fqz_layer_has_channels(to))
		ret = fill_channels(r, to, c);
	return ret ? ret : (int)l.output;
}

static int conv(struct resnet *r, int input, uint32_t c, uint32_t kernel, uint32_t stride,
		enum fqz_type type)
{
	uint32_t pad = kernel / 2, size;
	struct fqz_layer l = { .kind = FQZ_CONV, .kernel_h = kernel, .kernel_w = kernel,
			       .stride_h = stride, .stride_w = stride, .dilation_h = 1,
			       .dilation_w = 1, .groups = 1, .pad_top = pad, .pad_left = pad,
			       .pad_bottom = pad, .pad_right = pad };

	if (input < 0)
		return input;
	size = (r->img.tensors[input].h + 2 * pad - kernel) / stride + 1;
	return add(r, l, input, type, c, size);
}

/* Two or three convolutions and what goes around them. */
static int block(struct resnet *r, int input, uint32_t width, uint32_t c, uint32_t stride,
		 bool bottleneck)
{
	struct fqz_layer sum = { .kind = FQZ_ADD, .add_scale = { 16384, 16384 }, .out_shift = 15 };
	int x = input, around = input;

	if (bottleneck)
		x = conv(r, x, width, 1, 1, FQZ_U8);
	x = conv(r, x, width, 3, bottleneck || stride > 1 ? stride : 1, FQZ_U8);
	x = bottleneck ? conv(r, x, c, 1, 1, FQZ_S8) : conv(r, x, c, 3, 1, FQZ_S8);
	if (x < 0)
		return x;
	if (stride > 1 || r->img.tensors[input].c != c)
		around = conv(r, input, c, 1, stride, FQZ_S8);
	if (around < 0)
		return around;
	sum.inputs[1] = (uint32_t)around;
	return add(r, sum, x, FQZ_U8, c, r->img.tensors[x].h);
}

static int build(struct resnet *r, unsigned int depth, bool classifier)
{
	static const unsigned int counts[2][4] = { { 2, 2, 2, 2 }, { 3, 4, 6, 3 } };
	struct fqz_layer pool = { .kind = FQZ_MAXPOOL, .kernel_h = 3, .kernel_w = 3, .stride_h = 2,
				  .stride_w = 2, .pad_top = 1, .pad_left = 1, .pad_bottom = 1,
				  .pad_right = 1 };
	struct fqz_layer all = { .kind = FQZ_SUMPOOL }, fc = { .kind = FQZ_FC };
	bool bottleneck = depth == 50;
	unsigned int stage, i;
	int x;

	x = conv(r, 0, 64, 7, 2, FQZ_U8);
	x = add(r, pool, x, FQZ_U8, 64, 56);
	for (stage = 0; stage < 4; stage++)
		for (i = 0; i < counts[bottleneck][stage]; i++)
			x = block(r, x, 64u << stage, (bottleneck ? 256u : 64u) << stage,
				  stage && !i ? 2 : 1, bottleneck);
	x = add(r, all, x, FQZ_S32, bottleneck ? 2048 : 512, 1);
	if (classifier)
		x = add(r, fc, x, FQZ_S32, 1000, 1);
	return x < 0 ? x : 0;
}

int resnet_init(struct resnet *r, unsigned int depth, bool classifier, double sparsity)
{
	unsigned int i;

	memset(r, 0, sizeof(*r));
	r->room = ROOM;
	r->sparsity = sparsity;
	r->seed = depth;
	r->img.tensors = calloc(ROOM + 1, sizeof(*r->img.tensors));
	r->img.layers = calloc(ROOM, sizeof(*r->img.layers));
	if (!r->img.tensors || !r->img.layers)
		return -ENOMEM;
	r->img.tensors[0] = (struct fqz_tensor){ .type = FQZ_U8, .c = 3, .h = 224, .w = 224,
						  .scale = 1 };
	r->img.tensor_count = 1;
	for (i = 0; i < 3; i++)
		r->img.std[i] = 1;
	return build(r, depth, classifier);
}

void resnet_free(struct resnet *r)
{
	unsigned int i;

	for (i = 0; i < r->img.layer_count; i++) {
		free((void *)r->img.layers[i].scale);
		free((void *)r->img.layers[i].bias);
		free((void *)r->img.layers[i].shift);
		free((void *)r->img.layers[i].symbols);
	}
	free(r->img.layers);
	free(r->img.tensors);
}
