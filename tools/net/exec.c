// SPDX-License-Identifier: MIT
/* The float executor: layers but convolutions, networks, threads (exec.h). */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

/* OpenBLAS, not in the standard C interface: */
void openblas_set_num_threads(int n);

static float clampf(float v, float lo, float hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static void run_affine(const struct net_layer *l, const struct net_tensor *t, const float *x,
		       float *y, const float *scale)
{
	size_t area = (size_t)t->h * t->w, i;
	uint32_t c;

	for (c = 0; c < t->c; c++, x += area, y += area) {
		float s = scale ? scale[c] : 1.0f, b = l->bias[c];

		for (i = 0; i < area; i++)
			y[i] = clampf(x[i] * s + b, l->act_min, l->act_max);
	}
}

static void run_concat(const struct net *net, const struct net_layer *l,
		       const float *const *in, float *out)
{
	uint32_t k;

	for (k = 0; k < l->in_count; k++) {
		size_t n = net_tensor_elements(&net->tensors[l->in[k]]);

		memcpy(out, in[k], n * sizeof(float));
		out += n;
	}
}

/* The part of a window that lies inside 0 .. size - 1. */
static void window_clip(int64_t start, uint32_t kernel, uint32_t size, uint32_t *from,
			uint32_t *to)
{
	int64_t end = start + kernel;

	*from = (uint32_t)(start < 0 ? 0 : start);
	*to = (uint32_t)(end > size ? size : end);
}

static void run_pool(const struct net_layer *l, const struct net_tensor *ti,
		     const struct net_tensor *to, const float *x, float *y)
{
	uint32_t c, i, j, p, q, y0, y1, x0, x1, d;

	for (c = 0; c < ti->c; c++, x += (size_t)ti->h * ti->w)
		for (i = 0; i < to->h; i++)
			for (j = 0; j < to->w; j++) {
				int64_t sy = (int64_t)i * l->stride_h - l->pad_top;
				int64_t sx = (int64_t)j * l->stride_w - l->pad_left;
				float best = -INFINITY, sum = 0;

				window_clip(sy, l->kernel_h, ti->h, &y0, &y1);
				window_clip(sx, l->kernel_w, ti->w, &x0, &x1);
				for (p = y0; p < y1; p++)
					for (q = x0; q < x1; q++) {
						float v = x[(size_t)p * ti->w + q];

						best = v > best ? v : best;
						sum += v;
					}
				d = (y1 - y0) * (x1 - x0);
				if (l->count_padding) {
					int64_t ey = sy + l->kernel_h, ex = sx + l->kernel_w;

					/* FORMAT.md 4.1, Pool_Rule 1 */
					if (ey > ti->h + l->pad_bottom)
						ey = ti->h + l->pad_bottom;
					if (ex > ti->w + l->pad_right)
						ex = ti->w + l->pad_right;
					d = (uint32_t)((ey - sy) * (ex - sx));
				}
				if (l->divisor)
					d = l->divisor;
				*y++ = l->kind == NET_MAXPOOL ? best :
				       clampf(sum / (float)d, l->act_min, l->act_max);
			}
}

static void run_global_pool(const struct net_tensor *t, const float *x, float *y)
{
	size_t area = (size_t)t->h * t->w, i;
	uint32_t c;

	for (c = 0; c < t->c; c++, x += area) {
		float sum = 0;

		for (i = 0; i < area; i++)
			sum += x[i];
		y[c] = sum / (float)area;
	}
}

int net_layer_run(const struct net *net, const struct net_layer *l, const float *const *in,
		  float *out, struct net_work *w)
{
	const struct net_tensor *ti = &net->tensors[l->in[0]], *to = &net->tensors[l->out];
	size_t n = net_tensor_elements(to), i;
	int rc;

	switch (l->kind) {
	case NET_CONV:
	case NET_FC:
		rc = net_layer_sums(net, l, l->weight, in[0], out, w);
		if (rc)
			return rc;
		run_affine(l, to, out, out, NULL);
		break;
	case NET_AFFINE:
		run_affine(l, to, in[0], out, l->scale);
		break;
	case NET_ADD:
		for (i = 0; i < n; i++)
			out[i] = clampf(in[0][i] + in[1][i], l->act_min, l->act_max);
		break;
	case NET_CONCAT:
		run_concat(net, l, in, out);
		break;
	case NET_MAXPOOL:
	case NET_AVGPOOL:
		run_pool(l, ti, to, in[0], out);
		break;
	case NET_GLOBALPOOL:
		run_global_pool(ti, in[0], out);
		break;
	case NET_PAD:
		return -EINVAL;	/* net_simplify() leaves none */
	}
	return 0;
}

struct net_state *net_state_create(const struct net *net)
{
	struct net_state *s = calloc(1, sizeof(*s));
	uint32_t i;

	if (!s)
		return NULL;
	s->net = net;
	s->tensors = calloc(net->tensor_count, sizeof(*s->tensors));
	for (i = 0; s->tensors && i < net->tensor_count; i++) {
		s->tensors[i] = malloc(net_tensor_elements(&net->tensors[i]) * sizeof(float));
		if (!s->tensors[i])
			break;
	}
	if (!s->tensors || i < net->tensor_count) {
		net_state_destroy(s);
		return NULL;
	}
	return s;
}

void net_state_destroy(struct net_state *s)
{
	uint32_t i;

	if (!s)
		return;
	for (i = 0; s->tensors && i < s->net->tensor_count; i++)
		free(s->tensors[i]);
	free(s->tensors);
	net_work_free(&s->work);
	free(s);
}

int net_state_run(struct net_state *s)
{
	const float *in[NET_MAX_INPUTS];
	uint32_t i, k;
	int rc;

	openblas_set_num_threads(1);
	for (i = 0; i < s->net->layer_count; i++) {
		const struct net_layer *l = &s->net->layers[i];

		for (k = 0; k < l->in_count; k++)
			in[k] = s->tensors[l->in[k]];
		rc = net_layer_run(s->net, l, in, s->tensors[l->out], &s->work);
		if (rc)
			return rc;
	}
	return 0;
}

struct pool {
	size_t n;
	atomic_size_t next;
	int (*fn)(void *arg, size_t i, unsigned int worker);
	void *arg;
	pthread_mutex_t lock;	/* guards the two below */
	size_t failed;
	int rc;
};

struct worker {
	struct pool *pool;
	unsigned int number;
	pthread_t thread;
};

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;
	size_t i;
	int rc;

	for (;;) {
		i = atomic_fetch_add(&p->next, 1);
		if (i >= p->n)
			return NULL;
		rc = p->fn(p->arg, i, w->number);
		if (!rc)
			continue;
		pthread_mutex_lock(&p->lock);
		if (!p->rc || i < p->failed) {
			p->rc = rc;
			p->failed = i;
		}
		pthread_mutex_unlock(&p->lock);
		atomic_store(&p->next, p->n);
	}
}

#define POOL_MAX	256

int net_parallel(size_t n, unsigned int threads,
		 int (*fn)(void *arg, size_t i, unsigned int worker), void *arg)
{
	struct pool pool = { .n = n, .fn = fn, .arg = arg };
	struct worker w[POOL_MAX];
	unsigned int i, started = 1;

	openblas_set_num_threads(1);
	if (threads > POOL_MAX)
		threads = POOL_MAX;
	if (threads > n)
		threads = (unsigned int)n;
	atomic_init(&pool.next, 0);
	pthread_mutex_init(&pool.lock, NULL);
	for (i = 0; i < threads || !i; i++) {
		w[i].pool = &pool;
		w[i].number = i;
	}
	/* Where a thread can't be had, the others do its share. */
	for (; started < threads; started++)
		if (pthread_create(&w[started].thread, NULL, worker_run, &w[started]))
			break;
	worker_run(&w[0]);
	for (i = 1; i < started; i++)
		pthread_join(w[i].thread, NULL);
	pthread_mutex_destroy(&pool.lock);
	return pool.rc;
}

unsigned int net_cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return (unsigned int)CPU_COUNT(&set);
}
