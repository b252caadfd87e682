/* SPDX-License-Identifier: MIT */
/* The inner loops of the fast executor, one set for each instruction set. */
#ifndef CARD_GEMM_H
#define CARD_GEMM_H

#include "exec.h"

#define GEMM_ROWS	4	/* sequences that are broadcast */
#define GEMM_LANES	32	/* sequences that lie side by side in a tile */

/* How a sum becomes an element of the output: FORMAT.md section 7 for one channel. */
struct gemm_finish {
	int32_t scale;
	int64_t bias;		/* Bias << B */
	uint32_t shift;
	int32_t min, max;
};

/* One more term of a sum: @weights . b[@pair], as in multiply(). */
struct gemm_term {
	uint32_t pair;
	int32_t weights;
};

struct gemm_kernel {
	const char *name;
	/*
	 * acc[i][p] = sum over k of a[i][k] . b[k][p], where an element of a is a pair of int16 in
	 * 32 bits (the first one low), one of b two int16 side by side, and . the
	 * sum of the two products. Modulo 2^32, so a sum that fits 31 bits and its sign is exact
	 * whatever happens on the way.
	 */
	void (*multiply)(const int32_t *const a[GEMM_ROWS], const int16_t *b, uint32_t pairs,
			 int32_t acc[GEMM_ROWS][GEMM_LANES]);
	/* acc[p] += the terms' products with b. */
	void (*add)(const struct gemm_term *terms, uint32_t count, const int16_t *b,
		    int32_t acc[GEMM_LANES]);
	/* Requantize @count sums to 8-bit elements. */
	void (*finish)(const struct gemm_finish *f, const int32_t *acc, uint32_t count,
		       uint8_t *out);
};

/** card_gemm_kernel() - the kernels that this processor has, slowest first; NULL at their end. */
const struct gemm_kernel *card_gemm_kernel(unsigned int index);

/** card_gemm_requantize() - one element, from a wide sum. */
static inline int64_t card_gemm_requantize(const struct gemm_finish *f, int64_t acc)
{
	int64_t v = acc * f->scale + f->bias;
	int64_t sign = v >> 63;
	uint64_t half = f->shift ? UINT64_C(1) << (f->shift - 1) : 0;
	int64_t r = (int64_t)(((uint64_t)((v ^ sign) - sign) + half) >> f->shift);

	r = (r ^ sign) - sign;
	r = r < f->min ? f->min : r;
	return r > f->max ? f->max : r;
}

#endif
