// SPDX-License-Identifier: MIT
/* Symbols and the weights that they stand for: FORMAT.md section 6.1. */
#include "fqz_private.h"

#define MAX_OFFSET	18	/* of First_Exponent, Mean_Neg, Mean_Pos */
#define WEIGHT_BITS	20	/* |w| stays below 2^20 */

uint32_t fqz_exponent_count(enum fqz_mode mode, uint32_t bits)
{
	uint32_t k;

	if (bits < 3 || bits > 8)
		return 0;
	if (mode == FQZ_SHIFT)
		k = bits - 2;
	else if (mode == FQZ_RECENTRALIZED)
		k = bits - 3;
	else
		return 0;
	return k < 4 ? 1u << k : 16;
}

uint32_t fqz_layer_alphabet(const struct fqz_layer *l)
{
	if (l->mode == FQZ_SHIFT)
		return 1 + 2 * l->exponent_count;
	return 3 + 4 * l->exponent_count;
}

static void component_weights(const struct fqz_layer *l, int32_t mean, int32_t *weights)
{
	uint32_t e;

	weights[0] = mean;
	for (e = 0; e < l->exponent_count; e++) {
		int32_t power = INT32_C(1) << (l->first_exponent + e);

		weights[1 + 2 * e] = mean + power;
		weights[2 + 2 * e] = mean - power;
	}
}

void fqz_layer_weights(const struct fqz_layer *l, int32_t weights[FQZ_MAX_ALPHABET])
{
	uint32_t e;

	memset(weights, 0, FQZ_MAX_ALPHABET * sizeof(weights[0]));
	if (l->mode == FQZ_SHIFT) {
		for (e = 0; e < l->exponent_count; e++) {
			weights[1 + 2 * e] = INT32_C(1) << (l->first_exponent + e);
			weights[2 + 2 * e] = -weights[1 + 2 * e];
		}
		return;
	}
	component_weights(l, -(INT32_C(1) << l->mean_neg), weights + 1);
	component_weights(l, INT32_C(1) << l->mean_pos, weights + 2 + 2 * l->exponent_count);
}

unsigned int fqz_alphabet_check(const struct fqz_layer *l, const char **what)
{
	bool recentralized = l->mode == FQZ_RECENTRALIZED;
	uint32_t smallest = l->first_exponent;
	uint64_t largest;

	*what = "Exponent_Count is not the E of the mode and the bits";
	if (l->exponent_count != fqz_exponent_count(l->mode, l->bits))
		return FQZ_L_EXPONENT_COUNT;
	*what = "an exponent is above 18";
	if (l->first_exponent > MAX_OFFSET)
		return FQZ_L_FIRST_EXPONENT;
	if (recentralized && l->mean_neg > MAX_OFFSET)
		return FQZ_L_MEAN_NEG;
	if (recentralized && l->mean_pos > MAX_OFFSET)
		return FQZ_L_MEAN_POS;

	largest = UINT64_C(1) << (l->first_exponent + l->exponent_count - 1);
	if (recentralized) {
		uint32_t mean = l->mean_neg > l->mean_pos ? l->mean_neg : l->mean_pos;

		largest += UINT64_C(1) << mean;
		if (smallest > l->mean_neg)
			smallest = l->mean_neg;
		if (smallest > l->mean_pos)
			smallest = l->mean_pos;
	}
	*what = "the smallest of the exponents is not 0";
	if (smallest)
		return FQZ_L_FIRST_EXPONENT;
	*what = "the largest weight is not below 2^20";
	if (largest >> WEIGHT_BITS)
		return FQZ_L_FIRST_EXPONENT;
	return 0;
}
