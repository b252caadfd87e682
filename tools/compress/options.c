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

static const char *const roundings[] = { "nearest", "feedback", NULL };
static const char *const prunes[] = { "none", "magnitude", "dns-threshold", "feedback", NULL };
static const char *const scopes[] = { "layer", "network", NULL };
static const char *const assigns[] = { "sample", "nearest", NULL };
static const char *const calibrations[] = { "minmax", "percentile", "mse", NULL };

/* LAYER=BITS; the layer's name may hold '=' itself. */
static int parse_keep(const struct option_spec *spec, void *options, char *arg)
{
	struct compress_options *o = options;
	char *equal = strrchr(arg, '=');
	long v;

	if (!equal || equal == arg || !option_integer(equal + 1, 3, 8, &v))
		return option_bad(spec, arg, "LAYER=BITS with 3 to 8 bits is expected");
	if (o->keep_count == COMPRESS_KEEPS)
		return option_bad(spec, arg, "too many of them; use --config");
	*equal = '\0';
	o->keeps[o->keep_count].layer = arg;
	o->keeps[o->keep_count++].bits = (unsigned int)v;
	return 0;
}

#define AT(field) OPTION_FIELD(struct compress_options, field)
#define USED_BY(action) (1u << COMPRESS_##action)

/* Marked with the actions that use it beside COMPRESS_IMAGE, which takes them all. */
static const struct option_spec specs[] = {
	{ "output", 'o', OPT_TEXT, AT(output) },
	{ "calibrate", 'c', OPT_TEXT, AT(calibrate) },
	{ "pictures", 0, OPT_INTEGER, AT(pictures), .integer = { 1, 1 << 20 },
	  .want = "a number of pictures is expected", .mark = USED_BY(COMPARE) },
	{ "evaluate", 0, OPT_TEXT, AT(evaluate) },
	{ "bits", 'b', OPT_INTEGER, AT(quantize.weights.bits), .integer = { 3, 8 } },
	{ "mode", 0, OPT_WORD, AT(quantize.weights.mode), .words = word_modes },
	{ "wsep", 0, OPT_REAL, AT(quantize.weights.separation), .real = { 0, 1e6 },
	  .want = "a number from 0 on is expected" },
	{ "rounding", 0, OPT_WORD, AT(quantize.feedback), .words = roundings,
	  .want = "feedback or nearest is expected" },
	{ "sparsity", 0, OPT_REAL, AT(quantize.sparsity), .real = { 0, OPTION_BELOW_1 },
	  .want = "a share from 0 to below 1 is expected" },
	{ "seed", 0, OPT_INTEGER, AT(quantize.weights.seed), .integer = { 0, INT64_MAX },
	  .want = "a number is expected" },
	{ "mean", 0, OPT_COLORS, AT(normal.mean), .real.min = -1e3 },
	{ "std", 0, OPT_COLORS, AT(normal.std), .real.min = 1e-6,
	  .want = "three numbers R,G,B above 0 are expected" },
	{ "bgr", 0, OPT_FLAG, AT(normal.bgr) },
	{ "range255", 0, OPT_FLAG, AT(normal.range255) },
	{ "resize", 0, OPT_INTEGER, AT(resize), .integer = { 0, 65535 } },
	{ "classes", 0, OPT_TEXT, AT(classes) },
	{ "description", 0, OPT_METADATA, AT(description) },
	{ "keep", 0, OPT_CALL, .call = parse_keep },
	{ "config", 0, OPT_TEXT, AT(config) },
	{ "prune", 0, OPT_WORD, AT(quantize.prune), .words = prunes,
	  .want = "feedback, magnitude, dns-threshold or none is expected" },
	{ "prune-scope", 0, OPT_WORD, AT(quantize.prune_network), .words = scopes },
	{ "assign", 0, OPT_WORD, AT(quantize.weights.assign_nearest), .words = assigns },
	{ "calibration", 0, OPT_WORD, AT(quantize.range), .words = calibrations },
	{ "coder", 0, OPT_WORD, AT(coder), .words = word_coders },
	{ "target-cr", 0, OPT_REAL, AT(target_cr), .real = { 1, 1000 },
	  .want = "a rate from 1 to 1000 is expected" },
	{ "max-loss", 0, OPT_REAL, AT(max_loss), .real = { 0, 100 },
	  .want = "percentage points are expected" },
	{ "resume", 0, OPT_TEXT, AT(resume) },
	{ "export-onnx", 0, OPT_TEXT, AT(export_onnx), .mark = USED_BY(EXPORT) },
	{ "report", 0, OPT_TEXT, AT(report) },
	{ "json", 0, OPT_FLAG, AT(json), .mark = USED_BY(COMPARE) },
	{ "compare", 0, OPT_FLAG, AT(compare), .mark = USED_BY(COMPARE) },
	{ "list-ops", 0, OPT_FLAG, AT(list_ops), .mark = USED_BY(LIST_OPS) },
	{ "threads", 'j', OPT_INTEGER, AT(threads), .integer = { 1, 256 },
	  .mark = USED_BY(COMPARE) },
	{ "quiet", 'q', OPT_FLAG, AT(quiet), .mark = USED_BY(COMPARE) | USED_BY(EXPORT) },
	{ "help", 'h', OPT_HELP, .help = usage },
	{ "version", 'V', .kind = OPT_VERSION },
	{ .name = NULL },
};

static bool given(const struct compress_options *o, const char *name)
{
	return option_given(specs, o->given, name);
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
	if (given(o, "wsep") || !q->feedback)
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
	else if (given(o, "pictures") && !o->calibrate)
		wrong = "--pictures needs --calibrate PICTURES";
	else if (given(o, "wsep") && o->quantize.weights.mode != QUANT_AUTO)
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
static int check_search(const struct compress_options *o)
{
	bool search = options_search(o);
	const char *wrong = NULL;

	if (o->target_cr > 0 && o->max_loss >= 0)
		wrong = "--target-cr or --max-loss, not both";
	else if (search && !o->calibrate)
		wrong = "the search needs --calibrate PICTURES";
	else if (o->resume && !search)
		wrong = "--resume goes with --target-cr or --max-loss";
	else if (search && (given(o, "bits") || given(o, "sparsity") || given(o, "prune-scope") ||
			    o->keep_count || o->config))
		wrong = "the search chooses bits and sparsity itself: it does not go with --bits, "
			"--sparsity, --prune-scope, --keep and --config";
	return wrong ? usage_error(wrong) : 0;
}

static int check_alone(const struct compress_options *o)
{
	static const char *const what[] = {
		[COMPRESS_EXPORT] = "--export-onnx of an image; to compress, add -o FILE.fqz",
		[COMPRESS_COMPARE] = "--compare",
		[COMPRESS_LIST_OPS] = "--list-ops",
	};
	const struct option_spec *s;

	for (s = specs; s->name && o->action != COMPRESS_IMAGE; s++)
		if (given(o, s->name) && !(s->mark & 1u << o->action))
			return cli_usage("--%s is of no use with %s", s->name, what[o->action]) + 1;
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
	int rc;

	*o = presets;
	rc = option_parse(specs, o, &o->given, argc, argv);
	if (rc)
		return rc;
	if (!o->threads)
		o->threads = net_cpu_count();
	o->quantize.weights.threads = o->threads;
	o->action = action_of(o);
	rc = parse_files(o, argc - optind, argv + optind);
	if (!rc)
		rc = check_alone(o);
	if (!rc)
		rc = check_files(o);
	if (rc || o->action != COMPRESS_IMAGE)
		return rc;
	if (!given(o, "rounding"))
		o->quantize.feedback = o->calibrate != NULL;
	if (!given(o, "prune") && o->quantize.feedback)
		o->quantize.prune = QUANTIZE_PRUNE_FEEDBACK;
	rc = check_together(o);
	if (!rc)
		rc = check_search(o);
	if (rc)
		return rc;
	o->quantize.weights.by_error = !given(o, "wsep");
	describe(o);
	return 0;
}
