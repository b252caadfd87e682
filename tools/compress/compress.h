/* SPDX-License-Identifier: MIT */
/* What the files of fqaccel-compress share. */
#ifndef COMPRESS_H
#define COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/option.h"
#include "net/image_make.h"

#define COMPRESS_KEEPS	256

enum compress_action {
	COMPRESS_IMAGE,			/* model, output */
	COMPRESS_EXPORT,		/* image, export_onnx */
	COMPRESS_COMPARE,		/* model, image, calibrate */
	COMPRESS_LIST_OPS,		/* model */
};

struct compress_keep {
	const char *layer;
	unsigned int bits;
};

struct compress_options {
	enum compress_action action;
	const char *model, *output, *calibrate, *evaluate, *classes, *description;
	const char *image;		/* an .fqz file that is read */
	const char *config, *resume, *export_onnx, *report;
	struct compress_keep keeps[COMPRESS_KEEPS];
	size_t keep_count;
	struct quantize_options quantize;
	enum fqz_coder coder;		/* of all layers that --config gives none */
	uint64_t given;			/* of the options, for option_given() */
	bool compare, list_ops, json;
	double target_cr;		/* 0: not given */
	double max_loss;		/* percentage points; below 0: not given */
	struct normalization normal;
	bool quiet;
	long resize;			/* -1: by the input's size */
	size_t pictures;		/* at most so many for calibration */
	unsigned int threads;
	char text[1024];		/* what decides the image; " ...": and more */
};

/** options_search() - whether bits and sparsity by layer are to be found by a search. */
static inline bool options_search(const struct compress_options *o)
{
	return o->target_cr > 0 || o->max_loss >= 0;
}

/** options_parse() - Return: 0, or the exit status plus 1 where the program ends here. */
int options_parse(struct compress_options *o, int argc, char **argv);

/** options_describe_layers() - add to o->text what layers get other than the options for all. */
void options_describe_layers(struct compress_options *o, const struct net *net,
			     const struct quantize_layer_options *layers);

/** compare() - --compare; returns the exit status. */
int compare(const struct compress_options *o);

/**
 * plan_make() - what each layer gets: the options for all, then --config, then --keep
 * @layers: result, by layer, to be freed; a sparsity below 0 is --sparsity's
 * Return: 0 or a negative errno, @err is one line.
 */
int plan_make(const struct compress_options *o, const struct net *net,
	      struct quantize_layer_options **layers, char *err, size_t errlen);

struct search;

/**
 * image_describe() - what the options say of an image: all but its network, input, classes and
 *                    score
 */
void image_describe(struct image_info *info, const struct compress_options *o);

/** image_score_data() - what the metadata say the score was measured on. */
const char *image_score_data(const struct compress_options *o);

/**
 * report_write() - tell of the finished image: table or JSON on standard output, and the page
 * @search: that found the plan; NULL: none
 * @image: the image's bytes
 * @evaluation: NULL where nothing was evaluated
 *
 * Return: 0 or a negative errno, @err is one line. That standard output took it all is for the
 * caller to check.
 */
int report_write(const struct compress_options *o, const struct search *search,
		 const struct image_info *info, const void *image, size_t len,
		 const struct score *calibration, const struct score *evaluation, char *err,
		 size_t errlen);

/**
 * list_ops_run() - print the operators of o->model and whether they are supported
 * Return: 0, or a negative errno where something is not, @err is one line.
 */
int list_ops_run(const struct compress_options *o, char *err, size_t errlen);

/**
 * export_onnx() - the bytes of a standard ONNX file that any runtime runs, of an image
 * @data: malloc()ed, as @size bytes
 * @bound: how far an engine's output is from the card's, in real values, when every 8-bit value that
 *         the last layer sums is at most a step off
 *
 * Return: 0 or a negative errno with @err: -EBADMSG a refused image, -ERANGE constants beyond single
 * precision, -EFBIG above 2 GiB, -ENOMEM.
 */
int export_onnx(const void *image, size_t len, void **data, size_t *size, double *bound, char *err,
		size_t errlen);

/** export_made() - the image just made, to o->export_onnx. Return: exit status. */
int export_made(const struct compress_options *o, const void *image, size_t len);

/** export_file() - o->image to o->export_onnx. Return: exit status. */
int export_file(const struct compress_options *o);

#endif
