// SPDX-License-Identifier: MIT
/*
 * The learning network as the card computes it (FORMAT.md sections 4 and 7), bit for bit: integers in
 * single precision, sums by the same convolutions as in training, exact below 2^24; what is larger is
 * put together in 64 bits (tnet.h).
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tnet_private.h"

#define SINGLE_EXACT	((uint64_t)1 << 24)	/* all integers below are floats */
/*
 * Below it requantization is exact in double precision: what is rounded is a multiple of 2^-shift
 * below 2^(52 - shift), so with the half that is added it is below 2^53 of them; where shifts are
 * so large that it is not, it stays below 1 and is cut off to 0.
 */
#define DOUBLE_EXACT	0x1p52

uint64_t tnet_integer_bound(const struct tnet *t, uint32_t tensor)
{
	const struct fqz_tensor *x = &t->integer->tensors[tensor], *in;

	if (x->type != FQZ_S32)
		return x->type == FQZ_U8 ? 255 : 128;
	/* What a SUMPOOL wrote. */
	in = &t->integer->tensors[t->net->layers[tensor - 1].in[0]];
	return (uint64_t)in->h * in->w * (in->type == FQZ_U8 ? 255 : 128);
}

static int layer_plan(const struct tnet *t, uint32_t layer, struct tnet_digits *d)
{
	const struct tnet_layer *p = &t->layers[layer];

	return tnet_digits_plan(p->used, p->channels, net_layer_sum(t->net, p->l),
				tnet_integer_bound(t, p->l->in[0]), d);
}

int tnet_integer_check(const struct tnet *t, struct net_error *err)
{
	struct tnet_digits d;
	uint32_t i;

	for (i = 0; i < t->net->layer_count; i++) {
		if (!t->layers[i].weights || !layer_plan(t, i, &d))
			continue;
		net_fail(err, "layer '%.200s': an integer weight of 2^20 or more, or sums beyond 48 bits, "
			 "which the card does not have; use fewer bits, or shift quantization",
			 t->net->layers[i].name);
		return -ERANGE;
	}
	return 0;
}

static bool layer_matches(const struct net_layer *l, const struct fqz_layer *f)
{
	enum fqz_pool_rule rule = l->divisor ? FQZ_POOL_DIVISOR : l->count_padding ?
				  FQZ_POOL_PADDED : FQZ_POOL_IN_BOUNDS;

	switch (l->kind) {
	case NET_AFFINE:
		return f->kind == FQZ_AFFINE && f->scale;
	case NET_CONV:
	case NET_FC:
		return (f->kind == FQZ_CONV || f->kind == FQZ_FC) && f->scale;
	case NET_ADD:
		return f->kind == FQZ_ADD;
	case NET_CONCAT:
		return f->kind == FQZ_CONCAT;
	case NET_MAXPOOL:
		return f->kind == FQZ_MAXPOOL;
	case NET_AVGPOOL:
		return f->kind == FQZ_AVGPOOL && f->pool_rule == rule;
	case NET_GLOBALPOOL:
		return f->kind == FQZ_SUMPOOL || f->kind == FQZ_AVGPOOL;
	case NET_PAD:
		break;
	}
	return false;
}

static int layer_check(const struct tnet *t, uint32_t i, struct net_error *err)
{
	const struct net_layer *l = &t->net->layers[i];
	const struct fqz_layer *f = &t->integer->layers[i].f;
	const struct net_tensor *want = &t->net->tensors[l->out];
	const struct fqz_tensor *out = &t->integer->tensors[l->out];
	uint64_t window;

	if (!layer_matches(l, f) || out->c != want->c || out->h != want->h || out->w != want->w)
		return net_fail(err, "layer '%.200s': the integer network computes something else",
				l->name);
	window = f->kind == FQZ_AVGPOOL ? (uint64_t)f->kernel_h * f->kernel_w : 1;
	if ((out->type == FQZ_S32 && l->kind == NET_GLOBALPOOL &&
	     tnet_integer_bound(t, l->out) >= SINGLE_EXACT) || window * 255 >= SINGLE_EXACT) {
		net_fail(err, "layer '%.200s': a pool over so many elements that their sum can pass 2^24, "
			 "beyond what training can compute exactly", l->name);
		return -ERANGE;
	}
	return 0;
}

int tnet_integer_set(struct tnet *t, const struct qnet *q, struct net_error *err)
{
	const struct qnet *before = t->integer;
	uint32_t i;
	int rc = 0;

	t->integer = q;
	if (q->net->layer_count != t->net->layer_count)
		rc = net_fail(err, "the integer network has %u layers, this one %u",
			      q->net->layer_count, t->net->layer_count);
	for (i = 0; !rc && i < t->net->layer_count; i++)
		rc = layer_check(t, i, err);
	if (!rc)
		rc = tnet_integer_check(t, err);
	if (!rc && !t->state->integer) {
		rc = tnet_buffers_create(t, DNN_F32, &t->state->single, err);
		if (rc)
			tnet_buffers_destroy(t, &t->state->single);
		else
			t->state->integer = &t->state->single;
	}
	if (rc)
		t->integer = before;
	return rc;
}

static int digit_room(float **room, size_t *have, size_t want)
{
	if (want > *have) {
		free(*room);
		*room = tnet_alloc(want * sizeof(**room));
		*have = *room ? want : 0;
	}
	return *room ? 0 : -ENOMEM;
}

static int exact_room(struct tnet_state *s, size_t want)
{
	if (want > s->exact_room) {
		free(s->exact);
		s->exact = tnet_alloc(want * sizeof(*s->exact));
		s->exact_room = s->exact ? want : 0;
	}
	return s->exact ? 0 : -ENOMEM;
}

static void digit_take(const float *x, size_t n, struct tnet_digit d, float *digit)
{
	uint32_t mask = (1u << d.bits) - 1, from = d.from;
	size_t i;

#pragma omp parallel for simd
	for (i = 0; i < n; i++) {
		int32_t v = (int32_t)x[i], m = v < 0 ? -v : v;
		int32_t part = (int32_t)((uint32_t)m >> from & mask);

		digit[i] = (float)(v < 0 ? -part : part);
	}
}

static void exact_add(int64_t *exact, const float *part, size_t n, unsigned int shift)
{
	int64_t weight = (int64_t)1 << shift;
	size_t i;

#pragma omp parallel for
	for (i = 0; i < n; i++)
		exact[i] += (int32_t)part[i] * weight;
}

/* To the letter of FORMAT.md section 7. */
static void requantize_exact(const struct fqz_layer *f, const int64_t *acc, size_t rows, size_t c,
			     float *y)
{
	size_t r, k;

#pragma omp parallel for private(k)
	for (r = 0; r < rows; r++)
		for (k = 0; k < c; k++) {
			int64_t v = acc[r * c + k] * f->scale[k] +
				    f->bias[k] * ((int64_t)1 << f->bias_shift);
			unsigned int s = f->shift[k];
			int64_t half = s ? (int64_t)1 << (s - 1) : 0;

			v = v < 0 ? -((-v + half) >> s) : (v + half) >> s;
			v = v < f->act_min ? f->act_min : v > f->act_max ? f->act_max : v;
			y[r * c + k] = (float)v;
		}
}

/*
 * Factors for ops_requantize() and the gradient. Return: whether the former is exact: all terms are
 * multiples of 2^-shift, so below DOUBLE_EXACT products, sums and the half that is added are.
 */
static bool requantize_prepare(const struct fqz_layer *f, struct tnet_layer_state *s, size_t c,
			       uint64_t largest)
{
	double most = 0, term;
	size_t k;

	for (k = 0; k < c; k++) {
		s->unit[k] = ldexp(f->scale[k], -(int)f->shift[k]);
		s->offset[k] = ldexp(f->bias[k], (int)f->bias_shift - (int)f->shift[k]);
		s->unit_single[k] = (float)s->unit[k];
		s->offset_single[k] = (float)s->offset[k];
		term = (double)largest * abs(f->scale[k]) + ldexp(abs(f->bias[k]), (int)f->bias_shift);
		most = term > most ? term : most;
	}
	return most < DOUBLE_EXACT;
}

static int requantize(struct tnet *t, uint32_t layer, const float *acc, uint64_t largest)
{
	const struct fqz_layer *f = &t->integer->layers[layer].f;
	size_t rows = tnet_rows(t, layer + 1), c = t->layers[layer].channels;
	struct tnet_layer_state *s = &t->state->layers[layer];
	float *y = t->state->integer->tensor[layer + 1];

	if (requantize_prepare(f, s, c, largest)) {
		ops_requantize(acc, rows, c, s->unit, s->offset, f->act_min, f->act_max, y);
		return 0;
	}
	if (exact_room(t->state, rows * c))
		return -ENOMEM;
	memset(t->state->exact, 0, rows * c * sizeof(*t->state->exact));
	exact_add(t->state->exact, acc, rows * c, 0);
	requantize_exact(f, t->state->exact, rows, c, y);
	return 0;
}

/* @k: of the parts. A digit of the input serves all the weights' digits that come with it. */
static int convolve_part(struct tnet *t, uint32_t layer, const struct tnet_digits *d, unsigned int k)
{
	const struct tnet_part *p = &d->part[k];
	const struct net_layer *l = &t->net->layers[layer];
	const struct tnet_layer *w = &t->layers[layer];
	struct tnet_buffers *b = t->state->integer;
	struct tnet_state *s = t->state;

	if (!k || p->x.from != p[-1].x.from)
		digit_take(b->tensor[l->in[0]], tnet_elements(t, l->in[0]), p->x, s->digit);
	digit_take(w->used, w->weights, p->w, s->weight_digit);
	if (dnn_conv_forward(b->conv[layer], s->digit, s->weight_digit, b->sums[layer]))
		return -EIO;
	exact_add(s->exact, b->sums[layer], tnet_elements(t, l->out), p->x.from + p->w.from);
	return 0;
}

/* A convolution for each part; the sums are kept for the gradient, rounded. */
static int convolve_digits(struct tnet *t, uint32_t layer, const struct tnet_digits *d)
{
	const struct fqz_layer *f = &t->integer->layers[layer].f;
	const struct net_layer *l = &t->net->layers[layer];
	struct tnet_buffers *b = t->state->integer;
	size_t m = tnet_elements(t, l->out), i;
	struct tnet_state *s = t->state;
	float *sums = b->sums[layer];
	unsigned int k;
	int rc = 0;

	if (digit_room(&s->digit, &s->digit_room, tnet_elements(t, l->in[0])) ||
	    digit_room(&s->weight_digit, &s->weight_room, t->layers[layer].weights) ||
	    exact_room(s, m))
		return -ENOMEM;
	memset(s->exact, 0, m * sizeof(*s->exact));
	for (k = 0; !rc && k < d->count; k++)
		rc = convolve_part(t, layer, d, k);
	if (rc)
		return rc;
	requantize_prepare(f, &s->layers[layer], t->layers[layer].channels, d->largest);
	requantize_exact(f, s->exact, tnet_rows(t, l->out), t->layers[layer].channels,
			 b->tensor[l->out]);
#pragma omp parallel for
	for (i = 0; i < m; i++)
		sums[i] = (float)s->exact[i];
	return 0;
}

static int convolve(struct tnet *t, uint32_t layer)
{
	const struct net_layer *l = &t->net->layers[layer];
	struct tnet_buffers *b = t->state->integer;
	struct tnet_digits d;

	if (layer_plan(t, layer, &d))
		return -ERANGE;
	if (d.count)
		return convolve_digits(t, layer, &d);
	if (dnn_conv_forward(b->conv[layer], b->tensor[l->in[0]], t->layers[layer].used,
			     b->sums[layer]))
		return -EIO;
	return requantize(t, layer, b->sums[layer], d.largest);
}

static void add(struct tnet *t, uint32_t layer)
{
	const struct fqz_layer *f = &t->integer->layers[layer].f;
	const struct net_layer *l = &t->net->layers[layer];
	struct tnet_buffers *b = t->state->integer;
	double a0 = ldexp(f->add_scale[0], -(int)f->out_shift);
	double a1 = ldexp(f->add_scale[1], -(int)f->out_shift);

	/* Exact: 16 bits times 8, twice. */
	ops_requantize_add(b->tensor[l->in[0]], b->tensor[l->in[1]], tnet_elements(t, l->out), a0, a1,
			   f->act_min, f->act_max, b->tensor[l->out]);
}

int tnet_integer_forward(struct tnet *t, uint32_t layer)
{
	const struct net_layer *l = &t->net->layers[layer];
	struct tnet_buffers *b = t->state->integer;

	switch (l->kind) {
	case NET_CONV:
	case NET_FC:
		return convolve(t, layer);
	case NET_AFFINE:
		return requantize(t, layer, b->tensor[l->in[0]], tnet_integer_bound(t, l->in[0]));
	case NET_ADD:
		add(t, layer);
		return 0;
	case NET_CONCAT:
		tnet_concat(t, layer);
		return 0;
	case NET_MAXPOOL:
		return dnn_pool_forward(b->pool[layer], b->tensor[l->in[0]], b->tensor[l->out]);
	case NET_AVGPOOL:
	case NET_GLOBALPOOL:
		tnet_integer_pool(t, layer);
		return 0;
	case NET_PAD:
		break;
	}
	return -EIO;
}
