// SPDX-License-Identifier: MIT
/* Tables of options: every kind's values, its limits, and what is said of others. */
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/option.h"
#include "tap.h"

enum color { RED, GREEN, BLUE };

/* A field on both sides of each value shows when it is written with another one's size. */
struct draw {
	const char *text, *metadata, *called;
	bool flag, word_bool, off;
	unsigned int before, bits, behind;
	uint64_t seed, count;
	size_t pictures;
	long low;
	double share, low_real;
	float mean[3], guard;
	enum color color;
	unsigned int calls;
};

static const char *const colors[] = { "red", "green", "blue", NULL };
static const char *const two[] = { "no", "yes", NULL };
static const char *const one[] = { "only", NULL };

static int call(const struct option_spec *spec, void *options, char *arg)
{
	struct draw *d = options;

	d->calls += spec->mark;
	if (!strcmp(arg, "stop"))
		return option_bad(spec, arg, "it stops here");
	*(const char **)option_field(spec, options) = arg;
	return 0;
}

#define AT(field) OPTION_FIELD(struct draw, field)

static const struct option_spec specs[] = {
	{ "text", 't', OPT_TEXT, AT(text) },
	{ "metadata", 0, OPT_METADATA, AT(metadata) },
	{ "flag", 'f', OPT_FLAG, AT(flag) },
	{ "off", 0, OPT_NO_FLAG, AT(off) },
	{ "bits", 'b', OPT_INTEGER, AT(bits), .integer = { 3, 8 } },
	{ "seed", 0, OPT_INTEGER, AT(seed), .integer = { 0, INT64_MAX }, .want = "a seed" },
	{ "pictures", 0, OPT_INTEGER, AT(pictures), .integer = { 1, 1 << 20 } },
	{ "low", 0, OPT_INTEGER, AT(low), .integer = { LONG_MIN, -1 } },
	{ "count", 'n', OPT_COUNT, AT(count), .integer = { 1, UINT32_MAX } },
	{ "share", 0, OPT_REAL, AT(share), .real = { 0, OPTION_BELOW_1 }, .want = "a share" },
	{ "low-real", 0, OPT_REAL, AT(low_real), .real = { -1.5, 1e6 } },
	{ "mean", 0, OPT_COLORS, AT(mean), .real.min = -1 },
	{ "color", 'c', OPT_WORD, AT(color), .words = colors },
	{ "word", 0, OPT_WORD, AT(word_bool), .words = two },
	{ "one", 0, OPT_WORD, AT(before), .words = one },
	{ "call", 0, OPT_CALL, AT(called), .call = call, .mark = 10 },
	{ "help", 'h', OPT_HELP, .help = "This helps.\n" },
	{ "version", 'V', .kind = OPT_VERSION },
	{ .name = NULL },
};

static const struct draw preset = {
	.off = true, .before = 0x11111111, .bits = 5, .behind = 0x22222222, .seed = 7, .count = 7,
	.pictures = 7, .low = 7, .share = 7, .low_real = 7, .mean = { 7, 7, 7 }, .guard = 7,
	.color = RED,
};

static struct draw d;
static uint64_t given;
static char said[4096];		/* what the last line made it write */

/* What option_parse() returns for words separated by '|'. */
static int parse_to(FILE *stream, const char *line)
{
	static char words[4096];	/* the options keep pointers to it */
	char *argv[64] = { (char *)"draw" }, *word, *rest = words;
	int argc = 1, fd = dup(fileno(stream)), rc;
	FILE *file = tmpfile();
	size_t n;

	if (!file || fd < 0)
		bail("no file for messages");
	snprintf(words, sizeof(words), "%s", line);
	while (*line && (word = strsep(&rest, "|")))
		argv[argc++] = word;
	fflush(stream);
	dup2(fileno(file), fileno(stream));
	d = preset;
	given = ~0ull;
	optind = 0;			/* from the start */
	rc = option_parse(specs, &d, &given, argc, argv);
	fflush(stream);
	dup2(fd, fileno(stream));
	close(fd);
	rewind(file);
	n = fread(said, 1, sizeof(said) - 1, file);
	said[n] = '\0';
	fclose(file);
	return rc;
}

static int parse(const char *line)
{
	return parse_to(stderr, line);
}

/* A line that is taken without a word. */
static void good(const char *line)
{
	ok(parse(line) == 0 && !*said, "%s is taken", line);
	if (*said)
		diag("%s", said);
}

/* One that is a usage error, with the hint behind the message. */
static void bad(const char *line, const char *message)
{
	char want[512];

	snprintf(want, sizeof(want), "draw: %s\nTry 'draw --help'.\n", message);
	is_int(parse(line), CLI_USAGE + 1, line);
	is_str(said, want, line);
}

/* Values that are refused, each in a message between @before and @after; NULL ends them. */
static void bad_values(const char *name, const char *const *values, const char *before,
		       const char *after)
{
	char line[64], message[128];

	for (; *values; values++) {
		snprintf(line, sizeof(line), "--%s|%s", name, *values);
		snprintf(message, sizeof(message), "%s%s%s", before, *values, after);
		bad(line, message);
	}
}

static void test_texts(void)
{
	good("--text|a b");
	is_str(d.text, "a b", "a text");
	good("--text=");
	is_str(d.text, "", "an empty text");
	good("--text|--flag");
	ok(!strcmp(d.text, "--flag") && !d.flag, "a text that looks like an option");
	good("--metadata|\xc3\xa9t\xc3\xa9\tb\nc");
	is_str(d.metadata, "\xc3\xa9t\xc3\xa9\tb\nc", "metadata with tab and line feed");
	bad("--metadata|a\xff", "--metadata takes UTF-8 text without control characters");
	bad("--metadata|a\x01", "--metadata takes UTF-8 text without control characters");
}

static void test_flags(void)
{
	good("");
	ok(!d.flag && d.off, "flags that are not there");
	good("--flag|--off");
	ok(d.flag && !d.off, "flags that are");
	ok(!d.word_bool, "and nothing behind them");
	bad("--flag=1", "option '--flag' doesn't allow an argument");
}

static void test_integers(void)
{
	static const char *const bits[] = {
		"", "2", "9", "-3", "3.5", "3x", "x", "0x5", "4294967301", "99999999999999999999",
		NULL
	};

	good("--bits|3");
	is_int(d.bits, 3, "the least");
	good("--bits|8");
	is_int(d.bits, 8, "the most");
	ok(d.before == preset.before && d.behind == preset.behind, "a field of 4 bytes gets 4");
	good("--bits| +5");
	is_int(d.bits, 5, "what strtol() takes");
	bad_values("bits", bits, "--bits ", ": 3 to 8 is expected");
	good("--seed|9223372036854775807");
	ok(d.seed == INT64_MAX && d.count == 7, "63 bits");
	bad("--seed|9223372036854775808", "--seed 9223372036854775808: a seed");
	bad("--seed|18446744073709551617", "--seed 18446744073709551617: a seed");
	bad("--seed|-1", "--seed -1: a seed");
	bad("--seed|", "--seed : a seed");
	good("--low|-9223372036854775808");
	ok(d.low == LONG_MIN, "the lowest of all");
	bad("--low|-9223372036854775809",
	    "--low -9223372036854775809: -9223372036854775808 to -1 is expected");
	bad("--low|0", "--low 0: -9223372036854775808 to -1 is expected");
	good("--pictures|1048576");
	is_int(d.pictures, 1 << 20, "a size_t");
	bad("--pictures|1048577", "--pictures 1048577: 1 to 1048576 is expected");
}

static void test_counts(void)
{
	static const char *const counts[] = {
		"", "0", "-1", "+1", " 1", "1 ", "1x", "x", "4294967296", "18446744073709551617",
		NULL
	};

	good("--count|1");
	is_int(d.count, 1, "the least");
	good("--count|04294967295");
	ok(d.count == UINT32_MAX && d.pictures == 7, "the most");
	bad_values("count", counts, "--count takes a whole number from 1 to 4294967295, not '", "'");
}

static void test_reals(void)
{
	static const char *const reals[] = { "", "-1.51", "1000001", "1e400", "inf", "-inf", "nan",
					     "1,5", "1x", "x", NULL };

	good("--low-real|-1.5");
	ok(d.low_real == -1.5, "the least");
	good("--low-real|1e6");
	ok(d.low_real == 1e6 && d.share == 7, "the most");
	bad_values("low-real", reals, "--low-real ", ": a number from -1.5 to 1e+06 is expected");
	ok(OPTION_BELOW_1 < 1 && nextafter(OPTION_BELOW_1, 2) == 1, "nothing is nearer to 1");
	good("--share|0.99999999999999989");
	ok(d.share == OPTION_BELOW_1, "up to below 1");
	bad("--share|1", "--share 1: a share");
	bad("--share|0.99999999999999999", "--share 0.99999999999999999: a share");
}

static void test_colors(void)
{
	static const char *const list[] = { "", ",", "1,2", "1,2,", "1,2,3,", "1,2,3,4", "1,,3",
					    "1,2,3x", "1,-1.01,1", "nan", "1,inf,1", "x" };
	char line[64], message[128];
	size_t i;

	good("--mean|-1,0.5,2e3");
	ok(d.mean[0] == -1 && d.mean[1] == 0.5f && d.mean[2] == 2e3f, "three colors");
	good("--mean|0.25");
	ok(d.mean[0] == 0.25f && d.mean[1] == 0.25f && d.mean[2] == 0.25f, "one for all");
	ok(d.guard == 7, "and no fourth");
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		snprintf(line, sizeof(line), "--mean|%s", list[i]);
		snprintf(message, sizeof(message),
			 "--mean %s: three numbers R,G,B are expected", list[i]);
		bad(line, message);
	}
	bad("--mean|1,2|3", "--mean 1,2: three numbers R,G,B are expected");
}

static void test_words(void)
{
	good("--color|red|--color|blue");
	is_int(d.color, BLUE, "the last word counts");
	good("--word|yes");
	ok(d.word_bool && d.off, "the second of two words is true");
	good("--word|yes|--word|no");
	ok(!d.word_bool, "the first is false");
	good("--one|only");
	ok(d.before == 0 && d.bits == 5, "a single word");
	bad("--color|gr", "--color gr: red, green or blue is expected");
	bad("--color|Red", "--color Red: red, green or blue is expected");
	bad("--color=", "--color : red, green or blue is expected");
	bad("--word|maybe", "--word maybe: no or yes is expected");
	bad("--one|x", "--one x: only is expected");
}

static void test_calls(void)
{
	good("--call|x");
	ok(d.calls == 10 && !strcmp(d.called, "x"), "a call has its line of the table");
	good("--call|x|--call|y");
	ok(d.calls == 20 && !strcmp(d.called, "y"), "each time");
	bad("--call|stop|--call|x", "--call stop: it stops here");
	ok(d.calls == 10 && !d.called, "the program ends there");
}

static void test_ends(void)
{
	is_int(parse_to(stdout, "--help|--bits|9"), CLI_OK + 1, "--help ends the program");
	is_str(said, "This helps.\n", "its text");
	is_int(parse_to(stdout, "-h"), CLI_OK + 1, "-h does");
	is_str(said, "This helps.\n", "the same text");
	is_int(parse_to(stdout, "--version"), CLI_OK + 1, "--version does");
	is_str(said, "draw " FQACCEL_VERSION "\n", "name and version");
	bad("--bits|9|--help", "--bits 9: 3 to 8 is expected");
}

/* Letters, values beside them, and what getopt_long() refuses itself. */
static void test_lines(void)
{
	good("-b4|-fc|green|-n12|-ttext");
	ok(d.bits == 4 && d.flag && d.color == GREEN && d.count == 12 && !strcmp(d.text, "text"),
	   "letters, with values beside them or not");
	good("-b|4|--bits=6|--fl");
	ok(d.bits == 6 && d.flag, "a letter and a name for the same option, and half a name");
	bad("-b9", "--bits 9: 3 to 8 is expected");
	bad("--bits", "option '--bits' requires an argument");
	bad("-b", "option requires an argument -- 'b'");
	bad("-fb", "option requires an argument -- 'b'");
	bad("--none", "unrecognized option '--none'");
	bad("-z", "invalid option -- 'z'");
	bad("--co", "option '--co' is ambiguous; possibilities: '--count' '--color'");
	good("-f|left|--|--bits");
	is_int(optind, 3, "what is behind \"--\" is no option");
	good("a|-f|b");
	ok(d.flag && optind == 2, "options may stand behind arguments");
}

static void test_given(void)
{
	const struct option_spec *s;
	unsigned int count = 0;

	good("");
	ok(!given, "nothing is given");
	good("-b5|--count|3|--word|no|x");
	for (s = specs; s->name; s++)
		count += option_given(specs, given, s->name);
	ok(option_given(specs, given, "bits") && option_given(specs, given, "count") &&
	   option_given(specs, given, "word") && count == 3, "what is given, and nothing else");
}

/* As many as there is room for: the last one has its bit, and its letter. */
static void test_full(void)
{
	static struct option_spec full[OPTION_MAX + 1];
	static char names[OPTION_MAX][16];
	char *argv[] = { (char *)"draw", (char *)"-~", (char *)"last", NULL };
	uint64_t mask;
	struct draw f = preset;
	int i;

	for (i = 0; i < OPTION_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "name%d", i);
		full[i] = (struct option_spec){ names[i], 0, OPT_TEXT, AT(text) };
	}
	full[OPTION_MAX - 1].letter = '~';
	optind = 0;
	ok(!option_parse(full, &f, &mask, 3, argv) && !strcmp(f.text, "last"), "a full table");
	ok(mask == 1ull << (OPTION_MAX - 1) && option_given(full, mask, names[OPTION_MAX - 1]),
	   "its last option");
	optind = 0;
	ok(!option_parse(full, &f, NULL, 3, argv), "nobody has to ask what was given");
}

int main(void)
{
	cli_start("draw");
	test_texts();
	test_flags();
	test_integers();
	test_counts();
	test_reals();
	test_colors();
	test_words();
	test_calls();
	test_ends();
	test_lines();
	test_given();
	test_full();
	return tap_done();
}
