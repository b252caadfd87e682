/* SPDX-License-Identifier: MIT */
/*
 * How long the way to the card and back takes: from the submission of a run that does
 * nothing until its completion is known, beside a read of 512 bytes from an
 * NVMe device, through O_DIRECT and io_uring. Both in turns, so that whatever else the
 * machine does hits both.
 *
 *     latency [-r ROUNDS] [-n OPERATIONS] NVME-BLOCK-DEVICE
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "uapi/fqaccel.h"

#define READ_BYTES	512
#define WARM_UP		500	/* operations of each kind before the first that counts */
#define MAX_SUBJECTS	4

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

/* What is measured. once() is one operation from submission to completion. */
struct subject {
	const char *name;
	void (*once)(struct subject *s);
	int fd;
	uint32_t queue;
	struct ring ring;
	void *data;
	uint64_t *ns;		/* of all rounds */
	double *medians;	/* of each round, in us */
};

static void die(const char *what)
{
	fprintf(stderr, "latency: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void *ring_map(int fd, size_t size, uint64_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		       (off_t)offset);

	if (p == MAP_FAILED)
		die("mmap of an io_uring");
	return p;
}

static void ring_open(struct ring *ring)
{
	struct io_uring_params p = { 0 };
	uint8_t *sq, *cq;

	ring->fd = (int)syscall(__NR_io_uring_setup, 4, &p);
	if (ring->fd < 0)
		die("io_uring_setup");
	sq = ring_map(ring->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int),
		      IORING_OFF_SQ_RING);
	cq = ring_map(ring->fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		      IORING_OFF_CQ_RING);
	ring->sqes = ring_map(ring->fd, p.sq_entries * sizeof(struct io_uring_sqe),
			      IORING_OFF_SQES);
	ring->sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	ring->sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	ring->sq_array = (unsigned int *)(sq + p.sq_off.array);
	ring->cq_head = (unsigned int *)(cq + p.cq_off.head);
	ring->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	ring->cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	ring->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

static struct io_uring_sqe *ring_sqe(struct ring *ring)
{
	unsigned int at = *ring->sq_tail & *ring->sq_mask;

	memset(&ring->sqes[at], 0, sizeof(ring->sqes[at]));
	ring->sq_array[at] = at;
	return &ring->sqes[at];
}

/* Submit the one entry and wait for its completion, in one system call; its result. */
static int ring_exec(struct ring *ring)
{
	unsigned int head = *ring->cq_head;
	int ret;

	__atomic_store_n(ring->sq_tail, *ring->sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		die("io_uring_enter");
	if (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) == head) {
		errno = EIO;
		die("io_uring_enter returned without a completion");
	}
	ret = ring->cqes[head & *ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return ret;
}

static void read_once(struct subject *s)
{
	struct io_uring_sqe *sqe = ring_sqe(&s->ring);
	int ret;

	sqe->opcode = IORING_OP_READ;
	sqe->fd = s->fd;
	sqe->addr = (uintptr_t)s->data;
	sqe->len = READ_BYTES;
	ret = ring_exec(&s->ring);
	if (ret != READ_BYTES) {
		errno = ret < 0 ? -ret : EIO;
		die("read");
	}
}

static void read_open(struct subject *s, const char *device)
{
	s->name = "read of 512 bytes, NVMe, io_uring";
	s->once = read_once;
	s->fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (s->fd < 0)
		die(device);
	s->data = aligned_alloc(4096, 4096);
	if (!s->data)
		die("memory");
	ring_open(&s->ring);
}

static void nop_once(struct subject *s)
{
	const struct fqaccel_run run = { .flags = FQACCEL_RUN_NOP };
	struct fqaccel_submit submit = {
		.size = sizeof(submit), .queue = s->queue, .count = 1,
		.runs = (uintptr_t)&run, .run_size = sizeof(run),
	};
	struct fqaccel_wait wait = {
		.size = sizeof(wait), .queue = s->queue, .deadline_ns = -1,
	};

	if (ioctl(s->fd, FQACCEL_IOC_SUBMIT, &submit))
		die("SUBMIT");
	wait.sequence = submit.sequence;
	if (ioctl(s->fd, FQACCEL_IOC_WAIT, &wait))
		die("WAIT");
	if (wait.status) {
		errno = -wait.status;
		die("a NOP failed");
	}
}

static void nop_open(struct subject *s)
{
	const char *device = getenv("FQACCEL_TEST_DEVICE");
	struct fqaccel_info info = { .size = sizeof(info) };
	struct fqaccel_queue_create queue = { .size = sizeof(queue) };

	s->name = "NOP, SUBMIT and WAIT";
	s->once = nop_once;
	s->fd = open(device ? device : "/dev/fqaccel0", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		die("the card");
	if (ioctl(s->fd, FQACCEL_IOC_INFO, &info))
		die("INFO");
	if (!(info.features & FQACCEL_FEATURE_NOP)) {
		errno = EOPNOTSUPP;
		die("NOP");
	}
	if (ioctl(s->fd, FQACCEL_IOC_QUEUE_CREATE, &queue))
		die("QUEUE_CREATE");
	s->queue = queue.handle;
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Sorts; in us. */
static double percentile(uint64_t *ns, size_t count, unsigned int percent)
{
	qsort(ns, count, sizeof(*ns), compare_ns);
	return (double)ns[(count - 1) * percent / 100] / 1000;
}

static void measure(struct subject *s, unsigned int round, unsigned int operations)
{
	uint64_t *ns = s->ns + (size_t)round * operations, start;
	unsigned int i;

	for (i = 0; i < operations; i++) {
		start = now();
		s->once(s);
		ns[i] = now() - start;
	}
	s->medians[round] = percentile(ns, operations, 50);
}

/* Against the first subject, over all operations and round by round. */
static void report(struct subject *s, const struct subject *base, double base_median,
		   double base_p99, unsigned int rounds, unsigned int operations)
{
	size_t count = (size_t)rounds * operations;
	double median = percentile(s->ns, count, 50), p99 = percentile(s->ns, count, 99);
	double *ratios = malloc(rounds * sizeof(*ratios));
	unsigned int i;

	if (!ratios)
		die("memory");
	for (i = 0; i < rounds; i++)
		ratios[i] = s->medians[i] / base->medians[i];
	qsort(ratios, rounds, sizeof(*ratios), compare_double);
	printf("%-36s %9.1f %9.1f %7.2f %7.2f   %.2f %.2f %.2f\n", s->name, median, p99,
	       median / base_median, p99 / base_p99, ratios[rounds / 4], ratios[rounds / 2],
	       ratios[(rounds - 1) - rounds / 4]);
	free(ratios);
}

static void run(struct subject *subjects, unsigned int count, unsigned int rounds,
		unsigned int operations)
{
	double base_median, base_p99;
	unsigned int i, round;

	for (i = 0; i < count; i++) {
		subjects[i].ns = calloc((size_t)rounds * operations, sizeof(uint64_t));
		subjects[i].medians = calloc(rounds, sizeof(double));
		if (!subjects[i].ns || !subjects[i].medians)
			die("memory");
		for (round = 0; round < WARM_UP; round++)
			subjects[i].once(&subjects[i]);
	}
	for (round = 0; round < rounds; round++)
		for (i = 0; i < count; i++)
			measure(&subjects[i], round, operations);
	printf("%-36s %9s %9s %15s   %s\n", "microseconds", "median", "99 %", "ratios",
	       "quartiles of the rounds' ratios");
	base_median = percentile(subjects[0].ns, (size_t)rounds * operations, 50);
	base_p99 = percentile(subjects[0].ns, (size_t)rounds * operations, 99);
	for (i = 0; i < count; i++)
		report(&subjects[i], &subjects[0], base_median, base_p99, rounds, operations);
	printf("%u rounds of %u operations of each kind, on %ld CPUs\n", rounds, operations,
	       sysconf(_SC_NPROCESSORS_ONLN));
}

static unsigned int number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !value || value > 100000) {
		errno = EINVAL;
		die(text);
	}
	return (unsigned int)value;
}

int main(int argc, char **argv)
{
	struct subject subjects[MAX_SUBJECTS] = { 0 };
	unsigned int rounds = 100, operations = 200, count = 0;
	int opt;

	while ((opt = getopt(argc, argv, "r:n:")) != -1) {
		if (opt == 'r')
			rounds = number(optarg);
		else if (opt == 'n')
			operations = number(optarg);
		else
			return 2;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: latency [-r ROUNDS] [-n OPERATIONS] NVME-BLOCK-DEVICE\n");
		return 2;
	}
	read_open(&subjects[count++], argv[optind]);
	nop_open(&subjects[count++]);
	run(subjects, count, rounds, operations);
	return 0;
}
