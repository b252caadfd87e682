// SPDX-License-Identifier: MIT
/* Writes the small networks into a folder, for the tests of the tools. */
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "smallnet.h"

static int residual(void **data, size_t *len)
{
	return small_residual(16, 8, data, len);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*make)(void **data, size_t *len);
	} nets[] = {
		{ "fc.fqz", small_fc }, { "gray.fqz", small_gray },
		{ "huge.fqz", small_huge }, { "residual.fqz", residual },
	};
	char path[512], err[512];
	void *data;
	size_t len, i;

	if (argc != 2) {
		fputs("usage: make_smallnet FOLDER\n", stderr);
		return 2;
	}
	for (i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		if (nets[i].make(&data, &len))
			return 1;
		snprintf(path, sizeof(path), "%s/%s", argv[1], nets[i].name);
		if (file_write(path, data, len, err, sizeof(err))) {
			fprintf(stderr, "make_smallnet: %s\n", err);
			return 1;
		}
		free(data);
	}
	return 0;
}
