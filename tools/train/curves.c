// SPDX-License-Identifier: MIT
/* The log of a training: one JSON object in a line for each epoch. */
#include "curves.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CURVES_MAX_LINE		1024

/* The numbers of a line in their order. */
static const struct {
	const char *name;
	size_t at;
} fields[] = {
	{ "loss", offsetof(struct curves_epoch, loss) },
	{ "accuracy", offsetof(struct curves_epoch, accuracy) },
	{ "held_loss", offsetof(struct curves_epoch, held_loss) },
	{ "held_accuracy", offsetof(struct curves_epoch, held_accuracy) },
	{ "rate", offsetof(struct curves_epoch, rate) },
	{ "sparsity", offsetof(struct curves_epoch, sparsity) },
	{ "quantized", offsetof(struct curves_epoch, quantized) },
	{ "seconds", offsetof(struct curves_epoch, seconds) },
	{ "pictures_per_second", offsetof(struct curves_epoch, pictures_per_second) },
};
#define FIELDS	(sizeof(fields) / sizeof(fields[0]))

/* Printable, and nothing that JSON would escape; @n characters. */
static bool is_stage(const char *text, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			return false;
	return n && n < sizeof(((struct curves_epoch *)NULL)->stage);
}

/* With as few digits as bring back the same bits; JSON has no word for what is not finite but null. */
static int number(char *text, size_t room, double v)
{
	int digits, n = 0;

	if (!isfinite(v))
		return snprintf(text, room, "null");
	for (digits = 6; digits <= 17; digits++) {
		n = snprintf(text, room, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return n;
}

bool curves_check(const struct curves_epoch *e, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!is_stage(e[i].stage, strnlen(e[i].stage, sizeof(e[i].stage))) || !e[i].epoch ||
		    (i && e[i].epoch < e[i - 1].epoch))
			return false;
	return true;
}

int curves_log(FILE *f, const struct curves_epoch *e)
{
	char line[CURVES_MAX_LINE];
	size_t i, n;

	if (!curves_check(e, 1))
		return -EINVAL;
	n = (size_t)snprintf(line, sizeof(line), "{\"epoch\":%u,\"stage\":\"%s\"", e->epoch,
			     e->stage);
	/* The line has room for all: 11 names and numbers of at most 24 characters. */
	for (i = 0; i < FIELDS; i++) {
		n += (size_t)snprintf(line + n, sizeof(line) - n, ",\"%s\":", fields[i].name);
		n += (size_t)number(line + n, sizeof(line) - n,
				    *(const double *)((const char *)e + fields[i].at));
	}
	memcpy(line + n, "}\n", 2);
	/* One write, so that a reader finds whole lines as long as nobody is killed in it. */
	errno = 0;
	if (fwrite(line, 1, n + 2, f) != n + 2 || fflush(f))
		return errno ? -errno : -EIO;
	return 0;
}
