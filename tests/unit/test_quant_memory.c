// SPDX-License-Identifier: MIT
/* Each allocation of the quantizer fails once: it says so and leaks nothing. */
#include "fail_alloc.h"
#include "net/quantize.h"
#include "quant_net.h"
#include "tap.h"

static struct net_error err;

static void fail_each(const char *what, const struct quantize_options *o, long most)
{
	struct calib_set set = quant_net_pictures(2);
	long i, bad = 0;

	for (i = 0; i < most; i++) {
		struct net *n = quant_net();
		struct qnet *q = NULL;
		bool failed;
		int rc;

		fail_alloc(i);
		rc = quantize_network(n, &set, o, &q, &err);
		failed = fail_alloc_end();
		if (failed ? rc != -ENOMEM || q || strcmp(err.text, "out of memory") : rc || !q) {
			diag("allocation %ld: returned %d: %s", i, rc, err.text);
			bad++;
		}
		qnet_destroy(q);
		net_destroy(n);
		if (!failed)
			break;
	}
	ok(!bad && i > 40 && i < most, "%s: each of %ld allocations", what, i);
}

int main(void)
{
	struct quantize_options o = { .prune = QUANTIZE_PRUNE_MAGNITUDE, .sparsity = 0.3 };

	o.weights = (struct quant_options){ .bits = 4, .separation = 0.5, .threads = 1 };
	fail_each("nearest", &o, 5000);
	o.feedback = true;
	o.prune_network = true;
	o.prune = QUANTIZE_PRUNE_FEEDBACK;
	o.weights.by_error = true;
	fail_each("feedback", &o, 5000);
	return tap_done();
}
