// SPDX-License-Identifier: MIT
/*
 * libFuzzer target for the driver's ioctls, to be run in a guest: an input is a sequence of
 * calls, from a barrier on in two threads. tests/fuzz/ioctl.sh boots a kernel
 * for it that watches and tells what of the driver was reached.
 *
 * FUZZ_LAST  a file for the last inputs, each written before it runs: a panic leaves no other trace
 * FUZZ_COVER  a file for the blocks of the driver that were reached
 * FUZZ_CARD  set: faults, resets and unbinding are part of it
 *
 * All of it is bounded: whoever waits is interrupted by a timer, and children are killed at
 * the end. Both threads use the same objects without locks: that they see each other's
 * halves is part of the game.
 */
#include "fuzz_ioctl_state.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILDREN	4
#define CHILD_CALLS	6
#define TICK_NS		10000000	/* of the timer that interrupts */
#define KEPT		64		/* inputs in FUZZ_LAST: all since clients were counted */
#define KEPT_ROOM	2048
#define SETTLE_EVERY	64		/* inputs: closing goes on in the background */
#define SETTLE_MS	20000
#define COVER_EVERY_S	60

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static fuzz_deed * const deeds[FUZZ_OPS] = {
	[FUZZ_OPEN] = fuzz_open,
	[FUZZ_CLOSE] = fuzz_close,
	[FUZZ_DUP] = fuzz_dup,
	[FUZZ_INFO] = fuzz_info,
	[FUZZ_BUFFER] = fuzz_buffer,
	[FUZZ_LOAD] = fuzz_load,
	[FUZZ_QUEUE] = fuzz_queue,
	[FUZZ_RUN] = fuzz_run,
	[FUZZ_SUBMIT] = fuzz_submit,
	[FUZZ_WAIT] = fuzz_wait,
	[FUZZ_DESTROY] = fuzz_destroy,
	[FUZZ_MMAP] = fuzz_mmap,
	[FUZZ_MUNMAP] = fuzz_munmap,
	[FUZZ_MREMAP] = fuzz_mremap,
	[FUZZ_ADVISE] = fuzz_advise,
	[FUZZ_TOUCH] = fuzz_touch,
	[FUZZ_POLL] = fuzz_poll,
	[FUZZ_RAW] = fuzz_raw,
	[FUZZ_OTHER] = fuzz_other,
	[FUZZ_PAUSE] = fuzz_pause,
	[FUZZ_EXPORT] = fuzz_export,
	[FUZZ_IMPORT] = fuzz_import,
	[FUZZ_FD] = fuzz_fd,
	[FUZZ_TIMELINE] = fuzz_timeline,
	[FUZZ_CARD] = fuzz_card,
	[FUZZ_FOREIGN] = fuzz_foreign,
};

/* What a lane is to do: the calls that are its own, or all of them. */
struct work {
	const struct fuzz_call *calls;
	size_t count;
	bool alone;
};

static struct lane lanes[LANES];
static struct work works[LANES];
static pid_t children[CHILDREN];
static unsigned int next_child;
static pthread_barrier_t start, end;
static int last_fd = -1;
static unsigned int first_fd;	/* all from here on are the sequence's */
static unsigned long serial;

static void nothing(int signal)
{
	(void)signal;
}

/* Interrupts the calling thread again and again. */
static timer_t ticker_start(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGRTMIN,
	};
	struct itimerspec tick = {
		.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS,
	};
	timer_t timer;

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, 0, &tick, NULL))
		abort();
	return timer;
}

static int do_call(struct lane *l, const struct fuzz_call *call)
{
	uint8_t op = (call->op & ~FUZZ_LANE) % FUZZ_OPS;
	int ret;

	if (!deeds[op])
		return 0;
	memset(&l->arg, 0, sizeof(l->arg));
	ret = deeds[op](l, call);
	fuzz_cover_result(op, call->how, ret);
	return ret;
}

/* A child with all of our open files, which is killed at the latest when the sequence ends. */
static size_t do_fork(struct lane *l, const struct fuzz_call *calls, size_t count)
{
	unsigned int at = __atomic_fetch_add(&next_child, 1, __ATOMIC_RELAXED);
	size_t i, n = calls->pick[0] % CHILD_CALLS + 1;
	pid_t pid;

	if (at >= CHILDREN)
		return 0;
	if (n > count - 1)
		n = count - 1;
	pid = fork();
	if (!pid) {
		for (i = 1; i <= n; i++)
			do_call(l, &calls[i]);
		_exit(0);
	}
	children[at] = pid;
	return n;
}

static void do_calls(struct lane *l, const struct work *w)
{
	uint8_t op, wanted = l->index ? FUZZ_LANE : 0;
	size_t i;

	for (i = 0; i < w->count; i++) {
		if (!w->alone && (w->calls[i].op & FUZZ_LANE) != wanted)
			continue;
		op = (w->calls[i].op & ~FUZZ_LANE) % FUZZ_OPS;
		if (op == FUZZ_FORK)
			i += do_fork(l, &w->calls[i], w->count - i);
		else
			do_call(l, &w->calls[i]);
	}
}

static void *second_lane(void *opaque)
{
	struct lane *l = opaque;

	ticker_start();
	for (;;) {
		pthread_barrier_wait(&start);
		fuzz_cover_begin(l->index);
		do_calls(l, &works[l->index]);
		fuzz_cover_end(l->index);
		pthread_barrier_wait(&end);
	}
	return NULL;
}

static void in_two_lanes(const struct fuzz_call *calls, size_t count)
{
	unsigned int i;

	for (i = 0; i < LANES; i++)
		works[i] = (struct work){ .calls = calls, .count = count };
	/* The second one goes on with what the first has got ready. */
	memcpy(lanes[1].runs, lanes[0].runs, sizeof(lanes[0].runs));
	lanes[1].run_count = lanes[0].run_count;
	lanes[1].units = lanes[0].units;
	pthread_barrier_wait(&start);
	do_calls(&lanes[0], &works[0]);
	pthread_barrier_wait(&end);
	fuzz_cover_collect(1);
}

static void clean_up(void)
{
	unsigned int i;

	for (i = 0; i < CHILDREN && i < next_child; i++) {
		if (children[i] > 0) {
			kill(children[i], SIGKILL);
			while (waitpid(children[i], NULL, 0) < 0)
				;
		}
		children[i] = 0;
	}
	next_child = 0;
	fuzz_memory_end();
	/* Whatever a race between the lanes may have forgotten. */
	close_range(first_fd, ~0u, 0);
	fuzz_fds_forget();
	fuzz_calls_forget();
	for (i = 0; i < LANES; i++) {
		lanes[i].run_count = 0;
		memset(&lanes[i].units, 0, sizeof(lanes[i].units));
	}
}

/* Whether it is we who hold a file, or the driver. */
static void print_mappings(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "fqaccel0") || strstr(line, "dmabuf"))
			fprintf(stderr, "fuzz_ioctl: mapped: %s", line);
	if (f)
		fclose(f);
}

/* Files are closed in the background: do not run too far ahead of that. */
static void settle(void)
{
	char text[32] = "";
	unsigned int i;
	ssize_t n;
	int fd;

	for (i = 0; i < SETTLE_MS / 10; i++) {
		fd = open("/sys/class/fqaccel/fqaccel0/clients", O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		if (n > 0 && !strcmp(text, "0\n"))
			return;
		usleep(10000);
	}
	fprintf(stderr, "fuzz_ioctl: open files are still there: %s\n", text);
	print_mappings();
	abort();
}

static void keep_input(const uint8_t *data, size_t length)
{
	static uint8_t room[KEPT_ROOM];	/* serial number, length, input */

	if (last_fd < 0 || length > KEPT_ROOM - 16)
		return;
	memset(room, 0, sizeof(room));
	memcpy(room, &serial, sizeof(serial));
	memcpy(room + 8, &length, sizeof(length));
	memcpy(room + 16, data, length);
	if (pwrite(last_fd, room, 16 + length, (off_t)(serial % KEPT * KEPT_ROOM)) < 0)
		abort();
}

static void write_cover(void)
{
	static time_t last;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!getenv("FUZZ_COVER") || now.tv_sec - last < COVER_EVERY_S)
		return;
	last = now.tv_sec;
	fuzz_cover_write(getenv("FUZZ_COVER"));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sigaction act = { .sa_handler = nothing };	/* no SA_RESTART */
	pthread_t thread;
	unsigned int i;

	(void)argc;
	(void)argv;
	sigaction(SIGRTMIN, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (fuzz_images_read())
		exit(1);
	if (getenv("FUZZ_LAST"))
		last_fd = open(getenv("FUZZ_LAST"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	fuzz_argument_init();
	fuzz_memory_init();
	fuzz_fds_init();
	fuzz_card_init();
	fuzz_cover_init();
	for (i = 0; i < LANES; i++) {
		lanes[i].index = i;
		fuzz_calls_init(&lanes[i]);
	}
	pthread_barrier_init(&start, NULL, 2);
	pthread_barrier_init(&end, NULL, 2);
	if (pthread_create(&thread, NULL, second_lane, &lanes[1]))
		abort();
	first_fd = (unsigned int)dup(0);
	close((int)first_fd);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static struct fuzz_call calls[FUZZ_CALLS];
	size_t count = length / sizeof(calls[0]), i;
	timer_t ticker;

	if (count > FUZZ_CALLS)
		count = FUZZ_CALLS;
	memcpy(calls, data, count * sizeof(calls[0]));
	keep_input(data, length);
	for (i = 0; i < count; i++)
		if ((calls[i].op & ~FUZZ_LANE) % FUZZ_OPS == FUZZ_BARRIER)
			break;

	ticker = ticker_start();
	fuzz_cover_begin(0);
	do_calls(&lanes[0], &(struct work){ .calls = calls, .count = i, .alone = true });
	if (i < count)
		in_two_lanes(calls + i, count - i);
	fuzz_cover_end(0);
	timer_delete(ticker);
	fuzz_cover_collect(0);
	/* Without any, libFuzzer takes it that there is none to be had. */
	fuzz_cover_result(FUZZ_OPS, 0, 0);
	clean_up();
	if (++serial % SETTLE_EVERY == 0)
		settle();
	write_cover();
	return 0;
}
