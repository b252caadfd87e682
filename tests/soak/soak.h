/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soak: processes that use the card in every way (worker.c) and judge what comes of it (judge.c)
 * while it is disturbed in every way (disturb.c). What the processes have done they write into
 * memory that they share with the first one (soak.c), so that it outlives them.
 */
#ifndef SOAK_H
#define SOAK_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#include "../kselftest/fqaccel_monitor.h"

#define SOAK_WORKERS	8
#define SOAK_MODELS	4
#define SOAK_HISTORY	48
#define SOAK_LINE	112
#define SOAK_ERRNOS	134
#define SOAK_STATUSES	64

/* So long after its submission a run counts as lost: far beyond all resets and waits. */
#define SOAK_LOST_S	240
/* So long a card may take to come back. */
#define SOAK_BACK_S	120

/* What becomes of accepted runs: each is counted as accepted, and by one of the others. */
enum soak_count {
	SOAK_ACCEPTED,
	SOAK_RIGHT,		/* ended well, and with the right bytes where there are any */
	SOAK_REFUSED,		/* meant to be wrong, and refused by the card: -EINVAL */
	SOAK_DMA_FAULT,		/* -EFAULT with DMA_FAULT */
	SOAK_HUNG,		/* -ETIMEDOUT */
	SOAK_CANCELED,		/* -ECANCELED */
	SOAK_FAILED,		/* -EIO */
	SOAK_ENDED_GONE,	/* -ENODEV of the run */
	SOAK_CARD_GONE,		/* -ENODEV of WAIT or SUBMIT: ended with the card */
	SOAK_CLOSED,		/* their queue was destroyed, or their file closed */
	SOAK_KILLED,		/* their process was killed */
	SOAK_OUTCOMES,

	/* Beside the runs. */
	SOAK_NOPS = SOAK_OUTCOMES,
	SOAK_PARTS,
	SOAK_PICTURES,
	SOAK_LOADS,
	SOAK_POLLS,
	SOAK_FENCES,
	SOAK_IMPORTS,
	SOAK_OPENS,
	SOAK_BANS,
	SOAK_COUNTS,
};

extern const char *const soak_count_names[SOAK_COUNTS];

/* In shared memory; its worker writes it, others only read while it lives. */
struct soak_record {
	pid_t pid;
	unsigned int incarnation;
	uint64_t counts[SOAK_COUNTS];
	uint64_t load_errors[SOAK_ERRNOS];		/* by errno */
	uint64_t load_refusals[SOAK_STATUSES];		/* -EIO, by the card's status */
	uint64_t run_failures[SOAK_STATUSES];		/* likewise */
	uint64_t open;			/* accepted, and not yet counted by outcome */
	char failure[256];
	unsigned int lines;
	char history[SOAK_HISTORY][SOAK_LINE];
};

struct soak_shared {
	uint64_t seed;
	int64_t start;
	bool draining;
	unsigned long long hangs;	/* asked for, in all */
	struct soak_record workers[SOAK_WORKERS];
	struct soak_record disturber;
};

struct soak_model {
	const char *name;
	struct test_data data;
};

extern struct soak_model soak_models[SOAK_MODELS];
extern unsigned int soak_nr_models;

/* Numbers that depend on the seed only. */
struct soak_random {
	uint64_t state;
};

static inline uint64_t soak_random(struct soak_random *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1dULL;
}

/* Below @limit, which is above 0. */
static inline uint32_t soak_below(struct soak_random *r, uint32_t limit)
{
	return (soak_random(r) >> 33) % limit;
}

static inline void soak_seed(struct soak_random *r, uint64_t seed, uint64_t stream)
{
	r->state = (seed + 1) * 0x9e3779b97f4a7c15ULL ^ (stream + 1) * 0xbf58476d1ce4e5b9ULL;
	if (!r->state)
		r->state = 1;
	soak_random(r);
}

void soak_note(struct soak_shared *shared, struct soak_record *record, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Notes what is wrong, and ends the process with status 1. */
_Noreturn void soak_fail(struct soak_shared *shared, struct soak_record *record,
			 const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The device of the one card, wherever it is at the moment: an open file or -errno. */
int soak_open(void);

/* worker.c */
_Noreturn void soak_worker(struct soak_shared *shared, unsigned int index);

/* disturb.c */
struct soak_disturber {
	struct soak_shared *shared;
	struct soak_record *record;
	struct soak_random random;
	int monitor;
	struct fqaccel_info info;	/* the card's place */
	unsigned long long counts[16];
};

void soak_disturber_open(struct soak_disturber *d, struct soak_shared *shared);
void soak_disturb(struct soak_disturber *d);
void soak_heal(struct soak_disturber *d);
void soak_disturber_report(const struct soak_disturber *d);

#endif
