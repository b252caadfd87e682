// SPDX-License-Identifier: MIT
/*
 * The image's arithmetic (FORMAT.md sections 4 and 7) on calibration pictures, with
 * sums in single precision: what later layers are quantized against. The card's
 * own executor is the judge of the result, not this.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "quantize.h"

size_t simulate_bytes(enum fqz_type type)
{
	return type == FQZ_S32 ? 4 : 1;
}

void simulate_load(const struct fqz_tensor *t, const void *x, float *out)
{
	size_t n = (size_t)t->c * t->h * t->w, i;

	if (t->type == FQZ_U8)
		for (i = 0; i < n; i++)
			out[i] = ((const uint8_t *)x)[i];
	else if (t->type == FQZ_S8)
		for (i = 0; i < n; i++)
			out[i] = ((const int8_t *)x)[i];
	else
		for (i = 0; i < n; i++)
			out[i] = (float)((const int32_t *)x)[i];
}

static void store(const struct fqz_tensor *t, const float *y, void *out)
{
	size_t n = (size_t)t->c * t->h * t->w, i;

	for (i = 0; i < n; i++) {
		if (t->type == FQZ_U8)
			((uint8_t *)out)[i] = (uint8_t)y[i];
		else if (t->type == FQZ_S8)
			((int8_t *)out)[i] = (int8_t)y[i];
		else
			((int32_t *)out)[i] = (int32_t)y[i];
	}
}

static int64_t rshift(int64_t v, unsigned int s)
{
	int64_t half = s ? (int64_t)1 << (s - 1) : 0;

	return v < 0 ? -((-v + half) >> s) : (v + half) >> s;
}

static int64_t bounded(const struct fqz_layer *f, int64_t v)
{
	return v < f->act_min ? f->act_min : v > f->act_max ? f->act_max : v;
}

static void requantize(const struct fqz_layer *f, const struct fqz_tensor *t, const float *acc,
		       void *out)
{
	size_t area = (size_t)t->h * t->w, i;
	uint32_t c;

	for (c = 0; c < t->c; c++) {
		int64_t scale = f->scale[c];
		int64_t bias = (int64_t)f->bias[c] * ((int64_t)1 << f->bias_shift);

		for (i = c * area; i < (c + 1) * area; i++) {
			int64_t v = bounded(f, rshift(llrintf(acc[i]) * scale + bias, f->shift[c]));

			if (t->type == FQZ_U8)
				((uint8_t *)out)[i] = (uint8_t)v;
			else if (t->type == FQZ_S8)
				((int8_t *)out)[i] = (int8_t)v;
			else
				((int32_t *)out)[i] = (int32_t)v;
		}
	}
}

static void add(const struct qnet *q, const struct fqz_layer *f, const void *const *in,
		void *out, float *x, float *y)
{
	const struct fqz_tensor *t = &q->tensors[f->output];
	size_t n = (size_t)t->c * t->h * t->w, i;

	simulate_load(&q->tensors[f->inputs[0]], in[0], x);
	simulate_load(&q->tensors[f->inputs[1]], in[1], y);
	for (i = 0; i < n; i++)
		y[i] = (float)bounded(f, rshift((int64_t)x[i] * f->add_scale[0] +
						(int64_t)y[i] * f->add_scale[1], f->out_shift));
	store(t, y, out);
}

static void concat(const struct qnet *q, const struct fqz_layer *f, const void *const *in,
		   void *out)
{
	uint8_t *at = out;
	uint32_t k;

	for (k = 0; k < f->input_count; k++) {
		const struct fqz_tensor *t = &q->tensors[f->inputs[k]];
		size_t n = (size_t)t->c * t->h * t->w * simulate_bytes(t->type);

		memcpy(at, in[k], n);
		at += n;
	}
}

/* Pools: computed in float, exact for these sizes, then rounded half away from zero. */
static int pool(const struct qnet *q, const struct net_layer *l, const struct fqz_layer *f,
		void *out, const float *x, float *y, struct net_work *w)
{
	const struct fqz_tensor *t = &q->tensors[f->output], *ti = &q->tensors[f->inputs[0]];
	size_t n = (size_t)t->c * t->h * t->w, i;
	struct net_layer open = *l;
	const float *in[1] = { x };
	int rc;

	/* Real bounds do not belong on integers. */
	open.act_min = -INFINITY;
	open.act_max = INFINITY;
	rc = net_layer_run(q->net, &open, in, y, w);
	for (i = 0; !rc && i < n; i++) {
		if (f->kind == FQZ_SUMPOOL)
			y[i] = roundf(y[i] * (float)(ti->h * ti->w));
		else if (f->kind == FQZ_AVGPOOL)
			y[i] = (float)bounded(f, (int64_t)roundf(y[i]));
	}
	if (!rc)
		store(t, y, out);
	return rc;
}

int simulate_sums(const struct qnet *q, uint32_t layer, const float *weight, const float *in,
		  float *out, struct net_work *w)
{
	return net_layer_sums(q->net, &q->net->layers[layer], weight, in, out, w);
}

int simulate_layer(const struct qnet *q, uint32_t layer, const void *const *in,
		   const float *weight, void *out, float *x, float *y, struct net_work *w)
{
	const struct net_layer *l = &q->net->layers[layer];
	const struct fqz_layer *f = &q->layers[layer].f;
	int rc = 0;

	switch (f->kind) {
	case FQZ_ADD:
		add(q, f, in, out, x, y);
		return 0;
	case FQZ_CONCAT:
		concat(q, f, in, out);
		return 0;
	default:
		break;
	}
	simulate_load(&q->tensors[f->inputs[0]], in[0], x);
	if (f->kind == FQZ_MAXPOOL || f->kind == FQZ_AVGPOOL || f->kind == FQZ_SUMPOOL)
		return pool(q, l, f, out, x, y, w);
	if (f->kind != FQZ_AFFINE)
		rc = simulate_sums(q, layer, weight, x, y, w);
	if (!rc)
		requantize(f, &q->tensors[f->output], f->kind == FQZ_AFFINE ? x : y, out);
	return rc;
}
