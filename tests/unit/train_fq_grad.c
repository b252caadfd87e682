// SPDX-License-Identifier: MIT
/*
 * Straight through: the gradient by the master weights of a quantized layer is the unquantized layer's at
 * the quantized weights, to the bit, and nothing reaches pruned ones. Alpha's gradient, against
 * differences of the plain executor's loss.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "train/fq.h"
#include "train_nets.h"
#include "train_ref.h"

#define BATCH		4
#define SCALE		(1.0f / 255)
#define STEP		1e-6
#define MAX_LAYERS	32

struct setup {
	char name[100];
	struct net *net;
	struct dnn *dnn;
	struct tnet *t;
	struct fq_layer fq[MAX_LAYERS];
	uint8_t *mask[MAX_LAYERS];
	float dlogits[BATCH * TRAIN_NETS_CLASSES];
	uint8_t *pixels;
	uint16_t labels[BATCH];
};

/*
 * Four of ten weights pruned: what remains has two peaks, as Dynamic Network Surgery leaves it. The
 * dense weights stay under the mask.
 */
static uint8_t *prune(const struct tnet_layer *l, size_t sum)
{
	float threshold = 0.5f * sqrtf(2.0f / (float)sum);
	uint8_t *mask = malloc(l->weights);
	size_t k;

	for (k = 0; k < l->weights; k++)
		mask[k] = fabsf(l->weight[k]) >= threshold;
	return mask;
}

static void quantize(struct setup *s, uint32_t i, enum quant_mode mode, float share)
{
	const struct quant_options o = {
		.bits = 5, .mode = mode, .separation = 2, .seed = 5, .threads = 1,
	};
	struct tnet_layer *l = &s->t->layers[i];
	size_t sum = net_layer_sum(s->net, &s->net->layers[i]);

	s->mask[i] = prune(l, sum);
	if (fq_create(&s->fq[i], l->weights / sum, sum, i, s->mask[i], &o) ||
	    fq_estimate(&s->fq[i], l->weight, 0) || fq_advance(&s->fq[i], l->weight, share))
		bail("%s: cannot quantize", s->name);
	s->fq[i].alpha = 1.125f;
	fq_project(&s->fq[i], l->weight, l->projected);
	l->used = l->projected;
}

static void set_up(struct setup *s, enum train_nets which, bool norm, enum dnn_type type,
		   enum quant_mode mode, float share, uint64_t seed)
{
	const struct tnet_options o = { .batch = BATCH, .type = type, .norm = norm, .norm_momentum = 0.1f };
	static struct net_error err;
	uint32_t i;
	size_t n;

	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s%s, %s, %s, %.0f %% quantized",
		 train_nets_names[which], norm ? " with norm" : "",
		 type == DNN_BF16 ? "bf16" : "f32", mode == QUANT_SHIFT ? "shift" : "recentralized",
		 100 * (double)share);
	s->net = train_net(which, seed);
	if (dnn_open(1, &s->dnn, &err) || tnet_create(s->net, s->dnn, &o, &s->t, &err))
		bail("%s: %s", s->name, err.text);
	n = BATCH * net_tensor_elements(&s->net->tensors[0]);
	s->pixels = malloc(n);
	train_net_pixels(s->pixels, n, seed);
	train_net_labels(s->labels, BATCH, seed);
	for (i = 0; i < s->net->layer_count; i++)
		if (s->t->layers[i].weights)
			quantize(s, i, mode, share);
}

static void tear_down(struct setup *s)
{
	uint32_t i;

	for (i = 0; i < s->net->layer_count; i++)
		if (s->t->layers[i].weights) {
			fq_free(&s->fq[i]);
			free(s->mask[i]);
		}
	tnet_destroy(s->t);
	dnn_close(s->dnn);
	net_destroy(s->net);
	free(s->pixels);
}

static void run(struct setup *s)
{
	size_t correct;

	if (tnet_forward(s->t, TNET_TRAIN, s->pixels, SCALE))
		bail("%s: cannot run", s->name);
	ops_softmax_loss(s->t->logits, s->labels, BATCH, TRAIN_NETS_CLASSES, 0, s->dlogits, &correct);
	if (tnet_backward(s->t, s->dlogits))
		bail("%s: cannot run backward", s->name);
}

/* s->t: quantized by projection; b: a network whose master weights are the quantized ones. */
static void test_straight_through(enum train_nets which, enum dnn_type type, enum quant_mode mode,
				  float share)
{
	bool bits = true, through = true, masked = true, on_grid = true;
	size_t pruned = 0, quantized = 0, all = 0, k;
	struct setup a, b;
	uint32_t i;

	set_up(&a, which, true, type, mode, share, 1);
	set_up(&b, which, true, type, mode, share, 1);
	for (i = 0; i < a.net->layer_count; i++) {
		struct tnet_layer *l = &b.t->layers[i];

		if (!l->weights)
			continue;
		memcpy(l->weight, a.t->layers[i].projected, l->weights * sizeof(float));
		l->used = l->weight;
	}
	run(&a);
	run(&b);
	for (i = 0; i < a.net->layer_count; i++) {
		struct tnet_layer *l = &a.t->layers[i];
		const float *plain = b.t->layers[i].grad;

		if (!l->weights)
			continue;
		bits &= !memcmp(l->grad, plain, l->weights * sizeof(float));
		fq_gradient(&a.fq[i], l->used, l->grad);
		for (k = 0; k < l->weights; k++) {
			if (!a.mask[i][k]) {
				masked &= !l->grad[k] && !l->used[k];
				pruned++;
				continue;
			}
			through &= l->grad[k] == plain[k];
			on_grid &= a.fq[i].quantized[k] || l->used[k] == l->weight[k];
			quantized += a.fq[i].quantized[k];
		}
		all += l->weights;
	}
	ok(bits, "%s: by the used weights, the plain network's gradient", a.name);
	ok(through, "%s: the master weights' gradient is the same", a.name);
	ok(masked, "%s: but 0 at pruned ones, which stay 0", a.name);
	ok(on_grid, "%s: a weight that is not quantized is used as it is", a.name);
	ok(pruned > all / 4 && pruned < all / 2 &&
	   fabs((double)quantized / (double)(all - pruned) - (double)share) < 0.01,
	   "%s: %zu of %zu weights pruned, %zu quantized", a.name, pruned, all, quantized);
	tear_down(&a);
	tear_down(&b);
}

static double loss_at(struct train_ref *r, const struct fq_layer *q, uint32_t i, const float *used,
		      double factor, const uint16_t *labels)
{
	size_t k;

	for (k = 0; k < q->n; k++)
		r->layers[i].param[REF_WEIGHT][k] = used[k] * (q->quantized[k] ? factor : 1);
	train_ref_forward(r, false);
	return train_ref_loss(r, labels, 0);
}

/* The derivative by a layer's alpha, INFINITY where a kink lies within the step. */
static double alpha_difference(struct train_ref *r, const struct setup *s, uint32_t i)
{
	const struct fq_layer *q = &s->fq[i];
	const float *used = s->t->layers[i].used;
	double up, down, step = STEP / (double)q->alpha;
	uint64_t pattern;

	up = loss_at(r, q, i, used, 1 + step, s->labels);
	pattern = r->pattern;
	down = loss_at(r, q, i, used, 1 - step, s->labels);
	loss_at(r, q, i, used, 1, s->labels);
	return r->pattern == pattern ? (up - down) / (2 * STEP) : INFINITY;
}

/* The executor's gradients in single precision, through fq_gradient() as tnet's would go. */
static float alpha_gradient(struct train_ref *r, struct setup *s, uint32_t i)
{
	struct tnet_layer *l = &s->t->layers[i];
	float *grad = malloc(l->weights * sizeof(*grad));
	size_t k;

	for (k = 0; k < l->weights; k++)
		grad[k] = (float)r->layers[i].grad[REF_WEIGHT][k];
	fq_gradient(&s->fq[i], l->used, grad);
	free(grad);
	return s->fq[i].alpha_grad;
}

/*
 * Where all of a layer with norm is quantized, alpha's gradient is 0: what alpha scales is normalized. So
 * either a part is quantized or there is no norm.
 */
static void test_alpha(enum train_nets which, bool norm, enum quant_mode mode, float share)
{
	struct train_ref *r;
	struct setup s;
	double worst = 0, worst_tnet = 0, smallest = INFINITY;
	uint32_t i, layers = 0;
	size_t k;

	set_up(&s, which, norm, DNN_F32, mode, share, 2);
	r = train_ref_create(s.net, BATCH, norm);
	train_ref_load(r, s.t);
	for (k = 0; k < train_ref_elements(r, 0); k++)
		r->value[0][k] = s.pixels[k] * (double)SCALE;
	train_ref_forward(r, false);
	train_ref_loss(r, s.labels, 0);
	train_ref_backward(r);
	run(&s);
	for (i = 0; i < s.net->layer_count; i++) {
		double d, by_ref;

		if (!s.t->layers[i].weights)
			continue;
		d = alpha_difference(r, &s, i);
		by_ref = (double)alpha_gradient(r, &s, i);
		fq_gradient(&s.fq[i], s.t->layers[i].used, s.t->layers[i].grad);
		worst = fmax(worst, fabs(by_ref - d) / fabs(d));
		worst_tnet = fmax(worst_tnet, fabs((double)s.fq[i].alpha_grad - d) / fabs(d));
		smallest = fmin(smallest, fabs(d));
		layers++;
	}
	ok(worst <= 1e-5, "%s: alpha's gradient of %u layers by differences (%.1e)", s.name, layers,
	   worst);
	ok(worst_tnet <= 1e-3, "%s: with tnet's gradients (%.1e)", s.name, worst_tnet);
	ok(layers && smallest > 1e-3, "%s: none of which is near 0 (%.1e)", s.name, smallest);
	train_ref_destroy(r);
	tear_down(&s);
}

/* What the differences take for granted: only quantized weights follow alpha, and in proportion. */
static void test_proportion(void)
{
	bool follows = true, stays = true;
	struct tnet_layer *l;
	struct fq_layer *q;
	struct setup s;
	float *before;
	size_t k;

	set_up(&s, TRAIN_NET_PLAIN, true, DNN_F32, QUANT_RECENTRALIZED, 0.5f, 3);
	l = &s.t->layers[3];
	q = &s.fq[3];
	before = malloc(l->weights * sizeof(*before));
	memcpy(before, l->projected, l->weights * sizeof(*before));
	q->alpha *= 2;
	fq_project(q, l->weight, l->projected);
	for (k = 0; k < l->weights; k++) {
		if (q->quantized[k] && q->mask[k])
			follows &= l->projected[k] == 2 * before[k];
		else
			stays &= l->projected[k] == before[k];
	}
	ok(follows, "twice alpha: twice each quantized weight");
	ok(stays, "and the others as they were");
	free(before);
	tear_down(&s);
}

int main(void)
{
	test_proportion();
	test_straight_through(TRAIN_NET_PLAIN, DNN_F32, QUANT_RECENTRALIZED, 0.75f);
	test_straight_through(TRAIN_NET_BRANCHES, DNN_F32, QUANT_SHIFT, 0.5f);
	if (dnn_has_bf16())
		test_straight_through(TRAIN_NET_RESIDUAL, DNN_BF16, QUANT_RECENTRALIZED, 1);
	else
		skip("no bfloat16 here", "straight through in bfloat16");
	test_alpha(TRAIN_NET_PLAIN, true, QUANT_RECENTRALIZED, 0.5f);
	test_alpha(TRAIN_NET_RESIDUAL, false, QUANT_SHIFT, 1);
	test_alpha(TRAIN_NET_BRANCHES, false, QUANT_RECENTRALIZED, 1);
	return tap_done();
}
