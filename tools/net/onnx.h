/* SPDX-License-Identifier: MIT */
/*
 * Reading ONNX files (operator sets 1 to 25, inference networks of one picture
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
 * @path: file; external data is read from regular files in its folder or below
 * @net:  gets the simplified network (net_simplify() was done), the caller
 *        destroys it
 * @crc:  gets the CRC32C of the file and of the external data after it, in the order of
 *        the tensors; may be NULL
 * @err:  why not; nodes that are not supported are listed, one in a line
 *
 * Return: 0 or a negative errno. Safe from any thread.
 */
int onnx_import_file(const char *path, struct net **net, uint32_t *crc, struct net_error *err);

/** onnx_import_memory() - the same, from bytes; there is no external data. */
int onnx_import_memory(const void *data, size_t len, struct net **net, struct net_error *err);

/** struct onnx_use - an operator that a network uses. */
struct onnx_use {
	char op[128];		/* its domain in front, unless it is ONNX's own */
	size_t count;		/* nodes */
	size_t refused;		/* of them, those that can't be imported */
	int since;		/* operator set that gave it its meaning here, 0: unknown */
	const char *meaning;	/* what is supported of it, NULL: nothing */
};

/** struct onnx_survey - all operators, by name, and all that is in the way. */
struct onnx_survey {
	int64_t opset;
	struct onnx_use *uses;
	size_t use_count;
	char **refusals;	/* one line each */
	size_t refusal_count;
};

/**
 * onnx_survey_file() - what a network uses, and whether it can be imported
 * @s: the caller frees it by onnx_survey_free(); no refusals: the import works
 *
 * Return: 0, or a negative errno where the file can't be read at all.
 */
int onnx_survey_file(const char *path, struct onnx_survey *s, struct net_error *err);

/** onnx_survey_free() - free the lists. */
void onnx_survey_free(struct onnx_survey *s);

/**
 * onnx_scan() - check nesting, lengths and counts of an ONNX file's encoding
 *
 * protobuf-c unpacks recursively and allocates as the file says; only what
 * passed here may be given to it.
 */
int onnx_scan(const void *data, size_t len, struct net_error *err);

#endif
