/* SPDX-License-Identifier: MIT */
/* The life of a command between its ring and its completion, CARD.md sections 6 and 7. */
#include "card_private.h"

#include <stdlib.h>
#include <string.h>

enum card_advance card_command_end(struct card_command *cmd, uint16_t status)
{
	cmd->done.status = status;
	return CARD_DONE;
}

enum card_advance card_command_fail(struct card_command *cmd, uint16_t status,
				    uint32_t layer, uint32_t offset, uint64_t result)
{
	cmd->done = (struct card_result){ .status = status, .layer = layer,
					  .offset = offset, .result = result };
	return CARD_DONE;
}

enum card_advance card_command_bad_field(struct card_command *cmd, uint32_t offset)
{
	return card_command_fail(cmd, FQA_SC_BAD_FIELD, FQA_NO_LAYER, offset, 0);
}

/* Are bytes [from, to) of the command 0? If not, *offset is the first that is not. */
bool card_command_zero(const struct card_command *cmd, uint32_t from, uint32_t to,
		       uint32_t *offset)
{
	const uint8_t *raw = (const uint8_t *)&cmd->hw;

	for (; from < to; from++) {
		if (raw[from]) {
			*offset = from;
			return false;
		}
	}
	return true;
}

static enum card_advance command_nop(struct card_command *cmd)
{
	uint32_t offset;

	if (!card_command_zero(cmd, 4, sizeof(cmd->hw), &offset))
		return card_command_bad_field(cmd, offset);
	return card_command_end(cmd, FQA_SC_OK);
}

/* Check a command that was just read, and end it or set its advance(). */
enum card_advance card_command_start(struct card *card, struct card_command *cmd)
{
	const struct card_queue *q = cmd->queue;
	uint8_t opcode = cmd->hw.opcode;

	if (card_queue_find(q, cmd->cid, cmd))
		return card_command_end(cmd, FQA_SC_CID_IN_USE);
	if (opcode != FQA_OP_NOP && (q->id ? opcode != FQA_OP_RUN : opcode > FQA_OP_GET_STATS))
		return card_command_end(cmd, FQA_SC_BAD_OPCODE);
	if (cmd->hw.flags)
		return card_command_bad_field(cmd, 1);
	if (opcode == FQA_OP_NOP)
		return command_nop(cmd);
	if (opcode == FQA_OP_RUN)
		return card_run_start(card, cmd);
	return card_admin_start(card, cmd);
}

/* The completion is known: post it when there is room. */
void card_command_finish(struct card *card, struct card_command *cmd)
{
	struct card_queue *q = cmd->queue;

	card_queue_moved(q, TAILQ_PREV(cmd, card_command_list, link));
	TAILQ_REMOVE(&q->active, cmd, link);
	/* What it used is free from here on; posting may have to wait. */
	card_work_forget(card, cmd);
	cmd->finished = true;
	if (cmd->done.status != FQA_SC_OK)
		card_command_log(card, cmd);
	TAILQ_INSERT_TAIL(&q->finished, cmd, link);
	card->again = true;
}

void card_command_free(struct card *card, struct card_command *cmd)
{
	struct card_command *waiter;

	TAILQ_FOREACH(waiter, &card->queues[0].active, link)
		if (waiter->target == cmd)
			waiter->target = NULL;
	card_work_forget(card, cmd);
	free(cmd);
}

/* An entry of the error log; entry n is overwritten by entry n + FQA_LOG_ENTRIES. */
void card_command_log(struct card *card, const struct card_command *cmd)
{
	uint64_t sequence = ++card->log_sequence;

	card->stats.errors++;
	card->log[(sequence - 1) % FQA_LOG_ENTRIES] = (struct fqa_hw_log_entry){
		.time_ns = htole64(card->host.clock_ns(card->opaque) - card->power_on_ns),
		.sequence = htole64(sequence),
		.qid = htole16(cmd->queue->id),
		.cid = htole16(cmd->cid),
		.opcode = cmd->hw.opcode,
		.status = htole16(cmd->done.status),
		.slot = cmd->hw.slot,
		.layer = htole32(cmd->done.layer),
		.offset = htole32(cmd->done.offset),
		.reason = htole32(cmd->done.reason),
		.result = htole64(cmd->done.result),
	};
	card_log(card, CARD_LOG_DEBUG, "queue %u: command %u (opcode 0x%02x) failed: status 0x%02x",
		 cmd->queue->id, cmd->cid, cmd->hw.opcode, cmd->done.status);
}
