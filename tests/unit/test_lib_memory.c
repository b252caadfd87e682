// SPDX-License-Identifier: MIT
/*
 * Every allocation of libfqaccel and of the soft card fails once: a call says so, or what it does is
 * right all the same; nothing is leaked (LeakSanitizer looks at the end), nobody waits for ever.
 * Linked with --wrap.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fqaccel.h"
#include "smallnet.h"
#include "tap.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

/* Allocations until one fails, the soft card's threads' among them; below 0 none does. */
static atomic_long countdown = -1;

static bool fails(void)
{
	if (atomic_load(&countdown) < 0)
		return false;
	errno = ENOMEM;
	return atomic_fetch_sub(&countdown, 1) == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return fails() ? MAP_FAILED : __real_mmap(addr, len, prot, flags, fd, offset);
}

/* What a program makes, and the first error that it met. */
struct objects {
	struct fqaccel_card *card;
	struct fqaccel_model *model;
	struct fqaccel_queue *queue;
	struct fqaccel_buffer *in, *out;
	struct fqaccel_model_info info;
};

static int make(struct objects *o, const void *image, size_t len)
{
	int ret;

	ret = fqaccel_card_open("soft", &o->card);
	if (!ret)
		ret = fqaccel_model_load(o->card, image, len, &o->model);
	if (!ret)
		ret = fqaccel_model_info(o->model, &o->info, sizeof(o->info));
	if (!ret)
		ret = fqaccel_queue_create(o->card, 2, &o->queue);
	if (!ret)
		ret = fqaccel_buffer_create(o->card, o->info.input_bytes, FQACCEL_CARD_READS,
					    &o->in);
	if (!ret)
		ret = fqaccel_buffer_create(o->card, o->info.output_bytes, FQACCEL_CARD_WRITES,
					    &o->out);
	return ret;
}

/*
 * The output by a queue and by the one-call form: both must be @output, which the first call sets.
 * 1 where they are not, or a negative errno.
 */
static int run(struct objects *o, char **output)
{
	struct fqaccel_run_desc run = {
		.model = o->model, .input = o->in, .output = o->out, .batch = 1,
	};
	static char result[4096];
	uint64_t sequence;
	int ret;

	if (o->info.output_bytes > sizeof(result))
		bail("an output of %llu bytes", (unsigned long long)o->info.output_bytes);
	memset(fqaccel_buffer_data(o->in), 77, o->info.input_bytes);
	ret = fqaccel_queue_submit(o->queue, &run, 1, &sequence);
	if (ret == 1)
		ret = fqaccel_queue_wait(o->queue, sequence, -1, NULL);
	if (!ret)
		ret = fqaccel_infer(o->model, fqaccel_buffer_data(o->in), result, 1);
	if (ret)
		return ret;
	if (memcmp(result, fqaccel_buffer_data(o->out), o->info.output_bytes))
		return 1;
	if (*output)
		return memcmp(result, *output, o->info.output_bytes) != 0;
	*output = __real_malloc(o->info.output_bytes);
	memcpy(*output, result, o->info.output_bytes);
	return 0;
}

static void test_each(const void *image, size_t len, const char *what)
{
	long i, failures = 0, wrong = 0, silent = 0;
	char *output = NULL;
	bool reached;
	int ret;

	/* The first time nothing fails, the last time the countdown does not come to its end. */
	for (i = -1, reached = true; reached; i++) {
		struct objects o = { 0 };

		atomic_store(&countdown, i);
		ret = make(&o, image, len);
		if (!ret)
			ret = run(&o, &output);
		reached = atomic_exchange(&countdown, -1) < 0;
		failures += ret < 0;
		wrong += ret > 0;
		silent += ret < 0 && !fqaccel_error()[0];
		fqaccel_buffer_close(o.out);
		fqaccel_buffer_close(o.in);
		fqaccel_queue_close(o.queue);
		fqaccel_model_close(o.model);
		fqaccel_card_close(o.card);
	}
	ok(!ret && failures >= 20, "%s: %ld of %ld failed allocations were told", what, failures,
	   i - 1);
	is_int(wrong, 0, "what was not told did no harm");
	is_int(silent, 0, "each error has a text");
	free(output);
}

int main(void)
{
	void *image;
	size_t len;

	/* A wait that never ends is a failure. */
	alarm(120);
	if (small_residual(8, 4, &image, &len))
		bail("no network");
	test_each(image, len, "a residual network");
	free(image);
	return tap_done();
}
