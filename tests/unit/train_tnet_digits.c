// SPDX-License-Identifier: MIT
/*
 * The digits that layers of integers are computed in: together they are input times weights, no sum
 * passes 2^24, and there are no fewer; the latter against all ways there are.
 */
#include <errno.h>
#include <math.h>

#include "tap.h"
#include "train/tnet_private.h"
#include "train_nets.h"

#define EXACT		((uint64_t)1 << 24)
#define MAX_WEIGHTS	((size_t)1 << 20)
#define TRIALS		60
#define BITS		10
#define MAX_BITS	(BITS + 4)

static float w[MAX_WEIGHTS];
static struct tnet_digits d;

static uint64_t digit_of(uint64_t v, struct tnet_digit g)
{
	return v >> g.from & (((uint64_t)1 << g.bits) - 1);
}

/* The largest of the digits @g of 0 to @bound. */
static uint64_t digit_most(uint64_t bound, struct tnet_digit g)
{
	uint64_t most = 0, x;

	for (x = 0; x <= bound; x++)
		most = digit_of(x, g) > most ? digit_of(x, g) : most;
	return most;
}

static uint64_t norm_most(size_t outputs, size_t sum, struct tnet_digit g)
{
	uint64_t most = 0;
	size_t c, k;

	for (c = 0; c < outputs; c++) {
		uint64_t norm = 0;

		for (k = c * sum; k < (c + 1) * sum; k++)
			norm += digit_of((uint64_t)fabsf(w[k]), g);
		most = norm > most ? norm : most;
	}
	return most;
}

/* Each weight times @x is its parts', whose sums are small. */
static bool plan_exact(size_t outputs, size_t sum, uint64_t bound, uint64_t x)
{
	unsigned int i;
	size_t k;

	for (k = 0; k < outputs * sum; k++) {
		uint64_t m = (uint64_t)fabsf(w[k]), got = 0;

		for (i = 0; i < d.count; i++)
			got += digit_of(x, d.part[i].x) * digit_of(m, d.part[i].w)
			       << (d.part[i].x.from + d.part[i].w.from);
		if (got != m * x)
			return false;
	}
	for (i = 0; i < d.count; i++)
		if (norm_most(outputs, sum, d.part[i].w) * digit_most(bound, d.part[i].x) >= EXACT)
			return false;
	return true;
}

/*
 * Of all cuts of the weights' @bits bits (a bit of @cuts: one above it) the fewest digits but 0.
 * @norms: of digits, by where they begin and end
 */
static unsigned int fewest_weights(uint64_t norms[MAX_BITS][MAX_BITS + 1], unsigned int bits,
				   uint64_t largest)
{
	unsigned int best = UINT32_MAX, cuts, from, to, count;

	for (cuts = 0; cuts < 1u << (bits - 1); cuts++) {
		for (from = count = 0; from < bits; from = to) {
			for (to = from + 1; to < bits && !(cuts >> (to - 1) & 1);)
				to++;
			if (norms[from][to] * largest >= EXACT)
				break;
			count += norms[from][to] > 0;
		}
		best = from == bits && count < best ? count : best;
	}
	return best;
}

static unsigned int fewest(size_t outputs, size_t sum, unsigned int bits, uint64_t bound)
{
	unsigned int best = UINT32_MAX, top = 0, cuts, from, to, count, k;
	static unsigned int known[256];	/* by the input digit's largest */
	static uint64_t norms[MAX_BITS][MAX_BITS + 1];

	memset(known, 0, sizeof(known));
	for (from = 0; from < bits; from++)
		for (to = from + 1; to <= bits; to++)
			norms[from][to] = norm_most(outputs, sum,
						    (struct tnet_digit){ from, to - from });
	while (bound >> top)
		top++;
	for (cuts = 0; cuts < 1u << (top - 1); cuts++) {
		for (from = count = 0; from < top; from = to) {
			uint64_t largest;

			for (to = from + 1; to < top && !(cuts >> (to - 1) & 1);)
				to++;
			largest = digit_most(bound, (struct tnet_digit){ from, to - from });
			if (!known[largest])
				known[largest] = fewest_weights(norms, bits, largest);
			k = known[largest];
			if (k == UINT32_MAX)
				break;
			count += k;
		}
		best = from == top && count < best ? count : best;
	}
	return best;
}

/* Weights of @bits bits @low bits up; few are large where @sparse. */
static void draw(uint64_t seed, size_t n, unsigned int bits, unsigned int low, bool sparse)
{
	float top = (float)((1 << bits) - 1);
	size_t k;

	for (k = 0; k < n; k++) {
		float v = (float)train_net_normal(seed, 0, k) * ldexpf(1, (int)bits - (sparse ? 5 : 2));

		v = truncf(fminf(fmaxf(v, -top), top));
		w[k] = ldexpf(k % 37 || !sparse ? v : copysignf(top, v), (int)low);
	}
}

static void test_fewest(void)
{
	unsigned int i, most = 0, wrong = 0, inexact = 0, seen[20] = { 0 };

	for (i = 0; i < TRIALS; i++) {
		size_t outputs = 1 + i % 2, sum = (size_t)100 << (i % 9);
		uint64_t bound = i % 3 ? 255 : 128;
		unsigned int low = i % 5, want;

		draw(i, outputs * sum, BITS, low, i % 4 < 2);
		if (tnet_digits_plan(w, outputs, sum, bound, &d))
			bail("a plan is refused");
		if (!d.count) {
			inexact += norm_most(outputs, sum, (struct tnet_digit){ 0, 20 }) * bound >= EXACT;
			seen[0]++;
			continue;
		}
		want = fewest(outputs, sum, BITS + low, bound);
		if (d.count != want) {
			diag("trial %u: %u convolutions, %u suffice", i, d.count, want);
			wrong++;
		}
		inexact += !plan_exact(outputs, sum, bound, bound) || !plan_exact(outputs, sum, bound, 85);
		seen[d.count]++;
		most = d.count > most ? d.count : most;
	}
	ok(!wrong, "no plan has more convolutions than are needed (at most %u)", most);
	ok(!inexact, "all are exact");
	ok(seen[0] && seen[1] && seen[2] && most >= 3, "whole, without bits that no weight has, in digits");
}

/* The last sums that FORMAT.md allows, and one beyond each limit. */
static void test_limits(void)
{
	const float top = (1 << 20) - 1;
	size_t k;

	for (k = 0; k < MAX_WEIGHTS; k++)
		w[k] = k % 2 ? -top : top;
	is_int(tnet_digits_plan(w, 1, MAX_WEIGHTS / 2, 256, &d), 0, "a sum just below 2^47");
	ok(plan_exact(1, MAX_WEIGHTS / 2, 256, 255) && plan_exact(1, MAX_WEIGHTS / 2, 256, 256),
	   "is exact, by %u convolutions", d.count);
	is_int(tnet_digits_plan(w, 1, MAX_WEIGHTS / 2, 257, &d), -ERANGE, "one beyond is refused");
	is_int(tnet_digits_plan(w, 1, 8, (EXACT - 1), &d), 0, "an input of 24 bits");
	ok(d.count && d.part[d.count - 1].x.from + d.part[d.count - 1].x.bits == 24,
	   "all of its bits are taken");
	is_int(tnet_digits_plan(w, 1, 8, EXACT, &d), -ERANGE, "one of 25 is refused");
	w[0] = top + 1;
	is_int(tnet_digits_plan(w, 1, 8, 255, &d), -ERANGE, "a weight of 2^20, too");
	w[0] = NAN;
	is_int(tnet_digits_plan(w, 2, 4, 255, &d), -ERANGE, "and one that is no number");
}

int main(void)
{
	test_fewest();
	test_limits();
	return tap_done();
}
