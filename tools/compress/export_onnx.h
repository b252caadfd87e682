/* SPDX-License-Identifier: MIT */
/* The compressed network as a standard ONNX file, in real values: what the files of the export share. */
#ifndef EXPORT_ONNX_H
#define EXPORT_ONNX_H

#include "fqz.h"
#include "net/onnx_pieces.h"

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
