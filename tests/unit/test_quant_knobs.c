// SPDX-License-Identifier: MIT
/*
 * The quantizer's knobs on a small network: each has an effect and is obeyed, layer by layer
 * where it may differ; counts of pruned weights are met exactly.
 */
#include <math.h>

#include "net/quant_prune.h"
#include "quant_net.h"
#include "tap.h"

static struct net_error err;

static struct quantize_options preset(bool feedback)
{
	struct quantize_options o = { .feedback = feedback, .range = CALIB_MSE };

	o.weights = (struct quant_options){ .bits = 5, .separation = 2, .seed = 5,
					    .by_error = true, .threads = 2 };
	o.prune = feedback ? QUANTIZE_PRUNE_FEEDBACK : QUANTIZE_PRUNE_MAGNITUDE;
	return o;
}

static struct qnet *quantize(struct net *n, const struct quantize_options *o)
{
	struct calib_set set = quant_net_pictures(12);
	struct qnet *q = NULL;

	if (quantize_network(n, &set, o, &q, &err))
		bail("%s", err.text);
	return q;
}

/* Weights of the four layers together; how many are cut, and whether all of these are symbol 0. */
static size_t count(const struct qnet *q, size_t *cut)
{
	size_t all = 0;
	int i;

	*cut = 0;
	for (i = 0; i < 4; i++) {
		const struct qlayer *l = &q->layers[quant_net_weighted[i]];

		all += net_layer_weights(q->net, &q->net->layers[quant_net_weighted[i]]);
		*cut += l->weights.cut;
		if (l->pruned < l->weights.cut)
			*cut += 1000000;
	}
	return all;
}

static void test_sparsity(const char *what, enum quantize_prune prune, bool feedback, bool network)
{
	struct quantize_options o = preset(feedback);
	struct net *n = quant_net(), *again = quant_net();
	struct qnet *q, *three;
	size_t all, cut, want = 0;
	int i;

	o.prune = prune;
	o.prune_network = network;
	o.sparsity = 0.37;
	q = quantize(n, &o);
	all = count(q, &cut);
	for (i = 0; i < 4; i++)
		want += (size_t)(0.37 * (double)net_layer_weights(n, &n->layers[quant_net_weighted[i]]));
	if (network)
		want = (size_t)(0.37 * (double)all);
	ok(cut == want, "%s: 37 %% of %zu weights, rounded down, is %zu, not %zu", what, all, want,
	   cut);
	o.weights.threads = 3;
	three = quantize(again, &o);
	ok(quant_net_same(q, three), "%s: the same from 2 threads and from 3", what);
	qnet_destroy(three);
	three = quantize(n, &o);
	ok(quant_net_same(q, three), "%s: and when the network is quantized again", what);
	qnet_destroy(q);
	qnet_destroy(three);
	net_destroy(n);
	net_destroy(again);
}

/* Weights that are 0 in the network stay so, also where others would return. */
static void test_zeros(void)
{
	struct quantize_options o = preset(true);
	struct net *n = quant_net();
	struct net_layer *l = &n->layers[2];
	size_t w = net_layer_weights(n, l), i, revived = 0;
	struct qnet *q;

	for (i = 0; i < w; i += 2)
		l->weight[i] = 0;
	for (o.sparsity = 0; o.sparsity < 1; o.sparsity += 0.7) {
		q = quantize(n, &o);
		for (i = 0; i < w; i += 2)
			revived += q->layers[2].f.symbols[i] != 0;
		ok(q->layers[2].weights.cut == (o.sparsity > 0 ? (size_t)(0.7 * (double)w) : w / 2),
		   "weights that were 0 count: %g", o.sparsity);
		qnet_destroy(q);
	}
	is_int((long long)revived, 0, "and stay 0");
	net_destroy(n);
}

/* Dynamic Network Surgery: below 0.9 times the mean of |w| where no sparsity is given. */
static void test_dns(void)
{
	static const float w[] = { 0, 0.89f, -0.91f, 1, -1, 1, -1, 1.2f, 0 };
	struct quantize_options o = { .prune = QUANTIZE_PRUNE_DNS };
	struct net *n = quant_net();
	struct net_layer *l = &n->layers[4];
	size_t zeros[8], i, m = net_layer_weights(n, l);

	/* Mean 1 over the seven that are not 0. */
	for (i = 0; i < m; i++)
		l->weight[i] = i < 9 ? w[i] : 0;
	ok(!quant_prune_plan(n, &o, NULL, zeros), "a plan by threshold");
	is_int((long long)zeros[4], (long long)m - 6, "cuts what is below 0.9 times the mean");
	/* One c for all: the layer whose weights are alike has none far below its mean. */
	for (i = 0; i < m; i++)
		l->weight[i] = i % 2 ? 0.1f : -0.1001f;
	o.sparsity = 0.3;
	o.prune_network = true;
	ok(!quant_prune_plan(n, &o, NULL, zeros) && zeros[0] > 0 && zeros[2] > 0 &&
	   zeros[0] < net_layer_weights(n, &n->layers[0]), "one c cuts each layer by its spread");
	net_destroy(n);
}

/* One threshold for all layers spares the layer whose weights are worth more. */
static void test_scope(void)
{
	struct quantize_options o = { .prune = QUANTIZE_PRUNE_MAGNITUDE, .sparsity = 0.5,
				      .prune_network = true };
	struct net *n = quant_net();
	size_t zeros[8], i, m = net_layer_weights(n, &n->layers[0]);
	struct quantize_layer_options layers[8];

	for (i = 0; i < m; i++)
		n->layers[0].weight[i] = i % 2 ? 1 : -1;
	ok(!quant_prune_plan(n, &o, NULL, zeros), "a plan by magnitude");
	is_int((long long)zeros[0], 0, "weights all alike are above the others' small ones");
	for (i = 0; i < 8; i++)
		layers[i].sparsity = i == 0 ? 0.25 : i == 7 ? 0 : -1;
	o.layers = layers;
	ok(!quant_prune_plan(n, &o, NULL, zeros) && zeros[0] == m / 4 && zeros[7] == 0,
	   "layers with a sparsity of their own have that");
	is_int((long long)(zeros[2] + zeros[4]),
	       (long long)(net_layer_weights(n, &n->layers[2]) +
			   net_layer_weights(n, &n->layers[4])) / 2, "the others share the rest");
	o.prune = QUANTIZE_PRUNE_NONE;
	ok(!quant_prune_plan(n, &o, NULL, zeros) && !zeros[0] && !zeros[2] && !zeros[4],
	   "none is none");
	net_destroy(n);
}

/* Pruned within the error feedback the output is closer than pruned by magnitude. */
static void test_worth(void)
{
	struct quantize_options o = preset(true);
	double snr[2];
	int i;

	o.sparsity = 0.6;
	o.weights.bits = 6;
	for (i = 0; i < 2; i++) {
		struct net *n = quant_net();
		struct qnet *q;

		o.prune = i ? QUANTIZE_PRUNE_FEEDBACK : QUANTIZE_PRUNE_MAGNITUDE;
		q = quantize(n, &o);
		snr[i] = q->layers[7].snr;
		qnet_destroy(q);
		net_destroy(n);
	}
	ok(snr[1] > snr[0] + 1, "pruned within the feedback %.1f dB, by magnitude %.1f dB", snr[1],
	   snr[0]);
}

static void test_layers(bool feedback)
{
	static const struct quantize_layer_options want[8] = {
		[0] = { .bits = 8, .mode = QUANT_SHIFT, .sparsity = -1 },
		[2] = { .bits = 3, .mode = QUANT_RECENTRALIZED, .sparsity = 0.5 },
		[4] = { .bits = 6, .mode = QUANT_SHIFT, .sparsity = 0 },
		[7] = { .bits = 4, .mode = QUANT_AUTO, .sparsity = 0.25 },
	};
	struct quantize_options o = preset(feedback);
	struct net *n = quant_net();
	const struct qlayer *l;
	struct qnet *q;
	int i;

	o.layers = want;
	q = quantize(n, &o);
	l = q->layers;
	for (i = 0; i < 4; i++)
		ok(l[quant_net_weighted[i]].f.bits == want[quant_net_weighted[i]].bits,
		   "layer %u has bits of its own", quant_net_weighted[i]);
	ok(l[0].f.mode == FQZ_SHIFT && l[4].f.mode == FQZ_SHIFT, "and a mode");
	/* To the letter a layer without two peaks can't be recentralized. */
	if (feedback)
		is_int(l[2].f.mode, FQZ_RECENTRALIZED, "whatever the weights look like");
	ok(l[0].weights.cut == 0 && l[4].weights.cut == 0 &&
	   l[2].weights.cut == net_layer_weights(n, &n->layers[2]) / 2 &&
	   l[7].weights.cut == (size_t)(0.25 * (double)net_layer_weights(n, &n->layers[7])),
	   "and a sparsity");
	qnet_destroy(q);
	net_destroy(n);
}

/* 99995 values of 1 to 1.03 and 5 of 100. */
static void test_clip(void)
{
	static struct calib_range r;
	int bin = CALIB_OCTAVES / 2 * CALIB_SPLIT, far = (CALIB_OCTAVES / 2 + 6) * CALIB_SPLIT + 18;
	float most, share, least;

	r.count[1][bin] = 99995;
	r.count[1][far] = 5;
	r.largest[1] = 100;
	most = calib_clip(&r, CALIB_MINMAX, 255);
	share = calib_clip(&r, CALIB_PERCENTILE, 255);
	least = calib_clip(&r, CALIB_MSE, 255);
	ok(most == 100, "min-max: the largest");
	ok(share > 1 && share < 1.04f, "percentile: without the 0.01 %% largest, %g", (double)share);
	ok(least > 30 && least < 99, "least squares: between, %g", (double)least);
	r.count[1][far] = 11;
	ok(calib_clip(&r, CALIB_PERCENTILE, 255) > 99, "more than 0.01 %% are not cut off");
	memset(&r, 0, sizeof(r));
	ok(calib_clip(&r, CALIB_MINMAX, 255) == 0 && calib_clip(&r, CALIB_PERCENTILE, 255) == 0 &&
	   calib_clip(&r, CALIB_MSE, 127) == 0, "nothing but 0: 0");
	r.count[0][0] = 1;
	r.largest[0] = 0x1p-30f;
	ok(calib_clip(&r, CALIB_PERCENTILE, 255) == 0x1p-30f, "never beyond the largest");
}

/* Knobs that change the image's bits. */
static void test_effects(void)
{
	struct quantize_options o = preset(false), other;
	struct net *n = quant_net();
	float *w = n->layers[2].weight;
	struct qnet *q, *p;
	int i;

	/* Two peaks that overlap. */
	for (i = 0; i < (int)net_layer_weights(n, &n->layers[2]); i++)
		w[i] += i % 2 ? 0.15f : -0.15f;
	q = quantize(n, &o);
	ok(q->layers[2].f.mode == FQZ_RECENTRALIZED && q->layers[0].f.mode == FQZ_SHIFT,
	   "the layer with two peaks is recentralized: W = %.2f",
	   q->layers[2].weights.gmm.separation);
	for (i = 0; i < 5; i++) {
		static const char *const what[] = { "w_sep", "the seed", "assignment", "min-max",
						    "percentile" };

		other = o;
		if (i == 0)
			other.weights.separation = 1e6;
		else if (i == 1)
			other.weights.seed = 6;
		else if (i == 2)
			other.weights.assign_nearest = true;
		else
			other.range = i == 3 ? CALIB_MINMAX : CALIB_PERCENTILE;
		p = quantize(n, &other);
		ok(!quant_net_same(p, q), "%s has an effect", what[i]);
		qnet_destroy(p);
	}
	qnet_destroy(q);
	net_destroy(n);
}

int main(void)
{
	test_sparsity("magnitude by layer", QUANTIZE_PRUNE_MAGNITUDE, false, false);
	test_sparsity("magnitude, one threshold", QUANTIZE_PRUNE_MAGNITUDE, true, true);
	test_sparsity("DNS by layer", QUANTIZE_PRUNE_DNS, true, false);
	test_sparsity("DNS, one threshold", QUANTIZE_PRUNE_DNS, false, true);
	test_sparsity("feedback by layer", QUANTIZE_PRUNE_FEEDBACK, true, false);
	test_sparsity("feedback, one threshold", QUANTIZE_PRUNE_FEEDBACK, true, true);
	test_zeros();
	test_dns();
	test_scope();
	test_worth();
	test_layers(false);
	test_layers(true);
	test_clip();
	test_effects();
	return tap_done();
}
