// SPDX-License-Identifier: GPL-2.0
/* The arithmetic of card time: estimates, parts, whose turn it is. */
#include "kunit.h"

#define FQA_KUNIT_MS		(1000ULL * 1000)
#define FQA_KUNIT_SHARES	3

static void fqa_kunit_rate(struct kunit *test)
{
	struct fqa_rate rate;
	unsigned int i;

	fqa_rate_init(&rate, 0);
	KUNIT_EXPECT_GT(test, fqa_rate_estimate(&rate, 1000, 1), 0ULL);
	fqa_rate_init(&rate, 200 * 1000);
	/* Learns 50 ns for each cycle, and another rate within some seconds. */
	for (i = 0; i < 100; i++)
		fqa_rate_learn(&rate, 50 * FQA_KUNIT_MS, FQA_KUNIT_MS);
	KUNIT_EXPECT_GE(test, fqa_rate_estimate(&rate, 10000, 10), 4900ULL * 1000);
	KUNIT_EXPECT_LE(test, fqa_rate_estimate(&rate, 10000, 10), 5100ULL * 1000);
	for (i = 0; i < 200; i++)
		fqa_rate_learn(&rate, 100 * FQA_KUNIT_MS, FQA_KUNIT_MS);
	KUNIT_EXPECT_GE(test, fqa_rate_estimate(&rate, 10000, 10), 9800ULL * 1000);
	KUNIT_EXPECT_LE(test, fqa_rate_estimate(&rate, 10000, 10), 10200ULL * 1000);
}

/* What a card or a model says may be absurd. */
static void fqa_kunit_rate_bounds(struct kunit *test)
{
	struct fqa_rate rate;
	unsigned int i;
	u64 before;

	fqa_rate_init(&rate, U32_MAX);
	KUNIT_EXPECT_EQ(test, fqa_rate_estimate(&rate, U64_MAX, 1), FQA_COST_MAX_NS);
	KUNIT_EXPECT_EQ(test, fqa_rate_estimate(&rate, U64_MAX, U32_MAX), FQA_COST_MAX_NS);
	KUNIT_EXPECT_EQ(test, fqa_rate_estimate(&rate, 0, U32_MAX), 0ULL);
	before = fqa_rate_estimate(&rate, FQA_KUNIT_MS, 1);
	fqa_rate_learn(&rate, FQA_KUNIT_MS, 0);
	fqa_rate_learn(&rate, FQA_KUNIT_MS, U64_MAX);
	KUNIT_EXPECT_EQ(test, fqa_rate_estimate(&rate, FQA_KUNIT_MS, 1), before);
	for (i = 0; i < 100; i++)
		fqa_rate_learn(&rate, U64_MAX, 1);
	KUNIT_EXPECT_LE(test, rate.ns, BIT_ULL(40));
	KUNIT_EXPECT_GT(test, rate.cycles, 0ULL);
	KUNIT_EXPECT_EQ(test, fqa_rate_estimate(&rate, BIT_ULL(40), U32_MAX), FQA_COST_MAX_NS);
	for (i = 0; i < 100; i++)
		fqa_rate_learn(&rate, 0, BIT_ULL(53));
	KUNIT_EXPECT_LE(test, fqa_rate_estimate(&rate, 1, 1), FQA_KUNIT_MS);
}

static void fqa_kunit_parts(struct kunit *test)
{
	static const u32 batches[] = { 1, 2, 3, 64, 1000, FQA_MAX_BATCH };
	u64 most = 100 * FQA_KUNIT_MS, ns;
	unsigned int i, n;
	u32 batch, part;

	for (i = 0; i < ARRAY_SIZE(batches); i++) {
		batch = batches[i];
		KUNIT_EXPECT_EQ(test, fqa_part_batch(0, batch, most), batch);
		KUNIT_EXPECT_EQ(test, fqa_part_batch(most, batch, most), batch);
		KUNIT_EXPECT_EQ(test, fqa_part_batch(U64_MAX, batch, 0), batch);
		KUNIT_EXPECT_EQ(test, fqa_part_batch(most + 1, batch, most),
				batch == 1 ? 1 : DIV_ROUND_UP(batch, 2));
		for (ns = most; ns && ns < FQA_COST_MAX_NS; ns *= 3) {
			part = fqa_part_batch(ns, batch, most);
			KUNIT_ASSERT_GE(test, part, 1U);
			KUNIT_ASSERT_LE(test, part, batch);
			n = DIV_ROUND_UP(batch, part);
			KUNIT_ASSERT_LE(test, n, (unsigned int)FQA_MAX_PARTS);
			/* Not longer than it may be, but by one picture. */
			if (part > 1 && n < FQA_MAX_PARTS / 2)
				KUNIT_ASSERT_LE(test, (part - 1) * div_u64(ns, batch), most);
		}
		part = fqa_part_batch(U64_MAX, batch, most);
		KUNIT_EXPECT_LE(test, DIV_ROUND_UP(batch, part), FQA_MAX_PARTS);
	}
}

struct fqa_kunit_fairness {
	struct fqa_fair fair;
	struct fqa_share shares[FQA_KUNIT_SHARES];
	u64 had[FQA_KUNIT_SHARES];	/* card time, in ns */
};

static struct fqa_kunit_fairness *fqa_kunit_fairness(struct kunit *test, const unsigned int *shifts)
{
	struct fqa_kunit_fairness *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	fqa_fair_init(&f->fair);
	/* So that times wrap around in the test. */
	f->fair.base = -(s64)(50 * FQA_KUNIT_MS);
	for (i = 0; i < FQA_KUNIT_SHARES; i++) {
		fqa_share_init(&f->shares[i], shifts[i]);
		f->shares[i].settled = f->fair.base;
	}
	return f;
}

/* Who is next gets a run, which has been estimated to take @estimate. Returns who. */
static unsigned int fqa_kunit_turn(struct kunit *test, struct fqa_kunit_fairness *f,
				   const u64 *ns, u64 estimate)
{
	struct fqa_share *share = fqa_fair_first(&f->fair);
	unsigned int who;
	u64 cost;

	KUNIT_ASSERT_NOT_NULL(test, share);
	who = share - f->shares;
	KUNIT_ASSERT_LT(test, who, (unsigned int)FQA_KUNIT_SHARES);
	cost = fqa_fair_start(&f->fair, share, estimate);
	fqa_fair_end(&f->fair, share, cost, ns[who]);
	f->had[who] += ns[who];
	return who;
}

static void fqa_kunit_within(struct kunit *test, u64 got, u64 want)
{
	KUNIT_EXPECT_GE(test, got, want - div_u64(want, 50));
	KUNIT_EXPECT_LE(test, got, want + div_u64(want, 50));
}

/* Runs of very different lengths, estimated badly: the same time for all. */
static void fqa_kunit_equal(struct kunit *test)
{
	static const unsigned int shifts[FQA_KUNIT_SHARES] = { 2, 2, 2 };
	static const u64 ns[FQA_KUNIT_SHARES] = {
		FQA_KUNIT_MS / 10, FQA_KUNIT_MS, 7 * FQA_KUNIT_MS
	};
	struct fqa_kunit_fairness *f = fqa_kunit_fairness(test, shifts);
	unsigned int i;

	for (i = 0; i < FQA_KUNIT_SHARES; i++)
		fqa_fair_enter(&f->fair, &f->shares[i]);
	for (i = 0; i < 20000; i++)
		fqa_kunit_turn(test, f, ns, 3 * FQA_KUNIT_MS);
	fqa_kunit_within(test, f->had[1], f->had[0]);
	fqa_kunit_within(test, f->had[2], f->had[0]);
}

static void fqa_kunit_weights(struct kunit *test)
{
	static const unsigned int shifts[FQA_KUNIT_SHARES] = { 0, 2, 4 };
	static const u64 ns[FQA_KUNIT_SHARES] = {
		FQA_KUNIT_MS, FQA_KUNIT_MS, FQA_KUNIT_MS
	};
	struct fqa_kunit_fairness *f = fqa_kunit_fairness(test, shifts);
	unsigned int i, longest = 0, since = 0;

	for (i = 0; i < FQA_KUNIT_SHARES; i++)
		fqa_fair_enter(&f->fair, &f->shares[i]);
	for (i = 0; i < 21000; i++) {
		since = fqa_kunit_turn(test, f, ns, FQA_KUNIT_MS) == 2 ? 0 : since + 1;
		longest = max(longest, since);
	}
	fqa_kunit_within(test, f->had[0], 16 * f->had[2]);
	fqa_kunit_within(test, f->had[1], 4 * f->had[2]);
	/* The lowest never waits for much more than one round. */
	KUNIT_EXPECT_LE(test, longest, 45U);
}

/* Who has slept has no claim to the time that the others had meanwhile, and no debt. */
static void fqa_kunit_idle(struct kunit *test)
{
	static const unsigned int shifts[FQA_KUNIT_SHARES] = { 2, 2, 2 };
	static const u64 ns[FQA_KUNIT_SHARES] = {
		FQA_KUNIT_MS, FQA_KUNIT_MS, FQA_KUNIT_MS
	};
	struct fqa_kunit_fairness *f = fqa_kunit_fairness(test, shifts);
	unsigned int i, turns = 0;

	KUNIT_EXPECT_NULL(test, fqa_fair_first(&f->fair));
	fqa_fair_enter(&f->fair, &f->shares[0]);
	fqa_fair_enter(&f->fair, &f->shares[1]);
	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_LT(test, fqa_kunit_turn(test, f, ns, FQA_KUNIT_MS), 2U);
	fqa_fair_enter(&f->fair, &f->shares[2]);
	fqa_fair_enter(&f->fair, &f->shares[2]);
	for (i = 0; i < 30; i++)
		turns += fqa_kunit_turn(test, f, ns, FQA_KUNIT_MS) == 2;
	KUNIT_EXPECT_GE(test, turns, 9U);
	KUNIT_EXPECT_LE(test, turns, 12U);
	fqa_fair_leave(&f->fair, &f->shares[2]);
	fqa_fair_leave(&f->fair, &f->shares[2]);
	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_LT(test, fqa_kunit_turn(test, f, ns, FQA_KUNIT_MS), 2U);
	fqa_fair_leave(&f->fair, &f->shares[0]);
	fqa_fair_leave(&f->fair, &f->shares[1]);
	KUNIT_EXPECT_NULL(test, fqa_fair_first(&f->fair));
	KUNIT_EXPECT_EQ(test, f->fair.weight, 0U);
}

/* A run that is under way counts with its estimate, so that others come first. */
static void fqa_kunit_pending(struct kunit *test)
{
	static const unsigned int shifts[FQA_KUNIT_SHARES] = { 2, 2, 2 };
	struct fqa_kunit_fairness *f = fqa_kunit_fairness(test, shifts);
	struct fqa_share *first, *second;
	u64 cost;

	fqa_fair_enter(&f->fair, &f->shares[0]);
	fqa_fair_enter(&f->fair, &f->shares[1]);
	first = fqa_fair_first(&f->fair);
	cost = fqa_fair_start(&f->fair, first, FQA_KUNIT_MS);
	second = fqa_fair_first(&f->fair);
	KUNIT_EXPECT_PTR_NE(test, first, second);
	/* It has ended at once: its owner is no longer behind by more than the least cost. */
	fqa_fair_end(&f->fair, first, cost, 0);
	KUNIT_EXPECT_EQ(test, first->pending, 0ULL);
	cost = fqa_fair_start(&f->fair, second, FQA_KUNIT_MS);
	KUNIT_EXPECT_PTR_EQ(test, fqa_fair_first(&f->fair), first);
	/* Its owner does not wait any more when it ends. */
	fqa_fair_leave(&f->fair, second);
	fqa_fair_end(&f->fair, second, cost, FQA_KUNIT_MS);
	KUNIT_EXPECT_EQ(test, second->pending, 0ULL);
	fqa_fair_enter(&f->fair, second);
	KUNIT_EXPECT_PTR_EQ(test, fqa_fair_first(&f->fair), first);
}

/* Who keeps few runs on the card is not idle while it has some, and loses nothing by it. */
static void fqa_kunit_in_flight(struct kunit *test)
{
	static const unsigned int shifts[FQA_KUNIT_SHARES] = { 2, 2, 2 };
	struct fqa_kunit_fairness *f = fqa_kunit_fairness(test, shifts);
	struct fqa_share *deep = &f->shares[0], *shallow = &f->shares[1];
	u64 before = shallow->settled, cost, other;

	fqa_fair_enter(&f->fair, deep);
	fqa_fair_enter(&f->fair, shallow);
	cost = fqa_fair_start(&f->fair, shallow, FQA_KUNIT_MS);
	fqa_fair_leave(&f->fair, shallow);
	other = fqa_fair_start(&f->fair, deep, FQA_KUNIT_MS);
	fqa_fair_end(&f->fair, deep, other, FQA_KUNIT_MS);
	fqa_fair_enter(&f->fair, shallow);
	fqa_fair_end(&f->fair, shallow, cost, FQA_KUNIT_MS);
	/* Both have had the same. */
	KUNIT_EXPECT_EQ(test, shallow->settled - before, cost);
	KUNIT_EXPECT_EQ(test, shallow->settled, deep->settled);
	/* But a run that ends late is no claim to all that others had meanwhile. */
	fqa_fair_leave(&f->fair, shallow);
	cost = fqa_fair_start(&f->fair, shallow, FQA_KUNIT_MS);
	other = fqa_fair_start(&f->fair, deep, FQA_KUNIT_MS);
	fqa_fair_end(&f->fair, deep, other, 100 * FQA_KUNIT_MS);
	fqa_fair_enter(&f->fair, shallow);
	KUNIT_EXPECT_EQ(test, shallow->settled + cost, deep->settled);
}

/* However many come, each for one run, somebody who waits gets a turn. */
static void fqa_kunit_newcomers(struct kunit *test)
{
	static const unsigned int shifts[FQA_KUNIT_SHARES] = { 2, 2, 2 };
	struct fqa_kunit_fairness *f = fqa_kunit_fairness(test, shifts);
	struct fqa_share *first;
	unsigned int i, turns;
	u64 cost;

	for (i = 0; i < FQA_KUNIT_SHARES; i++)
		fqa_fair_enter(&f->fair, &f->shares[i]);
	cost = fqa_fair_start(&f->fair, &f->shares[0], 100 * FQA_KUNIT_MS);
	fqa_fair_end(&f->fair, &f->shares[0], cost, 100 * FQA_KUNIT_MS + 1);
	for (turns = 0; turns < 1000; turns++) {
		first = fqa_fair_first(&f->fair);
		if (first == &f->shares[0])
			break;
		cost = fqa_fair_start(&f->fair, first, FQA_KUNIT_MS);
		fqa_fair_leave(&f->fair, first);
		fqa_fair_end(&f->fair, first, cost, FQA_KUNIT_MS);
		/* As if another one came. */
		fqa_share_init(first, 2);
		first->settled = f->fair.base;
		fqa_fair_enter(&f->fair, first);
	}
	KUNIT_EXPECT_LT(test, turns, 1000U);
}

static struct kunit_case fqa_kunit_fair_cases[] = {
	KUNIT_CASE(fqa_kunit_rate),
	KUNIT_CASE(fqa_kunit_rate_bounds),
	KUNIT_CASE(fqa_kunit_parts),
	KUNIT_CASE(fqa_kunit_equal),
	KUNIT_CASE(fqa_kunit_weights),
	KUNIT_CASE(fqa_kunit_idle),
	KUNIT_CASE(fqa_kunit_pending),
	KUNIT_CASE(fqa_kunit_in_flight),
	KUNIT_CASE(fqa_kunit_newcomers),
	{}
};

struct kunit_suite fqa_kunit_fair = {
	.name = "fqaccel-fair",
	.test_cases = fqa_kunit_fair_cases,
};
