// SPDX-License-Identifier: MIT
/*
 * A layer of an image as ONNX nodes: FORMAT.md sections 4.1 and 7 in real values.
 *
 * ONNX rounds half to even, the card half away from zero. Where halves are common (averages of 2 x 2,
 * sums shifted by a few bits, a bias of 2.5) the results are first multiplied by a little more than 1: a
 * half then rounds as on the card. What is no half lies too far from the next one to get there.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export_onnx.h"

#define NUDGE		(1 + 0x1p-18f)	/* moves 255.5 by 2^-10 */
#define NUDGE_PARTS	(1 << 9)	/* multiples of 2^-9 are halves, or 2^-9 away from one */
#define FINE_NUDGE	(1 + 0x1p-22f)	/* of the size of single precision's own errors */
#define FINE_PARTS	(1 << 15)	/* the sum of two scaled inputs has about these */
#define FLOAT_STEP	0x1p-24		/* relative error of an operation in single precision */

static const struct fqz_tensor *input_of(const struct export *e, const struct fqz_layer *l,
					 uint32_t k)
{
	return &e->img->tensors[l->inputs[k]];
}

static const struct fqz_tensor *output_of(const struct export *e, const struct fqz_layer *l)
{
	return &e->img->tensors[l->output];
}

/* The name of a value or constant that belongs to a layer's output. */
static char *part(struct export *e, const struct fqz_layer *l, const char *what)
{
	return export_text(e, "t%u_%s", l->output, what);
}

char *export_tensor_name(struct export *e, uint32_t tensor)
{
	if (tensor == e->img->layer_count && !e->img->class_count)
		return export_text(e, "output");
	return export_text(e, "t%u", tensor);
}

/* What @n additions of terms up to @reach together may lose in single precision. */
static double float_loss(double n, double reach)
{
	return (n + 8) * FLOAT_STEP * reach;
}

/*
 * How far a tensor's real values can be from the card's if each 8-bit value is at most a step off.
 * The picture is exact; sums are exact but for the values summed.
 */
static double deviation_of(const struct export *e, uint32_t tensor)
{
	const struct fqz_tensor *t = &e->img->tensors[tensor];
	const struct fqz_layer *l;
	double n;

	if (!tensor)
		return 0;
	if (t->type != FQZ_S32)
		return t->scale;
	l = &e->img->layers[t->first_layer];
	n = (double)input_of(e, l, 0)->h * input_of(e, l, 0)->w;
	return (l->inputs[0] ? n * t->scale : 0) + float_loss(n, (double)t->bound * t->scale);
}

/* --- rounding --- */

/* The factor before multiples of 1 / @parts are rounded; an odd @parts gives no halves. */
static float nudge_of(uint64_t parts)
{
	if (parts % 2 || parts > FINE_PARTS)
		return 1;
	return parts <= NUDGE_PARTS ? NUDGE : FINE_NUDGE;
}

/* Factors of 2 in @v * 2^@shift. */
static uint32_t twos_of(int64_t v, uint32_t shift)
{
	return v ? (uint32_t)__builtin_ctzll((uint64_t)v) + shift : 64;
}

static float nudge_of_channel(const struct fqz_layer *l, uint32_t c)
{
	bool add = l->kind == FQZ_ADD;
	uint32_t shift = add ? l->out_shift : l->shift[c];
	uint32_t a = twos_of(add ? l->add_scale[0] : l->scale[c], 0);
	uint32_t b = add ? twos_of(l->add_scale[1], 0) : twos_of(l->bias[c], l->bias_shift);
	uint32_t twos = a < b ? a : b;
	float nudge = nudge_of(shift > twos ? UINT64_C(1) << (shift - twos) : 1);

	/* Where the inputs are 0, as often behind a ReLU, the bias alone is rounded: it may be a half. */
	if (nudge == 1 && !add && b + 1 == shift)
		return FINE_NUDGE;
	return nudge;
}

/* A product with factors of shape [1, @c, @h, @w]: one element where all are equal, none if they are 1. */
static char *multiply(struct export *e, char *x, char *factors, char *y, const float *v,
		      uint32_t c, uint32_t h, uint32_t w)
{
	int64_t dims[] = { 1, c, h, w };
	size_t n = (size_t)c * h * w, i;
	float *data;

	for (i = 1; i < n && v[i] == v[0]; i++)
		;
	if (i >= n && v[0] == 1)
		return x;
	if (i >= n) {
		dims[1] = dims[2] = dims[3] = 1;
		n = 1;
	}
	export_floats(e, factors, 4, dims, &data);
	for (i = 0; data && i < n; i++)
		data[i] = export_real(e, v[i]);
	return export_node(e, "Mul", y, x, factors, NULL);
}

/* Halves as on the card, for layers with a shift. */
static char *nudge(struct export *e, const struct fqz_layer *l, char *x)
{
	uint32_t count = output_of(e, l)->c, c;
	float *v = export_alloc(e, count * sizeof(*v));

	if (!v)
		return NULL;
	for (c = 0; c < count; c++)
		v[c] = nudge_of_channel(l, c);
	return multiply(e, x, part(e, l, "half"), part(e, l, "nudged"), v, count, 1, 1);
}

/* Act_Min and Act_Max, where the type's own bounds do not do it. @reach: the largest |x|. */
static char *clip(struct export *e, const struct fqz_layer *l, char *x, double reach)
{
	const struct fqz_tensor *y = output_of(e, l);
	double scale = y->scale;
	bool needed;

	if (y->type == FQZ_U8)
		needed = l->act_min > 0 || l->act_max < UINT8_MAX;
	else if (y->type == FQZ_S8)
		needed = l->act_min > INT8_MIN || l->act_max < INT8_MAX;
	else
		needed = reach > scale * l->act_max || reach > -scale * l->act_min;
	if (!needed)
		return x;
	return export_node(e, "Clip", part(e, l, "clipped"), x,
			   export_scalar(e, part(e, l, "min"), scale * l->act_min),
			   export_scalar(e, part(e, l, "max"), scale * l->act_max), NULL);
}

/*
 * The same for a convolution in front of QuantizeLinear. Newer versions of ONNX Runtime make the weights
 * of one 8-bit numbers of their own, if nothing but Relu or Clip comes between: hence always a Max.
 */
static char *clip_weighted(struct export *e, const struct fqz_layer *l, char *x)
{
	const struct fqz_tensor *y = output_of(e, l);
	double scale = y->scale;

	x = export_node(e, "Max", part(e, l, "raised"), x,
			export_scalar(e, part(e, l, "min"), scale * l->act_min), NULL);
	if (l->act_max == (y->type == FQZ_U8 ? UINT8_MAX : INT8_MAX))
		return x;
	return export_node(e, "Min", part(e, l, "lowered"), x,
			   export_scalar(e, part(e, l, "max"), scale * l->act_max), NULL);
}

void export_dequantize(struct export *e, uint32_t tensor, char *quantized)
{
	const struct fqz_tensor *t = &e->img->tensors[tensor];
	char *name = export_tensor_name(e, tensor);

	export_node(e, "DequantizeLinear", name, quantized, export_text(e, "t%u_scale", tensor),
		    export_text(e, "t%u_zero", tensor), NULL);
	if (tensor != e->img->layer_count)
		export_declare(e, export_value(e, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, t->c,
					       t->h, t->w));
}

/* To 8 bits and back. */
static void quantize(struct export *e, const struct fqz_layer *l, char *x)
{
	const struct fqz_tensor *y = output_of(e, l);
	bool is_unsigned = y->type == FQZ_U8;
	char *q = part(e, l, "q");

	export_node(e, "QuantizeLinear", q, x, export_scalar(e, part(e, l, "scale"), y->scale),
		    export_zero(e, part(e, l, "zero"), is_unsigned), NULL);
	export_declare(e, export_value(e, q, is_unsigned ? ONNX__TENSOR_PROTO__DATA_TYPE__UINT8 :
				       ONNX__TENSOR_PROTO__DATA_TYPE__INT8, y->c, y->h, y->w));
	export_dequantize(e, l->output, q);
}

/* --- layers with channel parameters --- */

/* Scale[c] * 2^-Shift[c] from units of the input to real values of the output. */
static double channel_factor(const struct export *e, const struct fqz_layer *l, uint32_t c,
			     int32_t weight)
{
	/* Multiplied as integers: a pruned weight is +0 under any scale. */
	return ldexp((double)((int64_t)weight * l->scale[c]), -(int)l->shift[c]) * output_of(e, l)->scale /
	       input_of(e, l, 0)->scale;
}

/* Bias[c] * 2^B * 2^-Shift[c] in real values. */
static double channel_bias(const struct export *e, const struct fqz_layer *l, uint32_t c)
{
	return ldexp(l->bias[c], (int)l->bias_shift - (int)l->shift[c]) * output_of(e, l)->scale;
}

static char *biases(struct export *e, const struct fqz_layer *l, size_t rank)
{
	int64_t dims[] = { output_of(e, l)->c, 1, 1 };
	char *name = part(e, l, "bias");
	float *data;
	uint32_t c;

	export_floats(e, name, rank, dims, &data);
	for (c = 0; data && c < output_of(e, l)->c; c++)
		data[c] = export_real(e, channel_bias(e, l, c));
	return name;
}

/* Sums must stay within single precision, with room for what an engine does to them. */
static void check_reach(struct export *e, double reach)
{
	if (reach > FLT_MAX / 4)
		export_fail(e, -ERANGE, "its sums are beyond single precision, so no ONNX file can "
			    "compute them");
}

static char *affine(struct export *e, const struct fqz_layer *l, char *x, double *reach)
{
	const struct fqz_tensor *t = input_of(e, l, 0);
	int64_t dims[] = { t->c, 1, 1 };
	char *name = part(e, l, "factor");
	double limit = (double)t->bound * t->scale, r;
	float *data;
	uint32_t c;

	export_floats(e, name, 3, dims, &data);
	for (c = 0; data && c < t->c; c++) {
		data[c] = export_real(e, channel_factor(e, l, c, 1));
		r = fabs(data[c]) * limit + fabs(channel_bias(e, l, c));
		*reach = fmax(*reach, r);
		e->deviation = fmax(e->deviation, fabs(data[c]) * deviation_of(e, l->inputs[0]) +
				    float_loss(1, r));
	}
	check_reach(e, *reach);
	x = export_node(e, "Mul", part(e, l, "scaled"), x, name, NULL);
	return export_node(e, "Add", part(e, l, "sum"), x, biases(e, l, 3), NULL);
}

/* The weights of one output channel; Return: the sum of their sizes. */
static double channel_weights(struct export *e, const struct fqz_layer *l, uint32_t c,
			      const uint8_t *symbols, float *data)
{
	int32_t values[FQZ_MAX_ALPHABET];
	float real[FQZ_MAX_ALPHABET];
	uint32_t count = fqz_layer_alphabet(l), k;
	double sum = 0;

	fqz_layer_weights(l, values);
	for (k = 0; k < count; k++)
		real[k] = export_real(e, channel_factor(e, l, c, values[k]));
	for (k = 0; k < l->inputs_per_output; k++) {
		data[k] = real[symbols[k]];
		sum += fabs(data[k]);
	}
	return sum;
}

static char *weights(struct export *e, const struct fqz_layer *l, size_t rank,
		     const int64_t *dims, double *reach)
{
	const struct fqz_tensor *t = input_of(e, l, 0);
	size_t count = (size_t)l->outputs * l->inputs_per_output, per = l->inputs_per_output;
	double limit = (double)t->bound * t->scale, sum, r;
	char *name = part(e, l, "weight");
	uint8_t *symbols = malloc(count);
	struct fqz_error error = { 0 };
	float *data;
	uint32_t c;
	int rc;

	export_floats(e, name, rank, dims, &data);
	if (!symbols)
		export_fail(e, -ENOMEM, "out of memory");
	rc = symbols && data ? fqz_layer_decode(e->img, e->layer, symbols, count, &error) : 0;
	if (rc)
		export_fail(e, rc, "its weights cannot be decoded: %s", error.what);
	for (c = 0; !e->rc && c < l->outputs; c++) {
		sum = channel_weights(e, l, c, symbols + c * per, data + c * per);
		r = sum * limit + fabs(channel_bias(e, l, c));
		*reach = fmax(*reach, r);
		e->deviation = fmax(e->deviation, sum * deviation_of(e, l->inputs[0]) +
				    float_loss((double)per, r));
	}
	free(symbols);
	check_reach(e, *reach);
	return name;
}

/* FC is a convolution whose kernel is as large as its input. */
static char *conv(struct export *e, const struct fqz_layer *l, char *x, double *reach)
{
	const struct fqz_tensor *t = input_of(e, l, 0);
	bool fc = l->kind == FQZ_FC;
	int64_t dims[] = {
		l->outputs, fc ? t->c : t->c / l->groups,
		fc ? t->h : l->kernel_h, fc ? t->w : l->kernel_w,
	};
	char *w = weights(e, l, 4, dims, reach), *b = biases(e, l, 1);

	x = export_node(e, "Conv", part(e, l, "sum"), x, w, b, NULL);
	export_ints(e, "kernel_shape", 2, dims + 2);
	if (fc)
		return x;
	export_ints(e, "strides", 2, (const int64_t[]){ l->stride_h, l->stride_w });
	export_ints(e, "dilations", 2, (const int64_t[]){ l->dilation_h, l->dilation_w });
	export_ints(e, "pads", 4, (const int64_t[]){ l->pad_top, l->pad_left, l->pad_bottom,
						     l->pad_right });
	export_int(e, "group", l->groups);
	return x;
}

/* --- layers without --- */

static char *add(struct export *e, const struct fqz_layer *l, char *x, double *reach)
{
	static const char *const parts[2][2] = { { "factor0", "scaled0" }, { "factor1", "scaled1" } };
	char *terms[2] = { x, export_tensor_name(e, l->inputs[1]) };
	int k;

	for (k = 0; k < 2; k++) {
		const struct fqz_tensor *t = input_of(e, l, (uint32_t)k);
		float v = (float)(ldexp(l->add_scale[k], -(int)l->out_shift) * output_of(e, l)->scale /
				   t->scale);

		*reach += fabs(v) * (double)t->bound * t->scale;
		e->deviation += fabs(v) * deviation_of(e, l->inputs[k]);
		terms[k] = multiply(e, terms[k], part(e, l, parts[k][0]), part(e, l, parts[k][1]),
				    &v, 1, 1, 1);
	}
	check_reach(e, *reach);
	e->deviation += float_loss(2, *reach);
	return export_node(e, "Add", part(e, l, "sum"), terms[0], terms[1], NULL);
}

static char *concat(struct export *e, const struct fqz_layer *l, char *x)
{
	uint32_t k;

	x = export_node(e, "Concat", part(e, l, "joined"), x, NULL);
	export_int(e, "axis", 1);
	for (k = 1; !e->rc && k < l->input_count; k++)
		e->node->input[e->node->n_input++] = export_tensor_name(e, l->inputs[k]);
	for (k = 0; k < l->input_count; k++)
		e->deviation = fmax(e->deviation, deviation_of(e, l->inputs[k]));
	return x;
}

/* The pad at the end that gives @out windows, in ceil mode too, without an attribute for that. */
static uint32_t pad_after(uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride, uint32_t pad)
{
	int64_t v = (int64_t)(out - 1) * stride + kernel - in - pad;

	return v > 0 ? (uint32_t)v : 0;
}

static void window(struct export *e, const struct fqz_layer *l)
{
	const struct fqz_tensor *x = input_of(e, l, 0), *y = output_of(e, l);

	export_ints(e, "kernel_shape", 2, (const int64_t[]){ l->kernel_h, l->kernel_w });
	export_ints(e, "strides", 2, (const int64_t[]){ l->stride_h, l->stride_w });
	export_ints(e, "pads", 4, (const int64_t[]){ l->pad_top, l->pad_left,
		    pad_after(x->h, y->h, l->kernel_h, l->stride_h, l->pad_top),
		    pad_after(x->w, y->w, l->kernel_w, l->stride_w, l->pad_left) });
}

static char *maxpool(struct export *e, const struct fqz_layer *l, char *x)
{
	x = export_node(e, "MaxPool", part(e, l, "largest"), x, NULL);
	window(e, l);
	e->deviation = deviation_of(e, l->inputs[0]);
	return x;
}

/* Elements of the window that begins at @from and lie in [@low, @high). */
static uint32_t overlap(int64_t from, uint32_t kernel, int64_t low, int64_t high)
{
	int64_t first = from > low ? from : low, end = from + kernel;

	return (uint32_t)((end < high ? end : high) - first);
}

/* The divisors by Pool_Rule: at row i, column j it is @rows[i] * @columns[j]. */
static void divisors(const struct export *e, const struct fqz_layer *l, uint32_t *rows,
		     uint32_t *columns)
{
	const struct fqz_tensor *x = input_of(e, l, 0), *y = output_of(e, l);
	bool padded = l->pool_rule == FQZ_POOL_PADDED, given = l->pool_rule == FQZ_POOL_DIVISOR;
	int64_t top = padded ? -(int64_t)l->pad_top : 0, bottom = x->h + (padded ? l->pad_bottom : 0);
	int64_t left = padded ? -(int64_t)l->pad_left : 0, right = x->w + (padded ? l->pad_right : 0);
	uint32_t i;

	for (i = 0; i < y->h; i++)
		rows[i] = given ? l->divisor : overlap((int64_t)i * l->stride_h - l->pad_top,
						       l->kernel_h, top, bottom);
	for (i = 0; i < y->w; i++)
		columns[i] = given ? 1 : overlap((int64_t)i * l->stride_w - l->pad_left, l->kernel_w,
						 left, right);
}

static bool all_equal(const uint32_t *v, uint32_t n)
{
	return n < 2 || !memcmp(v, v + 1, (n - 1) * sizeof(*v));
}

/* AveragePool always divides by the kernel's size; a factor for each element makes it the divisor. */
static char *avgpool(struct export *e, const struct fqz_layer *l, char *x)
{
	const struct fqz_tensor *in = input_of(e, l, 0), *y = output_of(e, l);
	double size = (double)l->kernel_h * l->kernel_w, reach = (double)in->bound * in->scale;
	uint32_t *rows = export_alloc(e, ((size_t)y->h + y->w) * sizeof(*rows)), *columns;
	uint32_t h = y->h, w = y->w, i, j, d;
	double largest = 0;
	float *v;

	x = export_node(e, "AveragePool", part(e, l, "mean"), x, NULL);
	window(e, l);
	export_int(e, "count_include_pad", 1);
	if (!rows)
		return NULL;
	columns = rows + h;
	divisors(e, l, rows, columns);
	/* One factor, rather than time and memory for as many as there are elements. */
	if (all_equal(rows, h) && all_equal(columns, w))
		h = w = 1;
	v = malloc((size_t)h * w * sizeof(*v));
	if (!v) {
		export_fail(e, -ENOMEM, "out of memory");
		return NULL;
	}
	for (i = 0; i < h; i++) {
		for (j = 0; j < w; j++) {
			d = rows[i] * columns[j];
			v[(size_t)i * w + j] = (float)(size / d * nudge_of(d));
			largest = fmax(largest, size / d);
		}
	}
	e->deviation = largest * deviation_of(e, l->inputs[0]) + float_loss(size, largest * reach);
	x = multiply(e, x, part(e, l, "factor"), part(e, l, "scaled"), v, 1, h, w);
	free(v);
	return x;
}

/* A mean times the number of elements, in units of the output: 1 where the image's scale is a mean's. */
static char *sumpool(struct export *e, const struct fqz_layer *l, char *x, double *reach)
{
	const struct fqz_tensor *t = input_of(e, l, 0), *y = output_of(e, l);
	double n = (double)t->h * t->w;
	float v = (float)(n * y->scale / t->scale);

	if (fabsf(v - 1) <= 2 * FLOAT_STEP)
		v = 1;
	*reach = (double)y->bound * y->scale;
	check_reach(e, *reach);
	e->deviation = deviation_of(e, l->output);
	x = export_node(e, "GlobalAveragePool", part(e, l, "mean"), x, NULL);
	return multiply(e, x, part(e, l, "factor"), part(e, l, "sum"), &v, 1, 1, 1);
}

static char *compute(struct export *e, const struct fqz_layer *l, double *reach)
{
	char *x = export_tensor_name(e, l->inputs[0]);

	switch (l->kind) {
	case FQZ_AFFINE:
		return nudge(e, l, affine(e, l, x, reach));
	case FQZ_CONV:
	case FQZ_FC:
		x = conv(e, l, x, reach);
		return output_of(e, l)->type == FQZ_S32 ? x : nudge(e, l, x);
	case FQZ_ADD:
		return nudge(e, l, add(e, l, x, reach));
	case FQZ_CONCAT:
		return concat(e, l, x);
	case FQZ_MAXPOOL:
		return maxpool(e, l, x);
	case FQZ_AVGPOOL:
		return avgpool(e, l, x);
	case FQZ_SUMPOOL:
		return sumpool(e, l, x, reach);
	}
	return x;
}

void export_layer(struct export *e, uint32_t index)
{
	const struct fqz_layer *l = &e->img->layers[index];
	const struct fqz_tensor *y = output_of(e, l);
	bool copies = l->kind == FQZ_CONCAT || l->kind == FQZ_MAXPOOL;
	double reach = 0;
	char *x;

	e->layer = index;
	e->layer_name = l->name;
	e->layer_kind = fqz_kind_name(l->kind);
	e->deviation = 0;
	x = compute(e, l, &reach);
	if (fqz_layer_has_weights(l) && y->type != FQZ_S32)
		x = clip_weighted(e, l, x);
	else if (!copies && l->kind != FQZ_SUMPOOL)
		x = clip(e, l, x, reach);
	if (y->type != FQZ_S32) {
		quantize(e, l, x);
		e->deviation += (copies ? 0 : y->scale) + float_loss(0, (double)y->bound * y->scale);
	} else if (!e->rc) {
		/* The card rounds a sum, ONNX does not. */
		e->node->output[0] = export_tensor_name(e, l->output);
		e->deviation += y->scale / 2;
		if (l->output != e->img->layer_count)
			export_declare(e, export_value(e, e->node->output[0],
						       ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
						       y->c, y->h, y->w));
	}
	e->layer = EXPORT_NO_LAYER;
}
