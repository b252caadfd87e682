// SPDX-License-Identifier: MIT
/* fqaccel-eval: a network's accuracy on labeled pictures, and how fast it goes. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/classify.h"
#include "common/cli.h"
#include "common/dataset.h"
#include "common/file.h"
#include "common/option.h"
#include "common/pipeline.h"
#include "fqaccel.h"
#include "fqz.h"
#include "net/fqz_float.h"

#define TOP_K	5u

struct options {
	const char *card;
	const char *per_picture;
	uint64_t limit, jobs, batch;
	bool json, compare_float;
};

struct eval {
	struct options opt;
	struct fqaccel_card *card;
	struct fqaccel_model *model;
	struct fqaccel_card_info card_info;
	struct fqaccel_model_info info;
	struct dataset *ds;
	size_t count;			/* pictures to look at */
	size_t top1, top5;
	double seconds;
	/* --compare-float */
	struct netf *netf;
	float *real;			/* its output */
	size_t float_top1, float_top5, agree;
	struct file_writer *per_picture;
	char err[512];
};

static const char help[] =
"Usage: fqaccel-eval [OPTION]... MODEL.fqz DATA\n"
"\n"
"Measures a network's accuracy on labeled pictures. DATA is a folder of pictures whose\n"
"names are their classes' numbers (0042.jpg), a folder with a folder of pictures for each\n"
"class, a CIFAR-10 batch (.bin), a folder of such batches, or an IDX file of pictures\n"
"(t10k-images-idx3-ubyte) with its labels beside it.\n"
"\n"
"      --card CARD      auto (default: /dev/fqaccel0, or the soft card if the machine\n"
"                       has no card), soft, or a device such as /dev/fqaccel1\n"
"      --limit N        look at N pictures only, spread evenly over the data\n"
"      --jobs N         threads (default: one for each processor)\n"
"      --batch N        pictures in one run of the card\n"
"      --compare-float  execute the quantized network in floating point as well, and say\n"
"                       how often both choose the same class\n"
"      --per-picture FILE  write a line for each picture: its label, the first class, its name\n"
"      --json           print one JSON document\n"
"  -h, --help           print this and exit\n"
"  -V, --version        print the version and exit\n"
"\n"
"Exit status: 0 all went well, 1 something failed, 2 wrong usage.\n";

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Picture @i of those looked at, in the data set. */
static size_t picture(const struct eval *e, size_t i)
{
	return (size_t)((unsigned __int128)i * dataset_size(e->ds) / e->count);
}

static int fill(void *opaque, size_t i, uint8_t *chw, char *err, size_t errlen)
{
	const struct eval *e = opaque;

	return pipeline_fill(&e->info, e->ds, picture(e, i), chw, err, errlen);
}

/* As classify_rank(): ties go to the lower class. */
static uint32_t float_rank(const float *y, uint32_t count, uint32_t label)
{
	uint32_t rank = 0, i;

	for (i = 0; i < count; i++)
		if (y[i] > y[label] || (y[i] == y[label] && i < label))
			rank++;
	return rank;
}

static int compare(struct eval *e, const void *output, const uint8_t *chw, uint32_t label)
{
	struct ranked first;
	uint32_t rank;

	if (netf_run(e->netf, chw, e->real)) {
		snprintf(e->err, sizeof(e->err), "out of memory");
		return -1;
	}
	rank = float_rank(e->real, e->info.classes, label);
	e->float_top1 += rank == 0;
	e->float_top5 += rank < TOP_K;
	classify_top(&e->info.output, output, 1, &first);
	e->agree += float_rank(e->real, e->info.classes, first.class) == 0;
	return 0;
}

/* For comparisons picture by picture; @output's first class. */
static int write_picture(struct eval *e, size_t i, const void *output, uint32_t label)
{
	struct ranked first;
	char *line, *p;
	int ret;

	classify_top(&e->info.output, output, 1, &first);
	if (asprintf(&line, "%u %u %s", label, first.class,
		     dataset_name(e->ds, picture(e, i))) < 0) {
		snprintf(e->err, sizeof(e->err), "out of memory");
		return -1;
	}
	/* Names may hold line feeds. */
	for (p = line; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = '_';
	*p = '\n';
	ret = file_append(e->per_picture, line, (size_t)(p - line) + 1, e->err, sizeof(e->err));
	free(line);
	return ret ? -1 : 0;
}

static int done(void *opaque, size_t i, const void *output, const uint8_t *chw, const char *err)
{
	struct eval *e = opaque;
	uint32_t label, rank;
	int ret = 0;

	/* An accuracy without some of the pictures would be another one. */
	if (err) {
		snprintf(e->err, sizeof(e->err), "%s", err);
		return -1;
	}
	label = (uint32_t)dataset_label(e->ds, picture(e, i));
	rank = classify_rank(&e->info.output, output, label);
	e->top1 += rank == 0;
	e->top5 += rank < TOP_K;
	if (e->netf)
		ret = compare(e, output, chw, label);
	if (!ret && e->per_picture)
		ret = write_picture(e, i, output, label);
	cli_progress(i + 1, e->count);
	return ret;
}

static double percent(size_t n, size_t of)
{
	return 100.0 * (double)n / (double)of;
}

/* Of a proportion: what another sample of this size might give. */
static double standard_error(size_t n, size_t of)
{
	double p = (double)n / (double)of;

	return 100 * sqrt(p * (1 - p) / (double)of);
}

/* With --compare-float the machine's time is not the card's alone: no speed is given. */
static void print_json(const struct eval *e, const char *model, const char *data)
{
	printf("{\"images\": %zu, \"top1\": %.4f, \"top5\": %.4f, \"top1_error\": %.4f",
	       e->count, percent(e->top1, e->count), percent(e->top5, e->count),
	       standard_error(e->top1, e->count));
	printf(", \"seconds\": %.3f, \"card_images_per_second\": %.1f", e->seconds,
	       1e3 * e->card_info.clock_khz / (double)e->info.cycles);
	if (!e->netf)
		printf(", \"images_per_second\": %.2f", (double)e->count / e->seconds);
	else
		printf(", \"float_top1\": %.4f, \"float_top5\": %.4f, \"agreement\": %.4f",
		       percent(e->float_top1, e->count), percent(e->float_top5, e->count),
		       percent(e->agree, e->count));
	printf(", \"card\": ");
	cli_json_string(stdout, e->card_info.name);
	printf(", \"model\": ");
	cli_json_string(stdout, model);
	printf(", \"data\": ");
	cli_json_string(stdout, data);
	printf("}\n");
}

static void print_text(const struct eval *e)
{
	printf("pictures    %zu\n", e->count);
	printf("top-1       %.2f %%  (standard error %.2f)\n", percent(e->top1, e->count),
	       standard_error(e->top1, e->count));
	printf("top-5       %.2f %%  (standard error %.2f)\n", percent(e->top5, e->count),
	       standard_error(e->top5, e->count));
	if (e->netf) {
		printf("float       %.2f %% top-1, %.2f %% top-5, of the same quantized network\n",
		       percent(e->float_top1, e->count), percent(e->float_top5, e->count));
		printf("agreement   %.2f %% of the pictures have the same top-1 class\n",
		       percent(e->agree, e->count));
		return;
	}
	printf("speed       %.1f pictures/s here (%s), %.0f pictures/s on the modeled hardware\n",
	       (double)e->count / e->seconds, e->card_info.name,
	       1e3 * e->card_info.clock_khz / (double)e->info.cycles);
}

static int open_float(struct eval *e, const void *image, size_t len)
{
	struct net_error why;
	struct fqz_image *img;
	struct fqz_error err;
	int ret;

	if (fqz_image_open(image, len, &img, &err))
		return cli_error("the model cannot be read: %s", err.what);
	ret = netf_open(img, &e->netf, &why);
	fqz_image_close(img);
	if (ret)
		return cli_error("the model has no float execution: %s", why.text);
	e->real = calloc(e->info.classes, sizeof(*e->real));
	return e->real ? CLI_OK : cli_error("out of memory");
}

/* Each label must be a class, or nothing that is counted means anything. */
static int check_labels(struct eval *e, const char *data)
{
	const char **names;
	uint32_t i;
	size_t k;
	int ret;

	names = calloc(e->info.classes, sizeof(*names));
	if (!names)
		return cli_error("out of memory");
	for (i = 0; i < e->info.classes; i++)
		names[i] = fqaccel_model_class(e->model, i);
	ret = dataset_match_classes(e->ds, names, e->info.classes, e->err, sizeof(e->err));
	free(names);
	if (ret)
		return cli_error("%s: %s", data, e->err);
	for (k = 0; k < dataset_size(e->ds); k++) {
		if (dataset_label(e->ds, k) < 0)
			return cli_error("%s: has no label; name pictures by their class's number (0042.jpg), or put them into a folder for each class",
					 dataset_name(e->ds, k));
		if ((uint32_t)dataset_label(e->ds, k) >= e->info.classes)
			return cli_error("%s: is of class %d, but the network knows 0 to %u only; is it for other data?",
					 dataset_name(e->ds, k), dataset_label(e->ds, k),
					 e->info.classes - 1);
	}
	return CLI_OK;
}

static int open_all(struct eval *e, char **args, const void *image, size_t len)
{
	if (dataset_open(args[1], &e->ds, e->err, sizeof(e->err)))
		return cli_error("%s", e->err);
	if (fqaccel_card_open(e->opt.card, &e->card) ||
	    fqaccel_card_info(e->card, &e->card_info, sizeof(e->card_info)))
		return cli_error("%s", fqaccel_error());
	if (fqaccel_model_load(e->card, image, len, &e->model) ||
	    fqaccel_model_info(e->model, &e->info, sizeof(e->info)))
		return cli_error("%s: %s", args[0], fqaccel_error());
	if (pipeline_check(&e->info, e->err, sizeof(e->err)))
		return cli_error("%s: %s", args[0], e->err);
	if (!e->info.classes)
		return cli_error("%s: the network's output is not a list of classes", args[0]);
	e->count = dataset_size(e->ds);
	if (e->opt.limit && e->opt.limit < e->count)
		e->count = e->opt.limit;
	if (check_labels(e, args[1]))
		return CLI_FAILED;
	return e->opt.compare_float ? open_float(e, image, len) : CLI_OK;
}

static int measure(struct eval *e, char **args)
{
	struct pipeline p = {
		.model = e->model, .count = e->count, .batch = (uint32_t)e->opt.batch,
		.jobs = (unsigned int)e->opt.jobs, .fill = fill, .done = done, .opaque = e,
	};
	double begin;
	char err[512];
	int ret;

	e->err[0] = '\0';
	if (e->opt.per_picture &&
	    file_create(e->opt.per_picture, &e->per_picture, e->err, sizeof(e->err)))
		return cli_error("%s", e->err);
	begin = now();
	if (pipeline_run(&p, err, sizeof(err)))
		return cli_error("%s", e->err[0] ? e->err : err);
	e->seconds = now() - begin;
	if (e->per_picture) {
		ret = file_commit(e->per_picture, e->err, sizeof(e->err));
		e->per_picture = NULL;
		if (ret)
			return cli_error("%s", e->err);
	}
	if (e->seconds < 1e-6)
		e->seconds = 1e-6;
	cli_progress_clear();
	if (e->opt.json)
		print_json(e, args[0], args[1]);
	else
		print_text(e);
	return CLI_OK;
}

static int eval(const struct options *opt, char **args)
{
	struct eval e = { .opt = *opt };
	void *image;
	size_t len;
	int ret;

	if (file_read(args[0], UINT32_MAX, &image, &len, e.err, sizeof(e.err)))
		return cli_error("%s", e.err);
	ret = open_all(&e, args, image, len);
	if (!ret)
		ret = measure(&e, args);
	file_abandon(e.per_picture);
	netf_close(e.netf);
	free(e.real);
	fqaccel_model_close(e.model);
	fqaccel_card_close(e.card);
	dataset_close(e.ds);
	free(image);
	return ret;
}

#define AT(field) OPTION_FIELD(struct options, field)

static const struct option_spec specs[] = {
	{ "card", 0, OPT_TEXT, AT(card) },
	{ "limit", 0, OPT_COUNT, AT(limit), .integer = { 1, DATASET_MAX_PICTURES } },
	{ "jobs", 0, OPT_COUNT, AT(jobs), .integer = { 1, 256 } },
	{ "batch", 0, OPT_COUNT, AT(batch), .integer = { 1, 65536 } },
	{ "compare-float", 0, OPT_FLAG, AT(compare_float) },
	{ "per-picture", 0, OPT_TEXT, AT(per_picture) },
	{ "json", 0, OPT_FLAG, AT(json) },
	{ "help", 'h', OPT_HELP, .help = help },
	{ "version", 'V', .kind = OPT_VERSION },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	struct options opt = { .card = "auto" };
	int rc;

	cli_start("fqaccel-eval");
	argv[0] = (char *)"fqaccel-eval";
	rc = option_parse(specs, &opt, NULL, argc, argv);
	if (rc)
		return cli_finish(rc - 1);
	if (argc - optind != 2)
		return cli_usage("a model and the data are needed: MODEL.fqz DATA");
	return cli_finish(eval(&opt, argv + optind));
}
