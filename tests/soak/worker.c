// SPDX-License-Identifier: GPL-2.0
/*
 * One process of the soak. It has an open file with models and queues, and submits runs. What
 * becomes of them is judge.c's.
 */
#include "../kselftest/fqaccel_dmabuf.h"
#include "worker.h"

#define BIG_BATCH	3000	/* pictures of a run that takes a while */
#define BIG_BYTES	(8 << 20)	/* of its buffers, about */

static void unmap(struct test_buffer *buf)
{
	if (buf->data)
		munmap(buf->data, buf->length);
	memset(buf, 0, sizeof(*buf));
}

static void queue_forget(struct worker *w, struct queue *q, enum soak_count outcome)
{
	judge_abandon(w, q, outcome);
	if (w->fence_queue == q)
		w->fence_queue = NULL;
	unmap(&q->in);
	unmap(&q->mid);
	unmap(&q->out);
	memset(q, 0, sizeof(*q));
}

void worker_drop_file(struct worker *w, enum soak_count outcome)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		queue_forget(w, &w->queues[i], outcome);
	memset(w->models, 0, sizeof(w->models));
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	/* Its runs end in the background, and so does its fence's wait. */
	if (w->fence >= 0)
		judge_fence(w);
}

static void open_file(struct worker *w)
{
	int64_t until = test_now() + SOAK_BACK_S * 1000000000LL;
	struct fqaccel_info info;

	while ((w->fd = soak_open()) < 0) {
		if (w->shared->draining)
			exit(0);
		if (test_now() > until)
			fail(w, "no card for %d s", SOAK_BACK_S);
		usleep(100000);
	}
	count(w, SOAK_OPENS);
	if (test_info(w->fd, &info)) {
		close(w->fd);
		w->fd = -1;
		return;
	}
	w->features = info.features;
	note(w, "open");
}

/* The file is banned for its hangs: what it had ends all the same, and is told. */
static void banned(struct worker *w)
{
	unsigned int i;

	note(w, "banned");
	count(w, SOAK_BANS);
	for (i = 0; i < QUEUES && w->fd >= 0; i++)
		if (w->queues[i].handle)
			judge_wait_all(w, &w->queues[i]);
	worker_drop_file(w, SOAK_CLOSED);
}

bool worker_handle_error(struct worker *w, const char *what, int ret)
{
	switch (ret) {
	case -ENODEV:
		note(w, "%s: the card is gone", what);
		worker_drop_file(w, SOAK_CARD_GONE);
		return true;
	case -EBADFD:
		banned(w);
		return true;
	case -ENOMEM:
	case -ENOSPC:
		note(w, "%s: %s", what, strerror(-ret));
		return false;
	default:
		fail(w, "%s: %s", what, strerror(-ret));
	}
}

/* Loading. */

static bool load(struct worker *w, unsigned int which)
{
	const struct test_data *data = &soak_models[which].data;
	struct fqaccel_model_load arg;
	int ret = test_load(w->fd, data->model, data->model_length, &arg);

	note(w, "load %s: %d", soak_models[which].name, ret);
	count(w, SOAK_LOADS);
	if (!ret) {
		if (arg.input_bytes != data->input_bytes || arg.layers != data->layers)
			fail(w, "another model was loaded");
		w->models[which] = arg;
		return true;
	}
	w->record->load_errors[-ret % SOAK_ERRNOS]++;
	/* The card failed: a DMA fault, say. */
	if (ret == -EIO)
		w->record->load_refusals[arg.card_status % SOAK_STATUSES]++;
	else
		worker_handle_error(w, "LOAD", ret);
	return false;
}

/* 0 or an errno; runs that use it keep it. */
static int unload(struct worker *w, unsigned int which)
{
	uint32_t handle = w->models[which].handle;

	w->models[which].handle = 0;
	note(w, "unload %s", soak_models[which].name);
	return test_destroy(w->fd, handle);
}

static void act_models(struct worker *w)
{
	unsigned int which = below(w, soak_nr_models);
	int ret;

	if (!w->models[which].handle) {
		load(w, which);
		return;
	}
	if (below(w, 3))
		return;
	ret = unload(w, which);
	if (ret)
		worker_handle_error(w, "DESTROY of a model", ret);
}

/* Queues and their buffers. */

/* The card reads the same memory through a dma-buf of it. */
static int import_input(struct worker *w, struct queue *q)
{
	int dmabuf = test_export(w->fd, q->in.handle), ret;
	uint32_t handle;

	if (dmabuf < 0)
		return dmabuf;
	ret = test_import(w->fd, dmabuf, FQACCEL_BUFFER_CARD_READS, &handle);
	close(dmabuf);
	if (ret)
		return ret;
	ret = test_destroy(w->fd, q->in.handle);
	q->in.handle = handle;
	count(w, SOAK_IMPORTS);
	return ret;
}

static int queue_buffers(struct worker *w, struct queue *q)
{
	const struct test_data *data = data_of(q);
	size_t mid = q->room * (data->cut ? data->cut_bytes : 1);
	uint32_t i;
	int ret;

	ret = test_buffer(w->fd, q->room * data->input_bytes, FQACCEL_BUFFER_CARD_READS, &q->in);
	if (ret)
		return ret;
	ret = test_buffer(w->fd, mid * q->slots,
			  FQACCEL_BUFFER_CARD_READS | FQACCEL_BUFFER_CARD_WRITES, &q->mid);
	if (ret)
		return ret;
	ret = test_buffer(w->fd, q->slots * out_room(q), FQACCEL_BUFFER_CARD_WRITES, &q->out);
	if (ret)
		return ret;
	for (i = 0; i < q->room; i++)
		memcpy(q->in.data + i * data->input_bytes,
		       data->input + i % data->pictures * data->input_bytes, data->input_bytes);
	memset(q->out.data, TEST_POISON, q->out.length);
	if (w->features & FQACCEL_FEATURE_DMABUF && !below(w, 3))
		return import_input(w, q);
	return 0;
}

static void queue_destroy(struct worker *w, struct queue *q)
{
	uint32_t handles[4] = { q->handle, q->in.handle, q->mid.handle, q->out.handle };
	unsigned int i;
	int ret;

	note(w, "destroy queue %u", q->handle);
	queue_forget(w, q, SOAK_CLOSED);
	for (i = 0; i < 4; i++) {
		ret = handles[i] ? test_destroy(w->fd, handles[i]) : 0;
		if (ret && worker_handle_error(w, "DESTROY", ret))
			return;
	}
}

static int queue_create(struct worker *w, struct queue *q)
{
	/* Four times as many results are kept: of all slots, and as many runs after them. */
	struct fqaccel_queue_create arg = {
		.size = sizeof(arg), .depth = SLOTS / 2 + below(w, 2 * SLOTS),
	};
	int ret;

	if (w->features & FQACCEL_FEATURE_PRIORITY)
		arg.priority = below(w, FQACCEL_PRIORITY_HIGH + 1);
	ret = test_ioctl(w->fd, FQACCEL_IOC_QUEUE_CREATE, &arg);
	q->handle = arg.handle;
	return ret;
}

static uint32_t big_room(const struct test_data *data)
{
	uint64_t most = data->input_bytes;

	if (data->cut_bytes > most)
		most = data->cut_bytes;
	if (data->output_bytes > most)
		most = data->output_bytes;
	return most * BIG_BATCH > BIG_BYTES ? 1 + BIG_BYTES / most : BIG_BATCH;
}

static void act_queue(struct worker *w, struct queue *q)
{
	int ret;

	if (q->handle) {
		if (!below(w, 12))
			queue_destroy(w, q);
		return;
	}
	memset(q, 0, sizeof(*q));
	q->model = below(w, soak_nr_models);
	q->slots = SLOTS;
	q->room = data_of(q)->pictures;
	if (!below(w, 4)) {
		q->slots = 2;
		q->room = big_room(data_of(q));
	}
	ret = queue_create(w, q) ?: queue_buffers(w, q);
	note(w, "queue %u for %s, %u pictures: %d", q->handle, soak_models[q->model].name,
	     q->room, ret);
	if (ret && !worker_handle_error(w, "a queue's buffers", ret))
		queue_destroy(w, q);
}

/* Submitting. */

static struct slot *free_slot(struct queue *q)
{
	unsigned int i;

	for (i = 0; i < q->slots; i++)
		if (!q->slot[i].busy)
			return &q->slot[i];
	return NULL;
}

static void choose(struct worker *w, struct queue *q, struct slot *s)
{
	uint32_t dice = below(w, 20);

	s->kind = KIND_WHOLE;
	if (dice < 4)
		s->kind = KIND_NOP;
	else if (dice < 8 && data_of(q)->cut)
		s->kind = KIND_FIRST_PART;
	else if (dice < 9)
		s->kind = KIND_WRONG;
	s->batch = 1 + below(w, q->room);
	s->first = below(w, q->room - s->batch + 1);
}

static struct fqaccel_run make_run(struct worker *w, struct queue *q, struct slot *s)
{
	const struct test_data *data = data_of(q);
	struct fqaccel_run run = {
		.model = w->models[q->model].handle,
		.batch = s->batch,
		.in_buffer = q->in.handle,
		.out_buffer = q->out.handle,
		.in_offset = s->first * data->input_bytes,
		.in_length = s->batch * data->input_bytes,
		.out_offset = (s - q->slot) * out_room(q),
		.out_length = s->batch * data->output_bytes,
	};
	uint64_t mid = (s - q->slot) * q->room * data->cut_bytes;

	switch (s->kind) {
	case KIND_NOP:
		return (struct fqaccel_run){ .flags = FQACCEL_RUN_NOP };
	case KIND_FIRST_PART:
		run.layer_count = data->cut;
		run.out_buffer = q->mid.handle;
		run.out_offset = mid;
		run.out_length = s->batch * data->cut_bytes;
		break;
	case KIND_SECOND_PART:
		run.first_layer = data->cut;
		run.layer_count = data->layers - data->cut;
		run.in_buffer = q->mid.handle;
		run.in_offset = mid;
		run.in_length = s->batch * data->cut_bytes;
		break;
	case KIND_WRONG:
		/* Of a part only the card knows the lengths. */
		run.layer_count = data->layers - 1;
		if (!run.layer_count)
			return (struct fqaccel_run){ .flags = FQACCEL_RUN_NOP };
		run.out_length = 1;
		break;
	case KIND_WHOLE:
		break;
	}
	return run;
}

/* The first of @slots have been accepted, as the call says. */
static void accepted(struct worker *w, struct queue *q, struct slot **slots, uint32_t count_,
		     const struct fqaccel_submit *arg)
{
	uint32_t i;

	if (arg->accepted > count_)
		fail(w, "%u of %u runs accepted", arg->accepted, count_);
	if (arg->accepted && arg->sequence != q->last + arg->accepted)
		fail(w, "sequence %llu after %llu and %u runs", (unsigned long long)arg->sequence,
		     (unsigned long long)q->last, arg->accepted);
	for (i = 0; i < arg->accepted; i++) {
		slots[i]->busy = true;
		slots[i]->since = test_now();
		slots[i]->sequence = ++q->last;
		w->record->open++;
		count(w, SOAK_ACCEPTED);
	}
}

/* After the runs that the fence at hand stands for, which may be another queue's. */
static void choose_fences(struct worker *w, struct fqaccel_submit *arg)
{
	if (!(w->features & FQACCEL_FEATURE_FENCES))
		return;
	if (!below(w, 4))
		arg->flags |= FQACCEL_SUBMIT_OUT_FENCE;
	if (w->fence >= 0 && !below(w, 4)) {
		arg->flags |= FQACCEL_SUBMIT_IN_FENCE;
		arg->in_fence = w->fence;
	}
}

static void take_fence(struct worker *w, struct queue *q, const struct fqaccel_submit *arg)
{
	if (arg->out_fence < 0)
		fail(w, "SUBMIT made no fence");
	if (w->fence >= 0)
		close(w->fence);
	w->fence = arg->out_fence;
	w->fence_queue = q;
	w->fence_sequence = arg->sequence;
}

void worker_submit(struct worker *w, struct queue *q, struct slot **slots, uint32_t count_)
{
	struct fqaccel_run runs[SLOTS];
	struct fqaccel_submit arg = {
		.size = sizeof(arg), .queue = q->handle, .count = count_,
		.runs = (uintptr_t)runs, .run_size = sizeof(runs[0]),
		.flags = below(w, 2) ? FQACCEL_SUBMIT_NONBLOCK : 0,
	};
	uint32_t i;
	int ret;

	for (i = 0; i < count_; i++)
		runs[i] = make_run(w, q, slots[i]);
	choose_fences(w, &arg);
	ret = test_ioctl(w->fd, FQACCEL_IOC_SUBMIT, &arg);
	note(w, "submit %u+%u to %u, flags %u, %u of %u: %d", slots[0]->kind, slots[0]->batch,
	     q->handle, arg.flags, arg.accepted, count_, ret);
	accepted(w, q, slots, count_, &arg);
	if (!ret && arg.flags & FQACCEL_SUBMIT_OUT_FENCE)
		take_fence(w, q, &arg);
	if (ret && ret != -EAGAIN)
		worker_handle_error(w, "SUBMIT", ret);
}

static void act_submit(struct worker *w, struct queue *q)
{
	uint32_t wanted = 1 + below(w, 8), n = 0;
	struct slot *slots[SLOTS], *s;

	if (!q->handle)
		return;
	if (!w->models[q->model].handle && !load(w, q->model))
		return;
	while (n < wanted && (s = free_slot(q))) {
		judge_untouched(w, q, s);
		choose(w, q, s);
		s->busy = true;
		slots[n++] = s;
	}
	for (wanted = 0; wanted < n; wanted++)
		slots[wanted]->busy = false;
	if (n)
		worker_submit(w, q, slots, n);
}

/* Memory comes and goes in bursts, the card's and others'. */
static void act_memory(struct worker *w)
{
	size_t length = (1 + below(w, 24)) << 20, at;
	struct test_buffer buf = { 0 };
	uint8_t *p;
	int ret;

	ret = test_buffer(w->fd, length, FQACCEL_BUFFER_CARD_READS, &buf);
	note(w, "a buffer of %zu MiB: %d", length >> 20, ret);
	if (ret) {
		worker_handle_error(w, "BUFFER_CREATE", ret);
		return;
	}
	p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (at = 0; at < length; at += 4096) {
		if (buf.data[at])
			fail(w, "a new buffer is not zero at %zu", at);
		buf.data[at] = 1;
		if (p != MAP_FAILED)
			p[at] = 1;
	}
	if (p != MAP_FAILED)
		munmap(p, length);
	munmap(buf.data, buf.length);
	ret = test_destroy(w->fd, buf.handle);
	if (ret)
		worker_handle_error(w, "DESTROY of a buffer", ret);
}

static void act(struct worker *w)
{
	struct queue *q = &w->queues[below(w, QUEUES)];
	uint32_t dice = below(w, 100);

	if (!q->handle || dice < 3)
		act_queue(w, q);
	else if (dice < 50)
		act_submit(w, q);
	else if (dice < 92)
		judge_wait(w, q);
	else if (dice < 97)
		act_models(w);
	else if (dice < 99)
		act_memory(w);
	else if (!below(w, 4)) {
		note(w, "close");
		worker_drop_file(w, SOAK_CLOSED);
	}
}

void soak_worker(struct soak_shared *shared, unsigned int index)
{
	struct worker w = {
		.shared = shared, .record = &shared->workers[index], .fd = -1, .fence = -1,
	};
	unsigned int i;

	soak_seed(&w.random, shared->seed, index * 1000003ULL + w.record->incarnation);
	while (!shared->draining) {
		if (w.fd < 0)
			open_file(&w);
		else
			act(&w);
	}
	for (i = 0; i < QUEUES && w.fd >= 0; i++)
		if (w.queues[i].handle)
			judge_wait_all(&w, &w.queues[i]);
	worker_drop_file(&w, SOAK_CLOSED);
	exit(0);
}
