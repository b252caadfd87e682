/* SPDX-License-Identifier: MIT */
/*
 * A tiny emitter of the Test Anything Protocol, for programs run by prove.
 *
 *	ok(cond, "what holds, for %s", name);
 *	is_int(got, want, "what is counted");
 *	is_str(got, want, "what is said");
 *	ok_mem(got, want, len, "which bytes");
 *	skip("why", "what was to be tested");
 *	diag("a remark");
 *	bail("why the rest makes no sense");
 *	return tap_done();
 *
 * The plan is printed at the end, so a program that dies on the way is seen as
 * failed. tap_done() returns the exit status. Any thread may call ok(): a line
 * is written by one stdio call and the counters are atomic.
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_UNUSED	__attribute__((unused))
#define TAP_PRINTF(f, a) __attribute__((unused, format(printf, f, a)))

static atomic_uint tap_count, tap_failures;

static void diag(const char *fmt, ...) TAP_PRINTF(1, 2);
static bool tap_result(bool pass, const char *file, int line, const char *fmt,
		       ...) TAP_PRINTF(4, 5);
static void bail(const char *fmt, ...) TAP_PRINTF(1, 2) __attribute__((noreturn));

/* A remark for the reader of the output; prove shows it, but does not count it. */
static void diag(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fflush(stdout);
	fprintf(stderr, "# %s\n", text);
}

static bool tap_result(bool pass, const char *file, int line, const char *fmt, ...)
{
	unsigned int number = atomic_fetch_add(&tap_count, 1) + 1;
	char text[1024];
	va_list ap;
	char *p;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A '#' would start a directive, a line feed a new result. */
	for (p = text; *p; p++)
		if (*p == '#' || *p == '\n')
			*p = ' ';
	printf("%sok %u - %s\n", pass ? "" : "not ", number, text);
	if (!pass) {
		atomic_fetch_add(&tap_failures, 1);
		diag("failed at %s:%d: %s", file, line, text);
	}
	return pass;
}

/* ok(cond, fmt, ...): one test; its value is the condition's. */
#define ok(cond, ...) tap_result(!!(cond), __FILE__, __LINE__, __VA_ARGS__)

static TAP_UNUSED bool tap_is_int(int64_t got, int64_t want, const char *file, int line,
				  const char *what)
{
	bool pass = tap_result(got == want, file, line, "%s", what);

	if (!pass)
		diag("got %lld, expected %lld", (long long)got, (long long)want);
	return pass;
}

/* is_int(got, want, what): equal integers. */
#define is_int(got, want, what) \
	tap_is_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, (what))

static TAP_UNUSED bool tap_is_str(const char *got, const char *want, const char *file, int line,
				  const char *what)
{
	bool same = got && want ? !strcmp(got, want) : got == want;
	bool pass = tap_result(same, file, line, "%s", what);

	if (!pass)
		diag("got \"%s\", expected \"%s\"", got ? got : "(null)",
		     want ? want : "(null)");
	return pass;
}

/* is_str(got, want, what): equal strings; NULL equals NULL only. */
#define is_str(got, want, what) tap_is_str((got), (want), __FILE__, __LINE__, (what))

static TAP_UNUSED bool tap_ok_mem(const void *got, const void *want, size_t len,
				  const char *file, int line, const char *what)
{
	const unsigned char *a = got, *b = want;
	size_t i = 0;
	bool pass;

	while (i < len && a[i] == b[i])
		i++;
	pass = tap_result(i == len, file, line, "%s", what);
	if (!pass)
		diag("byte %zu is 0x%02x, expected 0x%02x", i, a[i], b[i]);
	return pass;
}

/* ok_mem(got, want, len, what): equal bytes; tells the first that differs. */
#define ok_mem(got, want, len, what) \
	tap_ok_mem((got), (want), (len), __FILE__, __LINE__, (what))

/* skip(why, what): a test that cannot run here, and the reason. */
static TAP_UNUSED void skip(const char *why, const char *what)
{
	unsigned int number = atomic_fetch_add(&tap_count, 1) + 1;

	printf("ok %u - %s # SKIP %s\n", number, what, why);
}

/* bail(fmt, ...): nothing further makes sense; ends the program with status 1. */
static void bail(const char *fmt, ...)
{
	va_list ap;

	fputs("Bail out! ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	exit(1);
}

/* tap_done(): the plan; returns the program's exit status. */
static TAP_UNUSED int tap_done(void)
{
	unsigned int count = atomic_load(&tap_count);
	unsigned int failures = atomic_load(&tap_failures);

	printf("1..%u\n", count);
	fflush(stdout);
	if (failures)
		diag("%u of %u tests failed", failures, count);
	return failures || !count ? 1 : 0;
}

#endif
