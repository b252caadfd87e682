// SPDX-License-Identifier: MIT
/* The command line of fqaccel-compress. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/file.h"
#include "common/option.h"
#include "compress.h"

#define OPTIONS_MORE	" ..."	/* where there is no room for what follows */

static const char usage[] =
"Usage: fqaccel-compress MODEL.onnx -o MODEL.fqz --calibrate PICTURES [OPTION]...\n"
"       fqaccel-compress --target-cr X | --max-loss Y ... (as above; bits by layer)\n"
"       fqaccel-compress --export-onnx OUT.onnx MODEL.fqz\n"
"       fqaccel-compress --compare MODEL.onnx MODEL.fqz PICTURES\n"
"       fqaccel-compress --list-ops MODEL.onnx\n"
"\n"
"Compress a convolutional network to weights that are sums of two powers of two,\n"
"and write the image that an fqaccel card runs.\n"
"\n"
"  -o, --output FILE       image to write\n"
"  -c, --calibrate PATH    folder of pictures, picture, CIFAR-10 .bin or IDX file\n"
"      --pictures N        at most N of them (512), evenly taken\n"
"      --evaluate PATH     labeled pictures to measure the finished image on\n"
"  -b, --bits N            bits of a weight, 3 to 8 (5)\n"
"      --mode MODE         auto, shift or recentralized (auto: by layer)\n"
"      --wsep X            auto goes by the Wasserstein separation: recentralized\n"
"                          from X on (2.0 with nearest; with feedback, unless this\n"
"                          is given, auto takes the mode that errs least)\n"
"      --rounding HOW      feedback or nearest (feedback if calibrated)\n"
"      --keep LAYER=BITS   another width for a layer, by name; may be repeated\n"
"      --config FILE       widths, modes, sparsities and coders by layer, one in a line:\n"
"                          LAYER [bits=N] [mode=MODE] [sparsity=X] [coder=CODER]\n"
"      --sparsity X        share of the weights to prune, 0 to 1 (0; with dns-threshold\n"
"                          what lies below its threshold)\n"
"      --prune HOW         feedback, magnitude, dns-threshold or none (feedback with\n"
"                          --rounding feedback, else magnitude)\n"
"      --prune-scope WHAT  layer or network: what the sparsity is of (layer)\n"
"      --assign HOW        with --rounding nearest a weight's component: sample or\n"
"                          nearest (sample)\n"
"      --calibration HOW   activations' ranges: minmax, percentile or mse (mse)\n"
"      --seed N            of the random components (1)\n"
"      --coder CODER       auto, huffman, rle-huffman or tans (auto: the smallest)\n"
"      --target-cr X       choose bits and sparsity by layer: this compression rate\n"
"                          with the least loss\n"
"      --max-loss Y        likewise: smallest image within Y percentage points of top-1\n"
"      --resume FILE       keep what the search has measured, and go on from there\n"
"      --mean R,G,B        of the pictures the network was trained on, in 0..1 (0)\n"
"      --std R,G,B         likewise the standard deviation (1)\n"
"      --bgr               the network takes blue first\n"
"      --range255          the network takes 0..255 rather than 0..1\n"
"      --resize N          shorter side that pictures get before the crop\n"
"                          (8/7 of the input from 64 on, else the input's)\n"
"      --classes FILE      class names, one in a line\n"
"      --description TEXT  for the image's metadata\n"
"      --export-onnx FILE  the compressed network as a standard ONNX file\n"
"      --report FILE       an HTML page: histograms, mixtures, sizes by layer\n"
"      --json              report on standard output as JSON\n"
"      --compare           where an image departs from its network, layer by layer\n"
"      --list-ops          the network's operators, and whether they are supported\n"
"  -j, --threads N         threads (all processors); the result is the same\n"
"  -q, --quiet             no progress, no report\n"
"  -h, --help              this text\n"
"  -V, --version           version\n";

enum {
	OPT_PICTURES = 256, OPT_EVALUATE, OPT_MODE, OPT_WSEP, OPT_ROUNDING, OPT_SPARSITY,
	OPT_SEED, OPT_MEAN, OPT_STD, OPT_BGR, OPT_RANGE255, OPT_RESIZE, OPT_CLASSES,
	OPT_DESCRIPTION, OPT_COMPARE, OPT_KEEP, OPT_CONFIG, OPT_PRUNE, OPT_PRUNE_SCOPE,
	OPT_ASSIGN, OPT_CALIBRATION, OPT_CODER, OPT_TARGET_CR, OPT_MAX_LOSS, OPT_RESUME,
	OPT_EXPORT_ONNX, OPT_REPORT, OPT_JSON, OPT_LIST_OPS, OPT_END,
};

static const struct option longs[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "calibrate", required_argument, NULL, 'c' },
	{ "pictures", required_argument, NULL, OPT_PICTURES },
	{ "evaluate", required_argument, NULL, OPT_EVALUATE },
	{ "bits", required_argument, NULL, 'b' },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "wsep", required_argument, NULL, OPT_WSEP },
	{ "rounding", required_argument, NULL, OPT_ROUNDING },
	{ "sparsity", required_argument, NULL, OPT_SPARSITY },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "mean", required_argument, NULL, OPT_MEAN },
	{ "std", required_argument, NULL, OPT_STD },
	{ "bgr", no_argument, NULL, OPT_BGR },
	{ "range255", no_argument, NULL, OPT_RANGE255 },
	{ "resize", required_argument, NULL, OPT_RESIZE },
	{ "classes", required_argument, NULL, OPT_CLASSES },
	{ "description", required_argument, NULL, OPT_DESCRIPTION },
	{ "keep", required_argument, NULL, OPT_KEEP },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "prune", required_argument, NULL, OPT_PRUNE },
	{ "prune-scope", required_argument, NULL, OPT_PRUNE_SCOPE },
	{ "assign", required_argument, NULL, OPT_ASSIGN },
	{ "calibration", required_argument, NULL, OPT_CALIBRATION },
	{ "coder", required_argument, NULL, OPT_CODER },
	{ "target-cr", required_argument, NULL, OPT_TARGET_CR },
	{ "max-loss", required_argument, NULL, OPT_MAX_LOSS },
	{ "resume", required_argument, NULL, OPT_RESUME },
	{ "export-onnx", required_argument, NULL, OPT_EXPORT_ONNX },
	{ "report", required_argument, NULL, OPT_REPORT },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "compare", no_argument, NULL, OPT_COMPARE },
	{ "list-ops", no_argument, NULL, OPT_LIST_OPS },
	{ "threads", required_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int bad(const char *option, const char *value, const char *want)
{
	return cli_usage("--%s %s: %s", option, value, want) + 1;
}

static const char *const roundings[] = { "nearest", "feedback", NULL };
static const char *const prunes[] = { "none", "magnitude", "dns-threshold", "feedback", NULL };
static const char *const scopes[] = { "layer", "network", NULL };
static const char *const assigns[] = { "sample", "nearest", NULL };
static const char *const calibrations[] = { "minmax", "percentile", "mse", NULL };

static int parse_words(struct compress_options *o, int opt, const char *arg)
{
	struct quant_options *w = &o->quantize.weights;
	int i;

	switch (opt) {
	case OPT_MODE:
		i = word_find(word_modes, arg);
		w->mode = (enum quant_mode)i;
		return i < 0 ? bad("mode", arg, "auto, shift or recentralized is expected") : 0;
	case OPT_ROUNDING:
		i = word_find(roundings, arg);
		o->quantize.feedback = i == 1;
		o->rounding_given = true;
		return i < 0 ? bad("rounding", arg, "feedback or nearest is expected") : 0;
	case OPT_PRUNE:
		i = word_find(prunes, arg);
		o->quantize.prune = (enum quantize_prune)i;
		o->prune_given = true;
		return i < 0 ? bad("prune", arg,
				   "feedback, magnitude, dns-threshold or none is expected") : 0;
	case OPT_PRUNE_SCOPE:
		i = word_find(scopes, arg);
		o->quantize.prune_network = i == 1;
		return i < 0 ? bad("prune-scope", arg, "layer or network is expected") : 0;
	case OPT_ASSIGN:
		i = word_find(assigns, arg);
		w->assign_nearest = i == 1;
		return i < 0 ? bad("assign", arg, "sample or nearest is expected") : 0;
	case OPT_CALIBRATION:
		i = word_find(calibrations, arg);
		o->quantize.range = (enum calib_rule)i;
		return i < 0 ? bad("calibration", arg,
				   "minmax, percentile or mse is expected") : 0;
	default:
		i = word_find(word_coders, arg);
		o->coder = (enum fqz_coder)i;
		return i < 0 ? bad("coder", arg,
				   "auto, huffman, rle-huffman or tans is expected") : 0;
	}
}

/* LAYER=BITS; the layer's name may hold '=' itself. */
static int parse_keep(struct compress_options *o, char *arg)
{
	char *equal = strrchr(arg, '=');
	long v;

	if (!equal || equal == arg || !option_integer(equal + 1, 3, 8, &v))
		return bad("keep", arg, "LAYER=BITS with 3 to 8 bits is expected");
	if (o->keep_count == COMPRESS_KEEPS)
		return bad("keep", arg, "too many of them; use --config");
	*equal = '\0';
	o->keeps[o->keep_count].layer = arg;
	o->keeps[o->keep_count++].bits = (unsigned int)v;
	return 0;
}

static int parse_number(struct compress_options *o, int opt, const char *arg)
{
	struct quant_options *w = &o->quantize.weights;
	double real;
	long v;

	switch (opt) {
	case 'b':
		if (!option_integer(arg, 3, 8, &v))
			return bad("bits", arg, "3 to 8 is expected");
		w->bits = (unsigned int)v;
		return 0;
	case 'j':
		if (!option_integer(arg, 1, 256, &v))
			return bad("threads", arg, "1 to 256 is expected");
		o->threads = (unsigned int)v;
		return 0;
	case OPT_PICTURES:
		if (!option_integer(arg, 1, 1 << 20, &v))
			return bad("pictures", arg, "a number of pictures is expected");
		o->pictures = (size_t)v;
		o->pictures_given = true;
		return 0;
	case OPT_RESIZE:
		if (!option_integer(arg, 0, 65535, &o->resize))
			return bad("resize", arg, "0 to 65535 is expected");
		return 0;
	case OPT_SEED:
		if (!option_integer(arg, 0, INT64_MAX, &v))
			return bad("seed", arg, "a number is expected");
		w->seed = (uint64_t)v;
		return 0;
	case OPT_WSEP:
		if (!option_real(arg, 0, 1e6, &w->separation))
			return bad("wsep", arg, "a number from 0 on is expected");
		o->wsep_given = true;
		return 0;
	case OPT_TARGET_CR:
		if (!option_real(arg, 1, 1000, &o->target_cr))
			return bad("target-cr", arg, "a rate from 1 to 1000 is expected");
		return 0;
	case OPT_MAX_LOSS:
		if (!option_real(arg, 0, 100, &o->max_loss))
			return bad("max-loss", arg, "percentage points are expected");
		return 0;
	default:
		if (!option_real(arg, 0, 1, &real) || real >= 1)
			return bad("sparsity", arg, "a share from 0 to below 1 is expected");
		o->quantize.sparsity = real;
		return 0;
	}
}

/* Where an option's file name or text goes; NULL: it is another option. */
static const char **text_of(struct compress_options *o, int opt)
{
	switch (opt) {
	case 'o':
		return &o->output;
	case 'c':
		return &o->calibrate;
	case OPT_EVALUATE:
		return &o->evaluate;
	case OPT_CLASSES:
		return &o->classes;
	case OPT_CONFIG:
		return &o->config;
	case OPT_RESUME:
		return &o->resume;
	case OPT_EXPORT_ONNX:
		return &o->export_onnx;
	case OPT_REPORT:
		return &o->report;
	default:
		return NULL;
	}
}

/* Likewise for an option that is there or not. */
static bool *flag_of(struct compress_options *o, int opt)
{
	switch (opt) {
	case 'q':
		return &o->quiet;
	case OPT_JSON:
		return &o->json;
	case OPT_COMPARE:
		return &o->compare;
	case OPT_LIST_OPS:
		return &o->list_ops;
	case OPT_BGR:
		return &o->normal.bgr;
	case OPT_RANGE255:
		return &o->normal.range255;
	default:
		return NULL;
	}
}

static int parse_description(struct compress_options *o, const char *arg)
{
	o->description = arg;
	return option_description(arg) ? 0 :
	       cli_usage("--description takes UTF-8 text without control characters") + 1;
}

static int parse_option(struct compress_options *o, int opt, char *arg)
{
	const char **text = text_of(o, opt);
	bool *flag = flag_of(o, opt);

	if (text)
		*text = arg;
	if (flag)
		*flag = true;
	if (text || flag)
		return 0;
	switch (opt) {
	case 'h':
		fputs(usage, stdout);
		return 1;
	case 'V':
		return cli_version() + 1;
	case OPT_DESCRIPTION:
		return parse_description(o, arg);
	case OPT_KEEP:
		return parse_keep(o, arg);
	case OPT_MEAN:
		return option_colors(arg, -1e3f, o->normal.mean) ? 0 :
		       bad("mean", arg, "three numbers R,G,B are expected");
	case OPT_STD:
		return option_colors(arg, 1e-6f, o->normal.std) ? 0 :
		       bad("std", arg, "three numbers R,G,B above 0 are expected");
	case OPT_MODE:
	case OPT_ROUNDING:
	case OPT_PRUNE:
	case OPT_PRUNE_SCOPE:
	case OPT_ASSIGN:
	case OPT_CALIBRATION:
	case OPT_CODER:
		return parse_words(o, opt, arg);
	case '?':
		return cli_usage_hint() + 1;
	default:
		return parse_number(o, opt, arg);
	}
}

/* What decides the image's bits, in a fixed order, for the metadata; but what a search decides. */
static void describe(struct compress_options *o)
{
	const struct quant_options *w = &o->quantize.weights;
	const struct quantize_options *q = &o->quantize;
	char bits[16] = "", wsep[40] = "", prune[112] = "", coder[32] = "", resize[32] = "";
	bool found = options_search(o);

	if (!found)
		snprintf(bits, sizeof(bits), "--bits %u ", w->bits);
	if (o->wsep_given || !q->feedback)
		snprintf(wsep, sizeof(wsep), " --wsep %g", w->separation);
	if (found)
		snprintf(prune, sizeof(prune), " --prune %s", prunes[q->prune]);
	else if (q->sparsity > 0 || q->prune == QUANTIZE_PRUNE_DNS)
		snprintf(prune, sizeof(prune), " --sparsity %g --prune %s --prune-scope %s",
			 q->sparsity, prunes[q->prune], scopes[q->prune_network]);
	else
		snprintf(prune, sizeof(prune), " --sparsity 0");
	if (o->coder)
		snprintf(coder, sizeof(coder), " --coder %s", word_coders[o->coder]);
	if (o->resize >= 0)
		snprintf(resize, sizeof(resize), " --resize %ld", o->resize);
	snprintf(o->text, sizeof(o->text), "%s--mode %s%s --rounding %s%s%s "
		 "--calibration %s --seed %llu%s --pictures %zu --mean %g,%g,%g "
		 "--std %g,%g,%g%s%s%s",
		 bits, word_modes[w->mode], wsep,
		 roundings[q->feedback], w->assign_nearest ? " --assign nearest" : "",
		 prune, calibrations[q->range],
		 (unsigned long long)w->seed, coder, o->pictures, o->normal.mean[0], o->normal.mean[1], o->normal.mean[2],
		 o->normal.std[0], o->normal.std[1], o->normal.std[2], o->normal.bgr ? " --bgr" : "",
		 o->normal.range255 ? " --range255" : "", resize);
}

void options_describe_layers(struct compress_options *o, const struct net *net,
			     const struct quantize_layer_options *layers)
{
	size_t n = strlen(o->text), part;
	const char *separator = ", by layer: ";
	char one[384], sparsity[40];
	uint32_t i;

	for (i = 0; i < net->layer_count; i++) {
		const struct quantize_layer_options *l = &layers[i];

		if (l->bits == o->quantize.weights.bits && l->mode == o->quantize.weights.mode &&
		    l->sparsity < 0 && l->coder == o->coder)
			continue;
		sparsity[0] = '\0';
		if (l->sparsity >= 0)
			snprintf(sparsity, sizeof(sparsity), " sparsity=%g", l->sparsity);
		part = (size_t)snprintf(one, sizeof(one), "%s%.200s bits=%u mode=%s%s coder=%s",
					separator, net->layers[i].name, l->bits, word_modes[l->mode],
					sparsity, word_coders[l->coder]);
		if (n + part + sizeof(OPTIONS_MORE) > sizeof(o->text)) {
			memcpy(o->text + n, OPTIONS_MORE, sizeof(OPTIONS_MORE));
			return;
		}
		memcpy(o->text + n, one, part + 1);
		n += part;
		separator = "; ";
	}
}

static int usage_error(const char *what)
{
	return cli_usage("%s", what) + 1;
}

/* Options that would have no effect. */
static int check_together(const struct compress_options *o)
{
	const char *wrong = NULL;

	if (o->quantize.feedback && !o->calibrate)
		wrong = "--rounding feedback needs --calibrate PICTURES";
	else if (o->pictures_given && !o->calibrate)
		wrong = "--pictures needs --calibrate PICTURES";
	else if (o->wsep_given && o->quantize.weights.mode != QUANT_AUTO)
		wrong = "--wsep decides only with --mode auto";
	else if (o->quantize.prune == QUANTIZE_PRUNE_FEEDBACK && !o->quantize.feedback)
		wrong = "--prune feedback needs --rounding feedback";
	else if (o->quantize.weights.assign_nearest && o->quantize.feedback)
		wrong = "--assign goes with --rounding nearest";
	else if (o->quantize.weights.assign_nearest && !o->config &&
		 o->quantize.weights.mode == QUANT_SHIFT)
		wrong = "--assign is about recentralized weights, not --mode shift";
	else if (o->quantize.prune == QUANTIZE_PRUNE_NONE && o->quantize.sparsity > 0)
		wrong = "--sparsity or --prune none, not both";
	else if (o->quantize.prune_network && o->quantize.sparsity == 0)
		wrong = "--prune-scope network needs --sparsity";
	return wrong ? usage_error(wrong) : 0;
}

/* What the search decides, and what only it takes. */
static int check_search(const struct compress_options *o, const bool *given)
{
	bool search = options_search(o);
	const char *wrong = NULL;

	if (o->target_cr > 0 && o->max_loss >= 0)
		wrong = "--target-cr or --max-loss, not both";
	else if (search && !o->calibrate)
		wrong = "the search needs --calibrate PICTURES";
	else if (o->resume && !search)
		wrong = "--resume goes with --target-cr or --max-loss";
	else if (search && (given['b'] || given[OPT_SPARSITY] || given[OPT_PRUNE_SCOPE] ||
			    given[OPT_KEEP] || given[OPT_CONFIG]))
		wrong = "the search chooses bits and sparsity itself: it does not go with --bits, "
			"--sparsity, --prune-scope, --keep and --config";
	return wrong ? usage_error(wrong) : 0;
}

/* The options that go with what is not a compression. */
static bool goes_with(enum compress_action action, int opt)
{
	switch (opt) {
	case OPT_COMPARE:
	case OPT_PICTURES:
	case OPT_JSON:
	case 'j':
		return action == COMPRESS_COMPARE;
	case OPT_LIST_OPS:
		return action == COMPRESS_LIST_OPS;
	case OPT_EXPORT_ONNX:
		return action == COMPRESS_EXPORT;
	case 'q':
		return action == COMPRESS_COMPARE || action == COMPRESS_EXPORT;
	default:
		return false;
	}
}

static int check_alone(enum compress_action action, const bool *given)
{
	static const char *const what[] = {
		[COMPRESS_EXPORT] = "--export-onnx of an image; to compress, add -o FILE.fqz",
		[COMPRESS_COMPARE] = "--compare",
		[COMPRESS_LIST_OPS] = "--list-ops",
	};
	const struct option *l;

	for (l = longs; l->name && action != COMPRESS_IMAGE; l++)
		if (given[l->val] && !goes_with(action, l->val))
			return cli_usage("--%s is of no use with %s", l->name, what[action]) + 1;
	return 0;
}

/* What is written must not take the place of anything else that the command names. */
static int check_files(const struct compress_options *o)
{
	const struct {
		const char *name, *path;
		bool written;
	} files[] = {
		{ "--output", o->output, true }, { "--export-onnx", o->export_onnx, true },
		{ "--report", o->report, true }, { "--resume", o->resume, true },
		{ "the model", o->model, false }, { "the image", o->image, false },
		{ "--calibrate", o->calibrate, false }, { "--evaluate", o->evaluate, false },
		{ "--classes", o->classes, false }, { "--config", o->config, false },
	};
	size_t i, k;

	for (i = 0; files[i].written; i++)
		for (k = i + 1; k < sizeof(files) / sizeof(files[0]); k++)
			if (files[i].path && files[k].path &&
			    file_same(files[i].path, files[k].path))
				return cli_usage("%s %s would take the place of %s", files[i].name,
						 files[i].path, files[k].name) + 1;
	return 0;
}

/* What follows the options. */
static int parse_files(struct compress_options *o, int count, char **files)
{
	if (o->action == COMPRESS_COMPARE) {
		if (count != 3)
			return usage_error("--compare takes MODEL.onnx MODEL.fqz PICTURES");
		o->image = files[1];
		o->calibrate = files[2];
	} else if (count != 1) {
		return usage_error(count ? "one model at a time" : "what is to be compressed?");
	}
	o->model = files[0];
	if (o->action == COMPRESS_EXPORT) {
		o->image = files[0];
		o->model = NULL;
	} else if (o->action == COMPRESS_IMAGE && !o->output) {
		return usage_error("no output; add -o FILE.fqz");
	}
	return 0;
}

static enum compress_action action_of(const struct compress_options *o)
{
	if (o->compare)
		return COMPRESS_COMPARE;
	if (o->list_ops)
		return COMPRESS_LIST_OPS;
	return o->export_onnx && !o->output ? COMPRESS_EXPORT : COMPRESS_IMAGE;
}

int options_parse(struct compress_options *o, int argc, char **argv)
{
	const struct compress_options presets = {
		.quantize = { .weights = { .bits = 5, .separation = 2.0, .seed = 1 },
			      .prune = QUANTIZE_PRUNE_MAGNITUDE, .range = CALIB_MSE },
		.normal.std = { 1, 1, 1 }, .resize = -1, .pictures = 512, .max_loss = -1,
	};
	bool given[OPT_END] = { false };
	int opt, rc;

	*o = presets;
	while ((opt = getopt_long(argc, argv, "o:c:b:j:qhV", longs, NULL)) != -1) {
		rc = parse_option(o, opt, optarg);
		if (rc)
			return rc;
		given[opt] = true;
	}
	if (!o->threads)
		o->threads = net_cpu_count();
	o->quantize.weights.threads = o->threads;
	o->action = action_of(o);
	rc = parse_files(o, argc - optind, argv + optind);
	if (!rc)
		rc = check_alone(o->action, given);
	if (!rc)
		rc = check_files(o);
	if (rc || o->action != COMPRESS_IMAGE)
		return rc;
	if (!o->rounding_given)
		o->quantize.feedback = o->calibrate != NULL;
	if (!o->prune_given && o->quantize.feedback)
		o->quantize.prune = QUANTIZE_PRUNE_FEEDBACK;
	rc = check_together(o);
	if (!rc)
		rc = check_search(o, given);
	if (rc)
		return rc;
	o->quantize.weights.by_error = !o->wsep_given;
	describe(o);
	return 0;
}
