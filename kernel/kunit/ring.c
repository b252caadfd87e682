// SPDX-License-Identifier: GPL-2.0
/* The rings: wrap, phase, doorbells (CARD.md section 4). */
#include "kunit.h"

#define FQA_KUNIT_QID	5

struct fqa_kunit_rings {
	struct fqa_card *card;
	struct fqa_ring ring;
	unsigned int written;		/* completions that the card has written */
};

static const u16 fqa_kunit_sizes[] = { 2, 3, 64, 128, 4096 };

static void fqa_kunit_size_name(const u16 *entries, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u entries", *entries);
}

KUNIT_ARRAY_PARAM(fqa_kunit_size, fqa_kunit_sizes, fqa_kunit_size_name);

static struct fqa_kunit_rings *fqa_kunit_rings(struct kunit *test)
{
	struct fqa_kunit_rings *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->card = fqa_kunit_card(test);
	fqa_kunit_ring_init(test, &r->ring, r->card, FQA_KUNIT_QID,
			    *(const u16 *)test->param_value);
	return r;
}

/* As the card: the phase is 1 in the first round, and another one in each round. */
static void fqa_kunit_complete(struct fqa_kunit_rings *r, u16 cid, u16 code)
{
	struct fqa_hw_completion *cqe = &r->ring.cq[r->written % r->ring.entries];
	u16 phase = (r->written / r->ring.entries + 1) % 2;

	cqe->cid = cpu_to_le16(cid);
	cqe->qid = cpu_to_le16(FQA_KUNIT_QID);
	cqe->result = cpu_to_le64(0x0123456789abcdefULL + cid);
	cqe->layer = cpu_to_le32(cid + 1);
	cqe->offset = cpu_to_le32(cid + 2);
	cqe->reason = cpu_to_le32(cid + 3);
	cqe->status = cpu_to_le16(code << 1 | phase);
	r->written++;
}

static void fqa_kunit_push_wraps(struct kunit *test)
{
	struct fqa_kunit_rings *r = fqa_kunit_rings(test);
	unsigned int i, at, entries = r->ring.entries;
	struct fqa_hw_command cmd = { .opcode = FQA_OP_ABORT };

	for (i = 0; i < 3 * entries + 1; i++) {
		at = i % entries;
		cmd.cid = cpu_to_le16(i);
		fqa_ring_push(&r->ring, &cmd);
		KUNIT_ASSERT_EQ(test, memcmp(&r->ring.sq[at], &cmd, sizeof(cmd)), 0);
		KUNIT_ASSERT_EQ(test, fqa_hw_read(r->card, FQA_REG_SQ_TAIL(FQA_KUNIT_QID)),
				(at + 1) % entries);
	}
}

/* In bunches of all sizes, so that each size wraps somewhere. */
static void fqa_kunit_pop_follows_phase(struct kunit *test)
{
	struct fqa_kunit_rings *r = fqa_kunit_rings(test);
	unsigned int i, bunch, popped = 0, entries = r->ring.entries;
	struct fqa_verdict verdict;

	KUNIT_ASSERT_FALSE(test, fqa_ring_waiting(&r->ring));
	KUNIT_ASSERT_FALSE(test, fqa_ring_pop(&r->ring, &verdict));
	for (bunch = 1; popped < 4 * entries; bunch = bunch % entries + 1) {
		for (i = 0; i < bunch; i++)
			fqa_kunit_complete(r, popped + i, FQA_SC_OK);
		for (i = 0; i < bunch; i++, popped++) {
			KUNIT_ASSERT_TRUE(test, fqa_ring_waiting(&r->ring));
			KUNIT_ASSERT_TRUE(test, fqa_ring_pop(&r->ring, &verdict));
			KUNIT_ASSERT_EQ(test, verdict.cid, (u16)popped);
		}
		/* What is left of the round before is not new. */
		KUNIT_ASSERT_FALSE(test, fqa_ring_waiting(&r->ring));
		KUNIT_ASSERT_FALSE(test, fqa_ring_pop(&r->ring, &verdict));
		fqa_ring_ack(&r->ring);
		KUNIT_ASSERT_EQ(test, fqa_hw_read(r->card, FQA_REG_CQ_HEAD(FQA_KUNIT_QID)),
				popped % entries);
	}
}

static void fqa_kunit_verdict(struct kunit *test)
{
	struct fqa_kunit_rings *r = fqa_kunit_rings(test);
	struct fqa_verdict verdict;

	fqa_kunit_complete(r, 0xfffc, 0x7fff);
	KUNIT_ASSERT_TRUE(test, fqa_ring_pop(&r->ring, &verdict));
	KUNIT_EXPECT_EQ(test, verdict.result, 0x0123456789abcdefULL + 0xfffc);
	KUNIT_EXPECT_EQ(test, verdict.layer, 0xfffdU);
	KUNIT_EXPECT_EQ(test, verdict.offset, 0xfffeU);
	KUNIT_EXPECT_EQ(test, verdict.reason, 0xffffU);
	KUNIT_EXPECT_EQ(test, verdict.qid, (u16)FQA_KUNIT_QID);
	KUNIT_EXPECT_EQ(test, verdict.cid, (u16)0xfffc);
	KUNIT_EXPECT_EQ(test, verdict.code, (u16)0x7fff);
}

/* From the middle of a round of either phase. */
static void fqa_kunit_reset(struct kunit *test)
{
	struct fqa_kunit_rings *r = fqa_kunit_rings(test);
	struct fqa_hw_command cmd = { .opcode = FQA_OP_ABORT };
	unsigned int i, round, entries = r->ring.entries;
	struct fqa_verdict verdict;

	for (round = 1; round <= 2; round++) {
		for (i = 0; i < round * entries - 1; i++) {
			fqa_ring_push(&r->ring, &cmd);
			fqa_kunit_complete(r, i, FQA_SC_OK);
			KUNIT_ASSERT_TRUE(test, fqa_ring_pop(&r->ring, &verdict));
		}
		/* One that nobody takes any more. */
		fqa_kunit_complete(r, i, FQA_SC_OK);
		fqa_ring_reset(&r->ring);
		r->written = 0;
		KUNIT_EXPECT_FALSE(test, fqa_ring_waiting(&r->ring));
		KUNIT_EXPECT_EQ(test, r->ring.sq[0].opcode, (u8)0);
		fqa_ring_push(&r->ring, &cmd);
		KUNIT_EXPECT_EQ(test, r->ring.sq[0].opcode, (u8)FQA_OP_ABORT);
		KUNIT_EXPECT_EQ(test, fqa_hw_read(r->card, FQA_REG_SQ_TAIL(FQA_KUNIT_QID)), 1U);
		fqa_kunit_complete(r, 77, FQA_SC_OK);
		KUNIT_ASSERT_TRUE(test, fqa_ring_pop(&r->ring, &verdict));
		KUNIT_EXPECT_EQ(test, verdict.cid, (u16)77);
		fqa_ring_reset(&r->ring);
		r->written = 0;
	}
}

static struct kunit_case fqa_kunit_ring_cases[] = {
	KUNIT_CASE_PARAM(fqa_kunit_push_wraps, fqa_kunit_size_gen_params),
	KUNIT_CASE_PARAM(fqa_kunit_pop_follows_phase, fqa_kunit_size_gen_params),
	KUNIT_CASE_PARAM(fqa_kunit_verdict, fqa_kunit_size_gen_params),
	KUNIT_CASE_PARAM(fqa_kunit_reset, fqa_kunit_size_gen_params),
	{}
};

struct kunit_suite fqa_kunit_ring = {
	.name = "fqaccel-ring",
	.test_cases = fqa_kunit_ring_cases,
};
