// SPDX-License-Identifier: MIT
/* Checkpoints: named records in a file that is there as a whole or not at all. */
#include "checkpoint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "fqz.h"

#define VERSION		1u
#define HEADER_BYTES	32u
#define RECORD_BYTES	80u
#define NAME_BYTES	64u
#define ALIGNMENT	16u

static const char magic[8] = { 'F', 'Q', 'C', 'K', 'P', 'T', '\r', '\n' };

/* Places in the headers. */
enum { H_VERSION = 8, H_COUNT = 12, H_BYTES = 16, H_ZERO = 24, H_CRC = 28 };
enum { R_LENGTH = 64, R_DATA_CRC = 72, R_CRC = 76 };

struct checkpoint {
	char *path;
	uint8_t *bytes;
	size_t len;
	const char **records;	/* their headers, which begin with the name, by name */
	size_t count;
};

static void put32(uint8_t *p, uint32_t v)
{
	int i;

	for (i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static size_t padding(uint64_t len)
{
	return (size_t)(-len % ALIGNMENT);
}

static int fail(int code, char *err, size_t errlen, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static int fail(int code, char *err, size_t errlen, const char *path, const char *fmt, ...)
{
	int n = snprintf(err, errlen, "%s: ", path);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < errlen)
		vsnprintf(err + n, errlen - (size_t)n, fmt, ap);
	va_end(ap);
	return code;
}

/* 1 to 63 printable characters of ASCII in @room bytes; its length, or 0. */
static size_t name_length(const char *name, size_t room)
{
	size_t n;

	for (n = 0; n < room && name[n]; n++)
		if (name[n] < ' ' || name[n] > '~')
			return 0;
	return n < room ? n : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts @names; one that comes twice, or NULL. */
static const char *find_twice(const char **names, size_t count)
{
	size_t i;

	qsort(names, count, sizeof(*names), compare_names);
	for (i = 1; i < count; i++)
		if (!strcmp(names[i - 1], names[i]))
			return names[i];
	return NULL;
}

/* The size of the file with these records, or a refusal of what could not be read again. */
static int check_records(const char *path, const struct checkpoint_record *records, size_t count,
			 uint64_t *bytes, char *err, size_t errlen)
{
	const char **names, *twice;
	size_t i;

	if (count > CHECKPOINT_MAX_RECORDS)
		return fail(-EINVAL, err, errlen, path, "%zu records are too many", count);
	names = calloc(count + 1, sizeof(*names));
	if (!names)
		return fail(-ENOMEM, err, errlen, path, "out of memory");
	*bytes = HEADER_BYTES;
	for (i = 0; i < count; i++) {
		if (!name_length(records[i].name, NAME_BYTES))
			break;
		if (records[i].len > CHECKPOINT_MAX_BYTES - *bytes)
			break;
		names[i] = records[i].name;
		*bytes += RECORD_BYTES + records[i].len + padding(records[i].len);
		if (*bytes > CHECKPOINT_MAX_BYTES)
			break;
	}
	twice = i == count ? find_twice(names, count) : NULL;
	free(names);
	if (i < count)
		return fail(-EINVAL, err, errlen, path,
			    "record %zu: its name can't be stored, or it is too large", i);
	if (twice)
		return fail(-EINVAL, err, errlen, path, "two records named \"%s\"", twice);
	return 0;
}

static int append_record(struct file_writer *w, const struct checkpoint_record *r, char *err,
			 size_t errlen)
{
	static const uint8_t zeros[ALIGNMENT];
	uint8_t head[RECORD_BYTES] = { 0 };
	int ret;

	memcpy(head, r->name, strlen(r->name));
	put64(head + R_LENGTH, r->len);
	put32(head + R_DATA_CRC, fqz_crc32c(0, r->data, r->len));
	put32(head + R_CRC, fqz_crc32c(0, head, R_CRC));
	ret = file_append(w, head, sizeof(head), err, errlen);
	if (!ret)
		ret = file_append(w, r->data, r->len, err, errlen);
	if (!ret)
		ret = file_append(w, zeros, padding(r->len), err, errlen);
	return ret;
}

int checkpoint_write(const char *path, const struct checkpoint_record *records, size_t count,
		     char *err, size_t errlen)
{
	uint8_t head[HEADER_BYTES] = { 0 };
	struct file_writer *w;
	uint64_t bytes = 0;
	size_t i;
	int ret;

	ret = check_records(path, records, count, &bytes, err, errlen);
	if (ret)
		return ret;
	file_sweep(path);
	ret = file_create(path, &w, err, errlen);
	if (ret)
		return ret;
	memcpy(head, magic, sizeof(magic));
	put32(head + H_VERSION, VERSION);
	put32(head + H_COUNT, (uint32_t)count);
	put64(head + H_BYTES, bytes);
	put32(head + H_CRC, fqz_crc32c(0, head, H_CRC));
	ret = file_append(w, head, sizeof(head), err, errlen);
	for (i = 0; !ret && i < count; i++)
		ret = append_record(w, &records[i], err, errlen);
	if (ret) {
		file_abandon(w);
		return ret;
	}
	return file_commit_synced(w, err, errlen);
}

/* The CRC's place is every version's, so that damage is told from another version. */
static int check_header(const struct checkpoint *c, char *err, size_t errlen)
{
	uint64_t bytes;

	if (c->len < HEADER_BYTES || memcmp(c->bytes, magic, sizeof(magic)))
		return fail(-EBADMSG, err, errlen, c->path, "is not a checkpoint");
	if (get32(c->bytes + H_CRC) != fqz_crc32c(0, c->bytes, H_CRC))
		return fail(-EBADMSG, err, errlen, c->path, "damaged: the header's CRC is wrong");
	if (get32(c->bytes + H_VERSION) != VERSION)
		return fail(-EPROTONOSUPPORT, err, errlen, c->path,
			    "a checkpoint of version %u; this program reads version %u",
			    get32(c->bytes + H_VERSION), VERSION);
	if (get32(c->bytes + H_ZERO))
		return fail(-EBADMSG, err, errlen, c->path, "damaged: a reserved field is not 0");
	bytes = get64(c->bytes + H_BYTES);
	if (bytes != c->len)
		return fail(-EBADMSG, err, errlen, c->path, "%s: %zu bytes of %llu",
			    c->len < bytes ? "cut off" : "too long", c->len,
			    (unsigned long long)bytes);
	if (get32(c->bytes + H_COUNT) > (c->len - HEADER_BYTES) / RECORD_BYTES ||
	    get32(c->bytes + H_COUNT) > CHECKPOINT_MAX_RECORDS)
		return fail(-EBADMSG, err, errlen, c->path, "damaged: too many records");
	return 0;
}

/* The record at @at, which becomes the place behind it. What is wrong with it, or NULL. */
static const char *check_record(const struct checkpoint *c, size_t *at)
{
	const uint8_t *p = c->bytes + *at;
	size_t room = c->len - *at, n, i;
	uint64_t len;

	if (room < RECORD_BYTES)
		return "its header is beyond the file's end";
	if (get32(p + R_CRC) != fqz_crc32c(0, p, R_CRC))
		return "its header's CRC is wrong";
	n = name_length((const char *)p, NAME_BYTES);
	for (i = n; n && i < NAME_BYTES; i++)
		if (p[i])
			n = 0;
	if (!n)
		return "its name is not 1 to 63 printable characters";
	len = get64(p + R_LENGTH);
	room -= RECORD_BYTES;
	if (len > room || padding(len) > room - len)
		return "it goes beyond the file's end";
	p += RECORD_BYTES;
	if (get32(p - RECORD_BYTES + R_DATA_CRC) != fqz_crc32c(0, p, (size_t)len))
		return "its data's CRC is wrong";
	for (i = 0; i < padding(len); i++)
		if (p[len + i])
			return "a byte behind its data is not 0";
	*at += RECORD_BYTES + (size_t)len + padding(len);
	return NULL;
}

static int read_records(struct checkpoint *c, char *err, size_t errlen)
{
	size_t at = HEADER_BYTES, count = get32(c->bytes + H_COUNT), start;
	const char *wrong, *twice;

	c->records = calloc(count + 1, sizeof(*c->records));
	if (!c->records)
		return fail(-ENOMEM, err, errlen, c->path, "out of memory");
	while (c->count < count) {
		start = at;
		wrong = check_record(c, &at);
		if (wrong)
			return fail(-EBADMSG, err, errlen, c->path,
				    "damaged: record %zu of %zu, at byte %zu: %s", c->count + 1,
				    count, start, wrong);
		c->records[c->count++] = (const char *)c->bytes + start;
	}
	if (at != c->len)
		return fail(-EBADMSG, err, errlen, c->path,
			    "damaged: %zu bytes behind the last record", c->len - at);
	twice = find_twice(c->records, count);
	if (twice)
		return fail(-EBADMSG, err, errlen, c->path, "damaged: two records named \"%s\"",
			    twice);
	return 0;
}

int checkpoint_open(const char *path, struct checkpoint **out, char *err, size_t errlen)
{
	struct checkpoint *c = calloc(1, sizeof(*c));
	void *bytes;
	int ret;

	*out = NULL;
	if (!c)
		return fail(-ENOMEM, err, errlen, path, "out of memory");
	c->path = strdup(path);
	ret = c->path ? file_read(path, CHECKPOINT_MAX_BYTES, &bytes, &c->len, err, errlen) :
			fail(-ENOMEM, err, errlen, path, "out of memory");
	if (ret)
		goto close;
	c->bytes = bytes;
	ret = check_header(c, err, errlen);
	if (!ret)
		ret = read_records(c, err, errlen);
	if (ret)
		goto close;
	*out = c;
	return 0;
close:
	checkpoint_close(c);
	return ret;
}

void checkpoint_close(struct checkpoint *c)
{
	if (!c)
		return;
	free(c->records);
	free(c->bytes);
	free(c->path);
	free(c);
}

const void *checkpoint_find(const struct checkpoint *c, const char *name, size_t *len)
{
	const char **found = bsearch(&name, c->records, c->count, sizeof(*c->records),
				     compare_names);
	const uint8_t *p;

	if (!found)
		return NULL;
	p = (const uint8_t *)*found;
	if (len)
		*len = (size_t)get64(p + R_LENGTH);
	return p + RECORD_BYTES;
}

int checkpoint_read(const struct checkpoint *c, const struct checkpoint_record *records,
		    size_t count, char *err, size_t errlen)
{
	const void *data;
	size_t i, len;

	for (i = 0; i < count; i++) {
		data = checkpoint_find(c, records[i].name, &len);
		if (!data)
			return fail(-EBADMSG, err, errlen, c->path,
				    "no record named \"%s\": is it of another training?",
				    records[i].name);
		if (len != records[i].len)
			return fail(-EBADMSG, err, errlen, c->path,
				    "record \"%s\" has %zu bytes instead of %zu: is it of another "
				    "training?", records[i].name, len, records[i].len);
		if (len)
			memcpy(records[i].data, data, len);
	}
	return 0;
}
