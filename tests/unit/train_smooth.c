// SPDX-License-Identifier: MIT
/* See train_smooth.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train_smooth.h"

static void *array(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (!p)
		abort();
	return p;
}

static size_t elements(const struct train_smooth *s, uint32_t tensor)
{
	return s->t->o.batch * net_tensor_elements(&s->t->net->tensors[tensor]);
}

static double moved(const struct train_smooth *s, uint32_t layer, enum train_smooth_kind kind, size_t i,
		    double h)
{
	return layer == s->moved && s->step[kind] ? h * s->step[kind][i] : 0;
}

/* One output's sum. */
static double convolve(const struct train_smooth *s, uint32_t layer, size_t picture, uint32_t o,
		       uint32_t i, uint32_t j, double h)
{
	const struct net_layer *l = &s->t->net->layers[layer];
	const struct net_tensor *ti = &s->t->net->tensors[l->in[0]];
	uint32_t ci = ti->c / l->groups, co = s->t->net->tensors[l->out].c / l->groups, c, p, q;
	const double *x = s->value[l->in[0]] + picture * net_tensor_elements(ti);
	size_t w = (size_t)o * ci * l->kernel_h * l->kernel_w;
	double sum = 0;

	for (c = o / co * ci; c < (o / co + 1) * ci; c++)
		for (p = 0; p < l->kernel_h; p++)
			for (q = 0; q < l->kernel_w; q++, w++) {
				int64_t y = (int64_t)i * l->stride_h + p * l->dilation_h - l->pad_top;
				int64_t z = (int64_t)j * l->stride_w + q * l->dilation_w - l->pad_left;

				if (y >= 0 && y < ti->h && z >= 0 && z < ti->w)
					sum += x[((size_t)c * ti->h + (size_t)y) * ti->w + (size_t)z] *
					       (s->t->layers[layer].used[w] +
						moved(s, layer, SMOOTH_WEIGHT, w, h));
			}
	return sum;
}

/* FORMAT.md section 7 without rounding and clamp. */
static double requantize(const struct train_smooth *s, uint32_t layer, uint32_t c, double acc, double h)
{
	const struct fqz_layer *f = &s->q->layers[layer].f;
	double unit = s->q->tensors[f->output].scale;

	return acc * (ldexp(f->scale[c], -(int)f->shift[c]) + moved(s, layer, SMOOTH_FACTOR, c, h) / unit) +
	       ldexp(f->bias[c], (int)f->bias_shift - (int)f->shift[c]) +
	       moved(s, layer, SMOOTH_OFFSET, c, h) / unit;
}

/* A window's average, or its sum; @from: the first of its largest elements. */
static double window(const struct fqz_layer *f, const struct net_tensor *t, const double *x, uint32_t i,
		     uint32_t j, uint32_t *from)
{
	int64_t y0 = (int64_t)i * f->stride_h - f->pad_top, x0 = (int64_t)j * f->stride_w - f->pad_left;
	int64_t y, z, within = 0, padded = 0;
	double sum = 0, best = -INFINITY;

	for (y = y0; y < y0 + f->kernel_h; y++)
		for (z = x0; z < x0 + f->kernel_w; z++) {
			padded += y < t->h + f->pad_bottom && z < t->w + f->pad_right;
			if (y < 0 || y >= t->h || z < 0 || z >= t->w)
				continue;
			within++;
			sum += x[y * t->w + z];
			if (x[y * t->w + z] > best)
				*from = (uint32_t)(y * t->w + z);
			best = fmax(best, x[y * t->w + z]);
		}
	return sum / (double)(f->pool_rule == FQZ_POOL_DIVISOR ? f->divisor :
			      f->pool_rule == FQZ_POOL_PADDED ? padded : within);
}

static double sum_all(const struct net_tensor *t, const double *x)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < (size_t)t->h * t->w; i++)
		sum += x[i];
	return sum;
}

/* Element (c, i, j) of one of the inputs that lie one after another. */
static double concat(const struct train_smooth *s, const struct net_layer *l, size_t picture, uint32_t c,
		     size_t at)
{
	const struct net_tensor *t;
	uint32_t k = 0;

	while (c >= s->t->net->tensors[l->in[k]].c)
		c -= s->t->net->tensors[l->in[k++]].c;
	t = &s->t->net->tensors[l->in[k]];
	return s->value[l->in[k]][picture * net_tensor_elements(t) + (size_t)c * t->h * t->w + at];
}

/* An element before its clamp; @first: the maxima are looked for, else they are where they were. */
static double element(struct train_smooth *s, uint32_t layer, size_t picture, uint32_t c, uint32_t i,
		      uint32_t j, double h, bool first)
{
	const struct fqz_layer *f = &s->q->layers[layer].f;
	const struct net_layer *l = &s->t->net->layers[layer];
	const struct net_tensor *ti = &s->t->net->tensors[l->in[0]], *to = &s->t->net->tensors[l->out];
	size_t at = (size_t)i * to->w + j, in = picture * net_tensor_elements(ti);
	size_t n = picture * net_tensor_elements(to) + (size_t)c * to->h * to->w + at;
	const double *x = s->value[l->in[0]] + in;
	uint32_t from = 0;
	double v;

	switch (f->kind) {
	case FQZ_CONV:
	case FQZ_FC:
		return requantize(s, layer, c, convolve(s, layer, picture, c, i, j, h), h);
	case FQZ_AFFINE:
		return requantize(s, layer, c, s->value[l->in[0]][n], h);
	case FQZ_ADD:
		return ldexp(f->add_scale[0] * s->value[l->in[0]][n] +
			     f->add_scale[1] * s->value[l->in[1]][n], -(int)f->out_shift);
	case FQZ_CONCAT:
		return concat(s, l, picture, c, at);
	case FQZ_SUMPOOL:
		return sum_all(ti, x + (size_t)c * ti->h * ti->w);
	default:
		break;
	}
	x += (size_t)c * ti->h * ti->w;
	v = window(f, ti, x, i, j, &from);
	if (f->kind == FQZ_AVGPOOL)
		return v;
	if (first)
		s->from[l->out][n] = from;
	return x[s->from[l->out][n]];
}

/* Whether a clamp lets a value through; ends of the type are none for what can't pass them. */
static bool passes(const struct train_smooth *s, uint32_t layer, double v)
{
	const struct fqz_layer *f = &s->q->layers[layer].f;
	bool positive = true;
	uint32_t k;

	if (f->kind == FQZ_CONCAT || f->kind == FQZ_MAXPOOL || f->kind == FQZ_SUMPOOL)
		return true;
	for (k = 0; k < f->input_count; k++)
		positive &= s->q->tensors[f->inputs[k]].type == FQZ_U8;
	if (f->kind == FQZ_ADD || f->kind == FQZ_AVGPOOL)
		if (positive && v == 0)
			return true;
	if (f->kind == FQZ_AVGPOOL && f->pool_rule != FQZ_POOL_DIVISOR && v == (positive ? 255 : -128))
		return true;
	return v > f->act_min && v < f->act_max;
}

static void layer_run(struct train_smooth *s, uint32_t layer, double h, const float *card)
{
	const struct net_tensor *to = &s->t->net->tensors[layer + 1];
	size_t picture, n = 0;
	uint32_t c, i, j;

	for (picture = 0; picture < s->t->o.batch; picture++)
		for (c = 0; c < to->c; c++)
			for (i = 0; i < to->h; i++)
				for (j = 0; j < to->w; j++, n++) {
					double v = element(s, layer, picture, c, i, j, h, card);
					bool *pass = &s->passes[layer + 1][n];
					double *residue = &s->residue[layer + 1][n];

					if (card) {
						*pass = passes(s, layer, v);
						*residue = *pass ? card[n] - v : card[n];
						if (*pass)
							s->rounded_most = fmax(s->rounded_most,
									       fabs(*residue));
					}
					s->value[layer + 1][n] = *pass ? v + *residue : *residue;
				}
}

struct train_smooth *train_smooth_create(const struct tnet *t)
{
	struct train_smooth *s = array(1, sizeof(*s));
	uint32_t tensors = t->net->tensor_count, i;
	size_t k, n;

	s->t = t;
	s->q = t->integer;
	s->moved = UINT32_MAX;
	s->value = array(tensors, sizeof(*s->value));
	s->residue = array(tensors, sizeof(*s->residue));
	s->passes = array(tensors, sizeof(*s->passes));
	s->from = array(tensors, sizeof(*s->from));
	for (i = 0; i < tensors; i++) {
		float *card;

		n = elements(s, i);
		s->value[i] = array(n, sizeof(**s->value));
		s->residue[i] = array(n, sizeof(**s->residue));
		s->passes[i] = array(n, sizeof(**s->passes));
		s->from[i] = array(n, sizeof(**s->from));
		card = array(n, sizeof(*card));
		tnet_tensor(t, i, card);
		for (k = 0; !i && k < n; k++)
			s->value[0][k] = card[k];
		if (i)
			layer_run(s, i - 1, 0, card);
		free(card);
	}
	return s;
}

void train_smooth_destroy(struct train_smooth *s)
{
	uint32_t i;

	for (i = 0; i < s->t->net->tensor_count; i++) {
		free(s->value[i]);
		free(s->residue[i]);
		free(s->passes[i]);
		free(s->from[i]);
	}
	free(s->value);
	free(s->residue);
	free(s->passes);
	free(s->from);
	free(s);
}

void train_smooth_run(struct train_smooth *s, double h)
{
	uint32_t i;

	for (i = 0; i < s->t->net->layer_count; i++)
		layer_run(s, i, h, NULL);
}
