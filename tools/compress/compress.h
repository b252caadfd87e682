/* SPDX-License-Identifier: MIT */
/* What the files of fqaccel-compress share. */
#ifndef COMPRESS_H
#define COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dataset.h"
#include "common/option.h"
#include "net/quantize.h"

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
	bool rounding_given, wsep_given, pictures_given, prune_given;
	bool compare, list_ops, json;
	double target_cr;		/* 0: not given */
	double max_loss;		/* percentage points; below 0: not given */
	float mean[3], std[3];
	bool bgr, range255, quiet;
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

/**
 * network_normalize() - y = (x - mean) / std in front of the network, x in 0..1; times 255 with
 *                       --range255
 * @net: simplified, and so it is afterwards; its input has 1 or 3 channels
 *
 * Return: 0, or a negative errno with @err.
 */
int network_normalize(struct net *net, const struct compress_options *o, struct net_error *err);

/**
 * score_divergence() - how far outputs are from the float network's
 * @classes: they are the classes' logits: the Kullback-Leibler divergence, in nats; else noise
 *           to signal
 */
double score_divergence(const float *reference, const float *output, size_t n, bool classes);

/** compare() - --compare; returns the exit status. */
int compare(const struct compress_options *o);

/**
 * plan_make() - what each layer gets: the options for all, then --config, then --keep
 * @layers: result, by layer, to be freed; a sparsity below 0 is --sparsity's
 * Return: 0 or a negative errno, @err is one line.
 */
int plan_make(const struct compress_options *o, const struct net *net,
	      struct quantize_layer_options **layers, char *err, size_t errlen);

/* Pictures as the network takes them, N * C * H * W bytes, and their labels. */
struct picture_set {
	size_t count;
	uint8_t *pixels;
	int *labels;
	bool labeled;
};

/**
 * pictures_load() - read and fit at most @limit pictures, evenly taken from the set
 * @color: channel order of the network's input
 * Return: 0 or a negative errno, @err is one line.
 */
int pictures_load(const char *path, size_t limit, const struct net_tensor *t,
		  enum img_color color, int resize, unsigned int threads,
		  const char *const *classes, size_t class_count, struct picture_set *set,
		  char *err, size_t errlen);

/** pictures_synthetic() - random soft-edged pictures, for want of real ones. */
int pictures_synthetic(const struct net_tensor *t, uint64_t seed, struct picture_set *set);

/** pictures_free() - free the arrays. */
void pictures_free(struct picture_set *set);

/** classes_load() - one name in a line; @count must be met. */
int classes_load(const char *path, size_t count, char ***names, char *err, size_t errlen);

/** classes_number() - "0", "1", ... for want of names. */
int classes_number(size_t count, char ***names);

/** classes_free() - free the names. */
void classes_free(char **names, size_t count);

/* How a network did on pictures. */
struct score {
	size_t pictures, labeled;
	size_t agree;		/* same best class as the float network */
	size_t top1, top5;	/* of the labeled ones */
	size_t float_top1, float_top5;
	double divergence;	/* mean of score_divergence() */
};

struct search;

/* The image being made. */
struct image_info {
	const struct compress_options *o;
	const struct qnet *q;
	char **classes;		/* NULL: none */
	uint32_t class_count;
	enum fqz_color color;
	uint32_t resize;
	uint32_t source_crc;
	const struct score *score;	/* NULL: not measured yet */
	const char *score_data;
	const struct search *search;	/* that found the plan; NULL: none */
};

/** image_score_data() - what the metadata say the score was measured on. */
const char *image_score_data(const struct compress_options *o);

/** image_make() - the .fqz image in memory; *data is malloc()ed. */
int image_make(const struct image_info *info, void **data, size_t *len, char *err,
	       size_t errlen);

/**
 * card_score() - run an image on the soft card and compare with the float network
 * @net:   the float network, or NULL: no agreement
 * @scale: real value of a pixel step of the float network's input
 */
int card_score(const void *image, size_t len, const struct net *net, float scale,
	       const struct picture_set *set, unsigned int threads, struct score *s, char *err,
	       size_t errlen);

/**
 * report_write() - tell of the finished image: table or JSON on standard output, and the page
 * @image: the image's bytes
 * @evaluation: NULL where nothing was evaluated
 *
 * Return: 0 or a negative errno, @err is one line. That standard output took it all is for the
 * caller to check.
 */
int report_write(const struct image_info *info, const void *image, size_t len,
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
