// SPDX-License-Identifier: MIT
/* oneDNN's engine and stream, shapes in its terms, its errors in ours. */
#include <dnnl_debug.h>
#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "dnn_internal.h"

int dnn_open(unsigned int threads, struct dnn **d, struct net_error *err)
{
	dnnl_status_t status;
	struct dnn *n = calloc(1, sizeof(*n));

	if (!n)
		return net_nomem(err);
	omp_set_dynamic(0);
	omp_set_num_threads((int)threads);
	/* The environment may ask for less precise single precision. */
	status = dnnl_set_default_fpmath_mode(dnnl_fpmath_mode_strict);
	if (!status)
		status = dnnl_engine_create(&n->engine, dnnl_cpu, 0);
	if (!status)
		status = dnnl_stream_create(&n->stream, n->engine, dnnl_stream_default_flags);
	if (status) {
		dnn_close(n);
		if (status == dnnl_out_of_memory)
			return net_nomem(err);
		return net_fail(err, "oneDNN does not start: %s", dnnl_status2str(status));
	}
	*d = n;
	return 0;
}

void dnn_close(struct dnn *d)
{
	if (!d)
		return;
	if (d->stream)
		dnnl_stream_destroy(d->stream);
	if (d->engine)
		dnnl_engine_destroy(d->engine);
	free(d);
}

const char *dnn_error(const struct dnn *d)
{
	return d->error;
}

static bool has_isa(dnnl_cpu_isa_t isa)
{
	return (dnnl_get_effective_cpu_isa() & isa) == isa;
}

const char *dnn_isa(void)
{
	static const struct {
		dnnl_cpu_isa_t isa;
		const char *name;
	} sets[] = {
		{ dnnl_cpu_isa_avx512_core_amx, "AVX-512 + BF16 + AMX" },
		{ dnnl_cpu_isa_avx512_core_bf16, "AVX-512 + BF16" },
		{ dnnl_cpu_isa_avx512_core_vnni, "AVX-512 + VNNI" },
		{ dnnl_cpu_isa_avx512_core, "AVX-512" },
		{ dnnl_cpu_isa_avx2_vnni, "AVX2 + VNNI" },
		{ dnnl_cpu_isa_avx2, "AVX2" },
		{ dnnl_cpu_isa_avx, "AVX" },
		{ dnnl_cpu_isa_sse41, "SSE4.1" },
	};
	size_t i;

	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (has_isa(sets[i].isa))
			return sets[i].name;
	return "none";
}

const char *dnn_version(void)
{
	static char text[40];
	const dnnl_version_t *v = dnnl_version();

	snprintf(text, sizeof(text), "%d.%d.%d", v->major, v->minor, v->patch);
	return text;
}

bool dnn_has_amx(void)
{
	return has_isa(dnnl_cpu_isa_avx512_core_amx);
}

bool dnn_has_bf16(void)
{
	return has_isa(dnnl_cpu_isa_avx512_core_bf16);
}

void dnn_shape_of(const struct net *net, const struct net_layer *l, uint32_t batch,
		  struct dnn_shape *s)
{
	const struct net_tensor *in = &net->tensors[l->in[0]], *out = &net->tensors[l->out];

	*s = (struct dnn_shape){
		.batch = batch,
		.in_c = in->c, .in_h = in->h, .in_w = in->w,
		.out_c = out->c, .out_h = out->h, .out_w = out->w,
		.kernel_h = l->kernel_h, .kernel_w = l->kernel_w,
		.stride_h = l->stride_h, .stride_w = l->stride_w,
		.dilation_h = l->dilation_h, .dilation_w = l->dilation_w,
		.pad_top = l->pad_top, .pad_left = l->pad_left,
		.pad_bottom = l->pad_bottom, .pad_right = l->pad_right,
		.groups = l->groups,
	};
}

/* A pool whose output was rounded up reads further than its padding. */
static dnnl_dim_t pad_behind(dnnl_dim_t in, dnnl_dim_t out, dnnl_dim_t kernel, dnnl_dim_t stride,
			     dnnl_dim_t dilation, dnnl_dim_t before, dnnl_dim_t behind)
{
	dnnl_dim_t need = (out - 1) * stride + (kernel - 1) * dilation + 1 - in - before;

	return need > behind ? need : behind;
}

void dnn_dims_of(const struct dnn_shape *s, struct dnn_dims *d)
{
	dnnl_dim_t weight[5] = { s->groups, s->out_c / s->groups, s->in_c / s->groups, s->kernel_h,
				 s->kernel_w };
	int skip = s->groups > 1 ? 0 : 1, i;

	*d = (struct dnn_dims){
		.x = { s->batch, s->in_c, s->in_h, s->in_w },
		.y = { s->batch, s->out_c, s->out_h, s->out_w },
		.weight_dims = 5 - skip,
		.kernel = { s->kernel_h, s->kernel_w },
		.stride = { s->stride_h, s->stride_w },
		.dilation = { s->dilation_h - 1, s->dilation_w - 1 },
		.before = { s->pad_top, s->pad_left },
		.behind = {
			pad_behind(s->in_h, s->out_h, s->kernel_h, s->stride_h, s->dilation_h,
				   s->pad_top, s->pad_bottom),
			pad_behind(s->in_w, s->out_w, s->kernel_w, s->stride_w, s->dilation_w,
				   s->pad_left, s->pad_right),
		},
	};
	for (i = 0; i < d->weight_dims; i++)
		d->weight[i] = weight[i + skip];
}

dnnl_data_type_t dnn_data_type(enum dnn_type type)
{
	return type == DNN_BF16 ? dnnl_bf16 : dnnl_f32;
}

dnnl_status_t dnn_activation(dnnl_memory_desc_t *md, const dnnl_dims_t dims, enum dnn_type type)
{
	return dnnl_memory_desc_init_by_tag(md, 4, dims, dnn_data_type(type), dnnl_nhwc);
}

int dnn_refuse(struct net_error *err, dnnl_status_t status, const char *what,
	       const struct dnn_shape *s, enum dnn_type type)
{
	if (status == dnnl_out_of_memory)
		return net_nomem(err);
	return net_fail(err, "oneDNN %s has no %s of %u x %u x %u x %u to %u x %u x %u (kernel "
			"%u x %u, stride %u x %u, dilation %u x %u, groups %u, %s): %s",
			dnn_version(), what, s->batch, s->in_c, s->in_h, s->in_w, s->out_c,
			s->out_h, s->out_w, s->kernel_h, s->kernel_w, s->stride_h, s->stride_w,
			s->dilation_h, s->dilation_w, s->groups,
			type == DNN_BF16 ? "bfloat16" : "single precision",
			dnnl_status2str(status));
}

static int run_error(struct dnn *d, const char *what, dnnl_status_t status)
{
	snprintf(d->error, sizeof(d->error), "oneDNN failed at %s: %s", what,
		 dnnl_status2str(status));
	return -EIO;
}

int dnn_run(struct dnn *d, dnnl_primitive_t p, int count, const dnnl_exec_arg_t *args,
	    const char *what)
{
	dnnl_status_t status = dnnl_primitive_execute(p, d->stream, count, args);

	if (!status)
		status = dnnl_stream_wait(d->stream);
	return status ? run_error(d, what, status) : 0;
}

int dnn_point(struct dnn *d, dnnl_memory_t m, const void *data)
{
	/* oneDNN writes only to what is an output; it has one type for both. */
	dnnl_status_t status = dnnl_memory_set_data_handle(m, (void *)data);

	return status ? run_error(d, "setting an address", status) : 0;
}

void dnn_free_primitive(dnnl_primitive_t p)
{
	if (p)
		dnnl_primitive_destroy(p);
}

void dnn_free_desc(dnnl_primitive_desc_t p)
{
	if (p)
		dnnl_primitive_desc_destroy(p);
}

void dnn_free_memory(dnnl_memory_t m)
{
	if (m)
		dnnl_memory_destroy(m);
}
