// SPDX-License-Identifier: MIT
/* Refusals of the ONNX reader: damaged, hostile and unsupported files. */
#include <errno.h>
#include <unistd.h>

#include "net/onnx.h"
#include "net/rng.h"
#include "onnx_build.h"
#include "tap.h"

#define BOMB_SIZE	114000	/* bytes: what overflowed the stack of protobuf-c 1.4.1 */

static struct net_error err;

/* Import and forget; 0 or the error, with err.text. */
static int try_import(const void *data, size_t len)
{
	struct net *net;
	int rc;

	err.text[0] = '\0';
	rc = onnx_import_memory(data, len, &net, &err);
	if (!rc)
		net_destroy(net);
	else if (net || !err.text[0])
		return 1;	/* an error must come with a text and without a network */
	return rc;
}

static void refused(struct onnx_build *b, const char *output, const char *text, const char *what)
{
	const uint8_t *data;
	size_t len;
	int rc;

	data = onnx_build_pack(b, output, &len);
	rc = try_import(data, len);
	if (!ok(rc == -EINVAL && strstr(err.text, text), "%s", what))
		diag("returned %d: %s", rc, err.text);
	onnx_build_free(b);
}

/* x -> Conv 3 x 3 -> Relu -> y */
static struct onnx_build *small(void)
{
	struct onnx_build *b = onnx_build_new(0, 2, 6, 6);
	float w[2 * 2 * 9];
	size_t i;

	for (i = 0; i < 36; i++)
		w[i] = (float)i / 36;
	onnx_build_floats(b, "w", w, 2, 2, 3, 3, -1);
	onnx_build_node(b, "Conv", "c", "x", "w", NULL);
	onnx_build_node(b, "Relu", "y", "c", NULL);
	return b;
}

static void test_truncated(void)
{
	struct onnx_build *b = small();
	const uint8_t *data;
	size_t len, n, taken = 0, odd = 0;
	uint8_t *copy;
	int rc;

	data = onnx_build_pack(b, "y", &len);
	is_int(try_import(data, len), 0, "the whole file is taken");
	for (n = 0; n < len; n++) {
		/* A copy of its own size, so that a read beyond the end is seen. */
		copy = malloc(n ? n : 1);
		memcpy(copy, data, n);
		rc = try_import(copy, n);
		taken += !rc;
		odd += rc && rc != -EINVAL;
		free(copy);
	}
	/* Cut before the operator set's field, a file is whole but for its version. */
	is_int(taken, 0, "no shorter file is taken");
	is_int(odd, 0, "each is refused with a text");
	onnx_build_free(b);
}

static void test_flipped(void)
{
	struct onnx_build *b = small();
	const uint8_t *data;
	size_t len, n, odd = 0;
	uint8_t *copy;
	int rc;

	data = onnx_build_pack(b, "y", &len);
	copy = malloc(len);
	for (n = 0; n < 8 * len; n++) {
		memcpy(copy, data, len);
		copy[n / 8] ^= (uint8_t)(1 << n % 8);
		rc = try_import(copy, len);
		odd += rc && rc != -EINVAL;
	}
	is_int(odd, 0, "every flipped bit is taken or refused, nothing else");
	for (n = 0, odd = 0; n < 3000; n++) {
		size_t k, changes = 1 + rng_bits(3, 0, n) % 8;

		memcpy(copy, data, len);
		for (k = 0; k < changes; k++)
			copy[rng_bits(4, n, k) % len] = (uint8_t)rng_bits(5, n, k);
		rc = try_import(copy, len);
		odd += rc && rc != -EINVAL;
	}
	is_int(odd, 0, "so are 3000 files with random bytes");
	free(copy);
	onnx_build_free(b);
}

/* A field of @tag around what lies from p to @end, growing towards the front. */
static uint8_t *wrap_field(uint8_t *p, const uint8_t *end, uint8_t tag)
{
	size_t len = (size_t)(end - p), v;
	int n = 1, i;

	for (v = len >> 7; v; v >>= 7)
		n++;
	p -= n;
	for (i = 0; i < n; i++) {
		p[i] = (uint8_t)((len & 0x7f) | (i + 1 < n ? 0x80 : 0));
		len >>= 7;
	}
	*--p = tag;
	return p;
}

/* Model > graph > node > attribute > graph > node > attribute > ... */
static void test_bomb(void)
{
	static uint8_t data[BOMB_SIZE + 32];
	uint8_t *end = data + sizeof(data), *p = end;
	size_t levels = 0;

	while (end - p < BOMB_SIZE - 16) {
		p = wrap_field(p, end, 6 << 3 | 2);	/* AttributeProto.g */
		p = wrap_field(p, end, 5 << 3 | 2);	/* NodeProto.attribute */
		p = wrap_field(p, end, 1 << 3 | 2);	/* GraphProto.node */
		levels += 3;
	}
	p = wrap_field(p, end, 7 << 3 | 2);		/* ModelProto.graph */
	ok(levels > 20000, "graphs within graphs, %zu levels in %zu bytes", levels,
	   (size_t)(end - p));
	is_int(try_import(p, (size_t)(end - p)), -EINVAL, "are refused");
	ok(strstr(err.text, "nested") != NULL, "before they are unpacked");
	p = end;
	p = wrap_field(p, end, 6 << 3 | 2);
	p = wrap_field(p, end, 5 << 3 | 2);
	p = wrap_field(p, end, 1 << 3 | 2);
	p = wrap_field(p, end, 7 << 3 | 2);
	is_int(onnx_scan(p, (size_t)(end - p), &err), 0, "a few levels are nothing unusual");
}

/* Messages of 2 bytes that would take 100 times as much memory each. */
static void test_many(void)
{
	size_t n = (3u << 20), i;
	uint8_t *data = malloc(n + 8), *p;

	for (i = 0; i < n; i += 2) {
		data[8 + i] = 1 << 3 | 2;	/* GraphProto.node */
		data[8 + i + 1] = 0;
	}
	p = wrap_field(data + 8, data + 8 + n, 7 << 3 | 2);
	is_int(try_import(p, n + (size_t)(data + 8 - p)), -EINVAL,
	       "a million empty nodes are refused");
	ok(strstr(err.text, "too many") != NULL, "for their number");
	free(data);
}

/* Graphs of one node each, which protobuf-c would merge one into the other. */
static void test_merged(void)
{
	const uint8_t node[] = { 7 << 3 | 2, 2, 1 << 3 | 2, 0 };
	size_t n = 200000, i;
	uint8_t *data = malloc(n * sizeof(node));

	for (i = 0; i < n; i++)
		memcpy(data + i * sizeof(node), node, sizeof(node));
	is_int(try_import(data, n * sizeof(node)), -EINVAL, "200000 graphs are refused");
	ok(strstr(err.text, "a second message") != NULL, "before they are merged");
	free(data);
}

static void test_unsupported(void)
{
	struct onnx_build *b = onnx_build_new(1, 2, 4, 4);
	const uint8_t *data;
	size_t len;

	onnx_build_node(b, "LSTM", "a", "x", NULL);
	onnx_build_node(b, "Relu", "b", "x", NULL);
	onnx_build_node(b, "Sigmoid", "c", "b", NULL);
	onnx_build_node(b, "Relu", "d", "a", NULL);	/* follows from the first, not listed */
	onnx_build_node(b, "Resize", "e", "d", NULL);
	data = onnx_build_pack(b, "e", &len);
	is_int(try_import(data, len), -EINVAL, "unsupported operators are refused");
	ok(strstr(err.text, "'a' (LSTM)") && strstr(err.text, "'c' (Sigmoid)") &&
	   strstr(err.text, "'e' (Resize)"), "all are listed at once, by name and operator");
	ok(!strstr(err.text, "'d'"), "but not what only follows from them");
	onnx_build_free(b);
}

static struct onnx_build *input(int64_t batch, int64_t c, int64_t h, int64_t w)
{
	struct onnx_build *b = onnx_build_new(batch, c, h, w);

	onnx_build_node(b, "Relu", "y", "x", NULL);
	return b;
}

static void test_shapes(void)
{
	struct onnx_build *b;
	Onnx__NodeProto *n;
	const int64_t huge[] = { 1 << 30, 1 << 30 }, wide[] = { 200, 200, 200, 200 };
	const int64_t big[] = { 1 << 13, 1 << 14 };

	refused(input(1, 1, 1 << 20, 1), "y", "dimension 2", "an input of a million rows");
	refused(input(1, 65535, 65535, 65535), "y", "limits", "an input of 2^48 elements");
	refused(input(7, 1, 4, 4), "y", "batch 7", "a fixed batch of 7");
	b = small();
	onnx_build_graph(b)->initializer[0]->dims[0] = INT64_MAX;
	refused(b, "y", "2^28 elements", "weights of 2^63 output channels");
	b = small();
	onnx_build_graph(b)->initializer[0]->dims[0] = -2;
	refused(b, "y", "elements", "weights of a negative size");
	b = small();
	onnx_build_graph(b)->initializer[0]->dims[0] = 4;
	refused(b, "y", "needs 72 elements, the file holds 36",
		"fewer weights than the shape says");
	b = small();
	onnx_build_graph(b)->initializer[0]->raw_data.len--;
	refused(b, "y", "the file holds", "a weight cut in half");
	b = onnx_build_new(1, 2, 4, 4);
	onnx_build_ints(b, "big", 2, big);
	onnx_build_node(b, "ConstantOfShape", "c", "big", NULL);
	refused(b, "c", "2^26", "a constant of 2^27 zeros out of 16 bytes");
	b = small();
	onnx_attr_ints_set(b, onnx_build_graph(b)->node[0], "pads", 4, wide);
	refused(b, "y", "padding is as large as the kernel", "padding of 200");
	b = small();
	onnx_attr_ints_set(b, onnx_build_graph(b)->node[0], "strides", 2, huge);
	refused(b, "y", "strides", "strides of 2^30");
	b = onnx_build_new(1, 2, 4, 4);
	n = onnx_build_node(b, "MaxPool", "y", "x", NULL);
	onnx_attr_ints_set(b, n, "kernel_shape", 2, (const int64_t[]){ 5, 5 });
	refused(b, "y", "larger than the padded input", "a pool larger than its input");
	b = small();
	onnx_attr_int_set(b, onnx_build_graph(b)->node[0], "group", 0);
	refused(b, "y", "do not fit", "0 groups");
}

/* Small files that describe work without end. */
static void test_size(void)
{
	struct onnx_build *b = onnx_build_new(1, 1, 8192, 8192);
	const float w[2] = { 1, 1 }, big[1] = { 3e38f };
	char in[16] = "x", out[16], var[16];
	int i;

	onnx_build_floats(b, "w", w, 1, 1, 1, 2, -1);
	for (i = 0; i < 40; i++) {
		snprintf(out, sizeof(out), "y%d", i);
		onnx_build_node(b, "Conv", out, in, "w", NULL);
		memcpy(in, out, sizeof(in));
	}
	refused(b, in, "too large", "40 layers of 2^26 activations");
	b = onnx_build_new(1, 1, 1024, 2048);
	onnx_build_ints(b, "shape", 4, (const int64_t[]){ 1, 1, 1024, 1024 });
	onnx_build_node(b, "ConstantOfShape", "w", "shape", NULL);
	onnx_build_node(b, "Conv", "y", "x", "w", NULL);
	refused(b, "y", "layer 'y' is too large", "4 GiB of columns for one row of outputs");
	b = small();
	onnx_build_floats(b, "s", big, 1, 1, 1, -1);
	memcpy(in, "y", 2);
	for (i = 0; i < 2; i++) {
		snprintf(var, sizeof(var), "m%d", i);
		onnx_build_node(b, "Mul", var, in, "s", NULL);
		memcpy(in, var, sizeof(in));
	}
	refused(b, in, "infinite", "scales whose product is infinite");
}

static void test_meaning(void)
{
	struct onnx_build *b;
	Onnx__StringStringEntryProto *e;
	Onnx__TensorProto *t;
	Onnx__NodeProto *n;
	const float nan_[1] = { __builtin_nanf("") };

	b = small();
	t = onnx_build_graph(b)->initializer[0];
	e = onnx_build_alloc(b, sizeof(*e));
	onnx__string_string_entry_proto__init(e);
	t->external_data = onnx_build_alloc(b, sizeof(*t->external_data));
	t->external_data[0] = e;
	t->n_external_data = 1;
	refused(b, "y", "external file", "external data");

	b = small();
	onnx_build_model(b)->opset_import[0]->version = 3;
	refused(b, "y", "operator set 3", "an operator set from before");

	b = small();
	onnx_attr_int_set(b, onnx_build_node(b, "Softmax", "s", "y", NULL), "axis", 1);
	onnx_build_node(b, "Relu", "z", "s", NULL);
	refused(b, "z", "only at the end", "a Softmax in the middle");

	b = onnx_build_new(1, 2, 4, 4);
	n = onnx_build_node(b, "Transpose", "y", "x", NULL);
	onnx_attr_ints_set(b, n, "perm", 4, (const int64_t[]){ 0, 2, 3, 1 });
	refused(b, "y", "NCHW", "a network that wants its data moved");

	b = small();
	onnx_build_floats(b, "n", nan_, 1, -1);
	refused(b, "y", "not-a-number", "a constant that is not a number");

	b = small();
	refused(b, "nowhere", "not computed", "an output that no node writes");

	b = onnx_build_new(1, 2, 4, 4);
	onnx_build_node(b, "Relu", "y", "y", NULL);
	refused(b, "y", "nothing before it writes its input 'y'",
		"a node that reads what it writes");

	b = onnx_build_new(1, 2, 4, 4);
	n = onnx_build_node(b, "Pad", "p", "x", NULL);
	onnx_attr_ints_set(b, n, "pads", 8, (const int64_t[]){ 0, 0, 1, 1, 0, 0, 1, 1 });
	n = onnx_build_node(b, "MaxPool", "y", "p", NULL);
	onnx_attr_ints_set(b, n, "kernel_shape", 2, (const int64_t[]){ 2, 2 });
	refused(b, "y", "right before a convolution", "padding with zeros before a MaxPool");

	b = onnx_build_new(1, 2, 4, 4);
	n = onnx_build_node(b, "Slice", "s", "w", "i", "i", "a", NULL);
	onnx_build_floats(b, "w", (const float[]){ 1, 2, 3 }, 3, -1);
	onnx_build_ints(b, "i", 2, (const int64_t[]){ 1, 1 });
	onnx_build_ints(b, "a", 2, (const int64_t[]){ 0, 0 });
	refused(b, "s", "twice", "an axis sliced twice");
}

/* One node of a million outputs, 2 bytes each. */
static void test_outputs(void)
{
	struct onnx_build *b = small();
	size_t i, n = (1u << 20) + 1;
	char **names = onnx_build_alloc(b, n * sizeof(*names));

	for (i = 0; i < n; i++)
		names[i] = (char *)"";
	names[0] = onnx_build_graph(b)->node[1]->output[0];
	onnx_build_graph(b)->node[1]->output = names;
	onnx_build_graph(b)->node[1]->n_output = n;
	refused(b, "y", "values", "a million outputs");
}

/* Names: each has one writer, and what is missing is told by name. */
static void test_names(void)
{
	struct onnx_build *b;
	Onnx__GraphProto *g;
	Onnx__ValueInfoProto *listed[2];

	b = small();
	onnx_build_node(b, "Relu", "z", "misspelled", NULL);
	refused(b, "z", "nothing before it writes its input 'misspelled'",
		"an input that no node writes");

	b = small();
	onnx_build_node(b, "Relu", "c", "y", NULL);
	refused(b, "c", "writes 'c', which is there already", "a value written twice");

	b = small();
	onnx_build_node(b, "Relu", "w", "y", NULL);
	refused(b, "w", "writes 'w', which is there already", "a node that writes its weights");

	b = small();
	onnx_build_floats(b, "w", (const float[]){ 1 }, 1, -1);
	refused(b, "y", "'w' is there twice", "two tensors of one name");

	/* Files from before IR version 4 list initializers as inputs. */
	b = small();
	g = onnx_build_graph(b);
	listed[0] = g->input[0];
	listed[1] = onnx_build_alloc(b, sizeof(*listed[1]));
	onnx__value_info_proto__init(listed[1]);
	listed[1]->name = g->initializer[0]->name;
	g->input = listed;
	g->n_input = 2;
	g->initializer[0]->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
	refused(b, "y", "'w' has element type 8",
		"a refused initializer that is listed as an input is no second picture");
}

static const struct {
	const char *op, *attr, *text, *what;
	int64_t value;
} modes[] = {
	{ "Softmax", "axis", "over the channels", "a Softmax along rows", 2 },
	{ "Softmax", "axis", "bad axis", "a Softmax along axis 4", 4 },
	{ "Reshape", "allowzero", "does not fit", "a Reshape to no rows", 1 },
	{ "Concat", "axis", "only channels", "rows set side by side", 2 },
	{ "Flatten", "axis", "bad axis", "a Flatten at axis 5", 5 },
	{ "Relu", "slope", "attribute 'slope' is not supported", "an unknown attribute", 1 },
	{ "Flatten", "ax", "attribute 'ax' is not supported", "a part of an attribute's name", 1 },
};

/* Where an attribute or input changes what an operator does. */
static void test_modes(void)
{
	struct onnx_build *b;
	Onnx__NodeProto *n;
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		b = small();
		onnx_build_ints(b, "s", 4, (const int64_t[]){ 0, 0, 4, 4 });
		onnx_attr_int_set(b, onnx_build_node(b, modes[i].op, "z", "y",
						     modes[i].op[0] == 'R' ? "s" : NULL, NULL),
				  modes[i].attr, modes[i].value);
		refused(b, "z", modes[i].text, modes[i].what);
	}
	b = small();
	onnx_build_floats(b, "ratio", (const float[]){ 0.5f }, -1);
	onnx_build_ints(b, "training", 1, (const int64_t[]){ 1 });
	onnx_build_node(b, "Dropout", "z", "y", "ratio", "training", NULL);
	refused(b, "z", "training_mode", "a Dropout that drops");

	b = small();
	onnx_build_floats(b, "two", (const float[]){ 1, 1 }, 2, -1);
	n = onnx_build_node(b, "BatchNormalization", "z", "y", "two", "two", "two", "two", NULL);
	n->output = onnx_build_alloc(b, 3 * sizeof(*n->output));
	n->output[0] = (char *)"z";
	n->output[1] = (char *)"";
	n->output[2] = (char *)"variance";
	n->n_output = 3;
	refused(b, "z", "only inference", "a BatchNormalization that learns");

	b = small();
	onnx_attr_string_set(b, onnx_build_graph(b)->node[0], "auto_pad", "SAME_OTHER");
	refused(b, "y", "auto_pad", "an unknown auto_pad");

	b = small();
	onnx_build_ints(b, "shape", 1, (const int64_t[]){ 4 });
	onnx_build_floats(b, "half", (const float[]){ 0.5f }, 1, -1);
	onnx_build_node(b, "ConstantOfShape", "zeros", "shape", NULL);
	onnx_build_node(b, "Slice", "cut", "zeros", "half", "shape", NULL);
	refused(b, "y", "not integers", "a slice from half an element on");

	b = small();
	onnx_build_floats(b, "weights", (const float[64]){ 1 }, 32, 2, -1);
	onnx_build_floats(b, "column", (const float[]){ 1, 2 }, 2, 1, -1);
	onnx_build_node(b, "Flatten", "flat", "y", NULL);
	onnx_build_node(b, "Gemm", "z", "flat", "weights", "column", NULL);
	refused(b, "z", "bias does not fit", "a bias down a column");

	b = small();
	onnx_build_floats(b, "infinite", (const float[]){ __builtin_inff() }, -1);
	onnx_build_node(b, "Clip", "z", "y", "infinite", NULL);
	refused(b, "z", "infinite", "a Clip to infinity");
}

/* Constants of no bytes that would take memory, time or integers without end. */
static void test_constants(void)
{
	struct onnx_build *b = onnx_build_new(1, 1, 128, 64);
	const int64_t empty[] = { 0, 1 << 28, 1 << 28, 1 << 28 };
	const int64_t rows[] = { 1 << 28, 0 };
	Onnx__NodeProto *n;
	int i;

	onnx_build_ints(b, "shape", 4, (const int64_t[]){ 1024, 1, 128, 64 });
	onnx_build_node(b, "ConstantOfShape", "w", "shape", NULL);
	onnx_build_node(b, "Conv", "y", "x", "w", NULL);
	onnx_build_node(b, "Conv", "z", "x", "w", NULL);
	refused(b, "y", "'y' (Conv): more than 64 MiB",
		"a layer's copy of weights that others read counts too");

	b = onnx_build_new(1, 4096, 1, 1);
	for (i = 0; i < 500; i++) {
		char in[16], out[16];

		snprintf(in, sizeof(in), i ? "y%d" : "x", i);
		snprintf(out, sizeof(out), "y%d", i + 1);
		onnx_build_node(b, "Relu", out, in, NULL);
	}
	{
		const uint8_t *data;
		size_t len;

		data = onnx_build_pack(b, "y500", &len);
		is_int(try_import(data, len), 0, "500 clamps of 4096 channels fit");
		onnx_build_free(b);
	}

	b = small();
	onnx_build_ints(b, "shape", 4, empty);
	onnx_build_node(b, "ConstantOfShape", "e", "shape", NULL);
	onnx_attr_int_set(b, onnx_build_node(b, "Flatten", "f", "e", NULL), "axis", 1);
	refused(b, "y", "bad shape", "a flattened constant of 0 x 2^84 elements");

	b = small();
	onnx_build_ints(b, "shape", 4, empty);
	onnx_build_node(b, "ConstantOfShape", "e", "shape", NULL);
	onnx_build_ints(b, "i", 1, (const int64_t[]){ 1 << 27 });
	onnx_build_ints(b, "axis", 1, (const int64_t[]){ 1 });
	onnx_build_node(b, "Slice", "s", "e", "i", "i", "axis", NULL);
	onnx_build_node(b, "Relu", "z", "s", NULL);
	refused(b, "z", "constant", "a slice of one");

	b = small();
	onnx_build_ints(b, "shape", 2, rows);
	onnx_build_node(b, "ConstantOfShape", "e", "shape", NULL);
	n = onnx_build_node(b, "Concat", "joined", "e", "e", NULL);
	n->n_input = 1 << 12;
	n->input = onnx_build_alloc(b, (size_t)n->n_input * sizeof(*n->input));
	for (i = 0; i < (int)n->n_input; i++)
		n->input[i] = (char *)"e";
	onnx_attr_int_set(b, n, "axis", 1);
	onnx_build_node(b, "Relu", "z", "joined", NULL);
	refused(b, "z", "constant", "4096 times 2^28 empty rows");
}

/* What a Conv, a BatchNormalization and a Gemm are given instead of what they need. */
static const struct {
	const char *op, *text, *what;
	int weights[6];		/* dimensions, -1 at the end */
	int others[3];		/* of further inputs */
} ranks[] = {
	{ "Conv", "4 dimensions", "weights of 3 dimensions", { 2, 2, 3, -1 }, { 2, -1 } },
	{ "Conv", "4 dimensions", "weights of 5 dimensions", { 2, 2, 1, 1, 3, -1 }, { 2, -1 } },
	{ "Conv", "kernel_shape", "weights of no rows", { 2, 2, 0, 3, -1 }, { 2, -1 } },
	{ "Conv", "do not fit", "weights for 3 channels", { 2, 3, 1, 1, -1 }, { 2, -1 } },
	{ "Conv", "bias does not fit", "a bias for 3 channels", { 2, 2, 1, 1, -1 }, { 3, -1 } },
	{ "BatchNormalization", "parameter 1", "a scale for 3 channels", { 3, -1 }, { 2, -1 } },
	{ "BatchNormalization", "parameter 2", "a shift for 3 channels", { 2, -1 }, { 3, -1 } },
	{ "Gemm", "2 dimensions", "weights of one dimension", { 6, -1 }, { 1, -1 } },
	{ "Gemm", "[1, values]", "a Gemm of a picture", { 6, 1, -1 }, { 1, -1 } },
};

static void test_ranks(void)
{
	static const float v[64];
	struct onnx_build *b;
	size_t i;

	for (i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
		const int *d = ranks[i].weights;

		b = onnx_build_new(1, 2, 6, 6);
		onnx_build_floats(b, "w", v, d[0], d[1], d[1] < 0 ? -1 : d[2],
				  d[1] < 0 || d[2] < 0 ? -1 : d[3],
				  d[1] < 0 || d[2] < 0 || d[3] < 0 ? -1 : d[4], -1);
		onnx_build_floats(b, "o", v, ranks[i].others[0], -1);
		onnx_build_node(b, ranks[i].op, "y", "x", "w", "o",
				ranks[i].op[0] == 'B' ? "o" : NULL, "o", NULL);
		refused(b, "y", ranks[i].text, ranks[i].what);
	}
}

static void test_graph(void)
{
	struct onnx_build *b = onnx_build_new(1, 2, 6, 6);
	Onnx__NodeProto *n;
	Onnx__GraphProto *g;

	onnx_build_node(b, "Add", "p", "x", "q", NULL);
	onnx_build_node(b, "Relu", "q", "p", NULL);
	refused(b, "q", "nothing before it writes its input 'q'", "two nodes in a circle");

	b = small();
	onnx_build_graph(b)->n_initializer = 0;
	refused(b, "y", "nothing before it writes its input 'w'", "weights that are not there");

	b = small();
	((float *)onnx_build_graph(b)->initializer[0]->raw_data.data)[5] = __builtin_inff();
	refused(b, "y", "infinite weights", "an infinite weight");

	b = small();
	n = onnx_build_graph(b)->node[1];
	n->output = onnx_build_alloc(b, 2 * sizeof(*n->output));
	n->output[0] = n->output[1] = (char *)"y";
	n->n_output = 2;
	refused(b, "y", "writes 'y' twice", "a node that writes one name twice");

	b = small();
	onnx_build_model(b)->opset_import[0]->version = 26;
	refused(b, "y", "operator set 26; the meaning of 1 to 25", "a later operator set");

	b = small();
	onnx_build_model(b)->n_opset_import = 0;
	refused(b, "y", "operator set 0", "no operator set");

	b = small();
	onnx_build_graph(b)->node[1]->domain = (char *)"com.example";
	refused(b, "y", "operator com.example.Relu is not supported", "another's Relu");

	b = small();
	g = onnx_build_graph(b);
	g->input[0]->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
	refused(b, "y", "element type 7; floats are expected", "a picture of integers");

	b = small();
	onnx_attr_float_set(b, onnx_build_graph(b)->node[0], "group", 2);
	refused(b, "y", "attribute group is of another type", "2.0 groups");

	b = small();
	onnx_attr_int_set(b, onnx_build_graph(b)->node[0], "group", 1);
	onnx_build_graph(b)->node[0]->attribute[0]->ref_attr_name = (char *)"groups";
	refused(b, "y", "of a function", "an attribute of a function around");

	b = small();
	onnx_build_graph(b)->node[0]->name = (char *)"\033[2J";
	onnx_build_graph(b)->node[0]->op_type = (char *)"Bell\a";
	refused(b, "y", "node '_[2J' (Bell_)", "a name that would clear the screen");

	b = small();
	onnx_build_graph(b)->input[0]->name = (char *)"\033[2J\n";
	onnx_build_graph(b)->input[0]->type->tensor_type->elem_type = 7;
	refused(b, "y", "input '_[2J_' is of element type 7", "an input's name that would");
}

/* As many nodes as are taken; @op stands for merging, dropping or joining them. */
static void long_chain(const char *op, size_t inputs, size_t count, int want, const char *what)
{
	struct onnx_build *b = onnx_build_new(1, 1, 1, 1);
	Onnx__GraphProto *g = onnx_build_graph(b);
	Onnx__NodeProto *nodes = onnx_build_alloc(b, count * sizeof(*nodes));
	const uint8_t *data;
	char *out = (char *)"x";
	size_t i, k, len;

	onnx_build_floats(b, "zero", (const float[]){ 0 }, -1);
	g->node = onnx_build_alloc(b, count * sizeof(*g->node));
	for (i = 0; i < count; i++) {
		Onnx__NodeProto *n = &nodes[i];

		onnx__node_proto__init(n);
		n->op_type = (char *)op;
		n->input = onnx_build_alloc(b, inputs * sizeof(*n->input));
		n->n_input = inputs;
		for (k = 0; k < inputs; k++)
			n->input[k] = k ? (char *)"zero" : out;
		out = onnx_build_alloc(b, 24);
		snprintf(out, 24, "n%zu", i);
		n->output = onnx_build_alloc(b, sizeof(*n->output));
		n->output[0] = out;
		n->n_output = 1;
		g->node[g->n_node++] = n;
	}
	data = onnx_build_pack(b, out, &len);
	if (!ok(try_import(data, len) == want, "%s", what))
		diag("%s", err.text);
	onnx_build_free(b);
}

/* What takes a second took minutes when it grew with the square; the alarm ends the program. */
static void test_time(void)
{
	struct onnx_build *b;
	int i;

	alarm(60);
	long_chain("Relu", 1, 16000, 0, "16000 clamps are merged");
	long_chain("Add", 2, 16000, 0, "16000 sums with 0 are dropped");
	long_chain("Identity", 1, 100000, -EINVAL, "100000 names for one tensor");
	long_chain("Mystery", 1, 100000, -EINVAL, "100000 unknown operators");

	b = small();
	onnx_build_ints(b, "shape", 3, (const int64_t[]){ 1 << 28, 1, 0 });
	onnx_build_ints(b, "shape2", 1, (const int64_t[]){ 1 << 20 });
	onnx_build_node(b, "ConstantOfShape", "e", "shape", NULL);
	onnx_build_node(b, "ConstantOfShape", "f", "shape2", NULL);
	onnx_attr_int_set(b, onnx_build_node(b, "Cast", "i", "f", NULL), "to", 7);
	for (i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "g%d", i);
		onnx_attr_int_set(b, onnx_build_node(b, "Gather", name, "e", "i", NULL), "axis", 1);
	}
	onnx_build_node(b, "Relu", "z", "g0", NULL);
	refused(b, "z", "constant", "2^48 rows of nothing gathered");
	alarm(0);
}

int main(void)
{
	test_truncated();
	test_flipped();
	test_bomb();
	test_many();
	test_merged();
	test_unsupported();
	test_shapes();
	test_size();
	test_meaning();
	test_outputs();
	test_names();
	test_modes();
	test_constants();
	test_ranks();
	test_graph();
	test_time();
	return tap_done();
}
