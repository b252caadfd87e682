// SPDX-License-Identifier: MIT
/* Runs on the soft card, beside the float network (card_score.h). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib.h"
#include "card_score.h"
#include "exec.h"
#include "fqaccel.h"

#define SCORE_WORST	1e6	/* a divergence above all that networks with sense have */

struct verdict {
	uint32_t card, reference;	/* best class */
	uint32_t card_rank, reference_rank;	/* of the label */
	double divergence;
};

struct score_job {
	struct fqaccel_model *model;
	struct fqaccel_model_info info;
	const struct picture_set *set;
	struct net_state **states;	/* by worker, or NULL */
	float scale;
	float **outputs;		/* by worker: the card's and the reference's */
	void **raw;			/* by worker */
	struct verdict *verdicts;	/* by picture */
	float *kept;			/* likewise the card's outputs, or NULL */
	size_t elements;
};

/* How many classes come before @label; ties go to the lower class. What is no number is last. */
static uint32_t rank_of(const float *v, size_t n, int label)
{
	uint32_t rank = 0;
	size_t i;

	if (label < 0 || (size_t)label >= n || isnan(v[label]))
		return UINT32_MAX;
	for (i = 0; i < n; i++)
		rank += v[i] > v[label] || (v[i] == v[label] && i < (size_t)label);
	return rank;
}

/* log sum exp, without overflow. */
static double log_partition(const float *v, size_t n)
{
	double top = v[0], sum = 0;
	size_t i;

	for (i = 1; i < n; i++)
		top = v[i] > top ? v[i] : top;
	for (i = 0; i < n; i++)
		sum += exp(v[i] - top);
	return top + log(sum);
}

/* Rounding may carry it a little below 0; what is not a number is as bad as can be. */
static double bounded(double divergence)
{
	if (!(divergence < SCORE_WORST))
		return SCORE_WORST;
	return divergence > 0 ? divergence : 0;
}

double score_divergence(const float *reference, const float *output, size_t n, bool classes)
{
	double signal = 0, noise = 0, divergence = 0, a, b;
	size_t i;

	for (i = 0; !classes && i < n; i++) {
		double d = (double)reference[i] - output[i];

		signal += (double)reference[i] * reference[i];
		noise += d * d;
	}
	if (!classes)
		return bounded(signal > 0 ? noise / signal : noise > 0);
	a = log_partition(reference, n);
	b = log_partition(output, n);
	for (i = 0; i < n; i++)
		divergence += exp(reference[i] - a) * (reference[i] - a - (output[i] - b));
	return bounded(divergence);
}

static void raw_to_float(const struct score_job *j, const void *raw, float *v)
{
	size_t i;

	for (i = 0; i < j->elements; i++)
		v[i] = j->info.output.type == FQACCEL_S32 ? (float)((const int32_t *)raw)[i] :
		       j->info.output.type == FQACCEL_S8 ? (float)((const int8_t *)raw)[i] :
		       (float)((const uint8_t *)raw)[i];
}

static int score_reference(struct score_job *j, const uint8_t *pixels, unsigned int worker,
			   float *out)
{
	struct net_state *s = j->states[worker];
	size_t i;
	int rc;

	for (i = 0; i < j->info.input_bytes; i++)
		s->tensors[0][i] = (float)pixels[i] * j->scale;
	rc = net_state_run(s);
	memcpy(out, s->tensors[s->net->output], j->elements * sizeof(float));
	return rc;
}

static int score_picture(void *arg, size_t i, unsigned int worker)
{
	struct score_job *j = arg;
	const uint8_t *pixels = j->set->pixels + i * j->info.input_bytes;
	float *card = j->outputs[worker], *reference = card + j->elements;
	struct verdict *v = &j->verdicts[i];
	int label = j->set->labels[i], rc;
	size_t k;

	rc = fqaccel_infer(j->model, pixels, j->raw[worker], 1);
	if (rc)
		return rc;
	/* Scaled so that the largest seen is 2^22 (lower.c): floats hold them exactly. */
	raw_to_float(j, j->raw[worker], card);
	v->card = calib_top1(card, j->elements);
	v->card_rank = rank_of(card, j->elements, label);
	for (k = 0; j->kept && k < j->elements; k++)
		j->kept[i * j->elements + k] = card[k] * j->info.output.scale;
	if (!j->states)
		return 0;
	rc = score_reference(j, pixels, worker, reference);
	v->reference = calib_top1(reference, j->elements);
	v->reference_rank = rank_of(reference, j->elements, label);
	for (k = 0; k < j->elements; k++)
		card[k] *= j->info.output.scale;
	v->divergence = score_divergence(reference, card, j->elements,
					 j->info.output.h == 1 && j->info.output.w == 1);
	return rc;
}

static int job_alloc(struct score_job *j, const struct net *net, unsigned int threads)
{
	unsigned int w;

	j->verdicts = calloc(j->set->count, sizeof(*j->verdicts));
	j->outputs = calloc(threads, sizeof(*j->outputs));
	j->raw = calloc(threads, sizeof(*j->raw));
	j->states = net ? calloc(threads, sizeof(*j->states)) : NULL;
	if (!j->verdicts || !j->outputs || !j->raw || (net && !j->states))
		return -ENOMEM;
	for (w = 0; w < threads; w++) {
		j->outputs[w] = malloc(2 * j->elements * sizeof(float));
		j->raw[w] = malloc(j->info.output_bytes);
		if (net)
			j->states[w] = net_state_create(net);
		if (!j->outputs[w] || !j->raw[w] || (net && !j->states[w]))
			return -ENOMEM;
	}
	return 0;
}

static void job_free(struct score_job *j, unsigned int threads)
{
	unsigned int w;

	for (w = 0; w < threads; w++) {
		if (j->outputs)
			free(j->outputs[w]);
		if (j->raw)
			free(j->raw[w]);
		if (j->states)
			net_state_destroy(j->states[w]);
	}
	free(j->outputs);
	free(j->raw);
	free(j->states);
	free(j->verdicts);
}

static void score_sum(const struct score_job *j, struct score *s)
{
	size_t i;

	memset(s, 0, sizeof(*s));
	s->pictures = j->set->count;
	for (i = 0; i < j->set->count; i++) {
		const struct verdict *v = &j->verdicts[i];

		s->agree += v->card == v->reference;
		s->divergence += v->divergence / (double)j->set->count;
		if (j->set->labels[i] < 0)
			continue;
		s->labeled++;
		s->top1 += v->card_rank < 1;
		s->top5 += v->card_rank < 5;
		s->float_top1 += v->reference_rank < 1;
		s->float_top5 += v->reference_rank < 5;
	}
}

int card_score(const void *image, size_t len, const struct net *net, float scale,
	       const struct picture_set *set, unsigned int threads, struct score *s,
	       float *outputs, char *err, size_t errlen)
{
	struct score_job j = { .set = set, .scale = scale, .kept = outputs };
	struct fqaccel_card *card = NULL;
	int rc;

	rc = fqaccel_card_open("soft", &card);
	if (!rc)
		rc = fqaccel_model_load(card, image, len, &j.model);
	if (!rc)
		rc = fqaccel_model_info(j.model, &j.info, sizeof(j.info));
	if (rc) {
		snprintf(err, errlen, "the soft card refuses the image: %s", fqaccel_error());
		goto close;
	}
	j.elements = (size_t)j.info.output.c * j.info.output.h * j.info.output.w;
	rc = job_alloc(&j, net, threads);
	if (rc) {
		snprintf(err, errlen, "out of memory");
	} else {
		rc = net_parallel(set->count, threads, score_picture, &j);
		if (rc)
			snprintf(err, errlen, "a run on the soft card failed: %s", strerror(-rc));
	}
	if (!rc)
		score_sum(&j, s);
	job_free(&j, threads);
close:
	fqaccel_model_close(j.model);
	fqaccel_card_close(card);
	return rc;
}
