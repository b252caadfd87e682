// SPDX-License-Identifier: MIT
/* Refusals: FORMAT.md section 10. */
#include "fqz_private.h"

int fqz_refuse(struct fqz_error *err, enum fqz_reason reason, uint32_t layer,
	       uint64_t offset, const char *what)
{
	if (err) {
		err->reason = reason;
		err->layer = layer;
		err->offset = offset;
		err->what = what;
	}
	return -EBADMSG;
}

int fqz_no_memory(struct fqz_error *err)
{
	fqz_refuse(err, FQZ_NO_MEMORY, FQZ_NO_LAYER, 0, "out of memory");
	return -ENOMEM;
}

int fqz_invalid(struct fqz_error *err, const char *what)
{
	fqz_refuse(err, FQZ_OK, FQZ_NO_LAYER, 0, what);
	return -EINVAL;
}

int fqz_reader_refuse(const struct fqz_reader *r, enum fqz_reason reason, uint64_t offset,
		      const char *what)
{
	return fqz_refuse(r->err, reason, FQZ_NO_LAYER, offset, what);
}

int fqz_layer_refuse(const struct fqz_reader *r, uint32_t layer, unsigned int field,
		     enum fqz_reason reason, const char *what)
{
	uint64_t at = r->sections[FQZ_S_LAYERS].offset + (uint64_t)layer * FQZ_LAYER_SIZE;

	return fqz_refuse(r->err, reason, layer, at + field, what);
}

const char *fqz_reason_name(enum fqz_reason reason)
{
	static const char *const names[] = {
		[FQZ_OK] = "OK",
		[FQZ_TRUNCATED] = "TRUNCATED",
		[FQZ_MAGIC] = "MAGIC",
		[FQZ_VERSION] = "VERSION",
		[FQZ_FEATURE] = "FEATURE",
		[FQZ_CRC] = "CRC",
		[FQZ_LAYOUT] = "LAYOUT",
		[FQZ_RESERVED] = "RESERVED",
		[FQZ_LIMIT] = "LIMIT",
		[FQZ_NETWORK] = "NETWORK",
		[FQZ_TENSOR] = "TENSOR",
		[FQZ_LAYER] = "LAYER",
		[FQZ_SHAPE] = "SHAPE",
		[FQZ_CHANNEL] = "CHANNEL",
		[FQZ_ALPHABET] = "ALPHABET",
		[FQZ_CODE] = "CODE",
		[FQZ_STREAM] = "STREAM",
		[FQZ_OVERFLOW] = "OVERFLOW",
		[FQZ_TEXT] = "TEXT",
		[FQZ_NO_MEMORY] = "NO_MEMORY",
	};

	if ((size_t)reason >= FQZ_ARRAY_SIZE(names))
		return "unknown";
	return names[reason];
}
