/* SPDX-License-Identifier: MIT */
/* The parts of fqaccel-smi: what the driver tells in sysfs and in /proc/PID/fdinfo. */
#ifndef TOOLS_SMI_H
#define TOOLS_SMI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMI_UNKNOWN	UINT64_MAX	/* a number that could not be read */

/** struct smi_card - a card that has a driver; texts are "" where they could not be read */
struct smi_card {
	char name[32];			/* fqaccel0 */
	char address[32];		/* on the PCI bus */
	char state[16];
	char firmware[32], hw_version[32], format[32];
	uint64_t memory_size, memory_free;	/* bytes */
	uint64_t lanes, clock_khz, queues;
	uint64_t clients;		/* open files */
	uint64_t runs, errors, cycles, busy_ns;
	uint64_t resets, hangs, replays, lost_interrupts;
	int64_t numa_node;		/* -1: none */
	double load;			/* 0 to 1, or negative: unknown */
};

/** struct smi_client - an open file of a card, under the first process that has it */
struct smi_client {
	char address[32];		/* of its card */
	uint64_t id;			/* of the card's open files */
	long pid;
	long uid;
	char command[64];
	uint64_t memory, buffers;	/* bytes */
	uint64_t runs, errors, unfinished;
	uint64_t busy_ns, capacity;
	double load;
};

/** struct smi_sample - all of it, at one time */
struct smi_sample {
	int64_t time_ns;
	struct smi_card *cards;
	size_t card_count;
	struct smi_client *clients;
	size_t client_count;
	bool hidden;			/* there are processes that we may not look into */
};

/**
 * smi_read() - read everything
 * @root: "", or a folder that has a copy of sys/ and proc/
 * Return: 0, or -ENOMEM; what cannot be read is unknown or left out. smi_free() frees.
 */
int smi_read(const char *root, struct smi_sample *sample);

/** smi_free() - of a sample that is all zero, too. */
void smi_free(struct smi_sample *sample);

/** smi_compare() - set @now's loads from what has changed since @before. */
void smi_compare(const struct smi_sample *before, struct smi_sample *now);

#endif
