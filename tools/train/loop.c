// SPDX-License-Identifier: MIT
/* An epoch: batches, forward, loss, backward, descent; and how the network does on other pictures. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run.h"

/* Where an epoch's random numbers come from: not from what ran before it. */
static uint32_t epoch_key(const struct run *r)
{
	return r->at.stage << 24 | r->at.epoch;
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int broken(struct run *r, int rc)
{
	struct net_error *err;

	if (rc == -ENOMEM)
		return run_fail(r, rc, "out of memory");
	if (rc != -ERANGE)
		return run_fail(r, rc, "a computation failed: %s", dnn_error(r->dnn));
	/* Sums that the card does not hold. */
	err = calloc(1, sizeof(*err));
	tnet_integer_check(r->t, err);
	run_fail(r, rc, "%s", err ? err->text : "out of memory");
	free(err);
	return rc;
}

/* A loss that is no number poisons every weight: the checkpoint from before stays. */
static int diverged(struct run *r, double loss, uint32_t step)
{
	return run_fail(r, -ERANGE, "stage %s, epoch %u, batch %u: the loss is %s; lower --rate%s",
			train_stage_names[r->at.stage], r->at.epoch + 1, step + 1,
			isnan(loss) ? "not a number" : "infinite", r->saved ?
			", and begin anew or from the last checkpoint's weights by --start" : "");
}

static int step(struct run *r, uint32_t step, double *loss, size_t *correct)
{
	const struct train_stage_options *o = &r->o.stages[r->at.stage];
	uint64_t all = (uint64_t)r->at.epoch * r->steps + step;
	double rate = train_rate(o, (enum train_stage)r->at.stage, r->at.epoch,
				 (step + 0.5) / r->steps);
	int rc;

	samples_batch(&r->data, r->order, (size_t)step * r->batch, r->batch, &r->augment,
		      r->o.weights.seed, epoch_key(r), r->pixels, r->labels);
	rc = run_step_begin(r, all, true);
	if (rc)
		return rc;
	rc = tnet_forward(r->t, run_mode(r, true), r->pixels, r->pixel_scale);
	if (rc)
		return broken(r, rc);
	*loss = ops_softmax_loss(r->t->logits, r->labels, r->batch, r->class_count,
				 (float)r->o.smoothing, r->gradient, correct);
	if (!isfinite(*loss))
		return diverged(r, *loss, step);
	rc = tnet_backward(r->t, r->gradient);
	if (rc)
		return broken(r, rc);
	run_step_end(r, (float)rate);
	return 0;
}

int run_epoch(struct run *r, struct curves_epoch *e)
{
	double begin = seconds_now(), loss = 0, one = 0, pictures;
	size_t correct = 0, some = 0;
	uint32_t k;
	int rc = 0;

	memset(e, 0, sizeof(*e));
	samples_order(&r->data, r->o.weights.seed, epoch_key(r), r->order);
	for (k = 0; !rc && !run_signal && k < r->steps; k++) {
		rc = step(r, k, &one, &some);
		if (rc)
			return rc;
		loss += one;
		correct += some;
		pictures = (k + 1.0) * r->batch;
		e->loss = loss / (k + 1);
		e->accuracy = 100 * (double)correct / pictures;
		e->seconds = seconds_now() - begin;
		e->pictures_per_second = e->seconds > 0 ? pictures / e->seconds : 0;
		run_progress(r, e, k + 1);
	}
	e->rate = train_rate(&r->o.stages[r->at.stage], (enum train_stage)r->at.stage, r->at.epoch,
			     (r->steps - 0.5) / r->steps);
	return 0;
}

int run_evaluate(struct run *r, double *loss, double *accuracy)
{
	size_t classes = r->class_count, picture = (size_t)r->held.c * r->held.h * r->held.w;
	size_t first, n, k, right = 0;
	double begin = seconds_now(), sum = 0;
	int rc = run_step_begin(r, 0, false);

	for (first = 0; !rc && first < r->held.count; first += n) {
		n = r->held.count - first < r->batch ? r->held.count - first : r->batch;
		/* What is behind the last picture is computed, and not looked at. */
		memcpy(r->pixels, r->held.pixels + first * picture, n * picture);
		if (n < r->batch)
			memset(r->pixels + n * picture, 0, (r->batch - n) * picture);
		rc = tnet_forward(r->t, run_mode(r, false), r->pixels, r->pixel_scale);
		if (rc)
			return broken(r, rc);
		sum += ops_softmax_loss(r->t->logits, r->held.labels + first, n, classes, 0, NULL,
					NULL) * (double)n;
		memcpy(r->outputs + first * classes, r->t->logits,
		       n * classes * sizeof(*r->outputs));
		for (k = 0; k < n; k++)
			right += calib_top1(r->t->logits + k * classes, classes) ==
				 r->held.labels[first + k];
	}
	r->held_seconds = seconds_now() - begin;
	*loss = sum / (double)r->held.count;
	*accuracy = 100 * (double)right / (double)r->held.count;
	return rc;
}
