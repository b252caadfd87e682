/* SPDX-License-Identifier: MIT */
/* Builds small ONNX files for tests. Out of memory ends the program. */
#ifndef ONNX_BUILD_H
#define ONNX_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "onnx.pb-c.h"

struct onnx_build;

/** onnx_build_new() - a graph with the input "x" of [batch, c, h, w]; batch 0: a free one. */
struct onnx_build *onnx_build_new(int64_t batch, int64_t c, int64_t h, int64_t w);

/** onnx_build_floats() - a constant; dims ends with -1. */
void onnx_build_floats(struct onnx_build *b, const char *name, const float *v, ...);

/** onnx_build_ints() - a list of integers as a constant. */
void onnx_build_ints(struct onnx_build *b, const char *name, size_t n, const int64_t *v);

/** onnx_build_node() - a node; the inputs' names end with NULL, "" leaves one out. */
Onnx__NodeProto *onnx_build_node(struct onnx_build *b, const char *op, const char *output, ...);

/** onnx_attr_*_set() - give the node an attribute. */
void onnx_attr_int_set(struct onnx_build *b, Onnx__NodeProto *n, const char *name, int64_t v);
void onnx_attr_float_set(struct onnx_build *b, Onnx__NodeProto *n, const char *name, float v);
void onnx_attr_string_set(struct onnx_build *b, Onnx__NodeProto *n, const char *name,
			  const char *v);
void onnx_attr_ints_set(struct onnx_build *b, Onnx__NodeProto *n, const char *name, size_t count,
			const int64_t *v);

/** onnx_build_graph() / onnx_build_model() - for tests that change what is inside. */
Onnx__GraphProto *onnx_build_graph(struct onnx_build *b);
Onnx__ModelProto *onnx_build_model(struct onnx_build *b);

/** onnx_build_pack() - the file, @output being the graph's output; lives as long as @b. */
const uint8_t *onnx_build_pack(struct onnx_build *b, const char *output, size_t *len);

/** onnx_build_alloc() - zeroed memory that goes with @b. */
void *onnx_build_alloc(struct onnx_build *b, size_t size);

void onnx_build_free(struct onnx_build *b);

#endif
