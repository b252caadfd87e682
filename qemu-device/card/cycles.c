/* SPDX-License-Identifier: MIT */
/* What the modeled hardware takes, CARD.md section 8. */
#include "exec.h"

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

static uint64_t layer_compute(const struct card_model *m, const struct card_layer *l,
			      uint32_t lanes)
{
	const struct fqz_layer *d = &l->desc;
	const struct card_tensor *out = &m->tensors[d->output];

	switch (d->kind) {
	case FQZ_CONV:
	case FQZ_FC:
		return divide_up(l->nonzero * out->h * out->w, lanes);
	case FQZ_MAXPOOL:
	case FQZ_AVGPOOL:
		return divide_up((uint64_t)d->kernel_h * d->kernel_w * out->elements, lanes);
	case FQZ_SUMPOOL:
		return divide_up(m->tensors[d->inputs[0]].elements, lanes);
	default:
		return divide_up(out->elements, lanes);
	}
}

uint64_t card_layer_cycles(const struct card_model *m, const struct card_layer *l,
			   uint32_t lanes)
{
	const struct fqz_layer *d = &l->desc;
	uint64_t compute = layer_compute(m, l, lanes), most = compute;
	uint64_t memory = (uint64_t)m->tensors[d->output].bytes;
	uint64_t decode = 0;
	uint32_t i;

	for (i = 0; i < d->input_count; i++)
		memory += m->tensors[d->inputs[i]].bytes;
	if (fqz_layer_has_weights(d)) {
		memory += d->stream_size;
		decode = divide_up((uint64_t)d->outputs * d->inputs_per_output, 64);
	}
	memory = divide_up(memory, 64);
	if (decode > most)
		most = decode;
	if (memory > most)
		most = memory;
	return 32 + most;
}
