/* SPDX-License-Identifier: MIT */
/* Work items: handed to the host's workers, taken back, or disowned. */
#include "card_private.h"

void card_work_init(struct card *card, struct card_command *cmd, struct card_work *work)
{
	work->card = card;
	work->command = cmd;
	work->in_flight = false;
	work->waiting = false;
	work->tick.units = 0;
	atomic_init(&work->tick.cancel, false);
	atomic_init(&work->tick.progress, 0);
	cmd->work = work;
}

void card_work_submit(struct card *card, struct card_work *work)
{
	work->in_flight = true;
	card->in_flight++;
	card->host.work_start(card->opaque, work);
}

/* The command goes away; what its worker uses stays until the worker has stopped. */
void card_work_forget(struct card *card, struct card_command *cmd)
{
	struct card_work *work = cmd->work;

	if (!work)
		return;
	cmd->work = NULL;
	work->command = NULL;
	if (work->detach)
		work->detach(card, work);
	cmd->queue->progress += atomic_load(&work->tick.progress);
	if (work->in_flight) {
		atomic_store(&work->tick.cancel, true);
		card->stale++;
	} else {
		work->release(card, work);
	}
}

void card_work_run(struct card_work *work)
{
	work->run(work);
}

void card_work_end(struct card *card, struct card_work *work)
{
	work->in_flight = false;
	card->in_flight--;
	if (work->command) {
		work->command->queue->progress++;
	} else {
		card->stale--;
		work->release(card, work);
	}
	card_fault_flip(card);
	if (!card->in_flight && card->phase == CARD_STARTING)
		card_controller_start(card);
	card_kick(card);
}
