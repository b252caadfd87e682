// SPDX-License-Identifier: MIT
/* A byte buffer that grows. */
#include "fqz_private.h"

#include <stdlib.h>

uint8_t *fqz_buffer_add(struct fqz_buffer *b, size_t len)
{
	size_t end, room;
	uint8_t *data;

	if (b->failed || __builtin_add_overflow(b->len, len, &end))
		goto fail;
	if (end > b->room) {
		room = b->room ? b->room : 4096;
		while (room < end)
			if (__builtin_mul_overflow(room, 2, &room))
				goto fail;
		data = realloc(b->data, room);
		if (!data)
			goto fail;
		b->data = data;
		b->room = room;
	}
	data = b->data + b->len;
	memset(data, 0, len);
	b->len = end;
	return data;
fail:
	b->failed = true;
	return NULL;
}

void fqz_buffer_put(struct fqz_buffer *b, const void *data, size_t len)
{
	uint8_t *to = fqz_buffer_add(b, len);

	if (to && len)
		memcpy(to, data, len);
}
