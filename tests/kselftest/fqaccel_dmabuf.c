// SPDX-License-Identifier: GPL-2.0
/* dma-bufs: exporting buffers, importing them and others', and who keeps what alive. */
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "fqaccel_dmabuf.h"
#include "fqaccel_monitor.h"
#include "kselftest_harness.h"

#define BOTH	(FQACCEL_BUFFER_CARD_READS | FQACCEL_BUFFER_CARD_WRITES)
#define LONG_BATCH	4000
#define MANY	300

FIXTURE(dmabuf)
{
	struct test_data data;
	struct test_rig rig;
	size_t page, in_bytes, out_bytes;
};

FIXTURE_SETUP(dmabuf)
{
	self->page = sysconf(_SC_PAGESIZE);
	ASSERT_EQ(0, test_data_read(&self->data));
	ASSERT_EQ(0, test_rig_open(&self->rig, &self->data, LONG_BATCH));
	self->in_bytes = self->data.input_bytes * self->data.pictures;
	self->out_bytes = self->data.output_bytes * self->data.pictures;
}

FIXTURE_TEARDOWN(dmabuf)
{
	test_rig_close(&self->rig);
}

static uint64_t used(int fd)
{
	struct fqaccel_info info;

	return test_info(fd, &info) ? UINT64_MAX : info.buffer_used;
}

/* What a destroyed object leaves behind may be given back in the background. */
static bool used_becomes(int fd, uint64_t bytes)
{
	int i;

	for (i = 0; i < 400 && used(fd) != bytes; i++)
		usleep(50000);
	return used(fd) == bytes;
}

/* All pictures from one buffer's start to another's; the run's end, or why there was none. */
static int run_between(struct test_rig *rig, uint32_t pictures, uint32_t in, uint32_t out)
{
	struct fqaccel_run run = test_rig_run(rig, pictures);
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;

	run.in_buffer = in;
	run.out_buffer = out;
	return test_submit(rig->fd, rig->queue, 0, &run, 1, &arg) ?:
	       test_wait(rig->fd, rig->queue, arg.sequence, 60000, &wait) ?: wait.status;
}

TEST_F(dmabuf, features)
{
	struct fqaccel_info info;

	ASSERT_EQ(0, test_info(self->rig.fd, &info));
	EXPECT_TRUE(info.features & FQACCEL_FEATURE_DMABUF);
}

TEST_F(dmabuf, export)
{
	struct fqaccel_buffer_export arg = { .size = sizeof(arg), .handle = self->rig.in.handle };
	int fd = self->rig.fd, ret;

	ASSERT_EQ(0, test_ioctl(fd, FQACCEL_IOC_BUFFER_EXPORT, &arg));
	EXPECT_EQ(FD_CLOEXEC, fcntl(arg.fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(arg.fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ((self->rig.in.length + self->page - 1) / self->page * self->page,
		  lseek(arg.fd, 0, SEEK_END));
	EXPECT_EQ(0, close(arg.fd));

	arg.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, test_ioctl(fd, FQACCEL_IOC_BUFFER_EXPORT, &arg));
	arg.flags = 0;
	arg.size = sizeof(arg) - 1;
	EXPECT_EQ(-EINVAL, test_ioctl(fd, FQACCEL_IOC_BUFFER_EXPORT, &arg));
	EXPECT_EQ(-ENOENT, test_export(fd, 0));
	EXPECT_EQ(-ENOENT, test_export(fd, 9999));
	EXPECT_EQ(-ENOENT, test_export(fd, self->rig.queue));
	EXPECT_EQ(-ENOENT, test_export(fd, self->rig.model.handle));
	/* A handle means nothing in another open file. */
	ret = test_open();
	ASSERT_LE(0, ret);
	EXPECT_EQ(-ENOENT, test_export(ret, self->rig.in.handle));
	close(ret);
}

TEST_F(dmabuf, import_refused)
{
	struct fqaccel_buffer_import arg = { .size = sizeof(arg) };
	int in = test_export(self->rig.fd, self->rig.in.handle);
	int fd = self->rig.fd, other;
	uint32_t handle;

	ASSERT_LE(0, in);
	EXPECT_EQ(-EINVAL, test_import(fd, in, 0, &handle));
	EXPECT_EQ(-EOPNOTSUPP, test_import(fd, in, 4, &handle));
	EXPECT_EQ(-EOPNOTSUPP, test_import(fd, in, 1U << 31 | FQACCEL_BUFFER_CARD_READS, &handle));
	arg.size = sizeof(arg) - 1;
	EXPECT_EQ(-EINVAL, test_ioctl(fd, FQACCEL_IOC_BUFFER_IMPORT, &arg));
	/* The memory was made for the card to read. */
	EXPECT_EQ(-EACCES, test_import(fd, in, FQACCEL_BUFFER_CARD_WRITES, &handle));
	EXPECT_EQ(-EACCES, test_import(fd, in, BOTH, &handle));
	ASSERT_EQ(0, test_import(fd, in, FQACCEL_BUFFER_CARD_READS, &handle));
	EXPECT_EQ(-EACCES, run_between(&self->rig, 1, self->rig.in.handle, handle));
	EXPECT_EQ(-EINVAL, test_export(fd, handle));
	EXPECT_EQ(0, test_destroy(fd, handle));
	EXPECT_EQ(-ENOENT, test_destroy(fd, handle));
	close(in);

	EXPECT_EQ(-EBADF, test_import(fd, in, FQACCEL_BUFFER_CARD_READS, &handle));
	EXPECT_EQ(-EBADF, test_import(fd, -1, FQACCEL_BUFFER_CARD_READS, &handle));
	EXPECT_EQ(-EBADF, test_import(fd, INT_MAX, FQACCEL_BUFFER_CARD_READS, &handle));
	EXPECT_EQ(-EINVAL, test_import(fd, fd, FQACCEL_BUFFER_CARD_READS, &handle));
	other = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EINVAL, test_import(fd, other, FQACCEL_BUFFER_CARD_READS, &handle));
	close(other);
	other = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EINVAL, test_import(fd, other, FQACCEL_BUFFER_CARD_READS, &handle));
	close(other);
	other = open("/", O_PATH | O_CLOEXEC);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EBADF, test_import(fd, other, FQACCEL_BUFFER_CARD_READS, &handle));
	close(other);
}

TEST_F(dmabuf, mapping)
{
	size_t page = self->page;
	struct test_buffer buf;
	int dmabuf, status;
	uint8_t *p;
	pid_t pid;

	ASSERT_EQ(0, test_buffer(self->rig.fd, 3 * page, FQACCEL_BUFFER_CARD_READS, &buf));
	dmabuf = test_export(self->rig.fd, buf.handle);
	ASSERT_LE(0, dmabuf);
	memset(buf.data, 0x11, page);
	memset(buf.data + page, 0x22, page);
	p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, page);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0x22, p[0]);
	p[page] = 0x33;
	EXPECT_EQ(0x33, buf.data[2 * page]);

#define REFUSED(_length, _flags, _offset) do {					\
	EXPECT_EQ(MAP_FAILED, mmap(NULL, _length, PROT_READ | PROT_WRITE,	\
				   _flags, dmabuf, _offset));			\
	EXPECT_EQ(EINVAL, errno);						\
} while (0)

	REFUSED(page, MAP_PRIVATE, 0);
	REFUSED(4 * page, MAP_SHARED, 0);
	REFUSED(2 * page, MAP_SHARED, 2 * page);
	REFUSED(page, MAP_SHARED, 3 * page);
#undef REFUSED

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* Room for it to grow. */
		p = mremap(p, 2 * page, 3 * page, MREMAP_MAYMOVE);
		p[page] = 0x44;
		p[2 * page] = 1;
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGBUS, WTERMSIG(status));
	EXPECT_EQ(0x44, buf.data[2 * page]);
	munmap(p, 2 * page);
	munmap(buf.data, buf.length);
	close(dmabuf);
}

/* All that keeps a buffer's memory alive, given up in every order. */
struct keepers {
	int fd, dmabuf;
	struct test_buffer buf;
	uint8_t *map;
	uint32_t import;
	bool open, mapped[2];
};

static void give_up(struct keepers *k, int which)
{
	switch (which) {
	case 0:
		if (k->open)
			test_destroy(k->fd, k->buf.handle);
		break;
	case 1:
		munmap(k->buf.data, k->buf.length);
		k->mapped[0] = false;
		break;
	case 2:
		close(k->dmabuf);
		break;
	case 3:
		munmap(k->map, k->buf.length);
		k->mapped[1] = false;
		break;
	case 4:
		close(k->fd);
		k->open = false;
		break;
	}
}

static bool still_there(const struct keepers *k)
{
	size_t end = k->buf.length - 1;

	if (k->mapped[0] && (k->buf.data[0] != 0x5a || k->buf.data[end] != 0xa5))
		return false;
	return !k->mapped[1] || (k->map[0] == 0x5a && k->map[end] == 0xa5);
}

TEST_F_TIMEOUT(dmabuf, close_orders, 300)
{
	int order[5], i, j, n, rest;
	struct keepers k;

	for (n = 0; n < 120; n++) {
		/* The nth permutation. */
		for (i = 0, rest = n; i < 5; rest /= 5 - i, i++)
			order[i] = rest % (5 - i);
		for (i = 4; i >= 0; i--)
			for (j = i + 1; j < 5; j++)
				order[j] += order[j] >= order[i];
		k.fd = test_open();
		ASSERT_LE(0, k.fd);
		ASSERT_EQ(0, test_buffer(k.fd, 20 * self->page, BOTH, &k.buf));
		k.dmabuf = test_export(k.fd, k.buf.handle);
		ASSERT_LE(0, k.dmabuf);
		k.map = test_map(k.dmabuf, k.buf.length);
		ASSERT_NE(MAP_FAILED, k.map);
		ASSERT_EQ(0, test_import(k.fd, k.dmabuf, BOTH, &k.import));
		k.open = true;
		k.mapped[0] = true;
		k.mapped[1] = true;
		k.map[0] = 0x5a;
		k.buf.data[k.buf.length - 1] = 0xa5;
		for (i = 0; i < 5; i++) {
			give_up(&k, order[i]);
			ASSERT_TRUE(still_there(&k))
				TH_LOG("order %d, step %d", n, i);
		}
	}
}

/* The memory is charged to who made it until the last use of it is gone. */
TEST_F(dmabuf, charge)
{
	uint64_t before = used(self->rig.fd), length = 5 * self->page;
	int fd = test_open(), dmabuf;
	struct test_buffer buf;
	uint32_t handle;
	uint8_t *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, test_buffer(self->rig.fd, length, BOTH, &buf));
	EXPECT_EQ(before + length, used(self->rig.fd));
	dmabuf = test_export(self->rig.fd, buf.handle);
	ASSERT_LE(0, dmabuf);
	munmap(buf.data, buf.length);
	ASSERT_EQ(0, test_destroy(self->rig.fd, buf.handle));
	EXPECT_EQ(before + length, used(self->rig.fd));
	p = test_map(dmabuf, length);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, test_import(fd, dmabuf, BOTH, &handle));
	EXPECT_EQ(0, used(fd));
	close(dmabuf);
	EXPECT_EQ(before + length, used(self->rig.fd));
	munmap(p, length);
	EXPECT_EQ(before + length, used(self->rig.fd));
	ASSERT_EQ(0, test_destroy(fd, handle));
	EXPECT_TRUE(used_becomes(self->rig.fd, before));
	close(fd);
}

TEST_F_TIMEOUT(dmabuf, many, 300)
{
	uint64_t before = used(self->rig.fd);
	uint32_t handles[MANY];
	struct test_buffer buf;
	int fds[MANY], i;

	ASSERT_EQ(0, test_buffer(self->rig.fd, 40 * self->page, BOTH, &buf));
	memset(buf.data, 0x77, buf.length);
	for (i = 0; i < MANY; i++) {
		fds[i] = test_export(self->rig.fd, buf.handle);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, test_import(self->rig.fd, fds[i], BOTH, &handles[i]));
	}
	for (i = 0; i < MANY; i += 2)
		close(fds[i]);
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, test_destroy(self->rig.fd, handles[i]));
	ASSERT_EQ(0, test_destroy(self->rig.fd, buf.handle));
	EXPECT_EQ(0x77, buf.data[buf.length - 1]);
	munmap(buf.data, buf.length);
	EXPECT_EQ(before + 40 * self->page, used(self->rig.fd));
	for (i = 1; i < MANY; i += 2)
		close(fds[i]);
	EXPECT_TRUE(used_becomes(self->rig.fd, before));
}

/* No descriptor left: no dma-buf stays behind. */
TEST_F(dmabuf, no_descriptors)
{
	struct rlimit none = { .rlim_cur = 3, .rlim_max = 3 };
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		setrlimit(RLIMIT_NOFILE, &none);
		_exit(test_export(self->rig.fd, self->rig.in.handle) == -EMFILE ? 0 : 1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* An answer that can't be delivered leaves neither a descriptor nor a handle behind. */
TEST_F(dmabuf, undelivered)
{
	struct fqaccel_buffer_export export = {
		.size = sizeof(export), .handle = self->rig.in.handle,
	};
	struct fqaccel_buffer_import import = {
		.size = sizeof(import), .flags = FQACCEL_BUFFER_CARD_READS,
	};
	uint8_t *page = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t handle, next;
	int fd;

	ASSERT_NE(MAP_FAILED, page);
	import.fd = test_export(self->rig.fd, self->rig.in.handle);
	ASSERT_LE(0, import.fd);
	ASSERT_EQ(0, test_import(self->rig.fd, import.fd, FQACCEL_BUFFER_CARD_READS, &handle));
	ASSERT_EQ(0, test_destroy(self->rig.fd, handle));
	memcpy(page, &export, sizeof(export));
	memcpy(page + 1024, &import, sizeof(import));
	ASSERT_EQ(0, mprotect(page, self->page, PROT_READ));
	EXPECT_EQ(-EFAULT, test_ioctl(self->rig.fd, FQACCEL_IOC_BUFFER_EXPORT, page));
	EXPECT_EQ(-EFAULT, test_ioctl(self->rig.fd, FQACCEL_IOC_BUFFER_IMPORT, page + 1024));
	fd = test_export(self->rig.fd, self->rig.in.handle);
	EXPECT_EQ(import.fd + 1, fd);
	ASSERT_EQ(0, test_import(self->rig.fd, fd, FQACCEL_BUFFER_CARD_READS, &next));
	EXPECT_EQ(handle, next);
	close(fd);
	close(import.fd);
	munmap(page, self->page);
}

/* Every mixture of a buffer and its import is good for runs. */
TEST_F(dmabuf, self_import)
{
	int in = test_export(self->rig.fd, self->rig.in.handle);
	int out = test_export(self->rig.fd, self->rig.out.handle);
	uint32_t ins[2] = { self->rig.in.handle }, outs[2] = { self->rig.out.handle };
	int i;

	ASSERT_LE(0, in);
	ASSERT_LE(0, out);
	ASSERT_EQ(0, test_import(self->rig.fd, in, FQACCEL_BUFFER_CARD_READS, &ins[1]));
	ASSERT_EQ(0, test_import(self->rig.fd, out, FQACCEL_BUFFER_CARD_WRITES, &outs[1]));
	EXPECT_NE(ins[0], ins[1]);
	close(in);
	close(out);
	memcpy(self->rig.in.data, self->data.input, self->in_bytes);
	for (i = 0; i < 4; i++) {
		memset(self->rig.out.data, TEST_POISON, self->out_bytes);
		ASSERT_EQ(0, run_between(&self->rig, self->data.pictures, ins[i & 1], outs[i / 2]));
		EXPECT_EQ(0, memcmp(self->rig.out.data, self->data.output, self->out_bytes));
	}
}

/* One memory under several handles: a run's input and output must not meet in it. */
TEST_F_TIMEOUT(dmabuf, overlap, 300)
{
	struct fqaccel_run run = test_rig_run(&self->rig, self->data.pictures);
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct test_buffer buf;
	uint32_t handles[3];
	int i, j, dmabuf;

	ASSERT_EQ(0, test_buffer(self->rig.fd, self->in_bytes + self->out_bytes, BOTH, &buf));
	handles[0] = buf.handle;
	for (i = 1; i < 3; i++) {
		dmabuf = test_export(self->rig.fd, buf.handle);
		ASSERT_LE(0, dmabuf);
		ASSERT_EQ(0, test_import(self->rig.fd, dmabuf, BOTH, &handles[i]));
		close(dmabuf);
	}
	memcpy(buf.data, self->data.input, self->in_bytes);
	for (i = 0; i < 3; i++) {
		for (j = 0; j < 3; j++) {
			run.in_buffer = handles[i];
			run.out_buffer = handles[j];
			run.out_offset = self->in_bytes - 1;
			EXPECT_EQ(-EINVAL, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1,
						       &arg));
			run.out_offset = self->in_bytes;
			memset(buf.data + self->in_bytes, TEST_POISON, self->out_bytes);
			ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
			ASSERT_EQ(0, test_wait(self->rig.fd, self->rig.queue, arg.sequence, -1,
					       &wait));
			EXPECT_EQ(0, wait.status);
			EXPECT_EQ(0, memcmp(buf.data + self->in_bytes, self->data.output,
					    self->out_bytes));
		}
	}
	munmap(buf.data, buf.length);
}

/* Another open file's memory, while its owner goes away in the middle. */
TEST_F(dmabuf, other_file)
{
	struct test_rig owner;
	uint8_t *in_map, *out_map;
	uint32_t in, out;
	int fds[2];

	ASSERT_EQ(0, test_rig_open(&owner, &self->data, self->data.pictures));
	fds[0] = test_export(owner.fd, owner.in.handle);
	fds[1] = test_export(owner.fd, owner.out.handle);
	ASSERT_LE(0, fds[0]);
	ASSERT_LE(0, fds[1]);
	ASSERT_EQ(0, test_import(self->rig.fd, fds[0], FQACCEL_BUFFER_CARD_READS, &in));
	ASSERT_EQ(0, test_import(self->rig.fd, fds[1], FQACCEL_BUFFER_CARD_WRITES, &out));
	in_map = test_map(fds[0], self->in_bytes);
	out_map = test_map(fds[1], self->out_bytes);
	ASSERT_NE(MAP_FAILED, in_map);
	ASSERT_NE(MAP_FAILED, out_map);
	test_rig_close(&owner);
	close(fds[0]);
	close(fds[1]);
	memcpy(in_map, self->data.input, self->in_bytes);
	ASSERT_EQ(0, run_between(&self->rig, self->data.pictures, in, out));
	EXPECT_EQ(0, memcmp(out_map, self->data.output, self->out_bytes));
	munmap(in_map, self->in_bytes);
	munmap(out_map, self->out_bytes);
}

static int send_fds(int sock, const int *fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fds(int sock, int *fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {};
	char x;
	struct iovec iov = { .iov_base = &x, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EIO;
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), 2 * sizeof(int));
	return 0;
}

/* In another process, with its own open file: 0, or how far it got. */
static int other_process(const struct test_data *data, int sock)
{
	struct test_rig rig;
	uint32_t in, out;
	int fds[2];

	if (receive_fds(sock, fds))
		return 1;
	if (test_rig_open(&rig, data, 1))
		return 2;
	if (test_import(rig.fd, fds[0], FQACCEL_BUFFER_CARD_READS, &in) ||
	    test_import(rig.fd, fds[1], FQACCEL_BUFFER_CARD_WRITES, &out))
		return 3;
	return run_between(&rig, data->pictures, in, out) ? 4 : 0;
}

TEST_F(dmabuf, other_process)
{
	int socks[2], fds[2], status;
	pid_t pid;

	/* Before there is anything that a child would share. */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(other_process(&self->data, socks[1]));
	memcpy(self->rig.in.data, self->data.input, self->in_bytes);
	memset(self->rig.out.data, TEST_POISON, self->out_bytes);
	fds[0] = test_export(self->rig.fd, self->rig.in.handle);
	fds[1] = test_export(self->rig.fd, self->rig.out.handle);
	ASSERT_LE(0, fds[0]);
	ASSERT_LE(0, fds[1]);
	ASSERT_EQ(0, send_fds(socks[0], fds));
	close(fds[0]);
	close(fds[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, memcmp(self->rig.out.data, self->data.output, self->out_bytes));
	close(socks[0]);
	close(socks[1]);
}

TEST_F(dmabuf, sync)
{
	int dmabuf = test_export(self->rig.fd, self->rig.in.handle);

	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(0, test_sync(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, test_sync(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, test_sync(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(0, test_sync(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(-EINVAL, test_sync(dmabuf, DMA_BUF_SYNC_START));
	close(dmabuf);
}

/*
 * CPU access to a buffer that the card reads from and writes to at this moment disturbs
 * neither side, not even where DMA goes through bounce buffers.
 */
TEST_F_TIMEOUT(dmabuf, sync_during_run, 300)
{
	struct fqaccel_run run = test_rig_run(&self->rig, LONG_BATCH);
	size_t in = run.in_length, out = run.out_length, i;
	struct fqaccel_submit arg;
	struct fqaccel_wait wait;
	struct test_buffer buf;
	unsigned int rounds = 0;
	int dmabuf, ret;

	ASSERT_EQ(0, test_buffer(self->rig.fd, in + out + 2 * self->page, BOTH, &buf));
	dmabuf = test_export(self->rig.fd, buf.handle);
	ASSERT_LE(0, dmabuf);
	memset(buf.data, TEST_POISON, buf.length);
	for (i = 0; i < in; i += self->in_bytes)
		memcpy(buf.data + i, self->data.input, self->in_bytes);
	run.in_buffer = buf.handle;
	run.out_buffer = buf.handle;
	run.out_offset = in + self->page;
	ASSERT_EQ(0, test_submit(self->rig.fd, self->rig.queue, 0, &run, 1, &arg));
	do {
		ASSERT_EQ(0, test_sync(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
		/* Beside what the run uses. */
		buf.data[in] = rounds;
		buf.data[buf.length - 1] = rounds;
		ASSERT_EQ(0, test_sync(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
		EXPECT_EQ((uint8_t)rounds, buf.data[in]);
		EXPECT_EQ((uint8_t)rounds, buf.data[buf.length - 1]);
		rounds++;
		ret = test_wait(self->rig.fd, self->rig.queue, arg.sequence, 0, &wait);
	} while (ret == -ETIME);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(0, wait.status);
	for (i = 0; i < out; i += self->out_bytes)
		ASSERT_EQ(0, memcmp(buf.data + run.out_offset + i, self->data.output,
				    self->out_bytes));
	for (i = in + 1; i < run.out_offset; i++)
		ASSERT_EQ(TEST_POISON, buf.data[i]);
	EXPECT_EQ((uint8_t)(rounds - 1), buf.data[buf.length - 1]);
	munmap(buf.data, buf.length);
	close(dmabuf);
}

/* From one dma-buf of another driver to the next; and one that is imported twice. */
static void foreign(struct __test_metadata *_metadata, struct test_rig *rig,
		    const struct test_data *data, int in, int out)
{
	struct fqaccel_run run = test_rig_run(rig, data->pictures);
	size_t in_bytes = run.in_length, out_bytes = run.out_length;
	uint64_t before = used(rig->fd);
	uint32_t handles[4] = {}, handle = 0;
	struct fqaccel_submit arg;
	uint8_t *in_map, *out_map;
	int fd = test_open();

	ASSERT_LE(0, fd);
	in_map = test_map(in, in_bytes);
	out_map = test_map(out, out_bytes);
	ASSERT_NE(MAP_FAILED, in_map);
	ASSERT_NE(MAP_FAILED, out_map);
	ASSERT_EQ(0, test_import(rig->fd, in, FQACCEL_BUFFER_CARD_READS, &handles[0]));
	ASSERT_EQ(0, test_import(rig->fd, out, BOTH, &handles[1]));
	EXPECT_EQ(before, used(rig->fd));
	EXPECT_EQ(-EINVAL, test_export(rig->fd, handles[0]));

	/* After the import, so it is the mapping that has to follow. */
	ASSERT_EQ(0, test_sync(in, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE));
	memcpy(in_map, data->input, in_bytes);
	ASSERT_EQ(0, test_sync(in, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE));
	ASSERT_EQ(0, run_between(rig, data->pictures, handles[0], handles[1]));
	ASSERT_EQ(0, test_sync(out, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, memcmp(out_map, data->output, out_bytes));
	ASSERT_EQ(0, test_sync(out, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));

	/* It is mapped once, for what the first import asked for. */
	EXPECT_EQ(-EBUSY, test_import(fd, in, FQACCEL_BUFFER_CARD_WRITES, &handle));
	EXPECT_EQ(-EBUSY, test_import(fd, in, BOTH, &handle));
	EXPECT_EQ(0, test_import(fd, in, FQACCEL_BUFFER_CARD_READS, &handle));
	EXPECT_EQ(0, test_import(rig->fd, out, FQACCEL_BUFFER_CARD_READS, &handles[2]));
	EXPECT_EQ(0, test_import(rig->fd, out, FQACCEL_BUFFER_CARD_WRITES, &handles[3]));
	run.in_buffer = handles[2];
	run.out_buffer = handles[3];
	run.out_offset = run.in_length - 1;
	EXPECT_EQ(-EINVAL, test_submit(rig->fd, rig->queue, 0, &run, 1, &arg));
	run.out_offset = lseek(out, 0, SEEK_END);
	EXPECT_EQ(-EINVAL, test_submit(rig->fd, rig->queue, 0, &run, 1, &arg));

	/* With the last import it is free for another direction, at once. */
	EXPECT_EQ(0, test_destroy(fd, handle));
	EXPECT_EQ(0, test_destroy(rig->fd, handles[0]));
	EXPECT_EQ(0, test_import(fd, in, FQACCEL_BUFFER_CARD_WRITES, &handle));
	munmap(in_map, in_bytes);
	munmap(out_map, out_bytes);
	close(in);
	close(out);
	close(fd);
}

TEST_F(dmabuf, udmabuf)
{
	int in = test_udmabuf(16 * self->page);

	if (in == -ENOENT)
		SKIP(return, "this kernel has no udmabuf");
	ASSERT_LE(0, in);
	foreign(_metadata, &self->rig, &self->data, in, test_udmabuf(8 * self->page));
}

TEST_F(dmabuf, heap)
{
	int in = test_heap(3 << 20, O_RDWR);
	uint32_t handle;

	if (in == -ENOENT)
		SKIP(return, "this kernel has no heap of dma-bufs");
	ASSERT_LE(0, in);
	foreign(_metadata, &self->rig, &self->data, in, test_heap(1 << 20, O_RDWR));

	/* What its owner may not write, the card may not, on its behalf. */
	in = test_heap(self->page, O_RDONLY);
	ASSERT_LE(0, in);
	EXPECT_EQ(-EACCES, test_import(self->rig.fd, in, FQACCEL_BUFFER_CARD_WRITES, &handle));
	EXPECT_EQ(-EACCES, test_import(self->rig.fd, in, BOTH, &handle));
	EXPECT_EQ(0, test_import(self->rig.fd, in, FQACCEL_BUFFER_CARD_READS, &handle));
	close(in);
}

/*
 * The driver lets the card go: exports keep their contents, and the card, which is another
 * one to the driver when it comes back, takes them as anybody's.
 */
TEST_F_TIMEOUT(dmabuf, outlives_the_card, 300)
{
	int in, again, out, foreign = test_udmabuf(4 * self->page);
	struct fqaccel_info info;
	uint8_t *in_map, *out_map;
	uint32_t handle, handles[2];
	struct test_rig rig;

	ASSERT_EQ(0, test_info(self->rig.fd, &info));
	if (foreign >= 0)
		ASSERT_EQ(0, test_import(self->rig.fd, foreign, BOTH, &handle));
	in = test_export(self->rig.fd, self->rig.in.handle);
	again = test_export(self->rig.fd, self->rig.in.handle);
	out = test_export(self->rig.fd, self->rig.out.handle);
	ASSERT_LE(0, in);
	ASSERT_LE(0, again);
	ASSERT_LE(0, out);
	in_map = test_map(in, self->in_bytes);
	ASSERT_NE(MAP_FAILED, in_map);
	memcpy(self->rig.in.data, self->data.input, self->in_bytes);
	memset(self->rig.out.data, TEST_POISON, self->out_bytes);

	ASSERT_EQ(0, write_driver("unbind", &info));
	EXPECT_EQ(-ENODEV, test_export(self->rig.fd, self->rig.in.handle));
	EXPECT_EQ(-ENODEV, test_import(self->rig.fd, in, FQACCEL_BUFFER_CARD_READS, &handle));
	EXPECT_EQ(0, memcmp(in_map, self->data.input, self->in_bytes));
	EXPECT_EQ(0, test_sync(in, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, test_sync(in, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, memcmp(in_map, self->data.input, self->in_bytes));
	out_map = test_map(out, self->out_bytes);
	ASSERT_NE(MAP_FAILED, out_map);
	EXPECT_EQ(TEST_POISON, out_map[self->out_bytes - 1]);

	ASSERT_EQ(0, write_driver("bind", &info));
	ASSERT_EQ(0, test_rig_open(&rig, &self->data, 1));
	ASSERT_EQ(0, test_import(rig.fd, in, FQACCEL_BUFFER_CARD_READS, &handles[0]));
	ASSERT_EQ(0, test_import(rig.fd, out, FQACCEL_BUFFER_CARD_WRITES, &handles[1]));
	/* Two dma-bufs, but one memory, which is mapped once. */
	EXPECT_EQ(-EBUSY, test_import(rig.fd, again, BOTH, &handle));
	EXPECT_EQ(0, test_import(rig.fd, again, FQACCEL_BUFFER_CARD_READS, &handle));
	ASSERT_EQ(0, run_between(&rig, self->data.pictures, handles[0], handles[1]));
	EXPECT_EQ(0, memcmp(out_map, self->data.output, self->out_bytes));
	EXPECT_EQ(0, memcmp(self->rig.out.data, self->data.output, self->out_bytes));

	munmap(in_map, self->in_bytes);
	munmap(out_map, self->out_bytes);
	close(in);
	close(again);
	close(out);
	if (foreign >= 0)
		close(foreign);
	test_rig_close(&rig);
}

TEST_HARNESS_MAIN
