// SPDX-License-Identifier: MIT
/*
 * A walk over an ONNX file's protocol buffer encoding before protobuf-c sees it.
 *
 * protobuf-c 1.4.1 recurses once for each nested message, with several KiB of
 * stack each, and has no limit: 114 KB of graphs within graphs overflow it. A message that
 * should be there once but comes again it merges, copying all lists that came before: half a
 * megabyte of them takes minutes.
 */
#include <stdbool.h>

#include "onnx.pb-c.h"
#include "onnx.h"

#define SCAN_MAX_DEPTH		32
#define SCAN_MAX_MESSAGES	(1u << 20)
#define SCAN_MAX_FIELDS		(1u << 22)	/* each takes 100 bytes in protobuf-c */
#define SCAN_MAX_BYTES		((size_t)1 << 31)	/* protocol buffers' own limit */

struct scan {
	const uint8_t *base;
	size_t messages, fields;
	struct net_error *err;
};

static bool scan_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	unsigned int shift;

	*v = 0;
	for (shift = 0; shift < 70 && *p < end; shift += 7) {
		uint8_t b = *(*p)++;

		if (shift == 63 && b > 1)
			return false;
		*v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return true;
	}
	return false;
}

static int scan_fail(struct scan *s, const uint8_t *p, const char *what)
{
	return net_fail(s->err, "not a usable ONNX file: %s at byte %zu", what,
			(size_t)(p - s->base));
}

static int scan_message(struct scan *s, const uint8_t *p, const uint8_t *end,
			const ProtobufCMessageDescriptor *desc, unsigned int depth);

/* A length-delimited field: its bytes must be there; messages are entered. */
static int scan_delimited(struct scan *s, const uint8_t **p, const uint8_t *end,
			  const ProtobufCFieldDescriptor *field, unsigned int depth)
{
	const uint8_t *start = *p;
	uint64_t len;
	int rc = 0;

	if (!scan_varint(p, end, &len) || len > (size_t)(end - *p))
		return scan_fail(s, start, "a length beyond the end");
	if (field && field->type == PROTOBUF_C_TYPE_MESSAGE)
		rc = scan_message(s, *p, *p + len, field->descriptor, depth + 1);
	*p += len;
	return rc;
}

static int scan_message(struct scan *s, const uint8_t *p, const uint8_t *end,
			const ProtobufCMessageDescriptor *desc, unsigned int depth)
{
	uint64_t seen = 0, bit;

	if (depth > SCAN_MAX_DEPTH)
		return scan_fail(s, p, "messages nested deeper than 32 levels");
	if (++s->messages > SCAN_MAX_MESSAGES)
		return scan_fail(s, p, "too many messages");
	while (p < end) {
		const ProtobufCFieldDescriptor *field;
		const uint8_t *start = p;
		uint64_t tag, skip;
		int rc = 0;

		if (++s->fields > SCAN_MAX_FIELDS)
			return scan_fail(s, p, "too many fields");
		if (!scan_varint(&p, end, &tag) || tag >> 3 == 0 || tag >> 32)
			return scan_fail(s, start, "a bad field tag");
		field = protobuf_c_message_descriptor_get_field(desc, (unsigned int)(tag >> 3));
		switch (tag & 7) {
		case 0:
			if (!scan_varint(&p, end, &skip))
				return scan_fail(s, start, "a bad number");
			break;
		case 1:
		case 5:
			skip = (tag & 7) == 1 ? 8 : 4;
			if ((size_t)(end - p) < skip)
				return scan_fail(s, start, "a number cut short");
			p += skip;
			break;
		case 2:
			bit = field && field->type == PROTOBUF_C_TYPE_MESSAGE &&
			      field->label != PROTOBUF_C_LABEL_REPEATED ?
			      UINT64_C(1) << (field - desc->fields) % 64 : 0;
			if (seen & bit)
				return scan_fail(s, start, "a second message where one belongs");
			seen |= bit;
			rc = scan_delimited(s, &p, end, field, depth);
			break;
		default:
			return scan_fail(s, start, "an unknown wire type");
		}
		if (rc)
			return rc;
	}
	return 0;
}

int onnx_scan(const void *data, size_t len, struct net_error *err)
{
	struct scan s = { .base = data, .err = err };

	if (!len)
		return net_fail(err, "not a usable ONNX file: it is empty");
	if (len >= SCAN_MAX_BYTES)
		return net_fail(err, "not a usable ONNX file: larger than 2 GiB");
	return scan_message(&s, data, (const uint8_t *)data + len,
			    &onnx__model_proto__descriptor, 0);
}
