/* SPDX-License-Identifier: MIT */
/*
 * The pieces of an ONNX file: what the export of images and that of float networks share. Every function
 * does nothing once one has failed; e->rc tells.
 */
#ifndef NET_ONNX_PIECES_H
#define NET_ONNX_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onnx.pb-c.h"

#define EXPORT_IR_VERSION	7	/* that of ONNX 1.8, which brought opset 13 */
#define EXPORT_OPSET		13
#define EXPORT_MAX_INPUTS	64	/* of a node */
#define EXPORT_NO_LAYER		UINT32_MAX

struct fqz_image;

struct export {
	const struct fqz_image *img;	/* exports of images */
	Onnx__ModelProto model;
	Onnx__GraphProto graph;
	uint32_t layer;			/* the one being exported; EXPORT_NO_LAYER: none */
	const char *layer_name, *layer_kind;	/* its; layer_name may be NULL */
	Onnx__NodeProto *node;		/* the last one */
	double deviation;		/* exports of images, of the network's output: export_layer() */
	void **blocks;			/* everything that goes with the export */
	size_t block_count, block_room, node_room, initializer_room, value_room, meta_room;
	size_t bytes;			/* of all initializers */
	int rc;
	char *err;
	size_t errlen;
};

/**
 * export_begin() - a model without content
 * @err: gets the first failure's text
 */
void export_begin(struct export *e, const char *producer, const char *doc, char *err,
		  size_t errlen);

/** export_pack() - the file's bytes, malloc()ed. */
void export_pack(struct export *e, void **data, size_t *len);

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

/** export_integers() - a constant list of 64-bit integers. */
char *export_integers(struct export *e, char *name, size_t count, const int64_t *v);

/** export_scalar() - a constant of rank 0. */
char *export_scalar(struct export *e, char *name, double v);

/** export_zero() - the zero point, of the 8-bit type. */
char *export_zero(struct export *e, char *name, bool is_unsigned);

/** export_real() - @v in single precision; it must fit. */
float export_real(struct export *e, double v);

/** export_value() - a value's type and shape [N, @c, @h, @w], or [N, @c] where @h is 0. */
Onnx__ValueInfoProto *export_value(struct export *e, char *name, int32_t type, uint32_t c,
				   uint32_t h, uint32_t w);

/** export_input() / export_output() - the graph's only one. */
void export_input(struct export *e, Onnx__ValueInfoProto *value);
void export_output(struct export *e, Onnx__ValueInfoProto *value);

/** export_declare() - add a value to the graph's. */
void export_declare(struct export *e, Onnx__ValueInfoProto *value);

/** export_meta() - a pair of metadata_props. */
void export_meta(struct export *e, const char *key, char *value);

#endif
