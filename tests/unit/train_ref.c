// SPDX-License-Identifier: MIT
/* See train_ref.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train_ref.h"

const char *const train_ref_kind_names[REF_KINDS] = { "weight", "bias", "scale", "gamma", "beta" };

static void *array(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

static void choose(struct train_ref *r, uint64_t choice)
{
	r->pattern = (r->pattern ^ choice) * 0x100000001b3u;
}

/* A distance of just 0 is no danger: such values were clamped before, and there nothing passes. */
static void keep_margin(struct train_ref *r, double distance)
{
	if (distance > 0 && distance < r->margin)
		r->margin = distance;
}

/* Where in a tensor of shape @t a value lies. */
static size_t at(const struct net_tensor *t, uint32_t n, uint32_t c, uint32_t y, uint32_t x)
{
	return (((size_t)n * t->c + c) * t->h + y) * t->w + x;
}

/* Forward: y = sums; backward: dw and dx from dy. */
static void conv(struct train_ref *r, const struct net_layer *l, struct train_ref_layer *p,
		 const double *dy)
{
	const struct net_tensor *ti = &r->net->tensors[l->in[0]], *to = &r->net->tensors[l->out];
	const double *x = r->value[l->in[0]], *w = p->param[REF_WEIGHT];
	double *dx = r->grad[l->in[0]], *dw = p->grad[REF_WEIGHT], sum;
	uint32_t part = ti->c / l->groups, n, o, i, j, c, ky, kx;

	for (n = 0; n < r->batch; n++)
	for (o = 0; o < to->c; o++)
	for (i = 0; i < to->h; i++)
	for (j = 0; j < to->w; j++) {
		size_t out = at(to, n, o, i, j);

		sum = 0;
		for (c = 0; c < part; c++)
		for (ky = 0; ky < l->kernel_h; ky++)
		for (kx = 0; kx < l->kernel_w; kx++) {
			int64_t row = (int64_t)i * l->stride_h + ky * l->dilation_h - l->pad_top;
			int64_t col = (int64_t)j * l->stride_w + kx * l->dilation_w - l->pad_left;
			size_t k = ((o * part + c) * l->kernel_h + ky) * l->kernel_w + kx, in;

			if (row < 0 || row >= ti->h || col < 0 || col >= ti->w)
				continue;
			in = at(ti, n, o / (to->c / l->groups) * part + c, row, col);
			sum += w[k] * x[in];
			if (dy) {
				dw[k] += dy[out] * x[in];
				dx[in] += dy[out] * w[k];
			}
		}
		if (!dy)
			p->sums[out] = sum;
	}
}

/* The mean of a window: what a sum is divided by (FORMAT.md 4.1, Pool_Rule). */
static double pool_divisor(const struct net_layer *l, const struct net_tensor *ti, uint32_t i,
			   uint32_t j)
{
	uint32_t ky, kx, n = 0;

	if (l->divisor)
		return l->divisor;
	for (ky = 0; ky < l->kernel_h; ky++)
	for (kx = 0; kx < l->kernel_w; kx++) {
		int64_t row = (int64_t)i * l->stride_h + ky - l->pad_top;
		int64_t col = (int64_t)j * l->stride_w + kx - l->pad_left;

		if (l->count_padding)
			n += row < (int64_t)ti->h + l->pad_bottom && col < (int64_t)ti->w + l->pad_right;
		else
			n += row >= 0 && row < ti->h && col >= 0 && col < ti->w;
	}
	return n;
}

/* Forward: before = the window's mean or maximum; backward: dx from dy. */
static void pool(struct train_ref *r, const struct net_layer *l, struct train_ref_layer *p,
		 const double *dy)
{
	const struct net_tensor *ti = &r->net->tensors[l->in[0]], *to = &r->net->tensors[l->out];
	const double *x = r->value[l->in[0]], *judge = r->follow ? r->follow[l->in[0]] : x;
	double *dx = r->grad[l->in[0]];
	uint32_t n, c, i, j, ky, kx;

	for (n = 0; n < r->batch; n++)
	for (c = 0; c < to->c; c++)
	for (i = 0; i < to->h; i++)
	for (j = 0; j < to->w; j++) {
		size_t out = at(to, n, c, i, j), first = SIZE_MAX;
		double divisor = pool_divisor(l, ti, i, j), sum = 0, second = -INFINITY;

		for (ky = 0; ky < l->kernel_h; ky++)
		for (kx = 0; kx < l->kernel_w; kx++) {
			int64_t row = (int64_t)i * l->stride_h + ky - l->pad_top;
			int64_t col = (int64_t)j * l->stride_w + kx - l->pad_left;
			size_t in;

			if (row < 0 || row >= ti->h || col < 0 || col >= ti->w)
				continue;
			in = at(ti, n, c, row, col);
			sum += x[in];
			if (dy && l->kind == NET_AVGPOOL)
				dx[in] += dy[out] / divisor;
			if (first == SIZE_MAX || judge[in] > judge[first]) {
				second = first == SIZE_MAX ? second : judge[first];
				first = in;
			} else if (judge[in] > second && judge[in] < judge[first]) {
				second = judge[in];
			}
		}
		if (l->kind == NET_AVGPOOL) {
			p->before[out] = sum / divisor;
		} else if (!dy) {
			p->before[out] = x[first];
			p->from[out] = first;
			choose(r, first);
			keep_margin(r, judge[first] - second);
		} else {
			dx[r->follow ? first : p->from[out]] += dy[out];
		}
	}
}

static void global_pool(struct train_ref *r, const struct net_layer *l, struct train_ref_layer *p,
			const double *dy)
{
	const struct net_tensor *ti = &r->net->tensors[l->in[0]];
	size_t area = (size_t)ti->h * ti->w, out, k;

	for (out = 0; out < (size_t)r->batch * ti->c; out++) {
		if (!dy)
			p->before[out] = 0;
		for (k = 0; k < area; k++) {
			if (dy)
				r->grad[l->in[0]][out * area + k] += dy[out] / area;
			else
				p->before[out] += r->value[l->in[0]][out * area + k] / area;
		}
	}
}

static void concat(struct train_ref *r, const struct net_layer *l, struct train_ref_layer *p,
		   const double *dy)
{
	const struct net_tensor *to = &r->net->tensors[l->out];
	uint32_t k, n, c, i, j, first = 0;

	for (k = 0; k < l->in_count; first += r->net->tensors[l->in[k++]].c) {
		const struct net_tensor *ti = &r->net->tensors[l->in[k]];

		for (n = 0; n < r->batch; n++)
		for (c = 0; c < ti->c; c++)
		for (i = 0; i < ti->h; i++)
		for (j = 0; j < ti->w; j++) {
			size_t in = at(ti, n, c, i, j), out = at(to, n, first + c, i, j);

			if (dy)
				r->grad[l->in[k]][in] += dy[out];
			else
				p->before[out] = r->value[l->in[k]][in];
		}
	}
}

/* before = x * a[c] + b[c], where @a NULL stands for 1; backward: dx, da and db from dy. */
static void affine(const struct train_ref *r, const struct net_tensor *t, const double *x,
		   const double *a, const double *b, double *before, const double *dy, double *dx,
		   double *da, double *db)
{
	size_t area = (size_t)t->h * t->w, i;

	for (i = 0; i < (size_t)r->batch * t->c * area; i++) {
		size_t c = i / area % t->c;

		if (!dy) {
			before[i] = x[i] * (a ? a[c] : 1) + b[c];
			continue;
		}
		dx[i] += dy[i] * (a ? a[c] : 1);
		db[c] += dy[i];
		if (a)
			da[c] += dy[i] * x[i];
	}
}

/* Ioffe and Szegedy 2015, algorithm 1: before = gamma * (sums - mean) / sqrt(var + eps) + beta. */
static void norm(struct train_ref *r, const struct net_tensor *t, struct train_ref_layer *p, bool eval)
{
	size_t area = (size_t)t->h * t->w, all = r->batch * area, n, k, i;
	uint32_t c;

	for (c = 0; c < t->c; c++) {
		double mean = 0, var = 0;

		for (n = 0; n < r->batch; n++)
			for (k = 0; k < area; k++)
				mean += p->sums[(n * t->c + c) * area + k] / all;
		for (n = 0; n < r->batch; n++)
			for (k = 0; k < area; k++)
				var += pow(p->sums[(n * t->c + c) * area + k] - mean, 2) / all;
		p->batch_mean[c] = mean;
		p->batch_var[c] = var;
		if (eval) {
			mean = p->mean[c];
			var = p->var[c];
		}
		for (n = 0; n < r->batch; n++)
			for (k = 0; k < area; k++) {
				i = (n * t->c + c) * area + k;
				p->before[i] = p->param[REF_GAMMA][c] * (p->sums[i] - mean) /
					       sqrt(var + TNET_NORM_EPS) + p->param[REF_BETA][c];
			}
	}
}

/*
 * With h = (x - mean) / sqrt(var + eps) and g the gradient by h, of N values of a channel:
 * dx = (g - mean(g) - h * mean(g * h)) / sqrt(var + eps). @dy becomes dx.
 */
static void norm_backward(struct train_ref *r, const struct net_tensor *t, struct train_ref_layer *p,
			  double *dy)
{
	size_t area = (size_t)t->h * t->w, all = r->batch * area, n, k, i;
	uint32_t c;

	for (c = 0; c < t->c; c++) {
		double s = 1 / sqrt(p->batch_var[c] + TNET_NORM_EPS), sum = 0, product = 0;

		for (n = 0; n < r->batch; n++)
			for (k = 0; k < area; k++) {
				i = (n * t->c + c) * area + k;
				sum += dy[i];
				product += dy[i] * (p->sums[i] - p->batch_mean[c]) * s;
			}
		p->grad[REF_GAMMA][c] = product;
		p->grad[REF_BETA][c] = sum;
		for (n = 0; n < r->batch; n++)
			for (k = 0; k < area; k++) {
				i = (n * t->c + c) * area + k;
				dy[i] = p->param[REF_GAMMA][c] * s *
					(dy[i] - sum / all -
					 (p->sums[i] - p->batch_mean[c]) * s * product / all);
			}
	}
}

static double clamp(double v, double min, double max)
{
	return v < min ? min : v > max ? max : v;
}

/* The bounds that act: with rounding there are two more. */
static double least(const struct train_ref_layer *p)
{
	return p->step > 0 ? fmax(p->min, p->low * p->step) : p->min;
}

static double most(const struct train_ref_layer *p)
{
	return p->step > 0 ? fmin(p->max, p->high * p->step) : p->max;
}

static void bound(struct train_ref *r, const struct net_layer *l, struct train_ref_layer *p)
{
	size_t n = train_ref_elements(r, l->out), i;

	for (i = 0; i < n; i++) {
		double v = p->before[i], level;

		choose(r, (v > least(p)) + 2 * (v < most(p)));
		keep_margin(r, fmin(fabs(v - least(p)), fabs(v - most(p))));
		v = clamp(v, p->min, p->max);
		if (p->step > 0) {
			level = round(v / p->step);	/* half away from zero */
			keep_margin(r, fabs(fabs(v / p->step - level) - 0.5) * p->step);
			v = clamp(level, p->low, p->high) * p->step;
		}
		r->value[l->out][i] = v;
	}
}

/* Where a bound acts nothing passes; at the bound itself neither. Rounding counts as the identity. */
static double *bound_backward(struct train_ref *r, uint32_t layer)
{
	const struct net_layer *l = &r->net->layers[layer];
	const struct train_ref_layer *p = &r->layers[layer];
	const double *before = r->follow ? r->follow_before[layer] : p->before;
	size_t n = train_ref_elements(r, l->out), i;
	double *d = array(n, sizeof(*d));

	for (i = 0; i < n; i++)
		d[i] = before[i] > least(p) && before[i] < most(p) ? r->grad[l->out][i] : 0;
	return d;
}

void train_ref_forward(struct train_ref *r, bool eval)
{
	uint32_t i;
	size_t k;

	r->pattern = 0xcbf29ce484222325u;
	r->margin = INFINITY;
	for (i = 0; i < r->net->layer_count; i++) {
		const struct net_layer *l = &r->net->layers[i];
		const struct net_tensor *t = &r->net->tensors[l->out];
		struct train_ref_layer *p = &r->layers[i];

		switch (l->kind) {
		case NET_CONV:
		case NET_FC:
			conv(r, l, p, NULL);
			if (p->norm)
				norm(r, t, p, eval);
			else
				affine(r, t, p->sums, NULL, p->param[REF_BIAS], p->before, NULL, NULL,
				       NULL, NULL);
			break;
		case NET_AFFINE:
			affine(r, t, r->value[l->in[0]], p->param[REF_SCALE], p->param[REF_BIAS],
			       p->before, NULL, NULL, NULL, NULL);
			break;
		case NET_ADD:
			for (k = 0; k < train_ref_elements(r, l->out); k++)
				p->before[k] = r->value[l->in[0]][k] + r->value[l->in[1]][k];
			break;
		case NET_CONCAT:
			concat(r, l, p, NULL);
			break;
		case NET_MAXPOOL:
		case NET_AVGPOOL:
			pool(r, l, p, NULL);
			break;
		case NET_GLOBALPOOL:
			global_pool(r, l, p, NULL);
			break;
		default:
			abort();
		}
		bound(r, l, p);
	}
}

static void layer_backward(struct train_ref *r, const struct net_layer *l, struct train_ref_layer *p,
			   double *dy)
{
	const struct net_tensor *t = &r->net->tensors[l->out];
	double *sums_grad;
	size_t k;

	switch (l->kind) {
	case NET_CONV:
	case NET_FC:
		sums_grad = array(train_ref_elements(r, l->out), sizeof(*sums_grad));
		if (p->norm) {
			norm_backward(r, t, p, dy);
			conv(r, l, p, dy);
		} else {
			affine(r, t, p->sums, NULL, NULL, NULL, dy, sums_grad, NULL, p->grad[REF_BIAS]);
			conv(r, l, p, sums_grad);
		}
		free(sums_grad);
		break;
	case NET_AFFINE:
		affine(r, t, r->value[l->in[0]], p->param[REF_SCALE], NULL, NULL, dy,
		       r->grad[l->in[0]], p->grad[REF_SCALE], p->grad[REF_BIAS]);
		break;
	case NET_ADD:
		for (k = 0; k < train_ref_elements(r, l->out); k++) {
			r->grad[l->in[0]][k] += dy[k];
			r->grad[l->in[1]][k] += dy[k];
		}
		break;
	case NET_CONCAT:
		concat(r, l, p, dy);
		break;
	case NET_MAXPOOL:
	case NET_AVGPOOL:
		pool(r, l, p, dy);
		break;
	case NET_GLOBALPOOL:
		global_pool(r, l, p, dy);
		break;
	default:
		abort();
	}
}

void train_ref_backward(struct train_ref *r)
{
	uint32_t i, k;

	for (i = 0; i < r->net->tensor_count; i++)
		if (i != r->net->output)
			memset(r->grad[i], 0, train_ref_elements(r, i) * sizeof(double));
	for (i = 0; i < r->net->layer_count; i++)
		for (k = 0; k < REF_KINDS; k++)
			memset(r->layers[i].grad[k], 0, r->layers[i].count[k] * sizeof(double));
	for (i = r->net->layer_count; i-- > 0;) {
		double *dy = bound_backward(r, i);

		layer_backward(r, &r->net->layers[i], &r->layers[i], dy);
		free(dy);
	}
}

double train_ref_loss(struct train_ref *r, const uint16_t *labels, double smoothing)
{
	size_t classes = net_tensor_elements(&r->net->tensors[r->net->output]), n, c;
	double loss = 0;

	for (n = 0; n < r->batch; n++) {
		const double *z = r->value[r->net->output] + n * classes;
		double *dz = r->grad[r->net->output] + n * classes, sum = 0;

		for (c = 0; c < classes; c++)
			sum += exp(z[c] - z[labels[n]]);
		for (c = 0; c < classes; c++) {
			double p = exp(z[c] - z[labels[n]]) / sum;
			double target = smoothing / classes + (c == labels[n] ? 1 - smoothing : 0);

			loss -= target * log(p) / r->batch;
			dz[c] = (p - target) / r->batch;
		}
	}
	return loss;
}

size_t train_ref_elements(const struct train_ref *r, uint32_t tensor)
{
	return r->batch * net_tensor_elements(&r->net->tensors[tensor]);
}

static void widen(double *to, const float *from, size_t n)
{
	size_t i;

	for (i = 0; from && i < n; i++)
		to[i] = from[i];
}

static void layer_create(struct train_ref *r, uint32_t i, bool with_norm)
{
	const struct net_layer *l = &r->net->layers[i];
	struct train_ref_layer *p = &r->layers[i];
	size_t n = train_ref_elements(r, l->out), c = r->net->tensors[l->out].c, k;

	p->norm = with_norm && net_layer_has_weights(l) && i + 1 < r->net->layer_count;
	p->count[REF_WEIGHT] = net_layer_weights(r->net, l);
	p->count[REF_SCALE] = l->kind == NET_AFFINE ? c : 0;
	p->count[REF_BIAS] = (l->kind == NET_AFFINE || net_layer_has_weights(l)) && !p->norm ? c : 0;
	p->count[REF_GAMMA] = p->count[REF_BETA] = p->norm ? c : 0;
	for (k = 0; k < REF_KINDS; k++) {
		p->param[k] = array(p->count[k], sizeof(double));
		p->grad[k] = array(p->count[k], sizeof(double));
	}
	widen(p->param[REF_WEIGHT], l->weight, p->count[REF_WEIGHT]);
	widen(p->param[REF_BIAS], l->bias, p->count[REF_BIAS]);
	widen(p->param[REF_SCALE], l->scale, p->count[REF_SCALE]);
	widen(p->param[REF_BETA], l->bias, p->count[REF_BETA]);
	p->mean = array(c, sizeof(double));
	p->var = array(c, sizeof(double));
	p->batch_mean = array(c, sizeof(double));
	p->batch_var = array(c, sizeof(double));
	for (k = 0; k < c; k++)
		p->var[k] = 1;
	for (k = 0; k < p->count[REF_GAMMA]; k++)
		p->param[REF_GAMMA][k] = 1;
	p->min = l->act_min;
	p->max = l->act_max;
	p->sums = array(n, sizeof(double));
	p->before = array(n, sizeof(double));
	p->from = array(n, sizeof(size_t));
}

struct train_ref *train_ref_create(const struct net *net, uint32_t batch, bool with_norm)
{
	struct train_ref *r = array(1, sizeof(*r));
	uint32_t i;

	r->net = net;
	r->batch = batch;
	r->layers = array(net->layer_count, sizeof(*r->layers));
	r->value = array(net->tensor_count, sizeof(*r->value));
	r->grad = array(net->tensor_count, sizeof(*r->grad));
	for (i = 0; i < net->tensor_count; i++) {
		r->value[i] = array(train_ref_elements(r, i), sizeof(double));
		r->grad[i] = array(train_ref_elements(r, i), sizeof(double));
	}
	for (i = 0; i < net->layer_count; i++)
		layer_create(r, i, with_norm);
	return r;
}

void train_ref_destroy(struct train_ref *r)
{
	uint32_t i, k;

	for (i = 0; i < r->net->layer_count; i++) {
		struct train_ref_layer *p = &r->layers[i];

		for (k = 0; k < REF_KINDS; k++) {
			free(p->param[k]);
			free(p->grad[k]);
		}
		free(p->mean);
		free(p->var);
		free(p->batch_mean);
		free(p->batch_var);
		free(p->sums);
		free(p->before);
		free(p->from);
	}
	for (i = 0; i < r->net->tensor_count; i++) {
		free(r->value[i]);
		free(r->grad[i]);
	}
	free(r->layers);
	free(r->value);
	free(r->grad);
	free(r);
}

void train_ref_load(struct train_ref *r, const struct tnet *t)
{
	uint32_t i;

	for (i = 0; i < r->net->layer_count; i++) {
		const struct tnet_layer *from = &t->layers[i];
		struct train_ref_layer *p = &r->layers[i];

		if (p->norm != !!from->norm)
			abort();
		widen(p->param[REF_WEIGHT], from->used, p->count[REF_WEIGHT]);
		widen(p->param[REF_BIAS], from->bias, p->count[REF_BIAS]);
		widen(p->param[REF_SCALE], from->scale, p->count[REF_SCALE]);
		if (p->norm) {
			widen(p->param[REF_GAMMA], from->norm->gamma, p->count[REF_GAMMA]);
			widen(p->param[REF_BETA], from->norm->beta, p->count[REF_BETA]);
			widen(p->mean, from->norm->mean, p->count[REF_GAMMA]);
			widen(p->var, from->norm->var, p->count[REF_GAMMA]);
		}
		p->min = t->bounds[i].min;
		p->max = t->bounds[i].max;
		p->step = t->bounds[i].step;
		p->low = t->bounds[i].low;
		p->high = t->bounds[i].high;
	}
}
