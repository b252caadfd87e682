// SPDX-License-Identifier: MIT
/* Small ONNX files, packed by protobuf-c (onnx_build.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_build.h"

#define BUILD_MAX	512	/* nodes, constants */
#define BUILD_ATTRS	16

struct chunk {
	struct chunk *next;
};

struct onnx_build {
	Onnx__ModelProto model;
	Onnx__GraphProto graph;
	Onnx__OperatorSetIdProto opset, *opsets[1];
	Onnx__ValueInfoProto input, *inputs[1], output, *outputs[1];
	Onnx__NodeProto *nodes[BUILD_MAX];
	Onnx__TensorProto *tensors[BUILD_MAX];
	struct chunk *chunks;
};

void *onnx_build_alloc(struct onnx_build *b, size_t size)
{
	struct chunk *c = calloc(1, sizeof(*c) + size);

	if (!c)
		abort();
	c->next = b->chunks;
	b->chunks = c;
	return c + 1;
}

static char *text(struct onnx_build *b, const char *s)
{
	return strcpy(onnx_build_alloc(b, strlen(s) + 1), s);
}

static Onnx__TypeProto *tensor_type(struct onnx_build *b, const int64_t *dims, size_t n)
{
	Onnx__TypeProto *type = onnx_build_alloc(b, sizeof(*type));
	Onnx__TypeProto__Tensor *t = onnx_build_alloc(b, sizeof(*t));
	Onnx__TensorShapeProto *shape = onnx_build_alloc(b, sizeof(*shape));
	size_t i;

	onnx__type_proto__init(type);
	onnx__type_proto__tensor__init(t);
	onnx__tensor_shape_proto__init(shape);
	shape->dim = onnx_build_alloc(b, n * sizeof(*shape->dim));
	shape->n_dim = n;
	for (i = 0; i < n; i++) {
		Onnx__TensorShapeProto__Dimension *d = onnx_build_alloc(b, sizeof(*d));

		onnx__tensor_shape_proto__dimension__init(d);
		if (i || dims[0]) {
			d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
			d->dim_value = dims[i];
		} else {
			d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
			d->dim_param = text(b, "batch");
		}
		shape->dim[i] = d;
	}
	t->has_elem_type = 1;
	t->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
	t->shape = shape;
	type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	type->tensor_type = t;
	return type;
}

struct onnx_build *onnx_build_new(int64_t batch, int64_t c, int64_t h, int64_t w)
{
	struct onnx_build *b = calloc(1, sizeof(*b));
	const int64_t dims[4] = { batch, c, h, w };

	if (!b)
		abort();
	onnx__model_proto__init(&b->model);
	onnx__graph_proto__init(&b->graph);
	onnx__operator_set_id_proto__init(&b->opset);
	onnx__value_info_proto__init(&b->input);
	onnx__value_info_proto__init(&b->output);
	b->opset.has_version = 1;
	b->opset.version = 13;
	b->opset.domain = text(b, "");
	b->opsets[0] = &b->opset;
	b->model.has_ir_version = 1;
	b->model.ir_version = 7;
	b->model.n_opset_import = 1;
	b->model.opset_import = b->opsets;
	b->model.graph = &b->graph;
	b->graph.name = text(b, "test");
	b->input.name = text(b, "x");
	b->input.type = tensor_type(b, dims, 4);
	b->inputs[0] = &b->input;
	b->outputs[0] = &b->output;
	b->graph.n_input = b->graph.n_output = 1;
	b->graph.input = b->inputs;
	b->graph.output = b->outputs;
	b->graph.node = b->nodes;
	b->graph.initializer = b->tensors;
	return b;
}

static Onnx__TensorProto *constant(struct onnx_build *b, const char *name, size_t dims)
{
	Onnx__TensorProto *t = onnx_build_alloc(b, sizeof(*t));

	if (b->graph.n_initializer == BUILD_MAX)
		abort();
	onnx__tensor_proto__init(t);
	t->name = text(b, name);
	t->n_dims = dims;
	t->dims = onnx_build_alloc(b, (dims + 1) * sizeof(*t->dims));
	t->has_data_type = 1;
	b->tensors[b->graph.n_initializer++] = t;
	return t;
}

void onnx_build_floats(struct onnx_build *b, const char *name, const float *v, ...)
{
	int64_t dims[8];
	Onnx__TensorProto *t;
	size_t n = 0, count = 1;
	va_list ap;

	va_start(ap, v);
	for (n = 0; n < 8; n++) {
		dims[n] = va_arg(ap, int);
		if (dims[n] < 0)
			break;
		count *= (size_t)dims[n];
	}
	va_end(ap);
	t = constant(b, name, n);
	memcpy(t->dims, dims, n * sizeof(*dims));
	t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
	t->has_raw_data = 1;
	t->raw_data.len = count * sizeof(float);
	t->raw_data.data = onnx_build_alloc(b, count * sizeof(float));
	memcpy(t->raw_data.data, v, count * sizeof(float));
}

void onnx_build_ints(struct onnx_build *b, const char *name, size_t n, const int64_t *v)
{
	Onnx__TensorProto *t = constant(b, name, 1);

	t->dims[0] = (int64_t)n;
	t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
	t->n_int64_data = n;
	t->int64_data = onnx_build_alloc(b, (n + 1) * sizeof(*v));
	memcpy(t->int64_data, v, n * sizeof(*v));
}

Onnx__NodeProto *onnx_build_node(struct onnx_build *b, const char *op, const char *output, ...)
{
	Onnx__NodeProto *n = onnx_build_alloc(b, sizeof(*n));
	const char *in;
	va_list ap;

	if (b->graph.n_node == BUILD_MAX)
		abort();
	onnx__node_proto__init(n);
	n->op_type = text(b, op);
	n->input = onnx_build_alloc(b, 16 * sizeof(*n->input));
	va_start(ap, output);
	while ((in = va_arg(ap, const char *)) && n->n_input < 16)
		n->input[n->n_input++] = text(b, in);
	va_end(ap);
	n->output = onnx_build_alloc(b, sizeof(*n->output));
	n->output[0] = text(b, output);
	n->n_output = 1;
	n->attribute = onnx_build_alloc(b, BUILD_ATTRS * sizeof(*n->attribute));
	b->nodes[b->graph.n_node++] = n;
	return n;
}

static Onnx__AttributeProto *attribute(struct onnx_build *b, Onnx__NodeProto *n, const char *name,
				       Onnx__AttributeProto__AttributeType type)
{
	Onnx__AttributeProto *a = onnx_build_alloc(b, sizeof(*a));

	if (n->n_attribute == BUILD_ATTRS)
		abort();
	onnx__attribute_proto__init(a);
	a->name = text(b, name);
	a->has_type = 1;
	a->type = type;
	n->attribute[n->n_attribute++] = a;
	return a;
}

void onnx_attr_int_set(struct onnx_build *b, Onnx__NodeProto *n, const char *name, int64_t v)
{
	Onnx__AttributeProto *a = attribute(b, n, name,
					    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

	a->has_i = 1;
	a->i = v;
}

void onnx_attr_float_set(struct onnx_build *b, Onnx__NodeProto *n, const char *name, float v)
{
	Onnx__AttributeProto *a = attribute(b, n, name,
					    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

	a->has_f = 1;
	a->f = v;
}

void onnx_attr_string_set(struct onnx_build *b, Onnx__NodeProto *n, const char *name,
			  const char *v)
{
	Onnx__AttributeProto *a = attribute(b, n, name,
					    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

	a->has_s = 1;
	a->s.data = (uint8_t *)text(b, v);
	a->s.len = strlen(v);
}

void onnx_attr_ints_set(struct onnx_build *b, Onnx__NodeProto *n, const char *name, size_t count,
			const int64_t *v)
{
	Onnx__AttributeProto *a = attribute(b, n, name,
					    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

	a->n_ints = count;
	a->ints = onnx_build_alloc(b, (count + 1) * sizeof(*v));
	memcpy(a->ints, v, count * sizeof(*v));
}

Onnx__GraphProto *onnx_build_graph(struct onnx_build *b)
{
	return &b->graph;
}

Onnx__ModelProto *onnx_build_model(struct onnx_build *b)
{
	return &b->model;
}

const uint8_t *onnx_build_pack(struct onnx_build *b, const char *output, size_t *len)
{
	uint8_t *data;

	b->output.name = text(b, output);
	*len = onnx__model_proto__get_packed_size(&b->model);
	data = onnx_build_alloc(b, *len);
	onnx__model_proto__pack(&b->model, data);
	return data;
}

void onnx_build_free(struct onnx_build *b)
{
	struct chunk *c = b->chunks, *next;

	for (; c; c = next) {
		next = c->next;
		free(c);
	}
	free(b);
}
