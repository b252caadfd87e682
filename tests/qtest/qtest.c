// SPDX-License-Identifier: MIT
/*
 * A client of QEMU's qtest protocol: one line asks, one line answers, over a
 * pair of sockets that are the emulator's standard input and output.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qtest.h"
#include "../unit/tap.h"

#define QTEST_ANSWER_MS		30000
#define QTEST_PIECE		4096	/* bytes in one line */

struct qtest {
	pid_t pid;
	int fd;
	size_t have;			/* bytes in answer[] that are not consumed */
	char answer[2 * QTEST_PIECE + 64];
};

static void qtest_exec(const char *device, int in, int out, int err)
{
	const char *qemu = getenv("FQACCEL_QEMU");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, 0);
	dup2(out, 1);
	if (err >= 0)
		dup2(err, 2);
	if (!qemu)
		qemu = "build/qemu-system-x86_64";
	execl(qemu, qemu, "-nodefaults", "-no-user-config", "-display", "none",
	      "-machine", "q35", "-accel", "qtest", "-m", "128", "-qtest", "stdio",
	      "-qtest-log", "/dev/null", "-device", device, (char *)NULL);
	fprintf(stderr, "can't start %s: %s; make qemu builds it\n", qemu, strerror(errno));
	_exit(127);
}

struct qtest *qtest_start(const char *device)
{
	struct qtest *q = calloc(1, sizeof(*q));
	int pair[2];

	if (!q || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		bail("no sockets: %s", strerror(errno));
	fflush(stdout);
	q->pid = fork();
	if (q->pid < 0)
		bail("fork: %s", strerror(errno));
	if (q->pid == 0)
		qtest_exec(device, pair[1], pair[1], -1);
	close(pair[1]);
	q->fd = pair[0];
	return q;
}

static int qtest_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int qtest_stop(struct qtest *q)
{
	int ret;

	/* It ends in good order on SIGTERM; if it has crashed already, that shows. */
	kill(q->pid, SIGTERM);
	ret = qtest_wait(q->pid);
	close(q->fd);
	free(q);
	return ret;
}

int qtest_run(const char *device, char *text, size_t len)
{
	size_t have = 0;
	ssize_t n;
	int pipes[2], ret;
	pid_t pid;

	if (pipe(pipes) < 0)
		bail("pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail("fork: %s", strerror(errno));
	if (pid == 0) {
		/* Should it start after all: SIGALRM survives exec and ends it. */
		alarm(10);
		qtest_exec(device, open("/dev/null", O_RDONLY), pipes[1], pipes[1]);
	}
	close(pipes[1]);
	while (have + 1 < len && (n = read(pipes[0], text + have, len - 1 - have)) > 0)
		have += n;
	text[have] = '\0';
	close(pipes[0]);
	ret = qtest_wait(pid);
	return ret;
}

static void qtest_send(struct qtest *q, const char *line, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = send(q->fd, line, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			bail("the emulator is gone: %s", strerror(errno));
		line += n;
		len -= n;
	}
}

/* The answer's text after "OK", terminated, valid until the next request. */
static char *qtest_receive(struct qtest *q)
{
	struct pollfd pfd = { .fd = q->fd, .events = POLLIN };
	char *end;
	ssize_t n;

	q->have = 0;
	for (;;) {
		if (poll(&pfd, 1, QTEST_ANSWER_MS) == 0)
			bail("the emulator does not answer");
		n = read(q->fd, q->answer + q->have, sizeof(q->answer) - 1 - q->have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			bail("the emulator has died");
		q->have += n;
		q->answer[q->have] = '\0';
		end = strchr(q->answer, '\n');
		if (end)
			break;
		if (q->have == sizeof(q->answer) - 1)
			bail("the emulator's answer is too long");
	}
	*end = '\0';
	if (strncmp(q->answer, "OK", 2))
		bail("the emulator says: %s", q->answer);
	return q->answer + 2;
}

static uint64_t qtest_ask(struct qtest *q, const char *what, uint64_t addr)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s 0x%llx\n", what, (unsigned long long)addr);

	qtest_send(q, line, n);
	return strtoull(qtest_receive(q), NULL, 0);
}

static void qtest_tell(struct qtest *q, const char *what, uint64_t addr, uint64_t value)
{
	char line[96];
	int n = snprintf(line, sizeof(line), "%s 0x%llx 0x%llx\n", what,
			 (unsigned long long)addr, (unsigned long long)value);

	qtest_send(q, line, n);
	qtest_receive(q);
}

uint8_t qtest_readb(struct qtest *q, uint64_t addr)
{
	return qtest_ask(q, "readb", addr);
}

uint16_t qtest_readw(struct qtest *q, uint64_t addr)
{
	return qtest_ask(q, "readw", addr);
}

uint32_t qtest_readl(struct qtest *q, uint64_t addr)
{
	return qtest_ask(q, "readl", addr);
}

uint64_t qtest_readq(struct qtest *q, uint64_t addr)
{
	return qtest_ask(q, "readq", addr);
}

void qtest_writeb(struct qtest *q, uint64_t addr, uint8_t value)
{
	qtest_tell(q, "writeb", addr, value);
}

void qtest_writew(struct qtest *q, uint64_t addr, uint16_t value)
{
	qtest_tell(q, "writew", addr, value);
}

void qtest_writel(struct qtest *q, uint64_t addr, uint32_t value)
{
	qtest_tell(q, "writel", addr, value);
}

void qtest_writeq(struct qtest *q, uint64_t addr, uint64_t value)
{
	qtest_tell(q, "writeq", addr, value);
}

void qtest_outb(struct qtest *q, uint16_t port, uint8_t value)
{
	qtest_tell(q, "outb", port, value);
}

void qtest_outl(struct qtest *q, uint16_t port, uint32_t value)
{
	qtest_tell(q, "outl", port, value);
}

static void qtest_read_piece(struct qtest *q, uint64_t addr, uint8_t *buf, size_t len)
{
	unsigned int byte;
	char line[96];
	char *hex;
	size_t i;
	int n;

	n = snprintf(line, sizeof(line), "read 0x%llx 0x%zx\n", (unsigned long long)addr, len);
	qtest_send(q, line, n);
	hex = qtest_receive(q);
	if (strlen(hex) != 3 + 2 * len)
		bail("asked for %zu bytes, got %zu digits", len, strlen(hex) - 3);
	for (i = 0; i < len; i++) {
		sscanf(hex + 3 + 2 * i, "%2x", &byte);
		buf[i] = byte;
	}
}

void qtest_read(struct qtest *q, uint64_t addr, void *buf, size_t len)
{
	size_t n, done;

	for (done = 0; done < len; done += n) {
		n = len - done < QTEST_PIECE ? len - done : QTEST_PIECE;
		qtest_read_piece(q, addr + done, (uint8_t *)buf + done, n);
	}
}

static void qtest_write_piece(struct qtest *q, uint64_t addr, const uint8_t *buf, size_t len)
{
	char line[2 * QTEST_PIECE + 64];
	int n = snprintf(line, sizeof(line), "write 0x%llx 0x%zx 0x", (unsigned long long)addr,
			 len);
	size_t i;

	for (i = 0; i < len; i++)
		n += snprintf(line + n, sizeof(line) - n, "%02x", buf[i]);
	line[n++] = '\n';
	qtest_send(q, line, n);
	qtest_receive(q);
}

void qtest_write(struct qtest *q, uint64_t addr, const void *buf, size_t len)
{
	size_t n, done;

	for (done = 0; done < len; done += n) {
		n = len - done < QTEST_PIECE ? len - done : QTEST_PIECE;
		qtest_write_piece(q, addr + done, (const uint8_t *)buf + done, n);
	}
}

void qtest_fill(struct qtest *q, uint64_t addr, uint8_t value, size_t len)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "memset 0x%llx 0x%zx 0x%x\n",
			 (unsigned long long)addr, len, value);

	qtest_send(q, line, n);
	qtest_receive(q);
}
