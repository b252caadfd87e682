// SPDX-License-Identifier: MIT
/*
 * tnet, which is to say oneDNN and ops.c, forward and backward, against the plain executor on the
 * same parameters. Distances are relative L2 ones, ||got - wanted|| / ||wanted||: of a tensor, of all
 * layers' gradients by a kind of parameter, of one layer's by its weights and by its parameters by
 * channel (gamma and beta, scale and bias). They are at most 1e-3 in single precision, 3e-2 in
 * bfloat16. But one layer's by its parameters by channel may be 6e-2 away in bfloat16: they are a few
 * sums of both signs, in which the values cancel but not their roundings.
 *
 * At a kink (a bound, equal maxima) an error of rounding may change a gradient by all of it. In
 * single precision weights and pictures are chosen for which the executor is away from every kink;
 * bfloat16 is coarser than any such distance, so there the executor takes tnet's side.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "train/tnet_private.h"
#include "train_nets.h"
#include "train_ref.h"

#define MARGIN		1e-5
#define ROUNDED_MARGIN	3e-6	/* more kinks, but errors end at each rounding */
#define STEP		0x1p-6f
#define SCALE		(1.0f / 255)
#define MAX_BATCH	16

struct trial {
	enum train_nets which;
	bool norm;
	enum dnn_type type;
	uint32_t batch;
	unsigned int threads;
	float smoothing;
	bool pruned;		/* computes with projected weights, half of them 0 */
	bool rounded;		/* activations, to multiples of STEP: not in bfloat16 */
};

struct setup {
	const struct trial *o;
	char name[100];
	struct net *net;
	struct dnn *dnn;
	struct tnet *t;
	struct train_ref *r;
	uint8_t *pixels;
	uint16_t labels[MAX_BATCH];
};

static double limit(const struct setup *s)
{
	return s->o->type == DNN_BF16 ? 3e-2 : 1e-3;
}

/* struct apart - squares of the difference and of what was wanted, summed over one or more arrays. */
struct apart {
	double difference, size;
};

static void apart_add(struct apart *a, const float *got, const double *want, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		a->difference += (got[i] - want[i]) * (got[i] - want[i]);
		a->size += want[i] * want[i];
	}
}

static double apart_distance(const struct apart *a)
{
	return sqrt(a->difference / fmax(a->size, 1e-24));
}

static double distance(const float *got, const double *want, size_t n)
{
	struct apart a = { 0, 0 };

	apart_add(&a, got, want, n);
	return apart_distance(&a);
}

/* Roundings as calibration leaves them: not behind what only hands on rounded values, nor at the end. */
static void round_activations(struct setup *s)
{
	uint32_t i;

	for (i = 0; i + 1 < s->net->layer_count; i++) {
		const struct net_layer *l = &s->net->layers[i];
		struct ops_bound *b = &s->t->bounds[i];

		if (l->kind == NET_CONCAT || l->kind == NET_MAXPOOL)
			continue;
		b->step = STEP;
		b->low = l->act_min < 0 ? -128 : 0;
		b->high = l->act_min < 0 ? 127 : 255;
	}
}

/* Parameters as training leaves them, the same for the same seed. */
static void perturb(struct setup *s, uint64_t seed)
{
	uint32_t i;
	size_t k;

	for (i = 0; i < s->net->layer_count; i++) {
		struct tnet_layer *l = &s->t->layers[i];

		for (k = 0; l->norm && k < l->channels; k++) {
			l->norm->gamma[k] = (float)(1 + 0.3 * train_net_normal(seed, 500 + i, k));
			l->norm->beta[k] = (float)(0.3 * train_net_normal(seed, 600 + i, k));
			l->norm->mean[k] = (float)(0.3 * train_net_normal(seed, 700 + i, k));
			l->norm->var[k] = (float)exp(0.5 * train_net_normal(seed, 800 + i, k));
		}
		if (!l->weights || !s->o->pruned)
			continue;
		for (k = 0; k < l->weights; k++)
			l->projected[k] = train_net_normal(seed, 900 + i, k) < 0 ? 0 : 1.5f * l->weight[k];
		l->used = l->projected;
	}
}

static void set_up_seed(struct setup *s, uint64_t seed)
{
	const struct tnet_options o = {
		.batch = s->o->batch, .type = s->o->type, .norm = s->o->norm, .norm_momentum = 0.1f,
	};
	static struct net_error err;
	size_t n, i;

	s->net = train_net(s->o->which, seed);
	n = s->o->batch * net_tensor_elements(&s->net->tensors[0]);
	s->pixels = malloc(n);
	train_net_pixels(s->pixels, n, seed);
	train_net_labels(s->labels, s->o->batch, seed);
	if (tnet_create(s->net, s->dnn, &o, &s->t, &err))
		bail("%s: %s", s->name, err.text);
	perturb(s, seed);
	if (s->o->rounded)
		round_activations(s);
	s->r = train_ref_create(s->net, s->o->batch, s->o->norm);
	train_ref_load(s->r, s->t);
	for (i = 0; i < n; i++)
		s->r->value[0][i] = s->pixels[i] * (double)SCALE;
}

static void tear_down_seed(struct setup *s)
{
	tnet_destroy(s->t);
	train_ref_destroy(s->r);
	net_destroy(s->net);
	free(s->pixels);
}

/* The first seed with which the executor is away from kinks. */
static void set_up(struct setup *s, const struct trial *o)
{
	static struct net_error err;
	uint64_t seed;

	s->o = o;
	snprintf(s->name, sizeof(s->name), "%s%s%s%s, %s, batch %u, %u thread%s",
		 train_nets_names[o->which], o->norm ? " with norm" : "", o->pruned ? ", pruned" : "",
		 o->rounded ? ", rounded" : "", o->type == DNN_BF16 ? "bf16" : "f32", o->batch,
		 o->threads, o->threads > 1 ? "s" : "");
	if (dnn_open(o->threads, &s->dnn, &err))
		bail("%s: %s", s->name, err.text);
	for (seed = 1; seed < 50; seed++) {
		set_up_seed(s, seed);
		train_ref_forward(s->r, false);
		if (o->type == DNN_BF16 || s->r->margin > (o->rounded ? ROUNDED_MARGIN : MARGIN))
			return;
		tear_down_seed(s);
	}
	bail("%s: no seed away from kinks", s->name);
}

static void tear_down(struct setup *s)
{
	tear_down_seed(s);
	dnn_close(s->dnn);
}

/* The largest distance of all tensors behind the picture. */
static double tensors_distance(const struct setup *s, uint32_t *where)
{
	double worst = 0;
	uint32_t i;

	for (i = 1; i < s->net->tensor_count; i++) {
		size_t n = train_ref_elements(s->r, i);
		float *v = malloc(n * sizeof(*v));
		double d;

		tnet_tensor(s->t, i, v);
		d = distance(v, s->r->value[i], n);
		if (!(d <= worst)) {
			worst = d;
			*where = i;
		}
		free(v);
	}
	return worst;
}

static void test_forward(struct setup *s, enum tnet_mode mode, const char *what)
{
	size_t n = train_ref_elements(s->r, s->net->output);
	uint32_t where = 0;
	double d;

	if (tnet_forward(s->t, mode, s->pixels, SCALE))
		bail("%s: cannot run", s->name);
	train_ref_forward(s->r, mode == TNET_EVAL);
	d = distance(s->t->logits, s->r->value[s->net->output], n);
	ok(d <= limit(s), "%s: %s: logits (%.1e)", s->name, what, d);
	d = tensors_distance(s, &where);
	ok(d <= limit(s), "%s: %s: all tensors (%.1e, tensor %u)", s->name, what, d, where);
}

static struct train_ref_layer *ref_array(const struct setup *s, const struct tnet_param *p,
					 uint32_t *kind)
{
	for (*kind = 0; *kind < REF_KINDS; ++*kind)
		if (!strcmp(p->what, train_ref_kind_names[*kind]))
			return &s->r->layers[p->layer];
	bail("%s: what is a %s?", s->name, p->what);
}

/* Of one layer; all its gradients are also added to those of their kind. */
static unsigned int layer_far(const struct setup *s, uint32_t layer, const struct tnet_param *params,
			      int count, struct apart *kinds)
{
	double d[2], most = s->o->type == DNN_BF16 ? 6e-2 : 1e-3;
	struct apart weights = { 0, 0 }, channels = { 0, 0 };
	const struct train_ref_layer *p;
	uint32_t k;
	int i;

	for (i = 0; i < count; i++) {
		if (params[i].layer != layer)
			continue;
		p = ref_array(s, &params[i], &k);
		if (params[i].n != p->count[k])
			bail("%s: layer %u has %zu of %s", s->name, layer, params[i].n, params[i].what);
		apart_add(&kinds[k], params[i].grad, p->grad[k], params[i].n);
		apart_add(k == REF_WEIGHT ? &weights : &channels, params[i].grad, p->grad[k], params[i].n);
	}
	d[0] = apart_distance(&weights);
	d[1] = apart_distance(&channels);
	if (d[0] <= limit(s) && d[1] <= most)
		return 0;
	diag("%s: layer %u: weights %.1e, others %.1e", s->name, layer, d[0], d[1]);
	return 1;
}

/* Of every array that gradient descent moves; all that the executor has must be there. */
static void test_gradients(const struct setup *s)
{
	struct apart kinds[REF_KINDS] = { { 0, 0 } };
	unsigned int expected = 0, far = 0;
	struct tnet_param *params;
	int count = tnet_params(s->t, &params);
	uint32_t k, l;
	double d;

	if (count < 0)
		bail("out of memory");
	for (l = 0; l < s->net->layer_count; l++) {
		for (k = 0; k < REF_KINDS; k++)
			expected += s->r->layers[l].count[k] && !s->t->layers[l].fixed;
		far += layer_far(s, l, params, count, kinds);
	}
	ok((unsigned int)count == expected, "%s: %u arrays of parameters (%d)", s->name, expected, count);
	ok(!far, "%s: each layer's gradients", s->name);
	for (k = 0; k < REF_KINDS; k++) {
		d = apart_distance(&kinds[k]);
		if (kinds[k].size > 0)
			ok(d <= limit(s), "%s: gradients by %s (%.1e)", s->name,
			   train_ref_kind_names[k], d);
	}
	free(params);
}

static double *tensor_of(const struct setup *s, uint32_t tensor)
{
	size_t n = train_ref_elements(s->r, tensor), k;
	float *v = malloc(n * sizeof(*v));
	double *wide = malloc(n * sizeof(*wide));

	tnet_tensor(s->t, tensor, v);
	for (k = 0; k < n; k++)
		wide[k] = v[k];
	free(v);
	return wide;
}

/* A layer's sums, which tnet keeps, in a tensor's place. */
static double *sums_of(const struct setup *s, uint32_t layer)
{
	struct tnet_buffers *b = s->t->state->last;
	uint32_t out = s->net->layers[layer].out;
	void *tensor = b->tensor[out];
	double *sums;

	b->tensor[out] = b->sums[layer];
	sums = tensor_of(s, out);
	b->tensor[out] = tensor;
	return sums;
}

/* What tnet had before a layer's bounds, which is what its backward pass asks whether they acted. */
static double *before_of(const struct setup *s, uint32_t layer)
{
	const struct net_layer *l = &s->net->layers[layer];
	const struct tnet_layer_state *state = &s->t->state->layers[layer];
	const struct tnet_layer *p = &s->t->layers[layer];
	size_t n = train_ref_elements(s->r, l->out), k;
	size_t area = (size_t)s->net->tensors[l->out].h * s->net->tensors[l->out].w;
	bool pool = l->kind == NET_AVGPOOL || l->kind == NET_GLOBALPOOL;
	double *v = net_layer_has_weights(l) || pool ? sums_of(s, layer) :
		    tensor_of(s, l->kind == NET_AFFINE || l->kind == NET_ADD ? l->in[0] : l->out);
	double *second = l->kind == NET_ADD ? tensor_of(s, l->in[1]) : NULL;

	for (k = 0; k < n; k++) {
		size_t c = k / area % p->channels;

		if (p->norm)
			v[k] = v[k] * state->a[c] + state->b[c];
		else if (net_layer_has_weights(l))
			v[k] += p->bias[c];
		else if (l->kind == NET_AFFINE)
			v[k] = v[k] * p->scale[c] + p->bias[c];
		else if (second)
			v[k] += second[k];
	}
	free(second);
	return v;
}

static void follow(struct setup *s)
{
	struct train_ref *r = s->r;
	uint32_t i;

	r->follow = calloc(s->net->tensor_count, sizeof(*r->follow));
	r->follow_before = calloc(s->net->layer_count, sizeof(*r->follow_before));
	for (i = 0; i < s->net->tensor_count; i++)
		r->follow[i] = tensor_of(s, i);
	for (i = 0; i < s->net->layer_count; i++)
		r->follow_before[i] = before_of(s, i);
}

static void follow_no_longer(struct setup *s)
{
	struct train_ref *r = s->r;
	uint32_t i;

	for (i = 0; r->follow && i < s->net->tensor_count; i++)
		free(r->follow[i]);
	for (i = 0; r->follow && i < s->net->layer_count; i++)
		free(r->follow_before[i]);
	free(r->follow);
	free(r->follow_before);
	r->follow = r->follow_before = NULL;
}

static void test_backward(struct setup *s)
{
	size_t classes = TRAIN_NETS_CLASSES, correct = 0, right = 0, n, c;
	float *dlogits = malloc(s->o->batch * classes * sizeof(*dlogits));
	double loss, want;

	loss = ops_softmax_loss(s->t->logits, s->labels, s->o->batch, classes, s->o->smoothing, dlogits,
				&correct);
	want = train_ref_loss(s->r, s->labels, s->o->smoothing);
	ok(fabs(loss - want) <= limit(s) * want, "%s: loss %.5f (%.5f)", s->name, loss, want);
	for (n = 0; n < s->o->batch; n++) {
		size_t best = 0;

		for (c = 1; c < classes; c++)
			if (s->t->logits[n * classes + c] > s->t->logits[n * classes + best])
				best = c;
		right += best == s->labels[n];
	}
	is_int(correct, right, "correct pictures");
	if (s->o->type == DNN_BF16)
		follow(s);
	train_ref_backward(s->r);
	if (tnet_backward(s->t, dlogits))
		bail("%s: cannot run backward", s->name);
	test_gradients(s);
	follow_no_longer(s);
	free(dlogits);
}

/*
 * After one TRAIN pass: 0.9 of what was there and 0.1 of the batch's, with its unbiased variance. EVAL
 * changes nothing.
 */
static void test_running(const struct setup *s, bool trained)
{
	double worst = 0;
	uint32_t i;
	size_t c;

	for (i = 0; i < s->net->layer_count; i++) {
		const struct tnet_norm *norm = s->t->layers[i].norm;
		const struct train_ref_layer *p = &s->r->layers[i];
		const struct net_tensor *to = &s->net->tensors[s->net->layers[i].out];
		double rows = (double)s->o->batch * to->h * to->w;
		uint32_t channels = to->c;
		double *mean = malloc(channels * sizeof(*mean)), *var = malloc(channels * sizeof(*var));

		for (c = 0; c < channels; c++) {
			mean[c] = trained ? 0.9 * p->mean[c] + 0.1 * p->batch_mean[c] : p->mean[c];
			var[c] = trained ? 0.9 * p->var[c] + 0.1 * p->batch_var[c] * rows / (rows - 1) :
					   p->var[c];
		}
		if (norm) {
			worst = fmax(worst, distance(norm->mean, mean, channels));
			worst = fmax(worst, distance(norm->var, var, channels));
		}
		free(mean);
		free(var);
	}
	ok(worst <= (trained ? limit(s) : 0), "%s: running moments after %s (%.1e)", s->name,
	   trained ? "training" : "eval", worst);
}

static void test_trial(const struct trial *o)
{
	struct setup s;

	set_up(&s, o);
	test_forward(&s, TNET_EVAL, "eval");
	if (o->norm)
		test_running(&s, false);
	test_forward(&s, TNET_TRAIN, "train");
	if (o->norm)
		test_running(&s, true);
	test_backward(&s);
	tear_down(&s);
}

/* What a pass leaves behind is no part of the next one: same picture, same bits. */
static void test_again(unsigned int threads, enum dnn_type type)
{
	const struct trial o = { TRAIN_NET_BRANCHES, true, type, 4, threads, 0.1f, false, false };
	float dlogits[4 * TRAIN_NETS_CLASSES], *first[100], logits[4 * TRAIN_NETS_CLASSES];
	struct tnet_param *params;
	struct setup s;
	bool same = true;
	int count, i, pass;

	set_up(&s, &o);
	count = tnet_params(s.t, &params);
	for (pass = 0; pass < 2; pass++) {
		size_t correct;

		if (pass && tnet_forward(s.t, TNET_EVAL, s.pixels, SCALE))
			bail("cannot run");
		if (tnet_forward(s.t, TNET_TRAIN, s.pixels, SCALE))
			bail("cannot run");
		ops_softmax_loss(s.t->logits, s.labels, 4, TRAIN_NETS_CLASSES, 0.1f, dlogits, &correct);
		if (tnet_backward(s.t, dlogits))
			bail("cannot run backward");
		if (pass)
			same &= !memcmp(logits, s.t->logits, sizeof(logits));
		memcpy(logits, s.t->logits, sizeof(logits));
		for (i = 0; i < count; i++) {
			size_t len = params[i].n * sizeof(float);

			if (!pass) {
				first[i] = malloc(len);
				memcpy(first[i], params[i].grad, len);
			} else {
				same &= !memcmp(first[i], params[i].grad, len);
				free(first[i]);
			}
		}
	}
	ok(same, "%s: the same pictures again: the same bits", s.name);
	free(params);
	tear_down(&s);
}

int main(void)
{
	static const struct trial f32[] = {
		{ TRAIN_NET_PLAIN, false, DNN_F32, 1, 1, 0, false, false },
		{ TRAIN_NET_PLAIN, true, DNN_F32, 16, 2, 0.1f, true, false },
		{ TRAIN_NET_RESIDUAL, false, DNN_F32, 3, 2, 0.1f, false, false },
		{ TRAIN_NET_RESIDUAL, true, DNN_F32, 4, 1, 0, false, false },
		{ TRAIN_NET_BRANCHES, false, DNN_F32, 5, 1, 0, true, false },
		{ TRAIN_NET_BRANCHES, true, DNN_F32, 6, 2, 0.2f, false, false },
		{ TRAIN_NET_POOLS, false, DNN_F32, 2, 2, 0, false, false },
		{ TRAIN_NET_POOLS, true, DNN_F32, 4, 1, 0.1f, true, false },
		{ TRAIN_NET_WIDE, true, DNN_F32, 2, 2, 0.1f, false, false },
		{ TRAIN_NET_PLAIN, true, DNN_F32, 3, 1, 0, false, true },
		{ TRAIN_NET_BRANCHES, false, DNN_F32, 2, 1, 0, false, true },
		{ TRAIN_NET_POOLS, false, DNN_F32, 1, 2, 0, true, true },
	};
	struct trial bf16;
	size_t i;

	for (i = 0; i < sizeof(f32) / sizeof(f32[0]); i++) {
		test_trial(&f32[i]);
		if (f32[i].rounded)
			continue;
		bf16 = f32[i];
		bf16.type = DNN_BF16;
		if (dnn_has_bf16())
			test_trial(&bf16);
		else
			skip("no bfloat16 here", train_nets_names[bf16.which]);
	}
	test_again(1, DNN_F32);
	test_again(2, DNN_F32);
	if (dnn_has_bf16())
		test_again(2, DNN_BF16);
	return tap_done();
}
