// SPDX-License-Identifier: MIT
/*
 * Imports models and runs them by the float executor on the picture beside each, and compares
 * with the answer beside that (families.py): "run_cases FOLDER" takes FOLDER/cases.
 */
#include <math.h>
#include <unistd.h>

#include "net/exec.h"
#include "net/onnx.h"
#include "tap.h"

/* Of the largest score: both sides sum in float32, in different orders. */
#define BOUND	1e-4

static float *floats_read(const char *path, size_t *count)
{
	FILE *f = fopen(path, "rb");
	float *v = NULL;
	long size = -1;

	if (f && !fseek(f, 0, SEEK_END))
		size = ftell(f);
	if (size > 0 && !fseek(f, 0, SEEK_SET))
		v = malloc((size_t)size);
	*count = v ? (size_t)size / sizeof(*v) : 0;
	if (v && fread(v, sizeof(*v), *count, f) != *count)
		bail("%s: can't be read", path);
	if (f)
		fclose(f);
	return v;
}

/* The largest difference as a part of the largest score; infinite where anything is missing. */
static double difference(const struct net *net, const float *io, size_t count)
{
	size_t in = net_tensor_elements(&net->tensors[0]), i;
	size_t out = net_tensor_elements(&net->tensors[net->output]);
	struct net_state *s = net_state_create(net);
	double worst = INFINITY, largest = 0;

	if (s && in + out == count) {
		memcpy(s->tensors[0], io, in * sizeof(*io));
		worst = net_state_run(s) ? INFINITY : 0;
		for (i = 0; i < out; i++) {
			double d = fabs((double)s->tensors[net->output][i] - io[in + i]);

			worst = d <= worst ? worst : d;		/* a NaN is no agreement */
			largest = fmax(largest, fabs(io[in + i]));
		}
	}
	net_state_destroy(s);
	return worst / largest;
}

static void check(const char *model, const char *io_path)
{
	static struct net_error err;
	struct net *net;
	float *io;
	size_t count;
	double d;

	if (onnx_import_file(model, &net, NULL, &err)) {
		ok(false, "%s is imported", model);
		diag("%s", err.text);
		return;
	}
	io = floats_read(io_path, &count);
	d = difference(net, io, count);
	ok(d < BOUND, "%s: %u layers, differs from torch by %.1e", model, net->layer_count, d);
	free(io);
	net_destroy(net);
}

int main(int argc, char **argv)
{
	char model[256], io[256];
	FILE *f;

	if (argc != 2 || chdir(argv[1]))
		bail("usage: run_cases FOLDER");
	f = fopen("cases", "r");
	if (!f)
		bail("%s/cases: can't be read", argv[1]);
	while (fscanf(f, "%255s %255s", model, io) == 2)
		check(model, io);
	fclose(f);
	return tap_done();
}
