// SPDX-License-Identifier: MIT
/* What fqaccel-compress says at the end. */
#include <stdio.h>
#include <stdlib.h>

#include "compress.h"

#define REPORT_WORST	5
#define REPORT_ENOUGH	90.0	/* % agreement, below which the user is warned */

struct entry {
	double snr;
	uint32_t layer;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->snr != y->snr)
		return x->snr < y->snr ? -1 : 1;
	return (x->layer > y->layer) - (x->layer < y->layer);
}

static const char *mode_name(const struct qlayer *l)
{
	return l->f.mode == FQZ_SHIFT ? "shift" : "recentralized";
}

static void print_worst(const struct qnet *q)
{
	struct entry *list = calloc(q->net->layer_count, sizeof(*list));
	uint32_t i, n = 0;

	if (!list)
		return;
	for (i = 0; i < q->net->layer_count; i++) {
		if (!net_layer_has_weights(&q->net->layers[i]))
			continue;
		list[n].snr = q->layers[i].snr;
		list[n++].layer = i;
	}
	qsort(list, n, sizeof(*list), compare_entries);
	printf("worst layers, signal to noise of the output (of the weights):\n");
	for (i = 0; i < n && i < REPORT_WORST; i++) {
		const struct qlayer *l = &q->layers[list[i].layer];

		printf("  %5.1f dB (%5.1f dB)  %-13s  %s\n", l->snr, l->weight_snr, mode_name(l),
		       q->net->layers[list[i].layer].name);
	}
	free(list);
}

static void print_accuracy(const char *what, const struct score *s)
{
	double n = (double)s->labeled;

	if (!s->labeled)
		return;
	printf("%s: top-1 %.2f %%, top-5 %.2f %%, float network %.2f %% and %.2f %% "
	       "(%zu pictures)\n", what, 100 * (double)s->top1 / n, 100 * (double)s->top5 / n,
	       100 * (double)s->float_top1 / n, 100 * (double)s->float_top5 / n, s->labeled);
}

static const char *remedy(const struct compress_options *o)
{
	if (!o->calibrate)
		return "give --calibrate a folder of pictures like those the network is for";
	if (!o->quantize.feedback)
		return "use --rounding feedback";
	if (o->quantize.sparsity > 0)
		return "lower --sparsity, or fine-tune the pruned network before";
	if (o->quantize.weights.bits < 8)
		return "raise --bits, or calibrate on more pictures; check --mean, --std and --bgr";
	return "calibrate on more pictures; check --mean, --std, --bgr and --range255; "
	       "fine-tune the network after compression if that is not enough";
}

void report_print(const struct image_info *info, size_t bytes, const struct score *calibration,
		  const struct score *evaluation)
{
	const struct compress_options *o = info->o;
	uint64_t dense = net_dense_bytes(info->q->net);
	double agree = 100 * (double)calibration->agree / (double)calibration->pictures;

	if (!o->quiet) {
		printf("%s: %zu bytes, CR %.2f (dense: %llu bytes, 4 for each weight and bias)\n",
		       o->output, bytes, (double)dense / (double)bytes, (unsigned long long)dense);
		printf("top-1 agreement with the float network: %.1f %% of %zu "
		       "calibration pictures\n", agree, calibration->pictures);
		print_accuracy("on the calibration pictures", calibration);
		if (evaluation)
			print_accuracy("on the evaluation pictures", evaluation);
		print_worst(info->q);
	}
	fflush(stdout);
	if (agree < REPORT_ENOUGH)
		fprintf(stderr, "fqaccel-compress: warning: only %.1f %% agreement; %s\n", agree,
			remedy(o));
}
