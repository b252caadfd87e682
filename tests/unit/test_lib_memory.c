// SPDX-License-Identifier: MIT
/*
 * Every allocation of libfqaccel and of the soft card fails once: a call says so, or what it does is
 * right all the same; nothing is leaked (LeakSanitizer looks at the end), nobody waits for ever.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail_alloc.h"
#include "fqaccel.h"
#include "smallnet.h"
#include "tap.h"

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

		fail_alloc(i);
		ret = make(&o, image, len);
		if (!ret)
			ret = run(&o, &output);
		reached = fail_alloc_end();
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
