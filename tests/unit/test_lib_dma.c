// SPDX-License-Identifier: MIT
/* The soft card's DMA reaches registered memory, in its direction, and nothing else. */
#include <errno.h>
#include <stdlib.h>

#include "soft.h"
#include "tap.h"

static struct soft_regions regions;

static int check(const char *p, uint64_t len, unsigned int direction)
{
	return soft_region_check(&regions, (uintptr_t)p, len, direction);
}

int main(void)
{
	enum { COUNT = 200, SIZE = 64 };
	char *memory = calloc(COUNT, 2 * SIZE);
	int i, good = 0, bad = 0;

	is_int(check(memory, 1, FQACCEL_CARD_READS), -EFAULT, "nothing is reached at first");
	/* In an order that is not that of addresses, with gaps between. */
	for (i = 0; i < COUNT; i++)
		if (soft_region_add(&regions, memory + 2 * SIZE * (i * 7 % COUNT), SIZE,
				    i % 2 ? FQACCEL_CARD_READS : FQACCEL_CARD_WRITES))
			bail("no memory");
	for (i = 0; i < COUNT; i++) {
		char *p = memory + 2 * SIZE * (i * 7 % COUNT);
		unsigned int is = i % 2 ? FQACCEL_CARD_READS : FQACCEL_CARD_WRITES;

		good += !check(p, SIZE, is) && !check(p + SIZE - 1, 1, is);
		bad += check(p, SIZE, is ^ 3) && check(p, SIZE + 1, is) &&
		       check(p + SIZE, 1, is) && check(p + 1, SIZE, is) &&
		       check(p - 1, 2, is) && check(p + SIZE - 1, UINT64_MAX, is);
	}
	is_int(good, COUNT, "each region is reached to its last byte");
	is_int(bad, COUNT, "not in the other direction, not a byte beyond, not by overflow");
	soft_region_remove(&regions, memory + 2 * SIZE * 3);
	soft_region_remove(&regions, memory + 1);
	is_int(regions.count, COUNT - 1, "a region is removed by its address");
	is_int(check(memory + 2 * SIZE * 3, 1, 3), -EFAULT, "it is not reached any more");
	is_int(check(memory + 2 * SIZE * 4, 1, 3), 0, "its neighbor is");
	is_int(check(NULL, 1, 3), -EFAULT, "address 0");
	is_int(check((char *)UINTPTR_MAX, 1, 3), -EFAULT, "the last address");
	free(regions.list);
	free(memory);
	return tap_done();
}
