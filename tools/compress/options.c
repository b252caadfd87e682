// SPDX-License-Identifier: MIT
/* The command line of fqaccel-compress. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compress.h"

static const char usage[] =
"Usage: fqaccel-compress MODEL.onnx -o MODEL.fqz --calibrate PICTURES [OPTION]...\n"
"       fqaccel-compress --compare MODEL.fqz PICTURES\n"
"\n"
"Compress a convolutional network to weights that are sums of two powers of two,\n"
"and write the image that an fqaccel card runs.\n"
"\n"
"  -o, --output FILE       image to write\n"
"  -c, --calibrate PATH    folder of pictures, picture, or CIFAR-10 .bin file\n"
"      --pictures N        at most N of them (512), evenly taken\n"
"      --evaluate PATH     labeled pictures to measure the finished image on\n"
"  -b, --bits N            bits of a weight, 3 to 8 (5)\n"
"      --mode MODE         auto, shift or recentralized (auto: by layer)\n"
"      --wsep X            auto goes by the Wasserstein separation: recentralized\n"
"                          from X on (2.0 with nearest; with feedback, unless this\n"
"                          is given, auto takes the mode that errs least)\n"
"      --rounding HOW      feedback or nearest (feedback if calibrated)\n"
"      --sparsity X        share of each layer's weights to prune, 0 to 1 (0)\n"
"      --seed N            of the random components (1)\n"
"      --mean R,G,B        of the pictures the network was trained on, in 0..1 (0)\n"
"      --std R,G,B         likewise the standard deviation (1)\n"
"      --bgr               the network takes blue first\n"
"      --range255          the network takes 0..255 rather than 0..1\n"
"      --resize N          shorter side that pictures get before the crop\n"
"                          (8/7 of the input from 64 on, else the input's)\n"
"      --classes FILE      class names, one in a line\n"
"      --description TEXT  for the image's metadata\n"
"      --compare FILE      run an image on the soft card and in float on PICTURES\n"
"  -j, --threads N         threads (all processors); the result is the same\n"
"  -q, --quiet             no progress, no report\n"
"  -h, --help              this text\n"
"  -V, --version           version\n";

enum {
	OPT_PICTURES = 256, OPT_EVALUATE, OPT_MODE, OPT_WSEP, OPT_ROUNDING, OPT_SPARSITY,
	OPT_SEED, OPT_MEAN, OPT_STD, OPT_BGR, OPT_RANGE255, OPT_RESIZE, OPT_CLASSES,
	OPT_DESCRIPTION, OPT_COMPARE,
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
	{ "compare", required_argument, NULL, OPT_COMPARE },
	{ "threads", required_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int bad(const char *option, const char *value, const char *want)
{
	fprintf(stderr, "fqaccel-compress: --%s %s: %s; see fqaccel-compress --help\n", option,
		value, want);
	return 3;
}

static bool parse_integer(const char *s, long min, long max, long *v)
{
	char *end;

	errno = 0;
	*v = strtol(s, &end, 10);
	return end != s && !*end && !errno && *v >= min && *v <= max;
}

static bool parse_real(const char *s, double min, double max, double *v)
{
	char *end;

	*v = strtod(s, &end);
	return end != s && !*end && *v >= min && *v <= max;
}

/* R,G,B, or one value for all three. */
static bool parse_colors(const char *s, float min, float *v)
{
	int i;

	for (i = 0; i < 3; i++) {
		char *end;

		v[i] = strtof(s, &end);
		if (end == s || !isfinite(v[i]) || v[i] < min)
			return false;
		if (i == 0 && !*end) {
			v[1] = v[2] = v[0];
			return true;
		}
		if (*end != (i < 2 ? ',' : '\0'))
			return false;
		s = end + 1;
	}
	return true;
}

static int parse_words(struct compress_options *o, int opt, const char *arg)
{
	struct quant_options *w = &o->quantize.weights;

	if (opt == OPT_MODE) {
		if (!strcmp(arg, "auto"))
			w->mode = QUANT_AUTO;
		else if (!strcmp(arg, "shift"))
			w->mode = QUANT_SHIFT;
		else if (!strcmp(arg, "recentralized"))
			w->mode = QUANT_RECENTRALIZED;
		else
			return bad("mode", arg, "auto, shift or recentralized is expected");
		return 0;
	}
	o->rounding_given = true;
	o->quantize.feedback = !strcmp(arg, "feedback");
	if (!o->quantize.feedback && strcmp(arg, "nearest"))
		return bad("rounding", arg, "feedback or nearest is expected");
	return 0;
}

static int parse_number(struct compress_options *o, int opt, const char *arg)
{
	struct quant_options *w = &o->quantize.weights;
	double real;
	long v;

	switch (opt) {
	case 'b':
		if (!parse_integer(arg, 3, 8, &v))
			return bad("bits", arg, "3 to 8 is expected");
		w->bits = (unsigned int)v;
		return 0;
	case 'j':
		if (!parse_integer(arg, 1, 256, &v))
			return bad("threads", arg, "1 to 256 is expected");
		o->threads = (unsigned int)v;
		return 0;
	case OPT_PICTURES:
		if (!parse_integer(arg, 1, 1 << 20, &v))
			return bad("pictures", arg, "a number of pictures is expected");
		o->pictures = (size_t)v;
		o->pictures_given = true;
		return 0;
	case OPT_RESIZE:
		if (!parse_integer(arg, 0, 65535, &o->resize))
			return bad("resize", arg, "0 to 65535 is expected");
		return 0;
	case OPT_SEED:
		if (!parse_integer(arg, 0, INT64_MAX, &v))
			return bad("seed", arg, "a number is expected");
		w->seed = (uint64_t)v;
		return 0;
	case OPT_WSEP:
		if (!parse_real(arg, 0, 1e6, &w->separation))
			return bad("wsep", arg, "a number from 0 on is expected");
		o->wsep_given = true;
		return 0;
	default:
		if (!parse_real(arg, 0, 1, &real) || real >= 1)
			return bad("sparsity", arg, "a share from 0 to below 1 is expected");
		o->sparsity = real;
		return 0;
	}
}

static int parse_option(struct compress_options *o, int opt, char *arg)
{
	switch (opt) {
	case 'o':
		o->output = arg;
		return 0;
	case 'c':
		o->calibrate = arg;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case 'h':
		fputs(usage, stdout);
		return 1;
	case 'V':
		printf("fqaccel-compress %s\n", FQACCEL_VERSION);
		return 1;
	case OPT_EVALUATE:
		o->evaluate = arg;
		return 0;
	case OPT_CLASSES:
		o->classes = arg;
		return 0;
	case OPT_DESCRIPTION:
		o->description = arg;
		return 0;
	case OPT_COMPARE:
		o->compare = arg;
		return 0;
	case OPT_BGR:
		o->bgr = true;
		return 0;
	case OPT_RANGE255:
		o->range255 = true;
		return 0;
	case OPT_MEAN:
		if (!parse_colors(arg, -1e3f, o->mean))
			return bad("mean", arg, "three numbers R,G,B are expected");
		return 0;
	case OPT_STD:
		if (!parse_colors(arg, 1e-6f, o->std))
			return bad("std", arg, "three numbers R,G,B above 0 are expected");
		return 0;
	case OPT_MODE:
	case OPT_ROUNDING:
		return parse_words(o, opt, arg);
	case '?':
		fputs("fqaccel-compress: see fqaccel-compress --help\n", stderr);
		return 3;
	default:
		return parse_number(o, opt, arg);
	}
}

/* What decides the image's bits, in a fixed order, for the metadata. */
static void describe(struct compress_options *o)
{
	static const char *const modes[] = { "auto", "shift", "recentralized" };
	const struct quant_options *w = &o->quantize.weights;
	char wsep[40] = "";

	if (o->wsep_given || !o->quantize.feedback)
		snprintf(wsep, sizeof(wsep), " --wsep %g", w->separation);
	snprintf(o->text, sizeof(o->text), "--bits %u --mode %s%s --rounding %s "
		 "--sparsity %g --seed %llu --pictures %zu --mean %g,%g,%g --std %g,%g,%g%s%s",
		 w->bits, modes[w->mode], wsep,
		 o->quantize.feedback ? "feedback" : "nearest", o->sparsity,
		 (unsigned long long)w->seed, o->pictures, o->mean[0], o->mean[1], o->mean[2],
		 o->std[0], o->std[1], o->std[2], o->bgr ? " --bgr" : "",
		 o->range255 ? " --range255" : "");
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
	if (!wrong)
		return 0;
	fprintf(stderr, "fqaccel-compress: %s; see fqaccel-compress --help\n", wrong);
	return 3;
}

int options_parse(struct compress_options *o, int argc, char **argv)
{
	const struct compress_options presets = {
		.quantize.weights = { .bits = 5, .separation = 2.0, .seed = 1 },
		.std = { 1, 1, 1 }, .resize = -1, .pictures = 512,
	};
	bool others = false;	/* options that say how to compress */
	int opt, rc;

	*o = presets;
	while ((opt = getopt_long(argc, argv, "o:c:b:j:qhV", longs, NULL)) != -1) {
		rc = parse_option(o, opt, optarg);
		if (rc)
			return rc;
		others |= opt != OPT_COMPARE && opt != 'j';
	}
	if (!o->threads)
		o->threads = net_cpu_count();
	o->quantize.weights.threads = o->threads;
	if (optind != argc - 1) {
		fprintf(stderr, "fqaccel-compress: %s; see fqaccel-compress --help\n",
			optind == argc ? "what is to be compressed?" : "one model at a time");
		return 3;
	}
	if (o->compare) {
		if (others) {
			fputs("fqaccel-compress: --compare takes no option but --threads; see "
			      "fqaccel-compress --help\n", stderr);
			return 3;
		}
		o->calibrate = argv[optind];
		return 0;
	}
	o->model = argv[optind];
	if (!o->output) {
		fputs("fqaccel-compress: no output; add -o FILE.fqz\n", stderr);
		return 3;
	}
	if (!o->rounding_given)
		o->quantize.feedback = o->calibrate != NULL;
	rc = check_together(o);
	if (rc)
		return rc;
	o->quantize.weights.by_error = !o->wsep_given;
	describe(o);
	return 0;
}
