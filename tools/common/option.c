// SPDX-License-Identifier: MIT
/* Command lines: a table with a line for each option, and what their values are made of. */
#include "option.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const char *const word_modes[] = { "auto", "shift", "recentralized", NULL };
const char *const word_coders[] = { "auto", "huffman", "rle-huffman", "tans", NULL };

int word_find(const char *const *list, const char *word)
{
	int i;

	for (i = 0; list[i]; i++)
		if (!strcmp(list[i], word))
			return i;
	return -1;
}

bool option_integer(const char *s, long min, long max, long *v)
{
	char *end;

	errno = 0;
	*v = strtol(s, &end, 10);
	return end != s && !*end && !errno && *v >= min && *v <= max;
}

bool option_real(const char *s, double min, double max, double *v)
{
	char *end;

	*v = strtod(s, &end);
	return end != s && !*end && *v >= min && *v <= max;
}

/* R,G,B, or one value for all three, each at least @min. */
static bool take_colors(const char *s, float min, float *v)
{
	int i;

	for (i = 0; i < 3; i++) {
		char *end;

		v[i] = strtof(s, &end);
		if (end == s || !isfinite(v[i]) || v[i] < min)
			return false;
		if (i == 0 && !*end) {
			v[1] = v[2] = v[0];
			return true;
		}
		if (*end != (i < 2 ? ',' : '\0'))
			return false;
		s = end + 1;
	}
	return true;
}

static bool is_metadata(const char *s)
{
	size_t n;

	for (; *s; s += n) {
		n = *s == '\t' || *s == '\n' ? 1 : cli_text_length(s);
		if (!n)
			return false;
	}
	return true;
}

int option_bad(const struct option_spec *spec, const char *value, const char *why)
{
	return cli_usage("--%s %s: %s", spec->name, value, why) + 1;
}

/* "one, another or the last" */
static const char *join_words(const char *const *words, char *text, size_t size)
{
	size_t n = 0, i;

	for (i = 0; words[i] && n < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%s",
				      !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
	return text;
}

static int refuse(const struct option_spec *s, const char *arg)
{
	const char *name = s->name;
	char words[256];

	if (s->want)
		return option_bad(s, arg, s->want);
	switch (s->kind) {
	case OPT_METADATA:
		return cli_usage("--%s takes UTF-8 text without control characters", name) + 1;
	case OPT_COUNT:
		return cli_usage("--%s takes a whole number from %ld to %ld, not '%s'", name,
				 s->integer.min, s->integer.max, arg) + 1;
	case OPT_INTEGER:
		return cli_usage("--%s %s: %ld to %ld is expected", name, arg, s->integer.min,
				 s->integer.max) + 1;
	case OPT_REAL:
		return cli_usage("--%s %s: a number from %g to %g is expected", name, arg,
				 s->real.min, s->real.max) + 1;
	case OPT_WORD:
		return cli_usage("--%s %s: %s is expected", name, arg,
				 join_words(s->words, words, sizeof(words))) + 1;
	default:
		return option_bad(s, arg, "three numbers R,G,B are expected");
	}
}

static void store_integer(const struct option_spec *s, void *field, long v)
{
	switch (s->size) {
	case sizeof(bool):
		*(bool *)field = v;
		break;
	case sizeof(uint32_t):
		*(uint32_t *)field = (uint32_t)v;
		break;
	case sizeof(uint64_t):
		*(uint64_t *)field = (uint64_t)v;
		break;
	default:
		abort();
	}
}

static bool take_integer(const struct option_spec *s, void *field, const char *arg)
{
	bool good;
	long v;

	if (s->kind == OPT_WORD) {
		v = word_find(s->words, arg);
		good = v >= 0;
	} else {
		/* strtol() takes "+1" and " 1" as well. */
		good = (s->kind == OPT_INTEGER || (*arg >= '0' && *arg <= '9')) &&
		       option_integer(arg, s->integer.min, s->integer.max, &v);
	}
	if (good)
		store_integer(s, field, v);
	return good;
}

static int take_option(const struct option_spec *s, void *options, char *arg)
{
	void *field = option_field(s, options);
	bool good = true;

	switch (s->kind) {
	case OPT_HELP:
		fputs(s->help, stdout);
		return CLI_OK + 1;
	case OPT_VERSION:
		return cli_version() + 1;
	case OPT_CALL:
		return s->call(s, options, arg);
	case OPT_FLAG:
	case OPT_NO_FLAG:
		*(bool *)field = s->kind == OPT_FLAG;
		break;
	case OPT_METADATA:
		good = is_metadata(arg);
		/* fall through */
	case OPT_TEXT:
		*(const char **)field = arg;
		break;
	case OPT_REAL:
		good = option_real(arg, s->real.min, s->real.max, field);
		break;
	case OPT_COLORS:
		good = take_colors(arg, (float)s->real.min, field);
		break;
	default:
		good = take_integer(s, field, arg);
		break;
	}
	return good ? 0 : refuse(s, arg);
}

static int takes_value(enum option_kind kind)
{
	return kind == OPT_FLAG || kind == OPT_NO_FLAG || kind == OPT_HELP || kind == OPT_VERSION ?
	       no_argument : required_argument;
}

/* getopt_long() returns an option's letter, or where it was written out LONG plus its index. */
enum { LONG = 256 };

static const struct option_spec *find_spec(const struct option_spec *specs, int opt)
{
	if (opt >= LONG)
		return &specs[opt - LONG];
	while (specs->name && specs->letter != opt)
		specs++;
	return specs->name ? specs : NULL;
}

int option_parse(const struct option_spec *specs, void *options, uint64_t *given, int argc,
		 char **argv)
{
	struct option longs[OPTION_MAX + 1] = { { .name = NULL } };
	char letters[2 * OPTION_MAX + 1], *letter = letters;
	const struct option_spec *s;
	int n, opt, rc;
	uint64_t seen = 0;

	for (s = specs, n = 0; s->name; s++, n++) {
		if (n == OPTION_MAX)
			abort();
		longs[n] = (struct option){ s->name, takes_value(s->kind), NULL, LONG + n };
		if (s->letter)
			*letter++ = s->letter;
		if (s->letter && longs[n].has_arg)
			*letter++ = ':';
	}
	*letter = '\0';
	while ((opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		s = find_spec(specs, opt);
		rc = s ? take_option(s, options, optarg) : cli_usage_hint() + 1;
		if (rc)
			return rc;
		seen |= (uint64_t)1 << (s - specs);
	}
	if (given)
		*given = seen;
	return 0;
}

bool option_given(const struct option_spec *specs, uint64_t given, const char *name)
{
	for (; specs->name; specs++, given >>= 1)
		if (!strcmp(specs->name, name))
			return given & 1;
	abort();
}
