/* SPDX-License-Identifier: MIT */
/*
 * The arena: tensors whose lifetimes do not meet share room. Greedy: the largest
 * tensor first, each at the lowest offset where none that lives with it lies. The
 * plan is that of a run of all layers; in a run of some, fewer tensors live at a time.
 */
#include "exec.h"

#include <errno.h>
#include <stdlib.h>

#define PLAN_ALIGN	64u

static uint64_t plan_size(const struct card_tensor *t)
{
	return ((uint64_t)t->bytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

static int by_size(const void *a, const void *b)
{
	const struct card_tensor *x = *(struct card_tensor *const *)a;
	const struct card_tensor *y = *(struct card_tensor *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x < y ? -1 : x > y;
}

static bool plan_meet(const struct card_tensor *a, const struct card_tensor *b)
{
	return a->written <= b->read && b->written <= a->read;
}

/* @placed: in order of offset. The lowest gap for @t between those that it meets. */
static uint64_t plan_place(struct card_tensor **placed, uint32_t count,
			   const struct card_tensor *t)
{
	uint64_t at = 0, end;
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (!plan_meet(placed[i], t))
			continue;
		if (placed[i]->offset >= at + plan_size(t))
			break;
		end = placed[i]->offset + plan_size(placed[i]);
		if (end > at)
			at = end;
	}
	return at;
}

int card_plan_arena(struct card_model *m)
{
	struct card_tensor **order, **placed;
	uint32_t i, at;

	order = malloc(2 * (size_t)m->tensor_count * sizeof(*order));
	if (!order)
		return -ENOMEM;
	placed = order + m->tensor_count;
	for (i = 0; i < m->tensor_count; i++)
		order[i] = &m->tensors[i];
	qsort(order, m->tensor_count, sizeof(*order), by_size);
	m->arena_bytes = 0;
	for (i = 0; i < m->tensor_count; i++) {
		struct card_tensor *t = order[i];

		t->offset = plan_place(placed, i, t);
		for (at = i; at && placed[at - 1]->offset > t->offset; at--)
			placed[at] = placed[at - 1];
		placed[at] = t;
		if (t->offset + plan_size(t) > m->arena_bytes)
			m->arena_bytes = t->offset + plan_size(t);
	}
	free(order);
	return 0;
}
