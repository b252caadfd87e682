/* SPDX-License-Identifier: MIT */
/* What the files around oneDNN share. */
#ifndef TRAIN_DNN_INTERNAL_H
#define TRAIN_DNN_INTERNAL_H

#include <dnnl.h>

#include "dnn.h"

struct dnn {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	char error[256];
};

/** struct dnn_dims - a shape in oneDNN's terms. */
struct dnn_dims {
	dnnl_dims_t x, y;		/* batch, channels, height, width */
	dnnl_dims_t weight;		/* with groups in front where there are any */
	int weight_dims;
	dnnl_dims_t kernel, stride, dilation, before, behind;
};

/** dnn_dims_of() - dilations count the gaps, as oneDNN does; paddings behind as the output needs. */
void dnn_dims_of(const struct dnn_shape *s, struct dnn_dims *d);

/** dnn_data_type() - oneDNN's name of a type. */
dnnl_data_type_t dnn_data_type(enum dnn_type type);

/** dnn_activation() - the description of an N x H x W x C tensor. */
dnnl_status_t dnn_activation(dnnl_memory_desc_t *md, const dnnl_dims_t dims, enum dnn_type type);

/** dnn_refuse() - what creating returns: -ENOMEM, or -EINVAL and the shape in @err. */
int dnn_refuse(struct net_error *err, dnnl_status_t status, const char *what,
	       const struct dnn_shape *s, enum dnn_type type);

/**
 * dnn_run() - execute and wait
 * @what: for dnn_error()
 * Return: 0 or -EIO.
 */
int dnn_run(struct dnn *d, dnnl_primitive_t p, int count, const dnnl_exec_arg_t *args,
	    const char *what);

/** dnn_point() - let @m stand for the bytes at @data. Return: 0 or -EIO. */
int dnn_point(struct dnn *d, dnnl_memory_t m, const void *data);

/* They free nothing where there is nothing. */
void dnn_free_primitive(dnnl_primitive_t p);
void dnn_free_desc(dnnl_primitive_desc_t p);
void dnn_free_memory(dnnl_memory_t m);

#endif
