// SPDX-License-Identifier: MIT
/* From a network's output to classes. */
#include "classify.h"

#include <math.h>
#include <string.h>

uint32_t output_elements(const struct fqaccel_tensor_info *t)
{
	return t->c * t->h * t->w;
}

int32_t output_element(const struct fqaccel_tensor_info *t, const void *output, uint32_t i)
{
	int32_t v;

	switch (t->type) {
	case FQACCEL_U8:
		return ((const uint8_t *)output)[i];
	case FQACCEL_S8:
		return ((const int8_t *)output)[i];
	default:
		memcpy(&v, (const char *)output + (size_t)i * sizeof(v), sizeof(v));
		return v;
	}
}

/* Puts an element into the list where it belongs, if it does. */
static uint32_t insert(struct ranked *top, uint32_t n, uint32_t k, uint32_t class, int32_t logit)
{
	uint32_t at = n;

	while (at && top[at - 1].logit < logit)
		at--;
	if (at == k)
		return n;
	if (n < k)
		n++;
	memmove(&top[at + 1], &top[at], (n - at - 1) * sizeof(*top));
	top[at] = (struct ranked){ .class = class, .logit = logit };
	return n;
}

uint32_t classify_top(const struct fqaccel_tensor_info *t, const void *output, uint32_t k,
		      struct ranked *top)
{
	uint32_t count = output_elements(t), n = 0, i;
	double sum = 0;

	if (!k)
		return 0;
	for (i = 0; i < count; i++)
		n = insert(top, n, k, i, output_element(t, output, i));
	/* Relative to the largest one, so that exp() cannot overflow. */
	for (i = 0; i < count; i++)
		sum += exp(((double)output_element(t, output, i) - top[0].logit) * t->scale);
	for (i = 0; i < n; i++)
		top[i].score = 100 * exp(((double)top[i].logit - top[0].logit) * t->scale) / sum;
	return n;
}

uint32_t classify_rank(const struct fqaccel_tensor_info *t, const void *output, uint32_t label)
{
	int32_t own = output_element(t, output, label), v;
	uint32_t count = output_elements(t), rank = 0, i;

	for (i = 0; i < count; i++) {
		v = output_element(t, output, i);
		if (v > own || (v == own && i < label))
			rank++;
	}
	return rank;
}
