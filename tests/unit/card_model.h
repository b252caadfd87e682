/* SPDX-License-Identifier: MIT */
/* A card with one network loaded, and what the reference executor says of it. */
#ifndef CARD_MODEL_H
#define CARD_MODEL_H

#include "card_host.h"
#include "card/exec.h"
#include "netgen.h"

struct model {
	void *image;
	size_t len;
	struct card_model *m;		/* built by the reference executor */
	uint64_t in_bytes, out_bytes;	/* of one picture, all layers */
	uint8_t *in, *out;		/* of @pictures pictures; out: by the reference */
	unsigned int pictures;
};

/** model_init() - a random network and @pictures random pictures with their outputs. */
void model_init(struct model *t, const struct netgen_options *opt, unsigned int pictures);
void model_exit(struct model *t);

#endif
