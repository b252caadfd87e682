/* SPDX-License-Identifier: MIT */
/* The fast executor, once for each set of inner loops that the processor has. */
#include "conv.h"

static bool has_weights(const struct card_layer *l)
{
	return l->desc.kind == FQZ_CONV || l->desc.kind == FQZ_FC;
}

static size_t gemm_scratch(const struct card_model *m, const struct card_layer *l)
{
	return has_weights(l) ? card_conv_scratch(m, l) : card_simple_scratch(m, l);
}

static int run_layer(unsigned int kernel, const struct card_model *m,
		     const struct card_layer *l, uint8_t *arena, void *scratch,
		     struct card_tick *tick)
{
	const struct gemm_kernel *k = card_gemm_kernel(kernel);

	return has_weights(l) ? card_conv_run(k, m, l, arena, scratch, tick) :
				card_simple_run(k, m, l, arena, scratch, tick);
}

#define GEMM_EXEC(n)								\
static int run_##n(const struct card_model *m, const struct card_layer *l,	\
		   uint8_t *arena, void *scratch, struct card_tick *tick)	\
{										\
	return run_layer(n, m, l, arena, scratch, tick);			\
}										\
static const struct card_exec exec_##n = {					\
	.name = "gemm" #n,							\
	.prepare = card_conv_prepare,						\
	.unprepare = card_conv_unprepare,					\
	.scratch = gemm_scratch,						\
	.run = run_##n,								\
}

GEMM_EXEC(0);
GEMM_EXEC(1);
GEMM_EXEC(2);

const struct card_exec *card_exec_gemm(unsigned int index)
{
	static const struct card_exec *const all[] = { &exec_0, &exec_1, &exec_2 };

	if (index >= sizeof(all) / sizeof(all[0]) || !card_gemm_kernel(index))
		return NULL;
	return all[index];
}

const struct card_exec *card_exec_default(void)
{
	unsigned int i = 0;

	while (card_exec_gemm(i + 1))
		i++;
	return card_exec_gemm(i);
}
