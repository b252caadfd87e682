// SPDX-License-Identifier: MIT
/*
 * Convolutions. Activations stay N x H x W x C, for which oneDNN has fast kernels; of weights it
 * chooses the layout, and each direction its own, so they are reordered at each call: they are small.
 * Where the kernel is the whole input it is an inner product, several times as fast where it is large.
 */
#include <stdlib.h>

#include "dnn_internal.h"

/* A direction: its primitive, and how weights come into its layout or (gradients) out of it. */
struct conv_way {
	dnnl_primitive_desc_t desc;
	dnnl_primitive_t run;
	dnnl_primitive_t reorder;	/* NULL: the layout is the plain one */
	dnnl_memory_t inner;		/* weights in its layout, where there is a reorder */
};

struct dnn_conv {
	struct dnn *d;
	dnnl_memory_t x, y, weight;	/* plain; their addresses are set at each call */
	struct conv_way forward, data, weights;
};

/* What creating needs besides. */
struct conv_plan {
	struct dnn_dims dims;
	bool inner;				/* an inner product; @y has two dimensions */
	dnnl_memory_desc_t x, y, weight;
	dnnl_memory_desc_t any, any_f32;	/* weights and their gradients, layout open */
};

static bool is_inner_product(const struct dnn_shape *s)
{
	return s->groups == 1 && s->kernel_h == s->in_h && s->kernel_w == s->in_w &&
	       s->out_h == 1 && s->out_w == 1 && s->dilation_h == 1 && s->dilation_w == 1 &&
	       !s->pad_top && !s->pad_left && !s->pad_bottom && !s->pad_right;
}

static dnnl_status_t plan_make(const struct dnn_shape *s, enum dnn_type type, struct conv_plan *p)
{
	dnnl_format_tag_t plain = s->groups > 1 ? dnnl_goihw : dnnl_oihw;
	dnnl_status_t status;

	dnn_dims_of(s, &p->dims);
	status = dnn_activation(&p->x, p->dims.x, type);
	p->inner = is_inner_product(s);
	if (!status && p->inner)
		status = dnnl_memory_desc_init_by_tag(&p->y, 2, p->dims.y, dnn_data_type(type),
						      dnnl_nc);
	else if (!status)
		status = dnn_activation(&p->y, p->dims.y, type);
	if (!status)
		status = dnnl_memory_desc_init_by_tag(&p->weight, p->dims.weight_dims,
						      p->dims.weight, dnnl_f32, plain);
	if (!status)
		status = dnnl_memory_desc_init_by_tag(&p->any, p->dims.weight_dims, p->dims.weight,
						      dnn_data_type(type), dnnl_format_tag_any);
	if (!status)
		status = dnnl_memory_desc_init_by_tag(&p->any_f32, p->dims.weight_dims,
						      p->dims.weight, dnnl_f32,
						      dnnl_format_tag_any);
	return status;
}

/* oneDNN's description of either kind. */
union conv_op {
	dnnl_convolution_desc_t conv;
	dnnl_inner_product_desc_t inner;
};

static dnnl_status_t forward_desc(struct dnn_conv *c, const struct conv_plan *p)
{
	const struct dnn_dims *d = &p->dims;
	dnnl_status_t status;
	union conv_op op;

	if (p->inner)
		status = dnnl_inner_product_forward_desc_init(&op.inner, dnnl_forward_training,
				&p->x, &p->any, NULL, &p->y);
	else
		status = dnnl_dilated_convolution_forward_desc_init(&op.conv,
				dnnl_forward_training, dnnl_convolution_direct, &p->x, &p->any,
				NULL, &p->y, d->stride, d->dilation, d->before, d->behind);
	if (status)
		return status;
	return dnnl_primitive_desc_create(&c->forward.desc, &op, NULL, c->d->engine, NULL);
}

static dnnl_status_t data_desc(struct dnn_conv *c, const struct conv_plan *p)
{
	const struct dnn_dims *d = &p->dims;
	dnnl_status_t status;
	union conv_op op;

	if (p->inner)
		status = dnnl_inner_product_backward_data_desc_init(&op.inner, &p->x, &p->any,
								    &p->y);
	else
		status = dnnl_dilated_convolution_backward_data_desc_init(&op.conv,
				dnnl_convolution_direct, &p->x, &p->any, &p->y, d->stride,
				d->dilation, d->before, d->behind);
	if (status)
		return status;
	return dnnl_primitive_desc_create(&c->data.desc, &op, NULL, c->d->engine,
					  c->forward.desc);
}

static dnnl_status_t weights_desc(struct dnn_conv *c, const struct conv_plan *p)
{
	const struct dnn_dims *d = &p->dims;
	dnnl_status_t status;
	union conv_op op;

	if (p->inner)
		status = dnnl_inner_product_backward_weights_desc_init(&op.inner, &p->x,
				&p->any_f32, NULL, &p->y);
	else
		status = dnnl_dilated_convolution_backward_weights_desc_init(&op.conv,
				dnnl_convolution_direct, &p->x, &p->any_f32, NULL, &p->y,
				d->stride, d->dilation, d->before, d->behind);
	if (status)
		return status;
	return dnnl_primitive_desc_create(&c->weights.desc, &op, NULL, c->d->engine,
					  c->forward.desc);
}

/* A reorder between the plain weights and a direction's; @out: from the direction's. */
static dnnl_status_t way_reorder(struct conv_way *w, const dnnl_memory_desc_t *plain, bool out,
				 dnnl_engine_t engine)
{
	const dnnl_memory_desc_t *inner = dnnl_primitive_desc_query_md(w->desc,
			out ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
	dnnl_primitive_desc_t desc;
	dnnl_status_t status;

	if (!inner)
		return dnnl_runtime_error;
	if (dnnl_memory_desc_equal(inner, plain))
		return dnnl_success;
	status = dnnl_memory_create(&w->inner, inner, engine, DNNL_MEMORY_ALLOCATE);
	if (status)
		return status;
	status = dnnl_reorder_primitive_desc_create(&desc, out ? inner : plain, engine,
						    out ? plain : inner, engine, NULL);
	if (status)
		return status;
	status = dnnl_primitive_create(&w->reorder, desc);
	dnn_free_desc(desc);
	return status;
}

static dnnl_status_t way_finish(struct conv_way *w, const dnnl_memory_desc_t *plain, bool out,
				dnnl_engine_t engine)
{
	dnnl_status_t status = dnnl_primitive_create(&w->run, w->desc);

	return status ? status : way_reorder(w, plain, out, engine);
}

static void way_free(struct conv_way *w)
{
	dnn_free_primitive(w->run);
	dnn_free_primitive(w->reorder);
	dnn_free_memory(w->inner);
	dnn_free_desc(w->desc);
}

/* @what: the part that fails, for the error. */
static dnnl_status_t conv_make(struct dnn_conv *c, const struct dnn_shape *s, enum dnn_type type,
			       bool data, const char **what)
{
	dnnl_engine_t engine = c->d->engine;
	struct conv_plan p;
	dnnl_status_t status;

	*what = "convolution";
	status = plan_make(s, type, &p);
	if (!status)
		status = dnnl_memory_create(&c->x, &p.x, engine, DNNL_MEMORY_NONE);
	if (!status)
		status = dnnl_memory_create(&c->y, &p.y, engine, DNNL_MEMORY_NONE);
	if (!status)
		status = dnnl_memory_create(&c->weight, &p.weight, engine, DNNL_MEMORY_NONE);
	if (!status)
		status = forward_desc(c, &p);
	if (!status)
		status = way_finish(&c->forward, &p.weight, false, engine);
	if (!status) {
		*what = "gradient by the weights of a convolution";
		status = weights_desc(c, &p);
	}
	if (!status)
		status = way_finish(&c->weights, &p.weight, true, engine);
	if (status || !data)
		return status;
	*what = "gradient by the input of a convolution";
	status = data_desc(c, &p);
	return status ? status : way_finish(&c->data, &p.weight, false, engine);
}

int dnn_conv_create(struct dnn *d, const struct dnn_shape *s, enum dnn_type type, bool data,
		    struct dnn_conv **c, struct net_error *err)
{
	struct dnn_conv *n = calloc(1, sizeof(*n));
	dnnl_status_t status;
	const char *what;

	if (!n)
		return net_nomem(err);
	n->d = d;
	status = conv_make(n, s, type, data, &what);
	if (status) {
		dnn_conv_destroy(n);
		return dnn_refuse(err, status, what, s, type);
	}
	*c = n;
	return 0;
}

void dnn_conv_destroy(struct dnn_conv *c)
{
	if (!c)
		return;
	way_free(&c->forward);
	way_free(&c->data);
	way_free(&c->weights);
	dnn_free_memory(c->x);
	dnn_free_memory(c->y);
	dnn_free_memory(c->weight);
	free(c);
}

static int conv_point(struct dnn_conv *c, const void *x, const void *y, const float *weight)
{
	int rc = dnn_point(c->d, c->x, x);

	if (!rc)
		rc = dnn_point(c->d, c->y, y);
	return rc ? rc : dnn_point(c->d, c->weight, weight);
}

/* The weights in a direction's layout: reordered, if that differs. */
static int weights_enter(struct dnn_conv *c, struct conv_way *w, dnnl_memory_t *used)
{
	dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, c->weight }, { DNNL_ARG_TO, w->inner } };

	*used = w->reorder ? w->inner : c->weight;
	return w->reorder ? dnn_run(c->d, w->reorder, 2, args, "a reorder of weights") : 0;
}

int dnn_conv_forward(struct dnn_conv *c, const void *x, const float *weight, void *y)
{
	dnnl_memory_t used;
	int rc = conv_point(c, x, y, weight);

	if (!rc)
		rc = weights_enter(c, &c->forward, &used);
	if (!rc) {
		dnnl_exec_arg_t args[] = { { DNNL_ARG_SRC, c->x }, { DNNL_ARG_WEIGHTS, used },
					   { DNNL_ARG_DST, c->y } };

		rc = dnn_run(c->d, c->forward.run, 3, args, "a convolution");
	}
	return rc;
}

int dnn_conv_backward_data(struct dnn_conv *c, const void *dy, const float *weight, void *dx)
{
	dnnl_memory_t used;
	int rc = conv_point(c, dx, dy, weight);

	if (!rc)
		rc = weights_enter(c, &c->data, &used);
	if (!rc) {
		dnnl_exec_arg_t args[] = { { DNNL_ARG_DIFF_DST, c->y }, { DNNL_ARG_WEIGHTS, used },
					   { DNNL_ARG_DIFF_SRC, c->x } };

		rc = dnn_run(c->d, c->data.run, 3, args, "a gradient by an input");
	}
	return rc;
}

int dnn_conv_backward_weights(struct dnn_conv *c, const void *x, const void *dy, float *dweight)
{
	struct conv_way *w = &c->weights;
	dnnl_exec_arg_t args[] = {
		{ DNNL_ARG_SRC, c->x },
		{ DNNL_ARG_DIFF_DST, c->y },
		{ DNNL_ARG_DIFF_WEIGHTS, w->reorder ? w->inner : c->weight },
	};
	dnnl_exec_arg_t out[] = { { DNNL_ARG_FROM, w->inner }, { DNNL_ARG_TO, c->weight } };
	int rc = conv_point(c, x, dy, dweight);

	if (!rc)
		rc = dnn_run(c->d, w->run, 3, args, "a gradient by weights");
	if (!rc && w->reorder)
		rc = dnn_run(c->d, w->reorder, 2, out, "a reorder of gradients");
	return rc;
}
