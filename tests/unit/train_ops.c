// SPDX-License-Identifier: MIT
/* What the trainer computes besides convolutions, against plain loops in double precision. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "tap.h"
#include "train/bf16.h"
#include "train/ops_kernels.h"
#include "train_loops.h"

static const double tolerance[] = { [DNN_F32] = 1e-5, [DNN_BF16] = 1e-2 };
static const char *const type_name[] = { [DNN_F32] = "f32", [DNN_BF16] = "bf16" };

static const struct ops_bound relu6 = { .min = 0, .max = 0.6f };
static const struct ops_bound levels = { .min = -0.8f, .max = INFINITY, .step = 0.0625f,
					 .low = -9, .high = 11 };
static const struct ops_bound no_bound = { .min = -INFINITY, .max = INFINITY };
static const struct ops_bound *const bounds[] = { NULL, &no_bound, &relu6, &levels };
static const char *const bound_name[] = { "no bound", "infinite bounds", "bounds", "levels" };

/* Rows and channels: one, odd, a whole vector, several pieces, several blocks of channels. */
static const size_t shapes[][2] = { { 1, 1 }, { 7, 3 }, { 50, 16 }, { 2300, 17 }, { 600, 64 },
				    { 70, 300 } };
#define SHAPES	(sizeof(shapes) / sizeof(shapes[0]))

static double bound_of(double v, const struct ops_bound *b)
{
	double level;

	if (!b)
		return v;
	v = fmin(fmax(v, (double)b->min), (double)b->max);
	if (b->step <= 0)
		return v;
	level = round(v / (double)b->step);
	return fmin(fmax(level, (double)b->low), (double)b->high) * (double)b->step;
}

static bool inside(double v, const struct ops_bound *b)
{
	if (!b)
		return true;
	if (b->step > 0 && (v <= (double)b->low * (double)b->step ||
			    v >= (double)b->high * (double)b->step))
		return false;
	return v > (double)b->min && v < (double)b->max;
}

/*
 * Arrays of a shape. Single precision may round a value over a bound or a tie, so values keep away from
 * them: they are odd multiples of 2^-8, sums and products with the factors below as well.
 */
struct data {
	size_t rows, c, n;
	double *x, *x1, *dy, *want, *a, *b;
	void *tx, *tx1, *tdy, *out;
	float *ta, *tb;
	enum dnn_type type;
};

static double *odd_multiples(size_t n, uint64_t seed, double unit, double limit)
{
	double *v = loops_random(n, seed, DNN_F32);
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = (2 * floor(v[i] * limit / unit / 2) + 1) * unit;
	return v;
}

static struct data data_make(size_t rows, size_t c, enum dnn_type type)
{
	struct data d = { .rows = rows, .c = c, .n = rows * c, .type = type };
	size_t i;

	/* x + x1 and x * a + b are odd multiples of 1 / 128, in bfloat16 and single precision. */
	d.x = odd_multiples(d.n, 1, 1.0 / 128, 0.9);
	d.x1 = loops_random(d.n, 2, type);
	d.a = loops_random(c, 3, DNN_F32);
	d.b = loops_random(c, 4, DNN_F32);
	for (i = 0; i < d.n; i++)
		d.x1[i] = rint(d.x1[i] * 32) / 64;
	for (i = 0; i < c; i++) {
		d.a[i] = 2 * floor(d.a[i] * 2) + 1;
		d.b[i] = rint(d.b[i] * 16) / 64;
	}
	d.dy = loops_random(d.n, 5, type);
	d.want = loops_zeros(d.n);
	d.tx = loops_tensor(d.x, d.n, type);
	d.tx1 = loops_tensor(d.x1, d.n, type);
	d.tdy = loops_tensor(d.dy, d.n, type);
	d.out = loops_tensor(d.want, d.n, type);
	d.ta = loops_tensor(d.a, c, DNN_F32);
	d.tb = loops_tensor(d.b, c, DNN_F32);
	return d;
}

static void data_free(struct data *d)
{
	void *all[] = { d->x, d->x1, d->dy, d->want, d->a, d->b, d->tx, d->tx1, d->tdy, d->out,
			d->ta, d->tb };
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static void close_to(const void *got, enum dnn_type type, const double *want, size_t n,
		     double limit, const char *what, const struct data *d, const char *bound)
{
	double e = loops_error(got, type, want, n);

	if (!ok(e <= limit, "%s, %zu x %zu, %s, %s", what, d->rows, d->c, bound,
		type_name[d->type]))
		diag("differs by %g of the largest value", e);
}

#define OUT_CLOSE(what, bound) \
	close_to(d->out, d->type, d->want, d->n, tolerance[d->type], what, d, bound)

static void copy_out(struct data *d, const void *from)
{
	memcpy(d->out, from, d->n * dnn_type_bytes(d->type));
}

static void test_elements(struct data *d, const struct ops_bound *b, const char *name)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		d->want[i] = bound_of(d->x[i] + d->x1[i], b);
	ops_add(d->type, d->tx, d->tx1, d->n, b, d->out);
	OUT_CLOSE("sums", name);
	for (i = 0; i < d->n; i++)
		d->want[i] = inside(d->x[i] + d->x1[i], b) ? d->dy[i] : 0;
	ops_add_backward(d->type, d->tx, d->tx1, d->tdy, d->n, b, d->out);
	OUT_CLOSE("gradient of sums", name);
	copy_out(d, d->tdy);
	ops_add_backward(d->type, d->tx, d->tx1, d->out, d->n, b, d->out);
	OUT_CLOSE("gradient of sums in place", name);
	if (!b)
		return;
	for (i = 0; i < d->n; i++)
		d->want[i] = bound_of(d->x[i], b);
	ops_bound(d->type, d->tx, d->n, b, d->out);
	OUT_CLOSE("bounds", name);
	copy_out(d, d->tx);
	ops_bound(d->type, d->out, d->n, b, d->out);
	OUT_CLOSE("bounds in place", name);
	for (i = 0; i < d->n; i++)
		d->want[i] = inside(d->x[i], b) ? d->dy[i] : 0;
	ops_bound_backward(d->type, d->tx, d->tdy, d->n, b, d->out);
	OUT_CLOSE("gradient of bounds", name);
}

static void test_affine(struct data *d, const struct ops_bound *b, const char *name)
{
	double *da = loops_zeros(d->c), *db = loops_zeros(d->c), v, g;
	float *ta = loops_tensor(da, d->c, DNN_F32), *tb = loops_tensor(da, d->c, DNN_F32);
	size_t i, j;

	for (i = 0; i < d->n; i++)
		d->want[i] = bound_of(d->x[i] * d->a[i % d->c] + d->b[i % d->c], b);
	ops_affine(d->type, d->tx, d->rows, d->c, d->ta, d->tb, b, d->out);
	OUT_CLOSE("affine", name);
	for (i = 0; i < d->n; i++) {
		j = i % d->c;
		v = d->x[i] * d->a[j] + d->b[j];
		g = inside(v, b) ? d->dy[i] : 0;
		da[j] += g * d->x[i];
		db[j] += g;
		d->want[i] = g * d->a[j];
	}
	ops_affine_backward(d->type, d->tx, d->tdy, d->rows, d->c, d->ta, d->tb, b, NULL, ta, tb);
	close_to(ta, DNN_F32, da, d->c, 1e-5, "gradient by factors", d, name);
	close_to(tb, DNN_F32, db, d->c, 1e-5, "gradient by offsets", d, name);
	copy_out(d, d->tdy);
	memset(ta, 0, d->c * sizeof(*ta));
	ops_affine_backward(d->type, d->tx, d->out, d->rows, d->c, d->ta, d->tb, b, d->out, ta, tb);
	close_to(ta, DNN_F32, da, d->c, 1e-5, "gradient by factors, with the input's", d, name);
	OUT_CLOSE("gradient of affine in place", name);
	free(da);
	free(db);
	free(ta);
	free(tb);
}

static void test_moments(struct data *d)
{
	double *mean = loops_zeros(d->c), *var = loops_zeros(d->c), e;
	float *tm = loops_tensor(mean, d->c, DNN_F32), *tv = loops_tensor(mean, d->c, DNN_F32);
	size_t i, j;

	/* Means much larger than deviations. */
	for (i = 0; i < d->n; i++)
		mean[i % d->c] += (d->x[i] = d->x[i] + 64) / (double)d->rows;
	free(d->tx);
	d->tx = loops_tensor(d->x, d->n, d->type);
	for (j = 0; j < d->c; j++)
		mean[j] = 0;
	for (i = 0; i < d->n; i++) {
		d->x[i] = d->type == DNN_BF16 ? (double)bf16_load(((uint16_t *)d->tx)[i]) :
						(double)((float *)d->tx)[i];
		mean[i % d->c] += d->x[i] / (double)d->rows;
	}
	for (i = 0; i < d->n; i++) {
		e = d->x[i] - mean[i % d->c];
		var[i % d->c] += e * e / (double)d->rows;
	}
	ops_moments(d->type, d->tx, d->rows, d->c, tm, tv);
	close_to(tm, DNN_F32, mean, d->c, 1e-6, "means", d, "");
	close_to(tv, DNN_F32, var, d->c, 1e-6, "variances", d, "");
	free(mean);
	free(var);
	free(tm);
	free(tv);
}

/* sum of dy * y of channel @j for y a normalization of x, in double precision. */
static double norm_value(const struct data *d, size_t j, const double *gamma, const double *beta,
			 const struct ops_bound *b)
{
	double value = 0, mean = 0, var = 0, y;
	size_t i;

	for (i = j; i < d->n; i += d->c)
		mean += d->x[i] / (double)d->rows;
	for (i = j; i < d->n; i += d->c)
		var += (d->x[i] - mean) * (d->x[i] - mean) / (double)d->rows;
	for (i = j; i < d->n; i += d->c) {
		y = gamma[j] * (d->x[i] - mean) / sqrt(var + 1e-3) + beta[j];
		/* Bounds only: rounding counts as the identity. */
		if (b)
			y = fmin(fmax(y, (double)b->min), (double)b->max);
		value += d->dy[i] * y;
	}
	return value;
}

/* Its derivative by *at, which belongs to the channel. */
static double slope(const struct data *d, double *at, size_t j, const double *gamma,
		    const double *beta, const struct ops_bound *b)
{
	const double h = 1e-5;
	double was = *at, up, down;

	*at = was + h;
	up = norm_value(d, j, gamma, beta, b);
	*at = was - h;
	down = norm_value(d, j, gamma, beta, b);
	*at = was;
	return (up - down) / (2 * h);
}

/* Against finite differences in double precision; with few rows each depends on the moments. */
static void test_norm(enum dnn_type type, size_t c, const struct ops_bound *b, const char *name)
{
	struct data data = data_make(24, c, type), *d = &data;
	double *dgamma = loops_zeros(c), *dbeta = loops_zeros(c);
	double *gamma = loops_random(c, 7, DNN_F32), *beta = loops_random(c, 8, DNN_F32);
	float *tm = loops_tensor(gamma, c, DNN_F32), *tv = loops_tensor(gamma, c, DNN_F32);
	float *tg = loops_tensor(gamma, c, DNN_F32), *tb = loops_tensor(beta, c, DNN_F32);
	float *tdg = loops_tensor(gamma, c, DNN_F32), *tdb = loops_tensor(beta, c, DNN_F32);
	size_t i;

	ops_moments(type, d->tx, d->rows, c, tm, tv);
	ops_norm_backward(type, d->tx, d->tdy, d->rows, c, tm, tv, 1e-3f, tg, tb, b, d->out, tdg,
			  tdb);
	for (i = 0; i < d->n; i++)
		d->want[i] = slope(d, &d->x[i], i % c, gamma, beta, b);
	for (i = 0; i < c; i++) {
		dgamma[i] = slope(d, &gamma[i], i, gamma, beta, b);
		dbeta[i] = slope(d, &beta[i], i, gamma, beta, b);
	}
	OUT_CLOSE("gradient of a normalization", name);
	close_to(tdg, DNN_F32, dgamma, c, 1e-5, "gradient by gamma", d, name);
	close_to(tdb, DNN_F32, dbeta, c, 1e-5, "gradient by beta", d, name);
	ops_norm_backward(type, d->tx, d->tdy, d->rows, c, tm, tv, 1e-3f, tg, tb, b, d->tdy, tdg,
			  tdb);
	ok_mem(d->tdy, d->out, d->n * dnn_type_bytes(type), "the same in place");
	free(dgamma), free(dbeta), free(gamma), free(beta);
	free(tm), free(tv), free(tg), free(tb), free(tdg), free(tdb);
	data_free(d);
}

static void test_norm_affine(void)
{
	const float mean[] = { 2, 0 }, var[] = { 3, 0 }, gamma[] = { 4, 2 }, beta[] = { 1, -1 };
	float a[2], b[2];

	ops_norm_affine(2, mean, var, 1, gamma, beta, a, b);
	ok(a[0] == 2 && b[0] == -3 && a[1] == 2 && b[1] == -1, "a normalization's factors");
}

static void test_moves(enum dnn_type type)
{
	struct data data = data_make(2300, 17, type), *d = &data;
	size_t bytes = dnn_type_bytes(type), r, wrong = 0, i;
	char *wide = calloc(d->rows * 30, bytes), *back = malloc(d->n * bytes);
	enum dnn_type other = type == DNN_F32 ? DNN_BF16 : DNN_F32;
	void *copy = loops_tensor(d->dy, d->n, other);

	ops_concat(type, d->tx, d->rows, d->c, wide, 30, 9);
	for (r = 0; r < d->rows; r++) {
		wrong += !!memcmp(wide + (r * 30 + 9) * bytes, (char *)d->tx + r * 17 * bytes,
				  17 * bytes);
		for (i = 0; i < 30 * bytes; i++)
			wrong += (i < 9 * bytes || i >= 26 * bytes) && wide[r * 30 * bytes + i];
	}
	is_int(wrong, 0, "concatenation writes its channels and no others");
	ops_split(type, wide, d->rows, 30, 9, d->c, back);
	ok_mem(back, d->tx, d->n * bytes, "a split brings them back");

	for (i = 0; i < d->n; i++)
		d->want[i] = d->x[i] + d->dy[i];
	copy_out(d, d->tx);
	ops_accumulate(type, d->tdy, d->out, d->n);
	OUT_CLOSE("accumulation", "");

	ops_copy(type, d->tx, other, copy, d->n);
	close_to(copy, other, d->x, d->n, 0, "a copy to the other type", d, "");
	ops_copy(other, copy, type, back, d->n);
	ok_mem(back, d->tx, d->n * bytes, "a copy back");
	memset(back, 0, d->n * bytes);
	ops_copy(type, d->tx, type, back, d->n);
	ok_mem(back, d->tx, d->n * bytes, "a copy within the type");
	free(wide), free(back), free(copy);
	data_free(d);
}

static void test_pixels(enum dnn_type type)
{
	struct data data = data_make(5 * 12, 3, type), *d = &data;
	uint8_t pixels[5 * 3 * 12];
	size_t p, k, i;

	for (i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(i * 37);
	for (p = 0; p < 5; p++)
		for (k = 0; k < 3; k++)
			for (i = 0; i < 12; i++)
				d->want[(p * 12 + i) * 3 + k] = pixels[(p * 3 + k) * 12 + i] / 128.0;
	ops_from_pixels(type, pixels, 5, 3, 12, 1.0f / 128, d->out);
	close_to(d->out, type, d->want, d->n, 0, "pixels", d, "");
	data_free(d);
}

static void test_mean(enum dnn_type type, size_t c)
{
	struct data data = data_make(6 * 35, c, type), *d = &data;
	size_t i;

	for (i = 0; i < d->n; i++)
		d->want[i / (35 * c) * c + i % c] += d->x[i] / 35;
	ops_mean(type, d->tx, 6, 35, c, d->out);
	close_to(d->out, type, d->want, 6 * c, tolerance[type], "means over the area", d, "");
	for (i = 0; i < d->n; i++)
		d->want[i] = d->dy[i / (35 * c) * c + i % c] / 35;
	ops_mean_backward(type, d->tdy, 6, 35, c, d->out);
	OUT_CLOSE("gradient of means over the area", "");
	data_free(d);
}

static double loss_of(const double *x, size_t n, size_t classes, const uint16_t *labels, double s)
{
	double loss = 0, sum;
	size_t r, i;

	for (r = 0; r < n; r++, x += classes) {
		for (sum = 0, i = 0; i < classes; i++)
			sum += exp(x[i]);
		for (i = 0; i < classes; i++)
			loss -= (s / (double)classes + (i == labels[r] ? 1 - s : 0)) *
				log(exp(x[i]) / sum) / (double)n;
	}
	return loss;
}

static void test_loss(float smoothing)
{
	static const uint16_t labels[] = { 3, 0, 6, 2, 2 };
	double *x = loops_random(35, 11, DNN_F32), want[35], loss;
	float *tx, dx[35];
	size_t i, correct;

	for (i = 0; i < 35; i++)
		x[i] *= 4;
	x[3] = 4.5;			/* right */
	x[7] = x[9] = 5;		/* right: the lower of equal ones */
	x[21 + 1] = x[21 + 2] = 6;	/* wrong for the same reason */
	x[14 + 6] = x[28 + 2] = -4.5;	/* wrong */
	tx = loops_tensor(x, 35, DNN_F32);
	for (i = 0; i < 35; i++) {
		double was = x[i], h = 1e-5, up;

		x[i] = was + h;
		up = loss_of(x, 5, 7, labels, (double)smoothing);
		x[i] = was - h;
		want[i] = (up - loss_of(x, 5, 7, labels, (double)smoothing)) / (2 * h);
		x[i] = was;
	}
	loss = ops_softmax_loss(tx, labels, 5, 7, smoothing, dx, &correct);
	ok(fabs(loss - loss_of(x, 5, 7, labels, (double)smoothing)) < 1e-6, "loss %g", loss);
	ok(loops_error(dx, DNN_F32, want, 35) < 1e-6, "its gradient, smoothing %g",
	   (double)smoothing);
	is_int(correct, 2, "two rows are right");
	for (i = 0; i < 35; i++)
		tx[i] = 1e4f * (float)(i % 7);
	loss = ops_softmax_loss(tx, labels, 5, 7, 0, dx, &correct);
	ok(isfinite(loss) && correct == 1, "large logits do not overflow");
	tx[14] = NAN;
	loss = ops_softmax_loss(tx, labels, 5, 7, smoothing, NULL, NULL);
	ok(isnan(loss), "a NaN among the logits is one in the loss");
	tx[14] = 1;
	tx[15] = INFINITY;
	loss = ops_softmax_loss(tx, labels, 5, 7, smoothing, NULL, NULL);
	ok(!isfinite(loss), "so is an infinity");
	free(x);
	free(tx);
}

static void test_sgd(void)
{
	const size_t n = 40000;
	double *w = loops_random(n, 1, DNN_F32), *v = loops_random(n, 2, DNN_F32);
	double *g = loops_random(n, 3, DNN_F32);
	float *tw = loops_tensor(w, n, DNN_F32), *tv = loops_tensor(v, n, DNN_F32);
	float *tg = loops_tensor(g, n, DNN_F32);
	uint8_t *mask = calloc(n, 1);
	size_t i;

	for (i = 0; i < n; i++) {
		mask[i] = i % 3 ? 2 : 0;
		v[i] = 0.9 * v[i] + g[i] + 0.01 * w[i];
		w[i] -= 0.1 * v[i];
	}
	ops_sgd(tw, tv, tg, NULL, n, 0.1f, 0.9f, 0.01f);
	ok(loops_error(tw, DNN_F32, w, n) < 1e-6 && loops_error(tv, DNN_F32, v, n) < 1e-6,
	   "a step of gradient descent");
	for (i = 0; i < n; i++) {
		v[i] = mask[i] ? 0.9 * v[i] + g[i] + 0.01 * w[i] : v[i];
		w[i] -= mask[i] ? 0.1 * v[i] : 0;
	}
	ops_sgd(tw, tv, tg, mask, n, 0.1f, 0.9f, 0.01f);
	ok(loops_error(tw, DNN_F32, w, n) < 1e-6 && loops_error(tv, DNN_F32, v, n) < 1e-6,
	   "one with a mask");
	free(w), free(v), free(g), free(tw), free(tv), free(tg), free(mask);
}

static uint32_t bits_of(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

static void test_rounding(void)
{
	const struct ops_bound half = { .min = -INFINITY, .max = INFINITY, .step = 0.5f,
					.low = -128, .high = 127 };
	const float x[] = { 0.25f, -0.25f, 0.75f, -0.75f, 0.24999999f, -0.24999999f, 1e30f, -1e30f,
			    INFINITY, -INFINITY, 4194303.5f, 63.2f, 0.0f, 0.3f, 1.25f, -1.75f };
	const float want[] = { 0.5f, -0.5f, 1.0f, -1.0f, 0, 0, 63.5f, -64.0f, 63.5f, -64.0f, 63.5f,
			       63.0f, 0, 0.5f, 1.5f, -2.0f };
	const struct ops_bound *all[] = { &half, &relu6, &levels, &no_bound };
	float y[16], nan[16];
	size_t i, k, wrong = 0;

	ops_bound(DNN_F32, x, 16, &half, y);
	for (i = 0; i < 16; i++)
		if (!ok(y[i] == want[i], "%.9g rounds to %g", (double)x[i], (double)want[i]))
			diag("got %.9g", (double)y[i]);
	for (k = 0; k < 4; k++) {
		for (i = 0; i < 16; i++)
			nan[i] = NAN;
		ops_bound(DNN_F32, nan, 16, all[k], y);
		for (i = 0; i < 16; i++)
			wrong += !isnan(y[i]);
		ops_copy(DNN_F32, y, DNN_BF16, nan, 16);
		ops_bound(DNN_BF16, nan, 16, all[k], nan);
		ops_copy(DNN_BF16, nan, DNN_F32, y, 16);
		for (i = 0; i < 16; i++)
			wrong += !isnan(y[i]);
	}
	is_int(wrong, 0, "no bound hides a NaN");
}

static void test_bf16(void)
{
	static const uint32_t cases[][2] = {
		{ 0x3f800000, 0x3f80 }, { 0x3f808000, 0x3f80 }, { 0x3f818000, 0x3f82 },
		{ 0x3f808001, 0x3f81 }, { 0x3f807fff, 0x3f80 }, { 0xbf818000, 0xbf82 },
		{ 0x7f7fffff, 0x7f80 }, { 0x7f800000, 0x7f80 }, { 0x00000001, 0x0000 },
		{ 0x80008001, 0x8001 }, { 0x0000c000, 0x0001 },
	};
	float x[16], nan = 0;
	uint16_t y[16];
	const uint32_t nan_bits = 0x7f800001;
	size_t i, n = sizeof(cases) / sizeof(cases[0]);

	for (i = 0; i < n; i++)
		memcpy(&x[i], &cases[i][0], 4);
	ops_copy(DNN_F32, x, DNN_BF16, y, n);
	for (i = 0; i < n; i++)
		ok(y[i] == cases[i][1], "%08x becomes bfloat16 %04x (got %04x)", cases[i][0],
		   cases[i][1], y[i]);
	memcpy(&nan, &nan_bits, 4);
	for (i = 0; i < 16; i++)
		x[i] = nan;
	ops_copy(DNN_F32, x, DNN_BF16, y, 16);
	ops_copy(DNN_BF16, y, DNN_F32, x, 16);
	ok(isnan(x[0]) && isnan(x[15]), "a NaN whose upper half is an infinity's stays one");
	ok(bits_of(x[0]) == 0x7fc00000, "and becomes quiet");
}

/*
 * Values that cancel out but for their errors of rounding, of which each order of adding has others:
 * they spread further than double precision reaches.
 */
static void *cancelling(const struct data *d)
{
	double *v = loops_random(d->n, 12, d->type);
	size_t i, r;
	void *t;

	for (i = 0; i < d->n; i++) {
		r = i / d->c;
		if (r >= d->rows / 2)
			v[i] = -v[i - d->rows / 2 * d->c];
		else
			v[i] = ldexp(v[i], (int)(r * 7 % 61));
	}
	for (i = 0; i < d->n; i++)
		v[i] = (float)v[i];
	t = loops_tensor(v, d->n, d->type);
	free(v);
	return t;
}

/* Every operation that has kernels, one result behind the other. */
static size_t run_all(enum dnn_type type, size_t rows, size_t c, char *out)
{
	struct data data = data_make(rows, c, type), *d = &data;
	size_t bytes = d->n * dnn_type_bytes(type), k;
	void *large = cancelling(d);
	char *at = out;
	float *f = (float *)at;

	ops_moments(type, large, rows, c, f, f + c);
	ops_affine_backward(type, d->tdy, large, rows, c, d->ta, d->tb, NULL, NULL, f + 2 * c,
			    f + 3 * c);
	at = (char *)(f + 6 * c);
	ops_norm_backward(type, d->tdy, large, rows, c, f, d->ta, 1e3f, d->ta, d->tb, NULL, at,
			  f + 4 * c, f + 5 * c);
	at += (bytes + 3) / 4 * 4;
	free(large);

	for (k = 0; k < 4; k++) {
		ops_add(type, d->tx, d->tx1, d->n, bounds[k], at), at += bytes;
		ops_add_backward(type, d->tx, d->tx1, d->tdy, d->n, bounds[k], at), at += bytes;
		ops_affine(type, d->tdy, rows, c, d->ta, d->tb, bounds[k], at), at += bytes;
		f = (float *)(at + bytes);
		ops_affine_backward(type, d->tx, d->tdy, rows, c, d->ta, d->tb, bounds[k], at, f,
				    f + c);
		at = (char *)(f + 2 * c);
		f = (float *)(at + bytes);
		ops_moments(type, d->tdy, rows, c, f, f + c);
		ops_norm_backward(type, d->tdy, d->tx, rows, c, f, f + c, 1e-5f, d->ta, d->tb,
				  bounds[k], at, f + 2 * c, f + 3 * c);
		at = (char *)(f + 4 * c);
		if (k) {
			ops_bound(type, d->tdy, d->n, bounds[k], at), at += bytes;
			ops_bound_backward(type, d->tdy, d->tx, d->n, bounds[k], at), at += bytes;
		}
	}
	ops_mean(type, d->tdy, 1, rows, c, at), at += c * 4;
	ops_mean_backward(type, d->tdy, 1, rows, c, at), at += bytes;
	memcpy(at, d->tdy, bytes);
	ops_accumulate(type, d->tx, at, d->n), at += bytes;
	data_free(d);
	return (size_t)(at - out);
}

/* Neither the number of threads nor the instruction set changes a bit. */
static void test_same_bits(enum dnn_type type, size_t rows, size_t c)
{
	static const struct {
		const struct ops_kernels *kernels;	/* NULL: the best ones */
		unsigned int level;
		int threads;
		const char *name;
	} ways[] = {
		{ ops_v3, 3, 1, "level 3" }, { ops_v4, 4, 1, "level 4" },
		{ NULL, 1, 1, "the best level" }, { NULL, 1, 2, "two threads" },
		{ NULL, 1, 3, "three threads" },
	};
	size_t room = rows * c * 4 * 40 + c * 4 * 80, len, k;
	char *want = calloc(room, 1), *got = calloc(room, 1);

	if (!want || !got)
		bail("out of memory");
	ops_use(ops_v1);
	len = run_all(type, rows, c, want);
	for (k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
		if (ways[k].level > ops_level()) {
			skip("not on this processor", ways[k].name);
			continue;
		}
		omp_set_num_threads(ways[k].threads);
		ops_use(ways[k].kernels);
		memset(got, 0, room);
		run_all(type, rows, c, got);
		ok(!memcmp(got, want, len), "%s, %zu x %zu, %s: the same bits", ways[k].name, rows, c,
		   type_name[type]);
	}
	ops_use(NULL);
	omp_set_num_threads(1);
	free(want);
	free(got);
}

static void test_type(enum dnn_type type)
{
	size_t i, k;

	for (i = 0; i < SHAPES; i++) {
		struct data d = data_make(shapes[i][0], shapes[i][1], type);

		for (k = 0; k < 4; k++) {
			test_elements(&d, bounds[k], bound_name[k]);
			test_affine(&d, bounds[k], bound_name[k]);
		}
		test_moments(&d);
		data_free(&d);
	}
	/* Not by levels, whose edges lie where values are, too. */
	for (k = 0; k < 3; k++)
		test_norm(type, 5, bounds[k], bound_name[k]);
	test_norm(type, 260, bounds[0], bound_name[0]);
	test_mean(type, 10);
	test_mean(type, 300);
	test_moves(type);
	test_pixels(type);
	test_same_bits(type, 1000, 17);
	test_same_bits(type, 70, 300);
}

int main(void)
{
	/* Threads are test_same_bits()'s matter. */
	omp_set_num_threads(1);
	test_type(DNN_F32);
	test_type(DNN_BF16);
	test_norm_affine();
	test_loss(0);
	test_loss(0.1f);
	test_sgd();
	test_rounding();
	test_bf16();
	return tap_done();
}
