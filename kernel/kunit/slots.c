// SPDX-License-Identifier: GPL-2.0
/* Slots and command identifiers of the admin ring and of I/O queues. */
#include <linux/mempool.h>
#include <linux/slab.h>

#include "kunit.h"

#define FQA_KUNIT_HWQS		3
#define FQA_KUNIT_RUNS		(FQA_KUNIT_HWQS * FQA_IO_INFLIGHT + 1)
/* More than there are generations of an identifier, so that they wrap. */
#define FQA_KUNIT_ROUNDS	(65536 / FQA_IO_SLOTS + 100)

struct fqa_kunit_slots {
	struct fqa_card *card;
	unsigned int completed;		/* by the card, on the admin ring */
	struct fqa_admin_cmd *cmds[FQA_ADMIN_SLOTS];
	unsigned int count;		/* of cmds */
	struct fqa_queue queue;		/* of the runs, which do nothing */
	struct fqa_run runs[FQA_KUNIT_RUNS];
};

/* The test frees it. */
static void fqa_kunit_dev_release(struct device *dev)
{
}

static void fqa_kunit_no_watchdog(struct work_struct *work)
{
}

static int fqa_kunit_slots_init(struct kunit *test)
{
	struct fqa_kunit_slots *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct fqa_card *card;
	unsigned int i;

	if (!s)
		return -ENOMEM;
	card = fqa_kunit_card(test);
	s->card = card;
	fqa_admin_init(&card->admin);
	fqa_kunit_ring_init(test, &card->admin.ring, card, 0, FQA_ADMIN_ENTRIES);
	fqa_admin_set_mode(card, FQA_ADMIN_OPEN);
	sema_init(&card->loads, FQA_MAX_LOADS);
	INIT_DELAYED_WORK(&card->watchdog, fqa_kunit_no_watchdog);

	card->nr_hwqs = FQA_KUNIT_HWQS;
	card->hwqs = kunit_kcalloc(test, FQA_KUNIT_HWQS, sizeof(*card->hwqs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, card->hwqs);
	for (i = 0; i < FQA_KUNIT_HWQS; i++) {
		INIT_LIST_HEAD(&card->hwqs[i].order);
		fqa_kunit_ring_init(test, &card->hwqs[i].ring, card, i + 1, FQA_IO_ENTRIES);
	}

	s->queue.obj.ctx = fqa_kunit_context(test, card);
	s->queue.flow = &s->queue.obj.ctx->flows[FQACCEL_PRIORITY_NORMAL];
	for (i = 0; i < FQA_KUNIT_RUNS; i++)
		s->runs[i].queue = &s->queue;

	card->reset_cmds = mempool_create_kmalloc_pool(FQA_RESET_CMDS,
						       sizeof(struct fqa_admin_cmd));
	if (!card->reset_cmds)
		return -ENOMEM;
	device_initialize(&card->dev);
	card->dev.release = fqa_kunit_dev_release;
	test->priv = s;
	return 0;
}

static void fqa_kunit_slots_exit(struct kunit *test)
{
	struct fqa_kunit_slots *s = test->priv;

	if (!s)
		return;
	fqa_admin_fail_all(s->card, -EIO);
	while (s->count)
		fqa_admin_put(s->cmds[--s->count]);
	cancel_delayed_work_sync(&s->card->watchdog);
	mempool_destroy(s->card->reset_cmds);
	put_device(&s->card->dev);
}

/* What fqa_admin_submit() says of a new command, which is kept if it is accepted. */
static int fqa_kunit_admin(struct kunit *test, u8 opcode, bool internal)
{
	struct fqa_kunit_slots *s = test->priv;
	struct fqa_admin_cmd *cmd = fqa_admin_alloc(s->card, opcode, internal);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, cmd);
	ret = fqa_admin_submit(cmd);
	if (ret) {
		/* Dropping it counts as the end of a LOAD. */
		if (opcode == FQA_OP_LOAD && !internal)
			down(&s->card->loads);
		fqa_admin_put(cmd);
	} else {
		KUNIT_ASSERT_LT(test, s->count, (unsigned int)FQA_ADMIN_SLOTS);
		s->cmds[s->count++] = cmd;
	}
	return ret;
}

/* The card completes a command, and the interrupt comes. */
static void fqa_kunit_admin_complete(struct fqa_kunit_slots *s, u16 cid)
{
	struct fqa_ring *ring = &s->card->admin.ring;
	struct fqa_hw_completion *cqe = &ring->cq[s->completed % ring->entries];
	u16 phase = (s->completed / ring->entries + 1) % 2;

	memset(cqe, 0, sizeof(*cqe));
	cqe->cid = cpu_to_le16(cid);
	cqe->status = cpu_to_le16(FQA_SC_OK << 1 | phase);
	s->completed++;
	fqa_admin_poll(s->card);
}

/* While one is held whose slot must stay its own. */
static void fqa_kunit_admin_ids(struct kunit *test)
{
	struct fqa_kunit_slots *s = test->priv;
	struct fqa_admin_cmd *held, *cmd;
	u16 last = 0xffff;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, fqa_kunit_admin(test, FQA_OP_ABORT, false), 0);
	held = s->cmds[0];
	fqa_kunit_admin_complete(s, held->cid);
	KUNIT_EXPECT_TRUE(test, completion_done(&held->done));
	KUNIT_EXPECT_EQ(test, held->error, 0);
	for (i = 0; i < FQA_KUNIT_ROUNDS; i++) {
		KUNIT_ASSERT_EQ(test, fqa_kunit_admin(test, FQA_OP_ABORT, false), 0);
		cmd = s->cmds[1];
		KUNIT_ASSERT_NE(test, cmd->cid % FQA_ADMIN_SLOTS, held->cid % FQA_ADMIN_SLOTS);
		KUNIT_ASSERT_NE_MSG(test, cmd->cid, last, "a late completion would be taken");
		last = cmd->cid;
		KUNIT_ASSERT_FALSE(test, completion_done(&cmd->done));
		fqa_kunit_admin_complete(s, cmd->cid);
		KUNIT_ASSERT_TRUE(test, completion_done(&cmd->done));
		s->count--;
		fqa_admin_put(cmd);
	}
}

/* However many others there are, each LOAD that is let in and the reset find a slot. */
static void fqa_kunit_admin_reserve(struct kunit *test)
{
	struct fqa_kunit_slots *s = test->priv;
	unsigned int i, others = 0;

	while (!fqa_kunit_admin(test, FQA_OP_ABORT, false))
		others++;
	KUNIT_EXPECT_GE(test, others, (unsigned int)FQA_MAX_WORKERS);
	for (i = 0; i < FQA_MAX_LOADS; i++) {
		down(&s->card->loads);
		KUNIT_ASSERT_EQ(test, fqa_kunit_admin(test, FQA_OP_LOAD, false), 0);
	}
	KUNIT_EXPECT_EQ(test, fqa_kunit_admin(test, FQA_OP_CREATE_QUEUE, true), 0);
	/* A full ring would look like an empty one. */
	KUNIT_EXPECT_LT(test, s->count, (unsigned int)FQA_ADMIN_ENTRIES);
	KUNIT_EXPECT_EQ(test, fqa_kunit_admin(test, FQA_OP_ABORT, false), -EBUSY);

	fqa_admin_fail_all(s->card, -EIO);
	for (i = 0; i < s->count; i++) {
		KUNIT_EXPECT_TRUE(test, completion_done(&s->cmds[i]->done));
		KUNIT_EXPECT_EQ(test, s->cmds[i]->error, -EIO);
	}
	/* Who waited has the slots yet. */
	KUNIT_EXPECT_EQ(test, fqa_kunit_admin(test, FQA_OP_ABORT, false), -EBUSY);
	fqa_admin_put(s->cmds[--s->count]);
	fqa_admin_put(s->cmds[--s->count]);
}

static void fqa_kunit_admin_modes(struct kunit *test)
{
	struct fqa_kunit_slots *s = test->priv;

	fqa_admin_set_mode(s->card, FQA_ADMIN_CLOSED);
	KUNIT_EXPECT_EQ(test, fqa_kunit_admin(test, FQA_OP_ABORT, false), -EAGAIN);
	KUNIT_EXPECT_EQ(test, fqa_kunit_admin(test, FQA_OP_CREATE_QUEUE, true), -EAGAIN);
	fqa_admin_set_mode(s->card, FQA_ADMIN_INTERNAL);
	KUNIT_EXPECT_EQ(test, fqa_kunit_admin(test, FQA_OP_ABORT, false), -EAGAIN);
	KUNIT_EXPECT_EQ(test, fqa_kunit_admin(test, FQA_OP_CREATE_QUEUE, true), 0);
	fqa_admin_set_mode(s->card, FQA_ADMIN_CLOSED);
	s->card->state = FQA_STATE_DEAD;
	KUNIT_EXPECT_EQ(test, fqa_kunit_admin(test, FQA_OP_ABORT, false), -ENODEV);
}

/* Start a run where the driver would; -1: nowhere. Else which queue has it. */
static int fqa_kunit_start(struct kunit *test, struct fqa_run *run)
{
	struct fqa_kunit_slots *s = test->priv;
	struct fqa_hwq *hwq;

	spin_lock(&s->card->lock);
	hwq = fqa_hwq_pick(s->card);
	if (hwq)
		fqa_hwq_start(hwq, run);
	spin_unlock(&s->card->lock);
	return hwq ? hwq - s->card->hwqs : -1;
}

/* As when its completion has come. */
static void fqa_kunit_take(struct fqa_kunit_slots *s, struct fqa_hwq *hwq, struct fqa_run *run)
{
	spin_lock(&s->card->lock);
	hwq->runs[run->cid % FQA_IO_SLOTS] = NULL;
	hwq->inflight--;
	hwq->expected -= run->expected;
	list_del(&run->node);
	spin_unlock(&s->card->lock);
}

static void fqa_kunit_pick(struct kunit *test)
{
	struct fqa_kunit_slots *s = test->priv;
	unsigned int i, has[FQA_KUNIT_HWQS] = {};
	int where;

	for (i = 0; i < FQA_KUNIT_RUNS - 1; i++) {
		where = fqa_kunit_start(test, &s->runs[i]);
		KUNIT_ASSERT_GE(test, where, 0);
		/* All get their first run before one gets its second. */
		KUNIT_EXPECT_EQ(test, has[where], i / FQA_KUNIT_HWQS);
		has[where]++;
	}
	KUNIT_EXPECT_EQ(test, fqa_kunit_start(test, &s->runs[i]), -1);
	fqa_kunit_take(s, &s->card->hwqs[1], list_first_entry(&s->card->hwqs[1].order,
							      struct fqa_run, node));
	KUNIT_EXPECT_EQ(test, fqa_kunit_start(test, &s->runs[i]), 1);
}

static void fqa_kunit_io_ids(struct kunit *test)
{
	struct fqa_kunit_slots *s = test->priv;
	struct fqa_hwq *hwq = s->card->hwqs;
	struct fqa_run *other = &s->runs[0], *run = &s->runs[1];
	u16 last = 0xffff;
	unsigned int i;

	s->card->nr_hwqs = 1;
	/* An ABORT under way names this slot. */
	hwq->held[2] = 1;
	KUNIT_ASSERT_EQ(test, fqa_kunit_start(test, other), 0);
	for (i = 0; i < FQA_KUNIT_ROUNDS; i++) {
		KUNIT_ASSERT_EQ(test, fqa_kunit_start(test, run), 0);
		KUNIT_ASSERT_PTR_EQ(test, hwq->runs[run->cid % FQA_IO_SLOTS], run);
		KUNIT_ASSERT_NE(test, run->cid % FQA_IO_SLOTS, other->cid % FQA_IO_SLOTS);
		KUNIT_ASSERT_NE(test, run->cid % FQA_IO_SLOTS, 2);
		KUNIT_ASSERT_NE_MSG(test, run->cid, last, "a late completion would be taken");
		last = run->cid;
		fqa_kunit_take(s, hwq, run);
	}
	/* All slots named by ABORTs: no run can be started. */
	for (i = 0; i < FQA_IO_SLOTS; i++)
		hwq->held[i] = 1;
	KUNIT_EXPECT_EQ(test, fqa_kunit_start(test, run), -1);
}

static struct kunit_case fqa_kunit_slots_cases[] = {
	KUNIT_CASE(fqa_kunit_admin_ids),
	KUNIT_CASE(fqa_kunit_admin_reserve),
	KUNIT_CASE(fqa_kunit_admin_modes),
	KUNIT_CASE(fqa_kunit_pick),
	KUNIT_CASE(fqa_kunit_io_ids),
	{}
};

struct kunit_suite fqa_kunit_slots = {
	.name = "fqaccel-slots",
	.init = fqa_kunit_slots_init,
	.exit = fqa_kunit_slots_exit,
	.test_cases = fqa_kunit_slots_cases,
};
