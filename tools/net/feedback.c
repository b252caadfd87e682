// SPDX-License-Identifier: MIT
/*
 * Error feedback (optimal brain quantization as in GPTQ): the weights of an
 * output channel are rounded one by one, and each rounding error is pushed into
 * the weights that remain, through the inverse of the inputs' Gram matrix H.
 *
 * With H^-1 = U^T U, U upper triangular, the error of weight k goes into weight
 * j > k as e_k * U[k][j], e_k = (w_k - q_k) / U[k][k], and sum e_k^2 is the
 * layer's squared output error. Columns are taken in order of falling H[k][k].
 * Afterwards the scale is fitted by least squares, and single weights are moved to
 * another level where that lowers the error (coordinate descent).
 *
 * Before, the weights themselves are moved to where they undo most of what the
 * layers before did to the inputs (feedback_target()). The moments are taken about the
 * means, since the bias makes up for those.
 */
#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "feedback.h"

#define FEEDBACK_TRIES	12	/* scales, the best by the error after feedback */
#define FEEDBACK_SWEEPS	10

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	return (x->index > y->index) - (x->index < y->index);
}

void feedback_rank(struct ranked *r, size_t n)
{
	qsort(r, n, sizeof(*r), compare_ranked);
}

void feedback_row_load(const struct feedback *f, size_t output, struct row *r)
{
	const struct block *b = feedback_row_blocks(f, output);
	size_t i, k;

	for (i = 0; i < f->blocks; i++, b++)
		for (k = 0; k < b->n; k++) {
			size_t at = output * f->sum + b->first + b->order[k];

			r->w[b->first + k] = f->target[at];
			r->keep[b->first + k] = f->keep[at];
		}
}

/* Error if every weight were rounded by itself. */
static double diagonal_loss(const struct feedback *f, const struct quant_alphabet *a,
			    const struct block *b, const struct row *r, float scale)
{
	float inverse = 1.0f / scale;
	double loss = 0;
	size_t i, k;

	for (i = 0; i < f->blocks; i++, b++)
		for (k = 0; k < b->n; k++) {
			float v = r->w[b->first + k], d;

			if (!r->keep[b->first + k])
				continue;
			d = v - scale * a->level[quant_nearest_level(a, v * inverse)];
			loss += (double)(b->cost[k] * d * d);
		}
	return loss;
}

/* Scales to try: the largest weight meets the largest level, or is clipped by up to 3. */
unsigned int feedback_scales(const struct feedback *f, const struct quant_alphabet *a,
			     const struct block *b, const struct row *row, struct ranked *r,
			     float *scales)
{
	bool mirrored = a->mode == FQZ_SHIFT || a->mean_neg == a->mean_pos;
	float top = fmaxf(-a->level[0], a->level[a->count - 1]), largest = 0;
	unsigned int i, n = 0;
	size_t k;

	for (k = 0; k < f->sum; k++)
		if (row->keep[k])
			largest = fmaxf(largest, fabsf(row->w[k]));
	if (largest == 0)
		return 0;
	for (i = 0; i < FEEDBACK_GRID * (mirrored ? 1 : 2); i++) {
		float s = 1.1f * largest / top *
			  powf(3.3f, -(float)(i % FEEDBACK_GRID) / (FEEDBACK_GRID - 1));

		/* A lopsided alphabet may fit a channel better upside down. */
		scales[i] = i < FEEDBACK_GRID ? s : -s;
		r[n].index = i;
		r[n++].value = -diagonal_loss(f, a, b, row, scales[i]);
	}
	feedback_rank(r, n);
	return n;
}

/* One pass over a channel with feedback; t is destroyed, q gets levels. */
static double feedback_pass(const struct feedback *f, const struct quant_alphabet *a,
			    const struct block *b, struct row *r, float scale)
{
	float inverse = 1.0f / scale;
	double loss = 0;
	size_t i, k;

	memcpy(r->t, r->w, f->sum * sizeof(*r->t));
	for (i = 0; i < f->blocks; i++, b++) {
		float *t = r->t + b->first;

		for (k = 0; k < b->n; k++) {
			const float *u = b->u + k * b->n;
			float level = 0, e;

			if (r->keep[b->first + k])
				level = a->level[quant_nearest_level(a, t[k] * inverse)];
			r->q[b->first + k] = level;
			e = (t[k] - scale * level) / u[k];
			loss += (double)e * e;
			cblas_saxpy((int)(b->n - k - 1), -e, u + k + 1, 1, t + k + 1, 1);
		}
	}
	return loss;
}

static void multiply(const struct feedback *f, const struct block *b, const float *x, float *y)
{
	size_t i;

	for (i = 0; i < f->blocks; i++, b++)
		cblas_ssymv(CblasRowMajor, CblasUpper, (int)b->n, 1.0f, b->h, (int)b->n,
			    x + b->first, 1, 0.0f, y + b->first, 1);
}

/* The scale that fits the levels best: (w H q) / (q H q). Leaves H q in r->hq. */
static float fit_scale(const struct feedback *f, const struct block *b, struct row *r,
		       float scale)
{
	double wq, qq;

	multiply(f, b, r->best, r->hq);
	wq = cblas_sdot((int)f->sum, r->w, 1, r->hq, 1);
	qq = cblas_sdot((int)f->sum, r->best, 1, r->hq, 1);
	if (qq > 0 && wq / qq * scale > 0)
		return (float)(wq / qq);
	return scale;
}

/* Move single weights to the level that is best as the others stand. */
static bool descend(const struct feedback *f, const struct quant_alphabet *a,
		    const struct block *b, struct row *r, float scale)
{
	float *residual = r->t;	/* H (w - scale q) */
	bool moved = false;
	size_t i, k;

	for (k = 0; k < f->sum; k++)
		residual[k] = r->hw[k] - scale * r->hq[k];
	for (i = 0; i < f->blocks; i++, b++)
		for (k = 0; k < b->n; k++) {
			size_t at = b->first + k;
			float old = r->best[at], level, step;

			if (!r->keep[at])
				continue;
			step = residual[at] / (b->h[k * b->n + k] * scale);
			level = a->level[quant_nearest_level(a, old + step)];
			if (level == old)
				continue;
			moved = true;
			r->best[at] = level;
			cblas_saxpy((int)b->n, -scale * (level - old), b->h + k * b->n, 1,
				    residual + b->first, 1);
		}
	return moved;
}

static void row_store(struct feedback *f, size_t output, const struct row *r)
{
	const struct quant_alphabet *a = &f->q->alphabet;
	const struct block *b = feedback_row_blocks(f, output);
	size_t i, k;

	for (i = 0; i < f->blocks; i++, b++)
		for (k = 0; k < b->n; k++) {
			size_t at = output * f->sum + b->first + b->order[k];

			f->keep[at] = r->keep[b->first + k];
			f->q->symbols[at] =
				a->symbol[quant_nearest_level(a, r->best[b->first + k])];
		}
}

/* Scale and weights in turn, each as the other stands. */
static float row_refine(const struct feedback *f, const struct quant_alphabet *a,
			const struct block *b, struct row *r, float scale)
{
	unsigned int i;
	bool moved;

	multiply(f, b, r->w, r->hw);
	for (i = 0; i < FEEDBACK_SWEEPS; i++) {
		scale = fit_scale(f, b, r, scale);
		moved = descend(f, a, b, r, scale);
		if (f->swap)
			moved |= feedback_swap(a, b, f->blocks, r, scale);
		if (!moved)
			break;
	}
	return fit_scale(f, b, r, scale);
}

static int row_quantize(void *arg, size_t output, unsigned int worker)
{
	struct feedback *f = arg;
	const struct quant_alphabet *a = &f->q->alphabet;
	const struct block *b = feedback_row_blocks(f, output);
	struct row *r = &f->rows[worker];
	struct ranked ranked[2 * FEEDBACK_GRID];
	float scales[2 * FEEDBACK_GRID], scale = 1;
	double best = INFINITY, loss;
	unsigned int i, n;

	feedback_row_load(f, output, r);
	n = feedback_scales(f, a, b, r, ranked, scales);
	memset(r->best, 0, f->sum * sizeof(*r->best));
	for (i = 0; i < n && i < FEEDBACK_TRIES; i++) {
		loss = feedback_pass(f, a, b, r, scales[ranked[i].index]);
		if (loss < best) {
			best = loss;
			scale = scales[ranked[i].index];
			memcpy(r->best, r->q, f->sum * sizeof(*r->best));
		}
	}
	if (n)
		scale = row_refine(f, a, b, r, scale);
	f->q->scale[output] = scale;
	row_store(f, output, r);
	return 0;
}

static int rows_alloc(struct feedback *f)
{
	unsigned int i;

	f->rows = calloc(f->o->threads, sizeof(*f->rows));
	for (i = 0; f->rows && i < f->o->threads; i++) {
		float *p = malloc((6 * sizeof(float) + 1) * f->sum);
		struct row *r = &f->rows[i];

		if (!p)
			return -ENOMEM;
		r->memory = p;
		r->w = p;
		r->t = p + f->sum;
		r->q = p + 2 * f->sum;
		r->best = p + 3 * f->sum;
		r->hw = p + 4 * f->sum;
		r->hq = p + 5 * f->sum;
		r->keep = (uint8_t *)(p + 6 * f->sum);
	}
	return f->rows ? 0 : -ENOMEM;
}

static void feedback_free(struct feedback *f)
{
	unsigned int i;

	feedback_blocks_free(f);
	for (i = 0; f->rows && i < f->o->threads; i++)
		free(f->rows[i].memory);
	free(f->rows);
	free(f->target);
	free(f->keep);
	free(f->candidates);
	free(f->candidate_loss);
}

/* The mixture of the weights that are left. */
static int fit_mixture(struct feedback *f, const float *w)
{
	size_t n = f->outputs * f->sum, i;
	float *left = malloc(n * sizeof(*left));
	int rc = -ENOMEM;

	if (left) {
		for (i = 0; i < n; i++)
			left[i] = f->keep[i] ? w[i] : 0;
		rc = gmm_fit(left, n, &f->q->gmm);
	}
	free(left);
	return rc;
}

int quant_feedback(const float *w, const float *kept, size_t zeros, size_t outputs, size_t sum,
		   const struct gram *gram, const struct quant_options *o,
		   struct quant_weights *q)
{
	struct feedback f = { .outputs = outputs, .sum = sum, .gram = gram, .o = o, .q = q,
			      .per_group = outputs / gram->groups, .blocks = gram->blocks,
			      .swap = zeros > 0 };
	size_t n = outputs * sum, blocks = gram->groups * gram->blocks, i;
	int rc;

	q->symbols = malloc(n);
	q->scale = malloc(outputs * sizeof(*q->scale));
	f.block = calloc(blocks, sizeof(*f.block));
	f.target = malloc(n * sizeof(*f.target));
	f.keep = malloc(n);
	rc = q->symbols && q->scale && f.block && f.target && f.keep ? rows_alloc(&f) : -ENOMEM;
	for (i = 0; !rc && i < n; i++) {
		f.target[i] = w[i];
		f.keep[i] = kept[i] != 0;
	}
	if (!rc && gram->cross)
		rc = net_parallel(blocks, o->threads, feedback_target, &f);
	if (!rc)
		rc = net_parallel(blocks, o->threads, feedback_block_prepare, &f);
	if (!rc && zeros)
		rc = feedback_prune(&f, zeros);
	if (!rc)
		rc = fit_mixture(&f, w);
	if (!rc)
		rc = feedback_alphabet_choose(&f);
	if (!rc)
		rc = net_parallel(outputs, o->threads, row_quantize, &f);
	q->cut = 0;
	for (i = 0; !rc && i < n; i++)
		q->cut += !f.keep[i];
	feedback_free(&f);
	return rc;
}
