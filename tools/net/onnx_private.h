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
#define ONNX_MAX_CONST_BYTES	((size_t)1 << 32)	/* of all constants, and layers' weights */

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
	ONNX_UNKNOWN,	/* output of a node that could not be imported */
	ONNX_CONST,
	ONNX_ACTIVATION,
};

/* A named value. An activation is a view with @dims of a C x H x W tensor. */
struct onnx_value {
	const char *name;
	enum onnx_value_kind kind;
	struct onnx_array array;
	uint32_t tensor;
	int rank;
	int64_t dims[ONNX_MAX_RANK];
	bool final;	/* after a Softmax: nothing may compute with it */
};

struct onnx_import {
	Onnx__GraphProto *graph;
	struct net *net;
	struct onnx_value *values;
	size_t value_count, value_room;
	uint32_t *hash;		/* value number + 1, 0: free */
	size_t hash_size;
	int64_t opset;
	size_t const_bytes;
	struct net_error *err;
	const Onnx__NodeProto *node;	/* the one being imported */
	size_t complaints;
};

/* Where an importing function of an operator stands. */
#define ONNX_OK		0
#define ONNX_REFUSED	1	/* noted by onnx_refuse(), go on with the next node */

/* onnx_import.c */
struct onnx_value *onnx_find(struct onnx_import *im, const char *name);
struct onnx_value *onnx_define(struct onnx_import *im, const char *name);
int onnx_refuse(struct onnx_import *im, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
const char *onnx_node_name(const Onnx__NodeProto *n);

/* onnx_array.c */
int onnx_array_alloc(struct onnx_import *im, struct onnx_array *a, bool is_int, int rank,
		     const int64_t *dims);
void onnx_array_free(struct onnx_array *a);
int onnx_array_from_proto(struct onnx_import *im, const Onnx__TensorProto *t,
			  struct onnx_array *a);
double onnx_array_get(const struct onnx_array *a, size_t i);

/* Attributes and inputs of im->node (onnx_array.c). */
const Onnx__AttributeProto *onnx_attr(const struct onnx_import *im, const char *name);
int64_t onnx_attr_int(const struct onnx_import *im, const char *name, int64_t preset);
float onnx_attr_float(const struct onnx_import *im, const char *name, float preset);
int onnx_attr_ints(struct onnx_import *im, const char *name, size_t count, int64_t *v,
		   int64_t preset, int64_t min, int64_t max);
struct onnx_value *onnx_input(struct onnx_import *im, size_t i);
const struct onnx_array *onnx_const_input(struct onnx_import *im, size_t i);

/* onnx_fold.c: evaluates a node whose inputs are all constants. */
bool onnx_can_fold(const char *op);
int onnx_fold(struct onnx_import *im);

/* onnx_layers.c: nodes that compute with activations. */
bool onnx_can_layer(const char *op);
int onnx_layer(struct onnx_import *im);

#endif
