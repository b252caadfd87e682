/* SPDX-License-Identifier: MIT */
/*
 * How the fast executor runs CONV and FC. Three forms, chosen at LOAD:
 *
 * rows     weights are broadcast, a tile holds 32 output pixels
 * columns  pixels are broadcast, a tile holds 32 rows of weights: for few pixels (FC)
 * direct   few outputs in a group (depthwise): output rows, weight by weight
 *
 * Inputs are first copied into a padded plane of int16, its columns sorted by their
 * remainder modulo the stride, so each weight meets a contiguous row of it.
 *
 * A channel's weights go into one int16 row where its sum provably fits 32 bits; weights
 * beyond int16 leave remainders in a list. Else into two rows, w = low + 256 * high;
 * and where that may overflow as well, the channel is summed plainly in 64 bits.
 */
#ifndef CARD_CONV_H
#define CARD_CONV_H

#include "gemm.h"

enum conv_form { CONV_ROWS, CONV_COLUMNS, CONV_DIRECT };
enum conv_part { CONV_SINGLE, CONV_LOW, CONV_HIGH };

/* A row of int16 weights. Low and high rows of a channel follow each other. */
struct conv_row {
	uint32_t channel;
	enum conv_part part;
	uint32_t extra, extra_count;
};

struct conv_group {
	uint32_t row, row_count;
	uint32_t tile;			/* columns: its first tile */
	uint32_t wide, wide_count;	/* in wide_channels */
};

struct conv {
	enum conv_form form;
	uint32_t inputs, pairs;		/* of one sum; pairs = ceil(inputs / 2) */
	uint32_t area, tiles;		/* output pixels of a channel; in tiles */
	/* The padded plane of a channel: rows of stride_w phases of @phase elements. */
	uint32_t rows, phase;
	uint64_t row_len, plane, padded;
	uint32_t row_count, extra_count, wide_count, tile_count;
	struct conv_group *groups;
	struct conv_row *row;
	struct gemm_term *extra;
	int32_t *row_weights;		/* rows: pairs of int16 for each row; direct: plain */
	int16_t *tile_weights;		/* columns: tiles, see multiply() */
	uint32_t *wide_channels;
	int32_t *wide;			/* their weights, inputs each */
};

int card_conv_prepare(struct card_model *m, struct card_layer *l, const uint8_t *symbols,
		      struct card_tick *tick);
void card_conv_unprepare(struct card_layer *l);
size_t card_conv_scratch(const struct card_model *m, const struct card_layer *l);
int card_conv_run(const struct gemm_kernel *kernel, const struct card_model *m,
		  const struct card_layer *l, uint8_t *arena, void *scratch,
		  struct card_tick *tick);

/* simple.c: all other kinds. */
size_t card_simple_scratch(const struct card_model *m, const struct card_layer *l);
int card_simple_run(const struct gemm_kernel *kernel, const struct card_model *m,
		    const struct card_layer *l, uint8_t *arena, void *scratch,
		    struct card_tick *tick);

/** card_finish_channel() - FORMAT.md section 7's parameters of channel @c. */
static inline struct gemm_finish card_finish_channel(const struct fqz_layer *l, uint32_t c)
{
	return (struct gemm_finish){
		.scale = l->scale[c],
		.bias = (int64_t)l->bias[c] * (INT64_C(1) << l->bias_shift),
		.shift = l->shift[c],
		.min = l->act_min,
		.max = l->act_max,
	};
}

#endif
