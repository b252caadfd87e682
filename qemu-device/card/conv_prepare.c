/* SPDX-License-Identifier: MIT */
/* At LOAD: choose a form for a layer and for each of its channels, lay out the weights. */
#include "conv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONV_FEW_PIXELS		GEMM_ROWS	/* up to here: columns */
#define CONV_SLACK		GEMM_LANES	/* elements that a copy may read too many */

enum channel_form { CHANNEL_SINGLE, CHANNEL_SPLIT, CHANNEL_WIDE };

/* While a layer is prepared. */
struct preparation {
	const struct card_tensor *in;
	const struct fqz_layer *l;
	struct conv *cv;
	const uint8_t *symbols;
	uint32_t alphabet;
	int32_t weights[FQZ_MAX_ALPHABET];
	/* By enum conv_part and symbol: the int16 of a row, and what it lacks. */
	int16_t values[3][FQZ_MAX_ALPHABET];
	int32_t rests[3][FQZ_MAX_ALPHABET];
	uint8_t *forms;			/* enum channel_form of each channel */
	struct card_tick *tick;
};

static int32_t low_part(int32_t w)
{
	return ((w + 128) & 255) - 128;
}

/* Can the sum of these weights leave 32 bits, for any input of its type? */
static bool sum_fits(const struct card_tensor *in, int64_t positive, int64_t negative)
{
	int64_t high = in->bound, low = in->type == FQZ_U8 ? 0 : in->bound;

	return positive * high + negative * low <= INT32_MAX &&
	       positive * low + negative * high <= INT32_MAX;
}

/* A weight's share in a row of this part. */
static int32_t part_of(int32_t w, enum conv_part part)
{
	if (part == CONV_SINGLE)
		return w;
	return part == CONV_LOW ? low_part(w) : (w - low_part(w)) / 256;
}

static int32_t at_most_int16(int32_t w)
{
	return w < INT16_MIN ? INT16_MIN : w > INT16_MAX ? INT16_MAX : w;
}

/* How many int16 it takes to make up a remainder. */
static uint32_t extra_terms(int32_t rest)
{
	uint32_t n = 0;

	for (; rest; rest -= at_most_int16(rest))
		n++;
	return n;
}

static void make_tables(struct preparation *p)
{
	unsigned int part;
	uint32_t i;

	fqz_layer_weights(p->l, p->weights);
	p->alphabet = fqz_layer_alphabet(p->l);
	for (part = CONV_SINGLE; part <= CONV_HIGH; part++) {
		for (i = 0; i < p->alphabet; i++) {
			int32_t w = part_of(p->weights[i], (enum conv_part)part);

			p->values[part][i] = (int16_t)at_most_int16(w);
			p->rests[part][i] = w - p->values[part][i];
		}
	}
}

/* Does a channel's row of this part sum to 32 bits? @counts: how often each symbol occurs. */
static bool part_fits(const struct preparation *p, const uint32_t *counts, enum conv_part part)
{
	int64_t positive = 0, negative = 0;
	uint32_t i;

	for (i = 0; i < p->alphabet; i++) {
		int64_t w = part_of(p->weights[i], part);

		if (w > 0)
			positive += w * counts[i];
		else
			negative -= w * counts[i];
	}
	return sum_fits(p->in, positive, negative);
}

static uint8_t channel_form(const struct preparation *p, uint32_t o)
{
	const uint8_t *symbol = p->symbols + (size_t)o * p->cv->inputs;
	uint32_t counts[256] = { 0 }, extras = 0, i;

	/* What int16 cannot hold, and what was not padded, only the plain sum takes. */
	if (p->in->bound > INT16_MAX || !p->cv->padded)
		return CHANNEL_WIDE;
	for (i = 0; i < p->cv->inputs; i++)
		counts[symbol[i]]++;
	for (i = 0; i < p->alphabet; i++)
		extras += counts[i] * extra_terms(p->rests[CONV_SINGLE][i]);
	/* Direct rows have 32-bit weights, and no split. */
	if (p->cv->form == CONV_DIRECT)
		return part_fits(p, counts, CONV_SINGLE) ? CHANNEL_SINGLE : CHANNEL_WIDE;
	if (part_fits(p, counts, CONV_SINGLE) && extras <= p->cv->inputs / 8 + 2)
		return CHANNEL_SINGLE;
	if (part_fits(p, counts, CONV_LOW) && part_fits(p, counts, CONV_HIGH))
		return CHANNEL_SPLIT;
	return CHANNEL_WIDE;
}

/*
 * The padded plane, unless hostile pads blow it up: the memory that a RUN takes must stay
 * in proportion to its tensors.
 */
static void plan_padded(struct conv *cv, const struct fqz_layer *l, const struct card_tensor *in)
{
	uint64_t w = (uint64_t)in->w + l->pad_left + l->pad_right;

	cv->rows = in->h + l->pad_top + l->pad_bottom;
	cv->phase = (uint32_t)((w + l->stride_w - 1) / l->stride_w);
	cv->row_len = (uint64_t)cv->phase * l->stride_w;
	cv->plane = cv->rows * cv->row_len;
	cv->padded = in->c * cv->plane + CONV_SLACK;
	if (cv->padded > 4 * (uint64_t)in->elements + (1u << 20))
		cv->padded = 0;
}

static void plan_form(struct conv *cv, const struct fqz_layer *l, const struct card_tensor *out)
{
	uint32_t per_group = l->outputs / l->groups;

	cv->inputs = l->inputs_per_output;
	cv->pairs = (cv->inputs + 1) / 2;
	cv->area = out->h * out->w;
	cv->tiles = (cv->area + GEMM_LANES - 1) / GEMM_LANES;
	if (per_group < GEMM_ROWS && (l->groups > 1 || cv->area > CONV_FEW_PIXELS))
		cv->form = CONV_DIRECT;
	else
		cv->form = cv->area <= CONV_FEW_PIXELS ? CONV_COLUMNS : CONV_ROWS;
}

static void add_rows(struct preparation *p, uint32_t o, enum conv_part part)
{
	struct conv *cv = p->cv;

	cv->row[cv->row_count++] = (struct conv_row){ .channel = o, .part = part };
}

/* Split channels first, so that no block of four rows separates a low from a high row. */
static void assign_group(struct preparation *p, struct conv_group *g, uint32_t first,
			 uint32_t count)
{
	struct conv *cv = p->cv;
	uint32_t o;

	g->row = cv->row_count;
	g->wide = cv->wide_count;
	g->tile = cv->tile_count;
	for (o = first; o < first + count; o++) {
		if (p->forms[o] == CHANNEL_SPLIT) {
			add_rows(p, o, CONV_LOW);
			add_rows(p, o, CONV_HIGH);
		} else if (p->forms[o] == CHANNEL_WIDE) {
			cv->wide_channels[cv->wide_count++] = o;
		}
	}
	for (o = first; o < first + count; o++)
		if (p->forms[o] == CHANNEL_SINGLE)
			add_rows(p, o, CONV_SINGLE);
	g->row_count = cv->row_count - g->row;
	g->wide_count = cv->wide_count - g->wide;
	cv->tile_count += (g->row_count + GEMM_LANES - 1) / GEMM_LANES;
}

static int assign(struct preparation *p)
{
	uint32_t per_group = p->l->outputs / p->l->groups, g, o;
	struct conv *cv = p->cv;

	cv->groups = calloc(p->l->groups, sizeof(*cv->groups));
	cv->row = calloc(2 * (size_t)p->l->outputs, sizeof(*cv->row));
	cv->wide_channels = calloc(p->l->outputs, sizeof(*cv->wide_channels));
	if (!cv->groups || !cv->row || !cv->wide_channels)
		return -ENOMEM;
	for (o = 0; o < p->l->outputs; o++) {
		if (card_tick(p->tick, cv->inputs))
			return -ECANCELED;
		p->forms[o] = channel_form(p, o);
	}
	for (g = 0; g < p->l->groups; g++)
		assign_group(p, &cv->groups[g], g * per_group, per_group);
	return 0;
}

static int add_extra(struct conv *cv, struct conv_row *row, uint32_t k, int32_t weight)
{
	uint32_t low = (uint16_t)weight;
	struct gemm_term *extra;

	/* Grows to powers of two. */
	if (!(cv->extra_count & (cv->extra_count - 1))) {
		size_t room = cv->extra_count ? 2 * (size_t)cv->extra_count : 1;

		extra = realloc(cv->extra, room * sizeof(*extra));
		if (!extra)
			return -ENOMEM;
		cv->extra = extra;
	}
	if (!row->extra_count++)
		row->extra = cv->extra_count;
	cv->extra[cv->extra_count++] =
		(struct gemm_term){ k / 2, (int32_t)(k % 2 ? low << 16 : low) };
	return 0;
}

/* What the int16 values of a row lack goes to the extras. */
static int collect_extras(const struct preparation *p, struct conv_row *row)
{
	const uint8_t *symbol = p->symbols + (size_t)row->channel * p->cv->inputs;
	const int32_t *rests = p->rests[row->part];
	int32_t rest, piece;
	uint32_t k;
	int ret = 0;

	for (k = 0; k < p->cv->inputs; k++) {
		for (rest = rests[symbol[k]]; rest && !ret; rest -= piece) {
			piece = at_most_int16(rest);
			ret = add_extra(p->cv, row, k, piece);
		}
	}
	return ret;
}

static int pack_row(const struct preparation *p, struct conv_row *row, int32_t *to)
{
	const uint8_t *symbol = p->symbols + (size_t)row->channel * p->cv->inputs;
	const int16_t *values = p->values[row->part];
	uint32_t k;

	if (card_tick(p->tick, p->cv->inputs))
		return -ECANCELED;
	for (k = 0; k < p->cv->inputs; k++)
		to[k / 2] = (int32_t)((uint32_t)to[k / 2] |
				      (uint32_t)(uint16_t)values[symbol[k]] << (k % 2 ? 16 : 0));
	return collect_extras(p, row);
}

static int pack_rows(struct preparation *p)
{
	struct conv *cv = p->cv;
	uint32_t r;
	int ret = 0;

	cv->row_weights = calloc((size_t)cv->row_count * cv->pairs + 1, sizeof(int32_t));
	if (!cv->row_weights)
		return -ENOMEM;
	for (r = 0; r < cv->row_count && !ret; r++)
		ret = pack_row(p, &cv->row[r], cv->row_weights + (size_t)r * cv->pairs);
	return ret;
}

static int pack_lane(const struct preparation *p, struct conv_row *row, int16_t *to)
{
	const uint8_t *symbol = p->symbols + (size_t)row->channel * p->cv->inputs;
	const int16_t *values = p->values[row->part];
	uint32_t k;

	if (card_tick(p->tick, p->cv->inputs))
		return -ECANCELED;
	for (k = 0; k < p->cv->inputs; k++)
		to[(size_t)(k / 2) * 2 * GEMM_LANES + k % 2] = values[symbol[k]];
	return collect_extras(p, row);
}

static int pack_columns(struct preparation *p)
{
	struct conv *cv = p->cv;
	size_t tile = (size_t)cv->pairs * 2 * GEMM_LANES;
	uint32_t g, r;
	int ret = 0;

	cv->tile_weights = calloc(cv->tile_count * tile + 1, sizeof(int16_t));
	if (!cv->tile_weights)
		return -ENOMEM;
	for (g = 0; g < p->l->groups; g++) {
		const struct conv_group *group = &cv->groups[g];

		for (r = 0; r < group->row_count && !ret; r++)
			ret = pack_lane(p, &cv->row[group->row + r], cv->tile_weights +
					(group->tile + r / GEMM_LANES) * tile +
					2 * (r % GEMM_LANES));
	}
	return ret;
}

static void plain_weights(const struct preparation *p, uint32_t o, int32_t *to)
{
	const uint8_t *symbol = p->symbols + (size_t)o * p->cv->inputs;
	uint32_t k;

	for (k = 0; k < p->cv->inputs; k++)
		to[k] = p->weights[symbol[k]];
}

static int pack_direct(struct preparation *p)
{
	struct conv *cv = p->cv;
	uint32_t r;

	cv->row_weights = malloc((size_t)cv->row_count * cv->inputs * sizeof(int32_t) + 1);
	if (!cv->row_weights)
		return -ENOMEM;
	for (r = 0; r < cv->row_count; r++)
		plain_weights(p, cv->row[r].channel, cv->row_weights + (size_t)r * cv->inputs);
	return 0;
}

static int pack_wide(struct preparation *p)
{
	struct conv *cv = p->cv;
	uint32_t i;

	cv->wide = malloc((size_t)cv->wide_count * cv->inputs * sizeof(int32_t) + 1);
	if (!cv->wide)
		return -ENOMEM;
	for (i = 0; i < cv->wide_count; i++)
		plain_weights(p, cv->wide_channels[i], cv->wide + (size_t)i * cv->inputs);
	return 0;
}

static uint64_t conv_bytes(const struct conv *cv)
{
	uint64_t bytes = 4 * (uint64_t)cv->wide_count * cv->inputs +
			 sizeof(struct gemm_term) * cv->extra_count;

	if (cv->form == CONV_ROWS)
		return bytes + 4 * (uint64_t)cv->row_count * cv->pairs;
	if (cv->form == CONV_COLUMNS)
		return bytes + 4 * (uint64_t)cv->tile_count * GEMM_LANES * cv->pairs;
	return bytes + 4 * (uint64_t)cv->row_count * cv->inputs;
}

static int prepare(struct preparation *p)
{
	int ret = assign(p);

	if (!ret)
		ret = pack_wide(p);
	if (ret)
		return ret;
	switch (p->cv->form) {
	case CONV_ROWS:
		return pack_rows(p);
	case CONV_COLUMNS:
		return pack_columns(p);
	default:
		return pack_direct(p);
	}
}

int card_conv_prepare(struct card_model *m, struct card_layer *l, const uint8_t *symbols,
		      struct card_tick *tick)
{
	struct preparation p = {
		.in = &m->tensors[l->desc.inputs[0]],
		.l = &l->desc,
		.symbols = symbols,
		.tick = tick,
	};
	int ret;

	p.cv = calloc(1, sizeof(*p.cv));
	p.forms = malloc(l->desc.outputs);
	if (!p.cv || !p.forms) {
		free(p.cv);
		free(p.forms);
		return -ENOMEM;
	}
	l->prepared = p.cv;
	make_tables(&p);
	plan_form(p.cv, &l->desc, &m->tensors[l->desc.output]);
	plan_padded(p.cv, &l->desc, p.in);
	ret = prepare(&p);
	free(p.forms);
	m->decoded += conv_bytes(p.cv);
	return ret;
}

void card_conv_unprepare(struct card_layer *l)
{
	struct conv *cv = l->prepared;

	free(cv->groups);
	free(cv->row);
	free(cv->extra);
	free(cv->row_weights);
	free(cv->tile_weights);
	free(cv->wide_channels);
	free(cv->wide);
	free(cv);
	l->prepared = NULL;
}
