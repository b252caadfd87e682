// SPDX-License-Identifier: GPL-2.0
/* What open files are charged, and the results of a queue. */
#include "kunit.h"

#define FQA_KUNIT_DEPTH	4
#define FQA_KUNIT_KEPT	(FQA_KEPT_RESULTS * FQA_KUNIT_DEPTH)

static void fqa_kunit_charge(struct kunit *test)
{
	struct fqa_context *ctx = fqa_kunit_context(test, fqa_kunit_card(test));

	ctx->buffer_limit = 1000;
	ctx->memory_quota = 500;
	KUNIT_EXPECT_EQ(test, fqa_context_charge_buffer(ctx, 1001), -ENOSPC);
	KUNIT_EXPECT_EQ(test, fqa_context_charge_buffer(ctx, 999), 0);
	KUNIT_EXPECT_EQ(test, fqa_context_charge_buffer(ctx, 2), -ENOSPC);
	KUNIT_EXPECT_EQ(test, fqa_context_charge_buffer(ctx, 1), 0);
	KUNIT_EXPECT_EQ(test, fqa_context_charge_buffer(ctx, 0), 0);
	/* The sum would overflow to something small. */
	KUNIT_EXPECT_EQ(test, fqa_context_charge_buffer(ctx, U64_MAX - 10), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ctx->buffer_used, 1000ULL);

	/* Card memory is another account. */
	KUNIT_EXPECT_EQ(test, fqa_context_charge_memory(ctx, 500), 0);
	KUNIT_EXPECT_EQ(test, fqa_context_charge_memory(ctx, 1), -EDQUOT);
	KUNIT_EXPECT_EQ(test, fqa_context_charge_memory(ctx, U64_MAX), -EDQUOT);
	KUNIT_EXPECT_EQ(test, ctx->memory_used, 500ULL);
	fqa_context_uncharge_memory(ctx, 200);
	KUNIT_EXPECT_EQ(test, fqa_context_charge_memory(ctx, 200), 0);
	fqa_context_uncharge_memory(ctx, 500);
	fqa_context_uncharge_buffer(ctx, 1000);
	KUNIT_EXPECT_EQ(test, ctx->memory_used, 0ULL);
	KUNIT_EXPECT_EQ(test, ctx->buffer_used, 0ULL);
}

struct fqa_kunit_queue {
	struct fqa_card *card;
	struct fqa_queue queue;
	struct fqa_result results[FQA_KUNIT_KEPT];
};

static int fqa_kunit_queue_init(struct kunit *test)
{
	struct fqa_kunit_queue *q = kunit_kzalloc(test, sizeof(*q), GFP_KERNEL);

	if (!q)
		return -ENOMEM;
	q->card = fqa_kunit_card(test);
	q->queue.obj.ctx = fqa_kunit_context(test, q->card);
	q->queue.depth = FQA_KUNIT_DEPTH;
	q->queue.kept = FQA_KUNIT_KEPT;
	q->queue.results = q->results;
	init_waitqueue_head(&q->queue.wait);
	INIT_LIST_HEAD(&q->queue.pending);
	test->priv = q;
	return 0;
}

static u32 fqa_kunit_room(struct fqa_kunit_queue *q)
{
	u32 room;

	spin_lock(&q->card->lock);
	room = fqa_queue_room(&q->queue);
	spin_unlock(&q->card->lock);
	return room;
}

/* Accept a run, as SUBMIT does. */
static void fqa_kunit_accept(struct fqa_kunit_queue *q)
{
	q->queue.unfinished++;
	q->queue.last++;
	q->results[q->queue.last % FQA_KUNIT_KEPT].finished = false;
}

static void fqa_kunit_finish(struct fqa_kunit_queue *q, u64 sequence, s32 status)
{
	struct fqa_run run = {
		.queue = &q->queue,
		.sequence = sequence,
		.result = { .status = status, .cycles = 10 * sequence },
	};

	spin_lock(&q->card->lock);
	fqa_queue_record(&q->queue, &run);
	spin_unlock(&q->card->lock);
}

/* In each order that four runs can end in. */
static void fqa_kunit_any_order(struct kunit *test)
{
	struct fqa_kunit_queue *q = test->priv;
	unsigned int code, i, done, next, bit;
	unsigned int order[FQA_KUNIT_DEPTH];
	u64 base;

	for (code = 0; code < 256; code++) {
		for (i = 0, done = 0; i < FQA_KUNIT_DEPTH; i++) {
			order[i] = code >> 2 * i & 3;
			done |= BIT(order[i]);
		}
		if (done != 15)
			continue;
		base = q->queue.last + 1;
		for (i = 0; i < FQA_KUNIT_DEPTH; i++) {
			KUNIT_ASSERT_EQ(test, fqa_kunit_room(q), FQA_KUNIT_DEPTH - i);
			fqa_kunit_accept(q);
		}
		KUNIT_ASSERT_EQ(test, fqa_kunit_room(q), 0U);
		for (i = 0, done = 0; i < FQA_KUNIT_DEPTH; i++) {
			fqa_kunit_finish(q, base + order[i], -(int)order[i]);
			done |= BIT(order[i]);
			for (next = 0, bit = done; bit & 1; bit >>= 1)
				next++;
			KUNIT_ASSERT_EQ(test, q->queue.completed, base + next - 1);
			KUNIT_ASSERT_EQ(test, q->queue.unfinished, FQA_KUNIT_DEPTH - i - 1);
		}
		for (i = 0; i < FQA_KUNIT_DEPTH; i++) {
			struct fqa_result *result = &q->results[(base + i) % FQA_KUNIT_KEPT];

			KUNIT_ASSERT_EQ(test, result->status, -(s32)i);
			KUNIT_ASSERT_EQ(test, result->cycles, 10 * (base + i));
		}
	}
	/* 24 orders, in each of which all but one fail. */
	KUNIT_EXPECT_EQ(test, q->queue.last, 24ULL * FQA_KUNIT_DEPTH);
	KUNIT_EXPECT_EQ(test, q->card->usage.runs, 24ULL * FQA_KUNIT_DEPTH);
	KUNIT_EXPECT_EQ(test, q->card->usage.errors, 24ULL * (FQA_KUNIT_DEPTH - 1));
	KUNIT_EXPECT_EQ(test, q->queue.obj.ctx->usage.runs, q->card->usage.runs);
}

/* One run that does not end holds the others up before they overwrite its result. */
static void fqa_kunit_straggler(struct kunit *test)
{
	struct fqa_kunit_queue *q = test->priv;
	unsigned int n = 0;

	fqa_kunit_accept(q);
	while (fqa_kunit_room(q)) {
		KUNIT_ASSERT_LT(test, n, 2 * FQA_KUNIT_KEPT);
		fqa_kunit_accept(q);
		fqa_kunit_finish(q, q->queue.last, 0);
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, FQA_KUNIT_KEPT - 1);
	KUNIT_EXPECT_EQ(test, q->queue.completed, 0ULL);
	KUNIT_EXPECT_FALSE(test, q->results[1].finished);
	fqa_kunit_finish(q, 1, -EIO);
	KUNIT_EXPECT_EQ(test, q->queue.completed, (u64)FQA_KUNIT_KEPT);
	KUNIT_EXPECT_EQ(test, q->results[1].status, -EIO);
	KUNIT_EXPECT_EQ(test, fqa_kunit_room(q), (u32)FQA_KUNIT_DEPTH);
}

static struct kunit_case fqa_kunit_account_cases[] = {
	KUNIT_CASE(fqa_kunit_charge),
	KUNIT_CASE(fqa_kunit_any_order),
	KUNIT_CASE(fqa_kunit_straggler),
	{}
};

struct kunit_suite fqa_kunit_account = {
	.name = "fqaccel-account",
	.init = fqa_kunit_queue_init,
	.test_cases = fqa_kunit_account_cases,
};
