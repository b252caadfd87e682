/* SPDX-License-Identifier: MIT */
/* The inner loops for the instruction sets there are, and the choice among them. */
#include "gemm.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define GEMM_NAME(x)		sse2_##x
#define GEMM_TARGET
#define GEMM_VECTOR		__m128i
#define GEMM_WIDTH		4
#define GEMM_LOAD(p)		_mm_loadu_si128((const __m128i *)(p))
#define GEMM_STORE(p, v)	_mm_storeu_si128((__m128i *)(p), v)
#define GEMM_SET1(w)		_mm_set1_epi32(w)
#define GEMM_ZERO		_mm_setzero_si128()
#define GEMM_MADD(acc, x, w)	_mm_add_epi32(acc, _mm_madd_epi16(x, w))
#include "gemm_template.h"

#define GEMM_NAME(x)		avx2_##x
#define GEMM_TARGET		__attribute__((target("avx2")))
#define GEMM_VECTOR		__m256i
#define GEMM_WIDTH		8
#define GEMM_LOAD(p)		_mm256_loadu_si256((const __m256i *)(p))
#define GEMM_STORE(p, v)	_mm256_storeu_si256((__m256i *)(p), v)
#define GEMM_SET1(w)		_mm256_set1_epi32(w)
#define GEMM_ZERO		_mm256_setzero_si256()
#define GEMM_MADD(acc, x, w)	_mm256_add_epi32(acc, _mm256_madd_epi16(x, w))
#include "gemm_template.h"

#define GEMM_NAME(x)		avx512_##x
#define GEMM_TARGET		__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define GEMM_VECTOR		__m512i
#define GEMM_WIDTH		16
#define GEMM_LOAD(p)		_mm512_loadu_si512((const void *)(p))
#define GEMM_STORE(p, v)	_mm512_storeu_si512((void *)(p), v)
#define GEMM_SET1(w)		_mm512_set1_epi32(w)
#define GEMM_ZERO		_mm512_setzero_si512()
#define GEMM_MADD(acc, x, w)	_mm512_add_epi32(acc, _mm512_madd_epi16(x, w))
#include "gemm_template.h"

static const struct gemm_kernel sse2 = { "sse2", sse2_multiply, sse2_add, sse2_finish };
static const struct gemm_kernel avx2 = { "avx2", avx2_multiply, avx2_add, avx2_finish };
static const struct gemm_kernel avx512 = { "avx512", avx512_multiply, avx512_add, avx512_finish };

const struct gemm_kernel *card_gemm_kernel(unsigned int index)
{
	switch (index) {
	case 0:
		return &sse2;
	case 1:
		return __builtin_cpu_supports("avx2") ? &avx2 : NULL;
	case 2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") ?
		       &avx512 : NULL;
	default:
		return NULL;
	}
}

#else

static void plain_multiply(const int32_t *const a[GEMM_ROWS], const int16_t *b, uint32_t pairs,
			   int32_t acc[GEMM_ROWS][GEMM_LANES])
{
	uint32_t sum[GEMM_LANES], i, p, k;

	for (i = 0; i < GEMM_ROWS; i++) {
		for (p = 0; p < GEMM_LANES; p++)
			sum[p] = 0;
		for (k = 0; k < pairs; k++) {
			int32_t low = (int16_t)a[i][k], high = a[i][k] >> 16;
			const int16_t *x = b + 2 * GEMM_LANES * (uint64_t)k;

			for (p = 0; p < GEMM_LANES; p++)
				sum[p] += (uint32_t)(low * x[2 * p]) +
					  (uint32_t)(high * x[2 * p + 1]);
		}
		for (p = 0; p < GEMM_LANES; p++)
			acc[i][p] = (int32_t)sum[p];
	}
}

static void plain_add(const struct gemm_term *terms, uint32_t count, const int16_t *b,
		      int32_t acc[GEMM_LANES])
{
	uint32_t i, p;

	for (i = 0; i < count; i++) {
		int32_t low = (int16_t)terms[i].weights, high = terms[i].weights >> 16;
		const int16_t *x = b + (size_t)terms[i].pair * 2 * GEMM_LANES;

		for (p = 0; p < GEMM_LANES; p++)
			acc[p] = (int32_t)((uint32_t)acc[p] + (uint32_t)(low * x[2 * p]) +
					   (uint32_t)(high * x[2 * p + 1]));
	}
}

static void plain_finish(const struct gemm_finish *f, const int32_t *acc, uint32_t count,
			 uint8_t *out)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		out[i] = (uint8_t)card_gemm_requantize(f, acc[i]);
}

static const struct gemm_kernel plain = { "plain", plain_multiply, plain_add, plain_finish };

const struct gemm_kernel *card_gemm_kernel(unsigned int index)
{
	return index ? NULL : &plain;
}

#endif
