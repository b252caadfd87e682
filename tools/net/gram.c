// SPDX-License-Identifier: MIT
/*
 * Gram matrices (gram.h). Batches of pictures are gathered into columns in
 * fixed places, then tiles of fixed size are added to the matrix: neither the
 * order nor the shape of any sum depends on the number of threads.
 */
#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gram.h"
#include "rng.h"

#define GRAM_SAMPLES	((size_t)32768)		/* positions over all pictures */
#define GRAM_BATCH	((size_t)1 << 24)	/* floats of columns at once */
#define GRAM_WHOLE	((size_t)4608)		/* rows of one matrix; 3 x 3 over 512 channels */
#define GRAM_BLOCK	((size_t)2048)		/* what larger layers are cut into, at most */
#define GRAM_ELEMENTS	((size_t)1 << 26)	/* of a layer's matrices, 512 MiB */
#define GRAM_TILE	((size_t)128)
#define GRAM_PICTURE	((size_t)1 << 28)	/* floats of one picture's columns, at most */
#define GRAM_LARGEST	0x1p120	/* of a moment: single precision, less what is made of it */

struct gram_job {
	const struct net *net;
	const struct net_layer *l;
	const struct gram_source *source;
	struct gram *g;
	uint64_t seed;
	uint32_t layer;
	size_t positions;	/* taken of each picture */
	size_t first, count;	/* pictures of this batch */
	size_t stride;		/* columns of a full batch */
	float *columns, *targets;	/* targets NULL: no cross moments */
	double *mean, *target_mean;	/* sums of the rows of columns and targets */
	float **inputs;		/* by worker */
	float **tiles;		/* by worker */
};

void gram_free(struct gram *g)
{
	free(g->matrix);
	free(g->cross);
	g->matrix = g->cross = NULL;
}

/* One picture's columns at the same positions, of what the card or the float network sees. */
static void gather(struct gram_job *j, size_t i, const uint32_t *at, float *x,
		   void (*input)(void *arg, size_t picture, float *x), float *columns)
{
	size_t g;

	input(j->source->arg, j->first + i, x);
	for (g = 0; g < j->g->groups; g++)
		net_gather(j->net, j->l, x, (uint32_t)g, at, j->positions,
			   columns + g * j->g->sum * j->stride + i * j->positions, j->stride);
}

static int gather_picture(void *arg, size_t i, unsigned int worker)
{
	struct gram_job *j = arg;
	const struct net_tensor *to = &j->net->tensors[j->l->out];
	size_t area = (size_t)to->h * to->w, p;
	uint64_t picture = j->first + i;
	uint32_t *at = malloc(j->positions * sizeof(*at));

	if (!at)
		return -ENOMEM;
	for (p = 0; p < j->positions; p++) {
		double u = j->positions == area ? 0 :
			   rng_uniform(j->seed, ~(uint64_t)j->layer, picture << 32 | p);

		at[p] = (uint32_t)(((double)p + u) * (double)area / (double)j->positions);
		/* The sum of the last one and almost 1 may be rounded up. */
		at[p] = at[p] < area ? at[p] : (uint32_t)area - 1;
	}
	gather(j, i, at, j->inputs[worker], j->source->input, j->columns);
	if (j->targets)
		gather(j, i, at, j->inputs[worker], j->source->target, j->targets);
	free(at);
	return 0;
}

static size_t tiles_of(const struct gram *g)
{
	return (g->block + GRAM_TILE - 1) / GRAM_TILE;
}

static double row_sum(const float *row, size_t n)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += row[i];
	return sum;
}

/* Rows r0 to r1 - 1 of @rows times all from c0 on of @columns, added to @m. */
static void add_product(struct gram_job *j, const float *rows, const float *columns, size_t r0,
			size_t r1, size_t c0, size_t n, float *t, double *m)
{
	size_t samples = j->count * j->positions, r, c;

	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)(r1 - r0), (int)(n - c0),
		    (int)samples, 1.0f, rows + r0 * j->stride, (int)j->stride,
		    columns + c0 * j->stride, (int)j->stride, 0.0f, t, (int)(n - c0));
	for (r = r0; r < r1; r++)
		for (c = c0; c < n; c++)
			m[r * j->g->block + c] += t[(r - r0) * (n - c0) + c - c0];
}

/* One tile of rows of one block: symmetric moments from the diagonal on, cross moments all. */
static int add_tile(void *arg, size_t i, unsigned int worker)
{
	struct gram_job *j = arg;
	struct gram *g = j->g;
	size_t tile = i % tiles_of(g), block = i / tiles_of(g) % g->blocks;
	size_t group = i / tiles_of(g) / g->blocks, n = gram_block_size(g, block);
	size_t r0 = tile * GRAM_TILE, r1 = r0 + GRAM_TILE < n ? r0 + GRAM_TILE : n, r;
	size_t row = group * g->sum + block * g->block, samples = j->count * j->positions;
	size_t at = (group * g->blocks + block) * g->block * g->block;
	const float *x = j->columns + row * j->stride;

	if (r0 >= n)
		return 0;
	add_product(j, x, x, r0, r1, r0, n, j->tiles[worker], g->matrix + at);
	for (r = r0; r < r1; r++)
		j->mean[row + r] += row_sum(x + r * j->stride, samples);
	if (!j->targets)
		return 0;
	add_product(j, j->targets + row * j->stride, x, r0, r1, 0, n, j->tiles[worker],
		    g->cross + at);
	for (r = r0; r < r1; r++)
		j->target_mean[row + r] += row_sum(j->targets + (row + r) * j->stride, samples);
	return 0;
}

/* From sums of products to sums of products of what differs from the means. */
static void center(struct gram_job *j)
{
	struct gram *g = j->g;
	size_t b, r, c, n;

	for (b = 0; b < g->groups * g->blocks; b++) {
		size_t row = b / g->blocks * g->sum + b % g->blocks * g->block;
		double *m = g->matrix + b * g->block * g->block;
		double *x = g->cross ? g->cross + b * g->block * g->block : NULL;

		n = gram_block_size(g, b % g->blocks);
		for (r = 0; r < n; r++)
			for (c = 0; c < n; c++) {
				double mean = j->mean[row + c] / (double)g->samples;

				m[r * g->block + c] -= j->mean[row + r] * mean;
				if (x)
					x[r * g->block + c] -= j->target_mean[row + r] * mean;
			}
	}
}

/* The upper tiles are summed; below the diagonal is the mirror image. */
static void mirror(struct gram *g)
{
	size_t b, r, c;

	for (b = 0; b < g->groups * g->blocks; b++) {
		double *m = g->matrix + b * g->block * g->block;

		for (r = 0; r < g->block; r++)
			for (c = r + 1; c < g->block; c++)
				m[c * g->block + r] = m[r * g->block + c];
	}
}

/* What single precision cannot hold has no inverse either. */
static bool is_finite(const double *m, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!(fabs(m[i]) <= GRAM_LARGEST))
			return false;
	return true;
}

static int run_batches(struct gram_job *j, size_t per_batch, unsigned int threads)
{
	size_t tasks = j->g->groups * j->g->blocks * tiles_of(j->g);
	int rc = 0;

	for (j->first = 0; !rc && j->first < j->source->pictures; j->first += per_batch) {
		j->count = j->source->pictures - j->first;
		if (j->count > per_batch)
			j->count = per_batch;
		rc = net_parallel(j->count, threads, gather_picture, j);
		if (!rc)
			rc = net_parallel(tasks, threads, add_tile, j);
	}
	return rc;
}

static int job_alloc(struct gram_job *j, unsigned int threads)
{
	struct gram *g = j->g;
	size_t in = net_tensor_elements(&j->net->tensors[j->l->in[0]]), rows = g->groups * g->sum;
	size_t size = g->groups * g->blocks * g->block * g->block, i;

	g->matrix = calloc(size, sizeof(double));
	j->columns = malloc(rows * j->stride * sizeof(float));
	j->mean = calloc(rows, sizeof(double));
	j->inputs = calloc(threads, sizeof(*j->inputs));
	j->tiles = calloc(threads, sizeof(*j->tiles));
	if (!g->matrix || !j->columns || !j->mean || !j->inputs || !j->tiles)
		return -ENOMEM;
	if (j->source->target) {
		g->cross = calloc(size, sizeof(double));
		j->targets = malloc(rows * j->stride * sizeof(float));
		j->target_mean = calloc(rows, sizeof(double));
		if (!g->cross || !j->targets || !j->target_mean)
			return -ENOMEM;
	}
	for (i = 0; i < threads; i++) {
		j->inputs[i] = malloc(in * sizeof(float));
		j->tiles[i] = malloc(GRAM_TILE * g->block * sizeof(float));
		if (!j->inputs[i] || !j->tiles[i])
			return -ENOMEM;
	}
	return 0;
}

static void job_free(struct gram_job *j, unsigned int threads)
{
	unsigned int i;

	for (i = 0; i < threads; i++) {
		if (j->inputs)
			free(j->inputs[i]);
		if (j->tiles)
			free(j->tiles[i]);
	}
	free(j->inputs);
	free(j->tiles);
	free(j->columns);
	free(j->targets);
	free(j->mean);
	free(j->target_mean);
}

/*
 * Blocks as large as memory lets them be; at worst, where a network has as many inputs as the
 * format allows, each input by itself.
 */
void gram_blocks(struct gram *g)
{
	size_t limit = g->sum <= GRAM_WHOLE ? g->sum : GRAM_BLOCK;

	while (limit > 1 &&
	       (double)g->groups * (double)g->sum * (double)limit > (double)GRAM_ELEMENTS)
		limit /= 2;
	g->blocks = (g->sum + limit - 1) / limit;
	g->block = (g->sum + g->blocks - 1) / g->blocks;
	/* Rounding up may leave the last one empty. */
	g->blocks = (g->sum + g->block - 1) / g->block;
}

int gram_compute(const struct net *net, const struct net_layer *l, uint32_t layer,
		 const struct gram_source *source, uint64_t seed, unsigned int threads,
		 struct gram *g)
{
	const struct net_tensor *to = &net->tensors[l->out];
	size_t area = (size_t)to->h * to->w, per_batch, size;
	struct gram_job j = { .net = net, .l = l, .source = source, .g = g, .seed = seed,
			      .layer = layer };
	int rc;

	memset(g, 0, sizeof(*g));
	g->groups = l->groups;
	g->sum = net_layer_sum(net, l);
	gram_blocks(g);
	j.positions = GRAM_SAMPLES / source->pictures;
	if (j.positions > GRAM_PICTURE / (g->groups * g->sum))
		j.positions = GRAM_PICTURE / (g->groups * g->sum);
	j.positions = j.positions < 1 ? 1 : j.positions > area ? area : j.positions;
	per_batch = GRAM_BATCH / (g->groups * g->sum * j.positions);
	per_batch = per_batch < 1 ? 1 : per_batch;
	per_batch = per_batch > source->pictures ? source->pictures : per_batch;
	j.stride = per_batch * j.positions;
	g->samples = source->pictures * j.positions;
	rc = job_alloc(&j, threads);
	if (!rc)
		rc = run_batches(&j, per_batch, threads);
	if (!rc) {
		mirror(g);
		if (source->center)
			center(&j);
	}
	job_free(&j, threads);
	size = g->groups * g->blocks * g->block * g->block;
	if (!rc && (!is_finite(g->matrix, size) || (g->cross && !is_finite(g->cross, size))))
		rc = -ERANGE;
	return rc;
}
