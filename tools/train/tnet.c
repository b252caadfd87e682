// SPDX-License-Identifier: MIT
/* The learning network: making, starting values, parameters, tensors (tnet.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bf16.h"
#include "net/rng.h"
#include "tnet_private.h"

#define INIT_STREAM	((uint64_t)0x77 << 32)	/* apart from other draws by the same seed */

static void fill(float *v, size_t n, float value)
{
	size_t i;

	for (i = 0; v && i < n; i++)
		v[i] = value;
}

static float *floats_alloc(size_t n, float value)
{
	float *v = tnet_alloc(n * sizeof(*v));

	fill(v, n, value);
	return v;
}

static float *floats_copy(const float *from, size_t n)
{
	float *v = tnet_alloc(n * sizeof(*v));

	if (v)
		memcpy(v, from, n * sizeof(*v));
	return v;
}

static void norm_destroy(struct tnet_norm *n)
{
	if (!n)
		return;
	free(n->gamma);
	free(n->beta);
	free(n->gamma_grad);
	free(n->beta_grad);
	free(n->mean);
	free(n->var);
	free(n);
}

static struct tnet_norm *norm_create(const float *bias, uint32_t channels)
{
	struct tnet_norm *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->gamma = floats_alloc(channels, 1);
	n->beta = floats_copy(bias, channels);
	n->gamma_grad = floats_alloc(channels, 0);
	n->beta_grad = floats_alloc(channels, 0);
	n->mean = floats_alloc(channels, 0);
	n->var = floats_alloc(channels, 1 - TNET_NORM_EPS);
	if (n->gamma && n->beta && n->gamma_grad && n->beta_grad && n->mean && n->var)
		return n;
	norm_destroy(n);
	return NULL;
}

/* Parameters of a layer and their gradients. */
static int layer_create(struct tnet *t, uint32_t i)
{
	const struct net_layer *l = &t->net->layers[i];
	struct tnet_layer *p = &t->layers[i];
	bool affine = l->kind == NET_AFFINE, weighted = net_layer_has_weights(l);

	p->l = l;
	p->channels = t->net->tensors[l->out].c;
	p->weights = net_layer_weights(t->net, l);
	p->fixed = affine && l->in[0] == t->net->input;
	if (!affine && !weighted)
		return 0;
	if (weighted) {
		p->weight = floats_copy(l->weight, p->weights);
		p->projected = floats_copy(l->weight, p->weights);
		p->grad = floats_alloc(p->weights, 0);
		p->used = p->weight;
		if (!p->weight || !p->projected || !p->grad)
			return -ENOMEM;
	}
	if (weighted && t->o.norm && i + 1 < t->net->layer_count) {
		p->norm = norm_create(l->bias, p->channels);
		if (!p->norm)
			return -ENOMEM;
	} else {
		p->bias = floats_copy(l->bias, p->channels);
		p->bias_grad = floats_alloc(p->channels, 0);
		if (!p->bias || !p->bias_grad)
			return -ENOMEM;
	}
	if (affine) {
		p->scale = floats_copy(l->scale, p->channels);
		p->scale_grad = floats_alloc(p->channels, 0);
		if (!p->scale || !p->scale_grad)
			return -ENOMEM;
	}
	if (!p->fixed) {
		p->factor_grad = floats_alloc(p->channels, 0);
		p->offset_grad = floats_alloc(p->channels, 0);
		if (!p->factor_grad || !p->offset_grad)
			return -ENOMEM;
	}
	return 0;
}

static int layer_state_create(struct tnet *t, uint32_t i)
{
	struct tnet_layer_state *s = &t->state->layers[i];
	uint32_t channels = t->layers[i].channels, k;
	const struct net_layer *l = &t->net->layers[i];
	bool params = net_layer_has_weights(l) || l->kind == NET_AFFINE;

	t->state->needed[l->out] = params && !t->layers[i].fixed;
	for (k = 0; k < l->in_count; k++)
		t->state->needed[l->out] |= t->state->needed[l->in[k]];
	if (!params)
		return 0;
	s->mean = floats_alloc(channels, 0);
	s->var = floats_alloc(channels, 1);
	s->a = floats_alloc(channels, 1);
	s->b = floats_alloc(channels, 0);
	s->ignored = floats_alloc(channels, 0);
	s->unit_single = floats_alloc(channels, 0);
	s->offset_single = floats_alloc(channels, 0);
	s->unit = tnet_alloc(channels * sizeof(*s->unit));
	s->offset = tnet_alloc(channels * sizeof(*s->offset));
	return s->mean && s->var && s->a && s->b && s->ignored && s->unit && s->offset &&
	       s->unit_single && s->offset_single ? 0 : -ENOMEM;
}

static void bound_init(struct ops_bound *b, const struct net_layer *l)
{
	b->min = l->act_min;
	b->max = l->act_max;
	b->step = 0;
	b->low = b->high = 0;
}

/*
 * The order that net_simplify() ensures, on which indexes and the plan of gradients rest, and what
 * training asks for beyond. Shapes are those of whoever made the network.
 */
static int check_net(const struct net *net, const struct tnet_options *o, struct net_error *err)
{
	const struct net_tensor *out = &net->tensors[net->output];
	bool *read = calloc(net->tensor_count, sizeof(*read)), good;
	uint32_t i, k;

	if (!read)
		return net_nomem(err);
	good = !net->input && net->layer_count && net->output == net->layer_count &&
	       net->tensor_count == net->layer_count + 1;
	for (i = 0; good && i < net->layer_count; i++) {
		good = net->layers[i].out == i + 1 && net->layers[i].kind != NET_PAD;
		for (k = 0; good && k < net->layers[i].in_count; k++) {
			good = net->layers[i].in[k] <= i;
			read[good ? net->layers[i].in[k] : 0] = true;
		}
	}
	for (i = 1; good && i < net->layer_count; i++)
		good = read[i];
	free(read);
	if (!good)
		return net_fail(err, "the network is not in the form that net_simplify() gives it");
	if (out->h != 1 || out->w != 1)
		return net_fail(err, "layer '%.200s': its output is %u x %u x %u; what is trained is a list "
				"of classes (C x 1 x 1)", net->layers[net->output - 1].name, out->c, out->h,
				out->w);
	if (!o->batch)
		return net_fail(err, "a batch of 0 pictures");
	return 0;
}

static int state_create(struct tnet *t, struct net_error *err)
{
	struct tnet_state *s = calloc(1, sizeof(*s));
	uint32_t i;

	t->state = s;
	if (!s)
		return net_nomem(err);
	s->layers = calloc(t->net->layer_count, sizeof(*s->layers));
	s->needed = calloc(t->net->tensor_count, sizeof(*s->needed));
	s->written = calloc(t->net->tensor_count, sizeof(*s->written));
	if (!s->layers || !s->needed || !s->written)
		return net_nomem(err);
	for (i = 0; i < t->net->layer_count; i++)
		if (layer_state_create(t, i))
			return net_nomem(err);
	if (!s->needed[t->net->output])
		return net_fail(err, "the network has nothing that could be trained");
	if (t->o.type == DNN_F32)
		s->integer = &s->real;
	return tnet_buffers_create(t, t->o.type, &s->real, err);
}

int tnet_create(const struct net *net, struct dnn *dnn, const struct tnet_options *o,
		struct tnet **out, struct net_error *err)
{
	struct tnet *t;
	uint32_t i;
	int rc = check_net(net, o, err);

	*out = NULL;
	if (rc)
		return rc;
	t = calloc(1, sizeof(*t));
	if (!t)
		return net_nomem(err);
	t->net = net;
	t->o = *o;
	t->dnn = dnn;
	t->classes = net->tensors[net->output].c;
	t->layers = calloc(net->layer_count, sizeof(*t->layers));
	t->bounds = calloc(net->layer_count, sizeof(*t->bounds));
	t->logits = floats_alloc(o->batch * t->classes, 0);
	if (!t->layers || !t->bounds || !t->logits)
		rc = net_nomem(err);
	for (i = 0; !rc && i < net->layer_count; i++) {
		bound_init(&t->bounds[i], &net->layers[i]);
		if (layer_create(t, i))
			rc = net_nomem(err);
	}
	if (!rc)
		rc = state_create(t, err);
	if (rc)
		tnet_destroy(t);
	else
		*out = t;
	return rc;
}

static void state_destroy(struct tnet *t)
{
	struct tnet_state *s = t->state;
	uint32_t i;

	if (!s)
		return;
	for (i = 0; s->layers && i < t->net->layer_count; i++) {
		free(s->layers[i].mean);
		free(s->layers[i].var);
		free(s->layers[i].a);
		free(s->layers[i].b);
		free(s->layers[i].ignored);
		free(s->layers[i].unit);
		free(s->layers[i].offset);
		free(s->layers[i].unit_single);
		free(s->layers[i].offset_single);
	}
	tnet_buffers_destroy(t, &s->real);
	tnet_buffers_destroy(t, &s->single);
	free(s->layers);
	free(s->needed);
	free(s->written);
	free(s->digit);
	free(s->weight_digit);
	free(s->exact);
	free(s);
}

void tnet_destroy(struct tnet *t)
{
	uint32_t i;

	if (!t)
		return;
	for (i = 0; t->layers && i < t->net->layer_count; i++) {
		struct tnet_layer *p = &t->layers[i];

		free(p->weight);
		free(p->projected);
		free(p->grad);
		free(p->bias);
		free(p->bias_grad);
		free(p->scale);
		free(p->scale_grad);
		free(p->factor_grad);
		free(p->offset_grad);
		norm_destroy(p->norm);
	}
	state_destroy(t);
	free(t->layers);
	free(t->bounds);
	free(t->logits);
	free(t);
}

/* Box and Muller's transform: two uniform numbers by (seed, layer, weight) give a normal one. */
static void weights_init(struct tnet_layer *p, uint64_t seed, uint32_t layer, size_t fan_in)
{
	double deviation = sqrt(2 / (double)fan_in);
	size_t i;

	for (i = 0; i < p->weights; i++) {
		double u = 1 - rng_uniform(seed, INIT_STREAM + layer, 2 * i);
		double v = rng_uniform(seed, INIT_STREAM + layer, 2 * i + 1);

		p->weight[i] = (float)(deviation * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
	}
}

void tnet_init(struct tnet *t, uint64_t seed)
{
	uint32_t i;

	for (i = 0; i < t->net->layer_count; i++) {
		struct tnet_layer *p = &t->layers[i];

		if (p->fixed)
			continue;
		weights_init(p, seed, i, net_layer_sum(t->net, p->l));
		fill(p->bias, p->channels, 0);
		fill(p->scale, p->channels, 1);
		if (!p->norm)
			continue;
		fill(p->norm->gamma, p->channels, 1);
		fill(p->norm->beta, p->channels, 0);
		fill(p->norm->mean, p->channels, 0);
		fill(p->norm->var, p->channels, 1);
	}
}

static float element(enum dnn_type type, const void *x, size_t i)
{
	return type == DNN_F32 ? ((const float *)x)[i] : bf16_load(((const uint16_t *)x)[i]);
}

void tnet_tensor(const struct tnet *t, uint32_t tensor, float *out)
{
	const struct net_tensor *s = &t->net->tensors[tensor];
	const struct tnet_buffers *b = t->state->last;
	size_t area = (size_t)s->h * s->w, n, c, i;

	for (n = 0; n < t->o.batch; n++)
		for (c = 0; c < s->c; c++)
			for (i = 0; i < area; i++)
				*out++ = element(b->type, b->tensor[tensor],
						 (n * area + i) * s->c + c);
}

static void param_add(struct tnet_param *p, size_t *count, uint32_t layer, const char *what,
		      float *value, float *grad, size_t n)
{
	if (!value)
		return;
	p[(*count)++] = (struct tnet_param){
		.value = value, .grad = grad, .n = n, .layer = layer,
		.decays = !strcmp(what, "weight"), .what = what,
	};
}

int tnet_params(struct tnet *t, struct tnet_param **out)
{
	/* At most a weight, gamma and beta, or a scale and a bias. */
	struct tnet_param *list = calloc(3 * (size_t)t->net->layer_count, sizeof(*list));
	size_t n = 0;
	uint32_t i;

	*out = list;
	if (!list)
		return -ENOMEM;
	for (i = 0; i < t->net->layer_count; i++) {
		struct tnet_layer *p = &t->layers[i];

		if (p->fixed)
			continue;
		param_add(list, &n, i, "weight", p->weight, p->grad, p->weights);
		param_add(list, &n, i, "scale", p->scale, p->scale_grad, p->channels);
		param_add(list, &n, i, "bias", p->bias, p->bias_grad, p->channels);
		if (!p->norm)
			continue;
		param_add(list, &n, i, "gamma", p->norm->gamma, p->norm->gamma_grad, p->channels);
		param_add(list, &n, i, "beta", p->norm->beta, p->norm->beta_grad, p->channels);
	}
	return (int)n;
}
