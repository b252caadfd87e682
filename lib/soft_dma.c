// SPDX-License-Identifier: MIT
/*
 * Memory that the soft card may reach. Its DMA addresses are pointers: an error in
 * the card, or in the commands given to it, must not read or scribble elsewhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "soft.h"

/* The first region whose end is above an address. */
static size_t region_find(const struct soft_regions *r, uint64_t addr)
{
	size_t low = 0, high = r->count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (r->list[mid].addr + r->list[mid].len <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int soft_region_add(struct soft_regions *r, const void *addr, size_t len, unsigned int directions)
{
	uint64_t start = (uintptr_t)addr;
	struct soft_region *list;
	size_t i;

	if (r->count == r->room) {
		list = reallocarray(r->list, r->room ? 2 * r->room : 64, sizeof(*list));
		if (!list)
			return -ENOMEM;
		r->list = list;
		r->room = r->room ? 2 * r->room : 64;
	}
	i = region_find(r, start);
	memmove(&r->list[i + 1], &r->list[i], (r->count - i) * sizeof(*r->list));
	r->list[i] = (struct soft_region){ start, len, directions };
	r->count++;
	return 0;
}

void soft_region_remove(struct soft_regions *r, const void *addr)
{
	size_t i = region_find(r, (uintptr_t)addr);

	if (i == r->count || r->list[i].addr != (uintptr_t)addr)
		return;
	r->count--;
	memmove(&r->list[i], &r->list[i + 1], (r->count - i) * sizeof(*r->list));
}

int soft_region_check(const struct soft_regions *r, uint64_t addr, uint64_t len,
		      unsigned int direction)
{
	const struct soft_region *region;
	size_t i = region_find(r, addr);

	if (i == r->count)
		return -EFAULT;
	region = &r->list[i];
	if (addr < region->addr || len > region->addr + region->len - addr ||
	    !(region->directions & direction))
		return -EFAULT;
	return 0;
}
