// SPDX-License-Identifier: MIT
/*
 * What --compare measures (compare.h). Layer after layer, all pictures at once, since a
 * channel's factor is known only from all of them. The card computes single layers (FORMAT.md
 * section 9: a range of layers takes and gives lists of live tensors), so each picture has its
 * list of live tensors here, and the float network's tensors beside it.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "compare.h"
#include "fqaccel.h"
#include "net/equalize.h"
#include "net/exec.h"

/* Below 0 dB nothing of a channel is left to fit a factor to. */
#define COMPARE_LOST	0.5	/* squared correlation */
#define COMPARE_CLEAN	30.0	/* dB; what is lost above it is no concern */

/* Sums over a channel's values: f of the float network, i isolated, c cumulative. */
struct moments {
	double ff, fi, ii, fc, cc;
};

struct channel {
	float feed;	/* the image's real value for the float network's 1 */
	float gain;	/* its inverse; 0 where the layer lost the channel */
};

struct runner {
	struct fqaccel_queue *queue;
	struct fqaccel_buffer *in, *out;
	struct net_work work;
	char err[256];
};

struct measure {
	struct comparison *c;
	struct fqaccel_card *card;
	struct fqaccel_model *model;
	struct runner *runners;		/* by worker */
	uint8_t **lists;		/* by picture: live tensors before the layer */
	float **tensors;		/* by tensor: the float network's, of all pictures */
	struct channel **channels;	/* by tensor */
	uint32_t *live, *next;		/* tensors before and after the layer */
	uint32_t live_count, next_count, layer;
	uint64_t live_bytes, next_bytes, most_bytes;
	struct moments *moments;	/* pictures * channels of the layer's output */
};

static double decibels(double signal, double noise)
{
	if (!isfinite(signal) || !isfinite(noise))
		return -COMPARE_MOST;
	if (noise <= 0)
		return COMPARE_MOST;
	return signal > 0 ? fmin(10 * log10(signal / noise), COMPARE_MOST) : -COMPARE_MOST;
}

size_t compare_memory(const struct comparison *c)
{
	uint64_t before, after, most = 1, bytes;
	uint32_t i, t;

	for (i = 0; i < c->img->layer_count; i++) {
		fqz_image_live(c->img, i, NULL, &before);
		fqz_image_live(c->img, i + 1, NULL, &after);
		bytes = before + after + c->net->tensors[c->net->layers[i].out].c *
			sizeof(struct moments);
		for (t = 0; t <= i + 1; t++)
			if (t == i + 1 || c->img->tensors[t].last_layer >= i)
				bytes += sizeof(float) * net_tensor_elements(&c->net->tensors[t]);
		most = bytes > most ? bytes : most;
	}
	return (size_t)most;
}

static float *tensor_at(const struct measure *m, uint32_t t, size_t picture)
{
	return m->tensors[t] + picture * net_tensor_elements(&m->c->net->tensors[t]);
}

/* The float network's tensor as the image would have it. */
static void round_tensor(const struct measure *m, uint32_t t, size_t picture, uint8_t *out)
{
	const struct fqz_tensor *ft = &m->c->img->tensors[t];
	size_t area = (size_t)ft->h * ft->w, i, n = ft->c * area;
	const float *x = tensor_at(m, t, picture);
	double lo = ft->type == FQZ_U8 ? 0 : ft->type == FQZ_S8 ? -128 : INT32_MIN;
	double hi = ft->type == FQZ_U8 ? 255 : ft->type == FQZ_S8 ? 127 : INT32_MAX;

	for (i = 0; i < n; i++) {
		double v = round((double)x[i] * m->channels[t][i / area].feed / ft->scale);
		int32_t integer = (int32_t)fmin(fmax(v, lo), hi);

		if (ft->type == FQZ_S32)
			memcpy(out + 4 * i, &integer, 4);
		else
			out[i] = (uint8_t)integer;
	}
}

static float value_at(const struct fqz_tensor *t, const uint8_t *x, size_t i)
{
	int32_t integer;

	if (t->type == FQZ_U8)
		return x[i];
	if (t->type == FQZ_S8)
		return (int8_t)x[i];
	memcpy(&integer, x + 4 * i, 4);
	return (float)integer;
}

/* The layer's inputs in place, zeros for what only later layers read. */
static void isolated_list(const struct measure *m, size_t picture, uint8_t *at)
{
	const struct net_layer *l = &m->c->net->layers[m->layer];
	uint32_t i, k;

	memset(at, 0, m->live_bytes);
	for (i = 0; i < m->live_count; i++) {
		for (k = 0; k < l->in_count; k++)
			if (l->in[k] == m->live[i])
				break;
		if (k < l->in_count)
			round_tensor(m, m->live[i], picture, at);
		at += fqz_tensor_bytes(&m->c->img->tensors[m->live[i]]);
	}
}

/* The layer on the list in the worker's buffer; returns the list after it. */
static const uint8_t *card_run(struct measure *m, struct runner *r, int *rc)
{
	struct fqaccel_run_desc run = { .model = m->model, .input = r->in, .output = r->out,
					.first_layer = m->layer, .layer_count = 1, .batch = 1 };
	uint64_t sequence = 0;

	*rc = fqaccel_queue_submit(r->queue, &run, 1, &sequence);
	if (*rc >= 0)
		*rc = fqaccel_queue_wait(r->queue, sequence, -1, NULL);
	if (*rc)
		snprintf(r->err, sizeof(r->err), "%s", fqaccel_error());
	return fqaccel_buffer_data(r->out);
}

/* Where the layer's output lies in the list after it. */
static size_t output_offset(const struct measure *m)
{
	size_t at = 0;
	uint32_t i;

	for (i = 0; i < m->next_count && m->next[i] != m->layer + 1; i++)
		at += fqz_tensor_bytes(&m->c->img->tensors[m->next[i]]);
	return at;
}

static void add_moments(const struct measure *m, size_t picture, const uint8_t *list, bool isolated)
{
	uint32_t t = m->layer + 1, k;
	const struct fqz_tensor *ft = &m->c->img->tensors[t];
	const float *f = tensor_at(m, t, picture);
	const uint8_t *y = list + output_offset(m);
	size_t area = (size_t)ft->h * ft->w, i;

	for (k = 0; k < ft->c; k++) {
		struct moments *s = &m->moments[picture * ft->c + k];
		double ff = 0, fy = 0, yy = 0;

		for (i = k * area; i < (k + 1) * area; i++) {
			double v = (double)value_at(ft, y, i) * ft->scale;

			ff += (double)f[i] * f[i];
			fy += f[i] * v;
			yy += v * v;
		}
		s->ff = ff;
		*(isolated ? &s->fi : &s->fc) = fy;
		*(isolated ? &s->ii : &s->cc) = yy;
	}
}

static int step_picture(void *arg, size_t picture, unsigned int worker)
{
	struct measure *m = arg;
	const struct net_layer *l = &m->c->net->layers[m->layer];
	struct runner *r = &m->runners[worker];
	const float *in[NET_MAX_INPUTS];
	const uint8_t *list;
	uint32_t k;
	int rc;

	for (k = 0; k < l->in_count; k++)
		in[k] = tensor_at(m, l->in[k], picture);
	rc = net_layer_run(m->c->net, l, in, tensor_at(m, l->out, picture), &r->work);
	if (rc) {
		snprintf(r->err, sizeof(r->err), "out of memory");
		return rc;
	}
	isolated_list(m, picture, fqaccel_buffer_data(r->in));
	list = card_run(m, r, &rc);
	if (rc)
		return rc;
	add_moments(m, picture, list, true);
	memcpy(fqaccel_buffer_data(r->in), m->lists[picture], m->live_bytes);
	list = card_run(m, r, &rc);
	if (rc)
		return rc;
	add_moments(m, picture, list, false);
	memcpy(m->lists[picture], list, m->next_bytes);
	return 0;
}

static bool is_pool(const struct net_layer *l)
{
	return l->kind == NET_MAXPOOL || l->kind == NET_AVGPOOL || l->kind == NET_GLOBALPOOL;
}

static struct channel fit_channel(const struct moments *s)
{
	struct channel ch = { 1, 1 };

	/* A channel that is always 0 in one of them. */
	if (s->ff == 0 || s->ii == 0)
		return ch;
	if (s->fi > 0 && s->fi * s->fi >= COMPARE_LOST * s->ff * s->ii) {
		ch.feed = (float)(s->fi / s->ff);
		ch.gain = 1 / ch.feed;
	} else {
		/* Readers still take it at about its size. */
		ch.feed = (float)sqrt(s->ii / s->ff);
		ch.gain = 0;
	}
	return ch;
}

/* The error of a channel: f less what the card has, scaled by @gain. */
static double noise_of(double ff, double fy, double yy, double gain)
{
	return fmax(ff - 2 * gain * fy + gain * gain * yy, 0);
}

static void sum_layer(struct measure *m)
{
	const struct net *net = m->c->net;
	const struct net_layer *l = &net->layers[m->layer];
	struct compare_layer *result = &m->c->layers[m->layer];
	bool fits = net_layer_has_weights(l) && net_channels_are_free(net, l->out);
	uint32_t channels = net->tensors[l->out].c, k;
	double signal = 0, isolated = 0, cumulative = 0;
	struct channel *ch = m->channels[l->out];
	size_t p;

	for (k = 0; k < channels; k++) {
		struct moments s = { 0 };
		double gain;

		for (p = 0; p < m->c->set.count; p++) {
			const struct moments *one = &m->moments[p * channels + k];

			s.ff += one->ff;
			s.fi += one->fi;
			s.ii += one->ii;
			s.fc += one->fc;
			s.cc += one->cc;
		}
		ch[k] = (struct channel){ 1, 1 };
		if (fits)
			ch[k] = fit_channel(&s);
		else if (is_pool(l))
			ch[k] = m->channels[l->in[0]][k];
		/* A channel that was lost before is not the pool's fault. */
		gain = fits ? ch[k].gain : 1 / ch[k].feed;
		signal += s.ff;
		isolated += noise_of(s.ff, s.fi, s.ii, gain);
		cumulative += noise_of(s.ff, s.fc, s.cc, ch[k].gain);
	}
	result->isolated = decibels(signal, isolated);
	result->cumulative = decibels(signal, cumulative);
}

/* The image's weights as they would be if no channel were scaled, against the network's. */
static void compare_weights(struct measure *m)
{
	const struct net *net = m->c->net;
	const struct net_layer *l = &net->layers[m->layer];
	const float *theirs = netf_network(m->c->floats)->layers[m->layer].weight;
	struct compare_layer *result = &m->c->layers[m->layer];
	size_t sum = net_layer_sum(net, l), kernel = (size_t)l->kernel_h * l->kernel_w, o, k, zeros = 0;
	uint32_t outputs = net->tensors[l->out].c;
	size_t per_group = outputs / l->groups, in = sum / kernel;
	double signal = 0, noise = 0;

	result->weights = NAN;
	if (!net_layer_has_weights(l))
		return;
	for (o = 0; o < outputs; o++)
		for (k = 0; k < sum; k++) {
			size_t i = o * sum + k, channel = o / per_group * in + k / kernel;
			double w = l->weight[i], d = w - theirs[i] *
				   m->channels[l->in[0]][channel].feed / m->channels[l->out][o].feed;

			zeros += theirs[i] == 0 && w != 0;
			signal += w * w;
			noise += d * d;
		}
	result->weights = decibels(signal, noise);
	result->zeros = (double)zeros / ((double)outputs * (double)sum);
}

/* How much less of the signal leaves the layer than the worst of its inputs brings. */
static void measure_fall(struct measure *m)
{
	const struct net_layer *l = &m->c->net->layers[m->layer];
	struct compare_layer *result = &m->c->layers[m->layer];
	double before = COMPARE_CLEAN;
	uint32_t k;

	for (k = 0; k < l->in_count; k++)
		if (l->in[k])
			before = fmin(before, m->c->layers[l->in[k] - 1].cumulative);
	result->fall = before - fmin(result->cumulative, COMPARE_CLEAN);
}

static int check_finite(const struct measure *m)
{
	const struct net_layer *l = &m->c->net->layers[m->layer];
	size_t n = m->c->set.count * m->c->net->tensors[l->out].c, i;

	for (i = 0; i < n; i++)
		if (!isfinite(m->moments[i].ff)) {
			snprintf(m->c->err, sizeof(m->c->err), "layer '%.200s': the float network's "
				 "values are infinite on these pictures", l->name);
			return -EINVAL;
		}
	return 0;
}

static int run_step(struct measure *m, uint32_t i)
{
	struct comparison *c = m->c;
	const struct net_layer *l = &c->net->layers[i];
	const struct net_tensor *t = &c->net->tensors[l->out];
	uint32_t k;
	int rc;

	m->layer = i;
	m->live_count = fqz_image_live(c->img, i, m->live, &m->live_bytes);
	m->next_count = fqz_image_live(c->img, i + 1, m->next, &m->next_bytes);
	m->tensors[l->out] = malloc(c->set.count * net_tensor_elements(t) * sizeof(float));
	m->channels[l->out] = calloc(t->c, sizeof(**m->channels));
	m->moments = calloc(c->set.count * t->c, sizeof(*m->moments));
	if (!m->tensors[l->out] || !m->channels[l->out] || !m->moments)
		return -ENOMEM;
	rc = net_parallel(c->set.count, c->o->threads, step_picture, m);
	if (!rc)
		rc = check_finite(m);
	if (!rc) {
		sum_layer(m);
		compare_weights(m);
		measure_fall(m);
	}
	free(m->moments);
	m->moments = NULL;
	for (k = 0; k <= i; k++)
		if (c->img->tensors[k].last_layer <= i) {
			free(m->tensors[k]);
			m->tensors[k] = NULL;
		}
	return rc;
}

static void count_agreement(struct measure *m)
{
	struct comparison *c = m->c;
	const struct fqz_tensor *t = &c->img->tensors[c->net->output];
	size_t n = fqz_tensor_elements(t), p, i, best;

	for (p = 0; p < c->set.count; p++) {
		for (i = 1, best = 0; i < n; i++)
			if (value_at(t, m->lists[p], i) > value_at(t, m->lists[p], best))
				best = i;
		c->agree += best == calib_top1(tensor_at(m, c->net->output, p), n);
	}
}

static int input_load(struct measure *m)
{
	struct comparison *c = m->c;
	size_t n = net_tensor_elements(&c->net->tensors[0]), i, p;

	m->tensors[0] = malloc(c->set.count * n * sizeof(float));
	m->channels[0] = calloc(c->net->tensors[0].c, sizeof(**m->channels));
	if (!m->tensors[0] || !m->channels[0])
		return -ENOMEM;
	for (i = 0; i < c->set.count * n; i++)
		m->tensors[0][i] = (float)c->set.pixels[i] * c->img->tensors[0].scale;
	for (i = 0; i < c->net->tensors[0].c; i++)
		m->channels[0][i] = (struct channel){ 1, 1 };
	for (i = 0; i <= c->img->layer_count; i++) {
		fqz_image_live(c->img, (uint32_t)i, NULL, &m->live_bytes);
		m->most_bytes = m->live_bytes > m->most_bytes ? m->live_bytes : m->most_bytes;
	}
	for (p = 0; p < c->set.count; p++) {
		m->lists[p] = malloc(m->most_bytes);
		if (!m->lists[p])
			return -ENOMEM;
		memcpy(m->lists[p], c->set.pixels + p * n, n);
	}
	return 0;
}

static int measure_alloc(struct measure *m)
{
	struct comparison *c = m->c;
	uint32_t tensors = c->net->tensor_count;
	unsigned int w;
	int rc;

	m->runners = calloc(c->o->threads, sizeof(*m->runners));
	m->lists = calloc(c->set.count, sizeof(*m->lists));
	m->tensors = calloc(tensors, sizeof(*m->tensors));
	m->channels = calloc(tensors, sizeof(*m->channels));
	m->live = calloc(tensors, sizeof(*m->live));
	m->next = calloc(tensors, sizeof(*m->next));
	if (!m->runners || !m->lists || !m->tensors || !m->channels || !m->live || !m->next)
		return -ENOMEM;
	rc = input_load(m);
	for (w = 0; !rc && w < c->o->threads; w++) {
		struct runner *r = &m->runners[w];

		rc = fqaccel_queue_create(m->card, 1, &r->queue);
		if (!rc)
			rc = fqaccel_buffer_create(m->card, m->most_bytes, FQACCEL_CARD_READS, &r->in);
		if (!rc)
			rc = fqaccel_buffer_create(m->card, m->most_bytes, FQACCEL_CARD_WRITES,
						   &r->out);
		if (rc)
			snprintf(c->err, sizeof(c->err), "%s", fqaccel_error());
	}
	return rc;
}

static void measure_free(struct measure *m)
{
	const struct comparison *c = m->c;
	unsigned int w;
	size_t i;

	for (w = 0; m->runners && w < c->o->threads; w++) {
		fqaccel_queue_close(m->runners[w].queue);
		fqaccel_buffer_close(m->runners[w].in);
		fqaccel_buffer_close(m->runners[w].out);
		net_work_free(&m->runners[w].work);
	}
	for (i = 0; m->lists && i < c->set.count; i++)
		free(m->lists[i]);
	for (i = 0; i < c->net->tensor_count; i++) {
		if (m->tensors)
			free(m->tensors[i]);
		if (m->channels)
			free(m->channels[i]);
	}
	free(m->runners);
	free(m->lists);
	free(m->tensors);
	free(m->channels);
	free(m->live);
	free(m->next);
	free(m->moments);
	fqaccel_model_close(m->model);
	fqaccel_card_close(m->card);
}

int compare_run(struct comparison *c)
{
	struct measure m = { .c = c };
	unsigned int w;
	uint32_t i;
	int rc;

	snprintf(c->err, sizeof(c->err), "out of memory");
	rc = fqaccel_card_open("soft", &m.card);
	if (!rc)
		rc = fqaccel_model_load(m.card, c->data, c->len, &m.model);
	if (rc)
		snprintf(c->err, sizeof(c->err), "the soft card refuses the image: %s",
			 fqaccel_error());
	else
		rc = measure_alloc(&m);
	for (i = 0; !rc && i < c->net->layer_count; i++) {
		rc = run_step(&m, i);
		if (!c->o->quiet)
			cli_progress(i + 1, c->net->layer_count);
	}
	cli_progress_clear();
	if (!rc)
		count_agreement(&m);
	for (w = 0; m.runners && w < c->o->threads; w++)
		if (rc && m.runners[w].err[0])
			snprintf(c->err, sizeof(c->err), "%s", m.runners[w].err);
	measure_free(&m);
	return rc;
}
