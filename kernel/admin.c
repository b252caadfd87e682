// SPDX-License-Identifier: GPL-2.0
/*
 * Admin commands (CARD.md section 6). A command lives until the card has
 * completed it and its waiter has gone, in whichever order.
 */
#include <linux/error-injection.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "pm.h"

/* How often a wait looks for progress, and for lost interrupts, within its timeout. */
#define FQA_LOOKS	5

void fqa_admin_init(struct fqa_admin *admin)
{
	spin_lock_init(&admin->lock);
	admin->mode = FQA_ADMIN_CLOSED;
}

void fqa_admin_set_mode(struct fqa_card *card, enum fqa_admin_mode mode)
{
	spin_lock(&card->admin.lock);
	card->admin.mode = mode;
	spin_unlock(&card->admin.lock);
}

/*
 * A command, which keeps the card awake or wakes it. @internal: of the reset work, or of
 * probe, with a card that is awake. From the reserve, which always has one.
 */
struct fqa_admin_cmd *fqa_admin_alloc(struct fqa_card *card, u8 opcode, bool internal)
{
	struct fqa_admin_cmd *cmd;

	if (internal)
		cmd = mempool_alloc(card->reset_cmds, GFP_NOWAIT | __GFP_NOWARN);
	else
		cmd = kmalloc(sizeof(*cmd), GFP_KERNEL);
	if (!cmd)
		return NULL;
	memset(cmd, 0, sizeof(*cmd));
	cmd->internal = internal;
	kref_init(&cmd->ref);
	init_completion(&cmd->done);
	cmd->card = card;
	cmd->hw.opcode = opcode;
	get_device(&card->dev);
	if (!internal)
		fqa_pm_get(card);
	return cmd;
}

static void fqa_admin_release(struct kref *ref)
{
	struct fqa_admin_cmd *cmd = container_of(ref, struct fqa_admin_cmd, ref);
	struct fqa_card *card = cmd->card;
	struct fqa_admin *admin = &card->admin;
	unsigned int slot = cmd->cid % FQA_ADMIN_SLOTS;

	spin_lock(&admin->lock);
	if (admin->cmds[slot] == cmd)
		admin->cmds[slot] = NULL;
	spin_unlock(&admin->lock);
	if (cmd->hw.opcode == FQA_OP_LOAD && !cmd->internal)
		up(&card->loads);
	if (cmd->internal) {
		mempool_free(cmd, card->reset_cmds);
	} else {
		fqa_pm_put(card);
		kfree(cmd);
	}
	put_device(&card->dev);
}

void fqa_admin_put(struct fqa_admin_cmd *cmd)
{
	kref_put(&cmd->ref, fqa_admin_release);
}

/*
 * A free entry of the table. A CID is not reused while anybody holds its command,
 * so that an ABORT cannot hit another one.
 */
static int fqa_admin_get_slot(struct fqa_admin *admin, const struct fqa_admin_cmd *cmd)
{
	bool any = cmd->internal || cmd->hw.opcode == FQA_OP_LOAD;
	unsigned int slot;

	lockdep_assert_held(&admin->lock);
	for (slot = any ? 0 : FQA_ADMIN_RESERVED; slot < FQA_ADMIN_SLOTS; slot++)
		if (!admin->cmds[slot])
			return slot;
	return -EBUSY;
}

static unsigned int fqa_admin_unfinished(struct fqa_admin *admin)
{
	unsigned int slot, n = 0;

	lockdep_assert_held(&admin->lock);
	for (slot = 0; slot < FQA_ADMIN_SLOTS; slot++)
		n += admin->cmds[slot] && admin->cmds[slot]->pending;
	return n;
}

/*
 * Give a command to the card. -EAGAIN: a reset is under way, or it is not awake yet; -EBUSY:
 * the card has as many as it may, but that a LOAD and the reset's command do not meet. On
 * success the ring holds a reference until the command completes or a reset drops it.
 */
int fqa_admin_submit(struct fqa_admin_cmd *cmd)
{
	struct fqa_admin *admin = &cmd->card->admin;
	int slot, ret = 0;

	spin_lock(&admin->lock);
	if (admin->mode == FQA_ADMIN_CLOSED ||
	    (admin->mode == FQA_ADMIN_INTERNAL && !cmd->internal)) {
		ret = fqa_card_is_dead(cmd->card) ? -ENODEV : -EAGAIN;
		goto out_unlock;
	}
	slot = fqa_admin_get_slot(admin, cmd);
	if (slot < 0 || fqa_admin_unfinished(admin) >= admin->ring.entries - 1) {
		ret = -EBUSY;
		goto out_unlock;
	}
	/* The generation makes a late or repeated completion recognizable. */
	cmd->cid = admin->generation++ * FQA_ADMIN_SLOTS + slot;
	cmd->hw.cid = cpu_to_le16(cmd->cid);
	cmd->pending = true;
	kref_get(&cmd->ref);
	admin->cmds[slot] = cmd;
	fqa_ring_push(&admin->ring, &cmd->hw);
out_unlock:
	spin_unlock(&admin->lock);
	return ret;
}
ALLOW_ERROR_INJECTION(fqa_admin_submit, ERRNO);

static void fqa_admin_finish(struct fqa_admin_cmd *cmd)
{
	if (cmd->complete)
		cmd->complete(cmd);
	complete_all(&cmd->done);
	fqa_admin_put(cmd);
}

/* Take completions off the admin ring; in its interrupt thread, or when one may have got lost. */
void fqa_admin_poll(struct fqa_card *card)
{
	struct fqa_admin *admin = &card->admin;
	struct fqa_admin_cmd *cmd, *next;
	struct fqa_verdict verdict;
	bool bogus = false, any = false;
	LIST_HEAD(done);

	spin_lock(&admin->lock);
	if (admin->mode == FQA_ADMIN_CLOSED) {
		spin_unlock(&admin->lock);
		return;
	}
	while (!bogus && fqa_ring_pop(&admin->ring, &verdict)) {
		any = true;
		cmd = admin->cmds[verdict.cid % FQA_ADMIN_SLOTS];
		if (!cmd || !cmd->pending || cmd->cid != verdict.cid || verdict.qid) {
			bogus = true;
			continue;
		}
		cmd->pending = false;
		cmd->verdict = verdict;
		if (cmd->ok && verdict.code == FQA_SC_OK)
			*cmd->ok = true;
		list_add_tail(&cmd->node, &done);
	}
	if (any)
		fqa_ring_ack(&admin->ring);
	spin_unlock(&admin->lock);

	list_for_each_entry_safe(cmd, next, &done, node)
		fqa_admin_finish(cmd);
	if (bogus)
		fqa_reset_request(card, "completed an admin command that does not exist");
}

/* The card has forgotten its commands: end them all with @error. */
void fqa_admin_fail_all(struct fqa_card *card, int error)
{
	struct fqa_admin *admin = &card->admin;
	struct fqa_admin_cmd *cmd, *next;
	unsigned int slot;
	LIST_HEAD(done);

	spin_lock(&admin->lock);
	for (slot = 0; slot < FQA_ADMIN_SLOTS; slot++) {
		cmd = admin->cmds[slot];
		if (!cmd || !cmd->pending)
			continue;
		cmd->pending = false;
		cmd->error = error;
		list_add_tail(&cmd->node, &done);
	}
	spin_unlock(&admin->lock);

	list_for_each_entry_safe(cmd, next, &done, node)
		fqa_admin_finish(cmd);
}

/*
 * Wait until the command has completed: 0, whatever its status, or -EIO if a
 * reset dropped it, -ENODEV if the card went away, -EINTR if the task is being
 * killed. The command stays as it is then. A card that neither answers nor makes
 * progress is reset, which ends the command; only a command of the reset itself
 * gets -ETIMEDOUT.
 */
int fqa_admin_wait(struct fqa_admin_cmd *cmd)
{
	struct fqa_card *card = cmd->card;
	unsigned int ms = cmd->internal ? FQA_RESET_TIMEOUT_MS : FQA_ADMIN_TIMEOUT_MS;
	u32 now, before = fqa_hw_progress(card, 0);
	unsigned int looks = 0;
	long left;

	for (;;) {
		left = wait_for_completion_killable_timeout(&cmd->done,
							    msecs_to_jiffies(ms / FQA_LOOKS));
		if (left > 0)
			return cmd->error;
		if (left < 0)
			return -EINTR;
		/* Its interrupt may have got lost. */
		fqa_admin_poll(card);
		now = fqa_hw_progress(card, 0);
		if (try_wait_for_completion(&cmd->done))
			return cmd->error;
		looks = now == before ? looks + 1 : 0;
		before = now;
		if (looks < FQA_LOOKS)
			continue;
		if (cmd->internal)
			return -ETIMEDOUT;
		fqa_reset_request(card, "does not answer an admin command");
		looks = 0;
	}
}

/*
 * Submit and wait, past a reset or sleep that is under way and until there is a slot.
 * Takes over @cmd's reference on failure.
 */
int fqa_admin_exec(struct fqa_admin_cmd *cmd)
{
	int ret;

	for (;;) {
		ret = fqa_admin_submit(cmd);
		if (cmd->internal || (ret != -EAGAIN && ret != -EBUSY))
			break;
		if (ret == -EBUSY) {
			schedule_timeout_uninterruptible(1);
			continue;
		}
		ret = fqa_card_wait_live(cmd->card);
		if (ret)
			break;
	}
	if (!ret)
		ret = fqa_admin_wait(cmd);
	if (ret)
		fqa_admin_put(cmd);
	return ret;
}

/*
 * Returns 0 when the card has acknowledged, found the command or not: none of the
 * command's DMA follows if it has begun.
 */
int fqa_admin_abort(struct fqa_card *card, u16 qid, u16 cid)
{
	struct fqa_admin_cmd *cmd = fqa_admin_alloc(card, FQA_OP_ABORT, false);
	int ret;

	if (!cmd)
		return -ENOMEM;
	cmd->hw.abort.qid = cpu_to_le16(qid);
	cmd->hw.abort.cid = cpu_to_le16(cid);
	ret = fqa_admin_exec(cmd);
	if (ret)
		return ret;
	fqa_admin_put(cmd);
	return 0;
}
