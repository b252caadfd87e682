// SPDX-License-Identifier: MIT
/* Errors: a text for each thread, and what a card's status codes mean. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fqaccel_hw.h"
#include "private.h"

static _Thread_local char error_text[512];

const char *fqaccel_error(void)
{
	return error_text;
}

void fqaccel_error_clear(void)
{
	error_text[0] = '\0';
}

int fqaccel_fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error_text, sizeof(error_text), fmt, ap);
	va_end(ap);
	return err;
}

int fqaccel_fail_memory(void)
{
	return fqaccel_fail(-ENOMEM, "out of memory");
}

void fqaccel_fail_prefix(const char *path)
{
	char old[sizeof(error_text)];

	memcpy(old, error_text, sizeof(old));
	/* A long path must not push out what is wrong. */
	snprintf(error_text, sizeof(error_text), "%.200s: %.300s", path, old);
}

const char *fqaccel_version(void)
{
	return FQACCEL_VERSION;
}

const char *fqaccel_strerror(int err)
{
	static const struct {
		int err;
		const char *text;
	} texts[] = {
		{ 0, "success" },
		{ -EACCES, "no permission" },
		{ -EBADMSG, "the image is refused" },
		{ -EBADFD, "shut out: its runs have hung the card too often" },
		{ -ECANCELED, "dropped" },
		{ -EDQUOT, "above the quota of card memory" },
		{ -EFAULT, "the card could not reach memory" },
		{ -EFBIG, "larger than the card's memory" },
		{ -EINVAL, "invalid argument" },
		{ -EIO, "the card failed" },
		{ -ENODATA, "finished, but its result is no longer kept" },
		{ -ENODEV, "the card is gone or not usable" },
		{ -ENOENT, "no such device or file" },
		{ -ENOMEM, "out of memory" },
		{ -ENOSPC, "no room on the card now" },
		{ -EPROTO, "library and driver do not fit each other" },
		{ -ETIME, "not finished yet" },
		{ -ETIMEDOUT, "the run hung the card, or took longer than the driver allows" },
	};
	const char *text;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].err == err)
			return texts[i].text;
	/* glibc's descriptions are constant strings for every errno that it knows. */
	text = err < 0 && err > INT_MIN ? strerrordesc_np(-err) : NULL;
	return text ? text : "unknown error";
}

const char *fqaccel_status_name(uint32_t status)
{
	static const char *const names[FQA_SC_INTERNAL + 1] = {
		[FQA_SC_OK] = "OK",
		[FQA_SC_BAD_OPCODE] = "BAD_OPCODE",
		[FQA_SC_BAD_FIELD] = "BAD_FIELD",
		[FQA_SC_BAD_QUEUE] = "BAD_QUEUE",
		[FQA_SC_BAD_SLOT] = "BAD_SLOT",
		[FQA_SC_SLOT_IN_USE] = "SLOT_IN_USE",
		[FQA_SC_SLOT_BUSY] = "SLOT_BUSY",
		[FQA_SC_CID_IN_USE] = "CID_IN_USE",
		[FQA_SC_NOT_FOUND] = "NOT_FOUND",
		[FQA_SC_DMA_FAULT] = "DMA_FAULT",
		[FQA_SC_BAD_LIST] = "BAD_LIST",
		[FQA_SC_BAD_LENGTH] = "BAD_LENGTH",
		[FQA_SC_BAD_IMAGE] = "BAD_IMAGE",
		[FQA_SC_NO_MEMORY] = "NO_MEMORY",
		[FQA_SC_BAD_RANGE] = "BAD_RANGE",
		[FQA_SC_ABORTED] = "ABORTED",
		[FQA_SC_INTERNAL] = "INTERNAL",
	};

	if (status > FQA_SC_INTERNAL || !names[status])
		return "unknown status";
	return names[status];
}

int fqaccel_status_errno(uint32_t status)
{
	switch (status) {
	case FQA_SC_OK:
		return 0;
	case FQA_SC_DMA_FAULT:
		return -EFAULT;
	case FQA_SC_BAD_LENGTH:
	case FQA_SC_BAD_RANGE:
		return -EINVAL;
	case FQA_SC_ABORTED:
		return -ECANCELED;
	default:
		return -EIO;
	}
}

int fqaccel_fail_image(const char *who, uint32_t reason, uint32_t layer, uint64_t offset,
		       const char *what)
{
	char where[48] = "";

	if (layer != FQA_NO_LAYER)
		snprintf(where, sizeof(where), " in layer %u", layer);
	return fqaccel_fail(-EBADMSG, "%s refuses the image: %s%s at byte %llu%s%s (encode it anew with fqaccel-compress)",
			    who, fqz_reason_name((enum fqz_reason)reason), where,
			    (unsigned long long)offset, what ? ": " : "", what ? what : "");
}

/* The card names the reason and the place; libfqz can put the same refusal in words. */
static const char *image_phrase(const struct fqaccel_model *model, uint32_t reason)
{
	struct fqz_error err = { .reason = FQZ_OK };
	struct fqz_image *img = NULL;

	if (!fqz_image_open(model->data, model->len, &img, &err)) {
		fqz_image_verify(img, &err);
		fqz_image_close(img);
	}
	return (uint32_t)err.reason == reason ? err.what : NULL;
}

int fqaccel_fail_load(struct fqaccel_model *model, uint32_t status, uint32_t reason,
		      uint32_t layer, uint32_t offset, uint64_t needed, uint64_t memory)
{
	switch (status) {
	case FQA_SC_BAD_IMAGE:
		return fqaccel_fail_image("the card", reason, layer, offset,
					  image_phrase(model, reason));
	case FQA_SC_NO_MEMORY:
		if (needed > memory)
			return fqaccel_fail(-EFBIG,
					    "the model needs %llu bytes of card memory and the card has %llu; use a smaller network or a card with more memory",
					    (unsigned long long)needed,
					    (unsigned long long)memory);
		return fqaccel_fail(-ENOSPC,
				    "the model needs %llu bytes of card memory, which are not free now; close other models",
				    (unsigned long long)needed);
	case FQA_SC_DMA_FAULT:
		return fqaccel_fail(-EFAULT, "the card could not read the image from memory");
	default:
		return fqaccel_fail(-EIO, "the card failed to load the model: %s (0x%02x)",
				    fqaccel_status_name(status), status);
	}
}
