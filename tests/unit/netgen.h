/* SPDX-License-Identifier: MIT */
/* Random networks as .fqz images, the same for the same seed. */
#ifndef NETGEN_H
#define NETGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netgen_options {
	uint32_t seed;
	uint32_t layers;	/* about so many; 1 to 200 */
	uint32_t channels;	/* of the input 3; of other tensors at most this, 2 to 4096 */
	uint32_t size;		/* rows and columns of the input: around this, 1 to 1024 */
	bool extreme;		/* weights near 2^20, few of them 0: sums beyond 32 bits */
	uint32_t kind;		/* enum fqz_kind: prefer it; 0: all kinds alike */
};

/** netgen_random() - a small generator; @state is any number. */
uint32_t netgen_random(uint64_t *state);

/**
 * netgen_image() - write an image
 * @data: malloc()ed, the caller frees it
 * Return: 0 or a negative errno; @what then says why.
 */
int netgen_image(const struct netgen_options *opt, void **data, size_t *len,
		 const char **what);

#endif
