// SPDX-License-Identifier: MIT
/* The two networks of a comparison, and whether they have the same layers (compare.h). */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cli.h"
#include "common/file.h"
#include "compare.h"
#include "net/onnx.h"

#define COMPARE_MEMORY	((size_t)3 << 29)	/* bytes for tensors of all pictures */

/* A global pool may be a window over all rows and columns in the image. */
static bool same_kind(const struct net *net, const struct net_layer *a, const struct net_layer *b)
{
	const struct net_tensor *t = &net->tensors[a->in[0]];

	if (a->kind == b->kind)
		return true;
	return a->kind == NET_GLOBALPOOL && b->kind == NET_AVGPOOL && b->kernel_h == t->h &&
	       b->kernel_w == t->w && net->tensors[a->out].h == 1 && net->tensors[a->out].w == 1;
}

static bool same_window(const struct net_layer *a, const struct net_layer *b)
{
	return a->kernel_h == b->kernel_h && a->kernel_w == b->kernel_w &&
	       a->stride_h == b->stride_h && a->stride_w == b->stride_w &&
	       a->pad_top == b->pad_top && a->pad_left == b->pad_left &&
	       a->pad_bottom == b->pad_bottom && a->pad_right == b->pad_right &&
	       a->dilation_h == b->dilation_h && a->dilation_w == b->dilation_w &&
	       a->groups == b->groups;
}

static bool same_tensor(const struct net_tensor *a, const struct net_tensor *b)
{
	return a->c == b->c && a->h == b->h && a->w == b->w;
}

/* NULL, or how a layer differs. */
static const char *layer_differs(const struct net *net, const struct net *image, uint32_t i)
{
	const struct net_layer *a = &net->layers[i], *b = &image->layers[i];

	if (!same_kind(net, a, b))
		return "it is of another kind there";
	if (!same_tensor(&net->tensors[a->out], &image->tensors[b->out]))
		return "its output has another shape there";
	if (a->in_count != b->in_count || memcmp(a->in, b->in, a->in_count * sizeof(a->in[0])))
		return "it reads other tensors there";
	if (a->kind == b->kind && a->kind != NET_GLOBALPOOL && !same_window(a, b))
		return "its kernel, stride or padding is another there";
	return NULL;
}

int compare_check(struct comparison *c)
{
	const struct net *image = netf_network(c->floats);
	const char *why;
	uint32_t i;

	if (!same_tensor(&c->net->tensors[0], &image->tensors[0])) {
		snprintf(c->err, sizeof(c->err), "their inputs have different shapes");
		return -EINVAL;
	}
	if (c->net->layer_count != image->layer_count) {
		snprintf(c->err, sizeof(c->err), "the network has %" PRIu32 " layers, the image %"
			 PRIu32, c->net->layer_count, image->layer_count);
		return -EINVAL;
	}
	for (i = 0; i < c->net->layer_count; i++) {
		why = layer_differs(c->net, image, i);
		if (!why)
			continue;
		snprintf(c->err, sizeof(c->err), "layer %" PRIu32 ", '%.200s' of the network: %s", i,
			 c->net->layers[i].name, why);
		return -EINVAL;
	}
	return 0;
}

static int open_image(struct comparison *c)
{
	static struct net_error err;
	struct fqz_error e = { 0 };

	if (file_read(c->o->image, UINT32_MAX, &c->data, &c->len, c->err, sizeof(c->err)))
		return cli_error("%s", c->err);
	if (fqz_image_open(c->data, c->len, &c->img, &e) || fqz_image_verify(c->img, &e))
		return e.what ? cli_error("%s: %s at byte %" PRIu64 ": %s", c->o->image,
					  fqz_reason_name(e.reason), e.offset, e.what) :
		       cli_error("%s: out of memory", c->o->image);
	if (c->img->color == FQZ_NOT_A_PICTURE)
		return cli_error("%s: its input is not a picture", c->o->image);
	if (netf_open(c->img, &c->floats, &err))
		return cli_error("%s: %s", c->o->image, err.text);
	return 0;
}

/* The network behind the normalization that the image has in front. */
static int open_network(struct comparison *c)
{
	struct normalization n = { .bgr = c->img->color == FQZ_BGR,
				   .range255 = c->img->range255 };
	const struct compress_options *o = c->o;
	static struct net_error err;
	const char *crc_text;
	char text[16];
	uint32_t crc;

	if (onnx_import_file(o->model, &c->net, &crc, &err))
		return cli_error("%s: %s", o->model, err.text);
	crc_text = fqz_image_meta(c->img, "source.crc32c");
	snprintf(text, sizeof(text), "%08" PRIx32, crc);
	c->same_source = crc_text && !strcmp(crc_text, text);
	memcpy(n.mean, c->img->mean, sizeof(n.mean));
	memcpy(n.std, c->img->std, sizeof(n.std));
	if (c->net->tensors[0].c != c->img->tensors[0].c)
		snprintf(c->err, sizeof(c->err), "their inputs have different shapes");
	else if (net_normalize(c->net, &n, &err))
		return cli_error("%s: %s", o->model, err.text);
	else if (!compare_check(c))
		return 0;
	return cli_error("%s: was not made from %s: %s", o->image, o->model, c->err);
}

/*
 * Layers of the same shapes can be compared whatever the file is, say with the network before
 * it was fine-tuned or exported anew. But the user should know.
 */
static void warn_source(const struct comparison *c)
{
	const char *name = fqz_image_meta(c->img, "source.name");

	if (c->same_source || c->o->quiet)
		return;
	cli_error("warning: %s was made from another file%s%s%s; its layers have the same shapes, so "
		  "they are compared", c->o->image, name ? ", '" : "", name ? name : "",
		  name ? "'" : "");
}

static int open_pictures(struct comparison *c)
{
	const struct compress_options *o = c->o;
	size_t fit = COMPARE_MEMORY / compare_memory(c), limit = o->pictures;

	fit = fit < 1 ? 1 : fit;
	if (fit < limit)
		limit = fit;
	if (pictures_load(o->calibrate, limit, &c->net->tensors[0], (enum img_color)c->img->color,
			  (int)c->img->resize_shorter, o->threads, NULL, 0, &c->set, c->err,
			  sizeof(c->err)))
		return cli_error("%s", c->err);
	if (c->set.count == fit && fit < o->pictures && !o->quiet)
		cli_error("%zu pictures are used, more would take over 1.5 GiB of memory", fit);
	return 0;
}

int compare(const struct compress_options *o)
{
	struct comparison c = { .o = o };
	int rc;

	rc = open_image(&c);
	if (!rc)
		rc = open_network(&c);
	if (!rc) {
		warn_source(&c);
		rc = open_pictures(&c);
	}
	if (!rc) {
		c.layers = calloc(c.net->layer_count, sizeof(*c.layers));
		if (!c.layers)
			rc = cli_error("out of memory");
		else if (compare_run(&c))
			rc = cli_error("%s: %s", o->image, c.err);
	}
	if (!rc)
		compare_print(&c);
	free(c.layers);
	pictures_free(&c.set);
	netf_close(c.floats);
	fqz_image_close(c.img);
	net_destroy(c.net);
	free(c.data);
	return rc;
}
