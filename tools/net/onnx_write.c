// SPDX-License-Identifier: MIT
/* A float network's layers as ONNX nodes (onnx_write.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_pieces.h"
#include "onnx_write.h"

struct writer {
	struct export e;
	const struct net *net;
	bool *flat;		/* by tensor: it is [N, C] */
};

static const char description[] =
	"picture: real values [N, C, H, W]. What the card takes are bytes, of which 255 is 1; "
	"a normalization, if any, is part of the network.";

static const char *const kinds[] = {
	[NET_AFFINE] = "affine", [NET_CONV] = "conv", [NET_FC] = "fc", [NET_ADD] = "add",
	[NET_CONCAT] = "concat", [NET_MAXPOOL] = "maxpool", [NET_AVGPOOL] = "avgpool",
	[NET_GLOBALPOOL] = "globalpool", [NET_PAD] = "pad",
};

static char *tensor_name(struct writer *w, uint32_t t)
{
	if (t == w->net->input)
		return export_text(&w->e, "picture");
	return export_text(&w->e, "t%u", t);
}

static char *part(struct writer *w, const struct net_layer *l, const char *what)
{
	return export_text(&w->e, "t%u_%s", l->out, what);
}

/* --- which tensors are lists --- */

/* Each output sums the whole input. */
static bool dense(const struct net *net, const struct net_layer *l)
{
	const struct net_tensor *x = &net->tensors[l->in[0]], *y = &net->tensors[l->out];

	if (!net_layer_has_weights(l) || l->groups != 1 || y->h != 1 || y->w != 1)
		return false;
	return l->kernel_h == x->h && l->kernel_w == x->w && !l->pad_top && !l->pad_left &&
	       !l->pad_bottom && !l->pad_right && l->dilation_h == 1 && l->dilation_w == 1;
}

static int find_lists(struct writer *w)
{
	const struct net *net = w->net;
	uint32_t i, k;

	w->flat = export_alloc(&w->e, net->tensor_count * sizeof(*w->flat));
	if (!w->flat)
		return -ENOMEM;
	for (i = 0; i < net->layer_count; i++)
		w->flat[net->layers[i].out] = dense(net, &net->layers[i]);
	for (i = 0; i < net->layer_count; i++)
		for (k = 0; k < net->layers[i].in_count && !dense(net, &net->layers[i]); k++)
			w->flat[net->layers[i].in[k]] = false;
	return 0;
}

/* --- parts of a layer --- */

static bool bounded(const struct net_layer *l)
{
	return l->kind != NET_CONCAT && l->kind != NET_MAXPOOL && l->kind != NET_GLOBALPOOL &&
	       l->kind != NET_PAD && (!isinf(l->act_min) || !isinf(l->act_max));
}

/* The name of what the last node before the bounds writes. */
static char *result(struct writer *w, const struct net_layer *l)
{
	return bounded(l) ? part(w, l, "open") : tensor_name(w, l->out);
}

static void bounds(struct writer *w, const struct net_layer *l, char *x)
{
	char *y = tensor_name(w, l->out), *low, *high;

	if (!bounded(l))
		return;
	if (l->act_min == 0 && isinf(l->act_max)) {
		export_node(&w->e, "Relu", y, x, NULL);
		return;
	}
	/* An empty name is an input that is left out. */
	low = isinf(l->act_min) ? export_text(&w->e, "%s", "") :
	      export_scalar(&w->e, part(w, l, "min"), l->act_min);
	high = isinf(l->act_max) ? NULL : export_scalar(&w->e, part(w, l, "max"), l->act_max);
	export_node(&w->e, "Clip", y, x, low, high, NULL);
}

/* A constant with the values of an array, or the same value throughout. */
static char *constant(struct writer *w, const struct net_layer *l, const char *what,
		      const float *v, size_t rank, const int64_t *dims)
{
	char *name = part(w, l, what);
	size_t n = 1, i;
	float *data;

	for (i = 0; i < rank; i++)
		n *= (size_t)dims[i];
	export_floats(&w->e, name, rank, dims, &data);
	for (i = 0; data && i < n; i++) {
		data[i] = v[i];
		if (!isfinite(v[i])) {
			export_fail(&w->e, -EINVAL, "its parameters are not finite");
			break;
		}
	}
	return name;
}

/* The layer's own name, by which the options of fqaccel-compress know it. */
static void name_node(struct writer *w, const struct net_layer *l)
{
	const struct net_layer *before;

	if (!w->e.node || !l->name || !*l->name)
		return;
	for (before = w->net->layers; before < l; before++)
		if (before->name && !strcmp(before->name, l->name))
			return;
	w->e.node->name = export_text(&w->e, "%s", l->name);
}

static char *gemm(struct writer *w, const struct net_layer *l, char *x)
{
	const struct net_tensor *t = &w->net->tensors[l->in[0]];
	int64_t dims[] = { w->net->tensors[l->out].c, (int64_t)net_tensor_elements(t) };
	char *weight, *bias;

	if (!w->flat[l->in[0]]) {
		x = export_node(&w->e, "Flatten", part(w, l, "flat"), x, NULL);
		export_int(&w->e, "axis", 1);
	}
	weight = constant(w, l, "weight", l->weight, 2, dims);
	bias = constant(w, l, "bias", l->bias, 1, dims);
	x = export_node(&w->e, "Gemm", result(w, l), x, weight, bias, NULL);
	export_int(&w->e, "transB", 1);
	name_node(w, l);
	return x;
}

/* A full connection is a convolution, too. */
static char *conv(struct writer *w, const struct net_layer *l, char *x)
{
	int64_t dims[] = { w->net->tensors[l->out].c, w->net->tensors[l->in[0]].c / l->groups,
			   l->kernel_h, l->kernel_w };
	char *weight = constant(w, l, "weight", l->weight, 4, dims);
	char *bias = constant(w, l, "bias", l->bias, 1, dims);
	struct export *e = &w->e;

	x = export_node(e, "Conv", result(w, l), x, weight, bias, NULL);
	export_ints(e, "kernel_shape", 2, dims + 2);
	export_ints(e, "strides", 2, (const int64_t[]){ l->stride_h, l->stride_w });
	export_ints(e, "dilations", 2, (const int64_t[]){ l->dilation_h, l->dilation_w });
	export_ints(e, "pads", 4, (const int64_t[]){ l->pad_top, l->pad_left, l->pad_bottom,
						     l->pad_right });
	export_int(e, "group", l->groups);
	name_node(w, l);
	return x;
}

static char *affine(struct writer *w, const struct net_layer *l, char *x)
{
	int64_t dims[] = { w->net->tensors[l->out].c, 1, 1 };

	x = export_node(&w->e, "Mul", part(w, l, "scaled"), x,
			constant(w, l, "scale", l->scale, 3, dims), NULL);
	name_node(w, l);
	return export_node(&w->e, "Add", result(w, l), x,
			   constant(w, l, "bias", l->bias, 3, dims), NULL);
}

static char *add(struct writer *w, const struct net_layer *l, char *x)
{
	x = export_node(&w->e, "Add", result(w, l), x, tensor_name(w, l->in[1]), NULL);
	name_node(w, l);
	return x;
}

static char *concat(struct writer *w, const struct net_layer *l, char *x)
{
	uint32_t k;

	x = export_node(&w->e, "Concat", result(w, l), x, NULL);
	export_int(&w->e, "axis", 1);
	for (k = 1; !w->e.rc && k < l->in_count; k++)
		w->e.node->input[w->e.node->n_input++] = tensor_name(w, l->in[k]);
	name_node(w, l);
	return x;
}

/* The pad at the end that the last of @out windows reaches to; 0 where that is inside. */
static int64_t pad_after(uint32_t in, uint32_t pad_before, uint32_t kernel, uint32_t stride,
			 uint32_t out)
{
	int64_t pad = (int64_t)(out - 1) * stride + kernel - in - pad_before;

	return pad > 0 ? pad : 0;
}

/* top, left, bottom, right; these are what the windows reach. */
static void window_pads(struct writer *w, const struct net_layer *l, int64_t *pads)
{
	const struct net_tensor *x = &w->net->tensors[l->in[0]], *y = &w->net->tensors[l->out];

	pads[0] = l->pad_top;
	pads[1] = l->pad_left;
	pads[2] = pad_after(x->h, l->pad_top, l->kernel_h, l->stride_h, y->h);
	pads[3] = pad_after(x->w, l->pad_left, l->kernel_w, l->stride_w, y->w);
}

static void window(struct writer *w, const struct net_layer *l, const int64_t *pads)
{
	struct export *e = &w->e;

	export_ints(e, "kernel_shape", 2, (const int64_t[]){ l->kernel_h, l->kernel_w });
	export_ints(e, "strides", 2, (const int64_t[]){ l->stride_h, l->stride_w });
	export_ints(e, "pads", 4, pads);
	name_node(w, l);
}

static char *pad_node(struct writer *w, const struct net_layer *l, char *x, char *y,
		      const int64_t *pads)
{
	const int64_t all[] = { 0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3] };

	return export_node(&w->e, "Pad", y, x, export_integers(&w->e, part(w, l, "pads"), 8, all),
			   NULL);
}

/* Windows that pass the padding get more of it, rather than ceil_mode, so that all programs agree. */
static char *maxpool(struct writer *w, const struct net_layer *l, char *x)
{
	int64_t pads[4];

	window_pads(w, l, pads);
	x = export_node(&w->e, "MaxPool", result(w, l), x, NULL);
	window(w, l, pads);
	return x;
}

/* A divisor of its own: the mean over the whole window, made larger. */
static char *avgpool_divisor(struct writer *w, const struct net_layer *l, char *x,
			     const int64_t *pads)
{
	double size = (double)l->kernel_h * l->kernel_w;

	x = export_node(&w->e, "AveragePool", part(w, l, "mean"), x, NULL);
	window(w, l, pads);
	export_int(&w->e, "count_include_pad", 1);
	return export_node(&w->e, "Mul", result(w, l), x,
			   export_scalar(&w->e, part(w, l, "factor"), size / l->divisor), NULL);
}

/*
 * Padding counts, but not what lies beyond it. Programs differ on that under ceil_mode, but not on the mean
 * of what is inside a larger picture.
 */
static char *avgpool_beyond(struct writer *w, const struct net_layer *l, char *x,
			    const int64_t *reached)
{
	const struct net_tensor *t = &w->net->tensors[l->in[0]], *y = &w->net->tensors[l->out];
	const int64_t none[4] = { 0 };
	int64_t pads[4] = {
		reached[0], reached[1],
		reached[2] < l->pad_bottom ? reached[2] : l->pad_bottom,
		reached[3] < l->pad_right ? reached[3] : l->pad_right,
	};
	int64_t h = t->h + pads[0] + pads[2] - l->kernel_h, v = t->w + pads[1] + pads[3] - l->kernel_w;

	/* No ONNX file gives such a one: it rounds rows and columns the same way. */
	if (h < 0 || v < 0 || (h + l->stride_h - 1) / l->stride_h + 1 != y->h ||
	    (v + l->stride_w - 1) / l->stride_w + 1 != y->w)
		export_fail(&w->e, -EINVAL, "its windows pass the padding in a way that ONNX can't say");
	if (pads[0] || pads[1] || pads[2] || pads[3])
		x = pad_node(w, l, x, part(w, l, "padded"), pads);
	x = export_node(&w->e, "AveragePool", result(w, l), x, NULL);
	window(w, l, none);
	export_int(&w->e, "ceil_mode", 1);
	return x;
}

static char *avgpool(struct writer *w, const struct net_layer *l, char *x)
{
	int64_t pads[4];

	window_pads(w, l, pads);
	if (l->divisor)
		return avgpool_divisor(w, l, x, pads);
	if (l->count_padding && (pads[2] > l->pad_bottom || pads[3] > l->pad_right))
		return avgpool_beyond(w, l, x, pads);
	x = export_node(&w->e, "AveragePool", result(w, l), x, NULL);
	window(w, l, pads);
	export_int(&w->e, "count_include_pad", l->count_padding);
	return x;
}

static char *pad(struct writer *w, const struct net_layer *l, char *x)
{
	const int64_t pads[] = { l->pad_top, l->pad_left, l->pad_bottom, l->pad_right };

	x = pad_node(w, l, x, result(w, l), pads);
	name_node(w, l);
	return x;
}

static char *compute(struct writer *w, const struct net_layer *l)
{
	char *x = tensor_name(w, l->in[0]);

	switch (l->kind) {
	case NET_AFFINE:
		return affine(w, l, x);
	case NET_CONV:
	case NET_FC:
		return w->flat[l->out] ? gemm(w, l, x) : conv(w, l, x);
	case NET_ADD:
		return add(w, l, x);
	case NET_CONCAT:
		return concat(w, l, x);
	case NET_MAXPOOL:
		return maxpool(w, l, x);
	case NET_AVGPOOL:
		return avgpool(w, l, x);
	case NET_GLOBALPOOL:
		x = export_node(&w->e, "GlobalAveragePool", result(w, l), x, NULL);
		name_node(w, l);
		return x;
	case NET_PAD:
		return pad(w, l, x);
	}
	return x;
}

static void write_layer(struct writer *w, uint32_t i)
{
	const struct net_layer *l = &w->net->layers[i];

	w->e.layer = i;
	w->e.layer_name = l->name;
	w->e.layer_kind = kinds[l->kind];
	bounds(w, l, compute(w, l));
	w->e.layer = EXPORT_NO_LAYER;
}

static Onnx__ValueInfoProto *value(struct writer *w, char *name, uint32_t tensor, bool flat)
{
	const struct net_tensor *t = &w->net->tensors[tensor];

	return export_value(&w->e, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, t->c,
			    flat ? 0 : t->h, flat ? 0 : t->w);
}

static void write_output(struct writer *w)
{
	const struct net_tensor *t = &w->net->tensors[w->net->output];
	char *name = tensor_name(w, w->net->output);
	bool flat = t->h == 1 && t->w == 1;

	if (flat && !w->flat[w->net->output]) {
		name = export_node(&w->e, "Flatten", export_text(&w->e, "output"), name, NULL);
		export_int(&w->e, "axis", 1);
	}
	export_output(&w->e, value(w, name, w->net->output, flat));
}

int onnx_write(const struct net *net, const char *name, const char *producer, void **data,
	       size_t *size, struct net_error *err)
{
	struct writer w = { .net = net };
	uint32_t i;

	*data = NULL;
	export_begin(&w.e, producer, description, err->text, sizeof(err->text));
	w.e.graph.name = export_text(&w.e, "%s", name && *name ? name : "network");
	export_input(&w.e, value(&w, tensor_name(&w, net->input), net->input, false));
	if (!find_lists(&w)) {
		for (i = 0; !w.e.rc && i < net->layer_count; i++)
			write_layer(&w, i);
		write_output(&w);
	}
	export_pack(&w.e, data, size);
	export_free(&w.e);
	return w.e.rc;
}
