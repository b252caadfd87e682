// SPDX-License-Identifier: MIT
/* The command line of fqaccel-train. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/file.h"
#include "net/exec.h"
#include "train.h"

static const char usage[] =
"Usage: fqaccel-train NETWORK --data PATH -o MODEL.fqz [OPTION]...\n"
"       fqaccel-train NETWORK --data PATH --checkpoint FILE --stop-after STAGE ...\n"
"       fqaccel-train ... --resume      (the command that was interrupted, and this)\n"
"\n"
"Train a convolutional network so that it keeps its accuracy when it is pruned and\n"
"quantized to weights that are sums of two powers of two, and write the image that an\n"
"fqaccel card runs. NETWORK is a trained network, MODEL.onnx, or the text MODEL.net,\n"
"which is trained from random weights.\n"
"\n"
"Pictures:\n"
"  -d, --data PATH         labeled pictures to train on: folders named like classes,\n"
"                          CIFAR-10 .bin files, IDX files; may be repeated\n"
"      --validate PATH     labeled pictures to measure on (a tenth of --data, which is\n"
"                          then left out of training); may be repeated\n"
"      --crop N            random crops out of N pixels of padding (an eighth of the side)\n"
"      --flip, --no-flip   mirror half of the pictures (it does)\n"
"      --cutout N          blank a random square of N pixels (0)\n"
"      --mean R,G,B        of the pictures, in 0..1 (0)\n"
"      --std R,G,B         likewise the standard deviation (1)\n"
"      --bgr               the network takes blue first\n"
"      --range255          the network takes 0..255 rather than 0..1\n"
"      --resize N          shorter side that pictures get before the crop\n"
"      --classes FILE      class names, one in a line\n"
"\n"
"Stages: float, prune, quantize, activate, integer. [S=] stands for STAGE=; without it the\n"
"value is for all stages. Lists are separated by commas.\n"
"      --stages LIST       those to go through (all; of MODEL.onnx all but float)\n"
"      --stop-after STAGE  end there; --resume without it goes on\n"
"      --epochs [S=]N,...  float=60,prune=20,quantize=3:10,activate=2,integer=3; quantize:\n"
"                          of each of the first four steps, and of the last\n"
"      --rate [S=]X,...    float=0.1,prune=0.02,quantize=0.002,activate=0.001,integer=0.0005\n"
"      --decay [S=]HOW,... cosine, step or constant (cosine)\n"
"      --warmup [S=]X,...  epochs of a growing rate (float=1, others 0)\n"
"      --batch N           pictures in a step (128)\n"
"      --momentum X        (0.9)\n"
"      --weight-decay X    (0.0005)\n"
"      --label-smoothing X (0)\n"
"      --norm HOW          auto: batch normalization behind each convolution but the last\n"
"                          layer; keep: as the network has it (auto)\n"
"\n"
"Compression:\n"
"      --sparsity [LAYER=]X  share of the weights to prune, 0 to below 1 (0.8)\n"
"  -b, --bits N            bits of a weight, 3 to 8 (5)\n"
"      --mode [LAYER=]MODE auto, shift or recentralized (auto: by layer)\n"
"      --wsep X            auto: recentralized from this Wasserstein separation on (2.0)\n"
"\n"
"Files:\n"
"  -o, --output FILE       image to write\n"
"      --checkpoint FILE   what --resume and --start read, written at each epoch\n"
"                          (OUTPUT.ckpt)\n"
"      --resume            go on from the checkpoint\n"
"      --start FILE        begin with the weights of another training's checkpoint\n"
"      --log FILE          a line of JSON for each epoch\n"
"      --curves FILE       loss and accuracy as an SVG picture\n"
"      --per-picture FILE  a line for each picture held out: label, first class, number\n"
"      --save-onnx FILE    the network in floating point, pruned if it is\n"
"      --description TEXT  for the image's metadata\n"
"      --json              report on standard output as JSON\n"
"\n"
"      --seed N            of all that is random (1)\n"
"      --type TYPE         auto, f32 or bf16 (auto: bf16 where the processor has AMX)\n"
"  -j, --threads N         threads (all processors)\n"
"  -q, --quiet             no progress, no report\n"
"  -h, --help              this text\n"
"  -V, --version           version\n";

enum {
	OPT_VALIDATE = 256, OPT_STAGES, OPT_STOP_AFTER, OPT_EPOCHS, OPT_RATE, OPT_DECAY,
	OPT_WARMUP, OPT_BATCH, OPT_MOMENTUM, OPT_WEIGHT_DECAY, OPT_SMOOTHING, OPT_CROP, OPT_FLIP,
	OPT_NO_FLIP, OPT_CUTOUT, OPT_SPARSITY, OPT_MODE, OPT_WSEP, OPT_SEED, OPT_TYPE, OPT_NORM,
	OPT_MEAN, OPT_STD, OPT_BGR, OPT_RANGE255, OPT_RESIZE, OPT_CLASSES, OPT_DESCRIPTION,
	OPT_CHECKPOINT, OPT_RESUME, OPT_START, OPT_LOG, OPT_CURVES, OPT_SAVE_ONNX, OPT_PICTURE, OPT_JSON,
	OPT_END,
};

static const struct option longs[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "data", required_argument, NULL, 'd' },
	{ "validate", required_argument, NULL, OPT_VALIDATE },
	{ "stages", required_argument, NULL, OPT_STAGES },
	{ "stop-after", required_argument, NULL, OPT_STOP_AFTER },
	{ "epochs", required_argument, NULL, OPT_EPOCHS },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "decay", required_argument, NULL, OPT_DECAY },
	{ "warmup", required_argument, NULL, OPT_WARMUP },
	{ "batch", required_argument, NULL, OPT_BATCH },
	{ "momentum", required_argument, NULL, OPT_MOMENTUM },
	{ "weight-decay", required_argument, NULL, OPT_WEIGHT_DECAY },
	{ "label-smoothing", required_argument, NULL, OPT_SMOOTHING },
	{ "crop", required_argument, NULL, OPT_CROP },
	{ "flip", no_argument, NULL, OPT_FLIP },
	{ "no-flip", no_argument, NULL, OPT_NO_FLIP },
	{ "cutout", required_argument, NULL, OPT_CUTOUT },
	{ "sparsity", required_argument, NULL, OPT_SPARSITY },
	{ "bits", required_argument, NULL, 'b' },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "wsep", required_argument, NULL, OPT_WSEP },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "norm", required_argument, NULL, OPT_NORM },
	{ "mean", required_argument, NULL, OPT_MEAN },
	{ "std", required_argument, NULL, OPT_STD },
	{ "bgr", no_argument, NULL, OPT_BGR },
	{ "range255", no_argument, NULL, OPT_RANGE255 },
	{ "resize", required_argument, NULL, OPT_RESIZE },
	{ "classes", required_argument, NULL, OPT_CLASSES },
	{ "description", required_argument, NULL, OPT_DESCRIPTION },
	{ "checkpoint", required_argument, NULL, OPT_CHECKPOINT },
	{ "resume", no_argument, NULL, OPT_RESUME },
	{ "start", required_argument, NULL, OPT_START },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "curves", required_argument, NULL, OPT_CURVES },
	{ "save-onnx", required_argument, NULL, OPT_SAVE_ONNX },
	{ "per-picture", required_argument, NULL, OPT_PICTURE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "threads", required_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

const char *const train_stage_names[] = {
	"float", "prune", "quantize", "activate", "integer", NULL
};
const char *const train_decay_names[] = { "cosine", "step", "constant", NULL };
static const char *const types[] = { "f32", "bf16", "auto", NULL };
static const char *const norms[] = { "auto", "keep", NULL };

static int bad(const char *option, const char *value, const char *want)
{
	return cli_usage("--%s %s: %s", option, value, want) + 1;
}

/* N, or for the quantize stage N:LAST. */
static bool parse_epochs(struct train_stage_options *s, enum train_stage stage, char *text)
{
	char *colon = strchr(text, ':');
	long first, last;

	if (colon && stage != TRAIN_QUANTIZE)
		return false;
	if (colon)
		*colon = '\0';
	if (!option_integer(text, 0, 100000, &first))
		return false;
	last = first;
	if (colon && !option_integer(colon + 1, 0, 100000, &last))
		return false;
	s->epochs = (unsigned int)first;
	s->last_epochs = (unsigned int)last;
	return true;
}

static bool parse_stage_value(struct train_stage_options *s, enum train_stage stage, int opt,
			      char *text)
{
	int i;

	switch (opt) {
	case OPT_EPOCHS:
		return parse_epochs(s, stage, text);
	case OPT_RATE:
		return option_real(text, 0, 1e3, &s->rate) && s->rate > 0;
	case OPT_WARMUP:
		return option_real(text, 0, 1e5, &s->warmup);
	default:
		i = word_find(train_decay_names, text);
		s->decay = (enum train_decay)i;
		return i >= 0;
	}
}

/* [STAGE=]VALUE,... */
static int parse_stage_list(struct train_options *o, int opt, const char *name, const char *want,
			    const char *arg)
{
	char *text = strdup(arg), *item, *next, *equal, value[64];
	int stage, rc = 0;

	if (!text)
		return cli_error("out of memory") + 1;
	for (item = text; !rc && item; item = next) {
		next = strchr(item, ',');
		if (next)
			*next++ = '\0';
		equal = strchr(item, '=');
		if (equal)
			*equal++ = '\0';
		stage = equal ? word_find(train_stage_names, item) : -1;
		if (equal && stage < 0) {
			rc = bad(name, arg, "STAGE is one of float, prune, quantize, activate, "
				 "integer");
			break;
		}
		for (stage = equal ? stage : 0; !rc && stage < TRAIN_STAGES; stage++) {
			snprintf(value, sizeof(value), "%s", equal ? equal : item);
			if (!parse_stage_value(&o->stages[stage], (enum train_stage)stage, opt,
					       value))
				rc = bad(name, arg, want);
			if (equal)
				break;
		}
	}
	free(text);
	return rc;
}

static int parse_stages(struct train_options *o, const char *arg)
{
	char *text = strdup(arg), *item, *next;
	int stage, rc = 0, before = -1;

	if (!text)
		return cli_error("out of memory") + 1;
	for (stage = 0; stage < TRAIN_STAGES; stage++)
		o->stages[stage].on = false;
	for (item = text; !rc && item; item = next) {
		next = strchr(item, ',');
		if (next)
			*next++ = '\0';
		stage = word_find(train_stage_names, item);
		if (stage < 0 || stage <= before)
			rc = bad("stages", arg, "some of float, prune, quantize, activate, integer are "
				 "expected, in this order");
		else
			o->stages[stage].on = true;
		before = stage;
	}
	free(text);
	return rc;
}

/* The settings of a layer's own; NULL where there are too many. */
static struct train_own *own_of(struct train_options *o, const char *layer)
{
	size_t i;

	for (i = 0; i < o->own_count; i++)
		if (!strcmp(o->own[i].layer, layer))
			return &o->own[i];
	if (o->own_count == TRAIN_OWN)
		return NULL;
	o->own[o->own_count] = (struct train_own){ layer, -1, -1 };
	return &o->own[o->own_count++];
}

/* [LAYER=]VALUE; the layer's name may hold '=' itself. */
static int parse_own(struct train_options *o, int opt, char *arg)
{
	const char *name = opt == OPT_MODE ? "mode" : "sparsity";
	char *equal = strrchr(arg, '='), *value = equal ? equal + 1 : arg;
	struct train_own *own = NULL;
	double real = 0;
	int i = -1;

	if (opt == OPT_MODE)
		i = word_find(word_modes, value);
	else if (option_real(value, 0, 1, &real) && real < 1)
		i = 0;
	if (i < 0 || equal == arg)
		return bad(name, arg, opt == OPT_MODE ?
			   "[LAYER=] and auto, shift or recentralized is expected" :
			   "[LAYER=] and a share from 0 to below 1 is expected");
	if (equal) {
		*equal = '\0';
		own = own_of(o, arg);
		if (!own)
			return bad(name, arg, "too many layers of their own");
	}
	if (opt == OPT_MODE && own)
		own->mode = i;
	else if (opt == OPT_MODE)
		o->weights.mode = (enum quant_mode)i;
	else
		*(own ? &own->sparsity : &o->sparsity) = real;
	return 0;
}

/* Numbers of a range. */
static int parse_number(struct train_options *o, int opt, const char *arg)
{
	const struct {
		int opt;
		const char *name;
		long min, max;
		long *v;
		const char *want;
	} longs_of[] = {
		{ OPT_BATCH, "batch", 1, 65536, &o->batch, "1 to 65536 pictures are expected" },
		{ OPT_CROP, "crop", 0, 1024, &o->crop, "0 to 1024 pixels are expected" },
		{ OPT_CUTOUT, "cutout", 0, 1024, &o->cutout, "0 to 1024 pixels are expected" },
		{ OPT_RESIZE, "resize", 0, 65535, &o->resize, "0 to 65535 is expected" },
	};
	const struct {
		int opt;
		const char *name;
		double max, *v;
	} reals[] = {
		{ OPT_MOMENTUM, "momentum", 0.9999, &o->momentum },
		{ OPT_WEIGHT_DECAY, "weight-decay", 1, &o->weight_decay },
		{ OPT_SMOOTHING, "label-smoothing", 0.9999, &o->smoothing },
		{ OPT_WSEP, "wsep", 1e6, &o->weights.separation },
	};
	char want[64];
	size_t i;
	long v;

	for (i = 0; i < sizeof(longs_of) / sizeof(longs_of[0]); i++)
		if (longs_of[i].opt == opt)
			return option_integer(arg, longs_of[i].min, longs_of[i].max,
					      longs_of[i].v) ? 0 :
			       bad(longs_of[i].name, arg, longs_of[i].want);
	for (i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
		if (reals[i].opt == opt) {
			snprintf(want, sizeof(want), "a number from 0 to %g is expected",
				 reals[i].max);
			return option_real(arg, 0, reals[i].max, reals[i].v) ? 0 :
			       bad(reals[i].name, arg, want);
		}
	if (opt == 'b') {
		if (!option_integer(arg, 3, 8, &v))
			return bad("bits", arg, "3 to 8 is expected");
		o->weights.bits = (unsigned int)v;
	} else if (opt == 'j') {
		if (!option_integer(arg, 1, 256, &v))
			return bad("threads", arg, "1 to 256 is expected");
		o->threads = (unsigned int)v;
	} else {
		if (!option_integer(arg, 0, INT64_MAX, &v))
			return bad("seed", arg, "a number is expected");
		o->weights.seed = (uint64_t)v;
	}
	return 0;
}

static int parse_word(struct train_options *o, int opt, const char *arg)
{
	int i;

	switch (opt) {
	case OPT_TYPE:
		i = word_find(types, arg);
		o->type = i == 2 ? -1 : i;
		return i < 0 ? bad("type", arg, "auto, f32 or bf16 is expected") : 0;
	case OPT_NORM:
		i = word_find(norms, arg);
		o->norm_keep = i == 1;
		return i < 0 ? bad("norm", arg, "auto or keep is expected") : 0;
	default:
		i = word_find(train_stage_names, arg);
		o->last = (enum train_stage)i;
		return i < 0 ? bad("stop-after", arg,
				   "float, prune, quantize, activate or integer is expected") : 0;
	}
}

/* Where an option's file name or text goes; NULL: it is another option. */
static const char **text_of(struct train_options *o, int opt)
{
	switch (opt) {
	case 'o':
		return &o->output;
	case OPT_CHECKPOINT:
		return &o->checkpoint;
	case OPT_START:
		return &o->start;
	case OPT_LOG:
		return &o->log;
	case OPT_CURVES:
		return &o->curves;
	case OPT_SAVE_ONNX:
		return &o->save_onnx;
	case OPT_PICTURE:
		return &o->per_picture;
	case OPT_CLASSES:
		return &o->classes;
	case OPT_DESCRIPTION:
		return &o->description;
	default:
		return NULL;
	}
}

/* Likewise for an option that is there or not. */
static bool *flag_of(struct train_options *o, int opt)
{
	switch (opt) {
	case 'q':
		return &o->quiet;
	case OPT_JSON:
		return &o->json;
	case OPT_RESUME:
		return &o->resume;
	case OPT_BGR:
		return &o->bgr;
	case OPT_RANGE255:
		return &o->range255;
	case OPT_FLIP:
	case OPT_NO_FLIP:
		return &o->flip;
	default:
		return NULL;
	}
}

static int parse_path(const char **paths, size_t *count, const char *name, const char *arg)
{
	if (*count == TRAIN_PATHS)
		return bad(name, arg, "too many of them");
	paths[(*count)++] = arg;
	return 0;
}

static int parse_option(struct train_options *o, int opt, char *arg)
{
	const char **text = text_of(o, opt);
	bool *flag = flag_of(o, opt);

	if (text)
		*text = arg;
	if (flag)
		*flag = opt != OPT_NO_FLIP;
	if (opt == OPT_DESCRIPTION && !option_description(arg))
		return cli_usage("--description takes UTF-8 text without control characters") + 1;
	if (text || flag)
		return 0;
	switch (opt) {
	case 'h':
		fputs(usage, stdout);
		return 1;
	case 'V':
		return cli_version() + 1;
	case '?':
		return cli_usage_hint() + 1;
	case 'd':
		return parse_path(o->data, &o->data_count, "data", arg);
	case OPT_VALIDATE:
		return parse_path(o->validate, &o->validate_count, "validate", arg);
	case OPT_STAGES:
		return parse_stages(o, arg);
	case OPT_EPOCHS:
		return parse_stage_list(o, opt, "epochs", "[STAGE=]N is expected, of quantize "
					"[STAGE=]N[:LAST] too", arg);
	case OPT_RATE:
		return parse_stage_list(o, opt, "rate", "[STAGE=] and a number above 0 is expected",
					arg);
	case OPT_DECAY:
		return parse_stage_list(o, opt, "decay",
					"[STAGE=] and cosine, step or constant is expected", arg);
	case OPT_WARMUP:
		return parse_stage_list(o, opt, "warmup",
					"[STAGE=] and a number of epochs is expected", arg);
	case OPT_MEAN:
		return option_colors(arg, -1e3f, o->mean) ? 0 :
		       bad("mean", arg, "three numbers R,G,B are expected");
	case OPT_STD:
		return option_colors(arg, 1e-6f, o->std) ? 0 :
		       bad("std", arg, "three numbers R,G,B above 0 are expected");
	case OPT_SPARSITY:
	case OPT_MODE:
		return parse_own(o, opt, arg);
	case OPT_TYPE:
	case OPT_NORM:
	case OPT_STOP_AFTER:
		return parse_word(o, opt, arg);
	default:
		return parse_number(o, opt, arg);
	}
}

/* A network without weights goes by its name: its text could be anything. */
static bool is_text(const char *path)
{
	size_t n = strlen(path);

	return n >= 4 && !strcmp(path + n - 4, ".net");
}

static bool has_auto(const struct train_options *o)
{
	size_t i;

	for (i = 0; i < o->own_count; i++)
		if (o->own[i].mode == QUANT_AUTO)
			return true;
	return o->weights.mode == QUANT_AUTO;
}

int train_options_parse(struct train_options *o, int argc, char **argv)
{
	const struct train_options presets = {
		.stages = {
			[TRAIN_FLOAT] = { true, 60, 0, 0.1, TRAIN_COSINE, 1 },
			[TRAIN_PRUNE] = { true, 20, 0, 0.02, TRAIN_COSINE, 0 },
			[TRAIN_QUANTIZE] = { true, 3, 10, 0.002, TRAIN_COSINE, 0 },
			[TRAIN_ACTIVATE] = { true, 2, 0, 0.001, TRAIN_COSINE, 0 },
			[TRAIN_INTEGER] = { true, 3, 0, 0.0005, TRAIN_COSINE, 0 },
		},
		.last = TRAIN_INTEGER, .flip = true, .batch = 128, .crop = -1, .resize = -1,
		.momentum = 0.9, .weight_decay = 5e-4, .sparsity = 0.8, .type = -1,
		.weights = { .bits = 5, .separation = 2.0, .seed = 1 }, .std = { 1, 1, 1 },
	};
	bool given[OPT_END] = { false };
	int opt, rc;

	*o = presets;
	while ((opt = getopt_long(argc, argv, "o:d:b:j:qhV", longs, NULL)) != -1) {
		rc = parse_option(o, opt, optarg);
		if (rc)
			return rc;
		given[opt] = true;
	}
	if (argc - optind != 1)
		return cli_usage(argc == optind ? "what is to be trained?" :
				 "one network at a time") + 1;
	o->network = argv[optind];
	if (!o->threads)
		o->threads = net_cpu_count();
	o->weights.threads = o->threads;
	o->scratch = is_text(o->network);
	if (!given[OPT_STAGES])
		o->stages[TRAIN_FLOAT].on = o->scratch;
	rc = train_options_check(o);
	if (!rc && given[OPT_WSEP] && !has_auto(o))
		rc = cli_usage("--wsep decides only with --mode auto") + 1;
	return rc;
}
