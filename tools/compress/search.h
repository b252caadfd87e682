/* SPDX-License-Identifier: MIT */
/*
 * The search for bits and sparsity by layer: --target-cr and --max-loss.
 *
 * 1. Sensitivity (search_probe.c). Each layer is quantized in each of a grid of ways, from
 *    the float network's inputs and on a sample of its weights: its relative output error
 *    and its coded size. One of the ways is put into the otherwise float network, which
 *    tells what such an error does to the classes: the layer's effect.
 * 2. A plan (search_plan.c) gives each layer one way. The loss that is expected of it is the
 *    sum of effect times error; from the best plan on, the step that costs least loss for
 *    the bytes that it saves is taken again and again.
 * 3. Passes (search.c). A plan is quantized as a whole and run on the soft card. What it
 *    weighs corrects the sizes that are expected, and the plan is moved until the
 *    constraint is met; other weightings of the effects are tried at the same size.
 *
 * Top-1 is coarse where pictures are few, so plans of a size are ranked by how far the
 * outputs are from the float network's (score_divergence()); --max-loss itself is held
 * against top-1.
 */
#ifndef SEARCH_H
#define SEARCH_H

#include <stdio.h>

#include "compress.h"

#define SEARCH_WAYS	30	/* of quantizing a layer */
#define SEARCH_PASSES	12

/* Bits and share of weights to prune. */
struct search_way {
	unsigned int bits;
	double sparsity;
};

struct search_layer {
	uint32_t layer;		/* of the network */
	size_t weights;
	bool probed, weighed;	/* error and bytes, effect are known */
	double error[SEARCH_WAYS];	/* noise to signal of the output */
	double bytes[SEARCH_WAYS];	/* of the weight stream */
	double effect;		/* divergence of the outputs for an error of 1 */
	double correction;	/* bytes of the last pass by those that were expected */
};

/* A plan that was quantized as a whole and run on the soft card. */
struct search_pass {
	uint8_t *ways;		/* by layer with weights */
	uint32_t *stream;	/* likewise: bytes of its weight stream */
	size_t bytes;		/* of the image */
	double cr, bits, zeros;	/* bits and share of zeros by weight */
	struct score calibration, evaluation;
};

struct search {
	const struct compress_options *o;
	struct net *net;
	const struct picture_set *calibration, *evaluation;	/* evaluation NULL: none */
	struct image_info info;		/* for trial images */
	float pixel_scale;
	struct search_way ways[SEARCH_WAYS];
	uint32_t way_count;
	struct search_layer *layers;	/* those with weights */
	uint32_t layer_count;
	struct search_pass *known;	/* all that were ever measured */
	size_t known_count;
	size_t passes[SEARCH_PASSES];	/* of this search, in order: numbers of known ones */
	uint32_t pass_count;
	size_t chosen;			/* a known one */
	double overhead;		/* bytes of an image beside its weight streams */
	uint32_t key[4];		/* of what the measurements depend on */
	char err[1024];
};

/**
 * search_run() - find a plan
 * @s:      o, net, calibration, evaluation, info and pixel_scale are set; info.q is not read
 * @layers: the plan, by layer of the network, for quantize_options.layers; malloc()ed
 *
 * Return: 0, -ERANGE where no plan meets the constraint, or another negative errno; s->err
 * is one line. Free with search_free() in either case.
 */
int search_run(struct search *s, struct quantize_layer_options **layers);

/** search_free() - free what search_run() allocated. */
void search_free(struct search *s);

/**
 * search_loss() - percentage points of top-1 that a plan loses, of agreement where pictures have
 *                 no labels; on the evaluation pictures if they are worse
 */
double search_loss(const struct search *s, const struct search_pass *p);

/** search_pass_add() - room for one more in s->known, or NULL. */
struct search_pass *search_pass_add(struct search *s);

/* search_probe.c */

/** search_probe() - measure what is missing of s->layers. */
int search_probe(struct search *s);

/* search_plan.c */

/**
 * search_plan() - the ways of least expected loss in at most so many bytes
 * @bytes:    of all weight streams
 * @exponent: of the effects, 0: all layers count alike
 * @ways:     by layer with weights
 *
 * Return: false where the smallest plan is larger, which is then in @ways.
 */
bool search_plan(const struct search *s, double bytes, double exponent, uint8_t *ways);

/** search_uniform() - the same for all layers: what a plan must be better than. */
void search_uniform(const struct search *s, double bytes, uint8_t *ways);

/** search_plan_bytes() - the size that is expected of a plan's weight streams. */
double search_plan_bytes(const struct search *s, const uint8_t *ways);

/* search_file.c: what was measured, for --resume. */

/** search_file_read() - take over what a file holds; 0 too where there is none. */
int search_file_read(struct search *s);

/** search_file_write() - write all that is known; 0 too without --resume. */
int search_file_write(struct search *s);

/* search_report.c */

/** search_describe() - options and plan for the metadata, cut where @len ends. */
void search_describe(const struct search *s, const struct search_pass *p, char *text, size_t len);

/** search_print() - the passes as a table. */
void search_print(const struct search *s);

/** search_json() - the passes as a JSON object. */
void search_json(FILE *out, const struct search *s);

#endif
