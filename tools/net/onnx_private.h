/* SPDX-License-Identifier: MIT */
/* What the files of the ONNX reader share. */
#ifndef NET_ONNX_PRIVATE_H
#define NET_ONNX_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onnx.pb-c.h"
#include "graph.h"
#include "onnx.h"

#define ONNX_MAX_RANK		8
#define ONNX_MAX_CONST		((size_t)1 << 28)	/* elements of one constant */
#define ONNX_MAX_EXTERNAL	((size_t)1 << 31)	/* bytes, as of the file itself */

/* Bytes of constants for each byte of the file: small integers and half floats grow when read. */
#define ONNX_ROOM_FACTOR	8

/* A constant: float or integer elements in row-major order. */
struct onnx_array {
	int rank;
	int64_t dims[ONNX_MAX_RANK];
	size_t count;
	bool is_int;
	float *f;
	int64_t *i;
};

enum onnx_value_kind {
	ONNX_UNDEFINED,	/* nothing has written it yet */
	ONNX_UNKNOWN,	/* output of a node that could not be imported */
	ONNX_ABSENT,	/* further output of a node, which is not computed */
	ONNX_CONST,
	ONNX_ACTIVATION,
};

/* A named value. An activation is a view with @dims of a C x H x W tensor. */
struct onnx_value {
	const char *name;
	enum onnx_value_kind kind;
	struct onnx_array array;
	uint32_t readers;	/* inputs of nodes that name it */
	uint32_t tensor;
	int rank;
	int64_t dims[ONNX_MAX_RANK];
	bool final;	/* after a Softmax: nothing may compute with it */
};

/* Why something can't be imported; @node is NULL where it is not about a node. */
struct onnx_refusal {
	const Onnx__NodeProto *node;
	char *text;
};

struct onnx_import {
	Onnx__GraphProto *graph;
	struct net *net;
	struct onnx_value *values;	/* all names of the graph, sorted */
	size_t value_count;
	int64_t opset;
	int folder;		/* of the file, for external data; -1: there is none */
	uint32_t crc;		/* of the file and the external data read so far */
	size_t const_bytes;	/* of all constants and of the layers' own arrays */
	size_t const_room;	/* at most, see onnx_reserve() */
	size_t external_bytes;	/* read from files beside */
	struct net_error *err;
	const Onnx__NodeProto *node;	/* the one being imported */
	struct onnx_refusal *refusals;
	size_t refusal_count, refusal_room;
	size_t refusal_max;	/* texts that are kept */
	bool no_memory;		/* for one of them */
};

/* What an importing function of an operator returns beside a negative errno. */
#define ONNX_OK		0
#define ONNX_REFUSED	1	/* noted by onnx_refuse(), go on with the next node */

/* onnx_values.c */
int onnx_values_create(struct onnx_import *im);
void onnx_values_destroy(struct onnx_import *im);
struct onnx_value *onnx_find(struct onnx_import *im, const char *name);
struct onnx_value *onnx_define(struct onnx_import *im, const char *name,
			       enum onnx_value_kind kind);
int onnx_refuse(struct onnx_import *im, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
const char *onnx_node_name(const Onnx__NodeProto *n);
void onnx_refusal_print(const struct onnx_refusal *r, char *buf, size_t len);

/* onnx_import.c */
struct onnx_file {
	Onnx__ModelProto *model;
	int folder;		/* open, or -1 */
	size_t len;
	uint32_t crc;
	int64_t opset;
};

int onnx_file_open(struct onnx_file *f, const char *path, struct net_error *err);
void onnx_file_close(struct onnx_file *f);
int onnx_import_start(struct onnx_import *im, const struct onnx_file *f, struct net_error *err);
int onnx_import_run(struct onnx_import *im);
void onnx_import_end(struct onnx_import *im);

/* onnx_ops.c: the operators and their versions. */
struct onnx_op {
	const char *name;
	/* A node whose inputs are all constants; NULL: not evaluated. */
	int (*fold)(struct onnx_import *im, struct onnx_array *out);
	/* A node that computes with activations; NULL: on constants only. */
	int (*layer)(struct onnx_import *im);
	uint8_t versions[14];	/* operator sets that changed it, ascending */
	uint8_t first;		/* the oldest of them that is understood */
	const char *attributes;	/* "name:type ...", the type as in onnx_ops.c */
	const char *meaning;
};

const struct onnx_op *onnx_op_find(const Onnx__NodeProto *n);
int onnx_op_since(const struct onnx_op *op, int64_t opset);
int onnx_op_check(struct onnx_import *im, const struct onnx_op *op);

/* onnx_array.c */
int onnx_reserve(struct onnx_import *im, size_t bytes);
int onnx_array_alloc(struct onnx_import *im, struct onnx_array *a, bool is_int, int rank,
		     const int64_t *dims);
void onnx_array_free(struct onnx_array *a);
int onnx_array_from_proto(struct onnx_import *im, Onnx__TensorProto *t, struct onnx_array *a);
double onnx_array_get(const struct onnx_array *a, size_t i);

/* onnx_external.c: @bytes of the file that tensor @t names, which is checked to hold them. */
int onnx_external_open(struct onnx_import *im, const Onnx__TensorProto *t, size_t bytes, int *fd,
		       uint64_t *offset);
int onnx_external_read(struct onnx_import *im, const Onnx__TensorProto *t, int fd,
		       uint64_t offset, void *data, size_t bytes);

/* Attributes and inputs of im->node (onnx_attr.c). */
const Onnx__AttributeProto *onnx_attr(const struct onnx_import *im, const char *name);
int64_t onnx_attr_int(const struct onnx_import *im, const char *name, int64_t preset);
float onnx_attr_float(const struct onnx_import *im, const char *name, float preset);
bool onnx_attr_is(const Onnx__AttributeProto *a, const char *text);
int onnx_attr_ints(struct onnx_import *im, const char *name, size_t count, int64_t *v,
		   int64_t preset, int64_t min, int64_t max);
struct onnx_value *onnx_input(struct onnx_import *im, size_t i);
const struct onnx_array *onnx_const_input(struct onnx_import *im, size_t i);
int onnx_axes(struct onnx_import *im, int rank, unsigned int *mask, size_t *count);
int onnx_reshape_dims(struct onnx_import *im, const int64_t *from, int from_rank, size_t count,
		      int *rank, int64_t *dims);

/* onnx_emit.c: activations, layers and their arrays. */
struct onnx_value *onnx_activation(struct onnx_import *im, size_t i);
struct onnx_value *onnx_picture(struct onnx_import *im, size_t i);
int onnx_define_view(struct onnx_import *im, uint32_t tensor, int rank, const int64_t *dims);
int onnx_emit_as(struct onnx_import *im, struct net_layer *l, uint64_t c, uint64_t h, uint64_t w,
		 int rank, const int64_t *dims);
int onnx_emit_like(struct onnx_import *im, struct net_layer *l, const struct onnx_value *v);
int onnx_emit_hidden(struct onnx_import *im, struct net_layer *l, uint64_t c, uint64_t h,
		     uint64_t w);
int onnx_affine_init(struct onnx_import *im, struct net_layer *l, uint32_t tensor);
int onnx_weights_init(struct onnx_import *im, struct net_layer *l, struct onnx_value *w,
		      const struct onnx_array *b, size_t outputs);
int onnx_weights_alloc(struct onnx_import *im, struct net_layer *l, size_t weights,
		       size_t outputs);

/* onnx_fold.c and onnx_fold_arith.c */
int onnx_result_alloc(struct onnx_import *im, struct onnx_array *out, bool is_int, int rank,
		      const int64_t *dims);
int onnx_reshaped(struct onnx_import *im, const struct onnx_array *a, struct onnx_array *out,
		  int rank, const int64_t *dims);
void onnx_copy_strided(struct onnx_array *out, const struct onnx_array *a, int64_t offset,
		       const int64_t *step);
void onnx_strides(const struct onnx_array *a, size_t *strides);
int onnx_fold_constant(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_constant_of_shape(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_cast(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_transpose(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_squeeze(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_unsqueeze(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_reshape(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_flatten(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_concat(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_gather(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_slice(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_expand(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_shape(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_binary(struct onnx_import *im, struct onnx_array *out);
int onnx_fold_unary(struct onnx_import *im, struct onnx_array *out);

/* onnx_window.c */
int onnx_op_conv(struct onnx_import *im);
int onnx_op_pool(struct onnx_import *im);
int onnx_op_global_pool(struct onnx_import *im);
int onnx_op_reduce_mean(struct onnx_import *im);
int onnx_op_pad(struct onnx_import *im);

/* onnx_arith.c */
int onnx_op_batch_norm(struct onnx_import *im);
int onnx_op_clamp(struct onnx_import *im);
int onnx_op_arithmetic(struct onnx_import *im);
int onnx_op_neg(struct onnx_import *im);
int onnx_op_sum(struct onnx_import *im);
int onnx_op_concat(struct onnx_import *im);
int onnx_op_gemm(struct onnx_import *im);

/* onnx_view.c */
int onnx_op_same(struct onnx_import *im);
int onnx_op_flatten(struct onnx_import *im);
int onnx_op_reshape(struct onnx_import *im);
int onnx_op_axes(struct onnx_import *im);
int onnx_op_transpose(struct onnx_import *im);
int onnx_op_softmax(struct onnx_import *im);
int onnx_op_cast(struct onnx_import *im);

#endif
