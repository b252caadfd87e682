// SPDX-License-Identifier: MIT
/*
 * Import: networks built node by node, imported, run by the float executor, and
 * compared with direct loops in double that know nothing of either.
 */
#include <math.h>

#include "net/exec.h"
#include "net/onnx.h"
#include "net/rng.h"
#include "onnx_build.h"
#include "tap.h"

#define MAX	20000

static uint64_t counter;

static float random_value(void)
{
	return (float)(2 * rng_uniform(7, 0, counter++) - 1);
}

static int random_int(int lo, int hi)
{
	return lo + (int)(rng_uniform(9, 0, counter++) * (hi - lo + 1));
}

static void random_fill(float *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = random_value();
}

static struct net *import(struct onnx_build *b, const char *output)
{
	static struct net_error err;
	struct net *net;
	const uint8_t *data;
	size_t len;

	data = onnx_build_pack(b, output, &len);
	if (onnx_import_memory(data, len, &net, &err)) {
		diag("%s", err.text);
		return NULL;
	}
	return net;
}

/* Run an imported network on @x; -1 where it was not imported or its shape is another. */
static double largest_error(struct onnx_build *b, const char *output, const float *x,
			    const double *want, size_t n)
{
	struct net *net = import(b, output);
	struct net_state *s = net ? net_state_create(net) : NULL;
	double worst = -1;
	size_t i;

	if (s && net_tensor_elements(&net->tensors[net->output]) == n) {
		memcpy(s->tensors[0], x, net_tensor_elements(&net->tensors[0]) * sizeof(float));
		worst = net_state_run(s) ? -1 : 0;
		for (i = 0; i < n; i++)
			worst = fmax(worst, fabs(s->tensors[net->output][i] - want[i]));
	}
	net_state_destroy(s);
	net_destroy(net);
	return worst;
}

struct shape {
	int c, h, w, oc, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, groups, oh, ow;
};

static void shape_finish(struct shape *s)
{
	s->oh = (s->h + s->pt + s->pb - s->dh * (s->kh - 1) - 1) / s->sh + 1;
	s->ow = (s->w + s->pl + s->pr - s->dw * (s->kw - 1) - 1) / s->sw + 1;
}

static struct shape random_shape(void)
{
	struct shape s;

	do {
		s.groups = random_int(1, 3);
		s.c = s.groups * random_int(1, 3);
		s.oc = s.groups * random_int(1, 3);
		s.h = random_int(3, 11);
		s.w = random_int(3, 11);
		s.kh = random_int(1, 4);
		s.kw = random_int(1, 4);
		s.sh = random_int(1, 3);
		s.sw = random_int(1, 3);
		s.dh = random_int(1, 2);
		s.dw = random_int(1, 2);
		s.pt = random_int(0, s.kh - 1);
		s.pb = random_int(0, s.kh - 1);
		s.pl = random_int(0, s.kw - 1);
		s.pr = random_int(0, s.kw - 1);
		shape_finish(&s);
	} while (s.h + s.pt + s.pb < s.dh * (s.kh - 1) + 1 ||
		 s.w + s.pl + s.pr < s.dw * (s.kw - 1) + 1);
	return s;
}

/* One output: @w and @x lead to the output's weights and its group's input. */
static double direct_sum(const struct shape *s, const float *x, const float *w, int i, int j)
{
	double sum = 0;
	int c, p, q;

	for (c = 0; c < s->c / s->groups; c++)
		for (p = 0; p < s->kh; p++)
			for (q = 0; q < s->kw; q++, w++) {
				int iy = i * s->sh + p * s->dh - s->pt;
				int ix = j * s->sw + q * s->dw - s->pl;

				if (iy >= 0 && ix >= 0 && iy < s->h && ix < s->w)
					sum += (double)*w * x[(c * s->h + iy) * s->w + ix];
			}
	return sum;
}

static void direct_conv(const struct shape *s, const float *x, const float *w, const float *b,
			double *y)
{
	int ci = s->c / s->groups, co = s->oc / s->groups, o, i, j;

	for (o = 0; o < s->oc; o++)
		for (i = 0; i < s->oh; i++)
			for (j = 0; j < s->ow; j++)
				*y++ = (b ? b[o] : 0) +
				       direct_sum(s, x + o / co * ci * s->h * s->w,
						  w + o * ci * s->kh * s->kw, i, j);
}

static Onnx__NodeProto *conv_node(struct onnx_build *b, const struct shape *s, const char *in,
				  const char *out, bool bias)
{
	const int64_t strides[] = { s->sh, s->sw }, dilations[] = { s->dh, s->dw };
	const int64_t pads[] = { s->pt, s->pl, s->pb, s->pr };
	Onnx__NodeProto *n = onnx_build_node(b, "Conv", out, in, "w", bias ? "b" : NULL, NULL);

	onnx_attr_ints_set(b, n, "strides", 2, strides);
	onnx_attr_ints_set(b, n, "dilations", 2, dilations);
	onnx_attr_ints_set(b, n, "pads", 4, pads);
	onnx_attr_int_set(b, n, "group", s->groups);
	return n;
}

static void test_conv(void)
{
	static float x[MAX], w[MAX], bias[64];
	static double y[MAX];
	int round, bad = 0;

	for (round = 0; round < 200; round++) {
		struct shape s = random_shape();
		struct onnx_build *b = onnx_build_new(round % 2, s.c, s.h, s.w);
		double e;

		random_fill(x, (size_t)(s.c * s.h * s.w));
		random_fill(w, (size_t)(s.oc * s.c / s.groups * s.kh * s.kw));
		random_fill(bias, (size_t)s.oc);
		onnx_build_floats(b, "w", w, s.oc, s.c / s.groups, s.kh, s.kw, -1);
		onnx_build_floats(b, "b", bias, s.oc, -1);
		conv_node(b, &s, "x", "y", round % 3 != 0);
		direct_conv(&s, x, w, round % 3 ? bias : NULL, y);
		e = largest_error(b, "y", x, y, (size_t)(s.oc * s.oh * s.ow));
		if (!(e >= 0 && e < 1e-4) && !bad++)
			diag("round %d: %g", round, e);
		onnx_build_free(b);
	}
	is_int(bad, 0, "200 random convolutions as direct loops compute them");
}

static void test_auto_pad(void)
{
	static float x[MAX], w[MAX];
	static double y[MAX];
	int round, bad = 0;

	for (round = 0; round < 40; round++) {
		struct shape s = random_shape();
		int th, tw, lower = round % 2;
		struct onnx_build *b;
		Onnx__NodeProto *n;

		s.oh = (s.h + s.sh - 1) / s.sh;
		s.ow = (s.w + s.sw - 1) / s.sw;
		th = (s.oh - 1) * s.sh + s.dh * (s.kh - 1) + 1 - s.h;
		tw = (s.ow - 1) * s.sw + s.dw * (s.kw - 1) + 1 - s.w;
		th = th < 0 ? 0 : th;
		tw = tw < 0 ? 0 : tw;
		s.pt = lower ? th - th / 2 : th / 2;
		s.pl = lower ? tw - tw / 2 : tw / 2;
		b = onnx_build_new(1, s.c, s.h, s.w);
		random_fill(x, (size_t)(s.c * s.h * s.w));
		random_fill(w, (size_t)(s.oc * s.c / s.groups * s.kh * s.kw));
		onnx_build_floats(b, "w", w, s.oc, s.c / s.groups, s.kh, s.kw, -1);
		n = conv_node(b, &s, "x", "y", false);
		onnx_attr_string_set(b, n, "auto_pad", lower ? "SAME_LOWER" : "SAME_UPPER");
		direct_conv(&s, x, w, NULL, y);
		bad += !(fabs(largest_error(b, "y", x, y, (size_t)(s.oc * s.oh * s.ow))) < 1e-4);
		onnx_build_free(b);
	}
	is_int(bad, 0, "auto_pad SAME_UPPER and SAME_LOWER");
}

/* Pad, Conv, BatchNormalization, Relu6 as four nodes become one layer. */
static void test_fusion(void)
{
	static float x[MAX], w[MAX], p[4][8];
	static double y[MAX];
	struct shape s = { 3, 9, 8, 5, 3, 3, 2, 2, 1, 1, 1, 0, 2, 1, 1, 0, 0 };
	const int64_t strides[] = { 2, 2 };
	const int64_t pads[] = { 0, 0, 1, 0, 0, 0, 2, 1 };
	struct onnx_build *b = onnx_build_new(1, 3, 9, 8);
	struct net *net;
	int c, i, k;

	shape_finish(&s);
	random_fill(x, 216);
	random_fill(w, 135);
	for (k = 0; k < 4; k++)
		for (c = 0; c < 5; c++)
			p[k][c] = k == 3 ? 0.5f + fabsf(random_value()) : 3 * random_value();
	onnx_build_floats(b, "w", w, 5, 3, 3, 3, -1);
	onnx_build_floats(b, "scale", p[0], 5, -1);
	onnx_build_floats(b, "shift", p[1], 5, -1);
	onnx_build_floats(b, "mean", p[2], 5, -1);
	onnx_build_floats(b, "var", p[3], 5, -1);
	onnx_build_floats(b, "zero", (const float[]){ 0 }, -1);
	onnx_build_floats(b, "six", (const float[]){ 6 }, -1);
	onnx_build_ints(b, "pads", 8, pads);
	onnx_build_node(b, "Pad", "padded", "x", "pads", "zero", NULL);
	onnx_attr_ints_set(b, onnx_build_node(b, "Conv", "c", "padded", "w", NULL), "strides", 2,
			   strides);
	onnx_build_node(b, "BatchNormalization", "n", "c", "scale", "shift", "mean", "var", NULL);
	onnx_build_node(b, "Identity", "i", "n", NULL);
	onnx_build_node(b, "Clip", "y", "i", "zero", "six", NULL);
	direct_conv(&s, x, w, NULL, y);
	for (c = 0; c < 5; c++)
		for (i = 0; i < s.oh * s.ow; i++) {
			double *v = &y[c * s.oh * s.ow + i];

			*v = (*v - p[2][c]) / sqrt(p[3][c] + 1e-5) * p[0][c] + p[1][c];
			*v = *v < 0 ? 0 : *v > 6 ? 6 : *v;
		}
	net = import(b, "y");
	ok(net && net->layer_count == 1 && net->layers[0].act_min == 0 &&
	   net->layers[0].act_max == 6, "Pad, Conv, BatchNormalization and Clip are one layer");
	net_destroy(net);
	ok(fabs(largest_error(b, "y", x, y, (size_t)(5 * s.oh * s.ow))) < 1e-4,
	   "which computes the same");
	onnx_build_free(b);
}

static double direct_window(const struct shape *s, const float *x, int i, int j, int max,
			    int padded)
{
	int top = i * s->sh - s->pt, left = j * s->sw - s->pl, p, q, n = 0;
	double best = -1e30, sum = 0;

	for (p = top; p < top + s->kh; p++)
		for (q = left; q < left + s->kw; q++) {
			bool in = p >= 0 && q >= 0 && p < s->h && q < s->w;
			double v = in ? x[p * s->w + q] : 0;

			/* In ceil mode a window may reach beyond the padding. */
			if (in || (padded && p < s->h + s->pb && q < s->w + s->pr))
				n++;
			if (in)
				best = v > best ? v : best;
			sum += v;
		}
	return max ? best : sum / n;
}

static void direct_pool(const struct shape *s, const float *x, int max, int padded, double *y)
{
	int c, i, j;

	for (c = 0; c < s->c; c++)
		for (i = 0; i < s->oh; i++)
			for (j = 0; j < s->ow; j++)
				*y++ = direct_window(s, x + c * s->h * s->w, i, j, max, padded);
}

/* Zeros count here, as elements of a mean and of a maximum. */
static void direct_pool_double(const struct shape *s, const double *x, int max, double *y)
{
	int c, i, j, p, q;

	for (c = 0; c < s->c; c++, x += s->h * s->w)
		for (i = 0; i < s->oh; i++)
			for (j = 0; j < s->ow; j++) {
				double best = -1e30, sum = 0;

				for (p = 0; p < s->kh; p++)
					for (q = 0; q < s->kw; q++) {
						int iy = i * s->sh - s->pt + p;
						int ix = j * s->sw - s->pl + q;
						bool in = iy >= 0 && ix >= 0 && iy < s->h &&
							  ix < s->w;
						double v = in ? x[iy * s->w + ix] : 0;

						best = fmax(best, v);
						sum += v;
					}
				*y++ = max ? best : sum / (s->kh * s->kw);
			}
}

static void test_pools(void)
{
	static float x[MAX];
	static double y[MAX];
	int round, bad = 0;

	for (round = 0; round < 120; round++) {
		struct shape s = random_shape();
		int max = round % 3 == 0, padded = round % 3 == 1, ceiling = round / 3 % 2;
		int64_t kernel[2], strides[2], pads[4];
		struct onnx_build *b;
		Onnx__NodeProto *n;

		s.dh = s.dw = 1;
		s.pt = s.pb = s.kh / 2;
		s.pl = s.pr = s.kw / 2;
		if (s.h + s.pt + s.pb < s.kh || s.w + s.pl + s.pr < s.kw)
			continue;
		shape_finish(&s);
		if (ceiling && (s.h + s.pt + s.pb - s.kh) % s.sh && s.oh * s.sh < s.h + s.pt)
			s.oh++;
		if (ceiling && (s.w + s.pl + s.pr - s.kw) % s.sw && s.ow * s.sw < s.w + s.pl)
			s.ow++;
		/* A last window that lies in the padding alone is refused. */
		if ((s.oh - 1) * s.sh - s.pt >= s.h || (s.ow - 1) * s.sw - s.pl >= s.w)
			continue;
		memcpy(kernel, (const int64_t[]){ s.kh, s.kw }, sizeof(kernel));
		memcpy(strides, (const int64_t[]){ s.sh, s.sw }, sizeof(strides));
		memcpy(pads, (const int64_t[]){ s.pt, s.pl, s.pb, s.pr }, sizeof(pads));
		b = onnx_build_new(1, s.c, s.h, s.w);
		random_fill(x, (size_t)(s.c * s.h * s.w));
		n = onnx_build_node(b, max ? "MaxPool" : "AveragePool", "y", "x", NULL);
		onnx_attr_ints_set(b, n, "kernel_shape", 2, kernel);
		onnx_attr_ints_set(b, n, "strides", 2, strides);
		onnx_attr_ints_set(b, n, "pads", 4, pads);
		onnx_attr_int_set(b, n, "ceil_mode", ceiling);
		if (!max)
			onnx_attr_int_set(b, n, "count_include_pad", padded);
		direct_pool(&s, x, max, padded, y);
		if (!(fabs(largest_error(b, "y", x, y, (size_t)(s.c * s.oh * s.ow))) < 1e-5) &&
		    !bad++)
			diag("round %d", round);
		onnx_build_free(b);
	}
	is_int(bad, 0, "random pools: divisors, ceil mode");
}

/* Zeros around a pool's input are padding of its own where that computes the same. */
static void test_padded_pools(void)
{
	static float x[3 * 63];
	static double want[MAX], y[3 * 63];
	const struct {
		const char *op, *before;
		int max, own, taken;
	} cases[] = {
		{ "AveragePool", "Identity", 0, 0, 1 }, { "AveragePool", "Identity", 0, 1, 0 },
		{ "MaxPool", "Relu", 1, 0, 1 }, { "MaxPool", "Identity", 1, 0, 0 },
	};
	struct shape s = { 3, 9, 7, 3, 3, 2, 2, 1, 1, 1, 1, 0, 2, 1, 1, 0, 0 };
	size_t i;
	int k;

	shape_finish(&s);
	random_fill(x, 189);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct onnx_build *b = onnx_build_new(1, 3, 9, 7);
		Onnx__NodeProto *n;
		double e;

		onnx_build_ints(b, "pads", 8, (const int64_t[]){ 0, 0, 1, 0, 0, 0, 2, 1 });
		onnx_build_floats(b, "half", (const float[]){ 0.5f }, -1);
		onnx_build_node(b, "Add", "a", "x", "half", NULL);
		onnx_build_node(b, cases[i].before, "c", "a", NULL);
		onnx_build_node(b, "Pad", "p", "c", "pads", NULL);
		n = onnx_build_node(b, cases[i].op, "y", "p", NULL);
		onnx_attr_ints_set(b, n, "kernel_shape", 2, (const int64_t[]){ 3, 2 });
		onnx_attr_ints_set(b, n, "strides", 2, (const int64_t[]){ 2, 1 });
		if (cases[i].own)
			onnx_attr_ints_set(b, n, "pads", 4, (const int64_t[]){ 1, 0, 0, 0 });
		for (k = 0; k < 189; k++)
			y[k] = fmax(x[k] + 0.5, cases[i].before[0] == 'R' ? 0 : -10);
		direct_pool_double(&s, y, cases[i].max, want);
		e = largest_error(b, "y", x, want, (size_t)(3 * s.oh * s.ow));
		ok(cases[i].taken ? e >= 0 && e < 1e-5 : e == -1, "Pad and %s%s %s", cases[i].op,
		   cases[i].own ? " with padding of its own" :
		   cases[i].before[0] == 'R' ? " after a ReLU" : "",
		   cases[i].taken ? "are one layer" : "are refused");
		onnx_build_free(b);
	}
}

/* Two branches, a residual and a concatenation with a ReLU after it, then a classifier. */
static void test_branches(void)
{
	static float x[4 * 25], w1[12], w2[16], m[7 * 3], add[3];
	static double h[4 * 25], r[7 * 25], y[3];
	struct onnx_build *b = onnx_build_new(0, 4, 5, 5);
	struct shape s1 = { 4, 5, 5, 3, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 5, 5 }, s2 = s1;
	const int64_t zero_m1[] = { 0, -1 };
	int c, i;

	s2.oc = 4;
	random_fill(x, 100);
	random_fill(w1, 12);
	random_fill(w2, 16);
	random_fill(m, 21);
	random_fill(add, 3);
	onnx_build_floats(b, "w", w1, 3, 4, 1, 1, -1);
	onnx_build_floats(b, "w2", w2, 4, 4, 1, 1, -1);
	onnx_build_floats(b, "m", m, 7, 3, -1);
	onnx_build_floats(b, "add", add, 3, -1);
	onnx_build_ints(b, "shape", 2, zero_m1);
	onnx_build_node(b, "Conv", "a", "x", "w", NULL);
	onnx_build_node(b, "Conv", "c", "x", "w2", NULL);
	onnx_build_node(b, "Add", "d", "c", "x", NULL);
	onnx_attr_int_set(b, onnx_build_node(b, "Concat", "e", "a", "d", NULL), "axis", 1);
	onnx_build_node(b, "Relu", "f", "e", NULL);
	onnx_build_node(b, "GlobalAveragePool", "g", "f", NULL);
	onnx_build_node(b, "Reshape", "v", "g", "shape", NULL);
	onnx_build_node(b, "MatMul", "l", "v", "m", NULL);
	onnx_build_node(b, "Add", "z", "l", "add", NULL);
	onnx_build_node(b, "Softmax", "y", "z", NULL);
	direct_conv(&s1, x, w1, NULL, r);
	direct_conv(&s2, x, w2, NULL, h);
	for (i = 0; i < 100; i++)
		r[75 + i] = h[i] + x[i];
	for (c = 0; c < 3; c++)
		y[c] = add[c];
	for (c = 0; c < 7; c++) {
		double sum = 0;

		for (i = 0; i < 25; i++)
			sum += fmax(r[c * 25 + i], 0);
		for (i = 0; i < 3; i++)
			y[i] += sum / 25 * m[c * 3 + i];
	}
	ok(fabs(largest_error(b, "y", x, y, 3)) < 1e-4,
	   "Add, Concat, Relu over it, pool, Reshape, MatMul and bias, Softmax dropped");
	onnx_build_free(b);
}

/* The chain that exporters write for a padding computed at run time. */
static void test_folding(void)
{
	static float x[2 * 16], w[8];
	static double y[5 * 4];
	struct onnx_build *b = onnx_build_new(0, 2, 4, 4);
	struct shape s = { 2, 4, 4, 1, 2, 2, 1, 1, 1, 1, 1, 0, 1, 1, 1, 5, 4 };
	const int64_t start[] = { -1 }, end[] = { INT64_MIN }, axes[] = { 0 }, step[] = { -1 };
	const int64_t pads[] = { 1, 0, 1, 1 }, fill[] = { 4 }, rows[] = { -1, 2 }, flat[] = { -1 };
	const int64_t order[] = { 1, 0 };
	Onnx__NodeProto *n;
	struct net *net;

	/* Pairs of before and after, last dimension first: reversed and transposed for ONNX. */
	random_fill(x, 32);
	random_fill(w, 8);
	onnx_build_floats(b, "w", w, 1, 2, 2, 2, -1);
	onnx_build_ints(b, "torch", 4, (const int64_t[]){ 0, 1, pads[0], pads[2] });
	onnx_build_ints(b, "fill", 1, fill);
	onnx_build_ints(b, "rows", 2, rows);
	onnx_build_ints(b, "flat", 1, flat);
	onnx_build_ints(b, "start", 1, start);
	onnx_build_ints(b, "end", 1, end);
	onnx_build_ints(b, "axes", 1, axes);
	onnx_build_ints(b, "step", 1, step);
	onnx_build_ints(b, "one", 1, (const int64_t[]){ 1 });
	n = onnx_build_node(b, "ConstantOfShape", "zeros32", "fill", NULL);
	n = onnx_build_node(b, "Cast", "zeros", "zeros32", NULL);
	onnx_attr_int_set(b, n, "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
	n = onnx_build_node(b, "Concat", "all", "torch", "zeros", NULL);
	onnx_attr_int_set(b, n, "axis", 0);
	onnx_build_node(b, "Reshape", "pairs", "all", "rows", NULL);
	onnx_build_node(b, "Slice", "reversed", "pairs", "start", "end", "axes", "step", NULL);
	n = onnx_build_node(b, "Transpose", "columns", "reversed", NULL);
	onnx_attr_ints_set(b, n, "perm", 2, order);
	onnx_build_node(b, "Reshape", "pads", "columns", "flat", NULL);
	onnx_build_node(b, "Pad", "padded", "x", "pads", NULL);
	onnx_build_node(b, "Conv", "c", "padded", "w", NULL);
	/* Reshape to [1, elements] through Shape, Gather and Unsqueeze. */
	onnx_build_node(b, "Shape", "shape", "c", NULL);
	onnx_build_node(b, "Gather", "batch", "shape", "axes", NULL);
	onnx_build_node(b, "Mul", "batch1", "batch", "one", NULL);
	n = onnx_build_node(b, "Concat", "flat2", "batch1", "flat", NULL);
	onnx_attr_int_set(b, n, "axis", 0);
	onnx_build_node(b, "Reshape", "y", "c", "flat2", NULL);
	direct_conv(&s, x, w, NULL, y);
	net = import(b, "y");
	ok(net && net->layer_count == 1 && net->layers[0].pad_top == 1 &&
	   net->layers[0].pad_left == 0 && net->layers[0].pad_right == 1,
	   "pads computed by constant nodes are joined to the convolution");
	net_destroy(net);
	ok(fabs(largest_error(b, "y", x, y, 20)) < 1e-5, "which computes the same");
	onnx_build_free(b);
}

/* More than 8 inputs become a chain; the order of channels stays. */
static void test_wide_concat(void)
{
	static float x[12];
	static double y[12 * 12];
	struct onnx_build *b = onnx_build_new(1, 1, 3, 4);
	Onnx__NodeProto *n;
	struct net *net;
	char weight[16], name[16];
	int k, i;

	random_fill(x, 12);
	for (k = 0; k < 12; k++) {
		float w = (float)(k + 1);

		snprintf(weight, sizeof(weight), "w%d", k);
		onnx_build_floats(b, weight, &w, 1, 1, 1, 1, -1);
		snprintf(name, sizeof(name), "c%d", k);
		onnx_build_node(b, "Conv", name, "x", weight, NULL);
		for (i = 0; i < 12; i++)
			y[k * 12 + i] = (k + 1) * (double)x[i];
	}
	n = onnx_build_node(b, "Concat", "y", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8",
			    "c9", "c10", "c11", NULL);
	onnx_attr_int_set(b, n, "axis", 1);
	ok(fabs(largest_error(b, "y", x, y, 144)) < 1e-5, "a concatenation of 12 inputs");
	net = import(b, "y");
	for (k = 0, i = 0; net && k < (int)net->layer_count; k++)
		i = net->layers[k].in_count > 8 ? 1 : i;
	ok(net && !i, "no layer has more than 8 inputs");
	net_destroy(net);
	onnx_build_free(b);
}

/* Heads of [1, C, H * W] joined: the joined one's own rows are taken over by the Reshape. */
static void test_flat_concat(void)
{
	static float x[2 * 12];
	static double y[4 * 12];
	struct onnx_build *b = onnx_build_new(1, 2, 3, 4);
	int i;

	random_fill(x, 24);
	for (i = 0; i < 48; i++)
		y[i] = fmax(x[i % 24], 0);
	onnx_build_ints(b, "flat", 3, (const int64_t[]){ 1, 2, -1 });
	onnx_build_ints(b, "same", 3, (const int64_t[]){ 0, 0, 0 });
	onnx_build_node(b, "Relu", "r", "x", NULL);
	onnx_build_node(b, "Reshape", "f", "r", "flat", NULL);
	onnx_attr_int_set(b, onnx_build_node(b, "Concat", "c", "f", "f", NULL), "axis", 1);
	onnx_build_node(b, "Reshape", "y", "c", "same", NULL);
	ok(fabs(largest_error(b, "y", x, y, 48)) < 1e-6, "a concatenation of rank 3");
	onnx_build_free(b);
}

int main(void)
{
	test_conv();
	test_auto_pad();
	test_fusion();
	test_pools();
	test_padded_pools();
	test_branches();
	test_folding();
	test_wide_concat();
	test_flat_concat();
	return tap_done();
}
