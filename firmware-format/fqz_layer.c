// SPDX-License-Identifier: MIT
/*
 * A layer's 64-byte record (FORMAT.md section 4): one table of fields serves the
 * reader and the writer.
 */
#include "fqz_private.h"

#define K(name)		(1u << FQZ_##name)
#define WEIGHTED	(K(CONV) | K(FC))
#define WINDOWED	(K(CONV) | K(MAXPOOL) | K(AVGPOOL))
#define REQUANTIZED	(K(AFFINE) | WEIGHTED)
#define CLAMPED		(REQUANTIZED | K(ADD) | K(AVGPOOL) | K(SUMPOOL))

enum width { U8, U16, U32, S16, S32 };

static const uint8_t width_bytes[] = { [U8] = 1, [U16] = 2, [U32] = 4, [S16] = 2, [S32] = 4 };

struct field {
	uint8_t offset;		/* in the record */
	uint8_t width;
	uint16_t used;		/* kinds that use it */
	uint16_t shared;	/* kinds that use its bytes for another field */
	uint16_t member;	/* offset in struct fqz_layer */
	int64_t min, max;
	enum fqz_reason above;	/* why a value above max is refused */
	const char *out_of_range, *not_zero;
};

#define FIELD(_offset, _width, _used, _shared, _member, _min, _max, _above, _name) {	\
	.offset = (_offset), .width = (_width), .used = (_used), .shared = (_shared),	\
	.member = offsetof(struct fqz_layer, _member),					\
	.min = (_min), .max = (_max), .above = (_above),				\
	.out_of_range = _name " is out of range",					\
	.not_zero = _name " is not zero, though the layer has no use for it" }

/* In order of offset, which is the order of checking. */
static const struct field fields[] = {
	FIELD(FQZ_L_KERNEL_H, U16, WINDOWED, 0, kernel_h, 1, 1024, FQZ_LIMIT, "Kernel_H"),
	FIELD(FQZ_L_KERNEL_W, U16, WINDOWED, 0, kernel_w, 1, 1024, FQZ_LIMIT, "Kernel_W"),
	FIELD(FQZ_L_STRIDE_H, U8, WINDOWED, 0, stride_h, 1, 255, FQZ_LIMIT, "Stride_H"),
	FIELD(FQZ_L_STRIDE_W, U8, WINDOWED, 0, stride_w, 1, 255, FQZ_LIMIT, "Stride_W"),
	FIELD(FQZ_L_DILATION_H, U8, K(CONV), 0, dilation_h, 1, 255, FQZ_LIMIT, "Dilation_H"),
	FIELD(FQZ_L_DILATION_W, U8, K(CONV), 0, dilation_w, 1, 255, FQZ_LIMIT, "Dilation_W"),
	FIELD(FQZ_L_PAD, U8, WINDOWED, 0, pad_top, 0, 255, FQZ_LIMIT, "Pad (top)"),
	FIELD(FQZ_L_PAD + 1, U8, WINDOWED, 0, pad_left, 0, 255, FQZ_LIMIT, "Pad (left)"),
	FIELD(FQZ_L_PAD + 2, U8, WINDOWED, 0, pad_bottom, 0, 255, FQZ_LIMIT, "Pad (bottom)"),
	FIELD(FQZ_L_PAD + 3, U8, WINDOWED, 0, pad_right, 0, 255, FQZ_LIMIT, "Pad (right)"),
	FIELD(FQZ_L_GROUPS, U16, K(CONV), 0, groups, 1, 65535, FQZ_LIMIT, "Groups"),
	FIELD(FQZ_L_BIAS_SHIFT, U8, REQUANTIZED, 0, bias_shift, 0, 44, FQZ_LIMIT, "Bias_Shift"),
	FIELD(FQZ_L_OUT_SHIFT, U8, K(ADD), 0, out_shift, 0, 46, FQZ_LIMIT, "Out_Shift"),
	FIELD(FQZ_L_ACT_MIN, S32, CLAMPED, 0, act_min, INT32_MIN, INT32_MAX, FQZ_LAYER, "Act_Min"),
	FIELD(FQZ_L_ACT_MAX, S32, CLAMPED, 0, act_max, INT32_MIN, INT32_MAX, FQZ_LAYER, "Act_Max"),
	FIELD(FQZ_L_ADD_SCALE, S16, K(ADD), K(AVGPOOL), add_scale[0], 0, INT16_MAX, FQZ_LIMIT,
	      "Add_Scale[0]"),
	FIELD(FQZ_L_ADD_SCALE + 2, S16, K(ADD), K(AVGPOOL), add_scale[1], 0, INT16_MAX, FQZ_LIMIT,
	      "Add_Scale[1]"),
	FIELD(FQZ_L_DIVISOR, U32, K(AVGPOOL), K(ADD), divisor, 0, 1 << 20, FQZ_LIMIT, "Divisor"),
	FIELD(FQZ_L_WEIGHT_MODE, U8, WEIGHTED, 0, mode, FQZ_SHIFT, FQZ_RECENTRALIZED, FQZ_LAYER,
	      "Weight_Mode"),
	FIELD(FQZ_L_WEIGHT_BITS, U8, WEIGHTED, 0, bits, 3, 8, FQZ_LAYER, "Weight_Bits"),
	/* Their bounds depend on each other: fqz_alphabet_check(). */
	FIELD(FQZ_L_EXPONENT_COUNT, U8, WEIGHTED, 0, exponent_count, 0, 255, FQZ_ALPHABET,
	      "Exponent_Count"),
	FIELD(FQZ_L_FIRST_EXPONENT, U8, WEIGHTED, 0, first_exponent, 0, 255, FQZ_ALPHABET,
	      "First_Exponent"),
	FIELD(FQZ_L_MEAN_NEG, U8, WEIGHTED, 0, mean_neg, 0, 255, FQZ_ALPHABET, "Mean_Neg"),
	FIELD(FQZ_L_MEAN_POS, U8, WEIGHTED, 0, mean_pos, 0, 255, FQZ_ALPHABET, "Mean_Pos"),
	FIELD(FQZ_L_CODER, U8, WEIGHTED, 0, coder, 0, 255, FQZ_FEATURE, "Coder"),
	FIELD(FQZ_L_POOL_RULE, U8, K(AVGPOOL), 0, pool_rule, FQZ_POOL_IN_BOUNDS, FQZ_POOL_DIVISOR,
	      FQZ_LAYER, "Pool_Rule"),
	FIELD(FQZ_L_STREAM_SIZE, U32, WEIGHTED, 0, stream_size, 0, UINT32_MAX, FQZ_LIMIT,
	      "Stream_Size"),
};

_Static_assert(sizeof(enum fqz_kind) == sizeof(uint32_t), "enums are kept as 32 bits");
_Static_assert(sizeof(struct fqz_layer) <= UINT16_MAX, "member offsets have 16 bits");

static int64_t record_get(const uint8_t *p, enum width width)
{
	switch (width) {
	case U8:
		return *p;
	case U16:
		return fqz_le16(p);
	case S16:
		return (int16_t)fqz_le16(p);
	case S32:
		return (int32_t)fqz_le32(p);
	default:
		return fqz_le32(p);
	}
}

static void record_put(uint8_t *p, enum width width, int64_t v)
{
	if (width_bytes[width] == 1)
		*p = (uint8_t)v;
	else if (width_bytes[width] == 2)
		fqz_put_le16(p, (uint16_t)v);
	else
		fqz_put_le32(p, (uint32_t)v);
}

static void member_set(struct fqz_layer *l, const struct field *f, int64_t v)
{
	char *member = (char *)l + f->member;
	int16_t small = (int16_t)v;
	uint32_t wide = (uint32_t)v;

	if (f->width == S16)
		memcpy(member, &small, sizeof(small));
	else
		memcpy(member, &wide, sizeof(wide));
}

static int64_t member_get(const struct fqz_layer *l, const struct field *f)
{
	const char *member = (const char *)l + f->member;
	int16_t small;
	uint32_t wide;

	if (f->width == S16) {
		memcpy(&small, member, sizeof(small));
		return small;
	}
	memcpy(&wide, member, sizeof(wide));
	return f->width == S32 ? (int64_t)(int32_t)wide : (int64_t)wide;
}

static int read_fields(struct fqz_reader *r, uint32_t index, const uint8_t *record)
{
	struct fqz_layer *l = &r->img.layers[index];
	uint32_t kind = 1u << l->kind;
	size_t i;

	for (i = 0; i < FQZ_ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		int64_t v = record_get(record + f->offset, f->width);

		if (f->shared & kind)
			continue;
		if (!(f->used & kind)) {
			if (v)
				return fqz_layer_refuse(r, index, f->offset, FQZ_RESERVED,
							f->not_zero);
			continue;
		}
		if (v < f->min || v > f->max)
			return fqz_layer_refuse(r, index, f->offset,
						v > f->max ? f->above : FQZ_LAYER,
						f->out_of_range);
		member_set(l, f, v);
	}
	if (fqz_le32(record + FQZ_L_RESERVED))
		return fqz_layer_refuse(r, index, FQZ_L_RESERVED, FQZ_RESERVED,
					"a layer's reserved field is not zero");
	return 0;
}

static int read_inputs(struct fqz_reader *r, uint32_t index, const uint8_t *record)
{
	struct fqz_layer *l = &r->img.layers[index];
	uint32_t least = 1, most = 1, i;

	if (l->kind == FQZ_ADD) {
		least = 2;
		most = 2;
	} else if (l->kind == FQZ_CONCAT) {
		least = 2;
		most = FQZ_MAX_INPUTS;
	}
	l->input_count = record[FQZ_L_INPUT_COUNT];
	if (l->input_count < least || l->input_count > most)
		return fqz_layer_refuse(r, index, FQZ_L_INPUT_COUNT, FQZ_LAYER,
					"Input_Count is not what the kind takes");
	l->output = fqz_le16(record + FQZ_L_OUTPUT);
	if (l->output != index + 1)
		return fqz_layer_refuse(r, index, FQZ_L_OUTPUT, FQZ_LAYER,
					"Output is not the layer's own tensor");
	for (i = 0; i < FQZ_MAX_INPUTS; i++) {
		unsigned int at = FQZ_L_INPUTS + 2 * i;

		l->inputs[i] = fqz_le16(record + at);
		if (i >= l->input_count && l->inputs[i])
			return fqz_layer_refuse(r, index, at, FQZ_RESERVED,
						"an input above Input_Count is not zero");
		if (l->inputs[i] > index)
			return fqz_layer_refuse(r, index, at, FQZ_LAYER,
						"an input is not written before it is read");
	}
	return 0;
}

static bool is_new_coder(const struct fqz_reader *r, const struct fqz_layer *l)
{
	return r->features & FQZ_FEATURE_CODERS &&
	       (l->coder == FQZ_RLE_HUFFMAN || l->coder == FQZ_TANS);
}

/* What the ranges of single fields leave open. */
static int check_fields(struct fqz_reader *r, uint32_t index)
{
	const struct fqz_layer *l = &r->img.layers[index];
	const char *what;
	unsigned int at;

	if (l->kind == FQZ_AVGPOOL && l->pool_rule == FQZ_POOL_DIVISOR && !l->divisor)
		return fqz_layer_refuse(r, index, FQZ_L_DIVISOR, FQZ_LAYER, "Divisor is 0");
	if (l->kind == FQZ_AVGPOOL && l->pool_rule != FQZ_POOL_DIVISOR && l->divisor)
		return fqz_layer_refuse(r, index, FQZ_L_DIVISOR, FQZ_RESERVED,
					"Divisor is not zero, though Pool_Rule has no use for it");
	if (!fqz_layer_has_weights(l))
		return 0;
	if (l->mode == FQZ_SHIFT && (l->mean_neg || l->mean_pos))
		return fqz_layer_refuse(r, index, l->mean_neg ? FQZ_L_MEAN_NEG : FQZ_L_MEAN_POS,
					FQZ_RESERVED, "a mean is not zero in shift mode");
	if (l->coder != FQZ_HUFFMAN && !is_new_coder(r, l))
		return fqz_layer_refuse(r, index, FQZ_L_CODER, FQZ_FEATURE,
					"unknown Coder, or without its bit in Incompat_Features");
	at = fqz_alphabet_check(l, &what);
	if (at)
		return fqz_layer_refuse(r, index, at, FQZ_ALPHABET, what);
	return 0;
}

int fqz_read_layers(struct fqz_reader *r)
{
	const uint8_t *records = r->data + r->sections[FQZ_S_LAYERS].offset;
	uint64_t unused = r->features;
	uint32_t i;
	int ret;

	for (i = 0; i < r->img.layer_count; i++) {
		const uint8_t *record = records + (size_t)i * FQZ_LAYER_SIZE;

		if (record[FQZ_L_KIND] < FQZ_AFFINE || record[FQZ_L_KIND] > FQZ_SUMPOOL)
			return fqz_layer_refuse(r, i, FQZ_L_KIND, FQZ_LAYER, "unknown Kind");
		r->img.layers[i].kind = (enum fqz_kind)record[FQZ_L_KIND];
		ret = read_inputs(r, i, record);
		if (!ret)
			ret = read_fields(r, i, record);
		if (!ret)
			ret = check_fields(r, i);
		if (!ret)
			ret = fqz_check_shapes(r, i);
		if (ret)
			return ret;
		if (is_new_coder(r, &r->img.layers[i]))
			unused = 0;
	}
	if (unused)
		return fqz_reader_refuse(r, FQZ_FEATURE, FQZ_H_INCOMPAT,
					 "a bit in Incompat_Features that no layer's Coder needs");
	return 0;
}

/* Of the fields that the kind uses; what is not used is 0, whatever the member says. */
static bool is_written(const struct fqz_layer *l, const struct field *f)
{
	switch (f->member) {
	case offsetof(struct fqz_layer, divisor):
		return l->pool_rule == FQZ_POOL_DIVISOR;
	case offsetof(struct fqz_layer, mean_neg):
	case offsetof(struct fqz_layer, mean_pos):
		return l->mode != FQZ_SHIFT;
	case offsetof(struct fqz_layer, coder):
	case offsetof(struct fqz_layer, stream_size):
		/* Known when the stream is encoded. */
		return false;
	default:
		return true;
	}
}

/* Kind, inputs and output are in range: the writer's check_layer(). */
int fqz_layer_put(const struct fqz_layer *l, uint8_t record[FQZ_LAYER_SIZE], const char **what)
{
	uint32_t kind, i;
	size_t k;

	memset(record, 0, FQZ_LAYER_SIZE);
	kind = 1u << l->kind;
	record[FQZ_L_KIND] = (uint8_t)l->kind;
	record[FQZ_L_INPUT_COUNT] = (uint8_t)l->input_count;
	fqz_put_le16(record + FQZ_L_OUTPUT, (uint16_t)l->output);
	for (i = 0; i < l->input_count; i++)
		fqz_put_le16(record + FQZ_L_INPUTS + 2 * i, (uint16_t)l->inputs[i]);
	for (k = 0; k < FQZ_ARRAY_SIZE(fields); k++) {
		const struct field *f = &fields[k];
		int64_t v = member_get(l, f);

		if (!(f->used & kind) || !is_written(l, f))
			continue;
		*what = f->out_of_range;
		if (v < f->min || v > f->max)
			return -EINVAL;
		record_put(record + f->offset, f->width, v);
	}
	return 0;
}
