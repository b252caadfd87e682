// SPDX-License-Identifier: MIT
/*
 * TNET_INTEGER: each tensor as the quantizer's simulation has it, the output as the card has it, to the
 * bit, also where sums pass 2^24; its gradients by differences of the smooth function.
 */
#include <errno.h>
#include <math.h>

#include "fqaccel.h"
#include "net/image_make.h"
#include "net/rng.h"
#include "tap.h"
#include "train/ops_kernels.h"
#include "train/tnet_private.h"
#include "train_nets.h"
#include "train_smooth.h"

#define BATCH		3
#define SCALE		(1.0f / 255)
#define LOGITS		(BATCH * TRAIN_NETS_CLASSES)
#define STEP		1e-4

static struct net_error err;
static struct dnn *dnn;
static uint8_t pixels[BATCH * 3 * 64 * 64];

struct fixture {
	const char *name;
	struct net *net;
	struct qnet *q;
	struct tnet *t;
};

static void open_fixture(struct fixture *x, enum train_nets which, unsigned int bits,
			 enum quant_mode mode, enum dnn_type type)
{
	const struct tnet_options to = { .batch = BATCH, .type = type, .norm = true,
					 .norm_momentum = 0.1f };
	const struct quantize_options qo = {
		.weights = { .bits = bits, .mode = mode, .separation = 2, .threads = 1 },
	};
	struct calib_set set = { BATCH, pixels, SCALE };
	uint32_t i;
	size_t k;

	x->name = train_nets_names[which];
	x->net = train_net(which, 1);
	if (quantize_network(x->net, &set, &qo, &x->q, &err) ||
	    tnet_create(x->net, dnn, &to, &x->t, &err))
		bail("%s: %s", x->name, err.text);
	for (i = 0; i < x->net->layer_count; i++) {
		const struct quant_weights *w = &x->q->layers[i].weights;
		struct tnet_layer *p = &x->t->layers[i];

		for (k = 0; k < p->weights; k++)
			p->projected[k] = (float)w->alphabet.weight[w->symbols[k]];
		p->used = p->projected;
	}
	if (tnet_integer_set(x->t, x->q, &err))
		bail("%s: %s", x->name, err.text);
}

static void close_fixture(struct fixture *x)
{
	tnet_destroy(x->t);
	qnet_destroy(x->q);
	net_destroy(x->net);
}

static void forward(struct fixture *x)
{
	int rc = tnet_forward(x->t, TNET_INTEGER, pixels, 0);

	if (rc)
		bail("%s: forward: %d, %s", x->name, rc, dnn_error(dnn));
}

/* Every tensor of every picture by simulate_layer(), whose sums are exact for few bits. */
static bool simulation_agrees(struct fixture *x)
{
	static float a[BATCH * 16384], b[16384], scratch[2][16384];
	const struct net *net = x->net;
	struct net_work work = { NULL, 0 };
	void **at = calloc(net->tensor_count, sizeof(*at));
	const void *in[NET_MAX_INPUTS];
	uint32_t t, k, picture;
	bool same = true;

	for (t = 0; t < net->tensor_count; t++)
		at[t] = malloc(net_tensor_elements(&net->tensors[t]) * 4);
	for (picture = 0; picture < BATCH; picture++) {
		size_t n = net_tensor_elements(&net->tensors[0]);

		memcpy(at[0], pixels + picture * n, n);
		for (t = 1; t < net->tensor_count; t++) {
			const struct net_layer *l = &net->layers[t - 1];

			for (k = 0; k < l->in_count; k++)
				in[k] = at[l->in[k]];
			if (simulate_layer(x->q, t - 1, in, x->t->layers[t - 1].used, at[t], scratch[0],
					   scratch[1], &work))
				bail("out of memory");
			n = net_tensor_elements(&net->tensors[t]);
			simulate_load(&x->q->tensors[t], at[t], b);
			tnet_tensor(x->t, t, a);
			if (memcmp(a + picture * n, b, n * sizeof(*a))) {
				diag("%s: layer %u differs", x->name, t - 1);
				same = false;
			}
		}
	}
	for (t = 0; t < net->tensor_count; t++)
		free(at[t]);
	free(at);
	net_work_free(&work);
	return same;
}

/* The network as an image on the soft card: its output, as real values. */
static bool card_agrees(struct fixture *x)
{
	struct image_info info = { .normal.std = { 1, 1, 1 }, .color = FQZ_NOT_A_PICTURE, .q = x->q,
				   .encoder = "test", .options = "" };
	const struct fqz_tensor *out = &x->q->tensors[x->net->output];
	struct fqaccel_card *card = NULL;
	struct fqaccel_model *model = NULL;
	int32_t y[LOGITS] = { 0 };
	char text[256] = "";
	void *image = NULL;
	bool same = true;
	size_t len, i;

	if (image_make(&info, &image, &len, text, sizeof(text)))
		bail("%s: %s", x->name, text);
	if (fqaccel_card_open("soft", &card) || fqaccel_model_load(card, image, len, &model) ||
	    fqaccel_infer(model, pixels, y, BATCH))
		bail("%s: %s", x->name, fqaccel_error());
	for (i = 0; i < LOGITS; i++) {
		float v = out->type == FQZ_S32 ? (float)y[i] : out->type == FQZ_S8 ?
			  ((int8_t *)y)[i] : ((uint8_t *)y)[i];

		same &= x->t->logits[i] == v * out->scale;
	}
	fqaccel_model_close(model);
	fqaccel_card_close(card);
	free(image);
	return same;
}

/* Layer @i computes with its alphabet and symbols as they are now; its outputs are some forty steps large. */
static void symbols_use(struct fixture *x, uint32_t i)
{
	size_t sum = net_layer_sum(x->net, &x->net->layers[i]), k;
	const struct quant_weights *w = &x->q->layers[i].weights;
	struct tnet_layer *p = &x->t->layers[i];
	double factor[64], none[64] = { 0 };
	uint32_t c;

	for (c = 0; c < p->channels; c++) {
		double square = 1;

		for (k = c * sum; k < (c + 1) * sum; k++) {
			p->projected[k] = (float)w->alphabet.weight[w->symbols[k]];
			square += (double)p->projected[k] * p->projected[k];
		}
		factor[c] = 0.4 / sqrt(square) * x->q->tensors[i + 1].scale;
	}
	lower_weights(&x->q->layers[i].f, &w->alphabet);
	x->q->layers[i].f.symbols = w->symbols;
	if (lower_channels(x->q, i, factor, none, &err))
		bail("%s: %s", x->name, err.text);
}

/* Other weights, drawn from the largest alphabets of @bits bits, so that sums |w| alone pass 2^24. */
static void enlarge(struct fixture *x, unsigned int bits, enum fqz_mode mode)
{
	int low = mode == FQZ_SHIFT ? 0 : 4, offset;
	uint32_t i;
	size_t k;

	for (i = 0; i < x->net->layer_count; i++) {
		struct quant_weights *w = &x->q->layers[i].weights;

		if (!x->t->layers[i].weights)
			continue;
		if (quant_alphabet_init(&w->alphabet, mode, bits, i % 2 ? low : 0, i % 2 ? 0 : 18,
					i % 2 ? 1 : 18, &offset))
			bail("%s: no such alphabet", x->name);
		for (k = 0; k < x->t->layers[i].weights; k++)
			w->symbols[k] = (uint8_t)(w->alphabet.count * rng_uniform(5, i, k));
		symbols_use(x, i);
	}
}

/* The largest sum |w| of an output channel times its largest input, as 2^24 has it. */
static double largest_sum(const struct fixture *x)
{
	double most = 0;
	uint32_t i, c;
	size_t k;

	for (i = 0; i < x->net->layer_count; i++) {
		size_t sum = net_layer_sum(x->net, &x->net->layers[i]);

		for (c = 0; sum && c < x->t->layers[i].channels; c++) {
			double norm = 0;

			for (k = c * sum; k < (c + 1) * sum; k++)
				norm += fabs(x->t->layers[i].used[k]);
			most = fmax(most, norm * 255);
		}
	}
	return most;
}

static void test_forward(enum train_nets which)
{
	struct fixture x;

	open_fixture(&x, which, 5, QUANT_AUTO, DNN_F32);
	forward(&x);
	ok(simulation_agrees(&x), "%s: every tensor is the simulation's", x.name);
	ok(card_agrees(&x), "%s: the output is the card's", x.name);
	ok(largest_sum(&x) < 0x1p24, "%s: with sums below 2^24", x.name);
	close_fixture(&x);
	/* 2^15 times the smallest weight. */
	open_fixture(&x, which, 8, QUANT_SHIFT, DNN_F32);
	forward(&x);
	ok(card_agrees(&x), "%s, large weights: the output is the card's", x.name);
	ok(largest_sum(&x) > 0x1p24, "%s: with sums beyond 2^24", x.name);
	/* Backward and the float passes use the same buffers. */
	if (tnet_forward(x.t, TNET_TRAIN, pixels, SCALE))
		bail("%s", dnn_error(dnn));
	forward(&x);
	ok(card_agrees(&x), "%s: again after another pass", x.name);
	close_fixture(&x);
	open_fixture(&x, which, 8, QUANT_SHIFT, DNN_BF16);
	forward(&x);
	ok(card_agrees(&x), "%s: beside bfloat16", x.name);
	close_fixture(&x);
}

/* So many products with all of a weight's bits that digits of the input, too, make convolutions fewer. */
static void test_long(void)
{
	struct quant_weights *w;
	struct tnet_digits d;
	struct tnet_layer *p;
	struct fixture x;
	uint8_t most[2] = { 0 };	/* the symbols of -4095 and 4095 */
	unsigned int i;
	int offset;
	size_t k;

	open_fixture(&x, TRAIN_NET_LONG, 5, QUANT_AUTO, DNN_F32);
	p = &x.t->layers[1];
	w = &x.q->layers[1].weights;
	if (quant_alphabet_init(&w->alphabet, FQZ_RECENTRALIZED, 3, 0, 12, 12, &offset))
		bail("no such alphabet");
	for (i = 0; i < w->alphabet.count; i++)
		if (abs(w->alphabet.weight[i]) == 4095)
			most[w->alphabet.weight[i] > 0] = (uint8_t)i;
	for (k = 0; k < p->weights; k++)
		w->symbols[k] = most[rng_uniform(6, 0, k) < 0.5];
	symbols_use(&x, 1);
	if (tnet_digits_plan(p->used, p->channels, p->weights / p->channels,
			     tnet_integer_bound(x.t, 1), &d))
		bail("no plan");
	ok(d.count == 4 && d.part[1].w.from && d.part[2].x.from,
	   "%s: two digits of the input, two of the weights", x.name);
	forward(&x);
	ok(card_agrees(&x), "%s: the output is the card's", x.name);
	close_fixture(&x);
}

/* Return: the largest sum |w|. */
static double test_large(enum train_nets which, unsigned int bits, enum fqz_mode mode)
{
	const char *how = mode == FQZ_SHIFT ? "shift" : "recentralized";
	struct fixture x;
	float low, high;
	double norm;
	size_t i;

	open_fixture(&x, which, 5, QUANT_AUTO, DNN_F32);
	enlarge(&x, bits, mode);
	forward(&x);
	ok(card_agrees(&x), "%s, %u bits, %s: the output is the card's", x.name, bits, how);
	low = high = x.t->logits[0];
	for (i = 0; i < LOGITS; i++) {
		low = fminf(low, x.t->logits[i]);
		high = fmaxf(high, x.t->logits[i]);
	}
	ok(high > low, "%s: the outputs differ", x.name);
	norm = largest_sum(&x) / 255;
	close_fixture(&x);
	return norm;
}

/* The smooth loss's slope along @s->step. */
static double slope(struct train_smooth *s, const float *dlogits)
{
	uint32_t out = s->t->net->output;
	double sum[2] = { 0, 0 };
	int side;
	size_t i;

	for (side = 0; side < 2; side++) {
		train_smooth_run(s, side ? STEP : -STEP);
		for (i = 0; i < LOGITS; i++)
			sum[side] += dlogits[i] * s->value[out][i] * s->q->tensors[out].scale;
	}
	return (sum[1] - sum[0]) / (2 * STEP);
}

/* @step, as long as the gradient is for its parameters: the error relative to the gradient. */
static double grad_error(struct train_smooth *s, enum train_smooth_kind kind, const float *grad, size_t n,
			 double size, const float *dlogits)
{
	double want, got = 0, length = 0;
	size_t i;

	s->step[kind] = malloc(n * sizeof(double));
	for (i = 0; i < n; i++) {
		s->step[kind][i] = size * train_net_normal(9, s->moved, i);
		got += grad[i] * s->step[kind][i];
		length += (double)grad[i] * grad[i];
	}
	want = slope(s, dlogits);
	free(s->step[kind]);
	s->step[kind] = NULL;
	if (!(length > 0))
		return INFINITY;
	return fabs(got - want) / (sqrt(length) * size);
}

static void test_gradients(enum train_nets which, unsigned int bits, enum quant_mode mode, bool large)
{
	static const char *const kinds[] = { "weights", "factors", "offsets" };
	double worst[SMOOTH_KINDS] = { 0, 0, 0 };
	float dlogits[LOGITS];
	struct train_smooth *s;
	struct fixture x;
	uint32_t i, k;

	open_fixture(&x, which, bits, mode, DNN_F32);
	if (large)
		enlarge(&x, bits, FQZ_RECENTRALIZED);
	forward(&x);
	for (i = 0; i < LOGITS; i++)
		dlogits[i] = (float)train_net_normal(8, 0, i);
	s = train_smooth_create(x.t);
	ok(s->rounded_most <= 0.5 + 1e-6 && s->rounded_most > 0.4,
	   "%s, %u bits: the smooth function is at most half a step off (%.3f)", x.name, bits,
	   s->rounded_most);
	if (tnet_backward(x.t, dlogits))
		bail("%s: backward: %s", x.name, dnn_error(dnn));
	for (i = 0; i < x.net->layer_count; i++) {
		const struct tnet_layer *p = &x.t->layers[i];
		double e[SMOOTH_KINDS] = { 0, 0, 0 };

		s->moved = i;
		if (p->weights)
			e[0] = grad_error(s, SMOOTH_WEIGHT, p->grad, p->weights, 1, dlogits);
		if (p->factor_grad) {
			e[1] = grad_error(s, SMOOTH_FACTOR, p->factor_grad, p->channels,
					  x.q->tensors[i + 1].scale / 256, dlogits);
			e[2] = grad_error(s, SMOOTH_OFFSET, p->offset_grad, p->channels,
					  x.q->tensors[i + 1].scale, dlogits);
		}
		for (k = 0; k < SMOOTH_KINDS; k++) {
			if (e[k] > 1e-4)
				diag("%s: layer %u, %s: off by %.1e", x.name, i, kinds[k], e[k]);
			worst[k] = fmax(worst[k], e[k]);
		}
	}
	for (k = 0; k < SMOOTH_KINDS; k++)
		ok(worst[k] < 1e-4, "%s, %u bits: gradients by %s (off by %.1e)", x.name, bits, kinds[k],
		   worst[k]);
	train_smooth_destroy(s);
	close_fixture(&x);
}

/* What the last layer makes of its input, in 64 bits, is what the network gives; @sums: of the layer. */
static bool last_exact(struct fixture *f, int64_t *sums)
{
	static float x[BATCH * 64], y[LOGITS];
	uint32_t last = f->net->layer_count - 1;
	const struct tnet_layer *p = &f->t->layers[last];
	const struct qlayer *q = &f->q->layers[last];
	size_t inputs = p->weights / p->channels, n, k;
	bool same = true;

	forward(f);
	tnet_tensor(f->t, last, x);
	tnet_tensor(f->t, last + 1, y);
	for (n = 0; n < LOGITS; n++) {
		size_t c = n % p->channels;
		int64_t acc = 0, v;

		for (k = 0; k < inputs; k++)
			acc += (int64_t)p->projected[c * inputs + k] *
			       (int64_t)x[n / p->channels * inputs + k];
		v = acc * q->scale[c] + q->bias[c] * ((int64_t)1 << q->f.bias_shift);
		sums[n] = acc;
		acc = (llabs(v) + ((int64_t)1 << (q->shift[c] - 1))) >> q->shift[c];
		same &= (float)(v < 0 ? -acc : acc) == y[n] && acc < 1 << 24;
	}
	return same;
}

/*
 * Weights without a common factor whose sums are far beyond 2^24, kept but for @shift bits by the last
 * layer, against sums in 64 bits.
 */
static void test_digits(enum train_nets which, unsigned int shift)
{
	int64_t sums[LOGITS], largest = 0;
	struct fixture f;
	struct tnet_layer *p;
	struct qlayer *q;
	uint32_t last;
	size_t k;

	open_fixture(&f, which, 5, QUANT_AUTO, DNN_F32);
	last = f.net->layer_count - 1;
	p = &f.t->layers[last];
	q = &f.q->layers[last];
	for (k = 0; k < p->weights; k++)
		p->projected[k] = truncf((float)(0x1p17 * train_net_normal(7, 0, k)));
	for (k = 0; k < p->channels; k++) {
		q->scale[k] = 1;
		q->bias[k] = (int16_t)k;
		q->shift[k] = (uint8_t)shift;
	}
	ok(last_exact(&f, sums), "%s: sums beyond single precision are exact", f.name);
	for (k = 0; k < LOGITS; k++)
		largest = llabs(sums[k]) > largest ? llabs(sums[k]) : largest;
	ok(largest > 1 << 25, "%s: they reach 2^%.1f", f.name, log2((double)largest));
	close_fixture(&f);
}

/* Biases that make small sums miss a half by less than double precision has beside them. */
static void test_biases(void)
{
	int64_t sums[LOGITS];
	struct fixture f;
	struct tnet_layer *p;
	struct qlayer *q;
	size_t inputs, k;
	int near = 0;

	open_fixture(&f, TRAIN_NET_PLAIN, 5, QUANT_AUTO, DNN_F32);
	p = &f.t->layers[f.net->layer_count - 1];
	q = &f.q->layers[f.net->layer_count - 1];
	inputs = p->weights / p->channels;
	for (k = 0; k < p->weights; k++)
		p->projected[k] = k % inputs == k / inputs ? -1 : 0;
	/* 2^58 + 2^45 - sum, of which the 45th bit is a half. */
	q->f.bias_shift = 44;
	for (k = 0; k < p->channels; k++) {
		q->scale[k] = 1;
		q->bias[k] = (1 << 14) + 2;
		q->shift[k] = 46;
	}
	ok(last_exact(&f, sums), "%s: biases beyond double precision are exact", f.name);
	for (k = 0; k < LOGITS; k++)
		near += sums[k] < 0 && sums[k] > -32;
	ok(near, "%s: %d sums show it", f.name, near);
	close_fixture(&f);
}

/* What the card has no sums for; naming the layer. */
static void test_refusals(void)
{
	const float none[LOGITS] = { 0 };
	struct fixture x;
	float before;

	open_fixture(&x, TRAIN_NET_PLAIN, 5, QUANT_AUTO, DNN_F32);
	before = x.t->layers[3].projected[0];
	x.t->layers[3].projected[0] = 0x1p24f;
	ok(tnet_integer_check(x.t, &err) == -ERANGE && strstr(err.text, "layer 't4'"),
	   "a weight of 2^24 is refused");
	is_int(tnet_forward(x.t, TNET_INTEGER, pixels, 0), -ERANGE, "by a forward pass, too");
	is_int(tnet_backward(x.t, none), -EINVAL, "which leaves nothing to go back from");
	x.t->layers[3].projected[0] = NAN;
	is_int(tnet_integer_check(x.t, &err), -ERANGE, "so is what is no number");
	x.t->layers[3].projected[0] = before;
	is_int(tnet_forward(x.t, TNET_INTEGER, pixels, 0), 0, "as before");
	x.q->layers[2].f.kind = FQZ_AVGPOOL;
	ok(tnet_integer_set(x.t, x.q, &err) == -EINVAL && strstr(err.text, "layer 't3'"),
	   "another network's integers are refused");
	x.q->layers[2].f.kind = FQZ_MAXPOOL;
	close_fixture(&x);
}

/* Behind a sum over a picture of 257 x 255, which here is only said to be that large. */
static void test_largest(void)
{
	struct fqz_tensor *summed;
	struct tnet_layer *p;
	struct fixture x;
	size_t sum, k;

	open_fixture(&x, TRAIN_NET_RESIDUAL, 5, QUANT_AUTO, DNN_F32);
	p = &x.t->layers[10];
	sum = p->weights / p->channels;
	summed = &x.q->tensors[9];
	for (k = 0; k < p->weights; k++)
		p->projected[k] = k / sum ? 0 : (float)(((1 << 23) + (1 << 16)) / (int)sum);
	is_int(tnet_integer_check(x.t, &err), 0, "sums of a small picture fit");
	summed->h = 257;
	summed->w = 255;
	ok(tnet_integer_check(x.t, &err) == -ERANGE && strstr(err.text, "layer 't11'"),
	   "sums that pass 2^47 are refused");
	for (k = 0; k < sum; k++)
		p->projected[k] = (float)((1 << 23) / (int)sum);
	is_int(tnet_integer_check(x.t, &err), 0, "those just below are not");
	close_fixture(&x);
}

static void refuses_pool(struct fixture *x, const char *layer, const char *what)
{
	if (!ok(tnet_integer_set(x->t, x->q, &err) == -ERANGE && strstr(err.text, layer), "%s", what))
		diag("%s", err.text);
}

/* Sums of a pool's window that single precision may not hold, again only said to be that large. */
static void test_large_pools(void)
{
	struct fqz_layer *f;
	struct fixture x;

	open_fixture(&x, TRAIN_NET_RESIDUAL, 5, QUANT_AUTO, DNN_F32);
	x.net->tensors[9].h = x.q->tensors[9].h = 257;
	x.net->tensors[9].w = x.q->tensors[9].w = 257;
	refuses_pool(&x, "layer 't10'", "a sum over a picture that can reach 2^24 is refused");
	close_fixture(&x);
	open_fixture(&x, TRAIN_NET_BRANCHES, 5, QUANT_AUTO, DNN_F32);
	f = &x.q->layers[4].f;
	f->kernel_h = 257;
	f->kernel_w = 257;
	refuses_pool(&x, "layer 't5'", "so is a mean of so many");
	f->kernel_w = 256;
	is_int(tnet_integer_set(x.t, x.q, &err), 0, "one column less is not");
	close_fixture(&x);
}

/* Nothing is rounded, so any instruction set gives the same; those that the processor has. */
static void test_levels(void)
{
	struct fixture x;

	open_fixture(&x, TRAIN_NET_RESIDUAL, 5, QUANT_AUTO, DNN_F32);
	ops_use(ops_v1);
	forward(&x);
	ok(card_agrees(&x), "%s: the output is the card's with SSE2", x.name);
	if (ops_level() >= 3) {
		ops_use(ops_v3);
		forward(&x);
		ok(card_agrees(&x), "%s: the output is the card's with AVX2", x.name);
	} else {
		skip("a processor without AVX2", "the output is the card's with AVX2");
	}
	ops_use(NULL);
	close_fixture(&x);
}

/* Sums of integers are the same in any order. */
static void test_threads(void)
{
	struct fixture x;

	open_fixture(&x, TRAIN_NET_BRANCHES, 8, QUANT_SHIFT, DNN_F32);
	forward(&x);
	ok(card_agrees(&x), "%s: the output is the card's, by two threads", x.name);
	close_fixture(&x);
}

static void dnn_start(unsigned int threads)
{
	dnn_close(dnn);
	if (dnn_open(threads, &dnn, &err))
		bail("%s", err.text);
}

int main(void)
{
	enum train_nets which;
	double norm = 0;

	dnn_start(1);
	train_net_pixels(pixels, sizeof(pixels), 2);
	for (which = 0; which < TRAIN_NETS; which++) {
		test_forward(which);
		test_gradients(which, 5, QUANT_AUTO, false);
		test_gradients(which, 8, QUANT_AUTO, true);
		test_large(which, 7, FQZ_SHIFT);
		norm = fmax(norm, test_large(which, 8, FQZ_RECENTRALIZED));
	}
	ok(norm >= 0x1p24, "among these are weights that sum to 2^%.1f", log2(norm));
	test_large(TRAIN_NET_RESIDUAL, 7, FQZ_RECENTRALIZED);
	test_large(TRAIN_NET_PLAIN, 8, FQZ_SHIFT);
	test_long();
	test_gradients(TRAIN_NET_RESIDUAL, 8, QUANT_SHIFT, false);
	test_digits(TRAIN_NET_PLAIN, 6);
	test_digits(TRAIN_NET_RESIDUAL, 10);
	test_biases();
	test_levels();
	test_refusals();
	test_largest();
	test_large_pools();
	dnn_start(2);
	test_threads();
	dnn_close(dnn);
	return tap_done();
}
