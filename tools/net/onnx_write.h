/* SPDX-License-Identifier: MIT */
/* Writing a float network as an ONNX file that any runtime runs, and onnx_import_memory() reads. */
#ifndef NET_ONNX_WRITE_H
#define NET_ONNX_WRITE_H

#include "graph.h"

/**
 * onnx_write() - the bytes of an ONNX file, operator set 13
 * @net:      simplified or not; layers in an order in which they can run
 * @name:     of the graph; UTF-8
 * @producer: the program
 * @data:     malloc()ed, as @size bytes
 *
 * The graph's input is "picture", [N, C, H, W] in the unit of the network's input tensor. The output is
 * [N, C] where it has one row and column, else [N, C, H, W]. A layer's node has its name where no layer
 * before has the same; a fully connected layer that only such layers read is a Gemm, another one
 * a Conv.
 *
 * Return: 0 or a negative errno with @err: -EINVAL where a parameter is not finite, -EFBIG above 2 GiB,
 * -ENOMEM.
 */
int onnx_write(const struct net *net, const char *name, const char *producer, void **data,
	       size_t *size, struct net_error *err);

#endif
