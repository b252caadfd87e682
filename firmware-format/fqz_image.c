// SPDX-License-Identifier: MIT
/* Questions about an image that was opened. */
#include "fqz_private.h"

const char *fqz_kind_name(enum fqz_kind kind)
{
	static const char *const names[] = {
		[FQZ_AFFINE] = "affine",
		[FQZ_CONV] = "conv",
		[FQZ_FC] = "fc",
		[FQZ_ADD] = "add",
		[FQZ_CONCAT] = "concat",
		[FQZ_MAXPOOL] = "maxpool",
		[FQZ_AVGPOOL] = "avgpool",
		[FQZ_SUMPOOL] = "sumpool",
	};

	if ((size_t)kind >= FQZ_ARRAY_SIZE(names) || !names[kind])
		return "unknown";
	return names[kind];
}

const char *fqz_coder_name(enum fqz_coder coder)
{
	static const char *const names[] = {
		[FQZ_CODER_AUTO] = "auto",
		[FQZ_HUFFMAN] = "huffman",
		[FQZ_RLE_HUFFMAN] = "rle-huffman",
		[FQZ_TANS] = "tans",
	};

	if ((size_t)coder >= FQZ_ARRAY_SIZE(names))
		return "unknown";
	return names[coder];
}

bool fqz_layer_has_weights(const struct fqz_layer *l)
{
	return l->kind == FQZ_CONV || l->kind == FQZ_FC;
}

bool fqz_layer_has_channels(const struct fqz_layer *l)
{
	return l->kind == FQZ_AFFINE || fqz_layer_has_weights(l);
}

uint32_t fqz_tensor_elements(const struct fqz_tensor *t)
{
	return t->c * t->h * t->w;
}

uint32_t fqz_tensor_bytes(const struct fqz_tensor *t)
{
	return fqz_tensor_elements(t) * (t->type == FQZ_S32 ? 4 : 1);
}

uint32_t fqz_image_live(const struct fqz_image *img, uint32_t layer, uint32_t *ids,
			uint64_t *bytes)
{
	uint32_t count = 0, i;
	uint64_t sum = 0;

	for (i = 0; i < img->tensor_count && i <= layer; i++) {
		if (img->tensors[i].last_layer < layer)
			continue;
		if (ids)
			ids[count] = i;
		count++;
		sum += fqz_tensor_bytes(&img->tensors[i]);
	}
	if (bytes)
		*bytes = sum;
	return count;
}

const char *fqz_image_meta(const struct fqz_image *img, const char *key)
{
	uint32_t i;

	for (i = 0; i < img->meta_count; i++)
		if (!strcmp(img->meta[i].key, key))
			return img->meta[i].value;
	return NULL;
}
