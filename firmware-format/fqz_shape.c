// SPDX-License-Identifier: MIT
/* Types and shapes of a layer's tensors: FORMAT.md sections 4.1 and 7. */
#include "fqz_private.h"

/* One direction of a window: rows or columns. */
struct axis {
	uint32_t in, out, kernel, stride, dilation, pad_before, pad_after;
	unsigned int kernel_field, before_field, after_field;
};

static bool is_8bit(const struct fqz_tensor *t)
{
	return t->type == FQZ_U8 || t->type == FQZ_S8;
}

static int mismatch(const struct fqz_reader *r, uint32_t index, unsigned int field,
		    const char *what)
{
	return fqz_layer_refuse(r, index, field, FQZ_SHAPE, what);
}

static int check_axis(const struct fqz_reader *r, uint32_t index, const struct axis *a)
{
	bool pool = r->img.layers[index].kind != FQZ_CONV;
	uint64_t window = (uint64_t)a->dilation * (a->kernel - 1) + 1;
	uint64_t padded = (uint64_t)a->in + a->pad_before + a->pad_after;
	uint64_t out;

	if (a->pad_before >= window)
		return mismatch(r, index, a->before_field, "a pad is not smaller than the kernel");
	if (a->pad_after >= window)
		return mismatch(r, index, a->after_field, "a pad is not smaller than the kernel");
	if (padded < window)
		return mismatch(r, index, a->kernel_field,
				"the kernel is larger than the padded input");
	out = (padded - window) / a->stride + 1;
	if (a->out != out && !(pool && a->out == out + 1))
		return mismatch(r, index, FQZ_L_OUTPUT,
				"the output's size is not what the input and the kernel give");
	/* The first window reaches into the input, since pads are smaller than it. */
	if (pool && (uint64_t)(a->out - 1) * a->stride >= (uint64_t)a->in + a->pad_before)
		return mismatch(r, index, FQZ_L_OUTPUT, "a window has no element in bounds");
	return 0;
}

static int check_window(const struct fqz_reader *r, uint32_t index)
{
	const struct fqz_layer *l = &r->img.layers[index];
	const struct fqz_tensor *in = &r->img.tensors[l->inputs[0]];
	const struct fqz_tensor *out = &r->img.tensors[l->output];
	bool conv = l->kind == FQZ_CONV;
	struct axis rows = {
		.in = in->h, .out = out->h, .kernel = l->kernel_h, .stride = l->stride_h,
		.dilation = conv ? l->dilation_h : 1,
		.pad_before = l->pad_top, .pad_after = l->pad_bottom,
		.kernel_field = FQZ_L_KERNEL_H,
		.before_field = FQZ_L_PAD, .after_field = FQZ_L_PAD + 2,
	};
	struct axis columns = {
		.in = in->w, .out = out->w, .kernel = l->kernel_w, .stride = l->stride_w,
		.dilation = conv ? l->dilation_w : 1,
		.pad_before = l->pad_left, .pad_after = l->pad_right,
		.kernel_field = FQZ_L_KERNEL_W,
		.before_field = FQZ_L_PAD + 1, .after_field = FQZ_L_PAD + 3,
	};
	int ret;

	ret = check_axis(r, index, &rows);
	return ret ? ret : check_axis(r, index, &columns);
}

bool fqz_layer_weight_sizes(const struct fqz_layer *l, const struct fqz_tensor *in,
			    const struct fqz_tensor *out, uint32_t *outputs,
			    uint32_t *inputs_per_output)
{
	uint64_t n;

	/* At most 2^16 * 2^10 * 2^10, or the elements of a tensor. */
	if (l->kind == FQZ_CONV)
		n = (uint64_t)(in->c / l->groups) * l->kernel_h * l->kernel_w;
	else
		n = fqz_tensor_elements(in);
	if (n > FQZ_MAX_INPUTS_SUMMED || n * out->c > FQZ_MAX_WEIGHTS)
		return false;
	*outputs = out->c;
	*inputs_per_output = (uint32_t)n;
	return true;
}

static int check_weighted(struct fqz_reader *r, uint32_t index)
{
	struct fqz_layer *l = &r->img.layers[index];
	const struct fqz_tensor *in = &r->img.tensors[l->inputs[0]];
	const struct fqz_tensor *out = &r->img.tensors[l->output];
	int ret;

	if (l->kind == FQZ_CONV) {
		if (in->c % l->groups || out->c % l->groups)
			return mismatch(r, index, FQZ_L_GROUPS,
					"Groups does not divide the channels");
		ret = check_window(r, index);
		if (ret)
			return ret;
	} else if (out->h != 1 || out->w != 1) {
		return mismatch(r, index, FQZ_L_OUTPUT, "the output of FC is not C x 1 x 1");
	}
	if (!fqz_layer_weight_sizes(l, in, out, &l->outputs, &l->inputs_per_output))
		return fqz_layer_refuse(r, index, FQZ_L_KIND, FQZ_LIMIT,
					"a layer has too many weights");
	r->img.weight_count += (uint64_t)l->outputs * l->inputs_per_output;
	if (r->img.weight_count > FQZ_MAX_WEIGHTS)
		return fqz_layer_refuse(r, index, FQZ_L_KIND, FQZ_LIMIT,
					"the image has more than 2^28 weights");
	return 0;
}

static bool same_size(const struct fqz_tensor *a, const struct fqz_tensor *b)
{
	return a->c == b->c && a->h == b->h && a->w == b->w;
}

static bool same_scale(const struct fqz_tensor *a, const struct fqz_tensor *b)
{
	return fqz_float_bits(a->scale) == fqz_float_bits(b->scale);
}

static int check_elementwise(const struct fqz_reader *r, uint32_t index)
{
	const struct fqz_layer *l = &r->img.layers[index];
	uint32_t i;

	for (i = 0; i < l->input_count; i++)
		if (!same_size(&r->img.tensors[l->inputs[i]], &r->img.tensors[l->output]))
			return mismatch(r, index, FQZ_L_INPUTS + 2 * i,
					"an input's shape is not the output's");
	return 0;
}

static int check_concat(const struct fqz_reader *r, uint32_t index)
{
	const struct fqz_layer *l = &r->img.layers[index];
	const struct fqz_tensor *out = &r->img.tensors[l->output];
	uint32_t channels = 0, i;

	for (i = 0; i < l->input_count; i++) {
		const struct fqz_tensor *in = &r->img.tensors[l->inputs[i]];

		if (in->h != out->h || in->w != out->w)
			return mismatch(r, index, FQZ_L_INPUTS + 2 * i,
					"an input's shape is not the output's");
		if (!same_scale(in, out))
			return mismatch(r, index, FQZ_L_INPUTS + 2 * i,
					"an input's Scale is not the output's");
		channels += in->c;
	}
	if (channels != out->c)
		return mismatch(r, index, FQZ_L_OUTPUT,
				"the output's channels are not the sum of the inputs'");
	return 0;
}

static int check_pool(const struct fqz_reader *r, uint32_t index)
{
	const struct fqz_layer *l = &r->img.layers[index];
	const struct fqz_tensor *in = &r->img.tensors[l->inputs[0]];
	const struct fqz_tensor *out = &r->img.tensors[l->output];

	if (in->c != out->c)
		return mismatch(r, index, FQZ_L_OUTPUT, "a pool's channels differ");
	if (!same_scale(in, out))
		return mismatch(r, index, FQZ_L_OUTPUT, "a pool's Scales differ");
	return check_window(r, index);
}

static int check_sum(const struct fqz_reader *r, uint32_t index)
{
	const struct fqz_layer *l = &r->img.layers[index];
	const struct fqz_tensor *in = &r->img.tensors[l->inputs[0]];
	struct fqz_tensor *out = &r->img.tensors[l->output];

	if (in->c != out->c || out->h != 1 || out->w != 1)
		return mismatch(r, index, FQZ_L_OUTPUT, "the output of SUMPOOL is not C x 1 x 1");
	out->bound = in->bound * in->h * in->w;
	if (out->bound > INT32_MAX)
		return fqz_layer_refuse(r, index, FQZ_L_KIND, FQZ_OVERFLOW,
					"a SUMPOOL's sum can be above 2^31 - 1");
	return 0;
}

static int check_input_types(const struct fqz_reader *r, uint32_t index)
{
	const struct fqz_layer *l = &r->img.layers[index];
	const struct fqz_tensor *out = &r->img.tensors[l->output];
	bool keeps_type = l->kind == FQZ_CONCAT || l->kind == FQZ_MAXPOOL;
	uint32_t i;

	for (i = 0; i < l->input_count; i++) {
		const struct fqz_tensor *in = &r->img.tensors[l->inputs[i]];

		/* An S32 tensor that can be read is the output of a SUMPOOL. */
		if (!is_8bit(in) && !fqz_layer_has_weights(l))
			return mismatch(r, index, FQZ_L_INPUTS + 2 * i,
					"the kind does not take a 32-bit input");
		if (keeps_type && in->type != out->type)
			return mismatch(r, index, FQZ_L_INPUTS + 2 * i,
					"an input's type is not the output's");
	}
	return 0;
}

static int check_types(const struct fqz_reader *r, uint32_t index)
{
	const struct fqz_layer *l = &r->img.layers[index];
	const struct fqz_tensor *out = &r->img.tensors[l->output];
	bool last = index + 1 == r->img.layer_count;

	if (l->kind == FQZ_SUMPOOL) {
		if (out->type != FQZ_S32)
			return mismatch(r, index, FQZ_L_OUTPUT, "the output of SUMPOOL is not S32");
	} else if (!is_8bit(out) && !(last && fqz_layer_has_weights(l))) {
		return mismatch(r, index, FQZ_L_OUTPUT, "the output cannot be S32 here");
	}
	return check_input_types(r, index);
}

static int check_clamp(const struct fqz_reader *r, uint32_t index)
{
	const struct fqz_layer *l = &r->img.layers[index];
	enum fqz_type type = r->img.tensors[l->output].type;
	int32_t min = INT32_MIN, max = INT32_MAX;

	if (l->kind == FQZ_CONCAT || l->kind == FQZ_MAXPOOL)
		return 0;
	if (l->kind == FQZ_SUMPOOL) {
		if (l->act_min != min)
			return fqz_layer_refuse(r, index, FQZ_L_ACT_MIN, FQZ_LAYER,
						"Act_Min of SUMPOOL is not -2^31");
		if (l->act_max != max)
			return fqz_layer_refuse(r, index, FQZ_L_ACT_MAX, FQZ_LAYER,
						"Act_Max of SUMPOOL is not 2^31 - 1");
		return 0;
	}
	if (type != FQZ_S32) {
		min = type == FQZ_U8 ? 0 : INT8_MIN;
		max = type == FQZ_U8 ? UINT8_MAX : INT8_MAX;
	}
	if (l->act_min < min || l->act_min > max)
		return fqz_layer_refuse(r, index, FQZ_L_ACT_MIN, FQZ_LAYER,
					"Act_Min is outside the output's type");
	if (l->act_max < min || l->act_max > max)
		return fqz_layer_refuse(r, index, FQZ_L_ACT_MAX, FQZ_LAYER,
					"Act_Max is outside the output's type");
	if (l->act_max < l->act_min)
		return fqz_layer_refuse(r, index, FQZ_L_ACT_MAX, FQZ_LAYER,
					"Act_Max is below Act_Min");
	return 0;
}

int fqz_check_shapes(struct fqz_reader *r, uint32_t index)
{
	int ret;

	ret = check_types(r, index);
	if (!ret)
		ret = check_clamp(r, index);
	if (ret)
		return ret;
	switch (r->img.layers[index].kind) {
	case FQZ_CONV:
	case FQZ_FC:
		return check_weighted(r, index);
	case FQZ_CONCAT:
		return check_concat(r, index);
	case FQZ_MAXPOOL:
	case FQZ_AVGPOOL:
		return check_pool(r, index);
	case FQZ_SUMPOOL:
		return check_sum(r, index);
	default:
		return check_elementwise(r, index);
	}
}
