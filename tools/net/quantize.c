// SPDX-License-Identifier: MIT
/*
 * The order of work (quantize.h): the float network's ranges, then layer after
 * layer on all calibration pictures at once, each layer's weights fitted to the
 * inputs that the already quantized layers before it produce.
 */
#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "equalize.h"
#include "gram.h"
#include "quant_prune.h"
#include "quantize.h"

#define QUANTIZE_WATCHED	8	/* pictures beside which nearest rounding is watched */

struct quantizer {
	const struct net *net;
	const struct calib_set *set;
	const struct quantize_options *o;
	struct qnet *q;
	struct calib calib;
	uint8_t **tensors;	/* by tensor: all pictures' integers */
	size_t *bytes;		/* of one picture's tensor */
	int16_t **real;		/* by tensor: the float network's values of the watched pictures */
	float *real_scale;	/* by tensor: of one step of them */
	size_t watched;
	uint32_t *last;		/* by tensor: last layer that reads it */
	float **x, **y;		/* by worker: scratch tensors */
	struct net_work *work;	/* by worker */
	uint32_t layer;		/* being quantized */
	size_t *zeros;		/* by layer: how many weights are to be 0 */
	float *pruned;		/* its weights where some are pruned */
	float *weight;		/* its integers */
	float *sums;		/* pictures * channels: mean accumulators */
	double *signal, *noise;	/* by watched picture */
	struct net_error *err;
};

void qnet_destroy(struct qnet *q)
{
	uint32_t i;

	if (!q)
		return;
	for (i = 0; q->layers && i < q->net->layer_count; i++) {
		free(q->layers[i].scale);
		free(q->layers[i].bias);
		free(q->layers[i].shift);
		quant_weights_free(&q->layers[i].weights);
	}
	free(q->layers);
	free(q->tensors);
	free(q->top1);
	free(q);
}

static void last_readers(const struct net *net, uint32_t *last)
{
	uint32_t i, k;

	for (i = 0; i < net->tensor_count; i++)
		last[i] = i == net->output ? net->layer_count : 0;
	for (i = 0; i < net->layer_count; i++)
		for (k = 0; k < net->layers[i].in_count; k++)
			last[net->layers[i].in[k]] = i;
}

size_t quantize_memory(const struct net *net)
{
	uint32_t *last = malloc(net->tensor_count * sizeof(*last)), i, t;
	size_t most = 0, live;

	if (!last)
		return SIZE_MAX;
	last_readers(net, last);
	for (i = 0; i < net->layer_count; i++) {
		live = 0;
		for (t = 0; t <= i + 1; t++)
			if (t == i + 1 || last[t] >= i)
				live += 3 * net_tensor_elements(&net->tensors[t]);
		most = live > most ? live : most;
	}
	free(last);
	return most;
}

static void *tensor_at(const struct quantizer *z, uint32_t t, size_t picture)
{
	return z->tensors[t] + picture * z->bytes[t];
}

static void layer_input(void *arg, size_t picture, float *x)
{
	struct quantizer *z = arg;
	uint32_t t = z->net->layers[z->layer].in[0];

	simulate_load(&z->q->tensors[t], tensor_at(z, t, picture), x);
}

/* Mean accumulator of each channel for one picture. */
static int sums_picture(void *arg, size_t picture, unsigned int worker)
{
	struct quantizer *z = arg;
	const struct net_tensor *t = &z->net->tensors[z->net->layers[z->layer].out];
	size_t area = (size_t)t->h * t->w, i;
	uint32_t c;
	int rc;

	layer_input(z, picture, z->x[worker]);
	rc = simulate_sums(z->q, z->layer, z->weight, z->x[worker], z->y[worker],
			   &z->work[worker]);
	for (c = 0; !rc && c < t->c; c++) {
		double s = 0;

		for (i = c * area; i < (c + 1) * area; i++)
			s += z->y[worker][i];
		z->sums[picture * t->c + c] = (float)(s / (double)area);
	}
	return rc;
}

static void real_load(const struct quantizer *z, uint32_t t, size_t picture, float scale,
		      float *x)
{
	size_t n = net_tensor_elements(&z->net->tensors[t]), i;
	const int16_t *real = z->real[t] + picture * n;

	for (i = 0; i < n; i++)
		x[i] = scale * (float)real[i];
}

/* The float network's input of the layer, in units of the integers. */
static void layer_target(void *arg, size_t picture, float *x)
{
	struct quantizer *z = arg;
	uint32_t t = z->net->layers[z->layer].in[0];

	real_load(z, t, picture, z->real_scale[t] / z->q->tensors[t].scale, x);
}

static int run_picture(void *arg, size_t picture, unsigned int worker)
{
	struct quantizer *z = arg;
	const struct net_layer *l = &z->net->layers[z->layer];
	const void *in[NET_MAX_INPUTS];
	uint32_t k;

	for (k = 0; k < l->in_count; k++)
		in[k] = tensor_at(z, l->in[k], picture);
	return simulate_layer(z->q, z->layer, in, z->weight, tensor_at(z, l->out, picture),
			      z->x[worker], z->y[worker], &z->work[worker]);
}

/* The float network's output of the layer for a watched picture, in y[worker]. */
static int real_picture(void *arg, size_t picture, unsigned int worker)
{
	struct quantizer *z = arg;
	const struct net_layer *l = &z->net->layers[z->layer];
	size_t n = net_tensor_elements(&z->net->tensors[l->out]), i;
	float *out = z->y[worker], *x = z->x[worker], *in[NET_MAX_INPUTS];
	uint32_t k;
	int rc;

	for (k = 0; k < l->in_count; k++) {
		in[k] = x;
		real_load(z, l->in[k], picture, z->real_scale[l->in[k]], x);
		x += net_tensor_elements(&z->net->tensors[l->in[k]]);
	}
	rc = net_layer_run(z->net, l, (const float *const *)in, out, &z->work[worker]);
	for (i = 0; !rc && i < n; i++) {
		float v = out[i] / z->real_scale[l->out];

		/* Its own rounding may carry a value a little beyond the largest seen. */
		z->real[l->out][picture * n + i] =
			(int16_t)lrintf(fminf(fmaxf(v, -INT16_MAX), INT16_MAX));
	}
	return rc;
}

/* It beside the integers. */
static int watch_picture(void *arg, size_t picture, unsigned int worker)
{
	struct quantizer *z = arg;
	uint32_t t = z->net->layers[z->layer].out;
	size_t n = net_tensor_elements(&z->net->tensors[t]), i;
	double scale = z->q->tensors[t].scale, signal = 0, noise = 0;
	const float *out = z->y[worker];
	int rc = real_picture(arg, picture, worker);

	if (rc)
		return rc;
	simulate_load(&z->q->tensors[t], tensor_at(z, t, picture), z->x[worker]);
	for (i = 0; i < n; i++) {
		double d = out[i] - z->x[worker][i] * scale;

		signal += (double)out[i] * out[i];
		noise += d * d;
	}
	z->signal[picture] = signal;
	z->noise[picture] = noise;
	return 0;
}

static double decibels(double signal, double noise)
{
	if (!isfinite(signal) || !isfinite(noise))
		return 0;
	if (noise <= 0)
		return 99;
	return signal > 0 ? fmin(10 * log10(signal / noise), 99) : 0;
}

/* Integer weights as floats, and what rounding cost them. */
static int weights_unpack(struct quantizer *z, const struct net_layer *l, struct qlayer *ql)
{
	size_t n = net_layer_weights(z->net, l), sum = net_layer_sum(z->net, l), i;
	double signal = 0, noise = 0;

	z->weight = malloc(n * sizeof(*z->weight));
	if (!z->weight)
		return net_nomem(z->err);
	ql->pruned = 0;
	for (i = 0; i < n; i++) {
		int32_t w = ql->weights.alphabet.weight[ql->weights.symbols[i]];
		double d = l->weight[i] - (double)w * ql->weights.scale[i / sum];

		z->weight[i] = (float)w;
		ql->pruned += !ql->weights.symbols[i];
		signal += (double)l->weight[i] * l->weight[i];
		noise += d * d;
	}
	ql->weight_snr = decibels(signal, noise);
	return 0;
}

/* The layer's weights, 0 where they are pruned by magnitude; the network keeps them all. */
static const float *prune_weights(struct quantizer *z, const struct net_layer *l)
{
	size_t n = net_layer_weights(z->net, l);

	if (!z->zeros[z->layer] || z->o->prune == QUANTIZE_PRUNE_FEEDBACK)
		return l->weight;
	z->pruned = malloc(n * sizeof(*z->pruned));
	if (!z->pruned)
		return NULL;
	memcpy(z->pruned, l->weight, n * sizeof(*z->pruned));
	return quant_prune(z->pruned, n, z->zeros[z->layer]) ? NULL : z->pruned;
}

static int too_large(struct quantizer *z, const struct net_layer *l)
{
	return net_fail(z->err, "layer '%.200s': products of its inputs are beyond single precision; "
			"check --mean, --std and --range255", l->name);
}

static int quantize_weights(struct quantizer *z, const struct net_layer *l, struct qlayer *ql)
{
	size_t sum = net_layer_sum(z->net, l), outputs = z->net->tensors[l->out].c, zeros = 0;
	struct gram_source source = { z->set->pictures, layer_input, layer_target, true, z };
	struct quant_options o = z->o->weights;
	const float *w = prune_weights(z, l);
	struct gram gram = { 0 };
	int rc;

	if (!w)
		return -ENOMEM;
	if (z->o->layers) {
		o.bits = z->o->layers[z->layer].bits;
		o.mode = z->o->layers[z->layer].mode;
	}
	if (!z->o->feedback)
		return quant_nearest(w, outputs, sum, z->layer, &o, &ql->weights);
	if (z->o->prune == QUANTIZE_PRUNE_FEEDBACK)
		zeros = z->zeros[z->layer];
	rc = gram_compute(z->net, l, z->layer, &source, o.seed, o.threads, &gram);
	if (rc == -ERANGE)
		rc = too_large(z, l);
	else if (!rc)
		rc = quant_feedback(l->weight, w, zeros, outputs, sum, &gram, &o, &ql->weights);
	gram_free(&gram);
	return rc;
}

/* Scale and bias of the channels; with feedback the mean output becomes the float one's. */
static int quantize_channels(struct quantizer *z, const struct net_layer *l, struct qlayer *ql)
{
	uint32_t channels = z->net->tensors[l->out].c, c;
	double *factor = malloc(channels * sizeof(*factor));
	double *bias = malloc(channels * sizeof(*bias));
	size_t p, n = z->set->pictures;
	int rc = factor && bias ? 0 : net_nomem(z->err);

	if (!rc && z->o->feedback) {
		z->sums = malloc(n * channels * sizeof(*z->sums));
		rc = z->sums ? net_parallel(n, z->o->weights.threads, sums_picture, z) :
		     net_nomem(z->err);
	}
	for (c = 0; !rc && c < channels; c++) {
		double mean = 0;

		factor[c] = (double)ql->weights.scale[c] * z->q->tensors[l->in[0]].scale;
		bias[c] = l->bias[c];
		if (!z->o->feedback)
			continue;
		for (p = 0; p < n; p++)
			mean += z->sums[p * channels + c];
		bias[c] = z->calib.mean[z->layer][c] - mean / (double)n * factor[c];
	}
	if (!rc)
		rc = lower_channels(z->q, z->layer, factor, bias, z->err);
	free(z->sums);
	z->sums = NULL;
	free(factor);
	free(bias);
	return rc;
}

static int real_alloc(struct quantizer *z, uint32_t t)
{
	z->real[t] = malloc(net_tensor_elements(&z->net->tensors[t]) * z->watched *
			    sizeof(int16_t));
	return z->real[t] ? 0 : net_nomem(z->err);
}

static int tensor_alloc(struct quantizer *z, uint32_t t)
{
	z->bytes[t] = net_tensor_elements(&z->net->tensors[t]) *
		      simulate_bytes(z->q->tensors[t].type);
	z->tensors[t] = malloc(z->bytes[t] * z->set->pictures);
	return z->tensors[t] ? real_alloc(z, t) : net_nomem(z->err);
}

static void tensors_release(struct quantizer *z, uint32_t layer)
{
	uint32_t t;

	for (t = 0; t <= layer; t++)
		if (z->last[t] <= layer && t != z->net->output) {
			free(z->tensors[t]);
			free(z->real[t]);
			z->tensors[t] = NULL;
			z->real[t] = NULL;
		}
}

static int quantize_layer(struct quantizer *z, uint32_t i)
{
	const struct net_layer *l = &z->net->layers[i];
	struct qlayer *ql = &z->q->layers[i];
	unsigned int threads = z->o->weights.threads;
	double signal = 0, noise = 0;
	size_t p;
	int rc;

	z->layer = i;
	rc = lower_layer(z->q, i, z->err);
	if (!rc && net_layer_has_weights(l)) {
		rc = quantize_weights(z, l, ql);
		if (rc == -ENOMEM)
			net_nomem(z->err);
		if (!rc)
			rc = weights_unpack(z, l, ql);
		if (!rc) {
			lower_weights(&ql->f, &ql->weights.alphabet);
			ql->f.symbols = ql->weights.symbols;
			rc = quantize_channels(z, l, ql);
		}
	}
	if (!rc)
		rc = tensor_alloc(z, l->out);
	if (!rc && (net_parallel(z->set->pictures, threads, run_picture, z) ||
		    net_parallel(z->watched, threads, watch_picture, z)))
		rc = net_nomem(z->err);
	for (p = 0; !rc && p < z->watched; p++) {
		signal += z->signal[p];
		noise += z->noise[p];
	}
	ql->snr = decibels(signal, noise);
	free(z->pruned);
	free(z->weight);
	z->pruned = z->weight = NULL;
	tensors_release(z, i);
	return rc;
}

static int scratch_alloc(struct quantizer *z)
{
	const struct net *net = z->net;
	unsigned int threads = z->o->weights.threads, w;
	size_t largest = 0, n;
	uint32_t i, k;

	/* Room for all inputs of a layer at once. */
	for (i = 0; i < net->layer_count; i++) {
		n = net_tensor_elements(&net->tensors[net->layers[i].out]);
		largest = n > largest ? n : largest;
		for (k = 0, n = 0; k < net->layers[i].in_count; k++)
			n += net_tensor_elements(&net->tensors[net->layers[i].in[k]]);
		largest = n > largest ? n : largest;
	}
	z->watched = z->set->pictures;
	if (!z->o->feedback && z->watched > QUANTIZE_WATCHED)
		z->watched = QUANTIZE_WATCHED;
	z->real_scale = calloc(net->tensor_count, sizeof(*z->real_scale));
	z->tensors = calloc(net->tensor_count, sizeof(*z->tensors));
	z->bytes = calloc(net->tensor_count, sizeof(*z->bytes));
	z->real = calloc(net->tensor_count, sizeof(*z->real));
	z->last = calloc(net->tensor_count, sizeof(*z->last));
	z->x = calloc(threads, sizeof(*z->x));
	z->y = calloc(threads, sizeof(*z->y));
	z->work = calloc(threads, sizeof(*z->work));
	z->signal = calloc(z->watched, sizeof(*z->signal));
	z->noise = calloc(z->watched, sizeof(*z->noise));
	if (!z->tensors || !z->bytes || !z->real || !z->real_scale || !z->last || !z->x ||
	    !z->y || !z->work || !z->signal || !z->noise)
		return net_nomem(z->err);
	for (w = 0; w < threads; w++) {
		z->x[w] = malloc(largest * sizeof(float));
		z->y[w] = malloc(largest * sizeof(float));
		if (!z->x[w] || !z->y[w])
			return net_nomem(z->err);
	}
	last_readers(net, z->last);
	return 0;
}

static void scratch_free(struct quantizer *z)
{
	unsigned int threads = z->o->weights.threads, w;
	uint32_t i;

	for (i = 0; i < z->net->tensor_count; i++) {
		if (z->tensors)
			free(z->tensors[i]);
		if (z->real)
			free(z->real[i]);
	}
	for (w = 0; w < threads; w++) {
		if (z->x)
			free(z->x[w]);
		if (z->y)
			free(z->y[w]);
		if (z->work)
			net_work_free(&z->work[w]);
	}
	free(z->tensors);
	free(z->bytes);
	free(z->real);
	free(z->real_scale);
	free(z->last);
	free(z->x);
	free(z->y);
	free(z->work);
	free(z->signal);
	free(z->noise);
	free(z->weight);
	free(z->pruned);
	free(z->zeros);
	calib_free(z->net, &z->calib);
}

/* Scales of the float network's tensors, and the picture itself. */
static int real_start(struct quantizer *z)
{
	size_t n = net_tensor_elements(&z->net->tensors[0]) * z->watched, i;
	uint32_t t;

	/* The largest value that was seen is the largest of 16 bits. */
	for (t = 1; t < z->net->tensor_count; t++) {
		const struct calib_range *r = &z->calib.ranges[t];
		float top = fmaxf(r->largest[0], r->largest[1]);

		z->real_scale[t] = top > 0 ? top / INT16_MAX : 1;
	}
	z->real_scale[0] = z->set->pixel_scale;
	if (real_alloc(z, 0))
		return -ENOMEM;
	for (i = 0; i < n; i++)
		z->real[0][i] = z->set->pixels[i];
	return 0;
}

static int input_load(struct quantizer *z)
{
	z->bytes[0] = net_tensor_elements(&z->net->tensors[0]);
	z->tensors[0] = malloc(z->bytes[0] * z->set->pictures);
	if (!z->tensors[0])
		return net_nomem(z->err);
	memcpy(z->tensors[0], z->set->pixels, z->bytes[0] * z->set->pictures);
	return real_start(z);
}

static void real_input(void *arg, size_t picture, float *x)
{
	struct quantizer *z = arg;
	uint32_t t = z->net->layers[z->layer].in[0];

	real_load(z, t, picture, z->real_scale[t], x);
}

/* What the layer's weights are worth to its output in the float network. */
static int survey_weights(struct quantizer *z, const struct net_layer *l, float **columns)
{
	struct gram_source source = { z->set->pictures, real_input, NULL, true, z };
	size_t sum = net_layer_sum(z->net, l);
	struct gram gram = { 0 };
	int rc;

	*columns = malloc(l->groups * sum * sizeof(**columns));
	if (!*columns)
		return net_nomem(z->err);
	rc = gram_compute(z->net, l, z->layer, &source, z->o->weights.seed, z->o->weights.threads,
			  &gram);
	if (rc == -ERANGE)
		rc = too_large(z, l);
	else if (!rc)
		rc = quant_feedback_worth(l->weight, z->net->tensors[l->out].c, sum, &gram,
					  z->o->weights.threads, *columns);
	gram_free(&gram);
	return rc == -ENOMEM ? net_nomem(z->err) : rc;
}

/* The float network layer by layer. */
static int survey(struct quantizer *z, float **columns)
{
	uint32_t i;
	int rc = real_start(z);

	for (i = 0; !rc && i < z->net->layer_count; i++) {
		const struct net_layer *l = &z->net->layers[i];

		z->layer = i;
		if (net_layer_has_weights(l))
			rc = survey_weights(z, l, &columns[i]);
		if (!rc)
			rc = real_alloc(z, l->out);
		if (!rc && net_parallel(z->set->pictures, z->o->weights.threads, real_picture, z))
			rc = net_nomem(z->err);
		tensors_release(z, i);
	}
	free(z->real[z->net->output]);
	z->real[z->net->output] = NULL;
	return rc;
}

/* How many weights each layer loses. */
static int prune_plan(struct quantizer *z)
{
	const struct quantize_options *o = z->o;
	float **columns = NULL;
	uint32_t i;
	int rc = 0;

	z->zeros = calloc(z->net->layer_count, sizeof(*z->zeros));
	if (!z->zeros)
		return net_nomem(z->err);
	if (o->prune == QUANTIZE_PRUNE_FEEDBACK && o->prune_network && o->sparsity > 0) {
		columns = calloc(z->net->layer_count, sizeof(*columns));
		rc = columns ? survey(z, columns) : net_nomem(z->err);
	}
	if (!rc && quant_prune_plan(z->net, o, columns, z->zeros))
		rc = net_nomem(z->err);
	for (i = 0; columns && i < z->net->layer_count; i++)
		free(columns[i]);
	free(columns);
	return rc;
}

/* How often the integer network's best class is the float network's. */
static int agreement(struct quantizer *z)
{
	uint32_t t = z->net->output;
	size_t p, same = 0, n = z->set->pictures;

	z->q->top1 = calloc(n, sizeof(*z->q->top1));
	if (!z->q->top1)
		return net_nomem(z->err);
	for (p = 0; p < n; p++) {
		simulate_load(&z->q->tensors[t], tensor_at(z, t, p), z->y[0]);
		z->q->top1[p] = calib_top1(z->y[0], net_tensor_elements(&z->net->tensors[t]));
		same += z->q->top1[p] == z->calib.top1[p];
	}
	z->q->agreement = (double)same / (double)n;
	return 0;
}

/* Finite weights may compute what is not; no scale represents that. */
static int check_finite(struct quantizer *z)
{
	uint32_t i, c;
	bool finite;

	for (i = 0; i < z->net->layer_count; i++) {
		const struct calib_range *r = &z->calib.ranges[z->net->layers[i].out];
		const float *mean = z->calib.mean[i];

		finite = isfinite(r->largest[0]) && isfinite(r->largest[1]);
		/* Bounds may hide it in the output, not in the sums before them. */
		for (c = 0; mean && c < z->net->tensors[z->net->layers[i].out].c; c++)
			finite = finite && isfinite(mean[c]);
		if (!finite)
			return net_fail(z->err, "layer '%.200s': its values are infinite on the "
					"calibration pictures; check --mean, --std and --range255",
					z->net->layers[i].name);
	}
	return 0;
}

/* The float network's ranges; once more where equalization changed them. */
static int calibrate(struct quantizer *z, struct net *net)
{
	unsigned int threads = z->o->weights.threads;
	int rc;

	if (calib_run(net, z->set, threads, &z->calib))
		return net_nomem(z->err);
	rc = check_finite(z);
	/* Once for all: what a network is quantized to must not depend on how often it was. */
	if (rc || !z->o->feedback || net->equalized || !net_equalize(net, &z->calib))
		return rc;
	calib_free(net, &z->calib);
	if (calib_run(net, z->set, threads, &z->calib))
		return net_nomem(z->err);
	/* Weights that were scaled up may have left single precision. */
	return check_finite(z);
}

int quantize_network(struct net *net, const struct calib_set *set,
		     const struct quantize_options *o, struct qnet **q, struct net_error *err)
{
	struct quantizer z = { .net = net, .set = set, .o = o, .err = err };
	uint32_t i;
	int rc;

	*q = NULL;
	z.q = calloc(1, sizeof(*z.q));
	if (!z.q)
		return net_nomem(err);
	z.q->net = net;
	z.q->tensors = calloc(net->tensor_count, sizeof(*z.q->tensors));
	z.q->layers = calloc(net->layer_count, sizeof(*z.q->layers));
	rc = z.q->tensors && z.q->layers ? scratch_alloc(&z) : net_nomem(err);
	if (!rc)
		rc = calibrate(&z, net);
	if (!rc)
		rc = lower_tensors(z.q, &z.calib, o->range, set->pixel_scale, err);
	if (!rc)
		rc = prune_plan(&z);
	if (!rc)
		rc = input_load(&z);
	for (i = 0; !rc && i < net->layer_count; i++) {
		if (o->progress)
			o->progress(o->progress_arg, i, net->layer_count);
		rc = quantize_layer(&z, i);
	}
	if (!rc)
		rc = agreement(&z);
	scratch_free(&z);
	if (rc)
		qnet_destroy(z.q);
	else
		*q = z.q;
	return rc;
}
