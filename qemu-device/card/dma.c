/* SPDX-License-Identifier: MIT */
/* Transfers of at most FQA_DMA_PIECE bytes, and scatter lists (CARD.md section 5). */
#include "card_private.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENT_MAX	(4096u * sizeof(struct fqa_hw_sge))

int card_dma_read(struct card *card, uint64_t addr, void *buf, size_t len)
{
	card->budget--;
	return card->host.dma_read(card->opaque, addr, buf, len);
}

int card_dma_write(struct card *card, uint64_t addr, const void *buf, size_t len)
{
	card->budget--;
	return card->host.dma_write(card->opaque, addr, buf, len);
}

/* Data as opposed to rings and lists: counted, and subject to CARD_FAULT_FAIL_DMA. */
int card_data_write(struct card *card, uint64_t addr, const void *buf, size_t len)
{
	int err = card_fault_take(card, CARD_FAULT_FAIL_DMA) ? -EIO :
		  card_dma_write(card, addr, buf, len);

	if (!err)
		card->stats.bytes_written += len;
	return err;
}

static int data_read(struct card *card, uint64_t addr, void *buf, size_t len)
{
	int err = card_fault_take(card, CARD_FAULT_FAIL_DMA) ? -EIO :
		  card_dma_read(card, addr, buf, len);

	if (!err)
		card->stats.bytes_read += len;
	return err;
}

static bool segment_valid(uint64_t addr, uint32_t len)
{
	return addr % 16 == 0 && len % 16 == 0 && len >= 16 && len <= SEGMENT_MAX &&
	       addr <= UINT64_MAX - len;
}

/* Where in a command's list field the fault is, or UINT32_MAX. */
uint32_t card_list_check(const struct fqa_hw_list *hw)
{
	if (hw->reserved)
		return 12;
	if (le64toh(hw->addr) % 16)
		return 0;
	return segment_valid(le64toh(hw->addr), le32toh(hw->len)) ? UINT32_MAX : 8;
}

void card_list_init(struct card_list *list, const struct fqa_hw_list *hw)
{
	memset(list, 0, sizeof(*list));
	list->segment_addr = le64toh(hw->addr);
	list->segment_len = le32toh(hw->len);
}

void card_list_free(struct card_list *list)
{
	free(list->sg);
	memset(list, 0, sizeof(*list));
}

static enum card_advance list_bad(struct card_command *cmd, uint32_t entry)
{
	return card_command_fail(cmd, FQA_SC_BAD_LIST, FQA_NO_LAYER, entry, 0);
}

static int list_grow(struct card_list *list, uint32_t count)
{
	uint32_t room = list->room ? list->room : 16;
	struct card_sg *sg;

	if (count <= list->room)
		return 0;
	while (room < count)
		room *= 2;
	sg = realloc(list->sg, room * sizeof(*sg));
	if (!sg)
		return -ENOMEM;
	list->sg = sg;
	list->room = room;
	return 0;
}

/* A segment's entries; the last one may be a link, but not the only one: no endless lists. */
static enum card_advance list_parse(struct card_list *list, const struct fqa_hw_sge *sge,
				    uint32_t count, struct card_command *cmd)
{
	uint32_t i;

	list->segment_len = 0;
	if (list_grow(list, list->count + count))
		return card_command_end(cmd, FQA_SC_INTERNAL);
	for (i = 0; i < count; i++, list->entries++) {
		uint64_t addr = le64toh(sge[i].addr);
		uint32_t len = le32toh(sge[i].len), flags = le32toh(sge[i].flags);

		if (flags == FQA_SGE_LINK && i && i == count - 1 && segment_valid(addr, len)) {
			list->segment_addr = addr;
			list->segment_len = len;
			continue;
		}
		if (flags || !len || addr > UINT64_MAX - len || list->count >= FQA_MAX_SCATTER)
			return list_bad(cmd, list->entries);
		list->sg[list->count++] = (struct card_sg){ addr, len };
		list->total += len;
	}
	return CARD_AGAIN;
}

/* Read the next segment. CARD_WAIT: the list is complete; CARD_DONE: the command failed. */
enum card_advance card_list_read(struct card *card, struct card_list *list,
				 struct card_command *cmd)
{
	if (!list->segment_len)
		return CARD_WAIT;
	cmd->queue->progress++;
	if (card_dma_read(card, list->segment_addr, card->bounce, list->segment_len))
		return card_command_fail(cmd, FQA_SC_DMA_FAULT, CARD_LIST_LAYER, list->entries, 0);
	return list_parse(list, (const struct fqa_hw_sge *)card->bounce,
			  list->segment_len / 16, cmd);
}

/*
 * Move the next piece between the list and @len bytes at @mem, of which *moved are
 * done. CARD_WAIT: all are; CARD_DONE: the command failed. The list's total was
 * checked, so the cursor does not run off its end.
 */
enum card_advance card_list_move(struct card *card, struct card_list *list, uint8_t *mem,
				 uint64_t len, uint64_t *moved, bool to_card,
				 struct card_command *cmd)
{
	const struct card_sg *sg = &list->sg[list->at];
	uint64_t piece = len - *moved, addr;
	int err;

	if (!piece)
		return CARD_WAIT;
	if (piece > sg->len - list->at_done)
		piece = sg->len - list->at_done;
	if (piece > FQA_DMA_PIECE)
		piece = FQA_DMA_PIECE;
	addr = sg->addr + list->at_done;
	if (to_card)
		err = data_read(card, addr, mem + *moved, piece);
	else
		err = card_data_write(card, addr, mem + *moved, piece);
	if (err)
		return card_command_fail(cmd, FQA_SC_DMA_FAULT, FQA_NO_LAYER,
					 list->moved > UINT32_MAX ? UINT32_MAX :
					 (uint32_t)list->moved, 0);
	cmd->queue->progress++;
	*moved += piece;
	list->moved += piece;
	list->at_done += (uint32_t)piece;
	if (list->at_done == sg->len) {
		list->at++;
		list->at_done = 0;
	}
	return CARD_AGAIN;
}
