/* SPDX-License-Identifier: MIT */
/*
 * RUN, CARD.md section 6.9: read both lists, get an arena, then for each picture
 * fetch its live tensors, have a worker compute, write the results.
 */
#include "card_private.h"

#include <stdlib.h>

#define RUN_BATCH	16	/* offsets in the command */
#define RUN_RESERVED0	20
#define RUN_IN		24
#define RUN_OUT		40
#define RUN_RESERVED	56

#define RUN_MAX_BATCH	65536

struct card_run {
	struct card_work work;
	struct card_image *image;
	uint32_t first, count, batch, picture;
	struct card_list in, out;
	struct card_block arena;	/* an extra one; else the image's own is used */
	bool own_arena;
	uint8_t *mem;			/* the arena */
	void *scratch;
	uint32_t tensor;		/* being moved */
	uint64_t moved;			/* bytes of it */
};

static struct card_run *run_of(struct card_work *work)
{
	return (struct card_run *)work;
}

/* Its command is over: the image may be unloaded, even while a worker still stops. */
static void run_detach(struct card *card, struct card_work *work)
{
	(void)card;
	work->waiting = false;
	run_of(work)->image->runs--;
}

static void run_release(struct card *card, struct card_work *work)
{
	struct card_run *run = run_of(work);

	if (run->own_arena)
		run->image->arena_taken = false;
	if (run->arena.size) {
		card_memory_free(&card->memory, &run->arena);
		card->extra_arenas--;
	}
	card_list_free(&run->in);
	card_list_free(&run->out);
	free(run->scratch);
	card_image_put(card, run->image);
	free(run);
	card->again = true;
}

static void run_work(struct card_work *work)
{
	struct card_run *run = run_of(work);

	/* Cancelled: the command is gone, and so is the result. */
	(void)card_model_run(run->image->model, run->first, run->count, run->mem,
			     run->scratch, &work->tick);
}

/*
 * Move a picture's tensors that are live before layer @layer, in order of number.
 * CARD_WAIT: all of them are moved.
 */
static enum card_advance run_move(struct card *card, struct card_command *cmd,
				  struct card_list *list, uint32_t layer, bool to_card)
{
	struct card_run *run = run_of(cmd->work);
	const struct card_model *m = run->image->model;
	const struct card_tensor *t;
	enum card_advance step;

	for (; run->tensor < m->tensor_count; run->tensor++, run->moved = 0) {
		if (!card_model_live(m, layer, run->tensor))
			continue;
		t = &m->tensors[run->tensor];
		step = card_list_move(card, list, run->mem + t->offset, t->bytes, &run->moved,
				      to_card, cmd);
		if (step != CARD_WAIT)
			return step;
	}
	run->tensor = 0;
	run->moved = 0;
	return CARD_WAIT;
}

static enum card_advance run_input(struct card *card, struct card_command *cmd);

static enum card_advance run_output(struct card *card, struct card_command *cmd)
{
	struct card_run *run = run_of(cmd->work);
	const struct card_model *m = run->image->model;
	enum card_advance step;

	step = run_move(card, cmd, &run->out, run->first + run->count, false);
	if (step != CARD_WAIT)
		return step;
	card->stats.pictures++;
	if (++run->picture < run->batch) {
		cmd->advance = run_input;
		return CARD_AGAIN;
	}
	cmd->done.result = card_model_cycles(m, run->first, run->count);
	if (__builtin_mul_overflow(cmd->done.result, run->batch, &cmd->done.result))
		cmd->done.result = UINT64_MAX;
	card->stats.runs++;
	card->stats.cycles += cmd->done.result;
	return card_command_end(cmd, FQA_SC_OK);
}

static enum card_advance run_wait(struct card *card, struct card_command *cmd)
{
	(void)card;
	if (cmd->work->in_flight)
		return CARD_WAIT;
	cmd->advance = run_output;
	return CARD_AGAIN;
}

static enum card_advance run_input(struct card *card, struct card_command *cmd)
{
	struct card_run *run = run_of(cmd->work);
	enum card_advance step;

	step = run_move(card, cmd, &run->in, run->first, true);
	if (step != CARD_WAIT)
		return step;
	cmd->advance = run_wait;
	card_work_submit(card, &run->work);
	return CARD_WAIT;
}

/* The arena reserved at LOAD; or one more, unless a LOAD waits for just that memory. */
static bool run_take_arena(struct card *card, struct card_run *run)
{
	struct card_image *image = run->image;

	if (!image->arena_taken) {
		image->arena_taken = true;
		run->own_arena = true;
		run->mem = card->memory.base + image->arena.offset;
		return true;
	}
	if (card->loads_waiting ||
	    card_memory_alloc(&card->memory, image->arena.size, &run->arena))
		return false;
	card->extra_arenas++;
	run->mem = card->memory.base + run->arena.offset;
	return true;
}

static enum card_advance run_arena(struct card *card, struct card_command *cmd)
{
	struct card_run *run = run_of(cmd->work);

	if (!run_take_arena(card, run)) {
		if (!run->work.waiting) {
			run->work.waiting = true;
			run->work.waiting_since = card->host.clock_ns(card->opaque);
		}
		return CARD_WAIT;
	}
	run->work.waiting = false;
	run->scratch = aligned_alloc(64, (run->image->model->scratch_bytes + 64) / 64 * 64);
	if (!run->scratch)
		return card_command_end(cmd, FQA_SC_INTERNAL);
	cmd->advance = run_input;
	return CARD_AGAIN;
}

/* Both lists whole, before anything else: their totals must be what the run needs. */
static enum card_advance run_lists(struct card *card, struct card_command *cmd)
{
	struct card_run *run = run_of(cmd->work);
	const struct card_model *m = run->image->model;
	uint64_t needed;
	enum card_advance step;

	step = card_list_read(card, &run->in, cmd);
	if (step != CARD_WAIT)
		return step;
	needed = card_model_live_bytes(m, run->first) * run->batch;
	if (run->in.total != needed)
		return card_command_fail(cmd, FQA_SC_BAD_LENGTH, FQA_NO_LAYER, 0, needed);
	step = card_list_read(card, &run->out, cmd);
	if (step != CARD_WAIT)
		return step;
	needed = card_model_live_bytes(m, run->first + run->count) * run->batch;
	if (run->out.total != needed)
		return card_command_fail(cmd, FQA_SC_BAD_LENGTH, FQA_NO_LAYER, 1, needed);
	cmd->advance = run_arena;
	return CARD_AGAIN;
}

static enum card_advance run_hang(struct card *card, struct card_command *cmd)
{
	(void)card;
	(void)cmd;
	return CARD_WAIT;
}

/* Its turn has come. */
static enum card_advance run_begin(struct card *card, struct card_command *cmd)
{
	cmd->queue->progress++;
	if (card_fault_take(card, CARD_FAULT_HANG)) {
		cmd->hung = true;
		cmd->advance = run_hang;
		return CARD_WAIT;
	}
	cmd->advance = run_lists;
	return CARD_AGAIN;
}

/* FQA_SC_OK, or why the fields are refused; *offset is the byte of a bad one. */
static uint16_t run_check(const struct card *card, const struct card_command *cmd,
			  uint32_t *offset)
{
	uint32_t in = card_list_check(&cmd->hw.run.in), out = card_list_check(&cmd->hw.run.out);
	uint32_t slot = le32toh(cmd->hw.slot), batch = le32toh(cmd->hw.run.batch);
	uint32_t first = le32toh(cmd->hw.run.first_layer);
	uint32_t count = le32toh(cmd->hw.run.layer_count), layers;

	*offset = RUN_BATCH;
	if (!batch || batch > RUN_MAX_BATCH)
		return FQA_SC_BAD_FIELD;
	if (!card_command_zero(cmd, RUN_RESERVED0, RUN_IN, offset) ||
	    !card_command_zero(cmd, RUN_RESERVED, sizeof(cmd->hw), offset))
		return FQA_SC_BAD_FIELD;
	*offset = in != UINT32_MAX ? RUN_IN + in : RUN_OUT + out;
	if (in != UINT32_MAX || out != UINT32_MAX)
		return FQA_SC_BAD_FIELD;
	*offset = 0;
	if (slot >= FQA_MAX_SLOTS || !card->slots[slot].image)
		return FQA_SC_BAD_SLOT;
	layers = card->slots[slot].image->model->layer_count;
	if (!count || first > layers || count > layers - first)
		return FQA_SC_BAD_RANGE;
	return FQA_SC_OK;
}

enum card_advance card_run_start(struct card *card, struct card_command *cmd)
{
	uint32_t offset;
	uint16_t status = run_check(card, cmd, &offset);
	struct card_run *run;

	if (status != FQA_SC_OK)
		return card_command_fail(cmd, status, FQA_NO_LAYER, offset, 0);
	run = calloc(1, sizeof(*run));
	if (!run)
		return card_command_end(cmd, FQA_SC_INTERNAL);
	run->image = card->slots[le32toh(cmd->hw.slot)].image;
	run->image->refs++;
	run->image->runs++;
	run->first = le32toh(cmd->hw.run.first_layer);
	run->count = le32toh(cmd->hw.run.layer_count);
	run->batch = le32toh(cmd->hw.run.batch);
	card_list_init(&run->in, &cmd->hw.run.in);
	card_list_init(&run->out, &cmd->hw.run.out);
	run->work.run = run_work;
	run->work.detach = run_detach;
	run->work.release = run_release;
	card_work_init(card, cmd, &run->work);
	cmd->advance = run_begin;
	return CARD_AGAIN;
}
