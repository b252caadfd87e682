// SPDX-License-Identifier: MIT
/* An .fqz image as a standard ONNX file (compress.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/file.h"
#include "compress.h"
#include "export_onnx.h"

static const char description[] =
	"A network of an .fqz image in real values. picture: bytes [N, C, H, W], 0 to 255, the "
	"channels in the order of fqaccel.color; normalization is part of the network. Weights are "
	"the image's integers times its 16-bit scales, tN_q the 8-bit values of the image's tensor N.";

/* The picture's bytes, as the card takes them, and their real values. */
static void input(struct export *e)
{
	const struct fqz_tensor *t = &e->img->tensors[0];
	char *name = export_text(e, "picture");
	Onnx__ValueInfoProto *value = export_value(e, name, ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
						   t->c, t->h, t->w);

	export_scalar(e, export_text(e, "t0_scale"), t->scale);
	export_zero(e, export_text(e, "t0_zero"), true);
	export_dequantize(e, 0, name);
	export_input(e, value);
}

/* A list of classes is [N, classes], anything else [N, C, H, W]. */
static void output(struct export *e)
{
	uint32_t last = e->img->layer_count;
	const struct fqz_tensor *t = &e->img->tensors[last];
	char *name = export_tensor_name(e, last), *x = name;

	if (!e->img->class_count) {
		export_output(e, export_value(e, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, t->c,
					      t->h, t->w));
		return;
	}
	export_declare(e, export_value(e, x, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, t->c, t->h, t->w));
	name = export_node(e, "Flatten", export_text(e, "logits"), x, NULL);
	export_int(e, "axis", 1);
	export_output(e, export_value(e, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
				      e->img->class_count, 0, 0));
}

/* What a program must know to make inputs and read outputs. */
static void picture_meta(struct export *e)
{
	static const char *const colors[] = { "rgb", "bgr", "gray", "none" };
	const struct fqz_image *img = e->img;

	export_meta(e, "fqaccel.color", export_text(e, "%s", colors[img->color]));
	export_meta(e, "fqaccel.resize_shorter", export_text(e, "%u", img->resize_shorter));
	export_meta(e, "fqaccel.mean", export_text(e, "%.9g,%.9g,%.9g", img->mean[0], img->mean[1],
						   img->mean[2]));
	export_meta(e, "fqaccel.std", export_text(e, "%.9g,%.9g,%.9g", img->std[0], img->std[1],
						  img->std[2]));
	export_meta(e, "fqaccel.range", export_text(e, "%s", img->range255 ? "0..255" : "0..1"));
	export_meta(e, "fqaccel.output_step",
		    export_text(e, "%.9g", img->tensors[img->layer_count].scale));
	export_meta(e, "fqaccel.output_bound", export_text(e, "%.9g", e->deviation));
}

/* Class names have no line feed (FORMAT.md section 8). */
static char *class_lines(struct export *e)
{
	size_t size = 1;
	uint32_t i;
	char *lines, *p;

	for (i = 0; i < e->img->class_count; i++)
		size += strlen(e->img->classes[i]) + 1;
	lines = export_alloc(e, size);
	for (p = lines, i = 0; lines && i < e->img->class_count; i++) {
		p = stpcpy(p, e->img->classes[i]);
		*p++ = '\n';
	}
	return lines;
}

static void metadata(struct export *e, const void *image, size_t len)
{
	uint32_t i;

	picture_meta(e);
	if (e->img->class_count)
		export_meta(e, "fqaccel.classes", class_lines(e));
	export_meta(e, "fqaccel.crc32c", export_text(e, "%08x", fqz_crc32c(0, image, len)));
	for (i = 0; i < e->img->meta_count; i++)
		export_meta(e, export_text(e, "image.%s", e->img->meta[i].key),
			    export_text(e, "%s", e->img->meta[i].value));
}

int export_onnx(const void *image, size_t len, void **data, size_t *size, double *bound, char *err,
		size_t errlen)
{
	struct export e;
	struct fqz_error error = { 0 };
	struct fqz_image *img = NULL;
	const char *name;
	uint32_t i;
	int rc;

	rc = fqz_image_open(image, len, &img, &error);
	if (rc == -EBADMSG)
		snprintf(err, errlen, "%s at byte %llu: %s", fqz_reason_name(error.reason),
			 (unsigned long long)error.offset, error.what);
	else if (rc)
		snprintf(err, errlen, "%s", error.what);
	if (rc)
		return rc;
	export_begin(&e, "fqaccel-compress", description, err, errlen);
	e.img = img;
	name = fqz_image_meta(img, "source.name");
	e.graph.name = export_text(&e, "%s", name && *name ? name : "fqaccel");
	input(&e);
	for (i = 0; !e.rc && i < img->layer_count; i++)
		export_layer(&e, i);
	output(&e);
	metadata(&e, image, len);
	export_pack(&e, data, size);
	*bound = e.deviation;
	export_free(&e);
	fqz_image_close(img);
	return e.rc;
}

static int export_image(const struct compress_options *o, const char *name, const void *image,
			size_t len)
{
	char err[1024];
	double bound;
	void *data;
	size_t size;
	int rc;

	if (export_onnx(image, len, &data, &size, &bound, err, sizeof(err)))
		return cli_error("%s: %s", name, err);
	rc = file_write(o->export_onnx, data, size, err, sizeof(err));
	free(data);
	if (rc)
		return cli_error("%s", err);
	if (!o->quiet && !o->json)
		printf("%s: ONNX, opset %d; one step of rounding in each value that the last layer takes "
		       "moves an output by at most %.3g\n", o->export_onnx, EXPORT_OPSET, bound);
	return 0;
}

int export_made(const struct compress_options *o, const void *image, size_t len)
{
	return export_image(o, o->output, image, len);
}

int export_file(const struct compress_options *o)
{
	char err[1024];
	void *image;
	size_t len;
	int rc;

	if (file_read(o->image, UINT32_MAX, &image, &len, err, sizeof(err)))
		return cli_error("%s", err);
	rc = export_image(o, o->image, image, len);
	free(image);
	return rc;
}
