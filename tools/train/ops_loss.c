// SPDX-License-Identifier: MIT
/* Cross entropy: small, so in double precision on one thread. */
#include <math.h>

#include "ops.h"

/* The lowest of the largest; 0 where there is a NaN. */
static size_t row_largest(const float *x, size_t classes)
{
	size_t best = 0, i;

	for (i = 1; i < classes; i++)
		if (x[i] > x[best])
			best = i;
	return best;
}

double ops_softmax_loss(const float *logits, const uint16_t *labels, size_t n, size_t classes,
			float smoothing, float *dx, size_t *correct)
{
	double spread = (double)smoothing / (double)classes, loss = 0;
	size_t r, i, right = 0;

	for (r = 0; r < n; r++) {
		const float *x = logits + r * classes;
		size_t largest = row_largest(x, classes);
		double shift = (double)x[largest], sum = 0, all = 0, log_sum;

		for (i = 0; i < classes; i++) {
			sum += exp((double)x[i] - shift);
			all += (double)x[i] - shift;
		}
		log_sum = log(sum);
		loss += log_sum - (1 - (double)smoothing) * ((double)x[labels[r]] - shift) -
			spread * all;
		right += !isnan(sum) && largest == labels[r];
		for (i = 0; dx && i < classes; i++) {
			double p = exp((double)x[i] - shift - log_sum);
			double target = spread + (i == labels[r] ? 1 - (double)smoothing : 0);

			dx[r * classes + i] = (float)((p - target) / (double)n);
		}
	}
	if (correct)
		*correct = right;
	return loss / (double)n;
}
