// SPDX-License-Identifier: MIT
/* The log of a training: one JSON object in a line for each epoch. */
#include "curves.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"

#define CURVES_MAX_FILE		((size_t)64 << 20)
#define CURVES_MAX_LINE		1024

/* The numbers of a line in their order, which the reader insists on. */
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

static bool take(const char **p, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(*p, text, n))
		return false;
	*p += n;
	return true;
}

static size_t digits(const char *p)
{
	return strspn(p, "0123456789");
}

/* A number as JSON writes it, which is less than strtod() takes. */
static bool take_number(const char **p, double *v)
{
	const char *s = *p;
	size_t n;

	if (take(p, "null")) {
		*v = NAN;
		return true;
	}
	s += *s == '-';
	n = digits(s);
	if (!n || (n > 1 && *s == '0'))
		return false;
	s += n;
	if (*s == '.') {
		n = digits(s + 1);
		if (!n)
			return false;
		s += 1 + n;
	}
	if (*s == 'e' || *s == 'E') {
		s += s[1] == '+' || s[1] == '-' ? 2 : 1;
		n = digits(s);
		if (!n)
			return false;
		s += n;
	}
	*v = strtod(*p, NULL);
	*p = s;
	return isfinite(*v);
}

static bool take_epoch(const char **p, uint32_t *epoch)
{
	size_t n = digits(*p);
	unsigned long long v;

	if (!n || n > 10 || **p == '0')
		return false;
	v = strtoull(*p, NULL, 10);
	*p += n;
	*epoch = (uint32_t)v;
	return v <= UINT32_MAX;
}

static bool take_stage(const char **p, char *stage)
{
	size_t n = strcspn(*p, "\"");

	if (!is_stage(*p, n))
		return false;
	memcpy(stage, *p, n);
	stage[n] = '\0';
	*p += n;
	return true;
}

/* A line whose end is a zero byte; what is wrong with it, or NULL. */
static const char *parse_line(const char *line, struct curves_epoch *e)
{
	const char *p = line;
	size_t i;

	memset(e, 0, sizeof(*e));
	if (!take(&p, "{\"epoch\":") || !take_epoch(&p, &e->epoch))
		return "does not begin with the epoch's number";
	if (!take(&p, ",\"stage\":\"") || !take_stage(&p, e->stage) || !take(&p, "\""))
		return "has no stage behind the epoch";
	for (i = 0; i < FIELDS; i++)
		if (!take(&p, ",\"") || !take(&p, fields[i].name) || !take(&p, "\":") ||
		    !take_number(&p, (double *)((char *)e + fields[i].at)))
			return fields[i].name;
	return take(&p, "}") && !*p ? NULL : "goes on behind its last number";
}

static int read_line(const char *path, size_t line, const char *text, size_t len,
		     struct curves_epoch *e, char *err, size_t errlen)
{
	const char *wrong;
	size_t i;

	/* A zero byte would hide what is behind it. */
	wrong = memchr(text, 0, len) ? "has a zero byte in it" : parse_line(text, e);
	if (!wrong && line > 1 && e->epoch < e[-1].epoch)
		wrong = "is of an earlier epoch than the line before";
	if (!wrong)
		return 0;
	for (i = 0; i < FIELDS && wrong != fields[i].name; i++)
		;
	if (i < FIELDS)
		snprintf(err, errlen, "%s:%zu: is not a line of a training's log: no number of "
			 "\"%s\" in its place", path, line, wrong);
	else
		snprintf(err, errlen, "%s:%zu: is not a line of a training's log: %s", path, line,
			 wrong);
	return -EBADMSG;
}

static size_t count_lines(const char *text, size_t len)
{
	const char *end = text + len;
	size_t n = 0;

	while (text < end && (text = memchr(text, '\n', (size_t)(end - text)))) {
		text++;
		n++;
	}
	return n;
}

int curves_read(const char *path, struct curves_epoch **out, char *err, size_t errlen)
{
	struct curves_epoch *e;
	char *text, *p, *end;
	size_t len, count, i;
	void *data;
	int ret;

	*out = NULL;
	ret = file_read(path, CURVES_MAX_FILE, &data, &len, err, errlen);
	if (ret)
		return ret;
	text = data;
	/* A line without its end was being written when the program was killed: it does not count. */
	count = count_lines(text, len);
	e = calloc(count + 1, sizeof(*e));
	if (!e) {
		free(data);
		snprintf(err, errlen, "%s: out of memory", path);
		return -ENOMEM;
	}
	for (i = 0, p = text; !ret && i < count; i++, p = end + 1) {
		end = memchr(p, '\n', len - (size_t)(p - text));
		*end = '\0';
		ret = read_line(path, i + 1, p, (size_t)(end - p), &e[i], err, errlen);
	}
	free(data);
	if (ret) {
		free(e);
		return ret;
	}
	*out = e;
	return (int)count;
}
