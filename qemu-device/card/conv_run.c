/* SPDX-License-Identifier: MIT */
/* CONV and FC in the fast executor; conv.h describes the forms. */
#include "conv.h"

#include <errno.h>
#include <string.h>

/* A layer while it runs. */
struct job {
	const struct gemm_kernel *kernel;
	const struct fqz_layer *l;
	const struct conv *cv;
	const struct card_tensor *in, *out;
	const uint8_t *x;		/* the input tensor */
	uint8_t *y;			/* the output tensor */
	int16_t *padded;
	int16_t *tile;			/* rows: pairs * 2 * GEMM_LANES */
	int32_t *vectors;		/* columns: a pixel's inputs in pairs, GEMM_ROWS times */
	int32_t *sums;			/* direct: a row of the output */
	struct card_tick *tick;
};

static size_t align64(size_t n)
{
	return (n + 63) / 64 * 64;
}

static size_t tile_bytes(const struct conv *cv)
{
	if (cv->form == CONV_ROWS)
		return align64((size_t)cv->pairs * 2 * GEMM_LANES * sizeof(int16_t));
	if (cv->form == CONV_COLUMNS)
		return align64((size_t)cv->pairs * GEMM_ROWS * sizeof(int32_t));
	return 0;
}

size_t card_conv_scratch(const struct card_model *m, const struct card_layer *l)
{
	const struct conv *cv = l->prepared;
	size_t bytes = align64(cv->padded * sizeof(int16_t)) + tile_bytes(cv);

	if (cv->form == CONV_DIRECT)
		bytes += align64(m->tensors[l->desc.output].w * sizeof(int32_t));
	return bytes;
}

/* Widen @count elements to int16, taking each @step-th. */
static void widen(const struct card_tensor *t, const uint8_t *from, uint64_t at, uint32_t step,
		  uint32_t count, int16_t *to)
{
	uint32_t i;

	from += at * (t->type == FQZ_S32 ? 4 : 1);
	if (t->type == FQZ_U8 && step == 1) {
		for (i = 0; i < count; i++)
			to[i] = from[i];
	} else if (t->type == FQZ_S8 && step == 1) {
		for (i = 0; i < count; i++)
			to[i] = (int8_t)from[i];
	} else if (t->type == FQZ_S32) {
		for (i = 0; i < count; i++)
			to[i] = (int16_t)card_get_s32(from + 4 * (size_t)i * step);
	} else {
		for (i = 0; i < count; i++)
			to[i] = t->type == FQZ_U8 ? from[(size_t)i * step] :
				(int8_t)from[(size_t)i * step];
	}
}

/* A row of the input into its phases: column x goes to phase (x + Pad_left) mod stride. */
static void pad_row(const struct job *j, uint64_t at, int16_t *to)
{
	uint32_t stride = j->l->stride_w, phase, first, column;

	for (phase = 0; phase < stride; phase++) {
		/* The first column of the input in this phase. */
		first = (phase + stride - j->l->pad_left % stride) % stride;
		if (first >= j->in->w)
			continue;
		column = (first + j->l->pad_left) / stride;
		widen(j->in, j->x, at + first, stride, (j->in->w - first - 1) / stride + 1,
		      to + (uint64_t)phase * j->cv->phase + column);
	}
}

static bool pad_input(const struct job *j)
{
	const struct conv *cv = j->cv;
	uint32_t c, y;

	for (c = 0; c < j->in->c; c++) {
		int16_t *plane = j->padded + c * cv->plane;

		if (card_tick(j->tick, cv->plane / 16))
			return false;
		if (cv->plane != (uint64_t)j->in->h * j->in->w)
			memset(plane, 0, cv->plane * sizeof(*plane));
		for (y = 0; y < j->in->h; y++)
			pad_row(j, ((uint64_t)c * j->in->h + y) * j->in->w,
				plane + (y + j->l->pad_top) * cv->row_len);
	}
	memset(j->padded + j->in->c * cv->plane, 0, GEMM_LANES * sizeof(int16_t));
	return true;
}

/* Where, in the padded input, weight (c, p, q) finds its input for output pixel (0, 0). */
static uint64_t weight_place(const struct job *j, uint32_t c, uint32_t p, uint32_t q)
{
	uint32_t x = q * j->l->dilation_w;

	return c * j->cv->plane + (uint64_t)p * j->l->dilation_h * j->cv->row_len +
	       (uint64_t)(x % j->l->stride_w) * j->cv->phase + x / j->l->stride_w;
}

/* The place of output pixel (i, j) relative to that. */
static uint64_t pixel_place(const struct job *j, uint32_t pixel)
{
	return (uint64_t)(pixel / j->out->w) * j->l->stride_h * j->cv->row_len +
	       pixel % j->out->w;
}

/* Pixels of a tile that lie side by side. */
struct segment {
	uint32_t start;
	uint64_t place;
};

static uint32_t tile_segments(const struct job *j, uint32_t pixel, uint32_t count,
			      struct segment segments[GEMM_LANES])
{
	uint32_t n = 0, start = 0, left;

	while (start < count) {
		segments[n++] = (struct segment){ start, pixel_place(j, pixel + start) };
		left = j->out->w - (pixel + start) % j->out->w;
		start += left;
	}
	return n;
}

static void interleave(const int16_t *restrict a, const int16_t *restrict b, int16_t *restrict to)
{
	uint32_t i;

	for (i = 0; i < GEMM_LANES; i++) {
		to[2 * i] = a[i];
		to[2 * i + 1] = b[i];
	}
}

/*
 * The tile's inputs, weight by weight. Each segment is copied with a fixed length: what it writes
 * too many is overwritten by the next one, or belongs to no pixel.
 */
static void pack_tile(const struct job *j, uint32_t channel, uint32_t pixel, uint32_t count)
{
	int16_t rows[2][2 * GEMM_LANES] = { { 0 } };
	struct segment segments[GEMM_LANES];
	uint32_t n = tile_segments(j, pixel, count, segments), k = 0, c, p, q, s;
	uint32_t channels = j->in->c / j->l->groups;
	int16_t *to = j->tile;

	for (c = channel; c < channel + channels; c++) {
		for (p = 0; p < j->l->kernel_h; p++) {
			for (q = 0; q < j->l->kernel_w; q++, k++) {
				const int16_t *from = j->padded + weight_place(j, c, p, q);

				for (s = 0; s < n; s++)
					memcpy(rows[k % 2] + segments[s].start,
					       from + segments[s].place,
					       GEMM_LANES * sizeof(int16_t));
				if (k % 2) {
					interleave(rows[0], rows[1], to);
					to += 2 * GEMM_LANES;
				}
			}
		}
	}
	if (k % 2) {
		memset(rows[1], 0, sizeof(rows[1]));
		interleave(rows[0], rows[1], to);
	}
}

static void put(const struct job *j, uint32_t c, uint32_t pixel, int64_t value)
{
	uint64_t at = (uint64_t)c * j->cv->area + pixel;

	if (j->out->type == FQZ_S32)
		card_put_s32(j->y + 4 * at, (int32_t)value);
	else
		j->y[at] = (uint8_t)value;
}

/* @count finished sums of one channel, from @pixel on. */
static void finish_row(const struct job *j, uint32_t c, uint32_t pixel, uint32_t count,
		       const int32_t *sums)
{
	struct gemm_finish f = card_finish_channel(j->l, c);
	uint32_t i;

	if (j->out->type != FQZ_S32) {
		j->kernel->finish(&f, sums, count, j->y + (uint64_t)c * j->cv->area + pixel);
		return;
	}
	for (i = 0; i < count; i++)
		put(j, c, pixel + i, card_gemm_requantize(&f, sums[i]));
}

static void finish_split(const struct job *j, uint32_t c, uint32_t pixel, uint32_t count,
			 const int32_t *low, const int32_t *high)
{
	struct gemm_finish f = card_finish_channel(j->l, c);
	uint32_t i;

	for (i = 0; i < count; i++)
		put(j, c, pixel + i,
		    card_gemm_requantize(&f, low[i] + INT64_C(256) * high[i]));
}

/* A block of up to four rows over one tile. */
static void run_block(const struct job *j, uint32_t row, uint32_t rows, uint32_t pixel,
		      uint32_t count)
{
	const struct conv *cv = j->cv;
	int32_t sums[GEMM_ROWS][GEMM_LANES] __attribute__((aligned(64)));
	const int32_t *a[GEMM_ROWS];
	uint32_t i;

	for (i = 0; i < GEMM_ROWS; i++)
		a[i] = cv->row_weights + (size_t)(row + (i < rows ? i : 0)) * cv->pairs;
	j->kernel->multiply(a, j->tile, cv->pairs, sums);
	for (i = 0; i < rows; i++) {
		const struct conv_row *r = &cv->row[row + i];

		if (r->part == CONV_SINGLE) {
			if (r->extra_count)
				j->kernel->add(cv->extra + r->extra, r->extra_count, j->tile,
					       sums[i]);
			finish_row(j, r->channel, pixel, count, sums[i]);
		} else if (r->part == CONV_HIGH) {
			finish_split(j, r->channel, pixel, count, sums[i - 1], sums[i]);
		}
	}
}

static int run_rows(const struct job *j, const struct conv_group *g, uint32_t channel)
{
	const struct conv *cv = j->cv;
	uint32_t t, r, pixel, count, rows;

	if (!g->row_count)
		return 0;
	for (t = 0; t < cv->tiles; t++) {
		pixel = t * GEMM_LANES;
		count = cv->area - pixel < GEMM_LANES ? cv->area - pixel : GEMM_LANES;
		pack_tile(j, channel, pixel, count);
		for (r = 0; r < g->row_count; r += GEMM_ROWS) {
			if (card_tick(j->tick, 8 * (uint64_t)cv->inputs))
				return -ECANCELED;
			rows = g->row_count - r < GEMM_ROWS ? g->row_count - r : GEMM_ROWS;
			run_block(j, g->row + r, rows, pixel, count);
		}
	}
	return 0;
}

/* A pixel's inputs as pairs. */
static void pack_vector(const struct job *j, uint32_t channel, uint32_t pixel, int32_t *to)
{
	uint32_t channels = j->in->c / j->l->groups, k = 0, c, p, q;
	const int16_t *from = j->padded + pixel_place(j, pixel);

	memset(to, 0, j->cv->pairs * sizeof(*to));
	for (c = channel; c < channel + channels; c++) {
		for (p = 0; p < j->l->kernel_h; p++) {
			for (q = 0; q < j->l->kernel_w; q++, k++) {
				uint32_t x = (uint16_t)from[weight_place(j, c, p, q)];

				to[k / 2] = (int32_t)((uint32_t)to[k / 2] |
						      x << (k % 2 ? 16 : 0));
			}
		}
	}
}

static uint32_t pair_product(int32_t a, int32_t b)
{
	return (uint32_t)((int16_t)a * (int16_t)b) + (uint32_t)((a >> 16) * (b >> 16));
}

/* A row's sum over a pixel, its remainders added; modulo 2^32, as the sums are. */
static int32_t add_extras(const struct job *j, const struct conv_row *row,
			  const int32_t *vector, int32_t sum)
{
	uint32_t total = (uint32_t)sum, e;

	for (e = row->extra; e < row->extra + row->extra_count; e++)
		total += pair_product(j->cv->extra[e].weights, vector[j->cv->extra[e].pair]);
	return (int32_t)total;
}

static void finish_lanes(const struct job *j, const struct conv_group *g, uint32_t first,
			 uint32_t pixel, const int32_t *vector, const int32_t *sums)
{
	uint32_t i;

	for (i = 0; i < GEMM_LANES && first + i < g->row_count; i++) {
		const struct conv_row *r = &j->cv->row[g->row + first + i];
		struct gemm_finish f = card_finish_channel(j->l, r->channel);
		int32_t sum;

		if (r->part == CONV_SINGLE) {
			sum = add_extras(j, r, vector, sums[i]);
			put(j, r->channel, pixel, card_gemm_requantize(&f, sum));
		} else if (r->part == CONV_HIGH) {
			put(j, r->channel, pixel,
			    card_gemm_requantize(&f, sums[i - 1] + INT64_C(256) * sums[i]));
		}
	}
}

static int run_columns(const struct job *j, const struct conv_group *g, uint32_t channel)
{
	const struct conv *cv = j->cv;
	int32_t sums[GEMM_ROWS][GEMM_LANES] __attribute__((aligned(64)));
	const int32_t *a[GEMM_ROWS];
	uint32_t r, p;

	if (!g->row_count)
		return 0;
	for (p = 0; p < GEMM_ROWS; p++)
		a[p] = j->vectors + (size_t)(p < cv->area ? p : 0) * cv->pairs;
	for (p = 0; p < cv->area; p++)
		pack_vector(j, channel, p, j->vectors + (size_t)p * cv->pairs);
	for (r = 0; r < g->row_count; r += GEMM_LANES) {
		if (card_tick(j->tick, 8 * (uint64_t)cv->inputs))
			return -ECANCELED;
		j->kernel->multiply(a, cv->tile_weights + (size_t)(g->tile + r / GEMM_LANES) *
				    cv->pairs * 2 * GEMM_LANES, cv->pairs, sums);
		for (p = 0; p < cv->area; p++)
			finish_lanes(j, g, r, p, a[p], sums[p]);
	}
	return 0;
}

/* One output row; false: stopped. Looks often, as a kernel may have 2^20 weights. */
static bool direct_row(const struct job *j, uint32_t channel, uint32_t i, const int32_t *weights)
{
	uint64_t units = (uint64_t)j->out->w * (j->l->kernel_w + 1) / 4;
	uint32_t channels = j->in->c / j->l->groups, w = j->out->w, c, p, q, x;
	int32_t *sums = j->sums;

	memset(sums, 0, w * sizeof(*sums));
	for (c = channel; c < channel + channels; c++) {
		for (p = 0; p < j->l->kernel_h; p++) {
			if (card_tick(j->tick, units))
				return false;
			for (q = 0; q < j->l->kernel_w; q++) {
				const int16_t *from = j->padded + weight_place(j, c, p, q) +
						      (uint64_t)i * j->l->stride_h * j->cv->row_len;
				uint32_t weight = (uint32_t)*weights++;

				for (x = 0; x < w && weight; x++)
					sums[x] = (int32_t)((uint32_t)sums[x] + weight *
							    (uint32_t)(int32_t)from[x]);
			}
		}
	}
	return true;
}

static int run_direct(const struct job *j, const struct conv_group *g, uint32_t channel)
{
	uint32_t r, i;

	for (r = g->row; r < g->row + g->row_count; r++) {
		const int32_t *weights = j->cv->row_weights + (size_t)r * j->cv->inputs;

		for (i = 0; i < j->out->h; i++) {
			if (!direct_row(j, channel, i, weights))
				return -ECANCELED;
			finish_row(j, j->cv->row[r].channel, i * j->out->w, j->out->w, j->sums);
		}
	}
	return 0;
}

static int64_t wide_input(const struct job *j, uint32_t c, int64_t y, int64_t x)
{
	uint64_t at = ((uint64_t)c * j->in->h + (uint64_t)y) * j->in->w + (uint64_t)x;

	if (y < 0 || y >= j->in->h || x < 0 || x >= j->in->w)
		return 0;
	if (j->in->type == FQZ_U8)
		return j->x[at];
	if (j->in->type == FQZ_S8)
		return (int8_t)j->x[at];
	return card_get_s32(j->x + 4 * at);
}

static int64_t wide_sum(const struct job *j, uint32_t channel, uint32_t pixel,
			const int32_t *weight)
{
	const struct fqz_layer *l = j->l;
	uint32_t channels = j->in->c / l->groups, c, p, q;
	int64_t y = (int64_t)(pixel / j->out->w) * l->stride_h - l->pad_top;
	int64_t x = (int64_t)(pixel % j->out->w) * l->stride_w - l->pad_left, sum = 0;

	for (c = channel; c < channel + channels; c++)
		for (p = 0; p < l->kernel_h; p++)
			for (q = 0; q < l->kernel_w; q++)
				sum += *weight++ * wide_input(j, c, y + p * l->dilation_h,
							      x + q * l->dilation_w);
	return sum;
}

static int run_wide(const struct job *j, const struct conv_group *g, uint32_t channel)
{
	uint32_t i, pixel;

	for (i = g->wide; i < g->wide + g->wide_count; i++) {
		uint32_t o = j->cv->wide_channels[i];
		struct gemm_finish f = card_finish_channel(j->l, o);

		for (pixel = 0; pixel < j->cv->area; pixel++) {
			if (card_tick(j->tick, 2 * (uint64_t)j->cv->inputs))
				return -ECANCELED;
			put(j, o, pixel, card_gemm_requantize(&f, wide_sum(j, channel, pixel,
					j->cv->wide + (size_t)i * j->cv->inputs)));
		}
	}
	return 0;
}

static int run_group(const struct job *j, uint32_t group)
{
	const struct conv_group *g = &j->cv->groups[group];
	uint32_t channel = group * (j->in->c / j->l->groups);
	int ret = run_wide(j, g, channel);

	if (ret)
		return ret;
	switch (j->cv->form) {
	case CONV_ROWS:
		return run_rows(j, g, channel);
	case CONV_COLUMNS:
		return run_columns(j, g, channel);
	default:
		return run_direct(j, g, channel);
	}
}

int card_conv_run(const struct gemm_kernel *kernel, const struct card_model *m,
		  const struct card_layer *l, uint8_t *arena, void *scratch,
		  struct card_tick *tick)
{
	const struct conv *cv = l->prepared;
	struct job j = {
		.kernel = kernel,
		.l = &l->desc,
		.cv = cv,
		.in = &m->tensors[l->desc.inputs[0]],
		.out = &m->tensors[l->desc.output],
		.padded = scratch,
		.tick = tick,
	};
	uint8_t *after = (uint8_t *)scratch + align64(cv->padded * sizeof(int16_t));
	uint32_t g;
	int ret = 0;

	j.x = arena + j.in->offset;
	j.y = arena + j.out->offset;
	j.tile = (int16_t *)after;
	j.vectors = (int32_t *)after;
	j.sums = (int32_t *)after;
	if (cv->row_count && !pad_input(&j))
		return -ECANCELED;
	for (g = 0; g < l->desc.groups && !ret; g++)
		ret = run_group(&j, g);
	return ret;
}
