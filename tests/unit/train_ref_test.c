// SPDX-License-Identifier: MIT
/*
 * The trainer's judge is judged itself: its forward pass against the tools' float executor, its
 * gradients against central differences of its loss along random directions.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/exec.h"
#include "tap.h"
#include "train_nets.h"
#include "train_ref.h"

#define BATCH		3
#define STEP		1e-6
#define TOLERANCE	1e-5
#define DIRECTIONS	2	/* by layer and kind of parameter */
#define TRIES		20

static void fill_picture(struct train_ref *r, uint64_t seed)
{
	size_t n = train_ref_elements(r, r->net->input), i;
	uint8_t *pixels = malloc(n);

	train_net_pixels(pixels, n, seed);
	for (i = 0; i < n; i++)
		r->value[r->net->input][i] = pixels[i] / 255.0;
	free(pixels);
}

/* Parameters as training leaves them: no channel has gamma 1, beta 0. */
static void perturb_norms(struct train_ref *r, uint64_t seed)
{
	uint32_t i;
	size_t c;

	for (i = 0; i < r->net->layer_count; i++) {
		struct train_ref_layer *p = &r->layers[i];

		for (c = 0; c < p->count[REF_GAMMA]; c++) {
			p->param[REF_GAMMA][c] += 0.3 * train_net_normal(seed, 500 + i, c);
			p->param[REF_BETA][c] += 0.3 * train_net_normal(seed, 600 + i, c);
			p->mean[c] = 0.3 * train_net_normal(seed, 700 + i, c);
			p->var[c] = exp(0.5 * train_net_normal(seed, 800 + i, c));
		}
	}
}

static double loss_at(struct train_ref *r, double *param, const double *start, const double *direction,
		      size_t n, double step, const uint16_t *labels, double smoothing)
{
	size_t i;

	for (i = 0; i < n; i++)
		param[i] = start[i] + step * direction[i];
	train_ref_forward(r, false);
	return train_ref_loss(r, labels, smoothing);
}

/*
 * The derivative of the loss along a direction in which no bound and no maximum changes within
 * the step, by differences and by @grad. Return: the relative error, INFINITY where no direction was
 * found.
 */
static double directional_error(struct train_ref *r, double *param, const double *grad, size_t n,
				uint64_t seed, const uint16_t *labels, double smoothing)
{
	double *start = malloc(n * sizeof(*start)), *direction = malloc(n * sizeof(*direction));
	double error = INFINITY, by_grad, difference;
	uint64_t pattern, there[2];
	unsigned int try;
	size_t i;

	memcpy(start, param, n * sizeof(*start));
	train_ref_forward(r, false);
	pattern = r->pattern;
	for (try = 0; try < TRIES && isinf(error); try++) {
		by_grad = 0;
		for (i = 0; i < n; i++) {
			direction[i] = train_net_normal(seed, 900 + try, i) / sqrt((double)n);
			by_grad += grad[i] * direction[i];
		}
		difference = loss_at(r, param, start, direction, n, STEP, labels, smoothing);
		there[0] = r->pattern;
		difference -= loss_at(r, param, start, direction, n, -STEP, labels, smoothing);
		there[1] = r->pattern;
		difference /= 2 * STEP;
		/* A derivative of nearly 0 would be compared with the differences' rounding. */
		if (there[0] == pattern && there[1] == pattern && fabs(difference) > 1e-4)
			error = fabs(by_grad - difference) / fabs(difference);
	}
	memcpy(param, start, n * sizeof(*start));
	free(start);
	free(direction);
	return error;
}

static void test_network(enum train_nets which, bool norm, double smoothing)
{
	struct net *net = train_net(which, 1);
	struct train_ref *r = train_ref_create(net, BATCH, norm);
	double worst[REF_KINDS] = { 0 }, error;
	uint32_t tested[REF_KINDS] = { 0 }, i, k, d;
	uint16_t labels[BATCH];

	fill_picture(r, which);
	perturb_norms(r, which);
	train_net_labels(labels, BATCH, which);
	train_ref_forward(r, false);
	train_ref_loss(r, labels, smoothing);
	train_ref_backward(r);
	for (i = 0; i < net->layer_count; i++)
		for (k = 0; k < REF_KINDS; k++) {
			struct train_ref_layer *p = &r->layers[i];

			for (d = 0; d < DIRECTIONS && p->count[k]; d++) {
				error = directional_error(r, p->param[k], p->grad[k], p->count[k],
							  100 * i + 10 * k + d, labels, smoothing);
				if (!(error <= TOLERANCE))
					diag("layer %u's %s: %g", i, train_ref_kind_names[k], error);
				worst[k] = fmax(worst[k], error);
				tested[k]++;
			}
		}
	for (k = 0; k < REF_KINDS; k++)
		if (tested[k])
			ok(worst[k] <= TOLERANCE,
			   "%s%s, smoothing %g: gradients by %s: %u directions within %.1g (%.1e)",
			   train_nets_names[which], norm ? " with norm" : "", smoothing,
			   train_ref_kind_names[k], tested[k], TOLERANCE, worst[k]);
	error = directional_error(r, r->value[net->input], r->grad[net->input],
				  train_ref_elements(r, net->input), 7, labels, smoothing);
	ok(error <= TOLERANCE, "%s%s: gradient by the picture (%.1e)", train_nets_names[which],
	   norm ? " with norm" : "", error);
	train_ref_destroy(r);
	net_destroy(net);
}

/* Of each picture of the batch: the float executor knows no batches and no normalization. */
static void test_forward(enum train_nets which)
{
	struct net *net = train_net(which, 2);
	struct train_ref *r = train_ref_create(net, BATCH, false);
	struct net_state *s = net_state_create(net);
	double worst = 0;
	uint32_t t;
	size_t n, i;

	fill_picture(r, 3);
	train_ref_forward(r, true);
	for (n = 0; n < BATCH; n++) {
		for (i = 0; i < net_tensor_elements(&net->tensors[0]); i++)
			s->tensors[0][i] = (float)r->value[0][n * net_tensor_elements(&net->tensors[0]) + i];
		if (net_state_run(s))
			bail("out of memory");
		for (t = 1; t < net->tensor_count; t++) {
			size_t size = net_tensor_elements(&net->tensors[t]);

			for (i = 0; i < size; i++)
				worst = fmax(worst, fabs(s->tensors[t][i] - r->value[t][n * size + i]));
		}
	}
	ok(worst < 1e-4, "%s: every tensor is the float executor's (%.1e)", train_nets_names[which],
	   worst);
	net_state_destroy(s);
	train_ref_destroy(r);
	net_destroy(net);
}

/* In eval a picture's result does not depend on the others; its formula is written out here. */
static void test_eval(void)
{
	struct net *net = train_net(TRAIN_NET_PLAIN, 4);
	struct train_ref *r = train_ref_create(net, BATCH, true);
	const struct net_layer *l = &net->layers[1];
	struct train_ref_layer *p = &r->layers[1];
	size_t n = train_ref_elements(r, l->out), area = n / BATCH / net->tensors[l->out].c, i;
	double worst = 0;

	fill_picture(r, 5);
	perturb_norms(r, 5);
	train_ref_forward(r, true);
	for (i = 0; i < n; i++) {
		size_t c = i / area % net->tensors[l->out].c;
		double a = p->param[REF_GAMMA][c] / sqrt(p->var[c] + 1e-5);
		double v = a * p->sums[i] + p->param[REF_BETA][c] - a * p->mean[c];

		worst = fmax(worst, fabs(fmax(v, 0) - r->value[l->out][i]));
	}
	ok(worst < 1e-9, "eval normalizes by mean and var (%.1e)", worst);
	train_ref_destroy(r);
	net_destroy(net);
}

static void test_loss(void)
{
	/* Of logits 0, ln 2, ln 5 by hand: probabilities 1/8, 2/8, 5/8. */
	static const double p[3] = { 0.125, 0.25, 0.625 };
	const uint16_t label = 1;
	struct net *net = net_create();
	static struct net_error err;
	struct train_ref *r;
	double loss, want;
	size_t c;

	if (!net || net_add_tensor(net, "x", 3, 1, 1, &err) < 0)
		bail("out of memory");
	r = train_ref_create(net, 1, false);
	for (c = 0; c < 3; c++)
		r->value[0][c] = log(8 * p[c]);
	loss = train_ref_loss(r, &label, 0);
	ok(fabs(loss + log(0.25)) < 1e-12, "the loss is -log p of the label");
	loss = train_ref_loss(r, &label, 0.3);
	want = -0.1 * log(p[0]) - 0.8 * log(p[1]) - 0.1 * log(p[2]);
	ok(fabs(loss - want) < 1e-12, "label smoothing 0.3 of 3 classes: targets 0.1, 0.8, 0.1");
	ok(fabs(r->grad[0][0] - 0.025) < 1e-12 && fabs(r->grad[0][1] + 0.55) < 1e-12 &&
	   fabs(r->grad[0][2] - 0.525) < 1e-12, "its gradient is p - target");
	train_ref_destroy(r);
	net_destroy(net);
}

int main(void)
{
	uint32_t which;

	test_loss();
	test_eval();
	for (which = 0; which < TRAIN_NETS; which++) {
		test_forward(which);
		test_network(which, false, 0.1);
		test_network(which, true, 0);
	}
	return tap_done();
}
