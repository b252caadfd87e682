/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for a weight stream's decoder, of the coder FUZZ_CODER. Four bytes say what the
 * layer is like, the rest is its stream. Each variant of the decoder must give the verdict and
 * the symbols of the slow one that was written from FORMAT.md, and what is accepted must come
 * back from the encoder.
 */
#ifndef FUZZ_STREAM_H
#define FUZZ_STREAM_H

#include "../unit/fqz_reference.h"

#include "fqz_coder.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HEAD	4	/* mode and bits, kernel, count - 1 */

static void demand(bool condition)
{
	if (!condition)
		abort();
}

static void layer_init(struct fqz_layer *l, const uint8_t *head)
{
	*l = (struct fqz_layer){ .coder = FUZZ_CODER, .kind = head[1] ? FQZ_CONV : FQZ_FC,
				 .mode = head[0] & 1 ? FQZ_RECENTRALIZED : FQZ_SHIFT,
				 .bits = 3 + (head[0] >> 1) % 6, .mean_neg = 2, .mean_pos = 3,
				 .kernel_h = 1 + (head[1] & 15), .kernel_w = 1 + (head[1] >> 4),
				 .outputs = 1,
				 .inputs_per_output = 1u + head[2] + (head[3] << 8) };
	l->exponent_count = fqz_exponent_count(l->mode, l->bits);
}

static int decode(const struct fqz_layer *l, enum fqz_speed speed, uint8_t *symbols,
		  struct fqz_error *err)
{
	struct fqz_image img = { .layers = (struct fqz_layer *)l, .layer_count = 1 };
	struct fqz_stream *s;
	int ret;

	ret = fqz_stream_open(&img, 0, &s, err);
	if (ret)
		return ret;
	fqz_stream_set_speed(s, speed);
	ret = fqz_stream_decode(s, 0, fqz_stream_segments(s), symbols, NULL, NULL, err);
	fqz_stream_close(s);
	return ret;
}

static void encode_again(struct fqz_layer l, const uint8_t *symbols, size_t count)
{
	struct fqz_buffer b = { 0 };
	uint8_t *back = malloc(count);
	struct fqz_error err;
	enum fqz_coder coder = FQZ_CODER_AUTO;
	const char *what;

	l.symbols = symbols;
	demand(back && !fqz_stream_put(&b, &l, count, &coder, &what) && !b.failed);
	demand(coder == FUZZ_CODER);
	l.stream = b.data;
	l.stream_size = (uint32_t)b.len;
	demand(!decode(&l, FQZ_FASTEST, back, &err) && !memcmp(back, symbols, count));
	free(back);
	free(b.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum fqz_speed speeds[] = { FQZ_CAREFUL, FQZ_PLAIN, FQZ_FASTEST };
	struct fqz_error err, first = { 0 };
	uint8_t *stream, *out[3], *slow;
	struct fqz_layer l;
	int ret = 0, other;
	size_t count;
	uint32_t i;

	if (len <= HEAD)
		return 0;
	layer_init(&l, data);
	count = l.inputs_per_output;
	/* A block of its own size: no read beyond its end goes unseen. */
	stream = malloc(len - HEAD);
	slow = malloc(count);
	demand(stream && slow);
	memcpy(stream, data + HEAD, len - HEAD);
	l.stream = stream;
	l.stream_size = (uint32_t)(len - HEAD);
	for (i = 0; i < 3; i++) {
		out[i] = malloc(count);
		demand(out[i]);
		other = decode(&l, speeds[i], out[i], &err);
		if (!i) {
			ret = other;
			first = err;
		}
		demand(ret == other && (!ret || (err.reason == first.reason && err.what &&
						 err.offset == first.offset &&
						 err.offset <= l.stream_size)));
		demand(ret || !memcmp(out[0], out[i], count));
	}
	demand(reference_decode(&l, slow, count, NULL, 0, NULL) == !ret);
	demand(ret || !memcmp(out[0], slow, count));
	if (!ret)
		encode_again(l, out[0], count);
	for (i = 0; i < 3; i++)
		free(out[i]);
	free(slow);
	free(stream);
	return 0;
}

#endif
