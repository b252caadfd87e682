// SPDX-License-Identifier: MIT
/*
 * libFuzzer target for the ONNX reader: whatever the bytes, an import must end in a
 * network that can be run or in an error with a text.
 */
#include <stdlib.h>
#include <string.h>

#include "net/exec.h"
#include "net/onnx.h"

#define FUZZ_ACTIVATIONS	(1u << 16)	/* networks that are run are kept small */
#define FUZZ_PRODUCTS		(1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(int condition)
{
	if (!condition)
		abort();
}

static void run(const struct net *net)
{
	uint64_t activations = 0, products = 0;
	struct net_state *s;
	uint32_t i;

	for (i = 0; i < net->tensor_count; i++)
		activations += net_tensor_elements(&net->tensors[i]);
	for (i = 0; i < net->layer_count; i++) {
		const struct net_layer *l = &net->layers[i];
		const struct net_tensor *t = &net->tensors[l->out];

		/* The shape that net_simplify() promises. */
		demand(l->out == i + 1 && l->in_count && l->kind != NET_PAD);
		demand(l->in[0] < l->out && l->in[l->in_count - 1] < l->out);
		products += net_layer_weights(net, l) * t->h * t->w;
		products += (uint64_t)l->kernel_h * l->kernel_w * net_tensor_elements(t);
	}
	demand(net->output == net->layer_count);
	if (activations > FUZZ_ACTIVATIONS || products > FUZZ_PRODUCTS)
		return;
	s = net_state_create(net);
	if (!s)
		return;
	memset(s->tensors[0], 0, net_tensor_elements(&net->tensors[0]) * sizeof(float));
	demand(net_state_run(s) != -22);
	net_state_destroy(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct net_error err;
	struct net *net;
	int rc;

	err.text[0] = '\0';
	rc = onnx_import_memory(data, len, &net, &err);
	demand(rc ? !net && err.text[0] : net != NULL);
	if (!rc)
		run(net);
	net_destroy(net);
	return 0;
}
