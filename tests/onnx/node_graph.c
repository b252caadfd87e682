// SPDX-License-Identifier: MIT
/* ONNX's operator tests, rewritten as networks of one picture (node_graph.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_graph.h"
#include "onnx_build.h"
#include "tap.h"

#define SELECT_MAX	4096	/* values of all inputs together, where convolutions select */

/* Operators that take the first dimension as a batch, unless their axis is it. */
static const char *const by_picture[] = {
	"AveragePool", "BatchNormalization", "Concat", "Conv", "Gemm", "GlobalAveragePool",
	"GlobalMaxPool", "LogSoftmax", "MatMul", "MaxPool", "Pad", "ReduceMean", "Softmax",
};

/* Operators of several activations; of the first set there is no way with one alone. */
static const char *const joining[] = { "Concat", "Sum", "Add", "Sub", "Mul", "Div" };

#define JOINING_ONLY	2

static void *file_read(const char *folder, const char *name, const char *file, size_t *len)
{
	char path[512];
	FILE *f;
	long size = -1;
	void *data = NULL;

	snprintf(path, sizeof(path), "%s/%s/%s", folder, name, file);
	f = fopen(path, "rb");
	if (!f)
		return NULL;
	if (!fseek(f, 0, SEEK_END))
		size = ftell(f);
	rewind(f);
	if (size >= 0)
		data = malloc((size_t)size + 1);
	*len = (size_t)size;
	if (!data || fread(data, 1, *len, f) != *len)
		bail("%s: can't be read", path);
	fclose(f);
	return data;
}

static Onnx__TensorProto *tensor_read(const char *folder, const char *name, const char *kind,
				      size_t number)
{
	Onnx__TensorProto *t;
	char file[64];
	uint8_t *data;
	size_t len;

	snprintf(file, sizeof(file), "test_data_set_0/%s_%zu.pb", kind, number);
	data = file_read(folder, name, file, &len);
	if (!data)
		return NULL;
	t = onnx__tensor_proto__unpack(NULL, len, data);
	free(data);
	return t;
}

/* ONNX 1.12 wrote the bytes of bfloat16 as those of 16-bit integers. */
static void type_restore(Onnx__TensorProto *t, const Onnx__ValueInfoProto *v)
{
	if (t && v->type->tensor_type->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16)
		t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
}

static bool is_tensor(const Onnx__ValueInfoProto *v)
{
	return v->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
}

static bool is_initializer(const Onnx__GraphProto *g, const char *name)
{
	size_t i;

	for (i = 0; i < g->n_initializer; i++)
		if (!strcmp(g->initializer[i]->name, name))
			return true;
	return false;
}

static bool is_one_of(const char *op, const char *const *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(list[i], op))
			return true;
	return false;
}

static int64_t attribute_int(const Onnx__NodeProto *n, const char *name, int64_t preset)
{
	size_t i;

	for (i = 0; i < n->n_attribute; i++)
		if (!strcmp(n->attribute[i]->name, name))
			return n->attribute[i]->n_ints ? n->attribute[i]->ints[0] :
			       n->attribute[i]->i;
	return preset;
}

/* Whether the first dimension is a batch: to the first node that has an opinion. */
static void case_classify(struct node_case *c)
{
	const Onnx__GraphProto *g = c->model->graph;
	bool old = c->model->opset_import[0]->version < 13, softmax, reduces;
	size_t i;

	for (i = 0; i < g->n_node; i++)
		if (is_one_of(g->node[i]->op_type, by_picture,
			      sizeof(by_picture) / sizeof(*by_picture)))
			break;
	if (i == g->n_node || c->rank < 2)
		return;
	softmax = strstr(g->node[i]->op_type, "Softmax") != NULL;
	reduces = !strcmp(g->node[i]->op_type, "ReduceMean");
	c->axis = (int)attribute_int(g->node[i], reduces ? "axes" : "axis",
				     softmax && !old ? -1 : reduces ? 0 : 1);
	c->axis += c->axis < 0 ? c->rank : 0;
	c->by_picture = c->axis != 0;
	if (softmax)
		c->softmax = g->node[i]->op_type[0];
}

/* What is to be tried: see node_cases.c. */
static bool case_ways(struct node_case *c)
{
	const Onnx__GraphProto *g = c->model->graph;
	const char *op = g->node[0]->op_type;
	bool fold = true, layer = c->in_count > 0;
	size_t i;

	for (i = 0; i < g->n_node; i++) {
		const struct onnx_op *o = onnx_op_find(g->node[i]);

		if (!o)
			return false;
		fold &= o->fold != NULL;
		layer &= o->layer || (o->fold == onnx_fold_constant && i);
	}
	/* What the result is put into needs Add of this version. */
	if (fold && c->model->opset_import[0]->version >= 7)
		c->ways |= 1u << NODE_CONSTANT;
	if (layer && (c->in_count == 1 || !is_one_of(op, joining, JOINING_ONLY)))
		c->ways |= 1u << NODE_ACTIVATION;
	if (layer && c->in_count > 1 && g->n_node == 1 &&
	    is_one_of(op, joining, sizeof(joining) / sizeof(*joining)))
		c->ways |= 1u << NODE_ACTIVATIONS;
	return c->ways != 0;
}

bool node_case_load(struct node_case *c, const char *folder, const char *name)
{
	Onnx__GraphProto *g;
	uint8_t *data;
	size_t len, i, d;

	memset(c, 0, sizeof(*c));
	c->name = name;
	data = file_read(folder, name, "model.onnx", &len);
	c->model = data ? onnx__model_proto__unpack(NULL, len, data) : NULL;
	free(data);
	if (!c->model || !c->model->graph || !c->model->graph->n_node)
		bail("%s: model.onnx can't be read", name);
	g = c->model->graph;
	for (i = 0; i < g->n_input; i++) {
		if (is_initializer(g, g->input[i]->name))
			continue;
		if (c->in_count == NODE_INPUTS)
			bail("%s: too many inputs", name);
		if (i != c->in_count)
			bail("%s: inputs after initializers", name);
		if (is_tensor(g->input[i])) {
			c->in[c->in_count] = tensor_read(folder, name, "input", c->in_count);
			type_restore(c->in[c->in_count], g->input[i]);
		}
		c->in_count++;
	}
	if (is_tensor(g->output[0])) {
		c->out = tensor_read(folder, name, "output", 0);
		type_restore(c->out, g->output[0]);
	}
	c->rank = -1;
	if (c->in[0]) {
		c->rank = (int)c->in[0]->n_dims;
		for (d = 0; d < c->in[0]->n_dims && d < ONNX_MAX_RANK; d++)
			c->dims[d] = c->in[0]->dims[d];
	}
	if (case_ways(c)) {
		case_classify(c);
		return true;
	}
	node_case_free(c);
	return false;
}

void node_case_free(struct node_case *c)
{
	size_t i;

	for (i = 0; i < c->in_count; i++)
		if (c->in[i])
			onnx__tensor_proto__free_unpacked(c->in[i], NULL);
	if (c->out)
		onnx__tensor_proto__free_unpacked(c->out, NULL);
	onnx__model_proto__free_unpacked(c->model, NULL);
}

/* A tensor's values by the importer's own reader; none where it does not know the type. */
static void values_read(const Onnx__TensorProto *t, struct onnx_array *a)
{
	static struct net_error err;
	struct onnx_import im = { .err = &err, .const_room = SIZE_MAX, .folder = -1 };
	Onnx__TensorProto copy;

	memset(a, 0, sizeof(*a));
	if (!t)
		return;
	copy = *t;
	/* The reader may take over what it finds; here it belongs to the test. */
	copy.raw_data.data = malloc(t->raw_data.len + 1);
	if (t->raw_data.len)
		memcpy(copy.raw_data.data, t->raw_data.data, t->raw_data.len);
	copy.float_data = malloc((t->n_float_data + 1) * sizeof(float));
	if (t->n_float_data)
		memcpy(copy.float_data, t->float_data, t->n_float_data * sizeof(float));
	onnx_array_from_proto(&im, &copy, a);
	free(copy.raw_data.data);
	free(copy.float_data);
}

static void add_initializer(struct onnx_build *b, const Onnx__TensorProto *t, const char *name)
{
	Onnx__GraphProto *g = onnx_build_graph(b);
	Onnx__TensorProto *copy;

	if (!t)
		return;
	copy = onnx_build_alloc(b, sizeof(*copy));
	*copy = *t;
	copy->name = (char *)name;
	g->initializer[g->n_initializer++] = copy;
}

static struct onnx_build *graph_start(const struct node_case *c, int64_t channels, int64_t h,
				      int64_t w, const char *input)
{
	struct onnx_build *b = onnx_build_new(1, channels, h, w);

	onnx_build_graph(b)->input[0]->name = (char *)input;
	onnx_build_model(b)->opset_import[0]->version = c->model->opset_import[0]->version;
	return b;
}

static void add_nodes(struct onnx_build *b, const struct node_case *c)
{
	const Onnx__GraphProto *from = c->model->graph;
	Onnx__GraphProto *g = onnx_build_graph(b);
	size_t i;

	for (i = 0; i < from->n_initializer; i++)
		g->initializer[g->n_initializer++] = from->initializer[i];
	for (i = 0; i < from->n_node; i++)
		g->node[g->n_node++] = from->node[i];
}

/* Values and shape of the result, both computed by the importer, added to a picture of zeros. */
static struct onnx_build *make_constant(const struct node_case *c, struct node_graph *g)
{
	const char *out = c->model->graph->output[0]->name;
	size_t i, n = g->want.count, rank = (size_t)g->want.rank;
	struct onnx_array want = { .rank = 1, .count = n + rank };
	/* A result that can't be read has no values; a picture has some. */
	struct onnx_build *b = graph_start(c, want.count ? (int64_t)want.count : 1, 1, 1,
					   "check.in");

	for (i = 0; i < c->in_count; i++)
		add_initializer(b, c->in[i], c->model->graph->input[i]->name);
	add_nodes(b, c);
	onnx_build_ints(b, "check.row", 1, (const int64_t[]){ -1 });
	onnx_build_ints(b, "check.picture", 4, (const int64_t[]){ 1, -1, 1, 1 });
	onnx_attr_int_set(b, onnx_build_node(b, "Cast", "check.values", out, NULL), "to",
			  ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
	onnx_build_node(b, "Reshape", "check.flat", "check.values", "check.row", NULL);
	onnx_build_node(b, "Shape", "check.dims", out, NULL);
	onnx_attr_int_set(b, onnx_build_node(b, "Cast", "check.shape", "check.dims", NULL), "to",
			  ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
	onnx_attr_int_set(b, onnx_build_node(b, "Concat", "check.all", "check.flat",
					     "check.shape", NULL), "axis", 0);
	onnx_build_node(b, "Reshape", "check.sum", "check.all", "check.picture", NULL);
	onnx_build_node(b, "Add", "check.out", "check.in", "check.sum", NULL);
	g->pictures = 1;
	g->elements = want.count;
	g->data = calloc(want.count + 1, sizeof(float));
	want.f = malloc((want.count + 1) * sizeof(float));
	for (i = 0; i < n; i++)
		want.f[i] = (float)onnx_array_get(&g->want, i);
	for (i = 0; i < rank; i++)
		want.f[n + i] = (float)g->want.dims[i];
	onnx_array_free(&g->want);
	g->want = want;
	return b;
}

/* The shape that the operator's input @i has within one picture. */
static size_t picture_dims(const struct node_case *c, size_t i, int64_t *dims)
{
	const Onnx__TensorProto *t = c->in[i];
	size_t d, n = 1;

	for (d = 0; t && d < t->n_dims && d < ONNX_MAX_RANK; d++) {
		dims[d] = c->by_picture && !d ? 1 : t->dims[d];
		n *= (size_t)dims[d];
	}
	return n;
}

static Onnx__TensorShapeProto__Dimension **five_dims(struct onnx_build *b,
						       const Onnx__ValueInfoProto *v, int64_t last)
{
	Onnx__TensorShapeProto__Dimension **dim = onnx_build_alloc(b, 5 * sizeof(*dim));

	memcpy(dim, v->type->tensor_type->shape->dim, 4 * sizeof(*dim));
	dim[4] = onnx_build_alloc(b, sizeof(**dim));
	onnx__tensor_shape_proto__dimension__init(dim[4]);
	dim[4]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
	dim[4]->dim_value = last;
	return dim;
}

static struct onnx_build *make_activation(const struct node_case *c, struct node_graph *g)
{
	const Onnx__ValueInfoProto *in = c->model->graph->input[0];
	/* Of views alone no layer would be left; turning the sign twice changes nothing. */
	bool add = c->model->opset_import[0]->version >= 6;
	const char *start = add ? "check.start" : in->name;
	int64_t dims[ONNX_MAX_RANK] = { 0 };
	Onnx__ValueInfoProto *own;
	struct onnx_array x;
	struct onnx_build *b;
	size_t i;

	g->elements = picture_dims(c, 0, dims);
	g->pictures = c->by_picture ? (size_t)c->dims[0] : 1;
	if ((c->rank == 4 || c->rank == 3) && dims[0] == 1) {
		b = graph_start(c, dims[1], c->rank == 4 ? dims[2] : 1, dims[c->rank - 1], start);
		own = onnx_build_graph(b)->input[0];
		if (c->rank == 3) {
			own->type->tensor_type->shape->n_dim = 3;
			own->type->tensor_type->shape->dim[2]->dim_value = dims[2];
		}
	} else if (c->rank > 4) {
		b = graph_start(c, dims[1], dims[2], dims[3], start);
		own = onnx_build_graph(b)->input[0];
		own->type->tensor_type->shape->n_dim = 5;
		own->type->tensor_type->shape->dim = five_dims(b, own, dims[4]);
	} else {
		b = graph_start(c, (int64_t)g->elements, 1, 1, "check.in");
		own = onnx_build_graph(b)->input[0];
		onnx_build_ints(b, "check.dims", c->rank > 0 ? (size_t)c->rank : 0, dims);
		onnx_build_node(b, "Reshape", start, "check.in", "check.dims", NULL);
	}
	if (add) {
		onnx_build_node(b, "Neg", "check.negative", start, NULL);
		onnx_build_node(b, "Neg", in->name, "check.negative", NULL);
	}
	if (c->in[0])
		own->type->tensor_type->elem_type = c->in[0]->data_type;
	else
		own->type->value_case = ONNX__TYPE_PROTO__VALUE__NOT_SET;
	for (i = 1; i < c->in_count; i++)
		add_initializer(b, c->in[i], c->model->graph->input[i]->name);
	add_nodes(b, c);
	values_read(c->in[0], &x);
	g->data = calloc(g->pictures * g->elements + 1, sizeof(float));
	for (i = 0; i < x.count; i++)
		g->data[i] = (float)onnx_array_get(&x, i);
	onnx_array_free(&x);
	return b;
}

/* All inputs side by side in one picture, each selected by a convolution of zeros and ones. */
static struct onnx_build *make_activations(const struct node_case *c, struct node_graph *g)
{
	int64_t dims[ONNX_MAX_RANK] = { 0 };
	struct onnx_build *b;
	size_t n, at = 0, i, k, p, total = 0;

	g->pictures = c->by_picture ? (size_t)c->dims[0] : 1;
	for (i = 0; i < c->in_count; i++)
		total += picture_dims(c, i, dims);
	if (total > SELECT_MAX)
		bail("%s: %zu values", c->name, total);
	g->elements = total;
	g->data = calloc(g->pictures * total + 1, sizeof(float));
	b = graph_start(c, (int64_t)total, 1, 1, "check.in");
	onnx_build_graph(b)->input[0]->type->tensor_type->elem_type = c->in[0]->data_type;
	for (i = 0; i < c->in_count; i++, at += n) {
		char weights[32], shape[32], row[32];
		struct onnx_array x;
		float *w;

		n = picture_dims(c, i, dims);
		w = calloc(n * total + 1, sizeof(float));
		for (k = 0; k < n; k++)
			w[k * total + at + k] = 1;
		snprintf(weights, sizeof(weights), "check.w%zu", i);
		snprintf(shape, sizeof(shape), "check.s%zu", i);
		snprintf(row, sizeof(row), "check.r%zu", i);
		onnx_build_floats(b, weights, w, (int)n, (int)total, 1, 1, -1);
		onnx_build_ints(b, shape, c->in[i]->n_dims, dims);
		onnx_build_node(b, "Conv", row, "check.in", weights, NULL);
		onnx_build_node(b, "Reshape", c->model->graph->input[i]->name, row, shape, NULL);
		free(w);
		values_read(c->in[i], &x);
		for (p = 0; p < g->pictures; p++)
			for (k = 0; k < n && p * n + k < x.count; k++)
				g->data[p * total + at + k] =
					(float)onnx_array_get(&x, p * n + k);
		onnx_array_free(&x);
	}
	add_nodes(b, c);
	return b;
}

void node_graph_make(const struct node_case *c, enum node_way way, struct node_graph *g)
{
	const char *output = way == NODE_CONSTANT ? "check.out" : c->model->graph->output[0]->name;
	struct onnx_build *b;
	const uint8_t *file;

	memset(g, 0, sizeof(*g));
	values_read(c->out, &g->want);
	b = way == NODE_CONSTANT ? make_constant(c, g) :
	    way == NODE_ACTIVATION ? make_activation(c, g) : make_activations(c, g);
	file = onnx_build_pack(b, output, &g->len);
	g->file = malloc(g->len);
	memcpy(g->file, file, g->len);
	onnx_build_free(b);
}

void node_graph_free(struct node_graph *g)
{
	onnx_array_free(&g->want);
	free(g->data);
	free(g->file);
}
