// SPDX-License-Identifier: MIT
/*
 * External data of ONNX files: read where it may be read, and refused in one line each where the
 * file asks for anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/exec.h"
#include "net/onnx.h"
#include "onnx_build.h"
#include "tap.h"

#define WEIGHTS	4	/* floats of the one tensor that lies outside */

static const float weights[WEIGHTS] = { 1, -2, 3, 0.5f };
static char folder[] = "/tmp/fqaccel-external-XXXXXX";
static struct net_error err;

static void put(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(data, 1, len, f) != len || fclose(f))
		bail("%s: can't be written", path);
}

static void add_entry(struct onnx_build *b, Onnx__TensorProto *t, const char *key,
		      const char *value)
{
	Onnx__StringStringEntryProto *e = onnx_build_alloc(b, sizeof(*e));

	onnx__string_string_entry_proto__init(e);
	e->key = (char *)key;
	e->value = (char *)value;
	t->external_data[t->n_external_data++] = e;
}

/* model/net.onnx: y = w * x of one channel each, w outside at @location. */
static int import(const char *location, const char *offset, const char *length, int64_t count,
		  struct net **net)
{
	struct onnx_build *b = onnx_build_new(1, 1, 1, 1);
	Onnx__TensorProto *t;
	const uint8_t *data;
	size_t len;
	int rc;

	onnx_build_floats(b, "w", weights, WEIGHTS, 1, 1, 1, -1);
	onnx_build_node(b, "Conv", "y", "x", "w", NULL);
	t = onnx_build_graph(b)->initializer[0];
	t->dims[0] = count;
	t->has_raw_data = 0;
	t->has_data_location = 1;
	t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
	t->external_data = onnx_build_alloc(b, 3 * sizeof(*t->external_data));
	if (location)
		add_entry(b, t, "location", location);
	if (offset)
		add_entry(b, t, "offset", offset);
	if (length)
		add_entry(b, t, "length", length);
	data = onnx_build_pack(b, "y", &len);
	put("model/net.onnx", data, len);
	onnx_build_free(b);
	err.text[0] = '\0';
	rc = onnx_import_file("model/net.onnx", net, NULL, &err);
	return rc;
}

static void taken(const char *location, const char *offset, const char *length, const char *what)
{
	struct net *net;
	int rc = import(location, offset, length, WEIGHTS, &net);

	if (!ok(!rc && !memcmp(net->layers[0].weight, weights, sizeof(weights)), "%s", what))
		diag("returned %d: %s", rc, err.text);
	net_destroy(net);
}

static void refused(const char *location, const char *offset, const char *length, int64_t count,
		    const char *text, const char *what)
{
	struct net *net;
	int rc = import(location, offset, length, count, &net);

	if (!ok(rc == -EINVAL && !net && strstr(err.text, text), "%s", what))
		diag("returned %d: %s", rc, err.text);
	net_destroy(net);
}

static void test_taken(void)
{
	uint32_t one = 0, other = 0;
	struct net *net;

	taken("w.bin", "8", "16", "bytes 8 to 23 of a file beside the network");
	taken("plain.bin", NULL, NULL, "a file's first bytes");
	taken("sub/w.bin", "8", NULL, "a file in a folder below");
	taken("./w.bin", "8", NULL, "a folder that is the same");
	is_int(import("w.bin", "8", "16", WEIGHTS, &net) ||
	       (net_destroy(net), onnx_import_file("model/net.onnx", &net, &one, &err)), 0,
	       "its checksum");
	net_destroy(net);
	put("model/w.bin", "different, but 24 bytes ", 24);
	is_int(onnx_import_file("model/net.onnx", &net, &other, &err), 0, "and that of other data");
	net_destroy(net);
	ok(one != other, "are not the same");
	is_int(chdir("model") || onnx_import_file("net.onnx", &net, NULL, &err) || chdir(".."), 0,
	       "a network without a folder in its name");
	net_destroy(net);
}

static void test_paths(void)
{
	char absolute[256];

	snprintf(absolute, sizeof(absolute), "%s/model/plain.bin", folder);
	refused(absolute, NULL, NULL, WEIGHTS, "out of the network's folder", "an absolute path");
	refused("../secret.bin", NULL, NULL, WEIGHTS, "out of the network's folder",
		"a file above the folder");
	refused("sub/../../secret.bin", NULL, NULL, WEIGHTS, "out of the network's folder",
		"a way down and up");
	refused("sub/..", NULL, NULL, WEIGHTS, "out of the network's folder", "a way back");
	refused("", NULL, NULL, WEIGHTS, "out of the network's folder", "an empty name");
	refused("sub//w.bin", NULL, NULL, WEIGHTS, "out of the network's folder",
		"an empty part of a name");
	refused(NULL, "0", "16", WEIGHTS, "without a name", "no name");
	refused("link.bin", NULL, NULL, WEIGHTS, "symbolic link", "a link out of the folder");
	refused("near.bin", NULL, NULL, WEIGHTS, "symbolic link", "a link within the folder");
	refused("up/secret.bin", NULL, NULL, WEIGHTS, "symbolic link", "a link to a folder");
	refused("fifo", NULL, NULL, WEIGHTS, "not a regular file", "a FIFO, without waiting");
	refused("sub", NULL, NULL, WEIGHTS, "not a regular file", "a folder");
	refused("none.bin", NULL, NULL, WEIGHTS, "No such file", "a file that is not there");
	refused("plain.bin/w", NULL, NULL, WEIGHTS, "not a folder", "a file as a folder");
}

static void test_bounds(void)
{
	refused("w.bin", "9", "16", WEIGHTS, "ends at 24, the tensor at 25", "a byte too many");
	refused("w.bin", "8", "12", WEIGHTS, "not what its 16 bytes need", "a length too short");
	refused("w.bin", "8", "20", WEIGHTS, "not what its 16 bytes need", "a length too long");
	refused("w.bin", "999999999999999999", NULL, WEIGHTS, "ends at 24", "an offset far beyond");
	refused("w.bin", "99999999999999999999", NULL, WEIGHTS, "offset or length",
		"an offset beyond 64 bits");
	refused("w.bin", "-8", NULL, WEIGHTS, "offset or length", "a negative offset");
	refused("w.bin", "0x8", NULL, WEIGHTS, "offset or length", "an offset that is no decimal");
	refused("w.bin", "", NULL, WEIGHTS, "offset or length", "an empty offset");
	refused("w.bin", NULL, NULL, 1 << 27, "ends at 24", "512 MiB out of 24 bytes");
	refused("w.bin", NULL, NULL, INT64_MAX, "2^28 elements", "2^63 elements");
	refused("w.bin", NULL, NULL, -1, "2^28 elements", "a negative count");
}

static void test_memory(void)
{
	struct net *net;
	uint8_t data[4096];
	size_t len;
	FILE *f;

	is_int(import("plain.bin", NULL, NULL, WEIGHTS, &net), 0, "the file as it lies");
	net_destroy(net);
	f = fopen("model/net.onnx", "rb");
	len = f ? fread(data, 1, sizeof(data), f) : 0;
	if (f)
		fclose(f);
	ok(onnx_import_memory(data, len, &net, &err) == -EINVAL && strstr(err.text, "folder"),
	   "from memory there is no external data");
}

int main(void)
{
	static const char *const made[] = {
		"secret.bin", "model/plain.bin", "model/w.bin", "model/sub/w.bin", "model/fifo",
		"model/link.bin", "model/near.bin", "model/up", "model/net.onnx", "model/sub",
		"model",
	};
	uint8_t w[8 + sizeof(weights)] = { 0 };
	size_t i;

	memcpy(w + 8, weights, sizeof(weights));
	if (!mkdtemp(folder) || chdir(folder) || mkdir("model", 0700) || mkdir("model/sub", 0700) ||
	    symlink("../secret.bin", "model/link.bin") ||
	    symlink("plain.bin", "model/near.bin") || symlink("..", "model/up") ||
	    mkfifo("model/fifo", 0600))
		bail("can't prepare %s", folder);
	put("secret.bin", weights, sizeof(weights));
	put("model/plain.bin", weights, sizeof(weights));
	put("model/w.bin", w, sizeof(w));
	put("model/sub/w.bin", w, sizeof(w));
	test_paths();
	test_bounds();
	test_memory();
	test_taken();
	for (i = 0; i < sizeof(made) / sizeof(*made); i++)
		remove(made[i]);
	is_int(rmdir(folder), 0, "nothing else was written");
	return tap_done();
}
