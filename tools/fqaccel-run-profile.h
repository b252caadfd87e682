/* SPDX-License-Identifier: MIT */
/* fqaccel-run --profile: what each layer costs. */
#ifndef TOOLS_RUN_PROFILE_H
#define TOOLS_RUN_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "fqaccel.h"

struct profile_layer {
	uint64_t cycles;	/* of the card, whole batch */
	double host_ms;		/* of this machine, from submit to completion */
	uint64_t out_bytes;	/* live after it, one picture */
};

/**
 * profile_run() - run each layer by itself, on what the ones before left
 * @input:  @batch pictures, as the network takes them
 * @layers: room for info.layers; filled
 * Return: 0, or a negative errno with fqaccel_error().
 */
int profile_run(struct fqaccel_card *card, struct fqaccel_model *model, const void *input,
		uint32_t batch, struct profile_layer *layers);

#endif
