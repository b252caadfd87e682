/* SPDX-License-Identifier: MIT */
/*
 * One set of inner loops; gemm.c includes this once for each instruction set, with
 *	GEMM_NAME(x)	the functions' names
 *	GEMM_TARGET	their attributes
 *	GEMM_VECTOR	a vector type, of GEMM_WIDTH 32-bit lanes
 *	GEMM_LOAD, GEMM_STORE, GEMM_SET1, GEMM_ZERO, GEMM_MADD(acc, x, w)
 */

GEMM_TARGET
static void GEMM_NAME(multiply)(const int32_t *const a[GEMM_ROWS], const int16_t *b,
				uint32_t pairs, int32_t acc[GEMM_ROWS][GEMM_LANES])
{
	const int32_t *a0 = a[0], *a1 = a[1], *a2 = a[2], *a3 = a[3];
	uint32_t p, k;

	for (p = 0; p < GEMM_LANES; p += 2 * GEMM_WIDTH) {
		GEMM_VECTOR s00 = GEMM_ZERO, s01 = GEMM_ZERO, s10 = GEMM_ZERO, s11 = GEMM_ZERO;
		GEMM_VECTOR s20 = GEMM_ZERO, s21 = GEMM_ZERO, s30 = GEMM_ZERO, s31 = GEMM_ZERO;
		const int16_t *x = b + 2 * p;

		for (k = 0; k < pairs; k++, x += 2 * GEMM_LANES) {
			GEMM_VECTOR x0 = GEMM_LOAD(x), x1 = GEMM_LOAD(x + 2 * GEMM_WIDTH);
			GEMM_VECTOR w;

			w = GEMM_SET1(a0[k]);
			s00 = GEMM_MADD(s00, x0, w);
			s01 = GEMM_MADD(s01, x1, w);
			w = GEMM_SET1(a1[k]);
			s10 = GEMM_MADD(s10, x0, w);
			s11 = GEMM_MADD(s11, x1, w);
			w = GEMM_SET1(a2[k]);
			s20 = GEMM_MADD(s20, x0, w);
			s21 = GEMM_MADD(s21, x1, w);
			w = GEMM_SET1(a3[k]);
			s30 = GEMM_MADD(s30, x0, w);
			s31 = GEMM_MADD(s31, x1, w);
		}
		GEMM_STORE(&acc[0][p], s00);
		GEMM_STORE(&acc[0][p + GEMM_WIDTH], s01);
		GEMM_STORE(&acc[1][p], s10);
		GEMM_STORE(&acc[1][p + GEMM_WIDTH], s11);
		GEMM_STORE(&acc[2][p], s20);
		GEMM_STORE(&acc[2][p + GEMM_WIDTH], s21);
		GEMM_STORE(&acc[3][p], s30);
		GEMM_STORE(&acc[3][p + GEMM_WIDTH], s31);
	}
}

GEMM_TARGET
static void GEMM_NAME(add)(const struct gemm_term *terms, uint32_t count, const int16_t *b,
			   int32_t acc[GEMM_LANES])
{
	uint32_t p, i;

	for (p = 0; p < GEMM_LANES; p += GEMM_WIDTH) {
		GEMM_VECTOR sum = GEMM_LOAD(&acc[p]);

		for (i = 0; i < count; i++) {
			const int16_t *x = b + (size_t)terms[i].pair * 2 * GEMM_LANES + 2 * p;

			sum = GEMM_MADD(sum, GEMM_LOAD(x), GEMM_SET1(terms[i].weights));
		}
		GEMM_STORE(&acc[p], sum);
	}
}

GEMM_TARGET
static void GEMM_NAME(finish)(const struct gemm_finish *f, const int32_t *acc, uint32_t count,
			      uint8_t *out)
{
	const struct gemm_finish g = *f;
	uint32_t i;

	for (i = 0; i < count; i++)
		out[i] = (uint8_t)card_gemm_requantize(&g, acc[i]);
}

#undef GEMM_NAME
#undef GEMM_TARGET
#undef GEMM_VECTOR
#undef GEMM_WIDTH
#undef GEMM_LOAD
#undef GEMM_STORE
#undef GEMM_SET1
#undef GEMM_ZERO
#undef GEMM_MADD
