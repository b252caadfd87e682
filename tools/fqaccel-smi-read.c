// SPDX-License-Identifier: MIT
/* fqaccel-smi's facts: attributes of the cards in sysfs, processes' open files in /proc. */
#include "fqaccel-smi.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;

	text[0] = '\0';
	if (!f)
		return false;
	n = fread(text, 1, size - 1, f);
	fclose(f);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text[0] != '\0';
}

static bool read_attribute(const char *dir, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	return read_text(path, text, size);
}

static uint64_t read_number(const char *dir, const char *name)
{
	char text[32], *end;
	uint64_t value;

	if (!read_attribute(dir, name, text, sizeof(text)) || !isdigit((unsigned char)text[0]))
		return SMI_UNKNOWN;
	value = strtoull(text, &end, 10);
	return *end ? SMI_UNKNOWN : value;
}

/* The card's PCI function is what the link "device" points to. */
static void read_address(const char *dir, char *address, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/device", dir) >= (int)sizeof(path))
		return;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return;
	target[n] = '\0';
	slash = strrchr(target, '/');
	snprintf(address, size, "%.31s", slash ? slash + 1 : target);
}

static void read_card(const char *dir, struct smi_card *card)
{
	static const struct {
		const char *name;
		size_t offset;
	} numbers[] = {
		{ "memory_size", offsetof(struct smi_card, memory_size) },
		{ "memory_free", offsetof(struct smi_card, memory_free) },
		{ "lanes", offsetof(struct smi_card, lanes) },
		{ "clock_khz", offsetof(struct smi_card, clock_khz) },
		{ "queues", offsetof(struct smi_card, queues) },
		{ "clients", offsetof(struct smi_card, clients) },
		{ "runs", offsetof(struct smi_card, runs) },
		{ "errors", offsetof(struct smi_card, errors) },
		{ "cycles", offsetof(struct smi_card, cycles) },
		{ "busy_ns", offsetof(struct smi_card, busy_ns) },
		{ "resets", offsetof(struct smi_card, resets) },
		{ "hangs", offsetof(struct smi_card, hangs) },
		{ "replays", offsetof(struct smi_card, replays) },
		{ "lost_interrupts", offsetof(struct smi_card, lost_interrupts) },
	};
	char text[32];
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		*(uint64_t *)((char *)card + numbers[i].offset) =
			read_number(dir, numbers[i].name);
	read_attribute(dir, "state", card->state, sizeof(card->state));
	read_attribute(dir, "firmware", card->firmware, sizeof(card->firmware));
	read_attribute(dir, "hw_version", card->hw_version, sizeof(card->hw_version));
	read_attribute(dir, "format", card->format, sizeof(card->format));
	card->numa_node = -1;
	if (read_attribute(dir, "numa_node", text, sizeof(text)))
		card->numa_node = strtol(text, NULL, 10);
	read_address(dir, card->address, sizeof(card->address));
	card->load = -1;
}

static void *grow(void *array, size_t count, size_t size)
{
	/* One more, by doubling at powers of two. */
	if (count & (count - 1))
		return array;
	return reallocarray(array, count ? 2 * count : 1, size);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

static int is_card(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "fqaccel", 7);
}

static int read_cards(const char *root, struct smi_sample *sample)
{
	char dir[PATH_MAX], path[PATH_MAX + 300];
	struct dirent **entries = NULL;
	struct smi_card *cards;
	int count, i, ret = 0;

	snprintf(dir, sizeof(dir), "%s/sys/class/fqaccel", root);
	count = scandir(dir, &entries, is_card, by_name);
	for (i = 0; i < count; i++) {
		cards = ret ? NULL : grow(sample->cards, sample->card_count, sizeof(*cards));
		if (cards) {
			sample->cards = cards;
			cards += sample->card_count++;
			memset(cards, 0, sizeof(*cards));
			snprintf(cards->name, sizeof(cards->name), "%.31s", entries[i]->d_name);
			snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
			read_card(path, cards);
		} else {
			ret = -ENOMEM;
		}
		free(entries[i]);
	}
	free(entries);
	return ret;
}

/* "key:<blanks>value[ unit]"; KiB and MiB become bytes. */
static uint64_t parse_value(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (end == text)
		return SMI_UNKNOWN;
	end += strspn(end, " \t");
	if (!strncmp(end, "KiB", 3))
		return value << 10;
	return strncmp(end, "MiB", 3) ? value : value << 20;
}

static void parse_line(char *line, struct smi_client *client, bool *ours)
{
	static const struct {
		const char *name;
		size_t offset;
	} keys[] = {
		{ "drm-client-id", offsetof(struct smi_client, id) },
		{ "drm-engine-compute", offsetof(struct smi_client, busy_ns) },
		{ "drm-engine-capacity-compute", offsetof(struct smi_client, capacity) },
		{ "drm-total-memory", offsetof(struct smi_client, memory) },
		{ "drm-total-system", offsetof(struct smi_client, buffers) },
		{ "fqaccel-runs", offsetof(struct smi_client, runs) },
		{ "fqaccel-errors", offsetof(struct smi_client, errors) },
		{ "fqaccel-unfinished", offsetof(struct smi_client, unfinished) },
	};
	char *value = strchr(line, ':');
	size_t i;

	if (!value)
		return;
	*value++ = '\0';
	value += strspn(value, " \t");
	value[strcspn(value, "\n")] = '\0';
	if (!strcmp(line, "drm-driver"))
		*ours = !strcmp(value, "fqaccel");
	else if (!strcmp(line, "drm-pdev"))
		snprintf(client->address, sizeof(client->address), "%.31s", value);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(line, keys[i].name))
			*(uint64_t *)((char *)client + keys[i].offset) = parse_value(value);
}

/* False: not one of ours. */
static bool read_fdinfo(const char *path, struct smi_client *client)
{
	FILE *f = fopen(path, "re");
	bool ours = false;
	char line[256];

	if (!f)
		return false;
	*client = (struct smi_client){
		.id = SMI_UNKNOWN, .memory = SMI_UNKNOWN, .buffers = SMI_UNKNOWN,
		.runs = SMI_UNKNOWN, .errors = SMI_UNKNOWN, .unfinished = SMI_UNKNOWN,
		.busy_ns = SMI_UNKNOWN, .capacity = SMI_UNKNOWN, .load = -1,
	};
	while (fgets(line, sizeof(line), f))
		parse_line(line, client, &ours);
	fclose(f);
	return ours;
}

static struct smi_client *find_client(const struct smi_sample *sample, const struct smi_client *c)
{
	size_t i;

	for (i = 0; i < sample->client_count; i++)
		if (sample->clients[i].id == c->id &&
		    !strcmp(sample->clients[i].address, c->address))
			return &sample->clients[i];
	return NULL;
}

/* An open file that several processes share, or that has several descriptors, counts once. */
static int add_client(struct smi_sample *sample, const struct smi_client *client)
{
	struct smi_client *clients;

	if (find_client(sample, client))
		return 0;
	clients = grow(sample->clients, sample->client_count, sizeof(*clients));
	if (!clients)
		return -ENOMEM;
	sample->clients = clients;
	clients[sample->client_count++] = *client;
	return 0;
}

static int read_process(const char *proc, const char *pid, struct smi_sample *sample)
{
	char dir[PATH_MAX + 300], path[PATH_MAX + 600];
	struct smi_client client;
	struct dirent *entry;
	struct stat st;
	int ret = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/%s/fdinfo", proc, pid);
	d = opendir(dir);
	if (!d) {
		sample->hidden |= errno == EACCES;
		return 0;
	}
	while (!ret && (entry = readdir(d))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (!read_fdinfo(path, &client))
			continue;
		client.pid = strtol(pid, NULL, 10);
		client.uid = fstat(dirfd(d), &st) ? -1 : (long)st.st_uid;
		snprintf(path, sizeof(path), "%s/%s/comm", proc, pid);
		read_text(path, client.command, sizeof(client.command));
		ret = add_client(sample, &client);
	}
	closedir(d);
	return ret;
}

static int is_pid(const struct dirent *entry)
{
	return isdigit((unsigned char)entry->d_name[0]);
}

static int read_processes(const char *root, struct smi_sample *sample)
{
	struct dirent **entries = NULL;
	char proc[PATH_MAX];
	int count, i, ret = 0;

	snprintf(proc, sizeof(proc), "%s/proc", root);
	count = scandir(proc, &entries, is_pid, by_name);
	for (i = 0; i < count; i++) {
		if (!ret)
			ret = read_process(proc, entries[i]->d_name, sample);
		free(entries[i]);
	}
	free(entries);
	return ret;
}

int smi_read(const char *root, struct smi_sample *sample)
{
	struct timespec ts;
	int ret;

	memset(sample, 0, sizeof(*sample));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	sample->time_ns = ts.tv_sec * 1000000000LL + ts.tv_nsec;
	ret = read_cards(root, sample);
	/* Who has no card has no process that uses one. */
	if (!ret && sample->card_count)
		ret = read_processes(root, sample);
	if (ret)
		smi_free(sample);
	return ret;
}

void smi_free(struct smi_sample *sample)
{
	free(sample->cards);
	free(sample->clients);
	memset(sample, 0, sizeof(*sample));
}

/* Of what @capacity queues could have done in that time. */
static double load(uint64_t before, uint64_t now, int64_t elapsed, uint64_t capacity)
{
	double share;

	if (before == SMI_UNKNOWN || now == SMI_UNKNOWN || now < before || elapsed <= 0 ||
	    !capacity || capacity == SMI_UNKNOWN)
		return -1;
	share = (double)(now - before) / ((double)elapsed * (double)capacity);
	/* Reading takes time, too. */
	return share > 1 ? 1 : share;
}

void smi_compare(const struct smi_sample *before, struct smi_sample *now)
{
	int64_t elapsed = now->time_ns - before->time_ns;
	const struct smi_client *old;
	struct smi_client *client;
	struct smi_card *card;
	size_t i, j;

	for (i = 0; i < now->card_count; i++) {
		card = &now->cards[i];
		for (j = 0; j < before->card_count; j++)
			if (!strcmp(before->cards[j].name, card->name))
				card->load = load(before->cards[j].busy_ns, card->busy_ns,
						  elapsed, card->queues);
	}
	for (i = 0; i < now->client_count; i++) {
		client = &now->clients[i];
		old = find_client(before, client);
		/* One that has come since has done nothing before. */
		client->load = load(old ? old->busy_ns : 0, client->busy_ns, elapsed,
				    client->capacity);
	}
}
