// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to the card, the driver and the machine during a soak. Each disturbance leaves a
 * card that works, or will by itself.
 */
#include <signal.h>
#include <sys/wait.h>

#include "soak.h"

#define HOG_LEAVES_MB	120	/* so that nobody has to be killed for memory */
#define HOG_S		10	/* it gives up then */

#define note(d, ...)	soak_note((d)->shared, (d)->record, __VA_ARGS__)
#define fail(d, ...)	soak_fail((d)->shared, (d)->record, __VA_ARGS__)

static uint32_t below(struct soak_disturber *d, uint32_t limit)
{
	return soak_below(&d->random, limit);
}

/* One line for QEMU's monitor. True: it did not call it an error. */
static bool hmp(struct soak_disturber *d, const char *fmt, ...)
{
	char line[100], answer[4096];
	struct pollfd p = { .fd = d->monitor, .events = POLLIN };
	size_t length = 0;
	ssize_t got;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	note(d, "%s", line);
	line[n++] = '\n';
	if (write(d->monitor, line, n) != n)
		fail(d, "QEMU's monitor: %s", strerror(errno));
	/* It echoes the line; silence after it tells that the command was done. */
	while (poll(&p, 1, 400) > 0 && length < sizeof(answer) - 1) {
		got = read(d->monitor, answer + length, sizeof(answer) - 1 - length);
		if (got <= 0)
			fail(d, "QEMU's monitor is silent");
		length += got;
	}
	answer[length] = 0;
	return !strstr(answer, "Error");
}

static void knob(struct soak_disturber *d, const char *name, uint32_t value)
{
	if (!hmp(d, "qom-set card %s %u", name, value))
		fail(d, "the card has no knob %s", name);
}

static bool present(void)
{
	int fd = soak_open();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool function_there(const struct soak_disturber *d)
{
	char path[100], address[32];

	card_address(&d->info, address, sizeof(address));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	return !access(path, F_OK);
}

static void wait_present(struct soak_disturber *d, const char *after)
{
	int64_t until = test_now() + SOAK_BACK_S * 1000000000LL;

	while (!present()) {
		if (test_now() > until)
			fail(d, "no card after %s", after);
		usleep(100000);
	}
}

static void wait_function_gone(struct soak_disturber *d)
{
	int64_t until = test_now() + SOAK_BACK_S * 1000000000LL;

	while (function_there(d)) {
		if (test_now() > until)
			fail(d, "unplugged, but the function stays");
		usleep(100000);
	}
}

static void pause_ms(struct soak_disturber *d, uint32_t most)
{
	usleep(1000 * below(d, most));
}

/* A signal for one of the workers, which may be about to be started anew. */
static void signal_one(struct soak_disturber *d, unsigned int index, int sig)
{
	pid_t pid = d->shared->workers[index].pid;

	if (pid > 0)
		kill(pid, sig);
}

static void disturb_kill(struct soak_disturber *d)
{
	unsigned int index = below(d, SOAK_WORKERS);

	note(d, "kill process %u", index);
	signal_one(d, index, SIGKILL);
}

static void disturb_stop(struct soak_disturber *d)
{
	unsigned int index = below(d, SOAK_WORKERS);

	note(d, "stop process %u", index);
	signal_one(d, index, SIGSTOP);
	pause_ms(d, 2000);
	signal_one(d, index, SIGCONT);
}

static void disturb_hang(struct soak_disturber *d)
{
	knob(d, "hang-next", 1);
	d->shared->hangs++;
}

static void disturb_interrupt(struct soak_disturber *d)
{
	knob(d, "drop-irq", 1 + below(d, 5));
}

static void disturb_completion(struct soak_disturber *d)
{
	knob(d, "corrupt-cqe", 1 + below(d, 2));
}

static void disturb_dma(struct soak_disturber *d)
{
	knob(d, "fail-dma", 1 + below(d, 3));
}

static void disturb_flr(struct soak_disturber *d)
{
	note(d, "function level reset");
	if (write_device("reset", &d->info))
		fail(d, "the function cannot be reset: %s", strerror(errno));
}

/* A card whose answers get lost or make no sense is refused; one that works is not. */
static void bind_card(struct soak_disturber *d)
{
	int ret;

	note(d, "bind");
	ret = write_driver("bind", &d->info);
	if (!ret)
		return;
	note(d, "bind: %s", strerror(-ret));
	knob(d, "drop-irq", 0);
	knob(d, "corrupt-cqe", 0);
	ret = write_driver("bind", &d->info);
	if (ret)
		fail(d, "bind: %s", strerror(-ret));
}

static void disturb_bind(struct soak_disturber *d)
{
	note(d, "unbind");
	if (write_driver("unbind", &d->info))
		fail(d, "unbind: %s", strerror(errno));
	pause_ms(d, 1000);
	bind_card(d);
	wait_present(d, "bind");
}

/* Pulled out and put back again, without anybody having been asked. */
static void disturb_gone(struct soak_disturber *d)
{
	knob(d, "gone", 1);
	pause_ms(d, 3000);
	note(d, "unbind");
	if (write_driver("unbind", &d->info))
		fail(d, "unbind of a card that is gone: %s", strerror(errno));
	knob(d, "gone", 0);
	bind_card(d);
	wait_present(d, "it was gone");
}

/* The slot is powered off a moment after the function has gone, and only then takes a card. */
static void disturb_plug(struct soak_disturber *d)
{
	int64_t until;

	if (!below(d, 3))
		knob(d, "gone", 1);
	if (!hmp(d, "device_del card"))
		fail(d, "QEMU does not unplug the card");
	wait_function_gone(d);
	until = test_now() + SOAK_BACK_S * 1000000000LL;
	usleep(1000000);
	while (!hmp(d, "device_add fqaccel,id=card,bus=rp0")) {
		if (test_now() > until)
			fail(d, "QEMU does not take a card back");
		usleep(500000);
	}
	wait_present(d, "it was plugged in");
}

static int write_power(struct soak_disturber *d, const char *what, const char *text)
{
	char path[120], address[32];

	card_address(&d->info, address, sizeof(address));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/%s", address, what);
	return write_file(path, text);
}

/* Everybody pauses, and the card falls asleep, where the driver lets it. */
static void disturb_sleep(struct soak_disturber *d)
{
	unsigned int i;

	note(d, "rest");
	/* It has a delay only if the driver uses one. */
	write_power(d, "autosuspend_delay_ms", "20");
	if (write_power(d, "control", "auto"))
		fail(d, "power/control: %s", strerror(errno));
	for (i = 0; i < SOAK_WORKERS; i++)
		signal_one(d, i, SIGSTOP);
	usleep(500000);
	pause_ms(d, 1000);
	for (i = 0; i < SOAK_WORKERS; i++)
		signal_one(d, i, SIGCONT);
	if (below(d, 2))
		write_power(d, "control", "on");
}

static unsigned long available_mb(void)
{
	unsigned long kb = 0;
	char line[100];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb >> 10;
}

/* A process that takes almost all memory there is, and holds it for a moment. */
static void disturb_memory(struct soak_disturber *d)
{
	const int64_t until = test_now() + HOG_S * 1000000000LL;
	const size_t step = 4 << 20;
	uint8_t *p;
	pid_t pid = fork();

	note(d, "memory pressure, %lu MiB available", available_mb());
	if (pid < 0)
		return;
	if (!pid) {
		while (available_mb() > HOG_LEAVES_MB && test_now() < until) {
			p = mmap(NULL, step, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (p == MAP_FAILED)
				break;
			memset(p, 1, step);
		}
		usleep(1000000);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static const struct {
	const char *name;
	unsigned int weight;
	void (*fn)(struct soak_disturber *d);
} disturbances[] = {
	{ "process killed", 8, disturb_kill },
	{ "process stopped", 3, disturb_stop },
	{ "hang", 4, disturb_hang },
	{ "interrupts dropped", 4, disturb_interrupt },
	{ "completion corrupted", 3, disturb_completion },
	{ "DMA failed", 4, disturb_dma },
	{ "function reset", 3, disturb_flr },
	{ "unbound and bound", 2, disturb_bind },
	{ "gone", 1, disturb_gone },
	{ "unplugged and plugged", 2, disturb_plug },
	{ "allowed to sleep", 2, disturb_sleep },
	{ "memory pressure", 2, disturb_memory },
};

_Static_assert(sizeof(disturbances) / sizeof(disturbances[0]) <=
	       sizeof(((struct soak_disturber *)0)->counts) / sizeof(unsigned long long),
	       "a count for each");

#define DISTURBANCES	(sizeof(disturbances) / sizeof(disturbances[0]))

void soak_disturber_open(struct soak_disturber *d, struct soak_shared *shared)
{
	int fd;

	d->shared = shared;
	d->record = &shared->disturber;
	soak_seed(&d->random, shared->seed, ~0ULL);
	d->monitor = test_monitor_open();
	if (d->monitor < 0)
		fail(d, "QEMU's monitor: %s", strerror(-d->monitor));
	fd = soak_open();
	if (fd < 0 || test_info(fd, &d->info))
		fail(d, "no card to begin with");
	close(fd);
}

void soak_disturb(struct soak_disturber *d)
{
	unsigned int total = 0, i, dice;

	for (i = 0; i < DISTURBANCES; i++)
		total += disturbances[i].weight;
	dice = below(d, total);
	for (i = 0; dice >= disturbances[i].weight; i++)
		dice -= disturbances[i].weight;
	d->counts[i]++;
	disturbances[i].fn(d);
	pause_ms(d, 3000);
}

/* What was asked for and has not happened yet is not to happen any more. */
void soak_heal(struct soak_disturber *d)
{
	knob(d, "hang-next", 0);
	knob(d, "drop-irq", 0);
	knob(d, "corrupt-cqe", 0);
	knob(d, "fail-dma", 0);
	wait_present(d, "all");
}

void soak_disturber_report(const struct soak_disturber *d)
{
	unsigned int i;

	for (i = 0; i < DISTURBANCES; i++)
		printf("# %8llu %s\n", d->counts[i], disturbances[i].name);
}
