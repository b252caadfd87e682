// SPDX-License-Identifier: MIT
/* fqaccel-run: runs a network on pictures and prints the likeliest classes. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/classify.h"
#include "common/cli.h"
#include "common/dataset.h"
#include "common/file.h"
#include "common/option.h"
#include "common/pipeline.h"
#include "fqaccel-run-profile.h"
#include "fqaccel.h"
#include "fqz.h"

#define MAX_TOP	1000u

struct options {
	const char *card, *output;
	uint64_t top, batch;
	bool json, profile;
};

struct run {
	struct options opt;
	struct fqaccel_card *card;
	struct fqaccel_model *model;
	struct fqaccel_card_info card_info;
	struct fqaccel_model_info info;
	struct dataset **sets;		/* one for each argument */
	size_t *ends;			/* pictures up to the end of each of them */
	size_t set_count, pictures, failed;
	bool whole;			/* every picture was run, or has failed by itself */
	struct file_writer *writer;
	uint8_t *first;			/* the first picture, for the profile */
	struct ranked *top;
	FILE *out;			/* stdout, or memory for JSON */
	char err[512];
};

static const char help[] =
"Usage: fqaccel-run [OPTION]... MODEL.fqz PICTURE...\n"
"\n"
"Runs a network on pictures and prints the likeliest classes of each. A PICTURE is a\n"
"PPM, PGM, PNG or JPEG file, a folder of them, a CIFAR-10 batch (.bin) or an IDX file.\n"
"\n"
"      --card CARD    auto (default: /dev/fqaccel0, or the soft card if the machine has\n"
"                     no card), soft, or a device such as /dev/fqaccel1\n"
"      --top K        classes to print for each picture (default 5)\n"
"      --json         print one JSON document\n"
"      --output FILE  write the raw output tensors, one picture after another\n"
"      --profile      print what each layer costs, for the first picture\n"
"      --batch N      pictures in one run of the card\n"
"  -h, --help         print this and exit\n"
"  -V, --version      print the version and exit\n"
"\n"
"Exit status: 0 all went well, 1 something failed, 2 wrong usage.\n";

/* Which data set picture @i is in, and its number there. Arguments may be many. */
static const struct dataset *find_picture(const struct run *r, size_t *i)
{
	size_t low = 0, high = r->set_count - 1, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (r->ends[mid] <= *i)
			low = mid + 1;
		else
			high = mid;
	}
	*i -= low ? r->ends[low - 1] : 0;
	return r->sets[low];
}

static const char *picture_name(const struct run *r, size_t i)
{
	const struct dataset *ds = find_picture(r, &i);

	return dataset_name(ds, i);
}

static int fill(void *opaque, size_t i, uint8_t *chw, char *err, size_t errlen)
{
	const struct run *r = opaque;
	const struct dataset *ds = find_picture(r, &i);

	return pipeline_fill(&r->info, ds, i, chw, err, errlen);
}

static void print_classes(struct run *r, const void *output)
{
	uint32_t n = classify_top(&r->info.output, output, (uint32_t)r->opt.top, r->top), i;
	const char *name;

	for (i = 0; i < n; i++) {
		name = fqaccel_model_class(r->model, r->top[i].class);
		if (r->opt.json) {
			fprintf(r->out, "%s{\"class\": %u, \"name\": ", i ? ", " : "",
				r->top[i].class);
			cli_json_string(r->out, name ? name : "");
			fprintf(r->out, ", \"score\": %.4f, \"logit\": %d}", r->top[i].score,
				r->top[i].logit);
		} else {
			fprintf(r->out, "  %6.2f %%  %s\n", r->top[i].score, name ? name : "?");
		}
	}
}

static void print_picture(struct run *r, size_t i, const void *output)
{
	const struct fqaccel_tensor_info *t = &r->info.output;

	if (r->opt.json) {
		fprintf(r->out, "%s\n    {\"picture\": ", i ? "," : "");
		cli_json_string(r->out, picture_name(r, i));
		fputs(r->info.classes ? ", \"top\": [" : "}", r->out);
		if (r->info.classes) {
			print_classes(r, output);
			fputs("]}", r->out);
		}
		return;
	}
	fprintf(r->out, "%s\n", picture_name(r, i));
	if (r->info.classes)
		print_classes(r, output);
	else
		fprintf(r->out, "  %u x %u x %u values of scale %g (no classes; --output FILE writes them)\n",
			t->c, t->h, t->w, (double)t->scale);
}

static void print_picture_error(struct run *r, size_t i, const char *err)
{
	r->failed++;
	cli_error("%s", err);
	if (!r->opt.json)
		return;
	fprintf(r->out, "%s\n    {\"picture\": ", i ? "," : "");
	cli_json_string(r->out, picture_name(r, i));
	fputs(", \"error\": ", r->out);
	cli_json_string(r->out, err);
	fputs("}", r->out);
}

static int done(void *opaque, size_t i, const void *output, const uint8_t *chw, const char *err)
{
	struct run *r = opaque;

	if (err) {
		print_picture_error(r, i, err);
	} else {
		print_picture(r, i, output);
		if (r->first && i == 0)
			memcpy(r->first, chw, r->info.input_bytes);
		if (r->writer && file_append(r->writer, output, r->info.output_bytes, r->err,
					     sizeof(r->err)))
			return -1;
	}
	/* The bar would only get between lines on a terminal that shows both. */
	if (r->opt.json || !isatty(1))
		cli_progress(i + 1, r->pictures);
	return 0;
}

static void print_profile_row(struct run *r, uint32_t i, const struct fqz_image *img,
			      const struct profile_layer *p, uint64_t total)
{
	const struct fqz_layer *l = &img->layers[i];
	const struct fqz_tensor *t = &img->tensors[l->output];
	double us = 1e3 * (double)p->cycles / r->card_info.clock_khz;
	char shape[32];

	if (r->opt.json) {
		fprintf(r->out, "%s\n    {\"layer\": %u, \"kind\": \"%s\", \"name\": ",
			i ? "," : "", i, fqz_kind_name(l->kind));
		cli_json_string(r->out, l->name ? l->name : "");
		fprintf(r->out,
			", \"output\": [%u, %u, %u], \"cycles\": %llu, \"card_us\": %.3f, \"host_ms\": %.3f}",
			t->c, t->h, t->w, (unsigned long long)p->cycles, us, p->host_ms);
		return;
	}
	snprintf(shape, sizeof(shape), "%ux%ux%u", t->c, t->h, t->w);
	fprintf(r->out, "%5u  %-7s  %-14s %11llu %6.2f %11.2f %11.3f  %s\n", i,
		fqz_kind_name(l->kind), shape, (unsigned long long)p->cycles,
		total ? 100.0 * (double)p->cycles / (double)total : 0, us, p->host_ms,
		l->name ? l->name : "");
}

static void print_profile(struct run *r, const struct fqz_image *img,
			  const struct profile_layer *layers)
{
	uint64_t total = 0;
	double host = 0;
	uint32_t i;

	for (i = 0; i < img->layer_count; i++) {
		total += layers[i].cycles;
		host += layers[i].host_ms;
	}
	if (r->opt.json)
		fputs(",\n  \"profile\": [", r->out);
	else
		fprintf(r->out, "\n%5s  %-7s  %-14s %11s %6s %11s %11s  %s\n", "layer", "kind",
			"output", "cycles", "%", "card us", "host ms", "name");
	for (i = 0; i < img->layer_count; i++)
		print_profile_row(r, i, img, &layers[i], total);
	if (r->opt.json)
		fprintf(r->out, "\n  ],\n  \"cycles\": %llu", (unsigned long long)total);
	else
		fprintf(r->out, "%5s  %-7s  %-14s %11llu %6.2f %11.2f %11.3f\n", "all", "", "",
			(unsigned long long)total, 100.0,
			1e3 * (double)total / r->card_info.clock_khz, host);
}

/* Layers' kinds and shapes are read from the file: the library has been given the same bytes. */
static int profile(struct run *r, const void *image, size_t len)
{
	struct profile_layer *layers;
	struct fqz_image *img;
	struct fqz_error err;
	int ret = CLI_OK;

	if (fqz_image_open(image, len, &img, &err))
		return cli_error("the model's layers cannot be read: %s", err.what);
	layers = calloc(img->layer_count, sizeof(*layers));
	if (!layers)
		ret = cli_error("out of memory");
	else if (profile_run(r->card, r->model, r->first, 1, layers))
		ret = cli_error("%s", fqaccel_error());
	else
		print_profile(r, img, layers);
	free(layers);
	fqz_image_close(img);
	return ret;
}

static int run_pictures(struct run *r)
{
	struct pipeline p = {
		.model = r->model, .count = r->pictures, .batch = (uint32_t)r->opt.batch,
		.fill = fill, .done = done, .opaque = r,
	};
	char err[512];

	r->err[0] = '\0';
	if (pipeline_run(&p, err, sizeof(err)))
		return cli_error("%s", r->err[0] ? r->err : err);
	r->whole = true;
	cli_progress_clear();
	return r->failed ? CLI_FAILED : CLI_OK;
}

static int run_all(struct run *r, const char *model_path, const void *image, size_t len)
{
	int ret;

	if (r->opt.json) {
		fputs("{\n  \"model\": ", r->out);
		cli_json_string(r->out, model_path);
		fputs(",\n  \"card\": ", r->out);
		cli_json_string(r->out, r->card_info.name);
		fputs(",\n  \"results\": [", r->out);
	}
	ret = run_pictures(r);
	if (!r->whole)
		return ret;
	if (r->opt.json)
		fputs("\n  ]", r->out);
	if (r->opt.profile && !ret)
		ret = profile(r, image, len);
	if (r->opt.json)
		fputs("\n}\n", r->out);
	return ret;
}

/* Opens the --output file, runs, and keeps the file only if every picture is in it. */
static int run_with_output(struct run *r, const char *model_path, const void *image, size_t len)
{
	int ret;

	if (!r->opt.output)
		return run_all(r, model_path, image, len);
	if (file_create(r->opt.output, &r->writer, r->err, sizeof(r->err)))
		return cli_error("%s", r->err);
	ret = run_all(r, model_path, image, len);
	if (ret) {
		file_abandon(r->writer);
		return ret;
	}
	if (file_commit(r->writer, r->err, sizeof(r->err)))
		return cli_error("%s", r->err);
	return CLI_OK;
}

/* JSON is printed only when it is whole. */
static int run_with_json(struct run *r, const char *model_path, const void *image, size_t len)
{
	char *text = NULL;
	size_t text_len;
	int ret;

	if (!r->opt.json) {
		r->out = stdout;
		return run_with_output(r, model_path, image, len);
	}
	r->out = open_memstream(&text, &text_len);
	if (!r->out)
		return cli_error("out of memory");
	ret = run_with_output(r, model_path, image, len);
	if (fclose(r->out))
		ret = cli_error("out of memory");
	else if (!ret || (r->whole && r->failed))
		fwrite(text, 1, text_len, stdout);
	free(text);
	return ret;
}

static int open_pictures(struct run *r, char **paths, int count)
{
	size_t i;

	r->sets = calloc((size_t)count, sizeof(*r->sets));
	r->ends = calloc((size_t)count, sizeof(*r->ends));
	if (!r->sets || !r->ends)
		return cli_error("out of memory");
	for (i = 0; i < (size_t)count; i++) {
		if (dataset_open(paths[i], &r->sets[i], r->err, sizeof(r->err)))
			return cli_error("%s", r->err);
		r->set_count++;
		r->pictures += dataset_size(r->sets[i]);
		r->ends[i] = r->pictures;
	}
	return CLI_OK;
}

static int open_model(struct run *r, const char *path, const void *image, size_t len)
{
	uint32_t room;

	if (fqaccel_card_open(r->opt.card, &r->card) ||
	    fqaccel_card_info(r->card, &r->card_info, sizeof(r->card_info)))
		return cli_error("%s", fqaccel_error());
	if (fqaccel_model_load(r->card, image, len, &r->model) ||
	    fqaccel_model_info(r->model, &r->info, sizeof(r->info)))
		return cli_error("%s: %s", path, fqaccel_error());
	if (pipeline_check(&r->info, r->err, sizeof(r->err)))
		return cli_error("%s: %s", path, r->err);
	room = output_elements(&r->info.output);
	if (r->opt.top > room)
		r->opt.top = room;
	r->top = calloc(r->opt.top, sizeof(*r->top));
	if (r->opt.profile)
		r->first = calloc(1, r->info.input_bytes);
	if (!r->top || (r->opt.profile && !r->first))
		return cli_error("out of memory");
	return CLI_OK;
}

static void close_all(struct run *r)
{
	size_t i;

	fqaccel_model_close(r->model);
	fqaccel_card_close(r->card);
	for (i = 0; i < r->set_count; i++)
		dataset_close(r->sets[i]);
	free(r->sets);
	free(r->ends);
	free(r->first);
	free(r->top);
}

static int run(const struct options *opt, char **args, int count)
{
	struct run r = { .opt = *opt };
	void *image;
	size_t len;
	int ret;

	if (file_read(args[0], UINT32_MAX, &image, &len, r.err, sizeof(r.err)))
		return cli_error("%s", r.err);
	ret = open_pictures(&r, args + 1, count - 1);
	if (!ret)
		ret = open_model(&r, args[0], image, len);
	if (!ret)
		ret = run_with_json(&r, args[0], image, len);
	close_all(&r);
	free(image);
	return ret;
}

#define AT(field) OPTION_FIELD(struct options, field)

static const struct option_spec specs[] = {
	{ "card", 0, OPT_TEXT, AT(card) },
	{ "top", 0, OPT_COUNT, AT(top), .integer = { 1, MAX_TOP } },
	{ "json", 0, OPT_FLAG, AT(json) },
	{ "output", 0, OPT_TEXT, AT(output) },
	{ "profile", 0, OPT_FLAG, AT(profile) },
	{ "batch", 0, OPT_COUNT, AT(batch), .integer = { 1, 65536 } },
	{ "help", 'h', OPT_HELP, .help = help },
	{ "version", 'V', .kind = OPT_VERSION },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	struct options opt = { .card = "auto", .top = 5 };
	int rc;

	cli_start("fqaccel-run");
	argv[0] = (char *)"fqaccel-run";
	rc = option_parse(specs, &opt, NULL, argc, argv);
	if (rc)
		return cli_finish(rc - 1);
	if (argc - optind < 1)
		return cli_usage("which model? Name a .fqz file and pictures");
	if (argc - optind < 2)
		return cli_usage("which pictures? Name at least one");
	return cli_finish(run(&opt, argv + optind, argc - optind));
}
