// SPDX-License-Identifier: MIT
/* Whole files: read within a limit, written so that nobody sees half of one. */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_writer {
	int fd;
	char *path, *tmp;	/* tmp: NULL where path itself is written */
};

/* The temporary that a signal which ends the program must not leave behind. */
static char doomed[PATH_MAX];
static volatile sig_atomic_t is_doomed;

static void on_deadly_signal(int sig)
{
	if (is_doomed)
		unlink(doomed);
	/* SA_RESETHAND: now it ends the program, and its parent sees what did. */
	raise(sig);
}

/* Signals that are ignored (nohup), or that the program handles, stay as they are. */
static void catch_signals(void)
{
	static const int deadly[] = {
		SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ,
	};
	struct sigaction old, new = { .sa_handler = on_deadly_signal, .sa_flags = SA_RESETHAND };
	size_t i;

	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		if (!sigaction(deadly[i], NULL, &old) && !(old.sa_flags & SA_SIGINFO) &&
		    old.sa_handler == SIG_DFL)
			sigaction(deadly[i], &new, NULL);
}

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

/* A temporary beside the file, with the rights that the file has or would get. */
static int temporary_create(struct file_writer *w, const struct stat *target)
{
	mode_t mask, mode;
	sigset_t all, old;
	int ret;

	if (asprintf(&w->tmp, "%s.tmp-XXXXXX", w->path) < 0) {
		w->tmp = NULL;
		return -ENOMEM;
	}
	catch_signals();
	/* No signal between its creation and the note that it is there. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	w->fd = mkostemp(w->tmp, O_CLOEXEC);
	ret = w->fd < 0 ? -errno : 0;
	if (!ret && !is_doomed) {
		snprintf(doomed, sizeof(doomed), "%s", w->tmp);
		is_doomed = 1;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret) {
		free(w->tmp);
		w->tmp = NULL;
		return ret;
	}
	mask = umask(0);
	umask(mask);
	mode = target ? target->st_mode & 0777 : 0666 & ~mask;
	return fchmod(w->fd, mode) ? -errno : 0;
}

int file_create(const char *path, struct file_writer **out, char *err, size_t errlen)
{
	struct file_writer *w = calloc(1, sizeof(*w));
	struct stat st;
	bool exists = !stat(path, &st), replace = exists && S_ISREG(st.st_mode);
	int ret = 0;

	if (!w)
		return file_fail(err, errlen, path, "cannot be written", ENOMEM);
	w->fd = -1;
	/* A symbolic link, such as /dev/stdout, stays one. */
	w->path = replace ? realpath(path, NULL) : strdup(path);
	if (!w->path) {
		ret = -errno;
	} else if (exists && !replace) {
		/* A pipe or a device is written to: it must not give way to a file. */
		w->fd = open(path, O_WRONLY | O_CLOEXEC);
		ret = w->fd < 0 ? -errno : 0;
	} else {
		ret = temporary_create(w, exists ? &st : NULL);
	}
	if (ret) {
		file_abandon(w);
		return file_fail(err, errlen, path, "cannot be written", -ret);
	}
	*out = w;
	return 0;
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

static void forget_temporary(struct file_writer *w)
{
	if (w->tmp && !strcmp(w->tmp, doomed))
		is_doomed = 0;
	free(w->tmp);
	w->tmp = NULL;
}

/* The folder that a file is in, or would be; NULL when out of memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
}

/* A rename lasts when its folder has reached the disk; some file systems have no such call. */
static int sync_folder(const char *path)
{
	char *folder = folder_of(path);
	int fd, ret = 0;

	if (!folder)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return -errno;
	if (fsync(fd) && errno != EINVAL && errno != ENOTSUP)
		ret = -errno;
	close(fd);
	return ret;
}

int file_commit_synced(struct file_writer *w, char *err, size_t errlen)
{
	char *path;
	int ret;

	/* Neither a pipe nor a device is made to last. */
	if (!w->tmp)
		return file_commit(w, err, errlen);
	path = strdup(w->path);
	if (!path || fsync(w->fd)) {
		ret = file_fail(err, errlen, w->path, "cannot be written", path ? errno : ENOMEM);
		file_abandon(w);
		free(path);
		return ret;
	}
	ret = file_commit(w, err, errlen);
	if (!ret) {
		ret = sync_folder(path);
		if (ret)
			file_fail(err, errlen, path, "its folder cannot be synced", -ret);
	}
	free(path);
	return ret;
}

int file_commit(struct file_writer *w, char *err, size_t errlen)
{
	int ret = 0;

	/* Some file systems report a full disk only here. */
	if (close(w->fd))
		ret = file_fail(err, errlen, w->path, "cannot be written", errno);
	w->fd = -1;
	if (!ret && w->tmp && rename(w->tmp, w->path))
		ret = file_fail(err, errlen, w->path, "cannot be written", errno);
	if (!ret)
		forget_temporary(w);
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
	forget_temporary(w);
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

/* Whether @name is @file.tmp-XXXXXX. */
static bool is_temporary(const char *name, const char *file)
{
	size_t n = strlen(file);

	return !strncmp(name, file, n) && !strncmp(name + n, ".tmp-", 5) && strlen(name + n) == 11;
}

void file_sweep(const char *path)
{
	char *real = realpath(path, NULL), *folder = folder_of(real ? real : path);
	const char *file = basename(real ? real : path);
	DIR *dir = folder ? opendir(folder) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_temporary(entry->d_name, file))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	free(folder);
	free(real);
}

static bool stat_folder(const char *path, struct stat *st)
{
	char *folder = folder_of(path);
	bool there = folder && !stat(folder, st);

	free(folder);
	return there;
}

bool file_same(const char *a, const char *b)
{
	struct stat x, y;
	bool exists = !stat(a, &x);

	if (exists != !stat(b, &y))
		return false;
	if (exists)
		return S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
	return !strcmp(basename(a), basename(b)) && stat_folder(a, &x) && stat_folder(b, &y) &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
