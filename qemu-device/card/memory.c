/* SPDX-License-Identifier: MIT */
/* Card memory: first fit over a sorted array of the blocks in use. */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int card_memory_init(struct card_memory *m, uint64_t size)
{
	void *base;

	memset(m, 0, sizeof(*m));
	base = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -ENOMEM;
	m->base = base;
	m->size = size;
	m->free = size;
	return 0;
}

void card_memory_exit(struct card_memory *m)
{
	if (m->base)
		munmap(m->base, m->size);
	free(m->used);
	memset(m, 0, sizeof(*m));
}

static int memory_grow(struct card_memory *m)
{
	uint32_t room = m->room ? 2 * m->room : 16;
	struct card_block *used;

	if (m->count < m->room)
		return 0;
	used = realloc(m->used, room * sizeof(*used));
	if (!used)
		return -ENOMEM;
	m->used = used;
	m->room = room;
	return 0;
}

int card_memory_alloc(struct card_memory *m, uint64_t bytes, struct card_block *out)
{
	uint64_t size, start = 0;
	uint32_t i;
	int err;

	if (!bytes || bytes > m->size)
		return -ENOSPC;
	size = card_memory_round(bytes);
	err = memory_grow(m);
	if (err)
		return err;
	for (i = 0; i < m->count; i++) {
		if (m->used[i].offset - start >= size)
			break;
		start = m->used[i].offset + m->used[i].size;
	}
	if (m->size - start < size)
		return -ENOSPC;
	memmove(&m->used[i + 1], &m->used[i], (m->count - i) * sizeof(*m->used));
	m->used[i] = (struct card_block){ start, size };
	m->count++;
	m->free -= size;
	*out = m->used[i];
	return 0;
}

void card_memory_free(struct card_memory *m, struct card_block *block)
{
	uint32_t i;

	for (i = 0; i < m->count && block->size; i++) {
		if (m->used[i].offset != block->offset)
			continue;
		m->free += m->used[i].size;
		m->count--;
		memmove(&m->used[i], &m->used[i + 1], (m->count - i) * sizeof(*m->used));
		break;
	}
	*block = (struct card_block){ 0, 0 };
}
