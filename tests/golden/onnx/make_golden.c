// SPDX-License-Identifier: MIT
/*
 * Writes the ONNX files beside it: small.onnx, a network of every kind of layer on 3 x 32 x 32
 * pictures with 10 outputs, and unsupported.onnx, the same with operators that are refused.
 *
 * Usage: make_golden_onnx FOLDER
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/rng.h"
#include "../../unit/onnx_build.h"

static uint64_t stream;

/* Uniform weights that keep activations at about the same size. */
static void weights(struct onnx_build *b, const char *name, int o, int i, int k)
{
	size_t n = (size_t)(o * i * k * k), j;
	float *w = malloc(n * sizeof(*w));

	if (!w)
		abort();
	stream++;
	for (j = 0; j < n; j++)
		w[j] = (float)((2 * rng_uniform(1, stream, j) - 1) * 2.5 / sqrt(i * k * k));
	onnx_build_floats(b, name, w, o, i, k, k, -1);
	free(w);
}

static void vector(struct onnx_build *b, const char *name, int n, float low, float high)
{
	float v[64];
	int j;

	stream++;
	for (j = 0; j < n; j++)
		v[j] = low + (high - low) * (float)rng_uniform(1, stream, (uint64_t)j);
	onnx_build_floats(b, name, v, n, -1);
}

static void pads(struct onnx_build *b, Onnx__NodeProto *n)
{
	onnx_attr_ints_set(b, n, "pads", 4, (const int64_t[]){ 1, 1, 1, 1 });
}

static void window(struct onnx_build *b, Onnx__NodeProto *n)
{
	onnx_attr_ints_set(b, n, "kernel_shape", 2, (const int64_t[]){ 2, 2 });
	onnx_attr_ints_set(b, n, "strides", 2, (const int64_t[]){ 2, 2 });
}

static struct onnx_build *network(void)
{
	struct onnx_build *b = onnx_build_new(0, 3, 32, 32);
	float fc[10 * 24];
	int i;

	weights(b, "w1", 12, 3, 3);
	weights(b, "w2", 12, 1, 3);
	weights(b, "w3", 12, 12, 1);
	weights(b, "w4", 12, 12, 3);
	vector(b, "b1", 12, -0.1f, 0.3f);
	vector(b, "scale", 12, 0.7f, 1.4f);
	vector(b, "shift", 12, -0.2f, 0.4f);
	vector(b, "mean", 12, -0.2f, 0.2f);
	vector(b, "var", 12, 0.5f, 1.5f);
	vector(b, "b5", 10, -0.3f, 0.3f);
	for (i = 0; i < 240; i++)
		fc[i] = (float)(2 * rng_uniform(1, 99, (uint64_t)i) - 1);
	onnx_build_floats(b, "w5", fc, 10, 24, -1);
	pads(b, onnx_build_node(b, "Conv", "c1", "x", "w1", "b1", NULL));
	onnx_build_node(b, "Relu", "r1", "c1", NULL);
	window(b, onnx_build_node(b, "MaxPool", "p1", "r1", NULL));
	{
		Onnx__NodeProto *n = onnx_build_node(b, "Conv", "c2", "p1", "w2", NULL);

		pads(b, n);
		onnx_attr_int_set(b, n, "group", 12);
	}
	onnx_build_node(b, "BatchNormalization", "n2", "c2", "scale", "shift", "mean", "var", NULL);
	onnx_build_node(b, "Relu", "r2", "n2", NULL);
	onnx_build_node(b, "Conv", "c3", "r2", "w3", NULL);
	onnx_build_node(b, "Add", "a3", "c3", "p1", NULL);
	onnx_build_node(b, "Relu", "r3", "a3", NULL);
	window(b, onnx_build_node(b, "AveragePool", "p3", "r3", NULL));
	pads(b, onnx_build_node(b, "Conv", "c4", "p3", "w4", NULL));
	onnx_build_node(b, "Relu", "r4", "c4", NULL);
	onnx_attr_int_set(b, onnx_build_node(b, "Concat", "k4", "p3", "r4", NULL), "axis", 1);
	onnx_build_node(b, "GlobalAveragePool", "g4", "k4", NULL);
	onnx_build_node(b, "Flatten", "f4", "g4", NULL);
	onnx_attr_int_set(b, onnx_build_node(b, "Gemm", "y", "f4", "w5", "b5", NULL), "transB", 1);
	return b;
}

static int save(const char *folder, const char *name, struct onnx_build *b, const char *output)
{
	const uint8_t *data;
	char path[512];
	size_t len;
	FILE *f;
	int rc = 1;

	data = onnx_build_pack(b, output, &len);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "wb");
	if (f && fwrite(data, 1, len, f) == len)
		rc = 0;
	if (f && fclose(f))
		rc = 1;
	if (rc)
		perror(path);
	onnx_build_free(b);
	return rc;
}

int main(int argc, char **argv)
{
	struct onnx_build *b;

	if (argc != 2) {
		fputs("usage: make_golden_onnx FOLDER\n", stderr);
		return 2;
	}
	b = network();
	onnx_build_node(b, "Softmax", "probabilities", "y", NULL);
	if (save(argv[1], "small.onnx", b, "probabilities"))
		return 1;
	b = network();
	onnx_build_node(b, "Sigmoid", "s", "y", NULL);
	onnx_build_node(b, "Einsum", "e", "r3", "r1", NULL);
	return save(argv[1], "unsupported.onnx", b, "s");
}
