// SPDX-License-Identifier: MIT
/* ONNX operators with a window that moves over rows and columns: convolution, pooling, padding. */
#include <stdlib.h>
#include <string.h>

#include "onnx_private.h"

/* A value for rows and one for columns; pictures of one row have one for columns alone. */
static int pair(struct onnx_import *im, const char *name, int rank, int64_t *v, int64_t preset,
		int64_t min, int64_t max)
{
	v[0] = 1;
	return rank == 4 ? onnx_attr_ints(im, name, 2, v, preset, min, max) :
	       onnx_attr_ints(im, name, 1, v + 1, preset, min, max);
}

static int auto_pad(struct onnx_import *im, struct net_layer *l, const struct net_tensor *t,
		    const Onnx__AttributeProto *a)
{
	uint32_t *const pads[4] = { &l->pad_top, &l->pad_left, &l->pad_bottom, &l->pad_right };
	bool upper = onnx_attr_is(a, "SAME_UPPER");
	uint32_t size, step, kernel, total, out, d;

	for (d = 0; d < 4; d++)
		*pads[d] = 0;
	if (onnx_attr_is(a, "VALID"))
		return ONNX_OK;
	if (!upper && !onnx_attr_is(a, "SAME_LOWER"))
		return onnx_refuse(im, "an unknown auto_pad");
	for (d = 0; d < 2; d++) {
		size = d ? t->w : t->h;
		step = d ? l->stride_w : l->stride_h;
		kernel = d ? (l->kernel_w - 1) * l->dilation_w + 1 :
			     (l->kernel_h - 1) * l->dilation_h + 1;
		out = (size + step - 1) / step;
		total = (out - 1) * step + kernel > size ? (out - 1) * step + kernel - size : 0;
		/* SAME_UPPER puts the odd one at the end, SAME_LOWER at the start. */
		*pads[d] = upper ? total / 2 : total - total / 2;
		*pads[d + 2] = total - *pads[d];
		if (*pads[d] > 255 || *pads[d + 2] > 255)
			return onnx_refuse(im, "padding above 255");
	}
	return ONNX_OK;
}

/* strides, dilations, pads: what convolutions and pools have in common. */
static int window(struct onnx_import *im, struct net_layer *l, const struct net_tensor *t,
		  int rank)
{
	const Onnx__AttributeProto *a = onnx_attr(im, "auto_pad");
	int64_t v[4] = { 0 };
	int rc;

	rc = pair(im, "strides", rank, v, 1, 1, 255);
	if (rc)
		return rc;
	l->stride_h = (uint32_t)v[0];
	l->stride_w = (uint32_t)v[1];
	rc = pair(im, "dilations", rank, v, 1, 1, 255);
	if (rc)
		return rc;
	l->dilation_h = (uint32_t)v[0];
	l->dilation_w = (uint32_t)v[1];
	v[0] = 0;
	rc = onnx_attr_ints(im, "pads", rank == 4 ? 4 : 2, v, 0, 0, 255);
	if (rc)
		return rc;
	l->pad_top = rank == 4 ? (uint32_t)v[0] : 0;
	l->pad_left = (uint32_t)v[rank == 4 ? 1 : 0];
	l->pad_bottom = rank == 4 ? (uint32_t)v[2] : 0;
	l->pad_right = (uint32_t)v[rank == 4 ? 3 : 1];
	if (!a || !a->has_s || !a->s.len || onnx_attr_is(a, "NOTSET"))
		return ONNX_OK;
	return auto_pad(im, l, t, a);
}

static bool out_size(uint32_t size, uint32_t pads, uint32_t kernel, uint32_t step, bool ceiling,
		     uint32_t pad_before, uint32_t *out)
{
	if (size + pads < kernel)
		return false;
	*out = (size + pads - kernel) / step + 1;
	/*
	 * Ceil mode: one more window if it starts inside the input or the padding before it. What
	 * later versions of the operators state, exporters have always assumed.
	 */
	if (ceiling && (size + pads - kernel) % step && *out * step < size + pad_before)
		(*out)++;
	return true;
}

static int emit_picture(struct onnx_import *im, struct net_layer *l, int rank, uint64_t c,
			uint64_t h, uint64_t w)
{
	int64_t dims[4] = { 1, (int64_t)c, (int64_t)h, (int64_t)w };

	if (rank == 3)
		dims[2] = dims[3];
	return onnx_emit_as(im, l, c, h, w, rank, dims);
}

/* The weights' shape against the input and the attributes. */
static int conv_shape(struct onnx_import *im, struct net_layer *l, const struct onnx_array *w,
		      const struct net_tensor *t, int rank)
{
	int64_t groups = onnx_attr_int(im, "group", 1), k[2], kernel[2];
	int rc;

	kernel[0] = rank == 4 ? w->dims[2] : 1;
	kernel[1] = w->dims[rank - 1];
	rc = pair(im, "kernel_shape", rank, k, 0, 0, 1024);
	if (rc)
		return rc;
	if ((k[0] && k[0] != kernel[0]) || (k[1] && k[1] != kernel[1]) || !w->count ||
	    kernel[0] > 1024 || kernel[1] > 1024)
		return onnx_refuse(im, "kernel_shape and the weights' shape differ, or above 1024");
	if (groups < 1 || groups > t->c || t->c % groups || w->dims[0] % groups ||
	    w->dims[1] != t->c / groups)
		return onnx_refuse(im,
				   "weights of %lld x %lld channels do not fit %u input channels "
				   "in %lld groups",
				   (long long)w->dims[0], (long long)w->dims[1], t->c,
				   (long long)groups);
	if (w->count > NET_MAX_WEIGHTS || w->count / (size_t)w->dims[0] > NET_MAX_SUM)
		return onnx_refuse(im, "more than 2^28 weights, or 2^20 for one output");
	l->kernel_h = (uint32_t)kernel[0];
	l->kernel_w = (uint32_t)kernel[1];
	l->groups = (uint32_t)groups;
	return ONNX_OK;
}

int onnx_op_conv(struct onnx_import *im)
{
	const struct onnx_array *w = onnx_const_input(im, 1), *b = onnx_const_input(im, 2);
	struct onnx_value *x = onnx_picture(im, 0);
	struct net_layer l;
	struct net_tensor t;
	uint32_t oh, ow;
	size_t c;
	int rc;

	if (!x)
		return ONNX_REFUSED;
	t = im->net->tensors[x->tensor];
	if (!w || w->is_int || w->rank != x->rank || (onnx_input(im, 2) && !b))
		return onnx_refuse(im, "weights must be constants of %d dimensions, the bias "
				   "constant", x->rank);
	net_layer_init(&l, NET_CONV);
	rc = conv_shape(im, &l, w, &t, x->rank);
	if (!rc)
		rc = window(im, &l, &t, x->rank);
	if (rc)
		return rc;
	c = (size_t)w->dims[0];
	if (b && (b->is_int || b->count != c))
		return onnx_refuse(im, "the bias does not fit the output channels");
	if (!out_size(t.h, l.pad_top + l.pad_bottom, (l.kernel_h - 1) * l.dilation_h + 1,
		      l.stride_h, false, 0, &oh) ||
	    !out_size(t.w, l.pad_left + l.pad_right, (l.kernel_w - 1) * l.dilation_w + 1,
		      l.stride_w, false, 0, &ow))
		return onnx_refuse(im, "the kernel is larger than the padded input");
	l.in[0] = x->tensor;
	l.in_count = 1;
	rc = onnx_weights_init(im, &l, onnx_input(im, 1), b, c);
	return rc ? rc : emit_picture(im, &l, x->rank, c, oh, ow);
}

int onnx_op_pool(struct onnx_import *im)
{
	bool max = im->node->op_type[0] == 'M';
	bool ceiling = onnx_attr_int(im, "ceil_mode", 0) != 0;
	struct onnx_value *x = onnx_picture(im, 0);
	struct net_layer l;
	struct net_tensor t;
	uint32_t oh, ow;
	int64_t k[2];
	int rc;

	if (!x)
		return ONNX_REFUSED;
	t = im->net->tensors[x->tensor];
	net_layer_init(&l, max ? NET_MAXPOOL : NET_AVGPOOL);
	rc = pair(im, "kernel_shape", x->rank, k, 0, 1, 1024);
	if (rc)
		return rc;
	l.kernel_h = (uint32_t)k[0];
	l.kernel_w = (uint32_t)k[1];
	rc = window(im, &l, &t, x->rank);
	if (rc)
		return rc;
	if (l.dilation_h != 1 || l.dilation_w != 1)
		return onnx_refuse(im, "dilations are not supported; the card has none for pools");
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
	return emit_picture(im, &l, x->rank, t.c, oh, ow);
}

/* GlobalAveragePool, and GlobalMaxPool: a MaxPool whose window is the whole picture. */
int onnx_op_global_pool(struct onnx_import *im)
{
	bool max = !strcmp(im->node->op_type, "GlobalMaxPool");
	struct onnx_value *x = onnx_picture(im, 0);
	struct net_tensor t;
	struct net_layer l;

	if (!x)
		return ONNX_REFUSED;
	t = im->net->tensors[x->tensor];
	if (max && (t.h > 1024 || t.w > 1024))
		return onnx_refuse(im, "a kernel above 1024");
	net_layer_init(&l, max ? NET_MAXPOOL : NET_GLOBALPOOL);
	if (max) {
		l.kernel_h = t.h;
		l.kernel_w = t.w;
	}
	l.in[0] = x->tensor;
	l.in_count = 1;
	return emit_picture(im, &l, x->rank, t.c, 1, 1);
}

/* The mean of rows and columns, as some exporters write global pooling. */
int onnx_op_reduce_mean(struct onnx_import *im)
{
	struct onnx_value *x = onnx_activation(im, 0);
	int64_t dims[ONNX_MAX_RANK];
	size_t count, area, stride = 1, mean = 1;
	const struct net_tensor *t;
	struct net_layer l;
	unsigned int mask;
	int d, rc, rank = 0;

	if (!x)
		return ONNX_REFUSED;
	rc = onnx_axes(im, x->rank, &mask, &count);
	if (rc)
		return rc;
	if (!count && onnx_attr_int(im, "noop_with_empty_axes", 0))
		return onnx_refuse(im, "noop_with_empty_axes");
	t = &im->net->tensors[x->tensor];
	area = (size_t)t->h * t->w;
	mask = count ? mask : (1u << x->rank) - 1;
	/* The reduced dimensions are the last ones, and all that a channel has. */
	for (d = x->rank - 1; d >= 0; d--) {
		bool reduced = mask & 1u << d;

		if (x->dims[d] != 1 && reduced != (stride < area))
			return onnx_refuse(im, "only a mean over all rows and columns is supported");
		stride *= (size_t)x->dims[d];
		mean *= reduced ? (size_t)x->dims[d] : 1;
	}
	if (mean != area)
		return onnx_refuse(im, "only a mean over all rows and columns is supported");
	for (d = 0; d < x->rank; d++)
		if (!(mask & 1u << d) || onnx_attr_int(im, "keepdims", 1))
			dims[rank++] = mask & 1u << d ? 1 : x->dims[d];
	net_layer_init(&l, NET_GLOBALPOOL);
	l.in[0] = x->tensor;
	l.in_count = 1;
	return onnx_emit_as(im, &l, t->c, 1, 1, rank, dims);
}

/* One value for the front and one for the end of each dimension, or of those that axes names. */
static int pad_list(struct onnx_import *im, int rank, int64_t *pads)
{
	const Onnx__AttributeProto *attr = onnx_attr(im, "pads");
	const struct onnx_array *in = onnx_const_input(im, 1), *axes = onnx_const_input(im, 3);
	size_t count = attr ? attr->n_ints : in && in->is_int ? in->count : 0, n = count / 2, i;
	unsigned int seen = 0;
	int64_t axis;

	memset(pads, 0, 8 * sizeof(*pads));
	if (onnx_input(im, 3) && (!axes || !axes->is_int))
		return onnx_refuse(im, "axes that are not constant integers");
	if (!count || count % 2 || n != (axes ? axes->count : (size_t)rank) || n > (size_t)rank)
		return onnx_refuse(im, "pads must be constants, two for each dimension");
	for (i = 0; i < count; i++) {
		int64_t v = attr ? attr->ints[i] : in->i[i];

		axis = axes ? axes->i[i % n] : (int64_t)(i % n);
		if (axis < -rank || axis >= rank)
			return onnx_refuse(im, "a bad axis");
		axis += axis < 0 ? rank : 0;
		if (i < n && seen & 1u << axis)
			return onnx_refuse(im, "an axis given twice");
		seen |= 1u << axis;
		if (v < 0 || v > 255 || (axis < 2 && v))
			return onnx_refuse(im, "pads must be 0 to 255, of rows and columns only");
		pads[axis + (i < n ? 0 : 4)] = v;
	}
	return ONNX_OK;
}

int onnx_op_pad(struct onnx_import *im)
{
	const Onnx__AttributeProto *mode = onnx_attr(im, "mode");
	const struct onnx_array *value = onnx_const_input(im, 2);
	struct onnx_value *x = onnx_picture(im, 0);
	struct net_layer l;
	struct net_tensor t;
	int64_t pads[8];
	int rc;

	if (!x)
		return ONNX_REFUSED;
	t = im->net->tensors[x->tensor];
	if (mode && mode->has_s && !onnx_attr_is(mode, "constant"))
		return onnx_refuse(im, "only zeros can be padded");
	if (onnx_attr_float(im, "value", 0) != 0 || (onnx_input(im, 2) && !value) ||
	    (value && (value->count != 1 || onnx_array_get(value, 0) != 0)))
		return onnx_refuse(im, "only zeros can be padded");
	if (x->rank != 4)
		return onnx_refuse(im, "only [1, channels, rows, columns] can be padded");
	rc = pad_list(im, 4, pads);
	if (rc)
		return rc;
	net_layer_init(&l, NET_PAD);
	l.pad_top = (uint32_t)pads[2];
	l.pad_left = (uint32_t)pads[3];
	l.pad_bottom = (uint32_t)pads[6];
	l.pad_right = (uint32_t)pads[7];
	l.in[0] = x->tensor;
	l.in_count = 1;
	return emit_picture(im, &l, 4, t.c, t.h + l.pad_top + l.pad_bottom,
			    t.w + l.pad_left + l.pad_right);
}
