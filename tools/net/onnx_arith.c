// SPDX-License-Identifier: MIT
/* ONNX operators that compute element by element, and those that join activations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_private.h"

int onnx_op_batch_norm(struct onnx_import *im)
{
	float epsilon = onnx_attr_float(im, "epsilon", 1e-5f);
	struct onnx_value *x = onnx_activation(im, 0);
	bool training = onnx_attr_int(im, "training_mode", 0) != 0;
	const struct onnx_array *p[4];
	struct net_layer l;
	uint32_t c, channels;
	size_t i;
	int rc;

	if (!x)
		return ONNX_REFUSED;
	training |= im->opset < 7 && !onnx_attr_int(im, "is_test", 0);
	/* Before operator set 14, outputs beside the first say so. */
	for (i = 1; i < im->node->n_output; i++)
		training |= im->node->output[i][0] != '\0';
	if (training || !onnx_attr_int(im, "spatial", 1))
		return onnx_refuse(im, "only inference over channels is supported");
	channels = im->net->tensors[x->tensor].c;
	for (c = 0; c < 4; c++) {
		p[c] = onnx_const_input(im, c + 1);
		if (!p[c] || p[c]->is_int || p[c]->count != channels)
			return onnx_refuse(im, "parameter %u is not a constant for each channel",
					   c + 1);
	}
	if (x->rank < 2 || x->dims[0] != 1 || x->dims[1] != channels)
		return onnx_refuse(im, "its input was reshaped; the channels are not where they "
				   "were");
	rc = onnx_affine_init(im, &l, x->tensor);
	if (rc)
		return rc;
	for (c = 0; c < channels; c++) {
		l.scale[c] = p[0]->f[c] / sqrtf(p[3]->f[c] + epsilon);
		l.bias[c] = p[1]->f[c] - p[2]->f[c] * l.scale[c];
	}
	return onnx_emit_like(im, &l, x);
}

/* A bound of Clip: an attribute up to operator set 10, an input after. */
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

/* Relu and Clip */
int onnx_op_clamp(struct onnx_import *im)
{
	struct onnx_value *x = onnx_activation(im, 0);
	float lo = -INFINITY, hi = INFINITY;
	struct net_layer l;
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
		/* A lower bound above the upper one gives the upper one: a constant. */
		if (!rc && (!(lo <= hi) || lo == INFINITY || hi == -INFINITY))
			rc = onnx_refuse(im, "bounds in the wrong order, or infinite");
	}
	if (!rc)
		rc = onnx_affine_init(im, &l, x->tensor);
	if (rc)
		return rc;
	l.act_min = lo;
	l.act_max = hi;
	return onnx_emit_like(im, &l, x);
}

/* Dimensions of @rank, 1 in front where the operand has fewer, as broadcasting aligns them. */
static void aligned(int rank, int own, const int64_t *dims, int64_t *out)
{
	int d;

	for (d = 0; d < rank; d++)
		out[d] = d < rank - own ? 1 : dims[d - (rank - own)];
}

/*
 * How a constant operand runs over the channels of @x: the element for channel c is the sum over
 * d of (c / stride[d] % size[d]) * step[d]. It must not vary inside a channel, so the dimensions
 * along which it does vary span whole channels.
 */
struct operand {
	size_t stride[ONNX_MAX_RANK], size[ONNX_MAX_RANK], step[ONNX_MAX_RANK];
	int rank;
	int64_t dims[ONNX_MAX_RANK];	/* of the result */
};

static int operand_init(struct onnx_import *im, const struct onnx_value *x,
			const struct onnx_array *a, struct operand *o)
{
	const struct net_tensor *t = &im->net->tensors[x->tensor];
	size_t area = (size_t)t->h * t->w, stride = 1, step = 1;
	int64_t own[ONNX_MAX_RANK];
	int d;

	o->rank = a->rank > x->rank ? a->rank : x->rank;
	aligned(o->rank, x->rank, x->dims, o->dims);
	aligned(o->rank, a->rank, a->dims, own);
	if (a->is_int || !a->count)
		return onnx_refuse(im, "a constant operand that does not fit");
	for (d = o->rank - 1; d >= 0; d--) {
		o->size[d] = (size_t)own[d];
		o->step[d] = own[d] == 1 ? 0 : step;
		o->stride[d] = stride / area ? stride / area : 1;
		if (own[d] != 1 && own[d] != o->dims[d])
			return onnx_refuse(im, "a constant operand that does not fit, or that "
					   "would repeat the activation");
		if (own[d] != 1 && stride % area)
			return onnx_refuse(im, "a constant operand that varies inside a channel");
		stride *= (size_t)o->dims[d];
		step *= (size_t)own[d];
	}
	return ONNX_OK;
}

static float operand_at(const struct operand *o, const struct onnx_array *a, size_t channel)
{
	size_t at = 0;
	int d;

	for (d = 0; d < o->rank; d++)
		at += channel / o->stride[d] % o->size[d] * o->step[d];
	return a->f[at];
}

/* Add, Sub, Mul, Div of an activation and a constant. */
static int affine_op(struct onnx_import *im, const struct onnx_value *x,
		     const struct onnx_array *a, bool const_first)
{
	const struct net_tensor t = im->net->tensors[x->tensor];
	char op = im->node->op_type[0];	/* A, S, M or D */
	struct net_layer l;
	struct operand o;
	uint32_t c;
	int rc;

	if (op == 'D' && const_first)
		return onnx_refuse(im, "a constant divided by an activation");
	rc = operand_init(im, x, a, &o);
	if (!rc)
		rc = onnx_affine_init(im, &l, x->tensor);
	if (rc)
		return rc;
	for (c = 0; c < t.c; c++) {
		float v = operand_at(&o, a, c);

		if (op == 'M' || op == 'D')
			l.scale[c] = op == 'M' ? v : 1.0f / v;
		else
			l.bias[c] = op == 'S' && !const_first ? -v : v;
		if (op == 'S' && const_first)
			l.scale[c] = -1.0f;
	}
	return onnx_emit_as(im, &l, t.c, t.h, t.w, o.rank, o.dims);
}

/* An AFFINE that turns the sign, writing a tensor of its own or the node's output. */
static int negate(struct onnx_import *im, const struct onnx_value *x, bool hidden, uint32_t *out)
{
	const struct net_tensor t = im->net->tensors[x->tensor];
	struct net_layer l;
	uint32_t c;
	int rc = onnx_affine_init(im, &l, x->tensor);

	if (rc)
		return rc;
	for (c = 0; c < t.c; c++)
		l.scale[c] = -1.0f;
	rc = hidden ? onnx_emit_hidden(im, &l, t.c, t.h, t.w) : onnx_emit_like(im, &l, x);
	*out = l.out;
	return rc;
}

int onnx_op_neg(struct onnx_import *im)
{
	struct onnx_value *x = onnx_activation(im, 0);
	uint32_t out;

	return x ? negate(im, x, false, &out) : ONNX_REFUSED;
}

static int same_shape(struct onnx_import *im, const struct onnx_value *x,
		      const struct onnx_value *y)
{
	const struct net_tensor *a = &im->net->tensors[x->tensor];
	const struct net_tensor *b = &im->net->tensors[y->tensor];
	int rank = x->rank > y->rank ? x->rank : y->rank;
	int64_t dx[ONNX_MAX_RANK], dy[ONNX_MAX_RANK];

	aligned(rank, x->rank, x->dims, dx);
	aligned(rank, y->rank, y->dims, dy);
	if (memcmp(dx, dy, sizeof(*dx) * (size_t)rank) || a->c != b->c || a->h != b->h ||
	    a->w != b->w)
		return onnx_refuse(im, "activations of different shapes");
	return ONNX_OK;
}

int onnx_op_arithmetic(struct onnx_import *im)
{
	const struct onnx_array *a0 = onnx_const_input(im, 0), *a1 = onnx_const_input(im, 1);
	struct onnx_value *x, *y;
	struct net_layer l;
	int rc;

	if (a0 || a1) {
		x = onnx_activation(im, a0 ? 1 : 0);
		return x ? affine_op(im, x, a0 ? a0 : a1, a0 != NULL) : ONNX_REFUSED;
	}
	x = onnx_activation(im, 0);
	y = onnx_activation(im, 1);
	if (!x || !y)
		return ONNX_REFUSED;
	if (im->node->op_type[0] != 'A' && im->node->op_type[0] != 'S')
		return onnx_refuse(im, "two activations; the card can only add them");
	rc = same_shape(im, x, y);
	net_layer_init(&l, NET_ADD);
	l.in[0] = x->tensor;
	l.in[1] = y->tensor;
	l.in_count = 2;
	if (!rc && im->node->op_type[0] == 'S')
		rc = negate(im, y, true, &l.in[1]);
	return rc ? rc : onnx_emit_like(im, &l, x->rank >= y->rank ? x : y);
}

/* A chain of sums of two; of one, the same again under another name. */
int onnx_op_sum(struct onnx_import *im)
{
	struct onnx_value *x = onnx_activation(im, 0), *y;
	struct net_layer l;
	struct net_tensor t;
	size_t k;
	int rc;

	if (!x)
		return ONNX_REFUSED;
	if (im->node->n_input == 1)
		return onnx_define_view(im, x->tensor, x->rank, x->dims);
	t = im->net->tensors[x->tensor];
	for (k = 1; k < im->node->n_input; k++) {
		y = onnx_activation(im, k);
		if (!y)
			return ONNX_REFUSED;
		rc = same_shape(im, x, y);
		if (rc)
			return rc;
		net_layer_init(&l, NET_ADD);
		l.in[0] = k == 1 ? x->tensor : im->net->layers[im->net->layer_count - 1].out;
		l.in[1] = y->tensor;
		l.in_count = 2;
		rc = k + 1 == im->node->n_input ? onnx_emit_like(im, &l, x) :
		     onnx_emit_hidden(im, &l, t.c, t.h, t.w);
		if (rc)
			return rc;
	}
	return ONNX_OK;
}

/* What input @k adds along @axis of the concatenation @dims of tensors like @t. */
static struct onnx_value *concat_input(struct onnx_import *im, size_t k, int64_t axis, int rank,
				       const int64_t *dims, const struct net_tensor *t)
{
	struct onnx_value *x = onnx_activation(im, k);
	bool same, append = true;
	int d;

	if (!x)
		return NULL;
	same = x->rank == rank && im->net->tensors[x->tensor].h == t->h &&
	       im->net->tensors[x->tensor].w == t->w;
	for (d = 0; same && d < rank; d++) {
		same &= d == axis || x->dims[d] == dims[d];
		append &= d >= axis || x->dims[d] == 1;
	}
	if (same && append)
		return x;
	onnx_refuse(im, same ? "only channels can be concatenated" :
		    "inputs of different shapes");
	return NULL;
}

/*
 * One activation after the other in memory: everything before the axis is 1. The card's layer
 * takes 8 inputs (FORMAT.md section 4.1); more become a chain.
 */
int onnx_op_concat(struct onnx_import *im)
{
	struct onnx_value *x = onnx_activation(im, 0);
	int64_t axis = onnx_attr_int(im, "axis", 1), dims[ONNX_MAX_RANK];
	struct net_layer l;
	struct net_tensor t;
	uint64_t channels = 0;
	size_t k, n = im->node->n_input;
	int rank, rc;

	if (!x)
		return ONNX_REFUSED;
	rank = x->rank;
	if (axis < -rank || axis >= rank)
		return onnx_refuse(im, "a bad axis");
	axis += axis < 0 ? rank : 0;
	t = im->net->tensors[x->tensor];
	memcpy(dims, x->dims, sizeof(dims));
	dims[axis] = 0;
	net_layer_init(&l, NET_CONCAT);
	for (k = 0; k < n; k++) {
		x = concat_input(im, k, axis, rank, dims, &t);
		if (!x)
			return ONNX_REFUSED;
		if (l.in_count == NET_MAX_CONCAT) {
			rc = onnx_emit_hidden(im, &l, channels, t.h, t.w);
			if (rc)
				return rc;
			l.in[0] = l.out;
			l.in_count = 1;
		}
		l.in[l.in_count++] = x->tensor;
		channels += im->net->tensors[x->tensor].c;
		dims[axis] += x->dims[axis];
	}
	if (n == 1)
		return onnx_define_view(im, x->tensor, rank, x->dims);
	return onnx_emit_as(im, &l, channels, t.h, t.w, rank, dims);
}
