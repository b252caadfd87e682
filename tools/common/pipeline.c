// SPDX-License-Identifier: MIT
/* Many pictures through one network: threads work on chunks, outputs are handed out in order. */
#include "pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIPE_MAX_JOBS	256u
#define PIPE_MAX_BATCH	16u
#define PIPE_ERR	512

/* A chunk of pictures under way. */
struct chunk {
	uint8_t *input;
	char *output;
	char (*errors)[PIPE_ERR];	/* one for each picture, "" if it was filled */
	bool finished;
	int ret;			/* of the run */
	char err[PIPE_ERR];
};

struct state {
	const struct pipeline *p;
	struct fqaccel_model_info info;
	uint32_t batch;
	size_t chunks;
	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t changed;
	size_t next;			/* chunk to be taken */
	size_t delivered;		/* chunks handed out */
	bool stop;
	struct chunk *slots;		/* chunk c in slot c % window */
	size_t window;
};

static size_t chunk_count(const struct state *s, size_t c)
{
	size_t first = c * s->batch, left = s->p->count - first;

	return left < s->batch ? left : s->batch;
}

static void chunk_work(struct state *s, size_t c)
{
	struct chunk *slot = &s->slots[c % s->window];
	const struct pipeline *p = s->p;
	size_t n = chunk_count(s, c), i;
	bool any = false;
	uint8_t *chw;

	for (i = 0; i < n; i++) {
		slot->errors[i][0] = '\0';
		chw = slot->input + i * s->info.input_bytes;
		if (!p->fill(p->opaque, c * s->batch + i, chw, slot->errors[i], PIPE_ERR)) {
			any = true;
			continue;
		}
		/* Its output will not be looked at. */
		memset(chw, 0, s->info.input_bytes);
		if (!slot->errors[i][0])
			snprintf(slot->errors[i], PIPE_ERR, "cannot be read");
	}
	slot->ret = any ? fqaccel_infer(p->model, slot->input, slot->output, (uint32_t)n) : 0;
	if (slot->ret)
		snprintf(slot->err, sizeof(slot->err), "%s", fqaccel_error());
}

static void *worker(void *opaque)
{
	struct state *s = opaque;
	size_t c;

	pthread_mutex_lock(&s->lock);
	while (!s->stop && s->next < s->chunks) {
		if (s->next >= s->delivered + s->window) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		c = s->next++;
		pthread_mutex_unlock(&s->lock);
		chunk_work(s, c);
		pthread_mutex_lock(&s->lock);
		s->slots[c % s->window].finished = true;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int chunk_deliver(struct state *s, size_t c, char *err, size_t errlen)
{
	struct chunk *slot = &s->slots[c % s->window];
	const struct pipeline *p = s->p;
	size_t i;
	int ret = slot->ret;

	if (ret)
		snprintf(err, errlen, "%s", slot->err);
	for (i = 0; !ret && i < chunk_count(s, c); i++) {
		if (slot->errors[i][0])
			ret = p->done(p->opaque, c * s->batch + i, NULL, NULL, slot->errors[i]);
		else
			ret = p->done(p->opaque, c * s->batch + i,
				      slot->output + i * s->info.output_bytes,
				      slot->input + i * s->info.input_bytes, NULL);
	}
	return ret;
}

static int deliver_all(struct state *s, char *err, size_t errlen)
{
	size_t c;
	int ret = 0;

	for (c = 0; !ret && c < s->chunks; c++) {
		pthread_mutex_lock(&s->lock);
		while (!s->slots[c % s->window].finished)
			pthread_cond_wait(&s->changed, &s->lock);
		pthread_mutex_unlock(&s->lock);
		ret = chunk_deliver(s, c, err, errlen);
		pthread_mutex_lock(&s->lock);
		s->slots[c % s->window].finished = false;
		s->delivered = c + 1;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->lock);
	}
	return ret;
}

static void slots_free(struct state *s)
{
	size_t i;

	for (i = 0; s->slots && i < s->window; i++) {
		free(s->slots[i].input);
		free(s->slots[i].output);
		free(s->slots[i].errors);
	}
	free(s->slots);
}

static int slots_create(struct state *s)
{
	struct chunk *slot;

	s->slots = calloc(s->window, sizeof(*s->slots));
	if (!s->slots)
		return -ENOMEM;
	for (slot = s->slots; slot < s->slots + s->window; slot++) {
		slot->input = calloc(s->batch, s->info.input_bytes);
		slot->output = calloc(s->batch, s->info.output_bytes);
		slot->errors = calloc(s->batch, PIPE_ERR);
		if (!slot->input || !slot->output || !slot->errors) {
			slots_free(s);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Chunks large enough to be worth a command, and small enough that every thread gets some. */
static uint32_t choose_batch(const struct pipeline *p, unsigned int jobs)
{
	size_t n = p->count / (4 * (size_t)jobs);

	if (p->batch)
		return p->batch < p->count ? p->batch : (uint32_t)p->count;
	return n < 1 ? 1 : n > PIPE_MAX_BATCH ? PIPE_MAX_BATCH : (uint32_t)n;
}

static int run_threads(struct state *s, unsigned int jobs, char *err, size_t errlen)
{
	pthread_t threads[PIPE_MAX_JOBS];
	unsigned int started, i;
	int ret = 0;

	for (started = 0; started < jobs; started++) {
		ret = pthread_create(&threads[started], NULL, worker, s);
		if (ret)
			break;
	}
	if (started) {
		ret = deliver_all(s, err, errlen);
	} else {
		snprintf(err, errlen, "no thread can be started: %s", strerror(ret));
		ret = -ret;
	}
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return ret;
}

int pipeline_run(const struct pipeline *p, char *err, size_t errlen)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int jobs = p->jobs ? p->jobs : online > 0 ? (unsigned int)online : 1;
	struct state s = { .p = p };
	int ret;

	err[0] = '\0';
	if (!p->count)
		return 0;
	ret = fqaccel_model_info(p->model, &s.info, sizeof(s.info));
	if (ret) {
		snprintf(err, errlen, "%s", fqaccel_error());
		return ret;
	}
	if (jobs > PIPE_MAX_JOBS)
		jobs = PIPE_MAX_JOBS;
	s.batch = choose_batch(p, jobs);
	s.chunks = (p->count + s.batch - 1) / s.batch;
	if (jobs > s.chunks)
		jobs = (unsigned int)s.chunks;
	s.window = 2 * (size_t)jobs;
	ret = slots_create(&s);
	if (ret) {
		snprintf(err, errlen, "out of memory; try a smaller batch");
		return ret;
	}
	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.changed, NULL);
	ret = run_threads(&s, jobs, err, errlen);
	pthread_cond_destroy(&s.changed);
	pthread_mutex_destroy(&s.lock);
	slots_free(&s);
	return ret;
}

int pipeline_check(const struct fqaccel_model_info *info, char *err, size_t errlen)
{
	if (info->color != FQACCEL_NOT_A_PICTURE && info->input.type == FQACCEL_U8 &&
	    info->input.c == (info->color == FQACCEL_GRAY ? 1u : 3u))
		return 0;
	snprintf(err, errlen, "the network's input, %u x %u x %u, is not a picture",
		 info->input.c, info->input.h, info->input.w);
	return -EINVAL;
}

int pipeline_fill(const struct fqaccel_model_info *info, const struct dataset *ds, size_t i,
		  uint8_t *chw, char *err, size_t errlen)
{
	struct img img;
	int ret;

	ret = dataset_get(ds, i, &img, NULL, err, errlen);
	if (ret)
		return ret;
	ret = img_prepare(&img, (enum img_color)info->color, (int)info->input.c,
			  (int)info->input.h, (int)info->input.w, (int)info->resize_shorter, chw);
	if (ret)
		snprintf(err, errlen, "%s: cannot be brought to %u x %u pixels: %s",
			 dataset_name(ds, i), info->input.w, info->input.h, strerror(-ret));
	img_free(&img);
	return ret;
}
