// SPDX-License-Identifier: MIT
/* fqaccel-train: from a float network, or none, to an .fqz image that keeps its accuracy. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/file.h"
#include "run.h"

volatile sig_atomic_t run_signal;

static void on_signal(int sig)
{
	run_signal = sig;
}

/* What "quantize" is called in the log says how far it is. */
static void name_stage(const struct run *r, char *name, size_t len)
{
	static const char *const shares[TRAIN_SHARES] = { "25", "50", "75", "87.5", "100" };
	const struct train_stage_options *o = &r->o.stages[r->at.stage];

	if (r->at.stage == TRAIN_QUANTIZE)
		snprintf(name, len, "quantize %s %%", shares[train_share_at(o, r->at.epoch)]);
	else
		snprintf(name, len, "%s", train_stage_names[r->at.stage]);
}

/* How the network does on the pictures held out. */
static int measure(struct run *r, struct run_result *s)
{
	uint64_t quantized;
	int rc = run_evaluate(r, &s->loss, &s->accuracy);

	if (rc)
		return rc;
	if (!isfinite(s->loss) && s == &r->results[RUN_BEFORE])
		return run_fail(r, -ERANGE, "%s: its outputs are not all numbers", r->o.network);
	if (!isfinite(s->loss))
		return run_fail(r, -ERANGE, "the network's outputs are no numbers any more; lower "
				"--rate%s", r->saved ? "; the last checkpoint is kept" : "");
	run_count(r, &s->zeros, &s->weights, &quantized);
	s->bytes = r->at.stage == TRAIN_FLOAT ? net_dense_bytes(r->net) : 0;
	/* A bit for each weight says whether it is there, and 4 bytes what it is. */
	if (r->at.stage == TRAIN_PRUNE)
		s->bytes = net_dense_bytes(r->net) - 4 * s->zeros + (s->weights + 7) / 8;
	s->there = 1;
	return 0;
}

static int one_epoch(struct run *r, struct run_result *s)
{
	struct curves_epoch e;
	uint64_t quantized;
	int rc = run_stage_epoch(r);

	if (!rc)
		rc = run_epoch(r, &e);
	if (rc || run_signal)
		return rc;
	cli_progress_clear();
	rc = measure(r, s);
	if (rc)
		return rc;
	name_stage(r, e.stage, sizeof(e.stage));
	run_count(r, &s->zeros, &s->weights, &quantized);
	e.held_loss = s->loss;
	e.held_accuracy = s->accuracy;
	e.sparsity = 100 * (double)s->zeros / (double)s->weights;
	e.quantized = s->zeros < s->weights ?
		      100 * (double)quantized / (double)(s->weights - s->zeros) : 100;
	s->epochs = ++r->at.epoch;
	e.epoch = ++r->at.total;
	return run_log(r, &e);
}

/* Whether no later stage trains in floating point. */
static bool last_float(const struct run *r, enum train_stage stage)
{
	return stage == TRAIN_PRUNE || (stage == TRAIN_FLOAT && !r->o.stages[TRAIN_PRUNE].on);
}

/* All of a stage, or what is left of it. Return: 0, an error, or 1 where a signal ended it. */
static int one_stage(struct run *r)
{
	enum train_stage stage = (enum train_stage)r->at.stage;
	unsigned int epochs = train_stage_epochs(&r->o.stages[stage], stage);
	struct run_result *s = &r->results[stage];
	uint32_t before;
	int rc = 0;

	if (!r->at.epoch)
		rc = run_stage_begin(r, stage);
	while (!rc && r->at.epoch < epochs) {
		before = r->at.epoch;
		rc = one_epoch(r, s);
		if (!rc && before < r->at.epoch && r->at.epoch < epochs)
			rc = run_save(r);
		if (!rc && run_signal && r->at.epoch < epochs)
			return 1;
	}
	if (!rc)
		rc = run_stage_end(r);
	if (rc > 0 || (!rc && !epochs))
		rc = measure(r, s);
	if (!rc)
		rc = run_pictures(r);
	if (!rc)
		run_stage_report(r, (int)stage);
	if (!rc && r->o.save_onnx && last_float(r, stage))
		rc = run_save_onnx(r);
	return rc;
}

/* Between batches alone: elsewhere a signal may end the program as it likes, files are whole. */
static void catch_signals(bool on)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct sigaction act = { .sa_handler = on ? on_signal : SIG_DFL,
				 .sa_flags = SA_RESETHAND | SA_RESTART }, was;
	size_t i;

	/* What the shell keeps from a command in the background stays so. */
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!sigaction(signals[i], NULL, &was) && was.sa_handler != SIG_IGN)
			sigaction(signals[i], &act, NULL);
}

/* Whether a stage until @last is still to be gone through. */
static bool stages_left(const struct run *r, enum train_stage last)
{
	uint32_t stage;

	for (stage = r->at.stage; stage <= (uint32_t)last; stage++)
		if (r->o.stages[stage].on)
			return true;
	return false;
}

static int all_stages(struct run *r)
{
	int rc = 0;

	while (!rc && !run_signal && r->at.stage <= (uint32_t)r->o.last) {
		if (!r->o.stages[r->at.stage].on) {
			r->at.stage++;
			continue;
		}
		rc = one_stage(r);
		if (rc)
			return rc;
		r->at.stage++;
		r->at.epoch = 0;
		r->at.finished = !stages_left(r, TRAIN_INTEGER);
		rc = run_save(r);
	}
	return rc;
}

/* A file that can't be written is told of now, not after hours of work. Pipes would notice it. */
static int try_files(struct run *r)
{
	const char *paths[] = { r->o.output, r->o.checkpoint, r->o.curves, r->o.save_onnx,
				r->o.per_picture };
	struct file_writer *w;
	struct stat st;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (!paths[i] || (!stat(paths[i], &st) && !S_ISREG(st.st_mode)))
			continue;
		rc = file_create(paths[i], &w, r->err, sizeof(r->err));
		if (rc)
			return rc;
		file_abandon(w);
	}
	return 0;
}

/* The network in floating point is still there until the first stage that quantizes begins. */
static int late_onnx(struct run *r)
{
	if (r->at.begun >> (TRAIN_PRUNE + 1))
		return run_fail(r, -EINVAL, "--save-onnx %s: stages float and prune are over; leave it "
				"out", r->o.save_onnx);
	return run_save_onnx(r);
}

/* Files that the command names now, and did not when the training was where they are written. */
static int late_files(struct run *r)
{
	double loss, accuracy;
	int rc = 0;

	if (r->o.save_onnx && !stages_left(r, TRAIN_PRUNE) && access(r->o.save_onnx, F_OK))
		rc = late_onnx(r);
	if (rc)
		return rc;
	if (!r->o.per_picture || stages_left(r, r->o.last))
		return 0;
	rc = run_evaluate(r, &loss, &accuracy);
	return rc ? rc : run_pictures(r);
}

/* From a checkpoint, or from the beginning. */
static int begin(struct run *r)
{
	const char *path = r->o.checkpoint;
	int rc = 0;

	if (r->o.resume) {
		rc = run_resume(r);
		if (!rc) {
			rc = late_files(r);
			return rc ? rc : run_log_restore(r);
		}
		if (rc != -ENOENT)
			return rc;
		if (!r->o.quiet)
			cli_error("%s is not there yet: the training begins", path);
	} else if (run_unfinished(path)) {
		return run_fail(r, -EEXIST, "%s is of a training that is not finished: add --resume to "
				"go on, or remove it", path);
	}
	if (r->o.start) {
		rc = run_start(r);
		if (rc)
			return rc;
	} else if (!r->o.scratch) {
		rc = measure(r, &r->results[RUN_BEFORE]);
		if (rc)
			return rc;
		r->results[RUN_BEFORE].bytes = net_dense_bytes(r->net);
		run_stage_report(r, RUN_BEFORE);
	}
	return run_log_restore(r);
}

static int stopped(const struct run *r)
{
	cli_progress_clear();
	if (!r->saved)
		cli_error("stopped before the end of the first epoch; nothing is in the checkpoint yet");
	else if (r->at.total)
		cli_error("stopped; the same command with --resume goes on after epoch %u", r->at.total);
	else
		cli_error("stopped; the same command with --resume goes on before the first epoch");
	/* The shell learns what ended it. */
	signal(run_signal, SIG_DFL);
	raise(run_signal);
	return CLI_FAILED;
}

static int train(struct run *r)
{
	size_t bytes = 0;
	int rc = try_files(r);

	if (!rc)
		rc = run_open(r);
	if (!rc)
		rc = begin(r);
	catch_signals(true);
	if (!rc)
		rc = all_stages(r);
	if (rc >= 0 && run_signal)
		return stopped(r);
	catch_signals(false);
	if (!rc && r->at.finished && r->o.output)
		rc = run_image(r, &bytes);
	if (rc)
		return cli_error("%s", r->err);
	if (run_report(r, bytes))
		return cli_error("out of memory");
	return CLI_OK;
}

int main(int argc, char **argv)
{
	static struct run r;
	int rc;

	cli_start("fqaccel-train");
	rc = train_options_parse(&r.o, argc, argv);
	if (rc)
		return cli_finish(rc - 1);
	rc = train(&r);
	run_close(&r);
	return cli_finish(rc);
}
