// SPDX-License-Identifier: MIT
/* METADATA, CLASSES and NAMES: FORMAT.md section 8. */
#include "fqz_private.h"

#include <stdlib.h>

/* Bytes of the UTF-8 character at p (RFC 3629), 0 where there is none. */
static size_t character(const uint8_t *p, size_t len)
{
	uint32_t code;
	size_t n, i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	code = p[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)) ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return n;
}

static int check_bytes(const struct fqz_reader *r, const struct fqz_section *s)
{
	const uint8_t *p = r->data + s->offset;
	bool metadata = s == &r->sections[FQZ_S_METADATA];
	size_t i = 0, n;

	if (s->size > FQZ_MAX_TEXT)
		return fqz_reader_refuse(r, FQZ_LIMIT, s->entry + FQZ_E_SIZE,
					 "a text section is above 1 MiB");
	while (i < s->size) {
		n = character(p + i, (size_t)s->size - i);
		if (!n)
			return fqz_reader_refuse(r, FQZ_TEXT, s->offset + i,
						 "a text is not UTF-8");
		/* In a key the check of its characters finds tab and line feed. */
		if (p[i] == 0x7f || (p[i] && p[i] < 0x20 &&
				     !(metadata && (p[i] == '\t' || p[i] == '\n'))))
			return fqz_reader_refuse(r, FQZ_TEXT, s->offset + i,
						 "a text holds a control character");
		i += n;
	}
	if (p[s->size - 1])
		return fqz_reader_refuse(r, FQZ_TEXT, s->offset + s->size - 1,
					 "the last text does not end with a zero byte");
	return 0;
}

static uint32_t count_texts(const struct fqz_reader *r, const struct fqz_section *s)
{
	const uint8_t *p = r->data + s->offset;
	uint32_t count = 0;
	size_t i;

	for (i = 0; i < s->size; i++)
		count += !p[i];
	return count;
}

/* Checks the bytes and that the section holds as many texts as it must. */
static int check_names(const struct fqz_reader *r, const struct fqz_section *s, uint32_t want)
{
	int ret;

	ret = check_bytes(r, s);
	if (ret)
		return ret;
	if (count_texts(r, s) != want)
		return fqz_reader_refuse(r, FQZ_TEXT, s->offset,
					 "there are not as many names as there must be");
	return 0;
}

static int read_classes(struct fqz_reader *r)
{
	const struct fqz_section *s = &r->sections[FQZ_S_CLASSES];
	struct fqz_image *img = &r->img;
	const char *p = (const char *)r->data + s->offset;
	uint32_t i;
	int ret;

	if (!s->offset)
		return img->class_count ? fqz_reader_missing(r, "no CLASSES section") : 0;
	ret = check_names(r, s, img->class_count);
	if (ret)
		return ret;
	img->classes = calloc(img->class_count, sizeof(*img->classes));
	if (!img->classes)
		return fqz_no_memory(r->err);
	for (i = 0; i < img->class_count; i++) {
		img->classes[i] = p;
		p += strlen(p) + 1;
	}
	return 0;
}

static int read_names(struct fqz_reader *r)
{
	const struct fqz_section *s = &r->sections[FQZ_S_NAMES];
	const char *p = (const char *)r->data + s->offset;
	uint32_t i;
	int ret;

	if (!s->offset)
		return 0;
	ret = check_names(r, s, r->img.layer_count);
	if (ret)
		return ret;
	for (i = 0; i < r->img.layer_count; i++) {
		r->img.layers[i].name = *p ? p : NULL;
		p += strlen(p) + 1;
	}
	return 0;
}

static bool is_key(const char *key, size_t *bad)
{
	size_t i;

	for (i = 0; key[i]; i++) {
		*bad = i;
		if (i >= FQZ_MAX_KEY)
			return false;
		if (!(key[i] >= 'a' && key[i] <= 'z') && !(key[i] >= '0' && key[i] <= '9') &&
		    key[i] != '.' && key[i] != '_' && key[i] != '-')
			return false;
	}
	*bad = 0;
	return i > 0;
}

static int read_metadata(struct fqz_reader *r)
{
	const struct fqz_section *s = &r->sections[FQZ_S_METADATA];
	const char *start = (const char *)r->data, *p = start + s->offset;
	struct fqz_image *img = &r->img;
	uint32_t texts, i;
	size_t bad;
	int ret;

	if (!s->offset)
		return 0;
	ret = check_bytes(r, s);
	if (ret)
		return ret;
	texts = count_texts(r, s);
	if (texts % 2)
		return fqz_reader_refuse(r, FQZ_TEXT, s->offset + s->size - 1,
					 "the last key has no value");
	img->meta = calloc(texts / 2, sizeof(*img->meta));
	if (!img->meta)
		return fqz_no_memory(r->err);
	img->meta_count = texts / 2;
	for (i = 0; i < img->meta_count; i++) {
		img->meta[i].key = p;
		if (!is_key(p, &bad))
			return fqz_reader_refuse(r, FQZ_TEXT, (uint64_t)(p - start) + bad,
						 "a key is empty, too long or of other characters");
		if (i && strcmp(img->meta[i - 1].key, p) >= 0)
			return fqz_reader_refuse(r, FQZ_TEXT, (uint64_t)(p - start),
						 "keys are not in ascending order, each once");
		p += strlen(p) + 1;
		img->meta[i].value = p;
		p += strlen(p) + 1;
	}
	return 0;
}

int fqz_read_text(struct fqz_reader *r)
{
	int ret;

	ret = read_metadata(r);
	if (!ret)
		ret = read_classes(r);
	if (!ret)
		ret = read_names(r);
	return ret;
}
