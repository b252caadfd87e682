// SPDX-License-Identifier: GPL-2.0
/*
 * Deficit round robin by card time. The rounds are not gone through but computed: a
 * deficit is how far behind the others one's weighted time is, and who is farthest behind is
 * next. So a long run costs its owner as many turns as it is worth at once, however many
 * there are, and who is new waits for no round to end.
 *
 * Runs are charged an estimate when they start, which puts their owner behind the
 * others at once, and the time that they took when they end. Who comes to wait starts from
 * the mean of those who do: idle time is no credit, but to have runs on the card is not to be
 * idle. The mean is of settled time only, so a wrong estimate harms nobody but its owner, and
 * that not for long.
 */
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/overflow.h>

#include "fair.h"

#define FQA_WEIGHT		16
#define FQA_RATE_SHIFT		10
#define FQA_RATE_NS		BIT_ULL(30)	/* the last second or so counts */
#define FQA_RATE_CYCLES		BIT_ULL(53)

/*
 * A card that is not as fast as its clock says would get parts that are too long, until it
 * has been measured: assume the worst. Parts that are too short cost little.
 */
#define FQA_RATE_CAUTION	32

void fqa_rate_init(struct fqa_rate *rate, u32 clock_khz)
{
	/* Little time, which the first runs outweigh. */
	rate->ns = FQA_RATE_CAUTION * 1000;
	rate->cycles = max(clock_khz / 1000, 1U);
}

void fqa_rate_learn(struct fqa_rate *rate, u64 ns, u64 cycles)
{
	if (!cycles || cycles > FQA_RATE_CYCLES)
		return;
	rate->ns += min(ns, FQA_COST_MAX_NS);
	rate->cycles += cycles;
	while (rate->ns > FQA_RATE_NS || rate->cycles > FQA_RATE_CYCLES) {
		rate->ns >>= 1;
		rate->cycles >>= 1;
	}
	rate->cycles = max(rate->cycles, 1ULL);
}

/* The time for @batch times @cycles, in ns. */
u64 fqa_rate_estimate(const struct fqa_rate *rate, u64 cycles, u32 batch)
{
	u64 each = div64_u64(rate->ns << FQA_RATE_SHIFT, max(rate->cycles, 1ULL));
	u64 ns;

	if (check_mul_overflow(cycles, (u64)batch, &ns) ||
	    check_mul_overflow(ns, max(each, 1ULL), &ns))
		return FQA_COST_MAX_NS;
	return min(ns >> FQA_RATE_SHIFT, FQA_COST_MAX_NS);
}

/* How many of @batch pictures, which take @ns, the card is to get at once: @most ns. */
u32 fqa_part_batch(u64 ns, u32 batch, u64 most)
{
	u64 parts;

	if (!most || ns <= most || batch <= 1)
		return batch;
	parts = min(div64_u64(ns - 1, most) + 1, (u64)FQA_MAX_PARTS);
	return DIV_ROUND_UP_ULL(batch, (u32)parts);
}

void fqa_fair_init(struct fqa_fair *fair)
{
	fair->tree = RB_ROOT_CACHED;
	fair->base = 0;
	fair->sum = 0;
	fair->weight = 0;
}

/* The weight is 16 >> @shift. */
void fqa_share_init(struct fqa_share *share, unsigned int shift)
{
	RB_CLEAR_NODE(&share->node);
	share->waiting = false;
	share->shift = shift;
	share->settled = 0;
	share->pending = 0;
}

static struct fqa_share *fqa_to_share(const struct rb_node *node)
{
	return rb_entry(node, struct fqa_share, node);
}

/* Times may wrap around, so only their differences mean something. */
static bool fqa_share_less(struct rb_node *a, const struct rb_node *b)
{
	const struct fqa_share *x = fqa_to_share(a), *y = fqa_to_share(b);

	return (s64)(x->settled + x->pending - y->settled - y->pending) < 0;
}

/*
 * Where the mean of those who wait is; equals are served in the order that they came. Rounded
 * up: or else newcomers without end could come just before one who would wait for ever.
 */
static u64 fqa_fair_mean(const struct fqa_fair *fair)
{
	s64 sum = fair->sum;

	if (!fair->weight)
		return fair->base;
	if (sum > 0)
		sum += fair->weight - 1;
	return fair->base + div_s64(sum, fair->weight);
}

static s64 fqa_share_sum(const struct fqa_fair *fair, const struct fqa_share *share)
{
	return (s64)(share->settled - fair->base) * (FQA_WEIGHT >> share->shift);
}

/* To be called before one waits; may be repeated. */
void fqa_fair_enter(struct fqa_fair *fair, struct fqa_share *share)
{
	u64 mean;

	if (share->waiting)
		return;
	mean = fqa_fair_mean(fair);
	/* So that the sum stays small. */
	fair->sum -= (s64)(mean - fair->base) * fair->weight;
	fair->base = mean;
	/* What it has on the card is not settled, but neither was it idle. */
	if ((s64)(share->settled + share->pending - mean) < 0)
		share->settled = mean - share->pending;
	share->waiting = true;
	fair->sum += fqa_share_sum(fair, share);
	fair->weight += FQA_WEIGHT >> share->shift;
	rb_add_cached(&share->node, &fair->tree, fqa_share_less);
}

/* It has nothing more to wait for; may be repeated. */
void fqa_fair_leave(struct fqa_fair *fair, struct fqa_share *share)
{
	if (!share->waiting)
		return;
	rb_erase_cached(&share->node, &fair->tree);
	RB_CLEAR_NODE(&share->node);
	share->waiting = false;
	fair->sum -= fqa_share_sum(fair, share);
	fair->weight -= FQA_WEIGHT >> share->shift;
	if (!fair->weight) {
		fair->base = share->settled;
		fair->sum = 0;
	}
}

/* Who is next, or NULL. */
struct fqa_share *fqa_fair_first(const struct fqa_fair *fair)
{
	struct rb_node *node = rb_first_cached(&fair->tree);

	return node ? fqa_to_share(node) : NULL;
}

/* Who would be after @share, or NULL. */
struct fqa_share *fqa_fair_next(struct fqa_share *share)
{
	struct rb_node *node = rb_next(&share->node);

	return node ? fqa_to_share(node) : NULL;
}

static u64 fqa_share_cost(const struct fqa_share *share, u64 ns)
{
	return clamp(ns, FQA_COST_MIN_NS, FQA_COST_MAX_NS) << share->shift;
}

static void fqa_fair_charge(struct fqa_fair *fair, struct fqa_share *share, u64 settled,
			    u64 pending)
{
	if (!share->waiting) {
		share->settled += settled;
		share->pending += pending;
		return;
	}
	rb_erase_cached(&share->node, &fair->tree);
	share->settled += settled;
	share->pending += pending;
	fair->sum += (s64)settled * (FQA_WEIGHT >> share->shift);
	rb_add_cached(&share->node, &fair->tree, fqa_share_less);
}

/* A run starts that is estimated to take @ns: what fqa_fair_end() has to be told. */
u64 fqa_fair_start(struct fqa_fair *fair, struct fqa_share *share, u64 ns)
{
	u64 cost = fqa_share_cost(share, ns);

	fqa_fair_charge(fair, share, 0, cost);
	return cost;
}

/* A run that fqa_fair_start() returned @cost for has taken @ns. */
void fqa_fair_end(struct fqa_fair *fair, struct fqa_share *share, u64 cost, u64 ns)
{
	fqa_fair_charge(fair, share, fqa_share_cost(share, ns), -cost);
}
