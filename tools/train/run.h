/* SPDX-License-Identifier: MIT */
/*
 * One training in progress.
 *
 * All that it needs to go on is in its checkpoint, which is written after each epoch and after each
 * stage without epochs; what happens in between is a function of that, the options and the pictures.
 */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include <signal.h>

#include "integer.h"
#include "net/image_make.h"
#include "train.h"

/** struct run_place - how far it is; part of the checkpoint. */
struct run_place {
	uint32_t stage, epoch;	/* the next epoch is the stage's epoch from 0 */
	uint32_t begun;		/* bit by stage: what it set up is there */
	uint32_t total;		/* epochs until here */
	uint32_t rounds;	/* estimates of the quantize stage until here */
	uint32_t finished;	/* all stages that were asked for */
	uint32_t log;		/* lines of the log until here */
	uint32_t zero;
};

/** struct run_result - of a stage; part of the checkpoint. */
struct run_result {
	uint32_t there, epochs;
	double accuracy, loss;	/* of the pictures held out */
	uint64_t zeros, weights, bytes;	/* bytes: 0: it has no size of its own */
};

/* Places in run.results: stages, and what the network was before all of them. */
#define RUN_BEFORE	TRAIN_STAGES
#define RUN_RESULTS	(TRAIN_STAGES + 1)

struct run {
	struct train_options o;
	char *text;			/* train_options_text() */
	char *history;			/* commands of the trainings that --start went on from */
	struct net *net;
	struct dnn *dnn;
	struct tnet *t;
	struct samples data, held;
	struct samples_augment augment;
	uint32_t data_crc, network_crc;
	float pixel_scale;
	enum fqz_color color;
	char **classes;
	size_t class_count;
	uint32_t batch, steps;		/* pictures in a step, steps in an epoch */
	struct tnet_param *params;
	float **momenta;		/* by parameter */
	int param_count;
	/* By layer of the network, for those with weights: */
	uint8_t **masks;		/* from prune or quantize on: 0 where a weight is cut */
	struct fq_layer *fq;		/* from quantize on */
	struct prune_layer *prune;	/* layers with weights, in order */
	uint32_t prune_count;
	struct integer *integer;	/* from activate on */
	float *scales;			/* its scales, by tensor; part of the checkpoint */
	bool saved;			/* the checkpoint is this training's */
	struct run_place at;
	struct run_result results[RUN_RESULTS];
	struct curves_epoch *log;	/* at.log of them */
	/* Scratch: */
	uint32_t *order;
	uint8_t *pixels;
	uint16_t *labels;
	float *gradient;		/* by the logits */
	float *outputs;			/* logits of the pictures held out, of the last evaluation */
	double held_seconds;		/* that it took, for the time left */
	char err[1024];
};

/* Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t run_signal;

/** run_fail() - a message for the user in r->err; returns @rc. */
int run_fail(struct run *r, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* setup.c */

/** run_open() - network and pictures; the weights are the file's, or random. Return: exit status. */
int run_open(struct run *r);

/** run_close() - free all. */
void run_close(struct run *r);

/* stages.c */

/** run_begun() - whether what a stage sets up is there. */
bool run_begun(const struct run *r, enum train_stage stage);

/** run_attach() - room for what the stages in @begun set up; the contents come from a checkpoint. */
int run_attach(struct run *r, uint32_t begun);

/** run_attached() - the contents are there. */
int run_attached(struct run *r);

/** run_stage_begin() - what a stage does to the network before its first epoch. */
int run_stage_begin(struct run *r, enum train_stage stage);

/** run_stage_epoch() - before an epoch of the stage r->at.stage. */
int run_stage_epoch(struct run *r);

/** run_stage_end() - after its last one. Return: 1 where it changed the network, 0, or an error. */
int run_stage_end(struct run *r);

/** run_step_begin() - what the forward pass computes with. @train: not for an evaluation. */
int run_step_begin(struct run *r, uint64_t step, bool train);

/** run_step_end() - from the gradients to the weights. */
void run_step_end(struct run *r, float rate);

/** run_mode() - how the network is run in the present stage. */
enum tnet_mode run_mode(const struct run *r, bool train);

/** run_count() - weights that are 0, from quantize on pruned, of all, and those quantized of the rest. */
void run_count(const struct run *r, uint64_t *zeros, uint64_t *weights, uint64_t *quantized);

/* loop.c */

/** run_epoch() - train for one. */
int run_epoch(struct run *r, struct curves_epoch *e);

/** run_evaluate() - the pictures held out; r->outputs is set. Accuracy in percent. */
int run_evaluate(struct run *r, double *loss, double *accuracy);

/* state.c */

/** run_save() - write the checkpoint. */
int run_save(struct run *r);

/** run_resume() - take all of it from r->o.checkpoint; -ENOENT where there is none. */
int run_resume(struct run *r);

/** run_start() - take the weights from r->o.start. */
int run_start(struct run *r);

/** run_unfinished() - whether a checkpoint is there that is not of a finished training. */
bool run_unfinished(const char *path);

/* progress.c */

/** run_progress() - the line on a terminal. @e: loss and accuracy until step @step of the epoch. */
void run_progress(const struct run *r, const struct curves_epoch *e, uint32_t step);

/** run_log() - an epoch is over: its line, the log, the curves. */
int run_log(struct run *r, const struct curves_epoch *e);

/** run_log_restore() - a log that ends with r->log. */
int run_log_restore(struct run *r);

/** run_stage_report() - a stage is over. */
void run_stage_report(const struct run *r, int result);

/** run_report() - the table at the end. @bytes: of the image, 0: none. Return: 0 or -ENOMEM. */
int run_report(const struct run *r, size_t bytes);

/* report.c */

/** run_pictures() - write r->o.per_picture from r->outputs. */
int run_pictures(struct run *r);

/** run_layers_json() - layers as a member of the report's object. Return: 0 or -ENOMEM. */
int run_layers_json(const struct run *r);

/* finish.c */

/** run_image() - write r->o.output, measured on the soft card. @bytes: its size. */
int run_image(struct run *r, size_t *bytes);

/** run_save_onnx() - write r->o.save_onnx. */
int run_save_onnx(struct run *r);

#endif
