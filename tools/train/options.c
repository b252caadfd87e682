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

const char *const train_stage_names[] = {
	"float", "prune", "quantize", "activate", "integer", NULL
};
const char *const train_decay_names[] = { "cosine", "step", "constant", NULL };
static const char *const types[] = { "f32", "bf16", "auto", NULL };
static const char *const norms[] = { "auto", "keep", NULL };

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

static bool parse_stage_value(struct train_stage_options *s, enum train_stage stage,
			      enum train_setting setting, char *text)
{
	int i;

	switch (setting) {
	case TRAIN_EPOCHS:
		return parse_epochs(s, stage, text);
	case TRAIN_RATE:
		return option_real(text, 0, 1e3, &s->rate) && s->rate > 0;
	case TRAIN_WARMUP:
		return option_real(text, 0, 1e5, &s->warmup);
	default:
		i = word_find(train_decay_names, text);
		s->decay = (enum train_decay)i;
		return i >= 0;
	}
}

/* [STAGE=]VALUE,... */
static int parse_stage_list(const struct option_spec *spec, void *options, char *arg)
{
	struct train_options *o = options;
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
			rc = option_bad(spec, arg, "STAGE is one of float, prune, quantize, "
					"activate, integer");
			break;
		}
		for (stage = equal ? stage : 0; !rc && stage < TRAIN_STAGES; stage++) {
			snprintf(value, sizeof(value), "%s", equal ? equal : item);
			if (!parse_stage_value(&o->stages[stage], (enum train_stage)stage,
					       (enum train_setting)spec->mark, value))
				rc = option_bad(spec, arg, spec->want);
			if (equal)
				break;
		}
	}
	free(text);
	return rc;
}

static int parse_stages(const struct option_spec *spec, void *options, char *arg)
{
	struct train_options *o = options;
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
			rc = option_bad(spec, arg, spec->want);
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

enum { OWN_SPARSITY, OWN_MODE };

/* [LAYER=]VALUE; the layer's name may hold '=' itself. */
static int parse_own(const struct option_spec *spec, void *options, char *arg)
{
	struct train_options *o = options;
	char *equal = strrchr(arg, '='), *value = equal ? equal + 1 : arg;
	bool is_mode = spec->mark == OWN_MODE;
	struct train_own *own = NULL;
	int mode = word_find(word_modes, value);
	double share = 0;

	if (equal == arg || (is_mode && mode < 0) ||
	    (!is_mode && !option_real(value, 0, OPTION_BELOW_1, &share)))
		return option_bad(spec, arg, spec->want);
	if (equal) {
		*equal = '\0';
		own = own_of(o, arg);
		if (!own)
			return option_bad(spec, arg, "too many layers of their own");
	}
	if (is_mode && own)
		own->mode = mode;
	else if (is_mode)
		o->weights.mode = (enum quant_mode)mode;
	else
		*(own ? &own->sparsity : &o->sparsity) = share;
	return 0;
}

static int parse_path(const struct option_spec *spec, void *options, char *arg)
{
	struct train_paths *p = option_field(spec, options);

	if (p->count == TRAIN_PATHS)
		return option_bad(spec, arg, "too many of them");
	p->path[p->count++] = arg;
	return 0;
}

#define AT(field) OPTION_FIELD(struct train_options, field)

/* Marked for parse_stage_list() and parse_own(). */
static const struct option_spec specs[] = {
	{ "output", 'o', OPT_TEXT, AT(output) },
	{ "data", 'd', OPT_CALL, AT(data), .call = parse_path },
	{ "validate", 0, OPT_CALL, AT(validate), .call = parse_path },
	{ "stages", 0, OPT_CALL, .call = parse_stages,
	  .want = "some of float, prune, quantize, activate, integer are expected, in this order" },
	{ "stop-after", 0, OPT_WORD, AT(last), .words = train_stage_names },
	{ "epochs", 0, OPT_CALL, .call = parse_stage_list, .mark = TRAIN_EPOCHS,
	  .want = "[STAGE=]N is expected, of quantize [STAGE=]N[:LAST] too" },
	{ "rate", 0, OPT_CALL, .call = parse_stage_list, .mark = TRAIN_RATE,
	  .want = "[STAGE=] and a number above 0 is expected" },
	{ "decay", 0, OPT_CALL, .call = parse_stage_list, .mark = TRAIN_DECAY,
	  .want = "[STAGE=] and cosine, step or constant is expected" },
	{ "warmup", 0, OPT_CALL, .call = parse_stage_list, .mark = TRAIN_WARMUP,
	  .want = "[STAGE=] and a number of epochs is expected" },
	{ "batch", 0, OPT_INTEGER, AT(batch), .integer = { 1, 65536 },
	  .want = "1 to 65536 pictures are expected" },
	{ "momentum", 0, OPT_REAL, AT(momentum), .real = { 0, 0.9999 } },
	{ "weight-decay", 0, OPT_REAL, AT(weight_decay), .real = { 0, 1 } },
	{ "label-smoothing", 0, OPT_REAL, AT(smoothing), .real = { 0, 0.9999 } },
	{ "crop", 0, OPT_INTEGER, AT(crop), .integer = { 0, 1024 },
	  .want = "0 to 1024 pixels are expected" },
	{ "flip", 0, OPT_FLAG, AT(flip) },
	{ "no-flip", 0, OPT_NO_FLAG, AT(flip) },
	{ "cutout", 0, OPT_INTEGER, AT(cutout), .integer = { 0, 1024 },
	  .want = "0 to 1024 pixels are expected" },
	{ "sparsity", 0, OPT_CALL, .call = parse_own, .mark = OWN_SPARSITY,
	  .want = "[LAYER=] and a share from 0 to below 1 is expected" },
	{ "bits", 'b', OPT_INTEGER, AT(weights.bits), .integer = { 3, 8 } },
	{ "mode", 0, OPT_CALL, .call = parse_own, .mark = OWN_MODE,
	  .want = "[LAYER=] and auto, shift or recentralized is expected" },
	{ "wsep", 0, OPT_REAL, AT(weights.separation), .real = { 0, 1e6 } },
	{ "seed", 0, OPT_INTEGER, AT(weights.seed), .integer = { 0, INT64_MAX },
	  .want = "a number is expected" },
	{ "type", 0, OPT_WORD, AT(type), .words = types, .want = "auto, f32 or bf16 is expected" },
	{ "norm", 0, OPT_WORD, AT(norm_keep), .words = norms },
	{ "mean", 0, OPT_COLORS, AT(mean), .real.min = -1e3 },
	{ "std", 0, OPT_COLORS, AT(std), .real.min = 1e-6,
	  .want = "three numbers R,G,B above 0 are expected" },
	{ "bgr", 0, OPT_FLAG, AT(bgr) },
	{ "range255", 0, OPT_FLAG, AT(range255) },
	{ "resize", 0, OPT_INTEGER, AT(resize), .integer = { 0, 65535 } },
	{ "classes", 0, OPT_TEXT, AT(classes) },
	{ "description", 0, OPT_METADATA, AT(description) },
	{ "checkpoint", 0, OPT_TEXT, AT(checkpoint) },
	{ "resume", 0, OPT_FLAG, AT(resume) },
	{ "start", 0, OPT_TEXT, AT(start) },
	{ "log", 0, OPT_TEXT, AT(log) },
	{ "curves", 0, OPT_TEXT, AT(curves) },
	{ "save-onnx", 0, OPT_TEXT, AT(save_onnx) },
	{ "per-picture", 0, OPT_TEXT, AT(per_picture) },
	{ "json", 0, OPT_FLAG, AT(json) },
	{ "threads", 'j', OPT_INTEGER, AT(threads), .integer = { 1, 256 } },
	{ "quiet", 'q', OPT_FLAG, AT(quiet) },
	{ "help", 'h', OPT_HELP, .help = usage },
	{ "version", 'V', .kind = OPT_VERSION },
	{ .name = NULL },
};

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
		.momentum = 0.9, .weight_decay = 5e-4, .sparsity = 0.8, .type = TRAIN_TYPE_AUTO,
		.weights = { .bits = 5, .separation = 2.0, .seed = 1 }, .std = { 1, 1, 1 },
	};
	uint64_t given;
	int rc;

	*o = presets;
	rc = option_parse(specs, o, &given, argc, argv);
	if (rc)
		return rc;
	if (argc - optind != 1)
		return cli_usage(argc == optind ? "what is to be trained?" :
				 "one network at a time") + 1;
	o->network = argv[optind];
	if (!o->threads)
		o->threads = net_cpu_count();
	o->weights.threads = o->threads;
	o->scratch = is_text(o->network);
	if (!option_given(specs, given, "stages"))
		o->stages[TRAIN_FLOAT].on = o->scratch;
	rc = train_options_check(o);
	if (!rc && option_given(specs, given, "wsep") && !has_auto(o))
		rc = cli_usage("--wsep decides only with --mode auto") + 1;
	return rc;
}
