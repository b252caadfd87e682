/* SPDX-License-Identifier: MIT */
/*
 * Reading ONNX files (opset 7 and later, inference networks of one picture
 * input in NCHW order and one output).
 *
 * Files may be hostile: nesting, lengths, counts and shapes are bounded before
 * anything is allocated from them.
 */
#ifndef NET_ONNX_H
#define NET_ONNX_H

#include <stddef.h>
#include <stdint.h>

#include "graph.h"

/**
 * onnx_import_file() - read a network
 * @path: file
 * @net:  gets the simplified network (net_simplify() was done), the caller
 *        destroys it
 * @crc:  gets the CRC32C of the file; may be NULL
 * @err:  why not; nodes that are not supported are all listed, one in a line
 *
 * Return: 0 or a negative errno. Safe from any thread.
 */
int onnx_import_file(const char *path, struct net **net, uint32_t *crc, struct net_error *err);

/** onnx_import_memory() - the same, from bytes. */
int onnx_import_memory(const void *data, size_t len, struct net **net, struct net_error *err);

/**
 * onnx_scan() - check nesting, lengths and counts of an ONNX file's encoding
 *
 * protobuf-c unpacks recursively and allocates as the file says; only what
 * passed here may be given to it.
 */
int onnx_scan(const void *data, size_t len, struct net_error *err);

#endif
