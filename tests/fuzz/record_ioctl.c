// SPDX-License-Identifier: MIT
/*
 * Records what a program does with the card as a seed for fuzz_ioctl.c: preload it
 * (LD_PRELOAD), with FUZZ_RECORD naming a folder. Each process leaves a file there, with what its
 * parent had done before the fork at its start. One thread is recorded, the first calls of it.
 */
#include "fuzz_ioctl.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uapi/fqaccel.h"

enum kind { BUFFERS, MODELS, QUEUES, KINDS };

struct open_file {
	bool used;
	int fd;
	uint32_t handles[KINDS][FUZZ_OBJECTS];
	unsigned int count[KINDS];
	uint64_t offsets[FUZZ_OBJECTS], lengths[FUZZ_OBJECTS];	/* of buffers, for mmap() */
	uint64_t last[FUZZ_OBJECTS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fuzz_call calls[FUZZ_CALLS];
static size_t count;
static struct open_file files[FUZZ_FILES];
static unsigned int next_file, next_map;
static struct fuzz_units units;

static void write_seed(void)
{
	const char *folder = getenv("FUZZ_RECORD");
	char path[300];
	int fd;

	if (!folder)
		return;
	snprintf(path, sizeof(path), "%s/%s-%d", folder, program_invocation_short_name, getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	if (write(fd, calls, count * sizeof(calls[0])) < 0)
		perror(path);
	close(fd);
}

static struct fuzz_call *add(uint8_t op, const struct open_file *f)
{
	static struct fuzz_call none;
	struct fuzz_call *call = count < FUZZ_CALLS ? &calls[count++] : &none;

	memset(call, 0, sizeof(*call));
	call->op = op;
	call->file = (uint8_t)(f - files);
	return call;
}

static struct open_file *find(int fd)
{
	unsigned int i;

	for (i = 0; i < FUZZ_FILES; i++)
		if (files[i].used && files[i].fd == fd)
			return &files[i];
	return NULL;
}

/* The other way round than fuzz_value(); what no kind fits becomes the largest number. */
static uint16_t as_value(uint64_t v)
{
	static const struct { enum fuzz_kind kind; uint64_t unit; } sizes[] = {
		{ FUZZ_V_PLAIN, 1 }, { FUZZ_V_PAGES, FUZZ_PAGE }, { FUZZ_V_64K, 1 << 16 },
		{ FUZZ_V_MIB, 1 << 20 },
	};
	unsigned int i;

	if (units.input_bytes > 1 && v && v % units.input_bytes == 0 && v / units.input_bytes < 4096)
		return FUZZ_V(FUZZ_V_INPUTS, v / units.input_bytes);
	if (units.output_bytes > 1 && v && v % units.output_bytes == 0 &&
	    v / units.output_bytes < 4096)
		return FUZZ_V(FUZZ_V_OUTPUTS, v / units.output_bytes);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (v % sizes[i].unit == 0 && v / sizes[i].unit < 4096)
			return FUZZ_V(sizes[i].kind, v / sizes[i].unit);
	for (i = 0; i < 64; i++)
		if (v - (1ull << i) + 1 <= 2)
			return FUZZ_V(FUZZ_V_POWER, i | (v - (1ull << i) + 1) << 6);
	if (-v < 4096)
		return FUZZ_V(FUZZ_V_MINUS, -v);
	return FUZZ_V(FUZZ_V_PLAIN, 4095);
}

static uint8_t as_pick(const struct open_file *f, enum kind kind, uint32_t handle)
{
	unsigned int i, n = f->count[kind] < FUZZ_OBJECTS ? f->count[kind] : FUZZ_OBJECTS;

	for (i = 0; i < n; i++)
		if (f->handles[kind][i] == handle)
			return (uint8_t)i;
	if (handle < 16)
		return (uint8_t)(0xe0 | handle);
	return 0xf3;
}

static void note_handle(struct open_file *f, enum kind kind, uint32_t handle)
{
	f->handles[kind][f->count[kind]++ % FUZZ_OBJECTS] = handle;
}

static void note_buffer(struct open_file *f, const struct fqaccel_buffer_create *arg)
{
	unsigned int at = f->count[BUFFERS] % FUZZ_OBJECTS;

	f->offsets[at] = arg->offset;
	f->lengths[at] = arg->length;
	note_handle(f, BUFFERS, arg->handle);
}

static void add_run(const struct open_file *f, const struct fqaccel_run *run)
{
	struct fuzz_call *call = add(FUZZ_RUN, f);

	call->pick[0] = as_pick(f, MODELS, run->model);
	call->pick[1] = as_pick(f, BUFFERS, run->in_buffer);
	call->pick[2] = as_pick(f, BUFFERS, run->out_buffer);
	call->value[0] = as_value(run->batch);
	call->value[1] = as_value(run->in_offset);
	call->value[2] = as_value(run->out_offset);
	call->bits = (uint8_t)(run->flags << 4);
	if (run->first_layer || run->layer_count) {
		call->bits |= FUZZ_RUN_LAYERS;
		call->pick[3] = (uint8_t)((run->first_layer & 15) | run->layer_count << 4);
	} else if (run->in_length != units.input_bytes * run->batch) {
		call->bits |= FUZZ_RUN_LENGTHS | 4;
		call->value[3] = as_value(run->in_length - units.input_bytes * run->batch);
	} else if (run->out_length != units.output_bytes * run->batch) {
		call->bits |= FUZZ_RUN_LENGTHS;
		call->value[3] = as_value(run->out_length - units.output_bytes * run->batch);
	}
}

static void add_submit(struct open_file *f, const struct fqaccel_submit *arg)
{
	const struct fqaccel_run *runs = (const void *)(uintptr_t)arg->runs;
	struct fuzz_call *call;
	uint32_t i;

	for (i = 0; i < arg->count && i < 64 && arg->run_size == sizeof(*runs); i++)
		add_run(f, &runs[i]);
	call = add(FUZZ_SUBMIT, f);
	call->pick[0] = as_pick(f, QUEUES, arg->queue);
	if (arg->flags & FQACCEL_SUBMIT_NONBLOCK)
		call->bits |= FUZZ_SUBMIT_NONBLOCK;
#ifdef FQACCEL_SUBMIT_IN_FENCE
	if (arg->flags & FQACCEL_SUBMIT_IN_FENCE)
		call->bits |= FUZZ_SUBMIT_IN;
	if (arg->flags & FQACCEL_SUBMIT_OUT_FENCE)
		call->bits |= FUZZ_SUBMIT_OUT;
#endif
	if (call->pick[0] < FUZZ_OBJECTS && arg->accepted)
		f->last[call->pick[0]] = arg->sequence;
}

static void add_wait(const struct open_file *f, const struct fqaccel_wait *arg)
{
	struct fuzz_call *call = add(FUZZ_WAIT, f);
	uint64_t last;

	call->pick[0] = as_pick(f, QUEUES, arg->queue);
	call->pick[1] = 200;
	last = call->pick[0] < FUZZ_OBJECTS ? f->last[call->pick[0]] : 0;
	if (arg->sequence - last + FUZZ_NEAR < 4096)
		call->value[0] = FUZZ_V(FUZZ_V_NEAR, arg->sequence - last + FUZZ_NEAR);
	else
		call->value[0] = as_value(arg->sequence);
	call->bits = arg->flags & FQACCEL_WAIT_ARM ? FUZZ_WAIT_ARM : 0;
	if (arg->deadline_ns < 0)
		call->bits |= FUZZ_WAIT_EVER;
	else if (arg->deadline_ns)
		call->bits |= 8;
}

static void add_load(struct open_file *f, const struct fqaccel_model_load *arg, int ret)
{
	struct fuzz_call *call = add(FUZZ_LOAD, f);

	/* Which image it was does not matter. */
	if (ret) {
		call->bits = FUZZ_LOAD_LENGTH;
		call->value[1] = as_value(arg->length);
		return;
	}
	note_handle(f, MODELS, arg->handle);
	units.input_bytes = arg->input_bytes;
	units.output_bytes = arg->output_bytes;
}

static void add_destroy(const struct open_file *f, const struct fqaccel_destroy *arg)
{
	struct fuzz_call *call = add(FUZZ_DESTROY, f);
	uint8_t kind;

	for (kind = 0; kind < KINDS - 1; kind++)
		if (as_pick(f, kind, arg->handle) < FUZZ_OBJECTS)
			break;
	call->pick[0] = as_pick(f, kind, arg->handle);
	call->pick[1] = kind;
}

static void add_ioctl(struct open_file *f, unsigned long cmd, const void *arg, int ret)
{
	const struct fqaccel_buffer_create *buffer = arg;
	const struct fqaccel_queue_create *queue = arg;
	struct fuzz_call *call;

	switch (cmd) {
	case FQACCEL_IOC_INFO:
		add(FUZZ_INFO, f);
		break;
	case FQACCEL_IOC_BUFFER_CREATE:
		call = add(FUZZ_BUFFER, f);
		call->bits = buffer->flags & 3;
		call->value[0] = as_value(buffer->length);
		if (!ret)
			note_buffer(f, buffer);
		break;
	case FQACCEL_IOC_QUEUE_CREATE:
		call = add(FUZZ_QUEUE, f);
		call->value[0] = as_value(queue->depth);
		call->pick[0] = (uint8_t)queue->priority;
		if (!ret)
			note_handle(f, QUEUES, queue->handle);
		break;
	case FQACCEL_IOC_MODEL_LOAD:
		add_load(f, arg, ret);
		break;
	case FQACCEL_IOC_SUBMIT:
		add_submit(f, arg);
		break;
	case FQACCEL_IOC_WAIT:
		add_wait(f, arg);
		break;
	case FQACCEL_IOC_DESTROY:
		add_destroy(f, arg);
		break;
#ifdef FQACCEL_IOC_BUFFER_EXPORT
	case FQACCEL_IOC_BUFFER_EXPORT:
		call = add(FUZZ_EXPORT, f);
		call->pick[0] = as_pick(f, BUFFERS,
					((const struct fqaccel_buffer_export *)arg)->handle);
		break;
	case FQACCEL_IOC_BUFFER_IMPORT:
		call = add(FUZZ_IMPORT, f);
		call->bits = ((const struct fqaccel_buffer_import *)arg)->flags & 3;
		if (!ret)
			note_handle(f, BUFFERS, ((const struct fqaccel_buffer_import *)arg)->handle);
		break;
#endif
	}
}

/* The C library's own. */
#define NEXT(name)	((__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name))

static int note_open(const char *path, int fd)
{
	struct open_file *f;

	if (fd < 0 || strncmp(path, "/dev/fqaccel", 12))
		return fd;
	pthread_mutex_lock(&lock);
	f = &files[next_file++ % FUZZ_FILES];
	memset(f, 0, sizeof(*f));
	f->used = true;
	f->fd = fd;
	add(FUZZ_OPEN, f)->bits = FUZZ_OPEN_USER;
	pthread_mutex_unlock(&lock);
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, int) : 0;
	va_end(args);
	return note_open(path, NEXT(open)(path, flags, mode));
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, int) : 0;
	va_end(args);
	return note_open(path, NEXT(open64)(path, flags, mode));
}

int close(int fd)
{
	struct open_file *f;

	pthread_mutex_lock(&lock);
	f = find(fd);
	if (f) {
		add(FUZZ_CLOSE, f);
		f->used = false;
	}
	pthread_mutex_unlock(&lock);
	return NEXT(close)(fd);
}

int ioctl(int fd, unsigned long cmd, ...)
{
	struct open_file *f;
	va_list args;
	void *arg;
	int ret;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	ret = NEXT(ioctl)(fd, cmd, arg);
	/* What could not be read is not looked at. */
	if (ret && errno == EFAULT)
		return ret;
	pthread_mutex_lock(&lock);
	f = find(fd);
	if (f && count < FUZZ_CALLS)
		add_ioctl(f, cmd, arg, ret);
	pthread_mutex_unlock(&lock);
	if (f && count < FUZZ_CALLS)
		write_seed();
	return ret;
}

static void note_mmap(size_t length, int prot, int flags, int fd, uint64_t offset)
{
	struct open_file *f;
	struct fuzz_call *call;
	unsigned int i;

	pthread_mutex_lock(&lock);
	f = fd < 0 ? NULL : find(fd);
	if (f) {
		for (i = 0; i < FUZZ_OBJECTS - 1; i++)
			if (offset - f->offsets[i] <= f->lengths[i])
				break;
		call = add(FUZZ_MMAP, f);
		call->bits = (uint8_t)((prot & 7) | (flags & MAP_PRIVATE ? 8 : 0));
		call->pick[0] = (uint8_t)i;
		call->pick[2] = (uint8_t)(next_map++ % FUZZ_MAPS);
		call->value[0] = as_value(length);
		call->value[1] = as_value((offset - f->offsets[i]) / FUZZ_PAGE);
	}
	pthread_mutex_unlock(&lock);
}

void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	note_mmap(length, prot, flags, fd, (uint64_t)offset);
	return NEXT(mmap)(addr, length, prot, flags, fd, offset);
}

void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off64_t offset)
{
	note_mmap(length, prot, flags, fd, (uint64_t)offset);
	return NEXT(mmap64)(addr, length, prot, flags, fd, offset);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct open_file *f;

	pthread_mutex_lock(&lock);
	f = n ? find(fds[0].fd) : NULL;
	if (f)
		add(FUZZ_POLL, f)->value[0] = (uint16_t)fds[0].events;
	pthread_mutex_unlock(&lock);
	return NEXT(poll)(fds, n, timeout);
}
