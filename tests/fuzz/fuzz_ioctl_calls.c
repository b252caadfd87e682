// SPDX-License-Identifier: MIT
/* The ioctls of a sequence, and where their handles come from. */
#include "fuzz_ioctl_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct open_file fuzz_files[FUZZ_FILES];

void fuzz_calls_init(struct lane *l)
{
	l->image = mmap(NULL, IMAGE_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	if (l->image == MAP_FAILED || pipe2(l->pipe, O_CLOEXEC | O_NONBLOCK))
		abort();
	fuzz_calls_forget();
}

/* All are closed. */
void fuzz_calls_forget(void)
{
	unsigned int i;

	memset(fuzz_files, 0, sizeof(fuzz_files));
	for (i = 0; i < FUZZ_FILES; i++)
		fuzz_files[i].fd = -1;
}

/* One of the last objects, or, seldom, something that is none, or another's. */
static uint32_t pick_handle(const struct fuzz_call *call, enum kind kind, uint8_t pick)
{
	const struct open_file *f = the_file(call);
	unsigned int n = f->count[kind] < FUZZ_OBJECTS ? f->count[kind] : FUZZ_OBJECTS;
	static const uint32_t odd[] = { 0, 0xffff, 0x10000, UINT32_MAX };

	if (pick < 0xe0)
		return n ? f->handles[kind][pick % n] : pick % 4;
	if (pick < 0xf0)
		return pick & 15;
	if (pick < 0xf8)
		return odd[pick & 3];
	if (pick < 0xfc)
		return f->handles[(kind + 1) % KINDS][pick & 3];
	return fuzz_files[(call->file + 1) % FUZZ_FILES].handles[kind][pick & 3];
}

static void add_handle(struct open_file *f, enum kind kind, uint32_t handle)
{
	f->handles[kind][f->count[kind]++ % FUZZ_OBJECTS] = handle;
}

/* Index of what was added last. */
static unsigned int newest(const struct open_file *f, enum kind kind)
{
	return (f->count[kind] - 1) % FUZZ_OBJECTS;
}

static int call_ioctl(struct lane *l, const struct fuzz_call *call, unsigned long cmd)
{
	return fuzz_argument_ioctl(the_file(call)->fd, cmd, &l->arg, call->how,
				   fuzz_mapped(call->pick[3]), l->index);
}

int fuzz_open(struct lane *l, const struct fuzz_call *call)
{
	bool user = call->bits & FUZZ_OPEN_USER;
	struct open_file *f = the_file(call);
	int fd, old;

	(void)l;
	/* Of this thread alone, unlike glibc's. */
	if (user)
		syscall(SYS_setresuid, -1, USER, -1);
	fd = open(DEVICE, O_RDWR | O_CLOEXEC | (call->bits & 2 ? O_NONBLOCK : 0));
	if (user)
		syscall(SYS_setresuid, -1, 0, -1);
	if (fd < 0) {
		/* After the driver was bound anew its node is the administrator's. */
		if (errno == EACCES)
			chmod(DEVICE, 0666);
		return -errno;
	}
	old = f->fd;
	memset(f, 0, sizeof(*f));
	f->fd = fd;
	if (old >= 0)
		close(old);
	return 0;
}

int fuzz_close(struct lane *l, const struct fuzz_call *call)
{
	struct open_file *f = the_file(call);
	int fd = f->fd;

	(void)l;
	f->fd = -1;
	return close(fd) ? -errno : 0;
}

int fuzz_dup(struct lane *l, const struct fuzz_call *call)
{
	struct open_file *f = the_file(call), *to = &fuzz_files[call->pick[0] % FUZZ_FILES];
	int fd;

	(void)l;
	if (f == to)
		return 0;
	fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (to->fd >= 0)
		close(to->fd);
	*to = *f;
	to->fd = fd;
	return 0;
}

int fuzz_info(struct lane *l, const struct fuzz_call *call)
{
	l->arg.info.size = sizeof(l->arg.info);
	return call_ioctl(l, call, FQACCEL_IOC_INFO);
}

int fuzz_buffer(struct lane *l, const struct fuzz_call *call)
{
	struct open_file *f = the_file(call);
	int ret;

	l->arg.buffer.size = sizeof(l->arg.buffer);
	l->arg.buffer.flags = call->bits & 3 ?: 3;
	if (call->bits & 4)
		l->arg.buffer.flags = call->pick[1];
	l->arg.buffer.length = value(l, call, 0);
	ret = call_ioctl(l, call, FQACCEL_IOC_BUFFER_CREATE);
	if (!ret) {
		add_handle(f, BUFFERS, l->arg.buffer.handle);
		f->offsets[newest(f, BUFFERS)] = l->arg.buffer.offset;
	}
	return ret;
}

int fuzz_load(struct lane *l, const struct fuzz_call *call)
{
	const struct fuzz_image *image = fuzz_image(call->pick[0]);
	struct open_file *f = the_file(call);
	int ret;

	memcpy(l->image, image->data, image->length);
	if (call->bits & FUZZ_LOAD_FLIP)
		l->image[value(l, call, 0) % image->length] ^= call->pick[1];
	l->arg.load.size = sizeof(l->arg.load);
	l->arg.load.image = (uintptr_t)l->image;
	l->arg.load.length = image->length;
	if (call->bits & FUZZ_LOAD_LENGTH)
		l->arg.load.length = value(l, call, 1);
	if (call->bits & 4)
		l->arg.load.image = (uintptr_t)fuzz_mapped(call->pick[2]);
	if (call->bits & 8)
		l->arg.load.image += IMAGE_ROOM - image->length / 2;
	ret = call_ioctl(l, call, FQACCEL_IOC_MODEL_LOAD);
	if (!ret) {
		add_handle(f, MODELS, l->arg.load.handle);
		f->images[newest(f, MODELS)] = call->pick[0];
		l->units.input_bytes = l->arg.load.input_bytes;
		l->units.output_bytes = l->arg.load.output_bytes;
	}
	return ret;
}

int fuzz_queue(struct lane *l, const struct fuzz_call *call)
{
	struct open_file *f = the_file(call);
	int ret;

	l->arg.queue.size = sizeof(l->arg.queue);
	l->arg.queue.depth = (uint32_t)value(l, call, 0);
	l->arg.queue.priority = call->pick[0];
	ret = call_ioctl(l, call, FQACCEL_IOC_QUEUE_CREATE);
	if (!ret) {
		add_handle(f, QUEUES, l->arg.queue.handle);
		f->last[newest(f, QUEUES)] = 0;
	}
	return ret;
}

/* What the whole network or a part of it takes and gives for the batch. */
static void run_lengths(const struct open_file *f, const struct fuzz_call *call,
			struct fqaccel_run *run)
{
	uint8_t pick = f->images[pick_index(f, MODELS, call->pick[0])];
	const struct fuzz_image *image = fuzz_image(pick);
	uint32_t first = run->first_layer, count = run->layer_count;

	if (!image->layers)
		image = fuzz_image(0);
	if (!first && !count)
		count = image->layers;
	if (first > image->layers || count > image->layers - first)
		return;
	run->in_length = image->live[first] * run->batch;
	run->out_length = image->live[first + count] * run->batch;
}

int fuzz_run(struct lane *l, const struct fuzz_call *call)
{
	const struct open_file *f = the_file(call);
	struct fqaccel_run *run = &l->runs[l->run_count % RUNS];

	memset(run, 0, sizeof(*run));
	run->model = pick_handle(call, MODELS, call->pick[0]);
	run->in_buffer = pick_handle(call, BUFFERS, call->pick[1]);
	run->out_buffer = pick_handle(call, BUFFERS, call->pick[2]);
	run->batch = (uint32_t)value(l, call, 0);
	if (call->bits & FUZZ_RUN_LAYERS) {
		run->first_layer = call->pick[3] & 15;
		run->layer_count = call->pick[3] >> 4;
	}
	run->in_offset = value(l, call, 1);
	run->out_offset = value(l, call, 2);
	run_lengths(f, call, run);
	if (call->bits & FUZZ_RUN_LENGTHS) {
		run->in_length += call->bits & 4 ? value(l, call, 3) : 0;
		run->out_length += call->bits & 4 ? 0 : value(l, call, 3);
	}
	/* Flags: those that there may be, and padding. */
	if (call->bits & 0x70)
		run->flags = call->bits >> 4 & 7;
	run->pad = call->bits >> 7;
	l->run_count++;
	return 0;
}

static void submit_fences(struct lane *l, const struct fuzz_call *call)
{
#ifdef FQACCEL_SUBMIT_IN_FENCE
	if (call->bits & FUZZ_SUBMIT_IN) {
		l->arg.submit.flags |= FQACCEL_SUBMIT_IN_FENCE;
		l->arg.submit.in_fence = fuzz_fd_pick(FENCES, call->pick[1]);
	}
	if (call->bits & FUZZ_SUBMIT_OUT) {
		l->arg.submit.flags |= FQACCEL_SUBMIT_OUT_FENCE;
		l->arg.submit.out_fence = -1;
	}
#else
	(void)l;
	(void)call;
#endif
}

int fuzz_submit(struct lane *l, const struct fuzz_call *call)
{
	struct open_file *f = the_file(call);
	int ret;

	l->arg.submit.size = sizeof(l->arg.submit);
	l->arg.submit.queue = pick_handle(call, QUEUES, call->pick[0]);
	l->arg.submit.runs = (uintptr_t)l->runs;
	l->arg.submit.run_size = sizeof(l->runs[0]);
	l->arg.submit.count = l->run_count < RUNS ? l->run_count : RUNS;
	if (call->bits & FUZZ_SUBMIT_NONBLOCK)
		l->arg.submit.flags |= FQACCEL_SUBMIT_NONBLOCK;
	if (call->bits & FUZZ_SUBMIT_COUNT)
		l->arg.submit.count = (uint32_t)value(l, call, 0);
	if (call->bits & FUZZ_SUBMIT_STRIDE)
		l->arg.submit.run_size = (uint32_t)value(l, call, 1);
	if (call->bits & 0x40)
		l->arg.submit.runs = (uintptr_t)fuzz_mapped(call->pick[2]);
	submit_fences(l, call);
	ret = call_ioctl(l, call, FQACCEL_IOC_SUBMIT);
	if (!ret)
		f->last[pick_index(f, QUEUES, call->pick[0])] = l->arg.submit.sequence;
#ifdef FQACCEL_SUBMIT_OUT_FENCE
	if (!ret && l->arg.submit.flags & FQACCEL_SUBMIT_OUT_FENCE && l->arg.submit.out_fence > 2)
		fuzz_fd_add(FENCES, l->arg.submit.out_fence);
#endif
	if (!(call->bits & FUZZ_SUBMIT_KEEP))
		l->run_count = 0;
	return ret;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

int fuzz_wait(struct lane *l, const struct fuzz_call *call)
{
	const struct open_file *f = the_file(call);

	l->units.near = f->last[pick_index(f, QUEUES, call->pick[0])];
	l->arg.wait.size = sizeof(l->arg.wait);
	l->arg.wait.queue = pick_handle(call, QUEUES, call->pick[0]);
	l->arg.wait.sequence = value(l, call, 0);
	if (call->bits & FUZZ_WAIT_ARM)
		l->arg.wait.flags = FQACCEL_WAIT_ARM;
	if (call->bits & FUZZ_WAIT_EVER)
		l->arg.wait.deadline_ns = -(int64_t)(call->pick[1] + 1);
	else if (call->bits & 4)
		l->arg.wait.deadline_ns = (int64_t)value(l, call, 1);
	else if (call->bits & 8)
		l->arg.wait.deadline_ns = now_ns() + call->pick[1] * 20000ll;
	return call_ioctl(l, call, FQACCEL_IOC_WAIT);
}

int fuzz_destroy(struct lane *l, const struct fuzz_call *call)
{
	l->arg.destroy.size = sizeof(l->arg.destroy);
	l->arg.destroy.handle = pick_handle(call, call->pick[1] % KINDS, call->pick[0]);
	return call_ioctl(l, call, FQACCEL_IOC_DESTROY);
}

int fuzz_raw(struct lane *l, const struct fuzz_call *call)
{
	unsigned long cmd = _IOC(call->bits & 3, FQACCEL_IOC_TYPE, call->pick[0] % 16,
				 call->bits & 4 ? call->value[3] & 0x3fff : 0);

	memcpy(l->arg.bytes, call, sizeof(*call));
	memcpy(l->arg.bytes + 16, call->value, sizeof(call->value));
	l->arg.info.size = (uint32_t)value(l, call, 0) % 256;
	if (call->bits & 8)
		cmd = call->value[1] | (unsigned long)call->value[2] << 16;
	return fuzz_argument_ioctl(the_file(call)->fd, cmd, &l->arg,
				   l->arg.info.size < 16 ? 0 : call->how, NULL, l->index);
}

int fuzz_export(struct lane *l, const struct fuzz_call *call)
{
#ifdef FQACCEL_IOC_BUFFER_EXPORT
	int ret;

	l->arg.export.size = sizeof(l->arg.export);
	l->arg.export.handle = pick_handle(call, BUFFERS, call->pick[0]);
	l->arg.export.flags = call->bits & 1 ? call->value[0] : 0;
	ret = call_ioctl(l, call, FQACCEL_IOC_BUFFER_EXPORT);
	if (!ret && l->arg.export.fd > 2)
		fuzz_fd_add(DMABUFS, l->arg.export.fd);
	return ret;
#else
	return fuzz_raw(l, call);
#endif
}

int fuzz_import(struct lane *l, const struct fuzz_call *call)
{
#ifdef FQACCEL_IOC_BUFFER_IMPORT
	struct open_file *f = the_file(call);
	int ret;

	l->arg.import.size = sizeof(l->arg.import);
	l->arg.import.fd = fuzz_fd_pick(DMABUFS, call->pick[0]);
	l->arg.import.flags = call->bits & 3 ?: 3;
	ret = call_ioctl(l, call, FQACCEL_IOC_BUFFER_IMPORT);
	if (!ret)
		add_handle(f, BUFFERS, l->arg.import.handle);
	return ret;
#else
	return fuzz_raw(l, call);
#endif
}
