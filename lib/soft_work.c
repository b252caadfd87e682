// SPDX-License-Identifier: MIT
/* The soft card's host: its callbacks, its worker threads, and who steps it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "soft.h"

static int host_dma_read(void *opaque, uint64_t addr, void *buf, size_t len)
{
	struct soft_card *s = opaque;
	int ret = soft_region_check(&s->regions, addr, len, FQACCEL_CARD_READS);

	if (!ret)
		memcpy(buf, (const void *)(uintptr_t)addr, len);
	return ret;
}

static int host_dma_write(void *opaque, uint64_t addr, const void *buf, size_t len)
{
	struct soft_card *s = opaque;
	int ret = soft_region_check(&s->regions, addr, len, FQACCEL_CARD_WRITES);

	if (!ret)
		memcpy((void *)(uintptr_t)addr, buf, len);
	return ret;
}

static void host_raise_irq(void *opaque, unsigned int vector)
{
	struct soft_card *s = opaque;

	if (vector <= FQA_MAX_IO_QUEUES)
		s->irqs[vector / 64] |= 1ull << vector % 64;
}

static void host_kick(void *opaque)
{
	struct soft_card *s = opaque;

	s->kicked = true;
}

static void host_work_start(void *opaque, struct card_work *work)
{
	const size_t room = sizeof(((struct soft_card *)0)->work) / sizeof(work);
	struct soft_card *s = opaque;

	s->work[(s->work_head + s->work_count++) % room] = work;
}

static uint64_t host_clock_ns(void *opaque)
{
	struct timespec now;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A library prints nothing; what went wrong is in the completions. */
static void host_log(void *opaque, enum card_log_level level, const char *text)
{
	(void)opaque;
	(void)level;
	(void)text;
}

const struct card_host soft_host = {
	.dma_read = host_dma_read,
	.dma_write = host_dma_write,
	.raise_irq = host_raise_irq,
	.kick = host_kick,
	.work_start = host_work_start,
	.clock_ns = host_clock_ns,
	.log = host_log,
};

void soft_pump(struct soft_card *s, unsigned int steps)
{
	for (; s->kicked && steps; steps--) {
		s->kicked = card_step(s->card);
		soft_irqs_serve(s);
	}
}

/* Work that nobody does yet needs a worker; so does a card that wants to be stepped. */
static void wake_workers(struct soft_card *s)
{
	size_t n = s->work_count + s->kicked;

	for (; n && s->idle; n--) {
		/* Counted down here: the thread that wakes may not run for a while. */
		s->idle--;
		pthread_cond_signal(&s->work_ready);
	}
}

void soft_lock(struct soft_card *s)
{
	pthread_mutex_lock(&s->lock);
}

void soft_unlock(struct soft_card *s)
{
	wake_workers(s);
	pthread_mutex_unlock(&s->lock);
}

int soft_sleep(struct soft_card *s, pthread_cond_t *cond, const struct timespec *deadline)
{
	int ret;

	if (s->kicked) {
		soft_pump(s, 64);
		return 0;
	}
	wake_workers(s);
	if (!deadline) {
		pthread_cond_wait(cond, &s->lock);
		return 0;
	}
	ret = pthread_cond_timedwait(cond, &s->lock, deadline);
	return ret == ETIMEDOUT ? -ETIME : 0;
}

bool soft_work_once(struct soft_card *s)
{
	const size_t room = sizeof(s->work) / sizeof(s->work[0]);
	struct card_work *work = s->work[s->work_head];

	if (!s->work_count || s->running == s->worker_count)
		return false;
	s->work_head = (s->work_head + 1) % room;
	s->work_count--;
	s->running++;
	soft_unlock(s);
	card_work_run(work);
	soft_lock(s);
	s->running--;
	card_work_end(s->card, work);
	soft_pump(s, 256);
	return true;
}

static void *worker_main(void *opaque)
{
	struct soft_card *s = opaque;

	soft_lock(s);
	for (;;) {
		if (soft_work_once(s))
			continue;
		if (s->kicked) {
			soft_pump(s, 256);
		} else if (s->stopping && !s->work_count) {
			/* Others may sleep because all the work was taken. */
			pthread_cond_broadcast(&s->work_ready);
			break;
		} else {
			s->idle++;
			pthread_cond_wait(&s->work_ready, &s->lock);
		}
	}
	soft_unlock(s);
	return NULL;
}

static unsigned int worker_count(uint32_t io_queues)
{
	const char *text = getenv("FQACCEL_SOFT_WORKERS");
	long n = text ? strtol(text, NULL, 10) : 0;

	if (n < 1)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	if (n < 1)
		n = 1;
	/* Each queue's runs go one after another: more workers would have nothing to do. */
	if (n > (long)io_queues)
		n = (long)io_queues;
	return n < (long)SOFT_MAX_WORKERS ? (unsigned int)n : SOFT_MAX_WORKERS;
}

int soft_workers_start(struct soft_card *s)
{
	unsigned int want = worker_count(s->io_queues);
	sigset_t all, old;
	int ret = 0;

	/* Signals are the program's affair: its handlers must not run on our threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (!ret && s->worker_count < want) {
		ret = pthread_create(&s->workers[s->worker_count], NULL, worker_main, s);
		if (!ret)
			s->worker_count++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	/* One is enough to go on with. */
	if (!s->worker_count)
		return fqaccel_fail(-ret, "the soft card could not start a thread: %s",
				    fqaccel_strerror(-ret));
	return 0;
}

void soft_workers_stop(struct soft_card *s)
{
	unsigned int i;

	soft_lock(s);
	s->stopping = true;
	pthread_cond_broadcast(&s->work_ready);
	soft_unlock(s);
	for (i = 0; i < s->worker_count; i++)
		pthread_join(s->workers[i], NULL);
	s->worker_count = 0;
}
