// SPDX-License-Identifier: MIT
/* Which alphabet a layer gets: the mode, and where the means lie around the shift values. */
#include <errno.h>
#include <stdlib.h>

#include "feedback.h"

#define FEEDBACK_ROWS		64	/* that stand for a layer when its alphabet is chosen */
#define FEEDBACK_REACH		2	/* octaves from the largest shift value to a mean */
#define FEEDBACK_CANDIDATES	(1 + (2 * FEEDBACK_REACH + 1) * (2 * FEEDBACK_REACH + 1))

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
		const struct block *b = feedback_row_blocks(f, output);

		feedback_row_load(f, output, r);
		if (feedback_scales(f, &f->candidates[i], b, r, ranked, scales))
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

int feedback_alphabet_choose(struct feedback *f)
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
