/* SPDX-License-Identifier: MIT */
/*
 * The compressed network as a standard ONNX file, in real values: what the files of the
 * export share. Every function does nothing once one has failed; e->rc tells.
 */
#ifndef EXPORT_ONNX_H
#define EXPORT_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fqz.h"
#include "onnx.pb-c.h"

struct export {
	const struct fqz_image *img;
	Onnx__ModelProto model;
	Onnx__GraphProto graph;
	uint32_t layer;			/* the one being exported; FQZ_NO_LAYER: none */
	Onnx__NodeProto *node;		/* the last one */
	double deviation;		/* of the network's output: export_layer() */
	void **blocks;			/* everything that goes with the export */
	size_t block_count, block_room, node_room, initializer_room, value_room, meta_room;
	size_t bytes;			/* of all initializers */
	int rc;
	char *err;
	size_t errlen;
};

/* export_build.c: the pieces of an ONNX file. */

/** export_fail() - the first failure stays; names the layer, if there is one. */
void export_fail(struct export *e, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** export_alloc() - zeroed memory that goes with the export, or NULL. */
void *export_alloc(struct export *e, size_t size);

/** export_free() - free all of it. */
void export_free(struct export *e);

/** export_text() - a name; NULL once something failed. */
char *export_text(struct export *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** export_node() - a node of one output; the inputs' names end with NULL. Returns @output. */
char *export_node(struct export *e, const char *op, char *output, ...);

/** export_int() / export_ints() - an attribute of the last node. */
void export_int(struct export *e, const char *name, int64_t v);
void export_ints(struct export *e, const char *name, size_t count, const int64_t *v);

/** export_floats() - a constant; @data gets its @dims[0] * ... elements, to be filled, or NULL. */
char *export_floats(struct export *e, char *name, size_t rank, const int64_t *dims, float **data);

/** export_scalar() - a constant of rank 0. */
char *export_scalar(struct export *e, char *name, double v);

/** export_zero() - the zero point, of the 8-bit type. */
char *export_zero(struct export *e, char *name, bool is_unsigned);

/** export_real() - @v in single precision; it must fit. */
float export_real(struct export *e, double v);

/** export_value() - a value's type and shape [N, C, H, W], or [N, C] without @rank4. */
Onnx__ValueInfoProto *export_value(struct export *e, char *name, int32_t type,
				   const struct fqz_tensor *t, bool rank4);

/** export_declare() - add a value to the graph's. */
void export_declare(struct export *e, Onnx__ValueInfoProto *value);

/** export_meta() - a pair of metadata_props. */
void export_meta(struct export *e, const char *key, char *value);

/* export_layers.c: a layer's nodes. */

/** export_tensor_name() - of a tensor's real values. */
char *export_tensor_name(struct export *e, uint32_t tensor);

/** export_dequantize() - real values of a tensor's 8-bit integers, both under their names. */
void export_dequantize(struct export *e, uint32_t tensor, char *quantized);

/**
 * export_layer() - all nodes of a layer
 *
 * e->deviation becomes how far, in real values, its output can be from the card's when every 8-bit
 * value that it sums is at most a step away: see export_onnx().
 */
void export_layer(struct export *e, uint32_t index);

#endif
