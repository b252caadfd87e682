// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps eight processes using the card in every way while it is disturbed in every way.
 * Every accepted run must end, once: with the right bytes, or with an error that the interface
 * documents. Speaks TAP.
 *
 * Usage: soak [-v] [-m MINUTES] [-s SEED] MODEL-FOLDER...
 *
 * -v shows each disturbance. The same seed gives the same decisions; when what happens is up to
 * the machine.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "soak.h"

#define DRAIN_S		(2 * SOAK_LOST_S)

const char *const soak_count_names[SOAK_COUNTS] = {
	[SOAK_ACCEPTED] = "runs accepted",
	[SOAK_RIGHT] = "right",
	[SOAK_REFUSED] = "wrong on purpose, and refused by the card",
	[SOAK_DMA_FAULT] = "ended by a DMA fault (-EFAULT)",
	[SOAK_HUNG] = "hung (-ETIMEDOUT)",
	[SOAK_CANCELED] = "dropped (-ECANCELED)",
	[SOAK_FAILED] = "failed (-EIO)",
	[SOAK_ENDED_GONE] = "ended with -ENODEV",
	[SOAK_CARD_GONE] = "went with the card",
	[SOAK_CLOSED] = "given up with their queue or file",
	[SOAK_KILLED] = "given up with their process",
	[SOAK_NOPS] = "of the right ones NOPs",
	[SOAK_PARTS] = "of the right ones second parts of networks",
	[SOAK_PICTURES] = "pictures compared",
	[SOAK_LOADS] = "loads",
	[SOAK_POLLS] = "waits by poll()",
	[SOAK_FENCES] = "fences seen signaled",
	[SOAK_IMPORTS] = "inputs imported as a dma-buf",
	[SOAK_OPENS] = "files opened",
	[SOAK_BANS] = "of them closed for hangs",
};

struct soak_model soak_models[SOAK_MODELS];
unsigned int soak_nr_models;

static struct soak_shared *shared;
static unsigned int tests, failures;
static bool verbose;

static void ok(bool good, const char *fmt, ...)
{
	va_list args;

	printf("%sok %u - ", good ? "" : "not ", ++tests);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	failures += !good;
}

void soak_note(struct soak_shared *s, struct soak_record *record, const char *fmt, ...)
{
	char *line = record->history[record->lines % SOAK_HISTORY];
	va_list args;
	int n;

	n = snprintf(line, SOAK_LINE, "%8.3f ", (double)(test_now() - s->start) / 1e9);
	va_start(args, fmt);
	vsnprintf(line + n, SOAK_LINE - n, fmt, args);
	va_end(args);
	if (verbose && record == &s->disturber)
		fprintf(stderr, "# %s\n", line);
	record->lines++;
}

void soak_fail(struct soak_shared *s, struct soak_record *record, const char *fmt, ...)
{
	va_list args;

	(void)s;
	va_start(args, fmt);
	vsnprintf(record->failure, sizeof(record->failure), fmt, args);
	va_end(args);
	exit(1);
}

int soak_open(void)
{
	DIR *dir = opendir("/dev");
	struct dirent *entry;
	char path[300];
	int fd = -ENOENT;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "fqaccel", 7))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static void start_worker(unsigned int index)
{
	struct soak_record *record = &shared->workers[index];
	pid_t pid;

	record->incarnation++;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("soak: fork");
		exit(1);
	}
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		soak_worker(shared, index);
	}
	record->pid = pid;
}

static void show_history(const char *who, const struct soak_record *record)
{
	unsigned int at = record->lines > SOAK_HISTORY ? record->lines - SOAK_HISTORY : 0;

	for (; at < record->lines; at++)
		printf("# %s: %s\n", who, record->history[at % SOAK_HISTORY]);
}

static void show_failure(const char *who, const struct soak_record *record)
{
	ok(false, "%s: %s", who, record->failure);
	printf("# at %.3f s, seed %llu\n", (double)(test_now() - shared->start) / 1e9,
	       (unsigned long long)shared->seed);
	show_history(who, record);
	if (record != &shared->disturber)
		show_history("disturber", &shared->disturber);
	fflush(stdout);
}

/* A worker has ended. True: it was killed, as happens here. */
static bool judge_worker(unsigned int index, int status)
{
	struct soak_record *record = &shared->workers[index];
	char who[32];

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		record->counts[SOAK_KILLED] += record->open;
		record->open = 0;
		return true;
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status) && shared->draining)
		return false;
	snprintf(who, sizeof(who), "process %u.%u", index, record->incarnation);
	if (!record->failure[0])
		snprintf(record->failure, sizeof(record->failure), "ended with status 0x%x",
			 status);
	show_failure(who, record);
	return false;
}

static int find_worker(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < SOAK_WORKERS; i++)
		if (shared->workers[i].pid == pid)
			return i;
	return -1;
}

/* Restarts those that were killed; false: one has found something wrong. */
static bool look_after(void)
{
	int status, index;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		index = find_worker(pid);
		if (index < 0)
			continue;
		shared->workers[index].pid = 0;
		if (judge_worker(index, status))
			start_worker(index);
	}
	return !failures;
}

/* Disturbs from a process of its own, which ends with 0 when time is up and all is healed. */
static pid_t start_disturber(int64_t until)
{
	static struct soak_disturber d;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	soak_disturber_open(&d, shared);
	while (test_now() < until)
		soak_disturb(&d);
	soak_heal(&d);
	soak_disturber_report(&d);
	fflush(stdout);
	_exit(0);
}

static void soak(pid_t disturber)
{
	unsigned int i;
	int status = -1;
	pid_t ended;

	for (i = 0; i < SOAK_WORKERS; i++)
		start_worker(i);
	do {
		usleep(50000);
		ended = waitpid(disturber, &status, WNOHANG);
	} while (!ended && look_after());
	if (!ended)
		kill(disturber, SIGKILL);
	else if (status)
		show_failure("disturber", &shared->disturber);
}

static unsigned int workers_left(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < SOAK_WORKERS; i++)
		n += shared->workers[i].pid != 0;
	return n;
}

/* All wait for what they have. */
static void drain(void)
{
	int64_t until = test_now() + DRAIN_S * 1000000000LL;
	unsigned int i;

	shared->draining = true;
	while (!failures && workers_left() && test_now() < until) {
		look_after();
		usleep(50000);
	}
	if (!failures)
		ok(!workers_left(), "every process came to its end");
	for (i = 0; i < SOAK_WORKERS; i++)
		if (shared->workers[i].pid)
			kill(shared->workers[i].pid, SIGKILL);
}

static void report(uint64_t *total)
{
	unsigned int i, n;

	for (n = 0; n < SOAK_COUNTS; n++) {
		total[n] = 0;
		for (i = 0; i < SOAK_WORKERS; i++)
			total[n] += shared->workers[i].counts[n];
		printf("# %8llu %s\n", (unsigned long long)total[n], soak_count_names[n]);
	}
}

static uint64_t sum(size_t offset, unsigned int at)
{
	uint64_t total = 0;
	unsigned int i;

	for (i = 0; i < SOAK_WORKERS; i++)
		total += ((uint64_t *)((char *)&shared->workers[i] + offset))[at];
	return total;
}

static void report_by(const char *what, size_t offset, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (sum(offset, i))
			printf("# %8llu %s %u\n", (unsigned long long)sum(offset, i), what, i);
}

static void report_errors(void)
{
	report_by("failed loads with errno", offsetof(struct soak_record, load_errors),
		  SOAK_ERRNOS);
	report_by("loads with -EIO and card status", offsetof(struct soak_record, load_refusals),
		  SOAK_STATUSES);
	report_by("runs with -EIO and card status", offsetof(struct soak_record, run_failures),
		  SOAK_STATUSES);
}

static void check(const struct fqaccel_info *before)
{
	uint64_t total[SOAK_COUNTS], ended = 0;
	unsigned int n;
	int fd;

	report(total);
	report_errors();
	for (n = SOAK_ACCEPTED + 1; n < SOAK_OUTCOMES; n++)
		ended += total[n];
	ok(total[SOAK_ACCEPTED] == ended, "none of %llu runs is lost or doubled: %llu ended",
	   (unsigned long long)total[SOAK_ACCEPTED], (unsigned long long)ended);
	ok(total[SOAK_RIGHT] > 0, "some ended well");
	/* Else a long run was taken for a hang. */
	ok(total[SOAK_HUNG] <= shared->hangs, "no more of them hung than were made to: %llu of %llu",
	   (unsigned long long)total[SOAK_HUNG], (unsigned long long)shared->hangs);
	fd = soak_open();
	ok(fd >= 0 && test_memory_settles(fd, before->memory_free),
	   "the card has as much memory free as at the beginning");
	if (fd >= 0)
		close(fd);
}

static void read_models(char **folders)
{
	struct soak_model *model;

	for (; *folders; folders++) {
		if (soak_nr_models == SOAK_MODELS) {
			fprintf(stderr, "soak: %d models will do\n", SOAK_MODELS);
			exit(2);
		}
		model = &soak_models[soak_nr_models++];
		model->name = *folders;
		setenv("FQACCEL_TEST_DATA", *folders, 1);
		if (test_data_read(&model->data)) {
			fprintf(stderr, "soak: %s has no test data\n", *folders);
			exit(1);
		}
	}
}

static unsigned long long number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "soak: %s is no number\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	unsigned long long minutes = 1, seed = time(NULL);
	struct fqaccel_info before;
	pid_t disturber;
	int opt, fd;

	while ((opt = getopt(argc, argv, "vm:s:")) != -1) {
		if (opt == 'v')
			verbose = true;
		else if (opt == 'm')
			minutes = number(optarg);
		else if (opt == 's')
			seed = number(optarg);
		else
			return 2;
	}
	if (optind == argc) {
		fprintf(stderr, "usage: soak [-v] [-m MINUTES] [-s SEED] MODEL-FOLDER...\n");
		return 2;
	}
	read_models(argv + optind);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	fd = soak_open();
	if (shared == MAP_FAILED || fd < 0 || test_info(fd, &before)) {
		printf("Bail out! no card, or no memory\n");
		return 1;
	}
	close(fd);
	/* So that there are many of each, and none takes long. */
	if (set_parameter("hang_ms", 500) || set_parameter("backoff_max_ms", 100)) {
		printf("Bail out! the driver's parameters cannot be set\n");
		return 1;
	}
	shared->seed = seed;
	shared->start = test_now();
	printf("# %llu minutes, seed %llu\n", minutes, seed);
	disturber = start_disturber(shared->start + minutes * 60000000000LL);
	soak(disturber);
	drain();
	check(&before);
	printf("1..%u\n", tests);
	return failures != 0;
}
