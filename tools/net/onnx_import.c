// SPDX-License-Identifier: MIT
/*
 * From an ONNX file to a network: values by name, nodes in order (ONNX graphs
 * are sorted), everything that is not supported noted and reported at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fqz.h"
#include "onnx_private.h"

#define IMPORT_REFUSALS		40	/* that an error text names */
#define IMPORT_NEWEST_OPSET	25	/* onnx_ops.c */
#define IMPORT_ROOM		((size_t)1 << 26)	/* bytes of constants for any file */

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
		if (!g->initializer[i]->name || !g->initializer[i]->name[0])
			continue;
		if (onnx_find(im, g->initializer[i]->name))
			return net_fail(im->err, "tensor '%.100s' is there twice",
					g->initializer[i]->name);
		rc = onnx_array_from_proto(im, g->initializer[i], &a);
		if (rc < 0)
			return rc;
		v = onnx_define(im, g->initializer[i]->name, rc ? ONNX_UNKNOWN : ONNX_CONST);
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

/* The one graph input that is not an initializer. */
static int find_input(struct onnx_import *im, Onnx__ValueInfoProto **in)
{
	size_t i;

	*in = NULL;
	for (i = 0; i < im->graph->n_input; i++) {
		const char *name = im->graph->input[i]->name;

		/* Initializers may be listed too, those that were refused as well. */
		if (!name || !name[0] || onnx_find(im, name))
			continue;
		if (*in)
			return net_fail(im->err,
					"the network has several inputs ('%.100s', '%.100s'); "
					"one picture is supported",
					(*in)->name, name);
		*in = im->graph->input[i];
	}
	if (!*in || !(*in)->type ||
	    (*in)->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
	    !(*in)->type->tensor_type || !(*in)->type->tensor_type->shape)
		return net_fail(im->err, "the network has no input of known shape");
	return 0;
}

static bool type_is_float(const Onnx__TypeProto__Tensor *t)
{
	return t->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
	       t->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
	       t->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
}

/* [1, C, H, W], or [1, C, W] as a picture of one row; a free batch is 1. */
static int import_input(struct onnx_import *im)
{
	Onnx__ValueInfoProto *in;
	Onnx__TensorShapeProto *shape;
	struct onnx_value *v;
	size_t d;
	int t, rc;

	rc = find_input(im, &in);
	if (rc)
		return rc;
	if (!type_is_float(in->type->tensor_type))
		return net_fail(im->err, "input '%.100s' is of element type %d; floats are expected",
				in->name, (int)in->type->tensor_type->elem_type);
	shape = in->type->tensor_type->shape;
	v = onnx_define(im, in->name, ONNX_ACTIVATION);
	if (shape->n_dim != 4 && shape->n_dim != 3)
		return net_fail(im->err,
				"input '%.100s' has %zu dimensions; [batch, channels, rows, "
				"columns] is expected",
				in->name, shape->n_dim);
	v->rank = (int)shape->n_dim;
	for (d = 0; d < shape->n_dim; d++) {
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
	t = net_add_tensor(im->net, in->name, (uint64_t)v->dims[1],
			   v->rank == 4 ? (uint64_t)v->dims[2] : 1,
			   (uint64_t)v->dims[v->rank - 1], im->err);
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
		if (v->kind == ONNX_ABSENT)
			return onnx_refuse(im, "its input '%.60s' is a further output of another "
					   "node; only first ones are supported", v->name);
		if (v->kind == ONNX_UNKNOWN)
			*unknown = true;
		if (v->kind != ONNX_CONST)
			*constant = false;
	}
	return ONNX_OK;
}

static int import_fold(struct onnx_import *im, const struct onnx_op *op)
{
	struct onnx_array out = { 0 };
	int rc;

	if (im->node->n_output != 1)
		return onnx_refuse(im, "%zu outputs", im->node->n_output);
	if (op->fold != onnx_fold_constant && !onnx_input(im, 0))
		return onnx_refuse(im, "the first input is missing");
	rc = op->fold(im, &out);
	if (rc)
		onnx_array_free(&out);
	else
		onnx_define(im, im->node->output[0], ONNX_CONST)->array = out;
	return rc;
}

static int import_node(struct onnx_import *im)
{
	const Onnx__NodeProto *n = im->node;
	const struct onnx_op *op = onnx_op_find(n);
	bool constant, unknown;
	size_t i;
	int rc;

	/* One writer for each name, or values would change under those that read them. */
	for (i = 0; i < n->n_output; i++)
		if (n->output[i][0] && onnx_find(im, n->output[i]))
			return net_fail(im->err, "node '%.100s' writes '%.100s', which is there "
					"already", onnx_node_name(n), n->output[i]);
	if (!op)
		return onnx_refuse(im, "operator %.40s%s%.40s is not supported",
				   n->domain ? n->domain : "", n->domain && n->domain[0] ? "." : "",
				   n->op_type ? n->op_type : "?");
	rc = onnx_op_check(im, op);
	if (!rc)
		rc = node_inputs(im, &constant, &unknown);
	if (rc || unknown)
		return rc ? rc : ONNX_REFUSED;	/* the cause was noted where it arose */
	if (n->n_output < 1 || !n->output[0][0])
		return onnx_refuse(im, "it has no output");
	if (op->fold && (constant || op->fold == onnx_fold_shape))
		return import_fold(im, op);
	if (!op->layer)
		return onnx_refuse(im, "supported on constants only");
	if (constant)
		return onnx_refuse(im, "all its inputs are constants");
	if (!onnx_input(im, 0))
		return onnx_refuse(im, "its first input is missing");
	if (onnx_input(im, 0)->kind != ONNX_ACTIVATION && op->layer != onnx_op_arithmetic)
		return onnx_refuse(im, "its first input is a constant");
	return op->layer(im);
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
		for (k = rc ? 0 : 1; k < im->node->n_output; k++) {
			const char *name = im->node->output[k];

			if (!name[0])
				continue;
			if (onnx_find(im, name))
				return net_fail(im->err, "node '%.100s' writes '%.100s' twice",
						onnx_node_name(im->node), name);
			onnx_define(im, name, rc ? ONNX_UNKNOWN : ONNX_ABSENT);
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

/* All that was refused, in one text. */
static int report_refusals(struct onnx_import *im)
{
	char *text = im->err->text;
	size_t room = sizeof(im->err->text), at, i;
	char line[320];

	if (im->refusal_count == 1) {
		onnx_refusal_print(&im->refusals[0], line, sizeof(line));
		return net_fail(im->err, "the network can't be imported: %.280s", line);
	}
	at = (size_t)snprintf(text, room, "the network can't be imported:");
	for (i = 0; i < im->refusal_count && i < IMPORT_REFUSALS; i++) {
		onnx_refusal_print(&im->refusals[i], line, sizeof(line));
		at += (size_t)snprintf(text + at, room - at, "\n  %.190s", line);
	}
	if (im->refusal_count > i)
		snprintf(text + at, room - at, "\n  and %zu more", im->refusal_count - i);
	return -EINVAL;
}

/* Returns 0 also where nodes were refused: im->refusal_count tells. */
int onnx_import_run(struct onnx_import *im)
{
	int rc;

	rc = import_initializers(im);
	if (!rc)
		rc = import_input(im);
	if (!rc)
		rc = import_nodes(im);
	if (!rc && im->no_memory)
		rc = net_nomem(im->err);
	if (rc || im->refusal_count)
		return rc;
	rc = import_output(im);
	return rc ? rc : net_simplify(im->net, im->err);
}

int onnx_import_start(struct onnx_import *im, const struct onnx_file *f, struct net_error *err)
{
	int rc;

	memset(im, 0, sizeof(*im));
	im->err = err;
	im->graph = f->model->graph;
	im->folder = f->folder;
	im->crc = f->crc;
	im->opset = f->opset;
	im->refusal_max = IMPORT_REFUSALS;
	im->const_room = IMPORT_ROOM + ONNX_ROOM_FACTOR * f->len;
	rc = onnx_values_create(im);
	if (rc)
		return rc;
	im->net = net_create();
	return im->net ? 0 : net_nomem(err);
}

void onnx_import_end(struct onnx_import *im)
{
	onnx_values_destroy(im);
	net_destroy(im->net);
}

static int file_import(const struct onnx_file *f, struct net **net, uint32_t *crc,
		       struct net_error *err)
{
	struct onnx_import im;
	int rc;

	rc = onnx_import_start(&im, f, err);
	if (!rc)
		rc = onnx_import_run(&im);
	if (!rc && im.refusal_count)
		rc = report_refusals(&im);
	if (!rc) {
		*net = im.net;
		im.net = NULL;
		if (crc)
			*crc = im.crc;
	}
	onnx_import_end(&im);
	return rc;
}

static int check_model(struct onnx_file *f, struct net_error *err)
{
	const Onnx__ModelProto *m = f->model;
	size_t i;

	f->opset = 0;
	for (i = 0; i < m->n_opset_import; i++) {
		const Onnx__OperatorSetIdProto *o = m->opset_import[i];

		if (!o->domain || !o->domain[0] || !strcmp(o->domain, "ai.onnx"))
			f->opset = o->version;
	}
	if (!m->graph || !m->graph->n_node)
		return net_fail(err, "not a usable ONNX file: it holds no graph");
	if (f->opset < 1 || f->opset > IMPORT_NEWEST_OPSET)
		return net_fail(err, "operator set %lld; the meaning of 1 to %d is known",
				(long long)f->opset, IMPORT_NEWEST_OPSET);
	return 0;
}

/* protobuf-c's memory comes from malloc(), or arrays could not be taken over (onnx_array.c). */
static void *unpack_alloc(void *no_memory, size_t size)
{
	void *p = malloc(size);

	if (!p)
		*(bool *)no_memory = true;
	return p;
}

static void unpack_free(void *no_memory, void *p)
{
	(void)no_memory;
	free(p);
}

static int file_unpack(struct onnx_file *f, const void *data, size_t len, struct net_error *err)
{
	bool no_memory = false;
	ProtobufCAllocator a = { unpack_alloc, unpack_free, &no_memory };
	int rc = onnx_scan(data, len, err);

	if (rc)
		return rc;
	f->len = len;
	f->model = onnx__model_proto__unpack(&a, len, data);
	if (!f->model)
		return no_memory ? net_nomem(err) :
		       net_fail(err, "not a usable ONNX file: its fields do not fit the schema");
	return check_model(f, err);
}

void onnx_file_close(struct onnx_file *f)
{
	bool no_memory;
	ProtobufCAllocator a = { unpack_alloc, unpack_free, &no_memory };

	if (f->model)
		onnx__model_proto__free_unpacked(f->model, &a);
	if (f->folder >= 0)
		close(f->folder);
}

int onnx_import_memory(const void *data, size_t len, struct net **net, struct net_error *err)
{
	struct onnx_file f = { .folder = -1 };
	int rc;

	*net = NULL;
	rc = file_unpack(&f, data, len, err);
	if (!rc)
		rc = file_import(&f, net, NULL, err);
	onnx_file_close(&f);
	return rc;
}

/* Where external data lies; -1 if it can't be opened, which matters to who needs it. */
static int folder_open(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;

	if (len >= sizeof(folder))
		return -1;
	memcpy(folder, path, len);
	folder[len] = '\0';
	return open(len ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int read_all(int fd, uint8_t *data, size_t len, struct net_error *err)
{
	size_t at = 0;
	ssize_t n;

	while (at < len) {
		n = read(fd, data + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return net_fail(err, "can't read it: %s", n ? strerror(errno) : "it shrank");
		at += (size_t)n;
	}
	return 0;
}

/* The bytes are freed as soon as they are unpacked: networks are large. */
int onnx_file_open(struct onnx_file *f, const char *path, struct net_error *err)
{
	struct stat st;
	uint8_t *data = NULL;
	int fd, rc;

	memset(f, 0, sizeof(*f));
	f->folder = -1;
	/* A FIFO must not block. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st)) {
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
	rc = read_all(fd, data, (size_t)st.st_size, err);
	if (rc)
		goto close;
	f->crc = fqz_crc32c(0, data, (size_t)st.st_size);
	rc = file_unpack(f, data, (size_t)st.st_size, err);
	f->folder = folder_open(path);
close:
	free(data);
	if (fd >= 0)
		close(fd);
	return rc;
}

int onnx_import_file(const char *path, struct net **net, uint32_t *crc, struct net_error *err)
{
	struct onnx_file f;
	int rc;

	*net = NULL;
	rc = onnx_file_open(&f, path, err);
	if (!rc)
		rc = file_import(&f, net, crc, err);
	onnx_file_close(&f);
	return rc;
}
