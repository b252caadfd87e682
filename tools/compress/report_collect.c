// SPDX-License-Identifier: MIT
/* The numbers of the report (report.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define REPORT_ENOUGH	90.0	/* % agreement, below which the user is warned */
#define COLLECT_SAMPLE	65536	/* weights that the range of a histogram is taken from */
#define COLLECT_TAIL	0.001	/* share of them that may lie outside on either side */
#define COLLECT_MARGIN	0.03	/* of the range, on either side */
#define COLLECT_CHANNEL	5	/* bytes of a channel, FORMAT.md section 5 */

static double plogp(double count, double total)
{
	return count > 0 ? count / total * log2(total / count) : 0;
}

/* Order-0 entropy of the symbols: of all, and of being 0 or not. */
static void collect_entropy(struct report_layer *l)
{
	double n = (double)l->weights;
	unsigned int s;
	uint64_t i;

	for (i = 0; i < l->weights; i++)
		l->symbol_count[l->q->weights.symbols[i]]++;
	for (s = 0; s < FQZ_MAX_ALPHABET; s++)
		l->entropy += plogp((double)l->symbol_count[s], n);
	l->zeros = l->symbol_count[0];
	l->mask_entropy = plogp((double)l->zeros, n) + plogp(n - (double)l->zeros, n);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int collect_scale(struct report_layer *l)
{
	uint32_t n = l->shape[0], i;
	double *s = malloc(n * sizeof(*s));

	if (!s)
		return -ENOMEM;
	l->one_scale = true;
	for (i = 0; i < n; i++) {
		s[i] = fabs((double)l->q->weights.scale[i]);
		l->one_scale = l->one_scale && l->q->weights.scale[i] == l->q->weights.scale[0];
	}
	qsort(s, n, sizeof(*s), compare_doubles);
	l->scale_min = s[0];
	l->scale = s[n / 2];
	l->scale_max = s[n - 1];
	free(s);
	return 0;
}

/*
 * The paper's b: the largest shift value is 2^(2^k - 1 - b), k bits of exponent, times sigma where
 * recentralized. With one scale S for each channel it is the median channel's, and no integer.
 */
static double shift_bias(const struct report_layer *l)
{
	const struct quant_alphabet *a = &l->q->weights.alphabet;
	bool two = a->mode == FQZ_RECENTRALIZED;
	double all = ldexp(1, (int)a->bits - (two ? 3 : 2));
	double unit = !two ? 1 : l->q->weights.gmm.steps ? gmm_sigma(&l->q->weights.gmm) : 0;
	double top = ldexp(l->scale, (int)(a->first_exponent + a->exponent_count) - 1);

	return top > 0 && unit > 0 ? all - 1 - log2(top / unit) : NAN;
}

static int collect_layer(const struct report *r, const struct fqz_layer *f, struct report_layer *l)
{
	const struct net *net = r->info->q->net;
	const struct net_layer *n = &net->layers[l->index];
	const struct net_tensor *in = &net->tensors[n->in[0]];
	uint64_t i;
	int rc;

	l->name = n->name;
	l->q = &r->info->q->layers[l->index];
	l->groups = n->kind == NET_FC ? 1 : n->groups;
	l->shape[0] = net->tensors[n->out].c;
	l->shape[1] = in->c / l->groups;
	l->shape[2] = n->kind == NET_FC ? in->h : n->kernel_h;
	l->shape[3] = n->kind == NET_FC ? in->w : n->kernel_w;
	l->weights = net_layer_weights(net, n);
	l->coder = f->coder;
	l->stream_bytes = f->stream_size;
	l->channel_bytes = (uint64_t)COLLECT_CHANNEL * l->shape[0];
	for (i = 0; i < l->weights; i++)
		l->zeros_before += n->weight[i] == 0.0f;
	collect_entropy(l);
	rc = collect_scale(l);
	for (i = 0; i < 2; i++)
		l->mean[i] = l->q->weights.gmm.steps ? l->q->weights.gmm.mean[i] : NAN;
	l->shift_bias = shift_bias(l);
	return rc;
}

/* The last layer, where it sums all of its input into a list of classes. */
static void find_classifier(struct report *r)
{
	const struct net *net = r->info->q->net;
	const struct report_layer *l = &r->layers[r->layer_count - 1];
	const struct net_layer *n = &net->layers[l->index];
	const struct net_tensor *in = &net->tensors[n->in[0]], *out = &net->tensors[n->out];

	if (r->layer_count < 2 || l->groups != 1 || out->h != 1 || out->w != 1 ||
	    l->shape[2] != in->h || l->shape[3] != in->w)
		return;
	r->classifier = l;
	r->classifier_dense = 4 * (l->weights + l->shape[0]);
}

static int collect_layers(struct report *r, const struct fqz_image *img)
{
	const struct net *net = r->info->q->net;
	uint32_t i;
	int rc = 0;

	r->layers = calloc(net->layer_count, sizeof(*r->layers));
	if (!r->layers)
		return -ENOMEM;
	for (i = 0; !rc && i < net->layer_count; i++) {
		struct report_layer *l = &r->layers[r->layer_count];
		double n;

		if (!net_layer_has_weights(&net->layers[i]))
			continue;
		l->index = i;
		rc = collect_layer(r, &img->layers[i], l);
		n = (double)l->weights;
		r->layer_count++;
		r->weights += l->weights;
		r->zeros += l->zeros;
		r->entropy += l->entropy * n;
		r->mask_entropy += l->mask_entropy * n;
		r->stream_bytes += l->stream_bytes;
		r->packed_bytes += (l->weights * l->q->f.bits + 7) / 8;
	}
	return rc;
}

int report_collect(const struct image_info *info, const void *image, size_t len,
		   const struct score *calibration, const struct score *evaluation,
		   struct report *r, char *err, size_t errlen)
{
	struct fqz_image *img;
	struct fqz_error e;
	int rc;

	memset(r, 0, sizeof(*r));
	r->info = info;
	r->calibration = calibration;
	r->evaluation = evaluation;
	r->agreement = 100 * (double)calibration->agree / (double)calibration->pictures;
	rc = fqz_image_open(image, len, &img, &e);
	if (rc) {
		snprintf(err, errlen, "report: %s", e.what ? e.what : fqz_reason_name(e.reason));
		return rc;
	}
	r->file_bytes = len;
	r->dense_bytes = net_dense_bytes(info->q->net);
	r->channel_bytes = COLLECT_CHANNEL * img->channel_count;
	rc = collect_layers(r, img);
	r->packed_bytes += r->channel_bytes;
	if (!rc && r->layer_count)
		find_classifier(r);
	if (rc)
		snprintf(err, errlen, "report: out of memory");
	fqz_image_close(img);
	return rc;
}

void report_free(struct report *r)
{
	free(r->layers);
	r->layers = NULL;
}

double report_coded_bits(const struct report_layer *l)
{
	return 8 * (double)l->stream_bytes / (double)l->weights;
}

double report_rate(const struct report *r)
{
	return (double)r->dense_bytes / (double)r->file_bytes;
}

double report_rate_without_classifier(const struct report *r)
{
	const struct report_layer *l = r->classifier;

	return l ? (double)(r->dense_bytes - r->classifier_dense) /
		   (double)(r->file_bytes - l->stream_bytes - l->channel_bytes) : NAN;
}

const char *report_remedy(const struct report *r)
{
	const struct compress_options *o = r->o;

	if (r->agreement >= REPORT_ENOUGH)
		return NULL;
	if (o->target_cr > 0)
		return "lower --target-cr, or calibrate on more pictures";
	if (o->max_loss >= 0)
		return "lower --max-loss, or calibrate on more pictures";
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

/* Float weights are divided by their channel's scale for the unit histogram. */
static double divided(double w, double scale)
{
	return scale != 0 ? w / scale : 0;
}

/* Nearly all weights but the zeros lie between, before and after. */
static int value_range(const float *w, const struct report_layer *l, struct report_bins *b)
{
	const struct quant_weights *q = &l->q->weights;
	uint64_t stride = l->weights / COLLECT_SAMPLE + 1, i, count, tail;
	uint64_t sum = l->weights / l->shape[0];
	double *s = malloc((size_t)(l->weights / stride + 1) * sizeof(*s)), v;
	int after;

	if (!s)
		return -ENOMEM;
	for (after = 0; after < 2; after++) {
		for (i = 0, count = 0; i < l->weights; i += stride) {
			v = after ? q->alphabet.weight[q->symbols[i]] * (double)q->scale[i / sum] : w[i];
			if (v != 0)
				s[count++] = v;
		}
		qsort(s, (size_t)count, sizeof(*s), compare_doubles);
		tail = (uint64_t)(COLLECT_TAIL * (double)count);
		b->from = count ? fmin(b->from, s[tail]) : b->from;
		b->to = count ? fmax(b->to, s[count - 1 - tail]) : b->to;
	}
	free(s);
	return 0;
}

/* The figure's axis: from just below the smallest to just above the largest of them, and 0. */
static int value_axis(const float *w, const struct report_layer *l, struct report_bins *b)
{
	int rc = value_range(w, l, b);
	double margin = COLLECT_MARGIN * (b->to - b->from);

	/* A layer of zeros has no range of its own. */
	if (!(margin > 0))
		margin = 1;
	b->from -= margin;
	b->to += margin;
	return rc;
}

static void bins_add(const struct report_bins *b, uint64_t *counts, uint64_t *outside, double v)
{
	double at = (v - b->from) / (b->to - b->from) * REPORT_BINS;

	if (at >= 0 && at < REPORT_BINS)
		counts[(unsigned int)at]++;
	else
		(*outside)++;
}

int report_histograms_fill(const struct report *r, const struct report_layer *l,
			   struct report_histograms *h)
{
	const float *w = r->info->q->net->layers[l->index].weight;
	const struct quant_weights *q = &l->q->weights;
	const struct quant_alphabet *a = &q->alphabet;
	uint64_t sum = l->weights / l->shape[0], i;
	double span = a->level[a->count - 1] - a->level[0];

	memset(h, 0, sizeof(*h));
	h->unit.from = a->level[0] - COLLECT_MARGIN * span;
	h->unit.to = a->level[a->count - 1] + COLLECT_MARGIN * span;
	if (value_axis(w, l, &h->value))
		return -ENOMEM;
	for (i = 0; i < l->weights; i++) {
		double scale = q->scale[i / sum];
		double level = a->weight[q->symbols[i]];
		bool kept = q->symbols[i] != 0;

		if (w[i] != 0.0f) {
			bins_add(&h->value, kept ? h->value.kept : h->value.zeroed,
				 &h->value.outside, w[i]);
			bins_add(&h->unit, kept ? h->unit.kept : h->unit.zeroed,
				 &h->unit.outside, divided(w[i], scale));
		}
		if (kept) {
			bins_add(&h->value, h->value.after, &h->value.outside_after, level * scale);
			bins_add(&h->unit, h->unit.after, &h->unit.outside_after, level);
		}
	}
	return 0;
}
