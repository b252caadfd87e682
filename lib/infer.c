// SPDX-License-Identifier: MIT
/*
 * fqaccel_infer(): a run through buffers of the library's own.
 *
 * Each call takes a pair of buffers from its model, and the queue of the card that has the
 * fewest callers; so threads do not wait for each other as long as there are queues, of
 * which the library makes as many as the card has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define INFER_MAX_QUEUES	16u
#define INFER_CHUNK_BYTES	(16u << 20)	/* a large batch goes in pieces of this size */
#define INFER_MAX_SPARE		16		/* pairs of buffers that a model keeps */

struct fqaccel_infer_pool {
	struct fqaccel_queue *queue[INFER_MAX_QUEUES];
	unsigned int users[INFER_MAX_QUEUES];
	uint32_t count;
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
	for (i = 0; i < pool->count; i++)
		fqaccel_queue_close(pool->queue[i]);
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

/* With card->lock held. The pool's first queue must be; the others are as good as they can. */
static int pool_fill(struct fqaccel_card *card)
{
	struct fqaccel_infer_pool *pool;
	struct fqaccel_card_info info;
	uint32_t want;
	int ret;

	memset(&info, 0, sizeof(info));
	ret = card->backend->card_info(card, &info);
	if (ret)
		return ret;
	want = info.hw_queues < INFER_MAX_QUEUES ? info.hw_queues : INFER_MAX_QUEUES;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return fqaccel_fail_memory();
	do {
		ret = fqaccel_queue_create(card, 0, &pool->queue[pool->count]);
		if (!ret)
			pool->count++;
	} while (!ret && pool->count < want);
	if (!pool->count) {
		free(pool);
		return ret;
	}
	card->pool = pool;
	return 0;
}

static int queue_take(struct fqaccel_card *card, uint32_t *index, struct fqaccel_queue **queue)
{
	struct fqaccel_infer_pool *pool;
	uint32_t i, best = 0;
	int ret = 0;

	pthread_mutex_lock(&card->lock);
	if (!card->pool)
		ret = pool_fill(card);
	pool = card->pool;
	if (!ret) {
		for (i = 1; i < pool->count; i++)
			if (pool->users[i] < pool->users[best])
				best = i;
		pool->users[best]++;
		*index = best;
		*queue = pool->queue[best];
	}
	pthread_mutex_unlock(&card->lock);
	return ret;
}

static void queue_give(struct fqaccel_card *card, uint32_t index)
{
	pthread_mutex_lock(&card->lock);
	card->pool->users[index]--;
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
	struct fqaccel_run_desc run = {
		.model = model, .input = b->in, .output = b->out, .batch = batch,
	};
	uint64_t sequence;
	int ret;

	memcpy(b->in->data, input, model->facts.input_bytes * batch);
	ret = fqaccel_queue_submit(queue, &run, 1, &sequence);
	if (ret < 0)
		return ret;
	ret = fqaccel_queue_wait(queue, sequence, -1, NULL);
	if (!ret)
		memcpy(output, b->out->data, model->facts.output_bytes * batch);
	return ret;
}

int fqaccel_infer(struct fqaccel_model *model, const void *input, void *output, uint32_t batch)
{
	struct fqaccel_infer_buffers *b = NULL;
	struct fqaccel_queue *queue = NULL;
	uint32_t chunk, n, index = 0;
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
	ret = queue_take(model->card, &index, &queue);
	if (ret)
		goto give_buffers;
	for (; batch && !ret; batch -= n) {
		n = batch < chunk ? batch : chunk;
		ret = infer_chunk(model, queue, b, in, out, n);
		in += model->facts.input_bytes * n;
		out += model->facts.output_bytes * n;
	}
	queue_give(model->card, index);
give_buffers:
	/* After a failed wait a run may still use them: closing waits for it, keeping would not. */
	if (ret)
		buffers_free_one(b);
	else
		buffers_give(model, b);
	return ret;
}
