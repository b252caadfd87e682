// SPDX-License-Identifier: MIT
/*
 * From an ONNX file to a network: values by name, nodes in order (ONNX graphs
 * are sorted), everything that is not supported noted and reported at once.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fqz.h"
#include "onnx_private.h"

#define IMPORT_MAX_COMPLAINTS	40
#define IMPORT_MAX_VALUES	((size_t)1 << 20)

const char *onnx_node_name(const Onnx__NodeProto *n)
{
	if (n->name && n->name[0])
		return n->name;
	return n->n_output && n->output[0] ? n->output[0] : "";
}

static uint32_t name_hash(const char *s)
{
	uint32_t h = 2166136261u;

	while (*s)
		h = (h ^ (uint8_t)*s++) * 16777619u;
	return h;
}

struct onnx_value *onnx_find(struct onnx_import *im, const char *name)
{
	size_t i;

	for (i = name_hash(name) % im->hash_size; im->hash[i]; i = (i + 1) % im->hash_size)
		if (!strcmp(im->values[im->hash[i] - 1].name, name))
			return &im->values[im->hash[i] - 1];
	return NULL;
}

/* A new value, or the one of that name emptied; NULL when the table is full. */
struct onnx_value *onnx_define(struct onnx_import *im, const char *name)
{
	struct onnx_value *v = onnx_find(im, name);
	size_t i;

	if (v) {
		onnx_array_free(&v->array);
	} else {
		if (im->value_count == im->value_room)
			return NULL;
		for (i = name_hash(name) % im->hash_size; im->hash[i]; i = (i + 1) % im->hash_size)
			;
		v = &im->values[im->value_count++];
		im->hash[i] = (uint32_t)im->value_count;
	}
	memset(v, 0, sizeof(*v));
	v->name = name;
	return v;
}

int onnx_refuse(struct onnx_import *im, const char *fmt, ...)
{
	size_t at = strlen(im->err->text);
	char what[512];
	va_list ap;

	if (im->complaints++ >= IMPORT_MAX_COMPLAINTS)
		return ONNX_REFUSED;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (im->node)
		snprintf(im->err->text + at, sizeof(im->err->text) - at,
			 "\n  node '%.60s' (%.40s): %.120s", onnx_node_name(im->node),
			 im->node->op_type ? im->node->op_type : "?", what);
	else
		snprintf(im->err->text + at, sizeof(im->err->text) - at, "\n  %.180s", what);
	return ONNX_REFUSED;
}

static int import_initializers(struct onnx_import *im)
{
	Onnx__GraphProto *g = im->graph;
	struct onnx_array a;
	struct onnx_value *v;
	size_t i, k;
	int rc;

	if (g->n_sparse_initializer)
		onnx_refuse(im, "sparse initializers are not supported");
	for (i = 0; i < g->n_initializer; i++) {
		if (!g->initializer[i]->name)
			continue;
		if (onnx_find(im, g->initializer[i]->name))
			return net_fail(im->err, "tensor '%.100s' is there twice",
					g->initializer[i]->name);
		rc = onnx_array_from_proto(im, g->initializer[i], &a);
		if (rc < 0)
			return rc;
		v = onnx_define(im, g->initializer[i]->name);
		if (!v) {
			onnx_array_free(&a);
			return net_nomem(im->err);
		}
		v->kind = rc ? ONNX_UNKNOWN : ONNX_CONST;
		if (rc)
			continue;
		v->array = a;
		for (k = 0; !a.is_int && k < a.count; k++)
			if (isnan(a.f[k])) {
				onnx_refuse(im, "tensor '%.100s' holds not-a-number values",
					    v->name);
				break;
			}
	}
	return 0;
}

/* The one graph input that is not an initializer: [1, C, H, W], a free batch is 1. */
static int import_input(struct onnx_import *im)
{
	Onnx__ValueInfoProto *in = NULL;
	Onnx__TensorShapeProto *shape;
	struct onnx_value *v;
	size_t i, d;
	int t;

	for (i = 0; i < im->graph->n_input; i++) {
		const char *name = im->graph->input[i]->name;

		/* Initializers may be listed too, those that were refused as well. */
		if (!name || onnx_find(im, name))
			continue;
		if (in)
			return net_fail(im->err,
					"the network has several inputs ('%.100s', '%.100s'); "
					"one picture is supported",
					in->name, name);
		in = im->graph->input[i];
	}
	if (!in || !in->type || in->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
	    !in->type->tensor_type || !in->type->tensor_type->shape)
		return net_fail(im->err, "the network has no input of known shape");
	shape = in->type->tensor_type->shape;
	v = onnx_define(im, in->name);
	if (!v)
		return net_nomem(im->err);
	v->kind = ONNX_ACTIVATION;
	v->rank = 4;
	if (shape->n_dim != 4)
		return net_fail(im->err,
				"input '%.100s' has %zu dimensions; [batch, channels, rows, "
				"columns] is expected",
				in->name, shape->n_dim);
	for (d = 0; d < 4; d++) {
		Onnx__TensorShapeProto__Dimension *dim = shape->dim[d];
		bool fixed =
			dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;

		v->dims[d] = fixed ? dim->dim_value : d ? 0 : 1;
		if (!d && v->dims[0] <= 0)
			v->dims[0] = 1;
		if (d && (v->dims[d] < 1 || v->dims[d] > NET_MAX_DIM))
			return net_fail(im->err,
					"input '%.100s': dimension %zu is not a number from 1 "
					"to %u; fix the input's size when exporting",
					in->name, d, NET_MAX_DIM);
	}
	if (v->dims[0] != 1)
		return net_fail(im->err,
				"input '%.100s' has batch %lld; export with batch 1 or a free "
				"batch",
				in->name, (long long)v->dims[0]);
	t = net_add_tensor(im->net, in->name, (uint64_t)v->dims[1], (uint64_t)v->dims[2],
			   (uint64_t)v->dims[3], im->err);
	if (t < 0)
		return t;
	v->tensor = im->net->input = (uint32_t)t;
	return 0;
}

/* What the node's inputs are: all constant, some unknown. Each must have been written before. */
static int node_inputs(struct onnx_import *im, bool *constant, bool *unknown)
{
	size_t i;

	*constant = true;
	*unknown = false;
	for (i = 0; i < im->node->n_input; i++) {
		const struct onnx_value *v;

		if (!im->node->input[i] || !im->node->input[i][0])
			continue;
		v = onnx_find(im, im->node->input[i]);
		if (!v)
			return onnx_refuse(im, "nothing before it writes its input '%.60s'",
					   im->node->input[i]);
		if (v->kind == ONNX_UNKNOWN)
			*unknown = true;
		if (v->kind != ONNX_CONST)
			*constant = false;
	}
	return ONNX_OK;
}

static int import_shape(struct onnx_import *im)
{
	struct onnx_value *v = onnx_input(im, 0), *out;
	struct onnx_array a;
	int64_t dims[ONNX_MAX_RANK], rank, d;
	int rc;

	if (!v || im->node->n_output != 1)
		return onnx_refuse(im, "its input is missing");
	rank = v->kind == ONNX_CONST ? v->array.rank : v->rank;
	memcpy(dims, v->kind == ONNX_CONST ? v->array.dims : v->dims, sizeof(dims));
	if (onnx_attr_int(im, "start", 0) || onnx_attr(im, "end"))
		return onnx_refuse(im, "start and end are not supported");
	rc = onnx_array_alloc(im, &a, true, 1, &rank);
	if (rc)
		return rc;
	for (d = 0; d < rank; d++)
		a.i[d] = dims[d];
	out = onnx_define(im, im->node->output[0]);
	if (!out) {
		onnx_array_free(&a);
		return net_nomem(im->err);
	}
	out->kind = ONNX_CONST;
	out->array = a;
	return ONNX_OK;
}

static bool known_domain(const Onnx__NodeProto *n)
{
	return !n->domain || !n->domain[0] || !strcmp(n->domain, "ai.onnx");
}

static int import_node(struct onnx_import *im)
{
	const Onnx__NodeProto *n = im->node;
	bool constant, unknown;
	size_t i;

	/* One writer for each name, or values would change under those that read them. */
	for (i = 0; i < n->n_output; i++)
		if (n->output[i][0] && onnx_find(im, n->output[i]))
			return net_fail(im->err, "node '%.100s' writes '%.100s', which is there "
					"already", onnx_node_name(n), n->output[i]);
	if (!n->op_type || !known_domain(n) ||
	    (!onnx_can_fold(n->op_type) && !onnx_can_layer(n->op_type) &&
	     strcmp(n->op_type, "Shape")))
		return onnx_refuse(im, "operator %.40s%s%.40s is not supported",
				   n->domain ? n->domain : "", n->domain && n->domain[0] ? "." : "",
				   n->op_type ? n->op_type : "?");
	if (node_inputs(im, &constant, &unknown) || unknown)
		return ONNX_REFUSED;	/* the cause was noted where it arose */
	if (!strcmp(n->op_type, "Shape"))
		return import_shape(im);
	if (constant && onnx_can_fold(n->op_type))
		return onnx_fold(im);
	if (onnx_can_layer(n->op_type))
		return onnx_layer(im);
	return onnx_refuse(im, "supported on constants only");
}

static int import_nodes(struct onnx_import *im)
{
	size_t i, k;
	int rc;

	for (i = 0; i < im->graph->n_node; i++) {
		im->node = im->graph->node[i];
		rc = import_node(im);
		if (rc < 0)
			return rc;
		for (k = 0; k < im->node->n_output; k++) {
			const char *name = im->node->output[k];

			if (!rc && k == 0)
				continue;
			if (name && name[0] && !onnx_define(im, name))
				return net_nomem(im->err);
		}
	}
	im->node = NULL;
	return 0;
}

static int import_output(struct onnx_import *im)
{
	struct onnx_value *v;

	if (im->graph->n_output != 1)
		return net_fail(im->err, "the network has %zu outputs; one is supported",
				im->graph->n_output);
	v = im->graph->output[0]->name ? onnx_find(im, im->graph->output[0]->name) : NULL;
	if (!v || v->kind != ONNX_ACTIVATION)
		return net_fail(im->err, "the output is not computed from the input");
	im->net->output = v->tensor;
	return 0;
}

static int import_graph(struct onnx_import *im)
{
	const char head[] = "the network can't be imported:";
	int rc;

	memcpy(im->err->text, head, sizeof(head));
	rc = import_initializers(im);
	if (!rc)
		rc = import_input(im);
	if (!rc)
		rc = import_nodes(im);
	if (rc)
		return rc;
	if (im->complaints > IMPORT_MAX_COMPLAINTS) {
		size_t at = strlen(im->err->text);

		snprintf(im->err->text + at, sizeof(im->err->text) - at, "\n  and %zu more",
			 im->complaints - IMPORT_MAX_COMPLAINTS);
	}
	if (im->complaints)
		return -EINVAL;
	rc = import_output(im);
	return rc ? rc : net_simplify(im->net, im->err);
}

static int check_model(const Onnx__ModelProto *m, struct net_error *err, int64_t *opset)
{
	size_t i;

	*opset = 0;
	for (i = 0; i < m->n_opset_import; i++) {
		const Onnx__OperatorSetIdProto *o = m->opset_import[i];

		if (!o->domain || !o->domain[0] || !strcmp(o->domain, "ai.onnx"))
			*opset = o->version;
	}
	if (!m->graph || !m->graph->n_node)
		return net_fail(err, "not a usable ONNX file: it holds no graph");
	if (*opset < 7)
		return net_fail(err, "operator set %lld; version 7 or later is needed",
				(long long)*opset);
	return 0;
}

int onnx_import_memory(const void *data, size_t len, struct net **net, struct net_error *err)
{
	struct onnx_import im = { .err = err };
	Onnx__ModelProto *model = NULL;
	size_t i;
	int rc;

	*net = NULL;
	rc = onnx_scan(data, len, err);
	if (rc)
		return rc;
	model = onnx__model_proto__unpack(NULL, len, data);
	if (!model)
		return net_fail(err, "not a usable ONNX file: its fields do not fit the schema");
	rc = check_model(model, err, &im.opset);
	if (rc)
		goto free_model;
	im.graph = model->graph;
	im.value_room = im.graph->n_initializer + im.graph->n_input + 1;
	for (i = 0; i < im.graph->n_node; i++)
		im.value_room += im.graph->node[i]->n_output;
	if (im.value_room > IMPORT_MAX_VALUES) {
		rc = net_fail(err, "not a usable ONNX file: %zu values", im.value_room);
		goto free_model;
	}
	im.hash_size = 2 * im.value_room + 1;
	im.values = calloc(im.value_room, sizeof(*im.values));
	im.hash = calloc(im.hash_size, sizeof(*im.hash));
	im.net = net_create();
	rc = im.values && im.hash && im.net ? import_graph(&im) : net_nomem(err);
	for (i = 0; im.values && i < im.value_count; i++)
		onnx_array_free(&im.values[i].array);
	free(im.values);
	free(im.hash);
	if (rc)
		net_destroy(im.net);
	else
		*net = im.net;
free_model:
	onnx__model_proto__free_unpacked(model, NULL);
	return rc;
}

int onnx_import_file(const char *path, struct net **net, uint32_t *crc, struct net_error *err)
{
	struct stat st;
	uint8_t *data = NULL;
	FILE *f;
	int rc;

	*net = NULL;
	f = fopen(path, "rb");
	if (!f || fstat(fileno(f), &st)) {
		rc = -errno;
		net_fail(err, "can't open it: %s", strerror(-rc));
		goto close;
	}
	if (!S_ISREG(st.st_mode) || st.st_size >= (off_t)1 << 31) {
		rc = net_fail(err, "not a regular file of less than 2 GiB");
		goto close;
	}
	data = malloc(st.st_size ? (size_t)st.st_size : 1);
	if (!data) {
		rc = net_nomem(err);
		goto close;
	}
	if (fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		rc = net_fail(err, "can't read it: %s", ferror(f) ? strerror(errno) : "it shrank");
		goto close;
	}
	if (crc)
		*crc = fqz_crc32c(0, data, (size_t)st.st_size);
	rc = onnx_import_memory(data, (size_t)st.st_size, net, err);
close:
	free(data);
	if (f)
		fclose(f);
	return rc;
}
