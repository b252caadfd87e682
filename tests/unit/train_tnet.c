// SPDX-License-Identifier: MIT
/*
 * The learning network beside the tools' float executor: the function it starts with, what
 * normalizations keep, folding, running moments; its parameters, and what it refuses.
 */
#include <errno.h>
#include <math.h>

#include "net/exec.h"
#include "tap.h"
#include "train/tnet.h"
#include "train_nets.h"

#define BATCH		6
#define SCALE		(1.0f / 255)
#define MAX_PIXELS	(BATCH * 3 * 16 * 16)
#define LOGITS		(BATCH * TRAIN_NETS_CLASSES)

static struct net_error err;
static struct dnn *dnn;
static uint8_t pixels[MAX_PIXELS];

static struct tnet *make(const struct net *net, bool norm, enum dnn_type type)
{
	const struct tnet_options o = { .batch = BATCH, .type = type, .norm = norm,
					.norm_momentum = 0.1f };
	struct tnet *t;

	if (tnet_create(net, dnn, &o, &t, &err))
		bail("%s", err.text);
	return t;
}

/* The largest difference, relative to the largest value. */
static double difference(const float *a, const float *b, size_t n)
{
	double most = 0, top = 1e-30;
	size_t i;

	for (i = 0; i < n; i++) {
		most = isfinite(a[i]) ? fmax(most, fabs((double)a[i] - b[i])) : INFINITY;
		top = fmax(top, fabs((double)b[i]));
	}
	return most / top;
}

/* What the plain executor computes, picture by picture. */
static void plain(const struct net *net, float *logits)
{
	struct net_state *s = net_state_create(net);
	size_t n = net_tensor_elements(&net->tensors[0]), p, i;

	for (p = 0; p < BATCH; p++) {
		for (i = 0; i < n; i++)
			s->tensors[0][i] = (float)pixels[p * n + i] * SCALE;
		if (net_state_run(s))
			bail("out of memory");
		memcpy(logits + p * TRAIN_NETS_CLASSES, s->tensors[net->output],
		       TRAIN_NETS_CLASSES * sizeof(float));
	}
	net_state_destroy(s);
}

static void forward(struct tnet *t, enum tnet_mode mode)
{
	if (tnet_forward(t, mode, pixels, SCALE))
		bail("forward: %s", dnn_error(dnn));
}

/* Anything but the values it begins with. */
static void norms_shake(struct tnet *t)
{
	uint32_t i, c;

	for (i = 0; i < t->net->layer_count; i++) {
		struct tnet_norm *n = t->layers[i].norm;

		for (c = 0; n && c < t->layers[i].channels; c++) {
			n->gamma[c] = (float)(1 + 0.3 * train_net_normal(3, i, c));
			n->beta[c] = (float)(0.2 * train_net_normal(4, i, c));
			n->mean[c] = (float)(0.3 * train_net_normal(5, i, c));
			n->var[c] = (float)(0.5 + fabs(train_net_normal(6, i, c)));
		}
	}
}

static void test_function(enum train_nets which)
{
	static const struct {
		bool norm;
		enum dnn_type type;
		double most;
		const char *what;
	} ways[] = {
		{ false, DNN_F32, 1e-4, "plain" }, { true, DNN_F32, 1e-4, "with normalizations" },
		{ true, DNN_BF16, 5e-2, "in bfloat16" },
	};
	struct net *net = train_net(which, 1);
	float want[LOGITS];
	struct tnet *t;
	size_t i;

	plain(net, want);
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		double d;

		t = make(net, ways[i].norm, ways[i].type);
		forward(t, TNET_EVAL);
		d = difference(t->logits, want, LOGITS);
		ok(d < ways[i].most, "%s, %s: the network's own function (off by %.1e)",
		   train_nets_names[which], ways[i].what, d);
		tnet_destroy(t);
	}
	net_destroy(net);
}

static void test_measure(enum train_nets which)
{
	struct net *net = train_net(which, 2);
	struct tnet *t = make(net, true, DNN_F32);
	float want[LOGITS];
	uint32_t i;
	double d;

	norms_shake(t);
	forward(t, TNET_EVAL);
	memcpy(want, t->logits, sizeof(want));
	ok(!tnet_norm_measure(t, pixels, SCALE), "%s: measured", train_nets_names[which]);
	forward(t, TNET_EVAL);
	d = difference(t->logits, want, LOGITS);
	ok(d < 1e-4, "%s: the same function after it (off by %.1e)", train_nets_names[which], d);
	/* The batch is normalized by its own moments: they are those that were measured. */
	forward(t, TNET_TRAIN);
	d = difference(t->logits, want, LOGITS);
	ok(d < 1e-3, "%s: training begins with it (off by %.1e)", train_nets_names[which], d);
	for (i = 0; i < net->layer_count && !t->layers[i].norm; i++)
		;
	ok(i < net->layer_count, "%s: has a normalization", train_nets_names[which]);
	tnet_destroy(t);
	net_destroy(net);
}

static void test_fold(enum train_nets which)
{
	struct net *net = train_net(which, 3), *folded = NULL;
	struct tnet *t = make(net, true, DNN_F32);
	float *factors[16] = { NULL }, want[LOGITS];
	bool good = true;
	uint32_t i, c;
	double d;

	norms_shake(t);
	for (i = 0; i < net->layer_count; i++)
		factors[i] = malloc(t->layers[i].channels * sizeof(float));
	/* What is used is folded, not the master weights. */
	for (i = 0; i < net->layer_count; i++)
		if (t->layers[i].weights) {
			t->layers[i].projected[0] = 0.5f;
			t->layers[i].used = t->layers[i].projected;
		}
	forward(t, TNET_EVAL);
	if (!ok(!tnet_fold(t, &folded, factors, &err), "%s: folded", train_nets_names[which]))
		bail("%s", err.text);
	plain(folded, want);
	d = difference(t->logits, want, LOGITS);
	ok(d < 1e-4, "%s: the same function (off by %.1e)", train_nets_names[which], d);
	for (i = 0; i < net->layer_count; i++) {
		const struct tnet_layer *p = &t->layers[i];
		size_t sum = net_layer_sum(net, p->l);

		for (c = 0; p->weights && c < p->channels; c++)
			good &= fabsf(folded->layers[i].weight[c * sum] - p->used[c * sum] *
				      factors[i][c]) <= 1e-6f * fabsf(factors[i][c]);
		free(factors[i]);
	}
	ok(good, "%s: by the factors given", train_nets_names[which]);
	net_destroy(folded);
	tnet_destroy(t);
	net_destroy(net);
}

/* The first convolution's sums by the plain executor, in double precision. */
static void test_running(void)
{
	struct net *net = train_net(TRAIN_NET_PLAIN, 4);
	struct tnet *t = make(net, true, DNN_F32);
	const struct net_layer *l = &net->layers[1];
	size_t in = net_tensor_elements(&net->tensors[1]), p, i;
	size_t out = net_tensor_elements(&net->tensors[2]), area = out / net->tensors[2].c;
	float *x = malloc(BATCH * in * sizeof(*x)), *y = malloc(BATCH * out * sizeof(*y));
	struct net_work work = { NULL, 0 };
	double n = (double)(BATCH * area), worst[2] = { 0, 0 };
	uint32_t c;

	tnet_init(t, 7);
	forward(t, TNET_TRAIN);
	tnet_tensor(t, 1, x);
	for (p = 0; p < BATCH; p++)
		net_layer_sums(net, l, t->layers[1].used, x + p * in, y + p * out, &work);
	for (c = 0; c < net->tensors[2].c; c++) {
		double mean = 0, square = 0;

		for (p = 0; p < BATCH; p++)
			for (i = 0; i < area; i++)
				mean += (double)y[p * out + c * area + i] / n;
		for (p = 0; p < BATCH; p++)
			for (i = 0; i < area; i++)
				square += pow(y[p * out + c * area + i] - mean, 2) / (n - 1);
		worst[0] = fmax(worst[0], fabs(t->layers[1].norm->mean[c] - 0.1 * mean));
		worst[1] = fmax(worst[1], fabs(t->layers[1].norm->var[c] - 0.9 - 0.1 * square));
	}
	ok(worst[0] < 1e-5, "running means take a tenth of the batch's (off by %.1e)", worst[0]);
	ok(worst[1] < 1e-5, "and of its unbiased variance (off by %.1e)", worst[1]);
	net_work_free(&work);
	free(x);
	free(y);
	tnet_destroy(t);
	net_destroy(net);
}

static void test_init(void)
{
	struct net *net = train_net(TRAIN_NET_RESIDUAL, 5);
	struct tnet *a = make(net, true, DNN_F32), *b = make(net, true, DNN_F32);
	size_t n = a->layers[5].weights, i;
	double square = 0;

	tnet_init(a, 11);
	tnet_init(b, 11);
	ok_mem(a->layers[5].weight, b->layers[5].weight, n * sizeof(float), "weights by their seed");
	tnet_init(b, 12);
	ok(memcmp(a->layers[5].weight, b->layers[5].weight, n * sizeof(float)), "another seed, others");
	for (i = 0; i < n; i++)
		square += (double)a->layers[5].weight[i] * a->layers[5].weight[i] / (double)n;
	square *= (double)net_layer_sum(net, &net->layers[5]) / 2;
	ok(fabs(square - 1) < 0.2, "their variance is 2 / fan in (%.2f of it)", square);
	ok(a->layers[0].scale[0] == net->layers[0].scale[0], "the picture's normalization stays");
	tnet_destroy(a);
	tnet_destroy(b);
	net_destroy(net);
}

static void test_params(void)
{
	static const char *const want[] = {
		"1 weight 1 gamma 1 beta 2 weight 2 gamma 2 beta 3 weight 3 gamma 3 beta "
		"6 weight 6 gamma 6 beta 9 scale 9 bias 11 weight 11 bias ",
		"1 weight 1 bias 2 weight 2 bias 3 weight 3 bias 6 weight 6 bias 9 scale 9 bias "
		"11 weight 11 bias ",
	};
	struct net *net = train_net(TRAIN_NET_BRANCHES, 6);
	struct tnet_param *p = NULL;
	char text[512];
	bool decays = true;
	int norm, n, i;

	for (norm = 1; norm >= 0; norm--) {
		struct tnet *t = make(net, norm, DNN_F32);
		size_t at = 0, count = 0;

		n = tnet_params(t, &p);
		for (i = 0; i < n; i++) {
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%u %s ", p[i].layer,
					       p[i].what);
			decays &= p[i].decays == !strcmp(p[i].what, "weight");
			count += p[i].value && p[i].grad ? p[i].n : 0;
		}
		is_str(text, want[!norm], norm ? "parameters with normalizations" : "and without");
		/* Layers 1, 2, 3, 6, 9, 11; gamma and beta where normalized. */
		is_int(count, 216 + 72 + 144 + 120 + 12 + 60 + 12 + 5 + (8 + 8 + 4 + 6) * (norm + 1),
		       "all of them");
		free(p);
		tnet_destroy(t);
	}
	ok(decays, "weight decay is for weights");
	net_destroy(net);
}

static void refuses(const struct net *net, const struct tnet_options *o, const char *text,
		    const char *what)
{
	struct tnet *t;
	int rc = tnet_create(net, dnn, o, &t, &err);

	if (!ok(rc == -EINVAL && !t && strstr(err.text, text), "%s", what))
		diag("returned %d: %s", rc, err.text);
	tnet_destroy(t);
}

static void test_refusals(void)
{
	struct net *net = train_net(TRAIN_NET_PLAIN, 7);
	struct tnet_options o = { .batch = BATCH, .norm = true, .norm_momentum = 0.1f };
	const float zeros[LOGITS] = { 0 };
	struct tnet *t;

	t = make(net, true, DNN_F32);
	is_int(tnet_backward(t, zeros), -EINVAL, "no gradient without a forward pass");
	forward(t, TNET_EVAL);
	is_int(tnet_backward(t, zeros), -EINVAL, "nor after TNET_EVAL");
	is_int(tnet_forward(t, TNET_INTEGER, pixels, SCALE), -EINVAL, "no integers, no integer pass");
	forward(t, TNET_TRAIN);
	is_int(tnet_backward(t, zeros), 0, "a gradient after TNET_TRAIN");
	tnet_destroy(t);
	o.batch = 0;
	refuses(net, &o, "batch of 0", "no pictures");
	o.batch = BATCH;
	net->layers[3].kind = NET_PAD;
	refuses(net, &o, "net_simplify", "a layer that net_simplify() leaves none of");
	net->layers[3].kind = NET_CONV;
	net->layer_count = net->output = 5;
	refuses(net, &o, "net_simplify", "a tensor that nobody writes");
	net->layer_count = net->output = 6;
	net->tensors[6].h = 2;
	refuses(net, &o, "layer 't6'", "an output that is no list of classes");
	net->tensors[6].h = 1;
	net_destroy(net);
}

int main(void)
{
	enum train_nets which;

	if (dnn_open(1, &dnn, &err))
		bail("%s", err.text);
	train_net_pixels(pixels, sizeof(pixels), 1);
	for (which = 0; which < TRAIN_NETS; which++) {
		test_function(which);
		test_measure(which);
		test_fold(which);
	}
	test_running();
	test_init();
	test_params();
	test_refusals();
	dnn_close(dnn);
	return tap_done();
}
