// SPDX-License-Identifier: MIT
/* Buffers and queues: arguments are checked here, for both back ends alike. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "fqaccel_hw.h"
#include "private.h"

int fqaccel_buffer_create(struct fqaccel_card *card, size_t len, unsigned int directions,
			  struct fqaccel_buffer **out)
{
	const unsigned int known = FQACCEL_CARD_READS | FQACCEL_CARD_WRITES;
	struct fqaccel_buffer *buf;
	int ret;

	fqaccel_error_clear();
	if (!card || !out)
		return fqaccel_fail(-EINVAL, "fqaccel_buffer_create: card or out is NULL");
	*out = NULL;
	if (!directions || (directions & ~known))
		return fqaccel_fail(-EINVAL,
				    "fqaccel_buffer_create: directions are FQACCEL_CARD_READS, FQACCEL_CARD_WRITES or both");
	if (!len || len > FQACCEL_MAX_BUFFER)
		return fqaccel_fail(-EINVAL, "a buffer of %zu bytes: it has 1 to 2^36", len);
	buf = calloc(1, sizeof(*buf));
	if (!buf)
		return fqaccel_fail_memory();
	buf->card = card;
	buf->len = len;
	buf->directions = directions;
	ret = card->backend->buffer_create(buf);
	if (ret) {
		free(buf);
		return ret;
	}
	fqaccel_card_ref(card);
	*out = buf;
	return 0;
}

void *fqaccel_buffer_data(struct fqaccel_buffer *buf)
{
	return buf ? buf->data : NULL;
}

size_t fqaccel_buffer_size(struct fqaccel_buffer *buf)
{
	return buf ? buf->len : 0;
}

void fqaccel_buffer_close(struct fqaccel_buffer *buf)
{
	if (!buf)
		return;
	buf->card->backend->buffer_close(buf);
	fqaccel_card_unref(buf->card);
	free(buf);
}

int fqaccel_queue_create(struct fqaccel_card *card, uint32_t depth, struct fqaccel_queue **out)
{
	struct fqaccel_queue *queue;
	int ret;

	fqaccel_error_clear();
	if (!card || !out)
		return fqaccel_fail(-EINVAL, "fqaccel_queue_create: card or out is NULL");
	*out = NULL;
	if (depth > FQACCEL_MAX_DEPTH)
		return fqaccel_fail(-EINVAL, "a queue's depth is at most %u", FQACCEL_MAX_DEPTH);
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return fqaccel_fail_memory();
	queue->card = card;
	queue->depth = depth ? depth : FQACCEL_DEFAULT_DEPTH;
	ret = card->backend->queue_create(queue);
	if (ret) {
		free(queue);
		return ret;
	}
	fqaccel_card_ref(card);
	*out = queue;
	return 0;
}

void fqaccel_queue_close(struct fqaccel_queue *queue)
{
	if (!queue)
		return;
	queue->card->backend->queue_close(queue);
	fqaccel_card_unref(queue->card);
	free(queue);
}

static int check_place(uint32_t i, const char *which, const struct fqaccel_buffer *buf,
		       uint64_t offset, uint64_t len)
{
	if (offset > buf->len || len > buf->len - offset)
		return fqaccel_fail(-EINVAL,
				    "run %u: its %s needs %llu bytes from %llu on, the buffer has %zu",
				    i, which, (unsigned long long)len, (unsigned long long)offset,
				    buf->len);
	return 0;
}

static int check_run(const struct fqaccel_card *card, uint32_t i,
		     const struct fqaccel_run_desc *run, struct fqaccel_run_item *item)
{
	uint64_t in, out;
	int ret;

	if (!run->model || !run->input || !run->output)
		return fqaccel_fail(-EINVAL, "run %u: model, input or output is NULL", i);
	if (run->reserved)
		return fqaccel_fail(-EINVAL, "run %u: reserved is not 0", i);
	if (run->model->card != card || run->input->card != card || run->output->card != card)
		return fqaccel_fail(-EINVAL, "run %u: an object of another card", i);
	if (!run->batch || run->batch > FQACCEL_MAX_BATCH)
		return fqaccel_fail(-EINVAL, "run %u: a batch has 1 to %u pictures, not %u", i,
				    FQACCEL_MAX_BATCH, run->batch);
	ret = fqaccel_model_range(run->model, run->first_layer, run->layer_count, &in, &out);
	if (ret)
		return ret;
	/* At most 4096 tensors of 2^28 bytes, 2^16 times: far below 2^64. */
	in *= run->batch;
	out *= run->batch;
	if (!(run->input->directions & FQACCEL_CARD_READS) ||
	    !(run->output->directions & FQACCEL_CARD_WRITES))
		return fqaccel_fail(-EACCES,
				    "run %u: the input needs a buffer with FQACCEL_CARD_READS, the output one with FQACCEL_CARD_WRITES",
				    i);
	ret = check_place(i, "input", run->input, run->input_offset, in);
	if (!ret)
		ret = check_place(i, "output", run->output, run->output_offset, out);
	if (ret)
		return ret;
	if (run->input == run->output && run->input_offset < run->output_offset + out &&
	    run->output_offset < run->input_offset + in)
		return fqaccel_fail(-EINVAL, "run %u: input and output overlap", i);
	*item = (struct fqaccel_run_item){
		.model = run->model,
		.input = run->input,
		.output = run->output,
		.input_offset = run->input_offset,
		.input_length = in,
		.output_offset = run->output_offset,
		.output_length = out,
		.first_layer = run->first_layer,
		.layer_count = run->layer_count ? run->layer_count : run->model->facts.layers,
		.batch = run->batch,
	};
	return 0;
}

int fqaccel_queue_submit(struct fqaccel_queue *queue, const struct fqaccel_run_desc *runs,
			 uint32_t count, uint64_t *sequence)
{
	struct fqaccel_run_item items[FQACCEL_SUBMIT_RUNS];
	uint32_t i, n, done = 0;
	uint64_t last = 0;
	int ret = 0;

	fqaccel_error_clear();
	if (!queue || !runs || !count || count > INT_MAX)
		return fqaccel_fail(-EINVAL, "fqaccel_queue_submit: queue, runs or count is invalid");
	for (i = 0; i < count; i++) {
		ret = check_run(queue->card, i, &runs[i], &items[0]);
		if (ret)
			return ret;
	}
	while (done < count) {
		n = count - done < FQACCEL_SUBMIT_RUNS ? count - done : FQACCEL_SUBMIT_RUNS;
		for (i = 0; i < n; i++) {
			ret = check_run(queue->card, done + i, &runs[done + i], &items[i]);
			if (ret)
				break;
		}
		if (!ret)
			ret = queue->card->backend->queue_submit(queue, items, n, &last);
		if (ret <= 0)
			break;
		done += (uint32_t)ret;
		ret = 0;
	}
	if (done && sequence)
		*sequence = last;
	return done ? (int)done : ret;
}

int fqaccel_fail_run(const struct fqaccel_run_result *r)
{
	char where[48] = "";

	/* It ended without the card's help. */
	if (r->card_status == FQA_SC_OK)
		return fqaccel_fail(r->status, "the run failed: %s",
				    fqaccel_strerror(r->status));
	if (r->layer != FQA_NO_LAYER)
		snprintf(where, sizeof(where), ", layer %u", r->layer);
	return fqaccel_fail(r->status, "the run failed: %s (card status %s%s, offset %u)",
			    fqaccel_strerror(r->status), fqaccel_status_name(r->card_status),
			    where, r->offset);
}

int fqaccel_queue_wait(struct fqaccel_queue *queue, uint64_t sequence, int64_t timeout_ms,
		       struct fqaccel_run_result *result)
{
	struct fqaccel_run_result own;
	int ret;

	fqaccel_error_clear();
	if (!queue || !sequence)
		return fqaccel_fail(-EINVAL, "fqaccel_queue_wait: queue or sequence is invalid");
	ret = queue->card->backend->queue_wait(queue, sequence, timeout_ms, &own);
	if (ret)
		return ret;
	if (result)
		*result = own;
	if (own.status)
		fqaccel_fail_run(&own);
	return result ? 0 : own.status;
}
