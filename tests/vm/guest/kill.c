// SPDX-License-Identifier: MIT
/*
 * Processes that are killed in the middle of a run: they are gone at once, card
 * memory comes back, and the card serves others meanwhile and afterwards.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "../../unit/tap.h"

#define VICTIMS		4
#define BATCH		64

/* Submits runs without end and waits for none; tells through @fd when it has begun. */
static void victim(int fd)
{
	struct fqaccel_run_desc run = { .batch = BATCH };
	struct fqaccel_queue *queue;
	struct guest_model m;
	uint64_t sequence;

	guest_open(&m, GUEST_DEVICE, GUEST_SAMPLE);
	run.model = m.model;
	if (fqaccel_buffer_create(m.card, m.info.input_bytes * BATCH, FQACCEL_CARD_READS,
				  &run.input) ||
	    fqaccel_buffer_create(m.card, m.info.output_bytes * BATCH, FQACCEL_CARD_WRITES,
				  &run.output) ||
	    fqaccel_queue_create(m.card, 0, &queue))
		bail("victim: %s", fqaccel_error());
	if (fqaccel_queue_submit(queue, &run, 1, &sequence) != 1 || write(fd, "x", 1) != 1)
		bail("victim: %s", fqaccel_error());
	while (fqaccel_queue_submit(queue, &run, 1, &sequence) == 1)
		;
	bail("victim: %s", fqaccel_error());
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static void kill_one(unsigned int number)
{
	int fds[2], status;
	double start;
	char byte;
	pid_t pid;

	if (pipe(fds))
		bail("pipe");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail("fork");
	if (pid == 0)
		victim(fds[1]);
	close(fds[1]);
	ok(read(fds[0], &byte, 1) == 1, "victim %u runs", number);
	close(fds[0]);
	/* Caught at different moments of its first run. */
	usleep(20000 * number);
	start = now();
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "and is killed");
	ok(now() - start < 3, "its exit does not wait for the card (%.2f s)", now() - start);
}

int main(void)
{
	struct guest_model soft, card;
	uint64_t memory;
	uint8_t *in, *want, *got;
	unsigned int i;

	guest_open(&soft, "soft", GUEST_SAMPLE);
	guest_open(&card, GUEST_DEVICE, GUEST_SAMPLE);
	in = guest_alloc(soft.info.input_bytes);
	want = guest_alloc(soft.info.output_bytes);
	got = guest_alloc(soft.info.output_bytes);
	guest_fill(in, soft.info.input_bytes, 3);
	if (fqaccel_infer(soft.model, in, want, 1))
		bail("soft card: %s", fqaccel_error());
	memory = guest_memory_free(card.card);

	for (i = 0; i < VICTIMS; i++) {
		kill_one(i);
		memset(got, 0, soft.info.output_bytes);
		is_int(fqaccel_infer(card.model, in, got, 1), 0, "others go on");
		ok_mem(got, want, soft.info.output_bytes, "with the right output");
	}
	for (i = 0; i < 200 && guest_memory_free(card.card) != memory; i++)
		usleep(50000);
	is_int(guest_memory_free(card.card), memory, "all card memory came back");

	guest_close(&card);
	guest_close(&soft);
	free(got);
	free(want);
	free(in);
	return tap_done();
}
