// SPDX-License-Identifier: MIT
/*
 * Every allocation of libfqz fails once: the call says -ENOMEM and NO_MEMORY,
 * and nothing is leaked (LeakSanitizer looks at the end).
 */
#include "fail_alloc.h"
#include "tap.h"
#include "test_fqz_net.h"

static void check(void (*fill)(struct net *n), enum fqz_coder coder, long least)
{
	struct fqz_error err;
	uint8_t *image;
	struct net n;
	void *data;
	size_t len, other;
	long i, failures;
	bool right = true;
	int ret = 1;

	fill(&n);
	net_set_coder(&n, coder);
	image = net_write(&n, &len);
	for (i = 0; ret; i++) {
		memset(&err, 0, sizeof(err));
		fail_alloc(i);
		ret = image_verify(image, len, &err);
		right &= !ret || (ret == -ENOMEM && err.reason == FQZ_NO_MEMORY);
	}
	failures = i - 1;
	ok(right && failures >= least, "opening and verifying, with each of %ld allocations failing",
	   failures);

	ret = 1;
	for (i = 0; ret; i++) {
		memset(&err, 0, sizeof(err));
		fail_alloc(i);
		ret = fqz_image_write(&n.img, &data, &other, &err);
		right &= !ret || (ret == -ENOMEM && err.reason == FQZ_NO_MEMORY && !data);
	}
	fail_alloc_end();
	ok(right && i - 1 > failures, "writing with coder %s, with each of %ld allocations failing",
	   fqz_coder_name(coder), i - 1);
	if (ok(other == len, "in the end it writes"))
		ok_mem(data, image, len, "the same image");
	free(data);
	free(image);
	net_free(&n);
}

static void check_size(void)
{
	struct fqz_error err;
	struct net n;
	uint64_t bytes;
	bool right = true;
	int ret = 1;
	long i;

	net_example(&n);
	for (i = 0; ret; i++) {
		fail_alloc(i);
		ret = fqz_stream_size(&n.layers[0], n.layers[0].symbols, 9, FQZ_CODER_AUTO, &bytes,
				      NULL, &err);
		right &= !ret || (ret == -ENOMEM && err.reason == FQZ_NO_MEMORY);
	}
	fail_alloc_end();
	ok(right && i > 6, "fqz_stream_size(), with each of %ld allocations failing", i - 1);
	net_free(&n);
}

int main(void)
{
	enum fqz_coder coder;

	for (coder = FQZ_CODER_AUTO; coder <= FQZ_TANS; coder++)
		check(net_every_kind, coder, 7);
	check(net_contexts, FQZ_CODER_AUTO, 5);
	check_size();
	return tap_done();
}
