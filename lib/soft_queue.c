// SPDX-License-Identifier: MIT
/*
 * Queues of the soft card. Results are kept as the kernel driver keeps them: for
 * the last FQACCEL_RESULTS depths, observed and not consumed.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "soft.h"

static struct soft_run *queue_run(struct soft_queue *q, uint64_t sequence)
{
	return &q->runs[sequence % q->kept];
}

void soft_queue_finish(struct soft_card *s, struct soft_queue *q, uint64_t sequence,
		       const struct fqaccel_run_result *result)
{
	struct soft_run *run = queue_run(q, sequence);

	run->result = *result;
	run->done = true;
	while (q->completed < q->accepted && queue_run(q, q->completed + 1)->done)
		q->completed++;
	run->item.input->busy--;
	run->item.output->busy--;
	run->item.model->busy--;
	pthread_cond_broadcast(&q->changed);
	if (!run->item.input->busy || !run->item.output->busy || !run->item.model->busy)
		pthread_cond_broadcast(&s->changed);
}

static void queue_link(struct soft_ring *ring, struct soft_queue *q)
{
	if (!ring->queues) {
		q->next = q;
		q->prev = q;
		ring->queues = q;
	} else {
		q->next = ring->queues->next;
		q->prev = ring->queues;
		q->next->prev = q;
		q->prev->next = q;
	}
	ring->queue_count++;
	q->ring = ring;
}

static void queue_unlink(struct soft_queue *q)
{
	struct soft_ring *ring = q->ring;

	q->next->prev = q->prev;
	q->prev->next = q->next;
	if (ring->queues == q)
		ring->queues = q->next == q ? NULL : q->next;
	ring->queue_count--;
}

int soft_queue_create(struct fqaccel_queue *queue)
{
	struct soft_card *s = queue->card->soft;
	struct soft_ring *ring = &s->io[0];
	pthread_condattr_t attr;
	struct soft_queue *q;
	uint32_t i;

	q = calloc(1, sizeof(*q));
	if (!q)
		return fqaccel_fail_memory();
	q->depth = queue->depth;
	q->kept = FQACCEL_RESULTS * queue->depth;
	q->runs = calloc(q->kept, sizeof(*q->runs));
	if (!q->runs) {
		free(q);
		return fqaccel_fail_memory();
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->changed, &attr);
	pthread_condattr_destroy(&attr);
	soft_lock(s);
	for (i = 1; i < s->io_queues; i++)
		if (s->io[i].queue_count < ring->queue_count)
			ring = &s->io[i];
	queue_link(ring, q);
	soft_unlock(s);
	queue->soft = q;
	return 0;
}

void soft_queue_close(struct fqaccel_queue *queue)
{
	const struct fqaccel_run_result dropped = {
		.status = -ECANCELED, .card_status = FQA_SC_ABORTED, .layer = FQA_NO_LAYER,
	};
	struct soft_card *s = queue->card->soft;
	struct soft_queue *q = queue->soft;

	soft_lock(s);
	while (q->started < q->accepted)
		soft_queue_finish(s, q, ++q->started, &dropped);
	while (q->completed < q->accepted)
		soft_sleep(s, &q->changed, NULL);
	queue_unlink(q);
	soft_unlock(s);
	pthread_cond_destroy(&q->changed);
	free(q->runs);
	free(q);
}

static void queue_accept(struct soft_queue *q, const struct fqaccel_run_item *item)
{
	struct soft_run *run = queue_run(q, ++q->accepted);

	run->item = *item;
	run->done = false;
	item->input->busy++;
	item->output->busy++;
	item->model->busy++;
}

static int fail_dead(void)
{
	return fqaccel_fail(-ENODEV, "the soft card stopped; close it and open it anew");
}

static void wait_for_room(struct soft_card *s, struct soft_queue *q)
{
	if (q->accepted - q->completed < q->depth)
		return;
	soft_ring_start(s, q->ring);
	while (q->accepted - q->completed >= q->depth)
		soft_sleep(s, &q->changed, NULL);
}

int soft_queue_submit(struct fqaccel_queue *queue, const struct fqaccel_run_item *items,
		      uint32_t count, uint64_t *sequence)
{
	struct soft_card *s = queue->card->soft;
	struct soft_queue *q = queue->soft;
	uint32_t i;

	soft_lock(s);
	for (i = 0; i < count && !s->dead; i++) {
		wait_for_room(s, q);
		queue_accept(q, &items[i]);
	}
	*sequence = q->accepted;
	soft_ring_start(s, q->ring);
	soft_pump(s, 256);
	soft_unlock(s);
	return i ? (int)i : fail_dead();
}

int soft_queue_run(struct fqaccel_queue *queue, const struct fqaccel_run_item *item,
		   struct fqaccel_run_result *result)
{
	struct soft_card *s = queue->card->soft;
	struct soft_queue *q = queue->soft;
	uint64_t sequence;
	bool quiet;
	int ret = 0;

	soft_lock(s);
	if (s->dead) {
		ret = fail_dead();
		goto unlock;
	}
	queue_accept(q, item);
	sequence = q->accepted;
	quiet = !s->work_count && !s->kicked;
	soft_ring_start(s, q->ring);
	soft_pump(s, 256);
	/* What turned up is this run's: doing it here is what waiting for it would take anyway. */
	if (quiet && s->work_count == 1)
		soft_work_once(s);
	while (!queue_run(q, sequence)->done)
		soft_sleep(s, &q->changed, NULL);
	*result = queue_run(q, sequence)->result;
unlock:
	soft_unlock(s);
	return ret;
}

static void deadline_set(struct timespec *t, int64_t timeout_ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	/* A century is for ever, and cannot overflow. */
	if (timeout_ms > 100ll * 365 * 86400 * 1000)
		timeout_ms = 100ll * 365 * 86400 * 1000;
	t->tv_sec += (time_t)(timeout_ms / 1000);
	t->tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_nsec -= 1000000000;
		t->tv_sec++;
	}
}

int soft_queue_wait(struct fqaccel_queue *queue, uint64_t sequence, int64_t timeout_ms,
		    struct fqaccel_run_result *result)
{
	struct soft_card *s = queue->card->soft;
	struct soft_queue *q = queue->soft;
	struct timespec deadline;
	int ret = 0;

	if (timeout_ms > 0)
		deadline_set(&deadline, timeout_ms);
	soft_lock(s);
	if (sequence > q->accepted) {
		ret = fqaccel_fail(-EINVAL, "run %llu was never submitted to this queue",
				   (unsigned long long)sequence);
		goto unlock;
	}
	/* Others may submit while this one sleeps: its place can be taken by a later run. */
	while (!ret && q->accepted - sequence < q->kept && q->completed < sequence) {
		if (!timeout_ms && !s->kicked)
			ret = -ETIME;
		else
			ret = soft_sleep(s, &q->changed, timeout_ms > 0 ? &deadline : NULL);
	}
	if (q->accepted - sequence >= q->kept) {
		ret = fqaccel_fail(-ENODATA,
				   "run %llu is finished, but its result is no longer kept",
				   (unsigned long long)sequence);
	} else if (q->completed >= sequence) {
		*result = queue_run(q, sequence)->result;
		ret = 0;
	} else {
		ret = fqaccel_fail(-ETIME, "run %llu is not finished yet",
				   (unsigned long long)sequence);
	}
unlock:
	soft_unlock(s);
	return ret;
}
