// SPDX-License-Identifier: MIT
/* Every allocation of the card fails once: an INTERNAL completion or a delay, no crash, no leak. */
#include "card_model.h"
#include "tap.h"

#include <endian.h>
#include <errno.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static long countdown = -1;		/* allocations until one fails; below 0: none does */

static bool fails(void)
{
	return countdown >= 0 && !countdown--;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

static const struct card_config config = { .memory = 4 << 20, .io_queues = 2, .lanes = 4,
					   .clock_khz = 1000 };

static void test_create(void)
{
	static const struct card_host none;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct card *card;
		int ret;

		countdown = i;
		ret = card_create(&config, &none, NULL, &card);
		countdown = -1;
		is_int(ret, -ENOMEM, "card_create() without memory");
	}
}

struct bench {
	struct host h;
	struct host_ring admin, q;
	struct model t;
	struct fqa_hw_command load, run, unload;
	uint64_t out;
};

static void bench_init(struct bench *b)
{
	struct netgen_options opt = { .seed = 41, .layers = 6, .channels = 8, .size = 8 };
	uint64_t at, in;

	host_init(&b->h, &config, 4 << 20, 0);
	model_init(&b->t, &opt, 1);
	if (!host_enable(&b->h, &b->admin, 16) ||
	    host_create_queue(&b->h, &b->admin, &b->q, 1, 16))
		bail("the card is not ready");
	at = host_alloc(&b->h, b->t.len, 1);
	in = host_alloc(&b->h, b->t.in_bytes, 1);
	b->out = host_alloc(&b->h, b->t.out_bytes, 1);
	memcpy(host_at(&b->h, at), b->t.image, b->t.len);
	memcpy(host_at(&b->h, in), b->t.in, b->t.in_bytes);
	b->load = (struct fqa_hw_command){ .opcode = FQA_OP_LOAD,
		.load = { .image = host_list(&b->h, at, b->t.len, 64),
			  .length = htole64(b->t.len) } };
	b->run = host_run_command(&b->h, 1, 0, 0, b->t.m->layer_count, 1, in, b->t.in_bytes,
				  b->out, b->t.out_bytes);
	b->unload = (struct fqa_hw_command){ .opcode = FQA_OP_UNLOAD };
}

/* Once with each allocation of the command failing; how many allocations it has. */
static unsigned int fail_each(struct bench *b, struct host_ring *r,
			      const struct fqa_hw_command *cmd, bool undo)
{
	unsigned int n, bad = 0, internal = 0;
	int status;

	for (n = 0; n < 10000; n++) {
		countdown = (long)n;
		status = host_do(&b->h, r, cmd, NULL);
		if (countdown >= 0)
			break;
		countdown = -1;
		internal += status == FQA_SC_INTERNAL;
		bad += status != FQA_SC_INTERNAL && status != 0;
		if (!status && undo)
			host_do(&b->h, &b->admin, &b->unload, NULL);
	}
	countdown = -1;
	is_int(status, 0, "with all its memory the command works");
	is_int(bad, 0, "without, it ends as INTERNAL or works");
	ok(internal > 0, "%u of %u allocations end it", internal, n);
	return n;
}

int main(void)
{
	struct bench b;
	uint64_t before;

	test_create();
	bench_init(&b);
	before = host_read(&b.h, FQA_REG_MEM_FREE, 8);
	ok(fail_each(&b, &b.admin, &b.load, true) > 20, "LOAD");
	ok(host_read(&b.h, FQA_REG_MEM_FREE, 8) < before, "one image is loaded");
	ok(fail_each(&b, &b.q, &b.run, false) >= 4, "RUN");
	ok_mem(host_at(&b.h, b.out), b.t.out, b.t.out_bytes, "its result");
	is_int(host_do(&b.h, &b.admin, &b.unload, NULL), 0, "UNLOAD");
	is_int(host_read(&b.h, FQA_REG_MEM_FREE, 8), (int64_t)before, "no card memory is lost");
	model_exit(&b.t);
	host_exit(&b.h);
	return tap_done();
}
