// SPDX-License-Identifier: GPL-2.0
/*
 * How the runs of a process of the soak end: that they do, that each end is one that the
 * interface knows, that the output is right, and that nothing is written beside it or after it.
 */
#include <poll.h>

#include "worker.h"

#define SC_DMA_FAULT	0x10	/* CARD.md section 7 */
#define SC_BAD_LENGTH	0x12

static void settle(struct worker *w, enum soak_count outcome)
{
	count(w, outcome);
	w->record->open--;
}

void judge_abandon(struct worker *w, struct queue *q, enum soak_count outcome)
{
	unsigned int i;

	for (i = 0; i < q->slots; i++) {
		if (q->slot[i].busy)
			settle(w, outcome);
		q->slot[i].busy = false;
	}
}

/* It is told of by now, or will be in a moment. */
void judge_fence(struct worker *w)
{
	struct pollfd p = { .fd = w->fence, .events = POLLIN };

	if (poll(&p, 1, SOAK_LOST_S * 1000) != 1 || p.revents != POLLIN)
		fail(w, "the fence of runs that have ended is not signaled");
	close(w->fence);
	w->fence = -1;
	count(w, SOAK_FENCES);
}

static bool all_poison(const uint8_t *data, size_t length)
{
	return !length || (data[0] == TEST_POISON && !memcmp(data, data + 1, length - 1));
}

void judge_untouched(struct worker *w, struct queue *q, const struct slot *s)
{
	if (!all_poison(slot_out(q, s), out_room(q)))
		fail(w, "written to after the end of run %llu of queue %u",
		     (unsigned long long)s->sequence, q->handle);
}

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
		judge_untouched(w, q, s);
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
	worker_submit(w, q, one, 1);
}

/* False: the file is gone. */
static bool end_slot(struct worker *w, struct queue *q, struct slot *s)
{
	struct fqaccel_wait wait;
	bool more;
	int ret = test_wait(w->fd, q->handle, s->sequence, 0, &wait);

	if (ret == -ENODEV || ret == -EBADFD)
		return !worker_handle_error(w, "WAIT", ret);
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
		judge_fence(w);
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

void judge_wait(struct worker *w, struct queue *q)
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
		worker_handle_error(w, "WAIT", ret);
	}
}

void judge_wait_all(struct worker *w, struct queue *q)
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
			worker_drop_file(w, SOAK_CARD_GONE);
		else if (ret)
			fail(w, "WAIT: %s", strerror(-ret));
		else
			end_finished(w, q, wait.completed);
	}
}
