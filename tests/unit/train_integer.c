// SPDX-License-Identifier: MIT
/*
 * From a network that learns to an image: the card gives the bits of the last forward pass, gradients
 * follow the formulas that factors and offsets are made by, and scales come back as they were.
 */
#include <errno.h>
#include <math.h>

#include "fail_alloc.h"
#include "fqaccel.h"
#include "net/image_make.h"
#include "net/rng.h"
#include "tap.h"
#include "train/integer.h"
#include "train/prune.h"
#include "train_nets.h"
#include "train_ref.h"

#define BATCH		4
#define LAYERS		16
#define SCALE		(1.0f / 255)
#define MAX_PIXELS	(BATCH * 3 * 16 * 16)

static struct net_error err;
static struct dnn *dnn;
static uint8_t pixels[MAX_PIXELS];

/* A network with all that the stage integer finds. */
struct subject {
	struct net *net;
	struct tnet *t;
	struct fq_layer fq[LAYERS];
	uint8_t *mask[LAYERS];
	struct integer *in;
};

struct way {
	enum train_nets net;
	bool norm;
	enum dnn_type type;
	unsigned int bits;
	enum quant_mode mode;
};

static const struct way ways[] = {
	{ TRAIN_NET_PLAIN, true, DNN_F32, 5, QUANT_RECENTRALIZED },
	{ TRAIN_NET_PLAIN, false, DNN_F32, 4, QUANT_SHIFT },
	{ TRAIN_NET_RESIDUAL, true, DNN_F32, 5, QUANT_AUTO },
	{ TRAIN_NET_RESIDUAL, true, DNN_BF16, 5, QUANT_SHIFT },
	{ TRAIN_NET_RESIDUAL, true, DNN_F32, 3, QUANT_SHIFT },
	{ TRAIN_NET_BRANCHES, true, DNN_F32, 5, QUANT_RECENTRALIZED },
	{ TRAIN_NET_BRANCHES, false, DNN_F32, 6, QUANT_SHIFT },
	{ TRAIN_NET_POOLS, true, DNN_F32, 6, QUANT_RECENTRALIZED },
	{ TRAIN_NET_POOLS, true, DNN_BF16, 5, QUANT_AUTO },
};

#define WAYS	(sizeof(ways) / sizeof(ways[0]))

static const char *way_name(const struct way *w)
{
	static char text[100];

	snprintf(text, sizeof(text), "%s, %s, %u bits %s%s", train_nets_names[w->net],
		 w->type == DNN_BF16 ? "bf16" : "f32", w->bits,
		 w->mode == QUANT_SHIFT ? "shift" : w->mode == QUANT_AUTO ? "auto" : "recentralized",
		 w->norm ? "" : ", no normalization");
	return text;
}

/* What training may make of normalizations: flipped channels, dead ones, large means. */
static void shake(struct subject *s)
{
	uint32_t i, c;

	for (i = 0; i < s->net->layer_count; i++) {
		struct tnet_norm *n = s->t->layers[i].norm;

		for (c = 0; n && c < s->t->layers[i].channels; c++) {
			n->gamma[c] *= (float)(1 + 0.3 * train_net_normal(3, i, c));
			n->beta[c] += (float)(0.2 * train_net_normal(4, i, c));
		}
		if (!n)
			continue;
		n->gamma[1] = -n->gamma[1];
		n->gamma[2] = 0;
	}
}

/* A third of the weights, and a whole output channel of each layer. */
static void prune(struct subject *s, uint32_t i)
{
	size_t n = s->t->layers[i].weights, sum = n / s->t->layers[i].channels, k;

	s->mask[i] = malloc(n);
	if (!s->mask[i])
		bail("out of memory");
	for (k = 0; k < n; k++)
		s->mask[i][k] = k / sum != 3 && rng_uniform(9, i, k) > 0.33;
}

static void subject_make(struct subject *s, const struct way *w)
{
	const struct tnet_options o = { .batch = BATCH, .type = w->type, .norm = w->norm,
					.norm_momentum = 0.1f };
	const struct quant_options q = { .bits = w->bits, .mode = w->mode, .separation = 2,
					 .seed = 5 };
	uint32_t i;

	memset(s, 0, sizeof(*s));
	s->net = train_net(w->net, 11);
	if (tnet_create(s->net, dnn, &o, &s->t, &err))
		bail("%s", err.text);
	if (w->norm && tnet_norm_measure(s->t, pixels, SCALE))
		bail("%s", dnn_error(dnn));
	shake(s);
	for (i = 0; i < s->net->layer_count; i++) {
		struct tnet_layer *p = &s->t->layers[i];

		if (!p->weights)
			continue;
		prune(s, i);
		if (fq_create(&s->fq[i], p->channels, p->weights / p->channels, i, s->mask[i], &q) ||
		    fq_estimate(&s->fq[i], p->weight, 0))
			bail("fq: out of memory");
		s->fq[i].alpha = 0.9f + 0.02f * (float)i;
	}
}

/* Real weights on their grid, as stage quantize leaves them. */
static void subject_quantize(struct subject *s, float share)
{
	uint32_t i;

	for (i = 0; i < s->net->layer_count; i++) {
		struct tnet_layer *p = &s->t->layers[i];

		if (!p->weights)
			continue;
		if (fq_advance(&s->fq[i], p->weight, share))
			bail("fq: out of memory");
		fq_project(&s->fq[i], p->weight, p->projected);
		p->used = p->projected;
	}
}

static void subject_free(struct subject *s)
{
	uint32_t i;

	integer_destroy(s->in);
	for (i = 0; i < s->net->layer_count; i++) {
		fq_free(&s->fq[i]);
		free(s->mask[i]);
	}
	tnet_destroy(s->t);
	net_destroy(s->net);
}

static int calibrate(struct subject *s)
{
	const struct calib_set set = { BATCH, pixels, SCALE };

	/* All that these pictures give is represented: no gradient is lost. */
	return integer_create(s->t, s->fq, &set, CALIB_MINMAX, 2, &s->in, &err);
}

/* Up to the first forward pass of stage integer. */
static void subject_start(struct subject *s, const struct way *w)
{
	subject_make(s, w);
	subject_quantize(s, 1);
	if (calibrate(s) || integer_start(s->in, &err))
		bail("%s: %s", way_name(w), err.text);
}

static void forward(struct subject *s, enum tnet_mode mode)
{
	int rc = tnet_forward(s->t, mode, pixels, SCALE);

	if (rc)
		bail("forward pass: %s, %s", strerror(-rc), dnn_error(dnn));
}

static size_t elements(const struct subject *s, uint32_t tensor)
{
	return BATCH * net_tensor_elements(&s->net->tensors[tensor]);
}

/* A tensor of the last forward pass. */
static float *tensor(const struct subject *s, uint32_t t)
{
	float *v = malloc(elements(s, t) * sizeof(*v));

	if (!v)
		bail("out of memory");
	tnet_tensor(s->t, t, v);
	return v;
}

/* --- the image --- */

/* How many outputs differ from the card's; -1: none could be had. */
static long card_differences(const void *image, size_t len, const struct subject *s,
			     const float *want)
{
	size_t in = net_tensor_elements(&s->net->tensors[0]), n = s->t->classes, p, k;
	struct fqaccel_model *model = NULL;
	struct fqaccel_card *card = NULL;
	int32_t raw[64];
	long wrong = 0;

	if (fqaccel_card_open("soft", &card) || fqaccel_model_load(card, image, len, &model)) {
		diag("%s", fqaccel_error());
		fqaccel_card_close(card);
		return -1;
	}
	for (p = 0; wrong >= 0 && p < BATCH; p++) {
		if (fqaccel_infer(model, pixels + p * in, raw, 1)) {
			diag("%s", fqaccel_error());
			wrong = -1;
		}
		for (k = 0; wrong >= 0 && k < n; k++)
			wrong += raw[k] != (int32_t)want[p * n + k];
	}
	fqaccel_model_close(model);
	fqaccel_card_close(card);
	return wrong;
}

/* As if trained a little: all parameters move, and with them the integers. */
static void move(struct subject *s)
{
	uint32_t i, c;
	size_t k;

	for (i = 0; i < s->net->layer_count; i++) {
		struct tnet_layer *p = &s->t->layers[i];

		for (k = 0; k < p->weights; k++)
			p->weight[k] *= (float)(1 + 0.2 * train_net_normal(21, i, k));
		for (c = 0; p->bias && !p->fixed && c < p->channels; c++)
			p->bias[c] += (float)(0.05 * train_net_normal(22, i, c));
		for (c = 0; p->norm && c < p->channels; c++)
			p->norm->beta[c] += (float)(0.05 * train_net_normal(23, i, c));
		if (p->weights)
			s->fq[i].alpha *= 1.05f;
	}
}

static void test_image(const struct way *w)
{
	struct image_info info = { .normal.std = { 1, 1, 1 }, .color = FQZ_RGB,
				   .encoder = "test", .options = "" };
	float *first, *before, *after;
	char text[256] = "";
	void *image = NULL;
	struct subject s;
	size_t len, size;

	subject_start(&s, w);
	size = elements(&s, s.net->output);
	forward(&s, TNET_INTEGER);
	first = tensor(&s, s.net->output);
	move(&s);
	ok(!integer_refresh(s.in, &err), "%s: integers of moved parameters", way_name(w));
	forward(&s, TNET_INTEGER);
	before = tensor(&s, s.net->output);
	ok(memcmp(first, before, size * sizeof(*first)), "outputs have moved with them");
	ok(!integer_finish(s.in, &err), "finished");
	forward(&s, TNET_INTEGER);
	after = tensor(&s, s.net->output);
	ok_mem(after, before, size * sizeof(*after), "what the last forward pass computed");
	info.q = s.in->q;
	if (ok(!image_make(&info, &image, &len, text, sizeof(text)), "an image is made"))
		is_int(card_differences(image, len, &s, after), 0, "outputs that differ on the card");
	else
		diag("%s", text);
	free(image);
	free(first);
	free(before);
	free(after);
	subject_free(&s);
}

/* --- stage activate --- */

/* Values in steps: how many are not the integer network's, and the largest difference. */
static void rounded_differences(struct subject *s, uint32_t t, const float *integers,
				size_t *other, double *most)
{
	float *real = tensor(s, t), step = s->in->q->tensors[t].scale;
	size_t n = elements(s, t), i;

	*other = 0;
	*most = 0;
	for (i = 0; i < n; i++) {
		double v = real[i] / step, d = fabs(v - integers[i]);

		/* On the grid, and the same place of it. */
		*other += d > 0.01;
		*most = fmax(*most, fmax(d, fabs(v - round(v)) > 0.01 ? INFINITY : 0));
	}
	free(real);
}

static void test_bounds(enum train_nets which)
{
	const struct way w = { which, true, DNN_F32, 5, QUANT_RECENTRALIZED };
	float *integers[LAYERS + 1] = { 0 };
	size_t other = 0, all = 0, n;
	double most = 0, d;
	struct subject s;
	uint32_t t;

	subject_start(&s, &w);
	forward(&s, TNET_INTEGER);
	for (t = 1; t < s.net->tensor_count; t++)
		integers[t] = tensor(&s, t);
	subject_quantize(&s, 1);
	integer_bounds(s.in);
	forward(&s, TNET_EVAL);
	for (t = 1; t < s.net->tensor_count; t++) {
		if (s.in->q->tensors[t].type != FQZ_S32) {
			rounded_differences(&s, t, integers[t], &n, &d);
			other += n;
			all += elements(&s, t);
			most = fmax(most, d);
		}
		free(integers[t]);
	}
	ok((double)other < 0.02 * (double)all && most < 4,
	   "%s: stage activate rounds alike: %zu of %zu values differ, by %.0f at most",
	   train_nets_names[which], other, all, most);
	subject_free(&s);
}

/* --- gradients --- */

/* What integer_gradients() differentiates: sums over channels of arbitrary gradients by theirs. */
static double functional(struct subject *s, uint32_t i)
{
	const struct tnet_layer *p = &s->t->layers[i];
	double unit = s->in->q->tensors[p->l->in[0]].scale, sum = 0;
	uint32_t c;

	for (c = 0; c < p->channels; c++) {
		double factor = p->scale ? p->scale[c] * unit : fq_scale(&s->fq[i]) * unit, offset;

		if (p->norm) {
			double k = p->norm->gamma[c] / sqrt((double)p->norm->var[c] + TNET_NORM_EPS);

			factor *= k;
			offset = p->norm->beta[c] - k * p->norm->mean[c];
		} else {
			offset = p->bias[c];
		}
		sum += p->factor_grad[c] * factor + p->offset_grad[c] * offset;
	}
	return sum;
}

/* Relative error of a derivative; @scale: size of all that adds up to it. */
static double derivative_error(struct subject *s, uint32_t i, float *at, float got)
{
	float before = *at, step = 0x1p-7f * fmaxf(fabsf(before), 1);
	double up, down, want;

	*at = before + step;
	up = functional(s, i);
	*at = before - step;
	down = functional(s, i);
	*at = before;
	want = (up - down) / (2 * (double)step);
	return fabs(want - got) / fmax(fabs(want), 1e-3);
}

static double layer_error(struct subject *s, uint32_t i)
{
	struct tnet_layer *p = &s->t->layers[i];
	double most = 0;
	uint32_t c;

	for (c = 0; c < p->channels; c++) {
		if (p->norm) {
			most = fmax(most, derivative_error(s, i, &p->norm->gamma[c],
							   p->norm->gamma_grad[c]));
			most = fmax(most, derivative_error(s, i, &p->norm->beta[c],
							   p->norm->beta_grad[c]));
		} else {
			most = fmax(most, derivative_error(s, i, &p->bias[c], p->bias_grad[c]));
		}
		if (p->scale)
			most = fmax(most, derivative_error(s, i, &p->scale[c], p->scale_grad[c]));
	}
	if (p->weights)
		most = fmax(most, derivative_error(s, i, &s->fq[i].alpha, s->fq[i].alpha_grad));
	return most;
}

/* The formulas alone, on gradients that are no network's. */
static void test_formulas(const struct way *w)
{
	struct subject s;
	size_t wrong = 0, k;
	double most = 0;
	uint32_t i, c;

	subject_start(&s, w);
	for (i = 0; i < s.net->layer_count; i++) {
		struct tnet_layer *p = &s.t->layers[i];

		for (c = 0; p->factor_grad && c < p->channels; c++) {
			p->factor_grad[c] = (float)(1e4 * train_net_normal(31, i, c));
			p->offset_grad[c] = (float)train_net_normal(32, i, c);
		}
		for (k = 0; k < p->weights; k++)
			p->grad[k] = (float)k + 1;
	}
	integer_gradients(s.in);
	for (i = 0; i < s.net->layer_count; i++) {
		const struct tnet_layer *p = &s.t->layers[i];

		if (p->factor_grad)
			most = fmax(most, layer_error(&s, i));
		for (k = 0; k < p->weights; k++) {
			double want = s.mask[i][k] ? ((double)k + 1) / fq_scale(&s.fq[i]) : 0;

			wrong += fabs(p->grad[k] - want) > 1e-6 * want;
		}
	}
	ok(most < 1e-4, "%s: gradients by the formulas (off by %.1e)", way_name(w), most);
	is_int((intmax_t)wrong, 0, "gradients of master weights that are not those of their real values");
	subject_free(&s);
}

/* The function without any rounding of activations. */
static double smooth_loss(struct train_ref *r, const uint16_t *labels)
{
	train_ref_forward(r, true);
	return train_ref_loss(r, labels, 0);
}

/*
 * Moves the double network along the gradients of @t's parameters by @step; the square of these. alpha moves
 * all weights of its layer.
 */
static double step_along(struct train_ref *r, const struct subject *s, double step)
{
	double square = 0;
	uint32_t i;
	size_t k;
	int kind;

	for (i = 0; i < s->net->layer_count; i++) {
		const struct tnet_layer *p = &s->t->layers[i];
		const float *grads[REF_KINDS] = {
			p->grad, p->bias_grad, p->scale_grad,
			p->norm ? p->norm->gamma_grad : NULL, p->norm ? p->norm->beta_grad : NULL,
		};
		double alpha = s->fq[i].alpha_grad;

		for (k = 0; k < p->weights; k++)
			r->layers[i].param[REF_WEIGHT][k] *= 1 + step * alpha / s->fq[i].alpha;
		square += p->weights ? alpha * alpha : 0;
		for (kind = 0; !p->fixed && kind < REF_KINDS; kind++)
			for (k = 0; k < r->layers[i].count[kind]; k++) {
				r->layers[i].param[kind][k] += step * grads[kind][k];
				square += (double)grads[kind][k] * grads[kind][k];
			}
	}
	return square;
}

/* The real network that the integers stand for, less its roundings. */
static struct train_ref *smooth(struct subject *s)
{
	struct train_ref *r;
	size_t n = elements(s, 0), k;

	subject_quantize(s, 1);
	r = train_ref_create(s->net, BATCH, s->t->o.norm);
	train_ref_load(r, s->t);
	for (k = 0; k < n; k++)
		r->value[0][k] = (double)pixels[k] * SCALE;
	return r;
}

/* alpha's gradients by the weights', as fq.h says it, beside those by the factors. */
static double alpha_error(const struct subject *s, const double *by_weights)
{
	double most = 0;
	uint32_t i;

	for (i = 0; i < s->net->layer_count; i++)
		if (s->t->layers[i].weights)
			most = fmax(most, fabs(by_weights[i] - s->fq[i].alpha_grad) /
					  fmax(fabs(by_weights[i]), 0.01));
	return most;
}

/* The square of all gradients times how the loss of the smooth network changes along them. */
static double descent_ratio(struct subject *s, const uint16_t *labels)
{
	struct train_ref *r = smooth(s);
	double square = step_along(r, s, 0), step = 1e-4 / sqrt(square), up, down;

	step_along(r, s, step);
	up = smooth_loss(r, labels);
	train_ref_load(r, s->t);
	step_along(r, s, -step);
	down = smooth_loss(r, labels);
	train_ref_destroy(r);
	return (up - down) / (2 * step) / square;
}

static void test_descent(const struct way *w)
{
	float dlogits[BATCH * TRAIN_NETS_CLASSES];
	double alpha[LAYERS] = { 0 }, ratio, error;
	uint16_t labels[BATCH];
	struct subject s;
	uint32_t i;
	size_t k;

	subject_start(&s, w);
	train_net_labels(labels, BATCH, 3);
	forward(&s, TNET_INTEGER);
	ops_softmax_loss(s.t->logits, labels, BATCH, s.t->classes, 0, dlogits, NULL);
	if (tnet_backward(s.t, dlogits))
		bail("%s", dnn_error(dnn));
	for (i = 0; i < s.net->layer_count; i++) {
		const struct tnet_layer *p = &s.t->layers[i];

		for (k = 0; k < p->weights; k++)
			alpha[i] += (double)p->grad[k] * p->used[k] / s.fq[i].alpha;
	}
	integer_gradients(s.in);
	error = alpha_error(&s, alpha);
	ok(error < 1e-3, "%s: alpha's gradient by weights and by factors (off by %.1e)", way_name(w),
	   error);
	/* The network's own roundings move ReLUs and maxima, so this is rough. */
	ratio = descent_ratio(&s, labels);
	ok(fabs(ratio - 1) < 0.15, "along the gradients the loss rises %.3f times as these say", ratio);
	subject_free(&s);
}

/* --- the rest --- */

static void test_restore(const struct way *w)
{
	float scales[LAYERS + 1];
	struct integer *again = NULL;
	struct subject s;
	uint32_t i;
	bool same = true;

	subject_start(&s, w);
	integer_scales(s.in, scales);
	if (!ok(!integer_restore(s.t, s.fq, scales, &again, &err) && !integer_start(again, &err),
		"%s: restored", way_name(w)))
		bail("%s", err.text);
	for (i = 0; i < s.net->layer_count; i++) {
		const struct fqz_layer *a = &s.in->q->layers[i].f, *b = &again->q->layers[i].f;
		size_t c = s.t->layers[i].channels;

		same &= a->kind == b->kind && a->act_min == b->act_min && a->act_max == b->act_max &&
			a->bias_shift == b->bias_shift && a->out_shift == b->out_shift &&
			a->add_scale[0] == b->add_scale[0] && a->add_scale[1] == b->add_scale[1];
		same &= s.in->q->tensors[i + 1].type == again->q->tensors[i + 1].type &&
			s.in->q->tensors[i + 1].scale == again->q->tensors[i + 1].scale;
		if (a->scale)
			same &= !memcmp(a->scale, b->scale, 2 * c) && !memcmp(a->bias, b->bias, 2 * c) &&
				!memcmp(a->shift, b->shift, c);
	}
	ok(same, "all integers are the same");
	integer_destroy(again);
	ok(!s.t->integer, "a network whose integers are gone has none");
	scales[2] = NAN;
	is_int(integer_restore(s.t, s.fq, scales, &again, &err), -EBADMSG, "a scale that is none");
	ok(!again && strstr(err.text, "tensor 2"), "which one: %s", err.text);
	subject_free(&s);
}

static void test_refusals(void)
{
	struct subject s;

	subject_make(&s, &ways[2]);
	ok(!calibrate(&s), "scales for activations alone, nothing is quantized");
	integer_bounds(s.in);
	forward(&s, TNET_EVAL);
	is_int(integer_start(s.in, &err), -EINVAL, "no weights are quantized");
	is_str(err.text, "layer 't2': none of its weights is quantized; stage integer comes after stage "
	       "quantize", "and it says so");
	subject_quantize(&s, 0.5f);
	is_int(integer_start(s.in, &err), -EINVAL, "half of them");
	is_str(err.text, "layer 't2': not all of its weights are quantized; stage integer comes after stage "
	       "quantize", "and it says so");
	integer_destroy(s.in);
	s.t->layers[1].norm->beta[0] = NAN;
	is_int(calibrate(&s), -EINVAL, "a network that diverged");
	ok(strstr(err.text, "infinite") && !s.in, "and it says so: %s", err.text);
	subject_free(&s);
}

/* Each allocation fails once; LeakSanitizer looks at the end. */
static void test_memory(void)
{
	struct subject s;
	bool right = true;
	int rc = 1;
	long i;

	subject_make(&s, &ways[2]);
	subject_quantize(&s, 1);
	for (i = 0; rc && i < 100000; i++) {
		fail_alloc(i);
		rc = calibrate(&s);
		if (fail_alloc_end() && rc)
			right &= rc == -ENOMEM && !s.in;
	}
	ok(right && !rc && i > 100, "each of %ld allocations of a calibration fails", i - 1);
	rc = 1;
	for (i = 0; rc && i < 1000; i++) {
		fail_alloc(i);
		rc = integer_start(s.in, &err);
		if (!rc)
			rc = integer_finish(s.in, &err);
		if (fail_alloc_end() && rc)
			right &= rc == -ENOMEM;
	}
	ok(right && !rc && i > 10, "each of %ld allocations of an image's integers fails", i - 1);
	subject_free(&s);
}

/* The search from the last best on gives what a search from nothing gives. */
static void test_search(void)
{
	double factor[LAYERS], offset[LAYERS];
	struct subject s;
	struct qlayer *l;
	int i, k, other = 0;

	subject_start(&s, &ways[2]);
	l = &s.in->q->layers[1];
	for (i = 0; i < 500; i++) {
		struct fqz_layer f;
		int16_t scale[LAYERS], bias[LAYERS];
		uint8_t shift[LAYERS];
		size_t c = s.t->layers[1].channels;

		for (k = 0; k < (int)c; k++) {
			factor[k] = exp(3 * train_net_normal(41, i, k) - 5);
			offset[k] = k == i % 9 ? 0 : exp(3 * train_net_normal(42, i, k)) - 1;
			/* Many shifts give these without error. */
			if (i % 5 == 0) {
				factor[k] = ldexp(s.in->q->tensors[2].scale, -k);
				offset[k] = 0;
			}
		}
		if (lower_channels(s.in->q, 1, factor, offset, &err))
			bail("%s", err.text);
		f = l->f;
		memcpy(scale, l->scale, c * sizeof(*scale));
		memcpy(bias, l->bias, c * sizeof(*bias));
		memcpy(shift, l->shift, c);
		l->f.scale = NULL;
		if (lower_channels(s.in->q, 1, factor, offset, &err))
			bail("%s", err.text);
		other += f.bias_shift != l->f.bias_shift || memcmp(scale, l->scale, 2 * c) ||
			 memcmp(bias, l->bias, 2 * c) || memcmp(shift, l->shift, c);
	}
	is_int(other, 0, "searches for 16-bit integers that end elsewhere than without a start");
	subject_free(&s);
}

int main(void)
{
	size_t i;

	train_net_pixels(pixels, sizeof(pixels), 2);
	if (dnn_open(1, &dnn, &err))
		bail("%s", err.text);
	for (i = 0; i < WAYS; i++)
		test_image(&ways[i]);
	for (i = 0; i < TRAIN_NETS; i++)
		test_bounds((enum train_nets)i);
	for (i = 0; i < WAYS; i++)
		test_formulas(&ways[i]);
	for (i = 0; i < WAYS; i++)
		if (ways[i].type == DNN_F32)
			test_descent(&ways[i]);
	test_restore(&ways[2]);
	test_restore(&ways[7]);
	test_refusals();
	test_search();
	test_memory();
	dnn_close(dnn);
	return tap_done();
}
