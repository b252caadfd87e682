/* SPDX-License-Identifier: MIT */
/* Admin commands but LOAD and UNLOAD, CARD.md sections 6.2 to 6.8. */
#include "card_private.h"

#include <string.h>

#define RAW	8	/* where a command's own fields start */

static enum card_advance create_queue(struct card *card, struct card_command *cmd)
{
	uint64_t sq = le64toh(cmd->hw.create_queue.sq), cq = le64toh(cmd->hw.create_queue.cq);
	uint16_t qid = le16toh(cmd->hw.create_queue.qid);
	uint16_t sq_entries = le16toh(cmd->hw.create_queue.sq_entries);
	uint16_t cq_entries = le16toh(cmd->hw.create_queue.cq_entries);
	uint16_t vector = le16toh(cmd->hw.create_queue.vector);
	uint32_t offset;

	if (!card_command_zero(cmd, RAW + 24, sizeof(cmd->hw), &offset))
		return card_command_bad_field(cmd, offset);
	if (sq % 64)
		return card_command_bad_field(cmd, RAW);
	if (cq % 64)
		return card_command_bad_field(cmd, RAW + 8);
	if (!qid || qid > card->config.io_queues || card->queues[qid].exists)
		return card_command_end(cmd, FQA_SC_BAD_QUEUE);
	if (sq_entries < 2 || sq_entries > FQA_MAX_ENTRIES)
		return card_command_bad_field(cmd, RAW + 18);
	if (cq_entries < 2 || cq_entries > FQA_MAX_ENTRIES)
		return card_command_bad_field(cmd, RAW + 20);
	if (vector > card->config.io_queues)
		return card_command_bad_field(cmd, RAW + 22);
	card_queue_create(card, qid, sq, sq_entries, cq, cq_entries, vector);
	return card_command_end(cmd, FQA_SC_OK);
}

/* The queue hangs on purpose; so does its deletion, until a reset. */
static enum card_advance delete_wait(struct card *card, struct card_command *cmd)
{
	(void)card;
	(void)cmd;
	return CARD_WAIT;
}

static enum card_advance delete_queue(struct card *card, struct card_command *cmd)
{
	uint16_t qid = le16toh(cmd->hw.delete_queue.qid);
	uint32_t offset;

	if (!card_command_zero(cmd, RAW + 2, sizeof(cmd->hw), &offset))
		return card_command_bad_field(cmd, offset);
	if (!qid || qid > card->config.io_queues || !card->queues[qid].exists ||
	    card->queues[qid].deleting)
		return card_command_end(cmd, FQA_SC_BAD_QUEUE);
	if (card_queue_delete(card, &card->queues[qid]))
		return card_command_end(cmd, FQA_SC_OK);
	cmd->advance = delete_wait;
	return CARD_WAIT;
}

/* Done when the target's completion was written, or its queue is gone. */
static enum card_advance abort_wait(struct card *card, struct card_command *cmd)
{
	(void)card;
	return cmd->target ? CARD_WAIT : card_command_end(cmd, FQA_SC_OK);
}

static enum card_advance abort_start(struct card *card, struct card_command *cmd)
{
	uint16_t qid = le16toh(cmd->hw.abort.qid), cid = le16toh(cmd->hw.abort.cid);
	struct card_command *target;
	uint32_t offset;

	if (!card_command_zero(cmd, RAW + 4, sizeof(cmd->hw), &offset))
		return card_command_bad_field(cmd, offset);
	if (qid > card->config.io_queues || !card->queues[qid].exists)
		return card_command_end(cmd, FQA_SC_BAD_QUEUE);
	target = card_queue_find(&card->queues[qid], cid, cmd);
	if (!target || (target->hw.opcode != FQA_OP_RUN && target->hw.opcode != FQA_OP_LOAD))
		return card_command_end(cmd, FQA_SC_NOT_FOUND);
	cmd->target = target;
	cmd->advance = abort_wait;
	if (target->hung)
		return CARD_WAIT;
	/* One that waits to be posted keeps its status: a LOAD may have filled its slot. */
	if (!target->finished) {
		card_command_fail(target, FQA_SC_ABORTED, FQA_NO_LAYER, 0, 0);
		card_command_finish(card, target);
	}
	return CARD_WAIT;
}

static enum card_advance get_fault(struct card_command *cmd)
{
	return card_command_fail(cmd, FQA_SC_DMA_FAULT, FQA_NO_LAYER, 0, 0);
}

static enum card_advance get_log(struct card *card, struct card_command *cmd)
{
	uint32_t i, count = le32toh(cmd->hw.get.len) / sizeof(struct fqa_hw_log_entry);
	struct fqa_hw_log_entry out[FQA_LOG_ENTRIES];

	memset(out, 0, sizeof(out));
	for (i = 0; i < count && i < card->log_sequence; i++)
		out[i] = card->log[(card->log_sequence - 1 - i) % FQA_LOG_ENTRIES];
	if (card_data_write(card, le64toh(cmd->hw.get.addr), out, count * sizeof(out[0])))
		return get_fault(cmd);
	return card_command_end(cmd, FQA_SC_OK);
}

static enum card_advance get_stats(struct card *card, struct card_command *cmd)
{
	struct fqa_hw_stats out = {
		.commands = htole64(card->stats.commands),
		.errors = htole64(card->stats.errors),
		.runs = htole64(card->stats.runs),
		.pictures = htole64(card->stats.pictures),
		.cycles = htole64(card->stats.cycles),
		.bytes_read = htole64(card->stats.bytes_read),
		.bytes_written = htole64(card->stats.bytes_written),
		.interrupts = htole64(card->stats.interrupts),
		.resets = htole64(card->stats.resets),
	};
	uint64_t images = 0;
	unsigned int i;

	for (i = 0; i < FQA_MAX_SLOTS; i++)
		images += card->slots[i].image != NULL;
	out.images = htole64(images);
	if (card_data_write(card, le64toh(cmd->hw.get.addr), &out, sizeof(out)))
		return get_fault(cmd);
	return card_command_end(cmd, FQA_SC_OK);
}

static enum card_advance get_start(struct card_command *cmd, bool log)
{
	uint32_t offset, len = le32toh(cmd->hw.get.len);

	if (!card_command_zero(cmd, RAW + 12, sizeof(cmd->hw), &offset))
		return card_command_bad_field(cmd, offset);
	if (log && (!len || len % sizeof(struct fqa_hw_log_entry) ||
		    len > FQA_LOG_ENTRIES * sizeof(struct fqa_hw_log_entry)))
		return card_command_bad_field(cmd, RAW + 8);
	if (!log && len != sizeof(struct fqa_hw_stats))
		return card_command_bad_field(cmd, RAW + 8);
	if (le64toh(cmd->hw.get.addr) > UINT64_MAX - len)
		return card_command_bad_field(cmd, RAW);
	cmd->advance = log ? get_log : get_stats;
	return CARD_AGAIN;
}

enum card_advance card_admin_start(struct card *card, struct card_command *cmd)
{
	uint32_t offset;

	if (cmd->hw.opcode == FQA_OP_LOAD)
		return card_load_start(card, cmd);
	if (cmd->hw.opcode == FQA_OP_UNLOAD)
		return card_unload_start(card, cmd);
	if (!card_command_zero(cmd, 4, RAW, &offset))
		return card_command_bad_field(cmd, offset);
	switch (cmd->hw.opcode) {
	case FQA_OP_CREATE_QUEUE:
		return create_queue(card, cmd);
	case FQA_OP_DELETE_QUEUE:
		return delete_queue(card, cmd);
	case FQA_OP_ABORT:
		return abort_start(card, cmd);
	case FQA_OP_GET_LOG:
		return get_start(cmd, true);
	default:
		return get_start(cmd, false);
	}
}
