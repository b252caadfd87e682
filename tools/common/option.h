/* SPDX-License-Identifier: MIT */
/*
 * Command lines: a table with a line for each option, and what their values are made of.
 *
 *	#define AT(field) OPTION_FIELD(struct draw_options, field)
 *
 *	static const struct option_spec specs[] = {
 *		{ "output", 'o', OPT_TEXT, AT(output) },
 *		{ "width", 0, OPT_INTEGER, AT(width), .integer = { 1, 1024 } },
 *		{ "color", 0, OPT_WORD, AT(color), .words = colors },
 *		{ "help", 'h', OPT_HELP, .help = usage },
 *		{ .name = NULL },
 *	};
 */
#ifndef TOOLS_OPTION_H
#define TOOLS_OPTION_H

#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTION_MAX	64	/* options of a table */

/* The highest number below 1. */
#define OPTION_BELOW_1	(1 - DBL_EPSILON / 2)

/* What is written, and where. An integer is any type of integers, enumeration or bool. */
enum option_kind {
	OPT_TEXT,		/* const char *, the argument itself */
	OPT_METADATA,		/* likewise, a text that metadata may hold (FORMAT.md section 8) */
	OPT_FLAG,		/* bool, true */
	OPT_NO_FLAG,		/* bool, false */
	OPT_INTEGER,		/* integer within .integer */
	OPT_COUNT,		/* likewise, of nothing but digits */
	OPT_REAL,		/* double within .real */
	OPT_COLORS,		/* float[3], R,G,B, or one value for all, each at least .real.min */
	OPT_WORD,		/* integer, the index in .words */
	OPT_CALL,		/* what .call makes of it */
	OPT_HELP,		/* prints .help; the program ends */
	OPT_VERSION,		/* likewise the version */
};

struct option_spec {
	const char *name;
	char letter;			/* 0: none */
	enum option_kind kind;
	size_t offset, size;		/* OPTION_FIELD() */
	union {				/* by kind */
		struct { long min, max; } integer;
		struct { double min, max; } real;
		const char *const *words;	/* NULL ends them */
		/* Returns what option_parse() does. */
		int (*call)(const struct option_spec *spec, void *options, char *arg);
		const char *help;
	};
	const char *want;		/* what is expected; NULL: what the above says */
	unsigned int mark;		/* the caller's own */
};

/* The field of a structure that an option is about. */
#define OPTION_FIELD(type, field) \
	.offset = offsetof(type, field), .size = sizeof(((type *)0)->field)

static inline void *option_field(const struct option_spec *spec, void *options)
{
	return (char *)options + spec->offset;
}

/**
 * option_parse() - take a command line's options
 * @specs:   a line without a name ends them. getopt_long() lists them in this order
 * @options: the structure that they write to
 * @given:   result for option_given(), or NULL
 *
 * Return: 0, and optind is the first argument behind the options; or the exit status plus 1 where
 * the program ends here, and what is wrong has been said.
 */
int option_parse(const struct option_spec *specs, void *options, uint64_t *given, int argc,
		 char **argv);

/** option_given() - whether an option was there; @name must be one of @specs. */
bool option_given(const struct option_spec *specs, uint64_t given, const char *name);

/** option_bad() - say that a value is refused, and why. Return: the exit status plus 1. */
int option_bad(const struct option_spec *spec, const char *value, const char *why);

/* Words of --mode and --coder in the order of enum quant_mode and enum fqz_coder, and NULL. */
extern const char *const word_modes[], *const word_coders[];

/** word_find() - the index of a word in a list that NULL ends, or -1. */
int word_find(const char *const *list, const char *word);

/** option_integer() - a decimal number in [min, max]. */
bool option_integer(const char *s, long min, long max, long *v);

/** option_real() - a number in [min, max]. */
bool option_real(const char *s, double min, double max, double *v);

#endif
