// SPDX-License-Identifier: MIT
/* Network and pictures of a training. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "fqz.h"
#include "net/normalize.h"
#include "net/onnx.h"
#include "net/pictures.h"
#include "netfile.h"
#include "run.h"

#define SETUP_HELD	10	/* without --validate a tenth of the pictures is held out */
#define SETUP_HELD_KEY	UINT32_MAX	/* the draw's epoch, which no training has */
#define SETUP_MOMENTUM	0.1f	/* share of a batch's moments in the running ones */

int run_fail(struct run *r, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->err, sizeof(r->err), fmt, ap);
	va_end(ap);
	return rc;
}

static int nomem(struct run *r)
{
	return run_fail(r, -ENOMEM, "out of memory");
}

/* Names given by --sparsity and --mode are those of layers with weights. */
static int check_own(struct run *r)
{
	uint32_t k;
	size_t i;

	for (i = 0; i < r->o.own_count; i++) {
		for (k = 0; k < r->net->layer_count; k++)
			if (net_layer_has_weights(&r->net->layers[k]) &&
			    !strcmp(r->net->layers[k].name, r->o.own[i].layer))
				break;
		if (k == r->net->layer_count)
			return run_fail(r, -EINVAL, "%s: it has no layer '%.200s' with weights",
					r->o.network, r->o.own[i].layer);
	}
	return 0;
}

static int load_classes(struct run *r)
{
	const struct net_tensor *t = &r->net->tensors[r->net->output];

	r->class_count = net_tensor_elements(t);
	if (t->h != 1 || t->w != 1 || r->class_count < 2 || r->class_count > UINT16_MAX)
		return run_fail(r, -EINVAL, "%s: its output is no list of classes", r->o.network);
	if (r->o.classes)
		return classes_load(r->o.classes, r->class_count, &r->classes, r->err,
				    sizeof(r->err));
	return classes_number(r->class_count, &r->classes) ? nomem(r) : 0;
}

static int load_text(struct run *r, struct net_error *err)
{
	void *text;
	size_t len;
	int rc = file_read(r->o.network, NETFILE_MAX_BYTES, &text, &len, err->text,
			   sizeof(err->text));

	if (rc)
		return rc;
	r->network_crc = fqz_crc32c(0, text, len);
	rc = netfile_parse(text, len, r->o.network, &r->net, err);
	free(text);
	return rc;
}

static int load_network(struct run *r)
{
	struct train_options *o = &r->o;
	struct normalization normal = { .range255 = o->range255, .bgr = o->bgr };
	static struct net_error err;	/* 8 KiB, and the program does this once */
	const struct net_tensor *in;
	int rc;

	if (o->scratch)
		rc = load_text(r, &err);
	else
		rc = onnx_import_file(o->network, &r->net, &r->network_crc, &err);
	/* Messages about texts begin with file and line. */
	if (rc && o->scratch)
		return run_fail(r, rc, "%s", err.text);
	if (rc)
		return run_fail(r, rc, "%s: %s", o->network, err.text);
	in = &r->net->tensors[0];
	if (in->c != 1 && in->c != 3)
		return run_fail(r, -EINVAL, "%s: its input has neither 3 channels nor 1; only pictures "
				"are supported", o->network);
	if (o->bgr && in->c == 1)
		return run_fail(r, -EINVAL, "%s: --bgr, but its input has one channel", o->network);
	r->color = in->c == 1 ? FQZ_GRAY : o->bgr ? FQZ_BGR : FQZ_RGB;
	if (o->crop < 0)
		o->crop = (in->h < in->w ? in->h : in->w) / 8;
	if (o->resize < 0)
		o->resize = (long)pictures_resize(in);
	memcpy(normal.mean, o->mean, sizeof(normal.mean));
	memcpy(normal.std, o->std, sizeof(normal.std));
	rc = net_normalize(r->net, &normal, &err);
	if (rc)
		return run_fail(r, rc, "%s: %s", o->network, err.text);
	rc = load_classes(r);
	return rc ? rc : check_own(r);
}

static int load_samples(struct run *r, const char *const *paths, size_t count, struct samples *s)
{
	const char *const *names = r->o.classes ? (const char *const *)r->classes : NULL;

	return samples_load(paths, count, &r->net->tensors[0], (enum img_color)r->color,
			    (uint32_t)r->o.resize, r->class_count, names, r->o.threads, s,
			    r->err, sizeof(r->err));
}

/*
 * A tenth of the pictures leaves @all for @held, drawn at random: data sets are in order of classes, or
 * have these in turn. The draw is the same for every seed, so that trainings can be compared.
 */
static int hold_out(struct run *r, struct samples *all, struct samples *held)
{
	size_t n = (size_t)all->c * all->h * all->w, i, kept = 0, out = 0;
	uint32_t *order = malloc(all->count * sizeof(*order));
	bool *leaves = calloc(all->count, sizeof(*leaves));
	int rc = 0;

	*held = *all;
	held->count = all->count / SETUP_HELD;
	held->pixels = malloc(held->count * n + 1);
	held->labels = malloc(held->count * sizeof(*held->labels) + 1);
	if (!order || !leaves || !held->pixels || !held->labels) {
		rc = nomem(r);
		goto free;
	}
	samples_order(all, 0, SETUP_HELD_KEY, order);
	for (i = 0; i < held->count; i++)
		leaves[order[i]] = true;
	for (i = 0; i < all->count; i++) {
		struct samples *to = leaves[i] ? held : all;
		size_t at = leaves[i] ? out++ : kept++;

		memmove(to->pixels + at * n, all->pixels + i * n, n);
		to->labels[at] = all->labels[i];
	}
	all->count = kept;
free:
	free(leaves);
	free(order);
	return rc;
}

static uint32_t samples_crc(uint32_t crc, const struct samples *s)
{
	crc = fqz_crc32c(crc, s->pixels, s->count * s->c * s->h * s->w);
	return fqz_crc32c(crc, s->labels, s->count * sizeof(*s->labels));
}

static int load_pictures(struct run *r)
{
	const struct train_options *o = &r->o;
	uint32_t k;
	int rc;

	rc = load_samples(r, o->data.path, o->data.count, &r->data);
	if (!rc && o->validate.count)
		rc = load_samples(r, o->validate.path, o->validate.count, &r->held);
	else if (!rc)
		rc = hold_out(r, &r->data, &r->held);
	if (rc)
		return rc;
	if (!r->held.count)
		return run_fail(r, -EINVAL, "%s: %zu pictures are too few to hold any out; add "
				"--validate PATH", o->data.path[0], r->data.count);
	r->data_crc = samples_crc(samples_crc(0, &r->data), &r->held);
	r->batch = (uint32_t)o->batch < r->data.count ? (uint32_t)o->batch :
		   (uint32_t)r->data.count;
	r->steps = (uint32_t)(r->data.count / r->batch);
	r->augment = (struct samples_augment){ .crop = (unsigned int)o->crop, .flip = o->flip,
					       .cutout = (unsigned int)o->cutout };
	for (k = 0; k < r->data.c; k++) {
		/* --mean is R, G, B whatever the network's order is. */
		float mean = o->mean[o->bgr ? r->data.c - 1 - k : k] * 255;

		r->augment.fill[k] = (uint8_t)lrintf(fminf(fmaxf(mean, 0), 255));
	}
	return 0;
}

static int alloc_scratch(struct run *r)
{
	size_t picture = (size_t)r->data.c * r->data.h * r->data.w;
	uint32_t k;
	int i;

	r->order = malloc(r->data.count * sizeof(*r->order));
	r->pixels = malloc(r->batch * picture);
	r->labels = malloc(r->batch * sizeof(*r->labels));
	r->gradient = malloc(r->batch * r->class_count * sizeof(*r->gradient));
	r->outputs = malloc(r->held.count * r->class_count * sizeof(*r->outputs));
	r->masks = calloc(r->net->layer_count, sizeof(*r->masks));
	r->fq = calloc(r->net->layer_count, sizeof(*r->fq));
	r->scales = calloc(r->net->tensor_count, sizeof(*r->scales));
	r->history = strdup("");
	r->prune = calloc(r->net->layer_count, sizeof(*r->prune));
	r->param_count = tnet_params(r->t, &r->params);
	for (k = 0; r->masks && k < r->net->layer_count; k++) {
		r->masks[k] = malloc(r->t->layers[k].weights + 1);
		if (!r->masks[k])
			return nomem(r);
		memset(r->masks[k], 1, r->t->layers[k].weights);
	}
	if (!r->order || !r->pixels || !r->labels || !r->gradient || !r->outputs || !r->masks ||
	    !r->fq || !r->scales || !r->history || !r->prune || r->param_count < 0)
		return nomem(r);
	r->momenta = calloc((size_t)r->param_count, sizeof(*r->momenta));
	for (i = 0; r->momenta && i < r->param_count; i++) {
		r->momenta[i] = calloc(r->params[i].n, sizeof(float));
		if (!r->momenta[i])
			return nomem(r);
	}
	return r->momenta ? 0 : nomem(r);
}

/* Random weights, or the statistics of pictures for normalizations that are put in. */
static int begin_weights(struct run *r)
{
	if (r->o.scratch) {
		tnet_init(r->t, r->o.weights.seed);
		return 0;
	}
	if (r->o.norm_keep)
		return 0;
	samples_order(&r->data, r->o.weights.seed, UINT32_MAX, r->order);
	samples_batch(&r->data, r->order, 0, r->batch, NULL, r->o.weights.seed, 0, r->pixels,
		      r->labels);
	if (tnet_norm_measure(r->t, r->pixels, r->pixel_scale))
		return run_fail(r, -EIO, "%s", dnn_error(r->dnn));
	return 0;
}

static int open_net(struct run *r)
{
	struct tnet_options o = { .batch = r->batch, .norm = !r->o.norm_keep,
				  .norm_momentum = SETUP_MOMENTUM };
	static struct net_error err;
	int rc;

	rc = dnn_open(r->o.threads, &r->dnn, &err);
	if (rc)
		return run_fail(r, rc, "%s", err.text);
	if (r->o.type == TRAIN_TYPE_AUTO)
		r->o.type = dnn_has_amx() ? DNN_BF16 : DNN_F32;
	o.type = (enum dnn_type)r->o.type;
	rc = tnet_create(r->net, r->dnn, &o, &r->t, &err);
	if (rc)
		return run_fail(r, rc, "%s: %s", r->o.network, err.text);
	rc = alloc_scratch(r);
	return rc ? rc : begin_weights(r);
}

int run_open(struct run *r)
{
	int rc;

	r->pixel_scale = 1.0f / 255;
	rc = load_network(r);
	if (!rc)
		rc = load_pictures(r);
	if (!rc)
		rc = open_net(r);
	if (!rc) {
		r->text = train_options_text(&r->o);
		rc = r->text ? 0 : nomem(r);
	}
	return rc;
}

void run_close(struct run *r)
{
	uint32_t k;
	int i;

	for (k = 0; r->masks && k < r->net->layer_count; k++)
		free(r->masks[k]);
	for (k = 0; r->fq && k < r->net->layer_count; k++)
		fq_free(&r->fq[k]);
	for (i = 0; r->momenta && i < r->param_count; i++)
		free(r->momenta[i]);
	free(r->momenta);
	free(r->params);
	free(r->masks);
	free(r->fq);
	free(r->scales);
	free(r->history);
	free(r->prune);
	free(r->log);
	free(r->order);
	free(r->pixels);
	free(r->labels);
	free(r->gradient);
	free(r->outputs);
	integer_destroy(r->integer);
	tnet_destroy(r->t);
	dnn_close(r->dnn);
	samples_free(&r->data);
	samples_free(&r->held);
	classes_free(r->classes, r->class_count);
	net_destroy(r->net);
	free(r->text);
}
