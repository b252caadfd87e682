// SPDX-License-Identifier: MIT
/* Each allocation of a learning network fails once: it says so and leaks nothing. */
#include "fail_alloc.h"
#include "tap.h"
#include "train/tnet.h"
#include "train_nets.h"

#define BATCH	2

static struct net_error err;
static struct dnn *dnn;
static uint8_t pixels[BATCH * 3 * 16 * 16];

/* All that allocates: @t is NULL or as far as it got. */
static int go(const struct net *net, const struct qnet *q, struct tnet **t)
{
	const struct tnet_options o = { .batch = BATCH, .type = DNN_BF16, .norm = true,
					.norm_momentum = 0.1f };
	struct tnet_param *params = NULL;
	struct net *folded = NULL;
	int rc = tnet_create(net, dnn, &o, t, &err);
	size_t k;
	uint32_t i;

	for (i = 0; !rc && i < net->layer_count; i++) {
		const struct quant_weights *w = &q->layers[i].weights;
		struct tnet_layer *p = &(*t)->layers[i];

		for (k = 0; k < p->weights; k++)
			p->projected[k] = (float)w->alphabet.weight[w->symbols[k]];
		p->used = p->projected;
	}
	if (!rc)
		rc = tnet_integer_set(*t, q, &err);
	if (!rc && tnet_forward(*t, TNET_INTEGER, pixels, 0) == -ENOMEM)
		rc = net_nomem(&err);
	if (!rc)
		rc = tnet_fold(*t, &folded, NULL, &err);
	net_destroy(folded);
	if (!rc && tnet_params(*t, &params) < 0)
		rc = net_nomem(&err);
	free(params);
	return rc;
}

static void test_net(enum train_nets which)
{
	/* Weights so large that sums need digits, and these memory. */
	const struct quantize_options o = {
		.weights = { .bits = 8, .mode = QUANT_SHIFT, .separation = 2, .threads = 1 },
	};
	struct calib_set set = { BATCH, pixels, 1.0f / 255 };
	struct net *net = train_net(which, 1);
	struct qnet *q;
	bool failed = true;
	long i, bad = 0;

	if (quantize_network(net, &set, &o, &q, &err))
		bail("%s", err.text);
	for (i = 0; failed && i < 3000; i++) {
		struct tnet *t = NULL;
		int rc;

		fail_alloc(i);
		rc = go(net, q, &t);
		failed = fail_alloc_end();
		if (failed ? rc != -ENOMEM || strcmp(err.text, "out of memory") : rc) {
			diag("allocation %ld: returned %d: %s", i, rc, err.text);
			bad++;
		}
		tnet_destroy(t);
	}
	ok(!bad && !failed && i > 100, "%s: each of %ld allocations", train_nets_names[which], i);
	qnet_destroy(q);
	net_destroy(net);
}

int main(void)
{
	enum train_nets which;

	if (dnn_open(1, &dnn, &err))
		bail("%s", err.text);
	train_net_pixels(pixels, sizeof(pixels), 2);
	for (which = 0; which < TRAIN_NETS; which++)
		test_net(which);
	dnn_close(dnn);
	return tap_done();
}
