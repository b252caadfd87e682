// SPDX-License-Identifier: MIT
/*
 * Networks of many shapes from ONNX to the card: each is imported, quantized, written,
 * run on the soft card, and compared with the float network and with the float
 * execution of the image.
 */
#include <errno.h>
#include <math.h>

#include "fqaccel.h"
#include "net/exec.h"
#include "net/fqz_float.h"
#include "net/image_make.h"
#include "net/onnx.h"
#include "net/rng.h"
#include "onnx_build.h"
#include "tap.h"

#define PICTURES	24

static struct net_error err;
static uint64_t stream;

static void weights(struct onnx_build *b, const char *name, int o, int i, int kh, int kw)
{
	size_t n = (size_t)(o * i * kh * kw), k;
	float *w = onnx_build_alloc(b, n * sizeof(*w));

	stream++;
	for (k = 0; k < n; k++)
		w[k] = (float)((2 * rng_uniform(31, stream, k) - 1) * 2 / sqrt(i * kh * kw));
	onnx_build_floats(b, name, w, o, i, kh, kw, -1);
}

static void vector(struct onnx_build *b, const char *name, int n, float lo, float hi)
{
	float v[64];
	int k;

	stream++;
	for (k = 0; k < n; k++)
		v[k] = lo + (hi - lo) * (float)rng_uniform(31, stream, (uint64_t)k);
	onnx_build_floats(b, name, v, n, -1);
}

static Onnx__NodeProto *conv(struct onnx_build *b, const char *out, const char *in, const char *w,
			     int pad)
{
	Onnx__NodeProto *n = onnx_build_node(b, "Conv", out, in, w, NULL);
	const int64_t pads[] = { pad, pad, pad, pad };

	onnx_attr_ints_set(b, n, "pads", 4, pads);
	return n;
}

static void pool(struct onnx_build *b, const char *op, const char *out, const char *in, int k,
		 int stride)
{
	Onnx__NodeProto *n = onnx_build_node(b, op, out, in, NULL);

	onnx_attr_ints_set(b, n, "kernel_shape", 2, (const int64_t[]){ k, k });
	onnx_attr_ints_set(b, n, "strides", 2, (const int64_t[]){ stride, stride });
}

/* A map of classes rather than a list: 32-bit output of several rows. */
static struct onnx_build *segmentation(void)
{
	struct onnx_build *b = onnx_build_new(1, 3, 10, 14);

	weights(b, "w1", 8, 3, 3, 3);
	weights(b, "w2", 4, 8, 1, 1);
	conv(b, "a", "x", "w1", 1);
	onnx_build_node(b, "Relu", "r", "a", NULL);
	conv(b, "y", "r", "w2", 0);
	return b;
}

/* LeNet: gray pictures, no padding, two fully connected layers over a flattened map. */
static struct onnx_build *lenet(void)
{
	struct onnx_build *b = onnx_build_new(0, 1, 12, 12);

	weights(b, "w1", 6, 1, 5, 5);
	weights(b, "w2", 8, 6, 3, 3);
	conv(b, "a", "x", "w1", 0);
	pool(b, "MaxPool", "p", "a", 2, 2);
	onnx_build_node(b, "Relu", "r", "p", NULL);
	conv(b, "c", "r", "w2", 0);
	onnx_build_node(b, "Relu", "s", "c", NULL);
	onnx_build_node(b, "Flatten", "f", "s", NULL);
	vector(b, "fc1", 32, -0.5f, 0.5f);
	onnx_build_ints(b, "shape", 2, (const int64_t[]){ 1, 32 });
	onnx_build_node(b, "Reshape", "w3", "fc1", "shape", NULL);
	onnx_attr_int_set(b, onnx_build_node(b, "Gemm", "g", "f", "w3", NULL), "transB", 1);
	onnx_build_node(b, "Relu", "h", "g", NULL);
	vector(b, "fc2", 5, -1, 1);
	onnx_build_ints(b, "row", 2, (const int64_t[]){ 1, 5 });
	onnx_build_node(b, "Reshape", "w4", "fc2", "row", NULL);
	onnx_build_node(b, "MatMul", "y", "h", "w4", NULL);
	return b;
}

/* Pools of all kinds; the output is 8 bits. */
static struct onnx_build *pools(void)
{
	struct onnx_build *b = onnx_build_new(1, 3, 13, 13);
	Onnx__NodeProto *n;

	weights(b, "w1", 6, 3, 3, 3);
	pool(b, "MaxPool", "p", "x", 3, 1);
	conv(b, "a", "p", "w1", 0);
	n = onnx_build_node(b, "AveragePool", "q", "a", NULL);
	onnx_attr_ints_set(b, n, "kernel_shape", 2, (const int64_t[]){ 3, 3 });
	onnx_attr_ints_set(b, n, "strides", 2, (const int64_t[]){ 2, 2 });
	onnx_attr_ints_set(b, n, "pads", 4, (const int64_t[]){ 1, 1, 1, 1 });
	onnx_attr_int_set(b, n, "count_include_pad", 1);
	pool(b, "AveragePool", "y", "q", 2, 1);
	return b;
}

/* Pre-activation residual: batch normalization and ReLU on their own, output from an Add. */
static struct onnx_build *preactivation(void)
{
	struct onnx_build *b = onnx_build_new(1, 3, 8, 8);

	weights(b, "w1", 8, 3, 3, 3);
	weights(b, "w2", 8, 8, 3, 3);
	vector(b, "s", 8, 0.5f, 1.5f);
	vector(b, "t", 8, -0.3f, 0.3f);
	vector(b, "m", 8, -0.3f, 0.3f);
	vector(b, "v", 8, 0.5f, 1.5f);
	conv(b, "a", "x", "w1", 1);
	onnx_build_node(b, "BatchNormalization", "n", "a", "s", "t", "m", "v", NULL);
	onnx_build_node(b, "Relu", "r", "n", NULL);
	conv(b, "c", "r", "w2", 1);
	onnx_build_node(b, "Add", "y", "c", "a", NULL);
	return b;
}

/* A global pool in the middle, read by an Add too; concatenated signed and unsigned values. */
static struct onnx_build *mixed(void)
{
	struct onnx_build *b = onnx_build_new(1, 3, 8, 8);
	Onnx__NodeProto *n;

	weights(b, "w1", 4, 3, 3, 3);
	weights(b, "w2", 4, 3, 3, 3);
	weights(b, "w3", 8, 8, 1, 1);
	weights(b, "w4", 6, 8, 1, 1);
	conv(b, "a", "x", "w1", 1);
	conv(b, "c", "x", "w2", 1);
	onnx_build_node(b, "Relu", "r", "c", NULL);
	n = onnx_build_node(b, "Concat", "k", "a", "r", NULL);
	onnx_attr_int_set(b, n, "axis", 1);
	onnx_build_node(b, "GlobalAveragePool", "g", "k", NULL);
	conv(b, "e", "g", "w3", 0);
	onnx_build_node(b, "Add", "h", "e", "g", NULL);
	conv(b, "y", "h", "w4", 0);
	return b;
}

/* Dilated, grouped, ReLU6, asymmetric padding. */
static struct onnx_build *grouped(void)
{
	struct onnx_build *b = onnx_build_new(1, 3, 11, 9);
	Onnx__NodeProto *n;

	weights(b, "w1", 6, 3, 3, 3);
	weights(b, "w2", 9, 2, 3, 2);
	weights(b, "w3", 7, 9, 1, 1);
	onnx_build_floats(b, "zero", (const float[]){ 0 }, -1);
	onnx_build_floats(b, "six", (const float[]){ 1.2f }, -1);
	n = onnx_build_node(b, "Conv", "a", "x", "w1", NULL);
	onnx_attr_ints_set(b, n, "dilations", 2, (const int64_t[]){ 2, 1 });
	onnx_attr_ints_set(b, n, "pads", 4, (const int64_t[]){ 1, 0, 2, 1 });
	onnx_build_node(b, "Clip", "r", "a", "zero", "six", NULL);
	n = onnx_build_node(b, "Conv", "c", "r", "w2", NULL);
	onnx_attr_int_set(b, n, "group", 3);
	onnx_attr_ints_set(b, n, "strides", 2, (const int64_t[]){ 2, 1 });
	onnx_build_node(b, "Clip", "s", "c", "zero", "six", NULL);
	conv(b, "d", "s", "w3", 0);
	onnx_build_node(b, "GlobalAveragePool", "y", "d", NULL);
	return b;
}

struct result {
	double card_to_float;	/* dB, card against the float execution of the image */
	double card_to_net;	/* and against the network of the file */
};

static double decibels(double signal, double noise)
{
	return noise > 0 ? 10 * log10(signal / noise) : 99;
}

/* Both comparisons over all pictures, less each output's mean. */
static int compare_card(const void *image, size_t len, const struct net *net, const uint8_t *pixels,
		   struct result *r)
{
	double signal = 0, noise[2] = { 0, 0 };
	struct fqaccel_card *card = NULL;
	struct fqaccel_model *model = NULL;
	struct fqaccel_model_info info;
	struct net_state *s = net_state_create(net);
	struct fqz_image *img = NULL;
	struct netf *f = NULL;
	size_t n = net_tensor_elements(&net->tensors[0]), i, p, out;
	float *y;
	int32_t *raw;
	int rc;

	rc = fqaccel_card_open("soft", &card) || fqaccel_model_load(card, image, len, &model) ||
	     fqaccel_model_info(model, &info, sizeof(info)) ||
	     fqz_image_open(image, len, &img, NULL) || netf_open(img, &f, &err);
	if (rc || !s) {
		diag("%s", fqaccel_error());
		return -1;
	}
	out = net_tensor_elements(&net->tensors[net->output]);
	y = malloc(out * sizeof(*y));
	raw = malloc(out * sizeof(*raw));
	for (p = 0; p < PICTURES; p++) {
		rc |= fqaccel_infer(model, pixels + p * n, raw, 1);
		rc |= netf_run(f, pixels + p * n, y);
		for (i = 0; i < n; i++)
			s->tensors[0][i] = (float)pixels[p * n + i] / 255;
		rc |= net_state_run(s);
		for (i = 0; i < out; i++) {
			double v = info.output.type == FQACCEL_S32 ? raw[i] :
				   info.output.type == FQACCEL_S8 ? ((int8_t *)raw)[i] :
				   ((uint8_t *)raw)[i];
			double want = s->tensors[net->output][i];

			v *= (double)info.output.scale;
			signal += want * want;
			noise[0] += (v - (double)y[i]) * (v - (double)y[i]);
			noise[1] += (v - want) * (v - want);
		}
	}
	r->card_to_float = decibels(signal, noise[0]);
	r->card_to_net = decibels(signal, noise[1]);
	free(y);
	free(raw);
	net_state_destroy(s);
	netf_close(f);
	fqz_image_close(img);
	fqaccel_model_close(model);
	fqaccel_card_close(card);
	return rc;
}

static void run(const char *what, struct onnx_build *b)
{
	struct quantize_options o = { .feedback = true };
	struct image_info info = { .normal.std = { 1, 1, 1 }, .color = FQZ_NOT_A_PICTURE,
				   .encoder = "test", .options = "", .source = "test" };
	struct calib_set set = { PICTURES, NULL, 1.0f / 255 };
	struct result r = { 0, 0 };
	struct qnet *q = NULL;
	struct net *net;
	char text[256] = "";
	uint8_t *pixels;
	const uint8_t *data;
	void *image = NULL;
	size_t len, n, i;

	data = onnx_build_pack(b, "y", &len);
	if (!ok(!onnx_import_memory(data, len, &net, &err), "%s: imported", what)) {
		diag("%s", err.text);
		onnx_build_free(b);
		return;
	}
	n = net_tensor_elements(&net->tensors[0]);
	pixels = malloc(n * PICTURES);
	for (i = 0; i < n * PICTURES; i++)
		pixels[i] = (uint8_t)(128 + 80 * sin((double)i / 7 + (double)(i / n)) +
				      47 * rng_uniform(32, 0, i));
	set.pixels = pixels;
	o.weights = (struct quant_options){ .bits = 8, .by_error = true, .threads = 2 };
	ok(!quantize_network(net, &set, &o, &q, &err), "%s: quantized", what);
	info.q = q;
	if (!ok(q && !image_make(&info, &image, &len, text, sizeof(text)), "%s: written", what))
		diag("%s%s", q ? "" : err.text, text);
	else
		ok(!compare_card(image, len, net, pixels, &r), "%s: runs on the card", what);
	ok(r.card_to_float > 28, "%s: %.1f dB to its own float execution", what, r.card_to_float);
	ok(r.card_to_net > 18, "%s: %.1f dB to the network of the file", what, r.card_to_net);
	free(image);
	free(pixels);
	qnet_destroy(q);
	net_destroy(net);
	onnx_build_free(b);
}

/* Weights are finite, what they compute is not: each layer multiplies by 10^@exponent. */
static struct onnx_build *exploding(double exponent, bool bounded)
{
	struct onnx_build *b = onnx_build_new(1, 2, 6, 6);
	const float factor[] = { (float)pow(10, exponent) };

	weights(b, "w1", 4, 2, 3, 3);
	weights(b, "w2", 3, 4, 1, 1);
	onnx_build_floats(b, "factor", factor, -1);
	onnx_build_floats(b, "top", (const float[]){ 6 }, -1);
	conv(b, "c1", "x", "w1", 1);
	onnx_build_node(b, "Mul", "m1", "c1", "factor", NULL);
	onnx_build_node(b, "Relu", "r1", "m1", NULL);
	conv(b, "c2", "r1", "w2", 0);
	onnx_build_node(b, "Mul", "y2", "c2", "factor", NULL);
	onnx_build_node(b, "Clip", "y", "y2", "", bounded ? "top" : NULL, NULL);
	return b;
}

/* Finite throughout, but each channel of c1 is @first times, each of c2 @second times a pixel. */
static struct onnx_build *scaled(float first, float second)
{
	struct onnx_build *b = onnx_build_new(1, 2, 6, 6);
	const float w1[] = { first, 0, 0, first }, w2[] = { second, second, second, -second };

	onnx_build_floats(b, "w1", w1, 2, 2, 1, 1, -1);
	onnx_build_floats(b, "w2", w2, 2, 2, 1, 1, -1);
	conv(b, "c1", "x", "w1", 0);
	onnx_build_node(b, "Relu", "r1", "c1", NULL);
	conv(b, "y", "r1", "w2", 0);
	return b;
}

/* One picture, its first channel dark. */
static int quantize(struct onnx_build *b, struct quantize_options o, struct net **net,
		    struct qnet **q)
{
	static uint8_t pixels[72];
	struct calib_set set = { 1, pixels, 1.0f / 255 };
	const uint8_t *data;
	size_t len;
	int rc;

	memset(pixels, 200, sizeof(pixels));
	memset(pixels, 1, sizeof(pixels) / 2);
	data = onnx_build_pack(b, "y", &len);
	o.weights = (struct quant_options){ .bits = 5, .separation = 2, .threads = 1 };
	rc = onnx_import_memory(data, len, net, &err);
	return rc ? rc : quantize_network(*net, &set, &o, q, &err);
}

static void refuses(const char *what, struct onnx_build *b, struct quantize_options o,
		    const char *text)
{
	struct qnet *q = NULL;
	struct net *net = NULL;
	int rc = quantize(b, o, &net, &q);

	if (!ok(rc == -EINVAL && !q && strstr(err.text, text), "%s", what))
		diag("returned %d: %s", rc, err.text);
	qnet_destroy(q);
	net_destroy(net);
	onnx_build_free(b);
}

/* No scale may be one that nothing can be divided by. */
static void takes_tiny(const char *what, struct onnx_build *b, bool feedback)
{
	struct qnet *q = NULL;
	struct net *net = NULL;
	int rc = quantize(b, (struct quantize_options){ .feedback = feedback }, &net, &q), normal = 0;
	uint32_t t;

	for (t = 0; q && t < net->tensor_count; t++)
		normal += isnormal(q->tensors[t].scale);
	if (!ok(!rc && normal == 3, "%s", what))
		diag("returned %d, %d scales: %s", rc, normal, err.text);
	qnet_destroy(q);
	net_destroy(net);
	onnx_build_free(b);
}

static void test_extremes(void)
{
	const struct quantize_options nearest = { 0 }, feedback = { .feedback = true };
	const struct quantize_options prune = { .feedback = true, .sparsity = 0.5,
						.prune = QUANTIZE_PRUNE_FEEDBACK,
						.prune_network = true };

	refuses("infinite outputs are refused", exploding(30, false), feedback,
		"layer 'c2': its values are infinite");
	refuses("with nearest rounding too", exploding(30, false), nearest,
		"layer 'c2': its values are infinite");
	refuses("even where a bound hides them", exploding(30, true), feedback,
		"layer 'c2': its values are infinite");
	refuses("and what scaling channels makes infinite", scaled(3e38f, 1e-37f), feedback,
		"layer 'c1': its values are infinite");
	refuses("values without squares have no moments", scaled(1e25f, 1e-25f), prune,
		"layer 'y': products of its inputs are beyond single precision");
	takes_tiny("values of 1e-44 are as good as 0", scaled(1e-44f, 1e-20f), true);
	takes_tiny("with nearest rounding too", scaled(1e-44f, 1e-20f), false);
}

int main(void)
{
	run("class map", segmentation());
	run("LeNet", lenet());
	run("pools", pools());
	run("pre-activation", preactivation());
	run("mixed", mixed());
	run("grouped", grouped());
	run("large values", exploding(10, false));
	test_extremes();
	return tap_done();
}
