// SPDX-License-Identifier: MIT
/*
 * Every allocation of the ONNX reader fails once, those of protobuf-c for it too: the import says
 * -ENOMEM and "out of memory", and nothing is leaked (LeakSanitizer looks at the end).
 */
#include <unistd.h>

#include "fail_alloc.h"
#include "net/onnx.h"
#include "onnx_build.h"
#include "tap.h"

static struct net_error err;
static char path[] = "/tmp/fqaccel-memory-XXXXXX";

/* A node of each kind that allocates: folded, merged, copied, taken over, joined, dropped. */
static struct onnx_build *network(void)
{
	static const float v[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct onnx_build *b = onnx_build_new(0, 2, 4, 4);

	onnx_build_floats(b, "w", v, 2, 2, 2, 2, -1);
	onnx_build_floats(b, "v", v, 2, 2, 2, 2, -1);
	onnx_build_floats(b, "two", v, 2, -1);
	onnx_build_floats(b, "m", v, 4, 3, -1);
	onnx_build_ints(b, "flat", 2, (const int64_t[]){ 1, -1 });
	onnx_build_node(b, "Conv", "a", "x", "w", "two", NULL);
	onnx_build_node(b, "BatchNormalization", "n", "a", "two", "two", "two", "two", NULL);
	onnx_build_node(b, "Relu", "r", "n", NULL);
	onnx_build_node(b, "Conv", "c", "x", "v", NULL);
	onnx_build_node(b, "Conv", "d", "x", "v", NULL);
	onnx_build_node(b, "Sub", "s", "c", "d", NULL);
	onnx_attr_int_set(b, onnx_build_node(b, "Concat", "e", "r", "s", NULL), "axis", 1);
	onnx_build_node(b, "GlobalAveragePool", "g", "e", NULL);
	onnx_build_node(b, "Add", "twice", "flat", "flat", NULL);
	onnx_build_node(b, "Sub", "again", "twice", "flat", NULL);
	onnx_build_node(b, "Reshape", "f", "g", "again", NULL);
	onnx_build_node(b, "MatMul", "y", "f", "m", NULL);
	return b;
}

/* Import until no allocation fails any more; the number of those that did, -1: not as it should. */
static long failures(const void *data, size_t len, int last)
{
	struct net *net;
	bool right = true;
	long i;
	int rc = -ENOMEM;

	for (i = 0; rc == -ENOMEM && right; i++) {
		err.text[0] = '\0';
		fail_alloc(i);
		rc = data ? onnx_import_memory(data, len, &net, &err) :
		     onnx_import_file(path, &net, NULL, &err);
		if (fail_alloc_end() && rc != -ENOMEM)
			right = false;
		if (rc == -ENOMEM)
			right &= !net && !strcmp(err.text, "out of memory");
		if (!rc)
			net_destroy(net);
	}
	if (!right || rc != last)
		diag("allocation %ld: returned %d: %s", i, rc, err.text);
	return right && rc == last ? i - 1 : -1;
}

static long survey_failures(void)
{
	struct onnx_survey s;
	long i;
	int rc = -ENOMEM;

	for (i = 0; rc == -ENOMEM; i++) {
		fail_alloc(i);
		rc = onnx_survey_file(path, &s, &err);
		fail_alloc_end();
		if (rc == -ENOMEM && (s.uses || s.refusals))
			return -1;
	}
	if (!rc)
		onnx_survey_free(&s);
	return rc ? -1 : i - 1;
}

int main(void)
{
	struct onnx_build *b = network();
	const uint8_t *data;
	size_t len;
	long n;
	int fd = mkstemp(path);

	data = onnx_build_pack(b, "y", &len);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		bail("%s: can't be written", path);
	n = failures(data, len, 0);
	ok(n > 100, "an import with each of %ld allocations failing", n);
	n = failures(NULL, 0, 0);
	ok(n > 100, "one from a file with each of %ld failing", n);
	onnx_build_free(b);

	b = network();
	onnx_build_node(b, "Einsum", "z", "y", NULL);
	data = onnx_build_pack(b, "z", &len);
	n = failures(data, len, -EINVAL);
	ok(n > 100, "a refused one with each of %ld failing", n);
	if (ftruncate(fd, 0) || pwrite(fd, data, len, 0) != (ssize_t)len)
		bail("%s: can't be written", path);
	n = survey_failures();
	ok(n > 100, "a list of its operators with each of %ld failing", n);
	onnx_build_free(b);
	close(fd);
	unlink(path);
	return tap_done();
}
