// SPDX-License-Identifier: MIT
/* fqaccel-run --profile: what each layer costs. */
#include "fqaccel-run-profile.h"

#include <string.h>
#include <time.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The largest set of live tensors at any point of the network. */
static int largest_live(struct fqaccel_model *model, uint32_t layers, uint64_t *bytes)
{
	uint64_t in, out;
	uint32_t i;
	int ret;

	for (*bytes = 0, i = 0; i < layers; i++) {
		ret = fqaccel_model_range(model, i, 1, &in, &out);
		if (ret)
			return ret;
		*bytes = in > *bytes ? in : *bytes;
		*bytes = out > *bytes ? out : *bytes;
	}
	return 0;
}

static int run_layer(struct fqaccel_queue *queue, const struct fqaccel_run_desc *run,
		     struct profile_layer *layer)
{
	struct fqaccel_run_result result;
	double begin = now_ms();
	uint64_t sequence;
	int ret;

	ret = fqaccel_queue_submit(queue, run, 1, &sequence);
	if (ret < 0)
		return ret;
	ret = fqaccel_queue_wait(queue, sequence, -1, &result);
	if (ret)
		return ret;
	layer->host_ms = now_ms() - begin;
	layer->cycles = result.cycles;
	return result.status;
}

/* A layer's output, what is live after it, is the next one's input: two buffers take turns. */
static int run_layers(struct fqaccel_model *model, struct fqaccel_queue *queue,
		      struct fqaccel_buffer *buf[2], uint32_t count, uint32_t batch,
		      struct profile_layer *layers)
{
	struct fqaccel_run_desc run = { .model = model, .layer_count = 1, .batch = batch };
	uint64_t in;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < count; i++) {
		run.first_layer = i;
		run.input = buf[i % 2];
		run.output = buf[(i + 1) % 2];
		ret = fqaccel_model_range(model, i, 1, &in, &layers[i].out_bytes);
		if (!ret)
			ret = run_layer(queue, &run, &layers[i]);
	}
	return ret;
}

int profile_run(struct fqaccel_card *card, struct fqaccel_model *model, const void *input,
		uint32_t batch, struct profile_layer *layers)
{
	struct fqaccel_buffer *buf[2] = { NULL, NULL };
	struct fqaccel_queue *queue = NULL;
	struct fqaccel_model_info info;
	uint64_t bytes;
	int ret, i;

	ret = fqaccel_model_info(model, &info, sizeof(info));
	if (!ret)
		ret = largest_live(model, info.layers, &bytes);
	for (i = 0; !ret && i < 2; i++)
		ret = fqaccel_buffer_create(card, bytes * batch,
					    FQACCEL_CARD_READS | FQACCEL_CARD_WRITES, &buf[i]);
	if (!ret)
		ret = fqaccel_queue_create(card, 1, &queue);
	if (!ret) {
		/* The first pass touches memory for the first time; the second one is kept. */
		for (i = 0; !ret && i < 2; i++) {
			memcpy(fqaccel_buffer_data(buf[0]), input, info.input_bytes * batch);
			ret = run_layers(model, queue, buf, info.layers, batch, layers);
		}
	}
	fqaccel_queue_close(queue);
	fqaccel_buffer_close(buf[0]);
	fqaccel_buffer_close(buf[1]);
	return ret;
}
