// SPDX-License-Identifier: MIT
/* Opens an image: header, section table, then section by section (FORMAT.md 1, 10). */
#include "fqz_private.h"

#include <stdlib.h>

bool fqz_is_zero(const uint8_t *p, size_t len, size_t *where)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i]) {
			*where = i;
			return false;
		}
	}
	return true;
}

int fqz_reader_missing(const struct fqz_reader *r, const char *what)
{
	return fqz_reader_refuse(r, FQZ_LAYOUT, FQZ_HEADER_SIZE, what);
}

static int truncated(const struct fqz_reader *r, const char *what)
{
	return fqz_reader_refuse(r, FQZ_TRUNCATED, r->len, what);
}

static int check_version(struct fqz_reader *r)
{
	const uint8_t *p = r->data;
	size_t where;

	if (r->len < FQZ_HEADER_SIZE)
		return truncated(r, "shorter than a header");
	if (memcmp(p, FQZ_MAGIC_BYTES, 8))
		return fqz_reader_refuse(r, FQZ_MAGIC, FQZ_H_MAGIC, "not a .fqz image");
	if (fqz_le16(p + FQZ_H_VERSION_MAJOR) != FQZ_VERSION_MAJOR)
		return fqz_reader_refuse(r, FQZ_VERSION, FQZ_H_VERSION_MAJOR,
					 "Version_Major is not 1");
	if (fqz_crc32c(0, p, FQZ_H_HEADER_CRC) != fqz_le32(p + FQZ_H_HEADER_CRC))
		return fqz_reader_refuse(r, FQZ_CRC, FQZ_H_HEADER_CRC, "Header_CRC is wrong");
	if (fqz_le32(p + FQZ_H_HEADER_SIZE) != FQZ_HEADER_SIZE)
		return fqz_reader_refuse(r, FQZ_LAYOUT, FQZ_H_HEADER_SIZE,
					 "Header_Size is not 64");
	r->features = fqz_le64(p + FQZ_H_INCOMPAT);
	if (r->features & ~(uint64_t)FQZ_FEATURE_CODERS)
		return fqz_reader_refuse(r, FQZ_FEATURE, FQZ_H_INCOMPAT,
					 "an unknown bit in Incompat_Features");
	if (r->features && !fqz_le16(p + FQZ_H_VERSION_MINOR))
		return fqz_reader_refuse(r, FQZ_VERSION, FQZ_H_VERSION_MINOR,
					 "Version_Minor is 0 with a bit in Incompat_Features");
	if (!fqz_is_zero(p + FQZ_H_RESERVED, FQZ_H_HEADER_CRC - FQZ_H_RESERVED, &where))
		return fqz_reader_refuse(r, FQZ_RESERVED, FQZ_H_RESERVED + where,
					 "a reserved byte of the header is not zero");
	return 0;
}

static int read_header(struct fqz_reader *r)
{
	const uint8_t *p = r->data;
	int ret;

	ret = check_version(r);
	if (ret)
		return ret;
	r->img.file_size = fqz_le64(p + FQZ_H_FILE_SIZE);
	if (r->img.file_size > UINT32_MAX)
		return fqz_reader_refuse(r, FQZ_LIMIT, FQZ_H_FILE_SIZE,
					 "File_Size is above 2^32 - 1");
	if (r->img.file_size > r->len)
		return truncated(r, "shorter than File_Size");
	if (r->img.file_size < r->len)
		return fqz_reader_refuse(r, FQZ_LAYOUT, FQZ_H_FILE_SIZE,
					 "bytes follow after File_Size");
	r->section_count = fqz_le32(p + FQZ_H_SECTION_COUNT);
	if (!r->section_count)
		return fqz_reader_refuse(r, FQZ_LAYOUT, FQZ_H_SECTION_COUNT,
					 "Section_Count is 0");
	if (r->section_count > FQZ_MAX_SECTIONS)
		return fqz_reader_refuse(r, FQZ_LIMIT, FQZ_H_SECTION_COUNT,
					 "Section_Count is above 16");
	if (r->len < FQZ_HEADER_SIZE + r->section_count * FQZ_ENTRY_SIZE)
		return truncated(r, "shorter than the section table");
	if (fqz_crc32c(0, p + FQZ_HEADER_SIZE, r->section_count * FQZ_ENTRY_SIZE) !=
	    fqz_le32(p + FQZ_H_TABLE_CRC))
		return fqz_reader_refuse(r, FQZ_CRC, FQZ_H_TABLE_CRC, "Table_CRC is wrong");
	return 0;
}

/* An entry by itself: type, flags, reserved field. */
static int check_entry(const struct fqz_reader *r, uint64_t entry)
{
	const uint8_t *p = r->data + entry;
	uint32_t type = fqz_le32(p + FQZ_E_TYPE), flags = fqz_le32(p + FQZ_E_FLAGS);
	uint64_t other;

	if (flags & ~FQZ_SKIPPABLE)
		return fqz_reader_refuse(r, FQZ_RESERVED, entry + FQZ_E_FLAGS,
					 "a reserved flag of a section is set");
	if (fqz_le32(p + FQZ_E_RESERVED))
		return fqz_reader_refuse(r, FQZ_RESERVED, entry + FQZ_E_RESERVED,
					 "a reserved field of the section table is not zero");
	if ((!type || type >= FQZ_S_COUNT) && !(flags & FQZ_SKIPPABLE))
		return fqz_reader_refuse(r, FQZ_FEATURE, entry + FQZ_E_TYPE,
					 "an unknown section that is not skippable");
	for (other = FQZ_HEADER_SIZE; other < entry; other += FQZ_ENTRY_SIZE)
		if (fqz_le32(r->data + other + FQZ_E_TYPE) == type)
			return fqz_reader_refuse(r, FQZ_LAYOUT, entry + FQZ_E_TYPE,
						 "two sections of one type");
	return 0;
}

/* An entry's place; *end is where the section before (or the table) ends. */
static int check_place(const struct fqz_reader *r, uint64_t entry, uint64_t *end)
{
	const uint8_t *p = r->data + entry;
	uint64_t offset = fqz_le64(p + FQZ_E_OFFSET), size = fqz_le64(p + FQZ_E_SIZE);
	uint64_t want = (*end + FQZ_ALIGNMENT - 1) / FQZ_ALIGNMENT * FQZ_ALIGNMENT;
	size_t where;

	if (offset != want)
		return fqz_reader_refuse(r, FQZ_LAYOUT, entry + FQZ_E_OFFSET,
					 "a section is not at the first free multiple of 64");
	if (offset > r->len || !size || size > r->len - offset)
		return fqz_reader_refuse(r, FQZ_LAYOUT, entry + FQZ_E_SIZE,
					 "a section is empty or ends after File_Size");
	if (!fqz_is_zero(r->data + *end, (size_t)(offset - *end), &where))
		return fqz_reader_refuse(r, FQZ_RESERVED, *end + where, "padding is not zero");
	*end = offset + size;
	return 0;
}

static int read_table(struct fqz_reader *r)
{
	uint64_t end = FQZ_HEADER_SIZE + (uint64_t)r->section_count * FQZ_ENTRY_SIZE;
	uint64_t entry = FQZ_HEADER_SIZE;
	uint32_t i, type;
	int ret;

	for (i = 0; i < r->section_count; i++, entry += FQZ_ENTRY_SIZE) {
		ret = check_entry(r, entry);
		if (!ret)
			ret = check_place(r, entry, &end);
		if (ret)
			return ret;
		type = fqz_le32(r->data + entry + FQZ_E_TYPE);
		if (!type || type >= FQZ_S_COUNT)
			continue;
		r->sections[type].entry = entry;
		r->sections[type].offset = fqz_le64(r->data + entry + FQZ_E_OFFSET);
		r->sections[type].size = fqz_le64(r->data + entry + FQZ_E_SIZE);
	}
	if (end != r->img.file_size)
		return fqz_reader_refuse(r, FQZ_LAYOUT, FQZ_H_FILE_SIZE,
					 "File_Size is not the end of the last section");
	return 0;
}

static int check_section_crcs(struct fqz_reader *r)
{
	uint64_t entry = FQZ_HEADER_SIZE;
	uint32_t i;

	for (i = 0; i < r->section_count; i++, entry += FQZ_ENTRY_SIZE) {
		const uint8_t *p = r->data + entry;

		if (fqz_crc32c(0, r->data + fqz_le64(p + FQZ_E_OFFSET),
			       (size_t)fqz_le64(p + FQZ_E_SIZE)) != fqz_le32(p + FQZ_E_CRC))
			return fqz_reader_refuse(r, FQZ_CRC, entry + FQZ_E_CRC,
						 "Section_CRC is wrong");
	}
	return 0;
}

int fqz_image_open(const void *data, size_t len, struct fqz_image **out, struct fqz_error *err)
{
	static int (*const steps[])(struct fqz_reader *r) = {
		read_header, read_table, check_section_crcs, fqz_read_network,
		fqz_read_tensors, fqz_read_layers, fqz_check_flow, fqz_read_channels,
		fqz_read_text, fqz_read_weights,
	};
	struct fqz_reader *r;
	int ret = 0;
	size_t i;

	*out = NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return fqz_no_memory(err);
	r->data = data;
	r->len = len;
	r->err = err;
	for (i = 0; i < FQZ_ARRAY_SIZE(steps) && !ret; i++)
		ret = steps[i](r);
	if (ret) {
		fqz_image_close(&r->img);
		return ret;
	}
	r->err = NULL;
	*out = &r->img;
	return 0;
}

void fqz_image_close(struct fqz_image *img)
{
	struct fqz_reader *r = (struct fqz_reader *)img;

	if (!r)
		return;
	free(r->channels);
	free(img->meta);
	free(img->classes);
	free(img->layers);
	free(img->tensors);
	free(r);
}
