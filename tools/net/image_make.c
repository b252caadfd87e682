// SPDX-License-Identifier: MIT
/* An image and its metadata (image_make.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "image_make.h"

#define IMAGE_META	12
#define IMAGE_NAME	(255 + 4)	/* bytes of a file's name, and room for a character more */

static void meta_add(struct fqz_image *img, const char *key, const char *value)
{
	img->meta[img->meta_count].key = key;
	img->meta[img->meta_count++].value = value;
}

struct texts {
	char crc[16], images[24], top1[16], top5[16], agreement[16], name[IMAGE_NAME];
};

/* Names of files may be any bytes; metadata are UTF-8 without control characters. */
static void file_name(const char *path, char *name)
{
	const char *p = basename(path);
	size_t n, at = 0;

	for (; *p && at + 4 < IMAGE_NAME; p += n) {
		n = cli_text_length(p);
		if (!n) {
			n = 1;
			name[at++] = '_';
		} else {
			memcpy(name + at, p, n);
			at += n;
		}
	}
	name[at] = '\0';
}

/* Keys in ascending order (FORMAT.md section 8). */
static void meta_fill(const struct image_info *info, struct fqz_image *img, struct texts *t)
{
	const struct score *s = info->score;

	if (s && s->pictures) {
		double n = (double)s->labeled, all = (double)s->pictures;

		snprintf(t->images, sizeof(t->images), "%zu", s->pictures);
		snprintf(t->agreement, sizeof(t->agreement), "%.2f", 100 * (double)s->agree / all);
		meta_add(img, "accuracy.data", info->score_data);
		meta_add(img, "accuracy.images", t->images);
		if (s->labeled) {
			snprintf(t->top1, sizeof(t->top1), "%.2f", 100 * (double)s->top1 / n);
			snprintf(t->top5, sizeof(t->top5), "%.2f", 100 * (double)s->top5 / n);
			meta_add(img, "accuracy.top1", t->top1);
			meta_add(img, "accuracy.top5", t->top5);
		}
		if (!info->no_agreement)
			meta_add(img, "agreement.top1", t->agreement);
	}
	if (info->description)
		meta_add(img, "description", info->description);
	meta_add(img, "encoder", info->encoder);
	meta_add(img, "encoder.options", info->options);
	if (!info->source)
		return;
	snprintf(t->crc, sizeof(t->crc), "%08x", info->source_crc);
	meta_add(img, "source.crc32c", t->crc);
	file_name(info->source, t->name);
	meta_add(img, "source.name", t->name);
}

int image_make(const struct image_info *info, void **data, size_t *len, char *err,
	       size_t errlen)
{
	const struct net *net = info->q->net;
	struct fqz_image img = { .tensors = info->q->tensors, .tensor_count = net->tensor_count,
				 .layer_count = net->layer_count, .color = info->color,
				 .range255 = info->normal.range255, .resize_shorter = info->resize,
				 .class_count = info->class_count,
				 .classes = (const char **)info->classes };
	struct fqz_meta meta[IMAGE_META];
	struct fqz_error e = { 0 };
	struct texts texts;
	uint32_t i;
	int rc;

	memcpy(img.mean, info->normal.mean, sizeof(img.mean));
	memcpy(img.std, info->normal.std, sizeof(img.std));
	img.meta = meta;
	meta_fill(info, &img, &texts);
	img.layers = calloc(net->layer_count, sizeof(*img.layers));
	if (!img.layers) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	for (i = 0; i < net->layer_count; i++) {
		img.layers[i] = info->q->layers[i].f;
		if (net_layer_weights(net, &net->layers[i]))
			img.layers[i].coder = info->layers ? info->layers[i].coder :
					      info->coder;
	}
	rc = fqz_image_write(&img, data, len, &e);
	if (rc && e.layer != FQZ_NO_LAYER && e.layer < net->layer_count)
		snprintf(err, errlen, "layer %u, '%.100s': %s", e.layer, net->layers[e.layer].name,
			 e.what ? e.what : fqz_reason_name(e.reason));
	else if (rc)
		snprintf(err, errlen, "%s", e.what ? e.what : fqz_reason_name(e.reason));
	free(img.layers);
	return rc;
}
