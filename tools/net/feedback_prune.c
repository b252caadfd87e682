// SPDX-License-Identifier: MIT
/*
 * Pruning within the error feedback (as SparseGPT): all output channels go together through
 * chunks of columns; of a chunk the weights go whose loss costs least as the errors of the
 * chunks before have left them, w_k^2 / U[k][k]^2, and theirs go into the columns after.
 *
 * How many go in each chunk is decided beforehand, by w_k^2 / H^-1[k][k] over the whole layer:
 * columns of weak inputs lose more.
 */
#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "feedback.h"
#include "quant_prune.h"

#define PRUNE_CHUNK	((size_t)128)
#define PRUNE_MANY	16	/* blocks by thread, from which on threads take whole blocks */

struct prune {
	struct feedback *f;
	size_t chunks;		/* of a block, at most */
	size_t *cut;		/* by block and chunk */
};

/* One block on its way. */
struct pass {
	const struct feedback *f;
	const struct block *b;
	size_t output;		/* first channel of the group */
	float *w;		/* per_group x b->n, rounding order */
	size_t k0, k1;		/* columns of the chunk */
};

static size_t weight_at(const struct feedback *f, const struct block *b, size_t output, size_t k)
{
	return output * f->sum + b->first + b->order[k];
}

/* What pruning costs by itself; what is 0 already comes first. */
static uint32_t worth_code(const struct feedback *f, const struct block *b, size_t output, size_t k)
{
	float w = f->target[weight_at(f, b, output, k)];

	return w == 0 ? 0 : quant_select_code(w * w * b->worth[k]);
}

static void count_worths(const struct feedback *f, struct quant_select *s)
{
	size_t o, i, k;

	for (o = 0; o < f->outputs; o++) {
		const struct block *b = feedback_row_blocks(f, o);

		for (i = 0; i < f->blocks; i++, b++)
			for (k = 0; k < b->n; k++)
				quant_select_count(s, worth_code(f, b, o, k));
	}
	quant_select_end(s);
}

/* Share @zeros out among the chunks. */
static int share_out(struct prune *p, size_t zeros)
{
	const struct feedback *f = p->f;
	struct quant_select *s = calloc(1, sizeof(*s));
	size_t o, i, k, ties;

	if (!s)
		return -ENOMEM;
	s->wanted = zeros;
	count_worths(f, s);
	count_worths(f, s);
	ties = zeros - s->below;
	for (o = 0; o < f->outputs; o++)
		for (i = 0; i < f->blocks; i++) {
			size_t block = o / f->per_group * f->blocks + i;
			const struct block *b = &f->block[block];

			for (k = 0; k < b->n; k++) {
				uint32_t code = worth_code(f, b, o, k);

				if (code > s->code || (code == s->code && !ties))
					continue;
				ties -= code == s->code;
				p->cut[block * p->chunks + k / PRUNE_CHUNK]++;
			}
		}
	free(s);
	return 0;
}

static uint32_t pass_code(const struct pass *p, size_t row, size_t k)
{
	float w = p->w[row * p->b->n + k];

	if (p->f->target[weight_at(p->f, p->b, p->output + row, k)] == 0)
		return 0;
	return quant_select_code(w * w * p->b->cost[k]);
}

/* Prune @cut weights of a chunk. */
static void chunk_select(const struct pass *p, size_t cut, struct quant_select *s)
{
	size_t row, k, ties;
	int i;

	memset(s, 0, sizeof(*s));
	s->wanted = cut;
	for (i = 0; i < 2; i++) {
		for (row = 0; row < p->f->per_group; row++)
			for (k = p->k0; k < p->k1; k++)
				quant_select_count(s, pass_code(p, row, k));
		quant_select_end(s);
	}
	ties = cut - s->below;
	for (row = 0; row < p->f->per_group; row++)
		for (k = p->k0; k < p->k1; k++) {
			uint32_t code = pass_code(p, row, k);

			if (code > s->code || (code == s->code && !ties))
				continue;
			ties -= code == s->code;
			p->f->keep[weight_at(p->f, p->b, p->output + row, k)] = 0;
		}
}

/* What a channel loses in the chunk goes into the columns after. */
static int push_errors(void *arg, size_t row, unsigned int worker)
{
	const struct pass *p = arg;
	const struct block *b = p->b;
	float *w = p->w + row * b->n;
	size_t k;

	(void)worker;
	for (k = p->k0; k < p->k1; k++) {
		const float *u = b->u + k * b->n;

		if (!p->f->keep[weight_at(p->f, b, p->output + row, k)])
			cblas_saxpy((int)(b->n - k - 1), -w[k] / u[k], u + k + 1, 1, w + k + 1, 1);
	}
	return 0;
}

static int prune_block(const struct prune *q, size_t i, unsigned int threads)
{
	const struct feedback *f = q->f;
	struct pass p = { .f = f, .b = &f->block[i], .output = i / f->blocks * f->per_group };
	struct quant_select *s = malloc(sizeof(*s));
	size_t n = p.b->n, row, k;
	int rc;

	p.w = malloc(f->per_group * n * sizeof(*p.w));
	rc = s && p.w ? 0 : -ENOMEM;
	for (row = 0; !rc && row < f->per_group; row++)
		for (k = 0; k < n; k++)
			p.w[row * n + k] = f->target[weight_at(f, p.b, p.output + row, k)];
	for (p.k0 = 0; !rc && p.k0 < n; p.k0 = p.k1) {
		size_t cut = q->cut[i * q->chunks + p.k0 / PRUNE_CHUNK];

		p.k1 = p.k0 + PRUNE_CHUNK < n ? p.k0 + PRUNE_CHUNK : n;
		if (!cut)
			continue;
		chunk_select(&p, cut, s);
		rc = net_parallel(f->per_group, threads, push_errors, &p);
	}
	free(p.w);
	free(s);
	return rc;
}

static int prune_whole(void *arg, size_t i, unsigned int worker)
{
	(void)worker;
	return prune_block(arg, i, 1);
}

int feedback_prune(struct feedback *f, size_t zeros)
{
	size_t count = f->gram->groups * f->blocks, n = f->outputs * f->sum, there = 0, i;
	unsigned int threads = f->o->threads;
	struct prune p = { .f = f };
	int rc;

	for (i = 0; i < n; i++)
		there += f->target[i] == 0;
	p.chunks = (f->gram->block + PRUNE_CHUNK - 1) / PRUNE_CHUNK;
	p.cut = calloc(count * p.chunks, sizeof(*p.cut));
	rc = p.cut ? share_out(&p, zeros > there ? zeros : there) : -ENOMEM;
	if (!rc && count >= PRUNE_MANY * threads)
		rc = net_parallel(count, threads, prune_whole, &p);
	else
		for (i = 0; !rc && i < count; i++)
			rc = prune_block(&p, i, threads);
	free(p.cut);
	return rc;
}

/* Loss that comes from adding @d to an error; @residual: H times all errors. */
static float change(const struct block *b, size_t k, const float *residual, float d)
{
	return 2 * residual[b->first + k] * d + b->h[k * b->n + k] * d * d;
}

static void shift_error(const struct block *b, size_t k, float *residual, float d)
{
	cblas_saxpy((int)b->n, d, b->h + k * b->n, 1, residual + b->first, 1);
}

/* Where a weight is in its row. */
struct place {
	const struct block *b;
	size_t k;
	float level, change;
};

/* The kept weight whose loss costs least. */
static struct place cheapest(const struct block *b, size_t blocks, const struct row *r, float scale)
{
	struct place p = { NULL, 0, 0, 0 };
	size_t i, k;

	for (i = 0; i < blocks; i++, b++)
		for (k = 0; k < b->n; k++) {
			float c;

			if (!r->keep[b->first + k])
				continue;
			c = change(b, k, r->t, scale * r->best[b->first + k]);
			if (!p.b || c < p.change)
				p = (struct place){ b, k, 0, c };
		}
	return p;
}

/* The pruned weight, other than @not, whose return gains most. */
static struct place dearest(const struct quant_alphabet *a, const struct block *b, size_t blocks,
			    const struct row *r, float scale, const struct place *not)
{
	struct place p = { NULL, 0, 0, 0 };
	size_t i, k;

	for (i = 0; i < blocks; i++, b++)
		for (k = 0; k < b->n; k++) {
			size_t at = b->first + k;
			float level, c;

			/* What is 0 in the network itself stays so. */
			if (r->keep[at] || r->w[at] == 0 || (b == not->b && k == not->k))
				continue;
			level = a->level[quant_nearest_level(a, r->t[at] /
							     (b->h[k * b->n + k] * scale))];
			c = change(b, k, r->t, -scale * level);
			if (!p.b || c < p.change)
				p = (struct place){ b, k, level, c };
		}
	return p;
}

bool feedback_swap(const struct quant_alphabet *a, const struct block *b, size_t blocks,
		   struct row *r, float scale)
{
	size_t left = b[blocks - 1].first + b[blocks - 1].n;
	bool moved = false;

	/* r->t is H times the errors, as coordinate descent left it. */
	for (; left; left--) {
		struct place out = cheapest(b, blocks, r, scale), in;
		float d, least;

		if (!out.b)
			break;
		d = scale * r->best[out.b->first + out.k];
		shift_error(out.b, out.k, r->t, d);
		in = dearest(a, b, blocks, r, scale, &out);
		/* Less than rounding errors is no gain. */
		least = 1e-6f * (fabsf(in.change) + fabsf(out.change));
		if (!in.b || in.change + out.change >= -least) {
			shift_error(out.b, out.k, r->t, -d);
			break;
		}
		shift_error(in.b, in.k, r->t, -scale * in.level);
		r->best[out.b->first + out.k] = 0;
		r->keep[out.b->first + out.k] = 0;
		r->best[in.b->first + in.k] = in.level;
		r->keep[in.b->first + in.k] = 1;
		moved = true;
	}
	return moved;
}
