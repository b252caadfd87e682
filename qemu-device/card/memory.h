/* SPDX-License-Identifier: MIT */
/* Card memory: one range of bytes, handed out in blocks of whole 4 KiB pages. */
#ifndef CARD_MEMORY_H
#define CARD_MEMORY_H

#include <stdint.h>

#define CARD_PAGE	4096u

/* A block in use; size 0: none. */
struct card_block {
	uint64_t offset, size;
};

struct card_memory {
	uint8_t *base;
	uint64_t size, free;
	struct card_block *used;	/* ascending offsets */
	uint32_t count, room;
};

/** card_memory_init() - take @size bytes from the system, lazily. 0 or -ENOMEM. */
int card_memory_init(struct card_memory *m, uint64_t size);
void card_memory_exit(struct card_memory *m);

/**
 * card_memory_alloc() - the lowest block of at least @bytes (at least 1)
 * Return: 0, -ENOSPC: no room for it in card memory, -ENOMEM: the host's is used up.
 */
int card_memory_alloc(struct card_memory *m, uint64_t bytes, struct card_block *out);

/** card_memory_free() - give a block back and make it { 0, 0 }; an empty one is allowed. */
void card_memory_free(struct card_memory *m, struct card_block *block);

/** card_memory_round() - whole pages for @bytes. */
static inline uint64_t card_memory_round(uint64_t bytes)
{
	return (bytes + CARD_PAGE - 1) / CARD_PAGE * CARD_PAGE;
}

#endif
