/* SPDX-License-Identifier: MIT */
/* A slow decoder of streams, written from FORMAT.md sections 6.2 to 6.6 alone. */
#ifndef FQZ_REFERENCE_H
#define FQZ_REFERENCE_H

#include "fqz.h"

/* A number that the decoder read, for the document's tables. */
struct reference_step {
	uint32_t state, symbol, bits, value;
};

/*
 * Decodes a layer's stream: kind, kernel, alphabet, coder, stream and stream_size are read.
 * Return: whether the stream is what the document allows. steps: of coder 3, where not NULL,
 * each lookup; *count of them at most room.
 */
bool reference_decode(const struct fqz_layer *l, uint8_t *symbols, size_t count,
		      struct reference_step *steps, size_t room, size_t *step_count);

#endif
