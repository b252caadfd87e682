// SPDX-License-Identifier: MIT
/*
 * Error feedback against nearest rounding on correlated inputs, and the whole
 * quantizer on a small network: the same bits for any number of threads, and
 * close to what the float network computes.
 */
#include <math.h>

#include "net/calib.h"
#include "net/equalize.h"
#include "net/gram.h"
#include "net/quantize.h"
#include "net/rng.h"
#include "quant_net.h"
#include "tap.h"

#define INPUTS		48
#define OUTPUTS		24
#define PICTURES	40
#define SIDE		8

/* A layer of @inputs channels over 8 x 8 pictures whose channels are mixtures of a few. */
struct fixture {
	struct net *net;
	uint8_t *pixels;
	float *w;
};

static void correlated_pixels(uint8_t *p)
{
	size_t picture, c, i, k, area = SIDE * SIDE;

	for (picture = 0; picture < PICTURES; picture++)
		for (c = 0; c < INPUTS; c++)
			for (i = 0; i < area; i++) {
				double v = 0;

				for (k = 0; k < 8; k++)
					v += rng_uniform(22, c, k) *
					     rng_uniform(23, picture * area + i, k);
				*p++ = (uint8_t)(v * 60 +
						 8 * rng_uniform(24, c, picture * area + i));
			}
}

static void input_of(void *arg, size_t picture, float *x)
{
	const uint8_t *p = (const uint8_t *)arg + picture * INPUTS * SIDE * SIDE;
	size_t i;

	for (i = 0; i < INPUTS * SIDE * SIDE; i++)
		x[i] = p[i];
}

static struct net_error err;

/* @groups 1: pointwise; otherwise depthwise 3 x 3 */
static void fixture_open(struct fixture *f, uint32_t groups)
{
	uint32_t outputs = groups > 1 ? INPUTS : OUTPUTS, k = groups > 1 ? 3 : 1;
	struct net_layer l;

	f->net = net_create();
	f->pixels = malloc(PICTURES * INPUTS * SIDE * SIDE);
	correlated_pixels(f->pixels);
	net_add_tensor(f->net, "x", INPUTS, SIDE, SIDE, &err);
	net_add_tensor(f->net, "y", outputs, SIDE, SIDE, &err);
	net_layer_init(&l, NET_CONV);
	l.name = (char *)"layer";
	l.kernel_h = l.kernel_w = k;
	l.pad_top = l.pad_left = l.pad_bottom = l.pad_right = k / 2;
	l.groups = groups;
	l.in_count = 1;
	l.out = 1;
	l.weight = f->w = quant_net_fill((size_t)outputs * INPUTS / groups * k * k, 1, 0.5f);
	l.bias = quant_net_fill(outputs, 2, 0.1f);
	net_add_layer(f->net, &l, &err);
	f->net->output = 1;
}

static void fixture_close(struct fixture *f)
{
	net_destroy(f->net);
	free(f->pixels);
}

/* Squared output error of quantized weights over all pictures, relative to the output. */
static double output_error(const struct fixture *f, const struct quant_weights *q)
{
	const struct net_layer *l = &f->net->layers[0];
	size_t n = net_layer_weights(f->net, l), sum = net_layer_sum(f->net, l), i, p;
	size_t out = net_tensor_elements(&f->net->tensors[1]);
	float *w = malloc(n * sizeof(float)), *x = malloc(INPUTS * SIDE * SIDE * sizeof(float));
	float *y = malloc(out * sizeof(float)), *z = malloc(out * sizeof(float));
	struct net_work work = { 0 };
	double error = 0, signal = 0;

	for (i = 0; i < n; i++)
		w[i] = (float)q->alphabet.weight[q->symbols[i]] * q->scale[i / sum];
	for (p = 0; p < PICTURES; p++) {
		input_of(f->pixels, p, x);
		net_layer_sums(f->net, l, l->weight, x, y, &work);
		net_layer_sums(f->net, l, w, x, z, &work);
		for (i = 0; i < out; i++) {
			error += (double)(y[i] - z[i]) * (y[i] - z[i]);
			signal += (double)y[i] * y[i];
		}
	}
	net_work_free(&work);
	free(w);
	free(x);
	free(y);
	free(z);
	return error / signal;
}

static void test_layer(uint32_t groups, const char *what)
{
	struct quant_options o = { .bits = 5, .mode = QUANT_SHIFT, .separation = 2, .seed = 1,
				   .threads = 2 };
	struct quant_weights nearest = { 0 }, feedback = { 0 }, best = { 0 };
	struct fixture f;
	struct gram g;
	struct gram_source source = { PICTURES, input_of, NULL, false, NULL };
	double en, ef, eb;
	size_t sum, outputs;

	fixture_open(&f, groups);
	source.arg = f.pixels;
	sum = net_layer_sum(f.net, &f.net->layers[0]);
	outputs = f.net->tensors[1].c;
	ok(!gram_compute(f.net, &f.net->layers[0], 0, &source, 1, 2, &g) &&
	   !quant_nearest(f.w, outputs, sum, 0, &o, &nearest) &&
	   !quant_feedback(f.w, f.w, 0, outputs, sum, &g, &o, &feedback), "%s: both roundings run", what);
	en = output_error(&f, &nearest);
	ef = output_error(&f, &feedback);
	ok(ef < (groups > 1 ? 0.7 : 0.25) * en,
	   "%s: feedback lowers the output error, %.2e to %.2e", what, en, ef);
	o.mode = QUANT_AUTO;
	o.by_error = true;
	ok(!quant_feedback(f.w, f.w, 0, outputs, sum, &g, &o, &best), "%s: the better mode", what);
	eb = output_error(&f, &best);
	ok(eb < 1.1 * ef, "%s: is no worse than shift, %.2e", what, eb);
	quant_weights_free(&nearest);
	quant_weights_free(&feedback);
	quant_weights_free(&best);
	gram_free(&g);
	fixture_close(&f);
}

/* The matrix is the plain sum over all positions when all are taken. */
static void test_gram(void)
{
	struct gram_source source = { 4, input_of, NULL, false, NULL };
	struct fixture f;
	struct gram one, three;
	double worst = 0;
	size_t r, c, p, i;
	float *x = malloc(INPUTS * SIDE * SIDE * sizeof(float));

	fixture_open(&f, 1);
	source.arg = f.pixels;
	ok(!gram_compute(f.net, &f.net->layers[0], 0, &source, 1, 1, &one) &&
	   !gram_compute(f.net, &f.net->layers[0], 0, &source, 1, 3, &three), "Gram matrices");
	is_int(memcmp(one.matrix, three.matrix, INPUTS * INPUTS * sizeof(double)), 0,
	       "are the same from 1 thread and from 3");
	for (r = 0; r < INPUTS; r++)
		for (c = 0; c < INPUTS; c++) {
			double want = 0;

			for (p = 0; p < 4; p++) {
				input_of(f.pixels, p, x);
				for (i = 0; i < SIDE * SIDE; i++)
					want += (double)x[r * SIDE * SIDE + i] *
						x[c * SIDE * SIDE + i];
			}
			worst = fmax(worst, fabs(one.matrix[r * INPUTS + c] / want - 1));
		}
	ok(worst < 1e-5, "and sum x x^T: %g", worst);
	free(x);
	gram_free(&one);
	gram_free(&three);
	fixture_close(&f);
}

static struct qnet *quantize(struct net *n, const struct calib_set *set, unsigned int threads,
			     bool feedback, unsigned int bits)
{
	struct quantize_options o = { .feedback = feedback };
	struct qnet *q = NULL;

	o.weights = (struct quant_options){ .bits = bits, .separation = 2, .seed = 5,
					    .by_error = true, .threads = threads };
	if (quantize_network(n, set, &o, &q, &err))
		diag("%s", err.text);
	return q;
}

static void test_network(void)
{
	struct calib_set set = quant_net_pictures(QUANT_NET_PICTURES);
	struct net *n = quant_net();
	struct qnet *one, *three, *nearest, *coarse;

	one = quantize(n, &set, 1, true, 6);
	three = quantize(n, &set, 3, true, 6);
	nearest = quantize(n, &set, 2, false, 6);
	coarse = quantize(n, &set, 2, true, 3);
	if (!one || !three || !nearest || !coarse)
		bail("the small network is not quantized");
	ok(quant_net_same(one, three), "a network's bits are the same from 1 thread and from 3");
	ok(!quant_net_same(one, nearest), "and others with nearest rounding");
	ok(one->layers[7].snr > 18, "its output is close to the float one: %.1f dB",
	   one->layers[7].snr);
	ok(one->layers[7].snr > nearest->layers[7].snr + 3,
	   "closer than with nearest rounding: %.1f dB", nearest->layers[7].snr);
	ok(one->layers[7].snr > coarse->layers[7].snr + 3, "and than with 3 bits: %.1f dB",
	   coarse->layers[7].snr);
	ok(one->tensors[1].type == FQZ_U8 && one->tensors[3].type == FQZ_S8 &&
	   one->tensors[8].type == FQZ_S32 && one->tensors[7].type == FQZ_S32,
	   "ReLU makes unsigned, sums and the output are 32 bits");
	ok(one->tensors[4].scale == one->tensors[5].scale && one->tensors[1].scale ==
	   one->tensors[2].scale, "a concatenation's inputs share a scale, a pool keeps it");
	qnet_destroy(one);
	qnet_destroy(three);
	qnet_destroy(nearest);
	qnet_destroy(coarse);
	net_destroy(n);
}

/* Convolution, pool, depthwise and pointwise: equalized, they compute the same. */
static void test_equalize(void)
{
	enum { PIXELS = 3 * 8 * 8, N = 6 };
	static uint8_t pixels[N * PIXELS];
	struct calib_set set = { N, pixels, 1.0f / 255 };
	struct net *n = net_create();
	struct net_layer l;
	struct net_state *s;
	struct calib before, after;
	float want[5 * 16], spread[2] = { 0, 0 };
	double worst = 0;
	size_t i;

	for (i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(128 + 120 * quant_net_uniform(80, i));
	net_add_tensor(n, "x", 3, 8, 8, &err);
	for (i = 0; i < 4; i++) {
		static const uint32_t c[] = { 6, 6, 6, 5 };
		size_t weights;

		net_add_tensor(n, "t", c[i], i ? 4 : 8, i ? 4 : 8, &err);
		net_layer_init(&l, i == 1 ? NET_MAXPOOL : NET_CONV);
		l.in_count = 1;
		l.in[0] = (uint32_t)i;
		l.out = (uint32_t)i + 1;
		l.kernel_h = l.kernel_w = i == 1 ? 2 : i == 3 ? 1 : 3;
		l.stride_h = l.stride_w = i == 1 ? 2 : 1;
		l.pad_top = l.pad_left = l.pad_bottom = l.pad_right = i == 0 || i == 2;
		l.groups = i == 2 ? 6 : 1;
		l.act_min = i == 1 ? -INFINITY : 0;
		weights = c[i] * (i == 0 ? 27 : i == 2 ? 9 : 6);
		if (i != 1) {
			l.weight = quant_net_fill(weights, 81 + i, 1);
			l.bias = quant_net_fill(c[i], 91 + i, 0.2f);
		}
		net_add_layer(n, &l, &err);
	}
	n->output = 4;
	s = net_state_create(n);
	for (i = 0; i < PIXELS; i++)
		s->tensors[0][i] = (float)pixels[i] / 255;
	net_state_run(s);
	memcpy(want, s->tensors[4], sizeof(want));
	calib_run(n, &set, 2, &before);
	is_int(net_equalize(n, &before), 2, "two tensors are equalized, the output is not");
	calib_run(n, &set, 2, &after);
	net_state_run(s);
	for (i = 0; i < 5 * 16; i++)
		worst = fmax(worst, fabs(want[i] - s->tensors[4][i]));
	ok(worst < 1e-5, "the network computes the same: %g", worst);
	for (i = 0; i < 6; i++) {
		float top[2] = { before.channel_top[1][i], after.channel_top[1][i] };

		spread[0] = fmaxf(spread[0], before.ranges[1].largest[1] / top[0]);
		spread[1] = fmaxf(spread[1], after.ranges[1].largest[1] / top[1]);
	}
	ok(spread[1] < 0.9f * spread[0], "the channels' ranges are closer: %.2f, then %.2f",
	   (double)spread[0], (double)spread[1]);
	calib_free(n, &before);
	calib_free(n, &after);
	net_state_destroy(s);
	net_destroy(n);
}

/* A classifier over so many inputs that its matrix is cut into blocks. */
static void test_blocks(void)
{
	enum { CHANNELS = 65, FEW = 6 };
	static uint8_t pixels[FEW * CHANNELS * SIDE * SIDE * 2];
	struct calib_set set = { FEW, pixels, 1.0f / 255 };
	struct net *n = net_create();
	struct net_layer l;
	struct qnet *q;
	size_t i, sum = CHANNELS * SIDE * SIDE * 2;

	for (i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(128 + 120 * quant_net_uniform(70, i / 3));
	net_add_tensor(n, "x", CHANNELS, SIDE, 2 * SIDE, &err);
	net_add_tensor(n, "y", 3, 1, 1, &err);
	net_layer_init(&l, NET_FC);
	l.kernel_h = SIDE;
	l.kernel_w = 2 * SIDE;
	l.in_count = 1;
	l.out = 1;
	l.weight = quant_net_fill(3 * sum, 71, 0.1f);
	l.bias = quant_net_fill(3, 72, 0.1f);
	net_add_layer(n, &l, &err);
	n->output = 1;
	q = quantize(n, &set, 2, true, 5);
	ok(q && q->layers[0].snr > 25, "%zu inputs in blocks: %.1f dB", sum,
	   q ? q->layers[0].snr : 0);
	qnet_destroy(q);
	net_destroy(n);
}

/* Whatever a layer's shape, its matrices stay in bounds and miss no input. */
static void test_bounds(void)
{
	static const size_t shapes[][2] = {
		{ 1, 1 }, { 1, 4608 }, { 1, 4609 }, { 1, 25088 }, { 1, 1 << 20 }, { 960, 9 },
		{ 65535, 9 }, { 65535, 31 * 31 }, { 1 << 20, 64 }, { 1 << 26, 1 }, { 64, 1 << 20 },
	};
	struct gram g = { 0 };
	size_t i, n;
	int bad = 0;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		g.groups = shapes[i][0];
		g.sum = shapes[i][1];
		gram_blocks(&g);
		n = g.groups * g.blocks * g.block * g.block;
		if (n > (size_t)1 << 27 || g.blocks * g.block < g.sum ||
		    (g.blocks - 1) * g.block >= g.sum) {
			diag("%zu x %zu: %zu blocks of %zu", g.groups, g.sum, g.blocks, g.block);
			bad++;
		}
		if (g.groups == 1 && g.sum <= 4608)
			bad += g.blocks != 1;
	}
	is_int(bad, 0, "matrices of any shape are bounded, none is cut without need");
}

int main(void)
{
	test_bounds();
	test_gram();
	test_layer(1, "pointwise");
	test_layer(INPUTS, "depthwise");
	test_network();
	test_equalize();
	test_blocks();
	return tap_done();
}
