/* SPDX-License-Identifier: MIT */
/* A counter-based generator: a number is a function of its key, whoever asks and when. */
#ifndef NET_RNG_H
#define NET_RNG_H

#include <stdint.h>

/* SplitMix64's finalizer: a bijection whose output bits depend on every input bit. */
static inline uint64_t rng_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static inline uint64_t rng_bits(uint64_t seed, uint64_t stream, uint64_t counter)
{
	return rng_mix(rng_mix(rng_mix(seed) ^ stream) ^ counter);
}

/* Uniform in [0, 1), 53 bits. */
static inline double rng_uniform(uint64_t seed, uint64_t stream, uint64_t counter)
{
	return (double)(rng_bits(seed, stream, counter) >> 11) * 0x1p-53;
}

#endif
