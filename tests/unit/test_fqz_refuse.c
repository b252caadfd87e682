// SPDX-License-Identifier: MIT
/*
 * What a reader must refuse (FORMAT.md section 10): fields of a valid image are
 * changed one at a time, the CRCs made right again, and the reason, the offset
 * and the layer of the refusal compared with what they must be.
 */
#include "tap.h"
#include "test_fqz_net.h"

#include <errno.h>

enum place { FILE_START, NETWORK, TENSORS, LAYERS, CHANNELS, WEIGHTS, METADATA, CLASSES, NAMES };

#define ENTRY		16	/* ENTRY + TYPE: the entry of a section in the table */
#define NONE		FQZ_NO_LAYER
#define TENSOR(i, f)	(16 * (i) + (f))
#define LAYER(i, f)	(64 * (i) + (f))

struct patch {
	const char *what;
	unsigned int place, at, bytes;
	uint64_t value;
	enum fqz_reason reason;
	unsigned int fault_place, fault_at;	/* the field at fault */
	uint32_t layer;
};

/* The field that is changed is the one at fault. */
#define P(_what, _place, _at, _bytes, _value, _reason, _layer) \
	{ _what, _place, _at, _bytes, _value, _reason, _place, _at, _layer }
/* A field of layer i */
#define L(_what, _i, _field, _bytes, _value, _reason) \
	P(_what, LAYERS, LAYER(_i, _field), _bytes, _value, _reason, _i)

static size_t place_offset(const uint8_t *image, unsigned int place)
{
	if (place >= ENTRY)
		return image_entry(image, place - ENTRY);
	return place == FILE_START ? 0 : image_section(image, place, NULL);
}

static void is_refused(const uint8_t *image, size_t len, enum fqz_reason reason,
		       uint64_t offset, uint32_t layer, const char *what)
{
	struct fqz_error err = { .reason = FQZ_OK, .what = "accepted" };
	int ret = image_verify(image, len, &err);

	if (ok(ret == -EBADMSG && err.reason == reason && err.offset == offset &&
	       err.layer == layer, "refused: %s", what))
		return;
	diag("%s at %llu, layer %d: %s; expected %s at %llu, layer %d",
	     fqz_reason_name(err.reason), (unsigned long long)err.offset, (int)err.layer,
	     err.what, fqz_reason_name(reason), (unsigned long long)offset, (int)layer);
}

static void put(uint8_t *p, unsigned int bytes, uint64_t v)
{
	for (; bytes--; v >>= 8)
		*p++ = (uint8_t)v;
}

static void check_patch(const uint8_t *image, size_t len, const struct patch *p)
{
	uint8_t *copy = malloc(len);

	memcpy(copy, image, len);
	put(copy + place_offset(image, p->place) + p->at, p->bytes, p->value);
	image_fix_crcs(copy, len);
	is_refused(copy, len, p->reason, place_offset(image, p->fault_place) + p->fault_at,
		   p->layer, p->what);
	free(copy);
}

static const struct patch header_patches[] = {
	P("magic", FILE_START, 0, 1, 'F', FQZ_MAGIC, NONE),
	{ "magic, transferred as text", FILE_START, 4, 2, 0x0a0a, FQZ_MAGIC, FILE_START, 0, NONE },
	P("Version_Major 0", FILE_START, 8, 2, 0, FQZ_VERSION, NONE),
	P("Version_Major 2", FILE_START, 8, 2, 2, FQZ_VERSION, NONE),
	P("Header_Size", FILE_START, 12, 4, 128, FQZ_LAYOUT, NONE),
	P("File_Size above 2^32 - 1", FILE_START, 16, 8, UINT64_C(1) << 32, FQZ_LIMIT, NONE),
	P("File_Size too small", FILE_START, 16, 8, 200, FQZ_LAYOUT, NONE),
	P("an unknown feature", FILE_START, 24, 8, UINT64_C(1) << 63, FQZ_FEATURE, NONE),
	P("no sections", FILE_START, 40, 4, 0, FQZ_LAYOUT, NONE),
	P("17 sections", FILE_START, 40, 4, 17, FQZ_LIMIT, NONE),
	P("2^32 - 1 sections", FILE_START, 40, 4, UINT32_MAX, FQZ_LIMIT, NONE),
	P("a reserved byte of the header", FILE_START, 59, 1, 1, FQZ_RESERVED, NONE),
	P("a reserved flag", ENTRY + TENSORS, 4, 4, 2, FQZ_RESERVED, NONE),
	P("a reserved field of an entry", ENTRY + TENSORS, 28, 4, 1, FQZ_RESERVED, NONE),
	P("an unknown section", ENTRY + METADATA, 0, 4, 9, FQZ_FEATURE, NONE),
	P("a section of type 0", ENTRY + METADATA, 0, 4, 0, FQZ_FEATURE, NONE),
	P("two sections of a type", ENTRY + NAMES, 0, 4, CLASSES, FQZ_LAYOUT, NONE),
	P("a misaligned section", ENTRY + TENSORS, 8, 8, 440, FQZ_LAYOUT, NONE),
	P("an overlapping section", ENTRY + TENSORS, 8, 8, 64, FQZ_LAYOUT, NONE),
	P("a section far away", ENTRY + TENSORS, 8, 8, UINT64_MAX - 63, FQZ_LAYOUT, NONE),
	P("an empty section", ENTRY + NAMES, 16, 8, 0, FQZ_LAYOUT, NONE),
	P("a section above all limits", ENTRY + NAMES, 16, 8, UINT64_MAX, FQZ_LAYOUT, NONE),
	P("a section that ends after File_Size", ENTRY + NAMES, 16, 8, 1000, FQZ_LAYOUT, NONE),
	{ "bytes after the last section", ENTRY + NAMES, 16, 8, 15, FQZ_LAYOUT, FILE_START, 16,
	  NONE },
	P("padding", FILE_START, 64 + 8 * 32 + 64 + 160, 1, 1, FQZ_RESERVED, NONE),
};

static const struct patch network_patches[] = {
	{ "NETWORK of another size", ENTRY + NETWORK, 16, 8, 63, FQZ_LAYOUT, ENTRY + NETWORK, 16,
	  NONE },
	P("one tensor", NETWORK, 0, 4, 1, FQZ_NETWORK, NONE),
	P("4097 tensors", NETWORK, 0, 4, 4097, FQZ_LIMIT, NONE),
	P("Layer_Count", NETWORK, 4, 4, 8, FQZ_NETWORK, NONE),
	P("Output_Tensor", NETWORK, 8, 4, 8, FQZ_NETWORK, NONE),
	P("Class_Count", NETWORK, 12, 4, 6, FQZ_NETWORK, NONE),
	P("Mean is infinite", NETWORK, 20, 4, 0x7f800000, FQZ_NETWORK, NONE),
	P("Std is not a number", NETWORK, 28, 4, 0x7fc00000, FQZ_NETWORK, NONE),
	P("Std is 0", NETWORK, 36, 4, 0, FQZ_NETWORK, NONE),
	P("Std is -0", NETWORK, 36, 4, 0x80000000, FQZ_NETWORK, NONE),
	P("Color 4", NETWORK, 40, 1, 4, FQZ_NETWORK, NONE),
	P("gray with three channels", NETWORK, 40, 1, 2, FQZ_NETWORK, NONE),
	P("Range 2", NETWORK, 41, 1, 2, FQZ_NETWORK, NONE),
	P("a reserved byte of NETWORK", NETWORK, 63, 1, 1, FQZ_RESERVED, NONE),
	P("an entry says that TENSORS is shorter", ENTRY + TENSORS, 16, 8, 159, FQZ_LAYOUT, NONE),
	P("an entry says that LAYERS is shorter", ENTRY + LAYERS, 16, 8, 575, FQZ_LAYOUT, NONE),
	P("tensor type 0", TENSORS, TENSOR(1, 0), 1, 0, FQZ_TENSOR, NONE),
	P("tensor type 4", TENSORS, TENSOR(1, 0), 1, 4, FQZ_TENSOR, NONE),
	P("a tensor's reserved byte", TENSORS, TENSOR(1, 1), 1, 1, FQZ_RESERVED, NONE),
	P("no channels", TENSORS, TENSOR(1, 2), 2, 0, FQZ_TENSOR, NONE),
	P("no rows", TENSORS, TENSOR(1, 4), 2, 0, FQZ_TENSOR, NONE),
	P("no columns", TENSORS, TENSOR(1, 6), 2, 0, FQZ_TENSOR, NONE),
	P("2^48 elements", TENSORS, TENSOR(1, 2), 6, UINT64_C(0xffffffffffff), FQZ_LIMIT, NONE),
	P("2^26 + 2^16 elements", TENSORS, TENSOR(1, 2), 6, UINT64_C(0x010001000401), FQZ_LIMIT,
	  NONE),
	{ "2^26 elements, but not here", TENSORS, TENSOR(1, 2), 6, UINT64_C(0x010001000400),
	  FQZ_SHAPE, LAYERS, LAYER(0, 4), 0 },
	P("Scale is 0", TENSORS, TENSOR(2, 8), 4, 0, FQZ_TENSOR, NONE),
	P("Scale is below 0", TENSORS, TENSOR(2, 8), 4, 0xbf800000, FQZ_TENSOR, NONE),
	P("Scale is infinite", TENSORS, TENSOR(2, 8), 4, 0x7f800000, FQZ_TENSOR, NONE),
	P("a tensor's reserved field", TENSORS, TENSOR(9, 12), 4, 1 << 24, FQZ_RESERVED, NONE),
	P("an input of type S8", TENSORS, 0, 1, FQZ_S8, FQZ_TENSOR, NONE),
	{ "a tensor that no layer reads", LAYERS, LAYER(6, 6), 2, 5, FQZ_TENSOR, TENSORS,
	  TENSOR(6, 0), 5 },
};

static const struct patch layer_patches[] = {
	L("Kind 0", 0, 0, 1, 0, FQZ_LAYER),
	L("Kind 9", 0, 0, 1, 9, FQZ_LAYER),
	L("no inputs", 0, 1, 1, 0, FQZ_LAYER),
	L("two inputs of AFFINE", 0, 1, 1, 2, FQZ_LAYER),
	L("one input of ADD", 3, 1, 1, 1, FQZ_LAYER),
	L("three inputs of ADD", 3, 1, 1, 3, FQZ_LAYER),
	L("one input of CONCAT", 6, 1, 1, 1, FQZ_LAYER),
	L("nine inputs of CONCAT", 6, 1, 1, 9, FQZ_LAYER),
	L("another Output", 0, 2, 2, 2, FQZ_LAYER),
	L("its own output as input", 1, 4, 2, 2, FQZ_LAYER),
	L("an input that is no tensor", 1, 4, 2, 65535, FQZ_LAYER),
	L("an input above Input_Count", 1, 6, 2, 1, FQZ_RESERVED),
	L("Kernel_H of AFFINE", 0, 20, 2, 1, FQZ_RESERVED),
	L("Kernel_H 0", 1, 20, 2, 0, FQZ_LAYER),
	L("Kernel_H 1025", 1, 20, 2, 1025, FQZ_LIMIT),
	L("Kernel_W 0", 4, 22, 2, 0, FQZ_LAYER),
	L("Stride_H 0", 1, 24, 1, 0, FQZ_LAYER),
	L("Stride_W 0", 5, 25, 1, 0, FQZ_LAYER),
	L("Dilation_H 0", 1, 26, 1, 0, FQZ_LAYER),
	L("Dilation_W 0", 1, 27, 1, 0, FQZ_LAYER),
	L("Dilation_W of a pool", 4, 27, 1, 1, FQZ_RESERVED),
	L("Pad of FC", 8, 30, 1, 1, FQZ_RESERVED),
	L("Groups 0", 1, 32, 2, 0, FQZ_LAYER),
	L("Groups do not divide the channels", 1, 32, 2, 2, FQZ_SHAPE),
	L("Bias_Shift 45", 8, 34, 1, 45, FQZ_LIMIT),
	L("Bias_Shift of ADD", 3, 34, 1, 1, FQZ_RESERVED),
	L("Out_Shift 47", 3, 35, 1, 47, FQZ_LIMIT),
	L("Out_Shift of CONV", 1, 35, 1, 1, FQZ_RESERVED),
	L("Act_Min below U8", 1, 36, 4, UINT32_MAX, FQZ_LAYER),
	L("Act_Max above U8", 1, 40, 4, 256, FQZ_LAYER),
	L("Act_Max below Act_Min", 2, 40, 4, -129u, FQZ_LAYER),
	{ "Act_Min above Act_Max", LAYERS, LAYER(2, 36), 8, UINT64_C(0x400000005), FQZ_LAYER,
	  LAYERS, LAYER(2, 40), 2 },
	L("Act_Min of MAXPOOL", 4, 36, 4, 1, FQZ_RESERVED),
	L("Act_Min of SUMPOOL", 7, 36, 4, 0, FQZ_LAYER),
	L("Act_Max of SUMPOOL", 7, 40, 4, 255, FQZ_LAYER),
	L("Add_Scale[0] below 0", 3, 44, 2, 0x8000, FQZ_LAYER),
	L("Add_Scale[1] below 0", 3, 46, 2, 0xffff, FQZ_LAYER),
	L("Add_Scale of CONV", 1, 44, 2, 1, FQZ_RESERVED),
	L("Divisor 0", 5, 44, 4, 0, FQZ_LAYER),
	L("Divisor above 2^20", 5, 44, 4, (1 << 20) + 1, FQZ_LIMIT),
	{ "Divisor without Pool_Rule 2", LAYERS, LAYER(5, 55), 1, 1, FQZ_RESERVED, LAYERS,
	  LAYER(5, 44), 5 },
	L("Weight_Mode 0", 1, 48, 1, 0, FQZ_LAYER),
	L("Weight_Mode 3", 1, 48, 1, 3, FQZ_LAYER),
	L("Weight_Mode of ADD", 3, 48, 1, 1, FQZ_RESERVED),
	L("Weight_Bits 2", 2, 49, 1, 2, FQZ_LAYER),
	L("Weight_Bits 9", 8, 49, 1, 9, FQZ_LAYER),
	L("Exponent_Count", 1, 50, 1, 5, FQZ_ALPHABET),
	L("Exponent_Count 0", 1, 50, 1, 0, FQZ_ALPHABET),
	L("First_Exponent 19", 1, 51, 1, 19, FQZ_ALPHABET),
	L("First_Exponent 255", 8, 51, 1, 255, FQZ_ALPHABET),
	L("First_Exponent 1 in shift mode", 2, 51, 1, 1, FQZ_ALPHABET),
	L("a weight of 2^20", 1, 51, 1, 17, FQZ_ALPHABET),
	L("Mean_Neg in shift mode", 2, 52, 1, 1, FQZ_RESERVED),
	L("Mean_Pos in shift mode", 2, 53, 1, 1, FQZ_RESERVED),
	L("Mean_Neg 19", 1, 52, 1, 19, FQZ_ALPHABET),
	L("Mean_Pos 19", 1, 53, 1, 19, FQZ_ALPHABET),
	{ "no exponent is 0", LAYERS, LAYER(1, 53), 1, 1, FQZ_ALPHABET, LAYERS, LAYER(1, 51), 1 },
	L("Coder 0", 1, 54, 1, 0, FQZ_FEATURE),
	L("Coder 2", 1, 54, 1, 2, FQZ_FEATURE),
	L("Pool_Rule 3", 5, 55, 1, 3, FQZ_LAYER),
	L("Pool_Rule of MAXPOOL", 4, 55, 1, 1, FQZ_RESERVED),
	L("Stream_Size of ADD", 3, 56, 4, 1, FQZ_RESERVED),
	L("Stream_Size above the section", 8, 56, 4, UINT32_MAX, FQZ_LAYOUT),
	{ "Stream_Size below the section", LAYERS, LAYER(8, 56), 4, 20, FQZ_LAYOUT,
	  ENTRY + WEIGHTS, 16, NONE },
	L("a layer's reserved field", 6, 60, 4, 1 << 24, FQZ_RESERVED),
};

#define OUT(i)	LAYERS, LAYER(i, 2), i
#define IN(i, k) LAYERS, LAYER(i, 4 + 2 * (k)), i

static const struct patch shape_patches[] = {
	{ "S32 from AFFINE", TENSORS, TENSOR(1, 0), 1, FQZ_S32, FQZ_SHAPE, OUT(0) },
	{ "S32 from a CONV that is not last", TENSORS, TENSOR(2, 0), 1, FQZ_S32, FQZ_SHAPE,
	  OUT(1) },
	{ "U8 from SUMPOOL", TENSORS, TENSOR(8, 0), 1, FQZ_U8, FQZ_SHAPE, OUT(7) },
	{ "another type from MAXPOOL", TENSORS, TENSOR(5, 0), 1, FQZ_S8, FQZ_SHAPE, IN(4, 0) },
	{ "another type from CONCAT", TENSORS, TENSOR(7, 0), 1, FQZ_S8, FQZ_SHAPE, IN(6, 0) },
	{ "AFFINE with other rows", TENSORS, TENSOR(1, 4), 2, 10, FQZ_SHAPE, IN(0, 0) },
	{ "ADD of another shape", TENSORS, TENSOR(4, 6), 2, 6, FQZ_SHAPE, IN(3, 0) },
	{ "CONV with rows too many", TENSORS, TENSOR(2, 4), 2, 6, FQZ_SHAPE, OUT(1) },
	{ "CONV with columns too few", TENSORS, TENSOR(2, 6), 2, 4, FQZ_SHAPE, OUT(1) },
	{ "depthwise CONV with channels too many", TENSORS, TENSOR(3, 2), 2, 9, FQZ_SHAPE, LAYERS,
	  LAYER(2, 32), 2 },
	L("Pad (top) of the kernel's size", 1, 28, 1, 3, FQZ_SHAPE),
	L("Pad (left) of the kernel's size", 1, 29, 1, 3, FQZ_SHAPE),
	L("Pad (bottom) of the kernel's size", 4, 30, 1, 2, FQZ_SHAPE),
	L("Pad (right) of the kernel's size", 5, 31, 1, 4, FQZ_SHAPE),
	L("a kernel higher than its input", 1, 20, 2, 12, FQZ_SHAPE),
	L("a kernel wider than its input", 4, 22, 2, 6, FQZ_SHAPE),
	{ "MAXPOOL with channels too few", TENSORS, TENSOR(5, 2), 2, 7, FQZ_SHAPE, OUT(4) },
	{ "two rows above MAXPOOL's", TENSORS, TENSOR(5, 4), 2, 4, FQZ_SHAPE, OUT(4) },
	{ "a window out of bounds", TENSORS, TENSOR(6, 4), 2, 3, FQZ_SHAPE, OUT(5) },
	{ "AVGPOOL with another Scale", TENSORS, TENSOR(6, 8), 4, 0x3f800000, FQZ_SHAPE, OUT(5) },
	{ "CONCAT with another Scale", TENSORS, TENSOR(7, 8), 4, 0x3f800000, FQZ_SHAPE, IN(6, 0) },
	{ "CONCAT with other rows", TENSORS, TENSOR(7, 4), 2, 3, FQZ_SHAPE, IN(6, 0) },
	{ "CONCAT with channels too many", TENSORS, TENSOR(7, 2), 2, 17, FQZ_SHAPE, OUT(6) },
	{ "SUMPOOL with rows", TENSORS, TENSOR(8, 4), 2, 2, FQZ_SHAPE, OUT(7) },
	{ "SUMPOOL with channels too few", TENSORS, TENSOR(8, 2), 2, 15, FQZ_SHAPE, OUT(7) },
};

static const struct patch text_patches[] = {
	P("Shift 63", CHANNELS, 14, 1, 63, FQZ_CHANNEL, 0),
	{ "CHANNELS too long for another layer", TENSORS, TENSOR(9, 2), 2, 4, FQZ_NETWORK,
	  NETWORK, 12, NONE },
	P("a key in capitals", METADATA, 0, 1, 'A', FQZ_TEXT, NONE),
	P("a line feed in a key", METADATA, 3, 1, '\n', FQZ_TEXT, NONE),
	{ "keys out of order", METADATA, 0, 1, 'x', FQZ_TEXT, METADATA, 19, NONE },
	P("a carriage return in a value", METADATA, 15, 1, '\r', FQZ_TEXT, NONE),
	P("a byte of 0xff", METADATA, 15, 1, 0xff, FQZ_TEXT, NONE),
	P("a UTF-8 character cut short", METADATA, 15, 1, 0xc3, FQZ_TEXT, NONE),
	P("an overlong UTF-8 character", METADATA, 15, 2, 0x80c0, FQZ_TEXT, NONE),
	P("a surrogate", METADATA, 15, 3, 0x80a0ed, FQZ_TEXT, NONE),
	P("a character above U+10FFFF", METADATA, 31, 4, 0x808090f4, FQZ_TEXT, NONE),
	P("a tab in a class name", CLASSES, 1, 1, '\t', FQZ_TEXT, NONE),
	P("a delete character in a class name", CLASSES, 1, 1, 0x7f, FQZ_TEXT, NONE),
	{ "a class too many", CLASSES, 1, 1, 0, FQZ_TEXT, CLASSES, 0, NONE },
	{ "a class too few", CLASSES, 3, 1, 'x', FQZ_TEXT, CLASSES, 0, NONE },
	{ "a name too many", NAMES, 2, 1, 0, FQZ_TEXT, NAMES, 0, NONE },
	P("the last name does not end", NAMES, 15, 1, 'x', FQZ_TEXT, NONE),
};

/* The stream: log2, A = 19, 10 bytes of code lengths, one segment of 9 symbols. */
static const struct patch example_patches[] = {
	P("Segment_Log2 9", WEIGHTS, 0, 1, 9, FQZ_STREAM, 0),
	P("Segment_Log2 25", WEIGHTS, 0, 1, 25, FQZ_STREAM, 0),
	P("Segment_Log2 10 for one segment", WEIGHTS, 0, 1, 10, FQZ_STREAM, 0),
	P("Alphabet", WEIGHTS, 1, 1, 18, FQZ_ALPHABET, 0),
	P("the table's last half byte", WEIGHTS, 11, 1, 0x12, FQZ_RESERVED, 0),
	{ "an incomplete code", WEIGHTS, 2, 1, 0, FQZ_CODE, WEIGHTS, 2, 0 },
	{ "an oversubscribed code", WEIGHTS, 2, 1, 0x11, FQZ_CODE, WEIGHTS, 2, 0 },
	{ "no code at all", WEIGHTS, 2, 10, 0, FQZ_CODE, WEIGHTS, 2, 0 },
	P("a bit that fills up", WEIGHTS, 15, 1, 1, FQZ_STREAM, 0),
};

/* The stream: log2, A, R = 3, 11 bytes of code lengths, 4 bytes of codes. */
static const struct patch rle_patches[] = {
	P("Run_Limit 0", WEIGHTS, 2, 1, 0, FQZ_CODE, 0),
	P("Run_Limit 64", WEIGHTS, 2, 1, 64, FQZ_CODE, 0),
	P("an incomplete code of runs", WEIGHTS, 3, 1, 0x20, FQZ_CODE, 0),
	{ "an incomplete code of values", WEIGHTS, 13, 1, 0x32, FQZ_CODE, WEIGHTS, 3, 0 },
	P("a bit that fills up", WEIGHTS, 17, 1, 0x81, FQZ_STREAM, 0),
	P("Alphabet of coder 2", WEIGHTS, 1, 1, 20, FQZ_ALPHABET, 0),
	L("coder 4", 0, 54, 1, 4, FQZ_FEATURE),
	{ "no coder needs the feature", LAYERS, LAYER(0, 54), 1, 1, FQZ_FEATURE, FILE_START, 24,
	  NONE },
	{ "the feature with Version_Minor 0", FILE_START, 10, 2, 0, FQZ_VERSION, FILE_START, 10,
	  NONE },
	{ "a coder without its feature", FILE_START, 24, 8, 0, FQZ_FEATURE, LAYERS, LAYER(0, 54),
	  0 },
	P("another feature", FILE_START, 24, 8, 3, FQZ_FEATURE, NONE),
};

/* The same with R = 0: head, 7 bytes of Tables, 5 bytes of segment. */
static const struct patch tans_patches[] = {
	P("Run_Limit 64 of tans", WEIGHTS, 2, 1, 64, FQZ_CODE, 0),
	P("a table of runs without runs", WEIGHTS, 3, 1, 0x55, FQZ_CODE, 0),
	P("Table_Log2 4", WEIGHTS, 3, 1, 0x40, FQZ_CODE, 0),
	P("Table_Log2 13", WEIGHTS, 3, 1, 0xd0, FQZ_CODE, 0),
	{ "no table of runs", WEIGHTS, 2, 1, 3, FQZ_CODE, WEIGHTS, 3, 0 },
	P("Contexts 0", WEIGHTS, 4, 1, 0, FQZ_CODE, 0),
	P("Contexts 2", WEIGHTS, 4, 1, 2, FQZ_CODE, 0),
	P("an order of 15", WEIGHTS, 5, 1, 0x8f, FQZ_CODE, 0),
	P("a bit that fills Tables up", WEIGHTS, 11, 1, 0x88, FQZ_RESERVED, 0),
	P("a last bit of a segment", WEIGHTS, 16, 1, 0x80, FQZ_STREAM, 0),
};

/* An FC layer of 400 weights. */
static const struct patch limit_patches[] = {
	P("Contexts of an FC layer", WEIGHTS, 4, 1, 3, FQZ_CODE, 0),
	{ "2^20 weights", TENSORS, 4, 4, 0x02000200, FQZ_LIMIT, LAYERS, LAYER(0, 56), 0 },
};

static void check_patches(void (*build)(struct net *n), const struct patch *patches, size_t count)
{
	struct net n;
	uint8_t *image;
	size_t len, i;

	build(&n);
	image = net_write(&n, &len);
	for (i = 0; i < count; i++)
		check_patch(image, len, &patches[i]);
	free(image);
	net_free(&n);
}

int main(void)
{
#define CHECK(_build, _patches) \
	check_patches(_build, _patches, sizeof(_patches) / sizeof(_patches[0]))
	CHECK(net_every_kind, header_patches);
	CHECK(net_every_kind, network_patches);
	CHECK(net_every_kind, layer_patches);
	CHECK(net_every_kind, shape_patches);
	CHECK(net_every_kind, text_patches);
	CHECK(net_example, example_patches);
	CHECK(net_rle_example, rle_patches);
	CHECK(net_tans_example, tans_patches);
	CHECK(net_tans_fc, limit_patches);
	return tap_done();
}
