// SPDX-License-Identifier: MIT
/* Checkpoints: what is read is what was written; whatever is not a whole one is refused. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "fail_alloc.h"
#include "fqz.h"
#include "tap.h"
#include "train/checkpoint.h"

static char root[] = "/tmp/fqaccel-checkpoint-XXXXXX";
static char file[600];
static char err[512];

static float weights[5] = { 1, -2, 3.5f, 0, 1e-20f };
static uint32_t epoch = 17;
static char text[] = "exactly sixteen!";

static const struct checkpoint_record records[] = {
	{ "layer.3.weight", weights, sizeof(weights) },
	{ "epoch", &epoch, sizeof(epoch) },
	{ "empty", NULL, 0 },
	{ "a name of 63 characters, which is the longest one that there is", text, 16 },
};
#define COUNT	(sizeof(records) / sizeof(records[0]))

static void write_bytes(const void *data, size_t len)
{
	char why[512];

	if (file_write(file, data, len, why, sizeof(why)))
		bail("%s", why);
}

static uint8_t *read_bytes(size_t *len)
{
	char why[512];
	void *p;

	if (file_read(file, 1 << 20, &p, len, why, sizeof(why)))
		bail("%s", why);
	return p;
}

/* The return code of opening these bytes; err tells more. */
static int try_bytes(const void *data, size_t len)
{
	struct checkpoint *c;
	int ret;

	write_bytes(data, len);
	err[0] = '\0';
	ret = checkpoint_open(file, &c, err, sizeof(err));
	checkpoint_close(c);
	return ret;
}

static bool told(void)
{
	return !strncmp(err, file, strlen(file)) && strlen(err) > strlen(file) + 5;
}

static void test_roundtrip(void)
{
	float got[5] = { 0 };
	uint32_t number = 0;
	char back[16];
	struct checkpoint_record in[] = {
		{ records[3].name, back, 16 }, { "epoch", &number, 4 }, { "empty", NULL, 0 },
		{ "layer.3.weight", got, sizeof(got) },
	};
	struct checkpoint *c;
	char left[700], other[700];
	struct stat st;
	size_t len = 99;

	snprintf(left, sizeof(left), "%s.tmp-Ab3dEf", file);
	snprintf(other, sizeof(other), "%s.tmp-Ab3dEfg", file);
	if (file_write(left, "half", 4, err, sizeof(err)) ||
	    file_write(other, "mine", 4, err, sizeof(err)))
		bail("%s", err);
	is_int(checkpoint_write(file, records, COUNT, err, sizeof(err)), 0, "a checkpoint is written");
	ok(stat(left, &st) && !stat(other, &st), "what a killed program left is removed, no more");
	unlink(other);
	ok(!stat(file, &st) && st.st_size == 32 + 4 * 80 + 32 + 16 + 16, "its size is as documented");
	is_int(checkpoint_open(file, &c, err, sizeof(err)), 0, "and read");
	is_int(checkpoint_read(c, in, 4, err, sizeof(err)), 0, "all of it, in another order");
	ok(number == 17 && !memcmp(got, weights, sizeof(got)) && !memcmp(back, text, 16),
	   "to the bit");
	ok(checkpoint_find(c, "empty", &len) && !len, "an empty record is there");
	ok((uintptr_t)checkpoint_find(c, "layer.3.weight", NULL) % 16 == 0, "data is aligned");
	ok(!checkpoint_find(c, "layer.3", &len) && !checkpoint_find(c, "", &len), "others are not");
	in[1].len = 5;
	is_int(checkpoint_read(c, in, 4, err, sizeof(err)), -EBADMSG, "one of another length");
	ok(told() && strstr(err, "\"epoch\" has 4 bytes instead of 5"), "is named");
	in[1].name = "loss";
	is_int(checkpoint_read(c, in, 4, err, sizeof(err)), -EBADMSG, "one that is not there");
	ok(told() && strstr(err, "\"loss\""), "is named, too");
	checkpoint_close(c);
	is_int(checkpoint_write(file, NULL, 0, err, sizeof(err)), 0, "one without records is written");
	is_int(checkpoint_open(file, &c, err, sizeof(err)), 0, "and read");
	ok(!checkpoint_find(c, "epoch", NULL), "there is nothing in it");
	checkpoint_close(c);
	checkpoint_close(NULL);
}

static void test_damage(void)
{
	size_t len, i, refused = 0;
	uint8_t *bytes, *longer;
	int bit;

	checkpoint_write(file, records, COUNT, err, sizeof(err));
	bytes = read_bytes(&len);
	is_int(try_bytes(bytes, len), 0, "the whole file");
	for (i = 0; i < len; i++)
		refused += try_bytes(bytes, i) == -EBADMSG && told();
	is_int(refused, len, "cut off anywhere");
	for (i = 0, refused = 0; i < len; i++)
		for (bit = 0; bit < 8; bit += 7) {
			bytes[i] ^= (uint8_t)(1 << bit);
			refused += try_bytes(bytes, len) == -EBADMSG && told();
			bytes[i] ^= (uint8_t)(1 << bit);
		}
	is_int(refused, 2 * len, "a wrong bit anywhere");
	longer = calloc(1, len + 16);
	memcpy(longer, bytes, len);
	ok(try_bytes(longer, len + 16) == -EBADMSG && strstr(err, "too long"), "something behind it");
	free(longer);
	free(bytes);
	unlink(file);
	ok(checkpoint_open(file, &(struct checkpoint *){ NULL }, err, sizeof(err)) == -ENOENT && told(),
	   "no file");
	ok(checkpoint_open(root, &(struct checkpoint *){ NULL }, err, sizeof(err)) == -EINVAL,
	   "a folder");
}

static void put(uint8_t *p, uint64_t v, int bytes)
{
	while (bytes--) {
		*p++ = (uint8_t)v;
		v >>= 8;
	}
}

/* A file that was made to do harm has right CRCs. */
static void seal(uint8_t *bytes, size_t record)
{
	put(bytes + 28, fqz_crc32c(0, bytes, 28), 4);
	put(bytes + record + 76, fqz_crc32c(0, bytes + record, 76), 4);
}

static void hostile(const char *what, size_t record, size_t at, const void *data, size_t n, int code,
		    const char *says)
{
	size_t len;
	uint8_t *bytes;
	int ret;

	checkpoint_write(file, records, COUNT, err, sizeof(err));
	bytes = read_bytes(&len);
	memcpy(bytes + at, data, n);
	seal(bytes, record);
	ret = try_bytes(bytes, len);
	free(bytes);
	if (!ok(ret == code && told() && strstr(err, says), "%s: %s", what, says))
		diag("%d: %s", ret, err);
}

static void hostile_number(const char *what, size_t record, size_t at, uint64_t v, int bytes, int code,
			   const char *says)
{
	uint8_t data[8];

	put(data, v, bytes);
	hostile(what, record, at, data, (size_t)bytes, code, says);
}

static void test_hostile(void)
{
	/* Where the records' headers are: 20 bytes of weights take 32. */
	const size_t first = 32, second = 32 + 80 + 32, last = second + 80 + 16 + 80;
	char name[64] = "epoch";

	hostile_number("another version", first, 8, 2, 4, -EPROTONOSUPPORT, "version 2");
	hostile_number("a reserved field", first, 24, 1, 4, -EBADMSG, "not 0");
	hostile_number("many records", first, 12, 0xffffffff, 4, -EBADMSG, "too many records");
	hostile_number("one record more", first, 12, 5, 4, -EBADMSG, "");
	hostile_number("one record less", first, 12, 3, 4, -EBADMSG, "behind the last record");
	hostile_number("more bytes", first, 16, UINT64_MAX, 8, -EBADMSG, "cut off");
	hostile_number("a huge record", first, first + 64, UINT64_MAX, 8, -EBADMSG, "file's end");
	hostile_number("a large record", last, last + 64, 17, 8, -EBADMSG, "file's end");
	hostile_number("one of all but the padding", first, first + 64, UINT64_MAX - 10, 8, -EBADMSG,
		       "file's end");
	hostile_number("a smaller record", last, last + 64, 0, 8, -EBADMSG, "CRC");
	hostile_number("an empty name", first, first, 0, 1, -EBADMSG, "printable");
	hostile_number("a control character", first, first + 2, '\n', 1, -EBADMSG, "printable");
	hostile_number("bytes behind a name", first, first + 62, 'x', 1, -EBADMSG, "printable");
	hostile_number("a name without end", last, last + 63, 'x', 1, -EBADMSG, "printable");
	hostile("the same name twice", first, first, name, 64, -EBADMSG, "two records named \"epoch\"");
}

/* The last record's data fits in, its padding does not. */
static void test_no_padding(void)
{
	size_t len, last;
	uint8_t *bytes;

	checkpoint_write(file, records, COUNT, err, sizeof(err));
	bytes = read_bytes(&len);
	last = len - 16 - 80;
	put(bytes + 16, len - 5, 8);
	put(bytes + last + 64, 11, 8);
	put(bytes + last + 72, fqz_crc32c(0, bytes + last + 80, 11), 4);
	seal(bytes, last);
	ok(try_bytes(bytes, len - 5) == -EBADMSG && strstr(err, "file's end"), "without padding");
	free(bytes);
}

static void refuse_write(const char *what, const struct checkpoint_record *r, size_t count, int code)
{
	uint8_t *bytes;
	size_t len;

	write_bytes("old", 3);
	err[0] = '\0';
	ok(checkpoint_write(file, r, count, err, sizeof(err)) == code && told(), "%s is refused", what);
	bytes = read_bytes(&len);
	ok(len == 3 && !memcmp(bytes, "old", 3), "the old file stays");
	free(bytes);
}

static void test_refusals(void)
{
	struct checkpoint_record r[2] = { { "one", &epoch, 4 }, { "one", &epoch, 4 } };
	char lost[700];

	refuse_write("a name twice", r, 2, -EINVAL);
	r[1].name = "";
	refuse_write("an empty name", r, 2, -EINVAL);
	r[1].name = "caf\xc3\xa9";
	refuse_write("a name that is not ASCII", r, 2, -EINVAL);
	r[1].name = "a name of 64 characters, which is one character more than we may";
	refuse_write("a long name", r, 2, -EINVAL);
	r[1].name = "two";
	r[1].len = SIZE_MAX;
	refuse_write("a length beyond all memory", r, 2, -EINVAL);
	refuse_write("a great number of records", r, (size_t)CHECKPOINT_MAX_RECORDS + 1, -EINVAL);
	snprintf(lost, sizeof(lost), "%s/absent/file", root);
	ok(checkpoint_write(lost, r, 1, err, sizeof(err)) == -ENOENT && strstr(err, lost),
	   "a folder that is not there");
}

/* Every allocation fails once; the old file stays whenever the new one was not written. */
static void test_memory(void)
{
	struct checkpoint *c = NULL;
	struct checkpoint_record one = { "old", &epoch, 4 };
	long i, good = 0;
	bool failed = true;
	int ret;

	if (checkpoint_write(file, &one, 1, err, sizeof(err)))
		bail("%s", err);
	for (i = 0; failed; i++) {
		err[0] = '\0';
		fail_alloc(i);
		ret = checkpoint_write(file, records, COUNT, err, sizeof(err));
		failed = fail_alloc_end();
		good += failed ? ret == -ENOMEM && err[0] : !ret;
	}
	ok(i > 2 && good == i, "writing: %ld of %ld failed allocations were told", good - 1, i - 1);
	for (i = 0, good = 0, failed = true; failed; i++) {
		err[0] = '\0';
		fail_alloc(i);
		ret = checkpoint_open(file, &c, err, sizeof(err));
		failed = fail_alloc_end();
		good += failed ? ret == -ENOMEM && err[0] && !c : !ret;
	}
	ok(i > 3 && good == i, "reading: %ld of %ld failed allocations were told", good - 1, i - 1);
	checkpoint_close(c);
}

int main(void)
{
	char command[600];

	if (!mkdtemp(root))
		bail("no folder");
	snprintf(file, sizeof(file), "%s/checkpoint", root);
	test_roundtrip();
	test_damage();
	test_hostile();
	test_no_padding();
	test_refusals();
	test_memory();
	snprintf(command, sizeof(command), "test -z \"$(find %s -name '*.tmp-*')\"", root);
	is_int(system(command), 0, "no temporary file is left");
	snprintf(command, sizeof(command), "rm -rf %s", root);
	if (system(command))
		diag("%s could not be removed", root);
	return tap_done();
}
