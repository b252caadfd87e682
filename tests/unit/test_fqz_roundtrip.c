// SPDX-License-Identifier: MIT
/* What the writer writes, the reader gives back: every kind, mode and width. */
#include "tap.h"
#include "test_fqz_net.h"

#include <errno.h>

static bool same_layer(const struct fqz_layer *a, const struct fqz_layer *b, uint32_t channels)
{
	uint32_t i;

	for (i = 0; i < FQZ_MAX_INPUTS; i++)
		if (a->inputs[i] != b->inputs[i])
			return false;
	if (fqz_layer_has_channels(a) &&
	    (memcmp(a->scale, b->scale, channels * sizeof(*a->scale)) ||
	     memcmp(a->bias, b->bias, channels * sizeof(*a->bias)) ||
	     memcmp(a->shift, b->shift, channels)))
		return false;
	if (!a->name != !b->name || (a->name && strcmp(a->name, b->name)))
		return false;
	return a->kind == b->kind && a->input_count == b->input_count &&
	       a->output == b->output && a->kernel_h == b->kernel_h &&
	       a->kernel_w == b->kernel_w && a->stride_h == b->stride_h &&
	       a->stride_w == b->stride_w && a->dilation_h == b->dilation_h &&
	       a->dilation_w == b->dilation_w && a->pad_top == b->pad_top &&
	       a->pad_left == b->pad_left && a->pad_bottom == b->pad_bottom &&
	       a->pad_right == b->pad_right && a->groups == b->groups &&
	       a->bias_shift == b->bias_shift && a->out_shift == b->out_shift &&
	       a->act_min == b->act_min && a->act_max == b->act_max &&
	       a->add_scale[0] == b->add_scale[0] && a->add_scale[1] == b->add_scale[1] &&
	       a->divisor == b->divisor && a->pool_rule == b->pool_rule &&
	       a->mode == b->mode && a->bits == b->bits &&
	       a->exponent_count == b->exponent_count &&
	       a->first_exponent == b->first_exponent && a->mean_neg == b->mean_neg &&
	       a->mean_pos == b->mean_pos && a->coder == b->coder;
}

static bool same_tensor(const struct fqz_tensor *a, const struct fqz_tensor *b)
{
	return a->type == b->type && a->c == b->c && a->h == b->h && a->w == b->w &&
	       !memcmp(&a->scale, &b->scale, sizeof(a->scale));
}

static bool same_symbols(const struct fqz_image *written, const struct fqz_image *read,
			 uint32_t index)
{
	const struct fqz_layer *l = &read->layers[index];
	size_t count = (size_t)l->outputs * l->inputs_per_output;
	uint8_t *symbols;
	bool same;

	if (!fqz_layer_has_weights(l))
		return !l->outputs && !l->stream;
	symbols = malloc(count);
	same = !fqz_layer_decode(read, index, symbols, count, NULL) &&
	       !memcmp(symbols, written->layers[index].symbols, count);
	free(symbols);
	return same;
}

static bool same_texts(const struct fqz_image *a, const struct fqz_image *b)
{
	uint32_t i;

	if (a->class_count != b->class_count || a->meta_count != b->meta_count)
		return false;
	for (i = 0; i < a->class_count; i++)
		if (strcmp(a->classes[i], b->classes[i]))
			return false;
	for (i = 0; i < a->meta_count; i++)
		if (strcmp(a->meta[i].key, b->meta[i].key) ||
		    strcmp(a->meta[i].value, b->meta[i].value))
			return false;
	return true;
}

static bool same_network(const struct fqz_image *a, const struct fqz_image *b)
{
	uint32_t i;

	if (a->tensor_count != b->tensor_count || a->layer_count != b->layer_count ||
	    memcmp(a->mean, b->mean, sizeof(a->mean)) ||
	    memcmp(a->std, b->std, sizeof(a->std)) || a->color != b->color ||
	    a->range255 != b->range255 || a->resize_shorter != b->resize_shorter)
		return false;
	for (i = 0; i < a->tensor_count; i++)
		if (!same_tensor(&a->tensors[i], &b->tensors[i]))
			return false;
	for (i = 0; i < a->layer_count; i++)
		if (!same_layer(&a->layers[i], &b->layers[i], a->tensors[i + 1].c) ||
		    !same_symbols(a, b, i))
			return false;
	return same_texts(a, b);
}

/* At an odd address, in a block of its own: the sanitizer sees one byte too many. */
static void check(const struct net *n, const char *what)
{
	struct fqz_error err = { .what = "" };
	struct fqz_image *img;
	uint8_t *image, *odd;
	size_t len;
	int ret;

	image = net_write(n, &len);
	odd = malloc(len + 1);
	memcpy(odd + 1, image, len);
	ret = fqz_image_open(odd + 1, len, &img, &err);
	if (!ok(!ret, "%s: opens (%s)", what, err.what))
		goto out;
	ok(img->file_size == len, "%s: File_Size", what);
	ok(same_network(&n->img, img), "%s: the same network", what);
	ok(!fqz_image_verify(img, &err), "%s: verifies", what);
	fqz_image_close(img);
out:
	free(odd);
	free(image);
}

static void check_widths(void)
{
	enum fqz_mode mode;
	struct net n;
	char what[64];
	uint32_t bits;

	for (mode = FQZ_SHIFT; mode <= FQZ_RECENTRALIZED; mode++) {
		for (bits = 3; bits <= 8; bits++) {
			snprintf(what, sizeof(what), "mode %d, %u bits", (int)mode, bits);
			net_init(&n, bits, 5, 6, 7);
			net_add(&n, net_conv(0, 3, 1, 1, mode, bits), FQZ_U8, 9, 6, 7);
			net_add(&n, net_fc(1, mode, bits), FQZ_S32, 11, 1, 1);
			check(&n, what);
			net_free(&n);
		}
	}
}

/* A convolution of random geometry, and pools in floor and ceil mode after it. */
static void add_random(struct net *n, uint64_t *seed)
{
	uint32_t groups = 1 + net_random(seed, 3), c = groups * (1 + net_random(seed, 3));
	struct fqz_layer l;
	uint32_t h, w, i;

	net_init(n, net_random(seed, 1000), groups * (1 + net_random(seed, 4)),
		 8 + net_random(seed, 20), 8 + net_random(seed, 20));
	n->img.color = FQZ_NOT_A_PICTURE;
	n->img.range255 = net_random(seed, 2);
	l = net_conv(0, 1 + net_random(seed, 3), 1 + net_random(seed, 3), 0,
		     1 + net_random(seed, 2), 3 + net_random(seed, 6));
	l.groups = groups;
	l.kernel_w = 1 + net_random(seed, 4);
	l.dilation_h = 1 + net_random(seed, 2);
	l.pad_top = net_random(seed, l.dilation_h * (l.kernel_h - 1) + 1);
	l.pad_right = net_random(seed, l.kernel_w);
	h = (n->tensors[0].h + l.pad_top - l.dilation_h * (l.kernel_h - 1) - 1) / l.stride_h + 1;
	w = (n->tensors[0].w + l.pad_right - l.kernel_w) / l.stride_w + 1;
	net_add(n, l, 1 + net_random(seed, 2), c, h, w);
	for (i = 0; i < 2; i++) {
		const struct fqz_tensor *in = &n->tensors[i + 1];
		bool ceil = net_random(seed, 2);

		l = net_layer(i ? FQZ_AVGPOOL : FQZ_MAXPOOL, i + 1);
		l.kernel_h = 1 + net_random(seed, in->h < 3 ? in->h : 3);
		l.kernel_w = 1 + net_random(seed, in->w < 3 ? in->w : 3);
		l.stride_h = l.kernel_h;
		l.stride_w = l.kernel_w;
		l.pool_rule = i ? (enum fqz_pool_rule)net_random(seed, 2) : FQZ_POOL_IN_BOUNDS;
		h = (in->h - l.kernel_h + (ceil ? l.stride_h - 1 : 0)) / l.stride_h + 1;
		w = (in->w - l.kernel_w + (ceil ? l.stride_w - 1 : 0)) / l.stride_w + 1;
		net_add(n, l, in->type, c, h, w);
	}
}

static void check_random(void)
{
	uint64_t seed = 20;
	struct net n;
	char what[32];
	int i;

	for (i = 0; i < 40; i++) {
		snprintf(what, sizeof(what), "random network %d", i);
		add_random(&n, &seed);
		check(&n, what);
		net_free(&n);
	}
}

static void check_fixed(void)
{
	struct net n;

	net_every_kind(&n);
	check(&n, "every kind");
	net_free(&n);
	net_small(&n);
	check(&n, "small");
	net_free(&n);
	net_segments(&n);
	check(&n, "segments");
	net_free(&n);
	net_example(&n);
	check(&n, "example");
	net_free(&n);
	net_rle_kinds(&n);
	check(&n, "every kind, rle-huffman");
	net_free(&n);
	net_tans_kinds(&n);
	check(&n, "every kind, tans");
	net_free(&n);
	net_contexts(&n);
	check(&n, "contexts");
	net_free(&n);
}

/* Members that a kind has no use for need not be cleared. */
static void check_unused_members(void)
{
	struct fqz_error err;
	struct fqz_image *img;
	struct net n;
	void *data;
	size_t len;

	net_small(&n);
	n.layers[1].groups = 1;
	n.layers[1].stride_h = 3;
	n.layers[2].mean_neg = 4;
	n.layers[2].kernel_h = 1;
	n.layers[0].divisor = 9;
	if (ok(!fqz_image_write(&n.img, &data, &len, &err), "unused members are not read")) {
		ok(!fqz_image_open(data, len, &img, &err), "and the image opens");
		is_int(img->layers[1].groups, 0, "an unused member is 0");
		fqz_image_close(img);
		free(data);
	}
	net_free(&n);
}

static void is_refused(const struct net *n, enum fqz_reason reason, uint32_t layer,
		       const char *what)
{
	struct fqz_error err = { 0 };
	size_t len = 1;
	void *data = &len;
	int ret = fqz_image_write(&n->img, &data, &len, &err);

	ok(ret == -EBADMSG && err.reason == reason && err.layer == layer && !data && !len,
	   "the writer refuses %s (%s, layer %u: %s)", what, fqz_reason_name(err.reason),
	   err.layer, err.what);
	free(ret ? NULL : data);
}

#define REFUSED(_member, _value, _reason, _layer) do {					\
	struct net n_;									\
	net_small(&n_);									\
	n_._member = _value;								\
	is_refused(&n_, _reason, _layer, #_member " = " #_value);			\
	net_free(&n_);									\
} while (0)

static void check_writer_refusals(void)
{
	static const struct fqz_meta descending[] = { { "b", "" }, { "a", "" } };

	REFUSED(layers[0].stride_h, 256, FQZ_LAYER, 0);
	REFUSED(layers[0].groups, 0, FQZ_LAYER, 0);
	REFUSED(layers[0].groups, 70000, FQZ_LAYER, 0);
	REFUSED(layers[0].kind, 0, FQZ_LAYER, 0);
	REFUSED(layers[0].output, 3, FQZ_LAYER, 0);
	REFUSED(layers[0].output, 4000, FQZ_LAYER, 0);
	REFUSED(layers[0].inputs[0], 1, FQZ_LAYER, 0);
	REFUSED(layers[0].input_count, 9, FQZ_LAYER, 0);
	REFUSED(layers[0].bias_shift, 45, FQZ_LAYER, 0);
	REFUSED(layers[0].exponent_count, 3, FQZ_ALPHABET, 0);
	REFUSED(layers[0].coder, 4, FQZ_FEATURE, 0);
	REFUSED(layers[2].kind, FQZ_AFFINE, FQZ_SHAPE, 2);
	REFUSED(layers[2].mode, 3, FQZ_LAYER, 2);
	REFUSED(layers[2].act_max, 128, FQZ_LAYER, 2);
	REFUSED(layers[0].name, "\x01", FQZ_TEXT, FQZ_NO_LAYER);
	REFUSED(img.meta, (struct fqz_meta *)descending, FQZ_TEXT, FQZ_NO_LAYER);
	REFUSED(img.color, FQZ_RGB, FQZ_NETWORK, FQZ_NO_LAYER);
	REFUSED(img.std[1], 0, FQZ_NETWORK, FQZ_NO_LAYER);
	REFUSED(img.color, (enum fqz_color)4, FQZ_NETWORK, FQZ_NO_LAYER);
	REFUSED(img.resize_shorter, 65536, FQZ_NETWORK, FQZ_NO_LAYER);
	REFUSED(layers[0].groups, 2, FQZ_SHAPE, 0);
	REFUSED(tensors[1].c, 0, FQZ_TENSOR, FQZ_NO_LAYER);
	REFUSED(img.layer_count, 0, FQZ_NETWORK, FQZ_NO_LAYER);
	REFUSED(tensors[1].c, 65536, FQZ_TENSOR, FQZ_NO_LAYER);
	REFUSED(tensors[1].h, 3, FQZ_SHAPE, 0);
	REFUSED(tensors[2].scale, 0, FQZ_TENSOR, FQZ_NO_LAYER);
}

static void check_bad_symbol(void)
{
	struct net n;

	net_small(&n);
	((uint8_t *)n.layers[2].symbols)[1] = (uint8_t)fqz_layer_alphabet(&n.layers[2]);
	is_refused(&n, FQZ_ALPHABET, 2, "a symbol outside the alphabet");
	net_free(&n);
}

#define INVALID(_member) do {								\
	struct fqz_error err_;								\
	struct net n_;									\
	void *data_;									\
	size_t len_;									\
	net_small(&n_);									\
	n_._member = NULL;								\
	ok(fqz_image_write(&n_.img, &data_, &len_, &err_) == -EINVAL && err_.what,	\
	   "-EINVAL where " #_member " is NULL");					\
	net_free(&n_);									\
} while (0)

static void check_null_members(void)
{
	INVALID(layers[0].symbols);
	INVALID(layers[0].scale);
	INVALID(layers[2].bias);
	INVALID(layers[2].shift);
	INVALID(img.classes);
	INVALID(img.classes[1]);
	INVALID(img.meta);
	INVALID(img.meta[0].value);
	INVALID(img.meta[1].key);
}

static void check_arguments(void)
{
	struct fqz_error err;
	struct fqz_image *img;
	uint8_t symbols[64] = { 0 }, *image;
	struct net n;
	size_t len;

	net_small(&n);
	image = net_write(&n, &len);
	if (fqz_image_open(image, len, &img, &err))
		bail("the small network does not open");
	is_int(fqz_layer_decode(img, 1, symbols, 4, &err), -EINVAL, "no weights to decode");
	is_int(fqz_layer_decode(img, 3, symbols, 4, &err), -EINVAL, "no such layer");
	is_int(fqz_layer_decode(img, 2, symbols, 5, &err), -EINVAL, "another count");
	is_int(fqz_layer_decode(img, 2, symbols, 5, NULL), -EINVAL, "err may be NULL");
	is_int(fqz_layer_check_bound(img, 1, symbols, NULL, &err), -EINVAL, "no bound");
	fqz_image_close(img);
	fqz_image_close(NULL);
	free(image);
	net_free(&n);
}

int main(void)
{
	check_fixed();
	check_widths();
	check_random();
	check_unused_members();
	check_writer_refusals();
	check_bad_symbol();
	check_null_members();
	check_arguments();
	return tap_done();
}
