// SPDX-License-Identifier: GPL-2.0
/*
 * One process of the soak. It has an open file with models and queues, submits runs, and
 * checks each one's end: that it comes, that it is one that the interface knows, that the
 * output is right, and that nothing is written beside it or after it.
 */
#include <poll.h>

#include "../kselftest/fqaccel_dmabuf.h"
#include "soak.h"

#define QUEUES		3
#define SLOTS		12	/* runs of a queue at once */
#define GUARD		64	/* bytes between outputs that nobody may write */
#define BIG_BATCH	3000	/* pictures of a run that takes a while */
#define BIG_BYTES	(8 << 20)	/* of its buffers, about */
#define SC_DMA_FAULT	0x10
#define SC_BAD_LENGTH	0x12
#define SC_ABORTED	0x30

enum kind {
	KIND_WHOLE,
	KIND_FIRST_PART,
	KIND_SECOND_PART,
	KIND_NOP,
	KIND_WRONG,	/* the output's length is */
};

struct slot {
	bool busy;
	enum kind kind;
	uint32_t first, batch;		/* pictures */
	uint64_t sequence;
	int64_t since;
};

/* A user queue with the buffers of its runs. */
struct queue {
	uint32_t handle;		/* 0: none */
	unsigned int model;
	uint32_t room;			/* pictures of a slot */
	unsigned int slots;
	struct test_buffer in, mid, out;
	struct slot slot[SLOTS];
	uint64_t last, completed;
};

struct worker {
	struct soak_shared *shared;
	struct soak_record *record;
	struct soak_random random;
	int fd;				/* -1: none */
	uint64_t features;
	int fence;			/* -1: none */
	struct queue *fence_queue;	/* whose runs it stands for, up to ... */
	uint64_t fence_sequence;	/* ... this one; NULL: that queue has gone */
	struct fqaccel_model_load models[SOAK_MODELS];	/* handle 0: not loaded */
	struct queue queues[QUEUES];
};

#define note(w, ...)	soak_note((w)->shared, (w)->record, __VA_ARGS__)
#define fail(w, ...)	soak_fail((w)->shared, (w)->record, __VA_ARGS__)

static uint32_t below(struct worker *w, uint32_t limit)
{
	return soak_below(&w->random, limit);
}

static void count(struct worker *w, enum soak_count which)
{
	w->record->counts[which]++;
}

static const struct test_data *data_of(const struct queue *q)
{
	return &soak_models[q->model].data;
}

static size_t out_room(const struct queue *q)
{
	return q->room * data_of(q)->output_bytes + GUARD;
}

static uint8_t *slot_out(const struct queue *q, const struct slot *s)
{
	return q->out.data + (s - q->slot) * out_room(q);
}

static void settle(struct worker *w, enum soak_count outcome)
{
	count(w, outcome);
	w->record->open--;
}

/* Runs whose end nobody will see. */
static void abandon(struct worker *w, struct queue *q, enum soak_count outcome)
{
	unsigned int i;

	for (i = 0; i < q->slots; i++) {
		if (q->slot[i].busy)
			settle(w, outcome);
		q->slot[i].busy = false;
	}
}

static void unmap(struct test_buffer *buf)
{
	if (buf->data)
		munmap(buf->data, buf->length);
	memset(buf, 0, sizeof(*buf));
}

/* It is told of by now, or will be in a moment. */
static void check_fence(struct worker *w)
{
	struct pollfd p = { .fd = w->fence, .events = POLLIN };

	if (poll(&p, 1, SOAK_LOST_S * 1000) != 1 || p.revents != POLLIN)
		fail(w, "the fence of runs that have ended is not signaled");
	close(w->fence);
	w->fence = -1;
	count(w, SOAK_FENCES);
}

static void queue_forget(struct worker *w, struct queue *q, enum soak_count outcome)
{
	abandon(w, q, outcome);
	if (w->fence_queue == q)
		w->fence_queue = NULL;
	unmap(&q->in);
	unmap(&q->mid);
	unmap(&q->out);
	memset(q, 0, sizeof(*q));
}

static void drop_file(struct worker *w, enum soak_count outcome)
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
		check_fence(w);
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

static void queue_wait_all(struct worker *w, struct queue *q);

/* The file is banned for its hangs: what it had ends all the same, and is told. */
static void banned(struct worker *w)
{
	unsigned int i;

	note(w, "banned");
	count(w, SOAK_BANS);
	for (i = 0; i < QUEUES && w->fd >= 0; i++)
		if (w->queues[i].handle)
			queue_wait_all(w, &w->queues[i]);
	drop_file(w, SOAK_CLOSED);
}

/* An ioctl failed with what may happen to any. True: the file is gone. */
static bool handle_error(struct worker *w, const char *what, int ret)
{
	switch (ret) {
	case -ENODEV:
		note(w, "%s: the card is gone", what);
		drop_file(w, SOAK_CARD_GONE);
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
		handle_error(w, "LOAD", ret);
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
		handle_error(w, "DESTROY of a model", ret);
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
		if (ret && handle_error(w, "DESTROY", ret))
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
	if (ret && !handle_error(w, "a queue's buffers", ret))
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

static bool all_poison(const uint8_t *data, size_t length)
{
	return !length || (data[0] == TEST_POISON && !memcmp(data, data + 1, length - 1));
}

/* Nothing has been written there since it was last looked at. */
static void check_untouched(struct worker *w, struct queue *q, const struct slot *s)
{
	if (!all_poison(slot_out(q, s), out_room(q)))
		fail(w, "written to after the end of run %llu of queue %u",
		     (unsigned long long)s->sequence, q->handle);
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

static void submit(struct worker *w, struct queue *q, struct slot **slots, uint32_t count_)
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
		handle_error(w, "SUBMIT", ret);
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
		check_untouched(w, q, s);
		choose(w, q, s);
		s->busy = true;
		slots[n++] = s;
	}
	for (wanted = 0; wanted < n; wanted++)
		slots[wanted]->busy = false;
	if (n)
		submit(w, q, slots, n);
}

/* Ends. */

static void check_output(struct worker *w, struct queue *q, const struct slot *s)
{
	const struct test_data *data = data_of(q);
	const uint8_t *out = slot_out(q, s);
	size_t length = s->batch * data->output_bytes;
	uint32_t i;

	for (i = 0; i < s->batch; i++)
		if (memcmp(out + i * data->output_bytes,
			   data->output + (s->first + i) % data->pictures * data->output_bytes,
			   data->output_bytes))
			fail(w, "picture %u of run %llu of queue %u is wrong", i,
			     (unsigned long long)s->sequence, q->handle);
	if (!all_poison(out + length, out_room(q) - length))
		fail(w, "run %llu of queue %u wrote past its output",
		     (unsigned long long)s->sequence, q->handle);
	w->record->counts[SOAK_PICTURES] += s->batch;
}

static void ended_well(struct worker *w, struct queue *q, struct slot *s)
{
	switch (s->kind) {
	case KIND_WHOLE:
	case KIND_SECOND_PART:
		check_output(w, q, s);
		break;
	case KIND_NOP:
	case KIND_FIRST_PART:
		check_untouched(w, q, s);
		break;
	case KIND_WRONG:
		if (data_of(q)->layers > 1)
			fail(w, "a run with a wrong length ended well");
		break;
	}
	if (s->kind == KIND_NOP)
		count(w, SOAK_NOPS);
	if (s->kind == KIND_SECOND_PART)
		count(w, SOAK_PARTS);
	settle(w, SOAK_RIGHT);
}

/* With card status 0 its model did not come back after a reset: a DMA fault hit its LOAD. */
static void failed(struct worker *w, const struct fqaccel_wait *wait)
{
	w->record->run_failures[wait->card_status % SOAK_STATUSES]++;
	settle(w, SOAK_FAILED);
}

static void ended_badly(struct worker *w, const struct slot *s, const struct fqaccel_wait *wait)
{
	bool knows = wait->status == -EINVAL && s->kind == KIND_WRONG &&
		     wait->card_status == SC_BAD_LENGTH;

	note(w, "run %llu ended with %d, card status 0x%02x", (unsigned long long)s->sequence,
	     wait->status, wait->card_status);
	if (knows)
		settle(w, SOAK_REFUSED);
	else if (wait->status == -EFAULT && wait->card_status == SC_DMA_FAULT)
		settle(w, SOAK_DMA_FAULT);
	else if (wait->status == -ETIMEDOUT && !wait->card_status)
		settle(w, SOAK_HUNG);
	else if (wait->status == -ECANCELED && !wait->card_status)
		settle(w, SOAK_CANCELED);
	else if (wait->status == -EIO)
		failed(w, wait);
	else if (wait->status == -ENODEV)
		settle(w, SOAK_ENDED_GONE);
	else
		fail(w, "run %llu, kind %u, ended with %d, card status 0x%02x",
		     (unsigned long long)s->sequence, s->kind, wait->status, wait->card_status);
}

/* The first part's output is right if what the second makes of it is. */
static void second_part(struct worker *w, struct queue *q, struct slot *s)
{
	struct slot *one[1] = { s };

	if (!w->models[q->model].handle)
		return;
	s->kind = KIND_SECOND_PART;
	submit(w, q, one, 1);
}

/* False: the file is gone. */
static bool end_slot(struct worker *w, struct queue *q, struct slot *s)
{
	struct fqaccel_wait wait;
	bool more;
	int ret = test_wait(w->fd, q->handle, s->sequence, 0, &wait);

	if (ret == -ENODEV || ret == -EBADFD)
		return !handle_error(w, "WAIT", ret);
	if (ret)
		fail(w, "WAIT for run %llu of queue %u, which has finished: %s",
		     (unsigned long long)s->sequence, q->handle, strerror(-ret));
	s->busy = false;
	more = !wait.status && s->kind == KIND_FIRST_PART;
	if (wait.status)
		ended_badly(w, s, &wait);
	else
		ended_well(w, q, s);
	memset(slot_out(q, s), TEST_POISON, out_room(q));
	if (more)
		second_part(w, q, s);
	return w->fd >= 0;
}

/* Look at what WAIT or poll() says has finished. */
static void end_finished(struct worker *w, struct queue *q, uint64_t completed)
{
	unsigned int i;

	if (completed < q->completed || completed > q->last)
		fail(w, "completed goes from %llu to %llu, the last is %llu",
		     (unsigned long long)q->completed, (unsigned long long)completed,
		     (unsigned long long)q->last);
	q->completed = completed;
	if (w->fence >= 0 && w->fence_queue == q && w->fence_sequence <= completed)
		check_fence(w);
	for (i = 0; i < q->slots; i++)
		if (q->slot[i].busy && q->slot[i].sequence <= completed &&
		    !end_slot(w, q, &q->slot[i]))
			return;
}

static struct slot *oldest(struct queue *q)
{
	struct slot *best = NULL;
	unsigned int i;

	for (i = 0; i < q->slots; i++)
		if (q->slot[i].busy && (!best || q->slot[i].sequence < best->sequence))
			best = &q->slot[i];
	return best;
}

static void check_lost(struct worker *w, struct queue *q)
{
	const struct slot *s = oldest(q);
	struct fqaccel_wait wait;

	if (!s || test_now() - s->since < SOAK_LOST_S * 1000000000LL)
		return;
	/* Maybe it was this process that did not run. */
	if (test_wait(w->fd, q->handle, s->sequence, SOAK_LOST_S * 1000 / 4, &wait) == -ETIME)
		fail(w, "run %llu of queue %u, kind %u, is lost", (unsigned long long)s->sequence,
		     q->handle, s->kind);
}

static int wait_by_poll(struct worker *w, struct queue *q, uint64_t sequence, int ms)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	int ret = test_arm(w->fd, q->handle, sequence);

	if (ret)
		return ret;
	count(w, SOAK_POLLS);
	if (poll(&p, 1, ms) < 0)
		fail(w, "poll: %s", strerror(errno));
	if (p.revents & POLLHUP)
		return -ENODEV;
	return test_arm(w->fd, q->handle, 0);
}

static void act_wait(struct worker *w, struct queue *q)
{
	static const int times[] = { 0, 1, 10, 100, 2000 };
	int ms = times[below(w, 5)], ret = 0;
	struct slot *s = oldest(q);
	struct fqaccel_wait wait;
	uint64_t sequence;

	if (!s)
		return;
	sequence = s->sequence + below(w, q->last - s->sequence + 1);
	if (!below(w, 4))
		ret = wait_by_poll(w, q, sequence, ms);
	if (!ret)
		ret = test_wait(w->fd, q->handle, sequence, ms, &wait);
	if (!ret || ret == -ETIME) {
		end_finished(w, q, wait.completed);
		if (ret && w->fd >= 0 && q->handle)
			check_lost(w, q);
	} else {
		handle_error(w, "WAIT", ret);
	}
}

static void queue_wait_all(struct worker *w, struct queue *q)
{
	struct fqaccel_wait wait;
	struct slot *s;
	int ret;

	while (w->fd >= 0 && (s = oldest(q))) {
		ret = test_wait(w->fd, q->handle, s->sequence, SOAK_LOST_S * 1000, &wait);
		if (ret == -ETIME)
			fail(w, "run %llu of queue %u, kind %u, is lost",
			     (unsigned long long)s->sequence, q->handle, s->kind);
		if (ret == -ENODEV)
			drop_file(w, SOAK_CARD_GONE);
		else if (ret)
			fail(w, "WAIT: %s", strerror(-ret));
		else
			end_finished(w, q, wait.completed);
	}
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
		handle_error(w, "BUFFER_CREATE", ret);
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
		handle_error(w, "DESTROY of a buffer", ret);
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
		act_wait(w, q);
	else if (dice < 97)
		act_models(w);
	else if (dice < 99)
		act_memory(w);
	else if (!below(w, 4)) {
		note(w, "close");
		drop_file(w, SOAK_CLOSED);
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
			queue_wait_all(&w, &w.queues[i]);
	drop_file(&w, SOAK_CLOSED);
	exit(0);
}
