// SPDX-License-Identifier: MIT
/* libfqaccel: every refusal has its errno and a text that says what to do. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "soft.h"
#include "smallnet.h"
#include "tap.h"

static struct fqaccel_card *card;

/* The call just made failed with @code, and its text has @text in it. */
static void failed(int got, int code, const char *text, const char *what)
{
	is_int(got, code, what);
	if (!ok(strstr(fqaccel_error(), text), "%s: the text says \"%s\"", what, text))
		diag("it says: %s", fqaccel_error());
	ok(!strchr(fqaccel_error(), '\n'), "%s: in one line", what);
}

static void test_open(void)
{
	struct fqaccel_card *other = (void *)1;
	char version[40];

	failed(fqaccel_card_open("/dev/fqaccel987", &other), -ENOENT, "modprobe fqaccel",
	       "an absent device");
	ok(!other, "out is NULL after a failure");
	failed(fqaccel_card_open("/dev/null", &other), -ENODEV, "not an fqaccel card",
	       "another device");
	failed(fqaccel_card_open("/etc/hostname", &other), -ENODEV, "not a device", "a file");
	failed(fqaccel_card_open("hard", &other), -EINVAL, "\"soft\"", "an unknown name");
	failed(fqaccel_card_open("soft", NULL), -EINVAL, "NULL", "nowhere to put it");
	fqaccel_card_close(NULL);
	fqaccel_model_close(NULL);
	fqaccel_queue_close(NULL);
	fqaccel_buffer_close(NULL);
	is_str(fqaccel_strerror(-ENOSPC), "no room on the card now", "a text for an errno of ours");
	is_str(fqaccel_strerror(-EAGAIN), "Resource temporarily unavailable", "for one that is not");
	is_str(fqaccel_strerror(12345), "unknown error", "and for none");
	is_str(fqaccel_strerror(INT_MIN), "unknown error", "nor for what cannot be negated");
	snprintf(version, sizeof(version), "%d.%d.%d", FQACCEL_VERSION_MAJOR,
		 FQACCEL_VERSION_MINOR, FQACCEL_VERSION_PATCH);
	is_str(fqaccel_version(), version, "the library's version is the header's");
}

/* Who may not open a device is told the group that the driver's udev rule gives it to. */
static void test_permission(void)
{
	char path[] = "/tmp/fqaccel-lib-XXXXXX", line[256], text[300], *group = NULL;
	FILE *rules = fopen("kernel/udev/99-fqaccel.rules", "r");
	struct fqaccel_card *other;
	bool root = !geteuid();
	int fd = mkstemp(path);

	while (rules && !group && fgets(line, sizeof(line), rules))
		group = strstr(line, "GROUP=\"");
	if (!group || fd < 0 || fchmod(fd, 0) || (root && seteuid(65534)))
		bail("no group in the udev rule, or no file that cannot be opened");
	group = strtok(group + strlen("GROUP=\""), "\"");
	snprintf(text, sizeof(text), "group \"%s\" (usermod -aG %s USER", group, group);
	failed(fqaccel_card_open(path, &other), -EACCES, text, "no permission");
	if (root && seteuid(0))
		bail("seteuid");
	fclose(rules);
	close(fd);
	unlink(path);
}

/* Every byte of an image flipped: refused each time, with the format's reason. */
static void test_garbage(void)
{
	struct fqaccel_model *model = NULL;
	int codes = 0, texts = 0;
	uint8_t *data;
	size_t len, i;

	if (small_fc((void **)&data, &len))
		bail("no network");
	failed(fqaccel_model_load(card, "hello", 5, &model), -EBADMSG, "TRUNCATED",
	       "five bytes of text");
	failed(fqaccel_model_load(card, data, len - 1, &model), -EBADMSG, "TRUNCATED",
	       "a truncated image");
	failed(fqaccel_model_load(card, data, 0, &model), -EBADMSG, "0 bytes", "an empty image");
	data[0] ^= 1;
	failed(fqaccel_model_load(card, data, len, &model), -EBADMSG, "MAGIC at byte 0",
	       "another magic");
	data[0] ^= 1;
	data[len - 1] ^= 1;
	failed(fqaccel_model_load(card, data, len, &model), -EBADMSG, "CRC", "a flipped bit");
	data[len - 1] ^= 1;
	for (i = 0; i < len; i++) {
		data[i] ^= 0x10;
		/* Compat_Features and the minor version may change, but for the header's CRC. */
		codes += fqaccel_model_load(card, data, len, &model) == -EBADMSG;
		texts += strstr(fqaccel_error(), "the card refuses the image: ") != NULL;
		data[i] ^= 0x10;
	}
	/* Bytes of padding are not under a CRC, but must be zero. */
	is_int(codes, len, "each flipped byte is refused");
	is_int(texts, len, "with a text");
	ok(!model, "out stays NULL");
	is_int(fqaccel_model_load(card, data, len, &model), 0, "the image itself is taken");
	fqaccel_model_close(model);
	free(data);
}

static void test_huge(void)
{
	struct fqaccel_card_info before, after;
	struct fqaccel_model *model;
	void *data;
	size_t len;

	if (small_huge(&data, &len))
		bail("no network");
	fqaccel_card_info(card, &before, sizeof(before));
	failed(fqaccel_model_load(card, data, len, &model), -EFBIG, "more memory",
	       "a model larger than the card");
	fqaccel_card_info(card, &after, sizeof(after));
	is_int(after.memory_free, before.memory_free, "it takes no card memory");
	free(data);
}

/* Slots or memory run out: -ENOSPC, and room again once a model is closed. */
static void test_full(void)
{
	static struct fqaccel_model *models[300];
	int count = 0, ret = 0;
	void *data;
	size_t len;

	if (small_gray(&data, &len))
		bail("no network");
	while (count < 300 && !ret) {
		ret = fqaccel_model_load(card, data, len, &models[count]);
		count += !ret;
	}
	is_int(count, 256, "a card has 256 slots");
	failed(ret, -ENOSPC, "close one", "one model too many");
	fqaccel_model_close(models[--count]);
	is_int(fqaccel_model_load(card, data, len, &models[count++]), 0, "room after a close");
	while (count)
		fqaccel_model_close(models[--count]);
	free(data);
}

static void test_file(void)
{
	char path[] = "/tmp/fqaccel-lib-XXXXXX", longest[4000] = "";
	struct fqaccel_model *model;
	int fd = mkstemp(path);

	failed(fqaccel_model_load_file(card, "/nonexistent.fqz", &model), -ENOENT,
	       "/nonexistent.fqz: ", "an absent file");
	failed(fqaccel_model_load_file(card, "/tmp", &model), -EINVAL, "not a regular file",
	       "a folder");
	failed(fqaccel_model_load_file(card, path, &model), -EBADMSG, "0 bytes", "an empty file");
	if (write(fd, "hello", 5) != 5)
		bail("write");
	failed(fqaccel_model_load_file(card, path, &model), -EBADMSG, path, "a file of text");
	memset(longest, '/', sizeof(longest) - 1);
	failed(fqaccel_model_load_file(card, longest, &model), -EINVAL, "not a regular file",
	       "the longest path does not push out what is wrong");
	close(fd);
	unlink(path);
}

/* Bad runs: each is refused before anything is queued. */
static void test_runs(void)
{
	struct fqaccel_run_desc good, bad;
	struct fqaccel_buffer *in, *out, *both, *foreign;
	struct fqaccel_card *other;
	struct fqaccel_queue *queue;
	struct fqaccel_model *model;
	struct fqaccel_run_desc pair[2];
	uint64_t seq = 0;
	void *data;
	size_t len;

	if (small_fc(&data, &len) || fqaccel_model_load(card, data, len, &model) ||
	    fqaccel_card_open("soft", &other) || fqaccel_queue_create(card, 4, &queue) ||
	    fqaccel_buffer_create(card, 100, FQACCEL_CARD_READS, &in) ||
	    fqaccel_buffer_create(card, 100, FQACCEL_CARD_WRITES, &out) ||
	    fqaccel_buffer_create(card, 100, FQACCEL_CARD_READS | FQACCEL_CARD_WRITES, &both) ||
	    fqaccel_buffer_create(other, 100, FQACCEL_CARD_READS, &foreign))
		bail("no objects: %s", fqaccel_error());
	good = (struct fqaccel_run_desc){ .model = model, .input = in, .output = out, .batch = 1 };
#define BAD(change, code, text, what) do {					\
	bad = good;								\
	change;									\
	failed(fqaccel_queue_submit(queue, &bad, 1, &seq), code, text, what);	\
} while (0)
	BAD(bad.model = NULL, -EINVAL, "NULL", "no model");
	BAD(bad.input = NULL, -EINVAL, "NULL", "no input");
	BAD(bad.batch = 0, -EINVAL, "batch", "no picture");
	BAD(bad.batch = 65537, -EINVAL, "batch", "too many pictures");
	BAD(bad.batch = 3, -EINVAL, "input needs 144 bytes", "an input that is too small");
	BAD(bad.output_offset = 61, -EINVAL, "output needs 40 bytes", "an output past its buffer");
	BAD(bad.output_offset = UINT64_MAX, -EINVAL, "output needs", "an offset that overflows");
	BAD(bad.input = out, -EACCES, "FQACCEL_CARD_READS", "an input that the card may not read");
	BAD(bad.output = in, -EACCES, "FQACCEL_CARD_WRITES", "an output that it may not write");
	BAD((bad.input = both, bad.output = both), -EINVAL, "overlap", "input and output overlap");
	BAD((bad.input = both, bad.output = both, bad.output_offset = 47), -EINVAL, "overlap",
	    "by a byte");
	BAD(bad.layer_count = 2, -EINVAL, "layers", "layers past the last");
	BAD(bad.first_layer = 1, -EINVAL, "layers", "no layers");
	BAD(bad.reserved = 1, -EINVAL, "reserved", "a reserved field");
	BAD(bad.input = foreign, -EINVAL, "another card", "a buffer of another card");
	failed(fqaccel_queue_submit(queue, &good, 0, &seq), -EINVAL, "count", "no run");
	pair[0] = good;
	pair[1] = bad;
	failed(fqaccel_queue_submit(queue, pair, 2, &seq), -EINVAL, "run 1", "a good and a bad one");
	failed(fqaccel_queue_wait(queue, 1, 0, NULL), -EINVAL, "never submitted",
	       "neither was accepted");
	bad = good;
	bad.input = bad.output = both;
	bad.output_offset = 48;
	is_int(fqaccel_queue_submit(queue, &bad, 1, &seq), 1, "side by side in one buffer is fine");
	is_int(fqaccel_queue_wait(queue, seq, -1, NULL), 0, "and runs");
	failed(fqaccel_queue_wait(queue, 0, -1, NULL), -EINVAL, "sequence", "sequence 0");
	fqaccel_buffer_close(foreign);
	fqaccel_card_close(other);
	fqaccel_buffer_close(both);
	fqaccel_buffer_close(out);
	fqaccel_buffer_close(in);
	fqaccel_queue_close(queue);
	fqaccel_model_close(model);
	free(data);
}

static void test_objects(void)
{
	struct fqaccel_buffer *buf;
	struct fqaccel_queue *queue;

	failed(fqaccel_buffer_create(card, 0, FQACCEL_CARD_READS, &buf), -EINVAL, "bytes",
	       "a buffer without bytes");
	failed(fqaccel_buffer_create(card, 1, 0, &buf), -EINVAL, "directions", "no direction");
	failed(fqaccel_buffer_create(card, 1, 4, &buf), -EINVAL, "directions", "an unknown one");
	failed(fqaccel_buffer_create(card, SIZE_MAX, FQACCEL_CARD_READS, &buf), -EINVAL, "bytes",
	       "a buffer of all memory");
	failed(fqaccel_queue_create(card, 4097, &queue), -EINVAL, "depth", "too deep a queue");
	failed(fqaccel_queue_create(NULL, 1, &queue), -EINVAL, "NULL", "a queue of no card");
	is_int(fqaccel_buffer_create(card, 5000, FQACCEL_CARD_READS, &buf), 0, "a buffer");
	is_int(fqaccel_buffer_size(buf), 5000, "its size");
	is_int(((char *)fqaccel_buffer_data(buf))[4999], 0, "it is zeroed");
	fqaccel_buffer_close(buf);
}

/* A card of one's own with the small network. */
static struct fqaccel_card *own_card(struct fqaccel_model **model)
{
	struct fqaccel_card *own;
	void *data;
	size_t len;

	if (small_fc(&data, &len) || fqaccel_card_open("soft", &own) ||
	    fqaccel_model_load(own, data, len, model))
		bail("no card: %s", fqaccel_error());
	free(data);
	return own;
}

static void test_dma_fault(void)
{
	static const uint8_t x[SMALL_FC_INPUTS];
	struct fqaccel_run_result result;
	struct fqaccel_run_desc run;
	struct fqaccel_buffer *buf;
	struct fqaccel_queue *queue;
	struct fqaccel_model *model;
	struct fqaccel_card *own = own_card(&model);
	int32_t y[SMALL_CLASSES];
	uint64_t seq;

	if (fqaccel_queue_create(own, 0, &queue) ||
	    fqaccel_buffer_create(own, 200, FQACCEL_CARD_READS | FQACCEL_CARD_WRITES, &buf))
		bail("no objects");
	card_fault_set(own->soft->card, CARD_FAULT_FAIL_DMA, 1);
	failed(fqaccel_infer(model, x, y, 1), -EFAULT, "DMA_FAULT", "a transfer that fails");
	is_int(fqaccel_infer(model, x, y, 1), 0, "the next run is not disturbed");
	card_fault_set(own->soft->card, CARD_FAULT_FAIL_DMA, 1);
	run = (struct fqaccel_run_desc){
		.model = model, .input = buf, .output = buf, .output_offset = 100, .batch = 1,
	};
	if (fqaccel_queue_submit(queue, &run, 1, &seq) != 1)
		bail("submit: %s", fqaccel_error());
	is_int(fqaccel_queue_wait(queue, seq, -1, &result), 0, "waiting for a run that failed works");
	is_int(result.status, -EFAULT, "its status");
	is_int(result.card_status, FQA_SC_DMA_FAULT, "the card's");
	is_int(result.cycles, 0, "no cycles");
	failed(fqaccel_queue_wait(queue, seq, -1, NULL), -EFAULT, "DMA_FAULT", "without a result");
	fqaccel_queue_close(queue);
	fqaccel_buffer_close(buf);
	fqaccel_model_close(model);
	fqaccel_card_close(own);
}

/* The card stops for good: everybody is told, nobody waits for ever. */
static void test_dead(void)
{
	enum { RUNS = 20 };
	static const uint8_t x[SMALL_FC_INPUTS];
	struct fqaccel_model *model, *other = NULL;
	struct fqaccel_card *own = own_card(&model);
	struct fqaccel_run_desc runs[RUNS];
	struct fqaccel_run_result result;
	struct fqaccel_queue *queue;
	struct fqaccel_buffer *buf;
	int32_t y[SMALL_CLASSES];
	uint64_t seq;
	int i, finished = 0;

	if (fqaccel_queue_create(own, 0, &queue) ||
	    fqaccel_buffer_create(own, 200, FQACCEL_CARD_READS | FQACCEL_CARD_WRITES, &buf))
		bail("no objects");
	for (i = 0; i < RUNS; i++)
		runs[i] = (struct fqaccel_run_desc){
			.model = model, .input = buf, .output = buf, .output_offset = 100,
			.batch = 1,
		};
	/* Both under the lock: the card dies with runs on the way. */
	soft_lock(own->soft);
	card_mmio_write(own->soft->card, FQA_REG_SQ_TAIL(3), SOFT_IO_ENTRIES, 4);
	soft_unlock(own->soft);
	if (fqaccel_queue_submit(queue, runs, RUNS, &seq) > 0) {
		for (i = 1; i <= RUNS; i++)
			finished += !fqaccel_queue_wait(queue, (uint64_t)i, -1, &result) &&
				    (!result.status || result.status == -ENODEV);
		is_int(finished, RUNS, "every run of a card that died has a result");
	} else {
		ok(strstr(fqaccel_error(), "open it anew"), "a card that died takes no runs");
	}
	failed(fqaccel_infer(model, x, y, 1), -ENODEV, "open it anew", "a run on a dead card");
	failed(fqaccel_model_load(own, model->data, model->len, &other), -ENODEV, "open it anew",
	       "a load on a dead card");
	fqaccel_queue_close(queue);
	fqaccel_buffer_close(buf);
	fqaccel_model_close(model);
	fqaccel_card_close(own);
	own = own_card(&model);
	is_int(fqaccel_infer(model, x, y, 1), 0, "a card that is opened anew works");
	fqaccel_model_close(model);
	fqaccel_card_close(own);
}

/* A folder made like /dev and sysfs. */
static void test_find(void)
{
	char root[] = "/tmp/fqaccel-find-XXXXXX", name[300], address[64], driver[64];
	static const char *const files[][2] = {
		{ "0000:00:03.0/vendor", "0x1234\n" }, { "0000:00:03.0/device", "0x1111\n" },
		{ "0000:00:04.0/vendor", "0x1234\n" }, { "0000:00:04.0/device", "0x4651\n" },
		{ "fqaccel12", "" }, { "fqaccel3", "" }, { "fqaccelx", "" }, { "fqaccel2x", "" },
	};
	char command[600];
	size_t i;
	FILE *f;

	if (!mkdtemp(root) || chdir(root) || mkdir("0000:00:03.0", 0777) ||
	    mkdir("0000:00:04.0", 0777))
		bail("no folder");
	is_int(fqaccel_find_node("/nonexistent", name, sizeof(name)), 0, "no folder, no node");
	is_int(fqaccel_find_node(root, name, sizeof(name)), 0, "no node");
	is_int(fqaccel_find_pci(root, address, sizeof(address), driver, sizeof(driver)), 0,
	       "no card on the bus");
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		f = fopen(files[i][0], "w");
		if (!f)
			bail("%s", files[i][0]);
		fputs(files[i][1], f);
		fclose(f);
	}
	is_int(fqaccel_find_node(root, name, sizeof(name)), 1, "a node");
	is_str(strrchr(name, '/'), "/fqaccel3", "of the lowest number");
	is_int(fqaccel_find_pci(root, address, sizeof(address), driver, sizeof(driver)), 1,
	       "a card on the bus");
	is_str(address, "0000:00:04.0", "its address");
	is_str(driver, "", "it has no driver");
	if (symlink("../../bus/pci/drivers/vfio-pci", "0000:00:04.0/driver"))
		bail("symlink");
	fqaccel_find_pci(root, address, sizeof(address), driver, sizeof(driver));
	is_str(driver, "vfio-pci", "its driver");
	snprintf(command, sizeof(command), "rm -rf %s", root);
	if (chdir("/") || system(command))
		diag("%s could not be removed", root);
}

int main(void)
{
	test_open();
	test_permission();
	test_find();
	if (fqaccel_card_open("soft", &card))
		bail("no soft card: %s", fqaccel_error());
	test_garbage();
	test_huge();
	test_full();
	test_file();
	test_runs();
	test_objects();
	test_dma_fault();
	test_dead();
	fqaccel_card_close(card);
	return tap_done();
}
