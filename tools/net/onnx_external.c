// SPDX-License-Identifier: MIT
/*
 * External data: tensors whose bytes lie in a file beside the network's. Its name comes from the
 * network and must not lead out of the folder: it is relative, without "..", and no part of it may
 * be a symbolic link. Only regular files are read, and no further than they reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fqz.h"
#include "onnx_private.h"

#define EXTERNAL_CRC_CHUNK	((size_t)1 << 20)

static const char *tensor_name(const Onnx__TensorProto *t)
{
	return t->name ? t->name : "";
}

static const char *external_entry(const Onnx__TensorProto *t, const char *key)
{
	size_t i;

	for (i = 0; i < t->n_external_data; i++)
		if (t->external_data[i]->key && !strcmp(t->external_data[i]->key, key))
			return t->external_data[i]->value ? t->external_data[i]->value : "";
	return NULL;
}

/* A decimal number of at most 18 digits; an absent one is @preset. */
static bool external_number(const Onnx__TensorProto *t, const char *key, uint64_t preset,
			    uint64_t *v)
{
	const char *s = external_entry(t, key);

	*v = preset;
	if (!s)
		return true;
	if (!*s || strlen(s) > 18 || strspn(s, "0123456789") != strlen(s))
		return false;
	*v = strtoull(s, NULL, 10);
	return true;
}

/* Open @path below @folder, part after part; -1 with errno. */
static int open_below(int folder, const char *path)
{
	int dir = dup(folder), fd = -1;
	char part[NAME_MAX + 1];
	size_t len;

	while (dir >= 0) {
		const char *end = strchrnul(path, '/');
		bool last = !*end;

		len = (size_t)(end - path);
		if (!len || len > NAME_MAX || (len == 2 && !memcmp(path, "..", 2))) {
			errno = EINVAL;
			break;
		}
		memcpy(part, path, len);
		part[len] = '\0';
		/* A FIFO must not block; fstat() refuses it afterwards. */
		fd = openat(dir, part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
			    (last ? O_NONBLOCK | O_NOCTTY : O_DIRECTORY));
		if (fd < 0 || last)
			break;
		close(dir);
		dir = fd;
		fd = -1;
		path = end + 1;
	}
	if (dir >= 0) {
		int error = errno;

		close(dir);
		errno = error;
	}
	return fd;
}

static const char *open_problem(int error)
{
	switch (error) {
	case EINVAL:
		return "it leads out of the network's folder";
	case ELOOP:
		return "it is a symbolic link";
	case ENOTDIR:
		return "it goes through something that is not a folder (or is a symbolic link)";
	default:
		return strerror(error);
	}
}

int onnx_external_open(struct onnx_import *im, const Onnx__TensorProto *t, size_t bytes, int *fd,
		       uint64_t *offset)
{
	const char *location = external_entry(t, "location");
	uint64_t length, size;
	struct stat st;

	if (!location)
		return onnx_refuse(im, "tensor '%.60s' lies in an external file without a name",
				   tensor_name(t));
	if (im->folder < 0)
		return onnx_refuse(im, "tensor '%.60s' lies in the external file '%.60s', but the "
				   "network is not read from a folder", tensor_name(t), location);
	if (!external_number(t, "offset", 0, offset) ||
	    !external_number(t, "length", bytes, &length) || length != bytes)
		return onnx_refuse(im, "tensor '%.60s': offset or length of its external data are "
				   "not what its %zu bytes need", tensor_name(t), bytes);
	if (bytes > ONNX_MAX_EXTERNAL - im->external_bytes)
		return onnx_refuse(im, "more than 2 GiB of external data");
	*fd = open_below(im->folder, location);
	if (*fd < 0)
		return onnx_refuse(im, "tensor '%.40s': can't open the external file '%.60s': %s",
				   tensor_name(t), location, open_problem(errno));
	if (fstat(*fd, &st) || !S_ISREG(st.st_mode)) {
		close(*fd);
		return onnx_refuse(im, "tensor '%.40s': external file '%.60s' is not a regular file",
				   tensor_name(t), location);
	}
	size = (uint64_t)st.st_size;
	if (*offset > size || bytes > size - *offset) {
		close(*fd);
		return onnx_refuse(im, "tensor '%.40s': external file '%.40s' ends at %llu, the "
				   "tensor at %llu", tensor_name(t), location,
				   (unsigned long long)size,
				   (unsigned long long)(*offset + bytes));
	}
	im->external_bytes += bytes;
	im->const_room += ONNX_ROOM_FACTOR * bytes;
	return ONNX_OK;
}

int onnx_external_read(struct onnx_import *im, const Onnx__TensorProto *t, int fd,
		       uint64_t offset, void *data, size_t bytes)
{
	uint8_t *p = data;
	size_t at = 0;
	ssize_t n;

	while (at < bytes) {
		size_t want = bytes - at < EXTERNAL_CRC_CHUNK ? bytes - at : EXTERNAL_CRC_CHUNK;

		n = pread(fd, p + at, want, (off_t)(offset + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return onnx_refuse(im, "tensor '%.40s': can't read its external data: %s",
					   tensor_name(t), n ? strerror(errno) : "it shrank");
		im->crc = fqz_crc32c(im->crc, p + at, (size_t)n);
		at += (size_t)n;
	}
	return ONNX_OK;
}
