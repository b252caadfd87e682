// SPDX-License-Identifier: MIT
/* fqaccel-smi: cards, who uses them, how busy and how well they are. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/option.h"
#include "fqaccel-smi.h"

static const char help[] =
"Usage: fqaccel-smi [OPTION]...\n"
"\n"
"Shows the fqaccel cards of this machine that have a driver, the processes that use them,\n"
"load, memory, health and errors.\n"
"\n"
"  -l, --loop         go on until interrupted, like top\n"
"  -i, --interval MS  milliseconds that load is measured over (500; with --loop 2000)\n"
"  -n, --count N      with --loop: N times\n"
"      --json         print a JSON document; with --loop, one in each line\n"
"      --root DIR     read DIR/sys and DIR/proc, copied from another machine\n"
"  -h, --help         print this and exit\n"
"  -V, --version      print the version and exit\n"
"\n"
"Exit status: 0 all went well, 1 something failed, 2 wrong usage.\n";

struct options {
	bool loop, json;
	uint64_t interval_ms, count;	/* 0: the usual; without end */
	const char *root;
};

/* "-" where unknown. */
static const char *number(uint64_t value, char *text, size_t size)
{
	if (value == SMI_UNKNOWN)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%" PRIu64, value);
	return text;
}

static const char *percent(double load, char *text, size_t size)
{
	if (load < 0)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%.1f", 100 * load);
	return text;
}

static const char *mebibytes(uint64_t bytes, char *text, size_t size)
{
	return number(bytes == SMI_UNKNOWN ? bytes : bytes >> 20, text, size);
}

static void print_card(const struct smi_card *c)
{
	uint64_t used = c->memory_size == SMI_UNKNOWN || c->memory_free == SMI_UNKNOWN ||
			c->memory_free > c->memory_size ? SMI_UNKNOWN :
							  c->memory_size - c->memory_free;
	char t[9][24];

	printf("%-10s %-13s %-9s %6s %7s %7s %9s %8s %7s %6s %6s  %s\n", c->name, c->address,
	       c->state[0] ? c->state : "-", percent(c->load, t[0], sizeof(t[0])),
	       mebibytes(used, t[1], sizeof(t[1])), mebibytes(c->memory_size, t[2], sizeof(t[2])),
	       number(c->runs, t[3], sizeof(t[3])), number(c->errors, t[4], sizeof(t[4])),
	       number(c->resets, t[5], sizeof(t[5])), number(c->hangs, t[6], sizeof(t[6])),
	       number(c->lost_interrupts, t[7], sizeof(t[7])),
	       c->firmware[0] ? c->firmware : "-");
}

static const char *card_name(const struct smi_sample *s, const char *address)
{
	size_t i;

	for (i = 0; i < s->card_count; i++)
		if (!strcmp(s->cards[i].address, address))
			return s->cards[i].name;
	return address;
}

static void print_client(const struct smi_sample *s, const struct smi_client *c)
{
	const struct passwd *user = c->uid < 0 ? NULL : getpwuid((uid_t)c->uid);
	char t[6][24], uid[24];

	snprintf(uid, sizeof(uid), "%ld", c->uid);
	printf("%7ld %-10.10s %-10s %6s %7s %8s %9s %8s %6s  %s\n", c->pid,
	       user ? user->pw_name : uid, card_name(s, c->address),
	       percent(c->load, t[0], sizeof(t[0])), mebibytes(c->memory, t[1], sizeof(t[1])),
	       mebibytes(c->buffers, t[2], sizeof(t[2])), number(c->runs, t[3], sizeof(t[3])),
	       number(c->errors, t[4], sizeof(t[4])), number(c->unfinished, t[5], sizeof(t[5])),
	       c->command);
}

static void print_text(const struct smi_sample *s)
{
	size_t i;

	if (!s->card_count) {
		printf("This machine has no fqaccel card with a driver; fqaccel-info lists those without.\n");
		return;
	}
	printf("%-10s %-13s %-9s %6s %7s %7s %9s %8s %7s %6s %6s  %s\n", "CARD", "ADDRESS",
	       "STATE", "LOAD%", "USEDMiB", "OF", "RUNS", "ERRORS", "RESETS", "HANGS", "LOSTIRQ",
	       "FIRMWARE");
	for (i = 0; i < s->card_count; i++)
		print_card(&s->cards[i]);
	printf("\n%7s %-10s %-10s %6s %7s %8s %9s %8s %6s  %s\n", "PID", "USER", "CARD", "LOAD%",
	       "CARDMiB", "BUFFERS", "RUNS", "ERRORS", "QUEUED", "COMMAND");
	for (i = 0; i < s->client_count; i++)
		print_client(s, &s->clients[i]);
	if (!s->client_count)
		printf("%7s no process%s\n", "-", s->hidden ? " that you may look into" : "");
	else if (s->hidden)
		printf("Other users' processes are shown to root only.\n");
}

static void json_number(const char *key, uint64_t value)
{
	if (value == SMI_UNKNOWN)
		printf(", \"%s\": null", key);
	else
		printf(", \"%s\": %" PRIu64, key, value);
}

static void json_text(const char *key, const char *text)
{
	printf(", \"%s\": ", key);
	if (text[0])
		cli_json_string(stdout, text);
	else
		printf("null");
}

static void json_load(double load)
{
	if (load < 0)
		printf(", \"load\": null");
	else
		printf(", \"load\": %.4f", load);
}

static void json_card(const struct smi_card *c, bool first)
{
	printf("%s{\"name\": ", first ? "" : ", ");
	cli_json_string(stdout, c->name);
	json_text("address", c->address);
	json_text("state", c->state);
	json_text("firmware", c->firmware);
	json_text("hardware", c->hw_version);
	json_text("format", c->format);
	json_load(c->load);
	json_number("memory", c->memory_size);
	json_number("memory_free", c->memory_free);
	json_number("lanes", c->lanes);
	json_number("clock_khz", c->clock_khz);
	json_number("queues", c->queues);
	printf(", \"numa_node\": %" PRId64, c->numa_node);
	json_number("clients", c->clients);
	json_number("runs", c->runs);
	json_number("errors", c->errors);
	json_number("cycles", c->cycles);
	json_number("busy_ns", c->busy_ns);
	json_number("resets", c->resets);
	json_number("hangs", c->hangs);
	json_number("replays", c->replays);
	json_number("lost_interrupts", c->lost_interrupts);
	printf("}");
}

static void json_client(const struct smi_sample *s, const struct smi_client *c, bool first)
{
	printf("%s{\"pid\": %ld, \"uid\": %ld", first ? "" : ", ", c->pid, c->uid);
	json_text("command", c->command);
	json_text("card", card_name(s, c->address));
	json_number("client", c->id);
	json_load(c->load);
	json_number("memory", c->memory);
	json_number("buffers", c->buffers);
	json_number("runs", c->runs);
	json_number("errors", c->errors);
	json_number("unfinished", c->unfinished);
	json_number("busy_ns", c->busy_ns);
	printf("}");
}

static void print_json(const struct smi_sample *s)
{
	size_t i;

	printf("{\"cards\": [");
	for (i = 0; i < s->card_count; i++)
		json_card(&s->cards[i], !i);
	printf("], \"processes\": [");
	for (i = 0; i < s->client_count; i++)
		json_client(s, &s->clients[i], !i);
	printf("], \"hidden_processes\": %s}\n", s->hidden ? "true" : "false");
}

static void pause_ms(uint64_t ms)
{
	struct timespec ts = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Each sample is compared with the one before it. */
static int show(const struct options *o)
{
	uint64_t ms = o->interval_ms ? o->interval_ms : o->loop ? 2000 : 500;
	bool screen = o->loop && !o->json && isatty(STDOUT_FILENO);
	uint64_t left = o->loop ? o->count : 1;
	struct smi_sample before, now;

	if (smi_read(o->root, &before))
		return cli_error("out of memory");
	for (;;) {
		/* Load takes two looks, but nothing to look at takes none. */
		if (before.card_count || o->loop)
			pause_ms(ms);
		if (smi_read(o->root, &now)) {
			smi_free(&before);
			return cli_error("out of memory");
		}
		smi_compare(&before, &now);
		if (screen)
			printf("\033[H\033[J");
		if (o->json)
			print_json(&now);
		else
			print_text(&now);
		smi_free(&before);
		before = now;
		if (fflush(stdout) || (left && !--left))
			break;
		if (!screen && !o->json)
			printf("\n");
	}
	smi_free(&before);
	return CLI_OK;
}

#define AT(field) OPTION_FIELD(struct options, field)

static const struct option_spec specs[] = {
	{ "loop", 'l', OPT_FLAG, AT(loop) },
	{ "interval", 'i', OPT_COUNT, AT(interval_ms), .integer = { 1, 3600000 } },
	{ "count", 'n', OPT_COUNT, AT(count), .integer = { 1, UINT32_MAX } },
	{ "json", 0, OPT_FLAG, AT(json) },
	{ "root", 0, OPT_TEXT, AT(root) },
	{ "help", 'h', OPT_HELP, .help = help },
	{ "version", 'V', .kind = OPT_VERSION },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	struct options o = { .root = "" };
	int rc;

	cli_start("fqaccel-smi");
	argv[0] = (char *)"fqaccel-smi";
	rc = option_parse(specs, &o, NULL, argc, argv);
	if (rc)
		return cli_finish(rc - 1);
	if (optind < argc)
		return cli_usage("takes no argument, but got '%s'", argv[optind]);
	if (o.count && !o.loop)
		return cli_usage("--count goes with --loop");
	if (o.root[0] && access(o.root, R_OK | X_OK))
		return cli_error("%s: cannot be read: %s", o.root, strerror(errno));
	return cli_finish(show(&o));
}
