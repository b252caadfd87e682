/* SPDX-License-Identifier: MIT */
/* From a network's output to classes. */
#ifndef TOOLS_CLASSIFY_H
#define TOOLS_CLASSIFY_H

#include <stdint.h>

#include "fqaccel.h"

struct ranked {
	uint32_t class;
	int32_t logit;		/* as the card wrote it */
	double score;		/* softmax of the logits times their scale, in percent */
};

/** output_element() - element @i of an output tensor, whatever its type. */
int32_t output_element(const struct fqaccel_tensor_info *t, const void *output, uint32_t i);

/** output_elements() - how many it has. */
uint32_t output_elements(const struct fqaccel_tensor_info *t);

/**
 * classify_top() - the likeliest classes, in order; ties go to the lower class (FORMAT.md)
 * @top: room for @k
 * Return: how many were filled: @k, or the number of elements if that is smaller.
 */
uint32_t classify_top(const struct fqaccel_tensor_info *t, const void *output, uint32_t k,
		      struct ranked *top);

/** classify_rank() - how many classes come before @label, in the same order. */
uint32_t classify_rank(const struct fqaccel_tensor_info *t, const void *output, uint32_t label);

#endif
