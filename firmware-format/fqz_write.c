// SPDX-License-Identifier: MIT
/* Writes an image, section by section, and reads it back (FORMAT.md 1 to 8). */
#include "fqz_private.h"

#include <stdlib.h>

struct writer {
	const struct fqz_image *img;
	struct fqz_buffer out;
	struct fqz_error *err;
	uint32_t sections;		/* bits by type */
	uint32_t section_count;		/* those already in the table */
	size_t layers;			/* offset of the LAYERS section */
	uint64_t features;		/* Incompat_Features */
};

static int refuse(const struct writer *w, enum fqz_reason reason, uint32_t layer,
		  const char *what)
{
	return fqz_refuse(w->err, reason, layer, 0, what);
}

/* Before the caller's arrays are read: their sizes follow from the tensors. */
static int check_layer(const struct writer *w, uint32_t index)
{
	const struct fqz_layer *l = &w->img->layers[index];
	uint32_t i;

	if (l->kind < FQZ_AFFINE || l->kind > FQZ_SUMPOOL)
		return refuse(w, FQZ_LAYER, index, "unknown Kind");
	if (!l->input_count || l->input_count > FQZ_MAX_INPUTS)
		return refuse(w, FQZ_LAYER, index, "Input_Count is not what the kind takes");
	if (l->output != index + 1)
		return refuse(w, FQZ_LAYER, index, "Output is not the layer's own tensor");
	for (i = 0; i < l->input_count; i++)
		if (l->inputs[i] > index)
			return refuse(w, FQZ_LAYER, index,
				      "an input is not written before it is read");
	if (fqz_layer_has_channels(l) && (!l->scale || !l->bias || !l->shift))
		return fqz_invalid(w->err, "a layer has no channel parameters");
	if (fqz_layer_has_weights(l) && !l->symbols)
		return fqz_invalid(w->err, "a layer has no symbols");
	return 0;
}

static int check_image(const struct writer *w)
{
	const struct fqz_image *img = w->img;
	uint32_t i;
	int ret;

	if (!img->tensors || !img->layers || !img->layer_count ||
	    img->layer_count >= FQZ_MAX_TENSORS || img->tensor_count != img->layer_count + 1)
		return refuse(w, FQZ_NETWORK, FQZ_NO_LAYER,
			      "Tensor_Count is above 4096 or not Layer_Count + 1");
	if (img->class_count && !img->classes)
		return fqz_invalid(w->err, "class_count without classes");
	if (img->meta_count && !img->meta)
		return fqz_invalid(w->err, "meta_count without meta");
	if (img->color > FQZ_NOT_A_PICTURE || img->resize_shorter > UINT16_MAX)
		return refuse(w, FQZ_NETWORK, FQZ_NO_LAYER,
			      "unknown Color, or Resize_Shorter is out of range");
	for (i = 0; i < img->tensor_count; i++) {
		const struct fqz_tensor *t = &img->tensors[i];

		if (t->type > FQZ_S32 || t->c > UINT16_MAX || t->h > UINT16_MAX ||
		    t->w > UINT16_MAX)
			return refuse(w, FQZ_TENSOR, FQZ_NO_LAYER,
				      "a tensor's type or size is out of range");
	}
	for (i = 0; i < img->layer_count; i++) {
		ret = check_layer(w, i);
		if (ret)
			return ret;
	}
	return 0;
}

static void choose_sections(struct writer *w)
{
	const struct fqz_image *img = w->img;
	uint32_t i;

	w->sections = 1u << FQZ_S_NETWORK | 1u << FQZ_S_TENSORS | 1u << FQZ_S_LAYERS;
	for (i = 0; i < img->layer_count; i++) {
		if (fqz_layer_has_channels(&img->layers[i]))
			w->sections |= 1u << FQZ_S_CHANNELS;
		if (fqz_layer_has_weights(&img->layers[i]))
			w->sections |= 1u << FQZ_S_WEIGHTS;
		if (img->layers[i].name)
			w->sections |= 1u << FQZ_S_NAMES;
	}
	if (img->meta_count)
		w->sections |= 1u << FQZ_S_METADATA;
	if (img->class_count)
		w->sections |= 1u << FQZ_S_CLASSES;
}

static int put_network(struct writer *w)
{
	const struct fqz_image *img = w->img;
	uint8_t *p = fqz_buffer_add(&w->out, FQZ_NETWORK_SIZE);
	unsigned int i;

	if (!p)
		return 0;
	fqz_put_le32(p + FQZ_N_TENSOR_COUNT, img->tensor_count);
	fqz_put_le32(p + FQZ_N_LAYER_COUNT, img->layer_count);
	fqz_put_le32(p + FQZ_N_OUTPUT_TENSOR, img->layer_count);
	fqz_put_le32(p + FQZ_N_CLASS_COUNT, img->class_count);
	for (i = 0; i < 3; i++) {
		fqz_put_le32(p + FQZ_N_MEAN + 4 * i, fqz_float_bits(img->mean[i]));
		fqz_put_le32(p + FQZ_N_STD + 4 * i, fqz_float_bits(img->std[i]));
	}
	p[FQZ_N_COLOR] = (uint8_t)img->color;
	p[FQZ_N_RANGE] = img->range255;
	fqz_put_le16(p + FQZ_N_RESIZE_SHORTER, (uint16_t)img->resize_shorter);
	return 0;
}

static int put_tensors(struct writer *w)
{
	uint32_t i;

	for (i = 0; i < w->img->tensor_count; i++) {
		const struct fqz_tensor *t = &w->img->tensors[i];
		uint8_t *p = fqz_buffer_add(&w->out, FQZ_TENSOR_SIZE);

		if (!p)
			return 0;
		p[FQZ_T_TYPE] = (uint8_t)t->type;
		fqz_put_le16(p + FQZ_T_C, (uint16_t)t->c);
		fqz_put_le16(p + FQZ_T_H, (uint16_t)t->h);
		fqz_put_le16(p + FQZ_T_W, (uint16_t)t->w);
		fqz_put_le32(p + FQZ_T_SCALE, fqz_float_bits(t->scale));
	}
	return 0;
}

static int put_layers(struct writer *w)
{
	uint8_t record[FQZ_LAYER_SIZE];
	const char *what;
	uint32_t i;

	w->layers = w->out.len;
	for (i = 0; i < w->img->layer_count; i++) {
		if (fqz_layer_put(&w->img->layers[i], record, &what))
			return refuse(w, FQZ_LAYER, i, what);
		fqz_buffer_put(&w->out, record, sizeof(record));
	}
	return 0;
}

static int put_channels(struct writer *w)
{
	uint32_t i, c;

	for (i = 0; i < w->img->layer_count; i++) {
		const struct fqz_layer *l = &w->img->layers[i];
		uint32_t count = w->img->tensors[l->output].c;
		uint8_t *p;

		if (!fqz_layer_has_channels(l))
			continue;
		p = fqz_buffer_add(&w->out, (size_t)count * FQZ_CHANNEL_SIZE);
		if (!p)
			return 0;
		for (c = 0; c < count; c++) {
			fqz_put_le16(p + 2 * (size_t)c, (uint16_t)l->scale[c]);
			fqz_put_le16(p + 2 * ((size_t)count + c), (uint16_t)l->bias[c]);
			p[4 * (size_t)count + c] = l->shift[c];
		}
	}
	return 0;
}

static int put_stream(struct writer *w, uint32_t index)
{
	const struct fqz_layer *l = &w->img->layers[index];
	const struct fqz_tensor *in = &w->img->tensors[l->inputs[0]];
	const struct fqz_tensor *out = &w->img->tensors[l->output];
	struct fqz_buffer stream = { 0 };
	uint32_t outputs, each;
	enum fqz_coder coder;
	unsigned int field;
	const char *what;
	uint8_t *record;

	field = fqz_alphabet_check(l, &what);
	if (field)
		return refuse(w, FQZ_ALPHABET, index, what);
	if ((uint64_t)in->c * in->h * in->w > FQZ_MAX_ELEMENTS ||
	    !fqz_layer_weight_sizes(l, in, out, &outputs, &each))
		return refuse(w, FQZ_LIMIT, index, "a layer has too many weights");
	if (l->coder > FQZ_TANS)
		return refuse(w, FQZ_FEATURE, index, "unknown Coder");
	if (fqz_stream_put(&stream, l, (size_t)outputs * each, &coder, &what))
		return refuse(w, FQZ_ALPHABET, index, what);
	w->out.failed |= stream.failed;
	fqz_buffer_put(&w->out, stream.data, stream.len);
	free(stream.data);
	if (w->out.failed || w->out.len > UINT32_MAX)
		return 0;
	/* Now that they are known: into the record that was written before. */
	record = w->out.data + w->layers + (size_t)index * FQZ_LAYER_SIZE;
	fqz_put_le32(record + FQZ_L_STREAM_SIZE, (uint32_t)stream.len);
	record[FQZ_L_CODER] = (uint8_t)coder;
	if (coder != FQZ_HUFFMAN)
		w->features |= FQZ_FEATURE_CODERS;
	return 0;
}

static int put_weights(struct writer *w)
{
	uint32_t i;
	int ret;

	for (i = 0; i < w->img->layer_count; i++) {
		if (!fqz_layer_has_weights(&w->img->layers[i]))
			continue;
		ret = put_stream(w, i);
		if (ret)
			return ret;
	}
	return 0;
}

static void put_text(struct writer *w, const char *text)
{
	fqz_buffer_put(&w->out, text, strlen(text) + 1);
}

static int put_metadata(struct writer *w)
{
	uint32_t i;

	for (i = 0; i < w->img->meta_count; i++) {
		if (!w->img->meta[i].key || !w->img->meta[i].value)
			return fqz_invalid(w->err, "a metadata key or value is NULL");
		put_text(w, w->img->meta[i].key);
		put_text(w, w->img->meta[i].value);
	}
	return 0;
}

static int put_classes(struct writer *w)
{
	uint32_t i;

	for (i = 0; i < w->img->class_count; i++) {
		if (!w->img->classes[i])
			return fqz_invalid(w->err, "a class name is NULL");
		put_text(w, w->img->classes[i]);
	}
	return 0;
}

static int put_names(struct writer *w)
{
	uint32_t i;

	for (i = 0; i < w->img->layer_count; i++)
		put_text(w, w->img->layers[i].name ? w->img->layers[i].name : "");
	return 0;
}

/* Pads to the section's start, writes it, and fills in its entry of the table. */
static int put_section(struct writer *w, enum fqz_section_type type)
{
	static int (*const put[FQZ_S_COUNT])(struct writer *w) = {
		[FQZ_S_NETWORK] = put_network,
		[FQZ_S_TENSORS] = put_tensors,
		[FQZ_S_LAYERS] = put_layers,
		[FQZ_S_CHANNELS] = put_channels,
		[FQZ_S_WEIGHTS] = put_weights,
		[FQZ_S_METADATA] = put_metadata,
		[FQZ_S_CLASSES] = put_classes,
		[FQZ_S_NAMES] = put_names,
	};
	uint8_t *entry;
	size_t offset;
	int ret;

	fqz_buffer_add(&w->out, -w->out.len % FQZ_ALIGNMENT);
	offset = w->out.len;
	ret = put[type](w);
	if (ret)
		return ret;
	if (w->out.failed)
		return fqz_no_memory(w->err);
	entry = w->out.data + FQZ_HEADER_SIZE + w->section_count++ * FQZ_ENTRY_SIZE;
	fqz_put_le32(entry + FQZ_E_TYPE, type);
	fqz_put_le64(entry + FQZ_E_OFFSET, offset);
	fqz_put_le64(entry + FQZ_E_SIZE, w->out.len - offset);
	return 0;
}

/* The CRCs last: WEIGHTS changed LAYERS, and the table's covers the sections'. */
static void finish_header(const struct writer *w)
{
	uint8_t *p = w->out.data;
	uint32_t i;

	for (i = 0; i < w->section_count; i++) {
		uint8_t *entry = p + FQZ_HEADER_SIZE + i * FQZ_ENTRY_SIZE;

		fqz_put_le32(entry + FQZ_E_CRC,
			     fqz_crc32c(0, p + fqz_le64(entry + FQZ_E_OFFSET),
					(size_t)fqz_le64(entry + FQZ_E_SIZE)));
	}
	memcpy(p, FQZ_MAGIC_BYTES, 8);
	fqz_put_le16(p + FQZ_H_VERSION_MAJOR, FQZ_VERSION_MAJOR);
	/* Without new features an image is one of 1.0. */
	fqz_put_le16(p + FQZ_H_VERSION_MINOR, w->features ? FQZ_VERSION_MINOR : 0);
	fqz_put_le64(p + FQZ_H_INCOMPAT, w->features);
	fqz_put_le32(p + FQZ_H_HEADER_SIZE, FQZ_HEADER_SIZE);
	fqz_put_le64(p + FQZ_H_FILE_SIZE, w->out.len);
	fqz_put_le32(p + FQZ_H_SECTION_COUNT, w->section_count);
	fqz_put_le32(p + FQZ_H_TABLE_CRC, fqz_crc32c(0, p + FQZ_HEADER_SIZE,
						     w->section_count * FQZ_ENTRY_SIZE));
	fqz_put_le32(p + FQZ_H_HEADER_CRC, fqz_crc32c(0, p, FQZ_H_HEADER_CRC));
}

static int put_image(struct writer *w)
{
	uint32_t type;
	int ret;

	choose_sections(w);
	fqz_buffer_add(&w->out, FQZ_HEADER_SIZE +
				(uint32_t)__builtin_popcount(w->sections) * FQZ_ENTRY_SIZE);
	if (w->out.failed)
		return fqz_no_memory(w->err);
	for (type = FQZ_S_NETWORK; type < FQZ_S_COUNT; type++) {
		if (!(w->sections & 1u << type))
			continue;
		ret = put_section(w, (enum fqz_section_type)type);
		if (ret)
			return ret;
	}
	if (w->out.len > UINT32_MAX)
		return refuse(w, FQZ_LIMIT, FQZ_NO_LAYER, "the image is above 2^32 - 1 bytes");
	finish_header(w);
	return 0;
}

int fqz_image_write(const struct fqz_image *img, void **data, size_t *len,
		    struct fqz_error *err)
{
	struct writer w = { .img = img, .err = err };
	struct fqz_image *back;
	int ret;

	*data = NULL;
	*len = 0;
	ret = check_image(&w);
	if (!ret)
		ret = put_image(&w);
	if (ret)
		goto free_out;
	ret = fqz_image_open(w.out.data, w.out.len, &back, err);
	if (ret)
		goto free_out;
	ret = fqz_image_verify(back, err);
	fqz_image_close(back);
	if (ret)
		goto free_out;
	*data = w.out.data;
	*len = w.out.len;
	return 0;

free_out:
	free(w.out.data);
	return ret;
}
