// SPDX-License-Identifier: MIT
/*
 * Calibration (calib.h). Histograms hold counts and maxima, which come out the
 * same in any order; channel sums are kept by picture and added up in order.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib.h"

#define CALIB_STEPS	80	/* bounds tried, each 2 % below the one before */
#define CALIB_BEYOND	1e-4	/* share that CALIB_PERCENTILE cuts off */

struct calib_job {
	const struct net *net;
	const struct calib_set *set;
	struct calib *c;
	struct net_state **states;	/* by worker */
	struct calib_range **ranges;	/* by worker, by tensor */
	float **tops;			/* by worker: all tensors' channels, one after another */
	size_t channels;		/* of all tensors */
	float **sums;			/* by layer: pictures * channels */
	float *largest;			/* by picture: of the output */
};

uint32_t calib_top1(const float *v, size_t n)
{
	size_t i, best = 0;

	for (i = 1; i < n; i++)
		if (v[i] > v[best])
			best = i;
	return (uint32_t)best;
}

static void range_count(struct calib_range *r, const float *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint32_t bits;
		int bin;
		float m = fabsf(v[i]);
		int positive = v[i] > 0;

		if (m == 0)
			continue;
		if (m > r->largest[positive])
			r->largest[positive] = m;
		else if (isnan(m))
			r->largest[positive] = INFINITY;
		memcpy(&bits, &m, sizeof(bits));
		/* Exponent and the five highest bits of the mantissa. */
		bin = (int)(bits >> 18) - (127 - CALIB_OCTAVES / 2) * CALIB_SPLIT;
		bin = bin < 0 ? 0 : bin >= CALIB_BINS ? CALIB_BINS - 1 : bin;
		r->count[positive][bin]++;
	}
}

void calib_range_add(struct calib_range *a, const struct calib_range *b)
{
	int s, i;

	for (s = 0; s < 2; s++) {
		for (i = 0; i < CALIB_BINS; i++)
			a->count[s][i] += b->count[s][i];
		a->largest[s] = fmaxf(a->largest[s], b->largest[s]);
	}
}

static double bin_value(int bin)
{
	return ldexp(1 + (bin % CALIB_SPLIT + 0.5) / CALIB_SPLIT,
		     bin / CALIB_SPLIT - CALIB_OCTAVES / 2);
}

static double clip_loss(const struct calib_range *r, const double *value, double clip,
			unsigned int levels)
{
	double step = clip / levels, noise = step * step / 12, loss = 0;
	int s, i;

	for (s = 0; s < 2; s++)
		for (i = 0; i < CALIB_BINS; i++) {
			double v = value[i], e;

			if (!r->count[s][i])
				continue;
			e = v > clip ? (v - clip) * (v - clip) + noise :
			    v < step / 2 ? v * v : noise;
			loss += (double)r->count[s][i] * e;
		}
	return loss;
}

static double clip_mse(const struct calib_range *r, double top, unsigned int levels)
{
	double value[CALIB_BINS], clip = top, best = top, loss, least;
	int i;

	for (i = 0; i < CALIB_BINS; i++)
		value[i] = bin_value(i);
	least = clip_loss(r, value, clip, levels);
	for (i = 0; i < CALIB_STEPS; i++) {
		clip *= 0.98;
		loss = clip_loss(r, value, clip, levels);
		if (loss < least) {
			least = loss;
			best = clip;
		}
	}
	return best;
}

static double clip_percentile(const struct calib_range *r, double top)
{
	uint64_t all = 0, above = 0;
	int i;

	for (i = 0; i < CALIB_BINS; i++)
		all += r->count[0][i] + r->count[1][i];
	for (i = CALIB_BINS - 1; i > 0; i--) {
		above += r->count[0][i] + r->count[1][i];
		if ((double)above > CALIB_BEYOND * (double)all)
			break;
	}
	/* The upper end of the bin that may not be cut off. */
	return fmin(top, ldexp(1 + (i % CALIB_SPLIT + 1.0) / CALIB_SPLIT,
			       i / CALIB_SPLIT - CALIB_OCTAVES / 2));
}

float calib_clip(const struct calib_range *r, enum calib_rule rule, unsigned int levels)
{
	double top = fmaxf(r->largest[0], r->largest[1]);

	/* Values beyond the bins can't be told apart: nothing is cut off. */
	if (top == 0 || top >= ldexp(1, CALIB_OCTAVES / 2))
		return (float)top;
	switch (rule) {
	case CALIB_PERCENTILE:
		return (float)clip_percentile(r, top);
	case CALIB_MSE:
		return (float)clip_mse(r, top, levels);
	default:
		return (float)top;
	}
}

/* Sums of each channel before bias and bounds become sums with the bias. */
static void channel_sums(const struct net_tensor *t, const struct net_layer *l, const float *y,
			 float *sums)
{
	size_t area = (size_t)t->h * t->w, i;
	uint32_t c;

	for (c = 0; c < t->c; c++, y += area) {
		double s = 0;

		for (i = 0; i < area; i++)
			s += y[i];
		sums[c] = (float)(s / (double)area) + l->bias[c];
	}
}

static int layer_step(struct calib_job *j, struct net_state *s, uint32_t i, size_t picture)
{
	const struct net_layer *l = &j->net->layers[i];
	const struct net_tensor *t = &j->net->tensors[l->out];
	const float *in[NET_MAX_INPUTS];
	size_t area = (size_t)t->h * t->w, p;
	float *out = s->tensors[l->out];
	uint32_t k, c;
	int rc;

	for (k = 0; k < l->in_count; k++)
		in[k] = s->tensors[l->in[k]];
	if (!net_layer_has_weights(l))
		return net_layer_run(j->net, l, in, out, &s->work);
	rc = net_layer_sums(j->net, l, l->weight, in[0], out, &s->work);
	if (rc)
		return rc;
	channel_sums(t, l, out, j->sums[i] + picture * t->c);
	for (c = 0; c < t->c; c++)
		for (p = 0; p < area; p++) {
			float v = out[c * area + p] + l->bias[c];

			v = v < l->act_min ? l->act_min : v;
			out[c * area + p] = v > l->act_max ? l->act_max : v;
		}
	return 0;
}

static void channel_tops(const struct net_tensor *t, const float *v, float *tops)
{
	size_t area = (size_t)t->h * t->w, i;
	uint32_t c;

	for (c = 0; c < t->c; c++, v += area)
		for (i = 0; i < area; i++)
			if (fabsf(v[i]) > tops[c])
				tops[c] = fabsf(v[i]);
}

static int picture_run(void *arg, size_t picture, unsigned int worker)
{
	struct calib_job *j = arg;
	struct net_state *s = j->states[worker];
	size_t n = net_tensor_elements(&j->net->tensors[0]), k;
	const uint8_t *pixels = j->set->pixels + picture * n;
	const float *out = s->tensors[j->net->output];
	float *tops = j->tops[worker] + j->net->tensors[0].c;
	uint32_t i;
	int rc;

	for (k = 0; k < n; k++)
		s->tensors[0][k] = (float)pixels[k] * j->set->pixel_scale;
	for (i = 0; i < j->net->layer_count; i++) {
		const struct net_layer *l = &j->net->layers[i];

		rc = layer_step(j, s, i, picture);
		if (rc)
			return rc;
		range_count(&j->ranges[worker][l->out], s->tensors[l->out],
			    net_tensor_elements(&j->net->tensors[l->out]));
		/* Tensor i + 1 is layer i's. */
		channel_tops(&j->net->tensors[l->out], s->tensors[l->out], tops);
		tops += j->net->tensors[l->out].c;
	}
	n = net_tensor_elements(&j->net->tensors[j->net->output]);
	j->c->top1[picture] = calib_top1(out, n);
	for (k = 0; k < n; k++)
		j->largest[picture] = fmaxf(j->largest[picture], fabsf(out[k]));
	return 0;
}

static int job_alloc(struct calib_job *j, unsigned int threads)
{
	const struct net *net = j->net;
	size_t n = j->set->pictures;
	unsigned int w;
	uint32_t i;

	j->c->ranges = calloc(net->tensor_count, sizeof(*j->c->ranges));
	j->c->mean = calloc(net->layer_count, sizeof(*j->c->mean));
	j->c->top1 = calloc(n, sizeof(*j->c->top1));
	j->states = calloc(threads, sizeof(*j->states));
	j->ranges = calloc(threads, sizeof(*j->ranges));
	j->sums = calloc(net->layer_count, sizeof(*j->sums));
	j->largest = calloc(n, sizeof(*j->largest));
	j->c->channel_top = calloc(net->tensor_count, sizeof(*j->c->channel_top));
	j->tops = calloc(threads, sizeof(*j->tops));
	if (!j->c->ranges || !j->c->mean || !j->c->top1 || !j->states || !j->ranges || !j->sums ||
	    !j->largest || !j->c->channel_top || !j->tops)
		return -ENOMEM;
	for (i = 0; i < net->tensor_count; i++) {
		j->channels += net->tensors[i].c;
		j->c->channel_top[i] = calloc(net->tensors[i].c, sizeof(float));
		if (!j->c->channel_top[i])
			return -ENOMEM;
	}
	for (w = 0; w < threads; w++) {
		j->states[w] = net_state_create(net);
		j->ranges[w] = calloc(net->tensor_count, sizeof(**j->ranges));
		j->tops[w] = calloc(j->channels, sizeof(**j->tops));
		if (!j->states[w] || !j->ranges[w] || !j->tops[w])
			return -ENOMEM;
	}
	for (i = 0; i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];

		if (!net_layer_has_weights(l))
			continue;
		j->sums[i] = malloc(n * net->tensors[l->out].c * sizeof(float));
		j->c->mean[i] = malloc(net->tensors[l->out].c * sizeof(float));
		if (!j->sums[i] || !j->c->mean[i])
			return -ENOMEM;
	}
	return 0;
}

static void job_collect(struct calib_job *j, unsigned int threads)
{
	const struct net *net = j->net;
	size_t n = j->set->pictures, p;
	unsigned int w;
	uint32_t i, c;

	for (w = 0; w < threads; w++) {
		const float *tops = j->tops[w];

		for (i = 0; i < net->tensor_count; i++) {
			calib_range_add(&j->c->ranges[i], &j->ranges[w][i]);
			for (c = 0; c < net->tensors[i].c; c++, tops++)
				j->c->channel_top[i][c] = fmaxf(j->c->channel_top[i][c], *tops);
		}
	}
	for (i = 0; i < net->layer_count; i++) {
		uint32_t channels = net->tensors[net->layers[i].out].c;

		for (c = 0; j->sums[i] && c < channels; c++) {
			double sum = 0;

			for (p = 0; p < n; p++)
				sum += j->sums[i][p * channels + c];
			j->c->mean[i][c] = (float)(sum / (double)n);
		}
	}
	for (p = 0; p < n; p++)
		j->c->largest_output = fmaxf(j->c->largest_output, j->largest[p]);
}

int calib_run(const struct net *net, const struct calib_set *set, unsigned int threads,
	      struct calib *c)
{
	struct calib_job j = { .net = net, .set = set, .c = c };
	unsigned int w;
	uint32_t i;
	int rc;

	memset(c, 0, sizeof(*c));
	rc = job_alloc(&j, threads);
	if (!rc)
		rc = net_parallel(set->pictures, threads, picture_run, &j);
	if (!rc)
		job_collect(&j, threads);
	for (w = 0; w < threads; w++) {
		if (j.states)
			net_state_destroy(j.states[w]);
		if (j.ranges)
			free(j.ranges[w]);
		if (j.tops)
			free(j.tops[w]);
	}
	for (i = 0; j.sums && i < net->layer_count; i++)
		free(j.sums[i]);
	free(j.states);
	free(j.ranges);
	free(j.tops);
	free(j.sums);
	free(j.largest);
	return rc;
}

void calib_free(const struct net *net, struct calib *c)
{
	uint32_t i;

	for (i = 0; c->mean && i < net->layer_count; i++)
		free(c->mean[i]);
	for (i = 0; c->channel_top && i < net->tensor_count; i++)
		free(c->channel_top[i]);
	free(c->channel_top);
	free(c->mean);
	free(c->ranges);
	free(c->top1);
	memset(c, 0, sizeof(*c));
}
