// SPDX-License-Identifier: MIT
/* The CHANNELS section and the layout of WEIGHTS: FORMAT.md sections 5 and 6.2. */
#include "fqz_coder.h"

#include <stdlib.h>

/* Wants a section of that size; 0 means that there must be none. */
static int check_size(const struct fqz_reader *r, const struct fqz_section *s, uint64_t size,
		      const char *missing, const char *wrong)
{
	if (!s->offset && size)
		return fqz_reader_missing(r, missing);
	if (s->offset && s->size != size)
		return fqz_reader_refuse(r, FQZ_LAYOUT, s->entry + FQZ_E_SIZE, wrong);
	return 0;
}

static int copy_channels(struct fqz_reader *r, uint32_t index, uint64_t at, uint64_t first)
{
	struct fqz_layer *l = &r->img.layers[index];
	uint32_t count = r->img.tensors[l->output].c, i;
	uint64_t total = r->img.channel_count;
	int16_t *scale = (int16_t *)r->channels + first;
	int16_t *bias = (int16_t *)r->channels + total + first;
	uint8_t *shift = (uint8_t *)((int16_t *)r->channels + 2 * total) + first;
	const uint8_t *p = r->data + at;

	for (i = 0; i < count; i++) {
		scale[i] = (int16_t)fqz_le16(p + 2 * (size_t)i);
		bias[i] = (int16_t)fqz_le16(p + 2 * ((size_t)count + i));
		shift[i] = p[4 * (size_t)count + i];
		if (shift[i] > FQZ_MAX_CHANNEL_SHIFT)
			return fqz_refuse(r->err, FQZ_CHANNEL, index, at + 4 * (uint64_t)count + i,
					  "a channel's Shift is above 62");
	}
	l->scale = scale;
	l->bias = bias;
	l->shift = shift;
	return 0;
}

int fqz_read_channels(struct fqz_reader *r)
{
	const struct fqz_section *s = &r->sections[FQZ_S_CHANNELS];
	struct fqz_image *img = &r->img;
	uint64_t first = 0;
	uint32_t i;
	int ret;

	for (i = 0; i < img->layer_count; i++)
		if (fqz_layer_has_channels(&img->layers[i]))
			img->channel_count += img->tensors[img->layers[i].output].c;
	ret = check_size(r, s, img->channel_count * FQZ_CHANNEL_SIZE,
			 "no CHANNELS section, though a layer has channel parameters",
			 "the CHANNELS section is not 5 bytes for each channel");
	if (ret || !img->channel_count)
		return ret;
	r->channels = malloc((size_t)s->size);
	if (!r->channels)
		return fqz_no_memory(r->err);
	for (i = 0; i < img->layer_count; i++) {
		if (!fqz_layer_has_channels(&img->layers[i]))
			continue;
		ret = copy_channels(r, i, s->offset + first * FQZ_CHANNEL_SIZE, first);
		if (ret)
			return ret;
		first += img->tensors[img->layers[i].output].c;
	}
	return 0;
}

int fqz_read_weights(struct fqz_reader *r)
{
	const struct fqz_section *s = &r->sections[FQZ_S_WEIGHTS];
	uint64_t total = 0;
	uint32_t i;
	int ret;

	for (i = 0; i < r->img.layer_count; i++) {
		struct fqz_layer *l = &r->img.layers[i];

		if (!fqz_layer_has_weights(l))
			continue;
		if (s->offset && l->stream_size > s->size - total)
			return fqz_layer_refuse(r, i, FQZ_L_STREAM_SIZE, FQZ_LAYOUT,
						"the streams are longer than the WEIGHTS section");
		l->stream_offset = s->offset + total;
		l->stream = r->data + l->stream_offset;
		total += l->stream_size;
	}
	ret = check_size(r, s, total,
			 "no WEIGHTS section, though a layer has weights",
			 "the WEIGHTS section is not the streams' size");
	if (ret)
		return ret;
	for (i = 0; i < r->img.layer_count; i++) {
		const struct fqz_layer *l = &r->img.layers[i];
		uint64_t weights = (uint64_t)l->outputs * l->inputs_per_output;

		/*
		 * Seen before a caller allocates a byte for each, so that memory is
		 * bounded by the image's size. With coder 1 a symbol takes at least a bit.
		 */
		if (fqz_layer_has_weights(l) && l->coder == FQZ_HUFFMAN &&
		    weights > 8 * (uint64_t)l->stream_size)
			return fqz_refuse(r->err, FQZ_STREAM, i, l->stream_offset + l->stream_size,
					  "a stream has fewer bits than symbols");
		if (fqz_layer_has_weights(l) && weights > FQZ_WEIGHTS_PER_BYTE * (uint64_t)l->stream_size)
			return fqz_layer_refuse(r, i, FQZ_L_STREAM_SIZE, FQZ_LIMIT,
						"a layer has more than 512 weights for each byte of its stream");
	}
	return 0;
}
