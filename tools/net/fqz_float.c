// SPDX-License-Identifier: MIT
/* Float execution of .fqz images (fqz_float.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"
#include "fqz_float.h"

struct netf {
	struct net *net;
	struct net_state *state;
	float pixel_scale;
};

static enum net_kind kind_of(const struct fqz_layer *f)
{
	switch (f->kind) {
	case FQZ_AFFINE:
		return NET_AFFINE;
	case FQZ_CONV:
		return NET_CONV;
	case FQZ_FC:
		return NET_FC;
	case FQZ_ADD:
		return NET_ADD;
	case FQZ_CONCAT:
		return NET_CONCAT;
	case FQZ_MAXPOOL:
		return NET_MAXPOOL;
	case FQZ_AVGPOOL:
		return NET_AVGPOOL;
	case FQZ_SUMPOOL:
		break;
	}
	return NET_GLOBALPOOL;
}

static void geometry(const struct fqz_image *img, const struct fqz_layer *f, struct net_layer *l)
{
	const struct fqz_tensor *x = &img->tensors[f->inputs[0]];

	switch (f->kind) {
	case FQZ_FC:
		l->kernel_h = x->h;
		l->kernel_w = x->w;
		return;
	case FQZ_CONV:
		l->dilation_h = f->dilation_h;
		l->dilation_w = f->dilation_w;
		l->groups = f->groups;
		break;
	case FQZ_MAXPOOL:
	case FQZ_AVGPOOL:
		break;
	default:
		return;
	}
	l->kernel_h = f->kernel_h;
	l->kernel_w = f->kernel_w;
	l->stride_h = f->stride_h;
	l->stride_w = f->stride_w;
	l->pad_top = f->pad_top;
	l->pad_left = f->pad_left;
	l->pad_bottom = f->pad_bottom;
	l->pad_right = f->pad_right;
	l->count_padding = f->kind == FQZ_AVGPOOL && f->pool_rule == FQZ_POOL_PADDED;
	if (f->kind == FQZ_AVGPOOL && f->pool_rule == FQZ_POOL_DIVISOR)
		l->divisor = f->divisor;
}

/* Scale and bias of FORMAT.md section 7 in real values; @in is the input's scale. */
static int channels(const struct fqz_image *img, const struct fqz_layer *f, float in,
		    struct net_layer *l)
{
	uint32_t n = img->tensors[f->output].c, c;
	double out = img->tensors[f->output].scale;

	l->scale = malloc(n * sizeof(float));
	l->bias = malloc(n * sizeof(float));
	if (!l->scale || !l->bias)
		return -ENOMEM;
	for (c = 0; c < n; c++) {
		l->scale[c] = (float)(ldexp(f->scale[c], -(int)f->shift[c]) * out / in);
		l->bias[c] = (float)(out * ldexp(f->bias[c],
						 (int)f->bias_shift - (int)f->shift[c]));
	}
	return 0;
}

static int weights(const struct fqz_image *img, uint32_t index, struct net_layer *l,
		   struct net_error *err)
{
	const struct fqz_layer *f = &img->layers[index];
	size_t n = (size_t)f->outputs * f->inputs_per_output, i;
	int32_t values[FQZ_MAX_ALPHABET];
	struct fqz_error e = { 0 };
	uint8_t *symbols = malloc(n);
	int rc;

	l->weight = malloc(n * sizeof(float));
	if (!symbols || !l->weight) {
		free(symbols);
		return net_nomem(err);
	}
	rc = fqz_layer_decode(img, index, symbols, n, &e);
	if (rc)
		net_fail(err, "layer %u: %s", index,
			 e.what ? e.what : "its weights can't be decoded");
	fqz_layer_weights(f, values);
	for (i = 0; !rc && i < n; i++)
		l->weight[i] = (float)values[symbols[i]] * l->scale[i / f->inputs_per_output];
	free(symbols);
	free(l->scale);
	l->scale = NULL;
	return rc;
}

static int layer_add(const struct fqz_image *img, uint32_t index, float *scales,
		     struct net *net, struct net_error *err)
{
	const struct fqz_layer *f = &img->layers[index];
	const struct fqz_tensor *x = &img->tensors[f->inputs[0]], *y = &img->tensors[f->output];
	struct net_layer l;
	uint32_t k;
	int rc = 0;

	net_layer_init(&l, kind_of(f));
	l.name = (char *)(f->name ? f->name : "");
	l.in_count = f->input_count;
	for (k = 0; k < f->input_count; k++)
		l.in[k] = f->inputs[k];
	l.out = f->output;
	geometry(img, f, &l);
	scales[f->output] = y->scale;
	if (f->kind == FQZ_SUMPOOL) {
		/* The float layer gives the mean: one unit of the sum is this much of it. */
		scales[f->output] = x->scale / (float)(x->h * x->w);
	} else if (f->kind != FQZ_CONCAT && f->kind != FQZ_MAXPOOL) {
		l.act_min = (float)f->act_min * y->scale;
		l.act_max = (float)f->act_max * y->scale;
	}
	if (fqz_layer_has_channels(f))
		rc = channels(img, f, scales[f->inputs[0]], &l);
	if (rc)
		net_nomem(err);
	if (!rc && fqz_layer_has_weights(f))
		rc = weights(img, index, &l, err);
	if (rc) {
		free(l.weight);
		free(l.bias);
		free(l.scale);
		return rc;
	}
	return net_add_layer(net, &l, err);
}

static int network(const struct fqz_image *img, struct net *net, struct net_error *err)
{
	float *scales = calloc(img->tensor_count, sizeof(*scales));
	uint32_t i;
	int rc = scales ? 0 : net_nomem(err);

	for (i = 0; rc >= 0 && i < img->tensor_count; i++)
		rc = net_add_tensor(net, "", img->tensors[i].c, img->tensors[i].h,
				    img->tensors[i].w, err);
	if (rc > 0)
		rc = 0;
	if (scales)
		scales[0] = img->tensors[0].scale;
	for (i = 0; !rc && i < img->layer_count; i++)
		rc = layer_add(img, i, scales, net, err);
	net->input = 0;
	net->output = img->layer_count;
	free(scales);
	return rc;
}

int netf_open(const struct fqz_image *img, struct netf **out, struct net_error *err)
{
	struct netf *n = calloc(1, sizeof(*n));
	int rc;

	*out = NULL;
	if (!n)
		return net_nomem(err);
	n->net = net_create();
	rc = n->net ? network(img, n->net, err) : net_nomem(err);
	if (!rc) {
		n->pixel_scale = img->tensors[0].scale;
		n->state = net_state_create(n->net);
		if (!n->state)
			rc = net_nomem(err);
	}
	if (rc)
		netf_close(n);
	else
		*out = n;
	return rc;
}

const struct net *netf_network(const struct netf *n)
{
	return n->net;
}

void netf_close(struct netf *n)
{
	if (!n)
		return;
	net_state_destroy(n->state);
	net_destroy(n->net);
	free(n);
}

int netf_run(struct netf *n, const uint8_t *chw, float *output)
{
	size_t k = net_tensor_elements(&n->net->tensors[0]), i;
	uint32_t t = n->net->output;
	int rc;

	for (i = 0; i < k; i++)
		n->state->tensors[0][i] = (float)chw[i] * n->pixel_scale;
	rc = net_state_run(n->state);
	if (!rc)
		memcpy(output, n->state->tensors[t],
		       net_tensor_elements(&n->net->tensors[t]) * sizeof(float));
	return rc;
}
