// SPDX-License-Identifier: MIT
/* What a user sees of a training: a line that moves, one for each epoch, the log, the table at its end. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/file.h"
#include "run.h"

/* Seconds as h:mm:ss. */
static const char *clock_text(double seconds, char *text, size_t len)
{
	unsigned long s = seconds > 0 && seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 0;

	if (s >= 3600)
		snprintf(text, len, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(text, len, "%lu:%02lu", s / 60, s % 60);
	return text;
}

/* Epochs of later stages take about as long as this one, and measuring as long as the last time. */
static double seconds_left(const struct run *r, double epoch, double done)
{
	double left = 0;
	uint32_t i;

	for (i = r->at.stage; i <= (uint32_t)r->o.last; i++) {
		const struct train_stage_options *o = &r->o.stages[i];
		double n = o->on ? train_stage_epochs(o, (enum train_stage)i) : 0;

		left += i == r->at.stage ? n - r->at.epoch : n;
	}
	return (left - done) * epoch + left * r->held_seconds;
}

void run_progress(const struct run *r, const struct curves_epoch *e, uint32_t step)
{
	const struct train_stage_options *o = &r->o.stages[r->at.stage];
	double done = (double)step / r->steps, epoch = e->seconds / done;
	char left[32];

	if (r->o.quiet)
		return;
	cli_status("%s %u/%u %3.0f %%: loss %.4f, %.2f %% right, %.0f pictures/s, %s left",
		   train_stage_names[r->at.stage], r->at.epoch + 1,
		   train_stage_epochs(o, (enum train_stage)r->at.stage), 100 * done, e->loss,
		   e->accuracy, e->pictures_per_second,
		   clock_text(seconds_left(r, epoch, done), left, sizeof(left)));
}

static int log_append(struct run *r, const struct curves_epoch *e)
{
	FILE *f;
	int rc;

	if (!r->o.log)
		return 0;
	f = fopen(r->o.log, "a");
	rc = f ? curves_log(f, e) : -errno;
	if (f && fclose(f) && !rc)
		rc = -errno;
	return rc ? run_fail(r, rc, "%s: %s", r->o.log, strerror(-rc)) : 0;
}

static int draw_curves(struct run *r)
{
	if (!r->o.curves || !r->at.log)
		return 0;
	return curves_svg(r->o.curves, r->log, r->at.log, r->err, sizeof(r->err));
}

int run_log(struct run *r, const struct curves_epoch *e)
{
	struct curves_epoch *log = realloc(r->log, (r->at.log + 1) * sizeof(*log));
	int rc;

	if (!log)
		return run_fail(r, -ENOMEM, "out of memory");
	r->log = log;
	log[r->at.log++] = *e;
	cli_progress_clear();
	if (!r->o.quiet && !r->o.json) {
		printf("epoch %u, %s: loss %.4f, accuracy %.2f %%; held out: loss %.4f, accuracy "
		       "%.2f %%; sparsity %.2f %%, rate %.2g, %.0f pictures/s\n", e->epoch, e->stage,
		       e->loss, e->accuracy, e->held_loss, e->held_accuracy, e->sparsity, e->rate,
		       e->pictures_per_second);
		fflush(stdout);
	}
	rc = log_append(r, e);
	return rc ? rc : draw_curves(r);
}

/* The lines that the checkpoint knows, and no other: those beyond will be written anew. */
int run_log_restore(struct run *r)
{
	char *text = NULL;
	size_t len = 0;
	uint32_t i;
	FILE *f;
	int rc = 0;

	if (!r->o.log)
		return draw_curves(r);
	f = open_memstream(&text, &len);
	for (i = 0; f && !rc && i < r->at.log; i++)
		rc = curves_log(f, &r->log[i]);
	if (!f || fclose(f) || rc) {
		free(text);
		return run_fail(r, -ENOMEM, "out of memory");
	}
	rc = file_write(r->o.log, text, len, r->err, sizeof(r->err));
	free(text);
	return rc ? rc : draw_curves(r);
}

static const char *result_name(int result)
{
	return result == RUN_BEFORE ? "before" : train_stage_names[result];
}

void run_stage_report(const struct run *r, int result)
{
	const struct run_result *s = &r->results[result];

	if (r->o.quiet || r->o.json)
		return;
	printf("%s: accuracy %.2f %% of %zu pictures held out, loss %.4f, %.2f %% of the weights are "
	       "0\n", result == RUN_BEFORE ? "as it is" : result_name(result), s->accuracy,
	       r->held.count, s->loss, 100 * (double)s->zeros / (double)s->weights);
	fflush(stdout);
}

static void report_row(const struct run *r, int result, uint64_t dense, size_t image)
{
	const struct run_result *s = &r->results[result];
	uint64_t bytes = s->bytes;

	if (result == TRAIN_INTEGER)
		bytes = image;
	printf("%-10s %9.2f %9.2f", result_name(result), s->accuracy,
	       100 * (double)s->zeros / (double)s->weights);
	if (bytes)
		printf(" %12llu %8.2f", (unsigned long long)bytes, (double)dense / (double)bytes);
	putchar('\n');
}

static int report_json(const struct run *r, uint64_t dense, size_t image)
{
	const char *comma = "";
	int k;

	printf("{\"network\": ");
	cli_json_string(stdout, r->o.network);
	printf(", \"pictures\": %zu, \"held_out\": %zu, \"epochs\": %u, \"dense_bytes\": %llu",
	       r->data.count, r->held.count, r->at.total, (unsigned long long)dense);
	if (image)
		printf(", \"image_bytes\": %zu, \"cr\": %.4f", image,
		       (double)dense / (double)image);
	printf(", \"stages\": [");
	for (k = 0; k < RUN_RESULTS; k++) {
		int i = k ? k - 1 : RUN_BEFORE;
		const struct run_result *s = &r->results[i];

		if (!s->there)
			continue;
		printf("%s{\"stage\": \"%s\", \"accuracy\": %.4f, \"loss\": %.6f, \"sparsity\": %.4f}",
		       comma, result_name(i), s->accuracy, s->loss,
		       100 * (double)s->zeros / (double)s->weights);
		comma = ", ";
	}
	putchar(']');
	k = run_layers_json(r);
	puts("}");
	return k;
}

int run_report(const struct run *r, size_t image)
{
	uint64_t dense = net_dense_bytes(r->net);
	int k;

	if (r->o.quiet)
		return 0;
	if (r->o.json)
		return report_json(r, dense, image);
	printf("\n%-10s %9s %9s %12s %8s\n", "stage", "top-1, %", "zeros, %", "bytes", "CR");
	for (k = 0; k < RUN_RESULTS; k++)
		if (r->results[k ? k - 1 : RUN_BEFORE].there)
			report_row(r, k ? k - 1 : RUN_BEFORE, dense, image);
	return 0;
}
