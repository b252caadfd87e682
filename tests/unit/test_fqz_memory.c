// SPDX-License-Identifier: MIT
/*
 * Every allocation of libfqz fails once: the call says -ENOMEM and NO_MEMORY,
 * and nothing is leaked (LeakSanitizer looks at the end).
 */
#include "fail_alloc.h"
#include "tap.h"
#include "test_fqz_net.h"

int main(void)
{
	struct fqz_error err;
	uint8_t *image;
	struct net n;
	void *data;
	size_t len, other;
	long i, failures;
	bool right = true;
	int ret = 1;

	net_every_kind(&n);
	image = net_write(&n, &len);
	for (i = 0; ret; i++) {
		memset(&err, 0, sizeof(err));
		fail_alloc(i);
		ret = image_verify(image, len, &err);
		right &= !ret || (ret == -ENOMEM && err.reason == FQZ_NO_MEMORY);
	}
	failures = i - 1;
	ok(right && failures >= 7, "opening and verifying, with each of %ld allocations failing",
	   failures);

	ret = 1;
	for (i = 0; ret; i++) {
		memset(&err, 0, sizeof(err));
		fail_alloc(i);
		ret = fqz_image_write(&n.img, &data, &other, &err);
		right &= !ret || (ret == -ENOMEM && err.reason == FQZ_NO_MEMORY && !data);
	}
	fail_alloc_end();
	ok(right && i - 1 > failures, "writing, with each of %ld allocations failing", i - 1);
	if (ok(other == len, "in the end it writes"))
		ok_mem(data, image, len, "the same image");
	free(data);
	free(image);
	net_free(&n);
	return tap_done();
}
