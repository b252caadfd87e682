/* SPDX-License-Identifier: MIT */
/* What every command-line tool does alike: messages, progress, exit status. */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/** cli_start() - the tool's name, for messages. */
void cli_start(const char *tool);

/** cli_error() - one line on stderr, after the tool's name; returns CLI_FAILED. */
int cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** cli_usage() - likewise, and where help is; returns CLI_USAGE. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** cli_usage_hint() - where help is, after getopt_long() said what is wrong. */
int cli_usage_hint(void);

/** cli_version() - prints name and version; returns CLI_OK. */
int cli_version(void);

/** cli_finish() - flush stdout; @status, or CLI_FAILED where it could not be written. */
int cli_finish(int status);

/** cli_utf8_length() - bytes of the character that a text begins with, 0 where it is ill-formed. */
size_t cli_utf8_length(const char *text);

/** cli_text_length() - the same, but 0 for control characters too. */
size_t cli_text_length(const char *text);

/** cli_json_string() - print a string with quotes; bytes that are no UTF-8 become U+FFFD. */
void cli_json_string(FILE *f, const char *text);

/*
 * A bar on stderr, if that is a terminal and there is something to wait for. cli_error() lines
 * and the bar do not mix: take it away first.
 */
void cli_progress(size_t done, size_t total);
void cli_progress_clear(void);

/** cli_status() - instead of the bar a line of text, cut to the terminal's width. */
void cli_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
