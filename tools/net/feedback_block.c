// SPDX-License-Identifier: MIT
/*
 * The matrices of error feedback: order, damping and factors of H, what the weights are fitted
 * to beforehand, and what a weight is worth.
 */
#include <cblas.h>
#include <errno.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "feedback.h"

#define FEEDBACK_DAMPING	0.01	/* of the mean of H's diagonal */
#define FEEDBACK_FEW		4	/* more of it, times inputs by samples */

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
int feedback_target(void *arg, size_t i, unsigned int worker)
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
			w[r * n + k] = f->target[first + r * f->sum + k];
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
	feedback_rank(r, b->n);
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
int feedback_block_prepare(void *arg, size_t i, unsigned int worker)
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
	b->worth = calloc(b->n, sizeof(float));
	a = malloc(b->n * b->n * sizeof(double));
	rc = b->order && b->h && b->u && b->cost && b->worth && a ? block_order(b, m, g->block) : -ENOMEM;
	if (rc)
		goto out;
	for (damping = block_damping(g, m, b->n); ; damping *= 10) {
		block_fill(b, m, g->block, damping, a);
		if (!inverse_factor(a, b->n))
			break;
	}
	for (k = 0; k < b->n; k++) {
		for (j = k; j < b->n; j++) {
			b->u[k * b->n + j] = (float)a[k * b->n + j];
			/* H^-1[j][j], summed up. */
			b->worth[j] += b->u[k * b->n + j] * b->u[k * b->n + j];
		}
		b->cost[k] = 1.0f / (b->u[k * b->n + k] * b->u[k * b->n + k]);
	}
	for (k = 0; k < b->n; k++)
		b->worth[k] = 1.0f / b->worth[k];
out:
	free(a);
	return rc;
}

void feedback_blocks_free(struct feedback *f)
{
	size_t i;

	for (i = 0; f->block && i < f->gram->groups * f->blocks; i++) {
		free(f->block[i].order);
		free(f->block[i].h);
		free(f->block[i].u);
		free(f->block[i].cost);
		free(f->block[i].worth);
	}
	free(f->block);
}

/* Add w^T H w of one output channel's share in a block. */
static int block_energy(const struct feedback *f, const float *w, size_t output, size_t i,
			double *energy)
{
	const struct block *b = feedback_row_blocks(f, output) + i;
	float *x = malloc(2 * b->n * sizeof(*x));
	size_t k;

	if (!x)
		return -ENOMEM;
	for (k = 0; k < b->n; k++)
		x[k] = w[output * f->sum + b->first + b->order[k]];
	cblas_ssymv(CblasRowMajor, CblasUpper, (int)b->n, 1.0f, b->h, (int)b->n, x, 1, 0.0f,
		    x + b->n, 1);
	*energy += cblas_sdot((int)b->n, x, 1, x + b->n, 1);
	free(x);
	return 0;
}

int quant_feedback_worth(const float *w, size_t outputs, size_t sum, const struct gram *gram,
			 unsigned int threads, float *columns)
{
	size_t blocks = gram->groups * gram->blocks, i, k;
	struct feedback f = { .outputs = outputs, .sum = sum, .gram = gram,
			      .per_group = outputs / gram->groups, .blocks = gram->blocks };
	double energy = 0;
	int rc;

	f.block = calloc(blocks, sizeof(*f.block));
	rc = f.block ? net_parallel(blocks, threads, feedback_block_prepare, &f) : -ENOMEM;
	for (i = 0; !rc && i < outputs * gram->blocks; i++)
		rc = block_energy(&f, w, i / gram->blocks, i % gram->blocks, &energy);
	for (i = 0; !rc && i < blocks; i++) {
		const struct block *b = &f.block[i];

		for (k = 0; k < b->n; k++)
			columns[i / gram->blocks * sum + b->first + b->order[k]] = energy > 0 ?
				(float)sqrt(b->worth[k] / energy) : 1;
	}
	feedback_blocks_free(&f);
	return rc;
}
