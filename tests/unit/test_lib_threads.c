// SPDX-License-Identifier: MIT
/*
 * libfqaccel: threads that share a card, a model, a queue; and cards beside each other. On the soft
 * card, or the one that FQACCEL_TEST_CARD names.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fqaccel.h"
#include "smallnet.h"
#include "tap.h"

#define THREADS	8
#define ROUNDS	60
#define DEPTH	4

static struct fqaccel_card *card;
static const char *card_name = "soft";
static struct fqaccel_model *shared_fc, *shared_residual;
static struct fqaccel_queue *shared_queue;
static uint8_t *residual_in;
static char *residual_want;
static struct fqaccel_model_info residual_info;
static void *fc_image;
static size_t fc_len;
static atomic_int mistakes;

static void mistake(const char *what)
{
	if (!atomic_fetch_add(&mistakes, 1))
		diag("%s: %s", what, fqaccel_error());
}

/* One-call runs of two models, each checked. */
static void infer_some(unsigned int *seed)
{
	uint8_t x[3 * SMALL_FC_INPUTS];
	int32_t y[3 * SMALL_CLASSES], want[3 * SMALL_CLASSES];
	char *out = malloc(residual_info.output_bytes);
	uint32_t batch = 1 + (uint32_t)rand_r(seed) % 3, i;

	for (i = 0; i < sizeof(x); i++)
		x[i] = (uint8_t)rand_r(seed);
	for (i = 0; i < batch; i++)
		small_fc_expect(x + i * SMALL_FC_INPUTS, want + i * SMALL_CLASSES);
	if (fqaccel_infer(shared_fc, x, y, batch) ||
	    memcmp(y, want, batch * SMALL_CLASSES * sizeof(*y)))
		mistake("one model");
	if (fqaccel_infer(shared_residual, residual_in, out, 1) ||
	    memcmp(out, residual_want, residual_info.output_bytes))
		mistake("the other model");
	free(out);
}

/* A model of one's own, come and gone while others run. */
static void load_and_close(void)
{
	uint8_t x[SMALL_FC_INPUTS] = { 200, 100 };
	int32_t y[SMALL_CLASSES], want[SMALL_CLASSES];
	struct fqaccel_model *model;

	if (fqaccel_model_load(card, fc_image, fc_len, &model)) {
		mistake("load");
		return;
	}
	small_fc_expect(x, want);
	if (fqaccel_infer(model, x, y, 1) || memcmp(y, want, sizeof(y)))
		mistake("own model");
	fqaccel_model_close(model);
}

/* Asynchronous runs on a queue that all threads share. */
static void submit_some(unsigned int *seed)
{
	enum { RUNS = 2 * DEPTH };
	struct fqaccel_buffer *in, *out;
	struct fqaccel_run_desc runs[RUNS];
	int32_t want[SMALL_CLASSES];
	uint64_t seq;
	uint8_t *x;
	int i, ret;

	if (fqaccel_buffer_create(card, RUNS * SMALL_FC_INPUTS, FQACCEL_CARD_READS, &in) ||
	    fqaccel_buffer_create(card, RUNS * sizeof(want), FQACCEL_CARD_WRITES, &out)) {
		mistake("buffer");
		return;
	}
	x = fqaccel_buffer_data(in);
	for (i = 0; i < RUNS * SMALL_FC_INPUTS; i++)
		x[i] = (uint8_t)rand_r(seed);
	for (i = 0; i < RUNS; i++)
		runs[i] = (struct fqaccel_run_desc){
			.model = shared_fc, .input = in, .output = out, .batch = 1,
			.input_offset = (uint64_t)i * SMALL_FC_INPUTS,
			.output_offset = (uint64_t)i * sizeof(want),
		};
	if (fqaccel_queue_submit(shared_queue, runs, RUNS, &seq) != RUNS)
		mistake("submit");
	/* By the time this thread looks, others may have pushed the result out. */
	ret = fqaccel_queue_wait(shared_queue, seq, -1, NULL);
	if (ret && ret != -ENODATA)
		mistake("wait");
	/* Closing a buffer waits for the runs of this thread that others' came between. */
	fqaccel_buffer_close(in);
	for (i = 0; i < RUNS; i++) {
		/* The input is gone: only that every output was written is looked at. */
		small_fc_expect((uint8_t[SMALL_FC_INPUTS]){ 0 }, want);
		if (!memcmp((char *)fqaccel_buffer_data(out) + (size_t)i * sizeof(want), want,
			    sizeof(want)))
			mistake("an output that was not written");
	}
	fqaccel_buffer_close(out);
}

static void *thread_main(void *opaque)
{
	unsigned int seed = 100 + (unsigned int)(uintptr_t)opaque;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		infer_some(&seed);
		if (i % 8 == 0)
			load_and_close();
		if (i % 4 == 1)
			submit_some(&seed);
	}
	return NULL;
}

static void run_threads(void *(*start)(void *))
{
	pthread_t threads[THREADS];
	uintptr_t i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, start, (void *)i))
			bail("no thread");
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* A card of one's own in each thread: they have nothing to do with each other. */
static void *card_main(void *opaque)
{
	uint8_t x[SMALL_FC_INPUTS] = { (uint8_t)(uintptr_t)opaque, 7 };
	int32_t y[SMALL_CLASSES], want[SMALL_CLASSES];
	struct fqaccel_model *model;
	struct fqaccel_card *own;

	small_fc_expect(x, want);
	if (fqaccel_card_open(card_name, &own)) {
		mistake("open");
		return NULL;
	}
	if (fqaccel_model_load(own, fc_image, fc_len, &model)) {
		mistake("load");
	} else {
		if (fqaccel_infer(model, x, y, 1) || memcmp(y, want, sizeof(y)))
			mistake("infer");
		fqaccel_model_close(model);
	}
	fqaccel_card_close(own);
	return NULL;
}

/* An error's text belongs to the thread that met it. */
static void *error_main(void *opaque)
{
	struct fqaccel_card *none;
	char path[32], want[64];
	int i;

	snprintf(path, sizeof(path), "/dev/fqaccel9%d", (int)(uintptr_t)opaque);
	snprintf(want, sizeof(want), "%s: no such device", path);
	for (i = 0; i < 200; i++) {
		fqaccel_card_open(path, &none);
		if (strncmp(fqaccel_error(), want, strlen(want)))
			mistake("another thread's text");
	}
	return NULL;
}

int main(void)
{
	struct fqaccel_card_info before, after;
	void *data;
	size_t len;
	int tries;

	if (small_fc(&fc_image, &fc_len) || small_residual(16, 8, &data, &len))
		bail("no networks");
	if (getenv("FQACCEL_TEST_CARD"))
		card_name = getenv("FQACCEL_TEST_CARD");
	if (fqaccel_card_open(card_name, &card))
		bail("no card: %s", fqaccel_error());
	fqaccel_card_info(card, &before, sizeof(before));
	if (fqaccel_model_load(card, fc_image, fc_len, &shared_fc) ||
	    fqaccel_model_load(card, data, len, &shared_residual) ||
	    fqaccel_queue_create(card, DEPTH, &shared_queue))
		bail("no objects: %s", fqaccel_error());
	fqaccel_model_info(shared_residual, &residual_info, sizeof(residual_info));
	residual_in = malloc(residual_info.input_bytes);
	residual_want = malloc(residual_info.output_bytes);
	memset(residual_in, 99, residual_info.input_bytes);
	if (fqaccel_infer(shared_residual, residual_in, residual_want, 1))
		bail("no output: %s", fqaccel_error());

	run_threads(thread_main);
	is_int(atomic_exchange(&mistakes, 0), 0, "eight threads on one card");
	run_threads(card_main);
	is_int(atomic_exchange(&mistakes, 0), 0, "eight threads with a card each");
	run_threads(error_main);
	is_int(atomic_exchange(&mistakes, 0), 0, "each thread has its own error text");

	fqaccel_queue_close(shared_queue);
	fqaccel_model_close(shared_fc);
	fqaccel_model_close(shared_residual);
	/* A driver unloads images when it comes to it. */
	for (tries = 0; tries < 500; tries++) {
		fqaccel_card_info(card, &after, sizeof(after));
		if (after.memory_free == before.memory_free)
			break;
		usleep(10000);
	}
	is_int(after.memory_free, before.memory_free, "no card memory is lost");
	fqaccel_card_close(card);
	free(residual_in);
	free(residual_want);
	free(fc_image);
	free(data);
	return tap_done();
}
