// SPDX-License-Identifier: MIT
/*
 * Two processes with eight threads each, all at once: each thread runs pictures
 * through a queue of its own and through the one-call form, and every output is
 * what the soft card says.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "../../unit/tap.h"

#define PROCESSES	2
#define THREADS		8
#define PICTURES	8
#define ROUNDS		3

struct crowd {
	struct guest_model model;
	const uint8_t *in, *want;
};

static atomic_uint crowd_wrong;

static void wrong(const char *what, unsigned int picture)
{
	diag("picture %u, %s: %s", picture, what, fqaccel_error());
	atomic_fetch_add(&crowd_wrong, 1);
}

/* All pictures at once through a queue, one run for each. */
static void run_queue(struct crowd *c, struct fqaccel_queue *queue, struct fqaccel_buffer *in,
		      struct fqaccel_buffer *out)
{
	size_t in_len = c->model.info.input_bytes, out_len = c->model.info.output_bytes;
	struct fqaccel_run_desc runs[PICTURES] = { 0 };
	struct fqaccel_run_result result;
	uint64_t last;
	unsigned int i;

	memset(fqaccel_buffer_data(out), 0xee, out_len * PICTURES);
	for (i = 0; i < PICTURES; i++)
		runs[i] = (struct fqaccel_run_desc){
			.model = c->model.model, .input = in, .output = out, .batch = 1,
			.input_offset = i * in_len, .output_offset = i * out_len,
		};
	/* The queue holds fewer: submitting waits. */
	for (i = 0; i < PICTURES;) {
		int n = fqaccel_queue_submit(queue, runs + i, PICTURES - i, &last);

		if (n <= 0) {
			wrong("submit", i);
			return;
		}
		i += n;
	}
	for (i = 0; i < PICTURES; i++)
		if (fqaccel_queue_wait(queue, last - (PICTURES - 1) + i, -1, &result) ||
		    result.status)
			wrong("wait", i);
	if (memcmp(fqaccel_buffer_data(out), c->want, out_len * PICTURES))
		wrong("output of a queue", 0);
}

static void *crowd_thread(void *opaque)
{
	struct crowd *c = opaque;
	size_t in_len = c->model.info.input_bytes, out_len = c->model.info.output_bytes;
	uint8_t *got = guest_alloc(out_len);
	struct fqaccel_buffer *in, *out;
	struct fqaccel_queue *queue;
	unsigned int round, i;

	if (fqaccel_queue_create(c->model.card, PICTURES / 2, &queue) ||
	    fqaccel_buffer_create(c->model.card, in_len * PICTURES, FQACCEL_CARD_READS, &in) ||
	    fqaccel_buffer_create(c->model.card, out_len * PICTURES, FQACCEL_CARD_WRITES, &out)) {
		wrong("queue and buffers", 0);
		return NULL;
	}
	memcpy(fqaccel_buffer_data(in), c->in, in_len * PICTURES);
	for (round = 0; round < ROUNDS; round++) {
		run_queue(c, queue, in, out);
		i = round % PICTURES;
		if (fqaccel_infer(c->model.model, c->in + i * in_len, got, 1) ||
		    memcmp(got, c->want + i * out_len, out_len))
			wrong("output of a call", i);
	}
	fqaccel_queue_close(queue);
	fqaccel_buffer_close(in);
	fqaccel_buffer_close(out);
	free(got);
	return NULL;
}

/* What one process does; returns what went wrong. */
static unsigned int crowd_process(const uint8_t *in, const uint8_t *want)
{
	struct crowd c = { .in = in, .want = want };
	pthread_t threads[THREADS];
	unsigned int i;

	guest_open(&c.model, GUEST_DEVICE, GUEST_SAMPLE);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, crowd_thread, &c))
			bail("no thread");
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	guest_close(&c.model);
	return atomic_load(&crowd_wrong);
}

int main(void)
{
	struct fqaccel_card *card;
	struct guest_model soft;
	uint8_t *in, *want;
	pid_t pids[PROCESSES];
	uint64_t memory;
	unsigned int i;
	int status;

	guest_open(&soft, "soft", GUEST_SAMPLE);
	in = guest_alloc(soft.info.input_bytes * PICTURES);
	want = guest_alloc(soft.info.output_bytes * PICTURES);
	guest_fill(in, soft.info.input_bytes * PICTURES, 2);
	if (fqaccel_infer(soft.model, in, want, PICTURES))
		bail("soft card: %s", fqaccel_error());
	guest_close(&soft);

	if (fqaccel_card_open(GUEST_DEVICE, &card))
		bail("%s: %s", GUEST_DEVICE, fqaccel_error());
	memory = guest_memory_free(card);
	fflush(stdout);
	for (i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			bail("fork");
		if (pids[i] == 0)
			_exit(crowd_process(in, want) ? 1 : 0);
	}
	for (i = 0; i < PROCESSES; i++) {
		waitpid(pids[i], &status, 0);
		ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		   "process %u: %u threads, %u rounds of %u pictures", i, THREADS, ROUNDS,
		   PICTURES);
	}
	/* Models of a closed file go away in the background. */
	for (i = 0; i < 100 && guest_memory_free(card) != memory; i++)
		usleep(50000);
	is_int(guest_memory_free(card), memory, "all card memory is free again");
	fqaccel_card_close(card);
	free(want);
	free(in);
	return tap_done();
}
