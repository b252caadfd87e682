// SPDX-License-Identifier: MIT
/*
 * Which convolutions in single precision a layer of integers takes (tnet_private.h): the fewest whose
 * sums all stay below 2^24.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "tnet_private.h"

#define SINGLE_EXACT	((uint64_t)1 << 24)	/* all integers below are floats */
#define SUM_MAX		0x1p47			/* FORMAT.md section 7: below it requantizing fits 64 bits */
#define BLOCK		1024			/* weights whose sum fits 32 bits */

/* The most over the output channels of sum (|w| >> from & mask of to - from bits), by from and to. */
struct norms {
	uint64_t most[TNET_WEIGHT_BITS * (TNET_WEIGHT_BITS + 1)];
};

static uint64_t *norm_at(uint64_t *most, unsigned int from, unsigned int to)
{
	return &most[from * (TNET_WEIGHT_BITS + 1) + to];
}

/* The largest sum |w| of an output channel; INFINITY where one is no number. */
static double norm_whole(const float *w, size_t outputs, size_t sum)
{
	double largest = 0;
	size_t c;

#pragma omp parallel for reduction(max : largest)
	for (c = 0; c < outputs; c++) {
		const float *row = w + c * sum;
		double norm = 0;
		size_t k;

		/* Of integers, so in any order. */
#pragma omp simd reduction(+ : norm)
		for (k = 0; k < sum; k++)
			norm += fabsf(row[k]);
		/* Not a number is not below any bound either. */
		norm = norm < SUM_MAX ? norm : INFINITY;
		largest = norm > largest ? norm : largest;
	}
	return largest;
}

/* Adds sums of what remains of the magnitudes without their lowest bits. */
static void above_add(const float *w, size_t n, uint64_t *above)
{
	uint32_t m[BLOCK], sum;
	unsigned int b;
	size_t k;

	for (k = 0; k < n; k++)
		m[k] = (uint32_t)(int32_t)fabsf(w[k]);
	for (b = 0; b < TNET_WEIGHT_BITS; b++) {
		for (sum = 0, k = 0; k < n; k++)
			sum += m[k] >> b;
		above[b] += sum;
	}
}

/* A digit's sum is a difference of two of these. */
static void norms_add(const float *w, size_t sum, uint64_t *most)
{
	uint64_t above[TNET_WEIGHT_BITS + 1] = { 0 }, norm, *at;
	unsigned int from, to;
	size_t k;

	for (k = 0; k < sum; k += BLOCK)
		above_add(w + k, sum - k < BLOCK ? sum - k : BLOCK, above);
	for (from = 0; from < TNET_WEIGHT_BITS; from++)
		for (to = from + 1; to <= TNET_WEIGHT_BITS; to++) {
			norm = above[from] - (above[to] << (to - from));
			at = norm_at(most, from, to);
			*at = norm > *at ? norm : *at;
		}
}

/* Return: whether all weights are below 2^TNET_WEIGHT_BITS. */
static bool norms_measure(const float *w, size_t outputs, size_t sum, struct norms *n)
{
	uint64_t *most = n->most;
	bool small = true;
	size_t c, k;

	for (k = 0; k < outputs * sum; k++)
		small &= fabsf(w[k]) < (float)(1 << TNET_WEIGHT_BITS);
	if (!small)
		return false;
	memset(n, 0, sizeof(*n));
#pragma omp parallel for reduction(max : most[:TNET_WEIGHT_BITS * (TNET_WEIGHT_BITS + 1)])
	for (c = 0; c < outputs; c++)
		norms_add(w + c * sum, sum, most);
	return true;
}

/*
 * Digits of the weights for a digit of the input of at most @largest: from the lowest bit up, each as
 * many bits as sums allow, which gives the fewest, as a part of what fits also fits. Bits that no
 * weight has are in none.
 *
 * Return: how many; 0: even one bit is too much.
 */
static unsigned int weight_digits(struct norms *n, uint64_t largest, struct tnet_digit *digits)
{
	uint64_t limit = (SINGLE_EXACT - 1) / largest;
	unsigned int count = 0, from = 0, to;

	while (from < TNET_WEIGHT_BITS) {
		if (!*norm_at(n->most, from, from + 1)) {
			from++;
			continue;
		}
		for (to = from; to < TNET_WEIGHT_BITS; to++)
			if (*norm_at(n->most, from, to + 1) > limit)
				break;
		if (to == from)
			return 0;
		digits[count++] = (struct tnet_digit){ from, to - from };
		from = to;
	}
	return count;
}

/* Of @bits bits from @from on, of integers up to @bound. */
static uint64_t digit_largest(uint64_t bound, unsigned int from, unsigned int bits)
{
	uint64_t mask = ((uint64_t)1 << bits) - 1, above = bound >> from;

	return above < mask ? above : mask;
}

/*
 * The input's digits, each with its own digits of the weights: from the highest bit down, what the
 * rest takes at least is known.
 *
 * Return: 0, or -ERANGE: one bit of each is too much.
 */
static int input_digits(struct norms *n, uint64_t bound, struct tnet_digits *d)
{
	unsigned int least[TNET_INPUT_BITS + 1] = { 0 }, take[TNET_INPUT_BITS], top = 0, from, bits, i;
	struct tnet_digit w[TNET_WEIGHT_BITS];

	while (bound >> top)
		top++;
	for (from = top; from--;) {
		least[from] = 0;
		for (bits = top - from; bits; bits--) {
			unsigned int k = weight_digits(n, digit_largest(bound, from, bits), w);
			unsigned int rest = least[from + bits];

			if (!k || (least[from] && k + rest >= least[from]))
				continue;
			least[from] = k + rest;
			take[from] = bits;
		}
		if (!least[from])
			return -ERANGE;
	}
	d->count = 0;
	for (from = 0; from < top; from += take[from]) {
		unsigned int k = weight_digits(n, digit_largest(bound, from, take[from]), w);

		for (i = 0; i < k; i++)
			d->part[d->count++] = (struct tnet_part){ { from, take[from] }, w[i] };
	}
	return 0;
}

int tnet_digits_plan(const float *w, size_t outputs, size_t sum, uint64_t bound,
		     struct tnet_digits *d)
{
	double norm = norm_whole(w, outputs, sum);
	struct norms n;

	if (!(norm * (double)bound < SUM_MAX) || bound >> TNET_INPUT_BITS)
		return -ERANGE;
	d->largest = (uint64_t)norm * bound;
	d->count = 0;
	if (d->largest < SINGLE_EXACT)
		return 0;
	if (!norms_measure(w, outputs, sum, &n))
		return -ERANGE;
	return input_digits(&n, bound, d);
}
