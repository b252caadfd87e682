/* SPDX-License-Identifier: MIT */
/* ONNX's operator tests, rewritten as networks of one picture (node_cases.c). */
#ifndef NODE_GRAPH_H
#define NODE_GRAPH_H

#include "net/onnx_private.h"

#define NODE_INPUTS	16

enum node_way {
	NODE_CONSTANT,
	NODE_ACTIVATION,
	NODE_ACTIVATIONS,
	NODE_WAYS,
};

/* A test as it lies on the disk. */
struct node_case {
	const char *name;
	Onnx__ModelProto *model;
	Onnx__TensorProto *in[NODE_INPUTS], *out;
	size_t in_count;
	int rank;		/* of the first input, -1: it is no tensor */
	int64_t dims[ONNX_MAX_RANK];
	bool by_picture;	/* the first dimension is a batch to the operator */
	char softmax;		/* 'S', 'L': a Softmax, a LogSoftmax over @axis */
	int axis;
	unsigned int ways;	/* bits of enum node_way */
};

/* A network made of it, the pictures it is to be run on, and what is expected. */
struct node_graph {
	uint8_t *file;
	size_t len;
	size_t pictures, elements;
	float *data;
	struct onnx_array want;
};

/** node_case_load() - false if the test has other operators than supported ones. */
bool node_case_load(struct node_case *c, const char *folder, const char *name);
void node_case_free(struct node_case *c);

void node_graph_make(const struct node_case *c, enum node_way way, struct node_graph *g);
void node_graph_free(struct node_graph *g);

#endif
