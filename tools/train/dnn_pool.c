// SPDX-License-Identifier: MIT
/* Pools. */
#include <stdlib.h>

#include "bf16.h"
#include "dnn_internal.h"

struct dnn_pool {
	struct dnn *d;
	struct dnn_shape s;
	enum dnn_type type;
	dnnl_primitive_desc_t desc, back_desc;
	dnnl_primitive_t run, back;
	dnnl_memory_t x, y;
	dnnl_memory_t where;	/* of the maxima; NULL: an average */
	/* Where oneDNN's divisor is not the network's: by output position what to multiply with. */
	float *factor;
	void *scaled;		/* dy times factor */
};

static size_t pool_outputs(const struct dnn_shape *s)
{
	return (size_t)s->batch * s->out_h * s->out_w * s->out_c;
}

/* Length of a window that ends where the padding does, FORMAT.md section 4.1, Pool_Rule 1. */
static uint32_t window_clipped(uint32_t at, uint32_t stride, uint32_t kernel, uint32_t size,
			       uint32_t before, uint32_t behind)
{
	int64_t from = (int64_t)at * stride - before, to = from + kernel;

	if (to > (int64_t)size + behind)
		to = (int64_t)size + behind;
	return (uint32_t)(to - from);
}

/*
 * oneDNN divides by the kernel's area, however far the window reaches; the network by a number of its
 * own or by the part of the window within the padding.
 */
static int factors_make(struct dnn_pool *p, uint32_t divisor)
{
	const struct dnn_shape *s = &p->s;
	uint32_t area = s->kernel_h * s->kernel_w, i, j, d;
	bool differ = false;

	p->factor = malloc(sizeof(float) * s->out_h * s->out_w);
	p->scaled = malloc(pool_outputs(s) * dnn_type_bytes(p->type));
	if (!p->factor || !p->scaled)
		return -1;
	for (i = 0; i < s->out_h; i++)
		for (j = 0; j < s->out_w; j++) {
			d = divisor ? divisor :
			    window_clipped(i, s->stride_h, s->kernel_h, s->in_h, s->pad_top,
					   s->pad_bottom) *
			    window_clipped(j, s->stride_w, s->kernel_w, s->in_w, s->pad_left,
					   s->pad_right);
			p->factor[(size_t)i * s->out_w + j] = (float)area / (float)d;
			differ |= d != area;
		}
	if (!differ) {
		free(p->factor);
		free(p->scaled);
		p->factor = NULL;
		p->scaled = NULL;
	}
	return 0;
}

static dnnl_status_t pool_make(struct dnn_pool *p, dnnl_alg_kind_t kind)
{
	dnnl_engine_t engine = p->d->engine;
	dnnl_memory_desc_t x, y;
	dnnl_pooling_v2_desc_t op;
	dnnl_status_t status;
	struct dnn_dims d;

	dnn_dims_of(&p->s, &d);
	status = dnn_activation(&x, d.x, p->type);
	if (!status)
		status = dnn_activation(&y, d.y, p->type);
	if (!status)
		status = dnnl_memory_create(&p->x, &x, engine, DNNL_MEMORY_NONE);
	if (!status)
		status = dnnl_memory_create(&p->y, &y, engine, DNNL_MEMORY_NONE);
	if (!status)
		status = dnnl_pooling_v2_forward_desc_init(&op, dnnl_forward_training, kind, &x,
				&y, d.stride, d.kernel, d.dilation, d.before, d.behind);
	if (!status)
		status = dnnl_primitive_desc_create(&p->desc, &op, NULL, engine, NULL);
	if (!status)
		status = dnnl_primitive_create(&p->run, p->desc);
	if (!status)
		status = dnnl_pooling_v2_backward_desc_init(&op, kind, &x, &y, d.stride, d.kernel,
							    d.dilation, d.before, d.behind);
	if (!status)
		status = dnnl_primitive_desc_create(&p->back_desc, &op, NULL, engine, p->desc);
	if (!status)
		status = dnnl_primitive_create(&p->back, p->back_desc);
	return status;
}

static dnnl_status_t pool_remember(struct dnn_pool *p)
{
	const dnnl_memory_desc_t *where;

	where = dnnl_primitive_desc_query_md(p->desc, dnnl_query_workspace_md, 0);
	if (!where)
		return dnnl_runtime_error;
	return dnnl_memory_create(&p->where, where, p->d->engine, DNNL_MEMORY_ALLOCATE);
}

int dnn_pool_create(struct dnn *d, const struct dnn_shape *s, enum dnn_type type,
		    enum net_kind kind, bool count_padding, uint32_t divisor,
		    struct dnn_pool **p, struct net_error *err)
{
	struct dnn_pool *n = calloc(1, sizeof(*n));
	bool whole = count_padding || divisor;
	dnnl_status_t status;

	if (!n)
		return net_nomem(err);
	n->d = d;
	n->s = *s;
	n->s.groups = 1;
	n->type = type;
	if (kind == NET_AVGPOOL && whole && factors_make(n, divisor)) {
		dnn_pool_destroy(n);
		return net_nomem(err);
	}
	status = pool_make(n, kind == NET_MAXPOOL ? dnnl_pooling_max :
			   whole ? dnnl_pooling_avg_include_padding :
			   dnnl_pooling_avg_exclude_padding);
	if (!status && kind == NET_MAXPOOL)
		status = pool_remember(n);
	if (status) {
		dnn_pool_destroy(n);
		return dnn_refuse(err, status, "pool", s, type);
	}
	*p = n;
	return 0;
}

void dnn_pool_destroy(struct dnn_pool *p)
{
	if (!p)
		return;
	dnn_free_primitive(p->run);
	dnn_free_primitive(p->back);
	dnn_free_memory(p->x);
	dnn_free_memory(p->y);
	dnn_free_memory(p->where);
	dnn_free_desc(p->back_desc);
	dnn_free_desc(p->desc);
	free(p->factor);
	free(p->scaled);
	free(p);
}

/* to = from times the factors, maybe in place. */
static void pool_scale(const struct dnn_pool *p, const void *from, void *to)
{
	size_t positions = (size_t)p->s.out_h * p->s.out_w, c = p->s.out_c;
	size_t rows = p->s.batch * positions, r, i;
	const uint16_t *half_from = from;
	const float *whole_from = from;
	uint16_t *half_to = to;
	float *whole_to = to;

	for (r = 0; r < rows; r++) {
		float factor = p->factor[r % positions];

		if (p->type == DNN_BF16)
			for (i = r * c; i < (r + 1) * c; i++)
				half_to[i] = bf16_store(bf16_load(half_from[i]) * factor);
		else
			for (i = r * c; i < (r + 1) * c; i++)
				whole_to[i] = whole_from[i] * factor;
	}
}

int dnn_pool_forward(struct dnn_pool *p, const void *x, void *y)
{
	dnnl_exec_arg_t args[] = { { DNNL_ARG_SRC, p->x }, { DNNL_ARG_DST, p->y },
				   { DNNL_ARG_WORKSPACE, p->where } };
	int rc = dnn_point(p->d, p->x, x);

	if (!rc)
		rc = dnn_point(p->d, p->y, y);
	if (!rc)
		rc = dnn_run(p->d, p->run, p->where ? 3 : 2, args, "a pool");
	if (!rc && p->factor)
		pool_scale(p, y, y);
	return rc;
}

int dnn_pool_backward(struct dnn_pool *p, const void *dy, void *dx)
{
	dnnl_exec_arg_t args[] = { { DNNL_ARG_DIFF_DST, p->y }, { DNNL_ARG_DIFF_SRC, p->x },
				   { DNNL_ARG_WORKSPACE, p->where } };
	int rc;

	if (p->factor) {
		pool_scale(p, dy, p->scaled);
		dy = p->scaled;
	}
	rc = dnn_point(p->d, p->y, dy);
	if (!rc)
		rc = dnn_point(p->d, p->x, dx);
	return rc ? rc : dnn_run(p->d, p->back, p->where ? 3 : 2, args, "a gradient of a pool");
}
