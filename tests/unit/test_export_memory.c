// SPDX-License-Identifier: MIT
/*
 * Every allocation of the ONNX export fails once: it says so, returns no bytes, and nothing is leaked
 * (LeakSanitizer looks at the end).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "compress/compress.h"
#include "fail_alloc.h"
#include "tap.h"

static void check(const char *image_path, long least)
{
	void *image, *data = NULL;
	size_t len, size = 0;
	double bound = 0;
	bool right = true;
	char err[512];
	int rc = 1;
	long i;

	if (file_read(image_path, 1 << 20, &image, &len, err, sizeof(err))) {
		ok(false, "%s", err);
		return;
	}
	for (i = 0; rc && i < 100000; i++) {
		err[0] = '\0';
		fail_alloc(i);
		rc = export_onnx(image, len, &data, &size, &bound, err, sizeof(err));
		if (fail_alloc_end() && rc)
			right &= rc == -ENOMEM && strstr(err, "out of memory") && !data;
		else
			right &= !rc && data;
	}
	ok(right && i - 1 >= least, "%s, with each of %ld allocations failing", image_path, i - 1);
	ok(size > 0 && bound > 0, "in the end it is made, and the bound told");
	free(data);
	free(image);
}

int main(void)
{
	check("tests/golden/fqz/every-kind.fqz", 300);
	check("tests/golden/fqz/small.fqz", 100);
	return tap_done();
}
