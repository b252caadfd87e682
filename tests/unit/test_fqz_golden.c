// SPDX-License-Identifier: MIT
/* The golden files in tests/golden/fqz get the verdicts of verdicts.txt. */
#include "tap.h"
#include "test_fqz_net.h"

#include <dirent.h>
#include <errno.h>

#define FOLDER	"tests/golden/fqz/"

static uint8_t *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long size = -1;

	if (f && !fseek(f, 0, SEEK_END))
		size = ftell(f);
	if (size < 0 || fseek(f, 0, SEEK_SET))
		bail("%s: cannot be read (run from the top folder)", path);
	*len = (size_t)size;
	data = malloc(*len);
	if (fread(data, 1, *len, f) != *len)
		bail("%s: cannot be read", path);
	fclose(f);
	return data;
}

/* CRC32C of the symbols of all layers, one after another. */
static int symbols_crc(const struct fqz_image *img, uint32_t *crc, struct fqz_error *err)
{
	uint8_t *symbols;
	size_t count;
	uint32_t i;
	int ret;

	*crc = 0;
	for (i = 0; i < img->layer_count; i++) {
		if (!fqz_layer_has_weights(&img->layers[i]))
			continue;
		count = (size_t)img->layers[i].outputs * img->layers[i].inputs_per_output;
		symbols = malloc(count);
		ret = fqz_layer_decode(img, i, symbols, count, err);
		if (!ret)
			ret = fqz_layer_check_bound(img, i, symbols, NULL, err);
		if (!ret)
			*crc = fqz_crc32c(*crc, symbols, count);
		free(symbols);
		if (ret)
			return ret;
	}
	return 0;
}

/* The verdict as a line of verdicts.txt has it, without the file. */
static void judge(const char *path, char *verdict, size_t room)
{
	struct fqz_error err = { .layer = FQZ_NO_LAYER };
	struct fqz_image *img;
	uint32_t crc = 0;
	uint8_t *image;
	char layer[16];
	size_t len;
	int ret;

	image = read_file(path, &len);
	ret = fqz_image_open(image, len, &img, &err);
	if (!ret) {
		ret = symbols_crc(img, &crc, &err);
		if (!ret != !fqz_image_verify(img, NULL))
			ret = -EIO;
		fqz_image_close(img);
	}
	snprintf(layer, sizeof(layer), err.layer == FQZ_NO_LAYER ? "-" : "%u", err.layer);
	if (!ret)
		snprintf(verdict, room, "OK - - %08x", crc);
	else if (ret == -EBADMSG)
		snprintf(verdict, room, "%s %llu %s -", fqz_reason_name(err.reason),
			 (unsigned long long)err.offset, layer);
	else
		snprintf(verdict, room, "error %d", ret);
	free(image);
}

static uint32_t count_images(void)
{
	DIR *dir = opendir(FOLDER);
	uint32_t count = 0;
	struct dirent *e;

	if (!dir)
		bail("no folder " FOLDER " (run from the top folder)");
	while ((e = readdir(dir)))
		count += strlen(e->d_name) > 4 &&
			 !strcmp(e->d_name + strlen(e->d_name) - 4, ".fqz");
	closedir(dir);
	return count;
}

/* What version 1.0 wrote is what the writer makes of it now, byte for byte. */
static void check_writer(const char *name, void (*fill)(struct net *n))
{
	uint8_t *golden, *image;
	size_t want, len;
	char path[128];

	snprintf(path, sizeof(path), FOLDER "%s.fqz", name);
	golden = read_file(path, &want);
	image = net_build(fill, &len);
	if (ok(len == want, "%s.fqz: the writer's size", name))
		ok_mem(image, golden, len, "and its bytes");
	free(image);
	free(golden);
}

int main(void)
{
	char line[256], name[64], reason[32], offset[32], layer[32], crc[32], path[128];
	char want[160], got[160];
	bool seen[FQZ_NO_MEMORY] = { false };
	uint32_t count = 0, reasons = 0, i;
	FILE *f = fopen(FOLDER "verdicts.txt", "r");

	if (!f)
		bail("no " FOLDER "verdicts.txt (run from the top folder)");
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		if (sscanf(line, "%63s %31s %31s %31s %31s", name, reason, offset, layer, crc) != 5)
			bail("verdicts.txt: %s", line);
		snprintf(path, sizeof(path), FOLDER "%s", name);
		snprintf(want, sizeof(want), "%s %s %s %s", reason, offset, layer, crc);
		judge(path, got, sizeof(got));
		is_str(got, want, name);
		count++;
		for (i = 1; i < FQZ_NO_MEMORY; i++)
			seen[i] |= !strcmp(reason, fqz_reason_name((enum fqz_reason)i));
	}
	fclose(f);
	is_int(count, count_images(), "each image has a verdict");
	for (i = 1; i < FQZ_NO_MEMORY; i++)
		reasons += seen[i];
	is_int(reasons, FQZ_NO_MEMORY - 1, "each reason has an image");
	check_writer("example", net_example);
	check_writer("small", net_small);
	check_writer("every-kind", net_every_kind);
	check_writer("alive", net_alive);
	check_writer("widths", net_widths);
	check_writer("segments", net_segments);
	check_writer("pool", net_pool);
	check_writer("largest-sum", net_sum);
	return tap_done();
}
