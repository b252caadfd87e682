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
 * layers before did to the inputs (target_fit()). The moments are taken about the
 * means, since the bias makes up for those.
 */
#include <cblas.h>
#include <errno.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"
#include "gram.h"
#include "quant.h"

#define FEEDBACK_DAMPING	0.01	/* of the mean of H's diagonal */
#define FEEDBACK_FEW		4	/* more of it, times inputs by samples */
#define FEEDBACK_GRID		28	/* scales that are tried by their diagonal error */
#define FEEDBACK_TRIES		12	/* of them, the best by the error after feedback */
#define FEEDBACK_SWEEPS		10
#define FEEDBACK_ROWS		64	/* that stand for a layer when its alphabet is chosen */
#define FEEDBACK_REACH		2	/* octaves from the largest shift value to a mean */
#define FEEDBACK_CANDIDATES	(1 + (2 * FEEDBACK_REACH + 1) * (2 * FEEDBACK_REACH + 1))

/* One diagonal block of H, columns in the order in which they are rounded. */
struct block {
	size_t n, first;	/* weights first .. first + n - 1 of an output channel */
	uint32_t *order;
	float *h, *u;		/* n x n */
	float *cost;		/* 1 / U[k][k]^2 */
};

struct feedback {
	const float *w;		/* as given: 0 is pruned */
	float *target;		/* what is rounded */
	size_t outputs, sum, per_group, blocks;
	struct block *block;	/* groups * blocks */
	const struct gram *gram;
	const struct quant_options *o;
	struct quant_weights *q;
	struct row *rows;	/* by worker */
	struct quant_alphabet *candidates;
	double *candidate_loss;
	size_t candidate_count;
};

/* Scratch of one thread for one output channel; arrays of sum floats. */
struct row {
	float *w, *t, *q, *best, *hw, *hq, *memory;
};

/* a: H, n x n, destroyed. Makes a the factor whose column i is row i of U. */
static int inverse_factor(double *a, size_t n)
{
	int rc, k = (int)n;

	rc = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', k, a, k);
	if (!rc)
		rc = LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'L', k, a, k);
	if (!rc)
		rc = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', k, a, k);
	return rc;
}

static double block_damping(const struct gram *g, const double *m, size_t n)
{
	double mean = 0;
	size_t k;

	for (k = 0; k < n; k++)
		mean += m[k * g->block + k] / (double)n;
	/* Moments of few samples say little about other pictures. */
	mean *= 1 + FEEDBACK_FEW * (double)n / (double)g->samples;
	/* Inputs that are never anything but 0: then any rounding is as good. */
	return FEEDBACK_DAMPING * (mean > 0 ? mean : 1);
}

/*
 * The weights that give on x what w gives on t: w + w (T - H) H^-1 with T = sum t x^T. Errors of
 * the layers before are made up for as far as a linear map of this layer's inputs can.
 */
static int target_fit(void *arg, size_t i, unsigned int worker)
{
	struct feedback *f = arg;
	const struct gram *g = f->gram;
	size_t n = gram_block_size(g, i % g->blocks), rows = f->per_group, r, k;
	size_t at = i * g->block * g->block, first = i / g->blocks * rows * f->sum +
		    i % g->blocks * g->block;
	double *h = malloc(n * n * sizeof(double)), *d = malloc(n * n * sizeof(double));
	double *w = malloc(rows * n * sizeof(double)), *b = malloc(rows * n * sizeof(double));
	double damping = block_damping(g, g->matrix + at, n);
	int rc = h && d && w && b ? 0 : -ENOMEM;

	(void)worker;
	for (r = 0; !rc && r < n; r++)
		for (k = 0; k < n; k++) {
			h[r * n + k] = g->matrix[at + r * g->block + k] + (r == k ? damping : 0);
			d[r * n + k] = g->cross[at + r * g->block + k] -
				       g->matrix[at + r * g->block + k];
		}
	for (r = 0; !rc && r < rows; r++)
		for (k = 0; k < n; k++)
			w[r * n + k] = f->w[first + r * f->sum + k];
	/* Without a factor the weights stay as they are. */
	if (!rc && !LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', (int)n, h, (int)n)) {
		cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)n, (int)n,
			    1.0, w, (int)n, d, (int)n, 0.0, b, (int)n);
		LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'L', (int)n, (int)rows, h, (int)n, b, (int)n);
		for (r = 0; r < rows; r++)
			for (k = 0; k < n; k++)
				if (w[r * n + k] != 0)
					f->target[first + r * f->sum + k] += (float)b[r * n + k];
	}
	free(h);
	free(d);
	free(w);
	free(b);
	return rc;
}

struct ranked {
	double value;
	uint32_t index;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	return (x->index > y->index) - (x->index < y->index);
}

static int block_order(struct block *b, const double *m, size_t stride)
{
	struct ranked *r = malloc(b->n * sizeof(*r));
	size_t k;

	if (!r)
		return -ENOMEM;
	for (k = 0; k < b->n; k++) {
		r[k].value = m[k * stride + k];
		r[k].index = (uint32_t)k;
	}
	qsort(r, b->n, sizeof(*r), compare_ranked);
	for (k = 0; k < b->n; k++)
		b->order[k] = r[k].index;
	free(r);
	return 0;
}

static void block_fill(const struct block *b, const double *m, size_t stride, double damping,
		       double *a)
{
	size_t r, c;

	for (r = 0; r < b->n; r++)
		for (c = 0; c < b->n; c++) {
			double v = m[b->order[r] * stride + b->order[c]];

			if (r == c)
				v += damping;
			a[r * b->n + c] = v;
			b->h[r * b->n + c] = (float)v;
		}
}

/* Factor one block; more damping where H is singular all the same. */
static int block_prepare(void *arg, size_t i, unsigned int worker)
{
	struct feedback *f = arg;
	const struct gram *g = f->gram;
	struct block *b = &f->block[i];
	const double *m = g->matrix + i * g->block * g->block;
	double damping, *a;
	size_t k, j;
	int rc;

	(void)worker;
	b->n = gram_block_size(g, i % g->blocks);
	b->first = i % g->blocks * g->block;
	b->order = malloc(b->n * sizeof(*b->order));
	b->h = malloc(b->n * b->n * sizeof(float));
	b->u = calloc(b->n * b->n, sizeof(float));
	b->cost = malloc(b->n * sizeof(float));
	a = malloc(b->n * b->n * sizeof(double));
	rc = b->order && b->h && b->u && b->cost && a ? block_order(b, m, g->block) : -ENOMEM;
	if (rc)
		goto out;
	for (damping = block_damping(g, m, b->n); ; damping *= 10) {
		block_fill(b, m, g->block, damping, a);
		if (!inverse_factor(a, b->n))
			break;
	}
	for (k = 0; k < b->n; k++) {
		for (j = k; j < b->n; j++)
			b->u[k * b->n + j] = (float)a[k * b->n + j];
		b->cost[k] = 1.0f / (b->u[k * b->n + k] * b->u[k * b->n + k]);
	}
out:
	free(a);
	return rc;
}

static const struct block *row_blocks(const struct feedback *f, size_t output)
{
	return &f->block[output / f->per_group * f->blocks];
}

/* The channel's weights in rounding order. */
static void row_load(const struct feedback *f, size_t output, float *w)
{
	const struct block *b = row_blocks(f, output);
	size_t i, k;

	for (i = 0; i < f->blocks; i++, b++)
		for (k = 0; k < b->n; k++)
			w[b->first + k] = f->target[output * f->sum + b->first + b->order[k]];
}

/* Error if every weight were rounded by itself. */
static double diagonal_loss(const struct feedback *f, const struct quant_alphabet *a,
			    const struct block *b, const float *w, float scale)
{
	float inverse = 1.0f / scale;
	double loss = 0;
	size_t i, k;

	for (i = 0; i < f->blocks; i++, b++)
		for (k = 0; k < b->n; k++) {
			float v = w[b->first + k], d;

			if (v == 0.0f)
				continue;
			d = v - scale * a->level[quant_nearest_level(a, v * inverse)];
			loss += (double)(b->cost[k] * d * d);
		}
	return loss;
}

/* Scales to try: the largest weight meets the largest level, or is clipped by up to 3. */
static unsigned int scale_grid(const struct feedback *f, const struct quant_alphabet *a,
			       const struct block *b, const float *w, struct ranked *r,
			       float *scales)
{
	bool mirrored = a->mode == FQZ_SHIFT || a->mean_neg == a->mean_pos;
	float top = fmaxf(-a->level[0], a->level[a->count - 1]), largest = 0;
	unsigned int i, n = 0;
	size_t k;

	for (k = 0; k < f->sum; k++)
		largest = fmaxf(largest, fabsf(w[k]));
	if (largest == 0)
		return 0;
	for (i = 0; i < FEEDBACK_GRID * (mirrored ? 1 : 2); i++) {
		float s = 1.1f * largest / top *
			  powf(3.3f, -(float)(i % FEEDBACK_GRID) / (FEEDBACK_GRID - 1));

		/* A lopsided alphabet may fit a channel better upside down. */
		scales[i] = i < FEEDBACK_GRID ? s : -s;
		r[n].index = i;
		r[n++].value = -diagonal_loss(f, a, b, w, scales[i]);
	}
	qsort(r, n, sizeof(*r), compare_ranked);
	return n;
}

/* One pass over a channel with feedback; t is destroyed, q gets levels. */
static double feedback_pass(const struct feedback *f, const struct quant_alphabet *a,
			    const struct block *b, const float *w, float scale, float *t, float *q)
{
	float inverse = 1.0f / scale;
	double loss = 0;
	size_t i, k;

	memcpy(t, w, f->sum * sizeof(*t));
	for (i = 0; i < f->blocks; i++, b++) {
		float *tb = t + b->first;

		for (k = 0; k < b->n; k++) {
			const float *u = b->u + k * b->n;
			float level = 0, e;

			if (w[b->first + k] != 0.0f)
				level = a->level[quant_nearest_level(a, tb[k] * inverse)];
			q[b->first + k] = level;
			e = (tb[k] - scale * level) / u[k];
			loss += (double)e * e;
			cblas_saxpy((int)(b->n - k - 1), -e, u + k + 1, 1, tb + k + 1, 1);
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

			if (r->w[at] == 0.0f)
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

static void row_store(struct feedback *f, size_t output, const float *levels)
{
	const struct quant_alphabet *a = &f->q->alphabet;
	const struct block *b = row_blocks(f, output);
	size_t i, k;

	for (i = 0; i < f->blocks; i++, b++)
		for (k = 0; k < b->n; k++)
			f->q->symbols[output * f->sum + b->first + b->order[k]] =
				a->symbol[quant_nearest_level(a, levels[b->first + k])];
}

static int row_quantize(void *arg, size_t output, unsigned int worker)
{
	struct feedback *f = arg;
	const struct quant_alphabet *a = &f->q->alphabet;
	const struct block *b = row_blocks(f, output);
	struct row *r = &f->rows[worker];
	struct ranked ranked[2 * FEEDBACK_GRID];
	float scales[2 * FEEDBACK_GRID], scale = 1;
	double best = INFINITY, loss;
	unsigned int i, n;

	row_load(f, output, r->w);
	n = scale_grid(f, a, b, r->w, ranked, scales);
	memset(r->best, 0, f->sum * sizeof(*r->best));
	for (i = 0; i < n && i < FEEDBACK_TRIES; i++) {
		loss = feedback_pass(f, a, b, r->w, scales[ranked[i].index], r->t, r->q);
		if (loss < best) {
			best = loss;
			scale = scales[ranked[i].index];
			memcpy(r->best, r->q, f->sum * sizeof(*r->best));
		}
	}
	if (n) {
		multiply(f, b, r->w, r->hw);
		for (i = 0; i < FEEDBACK_SWEEPS; i++) {
			scale = fit_scale(f, b, r, scale);
			if (!descend(f, a, b, r, scale))
				break;
		}
		scale = fit_scale(f, b, r, scale);
	}
	f->q->scale[output] = scale;
	row_store(f, output, r->best);
	return 0;
}

/* How well an alphabet fits some of the layer's channels. */
static int candidate_try(void *arg, size_t i, unsigned int worker)
{
	struct feedback *f = arg;
	struct row *r = &f->rows[worker];
	struct ranked ranked[2 * FEEDBACK_GRID];
	float scales[2 * FEEDBACK_GRID];
	size_t rows = f->outputs < FEEDBACK_ROWS ? f->outputs : FEEDBACK_ROWS, k;

	f->candidate_loss[i] = 0;
	for (k = 0; k < rows; k++) {
		size_t output = k * f->outputs / rows;
		const struct block *b = row_blocks(f, output);

		row_load(f, output, r->w);
		if (scale_grid(f, &f->candidates[i], b, r->w, ranked, scales))
			f->candidate_loss[i] -= ranked[0].value;
	}
	return 0;
}

static void candidate_add(struct feedback *f, enum fqz_mode mode, int neg, int pos)
{
	int e = (int)fqz_exponent_count(mode, f->o->bits), offset;

	if (!quant_alphabet_init(&f->candidates[f->candidate_count], mode, f->o->bits, 1 - e, neg,
				 pos, &offset))
		f->candidate_count++;
}

/* The modes that may be used, and where the two means may lie around the largest shift value. */
static int candidates_make(struct feedback *f)
{
	enum quant_mode wish = f->o->mode;
	int neg, pos;

	f->candidates = malloc(FEEDBACK_CANDIDATES * sizeof(*f->candidates));
	f->candidate_loss = malloc(FEEDBACK_CANDIDATES * sizeof(*f->candidate_loss));
	if (!f->candidates || !f->candidate_loss)
		return -ENOMEM;
	if (wish == QUANT_AUTO && !f->o->by_error)
		wish = quant_choose_mode(f->o, &f->q->gmm) == FQZ_SHIFT ? QUANT_SHIFT :
		       QUANT_RECENTRALIZED;
	if (wish != QUANT_RECENTRALIZED)
		candidate_add(f, FQZ_SHIFT, 0, 0);
	for (neg = -FEEDBACK_REACH; neg <= FEEDBACK_REACH && wish != QUANT_SHIFT; neg++)
		for (pos = -FEEDBACK_REACH; pos <= FEEDBACK_REACH; pos++)
			candidate_add(f, FQZ_RECENTRALIZED, neg, pos);
	return 0;
}

static int alphabet_choose(struct feedback *f)
{
	size_t i, best = 0;
	int rc = candidates_make(f);

	if (!rc)
		rc = net_parallel(f->candidate_count, f->o->threads, candidate_try, f);
	for (i = 1; !rc && i < f->candidate_count; i++)
		if (f->candidate_loss[i] < f->candidate_loss[best])
			best = i;
	if (!rc)
		f->q->alphabet = f->candidates[best];
	return rc;
}

static int rows_alloc(struct feedback *f)
{
	unsigned int i;

	f->rows = calloc(f->o->threads, sizeof(*f->rows));
	for (i = 0; f->rows && i < f->o->threads; i++) {
		float *p = malloc(6 * f->sum * sizeof(float));
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
	}
	return f->rows ? 0 : -ENOMEM;
}

static void feedback_free(struct feedback *f)
{
	size_t i;

	for (i = 0; f->block && i < f->gram->groups * f->blocks; i++) {
		free(f->block[i].order);
		free(f->block[i].h);
		free(f->block[i].u);
		free(f->block[i].cost);
	}
	for (i = 0; f->rows && i < f->o->threads; i++)
		free(f->rows[i].memory);
	free(f->block);
	free(f->rows);
	free(f->target);
	free(f->candidates);
	free(f->candidate_loss);
}

int quant_feedback(const float *w, size_t outputs, size_t sum, const struct gram *gram,
		   const struct quant_options *o, struct quant_weights *q)
{
	struct feedback f = { .w = w, .outputs = outputs, .sum = sum, .gram = gram, .o = o, .q = q,
			      .per_group = outputs / gram->groups, .blocks = gram->blocks };
	int rc;

	q->symbols = malloc(outputs * sum);
	q->scale = malloc(outputs * sizeof(*q->scale));
	f.block = calloc(gram->groups * gram->blocks, sizeof(*f.block));
	f.target = malloc(outputs * sum * sizeof(*f.target));
	rc = q->symbols && q->scale && f.block && f.target ? rows_alloc(&f) : -ENOMEM;
	if (!rc)
		memcpy(f.target, w, outputs * sum * sizeof(*w));
	if (!rc && gram->cross)
		rc = net_parallel(gram->groups * gram->blocks, o->threads, target_fit, &f);
	if (!rc)
		rc = gmm_fit(w, outputs * sum, &q->gmm);
	if (!rc)
		rc = net_parallel(gram->groups * gram->blocks, o->threads, block_prepare, &f);
	if (!rc)
		rc = alphabet_choose(&f);
	if (!rc)
		rc = net_parallel(outputs, o->threads, row_quantize, &f);
	feedback_free(&f);
	return rc;
}
