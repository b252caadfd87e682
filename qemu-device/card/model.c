/* SPDX-License-Identifier: MIT */
/* An image made ready to run: checked, decoded once, its arena planned. */
#include "exec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void card_model_free(struct card_model *m)
{
	uint32_t i;

	if (!m)
		return;
	for (i = 0; i < m->layer_count; i++)
		if (m->layers[i].prepared)
			m->exec->unprepare(&m->layers[i]);
	free(m->channels);
	free(m->layers);
	free(m->tensors);
	free(m);
}

static struct card_model *model_alloc(const struct fqz_image *img, const struct card_exec *exec)
{
	struct card_model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->exec = exec;
	m->tensors = calloc(img->tensor_count, sizeof(*m->tensors));
	m->layers = calloc(img->layer_count, sizeof(*m->layers));
	m->channels = malloc(5 * img->channel_count + 1);
	if (!m->tensors || !m->layers || !m->channels) {
		card_model_free(m);
		return NULL;
	}
	m->tensor_count = img->tensor_count;
	m->layer_count = img->layer_count;
	m->class_count = img->class_count;
	m->weights = img->weight_count;
	return m;
}

static void copy_tensors(struct card_model *m, const struct fqz_image *img)
{
	uint32_t i;

	for (i = 0; i < img->tensor_count; i++) {
		const struct fqz_tensor *from = &img->tensors[i];

		m->tensors[i] = (struct card_tensor){
			.type = from->type,
			.c = from->c,
			.h = from->h,
			.w = from->w,
			.elements = fqz_tensor_elements(from),
			.bytes = fqz_tensor_bytes(from),
			.bound = from->bound,
			.written = i ? i - 1 : 0,
			.read = from->last_layer,
		};
	}
}

/* For executors FC is the convolution whose kernel is the whole input. */
static void fc_as_conv(const struct card_model *m, struct fqz_layer *l)
{
	const struct card_tensor *in = &m->tensors[l->inputs[0]];

	l->kernel_h = in->h;
	l->kernel_w = in->w;
	l->stride_h = 1;
	l->stride_w = 1;
	l->dilation_h = 1;
	l->dilation_w = 1;
	l->groups = 1;
}

/* Channel parameters: all scales, then all biases, then all shifts, so each is aligned. */
static void copy_layers(struct card_model *m, const struct fqz_image *img)
{
	int16_t *scale = m->channels, *bias = scale + img->channel_count;
	uint8_t *shift = (uint8_t *)(bias + img->channel_count);
	uint32_t i, c;

	for (i = 0; i < img->layer_count; i++) {
		const struct fqz_layer *from = &img->layers[i];
		struct fqz_layer *to = &m->layers[i].desc;

		*to = *from;
		to->stream = NULL;
		to->name = NULL;
		m->layers[i].index = i;
		if (to->kind == FQZ_FC)
			fc_as_conv(m, to);
		if (!fqz_layer_has_channels(from))
			continue;
		c = m->tensors[from->output].c;
		memcpy(scale, from->scale, c * sizeof(*scale));
		memcpy(bias, from->bias, c * sizeof(*bias));
		memcpy(shift, from->shift, c);
		to->scale = scale;
		to->bias = bias;
		to->shift = shift;
		scale += c;
		bias += c;
		shift += c;
	}
}

/* After at most 2^20 symbols: eight times that takes a few milliseconds. */
static bool go_on(void *arg)
{
	return !card_tick(arg, CARD_TICK_UNITS / 8);
}

static int decode_layer(struct card_model *m, const struct fqz_image *img, uint32_t index,
			struct card_tick *tick, struct fqz_error *err)
{
	struct card_layer *l = &m->layers[index];
	size_t i, count = (size_t)l->desc.outputs * l->desc.inputs_per_output;
	uint8_t *symbols = malloc(count);
	int ret;

	if (!symbols)
		return -ENOMEM;
	ret = fqz_layer_decode_while(img, index, symbols, count, go_on, tick, err);
	if (!ret)
		ret = fqz_layer_check_bound(img, index, symbols, NULL, err);
	if (!ret && card_tick(tick, CARD_TICK_UNITS))
		ret = -ECANCELED;
	if (!ret) {
		for (i = 0; i < count; i++)
			l->nonzero += symbols[i] != 0;
		ret = m->exec->prepare(m, l, symbols, tick);
	}
	free(symbols);
	return ret;
}

static int decode_all(struct card_model *m, const struct fqz_image *img, uint64_t limit,
		      struct card_tick *tick, struct fqz_error *err)
{
	uint32_t i;
	int ret;

	if (m->weights > limit)
		return -ENOMEM;
	for (i = 0; i < m->layer_count; i++) {
		if (card_tick(tick, CARD_TICK_UNITS))
			return -ECANCELED;
		if (!fqz_layer_has_weights(&m->layers[i].desc))
			continue;
		ret = decode_layer(m, img, i, tick, err);
		if (ret)
			return ret;
		if (m->decoded > limit)
			return -ENOMEM;
	}
	return 0;
}

static void measure(struct card_model *m, const struct fqz_image *img, uint32_t lanes)
{
	uint32_t i;
	size_t scratch;

	for (i = 0; i < m->layer_count; i++) {
		struct card_layer *l = &m->layers[i];

		l->desc.stream_size = img->layers[i].stream_size;
		l->cycles = card_layer_cycles(m, l, lanes);
		scratch = m->exec->scratch(m, l);
		if (scratch > m->scratch_bytes)
			m->scratch_bytes = scratch;
	}
}

int card_model_build(const void *data, size_t len, const struct card_exec *exec,
		     uint32_t lanes, uint64_t limit, struct card_tick *tick,
		     struct card_model **out, struct fqz_error *err)
{
	struct fqz_image *img;
	struct card_model *m;
	int ret;

	*out = NULL;
	ret = fqz_image_open(data, len, &img, err);
	if (ret)
		return ret;
	m = model_alloc(img, exec);
	if (!m) {
		ret = -ENOMEM;
		goto close_image;
	}
	copy_tensors(m, img);
	copy_layers(m, img);
	ret = decode_all(m, img, limit, tick, err);
	if (!ret)
		ret = card_plan_arena(m);
	if (ret)
		goto free_model;
	measure(m, img, lanes);
	fqz_image_close(img);
	*out = m;
	return 0;

free_model:
	card_model_free(m);
close_image:
	fqz_image_close(img);
	return ret;
}

int card_model_run(const struct card_model *m, uint32_t first, uint32_t count, uint8_t *arena,
		   void *scratch, struct card_tick *tick)
{
	uint32_t i;
	int ret;

	for (i = first; i < first + count; i++) {
		ret = m->exec->run(m, &m->layers[i], arena, scratch, tick);
		if (ret)
			return ret;
	}
	return 0;
}

bool card_model_live(const struct card_model *m, uint32_t layer, uint32_t id)
{
	return id <= layer && m->tensors[id].read >= layer;
}

uint64_t card_model_live_bytes(const struct card_model *m, uint32_t layer)
{
	uint64_t bytes = 0;
	uint32_t id;

	for (id = 0; id < m->tensor_count; id++)
		if (card_model_live(m, layer, id))
			bytes += m->tensors[id].bytes;
	return bytes;
}

uint64_t card_model_cycles(const struct card_model *m, uint32_t first, uint32_t count)
{
	uint64_t cycles = 0;
	uint32_t i;

	for (i = first; i < first + count; i++)
		if (__builtin_add_overflow(cycles, m->layers[i].cycles, &cycles))
			return UINT64_MAX;
	return cycles;
}
