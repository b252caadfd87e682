// SPDX-License-Identifier: GPL-2.0-or-later
/* fqaccel-info MODEL.fqz: header, layers, sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/file.h"
#include "fqaccel-info.h"
#include "fqz.h"

struct layer_facts {
	uint64_t weights, zeros;	/* 0 where the kind has none */
};

struct model_facts {
	const char *path;
	const struct fqz_image *img;
	struct layer_facts *layers;
	uint64_t weights, zeros;
	uint64_t dense_bytes;		/* 32 bits for each weight and each channel's bias */
	double cr;
};

static const char *const type_names[] = {
	[FQZ_U8] = "u8", [FQZ_S8] = "s8", [FQZ_S32] = "s32",
};

static const char *const color_names[] = {
	[FQZ_RGB] = "rgb", [FQZ_BGR] = "bgr", [FQZ_GRAY] = "gray", [FQZ_NOT_A_PICTURE] = "none",
};

static const char *mode_name(const struct fqz_layer *l)
{
	return l->mode == FQZ_SHIFT ? "shift" : "recentralized";
}

static bool has_window(const struct fqz_layer *l)
{
	return l->kind == FQZ_CONV || l->kind == FQZ_MAXPOOL || l->kind == FQZ_AVGPOOL;
}

static double percent(uint64_t n, uint64_t of)
{
	return of ? 100.0 * (double)n / (double)of : 0;
}

/* Symbol 0 is the pruned weight (FORMAT.md section 6.1). */
static int count_zeros(const struct fqz_image *img, uint32_t index, struct layer_facts *f,
		       struct fqz_error *err)
{
	const struct fqz_layer *l = &img->layers[index];
	uint8_t *symbols;
	size_t i;
	int ret;

	f->weights = (uint64_t)l->outputs * l->inputs_per_output;
	symbols = malloc(f->weights);
	if (!symbols) {
		err->reason = FQZ_NO_MEMORY;
		err->what = "out of memory";
		return -1;
	}
	ret = fqz_layer_decode(img, index, symbols, f->weights, err);
	if (!ret)
		ret = fqz_layer_check_bound(img, index, symbols, NULL, err);
	for (i = 0; !ret && i < f->weights; i++)
		f->zeros += !symbols[i];
	free(symbols);
	return ret;
}

static int gather(struct model_facts *m, struct fqz_error *err)
{
	const struct fqz_image *img = m->img;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < img->layer_count; i++) {
		if (!fqz_layer_has_weights(&img->layers[i]))
			continue;
		ret = count_zeros(img, i, &m->layers[i], err);
		m->weights += m->layers[i].weights;
		m->zeros += m->layers[i].zeros;
		m->dense_bytes += 4 * (m->layers[i].weights + img->layers[i].outputs);
	}
	m->cr = (double)m->dense_bytes / (double)img->file_size;
	return ret;
}

static void json_layer(const struct model_facts *m, uint32_t i)
{
	const struct fqz_layer *l = &m->img->layers[i];
	const struct fqz_tensor *t = &m->img->tensors[l->output];
	const struct layer_facts *f = &m->layers[i];
	uint32_t k;

	printf("%s\n    {\"index\": %u, \"kind\": \"%s\", \"name\": ", i ? "," : "", i,
	       fqz_kind_name(l->kind));
	cli_json_string(stdout, l->name ? l->name : "");
	printf(", \"inputs\": [");
	for (k = 0; k < l->input_count; k++)
		printf("%s%u", k ? ", " : "", l->inputs[k]);
	printf("], \"output\": [%u, %u, %u], \"type\": \"%s\", \"scale\": %.9g", t->c, t->h, t->w,
	       type_names[t->type], (double)t->scale);
	if (has_window(l))
		printf(", \"kernel\": [%u, %u], \"stride\": [%u, %u], \"pad\": [%u, %u, %u, %u]",
		       l->kernel_h, l->kernel_w, l->stride_h, l->stride_w, l->pad_top,
		       l->pad_left, l->pad_bottom, l->pad_right);
	if (l->kind == FQZ_CONV)
		printf(", \"dilation\": [%u, %u], \"groups\": %u", l->dilation_h, l->dilation_w,
		       l->groups);
	if (f->weights)
		printf(", \"mode\": \"%s\", \"bits\": %u, \"weights\": %llu, \"zeros\": %llu, \"bytes\": %u, \"dense_bytes\": %llu",
		       mode_name(l), l->bits, (unsigned long long)f->weights,
		       (unsigned long long)f->zeros, l->stream_size,
		       (unsigned long long)(4 * (f->weights + l->outputs)));
	printf("}");
}

static void json_metadata(const struct fqz_image *img)
{
	uint32_t i;

	printf(",\n  \"metadata\": {");
	for (i = 0; i < img->meta_count; i++) {
		printf("%s\n    ", i ? "," : "");
		cli_json_string(stdout, img->meta[i].key);
		printf(": ");
		cli_json_string(stdout, img->meta[i].value);
	}
	printf("%s}", img->meta_count ? "\n  " : "");
}

static void print_json(const struct model_facts *m)
{
	const struct fqz_image *img = m->img;
	const struct fqz_tensor *in = &img->tensors[0];
	uint32_t i;

	printf("{\n  \"model\": ");
	cli_json_string(stdout, m->path);
	printf(",\n  \"bytes\": %llu, \"dense_bytes\": %llu, \"cr\": %.4f,\n",
	       (unsigned long long)img->file_size, (unsigned long long)m->dense_bytes, m->cr);
	printf("  \"weights\": %llu, \"zeros\": %llu, \"classes\": %u,\n",
	       (unsigned long long)m->weights, (unsigned long long)m->zeros, img->class_count);
	printf("  \"input\": [%u, %u, %u], \"color\": \"%s\", \"resize_shorter\": %u,\n", in->c,
	       in->h, in->w, color_names[img->color], img->resize_shorter);
	printf("  \"mean\": [%.9g, %.9g, %.9g], \"std\": [%.9g, %.9g, %.9g], \"range255\": %s",
	       (double)img->mean[0], (double)img->mean[1], (double)img->mean[2],
	       (double)img->std[0], (double)img->std[1], (double)img->std[2],
	       img->range255 ? "true" : "false");
	json_metadata(img);
	printf(",\n  \"layers\": [");
	for (i = 0; i < img->layer_count; i++)
		json_layer(m, i);
	printf("\n  ]\n}\n");
}

static void text_layer(const struct model_facts *m, uint32_t i)
{
	const struct fqz_layer *l = &m->img->layers[i];
	const struct fqz_tensor *t = &m->img->tensors[l->output];
	const struct layer_facts *f = &m->layers[i];
	char shape[40], window[40] = "";

	snprintf(shape, sizeof(shape), "%ux%ux%u %s", t->c, t->h, t->w, type_names[t->type]);
	if (has_window(l))
		snprintf(window, sizeof(window), "%ux%u/%u%s", l->kernel_h, l->kernel_w,
			 l->stride_h, l->kind == FQZ_CONV && l->groups > 1 ? " g" : "");
	printf("%5u  %-7s  %-17s %-9s", i, fqz_kind_name(l->kind), shape, window);
	if (f->weights)
		printf(" %9llu  %-13s %4u %6.1f %9u %6.2f",
		       (unsigned long long)f->weights, mode_name(l), l->bits,
		       percent(f->zeros, f->weights), l->stream_size,
		       8.0 * l->stream_size / (double)f->weights);
	else if (l->name)
		printf(" %9s  %-13s %4s %6s %9s %6s", "", "", "", "", "", "");
	printf("%s%s\n", l->name ? "  " : "", l->name ? l->name : "");
}

/* A value's line feeds would look like other keys. */
static void text_value(const char *value)
{
	for (; *value; value++)
		putchar(*value == '\n' || *value == '\t' ? ' ' : *value);
}

static void print_text(const struct model_facts *m)
{
	const struct fqz_image *img = m->img;
	const struct fqz_tensor *in = &img->tensors[0];
	uint32_t i;

	printf("%s\n", m->path);
	printf("  size       %llu bytes; %llu as 32-bit floats: compressed %.2f times\n",
	       (unsigned long long)img->file_size, (unsigned long long)m->dense_bytes, m->cr);
	printf("  network    %u layers, %llu weights, %.1f %% of them zero\n", img->layer_count,
	       (unsigned long long)m->weights, percent(m->zeros, m->weights));
	printf("  input      %u x %u x %u", in->c, in->h, in->w);
	if (img->color == FQZ_NOT_A_PICTURE)
		printf(", not a picture\n");
	else if (img->resize_shorter)
		printf(" %s, shorter side resized to %u, center crop\n", color_names[img->color],
		       img->resize_shorter);
	else
		printf(" %s, resized to cover it, center crop\n", color_names[img->color]);
	if (img->class_count)
		printf("  classes    %u\n", img->class_count);
	printf("  pixels     mean %g %g %g, std %g %g %g, range %s\n", (double)img->mean[0],
	       (double)img->mean[1], (double)img->mean[2], (double)img->std[0],
	       (double)img->std[1], (double)img->std[2], img->range255 ? "0..255" : "0..1");
	for (i = 0; i < img->meta_count; i++) {
		printf("  %s: ", img->meta[i].key);
		text_value(img->meta[i].value);
		printf("\n");
	}
	printf("\n%5s  %-7s  %-17s %-9s %9s  %-13s %4s %6s %9s %6s  %s\n", "layer", "kind",
	       "output", "kernel", "weights", "mode", "bits", "zero %", "bytes", "b/w", "name");
	for (i = 0; i < img->layer_count; i++)
		text_layer(m, i);
}

static int describe(const char *path, const void *data, size_t len, bool json)
{
	struct model_facts m = { .path = path };
	struct fqz_image *img = NULL;
	struct fqz_error err;
	int ret;

	ret = fqz_image_open(data, len, &img, &err);
	if (!ret) {
		m.img = img;
		m.layers = calloc(img->layer_count, sizeof(*m.layers));
		ret = m.layers ? gather(&m, &err) : -1;
	}
	if (img && !m.layers)
		ret = cli_error("out of memory");
	else if (ret && err.layer != FQZ_NO_LAYER)
		ret = cli_error("%s: refused: %s in layer %u at byte %llu: %s", path,
				fqz_reason_name(err.reason), err.layer,
				(unsigned long long)err.offset, err.what);
	else if (ret)
		ret = cli_error("%s: refused: %s at byte %llu: %s", path,
				fqz_reason_name(err.reason), (unsigned long long)err.offset,
				err.what);
	else if (json)
		print_json(&m);
	else
		print_text(&m);
	free(m.layers);
	fqz_image_close(img);
	return ret;
}

int info_model(const char *path, bool json)
{
	char err[512];
	void *data;
	size_t len;
	int ret;

	if (file_read(path, UINT32_MAX, &data, &len, err, sizeof(err)))
		return cli_error("%s", err);
	ret = describe(path, data, len, json);
	free(data);
	return ret;
}
