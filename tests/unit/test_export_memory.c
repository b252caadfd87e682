// SPDX-License-Identifier: MIT
/*
 * Every allocation of the ONNX export fails once: it says so, leaves no file, and nothing is leaked
 * (LeakSanitizer looks at the end).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "compress/compress.h"
#include "fail_alloc.h"
#include "tap.h"

static void check(const char *folder, const char *image_path, long least)
{
	char path[256], err[512];
	double bound = 0;
	bool right = true;
	void *image;
	size_t len;
	int rc = 1;
	long i;

	if (file_read(image_path, 1 << 20, &image, &len, err, sizeof(err))) {
		ok(false, "%s", err);
		return;
	}
	snprintf(path, sizeof(path), "%s/out.onnx", folder);
	for (i = 0; rc && i < 100000; i++) {
		err[0] = '\0';
		fail_alloc(i);
		rc = export_onnx(image, len, path, &bound, err, sizeof(err));
		if (fail_alloc_end() && rc)
			right &= rc == -ENOMEM && err[0] && access(path, F_OK);
		else
			right &= !rc && !access(path, F_OK);
	}
	ok(right && i - 1 >= least, "%s, with each of %ld allocations failing", image_path, i - 1);
	ok(bound > 0, "in the end it is written, and the bound told");
	unlink(path);
	free(image);
}

int main(void)
{
	char folder[] = "/tmp/test_export.XXXXXX";

	if (!mkdtemp(folder)) {
		puts("Bail out! no temporary folder");
		return 1;
	}
	check(folder, "tests/golden/fqz/every-kind.fqz", 300);
	check(folder, "tests/golden/fqz/small.fqz", 100);
	rmdir(folder);
	return tap_done();
}
