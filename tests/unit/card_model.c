// SPDX-License-Identifier: MIT
/* A network, its inputs and the reference executor's outputs. */
#include "card_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool cond, const char *what)
{
	if (cond)
		return;
	printf("Bail out! %s\n", what);
	exit(1);
}

static void copy_live(const struct card_model *m, uint32_t layer, uint8_t *arena, uint8_t *list,
		      bool to_arena)
{
	uint32_t id;

	for (id = 0; id < m->tensor_count; id++) {
		const struct card_tensor *t = &m->tensors[id];

		if (!card_model_live(m, layer, id))
			continue;
		if (to_arena)
			memcpy(arena + t->offset, list, t->bytes);
		else
			memcpy(list, arena + t->offset, t->bytes);
		list += t->bytes;
	}
}

void model_init(struct model *t, const struct netgen_options *opt, unsigned int pictures)
{
	struct card_tick tick = { .units = 0 };
	uint64_t seed = opt->seed + 12345, i;
	struct fqz_error err;
	const char *what = "";
	uint8_t *arena;

	memset(t, 0, sizeof(*t));
	must(!netgen_image(opt, &t->image, &t->len, &what), what);
	must(!card_model_build(t->image, t->len, card_exec_reference(), 1024, UINT64_MAX, &tick,
			       &t->m, &err), "card_model_build");
	t->pictures = pictures;
	t->in_bytes = card_model_live_bytes(t->m, 0);
	t->out_bytes = card_model_live_bytes(t->m, t->m->layer_count);
	t->in = malloc(t->in_bytes * pictures);
	t->out = malloc(t->out_bytes * pictures);
	arena = aligned_alloc(64, t->m->arena_bytes);
	must(t->in && t->out && arena, "out of memory");
	for (i = 0; i < t->in_bytes * pictures; i++)
		t->in[i] = (uint8_t)netgen_random(&seed);
	for (i = 0; i < pictures; i++) {
		memset(arena, 0x77, t->m->arena_bytes);
		copy_live(t->m, 0, arena, t->in + i * t->in_bytes, true);
		must(!card_model_run(t->m, 0, t->m->layer_count, arena, NULL, &tick),
		     "card_model_run");
		copy_live(t->m, t->m->layer_count, arena, t->out + i * t->out_bytes, false);
	}
	free(arena);
}

void model_exit(struct model *t)
{
	card_model_free(t->m);
	free(t->image);
	free(t->in);
	free(t->out);
}
