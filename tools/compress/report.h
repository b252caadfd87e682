/* SPDX-License-Identifier: MIT */
/*
 * What fqaccel-compress tells of an image. report_collect() gathers the numbers once; text,
 * JSON and HTML print the same ones.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdio.h>

#include "compress.h"

#define REPORT_BINS	128

/* Weights of a layer by value. What is outside of from..to is counted apart. */
struct report_bins {
	double from, to;
	uint64_t kept[REPORT_BINS];	/* float weights that are not 0, and stayed so */
	uint64_t zeroed[REPORT_BINS];	/* float weights that are not 0 and became 0 */
	uint64_t after[REPORT_BINS];	/* quantized weights whose symbol is not 0 */
	uint64_t outside, outside_after;
};

struct report_histograms {
	struct report_bins value;	/* as they are */
	struct report_bins unit;	/* divided by the scale of the output channel */
};

/* A layer with weights. */
struct report_layer {
	uint32_t index;			/* in the network and in the image */
	const char *name;
	const struct qlayer *q;
	uint32_t shape[4];		/* outputs, inputs of a group, kernel rows and columns */
	uint32_t groups;
	uint64_t weights;
	uint64_t zeros;			/* symbols that are 0: pruned, or rounded to 0 */
	uint64_t zeros_before;		/* float weights that were 0 when they were quantized */
	enum fqz_coder coder;
	uint64_t stream_bytes, channel_bytes;
	double entropy;			/* order 0, bits a weight */
	double mask_entropy;		/* the part of it that says which weights are 0 */
	double scale, scale_min, scale_max;	/* |S|: median, smallest and largest channel's */
	bool one_scale;			/* all channels have the same S, sign included */
	double mean[2];			/* of the fitted mixture; NAN where nothing was fitted */
	double shift_bias;		/* b of the paper; NAN: no sigma to measure it by */
	uint64_t symbol_count[FQZ_MAX_ALPHABET];
};

struct report {
	const struct compress_options *o;
	const struct search *search;	/* that found the plan; NULL: none */
	const struct image_info *info;
	const struct score *calibration;
	const struct score *evaluation;	/* NULL: not measured */
	double agreement;		/* with the float network, % of the calibration pictures */
	uint64_t file_bytes, stream_bytes, channel_bytes;
	uint64_t dense_bytes;		/* 4 for each weight and bias */
	uint64_t packed_bytes;		/* n bits for each weight, and the channels */
	uint64_t weights, zeros;
	double entropy, mask_entropy;	/* bits of all weights */
	struct report_layer *layers;
	uint32_t layer_count;
	const struct report_layer *classifier;	/* last layer if fully connected, or NULL */
	uint64_t classifier_dense;		/* its share of dense_bytes */
};

/**
 * report_collect() - from the quantized network and the bytes of its image
 *
 * Return: 0, or a negative errno with @err. Free with report_free() in either case.
 */
int report_collect(const struct image_info *info, const void *image, size_t len,
		   const struct score *calibration, const struct score *evaluation,
		   struct report *r, char *err, size_t errlen);

/** report_free() - free the layers. */
void report_free(struct report *r);

/** report_histograms_fill() - count a layer's weights. */
int report_histograms_fill(const struct report *r, const struct report_layer *l,
			   struct report_histograms *h);

/** report_remedy() - what to try where the agreement is poor, or NULL where it is not. */
const char *report_remedy(const struct report *r);

/** report_coded_bits() - bits of a layer's stream for each weight. */
double report_coded_bits(const struct report_layer *l);

/** report_rate() - the compression rate, and the one without the classifier's weights. */
double report_rate(const struct report *r);
double report_rate_without_classifier(const struct report *r);

/** report_short_name() - a layer's name in at most @room - 1 characters. */
void report_short_name(const char *name, char *text, size_t room);

/** report_json() - the JSON object. */
void report_json(FILE *out, const struct report *r);

/** report_html() - the page; 0 or -ENOMEM. */
int report_html(FILE *out, const struct report *r);

/** report_style - the page's style sheet. */
extern const char report_style[];

/* report_svg.c: a layer's figures, each an <svg> element. */

/** report_svg_before() - float weights with the mixture over them. */
void report_svg_before(FILE *out, const struct report_layer *l, const struct report_bins *b);

/** report_svg_after() - quantized weights on the same axis. */
void report_svg_after(FILE *out, const struct report_layer *l, const struct report_bins *b);

/** report_svg_levels() - how often each level is used, in units of the channel's scale. */
void report_svg_levels(FILE *out, const struct report_layer *l, const struct report_bins *b);

#endif
