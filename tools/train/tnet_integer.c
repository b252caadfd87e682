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
#define SUM_LARGEST	(((uint64_t)1 << 47) - 1)	/* requantizing it fits 64 bits */
/*
 * Below it requantization is exact in double precision: what is rounded is a multiple of 2^-shift
 * below 2^(52 - shift), so with the half that is added it is below 2^53 of them; where shifts are
 * so large that it is not, it stays below 1 and is cut off to 0.
 */
#define DOUBLE_EXACT	0x1p52

/* How a convolution's sums stay exact. */
struct digits {
	unsigned int count, bits;	/* count 1: the input as it is */
	uint64_t largest;		/* of the sums' magnitudes */
};

uint64_t tnet_integer_bound(const struct tnet *t, uint32_t tensor)
{
	const struct fqz_tensor *x = &t->integer->tensors[tensor], *in;

	if (x->type != FQZ_S32)
		return x->type == FQZ_U8 ? 255 : 128;
	/* What a SUMPOOL wrote. */
	in = &t->integer->tensors[t->net->layers[tensor - 1].in[0]];
	return (uint64_t)in->h * in->w * (in->type == FQZ_U8 ? 255 : 128);
}

/* The largest sum |w| of an output channel. */
static double weights_norm(const struct tnet *t, uint32_t layer)
{
	const struct tnet_layer *p = &t->layers[layer];
	size_t sum = net_layer_sum(t->net, p->l), outputs = p->channels, c, k;
	const float *w = p->used;
	double largest = 0;

#pragma omp parallel for private(k) reduction(max : largest)
	for (c = 0; c < outputs; c++) {
		double norm = 0;

		for (k = c * sum; k < (c + 1) * sum; k++)
			norm += fabsf(w[k]);
		/* Not a number is not below any bound either. */
		norm = norm < (double)SINGLE_EXACT ? norm : INFINITY;
		largest = norm > largest ? norm : largest;
	}
	return largest;
}

static int digits_plan(const struct tnet *t, uint32_t layer, struct digits *d)
{
	uint64_t bound = tnet_integer_bound(t, t->net->layers[layer].in[0]), norm;
	double real = weights_norm(t, layer);

	if (!(real < (double)SINGLE_EXACT))
		return -ERANGE;
	norm = (uint64_t)real;
	d->largest = norm * bound;
	d->count = d->bits = 1;
	if (d->largest > SUM_LARGEST)
		return -ERANGE;
	if (d->largest < SINGLE_EXACT)
		return 0;
	while (norm * ((2u << d->bits) - 1) < SINGLE_EXACT)
		d->bits++;
	while (bound >> (d->bits * d->count))
		d->count++;
	return 0;
}

int tnet_integer_check(const struct tnet *t, struct net_error *err)
{
	struct digits d;
	uint32_t i;

	for (i = 0; i < t->net->layer_count; i++) {
		if (!t->layers[i].weights || !digits_plan(t, i, &d))
			continue;
		net_fail(err, "layer '%.200s': the magnitudes of an output's integer weights sum to 2^24 or "
			 "more, or times the largest input to 2^47, beyond what training can compute "
			 "exactly; use fewer bits, or shift quantization", t->net->layers[i].name);
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

static int room_ensure(struct tnet_state *s, size_t digits, size_t sums)
{
	if (digits > s->digit_room) {
		free(s->digit);
		s->digit = tnet_alloc(digits * sizeof(*s->digit));
		s->digit_room = s->digit ? digits : 0;
	}
	if (sums > s->exact_room) {
		free(s->exact);
		s->exact = tnet_alloc(sums * sizeof(*s->exact));
		s->exact_room = s->exact ? sums : 0;
	}
	return (s->digit || !digits) && s->exact ? 0 : -ENOMEM;
}

/* Digit @k of the magnitudes, with the sign: the sum over k of digit * 2^(bits * k) is x. */
static void digit_take(const float *x, size_t n, unsigned int bits, unsigned int k, float *digit)
{
	uint32_t mask = (1u << bits) - 1, shift = bits * k;
	size_t i;

#pragma omp parallel for simd
	for (i = 0; i < n; i++) {
		int32_t v = (int32_t)x[i], m = v < 0 ? -v : v;
		int32_t part = (int32_t)((uint32_t)m >> shift & mask);

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
	if (room_ensure(t->state, 0, rows * c))
		return -ENOMEM;
	memset(t->state->exact, 0, rows * c * sizeof(*t->state->exact));
	exact_add(t->state->exact, acc, rows * c, 0);
	requantize_exact(f, t->state->exact, rows, c, y);
	return 0;
}

/* A convolution for each digit; the sums are kept for the gradient, rounded. */
static int convolve_digits(struct tnet *t, uint32_t layer, const struct digits *d)
{
	const struct fqz_layer *f = &t->integer->layers[layer].f;
	const struct net_layer *l = &t->net->layers[layer];
	struct tnet_buffers *b = t->state->integer;
	size_t n = tnet_elements(t, l->in[0]), m = tnet_elements(t, l->out), i;
	float *sums = b->sums[layer];
	int64_t *exact;
	unsigned int k;

	if (room_ensure(t->state, n, m))
		return -ENOMEM;
	exact = t->state->exact;
	memset(exact, 0, m * sizeof(*exact));
	for (k = 0; k < d->count; k++) {
		digit_take(b->tensor[l->in[0]], n, d->bits, k, t->state->digit);
		if (dnn_conv_forward(b->conv[layer], t->state->digit, t->layers[layer].used, sums))
			return -EIO;
		exact_add(exact, sums, m, d->bits * k);
	}
	requantize_prepare(f, &t->state->layers[layer], t->layers[layer].channels, d->largest);
	requantize_exact(f, exact, tnet_rows(t, l->out), t->layers[layer].channels,
			 b->tensor[l->out]);
#pragma omp parallel for
	for (i = 0; i < m; i++)
		sums[i] = (float)exact[i];
	return 0;
}

static int convolve(struct tnet *t, uint32_t layer)
{
	const struct net_layer *l = &t->net->layers[layer];
	struct tnet_buffers *b = t->state->integer;
	struct digits d;

	if (digits_plan(t, layer, &d))
		return -ERANGE;
	if (d.count > 1)
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
