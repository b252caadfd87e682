// SPDX-License-Identifier: MIT
/* fqaccel-compress: from an ONNX network to an .fqz image. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/file.h"
#include "compress.h"
#include "net/onnx.h"
#include "search.h"

#define MAIN_MEMORY	((size_t)3 << 29)	/* bytes for calibration activations */

/* Everything that one compression holds. */
struct compression {
	struct compress_options o;
	struct net *net;
	struct qnet *q;
	struct quantize_layer_options *layers;
	struct image_info info;
	struct picture_set calibration, evaluation;
	struct score calibration_score, evaluation_score;
	struct search search;
	float pixel_scale;
	void *image;
	size_t len;
	char err[1024];
};

static int fail(const char *what, const char *why)
{
	return cli_error("%s%s%s", what, *what ? ": " : "", why);
}

/* An output of one row and column is a list of classes; without names they go by number. */
static int load_classes(struct compression *c)
{
	const struct net_tensor *t = &c->net->tensors[c->net->output];
	size_t count = net_tensor_elements(t);

	if (c->o.classes) {
		if (classes_load(c->o.classes, count, &c->info.classes, c->err, sizeof(c->err)))
			return fail("", c->err);
	} else if (t->h == 1 && t->w == 1 && count > 1) {
		if (classes_number(count, &c->info.classes))
			return fail("", "out of memory");
	} else {
		return 0;
	}
	c->info.class_count = (uint32_t)count;
	return 0;
}

static int load_network(struct compression *c)
{
	struct compress_options *o = &c->o;
	static struct net_error err;	/* 8 KiB, and the program does this once */
	uint32_t channels;

	if (onnx_import_file(o->model, &c->net, &c->info.source_crc, &err))
		return fail(o->model, err.text);
	channels = c->net->tensors[0].c;
	if (channels != 1 && channels != 3)
		return fail(o->model, "its input has neither 3 channels nor 1; only pictures are "
			    "supported");
	if (o->normal.bgr && channels == 1)
		return fail(o->model, "--bgr, but its input has one channel");
	c->info.color = channels == 1 ? FQZ_GRAY : o->normal.bgr ? FQZ_BGR : FQZ_RGB;
	if (net_normalize(c->net, &o->normal, &err))
		return fail(o->model, err.text);
	if (plan_make(o, c->net, &c->layers, c->err, sizeof(c->err)))
		return fail("", c->err);
	o->quantize.layers = c->layers;
	options_describe_layers(o, c->net, c->layers);
	return load_classes(c);
}

/* What FORMAT.md calls Resize_Shorter. */
static uint32_t resize_of(const struct compress_options *o, const struct net_tensor *t)
{
	return o->resize >= 0 ? (uint32_t)o->resize : pictures_resize(t);
}

/* At most @limit pictures of @path, as the network takes them. */
static int load_set(struct compression *c, const char *path, size_t limit,
		    struct picture_set *set)
{
	const char *const *names = c->o.classes ? (const char *const *)c->info.classes : NULL;

	return pictures_load(path, limit, &c->net->tensors[0], (enum img_color)c->info.color,
			     (int)c->info.resize, c->o.threads, names, c->info.class_count, set,
			     c->err, sizeof(c->err));
}

static int load_calibration(struct compression *c)
{
	const struct compress_options *o = &c->o;
	const struct net_tensor *t = &c->net->tensors[0];
	size_t fit = MAIN_MEMORY / quantize_memory(c->net), limit = o->pictures;
	int rc;

	if (!o->calibrate) {
		snprintf(c->err, sizeof(c->err), "out of memory");
		return pictures_synthetic(t, o->quantize.weights.seed, &c->calibration);
	}
	fit = fit < 1 ? 1 : fit;
	if (fit < limit)
		limit = fit;
	rc = load_set(c, o->calibrate, limit, &c->calibration);
	if (!rc && c->calibration.count == fit && fit < o->pictures && !o->quiet)
		cli_error("%zu calibration pictures are used, more would take over 1.5 GiB of "
			  "memory", fit);
	return rc;
}

static int load_pictures(struct compression *c)
{
	const struct compress_options *o = &c->o;
	int rc;

	c->info.resize = resize_of(o, &c->net->tensors[0]);
	rc = load_calibration(c);
	if (!rc && o->evaluate)
		rc = load_set(c, o->evaluate, SIZE_MAX, &c->evaluation);
	if (!rc && o->evaluate && !c->evaluation.labeled) {
		snprintf(c->err, sizeof(c->err), "%s: --evaluate needs labeled pictures",
			 o->evaluate);
		rc = -EINVAL;
	}
	return rc ? fail("", c->err) : 0;
}

static void show_progress(void *arg, uint32_t layer, uint32_t count)
{
	(void)arg;
	cli_progress(layer, count);
}

static int quantize(struct compression *c)
{
	struct calib_set set = { c->calibration.count, c->calibration.pixels, c->pixel_scale };
	static struct net_error err;
	int rc;

	if (!c->o.quiet)
		c->o.quantize.progress = show_progress;
	rc = quantize_network(c->net, &set, &c->o.quantize, &c->q, &err);
	cli_progress_clear();
	if (rc)
		return fail(c->o.model, err.text);
	c->info.q = c->q;
	return 0;
}

/* --target-cr and --max-loss: what quantize() is to do by layer. */
static int search(struct compression *c)
{
	struct compress_options *o = &c->o;
	struct quantize_layer_options *plan;
	struct search *s = &c->search;

	if (!options_search(o))
		return 0;
	s->o = o;
	s->net = c->net;
	s->calibration = &c->calibration;
	s->evaluation = o->evaluate ? &c->evaluation : NULL;
	s->info = c->info;
	s->pixel_scale = c->pixel_scale;
	if (search_run(s, &plan))
		return fail(o->model, s->err);
	if (!o->quiet && !o->json)
		search_print(s);
	search_describe(s, &s->known[s->chosen], c->err, sizeof(o->text));
	memcpy(o->text, c->err, sizeof(o->text));
	free(c->layers);
	c->layers = plan;
	o->quantize.layers = plan;
	return 0;
}

/* Write the image, run it, and write it again with what was measured. */
static int finish(struct compression *c)
{
	struct image_info *info = &c->info;
	int rc;

	image_describe(info, &c->o);
	rc = image_make(info, &c->image, &c->len, c->err, sizeof(c->err));
	if (!rc)
		rc = card_score(c->image, c->len, c->net, c->pixel_scale, &c->calibration,
				c->o.threads, &c->calibration_score, NULL, c->err, sizeof(c->err));
	if (!rc && c->o.evaluate)
		rc = card_score(c->image, c->len, c->net, c->pixel_scale, &c->evaluation,
				c->o.threads, &c->evaluation_score, NULL, c->err, sizeof(c->err));
	if (rc)
		return fail(c->o.model, c->err);
	info->score = c->o.evaluate ? &c->evaluation_score : &c->calibration_score;
	info->score_data = image_score_data(&c->o);
	free(c->image);
	c->image = NULL;
	rc = image_make(info, &c->image, &c->len, c->err, sizeof(c->err));
	if (rc)
		return fail(c->o.model, c->err);
	if (file_write(c->o.output, c->image, c->len, c->err, sizeof(c->err)))
		return fail("", c->err);
	return 0;
}

static int compress(struct compression *c)
{
	int rc;

	c->pixel_scale = 1.0f / 255;
	rc = load_network(c);
	if (!rc)
		rc = load_pictures(c);
	if (!rc)
		rc = search(c);
	if (!rc)
		rc = quantize(c);
	if (!rc)
		rc = finish(c);
	if (!rc && report_write(&c->o, options_search(&c->o) ? &c->search : NULL, &c->info,
				c->image, c->len, &c->calibration_score,
				c->o.evaluate ? &c->evaluation_score : NULL, c->err,
				sizeof(c->err)))
		rc = fail("", c->err);
	if (!rc && c->o.export_onnx)
		rc = export_made(&c->o, c->image, c->len);
	free(c->image);
	search_free(&c->search);
	qnet_destroy(c->q);
	free(c->layers);
	classes_free(c->info.classes, c->info.class_count);
	pictures_free(&c->calibration);
	pictures_free(&c->evaluation);
	net_destroy(c->net);
	return rc;
}

int main(int argc, char **argv)
{
	static struct compression c;
	int rc;

	cli_start("fqaccel-compress");
	rc = options_parse(&c.o, argc, argv);
	if (rc)
		return cli_finish(rc - 1);
	switch (c.o.action) {
	case COMPRESS_COMPARE:
		return cli_finish(compare(&c.o));
	case COMPRESS_LIST_OPS:
		return cli_finish(list_ops_run(&c.o, c.err, sizeof(c.err)) ? fail("", c.err) : 0);
	case COMPRESS_EXPORT:
		return cli_finish(export_file(&c.o));
	default:
		return cli_finish(compress(&c));
	}
}
