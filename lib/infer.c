// SPDX-License-Identifier: MIT
/*
 * fqaccel_infer(): a run through buffers of the library's own.
 *
 * Each call takes a pair of buffers from its model and a queue from its card, for itself
 * alone: so threads do not wait for each other, and no other's runs push a result
 * out. Both are made as they are needed and kept for the next call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define INFER_MAX_QUEUES	32u		/* of a card; more callers wait for one */
#define INFER_CHUNK_BYTES	(16u << 20)	/* a large batch goes in pieces of this size */
#define INFER_MAX_SPARE		16		/* pairs of buffers that a model keeps */

struct fqaccel_infer_pool {
	pthread_cond_t free;				/* a queue was given back */
	struct fqaccel_queue *idle[INFER_MAX_QUEUES];
	uint32_t idle_count, count;			/* of them, and of all that there are */
};

struct fqaccel_infer_buffers {
	struct fqaccel_buffer *in, *out;
	uint32_t batch;
	struct fqaccel_infer_buffers *next;
};

void fqaccel_infer_pool_free(struct fqaccel_infer_pool *pool)
{
	uint32_t i;

	if (!pool)
		return;
	for (i = 0; i < pool->idle_count; i++)
		fqaccel_queue_close(pool->idle[i]);
	pthread_cond_destroy(&pool->free);
	free(pool);
}

static void buffers_free_one(struct fqaccel_infer_buffers *b)
{
	fqaccel_buffer_close(b->in);
	fqaccel_buffer_close(b->out);
	free(b);
}

void fqaccel_infer_buffers_free(struct fqaccel_infer_buffers *list)
{
	struct fqaccel_infer_buffers *next;

	for (; list; list = next) {
		next = list->next;
		buffers_free_one(list);
	}
}

/* With card->lock held. */
static struct fqaccel_infer_pool *pool_get(struct fqaccel_card *card)
{
	if (!card->pool) {
		card->pool = calloc(1, sizeof(*card->pool));
		if (card->pool)
			pthread_cond_init(&card->pool->free, NULL);
	}
	return card->pool;
}

static int queue_take(struct fqaccel_card *card, struct fqaccel_queue **queue)
{
	struct fqaccel_infer_pool *pool;
	int ret = 0;

	pthread_mutex_lock(&card->lock);
	pool = pool_get(card);
	if (!pool)
		ret = fqaccel_fail_memory();
	while (!ret && !pool->idle_count) {
		if (pool->count < INFER_MAX_QUEUES) {
			ret = fqaccel_queue_create(card, 1, &pool->idle[0]);
			pool->count += !ret;
			pool->idle_count += !ret;
			/* A driver may allow fewer: then this call shares those that there are. */
			if (!ret || ret != -ENOSPC || !pool->count)
				continue;
			fqaccel_error_clear();
			ret = 0;
		}
		pthread_cond_wait(&pool->free, &card->lock);
	}
	if (!ret)
		*queue = pool->idle[--pool->idle_count];
	pthread_mutex_unlock(&card->lock);
	return ret;
}

static void queue_give(struct fqaccel_card *card, struct fqaccel_queue *queue)
{
	pthread_mutex_lock(&card->lock);
	card->pool->idle[card->pool->idle_count++] = queue;
	pthread_cond_signal(&card->pool->free);
	pthread_mutex_unlock(&card->lock);
}

static int buffers_create(struct fqaccel_model *model, uint32_t batch,
			  struct fqaccel_infer_buffers **out)
{
	struct fqaccel_infer_buffers *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return fqaccel_fail_memory();
	b->batch = batch;
	ret = fqaccel_buffer_create(model->card, model->facts.input_bytes * batch,
				    FQACCEL_CARD_READS, &b->in);
	if (ret)
		goto free_pair;
	ret = fqaccel_buffer_create(model->card, model->facts.output_bytes * batch,
				    FQACCEL_CARD_WRITES, &b->out);
	if (ret)
		goto close_in;
	*out = b;
	return 0;

close_in:
	fqaccel_buffer_close(b->in);
free_pair:
	free(b);
	return ret;
}

static int buffers_take(struct fqaccel_model *model, uint32_t batch,
			struct fqaccel_infer_buffers **out)
{
	struct fqaccel_infer_buffers *b;

	pthread_mutex_lock(&model->lock);
	b = model->spare;
	if (b)
		model->spare = b->next;
	pthread_mutex_unlock(&model->lock);
	if (b && b->batch >= batch) {
		*out = b;
		return 0;
	}
	if (b)
		buffers_free_one(b);
	return buffers_create(model, batch, out);
}

static void buffers_give(struct fqaccel_model *model, struct fqaccel_infer_buffers *b)
{
	struct fqaccel_infer_buffers *p;
	unsigned int n = 0;

	pthread_mutex_lock(&model->lock);
	for (p = model->spare; p; p = p->next)
		n++;
	if (n < INFER_MAX_SPARE) {
		b->next = model->spare;
		model->spare = b;
		b = NULL;
	}
	pthread_mutex_unlock(&model->lock);
	if (b)
		buffers_free_one(b);
}

static uint32_t chunk_size(const struct fqaccel_model *model, uint32_t batch)
{
	uint64_t each = model->facts.input_bytes + model->facts.output_bytes;
	uint64_t n = INFER_CHUNK_BYTES / (each ? each : 1);

	n = n < 1 ? 1 : n;
	n = n > FQACCEL_MAX_BATCH ? FQACCEL_MAX_BATCH : n;
	return n < batch ? (uint32_t)n : batch;
}

static int infer_chunk(struct fqaccel_model *model, struct fqaccel_queue *queue,
		       struct fqaccel_infer_buffers *b, const void *input, void *output,
		       uint32_t batch)
{
	const struct fqaccel_run_item item = {
		.model = model,
		.input = b->in,
		.output = b->out,
		.input_length = model->facts.input_bytes * batch,
		.output_length = model->facts.output_bytes * batch,
		.layer_count = model->facts.layers,
		.batch = batch,
	};
	struct fqaccel_run_result result;
	int ret;

	memcpy(b->in->data, input, item.input_length);
	ret = model->card->backend->queue_run(queue, &item, &result);
	if (ret)
		return ret;
	if (result.status)
		return fqaccel_fail_run(&result);
	memcpy(output, b->out->data, item.output_length);
	return 0;
}

int fqaccel_infer(struct fqaccel_model *model, const void *input, void *output, uint32_t batch)
{
	struct fqaccel_infer_buffers *b = NULL;
	struct fqaccel_queue *queue = NULL;
	uint32_t chunk, n;
	const char *in = input;
	char *out = output;
	int ret;

	fqaccel_error_clear();
	if (!model || !input || !output || !batch)
		return fqaccel_fail(-EINVAL,
				    "fqaccel_infer: model, input or output is NULL, or batch is 0");
	chunk = chunk_size(model, batch);
	ret = buffers_take(model, chunk, &b);
	if (ret)
		return ret;
	ret = queue_take(model->card, &queue);
	if (ret)
		goto give_buffers;
	for (; batch && !ret; batch -= n) {
		n = batch < chunk ? batch : chunk;
		ret = infer_chunk(model, queue, b, in, out, n);
		in += model->facts.input_bytes * n;
		out += model->facts.output_bytes * n;
	}
	queue_give(model->card, queue);
give_buffers:
	/* After a failed wait a run may still use them: closing waits for it, keeping would not. */
	if (ret)
		buffers_free_one(b);
	else
		buffers_give(model, b);
	return ret;
}
