// SPDX-License-Identifier: MIT
/* What every command-line tool does alike: messages, progress, exit status. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const char *tool_name = "fqaccel";
static bool bar_shown;

void cli_start(const char *tool)
{
	tool_name = tool;
}

int cli_error(const char *fmt, ...)
{
	va_list ap;

	cli_progress_clear();
	fprintf(stderr, "%s: ", tool_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return CLI_FAILED;
}

int cli_usage_hint(void)
{
	fprintf(stderr, "Try '%s --help'.\n", tool_name);
	return CLI_USAGE;
}

int cli_usage(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", tool_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return cli_usage_hint();
}

int cli_version(void)
{
	printf("%s %s\n", tool_name, FQACCEL_VERSION);
	return CLI_OK;
}

int cli_finish(int status)
{
	if (fflush(stdout))
		return cli_error("standard output cannot be written: %s", strerror(errno));
	/* What failed before has left errno to what came after. */
	if (ferror(stdout))
		return cli_error("standard output could not be written");
	return status;
}

/* Unicode 15, table 3-7. */
size_t cli_utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	for (i = 1; i < n; i++, low = 0x80, high = 0xbf)
		if (s[i] < low || s[i] > high)
			return 0;
	return n;
}

size_t cli_text_length(const char *text)
{
	return (unsigned char)*text < 0x20 || *text == 0x7f ? 0 : cli_utf8_length(text);
}

void cli_json_string(FILE *f, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	fputc('"', f);
	for (; *s; s += n) {
		n = cli_utf8_length((const char *)s);
		if (!n) {
			fputs("\\ufffd", f);
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(f, "\\%c", *s);
		} else if (*s == '\n') {
			fputs("\\n", f);
		} else if (*s == '\t') {
			fputs("\\t", f);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(f, "\\u%04x", *s);
		} else {
			fwrite(s, 1, n, f);
		}
	}
	fputc('"', f);
}

/* Whether a line that moves is to be shown now: at most ten times a second. */
static bool shows_now(bool last_one)
{
	static struct timespec last;
	struct timespec now;

	if (!isatty(STDERR_FILENO))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (bar_shown && !last_one &&
	    (now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000 < 100)
		return false;
	last = now;
	return true;
}

void cli_progress(size_t done, size_t total)
{
	const int width = 40;
	int filled;

	if (total < 2 || !shows_now(done >= total))
		return;
	filled = (int)(done * (size_t)width / total);
	fprintf(stderr, "\r[%.*s%*s] %zu/%zu", filled,
		"########################################", width - filled, "", done, total);
	fflush(stderr);
	bar_shown = true;
}

void cli_status(const char *fmt, ...)
{
	struct winsize size;
	char line[512];
	int width = 80;
	va_list ap;

	if (!shows_now(false))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 1)
		width = size.ws_col;
	fprintf(stderr, "\r%.*s\033[K", width - 1, line);
	fflush(stderr);
	bar_shown = true;
}

void cli_progress_clear(void)
{
	if (!bar_shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	bar_shown = false;
}
