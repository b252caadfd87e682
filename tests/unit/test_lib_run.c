// SPDX-License-Identifier: MIT
/*
 * libfqaccel: loading, one-call and asynchronous runs, their results; on the soft card, or the one
 * that FQACCEL_TEST_CARD names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fqaccel.h"
#include "fqz.h"
#include "smallnet.h"
#include "tap.h"

static struct fqaccel_card *card;
static const char *card_name = "soft";

static struct fqaccel_model *load(int (*make)(void **, size_t *))
{
	struct fqaccel_model *model;
	void *data;
	size_t len;

	if (make(&data, &len))
		bail("cannot make a network");
	if (fqaccel_model_load(card, data, len, &model))
		bail("cannot load a network: %s", fqaccel_error());
	free(data);
	return model;
}

static int make_residual(void **data, size_t *len)
{
	return small_residual(12, 8, data, len);
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	while (n--) {
		seed = seed * 1664525u + 1013904223u;
		*p++ = (uint8_t)(seed >> 24);
	}
}

static void test_card(void)
{
	struct fqaccel_card_info info;

	memset(&info, 0xcc, sizeof(info));
	is_int(fqaccel_card_info(card, &info, sizeof(info)), 0, "card info");
	is_str(info.name, card_name, "the card's name");
	is_int(info.address[0] != 0, info.name[0] == '/', "the soft card has no PCI address");
	is_int(info.hw_version, 0x10000, "hardware version");
	is_int(info.format, FQZ_VERSION_MAJOR << 16 | FQZ_VERSION_MINOR, "format version");
	is_int(info.memory_size, 256 << 20, "card memory");
	ok(info.hw_queues >= 8 && info.hw_queues <= 64, "hardware queues");
	memset(&info, 0xcc, sizeof(info));
	is_int(fqaccel_card_info(card, &info, sizeof(info.name)), 0, "a shorter info");
	ok(info.address[0] == (char)0xcc, "nothing is written past a shorter info");
	is_int(fqaccel_card_info(card, &info, 4), -EINVAL, "an info too short for a name");
}

static void test_model(void)
{
	struct fqaccel_model *model = load(small_fc);
	struct fqaccel_card_info before, after;
	struct fqaccel_model_info info;
	uint64_t in, out;
	int tries;

	is_int(fqaccel_model_info(model, &info, sizeof(info)), 0, "model info");
	is_int(info.layers, 1, "layers");
	is_int(info.classes, SMALL_CLASSES, "classes");
	is_int(info.weights, SMALL_CLASSES * SMALL_FC_INPUTS, "weights");
	is_int(info.input_bytes, SMALL_FC_INPUTS, "input bytes");
	is_int(info.output_bytes, 4 * SMALL_CLASSES, "output bytes");
	is_int(info.input.c, 3, "input channels");
	is_int(info.output.type, FQACCEL_S32, "type of the output");
	is_int(info.color, FQACCEL_RGB, "color");
	ok(info.cycles > 0 && info.arena_bytes > 0 && info.image_bytes > 0, "the card's figures");
	is_str(fqaccel_model_class(model, 8), "ship", "a class name");
	is_str(fqaccel_model_class(model, SMALL_CLASSES), NULL, "no class past the last");
	is_str(fqaccel_model_meta(model, "accuracy.top1"), "91.5", "a metadata value");
	is_str(fqaccel_model_meta(model, "nothing"), NULL, "an absent key");
	is_str(fqaccel_model_layer_name(model, 0), "classifier", "a layer's name");
	is_str(fqaccel_model_layer_name(model, 1), NULL, "no layer past the last");
	is_int(fqaccel_model_range(model, 0, 1, &in, &out), 0, "the only layer's range");
	is_int(out, 4 * SMALL_CLASSES, "its output");
	is_int(fqaccel_model_range(model, 0, 2, &in, &out), -EINVAL, "a range past the end");
	is_int(fqaccel_model_range(model, 1, UINT32_MAX, &in, &out), -EINVAL,
	       "a range that overflows");
	fqaccel_card_info(card, &before, sizeof(before));
	fqaccel_model_close(model);
	/* A driver unloads the image when it comes to it. */
	for (tries = 0; tries < 500; tries++) {
		fqaccel_card_info(card, &after, sizeof(after));
		if (after.memory_free != before.memory_free)
			break;
		usleep(10000);
	}
	is_int(after.memory_free - before.memory_free, info.image_bytes + info.arena_bytes,
	       "closing a model gives its card memory back");
	is_int(after.memory_free, after.memory_size, "all of it");
}

static void test_infer(void)
{
	enum { BATCH = 5 };
	struct fqaccel_model *model = load(small_fc);
	uint8_t x[BATCH * SMALL_FC_INPUTS];
	int32_t y[BATCH * SMALL_CLASSES], want[BATCH * SMALL_CLASSES];
	int i;

	fill(x, sizeof(x), 7);
	for (i = 0; i < BATCH; i++)
		small_fc_expect(x + i * SMALL_FC_INPUTS, want + i * SMALL_CLASSES);
	is_int(fqaccel_infer(model, x, y, 1), 0, "one picture");
	ok_mem(y, want, sizeof(y) / BATCH, "its logits are the sums of weights and pixels");
	memset(y, 0, sizeof(y));
	is_int(fqaccel_infer(model, x, y, BATCH), 0, "a batch");
	ok_mem(y, want, sizeof(y), "its logits");
	is_int(fqaccel_infer(model, x, y, 0), -EINVAL, "no picture");
	is_int(fqaccel_infer(model, NULL, y, 1), -EINVAL, "no input");
	ok(strstr(fqaccel_error(), "input"), "the text names the argument");
	fqaccel_model_close(model);
}

/* A batch that the library cuts in pieces. */
static void test_large_batch(void)
{
	const uint32_t batch = 200000;
	struct fqaccel_model *model = load(small_gray);
	uint8_t *x = malloc((size_t)batch * 16), *y = calloc(batch, 16);

	if (!x || !y)
		bail("no memory");
	fill(x, (size_t)batch * 16, 3);
	is_int(fqaccel_infer(model, x, y, batch), 0, "200,000 pictures in one call");
	ok_mem(y, x, (size_t)batch * 16, "each came back from a network that changes nothing");
	free(x);
	free(y);
	fqaccel_model_close(model);
}

static struct fqaccel_buffer *buffer(size_t len, unsigned int directions)
{
	struct fqaccel_buffer *buf;

	if (fqaccel_buffer_create(card, len, directions, &buf))
		bail("no buffer: %s", fqaccel_error());
	return buf;
}

/* Runs of single layers, each fed with what the one before left alive, end in the same bytes. */
static void test_ranges(void)
{
	enum { BATCH = 3 };
	struct fqaccel_model *model = load(make_residual);
	struct fqaccel_buffer *buf[2];
	struct fqaccel_run_desc run;
	struct fqaccel_model_info info;
	struct fqaccel_run_result result;
	struct fqaccel_queue *queue;
	uint64_t seq, in, out, cycles = 0;
	uint8_t *x;
	char *y;
	uint32_t i;

	fqaccel_model_info(model, &info, sizeof(info));
	if (fqaccel_queue_create(card, 4, &queue))
		bail("no queue");
	for (i = 0; i < 2; i++)
		buf[i] = buffer(1 << 20, FQACCEL_CARD_READS | FQACCEL_CARD_WRITES);
	x = malloc(info.input_bytes * BATCH);
	y = calloc(BATCH, info.output_bytes);
	fill(x, info.input_bytes * BATCH, 11);
	is_int(fqaccel_infer(model, x, y, BATCH), 0, "the whole network");
	memcpy(fqaccel_buffer_data(buf[0]), x, info.input_bytes * BATCH);
	for (i = 0; i < info.layers; i++) {
		run = (struct fqaccel_run_desc){
			.model = model, .input = buf[i % 2], .output = buf[(i + 1) % 2],
			.first_layer = i, .layer_count = 1, .batch = BATCH,
		};
		fqaccel_model_range(model, i, 1, &in, &out);
		if (fqaccel_queue_submit(queue, &run, 1, &seq) != 1)
			bail("layer %u: %s", i, fqaccel_error());
		ok(!fqaccel_queue_wait(queue, seq, -1, &result) && !result.status,
		   "layer %u by itself, %llu bytes in, %llu out", i, (unsigned long long)in,
		   (unsigned long long)out);
		cycles += result.cycles;
	}
	ok_mem(fqaccel_buffer_data(buf[i % 2]), y, info.output_bytes * BATCH,
	       "layer by layer gives the same bytes");
	is_int(cycles, info.cycles * BATCH, "and the same number of cycles");
	free(x);
	free(y);
	fqaccel_queue_close(queue);
	fqaccel_buffer_close(buf[0]);
	fqaccel_buffer_close(buf[1]);
	fqaccel_model_close(model);
}

static void test_queue(void)
{
	enum { RUNS = 100, DEPTH = 4 };
	struct fqaccel_model *model = load(small_fc);
	struct fqaccel_buffer *in = buffer(RUNS * SMALL_FC_INPUTS, FQACCEL_CARD_READS);
	struct fqaccel_buffer *out = buffer(RUNS * 4 * SMALL_CLASSES, FQACCEL_CARD_WRITES);
	struct fqaccel_run_desc runs[RUNS];
	struct fqaccel_run_result result;
	struct fqaccel_queue *queue;
	int32_t want[SMALL_CLASSES];
	uint64_t seq = 0;
	int i, same = 0;

	if (fqaccel_queue_create(card, DEPTH, &queue))
		bail("no queue");
	is_int(fqaccel_queue_wait(queue, 1, 0, NULL), -EINVAL, "waiting for what was never submitted");
	fill(fqaccel_buffer_data(in), RUNS * SMALL_FC_INPUTS, 5);
	for (i = 0; i < RUNS; i++)
		runs[i] = (struct fqaccel_run_desc){
			.model = model, .input = in, .output = out, .batch = 1,
			.input_offset = (uint64_t)i * SMALL_FC_INPUTS,
			.output_offset = (uint64_t)i * 4 * SMALL_CLASSES,
		};
	is_int(fqaccel_queue_submit(queue, runs, RUNS, &seq), RUNS,
	       "more runs than the queue is deep are all accepted");
	is_int(seq, RUNS, "the last one's sequence number");
	is_int(fqaccel_queue_wait(queue, RUNS, -1, &result), 0, "the last one finishes");
	is_int(result.status, 0, "and well");
	ok(result.cycles > 0, "it took cycles");
	for (i = 0; i < RUNS; i++) {
		small_fc_expect((uint8_t *)fqaccel_buffer_data(in) + i * SMALL_FC_INPUTS, want);
		same += !memcmp((int32_t *)fqaccel_buffer_data(out) + i * SMALL_CLASSES, want,
				sizeof(want));
	}
	is_int(same, RUNS, "every run wrote its own output");
	is_int(fqaccel_queue_wait(queue, RUNS - 4 * DEPTH + 1, 0, &result), 0,
	       "the oldest result that is kept");
	is_int(fqaccel_queue_wait(queue, RUNS - 4 * DEPTH, 0, &result), -ENODATA,
	       "one that is too old");
	is_int(fqaccel_queue_wait(queue, RUNS + 1, 0, &result), -EINVAL, "one from the future");
	fqaccel_queue_close(queue);
	fqaccel_buffer_close(in);
	fqaccel_buffer_close(out);
	fqaccel_model_close(model);
}

static int make_slow(void **data, size_t *len)
{
	return small_residual(48, 48, data, len);
}

/*
 * Runs that take long enough, all together, to be caught unfinished. They are submitted in one
 * call: one by one that takes longer than the runs where the kernel is slow and the card is not.
 */
enum { SLOW_BATCH = 16, SLOW_RUNS = 250 };

struct slow {
	struct fqaccel_model *model;
	struct fqaccel_buffer *in, *out;
	struct fqaccel_queue *queue;
	uint64_t last;
	size_t output;		/* bytes of one run */
};

static void slow_submit(struct slow *s, uint32_t count)
{
	static struct fqaccel_run_desc runs[SLOW_RUNS];
	struct fqaccel_model_info info;
	uint32_t i;

	s->model = load(make_slow);
	fqaccel_model_info(s->model, &info, sizeof(info));
	s->output = info.output_bytes * SLOW_BATCH;
	s->in = buffer(info.input_bytes * SLOW_BATCH, FQACCEL_CARD_READS);
	s->out = buffer(s->output * count, FQACCEL_CARD_WRITES);
	memset(fqaccel_buffer_data(s->out), 0xcc, s->output * count);
	if (fqaccel_queue_create(card, 0, &s->queue))
		bail("no queue");
	for (i = 0; i < count; i++)
		runs[i] = (struct fqaccel_run_desc){
			.model = s->model, .input = s->in, .output = s->out,
			.batch = SLOW_BATCH, .output_offset = s->output * i,
		};
	if (fqaccel_queue_submit(s->queue, runs, count, &s->last) != (int)count)
		bail("%u slow runs: %s", count, fqaccel_error());
}

/* A queue that is closed drops what has not started and lets the rest finish. */
static void test_timeout(void)
{
	enum { RUNS = SLOW_RUNS };
	struct slow s;
	uint8_t *out;

	slow_submit(&s, RUNS);
	is_int(fqaccel_queue_wait(s.queue, s.last, 0, NULL), -ETIME,
	       "the last one is not done at once");
	is_int(fqaccel_queue_wait(s.queue, s.last, 1, NULL), -ETIME, "nor after a millisecond");
	ok(strstr(fqaccel_error(), "not finished"), "the text says so");
	is_int(fqaccel_queue_wait(s.queue, 1, -1, NULL), 0, "the first one is, after some time");
	fqaccel_queue_close(s.queue);
	out = fqaccel_buffer_data(s.out);
	ok(out[0] != 0xcc || out[1] != 0xcc, "the first one wrote its output");
	is_int(out[s.output * RUNS - 1], 0xcc, "closing the queue dropped those that had not started");
	fqaccel_buffer_close(s.in);
	fqaccel_buffer_close(s.out);
	fqaccel_model_close(s.model);
}

/*
 * A card with several queues of its own may end a short run before the long one that
 * was submitted first: waiting for the short one is waiting for both.
 */
static void test_order(void)
{
	enum { LONG = 48 };
	struct fqaccel_model *model = load(make_slow);
	struct fqaccel_run_desc runs[2];
	struct fqaccel_model_info info;
	struct fqaccel_buffer *in, *out;
	struct fqaccel_queue *queue;
	uint64_t seq;

	fqaccel_model_info(model, &info, sizeof(info));
	in = buffer(LONG * info.input_bytes, FQACCEL_CARD_READS);
	out = buffer((LONG + 1) * info.output_bytes, FQACCEL_CARD_WRITES);
	if (fqaccel_queue_create(card, 0, &queue))
		bail("no queue");
	runs[0] = (struct fqaccel_run_desc){
		.model = model, .input = in, .output = out, .batch = LONG,
	};
	runs[1] = runs[0];
	runs[1].batch = 1;
	runs[1].output_offset = LONG * info.output_bytes;
	is_int(fqaccel_queue_submit(queue, runs, 2, &seq), 2, "a long run and a short one");
	is_int(fqaccel_queue_wait(queue, seq, -1, NULL), 0, "the short one is finished");
	is_int(fqaccel_queue_wait(queue, seq - 1, 0, NULL), 0, "and so is the long one before it");
	fqaccel_queue_close(queue);
	fqaccel_buffer_close(in);
	fqaccel_buffer_close(out);
	fqaccel_model_close(model);
}

/* A model and an input are closed while runs that use them are under way. */
static void test_close(void)
{
	enum { RUNS = 12 };
	struct slow s;

	slow_submit(&s, RUNS);
	fqaccel_buffer_close(s.in);
	fqaccel_model_close(s.model);
	is_int(fqaccel_queue_wait(s.queue, s.last, -1, NULL), 0, "runs whose objects were closed finish");
	ok_mem((char *)fqaccel_buffer_data(s.out) + s.output * (RUNS - 1),
	       fqaccel_buffer_data(s.out), s.output, "with the same output, the last as the first");
	fqaccel_buffer_close(s.out);
	fqaccel_queue_close(s.queue);
}

int main(void)
{
	if (getenv("FQACCEL_TEST_CARD"))
		card_name = getenv("FQACCEL_TEST_CARD");
	if (fqaccel_card_open(card_name, &card))
		bail("no card: %s", fqaccel_error());
	test_card();
	test_model();
	test_infer();
	test_large_batch();
	test_ranges();
	test_queue();
	test_timeout();
	test_order();
	test_close();
	fqaccel_card_close(card);
	return tap_done();
}
