// SPDX-License-Identifier: MIT
/* The NETWORK and TENSORS sections, and how tensors flow: FORMAT.md 2, 3. */
#include "fqz_private.h"

#include <stdlib.h>

static bool is_finite(uint32_t bits)
{
	return (bits & 0x7f800000u) != 0x7f800000u;
}

static bool is_positive(uint32_t bits)
{
	return is_finite(bits) && bits && !(bits >> 31);
}

static int refuse(const struct fqz_reader *r, enum fqz_reason reason, unsigned int field,
		  const char *what)
{
	return fqz_reader_refuse(r, reason, r->sections[FQZ_S_NETWORK].offset + field, what);
}

static int read_counts(struct fqz_reader *r, const uint8_t *p)
{
	struct fqz_image *img = &r->img;

	img->tensor_count = fqz_le32(p + FQZ_N_TENSOR_COUNT);
	if (img->tensor_count < 2)
		return refuse(r, FQZ_NETWORK, FQZ_N_TENSOR_COUNT, "Tensor_Count is below 2");
	if (img->tensor_count > FQZ_MAX_TENSORS)
		return refuse(r, FQZ_LIMIT, FQZ_N_TENSOR_COUNT, "Tensor_Count is above 4096");
	img->layer_count = fqz_le32(p + FQZ_N_LAYER_COUNT);
	if (img->layer_count != img->tensor_count - 1)
		return refuse(r, FQZ_NETWORK, FQZ_N_LAYER_COUNT,
			      "Layer_Count is not Tensor_Count - 1");
	if (fqz_le32(p + FQZ_N_OUTPUT_TENSOR) != img->layer_count)
		return refuse(r, FQZ_NETWORK, FQZ_N_OUTPUT_TENSOR,
			      "Output_Tensor is not the last layer's output");
	img->class_count = fqz_le32(p + FQZ_N_CLASS_COUNT);
	return 0;
}

static int read_picture(struct fqz_reader *r, const uint8_t *p)
{
	struct fqz_image *img = &r->img;
	unsigned int i;
	size_t where;

	for (i = 0; i < 3; i++) {
		uint32_t mean = fqz_le32(p + FQZ_N_MEAN + 4 * i);

		if (!is_finite(mean))
			return refuse(r, FQZ_NETWORK, FQZ_N_MEAN + 4 * i, "Mean is not finite");
		img->mean[i] = fqz_float(mean);
	}
	for (i = 0; i < 3; i++) {
		uint32_t std = fqz_le32(p + FQZ_N_STD + 4 * i);

		if (!is_positive(std))
			return refuse(r, FQZ_NETWORK, FQZ_N_STD + 4 * i,
				      "Std is not finite and above 0");
		img->std[i] = fqz_float(std);
	}
	if (p[FQZ_N_COLOR] > FQZ_NOT_A_PICTURE)
		return refuse(r, FQZ_NETWORK, FQZ_N_COLOR, "unknown Color");
	img->color = (enum fqz_color)p[FQZ_N_COLOR];
	if (p[FQZ_N_RANGE] > 1)
		return refuse(r, FQZ_NETWORK, FQZ_N_RANGE, "unknown Range");
	img->range255 = p[FQZ_N_RANGE];
	img->resize_shorter = fqz_le16(p + FQZ_N_RESIZE_SHORTER);
	if (!fqz_is_zero(p + FQZ_N_RESERVED, FQZ_NETWORK_SIZE - FQZ_N_RESERVED, &where))
		return refuse(r, FQZ_RESERVED, FQZ_N_RESERVED + (unsigned int)where,
			      "a reserved byte of NETWORK is not zero");
	return 0;
}

int fqz_read_network(struct fqz_reader *r)
{
	const struct fqz_section *s = &r->sections[FQZ_S_NETWORK];
	struct fqz_image *img = &r->img;
	int ret;

	if (!s->offset)
		return fqz_reader_missing(r, "no NETWORK section");
	if (s->size != FQZ_NETWORK_SIZE)
		return fqz_reader_refuse(r, FQZ_LAYOUT, s->entry + FQZ_E_SIZE,
					 "the NETWORK section is not 64 bytes");
	ret = read_counts(r, r->data + s->offset);
	if (ret)
		return ret;
	ret = read_picture(r, r->data + s->offset);
	if (ret)
		return ret;

	s = &r->sections[FQZ_S_TENSORS];
	if (!s->offset)
		return fqz_reader_missing(r, "no TENSORS section");
	if (s->size != (uint64_t)img->tensor_count * FQZ_TENSOR_SIZE)
		return fqz_reader_refuse(r, FQZ_LAYOUT, s->entry + FQZ_E_SIZE,
					 "the TENSORS section is not 16 bytes for each tensor");
	s = &r->sections[FQZ_S_LAYERS];
	if (!s->offset)
		return fqz_reader_missing(r, "no LAYERS section");
	if (s->size != (uint64_t)img->layer_count * FQZ_LAYER_SIZE)
		return fqz_reader_refuse(r, FQZ_LAYOUT, s->entry + FQZ_E_SIZE,
					 "the LAYERS section is not 64 bytes for each layer");
	img->tensors = calloc(img->tensor_count, sizeof(*img->tensors));
	img->layers = calloc(img->layer_count, sizeof(*img->layers));
	if (!img->tensors || !img->layers)
		return fqz_no_memory(r->err);
	return 0;
}

static int read_tensor(struct fqz_reader *r, uint64_t at, struct fqz_tensor *t)
{
	const uint8_t *p = r->data + at;
	uint64_t elements;

	if (p[FQZ_T_TYPE] < FQZ_U8 || p[FQZ_T_TYPE] > FQZ_S32)
		return fqz_reader_refuse(r, FQZ_TENSOR, at + FQZ_T_TYPE, "unknown tensor Type");
	t->type = (enum fqz_type)p[FQZ_T_TYPE];
	if (p[FQZ_T_RESERVED])
		return fqz_reader_refuse(r, FQZ_RESERVED, at + FQZ_T_RESERVED,
					 "a tensor's reserved field is not zero");
	t->c = fqz_le16(p + FQZ_T_C);
	t->h = fqz_le16(p + FQZ_T_H);
	t->w = fqz_le16(p + FQZ_T_W);
	if (!t->c || !t->h || !t->w)
		return fqz_reader_refuse(r, FQZ_TENSOR,
					 at + (!t->c ? FQZ_T_C : !t->h ? FQZ_T_H : FQZ_T_W),
					 "a tensor has no elements");
	elements = (uint64_t)t->c * t->h * t->w;
	if (elements > FQZ_MAX_ELEMENTS)
		return fqz_reader_refuse(r, FQZ_LIMIT, at + FQZ_T_C,
					 "a tensor has more than 2^26 elements");
	if (!is_positive(fqz_le32(p + FQZ_T_SCALE)))
		return fqz_reader_refuse(r, FQZ_TENSOR, at + FQZ_T_SCALE,
					 "a tensor's Scale is not finite and above 0");
	t->scale = fqz_float(fqz_le32(p + FQZ_T_SCALE));
	if (fqz_le32(p + FQZ_T_RESERVED2))
		return fqz_reader_refuse(r, FQZ_RESERVED, at + FQZ_T_RESERVED2,
					 "a tensor's reserved field is not zero");
	/* A SUMPOOL's output gets its own bound in fqz_check_shapes(). */
	t->bound = t->type == FQZ_U8 ? 255 : t->type == FQZ_S8 ? 128 : INT64_C(1) << 31;
	return 0;
}

int fqz_read_tensors(struct fqz_reader *r)
{
	uint64_t at = r->sections[FQZ_S_TENSORS].offset;
	const struct fqz_image *img = &r->img;
	const struct fqz_tensor *input = &img->tensors[0];
	uint32_t i;
	int ret;

	for (i = 0; i < img->tensor_count; i++) {
		ret = read_tensor(r, at + (uint64_t)i * FQZ_TENSOR_SIZE, &img->tensors[i]);
		if (ret)
			return ret;
	}
	if (input->type != FQZ_U8)
		return fqz_reader_refuse(r, FQZ_TENSOR, at + FQZ_T_TYPE,
					 "the network's input is not of type U8");
	if (((img->color == FQZ_RGB || img->color == FQZ_BGR) && input->c != 3) ||
	    (img->color == FQZ_GRAY && input->c != 1))
		return refuse(r, FQZ_NETWORK, FQZ_N_COLOR,
			      "Color does not fit the channels of the input");
	if (img->class_count &&
	    img->class_count != fqz_tensor_elements(&img->tensors[img->layer_count]))
		return refuse(r, FQZ_NETWORK, FQZ_N_CLASS_COUNT,
			      "Class_Count is not the number of elements of the output");
	return 0;
}

int fqz_check_flow(struct fqz_reader *r)
{
	struct fqz_image *img = &r->img;
	uint32_t i, k;

	for (i = 0; i < img->tensor_count; i++) {
		img->tensors[i].first_layer = i ? i - 1 : FQZ_NO_LAYER;
		img->tensors[i].last_layer = FQZ_NO_LAYER;
	}
	for (i = 0; i < img->layer_count; i++)
		for (k = 0; k < img->layers[i].input_count; k++)
			img->tensors[img->layers[i].inputs[k]].last_layer = i;
	img->tensors[img->layer_count].last_layer = img->layer_count;
	for (i = 0; i < img->tensor_count; i++)
		if (img->tensors[i].last_layer == FQZ_NO_LAYER)
			return fqz_refuse(r->err, FQZ_TENSOR, img->tensors[i].first_layer,
					  r->sections[FQZ_S_TENSORS].offset +
						(uint64_t)i * FQZ_TENSOR_SIZE,
					  "a tensor is read by no layer");
	return 0;
}
