/* SPDX-License-Identifier: MIT */
/*
 * What the files of fqaccel-train share: the options, and the stages that a network goes through.
 *
 *   float      train, or fine-tune, in floating point
 *   prune      Dynamic Network Surgery to the sparsity asked for, then training with the mask fixed
 *   quantize   25, 50, 75, 87.5, 100 % of the weights, the steps of incremental network quantization
 *   activate   8-bit activations in the forward pass, ranges calibrated at its start
 *   integer    running means fixed, 16-bit requantization: the forward pass is the card's, bit for bit
 *
 * Each is given epochs and a learning rate; one with 0 epochs only transforms the network; stages that
 * are not named are left out. Masks hold from prune on, weights lie on the grid from quantize on.
 */
#ifndef TRAIN_H
#define TRAIN_H

#include "common/option.h"
#include "checkpoint.h"
#include "curves.h"
#include "fq.h"
#include "prune.h"
#include "samples.h"
#include "tnet.h"

#define TRAIN_PATHS	64	/* of --data, and of --validate */
#define TRAIN_OWN	256	/* layers with a sparsity or mode of their own */
#define TRAIN_TYPE_AUTO	2	/* behind enum dnn_type */
#define TRAIN_SHARES	5	/* steps of incremental network quantization */

enum train_stage {
	TRAIN_FLOAT, TRAIN_PRUNE, TRAIN_QUANTIZE, TRAIN_ACTIVATE, TRAIN_INTEGER,
	TRAIN_STAGES
};

/** enum train_decay - how the learning rate of a stage falls. */
enum train_decay { TRAIN_COSINE, TRAIN_STEP, TRAIN_CONSTANT };

/* Words of --stages and --decay, in the order of the enumerations; NULL ends them. */
extern const char *const train_stage_names[], *const train_decay_names[];

struct train_stage_options {
	bool on;
	unsigned int epochs;		/* quantize: at each of the first four steps */
	unsigned int last_epochs;	/* quantize: at the last step */
	double rate;
	enum train_decay decay;
	double warmup;			/* epochs of linear growth of the rate at the start */
};

/** train_stage_epochs() - of the whole stage. */
unsigned int train_stage_epochs(const struct train_stage_options *o, enum train_stage stage);

/** train_share_at() - which of the TRAIN_SHARES steps an epoch of the quantize stage belongs to. */
unsigned int train_share_at(const struct train_stage_options *o, unsigned int epoch);

/**
 * train_rate() - the learning rate
 * @epoch: of the stage, from 0
 * @part:  of the epoch, from 0 to below 1
 *
 * TRAIN_STEP: times 0.1 after each third of the stage; in the quantize stage (paper, section 4) times 0.1
 * every 3 epochs of a step.
 */
double train_rate(const struct train_stage_options *o, enum train_stage stage, unsigned int epoch,
		  double part);

/* What is set by stage. */
enum train_setting { TRAIN_EPOCHS, TRAIN_RATE, TRAIN_DECAY, TRAIN_WARMUP, TRAIN_SETTINGS };

struct train_paths {
	const char *path[TRAIN_PATHS];
	size_t count;
};

struct train_own {
	const char *layer;
	double sparsity;		/* below 0: not given */
	int mode;			/* below 0: not given, else enum quant_mode */
};

struct train_options {
	const char *network, *output, *checkpoint, *start, *log, *curves, *save_onnx, *per_picture;
	const char *classes, *description;
	char checkpoint_path[4096];	/* OUTPUT.ckpt */
	struct train_paths data, validate;
	struct train_own own[TRAIN_OWN];
	size_t own_count;
	struct train_stage_options stages[TRAIN_STAGES];
	enum train_stage last;		/* stage after which this run ends */
	bool scratch;			/* the network is a text without weights */
	bool resume, norm_keep, quiet, json, range255, bgr, flip;
	long batch, crop, cutout, resize;	/* crop, resize below 0: by the input's size */
	double momentum, weight_decay, smoothing, sparsity;
	struct quant_options weights;	/* bits, mode, separation, seed, threads */
	int type;			/* enum dnn_type or TRAIN_TYPE_AUTO */
	float mean[3], std[3];
	unsigned int threads;
};

/* options.c, options_check.c */

/** train_options_parse() - Return: 0, or the exit status plus 1 where the program ends here. */
int train_options_parse(struct train_options *o, int argc, char **argv);

/** train_options_check() - what the options say together. Return: the same. */
int train_options_check(struct train_options *o);

/**
 * train_options_text() - what decides the result, in a fixed order
 *
 * Lines of an option's name, a tab, and how it is written on a command line, which may be nothing.
 * crop, resize and type must be decided. Return: malloc()ed, or NULL.
 */
char *train_options_text(const struct train_options *o);

/**
 * train_options_command() - such a text as one line for metadata
 * @text: any, such as a checkpoint's
 *
 * Return: malloc()ed, or NULL: also where it is not such a text.
 */
char *train_options_command(const char *text);

/**
 * train_options_differ() - the name of the first option that two texts differ in
 * @names: those that count, as "--norm"; NULL ends them. NULL: all
 * @name:  64 bytes
 */
bool train_options_differ(const char *a, const char *b, const char *const *names, char *name);

#endif
