// SPDX-License-Identifier: MIT
/*
 * libFuzzer target for the executors: whatever image libfqz takes, they run it
 * within its arena, and to the same bytes as the reference.
 */
#include "fuzz_image.h"

#include "card/exec.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_BYTES	(1u << 20)	/* of an arena: what is worth the time */
#define MAX_COST	(1u << 22)	/* products of the reference */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void demand(int condition)
{
	if (!condition)
		abort();
}

static uint64_t cost(const struct card_model *m)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < m->layer_count; i++) {
		const struct fqz_layer *l = &m->layers[i].desc;
		const struct card_tensor *in = &m->tensors[l->inputs[0]];
		const struct card_tensor *out = &m->tensors[l->output];

		sum += in->elements + out->elements;
		if (l->kind == FQZ_CONV || l->kind == FQZ_FC)
			sum += (uint64_t)out->elements * l->inputs_per_output;
		else if (l->kind == FQZ_MAXPOOL || l->kind == FQZ_AVGPOOL)
			sum += (uint64_t)out->elements * l->kernel_h * l->kernel_w;
	}
	return sum;
}

static uint32_t run(const struct card_model *m, uint8_t *arena)
{
	struct card_tick tick = { .units = 0 };
	const struct card_tensor *in = &m->tensors[0], *out = &m->tensors[m->tensor_count - 1];
	/* Blocks of their own sizes: no access beyond them goes unseen. */
	void *scratch = malloc(m->scratch_bytes ? m->scratch_bytes : 1);
	uint32_t i;

	demand(scratch != NULL);
	memset(arena, 0x5a, m->arena_bytes);
	for (i = 0; i < in->bytes; i++)
		arena[in->offset + i] = (uint8_t)(i * 167 + (i >> 8) * 31);
	demand(!card_model_run(m, 0, m->layer_count, arena, scratch, &tick));
	free(scratch);
	return fqz_crc32c(0, arena + out->offset, out->bytes);
}

static struct card_model *build(const uint8_t *data, size_t len, const struct card_exec *exec,
				int *ret)
{
	struct card_tick tick = { .units = 0 };
	struct fqz_error err = { 0 };
	struct card_model *m;

	*ret = card_model_build(data, len, exec, 64, 1 << 24, &tick, &m, &err);
	demand(*ret == 0 || *ret == -EBADMSG || *ret == -ENOMEM);
	demand(*ret != -EBADMSG || (err.reason != FQZ_OK && err.what));
	return m;
}

static void compare(const uint8_t *data, size_t len, const struct card_model *reference)
{
	uint8_t *arena = malloc(reference->arena_bytes);
	uint32_t want, i;
	int ret;

	demand(arena != NULL);
	want = run(reference, arena);
	for (i = 0; card_exec_gemm(i); i++) {
		struct card_model *m = build(data, len, card_exec_gemm(i), &ret);

		demand(!ret || ret == -ENOMEM);
		demand(ret || m->arena_bytes == reference->arena_bytes);
		demand(ret || run(m, arena) == want);
		card_model_free(m);
	}
	free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct card_model *m;
	uint8_t *copy = malloc(len ? len : 1);
	int ret;

	demand(copy != NULL);
	if (len)
		memcpy(copy, data, len);
	image_fix_up(copy, len);
	m = build(copy, len, card_exec_reference(), &ret);
	if (m && m->arena_bytes <= MAX_BYTES && cost(m) <= MAX_COST)
		compare(copy, len, m);
	card_model_free(m);
	free(copy);
	return 0;
}
