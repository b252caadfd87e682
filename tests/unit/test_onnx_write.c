// SPDX-License-Identifier: MIT
/*
 * Float networks written as ONNX files and read again: the same outputs, names and sizes. With a folder
 * as argument the files are left there, for others to judge (tests/ort/write.t).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail_alloc.h"
#include "net/exec.h"
#include "net/onnx.h"
#include "net/onnx_write.h"
#include "tap.h"
#include "train_nets.h"

#define TOLERANCE	1e-6	/* of the largest output */

static struct net_error err;

static const char *folder;	/* NULL: nothing is left */

static void keep(const char *name, const char *suffix, const void *data, size_t len)
{
	char path[512];
	FILE *f;

	if (!folder)
		return;
	snprintf(path, sizeof(path), "%s/%s.%s", folder, name, suffix);
	f = fopen(path, "wb");
	ok(f && fwrite(data, 1, len, f) == len, "%s.%s is left in the folder", name, suffix);
	if (f)
		fclose(f);
}

/* The largest difference of outputs, over the largest output. */
static double difference(const char *name, const struct net *a, const struct net *b)
{
	struct net_state *s[2] = { net_state_create(a), net_state_create(b) };
	size_t n = net_tensor_elements(&a->tensors[a->input]), i;
	size_t m = net_tensor_elements(&a->tensors[a->output]);
	double most = 0, largest = 0;

	if (!s[0] || !s[1])
		bail("out of memory");
	for (i = 0; i < n; i++)
		s[0]->tensors[a->input][i] = s[1]->tensors[b->input][i] =
			(float)(0.5 + 0.5 * sin((double)i * 1.7));
	if (net_state_run(s[0]) || net_state_run(s[1]))
		bail("out of memory");
	keep(name, "in", s[0]->tensors[a->input], n * sizeof(float));
	keep(name, "out", s[0]->tensors[a->output], m * sizeof(float));
	for (i = 0; i < m; i++) {
		double v = s[0]->tensors[a->output][i], w = s[1]->tensors[b->output][i];

		largest = fmax(largest, fabs(v));
		most = fmax(most, fabs(v - w));
	}
	net_state_destroy(s[0]);
	net_state_destroy(s[1]);
	return largest > 0 ? most / largest : INFINITY;
}

/* Layers by name: those with weights must be found again by the same. */
static unsigned int missing_names(const struct net *a, const struct net *b)
{
	unsigned int missing = 0;
	uint32_t i, k;

	for (i = 0; i < a->layer_count; i++) {
		if (!net_layer_has_weights(&a->layers[i]))
			continue;
		for (k = 0; k < b->layer_count; k++)
			if (!strcmp(a->layers[i].name, b->layers[k].name) &&
			    net_layer_weights(a, &a->layers[i]) ==
			    net_layer_weights(b, &b->layers[k]))
				break;
		missing += k == b->layer_count;
	}
	return missing;
}

static void round_trip(const char *name, const struct net *want, const struct net *written)
{
	struct net *back = NULL;
	void *data = NULL;
	size_t len;
	double d;

	if (!ok(!onnx_write(written, name, "test", &data, &len, &err), "%s: written", name)) {
		diag("%s", err.text);
		return;
	}
	keep(name, "onnx", data, len);
	if (ok(!onnx_import_memory(data, len, &back, &err), "%s: read again", name)) {
		d = difference(name, want, back);
		ok(d < TOLERANCE, "%s: outputs differ by %.2g", name, d);
		is_int(missing_names(want, back), 0, "layers that lost their name");
	} else {
		diag("%s", err.text);
	}
	free(data);
	net_destroy(back);
}

static void name_layers(struct net *net)
{
	char text[32];
	uint32_t i;

	for (i = 0; i < net->layer_count; i++) {
		snprintf(text, sizeof(text), "layer %u", i);
		free(net->layers[i].name);
		net->layers[i].name = net_name(text);
	}
}

/* Bounds of all kinds, those that are no ReLU too. */
static void check_bounds(void)
{
	static const float pairs[][2] = { { 0, INFINITY }, { 0, 6 }, { -0.5f, INFINITY },
					  { -INFINITY, 0.25f }, { -1, 1 } };
	char name[32];
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct net *net = train_net(TRAIN_NET_PLAIN, 40 + i);
		uint32_t k;

		name_layers(net);
		for (k = 1; k + 1 < net->layer_count; k++)
			if (net->layers[k].kind != NET_MAXPOOL) {
				net->layers[k].act_min = pairs[i][0];
				net->layers[k].act_max = pairs[i][1];
			}
		snprintf(name, sizeof(name), "bounds%zu", i);
		round_trip(name, net, net);
		net_destroy(net);
	}
}

static void add_layer(struct net *net, struct net_layer *l, uint32_t c, uint32_t h, uint32_t w)
{
	l->in[0] = net->tensor_count - 1;
	l->in_count = 1;
	l->out = net->tensor_count;
	if (net_add_tensor(net, "t", c, h, w, &err) < 0 || net_add_layer(net, l, &err))
		bail("%s", err.text);
	net->output = l->out;
}

/* Padding of its own, as it is before net_simplify(). */
static struct net *padded(void)
{
	struct net *net = net_create();
	struct net_layer l;
	size_t i;

	if (!net || net_add_tensor(net, "x", 2, 5, 6, &err) < 0)
		bail("out of memory");
	net_layer_init(&l, NET_PAD);
	l.name = (char *)"pad";
	l.pad_top = 1;
	l.pad_right = 2;
	add_layer(net, &l, 2, 6, 8);
	net_layer_init(&l, NET_CONV);
	l.name = (char *)"conv";
	l.kernel_h = l.kernel_w = 3;
	l.weight = calloc(4 * 2 * 9, sizeof(float));
	l.bias = calloc(4, sizeof(float));
	for (i = 0; i < 72; i++)
		l.weight[i] = (float)cos((double)i);
	add_layer(net, &l, 4, 4, 6);
	return net;
}

static void check_pad(void)
{
	struct net *raw = padded(), *simple = padded();

	ok(!net_simplify(simple, &err), "padding is folded");
	round_trip("padded", simple, raw);
	net_destroy(raw);
	net_destroy(simple);
}

static void check_refusal(void)
{
	struct net *net = train_net(TRAIN_NET_PLAIN, 1);
	void *data = NULL;
	size_t len;

	name_layers(net);
	net->layers[3].weight[7] = NAN;
	is_int(onnx_write(net, "nan", "test", &data, &len, &err), -EINVAL, "weights that are no numbers");
	is_str(err.text, "layer 3 (conv layer 3): its parameters are not finite", "and why");
	ok(!data, "nothing is written");
	net_destroy(net);
}

static void check_memory(void)
{
	struct net *net = train_net(TRAIN_NET_BRANCHES, 1);
	void *data = NULL;
	bool right = true;
	size_t len;
	int rc = 1;
	long i;

	for (i = 0; rc && i < 100000; i++) {
		err.text[0] = '\0';
		fail_alloc(i);
		rc = onnx_write(net, "memory", "test", &data, &len, &err);
		if (fail_alloc_end() && rc)
			right &= rc == -ENOMEM && strstr(err.text, "out of memory") && !data;
	}
	ok(right && i > 100 && data, "each of %ld allocations fails once", i - 1);
	free(data);
	net_destroy(net);
}

int main(int argc, char **argv)
{
	int i;

	folder = argc > 1 ? argv[1] : NULL;
	for (i = 0; i < TRAIN_NETS; i++) {
		struct net *net = train_net((enum train_nets)i, 7);

		name_layers(net);
		round_trip(train_nets_names[i], net, net);
		net_destroy(net);
	}
	check_bounds();
	check_pad();
	check_refusal();
	check_memory();
	return tap_done();
}
