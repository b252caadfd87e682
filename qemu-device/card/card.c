/* SPDX-License-Identifier: MIT */
/* Power, reset, fault knobs, and the step that everything happens in. */
#include "card_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void card_log(struct card *card, enum card_log_level level, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	card->host.log(card->opaque, level, text);
}

void card_kick(struct card *card)
{
	card->host.kick(card->opaque);
}

/* Neither DMA nor interrupts nor registers: D3hot, or as if pulled out. */
bool card_dead(const struct card *card)
{
	return card->asleep || card->faults[CARD_FAULT_GONE];
}

static bool config_valid(const struct card_config *c)
{
	return c->memory >= (1u << 20) && c->memory <= (UINT64_C(64) << 30) &&
	       c->memory % CARD_PAGE == 0 && c->io_queues >= 1 &&
	       c->io_queues <= FQA_MAX_IO_QUEUES && c->lanes >= 1 && c->lanes <= 65536 &&
	       c->clock_khz >= 1000 && c->clock_khz <= 10000000;
}

int card_create(const struct card_config *config, const struct card_host *host,
		void *opaque, struct card **out)
{
	struct card *card;
	unsigned int i;

	*out = NULL;
	if (!config_valid(config))
		return -EINVAL;
	card = calloc(1, sizeof(*card));
	if (!card)
		return -ENOMEM;
	card->bounce = malloc(FQA_DMA_PIECE);
	if (!card->bounce)
		goto free_card;
	if (card_memory_init(&card->memory, config->memory))
		goto free_bounce;
	card->config = *config;
	card->host = *host;
	card->opaque = opaque;
	card->exec = card_exec_default();
	for (i = 0; i < CARD_QUEUES; i++) {
		card->queues[i].id = (uint16_t)i;
		TAILQ_INIT(&card->queues[i].active);
		TAILQ_INIT(&card->queues[i].finished);
	}
	card->power_on_ns = host->clock_ns(opaque);
	*out = card;
	return 0;

free_bounce:
	free(card->bounce);
free_card:
	free(card);
	return -ENOMEM;
}

/* Forget every command without a completion; workers are told to stop. */
static void forget_commands(struct card *card)
{
	unsigned int i;

	for (i = 0; i < CARD_QUEUES; i++)
		card_queue_destroy(card, &card->queues[i]);
}

static void unload_all(struct card *card)
{
	unsigned int i;

	for (i = 0; i < FQA_MAX_SLOTS; i++) {
		struct card_image *image = card->slots[i].image;

		card->slots[i] = (struct card_slot){ NULL, false };
		if (image)
			card_image_put(card, image);
	}
}

void card_destroy(struct card *card)
{
	if (!card)
		return;
	forget_commands(card);
	unload_all(card);
	card_memory_exit(&card->memory);
	free(card->bounce);
	free(card);
}

/*
 * CONTROL.ENABLE was cleared: CARD.md section 3.1. Workers may go on for a moment;
 * nothing comes of it, and the next start waits for them.
 */
void card_controller_stop(struct card *card)
{
	forget_commands(card);
	unload_all(card);
	card->enable = false;
	card->fatal_cause = FQA_FATAL_NONE;
	card->fatal_interrupt = false;
	card->stats.resets++;
	card->phase = CARD_OFF;
}

/*
 * CONTROL.ENABLE is 1. Work of before a reset may still use card memory: then the
 * start is put off until the last of it has ended, so that MEM_FREE is the truth.
 */
void card_controller_start(struct card *card)
{
	uint32_t sq = (card->admin_size & 0xfff) + 1;
	uint32_t cq = ((card->admin_size >> 16) & 0xfff) + 1;

	card->enable = true;
	if (card->in_flight) {
		card->phase = CARD_STARTING;
		return;
	}
	card->phase = CARD_READY;
	if (sq < 2 || cq < 2 || card->admin_size & ~0x0fff0fffu ||
	    card->admin_sq % 64 || card->admin_cq % 64) {
		card_log(card, CARD_LOG_GUEST_ERROR, "enabled with a bad admin queue");
		card_fatal(card, FQA_FATAL_ADMIN);
		return;
	}
	card_queue_create(card, 0, card->admin_sq, sq, card->admin_cq, cq, 0);
}

/* CARD.md section 3.4: no more DMA; the admin interrupt, once, is sent by the next step. */
void card_fatal(struct card *card, uint8_t cause)
{
	if (card->phase != CARD_READY)
		return;
	card->phase = CARD_FATAL;
	card->fatal_cause = cause;
	card->fatal_interrupt = true;
	card_log(card, CARD_LOG_WARNING, "stopped, cause %u", cause);
	card_kick(card);
}

void card_reset(struct card *card)
{
	card_controller_stop(card);
	card->admin_size = 0;
	card->admin_sq = 0;
	card->admin_cq = 0;
	card->next_queue = 0;
}

void card_power(struct card *card, bool on)
{
	if (card->asleep == !on)
		return;
	card_reset(card);
	card->asleep = !on;
}

/* True if a one-shot fault is due; counts it down. */
bool card_fault_take(struct card *card, enum card_fault fault)
{
	if (!card->faults[fault])
		return false;
	card->faults[fault]--;
	return true;
}

/* An image that a worker is checking must not change: the flip waits for the worker. */
void card_fault_flip(struct card *card)
{
	unsigned int i;

	if (!card->flip_pending)
		return;
	for (i = 0; i < FQA_MAX_SLOTS; i++)
		if (card->slots[i].loading)
			return;
	if (card->stale)
		return;
	card->flip_pending = false;
	__atomic_xor_fetch(&card->memory.base[card->flip_bit / 8],
			   (uint8_t)(1u << card->flip_bit % 8), __ATOMIC_RELAXED);
}

int card_fault_set(struct card *card, enum card_fault fault, uint64_t value)
{
	switch (fault) {
	case CARD_FAULT_FLIP_BIT:
		if (value / 8 >= card->memory.size)
			return -EINVAL;
		card->flip_bit = value;
		card->flip_pending = true;
		card_fault_flip(card);
		break;
	case CARD_FAULT_GONE:
		if (value > 1)
			return -EINVAL;
		if (value != card->faults[fault])
			card_reset(card);
		break;
	case CARD_FAULT_HANG:
	case CARD_FAULT_DROP_IRQ:
	case CARD_FAULT_CORRUPT_COMPLETION:
	case CARD_FAULT_FAIL_DMA:
		break;
	default:
		return -EINVAL;
	}
	card->faults[fault] = value;
	return 0;
}

uint64_t card_fault_get(const struct card *card, enum card_fault fault)
{
	if ((unsigned int)fault > CARD_FAULT_GONE)
		return 0;
	return card->faults[fault];
}

unsigned int card_work_pending(const struct card *card)
{
	return card->in_flight;
}

bool card_step(struct card *card)
{
	bool more = false;
	uint32_t i;

	card->budget = CARD_STEP_BUDGET;
	card->again = false;
	if (card_dead(card))
		return false;
	for (i = 0; i < CARD_QUEUES && card->phase == CARD_READY; i++) {
		struct card_queue *q = &card->queues[card->next_queue];

		if (card->budget <= 0) {
			more = true;
			break;
		}
		card->next_queue = (card->next_queue + 1) % CARD_QUEUES;
		if (card_queue_step(card, q))
			more = true;
	}
	for (i = 0; i < CARD_QUEUES && card->phase == CARD_READY; i++)
		card_queue_interrupt(card, &card->queues[i]);
	if (card->phase == CARD_FATAL && card->fatal_interrupt) {
		card->fatal_interrupt = false;
		forget_commands(card);
		if (!card_fault_take(card, CARD_FAULT_DROP_IRQ)) {
			card->stats.interrupts++;
			card->host.raise_irq(card->opaque, 0);
		}
		return false;
	}
	return card->phase == CARD_READY && (more || card->again);
}
