// SPDX-License-Identifier: MIT
/* The back end for a card with a kernel driver: kernel/uapi/fqaccel.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fqaccel_hw.h"
#include "private.h"
#include "uapi/fqaccel.h"

/* An ioctl that a signal does not end. Arguments survive being passed again. */
static int dev_ioctl(const struct fqaccel_card *card, unsigned long request, void *arg)
{
	int ret;

	do
		ret = ioctl(card->fd, request, arg);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

static int dev_fail(const struct fqaccel_card *card, int err, const char *what)
{
	if (err == -ENODEV)
		return fqaccel_fail(err, "%s: the card is gone or dead; see the kernel log",
				    card->name);
	if (err == -EBADFD)
		return fqaccel_fail(err,
				    "%s: runs of this open card have hung it too often, so it takes no more; open it anew",
				    card->name);
	if (err == -E2BIG || err == -EOPNOTSUPP || err == -ENOTTY)
		return fqaccel_fail(-EPROTO,
				    "%s: the driver is older than the library (%s); update it",
				    card->name, what);
	return fqaccel_fail(err, "%s: %s failed: %s", card->name, what, fqaccel_strerror(err));
}

static int dev_info(const struct fqaccel_card *card, struct fqaccel_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return dev_ioctl(card, FQACCEL_IOC_INFO, info);
}

static int dev_card_info(struct fqaccel_card *card, struct fqaccel_card_info *out)
{
	struct fqaccel_info info;
	int ret = dev_info(card, &info);

	if (ret)
		return dev_fail(card, ret, "INFO");
	snprintf(out->address, sizeof(out->address), "%04x:%02x:%02x.%x", info.pci_domain,
		 info.pci_bdf >> 8 & 0xff, info.pci_bdf >> 3 & 0x1f, info.pci_bdf & 7);
	out->hw_version = info.hw_version;
	out->firmware = info.firmware;
	out->format = info.format;
	out->lanes = info.lanes;
	out->clock_khz = info.clock_khz;
	out->hw_queues = info.hw_queues;
	out->memory_size = info.memory_size;
	out->memory_free = info.memory_free;
	return 0;
}

static void dev_card_close(struct fqaccel_card *card)
{
	close(card->fd);
}

/* Text for a load that failed before the card was asked, or for want of room. */
static int dev_fail_load(const struct fqaccel_card *card, int err,
			 const struct fqaccel_model_load *a)
{
	switch (err) {
	case -EFBIG:
		return fqaccel_fail(err,
				    "the model needs %llu bytes of card memory, more than %s has; use a smaller network or a card with more memory",
				    (unsigned long long)a->needed, card->name);
	case -ENOSPC:
		return fqaccel_fail(err,
				    "%s has no room for the model now (%llu bytes of card memory are needed); close other models",
				    card->name, (unsigned long long)a->needed);
	case -EDQUOT:
		return fqaccel_fail(err,
				    "the model needs %llu bytes, above this process's quota of card memory; close other models, or run with CAP_SYS_RESOURCE",
				    (unsigned long long)a->needed);
	default:
		return dev_fail(card, err, "MODEL_LOAD");
	}
}

static int dev_model_load(struct fqaccel_model *model)
{
	struct fqaccel_model_load a = {
		.size = sizeof(a),
		.image = (uintptr_t)model->data,
		.length = model->len,
	};
	int ret = dev_ioctl(model->card, FQACCEL_IOC_MODEL_LOAD, &a);

	if (ret == -EBADMSG)
		return fqaccel_fail_load(model, FQA_SC_BAD_IMAGE, a.reason, a.layer, a.offset,
					 0, 0);
	if (ret == -EIO && a.card_status)
		return fqaccel_fail_load(model, a.card_status, a.reason, a.layer, a.offset,
					 a.needed, UINT64_MAX);
	if (ret)
		return dev_fail_load(model->card, ret, &a);
	model->handle = a.handle;
	model->facts = (struct fqaccel_model_facts){
		.image_bytes = a.image_bytes,
		.arena_bytes = a.arena_bytes,
		.input_bytes = a.input_bytes,
		.output_bytes = a.output_bytes,
		.cycles = a.cycles,
		.weights = a.weights,
		.layers = a.layers,
		.classes = a.classes,
	};
	return 0;
}

/* Runs that use the object keep it until they are done. */
static void dev_destroy(const struct fqaccel_card *card, uint32_t handle)
{
	struct fqaccel_destroy a = { .size = sizeof(a), .handle = handle };

	dev_ioctl(card, FQACCEL_IOC_DESTROY, &a);
}

static void dev_model_close(struct fqaccel_model *model)
{
	dev_destroy(model->card, model->handle);
}

static int dev_buffer_create(struct fqaccel_buffer *buf)
{
	struct fqaccel_buffer_create a = {
		.size = sizeof(a),
		.length = buf->len,
	};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int ret;

	if (buf->directions & FQACCEL_CARD_READS)
		a.flags |= FQACCEL_BUFFER_CARD_READS;
	if (buf->directions & FQACCEL_CARD_WRITES)
		a.flags |= FQACCEL_BUFFER_CARD_WRITES;
	ret = dev_ioctl(buf->card, FQACCEL_IOC_BUFFER_CREATE, &a);
	if (ret == -ENOSPC)
		return fqaccel_fail(ret,
				    "%s: a buffer of %zu bytes is above what one open card may have; close others or use smaller batches",
				    buf->card->name, buf->len);
	if (ret)
		return dev_fail(buf->card, ret, "BUFFER_CREATE");
	buf->handle = a.handle;
	buf->mapped = (buf->len + page - 1) / page * page;
	buf->data = mmap(NULL, buf->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, buf->card->fd,
			 (off_t)a.offset);
	if (buf->data == MAP_FAILED) {
		ret = -errno;
		dev_destroy(buf->card, a.handle);
		return dev_fail(buf->card, ret, "mapping a buffer");
	}
	return 0;
}

static void dev_buffer_close(struct fqaccel_buffer *buf)
{
	munmap(buf->data, buf->mapped);
	dev_destroy(buf->card, buf->handle);
}

static int dev_queue_create(struct fqaccel_queue *queue)
{
	struct fqaccel_queue_create a = { .size = sizeof(a), .depth = queue->depth };
	int ret = dev_ioctl(queue->card, FQACCEL_IOC_QUEUE_CREATE, &a);

	if (ret == -ENOSPC)
		return fqaccel_fail(ret, "%s: an open card has no more queues; close one",
				    queue->card->name);
	if (ret)
		return dev_fail(queue->card, ret, "QUEUE_CREATE");
	queue->handle = a.handle;
	return 0;
}

static void dev_queue_close(struct fqaccel_queue *queue)
{
	dev_destroy(queue->card, queue->handle);
}

static int dev_queue_submit(struct fqaccel_queue *queue, const struct fqaccel_run_item *items,
			    uint32_t count, uint64_t *sequence)
{
	struct fqaccel_run runs[FQACCEL_SUBMIT_RUNS];
	struct fqaccel_submit a;
	uint32_t i;
	int ret;

	for (i = 0; i < count; i++)
		runs[i] = (struct fqaccel_run){
			.model = items[i].model->handle,
			.first_layer = items[i].first_layer,
			.layer_count = items[i].layer_count,
			.batch = items[i].batch,
			.in_buffer = items[i].input->handle,
			.out_buffer = items[i].output->handle,
			.in_offset = items[i].input_offset,
			.in_length = items[i].input_length,
			.out_offset = items[i].output_offset,
			.out_length = items[i].output_length,
		};
	a = (struct fqaccel_submit){
		.size = sizeof(a),
		.queue = queue->handle,
		.count = count,
		.runs = (uintptr_t)runs,
		.run_size = sizeof(runs[0]),
	};
	ret = dev_ioctl(queue->card, FQACCEL_IOC_SUBMIT, &a);
	if (ret)
		return dev_fail(queue->card, ret, "SUBMIT");
	*sequence = a.sequence;
	return (int)a.accepted;
}

static int64_t deadline(int64_t timeout_ms)
{
	struct timespec now;
	int64_t ns, end;

	if (timeout_ms <= 0)
		return timeout_ms ? -1 : 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	if (__builtin_mul_overflow(timeout_ms, (int64_t)1000000, &end) ||
	    __builtin_add_overflow(end, ns, &end))
		return -1;
	return end;
}

static int dev_queue_wait(struct fqaccel_queue *queue, uint64_t sequence, int64_t timeout_ms,
			  struct fqaccel_run_result *result)
{
	struct fqaccel_wait a = {
		.size = sizeof(a),
		.queue = queue->handle,
		.sequence = sequence,
		.deadline_ns = deadline(timeout_ms),
	};
	int ret = dev_ioctl(queue->card, FQACCEL_IOC_WAIT, &a);

	if (ret == -ETIME)
		return fqaccel_fail(ret, "run %llu is not finished yet",
				    (unsigned long long)sequence);
	if (ret == -EINVAL)
		return fqaccel_fail(ret, "run %llu was never submitted to this queue",
				    (unsigned long long)sequence);
	if (ret == -ENODATA)
		return fqaccel_fail(ret, "run %llu is finished, but its result is no longer kept",
				    (unsigned long long)sequence);
	if (ret)
		return dev_fail(queue->card, ret, "WAIT");
	*result = (struct fqaccel_run_result){
		.status = a.status,
		.card_status = a.card_status,
		.layer = a.layer,
		.offset = a.offset,
		.cycles = a.cycles,
	};
	return 0;
}

static int dev_queue_run(struct fqaccel_queue *queue, const struct fqaccel_run_item *item,
			 struct fqaccel_run_result *result)
{
	uint64_t sequence;
	int ret = dev_queue_submit(queue, item, 1, &sequence);

	return ret < 0 ? ret : dev_queue_wait(queue, sequence, -1, result);
}

static const struct fqaccel_backend dev_backend = {
	.card_info = dev_card_info,
	.card_close = dev_card_close,
	.model_load = dev_model_load,
	.model_close = dev_model_close,
	.buffer_create = dev_buffer_create,
	.buffer_close = dev_buffer_close,
	.queue_create = dev_queue_create,
	.queue_close = dev_queue_close,
	.queue_submit = dev_queue_submit,
	.queue_wait = dev_queue_wait,
	.queue_run = dev_queue_run,
};

static int dev_fail_open(const char *path, int err)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
		return fqaccel_fail(-EACCES,
				    "%s: no permission; add the user to group \"render\" (usermod -aG render USER, then log in anew) and install the udev rule of the driver",
				    path);
	case -ENOENT:
		return fqaccel_fail(err,
				    "%s: no such device; do \"modprobe fqaccel\" as root, or ask for card \"soft\"",
				    path);
	case -ENODEV:
	case -ENXIO:
		return fqaccel_fail(-ENODEV, "%s: the card is gone or dead; see the kernel log",
				    path);
	default:
		return fqaccel_fail(err, "%s: cannot be opened: %s", path,
				    fqaccel_strerror(err));
	}
}

static int dev_check(struct fqaccel_card *card)
{
	struct fqaccel_info info;
	struct stat st;
	int ret;

	/* An ioctl on another device could mean anything to it; on a file it means nothing. */
	if (fstat(card->fd, &st) || !S_ISCHR(st.st_mode))
		return fqaccel_fail(-ENODEV, "%s: is not a device", card->name);
	ret = dev_info(card, &info);
	if (ret == -ENOTTY)
		return fqaccel_fail(-ENODEV, "%s: is not an fqaccel card", card->name);
	if (ret)
		return dev_fail(card, ret, "INFO");
	if (info.abi_version != FQACCEL_ABI_VERSION)
		return fqaccel_fail(-EPROTO,
				    "%s: the driver's ABI is version %u, the library's %u; update the older one",
				    card->name, info.abi_version, FQACCEL_ABI_VERSION);
	return 0;
}

int fqaccel_dev_open(struct fqaccel_card *card, const char *path)
{
	int ret;

	snprintf(card->name, sizeof(card->name), "%s", path);
	card->fd = open(path, O_RDWR | O_CLOEXEC);
	if (card->fd < 0)
		return dev_fail_open(path, -errno);
	ret = dev_check(card);
	if (ret) {
		close(card->fd);
		return ret;
	}
	card->backend = &dev_backend;
	return 0;
}
