// SPDX-License-Identifier: MIT
/* ONNX operators that compute with activations, one function for each kind. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_private.h"

/* Input @i must be an activation; NULL after onnx_refuse(). */
static struct onnx_value *activation(struct onnx_import *im, size_t i)
{
	struct onnx_value *v = onnx_input(im, i);

	if (!v || v->kind != ONNX_ACTIVATION) {
		onnx_refuse(im, "input %zu is not computed from the network's input", i);
		return NULL;
	}
	if (v->final) {
		onnx_refuse(im, "something computes with the output of a Softmax; Softmax is "
			    "supported only at the end");
		return NULL;
	}
	return v;
}

/* The same, as a picture: [1, C, H, W] just as the tensor lies in memory. */
static struct onnx_value *picture(struct onnx_import *im, size_t i)
{
	struct onnx_value *v = activation(im, i);
	const struct net_tensor *t;

	if (!v)
		return NULL;
	t = &im->net->tensors[v->tensor];
	if (v->rank != 4 || v->dims[0] != 1 || v->dims[1] != t->c || v->dims[2] != t->h ||
	    v->dims[3] != t->w) {
		onnx_refuse(im, "its input was reshaped; only [1, C, H, W] is supported here");
		return NULL;
	}
	return v;
}

/* The node's output becomes a view of @tensor. Invalidates struct onnx_value pointers. */
static int define_view(struct onnx_import *im, uint32_t tensor, int rank, const int64_t *dims)
{
	struct onnx_value *v = onnx_define(im, im->node->output[0]);

	if (!v)
		return net_nomem(im->err);
	v->kind = ONNX_ACTIVATION;
	v->tensor = tensor;
	v->rank = rank;
	memcpy(v->dims, dims, sizeof(v->dims));
	return ONNX_OK;
}

/* Add the layer, its C x H x W output and the value, seen as @rank and @dims. */
static int emit_as(struct onnx_import *im, struct net_layer *l, uint64_t c, uint64_t h,
		   uint64_t w, int rank, const int64_t *dims)
{
	int t = net_add_tensor(im->net, im->node->output[0], c, h, w, im->err), rc;

	if (t < 0) {
		free(l->weight);
		free(l->bias);
		free(l->scale);
		return t;
	}
	l->out = (uint32_t)t;
	l->name = (char *)onnx_node_name(im->node);
	rc = net_add_layer(im->net, l, im->err);
	return rc ? rc : define_view(im, (uint32_t)t, rank, dims);
}

static int emit_picture(struct onnx_import *im, struct net_layer *l, uint64_t c, uint64_t h,
			uint64_t w)
{
	int64_t dims[ONNX_MAX_RANK] = { 1, (int64_t)c, (int64_t)h, (int64_t)w };

	return emit_as(im, l, c, h, w, 4, dims);
}

/* Output like input @v: shape and view. */
static int emit_like(struct onnx_import *im, struct net_layer *l, const struct onnx_value *v)
{
	const struct net_tensor t = im->net->tensors[v->tensor];
	int64_t dims[ONNX_MAX_RANK];

	memcpy(dims, v->dims, sizeof(dims));
	return emit_as(im, l, t.c, t.h, t.w, v->rank, dims);
}

static float *new_floats(size_t n, float value)
{
	float *p = malloc(n * sizeof(*p));
	size_t i;

	for (i = 0; p && i < n; i++)
		p[i] = value;
	return p;
}

/* An AFFINE that changes nothing yet. */
static int affine_init(struct onnx_import *im, struct net_layer *l, const struct onnx_value *v)
{
	uint32_t c = im->net->tensors[v->tensor].c;

	net_layer_init(l, NET_AFFINE);
	l->in[0] = v->tensor;
	l->in_count = 1;
	l->scale = new_floats(c, 1.0f);
	l->bias = new_floats(c, 0.0f);
	if (l->scale && l->bias)
		return ONNX_OK;
	free(l->scale);
	free(l->bias);
	return net_nomem(im->err);
}

/*
 * The layer's own copies of its weights and bias, the bias zeroed. They count as constants:
 * one small constant may be the weights of thousands of layers.
 */
static int weights_alloc(struct onnx_import *im, struct net_layer *l, size_t weights,
			 size_t outputs)
{
	size_t bytes = (weights + outputs) * sizeof(float);

	if (bytes > ONNX_MAX_CONST_BYTES - im->const_bytes)
		return onnx_refuse(im, "more than 4 GiB of constants and weights");
	im->const_bytes += bytes;
	l->weight = malloc(weights * sizeof(float));
	l->bias = new_floats(outputs, 0.0f);
	if (l->weight && l->bias)
		return ONNX_OK;
	free(l->weight);
	free(l->bias);
	return net_nomem(im->err);
}

/* kernel, strides, pads: what convolutions and pools have in common. */
static int window(struct onnx_import *im, struct net_layer *l, const struct net_tensor *t)
{
	const Onnx__AttributeProto *a = onnx_attr(im, "auto_pad");
	int64_t v[4];
	uint32_t *const pads[4] = { &l->pad_top, &l->pad_left, &l->pad_bottom, &l->pad_right };
	uint32_t size, step, kernel, total, out, d;
	int rc;

	rc = onnx_attr_ints(im, "strides", 2, v, 1, 1, 255);
	if (rc)
		return rc;
	l->stride_h = (uint32_t)v[0];
	l->stride_w = (uint32_t)v[1];
	rc = onnx_attr_ints(im, "dilations", 2, v, 1, 1, 255);
	if (rc)
		return rc;
	l->dilation_h = (uint32_t)v[0];
	l->dilation_w = (uint32_t)v[1];
	rc = onnx_attr_ints(im, "pads", 4, v, 0, 0, 255);
	if (rc)
		return rc;
	for (d = 0; d < 4; d++)
		*pads[d] = (uint32_t)v[d];
	if (!a || !a->has_s || !a->s.len || (a->s.len == 6 && !memcmp(a->s.data, "NOTSET", 6)))
		return ONNX_OK;
	memset(v, 0, sizeof(v));
	for (d = 0; d < 4; d++)
		*pads[d] = 0;
	if (a->s.len == 5 && !memcmp(a->s.data, "VALID", 5))
		return ONNX_OK;
	if (a->s.len != 10 || (memcmp(a->s.data, "SAME_UPPER", 10) &&
			       memcmp(a->s.data, "SAME_LOWER", 10)))
		return onnx_refuse(im, "an unknown auto_pad");
	for (d = 0; d < 2; d++) {
		size = d ? t->w : t->h;
		step = d ? l->stride_w : l->stride_h;
		kernel = d ? (l->kernel_w - 1) * l->dilation_w + 1 :
			     (l->kernel_h - 1) * l->dilation_h + 1;
		out = (size + step - 1) / step;
		total = (out - 1) * step + kernel > size ? (out - 1) * step + kernel - size : 0;
		/* SAME_UPPER puts the odd one at the end, SAME_LOWER at the start. */
		*pads[d] = a->s.data[5] == 'U' ? total / 2 : total - total / 2;
		*pads[d + 2] = total - *pads[d];
		if (*pads[d] > 255 || *pads[d + 2] > 255)
			return onnx_refuse(im, "padding above 255");
	}
	return ONNX_OK;
}

static bool out_size(uint32_t size, uint32_t pads, uint32_t kernel, uint32_t step, bool ceiling,
		     uint32_t pad_before, uint32_t *out)
{
	if (size + pads < kernel)
		return false;
	*out = (size + pads - kernel) / step + 1;
	/* Ceil mode: one more window if it starts inside the input or the padding before it. */
	if (ceiling && (size + pads - kernel) % step && *out * step < size + pad_before)
		(*out)++;
	return true;
}

static int op_conv(struct onnx_import *im)
{
	struct onnx_value *x = picture(im, 0);
	const struct onnx_array *w, *b = onnx_const_input(im, 2);
	struct net_layer l;
	struct net_tensor t;
	int64_t k[2], groups;
	uint32_t oh, ow;
	size_t c;
	int rc;

	if (!x)
		return ONNX_REFUSED;
	t = im->net->tensors[x->tensor];
	w = onnx_const_input(im, 1);
	if (!w || w->is_int || w->rank != 4 || (onnx_input(im, 2) && !b))
		return onnx_refuse(im,
				   "weights must be constants of 4 dimensions, the bias constant");
	net_layer_init(&l, NET_CONV);
	rc = onnx_attr_ints(im, "kernel_shape", 2, k, 0, 0, 1024);
	if (rc)
		return rc;
	if ((k[0] && k[0] != w->dims[2]) || (k[1] && k[1] != w->dims[3]) || !w->count ||
	    w->dims[2] > 1024 || w->dims[3] > 1024)
		return onnx_refuse(im, "kernel_shape and the weights' shape differ, or above 1024");
	l.kernel_h = (uint32_t)w->dims[2];
	l.kernel_w = (uint32_t)w->dims[3];
	rc = window(im, &l, &t);
	if (rc)
		return rc;
	groups = onnx_attr_int(im, "group", 1);
	if (groups < 1 || groups > t.c || t.c % groups || w->dims[0] % groups ||
	    w->dims[1] != t.c / groups)
		return onnx_refuse(im,
				   "weights of %lld x %lld channels do not fit %u input channels "
				   "in %lld groups",
				   (long long)w->dims[0], (long long)w->dims[1], t.c,
				   (long long)groups);
	if (w->count > NET_MAX_WEIGHTS || w->count / (size_t)w->dims[0] > NET_MAX_SUM)
		return onnx_refuse(im, "more than 2^28 weights, or 2^20 for one output");
	if (b && (b->is_int || b->count != (size_t)w->dims[0]))
		return onnx_refuse(im, "the bias does not fit the output channels");
	if (!out_size(t.h, l.pad_top + l.pad_bottom, (l.kernel_h - 1) * l.dilation_h + 1,
		      l.stride_h, false, 0, &oh) ||
	    !out_size(t.w, l.pad_left + l.pad_right, (l.kernel_w - 1) * l.dilation_w + 1,
		      l.stride_w, false, 0, &ow))
		return onnx_refuse(im, "the kernel is larger than the padded input");
	l.groups = (uint32_t)groups;
	l.in[0] = x->tensor;
	l.in_count = 1;
	c = (size_t)w->dims[0];
	rc = weights_alloc(im, &l, w->count, c);
	if (rc)
		return rc;
	memcpy(l.weight, w->f, w->count * sizeof(float));
	if (b)
		memcpy(l.bias, b->f, c * sizeof(float));
	return emit_picture(im, &l, c, oh, ow);
}

static int op_pool(struct onnx_import *im)
{
	bool max = im->node->op_type[0] == 'M';
	bool ceiling = onnx_attr_int(im, "ceil_mode", 0) != 0;
	struct onnx_value *x = picture(im, 0);
	struct net_layer l;
	struct net_tensor t;
	uint32_t oh, ow;
	int64_t k[2];
	int rc;

	if (!x)
		return ONNX_REFUSED;
	t = im->net->tensors[x->tensor];
	net_layer_init(&l, max ? NET_MAXPOOL : NET_AVGPOOL);
	rc = onnx_attr_ints(im, "kernel_shape", 2, k, 0, 1, 1024);
	if (rc)
		return rc;
	l.kernel_h = (uint32_t)k[0];
	l.kernel_w = (uint32_t)k[1];
	rc = window(im, &l, &t);
	if (rc)
		return rc;
	if (l.dilation_h != 1 || l.dilation_w != 1 || onnx_attr_int(im, "storage_order", 0) ||
	    (im->node->n_output > 1 && im->node->output[1][0]))
		return onnx_refuse(im, "dilations and indices are not supported");
	if (l.pad_top >= l.kernel_h || l.pad_bottom >= l.kernel_h || l.pad_left >= l.kernel_w ||
	    l.pad_right >= l.kernel_w)
		return onnx_refuse(im, "padding as large as the kernel");
	if (!out_size(t.h, l.pad_top + l.pad_bottom, l.kernel_h, l.stride_h, ceiling, l.pad_top,
		      &oh) ||
	    !out_size(t.w, l.pad_left + l.pad_right, l.kernel_w, l.stride_w, ceiling, l.pad_left,
		      &ow))
		return onnx_refuse(im, "the kernel is larger than the padded input");
	/* The last window must reach an element (FORMAT.md section 4.1). */
	if ((oh - 1) * l.stride_h >= t.h + l.pad_top || (ow - 1) * l.stride_w >= t.w + l.pad_left)
		return onnx_refuse(im, "a window that lies in the padding alone");
	l.count_padding = !max && onnx_attr_int(im, "count_include_pad", 0);
	l.in[0] = x->tensor;
	l.in_count = 1;
	return emit_picture(im, &l, t.c, oh, ow);
}

static int op_global_pool(struct onnx_import *im)
{
	struct onnx_value *x = picture(im, 0);
	struct net_layer l;

	if (!x)
		return ONNX_REFUSED;
	net_layer_init(&l, NET_GLOBALPOOL);
	l.in[0] = x->tensor;
	l.in_count = 1;
	return emit_picture(im, &l, im->net->tensors[x->tensor].c, 1, 1);
}

static int op_batch_norm(struct onnx_import *im)
{
	float epsilon = onnx_attr_float(im, "epsilon", 1e-5f);
	struct onnx_value *x = activation(im, 0);
	const struct onnx_array *p[4];
	struct net_layer l;
	uint32_t c, channels;
	bool training = onnx_attr_int(im, "training_mode", 0) != 0;
	size_t i;
	int rc;

	if (!x)
		return ONNX_REFUSED;
	/* Before operator set 14, outputs beside the first say so. */
	for (i = 1; i < im->node->n_output; i++)
		training |= im->node->output[i][0] != '\0';
	channels = im->net->tensors[x->tensor].c;
	for (c = 0; c < 4; c++) {
		p[c] = onnx_const_input(im, c + 1);
		if (!p[c] || p[c]->is_int || p[c]->count != channels)
			return onnx_refuse(im, "parameter %u is not a constant for each channel",
					   c + 1);
	}
	if (x->rank < 2 || x->dims[1] != channels || training)
		return onnx_refuse(im, "only inference over channels is supported");
	rc = affine_init(im, &l, x);
	if (rc)
		return rc;
	for (c = 0; c < channels; c++) {
		l.scale[c] = p[0]->f[c] / sqrtf(p[3]->f[c] + epsilon);
		l.bias[c] = p[1]->f[c] - p[2]->f[c] * l.scale[c];
	}
	return emit_like(im, &l, x);
}

/* A bound of Clip: an attribute up to opset 10, an input after. */
static int clip_bound(struct onnx_import *im, const char *attr, size_t input, float *bound)
{
	const struct onnx_array *a = onnx_const_input(im, input);

	*bound = onnx_attr_float(im, attr, *bound);
	if (!onnx_input(im, input))
		return ONNX_OK;
	if (!a || a->count != 1)
		return onnx_refuse(im, "a bound that is not one constant");
	*bound = (float)onnx_array_get(a, 0);
	return ONNX_OK;
}

static int op_clamp(struct onnx_import *im)
{
	struct onnx_value *x = activation(im, 0);
	struct net_layer l;
	float lo = -INFINITY, hi = INFINITY;
	int rc = ONNX_OK;

	if (!x)
		return ONNX_REFUSED;
	if (!strcmp(im->node->op_type, "Relu")) {
		lo = 0;
	} else {
		rc = clip_bound(im, "min", 1, &lo);
		if (!rc)
			rc = clip_bound(im, "max", 2, &hi);
		/* Exporters write "no bound" as the largest float. */
		if (lo <= -3e38f)
			lo = -INFINITY;
		if (hi >= 3e38f)
			hi = INFINITY;
		if (!rc && (!(lo <= hi) || lo == INFINITY || hi == -INFINITY))
			rc = onnx_refuse(im, "bounds in the wrong order, or infinite");
	}
	if (!rc)
		rc = affine_init(im, &l, x);
	if (rc)
		return rc;
	l.act_min = lo;
	l.act_max = hi;
	return emit_like(im, &l, x);
}

/* Element for channel @c of a constant that is one number or one for each channel. */
static int per_channel(struct onnx_import *im, const struct onnx_value *x,
		       const struct onnx_array *a, bool *single)
{
	int d, channel_axis = a->rank - (x->rank - 1);

	*single = a->count == 1;
	if (a->is_int || a->rank > x->rank)
		return onnx_refuse(im, "a constant operand that does not fit");
	if (*single)
		return ONNX_OK;
	for (d = 0; d < a->rank; d++)
		if (a->dims[d] != 1 && d != channel_axis)
			return onnx_refuse(im, "a constant operand that varies inside a channel");
	if (channel_axis < 0 || a->count != im->net->tensors[x->tensor].c ||
	    x->dims[1] != im->net->tensors[x->tensor].c)
		return onnx_refuse(im, "a constant operand that is not one for each channel");
	return ONNX_OK;
}

/* Add, Sub, Mul, Div of an activation and a constant. */
static int affine_op(struct onnx_import *im, const struct onnx_value *x,
		     const struct onnx_array *a, bool const_first)
{
	char op = im->node->op_type[0];	/* A, S, M or D */
	struct net_layer l;
	uint32_t c, channels = im->net->tensors[x->tensor].c;
	bool single;
	int rc;

	if (op == 'D' && const_first)
		return onnx_refuse(im, "a constant divided by an activation");
	rc = per_channel(im, x, a, &single);
	if (!rc)
		rc = affine_init(im, &l, x);
	if (rc)
		return rc;
	for (c = 0; c < channels; c++) {
		float v = a->f[single ? 0 : c];

		if (op == 'M' || op == 'D')
			l.scale[c] = op == 'M' ? v : 1.0f / v;
		else
			l.bias[c] = op == 'S' && !const_first ? -v : v;
		if (op == 'S' && const_first)
			l.scale[c] = -1.0f;
	}
	return emit_like(im, &l, x);
}

static int op_arithmetic(struct onnx_import *im)
{
	const struct onnx_array *a0 = onnx_const_input(im, 0), *a1 = onnx_const_input(im, 1);
	struct onnx_value *x, *y;
	struct net_layer l;

	if (a0 || a1) {
		x = activation(im, a0 ? 1 : 0);
		return x ? affine_op(im, x, a0 ? a0 : a1, a0 != NULL) : ONNX_REFUSED;
	}
	x = activation(im, 0);
	y = activation(im, 1);
	if (!x || !y)
		return ONNX_REFUSED;
	if (strcmp(im->node->op_type, "Add"))
		return onnx_refuse(im, "two activations; only Add combines them");
	if (x->rank != y->rank || memcmp(x->dims, y->dims, sizeof(int64_t) * (size_t)x->rank) ||
	    im->net->tensors[x->tensor].c != im->net->tensors[y->tensor].c ||
	    im->net->tensors[x->tensor].h != im->net->tensors[y->tensor].h)
		return onnx_refuse(im, "operands of different shapes");
	net_layer_init(&l, NET_ADD);
	l.in[0] = x->tensor;
	l.in[1] = y->tensor;
	l.in_count = 2;
	return emit_like(im, &l, x);
}

static int op_concat(struct onnx_import *im)
{
	int64_t dims[ONNX_MAX_RANK] = { 0 };
	struct net_layer l;
	struct net_tensor t = { 0 };
	struct onnx_value *x;
	uint64_t channels = 0;
	int rank = 0, d;
	bool same = true;
	size_t k;

	if (im->node->n_input > NET_MAX_INPUTS)
		return onnx_refuse(im, "more than %d inputs", NET_MAX_INPUTS);
	net_layer_init(&l, NET_CONCAT);
	for (k = 0; k < im->node->n_input; k++) {
		x = activation(im, k);
		if (!x)
			return ONNX_REFUSED;
		if (!k) {
			t = im->net->tensors[x->tensor];
			rank = x->rank;
			memcpy(dims, x->dims, sizeof(dims));
		}
		for (d = 0; d < rank && x->rank == rank; d++)
			same &= d == 1 || x->dims[d] == dims[d];
		if (!same || x->rank != rank || rank < 2 || x->dims[1] != im->net->tensors[x->tensor].c ||
		    im->net->tensors[x->tensor].h != t.h || im->net->tensors[x->tensor].w != t.w)
			return onnx_refuse(im, "inputs of different shapes");
		l.in[l.in_count++] = x->tensor;
		channels += im->net->tensors[x->tensor].c;
	}
	if (onnx_attr_int(im, "axis", 1) != 1 && onnx_attr_int(im, "axis", 1) != 1 - rank)
		return onnx_refuse(im, "only channels can be concatenated");
	if (l.in_count == 1)	/* the same again under another name */
		return affine_init(im, &l, onnx_input(im, 0)) ? -ENOMEM :
		       emit_like(im, &l, onnx_input(im, 0));
	dims[1] = (int64_t)channels;
	return emit_as(im, &l, channels, t.h, t.w, rank, dims);
}

/* y = x * w + b over the whole input; @w is [outputs, inputs], or transposed. */
static int dense(struct onnx_import *im, const struct onnx_value *x, const struct onnx_array *w,
		 bool by_output, float alpha, const struct onnx_array *b, float beta)
{
	const struct net_tensor t = im->net->tensors[x->tensor];
	size_t inputs = net_tensor_elements(&t), outputs, o, i;
	int64_t dims[ONNX_MAX_RANK] = { 1 };
	struct net_layer l;
	int rc;

	outputs = (size_t)w->dims[by_output ? 0 : 1];
	if (x->rank != 2 || x->dims[0] != 1 || (size_t)x->dims[1] != inputs ||
	    (size_t)w->dims[by_output ? 1 : 0] != inputs)
		return onnx_refuse(im, "weights of %lld x %lld do not fit an input of %zu values",
				   (long long)w->dims[0], (long long)w->dims[1], inputs);
	if (b && (b->is_int || (b->count != 1 && (b->count != outputs || !b->rank ||
						  b->dims[b->rank - 1] != (int64_t)outputs))))
		return onnx_refuse(im, "the bias does not fit the outputs");
	if (!w->count || w->count > NET_MAX_WEIGHTS || inputs > NET_MAX_SUM || t.h > 1024 ||
	    t.w > 1024 || outputs > NET_MAX_DIM)
		return onnx_refuse(im, "more than 2^28 weights, or 2^20 for one output");
	net_layer_init(&l, NET_FC);
	l.kernel_h = t.h;
	l.kernel_w = t.w;
	l.in[0] = x->tensor;
	l.in_count = 1;
	rc = weights_alloc(im, &l, w->count, outputs);
	if (rc)
		return rc;
	for (o = 0; o < outputs; o++) {
		for (i = 0; i < inputs; i++)
			l.weight[o * inputs + i] = alpha *
				w->f[by_output ? o * inputs + i : i * outputs + o];
		if (b)
			l.bias[o] = beta * b->f[b->count == 1 ? 0 : o];
	}
	dims[1] = (int64_t)outputs;
	return emit_as(im, &l, outputs, 1, 1, 2, dims);
}

static int op_gemm(struct onnx_import *im)
{
	const struct onnx_array *w = onnx_const_input(im, 1), *b = onnx_const_input(im, 2);
	bool gemm = im->node->op_type[0] == 'G';
	struct onnx_value *x = activation(im, 0);

	if (!x)
		return ONNX_REFUSED;
	if (!w || w->is_int || w->rank != 2 || (gemm && onnx_input(im, 2) && !b))
		return onnx_refuse(im,
				   "weights must be constants of 2 dimensions, the bias constant");
	if (!gemm)
		return dense(im, x, w, false, 1.0f, NULL, 0.0f);
	if (onnx_attr_int(im, "transA", 0))
		return onnx_refuse(im, "transA is not supported");
	return dense(im, x, w, onnx_attr_int(im, "transB", 0) != 0,
		     onnx_attr_float(im, "alpha", 1.0f), b, onnx_attr_float(im, "beta", 1.0f));
}

/* Views: the same tensor under another shape. */
static int view_as(struct onnx_import *im, const struct onnx_value *x, int rank,
		   const int64_t *dims)
{
	size_t elements = net_tensor_elements(&im->net->tensors[x->tensor]), count = 1;
	bool final = x->final;
	int d, rc;

	for (d = 0; d < rank; d++)
		if (dims[d] < 1 || dims[d] > (int64_t)elements ||
		    __builtin_mul_overflow(count, (size_t)dims[d], &count))
			return onnx_refuse(im, "a shape that does not fit its input");
	if (count != elements)
		return onnx_refuse(im, "a shape that does not fit its input");
	rc = define_view(im, x->tensor, rank, dims);
	if (!rc)
		onnx_find(im, im->node->output[0])->final = final;
	return rc;
}

static int op_view(struct onnx_import *im)
{
	struct onnx_value *x = onnx_input(im, 0);
	const char *op = im->node->op_type;
	const struct onnx_array *shape;
	int64_t dims[ONNX_MAX_RANK] = { 0 }, axis, known = 1;
	int d, rank = x->rank, hole = -1;

	memcpy(dims, x->dims, sizeof(dims));
	if (!strcmp(op, "Dropout") && onnx_input(im, 2) &&
	    (!onnx_const_input(im, 2) || onnx_const_input(im, 2)->count != 1 ||
	     onnx_array_get(onnx_const_input(im, 2), 0) != 0))
		return onnx_refuse(im, "only inference is supported, not training_mode");
	if (!strcmp(op, "Identity") || !strcmp(op, "Dropout"))
		return view_as(im, x, rank, dims);
	if (!strcmp(op, "Flatten")) {
		axis = onnx_attr_int(im, "axis", 1);
		if (axis != 1 && axis != 1 - rank)
			return onnx_refuse(im, "only axis 1 is supported");
		dims[0] = 1;
		dims[1] = (int64_t)net_tensor_elements(&im->net->tensors[x->tensor]);
		return view_as(im, x, 2, dims);
	}
	shape = onnx_const_input(im, 1);
	if (!shape || !shape->is_int || shape->count > ONNX_MAX_RANK)
		return onnx_refuse(im, "the shape is not a constant list of integers");
	rank = (int)shape->count;
	for (d = 0; d < rank; d++) {
		dims[d] = shape->i[d];
		if (!dims[d] && d < x->rank && !onnx_attr_int(im, "allowzero", 0))
			dims[d] = x->dims[d];
		if (dims[d] == -1 && hole < 0)
			hole = d;
		else if (dims[d] < 1 || __builtin_mul_overflow(known, dims[d], &known))
			return onnx_refuse(im, "a bad shape");
	}
	if (hole >= 0)
		dims[hole] = (int64_t)net_tensor_elements(&im->net->tensors[x->tensor]) / known;
	return view_as(im, x, rank, dims);
}

/* Squeeze, Unsqueeze and Transpose of activations only where they move no element. */
static int op_axes(struct onnx_import *im)
{
	struct onnx_value *x = onnx_input(im, 0);
	const char *op = im->node->op_type;
	const Onnx__AttributeProto *a = onnx_attr(im, op[0] == 'T' ? "perm" : "axes");
	const struct onnx_array *in = onnx_const_input(im, 1);
	int64_t dims[ONNX_MAX_RANK] = { 0 }, axis;
	size_t n = a ? a->n_ints : in && in->is_int ? in->count : 0, i;
	int d, rank = 0, total, last = -1;
	unsigned int mask = 0;

	if (onnx_input(im, 1) && (!in || !in->is_int))
		return onnx_refuse(im, "axes that are not constant integers");
	total = x->rank + (op[0] == 'U' ? (int)n : 0);
	if (n > ONNX_MAX_RANK || total > ONNX_MAX_RANK || (op[0] == 'T' && n != (size_t)x->rank))
		return onnx_refuse(im, "bad axes");
	for (i = 0; i < n; i++) {
		axis = a ? a->ints[i] : in->i[i];
		if (axis < -total || axis >= total)
			return onnx_refuse(im, "bad axes");
		axis += axis < 0 ? total : 0;
		if (mask & 1u << axis)
			return onnx_refuse(im, "bad axes");
		mask |= 1u << axis;
		if (op[0] != 'T')
			continue;
		dims[i] = x->dims[axis];
		if (dims[i] != 1 && axis < last)
			return onnx_refuse(im,
					   "the data would have to be moved; only NCHW networks "
					   "are supported");
		last = dims[i] != 1 ? (int)axis : last;
	}
	if (op[0] == 'T')
		return view_as(im, x, x->rank, dims);
	for (d = 0, i = 0; d < total; d++) {
		if (op[0] == 'U')
			dims[rank++] = mask & 1u << d ? 1 : x->dims[i++];
		else if (n ? !(mask & 1u << d) : x->dims[d] != 1)
			dims[rank++] = x->dims[d];
	}
	return view_as(im, x, rank, dims);
}

/* Dropped, which keeps the order of the classes if it is they that add up to 1. */
static int op_softmax(struct onnx_import *im)
{
	struct onnx_value *x = onnx_input(im, 0);
	/* Up to operator set 12 all dimensions from the axis on, later one: the last by default. */
	bool flat = im->opset < 13;
	int64_t axis = onnx_attr_int(im, "axis", flat ? 1 : -1), dims[ONNX_MAX_RANK];
	size_t elements = net_tensor_elements(&im->net->tensors[x->tensor]);
	uint32_t tensor = x->tensor;
	int rc;

	if (axis < -x->rank || axis >= x->rank)
		return onnx_refuse(im, "a bad axis");
	axis += axis < 0 ? x->rank : 0;
	if (axis != 1 && (size_t)x->dims[axis] != elements && (!flat || axis > 1))
		return onnx_refuse(im, "only over the channels is it supported");
	memcpy(dims, x->dims, sizeof(dims));
	rc = define_view(im, tensor, x->rank, dims);
	if (!rc)
		onnx_find(im, im->node->output[0])->final = true;
	return rc;
}

static int op_pad(struct onnx_import *im)
{
	const Onnx__AttributeProto *mode = onnx_attr(im, "mode"), *attr = onnx_attr(im, "pads");
	const struct onnx_array *in = onnx_const_input(im, 1), *value = onnx_const_input(im, 2);
	struct onnx_value *x = picture(im, 0);
	struct net_layer l;
	struct net_tensor t;
	int64_t pads[8];
	size_t i;

	if (!x)
		return ONNX_REFUSED;
	t = im->net->tensors[x->tensor];
	if (mode && mode->has_s && (mode->s.len != 8 || memcmp(mode->s.data, "constant", 8)))
		return onnx_refuse(im, "only zeros can be padded");
	if (onnx_attr_float(im, "value", 0) != 0 || (onnx_input(im, 2) && !value) ||
	    (value && (value->count != 1 || onnx_array_get(value, 0) != 0)))
		return onnx_refuse(im, "only zeros can be padded");
	if (onnx_input(im, 3))
		return onnx_refuse(im, "the axes input is not supported");
	if (attr ? attr->n_ints != 8 : !in || !in->is_int || in->count != 8)
		return onnx_refuse(im, "pads must be 8 constants");
	for (i = 0; i < 8; i++) {
		pads[i] = attr ? attr->ints[i] : in->i[i];
		if (pads[i] < 0 || pads[i] > 255 || (i % 4 < 2 && pads[i]))
			return onnx_refuse(im, "pads must be 0 to 255, of rows and columns only");
	}
	net_layer_init(&l, NET_PAD);
	l.pad_top = (uint32_t)pads[2];
	l.pad_left = (uint32_t)pads[3];
	l.pad_bottom = (uint32_t)pads[6];
	l.pad_right = (uint32_t)pads[7];
	l.in[0] = x->tensor;
	l.in_count = 1;
	return emit_picture(im, &l, t.c, t.h + l.pad_top + l.pad_bottom,
			    t.w + l.pad_left + l.pad_right);
}

static const struct {
	const char *op;
	int (*import)(struct onnx_import *im);
} layers[] = {
	{ "Conv", op_conv }, { "MaxPool", op_pool }, { "AveragePool", op_pool },
	{ "GlobalAveragePool", op_global_pool }, { "BatchNormalization", op_batch_norm },
	{ "Relu", op_clamp }, { "Clip", op_clamp }, { "Add", op_arithmetic },
	{ "Sub", op_arithmetic }, { "Mul", op_arithmetic }, { "Div", op_arithmetic },
	{ "Concat", op_concat }, { "Gemm", op_gemm }, { "MatMul", op_gemm },
	{ "Flatten", op_view }, { "Reshape", op_view }, { "Identity", op_view },
	{ "Dropout", op_view }, { "Squeeze", op_axes }, { "Unsqueeze", op_axes },
	{ "Transpose", op_axes }, { "Softmax", op_softmax }, { "LogSoftmax", op_softmax },
	{ "Pad", op_pad },
};

#define LAYERS	(sizeof(layers) / sizeof(layers[0]))

bool onnx_can_layer(const char *op)
{
	size_t i;

	for (i = 0; i < LAYERS; i++)
		if (!strcmp(layers[i].op, op))
			return true;
	return false;
}

int onnx_layer(struct onnx_import *im)
{
	const struct onnx_value *x = onnx_input(im, 0);
	size_t i;

	if (im->node->n_output < 1 || !im->node->output[0][0] || !x)
		return onnx_refuse(im, "an input or the output is missing");
	for (i = 0; i < LAYERS; i++)
		if (!strcmp(layers[i].op, im->node->op_type))
			break;
	if (x->kind != ONNX_ACTIVATION && layers[i].import != op_arithmetic)
		return onnx_refuse(im, "its input is a constant");
	return layers[i].import(im);
}
