// SPDX-License-Identifier: GPL-2.0
/* Scatter lists, read back as the card does (CARD.md section 5). */
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>

#include "kunit.h"

#define FQA_KUNIT_MAX_SEGMENT	4096	/* entries */

struct fqa_kunit_sg {
	struct device *dev;
	struct fqa_card *card;
	struct fqa_context *ctx;
	struct fqa_memory mem;
};

/* Pieces of many sizes, none next to another. */
static u32 fqa_kunit_bytes(unsigned int i)
{
	return 1 + i * 37 % 4096;
}

static dma_addr_t fqa_kunit_addr(unsigned int i)
{
	return 0x1000000000ULL + i * 0x2001ULL;
}

static int fqa_kunit_sg_init(struct kunit *test)
{
	struct fqa_kunit_sg *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	s->card = fqa_kunit_card(test);
	s->ctx = fqa_kunit_context(test, s->card);
	s->mem.ctx = s->ctx;
	s->mem.card = s->card;
	s->mem.sgt = &s->mem.table;
	/* Without an owner: our module is not in sysfs yet. */
	s->dev = __root_device_register("fqaccel-kunit", NULL);
	if (IS_ERR(s->dev))
		return PTR_ERR(s->dev);
	test->priv = s;
	s->dev->coherent_dma_mask = DMA_BIT_MASK(64);
	s->dev->dma_mask = &s->dev->coherent_dma_mask;
	s->card->small_pool = dma_pool_create("small", s->dev, FQA_SEGMENT_SMALL,
					      FQA_SEGMENT_SMALL, 0);
	s->card->large_pool = dma_pool_create("large", s->dev, FQA_SEGMENT_LARGE,
					      FQA_SEGMENT_LARGE, 0);
	return s->card->small_pool && s->card->large_pool ? 0 : -ENOMEM;
}

static void fqa_kunit_sg_exit(struct kunit *test)
{
	struct fqa_kunit_sg *s = test->priv;

	if (!s)
		return;
	sg_free_table(&s->mem.table);
	dma_pool_destroy(s->card->small_pool);
	dma_pool_destroy(s->card->large_pool);
	root_device_unregister(s->dev);
}

/* Memory that the card sees in @count pieces. Returns how long it is. */
static u64 fqa_kunit_memory(struct kunit *test, unsigned int count)
{
	struct fqa_kunit_sg *s = test->priv;
	struct scatterlist *sg;
	unsigned int i;
	u64 sum = 0;

	KUNIT_ASSERT_EQ(test, sg_alloc_table(&s->mem.table, count, GFP_KERNEL), 0);
	for_each_sgtable_dma_sg(&s->mem.table, sg, i) {
		sg_dma_address(sg) = fqa_kunit_addr(i);
		sg_dma_len(sg) = fqa_kunit_bytes(i);
		sum += sg_dma_len(sg);
	}
	return sum;
}

/* Where the walk over a list is. Segments are found by their address, as the card does. */
struct fqa_kunit_walk {
	const struct fqa_sglist *list;
	const struct fqa_hw_sge *sge;
	unsigned int entries;		/* of this segment */
	unsigned int at;
	unsigned int segments;
};

static void fqa_kunit_enter(struct kunit *test, struct fqa_kunit_walk *walk, u64 addr, u32 bytes)
{
	unsigned int i;

	for (i = 0; i < walk->list->count; i++)
		if (walk->list->segments[i].dma == addr)
			break;
	KUNIT_ASSERT_LT_MSG(test, i, walk->list->count, "a link leads nowhere");
	KUNIT_ASSERT_EQ(test, bytes % sizeof(struct fqa_hw_sge), 0);
	walk->sge = walk->list->segments[i].cpu;
	walk->entries = bytes / sizeof(struct fqa_hw_sge);
	walk->at = 0;
	walk->segments++;
	KUNIT_ASSERT_GE(test, walk->entries, 1U);
	KUNIT_ASSERT_LE(test, walk->entries, (unsigned int)FQA_KUNIT_MAX_SEGMENT);
	KUNIT_ASSERT_EQ_MSG(test, le32_to_cpu(walk->sge[0].flags), 0, "a segment holds no data");
}

/* The next data entry, or NULL. */
static const struct fqa_hw_sge *fqa_kunit_next(struct kunit *test, struct fqa_kunit_walk *walk)
{
	const struct fqa_hw_sge *sge;

	if (walk->at == walk->entries)
		return NULL;
	sge = &walk->sge[walk->at++];
	if (!sge->flags)
		return sge;
	KUNIT_ASSERT_EQ(test, le32_to_cpu(sge->flags), FQA_SGE_LINK);
	KUNIT_ASSERT_EQ_MSG(test, walk->at, walk->entries, "a link before the end");
	fqa_kunit_enter(test, walk, le64_to_cpu(sge->addr), le32_to_cpu(sge->len));
	return &walk->sge[walk->at++];
}

/* A list of @length bytes from @offset within piece @first on. */
static void fqa_kunit_check_list(struct kunit *test, unsigned int first, u32 offset, u64 length)
{
	struct fqa_kunit_sg *s = test->priv;
	struct fqa_kunit_walk walk = {};
	const struct fqa_hw_sge *sge;
	struct fqa_sglist list = {};
	struct fqa_hw_list hw;
	unsigned int i;
	u64 start = offset;
	u32 bytes;

	for (i = 0; i < first; i++)
		start += fqa_kunit_bytes(i);
	KUNIT_ASSERT_EQ(test, fqa_sglist_build(s->ctx, &list, &s->mem, start, length), 0);
	fqa_sglist_describe(&list, &hw);
	KUNIT_EXPECT_EQ(test, s->ctx->buffer_used, list.charged);
	KUNIT_EXPECT_GE(test, list.charged, (u64)list.first_bytes);

	walk.list = &list;
	fqa_kunit_enter(test, &walk, le64_to_cpu(hw.addr), le32_to_cpu(hw.len));
	for (i = first; length; i++) {
		sge = fqa_kunit_next(test, &walk);
		KUNIT_ASSERT_NOT_NULL(test, sge);
		bytes = min_t(u64, fqa_kunit_bytes(i) - offset, length);
		KUNIT_ASSERT_EQ(test, le64_to_cpu(sge->addr), (u64)fqa_kunit_addr(i) + offset);
		KUNIT_ASSERT_EQ(test, le32_to_cpu(sge->len), bytes);
		length -= bytes;
		offset = 0;
	}
	KUNIT_EXPECT_NULL(test, fqa_kunit_next(test, &walk));
	KUNIT_EXPECT_EQ(test, walk.segments, list.count);

	fqa_sglist_free(s->ctx, &list);
	KUNIT_EXPECT_EQ(test, s->ctx->buffer_used, 0ULL);
	/* Twice does no harm. */
	fqa_sglist_free(s->ctx, &list);
}

/* About where a segment of either size is full: 16 and 256 entries. */
static const unsigned int fqa_kunit_counts[] = {
	1, 2, 15, 16, 17, 18, 254, 255, 256, 257, 258, 510, 511, 512, 766, 767, 5000,
	FQA_MAX_SCATTER
};

static void fqa_kunit_count_name(const unsigned int *count, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u pieces", *count);
}

KUNIT_ARRAY_PARAM(fqa_kunit_count, fqa_kunit_counts, fqa_kunit_count_name);

static void fqa_kunit_whole(struct kunit *test)
{
	unsigned int count = *(const unsigned int *)test->param_value;

	fqa_kunit_check_list(test, 0, 0, fqa_kunit_memory(test, count));
}

/* The same number of pieces, cut off at both ends, behind three others. */
static void fqa_kunit_part(struct kunit *test)
{
	unsigned int i, count = *(const unsigned int *)test->param_value;
	u64 length = fqa_kunit_memory(test, count + 4);

	for (i = 0; i < 3; i++)
		length -= fqa_kunit_bytes(i);
	length -= fqa_kunit_bytes(count + 3);
	if (count == 1)
		fqa_kunit_check_list(test, 3, 50, 1);
	else
		fqa_kunit_check_list(test, 3, 50, length - 50 - fqa_kunit_bytes(count + 2) + 1);
}

static void fqa_kunit_too_many(struct kunit *test)
{
	struct fqa_kunit_sg *s = test->priv;
	u64 length = fqa_kunit_memory(test, FQA_MAX_SCATTER + 1);
	struct fqa_sglist list = {};

	KUNIT_EXPECT_EQ(test, fqa_sglist_build(s->ctx, &list, &s->mem, 0, length), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fqa_sglist_build(s->ctx, &list, &s->mem, 0, 0), -ENOMEM);
	KUNIT_EXPECT_EQ(test, s->ctx->buffer_used, 0ULL);
	fqa_sglist_free(s->ctx, &list);
	/* One byte less than that is one piece less. */
	length -= fqa_kunit_bytes(FQA_MAX_SCATTER);
	fqa_kunit_check_list(test, 0, 0, length);
}

static void fqa_kunit_charged(struct kunit *test)
{
	struct fqa_kunit_sg *s = test->priv;
	u64 length = fqa_kunit_memory(test, 257);
	struct fqa_sglist list = {};

	s->ctx->buffer_limit = 2 * FQA_SEGMENT_LARGE - 1;
	KUNIT_EXPECT_EQ(test, fqa_sglist_build(s->ctx, &list, &s->mem, 0, length), -ENOSPC);
	KUNIT_EXPECT_EQ(test, s->ctx->buffer_used, 0ULL);
	s->ctx->buffer_limit++;
	KUNIT_EXPECT_EQ(test, fqa_sglist_build(s->ctx, &list, &s->mem, 0, length), 0);
	KUNIT_EXPECT_EQ(test, s->ctx->buffer_used, s->ctx->buffer_limit);
	fqa_sglist_free(s->ctx, &list);
	KUNIT_EXPECT_EQ(test, s->ctx->buffer_used, 0ULL);
}

/* Each start and each length of a few pieces. */
static void fqa_kunit_pieces(struct kunit *test)
{
	struct fqa_kunit_sg *s = test->priv;
	u64 offset, length, at, total = fqa_kunit_memory(test, 4);
	struct fqa_pieces it;
	unsigned int i;
	u64 before;

	for (offset = 0; offset < total; offset++) {
		for (length = 0; offset + length <= total; length++) {
			fqa_pieces_init(&it, &s->mem, offset, length);
			at = offset;
			while (fqa_pieces_next(&it)) {
				for (i = 0, before = 0; at >= before + fqa_kunit_bytes(i); i++)
					before += fqa_kunit_bytes(i);
				KUNIT_ASSERT_EQ(test, it.addr, fqa_kunit_addr(i) + (at - before));
				KUNIT_ASSERT_EQ(test, (u64)it.bytes,
						min(before + fqa_kunit_bytes(i),
						    offset + length) - at);
				at += it.bytes;
			}
			KUNIT_ASSERT_EQ(test, at, offset + length);
		}
	}
}

/* No piece is longer than the device may map at once, wherever it begins. */
static void fqa_kunit_longest(struct kunit *test)
{
	struct fqa_kunit_sg *s = test->priv;
	struct device_dma_parameters parms = { .max_segment_size = 4096 };
	u64 offset = 4000, length = 20000, at;
	struct fqa_pieces it;
	unsigned int n = 0;

	KUNIT_ASSERT_EQ(test, sg_alloc_table(&s->mem.table, 1, GFP_KERNEL), 0);
	sg_dma_address(s->mem.table.sgl) = fqa_kunit_addr(0);
	sg_dma_len(s->mem.table.sgl) = 65536;
	s->card->pdev->dev.dma_parms = &parms;
	fqa_pieces_init(&it, &s->mem, offset, length);
	for (at = offset; fqa_pieces_next(&it); at += it.bytes, n++) {
		KUNIT_ASSERT_EQ(test, it.addr, fqa_kunit_addr(0) + at);
		KUNIT_ASSERT_LE(test, it.bytes, 4096U);
		KUNIT_ASSERT_GT(test, it.bytes, 0U);
	}
	s->card->pdev->dev.dma_parms = NULL;
	KUNIT_EXPECT_EQ(test, at, offset + length);
	KUNIT_EXPECT_EQ(test, n, 5U);
}

/* Lists that follow each other, as those of a run's parts, begin where the last one ended. */
static void fqa_kunit_consecutive(struct kunit *test)
{
	struct fqa_kunit_sg *s = test->priv;
	u64 each = 777, at, total = fqa_kunit_memory(test, 500);
	unsigned int i = 0, lists = 0;
	u64 before = 0;
	struct fqa_hw_list hw;
	struct fqa_pieces it;

	fqa_pieces_init(&it, &s->mem, 0, total);
	for (at = 0; at + each <= total; at += each, lists++) {
		struct fqa_sglist list = {};

		KUNIT_ASSERT_EQ(test, fqa_sglist_build_next(s->ctx, &list, NULL, &it, each), 0);
		fqa_sglist_describe(&list, &hw);
		for (; at >= before + fqa_kunit_bytes(i); i++)
			before += fqa_kunit_bytes(i);
		KUNIT_EXPECT_EQ(test, le64_to_cpu(hw.addr), (u64)list.segments[0].dma);
		KUNIT_EXPECT_EQ(test,
				le64_to_cpu(((struct fqa_hw_sge *)list.segments[0].cpu)->addr),
				(u64)fqa_kunit_addr(i) + (at - before));
		fqa_sglist_free(s->ctx, &list);
	}
	KUNIT_EXPECT_EQ(test, (u64)lists, div_u64(total, each));
	KUNIT_EXPECT_EQ(test, s->ctx->buffer_used, 0ULL);
}

static struct kunit_case fqa_kunit_sglist_cases[] = {
	KUNIT_CASE_PARAM(fqa_kunit_whole, fqa_kunit_count_gen_params),
	KUNIT_CASE_PARAM(fqa_kunit_part, fqa_kunit_count_gen_params),
	KUNIT_CASE(fqa_kunit_too_many),
	KUNIT_CASE(fqa_kunit_charged),
	KUNIT_CASE(fqa_kunit_pieces),
	KUNIT_CASE(fqa_kunit_longest),
	KUNIT_CASE(fqa_kunit_consecutive),
	{}
};

struct kunit_suite fqa_kunit_sglist = {
	.name = "fqaccel-sglist",
	.init = fqa_kunit_sg_init,
	.exit = fqa_kunit_sg_exit,
	.test_cases = fqa_kunit_sglist_cases,
};
