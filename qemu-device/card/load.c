/* SPDX-License-Identifier: MIT */
/* LOAD and UNLOAD, CARD.md sections 6.4 and 6.5. */
#include "card_private.h"

#include <stdlib.h>

#define LOAD_LIST	8	/* offsets in the command */
#define LOAD_LENGTH	24
#define LOAD_INFO	32
#define LOAD_RESERVED	40

/*
 * Decoded weights are the emulator's own memory, not the card's. A few times the
 * card's memory is enough for any real network; a stream of one-bit codes asks for more.
 */
#define LOAD_DECODED_FACTOR	4
#define LOAD_DECODED_MIN	(UINT64_C(1) << 28)

struct card_load {
	struct card_work work;
	uint32_t slot;
	uint64_t length, moved, info;
	struct card_list list;
	struct card_image *image;
	int err;			/* of card_model_build() */
	struct fqz_error error;
	uint64_t decoded_limit;
};

void card_image_put(struct card *card, struct card_image *image)
{
	if (--image->refs)
		return;
	card->decoded -= image->decoded;
	card_model_free(image->model);
	card_memory_free(&card->memory, &image->image);
	card_memory_free(&card->memory, &image->arena);
	free(image);
	card->again = true;
}

static struct card_load *load_of(struct card_work *work)
{
	return (struct card_load *)work;
}

static void load_set_waiting(struct card *card, struct card_load *load, bool waiting)
{
	if (load->work.waiting == waiting)
		return;
	load->work.waiting = waiting;
	if (waiting) {
		load->work.waiting_since = card->host.clock_ns(card->opaque);
		card->loads_waiting++;
	} else {
		card->loads_waiting--;
		card->again = true;
	}
}

static void load_detach(struct card *card, struct card_work *work)
{
	load_set_waiting(card, load_of(work), false);
	card->slots[load_of(work)->slot].loading = false;
}

static void load_release(struct card *card, struct card_work *work)
{
	struct card_load *load = load_of(work);

	card_list_free(&load->list);
	if (load->image)
		card_image_put(card, load->image);
	free(load);
}

/* On a worker: card memory is read here for the first time, and never again later. */
static void load_work(struct card_work *work)
{
	struct card_load *load = load_of(work);
	struct card *card = work->card;

	load->err = card_model_build(card->memory.base + load->image->image.offset,
				     load->length, card->exec, card->config.lanes,
				     load->decoded_limit, &work->tick, &load->image->model,
				     &load->error);
}

/*
 * Memory for the image or its arena. CARD_AGAIN: it is there. Arenas that RUNs took
 * beside their reserved ones, and those of work that is just stopping, come back by
 * themselves: worth waiting for, as a host cannot know of them.
 */
static enum card_advance load_memory(struct card *card, struct card_command *cmd,
				     uint64_t bytes, struct card_block *block, uint64_t needed)
{
	struct card_load *load = load_of(cmd->work);
	int err = card_memory_alloc(&card->memory, bytes, block);

	if (err == -ENOSPC && bytes <= card->memory.size &&
	    (card->extra_arenas || card->stale)) {
		load_set_waiting(card, load, true);
		return CARD_WAIT;
	}
	load_set_waiting(card, load, false);
	if (err == -ENOSPC)
		return card_command_fail(cmd, FQA_SC_NO_MEMORY, FQA_NO_LAYER, 0, needed);
	if (err)
		return card_command_end(cmd, FQA_SC_INTERNAL);
	return CARD_AGAIN;
}

static enum card_advance load_info(struct card *card, struct card_command *cmd)
{
	struct card_load *load = load_of(cmd->work);
	const struct card_image *image = load->image;
	const struct card_model *m = image->model;
	struct fqa_hw_model_info info = {
		.image_bytes = htole64(image->image.size),
		.arena_bytes = htole64(image->arena.size),
		.input_bytes = htole64(card_model_live_bytes(m, 0)),
		.output_bytes = htole64(card_model_live_bytes(m, m->layer_count)),
		.cycles = htole64(card_model_cycles(m, 0, m->layer_count)),
		.weights = htole64(m->weights),
		.layers = htole32(m->layer_count),
		.classes = htole32(m->class_count),
	};

	if (load->info && card_data_write(card, load->info, &info, sizeof(info)))
		return card_command_fail(cmd, FQA_SC_DMA_FAULT, FQA_NO_LAYER, 0, 0);
	card->slots[load->slot].image = load->image;
	load->image = NULL;
	return card_command_end(cmd, FQA_SC_OK);
}

static enum card_advance load_arena(struct card *card, struct card_command *cmd)
{
	struct card_load *load = load_of(cmd->work);
	struct card_image *image = load->image;
	uint64_t arena = card_memory_round(image->model->arena_bytes);
	enum card_advance step = load_memory(card, cmd, arena, &image->arena,
					     image->image.size + arena);

	if (step == CARD_AGAIN)
		cmd->advance = load_info;
	return step;
}

static enum card_advance load_wait(struct card *card, struct card_command *cmd)
{
	struct card_load *load = load_of(cmd->work);

	if (load->work.in_flight)
		return CARD_WAIT;
	if (load->err == -EBADMSG) {
		card_command_fail(cmd, FQA_SC_BAD_IMAGE, load->error.layer,
				  (uint32_t)load->error.offset, 0);
		cmd->done.reason = load->error.reason;
		return CARD_DONE;
	}
	if (load->err)
		return card_command_end(cmd, FQA_SC_INTERNAL);
	/* Only from now on: an ABORT may have come after the worker, but before us. */
	load->image->decoded = load->image->model->decoded;
	card->decoded += load->image->decoded;
	cmd->advance = load_arena;
	return CARD_AGAIN;
}

static enum card_advance load_copy(struct card *card, struct card_command *cmd)
{
	struct card_load *load = load_of(cmd->work);
	uint64_t limit = LOAD_DECODED_FACTOR * card->memory.size;
	enum card_advance step;

	step = card_list_move(card, &load->list,
			      card->memory.base + load->image->image.offset, load->length,
			      &load->moved, true, cmd);
	if (step != CARD_WAIT)
		return step;
	if (limit < LOAD_DECODED_MIN)
		limit = LOAD_DECODED_MIN;
	load->decoded_limit = limit > card->decoded ? limit - card->decoded : 0;
	cmd->advance = load_wait;
	card_work_submit(card, &load->work);
	return CARD_WAIT;
}

static enum card_advance load_room(struct card *card, struct card_command *cmd)
{
	struct card_load *load = load_of(cmd->work);
	enum card_advance step = load_memory(card, cmd, load->length, &load->image->image,
					     card_memory_round(load->length));

	if (step == CARD_AGAIN)
		cmd->advance = load_copy;
	return step;
}

static enum card_advance load_list(struct card *card, struct card_command *cmd)
{
	struct card_load *load = load_of(cmd->work);
	enum card_advance step = card_list_read(card, &load->list, cmd);

	if (step != CARD_WAIT)
		return step;
	if (load->list.total != load->length)
		return card_command_fail(cmd, FQA_SC_BAD_LENGTH, FQA_NO_LAYER, 0, load->length);
	cmd->advance = load_room;
	return CARD_AGAIN;
}

/* True if the fields are good; else *offset is the byte at fault. */
static bool load_check(const struct card_command *cmd, uint32_t *offset)
{
	uint32_t bad = card_list_check(&cmd->hw.load.image);
	uint64_t length = le64toh(cmd->hw.load.length), info = le64toh(cmd->hw.load.info);

	*offset = LOAD_LIST + bad;
	if (bad != UINT32_MAX)
		return false;
	*offset = LOAD_LENGTH;
	if (!length || length > UINT32_MAX)
		return false;
	*offset = LOAD_INFO;
	if (info % 8 || info > UINT64_MAX - sizeof(struct fqa_hw_model_info))
		return false;
	return card_command_zero(cmd, LOAD_RESERVED, sizeof(cmd->hw), offset);
}

enum card_advance card_load_start(struct card *card, struct card_command *cmd)
{
	uint32_t slot = le32toh(cmd->hw.slot), offset;
	struct card_load *load;

	if (!load_check(cmd, &offset))
		return card_command_bad_field(cmd, offset);
	if (slot >= FQA_MAX_SLOTS)
		return card_command_end(cmd, FQA_SC_BAD_SLOT);
	if (card->slots[slot].image || card->slots[slot].loading)
		return card_command_end(cmd, FQA_SC_SLOT_IN_USE);
	load = calloc(1, sizeof(*load));
	if (!load)
		return card_command_end(cmd, FQA_SC_INTERNAL);
	load->image = calloc(1, sizeof(*load->image));
	if (!load->image) {
		free(load);
		return card_command_end(cmd, FQA_SC_INTERNAL);
	}
	load->image->refs = 1;
	load->slot = slot;
	load->length = le64toh(cmd->hw.load.length);
	load->info = le64toh(cmd->hw.load.info);
	card_list_init(&load->list, &cmd->hw.load.image);
	load->work.run = load_work;
	load->work.detach = load_detach;
	load->work.release = load_release;
	card_work_init(card, cmd, &load->work);
	card->slots[slot].loading = true;
	cmd->advance = load_list;
	return CARD_AGAIN;
}

enum card_advance card_unload_start(struct card *card, struct card_command *cmd)
{
	uint32_t slot = le32toh(cmd->hw.slot), offset;
	struct card_image *image;

	if (!card_command_zero(cmd, 8, sizeof(cmd->hw), &offset))
		return card_command_bad_field(cmd, offset);
	if (slot >= FQA_MAX_SLOTS)
		return card_command_end(cmd, FQA_SC_BAD_SLOT);
	if (card->slots[slot].loading)
		return card_command_end(cmd, FQA_SC_SLOT_BUSY);
	image = card->slots[slot].image;
	if (!image)
		return card_command_end(cmd, FQA_SC_BAD_SLOT);
	if (image->runs)
		return card_command_end(cmd, FQA_SC_SLOT_BUSY);
	card->slots[slot].image = NULL;
	card_image_put(card, image);
	return card_command_end(cmd, FQA_SC_OK);
}
