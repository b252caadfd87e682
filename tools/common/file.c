// SPDX-License-Identifier: MIT
/* Whole files: read within a limit, written so that nobody sees half of one. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_writer {
	int fd;
	char *path, *tmp;
};

static int file_fail(char *err, size_t errlen, const char *path, const char *what, int code)
{
	snprintf(err, errlen, "%s: %s: %s", path, what, strerror(code));
	return -code;
}

static int read_fully(int fd, void *buf, size_t want, size_t *got)
{
	ssize_t n;

	for (*got = 0; *got < want; *got += (size_t)n) {
		n = read(fd, (char *)buf + *got, want - *got);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return -errno;
		else if (n == 0)
			break;
	}
	return 0;
}

int file_read(const char *path, size_t limit, void **data, size_t *len,
	      char *err, size_t errlen)
{
	struct stat st;
	char *buf;
	int fd, ret;

	/* O_NONBLOCK: a named pipe must be refused, not waited for. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return file_fail(err, errlen, path, "cannot be opened", errno);
	if (fstat(fd, &st)) {
		ret = file_fail(err, errlen, path, "cannot be examined", errno);
		goto close_fd;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(err, errlen, "%s: is not a regular file", path);
		ret = -EINVAL;
		goto close_fd;
	}
	if ((uint64_t)st.st_size > limit) {
		snprintf(err, errlen, "%s: is larger than the limit of %zu bytes", path, limit);
		ret = -EFBIG;
		goto close_fd;
	}
	buf = malloc((size_t)st.st_size + 1);
	if (!buf) {
		ret = file_fail(err, errlen, path, "cannot be read", ENOMEM);
		goto close_fd;
	}
	ret = read_fully(fd, buf, (size_t)st.st_size, len);
	if (ret) {
		file_fail(err, errlen, path, "cannot be read", -ret);
		free(buf);
		goto close_fd;
	}
	buf[*len] = '\0';
	*data = buf;
close_fd:
	close(fd);
	return ret;
}

int file_create(const char *path, struct file_writer **out, char *err, size_t errlen)
{
	struct file_writer *w = calloc(1, sizeof(*w));
	mode_t mask;
	int ret;

	if (!w)
		return file_fail(err, errlen, path, "cannot be written", ENOMEM);
	w->path = strdup(path);
	if (!w->path || asprintf(&w->tmp, "%s.tmp-XXXXXX", path) < 0) {
		w->tmp = NULL;
		ret = file_fail(err, errlen, path, "cannot be written", ENOMEM);
		goto free_writer;
	}
	w->fd = mkostemp(w->tmp, O_CLOEXEC);
	if (w->fd < 0) {
		ret = file_fail(err, errlen, path, "cannot be written", errno);
		goto free_writer;
	}
	/* mkostemp() makes it private; a file that is written should be as any other. */
	mask = umask(0);
	umask(mask);
	if (fchmod(w->fd, 0666 & ~mask)) {
		ret = file_fail(err, errlen, path, "cannot be written", errno);
		file_abandon(w);
		return ret;
	}
	*out = w;
	return 0;

free_writer:
	free(w->tmp);
	free(w->path);
	free(w);
	return ret;
}

int file_append(struct file_writer *w, const void *data, size_t len, char *err, size_t errlen)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = write(w->fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_fail(err, errlen, w->path, "cannot be written", errno);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_commit(struct file_writer *w, char *err, size_t errlen)
{
	int ret = 0;

	/* Some file systems report a full disk only here. */
	if (close(w->fd))
		ret = file_fail(err, errlen, w->path, "cannot be written", errno);
	w->fd = -1;
	if (!ret && rename(w->tmp, w->path))
		ret = file_fail(err, errlen, w->path, "cannot be written", errno);
	if (!ret) {
		free(w->tmp);
		w->tmp = NULL;
	}
	file_abandon(w);
	return ret;
}

void file_abandon(struct file_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	if (w->tmp)
		unlink(w->tmp);
	free(w->tmp);
	free(w->path);
	free(w);
}

int file_write(const char *path, const void *data, size_t len, char *err, size_t errlen)
{
	struct file_writer *w;
	int ret = file_create(path, &w, err, errlen);

	if (ret)
		return ret;
	ret = file_append(w, data, len, err, errlen);
	if (ret) {
		file_abandon(w);
		return ret;
	}
	return file_commit(w, err, errlen);
}
