// SPDX-License-Identifier: MIT
/*
 * Gram matrices (gram.h). Batches of pictures are gathered into columns in
 * fixed places, then tiles of fixed size are added to the matrix: neither the
 * order nor the shape of any sum depends on the number of threads.
 */
#include <cblas.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gram.h"
#include "rng.h"

#define GRAM_SAMPLES	((size_t)32768)		/* positions over all pictures */
#define GRAM_BATCH	((size_t)1 << 24)	/* floats of columns at once */
#define GRAM_BLOCK	((size_t)4096)		/* larger layers are cut into blocks */
#define GRAM_TILE	((size_t)128)

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
	float *columns;
	float **inputs;		/* by worker */
	float **tiles;		/* by worker */
};

void gram_free(struct gram *g)
{
	free(g->matrix);
	g->matrix = NULL;
}

static int gather_picture(void *arg, size_t i, unsigned int worker)
{
	struct gram_job *j = arg;
	const struct net_tensor *to = &j->net->tensors[j->l->out];
	size_t area = (size_t)to->h * to->w, p, g;
	uint64_t picture = j->first + i;
	uint32_t *at = malloc(j->positions * sizeof(*at));

	if (!at)
		return -ENOMEM;
	for (p = 0; p < j->positions; p++) {
		double u = j->positions == area ? 0 :
			   rng_uniform(j->seed, ~(uint64_t)j->layer, picture << 32 | p);

		at[p] = (uint32_t)(((double)p + u) * (double)area / (double)j->positions);
	}
	j->source->input(j->source->arg, (size_t)picture, j->inputs[worker]);
	for (g = 0; g < j->g->groups; g++)
		net_gather(j->net, j->l, j->inputs[worker], (uint32_t)g, at, j->positions,
			   j->columns + g * j->g->sum * j->stride + i * j->positions, j->stride);
	free(at);
	return 0;
}

static size_t tiles_of(const struct gram *g)
{
	return (g->block + GRAM_TILE - 1) / GRAM_TILE;
}

/* Rows r0 to r1 - 1 of one block, from the diagonal's tile on. */
static int add_tile(void *arg, size_t i, unsigned int worker)
{
	struct gram_job *j = arg;
	struct gram *g = j->g;
	size_t tile = i % tiles_of(g), block = i / tiles_of(g) % g->blocks;
	size_t group = i / tiles_of(g) / g->blocks, n = gram_block_size(g, block);
	size_t r0 = tile * GRAM_TILE, r1 = r0 + GRAM_TILE < n ? r0 + GRAM_TILE : n, r, c;
	const float *x = j->columns + (group * g->sum + block * g->block) * j->stride;
	double *m = g->matrix + (group * g->blocks + block) * g->block * g->block;
	float *t = j->tiles[worker];

	if (r0 >= n)
		return 0;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)(r1 - r0), (int)(n - r0),
		    (int)(j->count * j->positions), 1.0f, x + r0 * j->stride, (int)j->stride,
		    x + r0 * j->stride, (int)j->stride, 0.0f, t, (int)(n - r0));
	for (r = r0; r < r1; r++)
		for (c = r0; c < n; c++)
			m[r * g->block + c] += t[(r - r0) * (n - r0) + c - r0];
	return 0;
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

int gram_compute(const struct net *net, const struct net_layer *l, uint32_t layer,
		 const struct gram_source *source, uint64_t seed, unsigned int threads,
		 struct gram *g)
{
	const struct net_tensor *to = &net->tensors[l->out];
	size_t area = (size_t)to->h * to->w, per_batch, rows, in, i;
	struct gram_job j = { .net = net, .l = l, .source = source, .g = g, .seed = seed,
			      .layer = layer };
	int rc = -ENOMEM;

	memset(g, 0, sizeof(*g));
	g->groups = l->groups;
	g->sum = net_layer_sum(net, l);
	g->blocks = (g->sum + GRAM_BLOCK - 1) / GRAM_BLOCK;
	g->block = (g->sum + g->blocks - 1) / g->blocks;
	j.positions = GRAM_SAMPLES / source->pictures;
	j.positions = j.positions < 1 ? 1 : j.positions > area ? area : j.positions;
	rows = g->groups * g->sum;
	per_batch = GRAM_BATCH / (rows * j.positions);
	per_batch = per_batch < 1 ? 1 : per_batch;
	per_batch = per_batch > source->pictures ? source->pictures : per_batch;
	j.stride = per_batch * j.positions;
	g->samples = source->pictures * j.positions;
	in = net_tensor_elements(&net->tensors[l->in[0]]);
	g->matrix = calloc(g->groups * g->blocks * g->block * g->block, sizeof(double));
	j.columns = malloc(rows * j.stride * sizeof(float));
	j.inputs = calloc(threads, sizeof(*j.inputs));
	j.tiles = calloc(threads, sizeof(*j.tiles));
	if (!g->matrix || !j.columns || !j.inputs || !j.tiles)
		goto out;
	for (i = 0; i < threads; i++) {
		j.inputs[i] = malloc(in * sizeof(float));
		j.tiles[i] = malloc(GRAM_TILE * g->block * sizeof(float));
		if (!j.inputs[i] || !j.tiles[i])
			goto out;
	}
	rc = run_batches(&j, per_batch, threads);
	if (!rc)
		mirror(g);
out:
	for (i = 0; i < threads; i++) {
		if (j.inputs)
			free(j.inputs[i]);
		if (j.tiles)
			free(j.tiles[i]);
	}
	free(j.inputs);
	free(j.tiles);
	free(j.columns);
	return rc;
}
