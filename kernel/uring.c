// SPDX-License-Identifier: GPL-2.0
/*
 * SUBMIT through io_uring: the command completes when its runs have finished. Built only where
 * the kernel can cancel such a command; a killed process would else keep its file open until then.
 */
#include <linux/io_uring.h>
#include <linux/io_uring/cmd.h>

#include "compat.h"
#include "fence.h"
#include "fqa.h"

/* What io_uring keeps for us in the command. */
struct fqa_uring_pdu {
	struct fqa_group *group;	/* a reference, until the command is done */
	bool wide;			/* the completion has room for the sequence number */
};

static struct fqa_uring_pdu *fqa_uring_pdu(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct fqa_uring_pdu);
}

/* Whoever has taken the command from its group; once. */
static void fqa_uring_done(struct io_uring_cmd *cmd, int status, unsigned int issue_flags)
{
	struct fqa_uring_pdu *pdu = fqa_uring_pdu(cmd);
	struct fqa_group *group = pdu->group;

	fqa_io_uring_cmd_done(cmd, status, group->last, issue_flags, pdu->wide);
	/* Until here io_uring might have asked us to cancel it. */
	fqa_group_put(group);
}

static void fqa_uring_finish(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	fqa_uring_done(cmd, fqa_uring_pdu(cmd)->group->status, issue_flags);
}

FQA_URING_TASK_WORK(fqa_uring_task_work, fqa_uring_finish)

/* Its runs have finished. io_uring's lock is a mutex held over allocations, so not from here. */
void fqa_uring_complete(struct io_uring_cmd *cmd)
{
	io_uring_cmd_complete_in_task(cmd, fqa_uring_task_work);
}

/* From now on fqa_uring_complete() may come; the issuer returns -EIOCBQUEUED. */
void fqa_uring_attach(struct fqa_uring *uring, struct fqa_group *group)
{
	struct fqa_uring_pdu *pdu = fqa_uring_pdu(uring->cmd);

	kref_get(&group->ref);
	pdu->group = group;
	pdu->wide = uring->issue_flags & IO_URING_F_CQE32;
	/* Nobody takes it from there before the next line, or before the group is closed. */
	group->uring = uring->cmd;
	io_uring_cmd_mark_cancelable(uring->cmd, uring->issue_flags);
}

/*
 * The process exits, or the ring goes. What has not started is dropped; what the card has does not
 * keep the process, and is aborted when the file is closed.
 */
static int fqa_uring_cancel(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct fqa_group *group = fqa_uring_pdu(cmd)->group;
	struct fqa_card *card = group->queue->obj.ctx->card;
	bool ours;
	LIST_HEAD(done);
	int idx;

	idx = fqa_card_enter(card);
	spin_lock(&card->lock);
	ours = group->uring;
	group->uring = NULL;
	if (ours)
		fqa_sched_take_group(group, -ECANCELED, &done);
	fqa_sched_dispatch(card, &done);
	spin_unlock(&card->lock);
	fqa_sched_finish(card, &done);
	fqa_card_exit(card, idx);
	if (ours)
		fqa_uring_done(cmd, -ECANCELED, issue_flags);
	return 0;
}

int fqa_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct fqa_uring uring = {
		.cmd = cmd,
		.issue_flags = issue_flags,
		.nonblock = issue_flags & IO_URING_F_NONBLOCK,
	};
	const struct fqaccel_uring_cmd *arg;
	u64 user;
	int ret;

	if (issue_flags & IO_URING_F_CANCEL)
		return fqa_uring_cancel(cmd, issue_flags);
	if (cmd->cmd_op != FQACCEL_IOC_SUBMIT)
		return -ENOTTY;
	if (issue_flags & IO_URING_F_IOPOLL || cmd->flags & IORING_URING_CMD_MASK)
		return -EOPNOTSUPP;
	/* The ring is user memory: what was checked may not be read again. */
	arg = fqa_io_uring_sqe_cmd(cmd->sqe, struct fqaccel_uring_cmd);
	user = READ_ONCE(arg->arg);
	if (READ_ONCE(arg->pad))
		return -EOPNOTSUPP;
	ret = fqa_chardev_call(cmd->file, FQACCEL_IOC_SUBMIT, u64_to_user_ptr(user), &uring);
	/* io_uring does not start a call anew after a signal. */
	return ret == -ERESTARTSYS ? -EINTR : ret;
}
