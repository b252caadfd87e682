// SPDX-License-Identifier: MIT
/* The pieces of an ONNX file (onnx_pieces.h). */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_pieces.h"

/* ONNX keeps raw data little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "constants are copied as they are");

void export_fail(struct export *e, int rc, const char *fmt, ...)
{
	const char *name = e->layer_name;
	char why[256];
	va_list ap;

	if (e->rc)
		return;
	e->rc = rc;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (e->layer == EXPORT_NO_LAYER) {
		snprintf(e->err, e->errlen, "%s", why);
		return;
	}
	snprintf(e->err, e->errlen, "layer %u (%s%s%.200s): %s", e->layer, e->layer_kind,
		 name ? " " : "", name ? name : "", why);
}

void export_begin(struct export *e, const char *producer, const char *doc, char *err,
		  size_t errlen)
{
	Onnx__OperatorSetIdProto **opset;

	memset(e, 0, sizeof(*e));
	e->layer = EXPORT_NO_LAYER;
	e->err = err;
	e->errlen = errlen;
	onnx__model_proto__init(&e->model);
	onnx__graph_proto__init(&e->graph);
	opset = export_alloc(e, sizeof(*opset));
	if (opset)
		*opset = export_alloc(e, sizeof(**opset));
	if (e->rc)
		return;
	onnx__operator_set_id_proto__init(*opset);
	(*opset)->domain = (char *)"";
	(*opset)->has_version = 1;
	(*opset)->version = EXPORT_OPSET;
	e->model.has_ir_version = 1;
	e->model.ir_version = EXPORT_IR_VERSION;
	e->model.opset_import = opset;
	e->model.n_opset_import = 1;
	e->model.producer_name = (char *)producer;
	e->model.producer_version = (char *)FQACCEL_VERSION;
	e->model.doc_string = (char *)doc;
	e->model.graph = &e->graph;
}

void export_pack(struct export *e, void **data, size_t *len)
{
	uint8_t *bytes;
	size_t n;

	if (e->rc)
		return;
	n = onnx__model_proto__get_packed_size(&e->model);
	if (n > INT32_MAX) {
		export_fail(e, -EFBIG, "an ONNX file holds at most 2 GiB");
		return;
	}
	bytes = malloc(n);
	if (!bytes) {
		export_fail(e, -ENOMEM, "out of memory");
		return;
	}
	*len = onnx__model_proto__pack(&e->model, bytes);
	*data = bytes;
}

void *export_alloc(struct export *e, size_t size)
{
	void *p = NULL;

	if (e->rc)
		return NULL;
	if (e->block_count == e->block_room) {
		size_t room = e->block_room ? 2 * e->block_room : 256;
		void **blocks = reallocarray(e->blocks, room, sizeof(*blocks));

		if (blocks) {
			e->blocks = blocks;
			e->block_room = room;
		}
	}
	if (e->block_count < e->block_room)
		p = calloc(1, size);
	if (!p) {
		export_fail(e, -ENOMEM, "out of memory");
		return NULL;
	}
	e->blocks[e->block_count++] = p;
	return p;
}

void export_free(struct export *e)
{
	while (e->block_count)
		free(e->blocks[--e->block_count]);
	free(e->blocks);
	e->blocks = NULL;
	free(e->graph.node);
	free(e->graph.initializer);
	free(e->graph.value_info);
	free(e->model.metadata_props);
}

/* Adds @item to a list of pointers; @list is where the list's address is. */
static void append(struct export *e, void *list, size_t *count, size_t *room, void *item)
{
	void **array;

	if (e->rc)
		return;
	memcpy(&array, list, sizeof(array));
	if (*count == *room) {
		size_t more = *room ? 2 * *room : 64;

		array = reallocarray(array, more, sizeof(*array));
		if (!array) {
			export_fail(e, -ENOMEM, "out of memory");
			return;
		}
		memcpy(list, &array, sizeof(array));
		*room = more;
	}
	array[(*count)++] = item;
}

char *export_text(struct export *e, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = n < 0 ? NULL : export_alloc(e, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

/* Unique, since the output is; says which layer the node belongs to. */
static char *node_name(struct export *e, const char *output)
{
	if (e->layer == EXPORT_NO_LAYER)
		return export_text(e, "%s", output);
	return export_text(e, "%u/%s/%s", e->layer, e->layer_name ? e->layer_name : e->layer_kind,
			   output);
}

char *export_node(struct export *e, const char *op, char *output, ...)
{
	Onnx__NodeProto *n = export_alloc(e, sizeof(*n));
	char **names = export_alloc(e, (EXPORT_MAX_INPUTS + 1) * sizeof(*names)), *input;
	va_list ap;

	e->node = NULL;
	if (!n || !names)
		return NULL;
	onnx__node_proto__init(n);
	n->op_type = (char *)op;
	n->name = node_name(e, output);
	names[EXPORT_MAX_INPUTS] = output;
	n->input = names;
	n->output = &names[EXPORT_MAX_INPUTS];
	n->n_output = 1;
	va_start(ap, output);
	while ((input = va_arg(ap, char *)) && n->n_input < EXPORT_MAX_INPUTS)
		names[n->n_input++] = input;
	va_end(ap);
	append(e, &e->graph.node, &e->graph.n_node, &e->node_room, n);
	e->node = n;
	return output;
}

void export_ints(struct export *e, const char *name, size_t count, const int64_t *v)
{
	enum { MOST = 6 };	/* attributes that a node gets */
	Onnx__AttributeProto *a = export_alloc(e, sizeof(*a));
	int64_t *ints = export_alloc(e, count * sizeof(*ints));

	if (a && e->node && !e->node->attribute)
		e->node->attribute = export_alloc(e, MOST * sizeof(*e->node->attribute));
	if (e->rc || !e->node || e->node->n_attribute == MOST)
		return;
	onnx__attribute_proto__init(a);
	a->name = (char *)name;
	a->has_type = 1;
	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
	memcpy(ints, v, count * sizeof(*ints));
	a->n_ints = count;
	a->ints = ints;
	e->node->attribute[e->node->n_attribute++] = a;
}

void export_int(struct export *e, const char *name, int64_t v)
{
	Onnx__AttributeProto *a;

	export_ints(e, name, 1, &v);
	if (e->rc)
		return;
	a = e->node->attribute[e->node->n_attribute - 1];
	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
	a->has_i = 1;
	a->i = v;
	a->n_ints = 0;
}

/* A constant of @size bytes; its memory, zeroed. */
static void *constant(struct export *e, char *name, int32_t type, size_t size, size_t rank,
		      const int64_t *dims)
{
	Onnx__TensorProto *t = export_alloc(e, sizeof(*t));
	void *data = NULL;

	if (size > INT32_MAX - e->bytes)
		export_fail(e, -EFBIG, "an ONNX file holds at most 2 GiB");
	else
		data = export_alloc(e, size);
	if (!t || !data)
		return NULL;
	e->bytes += size;
	onnx__tensor_proto__init(t);
	t->name = name;
	t->has_data_type = 1;
	t->data_type = type;
	t->n_dims = rank;
	t->dims = export_alloc(e, (rank + 1) * sizeof(*t->dims));
	if (!t->dims)
		return NULL;
	if (rank)
		memcpy(t->dims, dims, rank * sizeof(*t->dims));
	t->has_raw_data = 1;
	t->raw_data.data = data;
	t->raw_data.len = size;
	append(e, &e->graph.initializer, &e->graph.n_initializer, &e->initializer_room, t);
	return e->rc ? NULL : data;
}

char *export_floats(struct export *e, char *name, size_t rank, const int64_t *dims, float **data)
{
	size_t size = sizeof(float), i;

	/* Sizes are a network's: at most 2^28 elements (FORMAT.md sections 3 and 6.1). */
	for (i = 0; i < rank; i++)
		size *= (size_t)dims[i];
	*data = constant(e, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, size, rank, dims);
	return name;
}

char *export_integers(struct export *e, char *name, size_t count, const int64_t *v)
{
	int64_t dims[] = { (int64_t)count };
	void *data = constant(e, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, count * sizeof(*v), 1,
			      dims);

	if (data)
		memcpy(data, v, count * sizeof(*v));
	return name;
}

char *export_scalar(struct export *e, char *name, double v)
{
	float *data;

	export_floats(e, name, 0, NULL, &data);
	if (data)
		*data = export_real(e, v);
	return name;
}

char *export_zero(struct export *e, char *name, bool is_unsigned)
{
	constant(e, name, is_unsigned ? ONNX__TENSOR_PROTO__DATA_TYPE__UINT8 :
		 ONNX__TENSOR_PROTO__DATA_TYPE__INT8, 1, 0, NULL);
	return name;
}

float export_real(struct export *e, double v)
{
	if (!isfinite((float)v))
		export_fail(e, -ERANGE, "its constants are beyond single precision, so no ONNX file "
			    "can hold it");
	return (float)v;
}

static Onnx__TensorShapeProto__Dimension *dimension(struct export *e, int64_t size)
{
	Onnx__TensorShapeProto__Dimension *d = export_alloc(e, sizeof(*d));

	if (!d)
		return NULL;
	onnx__tensor_shape_proto__dimension__init(d);
	if (size) {
		d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
		d->dim_value = size;
	} else {
		d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
		d->dim_param = (char *)"N";
	}
	return d;
}

Onnx__ValueInfoProto *export_value(struct export *e, char *name, int32_t type, uint32_t c,
				   uint32_t h, uint32_t w)
{
	Onnx__TensorShapeProto *shape = export_alloc(e, sizeof(*shape));
	Onnx__TypeProto__Tensor *tensor = export_alloc(e, sizeof(*tensor));
	Onnx__ValueInfoProto *value = export_alloc(e, sizeof(*value));
	Onnx__TypeProto *proto = export_alloc(e, sizeof(*proto));
	Onnx__TensorShapeProto__Dimension **dims = export_alloc(e, 4 * sizeof(*dims));

	if (e->rc)
		return NULL;
	onnx__tensor_shape_proto__init(shape);
	onnx__type_proto__tensor__init(tensor);
	onnx__value_info_proto__init(value);
	onnx__type_proto__init(proto);
	dims[0] = dimension(e, 0);
	dims[1] = dimension(e, c);
	dims[2] = dimension(e, h);
	dims[3] = dimension(e, w);
	shape->n_dim = h ? 4 : 2;
	shape->dim = dims;
	tensor->has_elem_type = 1;
	tensor->elem_type = type;
	tensor->shape = shape;
	proto->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	proto->tensor_type = tensor;
	value->name = name;
	value->type = proto;
	return value;
}

/* The list of one element that the graph's inputs and outputs are. */
static Onnx__ValueInfoProto **only(struct export *e, Onnx__ValueInfoProto *value, size_t *count)
{
	Onnx__ValueInfoProto **list = export_alloc(e, sizeof(*list));

	if (!list)
		return NULL;
	list[0] = value;
	*count = 1;
	return list;
}

void export_input(struct export *e, Onnx__ValueInfoProto *value)
{
	e->graph.input = only(e, value, &e->graph.n_input);
}

void export_output(struct export *e, Onnx__ValueInfoProto *value)
{
	e->graph.output = only(e, value, &e->graph.n_output);
}

void export_declare(struct export *e, Onnx__ValueInfoProto *value)
{
	append(e, &e->graph.value_info, &e->graph.n_value_info, &e->value_room, value);
}

void export_meta(struct export *e, const char *key, char *value)
{
	Onnx__StringStringEntryProto *m = export_alloc(e, sizeof(*m));

	if (!m)
		return;
	onnx__string_string_entry_proto__init(m);
	m->key = (char *)key;
	m->value = value;
	append(e, &e->model.metadata_props, &e->model.n_metadata_props, &e->meta_room, m);
}
