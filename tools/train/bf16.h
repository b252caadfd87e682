/* SPDX-License-Identifier: MIT */
/* bfloat16: the upper half of a single precision number. */
#ifndef TRAIN_BF16_H
#define TRAIN_BF16_H

#include <stdint.h>
#include <string.h>

static inline float bf16_load(uint16_t v)
{
	uint32_t bits = (uint32_t)v << 16;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

/* To the nearest, ties to even; a NaN stays one. */
static inline uint16_t bf16_store(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return f != f ? (uint16_t)(bits >> 16 | 0x40) :
	       (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
