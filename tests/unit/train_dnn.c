// SPDX-License-Identifier: MIT
/* Convolutions and pools of the trainer against plain loops, forward and backward, in both types. */
#include <math.h>
#include <stdlib.h>

#include "tap.h"
#include "train/dnn.h"
#include "train_loops.h"

static const double tolerance[] = { [DNN_F32] = 1e-4, [DNN_BF16] = 2e-2 };
static const char *const type_name[] = { [DNN_F32] = "f32", [DNN_BF16] = "bf16" };

struct named_shape {
	const char *name;
	struct dnn_shape s;	/* without the output's size */
};

#define DIMS(n, ic, ih, iw, oc)	.batch = n, .in_c = ic, .in_h = ih, .in_w = iw, .out_c = oc
#define KERNEL(h, w, sh, sw) .kernel_h = h, .kernel_w = w, .stride_h = sh, .stride_w = sw
#define PADS(t, l, b, r) .pad_top = t, .pad_left = l, .pad_bottom = b, .pad_right = r
#define DENSE .dilation_h = 1, .dilation_w = 1, .groups = 1
#define MORE(dh, dw, g) .dilation_h = dh, .dilation_w = dw, .groups = g

static const struct named_shape convs[] = {
	{ "3 x 3 of a picture", { DIMS(3, 3, 9, 7, 16), KERNEL(3, 3, 1, 1), PADS(1, 1, 1, 1), DENSE } },
	{ "3 x 3", { DIMS(2, 32, 8, 8, 32), KERNEL(3, 3, 1, 1), PADS(1, 1, 1, 1), DENSE } },
	{ "3 x 3 of odd channels", { DIMS(2, 13, 6, 6, 21), KERNEL(3, 3, 1, 1), PADS(1, 1, 1, 1), DENSE } },
	{ "stride 2", { DIMS(2, 16, 8, 8, 32), KERNEL(3, 3, 2, 2), PADS(1, 1, 1, 1), DENSE } },
	{ "stride 2, padding behind only", { DIMS(2, 16, 8, 8, 16), KERNEL(3, 3, 2, 2), PADS(0, 0, 1, 1), DENSE } },
	{ "asymmetric everything", { DIMS(2, 8, 9, 6, 16), KERNEL(3, 2, 2, 1), PADS(2, 0, 1, 1), DENSE } },
	{ "dilation", { DIMS(2, 16, 9, 9, 16), KERNEL(3, 3, 1, 1), PADS(2, 1, 2, 3), MORE(2, 2, 1) } },
	{ "1 x 1", { DIMS(2, 32, 5, 5, 48), KERNEL(1, 1, 1, 1), PADS(0, 0, 0, 0), DENSE } },
	{ "1 x 1, stride 2", { DIMS(2, 16, 6, 6, 32), KERNEL(1, 1, 2, 2), PADS(0, 0, 0, 0), DENSE } },
	{ "groups", { DIMS(2, 16, 6, 6, 32), KERNEL(3, 3, 1, 1), PADS(1, 1, 1, 1), MORE(1, 1, 4) } },
	{ "odd groups", { DIMS(2, 9, 6, 6, 6), KERNEL(3, 3, 1, 1), PADS(1, 1, 1, 1), MORE(1, 1, 3) } },
	{ "depthwise", { DIMS(2, 24, 7, 7, 24), KERNEL(3, 3, 1, 1), PADS(1, 1, 1, 1), MORE(1, 1, 24) } },
	{ "depthwise, stride 2, asymmetric", { DIMS(2, 16, 8, 8, 16), KERNEL(3, 3, 2, 2), PADS(0, 0, 1, 1), MORE(1, 1, 16) } },
	{ "depthwise, two outputs each", { DIMS(2, 8, 6, 6, 16), KERNEL(3, 3, 1, 1), PADS(1, 1, 1, 1), MORE(1, 1, 8) } },
	{ "fully connected", { DIMS(5, 16, 4, 4, 10), KERNEL(4, 4, 1, 1), PADS(0, 0, 0, 0), DENSE } },
	{ "as large as its input, padded", { DIMS(2, 8, 4, 4, 10), KERNEL(4, 4, 2, 2), PADS(1, 1, 0, 0), DENSE } },
	{ "fully connected behind a mean", { DIMS(5, 64, 1, 1, 10), KERNEL(1, 1, 1, 1), PADS(0, 0, 0, 0), DENSE } },
	{ "7 x 7, one channel", { DIMS(2, 1, 14, 14, 8), KERNEL(7, 7, 2, 2), PADS(3, 3, 3, 3), DENSE } },
	{ "1 x 5", { DIMS(2, 8, 4, 9, 8), KERNEL(1, 5, 1, 1), PADS(0, 2, 0, 2), DENSE } },
};

static const struct {
	const char *name;
	struct loops_pool p;
	bool up;
	struct dnn_shape s;
} pools[] = {
	{ "maxima", { .max = true }, false, { DIMS(2, 16, 8, 8, 16), KERNEL(2, 2, 2, 2), PADS(0, 0, 0, 0), DENSE } },
	{ "maxima, overlapping, padded", { .max = true }, false, { DIMS(2, 5, 9, 9, 5), KERNEL(3, 3, 2, 2), PADS(1, 1, 1, 1), DENSE } },
	{ "maxima, padded behind", { .max = true }, false, { DIMS(2, 16, 8, 7, 16), KERNEL(3, 2, 2, 1), PADS(0, 0, 1, 1), DENSE } },
	{ "maxima, rounded up", { .max = true }, true, { DIMS(2, 16, 8, 8, 16), KERNEL(3, 3, 2, 2), PADS(0, 0, 0, 0), DENSE } },
	{ "means", { .max = false }, false, { DIMS(2, 16, 8, 8, 16), KERNEL(2, 2, 2, 2), PADS(0, 0, 0, 0), DENSE } },
	{ "means without padding", { .max = false }, false, { DIMS(2, 16, 9, 8, 16), KERNEL(3, 3, 2, 2), PADS(1, 1, 1, 0), DENSE } },
	{ "means with padding", { .count_padding = true }, false, { DIMS(2, 7, 9, 8, 7), KERNEL(3, 3, 2, 2), PADS(1, 1, 1, 0), DENSE } },
	{ "means without padding, rounded up", { .max = false }, true, { DIMS(2, 16, 8, 8, 16), KERNEL(3, 3, 2, 2), PADS(0, 0, 0, 0), DENSE } },
	{ "means with padding, rounded up", { .count_padding = true }, true, { DIMS(2, 16, 9, 8, 16), KERNEL(3, 3, 2, 2), PADS(1, 0, 0, 0), DENSE } },
	{ "means with a divisor", { .divisor = 5 }, false, { DIMS(2, 16, 8, 8, 16), KERNEL(2, 2, 2, 2), PADS(0, 0, 0, 0), DENSE } },
};

static struct dnn *dnn;
static struct net_error error;

static void close_to(const void *got, enum dnn_type type, double limit, const double *want,
		     size_t n, const char *name, const char *what)
{
	double e = loops_error(got, type, want, n);

	if (!ok(e <= limit, "%s: %s", name, what))
		diag("differs by %g of the largest value", e);
}

/* Arrays of one case: as doubles, and as the trainer holds them. */
struct arrays {
	double *x, *y, *w, *out;
	void *tx, *ty;
	float *tw;
};

static void arrays_make(struct arrays *a, const struct dnn_shape *s, enum dnn_type type)
{
	size_t x = loops_x(s), y = loops_y(s), w = loops_w(s), most = x > y ? x : y;

	a->x = loops_random(x, 1, type);
	a->y = loops_random(y, 2, type);
	a->w = loops_random(w, 3, DNN_F32);
	a->out = loops_zeros(most > w ? most : w);
	a->tx = loops_tensor(a->x, x, type);
	a->ty = loops_tensor(a->y, y, type);
	a->tw = loops_tensor(a->w, w, DNN_F32);
}

static void arrays_free(struct arrays *a)
{
	free(a->x);
	free(a->y);
	free(a->w);
	free(a->out);
	free(a->tx);
	free(a->ty);
	free(a->tw);
}

static void test_conv(const struct named_shape *c, enum dnn_type type)
{
	struct dnn_shape s = c->s;
	struct dnn_conv *conv;
	struct arrays a;
	char name[128];
	void *out;
	float *dw;

	snprintf(name, sizeof(name), "%s, %s", c->name, type_name[type]);
	loops_shape(&s, false);
	if (dnn_conv_create(dnn, &s, type, true, &conv, &error)) {
		ok(0, "%s: %s", name, error.text);
		return;
	}
	arrays_make(&a, &s, type);
	out = loops_tensor(a.y, loops_y(&s), type);
	loops_conv(&s, a.x, a.w, a.out);
	ok(!dnn_conv_forward(conv, a.tx, a.tw, out), "%s: runs", name);
	close_to(out, type, tolerance[type], a.out, loops_y(&s), name, "forward");
	free(out);

	out = loops_tensor(a.x, loops_x(&s), type);
	loops_conv_data(&s, a.y, a.w, a.out);
	ok(!dnn_conv_backward_data(conv, a.ty, a.tw, out), "%s: runs backward", name);
	close_to(out, type, tolerance[type], a.out, loops_x(&s), name, "gradient by the input");
	free(out);

	dw = loops_tensor(a.w, loops_w(&s), DNN_F32);
	loops_conv_weights(&s, a.x, a.y, a.out);
	ok(!dnn_conv_backward_weights(conv, a.tx, a.ty, dw), "%s: runs backward to weights", name);
	close_to(dw, DNN_F32, tolerance[type], a.out, loops_w(&s), name,
		 "gradient by the weights, single precision");
	free(dw);
	dnn_conv_destroy(conv);
	arrays_free(&a);
}

static void test_pool(size_t i, enum dnn_type type)
{
	const struct loops_pool *l = &pools[i].p;
	struct dnn_shape s = pools[i].s;
	struct dnn_pool *pool;
	struct arrays a;
	char name[128];
	void *out;

	snprintf(name, sizeof(name), "%s, %s", pools[i].name, type_name[type]);
	loops_shape(&s, pools[i].up);
	if (dnn_pool_create(dnn, &s, type, l->max ? NET_MAXPOOL : NET_AVGPOOL, l->count_padding,
			    l->divisor, &pool, &error)) {
		ok(0, "%s: %s", name, error.text);
		return;
	}
	arrays_make(&a, &s, type);
	out = loops_tensor(a.y, loops_y(&s), type);
	loops_pool(&s, l, a.x, a.out);
	ok(!dnn_pool_forward(pool, a.tx, out), "%s: runs", name);
	close_to(out, type, l->max ? 0 : tolerance[type], a.out, loops_y(&s), name, "forward");
	free(out);

	out = loops_tensor(a.x, loops_x(&s), type);
	loops_pool_back(&s, l, a.x, a.y, a.out);
	ok(!dnn_pool_backward(pool, a.ty, out), "%s: runs backward", name);
	close_to(out, type, tolerance[type], a.out, loops_x(&s), name, "gradient");
	free(out);
	dnn_pool_destroy(pool);
	arrays_free(&a);
}

/* Sums of integers below 2^24 come out exactly, in whatever order they are added. */
static void test_exact(const char *name, struct dnn_shape s)
{
	int64_t limit = (1 << 24) / ((int64_t)loops_w(&s) / s.out_c * 255);
	struct dnn_conv *conv;
	struct arrays a;
	size_t i, wrong = 0;
	float *y;

	loops_shape(&s, false);
	arrays_make(&a, &s, DNN_F32);
	y = loops_tensor(a.y, loops_y(&s), DNN_F32);
	for (i = 0; i < loops_x(&s); i++)
		((float *)a.tx)[i] = (float)(a.x[i] = rint(a.x[i] * 255));
	for (i = 0; i < loops_w(&s); i++)
		a.tw[i] = (float)(a.w[i] = rint(a.w[i] * (double)(limit - 1)));
	/* Integers of this size are exact in double precision, too. */
	loops_conv(&s, a.x, a.w, a.out);
	if (dnn_conv_create(dnn, &s, DNN_F32, false, &conv, &error))
		bail("%s", error.text);
	ok(!dnn_conv_forward(conv, a.tx, a.tw, y), "%s: runs on integers", name);
	for (i = 0; i < loops_y(&s); i++)
		wrong += (int64_t)y[i] != (int64_t)a.out[i] || y[i] != (float)a.out[i];
	is_int(wrong, 0, name);
	free(y);
	dnn_conv_destroy(conv);
	arrays_free(&a);
}

static void test_shape_of(void)
{
	struct net_tensor tensors[] = { { NULL, 3, 8, 10 }, { NULL, 6, 4, 5 } };
	struct net_layer l;
	struct net net = { .tensors = tensors };
	struct dnn_shape s, want = { DIMS(7, 3, 8, 10, 6), KERNEL(3, 2, 2, 1), PADS(1, 2, 3, 4),
				     MORE(5, 6, 3), .out_h = 4, .out_w = 5 };

	net_layer_init(&l, NET_CONV);
	l.out = 1;
	l.kernel_h = 3, l.kernel_w = 2, l.stride_h = 2, l.stride_w = 1;
	l.dilation_h = 5, l.dilation_w = 6, l.groups = 3;
	l.pad_top = 1, l.pad_left = 2, l.pad_bottom = 3, l.pad_right = 4;
	dnn_shape_of(&net, &l, 7, &s);
	ok_mem(&s, &want, sizeof(s), "the shape of a layer");
}

static void test_refusal(void)
{
	struct dnn_shape s = { DIMS(1, 4, 4, 4, 4), KERNEL(3, 3, 1, 1), PADS(0, 0, 0, 0), DENSE,
			       .out_h = 1, .out_w = 2 };
	struct dnn_conv *conv = NULL;
	struct dnn_pool *pool = NULL;

	is_int(dnn_conv_create(dnn, &s, DNN_F32, true, &conv, &error), -22,
	       "a convolution of another size is refused");
	ok(strstr(error.text, "invalid_arguments") && strstr(error.text, "1 x 4 x 4 x 4 to 4 x 1 x 2"),
	   "its error says so: %s", error.text);
	is_int(dnn_pool_create(dnn, &s, DNN_F32, NET_MAXPOOL, false, 0, &pool, &error), -22,
	       "so is a pool");
	ok(!conv && !pool, "neither gives anything");
	dnn_conv_destroy(NULL);
	dnn_pool_destroy(NULL);
	dnn_close(NULL);
}

int main(void)
{
	enum dnn_type type;
	size_t i;

	if (dnn_open(2, &dnn, &error))
		bail("%s", error.text);
	diag("oneDNN %s, %s", dnn_version(), dnn_isa());
	test_shape_of();
	test_refusal();
	for (type = DNN_F32; type <= DNN_BF16; type++) {
		/* oneDNN computes with it, if need be by conversions, from AVX-512 on. */
		if (type == DNN_BF16 && strncmp(dnn_isa(), "AVX-512", 7)) {
			skip("the processor has no AVX-512", "bfloat16");
			break;
		}
		for (i = 0; i < sizeof(convs) / sizeof(convs[0]); i++)
			test_conv(&convs[i], type);
		for (i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
			test_pool(i, type);
	}
	for (i = 0; i < sizeof(convs) / sizeof(convs[0]); i++)
		test_exact(convs[i].name, convs[i].s);
	dnn_close(dnn);
	return tap_done();
}
